//! Threads, which the operating system may refuse (a limit on processes, no memory): that is an error to clean up after,
//! as any other, where std's own functions panic.

use std::thread::{Builder, JoinHandle, Scope, ScopedJoinHandle};

use crate::error::{Error, Result};

fn refused(source: std::io::Error) -> Error {
    Error::Stream { action: "start a thread", source }
}

/// Starts a thread.
///
/// # Errors
/// The operating system refuses it.
pub(crate) fn start<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<JoinHandle<T>> {
    Builder::new().spawn(work).map_err(refused)
}

/// Starts a thread that ends with the scope.
///
/// # Errors
/// The operating system refuses it.
pub(crate) fn start_in<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    work: impl FnOnce() -> T + Send + 'scope,
) -> Result<ScopedJoinHandle<'scope, T>> {
    Builder::new().spawn_scoped(scope, work).map_err(refused)
}
