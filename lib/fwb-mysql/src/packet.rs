//! Packets: three bytes of length, one of number, and the payload. A payload of 16 MiB or more goes on in the next packet
//! (MariaDB's manual, "0 - Packet").

use std::io::{self, Read, Write};

use crate::compressed::Compressed;
use crate::transport::Transport;
use crate::wire::malformed;

/// The most that one packet holds, in bytes; a payload goes on in the next packet after one that is full.
pub(crate) const FULL: usize = 0xFF_FFFF;
/// A row up to this size, in bytes, is handed on as a whole; a longer one as a stream.
pub(crate) const WHOLE_ROW: usize = 1 << 20;
/// How much is read from the socket at once, in bytes.
const CHUNK: usize = 256 << 10;

/// Reads and writes packets.
pub(crate) struct Packets {
    stream: Stream,
    /// What was read: `start..end` of it is still to be taken.
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// The number that the next packet must have, either way.
    number: u8,
    /// How long the last whole packet was: it ends at `start`.
    last: usize,
    /// How many bytes came when the stream was read last.
    came: usize,
}

/// What packets travel over.
enum Stream {
    /// The connection itself.
    Plain(Box<dyn Transport>),
    /// The connection, whose bytes are in compressed packets.
    Compressed(Box<Compressed>),
}

impl Stream {
    fn compressed(&mut self) -> Option<&mut Compressed> {
        match self {
            Self::Plain(_) => None,
            Self::Compressed(compressed) => Some(compressed),
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer),
            Self::Compressed(compressed) => compressed.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            Self::Compressed(compressed) => compressed.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Compressed(compressed) => compressed.flush(),
        }
    }
}

/// The next packet.
pub(crate) enum Next<'a> {
    /// A packet that is whole.
    Whole(&'a [u8]),
    /// One that is too long for that.
    Long(LongPacket<'a>),
}

impl Packets {
    pub(crate) fn new(stream: Box<dyn Transport>) -> Self {
        let stream = Stream::Plain(stream);
        Self { stream, buffer: vec![0; CHUNK], start: 0, end: 0, number: 0, last: 0, came: 0 }
    }

    /// The stream itself, for TLS or compressed packets over it; none where something was read ahead, which nobody could
    /// tell from what an attacker has put there.
    pub(crate) fn into_stream(self) -> Option<Box<dyn Transport>> {
        match self.stream {
            Stream::Plain(stream) if self.start == self.end => Some(stream),
            _ => None,
        }
    }

    /// From here on packets travel in compressed ones, both ways.
    ///
    /// # Errors
    /// The server has sent something before it was asked.
    pub(crate) fn compress(self) -> io::Result<Self> {
        let stream = self.into_stream().ok_or_else(|| malformed("something before compression began"))?;
        let mut packets = Self::new(Box::new(io::empty()));
        packets.stream = Stream::Compressed(Box::new(Compressed::new(stream)));
        Ok(packets)
    }

    /// Whether something was read that is no error and that nobody has asked for. An error is: why the server has ended the
    /// connection.
    pub(crate) fn is_ahead(&mut self) -> bool {
        if self.start == self.end
            && let Some(compressed) = self.stream.compressed()
        {
            if compressed.has_whole() {
                compressed.may_jump(true);
                if self.fill(1).is_err() {
                    return true;
                }
            } else if compressed.is_ahead() {
                return true;
            }
        }
        self.start < self.end && self.buffer[self.start..self.end].get(4) != Some(&0xFF)
    }

    /// Whether all that was read is taken, and so little came last that there is hardly more.
    pub(crate) fn is_drained(&self) -> bool {
        self.start == self.end && self.came < CHUNK / 8
    }

    /// Whether all that was read is taken.
    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// The number of the next packet, to go on over another stream.
    pub(crate) fn number(&self) -> u8 {
        self.number
    }

    /// Sets the number of the next packet: 0 for a new command.
    pub(crate) fn set_number(&mut self, number: u8) {
        self.number = number;
        if let Some(compressed) = self.stream.compressed() {
            compressed.set_number(number);
        }
    }

    /// Reads until `size` bytes are there at `start`.
    fn fill(&mut self, size: usize) -> io::Result<()> {
        if self.end - self.start >= size {
            return Ok(());
        }
        if self.start + size > self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
            if self.buffer.len() < size {
                self.buffer.resize(size, 0);
            }
        }
        while self.end - self.start < size {
            match self.stream.read(&mut self.buffer[self.end..]) {
                Ok(0) => return Err(closed()),
                Ok(read) => {
                    self.end += read;
                    self.came = read;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The length of the next packet, whose header is taken. Numbers are held against what must come, but for an error:
    /// a server that ends connections does not count.
    fn header(&mut self) -> io::Result<usize> {
        let has_nothing = self.start == self.end;
        if let Some(compressed) = self.stream.compressed() {
            compressed.may_jump(has_nothing);
            if !has_nothing {
                compressed.take_begun();
            }
        }
        self.fill(4)?;
        let (mut has_jumped, mut begins) = (false, None);
        if let Some(compressed) = self.stream.compressed() {
            compressed.may_jump(false);
            (has_jumped, begins) = (compressed.take_jump(), compressed.take_begun().filter(|_| has_nothing));
        }
        let header = &self.buffer[self.start..self.start + 4];
        let size = usize::from(header[0]) | usize::from(header[1]) << 8 | usize::from(header[2]) << 16;
        let number = header[3];
        // One that begins a compressed packet may have the number of that.
        if begins == Some(number) && !has_jumped {
            self.number = number;
        }
        if number != self.number || has_jumped {
            self.fill(5.min(4 + size))?;
            if size == 0 || self.buffer[self.start + 4] != 0xFF {
                return Err(malformed("a packet out of turn"));
            }
            self.number = number;
        }
        self.start += 4;
        self.number = self.number.wrapping_add(1);
        Ok(size)
    }

    /// The next packet, as a whole where it has at most [`WHOLE_ROW`] bytes.
    pub(crate) fn next(&mut self) -> io::Result<Next<'_>> {
        let size = self.header()?;
        if size > WHOLE_ROW {
            self.fill(1)?;
            return Ok(Next::Long(LongPacket { packets: self, left: size, goes_on: size == FULL }));
        }
        self.fill(size)?;
        let from = self.start;
        self.start += size;
        self.last = size;
        Ok(Next::Whole(&self.buffer[from..from + size]))
    }

    /// The whole packet that was read last, once more.
    pub(crate) fn last(&self) -> &[u8] {
        &self.buffer[self.start - self.last..self.start]
    }

    /// The next packet, which must be a short one: everything but rows is.
    pub(crate) fn short(&mut self) -> io::Result<&[u8]> {
        match self.next()? {
            Next::Whole(packet) => Ok(packet),
            Next::Long(_) => Err(malformed("a packet that is too long")),
        }
    }

    /// Writes a payload as packets.
    pub(crate) fn write(&mut self, payload: &[u8]) -> io::Result<()> {
        self.write_behind(&[], payload)
    }

    /// As [`Packets::write`], of a payload that begins with `head`, which is shorter than [`FULL`].
    pub(crate) fn write_behind(&mut self, head: &[u8], payload: &[u8]) -> io::Result<()> {
        let (mut head, mut rest) = (head, payload);
        loop {
            let (part, later) = rest.split_at(rest.len().min(FULL - head.len()));
            self.write_parts(head, part)?;
            // A full packet says that another one follows, if only an empty one.
            if head.len() + part.len() < FULL {
                return Ok(());
            }
            (head, rest) = (&[], later);
        }
    }

    /// Writes one packet, of [`FULL`] bytes at most.
    pub(crate) fn write_one(&mut self, part: &[u8]) -> io::Result<()> {
        self.write_parts(&[], part)
    }

    /// Writes one packet, at once where it is small.
    fn write_parts(&mut self, head: &[u8], part: &[u8]) -> io::Result<()> {
        let size = head.len() + part.len();
        let mut header = u32::try_from(size).unwrap_or(0).to_le_bytes();
        header[3] = self.number;
        self.number = self.number.wrapping_add(1);
        if size < 1400 {
            return self.stream.write_all(&[&header, head, part].concat());
        }
        self.stream.write_all(&[&header, head].concat())?;
        self.stream.write_all(part)
    }

    /// Sends what was written. Where packets are compressed, the number of the next one follows that of the compressed ones.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()?;
        if let Some(compressed) = self.stream.compressed() {
            self.number = compressed.number();
        }
        Ok(())
    }
}

pub(crate) fn closed() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed the connection")
}

/// A packet that is read as a stream, together with those in which it goes on.
pub(crate) struct LongPacket<'a> {
    packets: &'a mut Packets,
    /// What is left of the present packet, in bytes.
    left: usize,
    /// Whether the payload goes on in the next packet.
    goes_on: bool,
}

impl LongPacket<'_> {
    /// Its first byte, which stays.
    pub(crate) fn first(&self) -> u8 {
        self.packets.buffer[self.packets.start]
    }

    /// Reads to its end and throws away.
    pub(crate) fn skip(mut self) -> io::Result<()> {
        io::copy(&mut self, &mut io::sink()).map(drop)
    }
}

impl Read for LongPacket<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.left == 0 {
            if !self.goes_on {
                return Ok(0);
            }
            self.left = self.packets.header()?;
            self.goes_on = self.left == FULL;
        }
        if buffer.is_empty() {
            return Ok(0);
        }
        self.packets.fill(1)?;
        let there = self.packets.end - self.packets.start;
        let size = there.min(self.left).min(buffer.len());
        let from = self.packets.start;
        buffer[..size].copy_from_slice(&self.packets.buffer[from..from + size]);
        self.packets.start += size;
        self.left -= size;
        Ok(size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was written comes back.
    struct Loop {
        bytes: Vec<u8>,
        at: usize,
        most: usize,
    }

    impl Read for Loop {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let size = buffer.len().min(self.most).min(self.bytes.len() - self.at);
            buffer[..size].copy_from_slice(&self.bytes[self.at..self.at + size]);
            self.at += size;
            Ok(size)
        }
    }

    impl Write for Loop {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.bytes.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn packets(bytes: Vec<u8>, most: usize) -> Packets {
        Packets::new(Box::new(Loop { bytes, at: 0, most }))
    }

    #[test]
    fn payloads_of_every_size_come_back() {
        for size in [0, 1, 1399, 1400, WHOLE_ROW, WHOLE_ROW + 1, FULL - 1, FULL, FULL + 1, 2 * FULL] {
            let payload: Vec<u8> = (0..size).map(|at| u8::try_from(at % 251).unwrap()).collect();
            let mut both = packets(Vec::new(), 100_000);
            both.write(&payload).unwrap();
            both.set_number(0);
            let mut read = Vec::new();
            match both.next().unwrap() {
                Next::Whole(packet) => read.extend_from_slice(packet),
                Next::Long(mut long) => {
                    long.read_to_end(&mut read).unwrap();
                }
            }
            assert_eq!(read.len(), size);
            assert_eq!(read, payload);
            assert!(both.next().is_err(), "nothing follows");
        }
    }

    #[test]
    fn a_payload_behind_a_head_is_one_payload() {
        for size in [0, 1, 5000, FULL - 4, FULL - 3, FULL - 2, 2 * FULL - 3, 2 * FULL] {
            let payload: Vec<u8> = (0..3 + size).map(|at| u8::try_from(at % 251).unwrap()).collect();
            let (mut parted, mut whole) = (packets(Vec::new(), 100_000), packets(Vec::new(), 100_000));
            parted.write_behind(&payload[..3], &payload[3..]).unwrap();
            whole.write(&payload).unwrap();
            let all = |packets: &mut Packets| {
                let mut all = Vec::new();
                packets.stream.read_to_end(&mut all).unwrap();
                all
            };
            assert!(all(&mut parted) == all(&mut whole), "{size}");
        }
    }

    #[test]
    fn a_packet_out_of_turn_is_refused_and_an_error_is_not() {
        assert!(packets(vec![1, 0, 0, 7, 0], 9).next().is_err());
        assert!(packets(vec![1, 0, 0, 7, 0xFF], 9).next().is_ok());
        assert!(packets(vec![5, 0, 0, 0, 1, 2], 1).next().is_err(), "cut off");
    }
}
