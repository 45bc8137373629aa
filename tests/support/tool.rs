//! Running the tools, and the programs that users put beside them.

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Once};

use serde_json::Value;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::{Database, Server};

/// Every tool.
pub(crate) const TOOLS: [&str; 9] = [
    "fwb-dump",
    "fwb-verify",
    "fwb-ls",
    "fwb-prune",
    "fwb-copy",
    "fwb-restore",
    "fwb-follow",
    "fwb-run",
    "fwb-report",
];

/// A program about to run: with no settings but the shared server's, and an empty standard input.
pub(crate) struct Tool {
    command: Command,
    stdin: Option<Vec<u8>>,
}

impl Tool {
    /// One of the tools, told of the shared server as a user would tell it: by `FWB_DEFAULTS_FILE`.
    pub(crate) fn new(name: &str) -> Self {
        let cnf = Server::shared().defaults_file();
        Self::alone(name).env("FWB_DEFAULTS_FILE", cnf)
    }

    /// One of the tools, which knows of no server.
    pub(crate) fn alone(name: &str) -> Self {
        Self::program(Self::path(name))
    }

    /// Any program.
    pub(crate) fn program(program: impl AsRef<OsStr>) -> Self {
        heed_signals();
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            // Where servers for tests are found is no setting of a tool.
            let is_setting =
                ["FWB_", "MYSQL_", "AWS_", "AZURE_", "GOOGLE_"].iter().any(|start| text.starts_with(start));
            if is_setting && !matches!(&*text, "FWB_SERVERS_DIR" | "FWB_STORES_DIR") {
                command.env_remove(&name);
            }
        }
        command.current_dir(env!("CARGO_TARGET_TMPDIR"));
        Self { command, stdin: None }
    }

    /// Where a tool lies.
    pub(crate) fn path(name: &str) -> PathBuf {
        let path = match name {
            "fwb-dump" => env!("CARGO_BIN_EXE_fwb-dump"),
            "fwb-verify" => env!("CARGO_BIN_EXE_fwb-verify"),
            "fwb-ls" => env!("CARGO_BIN_EXE_fwb-ls"),
            "fwb-prune" => env!("CARGO_BIN_EXE_fwb-prune"),
            "fwb-copy" => env!("CARGO_BIN_EXE_fwb-copy"),
            "fwb-follow" => env!("CARGO_BIN_EXE_fwb-follow"),
            "fwb-restore" => env!("CARGO_BIN_EXE_fwb-restore"),
            "fwb-run" => env!("CARGO_BIN_EXE_fwb-run"),
            "fwb-report" => env!("CARGO_BIN_EXE_fwb-report"),
            other => panic!("{other} is no tool of ours"),
        };
        path.into()
    }

    /// Adds an argument.
    pub(crate) fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    /// Adds arguments.
    pub(crate) fn args(mut self, arguments: impl IntoIterator<Item: AsRef<OsStr>>) -> Self {
        self.command.args(arguments);
        self
    }

    /// Sets an environment variable.
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Sets the working directory.
    pub(crate) fn dir(mut self, dir: &Path) -> Self {
        self.command.current_dir(dir);
        self
    }

    /// What it reads on standard input.
    pub(crate) fn stdin(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.stdin = Some(bytes.as_ref().to_owned());
        self
    }

    /// The same, run by another program, such as strace(1), whose arguments these are.
    pub(crate) fn under(self, program: &str, arguments: impl IntoIterator<Item: AsRef<OsStr>>) -> Self {
        let mut command = Command::new(program);
        command.args(arguments).arg(self.command.get_program()).args(self.command.get_args());
        for (name, value) in self.command.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        if let Some(dir) = self.command.get_current_dir() {
            command.current_dir(dir);
        }
        Self { command, ..self }
    }

    /// The command, for tests that start, watch or kill it themselves. Its streams are not set up.
    pub(crate) fn command(self) -> Command {
        self.command
    }

    /// Starts it, with stdout and stderr to read; a standard input given is written first.
    pub(crate) fn spawn(mut self) -> Child {
        let stdin = if self.stdin.is_some() { Stdio::piped() } else { Stdio::null() };
        let program = self.command.get_program().to_owned();
        self.command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child =
            self.command.spawn().unwrap_or_else(|error| panic!("cannot run {}: {error}", program.display()));
        if let (Some(mut pipe), Some(bytes)) = (child.stdin.take(), self.stdin.take()) {
            // It may end without reading all of it, which is its business.
            std::thread::spawn(move || pipe.write_all(&bytes));
        }
        child
    }

    /// Runs it to its end.
    pub(crate) fn run(self) -> Output {
        let what = format!("{:?}", self.command);
        let done = self.spawn().wait_with_output().expect("a child's end");
        Output { what, code: done.status.code(), stdout: done.stdout, stderr: text(&done.stderr) }
    }
}

/// Programs that are started inherit which signals are ignored (execve(2)), and the tools leave SIGHUP alone then, as
/// nohup(1) asks. A signal that is handled here is not ignored there.
fn heed_signals() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let status = std::fs::read_to_string("/proc/self/status").expect("proc(5)");
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).expect("a mask");
        let mask = u64::from_str_radix(mask.trim(), 16).expect("a mask");
        let ignored = [SIGHUP, SIGINT, SIGTERM].into_iter().filter(|signal| mask & (1 << (signal - 1)) != 0);
        for signal in ignored {
            signal_hook::flag::register(signal, Arc::default()).expect("a handler");
        }
    });
}

/// How a program ended.
#[derive(Debug)]
pub(crate) struct Output {
    /// The command line.
    pub(crate) what: String,
    /// Its exit code; none when a signal ended it.
    pub(crate) code: Option<i32>,
    /// What it printed.
    pub(crate) stdout: Vec<u8>,
    /// What it said.
    pub(crate) stderr: String,
}

impl Output {
    /// Asserts that it succeeded.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        self.exits(0)
    }

    /// Asserts its exit code.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        let Self { what, stderr, .. } = &self;
        let out = self.stdout_text();
        assert_eq!(self.code, Some(code), "exit code of {what}\nstdout: {out:.2000}\nstderr: {stderr}");
        self
    }

    /// Asserts that it failed with this exit code and said why: at the end an error, a line and a hint at most,
    /// before it nothing but log lines. Each of `words` is in it.
    #[track_caller]
    pub(crate) fn fails(self, code: i32, words: &[&str]) -> Self {
        let failed = self.exits(code);
        let stderr = &failed.stderr;
        let mut lines: Vec<&str> = stderr.lines().collect();
        lines.pop_if(|line| line.starts_with("hint: "));
        assert!(lines.last().is_some_and(|line| line.contains(": error: ")), "an error at the end: {stderr}");
        // What takes long tells how far it is.
        let is_log =
            |line: &&str| [": info: ", ": warning: ", ": error: "].iter().any(|kind| line.contains(kind));
        assert!(lines.iter().all(is_log), "log lines and an error of two lines: {stderr}");
        for word in words {
            assert!(stderr.contains(word), "{word:?} in: {stderr}");
        }
        failed
    }

    /// What it printed, as text.
    pub(crate) fn stdout_text(&self) -> String {
        text(&self.stdout)
    }

    /// The one JSON object that it printed.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        let mut all = self.records();
        assert_eq!(all.len(), 1, "one record from {}: {}", self.what, self.stdout_text());
        all.remove(0)
    }

    /// The JSON objects that it printed, one a line.
    #[track_caller]
    pub(crate) fn records(&self) -> Vec<Value> {
        let text = self.stdout_text();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
            .collect()
    }
}

/// Bytes as text; those that are none are shown, so that two texts differ where the bytes do.
pub(super) fn text(bytes: &[u8]) -> String {
    // Most are text, of many megabytes at times, and this crate is not optimised.
    if let Ok(text) = std::str::from_utf8(bytes) {
        return text.to_owned();
    }
    let show =
        |chunk: std::str::Utf8Chunk| [chunk.valid(), &chunk.invalid().escape_ascii().to_string()].concat();
    bytes.utf8_chunks().map(show).collect()
}

/// The MariaDB client.
pub(crate) fn mariadb(defaults_file: &Path, arguments: &[&str]) -> Tool {
    let defaults = [OsStr::new("--defaults-file="), defaults_file.as_os_str()].join(OsStr::new(""));
    Tool::program("mariadb")
        .args([defaults, OsString::from("--default-character-set=utf8mb4"), "--binary-mode".into()])
        .arg("--max-allowed-packet=1G")
        .args(arguments)
}

/// What mariadb-dump writes, as an old script would have called it.
pub(crate) fn mariadb_dump(database: &Database, options: &[&str]) -> Vec<u8> {
    mariadb_dump_of(Server::shared(), &database.name, options)
}

/// The same, of a database on a server that a test has started.
pub(crate) fn mariadb_dump_of(server: &Server, database: &str, options: &[&str]) -> Vec<u8> {
    let cnf = server.defaults_file();
    let defaults = [OsStr::new("--defaults-file="), cnf.as_os_str()].join(OsStr::new(""));
    Tool::program("mariadb-dump").arg(defaults).args(options).arg("--").arg(database).run().ok().stdout
}

/// A shell line, as a user would type it: with the tools on `PATH` and a failure anywhere in a pipeline counted.
pub(crate) fn bash(script: &str) -> Tool {
    let bin = Tool::path("fwb-ls").parent().unwrap().to_owned();
    let path = std::env::var("PATH").unwrap_or_default();
    Tool::program("bash")
        .args(["-euo", "pipefail", "-c", script])
        .env("PATH", format!("{}:{path}", bin.display()))
        .env("FWB_DEFAULTS_FILE", Server::shared().defaults_file())
}
