//! Points in time as people write them on a command line: `2025-07-25 17:00`, a date alone, RFC 3339, or a
//! duration ago. Without an offset the local time zone is meant.

use chrono::{DateTime, Local, MappedLocalTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone};
use fwb::{Error, Moment, Result, Timestamp};

use crate::duration::parse_age;

/// Reads the end of a period: a date alone means the last moment of that day. `26h` means so long before `now`.
///
/// # Errors
/// A usage error when it is no time, or one that the local clock skipped.
pub fn parse_at(text: &str, now: Timestamp) -> Result<Timestamp> {
    moment(text, now, &Local, Edge::End)
}

/// Reads the beginning of a period: a date alone means the first moment of that day. `26h` means so long before
/// `now`.
///
/// # Errors
/// A usage error when it is no time, or one that the local clock skipped.
pub fn parse_since(text: &str, now: Timestamp) -> Result<Timestamp> {
    moment(text, now, &Local, Edge::Start)
}

/// Reads a moment of a database: a time, or a GTID, which means after its group.
///
/// # Errors
/// As [`parse_at`].
pub fn parse_moment(text: &str) -> Result<Moment> {
    match text.parse() {
        Ok(gtid) => Ok(Moment::After(gtid)),
        Err(_) => parse_at(text, fwb::now()).map(Moment::At),
    }
}

/// Which moment of a day a date alone stands for.
#[derive(Clone, Copy)]
enum Edge {
    Start,
    End,
}

fn moment<Z: TimeZone>(text: &str, now: Timestamp, zone: &Z, edge: Edge) -> Result<Timestamp> {
    let text = text.trim();
    if let Ok(age) = parse_age(text) {
        return now.checked_sub_signed(age).ok_or_else(unreadable);
    }
    // chrono reads `25-07-25` as a day of the year 25; nobody means that.
    if text.as_bytes().get(4) != Some(&b'-') {
        return Err(unreadable());
    }
    if let Ok(date) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        return edge_of_day(date, zone, edge).ok_or_else(skipped);
    }
    let spaced = text.replacen(['T', 't'], " ", 1);
    if let Some(absolute) = with_offset(&spaced) {
        return Ok(absolute);
    }
    let naive = without_offset(&spaced).ok_or_else(unreadable)?;
    // Where the clock was set back, an hour comes twice. The longer period misses nothing.
    let time = match (zone.from_local_datetime(&naive), edge) {
        (MappedLocalTime::None, _) => return Err(skipped()),
        (MappedLocalTime::Single(time), _) => time,
        // chrono promises to name the earlier one first, and does not where a zone's rule is all that it has.
        (MappedLocalTime::Ambiguous(one, other), Edge::Start) => one.min(other),
        (MappedLocalTime::Ambiguous(one, other), Edge::End) => one.max(other),
    };
    Ok(time.fixed_offset())
}

fn with_offset(text: &str) -> Option<Timestamp> {
    DateTime::parse_from_rfc3339(text).or_else(|_| DateTime::parse_from_str(text, "%Y-%m-%d %H:%M%:z")).ok()
}

fn without_offset(text: &str) -> Option<NaiveDateTime> {
    ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M"]
        .iter()
        .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
}

fn edge_of_day<Z: TimeZone>(date: NaiveDate, zone: &Z, edge: Edge) -> Option<Timestamp> {
    match edge {
        Edge::Start => start_of_day(date, zone),
        Edge::End => Some(start_of_day(date.succ_opt()?, zone)? - TimeDelta::nanoseconds(1)),
    }
}

/// The first moment of a day. Some zones set their clocks forward at midnight, so that it is not always 00:00.
fn start_of_day<Z: TimeZone>(date: NaiveDate, zone: &Z) -> Option<Timestamp> {
    let midnight = date.and_time(NaiveTime::MIN);
    (0..96)
        .filter_map(|quarter| midnight.checked_add_signed(TimeDelta::minutes(15 * quarter)))
        .find_map(|naive| zone.from_local_datetime(&naive).earliest())
        .map(|time| time.fixed_offset())
}

fn unreadable() -> Error {
    Error::usage("not a time such as 2025-07-25, '2025-07-25 17:00', 2025-07-25T17:00:05+09:00 or 26h (ago)")
}

fn skipped() -> Error {
    Error::usage("the local clock skipped that time; give it with an offset, such as +02:00")
}

#[cfg(test)]
mod tests {
    use chrono::FixedOffset;

    use super::*;

    /// UTC+1, from 2025-03-30 02:00 to 2025-10-26 03:00 local time UTC+2; on 2025-05-01 midnight is skipped too.
    #[derive(Clone, Copy, Debug)]
    struct Zone;

    fn hours(count: i32) -> FixedOffset {
        FixedOffset::east_opt(count * 3600).unwrap()
    }

    fn naive(text: &str) -> NaiveDateTime {
        text.parse().unwrap()
    }

    impl TimeZone for Zone {
        type Offset = FixedOffset;

        fn from_offset(_: &FixedOffset) -> Self {
            Self
        }

        fn offset_from_local_date(&self, local: &NaiveDate) -> MappedLocalTime<FixedOffset> {
            self.offset_from_local_datetime(&local.and_time(NaiveTime::MIN))
        }

        fn offset_from_local_datetime(&self, local: &NaiveDateTime) -> MappedLocalTime<FixedOffset> {
            let within = |from: &str, to: &str| (naive(from)..naive(to)).contains(local);
            if within("2025-03-30T02:00:00", "2025-03-30T03:00:00")
                || within("2025-05-01T00:00:00", "2025-05-01T01:00:00")
            {
                return MappedLocalTime::None;
            }
            if within("2025-10-26T02:00:00", "2025-10-26T03:00:00") {
                return MappedLocalTime::Ambiguous(hours(2), hours(1));
            }
            let summer = within("2025-03-30T03:00:00", "2025-10-26T02:00:00");
            MappedLocalTime::Single(hours(if summer { 2 } else { 1 }))
        }

        fn offset_from_utc_date(&self, utc: &NaiveDate) -> FixedOffset {
            self.offset_from_utc_datetime(&utc.and_time(NaiveTime::MIN))
        }

        fn offset_from_utc_datetime(&self, utc: &NaiveDateTime) -> FixedOffset {
            let summer = (naive("2025-03-30T01:00:00")..naive("2025-10-26T01:00:00")).contains(utc);
            hours(if summer { 2 } else { 1 })
        }
    }

    fn read(text: &str, edge: Edge) -> Result<String> {
        let now = "2025-07-26T12:00:00+02:00".parse().unwrap();
        moment(text, now, &Zone, edge).map(|time| time.to_rfc3339())
    }

    #[test]
    fn times_are_read() {
        let cases = [
            ("2025-07-25 17:00", "2025-07-25T17:00:00+02:00"),
            ("2025-07-25T17:00:05", "2025-07-25T17:00:05+02:00"),
            ("2025-12-25 17:00:05", "2025-12-25T17:00:05+01:00"),
            ("2025-07-25T17:00:05+09:00", "2025-07-25T17:00:05+09:00"),
            ("2025-07-25 17:00+09:00", "2025-07-25T17:00:00+09:00"),
            ("2025-07-25T17:00:05Z", "2025-07-25T17:00:05+00:00"),
            ("26h", "2025-07-25T10:00:00+02:00"),
            ("7d", "2025-07-19T12:00:00+02:00"),
        ];
        for (text, expected) in cases {
            assert_eq!(read(text, Edge::End).unwrap(), expected, "{text}");
            assert_eq!(read(text, Edge::Start).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn a_date_alone_is_the_whole_day() {
        assert_eq!(read("2025-07-25", Edge::Start).unwrap(), "2025-07-25T00:00:00+02:00");
        assert_eq!(read("2025-07-25", Edge::End).unwrap(), "2025-07-25T23:59:59.999999999+02:00");
        assert_eq!(read("2025-10-26", Edge::Start).unwrap(), "2025-10-26T00:00:00+02:00");
        assert_eq!(read("2025-10-26", Edge::End).unwrap(), "2025-10-26T23:59:59.999999999+01:00");
        assert_eq!(read("2025-05-01", Edge::Start).unwrap(), "2025-05-01T01:00:00+02:00");
    }

    #[test]
    fn of_an_hour_that_comes_twice_nothing_is_missed() {
        assert_eq!(read("2025-10-26 02:30", Edge::End).unwrap(), "2025-10-26T02:30:00+01:00");
        assert_eq!(read("2025-10-26 02:30", Edge::Start).unwrap(), "2025-10-26T02:30:00+02:00");
    }

    #[test]
    fn an_hour_that_never_was_is_refused() {
        assert!(read("2025-03-30 02:30", Edge::End).unwrap_err().to_string().contains("skipped"));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in
            ["", "yesterday", "25-07-25", "2025-13-01", "2025-07-25 25:00", "2025-07-25 17", "2025-W30"]
        {
            assert!(read(text, Edge::End).is_err(), "{text}");
        }
    }
}
