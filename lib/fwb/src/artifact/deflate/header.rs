//! The head of a block: the lengths of its codes (RFC 1951, section 3.2.7).

use super::bits::BitWriter;
use super::huffman::Code;
use super::sequence::{END, Symbol};

/// The order in which the lengths of the codes for code lengths are told.
const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
/// The longest code for a code length, in bits.
const LIMIT: u8 = 7;

/// The head of a block: the lengths of both codes, themselves in a code.
pub(super) struct Header {
    literals: usize,
    distances: usize,
    /// The lengths: symbols 0 to 15 are lengths, 16 repeats the last one, 17 and 18 repeat zero.
    symbols: Vec<Symbol>,
    code: Code,
    /// How many lengths of `code` are told.
    told: usize,
}

impl Header {
    pub(super) fn new(literal: &Code, distance: &Code) -> Self {
        let used = |lengths: &[u8], least: usize| {
            lengths.iter().rposition(|&length| length > 0).map_or(least, |last| least.max(last + 1))
        };
        let (literals, distances) = (used(&literal.lengths, END + 1), used(&distance.lengths, 1));
        let lengths = [&literal.lengths[..literals], &distance.lengths[..distances]].concat();
        let symbols = run_lengths(&lengths);
        let mut frequencies = [0; ORDER.len()];
        for symbol in &symbols {
            frequencies[symbol.number] += 1;
        }
        let code = Code::new(&frequencies, LIMIT);
        let told =
            ORDER.iter().rposition(|&symbol| code.lengths[symbol] > 0).map_or(4, |last| 4.max(last + 1));
        Self { literals, distances, symbols, code, told }
    }

    /// The code of the lengths.
    pub(super) fn code(&self) -> &Code {
        &self.code
    }

    /// Its size, in bits.
    pub(super) fn cost(&self) -> u64 {
        let symbols = self.symbols.iter();
        let symbols =
            symbols.map(|symbol| u64::from(self.code.lengths[symbol.number]) + u64::from(symbol.extra));
        5 + 5 + 4 + 3 * self.told as u64 + symbols.sum::<u64>()
    }

    pub(super) fn put(&self, bits: &mut BitWriter<'_>) {
        bits.put((self.literals - 257) as u64, 5);
        bits.put((self.distances - 1) as u64, 5);
        bits.put((self.told - 4) as u64, 4);
        for &symbol in &ORDER[..self.told] {
            bits.put(u64::from(self.code.lengths[symbol]), 3);
            bits.flush();
        }
        for &symbol in &self.symbols {
            bits.put_symbol(&self.code, symbol);
            bits.flush();
        }
    }
}

/// Code lengths, with repetitions told as such (RFC 1951, section 3.2.7).
fn run_lengths(lengths: &[u8]) -> Vec<Symbol> {
    let mut symbols = Vec::new();
    for run in lengths.chunk_by(|a, b| a == b) {
        let length = Symbol { number: usize::from(run[0]), extra: 0, value: 0 };
        let mut left = run.len();
        if length.number != 0 {
            symbols.push(length);
            left -= 1;
        }
        while left >= 3 {
            let (number, extra, least, most) = match (length.number, left) {
                (0, 11..) => (18, 7, 11, 138),
                (0, _) => (17, 3, 3, 10),
                _ => (16, 2, 3, 6),
            };
            let times = left.min(most);
            symbols.push(Symbol { number, extra, value: (times - least) as u32 });
            left -= times;
        }
        symbols.extend(std::iter::repeat_n(length, left));
    }
    symbols
}
