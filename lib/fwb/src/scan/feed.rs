//! Feeds the scanner with chunks, and keeps for it the few bytes whose meaning depends on the next chunk.

use super::outcome::{Event, Observer, Summary};
use super::scanner::Scanner;
use crate::error::Result;

/// A scanner and what it has not done yet.
pub(crate) struct Feed {
    scanner: Scanner,
    carry: Vec<u8>,
    segments: Vec<(u64, bool)>,
}

impl Feed {
    pub(crate) fn new() -> Self {
        Self { scanner: Scanner::new(), carry: Vec::new(), segments: Vec::new() }
    }

    /// Scans the next chunk of the stream.
    ///
    /// # Errors
    /// Only what `observer` returns.
    pub(crate) fn push(&mut self, chunk: &[u8], observer: &mut Observer<'_>) -> Result<()> {
        if self.carry.is_empty() {
            let done = self.scanner.scan(chunk, false, observer)?;
            self.carry.extend_from_slice(&chunk[done..]);
        } else {
            self.carry.extend_from_slice(chunk);
            let done = self.scanner.scan(&self.carry, false, observer)?;
            self.carry.drain(..done);
        }
        self.note_segments();
        Ok(())
    }

    /// Where rows and definitions begin, as far as it was seen: offsets in the SQL, in bytes, and whether `INSERT`
    /// statements follow.
    pub(crate) fn segments(&self) -> &[(u64, bool)] {
        &self.segments
    }

    fn note_segments(&mut self) {
        for event in self.scanner.take_events() {
            if let Event::Segment { at, data, .. } = event {
                self.segments.push((at, data));
            }
        }
    }

    /// Bytes that wait for what follows.
    pub(crate) fn waiting(&self) -> usize {
        self.carry.len()
    }

    /// Scans what is left of the chunks so far: the next one does not begin inside a statement.
    ///
    /// # Errors
    /// Only what `observer` returns.
    pub(crate) fn flush(&mut self, observer: &mut Observer<'_>) -> Result<()> {
        let carry = std::mem::take(&mut self.carry);
        self.scanner.scan(&carry, true, observer)?;
        self.note_segments();
        Ok(())
    }

    /// Ends the stream.
    ///
    /// # Errors
    /// Only what `observer` returns.
    pub(crate) fn finish(mut self, observer: &mut Observer<'_>) -> Result<Summary> {
        self.flush(observer)?;
        self.scanner.finish(observer)
    }
}
