//! The scanner: reads a dump as it passes and finds its statements, sections and rows.
//!
//! It splits the stream exactly as the `mariadb` client does (client/mysql.cc, `add_line`): quotes with the
//! session's `sql_mode`, comments, executable comments, `DELIMITER`. Sections follow from the statements and from
//! mariadb-dump's three-line comments, and those count only between statements: whatever a string, an identifier,
//! a routine body or a table's comment holds cannot begin one. Rows are counted and hashed where they stand; no
//! statement is ever kept whole, so memory does not depend on the input.

use super::comments::Comments;
use super::digest::RowHasher;
use super::head::{self, Head, Value, Verb};
use super::outcome::{Event, Observer, Statement, Summary};
use super::sections::Sections;
use super::sql_mode::SqlMode;
use super::statement::in_value;
use super::tokens::Reading;
use crate::error::Result;
use crate::manifest::SectionKind;

/// How much of a statement that is not `INSERT` is kept to look at, in bytes.
pub(crate) const TEXT_KEPT: usize = 1 << 20;
/// How far the scanner must see to know what begins, in bytes.
pub(super) const LOOKAHEAD: usize = 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ScanState {
    /// Between two statements.
    Gap,
    /// In a statement, outside of rows.
    Text,
    /// In an `INSERT`, before its rows.
    Prelude,
    /// Between the rows of an `INSERT`.
    Rows,
    /// In a row, this many parentheses deep.
    Row(u32),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Inside {
    Nothing,
    Quote(u8),
    /// A comment up to the end of the line.
    Line,
    /// A comment up to `*/`.
    Block,
    /// What stands after the word in a `DELIMITER` line.
    Delimiter,
}

/// How far a step came.
pub(super) enum Step {
    /// Go on at this index.
    To(usize),
    /// What stands at this index depends on what follows.
    Wait(usize),
}

/// How strongly the last element of the stream suggests that the dump is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EndMark {
    None,
    /// The statement that puts `SQL_NOTES` back: the last one of a dump with `--skip-comments`.
    LastStatement,
    /// The line `-- Dump completed`.
    Line,
}

/// The statement that is being read.
#[derive(Debug, Default)]
pub(super) struct Current {
    pub(super) offset: u64,
    pub(super) text: Vec<u8>,
    /// Where in the window the text goes on that is not in `text` yet.
    pub(super) text_from: Option<usize>,
    pub(super) truncated: bool,
    pub(super) insert: bool,
    pub(super) head: Option<Head>,
    pub(super) irregular: Option<&'static str>,
    /// Parentheses open, for the column list before `VALUES`.
    pub(super) depth: u32,
    /// Whether the word before `VALUES` that is being read is longer than any keyword.
    pub(super) long_word: bool,
    /// Whether a comment stands inside an executable one.
    pub(super) nested_comment: bool,
    /// Where in the window the row, or its last piece, begins.
    pub(super) row_from: Option<usize>,
    /// The row's former pieces.
    pub(super) row_pieces: Option<RowHasher>,
}

/// The state of a scan.
pub(crate) struct Scanner {
    pub(super) state: ScanState,
    pub(super) inside: Inside,
    pub(super) delimiter: Vec<u8>,
    /// Bytes that need a look outside quotes.
    pub(super) stops: [bool; 256],
    /// Bytes that need a look in a row outside quotes: those, and what no number or NULL is made of.
    pub(super) row_stops: [bool; 256],
    pub(super) mode: SqlMode,
    /// Whether an executable comment was opened in this line: the client forgets it at the line's end.
    pub(super) executable: bool,
    /// Absolute offset of the window's first byte.
    pub(super) offset: u64,
    /// Whether only blanks stand before this place in its line.
    pub(super) line_start: bool,
    /// Where the last statement ended, its line break included.
    pub(super) boundary: u64,
    pub(super) comments: Comments,
    pub(super) statement: Current,
    pub(super) sections: Sections,
    pub(super) last_was_insert: bool,
    pub(super) rows: u64,
    pub(super) largest: u64,
    pub(super) end_mark: EndMark,
    pub(super) events: Vec<Event>,
}

impl Scanner {
    pub(crate) fn new() -> Self {
        Self::under(SqlMode::default())
    }

    /// One of a stream that begins under a mode.
    pub(crate) fn under(mode: SqlMode) -> Self {
        let mut scanner = Self {
            state: ScanState::Gap,
            inside: Inside::Nothing,
            delimiter: Vec::new(),
            stops: [false; 256],
            row_stops: [false; 256],
            mode,
            executable: false,
            offset: 0,
            line_start: true,
            boundary: 0,
            comments: Comments::default(),
            statement: Current::default(),
            sections: Sections::new(),
            last_was_insert: false,
            rows: 0,
            largest: 0,
            end_mark: EndMark::None,
            events: Vec::new(),
        };
        scanner.set_delimiter(b";");
        scanner
    }

    /// Scans `window`, which begins where the last call stopped, and returns how many bytes are done: all of
    /// them but for at most 64 whose meaning depends on what follows. With `eof` nothing follows.
    ///
    /// # Errors
    /// Only what `observer` returns.
    pub(crate) fn scan(&mut self, window: &[u8], eof: bool, observer: &mut Observer<'_>) -> Result<usize> {
        let mut at = 0;
        match self.state {
            ScanState::Text | ScanState::Prelude => self.statement.text_from = Some(0),
            ScanState::Row(_) => self.statement.row_from = Some(0),
            ScanState::Gap | ScanState::Rows => {}
        }
        while at < window.len() {
            let opened = self.executable && self.inside != Inside::Block;
            let step = match (self.inside, self.state) {
                (Inside::Quote(quote), _) => self.in_quote(window, at, eof, quote),
                (Inside::Line, _) => self.in_line_comment(window, at),
                (Inside::Block, _) => self.in_block_comment(window, at, eof),
                (Inside::Delimiter, _) => self.in_delimiter_line(window, at),
                (Inside::Nothing, ScanState::Gap) => self.in_gap(window, at, eof),
                (Inside::Nothing, ScanState::Text) => self.in_text(window, at, eof, observer)?,
                (Inside::Nothing, ScanState::Prelude) => self.in_prelude(window, at, eof, observer)?,
                (Inside::Nothing, ScanState::Rows) => self.in_rows(window, at, eof, observer)?,
                (Inside::Nothing, ScanState::Row(depth)) => self.in_row(window, at, eof, depth, observer)?,
            };
            let (next, wait) = match step {
                Step::To(next) => (next, false),
                Step::Wait(next) => (next, true),
            };
            if opened && memchr::memchr(b'\n', &window[at..next]).is_some() {
                self.executable = false;
            }
            at = next;
            if wait {
                break;
            }
        }
        self.keep_text(window, at);
        if let Some(from) = self.statement.row_from.take() {
            self.statement.row_pieces.get_or_insert_with(RowHasher::new).update(&window[from..at]);
        }
        self.offset += at as u64;
        Ok(at)
    }

    /// The events since the last call.
    pub(crate) fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// No [`Event::Segment`] that is still to come begins before this place.
    pub(crate) fn settled(&self) -> u64 {
        self.sections.settled(self.boundary)
    }

    /// Rows that have ended so far.
    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    /// Whether the scan is inside a statement.
    pub(crate) fn in_statement(&self) -> bool {
        self.state != ScanState::Gap
    }

    /// The section that is being read: its index, kind and name.
    pub(crate) fn section(&self) -> (usize, SectionKind, Option<&str>) {
        let (kind, name) = self.sections.current();
        (self.sections.index(), kind, name)
    }

    /// Decides now what the unfinished statement is, because the stream must be cut before its end.
    pub(crate) fn force_boundary(&mut self) {
        match self.state {
            ScanState::Gap => {
                self.boundary = self.offset;
                self.comments.mark_gap(self.offset);
            }
            _ => self.classify(),
        }
    }

    /// Ends the scan; the last window was given with `eof`.
    ///
    /// # Errors
    /// Only what `observer` returns for a last statement that has no delimiter, which the client executes too.
    pub(crate) fn finish(mut self, observer: &mut Observer<'_>) -> Result<Summary> {
        let mut incomplete = None;
        if self.inside == Inside::Line && self.state == ScanState::Gap {
            self.end_line_comment();
        }
        if self.state != ScanState::Gap {
            incomplete = Some("it ends in the middle of a statement");
            self.statement.irregular.get_or_insert("it has no end");
            self.end_statement(&[], 0, observer)?;
        } else if self.inside == Inside::Block {
            incomplete = Some("it ends in the middle of a comment");
        } else if self.sections.are_too_many() {
            incomplete = Some("it has more than a million tables, views and programs");
        } else if self.end_mark == EndMark::None {
            incomplete = Some("its last line is not \"-- Dump completed\"");
        }
        Ok(Summary {
            raw_size: self.offset,
            largest_statement: self.largest,
            incomplete,
            says_completed: self.end_mark == EndMark::Line,
            origin: self.comments.into_origin(),
            sections: self.sections.finish(self.offset),
        })
    }

    pub(super) fn set_delimiter(&mut self, delimiter: &[u8]) {
        self.delimiter = delimiter.to_vec();
        self.stops = [false; 256];
        for byte in b"'\"`()\\#-/" {
            self.stops[usize::from(*byte)] = true;
        }
        self.stops[usize::from(delimiter[0])] = true;
        for byte in 0..=u8::MAX {
            self.row_stops[usize::from(byte)] = self.stops[usize::from(byte)] || !in_value(byte);
        }
    }

    /// Keeps the part of a statement's text that lies in this window, up to `end`.
    pub(super) fn keep_text(&mut self, window: &[u8], end: usize) {
        let Some(from) = self.statement.text_from.take() else { return };
        let room = TEXT_KEPT - self.statement.text.len();
        let piece = &window[from..end];
        self.statement.truncated |= piece.len() > room;
        self.statement.text.extend_from_slice(&piece[..piece.len().min(room)]);
    }

    /// Finds out what the statement is and which section it belongs to.
    pub(super) fn classify(&mut self) {
        if self.statement.head.is_some() {
            return;
        }
        let mut head = head::parse(&self.statement.text, Reading::Everything, self.mode.quotes());
        let data = self.statement.insert;
        let opened = self.sections.statement(&mut head, self.boundary);
        let turned = (data != self.last_was_insert).then_some(self.boundary);
        self.segment(opened.or(turned), data);
        self.last_was_insert = data;
        self.statement.head = Some(head);
    }

    pub(super) fn segment(&mut self, at: Option<u64>, data: bool) {
        if let Some(at) = at {
            self.events.push(Event::Segment { at, section: self.sections.index(), data, rows: self.rows });
        }
    }

    /// Ends the statement; the delimiter stands at `at`. Returns the index after it and its line break.
    pub(super) fn end_statement(
        &mut self,
        window: &[u8],
        at: usize,
        observer: &mut Observer<'_>,
    ) -> Result<usize> {
        self.keep_text(window, at);
        self.classify();
        let head = self.statement.head.take().unwrap_or(Head::Empty);
        if let Some(irregular) = self.irregular(&head) {
            self.statement.irregular.get_or_insert(irregular);
        }
        let size = self.offset + at as u64 - self.statement.offset;
        self.largest = self.largest.max(size);
        let mut next = (at + self.delimiter.len()).min(window.len());
        if window.get(next) == Some(&b'\n') {
            next += 1;
            self.line_start = true;
        }
        let told = observer(&Statement {
            text: &self.statement.text,
            truncated: self.statement.truncated,
            offset: self.statement.offset,
            end: self.offset + at as u64,
            next: self.offset + next as u64,
            head: &head,
            mode: self.mode,
            irregular: self.statement.irregular,
        });
        self.mode.apply(&head);
        if is_last_statement(&head) {
            self.end_mark = EndMark::LastStatement;
        }
        self.state = ScanState::Gap;
        self.drop_row();
        if self.delimiter == b";" {
            self.end_unit(self.offset + next as u64);
        }
        told.map(|()| next)
    }

    /// What no dump contains, as far as it shows at a statement's end.
    fn irregular(&self, head: &Head) -> Option<&'static str> {
        let rows_are_read = matches!(self.state, ScanState::Rows | ScanState::Row(_));
        match head {
            Head::Insert(_) if !rows_are_read => Some("it is an INSERT whose rows cannot be read"),
            // A trigger stands in an executable comment, whatever comments its body holds.
            Head::Program(Verb::Create, ..) => None,
            _ if self.statement.nested_comment => Some("a comment stands inside an executable comment"),
            _ if matches!(self.state, ScanState::Row(_)) => Some("it ends inside a row"),
            _ => None,
        }
    }

    pub(super) fn end_unit(&mut self, at: u64) {
        self.boundary = at;
        self.comments.mark_gap(at);
        self.events.push(Event::StatementEnd { at, rows: self.rows });
    }
}

/// The last statement that mariadb-dump and mysqldump write: `SET SQL_NOTES=@OLD_SQL_NOTES`.
fn is_last_statement(head: &Head) -> bool {
    let Head::Set(assignments) = head else { return false };
    assignments.iter().any(|(what, to)| {
        what.eq_ignore_ascii_case("SQL_NOTES")
            && matches!(to, Value::Variable(from) if from.eq_ignore_ascii_case("@OLD_SQL_NOTES"))
    })
}
