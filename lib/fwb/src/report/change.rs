//! Whether a number that usually moves little has jumped, fallen, or gone: of a table's rows, of a backup's size. Judged by what
//! the number did before, so that a table that is filled anew each Sunday does not alarm, and one that never changes does.

use chrono::TimeDelta;

use super::trend::median_and_spread;
use crate::manifest::Timestamp;

/// How many values there must be before a change, so that what is usual is known.
pub(super) const LEAST_HISTORY: usize = 4;
/// How many values before a change are looked at, at most.
pub(super) const HISTORY: usize = 30;
/// A change is one of at least half as much again, or the inverse of it, where two weeks are known.
const LEAST_FACTOR: f64 = 1.5;
/// Of less nobody knows what each Sunday brings: then it is one of four times, or of a quarter.
const LEAST_FACTOR_OF_A_WEEK: f64 = 4.0;
/// Two weeks, less the hours by which runs begin earlier or later.
const TWO_WEEKS: TimeDelta = TimeDelta::hours(13 * 24);
/// How many times the usual movement a step must be: 1.4826 makes a deviation of normal noise from a median distance, and
/// five of these are not met by chance in a lifetime of nights.
const SPREADS: f64 = 5.0 * 1.4826;
/// For how long a change is told, counted back from the newest backup, while the number stays where it went.
pub(super) const TOLD_FOR: TimeDelta = TimeDelta::hours(72);

/// A change of a number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Change {
    /// When: the first value that shows it.
    pub(super) at: Timestamp,
    /// The value before.
    pub(super) before: u64,
    /// The newest value.
    pub(super) now: u64,
}

/// The oldest change in the last three days that still holds; none where nothing changed, or too little is known. `least`
/// is the smallest difference that matters.
pub(super) fn change(series: &[(Timestamp, u64)], least: u64) -> Option<Change> {
    let (newest, now) = *series.last()?;
    let is_recent = |at: Timestamp| newest - at < TOLD_FOR;
    let first = series.iter().position(|(at, _)| is_recent(*at))?;
    (first.max(LEAST_HISTORY)..series.len()).find_map(|at| {
        let history = &series[at.saturating_sub(HISTORY)..at];
        let before = history.last()?.1;
        let is_change = is_step(history, series[at].1, least)
            && is_beyond(history, now) == is_beyond(history, series[at].1);
        is_change.then_some(Change { at: series[at].0, before, now })
    })
}

/// What a change is at least, by how far the history goes back.
fn least_factor(history: &[(Timestamp, u64)]) -> f64 {
    let known = history.first().zip(history.last()).map(|((first, _), (last, _))| *last - *first);
    if known.is_some_and(|known| known >= TWO_WEEKS) { LEAST_FACTOR } else { LEAST_FACTOR_OF_A_WEEK }
}

/// Which way a value lies beyond all of the history and its least factor.
fn is_beyond(history: &[(Timestamp, u64)], value: u64) -> Option<bool> {
    let values = || history.iter().map(|(_, value)| size(*value));
    let (most, fewest) = (values().fold(0.0, f64::max), values().fold(f64::MAX, f64::min));
    let (value, factor) = (size(value), least_factor(history));
    if value > most * factor {
        Some(true)
    } else if value * factor < fewest {
        Some(false)
    } else {
        None
    }
}

/// Whether the step to this value is out of what the history does.
fn is_step(history: &[(Timestamp, u64)], value: u64, least: u64) -> bool {
    let Some((_, before)) = history.last() else { return false };
    if before.abs_diff(value) < least || is_beyond(history, value).is_none() {
        return false;
    }
    let steps: Vec<f64> = history.windows(2).map(|pair| step(pair[0].1, pair[1].1)).collect();
    let Some((usual, spread)) = median_and_spread(&steps) else { return false };
    (step(*before, value) - usual).abs() > (SPREADS * spread).max(least_factor(history).ln())
}

/// From one value to the next, in logarithms: twice as much is as far as half as much.
fn step(from: u64, to: u64) -> f64 {
    ((size(to) + 1.0) / (size(from) + 1.0)).ln()
}

#[allow(clippy::cast_precision_loss, reason = "a step of half as much again does not hang on the last digit")]
fn size(value: u64) -> f64 {
    value as f64
}

/// When a table went that every backup before had: the first backup without it, in the last three days. `held` says of each
/// backup, oldest first, whether it has the table; the last of them have it not. None where it comes and goes.
pub(super) fn vanished(held: &[(Timestamp, bool)]) -> Option<Timestamp> {
    /// In so many backups, one after another, a table must have been.
    const ESTABLISHED: usize = 3;
    let (newest, is_there) = *held.last()?;
    let had = held.iter().rposition(|(_, is_there)| *is_there)?;
    let since = held.iter().position(|(_, is_there)| *is_there)?;
    let stayed = held[since..=had].iter().all(|(_, is_there)| *is_there);
    let gone = held.get(had + 1)?.0;
    let is_told = !is_there && stayed && had + 1 - since >= ESTABLISHED && newest - gone < TOLD_FOR;
    is_told.then_some(gone)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(day: i64) -> Timestamp {
        Timestamp::parse_from_rfc3339("2026-01-01T02:00:00+09:00").unwrap() + TimeDelta::days(day)
    }

    fn series(values: &[u64]) -> Vec<(Timestamp, u64)> {
        (0..).map(day).zip(values.iter().copied()).collect()
    }

    #[test]
    fn changes_are_told_from_what_is_usual() {
        type Case<'a> = (&'a str, &'a [u64], Option<(i64, u64)>);
        let k = 1000;
        let cases: &[Case] = &[
            ("steady", &[9 * k; 12], None),
            ("falls", &[9 * k, 9100, 9 * k, 9200, 9100, 9300, 9200, 2 * k], Some((7, 9200))),
            ("emptied", &[9 * k, 9100, 9 * k, 9200, 9100, 9300, 9200, 0], Some((7, 9200))),
            ("jumps", &[9 * k, 9100, 9 * k, 9200, 9100, 9300, 9200, 40 * k], Some((7, 9200))),
            (
                "told for three days",
                &[9 * k, 9 * k, 9 * k, 9 * k, 9 * k, 9 * k, 2 * k, 2 * k, 2100],
                Some((6, 9 * k)),
            ),
            (
                "and not on the fourth",
                &[9 * k, 9 * k, 9 * k, 9 * k, 9 * k, 9 * k, 2 * k, 2 * k, 2100, 2 * k],
                None,
            ),
            ("came back", &[9 * k, 9 * k, 9 * k, 9 * k, 9 * k, 9 * k, 2 * k, 9 * k], None),
            ("too little is known", &[9 * k, 9 * k, 9 * k, 2 * k], None),
            ("too small to matter", &[90, 91, 92, 93, 94, 95, 96, 20], None),
            ("each Sunday", &[9 * k, 2 * k, 2 * k, 2 * k, 2 * k, 2 * k, 2 * k, 9 * k], None),
            ("doubles each day", &[k, 2 * k, 4 * k, 8 * k, 16 * k, 32 * k, 64 * k, 128 * k], None),
            ("noisy", &[k, 5 * k, 2 * k, 7 * k, k, 6 * k, 2 * k, 11 * k], None),
            ("grows", &[100 * k, 110 * k, 121 * k, 133 * k, 146 * k, 161 * k, 177 * k, 195 * k], None),
        ];
        for (what, values, expected) in cases {
            let found = change(&series(values), 500).map(|change| (change.at, change.before));
            assert_eq!(found, expected.map(|(at, before)| (day(at), before)), "{what}");
        }
    }

    #[test]
    fn two_weeks_that_are_known_make_it_finer() {
        let falls = |nights: usize| [vec![9000; nights], vec![5000]].concat();
        assert!(change(&series(&falls(14)), 500).is_some());
        assert!(change(&series(&falls(9)), 500).is_none());
    }

    #[test]
    fn a_table_that_stayed_and_went_has_vanished() {
        let cases = [
            ("1110", Some(3)),
            ("0111100", Some(5)),
            ("110", None),
            ("1010", None),
            ("111000", Some(3)),
            ("1110000", None),
            ("1111", None),
            ("0000", None),
        ];
        for (held, expected) in cases {
            let held: Vec<_> = (0..).map(day).zip(held.bytes().map(|byte| byte == b'1')).collect();
            assert_eq!(vanished(&held), expected.map(day), "{held:?}");
        }
    }
}
