//! The tools as their users meet them: real programs, a real server, real files. One module a tool, one for
//! what they do together, one for each promise that goes through all of them.
//!
//! Nothing is skipped: where the private server cannot be started, the tests fail with the reason.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

mod accounts;
mod charsets;
mod chosen;
mod cli;
mod codec;
mod compatibility;
mod compressed;
mod content;
mod corpus;
mod damage;
mod drill;
mod dump;
mod encryption;
mod environment;
mod faults;
mod fleet;
mod follow;
mod format;
mod generated;
mod held;
mod hostile;
mod identity;
mod image;
mod json;
mod kubernetes;
mod login;
mod ls;
mod matrix;
mod moment;
mod monitoring;
mod monsters;
mod notices;
mod object_servers;
mod otherwise;
mod packages;
mod pages;
mod pipelines;
mod pod;
mod promises;
mod prune;
mod questions;
mod random;
mod ranges;
mod readme;
mod replication;
mod report;
mod restorable;
mod restore;
mod rights;
mod runbook;
mod runs;
mod scale;
mod scheduling;
mod scripts;
mod sealed;
mod secrets;
mod servers;
mod sessions;
mod settings;
mod snapshot;
mod stores;
mod swap;
mod table_identity;
mod terminal;
mod together;
mod torture;
mod translation;
mod verify;
mod versions;
mod whole;
