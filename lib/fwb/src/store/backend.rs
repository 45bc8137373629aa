//! The port to what keeps a store's files: a directory, or an object store. The crate `fwb-stores` implements it for the latter.
//!
//! A file is named by its plain name in the store. Whoever changes anything holds the lock.

use std::fmt::Debug;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use super::{Location, Space, StoreLock, StoreUrl, Wait};
use crate::encryption::ReadAt;
use crate::error::{Error, Result};
use crate::manifest::Timestamp;
use crate::progress::Cancel;

/// Opens object stores.
pub trait ObjectStores: Send + Sync {
    /// The store at this place.
    ///
    /// # Errors
    /// A usage error where its configuration cannot be used. Whether the store answers is not tried.
    fn open(&self, url: &StoreUrl, cancel: &Cancel) -> Result<Arc<dyn Backend>>;
}

/// What keeps a store's files.
pub trait Backend: Debug + Send + Sync {
    /// Where it is.
    fn location(&self) -> &Location;

    /// Where the service is that has the store, where that is another than the usual one: two may have a bucket of one name.
    #[expect(clippy::unnecessary_literal_bound, reason = "others make theirs when they are opened")]
    fn service(&self) -> &str {
        ""
    }

    /// Whether a look at a file costs next to nothing.
    fn is_near(&self) -> bool;

    /// The files that lie in the store itself.
    ///
    /// # Errors
    /// The store cannot be listed.
    fn list(&self) -> Result<Vec<Listed>>;

    /// What small files hold, at most `limit` bytes of each; none where there is no such file.
    ///
    /// # Errors
    /// A signal arrived. That one file cannot be read stands in its place.
    fn read(&self, files: &[Listed], limit: u64) -> Result<Vec<Result<Option<Vec<u8>>>>>;

    /// Opens a file for reading; none where there is no such file.
    ///
    /// # Errors
    /// It is no regular file, or cannot be opened.
    fn open(&self, name: &str) -> Result<Option<Opened>>;

    /// Whether a backup was deleted whose files are there for some hours more: whoever opens one finds none, and a sidecar may
    /// still be read.
    ///
    /// # Errors
    /// The store does not say.
    fn was_deleted(&self, _artifact: &str) -> Result<bool> {
        Ok(false)
    }

    /// Takes the lock, without which nothing is changed.
    ///
    /// # Errors
    /// Another run holds it and `wait` says not to wait, or the store cannot be written.
    fn lock(&self, wait: Wait, cancel: &Cancel) -> Result<StoreLock>;

    /// Takes a backup's name, whatever it ends with: false where one of these files is there, or the name was taken.
    ///
    /// # Errors
    /// The store cannot be read or written.
    fn take_name(&self, stem: &str, files: &[String]) -> Result<bool>;

    /// Takes the name of a copy, which is that of its original: false where there is such a file, or another run has the name.
    ///
    /// # Errors
    /// The store cannot be read or written, or a backup of the name was deleted a moment ago.
    fn take_name_of_copy(&self, artifact: &str, stem: &str) -> Result<bool>;

    /// Begins an artifact, whose name was taken.
    ///
    /// # Errors
    /// It cannot be created.
    fn begin(&self, name: &str, stem: &str) -> Result<Box<dyn Upload>>;

    /// Writes a small file anew, whole or not at all.
    ///
    /// # Errors
    /// It cannot be written.
    fn write(&self, name: &str, bytes: &[u8]) -> Result<()>;

    /// Keeps an artifact from being deleted.
    ///
    /// # Errors
    /// A usage error where the store cannot do that; it is refused.
    fn retain(&self, _artifact: &str, _retention: Retention) -> Result<()> {
        Err(no_retention())
    }

    /// Deletes a backup: the sidecar first, so that a crash in between leaves an artifact that still knows itself.
    ///
    /// # Errors
    /// A file cannot be removed.
    fn delete(&self, artifact: &str, sidecar: &str, stem: &str) -> Result<Freed>;

    /// Removes what a run that was killed has left behind.
    ///
    /// # Errors
    /// The store cannot be read, or a file cannot be removed.
    fn sweep(&self) -> Result<()>;

    /// Free and total space, where there is a limit.
    ///
    /// # Errors
    /// The file system does not tell.
    fn space(&self) -> Result<Option<Space>>;

    /// The files of a folder. They need no lock: each is written by one process alone.
    ///
    /// # Errors
    /// It cannot be listed. Where nobody has written one, there is none.
    fn list_in(&self, folder: Folder) -> Result<Vec<Listed>>;

    /// What small files of a folder hold, as [`Backend::read`] gives it.
    ///
    /// # Errors
    /// A signal arrived.
    fn read_in(&self, folder: Folder, files: &[Listed], limit: u64) -> Result<Vec<Result<Option<Vec<u8>>>>>;

    /// The first bytes of files of a folder that are never changed, `size` of each at most; none where there is no such file.
    ///
    /// # Errors
    /// A signal arrived.
    fn heads_in(&self, folder: Folder, files: &[Listed], size: u64) -> Result<Vec<Result<Option<Vec<u8>>>>>;

    /// Writes a file of a folder anew, whole or not at all.
    ///
    /// # Errors
    /// It cannot be written.
    fn write_in(&self, folder: Folder, name: &str, bytes: &[u8]) -> Result<()>;

    /// Writes a file of a folder, whole or not at all, where there is none of its name; false where there is one.
    ///
    /// # Errors
    /// It cannot be written, or another process is writing it.
    fn create_in(&self, folder: Folder, name: &str, bytes: &[u8]) -> Result<bool>;

    /// Removes a file of a folder; that it is gone is no error.
    ///
    /// # Errors
    /// It cannot be removed.
    fn remove_in(&self, folder: Folder, name: &str) -> Result<()>;
}

/// A folder of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Folder {
    /// Records of runs.
    Runs,
    /// The binary log, in segments.
    Log,
}

impl Folder {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Runs => "runs",
            Self::Log => "log",
        }
    }
}

/// What a deleted backup took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Freed {
    /// Bytes of its artifact.
    pub bytes: u64,
    /// Whether they are free now; else some hours later, so that whoever reads the backup may go on.
    pub at_once: bool,
}

/// A file that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// Its size in bytes, where the listing tells.
    pub size: Option<u64>,
    /// What changes when its content does, where the listing tells.
    pub version: Option<String>,
}

/// A file that is open.
#[derive(Debug, Clone)]
pub struct Opened {
    /// Its bytes.
    pub bytes: Arc<dyn ReadAt>,
    /// When it was last written.
    pub modified: SystemTime,
}

/// Until when a store is to keep an artifact from being deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Until then.
    pub until: Timestamp,
    /// Who may delete it all the same.
    pub mode: RetentionMode,
}

/// Who may delete what a store keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetentionMode {
    /// Who has the right to.
    Governance,
    /// Nobody.
    Compliance,
}

/// What is said where a store keeps nothing from being deleted.
pub fn no_retention() -> Error {
    Error::Usage {
        message: "this store cannot keep a backup from being deleted".into(),
        hint: Some(
            "that takes a bucket with S3 Object Lock: leave out --retain-days and --retain-until".into(),
        ),
    }
}

/// An artifact that is not published yet. Dropped, it leaves nothing behind.
pub trait Upload: Debug + Send {
    /// Takes its bytes; to be called once. It ends when it is dropped.
    ///
    /// # Errors
    /// It cannot be opened.
    fn writer(&self) -> Result<Box<dyn Write + Send>>;

    /// What writing names in messages.
    fn path(&self) -> PathBuf;

    /// Has the store keep the artifact from being deleted, once it is published.
    ///
    /// # Errors
    /// A usage error where the store cannot do that.
    fn retain(&mut self, _retention: Retention) -> Result<()> {
        Err(no_retention())
    }

    /// Opens what was written, which is stored for good when this returns.
    ///
    /// # Errors
    /// It could not be stored, or cannot be read.
    fn read_back(&mut self) -> Result<Opened>;

    /// Gives the artifact its name, with the sidecar beside it. Until it has its name an interruption still counts; from then on
    /// the backup exists.
    ///
    /// # Errors
    /// What is stored is not what was written (its size and SHA-256 are given), or cannot be stored.
    fn publish(
        self: Box<Self>,
        artifact: Expected<'_>,
        sidecar: SidecarFile<'_>,
        cancel: &Cancel,
    ) -> Result<()>;
}

/// What was written.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// Bytes.
    pub size: u64,
    /// SHA-256, in hexadecimal digits.
    pub sha256: Option<&'a str>,
}

/// A sidecar that is to be written.
#[derive(Debug, Clone, Copy)]
pub struct SidecarFile<'a> {
    /// Its name.
    pub name: &'a str,
    /// What it holds.
    pub json: &'a [u8],
}

/// A lock that is held: released when it is dropped, or when the process ends in whatever way.
pub trait Held: Debug + Send + Sync {
    /// Whether it is still held.
    ///
    /// # Errors
    /// It was lost: somebody else may be at work.
    fn check(&self) -> Result<()>;
}

/// For tests with directories.
#[cfg(test)]
pub(crate) struct NoObjectStores;

#[cfg(test)]
impl ObjectStores for NoObjectStores {
    fn open(&self, url: &StoreUrl, _: &Cancel) -> Result<Arc<dyn Backend>> {
        Err(Error::usage(format!("{url}: none here")))
    }
}
