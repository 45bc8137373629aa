//! What the tables of a database's backups do from one night to the next.

use std::collections::{BTreeMap, BTreeSet};

use super::change::{Change, change, vanished};
use super::facts::{BackupFacts, TableFacts};
use crate::manifest::Timestamp;
use crate::retention::Proof;

/// Fewer rows than these came or went, and it is nobody's trouble.
const LEAST_ROWS: u64 = 1000;
/// The same of a table that was emptied.
const LEAST_EMPTIED: u64 = 100;

/// The tables of one backup.
pub(super) struct Held<'a> {
    /// When the backup began.
    pub(super) at: Timestamp,
    /// Its tables by their names.
    pub(super) tables: BTreeMap<&'a str, &'a TableFacts>,
    /// Tables that it leaves out.
    excluded: &'a [String],
}

/// The whole backups whose tables are known, oldest first.
pub(super) fn held<'a>(full: &[&'a BackupFacts]) -> Vec<Held<'a>> {
    let is_whole = |backup: &&&BackupFacts| matches!(backup.proof, Proof::Proved | Proof::Unproved);
    let of = |backup: &&'a BackupFacts| {
        let tables = backup.tables.as_ref()?.iter().map(|table| (table.name.as_str(), table)).collect();
        Some(Held { at: backup.started_at, tables, excluded: &backup.excluded })
    };
    full.iter().filter(is_whole).filter_map(of).collect()
}

/// The tables of the newest backup whose rows are not what they were, each with its change.
pub(super) fn changed_tables<'a>(held: &[Held<'a>]) -> Vec<(&'a str, Change)> {
    let Some(newest) = held.last() else { return Vec::new() };
    let changed = |name: &'a str| {
        // Where rows are left out, nobody knows what became of them.
        newest.tables.get(name)?.rows?;
        let rows: Vec<(Timestamp, u64)> =
            held.iter().filter_map(|one| Some((one.at, one.tables.get(name)?.rows?))).collect();
        let least = if rows.last()?.1 == 0 { LEAST_EMPTIED } else { LEAST_ROWS };
        Some((name, change(&rows, least)?))
    };
    newest.tables.keys().filter_map(|name| changed(name)).collect()
}

/// The tables that have gone from the backups, each with the first backup without it.
pub(super) fn vanished_tables<'a>(held: &[Held<'a>]) -> Vec<(&'a str, Timestamp)> {
    let Some(newest) = held.last() else { return Vec::new() };
    let names: BTreeSet<&'a str> = held.iter().flat_map(|one| one.tables.keys().copied()).collect();
    let went = |name: &'a str| {
        let series: Vec<(Timestamp, bool)> =
            held.iter().map(|one| (one.at, one.tables.contains_key(name))).collect();
        Some((name, vanished(&series)?))
    };
    let is_gone = |name: &&str| {
        !newest.tables.contains_key(name) && !newest.excluded.iter().any(|excluded| excluded == name)
    };
    names.into_iter().filter(is_gone).filter_map(went).collect()
}
