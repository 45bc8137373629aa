//! Restoring under another name: what the server prints with its database's name before it.
//!
//! A default from a sequence (``DEFAULT nextval(`db`.`seq`)``) and a stored function in a view are printed with the
//! database, and would go on using the original; so is a trigger that was made with it. Without it, they mean the
//! database that they are in. A foreign key is printed without it, and means a table that may not come along.

use crate::manifest::ObjectKind;
use crate::scan::{Head, QuoteMode, Reading, Target, Token, Tokens, Verb};
use crate::server::quote_name;

/// How names change on the way from the database that was dumped to the one that is loaded.
pub(super) struct Renaming<'a> {
    /// The database that was dumped, where its name must not stay.
    pub(super) from: Option<&'a str>,
    /// Whether the object of this name is loaded too; others are looked for in `elsewhere`.
    pub(super) here: &'a dyn Fn(&str) -> bool,
    /// The database that has what is not loaded.
    pub(super) elsewhere: &'a str,
}

impl Renaming<'_> {
    /// The statement as it must be where it is loaded.
    pub(super) fn apply(&self, head: &Head, text: &[u8], mode: QuoteMode) -> Vec<u8> {
        let applies = matches!(
            head,
            Head::Table(Verb::Create, _)
                | Head::View(Verb::Create, _)
                | Head::Program(_, ObjectKind::Trigger, _)
        );
        let Some(from) = self.from.filter(|_| applies) else { return text.to_vec() };
        let mut tokens = Tokens::new(text, Reading::Everything, mode);
        let mut all: Vec<(Token<'_>, usize)> = Vec::new();
        while let Some(token) = tokens.next() {
            all.push((token, tokens.position()));
        }
        let (tokens, ends): (Vec<Token<'_>>, Vec<usize>) = all.into_iter().unzip();
        let mut renamed = Vec::with_capacity(text.len());
        let mut copied = 0;
        for index in 0..tokens.len() {
            let after = &tokens[index + 1..];
            match head {
                // The body stays as it is: it means what it says wherever it runs.
                Head::Program(..) if tokens[index].is("EACH") => break,
                Head::Program(..) if !is(&tokens[index], from) => continue,
                Head::Table(..) if self.refers_elsewhere(&tokens[index], after) => {
                    renamed.extend_from_slice(&text[copied..ends[index]]);
                    renamed.extend_from_slice(format!(" {}.", quote_name(self.elsewhere)).as_bytes());
                    copied = ends[index];
                    continue;
                }
                _ if !is_quoted(&tokens[index], from) => continue,
                // `db`.`function`( or `db`.`table`.`column`; `table`.`column` may look the same as `db`.`table`.
                Head::View(..) if !matches!(after.get(2), Some(Token::Symbol(b'(' | b'.'))) => continue,
                _ => {}
            }
            let [Token::Symbol(b'.'), named, ..] = after else { continue };
            renamed.extend_from_slice(&text[copied..ends[index] - length(&tokens[index], text, ends[index])]);
            let stays = named.identifier().is_none_or(|name| (self.here)(&name));
            if !stays {
                renamed.extend_from_slice(format!("{}.", quote_name(self.elsewhere)).as_bytes());
            }
            copied = ends[index + 1];
        }
        renamed.extend_from_slice(&text[copied..]);
        renamed
    }

    /// `REFERENCES` before the bare name of a table that is not loaded.
    fn refers_elsewhere(&self, token: &Token<'_>, after: &[Token<'_>]) -> bool {
        let (Some(name), true) = (after.first().and_then(Token::identifier), token.is("REFERENCES")) else {
            return false;
        };
        after.get(1) != Some(&Token::Symbol(b'.')) && !(self.here)(&name)
    }
}

/// A default from a sequence of database `from`, ``nextval(`from`.`seq`)``: the sequence's name, and the default with
/// the database `to` instead. None where it is something else.
pub(super) fn in_database(default: &str, from: &str, to: &str) -> Option<(String, String)> {
    let text = default.as_bytes();
    let mode = QuoteMode::default();
    let mut tokens = Tokens::new(text, Reading::Everything, mode);
    while let Some(token) = tokens.next() {
        if is_quoted(&token, from) && tokens.take_symbol(b'.') {
            let name = tokens.next()?.identifier()?;
            let table = Head::Table(Verb::Create, Target { name: String::new(), database: None });
            let renaming = Renaming { from: Some(from), here: &|_| false, elsewhere: to };
            let changed = renaming.apply(&table, text, mode);
            return Some((name, String::from_utf8_lossy(&changed).into_owned()));
        }
    }
    None
}

fn is(token: &Token<'_>, name: &str) -> bool {
    matches!(token, Token::Word(word) if *word == name.as_bytes()) || is_quoted(token, name)
}

fn is_quoted(token: &Token<'_>, name: &str) -> bool {
    matches!(token, Token::Name(quoted) if **quoted == *name.as_bytes())
}

/// The length of a name as it stands before `end`, in bytes: between its quotes, they are doubled.
fn length(token: &Token<'_>, text: &[u8], end: usize) -> usize {
    match token {
        Token::Name(name) => {
            let quote = text[end - 1];
            2 + name.len() + name.iter().filter(|byte| **byte == quote).count()
        }
        Token::Word(word) => word.len(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::parse_head;

    fn renamed(sql: &str) -> String {
        let mode = QuoteMode::default();
        let head = parse_head(sql.as_bytes(), Reading::Everything, mode);
        let here = |name: &str| name != "away";
        let renaming = Renaming { from: Some("d`b"), here: &here, elsewhere: "live" };
        String::from_utf8(renaming.apply(&head, sql.as_bytes(), mode)).unwrap()
    }

    #[test]
    fn own_names_lose_their_database_and_nothing_else_does() {
        let table =
            "CREATE TABLE `t` (`a` int DEFAULT nextval(`d``b`.`s`), `b` text DEFAULT 'nextval(`d``b`.`s`)')";
        let expected =
            "CREATE TABLE `t` (`a` int DEFAULT nextval(`s`), `b` text DEFAULT 'nextval(`d``b`.`s`)')";
        assert_eq!(renamed(table), expected);
        let view = "CREATE VIEW `v` AS select `d``b`.`f`(1), `d``b`.`id` from `d``b`";
        assert_eq!(renamed(view), "CREATE VIEW `v` AS select `f`(1), `d``b`.`id` from `d``b`");
        for same in ["CREATE TABLE `t` (`a` int DEFAULT nextval(`other`.`s`))", "DROP TABLE `d``b`"] {
            assert_eq!(renamed(same), same);
        }
        let trigger =
            "CREATE TRIGGER `d``b`.`t1` BEFORE INSERT ON `d``b`.`t` FOR EACH ROW SET @a = `d``b`.`f`()";
        let expected = "CREATE TRIGGER `t1` BEFORE INSERT ON `t` FOR EACH ROW SET @a = `d``b`.`f`()";
        assert_eq!(renamed(trigger), expected);
    }

    #[test]
    fn what_stays_behind_is_named_with_its_database() {
        let table = "CREATE TABLE `t` (`a` int DEFAULT nextval(`d``b`.`away`), FOREIGN KEY (`a`) REFERENCES `away` (`id`), FOREIGN KEY (`a`) REFERENCES `t` (`id`))";
        let expected = "CREATE TABLE `t` (`a` int DEFAULT nextval(`live`.`away`), FOREIGN KEY (`a`) REFERENCES `live`. `away` (`id`), FOREIGN KEY (`a`) REFERENCES `t` (`id`))";
        assert_eq!(renamed(table), expected);
    }
}
