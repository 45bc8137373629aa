//! The client programs run inside the database's pod, through `kubectl exec`. That channel is not to be trusted: it is
//! known to end a stream early and still report success (kubernetes#124571), and what runs in the pod lives on when it
//! breaks. So a script beside the program counts and hashes both streams and tells, last, what it saw and how the
//! program ended; it watches the connection, and ends the program when that is gone.

mod choice;
mod ended;
mod exec;
mod kubectl;
mod proof;
mod stderr;
mod streams;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::error::{Error, Result};
use crate::progress::Cancel;

pub(crate) use ended::Ended;
pub(crate) use exec::{Exec, Header, Running};
use kubectl::Kubectl;
pub(crate) use streams::{Input, Output};

/// Which pod, and how it is reached.
#[derive(Debug, Clone)]
pub struct PodOptions {
    /// The pod.
    pub choice: PodChoice,
    /// Its namespace; by default that of kubectl's context, or of the pod that we run in ourselves.
    pub namespace: Option<String>,
    /// The container; by default the pod's default one (`kubectl.kubernetes.io/default-container`), or its first.
    pub container: Option<String>,
    /// The command and its first arguments, such as `microk8s kubectl`; by default what is installed.
    pub kubectl: Option<Vec<String>>,
    /// How often to try again what a broken connection has ended.
    pub retries: u32,
    /// How long a connection may be without any sign of life.
    pub silence: Duration,
}

/// Which pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PodChoice {
    /// The only one with these labels that is ready, as `kubectl -l` takes them.
    Selector(String),
    /// The one of this name.
    Name(String),
}

/// A pod that programs can be run in. It is looked up when it is first needed, and again after the connection broke:
/// it may have been replaced.
#[derive(Debug)]
pub(crate) struct Pod {
    options: PodOptions,
    kubectl: Kubectl,
    found: Mutex<Option<Found>>,
}

/// A pod as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Found {
    name: String,
    container: String,
}

impl Pod {
    /// Checks the options; nothing is contacted yet.
    ///
    /// # Errors
    /// A name that is none, or there is no kubectl.
    pub(crate) fn new(options: PodOptions) -> Result<Arc<Self>> {
        choice::check(&options)?;
        let kubectl = Kubectl::new(options.kubectl.as_deref())?;
        Ok(Arc::new(Self { options, kubectl, found: Mutex::new(None) }))
    }

    pub(crate) fn retries(&self) -> u32 {
        self.options.retries
    }

    /// The pod, as it was found before or is found now.
    fn find(&self, cancel: &Cancel) -> Result<Found> {
        let mut found = locked(&self.found);
        if let Some(found) = &*found {
            return Ok(found.clone());
        }
        let listed = self.kubectl.pods(&self.options, cancel)?;
        let chosen = choice::choose(&self.options, &listed)?;
        log::debug!("the pod is {}, its container {}", chosen.name, chosen.container);
        Ok(found.insert(chosen).clone())
    }

    /// The next use looks it up again.
    fn forget(&self) {
        *locked(&self.found) = None;
    }
}

/// Does something, and does it again, at most `retries` times, where a connection broke or no pod was ready. The pauses
/// grow from a second to half a minute.
///
/// # Errors
/// The last one, with the number of attempts.
pub(crate) fn retrying<T>(
    retries: u32,
    cancel: &Cancel,
    mut attempt: impl FnMut() -> Result<T>,
) -> Result<T> {
    let mut attempts = 1;
    loop {
        match attempt() {
            Err(error) if error.is_transient() && attempts <= retries => {
                let pause = Duration::from_secs(1 << (attempts - 1).min(5)).min(LONGEST_PAUSE);
                log::warn!("{error}; trying again in {} s", pause.as_secs());
                let until = std::time::Instant::now() + pause;
                while std::time::Instant::now() < until {
                    cancel.check()?;
                    std::thread::sleep(Duration::from_millis(50));
                }
                attempts += 1;
            }
            Err(error) if error.is_transient() && retries > 0 => {
                return Err(Error::GaveUp { attempts, cause: Box::new(error) });
            }
            done => return done,
        }
    }
}

const LONGEST_PAUSE: Duration = Duration::from_secs(30);

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
