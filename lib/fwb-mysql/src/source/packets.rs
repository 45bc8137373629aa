//! Events on their way to the replica: each is a packet that begins with a byte of zero, and goes on in the next packet
//! where it has 16 MiB or more.

use std::io::{self, Write};
use std::sync::Mutex;

use super::files::Sink;
use crate::packet::FULL;

/// Writes events as packets.
pub(super) struct EventPackets<'a, W> {
    stream: W,
    /// The number of the next packet.
    number: u8,
    /// Bytes of the event that are to come in packets after this one.
    later: u64,
    /// Bytes of the present packet that are to come.
    left: usize,
    /// Whether the present packet is full: another one follows it.
    is_full: bool,
    /// Where in the feed each file begins.
    begins: &'a Mutex<Vec<u64>>,
}

impl<'a, W: Write> EventPackets<'a, W> {
    pub(super) fn new(stream: W, number: u8, begins: &'a Mutex<Vec<u64>>) -> Self {
        Self { stream, number, later: 0, left: 0, is_full: false, begins }
    }

    /// Sends what was written.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }

    /// The number of the next packet.
    pub(super) fn number(&self) -> u8 {
        self.number
    }

    /// Begins the next packet.
    fn header(&mut self) -> io::Result<()> {
        let size = usize::try_from(self.later).unwrap_or(FULL).min(FULL);
        let mut header = u32::try_from(size).unwrap_or(0).to_le_bytes();
        header[3] = self.number;
        self.number = self.number.wrapping_add(1);
        self.later -= size as u64;
        (self.left, self.is_full) = (size, size == FULL);
        self.stream.write_all(&header)
    }

    fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let (now, rest) = bytes.split_at(bytes.len().min(self.left));
            if now.is_empty() {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "an event is longer than it says"));
            }
            self.stream.write_all(now)?;
            self.left -= now.len();
            bytes = rest;
            // A full packet says that another one follows, if only an empty one.
            if self.left == 0 && self.is_full {
                self.header()?;
            }
        }
        Ok(())
    }
}

impl<W: Write> Sink for EventPackets<'_, W> {
    fn begin(&mut self, size: u64) -> io::Result<()> {
        if self.left > 0 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "an event is shorter than it says"));
        }
        self.later = size + 1;
        self.header()?;
        self.write(&[0])
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write(bytes)
    }

    fn begins(&mut self, file: u32, behind: u64) {
        let mut begins = super::locked(self.begins);
        // The same each time that it is sent.
        if begins.len() < file as usize {
            begins.push(behind);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_of_every_size_are_packets() {
        for size in [19, FULL - 2, FULL - 1, FULL, 2 * FULL - 1, 2 * FULL] {
            let event: Vec<u8> = (0..size).map(|at| u8::try_from(at % 251).unwrap()).collect();
            let (mut stream, begins) = (Vec::new(), Mutex::default());
            let mut packets = EventPackets::new(&mut stream, 255, &begins);
            packets.begin(size as u64).unwrap();
            let (first, second) = event.split_at(size / 3);
            packets.put(first).unwrap();
            packets.put(second).unwrap();
            let (mut at, mut number, mut payload) = (0, 255_u8, Vec::new());
            loop {
                let length = u32::from_le_bytes([stream[at], stream[at + 1], stream[at + 2], 0]) as usize;
                assert_eq!(stream[at + 3], number, "{size}");
                payload.extend_from_slice(&stream[at + 4..at + 4 + length]);
                (at, number) = (at + 4 + length, number.wrapping_add(1));
                if length < FULL {
                    break;
                }
            }
            assert_eq!(at, stream.len(), "{size}");
            assert!(payload[0] == 0 && payload[1..] == event, "{size}");
        }
    }
}
