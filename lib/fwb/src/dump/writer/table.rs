//! Tables and sequences: their definitions, and the statement that their rows come in.

use std::ops::Range;

use super::form::{Column, Form, Origin};
use super::literal;
use crate::scan::{QuoteMode, Reading as Words, Token, Tokens};
use crate::server::{ENGINES_WITHOUT_ROWS, ServerVersion};

/// What a table keeps of its past.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum History {
    /// Nothing, or nothing that can be inserted.
    None,
    /// Rows with the times between which they held, in columns of the table.
    Declared,
    /// The same, in columns that nobody has declared: `row_start` and `row_end`.
    Implied,
}

/// How the rows of a table are read and written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reading {
    /// The database, and the table.
    pub(super) of: (String, String),
    /// What reads them.
    pub(super) select: Vec<u8>,
    /// What stands before them.
    pub(super) prelude: Vec<u8>,
    /// The forms of the columns.
    pub(super) forms: Vec<Form>,
    /// What they hold of the past.
    pub(super) history: History,
}

/// Whether tables of this engine have rows of their own.
pub(super) fn has_rows(engine: &str) -> bool {
    !ENGINES_WITHOUT_ROWS.contains(&engine)
}

/// What a dump can hold of a table's past: the times of rows can be inserted from MariaDB 10.11 on
/// (`system_versioning_insert_history`), numbers of transactions nowhere.
pub(super) fn history(versioned: bool, columns: &[Column], version: &ServerVersion) -> History {
    if !versioned || !version.is_mariadb(10, 11) {
        return History::None;
    }
    match columns.iter().find(|column| column.origin() == Origin::Period) {
        None => History::Implied,
        Some(column) if column.data_type == "bigint" => History::None,
        Some(_) => History::Declared,
    }
}

/// How a table is read. `row_end`: the end of a row that holds now, and what is written in its place, as literals.
pub(super) fn reading(
    database: &str,
    table: &str,
    columns: &[Column],
    history: History,
    row_end: Option<(&str, &str)>,
) -> Reading {
    let is_there = |column: &&Column| match column.origin() {
        Origin::Stored => true,
        Origin::Generated => false,
        Origin::Period => history == History::Declared,
    };
    let mut select = b"SELECT /*M!100000 SQL_NO_CACHE */ ".to_vec();
    let mut prelude = b"INSERT INTO ".to_vec();
    literal::name(&mut prelude, table);
    prelude.extend_from_slice(b" (");
    let mut forms = Vec::new();
    for column in columns.iter().filter(is_there) {
        if !forms.is_empty() {
            select.extend_from_slice(b", ");
            prelude.extend_from_slice(b", ");
        }
        select.extend_from_slice(&match row_end {
            Some(row_end) if column.is_row_end() => ended(&column.read(), row_end),
            _ => column.read(),
        });
        literal::name(&mut prelude, &column.name);
        forms.push(column.form());
    }
    if forms.is_empty() {
        select.extend_from_slice(b"NULL");
    } else if history == History::Implied {
        prelude.extend_from_slice(b", row_start, row_end");
        select.extend_from_slice(b", row_start, ");
        select.extend_from_slice(&row_end.map_or(b"row_end".to_vec(), |row_end| ended(b"row_end", row_end)));
        forms.extend([Form::Quoted, Form::Quoted]);
    }
    prelude.extend_from_slice(b") VALUES ");
    select.extend_from_slice(b" FROM ");
    literal::name(&mut select, table);
    if history != History::None {
        select.extend_from_slice(b" FOR SYSTEM_TIME ALL");
    }
    Reading { of: (database.to_owned(), table.to_owned()), select, prelude, forms, history }
}

/// Reads when a row has ceased to hold, with another literal where it has not.
fn ended(column: &[u8], (here, written): (&str, &str)) -> Vec<u8> {
    let column = String::from_utf8_lossy(column);
    format!("IF({column}={here},{written},{column})").into_bytes()
}

/// Writes what makes a table.
pub(super) fn structure(sql: &mut Vec<u8>, table: &str, create: &[u8]) {
    push(sql, "\nDROP TABLE IF EXISTS ");
    literal::name(sql, table);
    push(sql, ";\n/*!40101 SET @saved_cs_client     = @@character_set_client */;\n");
    push(sql, "/*!40101 SET character_set_client = utf8mb4 */;\n");
    let uncounted = without_counter(create, QuoteMode::default());
    sql.extend_from_slice(uncounted.as_deref().unwrap_or(create));
    push(sql, ";\n/*!40101 SET character_set_client = @saved_cs_client */;\n");
}

/// A table of engine ARCHIVE without its counter: it takes no number below it, so none of its rows.
pub(crate) fn without_counter(text: &[u8], mode: QuoteMode) -> Option<Vec<u8>> {
    option(text, mode, "ENGINE").filter(|(_, engine)| engine.eq_ignore_ascii_case(b"ARCHIVE"))?;
    uncounted(text, mode)
}

/// A table without its counter, where it has one.
pub(crate) fn uncounted(text: &[u8], mode: QuoteMode) -> Option<Vec<u8>> {
    let (place, _) = option(text, mode, "AUTO_INCREMENT")?;
    Some([&text[..place.start], &text[place.end..]].concat())
}

/// Where an option of a table stands with its value, and the value.
fn option<'a>(text: &'a [u8], mode: QuoteMode, word: &str) -> Option<(Range<usize>, &'a [u8])> {
    let mut tokens = Tokens::new(text, Words::Everything, mode);
    let all: Vec<_> = std::iter::from_fn(|| tokens.spanned()).collect();
    let at = all.windows(3).position(|at| at[0].0.is(word) && at[1].0 == Token::Symbol(b'='))?;
    let ((_, name), (_, value)) = (&all[at], &all[at + 2]);
    Some((name.start..value.end, &text[value.clone()]))
}

/// Writes what comes before the rows of a table.
pub(super) fn before_rows(sql: &mut Vec<u8>, table: &str, history: History) {
    push(sql, "\n");
    if history != History::None {
        push(
            sql,
            "/*M!101100 SET @old_system_versioning_insert_history=@@session.system_versioning_insert_history, \
             @@session.system_versioning_insert_history=1 */;\n",
        );
    }
    keys(sql, table, "DISABLE");
}

/// Writes what comes after the rows of a table.
pub(super) fn after_rows(sql: &mut Vec<u8>, table: &str, history: History) {
    keys(sql, table, "ENABLE");
    if history != History::None {
        push(
            sql,
            "/*M!101100 SET system_versioning_insert_history=@old_system_versioning_insert_history */;\n",
        );
    }
}

fn keys(sql: &mut Vec<u8>, table: &str, what: &str) {
    push(sql, "/*!40000 ALTER TABLE ");
    literal::name(sql, table);
    push(sql, &format!(" {what} KEYS */;\n"));
}

/// The state of a sequence (MariaDB's manual, "CREATE SEQUENCE").
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct SequenceState {
    /// `next_not_cached_value`.
    pub(super) next: i128,
    /// `start_value`.
    pub(super) start: i128,
    /// `increment`.
    pub(super) increment: i128,
    /// `cycle_count`: how often it has come round.
    pub(super) round: i128,
    /// `cycle_option`.
    pub(super) cycles: bool,
}

impl SequenceState {
    /// Whether it stands before its start, which `SETVAL` reaches in a later round alone: it never goes back.
    fn is_behind(&self) -> bool {
        if self.increment < 0 { self.next > self.start } else { self.next < self.start }
    }

    /// The arguments of `SETVAL`, after the name.
    fn arguments(&self) -> String {
        let round = if self.is_behind() { self.round.max(1) } else { self.round };
        let round = if self.cycles && round > 0 { format!(", {round}") } else { String::new() };
        format!("{}, 0{round}", self.next)
    }
}

/// Writes a sequence and its state.
pub(super) fn sequence(sql: &mut Vec<u8>, name: &str, create: &[u8], state: &SequenceState) {
    push(sql, "\nDROP SEQUENCE IF EXISTS ");
    literal::name(sql, name);
    push(sql, ";\n");
    sql.extend_from_slice(create);
    push(sql, ";\n");
    if state.is_behind() && !state.cycles {
        push(sql, "ALTER SEQUENCE ");
        literal::name(sql, name);
        push(sql, &format!(" RESTART {};\n", state.next));
        return;
    }
    push(sql, "DO SETVAL(");
    literal::name(sql, name);
    push(sql, &format!(", {});\n", state.arguments()));
}

fn push(sql: &mut Vec<u8>, text: &str) {
    sql.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, data_type: &str, extra: &str, generated_as: &str) -> Column {
        Column {
            name: name.into(),
            data_type: data_type.into(),
            extra: extra.into(),
            generated_as: generated_as.into(),
            ..Column::default()
        }
    }

    fn period(data_type: &str) -> [Column; 2] {
        [
            column("s", data_type, "STORED GENERATED", "ROW START"),
            column("e", data_type, "STORED GENERATED, INVISIBLE", "ROW END"),
        ]
    }

    #[test]
    fn columns_that_the_server_computes_are_neither_read_nor_written() {
        let columns = [
            column("a`b", "int", "auto_increment, INVISIBLE", ""),
            column("f", "float", "", ""),
            column("g", "int", "VIRTUAL GENERATED", "`f` + 1"),
        ];
        let reading = reading("d", "t`", &columns, History::None, None);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert_eq!(text(&reading.select), "SELECT /*M!100000 SQL_NO_CACHE */ `a``b`, `f`*1e0 FROM `t```");
        assert_eq!(text(&reading.prelude), "INSERT INTO `t``` (`a``b`, `f`) VALUES ");
        assert_eq!(reading.forms, [Form::Bare, Form::Float]);
    }

    #[test]
    fn history_is_read_with_its_times_where_they_can_be_inserted() {
        let (new, old, mysql) = (
            ServerVersion::parse("10.11.6-MariaDB"),
            ServerVersion::parse("10.5.29-MariaDB"),
            ServerVersion::parse("9.7.0"),
        );
        let id = || vec![column("id", "int", "", "")];
        let declared = [&id()[..], &period("timestamp")].concat();
        let by_transaction = [&id()[..], &period("bigint")].concat();
        for (versioned, columns, version, expected, list) in [
            (false, id(), &new, History::None, "`id`"),
            (true, id(), &new, History::Implied, "`id`, row_start, row_end"),
            (true, id(), &old, History::None, "`id`"),
            (false, id(), &mysql, History::None, "`id`"),
            (true, declared.clone(), &new, History::Declared, "`id`, `s`, `e`"),
            (true, declared, &old, History::None, "`id`"),
            (true, by_transaction, &new, History::None, "`id`"),
        ] {
            let kept = history(versioned, &columns, version);
            assert_eq!(kept, expected, "{columns:?} on {version}");
            let reading = reading("d", "t", &columns, kept, None);
            let all = if kept == History::None { "" } else { " FOR SYSTEM_TIME ALL" };
            let select = format!("SELECT /*M!100000 SQL_NO_CACHE */ {list} FROM `t`{all}");
            assert_eq!(String::from_utf8(reading.select).unwrap(), select);
            assert_eq!(
                String::from_utf8(reading.prelude).unwrap(),
                format!("INSERT INTO `t` ({list}) VALUES ")
            );
        }
    }

    #[test]
    fn rows_that_hold_now_are_read_as_another_server_marks_them() {
        for (columns, history, list) in [
            (
                vec![column("id", "int", "", "")],
                History::Implied,
                "`id`, row_start, IF(row_end='1','2',row_end)",
            ),
            (period("timestamp").to_vec(), History::Declared, "`s`, IF(`e`='1','2',`e`)"),
        ] {
            let reading = reading("d", "t", &columns, history, Some(("'1'", "'2'")));
            let select = format!("SELECT /*M!100000 SQL_NO_CACHE */ {list} FROM `t` FOR SYSTEM_TIME ALL");
            assert_eq!(String::from_utf8(reading.select).unwrap(), select);
        }
    }

    #[test]
    fn a_table_may_have_computed_columns_alone() {
        let reading = reading("d", "t", &[column("g", "int", "STORED GENERATED", "1")], History::None, None);
        assert_eq!(reading.select, b"SELECT /*M!100000 SQL_NO_CACHE */ NULL FROM `t`");
        assert_eq!(reading.prelude, b"INSERT INTO `t` () VALUES ");
        assert!(reading.forms.is_empty());
    }

    #[test]
    fn a_sequence_that_stands_before_its_start_is_brought_there() {
        for (next, start, increment, round, cycles, set) in [
            (1001, 1, 1, 0, false, "DO SETVAL(`s```, 1001, 0)"),
            (2, 8, 1, 1, true, "DO SETVAL(`s```, 2, 0, 1)"),
            (9, 8, 1, 3, true, "DO SETVAL(`s```, 9, 0, 3)"),
            (2, 8, 1, 0, true, "DO SETVAL(`s```, 2, 0, 1)"),
            (5, 50, 1, 0, false, "ALTER SEQUENCE `s``` RESTART 5"),
            (75, -50, -5, 0, false, "ALTER SEQUENCE `s``` RESTART 75"),
            (-55, -50, -5, 0, false, "DO SETVAL(`s```, -55, 0)"),
            (1001, 1, 0, 0, false, "DO SETVAL(`s```, 1001, 0)"),
        ] {
            let state = SequenceState { next, start, increment, round, cycles };
            let mut sql = Vec::new();
            sequence(&mut sql, "s`", b"CREATE SEQUENCE `s```", &state);
            let expected = format!("\nDROP SEQUENCE IF EXISTS `s```;\nCREATE SEQUENCE `s```;\n{set};\n");
            assert_eq!(String::from_utf8(sql).unwrap(), expected);
        }
    }
}
