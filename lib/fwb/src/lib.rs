//! Dump, prove, keep and restore one MariaDB or MySQL database: the domain of the fwb tools.
//!
//! Nothing here knows a command line: operations take domain types, `Read`, `Write` and a [`Context`], and return
//! values or an [`Error`] that knows its class. The contracts are in `docs/FORMAT.md` (artifact and manifest) and
//! `docs/ARCHITECTURE.md` (who calls whom).

mod artifact;
mod error;
mod manifest;
mod process;
mod progress;
mod scan;
mod server;

pub use error::{Error, ErrorClass, Result};
pub use manifest::{
    Action, Binlog, Client, Decision, Kind, Level, Manifest, ManifestError, Object, ObjectKind, SCHEMA, Section,
    SectionKind, Server, Timestamp, Verification, now,
};
pub use progress::{Cancel, Context, Progress};
pub use server::{Password, ServerOptions};
