//! Views over views of other accounts.
//!
//! A server makes no view over one whose account does not exist (error 1449), or may not read what that one reads (error
//! 1356): so it is in a database of another name, where an account that has rights on the live one alone has none. While
//! such a view is made, those under it are our own account's.

use std::collections::BTreeSet;

use crate::admission::relations;
use crate::scan::{QuoteMode, Reading, Token, Tokens};

/// The statement that makes a view, with our own account in the place of the view's; none where it names none.
pub(crate) fn as_ourselves(text: &[u8], mode: QuoteMode) -> Option<Vec<u8>> {
    let mut tokens = Tokens::new(text, Reading::Everything, mode);
    let mut tokens = std::iter::from_fn(|| tokens.spanned()).take_while(|(token, _)| !token.is("VIEW"));
    tokens.find(|(token, _)| token.is("DEFINER"))?;
    tokens.next().filter(|(token, _)| *token == Token::Symbol(b'='))?;
    let (user, span) = tokens.next()?;
    if user.is("CURRENT_USER") || user.is("CURRENT_ROLE") {
        return None;
    }
    let mut end = span.end;
    if let Some((Token::Variable(host), after)) = tokens.next() {
        // ``@`host` ``, or `@host`.
        end = if host == b"@" { tokens.next()?.1.end } else { after.end };
    }
    Some([&text[..span.start], b"CURRENT_USER", &text[end..]].concat())
}

/// `CREATE OR REPLACE` instead of `CREATE`.
pub(crate) fn or_replace(text: &[u8], mode: QuoteMode) -> Vec<u8> {
    let mut tokens = Tokens::new(text, Reading::Everything, mode);
    let Some(Token::Word(_)) = tokens.next() else { return text.to_vec() };
    let at = tokens.position();
    if tokens.next().is_some_and(|word| word.is("OR")) {
        return text.to_vec();
    }
    [&text[..at], b" OR REPLACE", &text[at..]].concat()
}

/// Which of these views another one of them selects from, by index.
pub(crate) fn under_others(views: &[(&str, &[u8], QuoteMode)]) -> BTreeSet<usize> {
    let mut selected = BTreeSet::new();
    for (_, text, mode) in views {
        let found = relations(Tokens::new(text, Reading::Everything, *mode));
        selected.extend(found.into_iter().map(|(_, name)| name));
    }
    let is_under =
        |(index, (name, ..)): (usize, &(&str, &[u8], QuoteMode))| selected.contains(*name).then_some(index);
    views.iter().enumerate().filter_map(is_under).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_is_made_as_our_own() {
        let changed = |sql: &str| {
            as_ourselves(sql.as_bytes(), QuoteMode::default()).map(|text| String::from_utf8(text).unwrap())
        };
        for (sql, expected) in [
            (
                "CREATE ALGORITHM=MERGE DEFINER=`a`@`%` SQL SECURITY DEFINER VIEW `v` AS select 1",
                Some("CREATE ALGORITHM=MERGE DEFINER=CURRENT_USER SQL SECURITY DEFINER VIEW `v` AS select 1"),
            ),
            (
                "CREATE DEFINER=`role` VIEW `v` AS select 1",
                Some("CREATE DEFINER=CURRENT_USER VIEW `v` AS select 1"),
            ),
            (
                "CREATE DEFINER=a@localhost VIEW `v` AS select 1",
                Some("CREATE DEFINER=CURRENT_USER VIEW `v` AS select 1"),
            ),
            (
                "/*!50001 CREATE ALGORITHM=UNDEFINED */\n/*!50013 DEFINER=`a`@`b` SQL SECURITY DEFINER */\n/*!50001 VIEW `v` AS select 1 */",
                Some(
                    "/*!50001 CREATE ALGORITHM=UNDEFINED */\n/*!50013 DEFINER=CURRENT_USER SQL SECURITY DEFINER */\n/*!50001 VIEW `v` AS select 1 */",
                ),
            ),
            ("CREATE DEFINER=CURRENT_USER VIEW `v` AS select 1", None),
            ("CREATE VIEW `v` AS select 'DEFINER=`a`@`b`'", None),
        ] {
            assert_eq!(changed(sql).as_deref(), expected, "{sql}");
        }
    }

    #[test]
    fn views_under_others_are_found() {
        let mode = QuoteMode::default();
        let views: Vec<(&str, &[u8], QuoteMode)> = vec![
            ("a", b"CREATE VIEW `a` AS select `t`.`b` AS `b` from `t`", mode),
            ("b", b"CREATE VIEW `b` AS select `a`.`b` AS `b` from (`a` join `c`)", mode),
            ("c", b"CREATE VIEW `c` AS select 'from `b`' AS `x`", mode),
        ];
        assert_eq!(under_others(&views), BTreeSet::from([0, 2]));
    }
}
