//! Publishing: everything is written and synced under a hidden name, then renamed.
//!
//! The order, and why: the artifact's bytes reach the disk before its name does; its sidecar is complete before
//! the artifact appears; the rename of the artifact is the moment at which the backup exists; the directory is
//! synced last, so that the names survive a power loss too.

use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions, TryLockError};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::{NOFOLLOW, NONBLOCK};
use crate::error::{Error, Result};
use crate::manifest::Manifest;
use crate::output::directory_of;
use crate::store::backend::Opened;
use crate::store::entry::LARGEST_SIDECAR;
use crate::store::name::{PARTIAL, SIDECAR};

/// How often the hidden file is made anew when others make one of its name at the same moment.
const TRIES: usize = 100;
/// The longest part of the target's name in a hidden name that cannot be guessed, in bytes: with the rest, it is a file
/// name everywhere.
const LONGEST_PART: usize = 200;

/// A file that is not published yet; dropping it removes it.
#[derive(Debug)]
pub(crate) struct Partial {
    path: PathBuf,
    target: PathBuf,
    file: File,
    replaces: Replaces,
    published: bool,
}

/// What a published file may take the place of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Replaces {
    /// Whatever has the name: the directory is a store, which is ours.
    Anything,
    /// A regular file of the user who writes: the directory may be anybody's.
    OurFile,
}

impl Partial {
    /// Creates the hidden file in a store that will become `target`, and locks it: two runs that write one file would
    /// mix.
    ///
    /// # Errors
    /// Another run is writing it, or it cannot be created.
    pub(crate) fn create(target: &Path) -> Result<Self> {
        let mut hidden = OsString::from(".");
        hidden.push(target.file_name().unwrap_or_default());
        hidden.push(PARTIAL);
        Self::at(target.with_file_name(hidden), target, Replaces::Anything)
    }

    /// Creates the hidden file beside a path outside of a store. Nobody can guess its name, so that nobody who may write
    /// the directory can have put something there.
    ///
    /// # Errors
    /// What is at the path is not a regular file of this user's, or the hidden file cannot be created.
    pub(crate) fn beside(target: &Path) -> Result<Self> {
        let name = target.file_name().unwrap_or_default().as_bytes();
        let mut start = OsString::from(".");
        start.push(OsStr::from_bytes(&name[..name.len().min(LONGEST_PART)]));
        start.push(".");
        let mut hidden = start.clone();
        // The hasher's key is drawn from the operating system's random numbers.
        hidden.push(format!("{:016x}", RandomState::new().hash_one(std::process::id())));
        hidden.push(PARTIAL);
        let partial = Self::at(target.with_file_name(hidden), target, Replaces::OurFile)?;
        partial.check_target()?;
        partial.remove_abandoned(start.as_bytes())?;
        Ok(partial)
    }

    fn at(path: PathBuf, target: &Path, replaces: Replaces) -> Result<Self> {
        let file = create_locked(&path, target)?;
        if is_shared(target) {
            let mode = std::fs::Permissions::from_mode(0o640);
            file.set_permissions(mode).map_err(Error::io("protect", &path))?;
        }
        Ok(Self { path, target: target.to_owned(), file, replaces, published: false })
    }

    /// Whether the file may take its name.
    fn check_target(&self) -> Result<()> {
        let there = match self.target.symlink_metadata() {
            Ok(there) if self.replaces == Replaces::OurFile => there,
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(Error::io("examine", &self.target)(error));
            }
            _ => return Ok(()),
        };
        // Ours is what we make here: some file systems give everybody's files to one user.
        let ours = self.file.metadata().map_err(Error::io("examine", &self.path))?.uid();
        let why = match there {
            there if !there.is_file() => "it is not a regular file",
            there if there.uid() != ours => "it belongs to another user",
            _ => return Ok(()),
        };
        Err(Error::Usage {
            message: format!("{} is not replaced: {why}", self.target.display()),
            hint: Some("remove it first, or give another path".into()),
        })
    }

    /// Removes what runs of this user have left that were killed while they wrote the same path.
    fn remove_abandoned(&self, start: &[u8]) -> Result<()> {
        let directory = directory_of(&self.path);
        let ours = self.file.metadata().map_err(Error::io("examine", &self.path))?.uid();
        let is_abandoned = |name: &OsStr, path: &Path| {
            let middle = name.as_bytes().strip_prefix(start);
            let middle = middle.and_then(|rest| rest.strip_suffix(PARTIAL.as_bytes()));
            middle.is_some_and(|middle| middle.len() == 16 && middle.iter().all(u8::is_ascii_hexdigit))
                && path.symlink_metadata().is_ok_and(|found| found.is_file() && found.uid() == ours)
                && !is_being_written(path)
        };
        // A directory that may be written and not read keeps what is left in it.
        for found in std::fs::read_dir(directory).into_iter().flatten().flatten() {
            let path = found.path();
            if is_abandoned(&found.file_name(), &path) {
                log::warn!(code = crate::notice::REMOVED_LEFTOVER.code; "removing {}, which a run left behind that did not end well", path.display());
                std::fs::remove_file(&path).map_err(Error::io("remove", &path))?;
            }
        }
        Ok(())
    }

    /// A handle to write through.
    pub(crate) fn writer(&self) -> Result<PartialWriter> {
        let file = self.file.try_clone().map_err(Error::io("open", &self.path))?;
        Ok(PartialWriter { file })
    }

    /// Opens what was written, once it is on the disk.
    pub(crate) fn read_back(&self) -> Result<Opened> {
        self.sync()?;
        super::opened(File::open(&self.path).map_err(Error::io("open", &self.path))?, &self.path)
    }

    /// Waits until the bytes are on the disk.
    pub(crate) fn sync(&self) -> Result<()> {
        self.file.sync_all().map_err(Error::io("write", &self.path))
    }

    /// Gives the file its name. The directory is still to be synced.
    pub(crate) fn publish(mut self) -> Result<()> {
        self.check_target()?;
        std::fs::rename(&self.path, &self.target).map_err(Error::io("publish", &self.target))?;
        self.published = true;
        Ok(())
    }

    /// The path under which writing fails, for messages.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.published
            && let Err(error) = std::fs::remove_file(&self.path)
        {
            log::warn!(code = crate::notice::LEFT_BEHIND.code; "cannot remove {}: {error}", self.path.display());
        }
    }
}

/// Makes a file that was not there, and locks it. What a run has left behind that was killed goes.
fn create_locked(path: &Path, target: &Path) -> Result<File> {
    for _ in 0..TRIES {
        let mut options = OpenOptions::new();
        let file = match options.write(true).create_new(true).mode(0o600).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                remove_left(path, target)?;
                continue;
            }
            Err(error) => return Err(Error::io("create", path)(error)),
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::Locked { store: target.to_owned(), by: None });
            }
            Err(TryLockError::Error(source)) => return Err(Error::io("lock", path)(source)),
        }
        // Another run may have taken it for one that was left, between our making and locking it.
        let ours = file.metadata().map_err(Error::io("examine", path))?;
        match path.symlink_metadata() {
            Ok(there) if (there.dev(), there.ino()) == (ours.dev(), ours.ino()) => return Ok(file),
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(Error::io("examine", path)(error));
            }
            _ => {}
        }
    }
    Err(Error::io("create", path)(ErrorKind::AlreadyExists.into()))
}

/// Removes a hidden file that nobody writes any more. What it holds is never used.
fn remove_left(path: &Path, target: &Path) -> Result<()> {
    let removed = match path.symlink_metadata() {
        Ok(there) if !there.is_file() => Err(io::Error::other("it is not a regular file")),
        Ok(_) if is_being_written(path) => return Err(Error::Locked { store: target.to_owned(), by: None }),
        Ok(_) => std::fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed.map_err(Error::io("create", path)),
    }
}

/// Whether a run is at work on this hidden file, as one is that writes to a path in a store: it does without the store's
/// lock.
pub(super) fn is_being_written(path: &Path) -> bool {
    let file = File::options().write(true).custom_flags(NOFOLLOW | NONBLOCK).open(path);
    file.is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
}

/// Whether the directory's owner has shared it with its group (`chmod 2750`): the setgid bit gives that group to what is
/// made there, and who may read and enter the directory may then read the files too.
pub(super) fn is_shared(target: &Path) -> bool {
    const SHARED: u32 = 0o2050;
    let directory = target.parent().map(std::fs::metadata);
    directory.is_some_and(|found| found.is_ok_and(|found| found.mode() & SHARED == SHARED))
}

/// Writes to a [`Partial`].
#[derive(Debug)]
pub(crate) struct PartialWriter {
    file: File,
}

impl Write for PartialWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Waits until a directory's names are on the disk.
pub(crate) fn sync_dir(path: &Path) -> Result<()> {
    let dir = File::open(path).map_err(Error::io("open", path))?;
    dir.sync_all().map_err(Error::io("sync", path))
}

/// The sidecar's path beside an artifact.
fn sidecar_path(artifact: &Path) -> PathBuf {
    let mut name = artifact.file_name().unwrap_or_default().to_owned();
    name.push(SIDECAR);
    artifact.with_file_name(name)
}

/// Removes the sidecar of an artifact that is about to be replaced. A file of that name that is no manifest is somebody's
/// own.
pub(crate) fn remove_sidecar(artifact: &Path) -> Result<()> {
    let path = sidecar_path(artifact);
    let mut json = Vec::new();
    let read = super::open(&path).and_then(|file| file.take(LARGEST_SIDECAR).read_to_end(&mut json));
    if read.is_err() || Manifest::from_slice(&json).is_err() {
        return Ok(());
    }
    std::fs::remove_file(&path).map_err(Error::io("remove", &path))
}

/// Writes and syncs a small file under its hidden name.
pub(crate) fn stage(partial: Partial, content: &[u8]) -> Result<Partial> {
    partial.writer()?.write_all(content).map_err(Error::io("write", partial.path()))?;
    partial.sync()?;
    Ok(partial)
}
