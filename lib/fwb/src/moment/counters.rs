//! Where the counters of tables stand (`AUTO_INCREMENT`). The server that replays counts on by itself, whatever it inserts or updates.
//! What it does not see was handed out all the same: numbers of groups that are left out, and those of statements that have
//! taken one and inserted nothing. They are noted as the log passes, so that no number is handed out a second time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use fwb_binlog::{Largest, Numbers, Query};

use crate::binlog::{Subject, qualified, tokens_of};
use crate::drill::Furnished;
use crate::error::Result;
use crate::progress::Cancel;
use crate::scan::{Token, Tokens};
use crate::server::{Connection, Flavor, NameCase, Role, quote_name, quote_text};

/// The most tables of which something is noted. Those after them keep the counter that the server has counted.
const MOST: usize = 10_000;

/// A table: the database and the name, as the server compares them.
type Table = (String, String);

/// What the log has handed out, table by table.
#[derive(Debug, Clone, Default)]
pub(super) struct Counters(Arc<Mutex<BTreeMap<Table, HandedOut>>>);

/// Numbers of one table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct HandedOut {
    /// By rows: of each column, because the log does not say which one counts.
    rows: Numbers,
    /// By the number that stands before a statement.
    given: Option<u64>,
}

/// What a statement does to what is noted.
#[derive(Debug, PartialEq, Eq)]
enum Change {
    /// It inserts into this table.
    Inserts(Table),
    /// These tables begin anew.
    Begins(Vec<Table>),
    /// This table has another name, other columns, or another counter from then on.
    Altered { table: Table, renamed: Option<Table>, reshapes: bool, counts: bool },
    /// These change their names.
    Renamed(Vec<(Table, Table)>),
    /// This database is gone.
    Gone(String),
}

impl Counters {
    /// Forgets everything: the log is read from its beginning again.
    pub(super) fn begin(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Notes numbers of rows that are left out.
    pub(super) fn left_out(&self, (database, table): (String, String), numbers: Numbers, subject: &Subject) {
        if subject.is(&database) && !numbers.largest.is_empty() {
            self.take(key(&database, &table, subject.case), HandedOut { rows: numbers, given: None });
        }
    }

    /// Notes the number that stood before a statement.
    pub(super) fn given(&self, query: &Query, number: u64, subject: &Subject) {
        if let Some(Change::Inserts(table)) = said(query, subject.case)
            && subject.is(&table.0)
        {
            self.take(table, HandedOut { rows: Numbers::default(), given: Some(number) });
        }
    }

    /// Notes what a statement says that is replayed.
    pub(super) fn note(&self, query: &Query, subject: &Subject) {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.is_empty() {
            return;
        }
        match said(query, subject.case) {
            None | Some(Change::Inserts(_)) => {}
            Some(Change::Begins(tables)) => noted.retain(|table, _| !tables.contains(table)),
            Some(Change::Gone(database)) => noted.retain(|(of, _), _| *of != database),
            Some(Change::Altered { table, renamed, reshapes, counts }) => {
                if let Some(mut handed_out) = noted.remove(&table).filter(|_| !counts) {
                    if reshapes {
                        handed_out.rows = Numbers::default();
                    }
                    noted.insert(renamed.unwrap_or(table), handed_out);
                }
            }
            Some(Change::Renamed(pairs)) => {
                for (from, to) in pairs {
                    if let Some(handed_out) = noted.remove(&from) {
                        noted.insert(to, handed_out);
                    }
                }
            }
        }
    }

    fn take(&self, table: Table, more: HandedOut) {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.len() < MOST || noted.contains_key(&table) {
            noted.entry(table).or_default().take(more);
        }
    }

    /// Has the server's counters stand behind all that was noted. None is set back.
    ///
    /// # Errors
    /// The server refuses, or cannot be reached.
    pub(super) fn settle(&self, server: &Furnished, subject: &Subject, cancel: &Cancel) -> Result<()> {
        let noted = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if noted.is_empty() {
            return Ok(());
        }
        let database = server.database();
        let mut connection = server.server().connect(Role::Single, Some(database), SETTLING, cancel)?;
        connection.execute(settings(server.version().flavor), SETTLING)?;
        for counted in read(&mut connection, database)? {
            let handed_out = noted.get(&key(database, &counted.table, subject.case));
            let Some(next) = handed_out.and_then(|handed_out| counted.behind(handed_out)) else { continue };
            log::info!(
                "the counter of {} goes from {} to {next}: the log has handed these numbers out",
                counted.table,
                counted.next
            );
            let table = quote_name(&counted.table);
            connection.execute(&format!("ALTER TABLE {table} AUTO_INCREMENT = {next}"), SETTLING)?;
        }
        Ok(())
    }
}

impl HandedOut {
    fn take(&mut self, more: Self) {
        self.given = self.given.max(more.given);
        if more.rows.largest.is_empty() {
            return;
        }
        if self.rows.columns != more.rows.columns {
            self.rows = more.rows;
            return;
        }
        for (place, one) in more.rows.largest {
            let largest = self.rows.largest.entry(place).or_insert(one);
            *largest = largest.max(one);
        }
    }
}

/// What is being done, for errors.
const SETTLING: &str = "settling the counters of tables";

/// Settings under which a table keeps all else: its zero dates, its history, its counter as of now.
fn settings(flavor: Flavor) -> &'static str {
    match flavor {
        Flavor::MariaDb => "SET sql_mode='' /*M!100304 , system_versioning_alter_history=KEEP */",
        Flavor::MySql => "SET sql_mode='', information_schema_stats_expiry=0",
    }
}

/// A table with a counter.
#[derive(Debug, PartialEq, Eq)]
struct Counted {
    table: String,
    /// The place of the column that counts, from 0, and how many columns there are.
    place: usize,
    columns: usize,
    /// Bytes of the column's numbers, and whether they have no sign.
    width: usize,
    is_unsigned: bool,
    /// The number that comes next.
    next: u64,
}

impl Counted {
    /// The number that comes behind those that were handed out, where that is not what the table has.
    fn behind(&self, handed_out: &HandedOut) -> Option<u64> {
        let HandedOut { rows, given } = handed_out;
        // Two columns of a table with a history are in the log, and in no list of columns.
        let is_as_it_was = rows.columns == self.columns || rows.columns == self.columns + 2;
        let largest = rows.largest.get(&self.place).filter(|one| is_as_it_was && one.width == self.width);
        let of_rows =
            largest.map(
                |Largest { signed, unsigned, .. }| {
                    if self.is_unsigned { *unsigned } else { u64::try_from(*signed).unwrap_or(0) }
                },
            );
        let last = of_rows.max(*given)?;
        (last < self.most() && last >= self.next).then(|| last + 1)
    }

    /// The largest number that the column takes.
    fn most(&self) -> u64 {
        let bits = 8 * u32::try_from(self.width).unwrap_or(8) - u32::from(!self.is_unsigned);
        u64::MAX >> (64 - bits.min(64))
    }
}

/// The tables of a database that have a counter.
fn read(connection: &mut Connection, database: &str) -> Result<Vec<Counted>> {
    let sql = format!(
        "SELECT c.TABLE_NAME, c.ORDINAL_POSITION, \
         (SELECT COUNT(*) FROM information_schema.COLUMNS a \
          WHERE a.TABLE_SCHEMA = c.TABLE_SCHEMA AND a.TABLE_NAME = c.TABLE_NAME), \
         c.DATA_TYPE, c.COLUMN_TYPE LIKE '%unsigned%', t.AUTO_INCREMENT \
         FROM information_schema.COLUMNS c JOIN information_schema.TABLES t \
         ON t.TABLE_SCHEMA = c.TABLE_SCHEMA AND t.TABLE_NAME = c.TABLE_NAME \
         WHERE c.TABLE_SCHEMA = {} AND c.EXTRA LIKE '%auto_increment%' AND t.AUTO_INCREMENT IS NOT NULL \
         AND t.ENGINE <> 'ARCHIVE'",
        quote_text(database)
    );
    Ok(connection.rows(&sql, SETTLING)?.into_iter().filter_map(|row| counted(&row)).collect())
}

fn counted(row: &[String]) -> Option<Counted> {
    let [table, ordinal, columns, kind, is_unsigned, next] = row else { return None };
    let width = match kind.to_ascii_lowercase().as_str() {
        "tinyint" => 1,
        "smallint" => 2,
        "mediumint" => 3,
        "int" => 4,
        "bigint" => 8,
        _ => return None,
    };
    Some(Counted {
        table: table.clone(),
        place: ordinal.parse::<usize>().ok()?.checked_sub(1)?,
        columns: columns.parse().ok()?,
        width,
        is_unsigned: is_unsigned == "1",
        next: next.parse().ok()?,
    })
}

fn key(database: &str, table: &str, case: NameCase) -> Table {
    (case.key(database), case.key(table))
}

/// What a statement does to what is noted.
fn said(query: &Query, case: NameCase) -> Option<Change> {
    let mut words =
        Words { tokens: tokens_of(&query.text).peekable(), default: query.database.as_deref(), case };
    let verb = words.tokens.next()?.identifier()?.to_ascii_uppercase();
    match verb.as_str() {
        "INSERT" | "REPLACE" => {
            words.pass(&["LOW_PRIORITY", "DELAYED", "HIGH_PRIORITY", "IGNORE", "INTO"]);
            words.table().map(Change::Inserts)
        }
        "LOAD" => {
            words.tokens.by_ref().find(|token| token.is("INTO"))?;
            words.take("TABLE")?;
            words.table().map(Change::Inserts)
        }
        "TRUNCATE" => {
            words.pass(&["TABLE"]);
            Some(Change::Begins(vec![words.table()?]))
        }
        "CREATE" => {
            words.pass(&["OR", "REPLACE"]);
            words.take("TABLE")?;
            // One that was there stays; one that was not has nothing noted.
            let is_new = !words.pass(&["IF", "NOT", "EXISTS"]);
            Some(Change::Begins(vec![words.table().filter(|_| is_new)?]))
        }
        "DROP" => {
            if words.take("DATABASE").or_else(|| words.take("SCHEMA")).is_some() {
                words.pass(&["IF", "EXISTS"]);
                return Some(Change::Gone(case.key(&words.tokens.next()?.identifier()?)));
            }
            words.take("TABLE").or_else(|| words.take("TABLES"))?;
            words.pass(&["IF", "EXISTS"]);
            let mut tables = vec![words.table()?];
            while words.comma() {
                tables.push(words.table()?);
            }
            Some(Change::Begins(tables))
        }
        "ALTER" => {
            words.pass(&["ONLINE", "IGNORE"]);
            words.take("TABLE")?;
            words.pass(&["IF", "EXISTS"]);
            let table = words.table()?;
            Some(words.altered(table))
        }
        "RENAME" => {
            words.take("TABLE").or_else(|| words.take("TABLES"))?;
            words.pass(&["IF", "EXISTS"]);
            let mut pairs = Vec::new();
            loop {
                let from = words.table()?;
                words.tokens.find(|token| token.is("TO"))?;
                pairs.push((from, words.table()?));
                if !words.comma() {
                    return Some(Change::Renamed(pairs));
                }
            }
        }
        _ => None,
    }
}

/// The words of a statement.
struct Words<'a> {
    tokens: std::iter::Peekable<Tokens<'a>>,
    default: Option<&'a str>,
    case: NameCase,
}

impl Words<'_> {
    /// Passes over these; whether one was there.
    fn pass(&mut self, words: &[&str]) -> bool {
        let mut has = false;
        while self.tokens.next_if(|token| words.iter().any(|word| token.is(word))).is_some() {
            has = true;
        }
        has
    }

    /// Takes a word, where it comes next.
    fn take(&mut self, word: &str) -> Option<()> {
        self.tokens.next_if(|token| token.is(word)).map(drop)
    }

    fn comma(&mut self) -> bool {
        self.tokens.next_if(|token| *token == Token::Symbol(b',')).is_some()
    }

    /// A table's name.
    fn table(&mut self) -> Option<Table> {
        let (database, name) = qualified(&mut self.tokens)?;
        Some(key(database.as_deref().or(self.default)?, &name, self.case))
    }

    /// The rest of an `ALTER TABLE`.
    fn altered(&mut self, table: Table) -> Change {
        const NO_COLUMNS: [&str; 10] = [
            "INDEX",
            "KEY",
            "UNIQUE",
            "FULLTEXT",
            "SPATIAL",
            "CONSTRAINT",
            "FOREIGN",
            "PRIMARY",
            "CHECK",
            "PARTITION",
        ];
        let (mut renamed, mut reshapes, mut counts) = (None, false, false);
        while let Some(token) = self.tokens.next() {
            if token.is("AUTO_INCREMENT") {
                counts = true;
            } else if token.is("ADD") || token.is("DROP") {
                let next = self.tokens.peek();
                reshapes |= !next.is_some_and(|next| NO_COLUMNS.iter().any(|word| next.is(word)));
            } else if token.is("CHANGE") || token.is("MODIFY") {
                reshapes = true;
            } else if token.is("RENAME") {
                // What else is renamed is a part of the table.
                let is_part = ["COLUMN", "INDEX", "KEY"].iter().any(|part| self.take(part).is_some());
                if !is_part {
                    self.pass(&["TO", "AS"]);
                    renamed = self.table();
                }
            }
        }
        Change::Altered { table, renamed, reshapes, counts }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::binlog::in_shop;

    fn table(name: &str) -> Table {
        ("shop".into(), name.into())
    }

    #[test]
    fn statements_say_what_becomes_of_counters() {
        let altered = |renamed: Option<&str>, reshapes, counts| {
            Some(Change::Altered { table: table("t"), renamed: renamed.map(table), reshapes, counts })
        };
        for (sql, expected) in [
            ("INSERT IGNORE INTO t VALUES (1)", Some(Change::Inserts(table("t")))),
            ("insert shop.`t` set a=1", Some(Change::Inserts(table("t")))),
            ("REPLACE LOW_PRIORITY INTO o.t VALUES (1)", Some(Change::Inserts(("o".into(), "t".into())))),
            (
                "LOAD DATA LOCAL INFILE 'x' REPLACE INTO TABLE `t` FIELDS TERMINATED BY ','",
                Some(Change::Inserts(table("t"))),
            ),
            ("UPDATE t SET a=1", None),
            ("TRUNCATE t", Some(Change::Begins(vec![table("t")]))),
            ("CREATE OR REPLACE TABLE t (a INT)", Some(Change::Begins(vec![table("t")]))),
            ("CREATE TABLE IF NOT EXISTS t (a INT)", None),
            ("CREATE TEMPORARY TABLE t (a INT)", None),
            ("DROP TEMPORARY TABLE t", None),
            (
                "DROP TABLE IF EXISTS `t`, u /* generated by server */",
                Some(Change::Begins(vec![table("t"), table("u")])),
            ),
            ("DROP DATABASE IF EXISTS `shop`", Some(Change::Gone("shop".into()))),
            ("ALTER TABLE t ADD a INT", altered(None, true, false)),
            ("ALTER TABLE t ADD UNIQUE KEY (a), DROP INDEX b", altered(None, false, false)),
            ("ALTER TABLE t MODIFY a INT AFTER b", altered(None, true, false)),
            ("ALTER ONLINE TABLE t AUTO_INCREMENT = 7", altered(None, false, true)),
            ("ALTER TABLE t RENAME COLUMN a TO b, RENAME TO u", altered(Some("u"), false, false)),
            (
                "RENAME TABLE t TO u, o.v WAIT 5 TO t",
                Some(Change::Renamed(vec![(table("t"), table("u")), (("o".into(), "v".into()), table("t"))])),
            ),
        ] {
            assert_eq!(said(&in_shop(sql), NameCase::Sensitive), expected, "{sql}");
        }
    }

    #[test]
    fn a_counter_stands_behind_what_was_handed_out() {
        let counted = |next, width, is_unsigned| Counted {
            table: "t".into(),
            place: 0,
            columns: 2,
            width,
            is_unsigned,
            next,
        };
        let of = |signed: i64, width: usize| {
            let one = Largest { width, signed, unsigned: signed.cast_unsigned() };
            let other = Largest { width: 4, signed: 4711, unsigned: 4711 };
            let rows = Numbers { columns: 2, largest: [(0, one), (1, other)].into() };
            HandedOut { rows, given: Some(3) }
        };
        assert_eq!(counted(5, 4, false).behind(&of(7, 4)), Some(8));
        assert_eq!(counted(5, 4, false).behind(&of(4, 4)), None, "none is set back");
        assert_eq!(counted(2, 4, false).behind(&of(-1, 4)), Some(4), "what stood before a statement");
        assert_eq!(counted(5, 8, false).behind(&of(7, 4)), None, "a column of another kind");
        assert_eq!(counted(5, 1, false).behind(&of(127, 1)), None, "the last one that there is");
        let other = HandedOut { rows: Numbers { columns: 5, ..of(7, 4).rows }, given: None };
        assert_eq!(counted(5, 4, false).behind(&other), None, "a table of other columns");
    }

    #[test]
    fn what_begins_anew_has_nothing_noted() {
        let subject = Subject { database: "shop".into(), case: NameCase::Sensitive };
        let noted = |statements: &[&str]| {
            let counters = Counters::default();
            counters.given(&in_shop("INSERT INTO t VALUES (NULL)"), 7, &subject);
            for sql in statements {
                counters.note(&in_shop(sql), &subject);
            }
            let noted = counters.0.lock().unwrap();
            noted.iter().map(|(table, numbers)| (table.1.clone(), numbers.given)).collect::<Vec<_>>()
        };
        assert_eq!(noted(&["ALTER TABLE t ADD a INT"]), [("t".to_owned(), Some(7))]);
        assert_eq!(noted(&["RENAME TABLE t TO u", "ALTER TABLE u RENAME v"]), [("v".to_owned(), Some(7))]);
        for sql in
            ["TRUNCATE TABLE t", "DROP TABLE t", "ALTER TABLE t AUTO_INCREMENT=3", "DROP DATABASE shop"]
        {
            assert_eq!(noted(&[sql]), [], "{sql}");
        }
    }
}
