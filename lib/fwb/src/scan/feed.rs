//! Feeds the scanner with chunks, and keeps for it the few bytes whose meaning depends on the next chunk.

use super::outcome::{Event, Observer, Summary};
use super::scanner::Scanner;
use super::sql_mode::SqlMode;
use crate::error::Result;

/// A scanner and what it has not done yet.
pub(crate) struct Feed {
    scanner: Scanner,
    carry: Vec<u8>,
    /// Where rows and definitions begin, for whoever asks.
    segments: Option<Vec<(u64, bool)>>,
}

impl Feed {
    pub(crate) fn new() -> Self {
        Self::under(SqlMode::default())
    }

    /// One of a stream that begins under a mode: that of a dump's header, where its rows are read for themselves.
    pub(crate) fn under(mode: SqlMode) -> Self {
        Self { scanner: Scanner::under(mode), carry: Vec::new(), segments: None }
    }

    /// One that notes where rows and definitions begin: [`Feed::take_segments`] is to be called again and again.
    pub(crate) fn noting() -> Self {
        Self { segments: Some(Vec::new()), ..Self::new() }
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

    /// Where rows and definitions begin, as far as it was seen since the last call: offsets in the SQL, in bytes, and
    /// whether `INSERT` statements follow. None that comes later begins before the offset that is returned too.
    pub(crate) fn take_segments(&mut self) -> (Vec<(u64, bool)>, u64) {
        (self.segments.as_mut().map(std::mem::take).unwrap_or_default(), self.scanner.settled())
    }

    fn note_segments(&mut self) {
        let events = self.scanner.take_events();
        let Some(segments) = &mut self.segments else { return };
        segments.extend(events.into_iter().filter_map(|event| match event {
            Event::Segment { at, data, .. } => Some((at, data)),
            Event::StatementEnd { .. } => None,
        }));
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
