//! Compresses what a member holds. libdeflate does; of binary values that are compressed already, which are digits that
//! tell nothing of one another, zlib-rs makes Huffman codes without a search for repetitions, in less than half of the time.

pub(super) mod digits;

use libdeflater::CompressionLvl;
use zlib_rs::{DeflateConfig, ReturnCode};

use crate::error::{Error, Result};

/// From this level on the smallest result is wanted, at any cost.
const SMALLEST: i32 = 10;
/// A DEFLATE stream without a header or a trailer, with a window of 2^15 bytes.
const RAW: i32 = -15;
/// How many literals share a code, as zlib means it: 9 is the most, which is 32 Ki.
const LITERALS: i32 = 9;

/// A DEFLATE compressor (RFC 1951); keeps its tables from one member to the next.
pub(crate) struct Deflater {
    general: libdeflater::Compressor,
    /// Whether time counts.
    is_fast: bool,
}

impl Deflater {
    pub(crate) fn new(level: CompressionLvl) -> Self {
        Self { general: libdeflater::Compressor::new(level), is_fast: i32::from(level) < SMALLEST }
    }

    /// The most that so much takes when it is compressed, in bytes.
    pub(crate) fn bound(&mut self, raw_size: usize) -> usize {
        self.general.deflate_compress_bound(raw_size)
    }

    /// Compresses `raw` into `out`, which has room for [`Deflater::bound`] bytes. Returns the size in bytes.
    ///
    /// # Errors
    /// There is not so much room.
    pub(crate) fn compress(&mut self, raw: &[u8], out: &mut [u8]) -> Result<usize> {
        if self.is_fast
            && digits::are_most_of(raw)
            && self.finds_nothing_in(digits::sample(raw), out)?
            && let Some(size) = compress_without_search(raw, out)
        {
            return Ok(size);
        }
        self.search(raw, out)
    }

    /// Whether a search for repetitions makes hardly anything of the sample: less than a hundredth beside what codes alone
    /// make of it.
    fn finds_nothing_in(&mut self, sample: &[u8], out: &mut [u8]) -> Result<bool> {
        let searched = self.search(sample, out)?;
        Ok(compress_without_search(sample, out).is_some_and(|coded| coded * 100 <= searched * 101))
    }

    fn search(&mut self, raw: &[u8], out: &mut [u8]) -> Result<usize> {
        let failed = |error| Error::Stream { action: "compress", source: std::io::Error::other(error) };
        self.general.deflate_compress(raw, out).map_err(failed)
    }
}

/// Gives each byte a code by how often it occurs, and nothing else. None where that does not fit into `out`.
fn compress_without_search(raw: &[u8], out: &mut [u8]) -> Option<usize> {
    let config = DeflateConfig {
        window_bits: RAW,
        mem_level: LITERALS,
        strategy: zlib_rs::Strategy::HuffmanOnly,
        ..DeflateConfig::best_speed()
    };
    let (written, outcome) = zlib_rs::compress_slice(out, raw, config);
    (outcome == ReturnCode::Ok).then_some(written.len())
}

/// Bytes that nobody can compress.
#[cfg(test)]
pub(crate) fn noise(seed: u64, size: usize) -> Vec<u8> {
    let block = |at: u64| xxhash_rust::xxh3::xxh3_64_with_seed(&at.to_le_bytes(), seed).to_le_bytes();
    (0..size.div_ceil(8) as u64).flat_map(block).take(size).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Rows of these values.
    fn rows(values: impl IntoIterator<Item = Vec<u8>>) -> Vec<u8> {
        let row = |(id, value): (usize, Vec<u8>)| {
            let digits = hex::encode_upper(value);
            format!("INSERT INTO `pictures` VALUES ({id},'picture {id}.png',640,0x{digits});\n")
        };
        values.into_iter().enumerate().map(row).collect::<String>().into_bytes()
    }

    /// Compresses, and proves the stream with two readers that know nothing of each other. Returns its size.
    fn compress(level: i32, raw: &[u8]) -> usize {
        let mut deflater = Deflater::new(CompressionLvl::new(level).unwrap());
        let mut stream = vec![0xaa; deflater.bound(raw.len())];
        let size = deflater.compress(raw, &mut stream).unwrap();
        stream.truncate(size);
        assert_is(&stream, raw);
        size
    }

    fn assert_is(stream: &[u8], raw: &[u8]) {
        let mut back = vec![0; raw.len()];
        assert_eq!(libdeflater::Decompressor::new().deflate_decompress(stream, &mut back), Ok(raw.len()));
        assert!(back == raw, "libdeflate reads what was written");
        let mut zlib = flate2::Decompress::new(false);
        let mut back = vec![0; raw.len() + 1];
        let end = zlib.decompress(stream, &mut back, flate2::FlushDecompress::Finish);
        assert_eq!(end.unwrap(), flate2::Status::StreamEnd);
        assert!(back[..raw.len()] == *raw && zlib.total_out() == raw.len() as u64, "and so does zlib");
        assert_eq!(zlib.total_in(), stream.len() as u64, "gunzip looks for the checksum right after it");
    }

    fn libdeflate(level: i32, raw: &[u8]) -> usize {
        let mut compressor = libdeflater::Compressor::new(CompressionLvl::new(level).unwrap());
        let mut out = vec![0; compressor.deflate_compress_bound(raw.len())];
        compressor.deflate_compress(raw, &mut out).unwrap()
    }

    fn is_searched(level: i32, raw: &[u8]) -> bool {
        let mut deflater = Deflater::new(CompressionLvl::new(level).unwrap());
        let mut out = vec![0; deflater.bound(raw.len())];
        let size = deflater.compress(raw, &mut out).unwrap();
        out[..size] == {
            let mut other = vec![0; out.len()];
            let size = deflater.search(raw, &mut other).unwrap();
            other.truncate(size);
            other
        }[..]
    }

    /// A backup of pictures must take neither hours nor half as much again; one of text in BLOBs must be as small as ever.
    #[test]
    fn a_search_is_left_out_only_where_it_finds_nothing() {
        let text = |seed, size: usize| -> Vec<u8> {
            noise(seed, size / 7).iter().flat_map(|&at| format!("word{at} ").into_bytes()).collect()
        };
        let numbers =
            |seed, size| -> Vec<u8> { noise(seed, size).iter().flat_map(|&n| [n, 0, 0, 0]).collect() };
        let many = |value: &dyn Fn(u64) -> Vec<u8>| rows((0..40).map(value));
        let cases: [(&str, Vec<u8>, i32, bool); 11] = [
            ("nothing but digits", hex::encode_upper(noise(4, 1 << 20)).into_bytes(), 5, false),
            ("files of 4 KiB", many(&|seed| noise(seed, 4 << 10)), 5, false),
            ("files of 64 KiB", many(&|seed| noise(seed, 64 << 10)), 5, false),
            ("at the fastest level too", many(&|seed| noise(seed, 64 << 10)), 1, false),
            ("where size counts more than time", many(&|seed| noise(seed, 64 << 10)), 10, true),
            ("files of 300 bytes", rows((0..2000).map(|seed| noise(seed, 300))), 5, true),
            ("zeros", many(&|_| vec![0; 5000]), 5, true),
            ("text", many(&|seed| text(seed, 5000)), 5, true),
            ("numbers", many(&|seed| numbers(seed, 1000)), 5, true),
            ("one file again and again", many(&|_| noise(1, 5000)), 5, true),
            ("no digits", text(1, 100_000), 5, true),
        ];
        for (what, raw, level, searched) in cases {
            assert_eq!(is_searched(level, &raw), searched, "{what}");
            let (size, other) = (compress(level, &raw), libdeflate(level, &raw));
            // A sample is not the whole, but nearly.
            assert!(size * 100 <= other * 102, "{what}: {size} bytes, libdeflate {other}");
        }
    }

    #[test]
    fn one_compressor_serves_members_of_all_kinds() {
        let binary = rows([noise(7, 300 << 10)]);
        let text = "INSERT INTO t VALUES (1,'abc');\n".repeat(5000);
        let mut deflater = Deflater::new(CompressionLvl::default());
        let mut out = Vec::new();
        for raw in
            [text.as_bytes(), &binary, b"", b"x", &noise(8, 300 << 10), &binary[..100_000], &binary[99_999..]]
        {
            let bound = deflater.bound(raw.len());
            out.resize(out.len().max(bound), 0xaa);
            let size = deflater.compress(raw, &mut out).unwrap();
            assert!(size <= bound);
            assert_is(&out[..size], raw);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        /// Nobody looks at a backup's SQL before it is needed: a byte that comes back as another one is lost.
        #[test]
        fn whatever_a_member_holds_comes_back(
            pieces in proptest::collection::vec(
                prop_oneof![
                    (any::<u64>(), 0..40_000_usize).prop_map(|(seed, size)| hex::encode_upper(noise(seed % 8, size))),
                    (any::<u64>(), 0..40_000_usize).prop_map(|(seed, size)| hex::encode_upper(noise(seed, size))),
                    (0..16_u8, 0..600_usize).prop_map(|(digit, times)| format!("{digit:X}").repeat(times)),
                    "[ -~]{0,60}".prop_map(|text| text),
                    ("[0-9A-F]{1,9}", 1..80_usize).prop_map(|(digits, times)| digits.repeat(times)),
                ],
                0..12,
            ),
            level in 1..=12,
        ) {
            compress(level, pieces.concat().as_bytes());
        }
    }
}
