//! The SQL of a file: an artifact's members, or what another program has written, however it is packed.

use std::io::{self, Read};
use std::sync::Arc;

use super::decoder::Decoder;
use super::packing::{Packing, Unfit, unpacked};
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

impl SqlSource {
    /// The members in these extents of an artifact.
    pub(crate) fn members(artifact: &Arc<Artifact>, extents: Vec<(u64, u64)>, jobs: usize) -> Result<Self> {
        Decoder::new(artifact, extents, jobs).map(Self::Members)
    }

    /// A file of another program, however it is packed.
    ///
    /// # Errors
    /// It cannot be read, is damaged, or is no dump.
    pub(crate) fn foreign(artifact: &Arc<Artifact>) -> Result<Self> {
        let name = artifact.name();
        artifact.will_read(0, artifact.size());
        match unpacked(Box::new(FromStart { artifact: Arc::clone(artifact), offset: 0 })) {
            Ok(Ok(stream)) => Ok(Self::Foreign(Box::new(Foreign { stream, name: name.to_owned() }))),
            Ok(Err(Unfit { what, remedy })) => Err(Error::NotADump { name: name.to_owned(), what, remedy }),
            Err(error) => Err(undecodable(name, &error)),
        }
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
            Err(error) => Err(undecodable(&self.name, &error)),
        }
    }
}

fn undecodable(name: &str, error: &io::Error) -> Error {
    Error::damaged(name, format!("it cannot be decompressed: {error}"))
}

/// Whether a file is packed.
///
/// # Errors
/// It cannot be read.
pub(crate) fn is_packed(artifact: &Artifact) -> Result<bool> {
    let head = artifact.read_at(0, 6)?;
    Ok(Packing::of(&head).is_some())
}

/// An artifact from its beginning.
struct FromStart {
    artifact: Arc<Artifact>,
    offset: u64,
}

impl Read for FromStart {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.artifact.read_at(self.offset, buffer.len()).map_err(|error| match error {
            Error::Io { source, .. } => source,
            error => io::Error::new(io::ErrorKind::InvalidData, error.to_string()),
        })?;
        buffer[..bytes.len()].copy_from_slice(&bytes);
        self.offset += bytes.len() as u64;
        Ok(bytes.len())
    }
}
