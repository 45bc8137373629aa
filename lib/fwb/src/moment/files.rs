//! A log in the files in which a server writes it.

use std::fs::File;
use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use fwb_binlog::{Events, MAGIC};

use crate::error::{Error, Result};
use crate::server::Feed;

/// The files of a binary log, from a position in the first of them on.
#[derive(Debug, Clone)]
pub struct LogFiles {
    /// In their order.
    files: Vec<PathBuf>,
    /// Where the first event that counts begins in the first file.
    position: u64,
    size: u64,
}

impl LogFiles {
    /// The files of a directory that are named as `first` is, from that one on.
    ///
    /// # Errors
    /// The directory or a file cannot be read, there is no such file, or one is missing in between.
    pub fn of_directory(dir: &Path, first: &str, position: u64) -> Result<Self> {
        let Some((base, number)) = split(first) else {
            return Err(Error::usage(format!("{first} is not the name of a file of a binary log")));
        };
        let mut files = Vec::new();
        let mut size = 0;
        for number in number.. {
            let file = dir.join(format!("{base}.{number:06}"));
            match std::fs::metadata(&file) {
                Ok(metadata) => size += metadata.len(),
                Err(error) if error.kind() == io::ErrorKind::NotFound && !files.is_empty() => break,
                Err(error) => return Err(Error::io("read", &file)(error)),
            }
            files.push(file);
        }
        Ok(Self { files, position, size: size.saturating_sub(position) })
    }
}

impl LogFiles {
    /// How many there are.
    pub fn count(&self) -> u64 {
        self.files.len() as u64
    }
}

/// The name of a file without its number, and its number.
fn split(name: &str) -> Option<(&str, u64)> {
    let (base, number) = name.rsplit_once('.')?;
    Some((base, number.parse().ok()?))
}

impl Feed for LogFiles {
    fn open(&self) -> Result<Box<dyn Read + Send>> {
        let mut all: Box<dyn Read + Send> = Box::new(io::empty());
        for (index, path) in self.files.iter().enumerate() {
            let mut file = File::open(path).map_err(Error::io("open", path))?;
            if index == 0 {
                let mut events = Events::of_file(&mut file)?;
                let event = events.next()?.map(|event| event.bytes.to_vec());
                let head = [&MAGIC[..], &event.unwrap_or_default()].concat();
                let position = self.position.max(head.len() as u64);
                all = Box::new(Cursor::new(head));
                file.seek(SeekFrom::Start(position)).map_err(Error::io("read", path))?;
            } else {
                file.seek(SeekFrom::Start(MAGIC.len() as u64)).map_err(Error::io("read", path))?;
            }
            all = Box::new(all.chain(file));
        }
        Ok(all)
    }

    fn size(&self) -> u64 {
        self.size
    }
}
