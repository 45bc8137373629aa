//! Encryption in the format of age (<https://age-encryption.org/v1>): artifacts are written to recipients, who are public
//! keys of age or ssh, and read by identities, the keys to those. Implements [`fwb::Recipients`] and [`fwb::Identities`].

#![forbid(unsafe_code)]

mod callbacks;
mod identities;
mod key;
mod reader;
mod recipients;

pub use recipients::Age;
