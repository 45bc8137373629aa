//! Feeds the scanner with chunks, and keeps for it the few bytes whose meaning depends on the next chunk.

use super::outcome::{Observer, Summary};
use super::scanner::Scanner;
use crate::error::Result;

/// A scanner and what it has not done yet.
pub(crate) struct Feed {
    scanner: Scanner,
    carry: Vec<u8>,
}

impl Feed {
    pub(crate) fn new() -> Self {
        Self { scanner: Scanner::new(), carry: Vec::new() }
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
        // Nobody cuts this stream.
        self.scanner.take_events();
        Ok(())
    }

    /// Scans what is left of the chunks so far: the next one does not begin inside a statement.
    ///
    /// # Errors
    /// Only what `observer` returns.
    pub(crate) fn flush(&mut self, observer: &mut Observer<'_>) -> Result<()> {
        let carry = std::mem::take(&mut self.carry);
        self.scanner.scan(&carry, true, observer)?;
        self.scanner.take_events();
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
