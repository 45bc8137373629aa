//! Publishing: everything is written and synced under a hidden name, then renamed.
//!
//! The order, and why: the artifact's bytes reach the disk before its name does; its sidecar is complete before
//! the artifact appears; the rename of the artifact is the moment at which the backup exists; the directory is
//! synced last, so that the names survive a power loss too.

use std::fs::{File, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::name::{PARTIAL, SIDECAR};
use super::{NOFOLLOW, NONBLOCK, open_private};
use crate::error::{Error, Result};

/// A file that is not published yet; dropping it removes it.
#[derive(Debug)]
pub(crate) struct Partial {
    path: PathBuf,
    target: PathBuf,
    file: File,
    published: bool,
}

impl Partial {
    /// Creates the hidden file that will become `target`, and locks it: two runs that write one file would mix.
    ///
    /// # Errors
    /// Another run is writing it, or it cannot be created.
    pub(crate) fn create(target: &Path) -> Result<Self> {
        let mut hidden = std::ffi::OsString::from(".");
        hidden.push(target.file_name().unwrap_or_default());
        hidden.push(PARTIAL);
        let path = target.with_file_name(hidden);
        let file = loop {
            let file = open_private(&path).map_err(Error::io("create", &path))?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(Error::Locked { store: target.to_owned() }),
                Err(TryLockError::Error(source)) => return Err(Error::io("lock", &path)(source)),
            }
            // Another run may have published the file between our opening and locking it.
            let ours = file.metadata().map_err(Error::io("examine", &path))?;
            match path.symlink_metadata() {
                Ok(there) if (there.dev(), there.ino()) == (ours.dev(), ours.ino()) => break file,
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(Error::io("examine", &path)(error));
                }
                _ => {}
            }
        };
        file.set_len(0).map_err(Error::io("write", &path))?;
        if is_shared(target) {
            let mode = std::fs::Permissions::from_mode(0o640);
            file.set_permissions(mode).map_err(Error::io("protect", &path))?;
        }
        Ok(Self { path, target: target.to_owned(), file, published: false })
    }

    /// A handle to write through.
    pub(crate) fn writer(&self) -> Result<PartialWriter> {
        let file = self.file.try_clone().map_err(Error::io("open", &self.path))?;
        Ok(PartialWriter { file })
    }

    /// Waits until the bytes are on the disk.
    pub(crate) fn sync(&self) -> Result<()> {
        self.file.sync_all().map_err(Error::io("write", &self.path))
    }

    /// Gives the file its name. The directory is still to be synced.
    pub(crate) fn publish(mut self) -> Result<()> {
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
            log::warn!("cannot remove {}: {error}", self.path.display());
        }
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
fn is_shared(target: &Path) -> bool {
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
pub(crate) fn sidecar_path(artifact: &Path) -> PathBuf {
    let mut name = artifact.file_name().unwrap_or_default().to_owned();
    name.push(SIDECAR);
    artifact.with_file_name(name)
}

/// Writes and syncs a small file under its hidden name.
pub(crate) fn stage(target: &Path, content: &[u8]) -> Result<Partial> {
    let partial = Partial::create(target)?;
    partial.writer()?.write_all(content).map_err(Error::io("write", partial.path()))?;
    partial.sync()?;
    Ok(partial)
}
