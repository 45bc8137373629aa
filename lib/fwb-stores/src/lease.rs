//! The lock of a store: a lease that is renewed while it is held.
//!
//! Nobody's clock is believed but the store's own: a lease is over when the store's time has passed the time of its last renewal by
//! more than the lease is long. Whoever holds one measures by a clock that only goes forward, also while the machine sleeps, and
//! holds it for lost before anybody else can.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fwb::{Cancel, Error, Held, Refusal, Result, StoreLock, Wait};
use object_store::UpdateVersion;
use serde::{Deserialize, Serialize};
use tokio::task::AbortHandle;

use crate::client::{Client, Found, If, Put, random_id, runtime, tidy, version_of};
use crate::names::{CLOCK, LOCK};

/// The largest lease that is read, in bytes.
const LARGEST: u64 = 64 << 10;
/// Between two looks at a lease that another run holds.
const PAUSE: Duration = Duration::from_secs(1);
/// Renewals in the time of a lease.
const RENEWALS: u32 = 3;
/// What the store's clock may be rounded by, and some.
const ROUNDING: Duration = Duration::from_secs(2);

/// What the lock's object holds.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Lease {
    schema: String,
    /// Whose it is; each run has its own.
    id: String,
    /// How often it was renewed, so that each renewal has an `ETag` of its own.
    renewed: u64,
    /// Whether it is held; a lease that was given back stays as an object.
    held: bool,
    /// How long it holds since it was last written.
    seconds: u64,
    /// Where it is held, for people.
    by: String,
}

const SCHEMA: &str = "fwb-lock/1";

/// A lease that this process holds.
#[derive(Debug)]
pub(crate) struct LeaseHeld {
    client: Client,
    shared: Arc<Mutex<Shared>>,
    renewing: AbortHandle,
}

#[derive(Debug)]
struct Shared {
    lease: Lease,
    version: UpdateVersion,
    /// When the last renewal that succeeded was begun.
    renewed: Duration,
    /// Why it is held no more.
    lost: Option<String>,
}

/// Takes the lock.
///
/// # Errors
/// Another run holds it and `wait` says not to wait; the store cannot be written, or does not honour conditions.
pub(crate) fn take(client: &Client, length: Duration, wait: Wait, cancel: &Cancel) -> Result<StoreLock> {
    let lease = Lease {
        schema: SCHEMA.into(),
        id: random_id()?,
        renewed: 0,
        held: true,
        seconds: length.as_secs(),
        by: holder(),
    };
    let (begun, version) = loop {
        cancel.check()?;
        let begun = now();
        match client.wait(try_to_take(client, &lease))?? {
            Tried::Taken(version) => break (begun, version),
            Tried::Held(by) if wait == Wait::No => {
                return Err(Error::Locked { store: client.url.to_string().into(), by: Some(by) });
            }
            Tried::Held(_) => client.wait(async { tokio::time::sleep(PAUSE).await })?,
            Tried::Again => {}
        }
    };
    let holds = Shared { lease: lease.clone(), version: version.clone(), renewed: begun, lost: None };
    let shared = Arc::new(Mutex::new(holds));
    let renewing = runtime()?.spawn(renew(client.clone(), Arc::clone(&shared), length)).abort_handle();
    // It is given back, whatever comes of the trial.
    let held = LeaseHeld { client: client.clone(), shared, renewing };
    client.wait(probe(client, &lease, &version))??;
    Ok(StoreLock::new(Box::new(held)))
}

/// What became of a try.
enum Tried {
    Taken(UpdateVersion),
    /// Another run holds it: which, and for how long.
    Held(String),
    /// Somebody was faster; what there is now is to be seen.
    Again,
}

async fn try_to_take(client: &Client, lease: &Lease) -> Result<Tried> {
    let json = serde_json::to_vec(lease)?;
    let condition = match client.get(LOCK, LARGEST).await? {
        None => If::Absent,
        Some(found) => {
            if let Some(held) = still_held(client, &found).await? {
                return Ok(Tried::Held(held));
            }
            If::Version(version_of(&found.meta))
        }
    };
    Ok(match client.put(LOCK, &json, condition).await? {
        Put::Done(version) => Tried::Taken(version),
        Put::Refused => Tried::Again,
    })
}

/// By whom a lease that was found is held, and for how long; none where it is over.
async fn still_held(client: &Client, found: &Found) -> Result<Option<String>> {
    // What is no lease was written by nobody of ours, and holds for as long as one of ours might.
    let lease: Option<Lease> = serde_json::from_slice(&found.bytes).ok();
    let (held, seconds, by) = match &lease {
        Some(lease) => (lease.held, lease.seconds, lease.by.as_str()),
        None => (true, crate::config::LEASE.as_secs(), "somebody whose lock cannot be read"),
    };
    if !held {
        return Ok(None);
    }
    let age = time_of(client).await? - found.meta.last_modified;
    let age = age.to_std().unwrap_or_default();
    let holds = Duration::from_secs(seconds) + ROUNDING;
    match holds.checked_sub(age) {
        Some(left) => Ok(Some(format!("{by}; unless it is renewed, for {} s more", left.as_secs() + 1))),
        None => {
            log::warn!(code = fwb::notice::REMOVED_LEFTOVER.code;
                "the lock of {by} on {} was not renewed for {} s: that run has ended, or is cut off",
                client.url, age.as_secs()
            );
            Ok(None)
        }
    }
}

/// The store's time, by an object that was written just now.
pub(crate) async fn time_of(client: &Client) -> Result<chrono::DateTime<chrono::Utc>> {
    let path = client.path(CLOCK)?;
    let written = object_store::ObjectStoreExt::put(&client.small, &path, random_id()?.into_bytes().into());
    written.await.map_err(|said| client.error("write", CLOCK, &said))?;
    let found = client.head(CLOCK).await?;
    found.map(|(meta, _)| meta.last_modified).ok_or_else(|| {
        client.problem("look at", CLOCK, "it was written a moment ago, and is not there", Refusal::Failure)
    })
}

/// Tries with the lease, which is ours, whether the store honours conditions. A store that does not would let two runs believe that
/// each is alone.
async fn probe(client: &Client, lease: &Lease, version: &UpdateVersion) -> Result<()> {
    let other = serde_json::to_vec(&Lease { renewed: u64::MAX, ..lease.clone() })?;
    let wrong = UpdateVersion {
        e_tag: Some("\"00000000000000000000000000000000\"".into()),
        version: version.version.as_ref().map(|_| "1".into()),
    };
    for condition in [If::Absent, If::Version(wrong)] {
        if let Put::Done(_) = client.put(LOCK, &other, condition).await? {
            // It lets go of what it believes to hold.
            client.remove(LOCK).await?;
            return Err(client.problem(
                "lock",
                LOCK,
                "the store ignores the conditions of a write (If-None-Match, If-Match)",
                Refusal::NoConditions,
            ));
        }
    }
    Ok(())
}

async fn renew(client: Client, shared: Arc<Mutex<Shared>>, length: Duration) {
    let (every, at_most) = (length / RENEWALS, length / RENEWALS / 2);
    let mut pause = every;
    loop {
        tokio::time::sleep(pause).await;
        // After a failure it is tried again soon: the next regular time may be too late.
        pause = every / 10;
        let begun = now();
        let (lease, version) = {
            let shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
            (Lease { renewed: shared.lease.renewed + 1, ..shared.lease.clone() }, shared.version.clone())
        };
        let Ok(json) = serde_json::to_vec(&lease) else { return };
        let put = tokio::time::timeout(at_most, client.put(LOCK, &json, If::Version(version))).await;
        let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
        match put {
            Ok(Ok(Put::Done(version))) => {
                shared.lease = lease;
                shared.version = version;
                shared.renewed = begun;
                pause = every;
            }
            Ok(Ok(Put::Refused)) => {
                shared.lost = Some("another run has taken it over".into());
                return;
            }
            Ok(Err(error)) => log::debug!("the lock of {} is not renewed: {error}", client.url),
            Err(_) => log::debug!("the lock of {} is not renewed: no answer", client.url),
        }
    }
}

impl Held for LeaseHeld {
    fn check(&self) -> Result<()> {
        let shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let lost = |why| Err(Error::LockLost { store: self.client.url.to_string(), why });
        if let Some(why) = &shared.lost {
            return lost(why.clone());
        }
        let since = now().saturating_sub(shared.renewed);
        if since >= Duration::from_secs(shared.lease.seconds) {
            return lost(format!("it was not renewed for {} s", since.as_secs()));
        }
        Ok(())
    }
}

impl Drop for LeaseHeld {
    fn drop(&mut self) {
        self.renewing.abort();
        let (lease, version) = {
            let shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
            if shared.lost.is_some() {
                return;
            }
            (
                Lease { held: false, renewed: shared.lease.renewed + 1, ..shared.lease.clone() },
                shared.version.clone(),
            )
        };
        match tidy(give_back(&self.client, &lease, version)) {
            Some(Ok(Put::Done(_))) => {}
            // Nobody waits for longer than the lease.
            other => log::debug!("the lock of {} is not given back: {other:?}", self.client.url),
        }
    }
}

/// Writes that the lease is held no more, over the version that we know, or over a renewal of ours whose answer never came.
async fn give_back(client: &Client, lease: &Lease, version: UpdateVersion) -> Result<Put> {
    let json = serde_json::to_vec(lease)?;
    let put = client.put(LOCK, &json, If::Version(version)).await?;
    if let Put::Refused = put
        && let Some(found) = client.get(LOCK, LARGEST).await?
        && serde_json::from_slice::<Lease>(&found.bytes).is_ok_and(|there| there.id == lease.id)
    {
        return client.put(LOCK, &json, If::Version(version_of(&found.meta))).await;
    }
    Ok(put)
}

/// Where this process runs, for people.
fn holder() -> String {
    let host = rustix::system::uname();
    let host = host.nodename().to_string_lossy().into_owned();
    format!("process {} on {host}", std::process::id())
}

/// Time since the machine was started, the time that it slept included.
fn now() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or_default())
}
