//! Definitions in the character set of their maker's client, or in UTF-8 where that is not to be had.

use std::ops::Range;

use super::{Catalog, text};
use crate::error::{Error, Result};
use crate::manifest::ObjectKind;
use crate::scan::{QuoteMode, Reading, Token, Tokens};
use crate::server::quote_text;

impl Catalog<'_> {
    /// A text in UTF-8, in its maker's character set: unless that lacks a character of it, or has quotes within characters.
    pub(super) fn written_in(&mut self, utf8: Vec<u8>, charset: String) -> Result<(Vec<u8>, String)> {
        if utf8.is_ascii() || is_utf8(&charset) {
            return Ok((utf8, charset));
        }
        if !hides_quotes(&charset)
            && let Some(there) = self.converted(&utf8, "utf8mb4", &charset)?
        {
            return Ok((there, charset));
        }
        Ok((utf8, "utf8mb4".into()))
    }

    /// A program's text in one character set. The server puts the definer, the name and the comment of an event or routine into
    /// the text in UTF-8, and keeps the rest in the character set of its maker's client. Where these are beyond ASCII the whole
    /// is told in UTF-8: made in the maker's character set, the server would show it in two again, to the swap that moves it.
    pub(super) fn in_one_charset(
        &mut self,
        shown: Vec<u8>,
        charset: String,
        kind: ObjectKind,
        name: &str,
        quotes: QuoteMode,
    ) -> Result<(Vec<u8>, String)> {
        if shown.is_ascii() || is_utf8(&charset) {
            return Ok((shown, charset));
        }
        let comment = self.comment(kind, name)?;
        let ours = of_the_server(&shown, name, &comment, quotes);
        if ours.is_empty() {
            return Ok((shown, charset));
        }
        let as_it_is = |part: &[u8]| Ok(Some(part.to_vec()));
        let utf8 = self.spliced(&shown, &ours, |catalog, part, is_ours| {
            if is_ours { as_it_is(part) } else { catalog.in_utf8(part, &charset) }
        })?;
        if let Some(utf8) = utf8 {
            return Ok((utf8, "utf8mb4".into()));
        }
        // It holds bytes that are no text in its maker's character set: so all is told in that one, where it can be.
        let there = self.spliced(&shown, &ours, |catalog, part, is_ours| {
            if is_ours { catalog.converted(part, "utf8mb4", &charset) } else { as_it_is(part) }
        })?;
        Ok((there.unwrap_or(shown), charset))
    }

    /// A text with each part changed: those in `ours`, and those between them. None where a part cannot be.
    fn spliced(
        &mut self,
        shown: &[u8],
        ours: &[Range<usize>],
        change: impl Fn(&mut Self, &[u8], bool) -> Result<Option<Vec<u8>>>,
    ) -> Result<Option<Vec<u8>>> {
        let mut whole = Vec::with_capacity(shown.len() * 2);
        let mut from = 0;
        for span in ours.iter().cloned().chain(std::iter::once(shown.len()..shown.len())) {
            let parts = [(&shown[from..span.start], false), (&shown[span.clone()], true)];
            for (part, is_ours) in parts.into_iter().filter(|(part, _)| !part.is_empty()) {
                let Some(changed) = change(self, part, is_ours)? else { return Ok(None) };
                whole.extend_from_slice(&changed);
            }
            from = span.end;
        }
        Ok(Some(whole))
    }

    /// A program's text with its comment as its own `sql_mode` reads it: the server always writes it with backslashes.
    pub(super) fn with_comment(
        &mut self,
        shown: Vec<u8>,
        kind: ObjectKind,
        name: &str,
        sql_mode: &str,
    ) -> Result<Vec<u8>> {
        if !sql_mode.contains("NO_BACKSLASH_ESCAPES") {
            return Ok(shown);
        }
        let comment = self.comment(kind, name)?;
        if !comment.iter().any(|byte| b"\\'\n\r\0\x1a".contains(byte)) {
            return Ok(shown);
        }
        let mut tokens = Tokens::new(&shown, Reading::Everything, QuoteMode::default());
        let Some(span) = comment_of(std::iter::from_fn(|| tokens.spanned()), &comment) else {
            return Ok(shown);
        };
        let mut literal = b"'".to_vec();
        literal.extend(
            comment.iter().flat_map(|byte| std::iter::repeat_n(*byte, if *byte == b'\'' { 2 } else { 1 })),
        );
        literal.push(b'\'');
        Ok([&shown[..span.start], &literal, &shown[span.end..]].concat())
    }

    /// The comment of a program, in UTF-8; empty where it has none.
    fn comment(&mut self, kind: ObjectKind, name: &str) -> Result<Vec<u8>> {
        let name = quote_text(name);
        let sql = match kind {
            ObjectKind::Trigger => return Ok(Vec::new()),
            ObjectKind::Event => format!(
                "SELECT EVENT_COMMENT FROM information_schema.EVENTS WHERE EVENT_SCHEMA = DATABASE() AND EVENT_NAME = {name}"
            ),
            _ => format!(
                "SELECT ROUTINE_COMMENT FROM information_schema.ROUTINES \
                 WHERE ROUTINE_SCHEMA = DATABASE() AND ROUTINE_NAME = {name} AND ROUTINE_TYPE = '{}'",
                kind.as_sql()
            ),
        };
        let rows = self.ask(&sql)?;
        Ok(rows.into_iter().next().and_then(|row| row.into_iter().next().flatten()).unwrap_or_default())
    }

    /// A text of this character set in UTF-8; none where it is no text in it, or would not be the same text again.
    fn in_utf8(&mut self, there: &[u8], charset: &str) -> Result<Option<Vec<u8>>> {
        if there.is_ascii() {
            return Ok(Some(there.to_vec()));
        }
        match self.converted(there, charset, "utf8mb4") {
            Err(Error::Server { .. }) => Ok(None),
            converted => converted,
        }
    }

    /// A text in another character set; none where it would not be the same text again.
    fn converted(&mut self, text_here: &[u8], from: &str, to: &str) -> Result<Option<Vec<u8>>> {
        let literal = format!("_{from} 0x{}", hex::encode(text_here));
        let there = format!("CONVERT({literal} USING {to})");
        let row = self.one(&format!(
            "SELECT CAST({there} AS BINARY), CAST(CONVERT({there} USING {from}) AS BINARY) = CAST({literal} AS BINARY)"
        ))?;
        let is_same = text(&row, 1) == "1";
        Ok(row.into_iter().next().flatten().filter(|_| is_same))
    }

    /// A text in its maker's character set: in UTF-8 where that has quotes within characters, since no restore admits it
    /// so. `collation_connection`, which says what its literals are, stays.
    pub(super) fn readable(&mut self, text_there: Vec<u8>, charset: String) -> Result<(Vec<u8>, String)> {
        if text_there.is_ascii() || !hides_quotes(&charset) {
            return Ok((text_there, charset));
        }
        let utf8 = self.in_utf8(&text_there, &charset)?;
        Ok(utf8.map_or((text_there, charset), |utf8| (utf8, "utf8mb4".into())))
    }
}

/// Where the server has put UTF-8 into a program's text: the definer's user and host, the program's name, and its comment. What
/// is in ASCII is the same in every character set, and not among them.
fn of_the_server(shown: &[u8], name: &str, comment: &[u8], quotes: QuoteMode) -> Vec<Range<usize>> {
    let mut tokens = Tokens::new(shown, Reading::Everything, quotes);
    let mut rest = std::iter::from_fn(|| tokens.spanned());
    let all: Vec<_> = rest.by_ref().take(LONGEST_HEAD).collect();
    let is_commented = !comment.is_ascii();
    let commented = if is_commented { comment_of(all.iter().cloned().chain(rest), comment) } else { None };
    let is_name = |at: usize| {
        let Some((Token::Name(found), span)) = all.get(at) else { return false };
        !found.is_ascii() && std::str::from_utf8(found).is_ok() && !shown[span.clone()].is_ascii()
    };
    let definer = all.iter().position(|(token, _)| token.is("DEFINER")).map(|at| [at + 2, at + 4]);
    let mut found: Vec<usize> = definer.into_iter().flatten().filter(|at| is_name(*at)).collect();
    let after = definer.map_or(0, |[_, host]| host + 1);
    let named = |at: &usize| matches!(&all[*at].0, Token::Name(found) if **found == *name.as_bytes());
    found.extend((after..all.len()).find(named).filter(|at| is_name(*at)));
    found.into_iter().map(|at| all[at].1.clone()).chain(commented).collect()
}

/// Where a program's comment is in its text.
fn comment_of<'t>(
    tokens: impl Iterator<Item = (Token<'t>, Range<usize>)>,
    comment: &[u8],
) -> Option<Range<usize>> {
    let mut follows = false;
    for (token, span) in tokens {
        if follows && matches!(token, Token::Text(text) if unescaped(text) == comment) {
            return Some(span);
        }
        follows = token.is("COMMENT");
    }
    None
}

/// What a literal means that the server has written: a backslash, or a quote, before a quote is for the quote's sake.
fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut bytes = text.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        plain.push(match (byte, bytes.peek()) {
            (b'\\', Some(escaped)) => {
                let meant = match escaped {
                    b'0' => 0,
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b'Z' => 0x1a,
                    other => *other,
                };
                bytes.next();
                meant
            }
            (b'\'', Some(b'\'')) => bytes.next().unwrap_or(b'\''),
            _ => byte,
        });
    }
    plain
}

/// In so many tokens, a program's text has its name.
const LONGEST_HEAD: usize = 32;

fn is_utf8(charset: &str) -> bool {
    ["utf8", "utf8mb3", "utf8mb4"].contains(&charset)
}

/// Whether a quote or a backslash may be the second byte of a character.
fn hides_quotes(charset: &str) -> bool {
    ["gbk", "big5", "sjis", "cp932", "gb18030"].contains(&charset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_the_server_has_put_into_a_program_are_told_from_its_text() {
        let latin1 =
            |text: &str| text.chars().map(|char| u8::try_from(u32::from(char)).unwrap()).collect::<Vec<u8>>();
        for (before, name, after, expected) in [
            (
                "CREATE DEFINER=`ünï`@`%` EVENT ",
                "`é`",
                " ON SCHEDULE AT '2037-01-01' DO SET @a = 'é'",
                &["`ünï`", "`é`"][..],
            ),
            ("CREATE DEFINER=`root`@`localhost` PROCEDURE ", "`é`", "() SELECT 'é'", &["`é`"]),
            ("CREATE DEFINER=`root`@`localhost` PROCEDURE ", "`e`", "() SELECT 'é'", &[]),
            ("CREATE PROCEDURE ", "`é`", "() SELECT `é` FROM t", &["`é`"]),
        ] {
            let shown = [before.as_bytes(), name.as_bytes(), &latin1(after)].concat();
            let found = of_the_server(&shown, name.trim_matches('`'), b"", QuoteMode::default());
            let found: Vec<&str> =
                found.into_iter().map(|span| std::str::from_utf8(&shown[span]).unwrap()).collect();
            assert_eq!(found, expected, "{before}{name}");
        }
        // A trigger is shown as its maker wrote it.
        let written = latin1(
            "CREATE DEFINER=`root`@`localhost` TRIGGER `é` BEFORE INSERT ON t FOR EACH ROW SET @a = 1",
        );
        assert!(of_the_server(&written, "é", b"", QuoteMode::default()).is_empty());
        // The body's bytes are UTF-8 too, by chance.
        let begin = "CREATE DEFINER=`root`@`localhost` PROCEDURE `p`()\n    COMMENT ";
        let shown =
            [begin.as_bytes(), "'it\\'s Ã©'".as_bytes(), b"\nCREATE TABLE t (a INT) COMMENT '\xc3\xa9'"]
                .concat();
        let found = of_the_server(&shown, "p", "it's Ã©".as_bytes(), QuoteMode::default());
        assert_eq!(found.len(), 1);
        assert_eq!(found[0], begin.len()..begin.len() + "'it\\'s Ã©'".len());
    }
}
