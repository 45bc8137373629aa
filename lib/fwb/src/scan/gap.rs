//! What stands between statements, and comments wherever they stand.
//!
//! Whether something is a comment is decided as the `mariadb` client does it. Where the server would decide
//! otherwise, so that one could be shown a statement that the other takes for a comment, the statement is marked
//! as irregular.

use super::scanner::{Current, EndMark, Inside, LOOKAHEAD, ScanState, Scanner, Step};
use super::tokens::{is_space, is_word};

/// The first line of newer dumps; it is a client command, not part of a statement (MariaDB 10.5.25).
const SANDBOX_LINE: &[u8] = b"/*M!999999\\- enable the sandbox mode */";
/// The client command that sets the delimiter.
const DELIMITER: &[u8] = b"DELIMITER";
/// The client keeps no more of a delimiter, in bytes.
const LONGEST_DELIMITER: usize = 15;

impl Scanner {
    pub(super) fn in_gap(&mut self, window: &[u8], at: usize, eof: bool) -> Step {
        let rest = &window[at..];
        match rest[0] {
            b'\n' => {
                if self.line_start {
                    self.comments.end_block();
                }
                self.line_start = true;
                return Step::To(at + 1);
            }
            byte if is_space(byte) => return Step::To(at + 1),
            _ => {}
        }
        if rest.len() < LOOKAHEAD && !eof {
            return Step::Wait(at);
        }
        if self.line_start && is_delimiter_command(rest) {
            return self.begin_delimiter_line(rest, at);
        }
        self.line_start = false;
        if rest.starts_with(&self.delimiter) {
            self.comments.end_block();
            return Step::To(at + self.delimiter.len());
        }
        if rest.starts_with(b"--") || rest[0] == b'#' {
            self.inside = Inside::Line;
            self.comments.begin_line();
            return Step::To(at);
        }
        self.comments.end_block();
        if rest.starts_with(SANDBOX_LINE) {
            return Step::To(at + SANDBOX_LINE.len());
        }
        if is_plain_comment(rest) {
            self.inside = Inside::Block;
            return Step::To(at + 2);
        }
        self.begin_statement(rest, at);
        Step::To(at)
    }

    fn begin_statement(&mut self, rest: &[u8], at: usize) {
        let word = &rest[..rest.iter().take_while(|byte| is_word(**byte)).count()];
        let insert = word.eq_ignore_ascii_case(b"INSERT") || word.eq_ignore_ascii_case(b"REPLACE");
        // Dumps write rows under no other delimiter.
        let insert = insert && self.delimiter == b";";
        self.begin(at, if insert { ScanState::Prelude } else { ScanState::Text });
        self.statement.insert = insert;
    }

    fn begin(&mut self, at: usize, state: ScanState) {
        let mut text = std::mem::take(&mut self.statement.text);
        text.clear();
        let offset = self.offset + at as u64;
        self.statement = Current { offset, text, text_from: Some(at), ..Current::default() };
        self.state = state;
        self.end_mark = EndMark::None;
    }

    fn begin_delimiter_line(&mut self, rest: &[u8], at: usize) -> Step {
        if self.last_was_insert {
            // Rows are handed on as they stand, and this line is not one of them.
            self.last_was_insert = false;
            self.segment(Some(self.boundary), false);
        }
        self.comments.end_block();
        // The scanner has waited for this much of the line; dumps need far less.
        let line = rest[DELIMITER.len()..rest.len().min(LOOKAHEAD)].split(|byte| *byte == b'\n').next();
        let mut words = line.unwrap_or_default().split(|byte| is_space(*byte));
        let delimiter = words.find(|word| !word.is_empty()).unwrap_or(b";");
        self.set_delimiter(&delimiter[..delimiter.len().min(LONGEST_DELIMITER)]);
        self.inside = Inside::Delimiter;
        Step::To(at + DELIMITER.len())
    }

    pub(super) fn in_delimiter_line(&mut self, window: &[u8], at: usize) -> Step {
        let Some(end) = memchr::memchr(b'\n', &window[at..]) else { return Step::To(window.len()) };
        let next = at + end + 1;
        self.inside = Inside::Nothing;
        self.line_start = true;
        if self.delimiter == b";" {
            self.end_unit(self.offset + next as u64);
        }
        Step::To(next)
    }

    pub(super) fn in_line_comment(&mut self, window: &[u8], at: usize) -> Step {
        let end = memchr::memchr(b'\n', &window[at..]).map(|found| at + found);
        if self.state == ScanState::Gap {
            self.comments.extend(&window[at..end.unwrap_or(window.len())]);
        }
        let Some(end) = end else { return Step::To(window.len()) };
        self.inside = Inside::Nothing;
        if self.state == ScanState::Gap {
            self.end_line_comment();
            self.line_start = true;
            self.comments.mark_gap(self.offset + end as u64 + 1);
        }
        Step::To(end + 1)
    }

    pub(super) fn end_line_comment(&mut self) {
        if self.comments.is_end_mark() {
            self.end_mark = EndMark::Line;
        }
        let in_header = self.sections.index() == 0;
        if let Some(announcement) = self.comments.end_line(in_header, self.mode.quotes()) {
            let opened = self.sections.announce(announcement);
            self.segment(opened, false);
        }
    }

    /// Inside of `/* … */`. Inside of a comment the client takes `/*` for two ordinary bytes, and ignores a `*/` that
    /// would end an executable comment.
    pub(super) fn in_block_comment(&mut self, window: &[u8], at: usize, eof: bool) -> Step {
        let mut at = at;
        while let Some(found) = memchr::memchr3(b'*', b'/', b'\n', &window[at..]) {
            at += found;
            at += match &window[at..] {
                [b'*' | b'/'] | [b'/', b'*'] | [b'/', b'*', b'M'] if !eof => return Step::Wait(at),
                [b'\n', ..] => {
                    self.executable = false;
                    1
                }
                [b'*', b'/', ..] if self.executable => {
                    self.executable = false;
                    1
                }
                [b'*', b'/', ..] => {
                    self.inside = Inside::Nothing;
                    return Step::To(at + 2);
                }
                [b'/', b'*', b'!', ..] => {
                    self.executable = true;
                    self.distrust_comment(at);
                    1
                }
                [b'/', b'*', b'/', ..] => {
                    self.distrust_comment(at);
                    2
                }
                [b'/', b'*', b'M', b'!', ..] => 1,
                [b'/', b'*', ..] => 2,
                _ => 1,
            };
        }
        Step::To(window.len())
    }

    /// The server takes what begins at `at` for the end of the comment sooner than the client does. What stands
    /// there is shown to the observer as a statement, so that it is not passed over.
    fn distrust_comment(&mut self, at: usize) {
        if self.state == ScanState::Gap {
            self.begin(at, ScanState::Text);
        }
        self.statement.irregular.get_or_insert("a comment begins inside a comment");
    }
}

/// `/*` that begins neither `/*!` nor `/*M!`.
fn is_plain_comment(text: &[u8]) -> bool {
    text.starts_with(b"/*") && !text.starts_with(b"/*!") && !text.starts_with(b"/*M!")
}

/// `DELIMITER` and a blank, in any case.
fn is_delimiter_command(text: &[u8]) -> bool {
    text.len() > DELIMITER.len()
        && text[..DELIMITER.len()].eq_ignore_ascii_case(DELIMITER)
        && matches!(text[DELIMITER.len()], b' ' | b'\t')
}
