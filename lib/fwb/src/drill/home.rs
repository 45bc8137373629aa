//! The directories of throwaway servers: private, marked as ours, locked while in use, removed at the end, and by the
//! next drill where there was no end.

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use tempfile::TempDir;

use crate::error::{Error, Result};

/// What all of their names begin with.
const PREFIX: &str = "fwb-drill-";
/// The file that marks a directory as ours. A drill that lives has it locked.
const MARK: &str = ".fwb-drill";
/// Tries to make a directory that nobody takes for an abandoned one.
const TRIES: usize = 5;

/// A directory, removed with everything in it when this is dropped.
#[derive(Debug)]
pub(super) struct Home {
    dir: Option<TempDir>,
    _lock: File,
}

impl Home {
    /// Makes one in `base`.
    ///
    /// # Errors
    /// `base` cannot be written.
    pub(super) fn make(base: &Path) -> Result<Self> {
        for _ in 0..TRIES {
            let dir = tempfile::Builder::new().prefix(PREFIX).tempdir_in(base);
            let dir = dir.map_err(Error::io("make a directory in", base))?;
            let mark = dir.path().join(MARK);
            let lock = open(&mark, true).map_err(Error::io("create", &mark))?;
            // Between these two lines another drill may have taken it for an abandoned one.
            let is_ours =
                lock.try_lock().is_ok() && lock.metadata().is_ok_and(|metadata| metadata.nlink() > 0);
            if is_ours {
                return Ok(Self { dir: Some(dir), _lock: lock });
            }
        }
        Err(Error::io("lock a directory in", base)(std::io::ErrorKind::ResourceBusy.into()))
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        self.dir.as_ref().map_or(Path::new(""), TempDir::path)
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let Some(dir) = self.dir.take() else { return };
        let path = dir.path().to_owned();
        if let Err(error) = dir.close() {
            log::warn!(code = crate::notice::LEFT_BEHIND.code; "cannot remove {}, the next drill tries again: {error}", path.display());
        }
    }
}

fn open(path: &Path, create: bool) -> std::io::Result<File> {
    let nofollow = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
    File::options().write(true).create_new(create).mode(0o600).custom_flags(nofollow).open(path)
}

/// Removes what killed drills of this user have left in `base`.
pub(super) fn sweep(base: &Path) {
    let Ok(entries) = fs::read_dir(base) else { return };
    for entry in entries.flatten() {
        if entry.file_name().to_string_lossy().starts_with(PREFIX) && is_abandoned(&entry.path()) {
            log::warn!(code = crate::notice::REMOVED_LEFTOVER.code; "removing {}, which a drill left behind that was killed", entry.path().display());
        }
    }
}

/// Whether a directory was left behind; it is gone then. The lock is held until that is done.
fn is_abandoned(dir: &Path) -> bool {
    let ours =
        |metadata: &fs::Metadata| metadata.is_dir() && metadata.uid() == rustix::process::geteuid().as_raw();
    if !dir.symlink_metadata().is_ok_and(|metadata| ours(&metadata)) {
        return false;
    }
    let Ok(lock) = open(&dir.join(MARK), false) else { return false };
    if lock.try_lock().is_err() {
        return false;
    }
    match fs::remove_dir_all(dir) {
        Ok(()) => true,
        Err(error) => {
            log::warn!(code = crate::notice::LEFT_BEHIND.code; "cannot remove {}: {error}", dir.display());
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_abandoned_directories_of_ours_are_swept() {
        let base = tempfile::tempdir().unwrap();
        let living = Home::make(base.path()).unwrap();
        let foreign = base.path().join("fwb-drill-foreign");
        let abandoned = base.path().join("fwb-drill-abandoned");
        for dir in [&foreign, &abandoned] {
            fs::create_dir_all(dir.join("data")).unwrap();
        }
        fs::write(abandoned.join(MARK), "").unwrap();
        std::os::unix::fs::symlink(&foreign, base.path().join("fwb-drill-link")).unwrap();
        sweep(base.path());
        assert!(living.path().join(MARK).exists() && foreign.join("data").exists() && !abandoned.exists());
        let path = living.path().to_owned();
        drop(living);
        assert!(!path.exists());
    }
}
