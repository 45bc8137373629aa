//! Backups in object stores: S3 and its kin, Azure, Google. Implements the port of `fwb` to what keeps a store's files.
//!
//! Everything lies under the store's prefix. Artifacts and sidecars have their names; what keeps order among writers lies under
//! `.fwb/`:
//!
//! | object | what it is |
//! |---|---|
//! | `.fwb/lock` | the lease of whoever writes: taken and renewed by its `ETag` alone, judged by the store's clock alone |
//! | `.fwb/names/STEM` | a name that was taken, put with `If-None-Match: *` before the upload begins |
//! | `.fwb/deleted/NAME` | that a backup was deleted; its objects go by a later run, when whoever read it has ended |
//! | `.fwb/clock` | written to learn the time that the store has |
//!
//! No two writers publish under one name: whoever takes the lease over aborts the uploads of whoever had it, and a name that was
//! taken stays taken for a day.

#![forbid(unsafe_code)]

mod ahead;
mod backend;
mod cache;
mod client;
mod config;
mod environment;
mod errors;
mod http;
mod lease;
mod listing;
mod names;
mod own_requests;
mod parts;
mod profile;
mod upload;

pub use config::{ObjectStores, Settings, TargetStores};
