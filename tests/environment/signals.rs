//! Signals at any time, to any tool.

use std::fs;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Before, Database, Store, Tool, bash, name, until};
use crate::torture;

/// Each signal, and the exit codes that it may lead to. Nobody may be ended by a reader who has left.
const SIGNALS: [(&str, i32); 4] = [("TERM", 143), ("INT", 130), ("HUP", 129), ("PIPE", 0)];

/// Numbers that look random and are the same each time (the generator of Numerical Recipes, "ranqd1").
pub(crate) struct Chance(u32);

impl Chance {
    pub(crate) fn new(seed: u32) -> Self {
        Self(seed)
    }

    /// From 0 to 1.
    pub(crate) fn fraction(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(self.0 >> 8) / f64::from(1_u32 << 24)
    }
}

/// Processes that carry this mark in their environment (proc(5)).
fn marked(mark: &str) -> Vec<String> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let carries = |dir: &std::path::Path| {
        let environment = fs::read(dir.join("environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes())
    };
    let found = entries.map(|entry| entry.path()).filter(|dir| carries(dir));
    found.map(|dir| fs::read_to_string(dir.join("cmdline")).unwrap_or_default()).collect()
}

/// Runs a tool, sends the signal to its process group after a while, and returns how it ended. Nothing that it has
/// started is left then.
pub(crate) fn strike(tool: Tool, after: Duration, sent: &str) -> ExitStatus {
    let mark = format!("struck-{}-{:?}", std::process::id(), Instant::now());
    let mut command = tool.env("FWB_TEST_MARK", &mark).command();
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
    let mut child = command.spawn().unwrap();
    std::thread::sleep(after);
    if child.try_wait().unwrap().is_none() {
        // It may have ended by itself meanwhile.
        Tool::program("kill").args(["-s", sent, "--", &format!("-{}", child.id())]).run();
    }
    let ended = child.wait().unwrap();
    let mark = format!("FWB_TEST_MARK={mark}");
    until("the end of everything that was started", || marked(&mark).is_empty().then_some(()));
    ended
}

/// How long a tool takes that nobody disturbs.
fn whole_time(tool: Tool) -> Duration {
    let begun = Instant::now();
    tool.run().ok();
    begun.elapsed()
}

/// Whether it ended as the signal says, or had come to a good end before. Before a tool listens, a signal ends it as
/// any program.
#[track_caller]
fn ended_well(ended: ExitStatus, (sent, expected): (&str, i32)) -> bool {
    let by_default = ended.signal().is_some_and(|number| [1, 2, 13, 15].contains(&number));
    assert!(by_default || [Some(0), Some(expected)].contains(&ended.code()), "SIG{sent}: {ended}");
    ended.success()
}

/// Strikes a tool at moments all over its run, with each signal in turn.
fn strikes(what: &str, whole: Duration, mut round: impl FnMut(Duration, (&str, i32)) -> bool) {
    let rounds = if torture::whole() { 120 } else { 8 };
    let mut chance = Chance::new(2_026);
    let (mut interrupted, mut done) = (0, 0);
    for number in 0..rounds {
        let after = whole.mul_f64(chance.fraction() * 1.1);
        if round(after, SIGNALS[number % SIGNALS.len()]) {
            done += 1;
        } else {
            interrupted += 1;
        }
    }
    torture::count("signals", what, &[("interrupted", interrupted), ("came to their end", done)]);
}

fn random(name: &str, rows: u32) -> Database {
    let database = Database::sample(name);
    database.sql(format!("CREATE TABLE large (id INT PRIMARY KEY, d BLOB); INSERT INTO large SELECT seq, RANDOM_BYTES(1000) FROM seq_1_to_{rows};"));
    database
}

/// A node that is drained ends pods at any moment: there is a backup then or there is none, and the next run works.
#[test]
fn a_dump_that_is_struck_at_any_time_is_whole_or_nothing() {
    let (database, store) = (random("struck", 6000), Store::new());
    let dump = || store.tool("fwb-dump").arg("-B").arg(&database.name);
    let whole = whole_time(dump());
    strikes("dump", whole, |after, sent| {
        let names = store.names();
        let done = ended_well(strike(dump(), after, sent.0), sent);
        let new: Vec<String> = store.names().into_iter().filter(|name| !names.contains(name)).collect();
        assert_eq!(new.len(), if done { 2 } else { 0 }, "{sent:?}: {new:?}");
        if done {
            store.tool("fwb-verify").arg(&new[0]).run().ok();
        }
        done
    });
    dump().run().ok();
}

/// An outcome is in the manifest or it is not, and the manifest is there in any case.
#[test]
fn a_verification_that_is_struck_at_any_time_costs_no_manifest() {
    let (database, store) = (random("struck_verify", 9000), Store::new());
    let dump = store.dump(&database);
    for level in ["full", "drill"] {
        let sidecar = fs::read(store.sidecar(&dump)).unwrap();
        let verify = || store.tool("fwb-verify").args(["--level", level, name(&dump)]);
        let whole = whole_time(verify());
        strikes(&format!("verify --level {level}"), whole, |after, sent| {
            fs::write(store.sidecar(&dump), &sidecar).unwrap();
            let done = ended_well(strike(verify(), after, sent.0), sent);
            let now = store.read_sidecar(&dump);
            assert_eq!(now["sha256"], dump["sha256"]);
            assert!(!done || now["verification"]["level"] == level, "{now}");
            assert_eq!(store.names().len(), 2, "{sent:?}");
            done
        });
    }
}

/// What has gone is gone whole, and what was to stay is there.
#[test]
fn a_prune_that_is_struck_at_any_time_leaves_whole_backups() {
    let (database, store) = (random("struck_prune", 100), Store::new());
    let dump = store.dump_verified(&database);
    let prune = || {
        let all = store.tool("fwb-ls").run().ok();
        let names = all.records().iter().map(|record| name(record).to_owned()).collect::<Vec<_>>();
        store.tool("fwb-prune").args(["--keep-days", "0", "--keep-last", "5"]).args(names)
    };
    let fill = || (1..60).for_each(|hours| drop(store.aged(&dump, hours)));
    fill();
    let whole = whole_time(prune());
    strikes("prune", whole, |after, sent| {
        fill();
        let done = ended_well(strike(prune(), after, sent.0), sent);
        store.tool("fwb-ls").run().ok();
        let names = store.names();
        assert!(names.len() >= 10 && names.len() % 2 == 0, "{sent:?}: {}", names.len());
        assert!(store.holds(name(&dump)) && !(done && names.len() != 10), "{sent:?}");
        done
    });
}

/// Whoever ends a restore has the database that was there, or the one that was to come.
#[test]
fn a_restore_that_is_struck_at_any_time_leaves_one_of_two_databases() {
    for strategy in ["swap", "in-place"] {
        let (database, store) = (random("struck_restore", 2000), Store::new());
        let old = store.dump_verified(&database);
        let content = database.content();
        let restore =
            |dump: &Value| store.tool("fwb-restore").args(["--yes", "--strategy", strategy, name(dump)]);
        database.sql("UPDATE settings SET value = 'changed'; CREATE TABLE added (id INT PRIMARY KEY);");
        let new = store.dump_verified(&database);
        let before = Before::new(&database);
        let whole = whole_time(restore(&old));
        restore(&new).run().ok();
        strikes(&format!("restore --strategy {strategy}"), whole, |after, sent| {
            let done = ended_well(strike(restore(&old), after, sent.0), sent);
            let is_restored = database.content() == content;
            assert_eq!(is_restored, done, "{sent:?}");
            if is_restored {
                restore(&new).run().ok();
            }
            done
        });
        before.holds(strategy);
        let names = store.names();
        assert!(names.iter().all(|name| !name.starts_with('.')), "{names:?}");
    }
}

/// The nightly chain is ended as a whole, by the terminal or by the kubelet.
#[test]
fn a_pipeline_that_is_struck_at_any_time_leaves_whole_backups() {
    let (database, store) = (random("struck_chain", 3000), Store::new());
    let chain = || {
        let line = r#"fwb-dump -s "$STORE" -B "$DB" | fwb-verify && fwb-ls -s "$STORE" | fwb-prune --keep-days 0 --keep-last 3"#;
        bash(line).env("STORE", store.path()).env("DB", &database.name)
    };
    let whole = whole_time(chain());
    strikes("dump | verify && ls | prune", whole, |after, sent| {
        let ended = strike(chain(), after, sent.0);
        let names = store.names();
        assert!(names.iter().all(|name| !name.starts_with('.')), "{sent:?}: {names:?}");
        assert!(names.len() % 2 == 0, "{sent:?}: {names:?}");
        store.tool("fwb-ls").run().ok();
        ended.success()
    });
    let all = store.tool("fwb-ls").run().ok();
    store.tool("fwb-verify").stdin(&all.stdout).run().ok();
}
