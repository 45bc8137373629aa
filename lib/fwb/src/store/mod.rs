//! A store: a directory of artifacts and their sidecars. Its interface is small on purpose (list, read, publish,
//! record, delete, lock), so that it can be something else one day.
//!
//! A backup exists when its artifact is in place. Its footer makes it whole; the sidecar beside it is the same
//! manifest within easy reach, and holds what `fwb-verify` found.

mod entry;
mod lock;
mod name;
mod staging;
mod summary;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(crate) use entry::{Entry, NO_FOOTER, Sidecar, core_difference, differs_in, from_core};
pub use lock::{StoreLock, Wait};
pub(crate) use name::{Form, artifact_name, check as check_name, prefix as name_prefix};
pub(crate) use staging::{Partial, remove_sidecar, sidecar_path, stage, sync_dir};
pub use summary::BackupSummary;

use rustix::fs::FileType;

use crate::artifact::Artifact;
use crate::encryption::{Identities, Keys};
use crate::error::{Error, Result};
use crate::manifest::{Decision, Kind, Level, Manifest, NotDrilled, Timestamp, Verification};
use crate::progress::Cancel;

/// Open no symbolic link.
const NOFOLLOW: i32 = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();

/// A pipe that someone put into the store must not stop us.
const NONBLOCK: i32 = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();

/// A store.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
    /// What reads its encrypted artifacts.
    keys: Arc<Keys>,
}

/// Bytes on the file system that a store lies on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Free for this user.
    pub free: u64,
    /// In all.
    pub total: u64,
}

impl Store {
    /// A store that exists.
    ///
    /// # Errors
    /// There is no such directory, or its path is one that no record can hold.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self> {
        let root = nameable(&root.into())?;
        let metadata = std::fs::metadata(&root).map_err(Error::io("open the store", &root))?;
        if !metadata.is_dir() {
            return Err(Error::usage(format!("the store {} is not a directory", root.display())));
        }
        Ok(Self { root, keys: Arc::default() })
    }

    /// The store, whose encrypted artifacts these identities read.
    #[must_use]
    pub fn with_identities(self, identities: Option<Arc<dyn Identities>>) -> Self {
        Self { keys: Arc::new(Keys::new(identities)), ..self }
    }

    /// A store of this name that may not exist.
    #[cfg(test)]
    pub(crate) fn named(root: &str) -> Self {
        Self { root: root.into(), keys: Arc::default() }
    }

    /// A store that is made, for this user only, where it does not exist.
    ///
    /// # Errors
    /// The directory cannot be made.
    pub fn create(root: impl Into<PathBuf>) -> Result<Self> {
        let root = nameable(&root.into())?;
        lock::create_private_dir(&root)?;
        Self::open(root)
    }

    /// The directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Takes the lock.
    ///
    /// # Errors
    /// Another run holds it and `wait` says not to wait, or the store cannot be written.
    pub fn lock(&self, wait: Wait, cancel: &Cancel) -> Result<StoreLock> {
        StoreLock::take(&self.root, wait, cancel)
    }

    /// Every backup in short, oldest first, and why others cannot be read at all. Backups that are being deleted in the
    /// meantime are left out.
    ///
    /// # Errors
    /// The directory cannot be read, or a signal arrived.
    pub(crate) fn list(&self, cancel: &Cancel) -> Result<(Vec<BackupSummary>, Vec<Error>)> {
        let dir = self.open_dir()?;
        let (mut summaries, mut unreadable) = (Vec::new(), Vec::new());
        for name in self.names(&dir)? {
            cancel.check()?;
            match Entry::load(self, &name) {
                Ok(entry) => summaries.push(BackupSummary::of(entry)),
                Err(Error::NoBackup { .. }) => {}
                Err(error) => unreadable.push(error),
            }
        }
        summaries.sort_by(|a, b| (a.started_at, &a.name).cmp(&(b.started_at, &b.name)));
        Ok((summaries, unreadable))
    }

    /// The manifest of a backup that was listed, whole; none where it has been deleted meanwhile.
    ///
    /// # Errors
    /// It cannot be read any more.
    pub(crate) fn manifest_of(
        &self,
        summary: &BackupSummary,
        decision: Option<Decision>,
    ) -> Result<Option<Manifest>> {
        summary.manifest(self, decision)
    }

    /// The names of all backups, in order: of artifacts, and of sidecars whose artifact is gone.
    fn names(&self, dir: &File) -> Result<Vec<String>> {
        let mut names = Vec::new();
        self.each_file(dir, |file| {
            let artifact = file.strip_suffix(name::SIDECAR).unwrap_or(file);
            if name::check(artifact).is_ok() {
                names.push(artifact.to_owned());
            }
        })?;
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }

    fn open_dir(&self) -> Result<File> {
        File::open(&self.root).map_err(Error::io("list", &self.root))
    }

    /// The names of the regular files in the directory. What is not UTF-8 is none of ours.
    fn each_file(&self, dir: &File, mut see: impl FnMut(&str)) -> Result<()> {
        let failed = |error: rustix::io::Errno| Error::io("list", &self.root)(error.into());
        for found in rustix::fs::Dir::read_from(dir).map_err(failed)? {
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

    /// One backup.
    ///
    /// # Errors
    /// The name is not a plain file name, or there is no such backup, or it cannot be read.
    pub(crate) fn entry(&self, name: &str) -> Result<Entry> {
        name::check(name)?;
        Entry::load(self, name)
    }

    /// Opens an artifact for reading.
    pub(crate) fn artifact(&self, name: &str) -> Result<Arc<Artifact>> {
        name::check(name)?;
        let path = self.root.join(name);
        let file = entry::open(&path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Error::NoBackup { name: name.into(), store: self.root.clone() },
            _ => Error::io("open", &path)(error),
        })?;
        Artifact::new(file, &path, &self.keys).map(Arc::new)
    }

    /// The same; none where it is gone.
    pub(crate) fn artifact_if_there(&self, name: &str) -> Result<Option<Arc<Artifact>>> {
        match self.artifact(name) {
            Ok(artifact) => Ok(Some(artifact)),
            Err(Error::NoBackup { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Remembers the key of an artifact that was written: until this process ends, it reads that one.
    pub(crate) fn remember(&self, key: Arc<dyn Identities>) {
        self.keys.remember(key);
    }

    /// The first free name for a backup begun at `at`, and the moment in it: a name taken in this second gives way
    /// to the next free second, whatever the codec of the backup that took it, and whether that is encrypted.
    pub(crate) fn free_name(
        &self,
        prefix: &str,
        kind: Kind,
        at: Timestamp,
        form: Form,
        _lock: &StoreLock,
    ) -> Result<String> {
        let mut moment = at;
        loop {
            let name = artifact_name(prefix, kind, moment, form)?;
            let mut free = true;
            // A name of another form that is too long for a file is nobody's.
            for name in Form::all().filter_map(|form| artifact_name(prefix, kind, moment, form).ok()) {
                let path = self.root.join(name);
                free &= is_free(&path)? && is_free(&sidecar_path(&path))?;
            }
            if free {
                return Ok(name);
            }
            moment += chrono::TimeDelta::seconds(1);
        }
    }

    /// Begins an artifact.
    pub(crate) fn begin(&self, name: &str, _lock: &StoreLock) -> Result<Partial> {
        name::check(name)?;
        Partial::create(&self.root.join(name))
    }

    /// Publishes a finished artifact with its sidecar. Until the artifact has its name an interruption still
    /// counts; from then on the backup exists.
    pub(crate) fn publish(&self, artifact: Partial, manifest: &Manifest, cancel: &Cancel) -> Result<()> {
        artifact.sync()?;
        let sidecar = stage(Partial::create(&self.sidecar(&manifest.name))?, &sidecar_json(manifest)?)?;
        cancel.check()?;
        artifact.publish()?;
        sidecar.publish()?;
        sync_dir(&self.root)
    }

    fn sidecar(&self, name: &str) -> PathBuf {
        sidecar_path(&self.root.join(name))
    }

    /// Writes a backup's sidecar anew.
    fn write_sidecar(&self, name: &str, manifest: &Manifest, _lock: &StoreLock) -> Result<()> {
        name::check(name)?;
        stage(Partial::create(&self.sidecar(name))?, &sidecar_json(manifest)?)?.publish()?;
        sync_dir(&self.root)
    }

    /// Records an outcome in a backup's sidecar, as far as it replaces the one there, and why a drill was not held. A drill
    /// that was not held leaves an earlier proof as it is. Where there is no sidecar, `proven` is written in its place.
    pub(crate) fn record(
        &self,
        proven: &Manifest,
        outcome: &Verification,
        not_drilled: Option<&NotDrilled>,
        lock: &StoreLock,
    ) -> Result<Manifest> {
        let entry = self.entry(&proven.name)?;
        let mut manifest = match entry.sidecar {
            Sidecar::Present => entry.manifest,
            Sidecar::Absent => proven.clone(),
            Sidecar::Damaged => {
                return Ok(Manifest {
                    verification: Some(outcome.clone()),
                    not_drilled: not_drilled.cloned(),
                    ..proven.clone()
                });
            }
        };
        // What was set aside counts again, under the name that the file has now, once the bytes have been compared.
        let is_renamed = entry.set_aside.is_some();
        if outcome.ok && outcome.level >= Level::Stored {
            manifest.verification = manifest.verification.or(entry.set_aside);
        } else if outcome.ok && is_renamed {
            return Ok(manifest);
        }
        let former = manifest.verification.as_ref();
        let stays = not_drilled.is_some() && former.is_some_and(Verification::proves);
        let replaces = !stays && outcome.replaces(former);
        if replaces {
            manifest.verification = Some(outcome.clone());
        }
        manifest.note_drill(outcome.level, not_drilled);
        if replaces || is_renamed || not_drilled.is_some() {
            let written = Manifest { name: entry.recorded_name, ..manifest.clone() };
            self.write_sidecar(&proven.name, &written, lock)?;
        }
        Ok(manifest)
    }

    /// Deletes a backup: the sidecar first, so that a crash in between leaves an artifact that still knows itself.
    ///
    /// # Errors
    /// A file cannot be removed.
    pub fn delete(&self, name: &str, _lock: &StoreLock) -> Result<()> {
        name::check(name)?;
        for path in [self.sidecar(name), self.root.join(name)] {
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Error::io("delete", &path)(error));
                }
                _ => {}
            }
        }
        sync_dir(&self.root)
    }

    /// Removes what a run that was killed has left behind.
    ///
    /// # Errors
    /// The directory cannot be read, or a file cannot be removed.
    pub fn sweep(&self, _lock: &StoreLock) -> Result<()> {
        let mut left = Vec::new();
        self.each_file(&self.open_dir()?, |name| {
            if name.starts_with('.') && name.ends_with(name::PARTIAL) {
                left.push(name.to_owned());
            }
        })?;
        for name in left {
            let path = self.root.join(&name);
            if staging::is_being_written(&path) {
                continue;
            }
            log::warn!(code = crate::notice::REMOVED_LEFTOVER.code; "removing {name}, which a run left behind that did not end well");
            std::fs::remove_file(&path).map_err(Error::io("remove", &path))?;
        }
        Ok(())
    }

    /// Free and total space.
    ///
    /// # Errors
    /// The file system does not tell.
    pub fn space(&self) -> Result<Space> {
        let stat = rustix::fs::statvfs(&self.root)
            .map_err(|error| Error::io("examine", &self.root)(error.into()))?;
        Ok(Space { free: stat.f_bavail * stat.f_frsize, total: stat.f_blocks * stat.f_frsize })
    }
}

/// A path as records name it: from the root, because the next tool may run in another directory, and in UTF-8, because
/// JSON is; another name would lead that tool elsewhere.
pub(crate) fn nameable(path: &Path) -> Result<PathBuf> {
    let absolute = std::path::absolute(path).map_err(Error::io("find", path))?;
    if absolute.to_str().is_none() {
        return Err(Error::Usage {
            message: format!("the path {} is not UTF-8, and no manifest could name it", absolute.display()),
            hint: Some("give it another name, by a symbolic link for instance".into()),
        });
    }
    Ok(absolute)
}

/// Whether there is nothing of this name. That it cannot be told is no answer: what is there would be overwritten.
fn is_free(path: &Path) -> Result<bool> {
    match path.symlink_metadata() {
        Ok(_) => Ok(false),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(Error::io("examine", path)(error)),
    }
}

fn is_regular(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|found| found.is_file())
}

fn sidecar_json(manifest: &Manifest) -> Result<Vec<u8>> {
    Ok(manifest.beside().to_line()?)
}
