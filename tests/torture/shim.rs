//! The library that makes calls fail, and what it says of them. It is compiled once, from `shim.c`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use tempfile::TempDir;

use crate::support::{Output, Tool, until};

/// All kinds of calls, and all that they may be made on: the letters of `shim.c`.
pub(crate) const KINDS: &str = "ocrwsnumtlxfpdT";
pub(crate) const CLASSES: &str = "spm-";

/// What becomes of which calls.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mode {
    /// For the line of counts.
    pub(crate) name: &'static str,
    kinds: &'static str,
    classes: &'static str,
    what: &'static str,
    sticky: bool,
    /// Whether the tool must do its work all the same.
    pub(crate) harmless: bool,
    /// Whether the tool is killed.
    pub(crate) kills: bool,
}

const fn error(name: &'static str, kinds: &'static str, classes: &'static str, what: &'static str) -> Mode {
    Mode { name, kinds, classes, what, sticky: false, harmless: false, kills: false }
}

const fn sticky(mode: Mode) -> Mode {
    Mode { sticky: true, ..mode }
}

const fn harmless(mode: Mode) -> Mode {
    Mode { harmless: true, ..mode }
}

const fn killed(name: &'static str) -> Mode {
    Mode { kills: true, ..error(name, KINDS, CLASSES, name) }
}

/// Linux's numbers: EIO 5, EAGAIN 11, ENOSPC 28, EMFILE 24, EINTR 4.
pub(crate) const MODES: &[Mode] = &[
    error("EIO", "ocrwsnumtlx", "spm", "5"),
    sticky(error("EIO from then on", "ocrwsnumtlx", "s", "5")),
    error("ENOSPC", "cwsnmt", "sm", "28"),
    sticky(error("ENOSPC from then on", "cwsnmt", "sm", "28")),
    error("EAGAIN", "fT", "-", "11"),
    sticky(error("EAGAIN from then on", "fT", "-", "11")),
    error("EMFILE", "ocpd", "s-", "24"),
    harmless(error("EINTR", "ocrw", "spm", "4")),
    harmless(error("short", "rw", "spm", "short")),
    harmless(error("one", "rw", "spm", "one")),
    killed("before"),
    killed("after"),
];

impl Mode {
    /// Whether threads and processes are refused, once.
    pub(crate) fn is_of_threads(&self) -> bool {
        self.kinds == "fT" && !self.sticky
    }
}

/// No fault: calls are only counted.
pub(crate) const COUNT_ALL: Mode = error("count", KINDS, CLASSES, "5");

/// How a run is judged that nothing may happen to.
pub(crate) const IN_HEALTH: Mode = harmless(COUNT_ALL);

/// How a run is judged that is killed from outside.
pub(crate) const KILLED: Mode = Mode { kills: true, ..COUNT_ALL };

/// A run with the library in it.
pub(crate) struct Shim {
    dir: TempDir,
    mark: String,
}

/// How such a run ended.
pub(crate) struct Ended {
    pub(crate) output: Output,
    /// The calls that counted, in order: kind, class, path.
    pub(crate) calls: Vec<String>,
    /// The call that was hit first.
    pub(crate) hit: Option<String>,
}

fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fault-{}.so", std::process::id()));
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/torture/shim.c");
        let options = ["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o"];
        Tool::program("cc").args(options).args([path.as_path(), Path::new(source)]).arg("-ldl").run().ok();
        path
    })
}

impl Shim {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(1);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let mark = format!("FAULT_MARK={}-{number}", std::process::id());
        Self { dir: tempfile::Builder::new().prefix("fwb-fault-").tempdir().unwrap(), mark }
    }

    /// The file that calls are written to.
    fn log(&self) -> PathBuf {
        self.dir.path().join("log")
    }

    /// The variables that bring the library into a tool and tell it what to do.
    pub(crate) fn settings(&self, store: &Path, mode: &Mode, at: usize) -> Vec<(&'static str, String)> {
        let (_, mark) = self.mark.split_once('=').unwrap();
        let mut settings = vec![
            ("LD_PRELOAD", library().display().to_string()),
            ("FAULT_STORE", store.display().to_string()),
            ("FAULT_KINDS", mode.kinds.into()),
            ("FAULT_CLASSES", mode.classes.into()),
            ("FAULT_MODE", mode.what.into()),
            ("FAULT_AT", at.to_string()),
            ("FAULT_LOG", self.log().display().to_string()),
            ("FAULT_MARK", mark.into()),
        ];
        if mode.sticky {
            settings.push(("FAULT_STICKY", "1".into()));
        }
        settings
    }

    /// Runs a tool whose call `at` (of those that the mode concerns; 0: none) goes wrong.
    pub(crate) fn run(&self, tool: Tool, store: &Path, mode: &Mode, at: usize) -> Ended {
        let _ = fs::remove_file(self.log());
        let tool = self
            .settings(store, mode, at)
            .into_iter()
            .fold(tool, |tool, (name, value)| tool.env(name, value));
        let output = tool.run();
        let calls: Vec<String> = self.calls();
        let hit = calls.iter().find_map(|call| call.strip_suffix(" hit")).map(str::to_owned);
        Ended { output, calls, hit }
    }

    /// The calls of the last run.
    pub(crate) fn calls(&self) -> Vec<String> {
        let log = fs::read(self.log()).unwrap_or_default();
        String::from_utf8_lossy(&log).lines().map(str::to_owned).collect()
    }

    /// Waits until nothing that the run has started is there any more.
    pub(crate) fn all_gone(&self) {
        let is_ours = |dir: &fs::DirEntry| {
            let environment = fs::read(dir.path().join("environ")).unwrap_or_default();
            environment.split(|byte| *byte == 0).any(|setting| setting == self.mark.as_bytes())
        };
        until("the end of all children", || {
            let mut processes = fs::read_dir("/proc").unwrap().flatten();
            (!processes.any(|dir| is_ours(&dir))).then_some(())
        });
    }
}

/// The numbers of calls that a bounded walk takes: of each sort of call the first, one in the middle, and the last.
pub(crate) fn chosen(calls: &[String], whole: bool) -> Vec<usize> {
    if whole {
        return (1..=calls.len()).collect();
    }
    let mut sorts: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (number, call) in (1..).zip(calls) {
        let file = call.rsplit('/').next().unwrap_or_default();
        let sort =
            format!("{} {}", &call[..3], file.replace(|c: char| c.is_ascii_digit() || "[]:".contains(c), ""));
        sorts.entry(sort).or_default().push(number);
    }
    let some = |all: Vec<usize>| [all[0], all[all.len() / 2], all[all.len() - 1]];
    let mut numbers: Vec<usize> = sorts.into_values().flat_map(some).collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

/// Runs a tool under strace(1) with these options beside the usual ones; returns how it ended, and what strace saw.
pub(crate) fn strace(tool: Tool, calls: &str, options: &[String]) -> (Output, String) {
    let out = tempfile::NamedTempFile::new().unwrap();
    let trace = format!("trace={calls}");
    let mut all = ["-f", "-y", "-qq", "-s", "0", "-e", &trace, "-o"].map(String::from).to_vec();
    all.push(out.path().display().to_string());
    all.extend_from_slice(options);
    let ended = tool.under("strace", all).run();
    (ended, fs::read_to_string(out.path()).unwrap())
}
