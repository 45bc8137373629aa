//! The log as files: what a feed has, in files that are not too long, whose events say where they are in them.

use std::io::{self, Write};

use fwb::Error;
use fwb_binlog::{Checksum, EventKind, Events, FormatDescription, HEADER_SIZE, MAGIC, ReadError, Splice};

/// Where the first event of a file begins, in bytes.
pub(super) const FIRST: u64 = MAGIC.len() as u64;
/// A file ends with the group at which it has so many bytes. Positions in it have 32 bits, and a group may have gigabytes.
const LONG: u64 = 1 << 30;
/// The flag of an event that stands in no file.
const ARTIFICIAL: u16 = 0x20;
/// Where in a format description the time stands at which the server began: after the format's version and the server's.
const BEGAN: std::ops::Range<usize> = HEADER_SIZE + 52..HEADER_SIZE + 56;

/// A place in the files: the number of the file, from 1, and the position in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) file: u32,
    pub(super) position: u64,
}

impl Place {
    pub(super) const START: Self = Self { file: 1, position: FIRST };

    /// The number of the file of this name.
    pub(super) fn number(name: &str) -> Option<u32> {
        name.strip_prefix(PREFIX)?.parse().ok().filter(|file| *file > 0)
    }

    /// Reads what a replica asks for.
    pub(super) fn parse(name: &str, position: u64) -> Option<Self> {
        let file = Self::number(name)?;
        (position >= FIRST).then_some(Self { file, position })
    }
}

/// What the names of files begin with.
const PREFIX: &str = "replay.";

/// The name of a file.
pub(super) fn name(file: u32) -> String {
    format!("{PREFIX}{file:06}")
}

/// Where events go.
pub(super) trait Sink {
    /// An event of so many bytes begins.
    ///
    /// # Errors
    /// It does not get there.
    fn begin(&mut self, size: u64) -> io::Result<()>;

    /// Its next bytes.
    ///
    /// # Errors
    /// As [`Sink::begin`].
    fn put(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// The file of this number begins where so many bytes of the feed are behind.
    fn begins(&mut self, file: u32, behind: u64);
}

/// Why a log was not sent to its end.
#[derive(Debug)]
pub(super) enum Unsent {
    /// The feed cannot be read.
    Feed(Error),
    /// The replica cannot be reached.
    Replica(io::Error),
}

impl From<ReadError> for Unsent {
    fn from(error: ReadError) -> Self {
        Self::Feed(error.into())
    }
}

impl From<fwb_binlog::Malformed> for Unsent {
    fn from(error: fwb_binlog::Malformed) -> Self {
        ReadError::Malformed(error).into()
    }
}

/// Sends the log.
pub(super) struct Files<'a, S> {
    sink: &'a mut S,
    /// Our `server_id`, for events of our own.
    server_id: u32,
    /// From where on it is sent.
    from: Place,
    is_sending: bool,
    file: u32,
    /// The present file's format description, and how events become its.
    format: Vec<u8>,
    checksum: Checksum,
    splice: Option<Splice>,
}

impl<'a, S: Sink> Files<'a, S> {
    pub(super) fn new(sink: &'a mut S, server_id: u32, from: Place) -> Self {
        Self {
            sink,
            server_id,
            from,
            is_sending: false,
            file: 0,
            format: Vec::new(),
            checksum: Checksum::Crc32,
            splice: None,
        }
    }

    /// Sends what the feed has. Returns the file that comes after all of it.
    ///
    /// # Errors
    /// [`Unsent`].
    pub(super) fn send(mut self, feed: impl io::Read) -> Result<u32, Unsent> {
        let mut events = Events::of_file(feed)?;
        // What is left of a long event is read while it is sent.
        let mut long = Vec::new();
        while let Some(event) = events.next()? {
            let (kind, start) = (event.header.kind, event.start);
            if kind == EventKind::FORMAT_DESCRIPTION {
                let format = event.bytes.to_vec();
                self.next_file(format, start)?;
            } else if !kind.is_of_file() {
                if kind.is_gtid() && self.position() > LONG {
                    let mut format = self.format.clone();
                    forget_start(&mut format);
                    self.next_file(format, start)?;
                }
                long.clear();
                long.extend_from_slice(event.bytes);
                let size = event.header.size.into();
                self.event(size, &mut long)?;
                let mut rest = Rest { files: &mut self, chunk: &mut long, failed: None };
                let read = events.rest(&mut rest);
                if let Some(failed) = rest.failed.take() {
                    return Err(failed);
                }
                read?;
            }
        }
        if self.splice.is_none() {
            return Err(fwb_binlog::ReadError::CutOff.into());
        }
        let mut format = self.format.clone();
        forget_start(&mut format);
        self.next_file(format, events.position())?;
        Ok(self.file)
    }

    /// Where the next event begins in the present file.
    fn position(&self) -> u64 {
        self.splice.as_ref().map_or(0, Splice::position)
    }

    /// Ends the present file, and begins the next.
    fn next_file(&mut self, format: Vec<u8>, behind: u64) -> Result<(), Unsent> {
        let parsed = FormatDescription::parse(&format)?;
        let next = Place { file: self.file + 1, position: FIRST };
        if self.splice.is_some() {
            let mut rotation = self.event_of_ours(EventKind::ROTATE, 0, &rotation_to(next));
            self.event(rotation.len() as u64, &mut rotation)?;
        }
        self.file = next.file;
        self.sink.begins(self.file, behind);
        let (splice, bytes) = Splice::begin(&format)?;
        (self.splice, self.format, self.checksum) = (Some(splice), format, parsed.checksum);
        if self.is_sending || self.from == next {
            self.is_sending = true;
            self.announce(next)?;
            self.whole(&bytes[MAGIC.len()..])?;
        }
        Ok(())
    }

    /// Says where the events that follow are.
    fn announce(&mut self, place: Place) -> Result<(), Unsent> {
        let rotation = self.event_of_ours(EventKind::ROTATE, ARTIFICIAL, &rotation_to(place));
        self.whole(&rotation)
    }

    /// Sends an event of the present file, which has `size` bytes, as far as they are here.
    fn event(&mut self, size: u64, bytes: &mut [u8]) -> Result<(), Unsent> {
        if !self.is_sending && self.from == (Place { file: self.file, position: self.position() }) {
            // The replica was here before: the server has not begun anew since.
            self.is_sending = true;
            self.announce(self.from)?;
            let mut format = self.format.clone();
            forget_start(&mut format);
            let (_, format) = Splice::begin(&format)?;
            let mut format = format[MAGIC.len()..].to_vec();
            format[13..17].fill(0);
            set_checksum(&mut format);
            self.whole(&format)?;
        }
        let Some(splice) = &mut self.splice else {
            return Err(fwb_binlog::ReadError::CutOff.into());
        };
        splice.pass(bytes)?;
        if self.is_sending {
            self.sink.begin(size).map_err(Unsent::Replica)?;
            self.sink.put(bytes).map_err(Unsent::Replica)?;
        }
        Ok(())
    }

    /// Sends the next bytes of an event.
    fn rest_of_event(&mut self, bytes: &mut [u8]) -> Result<(), Unsent> {
        if let Some(splice) = &mut self.splice {
            splice.pass(bytes)?;
        }
        if self.is_sending { self.sink.put(bytes).map_err(Unsent::Replica) } else { Ok(()) }
    }

    /// Sends an event as it is.
    fn whole(&mut self, event: &[u8]) -> Result<(), Unsent> {
        self.sink.begin(event.len() as u64).and_then(|()| self.sink.put(event)).map_err(Unsent::Replica)
    }

    /// An event that we make.
    fn event_of_ours(&self, kind: EventKind, flags: u16, body: &[u8]) -> Vec<u8> {
        let checksum = if self.checksum == Checksum::Crc32 { 4 } else { 0 };
        let size = u32::try_from(HEADER_SIZE + body.len() + checksum).unwrap_or(0);
        let mut event = vec![0; 4];
        event.push(kind.0);
        event.extend_from_slice(&self.server_id.to_le_bytes());
        event.extend_from_slice(&size.to_le_bytes());
        event.extend_from_slice(&[0; 4]);
        event.extend_from_slice(&flags.to_le_bytes());
        event.extend_from_slice(body);
        event.resize(size as usize, 0);
        if checksum > 0 {
            set_checksum(&mut event);
        }
        event
    }
}

/// Writes the checksum of an event that has one into its last bytes.
fn set_checksum(event: &mut [u8]) {
    let Some(at) = event.len().checked_sub(4) else { return };
    let sum = crc32fast::hash(&event[..at]).to_le_bytes();
    event[at..].copy_from_slice(&sum);
}

/// The body of a rotation.
fn rotation_to(place: Place) -> Vec<u8> {
    let mut body = place.position.to_le_bytes().to_vec();
    body.extend_from_slice(name(place.file).as_bytes());
    body
}

/// Makes a format description that of a file with which the server did not begin: replicas keep their temporary tables.
fn forget_start(format: &mut [u8]) {
    if let Some(began) = format.get_mut(BEGAN) {
        began.fill(0);
    }
}

/// Takes what is left of a long event.
struct Rest<'f, 'a, S> {
    files: &'f mut Files<'a, S>,
    chunk: &'f mut Vec<u8>,
    failed: Option<Unsent>,
}

impl<S: Sink> Write for Rest<'_, '_, S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.chunk.clear();
        self.chunk.extend_from_slice(bytes);
        self.files.rest_of_event(self.chunk).map_err(|failed| {
            self.failed = Some(failed);
            io::Error::other("the event does not get to the replica")
        })?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
