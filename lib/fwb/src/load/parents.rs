//! Tables and those that their foreign keys refer to.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::shape::Shape;
use crate::dump::{in_order_of_needs, is_kept};
use crate::scan::{Head, QuoteMode, Reading, Token, Tokens, parse_head};

/// The tables of the same database that a table's foreign keys refer to, and where each is named.
pub(crate) fn parents(create: &[u8], mode: QuoteMode) -> Vec<(String, Range<usize>)> {
    let mut tokens = Tokens::new(create, Reading::Everything, mode);
    let tokens: Vec<_> = std::iter::from_fn(|| tokens.spanned()).collect();
    let named = |three: &[(Token<'_>, Range<usize>)]| {
        let [(word, _), (table, span), (after, _)] = three else { return None };
        let name = table.identifier().filter(|_| word.is("REFERENCES") && *after != Token::Symbol(b'.'))?;
        Some((name, span.clone()))
    };
    tokens.windows(3).filter_map(named).collect()
}

/// The order in which to make tables, by index: each before those that its foreign keys refer to, else as they stand. None
/// is no table.
///
/// A server that is told not to check foreign keys takes a table whose parent is not there yet, and then a parent of other
/// types or another character set, as an ALTER TABLE may have left it; the other way round it takes no such child (error
/// 1005, errno 150). In a circle only the foreign keys count that do not fit for certain: where all are of one type, it is begun
/// anywhere.
pub(super) fn children_first(creates: &[Option<(&[u8], QuoteMode)>]) -> Vec<usize> {
    let name = |(text, mode): (&[u8], QuoteMode)| match parse_head(text, Reading::Everything, mode) {
        Head::Table(_, target) => Some(target.name),
        _ => None,
    };
    let tables = || creates.iter().enumerate().filter_map(|(index, create)| Some((index, (*create)?)));
    let by_name: BTreeMap<String, usize> =
        tables().filter_map(|(index, create)| Some((name(create)?, index))).collect();
    let mut children = vec![BTreeSet::new(); creates.len()];
    for (child, (text, mode)) in tables() {
        let parents = parents(text, mode);
        let parents = parents.iter().filter_map(|(parent, _)| by_name.get(parent));
        parents.filter(|parent| **parent != child).for_each(|parent| {
            children[*parent].insert(child);
        });
    }
    let order = in_order_of_needs(&children);
    if is_kept(&order, &children) {
        return order;
    }
    let shapes: Vec<Option<Shape<'_>>> =
        creates.iter().map(|create| create.map(|(text, mode)| Shape::read(text, mode))).collect();
    for (parent, children) in children.iter_mut().enumerate() {
        children.retain(|child| match (&shapes[*child], &shapes[parent]) {
            (Some(child), Some(of)) => !child.fits(of, |name| by_name.get(name) == Some(&parent)),
            _ => true,
        });
    }
    in_order_of_needs(&children)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_circle_is_begun_at_the_foreign_key_that_does_not_fit() {
        let of = |name: &str, id: &str, up: &str, parent: &str| {
            format!(
                "CREATE TABLE `{name}` (`id` {id}, `up` {up}, PRIMARY KEY (`id`), KEY `up` (`up`), \
                 CONSTRAINT `{name}_up` FOREIGN KEY (`up`) REFERENCES `{parent}` (`id`)) ENGINE=InnoDB DEFAULT CHARSET=latin1"
            )
        };
        for (tables, expected) in [
            ([of("a", "int(11)", "int(11)", "b"), of("b", "int(11)", "int(11)", "a")], [0, 1]),
            ([of("a", "int(11)", "int(11)", "b"), of("b", "bigint(20)", "int(11)", "a")], [0, 1]),
            ([of("a", "bigint(20)", "int(11)", "b"), of("b", "int(11)", "int(11)", "a")], [1, 0]),
            ([of("a", "int(10) unsigned", "int(11)", "b"), of("b", "int(11)", "int(11)", "a")], [1, 0]),
            (
                [
                    of("a", "varchar(9)", "int(11)", "b"),
                    of("b", "int(11)", "varchar(9) CHARACTER SET utf8mb3", "a"),
                ],
                [1, 0],
            ),
        ] {
            let creates: Vec<_> =
                tables.iter().map(|table| Some((table.as_bytes(), QuoteMode::default()))).collect();
            assert_eq!(children_first(&creates), expected, "{tables:?}");
        }
    }

    #[test]
    fn a_table_comes_before_its_parents_and_a_circle_is_begun_anywhere() {
        let of = |sql: &'static str| Some((sql.as_bytes(), QuoteMode::default()));
        let creates = [
            None,
            of("CREATE TABLE `a` (`b` int, FOREIGN KEY (`b`) REFERENCES `a` (`b`))"),
            of("CREATE TABLE `b` (`x` int, `y` text DEFAULT 'REFERENCES `c` ')"),
            of(
                "CREATE TABLE `c` (`x` int, FOREIGN KEY (`x`) REFERENCES `b` (`x`), FOREIGN KEY (`x`) REFERENCES `o`.`a` (`b`))",
            ),
            of("CREATE TABLE `d` (`x` int, FOREIGN KEY (`x`) REFERENCES `e` (`x`))"),
            of("CREATE TABLE `e` (`x` int, FOREIGN KEY (`x`) REFERENCES `d` (`x`))"),
        ];
        let order = children_first(&creates);
        assert_eq!(order[..4], [0, 1, 3, 2]);
        assert_eq!(order[4..].iter().sum::<usize>(), 9);
    }
}
