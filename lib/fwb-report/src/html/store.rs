//! The stores on the page: what they hold, what is free, when they are full.

use std::fmt::Write as _;

use fwb::{ReportDocument, StoreReport, Verdict};
use fwb_cli::{grouped, human_size};

use super::markup::{Fits, details, escaped, table, time};
use super::plot::{Outlook, Plot, Scale};

/// A day in seconds.
const DAY: f64 = 86_400.0;
/// The outlook shows so many days at most.
const AHEAD: f64 = 120.0;
/// So many stores are shown.
const SHOWN: usize = 50;

/// The section of all stores.
pub(super) fn section(report: &ReportDocument) -> String {
    let mut out = String::from(
        "<section aria-labelledby=\"stores\"><header><h2 id=\"stores\" tabindex=\"-1\">Storage</h2></header>\n",
    );
    for store in report.stores.iter().take(SHOWN) {
        let _ = writeln!(
            out,
            "<div class=\"card\"><h3 class=\"path\">{}</h3>{}{}</div>",
            escaped(&store.store),
            use_of(store),
            outlook(store)
        );
    }
    out + "</section>\n"
}

#[allow(clippy::cast_precision_loss)]
fn use_of(store: &StoreReport) -> String {
    let all = store.total_bytes.unwrap_or(store.used_bytes).max(store.used_bytes).max(1) as f64;
    let (mut at, mut bars, mut legend) = (0.0, String::new(), String::new());
    let others = store
        .total_bytes
        .zip(store.free_bytes)
        .map(|(total, free)| total.saturating_sub(free).saturating_sub(store.used_bytes));
    let kinds = store.kinds.iter().map(|kind| (kind.kind.as_str(), kind.bytes));
    for (kind, bytes) in kinds.chain(others.map(|others| ("others", others))).filter(|(_, bytes)| *bytes > 0)
    {
        let width = bytes as f64 / all * 1000.0;
        let _ = write!(bars, "<rect class=\"use-{kind}\" x=\"{at:.2}\" width=\"{width:.2}\" height=\"20\"/>");
        at += width;
        let _ = write!(
            legend,
            "<span><svg aria-hidden=\"true\" viewBox=\"0 0 12 12\"><rect class=\"use-{kind}\" width=\"12\" height=\"12\" rx=\"2\"/></svg>{} {}</span>",
            if kind == "others" { "other files" } else { kind },
            human_size(bytes)
        );
    }
    let said = match (store.free_bytes, store.total_bytes) {
        (Some(free), Some(total)) => format!("{} of {} free", human_size(free), human_size(total)),
        _ => "no limit is known".into(),
    };
    let lines = store.kinds.iter().map(|kind| {
        vec![
            kind.kind.as_str().into(),
            grouped(kind.backups),
            human_size(kind.bytes),
            grouped(kind.unproved),
            human_size(kind.unproved_bytes),
        ]
    });
    let titles = ["Kind", ">Backups", ">Size", ">Not proved", ">Size of these"];
    let numbers = table("Backups by kind", &titles, lines, Fits::Stacked);
    let unreadable = match store.unreadable {
        0 => String::new(),
        more => format!("<p class=\"is-bad\">{more} cannot be read</p>"),
    };
    format!(
        "<figure><figcaption><span>{} backups take {}</span><span class=\"muted\">{said}</span></figcaption><svg class=\"bar\" role=\"img\" \
         aria-label=\"{} backups take {}; {said}\" viewBox=\"0 0 1000 20\" preserveAspectRatio=\"none\">{bars}</svg><div \
         class=\"legend\">{legend}</div></figure>{unreadable}{}",
        grouped(store.backups),
        human_size(store.used_bytes),
        grouped(store.backups),
        human_size(store.used_bytes),
        details("The numbers by kind", &numbers)
    )
}

#[allow(clippy::cast_precision_loss)]
fn outlook(store: &StoreReport) -> String {
    let forecast = &store.forecast;
    let Some(said) = crate::text::forecast(forecast) else { return String::new() };
    let points: Vec<(f64, f64)> =
        forecast.free_by_day.iter().map(|day| (day.at.timestamp() as f64, day.free_bytes as f64)).collect();
    let known = points.last().zip(points.first()).map_or(0.0, |(last, first)| last.0 - first.0);
    let days = forecast.days.map_or(known / DAY / 3.0, |days| days * 1.15).clamp(1.0, AHEAD);
    let outlook =
        forecast.trend.filter(|_| matches!(forecast.verdict, Verdict::Fills | Verdict::Eases)).map(|trend| {
            Outlook {
                from: points.last().map_or(trend.at_end, |last| last.1),
                slopes: [trend.slope, trend.low, trend.high].map(|slope| slope / DAY),
                seconds: days * DAY,
            }
        });
    let size = |value: f64| {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        if value < 0.5 { "0".into() } else { human_size(value.round() as u64) }
    };
    let plot = Plot {
        label: format!("Free space of {} over time: {said}", store.store),
        points,
        outlook,
        level: Some(forecast.next_backup_bytes as f64),
        said: &size,
        scale: Scale::Bytes,
        is_changed: false,
    };
    let lines = forecast.free_by_day.iter().rev().map(|day| {
        let counts = if day.counts { "" } else { "before retention deleted, or before room was made" };
        vec![time(day.at), human_size(day.free_bytes), counts.into()]
    });
    let numbers = table(
        "Free space by day",
        &["Looked at", ">Free", "Not counted for the trend"],
        lines,
        Fits::Scrolled,
    );
    let next = human_size(forecast.next_backup_bytes);
    let red = if plot.points.len() < 2 {
        String::new()
    } else {
        format!("; the red line is what the next backup takes, {next}")
    };
    format!(
        "<figure><figcaption><strong>Free space</strong><span class=\"muted\">{said}{red}</span></figcaption>{}</figure>{}",
        plot.svg(),
        details("The numbers of free space", &numbers)
    )
}
