//! Folders of a directory store: one for records of runs, one for the log. Each is made with its first file, for whoever may
//! read the store; something else of its name is left alone.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::staging::{Partial, is_being_written, is_shared, stage, sync_dir};
use super::{Directory, NOFOLLOW, NONBLOCK, is_free};
use crate::error::{Error, Result};
use crate::store::backend::Folder;
use crate::store::name::PARTIAL;

impl Directory {
    fn folder(&self, folder: Folder) -> PathBuf {
        self.root.join(folder.as_str())
    }

    /// The folder, where it is there.
    pub(super) fn folder_if_there(&self, folder: Folder) -> Result<Option<Self>> {
        let path = self.folder(folder);
        match open_folder(&path) {
            Ok(_) => Ok(Some(Self::named(&path))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("open", &path)(error)),
        }
    }

    /// Writes a file of a folder; false where one of its name is there and may not be replaced.
    pub(super) fn write_into(
        &self,
        folder: Folder,
        name: &str,
        bytes: &[u8],
        replaces: bool,
    ) -> Result<bool> {
        let folder = self.folder(folder);
        make_folder(&folder).map_err(Error::io("create", &folder))?;
        check_owner(&self.root, &folder).map_err(Error::io("write", &folder))?;
        let path = folder.join(name);
        // Its hidden name is locked: nobody else makes this file meanwhile.
        let partial = Partial::create(&path)?;
        if !replaces && !is_free(&path)? {
            return Ok(false);
        }
        stage(partial, bytes)?.publish()?;
        sync_dir(&folder)?;
        Ok(true)
    }

    pub(super) fn remove_from(&self, folder: Folder, name: &str) -> Result<()> {
        let path = self.folder(folder).join(name);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::io("delete", &path)(error)),
            _ => Ok(()),
        }
    }

    /// Removes what those have left behind that were killed while they wrote a file of a folder. What is none of our folders
    /// stays.
    pub(super) fn sweep_folder(&self, folder: Folder) -> Result<()> {
        let Ok(Some(folder)) = self.folder_if_there(folder) else { return Ok(()) };
        let mut left = Vec::new();
        folder.each_file(|name| {
            if name.starts_with('.') && name.ends_with(PARTIAL) {
                left.push(folder.root.join(name));
            }
        })?;
        for path in left.iter().filter(|path| !is_being_written(path)) {
            match std::fs::remove_file(path) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(Error::io("remove", path)(error));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Opens the folder itself: a symbolic link of its name may lead anywhere.
fn open_folder(path: &Path) -> io::Result<File> {
    let folder = OpenOptions::new().read(true).custom_flags(NOFOLLOW | NONBLOCK).open(path)?;
    if !folder.metadata()?.is_dir() {
        return Err(io::Error::other("it is not a directory"));
    }
    Ok(folder)
}

/// Another user's folder of that name could be changed for something else while a file is written.
fn check_owner(store: &Path, folder: &Path) -> io::Result<()> {
    let (store, folder) = (std::fs::metadata(store)?.uid(), open_folder(folder)?.metadata()?.uid());
    if folder == store || folder == rustix::process::geteuid().as_raw() {
        return Ok(());
    }
    Err(io::Error::other("it belongs to another user than the store"))
}

fn make_folder(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) if is_shared(path) => open_folder(path)?.set_permissions(Permissions::from_mode(0o2750)),
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => open_folder(path).map(drop),
        Err(error) => Err(error),
    }
}
