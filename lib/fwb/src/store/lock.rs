//! One writer at a time.

use super::backend::Held;
use crate::error::Result;

/// Whether to wait for a lock that another run holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// Fail at once.
    No,
    /// Until it is free.
    Yes,
}

/// The store's lock; it is released when this is dropped, or when the process ends in whatever way.
#[derive(Debug)]
pub struct StoreLock {
    held: Box<dyn Held>,
}

impl StoreLock {
    /// A lock that was taken.
    pub fn new(held: Box<dyn Held>) -> Self {
        Self { held }
    }

    /// Whether it is still held, as it must be before anything is published or deleted.
    ///
    /// # Errors
    /// It was lost: somebody else may be at work.
    pub(crate) fn check(&self) -> Result<()> {
        self.held.check()
    }
}
