//! A large table in ranges of its primary key, so that several connections read it under one snapshot.
//!
//! A range is cut at a value: what is below it, and what is not. So ranges make up the table whatever the values are, as
//! long as the server orders them all, and it compares them as its index does. Which values are chosen decides only how
//! large the ranges become.

use super::key::KeyColumn;
use crate::error::Result;
use crate::server::quote_name;

/// So often in a row a cut may split off next to nothing before the range is left as it is.
const POOR_CUTS: u32 = 8;

/// A value, as the server prints it.
pub(super) type Value = Vec<u8>;

/// Rows whose key begins with certain values, and goes on between two.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Range {
    /// What the first columns are equal to.
    pub(super) prefix: Vec<Value>,
    /// The next column is this or more.
    pub(super) from: Option<Value>,
    /// And less than this.
    pub(super) below: Option<Value>,
}

impl Range {
    /// The condition, for the key's columns; empty for all rows. None where a value cannot be told.
    pub(super) fn condition(&self, key: &[KeyColumn]) -> Option<String> {
        let mut terms = Vec::new();
        let mut term = |column: &KeyColumn, operator: &str, value: &Value| {
            terms.push(format!("{} {operator} {}", quote_name(&column.name), column.literal(value)?));
            Some(())
        };
        for (column, value) in key.iter().zip(&self.prefix) {
            term(column, "=", value)?;
        }
        let next = key.get(self.prefix.len());
        for (operator, value) in [(">=", &self.from), ("<", &self.below)] {
            if let Some(value) = value {
                term(next?, operator, value)?;
            }
        }
        Some(terms.join(" AND "))
    }
}

/// What is asked of the server about the rows of a table. A range's column is the one after its prefix.
pub(super) trait Keys {
    /// How many columns the key has that ranges may be cut by.
    fn columns(&self) -> usize;

    /// About how many rows a range has.
    ///
    /// # Errors
    /// The server refuses, or the connection breaks.
    fn rows(&mut self, range: &Range) -> Result<u64>;

    /// The least value of the range's column; or the least that is more than `after` and not less than `from`.
    ///
    /// # Errors
    /// As [`Keys::rows`].
    fn first(&mut self, range: &Range, after: Option<(&Value, &Value)>) -> Result<Option<Value>>;

    /// The greatest value of the range's column, where it is more than `after`.
    ///
    /// # Errors
    /// As [`Keys::rows`].
    fn last(&mut self, range: &Range, after: &Value) -> Result<Option<Value>>;

    /// A value about in the middle of two of the column.
    fn middle(&self, column: usize, low: &Value, high: &Value) -> Option<Value>;
}

/// A range that is to be looked at.
#[derive(Debug)]
struct Rest {
    range: Range,
    /// About how many rows it has, where that was asked already.
    rows: Option<u64>,
    /// How many poor cuts in a row led to it.
    poor: u32,
}

/// Cuts a table into ranges, in the order of its key, as they are asked for.
#[derive(Debug)]
pub(super) struct Splitter {
    /// What is still to come, the next one last.
    rest: Vec<Rest>,
    /// So many rows are enough for a range.
    enough: u64,
}

impl Splitter {
    /// For a table of about so many rows.
    pub(super) fn new(rows: u64, enough: u64) -> Self {
        let all = Rest { range: Range::default(), rows: Some(rows), poor: 0 };
        Self { rest: vec![all], enough: enough.max(1) }
    }

    /// The next range; none after the last.
    ///
    /// # Errors
    /// The server refuses, or the connection breaks.
    pub(super) fn next(&mut self, keys: &mut dyn Keys) -> Result<Option<Range>> {
        while let Some(Rest { range, rows, poor }) = self.rest.pop() {
            let rows = rows.map_or_else(|| keys.rows(&range), Ok)?;
            if rows <= self.enough || poor >= POOR_CUTS {
                return Ok(Some(range));
            }
            let Some(low) = keys.first(&range, None)? else { return Ok(Some(range)) };
            let Some(high) = keys.last(&range, &low)? else {
                // All rows have one value there: what follows it in the key may tell them apart.
                let prefix = [&range.prefix[..], &[low]].concat();
                if prefix.len() >= keys.columns() {
                    return Ok(Some(range));
                }
                let range = Range { prefix, ..Range::default() };
                self.rest.push(Rest { range, rows: None, poor });
                continue;
            };
            let middle = keys.middle(range.prefix.len(), &low, &high);
            let found = middle.map(|middle| keys.first(&range, Some((&low, &middle)))).transpose()?.flatten();
            let cut = found.unwrap_or(high);
            let left = Range { below: Some(cut.clone()), ..range.clone() };
            let right = Range { from: Some(cut), ..range };
            // Neither may be nearly all of it again and again.
            let of_left = keys.rows(&left)?;
            let is_poor = of_left < rows / 32 || of_left > rows - rows / 32;
            let poor = if is_poor { poor + 1 } else { 0 };
            self.rest.push(Rest { range: right, rows: None, poor });
            self.rest.push(Rest { range: left, rows: Some(of_left), poor });
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::super::key::KeyKind;
    use super::*;

    /// Keys of two numbers each, as a server would order them.
    struct Table(Vec<(i64, i64)>);

    fn number(value: &Value) -> i64 {
        String::from_utf8_lossy(value).parse().unwrap()
    }

    impl Table {
        fn holds(range: &Range, key: (i64, i64)) -> bool {
            let columns = [key.0, key.1];
            let next = columns[range.prefix.len()];
            range.prefix.iter().zip(columns).all(|(value, column)| number(value) == column)
                && range.from.as_ref().is_none_or(|from| next >= number(from))
                && range.below.as_ref().is_none_or(|below| next < number(below))
        }

        fn values(&self, range: &Range) -> Vec<i64> {
            let inside = self.0.iter().filter(|key| Self::holds(range, **key));
            inside.map(|key| [key.0, key.1][range.prefix.len()]).collect()
        }
    }

    fn value(number: i64) -> Value {
        number.to_string().into_bytes()
    }

    impl Keys for Table {
        fn columns(&self) -> usize {
            2
        }

        fn rows(&mut self, range: &Range) -> Result<u64> {
            Ok(self.values(range).len() as u64)
        }

        fn first(&mut self, range: &Range, after: Option<(&Value, &Value)>) -> Result<Option<Value>> {
            let is_after =
                |one: &i64| after.is_none_or(|(after, from)| *one > number(after) && *one >= number(from));
            Ok(self.values(range).into_iter().filter(is_after).min().map(value))
        }

        fn last(&mut self, range: &Range, after: &Value) -> Result<Option<Value>> {
            Ok(self.values(range).into_iter().filter(|one| *one > number(after)).max().map(value))
        }

        fn middle(&self, _column: usize, low: &Value, high: &Value) -> Option<Value> {
            KeyColumn { name: "k".into(), kind: KeyKind::Number }.middle(low, high)
        }
    }

    /// The ranges, and how many rows each has; every row is in exactly one, and they come in the order of the key.
    fn sizes(keys: Vec<(i64, i64)>, enough: u64) -> Vec<usize> {
        let mut table = Table(keys);
        let mut splitter = Splitter::new(table.0.len() as u64, enough);
        let (mut sizes, mut before, mut all) = (Vec::new(), None, 0);
        while let Some(range) = splitter.next(&mut table).unwrap() {
            let mut inside: Vec<_> = table.0.iter().filter(|key| Table::holds(&range, **key)).collect();
            inside.sort();
            sizes.push(inside.len());
            all += inside.len();
            if let (Some(before), Some(first)) = (before, inside.first()) {
                assert!(before < **first, "{range:?}");
            }
            before = inside.last().map(|last| **last).or(before);
        }
        assert_eq!(all, table.0.len());
        sizes
    }

    #[test]
    fn every_row_is_in_one_range_and_ranges_are_about_equal() {
        let even: Vec<_> = (0..1000).map(|id| (id, 0)).collect();
        let found = sizes(even, 100);
        assert!(found.iter().all(|rows| (50..=100).contains(rows)), "{found:?}");
        assert_eq!(sizes(Vec::new(), 10), [0]);
        assert_eq!(sizes(vec![(i64::MIN, 1)], 1), [1]);
    }

    #[test]
    fn gaps_and_crowds_are_found() {
        let crowds = [-9_000_000_000_000_000_000, 0, 5, 9_000_000_000_000_000_000];
        let keys = crowds.iter().flat_map(|start| (0..500).map(move |id| (start + id * 7, 0))).collect();
        let found = sizes(keys, 100);
        assert!(found.iter().all(|rows| *rows <= 100), "{found:?}");
        assert!(found.len() < 80, "{found:?}");
    }

    #[test]
    fn what_is_equal_in_the_first_column_is_cut_by_the_second() {
        let keys = (0..3).flat_map(|first| (0..400).map(move |second| (first, second))).collect();
        let found = sizes(keys, 100);
        assert!(found.iter().all(|rows| *rows <= 100), "{found:?}");
    }

    #[test]
    fn what_cannot_be_cut_well_is_left_whole_in_the_end() {
        // A value that each cut splits off alone.
        let mut doubling: Vec<_> = (0..60).map(|bit| (1 << bit, 0)).collect();
        doubling.extend((0..200).map(|second| (0, second)));
        let found = sizes(doubling, 4);
        assert!(found.len() < 120, "{found:?}");
        let one_giant = sizes((0..500).map(|_| (7, 7)).collect(), 10);
        assert_eq!(one_giant, [500]);
    }

    #[test]
    fn a_condition_names_every_bound() {
        let key = ["a`", "b"].map(|name| KeyColumn { name: name.into(), kind: KeyKind::Number });
        let range = Range { prefix: vec![value(7)], from: Some(value(-3)), below: Some(value(4)) };
        assert_eq!(range.condition(&key).as_deref(), Some("`a``` = 7 AND `b` >= -3 AND `b` < 4"));
        assert_eq!(Range::default().condition(&key).as_deref(), Some(""));
        let odd = Range { from: Some(b"1 OR 1".to_vec()), ..Range::default() };
        assert_eq!(odd.condition(&key), None);
    }
}
