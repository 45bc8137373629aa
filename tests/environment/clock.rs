//! Clocks that are wrong, are set, or jump.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde_json::Value;
use tempfile::TempDir;

use crate::faults::held_dump;
use crate::support::{Database, Server, Store, Tool, name};

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

/// The wall clock of the tools that are told of it.
pub(crate) struct Clock {
    dir: TempDir,
}

impl Clock {
    /// So many seconds from the real time.
    pub(crate) fn off_by(seconds: i64) -> Self {
        let clock = Self { dir: tempfile::Builder::new().prefix("fwb-clock-").tempdir().unwrap() };
        clock.set_off_by(seconds);
        clock
    }

    /// It stands still, so many seconds after 1970.
    pub(crate) fn at(seconds: i64) -> Self {
        let clock = Self::off_by(0);
        clock.stop_at(seconds);
        clock
    }

    pub(crate) fn set_off_by(&self, seconds: i64) {
        self.set(&format!("{seconds:+}"));
    }

    pub(crate) fn stop_at(&self, seconds: i64) {
        self.set(&format!("={seconds}"));
    }

    /// At once, as the tools may look at any time.
    fn set(&self, text: &str) {
        let new = self.dir.path().join("new");
        fs::write(&new, text).unwrap();
        fs::rename(new, self.file()).unwrap();
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("clock")
    }

    /// A tool that goes by this clock.
    pub(crate) fn tool(&self, tool: Tool) -> Tool {
        tool.env("LD_PRELOAD", library()).env("FWB_TEST_CLOCK", self.file())
    }

    fn dump(&self, store: &Store, database: &Database) -> Value {
        self.tool(store.tool("fwb-dump").arg("-B").arg(&database.name)).run().ok().json()
    }
}

/// The preloaded library, compiled by the first that asks.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("clock-{}.so", std::process::id()));
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/environment/clock.c");
        Tool::program("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(source).run().ok();
        library
    })
}

fn small(name: &str) -> Database {
    let database = Database::new(name);
    database.sql("CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (1);");
    database
}

fn latest(clock: &Clock, store: &Store) -> crate::support::Output {
    clock.tool(store.tool("fwb-ls").args(["--latest", "--verified"])).run().ok()
}

/// Two backups of one second that shared a name would be one backup.
#[test]
fn runs_in_one_second_do_not_collide() {
    let (database, store) = (small("second"), Store::new());
    let clock = Clock::at(1_774_000_000);
    let dumps: Vec<Value> = (0..4).map(|_| clock.dump(&store, &database)).collect();
    let mut names: Vec<&str> = dumps.iter().map(name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!((names.len(), store.names().len()), (4, 8));
    assert!(dumps.iter().all(|dump| dump["started_at"] == dumps[0]["started_at"]), "what the clock said");
    let verified = clock.tool(store.tool("fwb-verify").args(&names)).run().ok();
    assert_eq!(verified.records().len(), 4);
    // Their names tell their order, where the clock does not.
    assert_eq!(name(&latest(&clock, &store).json()), name(&dumps[3]));
}

/// A clock set back must not make a backup overwrite, or hide behind, the one before it.
#[test]
fn a_clock_set_back_between_two_dumps_costs_neither() {
    for back in [1, HOUR, 3 * DAY, 20 * 365 * DAY] {
        let (database, store, clock) = (small("back"), Store::new(), Clock::off_by(0));
        let first = clock.dump(&store, &database);
        clock.set_off_by(-back);
        let second = clock.dump(&store, &database);
        assert_ne!(name(&first), name(&second));
        clock.tool(store.tool("fwb-verify").args([name(&first), name(&second)])).run().ok();
        let listed = clock.tool(store.tool("fwb-ls")).run().ok();
        assert_eq!(listed.records().len(), 2);
        let prune = clock.tool(store.tool("fwb-prune").args(["--keep-days", "7"])).stdin(&listed.stdout);
        prune.run().ok();
        assert!(store.holds(name(&first)) && store.holds(name(&second)), "set back by {back} s");
    }
}

/// One night's wrong date once stood for years as the newest backup: restores brought back old data.
#[test]
fn a_backup_from_the_future_does_not_pass_for_the_newest() {
    let (database, store, clock) = (small("future"), Store::new(), Clock::off_by(400 * DAY));
    let wrong = clock.dump(&store, &database);
    clock.tool(store.tool("fwb-verify").arg(name(&wrong))).run().ok();
    clock.set_off_by(0);
    let only = latest(&clock, &store);
    assert_eq!(name(&only.json()), name(&wrong), "where there is no other");
    let right = clock.dump(&store, &database);
    clock.tool(store.tool("fwb-verify").arg(name(&right))).run().ok();
    let newest = latest(&clock, &store);
    assert_eq!(name(&newest.json()), name(&right));
    assert!(newest.stderr.contains(name(&wrong)) && newest.stderr.contains("future"), "{}", newest.stderr);
    clock.tool(store.tool("fwb-ls").args(["--max-age", "26h"])).run().ok();
    clock.set_off_by(2 * DAY);
    clock.tool(store.tool("fwb-ls").args(["--max-age", "26h"])).run().fails(3, &["fresh"]);
}

/// Retention counts backups; those from the future must not count in place of tonight's, which would go at once.
#[test]
fn backups_from_the_future_do_not_push_out_those_of_today() {
    let rules: [&[&str]; 4] =
        [&["--keep-last", "2"], &["--keep-daily", "2"], &["--keep-monthly", "2"], &["--keep-days", "2"]];
    for rule in rules {
        let (database, store, clock) = (small("pushed"), Store::new(), Clock::off_by(0));
        let mut future = Vec::new();
        for days in [400, 440, 480] {
            clock.set_off_by(days * DAY);
            future.push(clock.dump(&store, &database));
        }
        clock.set_off_by(0);
        let today = clock.dump(&store, &database);
        let all = clock.tool(store.tool("fwb-ls")).run().ok();
        clock.tool(store.tool("fwb-verify")).stdin(&all.stdout).run().ok();
        let policy = if rule[0] == "--keep-days" { &[][..] } else { &["--keep-days", "0"] };
        let prune = store.tool("fwb-prune").args(policy).args(rule).stdin(&all.stdout);
        clock.tool(prune).run().ok();
        assert!(store.holds(name(&today)), "{rule:?}");
    }
}

/// A clock that is set while a tool runs, as at boot or by a virtual machine that wakes up.
#[test]
fn a_clock_that_jumps_during_a_dump_does_no_harm() {
    let database = small("jump");
    for jump in [-30 * 365 * DAY, -HOUR, HOUR, 30 * 365 * DAY] {
        let (store, clock) = (Store::new(), Clock::off_by(0));
        let dump = clock.tool(store.tool("fwb-dump").arg("-B").arg(&database.name));
        let (held, dump) = held_dump(Server::shared(), &database.name, "t", dump);
        clock.set_off_by(jump);
        drop(held);
        let dump: Value = serde_json::from_slice(&dump.wait_with_output().unwrap().stdout).unwrap();
        clock.tool(store.tool("fwb-verify").arg(name(&dump))).run().ok();
        clock.set_off_by(0);
        store.tool("fwb-ls").args(["--verified"]).run().ok().json();
        let restored = store.tool("fwb-restore").arg("--yes").stdin(dump.to_string()).run().ok().json();
        assert_eq!(restored["backup"], dump["name"], "{jump}");
    }
}

/// Dates at the ends of what clocks can show.
#[test]
fn any_date_that_a_clock_shows_makes_a_backup() {
    let database = small("dates");
    for at in [0, 1, i64::from(i32::MAX), i64::from(i32::MAX) + 1, i64::from(u32::MAX) + 1, 253_402_300_799] {
        let (store, clock) = (Store::new(), Clock::at(at));
        let dump = clock.dump(&store, &database);
        clock.tool(store.tool("fwb-verify").arg(name(&dump))).run().ok();
        assert_eq!(name(&latest(&clock, &store).json()), name(&dump), "at {at}");
    }
}
