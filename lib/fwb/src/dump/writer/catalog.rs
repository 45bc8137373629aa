//! What the server tells of a database while it is dumped: which objects there are, and how each is defined.

use super::form::Column;
use super::key::KeyColumn;
use super::program::Program;
use super::table::{SequenceState, has_rows};
use super::view::View;
use crate::error::{DUMPING, Error, Result};
use crate::manifest::ObjectKind;
use crate::server::{
    DefinitionTexts, Lacking, OwnedRow, ServerError, ServerVersion, Session, Shown, ask, quote_name,
    quote_text, tell, text,
};

/// A table, sequence or view of the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// Its name.
    pub(super) name: String,
    /// What it is.
    pub(super) kind: EntryKind,
    /// The storage engine; empty of a view.
    pub(super) engine: String,
    /// Whether its rows were excluded.
    pub(super) without_rows: bool,
}

impl Entry {
    /// Whether its rows are in the dump.
    pub(super) fn has_rows(&self) -> bool {
        !self.without_rows && matches!(self.kind, EntryKind::Table { .. }) && has_rows(&self.engine)
    }

    /// Whether it can be opened when the dump begins, with savepoints set afterwards: a view cannot, nor a table whose rows
    /// are elsewhere, nor one of an engine that takes part in a transaction and knows no savepoints (Aria, ARCHIVE; error
    /// 1178).
    pub(super) fn is_held(&self) -> bool {
        let is_read = self.kind == EntryKind::Sequence || self.has_rows();
        is_read && HELD.iter().any(|engine| engine.eq_ignore_ascii_case(&self.engine))
    }
}

/// A longer definition, in bytes, is not prepared: it is sent as twice as many digits, and a server that takes no packet of
/// that size would end the connection.
const LONGEST_PREPARED: usize = 256 << 10;

/// What a server says of a definition that it does not take, whoever asks and whatever else there is: it does not parse, its
/// collations do not go together, names are there twice or are none, or it needs what another build has
/// (`ER_PARSE_ERROR`, `ER_SYNTAX_ERROR`, `ER_DUP_FIELDNAME`, `ER_WRONG_COLUMN_NAME`, `ER_UNKNOWN_SYSTEM_VARIABLE`,
/// `ER_COLLATION_CHARSET_MISMATCH`, `ER_CANT_AGGREGATE_…COLLATIONS`, `ER_FEATURE_DISABLED`, `ER_VIEW_SELECT_VARIABLE`).
const VERDICTS: [u16; 11] = [1064, 1149, 1060, 1166, 1193, 1253, 1267, 1270, 1271, 1289, 1351];
/// What has the SQLSTATE of a program that is not in order, and is said of an account, which lacks a right or has had its share,
/// or of the server, which has no room for prepared statements.
const NO_VERDICTS: [u16; 8] = [1044, 1142, 1143, 1203, 1226, 1227, 1370, 1461];

/// Whether an error of the server is its verdict on a definition that it was asked to prepare, or to show. Preparing a program does
/// no more than read it, so that there all that is said of SQL is one.
pub(super) fn is_verdict(error: &ServerError, is_program: bool) -> bool {
    let of_sql = ["42", "0A"].iter().any(|class| error.sqlstate.starts_with(class));
    VERDICTS.contains(&error.number) || is_program && of_sql && !NO_VERDICTS.contains(&error.number)
}

/// Engines with savepoints, and engines that take no part in transactions.
const HELD: [&str; 5] = ["InnoDB", "ROCKSDB", "MyISAM", "MEMORY", "CSV"];

/// What an [`Entry`] is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum EntryKind {
    /// A table, and whether it keeps its history.
    Table { versioned: bool },
    /// A sequence.
    Sequence,
    /// A view.
    View,
}

/// What gives literals of a prepared text the collation of its maker's session; nothing where that could change the text: a server
/// converts it to that connection's character set, and reads it in that of the client.
fn connection_of(text: &[u8], charset: &str, collation: &str) -> String {
    // A collation's name begins with its character set's; no client speaks in those of several bytes for each letter.
    let of = collation.split('_').next().unwrap_or_default();
    let is_spoken = !["ucs2", "utf16", "utf16le", "utf32"].contains(&of);
    if !is_spoken || !text.is_ascii() && of != charset && of != "utf8mb4" {
        return String::new();
    }
    format!(", SESSION character_set_client = {of}, SESSION collation_connection = {}", quote_text(collation))
}

/// Asks one session.
pub(super) struct Catalog<'a> {
    session: &'a mut dyn Session,
    /// What is being done, for errors.
    doing: &'a str,
}

impl<'a> Catalog<'a> {
    pub(super) fn new(session: &'a mut dyn Session, doing: &'a str) -> Self {
        Self { session, doing }
    }

    fn ask(&mut self, sql: &str) -> Result<Vec<OwnedRow>> {
        ask(self.session, sql, self.doing)
    }

    fn texts(&mut self) -> DefinitionTexts<'_> {
        DefinitionTexts::new(self.session, self.doing)
    }

    /// The one row of an answer.
    fn one(&mut self, sql: &str) -> Result<OwnedRow> {
        let rows = self.ask(sql)?;
        rows.into_iter().next().ok_or_else(|| self.refused("the server gives no answer"))
    }

    fn refused(&self, why: &str) -> Error {
        let of = self.doing.strip_prefix(DUMPING).unwrap_or(self.doing).trim_start();
        Error::IncompleteDump { database: of.to_owned(), problem: why.to_owned() }
    }

    /// Why a program is named and its definition is not shown: the account lacks a right.
    fn hidden(&mut self, kind: ObjectKind, name: &str) -> Result<Error> {
        let row = self.one("SELECT CURRENT_USER(), DATABASE(), VERSION()")?;
        let (account, database, version) =
            (text(&row, 0), text(&row, 1), ServerVersion::parse(&text(&row, 2)));
        let program = format!("{} {name}", kind.as_sql().to_lowercase());
        let Lacking { account, rights, grants } =
            Lacking::of_program(&account, &database, &version, &program);
        Ok(Error::Rights { account, database, rights, grants })
    }

    /// Why the server does not take a table's definition that it shows, in its words; none where it does, or cannot tell.
    pub(super) fn why_no_table(&mut self, definition: &[u8]) -> Result<Option<String>> {
        self.why_not(definition, "utf8mb4", "", false)
    }

    /// The same of a view.
    pub(super) fn why_no_view(&mut self, view: &View) -> Result<Option<String>> {
        let settings = connection_of(&view.text, &view.charset, &view.collation);
        self.why_not(&view.text, &view.charset, &settings, false)
    }

    /// The same of a program.
    pub(super) fn why_no_program(&mut self, program: &Program) -> Result<Option<String>> {
        let connection = connection_of(&program.text, &program.charset, &program.collation);
        let settings = format!("{connection}, SESSION sql_mode = {}", quote_text(&program.sql_mode));
        self.why_not(&program.text, &program.charset, &settings, true)
    }

    /// Prepares a definition and does not execute it, under these settings.
    fn why_not(
        &mut self,
        definition: &[u8],
        charset: &str,
        settings: &str,
        is_program: bool,
    ) -> Result<Option<String>> {
        if definition.len() > LONGEST_PREPARED {
            return Ok(None);
        }
        // What is no text in its character set is NULL here: nothing is said of its form then.
        let literal = format!("COALESCE(CONVERT(0x{} USING {charset}), 'DO 1')", hex::encode(definition));
        tell(self.session, &format!("SET @fwb = {literal}{settings}"), self.doing)?;
        let prepared = tell(self.session, "PREPARE fwb FROM @fwb", self.doing);
        if !settings.is_empty() {
            tell(self.session, "SET NAMES utf8mb4, SESSION sql_mode = ''", self.doing)?;
        }
        match prepared {
            Err(Error::Server { error, .. }) => Ok(is_verdict(&error, is_program)
                .then(|| format!("the server does not take the definition that it shows: {error}"))),
            other => other.map(|()| None),
        }
    }

    /// All tables, sequences and views, by the bytes of their names.
    pub(super) fn entries(&mut self) -> Result<Vec<Entry>> {
        let sql = "SELECT TABLE_NAME, TABLE_TYPE, ENGINE FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()";
        let rows = self.ask(sql)?;
        let mut entries: Vec<Entry> = rows
            .iter()
            .map(|row| {
                let kind = match text(row, 1).as_str() {
                    "VIEW" => EntryKind::View,
                    "SEQUENCE" => EntryKind::Sequence,
                    kind => EntryKind::Table { versioned: kind == "SYSTEM VERSIONED" },
                };
                Entry { name: text(row, 0), kind, engine: text(row, 2), without_rows: false }
            })
            .collect();
        entries.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(entries)
    }

    /// The columns of a table or view, in their order.
    pub(super) fn columns(&mut self, table: &str) -> Result<Vec<Column>> {
        let sql = format!(
            "SELECT COLUMN_NAME, DATA_TYPE, CHARACTER_SET_NAME, COLLATION_NAME, EXTRA, GENERATION_EXPRESSION, \
             IF(DATA_TYPE IN ('enum', 'set') OR COLUMN_TYPE = 'year(2)', COLUMN_TYPE, '') \
             FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = {} ORDER BY ORDINAL_POSITION",
            quote_text(table)
        );
        let column = |row: &OwnedRow| Column {
            name: text(row, 0),
            data_type: text(row, 1).to_ascii_lowercase(),
            charset: text(row, 2),
            collation: text(row, 3),
            extra: text(row, 4),
            generated_as: text(row, 5),
            members: text(row, 6),
        };
        Ok(self.ask(&sql)?.iter().map(column).collect())
    }

    /// The columns of a table's primary key by which ranges of it can be told, in its order.
    pub(super) fn key(&mut self, table: &str, columns: &[Column]) -> Result<Vec<KeyColumn>> {
        let sql = format!(
            "SELECT COLUMN_NAME, SUB_PART FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = DATABASE() \
             AND TABLE_NAME = {} AND INDEX_NAME = 'PRIMARY' ORDER BY SEQ_IN_INDEX",
            quote_text(table)
        );
        let of = |row: &OwnedRow| {
            let column = columns.iter().find(|column| column.name == text(row, 0))?;
            // An index of the first characters alone has an order of its own.
            if text(row, 1).is_empty() { KeyColumn::of(column) } else { None }
        };
        Ok(self.ask(&sql)?.iter().map_while(of).collect())
    }

    /// What makes a table, or a sequence.
    pub(super) fn definition(&mut self, what: &str, name: &str) -> Result<Vec<u8>> {
        let row = self.one(&format!("SHOW CREATE {what} {}", quote_name(name)))?;
        row.into_iter().nth(1).flatten().ok_or_else(|| self.refused("a definition is not shown"))
    }

    /// The state of a sequence.
    pub(super) fn sequence_state(&mut self, name: &str) -> Result<SequenceState> {
        let row = self.one(&format!(
            "SELECT /*M!100000 SQL_NO_CACHE */ next_not_cached_value, start_value, increment, cycle_count, cycle_option FROM {}",
            quote_name(name)
        ))?;
        let number =
            |index| text(&row, index).parse::<i128>().map_err(|_| self.refused("a sequence is not shown"));
        Ok(SequenceState {
            next: number(0)?,
            start: number(1)?,
            increment: number(2)?,
            round: number(3)?,
            cycles: number(4)? != 0,
        })
    }

    /// The triggers of a table: those of one moment in the order in which they run.
    pub(super) fn triggers(&mut self, table: &str) -> Result<Vec<String>> {
        let sql = format!(
            "SELECT TRIGGER_NAME FROM information_schema.TRIGGERS WHERE EVENT_OBJECT_SCHEMA = DATABASE() AND EVENT_OBJECT_TABLE = {} \
             ORDER BY EVENT_MANIPULATION, ACTION_TIMING, ACTION_ORDER",
            quote_text(table)
        );
        Ok(self.ask(&sql)?.iter().map(|row| text(row, 0)).collect())
    }

    /// The events, by name.
    pub(super) fn events(&mut self) -> Result<Vec<String>> {
        let sql = "SELECT EVENT_NAME FROM information_schema.EVENTS WHERE EVENT_SCHEMA = DATABASE() ORDER BY EVENT_NAME";
        Ok(self.ask(sql)?.iter().map(|row| text(row, 0)).collect())
    }

    /// The routines and packages: a package before its body.
    pub(super) fn routines(&mut self) -> Result<Vec<(ObjectKind, String)>> {
        const KINDS: [ObjectKind; 4] =
            [ObjectKind::Function, ObjectKind::Procedure, ObjectKind::Package, ObjectKind::PackageBody];
        let sql = "SELECT ROUTINE_TYPE, ROUTINE_NAME FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = DATABASE() \
                   ORDER BY ROUTINE_NAME";
        let rows = self.ask(sql)?;
        let of = |kind: ObjectKind| {
            rows.iter().filter(move |row| text(row, 0) == kind.as_sql()).map(move |row| (kind, text(row, 1)))
        };
        Ok(KINDS.into_iter().flat_map(of).collect())
    }

    /// The one row of an answer in the character sets in which the server keeps it: that of a definition's maker.
    fn as_kept(&mut self, sql: &str) -> Result<OwnedRow> {
        tell(self.session, "SET character_set_results=NULL", self.doing)?;
        let shown = self.one(sql);
        tell(self.session, "SET character_set_results=utf8mb4", self.doing)?;
        shown
    }

    /// A trigger, an event or a routine.
    pub(super) fn program(&mut self, kind: ObjectKind, name: &str) -> Result<Program> {
        let row = self.as_kept(&format!("SHOW CREATE {} {}", kind.as_sql(), quote_name(name)))?;
        let is_event = kind == ObjectKind::Event;
        let at = if is_event { 3 } else { 2 };
        let Some(definition) = row.get(at).cloned().flatten() else {
            return Err(self.hidden(kind, name)?);
        };
        let sql_mode = text(&row, 1);
        let shown = Shown { text: definition, charset: text(&row, at + 1) };
        let shown = self.texts().of_program(shown, kind, name, &sql_mode)?;
        Ok(Program {
            kind,
            name: name.to_owned(),
            sql_mode,
            time_zone: is_event.then(|| text(&row, 2)),
            charset: shown.charset,
            collation: text(&row, at + 2),
            database_collation: text(&row, at + 3),
            text: shown.text,
        })
    }

    /// A view.
    pub(super) fn view(&mut self, name: &str) -> Result<View> {
        let row = self.as_kept(&format!("SHOW CREATE VIEW {}", quote_name(name)))?;
        let shown = row.get(1).cloned().flatten().ok_or_else(|| self.refused("a view is not shown"))?;
        let shown = self.texts().of_view(Shown { text: shown, charset: text(&row, 2) }, name)?;
        Ok(View { name: name.to_owned(), charset: shown.charset, collation: text(&row, 3), text: shown.text })
    }
}
