//! Data members: SQL, compressed, behind a header.

use libdeflater::CompressionLvl;

use super::codec::{Codec, Compression};
use super::crc32::Crc32;
use super::deflate::Deflater;
use super::format::{CRC32_SIZE, DataHeader, GZIP_TRAILER};
use super::zstd_frame::{FrameReader, FrameWriter};
use crate::error::Result;

/// Makes members; keeps the compressor's tables from one to the next.
pub(crate) struct Packer {
    compressor: Compressor,
    /// Where streams are compressed to, of any content.
    room: Vec<u8>,
}

enum Compressor {
    Gzip(Deflater),
    Zstd(FrameWriter),
}

/// A data member that was made.
pub(crate) struct PackedMember {
    /// All of it.
    pub(crate) bytes: Vec<u8>,
    /// Of the SQL in it.
    pub(crate) crc32: Crc32,
}

impl Packer {
    /// # Errors
    /// There is no memory.
    pub(crate) fn new(compression: Compression) -> Result<Self> {
        let compressor = match compression.codec() {
            Codec::Gzip => {
                Compressor::Gzip(Deflater::new(CompressionLvl::new(compression.level()).unwrap_or_default()))
            }
            Codec::Zstd => Compressor::Zstd(FrameWriter::new(compression.level())?),
        };
        Ok(Self { compressor, room: Vec::new() })
    }

    /// Compresses `raw` into a data member.
    ///
    /// # Errors
    /// There is not enough room, which the compressor's own bound excludes.
    pub(crate) fn member(&mut self, raw: &[u8], flags: u16, rows: u64) -> Result<PackedMember> {
        let Self { compressor, room } = self;
        let bound = match compressor {
            Compressor::Gzip(deflater) => deflater.bound(raw.len()),
            Compressor::Zstd(_) => FrameWriter::bound(raw.len()),
        };
        if room.len() < bound {
            room.resize(bound, 0);
        }
        let (codec, packed, trailer) = match compressor {
            Compressor::Gzip(deflater) => (Codec::Gzip, deflater.compress(raw, room)?, GZIP_TRAILER),
            Compressor::Zstd(frames) => (Codec::Zstd, frames.compress(raw, room)?, 0),
        };
        let size = codec.header_size() + packed + trailer;
        let header = DataHeader { codec, flags, size: size as u64, raw_size: raw.len() as u64, rows };
        let value = libdeflater::crc32(raw);
        let crc32 = value.to_le_bytes();
        let mut member = Vec::with_capacity(size);
        header.encode(&mut member);
        match codec {
            Codec::Gzip => {
                member.extend_from_slice(&room[..packed]);
                member.extend_from_slice(&crc32);
                member.extend_from_slice(&low_32(header.raw_size).to_le_bytes());
            }
            Codec::Zstd => {
                member.extend_from_slice(&crc32);
                member.extend_from_slice(&room[..packed]);
            }
        }
        Ok(PackedMember { bytes: member, crc32: Crc32::known(value, header.raw_size) })
    }
}

/// ISIZE of RFC 1952: the size modulo 2^32.
fn low_32(size: u64) -> u32 {
    (size & 0xffff_ffff) as u32
}

/// The CRC-32 of what a whole data member decompresses to, as it says itself.
pub(crate) fn crc32_of(member: &[u8], header: &DataHeader) -> Crc32 {
    let at = match header.codec {
        Codec::Gzip => member.len().checked_sub(GZIP_TRAILER),
        Codec::Zstd => Some(header.codec.header_size() - CRC32_SIZE),
    };
    let value = at.and_then(|at| member.get(at..)?.first_chunk());
    value.map_or_else(Crc32::default, |value| Crc32::known(u32::from_le_bytes(*value), header.raw_size))
}

/// Reads members; keeps the decompressor's tables from one to the next.
#[derive(Default)]
pub(crate) struct Unpacker {
    gzip: Option<libdeflater::Decompressor>,
    zstd: Option<FrameReader>,
}

impl Unpacker {
    /// Decompresses a whole data member into the place of what `raw` holds. None where it is not what its header and its
    /// checksums say, or where another reader would look for what follows elsewhere, because the stream ends sooner.
    pub(crate) fn unpack(&mut self, member: &[u8], header: &DataHeader, raw: Vec<u8>) -> Option<Vec<u8>> {
        let size = usize::try_from(header.raw_size).ok()?;
        match header.codec {
            Codec::Gzip => self.gunzip(member, size, raw),
            Codec::Zstd => {
                let frame = member.get(header.codec.header_size()..)?;
                let raw = self.zstd.get_or_insert_with(FrameReader::new).decompress(frame, size, raw)?;
                let crc32 = Crc32::known(libdeflater::crc32(&raw), header.raw_size);
                (crc32 == crc32_of(member, header)).then_some(raw)
            }
        }
    }

    fn gunzip(&mut self, member: &[u8], size: usize, mut raw: Vec<u8>) -> Option<Vec<u8>> {
        raw.resize(size, 0);
        let decompressor = self.gzip.get_or_insert_with(libdeflater::Decompressor::new);
        let got = decompressor.gzip_decompress(member, &mut raw).ok()?;
        let trailer = member.last_chunk::<GZIP_TRAILER>()?;
        let sound = got == size
            && trailer[..4] == libdeflater::crc32(&raw).to_le_bytes()
            && trailer[4..] == low_32(size as u64).to_le_bytes();
        sound.then_some(raw)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packer(codec: Codec) -> Packer {
        Packer::new(Compression::new(codec, None).unwrap()).unwrap()
    }

    #[test]
    fn a_member_comes_back_and_other_programs_read_it() {
        let raw = b"INSERT INTO t VALUES (1);\n".repeat(1000);
        for codec in Codec::ALL {
            let PackedMember { bytes: member, crc32 } =
                packer(codec).member(&raw, DataHeader::DATA, 1000).unwrap();
            let header = DataHeader::decode(codec, &member).unwrap();
            assert_eq!(
                (header.size, header.raw_size, header.rows),
                (member.len() as u64, raw.len() as u64, 1000)
            );
            assert_eq!(crc32, Crc32::known(libdeflater::crc32(&raw), header.raw_size));
            assert_eq!(crc32_of(&member, &header), crc32);
            assert_eq!(Unpacker::default().unpack(&member, &header, Vec::new()).unwrap(), raw);
            let mut plain = Vec::new();
            match codec {
                Codec::Gzip => {
                    std::io::copy(&mut flate2::read::MultiGzDecoder::new(&member[..]), &mut plain).unwrap();
                }
                Codec::Zstd => zstd::stream::copy_decode(&member[..], &mut plain).unwrap(),
            }
            assert_eq!(plain, raw);
        }
    }

    #[test]
    fn a_member_with_something_between_its_stream_and_its_trailer_is_damaged() {
        for codec in Codec::ALL {
            let member = packer(codec).member(b"SELECT 1;\n", 0, 0).unwrap().bytes;
            let header = DataHeader::decode(codec, &member).unwrap();
            let mut longer = member.clone();
            longer.insert(member.len() - GZIP_TRAILER, 0);
            let mut unpacker = Unpacker::default();
            assert!(unpacker.unpack(&member, &header, Vec::new()).is_some());
            assert_eq!(unpacker.unpack(&longer, &header, Vec::new()), None);
        }
    }

    /// Of a frame of zstd the CRC-32 stands in the header, where the frame's own checksum does not cover it.
    #[test]
    fn a_wrong_crc32_is_damage_though_the_stream_is_sound() {
        for codec in Codec::ALL {
            let mut member = packer(codec).member(b"SELECT 1;\n", 0, 0).unwrap().bytes;
            let header = DataHeader::decode(codec, &member).unwrap();
            let at = match codec {
                Codec::Gzip => member.len() - GZIP_TRAILER,
                Codec::Zstd => codec.header_size() - CRC32_SIZE,
            };
            member[at] ^= 1;
            assert_eq!(DataHeader::decode(codec, &member), Some(header));
            assert_eq!(Unpacker::default().unpack(&member, &header, Vec::new()), None);
        }
    }
}
