//! A server of the backup's own flavor that lives for one drill: its own data, its own socket that only this user reaches, no network, no
//! configuration file, no events, no binary log, little memory, and nothing of it left afterwards.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::home::{self, Home};
use super::likeness;
use super::servers::{Installed, Maker};
use super::unpacked::system_tables;
use crate::error::{Error, Result};
use crate::manifest::Manifest;
use crate::process::{Child, Program};
use crate::progress::{Cancel, Context};
use crate::server::{Connector, ServerClient, ServerOptions, Sql};

/// Bytes of disk that each byte of SQL may need: rows with their indexes, a table that is being built, the log.
const SPACE_FACTOR: u64 = 3;
/// Bytes of disk that an empty server needs.
const SPACE_EMPTY: u64 = 300 << 20;
/// How long the server may take to answer.
const PATIENCE: Duration = Duration::from_secs(120);
/// Between two looks whether it answers.
const PAUSE: Duration = Duration::from_millis(50);
/// What a socket's path may have at most, in bytes (unix(7): 108 with the NUL at its end).
const LONGEST_SOCKET: usize = 107;
/// Databases that a new server has.
const TAKEN: [&str; 5] = ["mysql", "information_schema", "performance_schema", "sys", "test"];

/// Small and careless: what is in it is in the backup too. An option that a version does not know is left out.
const OPTIONS: &[&str] = &[
    "--skip-networking",
    "--skip-name-resolve",
    "--local-infile=ON",
    "--max-allowed-packet=1G",
    "--character-set-server=utf8mb4",
    "--event-scheduler=OFF",
    "--skip-log-bin",
    "--loose-skip-slave-start",
    "--loose-skip-replica-start",
    "--loose-mysqlx=OFF",
    "--loose-performance-schema=OFF",
    "--innodb-buffer-pool-size=128M",
    "--innodb-flush-log-at-trx-commit=0",
    "--loose-innodb-doublewrite=OFF",
    "--loose-innodb-buffer-pool-dump-at-shutdown=OFF",
    "--loose-innodb-buffer-pool-load-at-startup=OFF",
    "--loose-debug-no-sync",
    "--key-buffer-size=16M",
    "--loose-aria-pagecache-buffer-size=16M",
    "--max-connections=1100",
];

/// A running server.
pub(super) struct Throwaway {
    /// How it is reached, as root.
    pub(super) server: ServerClient,
    /// The database to restore into: the backup's own name, which is as free here as any other.
    pub(super) database: String,
    process: Option<Child>,
    log: PathBuf,
    home: PathBuf,
    // Removed after the process has ended, which `drop` sees to.
    _homes: Vec<Home>,
}

impl Throwaway {
    /// Makes and starts one with its data in `base`; `more` are options of it beside those that all have.
    ///
    /// # Errors
    /// There is too little space, or it does not start.
    pub(super) fn start(
        installed: &Installed,
        base: &Path,
        manifest: &Manifest,
        more: &[String],
        connector: &dyn Connector,
        context: &Context,
    ) -> Result<Self> {
        context.progress.begin("starting a throwaway server", 0);
        let base = std::path::absolute(base).map_err(Error::io("find", base))?;
        check_space(&base, manifest, 0)?;
        let home = Home::make(&base)?;
        let at = |name: &str| home.path().join(name);
        for dir in ["tmp", "files"] {
            std::fs::create_dir(at(dir)).map_err(Error::io("create", at(dir)))?;
        }
        let mut homes = Vec::new();
        let mut socket = at("s");
        if socket.as_os_str().len() > LONGEST_SOCKET {
            let short = Home::make(Path::new("/tmp"))?;
            socket = short.path().join("s");
            homes.push(short);
        }
        let (data, log, options) = (at("data"), at("error.log"), at("client.cnf"));
        let common = |program: &Program| {
            let likeness = likeness::options(manifest);
            common(program.clone(), &installed.options, &data, &at("tmp"), &log).args(likeness)
        };
        match &installed.maker {
            Maker::Script(script) => {
                // --force: a machine whose own name does not resolve, as a bare container's, is as good.
                let script = common(script).args([
                    "--skip-test-db",
                    "--auth-root-authentication-method=normal",
                    "--skip-name-resolve",
                    "--force",
                ]);
                make_data(script, b"", &log, &context.cancel)?;
            }
            Maker::Bootstrap(scripts) => {
                std::fs::create_dir(&data).map_err(Error::io("create", &data))?;
                let sql = system_tables(scripts).map_err(Error::io("read", scripts))?;
                // What its installer says.
                let server = common(&installed.program).args([
                    "--bootstrap",
                    "--max-allowed-packet=8M",
                    "--net-buffer-length=16K",
                    "--log-warnings=0",
                ]);
                make_data(server, &sql, &log, &context.cancel)?;
            }
            Maker::Initialize => {
                // Where its package is not installed, the directory is missing that it would take files from.
                let server = common(&installed.program)
                    .arg("--initialize-insecure")
                    .arg(option("--secure-file-priv=", &at("files")));
                make_data(server, b"", &log, &context.cancel)?;
            }
        }
        let service = common(&installed.program)
            .arg(option("--socket=", &socket))
            .arg(option("--pid-file=", &at("pid")))
            .arg(option("--secure-file-priv=", &at("files")))
            .args(OPTIONS)
            .args(more);
        // Whatever the caller's environment and option files say, this is how this server is reached.
        std::fs::write(&options, "[client]\nprotocol=socket\nuser=root\npassword=\n")
            .map_err(Error::io("write", &options))?;
        let server = ServerClient::new(
            &ServerOptions {
                defaults_file: Some(options),
                host: Some("localhost".into()),
                socket: Some(socket.clone()),
                ..ServerOptions::default()
            },
            connector,
        )?;
        let place = home.path().to_owned();
        homes.push(home);
        let process = Some(service.service(&context.cancel)?);
        let database = manifest.database.clone().unwrap_or_default();
        let taken = database.is_empty() || TAKEN.iter().any(|name| name.eq_ignore_ascii_case(&database));
        let database = if taken { "fwb_drill".into() } else { database };
        let mut throwaway = Self { server, database, process, log, home: place, _homes: homes };
        throwaway.await_answer(&socket, &context.cancel)?;
        // As it writes the name, which may be in lower case.
        throwaway.database = throwaway.server.database_name(&throwaway.database, &context.cancel)?;
        Ok(throwaway)
    }

    /// Its directory, which is for this user alone and goes with it.
    pub(super) fn home(&self) -> &Path {
        &self.home
    }

    fn await_answer(&self, socket: &Path, cancel: &Cancel) -> Result<()> {
        let begun = Instant::now();
        loop {
            cancel.check()?;
            if let Some(death) = self.death() {
                return Err(death);
            }
            let answered = socket
                .exists()
                .then(|| self.server.query(None, Sql::Read("SELECT 1;"), "asking for an answer", cancel));
            match answered {
                Some(Ok(_)) => return Ok(()),
                Some(Err(error)) if begun.elapsed() > PATIENCE => return Err(no_start(error.to_string())),
                None if begun.elapsed() > PATIENCE => return Err(no_start("it does not answer".into())),
                _ => std::thread::sleep(PAUSE),
            }
        }
    }

    /// Why the server has ended; none while it runs.
    pub(super) fn death(&self) -> Option<Error> {
        if self.process.as_ref().is_some_and(Child::is_running) {
            return None;
        }
        Some(no_start(
            last_errors(&self.log).unwrap_or_else(|| "it has ended and its log does not say why".into()),
        ))
    }
}

/// The last that a server's log says of why it ended: an error, and of a server that was being made, the statement's.
fn last_errors(log: &Path) -> Option<String> {
    let log = std::fs::read(log).unwrap_or_default();
    let log = String::from_utf8_lossy(&log);
    let error = |line| {
        str::split_once(line, "[ERROR] ").map(|(_, why)| why).or(line.starts_with("ERROR: ").then_some(line))
    };
    let errors: Vec<&str> = log.lines().filter_map(error).collect();
    let last = errors[errors.len().saturating_sub(2)..].join("; ");
    (!last.is_empty()).then_some(last)
}

impl Drop for Throwaway {
    fn drop(&mut self) {
        let Some(process) = self.process.take() else { return };
        process.kill();
        if let Err(error) = process.wait() {
            log::warn!(code = crate::notice::DRILL.code; "{error}");
        }
    }
}

/// Removes what killed drills have left.
pub(super) fn sweep(base: &Path) {
    home::sweep(base);
    if base != Path::new("/tmp") {
        home::sweep(Path::new("/tmp"));
    }
}

/// Bytes of disk that a server may need for a backup, and so many bytes more.
pub(crate) fn space(manifest: &Manifest, more: u64) -> u64 {
    let raw_size = manifest.raw_size.unwrap_or_default();
    raw_size.saturating_mul(SPACE_FACTOR).saturating_add(SPACE_EMPTY).saturating_add(more)
}

/// Refuses what would fill the disk: a backup, and so many bytes more.
///
/// # Errors
/// [`Error::NoDrill`], or the directory cannot be examined.
pub(super) fn check_space(dir: &Path, manifest: &Manifest, more: u64) -> Result<()> {
    let stat = rustix::fs::statvfs(dir).map_err(|error| Error::io("examine", dir)(error.into()))?;
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    let needed = space(manifest, more);
    if free >= needed {
        return Ok(());
    }
    let mib = |bytes: u64| bytes >> 20;
    Err(Error::NoDrill {
        reason: format!(
            "it may need {} MiB in {}, where {} MiB are free",
            mib(needed),
            dir.display(),
            mib(free)
        ),
        remedy: "free some space there, or choose another place with --drill-dir".into(),
    })
}

/// What the program that makes the data and the server itself are both told. The server refuses to run as root unless
/// it is told so. A server that starts removes all temporary tables it finds in its directory for them: in one that it
/// shared it would remove those of others, and they its own.
fn common(program: Program, files: &[OsString], data: &Path, tmp: &Path, log: &Path) -> Program {
    let as_root = rustix::process::geteuid().is_root().then_some("--user=root");
    program
        .arg("--no-defaults")
        .args(files)
        .args(as_root)
        .arg(option("--datadir=", data))
        .arg(option("--tmpdir=", tmp))
        .arg(option("--log-error=", log))
}

fn make_data(maker: Program, sql: &[u8], log: &Path, cancel: &Cancel) -> Result<()> {
    let made = maker
        .args([
            "--innodb-flush-log-at-trx-commit=0",
            "--loose-innodb-doublewrite=OFF",
            "--loose-debug-no-sync",
        ])
        .run(sql, "making the data of a throwaway server", cancel);
    made.map(drop).map_err(|error| match cancel.explain(error.into()) {
        interrupted @ Error::Interrupted(_) => interrupted,
        other => no_start(match last_errors(log) {
            Some(why) => format!("{other}; {why}"),
            None => other.to_string(),
        }),
    })
}

fn no_start(reason: String) -> Error {
    Error::NoDrill {
        reason: format!("the throwaway server does not run: {reason}"),
        remedy: "fix the cause, or name a server to drill on with --drill-server".into(),
    }
}

/// An option whose value is a path.
pub(super) fn option(name: &str, path: &Path) -> OsString {
    let mut option = name.as_bytes().to_vec();
    option.extend_from_slice(path.as_os_str().as_bytes());
    std::os::unix::ffi::OsStringExt::from_vec(option)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_fill_the_disk_is_not_begun() {
        let of_size = |raw_size: u64| {
            let at = "2025-07-25T17:02:06+09:00";
            let manifest = serde_json::json!({
                "schema": "fwb/1", "name": "a.sql.gz", "kind": "full", "started_at": at, "finished_at": at,
                "raw_size": raw_size,
            });
            check_space(&std::env::temp_dir(), &Manifest::from_value(manifest).unwrap(), 0)
        };
        for too_much in [1 << 50, u64::MAX] {
            let error = of_size(too_much).unwrap_err();
            assert!(error.to_string().contains("MiB are free"), "{error}");
            assert!(error.hint().is_some_and(|hint| hint.contains("--drill-dir")));
        }
    }
}
