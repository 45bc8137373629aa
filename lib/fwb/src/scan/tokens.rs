//! The words of a statement, as the server reads them: comments skipped, executable comments opened.
//!
//! Executable comments are those of MariaDB's manual, "Comment Syntax": `/*!50003 … */` and `/*M!100100 … */`.
//! Whether their contents count depends on the server's version, so a statement has several possible readings;
//! [`Reading`] says which one is meant.

use std::borrow::Cow;
use std::ops::Range;

/// The longest name, in bytes: an account's 128 characters (MariaDB's manual, "Identifier Names") of at most 4 bytes each.
/// What is longer names nothing, and is not kept: a file may hold as many as it likes.
pub(super) const LONGEST_NAME: usize = 512;

/// One token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Token<'a> {
    /// A bare word or number.
    Word(&'a [u8]),
    /// A quoted identifier, unquoted.
    Name(Cow<'a, [u8]>),
    /// A string literal, without its quotes, escapes left as they are.
    Text(&'a [u8]),
    /// A user or system variable, with its at signs: `@OLD_SQL_MODE`, `@@session.sql_mode`.
    Variable(&'a [u8]),
    /// Anything else, one byte.
    Symbol(u8),
}

impl Token<'_> {
    /// Whether this is the given keyword, in upper case.
    pub(crate) fn is(&self, keyword: &str) -> bool {
        matches!(self, Token::Word(word) if word.eq_ignore_ascii_case(keyword.as_bytes()))
    }

    /// The identifier that this token is; none where no server would take it for its length.
    pub(crate) fn identifier(&self) -> Option<String> {
        let name = match self {
            Token::Word(word) => *word,
            Token::Name(name) => name,
            _ => return None,
        };
        (name.len() <= LONGEST_NAME).then(|| String::from_utf8_lossy(name).into_owned())
    }
}

/// Which executable comments count.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Reading {
    /// All of them.
    Everything,
    /// Those that a server of this version executes.
    Server {
        /// `VERSION()` as one number: 101106 for 10.11.6.
        version: u32,
        /// What it makes of versions that are not its own.
        family: Family,
    },
}

/// Servers that read the marks of executable comments in the same way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    /// MariaDB skips the versions 50700 to 99999, which are MySQL's.
    MariaDb,
    /// MySQL executes those, and takes `/*M!` for a comment like any other.
    MySql,
    /// MySQL before it read a sixth digit: that is the beginning of what follows.
    OldMySql,
}

impl Family {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::MariaDb, Self::MySql, Self::OldMySql];
}

impl Reading {
    /// Whether it is a comment like any other, which ends with the first `*/`: so MySQL takes those of MariaDB.
    fn is_plain(self, mark: VersionComment) -> bool {
        matches!(self, Self::Server { family: Family::MySql | Family::OldMySql, .. }) && mark.mariadb
    }

    /// How many digits of a version are read.
    fn digits(self) -> usize {
        if matches!(self, Self::Server { family: Family::OldMySql, .. }) { 5 } else { 6 }
    }

    /// Whether what is in it counts, where it is not plain.
    fn executes(self, mark: VersionComment) -> bool {
        match self {
            Self::Everything => true,
            Self::Server { version, family: Family::MariaDb } => {
                mark.version <= version && !mark.is_for_mysql_alone()
            }
            Self::Server { version, .. } => mark.version <= version,
        }
    }
}

/// The beginning of an executable comment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct VersionComment {
    /// The version it needs; 0 where none is given.
    pub(crate) version: u32,
    /// `/*M!` rather than `/*!`.
    pub(crate) mariadb: bool,
    /// Whether older servers of MySQL, which read five digits and no sixth, take the sixth for the beginning of what
    /// follows.
    pub(crate) ambiguous: bool,
}

impl VersionComment {
    /// Whether no MariaDB server executes it, because its version is one of MySQL's (MariaDB's manual, "Comment Syntax").
    pub(crate) fn is_for_mysql_alone(self) -> bool {
        !self.mariadb && (50_700..=99_999).contains(&self.version)
    }
}

/// Reads a mark at the beginning of `text`, with so many digits at most, and its length.
fn mark(text: &[u8], most: usize) -> Option<(VersionComment, usize)> {
    let (mariadb, skip) = match text {
        [b'/', b'*', b'!', ..] => (false, 3),
        [b'/', b'*', b'M', b'!', ..] => (true, 4),
        _ => return None,
    };
    let digits = text[skip..].iter().take(most).take_while(|byte| byte.is_ascii_digit()).count();
    let digits = if digits < 5 { 0 } else { digits };
    let version = text[skip..skip + digits].iter().fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0'));
    let follows = text.get(skip + digits).is_some_and(|byte| !is_space(*byte));
    Some((VersionComment { version, mariadb, ambiguous: digits == 6 && !mariadb && follows }, skip + digits))
}

/// How far a quote's end is looked for byte by byte.
const NEAR: usize = 4;

/// How quotes work under the session's `sql_mode`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct QuoteMode {
    /// `NO_BACKSLASH_ESCAPES`.
    pub(crate) no_backslash: bool,
    /// `ANSI_QUOTES`: `"` quotes identifiers.
    pub(crate) ansi: bool,
}

impl QuoteMode {
    /// Whether a backslash escapes the next byte between quotes of this kind.
    pub(crate) fn escapes(self, quote: u8) -> bool {
        match quote {
            b'`' => false,
            b'"' if self.ansi => false,
            _ => !self.no_backslash,
        }
    }

    /// The index of the quote that closes what was opened before `from`, or none.
    pub(crate) fn closing(self, text: &[u8], from: usize, quote: u8) -> Option<usize> {
        self.closing_with(text, from, quote, |_| ())
    }

    /// As [`QuoteMode::closing`]; `escaped` is told of every byte after a backslash.
    pub(super) fn closing_with(
        self,
        text: &[u8],
        from: usize,
        quote: u8,
        mut escaped: impl FnMut(u8),
    ) -> Option<usize> {
        if !self.escapes(quote) {
            return memchr::memchr(quote, &text[from..]).map(|found| from + found);
        }
        let mut at = from;
        loop {
            // Escapes come in swarms and most strings are short: a search pays only over a distance.
            let rest = text.get(at..)?;
            let near = rest.iter().take(NEAR).position(|byte| *byte == quote || *byte == b'\\');
            at += match near {
                Some(found) => found,
                None => NEAR + memchr::memchr2(quote, b'\\', rest.get(NEAR..)?)?,
            };
            if text[at] == quote {
                return Some(at);
            }
            escaped(*text.get(at + 1)?);
            at += 2;
        }
    }
}

/// An iterator over the tokens of a statement.
pub(crate) struct Tokens<'a> {
    text: &'a [u8],
    at: usize,
    reading: Reading,
    mode: QuoteMode,
}

impl<'a> Tokens<'a> {
    pub(crate) fn new(text: &'a [u8], reading: Reading, mode: QuoteMode) -> Self {
        Self { text, at: 0, reading, mode }
    }

    /// The executable comments that this reading finds in the statement, those included that are nested in others that
    /// count.
    pub(crate) fn marks(text: &'a [u8], reading: Reading, mode: QuoteMode) -> Vec<VersionComment> {
        let mut tokens = Self::new(text, reading, mode);
        let mut found = Vec::new();
        loop {
            tokens.skip_blank(&mut |mark| found.push(mark));
            if tokens.token().is_none() {
                return found;
            }
        }
    }

    /// The next token, and where it stands, in bytes.
    pub(crate) fn spanned(&mut self) -> Option<(Token<'a>, Range<usize>)> {
        self.skip_blank(&mut |_| ());
        let from = self.at;
        self.token().map(|token| (token, from..self.at))
    }

    /// Where the last token ended, in bytes.
    pub(crate) fn position(&self) -> usize {
        self.at
    }

    /// Takes the next token if it is this symbol.
    pub(crate) fn take_symbol(&mut self, symbol: u8) -> bool {
        self.skip_blank(&mut |_| ());
        let there = self.rest().first() == Some(&symbol);
        self.at += usize::from(there);
        there
    }

    fn rest(&self) -> &'a [u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn skip_to(&mut self, needle: &[u8]) {
        let found = memchr::memmem::find(self.rest(), needle);
        self.at = found.map_or(self.text.len(), |found| self.at + found + needle.len());
    }

    /// Skips an executable comment that the server does not execute: it may hold comments, one level deep
    /// (MariaDB's lexer, `consume_comment`).
    fn skip_unexecuted(&mut self) {
        while let Some(found) = memchr::memchr2(b'*', b'/', self.rest()) {
            self.at += found;
            match self.rest() {
                [b'*', b'/', ..] => {
                    self.at += 2;
                    return;
                }
                [b'/', b'*', ..] => {
                    self.at += 2;
                    self.skip_to(b"*/");
                }
                _ => self.at += 1,
            }
        }
        self.at = self.text.len();
    }

    fn skip_blank(&mut self, on_mark: &mut impl FnMut(VersionComment)) {
        loop {
            let rest = self.rest();
            match rest {
                [byte, ..] if is_space(*byte) => self.at += 1,
                [b'*', b'/', ..] => self.at += 2,
                [b'#', ..] | [b'-', b'-'] => self.skip_to(b"\n"),
                [b'-', b'-', next, ..] if is_space(*next) || next.is_ascii_control() => self.skip_to(b"\n"),
                [b'/', b'*', ..] => match mark(rest, self.reading.digits()) {
                    Some((found, length)) => {
                        on_mark(found);
                        self.at += length;
                        if self.reading.is_plain(found) {
                            self.skip_to(b"*/");
                        } else if !self.reading.executes(found) {
                            self.skip_unexecuted();
                        }
                    }
                    None => self.skip_to(b"*/"),
                },
                _ => return,
            }
        }
    }

    fn quoted(&mut self, quote: u8) -> &'a [u8] {
        let from = self.at + 1;
        let mut end = from;
        loop {
            match self.mode.closing(self.text, end, quote) {
                Some(close) if self.text.get(close + 1) == Some(&quote) => end = close + 2,
                Some(close) => {
                    self.at = close + 1;
                    return &self.text[from..close];
                }
                None => {
                    self.at = self.text.len();
                    return &self.text[from..];
                }
            }
        }
    }

    fn token(&mut self) -> Option<Token<'a>> {
        let text = self.text;
        let first = *self.rest().first()?;
        let token = match first {
            b'`' => Token::Name(undouble(self.quoted(b'`'), b'`')),
            b'"' if self.mode.ansi => Token::Name(undouble(self.quoted(b'"'), b'"')),
            b'\'' | b'"' => Token::Text(self.quoted(first)),
            b'@' => {
                let from = self.at;
                let more = |byte: &&u8| is_word(**byte) || matches!(**byte, b'@' | b'.');
                self.at += self.rest().iter().take_while(more).count();
                Token::Variable(&text[from..self.at])
            }
            _ if is_word(first) => {
                let from = self.at;
                self.at += self.rest().iter().take_while(|byte| is_word(**byte)).count();
                Token::Word(&text[from..self.at])
            }
            _ => {
                self.at += 1;
                Token::Symbol(first)
            }
        };
        Some(token)
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        self.spanned().map(|(token, _)| token)
    }
}

/// Whether client and server take a byte for a blank.
pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// Whether a byte belongs to a bare word.
pub(crate) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80
}

fn undouble(name: &[u8], quote: u8) -> Cow<'_, [u8]> {
    if memchr::memchr(quote, name).is_none() {
        return Cow::Borrowed(name);
    }
    let mut single = Vec::with_capacity(name.len());
    let mut bytes = name.iter();
    while let Some(byte) = bytes.next() {
        single.push(*byte);
        if *byte == quote {
            bytes.next();
        }
    }
    Cow::Owned(single)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str, reading: Reading) -> Vec<String> {
        Tokens::new(text.as_bytes(), reading, QuoteMode::default())
            .map(|token| match token {
                Token::Word(bytes) | Token::Text(bytes) | Token::Variable(bytes) => {
                    String::from_utf8_lossy(bytes).into_owned()
                }
                Token::Name(name) => format!("`{}`", String::from_utf8_lossy(&name)),
                Token::Symbol(byte) => char::from(byte).to_string(),
            })
            .collect()
    }

    #[test]
    fn executable_comments_are_opened_where_the_server_would() {
        let text = "/*!50003 CREATE*/ /*!999999 x */ /*M!100100 y */ /*!80016 z */ /* no */ `a``b` -- end\n, 'it''s'";
        assert_eq!(words(text, Reading::Everything), ["CREATE", "x", "y", "z", "`a`b`", ",", "it''s"]);
        let mariadb = Reading::Server { version: 101_106, family: Family::MariaDb };
        assert_eq!(words(text, mariadb), ["CREATE", "y", "`a`b`", ",", "it''s"]);
        let mysql = Reading::Server { version: 80_036, family: Family::MySql };
        assert_eq!(words(text, mysql), ["CREATE", "z", "`a`b`", ",", "it''s"]);
    }

    /// What the server skips or executes must not hide from whoever judges a statement.
    #[test]
    fn comments_end_where_the_server_ends_them() {
        let nested = "/*!999999 \n/* */ CREATE TABLE a (x int) */ DROP DATABASE x";
        let server = Reading::Server { version: 101_106, family: Family::MariaDb };
        assert_eq!(words(nested, server), ["DROP", "DATABASE", "x"]);
        assert_eq!(words(nested, Reading::Everything)[0], "CREATE");
        for comment in ["--\x01 '\n", "--\x0b'\n", "--\0'\n", "-- '\n", "--\n", "#'\n"] {
            let text = format!("SELECT {comment} DROP --");
            assert_eq!(words(&text, Reading::Everything), ["SELECT", "DROP"], "{comment:?}");
        }
    }

    #[test]
    fn unfinished_text_ends_the_tokens() {
        for text in ["'abc", "`abc", "/* abc", "/*!", "'abc\\", "@", "--", "/*M!9"] {
            assert!(words(text, Reading::Everything).len() <= 2, "{text}");
        }
    }
}
