//! How files of other programs are packed, and what is no dump at all: told by their first bytes, not by their names.

use std::io::{self, BufRead, BufReader, Cursor, Read};

use bzip2::bufread::MultiBzDecoder;
use flate2::bufread::GzDecoder;
use lzma_rust2::XzReader;

/// How much of a file is read at once, in bytes.
const CHUNK: usize = 256 << 10;
/// How much of the beginning is looked at, in bytes.
const HEAD: u64 = 4096;
/// How often a file may be packed: once by the program that made it, once by whoever kept it, and once by mistake.
const LAYERS: usize = 3;
/// The most memory that xz may ask for, in KiB: four times what its highest level needs.
const XZ_MEMORY: u32 = 256 << 10;

type Stream = Box<dyn Read + Send>;

/// Why a file is none that can be restored, and what to do with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unfit {
    pub(crate) what: &'static str,
    pub(crate) remedy: &'static str,
}

/// What a file is packed with, by its first bytes: gzip (RFC 1952), bzip2, xz (its `xz-file-format.txt`), zstd (RFC 8878).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packing {
    Gzip,
    Bzip2,
    Xz,
    Zstd,
}

impl Packing {
    /// None: it is not packed.
    pub(crate) fn of(head: &[u8]) -> Option<Self> {
        const MAGIC: [(&[u8], Packing); 4] = [
            (&[0x1f, 0x8b], Packing::Gzip),
            (b"BZh", Packing::Bzip2),
            (&[0xfd, b'7', b'z', b'X', b'Z', 0], Packing::Xz),
            (&[0x28, 0xb5, 0x2f, 0xfd], Packing::Zstd),
        ];
        let known = MAGIC.into_iter().find(|(magic, _)| head.starts_with(magic)).map(|(_, packing)| packing);
        // pzstd, among others, writes skippable frames before those of zstd: sixteen numbers are for them.
        let is_skippable = head.first().is_some_and(|byte| byte & 0xf0 == 0x50)
            && head[1..].starts_with(&[0x2a, 0x4d, 0x18]);
        known.or(is_skippable.then_some(Self::Zstd))
    }

    fn unpack(self, stream: Stream) -> io::Result<Stream> {
        let stream = BufReader::with_capacity(CHUNK, stream);
        Ok(match self {
            Self::Gzip => Box::new(GzipMembers::new(stream)),
            Self::Bzip2 => Box::new(MultiBzDecoder::new(stream)),
            Self::Xz => Box::new(XzReader::new_mem_limit(stream, true, XZ_MEMORY)),
            Self::Zstd => Box::new(zstd::stream::read::Decoder::with_buffer(stream)?),
        })
    }
}

/// The text of a stream, however it is packed, without a byte order mark; or what it is instead of a dump.
///
/// # Errors
/// The stream cannot be read or unpacked.
pub(crate) fn unpacked(mut stream: Stream) -> io::Result<Result<Stream, Unfit>> {
    for _ in 0..=LAYERS {
        let mut head = Vec::new();
        stream.by_ref().take(HEAD).read_to_end(&mut head)?;
        let Some(packing) = Packing::of(&head) else {
            if let Some(unfit) = unfit(&head) {
                return Ok(Err(unfit));
            }
            let mark = if head.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
            let mut head = Cursor::new(head);
            head.set_position(mark);
            return Ok(Ok(Box::new(head.chain(stream))));
        };
        stream = packing.unpack(Box::new(Cursor::new(head).chain(stream)))?;
    }
    Ok(Err(Unfit { what: "it is packed again and again", remedy: "unpack it first" }))
}

/// What a file is that begins so, where it is surely no dump that a restore can take.
fn unfit(head: &[u8]) -> Option<Unfit> {
    const THROUGH_A_SERVER: &str =
        "load it with the server's own client into a new database, look at it, and dump that with fwb-dump";
    const UTF_16: Unfit = Unfit {
        what: "it is text in UTF-16, as a redirection (>) of PowerShell writes it, which has damaged what is beyond ASCII",
        remedy: "dump again, with the dump program's --result-file instead of >",
    };
    const BEGINNINGS: [(&[u8], &str, &str); 14] = [
        (b"\xff\xfe", UTF_16.what, UTF_16.remedy),
        (b"\xfe\xff", UTF_16.what, UTF_16.remedy),
        (b"PK\x03\x04", "it is a zip archive", "take the dump out of it with unzip"),
        (b"7z\xbc\xaf\x27\x1c", "it is a 7z archive", "take the dump out of it with 7z"),
        (b"Rar!", "it is a rar archive", "take the dump out of it"),
        (
            b"XBSTCK01",
            "it is a stream of mariabackup or xtrabackup, which holds files of a server",
            "restore it with mbstream and mariabackup",
        ),
        (b"\xfebin", "it is a binary log", "mariadb-binlog shows what it holds"),
        (b"SQLite format 3", "it is a database of SQLite", "it is of no use to MariaDB or MySQL"),
        (b"PGDMP", "it is a dump of PostgreSQL", "it is of no use to MariaDB or MySQL"),
        (
            b"<?xml",
            "it is XML, as mysqldump --xml and phpMyAdmin write it",
            "dump as SQL; no server loads it as it is",
        ),
        (
            b"-- phpMyAdmin",
            "it is an export of phpMyAdmin, whose end nobody can tell from a cut",
            THROUGH_A_SERVER,
        ),
        (b"-- Adminer", "it is an export of Adminer, whose end nobody can tell from a cut", THROUGH_A_SERVER),
        (b"-- PostgreSQL", "it is a dump of PostgreSQL", "it is of no use to MariaDB or MySQL"),
        (b"# Dump of", "it is an export of a program whose end nobody can tell from a cut", THROUGH_A_SERVER),
    ];
    // Some programs begin with an empty comment or a rule.
    let blank = |byte: &&u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
    let start = head.iter().take_while(blank).count();
    let text = &head[start..];
    let found = BEGINNINGS.iter().find(|(magic, ..)| head.starts_with(magic) || text.starts_with(magic));
    if let Some((_, what, remedy)) = found {
        return Some(Unfit { what, remedy });
    }
    if head.get(257..262) == Some(b"ustar") {
        return Some(Unfit { what: "it is a tar archive", remedy: "take the dump out of it with tar -x" });
    }
    if memchr::memmem::find(head, b"-- HeidiSQL").is_some() {
        let what = "it is an export of HeidiSQL, whose end nobody can tell from a cut";
        return Some(Unfit { what, remedy: THROUGH_A_SERVER });
    }
    // A dump's first lines are words.
    let zeros = head.iter().take(64).filter(|byte| **byte == 0).count();
    (zeros >= 16).then_some(UTF_16)
}

/// Members of gzip one after the other, and zeros after the last one, as tapes and block devices leave them.
struct GzipMembers<R: BufRead> {
    member: Option<GzDecoder<R>>,
    rest: Option<R>,
}

impl<R: BufRead> GzipMembers<R> {
    fn new(stream: R) -> Self {
        Self { member: Some(GzDecoder::new(stream)), rest: None }
    }

    /// Looks at what follows a member. Returns whether another one begins.
    fn go_on(&mut self) -> io::Result<bool> {
        let Some(rest) = &mut self.rest else { return Ok(false) };
        let next = rest.fill_buf()?.first().copied();
        match next {
            None => Ok(false),
            Some(0x1f) => {
                self.member = self.rest.take().map(GzDecoder::new);
                Ok(true)
            }
            Some(_) => loop {
                let bytes = rest.fill_buf()?;
                if bytes.iter().any(|byte| *byte != 0) {
                    return Err(io::Error::other("something follows that is no gzip"));
                }
                let size = bytes.len();
                if size == 0 {
                    return Ok(false);
                }
                rest.consume(size);
            },
        }
    }
}

impl<R: BufRead> Read for GzipMembers<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            if let Some(member) = &mut self.member {
                let read = member.read(buffer)?;
                if read > 0 {
                    return Ok(read);
                }
                self.rest = self.member.take().map(GzDecoder::into_inner);
            }
            if !self.go_on()? {
                return Ok(0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bzip2::read::BzEncoder;
    use flate2::Compression;
    use flate2::read::GzEncoder;

    use super::*;

    const DUMP: &[u8] = b"-- MariaDB dump 10.19\n\nCREATE TABLE `t` (x int);\n-- Dump completed\n";

    /// The same in two parts, as xz(1) packs them: up to byte 20, and the rest.
    const XZ: [&str; 2] = [
        "fd377a585a000004e6d6b4460200210116000000742fe5a30100132d2d204d6172696144422064756d702031302e310043d68b91a7829cbf\
         00012c14f80a6d031fb6f37d010000000004595a",
        "fd377a585a000004e6d6b4460200210116000000742fe5a301002e390a0a435245415445205441424c452060746020287820696e74293b0a\
         2d2d2044756d7020636f6d706c657465640a00003db68426c44291300001472fb0516f341fb6f37d010000000004595a",
    ];

    fn all(mut stream: impl Read) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        all(GzEncoder::new(bytes, Compression::default())).unwrap()
    }

    fn bzip2(bytes: &[u8]) -> Vec<u8> {
        all(BzEncoder::new(bytes, bzip2::Compression::fast())).unwrap()
    }

    fn xz() -> Vec<u8> {
        XZ.iter().flat_map(|part| hex::decode(part).unwrap()).collect()
    }

    fn read(file: Vec<u8>) -> io::Result<Result<Vec<u8>, Unfit>> {
        match unpacked(Box::new(Cursor::new(file)))? {
            Ok(stream) => all(stream).map(Ok),
            Err(unfit) => Ok(Err(unfit)),
        }
    }

    #[test]
    fn a_dump_is_read_however_it_is_packed() {
        let zstd = |bytes: &[u8]| zstd::encode_all(bytes, 1).unwrap();
        let skippable: &[u8] = &[0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, b'p', b'z', 0, 0];
        for (how, file) in [
            ("plain", DUMP.to_vec()),
            ("with a byte order mark", [b"\xef\xbb\xbf", DUMP].concat()),
            ("gzip", gzip(DUMP)),
            ("gzip in parts", [gzip(&DUMP[..20]), gzip(b""), gzip(&DUMP[20..])].concat()),
            ("gzip with zeros after it", [gzip(DUMP), vec![0; 10_000]].concat()),
            ("gzip twice", gzip(&gzip(DUMP))),
            ("bzip2", bzip2(DUMP)),
            ("bzip2 in parts", [bzip2(&DUMP[..20]), bzip2(&DUMP[20..])].concat()),
            ("xz in parts", xz()),
            ("xz in gzip", gzip(&xz())),
            ("zstd", zstd(DUMP)),
            ("zstd in parts", [zstd(&DUMP[..20]), zstd(&DUMP[20..])].concat()),
            ("zstd in gzip", gzip(&zstd(DUMP))),
            (
                "zstd after a skippable frame",
                [skippable, &zstd(&DUMP[..20]), skippable, &zstd(&DUMP[20..])].concat(),
            ),
        ] {
            assert_eq!(read(file).unwrap(), Ok(DUMP.to_vec()), "{how}");
        }
    }

    #[test]
    fn what_is_cut_or_goes_on_is_an_error() {
        let xz = hex::decode(XZ[1]).unwrap();
        for packed in [gzip(DUMP), bzip2(DUMP), xz, zstd::encode_all(DUMP, 1).unwrap()] {
            for end in 8..packed.len() {
                assert!(read(packed[..end].to_vec()).is_err(), "{end} of {}", packed.len());
            }
        }
        assert!(read([gzip(DUMP), b"rest".to_vec()].concat()).is_err());
        assert!(read([gzip(DUMP), vec![0, 0, 1]].concat()).is_err());
        let mut many = DUMP.to_vec();
        (0..10).for_each(|_| many = gzip(&many));
        assert!(matches!(read(many), Ok(Err(_))));
    }

    #[test]
    fn what_is_no_dump_is_told() {
        let utf16: Vec<u8> = DUMP.iter().flat_map(|byte| [*byte, 0]).collect();
        for (file, word) in [
            ([b"\xff\xfe".to_vec(), utf16.clone()].concat(), "UTF-16"),
            (utf16, "UTF-16"),
            (b"PK\x03\x04rest".to_vec(), "zip"),
            (b"<?xml version=\"1.0\"?>\n<mysqldump>".to_vec(), "XML"),
            (b"-- phpMyAdmin SQL Dump\n-- version 5.2.1\n".to_vec(), "phpMyAdmin"),
            (b"\n-- Adminer 4.8.1 MySQL dump\n".to_vec(), "Adminer"),
            (b"-- ----------\n-- Host: x\n-- HeidiSQL Version: 12\n".to_vec(), "HeidiSQL"),
            (gzip(b"PGDMP"), "PostgreSQL"),
        ] {
            let unfit = read(file).unwrap().unwrap_err();
            assert!(unfit.what.contains(word), "{unfit:?}");
        }
    }
}
