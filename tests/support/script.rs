//! Running our scripts, with programs of a test's own before all others.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::{Tool, bash, executable, until};

/// A script of ours; `first` are directories that come before all others in `PATH`.
pub(crate) fn script(name: &str, first: &[&Path]) -> Tool {
    let tools = Tool::path("fwb-ls").parent().unwrap().to_owned();
    let path = std::env::var("PATH").unwrap();
    let first = first.iter().copied().chain([tools.as_path()]);
    let first: Vec<String> = first.map(|dir| dir.display().to_string()).collect();
    // bash cannot trap what was ignored when it began, as SIGINT is in whatever runs in the background.
    bash(r#"exec env --default-signal=INT "$SCRIPT" "$@""#)
        .arg(name)
        .env("SCRIPT", Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts").join(name))
        .env("PATH", format!("{}:{path}", first.join(":")))
}

/// A directory of programs that take the place of others. `"$REAL"` is the tool of the same name.
pub(crate) struct Programs(TempDir);

impl Programs {
    /// Each by its name and what it does, in bash.
    pub(crate) fn new(programs: &[(&str, &str)]) -> Self {
        let dir = tempfile::Builder::new().prefix("fwb-programs-").tempdir().unwrap();
        for (name, body) in programs {
            let real = if name.starts_with("fwb-") { Tool::path(name) } else { PathBuf::new() };
            let path = dir.path().join(name);
            let text =
                format!("#!/bin/bash\nREAL='{}' HERE='{}'\n{body}\n", real.display(), dir.path().display());
            executable(&path, text);
        }
        Self(dir)
    }

    /// Where they lie.
    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// The process that a program has written down in `pid`, once it has.
    pub(crate) fn started(&self) -> u32 {
        let pid = self.0.path().join("pid");
        until("a stage's start", || fs::read_to_string(&pid).ok()?.trim().parse().ok())
    }
}
