//! What else goes on while a database is dumped: a restore of it, or changes of its tables.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::manifest::{Section, SectionKind};
use crate::progress::Cancel;
use crate::server::{Identities, ServerClient, changed, restore_lock};
use crate::store::Wait;

/// How often a dump starts over because tables changed under it, before it gives up.
const STARTS_OVER: u32 = 3;
/// Between two looks at whether a restore has ended.
const PAUSE: Duration = Duration::from_secs(1);

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
    /// Fails where a restore works on the database.
    ///
    /// # Errors
    /// [`Error::Busy`], or the server cannot be asked.
    pub(super) fn check(self, server: &ServerClient, database: &str, cancel: &Cancel) -> Result<()> {
        if self == Self::Respected && is_restored(server, database, cancel)? {
            return Err(Error::Busy { database: database.to_owned() });
        }
        Ok(())
    }
}

fn is_restored(server: &ServerClient, database: &str, cancel: &Cancel) -> Result<bool> {
    let sql = format!("SELECT IS_USED_LOCK('{}') IS NOT NULL;\n", restore_lock(database));
    let rows = server.query(None, &sql, "looking for a restore", cancel)?;
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
            log::warn!("a restore of {database} is under way; waiting for its end");
        }
        told = true;
        let until = std::time::Instant::now() + PAUSE;
        while std::time::Instant::now() < until {
            cancel.check()?;
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    Ok(())
}

/// Whether every table in a dump is the one that its name meant at the snapshot.
///
/// # Errors
/// [`Error::Changed`], or the server cannot be asked.
pub(super) fn check_identities(
    server: &ServerClient,
    database: &str,
    before: &Identities,
    newest: Option<u64>,
    sections: &[Section],
    cancel: &Cancel,
) -> Result<()> {
    let dumped: BTreeSet<&str> = sections
        .iter()
        .filter(|section| matches!(section.kind, SectionKind::Table | SectionKind::Sequence))
        .filter_map(|section| section.name.as_deref())
        .collect();
    let after = server.identities_again(database, before, cancel)?;
    let tables = changed(before, &after, newest, &dumped);
    if tables.is_empty() {
        return Ok(());
    }
    Err(Error::Changed { database: database.to_owned(), tables: tables.into_iter().collect() })
}

/// Dumps, and dumps again where tables changed meanwhile. There is no pause: the next dump sees what the change has made.
///
/// # Errors
/// The last one.
pub(super) fn starting_over<T>(cancel: &Cancel, mut dump: impl FnMut() -> Result<T>) -> Result<T> {
    for _ in 0..STARTS_OVER {
        match dump() {
            Err(error) if error.is_change() => {
                cancel.check()?;
                log::warn!("{error}; the dump starts over");
            }
            done => return done,
        }
    }
    dump()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change() -> Error {
        Error::Changed { database: "shop".into(), tables: vec!["t".into()] }
    }

    fn vanished() -> Error {
        Error::Child {
            program: "mariadb-dump".into(),
            doing: format!("{} shop", crate::error::DUMPING),
            reason: "mariadb-dump: Error 1412: Table definition has changed".into(),
        }
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
