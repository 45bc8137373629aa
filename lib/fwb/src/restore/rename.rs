//! Restoring under another name: what the server prints with its database's name before it.
//!
//! A default from a sequence (``DEFAULT nextval(`db`.`seq`)``) and a stored function in a view are printed with the
//! database, and would go on using the original. Without it, they mean the database that they are in.

use crate::scan::{Head, QuoteMode, Reading, Token, Tokens, Verb};

/// The statement without the database `from` before names that are the database's own; none where there are none.
pub(super) fn unqualified(head: &Head, text: &[u8], mode: QuoteMode, from: &str) -> Option<Vec<u8>> {
    let applies: fn(&[Token<'_>]) -> bool = match head {
        Head::Table(Verb::Create, _) => |_| true,
        Head::View(Verb::Create, _) => |after| {
            // `db`.`function`( or `db`.`table`.`column`; `table`.`column` may look the same as `db`.`table`.
            matches!(after, [_, Token::Symbol(b'(' | b'.'), ..])
        },
        _ => return None,
    };
    let mut tokens = Tokens::new(text, Reading::Everything, mode);
    let mut all: Vec<(Token<'_>, usize)> = Vec::new();
    while let Some(token) = tokens.next() {
        all.push((token, tokens.position()));
    }
    let (tokens, ends): (Vec<Token<'_>>, Vec<usize>) = all.into_iter().unzip();
    let mut plain = Vec::with_capacity(text.len());
    let mut copied = 0;
    for index in 0..tokens.len() {
        let ours = matches!(&tokens[index], Token::Name(name) if **name == *from.as_bytes());
        if !ours || tokens.get(index + 1) != Some(&Token::Symbol(b'.')) || !applies(&tokens[index + 2..]) {
            continue;
        }
        // The name is quoted, so it ends where its token does and begins after the blanks behind the one before.
        let quoted = 2 + from.len() + from.matches('`').count();
        plain.extend_from_slice(&text[copied..ends[index] - quoted]);
        copied = ends[index + 1];
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
}
