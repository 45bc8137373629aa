//! Who loads which rows: tables, and parts of those that are so large that one connection would be at them when all
//! others have nothing left to do.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::open_backup::OpenBackup;
use super::script::Script;
use crate::error::Result;

/// Rows that one connection loads, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Share {
    /// The table's section, by its index.
    pub(super) section: usize,
    /// Where its members lie in the artifact: offset and end, in bytes.
    pub(super) extent: (u64, u64),
    /// What it costs to load them, as bytes of SQL.
    cost: u64,
}

/// What a row costs beside its bytes, in bytes: as measured, 8 microseconds for one, and 20 nanoseconds for the other.
const ROW_COST: u64 = 400;
/// What adding a key costs for each row, as bytes of SQL: 0.5 to 1.1 microseconds, as measured.
const KEY_COST: u64 = 50;
/// Into how many parts the whole is divided for each connection, so that none is left alone with a large rest.
const PARTS: u64 = 8;
/// The least that is worth a part, as bytes of SQL.
const LEAST: u64 = 8 << 20;

/// What a connection does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Task {
    /// Loads rows.
    Rows(Share),
    /// Adds the keys of the table in this section, which has all its rows.
    Keys(usize),
}

/// What is still to be loaded.
pub(super) struct Shares(Mutex<State>);

#[derive(Debug)]
struct State {
    waiting: Vec<Share>,
    /// What there was to do, and what of it is left, by section.
    sizes: HashMap<usize, (u64, u64)>,
    /// Sections that are being loaded, once for each connection.
    busy: Vec<usize>,
    /// Sections whose tables lack keys, and what it costs to add those.
    keyless: Vec<(usize, u64)>,
    stopped: bool,
}

impl State {
    fn new(waiting: Vec<Share>, keyless: Vec<(usize, u64)>) -> Self {
        let mut sizes: HashMap<usize, (u64, u64)> = HashMap::new();
        for share in &waiting {
            let (whole, left) = sizes.entry(share.section).or_default();
            *whole += share.cost;
            *left += share.cost;
        }
        Self { waiting, sizes, busy: Vec::new(), keyless, stopped: false }
    }

    /// The rows that are loaded next. Those of a table that nobody loads where there is any: the largest, to its end, so
    /// that its keys come early. Else, or where all others would be done before it and its keys, those of the table with
    /// the most left to do.
    fn next(&mut self) -> Option<Share> {
        let longest = self.longest();
        let best = (0..self.waiting.len()).max_by_key(|index| {
            let Share { section, extent, .. } = self.waiting[*index];
            let free = !self.busy.contains(&section);
            let size = self.sizes.get(&section).map(|(whole, left)| if free { *whole } else { *left });
            // Parts of a table go in their order.
            (Some(section) == longest, free, size, Reverse(extent.0))
        })?;
        Some(self.waiting.remove(best))
    }

    /// The table that takes longer to load from here, with its keys, than all others together: whoever does not help
    /// with it now has nothing to do while its keys are added.
    fn longest(&self) -> Option<usize> {
        let left = |section: &usize| self.sizes.get(section).map_or(0, |(_, left)| *left);
        let keyed = self.keyless.iter().map(|(section, keys)| (left(section), *keys, *section));
        let (longest, keys, section) = keyed.max_by_key(|(left, keys, _)| left.saturating_add(*keys))?;
        let keys_of_all = self.keyless.iter().map(|(_, keys)| *keys);
        let all = self.sizes.values().map(|(_, left)| *left).chain(keys_of_all);
        let others = all.fold(0, u64::saturating_add).saturating_sub(longest).saturating_sub(keys);
        (longest.saturating_add(keys) > others).then_some(section)
    }
}

impl Shares {
    /// Divides the rows for so many connections.
    ///
    /// # Errors
    /// The backup cannot be read.
    pub(super) fn new(input: &OpenBackup, script: &Script, connections: usize) -> Result<Self> {
        let mut keyless = Vec::new();
        let tables: Vec<(usize, (u64, u64), u64)> = input
            .tables_with_rows()
            .into_iter()
            .map(|(index, section, extent)| {
                let rows = section.rows.unwrap_or(0);
                if let Some(keys) = script.keys(index) {
                    keyless.push((index, rows.saturating_mul(keys.number).saturating_mul(KEY_COST)));
                }
                (index, extent, section.raw_size.saturating_add(rows.saturating_mul(ROW_COST)))
            })
            .collect();
        let total = tables.iter().map(|(.., cost)| *cost).fold(0, u64::saturating_add);
        let fair = (total / (connections.max(1) as u64 * PARTS)).max(LEAST);
        let mut waiting = Vec::new();
        for (section, extent, cost) in tables {
            let whole = script.keeps_order(section) || connections == 1;
            let parts = if whole { 1 } else { cost.div_ceil(fair) };
            let parts = if parts > 1 { input.parts(extent, parts)? } else { vec![extent] };
            let each = cost / parts.len().max(1) as u64;
            waiting.extend(parts.into_iter().map(|extent| Share { section, extent, cost: each }));
        }
        Ok(Self(Mutex::new(State::new(waiting, keyless))))
    }

    /// The next one. Keys first: they cannot be divided, and rows fill what time is left at the end.
    pub(super) fn take(&self) -> Option<Task> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let has_rows = |section: usize| {
            !state.busy.contains(&section) && state.waiting.iter().all(|share| share.section != section)
        };
        if let Some(at) = state.keyless.iter().position(|(section, _)| has_rows(*section)) {
            return Some(Task::Keys(state.keyless.remove(at).0));
        }
        let share = state.next()?;
        state.busy.push(share.section);
        if let Some((_, left)) = state.sizes.get_mut(&share.section) {
            *left -= share.cost;
        }
        Some(Task::Rows(share))
    }

    /// Notes that a share is loaded.
    pub(super) fn done(&self, share: &Share) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = state.busy.iter().position(|section| *section == share.section) {
            state.busy.swap_remove(at);
        }
    }

    /// Leaves nothing to do.
    pub(super) fn stop(&self) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.waiting.clear();
        state.keyless.clear();
        state.stopped = true;
    }

    /// Whether nothing was left to do before its time.
    pub(super) fn are_stopped(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).stopped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(section: usize, from: u64, to: u64) -> Share {
        Share { section, extent: (from, to), cost: to - from }
    }

    #[test]
    fn connections_keep_out_of_each_others_tables_while_they_can() {
        let waiting = vec![share(1, 0, 10), share(2, 10, 40), share(2, 40, 70), share(3, 70, 90)];
        let shares = Shares(Mutex::new(State::new(waiting, Vec::new())));
        let first = share(2, 10, 40);
        assert_eq!(shares.take(), Some(Task::Rows(first)), "the largest table first, from its beginning");
        assert_eq!(shares.take(), Some(Task::Rows(share(3, 70, 90))));
        assert_eq!(shares.take(), Some(Task::Rows(share(1, 0, 10))));
        assert_eq!(shares.take(), Some(Task::Rows(share(2, 40, 70))), "rather that than nothing");
        shares.done(&first);
        assert_eq!(shares.take(), None);
    }

    #[test]
    fn a_connection_that_has_begun_a_table_goes_on_with_it() {
        let waiting = vec![share(1, 0, 40), share(1, 40, 80), share(2, 80, 130)];
        let shares = Shares(Mutex::new(State::new(waiting, Vec::new())));
        let first = share(1, 0, 40);
        assert_eq!(shares.take(), Some(Task::Rows(first)));
        shares.done(&first);
        assert_eq!(shares.take(), Some(Task::Rows(share(1, 40, 80))), "though the other has more left");
    }

    #[test]
    fn nobody_is_left_alone_with_rows_and_keys_at_the_end() {
        let taken = |others: u64| {
            let waiting = vec![share(1, 0, 400), share(1, 400, 800), share(2, 800, 800 + others)];
            let shares = Shares(Mutex::new(State::new(waiting, vec![(1, 200)])));
            assert_eq!(shares.take(), Some(Task::Rows(share(1, 0, 400))));
            let Some(Task::Rows(next)) = shares.take() else { panic!("rows are left") };
            next.section
        };
        assert_eq!(taken(599), 1, "the other rows are for the time in which one connection adds the keys");
        assert_eq!(taken(600), 2);
    }

    #[test]
    fn keys_come_when_the_last_rows_are_there_and_before_other_rows() {
        let waiting = vec![share(1, 0, 10), share(1, 10, 20), share(2, 20, 30), share(2, 30, 40)];
        let shares = Shares(Mutex::new(State::new(waiting, vec![(1, 5)])));
        let mut taken: Vec<Task> = (0..3).filter_map(|_| shares.take()).collect();
        shares.done(&share(1, 0, 10));
        taken.extend(shares.take());
        assert!(!taken.contains(&Task::Keys(1)), "{taken:?}");
        shares.done(&share(1, 10, 20));
        assert_eq!(shares.take(), Some(Task::Keys(1)));
        assert_eq!(shares.take(), None, "and only once");
    }
}
