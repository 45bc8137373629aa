//! A thread that publishes what waits in a spool, so that nobody who commits waits for the store.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Scope, ScopedJoinHandle};
use std::time::Duration;

use super::delivery::{create_in_the_end, say, tidy};
use super::spool::Finished;
use crate::error::{Error, Result};
use crate::progress::Cancel;
use crate::store::Store;

/// Between two looks whether a signal has come.
const LOOK: Duration = Duration::from_millis(50);

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
    /// One has failed: none after it is done before what is in the spool was published in its order.
    halted: bool,
    /// Why, until that is told.
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
            if !state.halted
                && let Some(job) = state.jobs.pop_front()
            {
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
                    (state.halted, state.failed) = (true, Some(error));
                }
            }
        });
        Self { shared, thread }
    }

    /// Adds something to do. Whether what came before has failed is told by [`Outbox::check`].
    pub(super) fn add(&self, job: Job) {
        self.shared.state().jobs.push_back(job);
        self.shared.changed.notify_all();
    }

    /// Tells what has failed, once.
    ///
    /// # Errors
    /// Something has failed for good. It stays in the spool, and so does all that comes after it, until [`Outbox::wait`].
    pub(super) fn check(&self) -> Result<()> {
        self.shared.state().failed.take().map_or(Ok(()), Err)
    }

    /// Waits until all is done. After a failure that was told, the spool alone has what is left, and the thread begins again
    /// with what is added from now on.
    ///
    /// # Errors
    /// Something has failed for good, or a signal arrived.
    pub(super) fn wait(&self, cancel: &Cancel) -> Result<()> {
        let mut state = self.shared.state();
        loop {
            if let Some(error) = state.failed.take() {
                return Err(error);
            }
            if state.halted {
                state.jobs.clear();
                state.halted = false;
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
            create_in_the_end(store, name, &file, cancel)?;
            finished.remove(name)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::binlog::spool::Spool;
    use crate::identity::ServerIdentity;

    /// The store gets nothing that comes after what has failed, and the failure is told to whoever asks, not to a word.
    #[test]
    fn a_failure_is_told_and_holds_back_what_comes_after_it() {
        let (root, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let spool = Spool::open(root.path(), "store", &ServerIdentity::default(), true).unwrap().unwrap();
        let store = Store::open_directory(dir.path()).unwrap();
        let cancel = Cancel::default();
        let word = |text: &str| Job::Word("x-log-1a2b3c4d.follow.json".into(), text.into());
        let said =
            || walkdir::WalkDir::new(dir.path()).into_iter().flatten().filter(|at| at.path().is_file());
        std::thread::scope(|scope| {
            let outbox = Outbox::start(scope, &store, spool.finished().clone(), &cancel);
            outbox.add(Job::Segment("20250725T170206000Z-shop-1a2b3c4d-0000000001-0000000001.fwblog".into()));
            outbox.add(word("after it"));
            let told = loop {
                if let Err(told) = outbox.check() {
                    break told;
                }
                std::thread::sleep(LOOK);
            };
            assert!(matches!(told, Error::Io { .. }), "{told}");
            outbox.add(word("still after it"));
            assert_eq!((outbox.check().is_ok(), said().count()), (true, 0), "told once");
            outbox.wait(&cancel).unwrap();
            assert_eq!(said().count(), 0, "the spool has what is left");
            outbox.add(word("anew"));
            outbox.wait(&cancel).unwrap();
            assert_eq!(said().count(), 1);
            outbox.end().unwrap();
        });
    }
}
