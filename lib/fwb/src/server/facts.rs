//! What a server says of itself before a restore.

use std::collections::{BTreeMap, BTreeSet};

use super::client::{ServerClient, Sql};
use super::inventory::ENGINES_WITHOUT_ROWS;
use super::quoting::{quote_name, quote_text, quote_texts};
use super::replication::Replication;
use super::{LastTimestamp, NameCase};
use crate::error::{Error, Result};
use crate::progress::Cancel;

/// A server, and one database on it.
#[derive(Debug, Clone, Default)]
pub(crate) struct ServerFacts {
    /// `SELECT VERSION()`.
    pub(crate) version: String,
    /// The longest statement that it takes, in bytes.
    pub(crate) max_allowed_packet: u64,
    /// Whether it writes a binary log.
    pub(crate) log_bin: bool,
    /// `log_bin_trust_function_creators`.
    pub(crate) trusts_function_creators: bool,
    /// Whether it keeps the names of tables in lower case, however they are written (`lower_case_table_names=1`).
    pub(crate) keeps_lower_case: bool,
    /// Whether our account has SUPER.
    pub(crate) is_super: bool,
    /// Storage engines in use, in upper case.
    pub(crate) engines: BTreeSet<String>,
    /// The engine that every table gets, in upper case, whatever its definition says (`enforce_storage_engine`).
    pub(crate) enforced_engine: Option<String>,
    /// Whether columns of times are made in the format of before MariaDB 10 (`mysql56_temporal_format=0`).
    pub(crate) old_temporal_format: bool,
    /// Whether events run (`event_scheduler`).
    pub(crate) runs_events: bool,
    /// Whether its sessions begin in UTC, in winter and in summer.
    pub(crate) is_utc: bool,
    /// How far TIMESTAMP reaches.
    pub(crate) last_timestamp: LastTimestamp,
    /// Tables without a primary key get one (`sql_generate_invisible_primary_key`), and our account may not set that.
    pub(crate) adds_keys: bool,
    /// All accounts, where we may see them.
    pub(crate) accounts: Option<BTreeSet<(String, String)>>,
    /// The database's default character set and collation; none where it does not exist.
    pub(crate) charset: Option<(String, String)>,
    /// Replication.
    pub(crate) replication: Replication,
}

impl ServerClient {
    /// Looks at the server, and whether `database` is on it.
    ///
    /// # Errors
    /// The server cannot be reached.
    pub(crate) fn server_facts(&self, database: &str, cancel: &Cancel) -> Result<ServerFacts> {
        let sql = format!(
            "SELECT 'server', VERSION(), @@max_allowed_packet, @@log_bin, @@log_bin_trust_function_creators, @@lower_case_table_names, @@event_scheduler = 'ON';\n\
             SELECT 'engine', ENGINE FROM information_schema.ENGINES WHERE SUPPORT IN ('YES', 'DEFAULT');\n\
             SELECT 'enforced' /*M!100101 , IFNULL(@@enforce_storage_engine, '') */;\n\
             SELECT 'temporal' /*M!100102 , @@mysql56_temporal_format */;\n\
             SELECT 'adds keys' /*!80030 , @@sql_generate_invisible_primary_key */;\n\
             SELECT 'timestamp' /*M!110500 , FROM_UNIXTIME(4294967295) IS NOT NULL */;\n\
             SELECT 'utc', TIMEDIFF(CONVERT_TZ('2024-01-15 12:00:00', '+00:00', @@global.time_zone), '2024-01-15 12:00:00') = 0
                AND TIMEDIFF(CONVERT_TZ('2024-07-15 12:00:00', '+00:00', @@global.time_zone), '2024-07-15 12:00:00') = 0;\n\
             SELECT 'super' FROM information_schema.USER_PRIVILEGES WHERE PRIVILEGE_TYPE = 'SUPER' LIMIT 1;\n\
             SELECT 'database', DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = {};\n",
            quote_text(database)
        );
        let mut facts = ServerFacts::default();
        for row in self.query(None, Sql::Read(&sql), "looking at the server", cancel)? {
            match row.iter().map(String::as_str).collect::<Vec<_>>()[..] {
                ["server", version, packet, log_bin, trust, lower_case, scheduler] => {
                    facts.runs_events = scheduler == "1";
                    facts.keeps_lower_case = lower_case == "1";
                    version.clone_into(&mut facts.version);
                    facts.max_allowed_packet = packet.parse().unwrap_or(0);
                    facts.log_bin = log_bin == "1";
                    facts.trusts_function_creators = trust == "1";
                }
                ["enforced", engine] if !engine.is_empty() => {
                    facts.enforced_engine = Some(engine.to_ascii_uppercase());
                }
                ["utc", is_utc] => facts.is_utc = is_utc == "1",
                ["adds keys", adds] => facts.adds_keys = adds == "1",
                ["timestamp", "1"] => facts.last_timestamp = LastTimestamp::In2106,
                ["temporal", format] => facts.old_temporal_format = format == "0",
                ["engine", engine] => {
                    facts.engines.insert(engine.to_ascii_uppercase());
                }
                ["super"] => facts.is_super = true,
                ["database", charset, collation] => {
                    facts.charset = Some((charset.to_owned(), collation.to_owned()));
                }
                _ => {}
            }
        }
        facts.accounts = self.accounts(cancel)?;
        facts.replication = self.replication(database, &facts.version, facts.log_bin, cancel)?;
        Ok(facts)
    }

    /// All accounts; none where ours may not see them.
    fn accounts(&self, cancel: &Cancel) -> Result<Option<BTreeSet<(String, String)>>> {
        match self.query(
            None,
            Sql::Read("SELECT User, Host FROM mysql.user;"),
            "looking at the accounts",
            cancel,
        ) {
            Ok(rows) => Ok(Some(
                rows.into_iter()
                    .filter_map(|row| Some((row.first()?.clone(), row.get(1)?.clone())))
                    .collect(),
            )),
            Err(error) if error.refusal().is_some() => {
                cancel.check()?;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// A database's name as the server writes it; as it would be written, where it does not exist.
    ///
    /// # Errors
    /// The server cannot be reached.
    pub(crate) fn database_name(&self, database: &str, cancel: &Cancel) -> Result<String> {
        let case = self.name_case(cancel)?;
        if case == NameCase::Sensitive {
            return Ok(database.to_owned());
        }
        let sql = "SELECT SCHEMA_NAME, @@lower_case_table_names FROM information_schema.SCHEMATA;\n";
        let rows = self.query(None, Sql::Read(sql), "looking for a database", cancel)?;
        let keeps = rows.iter().any(|row| row.get(1).is_some_and(|setting| setting == "2"));
        let found =
            rows.into_iter().filter_map(|row| row.into_iter().next()).find(|name| case.same(name, database));
        Ok(found.unwrap_or_else(|| if keeps { database.to_owned() } else { case.key(database) }))
    }

    /// A database's default character set and collation; none where it does not exist.
    ///
    /// # Errors
    /// The server cannot be reached.
    pub(crate) fn database_charset(
        &self,
        database: &str,
        cancel: &Cancel,
    ) -> Result<Option<(String, String)>> {
        let sql = format!(
            "SELECT DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = {};\n",
            quote_text(database)
        );
        let rows = self.query(None, Sql::Read(&sql), "looking at a database", cancel)?;
        Ok(rows.into_iter().next().and_then(|row| <[String; 2]>::try_from(row).ok()).map(Into::into))
    }

    /// Tables outside of `tables` with foreign keys to one of them.
    ///
    /// # Errors
    /// The server cannot be reached.
    pub(crate) fn referring_tables(
        &self,
        database: &str,
        tables: &[String],
        cancel: &Cancel,
    ) -> Result<BTreeSet<String>> {
        let list = quote_texts(tables.iter().map(String::as_str));
        let sql = format!(
            "SELECT TABLE_NAME FROM information_schema.REFERENTIAL_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = DATABASE() \
             AND REFERENCED_TABLE_NAME IN ({list}) AND TABLE_NAME NOT IN ({list});\n"
        );
        let rows = match self.query(Some(database), Sql::Read(&sql), "looking at foreign keys", cancel) {
            Err(Error::NoDatabase { .. }) => return Ok(BTreeSet::new()),
            rows => rows?,
        };
        Ok(rows.into_iter().flatten().collect())
    }

    /// Counts the rows of tables, history included, but for tables without rows of their own: no dump holds them.
    ///
    /// # Errors
    /// The server cannot be reached, or a table cannot be read.
    pub(crate) fn row_counts(
        &self,
        database: &str,
        tables: &BTreeMap<String, bool>,
        cancel: &Cancel,
    ) -> Result<BTreeMap<String, u64>> {
        let engines = quote_texts(ENGINES_WITHOUT_ROWS);
        let sql = format!(
            "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND ENGINE IN ({engines});\n"
        );
        let empty = self.query(Some(database), Sql::Read(&sql), "listing tables without rows", cancel)?;
        let own = tables.iter().filter(|(table, _)| !empty.iter().flatten().any(|empty| empty == *table));
        let mut sql = String::new();
        for (table, versioned) in own {
            let history = if *versioned { " FOR SYSTEM_TIME ALL" } else { "" };
            sql += &format!("SELECT {}, COUNT(*) FROM {}{history};\n", quote_text(table), quote_name(table));
        }
        let rows = self.query(Some(database), Sql::Read(&sql), "counting rows", cancel)?;
        Ok(rows
            .into_iter()
            .filter_map(|row| Some((row.first()?.clone(), row.get(1)?.parse().ok()?)))
            .collect())
    }
}

/// The two leading numbers of a server's version: (10, 11) of `10.11.6-MariaDB-log`.
pub(crate) fn version_numbers(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    Some((parts.next()?.ok()?, parts.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::{Answer, Asked, Fake};

    /// What a server's version decides: which statement tells of the binary log and of replication. One of tomorrow is asked
    /// as the newest is; an account without a right, and an answer without rows, are no failure.
    #[test]
    fn a_server_is_asked_in_the_words_of_its_version() {
        let fine = || Answer::rows(&[]);
        for (version, log, replica, answer) in [
            ("10.5.29-MariaDB", "SHOW MASTER STATUS", "SHOW ALL SLAVES STATUS", fine()),
            ("12.3.1-MariaDB-log", "SHOW MASTER STATUS", "SHOW ALL SLAVES STATUS", fine()),
            ("5.7.44", "SHOW MASTER STATUS", "SHOW SLAVE STATUS", fine()),
            ("8.0.36", "SHOW MASTER STATUS", "SHOW REPLICA STATUS", fine()),
            ("9.7.0", "SHOW BINARY LOG STATUS", "SHOW REPLICA STATUS", fine()),
            ("99.1", "SHOW BINARY LOG STATUS", "SHOW REPLICA STATUS", fine()),
            ("9.7.0", "SHOW BINARY LOG STATUS", "SHOW REPLICA STATUS", Answer::Refused(1227)),
        ] {
            let fake = Fake::new([
                (
                    "SELECT 'server'",
                    &[Answer::rows(&[
                        &["server", version, "1024", "1", "0", "0", "1"],
                        &["engine", "InnoDB"],
                    ])][..],
                ),
                ("mysql.user", &[Answer::Refused(1142)]),
                (log, std::slice::from_ref(&answer)),
                (replica, std::slice::from_ref(&answer)),
            ]);
            let facts = fake.client(0).server_facts("shop", &Cancel::default()).unwrap();
            assert_eq!((facts.version.as_str(), facts.accounts, facts.charset), (version, None, None));
            assert_eq!((fake.sent(log).len(), fake.sent(replica).len()), (1, 1), "{version}");
            let refused = matches!(answer, Answer::Refused(_));
            assert_eq!(matches!(facts.replication.replica_of, Asked::Refused), refused, "{version}");
            assert_eq!(matches!(facts.replication.binlog, Some(Asked::Refused)), refused, "{version}");
        }
    }

    #[test]
    fn an_error_at_any_question_is_one_of_the_preflight() {
        for part in ["SELECT 'server'", "mysql.user", "SHOW GLOBAL VARIABLES", "SHOW ALL SLAVES STATUS"] {
            let fake = Fake::new([
                (part, &[Answer::Cut][..]),
                (
                    "SELECT 'server'",
                    &[Answer::rows(&[&["server", "10.11.6-MariaDB", "1", "0", "0", "0", "1"]])],
                ),
            ]);
            assert!(fake.client(0).server_facts("shop", &Cancel::default()).is_err(), "{part}");
        }
    }

    #[test]
    fn versions_are_compared_by_their_first_two_numbers() {
        assert_eq!(version_numbers("10.11.6-MariaDB-log"), Some((10, 11)));
        assert_eq!(version_numbers("8.0.36"), Some((8, 0)));
        assert_eq!(version_numbers(""), None);
    }
}
