//! The world going wrong around a backup or a restore.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::support::{Store, Tool};

/// A directory for `PATH` with another `mariadb-dump` in it.
pub(crate) struct Fake {
    dir: TempDir,
}

impl Fake {
    /// `script` takes the place of a dump; `$REAL "$@"` in it is the real program. Questions about its options are
    /// the real program's to answer.
    pub(crate) fn new(script: &str) -> Self {
        let dir = tempfile::Builder::new().prefix("fwb-fake-").tempdir().unwrap();
        let path = dir.path().join("mariadb-dump");
        let here = dir.path().display();
        let text = format!(
            "#!/bin/bash\nREAL=$(PATH=${{PATH#*:}} command -v mariadb-dump)\n\
             for argument; do [ \"$argument\" != --help ] || exec \"$REAL\" \"$@\"; done\ncd '{here}'\n{script}\n"
        );
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        Self { dir }
    }

    /// A file that the script works with: it runs in the same directory.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A tool on a store that finds this program first.
    pub(crate) fn tool(&self, store: &Store, name: &str) -> Tool {
        let path = std::env::var("PATH").unwrap_or_default();
        store.tool(name).env("PATH", format!("{}:{path}", self.dir.path().display()))
    }
}
