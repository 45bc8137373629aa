//! Taking a restore back, and giving that possibility up: what is done with the databases that swaps leave behind.

use std::collections::BTreeSet;
use std::time::Instant;

use chrono::{NaiveDateTime, TimeDelta};
use serde::Serialize;

use super::damage;
use super::live_state::LiveState;
use super::swap::{self, Guard, Marked, Swap};
use crate::error::{Error, Result};
use crate::manifest::Timestamp;
use crate::progress::{Cancel, Context, seconds_since};
use crate::server::ServerClient;

/// A restore that can be taken back.
pub struct Undo<'a> {
    server: &'a ServerClient,
    database: String,
    kept: swap::Kept,
    lost: Vec<String>,
}

/// What an undo has done, or would do.
#[derive(Debug, Clone, Serialize)]
pub struct Undone {
    /// The database that is again what it was.
    pub database: String,
    /// The database that had kept it.
    pub undone: String,
    /// When the swap was made that is taken back.
    pub swapped_at: String,
    /// The database that keeps what the undo has taken away; none before it is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// How long the live database had no triggers, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trigger_gap_seconds: Option<f64>,
    /// Tables that do not come back: they were damaged when they were replaced. What is there now in their place stays.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_brought_back: Vec<String>,
    /// How long it took, in seconds.
    pub seconds: f64,
}

/// Looks for the newest swap that can be taken back: of `database`, or of the only one that has any.
///
/// # Errors
/// There is none, or there are several databases to choose from.
pub fn prepare_undo<'a>(
    server: &'a ServerClient,
    database: Option<&str>,
    cancel: &Cancel,
) -> Result<Undo<'a>> {
    let database = match database {
        Some(database) => server.database_name(database, cancel)?,
        None => only_one(server, cancel)?,
    };
    let Some(kept) = swap::newest_kept(server, &database, cancel)? else {
        return Err(Error::NothingFound(format!(
            "no restore of {database} has left anything that could be put back"
        )));
    };
    let kept = kept?;
    let lost = kept.lost(server, cancel)?.into_iter().collect();
    Ok(Undo { server, database, kept, lost })
}

fn only_one(server: &ServerClient, cancel: &Cancel) -> Result<String> {
    let mut databases: Vec<String> =
        swap::found(server, None, cancel)?.ours.iter().map(|marked| marked.of().to_owned()).collect();
    databases.sort_unstable();
    databases.dedup();
    match databases.len() {
        0 => Err(Error::NothingFound("no restore has left anything on this server".into())),
        1 => Ok(databases.remove(0)),
        _ => Err(Error::Usage {
            message: format!("restores of several databases could be meant: {}", databases.join(", ")),
            hint: Some("choose one with --database".into()),
        }),
    }
}

impl Undo<'_> {
    /// What would be done.
    pub fn plan(&self) -> Undone {
        Undone {
            database: self.database.clone(),
            undone: self.kept.marked().database.clone(),
            swapped_at: self.kept.marked().at().to_owned(),
            before: None,
            trigger_gap_seconds: None,
            not_brought_back: self.lost.clone(),
            seconds: 0.0,
        }
    }

    /// Makes the swap backwards. What is there now is kept in its turn.
    ///
    /// # Errors
    /// Another restore is under way, or the swap fails; then the database is as it was.
    pub fn run(mut self, context: &Context) -> Result<Undone> {
        let begun = Instant::now();
        let (server, cancel) = (self.server, &context.cancel);
        let guard = Guard::take(server, &self.database, cancel)?;
        if !swap::recover(server, &self.database, cancel)?.is_empty() {
            // What was to be undone may be another swap now.
            self = prepare_undo(server, Some(&self.database.clone()), cancel)?;
        }
        let planned = self.plan();
        let damaged = BTreeSet::new();
        let looked = damage::look(server, &self.database, true, &damaged, cancel)?;
        let looked = looked.damaged.into_iter().map(|damaged| damaged.table).collect();
        let before = LiveState::read(server, &self.database, &looked, cancel)?;
        let mut swap = Swap {
            server,
            live: &self.database,
            scope: None,
            stay: BTreeSet::new(),
            spared: BTreeSet::new(),
            charset: before.charset.clone(),
            damaged: &damaged,
            before: &before,
            cancel,
        };
        let swapped = swap.undo(guard, &self.kept).map_err(|cause| match cause {
            told @ (Error::Untouched { .. }
            | Error::NotAsItWas { .. }
            | Error::NotLooked { .. }
            | Error::Torn { .. }
            | Error::Unfinished { .. }
            | Error::Incomplete { .. }) => told,
            cause => before.after_failure(cause, server, &self.database, cancel),
        })?;
        for table in &swapped.not_brought_back {
            log::warn!(code = crate::notice::NOT_KEPT.code; "table {table} is not brought back: it was damaged when it was replaced");
        }
        Ok(Undone {
            before: swapped.kept,
            trigger_gap_seconds: Some(swapped.gap),
            not_brought_back: swapped.not_brought_back,
            seconds: seconds_since(begun),
            ..planned
        })
    }
}

/// Which of the databases that swaps leave behind are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeepBefore {
    /// The newest so many are kept, whatever their age.
    pub newest: usize,
    /// Others are kept until they are older than this; none: they are not kept.
    pub until_older_than: Option<TimeDelta>,
}

impl KeepBefore {
    /// Whether not even the newest one is kept.
    pub(super) fn keeps_nothing(self) -> bool {
        self.newest == 0 && self.until_older_than.is_none()
    }

    /// Whether one is old enough to go that was made at this time (`20250725_170206`, UTC). One that does not say when, or is
    /// of the future, is kept: a clock was wrong.
    fn lets_go(self, at: &str, now: Timestamp) -> bool {
        let Some(limit) = self.until_older_than else { return true };
        let Ok(at) = NaiveDateTime::parse_from_str(at, "%Y%m%d_%H%M%S") else { return false };
        now.naive_utc().signed_duration_since(at) > limit
    }
}

/// What was removed.
#[derive(Debug, Clone, Serialize)]
pub struct Forgotten {
    /// The database that it had been kept of.
    pub database: String,
    /// The databases that are removed.
    pub removed: Vec<String>,
    /// The databases that are still there.
    pub kept: Vec<String>,
}

/// Removes what swaps of `database`, or of the only one that has any, have kept, but for what `keep` says at the time `now`;
/// and what restores have left that were cut off.
///
/// # Errors
/// Another restore is under way, or the server does not let us.
pub fn forget(
    server: &ServerClient,
    database: Option<&str>,
    keep: KeepBefore,
    now: Timestamp,
    dry_run: bool,
    cancel: &Cancel,
) -> Result<Forgotten> {
    let database = match database {
        Some(database) => server.database_name(database, cancel)?,
        None => only_one(server, cancel)?,
    };
    let guard = Guard::take(server, &database, cancel)?;
    if !dry_run {
        swap::recover(server, &database, cancel)?;
    }
    let removed = if dry_run {
        surplus(server, &database, keep, now, cancel)?.into_iter().map(|kept| kept.database).collect()
    } else {
        remove_surplus(server, &database, keep, now, cancel)?
    };
    drop(guard);
    let left = swap::found(server, Some(&database), cancel)?;
    for unproved in &left.unproved {
        log::warn!(code = crate::notice::LEFT_ALONE.code; "{} is left alone: {}", unproved.database, unproved.why);
    }
    let unproved = left.unproved.into_iter().map(|unproved| unproved.database);
    let left = left.ours.into_iter().map(|marked| marked.database).chain(unproved);
    let kept = left.filter(|name| !removed.contains(name)).collect();
    Ok(Forgotten { database, removed, kept })
}

/// What swaps have kept, but for what is still to be kept. What was cut off and is still to be settled is not among it.
fn surplus(
    server: &ServerClient,
    database: &str,
    keep: KeepBefore,
    now: Timestamp,
    cancel: &Cancel,
) -> Result<Vec<Marked>> {
    let mut kept = swap::all_kept(&swap::found(server, Some(database), cancel)?);
    kept.truncate(kept.len().saturating_sub(keep.newest));
    kept.retain(|marked| keep.lets_go(marked.at(), now));
    Ok(kept)
}

/// Removes what is not to be kept any more, and says what that was. The guard must be held, or nothing be unsettled.
pub(super) fn remove_surplus(
    server: &ServerClient,
    database: &str,
    keep: KeepBefore,
    now: Timestamp,
    cancel: &Cancel,
) -> Result<Vec<String>> {
    let surplus = surplus(server, database, keep, now, cancel)?;
    for kept in &surplus {
        swap::forget(server, kept, cancel)?;
    }
    Ok(surplus.into_iter().map(|kept| kept.database).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::{Answer, Fake};

    /// What is removed cannot be had again, so a doubt keeps it.
    #[test]
    fn what_was_kept_goes_by_its_age() {
        let now: Timestamp = "2025-07-26T02:00:00+09:00".parse().unwrap();
        let rule =
            |hours: Option<i64>| KeepBefore { newest: 0, until_older_than: hours.map(TimeDelta::hours) };
        for (at, hours, goes) in [
            ("20250725_170000", None, true),
            ("20250725_100000", Some(7), false),
            ("20250725_095959", Some(7), true),
            ("20250725_180000", Some(0), false),
            ("20990725_170000", Some(7), false),
            ("yesterday", Some(7), false),
            ("", Some(7), false),
            ("", None, true),
        ] {
            assert_eq!(rule(hours).lets_go(at, now), goes, "{at:?} {hours:?}");
        }
    }

    /// What the server shows of a database that keeps what a swap of `of` has replaced.
    fn kept(of: &str, journal: &str) -> (String, Vec<String>) {
        let database = format!("{of}__before_20250725_170206");
        let seal = format!(
            r#"{{"view":"fwb_seal_1","role":"before","database":"{database}","of":"{of}","sequence":1,"at":"20250725_170206"{journal}}}"#
        );
        let text = format!("select 'fwb1:{}' AS `fwb`", hex::encode(seal));
        let row = ["view", &database, "fwb_seal_1", "root@localhost", &text].map(ToOwned::to_owned);
        (database, row.to_vec())
    }

    /// An undo of the wrong database, or of half a swap, would be worse than none.
    #[test]
    fn what_cannot_be_undone_is_told() {
        let journal = r#","journal":{"table":"fwb_journal","sha256":"00","phase":"done"}"#;
        let (shop, shop_seal) = kept("shop", journal);
        let (shop_bare, shop_bare_seal) = kept("shop", "");
        let (cafe, cafe_seal) = kept("cafe", journal);
        let us = || vec!["self".to_owned(), "root@localhost".to_owned()];
        let tables = || Answer::rows(&[&["fwb_journal"]]);
        for (what, asked, databases, seals, tables, words) in [
            ("an empty server", None, vec![], vec![us()], tables(), "no restore has left anything"),
            (
                "nothing of this one",
                Some("shop"),
                vec![&cafe],
                vec![us(), cafe_seal.clone()],
                tables(),
                "no restore of shop",
            ),
            (
                "one of two",
                None,
                vec![&shop, &cafe],
                vec![us(), shop_seal.clone(), cafe_seal],
                tables(),
                "several databases",
            ),
            (
                "cut off before anything was done",
                Some("shop"),
                vec![&shop_bare],
                vec![us(), shop_bare_seal],
                tables(),
                "no restore of shop",
            ),
            ("no seal", Some("shop"), vec![&shop], vec![us()], tables(), "it has no seal"),
            (
                "no journal",
                Some("shop"),
                vec![&shop],
                vec![us(), shop_seal.clone()],
                Answer::rows(&[]),
                "is gone",
            ),
            (
                "another journal",
                Some("shop"),
                vec![&shop],
                vec![us(), shop_seal],
                tables(),
                "is not what was sealed",
            ),
        ] {
            let databases = databases.into_iter().map(|name| vec![name.clone(), String::new()]).collect();
            let fake = Fake::new([
                ("SELECT SCHEMA_NAME, SCHEMA_COMMENT", &[Answer::Rows(databases)][..]),
                ("SELECT 'self', CURRENT_USER()", &[Answer::Rows(seals)]),
                ("SELECT TABLE_NAME FROM", &[tables]),
            ]);
            let server = fake.client(0);
            let error = prepare_undo(&server, asked, &Cancel::default()).err().map(|error| error.to_string());
            assert!(error.as_ref().is_some_and(|error| error.contains(words)), "{what}: {error:?}");
            assert!(
                fake.sent("").iter().all(|sent| sent.starts_with("SELECT")),
                "{what}: {:?}",
                fake.sent("")
            );
        }
    }
}
