//! Restoring under another name: what the server prints with its database's name before it.
//!
//! A default from a sequence (``DEFAULT nextval(`db`.`seq`)``) and a stored function in a view are printed with the
//! database, and would go on using the original. A trigger is printed as it was written, with the database before its
//! own name or its table's, or without. Without it, all of them mean the database that they are in. What stands in the
//! body of a stored program is its author's, and stays.

use std::ops::Range;

use crate::manifest::ObjectKind;
use crate::scan::{Head, QuoteMode, Reading, Token, Tokens, Verb};

/// The statement without the database `from` before names that are the database's own; none where there are none.
pub(super) fn unqualified(head: &Head, text: &[u8], mode: QuoteMode, from: &str) -> Option<Vec<u8>> {
    let all = || {
        let mut tokens = Tokens::new(text, Reading::Everything, mode);
        std::iter::from_fn(|| tokens.spanned()).collect::<Vec<_>>()
    };
    match head {
        Head::Table(Verb::Create, _) => strip(text, from, &all(), |tokens, at| is_name(&tokens[at])),
        Head::View(Verb::Create, _) => strip(text, from, &all(), |tokens, at| {
            // `db`.`function`( or `db`.`table`.`column`; `table`.`column` may look the same as `db`.`table`.
            let after = tokens.get(at + 3).map(|(token, _)| token);
            is_name(&tokens[at]) && matches!(after, Some(Token::Symbol(b'(' | b'.')))
        }),
        Head::Program(Verb::Create, ObjectKind::Trigger, _) => {
            let tokens = all();
            let places = trigger_names(&tokens);
            strip(text, from, &tokens, |_, at| places.contains(&at))
        }
        _ => None,
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

/// The text without `from.` wherever `applies` to the token that it begins with.
fn strip(
    text: &[u8],
    from: &str,
    tokens: &[Spanned<'_>],
    applies: impl Fn(&[Spanned<'_>], usize) -> bool,
) -> Option<Vec<u8>> {
    let mut plain = Vec::with_capacity(text.len());
    let mut copied = 0;
    for (at, pair) in tokens.windows(2).enumerate() {
        let [(name, span), (Token::Symbol(b'.'), dot)] = pair else { continue };
        let ours = match name {
            Token::Word(word) => *word == from.as_bytes(),
            Token::Name(name) => **name == *from.as_bytes(),
            _ => false,
        };
        if ours && applies(tokens, at) {
            plain.extend_from_slice(&text[copied..span.start]);
            copied = dot.end;
        }
    }
    if copied == 0 {
        return None;
    }
    plain.extend_from_slice(&text[copied..]);
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::parse_head;

    fn renamed(sql: &str) -> Option<String> {
        let mode = QuoteMode::default();
        let head = parse_head(sql.as_bytes(), Reading::Everything, mode);
        unqualified(&head, sql.as_bytes(), mode, "d`b").map(|plain| String::from_utf8(plain).unwrap())
    }

    #[test]
    fn own_names_lose_their_database_and_nothing_else_does() {
        let table =
            "CREATE TABLE `t` (`a` int DEFAULT nextval(`d``b`.`s`), `b` text DEFAULT 'nextval(`d``b`.`s`)')";
        let expected =
            "CREATE TABLE `t` (`a` int DEFAULT nextval(`s`), `b` text DEFAULT 'nextval(`d``b`.`s`)')";
        assert_eq!(renamed(table).as_deref(), Some(expected));
        let view = "CREATE VIEW `v` AS select `d``b`.`f`(1), `d``b`.`id` from `d``b`";
        assert_eq!(
            renamed(view).as_deref(),
            Some("CREATE VIEW `v` AS select `f`(1), `d``b`.`id` from `d``b`")
        );
        assert_eq!(renamed("CREATE TABLE `t` (`a` int DEFAULT nextval(`other`.`s`))"), None);
        assert_eq!(renamed("DROP TABLE `d``b`"), None);
    }

    #[test]
    fn triggers_lose_their_database_as_it_was_written() {
        let trigger = "/*!50003 CREATE*/ /*!50017 DEFINER=`r`@`%`*/ /*!50003 trigger IF NOT EXISTS `d``b`.`t` AFTER UPDATE ON `d``b` . `a` FOR EACH ROW SET @a = (SELECT 1 FROM `d``b`.`a`) */";
        let expected = "/*!50003 CREATE*/ /*!50017 DEFINER=`r`@`%`*/ /*!50003 trigger IF NOT EXISTS `t` AFTER UPDATE ON  `a` FOR EACH ROW SET @a = (SELECT 1 FROM `d``b`.`a`) */";
        assert_eq!(renamed(trigger).as_deref(), Some(expected));
        let table_only = "CREATE TRIGGER t AFTER UPDATE ON `d``b`.a FOR EACH ROW SET @a = 1";
        assert_eq!(
            renamed(table_only).as_deref(),
            Some("CREATE TRIGGER t AFTER UPDATE ON a FOR EACH ROW SET @a = 1")
        );
        let bare = "CREATE TRIGGER db.t AFTER UPDATE ON db.a FOR EACH ROW SET @a = 1";
        let head = parse_head(bare.as_bytes(), Reading::Everything, QuoteMode::default());
        let plain = unqualified(&head, bare.as_bytes(), QuoteMode::default(), "db").unwrap();
        assert_eq!(plain, b"CREATE TRIGGER t AFTER UPDATE ON a FOR EACH ROW SET @a = 1");
        assert_eq!(
            renamed("CREATE TRIGGER `t` AFTER UPDATE ON `a` FOR EACH ROW SET @a = `d``b`.`f`()"),
            None
        );
    }
}
