//! Faults: written next.
