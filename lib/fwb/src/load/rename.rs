//! Restoring under another name: what the server prints with its database's name before it.
//!
//! A default from a sequence (``DEFAULT nextval(`db`.`seq`)``) and a stored function in a view are printed with the
//! database, and would go on using the original; so are all tables of a view over several databases, and a trigger that was
//! made with it. Without it, they mean the
//! database that they are in. A foreign key is printed without it, and means a table that may not come along.

use std::ops::Range;

use super::parents::parents;
use crate::admission::relation_positions;
use crate::manifest::ObjectKind;
use crate::scan::{Head, QuoteMode, Reading, Target, Token, Tokens, Verb};
use crate::server::quote_name;

/// How names change on the way from the database that was dumped to the one that is loaded.
pub(crate) struct Renaming<'a> {
    /// The database that was dumped, where its name must not stay.
    pub(crate) from: Option<&'a str>,
    /// Whether what has the database's name before it is loaded too; the rest is looked for in `elsewhere`.
    pub(crate) here: &'a dyn Fn(&str) -> bool,
    /// Whether this table is loaded too; foreign keys look for the others in `elsewhere`.
    pub(crate) loaded: &'a dyn Fn(&str) -> bool,
    /// The database that has what is not loaded.
    pub(crate) elsewhere: &'a str,
}

impl Renaming<'_> {
    /// The statement as it must be where it is loaded.
    pub(crate) fn apply(&self, head: &Head, text: &[u8], mode: QuoteMode) -> Vec<u8> {
        let Some(from) = self.from else { return text.to_vec() };
        let mut tokens = Tokens::new(text, Reading::Everything, mode);
        let mut tokens = || std::iter::from_fn(|| tokens.spanned()).collect::<Vec<_>>();
        match head {
            Head::Table(Verb::Create, _) => {
                let tokens = tokens();
                let changed = self.renamed(text, from, &tokens, |at| is_name(&tokens[at]));
                self.referring(&changed, mode)
            }
            Head::View(Verb::Create, _) => {
                let tokens = tokens();
                // `db`.`function`( or `db`.`table`.`column`, or `db`.`table` where tables stand; elsewhere `table`.`column`
                // may look the same. A view over several databases has its own in all of these places.
                let relations = relation_positions(tokens.iter().map(|(token, _)| token));
                let applies = |at: usize| {
                    let after = tokens.get(at + 3).map(|(token, _)| token);
                    let is_told = matches!(after, Some(Token::Symbol(b'(' | b'.')));
                    is_name(&tokens[at]) && (is_told || relations.binary_search(&at).is_ok())
                };
                self.renamed(text, from, &tokens, applies)
            }
            Head::Program(Verb::Create, ObjectKind::Trigger, _) => {
                let tokens = tokens();
                let places = trigger_names(&tokens);
                self.renamed(text, from, &tokens, |at| places.contains(&at))
            }
            _ => text.to_vec(),
        }
    }

    /// The text with another database, or none, instead of `from.` wherever `applies` to the token that it begins with.
    fn renamed(
        &self,
        text: &[u8],
        from: &str,
        tokens: &[Spanned<'_>],
        applies: impl Fn(usize) -> bool,
    ) -> Vec<u8> {
        let mut renamed = Vec::with_capacity(text.len());
        let mut copied = 0;
        for (at, pair) in tokens.windows(3).enumerate() {
            let [(database, span), (Token::Symbol(b'.'), dot), (name, _)] = pair else { continue };
            let ours = match database {
                Token::Word(word) => *word == from.as_bytes(),
                Token::Name(name) => **name == *from.as_bytes(),
                _ => false,
            };
            if ours && applies(at) {
                renamed.extend_from_slice(&text[copied..span.start]);
                if !name.identifier().is_none_or(|name| (self.here)(&name)) {
                    renamed.extend_from_slice(format!("{}.", quote_name(self.elsewhere)).as_bytes());
                }
                copied = dot.end;
            }
        }
        renamed.extend_from_slice(&text[copied..]);
        renamed
    }

    /// The table with the database's name in those foreign keys whose tables are not loaded.
    fn referring(&self, text: &[u8], mode: QuoteMode) -> Vec<u8> {
        let mut changed = Vec::with_capacity(text.len());
        let mut copied = 0;
        for (_, span) in parents(text, mode).into_iter().filter(|(name, _)| !(self.loaded)(name)) {
            changed.extend_from_slice(&text[copied..span.start]);
            changed.extend_from_slice(format!("{}.", quote_name(self.elsewhere)).as_bytes());
            copied = span.start;
        }
        changed.extend_from_slice(&text[copied..]);
        changed
    }
}

type Spanned<'a> = (Token<'a>, Range<usize>);

fn is_name((token, _): &Spanned<'_>) -> bool {
    matches!(token, Token::Name(_))
}

/// Where the names of the trigger and of its table begin.
fn trigger_names(tokens: &[Spanned<'_>]) -> Vec<usize> {
    let after = |word: &str, from: usize| {
        let found = tokens.iter().skip(from).position(|(token, _)| token.is(word));
        found.map(|found| from + found + 1)
    };
    let Some(mut name) = after("TRIGGER", 0) else { return Vec::new() };
    if tokens.get(name).is_some_and(|(token, _)| token.is("IF")) {
        // IF NOT EXISTS.
        name += 3;
    }
    [name].into_iter().chain(after("ON", name + 1)).collect()
}

/// A default from a sequence of database `from`, ``nextval(`from`.`seq`)``: the sequence's name, and the default with
/// the database `to` instead. None where it is something else.
pub(crate) fn in_database(default: &str, from: &str, to: &str) -> Option<(String, String)> {
    let text = default.as_bytes();
    let mode = QuoteMode::default();
    let mut tokens = Tokens::new(text, Reading::Everything, mode);
    while let Some(token) = tokens.next() {
        let ours = matches!(&token, Token::Name(name) if **name == *from.as_bytes());
        if ours && tokens.take_symbol(b'.') {
            let name = tokens.next()?.identifier()?;
            let table = Head::Table(Verb::Create, Target { name: String::new(), database: None });
            let renaming = Renaming { from: Some(from), here: &|_| false, loaded: &|_| true, elsewhere: to };
            let changed = renaming.apply(&table, text, mode);
            return Some((name, String::from_utf8_lossy(&changed).into_owned()));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::parse_head;

    fn renamed(sql: &str) -> String {
        let mode = QuoteMode::default();
        let head = parse_head(sql.as_bytes(), Reading::Everything, mode);
        let here = |name: &str| name != "away";
        let renaming = Renaming { from: Some("d`b"), here: &here, loaded: &here, elsewhere: "live" };
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
        // So does MariaDB show a view over several databases.
        let view = "CREATE VIEW `v` AS select `d``b`.`t`.`id` AS `id` from (`o`.`u` `x` join `d``b`.`t` on(`d``b`.`t`.`id` = `d``b`.`n`))";
        let expected = "CREATE VIEW `v` AS select `t`.`id` AS `id` from (`o`.`u` `x` join `t` on(`t`.`id` = `d``b`.`n`))";
        assert_eq!(renamed(view), expected);
        let view = "CREATE VIEW `v` AS select nextval(`d``b`.`s`) AS `n`,lastval(`o`.`s`) AS `l`";
        assert_eq!(renamed(view), "CREATE VIEW `v` AS select nextval(`s`) AS `n`,lastval(`o`.`s`) AS `l`");
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
        let expected = "CREATE TABLE `t` (`a` int DEFAULT nextval(`live`.`away`), FOREIGN KEY (`a`) REFERENCES `live`.`away` (`id`), FOREIGN KEY (`a`) REFERENCES `t` (`id`))";
        assert_eq!(renamed(table), expected);
    }
}
