//! The lock of a directory: a file that is locked, which ends with the process in whatever way. It is never deleted, or two runs
//! could hold locks on two files of one name.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use super::{NOFOLLOW, NONBLOCK};
use crate::error::{Error, Result};
use crate::progress::Cancel;
use crate::store::backend::Held;
use crate::store::lock::Wait;

/// The lock file's name.
const LOCK: &str = ".lock";
/// How long a waiting run sleeps between two tries.
const PAUSE: Duration = Duration::from_millis(50);

/// The lock file, locked.
#[derive(Debug)]
pub(super) struct FileLock {
    _file: File,
}

impl Held for FileLock {
    fn check(&self) -> Result<()> {
        Ok(())
    }
}

impl FileLock {
    /// Takes the lock of the store in `root`. NFS grants exclusive locks to writers only, so the file is opened for
    /// writing.
    pub(super) fn take(root: &Path, wait: Wait, cancel: &Cancel) -> Result<Self> {
        let path = root.join(LOCK);
        let file = open_private(&path).map_err(Error::io("open", &path))?;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self { _file: file }),
                Err(TryLockError::WouldBlock) if wait == Wait::No => {
                    return Err(Error::Locked { store: root.to_owned(), by: None });
                }
                Err(TryLockError::WouldBlock) => {
                    cancel.check()?;
                    std::thread::sleep(PAUSE);
                }
                Err(TryLockError::Error(source)) => return Err(Error::io("lock", &path)(source)),
            }
        }
    }
}

/// Makes a directory that only this user may enter, with its parents. It is private from its first moment: nothing is
/// done to it afterwards by its name, which others might have given to something else.
pub(super) fn create_private_dir(path: &Path) -> Result<()> {
    match std::fs::metadata(path) {
        // What it is must be known before it is protected: a store that is there may be shared with a group.
        Ok(_) => return Ok(()),
        // That it cannot be made there is said by making it.
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
        Err(error) => return Err(Error::io("examine", path)(error)),
    }
    if let Some(parent) = path.parent().filter(|parent| parent.metadata().is_err()) {
        std::fs::create_dir_all(parent).map_err(Error::io("create", path))?;
    }
    match DirBuilder::new().mode(0o700).create(path) {
        // Another run has made it meanwhile.
        Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        made => made.map_err(Error::io("create", path)),
    }
}

/// Opens a file for writing that only this user may read, and makes it where it does not exist. What it holds stays.
fn open_private(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    // A pipe that nobody reads would be waited for.
    let file = options.custom_flags(NOFOLLOW | NONBLOCK).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(std::io::Error::other("it is not a regular file"));
    }
    Ok(file)
}
