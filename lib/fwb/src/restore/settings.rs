//! What the server of a backup had, and the one that it is restored to has not: settings, plugins, time zones. Nothing of it
//! stops a restore.

use serde::Serialize;

use super::finding::{Finding, Gravity};
use crate::error::Result;
use crate::manifest::{Kind, Manifest, Surroundings};
use crate::notice::{self, Code};
use crate::progress::Cancel;
use crate::select::Listing;
use crate::server::{ServerClient, ServerVersion, what_it_decides};
use crate::store::{BackupSummary, Store};

/// Kinds of plugins without which somebody cannot log in, a password is not looked at, or a table is not made.
const DECISIVE: [&str; 3] = ["AUTHENTICATION", "PASSWORD VALIDATION", "STORAGE ENGINE"];

/// Something that is otherwise on the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SettingFinding {
    /// Its code: docs/ERRORS.md.
    pub code: &'static str,
    /// What is otherwise.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
}

impl SettingFinding {
    fn new(code: Code, message: String, remedy: String) -> Self {
        Self { code: code.code, message, remedy }
    }

    /// As a finding of a database's restore.
    pub(super) fn into_warning(self) -> Finding {
        let message = format!("{} ({})", self.message, self.code);
        Finding { gravity: Gravity::Warning, message, remedy: self.remedy }
    }
}

/// What is otherwise on a server than it was on the backup's.
pub(super) fn differences(was: &Surroundings, now: &Surroundings) -> Vec<SettingFinding> {
    let mut found = Vec::new();
    for (name, value) in &was.variables {
        let (Some(decides), Some(here)) = (what_it_decides(name), now.variables.get(name)) else { continue };
        if here != value {
            found.push(SettingFinding::new(
                notice::SETTING_DIFFERS,
                format!("{name} is '{here}' here and was '{value}': it decides {decides}"),
                format!("SET GLOBAL {name}, and the server's option file, where that is meant to hold again"),
            ));
        }
    }
    let lacking = was.plugins.iter().filter(|(name, _)| !now.plugins.contains_key(*name));
    for (name, kind) in lacking.filter(|(_, kind)| DECISIVE.contains(&kind.as_str())) {
        found.push(SettingFinding::new(
            notice::PLUGIN_LACKS,
            format!("the plugin {name} ({kind}) is not here"),
            "INSTALL SONAME …, or the package that has it".into(),
        ));
    }
    for urn in was.components.iter().filter(|urn| !now.components.contains(urn)) {
        let message = format!("the component {urn} is not here");
        found.push(SettingFinding::new(notice::PLUGIN_LACKS, message, "INSTALL COMPONENT …".into()));
    }
    if was.time_zones && !now.time_zones {
        found.push(SettingFinding::new(
            notice::NO_TIME_ZONES,
            "the server knows no time zones by their names, and the backup's did".into(),
            "mariadb-tzinfo-to-sql /usr/share/zoneinfo | mariadb mysql (mysql_tzinfo_to_sql on MySQL)".into(),
        ));
    }
    found
}

/// What is otherwise, as far as the backup tells what it was.
///
/// # Errors
/// The server cannot be reached.
pub(super) fn findings(
    was: Option<&Surroundings>,
    server: &ServerClient,
    version: &str,
    cancel: &Cancel,
) -> Result<Vec<SettingFinding>> {
    let Some(was) = was else { return Ok(Vec::new()) };
    let now = server.surroundings(&ServerVersion::parse(version), cancel)?;
    Ok(differences(was, &now))
}

/// The same for a backup of a database, where the store has the accounts of its server, and looking for them costs nothing.
///
/// # Errors
/// The server cannot be reached, or a signal arrived.
pub(super) fn beside(
    store: &Store,
    manifest: &Manifest,
    server: &ServerClient,
    version: &str,
    cancel: &Cancel,
) -> Result<Vec<Finding>> {
    let Some(source) = manifest.server.as_ref().filter(|_| store.is_near()) else { return Ok(Vec::new()) };
    if manifest.source().is_none_or(|source| source.flavor != ServerVersion::parse(version).flavor) {
        return Ok(Vec::new());
    }
    let listing = match Listing::read(store, cancel) {
        Ok(listing) => listing,
        Err(error) => {
            cancel.check()?;
            log::debug!("whether the store has accounts is not known: {error}");
            return Ok(Vec::new());
        }
    };
    let of = source.identity();
    let owner = listing.entries.iter().find(|entry| entry.name == manifest.name).map(BackupSummary::owner);
    let is_of = |entry: &BackupSummary| match owner {
        Some(owner) => entry.owner() == owner,
        None => of.label().is_some() && entry.server.label() == of.label(),
    };
    let newest = listing
        .entries
        .iter()
        .filter(|entry| entry.kind == Kind::Accounts && entry.problems.is_empty() && is_of(entry))
        .max_by_key(|entry| entry.started_at);
    let record = newest.and_then(|newest| listing.record(newest).ok().flatten());
    let was = record.and_then(|record| record.surroundings);
    let found = findings(was.as_ref(), server, version, cancel)?;
    Ok(found.into_iter().map(SettingFinding::into_warning).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn surroundings(variables: &[(&str, &str)], plugins: &[(&str, &str)], time_zones: bool) -> Surroundings {
        let owned = |pairs: &[(&str, &str)]| pairs.iter().map(|(a, b)| ((*a).into(), (*b).into())).collect();
        Surroundings {
            variables: owned(variables),
            plugins: owned(plugins),
            time_zones,
            ..Surroundings::default()
        }
    }

    #[test]
    fn what_matters_is_told_and_nothing_else() {
        let was = surroundings(
            &[("sql_mode", "ANSI"), ("sync_binlog", "1"), ("event_scheduler", "ON"), ("old_mode", "")],
            &[("ed25519", "AUTHENTICATION"), ("SQL_ERROR_LOG", "AUDIT")],
            true,
        );
        let now =
            surroundings(&[("sql_mode", ""), ("sync_binlog", "0"), ("event_scheduler", "ON")], &[], false);
        let told: Vec<(&str, String)> =
            differences(&was, &now).into_iter().map(|finding| (finding.code, finding.message)).collect();
        assert_eq!(told.len(), 3, "{told:?}");
        assert!(told[0].0 == "FWB-2207" && told[0].1.contains("sql_mode is '' here and was 'ANSI'"));
        assert!(told[1].0 == "FWB-2208" && told[1].1.contains("ed25519 (AUTHENTICATION)"));
        assert_eq!(told[2].0, "FWB-2209");
        assert!(differences(&was, &was).is_empty());
    }
}
