//! Records on standard output: one JSON object a line, each handed to the reader as soon as it is whole, so that
//! a pipeline works on the first while the next is being made.

use fwb::Result;
use serde::Serialize;

use crate::console::Console;
use crate::standard::{Stdout, stdout_is_terminal};

/// Writes records, and other lines, to standard output.
#[derive(Debug)]
pub struct RecordWriter {
    out: Stdout,
    /// The console, where the bar shares a terminal with the records.
    shared: Option<Console>,
}

impl RecordWriter {
    pub(crate) fn open(console: &Console) -> Result<Self> {
        Ok(Self { out: Stdout::open()?, shared: stdout_is_terminal().then(|| console.clone()) })
    }

    /// Writes a value as one line of JSON.
    ///
    /// # Errors
    /// It cannot be written as JSON, or standard output cannot be written: then an [`fwb::Error::Stream`], a
    /// broken pipe included.
    pub fn write_json<T: Serialize + ?Sized>(&mut self, record: &T) -> Result<()> {
        self.put(&crate::json::line(record)?)
    }

    /// Writes text as it is. Names in it are to be made [`crate::printable`].
    ///
    /// # Errors
    /// As for [`RecordWriter::write_json`].
    pub fn write_text(&mut self, text: &str) -> Result<()> {
        self.put(text.as_bytes())
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        let Self { out, shared } = self;
        match shared {
            Some(console) => console.beside_bar(|| out.put(bytes)),
            None => out.put(bytes),
        }
    }
}
