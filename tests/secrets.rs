//! Secrets: written next.
