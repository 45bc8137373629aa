//! Frames of Zstandard (RFC 8878) as members hold them: one for each member, with its content's size and checksum, and
//! with a window as large as the content. The header of such a frame follows from that size, so no bit of it can change
//! unnoticed.

use zstd::zstd_safe::{CCtx, CParameter, DCtx, compress_bound, find_frame_compressed_size, get_error_name};

use super::deflate::digits;
use crate::error::{Error, Result};

/// What every frame begins with.
const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// Frame header descriptor: one segment, and the content's checksum at the end.
const DESCRIPTOR: u8 = 0x20 | 0x04;
/// The window covers the largest member (2^23 bytes), and a smaller one's whole content. zstd(1) reads up to 2^27.
const WINDOW_LOG: u32 = 23;
/// Up to this level, which are those that look for few repetitions, members of binary values are compressed in another way.
const FAST: i32 = 2;
/// The hash table for binary values has 2^17 places, and not 2^14 as at level 1: one that is found is a whole value.
const HASH_LOG_OF_DIGITS: u32 = 17;
/// Repetitions of fewer digits are none of a value.
const LEAST_MATCH_OF_DIGITS: u32 = 7;
/// The least that a frame takes, in bytes: magic, descriptor, size, the header of one block, checksum.
pub(super) const LEAST_SIZE: usize = 4 + 1 + 1 + 3 + 4;

/// The header of the frame whose content has this size in bytes, at most [`WINDOW_LOG`] bits of it.
fn header(content_size: usize) -> Vec<u8> {
    let mut header = MAGIC.to_vec();
    match (u8::try_from(content_size), u16::try_from(content_size.saturating_sub(256))) {
        (Ok(size), _) => header.extend([DESCRIPTOR, size]),
        (_, Ok(size)) => {
            header.push(DESCRIPTOR | 1 << 6);
            header.extend(size.to_le_bytes());
        }
        _ => {
            header.push(DESCRIPTOR | 2 << 6);
            header.extend(&content_size.to_le_bytes()[..4]);
        }
    }
    header
}

/// Writes frames; keeps its tables from one to the next.
pub(crate) struct FrameWriter {
    context: CCtx<'static>,
    /// Whether few repetitions are looked for.
    is_fast: bool,
    /// Whether the context is set for binary values.
    is_for_digits: bool,
}

impl FrameWriter {
    /// # Errors
    /// There is no memory, or no such level.
    pub(crate) fn new(level: i32) -> Result<Self> {
        let mut context = CCtx::try_create().ok_or_else(|| failed("out of memory"))?;
        for parameter in [
            CParameter::CompressionLevel(level),
            CParameter::WindowLog(WINDOW_LOG),
            CParameter::ContentSizeFlag(true),
            CParameter::ChecksumFlag(true),
        ] {
            context.set_parameter(parameter).map_err(|code| failed(get_error_name(code)))?;
        }
        Ok(Self { context, is_fast: level <= FAST, is_for_digits: false })
    }

    /// Sets the context for binary values, or for everything else, which is what 0 says.
    fn set_for_digits(&mut self, is_for_digits: bool) -> Result<()> {
        if self.is_for_digits == is_for_digits {
            return Ok(());
        }
        let (hash_log, least_match) =
            if is_for_digits { (HASH_LOG_OF_DIGITS, LEAST_MATCH_OF_DIGITS) } else { (0, 0) };
        for parameter in [CParameter::HashLog(hash_log), CParameter::MinMatch(least_match)] {
            self.context.set_parameter(parameter).map_err(|code| failed(get_error_name(code)))?;
        }
        self.is_for_digits = is_for_digits;
        Ok(())
    }

    /// The most that the frame of so many bytes takes, in bytes.
    pub(crate) fn bound(raw_size: usize) -> usize {
        compress_bound(raw_size)
    }

    /// Compresses `raw` into `out`, which has room for [`FrameWriter::bound`] bytes. Returns the size in bytes.
    ///
    /// # Errors
    /// There is not so much room, or the frame is none that a reader of artifacts takes.
    pub(crate) fn compress(&mut self, raw: &[u8], out: &mut [u8]) -> Result<usize> {
        self.set_for_digits(self.is_fast && digits::are_most_of(raw))?;
        let size = self.context.compress2(out, raw).map_err(|code| failed(get_error_name(code)))?;
        if out.starts_with(&header(raw.len())) { Ok(size) } else { Err(failed("a frame of another kind")) }
    }
}

/// Reads frames; keeps its tables from one to the next.
pub(crate) struct FrameReader {
    context: DCtx<'static>,
}

impl FrameReader {
    pub(crate) fn new() -> Self {
        Self { context: DCtx::create() }
    }

    /// Decompresses one frame into the place of what `raw` holds. None where the bytes are not exactly one frame of a
    /// content of this size, or the content differs from its checksum.
    pub(crate) fn decompress(&mut self, frame: &[u8], raw_size: usize, mut raw: Vec<u8>) -> Option<Vec<u8>> {
        let alone =
            frame.starts_with(&header(raw_size)) && find_frame_compressed_size(frame) == Ok(frame.len());
        if !alone {
            return None;
        }
        raw.clear();
        raw.reserve(raw_size);
        let got = self.context.decompress(&mut raw, frame).ok()?;
        (got == raw_size && raw.len() == raw_size).then_some(raw)
    }
}

fn failed(problem: &str) -> Error {
    Error::Stream { action: "compress", source: std::io::Error::other(problem.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::noise;

    fn frame(writer: &mut FrameWriter, raw: &[u8]) -> Vec<u8> {
        let mut out = vec![0xaa; FrameWriter::bound(raw.len())];
        let size = writer.compress(raw, &mut out).unwrap();
        out.truncate(size);
        out
    }

    #[test]
    fn contents_of_every_size_come_back_at_every_level() {
        let text = "INSERT INTO `t` VALUES (1,'abc'),(2,'abd');\n".repeat(200_000);
        let mut reader = FrameReader::new();
        for level in [1, 2, 3, 6, 12, 19] {
            let mut writer = FrameWriter::new(level).unwrap();
            for size in [0, 1, 255, 256, 257, 65_535, 65_791, 65_792, 300_000, 600_000] {
                for raw in [&text.as_bytes()[..size], &noise(size as u64, size)] {
                    let frame = frame(&mut writer, raw);
                    assert!(frame.len() >= LEAST_SIZE);
                    assert!(reader.decompress(&frame, size, vec![1; 99]).unwrap() == raw, "{level} {size}");
                    assert_eq!(zstd::decode_all(&frame[..]).unwrap(), raw, "a reader of streams");
                    assert_eq!(reader.decompress(&frame, size + 1, Vec::new()), None);
                }
            }
        }
        // The largest member there is.
        let most = &text.as_bytes()[..8 << 20];
        let frame = frame(&mut FrameWriter::new(1).unwrap(), most);
        assert!(reader.decompress(&frame, most.len(), Vec::new()).unwrap() == most);
    }

    /// Pictures that are there again and again must not make a backup larger than a stream of zstd's own would.
    #[test]
    fn binary_values_that_come_again_are_found_far_away() {
        let value = |seed| hex::encode_upper(noise(seed, 600));
        let rows = |values: &[u64]| -> Vec<u8> {
            values.iter().flat_map(|seed| format!("(1,0x{}),\n", value(*seed)).into_bytes()).collect()
        };
        let seeds: Vec<u64> = (0..1200).collect();
        let (alone, twice) = (rows(&seeds), rows(&seeds.repeat(2)));
        let mut writer = FrameWriter::new(1).unwrap();
        // What was compressed before is of no matter, whatever it was.
        let text = "INSERT INTO `t` VALUES (1,'abc');\n".repeat(5000);
        let of_text = frame(&mut writer, text.as_bytes());
        let (one, two) = (frame(&mut writer, &alone), frame(&mut writer, &twice));
        assert!(two.len() * 10 < one.len() * 11, "{} and {}", one.len(), two.len());
        assert_eq!(frame(&mut writer, text.as_bytes()), of_text);
        assert!(FrameReader::new().decompress(&two, twice.len(), Vec::new()).unwrap() == twice);
    }

    #[test]
    fn what_is_not_exactly_one_frame_is_damaged() {
        let mut writer = FrameWriter::new(1).unwrap();
        let mut reader = FrameReader::new();
        let raw = b"SELECT 1;\n".repeat(50);
        let sound = frame(&mut writer, &raw);
        let skippable = [0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0];
        for (what, bytes) in [
            ("a byte after it", [&sound[..], b"x"].concat()),
            ("an empty frame after it", [sound.clone(), frame(&mut writer, b"")].concat()),
            ("a skippable frame after it", [&sound[..], &skippable].concat()),
            ("a skippable frame before it", [&skippable, &sound[..]].concat()),
            ("nothing", Vec::new()),
        ] {
            assert_eq!(reader.decompress(&bytes, raw.len(), Vec::new()), None, "{what}");
        }
        for end in 0..sound.len() {
            assert_eq!(reader.decompress(&sound[..end], raw.len(), Vec::new()), None, "cut at {end}");
        }
        for bit in 0..8 * sound.len() {
            let mut flipped = sound.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            // What is not looked at by any decoder changes no content.
            let back = reader.decompress(&flipped, raw.len(), Vec::new());
            assert!(back.is_none() || bit >= 8 * 7 && back.as_ref() == Some(&raw), "bit {bit}");
        }
        assert_eq!(reader.decompress(&sound, raw.len(), Vec::new()), Some(raw));
    }
}
