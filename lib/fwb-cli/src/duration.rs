//! Durations as people write them on a command line, and as they read them.

use std::time::Duration;

use chrono::TimeDelta;
use fwb::{Error, Result};

/// Reads `26h`, `7d`, `90m` or `1d 12h`, for use as clap's `value_parser`. Days have 24 hours, months and years
/// their mean length.
///
/// # Errors
/// A usage error when it is no duration.
pub fn parse_age(text: &str) -> Result<TimeDelta> {
    let parsed = humantime::parse_duration(text.trim()).ok();
    parsed
        .and_then(|duration| TimeDelta::from_std(duration).ok())
        .ok_or_else(|| Error::usage("not a duration such as 26h, 7d or 90m"))
}

/// A duration in its two largest units, or below ten seconds in tenths: `0.4s`, `42s`, `3m 5s`, `2h 10m`, `3d 4h`. What
/// takes less than a twentieth of a second took `0.1s` too: nothing takes no time.
pub fn human_duration(duration: Duration) -> String {
    let tenths = (duration.as_millis() + 50) / 100;
    if tenths < 100 {
        let tenths = tenths.max(1);
        return format!("{}.{}s", tenths / 10, tenths % 10);
    }
    let seconds = (duration.as_millis() + 500) / 1000;
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => two(minutes, "m", seconds % 60, "s"),
        (0, ..) => two(hours, "h", minutes % 60, "m"),
        _ => two(days, "d", hours % 24, "h"),
    }
}

/// The same for seconds as records hold them.
pub fn human_seconds(seconds: f64) -> String {
    human_duration(Duration::try_from_secs_f64(seconds).unwrap_or_default())
}

fn two(large: u128, unit: &str, small: u128, small_unit: &str) -> String {
    match small {
        0 => format!("{large}{unit}"),
        _ => format!("{large}{unit} {small}{small_unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read() {
        let cases = [("26h", 26 * 60), ("7d", 7 * 24 * 60), (" 90m ", 90), ("1d 12h", 36 * 60), ("0s", 0)];
        for (text, minutes) in cases {
            assert_eq!(parse_age(text).unwrap(), TimeDelta::minutes(minutes), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "26", "h", "-1h", "yesterday", "99999999999999999999y"] {
            assert!(parse_age(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_read_well_at_every_boundary() {
        let cases = [
            (0, "0.1s"),
            (349, "0.3s"),
            (9_940, "9.9s"),
            (9_960, "10s"),
            (42_400, "42s"),
            (59_600, "1m"),
            (185_000, "3m 5s"),
            (3_599_600, "1h"),
            (7_830_000, "2h 10m"),
            (86_400_000, "1d"),
            (273_600_000, "3d 4h"),
        ];
        for (milliseconds, expected) in cases {
            assert_eq!(human_duration(Duration::from_millis(milliseconds)), expected, "{milliseconds} ms");
        }
        assert_eq!(human_seconds(f64::NAN), "0.1s");
        assert_eq!(human_seconds(-1.0), "0.1s");
    }
}
