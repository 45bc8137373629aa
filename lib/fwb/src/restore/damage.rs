//! Which of the live tables are damaged: they are the reason for most restores, and must not stand in the way of one.
//!
//! Nothing more is looked at than a `RENAME TABLE` needs: how a table is made, whether it can be opened, and on MariaDB its
//! first and last row. A check or a scan of a damaged table has ended servers (MySQL 9.7) and made healthy reads fail until
//! a restart (MariaDB 10.11), so there is none.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::admission::without_directories;
use crate::error::{Error, Result};
use crate::progress::Cancel;
use crate::scan::{QuoteMode, Reading, Token, Tokens};
use crate::server::{Role, ServerClient, Sql, quote_name, quote_text};

/// How long the look waits for a client that holds a table, in seconds. A table that is held is not damaged.
const LOCK_WAIT: u32 = 5;
/// Engines whose first and last row are looked at: they lie on the server, by a key.
const READABLE: [&str; 3] = ["InnoDB", "MyISAM", "Aria"];
/// What says nothing of a table, although it answers with an error: lock waits, deadlocks, a change in between, what the
/// account may not do (MariaDB's manual, "MariaDB Error Codes").
const NO_DAMAGE: [u32; 8] = [1205, 1213, 1412, 1044, 1142, 1143, 1227, 1370];
/// What speaks of damage: a file that is missing, unreadable or another table's; a page or an index that is not sound. Tried
/// with real damage on MariaDB 10.11: 29, 130, 1017, 1030, 1033, 1034, 1146, 1194, 1341, 1696, 1812, 1814, 1877. Other
/// errors (a key or an engine that is not loaded, a remote server, too many open files) are no reason to replace a table.
const DAMAGE: [u32; 24] = [
    29, 126, 127, 130, 134, 144, 145, 175, 176, 1017, 1030, 1033, 1034, 1035, 1146, 1194, 1195, 1341, 1696,
    1712, 1812, 1814, 1877, 1932,
];
/// Error 1030 tells of whatever the engine says. What is full or forbidden is not damaged.
const FULL: [&str; 3] = ["Got error 28 ", "Got error 13 ", "Got error 24 "];

fn is_damage(number: u32, why: &str) -> bool {
    DAMAGE.contains(&number) && !(number == 1030 && FULL.iter().any(|full| why.contains(full)))
}

/// A damaged table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct DamagedTable {
    /// Its name.
    pub table: String,
    /// The server's words, or who says so.
    pub why: String,
    /// Whether it cannot be used at all, as opposed to one some of whose rows cannot be read.
    #[serde(skip)]
    pub(crate) closed: bool,
    /// What its partitions are called in the engine, where the engine alone has it.
    #[serde(skip)]
    pub(crate) parts: Vec<String>,
}

impl DamagedTable {
    pub(super) fn new(table: String, why: String, closed: bool) -> Self {
        Self { table, why, closed, parts: Vec::new() }
    }
}

/// The words by which a server says that a tablespace was discarded (error 1814): it can be opened, and not used.
const DISCARDED: &str = "has been discarded";

/// What a look at the live tables has found.
#[derive(Debug, Default)]
pub(super) struct Looked {
    pub(super) damaged: Vec<DamagedTable>,
    /// InnoDB's tables whose files are in other directories. A rename to another database leaves their files under the old
    /// name, and after a crash the server finds them no more (tried on MariaDB 10.11.19).
    pub(super) elsewhere: Vec<String>,
}

/// Looks at the tables of a database; those named in `given` are taken for damaged and not looked at.
///
/// # Errors
/// The server cannot be reached, or ended the connection: the error names the table that was looked at.
pub(super) fn look(
    server: &ServerClient,
    database: &str,
    is_mariadb: bool,
    given: &BTreeSet<String>,
    cancel: &Cancel,
) -> Result<Looked> {
    let mut elsewhere = Vec::new();
    let tables = tables(server, database, cancel)?;
    let (named, others): (Vec<String>, Vec<String>) =
        tables.into_iter().partition(|table| given.contains(table));
    let named = named.into_iter().map(|table| DamagedTable::new(table, "named by --damaged".into(), true));
    let mut damaged: BTreeMap<String, DamagedTable> =
        named.map(|named| (named.table.clone(), named)).collect();
    if is_mariadb {
        let opened = ask(server, database, &others, cancel, |_, table| {
            vec![format!("SHOW CREATE TABLE {table}"), format!("SELECT 1 FROM {table} LIMIT 0")]
        })?;
        let sound = others.iter().filter(|table| !opened.errors.contains_key(*table));
        let sound: Vec<String> = sound.filter(|table| opened.texts.contains_key(*table)).cloned().collect();
        let is_elsewhere = |create: &str| {
            shape(create).engine.as_deref() == Some("InnoDB")
                && without_directories(create.as_bytes(), QuoteMode::default()).is_some()
        };
        elsewhere.extend(
            opened.texts.iter().filter(|(_, create)| is_elsewhere(create)).map(|(table, _)| table.clone()),
        );
        let read = ask(server, database, &sound, cancel, |name, table| {
            opened.texts.get(name).map(|create| ends(create, table)).unwrap_or_default()
        })?;
        let opened = opened.errors.into_iter().map(|(table, why)| DamagedTable::new(table, why, true));
        let read = read.errors.into_iter().map(|(table, why)| {
            let closed = why.contains(DISCARDED);
            DamagedTable::new(table, why, closed)
        });
        let all = opened.chain(read).chain(orphans(server, database, cancel)?);
        damaged.extend(all.map(|table| (table.table.clone(), table)));
    } else {
        for table in others {
            if let Some(why) = open_alone(server, database, &table, cancel)? {
                damaged.insert(table.clone(), DamagedTable::new(table, why, true));
            }
        }
    }
    Ok(Looked { damaged: damaged.into_values().collect(), elsewhere })
}

/// The database's tables but for sequences, which have no rows to lose.
fn tables(server: &ServerClient, database: &str, cancel: &Cancel) -> Result<Vec<String>> {
    let sql = format!(
        "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = {} \
         AND IFNULL(TABLE_TYPE, '') NOT IN ('VIEW', 'SEQUENCE');\n",
        quote_text(database)
    );
    let rows = server.query(None, Sql::Read(&sql), "listing tables", cancel)?;
    Ok(rows.into_iter().flatten().collect())
}

/// What tables have answered.
#[derive(Debug, Default)]
struct Answers {
    /// `SHOW CREATE TABLE`, by name.
    texts: BTreeMap<String, String>,
    /// What speaks of damage, by name.
    errors: BTreeMap<String, String>,
}

/// Executes statements for each table, whatever each of them answers, over one connection. A server that ends over one of
/// them has told by then which it is.
fn ask(
    server: &ServerClient,
    database: &str,
    tables: &[String],
    cancel: &Cancel,
    statements: impl Fn(&str, &str) -> Vec<String>,
) -> Result<Answers> {
    if tables.is_empty() {
        return Ok(Answers::default());
    }
    let setting = format!("SET SESSION lock_wait_timeout={LOCK_WAIT}");
    let looks = tables.iter().enumerate().map(|(index, table)| {
        let place = format!("{}.{}", quote_name(database), quote_name(table));
        let mut run = String::new();
        for statement in statements(table, &place) {
            run += &format!("EXECUTE IMMEDIATE {};\n", quote_text(&statement));
        }
        format!(
            "BEGIN NOT ATOMIC\n\
             DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN\n\
             GET DIAGNOSTICS CONDITION 1 @number = MYSQL_ERRNO, @why = MESSAGE_TEXT;\n\
             SELECT 'error', @number, @why;\nEND;\n\
             SELECT 'at', {index};\n{run}END"
        )
    });
    let (rows, ended) = output(server, std::iter::once(setting).chain(looks), cancel)?;
    let (mut answers, mut at) = (Answers::default(), None);
    for columns in rows {
        match columns.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["at", index] => at = index.parse::<usize>().ok().and_then(|index| tables.get(index)),
            ["error", number, why] => {
                let Some(table) = at else { continue };
                let number = number.parse().unwrap_or_default();
                if NO_DAMAGE.contains(&number) {
                    log::info!("whether table {table} is damaged is not known: {why}");
                } else if !is_damage(number, why) {
                    return Err(Error::Preflight {
                        finding: format!("the live table {table} cannot be used: error {number}, {why}"),
                        remedy: format!(
                            "fix that first; if the table is damaged, and shall be replaced: --damaged {table}"
                        ),
                    });
                } else {
                    answers.errors.insert(table.clone(), why.to_owned());
                }
            }
            [_, create] if create.starts_with("CREATE") => {
                answers.texts.extend(at.map(|table| (table.clone(), create.to_owned())));
            }
            _ => {}
        }
    }
    match (ended, at) {
        (Ok(()), _) => Ok(answers),
        (Err(cause), Some(table)) => {
            cancel.check()?;
            Err(Error::Look { table: table.clone(), cause: Box::new(cause) })
        }
        (Err(cause), None) => Err(cancel.explain(cause)),
    }
}

/// What it is told that goes on.
const LOOKING: &str = "looking at the live tables";

/// All that is answered until a statement fails, and whether one did.
fn output(
    server: &ServerClient,
    statements: impl Iterator<Item = String>,
    cancel: &Cancel,
) -> Result<(Vec<Vec<String>>, Result<()>)> {
    let mut connection = server.connect(Role::Single, None, LOOKING, cancel)?;
    let mut all = Vec::new();
    for statement in statements {
        let ended = connection.rows_into(&statement, LOOKING, &mut all);
        if ended.is_err() {
            return Ok((all, ended));
        }
    }
    Ok((all, Ok(())))
}

/// Statements that read a table's first and last row, by its primary key where it has one.
fn ends(create: &str, table: &str) -> Vec<String> {
    let shape = shape(create);
    if !READABLE.iter().any(|engine| shape.engine.as_deref() == Some(*engine)) {
        return Vec::new();
    }
    if shape.key.is_empty() {
        return vec![format!("SELECT 1 FROM {table} LIMIT 1")];
    }
    let key: Vec<String> = shape.key.iter().map(|column| quote_name(column)).collect();
    ["", " DESC"]
        .iter()
        .map(|order| {
            let by: Vec<String> = key.iter().map(|column| format!("{column}{order}")).collect();
            // What is in the row is nobody's business here.
            format!(
                "SELECT COUNT(*) FROM (SELECT {} FROM {table} FORCE INDEX (PRIMARY) ORDER BY {} LIMIT 1) ends",
                key[0],
                by.join(", ")
            )
        })
        .collect()
}

/// What of a table's definition tells how to read its ends.
#[derive(Debug, Default, PartialEq, Eq)]
struct Shape {
    /// The columns of the primary key.
    key: Vec<String>,
    engine: Option<String>,
}

fn shape(create: &str) -> Shape {
    let tokens: Vec<Token<'_>> =
        Tokens::new(create.as_bytes(), Reading::Everything, QuoteMode::default()).collect();
    let mut shape = Shape::default();
    for (at, token) in tokens.iter().enumerate() {
        let next = |ahead: usize| tokens.get(at + ahead);
        if token.is("PRIMARY") && next(1).is_some_and(|token| token.is("KEY")) && shape.key.is_empty() {
            let mut depth = 0_u32;
            for (behind, token) in tokens.iter().enumerate().skip(at + 2) {
                match token {
                    Token::Symbol(b'(') => depth += 1,
                    Token::Symbol(b')') => depth = depth.saturating_sub(1),
                    // The name of a period is none of a column: `WITHOUT OVERLAPS` follows it.
                    Token::Name(_) if tokens.get(behind + 1).is_some_and(|next| next.is("WITHOUT")) => {}
                    Token::Name(name) if depth == 1 => {
                        shape.key.push(String::from_utf8_lossy(name).into_owned());
                    }
                    _ => {}
                }
                if depth == 0 {
                    break;
                }
            }
        }
        if token.is("ENGINE") && next(1) == Some(&Token::Symbol(b'=')) {
            shape.engine = next(2).and_then(Token::identifier);
        }
    }
    shape
}

/// InnoDB's tables that the server does not list, because the files are gone that say how they are made. Only accounts with
/// PROCESS may ask; for others, the swap says that there is such a table.
fn orphans(server: &ServerClient, database: &str, cancel: &Cancel) -> Result<Vec<DamagedTable>> {
    let Some(parts) = server.table_parts(database, cancel)? else { return Ok(Vec::new()) };
    let listed = server.table_names(database, cancel)?;
    let unlisted = parts.into_iter().filter(|(table, _)| !listed.contains(table));
    let why = "its definition (.frm) is missing";
    Ok(unlisted
        .map(|(table, parts)| DamagedTable { parts, ..DamagedTable::new(table, why.into(), true) })
        .collect())
}

/// Tables with a full-text index a file of which is missing: all of their rows can be read, and the server moves none of
/// them. Only accounts with PROCESS may ask.
///
/// # Errors
/// The server cannot be reached.
pub(super) fn immovable(server: &ServerClient, database: &str, cancel: &Cancel) -> Result<Vec<String>> {
    let (numbers, lacking) =
        match (server.table_numbers(database, cancel)?, server.lost_indexes(database, cancel)?) {
            (Some(numbers), Some(lacking)) if !lacking.is_empty() => (numbers, lacking),
            _ => return Ok(Vec::new()),
        };
    let is_lacking = |number: &String| {
        number.split('.').filter_map(|part| part.parse::<u64>().ok()).any(|part| lacking.contains(&part))
    };
    Ok(numbers.into_iter().filter(|(_, number)| is_lacking(number)).map(|(table, _)| table).collect())
}

/// Whether a table can be opened, and why not, on a server that has no compound statements outside of programs.
fn open_alone(server: &ServerClient, database: &str, table: &str, cancel: &Cancel) -> Result<Option<String>> {
    let place = format!("{}.{}", quote_name(database), quote_name(table));
    let sql = format!(
        "SET SESSION lock_wait_timeout={LOCK_WAIT};\nSHOW CREATE TABLE {place};\nSELECT 1 FROM {place} LIMIT 0;\n"
    );
    // A damaged table may end the server: it is not asked for twice.
    match server.query(None, Sql::Write(&sql), "looking at a live table", cancel) {
        Ok(_) => Ok(None),
        Err(error) => {
            cancel.check()?;
            if error.is_lost() {
                return Err(Error::Look { table: table.to_owned(), cause: Box::new(error) });
            }
            let (Some(reason), Some(number)) = (error.refusal(), error.number()) else { return Err(error) };
            Ok((!NO_DAMAGE.contains(&u32::from(number))).then_some(reason))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_damage_is_damage() {
        for (number, why) in [
            (1877, "is corrupted"),
            (1030, "Got error 194 \"Tablespace is missing\""),
            (1146, ""),
            (1034, ""),
        ] {
            assert!(is_damage(number, why), "{number}");
        }
        for (number, why) in
            [(1030, "Got error 28 \"No space left\""), (1286, "Unknown engine"), (1016, ""), (1969, "")]
        {
            assert!(!is_damage(number, why), "{number}");
        }
    }

    #[test]
    fn the_ends_of_a_table_are_read_by_its_primary_key() {
        let create = "CREATE TABLE `t` (\n  `a` int(11) NOT NULL COMMENT 'PRIMARY KEY (`x`) ENGINE=CSV',\n  `b``c` text NOT NULL,\n  \
                      PRIMARY KEY (`a`,`b``c`(10) DESC),\n  KEY `k` (`z`)\n) ENGINE=InnoDB";
        let shape = shape(create);
        assert_eq!((shape.key, shape.engine.as_deref()), (vec!["a".into(), "b`c".into()], Some("InnoDB")));
        let sql = ends(create, "`d`.`t`");
        assert_eq!(sql.len(), 2);
        assert!(sql[1].contains("ORDER BY `a` DESC, `b``c` DESC LIMIT 1"), "{}", sql[1]);
        assert_eq!(ends("CREATE TABLE `t` (`a` int) ENGINE=MyISAM", "`t`"), ["SELECT 1 FROM `t` LIMIT 1"]);
        assert_eq!(ends("CREATE TABLE `t` (`a` int, PRIMARY KEY (`a`)) ENGINE=FEDERATED", "`t`"), [""; 0]);
    }
}
