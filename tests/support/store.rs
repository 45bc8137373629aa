//! A store in a directory of its own, which goes when its test ends.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use super::{Database, Tool};

/// A store; empty at first.
pub(crate) struct Store {
    dir: TempDir,
}

impl Store {
    /// An empty one.
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::Builder::new().prefix("fwb-store-").tempdir().expect("a store") }
    }

    /// Its directory.
    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// A tool that works on it.
    pub(crate) fn tool(&self, name: &str) -> Tool {
        Tool::new(name).arg("--store").arg(self.path())
    }

    /// Dumps a database into it and returns the manifest.
    pub(crate) fn dump(&self, database: &Database) -> Value {
        self.tool("fwb-dump").arg("-B").arg(&database.name).run().ok().json()
    }

    /// As [`Store::dump`], and verified in full.
    pub(crate) fn dump_verified(&self, database: &Database) -> Value {
        let manifest = self.dump(database);
        self.tool("fwb-verify").arg(name(&manifest)).run().ok().json()
    }

    /// The path of a file in it.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// The path of a manifest's artifact.
    pub(crate) fn artifact(&self, manifest: &Value) -> PathBuf {
        self.file(name(manifest))
    }

    /// The path of a manifest's sidecar.
    pub(crate) fn sidecar(&self, manifest: &Value) -> PathBuf {
        self.file(&format!("{}.json", name(manifest)))
    }

    /// What a sidecar says.
    pub(crate) fn read_sidecar(&self, manifest: &Value) -> Value {
        serde_json::from_slice(&fs::read(self.sidecar(manifest)).expect("a sidecar")).expect("JSON")
    }

    /// The names of all files in it but the lock, hidden ones too, in order.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path()).expect("a store");
        let names = entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
        let mut names: Vec<String> = names.filter(|name| name != ".lock").collect();
        names.sort();
        names
    }

    /// Writes a file into it.
    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.file(name), bytes).expect("a file in the store");
    }

    /// Copies a file into it.
    pub(crate) fn take(&self, path: &Path) {
        fs::copy(path, self.path().join(path.file_name().unwrap())).expect("a copy");
    }
}

/// A manifest's artifact name.
pub(crate) fn name(manifest: &Value) -> &str {
    manifest["name"].as_str().expect("a name")
}
