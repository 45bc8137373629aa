//! The bytes of an artifact: gzip members (RFC 1952) whose extra field says what they are.
//!
//! `docs/FORMAT.md` is this module in prose. All integers are little-endian. Every member has the same fixed
//! header but for its extra field, and the parser takes nothing else, so that no bit of it can change unnoticed.

use super::crc32::Crc32;
use super::deflate::Deflater;
use crate::error::Result;

/// The gzip header before the extra field: deflate, FEXTRA, no time, no flags, unknown system.
const GZIP_HEADER: [u8; 10] = [0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 255];
/// The extra field's identifier.
const SUBFIELD: [u8; 2] = *b"FW";
/// The version of this format.
const VERSION: u8 = 1;
/// What an empty deflate stream is: one final block with fixed codes that ends at once.
const EMPTY_DEFLATE: [u8; 2] = [0x03, 0x00];
/// CRC-32 and size of what a member decompresses to.
const TRAILER_SIZE: usize = 8;
/// Header, XLEN, subfield identifier and length: what stands before a member's payload.
const BEFORE_PAYLOAD: usize = 16;
/// Version, kind and flags: what every payload begins with.
const PAYLOAD_HEAD: usize = 4;

/// A data member's header, in bytes.
pub(crate) const DATA_HEADER_SIZE: usize = BEFORE_PAYLOAD + PAYLOAD_HEAD + 24;
/// How much of the core a footer member holds, in bytes: its extra field stays under 64 KiB.
pub(crate) const PIECE_SIZE: usize = 60_000;
/// What a footer member takes beside its piece, in bytes.
pub(crate) const PIECE_OVERHEAD: usize = BEFORE_PAYLOAD + PAYLOAD_HEAD + EMPTY_DEFLATE.len() + TRAILER_SIZE;
/// The last member's size, in bytes.
pub(crate) const END_SIZE: usize = PIECE_OVERHEAD + 16 + 64;
/// The most that a member may decompress to, in bytes: what a reader allocates at most.
pub(crate) const MAX_RAW: u64 = 8 << 20;
/// The most that a member may take, in bytes: incompressible data grows by less than a thousandth.
pub(crate) const MAX_SIZE: u64 = MAX_RAW + (MAX_RAW >> 8) + 1024;
/// The most that a core may take, in bytes: some 250 for each of a million sections.
pub(crate) const MAX_CORE: u64 = 256 << 20;

/// What a member is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Kind {
    Data = 0,
    Piece = 1,
    End = 2,
}

/// What a data member says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DataHeader {
    /// Flags: see the constants.
    pub(crate) flags: u16,
    /// Its size in the artifact, header and trailer included, in bytes.
    pub(crate) size: u64,
    /// The size of what it decompresses to, in bytes.
    pub(crate) raw_size: u64,
    /// Rows that end in it.
    pub(crate) rows: u64,
}

impl DataHeader {
    /// Flag: a section begins with this member.
    pub(crate) const SECTION: u16 = 1;
    /// Flag: it holds nothing but `INSERT` statements, or parts of one.
    pub(crate) const DATA: u16 = 2;
    /// Flag: it begins inside a statement.
    pub(crate) const CONTINUES: u16 = 4;

    /// Whether a flag is set.
    pub(crate) fn has(&self, flag: u16) -> bool {
        self.flags & flag != 0
    }

    fn encode(&self) -> [u8; DATA_HEADER_SIZE] {
        let mut bytes = [0; DATA_HEADER_SIZE];
        let mut payload = Vec::with_capacity(DATA_HEADER_SIZE);
        put_head(&mut payload, Kind::Data, self.flags, DATA_HEADER_SIZE - BEFORE_PAYLOAD);
        for number in [self.size, self.raw_size, self.rows] {
            payload.extend_from_slice(&number.to_le_bytes());
        }
        bytes.copy_from_slice(&payload);
        bytes
    }

    /// Reads a data member's header; none where the bytes are something else.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.get(..DATA_HEADER_SIZE)?;
        let at = BEFORE_PAYLOAD + PAYLOAD_HEAD;
        let header = Self {
            flags: u16::from_le_bytes(bytes[at - 2..at].try_into().ok()?),
            size: number(bytes, at)?,
            raw_size: number(bytes, at + 8)?,
            rows: number(bytes, at + 16)?,
        };
        let least = (DATA_HEADER_SIZE + EMPTY_DEFLATE.len() + TRAILER_SIZE) as u64;
        let sane = (least..=MAX_SIZE).contains(&header.size) && header.raw_size <= MAX_RAW;
        (sane && header.encode() == bytes).then_some(header)
    }
}

fn put_head(out: &mut Vec<u8>, kind: Kind, flags: u16, payload: usize) {
    // A payload is at most PIECE_SIZE and a few bytes, which fits 16 bits.
    let length = u16::try_from(payload).unwrap_or(u16::MAX);
    out.extend_from_slice(&GZIP_HEADER);
    out.extend_from_slice(&(length + 4).to_le_bytes());
    out.extend_from_slice(&SUBFIELD);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&[VERSION, kind as u8]);
    out.extend_from_slice(&flags.to_le_bytes());
}

fn number(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

/// Compresses `raw` into a data member. `room` is where it does that, and may be used again.
///
/// # Errors
/// There is not enough room, which the compressor's own bound excludes.
pub(crate) fn data_member(
    deflater: &mut Deflater,
    raw: &[u8],
    flags: u16,
    rows: u64,
    room: &mut Vec<u8>,
) -> Result<Vec<u8>> {
    let bound = deflater.bound(raw.len());
    if room.len() < bound {
        room.resize(bound, 0);
    }
    let packed = deflater.compress(raw, room)?;
    let size = DATA_HEADER_SIZE + packed + TRAILER_SIZE;
    let header = DataHeader { flags, size: size as u64, raw_size: raw.len() as u64, rows };
    let mut member = Vec::with_capacity(size);
    member.extend_from_slice(&header.encode());
    member.extend_from_slice(&room[..packed]);
    member.extend_from_slice(&libdeflater::crc32(raw).to_le_bytes());
    member.extend_from_slice(&low_32(raw.len()).to_le_bytes());
    Ok(member)
}

/// ISIZE of RFC 1952: the size modulo 2^32.
fn low_32(size: usize) -> u32 {
    (size as u64 & 0xffff_ffff) as u32
}

/// What a whole data member decompresses to, as its trailer says.
pub(crate) fn crc32_of(member: &[u8]) -> Crc32 {
    let Some([a, b, c, d, size @ ..]) = member.last_chunk::<TRAILER_SIZE>() else { return Crc32::default() };
    Crc32::known(u32::from_le_bytes([*a, *b, *c, *d]), u32::from_le_bytes(*size).into())
}

/// Decompresses a whole data member. None where it is not what its header and trailer say, or where gunzip would look for
/// the trailer elsewhere, because the stream ends sooner.
pub(crate) fn decompress(
    decompressor: &mut libdeflater::Decompressor,
    member: &[u8],
    header: &DataHeader,
    mut raw: Vec<u8>,
) -> Option<Vec<u8>> {
    let size = usize::try_from(header.raw_size).ok()?;
    raw.resize(size, 0);
    let got = decompressor.gzip_decompress(member, &mut raw).ok()?;
    let trailer = member.last_chunk::<TRAILER_SIZE>()?;
    let sound = got == size
        && trailer[..4] == libdeflater::crc32(&raw).to_le_bytes()
        && trailer[4..] == low_32(size).to_le_bytes();
    sound.then_some(raw)
}

/// The footer but for its last member: the core in pieces.
pub(crate) fn footer_pieces(core: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(core.len() + core.len() / 1000 + 64);
    for (index, piece) in core.chunks(PIECE_SIZE).enumerate() {
        let index = u16::try_from(index & 0xffff).unwrap_or(u16::MAX);
        put_head(&mut out, Kind::Piece, index, PAYLOAD_HEAD + piece.len());
        out.extend_from_slice(piece);
        put_empty_end(&mut out);
    }
    out
}

fn put_empty_end(out: &mut Vec<u8>) {
    out.extend_from_slice(&EMPTY_DEFLATE);
    out.extend_from_slice(&[0; TRAILER_SIZE]);
}

/// The last member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct End {
    /// Where the footer begins, in bytes.
    pub(crate) footer_offset: u64,
    /// The core's size, in bytes.
    pub(crate) core_size: u64,
    /// SHA-256 of the core.
    pub(crate) core_sha256: [u8; 32],
    /// SHA-256 of everything before this member.
    pub(crate) sha256: [u8; 32],
}

impl End {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(END_SIZE);
        put_head(&mut out, Kind::End, 0, PAYLOAD_HEAD + 16 + 64);
        out.extend_from_slice(&self.footer_offset.to_le_bytes());
        out.extend_from_slice(&self.core_size.to_le_bytes());
        out.extend_from_slice(&self.core_sha256);
        out.extend_from_slice(&self.sha256);
        put_empty_end(&mut out);
        out
    }

    /// Reads an artifact's last [`END_SIZE`] bytes; none where they are something else.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let at = BEFORE_PAYLOAD + PAYLOAD_HEAD;
        let end = Self {
            footer_offset: number(bytes, at)?,
            core_size: number(bytes, at + 8)?,
            core_sha256: bytes.get(at + 16..at + 48)?.try_into().ok()?,
            sha256: bytes.get(at + 48..at + 80)?.try_into().ok()?,
        };
        (end.encode() == bytes).then_some(end)
    }

    /// What the footer's pieces take, in bytes.
    pub(crate) fn pieces_size(&self) -> u64 {
        self.core_size + self.core_size.div_ceil(PIECE_SIZE as u64) * PIECE_OVERHEAD as u64
    }
}

/// Takes the core out of the footer's pieces; none where they are not exactly what [`footer_pieces`] makes.
pub(crate) fn core_of(pieces: &[u8], core_size: u64) -> Option<Vec<u8>> {
    let core_size = usize::try_from(core_size).ok()?;
    let mut core = Vec::with_capacity(core_size.min(pieces.len()));
    for piece in pieces.chunks(PIECE_SIZE + PIECE_OVERHEAD) {
        let end = piece.len().checked_sub(EMPTY_DEFLATE.len() + TRAILER_SIZE)?;
        core.extend_from_slice(piece.get(BEFORE_PAYLOAD + PAYLOAD_HEAD..end)?);
    }
    (core.len() == core_size && footer_pieces(&core) == pieces).then_some(core)
}

/// Whether a file that begins like this was made by us: its first member has our extra field.
pub(crate) fn is_ours(start: &[u8]) -> bool {
    start.len() >= BEFORE_PAYLOAD && start[..4] == GZIP_HEADER[..4] && start[12..14] == SUBFIELD
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_comes_back_and_gzip_reads_it() {
        let raw = b"INSERT INTO t VALUES (1);\n".repeat(1000);
        let mut deflater = Deflater::new(libdeflater::CompressionLvl::default());
        let member = data_member(&mut deflater, &raw, DataHeader::DATA, 1000, &mut Vec::new()).unwrap();
        let header = DataHeader::decode(&member).unwrap();
        assert_eq!(
            (header.size, header.raw_size, header.rows),
            (member.len() as u64, raw.len() as u64, 1000)
        );
        let mut decompressor = libdeflater::Decompressor::new();
        assert_eq!(decompress(&mut decompressor, &member, &header, Vec::new()).unwrap(), raw);
        let mut plain = Vec::new();
        std::io::copy(&mut flate2::read::MultiGzDecoder::new(&member[..]), &mut plain).unwrap();
        assert_eq!(plain, raw);
    }

    #[test]
    fn a_member_with_something_between_its_stream_and_its_trailer_is_damaged() {
        let mut deflater = Deflater::new(libdeflater::CompressionLvl::default());
        let member = data_member(&mut deflater, b"SELECT 1;\n", 0, 0, &mut Vec::new()).unwrap();
        let header = DataHeader::decode(&member).unwrap();
        let mut longer = member.clone();
        longer.insert(member.len() - TRAILER_SIZE, 0);
        let mut decompressor = libdeflater::Decompressor::new();
        assert!(decompress(&mut decompressor, &member, &header, Vec::new()).is_some());
        assert_eq!(decompress(&mut decompressor, &longer, &header, Vec::new()), None);
    }

    #[test]
    fn every_flipped_bit_of_a_header_or_an_end_is_noticed() {
        let mut deflater = Deflater::new(libdeflater::CompressionLvl::default());
        let member = data_member(&mut deflater, b"x;\n", 1, 0, &mut Vec::new()).unwrap();
        let header = DataHeader::decode(&member);
        let end = End { footer_offset: 7, core_size: 9, core_sha256: [1; 32], sha256: [2; 32] }.encode();
        assert_eq!(end.len(), END_SIZE);
        for bit in 0..8 * BEFORE_PAYLOAD + 16 {
            let flip = |bytes: &[u8]| {
                let mut bytes = bytes.to_vec();
                bytes[bit / 8] ^= 1 << (bit % 8);
                bytes
            };
            assert!(DataHeader::decode(&flip(&member)).is_none(), "bit {bit}");
            assert!(End::decode(&flip(&end)).is_none(), "bit {bit}");
        }
        assert!(header.is_some());
    }

    #[test]
    fn a_core_of_any_size_comes_back_from_its_pieces() {
        for size in [0, 1, PIECE_SIZE - 1, PIECE_SIZE, PIECE_SIZE + 1, 3 * PIECE_SIZE + 5] {
            let core = vec![b'x'; size];
            let pieces = footer_pieces(&core);
            let end = End { footer_offset: 0, core_size: size as u64, core_sha256: [0; 32], sha256: [0; 32] };
            assert_eq!(pieces.len() as u64, end.pieces_size());
            assert_eq!(core_of(&pieces, size as u64).as_deref(), Some(&core[..]));
            assert!(core_of(&pieces, size as u64 + 1).is_none());
        }
    }
}
