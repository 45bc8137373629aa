//! Members for the proof of our encoder, cooked from any bytes: what a dump writes, and repetitions where the format has
//! its edges. A fuzzer changes the bytes, a test draws them.

use super::block::BlockEncoder;
use super::hex::HexEncoder;
use super::sequence::{MAX_MATCH, MIN_MATCH, Sequence, WINDOW};

/// No member grows beyond this, in bytes, so that many of them can be tried.
const LARGEST: usize = 300 << 10;
/// Sizes and distances that matter: of a match, of what is remembered and looked up, of the window, of a part, of what
/// looks binary.
const EDGES: [usize; 16] =
    [0, 1, 3, 8, 16, 32, 63, 240, 258, 1024, 2 << 10, 4 << 10, 16 << 10, WINDOW, 64 << 10, 128 << 10];

/// A member, and one way to write it: its sequences.
#[derive(Default)]
struct Dish {
    raw: Vec<u8>,
    sequences: Vec<Sequence>,
    /// How many literals wait for a match.
    literals: usize,
}

impl Dish {
    /// Cooks what the bytes say: each step is a byte for what, two for how much, one for which.
    fn cook(recipe: &[u8]) -> Self {
        let mut dish = Self::default();
        let mut rest = recipe;
        while let Some((&[what, size, fine, which], after)) = rest.split_first_chunk::<4>() {
            rest = after;
            if dish.raw.len() >= LARGEST {
                break;
            }
            // Around an edge, or anything up to 64 KiB.
            let size = match what >> 4 {
                0..8 => {
                    EDGES[usize::from(size % 16)].saturating_add_signed(isize::from(fine.cast_signed() % 4))
                }
                8..12 => usize::from(size),
                _ => usize::from(u16::from_le_bytes([fine, size])),
            };
            match what % 16 {
                // Values, as most of them are.
                0..5 => dish.digits(&noise(which.into(), size / 2)),
                5 => dish.digits(&vec![which; size / 2]),
                6 => dish.put(&vec![b"0123456789ABCDEFxyz,(' \n\0"[usize::from(which) % 25]; size]),
                7 => dish.put(
                    &[which >> 4, which & 15]
                        .map(|digit| b"0123456789ABCDEF"[usize::from(digit)])
                        .repeat(size / 2),
                ),
                8 => dish.row(which),
                9 => dish.put(&vec![which; size]),
                10 => {
                    let (text, after) = rest.split_at(rest.len().min(size % 64));
                    dish.put(text);
                    rest = after;
                }
                11 => dish.end_part(),
                // What stood there before, and perhaps somewhat else in the middle of it.
                12 => dish.again(size, usize::from(which)),
                _ => dish.again(
                    EDGES[usize::from(which) % 16].saturating_add_signed(isize::from(which >> 4) - 8),
                    size,
                ),
            }
        }
        dish.end_part();
        dish
    }

    fn put(&mut self, bytes: &[u8]) {
        self.raw.extend_from_slice(bytes);
        self.literals += bytes.len();
    }

    fn digits(&mut self, value: &[u8]) {
        self.put(hex::encode_upper(value).as_bytes());
    }

    fn row(&mut self, which: u8) {
        let rows = [
            "INSERT INTO `files` (`id`, `name`, `data`) VALUES (1,'a.png',0x",
            "),\n(2,'photo 2.jpg','image/jpeg',640,NULL,0x",
            ",'2024-02-31 00:00:00','a long comment, and another long comment',0x",
            ");\nINSERT INTO `files` VALUES (3,'\u{c5fc}\u{b78f}.gif',0x",
        ];
        self.put(rows[usize::from(which) % 4].as_bytes());
    }

    /// So many bytes as they stood so far back, as matches.
    fn again(&mut self, distance: usize, mut size: usize) {
        let distance = distance.clamp(1, WINDOW);
        if distance > self.raw.len() {
            return;
        }
        while size >= MIN_MATCH {
            let length = size.min(MAX_MATCH);
            for _ in 0..length {
                self.raw.push(self.raw[self.raw.len() - distance]);
            }
            let literals = std::mem::take(&mut self.literals);
            self.sequences.push(Sequence { literals, length: length as u16, distance: distance as u16 });
            size -= length;
        }
    }

    fn end_part(&mut self) {
        let literals = std::mem::take(&mut self.literals);
        self.sequences.push(Sequence { literals, length: 0, distance: 0 });
    }
}

/// Bytes that nobody can compress.
pub(crate) fn noise(seed: u64, size: usize) -> Vec<u8> {
    let block = |at: u64| xxhash_rust::xxh3::xxh3_64_with_seed(&at.to_le_bytes(), seed).to_le_bytes();
    (0..size.div_ceil(8) as u64).flat_map(block).take(size).collect()
}

/// Proves our encoder with a member that is cooked from any bytes, and with the bytes themselves. Returns how many it
/// took.
///
/// # Panics
/// Where it writes something else than it was given, or more than it has room for.
pub(crate) fn prove(recipe: &[u8]) -> usize {
    let dish = Dish::cook(recipe);
    let raw = &dish.raw[..];
    let mut out = vec![0xaa; 2 * raw.len().max(recipe.len()) + 1000];
    let size = BlockEncoder::new().encode(raw, &dish.sequences, &mut out);
    assert_eq!(size.and_then(|size| misread(&out[..size], raw)), None, "any sequences");
    assert!(size.is_some(), "there is room for any sequences");

    // One encoder takes members after one another, and each must be as if it were the first.
    let mut encoder = HexEncoder::new();
    let edge = recipe.first().map_or(0, |first| usize::from(*first) * raw.len() / 256);
    let members = [raw, &raw[..edge], &raw[edge..], recipe, raw];
    let taken = members.into_iter().filter(|member| {
        let Some(size) = encoder.compress(member, &mut out) else { return false };
        assert_eq!(misread(&out[..size], member), None);
        let first = out[..size].to_vec();
        for room in [0, size.saturating_sub(1), size, size + 15, size + 17, member.len()] {
            let again = encoder.compress(member, &mut out[..room]);
            assert!(again.is_none_or(|again| again == size && out[..size] == first), "{room} for {size}");
        }
        true
    });
    taken.count()
}

/// What is wrong with a DEFLATE stream that should be `raw`, as two readers see it that know nothing of each other.
pub(crate) fn misread(stream: &[u8], raw: &[u8]) -> Option<&'static str> {
    let mut back = vec![0xaa; raw.len()];
    match libdeflater::Decompressor::new().deflate_decompress(stream, &mut back) {
        Ok(size) if size == raw.len() && back == raw => {}
        Ok(_) => return Some("libdeflate reads something else"),
        Err(_) => return Some("libdeflate does not read it"),
    }
    // One byte more than there should be.
    let mut back = vec![0xaa; raw.len() + 1];
    let mut zlib = flate2::Decompress::new(false);
    match zlib.decompress(stream, &mut back, flate2::FlushDecompress::Finish) {
        Ok(flate2::Status::StreamEnd)
            if zlib.total_out() == raw.len() as u64 && back[..raw.len()] == *raw => {}
        Ok(flate2::Status::StreamEnd) => return Some("zlib reads something else"),
        _ => return Some("zlib does not read it"),
    }
    // gunzip looks for the checksum right after it.
    (zlib.total_in() != stream.len() as u64).then_some("something follows it")
}
