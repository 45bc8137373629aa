//! What the tools tell people of their records: a few lines that say what happened, in the place of the JSON that a
//! program reads. Each tool's lines are functions of its record and of the [`crate::Page`] that they go to.

mod accounts;
mod copy;
mod dump;
mod fleet;
mod follow;
mod prune;
mod restore;
mod run;
mod timeline;
mod verify;

use fwb::{AccountEntry, Kind, Manifest, ObjectKind, SectionKind};

use crate::count::counted;

pub use accounts::{accounts_planned, accounts_restored, settings};
pub use copy::{copied, copied_in_all};
pub use dump::dumped;
pub use fleet::{fleet_ran, fleet_server_failed, fleet_server_ran};
pub use follow::followed;
pub use prune::{Retained, decided, pruned_in_all};
pub use restore::{forgotten, moment_planned, planned, restored, undo_planned, undone, whole_planned};
pub use run::ran;
pub use timeline::{checked_chain, timeline, transaction};
pub use verify::{verified, verified_at_moment, verified_by_chain, verified_in_all};

/// `50 accounts, 6 roles`.
fn accounts(accounts: &[AccountEntry]) -> String {
    let roles = accounts.iter().filter(|account| account.role).count();
    let count = |count| u64::try_from(count).unwrap_or(u64::MAX);
    format!("{}, {}", counted(count(accounts.len() - roles), "account"), counted(count(roles), "role"))
}

/// `12 tables, 3 views, 1 trigger; 1,234,567 rows`: what is inside, as far as the manifest says; none: it says nothing.
fn contents(manifest: &Manifest) -> Option<String> {
    let sections = |kind: SectionKind| {
        let count = manifest.sections.iter().filter(|section| section.kind == kind).count();
        u64::try_from(count).unwrap_or(u64::MAX)
    };
    let objects = |kinds: &[ObjectKind]| {
        let all = manifest.sections.iter().flat_map(|section| &section.objects);
        u64::try_from(all.filter(|object| kinds.contains(&object.kind)).count()).unwrap_or(u64::MAX)
    };
    let routines =
        [ObjectKind::Procedure, ObjectKind::Function, ObjectKind::Package, ObjectKind::PackageBody];
    let others = [
        (sections(SectionKind::View), "view"),
        (sections(SectionKind::Sequence), "sequence"),
        (objects(&[ObjectKind::Trigger]), "trigger"),
        (objects(&routines), "routine"),
        (objects(&[ObjectKind::Event]), "event"),
    ];
    if manifest.kind == Kind::Accounts {
        return manifest.accounts.as_deref().map(accounts);
    }
    if manifest.sections.is_empty() {
        return None;
    }
    let mut words = vec![counted(sections(SectionKind::Table), "table")];
    words
        .extend(others.into_iter().filter(|(count, _)| *count > 0).map(|(count, noun)| counted(count, noun)));
    let rows: Option<u64> = rows(manifest);
    let rows = rows.map_or(String::new(), |rows| format!("; {}", counted(rows, "row")));
    Some(format!("{}{rows}", words.join(", ")))
}

/// Rows of all tables; none where the manifest does not count them.
fn rows(manifest: &Manifest) -> Option<u64> {
    let mut counts = manifest.sections.iter().filter_map(|section| section.rows).peekable();
    counts.peek()?;
    Some(counts.fold(0, u64::saturating_add))
}

/// What a backup leaves out of its database, where it does.
fn left_out(manifest: &Manifest) -> Option<String> {
    let excluded = manifest.excluded.as_ref()?;
    let part =
        |what: &str, names: &[String]| (!names.is_empty()).then(|| format!("{what}{}", names.join(", ")));
    let parts = [part("", &excluded.tables), part("the rows of ", &excluded.rows)];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    // A minimal sidecar names nothing.
    Some(if parts.is_empty() {
        "it leaves tables out, or their rows".to_owned()
    } else {
        format!("it leaves out: {}", parts.join("; "))
    })
}

/// That a backup holds chosen tables alone, and which, where it says so.
fn chosen_alone(chosen: &[String]) -> String {
    match chosen {
        [] => "it holds chosen tables alone".to_owned(),
        chosen => format!("it holds chosen tables alone: {}", chosen.join(", ")),
    }
}

/// Where a backup is, as the tools take it: a path, or a URL.
fn place(manifest: &Manifest) -> String {
    match manifest.store.as_deref() {
        Some(store) => format!("{}/{}", store.trim_end_matches('/'), manifest.name),
        None => manifest.name.clone(),
    }
}

/// A time as people read it, in the local zone.
fn local(at: fwb::Timestamp) -> String {
    at.with_timezone(&chrono::Local).format("%Y-%m-%d %H:%M:%S").to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// A manifest of a small shop, with more fields.
    pub(super) fn manifest(more: &Value) -> Manifest {
        let mut manifest = json!({
            "schema": "fwb/1", "name": "shop_backup_20250725_100000.sql.gz", "kind": "full", "database": "shop",
            "started_at": "2025-07-25T10:00:00Z", "finished_at": "2025-07-25T10:00:09Z",
            "size": 2048, "raw_size": 8192, "store": "/backup", "sections": [
                {"kind": "table", "name": "files", "raw_offset": 0, "raw_size": 4096, "rows": 1234,
                 "objects": [{"kind": "trigger", "name": "t"}]},
                {"kind": "table", "name": "users", "raw_offset": 0, "raw_size": 4096, "rows": 1},
                {"kind": "view", "name": "v", "raw_offset": 5005, "raw_size": 9},
            ],
        });
        for (field, value) in more.as_object().unwrap() {
            manifest[field] = value.clone();
        }
        Manifest::from_value(manifest).unwrap()
    }

    #[test]
    fn what_is_inside_is_counted() {
        assert_eq!(contents(&manifest(&json!({}))).unwrap(), "2 tables, 1 view, 1 trigger; 1,235 rows");
        assert_eq!(contents(&manifest(&json!({"sections": []}))), None);
        let uncounted = json!({"sections": [{"kind": "table", "name": "a", "raw_offset": 0, "raw_size": 1}]});
        assert_eq!(contents(&manifest(&uncounted)).unwrap(), "1 table");
    }
}
