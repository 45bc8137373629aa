//! Inside of statements: quotes, comments, the delimiter, and the rows of an `INSERT`.

use super::digest::RowHasher;
use super::outcome::Observer;
use super::scanner::{Inside, LOOKAHEAD, ScanState, Scanner, Step};
use super::tokens::{is_space, is_word};
use crate::error::Result;

impl Scanner {
    /// The index of the quote that closes what was opened before `from`, or none.
    fn closing(&mut self, window: &[u8], from: usize, quote: u8) -> Option<usize> {
        let irregular = &mut self.statement.irregular;
        self.mode.quotes().closing_with(window, from, quote, |escaped| {
            if escaped == 0 {
                // Older clients take that for the end of the line.
                irregular.get_or_insert("a NUL byte stands after a backslash");
            }
        })
    }

    pub(super) fn in_quote(&mut self, window: &[u8], at: usize, eof: bool, quote: u8) -> Step {
        if let Some(close) = self.closing(window, at, quote) {
            self.inside = Inside::Nothing;
            return Step::To(close + 1);
        }
        // A backslash at the very end escapes what comes next.
        let trailing = window[at..].iter().rev().take_while(|byte| **byte == b'\\').count();
        if !eof && self.mode.quotes().escapes(quote) && trailing % 2 == 1 {
            return Step::Wait(window.len() - 1);
        }
        Step::To(window.len())
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
        let irregular = &mut self.statement.irregular;
        let step = match rest {
            // The client looks for commands first.
            [b'\\', ..] => {
                irregular.get_or_insert("a backslash stands outside of quotes");
                Step::To((at + 2).min(window.len()))
            }
            rest if rest.starts_with(&self.delimiter) => {
                return self.end_statement(window, at, observer).map(|next| Some(Step::To(next)));
            }
            [quote @ (b'\'' | b'"' | b'`'), ..] => {
                self.inside = Inside::Quote(*quote);
                Step::To(at + 1)
            }
            [b'#', ..] | [b'-', b'-'] => {
                self.inside = Inside::Line;
                Step::To(at)
            }
            [b'-', b'-', third, ..] if is_space(*third) || *third == 0 => {
                self.inside = Inside::Line;
                Step::To(at)
            }
            [b'-', b'-', third, ..] if third.is_ascii_control() => {
                irregular.get_or_insert("it holds what only the server takes for a comment");
                Step::To(at + 1)
            }
            [b'/', b'*', b'!', ..] => {
                self.executable = true;
                Step::To(at + 1)
            }
            [b'*', b'/', ..] => {
                self.executable = false;
                Step::To(at + 1)
            }
            [b'\n', ..] | [b'/', b'*', b'M', b'!', ..] => Step::To(at + 1),
            [b'/', b'*', ..] => {
                self.statement.nested_comment |= self.executable;
                self.inside = Inside::Block;
                Step::To(at + 2)
            }
            _ => return Ok(None),
        };
        Ok(Some(step))
    }

    pub(super) fn in_text(
        &mut self,
        window: &[u8],
        at: usize,
        eof: bool,
        observer: &mut Observer<'_>,
    ) -> Result<Step> {
        let looks = |byte: &u8| self.stops[usize::from(*byte)] || *byte == b'*' || *byte == b'\n';
        let Some(stop) = window[at..].iter().position(looks).map(|found| at + found) else {
            return Ok(Step::To(window.len()));
        };
        Ok(self.special(window, stop, eof, observer)?.unwrap_or(Step::To(stop + 1)))
    }

    pub(super) fn in_prelude(
        &mut self,
        window: &[u8],
        at: usize,
        eof: bool,
        observer: &mut Observer<'_>,
    ) -> Result<Step> {
        let word = window[at..].iter().take(LOOKAHEAD).take_while(|byte| is_word(**byte)).count();
        if word == 0 {
            self.statement.long_word = false;
            return self.between_words(window, at, eof, observer);
        }
        if at + word == window.len() && word < LOOKAHEAD && !eof {
            return Ok(Step::Wait(at));
        }
        let goes_on = std::mem::replace(&mut self.statement.long_word, word == LOOKAHEAD);
        let text = &window[at..at + word];
        let values = text.eq_ignore_ascii_case(b"VALUES") || text.eq_ignore_ascii_case(b"VALUE");
        if values && !goes_on && self.statement.depth == 0 {
            self.keep_text(window, at + word);
            self.state = ScanState::Rows;
            self.classify();
        }
        Ok(Step::To(at + word))
    }

    fn between_words(
        &mut self,
        window: &[u8],
        at: usize,
        eof: bool,
        observer: &mut Observer<'_>,
    ) -> Result<Step> {
        let Some(step) = self.special(window, at, eof, observer)? else {
            match window[at] {
                b'(' => self.statement.depth += 1,
                b')' => self.statement.depth = self.statement.depth.saturating_sub(1),
                _ => {}
            }
            return Ok(Step::To(at + 1));
        };
        let quote = matches!(self.inside, Inside::Quote(_));
        if self.state == ScanState::Prelude && !quote && !matches!(step, Step::Wait(_)) && window[at] != b'\n'
        {
            self.statement.irregular.get_or_insert("a comment stands in an INSERT");
        }
        Ok(step)
    }

    pub(super) fn in_rows(
        &mut self,
        window: &[u8],
        at: usize,
        eof: bool,
        observer: &mut Observer<'_>,
    ) -> Result<Step> {
        let between = window[at..].iter().take_while(|byte| is_space(**byte) || **byte == b',').count();
        if between > 0 {
            return Ok(Step::To(at + between));
        }
        if window[at] == b'(' {
            self.statement.row_from = Some(at);
            self.state = ScanState::Row(1);
            return Ok(Step::To(at + 1));
        }
        if window[at] != b';' {
            self.statement.irregular.get_or_insert("something other than rows follows VALUES");
        }
        Ok(self.special(window, at, eof, observer)?.unwrap_or(Step::To(at + 1)))
    }

    pub(super) fn in_row(
        &mut self,
        window: &[u8],
        from: usize,
        eof: bool,
        depth: u32,
        observer: &mut Observer<'_>,
    ) -> Result<Step> {
        let mut at = from;
        loop {
            at += window[at..].iter().take_while(|byte| !self.row_stops[usize::from(**byte)]).count();
            let Some(byte) = window.get(at) else { return Ok(Step::To(window.len())) };
            match byte {
                b'\'' => match self.closing(window, at + 1, b'\'') {
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
                    self.state = ScanState::Row(depth - 1);
                    return Ok(Step::To(at + 1));
                }
                b'(' => {
                    self.statement.irregular.get_or_insert("a row holds an expression");
                    self.state = ScanState::Row(depth.saturating_add(1));
                    return Ok(Step::To(at + 1));
                }
                _ if at > from => return Ok(Step::To(at)),
                _ => return self.odd_in_row(window, at, eof, observer),
            }
        }
    }

    /// Something in a row that is neither a quote nor made of the usual bytes. A minus sign and a character set's
    /// name before a string, `_binary 'x'`, are the only such things that dumps contain.
    fn odd_in_row(
        &mut self,
        window: &[u8],
        at: usize,
        eof: bool,
        observer: &mut Observer<'_>,
    ) -> Result<Step> {
        const ODD: &str = "a row holds something other than values";
        if let Some(step) = self.special(window, at, eof, observer)? {
            if !matches!(step, Step::Wait(_)) {
                self.statement.irregular.get_or_insert(ODD);
            }
            return Ok(step);
        }
        if window[at] == b'-' {
            return Ok(Step::To(at + 1));
        }
        let word = window[at..].iter().take(LOOKAHEAD).take_while(|byte| is_word(**byte)).count();
        if at + word == window.len() && word < LOOKAHEAD && !eof {
            return Ok(Step::Wait(at));
        }
        if window[at] != b'_' || word == LOOKAHEAD {
            self.statement.irregular.get_or_insert(ODD);
        }
        Ok(Step::To(at + word.max(1)))
    }

    fn end_row(&mut self, window: &[u8], end: usize) {
        self.state = ScanState::Rows;
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

    /// Forgets a row that its statement does not end.
    pub(super) fn drop_row(&mut self) {
        self.statement.row_from = None;
        self.statement.row_pieces = None::<RowHasher>;
    }
}

/// Whether a byte outside quotes belongs to what rows consist of: numbers, hexadecimal literals, NULL, commas.
pub(super) fn in_value(byte: u8) -> bool {
    byte.is_ascii_hexdigit() || is_space(byte) || b",.+-xXnNuUlL".contains(&byte)
}
