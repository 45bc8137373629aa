//! What a running operation tells whoever watches it, and how it learns that it should stop. Both are shared
//! between threads and cost an atomic operation each; drawing a bar or catching signals is the caller's business.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::server::Stopper;

/// How long what puts things in order may go on after a signal.
const GRACE: Duration = Duration::from_secs(10);
/// Between two looks whether there was one.
const PAUSE: Duration = Duration::from_millis(50);

/// Counts of a running operation.
#[derive(Debug, Clone, Default)]
pub struct Progress(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    bytes: AtomicU64,
    total: AtomicU64,
    doing: Mutex<String>,
    is_endless: AtomicBool,
}

impl Progress {
    /// Starts a phase: `doing` says what, `total` how many bytes it will take (0: unknown).
    pub fn begin(&self, doing: impl Into<String>, total: u64) {
        self.0.bytes.store(0, Ordering::Relaxed);
        self.0.total.store(total, Ordering::Relaxed);
        self.focus(doing);
    }

    /// Names what is being worked on now: a table, a phase.
    pub fn focus(&self, doing: impl Into<String>) {
        *self.0.doing.lock().unwrap_or_else(PoisonError::into_inner) = doing.into();
    }

    /// Says that the work has no end, as a service's has not: nobody waits for it.
    pub fn never_ends(&self) {
        self.0.is_endless.store(true, Ordering::Relaxed);
    }

    /// Whether the work has no end.
    pub fn is_endless(&self) -> bool {
        self.0.is_endless.load(Ordering::Relaxed)
    }

    /// Adds bytes that are done.
    pub fn advance(&self, bytes: u64) {
        self.0.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Bytes done and bytes in all (0: unknown), and what is being worked on.
    pub fn read(&self) -> (u64, u64, String) {
        let doing = self.0.doing.lock().unwrap_or_else(PoisonError::into_inner).clone();
        (self.0.bytes.load(Ordering::Relaxed), self.0.total.load(Ordering::Relaxed), doing)
    }
}

/// A request to stop, raised by a signal and seen by every thread.
#[derive(Debug, Clone, Default)]
pub struct Cancel {
    signal: Arc<AtomicI32>,
    since: Arc<OnceLock<Instant>>,
    stops: Stops,
}

/// What else ends with the request, by the number of its registration.
#[derive(Clone, Default)]
struct Stops(Arc<Mutex<(u64, BTreeMap<u64, Stopper>)>>);

impl std::fmt::Debug for Stops {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Stops")
    }
}

/// That something ends with a request to stop; until this value is dropped.
#[derive(Debug)]
#[must_use]
pub struct StopsWith {
    stops: Stops,
    number: u64,
}

impl Drop for StopsWith {
    fn drop(&mut self) {
        self.stops.0.lock().unwrap_or_else(PoisonError::into_inner).1.remove(&self.number);
    }
}

impl Cancel {
    /// For what no signal may interrupt: nobody raises it.
    pub(crate) fn never() -> Self {
        Self::default()
    }

    /// Asks everything to stop because `signal` arrived, and ends what was registered by [`Cancel::stops`].
    pub fn raise(&self, signal: i32) {
        self.since.get_or_init(Instant::now);
        let _first_wins = self.signal.compare_exchange(0, signal, Ordering::SeqCst, Ordering::SeqCst);
        let stops = self.stops.0.lock().unwrap_or_else(PoisonError::into_inner).1.clone();
        for stop in stops.values() {
            stop();
        }
    }

    /// Calls `stop` when [`Cancel::raise`] is called, from another thread, until the returned value is dropped; at once
    /// where it has been called.
    pub fn stops(&self, stop: Stopper) -> StopsWith {
        let number = {
            let mut stops = self.stops.0.lock().unwrap_or_else(PoisonError::into_inner);
            let number = stops.0;
            stops.0 += 1;
            stops.1.insert(number, Arc::clone(&stop));
            number
        };
        if self.check().is_err() {
            stop();
        }
        StopsWith { stops: self.stops.clone(), number }
    }

    /// An error once [`Cancel::raise`] was called.
    pub fn check(&self) -> Result<()> {
        match self.signal.load(Ordering::SeqCst) {
            0 => Ok(()),
            signal => Err(Error::Interrupted(signal)),
        }
    }

    /// The error that a failure really is: an interruption, where one was asked for, else `error`.
    pub fn explain(&self, error: Error) -> Error {
        self.check().err().unwrap_or(error)
    }

    /// For what puts things in order, which a signal does not stop at once. Some seconds after one it is given up all
    /// the same: a server that hangs answers nobody, and the next run puts in order what is left.
    pub(crate) fn with_grace(&self) -> Self {
        let graceful = Self::default();
        let (asked, waits) = (self.clone(), Arc::downgrade(&graceful.signal));
        let (since, stops) = (Arc::clone(&graceful.since), graceful.stops.clone());
        let watch = move || {
            while let Some(signal) = waits.upgrade() {
                if asked.since.get().is_some_and(|since| since.elapsed() > GRACE) {
                    return Self { signal, since, stops }.raise(asked.signal.load(Ordering::SeqCst));
                }
                drop(signal);
                std::thread::sleep(PAUSE);
            }
        };
        // Putting in order goes on without it.
        if let Err(error) = crate::thread::start(watch) {
            log::debug!("a second signal is not waited for: {error}");
        }
        graceful
    }
}

/// What every operation is handed: how wide to work, whom to tell, when to stop.
#[derive(Debug, Clone)]
pub struct Context {
    /// Threads, or connections, to work on.
    pub jobs: usize,
    /// Where counts go.
    pub progress: Progress,
    /// Whether to stop.
    pub cancel: Cancel,
}

/// Seconds since then, to the millisecond: as reports and outcomes give them.
pub(crate) fn seconds_since(begun: std::time::Instant) -> f64 {
    (begun.elapsed().as_secs_f64() * 1000.0).round() / 1000.0
}
