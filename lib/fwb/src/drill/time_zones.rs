//! Time zones by name: an event that was made in one cannot be made on a server that does not know it (error 1298),
//! and a new server knows none. Those that a backup names are loaded from the system's own.

use std::collections::BTreeSet;
use std::path::Path;

use super::throwaway::Throwaway;
use super::tzif::TimeZone;
use crate::error::Result;
use crate::progress::Cancel;
use crate::scan::{Head, Statement, Value};
use crate::server::Sql;

/// Where the system keeps time zones (tzset(3)).
const ZONES: &str = "/usr/share/zoneinfo";

/// The time zones that a backup names.
#[derive(Debug, Default)]
pub(super) struct TimeZones(BTreeSet<String>);

impl TimeZones {
    /// Takes note of a statement.
    pub(super) fn observe(&mut self, statement: &Statement<'_>) {
        let Head::Set(assignments) = statement.head else { return };
        for (what, to) in assignments {
            let Value::Text(zone) = to else { continue };
            let is_time_zone =
                what.rsplit(['.', '@']).next().is_some_and(|name| name.eq_ignore_ascii_case("time_zone"));
            if is_time_zone && is_name(zone) {
                self.0.insert(zone.clone());
            }
        }
    }

    /// Loads them into a throwaway server. One that the system does not have is left to fail where it is used.
    ///
    /// # Errors
    /// The server cannot be reached, or a signal arrived.
    pub(super) fn load(&self, throwaway: &Throwaway, cancel: &Cancel) -> Result<()> {
        for zone in &self.0 {
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
}

/// Whether this names a zone, rather than an offset or the system's own, and leads to no other file.
fn is_name(zone: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'_' | b'-' | b'+');
    let begins = zone.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic());
    begins && zone.len() <= 64 && zone.bytes().all(plain) && !zone.eq_ignore_ascii_case("SYSTEM")
}

#[cfg(test)]
mod tests {
    use super::is_name;

    #[test]
    fn only_names_are_looked_up() {
        for zone in ["Europe/Berlin", "UTC", "Etc/GMT-9", "America/Port-au-Prince"] {
            assert!(is_name(zone), "{zone}");
        }
        for other in ["+00:00", "SYSTEM", "system", "../../etc/passwd", "/etc/passwd", "", "Europe/..", "a b"]
        {
            assert!(!is_name(other), "{other}");
        }
    }
}
