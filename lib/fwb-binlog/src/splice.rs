//! Puts events together into a log file of its own: each says where it ends in there, and has the checksum of that.

use crate::fields::Malformed;
use crate::format::{CHECKSUM_SIZE, Checksum, FormatDescription, MAGIC, checksum};
use crate::header::{EventHeader, EventKind, IN_USE};

/// A log file that is put together.
#[derive(Debug, Clone)]
pub struct Splice {
    position: u64,
    checksum: Checksum,
    passing: Option<Passing>,
}

/// The event that is passing.
#[derive(Debug, Clone)]
struct Passing {
    hasher: crc32fast::Hasher,
    /// Bytes that are still to come.
    left: u64,
    /// The new checksum, once it is known, as far as it is not written yet.
    stored: Vec<u8>,
}

impl Splice {
    /// Begins a file with a format description: a whole event. Gives the file's first bytes too.
    ///
    /// # Errors
    /// It is no format description.
    pub fn begin(format: &[u8]) -> Result<(Self, Vec<u8>), Malformed> {
        let parsed = FormatDescription::parse(format)?;
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(format);
        let event = &mut bytes[MAGIC.len()..];
        let flags = u16::from_le_bytes([event[17], event[18]]) & !IN_USE;
        event[17..19].copy_from_slice(&flags.to_le_bytes());
        let end = u32::try_from(MAGIC.len() + format.len()).unwrap_or(0);
        event[13..17].copy_from_slice(&end.to_le_bytes());
        let at = event.len() - CHECKSUM_SIZE;
        let sum = checksum(&event[..at]);
        event[at..].copy_from_slice(&sum.to_le_bytes());
        Ok((Self { position: end.into(), checksum: parsed.checksum, passing: None }, bytes))
    }

    /// Where the next event begins.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Takes the next bytes of an event, and makes them what they are in the new file. An event comes in one piece or several, the
    /// first of which has all of its header; the next event begins when all of it has come.
    ///
    /// # Errors
    /// The first bytes are no header, or more bytes come than the event has.
    pub fn pass(&mut self, bytes: &mut [u8]) -> Result<(), Malformed> {
        let mut passing = match self.passing.take() {
            Some(passing) => passing,
            None => {
                let header = EventHeader::parse(bytes)?;
                if header.kind == EventKind::FORMAT_DESCRIPTION {
                    return Err(Malformed("a second format description"));
                }
                self.position += u64::from(header.size);
                // It wraps around as the servers' does.
                let end = self.position.to_le_bytes();
                bytes[13..17].copy_from_slice(&end[..4]);
                Passing { hasher: crc32fast::Hasher::new(), left: header.size.into(), stored: Vec::new() }
            }
        };
        let size = bytes.len() as u64;
        let left = passing.left.checked_sub(size).ok_or(Malformed("an event that is longer than it says"))?;
        if self.checksum == Checksum::Crc32 {
            let content = passing.left.saturating_sub(CHECKSUM_SIZE as u64).min(size);
            let (content, end) = bytes.split_at_mut(usize::try_from(content).unwrap_or(usize::MAX));
            passing.hasher.update(content);
            if !end.is_empty() {
                if passing.stored.is_empty() {
                    passing.stored = passing.hasher.clone().finalize().to_le_bytes().to_vec();
                }
                let written = end.len().min(passing.stored.len());
                end[..written].copy_from_slice(&passing.stored[..written]);
                passing.stored.drain(..written);
            }
        }
        passing.left = left;
        self.passing = Some(passing).filter(|passing| passing.left > 0);
        Ok(())
    }
}
