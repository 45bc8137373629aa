//! Compresses what a member holds: libdeflate does, and for binary values an encoder of our own.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "what is cast here is at most as large as a member, a match's length or its distance"
)]

mod bits;
mod block;
mod digits;
mod header;
mod hex;
mod huffman;
mod part;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod recipe;
mod repetition;
mod sequence;
mod text;

use libdeflater::CompressionLvl;

use self::digits::looks_binary;
use self::hex::HexEncoder;
use crate::error::{Error, Result};

/// A DEFLATE compressor (RFC 1951); keeps its tables from one member to the next.
pub(crate) struct Deflater {
    general: libdeflater::Compressor,
    /// Whether time counts. Where it does not, libdeflate saves a quarter of a percent.
    is_fast: bool,
    hex: Option<HexEncoder>,
}

/// From this level on libdeflate looks for the smallest result, at any cost.
const SMALLEST: i32 = 10;

impl Deflater {
    pub(crate) fn new(level: CompressionLvl) -> Self {
        Self { general: libdeflater::Compressor::new(level), is_fast: i32::from(level) < SMALLEST, hex: None }
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
        if self.is_fast && looks_binary(raw) {
            let hex = self.hex.get_or_insert_with(HexEncoder::new);
            if let Some(size) = hex.compress(raw, out) {
                return Ok(size);
            }
        }
        let failed = |error| Error::Stream { action: "compress", source: std::io::Error::other(error) };
        self.general.deflate_compress(raw, out).map_err(failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stream is what both of the readers that we know make of it.
    pub(super) fn assert_is(stream: &[u8], raw: &[u8]) {
        assert_eq!(recipe::misread(stream, raw), None);
    }

    /// Nobody looks at a backup's SQL before it is needed: a byte that our encoder gets wrong is lost.
    #[test]
    fn whatever_is_cooked_comes_back() {
        let (mut taken, mut tried) = (0, 0);
        for seed in 0..1500_u64 {
            let recipe = recipe::noise(seed, 4 * (1 + seed as usize % 24));
            taken += recipe::prove(&recipe);
            tried += 1;
        }
        // Most are nothing for the encoder; of those that are, there must be enough.
        assert!(taken > 100, "{taken} of {tried}");
        eprintln!(
            "torture: deflate: {tried} members of any sequences and {taken} taken by the encoder, 0 differ"
        );
    }

    #[test]
    fn whatever_a_member_holds_comes_back_and_one_buffer_serves_all() {
        let noise = super::recipe::noise(7, 300 << 10);
        let binary = super::hex::tests::rows(&[&noise]);
        let text = "INSERT INTO t VALUES (1,'abc');\n".repeat(5000);
        let mut deflater = Deflater::new(CompressionLvl::default());
        let mut out = Vec::new();
        for raw in [text.as_bytes(), &binary, b"", b"x", &noise, &binary[..100_000], &binary[100_000..]] {
            let bound = deflater.bound(raw.len());
            out.resize(out.len().max(bound), 0xaa);
            let size = deflater.compress(raw, &mut out).unwrap();
            assert!(size <= bound);
            assert_is(&out[..size], raw);
        }
        assert!(deflater.hex.is_some());
    }
}
