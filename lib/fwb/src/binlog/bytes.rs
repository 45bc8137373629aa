//! The log's bytes of a segment, part by part, each held against its hash before anybody sees it.

use std::io::Read;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::segment::{HEAD, MOST_HELD, MOST_PARTS, MOST_RAW, Segment};
use crate::encryption::{NoKey, ReadAt, Unreadable};
use crate::error::{Error, Result};
use crate::store::{Folder, Listed, Store};

/// The largest file of a segment that is read, in bytes: what compression cannot make smaller, with all that is around it.
pub(super) const LARGEST: u64 = MOST_RAW + MOST_HELD as u64 + (HEAD + MOST_PARTS * 4096) as u64;
/// The most bytes before a part's.
const MOST_PREAMBLE: u64 = 64 << 10;

/// A segment whose bytes are read.
pub(super) struct SegmentBytes<'a> {
    store: &'a Store,
    segment: &'a Segment,
    payload: Vec<u8>,
    at: usize,
    next: usize,
}

/// A part's bytes.
pub(super) struct PartBytes {
    /// What comes before them for other programs: a log file's beginning.
    pub(super) preamble: Vec<u8>,
    /// The log's.
    pub(super) raw: Vec<u8>,
}

impl Store {
    /// Opens a segment, whose description is known.
    ///
    /// # Errors
    /// It is gone, cannot be read, or is not what its description says.
    pub(super) fn segment<'a>(&'a self, segment: &'a Segment) -> Result<SegmentBytes<'a>> {
        let name = segment.name();
        let damaged = |problem: &str| Error::damaged(&name, problem);
        let listed = Listed { name: name.clone(), size: None, version: None };
        let read = self.backend().read_in(Folder::Log, &[listed], LARGEST + 1)?.into_iter().next();
        let mut file = read.transpose()?.flatten().ok_or_else(|| damaged("it is gone"))?;
        if file.len() as u64 > LARGEST {
            return Err(damaged("it is larger than any of ours"));
        }
        let (described, head) = Segment::decode(&name, &file)?;
        if described != *segment {
            return Err(damaged("its description has changed meanwhile"));
        }
        let payload = file.split_off(head);
        if payload.len() as u64 != segment.size || hex::encode(Sha256::digest(&payload)) != segment.sha256 {
            return Err(damaged("its bytes are not those of its description"));
        }
        Ok(SegmentBytes { store: self, segment, payload, at: 0, next: 0 })
    }
}

impl SegmentBytes<'_> {
    /// All that is stored behind the description.
    pub(super) fn into_payload(self) -> Vec<u8> {
        self.payload
    }

    /// The next part; none after the last.
    ///
    /// # Errors
    /// It is not what the description says, or no identity reads it.
    pub(super) fn next_part(&mut self) -> Result<Option<PartBytes>> {
        let Some(part) = self.segment.parts.get(self.next) else {
            return if self.at == self.payload.len() {
                Ok(None)
            } else {
                Err(self.damaged("it has bytes left over"))
            };
        };
        self.next += 1;
        let end = usize::try_from(part.size).ok().and_then(|size| self.at.checked_add(size));
        let stored = end.and_then(|end| self.payload.get(self.at..end));
        let stored = stored.ok_or_else(|| self.damaged("a part of it is cut off"))?.to_vec();
        self.at += stored.len();
        let size = part.raw_size.saturating_add(part.preamble);
        if part.raw_size > MOST_RAW + MOST_HELD as u64 || part.preamble > MOST_PREAMBLE {
            return Err(self.damaged("a part of it is larger than any of ours"));
        }
        let plain = self.plain(stored)?;
        let decoder =
            zstd::Decoder::new(&plain[..]).map_err(|_| self.damaged("a part of it cannot be read"))?;
        let mut raw = Vec::new();
        // One byte more would show that there is more.
        let read = decoder.take(size + 1).read_to_end(&mut raw);
        if read.is_err() || raw.len() as u64 != size {
            return Err(self.damaged("a part of it is not of the size that its description says"));
        }
        let mut preamble = raw;
        let raw =
            preamble.split_off(usize::try_from(part.preamble).unwrap_or(usize::MAX).min(preamble.len()));
        if hex::encode(Sha256::digest(&raw)) != part.raw_sha256 {
            return Err(self.damaged("a part of it does not hold what its description says"));
        }
        Ok(Some(PartBytes { preamble, raw }))
    }

    /// Decrypts a part, where the segment is encrypted.
    fn plain(&self, stored: Vec<u8>) -> Result<Vec<u8>> {
        if self.segment.encryption.is_none() {
            return Ok(stored);
        }
        let name = self.segment.name();
        let no_key = |why| Error::Encrypted { name: name.clone(), why };
        let file: Arc<dyn ReadAt> = Arc::new(stored);
        let plain = match self.store.keys.open(&file) {
            Ok(Some(plain)) => plain,
            Ok(None) => return Err(no_key(NoKey::Given)),
            Err(Unreadable::NotForUs) => return Err(no_key(NoKey::Fits)),
            Err(Unreadable::Identity(error)) => return Err(*error),
            Err(Unreadable::Damaged(problem)) => return Err(Error::damaged(&name, problem)),
            Err(Unreadable::Io(error)) => return Err(Error::damaged(&name, error.to_string())),
        };
        let mut bytes = vec![0; usize::try_from(plain.size()).unwrap_or(0)];
        plain.read_exact_at(&mut bytes, 0).map_err(|error| Error::damaged(&name, error.to_string()))?;
        Ok(bytes)
    }

    fn damaged(&self, problem: &str) -> Error {
        Error::damaged(self.segment.name(), problem)
    }
}
