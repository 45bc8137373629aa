//! One table: its definition, its rows, its triggers.

use std::borrow::Cow;

use super::catalog::{Catalog, Entry, EntryKind};
use super::database::{Part, Task};
use super::form::Column;
use super::frame::{self, announce, title};
use super::otherwise;
use super::program::{Program, program};
use super::rows::RowWriter;
use super::sink::Sink;
use super::table::{self, History, Reading};
use super::unsound::unsound_program;
use super::written::{Written, essence};
use crate::error::{Error, Result};
use crate::manifest::{Object, ObjectKind, SectionKind};
use crate::scan::QuoteMode;
use crate::server::{Session, quote_name, tell};

/// Writes a table as one section.
///
/// # Errors
/// The server refuses, the connection breaks, or the sink fails.
pub(super) fn write_table(
    session: &mut dyn Session,
    sink: &mut dyn Sink,
    task: &Task<'_>,
    entry: &Entry,
) -> Result<Written> {
    let mut written = begin_table(session, sink, task, entry)?;
    let mut rows = 0;
    if entry.has_rows() {
        let (_, reading) = reading(session, task, entry)?;
        begin_rows(sink, &entry.name, reading.history);
        rows = write_rows(session, sink, &reading, &reading.select, &task.doing(&entry.name))?;
        end_rows(sink, &entry.name, reading.history);
    }
    end_table(session, sink, task, &entry.name, rows, &mut written)?;
    Ok(written)
}

/// Writes what makes a table.
///
/// # Errors
/// As [`write_table`].
pub(super) fn begin_table(
    session: &mut dyn Session,
    sink: &mut dyn Sink,
    task: &Task<'_>,
    entry: &Entry,
) -> Result<Written> {
    let name = &entry.name;
    let doing = task.doing_all();
    let mut catalog = Catalog::new(session, &doing);
    let create = catalog.definition("TABLE", name)?;
    if let Some(why) = catalog.why_no_table(&create)? {
        let (database, object) = (task.header.database.to_owned(), format!("table {name}"));
        return Err(Error::Unrestorable { database, object, why });
    }
    announce(sink.sql(), title(SectionKind::Table), name);
    table::structure(sink.sql(), name, &create);
    let mut written = Written::new(SectionKind::Table, Some(name));
    written.otherwise = otherwise::of_table(name, &create);
    written.definition = (!task.holds(entry)).then(|| essence(&create));
    Ok(written)
}

/// Its columns, and how its rows are read.
///
/// # Errors
/// As [`write_table`].
pub(super) fn reading(
    session: &mut dyn Session,
    task: &Task<'_>,
    entry: &Entry,
) -> Result<(Vec<Column>, Reading)> {
    let columns = Catalog::new(session, &task.doing_all()).columns(&entry.name)?;
    let versioned = matches!(entry.kind, EntryKind::Table { versioned: true });
    let is_left_out = task.past.without.is_some_and(|tables| tables.contains(&entry.name));
    let history = table::history(versioned && !is_left_out, &columns, task.header.version);
    let reading = table::reading(task.header.database, &entry.name, &columns, history, task.past.row_end);
    Ok((columns, reading))
}

/// Writes what stands before the rows.
pub(super) fn begin_rows(sink: &mut dyn Sink, name: &str, history: History) {
    announce(sink.sql(), frame::ROWS, name);
    table::before_rows(sink.sql(), name, history);
}

/// Writes rows, as many as `select` reads. Returns how many.
///
/// # Errors
/// As [`write_table`].
pub(super) fn write_rows(
    session: &mut dyn Session,
    sink: &mut dyn Sink,
    reading: &Reading,
    select: &[u8],
    doing: &str,
) -> Result<u64> {
    let mut rows = RowWriter::new(sink, reading.prelude.clone(), reading.forms.clone());
    session.query(select, &mut rows).map_err(|error| match error.doing(doing) {
        Error::Unrestorable { object, why, .. } if object.is_empty() => {
            let (database, table) = reading.of.clone();
            Error::Unrestorable { database, object: format!("table {table}"), why }
        }
        error => error,
    })?;
    rows.finish()
}

/// Writes what stands after the rows.
pub(super) fn end_rows(sink: &mut dyn Sink, name: &str, history: History) {
    table::after_rows(sink.sql(), name, history);
}

/// Writes the triggers of a table that has so many rows.
///
/// # Errors
/// As [`write_table`].
pub(super) fn end_table(
    session: &mut dyn Session,
    sink: &mut dyn Sink,
    task: &Task<'_>,
    name: &str,
    rows: u64,
    written: &mut Written,
) -> Result<()> {
    written.rows = Some(rows);
    if matches!(task.part, Part::All) {
        let doing = task.doing_all();
        for trigger in Catalog::new(session, &doing).triggers(name)? {
            let trigger = Catalog::new(session, &doing).program(ObjectKind::Trigger, &trigger)?;
            write_program(session, sink, task, &trigger, written)?;
        }
    }
    sink.pass()
}

/// Writes a trigger, an event or a routine; or notes that it is left out.
///
/// # Errors
/// As [`write_table`].
pub(super) fn write_program(
    session: &mut dyn Session,
    sink: &mut dyn Sink,
    task: &Task<'_>,
    shown: &Program,
    written: &mut Written,
) -> Result<()> {
    let doing = task.doing_all();
    let mut catalog = Catalog::new(session, &doing);
    if let Some(unsound) = unsound_program(&mut catalog, task.header.database, task.collation, shown)? {
        written.left_out.push(unsound);
        return Ok(());
    }
    let quotes = QuoteMode::under(&shown.sql_mode);
    written.otherwise.extend(otherwise::of_program(shown.kind.as_sql(), &shown.name, &shown.text, quotes));
    program(sink.sql(), shown, task.collation);
    written.objects.push(Object { kind: shown.kind, name: shown.name.clone() });
    sink.pass()
}

/// Opens a table and reads nothing of it: from then on, the transaction holds its definition.
///
/// # Errors
/// The server refuses, or the connection breaks.
pub(super) fn open(session: &mut dyn Session, name: &str, doing: &str) -> Result<()> {
    tell(session, &format!("SELECT 1 FROM {} LIMIT 0", quote_name(name)), doing)
}

/// A savepoint in the transaction that reads. What is rolled back to one takes the locks on definitions with it that came
/// after: whoever wants to alter a table waits for them. (With a binary log, MariaDB keeps them until the transaction
/// ends.)
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Savepoint {
    /// Of the tables that are read now.
    Reading,
    /// Before the table of this number in the order of reading was opened.
    Before(usize),
    /// Before the tables of the database of this number were opened, where several are dumped of one moment.
    BeforeDatabase(usize),
}

impl Savepoint {
    fn name(self) -> Cow<'static, str> {
        match self {
            Self::Reading => "fwb".into(),
            Self::Before(number) => format!("fwb{number}").into(),
            Self::BeforeDatabase(number) => format!("fwb_database{number}").into(),
        }
    }

    /// Sets it.
    ///
    /// # Errors
    /// The server refuses, or the connection breaks.
    pub(crate) fn set(self, session: &mut dyn Session, doing: &str) -> Result<()> {
        tell(session, &format!("SAVEPOINT {}", self.name()), doing)
    }

    /// Rolls back to it.
    ///
    /// # Errors
    /// As [`Savepoint::set`].
    pub(crate) fn roll_back(self, session: &mut dyn Session, doing: &str) -> Result<()> {
        tell(session, &format!("ROLLBACK TO SAVEPOINT {}", self.name()), doing)
    }
}
