//! The MySQL/MariaDB client/server protocol: connections to a server over a unix socket, TCP or TLS, here or in a pod.
//!
//! Written after MariaDB's manual ("Client/Server Protocol") and MySQL's ("MySQL Source Code Documentation, Client/Server
//! Protocol"). It is a crate of its own because the domain knows only the port that it implements: [`fwb::DatabaseServer`]
//! and [`fwb::Session`].
//!
//! A server may be hostile or broken: whatever it says about sizes is bounded, and it is never sent a local file.

mod auth;
mod compressed;
mod connect;
mod follow;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod handshake;
mod option_files;
mod outage;
mod packet;
mod pod;
mod session;
mod source;
mod target;
mod tls;
mod transport;
mod wire;

pub use target::Protocol;
