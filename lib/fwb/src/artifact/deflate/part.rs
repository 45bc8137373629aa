//! Parts of the data, and what they would take: whether two of them share a code is decided by that.

use super::sequence::{DISTANCES, END, LITERALS, Sequence, Symbol};

/// A part of the data, to be written with one code.
pub(super) struct Part<'a> {
    pub(super) raw: &'a [u8],
    pub(super) sequences: &'a [Sequence],
    pub(super) literals: [u32; LITERALS],
    pub(super) distances: [u32; DISTANCES],
    /// Bits that follow lengths and distances.
    pub(super) extra: u64,
    /// The information in it, in bits.
    pub(super) bits: f64,
}

impl<'a> Part<'a> {
    pub(super) fn new(raw: &'a [u8], sequences: &'a [Sequence]) -> Self {
        let mut part =
            Self { raw, sequences, literals: [0; LITERALS], distances: [0; DISTANCES], extra: 0, bits: 0.0 };
        part.literals[..END].copy_from_slice(&histogram(raw, sequences));
        for sequence in sequences.iter().filter(|sequence| sequence.length > 0) {
            let (length, distance) =
                (Symbol::of_length(sequence.length), Symbol::of_distance(sequence.distance));
            part.literals[length.number] += 1;
            part.distances[distance.number] += 1;
            part.extra += u64::from(length.extra + distance.extra);
        }
        part.bits = part.information();
        part
    }

    /// This part and the next one, which end where `raw` and `sequences` end.
    pub(super) fn with(&self, next: &Self, raw: &'a [u8], sequences: &'a [Sequence]) -> Self {
        let mut both = Self {
            raw: &raw[raw.len() - self.raw.len() - next.raw.len()..],
            sequences: &sequences[sequences.len() - self.sequences.len() - next.sequences.len()..],
            literals: std::array::from_fn(|symbol| self.literals[symbol] + next.literals[symbol]),
            distances: std::array::from_fn(|symbol| self.distances[symbol] + next.distances[symbol]),
            extra: self.extra + next.extra,
            bits: 0.0,
        };
        both.bits = both.information();
        both
    }

    fn information(&self) -> f64 {
        let of = |frequencies: &[u32]| {
            let all: f64 = frequencies.iter().copied().map(f64::from).sum();
            let counts = frequencies.iter().filter(|&&count| count > 0).copied().map(f64::from);
            counts.map(|count| count * (all / count).log2()).sum::<f64>()
        };
        of(&self.literals) + of(&self.distances) + self.extra as f64
    }
}

/// How often each byte is a literal. Each is counted in four places, so that one need not wait for the other.
fn histogram(raw: &[u8], sequences: &[Sequence]) -> [u32; END] {
    let mut places = [[0; END]; 4];
    let mut at = 0;
    for sequence in sequences {
        let (words, rest) = raw[at..at + sequence.literals].as_chunks::<4>();
        for word in words {
            for (counts, &byte) in places.iter_mut().zip(word) {
                counts[usize::from(byte)] += 1;
            }
        }
        for &byte in rest {
            places[0][usize::from(byte)] += 1;
        }
        at += sequence.literals + usize::from(sequence.length);
    }
    std::array::from_fn(|byte| places.iter().map(|counts| counts[byte]).sum())
}
