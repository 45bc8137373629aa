//! A directory as a store.

mod folder;
mod lock;
mod staging;

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::FileType;

use staging::is_being_written;
pub(crate) use staging::{Partial, remove_sidecar, stage, sync_dir};

use super::backend::{Backend, Expected, Folder, Freed, Listed, Opened, SidecarFile, Upload};
use super::name::PARTIAL;
use super::{Location, Space, StoreLock, Wait, nameable};
use crate::encryption::ReadAt;
use crate::error::{Error, Result};
use crate::progress::Cancel;

/// Open no symbolic link.
const NOFOLLOW: i32 = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();

/// A pipe that someone put into the store must not stop us.
const NONBLOCK: i32 = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();

/// Room for a sidecar as most are, in bytes.
const USUAL: usize = 8 << 10;

/// A directory.
#[derive(Debug)]
pub(super) struct Directory {
    root: PathBuf,
    location: Location,
}

impl Directory {
    /// A directory that exists.
    pub(super) fn open(root: &Path) -> Result<Self> {
        let directory = Self::named(&nameable(root)?);
        let metadata = std::fs::metadata(&directory.root).map_err(Error::io("open the store", root))?;
        if !metadata.is_dir() {
            return Err(Error::usage(format!("the store {} is not a directory", directory.root.display())));
        }
        Ok(directory)
    }

    /// A directory that is made, for this user only, where it does not exist.
    pub(super) fn create(root: &Path) -> Result<Self> {
        let root = nameable(root)?;
        lock::create_private_dir(&root)?;
        Self::open(&root)
    }

    /// A directory of this name that may not exist.
    pub(super) fn named(root: &Path) -> Self {
        Self { root: root.to_owned(), location: Location::from(root) }
    }

    fn open_dir(&self) -> Result<File> {
        File::open(&self.root).map_err(Error::io("list", &self.root))
    }

    /// The names of the regular files in the directory. What is not UTF-8 is none of ours.
    fn each_file(&self, mut see: impl FnMut(&str)) -> Result<()> {
        let failed = |error: rustix::io::Errno| Error::io("list", &self.root)(error.into());
        for found in rustix::fs::Dir::read_from(self.open_dir()?).map_err(failed)? {
            let found = found.map_err(failed)?;
            let Ok(name) = found.file_name().to_str() else { continue };
            let is_file = match found.file_type() {
                FileType::RegularFile => true,
                // Some file systems do not tell here.
                FileType::Unknown => is_regular(&self.root.join(name)),
                _ => false,
            };
            if is_file {
                see(name);
            }
        }
        Ok(())
    }

    fn read_one(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        let path = self.root.join(name);
        let file = match open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::io("open", &path)(error)),
        };
        // An empty one would be grown from a few bytes on, with a call of the system for each step.
        let mut bytes = Vec::with_capacity(USUAL);
        file.take(limit).read_to_end(&mut bytes).map_err(Error::io("read", &path))?;
        Ok(Some(bytes))
    }
}

impl Backend for Directory {
    fn location(&self) -> &Location {
        &self.location
    }

    fn is_near(&self) -> bool {
        true
    }

    fn list(&self) -> Result<Vec<Listed>> {
        let mut files = Vec::new();
        self.each_file(|name| files.push(Listed { name: name.into(), size: None, version: None }))?;
        Ok(files)
    }

    fn read(&self, files: &[Listed], limit: u64) -> Result<Vec<Result<Option<Vec<u8>>>>> {
        Ok(files.iter().map(|file| self.read_one(&file.name, limit)).collect())
    }

    fn open(&self, name: &str) -> Result<Option<Opened>> {
        let path = self.root.join(name);
        match open(&path) {
            Ok(file) => opened(file, &path).map(Some),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("open", &path)(error)),
        }
    }

    fn lock(&self, wait: Wait, cancel: &Cancel) -> Result<StoreLock> {
        Ok(StoreLock::new(Box::new(lock::FileLock::take(&self.root, wait, cancel)?)))
    }

    fn take_name(&self, _stem: &str, files: &[String]) -> Result<bool> {
        for file in files {
            if !is_free(&self.root.join(file))? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn take_name_of_copy(&self, artifact: &str, _stem: &str) -> Result<bool> {
        is_free(&self.root.join(artifact))
    }

    fn begin(&self, name: &str, _stem: &str) -> Result<Box<dyn Upload>> {
        let partial = Partial::create(&self.root.join(name))?;
        Ok(Box::new(InDirectory { partial, root: self.root.clone() }))
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        stage(Partial::create(&self.root.join(name))?, bytes)?.publish()?;
        sync_dir(&self.root)
    }

    fn delete(&self, artifact: &str, sidecar: &str, _stem: &str) -> Result<Freed> {
        let artifact = self.root.join(artifact);
        // A lost artifact frees nothing, whatever its manifest says.
        let size = artifact.symlink_metadata().map_or(0, |file| file.len());
        for path in [&self.root.join(sidecar), &artifact] {
            match std::fs::remove_file(path) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(Error::io("delete", path)(error));
                }
                _ => {}
            }
        }
        sync_dir(&self.root)?;
        Ok(Freed { bytes: size, at_once: true })
    }

    fn sweep(&self) -> Result<()> {
        let mut left = Vec::new();
        self.each_file(|name| {
            if name.starts_with('.') && name.ends_with(PARTIAL) {
                left.push(name.to_owned());
            }
        })?;
        for name in left {
            let path = self.root.join(&name);
            if is_being_written(&path) {
                continue;
            }
            log::warn!(code = crate::notice::REMOVED_LEFTOVER.code; "removing {name}, which a run left behind that did not end well");
            std::fs::remove_file(&path).map_err(Error::io("remove", &path))?;
        }
        [Folder::Runs, Folder::Log].into_iter().try_for_each(|folder| self.sweep_folder(folder))
    }

    fn space(&self) -> Result<Option<Space>> {
        let stat = rustix::fs::statvfs(&self.root)
            .map_err(|error| Error::io("examine", &self.root)(error.into()))?;
        Ok(Some(Space { free: stat.f_bavail * stat.f_frsize, total: stat.f_blocks * stat.f_frsize }))
    }

    fn list_in(&self, folder: Folder) -> Result<Vec<Listed>> {
        self.folder_if_there(folder)?.map_or_else(|| Ok(Vec::new()), |folder| folder.list())
    }

    fn read_in(&self, folder: Folder, files: &[Listed], limit: u64) -> Result<Vec<Result<Option<Vec<u8>>>>> {
        match self.folder_if_there(folder)? {
            Some(folder) => folder.read(files, limit),
            None => Ok(files.iter().map(|_| Ok(None)).collect()),
        }
    }

    fn heads_in(&self, folder: Folder, files: &[Listed], size: u64) -> Result<Vec<Result<Option<Vec<u8>>>>> {
        self.read_in(folder, files, size)
    }

    fn write_in(&self, folder: Folder, name: &str, bytes: &[u8]) -> Result<()> {
        self.write_into(folder, name, bytes, true).map(drop)
    }

    fn create_in(&self, folder: Folder, name: &str, bytes: &[u8]) -> Result<bool> {
        self.write_into(folder, name, bytes, false)
    }

    fn remove_in(&self, folder: Folder, name: &str) -> Result<()> {
        self.remove_from(folder, name)
    }
}

/// An artifact in a directory.
#[derive(Debug)]
struct InDirectory {
    partial: Partial,
    root: PathBuf,
}

impl Upload for InDirectory {
    fn writer(&self) -> Result<Box<dyn Write + Send>> {
        Ok(Box::new(self.partial.writer()?))
    }

    fn path(&self) -> PathBuf {
        self.partial.path().to_owned()
    }

    fn read_back(&mut self) -> Result<Opened> {
        self.partial.read_back()
    }

    fn publish(self: Box<Self>, _: Expected<'_>, sidecar: SidecarFile<'_>, cancel: &Cancel) -> Result<()> {
        self.partial.sync()?;
        let sidecar = stage(Partial::create(&self.root.join(sidecar.name))?, sidecar.json)?;
        cancel.check()?;
        self.partial.publish()?;
        sidecar.publish()?;
        sync_dir(&self.root)
    }
}

impl ReadAt for SizedFile {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)
    }
}

/// A file, of the size that it had when it was opened.
#[derive(Debug)]
struct SizedFile {
    file: File,
    size: u64,
}

/// A file that was opened for reading.
///
/// # Errors
/// It is no regular file, or the file system tells nothing of it.
fn opened(file: File, path: &Path) -> Result<Opened> {
    let metadata = file.metadata().map_err(Error::io("examine", path))?;
    if !metadata.is_file() {
        return Err(Error::usage(format!("{} is not a regular file", path.display())));
    }
    let modified = metadata.modified().map_err(Error::io("examine", path))?;
    let size = metadata.len();
    Ok(Opened { bytes: Arc::new(SizedFile { file, size }), modified })
}

/// Opens a file of the store for reading; a symbolic link is followed nowhere.
fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(NOFOLLOW | NONBLOCK).open(path)
}

/// Whether there is nothing of this name. That it cannot be told is no answer: what is there would be overwritten.
fn is_free(path: &Path) -> Result<bool> {
    match path.symlink_metadata() {
        Ok(_) => Ok(false),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(true),
        Err(error) => Err(Error::io("examine", path)(error)),
    }
}

fn is_regular(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|found| found.is_file())
}
