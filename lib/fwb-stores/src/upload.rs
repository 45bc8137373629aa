//! An artifact on its way into a store: in parts, while it is made, with nothing on this host's disk.
//!
//! A part is held in memory until it is stored (`parts.rs`).

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fwb::{Cancel, Error, Expected, Opened, Refusal, Result, Retention, SidecarFile, Upload};
use md5::{Digest as _, Md5};
use object_store::multipart::PartId;
use object_store::path::Path;
use object_store::{
    Attribute, Attributes, MultipartId, ObjectMeta, PutMode, PutMultipartOptions, PutOptions, PutPayload,
};
use sha2::Sha256;
use tokio::sync::Semaphore;

use crate::backend::open_found;
use crate::client::{Client, If, Put, runtime, tidy, version_of};
use crate::config::Settings;
use crate::errors::is_no_bucket;
use crate::http::completing;
use crate::names::{Aborted, Claim, abort};
use crate::parts::{MOST_PARTS, PartSize};

/// Parts that are on their way at once.
pub(crate) const ON_THEIR_WAY: usize = 2;
/// What the object of an upload says, so that its writer knows it again.
const ID: &str = "fwbid";
/// Bytes that are hashed at once.
const HASHED: usize = 1 << 20;

/// An artifact that is being stored.
#[derive(Debug)]
pub(crate) struct Uploading {
    shared: Arc<Shared>,
    name: String,
    /// What is stored, once it is.
    stored: Option<ObjectMeta>,
    /// Whether what is stored was read back whole.
    read_back: bool,
    /// Until when the store is to keep it.
    retention: Option<Retention>,
    /// The sidecar, once it may be there.
    sidecar: Option<String>,
    published: bool,
}

#[derive(Debug)]
struct Shared {
    client: Client,
    claim: Claim,
    artifact: String,
    path: Path,
    attributes: Attributes,
    part_size: PartSize,
    room: Arc<Semaphore>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    buffer: Vec<u8>,
    size: u64,
    id: Option<MultipartId>,
    /// Parts that were sent, with the MD5 of each; none: on its way.
    parts: Vec<Option<(PartId, [u8; 16])>>,
    failed: Option<Error>,
}

impl Uploading {
    pub(crate) fn begin(client: &Client, claim: Claim, artifact: &str, settings: &Settings) -> Result<Self> {
        let mut attributes = Attributes::new();
        attributes.insert(Attribute::Metadata(ID.into()), claim.id().into());
        if let Some(class) = &settings.storage_class {
            attributes.insert(Attribute::StorageClass, class.clone().into());
        }
        let shared = Shared {
            client: client.clone(),
            claim,
            artifact: artifact.into(),
            path: client.path(artifact)?,
            attributes,
            part_size: settings.part_size,
            room: Arc::new(Semaphore::new(ON_THEIR_WAY)),
            state: Mutex::default(),
        };
        let name = artifact.into();
        Ok(Self {
            shared: Arc::new(shared),
            name,
            stored: None,
            read_back: false,
            retention: None,
            sidecar: None,
            published: false,
        })
    }

    /// Stores the rest, so that the object is there.
    fn complete(&mut self) -> Result<ObjectMeta> {
        if let Some(stored) = &self.stored {
            return Ok(stored.clone());
        }
        let stored = self.shared.complete()?;
        self.stored = Some(stored.clone());
        Ok(stored)
    }

    /// Whether what is stored is what was written. An S3 store's `ETag` tells; where it is of another kind, what is stored is read.
    fn check(&self, stored: &ObjectMeta, expected: Expected<'_>) -> Result<()> {
        let (client, name) = (&self.shared.client, &self.name);
        let differs = |problem: String| Err(client.problem("store", name, problem, Refusal::Differs));
        if stored.size != expected.size {
            return differs(format!(
                "it has {} bytes there, and {} were written",
                stored.size, expected.size
            ));
        }
        if self.read_back || self.shared.e_tag().is_some_and(|own| is_e_tag(stored, &own)) {
            return Ok(());
        }
        let Some(expected) = expected.sha256 else { return Ok(()) };
        let opened = self.open()?;
        opened.bytes.will_read(0, stored.size);
        let (mut sha256, mut buffer, mut offset) = (Sha256::new(), vec![0; HASHED], 0);
        while offset < stored.size {
            let size = usize::try_from(stored.size - offset).unwrap_or(HASHED).min(HASHED);
            let path = self.path();
            opened.bytes.read_exact_at(&mut buffer[..size], offset).map_err(Error::io("read", &path))?;
            sha256.update(&buffer[..size]);
            offset += size as u64;
        }
        if hex::encode(sha256.finalize()) == expected {
            return Ok(());
        }
        differs("read back, it has another SHA-256".into())
    }

    fn open(&self) -> Result<Opened> {
        let client = &self.shared.client;
        let missing = "it was stored a moment ago, and is not there";
        let opened = client.wait(open_found(client, &self.name))??;
        let opened = opened.ok_or_else(|| client.problem("read", &self.name, missing, Refusal::Differs))?;
        Ok(opened.1)
    }
}

impl Upload for Uploading {
    fn writer(&self) -> Result<Box<dyn Write + Send>> {
        Ok(Box::new(Writer { shared: Arc::clone(&self.shared) }))
    }

    fn path(&self) -> PathBuf {
        format!("{}/{}", self.shared.client.url, self.name).into()
    }

    fn retain(&mut self, retention: Retention) -> Result<()> {
        if self.shared.client.own.is_none() {
            return Err(fwb::no_retention());
        }
        self.retention = Some(retention);
        Ok(())
    }

    fn read_back(&mut self) -> Result<Opened> {
        self.complete()?;
        let opened = self.open()?;
        self.read_back = true;
        Ok(opened)
    }

    fn publish(
        mut self: Box<Self>,
        artifact: Expected<'_>,
        sidecar: SidecarFile<'_>,
        cancel: &Cancel,
    ) -> Result<()> {
        cancel.check()?;
        let stored = self.complete()?;
        self.check(&stored, artifact)?;
        let client = &self.shared.client;
        if let Some(retention) = self.retention {
            client.retain(&self.name, retention)?;
        }
        // Looking at what is stored takes a while, and whoever was stopped meanwhile publishes nothing.
        if !client.wait(self.shared.claim.is_held())?? {
            return Err(self.shared.lost());
        }
        // A sidecar whose artifact was lost is this one's former.
        let former = client.wait(client.head(sidecar.name))??;
        let condition = former.map_or(If::Absent, |(meta, _)| If::Version(version_of(&meta)));
        self.sidecar = Some(sidecar.name.into());
        match client.wait(client.put(sidecar.name, sidecar.json, condition))?? {
            Put::Done(_) => self.published = true,
            Put::Refused => {
                self.sidecar = None;
                return Err(client.problem("write", sidecar.name, "another one is there", Refusal::Changed));
            }
        }
        if let Some(Err(error)) = tidy(self.shared.claim.release()) {
            log::debug!("that the name of {} was taken stays for a day: {error}", self.name);
        }
        Ok(())
    }
}

impl Drop for Uploading {
    fn drop(&mut self) {
        if self.published {
            return;
        }
        let shared = &self.shared;
        shared.room.close();
        let id = shared.lock().id.clone();
        let tidied = tidy(async {
            let aborted = match id {
                Some(id) => abort(&shared.client, &shared.artifact, &id).await?,
                None => Aborted::Before,
            };
            // Whoever has taken the name over may have published under it.
            if !shared.claim.is_held().await? {
                return Ok(());
            }
            if let Some(sidecar) = &self.sidecar {
                shared.client.remove(sidecar).await?;
            }
            // Whether a request that was cut off has stored it nobody has said.
            if let Some((_, attributes)) = shared.client.head(&shared.artifact).await?
                && shared.is_ours(&attributes)
            {
                shared.client.remove(&shared.artifact).await?;
            }
            if aborted == Aborted::Unknown { Ok(()) } else { shared.claim.spend().await }
        });
        let why = match tidied {
            Some(Ok(())) => return,
            Some(Err(error)) => error.to_string(),
            None => "the store does not answer".into(),
        };
        log::warn!(code = fwb::notice::LEFT_BEHIND.code; "the upload of {} is left to the next run to remove: {why}", self.name);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_ours(&self, attributes: &Attributes) -> bool {
        attributes.get(&Attribute::Metadata(ID.into())).is_some_and(|id| **id == *self.claim.id())
    }

    /// What a store said of the upload. That there is none any more has but one reason.
    fn error(&self, said: &object_store::Error) -> Error {
        if matches!(said, object_store::Error::NotFound { .. }) && !is_no_bucket(said) {
            return self.lost();
        }
        self.client.error("store", &self.artifact, said)
    }

    /// Takes bytes, and sends what makes a part.
    fn take(self: &Arc<Self>, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            let part = {
                let mut state = self.lock();
                if let Some(error) = state.failed.take() {
                    return Err(error);
                }
                let full = self.part_size.of(state.parts.len());
                if state.buffer.capacity() == 0 {
                    // An empty database needs no part.
                    state.buffer.reserve(bytes.len().min(full));
                }
                let size = bytes.len().min(full - state.buffer.len());
                state.buffer.extend_from_slice(&bytes[..size]);
                state.size += size as u64;
                bytes = &bytes[size..];
                (state.buffer.len() == full).then(|| std::mem::take(&mut state.buffer))
            };
            if let Some(part) = part {
                self.send(part)?;
            }
        }
        Ok(())
    }

    /// Sends a part when there is room for it.
    fn send(self: &Arc<Self>, part: Vec<u8>) -> Result<()> {
        let id = self.begun()?;
        let number = {
            let mut state = self.lock();
            if state.parts.len() == MOST_PARTS {
                return Err(self.part_size.too_small(&self.artifact));
            }
            state.parts.push(None);
            state.parts.len() - 1
        };
        let room = self.client.wait(Arc::clone(&self.room).acquire_owned())?;
        let Ok(room) = room else { return Err(Error::usage("the upload has ended")) };
        let shared = Arc::clone(self);
        runtime()?.spawn(async move {
            let md5: [u8; 16] = Md5::digest(&part).into();
            let sent = shared.client.bulk.put_part(&shared.path, &id, number, PutPayload::from(part)).await;
            let mut state = shared.lock();
            match sent {
                Ok(part) => state.parts[number] = Some((part, md5)),
                Err(said) => {
                    state.failed.get_or_insert(shared.error(&said));
                }
            }
            drop((state, room));
        });
        Ok(())
    }

    /// The multipart upload, which begins with the first part, and is noted beside the name.
    fn begun(&self) -> Result<MultipartId> {
        if let Some(id) = &self.lock().id {
            return Ok(id.clone());
        }
        // Azure takes them when the upload is completed.
        let attributes =
            if self.client.url.scheme() == "az" { Attributes::new() } else { self.attributes.clone() };
        let options = PutMultipartOptions { attributes, ..PutMultipartOptions::default() };
        let begun = self.client.wait(async {
            let id = self.client.small.create_multipart_opts(&self.path, options).await;
            let id = id.map_err(|said| self.error(&said))?;
            if !self.claim.note_upload(&self.artifact, &id).await? {
                abort(&self.client, &self.artifact, &id).await?;
                return Err(self.lost());
            }
            Ok(id)
        })?;
        let id = begun?;
        self.lock().id = Some(id.clone());
        Ok(id)
    }

    fn another(&self) -> Error {
        let problem = "what is there was written by another run";
        self.client.problem("store", &self.artifact, problem, Refusal::Changed)
    }

    fn lost(&self) -> Error {
        let why = format!("another run has ended the upload of {}", self.artifact);
        Error::LockLost { store: self.client.url.to_string(), why }
    }

    /// Stores what is left, and says that it is all.
    fn complete(self: &Arc<Self>) -> Result<ObjectMeta> {
        let rest = std::mem::take(&mut self.lock().buffer);
        let is_one = self.lock().id.is_none();
        if is_one {
            self.put_whole(&rest)?;
            // For the ETag.
            self.lock().buffer = rest;
        } else {
            if !rest.is_empty() {
                self.send(rest)?;
            }
            self.join()?;
        }
        let found = self.client.wait(self.client.head(&self.artifact))??;
        match found {
            Some((meta, attributes)) if self.is_ours(&attributes) => Ok(meta),
            Some(_) => Err(self.another()),
            None => Err(self.client.problem(
                "store",
                &self.artifact,
                "the store has said that it has it, and it is not there",
                Refusal::Differs,
            )),
        }
    }

    /// Stores an artifact that is smaller than a part, where there is none of its name.
    fn put_whole(&self, bytes: &[u8]) -> Result<()> {
        let options = PutOptions {
            mode: PutMode::Create,
            attributes: self.attributes.clone(),
            ..PutOptions::default()
        };
        self.client.wait(async {
            if !self.claim.is_held().await? {
                return Err(self.lost());
            }
            let payload = PutPayload::from(bytes.to_vec());
            match self.client.bulk.put_opts(&self.path, payload, options).await {
                Ok(_) => Ok(()),
                Err(said) => self.was_stored(said).await,
            }
        })?
    }

    /// Ends the upload, once all its parts are there.
    fn join(&self) -> Result<()> {
        let all = u32::try_from(ON_THEIR_WAY).unwrap_or(u32::MAX);
        let _no_part_is_on_its_way = self.client.wait(self.room.acquire_many(all))?;
        let (id, parts) = {
            let mut state = self.lock();
            if let Some(error) = state.failed.take() {
                return Err(error);
            }
            let parts: Option<Vec<PartId>> =
                state.parts.iter().map(|part| part.as_ref().map(|(id, _)| id.clone())).collect();
            (state.id.clone(), parts)
        };
        let (Some(id), Some(parts)) = (id, parts) else {
            return Err(self.client.problem("store", &self.artifact, "a part is missing", Refusal::Failure));
        };
        self.client.wait(async {
            // Whoever has taken the lock over has ended the upload, where a store can do that, and the claim.
            if !self.claim.is_held().await? {
                return Err(self.lost());
            }
            // Nobody else should be there. The completion asks for that too, but not every store heeds it.
            if let Some((_, attributes)) = self.client.head(&self.artifact).await? {
                return if self.is_ours(&attributes) { Ok(()) } else { Err(self.another()) };
            }
            let completion = self.client.bulk.complete_multipart(&self.path, &id, parts);
            match completing(&self.claim.id(), completion).await {
                Ok(_) => Ok(()),
                Err(said) => self.was_stored(said).await,
            }
        })?
    }

    /// An answer that was lost, or that came to a second try, says nothing: what is there does.
    async fn was_stored(&self, said: object_store::Error) -> Result<()> {
        let error = self.error(&said);
        match self.client.head(&self.artifact).await? {
            Some((_, attributes)) if !self.is_ours(&attributes) => match error {
                lost @ Error::LockLost { .. } => Err(lost),
                _ => Err(self.another()),
            },
            Some((meta, _)) if meta.size == self.lock().size && self.claim.is_held().await? => Ok(()),
            _ => Err(error),
        }
    }

    /// The `ETag` that S3 gives: the MD5 of the whole, or that of the parts' and their number.
    fn e_tag(&self) -> Option<String> {
        let state = self.lock();
        if state.id.is_none() {
            return Some(hex::encode(Md5::digest(&state.buffer)));
        }
        let mut md5 = Md5::new();
        for part in &state.parts {
            md5.update(part.as_ref()?.1);
        }
        Some(format!("{}-{}", hex::encode(md5.finalize()), state.parts.len()))
    }
}

fn is_e_tag(stored: &ObjectMeta, own: &str) -> bool {
    stored.e_tag.as_deref().is_some_and(|e_tag| e_tag.trim_matches('"').eq_ignore_ascii_case(own))
}

/// Takes an artifact's bytes.
#[derive(Debug)]
struct Writer {
    shared: Arc<Shared>,
}

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.shared.take(bytes).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
