//! Bits on their way into bytes, first bit lowest (RFC 1951, section 3.1.1).

use super::huffman::Code;
use super::sequence::{END, Symbol};

/// Where an entry's length stands; below it are its bits.
const ENTRY_LENGTH: u32 = 27;
const ENTRY_BITS: u32 = (1 << ENTRY_LENGTH) - 1;
/// The longest codes of which two fit into an entry with their length, in bits.
pub(super) const PAIR_LIMIT: u8 = 13;

/// The codes of each pair of literals: two literals a look-up.
pub(super) struct Pairs(Box<[u32; 1 << 16]>);

impl Pairs {
    #[allow(clippy::large_stack_arrays, reason = "the table is made where it stays, and has the right size")]
    pub(super) fn new() -> Self {
        let table: Box<[u32]> = vec![0; 1 << 16].into_boxed_slice();
        Self(table.try_into().unwrap_or_else(|_| Box::new([0; 1 << 16])))
    }

    /// Takes the codes of literals, none longer than [`PAIR_LIMIT`]. Pairs in which one has no code keep what they
    /// had: nobody looks them up.
    pub(super) fn fill(&mut self, code: &Code) {
        let entry = |symbol: usize| (u32::from(code.codes[symbol]), u32::from(code.lengths[symbol]));
        let used: Vec<usize> = (0..END).filter(|&symbol| code.lengths[symbol] > 0).collect();
        for &second in &used {
            let (second_bits, second_length) = entry(second);
            for &first in &used {
                let (bits, length) = entry(first);
                self.0[first | second << 8] =
                    (bits | second_bits << length) | (length + second_length) << ENTRY_LENGTH;
            }
        }
    }

    /// The codes of four literals, and how many bits these are: 52 at most.
    fn four(&self, literals: u32) -> (u64, u32) {
        let first = self.0[(literals & 0xffff) as usize];
        let second = self.0[(literals >> 16) as usize];
        let length = first >> ENTRY_LENGTH;
        let bits = u64::from(first & ENTRY_BITS) | u64::from(second & ENTRY_BITS) << length;
        (bits, length + (second >> ENTRY_LENGTH))
    }
}

/// Writes bits.
pub(super) struct BitWriter<'a> {
    out: &'a mut [u8],
    at: usize,
    bits: u64,
    count: u32,
}

impl<'a> BitWriter<'a> {
    pub(super) fn new(out: &'a mut [u8]) -> Self {
        Self { out, at: 0, bits: 0, count: 0 }
    }

    /// Whether so many bytes more can be written. Stores reach beyond what they add.
    pub(super) fn has_room(&self, size: usize) -> bool {
        self.out.len() >= self.at + size + 16
    }

    /// How many bits were written so far.
    pub(super) fn written(&self) -> u64 {
        8 * self.at as u64 + u64::from(self.count)
    }

    /// Adds some bits. Between two flushes there is room for 56.
    pub(super) fn put(&mut self, bits: u64, count: u32) {
        self.bits |= bits << self.count;
        self.count += count;
    }

    /// Adds a symbol's code and what follows it.
    pub(super) fn put_symbol(&mut self, code: &Code, symbol: Symbol) {
        self.put(u64::from(code.codes[symbol.number]), u32::from(code.lengths[symbol.number]));
        self.put(u64::from(symbol.value), symbol.extra);
    }

    /// Writes whole bytes out; less than eight bits stay.
    pub(super) fn flush(&mut self) {
        self.out[self.at..self.at + 8].copy_from_slice(&self.bits.to_le_bytes());
        self.at += (self.count >> 3) as usize;
        self.bits >>= self.count & !7;
        self.count &= 7;
    }

    /// Writes literals: eight of them at once where they take no more than 56 bits, as digits do.
    pub(super) fn literals(&mut self, pairs: &Pairs, code: &Code, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            let word = u64::from_le_bytes(*word);
            let (first, first_length) = pairs.four(word as u32);
            let (second, length) = pairs.four((word >> 32) as u32);
            self.put(first, first_length);
            if self.count + length >= u64::BITS {
                self.flush();
            }
            self.put(second, length);
            self.flush();
        }
        for &byte in rest {
            self.put_symbol(code, Symbol { number: byte.into(), extra: 0, value: 0 });
            self.flush();
        }
    }

    /// Returns how many bytes were written.
    pub(super) fn finish(mut self) -> usize {
        self.flush();
        self.at + usize::from(self.count > 0)
    }
}
