//! A dump read slowly: what the scanner must find, found another way.
//!
//! The whole input lies in memory and is read byte by byte, with neither windows nor searches. It is written from
//! MariaDB's manual ("mariadb Command-Line Client", "Comment Syntax", "String Literals") and from what the client
//! does (client/mysql.cc, `read_and_execute` and `add_line`, comments not sent), not from the scanner. Only what a
//! single statement is about comes from [`head::parse`], which has its own table of cases.
//!
//! Where both differ from the client on purpose, because no dump contains it and [`Statement::irregular`] or the
//! list of admitted statements refuses it:
//! - the only client command is `DELIMITER` with an argument, at the beginning of a line; the client also knows it
//!   as a whole statement inside of a line, takes quotes off its argument, and finds it however far it stands
//!   from the word;
//! - a backslash outside of quotes is a command to the client; here it and the next byte are just bytes;
//! - a plain comment between statements that holds `/*!` or `/*/` counts as a statement from there on;
//! - NUL bytes and byte order marks are just bytes; the sandbox line is none of the statement after it;
//! - a last statement without delimiter is one even inside of a string.

mod agreement;
mod groups;
mod rows;

pub(crate) use agreement::assert_agreement;
#[cfg(test)]
pub(crate) use agreement::{scanned, told};

use std::fmt;

use groups::Groups;
use rows::{begins_with_insert, end_of_values};

use super::head::{self, Head, Value};
use super::sections::Announcement;
use super::tokens::{QuoteMode, Reading};
use crate::manifest::SectionKind;

/// What a stream of SQL is.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Reference {
    /// Offset and text of each statement; of an `INSERT`, the text before its rows.
    pub(crate) statements: Vec<(u64, Text)>,
    pub(crate) sections: Vec<Part>,
    pub(crate) complete: bool,
}

/// SQL, shown as text.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Text(pub(crate) Vec<u8>);

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(&self.0))
    }
}

/// A section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) kind: SectionKind,
    pub(crate) name: Option<String>,
    pub(crate) raw_offset: u64,
    pub(crate) raw_size: u64,
    /// Their number and the sum of their hashes, of a table.
    pub(crate) rows: Option<(u64, String)>,
}

/// Reads a stream of SQL.
pub(crate) fn read(sql: &[u8]) -> Reference {
    let mut reader = Reader::new(sql);
    while reader.at < sql.len() {
        reader.between_statements();
    }
    reader.finish()
}

/// What stands at one place outside of quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Element {
    Code,
    /// A quoted string or name, or a backslash and what follows it.
    Quoted,
    LineComment,
    /// A comment up to `*/`; where client and server disagree about its end, if they do.
    BlockComment(Option<usize>),
    Delimiter,
}

struct Reader<'a> {
    sql: &'a [u8],
    at: usize,
    /// The number of the line that each byte stands in.
    lines: Vec<usize>,
    /// The line in which the client saw an executable comment begin and not end.
    executable: Option<usize>,
    delimiter: Vec<u8>,
    /// `sql_mode`, `@saved_sql_mode` and `@OLD_SQL_MODE`.
    modes: [QuoteMode; 3],
    /// After the last statement that ended with `;`, or the last `DELIMITER ;`.
    boundary: usize,
    /// After the last comment line, or the boundary.
    quiet_from: usize,
    /// An announcement that has begun: where, whether its first line ends with `\r`, and its lines.
    announcing: Option<(usize, bool, Vec<Vec<u8>>)>,
    unfinished: bool,
    complete: bool,
    statements: Vec<(u64, Text)>,
    groups: Groups,
}

impl<'a> Reader<'a> {
    fn new(sql: &'a [u8]) -> Self {
        let mut line = 0;
        let lines = sql.iter().map(|byte| {
            line += usize::from(*byte == b'\n');
            line - usize::from(*byte == b'\n')
        });
        Self {
            sql,
            at: 0,
            lines: lines.collect(),
            executable: None,
            delimiter: b";".to_vec(),
            modes: [QuoteMode::default(); 3],
            boundary: 0,
            quiet_from: 0,
            announcing: None,
            unfinished: false,
            complete: false,
            statements: Vec::new(),
            groups: Groups::default(),
        }
    }

    fn looking_at(&self, at: usize, text: &[u8]) -> bool {
        self.sql[at..].starts_with(text)
    }

    fn is_blank(byte: u8) -> bool {
        matches!(byte, b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r')
    }

    fn end_of_line(&self, at: usize) -> usize {
        (at..self.sql.len()).find(|at| self.sql[*at] == b'\n').unwrap_or(self.sql.len())
    }

    /// Whether only blanks stand before `at` in its line.
    fn begins_line(&self, at: usize) -> bool {
        let before = self.sql[..at].iter().rev().take_while(|byte| **byte != b'\n');
        before.into_iter().all(|byte| Self::is_blank(*byte))
    }

    fn between_statements(&mut self) {
        let at = self.at;
        let byte = self.sql[at];
        if Self::is_blank(byte) {
            if byte == b'\n' && self.begins_line(at) {
                self.announcing = None;
            }
            self.at += 1;
        } else if self.begins_line(at) && self.is_delimiter_command() {
            self.delimiter_command();
        } else if self.looking_at(at, &self.delimiter) {
            self.announcing = None;
            self.at += self.delimiter.len();
        } else if byte == b'#' || self.looking_at(at, b"--") {
            self.comment_line();
        } else if self.looking_at(at, b"/*M!999999\\- enable the sandbox mode */") {
            self.announcing = None;
            self.at += 39;
        } else {
            self.announcing = None;
            self.statement_or_comment();
        }
    }

    fn is_delimiter_command(&self) -> bool {
        let word = self.sql[self.at..].iter().take(10).map(u8::to_ascii_lowercase).collect::<Vec<_>>();
        word == b"delimiter " || word == b"delimiter\t"
    }

    fn delimiter_command(&mut self) {
        self.announcing = None;
        let end = self.end_of_line(self.at);
        let line = &self.sql[self.at + 9..end.min(self.at + 64)];
        let argument = line.split(|byte| Self::is_blank(*byte)).find(|word| !word.is_empty());
        self.delimiter = argument.unwrap_or(b";").iter().copied().take(15).collect();
        self.at = (end + 1).min(self.sql.len());
        if self.delimiter == b";" && end < self.sql.len() {
            self.boundary = self.at;
            self.quiet_from = self.at;
        }
    }

    /// mariadb-dump announces a section in three lines, of which the first and the last are `--`.
    fn comment_line(&mut self) {
        let end = self.end_of_line(self.at);
        let line = self.sql[self.at..end].to_vec();
        let bar = line == b"--" || line.starts_with(b"--") && line[2] != b' ' && line.trim_ascii() == b"--";
        if line.starts_with(b"-- Dump completed") && self.announcing.is_none() {
            self.complete = true;
        }
        self.announcing = match (bar, self.announcing.take()) {
            (true, Some((from, _, lines))) if !lines.is_empty() => {
                let text = String::from_utf8_lossy(&lines.join(&b'\n')).into_owned();
                self.groups.announce(Announcement::parse(&text, from as u64, self.modes[0]));
                None
            }
            (true, _) => Some((self.quiet_from, line.ends_with(b"\r"), Vec::new())),
            (false, Some((from, windows, mut lines))) => {
                let mut words = line.strip_prefix(b"-- ").unwrap_or(&line);
                if windows && words.ends_with(b"\r") {
                    words = &words[..words.len() - 1];
                }
                if !lines.is_empty() || !words.is_empty() {
                    lines.push(words.to_vec());
                }
                Some((from, windows, lines))
            }
            (false, None) => None,
        };
        self.at = (end + 1).min(self.sql.len());
        if self.announcing.is_none() {
            self.quiet_from = self.at;
        }
    }

    /// What stands at a place outside of quotes, and where it ends.
    fn element(&mut self, at: usize) -> (Element, usize) {
        let next = self.sql.get(at + 1).copied();
        match self.sql[at] {
            b'\\' => (Element::Quoted, (at + 2).min(self.sql.len())),
            _ if self.looking_at(at, &self.delimiter) => (Element::Delimiter, at + self.delimiter.len()),
            quote @ (b'\'' | b'"' | b'`') => (Element::Quoted, self.quoted(at, quote)),
            b'#' => (Element::LineComment, self.end_of_line(at)),
            b'-' if next == Some(b'-') => match self.sql.get(at + 2) {
                Some(third) if !Self::is_blank(*third) && *third != 0 => (Element::Code, at + 1),
                _ => (Element::LineComment, self.end_of_line(at)),
            },
            b'/' if next == Some(b'*') => {
                if self.looking_at(at, b"/*!") {
                    self.executable = Some(self.lines[at]);
                    (Element::Code, at + 1)
                } else if self.looking_at(at, b"/*M!") {
                    (Element::Code, at + 1)
                } else {
                    self.block_comment(at)
                }
            }
            b'*' if next == Some(b'/') => {
                self.executable = None;
                (Element::Code, at + 1)
            }
            _ => (Element::Code, at + 1),
        }
    }

    /// The end of what is quoted from `at` on.
    fn quoted(&self, at: usize, quote: u8) -> usize {
        let backslash_escapes = match quote {
            b'`' => false,
            b'"' => !self.modes[0].ansi && !self.modes[0].no_backslash,
            _ => !self.modes[0].no_backslash,
        };
        let mut at = at + 1;
        while at < self.sql.len() {
            if self.sql[at] == quote {
                return at + 1;
            }
            at += if self.sql[at] == b'\\' && backslash_escapes { 2 } else { 1 };
        }
        self.sql.len()
    }

    fn block_comment(&mut self, from: usize) -> (Element, usize) {
        let mut at = from + 2;
        let mut doubt = None;
        while at < self.sql.len() {
            let in_executable = self.executable == Some(self.lines[at]);
            if self.looking_at(at, b"*/") {
                if !in_executable {
                    return (Element::BlockComment(doubt), at + 2);
                }
                self.executable = None;
                at += 1;
            } else if self.looking_at(at, b"/*!") {
                self.executable = Some(self.lines[at]);
                doubt.get_or_insert(at);
                at += 1;
            } else if self.looking_at(at, b"/*") && !self.looking_at(at, b"/*M!") {
                if self.looking_at(at, b"/*/") {
                    doubt.get_or_insert(at);
                }
                at += 2;
            } else {
                at += 1;
            }
        }
        self.unfinished = true;
        (Element::BlockComment(doubt), self.sql.len())
    }

    fn statement_or_comment(&mut self) {
        let mut from = self.at;
        // For each byte of the statement, whether it is code.
        let mut code = Vec::new();
        let mut insert = self.delimiter == b";" && begins_with_insert(&self.sql[from..]);
        if let (Element::BlockComment(doubt), end) = self.element(from) {
            self.at = end;
            let Some(doubt) = doubt else { return };
            from = doubt;
            insert = false;
            code.resize(end - doubt, false);
        }
        self.complete = false;
        let mut at = from + code.len();
        let end = loop {
            if at >= self.sql.len() {
                self.unfinished = true;
                break None;
            }
            let (element, end) = self.element(at);
            if element == Element::Delimiter {
                break Some(end);
            }
            code.resize(end - from, element == Element::Code);
            at = end;
        };
        self.statement(from, &code, insert);
        let Some(end) = end else {
            self.at = self.sql.len();
            return;
        };
        self.at = end + usize::from(self.sql.get(end) == Some(&b'\n'));
        if self.delimiter == b";" {
            self.boundary = self.at;
            self.quiet_from = self.at;
        }
    }

    fn statement(&mut self, from: usize, code: &[bool], insert: bool) {
        let text = &self.sql[from..from + code.len()];
        let prelude = if insert { end_of_values(text, code) } else { None };
        let head = head::parse(&text[..prelude.unwrap_or(text.len())], Reading::Everything, self.modes[0]);
        self.statements.push((from as u64, Text(text[..prelude.unwrap_or(text.len())].to_vec())));
        self.groups.statement(&head, self.boundary as u64);
        if let Some(prelude) = prelude {
            self.groups.rows(&text[prelude..], &code[prelude..]);
        }
        if let Head::Set(assignments) = &head {
            let mut after = self.modes;
            for (what, to) in assignments {
                self.set(what, to, &mut after);
            }
            self.modes = after;
        }
    }

    fn set(&mut self, what: &str, to: &Value, after: &mut [QuoteMode; 3]) {
        let what = what.to_ascii_lowercase();
        let from = if let Value::Variable(from) = to { from.to_ascii_lowercase() } else { String::new() };
        if what == "sql_notes" && from == "@old_sql_notes" {
            self.complete = true;
        }
        let place_of = |name: &str| match name {
            "sql_mode" | "@@sql_mode" | "@@session.sql_mode" => 0,
            "@saved_sql_mode" => 1,
            "@old_sql_mode" => 2,
            _ => 3,
        };
        let place = place_of(&what);
        if place == 3 {
            return;
        }
        after[place] = match to {
            Value::Text(modes) => {
                let modes: Vec<String> =
                    modes.split(',').map(|mode| mode.trim().to_ascii_lowercase()).collect();
                let has = |mode: &&str| modes.contains(&(*mode).to_owned());
                let ansi = ["ansi_quotes", "ansi", "db2", "maxdb", "mssql", "oracle", "postgresql"];
                QuoteMode { no_backslash: has(&"no_backslash_escapes"), ansi: ansi.iter().any(has) }
            }
            Value::Variable(_) => self.modes.get(place_of(&from)).copied().unwrap_or_default(),
            _ => return,
        };
    }

    fn finish(self) -> Reference {
        Reference {
            statements: self.statements,
            sections: self.groups.finish(self.sql.len() as u64),
            complete: self.complete && !self.unfinished,
        }
    }
}
