//! What to restore, where, and how.

use std::sync::Arc;

use serde::Serialize;

use super::undo::KeepBefore;
use crate::artifact::Compression;
use crate::encryption::{Cipher, EncryptTo};
use crate::identity::ServerIdentity;
use crate::store::Wait;

/// How the backup takes the live database's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// Loaded into a shadow database and proved there; then the tables change places, and what was there is kept.
    Swap,
    /// Loaded over what is there.
    InPlace,
}

/// What is held against the backup once it is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestoreProof {
    /// The objects, and the number of rows.
    Rows,
    /// The rows' contents too: what was restored is dumped once more, to nowhere.
    Digest,
}

/// What to restore, and where.
#[derive(Debug, Clone)]
pub struct RestoreOptions {
    /// The backup's name in its store.
    pub name: String,
    /// The database to restore into; by default the manifest's.
    pub database: Option<String>,
    /// Which server is addressed.
    pub server: ServerIdentity,
    /// These tables, sequences or views alone; none: everything.
    pub tables: Vec<String>,
    /// Count rows in these tables alone when checking; none: in all.
    pub prove_tables: Vec<String>,
    /// What is held against the backup; none: rows are counted, and compared where the server is of another flavor than the
    /// backup's, or older.
    pub proof: Option<RestoreProof>,
    /// How; none: by swap, unless there is nothing to be hurt and swap is not to be had.
    pub strategy: Option<Strategy>,
    /// Live tables that are taken for damaged and never read: one that ends the server when it is.
    pub damaged: Vec<String>,
    /// Make tables as they were that reach outside of their database: read from another server, or keep their files in
    /// another directory.
    pub allow_outside: bool,
    /// Whether what is there is backed up first.
    pub safety_backup: bool,
    /// Which of the databases that swaps leave behind are kept afterwards, this one's included; none: all.
    pub keep_before: Option<KeepBefore>,
    /// To whom the safety backup is encrypted; none: to those to whom the backup is that is restored.
    pub encryption: Option<EncryptTo>,
    /// The format in which it is encrypted to those.
    pub cipher: Arc<dyn Cipher>,
    /// How to compress the safety backup.
    pub compression: Compression,
    /// Whether to wait for the store's lock, for the safety backup.
    pub wait: Wait,
    /// Whether views that need what is not on the server are left out without a word: whoever restores several databases makes them
    /// later.
    pub views_may_wait: bool,
}
