//! Why a child did not do what it was started for.

use std::io;

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a child did not do what it was started for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A program that cannot be started.
    #[error("cannot run {program}: {source}")]
    Spawn {
        /// The program's name.
        program: String,
        /// The operating system's answer.
        source: io::Error,
    },
    /// A program ended with a failure.
    #[error("{program} failed while {doing}: {reason}")]
    Failed {
        /// The program's name.
        program: String,
        /// What it was doing, as a participle clause.
        doing: String,
        /// Its own error lines, or its exit status.
        reason: String,
    },
    /// A pipe, or a thread beside it.
    #[error("cannot {action}: {source}")]
    Stream {
        /// What was tried.
        action: &'static str,
        /// The operating system's answer.
        source: io::Error,
    },
    /// A signal of this number asked us to stop.
    #[error("a signal asked to stop")]
    Interrupted(i32),
}
