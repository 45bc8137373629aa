//! What else goes on while a database is dumped: a restore of it, or changes of its tables.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::chosen::Chosen;
use super::connections::connect;
use super::direct::Definitions;
use super::writer::essence;
use crate::error::{DUMPING, Error, Result};
use crate::progress::Cancel;
use crate::server::{Identities, LETTING_GO, Role, ServerClient, Sql, changed, quote_name, restore_lock};
use crate::store::Wait;

/// How often a dump starts over because tables changed under it, before it gives up.
pub(super) const STARTS_OVER: u32 = 3;
/// Between two looks at whether a restore has ended that is waited for.
const PAUSE: Duration = Duration::from_secs(1);
/// Between two looks at whether a restore is at work, or has just ended.
const GLANCE: Duration = Duration::from_millis(50);

/// What a restore that works on the database means for a dump of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Restores {
    /// No backup is made meanwhile: a restore in place has removed what it has not loaded yet, and a swap has dropped the
    /// triggers.
    Respected,
    /// The dump is the safety backup of that restore, which has changed nothing yet.
    Ours,
}

impl Restores {
    /// Fails where a restore works on the database; one that has just ended is waited for.
    ///
    /// # Errors
    /// [`Error::Busy`], or the server cannot be asked.
    pub(super) fn check(self, server: &ServerClient, database: &str, cancel: &Cancel) -> Result<()> {
        let until = Instant::now() + LETTING_GO;
        while self == Self::Respected && is_restored(server, database, cancel)? {
            if Instant::now() >= until {
                return Err(Error::Busy { database: database.to_owned() });
            }
            cancel.sleep(GLANCE)?;
        }
        Ok(())
    }
}

fn is_restored(server: &ServerClient, database: &str, cancel: &Cancel) -> Result<bool> {
    let sql = format!("SELECT IS_USED_LOCK('{}') IS NOT NULL;\n", restore_lock(database));
    let rows = server.query(None, Sql::Read(&sql), "looking for a restore", cancel)?;
    Ok(rows.iter().flatten().any(|used| used == "1"))
}

/// Waits until no restore works on the database, or does not wait.
///
/// # Errors
/// [`Error::Busy`], or the server cannot be asked.
pub(super) fn wait_for_restores(
    server: &ServerClient,
    database: &str,
    wait: Wait,
    cancel: &Cancel,
) -> Result<()> {
    let mut told = false;
    while wait == Wait::Yes && is_restored(server, database, cancel)? {
        if !told {
            log::warn!(code = crate::notice::WAITS.code; "a restore of {database} is under way; waiting for its end");
        }
        told = true;
        cancel.sleep(PAUSE)?;
    }
    Ok(())
}

/// Whether every table in a dump is the one that its name meant at the snapshot: the tables as they were `before`, and the
/// newest then; those that were dumped, and which were to be.
///
/// # Errors
/// [`Error::Changed`], or the server cannot be asked.
pub(super) fn check_identities(
    server: &ServerClient,
    database: &str,
    (before, newest): (&Identities, Option<u64>),
    (dumped, chosen): (&BTreeSet<&str>, &Chosen),
    cancel: &Cancel,
) -> Result<()> {
    let after = server.identities_again(database, before, cancel)?;
    let mut tables = changed(before, &after, newest, dumped);
    tables.retain(|table| chosen.has(table));
    if tables.is_empty() {
        return Ok(());
    }
    Err(Error::Changed { database: database.to_owned(), tables: tables.into_iter().collect() })
}

/// Whether every table whose definition was not held is still defined as it was when it was read: a view that is read later
/// may need what a table has been given meanwhile.
///
/// # Errors
/// [`Error::Changed`], or the server cannot be asked.
pub(super) fn check_definitions(
    server: &ServerClient,
    database: &str,
    definitions: &Definitions,
    cancel: &Cancel,
) -> Result<()> {
    let doing = format!("{DUMPING} {database}");
    let show = |table: &String| format!("SHOW CREATE TABLE {};\n", quote_name(table));
    if definitions.is_empty() {
        return Ok(());
    }
    let names: Vec<&String> = definitions.keys().collect();
    let mut changed = BTreeSet::new();
    // Some defaults are shown in the session's time zone.
    let mut connection = connect(server, Role::Control, database, &doing, cancel)?;
    for some in names.chunks(AT_ONCE) {
        let sql: String = some.iter().map(|table| show(table)).collect();
        let shown = connection.bytes(&sql, &doing)?;
        for (table, row) in some.iter().zip(&shown) {
            let now = row.get(1).map(|create| essence(create));
            if now != definitions.get(*table).copied() {
                changed.insert((*table).clone());
            }
        }
    }
    if changed.is_empty() {
        return Ok(());
    }
    Err(Error::Changed { database: database.to_owned(), tables: changed.into_iter().collect() })
}

/// How many definitions are asked for at once.
const AT_ONCE: usize = 500;

/// Dumps, and dumps again where tables changed meanwhile. There is no pause: the next dump sees what the change has made.
///
/// # Errors
/// The last one.
pub(super) fn starting_over<T>(cancel: &Cancel, mut dump: impl FnMut() -> Result<T>) -> Result<T> {
    for _ in 0..STARTS_OVER {
        match dump() {
            Err(error) if error.is_change() => {
                cancel.check()?;
                log::warn!(code = crate::notice::TRIES_AGAIN.code; "{error}; the dump starts over");
            }
            done => return done,
        }
    }
    dump()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::ServerError;

    fn change() -> Error {
        Error::Changed { database: "shop".into(), tables: vec!["t".into()] }
    }

    fn vanished() -> Error {
        let message = "Table definition has changed".into();
        let error = ServerError { number: 1412, sqlstate: "HY000".into(), message, statement: None };
        Error::Server { doing: format!("{DUMPING} shop"), error }
    }

    #[test]
    fn a_dump_starts_over_where_tables_changed_and_not_for_ever() {
        for (what, failures, dumps, succeeds) in [
            ("nothing changed", vec![], 1, true),
            ("one change", vec![change()], 2, true),
            ("three", vec![change(), vanished(), change()], 4, true),
            ("always", vec![change(), change(), vanished(), change(), change()], 4, false),
            ("something else", vec![Error::usage("no")], 1, false),
        ] {
            let mut failures = failures.into_iter();
            let mut dumped = 0;
            let done = starting_over(&Cancel::default(), || {
                dumped += 1;
                failures.next().map_or(Ok(()), Err)
            });
            assert_eq!((dumped, done.is_ok()), (dumps, succeeds), "{what}");
        }
    }
}
