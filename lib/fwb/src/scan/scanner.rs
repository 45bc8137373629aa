//! The scanner: reads a dump as it passes and finds its statements, sections and rows.
//!
//! It splits the stream exactly as the `mariadb` client does (client/mysql.cc, `add_line`): quotes with the
//! session's `sql_mode`, comments, executable comments, `DELIMITER`. Sections follow from the statements and from
//! mariadb-dump's three-line comments, and those count only between statements: whatever a string, an identifier,
//! a routine body or a table's comment holds cannot begin one. Rows are counted and hashed where they stand; no
//! statement is ever kept whole, so memory does not depend on the input.

use super::comments::Comments;
use super::digest::RowHasher;
use super::head::{self, Head, Value};
use super::sections::Sections;
use super::sql_mode::SqlMode;
use super::tokens::{Reading, is_word};
use crate::error::Result;
use crate::manifest::{Section, SectionKind};

/// How much of a statement that is not `INSERT` is kept to look at, in bytes.
pub(crate) const TEXT_KEPT: usize = 1 << 20;
/// How far the scanner must see to know what begins, in bytes.
const LOOKAHEAD: usize = 64;
/// The first line of newer dumps; it is a client command, not part of a statement (MariaDB 10.5.25).
const SANDBOX_LINE: &[u8] = b"/*M!999999\\- enable the sandbox mode */";

/// Something that whoever cuts the stream acts on. Offsets are absolute, in bytes of SQL, and never decrease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// Between two statements, something else begins: another section, or rows after definitions, or definitions
    /// after rows.
    Segment {
        /// Where.
        at: u64,
        /// The section's index.
        section: usize,
        /// Whether `INSERT` statements follow.
        data: bool,
        /// Rows that ended before.
        rows: u64,
    },
    /// A statement has ended.
    StatementEnd {
        /// The offset after it and its line break.
        at: u64,
        /// Rows that ended before.
        rows: u64,
    },
}

/// A statement that has ended.
#[derive(Debug)]
pub(crate) struct Statement<'a> {
    /// Its text; the first [`TEXT_KEPT`] bytes where it is longer. Of an `INSERT`, what stands before the rows.
    pub(crate) text: &'a [u8],
    /// Whether `text` lacks something, an `INSERT`'s rows not counted.
    pub(crate) truncated: bool,
    /// Where it begins in the SQL, in bytes.
    pub(crate) offset: u64,
    /// What it does, with all executable comments opened.
    pub(crate) head: &'a Head,
    /// The `sql_mode` it was read under, as it bears on quotes.
    pub(crate) mode: SqlMode,
    /// Something that no dump contains, found while splitting.
    pub(crate) irregular: Option<&'static str>,
}

/// Told of every statement once it has ended.
pub(crate) type Observer<'o> = dyn FnMut(&Statement<'_>) -> Result<()> + 'o;

/// An observer for those who only count.
#[allow(clippy::unnecessary_wraps, reason = "an observer may fail")]
pub(crate) fn unobserved(_: &Statement<'_>) -> Result<()> {
    Ok(())
}

/// What the whole stream was.
#[derive(Debug)]
pub(crate) struct Summary {
    /// The sections, in order and without gaps.
    pub(crate) sections: Vec<Section>,
    /// Bytes in all.
    pub(crate) raw_size: u64,
    /// The longest statement, in bytes.
    pub(crate) largest_statement: u64,
    /// Why the dump cannot be complete; none where it is.
    pub(crate) incomplete: Option<&'static str>,
    /// What the header's comments say.
    pub(crate) origin: super::comments::Origin,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
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
enum Inside {
    Nothing,
    Quote(u8),
    /// A comment up to the end of the line.
    Line,
    /// A comment up to `*/`.
    Block,
    /// A `DELIMITER` line.
    Delimiter,
}

/// How far a step came.
enum Step {
    /// Go on at this index.
    To(usize),
    /// What stands at this index depends on what follows.
    Wait(usize),
}

/// How sure we are that the last thing seen is a dump's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum EndMark {
    None,
    /// The statement that puts `SQL_NOTES` back: the last one of a dump with `--skip-comments`.
    LastStatement,
    /// The line `-- Dump completed`.
    Line,
}

/// The statement that is being read.
#[derive(Debug, Default)]
struct Current {
    offset: u64,
    text: Vec<u8>,
    /// Where in the window the text goes on that is not in `text` yet.
    text_from: Option<usize>,
    truncated: bool,
    insert: bool,
    head: Option<Head>,
    irregular: Option<&'static str>,
    /// Parentheses open, for the column list before `VALUES`.
    depth: u32,
    /// Whether an executable comment was opened in this line, as the client sees it.
    executable: bool,
    /// Where in the window the row, or its last piece, begins.
    row_from: Option<usize>,
    /// The row's former pieces.
    row_pieces: Option<RowHasher>,
}

/// The state of a scan.
pub(crate) struct Scanner {
    place: Place,
    inside: Inside,
    delimiter: Vec<u8>,
    /// Bytes that need a look outside quotes.
    stops: [bool; 256],
    /// Bytes that need a look in a row outside quotes: those, and what no number or NULL is made of.
    row_stops: [bool; 256],
    mode: SqlMode,
    /// Absolute offset of the window's first byte.
    offset: u64,
    /// Whether only blanks stand before this place in its line.
    line_start: bool,
    /// Where the last statement ended, its line break included.
    boundary: u64,
    comments: Comments,
    statement: Current,
    sections: Sections,
    last_was_insert: bool,
    rows: u64,
    largest: u64,
    end_mark: EndMark,
    events: Vec<Event>,
}

impl Scanner {
    pub(crate) fn new() -> Self {
        let mut scanner = Self {
            place: Place::Gap,
            inside: Inside::Nothing,
            delimiter: Vec::new(),
            stops: [false; 256],
            row_stops: [false; 256],
            mode: SqlMode::default(),
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
        if self.place != Place::Gap && (self.place == Place::Text || self.place == Place::Prelude) {
            self.statement.text_from = Some(0);
        }
        if matches!(self.place, Place::Row(_)) {
            self.statement.row_from = Some(0);
        }
        while at < window.len() {
            let step = match (self.inside, self.place) {
                (Inside::Quote(quote), _) => self.in_quote(window, at, eof, quote),
                (Inside::Line, _) => self.in_line_comment(window, at),
                (Inside::Block, _) => self.in_block_comment(window, at, eof),
                (Inside::Delimiter, _) => self.in_delimiter_line(window, at),
                (Inside::Nothing, Place::Gap) => self.in_gap(window, at, eof),
                (Inside::Nothing, Place::Text) => self.in_text(window, at, eof, observer)?,
                (Inside::Nothing, Place::Prelude) => self.in_prelude(window, at, eof, observer)?,
                (Inside::Nothing, Place::Rows) => self.in_rows(window, at, eof, observer)?,
                (Inside::Nothing, Place::Row(depth)) => self.in_row(window, at, eof, depth, observer)?,
            };
            match step {
                Step::To(next) => at = next,
                Step::Wait(done) => {
                    at = done;
                    break;
                }
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

    /// Rows that have ended so far.
    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    /// Whether the scan is inside a statement.
    pub(crate) fn in_statement(&self) -> bool {
        self.place != Place::Gap
    }

    /// The section that is being read: its index, kind and name.
    pub(crate) fn section(&self) -> (usize, SectionKind, Option<&str>) {
        let (kind, name) = self.sections.current();
        (self.sections.index(), kind, name)
    }

    /// Decides now what the unfinished statement is, because the stream must be cut before its end.
    pub(crate) fn settle(&mut self) {
        match self.place {
            Place::Gap => {
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
        if self.inside == Inside::Line && self.place == Place::Gap {
            self.end_line_comment();
        }
        if self.place != Place::Gap {
            incomplete = Some("it ends in the middle of a statement");
            self.statement.irregular.get_or_insert("it has no end");
            self.end_statement(&[], 0, observer)?;
        } else if self.inside == Inside::Block {
            incomplete = Some("it ends in the middle of a comment");
        } else if self.end_mark == EndMark::None {
            incomplete = Some("its last line is not \"-- Dump completed\"");
        }
        Ok(Summary {
            raw_size: self.offset,
            largest_statement: self.largest,
            incomplete,
            origin: self.comments.into_origin(),
            sections: self.sections.finish(self.offset),
        })
    }

    fn set_delimiter(&mut self, delimiter: &[u8]) {
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

    fn in_quote(&mut self, window: &[u8], at: usize, eof: bool, quote: u8) -> Step {
        let mode = self.mode.quotes();
        if let Some(close) = mode.closing(window, at, quote) {
            self.inside = Inside::Nothing;
            return Step::To(close + 1);
        }
        // A backslash at the very end escapes what comes next.
        let trailing = window[at..].iter().rev().take_while(|byte| **byte == b'\\').count();
        if !eof && mode.escapes(quote) && trailing % 2 == 1 {
            return Step::Wait(window.len() - 1);
        }
        Step::To(window.len())
    }

    fn in_line_comment(&mut self, window: &[u8], at: usize) -> Step {
        let end = memchr::memchr(b'\n', &window[at..]).map(|found| at + found);
        if self.place == Place::Gap {
            self.comments.extend(&window[at..end.unwrap_or(window.len())]);
        }
        let Some(end) = end else { return Step::To(window.len()) };
        self.inside = Inside::Nothing;
        self.statement.executable = false;
        if self.place == Place::Gap {
            self.end_line_comment();
            self.line_start = true;
            self.comments.mark_gap(self.offset + end as u64 + 1);
        }
        Step::To(end + 1)
    }

    fn end_line_comment(&mut self) {
        if self.comments.is_end_mark() {
            self.end_mark = EndMark::Line;
        }
        let in_header = self.sections.index() == 0;
        if let Some(announcement) = self.comments.end_line(in_header) {
            let opened = self.sections.announce(announcement);
            self.segment(opened, false);
        }
    }

    fn in_block_comment(&mut self, window: &[u8], at: usize, eof: bool) -> Step {
        for index in memchr::memchr3_iter(b'*', b'/', b'\n', &window[at..]).map(|found| at + found) {
            match &window[index..] {
                [b'\n', ..] => self.statement.executable = false,
                [b'*', b'/', ..] if self.statement.executable => self.statement.executable = false,
                [b'*', b'/', ..] => {
                    self.inside = Inside::Nothing;
                    return Step::To(index + 2);
                }
                [b'/', b'*', b'!', ..] => {
                    self.statement.executable = true;
                    self.distrust_comment(index);
                }
                [b'*' | b'/'] | [b'/', b'*'] if !eof => return Step::Wait(index),
                _ => {}
            }
        }
        Step::To(window.len())
    }

    /// The client takes the end of an executable comment inside a plain one for nothing, the server takes it for the
    /// end of both. What stands there is shown to the observer as a statement, so that it is not passed over.
    fn distrust_comment(&mut self, at: usize) {
        if self.place == Place::Gap {
            let offset = self.offset + at as u64;
            self.statement = Current { offset, text_from: Some(at), executable: true, ..Current::default() };
            self.place = Place::Text;
        }
        self.statement.irregular.get_or_insert("an executable comment stands inside a comment");
    }

    fn in_delimiter_line(&mut self, window: &[u8], at: usize) -> Step {
        if self.last_was_insert {
            // Rows are handed on as they stand, and this line is not one of them.
            self.last_was_insert = false;
            self.segment(Some(self.boundary), false);
        }
        // The line fits in what the scanner waited for; a longer one is cut there.
        let end = memchr::memchr(b'\n', &window[at..]).map_or(window.len(), |found| at + found);
        let line = &window[at + b"DELIMITER".len()..end];
        let delimiter = line.split(u8::is_ascii_whitespace).find(|word| !word.is_empty());
        self.set_delimiter(delimiter.unwrap_or(b";"));
        self.inside = Inside::Nothing;
        self.line_start = true;
        let next = (end + 1).min(window.len());
        if self.delimiter == b";" {
            self.end_unit(self.offset + next as u64);
        }
        Step::To(next)
    }

    fn in_gap(&mut self, window: &[u8], at: usize, eof: bool) -> Step {
        let rest = &window[at..];
        match rest[0] {
            b'\n' => {
                if self.line_start {
                    self.comments.blank_line();
                }
                self.line_start = true;
                return Step::To(at + 1);
            }
            byte if byte.is_ascii_whitespace() => return Step::To(at + 1),
            _ => {}
        }
        if rest.len() < LOOKAHEAD && !eof {
            return Step::Wait(at);
        }
        if rest.starts_with(SANDBOX_LINE) {
            return Step::To(at + SANDBOX_LINE.len());
        }
        let dashes =
            rest.starts_with(b"--") && (self.line_start || rest.get(2).is_none_or(u8::is_ascii_whitespace));
        if dashes || rest[0] == b'#' {
            self.inside = Inside::Line;
            self.comments.begin_line();
            return Step::To(at);
        }
        if is_plain_comment(rest) {
            self.inside = Inside::Block;
            return Step::To(at + 2);
        }
        if self.line_start && is_delimiter_command(rest) {
            self.inside = Inside::Delimiter;
            return Step::To(at);
        }
        if rest.starts_with(&self.delimiter) {
            self.line_start = false;
            return Step::To(at + self.delimiter.len());
        }
        self.begin_statement(rest, at);
        Step::To(at)
    }

    fn begin_statement(&mut self, rest: &[u8], at: usize) {
        let word = rest.iter().take_while(|byte| is_word(**byte)).count();
        let insert =
            rest[..word].eq_ignore_ascii_case(b"INSERT") || rest[..word].eq_ignore_ascii_case(b"REPLACE");
        let mut text = std::mem::take(&mut self.statement.text);
        text.clear();
        self.statement = Current {
            offset: self.offset + at as u64,
            text,
            text_from: Some(at),
            insert,
            ..Current::default()
        };
        self.place = if insert { Place::Prelude } else { Place::Text };
        self.line_start = false;
        self.end_mark = EndMark::None;
        self.comments.end_block();
    }

    /// Handles a byte outside quotes that may begin a comment, a quote or the delimiter. None: it is just a byte.
    fn special(
        &mut self,
        window: &[u8],
        at: usize,
        eof: bool,
        observer: &mut Observer<'_>,
    ) -> Result<Option<Step>> {
        let rest = &window[at..];
        let needs = (self.delimiter.len() + 1).max(4);
        if rest.len() < needs && !eof {
            return Ok(Some(Step::Wait(at)));
        }
        if rest.starts_with(&self.delimiter) {
            return self.end_statement(window, at, observer).map(|next| Some(Step::To(next)));
        }
        let step = match rest {
            [quote @ (b'\'' | b'"' | b'`'), ..] => {
                self.inside = Inside::Quote(*quote);
                Step::To(at + 1)
            }
            [b'\\', ..] => {
                self.statement.irregular.get_or_insert("a backslash stands outside of quotes");
                Step::To((at + 2).min(window.len()))
            }
            [b'#', ..] => {
                self.inside = Inside::Line;
                Step::To(at)
            }
            [b'-', b'-', third, ..] if third.is_ascii_whitespace() => {
                self.inside = Inside::Line;
                Step::To(at)
            }
            [b'/', b'*', b'!', ..] => {
                self.statement.executable = true;
                Step::To(at + 3)
            }
            [b'/', b'*', b'M', b'!', ..] => Step::To(at + 4),
            [b'/', b'*', ..] => {
                if self.statement.executable {
                    self.statement.irregular.get_or_insert("a comment stands inside an executable comment");
                }
                self.inside = Inside::Block;
                Step::To(at + 2)
            }
            [b'*', b'/', ..] => {
                self.statement.executable = false;
                Step::To(at + 2)
            }
            [b'\n', ..] => {
                self.statement.executable = false;
                Step::To(at + 1)
            }
            _ => return Ok(None),
        };
        Ok(Some(step))
    }

    fn in_text(&mut self, window: &[u8], at: usize, eof: bool, observer: &mut Observer<'_>) -> Result<Step> {
        let looks = |byte: &u8| self.stops[usize::from(*byte)] || *byte == b'*' || *byte == b'\n';
        let Some(stop) = window[at..].iter().position(looks).map(|found| at + found) else {
            return Ok(Step::To(window.len()));
        };
        Ok(self.special(window, stop, eof, observer)?.unwrap_or(Step::To(stop + 1)))
    }

    fn in_prelude(
        &mut self,
        window: &[u8],
        at: usize,
        eof: bool,
        observer: &mut Observer<'_>,
    ) -> Result<Step> {
        if let Some(step) = self.special(window, at, eof, observer)? {
            let quote = matches!(self.inside, Inside::Quote(_));
            if self.place == Place::Prelude && !quote && !matches!(step, Step::Wait(_)) && window[at] != b'\n'
            {
                self.statement.irregular.get_or_insert("a comment stands in an INSERT");
            }
            return Ok(step);
        }
        let word = window[at..].iter().take(LOOKAHEAD).take_while(|byte| is_word(**byte)).count();
        if word == 0 {
            match window[at] {
                b'(' => self.statement.depth += 1,
                b')' => self.statement.depth = self.statement.depth.saturating_sub(1),
                _ => {}
            }
            return Ok(Step::To(at + 1));
        }
        if at + word == window.len() && word < LOOKAHEAD && !eof {
            return Ok(Step::Wait(at));
        }
        let text = &window[at..at + word];
        let values = text.eq_ignore_ascii_case(b"VALUES") || text.eq_ignore_ascii_case(b"VALUE");
        if values && self.statement.depth == 0 {
            self.keep_text(window, at + word);
            self.place = Place::Rows;
            self.classify();
        }
        Ok(Step::To(at + word))
    }

    fn in_rows(&mut self, window: &[u8], at: usize, eof: bool, observer: &mut Observer<'_>) -> Result<Step> {
        let between = |byte: &u8| byte.is_ascii_whitespace() || *byte == b',';
        let at = at + window[at..].iter().take_while(|byte| between(byte)).count();
        if at == window.len() {
            return Ok(Step::To(at));
        }
        if window[at] == b'(' {
            self.statement.row_from = Some(at);
            self.place = Place::Row(1);
            return Ok(Step::To(at + 1));
        }
        if self.delimiter[0] != window[at] {
            self.statement.irregular.get_or_insert("something other than rows follows VALUES");
        }
        if let Some(step) = self.special(window, at, eof, observer)? {
            return Ok(step);
        }
        self.statement.irregular.get_or_insert("something other than rows follows VALUES");
        Ok(Step::To(at + 1))
    }

    fn in_row(
        &mut self,
        window: &[u8],
        from: usize,
        eof: bool,
        depth: u32,
        observer: &mut Observer<'_>,
    ) -> Result<Step> {
        let mode = self.mode.quotes();
        let mut at = from;
        loop {
            at += window[at..].iter().take_while(|byte| !self.row_stops[usize::from(**byte)]).count();
            let Some(byte) = window.get(at) else { return Ok(Step::To(window.len())) };
            match byte {
                b'\'' => match mode.closing(window, at + 1, b'\'') {
                    Some(close) => at = close + 1,
                    None => {
                        self.inside = Inside::Quote(b'\'');
                        return Ok(Step::To(at + 1));
                    }
                },
                b')' if depth == 1 => {
                    self.end_row(window, at + 1);
                    return Ok(Step::To(at + 1));
                }
                b')' => {
                    self.place = Place::Row(depth - 1);
                    return Ok(Step::To(at + 1));
                }
                b'(' => {
                    self.statement.irregular.get_or_insert("a row holds an expression");
                    self.place = Place::Row(depth.saturating_add(1));
                    return Ok(Step::To(at + 1));
                }
                _ => match self.special(window, at, eof, observer)? {
                    Some(step) => {
                        if !matches!(step, Step::Wait(_)) {
                            self.statement.irregular.get_or_insert("a row holds something other than values");
                        }
                        return Ok(step);
                    }
                    None => match self.odd_value(window, at, eof) {
                        Some(next) => at = next,
                        None => return Ok(Step::Wait(at)),
                    },
                },
            }
        }
    }

    /// Passes over something in a row that is neither a quote nor made of the usual bytes, and returns the index
    /// after it; none where it may go on after the window. A character set's name before a string is the one such
    /// thing that dumps contain: `_binary 'x'`.
    fn odd_value(&mut self, window: &[u8], at: usize, eof: bool) -> Option<usize> {
        if window[at] == b'-' {
            return Some(at + 1);
        }
        let word = window[at..].iter().take(LOOKAHEAD).take_while(|byte| is_word(**byte)).count();
        if at + word == window.len() && word < LOOKAHEAD && !eof {
            return None;
        }
        if window[at] != b'_' || word == LOOKAHEAD {
            self.statement.irregular.get_or_insert("a row holds something other than values");
        }
        Some(at + word.max(1))
    }

    fn end_row(&mut self, window: &[u8], end: usize) {
        self.place = Place::Rows;
        self.rows += 1;
        let Some(from) = self.statement.row_from.take() else { return };
        let last_piece = &window[from..end];
        match self.statement.row_pieces.take() {
            None => self.sections.add_row(|digest| digest.add(last_piece)),
            Some(mut pieces) => {
                pieces.update(last_piece);
                self.sections.add_row(|digest| pieces.finish_into(digest));
            }
        }
    }

    /// Keeps the part of a statement's text that lies in this window, up to `end`.
    fn keep_text(&mut self, window: &[u8], end: usize) {
        let Some(from) = self.statement.text_from.take() else { return };
        let room = TEXT_KEPT - self.statement.text.len();
        let piece = &window[from..end];
        self.statement.truncated |= piece.len() > room;
        self.statement.text.extend_from_slice(&piece[..piece.len().min(room)]);
    }

    /// Finds out what the statement is and which section it belongs to.
    fn classify(&mut self) {
        if self.statement.head.is_some() {
            return;
        }
        let head = head::parse(&self.statement.text, Reading::Everything, self.mode.quotes());
        let data = self.statement.insert;
        let opened = self.sections.statement(&head, self.boundary);
        let turned = (data != self.last_was_insert).then_some(self.boundary);
        self.segment(opened.or(turned), data);
        self.last_was_insert = data;
        self.statement.head = Some(head);
    }

    fn segment(&mut self, at: Option<u64>, data: bool) {
        if let Some(at) = at {
            self.events.push(Event::Segment { at, section: self.sections.index(), data, rows: self.rows });
        }
    }

    /// Ends the statement; the delimiter stands at `at`. Returns the index after it and its line break.
    fn end_statement(&mut self, window: &[u8], at: usize, observer: &mut Observer<'_>) -> Result<usize> {
        self.keep_text(window, at);
        if self.statement.insert && self.delimiter != b";" {
            self.statement.irregular.get_or_insert("it is an INSERT under another delimiter");
        }
        if self.place == Place::Prelude {
            self.statement.irregular.get_or_insert("it is an INSERT without VALUES");
        }
        self.classify();
        let size = self.offset + at as u64 - self.statement.offset;
        self.largest = self.largest.max(size);
        let head = self.statement.head.take().unwrap_or(Head::Empty);
        let told = observer(&Statement {
            text: &self.statement.text,
            truncated: self.statement.truncated,
            offset: self.statement.offset,
            head: &head,
            mode: self.mode,
            irregular: self.statement.irregular,
        });
        self.mode.apply(&head);
        if is_last_statement(&head) {
            self.end_mark = EndMark::LastStatement;
        }
        self.place = Place::Gap;
        self.statement.row_from = None;
        self.statement.row_pieces = None;
        let mut next = (at + self.delimiter.len()).min(window.len());
        if window.get(next) == Some(&b'\n') {
            next += 1;
            self.line_start = true;
        }
        if self.delimiter == b";" {
            self.end_unit(self.offset + next as u64);
        }
        told.map(|()| next)
    }

    fn end_unit(&mut self, at: u64) {
        self.boundary = at;
        self.comments.mark_gap(at);
        self.events.push(Event::StatementEnd { at, rows: self.rows });
    }
}

/// Whether a byte outside quotes belongs to what rows consist of: numbers, hexadecimal literals, NULL, commas.
fn in_value(byte: u8) -> bool {
    byte.is_ascii_hexdigit() || byte.is_ascii_whitespace() || b",.+-xXnNuUlL".contains(&byte)
}

/// `/*` that begins neither `/*!` nor `/*M!`.
fn is_plain_comment(text: &[u8]) -> bool {
    text.starts_with(b"/*") && !text.starts_with(b"/*!") && !text.starts_with(b"/*M!")
}

/// `DELIMITER` and a blank, in any case.
fn is_delimiter_command(text: &[u8]) -> bool {
    let word = b"DELIMITER";
    text.len() > word.len()
        && text[..word.len()].eq_ignore_ascii_case(word)
        && matches!(text[word.len()], b' ' | b'\t')
}

/// The last statement that mariadb-dump and mysqldump write: `SET SQL_NOTES=@OLD_SQL_NOTES`.
fn is_last_statement(head: &Head) -> bool {
    let Head::Set(assignments) = head else { return false };
    assignments.iter().any(|(what, to)| {
        what.eq_ignore_ascii_case("SQL_NOTES")
            && matches!(to, Value::Variable(from) if from.eq_ignore_ascii_case("@OLD_SQL_NOTES"))
    })
}
