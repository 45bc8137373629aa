//! Which tables and views a view selects from, and which functions it calls by their database's name, as its definition tells:
//! what must be there when it is made.

use std::collections::BTreeSet;

use crate::scan::{Token, Tokens};

/// A table, view, function or package: its database, where it is named, and its name.
pub(crate) type Relation = (Option<String>, String);

/// The longest name, in bytes: 64 characters.
const LONGEST: usize = 256;

/// Functions whose argument is the name of a sequence, as servers print them.
const SEQUENCE_FUNCTIONS: [&str; 3] = ["NEXTVAL", "LASTVAL", "SETVAL"];

/// What a view selects from.
pub(crate) fn relations(tokens: Tokens<'_>) -> BTreeSet<Relation> {
    let tokens: Vec<Token<'_>> = tokens.collect();
    named_at(&tokens, relation_positions(tokens.iter()))
}

/// Functions and packages whose database a view names.
pub(crate) fn functions(tokens: Tokens<'_>) -> BTreeSet<Relation> {
    let tokens: Vec<Token<'_>> = tokens.collect();
    named_at(&tokens, function_positions(&tokens))
}

/// The names that begin at these places, by the index of the token.
fn named_at(tokens: &[Token<'_>], positions: Vec<usize>) -> BTreeSet<Relation> {
    let name = |at: usize| match tokens.get(at) {
        Some(Token::Name(name)) if name.len() <= LONGEST => Some(String::from_utf8_lossy(name).into_owned()),
        _ => None,
    };
    let relation = |at: usize| match tokens.get(at + 1) {
        Some(Token::Symbol(b'.')) => Some((Some(name(at)?), name(at + 2)?)),
        _ => Some((None, name(at)?)),
    };
    positions.into_iter().filter_map(relation).collect()
}

/// Where the names of databases begin that functions are called of, by the index of the token. Servers show a call as
/// `` `database`.`function`( ``, and one of a package as `` `database`.`package`.`function`( ``.
fn function_positions(tokens: &[Token<'_>]) -> Vec<usize> {
    const DOT: Token<'_> = Token::Symbol(b'.');
    let is_name = |at: usize| matches!(tokens.get(at), Some(Token::Name(_)));
    let is_call = |at: &usize| {
        let begins = is_name(*at) && (*at == 0 || tokens[at - 1] != DOT);
        let mut end = *at;
        while begins && tokens.get(end + 1) == Some(&DOT) && is_name(end + 2) {
            end += 2;
        }
        begins && end > *at && tokens.get(end + 1) == Some(&Token::Symbol(b'('))
    };
    (0..tokens.len()).filter(is_call).collect()
}

/// Where the names of what a view selects from begin, by the index of the token. Servers show a view with all names quoted,
/// and with `join` for every comma, so that such a name stands after `FROM` or `JOIN`, perhaps behind parentheses. `FROM`
/// stands in functions too, `extract(year from …)`: it counts only where a `SELECT` has begun within the same parentheses.
/// A sequence stands in a function of its own.
pub(crate) fn relation_positions<'t>(tokens: impl Iterator<Item = &'t Token<'t>>) -> Vec<usize> {
    let mut found = Vec::new();
    let mut selects = vec![false];
    let (mut expects, mut is_of_sequence) = (false, false);
    for (at, token) in tokens.enumerate() {
        match token {
            Token::Symbol(b'(') => {
                selects.push(false);
                expects |= is_of_sequence;
                is_of_sequence = false;
                continue;
            }
            Token::Symbol(b')') => {
                selects.pop();
                if selects.is_empty() {
                    selects.push(false);
                }
            }
            Token::Name(_) if expects => found.push(at),
            _ => {}
        }
        if token.is("SELECT")
            && let Some(level) = selects.last_mut()
        {
            *level = true;
        }
        is_of_sequence = SEQUENCE_FUNCTIONS.iter().any(|function| token.is(function));
        let is_from = token.is("FROM") && selects.last() == Some(&true);
        expects = is_from || token.is("JOIN") || token.is("STRAIGHT_JOIN");
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::{QuoteMode, Reading};

    #[test]
    fn a_view_says_what_it_selects_from() {
        for (sql, expected) in [
            ("select 1 AS `1`", &[][..]),
            ("select `t`.`a` AS `a` from `t`", &[("", "t")]),
            ("select `x`.`a` AS `a` from `o`.`t` `x`", &[("o", "t")]),
            (
                "select `a`.`x` AS `x` from (`a` join `o`.`b` `c` on(`a`.`x` = `c`.`x`))",
                &[("", "a"), ("o", "b")],
            ),
            (
                "select `a`.`x` AS `x` from ((`a` left join `b` on(1)) straight_join `c`)",
                &[("", "a"), ("", "b"), ("", "c")],
            ),
            (
                "select extract(year from `t`.`d`) AS `y`,trim(leading 'x' from `t`.`e`) AS `z` from `t`",
                &[("", "t")],
            ),
            ("select (select max(`o`.`t`.`a`) from `o`.`t`) AS `m` from `p`", &[("", "p"), ("o", "t")]),
            (
                "with `c` as (select `o`.`t`.`a` AS `a` from `o`.`t`)select `c`.`a` AS `a` from `c`",
                &[("", "c"), ("o", "t")],
            ),
            ("select nextval(`o`.`s`) AS `n`,lastval(`s`) AS `l`", &[("", "s"), ("o", "s")]),
            (
                "select `o`.`f`(`t`.`a`) AS `x`,`g`(1) AS `y`,`o`.`p`.`h`() AS `z` from `t` where `t`.`a` in (1)",
                &[("", "t"), ("o", "f"), ("o", "p")],
            ),
            ("select `d`.`a` AS `a` from (select `t`.`a` AS `a` from `t`) `d`", &[("", "t")]),
        ] {
            let tokens = || Tokens::new(sql.as_bytes(), Reading::Everything, QuoteMode::default());
            let mut found = relations(tokens());
            found.extend(functions(tokens()));
            let found: Vec<(&str, &str)> = found
                .iter()
                .map(|(database, name)| (database.as_deref().unwrap_or_default(), name.as_str()))
                .collect();
            assert_eq!(found, expected, "{sql}");
        }
    }
}
