//! Taking a restore back, and giving that possibility up: what is done with the databases that swaps leave behind.

use std::collections::BTreeSet;
use std::time::Instant;

use serde::Serialize;

use super::damage;
use super::live_state::LiveState;
use super::session::Quoting;
use super::swap::{self, Guard, Marked, Swap};
use crate::error::{Error, Result};
use crate::progress::{Cancel, Context, seconds_since};
use crate::server::ServerClient;

/// A restore that can be taken back.
pub struct Undo<'a> {
    server: &'a ServerClient,
    database: String,
    quoting: Quoting,
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
    let facts = server.server_facts(&database, cancel)?;
    let quoting = Quoting::of(&facts.version);
    let Some(kept) = swap::newest_kept(server, &database, cancel)? else {
        return Err(Error::NothingFound(format!(
            "no restore of {database} has left anything that could be put back"
        )));
    };
    let kept = kept?;
    let lost = kept.lost(server, cancel)?.into_iter().collect();
    Ok(Undo { server, database, quoting, kept, lost })
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
        let guard = Guard::take(server, self.quoting, &self.database, cancel)?;
        if !swap::recover(server, self.quoting, &self.database, cancel)?.is_empty() {
            // What was to be undone may be another swap now.
            self = prepare_undo(server, Some(&self.database.clone()), cancel)?;
        }
        let planned = self.plan();
        let damaged = BTreeSet::new();
        let looked = damage::look(server, &self.database, true, &damaged, cancel)?;
        let looked = looked.into_iter().map(|damaged| damaged.table).collect();
        let before = LiveState::read(server, &self.database, &looked, cancel)?;
        let mut swap = Swap {
            server,
            quoting: self.quoting,
            live: &self.database,
            scope: None,
            stay: BTreeSet::new(),
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
            log::warn!("table {table} is not brought back: it was damaged when it was replaced");
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

/// Removes what swaps of `database`, or of the only one that has any, have kept, but for the newest `keep`; and what
/// restores have left that were cut off.
///
/// # Errors
/// Another restore is under way, or the server does not let us.
pub fn forget(
    server: &ServerClient,
    database: Option<&str>,
    keep: usize,
    dry_run: bool,
    cancel: &Cancel,
) -> Result<Forgotten> {
    let database = match database {
        Some(database) => server.database_name(database, cancel)?,
        None => only_one(server, cancel)?,
    };
    let facts = server.server_facts(&database, cancel)?;
    let quoting = Quoting::of(&facts.version);
    let guard = Guard::take(server, quoting, &database, cancel)?;
    if !dry_run {
        swap::recover(server, quoting, &database, cancel)?;
    }
    let removed = if dry_run {
        surplus(server, &database, keep, cancel)?.into_iter().map(|kept| kept.database).collect()
    } else {
        keep_newest(server, &database, keep, cancel)?
    };
    drop(guard);
    let left = swap::found(server, Some(&database), cancel)?;
    for unproved in &left.unproved {
        log::warn!("{} is left alone: {}", unproved.database, unproved.why);
    }
    let unproved = left.unproved.into_iter().map(|unproved| unproved.database);
    let left = left.ours.into_iter().map(|marked| marked.database).chain(unproved);
    let kept = left.filter(|name| !removed.contains(name)).collect();
    Ok(Forgotten { database, removed, kept })
}

/// What swaps have kept, but for the newest `keep`. What was cut off and is still to be settled is not among it.
fn surplus(server: &ServerClient, database: &str, keep: usize, cancel: &Cancel) -> Result<Vec<Marked>> {
    let mut kept = swap::all_kept(&swap::found(server, Some(database), cancel)?);
    kept.truncate(kept.len().saturating_sub(keep));
    Ok(kept)
}

/// Removes all but the newest `keep`, and says which. The guard must be held, or nothing be unsettled.
pub(super) fn keep_newest(
    server: &ServerClient,
    database: &str,
    keep: usize,
    cancel: &Cancel,
) -> Result<Vec<String>> {
    let surplus = surplus(server, database, keep, cancel)?;
    for kept in &surplus {
        swap::forget(server, kept, cancel)?;
    }
    Ok(surplus.into_iter().map(|kept| kept.database).collect())
}
