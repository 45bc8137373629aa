//! A private database server: one for the whole test process, or another one for a test that needs its own options or
//! another version.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use super::client;

/// A server that stops, and whose data goes, when this value or the test process ends, in whatever way.
pub(crate) struct Server {
    dir: PathBuf,
    guardian: Child,
}

fn sandbox(action: &[&str], dir: &Path) -> Command {
    let mut command = Command::new(root().join("scripts/sandbox.sh"));
    command.args(action).arg("--dir").arg(dir).stdin(Stdio::null());
    command.env("FWB_SANDBOX_PRISTINE", root().join("target/test-server/pristine"));
    command
}

/// The kind of server that the machine has.
const INSTALLED: &str = "installed";

/// Where Linux keeps files in memory, and how the names of ours begin there.
const MEMORY: &str = "/dev/shm";
const MEMORY_PREFIX: &str = "fwb-test-server-";
/// So much is to be left for the servers and the tools themselves.
const ROOM: u64 = 8 << 30;

/// Engines that MariaDB has in files of their own. They are there from the start: INSTALL PLUGIN ends a MariaDB 10.11.19
/// on which another session reads `information_schema` at that moment (signal 11 in `get_all_tables`, each time within 50 s
/// of trying).
const ENGINES: [&str; 2] = ["--plugin-load-add=ha_archive", "--plugin-load-add=ha_blackhole"];

/// Lines of a server's log that tell how it ended.
const LAST_WORDS: usize = 40;

/// Where a server is to be: in memory where there is room, so that no test waits for the disk, and none for the files of
/// another one's five thousand tables.
fn home(suffix: &str) -> PathBuf {
    let name = format!("{}{suffix}", std::process::id());
    if Path::new(MEMORY).is_dir() && available_memory() > ROOM {
        return Path::new(MEMORY).join(format!("{MEMORY_PREFIX}{name}"));
    }
    root().join("target/test-server").join(name)
}

/// Bytes of memory that programs can still have.
fn available_memory() -> u64 {
    let told = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = told.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    line.and_then(|line| line.trim_end_matches(" kB").trim().parse::<u64>().ok()).unwrap_or(0) << 10
}

/// The server that tests use where they name none: `make matrix` goes through all.
fn usual() -> String {
    std::env::var("FWB_TEST_SERVER").unwrap_or_else(|_| INSTALLED.to_owned())
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Where `scripts/servers.sh` has unpacked a server of this kind.
pub(crate) fn unpacked(kind: &str) -> PathBuf {
    cached("FWB_SERVERS_DIR", "fwb-servers").join(kind)
}

/// The directory that a variable names, or else the one of this name where caches are.
pub(crate) fn cached(variable: &str, name: &str) -> PathBuf {
    let set = |name: &str| std::env::var_os(name).map(PathBuf::from);
    set(variable).unwrap_or_else(|| {
        let cache = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")));
        cache.expect("a home directory").join(name)
    })
}

/// The directory of the server that tests use where they name none; none where that is the installed one.
pub(crate) fn usual_unpacked() -> Option<PathBuf> {
    let kind = usual();
    (kind != INSTALLED).then(|| unpacked(&kind))
}

impl Server {
    /// The server that all tests share; the first to ask starts it.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<Result<Server, String>> = OnceLock::new();
        let started = SHARED.get_or_init(|| {
            sweep();
            Self::start(home(""), &usual(), &[])
        });
        let server = started.as_ref().unwrap_or_else(|reason| panic!("no server to test with: {reason}"));
        server.assert_serves();
        server
    }

    /// Fails with the server's last words where it has ended or its socket is gone. Whoever only could not connect would
    /// not learn what ended it.
    fn assert_serves(&self) {
        let (ended, socket) = (self.has_ended(), self.socket());
        if !ended && Path::new(&socket).exists() {
            return;
        }
        let state = if ended { "has ended" } else { "runs, and its socket is gone" };
        let log = fs::read(self.dir.join("error.log")).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        let last = lines[lines.len().saturating_sub(LAST_WORDS)..].join("\n");
        panic!("the server that all tests share {state} ({socket}); the end of its log:\n{last}");
    }

    /// A server of its own, with `options` for mariadbd; `name` is unique among the tests.
    pub(crate) fn private(name: &str, options: &[&str]) -> Self {
        Self::shared(); // one start at a time is enough for the machine, and stale ones are gone then
        Self::start(home(&format!("-{name}")), &usual(), options)
            .unwrap_or_else(|reason| panic!("no server: {reason}"))
    }

    /// As [`Server::private`], of a kind that `scripts/servers.sh` has brought: `mysql-9.7`, for one.
    pub(crate) fn of(kind: &str, name: &str, options: &[&str]) -> Self {
        Self::shared();
        Self::start(home(&format!("-{name}")), kind, options)
            .unwrap_or_else(|reason| panic!("no {kind}: {reason}"))
    }

    fn start(dir: PathBuf, kind: &str, options: &[&str]) -> Result<Self, String> {
        let guardian = guard(&dir)?;
        let server = Self { dir, guardian };
        let engines: &[&str] = if kind.starts_with("mysql") { &[] } else { &ENGINES };
        let started = sandbox(&["start", "--server", kind], &server.dir)
            .arg("--")
            .args(engines)
            .args(options)
            .output()
            .map_err(|error| format!("cannot run scripts/sandbox.sh: {error}"))?;
        if started.status.success() {
            return Ok(server);
        }
        Err(String::from_utf8_lossy(&started.stderr).into_owned())
    }

    /// The my.cnf by which clients reach it, as root.
    pub(crate) fn defaults_file(&self) -> PathBuf {
        self.dir.join("client.cnf")
    }

    /// Its socket.
    pub(crate) fn socket(&self) -> String {
        fs::read_to_string(self.dir.join("socket.path")).expect("the server's socket").trim().to_owned()
    }

    /// Whether it is MariaDB, of this version or a later one.
    pub(crate) fn is_mariadb(&self, least: (u32, u32)) -> bool {
        let version = self.query("SELECT VERSION()");
        let is_mariadb = version.contains("MariaDB");
        let mut numbers = version.split(['.', '-']).map_while(|number| number.parse().ok());
        let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        is_mariadb && version >= least
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        let text = fs::read_to_string(self.dir.join("server.pid")).expect("the server's pid");
        text.trim().parse().expect("a pid")
    }

    /// Whether no process serves its data: one that was killed takes its time to end where the machine is busy.
    pub(crate) fn has_ended(&self) -> bool {
        let Ok(pid) = fs::read_to_string(self.dir.join("server.pid")) else { return true };
        let command = fs::read_to_string(format!("/proc/{}/cmdline", pid.trim())).unwrap_or_default();
        let serves = format!("--datadir={}", self.dir.join("data").display());
        !command.split('\0').any(|argument| argument == serves)
    }

    /// Runs SQL, `DELIMITER` and all.
    #[track_caller]
    pub(crate) fn sql(&self, sql: impl AsRef<[u8]>) {
        client::sql(&self.defaults_file(), "", sql.as_ref());
    }

    /// What a query answers: a line a row, a tab between columns.
    #[track_caller]
    pub(crate) fn query(&self, sql: impl AsRef<[u8]>) -> String {
        client::query(&self.defaults_file(), "", sql.as_ref())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.guardian.stdin.take());
        let _ = self.guardian.wait();
    }
}

/// A process that outlives the tests: when its standard input ends, because we closed it or because we are no
/// more, it stops the server. In its own process group, so that an interrupt typed at the terminal spares it.
fn guard(dir: &Path) -> Result<Child, String> {
    Command::new("sh")
        .args(["-c", r#"read -r _; exec "$1" stop --purge --dir "$2""#, "guardian"])
        .arg(root().join("scripts/sandbox.sh"))
        .arg(dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .map_err(|error| format!("cannot run sh: {error}"))
}

/// Removes what test processes left that are no more; only a SIGKILL of the guardian too leaves anything.
fn sweep() {
    let entries = |dir: &Path| fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    let in_memory = entries(Path::new(MEMORY)).filter(|dir| dir.is_dir());
    for dir in entries(&root().join("target/test-server")).chain(in_memory) {
        let name = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let name = match name.strip_prefix(MEMORY_PREFIX) {
            Some(name) => name.to_owned(),
            None if dir.starts_with(MEMORY) => continue,
            None => name,
        };
        let digits = name.chars().take_while(char::is_ascii_digit).count();
        let stale = digits > 0 && !Path::new("/proc").join(&name[..digits]).exists();
        if stale && name.contains(".purge-") {
            let _ = fs::remove_dir_all(&dir);
        } else if stale {
            let _ = sandbox(&["stop", "--purge"], &dir).output();
        }
    }
}
