//! A trend that a few odd days do not bend: Theil–Sen, the median of the slopes of all pairs of points, with Sen's interval by
//! ranks (P. K. Sen, Estimates of the regression coefficient based on Kendall's tau, JASA 63, 1968). Up to 29 % of the points
//! may be anything.

use serde::{Deserialize, Serialize};

/// The normal quantile of a two-sided interval of 95 %.
const Z: f64 = 1.96;
/// The most points that are looked at; of more, every other one and so on, the newest always. 120 have 7140 slopes.
const POINTS: usize = 120;

/// A straight trend.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Trend {
    /// By how much the value grows a day.
    pub slope: f64,
    /// The lower end of the slope's interval of 95 %.
    pub low: f64,
    /// The upper end.
    pub high: f64,
    /// The line's value at the newest point.
    pub at_end: f64,
    /// How many points it is made of.
    pub points: u32,
}

impl Trend {
    /// Whether the interval leaves no doubt of the direction.
    pub fn is_certain(&self) -> bool {
        self.low > 0.0 || self.high < 0.0
    }

    /// The trend of points, each a moment in days and a value; none of fewer than `least` points, or where all are of one
    /// moment. Values that are not finite are left out.
    pub fn of(points: &[(f64, f64)], least: usize) -> Option<Self> {
        let points = thinned(points);
        if points.len() < least.max(3) {
            return None;
        }
        let mut slopes = Vec::with_capacity(points.len() * (points.len() - 1) / 2);
        for (at, (x, y)) in points.iter().enumerate() {
            slopes.extend(points[..at].iter().filter(|(other, _)| other < x).map(|(u, v)| (y - v) / (x - u)));
        }
        slopes.sort_by(f64::total_cmp);
        let slope = median_of_sorted(&slopes)?;
        let (low, high) = interval(&slopes, points.len());
        let end = points.last()?.0;
        let mut levels: Vec<f64> = points.iter().map(|(x, y)| y + slope * (end - x)).collect();
        levels.sort_by(f64::total_cmp);
        let count = u32::try_from(points.len()).unwrap_or(u32::MAX);
        Some(Self { slope, low, high, at_end: median_of_sorted(&levels)?, points: count })
    }
}

/// The ends of the interval: the slopes whose ranks lie as far from the middle as Kendall's statistic varies without a trend.
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn interval(sorted: &[f64], points: usize) -> (f64, f64) {
    let (pairs, n) = (sorted.len() as f64, points as f64);
    let spread = Z * (n * (n - 1.0) * (2.0 * n + 5.0) / 18.0).sqrt();
    let last = sorted.len() - 1;
    let low = ((pairs - spread) / 2.0).floor().max(0.0) as usize;
    let high = (f64::midpoint(pairs, spread).ceil() as usize).min(last);
    (sorted[low.min(last)], sorted[high])
}

fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut points: Vec<(f64, f64)> =
        points.iter().copied().filter(|(x, y)| x.is_finite() && y.is_finite()).collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    let step = points.len().div_ceil(POINTS).max(1);
    let newest = points.len().saturating_sub(1) % step;
    points.into_iter().skip(newest).step_by(step).collect()
}

/// The median of values in order; none of none.
pub(super) fn median_of_sorted(sorted: &[f64]) -> Option<f64> {
    let (middle, is_even) = (sorted.len() / 2, sorted.len().is_multiple_of(2));
    match is_even {
        _ if sorted.is_empty() => None,
        true => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
        false => Some(sorted[middle]),
    }
}

/// The median, and the median distance from it: what lies between values that are usual.
pub(super) fn median_and_spread(values: &[f64]) -> Option<(f64, f64)> {
    let sorted = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values
    };
    let middle = median_of_sorted(&sorted(values.to_vec()))?;
    let spread = median_of_sorted(&sorted(values.iter().map(|value| (value - middle).abs()).collect()))?;
    Some((middle, spread))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days(count: u32, value: impl Fn(f64) -> f64) -> Vec<(f64, f64)> {
        (0..count).map(|day| (f64::from(day), value(f64::from(day)))).collect()
    }

    /// Noise without a random number, of about one in each direction.
    fn noise(day: f64) -> f64 {
        (day * 12.9898).sin() + (day * 78.233).cos() / 2.0
    }

    #[test]
    fn a_line_is_found_exactly() {
        let trend = Trend::of(&days(20, |day| 100.0 - 3.0 * day), 10).unwrap();
        assert!((trend.slope + 3.0).abs() < 1e-9 && (trend.at_end - 43.0).abs() < 1e-9, "{trend:?}");
        assert!(trend.is_certain() && trend.points == 20);
    }

    #[test]
    fn a_fifth_of_odd_days_does_not_bend_it() {
        let odd = |day: f64| if (1.5..2.5).contains(&(day % 5.0)) { 5000.0 } else { 2.0 * day + noise(day) };
        let trend = Trend::of(&days(40, odd), 10).unwrap();
        assert!((trend.slope - 2.0).abs() < 0.3, "{trend:?}");
    }

    #[test]
    fn noise_alone_is_no_trend() {
        let trend = Trend::of(&days(40, |day| 50.0 + 4.0 * noise(day)), 10).unwrap();
        assert!(!trend.is_certain(), "{trend:?}");
        let flat = Trend::of(&days(40, |_| 7.0), 10).unwrap();
        assert!(!flat.is_certain() && flat.slope == 0.0);
    }

    #[test]
    fn little_is_nothing() {
        assert_eq!(Trend::of(&days(9, |day| day), 10), None);
        assert_eq!(Trend::of(&[(1.0, 1.0); 20], 10), None, "all of one moment");
        assert_eq!(Trend::of(&days(20, |_| f64::NAN), 10), None);
    }

    #[test]
    fn many_points_are_thinned_and_the_newest_stays() {
        let trend = Trend::of(&days(10_000, |day| day), 10).unwrap();
        assert!(trend.points <= 120 && (trend.at_end - 9999.0).abs() < 1e-6, "{trend:?}");
    }

    #[test]
    fn medians() {
        assert_eq!(median_and_spread(&[1.0, 9.0, 2.0, 3.0, 2.0]), Some((2.0, 1.0)));
        assert_eq!(median_and_spread(&[1.0, 3.0]), Some((2.0, 1.0)));
        assert_eq!(median_and_spread(&[]), None);
    }
}
