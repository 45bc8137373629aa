//! Time zones by name: an event that was made in one cannot be made on a server that does not know it (error 1298),
//! and a new server knows none. Those that a backup names are loaded from the system's own.

use std::collections::BTreeSet;
use std::path::Path;

use super::throwaway::Throwaway;
use super::tzif::TimeZone;
use crate::error::Result;
use crate::progress::Cancel;
use crate::server::Sql;

/// Where the system keeps time zones (tzset(3)).
const ZONES: &str = "/usr/share/zoneinfo";

/// Loads these into a throwaway server. One that the system does not have stays unknown there.
///
/// # Errors
/// The server cannot be reached, or a signal arrived.
pub(super) fn load(zones: &BTreeSet<String>, throwaway: &Throwaway, cancel: &Cancel) -> Result<()> {
    for zone in zones {
        let file = std::fs::read(Path::new(ZONES).join(zone)).unwrap_or_default();
        let Some(found) = TimeZone::read(&file) else {
            log::debug!("the system has no time zone {zone}");
            continue;
        };
        let sql = found.sql(zone);
        throwaway.server.query(Some("mysql"), Sql::Write(&sql), "loading a time zone", cancel)?;
    }
    Ok(())
}
