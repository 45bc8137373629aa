//! The format description: what a log file begins with, and how its other events are to be read.

use crate::fields::{Fields, Malformed};
use crate::header::{EventHeader, EventKind, HEADER_SIZE};

/// What a log file begins with.
pub const MAGIC: [u8; 4] = *b"\xfebin";

/// Bytes of a checksum.
pub(crate) const CHECKSUM_SIZE: usize = 4;

/// Whether events have a checksum at their end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checksum {
    /// They have none (`binlog_checksum=NONE`).
    None,
    /// CRC-32.
    Crc32,
}

/// A format description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormatDescription {
    /// The server's version, such as `10.11.6-MariaDB-log`.
    pub server_version: String,
    /// Whether the events that follow have checksums.
    pub checksum: Checksum,
    /// Bytes of the fixed part of a table map: 6 or 8.
    pub(crate) table_map: usize,
    /// Bytes of the fixed part of row events of version 1.
    pub(crate) rows: usize,
}

impl FormatDescription {
    /// Reads one; `event` is the whole event.
    ///
    /// # Errors
    /// It is no format description, or of a version that is not 4.
    pub fn parse(event: &[u8]) -> Result<Self, Malformed> {
        let header = EventHeader::parse(event)?;
        if header.kind != EventKind::FORMAT_DESCRIPTION {
            return Err(Malformed("no format description where one must be"));
        }
        let mut fields = Fields::new(event.get(HEADER_SIZE..).unwrap_or_default());
        if fields.u16()? != 4 {
            return Err(Malformed("a format of a version that is not 4"));
        }
        let version = fields.bytes(50)?;
        let version = version.split(|byte| *byte == 0).next().unwrap_or_default();
        fields.u32()?;
        if usize::from(fields.u8()?) != HEADER_SIZE {
            return Err(Malformed("headers of another size than 19"));
        }
        // The lengths of fixed parts, the algorithm of checksums, and a checksum, whatever the algorithm is.
        let rest = fields.rest();
        let (lengths, end) = rest
            .split_at_checked(rest.len().wrapping_sub(1 + CHECKSUM_SIZE))
            .ok_or(Malformed("a format description that ends early"))?;
        let fixed = |kind: u8| lengths.get(usize::from(kind) - 1).copied().map_or(8, usize::from);
        Ok(Self {
            server_version: String::from_utf8_lossy(version).into_owned(),
            checksum: match end[0] {
                0 => Checksum::None,
                1 => Checksum::Crc32,
                _ => return Err(Malformed("checksums that are not known")),
            },
            table_map: fixed(EventKind::TABLE_MAP.0),
            rows: fixed(23),
        })
    }

    /// Whether the server is a MariaDB.
    pub fn is_mariadb(&self) -> bool {
        self.server_version.contains("MariaDB")
    }

    /// The body of a whole event: without its header and its checksum.
    ///
    /// # Errors
    /// It is shorter than both.
    pub fn body<'a>(&self, event: &'a [u8]) -> Result<&'a [u8], Malformed> {
        let end = match self.checksum {
            Checksum::None => event.len(),
            Checksum::Crc32 => event.len().saturating_sub(CHECKSUM_SIZE),
        };
        event.get(HEADER_SIZE..end).ok_or(Malformed("an event that is shorter than its header"))
    }

    /// Whether a whole event has the checksum that its bytes give.
    pub fn is_intact(&self, event: &[u8]) -> bool {
        // Format descriptions have one, whatever holds for the others.
        let kind = event.get(4).copied().map(EventKind);
        let has = self.checksum == Checksum::Crc32 || kind == Some(EventKind::FORMAT_DESCRIPTION);
        !has || checksum_fits(event)
    }
}

/// Whether the last four bytes of an event are the checksum of what comes before. That of a format description is taken with the
/// flag cleared that says that the file is open.
pub(crate) fn checksum_fits(event: &[u8]) -> bool {
    let Some((content, stored)) = event.split_at_checked(event.len().wrapping_sub(CHECKSUM_SIZE)) else {
        return false;
    };
    stored == checksum(content).to_le_bytes()
}

/// The checksum of an event's bytes, with the flag cleared that says that the file is open.
pub(crate) fn checksum(content: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    if content.get(4) == Some(&EventKind::FORMAT_DESCRIPTION.0) && content.len() > HEADER_SIZE {
        let flags = content[17] & !u8::try_from(crate::header::IN_USE).unwrap_or(1);
        hasher.update(&content[..17]);
        hasher.update(&[flags]);
        hasher.update(&content[18..]);
    } else {
        hasher.update(content);
    }
    hasher.finalize()
}
