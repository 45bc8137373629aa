//! The binary log of MariaDB and MySQL as bytes: events, the groups that they make, and GTIDs.
//!
//! Written after MariaDB's manual ("Replication Protocol", with a page for each event) and MySQL's ("MySQL Source Code
//! Documentation, Replication Protocol, Binlog Event"). Nothing here reads a file or a socket: bytes come in, facts and bytes
//! come out. Whatever a log says about sizes is held against the bytes that are there.

mod columns;
mod event;
mod fields;
mod format;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod group;
mod gtid;
mod header;
mod omission;
mod query;
mod reader;
mod rows;
mod sieve;
mod splice;

pub use event::{Event, GtidEvent, Rotation, XaStep};
pub use fields::Malformed;
pub use format::{Checksum, FormatDescription, MAGIC};
pub use group::{Group, GroupKind, Groups, RowCounts, Statement, Step};
pub use gtid::{Gtid, GtidPosition};
pub use header::{EventHeader, EventKind, HEADER_SIZE};
pub use omission::Omission;
pub use query::Query;
pub use reader::{EventSum, Events, Read1, ReadError};
pub use rows::{Largest, Numbers};
pub use sieve::{Change, Sieve, Sifted};
pub use splice::Splice;
