//! Taking a restore back, and giving that possibility up: what is done with the databases that swaps leave behind.

use std::time::Instant;

use serde::Serialize;

use super::session::Quoting;
use super::swap::{self, Guard, Swap};
use crate::error::{Error, Result};
use crate::progress::{Cancel, Context, seconds_since};
use crate::server::ServerClient;

/// A restore that can be taken back.
pub struct Undo<'a> {
    server: &'a ServerClient,
    database: String,
    quoting: Quoting,
    charset: Option<(String, String)>,
    kept: swap::Kept<'a>,
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
        Some(database) => database.to_owned(),
        None => only_one(server, cancel)?,
    };
    let facts = server.server_facts(&database, cancel)?;
    let quoting = Quoting::of(&facts.version);
    let Some(kept) = swap::kept(server, quoting, &database, cancel)?.pop() else {
        return Err(Error::NothingFound(format!(
            "no restore of {database} has left anything that could be put back"
        )));
    };
    Ok(Undo { server, database, quoting, charset: facts.charset, kept })
}

fn only_one(server: &ServerClient, cancel: &Cancel) -> Result<String> {
    let mut databases: Vec<String> =
        swap::left(server, None, cancel)?.into_iter().map(|marked| marked.mark.of).collect();
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
            undone: self.kept.marked.database.clone(),
            swapped_at: self.kept.marked.mark.at.clone(),
            before: None,
            trigger_gap_seconds: None,
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
        let mut swap = Swap {
            server,
            quoting: self.quoting,
            live: &self.database,
            scope: None,
            charset: self.charset.clone(),
            cancel,
        };
        let swapped = swap.undo(guard, &self.kept)?;
        Ok(Undone {
            before: swapped.kept,
            trigger_gap_seconds: Some(swapped.gap),
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
        Some(database) => database.to_owned(),
        None => only_one(server, cancel)?,
    };
    let facts = server.server_facts(&database, cancel)?;
    let quoting = Quoting::of(&facts.version);
    let guard = Guard::take(server, quoting, &database, cancel)?;
    if !dry_run {
        swap::recover(server, quoting, &database, cancel)?;
    }
    let removed = if dry_run {
        surplus(server, &database, keep, cancel)?
    } else {
        keep_newest(server, &database, keep, cancel)?
    };
    drop(guard);
    let left = swap::left(server, Some(&database), cancel)?.into_iter().map(|marked| marked.database);
    let kept = left.filter(|name| !removed.contains(name)).collect();
    Ok(Forgotten { database, removed, kept })
}

fn surplus(server: &ServerClient, database: &str, keep: usize, cancel: &Cancel) -> Result<Vec<String>> {
    let mut left: Vec<String> =
        swap::left(server, Some(database), cancel)?.into_iter().map(|marked| marked.database).collect();
    left.truncate(left.len().saturating_sub(keep));
    Ok(left)
}

/// Removes all but the newest `keep`, and says which. The guard must be held, or nothing be unsettled.
pub(super) fn keep_newest(
    server: &ServerClient,
    database: &str,
    keep: usize,
    cancel: &Cancel,
) -> Result<Vec<String>> {
    let surplus = surplus(server, database, keep, cancel)?;
    for name in &surplus {
        swap::forget(server, name, cancel)?;
    }
    Ok(surplus)
}
