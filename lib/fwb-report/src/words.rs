//! Numbers, times and names as all forms for people say them.

use chrono::{Local, TimeDelta};
use fwb::{DatabaseReport, LogReport, Timestamp};

/// The two largest units of a time in seconds: `4 min 10 s`, `5 h`, `3 d 4 h`.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "no run takes longer than 2^63 seconds"
)]
pub(crate) fn seconds(seconds: f64) -> String {
    if seconds < 10.0 {
        return format!("{:.1} s", seconds.max(0.0));
    }
    let all = seconds.round() as u64;
    let units = [(all / 86_400, "d"), (all / 3600 % 24, "h"), (all / 60 % 60, "min"), (all % 60, "s")];
    let first = units.iter().position(|(count, _)| *count > 0).unwrap_or(units.len() - 1);
    let told = units[first..].iter().take(2).filter(|(count, _)| *count > 0);
    told.map(|(count, unit)| format!("{count} {unit}")).collect::<Vec<_>>().join(" ")
}

/// How long ago.
#[allow(clippy::cast_precision_loss)]
pub(crate) fn age(at: Timestamp, now: Timestamp) -> String {
    let span: TimeDelta = now - at;
    let minutes = (span.num_seconds().max(0) / 60 * 60) as f64;
    if span < TimeDelta::minutes(1) { "just now".into() } else { format!("{} ago", seconds(minutes)) }
}

/// A moment in the local time zone, to the minute.
pub(crate) fn moment(at: Timestamp) -> String {
    at.with_timezone(&Local).format("%Y-%m-%d %H:%M").to_string()
}

/// A share in per cent; what is not all is never told as 100 %.
pub(crate) fn percent(rate: f64) -> String {
    let rounded = if rate < 1.0 { (rate * 100.0).round().min(99.0) } else { 100.0 };
    format!("{rounded:.0} %")
}

/// A size that may shrink: `+12.0 MiB`.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
pub(crate) fn signed_size(bytes: f64) -> String {
    let sign = if bytes < 0.0 { '−' } else { '+' };
    format!("{sign}{}", fwb_cli::human_size(bytes.abs().round() as u64))
}

/// What a database is called: `shop of db.example`.
pub(crate) fn label(one: &DatabaseReport) -> String {
    match (&one.database, &one.server) {
        (Some(database), Some(server)) => format!("{database} of {server}"),
        (Some(database), None) => database.clone(),
        (None, Some(server)) => format!("all databases of {server}"),
        (None, None) => "all databases".into(),
    }
}

/// What the log of a server is called, as troubles call it.
pub(crate) fn log_label(one: &LogReport) -> String {
    one.server.as_ref().map_or_else(|| "the log".into(), |server| format!("the log of {server}"))
}

/// How far a log is behind.
#[allow(clippy::cast_precision_loss)]
pub(crate) fn lag_told(lag: i64) -> String {
    seconds(lag as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_as_people_say_them() {
        let said = [0.04, 9.94, 59.6, 250.0, 3600.0, 300_000.0].map(seconds);
        assert_eq!(said, ["0.0 s", "9.9 s", "1 min", "4 min 10 s", "1 h", "3 d 11 h"]);
        assert_eq!([1.0, 0.999, 0.5, 0.0].map(percent), ["100 %", "99 %", "50 %", "0 %"]);
        assert_eq!([1024.0, -1.0].map(signed_size), ["+1.0 KiB", "−1 B"]);
    }
}
