//! Reads events out of a stream of a log's bytes, one after the other, and holds their checksums against their bytes.

use std::io::{self, Read, Write};

use crate::fields::Malformed;
use crate::format::{CHECKSUM_SIZE, Checksum, FormatDescription, MAGIC};
use crate::header::{EventHeader, EventKind, HEADER_SIZE};

/// An event of at most so many bytes is held as a whole; of a longer one the beginning.
pub const WHOLE: usize = 1 << 20;

/// Why no event could be read.
#[derive(Debug)]
pub enum ReadError {
    /// The stream could not be read.
    Io(io::Error),
    /// It ends within an event.
    CutOff,
    /// Its bytes are no events.
    Malformed(Malformed),
    /// The checksum of an event is not that of its bytes.
    Checksum,
}

impl std::fmt::Display for ReadError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::CutOff => f.write_str("the binary log ends within an event"),
            Self::Malformed(malformed) => malformed.fmt(f),
            Self::Checksum => {
                f.write_str("the binary log has an event whose checksum is not that of its bytes")
            }
        }
    }
}

impl std::error::Error for ReadError {}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::UnexpectedEof { Self::CutOff } else { Self::Io(error) }
    }
}

impl From<Malformed> for ReadError {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

/// Reads events out of a stream.
#[derive(Debug)]
pub struct Events<R> {
    stream: R,
    format: Option<FormatDescription>,
    /// The event, or its beginning.
    event: Vec<u8>,
    /// Where it begins.
    start: u64,
    /// Where the next one begins.
    position: u64,
    /// Bytes of it that are not read yet.
    left: u64,
    /// What is taken of the checksum so far, where not all of the event is in memory.
    sum: EventSum,
}

/// The event that was read.
#[derive(Debug, Clone, Copy)]
pub struct Read1<'a> {
    /// Its header.
    pub header: EventHeader,
    /// All its bytes, or the first `WHOLE` of a longer one.
    pub bytes: &'a [u8],
    /// Where it begins.
    pub start: u64,
}

impl<R: Read> Events<R> {
    /// Reads a file from its first byte on.
    ///
    /// # Errors
    /// It is no binary log, or cannot be read.
    pub fn of_file(mut stream: R) -> Result<Self, ReadError> {
        let mut magic = [0; MAGIC.len()];
        stream.read_exact(&mut magic)?;
        if magic != MAGIC {
            return Err(ReadError::Malformed(Malformed("no beginning of a binary log")));
        }
        Ok(Self::new(stream, None, MAGIC.len() as u64))
    }

    /// Reads from the middle of a file: the first event begins at `position`.
    pub fn within(stream: R, format: FormatDescription, position: u64) -> Self {
        Self::new(stream, Some(format), position)
    }

    fn new(stream: R, format: Option<FormatDescription>, position: u64) -> Self {
        Self {
            stream,
            format,
            event: Vec::new(),
            start: position,
            position,
            left: 0,
            sum: EventSum::default(),
        }
    }

    /// How events are read, once the file has said it.
    pub fn format(&self) -> Option<&FormatDescription> {
        self.format.as_ref()
    }

    /// Where the next event begins.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The next event; none at the end. What is left of the one before is skipped.
    ///
    /// # Errors
    /// [`ReadError`]; nothing more can be read then.
    #[expect(clippy::should_implement_trait, reason = "what it gives lives until the next call")]
    pub fn next(&mut self) -> Result<Option<Read1<'_>>, ReadError> {
        self.rest(&mut io::sink())?;
        self.event.resize(HEADER_SIZE, 0);
        if !fill(&mut self.stream, &mut self.event)? {
            return Ok(None);
        }
        let header = EventHeader::parse(&self.event)?;
        let size = header.size as usize;
        let checksum = match &self.format {
            Some(format) => format.checksum,
            None if header.kind == EventKind::FORMAT_DESCRIPTION => Checksum::Crc32,
            None => return Err(Malformed("no format description where one must be").into()),
        };
        let held = size.min(WHOLE);
        self.event.resize(held, 0);
        self.stream.read_exact(&mut self.event[HEADER_SIZE..])?;
        self.start = self.position;
        self.position += u64::from(header.size);
        self.left = (size - held) as u64;
        if header.kind == EventKind::FORMAT_DESCRIPTION {
            let format = FormatDescription::parse(&self.event)?;
            if !format.is_intact(&self.event) {
                return Err(ReadError::Checksum);
            }
            self.format = Some(format);
        } else if self.left == 0 {
            if checksum == Checksum::Crc32 && !crate::format::checksum_fits(&self.event) {
                return Err(ReadError::Checksum);
            }
        } else {
            self.sum = EventSum::default();
            self.sum.update(&self.event);
        }
        Ok(Some(Read1 { header, bytes: &self.event, start: self.start }))
    }

    /// Writes what [`Read1::bytes`] did not hold of a long event.
    ///
    /// # Errors
    /// [`ReadError`]: its checksum is wrong too.
    pub fn rest(&mut self, sink: &mut dyn Write) -> Result<(), ReadError> {
        if self.left == 0 {
            return Ok(());
        }
        let mut chunk = vec![0; 256 << 10];
        loop {
            let size = self.part(&mut chunk)?;
            if size == 0 {
                return Ok(());
            }
            sink.write_all(&chunk[..size]).map_err(ReadError::Io)?;
        }
    }

    /// Reads a part of what [`Read1::bytes`] did not hold of a long event; says how many bytes, 0 after the last.
    ///
    /// # Errors
    /// As [`Events::rest`].
    pub fn part(&mut self, buffer: &mut [u8]) -> Result<usize, ReadError> {
        if self.left == 0 {
            return Ok(0);
        }
        let size = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        self.stream.read_exact(&mut buffer[..size])?;
        self.left -= size as u64;
        self.sum.update(&buffer[..size]);
        let checksum = self.format.as_ref().map_or(Checksum::None, |format| format.checksum);
        let is_wrong = self.left == 0 && checksum == Checksum::Crc32 && !self.sum.fits();
        if is_wrong { Err(ReadError::Checksum) } else { Ok(size) }
    }
}

/// Holds the checksum of an event that comes in pieces against its bytes.
#[derive(Debug, Clone, Default)]
pub struct EventSum {
    hasher: crc32fast::Hasher,
    /// The last bytes: at the end they are the checksum.
    tail: Vec<u8>,
}

impl EventSum {
    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.tail.extend_from_slice(bytes);
        let known = self.tail.len().saturating_sub(CHECKSUM_SIZE);
        self.hasher.update(&self.tail[..known]);
        self.tail.drain(..known);
    }

    /// Whether the last four bytes are the checksum of those before.
    pub fn fits(&self) -> bool {
        self.tail == self.hasher.clone().finalize().to_le_bytes()
    }
}

/// Fills a buffer; false where the stream ended before its first byte.
fn fill(stream: &mut impl Read, buffer: &mut [u8]) -> Result<bool, ReadError> {
    let mut filled = 0;
    while filled < buffer.len() {
        match stream.read(&mut buffer[filled..]) {
            Ok(0) if filled == 0 => return Ok(false),
            Ok(0) => return Err(ReadError::CutOff),
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(ReadError::Io(error)),
        }
    }
    Ok(true)
}
