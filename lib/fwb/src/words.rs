//! Sizes, spans and counts as messages say them.

use chrono::TimeDelta;

/// `1.5 GiB`, `12 KiB`, `7 B`.
#[allow(clippy::cast_precision_loss)]
pub(crate) fn bytes(size: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if size < 1024 {
        return format!("{size} B");
    }
    let (mut value, mut unit) = (size as f64 / 1024.0, 0);
    while value >= 1023.5 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if value < 9.95 { format!("{value:.1} {}", UNITS[unit]) } else { format!("{value:.0} {}", UNITS[unit]) }
}

/// The two largest units: `3 days 4 hours`, `5 hours`, `12 minutes`.
pub(crate) fn span(span: TimeDelta) -> String {
    let minutes = usize::try_from(span.num_minutes().max(0)).unwrap_or_default();
    let (days, hours) = (minutes / 1440, minutes / 60 % 24);
    match (days, hours) {
        (0, 0) => count(minutes, "minute"),
        (0, _) if minutes % 60 > 0 => format!("{} {}", count(hours, "hour"), count(minutes % 60, "minute")),
        (0, _) => count(hours, "hour"),
        (1, 0) => "24 hours".into(),
        (1, _) => count(24 + hours, "hour"),
        (_, 0) => count(days, "day"),
        _ => format!("{} {}", count(days, "day"), count(hours, "hour")),
    }
}

/// `1 backup`, `2 backups`.
pub(crate) fn count(number: usize, of: &str) -> String {
    format!("{number} {of}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_spans_as_people_say_them() {
        for (size, said) in
            [(7, "7 B"), (1024, "1.0 KiB"), (12 << 10, "12 KiB"), (3 << 29, "1.5 GiB"), (u64::MAX, "16 EiB")]
        {
            assert_eq!(bytes(size), said);
        }
        let cases = [
            (0, "0 minutes"),
            (1, "1 minute"),
            (300, "5 hours"),
            (61, "1 hour 1 minute"),
            (26 * 60, "26 hours"),
            (8 * 1440, "8 days"),
            (3 * 1440 + 240, "3 days 4 hours"),
            (-5, "0 minutes"),
        ];
        for (minutes, said) in cases {
            assert_eq!(span(TimeDelta::minutes(minutes)), said);
        }
    }
}
