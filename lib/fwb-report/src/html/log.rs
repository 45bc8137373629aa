//! The logs on the page: whether they still come, and what they take.

use fwb::{LogReport, ReportDocument};
use fwb_cli::{grouped, human_size};

use super::markup::{Fits, escaped, table, time};
use crate::text::follows;
use crate::words::{age, lag_told, log_label};

/// So many logs are shown.
const SHOWN: usize = 100;

/// The section of all logs; nothing where no store holds one.
pub(super) fn section(report: &ReportDocument) -> String {
    if report.logs.is_empty() {
        return String::new();
    }
    let is_told = |one: &LogReport, code: &str| {
        let label = log_label(one);
        report.troubles.iter().any(|trouble| trouble.code == code && trouble.subject == label)
    };
    let marked = |text: String, is_bad: bool| {
        if is_bad { format!("<span class=\"is-bad\">{text}</span>") } else { text }
    };
    let line = |one: &LogReport| {
        let word = one.follower.as_ref().map_or_else(
            || "has left no word".into(),
            |word| {
                let once = if word.once { ", by a schedule" } else { "" };
                let problem = word
                    .problem
                    .as_ref()
                    .map(|problem| format!(": {}", escaped(problem)))
                    .unwrap_or_default();
                let (state, host) = (follows(word.state), escaped(&word.host));
                format!("{state} on {host}{once}, said {}{problem}", age(word.at, report.at))
            },
        );
        let safe = one.safe_until.zip(one.lag_seconds).map_or_else(
            || "nothing".into(),
            |(until, lag)| format!("{}<br><span class=\"muted\">{} ago</span>", time(until), lag_told(lag)),
        );
        let broken = one
            .broken
            .as_ref()
            .map_or_else(|| "whole".into(), |broken| marked(format!("broken at {}", escaped(broken)), true));
        vec![
            one.server.as_deref().map_or_else(|| "not known".into(), escaped),
            format!("<span class=\"path\">{}</span>", escaped(&one.store)),
            marked(safe, is_told(one, "FWB-3013") || is_told(one, "FWB-3015")),
            marked(word, is_told(one, "FWB-3015")),
            broken,
            format!("{}, {} chains", human_size(one.size), grouped(one.chains)),
        ]
    };
    let titles = ["Server", "Store", "Safe until", "Follower", "Chain", ">Size"];
    let more = report.logs.len().saturating_sub(SHOWN);
    let more = if more > 0 { format!("<p class=\"note\">And {more} more.</p>") } else { String::new() };
    format!(
        "<section aria-labelledby=\"logs\"><header><h2 id=\"logs\">Logs</h2></header><div class=\"card\">{}</div>{more}</section>\n",
        table("Logs of servers", &titles, report.logs.iter().take(SHOWN).map(line), Fits::Stacked)
    )
}
