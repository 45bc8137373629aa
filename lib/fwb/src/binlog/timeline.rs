//! What can be reached of each database, and the transactions around a moment.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::TimeDelta;
use fwb_binlog::{Group, GroupKind};
use serde::Serialize;

use super::chain::Chain;
use super::extent::Extent;
use super::reach::{Window, whole_groups_from, windows};
use super::scan::{Flow, Found, scan};
use super::status::FollowStatus;
use crate::blank::blank_quoted;
use crate::error::Result;
use crate::manifest::Timestamp;
use crate::progress::Cancel;
use crate::select::Listing;
use crate::store::{BackupSummary, Store};

/// The most of a statement that is shown, in characters.
const SHOWN: usize = 300;

/// What can be reached of a database.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Timeline {
    /// The store.
    pub store: String,
    /// The database.
    pub database: String,
    /// Its server, by the operator's name for it or its address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// Spans of which every moment can be reached, oldest first.
    pub spans: Vec<Span>,
    /// What is between them, or after the last backup that no log goes on from.
    pub holes: Vec<Hole>,
    /// What the follower of the newest log said last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub follower: Option<FollowStatus>,
}

/// A span of which every moment can be reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Span {
    /// Its first moment: that of a backup.
    pub from: Timestamp,
    /// Its last.
    pub until: Timestamp,
    /// The backups that are gone on from.
    pub bases: Vec<String>,
    /// The chains of the log.
    pub chains: Vec<String>,
}

/// A span of which no moment can be reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hole {
    /// Where it begins.
    pub from: Timestamp,
    /// Where it ends; absent where it has not ended yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Why.
    pub why: String,
}

/// A transaction, or a statement that was one by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Transaction {
    /// When it was committed, as far as that can be told.
    pub at: Timestamp,
    /// Its GTID.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gtid: Option<String>,
    /// What it is: `transaction`, `statement`, `xa-prepare`, `xa-commit` or `xa-rollback`.
    pub kind: &'static str,
    /// The file of the server's log that it is in.
    pub file: String,
    /// Where in it it begins, in bytes.
    pub position: u64,
    /// Its bytes.
    pub size: u64,
    /// What it changes by rows.
    pub tables: Vec<ChangedTable>,
    /// Its first statements. Quoted values of those that set passwords are left out.
    pub statements: Vec<String>,
    /// How many statements it has, as far as they are in the log.
    pub statement_count: u64,
}

/// What a transaction changes of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChangedTable {
    /// The database.
    pub database: String,
    /// The table.
    pub table: String,
    /// Rows inserted.
    pub inserted: u64,
    /// Rows updated.
    pub updated: u64,
    /// Rows deleted.
    pub deleted: u64,
    /// Whether it may be more: of long rows not all are counted.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub at_least: bool,
}

/// Which transactions are meant.
#[derive(Debug, Clone, Default)]
pub struct TransactionFilter {
    /// Of this database.
    pub database: Option<String>,
    /// From this moment on.
    pub from: Option<Timestamp>,
    /// Up to this moment.
    pub until: Option<Timestamp>,
    /// With a statement that has this text in it, in whatever case.
    pub statement: Option<String>,
}

/// What can be reached of each database of a store.
///
/// # Errors
/// The log cannot be listed, or a signal arrived.
pub fn timelines(listing: &Listing, database: Option<&str>, cancel: &Cancel) -> Result<Vec<Timeline>> {
    let store = listing.store();
    let chains = store.chains(cancel)?;
    let mut by_database: BTreeMap<(String, Option<String>), Vec<&BackupSummary>> = BTreeMap::new();
    for backup in &listing.entries {
        let Some(name) = backup.database.as_deref() else { continue };
        let is_full = backup.kind == crate::manifest::Kind::Full && !backup.is_chosen;
        if is_full && database.is_none_or(|database| database == name) {
            let server = backup.server.label().map(ToString::to_string);
            by_database.entry((name.to_owned(), server)).or_default().push(backup);
        }
    }
    let timeline = |((database, server), backups): ((String, Option<String>), Vec<&BackupSummary>)| {
        let last = backups.last();
        let newest = last.and_then(|backup| chains.newest(&backup.server));
        let spans = spans(&windows(backups.iter().copied(), &chains.chains));
        let of_others = newest.filter(|chain| last.is_some_and(|backup| !chain.covers(backup)));
        let last = last.map(|backup| (backup.name.as_str(), backup.started_at));
        let holes = holes(&spans, last, newest, of_others.map(Chain::keeps_others));
        let follower = newest.and_then(|chain| chain.status.clone());
        Timeline { store: store.location().to_string(), database, server, spans, holes, follower }
    };
    Ok(by_database.into_iter().map(timeline).collect())
}

/// Windows, put together where they touch.
pub(crate) fn spans(windows: &[Window]) -> Vec<Span> {
    let mut windows: Vec<&Window> = windows.iter().collect();
    windows.sort_by_key(|window| (window.from, window.until));
    let mut spans: Vec<Span> = Vec::new();
    for window in windows {
        match spans.last_mut() {
            Some(last) if window.from <= last.until => {
                last.until = last.until.max(window.until);
                if !last.bases.contains(&window.base) {
                    last.bases.push(window.base.clone());
                }
                if !last.chains.contains(&window.chain) {
                    last.chains.push(window.chain.clone());
                }
            }
            _ => spans.push(Span {
                from: window.from,
                until: window.until,
                bases: vec![window.base.clone()],
                chains: vec![window.chain.clone()],
            }),
        }
    }
    spans
}

/// What is between spans, and after the last.
fn holes(
    spans: &[Span],
    newest: Option<(&str, Timestamp)>,
    chain: Option<&Chain>,
    of_others: Option<String>,
) -> Vec<Hole> {
    let mut holes: Vec<Hole> = spans
        .windows(2)
        .map(|pair| Hole {
            from: pair[0].until,
            until: Some(pair[1].from),
            why: "the log ends there, and goes on from a later backup alone".into(),
        })
        .collect();
    let fault = chain.and_then(|chain| chain.faults.first());
    if let (Some(last), Some(fault)) = (spans.last(), fault) {
        let why = format!("the log is broken at {}: {}", fault.segment, fault.problem);
        holes.push(Hole { from: last.until, until: None, why });
    } else if let Some((name, at)) = newest
        && spans.last().is_none_or(|last| last.until < at)
    {
        let why = match chain {
            _ if let Some(why) = of_others => why,
            None => format!("there is no log: fwb-follow ships one. {name} is of this moment alone"),
            Some(_) => format!("the log does not go on from {name}"),
        };
        holes.push(Hole { from: at, until: None, why });
    }
    holes
}

/// Hands on the transactions of a store's log that are meant, oldest first. Chains are read one after the other.
///
/// # Errors
/// The log cannot be read, no identity reads it, or a signal arrived; whatever `see` returns.
pub fn transactions(
    store: &Store,
    filter: &TransactionFilter,
    cancel: &Cancel,
    see: &mut dyn FnMut(Transaction) -> Result<()>,
) -> Result<()> {
    for chain in store.chains(cancel)?.chains {
        let chain = Arc::new(chain);
        for (extent, known) in extents_of(&chain, filter) {
            scan(store, &chain, &[extent], Some(known), cancel, &mut |found| {
                if filter.until.is_some_and(|until| found.at > until) {
                    return Ok(Flow::Enough);
                }
                if filter.admits(&found) {
                    see(Transaction::of(&found))?;
                }
                Ok(Flow::On)
            })?;
        }
    }
    Ok(())
}

/// What of a chain may have the transactions that are meant.
fn extents_of(chain: &Chain, filter: &TransactionFilter) -> Vec<(Extent, fwb_binlog::GtidPosition)> {
    const SLACK: TimeDelta = TimeDelta::seconds(5);
    let mut extents: Vec<(Extent, fwb_binlog::GtidPosition)> = Vec::new();
    for (at, segment) in chain.segments.iter().enumerate() {
        let is_before =
            filter.from.is_some_and(|from| segment.arrived().is_some_and(|until| until + SLACK < from));
        let is_after = filter
            .until
            .is_some_and(|until| segment.parts.first().is_some_and(|part| part.seen - SLACK > until));
        let of_others = match (&filter.database, &segment.touched) {
            (Some(database), Some(touched)) => {
                !touched.statements
                    && !touched.ddl
                    && !touched.databases.is_empty()
                    && !touched.databases.contains(database)
            }
            _ => false,
        };
        if is_before || is_after || of_others {
            continue;
        }
        match extents.last_mut() {
            Some((last, _)) if last.file == segment.file && last.to >= segment.start => last.to = segment.end,
            _ => {
                let begin = &chain.segments[whole_groups_from(chain, at)];
                let extent = Extent { file: segment.file.clone(), from: begin.start, to: segment.end };
                extents.push((extent, begin.gtid_before.clone()));
            }
        }
    }
    extents
}

impl TransactionFilter {
    fn admits(&self, found: &Found) -> bool {
        let in_time =
            self.from.is_none_or(|from| found.at >= from) && self.until.is_none_or(|until| found.at <= until);
        let of_database = self.database.as_deref().is_none_or(|database| touches(&found.group, database));
        let of_statement = self.statement.as_deref().is_none_or(|text| {
            let text = text.to_lowercase();
            found
                .group
                .statements
                .iter()
                .any(|statement| String::from_utf8_lossy(&statement.text).to_lowercase().contains(&text))
        });
        in_time && of_database && of_statement
    }
}

/// Whether a group may change a database.
fn touches(group: &Group, database: &str) -> bool {
    group.is_opaque
        || group.tables.keys().any(|(of, _)| of == database)
        || group.statements.iter().any(|statement| {
            statement.database.as_deref() == Some(database)
                || String::from_utf8_lossy(&statement.text).contains(database)
        })
}

impl Transaction {
    fn of(found: &Found) -> Self {
        let group = &found.group;
        let changed = group.tables.iter().map(|((database, table), rows)| ChangedTable {
            database: database.clone(),
            table: table.clone(),
            inserted: rows.inserted,
            updated: rows.updated,
            deleted: rows.deleted,
            at_least: rows.at_least,
        });
        Self {
            at: found.at,
            gtid: group.gtid.map(|gtid| gtid.to_string()),
            kind: match &group.kind {
                GroupKind::Transaction => "transaction",
                GroupKind::Standalone => "statement",
                GroupKind::XaPrepared(_) => "xa-prepare",
                GroupKind::XaCompleted { is_committed: true, .. } => "xa-commit",
                GroupKind::XaCompleted { is_committed: false, .. } => "xa-rollback",
            },
            file: found.file.clone(),
            position: group.start,
            size: group.size,
            tables: changed.collect(),
            statements: group.statements.iter().map(|statement| shown(&statement.text)).collect(),
            statement_count: group.statement_count,
        }
    }
}

/// A statement as it is shown. Those that set passwords have them in quotes.
fn shown(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let lower = text.to_lowercase();
    let text = if lower.contains("identified") || lower.contains("password") {
        blank_quoted(&text)
    } else {
        text.into_owned()
    };
    let mut shown: String = text.chars().take(SHOWN).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64) -> Timestamp {
        chrono::DateTime::from_timestamp(1_750_000_000 + 60 * minute, 0).unwrap().fixed_offset()
    }

    fn window(base: &str, chain: &str, from: i64, until: i64) -> Window {
        Window { base: base.into(), chain: chain.into(), from: at(from), until: at(until) }
    }

    #[test]
    fn windows_that_touch_are_one_span() {
        let spans = spans(&[
            window("b", "x", 10, 30),
            window("a", "x", 0, 30),
            window("c", "y", 40, 50),
            window("d", "y", 45, 60),
        ]);
        let found: Vec<_> = spans.iter().map(|span| (span.from, span.until, span.bases.join(""))).collect();
        assert_eq!(found, [(at(0), at(30), "ab".into()), (at(40), at(60), "cd".into())]);
        let holes = holes(&spans, Some(("e", at(70))), None, None);
        let found: Vec<_> = holes.iter().map(|hole| (hole.from, hole.until)).collect();
        assert_eq!(found, [(at(30), Some(at(40))), (at(70), None)]);
    }

    #[test]
    fn passwords_are_not_shown() {
        assert!(!shown(b"create user a identified by 'secretpw'").contains("secretpw"));
        assert_eq!(shown(b"DROP TABLE `files`"), "DROP TABLE `files`");
        assert_eq!(shown("x".repeat(400).as_bytes()).chars().count(), SHOWN + 1);
    }
}
