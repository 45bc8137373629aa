//! What a server says of itself and of one database.

use std::collections::BTreeSet;

use super::client::{ServerClient, quote_name};
use crate::error::Result;
use crate::progress::Cancel;

/// What a dump needs to know beforehand.
#[derive(Debug, Clone, Default)]
pub(crate) struct DatabaseFacts {
    /// `SELECT VERSION()`.
    pub(crate) version: String,
    /// The database's name as the server writes it.
    pub(crate) database: String,
    /// The database's default character set.
    pub(crate) charset: String,
    /// The database's default collation.
    pub(crate) collation: String,
    /// `SELECT @@lower_case_table_names`.
    pub(crate) lower_case_table_names: u64,
    /// Whether the server writes a binary log.
    pub(crate) log_bin: bool,
    /// The tables, and about how much their rows take, in bytes.
    pub(crate) tables: Vec<(String, u64)>,
    /// Columns of type FLOAT, as `table.column`.
    pub(crate) float_columns: Vec<String>,
    /// Columns whose definitions hold what the server prints as a question mark, as `table.column`.
    pub(crate) garbled_columns: Vec<String>,
    /// Tables that keep their history.
    pub(crate) versioned_tables: Vec<String>,
    /// Those among them whose history goes by transactions: mariadb-dump cannot dump it.
    pub(crate) by_transaction: Vec<String>,
    /// Views that cannot be used, and why.
    pub(crate) broken_views: Vec<LeftOut>,
    /// Events that hold `;;`: mariadb-dump never finds a delimiter for them and runs for ever.
    pub(crate) undumpable_events: Vec<LeftOut>,
    /// Routines and triggers that hold `;;`, which mariadb-dump takes for their end.
    pub(crate) cut_programs: Vec<String>,
}

/// Something that the dump program cannot dump.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub(crate) struct LeftOut {
    /// Its name.
    pub(crate) name: String,
    /// Why.
    pub(crate) error: String,
    /// What `SHOW CREATE` says, where the server gives it.
    pub(crate) definition: Option<String>,
}

/// Few queries, because the server makes a table on the disk for each, and opens all tables of the database for each
/// that asks for columns. Triggers are looked up by the schema of their table: by `TRIGGER_SCHEMA` the server would open
/// every table that it has.
///
/// The server puts a view's error into its comment (MariaDB's manual, "Information Schema TABLES Table"), but only
/// where the query needs a column for which it must open the view: `TABLE_ROWS`.
const FACTS: &str = "
SELECT 'schema', VERSION(), SCHEMA_NAME, DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME, @@log_bin,
    @@lower_case_table_names
  FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = DATABASE();
SELECT 'table', TABLE_NAME, TABLE_TYPE, TABLE_COMMENT, TABLE_COMMENT <> 'VIEW' AND TABLE_ROWS IS NULL,
    IFNULL(DATA_LENGTH, 0)
  FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() ORDER BY TABLE_NAME;
SELECT 'column', TABLE_NAME, COLUMN_NAME, DATA_TYPE, GENERATION_EXPRESSION
  FROM information_schema.COLUMNS
  WHERE TABLE_SCHEMA = DATABASE() AND (DATA_TYPE = 'float'
    OR DATA_TYPE = 'bigint' AND GENERATION_EXPRESSION = 'ROW START'
    OR CHARACTER_SET_NAME IN ('utf8mb4', 'utf16', 'utf16le', 'utf32')
      AND (DATA_TYPE IN ('enum', 'set') AND COLUMN_TYPE LIKE '%?%' OR COLUMN_DEFAULT LIKE '%?%'))
  ORDER BY TABLE_NAME, ORDINAL_POSITION;
SELECT 'event', EVENT_NAME FROM information_schema.EVENTS
  WHERE EVENT_SCHEMA = DATABASE() AND CONCAT(EVENT_DEFINITION, EVENT_COMMENT, EVENT_NAME) LIKE '%;;%';
SELECT 'cut', CONCAT(LOWER(ROUTINE_TYPE), ' ', ROUTINE_NAME) FROM information_schema.ROUTINES
  WHERE ROUTINE_SCHEMA = DATABASE() AND CONCAT(IFNULL(ROUTINE_DEFINITION, ''), ROUTINE_COMMENT) LIKE '%;;%';
SELECT 'cut', CONCAT('trigger ', TRIGGER_NAME) FROM information_schema.TRIGGERS
  WHERE EVENT_OBJECT_SCHEMA = DATABASE() AND ACTION_STATEMENT LIKE '%;;%';
";

impl ServerClient {
    /// Looks at a database before a dump.
    ///
    /// # Errors
    /// The server cannot be reached, or there is no such database.
    pub(crate) fn facts(&self, database: &str, cancel: &Cancel) -> Result<DatabaseFacts> {
        let mut facts = DatabaseFacts { database: database.to_owned(), ..DatabaseFacts::default() };
        let mut views = BTreeSet::new();
        for row in self.query(Some(database), FACTS, "looking at the database", cancel)? {
            match row.iter().map(String::as_str).collect::<Vec<_>>()[..] {
                ["schema", version, name, charset, collation, log_bin, lower_case_table_names] => {
                    facts.lower_case_table_names = lower_case_table_names.parse().unwrap_or_default();
                    facts.log_bin = log_bin == "1";
                    version.clone_into(&mut facts.version);
                    name.clone_into(&mut facts.database);
                    charset.clone_into(&mut facts.charset);
                    collation.clone_into(&mut facts.collation);
                }
                ["table", table, kind @ ("BASE TABLE" | "SYSTEM VERSIONED"), .., size] => {
                    facts.tables.push((table.to_owned(), size.parse().unwrap_or(0)));
                    if kind == "SYSTEM VERSIONED" {
                        facts.versioned_tables.push(table.to_owned());
                    }
                }
                ["table", view, "VIEW", error, broken, _] => {
                    views.insert(view.to_owned());
                    if broken == "1" {
                        let definition = self.definition(database, "VIEW", 1, view, cancel)?;
                        let (name, error) = (view.to_owned(), error.to_owned());
                        facts.broken_views.push(LeftOut { name, error, definition });
                    }
                }
                ["column", table, column, "float", _] => {
                    facts.float_columns.push(format!("{table}.{column}"));
                }
                ["column", table, _, "bigint", "ROW START"] => facts.by_transaction.push(table.to_owned()),
                ["column", table, column, data_type, _]
                    if !views.contains(table)
                        && self.is_garbled(database, table, column, data_type, cancel)? =>
                {
                    facts.garbled_columns.push(format!("{table}.{column}"));
                }
                ["event", name] => {
                    let definition = self.definition(database, "EVENT", 3, name, cancel)?;
                    let error = "it holds ;;".to_owned();
                    facts.undumpable_events.push(LeftOut { name: name.into(), error, definition });
                }
                ["cut", program] => facts.cut_programs.push(program.to_owned()),
                _ => {}
            }
        }
        Ok(facts)
    }

    /// Whether a column's default, or a row's value of those that are listed in its type, holds a character that the
    /// server prints as a question mark in definitions, which are utf8mb3: an emoji.
    fn is_garbled(
        &self,
        database: &str,
        table: &str,
        column: &str,
        data_type: &str,
        cancel: &Cancel,
    ) -> Result<bool> {
        let (table, column) = (quote_name(table), quote_name(column));
        let beyond = |value: &str| {
            format!(
                "CONVERT({value} USING utf8mb4) COLLATE utf8mb4_bin <> CONVERT(CONVERT({value} USING utf8mb3) USING utf8mb4) COLLATE utf8mb4_bin"
            )
        };
        let default = format!(
            "SELECT 1 FROM (SELECT DEFAULT({column}) AS v FROM {table} LIMIT 1) x WHERE {};\n",
            beyond("v")
        );
        let rows = format!("SELECT 1 FROM {table} WHERE {} LIMIT 1;\n", beyond(&column));
        let listed = matches!(data_type, "enum" | "set");
        for sql in std::iter::once(default).chain(listed.then_some(rows)) {
            match self.query(Some(database), &sql, "looking at a column's values", cancel) {
                Ok(found) if found.is_empty() => {}
                Ok(_) => return Ok(true),
                Err(error) => {
                    cancel.check()?;
                    log::debug!("whether {table}.{column} can be dumped is not known: {error}");
                }
            }
        }
        Ok(false)
    }

    /// What `SHOW CREATE` says in its column of this index; none where it fails.
    fn definition(
        &self,
        database: &str,
        what: &str,
        column: usize,
        name: &str,
        cancel: &Cancel,
    ) -> Result<Option<String>> {
        let sql = format!("SHOW CREATE {what} {};", quote_name(name));
        match self.query(Some(database), &sql, "reading a definition", cancel) {
            Ok(rows) => Ok(rows.into_iter().next().and_then(|row| row.into_iter().nth(column))),
            Err(error) => {
                cancel.check()?;
                log::warn!("the definition of {name} cannot be read: {error}");
                Ok(None)
            }
        }
    }
}
