//! The load of a drill: all of a backup into an empty database of a server on which no event runs, and the check of what
//! came of it.

use std::collections::BTreeSet;

use crate::error::Result;
use crate::load::{Destination, Load, OpenBackup, Renaming};
use crate::progress::Context;
use crate::restore::{Check, RestoreProof};
use crate::server::{ServerClient, ServerVersion};

/// Loads all of a backup into `database`, which is there and empty, on a server of this version; then checks its
/// objects and counts its rows.
///
/// # Errors
/// A statement fails, or the result differs, or the server cannot be reached.
pub(super) fn load(
    input: &OpenBackup,
    server: &ServerClient,
    version: &str,
    database: &str,
    context: &Context,
) -> Result<()> {
    let to = Destination { server, database, is_live: false };
    let original = input.manifest.database.as_deref();
    let from = original.filter(|original| *original != database);
    let renaming = Renaming { from, here: &|_| true, loaded: &|_| true, elsewhere: database };
    let load = Load::new(input, to, &renaming, false, context)?;
    // Tried with servers that swap; older ones, and MySQL, are sent what the dump says.
    let load = if ServerVersion::parse(version).is_mariadb(10, 6) { load.with_late_keys()? } else { load };
    load.all_but_events()?;
    load.events()?;
    let check =
        Check { input, server, database, only: &[], kept_views: &BTreeSet::new(), proof: RestoreProof::Rows };
    check.all_but_events(context)?;
    // Those whose time has passed were never made, and that is no fault of the backup.
    check.events(context)
}
