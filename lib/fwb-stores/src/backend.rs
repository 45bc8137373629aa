//! A place in an object store, as what keeps a store's files.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use futures_util::{StreamExt as _, TryStreamExt as _};
use fwb::{
    Backend, Cancel, Error, Folder, Freed, Listed, Location, Opened, Refusal, Result, Retention, Space,
    StoreLock, Upload, Wait,
};
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectMeta, UpdateVersion};

use crate::ahead::Remote;
use crate::cache::Cache;
use crate::client::{Client, If, Put, version_of};
use crate::config::Settings;
use crate::errors::is_no_bucket;
use crate::names::{self, Claim};
use crate::upload::Uploading;
use crate::{cache, lease};

/// Bytes of an object's end that are read when it is opened: a footer is in it.
const TAIL: u64 = 256 << 10;
/// Small objects that are read at once.
const AT_ONCE: usize = 16;

/// A place in an object store.
#[derive(Debug)]
pub(crate) struct Objects {
    client: Client,
    settings: Settings,
    /// Versions of what was read, by name: what is written in its place is no other's. None: there was nothing.
    seen: Mutex<BTreeMap<String, Option<UpdateVersion>>>,
    /// Names that were taken, by their stems.
    taken: Mutex<BTreeMap<String, Claim>>,
    /// What was opened last, with its version: a tool opens a backup once to know it, and again to read it.
    last: Mutex<Option<(String, Option<String>, Opened)>>,
}

impl Objects {
    pub(crate) fn new(client: Client, settings: Settings) -> Self {
        Self { client, settings, seen: Mutex::default(), taken: Mutex::default(), last: Mutex::default() }
    }

    fn see(&self, name: &str, version: Option<UpdateVersion>) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(name.into(), version);
    }

    /// Notes the version that a listing tells of what is kept on this host.
    fn see_listed(&self, file: &Listed) {
        self.see(&file.name, Some(UpdateVersion { e_tag: file.version.clone(), version: None }));
    }

    /// Holds a name until its artifact begins; false where it was not to be had.
    fn hold(&self, stem: &str, claim: Option<Claim>) -> bool {
        let Some(claim) = claim else { return false };
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).insert(stem.into(), claim);
        true
    }

    /// What one small file holds.
    async fn read_one(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        let found = self.client.get(name, limit).await?;
        self.see(name, found.as_ref().map(|found| version_of(&found.meta)));
        Ok(found.map(|found| found.bytes))
    }

    /// What is kept on this host of a folder's files.
    fn cache_of(&self, folder: Folder) -> Cache {
        let key = format!("{} {}", self.settings.cache_key(&self.client.url), folder.as_str());
        Cache::open(cache::directory().as_deref(), &key)
    }

    /// Reads files, those that are kept on this host alone excepted.
    fn read_all(
        &self,
        files: &[Listed],
        extent: Extent,
        cache: &mut Cache,
    ) -> Result<Vec<Result<Option<Vec<u8>>>>> {
        if let Some(kept) = cache.take_all(files) {
            for file in files {
                self.see_listed(file);
            }
            return Ok(kept.into_iter().map(|bytes| Ok(Some(bytes))).collect());
        }
        let mut read: Vec<Option<Result<Option<Vec<u8>>>>> = Vec::new();
        for file in files {
            let kept = file.version.as_deref().and_then(|version| cache.get(&file.name, version));
            if kept.is_some() {
                self.see_listed(file);
            }
            read.push(kept.map(|bytes| Ok(Some(bytes.to_vec()))));
        }
        let missing: Vec<usize> = (0..files.len()).filter(|at| read[*at].is_none()).collect();
        let requests = missing.into_iter().map(|at| async move {
            let name = &files[at].name;
            let read = match extent {
                Extent::Whole { limit } => self.read_one(name, limit).await,
                Extent::Head { size } => self.client.head_of(name, size).await,
            };
            (at, read)
        });
        let fetched: Vec<_> =
            self.client.wait(futures_util::stream::iter(requests).buffer_unordered(AT_ONCE).collect())?;
        for (at, result) in fetched {
            if let (Ok(Some(bytes)), Some(version)) = (&result, &files[at].version) {
                cache.put(&files[at].name, version, bytes);
            }
            read[at] = Some(result);
        }
        Ok(read.into_iter().map(|one| one.unwrap_or(Ok(None))).collect())
    }
}

impl Backend for Objects {
    fn location(&self) -> &Location {
        &self.client.location
    }

    fn service(&self) -> &str {
        self.settings.endpoint.as_deref().unwrap_or_default()
    }

    fn is_near(&self) -> bool {
        false
    }

    fn list(&self) -> Result<Vec<Listed>> {
        let listed = self.client.wait(async {
            let (files, deleted) = tokio::join!(self.client.list(""), names::deleted(&self.client));
            Ok::<_, Error>((files?, deleted?))
        })?;
        let (files, deleted) = listed?;
        let deleted: BTreeSet<String> = deleted.into_iter().map(|(name, _)| name).collect();
        let is_deleted = |name: &str| {
            deleted.contains(name) || deleted.contains(name.strip_suffix(".json").unwrap_or(name))
        };
        let file =
            |(name, meta): (String, ObjectMeta)| Listed { name, size: Some(meta.size), version: meta.e_tag };
        Ok(files.into_iter().filter(|(name, _)| !is_deleted(name)).map(file).collect())
    }

    fn read(&self, files: &[Listed], limit: u64) -> Result<Vec<Result<Option<Vec<u8>>>>> {
        // One file is asked for because what it holds now is to be known.
        if let [file] = files {
            return Ok(vec![self.client.wait(self.read_one(&file.name, limit))?]);
        }
        let mut cache =
            Cache::open(cache::directory().as_deref(), &self.settings.cache_key(&self.client.url));
        let read = self.read_all(files, Extent::Whole { limit }, &mut cache)?;
        cache.close(files.iter().map(|file| file.name.as_str()));
        Ok(read)
    }

    fn open(&self, name: &str) -> Result<Option<Opened>> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let opened = self.client.wait(async {
            let opened = async {
                // What was read of it a moment ago is there still, if it is the same.
                match last.filter(|(last, ..)| last == name) {
                    Some((_, e_tag, opened)) => match self.client.head(name).await? {
                        Some((meta, _)) if meta.e_tag == e_tag => Ok(Some((e_tag, opened))),
                        _ => open_found(&self.client, name).await,
                    },
                    None => open_found(&self.client, name).await,
                }
            };
            let (deleted, opened) = tokio::join!(names::is_deleted(&self.client, name), opened);
            Ok::<_, Error>(if deleted? { None } else { opened? })
        })??;
        let Some((e_tag, opened)) = opened else { return Ok(None) };
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) =
            Some((name.into(), e_tag, opened.clone()));
        Ok(Some(opened))
    }

    fn was_deleted(&self, artifact: &str) -> Result<bool> {
        self.client.wait(names::is_deleted(&self.client, artifact))?
    }

    fn lock(&self, wait: Wait, cancel: &Cancel) -> Result<StoreLock> {
        lease::take(&self.client, self.settings.lease, wait, cancel)
    }

    fn take_name(&self, stem: &str, _files: &[String]) -> Result<bool> {
        let taken = self.client.wait(async {
            // Whatever begins so is a backup of this name, its sidecar, or one that was deleted a moment ago.
            let (prefix, key) = (self.client.path("")?, self.client.path(stem)?);
            let prefix = (!prefix.as_ref().is_empty()).then_some(prefix);
            let listed =
                object_store::ObjectStore::list_with_offset(&self.client.small, prefix.as_ref(), &key);
            let mut listed = std::pin::pin!(listed);
            while let Some(next) =
                listed.try_next().await.map_err(|said| self.client.error("list", "", &said))?
            {
                let found: &str = next.location.as_ref();
                if found.starts_with(key.as_ref()) {
                    return Ok(None);
                }
                if found > key.as_ref() {
                    break;
                }
            }
            Claim::take(&self.client, stem).await
        })?;
        Ok(self.hold(stem, taken?))
    }

    fn take_name_of_copy(&self, artifact: &str, stem: &str) -> Result<bool> {
        let taken = self.client.wait(async {
            if names::is_deleted(&self.client, artifact).await? {
                return Err(self.client.problem(
                    "write",
                    artifact,
                    "a backup of this name was deleted there, and its bytes have not gone yet",
                    Refusal::Changed,
                ));
            }
            if self.client.head(artifact).await?.is_some() {
                return Ok(None);
            }
            let claim = Claim::take_again(&self.client, stem).await?;
            let unended = "an upload of it by another run has not ended yet";
            claim.map(Some).ok_or_else(|| self.client.problem("write", artifact, unended, Refusal::Changed))
        })?;
        Ok(self.hold(stem, taken?))
    }

    fn begin(&self, name: &str, stem: &str) -> Result<Box<dyn Upload>> {
        let claim = self.taken.lock().unwrap_or_else(PoisonError::into_inner).remove(stem);
        let claim = claim.ok_or_else(|| Error::usage(format!("the name {name} was not taken")))?;
        Ok(Box::new(Uploading::begin(&self.client, claim, name, &self.settings)?))
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        let version = match seen {
            Some(version) => version,
            None => self.client.wait(self.client.head(name))??.map(|(meta, _)| version_of(&meta)),
        };
        let condition = version.map_or(If::Absent, If::Version);
        match self.client.wait(self.client.put(name, bytes, condition))?? {
            Put::Done(version) => {
                self.see(name, Some(version));
                Ok(())
            }
            Put::Refused => {
                Err(self.client.problem("write", name, "it was changed since it was read", Refusal::Changed))
            }
        }
    }

    fn retain(&self, artifact: &str, retention: Retention) -> Result<()> {
        self.client.retain(artifact, retention)
    }

    fn delete(&self, artifact: &str, sidecar: &str, stem: &str) -> Result<Freed> {
        self.client.wait(names::delete(&self.client, artifact, sidecar, stem))?
    }

    fn sweep(&self) -> Result<()> {
        self.client.wait(names::sweep(&self.client, &self.settings))?
    }

    fn space(&self) -> Result<Option<Space>> {
        Ok(None)
    }

    fn list_in(&self, folder: Folder) -> Result<Vec<Listed>> {
        let listed = self.client.wait(self.client.list(folder.as_str()))??;
        let file =
            |(name, meta): (String, ObjectMeta)| Listed { name, size: Some(meta.size), version: meta.e_tag };
        Ok(listed.into_iter().map(file).collect())
    }

    fn read_in(&self, folder: Folder, files: &[Listed], limit: u64) -> Result<Vec<Result<Option<Vec<u8>>>>> {
        let files = in_folder(folder, files);
        // One is asked for because what it says now is to be known.
        if let [file] = &files[..] {
            return Ok(vec![self.client.wait(self.read_one(&file.name, limit))?]);
        }
        let mut cache = self.cache_of(folder);
        let read = self.read_all(&files, Extent::Whole { limit }, &mut cache)?;
        cache.close(files.iter().map(|file| file.name.as_str()));
        Ok(read)
    }

    fn heads_in(&self, folder: Folder, files: &[Listed], size: u64) -> Result<Vec<Result<Option<Vec<u8>>>>> {
        let files = in_folder(folder, files);
        let mut cache = self.cache_of(folder);
        let read = self.read_all(&files, Extent::Head { size }, &mut cache)?;
        cache.close(files.iter().map(|file| file.name.as_str()));
        Ok(read)
    }

    fn write_in(&self, folder: Folder, name: &str, bytes: &[u8]) -> Result<()> {
        self.client.wait(self.client.replace(&format!("{}/{name}", folder.as_str()), bytes))?
    }

    fn create_in(&self, folder: Folder, name: &str, bytes: &[u8]) -> Result<bool> {
        let name = format!("{}/{name}", folder.as_str());
        Ok(matches!(self.client.wait(self.client.put(&name, bytes, If::Absent))??, Put::Done(_)))
    }

    fn remove_in(&self, folder: Folder, name: &str) -> Result<()> {
        self.client.wait(self.client.remove(&format!("{}/{name}", folder.as_str())))?
    }
}

/// How much of each object is read.
#[derive(Debug, Clone, Copy)]
enum Extent {
    /// All of it, which may be so many bytes.
    Whole { limit: u64 },
    /// So many bytes at most.
    Head { size: u64 },
}

/// Files of a folder, by their names in the store.
fn in_folder(folder: Folder, files: &[Listed]) -> Vec<Listed> {
    let named = |file: &Listed| Listed { name: format!("{}/{}", folder.as_str(), file.name), ..file.clone() };
    files.iter().map(named).collect()
}

/// Opens an object, of which the end is read, and tells its version; none where there is none.
pub(crate) async fn open_found(client: &Client, name: &str) -> Result<Option<(Option<String>, Opened)>> {
    let path = client.path(name)?;
    let failed = |said: object_store::Error| client.error("open", name, &said);
    let tail = GetOptions { range: Some(GetRange::Suffix(TAIL)), ..GetOptions::default() };
    let got = match client.small.get_opts(&path, tail).await {
        Ok(got) => got,
        Err(said @ object_store::Error::NotFound { .. }) if !is_no_bucket(&said) => return Ok(None),
        // Of an empty object there is no range, and not every store knows a range that begins at the end.
        Err(first) => {
            let Some((meta, _)) = client.head(name).await? else { return Ok(None) };
            let range = GetRange::Bounded(meta.size.saturating_sub(TAIL)..meta.size);
            let options = GetOptions { range: Some(range), ..GetOptions::default() };
            match client.small.get_opts(&path, options).await {
                _ if meta.size == 0 => {
                    return Ok(Some((meta.e_tag.clone(), remote(client, name, path, &meta, 0, Vec::new()))));
                }
                Ok(got) => got,
                Err(_) => return Err(failed(first)),
            }
        }
    };
    let (meta, from) = (got.meta.clone(), got.range.start);
    let bytes = got.bytes().await.map_err(failed)?;
    if from + bytes.len() as u64 != meta.size {
        return Err(client.problem(
            "open",
            name,
            "the answer is not the end that was asked for",
            Refusal::Failure,
        ));
    }
    Ok(Some((meta.e_tag.clone(), remote(client, name, path, &meta, from, bytes.into()))))
}

fn remote(client: &Client, name: &str, path: Path, meta: &ObjectMeta, from: u64, tail: Vec<u8>) -> Opened {
    let remote = Remote::new(client.clone(), name, path, meta.e_tag.clone(), meta.size, (from, tail));
    Opened { bytes: std::sync::Arc::new(remote), modified: SystemTime::from(meta.last_modified) }
}
