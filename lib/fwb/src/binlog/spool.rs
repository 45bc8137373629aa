//! What a follower has given its word for and the store does not have yet, on the follower's own disk.
//!
//! A spool is a directory of one store and one server. It holds finished segments, each a file under its own name, which wait
//! to be published in their order; and the file `tail`: what has come since the last one, as small segments one behind the
//! other, each on disk before the server is told so. A finished segment holds all that the tail had, which begins anew then.
//! The segments of a tail follow the last finished one by the chain's hash: what does not is older than that one.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::segment::{Segment, WithPayload, parse_name};
use crate::error::{Error, Result};
use crate::identity::ServerIdentity;
use crate::store::sync_dir;

/// The file with the small segments.
const TAIL: &str = "tail";
/// What names begin with of files that are being written.
const PARTIAL: &str = ".partial-";
/// What names end with of what is kept for a person.
const UNFIT: &str = ".unfit";

/// The spool of one store and one server; nobody else's while this value lives.
#[derive(Debug)]
pub(super) struct Spool {
    finished: Finished,
    tail: File,
    _lock: File,
}

/// Segments that wait to be published. Whoever publishes them is another thread than who adds to them.
#[derive(Debug, Clone)]
pub(super) struct Finished(PathBuf);

impl Spool {
    /// Opens the spool under `root` of this store and server; none where there is none and `make` does not ask for it.
    ///
    /// # Errors
    /// Another follower has it, or the disk does not let us.
    pub(super) fn open(
        root: &Path,
        store: &str,
        server: &ServerIdentity,
        make: bool,
    ) -> Result<Option<Self>> {
        let label = server.label().map(ToString::to_string).unwrap_or_default();
        let key = hex::encode(&Sha256::digest(format!("{store}\n{label}\n"))[..8]);
        let dir = root.join(key);
        if make {
            make_durably(&dir)?;
        }
        let folder = OpenOptions::new().read(true).custom_flags(flags(true)).open(&dir);
        match folder {
            Err(error) if error.kind() == ErrorKind::NotFound && !make => return Ok(None),
            opened => drop(opened.map_err(Error::io("open", &dir))?),
        }
        let path = dir.join("lock");
        let lock = open(&path).map_err(Error::io("open", &path))?;
        if lock.try_lock().is_err() {
            return Err(Error::io("lock", &path)(ErrorKind::ResourceBusy.into()));
        }
        let path = dir.join(TAIL);
        let tail = open(&path).map_err(Error::io("open", &path))?;
        let finished = Finished(dir);
        finished.remove_partial()?;
        finished.sync()?;
        Ok(Some(Self { finished, tail, _lock: lock }))
    }

    /// The segments that wait.
    pub(super) fn finished(&self) -> &Finished {
        &self.finished
    }

    fn failed(&self, action: &'static str) -> impl FnOnce(std::io::Error) -> Error {
        Error::io(action, self.finished.0.join(TAIL))
    }

    /// Adds a small segment. It is on the disk when this returns.
    ///
    /// # Errors
    /// The disk is full, or fails.
    pub(super) fn append(&mut self, segment: &[u8]) -> Result<()> {
        let written = self.tail.write_all(segment).and_then(|()| self.tail.sync_data());
        written.map_err(self.failed("write"))
    }

    /// Adds a finished segment, which has all that the tail has. It is on the disk when this returns, and the tail begins anew.
    ///
    /// # Errors
    /// The disk is full, or fails.
    pub(super) fn finish(&mut self, name: &str, segment: &[u8]) -> Result<()> {
        self.finished.put(name, segment)?;
        self.clear_tail()
    }

    /// The tail begins anew: the store, or a finished segment, has what it had.
    ///
    /// # Errors
    /// The disk fails.
    pub(super) fn clear_tail(&mut self) -> Result<()> {
        self.tail.set_len(0).map_err(self.failed("empty"))
    }

    /// The segments of the tail, each with its payload; and how many bytes come after them that are none. Whoever was killed
    /// while it wrote has given no word for those.
    ///
    /// # Errors
    /// The disk fails.
    pub(super) fn tail(&self) -> Result<(Vec<WithPayload>, usize)> {
        let mut bytes = Vec::new();
        let path = self.finished.0.join(TAIL);
        let read = File::open(path).and_then(|mut file| file.read_to_end(&mut bytes));
        read.map_err(self.failed("read"))?;
        let (mut segments, mut rest) = (Vec::new(), &bytes[..]);
        while let Some((segment, payload, after)) = next(rest) {
            segments.push((segment, payload.to_vec()));
            rest = after;
        }
        Ok((segments, rest.len()))
    }

    /// Keeps a tail that nothing is known to have, under another name, for a person. Returns where it is.
    ///
    /// # Errors
    /// The disk fails.
    pub(super) fn keep_tail(&mut self, at: &str) -> Result<PathBuf> {
        let (from, to) = (self.finished.0.join(TAIL), self.finished.0.join(format!("{TAIL}-{at}{UNFIT}")));
        fs::copy(from, &to).and_then(|_| File::open(&to)?.sync_all()).map_err(Error::io("write", &to))?;
        self.finished.sync()?;
        self.clear_tail()?;
        Ok(to)
    }
}

impl Finished {
    fn put(&self, name: &str, segment: &[u8]) -> Result<()> {
        let (partial, path) = (self.0.join(format!("{PARTIAL}{name}")), self.0.join(name));
        let write = || {
            let mut file = open(&partial)?;
            file.set_len(0)?;
            file.write_all(segment)?;
            file.sync_all()?;
            fs::rename(&partial, &path)
        };
        write().map_err(Error::io("write", &path))?;
        self.sync()
    }

    /// Removes what somebody has left who was killed while writing a segment: the tail still has all of that one.
    fn remove_partial(&self) -> Result<()> {
        let files = self.files()?;
        files.iter().filter(|name| name.starts_with(PARTIAL)).try_for_each(|name| self.remove(name))
    }

    /// The names of all that is there.
    fn files(&self) -> Result<Vec<String>> {
        let failed = || Error::io("read", &self.0);
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.0).map_err(failed())? {
            names.extend(entry.map_err(failed())?.file_name().into_string().ok());
        }
        Ok(names)
    }

    /// Makes sure that names are on the disk.
    fn sync(&self) -> Result<()> {
        sync_dir(&self.0)
    }

    /// The names of those that wait, in the order in which they came.
    ///
    /// # Errors
    /// The disk fails.
    pub(super) fn names(&self) -> Result<Vec<String>> {
        let mut names = self.files()?;
        names.retain(|name| parse_name(name).is_some());
        // Chains are named after the moment at which they began.
        names.sort();
        Ok(names)
    }

    /// A segment's file.
    ///
    /// # Errors
    /// The disk fails.
    pub(super) fn read(&self, name: &str) -> Result<Vec<u8>> {
        let path = self.0.join(name);
        fs::read(&path).map_err(Error::io("read", &path))
    }

    /// Lets a segment go that the store has.
    ///
    /// # Errors
    /// The disk fails.
    pub(super) fn remove(&self, name: &str) -> Result<()> {
        let path = self.0.join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::io("delete", &path)(error)),
            _ => Ok(()),
        }
    }

    /// Keeps a segment that the store's chain has no place for, under another name, for a person. Returns where it is.
    ///
    /// # Errors
    /// The disk fails.
    pub(super) fn put_aside(&self, name: &str) -> Result<PathBuf> {
        let (from, to) = (self.0.join(name), self.0.join(format!("{name}{UNFIT}")));
        fs::rename(from, &to).map_err(Error::io("write", &to))?;
        self.sync()?;
        Ok(to)
    }

    /// Where they are.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

/// The first segment of a tail, its payload, and what follows; none where there is no whole one.
fn next(bytes: &[u8]) -> Option<(Segment, &[u8], &[u8])> {
    let (segment, head) = Segment::read(TAIL, bytes).ok()?;
    let end = head.checked_add(usize::try_from(segment.size).ok()?)?;
    let payload = bytes.get(head..end)?;
    let is_whole = hex::encode(Sha256::digest(payload)) == segment.sha256;
    is_whole.then(|| (segment, payload, &bytes[end..]))
}

fn flags(directory: bool) -> i32 {
    use rustix::fs::OFlags;
    let flags = OFlags::NOFOLLOW | if directory { OFlags::DIRECTORY } else { OFlags::NONBLOCK };
    flags.bits().cast_signed()
}

/// Makes a directory where it is not there, and makes sure that its name is on the disk: what the server is told to be safe is in it.
fn make_durably(dir: &Path) -> Result<()> {
    let dir = std::path::absolute(dir).map_err(Error::io("find", dir))?;
    let missing = dir.ancestors().take_while(|dir| !dir.is_dir()).count();
    DirBuilder::new().mode(0o700).recursive(true).create(&dir).map_err(Error::io("create", &dir))?;
    dir.ancestors().skip(1).take(missing).try_for_each(sync_dir)
}

/// Opens a file of this user alone, to write at its end, and makes it where it is not there.
fn open(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    let file = options.append(true).create(true).mode(0o600).custom_flags(flags(false)).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(std::io::Error::other("it is not a regular file"));
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_that_was_being_written_is_none() {
        let root = tempfile::tempdir().unwrap();
        let open = || Spool::open(root.path(), "store", &ServerIdentity::default(), true).unwrap().unwrap();
        let mut spool = open();
        let name =
            |number: u64| format!("20250725T170206000Z-shop-1a2b3c4d-{number:010}-{number:010}.fwblog");
        spool.append(b"tail").unwrap();
        let dir = spool.finished().path().to_owned();
        fs::write(dir.join(name(1)), "whole").unwrap();
        fs::write(dir.join(format!("{PARTIAL}{}", name(2))), "ha").unwrap();
        assert_eq!(spool.finished().names().unwrap(), [name(1)], "another thread writes it");
        drop(spool);
        assert_eq!(open().finished().names().unwrap(), [name(1)]);
        assert!(!dir.join(format!("{PARTIAL}{}", name(2))).exists(), "its writer was killed");
        assert_eq!(fs::read(dir.join(TAIL)).unwrap(), b"tail");
    }
}
