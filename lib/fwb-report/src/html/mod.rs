//! One page without any outside reference, without a script, for a telephone, a dark room, a printer and a keyboard alone. Beside
//! each plot its numbers stand as a table. Its size is bounded, however many databases, backups and runs there are.

mod calendar;
mod database;
mod fleet;
mod log;
mod markup;
mod plot;
mod store;

use std::fmt::Write as _;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use fwb::{DatabaseReport, ReportDocument};
use fwb_cli::human_size;
use sha2::{Digest as _, Sha256};

use crate::words::{age, label, percent, seconds};
use markup::{Fits, escaped, table, time};

const STYLE: &str = include_str!("style.css");
/// So many databases are shown in full; those with troubles come first, and the rest are lines of the overview.
const IN_FULL: usize = 20;
/// So many databases are lines of the overview.
const OVERVIEW: usize = 500;
/// So many troubles are told.
const TROUBLES: usize = 100;

/// What the page may load and run: its own style and its own picture in the tab, and nothing else.
pub(crate) fn policy() -> String {
    let hash = BASE64_STANDARD.encode(Sha256::digest(STYLE));
    format!(
        "default-src 'none'; style-src 'sha256-{hash}'; img-src data:; base-uri 'none'; form-action 'none'"
    )
}

/// The page. `note` stands above everything, where what is shown is not of now.
pub fn html(report: &ReportDocument, note: Option<&str>) -> String {
    let (title, dot) =
        if report.ok { ("Backups: all is well", "2f9e5f") } else { ("Backups: trouble", "d6453b") };
    let shown = shown(report);
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, \
         initial-scale=1\">\n<meta http-equiv=\"Content-Security-Policy\" content=\"{}\">\n<meta name=\"referrer\" \
         content=\"no-referrer\">\n<title>{title}</title>\n<link rel=\"icon\" href=\"data:image/svg+xml,%3Csvg \
         xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Ccircle cx='8' cy='8' r='7' \
         fill='%23{dot}'/%3E%3C/svg%3E\">\n<style>{STYLE}</style>\n</head>\n<body>\n<a class=\"skip\" href=\"#content\">Skip to \
         the content</a>\n<div class=\"page\">\n<header>\n<h1>Backups</h1>\n",
        policy(),
    );
    if let Some(note) = note {
        let _ = writeln!(page, "<p class=\"stale\" role=\"alert\">{}</p>", escaped(note));
    }
    page += &state(report);
    page += &navigation(&shown);
    page += "</header>\n<main id=\"content\" tabindex=\"-1\">\n";
    page += &troubles(report);
    page += &fleet::section(report);
    if report.databases.len() > 1 {
        page += &overview(report);
    }
    for (at, one) in shown.iter().enumerate() {
        page += &database::section(one, at, report);
    }
    page += &log::section(report);
    page += &store::section(report);
    page += &certificates(report);
    let _ = write!(
        page,
        "</main>\n<footer class=\"note\"><p>Runs and sizes since {}. Made {} by fwb-report {}. Times are of the zone {}. A backup \
         is proved when fwb-verify has read every byte of it and found what its manifest says; a drill restores it and compares.</p>\
         </footer>\n</div>\n</body>\n</html>\n",
        time(report.since),
        time(report.at),
        escaped(&report.version),
        report.at.with_timezone(&chrono::Local).format("%:z"),
    );
    page
}

/// The databases that are shown in full.
fn shown(report: &ReportDocument) -> Vec<&DatabaseReport> {
    let is_troubled =
        |one: &DatabaseReport| report.troubles.iter().any(|trouble| trouble.subject == label(one));
    // Copies are told with what they are copies of, and in the overview.
    let is_own = |one: &&DatabaseReport| !one.is_copy;
    let mut all: Vec<&DatabaseReport> = report.databases.iter().filter(is_own).collect();
    all.sort_by_key(|one| !is_troubled(one));
    all.truncate(IN_FULL);
    all
}

fn state(report: &ReportDocument) -> String {
    let class = if report.ok { "state" } else { "state bad" };
    let said = match report.troubles.len() {
        0 => report.state.clone(),
        1 => "One thing needs a person".into(),
        more => format!("{more} things need a person"),
    };
    format!(
        "<div class=\"{class}\" role=\"status\"><strong>{}</strong><p class=\"muted\">As of {}</p></div>\n",
        escaped(&said),
        time(report.at)
    )
}

fn navigation(shown: &[&DatabaseReport]) -> String {
    if shown.len() < 2 {
        return String::new();
    }
    let links: Vec<String> = shown
        .iter()
        .enumerate()
        .map(|(at, one)| format!("<li><a href=\"#database-{at}\">{}</a></li>", escaped(&label(one))))
        .collect();
    format!(
        "<nav aria-label=\"Databases\"><ul>{}<li><a href=\"#stores\">Stores</a></li></ul></nav>\n",
        links.concat()
    )
}

fn troubles(report: &ReportDocument) -> String {
    if report.ok {
        return String::new();
    }
    let items: Vec<String> = report
        .troubles
        .iter()
        .take(TROUBLES)
        .map(|trouble| {
            format!(
                "<li><p class=\"what\"><span class=\"code\">{}</span> {}: {}</p><p class=\"do\">{}</p><p class=\"note\">More: <span \
                 class=\"path\">docs/RUNBOOK.md#{}</span></p></li>",
                escaped(&trouble.code),
                escaped(&trouble.subject),
                escaped(&trouble.message),
                escaped(&trouble.hint),
                escaped(&trouble.section),
            )
        })
        .collect();
    let more = report.troubles.len().saturating_sub(TROUBLES);
    let more = if more > 0 { format!("<p class=\"note\">And {more} more.</p>") } else { String::new() };
    format!(
        "<section aria-labelledby=\"troubles\"><header><h2 id=\"troubles\">What to do</h2></header><ul \
         class=\"troubles\">{}</ul>{more}</section>\n",
        items.concat()
    )
}

fn overview(report: &ReportDocument) -> String {
    let line = |one: &DatabaseReport| {
        let backups = one.runs.iter().find(|runs| runs.what == "backup");
        let rate = backups.and_then(|runs| runs.windows.get(1)).and_then(|window| window.rate);
        vec![
            escaped(&label(one)),
            escaped(&one.store) + if one.is_copy { " <span class=\"note\">(copies)</span>" } else { "" },
            one.newest_proved.as_ref().map_or("none".into(), |newest| age(newest.at, report.at)),
            one.newest_drill.as_ref().map_or("none".into(), |drill| age(drill.at, report.at)),
            one.rto_seconds.map_or_else(|| "–".into(), seconds),
            rate.map_or_else(|| "–".into(), percent),
            one.newest.as_ref().map_or_else(|| "–".into(), |newest| human_size(newest.size)),
        ]
    };
    let titles =
        ["Database", "Store", ">Newest proved", ">Newest drill", ">Restore takes", ">Runs, 30 days", ">Size"];
    let lines = report.databases.iter().take(OVERVIEW).map(line);
    let more = report.databases.len().saturating_sub(OVERVIEW);
    let more = if more > 0 { format!("<p class=\"note\">And {more} more.</p>") } else { String::new() };
    format!(
        "<section aria-labelledby=\"overview\"><header><h2 id=\"overview\">All databases</h2></header><div class=\"card\">{}</div>{more}</section>\n",
        table("All databases", &titles, lines, Fits::Stacked)
    )
}

fn certificates(report: &ReportDocument) -> String {
    if report.certificates.is_empty() {
        return String::new();
    }
    let lines = report
        .certificates
        .iter()
        .map(|one| vec![escaped(&one.file), escaped(&one.setting), time(one.not_after)]);
    format!(
        "<section aria-labelledby=\"certificates\"><header><h2 id=\"certificates\">Certificates</h2></header><div \
         class=\"card\">{}</div></section>\n",
        table(
            "Until when certificates are valid",
            &["File", "Setting", ">Valid until"],
            lines,
            Fits::Stacked
        )
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_allows_the_style_alone() {
        let policy = policy();
        assert!(
            policy.starts_with("default-src 'none'; style-src 'sha256-") && !policy.contains("unsafe"),
            "{policy}"
        );
    }

    #[test]
    fn the_style_cannot_end_its_element() {
        assert!(!STYLE.contains('<') && !STYLE.contains("url(") && !STYLE.contains("@import"));
    }
}
