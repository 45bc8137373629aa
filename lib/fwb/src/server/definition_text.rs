//! The text of a definition in one character set, and read as its own `sql_mode` reads it. The server keeps a text in the character
//! set of its maker's client, puts names and a comment into it in UTF-8, and escapes the comment with backslashes whatever the
//! mode. A dump and a swap read definitions through here, so that both make the same of them.

use std::collections::BTreeSet;
use std::ops::Range;

use super::answers::{OwnedRow, ask, text};
use super::port::Session;
use super::quoting::{quote_text, quote_texts};
use crate::error::{Error, Result};
use crate::manifest::ObjectKind;
use crate::scan::{QuoteMode, Reading, Token, Tokens};

/// The longest text that is converted, in bytes. Its digits take six times as many, and a packet may have 16 MiB.
const LONGEST_CONVERTED: usize = 2 << 20;

/// A definition as the server keeps it: what `SHOW CREATE` shows where `character_set_results` is NULL or binary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shown {
    /// The `CREATE` statement.
    pub(crate) text: Vec<u8>,
    /// The session's `character_set_client`.
    pub(crate) charset: String,
}

/// Asks one session for what the texts of definitions do not tell.
pub(crate) struct DefinitionTexts<'a> {
    session: &'a mut dyn Session,
    /// What is being done, for errors.
    doing: &'a str,
}

impl<'a> DefinitionTexts<'a> {
    /// Over a session whose default database is that of the definitions, and whose results are in utf8mb4.
    pub(crate) fn new(session: &'a mut dyn Session, doing: &'a str) -> Self {
        Self { session, doing }
    }

    /// A view's text. It stays in its maker's character set, but where that has quotes within characters, which no restore admits,
    /// and where the text names another view beyond ASCII, by which it is sorted.
    ///
    /// # Errors
    /// The server refuses, or the connection breaks.
    pub(crate) fn of_view(&mut self, shown: Shown, name: &str) -> Result<Shown> {
        let text = with_quoted_names(&shown.text).unwrap_or(shown.text);
        let shown = Shown { text, ..shown };
        if shown.text.is_ascii()
            || is_utf8(&shown.charset)
            || has_introduced(&shown.text, QuoteMode::default())
        {
            return Ok(shown);
        }
        let hides = hides_quotes(&shown.charset);
        if !hides && !has_names(&shown.text) {
            return Ok(shown);
        }
        let Some(text) = self.in_utf8(&shown.text, &shown.charset)? else { return Ok(shown) };
        if !hides && !self.names_views(&text, name)? {
            return Ok(shown);
        }
        Ok(Shown { text, charset: "utf8mb4".into() })
    }

    /// Whether a view's text in UTF-8 has the name of another view that is beyond ASCII.
    fn names_views(&mut self, utf8: &[u8], own: &str) -> Result<bool> {
        let tokens = Tokens::new(utf8, Reading::Everything, QuoteMode::default());
        let others: BTreeSet<String> = tokens
            .filter_map(|token| match token {
                Token::Name(name) if !name.is_ascii() => String::from_utf8(name.into_owned()).ok(),
                _ => None,
            })
            .filter(|name| name != own)
            .collect();
        if others.is_empty() {
            return Ok(false);
        }
        let sql = format!(
            "SELECT 1 FROM information_schema.VIEWS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME IN ({}) LIMIT 1",
            quote_texts(others.iter().map(AsRef::as_ref))
        );
        Ok(!ask(self.session, &sql, self.doing)?.is_empty())
    }

    /// A program's text. What the server has put into it is told in its maker's character set too; where that lacks a
    /// character of it, or has quotes within characters, the whole is told in utf8mb4.
    ///
    /// # Errors
    /// As [`DefinitionTexts::of_view`].
    pub(crate) fn of_program(
        &mut self,
        shown: Shown,
        kind: ObjectKind,
        name: &str,
        sql_mode: &str,
    ) -> Result<Shown> {
        if !is_changed(&shown.text, &shown.charset, sql_mode) {
            return Ok(shown);
        }
        let quotes = QuoteMode::under(sql_mode);
        let comment = self.comment(kind, name)?;
        let text = with_comment(&shown.text, &comment, quotes).unwrap_or(shown.text);
        let Shown { charset, .. } = shown;
        if text.is_ascii() || is_utf8(&charset) {
            return Ok(Shown { text, charset });
        }
        let ours = of_the_server(&text, name, &comment, quotes);
        let hides = hides_quotes(&charset);
        if ours.is_empty() && !hides {
            return Ok(Shown { text, charset });
        }
        if !hides && let Some(there) = self.in_the_makers(&text, &ours, &charset)? {
            return Ok(Shown { text: there, charset });
        }
        // Bytes behind an introducer mean themselves: they would mean something else in UTF-8.
        if !has_introduced(&text, quotes)
            && let Some(utf8) = self.all_in_utf8(&text, &ours, &charset)?
        {
            return Ok(Shown { text: utf8, charset: "utf8mb4".into() });
        }
        let there = self.in_the_makers(&text, &ours, &charset)?;
        Ok(Shown { text: there.unwrap_or(text), charset })
    }

    /// A text whose parts in `ours` are in UTF-8, in its maker's character set.
    fn in_the_makers(
        &mut self,
        text: &[u8],
        ours: &[Range<usize>],
        charset: &str,
    ) -> Result<Option<Vec<u8>>> {
        self.spliced(text, ours, |texts, part, is_ours| {
            if is_ours { texts.converted(part, "utf8mb4", charset) } else { Ok(Some(part.to_vec())) }
        })
    }

    /// The same text in UTF-8.
    fn all_in_utf8(&mut self, text: &[u8], ours: &[Range<usize>], charset: &str) -> Result<Option<Vec<u8>>> {
        self.spliced(
            text,
            ours,
            |texts, part, is_ours| {
                if is_ours { Ok(Some(part.to_vec())) } else { texts.in_utf8(part, charset) }
            },
        )
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
        let rows = ask(self.session, &sql, self.doing)?;
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

    /// A text in another character set; none where it would not be the same text again, or is too long to be sent thrice in one
    /// packet.
    fn converted(&mut self, text_here: &[u8], from: &str, to: &str) -> Result<Option<Vec<u8>>> {
        if text_here.len() > LONGEST_CONVERTED {
            return Ok(None);
        }
        let literal = format!("_{from} 0x{}", hex::encode(text_here));
        let there = format!("CONVERT({literal} USING {to})");
        let rows: Vec<OwnedRow> = ask(
            self.session,
            &format!(
                "SELECT CAST({there} AS BINARY), CAST(CONVERT({there} USING {from}) AS BINARY) = CAST({literal} AS BINARY)"
            ),
            self.doing,
        )?;
        let Some(row) = rows.into_iter().next() else { return Ok(None) };
        let is_same = text(&row, 1) == "1";
        Ok(row.into_iter().next().flatten().filter(|_| is_same))
    }
}

/// Whether a definition may have to be told in another form than the server shows it in; where not, there is nothing to ask.
pub(super) fn is_changed(text: &[u8], charset: &str, sql_mode: &str) -> bool {
    let is_other = !text.is_ascii() && !is_utf8(charset);
    is_other || sql_mode.contains("NO_BACKSLASH_ESCAPES")
}

/// Whether a text has a literal beyond ASCII behind an introducer, such as `_binary'…'`.
fn has_introduced(text: &[u8], quotes: QuoteMode) -> bool {
    let mut follows = false;
    Tokens::new(text, Reading::Everything, quotes).any(|token| {
        let is_introduced = follows && matches!(token, Token::Text(text) if !text.is_ascii());
        follows = matches!(token, Token::Word([b'_', ..]));
        is_introduced
    })
}

/// Whether a view's text has names beyond ASCII.
fn has_names(text: &[u8]) -> bool {
    let mut tokens = Tokens::new(text, Reading::Everything, QuoteMode::default());
    tokens.any(|token| matches!(token, Token::Name(name) if !name.is_ascii()))
}

/// A program's text with its comment as its own `sql_mode` reads it: the server always writes it with backslashes. None where that
/// is the same.
fn with_comment(shown: &[u8], comment: &[u8], quotes: QuoteMode) -> Option<Vec<u8>> {
    if quotes.escapes(b'\'') || !comment.iter().any(|byte| b"\\'\n\r\0\x1a".contains(byte)) {
        return None;
    }
    let mut tokens = Tokens::new(shown, Reading::Everything, QuoteMode::default());
    let span = comment_of(std::iter::from_fn(|| tokens.spanned()), comment, QuoteMode::default())?;
    let doubled =
        comment.iter().flat_map(|byte| std::iter::repeat_n(*byte, if *byte == b'\'' { 2 } else { 1 }));
    let literal: Vec<u8> = [b'\''].into_iter().chain(doubled).chain([b'\'']).collect();
    Some([&shown[..span.start], &literal, &shown[span.end..]].concat())
}

/// A view's definition with all names quoted that have characters beyond ASCII; none where they are. MariaDB prints names of
/// common table expressions and windows without quotes.
fn with_quoted_names(text: &[u8]) -> Option<Vec<u8>> {
    if text.is_ascii() {
        return None;
    }
    let mut tokens = Tokens::new(text, Reading::Everything, QuoteMode::default());
    let mut quoted = Vec::with_capacity(text.len());
    let mut from = 0;
    while let Some((token, span)) = tokens.spanned() {
        if matches!(token, Token::Word(word) if !word.is_ascii()) {
            quoted.extend_from_slice(&text[from..span.start]);
            quoted.push(b'`');
            quoted.extend_from_slice(&text[span.clone()]);
            quoted.push(b'`');
            from = span.end;
        }
    }
    quoted.extend_from_slice(&text[from..]);
    (from > 0).then_some(quoted)
}

/// Where the server has put UTF-8 into a program's text: the definer's user and host, the program's name, and its comment. What
/// is in ASCII is the same in every character set, and not among them.
fn of_the_server(shown: &[u8], name: &str, comment: &[u8], quotes: QuoteMode) -> Vec<Range<usize>> {
    let mut tokens = Tokens::new(shown, Reading::Everything, quotes);
    let mut rest = std::iter::from_fn(|| tokens.spanned());
    let all: Vec<_> = rest.by_ref().take(LONGEST_HEAD).collect();
    let is_commented = !comment.is_ascii();
    let commented =
        if is_commented { comment_of(all.iter().cloned().chain(rest), comment, quotes) } else { None };
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
    quotes: QuoteMode,
) -> Option<Range<usize>> {
    let mut follows = false;
    for (token, span) in tokens {
        if follows && matches!(&token, Token::Text(text) if meant(text, quotes) == comment) {
            return Some(span);
        }
        follows = token.is("COMMENT");
    }
    None
}

/// What a literal means: a backslash, where it escapes, or a quote before a quote is for the quote's sake.
fn meant(text: &[u8], quotes: QuoteMode) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut bytes = text.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        plain.push(match (byte, bytes.peek()) {
            (b'\\', Some(escaped)) if quotes.escapes(b'\'') => {
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

    #[test]
    fn names_beyond_ascii_are_quoted() {
        let text = "CREATE VIEW `v` AS with 한글 as (select '말' AS `é`)select 한글.`é` AS `é` from 한글";
        let quoted =
            "CREATE VIEW `v` AS with `한글` as (select '말' AS `é`)select `한글`.`é` AS `é` from `한글`";
        assert_eq!(with_quoted_names(text.as_bytes()).as_deref(), Some(quoted.as_bytes()));
        assert_eq!(with_quoted_names(quoted.as_bytes()), None);
    }
}
