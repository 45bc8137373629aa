//! The compressed protocol: what the bytes of packets travel in, where both sides have agreed on it (MariaDB's manual,
//! "0 - Packet: Compressed Packet"; MySQL's "Protocol Basics: Compression").
//!
//! A compressed packet is three bytes of its payload's length, one byte of number, three bytes of the length that the
//! payload inflates to, and the payload: a zlib stream (RFC 1950), or, where that last length is 0, the bytes themselves.
//! Packets and compressed packets end independently of one another.
//!
//! Compressed packets have numbers of their own, which begin at 0 with each command. Wherever a server of either flavor flushes
//! what it has written (`net_flush` in `sql/net_serv.cc`), it lets the numbers of packets follow: the first packet of an answer,
//! and of each further result in it, has the number of the compressed packet that it begins.

use std::io::{self, Read, Write};

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use crate::packet::closed;
use crate::transport::Transport;
use crate::wire::malformed;

/// The length of a compressed packet's header, in bytes.
const HEADER: usize = 7;
/// What is shorter, in bytes, is sent as it is, as client programs do: it would not become smaller.
const LEAST: usize = 50;
/// The most bytes of packets that a compressed packet of ours holds; what is longer goes on in the next one. A server
/// takes 16 MiB less a byte. Larger ones would not be smaller in sum.
const MOST: usize = 256 << 10;
/// How much is read from the connection at once, in bytes.
const CHUNK: usize = 64 << 10;

/// A stream whose bytes travel in compressed packets.
pub(crate) struct Compressed {
    stream: Box<dyn Transport>,
    /// What was read: `start..end` of it is still to be inflated.
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// The compressed packet that is being read; none between two of them.
    present: Option<Present>,
    /// The number that the next compressed packet must have, either way.
    number: u8,
    /// Whether the next compressed packet may have another number. One that did is told by [`Compressed::take_jump`].
    may_jump: bool,
    has_jumped: bool,
    /// The number of the compressed packet that was begun first since somebody asked.
    begun: Option<u8>,
    inflate: Decompress,
    deflate: Compress,
    /// What was written and not yet sent, at most [`MOST`] bytes.
    written: Vec<u8>,
    /// A compressed packet that is made.
    packet: Vec<u8>,
}

/// A compressed packet that is being read.
#[derive(Debug, Clone, Copy)]
struct Present {
    /// How many bytes of its payload are not yet taken from the buffer.
    left: usize,
    /// How many bytes it still has to inflate to; none where they are not compressed.
    promised: Option<usize>,
}

impl Compressed {
    pub(crate) fn new(stream: Box<dyn Transport>) -> Self {
        Self {
            stream,
            buffer: vec![0; CHUNK],
            start: 0,
            end: 0,
            present: None,
            number: 0,
            may_jump: false,
            has_jumped: false,
            begun: None,
            inflate: Decompress::new(true),
            deflate: Compress::new(Compression::default(), true),
            written: Vec::with_capacity(MOST),
            packet: Vec::new(),
        }
    }

    /// The number of the next compressed packet.
    pub(crate) fn number(&self) -> u8 {
        self.number
    }

    /// Sets the number of the next compressed packet: 0 for a new command.
    pub(crate) fn set_number(&mut self, number: u8) {
        self.number = number;
    }

    /// Whether the next compressed packet may have any number: where an error may stand that the server sends because it
    /// ends the connection. Elsewhere one with another number is an error of the protocol.
    pub(crate) fn may_jump(&mut self, may: bool) {
        self.may_jump = may;
    }

    /// Whether a compressed packet has come with another number than it must have. Says so once.
    pub(crate) fn take_jump(&mut self) -> bool {
        std::mem::take(&mut self.has_jumped)
    }

    /// The number of the compressed packet that was begun first since this was asked last; none where none was begun.
    pub(crate) fn take_begun(&mut self) -> Option<u8> {
        self.begun.take()
    }

    /// Whether something was read that is not inflated yet.
    pub(crate) fn is_ahead(&self) -> bool {
        self.present.is_some() || self.start < self.end
    }

    /// Whether the next compressed packet is there as a whole, so that reading it waits for nothing.
    pub(crate) fn has_whole(&self) -> bool {
        let there = &self.buffer[self.start..self.end];
        self.present.is_none() && there.len() >= HEADER && there.len() - HEADER >= three_bytes(there)
    }

    /// Reads until `size` bytes are there at `start`; fewer only at the end of the stream.
    fn fill(&mut self, size: usize) -> io::Result<usize> {
        if self.start + size > self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        while self.end - self.start < size {
            match self.stream.read(&mut self.buffer[self.end..]) {
                Ok(0) => break,
                Ok(read) => self.end += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(self.end - self.start)
    }

    /// Reads the header of the next compressed packet. Returns whether there is one.
    fn begin(&mut self) -> io::Result<bool> {
        match self.fill(HEADER)? {
            0 => return Ok(false),
            1..HEADER => return Err(closed()),
            _ => {}
        }
        let header = &self.buffer[self.start..self.start + HEADER];
        let (left, number, promised) = (three_bytes(header), header[3], three_bytes(&header[4..]));
        if left == 0 {
            return Err(malformed("a compressed packet without anything in it"));
        }
        if number != self.number {
            if !self.may_jump {
                return Err(malformed("a compressed packet out of turn"));
            }
            self.has_jumped = true;
        }
        self.may_jump = false;
        self.begun = self.begun.or(Some(number));
        self.number = number.wrapping_add(1);
        self.start += HEADER;
        self.inflate.reset(true);
        self.present = Some(Present { left, promised: (promised > 0).then_some(promised) });
        Ok(true)
    }

    /// Inflates into `buffer` what is there of the present packet's payload. Returns how many bytes it has become, and
    /// whether that was the stream's end.
    fn inflate(&mut self, present: &mut Present, buffer: &mut [u8]) -> io::Result<(usize, bool)> {
        if present.left > 0 && self.fill(1)? == 0 {
            return Err(closed());
        }
        let there = present.left.min(self.end - self.start);
        let (taken, made) = (self.inflate.total_in(), self.inflate.total_out());
        let input = &self.buffer[self.start..self.start + there];
        let status = self
            .inflate
            .decompress(input, buffer, FlushDecompress::None)
            .map_err(|_| malformed("a compressed packet that cannot be inflated"))?;
        let taken = usize::try_from(self.inflate.total_in() - taken).unwrap_or(there).min(there);
        let made = usize::try_from(self.inflate.total_out() - made).unwrap_or(0);
        self.start += taken;
        present.left -= taken;
        let has_ended = status == Status::StreamEnd;
        if !has_ended && taken == 0 && made == 0 {
            return Err(malformed("a compressed packet that ends early"));
        }
        Ok((made, has_ended))
    }

    /// Takes what comes after a payload's last byte: the stream's check, and nothing else.
    fn end(&mut self, mut present: Present, mut has_ended: bool) -> io::Result<()> {
        while !has_ended {
            let (more, end) = self.inflate(&mut present, &mut [0])?;
            if more > 0 {
                return Err(malformed("a compressed packet that inflates to more than it says"));
            }
            has_ended = end;
        }
        if present.left > 0 {
            return Err(malformed("a compressed packet with something behind its end"));
        }
        Ok(())
    }

    /// Sends what was written as one compressed packet.
    fn send(&mut self) -> io::Result<()> {
        if self.written.is_empty() {
            return Ok(());
        }
        self.packet.clear();
        self.packet.resize(HEADER, 0);
        let inflated = if self.written.len() < LEAST || !self.deflated()? {
            self.packet.truncate(HEADER);
            self.packet.extend_from_slice(&self.written);
            0
        } else {
            self.written.len()
        };
        let (size, inflated) = (length(self.packet.len() - HEADER), length(inflated));
        self.packet[..3].copy_from_slice(&size);
        self.packet[3] = self.number;
        self.packet[4..HEADER].copy_from_slice(&inflated);
        self.number = self.number.wrapping_add(1);
        self.written.clear();
        self.stream.write_all(&self.packet)
    }

    /// Appends what was written to the packet, deflated. Returns whether that is smaller.
    fn deflated(&mut self) -> io::Result<bool> {
        self.deflate.reset();
        // A stream that has no more room than this is of no use.
        self.packet.reserve_exact(self.written.len());
        let status = self
            .deflate
            .compress_vec(&self.written, &mut self.packet, FlushCompress::Finish)
            .map_err(io::Error::other)?;
        Ok(status == Status::StreamEnd && self.packet.len() - HEADER < self.written.len())
    }
}

/// An integer of three bytes.
fn three_bytes(bytes: &[u8]) -> usize {
    usize::from(bytes[0]) | usize::from(bytes[1]) << 8 | usize::from(bytes[2]) << 16
}

/// The same, written; nothing here is longer.
fn length(size: usize) -> [u8; 3] {
    let [low, middle, high, ..] = size.to_le_bytes();
    [low, middle, high]
}

impl Read for Compressed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            let Some(mut present) = self.present else {
                if self.begin()? {
                    continue;
                }
                return Ok(0);
            };
            let Some(promised) = present.promised else {
                if self.fill(1)? == 0 {
                    return Err(closed());
                }
                let size = buffer.len().min(present.left).min(self.end - self.start);
                buffer[..size].copy_from_slice(&self.buffer[self.start..self.start + size]);
                self.start += size;
                present.left -= size;
                self.present = (present.left > 0).then_some(present);
                return Ok(size);
            };
            let room = buffer.len().min(promised);
            let (made, has_ended) = self.inflate(&mut present, &mut buffer[..room])?;
            let promised = promised - made;
            if promised == 0 {
                // The packet is over only when its check is right: before that, nobody gets its last bytes.
                self.end(present, has_ended)?;
                self.present = None;
                return Ok(made);
            }
            if has_ended {
                return Err(malformed("a compressed packet that inflates to less than it says"));
            }
            present.promised = Some(promised);
            self.present = Some(present);
            if made > 0 {
                return Ok(made);
            }
        }
    }
}

impl Write for Compressed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let size = bytes.len().min(MOST - self.written.len());
        self.written.extend_from_slice(&bytes[..size]);
        if self.written.len() == MOST {
            self.send()?;
        }
        Ok(size)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.send()?;
        self.stream.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzzing::{compressed_packet as framed, zlib_stream};

    /// A compressed packet: `bytes` deflated, which are said to inflate to `promised` bytes.
    fn deflated(number: u8, bytes: &[u8], promised: usize) -> Vec<u8> {
        framed(number, &zlib_stream(bytes), promised)
    }

    /// What a peer says, a few bytes at a time; and what it was told.
    struct Peer {
        says: io::Cursor<Vec<u8>>,
        most: usize,
        told: std::sync::Arc<std::sync::Mutex<Vec<u8>>>,
    }

    impl Read for Peer {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let most = buffer.len().min(self.most);
            self.says.read(&mut buffer[..most])
        }
    }

    impl Write for Peer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.told.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn read(says: &[u8], most: usize) -> io::Result<Vec<u8>> {
        let peer = Peer { says: io::Cursor::new(says.to_vec()), most, told: Arc::default() };
        let mut read = Vec::new();
        Compressed::new(Box::new(peer)).read_to_end(&mut read).map(|_| read)
    }

    use std::sync::Arc;

    #[test]
    fn compressed_packets_hold_packets_in_every_way() {
        let text: Vec<u8> = (0..100_000_u32).flat_map(|at| (at / 7).to_le_bytes()).collect();
        let (one, two) = text.split_at(1000);
        for (what, packets, holds) in [
            ("nothing at all", vec![], &text[..0]),
            ("stored", vec![framed(0, one, 0)], one),
            ("deflated", vec![deflated(0, &text, text.len())], &text),
            ("one after the other", vec![deflated(0, one, 1000), framed(1, two, 0)], &text),
            (
                "a byte, and the rest",
                vec![framed(0, &text[..1], 0), deflated(1, &text[1..], text.len() - 1)],
                &text,
            ),
        ] {
            let says = packets.concat();
            for most in [1, 7, 4096, usize::MAX] {
                assert!(read(&says, most).unwrap() == holds, "{what}, {most} bytes at a time");
            }
            for at in (1..says.len()).step_by(1 + says.len() / 300) {
                let ends = packets.iter().scan(0, |sum, packet| {
                    *sum += packet.len();
                    Some(*sum)
                });
                assert_eq!(
                    read(&says[..at], 4096).is_ok(),
                    ends.clone().any(|end| end == at),
                    "{what}, cut at {at}"
                );
            }
        }
    }

    #[test]
    fn lengths_that_lie_are_errors() {
        let text = [b'x'; 1000];
        let whole = deflated(0, &text, 1000);
        let payload = &whole[HEADER..];
        let mut damaged = whole.clone();
        *damaged.last_mut().unwrap() ^= 1;
        for (says, words) in [
            (deflated(0, &text, 999), "more than it says"),
            (deflated(0, &text, 1), "more than it says"),
            (deflated(0, &text, 1001), "less than it says"),
            (deflated(0, &text, 0xFF_FFFF), "less than it says"),
            (framed(0, &[payload, b"x"].concat(), 1000), "behind its end"),
            (framed(0, &payload[..payload.len() - 1], 1000), "ends early"),
            (framed(0, &payload[..5], 1000), "ends early"),
            (damaged, "cannot be inflated"),
            (framed(0, b"no zlib at all, whatever it says", 1000), "cannot be inflated"),
            (framed(0, b"", 0), "without anything"),
            (framed(0, b"", 10), "without anything"),
            (framed(3, b"abc", 0), "out of turn"),
            ([framed(0, b"abc", 0), framed(0, b"abc", 0)].concat(), "out of turn"),
        ] {
            for most in [1, usize::MAX] {
                let error = read(&says, most).unwrap_err().to_string();
                assert!(error.contains(words), "{words}: {error}");
            }
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let noise: Vec<u8> = (0..3 * MOST as u64)
            .map(|at| {
                at.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29).wrapping_mul(at | 1).to_le_bytes()[5]
            })
            .collect();
        for (size, packets) in
            [(0, 0), (1, 1), (LEAST - 1, 1), (LEAST, 1), (MOST, 1), (MOST + 1, 2), (3 * MOST, 3)]
        {
            for text in [&noise[..size], &vec![b'a'; size]] {
                let told = Arc::default();
                let peer = Peer { says: io::Cursor::default(), most: 1, told: Arc::clone(&told) };
                let mut compressed = Compressed::new(Box::new(peer));
                compressed.write_all(text).unwrap();
                compressed.flush().unwrap();
                assert_eq!(usize::from(compressed.number()), packets, "{size} bytes");
                let told = told.lock().unwrap();
                assert!(read(&told, usize::MAX).unwrap() == text, "{size} bytes");
                // No packet becomes larger than its header.
                assert!(told.len() <= size + packets * HEADER, "{size} bytes");
            }
        }
    }
}
