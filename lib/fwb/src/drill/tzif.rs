//! Files of time zones (`TZif`, RFC 8536), and the rows by which a server knows one. Each flavor has a program for this, which
//! speaks to its own servers alone and may not be installed.

use std::fmt::Write as _;

use crate::server::quote_text;

/// The bytes of a header.
const HEADER: usize = 44;
/// The most that is read of a zone: servers hold 370 transitions.
const MOST: usize = 370;

/// A time zone: when which kind of local time began.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TimeZone {
    /// Seconds since 1970 in UTC, within 32 bits, and which kind begins then.
    transitions: Vec<(i64, usize)>,
    kinds: Vec<Kind>,
}

/// A kind of local time.
#[derive(Debug, PartialEq, Eq)]
struct Kind {
    /// Seconds east of UTC.
    offset: i32,
    is_summer: bool,
    abbreviation: String,
}

/// The counts of a header, in the order of what follows it.
struct Counts {
    indicators: usize,
    leaps: usize,
    times: usize,
    kinds: usize,
    letters: usize,
}

impl TimeZone {
    /// Reads the first part of a file, whose times have 32 bits, or the second where the first one is empty. None where it is
    /// no such file. Rules for the time after the last transition are left out, as servers do.
    pub(super) fn read(file: &[u8]) -> Option<Self> {
        let first = Counts::read(file)?;
        match first.times {
            0 if file.get(4).is_some_and(|version| *version >= b'2') => {
                let second = file.get(HEADER + first.size(4)..)?;
                Self::block(second.get(HEADER..)?, &Counts::read(second)?, 8)
            }
            _ => Self::block(file.get(HEADER..)?, &first, 4),
        }
    }

    /// What follows a header; `width` is that of a time, in bytes.
    fn block(block: &[u8], counts: &Counts, width: usize) -> Option<Self> {
        let (times, rest) = block.split_at_checked(counts.times * width)?;
        let (indices, rest) = rest.split_at_checked(counts.times)?;
        let (kinds, rest) = rest.split_at_checked(counts.kinds * 6)?;
        let letters = rest.get(..counts.letters)?;
        let kind = |kind: &[u8]| {
            let abbreviation = letters.get(usize::from(kind[5])..)?.split(|byte| *byte == 0).next()?;
            Some(Kind {
                offset: i32::try_from(number(&kind[..4])).ok()?,
                is_summer: kind[4] != 0,
                abbreviation: String::from_utf8_lossy(abbreviation).into_owned(),
            })
        };
        let kinds = kinds.chunks_exact(6).map(kind).collect::<Option<Vec<_>>>()?;
        let transitions = times.chunks_exact(width).map(number).zip(indices.iter().copied().map(usize::from));
        let transitions: Vec<_> = transitions.filter(|(time, _)| i32::try_from(*time).is_ok()).collect();
        let is_sound = !kinds.is_empty() && transitions.iter().all(|(_, kind)| *kind < kinds.len());
        (is_sound && transitions.len() <= MOST).then_some(Self { transitions, kinds })
    }

    /// The statements by which a server learns it under this name, in its database `mysql`.
    pub(super) fn sql(&self, name: &str) -> String {
        let mut sql = format!(
            "INSERT INTO time_zone (Use_leap_seconds) VALUES ('N');\nSET @zone=LAST_INSERT_ID();\n\
             INSERT INTO time_zone_name (Name, Time_zone_id) VALUES ({}, @zone);\n",
            quote_text(name)
        );
        for (index, Kind { offset, is_summer, abbreviation }) in self.kinds.iter().enumerate() {
            let (summer, abbreviation) = (u8::from(*is_summer), quote_text(abbreviation));
            // Writing to a string does not fail.
            writeln!(
                sql,
                "INSERT INTO time_zone_transition_type (Time_zone_id, Transition_type_id, `Offset`, Is_DST, Abbreviation) \
                 VALUES (@zone, {index}, {offset}, {summer}, {abbreviation});"
            )
            .ok();
        }
        let rows: Vec<String> =
            self.transitions.iter().map(|(time, kind)| format!("(@zone, {time}, {kind})")).collect();
        if !rows.is_empty() {
            let into = "time_zone_transition (Time_zone_id, Transition_time, Transition_type_id)";
            writeln!(sql, "INSERT INTO {into} VALUES {};", rows.join(", ")).ok();
        }
        sql
    }
}

impl Counts {
    fn read(header: &[u8]) -> Option<Self> {
        let counts = header.get(..HEADER)?.strip_prefix(b"TZif")?.get(16..)?;
        let mut counts = counts.chunks_exact(4).map(|count| usize::try_from(number(count)).ok());
        let mut next = || counts.next().flatten().filter(|count| *count < 1 << 16);
        let (universal, standard) = (next()?, next()?);
        let (leaps, times, kinds, letters) = (next()?, next()?, next()?, next()?);
        Some(Self { indicators: universal + standard, leaps, times, kinds, letters })
    }

    /// The bytes that follow the header, where a time takes `width` bytes.
    fn size(&self, width: usize) -> usize {
        let Self { indicators, leaps, times, kinds, letters } = self;
        times * (width + 1) + kinds * 6 + letters + leaps * (width + 4) + indicators
    }
}

/// A signed number of four or eight bytes, the first of which counts most.
fn number(bytes: &[u8]) -> i64 {
    let sign = if bytes.first().is_some_and(|byte| byte & 0x80 != 0) { -1 } else { 0 };
    bytes.iter().fold(sign, |number, byte| (number << 8) | i64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file whose second part has two kinds, and 32-bit times in its first part or none.
    fn file(has_first: bool) -> Vec<u8> {
        let part = |times: &[i64], width: usize| {
            let header = [&b"TZif2"[..], &[0; 15]].concat();
            let counts =
                [0, 0, 0, times.len(), 2, 8].map(|count| u32::try_from(count).unwrap().to_be_bytes());
            let times_of = times.iter().flat_map(|time| time.to_be_bytes()[8 - width..].to_vec());
            let indices: Vec<u8> = (0..times.len()).map(|index| u8::try_from(index % 2).unwrap()).collect();
            let kinds = [&3600_i32.to_be_bytes()[..], &[0, 0], &7200_i32.to_be_bytes(), &[1, 4]].concat();
            let mut part = [header, counts.concat()].concat();
            part.extend(times_of);
            part.extend([indices, kinds, b"CET\0EST\0".to_vec()].concat());
            part
        };
        let times = [-1_000_000, 86_400];
        let first = if has_first { part(&times, 4) } else { part(&[], 4) };
        [first, part(&[i64::MIN, -1_000_000, 86_400], 8), b"\nCET-1\n".to_vec()].concat()
    }

    #[test]
    fn a_zone_is_read_from_either_part() {
        let first = TimeZone::read(&file(true)).unwrap();
        assert_eq!(first.transitions, [(-1_000_000, 0), (86_400, 1)]);
        assert_eq!((first.kinds[1].offset, first.kinds[1].is_summer), (7200, true));
        assert_eq!(first.kinds[1].abbreviation, "EST");
        let second = TimeZone::read(&file(false)).unwrap();
        assert_eq!(second.transitions, [(-1_000_000, 1), (86_400, 0)]);
        assert!(first.sql("Europe/x").contains("(@zone, 86400, 1)"), "{}", first.sql("Europe/x"));
    }

    #[test]
    fn what_is_no_zone_is_none() {
        let whole = file(true);
        for cut in 0..HEADER + 30 {
            assert_eq!(TimeZone::read(&whole[..cut]), None, "{cut} bytes");
        }
        let mut far = whole.clone();
        far[32..36].copy_from_slice(&u32::MAX.to_be_bytes());
        assert_eq!(TimeZone::read(&far), None);
        let mut beyond = whole;
        beyond[HEADER + 8] = 9;
        assert_eq!(TimeZone::read(&beyond), None);
    }
}
