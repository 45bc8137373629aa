//! How far a dump is, by what the server says of its tables' sizes. SQL has another size than the pages that it comes from,
//! so whole tables count, and of the one that is being written the share that the tables before it let expect.

use std::collections::BTreeMap;

use crate::manifest::SectionKind;

/// What a table counts for beside its size, in bytes: an empty one takes its time too.
const LEAST: u64 = 16 << 10;
/// So much of all tables must be written before their SQL says how large the next one's is, in thousandths.
const ENOUGH: u128 = 20;

/// How far a dump is.
#[derive(Debug)]
pub(super) struct Estimate {
    /// What each table counts for, in bytes.
    weights: BTreeMap<String, u64>,
    total: u64,
    /// Tables that were written: what they count for, and the bytes of SQL that they took.
    written: (u64, u64),
    /// The table that is being written, what it counts for, and its bytes of SQL up to now.
    current: Option<(String, u64, u64)>,
}

impl Estimate {
    /// By the tables' sizes, in bytes.
    pub(super) fn new(tables: &[(String, u64)]) -> Self {
        let weight = |(name, size): &(String, u64)| (name.clone(), size.saturating_add(LEAST));
        let weights: BTreeMap<String, u64> = tables.iter().map(weight).collect();
        let total = weights.values().fold(0, |sum: u64, weight| sum.saturating_add(*weight));
        Self { weights, total, written: (0, 0), current: None }
    }

    /// Takes note of so many bytes of SQL; where the SQL is now, says the section's kind and name. Returns how much is
    /// done, in thousandths; none once a table has become larger than it was expected to be, until its end.
    pub(super) fn advance(&mut self, bytes: u64, kind: SectionKind, name: Option<&str>) -> Option<u32> {
        let name = name.filter(|_| kind == SectionKind::Table);
        if self.current.as_ref().map(|(current, ..)| current.as_str()) != name {
            self.end_table();
            let weight = |name: &str| Some((name.to_owned(), self.weights.remove(name)?, 0));
            self.current = name.and_then(weight);
        }
        if let Some((_, _, raw)) = &mut self.current {
            *raw = raw.saturating_add(bytes);
        }
        let mut done = u128::from(self.written.0);
        if let Some((_, weight, raw)) = &self.current {
            let (weight, share) = (u128::from(*weight), self.expected(*raw));
            if share > weight {
                return None;
            }
            done += share;
        }
        let thousandths = (done * 1000).checked_div(u128::from(self.total))?;
        u32::try_from(thousandths.min(1000)).ok()
    }

    /// What so many bytes of SQL count for.
    fn expected(&self, raw: u64) -> u128 {
        let (weight, of) = (u128::from(self.written.0), u128::from(self.written.1));
        let tells = weight * 1000 >= u128::from(self.total) * ENOUGH && of > 0;
        if tells { u128::from(raw) * weight / of } else { u128::from(raw) }
    }

    fn end_table(&mut self) {
        if let Some((_, weight, raw)) = self.current.take() {
            self.written = (self.written.0.saturating_add(weight), self.written.1.saturating_add(raw));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn tables(sizes: &[(&str, u64)]) -> Estimate {
        let sizes: Vec<_> =
            sizes.iter().map(|(name, size)| ((*name).to_owned(), size * MIB - LEAST)).collect();
        Estimate::new(&sizes)
    }

    #[test]
    fn whole_tables_count_as_the_server_says() {
        let mut estimate = tables(&[("a", 100), ("b", 300)]);
        let mut at = |bytes, kind, name| estimate.advance(bytes * MIB, kind, name);
        assert_eq!(at(0, SectionKind::Header, None), Some(0));
        assert_eq!(at(50, SectionKind::Table, Some("a")), Some(125));
        assert_eq!(at(150, SectionKind::Table, Some("a")), None, "twice as large as expected");
        // SQL takes twice the bytes here, as the first table has shown.
        assert_eq!(at(0, SectionKind::Table, Some("b")), Some(250));
        assert_eq!(at(300, SectionKind::Table, Some("b")), Some(625));
        assert_eq!(at(300, SectionKind::Table, Some("b")), Some(1000));
        assert_eq!(at(1, SectionKind::Table, Some("b")), None);
        assert_eq!(at(1, SectionKind::Routines, None), Some(1000));
    }

    #[test]
    fn what_is_smaller_than_expected_jumps_at_its_end() {
        let mut estimate = tables(&[("a", 100), ("b", 100)]);
        assert_eq!(estimate.advance(MIB, SectionKind::Table, Some("a")), Some(5));
        assert_eq!(estimate.advance(0, SectionKind::Table, Some("b")), Some(500));
    }

    #[test]
    fn nothing_known_is_no_estimate() {
        let mut estimate = Estimate::new(&[]);
        assert_eq!(estimate.advance(MIB, SectionKind::Table, Some("a")), None);
        assert_eq!(estimate.advance(MIB, SectionKind::Trailer, None), None);
        let mut huge = Estimate::new(&[("a".into(), u64::MAX), ("b".into(), u64::MAX)]);
        assert_eq!(huge.advance(MIB, SectionKind::Table, Some("a")), Some(0));
    }
}
