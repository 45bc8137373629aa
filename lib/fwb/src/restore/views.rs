//! The order of views: one that is made before what it selects from fails, at the latest when it has a
//! `WITH CHECK OPTION` (error 1368).

use std::collections::{BTreeMap, BTreeSet};

use crate::scan::{QuoteMode, Reading, Token, Tokens};

/// Views that wait until all of them are known: the SQL of each, by its section, and its name.
#[derive(Debug, Default)]
pub(super) struct Views {
    waiting: BTreeMap<usize, (String, Vec<u8>)>,
}

impl Views {
    /// Takes a part of a view's SQL.
    pub(super) fn add(&mut self, section: usize, name: &str, sql: &[u8]) {
        let (_, waiting) = self.waiting.entry(section).or_insert_with(|| (name.to_owned(), Vec::new()));
        waiting.extend_from_slice(sql);
    }

    /// All of them, each after those that it names, else in the dump's order.
    pub(super) fn take_in_order(&mut self) -> Vec<(usize, Vec<u8>)> {
        let mut waiting = std::mem::take(&mut self.waiting);
        let by_name: BTreeMap<String, usize> =
            waiting.iter().map(|(section, (name, _))| (name.clone(), *section)).collect();
        let needs: BTreeMap<usize, BTreeSet<usize>> =
            waiting.iter().map(|(section, (_, sql))| (*section, named(sql, &by_name))).collect();
        let mut order = Vec::new();
        let mut seen = BTreeSet::new();
        for section in needs.keys() {
            visit(*section, &needs, &mut seen, &mut order);
        }
        order.into_iter().filter_map(|section| Some((section, waiting.remove(&section)?.1))).collect()
    }
}

fn named(sql: &[u8], by_name: &BTreeMap<String, usize>) -> BTreeSet<usize> {
    let tokens = Tokens::new(sql, Reading::Everything, QuoteMode::default());
    let names = tokens.filter_map(|token| match token {
        Token::Name(name) => by_name.get(String::from_utf8_lossy(&name).as_ref()).copied(),
        _ => None,
    });
    names.collect()
}

/// Depth first, with a stack of its own: a chain of views may be longer than ours.
fn visit(
    first: usize,
    needs: &BTreeMap<usize, BTreeSet<usize>>,
    seen: &mut BTreeSet<usize>,
    order: &mut Vec<usize>,
) {
    let mut stack = vec![(first, false)];
    while let Some((section, done)) = stack.pop() {
        if done {
            order.push(section);
        } else if seen.insert(section) {
            stack.push((section, true));
            let needed = needs.get(&section).into_iter().flatten();
            stack.extend(needed.filter(|needed| !seen.contains(needed)).map(|needed| (*needed, false)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_view_comes_after_those_that_it_names() {
        let mut views = Views::default();
        views.add(1, "a", b"CREATE VIEW `a` AS select * from `c` WITH LOCAL CHECK OPTION");
        views.add(2, "b", b"CREATE VIEW `b` AS select 'from `a`'");
        views.add(3, "c", b"CREATE VIEW `c` AS select * ");
        views.add(3, "c", b"from `b`");
        let order: Vec<usize> = views.take_in_order().into_iter().map(|(section, _)| section).collect();
        assert_eq!(order, [2, 3, 1]);
        assert!(views.take_in_order().is_empty());
    }
}
