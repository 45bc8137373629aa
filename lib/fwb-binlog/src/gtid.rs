//! GTIDs of both flavors, and how far a log has come by them.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::fields::{Fields, Malformed};

/// The most entries that a position is read with.
const MOST: usize = 1 << 20;

/// The name of one group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Gtid {
    /// MariaDB's: `DOMAIN-SERVER-SEQUENCE`.
    MariaDb {
        /// The replication domain.
        domain: u32,
        /// The `server_id` of the server that made it.
        server: u32,
        /// Its number in the domain.
        sequence: u64,
    },
    /// MySQL's: `UUID:NUMBER`.
    MySql {
        /// The `server_uuid` of the server that made it.
        source: [u8; 16],
        /// Its number among that server's.
        number: u64,
    },
}

impl fmt::Display for Gtid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MariaDb { domain, server, sequence } => write!(f, "{domain}-{server}-{sequence}"),
            Self::MySql { source, number } => write!(f, "{}:{number}", Uuid(source)),
        }
    }
}

impl FromStr for Gtid {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        const NONE: Malformed = Malformed("a GTID that is none");
        if let Some((source, number)) = text.split_once(':') {
            let number = number.parse().map_err(|_| NONE)?;
            return Ok(Self::MySql { source: uuid(source).ok_or(NONE)?, number });
        }
        let mut parts = text.split('-');
        let mut next =
            || parts.next().filter(|part| part.bytes().all(|byte| byte.is_ascii_digit())).ok_or(NONE);
        let (domain, server, sequence) = (next()?, next()?, next()?);
        let gtid = Self::MariaDb {
            domain: domain.parse().map_err(|_| NONE)?,
            server: server.parse().map_err(|_| NONE)?,
            sequence: sequence.parse().map_err(|_| NONE)?,
        };
        if parts.next().is_some() { Err(NONE) } else { Ok(gtid) }
    }
}

impl TryFrom<String> for Gtid {
    type Error = Malformed;

    fn try_from(text: String) -> Result<Self, Malformed> {
        text.parse()
    }
}

impl From<Gtid> for String {
    fn from(gtid: Gtid) -> Self {
        gtid.to_string()
    }
}

/// A UUID in the usual form.
struct Uuid<'a>(&'a [u8; 16]);

impl fmt::Display for Uuid<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, byte) in self.0.iter().enumerate() {
            let hyphen = if matches!(at, 4 | 6 | 8 | 10) { "-" } else { "" };
            write!(f, "{hyphen}{byte:02x}")?;
        }
        Ok(())
    }
}

fn uuid(text: &str) -> Option<[u8; 16]> {
    let digits: String = text.chars().filter(|char| *char != '-').collect();
    if digits.len() != 32 || !digits.is_ascii() {
        return None;
    }
    let mut bytes = [0; 16];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(digits.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(bytes)
}

/// How far a log has come: the last group of each domain (MariaDB), or all groups of each server (MySQL).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct GtidPosition {
    /// For each domain its last group's server and number.
    domains: BTreeMap<u32, (u32, u64)>,
    /// For each server its groups, as ranges that are apart from each other and in order; both ends belong to them.
    sources: BTreeMap<[u8; 16], Vec<(u64, u64)>>,
}

impl GtidPosition {
    /// Reads MariaDB's list of GTIDs; `body` is the event's.
    pub(crate) fn of_list(body: &[u8]) -> Result<Self, Malformed> {
        let mut fields = Fields::new(body);
        // The upper four bits are flags.
        let count = fields.u32()? & 0x0FFF_FFFF;
        let mut position = Self::default();
        for _ in 0..count {
            let (domain, server, sequence) = (fields.u32()?, fields.u32()?, fields.u64()?);
            // The last one of a domain is its newest.
            position.domains.insert(domain, (server, sequence));
        }
        Ok(position)
    }

    /// Reads MySQL's set of previous GTIDs; `body` is the event's.
    pub(crate) fn of_previous(body: &[u8]) -> Result<Self, Malformed> {
        let mut fields = Fields::new(body);
        let head = fields.u64()?;
        // Since MySQL 8.3 the uppermost byte says whether GTIDs have tags; the count is in the bytes below it then.
        if head >> 56 != 0 {
            return Err(Malformed("GTIDs with tags, which are not supported"));
        }
        let mut position = Self::default();
        let mut seen = 0;
        for _ in 0..head {
            let source = fields.array()?;
            for _ in 0..fields.u64()? {
                let (start, end) = (fields.u64()?, fields.u64()?);
                seen += 1;
                if start == 0 || end <= start || seen > MOST {
                    return Err(Malformed("a set of GTIDs that is none"));
                }
                position.sources.entry(source).or_default().push((start, end - 1));
            }
        }
        position.sources.values_mut().for_each(tidy);
        Ok(position)
    }

    /// Takes a group in. False where the group is in it already, or comes before what is in it.
    pub fn take(&mut self, gtid: Gtid) -> bool {
        match gtid {
            Gtid::MariaDb { domain, server, sequence } => {
                let last = self.domains.insert(domain, (server, sequence));
                last.is_none_or(|(_, last)| sequence > last)
            }
            Gtid::MySql { source, number } => {
                if self.contains(gtid) {
                    return false;
                }
                let ranges = self.sources.entry(source).or_default();
                match ranges.last_mut() {
                    Some(last) if last.1 + 1 == number => last.1 = number,
                    _ => {
                        ranges.push((number, number));
                        tidy(ranges);
                    }
                }
                true
            }
        }
    }

    /// Whether a group is in it, as far as its number tells.
    pub fn contains(&self, gtid: Gtid) -> bool {
        match gtid {
            Gtid::MariaDb { domain, sequence, .. } => {
                self.domains.get(&domain).is_some_and(|(_, last)| *last >= sequence)
            }
            Gtid::MySql { source, number } => self
                .sources
                .get(&source)
                .is_some_and(|ranges| ranges.iter().any(|(first, last)| (*first..=*last).contains(&number))),
        }
    }

    /// Whether all that is in `other` is in it too, as far as numbers tell.
    pub fn covers(&self, other: &Self) -> bool {
        let domains = other.domains.iter().all(|(domain, (_, sequence))| {
            self.domains.get(domain).is_some_and(|(_, last)| last >= sequence)
        });
        let sources = other.sources.iter().all(|(source, ranges)| {
            let ours = self.sources.get(source).map(Vec::as_slice).unwrap_or_default();
            ranges.iter().all(|(first, last)| ours.iter().any(|(from, to)| from <= first && last <= to))
        });
        domains && sources
    }

    /// The groups of MySQL's servers, as its protocol has a set of GTIDs.
    pub fn to_mysql(&self) -> Vec<u8> {
        let mut bytes = (self.sources.len() as u64).to_le_bytes().to_vec();
        for (source, ranges) in &self.sources {
            bytes.extend_from_slice(source);
            bytes.extend((ranges.len() as u64).to_le_bytes());
            for (first, last) in ranges {
                bytes.extend(first.to_le_bytes());
                bytes.extend((last + 1).to_le_bytes());
            }
        }
        bytes
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.domains.is_empty() && self.sources.is_empty()
    }
}

/// Puts ranges in order, and those together that touch.
fn tidy(ranges: &mut Vec<(u64, u64)>) {
    ranges.sort_unstable();
    let mut tidied: Vec<(u64, u64)> = Vec::with_capacity(ranges.len());
    for (first, last) in ranges.drain(..) {
        match tidied.last_mut() {
            Some(before) if first <= before.1.saturating_add(1) => before.1 = before.1.max(last),
            _ => tidied.push((first, last)),
        }
    }
    *ranges = tidied;
}

impl fmt::Display for GtidPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut comma = "";
        for (domain, (server, sequence)) in &self.domains {
            write!(f, "{comma}{domain}-{server}-{sequence}")?;
            comma = ",";
        }
        for (source, ranges) in &self.sources {
            write!(f, "{comma}{}", Uuid(source))?;
            for (first, last) in ranges {
                if first == last { write!(f, ":{first}")? } else { write!(f, ":{first}-{last}")? }
            }
            comma = ",";
        }
        Ok(())
    }
}

impl FromStr for GtidPosition {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        const NONE: Malformed = Malformed("a position by GTIDs that is none");
        let mut position = Self::default();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let Some((source, ranges)) = part.split_once(':') else {
                match part.parse()? {
                    Gtid::MariaDb { domain, server, sequence } => {
                        position.domains.insert(domain, (server, sequence));
                    }
                    Gtid::MySql { .. } => return Err(NONE),
                }
                continue;
            };
            let kept = position.sources.entry(uuid(source).ok_or(NONE)?).or_default();
            for range in ranges.split(':') {
                let (first, last) = range.split_once('-').unwrap_or((range, range));
                let (first, last): (u64, u64) = first
                    .parse()
                    .ok()
                    .zip(last.parse().ok())
                    .filter(|(a, b)| *a > 0 && a <= b)
                    .ok_or(NONE)?;
                kept.push((first, last));
            }
            tidy(kept);
        }
        Ok(position)
    }
}

impl TryFrom<String> for GtidPosition {
    type Error = Malformed;

    fn try_from(text: String) -> Result<Self, Malformed> {
        text.parse()
    }
}

impl From<GtidPosition> for String {
    fn from(position: GtidPosition) -> Self {
        position.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";

    #[test]
    fn gtids_are_read_as_they_are_printed() {
        for text in ["0-1-100", "4294967295-7-18446744073709551615", &format!("{UUID}:23")] {
            assert_eq!(text.parse::<Gtid>().unwrap().to_string(), text);
        }
        for text in
            ["", "0-1", "0-1-2-3", "-1-1-1", "a-b-c", "0-+1-2", "3e11fa47:1", &format!("{UUID}:"), "é-1-2"]
        {
            assert!(text.parse::<Gtid>().is_err(), "{text}");
        }
    }

    #[test]
    fn positions_are_read_as_they_are_printed_and_tidied() {
        let tidied = format!("{UUID}:1-5:7");
        for (text, printed) in [
            ("", ""),
            ("0-1-5,1-2-3", "0-1-5,1-2-3"),
            ("1-2-3, 0-1-5", "0-1-5,1-2-3"),
            (&format!("{UUID}:7:4-5:1-3"), &tidied),
        ] {
            assert_eq!(text.parse::<GtidPosition>().unwrap().to_string(), printed);
        }
        assert!(format!("{UUID}:5-3").parse::<GtidPosition>().is_err());
    }

    #[test]
    fn a_position_grows_by_groups() {
        let mut position: GtidPosition = "0-1-5".parse().unwrap();
        assert!(position.take("0-2-6".parse().unwrap()));
        assert!(position.take("3-2-6".parse().unwrap()));
        assert!(!position.take("0-2-6".parse().unwrap()), "twice");
        assert_eq!(position.to_string(), "0-2-6,3-2-6");
        let mut position: GtidPosition = format!("{UUID}:1-3").parse().unwrap();
        for (number, is_new) in [(5, true), (4, true), (4, false), (6, true)] {
            assert_eq!(position.take(format!("{UUID}:{number}").parse().unwrap()), is_new, "{number}");
        }
        assert_eq!(position.to_string(), format!("{UUID}:1-6"));
        assert!(position.covers(&format!("{UUID}:2-4").parse().unwrap()));
        assert!(!position.covers(&format!("{UUID}:2-7").parse().unwrap()));
    }
}
