//! Many servers by one file: `--fleet`. What one server's run does to the others, and whether one report knows of all.

mod cost;
mod ends;
mod file;
mod servers;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Output, Tool};

/// A fleet file in a directory of its own, where stores, passwords and scripts lie beside it.
struct Place {
    dir: TempDir,
}

impl Place {
    fn new(fleet: &str) -> Self {
        let dir = tempfile::Builder::new().prefix("fwb-fleet-").tempdir().unwrap();
        let place = Self { dir };
        place.write("fleet", fleet);
        fs::create_dir(place.file("stores")).unwrap();
        place
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file; `HERE` in it is the directory.
    fn write(&self, name: &str, text: &str) {
        fs::write(self.file(name), text.replace("HERE", &self.dir.path().display().to_string())).unwrap();
    }

    /// A tool that is told of the fleet.
    fn tool(&self, name: &str) -> Tool {
        Tool::alone(name).arg("--fleet").arg(self.file("fleet")).env("FWB_RUN_DEADLINE", "0s")
    }

    /// What `fwb-run` does with it.
    fn run(&self, arguments: &[&str]) -> Output {
        self.tool("fwb-run").args(arguments).run()
    }

    /// The records of runs in a server's store that have ended.
    fn records(&self, server: &str) -> Vec<Value> {
        let dir = self.file("stores").join(server).join("runs");
        let files = fs::read_dir(dir).into_iter().flatten().flatten();
        files.map(|file| serde_json::from_slice(&fs::read(file.path()).unwrap()).unwrap()).collect()
    }
}

/// The summary, which is the last line.
#[track_caller]
fn summary(out: &Output) -> Value {
    let last = out.records().pop().expect("a record");
    assert_eq!(last["schema"], "fwb-fleet/1", "{last}");
    last
}

/// The servers whose runs failed.
fn failed(summary: &Value) -> Vec<&str> {
    let failures = summary["failures"].as_array().unwrap().iter();
    failures.map(|failure| failure["server"].as_str().unwrap()).collect()
}

fn exists(path: &Path) -> bool {
    path.exists()
}
