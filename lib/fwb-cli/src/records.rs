//! Records on standard output: one JSON object a line, each handed to the reader as soon as it is whole, so that
//! a pipeline works on the first while the next is being made.

use fwb::{Cancel, Result};
use serde::Serialize;

use crate::console::Console;
use crate::options::Format;
use crate::page::Page;
use crate::standard::{Stdout, stdout_is_terminal};

/// Writes records, and other lines, to standard output.
#[derive(Debug)]
pub struct RecordWriter {
    out: Stdout,
    /// The console, where the bar shares a terminal with the records.
    shared: Option<Console>,
    /// What is not written yet, of a writer that collects.
    collected: Option<Vec<u8>>,
}

/// Writes records, or lines that tell people of them: what `--format` and the terminal ask for.
#[derive(Debug)]
pub struct Answers {
    out: RecordWriter,
    /// None: records.
    page: Option<Page>,
}

impl Answers {
    pub(crate) fn new(out: RecordWriter, format: Format, page: Page) -> Self {
        Self { out, page: (format == Format::Text).then_some(page) }
    }

    /// As [`RecordWriter::collecting`].
    #[must_use]
    pub fn collecting(self) -> Self {
        Self { out: self.out.collecting(), ..self }
    }

    /// Whether people read it.
    pub fn is_text(&self) -> bool {
        self.page.is_some()
    }

    /// Writes a record as one line of JSON, or `told` of it.
    ///
    /// # Errors
    /// As for [`RecordWriter::write_json`].
    pub fn write<T: Serialize + ?Sized>(
        &mut self,
        record: &T,
        told: impl FnOnce(&Page) -> String,
    ) -> Result<()> {
        match &self.page {
            Some(page) => self.out.write_text(&told(page)),
            None => self.out.write_json(record),
        }
    }

    /// Writes what sums up, for people alone: there is no record of it.
    ///
    /// # Errors
    /// As for [`RecordWriter::write_json`].
    pub fn sum_up(&mut self, told: impl FnOnce(&Page) -> String) -> Result<()> {
        self.page.as_ref().map_or(Ok(()), |page| self.out.write_text(&told(page)))
    }

    /// As [`RecordWriter::finish`].
    ///
    /// # Errors
    /// As for [`RecordWriter::write_json`].
    pub fn finish(self) -> Result<()> {
        self.out.finish()
    }
}

/// How much a writer collects, in bytes. To hand it to the thread that writes takes as long as making a dozen records.
const COLLECTED: usize = 256 << 10;

impl RecordWriter {
    pub(crate) fn open(console: &Console, cancel: &Cancel) -> Result<Self> {
        Ok(Self {
            out: Stdout::open(cancel)?,
            shared: stdout_is_terminal().then(|| console.clone()),
            collected: None,
        })
    }

    /// The same for records that are all there at once: they are written many at a time. [`RecordWriter::finish`]
    /// writes the last of them.
    #[must_use]
    pub fn collecting(self) -> Self {
        Self { collected: Some(Vec::with_capacity(COLLECTED)), ..self }
    }

    /// Writes a value as one line of JSON.
    ///
    /// # Errors
    /// It cannot be written as JSON, or standard output cannot be written: then an [`fwb::Error::Stream`], a
    /// broken pipe included.
    pub fn write_json<T: Serialize + ?Sized>(&mut self, record: &T) -> Result<()> {
        self.put(&crate::json::line(record)?)
    }

    /// Writes text as it is. Names in it are to be made [`crate::printable()`].
    ///
    /// # Errors
    /// As for [`RecordWriter::write_json`].
    pub fn write_text(&mut self, text: &str) -> Result<()> {
        self.put(text.as_bytes())
    }

    /// Writes what was collected.
    ///
    /// # Errors
    /// As for [`RecordWriter::write_json`].
    pub fn finish(mut self) -> Result<()> {
        self.collected.take().map_or(Ok(()), |collected| self.write(&collected))
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        let Some(collected) = &mut self.collected else { return self.write(bytes) };
        collected.extend_from_slice(bytes);
        if collected.len() < COLLECTED {
            return Ok(());
        }
        let mut whole = std::mem::take(collected);
        self.write(&whole)?;
        whole.clear();
        self.collected = Some(whole);
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let Self { out, shared, .. } = self;
        match shared {
            Some(console) => console.beside_bar(|| out.put(bytes)),
            None => out.put(bytes),
        }
    }
}
