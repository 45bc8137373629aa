//! The definitions of a backup, sorted by the stage in which they are made: tables before rows, and what rows must
//! not meet after them.

use std::collections::BTreeMap;
use std::ops::Range;

use super::amends::Amends;
use super::definer::{as_ourselves, or_replace, under_others};
use super::event::{self, Status};
use super::keys::{Candidate, divide};
use super::open_backup::{OpenBackup, Part};
use super::parents::children_first;
use super::rename::Renaming;
use crate::admission::{Admission, Admitted, engines, name_of, without_directories};
use crate::artifact::DataHeader;
use crate::dump::view_order;
use crate::error::{Error, Result};
use crate::manifest::{Manifest, ObjectKind, SectionKind};
use crate::progress::Context;
use crate::scan::{
    AlterDatabase, Feed, Head, QuoteMode, Reading, SqlMode, Statement, Tokens, Value, Verb, parse_head,
};
use crate::server::{Flavor, quote_text};

/// When a definition is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LoadStage {
    /// Tables and sequences, before any row.
    Structure,
    /// Foreign keys that were put off, after all rows and keys.
    References,
    /// Procedures, functions and packages: views may call them.
    Routines,
    /// Views, each after those that it names.
    Views,
    /// Triggers, which must not see the rows arrive.
    Triggers,
    /// Events, which may run as soon as they are there.
    Events,
}

/// All definitions of what is chosen.
#[derive(Debug, Default)]
pub(crate) struct Script {
    /// The session settings before everything else.
    pub(super) header: Vec<Vec<u8>>,
    /// What they leave in force: a session that loads rows has executed them and nothing else of the dump.
    pub(super) rows_mode: SqlMode,
    lines: Vec<Line>,
    amends: Amends,
    /// Tables whose rows go over one connection, in the order of the dump, because the table keeps them in the order
    /// of their arrival: by the section's index.
    in_order: Vec<usize>,
    /// Definitions of tables.
    tables: Vec<Table>,
    /// What adds the keys that were put off, by the section's index.
    keys: BTreeMap<usize, LateKeys>,
    /// While the definitions are read: whether an `ALTER DATABASE` is in force for a program's sake, and the program was there.
    set_for_program: Option<bool>,
    /// Views under others with their own accounts, after all of them were made: the last one first.
    finals: Vec<Vec<Line>>,
    /// What the objects were in the database that was dumped.
    pub(crate) origin: Origin,
}

/// What is changed on the way into a shadow, as it was.
#[derive(Debug, Default)]
pub(crate) struct Origin {
    /// Whether each event runs.
    pub(crate) events: BTreeMap<String, Status>,
    /// How triggers and views were written that have their database's name in them: by `TRIGGER` or `VIEW`, and name.
    pub(crate) texts: BTreeMap<(&'static str, String), Vec<u8>>,
    /// How views were written that are our own account's where they were loaded. None has its database's name in it. By kind,
    /// as SQL has it, and name.
    pub(crate) plain: BTreeMap<(&'static str, String), Vec<u8>>,
}

/// The definition of a table.
#[derive(Debug)]
struct Table {
    /// Which line it is.
    line: usize,
    mode: QuoteMode,
}

/// Keys that a table is given after its rows.
#[derive(Debug)]
pub(super) struct LateKeys {
    /// The settings that held for the table. They are for this statement alone.
    pub(super) before: Vec<Line>,
    /// A compound statement.
    pub(super) adding: String,
    /// How many keys it adds.
    pub(super) number: u64,
}

/// A table with fewer rows has its keys from the beginning: a statement more costs more than it saves.
const MANY_ROWS: u64 = 20_000;
/// Two statements at once that add foreign keys have crashed servers (MariaDB 10.11.19): all restores take turns.
pub(crate) const IN_TURN: &str = "DO GET_LOCK('fwb-restore-foreign-keys', 3600)";
pub(crate) const NEXT: &str = "DO RELEASE_LOCK('fwb-restore-foreign-keys')";

/// A statement.
#[derive(Debug, Clone)]
pub(super) struct Line {
    /// The section that it is in, by its index.
    pub(super) section: usize,
    /// What is sent.
    pub(super) text: Vec<u8>,
    /// When; none for a session setting, which goes along with what it stands beside.
    stage: Option<LoadStage>,
    /// The view that it is about.
    view: Option<String>,
    /// Whether it is a setting of the database, which tables do not need.
    pub(super) of_database: bool,
    /// Whether it puts back what the session was before the statement that it follows.
    puts_back: bool,
    /// How quotes are read in it.
    mode: QuoteMode,
    /// What is sent after it: a view that is under others, as our own account's.
    pub(super) ours: Option<Vec<u8>>,
}

impl Line {
    fn new(section: usize, text: Vec<u8>, stage: Option<LoadStage>) -> Self {
        let (mode, puts_back) = (QuoteMode::default(), false);
        Self { section, text, stage, view: None, of_database: false, puts_back, mode, ours: None }
    }

    /// Takes account of the line in the mode that is in force, before it is sent.
    ///
    /// # Errors
    /// It would be read with other quotes than it was judged with.
    pub(super) fn follow(&self, in_force: &mut SqlMode, name: &str) -> Result<()> {
        if self.stage.is_none() {
            in_force.apply(&parse_head(&self.text, Reading::Everything, in_force.quotes()));
            return Ok(());
        }
        if self.mode == in_force.quotes() {
            return Ok(());
        }
        Err(Error::Inadmissible {
            name: name.into(),
            statement: String::from_utf8_lossy(&self.text[..self.text.len().min(40)]).into_owned(),
            offset: 0,
            why: "it depends on a SET sql_mode of another object, which no dump does".into(),
        })
    }

    /// Whether two lines of a stage, one after the other, are of one part.
    fn belongs_with(&self, other: &Self) -> bool {
        self.view == other.view && (self.stage != Some(LoadStage::Structure) || self.section == other.section)
    }
}

/// What a character set without a collation means in the backup: MariaDB had one meaning before 11.2, and has a setting since.
/// None: it is of a server that has the setting as servers usually do, or of MySQL.
fn default_collations(manifest: &Manifest) -> Option<Vec<u8>> {
    const SETTING: &str = "character_set_collations";
    let source = manifest.source().filter(|source| source.flavor == Flavor::MariaDb)?;
    let value =
        if source.is_mariadb(11, 2) { manifest.server.as_ref()?.settings.get(SETTING)?.as_str() } else { "" };
    Some(format!("/*M!110201 SET SESSION {SETTING}={} */", quote_text(value)).into_bytes())
}

impl Script {
    /// Reads the definitions; rows are passed over. With `disabled`, the events will not run.
    ///
    /// # Errors
    /// The backup cannot be read, or holds what no dump holds.
    pub(super) fn read(
        input: &OpenBackup,
        renaming: &Renaming<'_>,
        disabled: bool,
        context: &Context,
    ) -> Result<Self> {
        let mut script = Self::default();
        let mut admission =
            Admission::new(input.manifest.database.as_deref()).allowing_outside(input.allows_outside);
        let mut feed = Feed::new();
        let mut section = 0;
        let mut take = |statement: &Statement<'_>, section: usize| {
            let refused = |why| inadmissible(&input.manifest.name, statement, why);
            // The table is made in the directory of its database, like any other.
            let is_table = matches!(statement.head, Head::Table(Verb::Create, _));
            let inside = if is_table && !input.allows_outside {
                without_directories(statement.text, statement.mode.quotes())
            } else {
                None
            };
            let statement = &statement.with_text(inside.as_deref().unwrap_or(statement.text));
            if admission.judge(statement).map_err(refused)? == Admitted::Load {
                script.take(statement, section, input, renaming, disabled);
            }
            Ok(())
        };
        input.for_each_piece(Part::Definitions, context, &mut |piece, _| {
            if piece.flags & DataHeader::CONTINUES == 0 {
                feed.flush(&mut |statement| take(statement, section))?;
            }
            section = piece.section;
            feed.push(&piece.raw, &mut |statement| take(statement, section))
        })?;
        feed.flush(&mut |statement| take(statement, section))?;
        script.find_views_under_others();
        script.header.extend(default_collations(&input.manifest));
        Ok(script)
    }

    /// Sees to it that views can be made over those of accounts that may not read here.
    fn find_views_under_others(&mut self) {
        let is_made = |line: &Line| {
            matches!(parse_head(&line.text, Reading::Everything, line.mode), Head::View(Verb::Create, _))
        };
        let ranges = self.ranges(LoadStage::Views);
        let made: Vec<(Range<usize>, usize)> = ranges
            .into_iter()
            .filter_map(|range| {
                Some((range.clone(), range.start + self.lines[range].iter().position(is_made)?))
            })
            .collect();
        let views: Vec<(&str, &[u8], QuoteMode)> = made
            .iter()
            .map(|(_, at)| &self.lines[*at])
            .map(|line| (line.view.as_deref().unwrap_or_default(), &line.text[..], line.mode))
            .collect();
        for index in under_others(&views) {
            let (range, at) = made[index].clone();
            let Line { text, mode, .. } = &self.lines[at];
            let Some(ours) = as_ourselves(text, *mode) else { continue };
            let again = Line { text: or_replace(text, *mode), ..self.lines[at].clone() };
            self.lines[at].ours = Some(or_replace(&ours, again.mode));
            // Without what drops it.
            let beside =
                |range: Range<usize>| self.lines[range].iter().filter(|line| line.view.is_none()).cloned();
            let lines = beside(range.start..at).chain([again]).chain(beside(at + 1..range.end)).collect();
            self.finals.push(lines);
        }
        self.finals.reverse();
    }

    /// Leaves views under others as our own account's. They are made with their own elsewhere.
    pub(super) fn leave_views_ours(&mut self) {
        for line in std::mem::take(&mut self.finals).into_iter().flatten() {
            if let Some(view) = line.view {
                self.origin.plain.insert(("VIEW", view), line.text);
            }
        }
    }

    /// Views under others with their own accounts, to be made after all views.
    pub(super) fn finals(&self) -> impl Iterator<Item = &[Line]> {
        self.finals.iter().map(Vec::as_slice)
    }

    fn take(
        &mut self,
        statement: &Statement<'_>,
        section: usize,
        input: &OpenBackup,
        renaming: &Renaming<'_>,
        disabled: bool,
    ) {
        let kind = input.manifest.sections.get(section).map(|section| section.kind);
        let stage = match statement.head {
            Head::Set(_) | Head::AlterDatabase(_) if kind != Some(SectionKind::Trailer) => None,
            // What the session was before is nothing to those who end it.
            _ if kind == Some(SectionKind::Trailer) => return,
            // A view's stand-in helps those who load views in the order of the dump.
            _ if kind == Some(SectionKind::ViewPlaceholder) => return,
            Head::Table(..) | Head::Sequence(..) | Head::SetVal(_) => Some(LoadStage::Structure),
            Head::View(..) => Some(LoadStage::Views),
            Head::Program(_, ObjectKind::Trigger, _) => Some(LoadStage::Triggers),
            Head::Program(_, ObjectKind::Event, _) => Some(LoadStage::Events),
            Head::Program(..) => Some(LoadStage::Routines),
            // DISABLE KEYS does nothing for InnoDB, and rows of other engines arrive over several connections.
            _ => return,
        };
        let mode = statement.mode.quotes();
        if let Head::AlterDatabase(AlterDatabase { charset, collation, .. }) = statement.head {
            // Without the name, which may be another one now.
            let text = format!("ALTER DATABASE CHARACTER SET {charset} COLLATE {collation}").into_bytes();
            // The second one of a pair, around a program.
            let puts_back = self.set_for_program == Some(true);
            self.set_for_program = (!puts_back).then_some(false);
            self.lines.push(Line { of_database: true, puts_back, mode, ..Line::new(section, text, stage) });
            return;
        }
        let amended = self.amends.amend(statement.head, statement.text, mode);
        let amended_text = amended.instead.as_deref().unwrap_or(statement.text);
        let mut text = renaming.apply(statement.head, amended_text, mode);
        if let Head::Program(Verb::Create, ObjectKind::Event, target) = statement.head
            && let Some((status, changed)) = event::with_status(&text, mode, Status::Disabled)
        {
            self.origin.events.insert(target.name.clone(), status);
            if disabled {
                text = changed;
            }
        }
        let written = match statement.head {
            Head::Program(Verb::Create, kind @ ObjectKind::Trigger, target) => Some((kind.as_sql(), target)),
            Head::View(Verb::Create, target) => Some(("VIEW", target)),
            _ => None,
        };
        if let Some((kind, target)) = written.filter(|_| text != amended_text) {
            self.origin.texts.insert((kind, target.name.clone()), amended_text.to_vec());
        }
        let is_table = matches!(statement.head, Head::Table(Verb::Create, _));
        if is_table && !is_ordered_by_key(statement) {
            self.in_order.push(section);
        }
        // Without comments, what the first table needs stands in the header too.
        let is_of_header = kind == Some(SectionKind::Header) && self.lines.is_empty();
        if stage.is_none() && is_of_header && !matches!(statement.head, Head::Set(all) if saves(all)) {
            self.header.push(text);
            self.rows_mode.apply(statement.head);
            return;
        }
        let view = match statement.head {
            Head::View(_, target) => Some(target.name.clone()),
            _ => None,
        };
        if let Some(before) = amended.before {
            self.lines.push(Line { mode, ..Line::new(section, before.into_bytes(), stage) });
        }
        if is_table {
            self.tables.push(Table { line: self.lines.len(), mode });
        }
        let puts_back = matches!(statement.head, Head::Set(all) if puts_back(all));
        if stage.is_some() {
            let is_program = matches!(statement.head, Head::Program(..));
            self.set_for_program = self.set_for_program.filter(|_| is_program).map(|_| true);
        }
        self.lines.push(Line { view, puts_back, mode, ..Line::new(section, text, stage) });
    }

    /// Puts off the keys of large tables until those have their rows.
    pub(super) fn put_off_keys(&mut self, input: &OpenBackup) {
        let many =
            |section: usize| input.manifest.sections.get(section)?.rows.filter(|rows| *rows >= MANY_ROWS);
        let candidates: Vec<Candidate<'_>> = self
            .tables
            .iter()
            .map(|Table { line, mode }| {
                let line = &self.lines[*line];
                Candidate { create: &line.text, mode: *mode, large: many(line.section).is_some() }
            })
            .collect();
        let divided = divide(&candidates);
        let mut references = Vec::new();
        for (Table { line: at, mode }, divided) in self.tables.iter().zip(divided) {
            let Some(divided) = divided else { continue };
            let section = self.lines[*at].section;
            // The same settings hold as for the table itself. What follows it may be those of a trigger.
            let before = self.lines[self.settings(*at).start..*at].iter();
            let before: Vec<Line> = before.filter(|line| line.section == section).cloned().collect();
            let (adding, number) = (divided.keys_at_any_rate(), divided.number);
            if let Some(text) = divided.references {
                let stage = Some(LoadStage::References);
                references.extend_from_slice(&before);
                references.push(Line { mode: *mode, ..Line::new(section, text, stage) });
            }
            self.keys.insert(section, LateKeys { before, adding, number });
            self.lines[*at].text = divided.create;
        }
        if let (Some(first), Some(last)) = (references.first(), references.last()) {
            let turn = |line: &Line, text: &str| Line {
                stage: Some(LoadStage::References),
                text: text.into(),
                ..line.clone()
            };
            let (begin, end) = (turn(first, IN_TURN), turn(last, NEXT));
            self.lines.extend([begin].into_iter().chain(references).chain([end]));
        }
    }

    /// A line with its settings. Of those between two lines, what puts the session back is the first one's, and the rest the
    /// second's: so each finds the session as in the dump, whichever is sent before it.
    fn settings(&self, at: usize) -> Range<usize> {
        let former = self.lines[..at].iter().rposition(|line| line.stage.is_some());
        let start = former.map_or(0, |former| former + 1 + self.put_back_after(former));
        start..at + 1 + self.put_back_after(at)
    }

    /// How many settings after a line put back what it needed.
    fn put_back_after(&self, at: usize) -> usize {
        self.lines[at + 1..].iter().take_while(|line| line.stage.is_none() && line.puts_back).count()
    }

    /// What adds a table's keys, by its section's index; none where it was made with them.
    pub(super) fn keys(&self, section: usize) -> Option<&LateKeys> {
        self.keys.get(&section)
    }

    /// What a session is sent for a stage, in order, by parts that belong together: statements, and the settings before
    /// and after them.
    pub(super) fn parts(&self, stage: LoadStage) -> Vec<&[Line]> {
        self.ranges(stage).into_iter().map(|range| &self.lines[range]).collect()
    }

    fn ranges(&self, stage: LoadStage) -> Vec<Range<usize>> {
        let mut parts: Vec<Range<usize>> = Vec::new();
        let mut last: Option<usize> = None;
        for (index, line) in self.lines.iter().enumerate().filter(|(_, line)| line.stage == Some(stage)) {
            let Range { start, end } = self.settings(index);
            match parts.last_mut() {
                Some(part)
                    if part.end == start && last.is_some_and(|last| self.lines[last].belongs_with(line)) =>
                {
                    part.end = end;
                }
                _ => parts.push(start..end),
            }
            last = Some(index);
        }
        let ordered = |order: Vec<usize>| order.into_iter().map(|index| parts[index].clone()).collect();
        if stage == LoadStage::Structure {
            let creates: Vec<_> = parts.iter().map(|part| self.create(part)).collect();
            return ordered(children_first(&creates));
        }
        if stage != LoadStage::Views {
            return parts;
        }
        let views: Vec<(&str, Vec<u8>)> = parts
            .iter()
            .map(|part| {
                let lines = &self.lines[part.clone()];
                let name = lines.iter().find_map(|line| line.view.as_deref());
                let sql: Vec<&[u8]> = lines.iter().map(|line| line.text.as_slice()).collect();
                (name.unwrap_or_default(), sql.join(&b'\n'))
            })
            .collect();
        ordered(view_order(&views))
    }

    /// What makes a table, where there is one in these lines.
    fn create(&self, part: &Range<usize>) -> Option<(&[u8], QuoteMode)> {
        let at = self.tables.partition_point(|table| table.line < part.start);
        let Table { line, mode } = self.tables.get(at).filter(|table| part.contains(&table.line))?;
        Some((&self.lines[*line].text, *mode))
    }

    /// Whether the rows of a section must arrive in the order of the dump.
    pub(super) fn keeps_order(&self, section: usize) -> bool {
        self.in_order.binary_search(&section).is_ok()
    }
}

/// Whether a `SET` puts something aside for one statement.
fn saves(assignments: &[(String, Value)]) -> bool {
    assignments.iter().any(|(what, _)| {
        let what = what.to_ascii_lowercase();
        what.starts_with("@saved_") || what.starts_with("@save_")
    })
}

/// Whether a `SET` gives variables what was put aside, and does nothing else.
fn puts_back(assignments: &[(String, Value)]) -> bool {
    let is_users = |name: &str| name.starts_with('@') && !name.starts_with("@@");
    assignments
        .iter()
        .all(|(what, to)| !is_users(what) && matches!(to, Value::Variable(from) if is_users(from)))
}

/// Whether a table keeps its rows by a key, so that it does not matter when they arrive.
fn is_ordered_by_key(create: &Statement<'_>) -> bool {
    let tokens: Vec<_> = Tokens::new(create.text, Reading::Everything, create.mode.quotes()).collect();
    let primary = tokens.windows(2).any(|pair| pair[0].is("PRIMARY") && pair[1].is("KEY"));
    let innodb = engines(&tokens).next_back();
    primary && innodb.is_some_and(|engine| engine.eq_ignore_ascii_case("InnoDB"))
}

/// A statement that no dump contains.
pub(super) fn inadmissible(name: &str, statement: &Statement<'_>, why: String) -> Error {
    Error::Inadmissible { name: name.into(), statement: name_of(statement), offset: statement.offset, why }
}
