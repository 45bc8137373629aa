//! What `fwb-follow` tells.

use fwb::FollowReport;

use super::local;
use crate::count::counted;
use crate::page::Page;
use crate::size::human_size;

/// What was followed.
pub fn followed(report: &FollowReport, page: &Page) -> String {
    let mut lines = Vec::new();
    lines.push(match report.segments {
        0 => "nothing new in the log".to_owned(),
        segments => format!(
            "{} in {} of {} ({} of the log)",
            counted(report.groups, "transaction"),
            counted(segments, "segment"),
            human_size(report.size),
            human_size(report.raw_size)
        ),
    });
    if let (Some(why), Some(chain)) = (&report.begun_because, &report.chain) {
        lines.push(format!("the chain {chain} begins: {why}"));
    }
    if let Some((file, position)) = report.file.as_ref().zip(report.position) {
        let gtid = report.gtid.as_ref().map_or(String::new(), |gtid| format!(", {gtid}"));
        lines.push(format!("up to {file}:{position}{gtid}"));
    }
    if let Some(until) = report.safe_until {
        lines.push(format!("safe in {} up to {}", report.store, local(until)));
    }
    lines.iter().map(|line| page.text(line)).collect()
}
