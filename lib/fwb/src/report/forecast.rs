//! When a store is full. What is extrapolated is the room that is left at the end of each day, once retention has deleted: from
//! then on a store grows only as its backups do, however fast it has filled before. It is full when the next backup does not
//! fit any more, which comes before the last byte is taken, because a backup is written before an old one goes.

use std::collections::BTreeMap;

use chrono::{NaiveDate, TimeDelta};
use serde::{Deserialize, Serialize};

use super::facts::{StoreFacts, days};
use super::trend::{Trend, median_and_spread};
use crate::manifest::Timestamp;

/// The trend is that of so many days.
const WINDOW: i64 = 30;
/// So many days are told.
const TOLD: i64 = 60;
/// Of so many days the room must be known.
const LEAST: usize = 10;
/// How many days ahead a forecast is worth telling: ten years.
const HORIZON: f64 = 3650.0;

/// What becomes of a store's room.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Forecast {
    /// In a word.
    pub verdict: Verdict,
    /// In so many days the next backup does not fit; null where no trend says so.
    pub days: Option<f64>,
    /// The same by the steepest slope of the interval of 95 %.
    pub earliest_days: Option<f64>,
    /// The same by the flattest; null where that one never comes there within ten years.
    pub latest_days: Option<f64>,
    /// How the room changes, in bytes a day.
    pub trend: Option<Trend>,
    /// What the next backup takes, in bytes: the largest of the last seven days, or else the newest.
    pub next_backup_bytes: u64,
    /// Whether retention was seen to delete: before, a store grows by each backup, and nobody knows when that ends.
    pub retention_deletes: bool,
    /// The room at the end of each day, oldest first: what the trend is made of.
    pub free_by_day: Vec<FreeOnDay>,
}

/// The room of a store at the end of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FreeOnDay {
    /// When it was looked at.
    pub at: Timestamp,
    /// Free bytes.
    pub free_bytes: u64,
    /// Whether the trend counts it.
    pub counts: bool,
}

/// What is to be expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The store has no limit that anybody knows.
    NoLimit,
    /// Too few days are known.
    TooLittleData,
    /// The room neither shrinks nor grows for certain.
    NoTrend,
    /// The room grows.
    Eases,
    /// The room shrinks.
    Fills,
}

/// The forecast of a store.
#[allow(clippy::cast_precision_loss, reason = "bytes of a disk are exact up to 8 PiB")]
pub(super) fn forecast(store: &StoreFacts, now: Timestamp) -> Forecast {
    let next = next_backup(store, now);
    let first_deletion =
        store.runs.iter().find(|run| !run.deleted.is_empty() && run.at <= now).map(|run| run.at);
    let mut forecast = Forecast {
        verdict: Verdict::NoLimit,
        days: None,
        earliest_days: None,
        latest_days: None,
        trend: None,
        next_backup_bytes: next,
        retention_deletes: first_deletion.is_some(),
        free_by_day: Vec::new(),
    };
    let Some(space) = store.space else { return forecast };
    let mut daily = free_by_day(store, space.free, now);
    let recent = daily.iter().position(|day| now - day.at < TimeDelta::days(WINDOW)).unwrap_or(0);
    let start = begin(&daily, first_deletion).max(recent);
    daily.iter_mut().take(start).for_each(|day| day.counts = false);
    let points: Vec<(f64, f64)> =
        daily[start..].iter().map(|day| (days(day.at), day.free_bytes as f64)).collect();
    forecast.free_by_day = daily;
    forecast.trend = Trend::of(&points, LEAST);
    let room = space.free as f64 - next as f64;
    forecast.verdict = match forecast.trend {
        _ if room < 0.0 => {
            (forecast.days, forecast.earliest_days, forecast.latest_days) = (Some(0.0), Some(0.0), Some(0.0));
            Verdict::Fills
        }
        None => Verdict::TooLittleData,
        Some(trend) if trend.high < 0.0 => {
            let until = |slope: f64| Some(room / -slope).filter(|days| *days <= HORIZON);
            forecast.days = until(trend.slope);
            forecast.earliest_days = until(trend.low);
            forecast.latest_days = until(trend.high);
            Verdict::Fills
        }
        Some(trend) if trend.low > 0.0 => Verdict::Eases,
        Some(_) => Verdict::NoTrend,
    };
    forecast
}

/// What the next backup of any database takes.
fn next_backup(store: &StoreFacts, now: Timestamp) -> u64 {
    let full = || store.backups.iter().filter(|backup| backup.is_full());
    let recent =
        full().filter(|backup| now - backup.started_at < TimeDelta::days(7)).map(|backup| backup.size);
    recent.max().or_else(|| full().next_back().map(|backup| backup.size)).unwrap_or_default()
}

/// The last word of each day, oldest first; today's is what is free now.
fn free_by_day(store: &StoreFacts, free: u64, now: Timestamp) -> Vec<FreeOnDay> {
    let mut daily: BTreeMap<NaiveDate, FreeOnDay> = BTreeMap::new();
    for run in &store.runs {
        let at = run.finished_at.unwrap_or(run.at);
        if let Some(free_bytes) = run.free_bytes
            && at <= now
            && now - at < TimeDelta::days(TOLD)
        {
            daily.insert(at.to_utc().date_naive(), FreeOnDay { at, free_bytes, counts: true });
        }
    }
    daily.insert(now.to_utc().date_naive(), FreeOnDay { at: now, free_bytes: free, counts: true });
    daily.into_values().collect()
}

/// Where the series that counts begins: when retention first deleted, and after somebody has made room.
#[allow(clippy::cast_precision_loss)]
fn begin(daily: &[FreeOnDay], first_deletion: Option<Timestamp>) -> usize {
    /// Rarer than so it is somebody who makes room, and not a retention that works weekly.
    const RARE: usize = 2;
    let bounded = first_deletion.and_then(|first| daily.iter().position(|day| day.at >= first)).unwrap_or(0);
    let counted = &daily[bounded..];
    let steps: Vec<f64> =
        counted.windows(2).map(|pair| pair[1].free_bytes as f64 - pair[0].free_bytes as f64).collect();
    let Some((usual, spread)) = median_and_spread(&steps) else { return bounded };
    let most = counted.iter().map(|day| day.free_bytes).max().unwrap_or_default() as f64;
    let is_room_made = |step: f64| step > usual + (10.0 * spread).max(most / 20.0);
    let made: Vec<usize> = (0..steps.len()).filter(|at| is_room_made(steps[*at])).collect();
    match made.last() {
        Some(last) if made.len() <= RARE => bounded + last + 1,
        _ => bounded,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::RunRecord;
    use crate::store::Space;

    const GIB: u64 = 1 << 30;

    fn day(day: u32) -> Timestamp {
        Timestamp::parse_from_rfc3339("2026-01-01T02:00:00Z").unwrap() + TimeDelta::days(i64::from(day))
    }

    /// A store whose room was this on each day, and whose retention deletes from a day on.
    fn store(free: &[u64], deletes_from: usize) -> StoreFacts {
        let run = |(at, free): (usize, &u64)| {
            let mut run = RunRecord::begin(String::new(), "backup", day(u32::try_from(at).unwrap()));
            run.free_bytes = Some(*free);
            if at >= deletes_from {
                run.deleted = vec!["an old one".into()];
            }
            run
        };
        let space = Some(Space { free: *free.last().unwrap(), total: 1000 * GIB });
        StoreFacts { runs: free.iter().enumerate().map(run).collect(), space, ..StoreFacts::default() }
    }

    fn of(free: &[u64], deletes_from: usize) -> Forecast {
        let last = u32::try_from(free.len() - 1).unwrap();
        forecast(&store(free, deletes_from), day(last))
    }

    fn room(days: u64, of_day: impl Fn(u64) -> u64) -> Vec<u64> {
        (0..days).map(of_day).collect()
    }

    #[test]
    fn a_store_that_fills_is_told_with_its_day() {
        let forecast = of(&room(30, |day| 500 * GIB - day * 10 * GIB), 0);
        assert_eq!(forecast.verdict, Verdict::Fills);
        assert!((forecast.days.unwrap() - 21.0).abs() < 0.1, "{forecast:?}");
        assert!(forecast.earliest_days <= forecast.days && forecast.days <= forecast.latest_days);
    }

    #[test]
    fn what_filled_before_retention_deleted_is_no_trend() {
        let filled = |day: u64| if day < 8 { 500 - 30 * day } else { 260 + day % 3 } * GIB;
        let forecast = of(&room(30, filled), 8);
        assert_eq!((forecast.verdict, forecast.days), (Verdict::NoTrend, None));
        assert!(
            forecast.retention_deletes && !forecast.free_by_day[7].counts && forecast.free_by_day[8].counts
        );
        assert_eq!(of(&room(12, filled), 8).verdict, Verdict::TooLittleData);
    }

    #[test]
    fn where_retention_never_deletes_every_day_counts() {
        let forecast = of(&room(30, |day| 500 * GIB - day * 10 * GIB), usize::MAX);
        assert_eq!((forecast.verdict, forecast.retention_deletes), (Verdict::Fills, false));
    }

    #[test]
    fn somebody_who_makes_room_begins_the_series_anew() {
        let made = |day: u64| if day < 20 { 300 - 10 * day } else { 600 - 10 * day } * GIB;
        assert_eq!(of(&room(24, made), 0).verdict, Verdict::TooLittleData);
        let later = of(&room(35, made), 0);
        assert_eq!((later.verdict, later.days.map(f64::round)), (Verdict::Fills, Some(26.0)));
        // Retention that deletes a week's backups each Sunday is none who makes room.
        assert_eq!(of(&room(40, |day| (500 - 10 * (day % 7)) * GIB), 0).verdict, Verdict::NoTrend);
    }

    #[test]
    fn a_store_without_a_limit_or_a_past_has_no_forecast() {
        let mut endless = store(&[GIB], 0);
        endless.space = None;
        assert_eq!(forecast(&endless, day(0)).verdict, Verdict::NoLimit);
        assert_eq!(of(&[GIB], 0).verdict, Verdict::TooLittleData);
    }
}
