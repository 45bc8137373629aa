//! How what a follower has comes into the store, and which failures are waited out.

use std::time::Duration;

use super::compaction::compact;
use crate::error::{Error, ErrorClass, Result};
use crate::progress::Cancel;
use crate::store::{Folder, Listed, Store};

/// The first pause before another attempt, and the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
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
        let pause = self.0;
        self.0 = (self.0 * 2).min(LONGEST_PAUSE);
        cancel.sleep(pause)
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

/// As [`create`], however often it must be tried.
///
/// # Errors
/// What does not pass by itself, or a signal arrived.
pub(super) fn create_in_the_end(store: &Store, name: &str, file: &[u8], cancel: &Cancel) -> Result<()> {
    let mut pauses = Pauses::default();
    while let Err(error) = create(store, name, file) {
        if !is_passing(&error) {
            return Err(error);
        }
        pauses.tell(&error);
        pauses.wait(cancel)?;
    }
    Ok(())
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
