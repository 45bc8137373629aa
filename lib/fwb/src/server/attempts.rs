//! What is tried again where a connection to a pod breaks.

use std::time::Duration;

use crate::error::{Error, Result};
use crate::progress::Cancel;

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
                log::warn!(code = crate::notice::TRIES_AGAIN.code; "{error}; trying again in {} s", pause.as_secs());
                cancel.sleep(pause)?;
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
