//! The values in the rows of one table's `INSERT` statements, each with its column, as they pass. A value may be changed
//! for one of the same length.

use super::tokens::{QuoteMode, Reading, Token, Tokens, is_space};

/// The longest value that is shown, in bytes with its quotes. Longer ones are passed over.
const LONGEST: usize = 64;
/// The longest that may stand before the rows of a statement, in bytes: 4096 columns with names of 64 characters. Where more
/// does, nothing more is shown.
const LONGEST_PRELUDE: usize = 2 << 20;

/// Shows one value: its column's name, and its text as it stands.
pub(crate) type Show<'s> = dyn FnMut(&str, &mut [u8]) + 's;

/// Where the next byte stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Position {
    /// Before the rows of a statement.
    Prelude,
    /// Between two rows, or after the last one.
    Rows,
    /// In a value that began in what was handed on already, and that is not shown; in quotes or not.
    Passing { quoted: bool },
    /// At the beginning of a value.
    Value,
    /// In what is no `INSERT` of a dump.
    Lost,
}

/// Reads the statements of one table, in pieces that may be cut anywhere.
#[derive(Debug)]
pub(crate) struct Values {
    /// The table's columns, in its order: what a statement without a list of columns means.
    all: Vec<String>,
    mode: QuoteMode,
    position: Position,
    /// Those of the statement that is being read.
    columns: Vec<String>,
    /// Which of them the value is of.
    column: usize,
    /// What was read and waits for what follows.
    waiting: Vec<u8>,
}

impl Values {
    /// Reads the statements of a table with these columns, in its order, under this mode.
    pub(crate) fn new(all: Vec<String>, mode: QuoteMode) -> Self {
        let (columns, waiting) = (Vec::new(), Vec::new());
        Self { all, mode, position: Position::Prelude, columns, column: 0, waiting }
    }

    /// Reads the next piece, and returns what is done with: some bytes may wait for the next one.
    pub(crate) fn push(&mut self, piece: Vec<u8>, show: &mut Show<'_>) -> Vec<u8> {
        let mut text = if self.waiting.is_empty() {
            piece
        } else {
            let mut waiting = std::mem::take(&mut self.waiting);
            waiting.extend_from_slice(&piece);
            waiting
        };
        let mut at = 0;
        while let Some(next) = self.step(&mut text, at, show) {
            at = next;
        }
        // A part of a value that is too long to be shown goes on with the next piece, and so does what is lost.
        match self.position {
            Position::Passing { quoted } if quoted && self.mode.escapes(b'\'') => {
                // A backslash at the end belongs to what follows.
                let backslashes = text.iter().rev().take_while(|byte| **byte == b'\\').count();
                self.waiting = text.split_off(text.len() - backslashes % 2);
            }
            Position::Passing { .. } | Position::Lost => {}
            Position::Prelude | Position::Rows | Position::Value => self.waiting = text.split_off(at),
        }
        text
    }

    /// Whether something came that is no `INSERT` of a dump, after which no value was shown.
    pub(crate) fn is_lost(&self) -> bool {
        self.position == Position::Lost
    }

    /// What still waits.
    pub(crate) fn flush(&mut self) -> Vec<u8> {
        self.position = Position::Prelude;
        std::mem::take(&mut self.waiting)
    }

    /// Goes on from `at`. None: all was read, or what follows is needed.
    fn step(&mut self, text: &mut [u8], at: usize, show: &mut Show<'_>) -> Option<usize> {
        match self.position {
            Position::Lost => None,
            Position::Prelude => self.prelude(text, at),
            Position::Rows => {
                let next =
                    at + text[at..].iter().take_while(|byte| is_space(**byte) || **byte == b',').count();
                self.position = match text.get(next)? {
                    b'(' => {
                        self.column = 0;
                        Position::Value
                    }
                    b';' => Position::Prelude,
                    _ => Position::Lost,
                };
                Some(next + 1)
            }
            Position::Value => match self.end_of_value(text, at, false) {
                Ok(end) => {
                    let from = at + text[at..end].iter().take_while(|byte| is_space(**byte)).count();
                    if let (Some(column), true) = (self.columns.get(self.column), end - from <= LONGEST) {
                        show(column, &mut text[from..end]);
                    }
                    Some(self.after_value(text, end))
                }
                Err(_) if text.len() - at <= LONGEST => None,
                Err(quoted) => self.pass(quoted),
            },
            Position::Passing { quoted } => match self.end_of_value(text, at, quoted) {
                Ok(end) => Some(self.after_value(text, end)),
                Err(quoted) => self.pass(quoted),
            },
        }
    }

    /// Goes on in a value that has no end yet.
    fn pass(&mut self, quoted: bool) -> Option<usize> {
        self.position = Position::Passing { quoted };
        None
    }

    fn after_value(&mut self, text: &[u8], end: usize) -> usize {
        self.position = if text[end] == b',' { Position::Value } else { Position::Rows };
        self.column += 1;
        end + 1
    }

    /// Where the value ends that goes on at `at`; else whether the text ends in quotes.
    fn end_of_value(&self, text: &[u8], at: usize, quoted: bool) -> Result<usize, bool> {
        let close = |at: usize| self.mode.closing(text, at, b'\'').map(|quote| quote + 1).ok_or(true);
        let mut at = if quoted { close(at)? } else { at };
        loop {
            at += memchr::memchr3(b',', b')', b'\'', &text[at..]).ok_or(false)?;
            if text[at] != b'\'' {
                return Ok(at);
            }
            at = close(at + 1)?;
        }
    }

    /// Reads up to the word before the rows, and which columns they are of.
    fn prelude(&mut self, text: &[u8], at: usize) -> Option<usize> {
        let rest = &text[at..];
        let mut tokens = Tokens::new(rest, Reading::Everything, self.mode);
        let (mut names, mut depth, mut listed) = (Vec::new(), 0_usize, false);
        while let Some((token, span)) = tokens.spanned() {
            // What ends the text may go on.
            if span.end == rest.len() {
                break;
            }
            match token {
                Token::Symbol(b'(') => (depth, listed) = (depth + 1, true),
                Token::Symbol(b')') => depth = depth.saturating_sub(1),
                ref word if depth == 0 && (word.is("VALUES") || word.is("VALUE")) => {
                    self.columns = if listed { names } else { self.all.clone() };
                    self.position = Position::Rows;
                    return Some(at + span.end);
                }
                ref name if depth == 1 => names.extend(name.identifier()),
                _ => {}
            }
        }
        if rest.len() > LONGEST_PRELUDE {
            self.position = Position::Lost;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SQL: &str = "INSERT INTO `t` (`id`, `a)`, `end`) VALUES (1,'x,(\\'','2038'),\n(-2,_sjis 0x41,NULL);\n\
         INSERT INTO `t` VALUES ('','it''s',3), ( 4 , 'VALUES (''2038'')','2038');\n";

    fn shown(sql: &str, cut: usize) -> (Vec<(String, String)>, String) {
        shown_under(sql, cut, QuoteMode::default())
    }

    fn shown_under(sql: &str, cut: usize, mode: QuoteMode) -> (Vec<(String, String)>, String) {
        let mut values = Values::new(["id", "a)", "end"].map(ToOwned::to_owned).to_vec(), mode);
        let (mut shown, mut passed) = (Vec::new(), Vec::new());
        for piece in sql.as_bytes().chunks(cut) {
            passed.extend(values.push(piece.to_vec(), &mut |column, value| {
                shown.push((column.to_owned(), String::from_utf8(value.to_vec()).unwrap()));
                if value == b"'2038'" {
                    value.copy_from_slice(b"'2106'");
                }
            }));
        }
        passed.extend(values.flush());
        (shown, String::from_utf8(passed).unwrap())
    }

    #[test]
    fn values_are_shown_with_their_columns_wherever_the_text_is_cut() {
        let values = [
            ("id", "1"),
            ("a)", "'x,(\\''"),
            ("end", "'2038'"),
            ("id", "-2"),
            ("a)", "_sjis 0x41"),
            ("end", "NULL"),
            ("id", "''"),
            ("a)", "'it''s'"),
            ("end", "3"),
            ("id", "4 "),
            ("a)", "'VALUES (''2038'')'"),
            ("end", "'2038'"),
        ];
        let expected: Vec<_> = values.map(|(column, value)| (column.to_owned(), value.to_owned())).into();
        for cut in 1..=SQL.len() {
            let (shown, passed) = shown(SQL, cut);
            assert_eq!(shown, expected, "{cut}");
            assert_eq!(passed, SQL.replace(",'2038')", ",'2106')"), "{cut}");
        }
    }

    #[test]
    fn the_mode_decides_what_quotes_and_what_escapes() {
        let sql = "INSERT INTO \"t\" (\"end\", \"a)\") VALUES ('2038','\\'),('x','\\''(');\n";
        let expected = [("end", "'2038'"), ("a)", "'\\'"), ("end", "'x'"), ("a)", "'\\''('")];
        let expected: Vec<_> = expected.map(|(column, value)| (column.to_owned(), value.to_owned())).into();
        for cut in 1..=sql.len() {
            let (shown, passed) = shown_under(sql, cut, QuoteMode { no_backslash: true, ansi: true });
            assert_eq!(shown, expected, "{cut}");
            assert_eq!(passed, sql.replace("2038", "2106"), "{cut}");
        }
    }

    #[test]
    fn long_values_are_passed_over() {
        for inside in ["x", "\\'", "''", ",", ")", "\\\\"] {
            let long = inside.repeat(100);
            let sql = format!("INSERT INTO t VALUES ('{long}',1,'2038'),(0x{},2,3);\n", "41".repeat(100));
            for cut in 1..=sql.len() {
                let (shown, passed) = shown(&sql, cut);
                let shown: Vec<&str> = shown.iter().map(|(_, value)| value.as_str()).collect();
                assert_eq!(shown, ["1", "'2038'", "2", "3"], "{inside} {cut}");
                assert_eq!(passed, sql.replace("2038", "2106"), "{inside} {cut}");
            }
        }
    }

    #[test]
    fn what_is_no_insert_passes_as_it_is() {
        for sql in [
            "INSERT INTO t SELECT 1;\n",
            "INSERT INTO t VALUES (1) ON DUPLICATE KEY UPDATE a = '2038';\n",
            "'",
        ] {
            for cut in 1..=sql.len() {
                assert_eq!(shown(sql, cut).1, sql, "{cut}");
            }
            let mut values = Values::new(vec!["a".into()], QuoteMode::default());
            values.push(sql.as_bytes().to_vec(), &mut |_, _| ());
            assert_eq!(values.is_lost(), sql.contains(" ON "), "{sql}");
        }
    }
}
