//! The rehearsal of a restore that removes something: all definitions are made without rows, by the same account and in the
//! same sessions, in a database of ours beside the live one. What fails there would fail after the live database had been
//! cleared; so it is a refusal, and the live database has not been touched.

use std::collections::BTreeSet;

use super::stand_ins::stand_ins;
use super::swap;
use crate::error::{Error, Result};
use crate::load::{Destination, Load, OpenBackup, Renaming};
use crate::progress::{Cancel, Context};
use crate::server::{ServerClient, Sql, quote_name};

/// A name for the table in a shadow by which foreign keys are tried.
pub(super) fn link_name() -> String {
    swap::unguessable("fwb_link_")
}

/// A live database, and which of its tables are damaged.
pub(super) struct Live<'a> {
    pub(super) database: &'a str,
    pub(super) damaged: &'a BTreeSet<String>,
}

/// How far a rehearsal goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// Definitions alone.
    Definitions,
    /// The rows of tables too, and their triggers.
    Rows,
}

/// "The path specified is too long": of the file of a table or a partition, in which the database's name stands too.
pub(super) const PATH_TOO_LONG: u16 = 1680;

/// Makes what a backup holds in a database of ours, and removes it again. `what` names the backup in the error.
///
/// # Errors
/// [`Error::Rehearsal`]: a definition cannot be made, or a row not be put back.
pub(super) fn rehearse(
    server: &ServerClient,
    live: &Live<'_>,
    input: &OpenBackup,
    (what, depth): (&str, Depth),
    context: &Context,
) -> Result<()> {
    let cancel = &context.cancel;
    context.progress.begin(format!("rehearsing {what}"), 0);
    let charset = input.manifest.charset.clone().zip(input.manifest.collation.clone());
    let link = link_name();
    let copies = input.tables().into_iter().chain([link.clone()]);
    let shadow = swap::shadow(server, live.database, copies, charset.as_ref(), cancel)?;
    let made = make(server, live, &shadow.database, input, depth, context)
        .and_then(|()| links(server, live, &shadow.database, &link, input, cancel));
    let removed = swap::remove_shadow(server, &shadow, cancel);
    if let Some(why) = &removed {
        log::warn!(code = crate::notice::LEFT_BEHIND.code; "{} is left behind: {why}", shadow.database);
    }
    made.map_err(|cause| {
        // Only a verdict on what was to be made is a refusal: what fails otherwise may work at another time.
        let is_verdict = match &cause {
            Error::Inadmissible { .. } => true,
            other => other.refusal().is_some() && !other.is_lost(),
        };
        match cancel.check() {
            Err(interrupted) => interrupted,
            Ok(()) if is_verdict => Error::Rehearsal { what: what.to_owned(), cause: Box::new(cause) },
            Ok(()) => cause,
        }
    })
}

fn make(
    server: &ServerClient,
    live: &Live<'_>,
    shadow: &str,
    input: &OpenBackup,
    depth: Depth,
    context: &Context,
) -> Result<()> {
    let scope = input.names();
    let here = |name: &str| input.is_here(name, &scope);
    let loaded = |name: &str| scope.contains(&input.spelled(name));
    let from = input.manifest.database.as_deref().unwrap_or_default();
    let renaming = Renaming { from: Some(from), here: &here, loaded: &loaded, elsewhere: live.database };
    let to = Destination { server, database: shadow, is_live: false };
    // Events are always made disabled: one has written into a live database from a shadow.
    stand_ins(server, live.database, shadow, live.damaged, input, &context.cancel)?;
    let load = Load::new(input, to, &renaming, true, context)?;
    match depth {
        Depth::Definitions => load.definitions(),
        Depth::Rows => load.all_but_events(),
    }
}

/// Tries foreign keys of live tables that stay, to tables that are replaced, on copies without rows: one that does not fit
/// the backup's table would be lost.
///
/// # Errors
/// [`Error::Preflight`]: a foreign key does not fit.
pub(super) fn links(
    server: &ServerClient,
    Live { database: live, damaged }: &Live<'_>,
    shadow: &str,
    copy: &str,
    input: &OpenBackup,
    cancel: &Cancel,
) -> Result<()> {
    if !input.leaves_some() {
        return Ok(());
    }
    let replaced = input.tables();
    let stays =
        |table: &String| !replaced.contains(table) && (input.is_partial() || input.stay().contains(table));
    let keys = server.foreign_keys(live, cancel)?;
    let staying = keys.iter().filter(|key| {
        key.child.0 == *live
            && stays(&key.child.1)
            && !damaged.contains(&key.child.1)
            && key.parent.0 == *live
            && replaced.contains(&key.parent.1)
    });
    for key in staying {
        let (copy, child) = (quote_name(copy), format!("{}.{}", quote_name(live), quote_name(&key.child.1)));
        let place = format!("{}.{copy}", quote_name(shadow));
        let sql = format!(
            "SET SESSION foreign_key_checks=0;\nCREATE TABLE {place} LIKE {child};\nALTER TABLE {place} {};\nDROP TABLE {place};\n",
            key.constraint(shadow)
        );
        if let Err(cause) = server.query(None, Sql::Write(&sql), "trying a foreign key", cancel) {
            cancel.check()?;
            let drop = format!("DROP TABLE IF EXISTS {place};\n");
            server.query(None, Sql::Write(&drop), "removing a copy", cancel)?;
            return Err(Error::Preflight {
                finding: format!(
                    "foreign key {} of table {}, which stays, does not fit the backup's table {}, and would be lost: {cause}",
                    key.name, key.child.1, key.parent.1
                ),
                remedy: format!("restore {} too (--tables), or drop the foreign key first", key.child.1),
            });
        }
    }
    Ok(())
}

/// The chosen tables that a safety backup holds too.
pub(super) fn held(safety: &OpenBackup, input: &OpenBackup) -> BTreeSet<String> {
    safety.names().intersection(&input.names()).cloned().collect()
}
