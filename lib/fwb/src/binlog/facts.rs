//! What a server says of its log.

use std::collections::BTreeMap;

use super::segment::LogSource;
use crate::error::{Error, Result};
use crate::identity::ServerIdentity;
use crate::progress::Cancel;
use crate::server::{NameCase, ServerClient, Sql};

/// What a server says of its log.
#[derive(Debug, Clone)]
pub(super) struct LogFacts {
    version: String,
    server_id: u32,
    pub(super) uid: Option<String>,
    /// How it compares names of databases.
    pub(super) name_case: NameCase,
    /// Whether the server has commits wait for semi-synchronous replicas; none where it cannot.
    semi_sync: Option<bool>,
    /// For how long it does so at most.
    semi_sync_timeout: Option<String>,
}

/// What is asked.
const SETTINGS: &str = "SHOW GLOBAL VARIABLES WHERE Variable_name IN \
    ('version', 'log_bin', 'server_id', 'server_uuid', 'server_uid', 'binlog_storage_engine', \
    'rpl_semi_sync_master_enabled', 'rpl_semi_sync_source_enabled', 'rpl_semi_sync_master_timeout', \
    'rpl_semi_sync_source_timeout', 'lower_case_table_names');\n";

impl LogFacts {
    /// Asks.
    ///
    /// # Errors
    /// [`Error::NoLog`] where there is none that can be followed.
    pub(super) fn ask(server: &ServerClient, cancel: &Cancel) -> Result<Self> {
        let rows = server.query(None, Sql::Read(SETTINGS), "looking at the binary log", cancel)?;
        let said: BTreeMap<String, String> = rows
            .into_iter()
            .filter_map(|row| Some((row.first()?.to_ascii_lowercase(), row.get(1)?.clone())))
            .collect();
        let value = |name: &str| said.get(name).cloned().filter(|value| !value.is_empty());
        let either = |what: &str| {
            value(&format!("rpl_semi_sync_master_{what}"))
                .or_else(|| value(&format!("rpl_semi_sync_source_{what}")))
        };
        if value("log_bin").as_deref() != Some("ON") {
            return Err(Error::NoLog {
                problem: "the server writes no binary log".into(),
                remedy: "set log_bin in its configuration, and a server_id; then restart it".into(),
            });
        }
        if value("binlog_storage_engine").is_some() {
            return Err(Error::NoLog {
                problem: "the server keeps its binary log in a storage engine, where places have no numbers"
                    .into(),
                remedy: "leave binlog_storage_engine unset".into(),
            });
        }
        Ok(Self {
            version: value("version").unwrap_or_default(),
            server_id: value("server_id").and_then(|id| id.parse().ok()).unwrap_or(0),
            uid: value("server_uuid").or_else(|| value("server_uid")),
            name_case: value("lower_case_table_names")
                .and_then(|setting| setting.parse().ok())
                .map_or_else(NameCase::default, NameCase::of_setting),
            semi_sync: either("enabled").map(|enabled| enabled == "ON"),
            semi_sync_timeout: either("timeout"),
        })
    }

    /// Whether it is a MariaDB.
    pub(super) fn is_mariadb(&self) -> bool {
        self.version.contains("MariaDB")
    }

    /// Says where the server does not wait for a follower that answers, and how long it waits else.
    pub(super) fn tell_semi_sync(&self) {
        let what = match self.semi_sync {
            Some(true) => {
                let timeout = self.semi_sync_timeout.as_deref().unwrap_or("?");
                log::debug!("commits wait for this follower, for {timeout} ms at most");
                return;
            }
            Some(false) => {
                "its semi-synchronous replication is off: SET GLOBAL rpl_semi_sync_master_enabled = ON (MySQL: rpl_semi_sync_source_enabled)"
            }
            None => {
                "it has no semi-synchronous replication: INSTALL PLUGIN rpl_semi_sync_source SONAME 'semisync_source.so'"
            }
        };
        log::warn!(code = crate::notice::SEMI_SYNC_OFF.code; "the server does not wait for this follower; {what}");
    }

    /// The present file of the log; none where the account may not ask.
    ///
    /// # Errors
    /// The server cannot be reached.
    pub(super) fn file(&self, server: &ServerClient, cancel: &Cancel) -> Result<Option<String>> {
        let version = crate::server::ServerVersion::parse(&self.version);
        let sql = if version.is_mysql(8, 2) { "SHOW BINARY LOG STATUS;\n" } else { "SHOW MASTER STATUS;\n" };
        match server.query(None, Sql::Read(sql), "looking at the binary log", cancel) {
            Ok(rows) => Ok(rows.into_iter().next().and_then(|row| row.into_iter().next())),
            Err(error) if error.refusal().is_some() => {
                cancel.check()?;
                log::debug!("{error}");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// The server, for descriptions of segments.
    pub(super) fn source(&self, identity: &ServerIdentity) -> LogSource {
        LogSource {
            version: self.version.clone(),
            server_id: self.server_id,
            uid: self.uid.clone(),
            id: identity.id.clone(),
            address: identity.address.clone(),
        }
    }
}
