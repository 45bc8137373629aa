//! What a running operation tells whoever watches it, and how it learns that it should stop. Both are shared
//! between threads and cost an atomic operation each; drawing a bar or catching signals is the caller's business.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicU64, Ordering};
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

#[derive(Debug)]
struct Counts {
    bytes: AtomicU64,
    total: AtomicU64,
    /// In thousandths of the phase; [`NO_ESTIMATE`]: nobody knows.
    estimate: AtomicU32,
    phase: Mutex<Phase>,
    is_endless: AtomicBool,
}

#[derive(Debug)]
struct Phase {
    doing: String,
    begun: Instant,
}

/// Stands for an estimate where there is none.
const NO_ESTIMATE: u32 = u32::MAX;
/// All of a phase, in thousandths.
const WHOLE: u32 = 1000;

impl Default for Counts {
    fn default() -> Self {
        Self {
            bytes: AtomicU64::new(0),
            total: AtomicU64::new(0),
            estimate: AtomicU32::new(NO_ESTIMATE),
            phase: Mutex::new(Phase { doing: String::new(), begun: Instant::now() }),
            is_endless: AtomicBool::new(false),
        }
    }
}

/// How far an operation is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HowFar {
    /// What is being worked on: a table, a phase.
    pub doing: String,
    /// Bytes done in this phase.
    pub bytes: u64,
    /// Bytes that the phase takes in all; none: unknown. It is never less than `bytes`: a total that was passed was
    /// none, because a compressed file's size says little of what is in it.
    pub total: Option<u64>,
    /// How much of the phase is done, in thousandths; none: nobody knows. Where there is no total, it is an estimate.
    pub thousandths: Option<u32>,
    /// How long the phase has taken.
    pub taken: Duration,
}

impl Progress {
    /// Starts a phase: `doing` says what, `total` how many bytes it will take (0: unknown).
    pub fn begin(&self, doing: impl Into<String>, total: u64) {
        let mut phase = self.0.phase.lock().unwrap_or_else(PoisonError::into_inner);
        self.0.bytes.store(0, Ordering::Relaxed);
        self.0.total.store(total, Ordering::Relaxed);
        self.0.estimate.store(NO_ESTIMATE, Ordering::Relaxed);
        *phase = Phase { doing: doing.into(), begun: Instant::now() };
    }

    /// Names what is being worked on now: a table, a phase.
    pub fn focus(&self, doing: impl Into<String>) {
        self.0.phase.lock().unwrap_or_else(PoisonError::into_inner).doing = doing.into();
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

    /// Says how much of the phase is done, in thousandths, where the bytes that it takes are not known; none: nobody knows
    /// any more.
    pub fn estimate(&self, thousandths: Option<u32>) {
        let thousandths = thousandths.map_or(NO_ESTIMATE, |thousandths| thousandths.min(WHOLE));
        self.0.estimate.store(thousandths, Ordering::Relaxed);
    }

    /// How far it is.
    pub fn read(&self) -> HowFar {
        let (doing, taken) = {
            let phase = self.0.phase.lock().unwrap_or_else(PoisonError::into_inner);
            (phase.doing.clone(), phase.begun.elapsed())
        };
        let (bytes, total) = (self.0.bytes.load(Ordering::Relaxed), self.0.total.load(Ordering::Relaxed));
        let total = Some(total).filter(|total| *total > 0 && bytes <= *total);
        let of_total = |total: u64| {
            let thousandths = u128::from(bytes) * u128::from(WHOLE) / u128::from(total);
            u32::try_from(thousandths).unwrap_or(WHOLE)
        };
        let estimate =
            Some(self.0.estimate.load(Ordering::Relaxed)).filter(|estimate| *estimate != NO_ESTIMATE);
        HowFar { doing, bytes, total, thousandths: total.map(of_total).or(estimate), taken }
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

    /// Waits so long, or until [`Cancel::raise`] was called.
    ///
    /// # Errors
    /// As [`Cancel::check`].
    pub(crate) fn sleep(&self, time: Duration) -> Result<()> {
        let begun = Instant::now();
        loop {
            self.check()?;
            match time.checked_sub(begun.elapsed()) {
                None | Some(Duration::ZERO) => return Ok(()),
                Some(left) => std::thread::sleep(left.min(PAUSE)),
            }
        }
    }

    /// The error that a failure really is: an interruption, where one was asked for, else `error`.
    pub fn explain(&self, error: Error) -> Error {
        self.check().err().unwrap_or(error)
    }

    /// For what puts things in order, which a signal does not stop at once. Some seconds after one it is given up all
    /// the same: a server that hangs answers nobody, and the next run puts in order what is left.
    #[must_use]
    pub fn with_grace(&self) -> Self {
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
pub fn seconds_since(begun: std::time::Instant) -> f64 {
    (begun.elapsed().as_secs_f64() * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_total_that_was_passed_is_none() {
        let progress = Progress::default();
        progress.begin("verifying old.sql.gz", 100);
        progress.advance(25);
        let far = progress.read();
        assert_eq!((far.total, far.thousandths), (Some(100), Some(250)));
        progress.advance(1433);
        let far = progress.read();
        assert_eq!((far.bytes, far.total, far.thousandths), (1458, None, None), "and not 1458 %");
    }

    #[test]
    fn an_estimate_ends_with_its_phase() {
        let progress = Progress::default();
        progress.begin("dumping shop", 0);
        progress.estimate(Some(700));
        assert_eq!(progress.read().thousandths, Some(700));
        progress.estimate(Some(7000));
        assert_eq!(progress.read().thousandths, Some(1000));
        progress.estimate(None);
        assert_eq!(progress.read().thousandths, None);
        progress.estimate(Some(700));
        progress.begin("verifying", 0);
        assert_eq!(progress.read().thousandths, None);
    }
}
