//! One of MariaDB's test cases, and the two servers that it needs.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::checkpoint::{self, Verdict};
use crate::databases;
use crate::relay::{Hook, Relay};
use crate::support::{Server, Tool, content, quoted};

/// A case.
#[derive(Debug)]
pub(crate) struct Case {
    /// `main/create`, for one.
    pub(crate) name: String,
    /// Its file.
    pub(crate) file: PathBuf,
}

/// How it ended. It need not succeed: what it has made until then is what counts.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Passed,
    /// It needs what is not here.
    Skipped,
    Failed,
    /// It took too long.
    Stopped,
}

impl Ended {
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
        }
    }
}

/// How the server's own cases want one to be.
const USUAL: [&str; 10] = [
    "--character-set-server=latin1",
    "--collation-server=latin1_swedish_ci",
    "--log-bin-trust-function-creators=1",
    "--secure-file-priv=",
    "--local-infile",
    "--max-heap-table-size=1M",
    "--key-buffer-size=1M",
    "--event-scheduler=OFF",
    "--innodb-flush-log-at-trx-commit=0",
    "--lock-wait-timeout=60",
];

/// At most so many looks in a case.
const LOOKS: usize = 10;
/// How long a case may take.
const PATIENCE: Duration = Duration::from_secs(240);

/// The servers of one worker.
pub(crate) struct Place {
    worker: usize,
    suites: PathBuf,
    out: PathBuf,
    dir: TempDir,
    source: Option<Arc<Server>>,
    target: Arc<Server>,
    started: usize,
}

impl Place {
    pub(crate) fn new(worker: usize, suites: &Path, out: &Path) -> Self {
        let dir = tempfile::Builder::new().prefix("fwb-cases-").tempdir().expect("a directory");
        for name in ["tmp", "log", "run"] {
            fs::create_dir(dir.path().join(name)).expect("a directory");
        }
        std::os::unix::fs::symlink(
            suites.join("share/mysql/mysql-test/std_data"),
            dir.path().join("std_data"),
        )
        .expect("a link");
        let target = Arc::new(Server::private(&format!("target-{worker}"), &USUAL));
        Self { worker, suites: suites.to_owned(), out: out.to_owned(), dir, source: None, target, started: 0 }
    }

    /// A server for a case: the one before it has left, or another one.
    fn source(&mut self) -> Arc<Server> {
        if let Some(source) = &self.source {
            return Arc::clone(source);
        }
        self.started += 1;
        let server = Server::private(&format!("source-{}-{}", self.worker, self.started), &USUAL);
        let include = self.suites.join("share/mysql/mysql-test/include");
        // As the server's own bootstrap reads it; a client takes the semicolon for a part of the delimiter.
        let sql = |name: &str| {
            let text = fs::read_to_string(include.join(name)).expect("an SQL file");
            text.replace("delimiter ||;", "delimiter ||").replace("delimiter ;||", "delimiter ;")
        };
        let prepare = format!(
            "CREATE DATABASE IF NOT EXISTS test; CREATE DATABASE mtr; USE mtr; {}\n{}",
            sql("mtr_warnings.sql"),
            sql("mtr_check.sql")
        );
        content::ask(&server.defaults_file(), None, &prepare);
        let server = Arc::new(server);
        self.source = Some(Arc::clone(&server));
        server
    }

    /// Runs a case, and looks at what it makes.
    pub(crate) fn run(&mut self, case: &Case) -> (Ended, Vec<Verdict>) {
        let (source, target) = (self.source(), Arc::clone(&self.target));
        let cnf = source.defaults_file();
        let left = databases::made(&cnf).into_iter().map(|name| format!("DROP DATABASE {};", quoted(&name)));
        content::ask(
            &cnf,
            None,
            &format!("{}CREATE DATABASE test CHARACTER SET latin1", left.collect::<String>()),
        );
        let verdicts = Arc::new(Mutex::new(Vec::new()));
        let place = self.out.join(case.name.replace('/', "."));
        let hook: Hook = {
            let (verdicts, source) = (Arc::clone(&verdicts), Arc::clone(&source));
            let looks = Mutex::new(0_usize);
            Arc::new(move || {
                let mut looks = looks.lock().expect("a lock");
                if *looks < LOOKS {
                    *looks += 1;
                    let found = checkpoint::look(&source, &target, &place.join(looks.to_string()));
                    verdicts.lock().expect("a lock").extend(found);
                }
            })
        };
        let relay = Relay::new(source.socket().into(), &hook);
        let ended = self.mysqltest(case, &relay);
        drop(relay);
        if ended != Ended::Passed && ended != Ended::Skipped {
            // What it has left would fall to the next case.
            self.source = None;
        }
        let verdicts = std::mem::take(&mut *verdicts.lock().expect("a lock"));
        (ended, verdicts)
    }

    fn mysqltest(&self, case: &Case, relay: &Relay) -> Ended {
        let base = self.suites.join("share/mysql/mysql-test");
        let (socket, var) = (relay.socket(), self.dir.path());
        let tool = Tool::program(self.suites.join("bin/mariadb-test"))
            .args([
                "--no-defaults",
                "--silent",
                "--skip-ssl",
                "--user=root",
                "--database=test",
                "--max-connect-retries=3",
            ])
            .arg(format!("--socket={}", socket.display()))
            .arg(format!("--basedir={}", base.display()))
            .arg(format!("--test-file={}", case.file.display()))
            .arg(format!("--tmpdir={}", var.join("tmp").display()))
            .arg(format!("--logdir={}", var.join("log").display()))
            .env("LD_LIBRARY_PATH", self.suites.join("lib"))
            .env("MYSQL_TEST_DIR", &base)
            .env("MYSQLTEST_VARDIR", var)
            .env("MYSQL_TMP_DIR", var.join("tmp"))
            .env("MASTER_MYSOCK", &socket)
            .env("DEFAULT_MASTER_PORT", "0")
            .env("MASTER_MYPORT", "0")
            .env("MYSQL", format!("mariadb --no-defaults --user=root --socket={}", socket.display()))
            .env(
                "MYSQL_DUMP",
                format!("mariadb-dump --no-defaults --user=root --socket={}", socket.display()),
            )
            .env("TZ", "GMT-3")
            .env("LC_ALL", "C")
            .dir(&base);
        let mut command = tool.command();
        let log = fs::File::create(var.join("log/case")).expect("a log");
        command.stdin(std::process::Stdio::null()).stdout(log.try_clone().expect("a log")).stderr(log);
        let mut child = command.spawn().expect("mariadb-test");
        let begun = Instant::now();
        loop {
            if let Some(status) = child.try_wait().expect("a child's end") {
                let name = case.name.replace('/', ".");
                return match status.code() {
                    Some(0) => Ended::Passed,
                    Some(62) => Ended::Skipped,
                    _ => {
                        fs::copy(var.join("log/case"), self.out.join(format!("{name}.log"))).ok();
                        Ended::Failed
                    }
                };
            }
            if begun.elapsed() > PATIENCE {
                child.kill().ok();
                child.wait().ok();
                return Ended::Stopped;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}
