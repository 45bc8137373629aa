//! Keeps the record of a run in its store while the run is under way: a thread of its own writes it when the run begins, gives
//! signs of life in it, and writes it for good at the end. A store that does not answer holds nothing up for long.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use super::process::{RunProcess, SIGN_OF_LIFE};
use super::record::RunRecord;
use crate::error::{Error, Result};
use crate::manifest::now;
use crate::progress::Cancel;
use crate::store::{Location, ObjectStores, Store};

/// How many records a store keeps: those of ten years of a night and a week.
const KEPT: usize = 10_000;
/// How long a run waits for its first record: one that is killed at its first step has one then, where the store answers.
const BEGINNING: Duration = Duration::from_secs(5);
/// How long the store may take for the last word of a run.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often the last word is tried again while another run writes the same record, and the wait between.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(100);
/// The signal by which requests are told to end that nobody waits for any more.
const GIVEN_UP: i32 = 15;

/// Keeps the record of one run.
#[derive(Debug)]
pub struct RunKeeper {
    last: Sender<Box<RunRecord>>,
    written: Receiver<Result<()>>,
    cancel: Cancel,
    place: String,
}

impl RunKeeper {
    /// Writes the record of a run that begins, and keeps it alive. A signal to the process does not end that: the last word of
    /// a run that was ended is to be kept too. It comes back once the record is in the store, or after five seconds.
    ///
    /// # Errors
    /// The store is not there or cannot be used, or the operating system refuses a thread.
    pub fn begin(record: &RunRecord, location: &Location, stores: &dyn ObjectStores) -> Result<Self> {
        let cancel = Cancel::default();
        let store = Store::open(location, stores, &cancel)?;
        let (last, ended) = channel();
        let (sender, written) = channel();
        let (first, begun) = channel();
        let (record, place) = (record.clone(), store.place());
        let keep = move || sender.send(keep(&store, record, first, &ended)).unwrap_or_default();
        crate::thread::start(keep)?;
        if begun.recv_timeout(BEGINNING) == Err(RecvTimeoutError::Timeout) {
            log::debug!("the record of this run is not in the store yet");
        }
        Ok(Self { last, written, cancel, place })
    }

    /// Writes the record for good.
    ///
    /// # Errors
    /// It cannot be written, or the store does not answer in time.
    pub fn finish(self, record: RunRecord) -> Result<()> {
        let silent = || Error::Io {
            action: "write the record of this run to",
            path: self.place.clone().into(),
            source: std::io::ErrorKind::TimedOut.into(),
        };
        self.last.send(Box::new(record)).map_err(|_| silent())?;
        let written = self.written.recv_timeout(PATIENCE);
        self.cancel.raise(GIVEN_UP);
        written.unwrap_or_else(|_| Err(silent()))
    }
}

/// Writes the record until the run ends; `first` closes once that was tried. That it could not be written is told of the last
/// time alone.
fn keep(
    store: &Store,
    mut record: RunRecord,
    first: Sender<()>,
    ended: &Receiver<Box<RunRecord>>,
) -> Result<()> {
    let mut give_sign = || {
        record.process = Some(RunProcess { seen_at: now(), ..RunProcess::this() });
        if let Err(error) = store.write_run(&record) {
            log::debug!("the record of this run is not written: {error}");
        }
    };
    give_sign();
    drop(first);
    loop {
        match ended.recv_timeout(Duration::from_secs(SIGN_OF_LIFE)) {
            Ok(last) => {
                write_last(store, &RunRecord { process: None, ..*last })?;
                if let Err(error) = store.prune_runs(KEPT) {
                    log::debug!("old records of runs stay: {error}");
                }
                return Ok(());
            }
            Err(RecvTimeoutError::Timeout) => give_sign(),
            // Whoever ran has ended without a last word; the record says so by its silence.
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
    }
}

/// Writes the last word. Another run that takes this one for lost may be writing the same record.
fn write_last(store: &Store, record: &RunRecord) -> Result<()> {
    for _ in 0..TRIES {
        match store.write_run(record) {
            Err(Error::Locked { .. }) => std::thread::sleep(PAUSE),
            done => return done,
        }
    }
    store.write_run(record)
}
