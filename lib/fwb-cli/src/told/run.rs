//! What `fwb-run` tells.

use fwb::{RunOutcome, RunRecord};

use crate::count::counted;
use crate::duration::human_seconds;
use crate::page::Page;
use crate::paint::Tone;
use crate::size::human_size;

/// A run that has ended.
pub fn ran(record: &RunRecord, page: &Page) -> String {
    let took = record.seconds.map(|seconds| format!(" in {}", human_seconds(seconds))).unwrap_or_default();
    let database = record.database.as_ref().map(|database| format!(" of {database}")).unwrap_or_default();
    let what = format!("{}{database}{took}", record.what);
    let mut text = match (record.outcome, &record.stage) {
        (RunOutcome::Ok, _) => page.line(Tone::Good, "done", &what),
        (_, Some(stage)) => page.line(Tone::Bad, "FAILED", &format!("{what}, in {stage}")),
        (_, None) => page.line(Tone::Bad, "FAILED", &what),
    };
    if let Some(name) = &record.name {
        let size = record.size.map(|size| format!(", {}", human_size(size))).unwrap_or_default();
        let proved = record.verification.as_ref().is_some_and(|outcome| outcome.ok);
        text += &page.detail(&format!("{name}{size}, {}", if proved { "proved" } else { "not proved" }));
    }
    for made in &record.backups_made {
        let proved = if made.proved { "proved" } else { "not proved" };
        text += &page.detail(&format!("{}, {}, {proved}", made.name, human_size(made.size)));
    }
    for proof in &record.moments {
        let reached = if proof.ok { "reached" } else { "NOT reached" };
        text += &page.detail(&format!("{} as of {}: {reached}", proof.database, proof.until));
    }
    if let Some(copy) = &record.copy {
        let place = copy.store.as_deref().unwrap_or_default();
        text += &page.detail(&format!("copied to {place}"));
    }
    let retried: u32 = record.steps.iter().map(|step| step.tries.saturating_sub(1)).sum();
    if retried > 0 {
        text += &page.detail(&format!("tried again {}", counted(u64::from(retried), "time")));
    }
    if !record.deleted.is_empty() {
        let deleted = counted(record.deleted.len() as u64, "backup");
        text += &page.detail(&format!("retention deleted {deleted}, {}", human_size(record.freed)));
    }
    if let (Some(backups), Some(proved)) = (record.backups, record.proved) {
        text +=
            &page.detail(&format!("the store has {}, {proved} of them proved", counted(backups, "backup")));
    }
    for lost in &record.lost {
        text += &page.warning(&format!(
            "the {} run of {} ended without a word",
            lost.what,
            lost.at.format("%Y-%m-%d %H:%M")
        ));
    }
    for trouble in &record.troubles {
        text += &page.warning(&format!("{} ({})", trouble.message, trouble.code));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_told_in_a_few_lines() {
        let mut record = RunRecord::begin("20260701T020000000Z-backup-00000000".into(), "backup", fwb::now());
        (record.outcome, record.seconds) = (RunOutcome::Ok, Some(3.21));
        (record.database, record.name) = (Some("shop".into()), Some("shop_backup.sql.gz".into()));
        (record.size, record.backups, record.proved) = (Some(2048), Some(1), Some(1));
        let told = ran(&record, &Page::default());
        assert!(told.starts_with("done backup of shop in 3.2s\n"), "{told}");
        assert!(told.contains("the store has 1 backup, 1 of them proved"), "{told}");
        (record.outcome, record.stage) = (RunOutcome::Failed, Some("dump".into()));
        assert!(ran(&record, &Page::default()).starts_with("FAILED backup of shop in 3.2s, in dump\n"));
    }
}
