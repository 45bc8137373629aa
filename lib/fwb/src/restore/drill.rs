//! The restore that a drill makes: the backup into an empty database of a server on which no event runs, and the
//! check of what came of it.

use std::collections::BTreeSet;

use super::check::Check;
use super::input::{Input, Part};
use super::load::{Destination, load};
use super::preflight::{self, Finding};
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
    load(input, Part::Whole, Destination { server, database, quoting: Quoting::of(version) }, context)?;
    let check = Check { input, server, database, only: &[], kept_views: &BTreeSet::new() };
    check.run(Part::BeforeEvents, context)?;
    // Those whose time has passed were never made, and that is no fault of the backup.
    check.events(context)
}
