//! Members that are mostly binary values, which a dump writes as hexadecimal digits.
//!
//! Pictures, archives and the like are compressed already: no digit of theirs tells the next, and all that DEFLATE can
//! do is to write each digit in the four bits that it holds. That takes a small part of the time of a compressor that
//! looks for repetitions in vain. Members where it might find some are refused.

use super::block::BlockEncoder;
use super::digits::{end_of_digits, next_value};
use super::repetition::RepetitionFinder;
use super::sequence::Sequences;
use super::text::TextMatcher;

/// The most of a member that may be something else than binary values: one byte in so many.
const OTHERS: usize = 8;
/// A text of more bytes is a part of its own.
const LONG_TEXT: usize = 4 << 10;
/// Digits at the beginning of a value are not searched for repetitions: files of a kind begin alike.
const HEAD: usize = 64;
/// What becomes smaller than this part of itself repeats itself in some way.
const LEAST_SHARE: usize = 4;

/// Compresses members that are mostly binary values.
pub(crate) struct HexEncoder {
    block: BlockEncoder,
    sequences: Sequences,
    text: TextMatcher,
    repetitions: RepetitionFinder,
}

impl HexEncoder {
    pub(crate) fn new() -> Self {
        Self {
            block: BlockEncoder::new(),
            sequences: Sequences::default(),
            text: TextMatcher::new(),
            repetitions: RepetitionFinder::new(),
        }
    }

    /// Writes `raw` as a DEFLATE stream into `out` and returns its size in bytes; none where the member is not of the
    /// kind, or might become smaller.
    pub(crate) fn compress(&mut self, raw: &[u8], out: &mut [u8]) -> Option<usize> {
        self.take_apart(raw)?;
        let size = self.block.encode(raw, self.sequences.as_slice(), out)?;
        (size >= raw.len() / LEAST_SHARE).then_some(size)
    }

    fn take_apart(&mut self, raw: &[u8]) -> Option<()> {
        // Places are remembered in 32 bits, and the last number means none.
        (raw.len() < u32::MAX as usize).then_some(())?;
        let Self { sequences, text, repetitions, .. } = self;
        sequences.clear();
        text.clear();
        repetitions.clear();
        let (mut at, mut others) = (0, 0);
        while at < raw.len() {
            let value = next_value(raw, at);
            others += value - at;
            (others <= raw.len() / OTHERS).then_some(())?;
            let is_long = value - at > LONG_TEXT;
            if is_long {
                repetitions.end_part(at, sequences);
            }
            let start = text.find(raw, at, value, sequences);
            if is_long {
                repetitions.end_part(start, sequences);
            }
            at = end_of_digits(raw, start);
            repetitions.find(&raw[..at], start.max(value + HEAD), text, sequences)?;
        }
        sequences.end_part(raw.len());
        repetitions.is_complete().then_some(())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::super::recipe::noise;
    use super::super::tests::assert_is;
    use super::*;

    /// Rows of these values.
    pub(in super::super) fn rows(values: &[&[u8]]) -> Vec<u8> {
        let row = |(id, value): (usize, &&[u8])| {
            let digits = hex::encode_upper(value);
            format!("INSERT INTO `pictures` VALUES ({id},'picture {id}.png',640,0x{digits});\n")
        };
        values.iter().enumerate().map(row).collect::<String>().into_bytes()
    }

    type Values<'a> = &'a dyn Fn(u64) -> Vec<u8>;

    fn libdeflate(raw: &[u8], level: i32) -> usize {
        let mut compressor = libdeflater::Compressor::new(libdeflater::CompressionLvl::new(level).unwrap());
        let mut out = vec![0; compressor.deflate_compress_bound(raw.len())];
        compressor.deflate_compress(raw, &mut out).unwrap()
    }

    fn compress(raw: &[u8]) -> Option<usize> {
        let mut out = vec![0xaa; raw.len() + 1000];
        let size = HexEncoder::new().compress(raw, &mut out)?;
        assert_is(&out[..size], raw);
        Some(size)
    }

    /// Takes it, and makes at most so much more of it than libdeflate.
    fn assert_taken(raw: &[u8], share: f64, what: &str) {
        let size = compress(raw).unwrap_or_else(|| panic!("{what} is refused"));
        let other = libdeflate(raw, 6);
        assert!(size as f64 <= other as f64 * share, "{what}: {size} bytes, libdeflate {other}");
    }

    #[test]
    fn values_that_do_not_compress_are_taken_and_take_no_more() {
        for size in [300, 1000, 4000, 30_000, 600_000] {
            let values: Vec<_> = (0..(1 << 20) / size).map(|seed| noise(seed as u64, size)).collect();
            let values: Vec<_> = values.iter().map(Vec::as_slice).collect();
            assert_taken(&rows(&values), 1.0, &format!("values of {size} bytes"));
        }
    }

    #[test]
    fn a_member_may_begin_and_end_anywhere_in_a_value() {
        let raw = rows(&[&noise(1, 100_000), &noise(2, 70_000), &noise(3, 50_000)]);
        for (start, end) in [(1000, 150_000), (1001, 150_001), (190_000, 190_100), (210_003, raw.len())] {
            assert_taken(&raw[start..end], 1.0, &format!("{start} to {end}"));
        }
        let digits = hex::encode_upper(noise(4, 1 << 20));
        assert_taken(digits.as_bytes(), 1.0, "nothing but digits");
    }

    #[test]
    fn the_same_file_stored_again_is_found() {
        let files: Vec<_> = (0..100).map(|seed| noise(seed, 3000 + 50 * seed as usize)).collect();
        let again =
            |at: usize| files[if at.is_multiple_of(3) { at.saturating_sub(1) } else { at }].as_slice();
        let values: Vec<_> = (0..100).map(again).collect();
        assert_taken(&rows(&values), 1.0, "every third file");
        // One more byte before it: the digits stand elsewhere, and so does all that is looked up.
        let shifted: Vec<_> =
            files.iter().flat_map(|file| [file.clone(), [b"+", &file[..]].concat()]).collect();
        let values: Vec<_> = shifted.iter().map(Vec::as_slice).collect();
        assert_taken(&rows(&values[..60]), 1.005, "every second file");
    }

    #[test]
    fn text_between_values_is_compressed_too() {
        let text = "the quick brown fox jumps over the lazy dog; ".repeat(300);
        let mut raw = Vec::new();
        for seed in 0..10 {
            raw.extend_from_slice(text.as_bytes());
            raw.extend(rows(&[&noise(seed, 60_000)]));
        }
        assert_taken(&raw, 1.0, "a tenth of text");
    }

    #[test]
    fn values_that_compress_are_refused() {
        let words = |seed: u64, size| -> Vec<u8> {
            noise(seed, size).iter().flat_map(|&at| format!("word{at} ").into_bytes()).collect()
        };
        let numbers =
            |seed, size| -> Vec<u8> { noise(seed, size).iter().flat_map(|&n| [n, 0, 0, 0]).collect() };
        let walk = |seed, size| -> Vec<u8> {
            let step = |at: &mut u8, &noise: &u8| {
                *at = at.wrapping_mul(5).wrapping_add(noise & 7);
                Some(*at)
            };
            noise(seed, size).iter().scan(0, step).collect()
        };
        let sparse = |seed, size| -> Vec<u8> {
            noise(seed, size).chunks(200).flat_map(|chunk| [chunk, &[0; 100]].concat()).collect()
        };
        let cases: [(&str, Values<'_>); 6] = [
            ("zeros", &|_| vec![0; 5000]),
            ("text", &|seed| words(seed, 1000)),
            ("numbers", &|seed| numbers(seed, 1000)),
            ("steps", &|seed| walk(seed, 5000)),
            ("sparse", &|seed| sparse(seed, 5000)),
            ("one and the same", &|_| noise(1, 5000)),
        ];
        for (what, value) in cases {
            let values: Vec<_> = (0..100).map(value).collect();
            let values: Vec<_> = values.iter().map(Vec::as_slice).collect();
            assert_eq!(compress(&rows(&values)), None, "{what}");
        }
        assert_eq!(compress(&words(1, 100_000)), None, "no digits");
    }

    proptest! {
        #[test]
        fn whatever_is_taken_comes_back(
            pieces in proptest::collection::vec(
                prop_oneof![
                    (any::<u64>(), 0..3000_usize).prop_map(|(seed, size)| hex::encode_upper(noise(seed % 8, size))),
                    (0..16_u8, 0..600_usize).prop_map(|(digit, times)| format!("{digit:X}").repeat(times)),
                    "[ -~]{0,60}".prop_map(|text| text),
                    ("[0-9A-F]{1,9}", 1..80_usize).prop_map(|(digits, times)| digits.repeat(times)),
                ],
                0..40,
            ),
        ) {
            compress(pieces.concat().as_bytes());
        }
    }
}
