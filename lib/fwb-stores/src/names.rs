//! What keeps order among writers: names that were taken, and backups that were deleted.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use fwb::{Freed, Refusal, Result};
use object_store::ObjectMeta;
use object_store::UpdateVersion;
use serde::{Deserialize, Serialize};

use crate::client::{Client, If, Put, random_id, version_of};
use crate::config::Settings;
use crate::lease::time_of;
use crate::own_requests::Upload;

/// The lock's object.
pub(crate) const LOCK: &str = ".fwb/lock";
/// What tells the store's time.
pub(crate) const CLOCK: &str = ".fwb/clock";
/// Names that were taken.
const NAMES: &str = ".fwb/names";
/// Backups that were deleted.
const DELETED: &str = ".fwb/deleted";

/// The largest of these objects that is read, in bytes.
const LARGEST: u64 = 64 << 10;
/// How long a name stays taken after its writer has ended: whoever has a clock that stands still may come by it again.
const STAYS_TAKEN: Duration = Duration::from_secs(24 * 60 * 60);

/// A name that was taken.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Taken {
    schema: String,
    /// Who took it; what is uploaded under the name carries it too.
    id: String,
    /// The artifact that is being written, once its upload has begun.
    #[serde(skip_serializing_if = "Option::is_none")]
    artifact: Option<String>,
    /// Its upload, in the store's own terms.
    #[serde(skip_serializing_if = "Option::is_none")]
    upload: Option<String>,
    /// Whether nobody writes under it any more.
    spent: bool,
}

const SCHEMA: &str = "fwb-name/1";

/// A backup that was deleted.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Deleted {
    schema: String,
    id: String,
    artifact: String,
    sidecar: String,
    stem: String,
    /// The artifact's version when it was deleted; none: it was gone.
    e_tag: Option<String>,
}

const DELETED_SCHEMA: &str = "fwb-deleted/1";

/// A name that this process has taken.
#[derive(Debug, Clone)]
pub(crate) struct Claim {
    client: Client,
    stem: String,
    shared: Arc<Mutex<(Taken, UpdateVersion)>>,
}

fn name_of(stem: &str) -> String {
    format!("{NAMES}/{stem}")
}

impl Claim {
    /// Takes a name; none where it was taken.
    pub(crate) async fn take(client: &Client, stem: &str) -> Result<Option<Self>> {
        Self::put(client, stem, If::Absent).await
    }

    /// Takes a name, also one under which somebody has written before: a copy is the same whoever makes it.
    pub(crate) async fn take_again(client: &Client, stem: &str) -> Result<Option<Self>> {
        let condition = match client.get(&name_of(stem), LARGEST).await? {
            None => If::Absent,
            Some(found) => {
                let taken: Option<Taken> = serde_json::from_slice(&found.bytes).ok();
                if taken.is_some_and(|taken| !taken.spent) {
                    return Ok(None);
                }
                If::Version(version_of(&found.meta))
            }
        };
        Self::put(client, stem, condition).await
    }

    async fn put(client: &Client, stem: &str, condition: If) -> Result<Option<Self>> {
        let taken =
            Taken { schema: SCHEMA.into(), id: random_id()?, artifact: None, upload: None, spent: false };
        let json = serde_json::to_vec(&taken)?;
        Ok(match client.put(&name_of(stem), &json, condition).await? {
            Put::Done(version) => Some(Self {
                client: client.clone(),
                stem: stem.into(),
                shared: Arc::new(Mutex::new((taken, version))),
            }),
            Put::Refused => None,
        })
    }

    /// What tells the claim's own upload from another of the same name.
    pub(crate) fn id(&self) -> String {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).0.id.clone()
    }

    /// Notes which upload belongs to the name, so that whoever takes the lock over can end it. False where the claim was taken away.
    pub(crate) async fn note_upload(&self, artifact: &str, upload: &str) -> Result<bool> {
        self.change(|taken| Taken { artifact: Some(artifact.into()), upload: Some(upload.into()), ..taken })
            .await
    }

    /// Whether the name is still this process's own.
    pub(crate) async fn is_held(&self) -> Result<bool> {
        let found = self.client.get(&name_of(&self.stem), LARGEST).await?;
        let taken: Option<Taken> = found.and_then(|found| serde_json::from_slice(&found.bytes).ok());
        Ok(taken.is_some_and(|taken| taken.id == self.id() && !taken.spent))
    }

    async fn change(&self, change: impl FnOnce(Taken) -> Taken) -> Result<bool> {
        let (taken, version) = self.shared.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let changed = change(taken);
        let json = serde_json::to_vec(&changed)?;
        match self.client.put(&name_of(&self.stem), &json, If::Version(version)).await? {
            Put::Done(version) => {
                *self.shared.lock().unwrap_or_else(PoisonError::into_inner) = (changed, version);
                Ok(true)
            }
            Put::Refused => Ok(false),
        }
    }

    /// Gives the name back, which the artifact itself has from now on.
    pub(crate) async fn release(&self) -> Result<()> {
        self.client.remove(&name_of(&self.stem)).await
    }

    /// Marks the name as one under which nobody writes any more; it goes when a day has passed.
    pub(crate) async fn spend(&self) -> Result<()> {
        self.change(|taken| Taken { upload: None, spent: true, ..taken }).await.map(drop)
    }
}

/// The names of the backups that were deleted.
pub(crate) async fn deleted(client: &Client) -> Result<Vec<(String, ObjectMeta)>> {
    client.list(DELETED).await
}

/// Whether a backup was deleted.
pub(crate) async fn is_deleted(client: &Client, artifact: &str) -> Result<bool> {
    Ok(client.head(&format!("{DELETED}/{artifact}")).await?.is_some())
}

/// Deletes a backup: from now on nobody finds it.
pub(crate) async fn delete(client: &Client, artifact: &str, sidecar: &str, stem: &str) -> Result<Freed> {
    let found = client.head(artifact).await?;
    let deleted = Deleted {
        schema: DELETED_SCHEMA.into(),
        id: random_id()?,
        artifact: artifact.into(),
        sidecar: sidecar.into(),
        stem: stem.into(),
        e_tag: found.as_ref().and_then(|(meta, _)| meta.e_tag.clone()),
    };
    let name = format!("{DELETED}/{artifact}");
    // That another run has deleted it is as well.
    if let Put::Refused = client.put(&name, &serde_json::to_vec(&deleted)?, If::Absent).await?
        && client.head(&name).await?.is_none()
    {
        let problem = "it cannot be marked as deleted: the store says that it is, and has no mark";
        return Err(client.problem("delete", artifact, problem, Refusal::Changed));
    }
    Ok(Freed { bytes: found.map_or(0, |(meta, _)| meta.size), at_once: false })
}

/// Ends what runs have left behind that were killed, and removes what was deleted long enough ago. The lock is held. One object that
/// cannot be dealt with does not keep the others; the first such error is returned at the end.
pub(crate) async fn sweep(client: &Client, settings: &Settings) -> Result<()> {
    let (names, deleted, begun) = tokio::join!(client.list(NAMES), deleted(client), begun(client));
    let (names, deleted) = (names?, deleted?);
    if names.is_empty() && deleted.is_empty() && begun.is_empty() {
        return Ok(());
    }
    let now = time_of(client).await?;
    let stems: BTreeSet<String> = names.iter().map(|(stem, _)| stem.clone()).collect();
    let mut swept = Ok(());
    for (stem, meta) in names {
        let ended = end_claim(client, &stem, &meta, now).await;
        swept = swept.and(ended);
    }
    for upload in begun {
        let ended = end_upload(client, &upload, &stems).await;
        swept = swept.and(ended);
    }
    for (artifact, meta) in deleted {
        if age(&meta, now) > settings.delete_after.max(settings.lease * 2) {
            let removed = remove(client, &artifact).await;
            swept = swept.and(removed);
        }
    }
    swept
}

/// Ends an upload that no claim knows: the answer that named it was lost. It is ours where the name was taken, or has a backup.
/// Anything else somebody else may be at.
async fn end_upload(client: &Client, upload: &Upload, stems: &BTreeSet<String>) -> Result<()> {
    let artifact = upload.key.rsplit('/').next().unwrap_or_default();
    if client.path(artifact)?.as_ref() != upload.key {
        return Ok(());
    }
    let was_taken = stems.iter().any(|stem| artifact.starts_with(stem.as_str()));
    if was_taken || client.head(artifact).await?.is_some() {
        abort(client, artifact, &upload.upload_id).await?;
    }
    Ok(())
}

/// The uploads under the store's prefix that were begun and not ended, as far as the store tells.
async fn begun(client: &Client) -> Vec<Upload> {
    let Some(own) = &client.own else { return Vec::new() };
    let prefix =
        if client.url.prefix().is_empty() { String::new() } else { format!("{}/", client.url.prefix()) };
    own.uploads(&prefix).await.unwrap_or_default()
}

fn age(meta: &ObjectMeta, now: DateTime<Utc>) -> Duration {
    (now - meta.last_modified).to_std().unwrap_or_default()
}

/// Ends a claim of a run that has ended: we hold the lock, and so it does not. Its upload, should the run still live, is refused from
/// now on.
async fn end_claim(client: &Client, stem: &str, meta: &ObjectMeta, now: DateTime<Utc>) -> Result<()> {
    let name = name_of(stem);
    let Some(found) = client.get(&name, LARGEST).await? else { return Ok(()) };
    let taken: Option<Taken> = serde_json::from_slice(&found.bytes).ok();
    let Some(taken) = taken.filter(|taken| !taken.spent) else {
        if age(meta, now) > STAYS_TAKEN {
            client.remove(&name).await?;
        }
        return Ok(());
    };
    if let (Some(artifact), Some(upload)) = (&taken.artifact, &taken.upload) {
        match abort(client, artifact, upload).await? {
            Aborted::Now => {
                log::warn!(code = fwb::notice::REMOVED_LEFTOVER.code; "ended the upload of {artifact}, which a run left behind that did not end well");
            }
            // The next run tries again.
            Aborted::Unknown if age(meta, now) <= STAYS_TAKEN => return Ok(()),
            Aborted::Before | Aborted::Unknown => {}
        }
    }
    let spent = serde_json::to_vec(&Taken { upload: None, spent: true, ..taken })?;
    client.put(&name, &spent, If::Version(version_of(&found.meta))).await.map(drop)
}

/// What is known of an upload that was to be ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Aborted {
    /// It has ended now.
    Now,
    /// There was none any more.
    Before,
    /// The store does not say.
    Unknown,
}

/// Ends an upload, which may have ended.
pub(crate) async fn abort(client: &Client, artifact: &str, upload: &str) -> Result<Aborted> {
    let path = client.path(artifact)?;
    Ok(match client.small.abort_multipart(&path, &upload.to_owned()).await {
        // Azure has no uploads: what was not put together goes by itself.
        Ok(()) if client.url.scheme() == "az" => Aborted::Before,
        Ok(()) => Aborted::Now,
        Err(object_store::Error::NotFound { .. }) => Aborted::Before,
        Err(said) => {
            log::debug!("the upload of {artifact} cannot be ended: {said}");
            Aborted::Unknown
        }
    })
}

/// Removes a backup that was deleted long ago. The name stays taken for a day: a DELETE has no condition, and whoever was stopped
/// in the middle of this one goes on with it, whatever has the name by then.
async fn remove(client: &Client, artifact: &str) -> Result<()> {
    let name = format!("{DELETED}/{artifact}");
    let Some(found) = client.get(&name, LARGEST).await? else { return Ok(()) };
    let deleted: Option<Deleted> = serde_json::from_slice(&found.bytes).ok();
    let Some(deleted) = deleted.filter(|deleted| deleted.artifact == artifact) else {
        log::warn!(code = fwb::notice::LEFT_ALONE.code; "{}/{name} is none of ours, and is left alone", client.url);
        return Ok(());
    };
    let there = client.head(artifact).await?.and_then(|(meta, _)| meta.e_tag);
    if there.is_some() && there != deleted.e_tag {
        log::warn!(code = fwb::notice::LEFT_ALONE.code; "{artifact} was replaced after it was deleted, and stays");
        return client.remove(&name).await;
    }
    let spent = Taken {
        schema: SCHEMA.into(),
        id: deleted.id,
        artifact: Some(artifact.into()),
        upload: None,
        spent: true,
    };
    client.put(&name_of(&deleted.stem), &serde_json::to_vec(&spent)?, If::Absent).await?;
    client.remove(&deleted.sidecar).await?;
    client.remove(artifact).await?;
    client.remove(&name).await
}
