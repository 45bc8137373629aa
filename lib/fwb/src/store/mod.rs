//! A store: artifacts and their sidecars, in a directory or an object store. Its interface is small on purpose: list, read,
//! publish, record, delete, lock.
//!
//! A backup exists when its artifact is in place. Its footer makes it whole; the sidecar beside it is the same
//! manifest within easy reach, and holds what `fwb-verify` found.

mod backend;
mod directory;
mod entry;
mod location;
mod lock;
mod name;
mod summary;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use backend::{
    Backend, Expected, Folder, Freed, Held, Listed, ObjectStores, Opened, Retention, RetentionMode,
    SidecarFile, Upload, no_retention,
};
use directory::Directory;
pub(crate) use directory::{Partial, remove_sidecar, stage, sync_dir};
pub(crate) use entry::{Entry, NO_FOOTER, Sidecar, core_difference, differs_in, from_core};
pub use location::{Location, StoreUrl};
pub use lock::{StoreLock, Wait};
pub(crate) use name::{Form, artifact_name, check as check_name, prefix as name_prefix};
pub use summary::BackupSummary;

use crate::artifact::Artifact;
use crate::encryption::{Identities, Keys};
use crate::error::{Error, Result};
use crate::manifest::{ChainProof, Decision, Kind, Level, Manifest, NotDrilled, Timestamp, Verification};
use crate::progress::Cancel;
#[cfg(test)]
pub(crate) use backend::NoObjectStores;

/// A store.
#[derive(Debug, Clone)]
pub struct Store {
    backend: Arc<dyn Backend>,
    /// What reads its encrypted artifacts.
    pub(crate) keys: Arc<Keys>,
}

/// A backup's name that was taken.
#[derive(Debug)]
pub(crate) struct TakenName {
    /// The artifact's.
    pub(crate) name: String,
    /// The same without what it ends with.
    stem: String,
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
    /// There is no such directory, its path is one that no record can hold, or the object store cannot be used.
    pub fn open(location: &Location, object_stores: &dyn ObjectStores, cancel: &Cancel) -> Result<Self> {
        match location {
            Location::Directory(root) => Self::open_directory(root),
            Location::Url(url) => Ok(Self::of(object_stores.open(url, cancel)?)),
        }
    }

    /// A directory that exists.
    ///
    /// # Errors
    /// There is none, or its path is one that no record can hold.
    pub fn open_directory(root: &Path) -> Result<Self> {
        Ok(Self::of(Arc::new(Directory::open(root)?)))
    }

    /// A store of this name that may not exist.
    #[cfg(test)]
    pub(crate) fn named(root: &str) -> Self {
        Self::of(Arc::new(Directory::named(Path::new(root))))
    }

    /// A store that is made, for this user only, where it is a directory that does not exist.
    ///
    /// # Errors
    /// The directory cannot be made, or the object store cannot be used.
    pub fn create(location: &Location, object_stores: &dyn ObjectStores, cancel: &Cancel) -> Result<Self> {
        match location {
            Location::Directory(root) => Ok(Self::of(Arc::new(Directory::create(root)?))),
            Location::Url(_) => Self::open(location, object_stores, cancel),
        }
    }

    fn of(backend: Arc<dyn Backend>) -> Self {
        Self { backend, keys: Arc::default() }
    }

    /// The store, whose encrypted artifacts these identities read.
    #[must_use]
    pub fn with_identities(self, identities: Option<Arc<dyn Identities>>) -> Self {
        Self { keys: Arc::new(Keys::new(identities)), ..self }
    }

    /// What keeps its files.
    pub(crate) fn backend(&self) -> &dyn Backend {
        &*self.backend
    }

    /// Where it is.
    pub fn location(&self) -> &Location {
        self.backend.location()
    }

    /// Whether it is the same store as another one.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.location().resolved() == other.location().resolved()
            && self.backend.service() == other.backend.service()
    }

    /// The same, as manifests and messages name it.
    pub(crate) fn place(&self) -> String {
        self.location().to_string()
    }

    /// Takes the lock.
    ///
    /// # Errors
    /// Another run holds it and `wait` says not to wait, or the store cannot be written.
    pub fn lock(&self, wait: Wait, cancel: &Cancel) -> Result<StoreLock> {
        self.backend.lock(wait, cancel)
    }

    /// Every backup in short, oldest first, and why others cannot be read at all. Backups that are being deleted in the
    /// meantime are left out.
    ///
    /// # Errors
    /// The store cannot be listed, or a signal arrived.
    pub(crate) fn list(&self, cancel: &Cancel) -> Result<(Vec<BackupSummary>, Vec<Error>)> {
        let (mut summaries, mut unreadable) = (Vec::new(), Vec::new());
        let mut take = |summary: Result<BackupSummary>| match summary {
            Ok(summary) => summaries.push(summary),
            Err(Error::NoBackup { .. }) => {}
            Err(error) => unreadable.push(error),
        };
        let files = self.backend.list()?;
        if self.backend.is_near() {
            for name in backups(&files) {
                cancel.check()?;
                take(Entry::load(self, name).map(BackupSummary::of));
            }
        } else {
            let sidecars: Vec<Listed> =
                files.iter().filter(|file| file.name.ends_with(name::SIDECAR)).cloned().collect();
            let read = self.backend.read(&sidecars, entry::LARGEST_SIDECAR)?;
            let mut known: BTreeMap<&str, _> =
                sidecars.iter().map(|file| file.name.as_str()).zip(read).collect();
            let artifacts: BTreeMap<&str, &Listed> =
                files.iter().map(|file| (file.name.as_str(), file)).collect();
            for name in backups(&files) {
                cancel.check()?;
                let sidecar = known.remove(name::sidecar(name).as_str()).unwrap_or(Ok(None));
                take(
                    sidecar.and_then(|sidecar| self.at_a_glance(name, artifacts.get(name).copied(), sidecar)),
                );
            }
        }
        summaries.sort_by(|a, b| (a.started_at, &a.name).cmp(&(b.started_at, &b.name)));
        Ok((summaries, unreadable))
    }

    /// A backup that is far away, as far as its sidecar and the listing tell.
    fn at_a_glance(
        &self,
        name: &str,
        artifact: Option<&Listed>,
        sidecar: Option<Vec<u8>>,
    ) -> Result<BackupSummary> {
        Ok(match Entry::glance(name, artifact, sidecar.as_deref()) {
            Some(entry) => BackupSummary { sidecar, ..BackupSummary::of(entry) },
            None => BackupSummary::of(Entry::of_sidecar(self, name, sidecar.as_deref())?),
        })
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
        match self.backend.open(name)? {
            Some(opened) => Artifact::new(opened, &self.location().file(name), &self.keys).map(Arc::new),
            None => Err(self.no_backup(name)),
        }
    }

    fn no_backup(&self, name: &str) -> Error {
        Error::NoBackup { name: name.into(), store: self.place() }
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

    /// Takes the first free name for a backup begun at `at`, and the moment in it: a name taken in this second gives way
    /// to the next free second, whatever the codec of the backup that took it, and whether that is encrypted.
    pub(crate) fn take_name(
        &self,
        prefix: &str,
        kind: Kind,
        at: Timestamp,
        form: Form,
        _lock: &StoreLock,
    ) -> Result<TakenName> {
        let mut moment = at;
        loop {
            let stem = name::stem_of(prefix, kind, moment);
            let name = name::ending(&stem, form)?;
            // A name of another form that is too long for a file is nobody's.
            let artifacts = Form::all().filter_map(|form| name::ending(&stem, form).ok());
            let files: Vec<String> =
                artifacts.flat_map(|artifact| [name::sidecar(&artifact), artifact]).collect();
            if self.backend.take_name(&stem, &files)? {
                return Ok(TakenName { name, stem });
            }
            moment += chrono::TimeDelta::seconds(1);
        }
    }

    /// Takes the name of a copy; none where it is another's.
    pub(crate) fn take_name_of_copy(&self, name: &str, _lock: &StoreLock) -> Result<Option<TakenName>> {
        name::check(name)?;
        let stem = name::stem(name).unwrap_or(name).to_owned();
        let taken = self.backend.take_name_of_copy(name, &stem)?;
        Ok(taken.then(|| TakenName { name: name.into(), stem }))
    }

    /// Keeps an artifact from being deleted.
    pub(crate) fn retain(&self, name: &str, retention: Retention) -> Result<()> {
        name::check(name)?;
        self.backend.retain(name, retention)
    }

    /// Ends and removes what runs have left behind, as far as it can be: whoever comes to write is not kept from it by what is
    /// left of others.
    pub(crate) fn tidy(&self, lock: &StoreLock) -> Result<()> {
        match self.sweep(lock) {
            Err(error @ (Error::Interrupted(_) | Error::LockLost { .. })) => Err(error),
            Err(error) => {
                log::warn!(code = crate::notice::LEFT_BEHIND.code; "what earlier runs have left behind stays there: {error}");
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    /// Writes a backup's sidecar, where it has none or another.
    pub(crate) fn complete(&self, manifest: &Manifest, lock: &StoreLock) -> Result<()> {
        self.write_sidecar(&manifest.name, manifest, lock)
    }

    /// Whether what is stored can be looked at for next to nothing.
    pub(crate) fn is_near(&self) -> bool {
        self.backend.is_near()
    }

    /// Begins an artifact.
    pub(crate) fn begin(&self, taken: &TakenName, _lock: &StoreLock) -> Result<Box<dyn Upload>> {
        name::check(&taken.name)?;
        self.backend.begin(&taken.name, &taken.stem)
    }

    /// Writes a backup's sidecar anew.
    fn write_sidecar(&self, name: &str, manifest: &Manifest, lock: &StoreLock) -> Result<()> {
        name::check(name)?;
        lock.check()?;
        self.backend.write(&name::sidecar(name), &sidecar_json(manifest)?)
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

    /// Records in a backup's sidecar whether the one before it and the log make it. A backup without a sidecar stays as it is.
    pub(crate) fn record_chain_proof(&self, name: &str, proof: &ChainProof, lock: &StoreLock) -> Result<()> {
        let entry = self.entry(name)?;
        if entry.sidecar != Sidecar::Present {
            return Ok(());
        }
        let written =
            Manifest { name: entry.recorded_name, chain_proof: Some(proof.clone()), ..entry.manifest };
        self.write_sidecar(name, &written, lock)
    }

    /// Deletes a backup. In an object store it is gone from then on, and its bytes
    /// go when some hours have passed: whoever reads it may go on.
    ///
    /// # Errors
    /// A file cannot be removed.
    pub fn delete(&self, name: &str, lock: &StoreLock) -> Result<Freed> {
        name::check(name)?;
        lock.check()?;
        self.backend.delete(name, &name::sidecar(name), name::stem(name).unwrap_or(name))
    }

    /// Removes what a run that was killed has left behind.
    ///
    /// # Errors
    /// The store cannot be read, or a file cannot be removed.
    pub fn sweep(&self, _lock: &StoreLock) -> Result<()> {
        self.backend.sweep()
    }

    /// Free and total space; none where there is no limit.
    ///
    /// # Errors
    /// The file system does not tell.
    pub fn space(&self) -> Result<Option<Space>> {
        self.backend.space()
    }
}

/// Opens an artifact that is not published yet, as a reader with this key does.
pub(crate) fn read_back(upload: &mut dyn Upload, key: Arc<dyn Identities>) -> Result<Artifact> {
    let opened = upload.read_back()?;
    Artifact::new(opened, &upload.path(), &Keys::new(Some(key)))
}

/// Publishes a finished artifact with its sidecar. Until the artifact has its name an interruption still
/// counts; from then on the backup exists.
pub(crate) fn publish(
    upload: Box<dyn Upload>,
    manifest: &Manifest,
    lock: &StoreLock,
    cancel: &Cancel,
) -> Result<()> {
    lock.check()?;
    let expected = Expected { size: manifest.size, sha256: manifest.sha256.as_deref() };
    let json = sidecar_json(manifest)?;
    let name = name::sidecar(&manifest.name);
    upload.publish(expected, SidecarFile { name: &name, json: &json }, cancel)
}

/// The names of all backups, in order: of artifacts, and of sidecars whose artifact is gone.
fn backups(files: &[Listed]) -> BTreeSet<&str> {
    let artifacts = files.iter().map(|file| file.name.strip_suffix(name::SIDECAR).unwrap_or(&file.name));
    artifacts.filter(|name| name::check(name).is_ok()).collect()
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

fn sidecar_json(manifest: &Manifest) -> Result<Vec<u8>> {
    Ok(manifest.beside().to_line()?)
}
