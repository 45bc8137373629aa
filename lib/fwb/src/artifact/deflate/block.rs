//! DEFLATE blocks with codes of their own (RFC 1951, section 3.2.7), for data whose literals are many.
//!
//! What a block takes is known before a bit of it is written. Literals are written eight at a time, without a branch
//! that depends on them, since that is where the time goes.
//!
//! Nobody reads a backup again before it is verified, so a mistake made here must not get out of here. To decompress all
//! that was made would take as long as making it. What costs next to nothing is checked each time: that the sequences
//! stand for the data, that the codes are complete, and that a block has taken the bits that it was to take.

use super::bits::{BitWriter, PAIR_LIMIT, Pairs};
use super::header::Header;
use super::huffman::{Code, MAX_LENGTH};
use super::part::Part;
use super::sequence::{END, MAX_MATCH, MIN_MATCH, Sequence, Symbol, WINDOW};

/// About what a block's header takes, in bits.
const HEADER_BITS: f64 = 600.0;

/// Writes data as blocks; keeps its table from one stream to the next.
pub(super) struct BlockEncoder {
    pairs: Pairs,
}

impl BlockEncoder {
    pub(super) fn new() -> Self {
        Self { pairs: Pairs::new() }
    }

    /// Writes `raw`, which is these sequences, as a DEFLATE stream. A part begins a block of its own where a code of its
    /// own pays. Returns the size in bytes; none where `out` is too small, or where something is not as it must be.
    pub(super) fn encode(&mut self, raw: &[u8], sequences: &[Sequence], out: &mut [u8]) -> Option<usize> {
        sound(stand_for(sequences, raw), "sequences that do not stand for their data")?;
        let mut bits = BitWriter::new(out);
        let (mut read, mut told) = (0, 0);
        let mut open = Part::new(&[], &[]);
        for part in sequences.split_inclusive(|sequence| sequence.length == 0) {
            let size: usize = part.iter().map(Sequence::size).sum();
            let part = Part::new(&raw[read..read + size], part);
            (read, told) = (read + size, told + part.sequences.len());
            let both = open.with(&part, &raw[..read], &sequences[..told]);
            if both.bits <= open.bits + part.bits + HEADER_BITS {
                open = both;
            } else {
                self.write(&open, false, &mut bits)?;
                open = part;
            }
        }
        self.write(&open, true, &mut bits)?;
        Some(bits.finish())
    }

    fn write(&mut self, part: &Part<'_>, last: bool, bits: &mut BitWriter<'_>) -> Option<()> {
        let mut literals = part.literals;
        literals[END] = 1;
        let literal = Code::new(&literals, PAIR_LIMIT);
        let distance = Code::new(&part.distances, MAX_LENGTH);
        let header = Header::new(&literal, &distance);
        sound(
            [&literal, &distance, header.code()].iter().all(|code| code.is_complete()),
            "an incomplete code",
        )?;
        let body = literal.cost(&literals) + distance.cost(&part.distances) + part.extra;
        let size = 3 + header.cost() + body;
        bits.has_room(usize::try_from(size.div_ceil(8)).ok()?).then_some(())?;

        let end = bits.written() + size;
        self.pairs.fill(&literal);
        bits.put(0b100 | u64::from(last), 3);
        header.put(bits);
        let mut at = 0;
        for sequence in part.sequences {
            bits.literals(&self.pairs, &literal, &part.raw[at..at + sequence.literals]);
            if sequence.length > 0 {
                bits.put_symbol(&literal, Symbol::of_length(sequence.length));
                bits.put_symbol(&distance, Symbol::of_distance(sequence.distance));
                bits.flush();
            }
            at += sequence.size();
        }
        bits.put_symbol(&literal, Symbol { number: END, extra: 0, value: 0 });
        bits.flush();
        sound(bits.written() == end, "a block of another size than it was to have")
    }
}

/// Whether these sequences are the data: every match says what stands there.
fn stand_for(sequences: &[Sequence], raw: &[u8]) -> bool {
    let mut at = 0;
    for &Sequence { literals, length, distance } in sequences {
        let (start, length, distance) = (at + literals, usize::from(length), usize::from(distance));
        at = start + length;
        let same = || {
            let before = start.checked_sub(distance)?;
            Some(raw.get(start..at)? == raw.get(before..before + length)?)
        };
        let fits = (MIN_MATCH..=MAX_MATCH).contains(&length) && (1..=WINDOW).contains(&distance);
        if length > 0 && !(fits && same() == Some(true)) {
            return false;
        }
    }
    at == raw.len()
}

/// None where something does not hold that always does; whoever asked takes another way.
fn sound(holds: bool, what: &str) -> Option<()> {
    if !holds {
        log::warn!("the encoder for binary values made {what}; libdeflate takes its place");
    }
    holds.then_some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::assert_is;
    use super::*;

    fn literals(literals: usize) -> Sequence {
        Sequence { literals, length: 0, distance: 0 }
    }

    /// Encodes, proves, and returns the size.
    fn encode(raw: &[u8], sequences: &[Sequence]) -> usize {
        let mut out = vec![0xaa; 2 * raw.len() + 1000];
        let size = BlockEncoder::new().encode(raw, sequences, &mut out).unwrap();
        assert_is(&out[..size], raw);
        size
    }

    #[test]
    fn literals_of_every_kind_come_back() {
        let all: Vec<u8> = (0..=255).cycle().take(10_000).collect();
        let cases = [&b""[..], b"x", b"xxxxxxxxxxxxxxxxxxxx", b"xyxyxyxyxyxyxyxyy", b"\0\xff", &all];
        for raw in cases {
            for size in 0..raw.len().min(20) {
                encode(&raw[..size], &[literals(size)]);
            }
            encode(raw, &[literals(raw.len())]);
        }
        assert!(encode(&all, &[literals(all.len())]) < all.len() + 100);
    }

    #[test]
    fn codes_of_the_greatest_length_come_back() {
        // Fibonacci frequencies make the longest codes; the limit cuts them.
        let (mut raw, mut count, mut next) = (Vec::new(), 1, 1);
        for byte in 0..24 {
            raw.resize(raw.len() + count, byte);
            (count, next) = (next, count + next);
        }
        encode(&raw, &[literals(raw.len())]);
        raw.reverse();
        encode(&raw, &[literals(raw.len())]);
    }

    #[test]
    fn matches_of_every_length_and_distance_come_back() {
        let mut raw: Vec<u8> = (0..WINDOW).map(|at| (at * at / 7 % 251) as u8).collect();
        let mut sequences = vec![literals(raw.len())];
        let lengths = (MIN_MATCH..=MAX_MATCH).map(|length| (length, 1 + length * 7 % WINDOW));
        let distances = (0..15).flat_map(|bits| [1_usize << bits, (1 << bits) + 1, (3 << bits) / 2]);
        let near_end = [WINDOW - 1, WINDOW].into_iter();
        let distances = distances.chain(near_end).map(|distance| (MIN_MATCH, distance.min(WINDOW)));
        for (length, distance) in lengths.chain(distances) {
            for _ in 0..length {
                raw.push(raw[raw.len() - distance]);
            }
            sequences.push(Sequence { literals: 0, length: length as u16, distance: distance as u16 });
        }
        encode(&raw, &sequences);
    }

    #[test]
    fn parts_of_different_kinds_have_codes_of_their_own_and_others_share_one() {
        let (low, high) = (b"0123".repeat(5000), b"wxyz".repeat(5000));
        let raw = [&low[..], &high].concat();
        let both = encode(&raw, &[literals(low.len()), literals(high.len())]);
        assert!(both < raw.len() / 3, "a little more than two bits a byte: {both}");
        let same = encode(&low, &[literals(low.len() / 2), literals(low.len() / 2)]);
        assert_eq!(same, encode(&low, &[literals(low.len())]));
    }

    #[test]
    fn sequences_that_are_not_the_data_are_refused() {
        let raw = [super::super::recipe::noise(1, 40_000), b"abcabcabcabcd".to_vec()].concat();
        let start = 40_003;
        let right = |length, distance| Sequence { literals: start, length, distance };
        let cases = [
            vec![right(9, 3), literals(2)],
            vec![right(9, 3)],
            vec![right(10, 3), literals(0)],
            vec![right(2, 3), literals(8)],
            vec![right(9, 0), literals(1)],
            vec![right(9, 2), literals(1)],
            vec![right(9, 40_004), literals(1)],
            vec![right(259, 3)],
            vec![Sequence { literals: 2, length: 3, distance: 3 }, literals(raw.len() - 5)],
            vec![],
        ];
        assert!(encode(&raw, &[right(9, 3), literals(1)]) > 0);
        let mut out = vec![0; 2 * raw.len()];
        for sequences in cases {
            assert_eq!(BlockEncoder::new().encode(&raw, &sequences, &mut out), None, "{sequences:?}");
        }
    }

    #[test]
    fn a_buffer_that_is_too_small_is_refused() {
        let raw = b"0123456789ABCDEF".repeat(64);
        let sequences = [literals(raw.len())];
        let size = encode(&raw, &sequences);
        for room in 0..size {
            assert!(BlockEncoder::new().encode(&raw, &sequences, &mut vec![0; room]).is_none());
        }
    }

    proptest! {
        #[test]
        fn any_sequences_come_back(
            parts in proptest::collection::vec(
                (
                    prop_oneof![
                        proptest::collection::vec(any::<u8>(), 0..200),
                        proptest::collection::vec(0..4_u8, 0..2000),
                    ],
                    0..300_u16,
                    any::<u16>(),
                ),
                0..40,
            ),
        ) {
            let (mut raw, mut sequences) = (Vec::new(), Vec::new());
            for (bytes, length, distance) in parts {
                raw.extend_from_slice(&bytes);
                let most = raw.len().min(WINDOW);
                let length = if most == 0 || length < 3 { 0 } else { length.min(258) };
                let distance = if length == 0 { 0 } else { 1 + usize::from(distance) % most };
                for _ in 0..length {
                    raw.push(raw[raw.len() - distance]);
                }
                sequences.push(Sequence { literals: bytes.len(), length, distance: distance as u16 });
            }
            encode(&raw, &sequences);
        }
    }
}
