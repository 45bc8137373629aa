//! The order of views: one that is made before what it selects from fails, at the latest when it has a
//! `WITH CHECK OPTION` (error 1368).

use std::collections::{BTreeMap, BTreeSet};

use crate::admission::relations;
use crate::scan::{QuoteMode, Reading, Tokens};

/// The order in which to make views, given their names and SQL, by index: each after those that it selects from, else as they
/// stand. A column, or an alias, may have the name of a view, and is none.
pub(crate) fn view_order(views: &[(&str, Vec<u8>)]) -> Vec<usize> {
    let by_name: BTreeMap<&str, usize> =
        views.iter().enumerate().map(|(index, (name, _))| (*name, index)).collect();
    let needs: Vec<BTreeSet<usize>> = views.iter().map(|(_, sql)| named(sql, &by_name)).collect();
    in_order_of_needs(&needs)
}

/// The order in which each comes after those that it needs, else as they stand; a circle is begun anywhere.
pub(crate) fn in_order_of_needs(needs: &[BTreeSet<usize>]) -> Vec<usize> {
    let (mut order, mut seen) = (Vec::new(), BTreeSet::new());
    for index in 0..needs.len() {
        visit(index, needs, &mut seen, &mut order);
    }
    order
}

/// Whether each comes after all that it needs.
pub(crate) fn is_kept(order: &[usize], needs: &[BTreeSet<usize>]) -> bool {
    let mut done = BTreeSet::new();
    order.iter().all(|index| {
        let has_all = needs[*index].is_subset(&done);
        done.insert(*index);
        has_all
    })
}

fn named(sql: &[u8], by_name: &BTreeMap<&str, usize>) -> BTreeSet<usize> {
    let found = relations(Tokens::new(sql, Reading::Everything, QuoteMode::default()));
    found.iter().filter_map(|(_, name)| by_name.get(name.as_str()).copied()).collect()
}

/// Depth first, with a stack of its own: a chain of views may be longer than ours.
fn visit(first: usize, needs: &[BTreeSet<usize>], seen: &mut BTreeSet<usize>, order: &mut Vec<usize>) {
    let mut stack = vec![(first, false)];
    while let Some((index, done)) = stack.pop() {
        if done {
            order.push(index);
        } else if seen.insert(index) {
            stack.push((index, true));
            let needed = needs[index].iter();
            stack.extend(needed.filter(|needed| !seen.contains(needed)).map(|needed| (*needed, false)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_view_comes_after_those_that_it_names() {
        let views = [
            ("a", b"CREATE VIEW `a` AS select * from `c` WITH LOCAL CHECK OPTION".to_vec()),
            ("b", b"CREATE VIEW `b` AS select 'from `a`'".to_vec()),
            ("c", b"CREATE VIEW `c` AS select `x`.`a` AS `a` from (`b` join `o`.`t` `x`)".to_vec()),
        ];
        assert_eq!(view_order(&views), [1, 2, 0]);
    }
}
