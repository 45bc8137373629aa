//! What a restore would do beyond what it was asked for, or cannot do: looked for before anything is written.

use std::collections::BTreeSet;

use super::damage::DamagedTable;
use super::finding::{Finding, Gravity};
use super::options::Strategy;
use crate::error::Result;
use crate::load::OpenBackup;
use crate::manifest::ObjectKind;
use crate::progress::Cancel;
use crate::server::ServerClient;

/// Triggers of chosen tables whose names triggers of other tables have now: names are those of the whole database, so one
/// would take the place of the other.
///
/// # Errors
/// The server cannot be reached.
pub(super) fn triggers(
    server: &ServerClient,
    database: &str,
    input: &OpenBackup,
    cancel: &Cancel,
) -> Result<Option<Finding>> {
    let replaced = input.names();
    let stays = |table: &String| {
        if input.is_partial() { !replaced.contains(table) } else { input.stay().contains(table) }
    };
    let stay: BTreeSet<String> = server.table_names(database, cancel)?.into_iter().filter(stays).collect();
    let taken = server.trigger_names(database, &stay, cancel)?;
    let objects = input.sections().flat_map(|section| section.objects.iter());
    let coming =
        objects.filter(|object| object.kind == ObjectKind::Trigger).map(|object| object.name.as_str());
    Ok(taken_names(&taken, coming))
}

fn taken_names<'a>(taken: &[String], coming: impl Iterator<Item = &'a str>) -> Option<Finding> {
    let both: Vec<&str> = coming.filter(|name| taken.iter().any(|taken| taken == name)).collect();
    (!both.is_empty()).then(|| Finding {
        gravity: Gravity::Refusal,
        message: format!(
            "tables that are not restored have triggers of the same name as the backup's, which would go: {}",
            both.join(", ")
        ),
        remedy: "restore those tables too (--tables), or give one of the triggers another name".into(),
    })
}

/// Chosen tables to which a damaged table refers that stays: its foreign key would follow them out, and cannot be made
/// anew. Where the account may not see what the engine knows of it, any table that cannot be used may be one.
///
/// # Errors
/// The server cannot be reached.
pub(super) fn hidden_keys(
    server: &ServerClient,
    database: &str,
    input: &OpenBackup,
    damaged: &[DamagedTable],
    cancel: &Cancel,
) -> Result<Option<Finding>> {
    let replaced = input.names();
    let is_left = |table: &String| {
        if input.is_partial() { !replaced.contains(table) } else { input.stay().contains(table) }
    };
    let stays = |damaged: &&DamagedTable| damaged.closed && is_left(&damaged.table);
    let closed: BTreeSet<String> =
        damaged.iter().filter(stays).map(|damaged| damaged.table.clone()).collect();
    if closed.is_empty() {
        return Ok(None);
    }
    let children = server.engine_children(database, &replaced, cancel)?;
    Ok(bound(&closed, children.as_ref()))
}

fn bound(closed: &BTreeSet<String>, children: Option<&BTreeSet<String>>) -> Option<Finding> {
    let (tables, may): (Vec<&String>, _) = match children {
        Some(children) => (closed.intersection(children).collect(), "refer"),
        None => (closed.iter().collect(), "may refer"),
    };
    let tables = tables.into_iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    (!tables.is_empty()).then(|| Finding {
        gravity: Gravity::Refusal,
        message: format!(
            "damaged tables that stay {may} to the tables that are restored, and would lose that: {tables}"
        ),
        remedy: format!("restore them too: --tables with {tables} beside the others"),
    })
}

/// Tables that the server does not move, although all of their rows can be read.
pub(super) fn immovable(tables: &[String], is_replaced: impl Fn(&str) -> bool) -> Option<Finding> {
    let tables: Vec<&str> = tables.iter().map(String::as_str).filter(|table| is_replaced(table)).collect();
    (!tables.is_empty()).then(|| Finding {
        gravity: Gravity::Refusal,
        message: format!("the server does not move these tables, because a file of a full-text index is missing: {}", tables.join(", ")),
        remedy: "their rows can be read: drop the index (ALTER TABLE … DROP INDEX …), then restore; or use --strategy in-place".into(),
    })
}

/// What follows from damaged live tables. Those that are not replaced are left as they are.
pub(super) fn damaged(
    damaged: &[DamagedTable],
    is_replaced: impl Fn(&str) -> bool,
    strategy: Strategy,
    safety_backup: bool,
) -> Vec<Finding> {
    let (gone, stay): (Vec<&DamagedTable>, Vec<&DamagedTable>) =
        damaged.iter().partition(|damaged| is_replaced(&damaged.table));
    let names = |tables: &[&DamagedTable]| {
        let names = tables.iter().map(|damaged| format!("{} ({})", damaged.table, damaged.why));
        names.collect::<Vec<_>>().join(", ")
    };
    let of_replaced = |(gravity, message, remedy): (Gravity, &str, &str)| Finding {
        gravity,
        message: format!("{message}: {}", names(&gone)),
        remedy: remedy.into(),
    };
    let found = match (strategy, safety_backup) {
        (Strategy::InPlace, true) => (
            Gravity::Refusal,
            "damaged live tables cannot be backed up, and so nothing could be rolled back",
            "use --strategy swap, which keeps what is there; or --no-safety-backup, if all of it may be lost",
        ),
        (Strategy::InPlace, false) => (
            Gravity::Warning,
            "live tables are damaged",
            "there is no safety backup: a failure leaves neither the old database nor the new one",
        ),
        (Strategy::Swap, _) => (
            Gravity::Warning,
            "live tables are damaged",
            "no safety backup is made of them; each is moved aside, or dropped where it cannot be moved, and --undo will not bring it back",
        ),
    };
    let of_replaced = (!gone.is_empty()).then(|| of_replaced(found));
    let of_others = (!stay.is_empty()).then(|| Finding {
        gravity: Gravity::Warning,
        message: format!("live tables that are not restored are damaged: {}", names(&stay)),
        remedy: "they are left as they are; restore them too".into(),
    });
    of_replaced.into_iter().chain(of_others).collect()
}

/// That a backup holds chosen tables alone, so that they alone are restored although nobody has named them.
pub(super) fn chosen_by_backup(input: &OpenBackup, database: &str) -> Finding {
    let names = input.names().into_iter().collect::<Vec<_>>().join(", ");
    Finding {
        gravity: Gravity::Warning,
        message: format!("the backup holds chosen tables alone, and they alone are restored: {names}"),
        remedy: format!("for all of {database}, restore a whole backup: fwb-ls --latest --verified"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trigger_of_another_table_is_not_taken_away() {
        let taken = ["tr".to_owned(), "other".to_owned()];
        assert_eq!(taken_names(&taken, ["tr2"].into_iter()), None);
        let finding = taken_names(&taken, ["tr2", "tr"].into_iter()).unwrap();
        assert_eq!(finding.gravity, Gravity::Refusal);
        assert!(finding.message.ends_with(": tr"), "{}", finding.message);
    }

    #[test]
    fn a_damaged_table_that_stays_keeps_what_it_refers_to() {
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        let closed = set(&["hurt"]);
        assert!(bound(&closed, None).is_some(), "who may not see it must not lose it");
        assert!(bound(&closed, Some(&set(&["hurt", "child"]))).is_some());
        assert_eq!(bound(&closed, Some(&set(&["child"]))), None);
        assert!(immovable(&["ft".into()], |table| table == "ft").is_some());
        assert_eq!(immovable(&["ft".into()], |_| false), None);
    }

    #[test]
    fn damage_refuses_what_could_not_be_rolled_back() {
        let table = |table: &str| DamagedTable::new(table.into(), "Tablespace is missing".into(), true);
        let tables = [table("a"), table("b")];
        let gravities = |strategy, safety| {
            let findings = damaged(&tables, |table| table == "a", strategy, safety);
            findings.into_iter().map(|finding| finding.gravity).collect::<Vec<_>>()
        };
        assert_eq!(gravities(Strategy::InPlace, true), [Gravity::Refusal, Gravity::Warning]);
        assert_eq!(gravities(Strategy::InPlace, false), [Gravity::Warning, Gravity::Warning]);
        assert_eq!(gravities(Strategy::Swap, true), [Gravity::Warning, Gravity::Warning]);
        assert_eq!(damaged(&[], |_| true, Strategy::InPlace, true), []);
        let elsewhere = damaged(&tables, |_| false, Strategy::InPlace, true);
        assert!(elsewhere.iter().all(|finding| finding.gravity == Gravity::Warning), "{elsewhere:?}");
    }
}
