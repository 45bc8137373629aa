//! Standard input and output as streams, and `-`, which means them wherever a tool takes a file. Reading stdin
//! can be interrupted: a signal ends it at once, not only when the writer at the other end does.

#![allow(clippy::disallowed_methods, reason = "this module is how the tools read stdin and write stdout")]

use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use fwb::{Cancel, Error, Result};
use rustix::fs::OFlags;

/// The action of an error on standard output; [`crate::tolerate_broken_pipe`] knows it by this.
pub const WRITE_STDOUT: &str = "write standard output";
/// The action of an error on standard input.
pub(crate) const READ_STDIN: &str = "read standard input";
/// Bytes read from stdin at a time.
const CHUNK: usize = 64 << 10;
/// How long a signal may go unnoticed while stdin is silent.
const PATIENCE: Duration = Duration::from_millis(50);

/// Standard input, read by a thread of its own.
#[derive(Debug)]
pub struct Stdin {
    chunks: Receiver<io::Result<Vec<u8>>>,
    current: io::Cursor<Vec<u8>>,
    cancel: Cancel,
}

impl Stdin {
    /// Starts to read standard input.
    ///
    /// # Errors
    /// The operating system refuses another descriptor or thread.
    pub fn open(cancel: &Cancel) -> Result<Self> {
        let refused = |source| Error::Stream { action: READ_STDIN, source };
        let stdin = File::from(io::stdin().as_fd().try_clone_to_owned().map_err(refused)?);
        Self::reading(stdin, cancel).map_err(refused)
    }

    fn reading(source: impl Read + Send + 'static, cancel: &Cancel) -> io::Result<Self> {
        let (sender, chunks) = sync_channel(4);
        std::thread::Builder::new().name("stdin".into()).spawn(move || forward(source, &sender))?;
        Ok(Self { chunks, current: io::Cursor::default(), cancel: cancel.clone() })
    }
}

/// Hands on chunks until the input or the interest in it ends.
fn forward(mut source: impl Read, chunks: &SyncSender<io::Result<Vec<u8>>>) {
    loop {
        let mut chunk = vec![0; CHUNK];
        let read = match source.read(&mut chunk) {
            Ok(0) => return,
            Ok(length) => {
                chunk.truncate(length);
                Ok(chunk)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => Err(error),
        };
        let last = read.is_err();
        if chunks.send(read).is_err() || last {
            return;
        }
    }
}

impl Read for Stdin {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let length = self.current.read(buffer)?;
            if length > 0 || buffer.is_empty() {
                return Ok(length);
            }
            match self.chunks.recv_timeout(PATIENCE) {
                Ok(chunk) => self.current = io::Cursor::new(chunk?),
                Err(RecvTimeoutError::Timeout) => self.cancel.check().map_err(io::Error::other)?,
                Err(RecvTimeoutError::Disconnected) => return Ok(0),
            }
        }
    }
}

/// Standard output without a buffer: what was written is with the reader, or an error. A thread of its own writes, so
/// that a signal ends the wait for a reader who hangs.
#[derive(Debug)]
pub struct Stdout {
    chunks: SyncSender<Vec<u8>>,
    written: Receiver<io::Result<()>>,
    cancel: Cancel,
}

impl Stdout {
    /// Opens standard output.
    ///
    /// # Errors
    /// The operating system refuses another descriptor or thread.
    pub fn open(cancel: &Cancel) -> Result<Self> {
        let refused = |source| Error::Stream { action: WRITE_STDOUT, source };
        let stdout = File::from(io::stdout().as_fd().try_clone_to_owned().map_err(refused)?);
        Self::writing(stdout, cancel).map_err(refused)
    }

    /// Opens standard output for what is made for it alone, and is lost if nobody has opened it: then a warning says so.
    ///
    /// # Errors
    /// As [`Stdout::open`].
    pub(crate) fn open_for_bytes(cancel: &Cancel) -> Result<Self> {
        let refused = |source| Error::Stream { action: WRITE_STDOUT, source };
        if may_be_closed(&io::stdout()).map_err(refused)? {
            log::warn!(code = fwb::notice::OUTPUT.code; "standard output was closed, or is /dev/null: what goes there is lost");
        }
        Self::open(cancel)
    }

    /// Writes to a stream that was opened by its path.
    pub(crate) fn to(file: File, cancel: &Cancel) -> Result<Self> {
        Self::writing(file, cancel).map_err(|source| Error::Stream { action: "write a stream", source })
    }

    fn writing(mut target: impl Write + Send + 'static, cancel: &Cancel) -> io::Result<Self> {
        let (chunks, to_write) = sync_channel::<Vec<u8>>(1);
        let (done, written) = sync_channel(1);
        let write = move || {
            for chunk in to_write {
                if done.send(target.write_all(&chunk)).is_err() {
                    return;
                }
            }
        };
        std::thread::Builder::new().name("stdout".into()).spawn(write)?;
        Ok(Self { chunks, written, cancel: cancel.clone() })
    }

    /// Writes all of `bytes`.
    ///
    /// # Errors
    /// An [`Error::Stream`], a broken pipe included.
    pub fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.write_all(bytes).map_err(|source| Error::Stream { action: WRITE_STDOUT, source })
    }
}

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let ended = || io::Error::other("the thread that writes has ended");
        self.chunks.send(bytes.to_vec()).map_err(|_| ended())?;
        loop {
            match self.written.recv_timeout(PATIENCE) {
                Ok(written) => return written.map(|()| bytes.len()),
                Err(RecvTimeoutError::Timeout) => self.cancel.check().map_err(io::Error::other)?,
                Err(RecvTimeoutError::Disconnected) => return Err(ended()),
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether a standard stream may have been closed when this process began: Rust's runtime has opened /dev/null in its
/// place then, for reading and writing. Who throws output away opens it for writing alone, as a shell does; but some, such
/// as Python's `subprocess`, for both.
fn may_be_closed(stream: &impl AsFd) -> io::Result<bool> {
    let (found, null) = (rustix::fs::fstat(stream)?, std::fs::metadata("/dev/null"));
    let is_null = null.is_ok_and(|null| null.file_type().is_char_device() && null.rdev() == found.st_rdev);
    Ok(is_null && rustix::fs::fcntl_getfl(stream)?.contains(OFlags::RDWR))
}

/// Whether a file that was opened by its path is what standard output is.
pub(crate) fn is_stdout(file: &File) -> bool {
    let (stdout, file) = (rustix::fs::fstat(io::stdout()), rustix::fs::fstat(file));
    matches!((stdout, file), (Ok(a), Ok(b)) if (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino))
}

/// Whether records may come on standard input. Nothing ever comes from /dev/null, which stands for a standard input that
/// was closed, too.
pub(crate) fn stdin_may_bring() -> bool {
    let found = rustix::fs::fstat(io::stdin());
    found.is_ok_and(|found| {
        !matches!(
            rustix::fs::FileType::from_raw_mode(found.st_mode),
            rustix::fs::FileType::CharacterDevice | rustix::fs::FileType::Directory
        )
    })
}

/// Whether a person sits at standard input.
pub(crate) fn stdin_is_terminal() -> bool {
    io::stdin().is_terminal()
}

/// Whether a person reads standard output.
pub(crate) fn stdout_is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// A file operand: `-` stands for standard input or output, anything else for a path. Use it as the type of a
/// clap argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutputArg {
    /// `-`
    Standard,
    /// A path.
    File(PathBuf),
}

impl From<OsString> for OutputArg {
    fn from(operand: OsString) -> Self {
        match operand.as_encoded_bytes() {
            b"-" => Self::Standard,
            _ => Self::File(operand.into()),
        }
    }
}

impl fmt::Display for OutputArg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Standard => f.write_str("-"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dash_alone_is_a_standard_stream() {
        assert_eq!(OutputArg::from(OsString::from("-")), OutputArg::Standard);
        assert_eq!(OutputArg::from(OsString::from("./-")), OutputArg::File("./-".into()));
        assert_eq!(OutputArg::from(OsString::from("-o")).to_string(), "-o");
    }

    #[test]
    fn every_byte_arrives_in_order() {
        let bytes: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
        let mut stdin = Stdin::reading(io::Cursor::new(bytes.clone()), &Cancel::default()).unwrap();
        let mut read = Vec::new();
        stdin.read_to_end(&mut read).unwrap();
        assert!(read == bytes);
    }

    #[test]
    fn a_signal_ends_the_wait_for_a_reader_who_hangs() {
        let (_reader, writer) = io::pipe().unwrap();
        let cancel = Cancel::default();
        let mut stdout = Stdout::writing(writer, &cancel).unwrap();
        stdout.put(b"what fits into a pipe").unwrap();
        cancel.raise(15);
        stdout.put(b"and this, because there is room").unwrap();
        assert!(stdout.put(&vec![0; 4 << 20]).is_err());
    }

    #[test]
    fn a_signal_ends_the_wait_for_a_silent_writer() {
        let (reader, _writer) = io::pipe().unwrap();
        let cancel = Cancel::default();
        let mut stdin = Stdin::reading(reader, &cancel).unwrap();
        cancel.raise(15);
        assert!(stdin.read(&mut [0; 10]).is_err());
    }
}
