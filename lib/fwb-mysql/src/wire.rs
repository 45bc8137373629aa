//! Integers and strings as packets hold them (MariaDB's manual, "Protocol Data Types").

use std::io;

use fwb::put_length;

/// What came is not the protocol.
pub(crate) fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the server sent {what}"))
}

/// Reads a packet from its beginning.
#[derive(Debug, Clone)]
pub(crate) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    pub(crate) fn new(packet: &'a [u8]) -> Self {
        Self(packet)
    }

    /// What is left.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.0
    }

    /// The next `size` bytes.
    ///
    /// # Errors
    /// The packet ends before.
    pub(crate) fn bytes(&mut self, size: usize) -> io::Result<&'a [u8]> {
        let (bytes, rest) =
            self.0.split_at_checked(size).ok_or_else(|| malformed("a packet that ends early"))?;
        self.0 = rest;
        Ok(bytes)
    }

    /// An integer of one byte.
    pub(crate) fn u8(&mut self) -> io::Result<u8> {
        Ok(self.bytes(1)?[0])
    }

    /// An integer of two bytes.
    pub(crate) fn u16(&mut self) -> io::Result<u16> {
        let mut wide = [0; 2];
        wide.copy_from_slice(self.bytes(2)?);
        Ok(u16::from_le_bytes(wide))
    }

    /// An integer of four bytes.
    pub(crate) fn u32(&mut self) -> io::Result<u32> {
        let mut wide = [0; 4];
        wide.copy_from_slice(self.bytes(4)?);
        Ok(u32::from_le_bytes(wide))
    }

    /// A length-encoded integer.
    pub(crate) fn lenenc(&mut self) -> io::Result<u64> {
        let width = match self.u8()? {
            small @ 0..=250 => return Ok(u64::from(small)),
            0xFC => 2,
            0xFD => 3,
            0xFE => 8,
            _ => return Err(malformed("a length that is none")),
        };
        let mut wide = [0; 8];
        wide[..width].copy_from_slice(self.bytes(width)?);
        Ok(u64::from_le_bytes(wide))
    }

    /// A length-encoded string.
    pub(crate) fn lenenc_bytes(&mut self) -> io::Result<&'a [u8]> {
        let size = usize::try_from(self.lenenc()?).map_err(|_| malformed("a length that is none"))?;
        self.bytes(size)
    }

    /// A string up to its NUL byte, or up to the end of the packet.
    pub(crate) fn until_nul(&mut self) -> &'a [u8] {
        let end = self.0.iter().position(|byte| *byte == 0);
        let text = &self.0[..end.unwrap_or(self.0.len())];
        self.0 = &self.0[end.map_or(self.0.len(), |end| end + 1)..];
        text
    }
}

/// Appends a length-encoded string.
pub(crate) fn put_lenenc(packet: &mut Vec<u8>, text: &[u8]) {
    put_length(packet, text.len());
    packet.extend_from_slice(text);
}

/// Appends a string and its NUL byte.
pub(crate) fn put_nul(packet: &mut Vec<u8>, text: &[u8]) {
    packet.extend_from_slice(text);
    packet.push(0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for size in [0, 1, 250, 251, 65_535, 65_536, 0xFF_FFFF, 0x100_0000] {
            let text = vec![b'x'; size];
            let mut packet = Vec::new();
            put_lenenc(&mut packet, &text);
            let mut fields = Fields::new(&packet);
            assert_eq!(fields.lenenc_bytes().unwrap().len(), size);
            assert!(fields.rest().is_empty());
        }
    }

    #[test]
    fn no_length_reaches_beyond_its_packet() {
        for packet in
            [&[][..], &[5, 1], &[0xFC, 1], &[0xFE, 255, 255, 255, 255, 255, 255, 255, 255, 1], &[0xFF]]
        {
            assert!(Fields::new(packet).lenenc_bytes().is_err(), "{packet:?}");
        }
        assert_eq!(Fields::new(b"ab").until_nul(), b"ab");
        assert_eq!(Fields::new(b"ab\0c").until_nul(), b"ab");
    }
}
