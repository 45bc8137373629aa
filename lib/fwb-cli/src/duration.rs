//! Durations as people write them on a command line.

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
}
