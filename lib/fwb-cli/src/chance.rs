//! Chance, where nothing depends on nobody foreseeing it.

use std::hash::{BuildHasher, RandomState};

/// A random number from 0 to 1.
pub fn chance() -> f64 {
    // The hasher's key is drawn from the operating system's random numbers.
    let bits = RandomState::new().hash_one(0) >> 32;
    f64::from(u32::try_from(bits).unwrap_or_default()) / f64::from(u32::MAX)
}
