//! CRC-32 as gzip has it (RFC 1952, 8), of what is made of parts whose checksums are known.

use crc32fast::Hasher;

/// The checksum of a run of bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Crc32 {
    value: u32,
    /// How many bytes.
    size: u64,
}

impl Crc32 {
    /// A checksum that is known, of `size` bytes.
    pub(crate) fn known(value: u32, size: u64) -> Self {
        Self { value, size }
    }

    /// Adds bytes.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        let mut hasher = self.hasher();
        hasher.update(bytes);
        *self = Self { value: hasher.finalize(), size: self.size + bytes.len() as u64 };
    }

    /// Adds bytes of which only the checksum is known.
    pub(crate) fn append(&mut self, next: Self) {
        let mut hasher = self.hasher();
        hasher.combine(&next.hasher());
        *self = Self { value: hasher.finalize(), size: self.size + next.size };
    }

    /// The checksum of what comes after `before` in these bytes, which begin with it.
    pub(crate) fn after(self, before: Self) -> Self {
        let size = self.size.saturating_sub(before.size);
        let mut moved = before;
        moved.append(Self { value: 0, size });
        Self { value: self.value ^ moved.value, size }
    }

    /// Eight hexadecimal digits, as `rhash --crc32` and `crc32` print it.
    pub(crate) fn to_hex(self) -> String {
        format!("{:08x}", self.value)
    }

    fn hasher(self) -> Hasher {
        Hasher::new_with_initial_len(self.value, self.size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(bytes: &[u8]) -> Crc32 {
        Crc32::known(libdeflater::crc32(bytes), bytes.len() as u64)
    }

    #[test]
    fn parts_make_the_whole_and_the_whole_its_parts() {
        let bytes: Vec<u8> = (0..5000_u32).flat_map(|at| (at * at).to_le_bytes()).take(5000).collect();
        for at in [0, 1, 7, 2500, 4999, 5000] {
            let (first, second) = bytes.split_at(at);
            let mut whole = of(first);
            whole.append(of(second));
            assert_eq!(whole, of(&bytes));
            assert_eq!(of(&bytes).after(of(first)), of(second));
            let mut grown = of(first);
            grown.update(second);
            assert_eq!(grown, of(&bytes));
        }
        // The check value of the algorithm's catalogues.
        assert_eq!(of(b"123456789").to_hex(), "cbf43926");
    }
}
