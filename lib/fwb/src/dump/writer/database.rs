//! A whole database: section after section.

use std::collections::BTreeSet;

use super::ahead::{Ahead, Done, Ordered, Work};
use super::catalog::{Catalog, Entry, EntryKind};
use super::frame::{self, Header, announce, title};
use super::lookahead::{Item, Lookahead};
use super::program::Program;
use super::sink::Sink;
use super::table;
use super::tables::{
    Savepoint, begin_rows, begin_table, end_rows, end_table, open, write_program, write_rows, write_table,
};
use super::view::{self, View};
use super::view_order::view_order;
use super::written::Written;
use crate::dump::excluded::Excluded;
use crate::error::{DUMPING, Error, Result};
use crate::manifest::{ObjectKind, SectionKind};
use crate::server::Session;

/// What is written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Task<'a> {
    /// What the header tells: the database among it.
    pub(crate) header: Header<'a>,
    /// The database's default collation.
    pub(crate) collation: &'a str,
    /// Views that are broken, and left out.
    pub(crate) broken_views: &'a BTreeSet<String>,
    /// Which part.
    pub(crate) part: Part,
    /// The tables, sequences and views that are written; none: all, and the events and routines.
    pub(crate) chosen: Option<&'a BTreeSet<String>>,
    /// Tables, sequences and views of the whole database that are not written, and tables whose rows are not.
    pub(crate) excluded: &'a Excluded,
    /// What is written of the past of system-versioned tables.
    pub(crate) past: Past<'a>,
    /// Whether nobody may change a table from the snapshot until it is read.
    pub(crate) holds_definitions: bool,
}

/// What is written of the past of system-versioned tables; by default all of it, as it is.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Past<'a> {
    /// The end of a row that holds now, as this server has it, and what is written in its place, as literals.
    pub(crate) row_end: Option<(&'a str, &'a str)>,
    /// Tables of which only the rows that hold now are written; none: of no table.
    pub(crate) without: Option<&'a BTreeSet<String>>,
}

/// Which part of a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// Everything.
    All,
    /// All tables and their rows: no triggers, nothing else.
    Rows,
}

impl Task<'_> {
    /// What is being done, for errors.
    pub(super) fn doing_all(&self) -> String {
        format!("{DUMPING} {}", self.header.database)
    }

    /// The same of one table.
    pub(super) fn doing(&self, table: &str) -> String {
        format!("{DUMPING} table {table} of {}", self.header.database)
    }

    /// Whether nobody may change this from the beginning until it is read.
    pub(super) fn holds(&self, entry: &Entry) -> bool {
        self.holds_definitions && entry.is_held()
    }
}

/// Looks whether these tables and sequences, which nobody can change any more, are those of the moment that is dumped.
pub(crate) type Look<'a> = &'a dyn Fn(&BTreeSet<&str>) -> Result<()>;

/// A database whose definitions were held together with those of others, until all of it is read.
pub(crate) struct Held {
    entries: Vec<Entry>,
    beside: Beside,
    /// Its number among the databases that are held.
    number: usize,
}

/// Holds the definitions of a database until it is written, where several are dumped of one moment. `look` is called once they are.
/// The database that is written last is held first: what is rolled back to a savepoint lets go of whatever was opened after it.
///
/// # Errors
/// The server refuses, the connection breaks, or `look` fails.
pub(crate) fn hold(
    session: &mut dyn Session,
    task: &Task<'_>,
    number: usize,
    look: Look<'_>,
) -> Result<Held> {
    let entries = entries(session, task)?;
    Savepoint::BeforeDatabase(number).set(session, &task.doing_all())?;
    for entry in entries.iter().filter(|entry| entry.is_held()) {
        open(session, &entry.name, &task.doing(&entry.name))?;
    }
    look(&names_of_tables(&entries))?;
    let beside = beside(session, task, &entries)?;
    Ok(Held { entries, beside, number })
}

/// Writes a dump; where others read `ahead`, what they read is taken. `held` is what was held before; otherwise `look` is called
/// once definitions are held. Returns its sections, so that whoever reads it back knows what must be there.
///
/// # Errors
/// The server refuses, the connection breaks, or the sink or `look` fails.
pub(crate) fn write(
    session: &mut dyn Session,
    sink: &mut dyn Sink,
    task: &Task<'_>,
    held: Option<Held>,
    ahead: Option<&Ahead>,
    look: Look<'_>,
    now: impl FnOnce() -> String,
) -> Result<Vec<Written>> {
    let doing = task.doing_all();
    let number = held.as_ref().map(|held| held.number);
    let mut writer = Writer {
        session,
        sink,
        task,
        doing,
        written: Vec::new(),
        reading: 0,
        is_held_whole: number.is_some(),
    };
    writer.open(SectionKind::Header, None);
    frame::header(writer.sink.sql(), &task.header);
    writer.sink.pass()?;
    writer.database(held, ahead, look)?;
    writer.open(SectionKind::Trailer, None);
    frame::trailer(writer.sink.sql(), &task.header, &now());
    writer.sink.pass()?;
    if let Some(number) = number {
        Savepoint::BeforeDatabase(number).roll_back(writer.session, &writer.doing)?;
    }
    Ok(writer.written)
}

/// The tables, sequences and views that a task is about: sequences first, because defaults of tables may come from them.
fn entries(session: &mut dyn Session, task: &Task<'_>) -> Result<Vec<Entry>> {
    let entries = Catalog::new(session, &task.doing_all()).entries()?;
    let is_of_part = |entry: &Entry| task.part == Part::All || matches!(entry.kind, EntryKind::Table { .. });
    let is_excluded = |entry: &Entry| task.excluded.tables.contains(&entry.name);
    let is_chosen = |entry: &Entry| {
        is_of_part(entry)
            && !is_excluded(entry)
            && task.chosen.is_none_or(|names| names.contains(&entry.name))
    };
    let is_broken = |entry: &Entry| entry.kind == EntryKind::View && task.broken_views.contains(&entry.name);
    let mut entries: Vec<Entry> =
        entries.into_iter().filter(|entry| is_chosen(entry) && !is_broken(entry)).collect();
    for entry in &mut entries {
        entry.without_rows = task.excluded.rows.contains(&entry.name);
    }
    entries.sort_by_key(|entry| entry.kind != EntryKind::Sequence);
    Ok(entries)
}

/// The tables and sequences.
fn names_of_tables(entries: &[Entry]) -> BTreeSet<&str> {
    entries.iter().filter(|entry| entry.kind != EntryKind::View).map(|entry| &*entry.name).collect()
}

/// What there is beside tables.
fn beside(session: &mut dyn Session, task: &Task<'_>, entries: &[Entry]) -> Result<Beside> {
    let is_whole = task.chosen.is_none();
    let doing = task.doing_all();
    let mut catalog = Catalog::new(session, &doing);
    let events = if is_whole { catalog.events()? } else { Vec::new() };
    let events = events.into_iter().map(|event| (ObjectKind::Event, event));
    let events = events.map(|(kind, name)| catalog.program(kind, &name)).collect::<Result<_>>()?;
    let routines = if is_whole { catalog.routines()? } else { Vec::new() };
    let routines =
        routines.into_iter().map(|(kind, name)| catalog.program(kind, &name)).collect::<Result<_>>()?;
    let views = entries.iter().filter(|entry| entry.kind == EntryKind::View);
    let views = views.map(|entry| catalog.view(&entry.name)).collect::<Result<_>>()?;
    Ok(Beside { events, routines, views })
}

/// What writes.
pub(super) struct Writer<'a> {
    pub(super) session: &'a mut dyn Session,
    sink: &'a mut dyn Sink,
    pub(super) task: &'a Task<'a>,
    doing: String,
    written: Vec<Written>,
    /// How many tables are open whose definitions were not held from the beginning.
    reading: usize,
    /// Whether what is held is let go of at the end, and not table by table.
    is_held_whole: bool,
}

impl Writer<'_> {
    fn catalog(&mut self) -> Catalog<'_> {
        Catalog::new(self.session, &self.doing)
    }

    fn open(&mut self, kind: SectionKind, name: Option<&str>) {
        self.written.push(Written::new(kind, name));
    }

    /// Begins a section that has a title.
    fn begin(&mut self, kind: SectionKind, name: Option<&str>) {
        self.open(kind, name);
        announce(self.sink.sql(), title(kind), name.unwrap_or(self.task.header.database));
    }

    fn database(&mut self, held: Option<Held>, ahead: Option<&Ahead>, look: Look<'_>) -> Result<()> {
        let (entries, held_beside) = match held {
            Some(held) => (held.entries, Some(held.beside)),
            None => {
                let entries = entries(self.session, self.task)?;
                // Views and programs are those that fit the tables as they are held.
                let mut held_beside = None;
                if self.task.holds_definitions {
                    self.hold(&entries)?;
                    look(&names_of_tables(&entries))?;
                    held_beside = Some(beside(self.session, self.task, &entries)?);
                }
                (entries, held_beside)
            }
        };
        for (number, entry) in entries.iter().enumerate() {
            if entry.kind == EntryKind::Sequence {
                self.sequence(number, entry)?;
            }
        }
        match ahead {
            Some(ahead) => self.tables_read_ahead(&entries, ahead)?,
            None => self.tables(&entries)?,
        }
        if self.task.part == Part::All {
            let beside = held_beside.map_or_else(|| beside(self.session, self.task, &entries), Ok)?;
            if self.task.chosen.is_none() {
                self.programs(SectionKind::Events, &beside.events)?;
                self.programs(SectionKind::Routines, &beside.routines)?;
            }
            self.views(&beside.views)?;
        }
        Ok(())
    }

    /// Opens all tables, so that nobody changes or renames one until it is read. The last one comes first: what is rolled
    /// back to a savepoint lets go of whatever was opened after it.
    fn hold(&mut self, entries: &[Entry]) -> Result<()> {
        for (number, entry) in entries.iter().enumerate().rev().filter(|(_, entry)| entry.is_held()) {
            let doing = self.task.doing(&entry.name);
            Savepoint::Before(number).set(self.session, &doing)?;
            open(self.session, &entry.name, &doing)?;
        }
        Ok(())
    }

    /// To be called before a table is opened.
    ///
    /// # Errors
    /// The server refuses, or the connection breaks.
    pub(super) fn take(&mut self, entry: &Entry) -> Result<()> {
        if self.task.holds(entry) {
            return Ok(());
        }
        if self.reading == 0 {
            Savepoint::Reading.set(self.session, &self.task.doing(&entry.name))?;
        }
        self.reading += 1;
        Ok(())
    }

    /// After the table of this number was read.
    fn let_go(&mut self, number: usize, entry: &Entry) -> Result<()> {
        if !self.task.holds(entry) {
            return self.leave(entry);
        }
        if self.is_held_whole {
            return Ok(());
        }
        Savepoint::Before(number).roll_back(self.session, &self.doing)
    }

    /// After a table that was not held from the beginning was read, or is not to be read here.
    ///
    /// # Errors
    /// As [`Writer::take`].
    pub(super) fn leave(&mut self, entry: &Entry) -> Result<()> {
        if self.task.holds(entry) {
            return Ok(());
        }
        self.reading -= 1;
        // An earlier one goes on being read.
        if self.reading > 0 { Ok(()) } else { Savepoint::Reading.roll_back(self.session, &self.doing) }
    }

    fn sequence(&mut self, number: usize, entry: &Entry) -> Result<()> {
        let name = &entry.name;
        self.take(entry)?;
        let create = self.catalog().definition("SEQUENCE", name)?;
        let state = self.catalog().sequence_state(name)?;
        self.begin(SectionKind::Sequence, Some(name));
        table::sequence(self.sink.sql(), name, &create, &state);
        self.let_go(number, entry)?;
        self.sink.pass()
    }

    fn tables(&mut self, entries: &[Entry]) -> Result<()> {
        for (number, entry) in entries.iter().enumerate() {
            match entry.kind {
                EntryKind::Table { .. } => self.table(number, entry)?,
                EntryKind::View => self.stand_in(&entry.name)?,
                EntryKind::Sequence => {}
            }
        }
        Ok(())
    }

    fn table(&mut self, number: usize, entry: &Entry) -> Result<()> {
        self.take(entry)?;
        let written = write_table(self.session, self.sink, self.task, entry)?;
        self.written.push(written);
        self.let_go(number, entry)
    }

    /// As [`Writer::tables`], with what other connections read meanwhile.
    fn tables_read_ahead(&mut self, entries: &[Entry], ahead: &Ahead) -> Result<()> {
        let mut lookahead = Lookahead::new(ahead, entries);
        let mut rows = 0;
        while let Some(item) = lookahead.next(self)? {
            match item {
                Item::View(entry) => self.stand_in(&entry.name)?,
                Item::Table(number, entry, work) => match work.write(ahead, self.sink)? {
                    Some(Done::Table(written)) => {
                        self.written.push(*written);
                        if self.task.holds(entry) {
                            self.let_go(number, entry)?;
                        }
                    }
                    _ => self.table(number, entry)?,
                },
                Item::Begin(entry, reading) => {
                    rows = 0;
                    let written = begin_table(self.session, self.sink, self.task, entry)?;
                    self.written.push(written);
                    begin_rows(self.sink, &entry.name, reading.history);
                }
                Item::Rows(work) => rows += self.rows(&work, ahead)?,
                Item::End(number, entry, reading) => {
                    end_rows(self.sink, &entry.name, reading.history);
                    self.end_table(&entry.name, rows)?;
                    self.let_go(number, entry)?;
                }
            }
        }
        Ok(())
    }

    fn rows(&mut self, work: &Ordered, ahead: &Ahead) -> Result<u64> {
        match (work.write(ahead, self.sink)?, work.work()) {
            (Some(Done::Rows(rows)), _) => Ok(rows),
            (_, Work::Rows { table, reading, select }) => {
                write_rows(self.session, self.sink, reading, select, &self.task.doing(table))
            }
            (_, Work::Table(_)) => Ok(0),
        }
    }

    fn end_table(&mut self, name: &str, rows: u64) -> Result<()> {
        let Some(written) = self.written.last_mut() else { return Ok(()) };
        end_table(self.session, self.sink, self.task, name, rows, written)
    }

    fn stand_in(&mut self, name: &str) -> Result<()> {
        let columns = self.catalog().columns(name)?;
        if columns.is_empty() {
            // What it selects from went while the tables were read: the next dump finds it broken, and says so.
            let database = self.task.header.database.to_owned();
            return Err(Error::Changed { database, tables: vec![name.to_owned()] });
        }
        let columns: Vec<String> = columns.into_iter().map(|column| column.name).collect();
        self.begin(SectionKind::ViewPlaceholder, Some(name));
        self.sink.sql().push(b'\n');
        view::stand_in(self.sink.sql(), name, &columns);
        self.sink.pass()
    }

    /// Each view comes after those that it selects from: a stand-in takes no `WITH CHECK OPTION` (error 1368).
    fn views(&mut self, views: &[View]) -> Result<()> {
        let texts: Vec<_> = views.iter().map(|view| (view.name.as_str(), view.text.clone())).collect();
        for view in view_order(&texts).into_iter().filter_map(|index| views.get(index)) {
            self.begin(SectionKind::View, Some(&view.name));
            self.sink.sql().push(b'\n');
            view::definition(self.sink.sql(), view);
            self.sink.pass()?;
        }
        Ok(())
    }

    fn programs(&mut self, kind: SectionKind, programs: &[Program]) -> Result<()> {
        self.begin(kind, None);
        let Some(written) = self.written.last_mut() else { return Ok(()) };
        programs
            .iter()
            .try_for_each(|program| write_program(self.session, self.sink, self.task, program, written))
    }
}

/// What a database has beside tables.
struct Beside {
    events: Vec<Program>,
    routines: Vec<Program>,
    views: Vec<View>,
}
