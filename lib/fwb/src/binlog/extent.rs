//! Ranges of a chain's log as one stream of bytes.

use std::io::{self, Read};
use std::sync::Arc;

use super::chain::Chain;
use super::segment::Segment;
use crate::error::{Error, Result};
use crate::store::Store;

/// A range of one of the server's files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Extent {
    /// The file.
    pub(crate) file: String,
    /// Where it begins: an event does.
    pub(crate) from: u64,
    /// Where it ends.
    pub(crate) to: u64,
}

/// Reads an extent.
pub(super) struct ExtentReader {
    store: Store,
    chain: Arc<Chain>,
    extent: Extent,
    /// Where the next byte is in the file.
    at: u64,
    /// The segment that is read next.
    segment: usize,
    /// What was read of the log, and how much of that is taken.
    held: Vec<u8>,
    taken: usize,
}

impl ExtentReader {
    /// Begins. Nothing is read yet.
    pub(super) fn new(store: &Store, chain: &Arc<Chain>, extent: &Extent) -> Self {
        let is_in = |at: usize| {
            let segment = &chain.segments[at];
            segment.file == extent.file && segment.end > extent.from
        };
        let segment = (0..chain.segments.len()).find(|at| is_in(*at)).unwrap_or(chain.segments.len());
        Self {
            store: store.clone(),
            chain: Arc::clone(chain),
            extent: extent.clone(),
            at: extent.from,
            segment,
            held: Vec::new(),
            taken: 0,
        }
    }

    /// What a log file begins with at whose middle the extent begins: the magic number, and how events are read.
    pub(super) fn preamble(&self) -> Result<Vec<u8>> {
        let missing = || {
            Error::damaged(
                &self.chain.id,
                format!("it does not have {} from {} on", self.extent.file, self.at),
            )
        };
        // The description of the format is the file's first event, or comes before the bytes of a segment from its middle.
        let at = self.chain.segments.iter().position(|segment| segment.file == self.extent.file);
        let first = at.and_then(|at| self.chain.segments.get(at)).ok_or_else(missing)?;
        let part = self.store.segment(first)?.next_part()?.ok_or_else(missing)?;
        let mut preamble = part.preamble;
        if preamble.len() <= fwb_binlog::MAGIC.len() {
            let size = fwb_binlog::EventHeader::parse(&part.raw).map_err(|_| missing())?.size as usize;
            preamble.extend_from_slice(part.raw.get(..size).ok_or_else(missing)?);
        }
        Ok(preamble)
    }

    /// Reads the segment that comes next.
    fn fetch(&mut self) -> Result<()> {
        let missing =
            |at: u64| Error::damaged(&self.chain.id, format!("it lacks {} from {at} on", self.extent.file));
        let segment =
            self.chain.segments.get(self.segment).filter(|segment| segment.file == self.extent.file);
        let segment = segment.ok_or_else(|| missing(self.at))?;
        if segment.start > self.at || segment.end <= self.at {
            return Err(missing(self.at));
        }
        let mut bytes = self.store.segment(segment)?;
        let mut held = Vec::new();
        while let Some(part) = bytes.next_part()? {
            held.extend_from_slice(&part.raw);
        }
        self.taken = usize::try_from(self.at - segment.start).unwrap_or(usize::MAX);
        self.held = held;
        self.segment += 1;
        Ok(())
    }
}

impl Read for ExtentReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at >= self.extent.to || buffer.is_empty() {
            return Ok(0);
        }
        if self.taken >= self.held.len() {
            self.fetch().map_err(io::Error::other)?;
        }
        let left = usize::try_from(self.extent.to - self.at).unwrap_or(usize::MAX);
        let there = self.held.get(self.taken..).unwrap_or_default();
        let size = there.len().min(left).min(buffer.len());
        buffer[..size].copy_from_slice(&there[..size]);
        self.taken += size;
        self.at += size as u64;
        Ok(size)
    }
}

/// What segments that follow one another have, file by file.
pub(super) fn extents(segments: &[Segment]) -> Vec<Extent> {
    let mut extents: Vec<Extent> = Vec::new();
    for Segment { file, start, end, .. } in segments {
        match extents.last_mut() {
            Some(last) if last.file == *file => last.to = *end,
            _ => extents.push(Extent { file: file.clone(), from: *start, to: *end }),
        }
    }
    extents
}
