//! What `fwb-run --fleet` tells: a line for each server as it ends, and all of them in the end.

use fwb::{FleetFailure, FleetRecord, RunRecord};

use crate::count::counted;
use crate::duration::human_seconds;
use crate::page::Page;
use crate::paint::Tone;
use crate::size::human_size;

/// The run of one server that has ended with a record.
pub fn fleet_server_ran(server: &str, run: &RunRecord, page: &Page) -> String {
    if run.exit != Some(0) {
        let failure = FleetFailure::of_run(server, run.exit.unwrap_or(1), run);
        return fleet_server_failed(&failure, page);
    }
    let took = run.seconds.map(|seconds| format!(" in {}", human_seconds(seconds))).unwrap_or_default();
    let backups = match (&run.name, run.backups_made.len()) {
        (_, more) if more > 0 => {
            let size = run.backups_made.iter().map(|made| made.size).sum();
            format!(": {}, {}", counted(more as u64, "backup"), human_size(size))
        }
        (Some(name), _) => {
            let size = run.size.map(|size| format!(", {}", human_size(size))).unwrap_or_default();
            format!(": {name}{size}")
        }
        (None, _) => String::new(),
    };
    page.line(Tone::Good, "done", &format!("{server}, {}{took}{backups}", run.what))
}

/// The run of one server that has failed.
pub fn fleet_server_failed(failure: &FleetFailure, page: &Page) -> String {
    let stage = failure.stage.as_ref().map(|stage| format!(", in {stage}")).unwrap_or_default();
    let mut text = page.line(Tone::Bad, "FAILED", &format!("{}{stage}", failure.server));
    if let Some(reason) = &failure.reason {
        let code = failure.code.as_ref().map(|code| format!(" ({code})")).unwrap_or_default();
        text += &page.detail(&format!("{reason}{code}"));
    }
    if let Some(hint) = &failure.hint {
        text += &page.hint(&format!("hint: {hint}"));
    }
    text
}

/// All runs of a fleet.
pub fn fleet_ran(all: &FleetRecord, page: &Page) -> String {
    let took = human_seconds(all.seconds);
    let made = if all.backups_made > 0 {
        format!("; {}, {}", counted(all.backups_made, "backup"), human_size(all.size))
    } else {
        String::new()
    };
    let summary = format!("{} of {}, {} in {took}{made}", all.ok, counted(all.servers, "server"), all.what);
    if all.is_ok() {
        return page.line(Tone::Good, "done", &summary);
    }
    let mut text = page.line(Tone::Bad, "FAILED", &summary);
    let failed: Vec<&str> = all.failures.iter().map(|failure| failure.server.as_str()).collect();
    if !failed.is_empty() {
        text += &page.detail(&format!("failed: {}", failed.join(", ")));
    }
    if !all.not_begun.is_empty() {
        text += &page.detail(&format!("not begun: {}", all.not_begun.join(", ")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fleet_is_told_in_a_line_a_server_and_a_sum() {
        let page = Page::default();
        let mut run = RunRecord::begin("20260701T020000000Z-backup-00000000".into(), "backup", fwb::now());
        (run.exit, run.seconds, run.size) = (Some(0), Some(3.21), Some(2048));
        run.name = Some("shop_backup.sql.gz".into());
        assert_eq!(
            fleet_server_ran("shop-eu", &run, &page),
            "done shop-eu, backup in 3.2s: shop_backup.sql.gz, 2.0 KiB\n"
        );
        (run.exit, run.stage, run.reason) = (Some(1), Some("dump".into()), Some("no answer".into()));
        assert_eq!(fleet_server_ran("crm", &run, &page), "FAILED crm, in dump\n  no answer\n");
        let mut all = FleetRecord::begin("backup", "fleet", 3, fwb::now());
        (all.ok, all.seconds) = (3, 61.0);
        assert_eq!(
            fleet_ran(&all, &page),
            format!("done 3 of 3 servers, backup in {}\n", human_seconds(61.0))
        );
        all.failures = vec![FleetFailure::of_run("crm", 1, &run)];
        all.not_begun = vec!["log".into()];
        assert!(fleet_ran(&all, &page).ends_with("failed: crm\n  not begun: log\n"));
    }
}
