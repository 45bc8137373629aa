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

    /// Adds a copy of a backup, as it would be had it been made so many hours ago; returns its name. The
    /// artifact's own footer still has the former date.
    pub(crate) fn aged(&self, manifest: &Value, hours: i64) -> String {
        let at = chrono::Local::now() - chrono::TimeDelta::hours(hours);
        let mut older = self.read_sidecar(manifest);
        let stem = name(manifest).split("_backup_").next().unwrap();
        let name = format!("{stem}_backup_{}.sql.gz", at.format("%Y%m%d_%H%M%S"));
        older["name"] = name.clone().into();
        older["started_at"] = at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true).into();
        fs::copy(self.artifact(manifest), self.file(&name)).expect("a copy");
        self.write(&format!("{name}.json"), older.to_string());
        name
    }

    /// Changes a field of a backup's sidecar.
    pub(crate) fn edit(&self, name: &str, field: &str, value: Value) {
        let path = self.file(&format!("{name}.json"));
        let mut sidecar: Value = serde_json::from_slice(&fs::read(&path).expect("a sidecar")).expect("JSON");
        sidecar[field] = value;
        fs::write(path, sidecar.to_string()).expect("a sidecar");
    }

    /// Whether an artifact and its sidecar are both there; they come and go together.
    #[track_caller]
    pub(crate) fn holds(&self, name: &str) -> bool {
        let there = self.file(name).exists();
        assert_eq!(self.file(&format!("{name}.json")).exists(), there, "{name} and its sidecar");
        there
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
        let mut names: Vec<String> = names.filter(|name| name != ".lock" && name != "runs").collect();
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
