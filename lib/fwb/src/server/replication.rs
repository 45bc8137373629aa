//! What a server says of replication: what its binary log leaves out, and whose replica it is.

use std::collections::{BTreeMap, BTreeSet};

use super::client::{ServerClient, Sql};
use super::facts::version_numbers;
use super::quoting::quote_text;
use crate::error::Result;
use crate::progress::Cancel;

/// Replication, as far as the account may ask for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Replication {
    /// `read_only`.
    pub(crate) read_only: bool,
    /// `super_read_only`, which MySQL has: nobody may write.
    pub(crate) super_read_only: bool,
    /// Whether the account may write all the same; none where that depends on a role.
    pub(crate) writes_read_only: Option<bool>,
    /// `gtid_strict_mode`.
    pub(crate) gtid_strict: bool,
    /// `log_slave_updates`: whether what comes from a source is in the binary log too.
    pub(crate) logs_updates: bool,
    /// `binlog_format`.
    pub(crate) format: String,
    /// Whether the database has sequences.
    pub(crate) has_sequences: bool,
    /// Whether names of databases are compared without regard to case.
    pub(crate) ignores_case: bool,
    /// Clients that read the binary log, as far as the account sees them.
    pub(crate) readers: usize,
    /// What the binary log leaves out; none where there is no binary log.
    pub(crate) binlog: Option<Asked<Filter>>,
    /// The sources whose replica this server is.
    pub(crate) replica_of: Asked<Vec<Replica>>,
}

/// An answer, or that the account may not ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Asked<T> {
    /// The answer.
    Answer(T),
    /// The server's refusal.
    Refused,
}

impl<T: Default> Default for Asked<T> {
    fn default() -> Self {
        Self::Answer(T::default())
    }
}

/// Which databases pass: those that are named, or, where none is, all but the ignored ones.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    /// `…_do_db`.
    pub(crate) only: BTreeSet<String>,
    /// `…_ignore_db`.
    pub(crate) ignored: BTreeSet<String>,
}

impl Filter {
    /// From two lists as the server prints them.
    pub(crate) fn new(only: &str, ignored: &str) -> Self {
        let names =
            |list: &str| list.split(',').filter(|name| !name.is_empty()).map(ToOwned::to_owned).collect();
        Self { only: names(only), ignored: names(ignored) }
    }

    /// Whether what is done in a database passes (MariaDB's manual, "Replication Filters").
    pub(crate) fn passes(&self, database: &str, ignores_case: bool) -> bool {
        let named = |names: &BTreeSet<String>| {
            names.iter().any(|name| {
                name == database || ignores_case && name.to_lowercase() == database.to_lowercase()
            })
        };
        if self.only.is_empty() { !named(&self.ignored) } else { named(&self.only) }
    }
}

/// A connection to a source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Replica {
    /// The source, as `host:port`.
    pub(crate) source: String,
    /// Whether what comes from there is applied (the SQL thread runs).
    pub(crate) applies: bool,
    /// Which databases are applied.
    pub(crate) databases: Filter,
    /// Whether tables are filtered too, so that which of a database's are applied is not known.
    pub(crate) filters_tables: bool,
}

/// A replica's connection by a row of `SHOW REPLICA STATUS`, whose columns have older and newer names.
pub(crate) fn replica(row: &BTreeMap<String, String>) -> Replica {
    let column =
        |names: &[&str]| names.iter().find_map(|name| row.get(*name)).map(String::as_str).unwrap_or_default();
    let tables = [
        "replicate_do_table",
        "replicate_ignore_table",
        "replicate_wild_do_table",
        "replicate_wild_ignore_table",
    ];
    Replica {
        source: format!(
            "{}:{}",
            column(&["master_host", "source_host"]),
            column(&["master_port", "source_port"])
        ),
        applies: column(&["slave_sql_running", "replica_sql_running"]) == "Yes",
        databases: Filter::new(column(&["replicate_do_db"]), column(&["replicate_ignore_db"])),
        filters_tables: tables.iter().any(|table| !column(&[table]).is_empty()),
    }
}

/// The rights that let an account write where `read_only` is set. SUPER no longer does on MariaDB 10.11.
const WRITE_RIGHTS: &str = "'READ_ONLY ADMIN', 'READ ONLY ADMIN', 'CONNECTION_ADMIN'";

impl ServerClient {
    /// Asks for replication.
    ///
    /// # Errors
    /// The server cannot be reached.
    pub(crate) fn replication(
        &self,
        database: &str,
        version: &str,
        log_bin: bool,
        cancel: &Cancel,
    ) -> Result<Replication> {
        let is_mariadb = version.contains("MariaDB");
        let number = version_numbers(version).unwrap_or_default();
        let by_super = !is_mariadb || number < (10, 11);
        let rights = if by_super { format!("{WRITE_RIGHTS}, 'SUPER'") } else { WRITE_RIGHTS.to_owned() };
        let sql = format!(
            "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('read_only', 'super_read_only', 'gtid_strict_mode', \
             'log_slave_updates', 'log_replica_updates', 'lower_case_table_names', 'binlog_format');\n\
             SELECT 'may write', 'itself', COUNT(*) FROM information_schema.USER_PRIVILEGES \
             WHERE PRIVILEGE_TYPE IN ({rights}) AND REPLACE(GRANTEE, '''', '') = CURRENT_USER();\n\
             SELECT 'may write', 'by a role', 0 /*M!100005 + (CURRENT_ROLE() IS NOT NULL) */ /*!80000 + (CURRENT_ROLE() <> 'NONE') */;\n\
             SELECT 'readers', 'of the binary log', COUNT(*) FROM information_schema.PROCESSLIST WHERE COMMAND LIKE 'Binlog Dump%';\n\
             SELECT 'sequences', 'of the database', COUNT(*) FROM information_schema.TABLES \
             WHERE TABLE_SCHEMA = {} AND TABLE_TYPE = 'SEQUENCE';\n",
            quote_text(database)
        );
        let mut found = Replication::default();
        let (mut itself, mut by_role) = (false, false);
        for row in self.query(None, Sql::Read(&sql), "looking at replication", cancel)? {
            let is_on = |value: &str| !matches!(value, "OFF" | "0");
            match row.iter().map(String::as_str).collect::<Vec<_>>()[..] {
                ["read_only", value] => found.read_only = is_on(value),
                ["super_read_only", value] => found.super_read_only = is_on(value),
                ["gtid_strict_mode", value] => found.gtid_strict = is_on(value),
                ["log_slave_updates" | "log_replica_updates", value] => found.logs_updates = is_on(value),
                ["lower_case_table_names", value] => found.ignores_case = is_on(value),
                ["binlog_format", value] => value.clone_into(&mut found.format),
                ["sequences", _, count] => found.has_sequences = is_on(count),
                ["may write", "itself", count] => itself = is_on(count),
                ["may write", "by a role", count] => by_role = is_on(count),
                ["readers", _, count] => found.readers = count.parse().unwrap_or(0),
                _ => {}
            }
        }
        found.writes_read_only = if itself { Some(true) } else { Some(false).filter(|_| !by_role) };
        if log_bin {
            let status = if is_mariadb || number < (8, 2) { "MASTER" } else { "BINARY LOG" };
            let rows = self.asked(&format!("SHOW {status} STATUS;\n"), cancel)?;
            found.binlog = Some(match rows {
                Asked::Answer(rows) => Asked::Answer(rows.first().map(filter).unwrap_or_default()),
                Asked::Refused => Asked::Refused,
            });
        }
        let status = match (is_mariadb, number >= (8, 0)) {
            (true, _) => "ALL SLAVES",
            (false, true) => "REPLICA",
            (false, false) => "SLAVE",
        };
        found.replica_of = match self.asked(&format!("SHOW {status} STATUS;\n"), cancel)? {
            Asked::Answer(rows) => Asked::Answer(rows.iter().map(replica).collect()),
            Asked::Refused => Asked::Refused,
        };
        Ok(found)
    }

    /// Asks what the account may not be allowed to ask.
    fn asked(&self, sql: &str, cancel: &Cancel) -> Result<Asked<Vec<BTreeMap<String, String>>>> {
        match self.show(sql, "looking at replication", cancel) {
            Ok(rows) => Ok(Asked::Answer(rows)),
            Err(error) if error.refusal().is_some() => {
                cancel.check()?;
                log::debug!("{error}");
                Ok(Asked::Refused)
            }
            Err(error) => Err(error),
        }
    }
}

/// The binary log's filter by its status.
fn filter(row: &BTreeMap<String, String>) -> Filter {
    let column = |name: &str| row.get(name).map(String::as_str).unwrap_or_default();
    Filter::new(column("binlog_do_db"), column("binlog_ignore_db"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_passes_what_the_manual_says() {
        for (only, ignored, database, ignores_case, passes) in [
            ("", "", "shop", false, true),
            ("shop", "", "shop", false, true),
            ("shop", "", "shop__shadow_20250101_000000", false, false),
            ("other,shop", "", "shop", false, true),
            ("other", "", "shop", false, false),
            ("Shop", "", "shop", false, false),
            ("Shop", "", "shop", true, true),
            ("", "shop", "shop", false, false),
            ("", "shop", "shop__shadow_20250101_000000", false, true),
            ("", "other", "shop", false, true),
            // Where some are named, what is ignored is not looked at.
            ("shop", "shop", "shop", false, true),
        ] {
            let filter = Filter::new(only, ignored);
            assert_eq!(filter.passes(database, ignores_case), passes, "{only} {ignored} {database}");
        }
    }

    #[test]
    fn a_replica_is_read_by_old_and_new_names() {
        let row = |columns: &[(&str, &str)]| {
            columns.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let old = row(&[
            ("master_host", "db1"),
            ("master_port", "3306"),
            ("slave_sql_running", "Yes"),
            ("replicate_do_db", ""),
            ("replicate_ignore_db", "test"),
            ("replicate_wild_do_table", "shop%.%"),
        ]);
        let expected = Replica {
            source: "db1:3306".into(),
            applies: true,
            databases: Filter::new("", "test"),
            filters_tables: true,
        };
        assert_eq!(replica(&old), expected);
        let new = row(&[("source_host", "db1"), ("source_port", "3307"), ("replica_sql_running", "No")]);
        assert_eq!(replica(&new), Replica { source: "db1:3307".into(), ..Replica::default() });
    }
}
