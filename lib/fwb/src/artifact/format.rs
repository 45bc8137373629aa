//! The bytes of an artifact: what stands around compressed SQL, and the footer.
//!
//! `docs/FORMAT.md` is this module in prose. All integers are little-endian. Every member says what it is in a header:
//! the extra field of a gzip member (RFC 1952), or a skippable frame before a frame of zstd (RFC 8878). Headers are the same
//! but for what they say, and the parser takes nothing else, so that no bit of them can change unnoticed.

use super::codec::Codec;
use super::zstd_frame;

/// The gzip header before the extra field: deflate, FEXTRA, no time, no flags, unknown system.
const GZIP_HEADER: [u8; 10] = [0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 255];
/// What our skippable frames begin with, of the sixteen numbers that there are for them.
const SKIPPABLE: [u8; 4] = [0x5f, 0x2a, 0x4d, 0x18];
/// What tells that an extra field or a skippable frame is ours.
const IDENTIFIER: [u8; 2] = *b"FW";
/// The version of this format.
const VERSION: u8 = 1;
/// What an empty deflate stream is: one final block with fixed codes that ends at once.
const EMPTY_DEFLATE: [u8; 2] = [0x03, 0x00];
/// CRC-32 and size of what a gzip member decompresses to.
pub(super) const GZIP_TRAILER: usize = 8;
/// CRC-32 of what a frame of zstd decompresses to, at the end of its header.
pub(super) const CRC32_SIZE: usize = 4;
/// Version, kind and flags: what every payload begins with.
const PAYLOAD_HEAD: usize = 4;

/// The most that a data member's header takes, in bytes.
pub(crate) const MAX_HEADER: usize = Codec::Gzip.header_size();
/// The most that an artifact's last member takes, in bytes.
pub(crate) const MAX_END: usize = Codec::Gzip.end_size();
/// The most that a member may decompress to, in bytes: what a reader allocates at most.
pub(crate) const MAX_RAW: u64 = 8 << 20;
/// The most that a member may take, in bytes: incompressible data grows by less than a thousandth.
pub(crate) const MAX_SIZE: u64 = MAX_RAW + (MAX_RAW >> 8) + 1024;
/// The most that a core may take, in bytes: some 250 for each of a million sections.
pub(crate) const MAX_CORE: u64 = 256 << 20;

impl Codec {
    /// What stands before a payload, in bytes: gzip's header, XLEN, the subfield's identifier and length; or the skippable
    /// frame's magic number and size, and the identifier.
    const fn before_payload(self) -> usize {
        match self {
            Self::Gzip => 16,
            Self::Zstd => 10,
        }
    }

    /// A data member's header, in bytes: what stands before the compressed stream.
    pub(super) const fn header_size(self) -> usize {
        self.before_payload()
            + PAYLOAD_HEAD
            + 24
            + match self {
                Self::Gzip => 0,
                Self::Zstd => CRC32_SIZE,
            }
    }

    /// The least that a data member takes, in bytes.
    const fn least_size(self) -> usize {
        self.header_size()
            + match self {
                Self::Gzip => EMPTY_DEFLATE.len() + GZIP_TRAILER,
                Self::Zstd => zstd_frame::LEAST_SIZE,
            }
    }

    /// What follows the payload in a footer's member: in gzip a stream of nothing and its trailer.
    const fn after_payload(self) -> &'static [u8] {
        const NOTHING: [u8; 2 + GZIP_TRAILER] = [EMPTY_DEFLATE[0], EMPTY_DEFLATE[1], 0, 0, 0, 0, 0, 0, 0, 0];
        match self {
            Self::Gzip => &NOTHING,
            Self::Zstd => &[],
        }
    }

    /// How much of the core a footer's member holds, in bytes: an extra field stays under 64 KiB, and a skippable frame takes
    /// all of it.
    const fn piece_size(self) -> u64 {
        match self {
            Self::Gzip => 60_000,
            Self::Zstd => MAX_CORE,
        }
    }

    /// What a footer's member takes beside its piece, in bytes.
    const fn piece_overhead(self) -> usize {
        self.before_payload() + PAYLOAD_HEAD + self.after_payload().len()
    }

    /// The last member's size, in bytes.
    const fn end_size(self) -> usize {
        self.piece_overhead() + 16 + 64
    }
}

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
    /// How it is compressed.
    pub(crate) codec: Codec,
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

    /// Appends the header, but for the CRC-32 at the end of one of zstd.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        put_head(
            out,
            self.codec,
            Kind::Data,
            self.flags,
            self.codec.header_size() - self.codec.before_payload(),
        );
        for number in [self.size, self.raw_size, self.rows] {
            out.extend_from_slice(&number.to_le_bytes());
        }
    }

    /// Reads a data member's header; none where the bytes are something else.
    pub(crate) fn decode(codec: Codec, bytes: &[u8]) -> Option<Self> {
        bytes.get(..codec.header_size())?;
        let at = codec.before_payload() + PAYLOAD_HEAD;
        let header = Self {
            codec,
            flags: u16::from_le_bytes(bytes[at - 2..at].try_into().ok()?),
            size: number(bytes, at)?,
            raw_size: number(bytes, at + 8)?,
            rows: number(bytes, at + 16)?,
        };
        let sane =
            (codec.least_size() as u64..=MAX_SIZE).contains(&header.size) && header.raw_size <= MAX_RAW;
        let mut expected = Vec::with_capacity(MAX_HEADER);
        header.encode(&mut expected);
        (sane && bytes.starts_with(&expected)).then_some(header)
    }
}

/// Appends what stands before a payload and what the payload begins with. `payload` is its size in bytes.
fn put_head(out: &mut Vec<u8>, codec: Codec, kind: Kind, flags: u16, payload: usize) {
    match codec {
        Codec::Gzip => {
            // A piece is small enough that a payload's size fits 16 bits.
            let length = u16::try_from(payload).unwrap_or(u16::MAX);
            out.extend_from_slice(&GZIP_HEADER);
            out.extend_from_slice(&length.saturating_add(4).to_le_bytes());
            out.extend_from_slice(&IDENTIFIER);
            out.extend_from_slice(&length.to_le_bytes());
        }
        Codec::Zstd => {
            // A core is small enough that a payload's size fits 32 bits.
            let length = u32::try_from(IDENTIFIER.len() + payload).unwrap_or(u32::MAX);
            out.extend_from_slice(&SKIPPABLE);
            out.extend_from_slice(&length.to_le_bytes());
            out.extend_from_slice(&IDENTIFIER);
        }
    }
    out.extend_from_slice(&[VERSION, kind as u8]);
    out.extend_from_slice(&flags.to_le_bytes());
}

fn number(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

/// The footer but for its last member: the core in pieces.
pub(crate) fn footer_pieces(codec: Codec, core: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(core.len() + core.len() / 1000 + 64);
    for (index, piece) in core.chunks(piece_of(codec)).enumerate() {
        let index = u16::try_from(index & 0xffff).unwrap_or(u16::MAX);
        put_head(&mut out, codec, Kind::Piece, index, PAYLOAD_HEAD + piece.len());
        out.extend_from_slice(piece);
        out.extend_from_slice(codec.after_payload());
    }
    out
}

fn piece_of(codec: Codec) -> usize {
    usize::try_from(codec.piece_size()).unwrap_or(usize::MAX)
}

/// The last member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct End {
    /// How the artifact is compressed.
    pub(crate) codec: Codec,
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
        let mut out = Vec::with_capacity(self.size());
        put_head(&mut out, self.codec, Kind::End, 0, PAYLOAD_HEAD + 16 + 64);
        out.extend_from_slice(&self.footer_offset.to_le_bytes());
        out.extend_from_slice(&self.core_size.to_le_bytes());
        out.extend_from_slice(&self.core_sha256);
        out.extend_from_slice(&self.sha256);
        out.extend_from_slice(self.codec.after_payload());
        out
    }

    /// Reads the last member at the end of these bytes; none where they end in something else.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        Codec::ALL.into_iter().find_map(|codec| {
            let bytes = &bytes[bytes.len().checked_sub(codec.end_size())?..];
            let at = codec.before_payload() + PAYLOAD_HEAD;
            let end = Self {
                codec,
                footer_offset: number(bytes, at)?,
                core_size: number(bytes, at + 8)?,
                core_sha256: bytes.get(at + 16..at + 48)?.try_into().ok()?,
                sha256: bytes.get(at + 48..at + 80)?.try_into().ok()?,
            };
            (end.encode() == bytes).then_some(end)
        })
    }

    /// Its own size, in bytes.
    pub(crate) fn size(&self) -> usize {
        self.codec.end_size()
    }

    /// What the footer's pieces take, in bytes.
    pub(crate) fn pieces_size(&self) -> u64 {
        self.core_size + self.core_size.div_ceil(self.codec.piece_size()) * self.codec.piece_overhead() as u64
    }

    /// Takes the core out of the footer's pieces; none where they are not exactly what [`footer_pieces`] makes.
    pub(crate) fn core_of(&self, pieces: &[u8]) -> Option<Vec<u8>> {
        let core_size = usize::try_from(self.core_size).ok()?;
        let (before, after) = (self.codec.before_payload() + PAYLOAD_HEAD, self.codec.after_payload().len());
        let mut core = Vec::with_capacity(core_size.min(pieces.len()));
        for piece in pieces.chunks(piece_of(self.codec) + self.codec.piece_overhead()) {
            core.extend_from_slice(piece.get(before..piece.len().checked_sub(after)?)?);
        }
        (core.len() == core_size && footer_pieces(self.codec, &core) == pieces).then_some(core)
    }
}

/// How a file of ours is compressed that begins like this; none where another program made it.
pub(crate) fn codec_of(start: &[u8]) -> Option<Codec> {
    Codec::ALL.into_iter().find(|codec| {
        let (magic, at): (&[u8], _) = match codec {
            Codec::Gzip => (&GZIP_HEADER[..4], 12),
            Codec::Zstd => (&SKIPPABLE, 8),
        };
        start.len() >= codec.before_payload()
            && start.starts_with(magic)
            && start[at..].starts_with(&IDENTIFIER)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_bit_of_a_header_or_an_end_is_noticed() {
        for codec in Codec::ALL {
            let header = DataHeader { codec, flags: 1, size: 100, raw_size: 3, rows: 0 };
            let mut member = Vec::new();
            header.encode(&mut member);
            member.resize(100, 0);
            assert_eq!(DataHeader::decode(codec, &member), Some(header));
            let end = End { codec, footer_offset: 7, core_size: 9, core_sha256: [1; 32], sha256: [2; 32] };
            let bytes = end.encode();
            assert_eq!((bytes.len(), End::decode(&bytes)), (end.size(), Some(end.clone())));
            assert_eq!(End::decode(&[b"before", &bytes[..]].concat()), Some(end));
            for bit in 0..8 * codec.before_payload() + 16 {
                let flip = |bytes: &[u8]| {
                    let mut bytes = bytes.to_vec();
                    bytes[bit / 8] ^= 1 << (bit % 8);
                    bytes
                };
                assert!(DataHeader::decode(codec, &flip(&member)).is_none(), "{codec:?} bit {bit}");
                assert!(End::decode(&flip(&bytes)).is_none(), "{codec:?} bit {bit}");
            }
        }
    }

    #[test]
    fn a_core_of_any_size_comes_back_from_its_pieces() {
        const PIECE: usize = 60_000;
        for codec in Codec::ALL {
            for size in [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE + 5] {
                let core = vec![b'x'; size];
                let pieces = footer_pieces(codec, &core);
                let end = End {
                    codec,
                    footer_offset: 0,
                    core_size: size as u64,
                    core_sha256: [0; 32],
                    sha256: [0; 32],
                };
                assert_eq!(pieces.len() as u64, end.pieces_size());
                assert_eq!(end.core_of(&pieces).as_deref(), Some(&core[..]));
                assert!(End { core_size: size as u64 + 1, ..end }.core_of(&pieces).is_none());
            }
        }
    }

    #[test]
    fn a_beginning_tells_the_codec() {
        let start = |codec| {
            let mut start = Vec::new();
            put_head(&mut start, codec, Kind::Data, 0, 28);
            start
        };
        for codec in Codec::ALL {
            assert_eq!(codec_of(&start(codec)), Some(codec));
            assert_eq!(codec_of(&start(codec)[..codec.before_payload() - 1]), None);
        }
        assert_eq!(codec_of(&zstd::encode_all(&b"SELECT 1;\n"[..], 1).unwrap()), None);
        assert_eq!(codec_of(b"-- MariaDB dump 10.19"), None);
    }
}
