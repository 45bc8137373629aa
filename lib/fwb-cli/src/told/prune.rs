//! What `fwb-prune` tells.

use fwb::{Action, Manifest, Pruned};

use crate::count::counted;
use crate::page::Page;
use crate::paint::Tone;
use crate::size::human_size;

/// Whether what was decided was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retained {
    /// It is done.
    Done,
    /// With `--dry-run`.
    Planned,
}

/// What was decided of a backup, and why.
pub fn decided(manifest: &Manifest, retained: Retained, page: &Page) -> String {
    let Some(decision) = &manifest.decision else { return page.line(Tone::Good, "kept", &manifest.name) };
    let (tone, word) = match (decision.action, retained) {
        (Action::Keep, Retained::Done) => (Tone::Good, "kept"),
        (Action::Keep, Retained::Planned) => (Tone::Good, "keep"),
        (Action::Delete, Retained::Done) => (Tone::Warn, "deleted"),
        (Action::Delete, Retained::Planned) => (Tone::Warn, "delete"),
    };
    let name = &manifest.name;
    page.line(tone, word, &format!("{name}: {}", decision.reasons.join("; ")))
}

/// The sum below all of them.
pub fn pruned_in_all(pruned: &Pruned, retained: Retained, page: &Page) -> String {
    let candidates = count(pruned.deleted + pruned.kept);
    let (of, freed) = (counted(candidates, "backup"), human_size(pruned.freed));
    let text = match (pruned.deleted, candidates, retained) {
        (0, 0, _) => "nothing to delete: no backup is here".to_owned(),
        (0, 1, _) => "nothing to delete: the one backup stays".to_owned(),
        (0, ..) => format!("nothing to delete: all {of} stay"),
        (deleted, _, Retained::Done) => format!("deleted {deleted} of {of}; {freed} free again"),
        (deleted, _, Retained::Planned) => format!("would delete {deleted} of {of}, and free {freed}"),
    };
    let later = match pruned.freed_later {
        0 => String::new(),
        later => page.hint(&format!(
            "{} more are freed by a later run, when some hours have passed: who reads these backups may go on",
            human_size(later)
        )),
    };
    page.text(&text) + &later
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::told::tests::manifest;

    #[test]
    fn a_decision_is_told_with_its_reasons() {
        let of = |action: &str| {
            manifest(&json!({"decision": {"action": action, "reasons": ["within 7 days", "last 3"]}}))
        };
        let told = |action, retained| decided(&of(action), retained, &Page::default());
        let name = "shop_backup_20250725_100000.sql.gz: within 7 days; last 3\n";
        assert_eq!(told("keep", Retained::Done), format!("kept {name}"));
        assert_eq!(told("delete", Retained::Done), format!("deleted {name}"));
        assert_eq!(told("delete", Retained::Planned), format!("delete {name}"));
    }

    #[test]
    fn the_sum_has_the_right_plurals() {
        let all = |kept, deleted, retained| {
            let pruned = Pruned { kept, deleted, freed: 2048, freed_later: 0 };
            pruned_in_all(&pruned, retained, &Page::default())
        };
        assert_eq!(all(1, 0, Retained::Done), "nothing to delete: the one backup stays\n");
        assert_eq!(all(3, 0, Retained::Done), "nothing to delete: all 3 backups stay\n");
        assert_eq!(all(0, 0, Retained::Done), "nothing to delete: no backup is here\n");
        assert_eq!(all(0, 1, Retained::Done), "deleted 1 of 1 backup; 2.0 KiB free again\n");
        assert_eq!(all(2, 1, Retained::Planned), "would delete 1 of 3 backups, and free 2.0 KiB\n");
    }
}
