//! Requests to a store, waited for from ordinary threads.

use std::future::Future;
use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use fwb::{Cancel, Error, Location, Refusal, Result, Retention, StoreUrl};
use object_store::multipart::MultipartStore;
use object_store::path::Path;
use object_store::{
    GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt as _, PutMode, PutOptions, UpdateVersion,
};
use tokio::runtime::Runtime;

use crate::errors::{is_no_bucket, refused};
use crate::own_requests::OwnRequests;

/// Between two looks whether a signal arrived.
const PAUSE: Duration = Duration::from_millis(50);
/// How long what puts things in order may take after a signal.
const GRACE: Duration = Duration::from_secs(10);
/// Threads of the runtime: one request's encryption must not hold up the renewal of a lease.
const THREADS: usize = 2;

/// What a store must be able to do.
pub(crate) trait Store: ObjectStore + MultipartStore {}

impl<T: ObjectStore + MultipartStore> Store for T {}

/// A store, and the place in it.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    /// For requests that are over soon.
    pub(crate) small: Arc<dyn Store>,
    /// For parts of artifacts, which take as long as the network is slow.
    pub(crate) bulk: Arc<dyn Store>,
    /// Requests of our own, to a store that has them.
    pub(crate) own: Option<OwnRequests>,
    pub(crate) url: StoreUrl,
    pub(crate) location: Location,
    pub(crate) cancel: Cancel,
}

/// What became of a conditional write.
#[derive(Debug)]
pub(crate) enum Put {
    /// It is there.
    Done(UpdateVersion),
    /// The condition did not hold.
    Refused,
}

/// When something may be written.
#[derive(Debug, Clone)]
pub(crate) enum If {
    /// Where there is nothing.
    Absent,
    /// Where there is this version.
    Version(UpdateVersion),
}

/// A small object.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) bytes: Vec<u8>,
    pub(crate) meta: ObjectMeta,
}

/// The runtime that all requests of the process run on.
///
/// # Errors
/// The operating system refuses a thread.
pub(crate) fn runtime() -> Result<&'static Runtime> {
    static RUNTIME: OnceLock<io::Result<Runtime>> = OnceLock::new();
    let runtime = RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("fwb-store")
            .enable_all()
            .build()
    });
    runtime.as_ref().map_err(|error| Error::Stream {
        action: "start the threads for an object store",
        source: io::Error::other(error.to_string()),
    })
}

/// The version of what was found, for a condition.
pub(crate) fn version_of(meta: &ObjectMeta) -> UpdateVersion {
    UpdateVersion { e_tag: meta.e_tag.clone(), version: meta.version.clone() }
}

impl Client {
    /// Waits for a request, until a signal arrives.
    pub(crate) fn wait<T>(&self, request: impl Future<Output = T>) -> Result<T> {
        runtime()?.block_on(async {
            let mut request = std::pin::pin!(request);
            loop {
                self.cancel.check()?;
                if let Ok(done) = tokio::time::timeout(PAUSE, &mut request).await {
                    return Ok(done);
                }
            }
        })
    }

    /// An object's place. Names are keys as they are.
    ///
    /// # Errors
    /// A usage error where no object can have this name.
    pub(crate) fn path(&self, name: &str) -> Result<Path> {
        let prefix = self.url.prefix();
        let key = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}/{name}") };
        Path::parse(key)
            .map_err(|error| Error::usage(format!("{name:?} cannot be the name of an object: {error}")))
    }

    /// An error about an object.
    pub(crate) fn error(&self, action: &'static str, name: &str, said: &object_store::Error) -> Error {
        refused(action, format!("{}/{name}", self.url), said)
    }

    /// An error of ours about an object.
    pub(crate) fn problem(
        &self,
        action: &'static str,
        name: &str,
        problem: impl Into<String>,
        refusal: Refusal,
    ) -> Error {
        Error::ObjectStore {
            action,
            object: format!("{}/{name}", self.url),
            problem: problem.into(),
            refusal,
        }
    }

    /// What an object holds; none where there is none. It is read whole, and may have `limit` bytes.
    pub(crate) async fn get(&self, name: &str, limit: u64) -> Result<Option<Found>> {
        let path = self.path(name)?;
        let failed = |said: &object_store::Error| self.error("read", name, said);
        let got = match self.small.get(&path).await {
            Ok(got) => got,
            Err(said @ object_store::Error::NotFound { .. }) if !is_no_bucket(&said) => return Ok(None),
            Err(said) => return Err(failed(&said)),
        };
        let meta = got.meta.clone();
        if meta.size > limit {
            return Err(self.problem("read", name, "it is larger than any of ours", Refusal::Failure));
        }
        let bytes = got.bytes().await.map_err(|said| failed(&said))?;
        Ok(Some(Found { bytes: bytes.into(), meta }))
    }

    /// The first bytes of an object, `size` at most; none where there is none.
    pub(crate) async fn head_of(&self, name: &str, size: u64) -> Result<Option<Vec<u8>>> {
        let range = Some(GetRange::Bounded(0..size));
        let options = GetOptions { range, ..GetOptions::default() };
        let failed = |said: object_store::Error| self.error("read", name, &said);
        match self.small.get_opts(&self.path(name)?, options).await {
            Ok(got) => Ok(Some(got.bytes().await.map_err(failed)?.into())),
            Err(said @ object_store::Error::NotFound { .. }) if !is_no_bucket(&said) => Ok(None),
            Err(said) => Err(failed(said)),
        }
    }

    /// What is known of an object; none where there is none.
    pub(crate) async fn head(&self, name: &str) -> Result<Option<(ObjectMeta, object_store::Attributes)>> {
        let path = self.path(name)?;
        let options = GetOptions { head: true, ..GetOptions::default() };
        match self.small.get_opts(&path, options).await {
            Ok(got) => Ok(Some((got.meta, got.attributes))),
            Err(said @ object_store::Error::NotFound { .. }) if !is_no_bucket(&said) => Ok(None),
            Err(said) => Err(self.error("look at", name, &said)),
        }
    }

    /// Writes a small object under a condition. An answer that was lost is asked for: what is there and is ours was written.
    pub(crate) async fn put(&self, name: &str, bytes: &[u8], condition: If) -> Result<Put> {
        let path = self.path(name)?;
        let mode = match condition {
            If::Absent => PutMode::Create,
            If::Version(version) => PutMode::Update(version),
        };
        let options = PutOptions { mode, ..PutOptions::default() };
        let said = match self.small.put_opts(&path, bytes.to_vec().into(), options).await {
            Ok(put) => return Ok(Put::Done(UpdateVersion { e_tag: put.e_tag, version: put.version })),
            Err(said) => said,
        };
        let refused = matches!(
            said,
            object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }
        ) || matches!(&said, object_store::Error::NotFound { .. } if !is_no_bucket(&said));
        let unknown = matches!(said, object_store::Error::Generic { .. });
        if !refused && !unknown {
            return Err(self.error("write", name, &said));
        }
        // The first of several tries may have succeeded.
        match self.get(name, u64::MAX).await {
            Ok(Some(found)) if found.bytes == bytes => Ok(Put::Done(version_of(&found.meta))),
            Ok(_) if refused => Ok(Put::Refused),
            _ => Err(self.error("write", name, &said)),
        }
    }

    /// Writes a small object that nobody else writes, whatever is there.
    pub(crate) async fn replace(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let put = self.small.put(&self.path(name)?, bytes.to_vec().into()).await;
        put.map(drop).map_err(|said| self.error("write", name, &said))
    }

    /// Keeps an object from being deleted.
    pub(crate) fn retain(&self, name: &str, retention: Retention) -> Result<()> {
        let own = self.own.as_ref().ok_or_else(fwb::no_retention)?;
        self.wait(own.retain(&format!("{}/{name}", self.url), &self.path(name)?, retention))?
    }

    /// Removes an object, which may be gone.
    pub(crate) async fn remove(&self, name: &str) -> Result<()> {
        let path = self.path(name)?;
        match self.small.delete(&path).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(said) => Err(self.error("delete", name, &said)),
        }
    }

    /// The objects right under a folder of the store (`""`: the store itself), by their names there.
    pub(crate) async fn list(&self, folder: &str) -> Result<Vec<(String, ObjectMeta)>> {
        let prefix =
            if folder.is_empty() { self.url.prefix().to_owned() } else { self.path(folder)?.to_string() };
        let prefix = if prefix.is_empty() {
            None
        } else {
            Some(Path::parse(prefix).map_err(|error| {
                Error::usage(format!("{} cannot be the place of a store: {error}", self.url))
            })?)
        };
        let listed = self.small.list_with_delimiter(prefix.as_ref()).await;
        let listed = listed.map_err(|said| match said {
            said if folder.is_empty() => refused("list", self.url.to_string(), &said),
            said => self.error("list", folder, &said),
        })?;
        let named = |meta: ObjectMeta| Some((meta.location.filename()?.to_owned(), with_quotes(meta)));
        Ok(listed.objects.into_iter().filter_map(named).collect())
    }
}

/// Waits for what puts things in order, also after a signal, but not for long; none where it took too long.
pub(crate) fn tidy<T>(request: impl Future<Output = T>) -> Option<T> {
    let runtime = runtime().ok()?;
    runtime.block_on(async { tokio::time::timeout(GRACE, request).await.ok() })
}

/// Azure's listings have an `ETag` without the quotes that it has everywhere else.
fn with_quotes(mut meta: ObjectMeta) -> ObjectMeta {
    meta.e_tag = meta.e_tag.map(|e_tag| if e_tag.contains('"') { e_tag } else { format!("\"{e_tag}\"") });
    meta
}

/// What identifies a lease, a claim or an upload: 16 random bytes, as hexadecimal digits.
///
/// # Errors
/// The operating system has no random numbers.
pub(crate) fn random_id() -> Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| Error::Stream {
        action: "draw a random number",
        source: io::Error::other(error.to_string()),
    })?;
    Ok(hex::encode(bytes))
}
