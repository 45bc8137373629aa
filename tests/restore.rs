//! Restoring: written next.
