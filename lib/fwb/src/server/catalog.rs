//! What a server says of itself and of one database.

use std::collections::{BTreeMap, BTreeSet};

use super::ServerVersion;
use super::client::{ServerClient, Sql};
use super::inventory::ENGINES_WITHOUT_ROWS;
use super::likeness::{LIKENESS, is_set};
use super::quoting::{quote_name, quote_text, quote_texts};
use crate::admission::functions;
use crate::error::Result;
use crate::progress::Cancel;
use crate::scan::{QuoteMode, Reading, Token, Tokens};

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
    /// Those of [`LIKENESS`] that somebody has set, and their global values.
    pub(crate) settings: BTreeMap<String, String>,
    /// What the server calls itself in its binary log: `server_uuid`, or MariaDB's `server_uid`.
    pub(crate) uid: Option<String>,
    /// Whether the server writes a binary log.
    pub(crate) log_bin: bool,
    /// The tables, and about how much their rows take, in bytes.
    pub(crate) tables: Vec<(String, u64)>,
    /// Tables whose rows no snapshot covers: they are read as they are at that moment.
    pub(crate) without_snapshot: Vec<String>,
    /// Columns of MySQL's type JSON, as `table.column`.
    pub(crate) json_columns: Vec<String>,
    /// Columns whose definitions hold what the server prints as a question mark, as `table.column`.
    pub(crate) garbled_columns: Vec<String>,
    /// Columns that may be NULL and have no default, not even NULL: MariaDB's definitions cannot say so.
    pub(crate) without_default: Vec<String>,
    /// Tables that keep their history.
    pub(crate) versioned_tables: Vec<String>,
    /// Those among them whose history goes by transactions: no server takes it.
    pub(crate) by_transaction: Vec<String>,
    /// Libraries of MySQL's programs in JavaScript, which no dump holds.
    pub(crate) libraries: Vec<String>,
    /// Whether tables have `CHECK` constraints, as far as the server tells.
    pub(crate) has_checks: bool,
    /// Whether it has views that can be used.
    pub(crate) has_views: bool,
    /// Views that cannot be used, and why.
    pub(crate) broken_views: Vec<LeftOut>,
    /// Those among them that our account cannot use: they call functions that it may not execute.
    pub(crate) denied_views: BTreeSet<String>,
}

impl DatabaseFacts {
    /// Forgets tables that are not dumped, and what is known of the rows of others.
    pub(crate) fn leave_out(&mut self, tables: &BTreeSet<String>, rows: &BTreeSet<String>) {
        let is_of = |names: &BTreeSet<String>, column: &str| {
            column.rsplit_once('.').is_some_and(|(table, _)| names.contains(table))
        };
        self.tables.retain(|(table, _)| !tables.contains(table));
        for (table, size) in &mut self.tables {
            if rows.contains(table) {
                *size = 0;
            }
        }
        for of_rows in [&mut self.without_snapshot, &mut self.versioned_tables, &mut self.by_transaction] {
            of_rows.retain(|table| !tables.contains(table) && !rows.contains(table));
        }
        self.json_columns.retain(|column| !is_of(tables, column) && !is_of(rows, column));
        for columns in [&mut self.garbled_columns, &mut self.without_default] {
            columns.retain(|column| !is_of(tables, column));
        }
        self.broken_views.retain(|view| !tables.contains(&view.name));
        self.denied_views.retain(|view| !tables.contains(view));
    }

    /// The databases of the functions that [`DatabaseFacts::denied_views`] call.
    pub(crate) fn databases_of_functions(&self) -> BTreeSet<String> {
        let mut databases = BTreeSet::new();
        for view in self.broken_views.iter().filter(|view| self.denied_views.contains(&view.name)) {
            let text = view.definition.as_deref().unwrap_or_default().as_bytes();
            let tokens = || Tokens::new(text, Reading::Everything, QuoteMode::default());
            let elsewhere: BTreeSet<String> =
                functions(tokens()).into_iter().filter_map(|(database, _)| database).collect();
            // Servers quote the names of functions, and not those of their own; without the database where it is the view's.
            let tokens: Vec<Token<'_>> = tokens().collect();
            let is_call = |words: &[Token<'_>]| {
                let is_alone = words[0] != Token::Symbol(b'.');
                is_alone && matches!(words[1], Token::Name(_)) && words[2] == Token::Symbol(b'(')
            };
            if elsewhere.is_empty() || tokens.windows(3).any(is_call) {
                databases.insert(self.database.clone());
            }
            databases.extend(elsewhere);
        }
        databases
    }

    /// Whether the server takes rows of the past (`system_versioning_insert_history`).
    pub(crate) fn takes_history(&self) -> bool {
        ServerVersion::parse(&self.version).is_mariadb(10, 11)
    }
}

/// Something that cannot be dumped.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub(crate) struct LeftOut {
    /// Its name.
    pub(crate) name: String,
    /// Why.
    pub(crate) error: String,
    /// What `SHOW CREATE` says, or of a view at least what it selects, where the server gives it.
    pub(crate) definition: Option<String>,
}

/// "execute command denied to user for routine".
const NO_EXECUTE: u16 = 1370;

/// Engines whose rows a snapshot covers; BLACKHOLE has none, and an engine that is not known answers for nothing.
const SNAPSHOTS: [&str; 5] = ["InnoDB", "ROCKSDB", "TokuDB", "BLACKHOLE", ""];

/// Few queries, because the server makes a table on the disk for each, and opens all tables of the database for each
/// that asks for columns.
///
/// The server puts a view's error into its comment (MariaDB's manual, "Information Schema TABLES Table"), but only
/// where the query needs a column for which it must open the view: `TABLE_ROWS`. One that it cannot even read is a table
/// then, on MariaDB 11.8; so views are asked for alone before.
fn facts_of(chosen: Option<&BTreeSet<String>>) -> String {
    let chosen = chosen.map_or_else(String::new, |names| {
        format!(" AND TABLE_NAME IN ({})", quote_texts(names.iter().map(String::as_str)))
    });
    format!("
SELECT 'schema', VERSION(), SCHEMA_NAME, DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME, @@log_bin,
    @@lower_case_table_names
  FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = DATABASE();
SELECT 'view', TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_TYPE = 'VIEW'{chosen};
SELECT 'table', TABLE_NAME, TABLE_TYPE, TABLE_COMMENT, TABLE_COMMENT <> 'VIEW' AND TABLE_ROWS IS NULL,
    IFNULL(ENGINE, ''), IFNULL(DATA_LENGTH, 0)
  FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE(){chosen} ORDER BY TABLE_NAME;
SELECT 'checks' /*M!100222 FROM information_schema.CHECK_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = DATABASE() LIMIT 1 */;
SELECT 'library' /*!90200 , LIBRARY_NAME FROM information_schema.LIBRARIES WHERE LIBRARY_SCHEMA = DATABASE() */;
")
}

/// So many tables are asked about at once: a statement has to fit into a packet.
const TABLES_AT_ONCE: usize = 500;

/// Of these tables alone: a view that is broken can end a query that would open it, on MariaDB 11.8 with error 1105.
fn columns_of(tables: &[(String, u64)]) -> String {
    // It may be NULL, and has no default.
    const IS_BARE: &str = "IS_NULLABLE = 'YES' AND COLUMN_DEFAULT IS NULL AND IFNULL(GENERATION_EXPRESSION, '') = '' \
                           AND VERSION() LIKE '%MariaDB%'";
    format!(
        "SELECT IF({IS_BARE}, 'bare column', 'column'), TABLE_NAME, COLUMN_NAME, DATA_TYPE, GENERATION_EXPRESSION \
         FROM information_schema.COLUMNS \
         WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME IN ({}) AND (DATA_TYPE = 'json' \
           OR {IS_BARE} \
           OR DATA_TYPE = 'bigint' AND GENERATION_EXPRESSION = 'ROW START' \
           OR CHARACTER_SET_NAME IN ('utf8mb4', 'utf16', 'utf16le', 'utf32') \
             AND (DATA_TYPE IN ('enum', 'set') AND COLUMN_TYPE LIKE '%?%' OR COLUMN_DEFAULT LIKE '%?%')) \
         ORDER BY TABLE_NAME, ORDINAL_POSITION;\n",
        quote_texts(tables.iter().map(|(name, _)| name.as_str()))
    )
}

impl ServerClient {
    /// Looks at a database before a dump of it, or of some of its tables, sequences and views: then no other is opened.
    ///
    /// # Errors
    /// The server cannot be reached, or there is no such database.
    pub(crate) fn facts(
        &self,
        database: &str,
        chosen: Option<&BTreeSet<String>>,
        cancel: &Cancel,
    ) -> Result<DatabaseFacts> {
        let mut facts = DatabaseFacts { database: database.to_owned(), ..DatabaseFacts::default() };
        let mut views = BTreeSet::new();
        let names = quote_texts(LIKENESS.iter().map(|(name, _)| *name));
        let settings =
            format!("SHOW GLOBAL VARIABLES WHERE Variable_name IN ({names}, 'server_uuid', 'server_uid');\n");
        let sql = format!("{}{settings}", facts_of(chosen));
        // The server takes names for equal that differ by case.
        let is_chosen = |name: &str| chosen.is_none_or(|names| names.contains(name));
        for row in self.query(Some(database), Sql::Read(&sql), "looking at the database", cancel)? {
            if let [name, value] = &row[..]
                && is_set(name, value)
            {
                facts.settings.insert(name.clone(), value.clone());
            }
            let row: Vec<&str> = row.iter().map(String::as_str).collect();
            match row[..] {
                ["view" | "table", name, ..] if !is_chosen(name) => {}
                ["view", view] => {
                    views.insert(view.to_owned());
                }
                ["table", view, _, error, broken, ..] if views.contains(view) => {
                    facts.has_views |= broken != "1";
                    if broken == "1" {
                        let definition = self.view_definition(database, view, cancel)?;
                        let error = if error.is_empty() { "the server cannot read it" } else { error };
                        if self.is_denied(database, view, cancel)? {
                            facts.denied_views.insert(view.to_owned());
                        }
                        let (name, error) = (view.to_owned(), error.to_owned());
                        facts.broken_views.push(LeftOut { name, error, definition });
                    }
                }
                ["schema", version, name, charset, collation, log_bin, lower_case_table_names] => {
                    facts.lower_case_table_names = lower_case_table_names.parse().unwrap_or_default();
                    facts.log_bin = log_bin == "1";
                    version.clone_into(&mut facts.version);
                    name.clone_into(&mut facts.database);
                    charset.clone_into(&mut facts.charset);
                    collation.clone_into(&mut facts.collation);
                }
                ["table", table, kind @ ("BASE TABLE" | "SYSTEM VERSIONED"), .., engine, size] => {
                    facts.tables.push((table.to_owned(), size.parse().unwrap_or(0)));
                    if !SNAPSHOTS.contains(&engine) && !ENGINES_WITHOUT_ROWS.contains(&engine) {
                        facts.without_snapshot.push(table.to_owned());
                    }
                    if kind == "SYSTEM VERSIONED" {
                        facts.versioned_tables.push(table.to_owned());
                    }
                }
                ["server_uuid" | "server_uid", uid] if !uid.is_empty() => facts.uid = Some(uid.to_owned()),
                ["library", name] if chosen.is_none() => facts.libraries.push(name.to_owned()),
                ["checks"] => facts.has_checks = true,
                _ => {}
            }
        }
        for tables in facts.tables.clone().chunks(TABLES_AT_ONCE) {
            self.look_at_columns(&mut facts, tables, cancel)?;
        }
        Ok(facts)
    }

    /// Looks at the columns of some of the tables that were found.
    fn look_at_columns(
        &self,
        facts: &mut DatabaseFacts,
        tables: &[(String, u64)],
        cancel: &Cancel,
    ) -> Result<()> {
        let (database, sql) = (facts.database.clone(), columns_of(tables));
        let names: BTreeSet<&str> = tables.iter().map(|(name, _)| name.as_str()).collect();
        let rows =
            self.query(Some(&database), Sql::Read(&sql), "looking at the database's columns", cancel)?;
        for row in rows {
            let Ok([what, table, column, data_type, generated_as]) = <[String; 5]>::try_from(row) else {
                continue;
            };
            // The server takes names for equal that differ by case: a view's may be one of them.
            if !names.contains(table.as_str()) {
                continue;
            }
            let name = format!("{table}.{column}");
            let is_bare = what == "bare column";
            if is_bare {
                facts.without_default.push(name.clone());
            }
            match (data_type.as_str(), generated_as.as_str()) {
                (data_type, _) if is_bare && !["enum", "set"].contains(&data_type) => {}
                ("json", _) => facts.json_columns.push(name),
                ("bigint", "ROW START") => facts.by_transaction.push(table),
                (data_type, _) if self.is_garbled(&database, &table, &column, data_type, cancel)? => {
                    facts.garbled_columns.push(name);
                }
                _ => {}
            }
        }
        Ok(())
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
            match self.query(Some(database), Sql::Read(&sql), "looking at a column's values", cancel) {
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

    /// Whether a view cannot be opened because our account may not execute what it calls. MariaDB opens views as whoever asks,
    /// also those that run as their definers.
    fn is_denied(&self, database: &str, view: &str, cancel: &Cancel) -> Result<bool> {
        let opened = format!("SHOW COLUMNS FROM {};", quote_name(view));
        match self.query(Some(database), Sql::Read(&opened), "looking at a view", cancel) {
            Err(error) if error.number().is_none() => Err(error),
            answer => Ok(answer.is_err_and(|error| error.number() == Some(NO_EXECUTE))),
        }
    }

    /// How a view was made, or, where the server cannot read that any more, what it selects; none where neither is told.
    fn view_definition(&self, database: &str, view: &str, cancel: &Cancel) -> Result<Option<String>> {
        const DOING: &str = "reading a definition";
        let first = |rows: Vec<Vec<String>>, column| rows.into_iter().next()?.into_iter().nth(column);
        let shown = format!("SHOW CREATE VIEW {};", quote_name(view));
        let why = match self.query(Some(database), Sql::Read(&shown), DOING, cancel) {
            Ok(rows) => return Ok(first(rows, 1)),
            Err(why) => why,
        };
        cancel.check()?;
        let listed = format!(
            "SELECT VIEW_DEFINITION FROM information_schema.VIEWS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = {};",
            quote_text(view)
        );
        let listed = self.query(Some(database), Sql::Read(&listed), DOING, cancel);
        cancel.check()?;
        let selects = listed.ok().and_then(|rows| first(rows, 0)).filter(|text| !text.is_empty());
        if selects.is_none() {
            log::warn!(code = crate::notice::DEFINITION.code; "the definition of {view} cannot be read: {why}");
        }
        Ok(selects)
    }
}
