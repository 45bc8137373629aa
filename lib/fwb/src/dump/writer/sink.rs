//! Where the SQL of a dump goes.

use crate::error::Result;

/// Takes SQL as it is written.
pub(crate) trait Sink {
    /// What is written and not handed on yet. A writer only appends.
    fn sql(&mut self) -> &mut Vec<u8>;

    /// Hands on what is written, once there is enough of it. Called often: after each row and each statement, and at the
    /// latest after [`MOST_AT_ONCE`] bytes.
    ///
    /// # Errors
    /// Whoever takes it fails, or a signal arrived.
    fn pass(&mut self) -> Result<()>;
}

/// How much is written before [`Sink::pass`] is called, in bytes: what a value of any size takes of memory.
pub(super) const MOST_AT_ONCE: usize = 256 << 10;

/// Keeps everything.
#[cfg(test)]
impl Sink for Vec<u8> {
    fn sql(&mut self) -> &mut Vec<u8> {
        self
    }

    fn pass(&mut self) -> Result<()> {
        Ok(())
    }
}
