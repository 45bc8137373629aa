//! Why a drill is not held: the server that it would need is not here. That says nothing of the backup.

use super::servers::{called, flavor_name, series};
use crate::error::Error;
use crate::manifest::{NotDrilled, now};
use crate::server::{Flavor, ServerVersion};

/// Why a drill is not held, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NotHeld {
    pub(super) reason: String,
    pub(super) remedy: String,
}

impl NotHeld {
    pub(super) fn new(reason: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { reason: reason.into(), remedy: remedy.into() }
    }

    /// That none of the servers here, which are named, is fit for a backup of `source`.
    pub(super) fn without_server(source: Option<&ServerVersion>, here: &str) -> Self {
        let wanted = match source {
            Some(source) => {
                let ((major, minor), flavor) = (series(source), flavor_name(source.flavor));
                format!("a backup of {} needs {flavor} {major}.{minor} or later", called(source))
            }
            None => "a backup that does not say its server needs MariaDB".to_owned(),
        };
        let package = match source.map_or(Flavor::MariaDb, |source| source.flavor) {
            Flavor::MariaDb => "mariadb-server",
            Flavor::MySql => "mysql-server",
        };
        let here = if here.is_empty() { "no server" } else { here };
        let remedy =
            format!("install {package} of that series, or say where one is unpacked: --drill-server-dir");
        Self::new(format!("{wanted}, and here is {here}"), remedy)
    }

    /// That the server that was found, or named, is not fit for a backup of `source`.
    pub(super) fn on_other_server(source: &ServerVersion, version: &ServerVersion) -> Self {
        Self::without_server(Some(source), &called(version))
    }

    /// What the manifest says of it.
    pub(super) fn record(self) -> NotDrilled {
        let Self { reason, remedy: hint } = self;
        NotDrilled { at: now(), reason, hint, extra: serde_json::Map::new() }
    }
}

impl From<NotHeld> for Error {
    fn from(NotHeld { reason, remedy }: NotHeld) -> Self {
        Self::NoDrill { reason, remedy }
    }
}

/// What an error of a drill shows.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// This is wrong with the backup.
    Failed(String),
    /// The server is not like the backup's.
    NotHeld(NotHeld),
}

/// The servers of a backup and of its drill.
#[derive(Debug, Clone, Copy)]
pub(super) struct Versions<'a> {
    /// The backup's, where it says it.
    pub(super) source: Option<&'a ServerVersion>,
    /// The drill's.
    pub(super) drill: &'a ServerVersion,
}

impl Versions<'_> {
    fn is_other_series(&self) -> bool {
        self.source.is_some_and(|source| series(source) != series(self.drill))
    }
}

/// Judges an error by the server's number for it.
///
/// # Errors
/// The error, where it says nothing of the backup.
pub(super) fn judge(error: Error, versions: Versions<'_>) -> Result<Verdict, Error> {
    match error {
        // How InnoDB tells of a duplicate while it fills an empty table in bulk (tried on MariaDB 10.11).
        Error::Server { doing, error } if error.message.contains(IN_BULK) => {
            Ok(Verdict::Failed(format!("{doing} failed: {error} (rows with the same key, most likely)")))
        }
        Error::Server { doing, error } if is_of_likeness(error.number, versions.is_other_series()) => {
            let reason = format!(
                "{}, the server of the drill, is not like the backup's: {doing} failed: {error}",
                called(versions.drill)
            );
            let remedy = "drill it on a server like its own: --drill-server-dir, --drill-server";
            Ok(Verdict::NotHeld(NotHeld::new(reason, remedy)))
        }
        Error::Server { doing, error } if is_verdict(error.number) => {
            Ok(Verdict::Failed(format!("{doing} failed: {error}")))
        }
        refused @ Error::Inadmissible { .. } => Ok(Verdict::Failed(crate::verify::refusal(refused))),
        Error::Differs { difference, .. } => {
            Ok(Verdict::Failed(format!("the restored database differs: {difference}")))
        }
        Error::Damaged { problem, .. } => Ok(Verdict::Failed(problem)),
        other => Err(other),
    }
}

/// Error 1180 at the end of a transaction, which names no row.
const IN_BULK: &str = "Got error 1 \"Operation not permitted\" during COMMIT";

/// Whether an error says that the server lacks something that the backup's had (MariaDB's manual, "MariaDB Error Codes";
/// MySQL's, "Server Error Message Reference"). On a server of another series, a word that it does not read, and a function that
/// it does not have, say no more.
fn is_of_likeness(number: u16, is_other_series: bool) -> bool {
    const LACKING: [u16; 17] = [
        1115, // character set
        1126, // a plugin's file
        1128, // loadable function
        1193, // system variable
        1231, // value of a system variable
        1235, // not supported by this version
        1273, // collation
        1286, // storage engine
        1289, // feature that was left out
        1298, // time zone
        1478, // option of a storage engine
        1524, // plugin
        1911, // option of a table, column or key
        3161, // storage engine that is disabled
        3185, // key of an encrypted table
        4161, // data type
        6125, // foreign key that a setting refuses
    ];
    const OTHER_WORDS: [u16; 3] = [
        1064, // syntax
        1149, // syntax
        1305, // function
    ];
    LACKING.contains(&number) || (is_other_series && OTHER_WORDS.contains(&number))
}

/// Whether the server has judged a statement. These numbers (MariaDB's manual, "MariaDB Error Codes") tell of the server:
/// connections, privileges, space and memory, locks, a shutdown, settings.
fn is_verdict(number: u16) -> bool {
    const OF_THE_SERVER: [u16; 34] = [
        1021, 1030, 1037, 1038, 1040, 1041, 1044, 1045, 1053, 1114, 1129, 1130, 1135, 1142, 1180, 1203, 1205,
        1206, 1213, 1226, 1227, 1290, 1317, 1370, 1396, 1410, 1418, 1419, 1698, 1836, 1927, 1969, 3024, 4151,
    ];
    !OF_THE_SERVER.contains(&number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::ServerError;

    fn judged(number: u16, source: Option<&str>) -> &'static str {
        let (source, drill) = (source.map(ServerVersion::parse), ServerVersion::parse("10.11.6-MariaDB"));
        let error =
            ServerError { number, sqlstate: "HY000".into(), message: "it fails".into(), statement: None };
        let versions = Versions { source: source.as_ref(), drill: &drill };
        match judge(Error::Server { doing: "loading table t".into(), error }, versions) {
            Ok(Verdict::Failed(_)) => "failed",
            Ok(Verdict::NotHeld(_)) => "not held",
            Err(_) => "an error",
        }
    }

    #[test]
    fn errors_tell_of_the_backup_or_of_the_server() {
        let same = Some("10.11.4-MariaDB");
        for (number, source, outcome) in [
            (1062, same, "failed"),
            (4025, same, "failed"),
            (1136, same, "failed"),
            (1356, same, "failed"),
            (1273, same, "not held"),
            (1286, None, "not held"),
            (4161, None, "not held"),
            (1064, same, "failed"),
            (1064, None, "failed"),
            (1064, Some("10.5.1-MariaDB"), "not held"),
            (1305, Some("10.5.1-MariaDB"), "not held"),
            (1021, same, "an error"),
            (1114, same, "an error"),
            (1205, same, "an error"),
            (1227, Some("10.5.1-MariaDB"), "an error"),
        ] {
            assert_eq!(judged(number, source), outcome, "{number} of {source:?}");
        }
    }

    #[test]
    fn it_is_said_which_server_is_needed() {
        let reason = |source: &str, here: &str| {
            NotHeld::without_server(Some(&ServerVersion::parse(source)), here).reason
        };
        assert_eq!(
            reason("9.7.4", "MariaDB 10.11.6"),
            "a backup of MySQL 9.7.4 needs MySQL 9.7 or later, and here is MariaDB 10.11.6"
        );
        assert_eq!(
            reason("11.8.9-MariaDB", ""),
            "a backup of MariaDB 11.8.9 needs MariaDB 11.8 or later, and here is no server"
        );
    }
}
