//! One database on the page.

use std::fmt::Write as _;

use fwb::{
    DatabaseReport, HoleVerdict, ReachReport, ReportDocument, RunBrief, RunOutcome, RunsReport, TableReport,
    Timestamp,
};
use fwb_cli::{grouped, human_size};

use super::calendar::{calendar, legend};
use super::markup::{Fits, details, escaped, table, time};
use super::plot::{Outlook, Plot, Scale};
use crate::text::outcome;
use crate::words::{age, label, percent, seconds, signed_size};

/// A day in seconds.
const DAY: f64 = 86_400.0;
/// So many tables have a plot each, where nothing changed.
const PLOTTED: usize = 6;
/// So many that changed have one.
const PLOTTED_CHANGES: usize = 24;

/// The section of one database.
pub(super) fn section(one: &DatabaseReport, at: usize, report: &ReportDocument) -> String {
    let copy = if one.is_copy { ", copies" } else { "" };
    let mut out = format!(
        "<section aria-labelledby=\"database-{at}\"><header><h2 id=\"database-{at}\" tabindex=\"-1\">{}</h2><p class=\"muted\">in \
         <span class=\"path\">{}</span>{copy}</p></header>\n",
        escaped(&label(one)),
        escaped(&one.store)
    );
    out += &tiles(one, report);
    for runs in &one.runs {
        out += &of_runs(runs, report);
    }
    out += &sizes(one);
    out += &tables(one);
    out += &copies(one, report.at);
    out += &failures(one);
    out += "</section>\n";
    out
}

fn tile(title: &str, value: &str, small: &str, is_bad: bool) -> String {
    let class = if is_bad { " class=\"bad\"" } else { "" };
    format!("<div{class}><dt>{title}</dt><dd>{value}<small>{small}</small></dd></div>")
}

#[allow(clippy::cast_precision_loss)]
fn tiles(one: &DatabaseReport, report: &ReportDocument) -> String {
    if one.database.is_none() {
        return String::new();
    }
    let has = |code: &str| {
        report.troubles.iter().any(|trouble| trouble.code == code && trouble.subject == label(one))
    };
    let now = report.at;
    let mut out = String::from("<dl class=\"tiles\">");
    out += &match &one.newest_proved {
        Some(newest) => tile("Newest proved backup", &age(newest.at, now), &time(newest.at), has("FWB-3001")),
        None => tile("Newest proved backup", "none", "", has("FWB-3001")),
    };
    if let Some(worst) = one.worst_rpo_seconds {
        out += &tile(
            "Longest time without one",
            &seconds(worst as f64),
            "what could have been lost (RPO reached)",
            false,
        );
    }
    out += &match &one.newest_drill {
        Some(drill) => tile("Newest drill that held", &age(drill.at, now), &time(drill.at), has("FWB-3005")),
        None => tile("Newest drill that held", "none", "", has("FWB-3005")),
    };
    if let Some(reachable) = &one.reachable {
        out += &moments(reachable, has("FWB-3014") || has("FWB-3016"));
    }
    if let Some(rto) = one.rto_seconds {
        let worst = one.worst_rto_seconds.map(|worst| format!("at most {} (RTO reached)", seconds(worst)));
        out += &tile("A restore takes", &seconds(rto), &worst.unwrap_or_default(), false);
    }
    out +=
        &tile("Backups", &grouped(one.backups), &format!("{} proved", grouped(one.proved)), has("FWB-3011"));
    if let Some(newest) = &one.newest {
        let mut rows = newest.rows.map(|rows| format!("{} rows", grouped(rows))).unwrap_or_default();
        if newest.leaves_out {
            rows += ", some tables left out";
        }
        out += &tile("Size", &human_size(newest.size), &rows, has("FWB-3010"));
    }
    out + "</dl>\n"
}

/// Which moments can be reached.
fn moments(one: &ReachReport, is_bad: bool) -> String {
    let until = one.until.map(|until| format!("to {}", time(until)));
    let hole = match one.hole {
        HoleVerdict::No => String::new(),
        HoleVerdict::Yes => "; a hole since".into(),
        HoleVerdict::Unknown => "; not known what lacks since".into(),
    };
    let earlier = match one.spans_total {
        0 | 1 => String::new(),
        more => format!("; {} spans before that", grouped(more - 1)),
    };
    let proof = match &one.proof {
        None => String::new(),
        Some(proof) if proof.ok => format!("; proved {}", time(proof.at)),
        Some(proof) => format!("; the log lacked something {}", time(proof.at)),
    };
    let from = one.from.map_or_else(|| "none".into(), |from| format!("from {}", time(from)));
    tile("Any moment", &from, &format!("{}{hole}{earlier}{proof}", until.unwrap_or_default()), is_bad)
}

fn of_runs(runs: &RunsReport, report: &ReportDocument) -> String {
    let what = escaped(&runs.what);
    let rates: String = runs
        .windows
        .iter()
        .filter_map(|window| {
            let all = window.ok + window.failed + window.lost;
            window.rate.map(|rate| {
                format!(
                    "<li><b>{}</b> in {} days <span class=\"muted\">({} of {all})</span></li>",
                    percent(rate),
                    window.days,
                    window.ok
                )
            })
        })
        .collect();
    let last = runs.last.as_ref().map_or_else(String::new, |last| {
        let class = if last.outcome == RunOutcome::Ok { "is-ok" } else { "is-bad" };
        let took = last.seconds.map(|took| format!(", took {}", seconds(took))).unwrap_or_default();
        format!(
            "last: <span class=\"{class}\">{}</span> {}{took}",
            outcome(last.outcome),
            age(last.at, report.at)
        )
    });
    let zone = |at: Timestamp| at.date_naive();
    let until = runs.days.last().map_or(zone(report.at), |day| day.date.max(zone(report.at)));
    let strip = calendar(&runs.what, &runs.days, runs.by_week, zone(report.since), until);
    // A long calendar leaves no place beside it.
    let wide = if runs.by_week || (until - zone(report.since)).num_days() > 200 { " wide" } else { "" };
    let lines = runs.days.iter().rev().map(|day| {
        vec![
            day.date.to_string(),
            grouped(day.ok),
            grouped(day.failed),
            grouped(day.lost),
            day.seconds.map_or_else(|| "–".into(), seconds),
        ]
    });
    let period = if runs.by_week { "Week of" } else { "Day" };
    let titles = [period, ">Ended well", ">Failed", ">Lost", ">Took (median)"];
    let numbers = table(
        &format!("{what} runs by {}", if runs.by_week { "week" } else { "day" }),
        &titles,
        lines,
        Fits::Scrolled,
    );
    let out = format!(
        "<div class=\"card\"><figure><figcaption><strong>Runs: {what}</strong><span class=\"muted\">{last}</span></figcaption><ul \
         class=\"rates\">{rates}</ul></figure><div class=\"side{wide}\"><div>{strip}{}</div>{}</div>",
        legend(),
        durations(runs)
    );
    out + &details(&format!("The numbers of {what} runs"), &numbers) + "</div>\n"
}

fn durations(runs: &RunsReport) -> String {
    let points: Vec<(f64, f64)> =
        runs.days.iter().filter_map(|day| Some((noon(day.date), day.seconds?))).collect();
    if points.len() < 3 {
        return String::new();
    }
    let plot = Plot {
        label: format!("How long {} runs took that ended well", runs.what),
        points,
        outlook: None,
        level: None,
        said: &seconds,
        scale: Scale::Seconds,
        is_changed: false,
    };
    format!(
        "<figure><figcaption><span class=\"muted\">How long they took</span></figcaption>{}</figure>",
        plot.svg()
    )
}

#[allow(clippy::cast_precision_loss)]
fn noon(day: chrono::NaiveDate) -> f64 {
    day.and_hms_opt(12, 0, 0).map_or(0.0, |noon| noon.and_utc().timestamp() as f64)
}

#[allow(clippy::cast_precision_loss)]
fn instant(at: Timestamp) -> f64 {
    at.timestamp() as f64
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn size(bytes: f64) -> String {
    if bytes < 0.5 { "0".into() } else { human_size(bytes.round() as u64) }
}

#[allow(clippy::cast_precision_loss)]
fn sizes(one: &DatabaseReport) -> String {
    let points: Vec<(f64, f64)> =
        one.sizes.iter().map(|point| (instant(point.at), point.bytes as f64)).collect();
    if points.len() < 2 {
        return String::new();
    }
    let known = points.last().map_or(0.0, |last| last.0) - points[0].0;
    let certain = one.size_trend.filter(fwb::Trend::is_certain);
    let outlook = certain.map(|trend| Outlook {
        from: trend.at_end,
        slopes: [trend.slope, trend.low, trend.high].map(|slope| slope / DAY),
        seconds: (known / 3.0).max(DAY),
    });
    let said = match (one.size_trend, certain) {
        (_, Some(trend)) => format!(
            "{} a day ({} to {})",
            signed_size(trend.slope),
            signed_size(trend.low),
            signed_size(trend.high)
        ),
        (Some(_), None) => "no trend".into(),
        (None, _) => "too little is known for a trend".into(),
    };
    let plot = Plot {
        label: format!("The size of backups of {} over time: {said}", label(one)),
        points,
        outlook,
        level: None,
        said: &size,
        scale: Scale::Bytes,
        is_changed: false,
    };
    let lines = one
        .sizes
        .iter()
        .rev()
        .map(|point| vec![time(point.at), human_size(point.bytes), grouped(point.bytes)]);
    let numbers = table("Sizes of backups", &["Begun", ">Size", ">Bytes"], lines, Fits::Scrolled);
    format!(
        "<div class=\"card\"><figure><figcaption><strong>Size of a backup</strong><span class=\"muted\">{said}</span></figcaption>{}</figure>{}</div>\n",
        plot.svg(),
        details("The numbers of sizes", &numbers)
    )
}

fn tables(one: &DatabaseReport) -> String {
    if one.tables.is_empty() {
        return String::new();
    }
    let (changed, steady): (Vec<_>, Vec<_>) = one.tables.iter().partition(|table| table.change.is_some());
    let plotted = changed.iter().take(PLOTTED_CHANGES).chain(steady.iter().take(PLOTTED));
    let plots: String = plotted.map(|table| of_table(table)).collect();
    let lines = one.tables.iter().map(|one| {
        vec![
            escaped(&one.name),
            one.rows.map_or_else(|| "–".into(), grouped),
            human_size(one.bytes),
            change(one)
                .map_or_else(String::new, |said| format!("<span class=\"is-bad\">{}</span>", escaped(&said))),
        ]
    });
    let numbers = table("Tables", &["Table", ">Rows", ">Size of its SQL", "Change"], lines, Fits::Scrolled);
    let total = one.tables_total.unwrap_or_default();
    let told = one.tables.len();
    let said = match changed.len() {
        0 => format!("{} tables; the largest", grouped(total)),
        1 => format!("{} tables; one changed", grouped(total)),
        more => format!("{} tables; {more} changed", grouped(total)),
    };
    format!(
        "<div class=\"card\"><figcaption><strong>Tables</strong><span class=\"muted\">{said}</span></figcaption><div \
         class=\"small\">{plots}</div>{}</div>\n",
        details(&format!("The numbers of {told} tables"), &numbers)
    )
    .replace("<figcaption><strong>Tables", "<figcaption role=\"presentation\"><strong>Tables")
}

/// What changed, in words.
fn change(table: &TableReport) -> Option<String> {
    let rows = |rows: Option<u64>| rows.map_or("?".into(), grouped);
    Some(match table.change.as_deref()? {
        "vanished" => format!("vanished, had {} rows", rows(table.rows_before)),
        change => format!("{change} from {} to {}", rows(table.rows_before), rows(table.rows)),
    })
}

#[allow(clippy::cast_precision_loss)]
fn of_table(table: &TableReport) -> String {
    let change = change(table);
    let points: Vec<(f64, f64)> =
        table.points.iter().map(|point| (instant(point.at), point.rows.unwrap_or_default() as f64)).collect();
    let now = table.rows.map_or_else(|| "rows not counted".into(), |rows| format!("{} rows", grouped(rows)));
    let said = change.clone().map_or(now, |said| format!("<span class=\"is-bad\">{}</span>", escaped(&said)));
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let count = |value: f64| match value {
        value if value >= 1e9 => format!("{:.1} G", value / 1e9),
        value if value >= 1e6 => format!("{:.1} M", value / 1e6),
        value if value >= 1e4 => format!("{:.0} k", value / 1e3),
        value => grouped(value.round() as u64),
    };
    let plot = Plot {
        label: format!("Rows of table {}", table.name),
        points,
        outlook: None,
        level: None,
        said: &count,
        scale: Scale::Count,
        is_changed: change.is_some(),
    };
    format!(
        "<figure><figcaption><span class=\"path\">{}</span><span class=\"muted\">{said}</span></figcaption>{}</figure>",
        escaped(&table.name),
        plot.svg()
    )
}

fn copies(one: &DatabaseReport, now: Timestamp) -> String {
    if one.copies.is_empty() {
        return String::new();
    }
    let lines = one.copies.iter().map(|copies| {
        let missing = copies.missing.len();
        let names = copies.missing.iter().take(10).map(|name| escaped(name)).collect::<Vec<_>>().join(", ");
        vec![
            escaped(&copies.store),
            grouped(copies.backups),
            copies.newest_proved_at.map_or("none".into(), |at| age(at, now)),
            if missing == 0 {
                "none".into()
            } else {
                format!("<span class=\"is-bad\">{missing}</span>: {names}")
            },
        ]
    });
    let titles = ["Store", ">Copies", ">Newest proved", "Missing, of the last 7 days"];
    format!(
        "<div class=\"card\"><h3>Copies</h3>{}</div>\n",
        table("Copies in second stores", &titles, lines, Fits::Stacked)
    )
}

fn of_run(run: &RunBrief) -> Vec<String> {
    let class = if run.outcome == RunOutcome::Ok { "is-ok" } else { "is-bad" };
    let mut words = String::new();
    let code = run.code.as_deref().map(|code| format!("<span class=\"code\">{}</span> ", escaped(code)));
    if let Some(reason) = &run.reason {
        let _ = write!(words, "{}{}", code.unwrap_or_default(), escaped(reason));
    }
    if let Some(hint) = &run.hint {
        let _ = write!(words, "<br><span class=\"muted\">{}</span>", escaped(hint));
    }
    for warning in &run.warnings {
        let _ = write!(words, "<br><span class=\"muted\">warning: {}</span>", escaped(warning));
    }
    if run.retries > 0 {
        let times = if run.retries == 1 { "once".to_owned() } else { format!("{} times", run.retries) };
        let _ = write!(words, "<br><span class=\"muted\">tried again {times}</span>");
    }
    if words.is_empty() {
        words = run.name.as_deref().map(escaped).unwrap_or_default();
    }
    let stage = run.stage.as_deref().map(|stage| format!(" in {}", escaped(stage))).unwrap_or_default();
    vec![
        time(run.at),
        escaped(&run.what),
        format!("<span class=\"{class}\">{}</span>{stage}", outcome(run.outcome)),
        run.seconds.map_or_else(|| "–".into(), seconds),
        words.trim_start_matches("<br>").to_owned(),
    ]
}

fn failures(one: &DatabaseReport) -> String {
    if one.latest_runs.is_empty() {
        return String::new();
    }
    let titles = ["Begun", "Run", "Ended", ">Took", "Last words"];
    let latest = table("The latest runs", &titles, one.latest_runs.iter().map(of_run), Fits::Scrolled);
    let mut out = String::from("<div class=\"card\"><h3>Log</h3>");
    if one.latest_failures.is_empty() {
        out += "<p class=\"muted\">No run that is known failed or was lost.</p>";
    } else {
        let (first, rest) = one.latest_failures.split_at(one.latest_failures.len().min(5));
        out += &table(
            "The latest runs that failed or were lost",
            &titles,
            first.iter().map(of_run),
            Fits::Stacked,
        );
        if !rest.is_empty() {
            let earlier = table("Earlier ones", &titles, rest.iter().map(of_run), Fits::Scrolled);
            out += &details(&format!("{} earlier ones", rest.len()), &earlier);
        }
    }
    out + &details(&format!("The latest {} runs", one.latest_runs.len()), &latest) + "</div>\n"
}
