//! The SQL of a file, however it is packed: an artifact's members, another program's gzip, or plain text.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use flate2::read::MultiGzDecoder;
use sha2::{Digest, Sha256};

use super::decoder::Decoder;
use super::reader::Artifact;
use crate::error::{Error, Result};

/// How much of a foreign file is read at once, in bytes.
const CHUNK: usize = 256 << 10;

/// A stream of SQL in chunks.
pub(crate) enum SqlSource {
    /// Members of an artifact.
    Members(Decoder),
    /// A stream made by another program.
    Foreign(Box<Foreign>),
}

/// A foreign stream.
pub(crate) struct Foreign {
    stream: Box<dyn Read + Send>,
    name: String,
}

/// How a foreign file is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packing {
    /// gzip.
    Gzip,
    /// Not at all.
    Plain,
}

impl SqlSource {
    /// The members in these extents of an artifact.
    pub(crate) fn members(artifact: &Arc<Artifact>, extents: Vec<(u64, u64)>, jobs: usize) -> Result<Self> {
        Decoder::new(artifact, extents, jobs).map(Self::Members)
    }

    /// A file of another program, gzip or plain text by its first bytes.
    pub(crate) fn foreign(artifact: &Artifact) -> Result<Self> {
        let file = FromStart::new(artifact)?;
        let stream: Box<dyn Read + Send> = match packing(artifact)? {
            Packing::Gzip => Box::new(MultiGzDecoder::new(BufReader::with_capacity(CHUNK, file))),
            Packing::Plain => Box::new(file),
        };
        Ok(Self::Foreign(Box::new(Foreign { stream, name: artifact.name().to_owned() })))
    }

    /// The next chunk; none at the end.
    ///
    /// # Errors
    /// The file cannot be read, or is damaged.
    pub(crate) fn next(&mut self) -> Result<Option<Vec<u8>>> {
        match self {
            Self::Members(decoder) => Ok(decoder.next()?.map(|decoded| decoded.raw)),
            Self::Foreign(foreign) => foreign.next(),
        }
    }
}

impl Foreign {
    fn next(&mut self) -> Result<Option<Vec<u8>>> {
        let mut chunk = Vec::new();
        match self.stream.by_ref().take(CHUNK as u64).read_to_end(&mut chunk) {
            Ok(0) => Ok(None),
            Ok(_) => Ok(Some(chunk)),
            Err(error) => Err(Error::damaged(&self.name, format!("it cannot be decompressed: {error}"))),
        }
    }
}

/// How a file is packed, by its first two bytes (RFC 1952, ID1 and ID2).
pub(crate) fn packing(artifact: &Artifact) -> Result<Packing> {
    let magic = artifact.read_at(0, 2)? == [0x1f, 0x8b];
    Ok(if magic { Packing::Gzip } else { Packing::Plain })
}

/// The file from its beginning, through a handle of its own whose offset nobody else moves.
struct FromStart {
    file: File,
    offset: u64,
}

impl FromStart {
    fn new(artifact: &Artifact) -> Result<Self> {
        let file = artifact.file().try_clone().map_err(Error::io("open", artifact.path()))?;
        Ok(Self { file, offset: 0 })
    }
}

impl Read for FromStart {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.offset)?;
        self.offset += read as u64;
        Ok(read)
    }
}

/// SHA-256 of a whole file.
pub(crate) fn file_sha256(artifact: &Artifact) -> Result<[u8; 32]> {
    let mut sha256 = Sha256::new();
    let mut offset = 0;
    while offset < artifact.size() {
        let chunk = artifact.read_at(offset, 1 << 20)?;
        sha256.update(&chunk);
        offset += chunk.len() as u64;
    }
    Ok(sha256.finalize().into())
}
