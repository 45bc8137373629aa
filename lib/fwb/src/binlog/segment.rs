//! A segment: a piece of the binary log, and what is known of it. As a file it is a skippable frame of zstd (RFC 8878, section
//! 3.1.2) with its description as JSON and the SHA-256 of that, and behind it the log's bytes: as frames of zstd, or as a file of
//! age that holds those. So `zstd -dc SEGMENT | mariadb-binlog -` reads a segment that is not encrypted.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use fwb_binlog::GtidPosition;

use super::overlap::Overlap;
use crate::error::{Error, Result};
use crate::identity::{ServerIdentity, ServerName};
use crate::manifest::{Encryption, Timestamp};

/// The schema of a segment's description.
pub const LOG_SCHEMA: &str = "fwb-log/1";
/// The same where changes are left out: versions that do not know of that would take them for changes that were not made.
const LOG_SCHEMA_OF_SOME: &str = "fwb-log/1.1";
/// What the names of segments end with.
const SUFFIX: &str = ".fwblog";
/// The magic number of the skippable frame.
const SKIPPABLE: u32 = 0x184D_2A5F;
/// Bytes before the description.
const FRAME: usize = 8;
/// Bytes of the hash behind it: SHA-256.
const SUM: usize = 32;
/// The largest description that is written or read, in bytes, its frame's head included: so much of each segment is read to
/// know a chain.
pub(super) const HEAD: usize = 32 << 10;
/// The most bytes that names of tables take in it.
const MOST_NAMES: usize = 4 << 10;
/// The most parts of a segment that was put together from others: each takes some 270 bytes of the description.
pub(super) const MOST_PARTS: usize = 60;
/// The most names of XA transactions in a segment: each takes up to 270 bytes, and two may come at once.
pub(super) const MOST_XA: usize = 20;
/// The most bytes of the log that one segment holds that was put together from others.
pub(super) const MOST_RAW: u64 = 16 << 20;
/// The most bytes of the log that are held in memory: so long may a segment be that is published first.
pub(super) const MOST_HELD: usize = 16 << 20;

/// A segment of the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Segment {
    /// [`LOG_SCHEMA`], or `fwb-log/1.1` where `only` is there.
    pub schema: String,
    /// The chain that it belongs to.
    pub chain: String,
    /// The number in its chain of its first part, from 1.
    pub first: u64,
    /// The number of its last part.
    pub last: u64,
    /// The hash of the chain before it; absent of a chain's first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<String>,
    /// The hash of the chain with it.
    pub hash: String,
    /// Why the chain was begun; of its first segment alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begun_because: Option<String>,
    /// The server.
    pub source: LogSource,
    /// The databases, or patterns of them, of which alone it has changes; absent where it has all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub only: Vec<String>,
    /// The file of the server's log.
    pub file: String,
    /// Where in it the segment begins, in bytes.
    pub start: u64,
    /// Where it ends.
    pub end: u64,
    /// The groups before it.
    pub gtid_before: GtidPosition,
    /// The groups before its end.
    pub gtid_after: GtidPosition,
    /// Whether it begins within a group.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub begins_within: bool,
    /// Whether it ends within a group.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ends_within: bool,
    /// How many groups end in it.
    pub groups: u64,
    /// What it touches; absent where that is not told in clear.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub touched: Option<Touched>,
    /// XA transactions that were prepared in it, by names in hexadecimal digits.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub xa_prepared: Vec<String>,
    /// XA transactions that were completed in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub xa_completed: Vec<String>,
    /// What whoever goes on after it asks the server for once more.
    pub overlap: Overlap,
    /// Its parts, each as it was published first.
    pub parts: Vec<Part>,
    /// Bytes behind the description.
    pub size: u64,
    /// SHA-256 of those.
    pub sha256: String,
    /// How it is encrypted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption: Option<Encryption>,
    /// Fields of later versions.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// A segment and what is stored behind its description.
pub(super) type WithPayload = (Segment, Vec<u8>);

/// The server that a log is of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogSource {
    /// `SELECT VERSION()`.
    pub version: String,
    /// `server_id`.
    pub server_id: u32,
    /// `server_uuid`, or MariaDB's `server_uid`, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// The operator's name for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<ServerName>,
    /// How it was addressed, in a form that lasts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<ServerName>,
}

impl LogSource {
    /// Which server it is, as backups know it.
    pub fn identity(&self) -> ServerIdentity {
        ServerIdentity { id: self.id.clone(), address: self.address.clone() }
    }
}

/// What a segment touches.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Touched {
    /// Tables whose rows it changes, as `database.table`; absent where they are too many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tables: Option<Vec<String>>,
    /// Databases of those, and default databases of statements.
    pub databases: Vec<String>,
    /// Whether it has statements that are executed again: which tables those change is not told here.
    pub statements: bool,
    /// Whether it changes definitions.
    pub ddl: bool,
    /// Whether the server says that its log lacks something.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub incident: bool,
}

/// A part of a segment, as it was published first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Bytes of the log.
    pub raw_size: u64,
    /// SHA-256 of those.
    pub raw_sha256: String,
    /// Bytes that it takes in the segment.
    pub size: u64,
    /// Plain bytes that come before those of the log, for other programs: the beginning of a log file.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub preamble: u64,
    /// When the server had no more than what is before it, by the follower's clock: no change in it is older. The beginning of 1970
    /// where that never was.
    pub seen: Timestamp,
    /// When its first byte arrived.
    pub from: Timestamp,
    /// When its last byte arrived.
    pub until: Timestamp,
    /// All that was written to the server's log before this moment is in the chain up to here: the moment at which the server had
    /// said that it has no more, or what the last change says of itself.
    pub safe: Timestamp,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Part {
    /// The hash of a chain that goes on with this part, which is its `number`th, begins at `start` of `file`, and has changes of
    /// `only` these databases.
    pub(super) fn chained(
        &self,
        previous: Option<&str>,
        chain: &str,
        number: u64,
        (file, start): (&str, u64),
        only: &[String],
    ) -> String {
        let Self { raw_size, raw_sha256, seen, from, until, safe, .. } = self;
        let times = [seen, from, until, safe].map(|at| at.timestamp_millis().to_string()).join(" ");
        let previous = previous.unwrap_or("-");
        let mut line =
            format!("{previous} {chain} {number} {file} {start} {raw_size} {raw_sha256} {times}\n");
        for name in only {
            line += &format!("{name}\n");
        }
        hex::encode(Sha256::digest(line))
    }
}

impl Segment {
    /// The name of its file.
    pub fn name(&self) -> String {
        format!("{}-{:010}-{:010}{SUFFIX}", self.chain, self.first, self.last)
    }

    /// All that was written to the server's log before this moment is in the chain up to here.
    pub fn safe_until(&self) -> Timestamp {
        self.parts.last().map_or_else(|| chrono::DateTime::UNIX_EPOCH.fixed_offset(), |part| part.safe)
    }

    /// When its last byte arrived.
    pub fn arrived(&self) -> Option<Timestamp> {
        self.parts.last().map(|part| part.until)
    }

    /// The hash that its parts give; equal to [`Segment::hash`] where nothing was changed.
    pub(super) fn rehashed(&self) -> String {
        let (mut hash, mut start) = (self.previous.clone(), self.start);
        for (number, part) in (self.first..).zip(&self.parts) {
            hash = Some(part.chained(hash.as_deref(), &self.chain, number, (&self.file, start), &self.only));
            start = start.saturating_add(part.raw_size);
        }
        hash.unwrap_or_default()
    }

    /// The file: the description, and `payload` behind it. Names of tables are left out where they are too many.
    ///
    /// # Errors
    /// The description is too long all the same: a bug.
    pub(super) fn encode(&mut self, payload: &[u8]) -> Result<Vec<u8>> {
        if let Some(touched) = &mut self.touched {
            let names = |list: &[String]| list.iter().map(|name| name.len() + 3).sum::<usize>();
            if touched.tables.as_ref().is_some_and(|tables| names(tables) > MOST_NAMES) {
                touched.tables = None;
            }
            if names(&touched.databases) > MOST_NAMES / 2 {
                touched.databases.clear();
                touched.statements = true;
            }
        }
        let mut json = serde_json::to_vec(self)?;
        let sum = Sha256::digest(&json);
        json.extend_from_slice(&sum);
        if json.len() + FRAME > HEAD {
            return Err(too_long(&self.name()));
        }
        let mut bytes = SKIPPABLE.to_le_bytes().to_vec();
        bytes.extend(u32::try_from(json.len()).unwrap_or(0).to_le_bytes());
        bytes.extend(json);
        bytes.extend_from_slice(payload);
        Ok(bytes)
    }

    /// Reads the description from a file's beginning, and says where the payload begins.
    ///
    /// # Errors
    /// [`Error::Damaged`].
    pub(super) fn decode(name: &str, bytes: &[u8]) -> Result<(Self, usize)> {
        let (segment, head) = Self::read(name, bytes)?;
        if segment.name() != name {
            return Err(Error::damaged(name, "it has another name than it says"));
        }
        Ok((segment, head))
    }

    /// As [`Segment::decode`], of a file that has several.
    ///
    /// # Errors
    /// [`Error::Damaged`].
    pub(super) fn read(name: &str, bytes: &[u8]) -> Result<(Self, usize)> {
        let damaged = |problem: &str| Error::Damaged { name: name.into(), problem: problem.into() };
        let (head, rest) = bytes.split_at_checked(FRAME).ok_or_else(|| damaged("it is too short"))?;
        let number = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        if number(0) != SKIPPABLE {
            return Err(damaged("it does not begin as a segment does"));
        }
        let size = number(4) as usize;
        let json =
            rest.get(..size).filter(|_| size <= HEAD).ok_or_else(|| damaged("its description is cut off"))?;
        let (json, sum) = json
            .split_at_checked(json.len().wrapping_sub(SUM))
            .ok_or_else(|| damaged("its description is cut off"))?;
        if Sha256::digest(json)[..] != *sum {
            return Err(damaged("its description is not what was written"));
        }
        let segment: Self = serde_json::from_slice(json).map_err(|_| damaged("its description is none"))?;
        let schema = schema(&segment.only);
        if segment.schema != schema {
            return Err(damaged("it is of a version that this one does not know"));
        }
        let length: u64 = segment.parts.iter().map(|part| part.raw_size).fold(0, u64::saturating_add);
        let count = segment.last.checked_sub(segment.first).map(|count| count + 1);
        if segment.first == 0
            || count != Some(segment.parts.len() as u64)
            || segment.start.checked_add(length) != Some(segment.end)
        {
            return Err(damaged("its description contradicts itself"));
        }
        Ok((segment, FRAME + size))
    }
}

/// The schema of a segment that has changes of these databases alone.
pub(super) fn schema(only: &[String]) -> &'static str {
    if only.is_empty() { LOG_SCHEMA } else { LOG_SCHEMA_OF_SOME }
}

fn too_long(name: &str) -> Error {
    Error::Damaged { name: name.into(), problem: "its description is too long".into() }
}

/// The chain, the first and the last number of a segment, by the name of its file. A hidden file is none: somebody is writing
/// it, or was killed meanwhile.
pub(super) fn parse_name(name: &str) -> Option<(&str, u64, u64)> {
    let mut parts = name.strip_suffix(SUFFIX)?.rsplitn(3, '-');
    let (last, first) = (parts.next()?, parts.next()?);
    let chain = parts.next().filter(|chain| !chain.starts_with('.'))?;
    let number = |text: &str| text.parse().ok().filter(|_| text.len() == 10);
    Some((chain, number(first)?, number(last)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_made() {
        assert_eq!(
            parse_name("20250725T170206000Z-shop-1a2b3c4d-0000000001-0000000120.fwblog"),
            Some(("20250725T170206000Z-shop-1a2b3c4d", 1, 120))
        );
        for other in [
            "a.fwblog",
            "a-1-2.fwblog",
            "a-0000000001-0000000002",
            "a-000000000x-0000000002.fwblog",
            ".partial-a-0000000001-0000000002.fwblog",
        ] {
            assert_eq!(parse_name(other), None, "{other}");
        }
    }
}
