//! Waiting for a server that restarts.

use std::io::ErrorKind;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use fwb::{Cancel, SessionError};

/// Why there is no connection, and whether there may be one soon.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) error: SessionError,
    pub(crate) may_pass: bool,
}

impl From<SessionError> for Refusal {
    fn from(error: SessionError) -> Self {
        Self { may_pass: may_pass(&error), error }
    }
}

/// "Server shutdown in progress".
const SHUTDOWN: u16 = 1053;

/// Whether a server that restarts would say that, or nothing at all.
fn may_pass(error: &SessionError) -> bool {
    match error {
        SessionError::Unreachable { source, .. } => matches!(
            source.kind(),
            ErrorKind::ConnectionRefused
                | ErrorKind::ConnectionReset
                | ErrorKind::NotFound
                | ErrorKind::TimedOut
                | ErrorKind::UnexpectedEof
                | ErrorKind::HostUnreachable
                | ErrorKind::NetworkUnreachable
        ),
        SessionError::Server(error) => error.number == SHUTDOWN,
        // So kubectl calls a container that starts, and a pod that was replaced since it was found.
        SessionError::Cut { problem, .. } => ["container not found", "(NotFound)", "is not running"]
            .iter()
            .any(|words| problem.contains(words)),
        _ => false,
    }
}

/// A server's absence.
#[derive(Debug)]
pub(crate) struct Outage {
    /// How long it is waited for.
    wait: Duration,
    /// Since when it is away.
    since: Mutex<Option<Instant>>,
}

/// The first pause between two attempts, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Between two looks whether a signal has come.
const LOOK: Duration = Duration::from_millis(50);

impl Outage {
    pub(crate) fn new(wait: Duration) -> Self {
        Self { wait, since: Mutex::new(None) }
    }

    /// Tries until it succeeds, fails for good, or the time is over. An outage that was waited out is not waited for again
    /// before the server was there.
    ///
    /// # Errors
    /// The last one.
    pub(crate) fn over<T>(
        &self,
        cancel: &Cancel,
        mut attempt: impl FnMut() -> Result<T, Refusal>,
    ) -> Result<T, SessionError> {
        let mut pause = FIRST_PAUSE;
        let mut has_warned = false;
        loop {
            let refusal = match attempt() {
                Ok(done) => {
                    *self.since() = None;
                    return Ok(done);
                }
                Err(refusal) => refusal,
            };
            let away = self.since().get_or_insert_with(Instant::now).elapsed();
            if !refusal.may_pass || away + pause > self.wait {
                return Err(refusal.error);
            }
            if !has_warned {
                let why = refusal.error.doing("connecting");
                log::warn!(code = fwb::notice::WAITS.code; "{why}; waiting for the server, for {} s at most", self.wait.saturating_sub(away).as_secs());
                has_warned = true;
            }
            let until = Instant::now() + pause;
            while Instant::now() < until {
                cancel.check().map_err(|error| SessionError::Taker(Box::new(error)))?;
                std::thread::sleep(LOOK);
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn since(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.since.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn away() -> SessionError {
        SessionError::Unreachable { place: "x".into(), source: ErrorKind::ConnectionRefused.into() }
    }

    #[test]
    fn a_server_that_comes_back_was_waited_for() {
        let outage = Outage::new(Duration::from_secs(60));
        let mut attempts = 0;
        let done = outage.over(&Cancel::default(), || {
            attempts += 1;
            if attempts < 3 { Err(away().into()) } else { Ok(attempts) }
        });
        assert_eq!(done.ok(), Some(3));
        assert!(outage.since().is_none());
    }

    #[test]
    fn an_outage_is_waited_out_once() {
        let outage = Outage::new(FIRST_PAUSE);
        let begun = Instant::now();
        for _ in 0..5 {
            assert!(outage.over(&Cancel::default(), || Err::<(), _>(away().into())).is_err());
        }
        assert!(begun.elapsed() < FIRST_PAUSE * 3);
    }

    #[test]
    fn nobody_waits_for_what_stays_as_it_is() {
        let outage = Outage::new(Duration::from_secs(60));
        let refused = || SessionError::Refused { problem: String::new(), remedy: String::new() };
        let cut = || SessionError::Cut { place: String::new(), problem: "Forbidden".into() };
        for error in [refused(), cut()] {
            let mut error = Some(error);
            assert!(outage.over(&Cancel::default(), || Err::<(), _>(error.take().unwrap().into())).is_err());
        }
        let cancel = Cancel::default();
        cancel.raise(15);
        assert!(matches!(outage.over(&cancel, || Err::<(), _>(away().into())), Err(SessionError::Taker(_))));
    }
}
