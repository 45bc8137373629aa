//! The restore that a drill makes: the backup into an empty database of a server on which no event runs, and the
//! check of what came of it.

use std::collections::BTreeSet;

use super::check::Check;
use super::input::Input;
use super::load::{Destination, Load};
use super::plan::RestoreProof;
use super::preflight::{self, Finding};
use super::rename::Renaming;
use super::session::Quoting;
use crate::error::Result;
use crate::progress::{Cancel, Context};
use crate::server::ServerClient;

/// What a restore into this server would be told beforehand.
///
/// # Errors
/// The server cannot be reached.
pub(crate) fn drill_preflight(
    input: &Input,
    server: &ServerClient,
    database: &str,
    cancel: &Cancel,
) -> Result<Vec<Finding>> {
    preflight::look(server, &input.manifest, &input.survey, database, cancel).map(|(_, findings)| findings)
}

/// Loads all of a backup into `database`, which is there and empty, on a server of this version; then checks its
/// objects and counts its rows.
///
/// # Errors
/// A statement fails, or the result differs, or the server cannot be reached.
pub(crate) fn drill_restore(
    input: &Input,
    server: &ServerClient,
    version: &str,
    database: &str,
    context: &Context,
) -> Result<()> {
    let to = Destination { server, database, quoting: Quoting::of(version), is_live: false };
    let original = input.manifest.database.as_deref();
    let from = original.filter(|original| *original != database);
    let renaming = Renaming { from, here: &|_| true, loaded: &|_| true, elsewhere: database };
    let load = Load::new(input, to, &renaming, false, context)?.with_late_keys()?;
    load.all_but_events()?;
    load.events()?;
    let check =
        Check { input, server, database, only: &[], kept_views: &BTreeSet::new(), proof: RestoreProof::Rows };
    check.all_but_events(context)?;
    // Those whose time has passed were never made, and that is no fault of the backup.
    check.events(context)
}
