//! Hostile input: written next.
