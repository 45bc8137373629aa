//! How segments come into the store: at once, or by a thread that publishes what waits in a spool, so that nobody who commits
//! waits for the store.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Scope, ScopedJoinHandle};
use std::time::{Duration, Instant};

use super::compaction::{compact, joined};
use super::segment::{Segment, WithPayload};
use super::spool::{Finished, Spool};
use crate::error::{Error, ErrorClass, Result};
use crate::manifest::now_to_the_millisecond;
use crate::progress::Cancel;
use crate::store::{Folder, Listed, Store};

/// The first pause before another attempt, and the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Between two looks whether a signal has come.
const LOOK: Duration = Duration::from_millis(50);
/// "Got fatal error from master when reading data from binary log".
const NO_SUCH_PLACE: u16 = 1236;

/// Pauses between attempts, each twice as long as the one before.
#[derive(Debug)]
pub(super) struct Pauses(Duration);

impl Default for Pauses {
    fn default() -> Self {
        Self(FIRST_PAUSE)
    }
}

impl Pauses {
    /// Says that something failed, and how long it takes until it is tried again.
    pub(super) fn tell(&self, error: &Error) {
        log::warn!(code = crate::notice::TRIES_AGAIN.code; "{error}; it is tried again in {} s", self.0.as_secs());
    }

    /// Waits.
    ///
    /// # Errors
    /// A signal arrived.
    pub(super) fn wait(&mut self, cancel: &Cancel) -> Result<()> {
        let until = Instant::now() + self.0;
        self.0 = (self.0 * 2).min(LONGEST_PAUSE);
        while Instant::now() < until {
            cancel.check()?;
            std::thread::sleep(LOOK);
        }
        cancel.check()
    }
}

/// Writes a segment's file, which must be new: another follower may be at work.
///
/// # Errors
/// [`Error::Followed`] where another one has written it; the store does not take it.
pub(super) fn create(store: &Store, name: &str, file: &[u8]) -> Result<()> {
    let backend = store.backend();
    if backend.create_in(Folder::Log, name, file)? {
        return Ok(());
    }
    // An answer may have been lost.
    let listed = Listed { name: name.into(), size: None, version: None };
    let there = backend.read_in(Folder::Log, &[listed], file.len() as u64 + 1)?.into_iter().next();
    if there.transpose()?.flatten().is_some_and(|there| there == file) {
        return Ok(());
    }
    Err(Error::Followed { store: store.place(), segment: name.into() })
}

/// Puts small segments of a chain together. What fails is tried again later: the chain is whole either way.
pub(super) fn tidy(store: &Store, chain: &str, cancel: &Cancel) {
    let compacted = store.chains(cancel).and_then(|chains| {
        let chain = chains.chains.iter().find(|known| known.id == chain);
        chain.map_or(Ok(0), |chain| compact(store, chain, cancel))
    });
    match compacted {
        Ok(fewer) => log::debug!("{fewer} files of the log fewer"),
        Err(error) => log::debug!("small segments stay as they are: {error}"),
    }
}

/// Writes what a follower says of itself. That it cannot be said is told by the next segment.
pub(super) fn say(store: &Store, name: &str, word: &[u8]) {
    if let Err(error) = store.backend().write_in(Folder::Log, name, word) {
        log::debug!("the follower's word is not written: {error}");
    }
}

/// Something that the store is to have, in its turn.
#[derive(Debug)]
pub(super) enum Job {
    /// A finished segment of the spool.
    Segment(String),
    /// What the follower says of itself: the name of the object, and what it holds.
    Word(String, Vec<u8>),
    /// Small segments of this chain are put together.
    Tidy(String),
}

/// A thread that publishes what waits in a spool, one after the other.
#[derive(Debug)]
pub(super) struct Outbox<'scope> {
    shared: Arc<Shared>,
    thread: ScopedJoinHandle<'scope, ()>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    jobs: VecDeque<Job>,
    /// One is being done.
    busy: bool,
    /// No more will come.
    closed: bool,
    /// What ended it.
    failed: Option<Error>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next one to do; none where no more will come.
    fn next(&self) -> Option<Job> {
        let mut state = self.state();
        state.busy = false;
        self.changed.notify_all();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                state.busy = true;
                return Some(job);
            }
            if state.closed {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl<'scope> Outbox<'scope> {
    /// Starts it.
    pub(super) fn start(
        scope: &'scope Scope<'scope, '_>,
        store: &'scope Store,
        finished: Finished,
        cancel: &'scope Cancel,
    ) -> Self {
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let thread = scope.spawn(move || {
            while let Some(job) = theirs.next() {
                if let Err(error) = deliver(store, &finished, &job, cancel) {
                    let mut state = theirs.state();
                    (state.busy, state.failed) = (false, Some(error));
                    theirs.changed.notify_all();
                    return;
                }
            }
        });
        Self { shared, thread }
    }

    /// Adds something to do.
    ///
    /// # Errors
    /// What came before has failed for good.
    pub(super) fn add(&self, job: Job) -> Result<()> {
        let mut state = self.shared.state();
        if let Some(error) = state.failed.take() {
            return Err(error);
        }
        state.jobs.push_back(job);
        self.shared.changed.notify_all();
        Ok(())
    }

    /// Waits until all is done.
    ///
    /// # Errors
    /// Something has failed for good, or a signal arrived.
    pub(super) fn wait(&self, cancel: &Cancel) -> Result<()> {
        let mut state = self.shared.state();
        loop {
            if let Some(error) = state.failed.take() {
                return Err(error);
            }
            if state.jobs.is_empty() && !state.busy {
                return Ok(());
            }
            cancel.check()?;
            let waited = self.shared.changed.wait_timeout(state, LOOK);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Lets it do what it has, and ends it. After a signal, what fails is not tried again: it stays in the spool.
    ///
    /// # Errors
    /// Something has failed.
    pub(super) fn end(self) -> Result<()> {
        self.shared.state().closed = true;
        self.shared.changed.notify_all();
        let ended = self.thread.join();
        let failed = self.shared.state().failed.take();
        debug_assert!(ended.is_ok());
        failed.map_or(Ok(()), Err)
    }
}

/// Does one, however often it must be tried.
fn deliver(store: &Store, finished: &Finished, job: &Job, cancel: &Cancel) -> Result<()> {
    match job {
        Job::Word(name, word) => say(store, name, word),
        Job::Tidy(chain) => tidy(store, chain, cancel),
        Job::Segment(name) => {
            let file = finished.read(name)?;
            let mut pauses = Pauses::default();
            while let Err(error) = create(store, name, &file) {
                if !is_passing(&error) {
                    return Err(error);
                }
                pauses.tell(&error);
                if pauses.wait(cancel).is_err() {
                    return Err(error);
                }
            }
            finished.remove(name)?;
        }
    }
    Ok(())
}

/// Publishes what an earlier follower has left in the spool. Returns how many segments. What does not go on with the store's
/// chain, and is not in it either, is kept aside: another follower has gone on elsewhere.
///
/// # Errors
/// The store or the disk does not let us; what is not published stays.
pub(super) fn publish_left(store: &Store, spool: &mut Spool, cancel: &Cancel) -> Result<usize> {
    let finished = spool.finished().clone();
    let names = finished.names()?;
    let (tail, cut_off) = spool.tail()?;
    if cut_off > 0 {
        log::warn!(code = crate::notice::SPOOL.code;
            "{cut_off} bytes at the end of {} are no whole segment, and nobody was told that they are safe",
            finished.path().display()
        );
    }
    if names.is_empty() && tail.is_empty() {
        spool.clear_tail()?;
        return Ok(0);
    }
    let chains = store.chains(cancel)?.chains;
    let mut ends: Ends =
        chains.iter().filter_map(|chain| Some((chain.id.clone(), chain.last()?.clone()))).collect();
    let mut published = 0;
    for name in names {
        cancel.check()?;
        let file = finished.read(&name)?;
        let (segment, _) = Segment::decode(&name, &file)?;
        match standing(&ends, &segment) {
            Standing::Follows => {
                create(store, &name, &file)?;
                ends.insert(segment.chain.clone(), segment);
                published += 1;
            }
            Standing::Covered => {}
            Standing::Unfit => {
                tell_unfit(&segment, &finished.put_aside(&name)?);
                continue;
            }
        }
        finished.remove(&name)?;
    }
    let follows = |(segment, _): &WithPayload| matches!(standing(&ends, segment), Standing::Follows);
    if let Some(begin) = tail.iter().position(follows) {
        for (mut segment, payload) in joined(tail.into_iter().skip(begin).collect())? {
            cancel.check()?;
            let file = segment.encode(&payload)?;
            create(store, &segment.name(), &file)?;
            published += 1;
        }
    } else if let Some((last, _)) = tail.last()
        && matches!(standing(&ends, last), Standing::Unfit)
    {
        let at = now_to_the_millisecond().format("%Y%m%dT%H%M%S%3f").to_string();
        tell_unfit(last, &spool.keep_tail(&at)?);
    }
    spool.clear_tail()?;
    Ok(published)
}

/// The last segment of each chain of a store.
type Ends = BTreeMap<String, Segment>;

/// How a segment of the spool stands to the store's chain.
enum Standing {
    /// It is the next.
    Follows,
    /// The chain has all of the log up to its end.
    Covered,
    /// Neither.
    Unfit,
}

fn standing(ends: &Ends, segment: &Segment) -> Standing {
    let Some(end) = ends.get(&segment.chain) else {
        return if segment.first == 1 { Standing::Follows } else { Standing::Unfit };
    };
    let is_past = end.file == segment.file && end.end >= segment.end || end.file > segment.file;
    if segment.previous.as_ref() == Some(&end.hash) {
        Standing::Follows
    } else if end.hash == segment.hash || end.source == segment.source && is_past {
        Standing::Covered
    } else {
        Standing::Unfit
    }
}

fn tell_unfit(segment: &Segment, aside: &Path) {
    log::warn!(code = crate::notice::SPOOL.code;
        "the store's chain {} does not end where what waited here begins, {}:{}: that is kept in {}",
        segment.chain, segment.file, segment.start, aside.display()
    );
}

/// Whether a failure may be over soon.
pub(super) fn is_passing(error: &Error) -> bool {
    match error {
        Error::Unreachable { .. }
        | Error::Lost { .. }
        | Error::Channel { .. }
        | Error::NoPod { .. }
        | Error::Io { .. }
        | Error::Stream { .. }
        | Error::Locked { .. } => true,
        // What is refused for credentials or a bucket that is none stays refused.
        Error::ObjectStore { .. } => error.class() != ErrorClass::Usage,
        Error::Server { .. } => {
            is_no_such_place(error)
                || is_rival(error)
                || crate::run::is_worth_a_retry(1, Some(error.code().code), None, error.number())
        }
        Error::GaveUp { cause, .. } => is_passing(cause),
        _ => false,
    }
}

/// Whether the server cannot send its log from the place that it was asked for.
pub(super) fn is_no_such_place(error: &Error) -> bool {
    error.number() == Some(NO_SUCH_PLACE) && !is_rival(error)
}

/// Whether the server has ended us for another replica that has our number.
fn is_rival(error: &Error) -> bool {
    error.number() == Some(NO_SUCH_PLACE)
        && error.server_error().is_some_and(|said| said.message.contains("same server"))
}
