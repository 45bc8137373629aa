//! Many runs, many files, many nights.

use std::collections::BTreeMap;
use std::fs;
use std::process::{Child, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::{count, say, whole};
use crate::environment::Chance;
use crate::faults::{Holder, held_dump, peak};
use crate::support::{Database, Server, Store, Tool, bash, mariadb, name, until};

fn small(name: &str) -> Database {
    let database = Database::new(name);
    database.sql("CREATE TABLE nights (id INT PRIMARY KEY, d BLOB); INSERT INTO nights VALUES (0, RANDOM_BYTES(30000));");
    database
}

fn spawn(tool: Tool) -> Child {
    let mut command = tool.command();
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Schedules that overlap, retries, an operator by hand: one of them makes the backup, the others say at once that it is
/// being made.
#[test]
fn of_many_dumps_at_once_one_works_and_the_others_are_told() {
    let (database, store) = (small("crowd"), Store::new());
    let runs = if whole() { 50 } else { 15 };
    let held = Holder::new(Server::shared(), &database.name, "LOCK TABLES nights WRITE");
    let dump = || store.tool("fwb-dump").arg("-B").arg(&database.name);
    let mut crowd: Vec<Child> = (0..runs).map(|_| spawn(dump())).collect();
    let mut codes: Vec<Option<i32>> = Vec::new();
    until("the end of all but one", || {
        crowd.retain_mut(|child| match child.try_wait().unwrap() {
            Some(ended) => {
                codes.push(ended.code());
                false
            }
            None => true,
        });
        (crowd.len() == 1).then_some(())
    });
    assert_eq!(codes, vec![Some(4); runs - 1], "while one works");
    drop(held);
    assert_eq!(crowd[0].wait().unwrap().code(), Some(0));
    assert_eq!(store.names().len(), 2);
    count(
        "load",
        "dumps at once",
        &[("told to come again", u32::try_from(codes.len()).unwrap()), ("made", 1)],
    );
}

/// With `--lock-wait` all of them have their turn.
#[test]
fn of_many_dumps_that_wait_each_makes_its_backup() {
    let (database, store) = (small("queue"), Store::new());
    let runs = if whole() { 50 } else { 10 };
    let dump = || store.tool("fwb-dump").arg("--lock-wait").arg("-B").arg(&database.name);
    let crowd: Vec<Child> = (0..runs).map(|_| spawn(dump())).collect();
    for mut child in crowd {
        assert_eq!(child.wait().unwrap().code(), Some(0));
    }
    assert_eq!(store.names().len(), 2 * runs, "distinct names");
    let listed = store.tool("fwb-ls").run().ok();
    let proved = store.tool("fwb-verify").stdin(&listed.stdout).run().ok().records();
    assert!(proved.len() == runs && proved.iter().all(|dump| dump["verification"]["ok"] == true));
    // A signal ends the wait.
    let first = store.tool("fwb-dump").arg("-B").arg(&database.name);
    let (_held, mut holder) = held_dump(Server::shared(), &database.name, "nights", first);
    let waiting = [dump(), store.tool("fwb-prune").args(["--lock-wait", name(&proved[0])])];
    for mut child in waiting.map(spawn) {
        crate::faults::signal(child.id(), "TERM");
        let ended = child.wait().unwrap();
        // Before it listens, a signal ends it as any program.
        assert!(ended.code().is_none_or(|code| code == 143), "{ended}");
    }
    crate::faults::signal(holder.id(), "TERM");
    assert_eq!(holder.wait().unwrap().code(), Some(143));
    count("load", "dumps in turn", &[("made", u32::try_from(runs).unwrap())]);
}

/// Fills a store with so many files: backups of one database with their sidecars, some damaged, dumps of other programs,
/// and what people leave behind.
fn fill(store: &Store, dump: &Value, files: usize) {
    let artifact = fs::read(store.artifact(dump)).unwrap();
    let sidecar = store.read_sidecar(dump);
    // A file system has a limit on the names of one file.
    let mut source = store.artifact(dump);
    for number in 0..files / 10 {
        if number % 1000 == 0 {
            source = store.file(&format!("source {number}"));
            fs::write(&source, &artifact).unwrap();
        }
        for half in 0..4 {
            let at = chrono::Local::now()
                - chrono::TimeDelta::minutes(i64::try_from(number * 4 + half).unwrap() * 15);
            let name = format!("many_backup_{}.sql.gz", at.format("%Y%m%d_%H%M%S"));
            let mut older = sidecar.clone();
            older["name"] = name.clone().into();
            older["started_at"] = at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true).into();
            if fs::hard_link(&source, store.file(&name)).is_ok() {
                store.write(&format!("{name}.json"), older.to_string());
            }
        }
        store.write(&format!("old script {number}.sql.gz"), crate::support::gzip(b"-- MySQL dump\n"));
        store.write(&format!("notes {number}.txt"), "to be kept");
    }
}

/// Seconds of processor time that a line takes with all that it starts; how it ends does not matter.
fn cpu(store: &Store, line: &str) -> f64 {
    let script = format!("{{ {line}; }} > /dev/null 2> /dev/null || true; times");
    let timed = bash(&script).env("FWB_STORE", store.path()).run().ok().stdout_text();
    // The second line is that of the children: 0m0.012s 0m0.003s.
    let seconds = |figure: &str| {
        let (minutes, seconds) = figure.trim_end_matches('s').split_once('m').unwrap();
        60.0 * minutes.parse::<f64>().unwrap() + seconds.parse::<f64>().unwrap()
    };
    timed.lines().nth(1).expect("times").split(' ').map(seconds).sum()
}

/// Years of backups in one directory: every tool takes as long as there are files, and no more memory than a listing.
#[test]
fn a_store_of_very_many_files_is_as_quick_as_its_number() {
    let files = if whole() { 100_000 } else { 5_000 };
    let (database, few, many) = (small("many"), Store::new(), Store::new());
    for (store, files) in [(&few, files / 10), (&many, files)] {
        let dump = store.dump_verified(&database);
        fill(store, &dump, files);
    }
    let dump = format!("fwb-dump -B '{}'", database.name);
    let lines = [
        "fwb-ls",
        "fwb-ls --latest --verified --kind full --database many",
        "fwb-ls --format table",
        "fwb-ls | fwb-prune --dry-run --keep-days 30",
        dump.as_str(),
        "fwb-ls --max-age 26h --verified",
    ];
    for line in lines {
        let (small, large) = (cpu(&few, line), cpu(&many, line));
        // Ten times as many files, twice that for noise; what takes no time at all is not measured.
        assert!(large <= 20.0 * small.max(0.03), "{line}: {small} s, and {large} s for ten times as many");
        say(&format!("torture: load: {line}: {small:.2} s, {large:.2} s of {files} files"));
    }
    let listing = peak(many.tool("fwb-ls").arg("--latest").args(["--database", &database.name]));
    let most = (16 << 10) + files as u64;
    assert!(listing < most, "{listing} KiB, and a KiB for each file would be {most}");
    let pruned = bash(
        "fwb-ls 2> /dev/null | fwb-prune --keep-days 10 2> /dev/null | jq -r .decision.action | sort | uniq -c",
    );
    let pruned = pruned.env("FWB_STORE", many.path()).run().stdout_text();
    assert!(pruned.contains("delete") && pruned.contains("keep"), "{pruned}");
    count("load", "files in a store", &[("files", u32::try_from(files).unwrap())]);
}

/// Years of nights, with machines that lose power at any moment: what is listed at the end is worth what it says.
#[test]
fn after_many_nights_with_kills_every_backup_restores() {
    let rounds = if whole() { 500 } else { 15 };
    let (database, store) = (small("nights"), Store::new());
    let mut chance = Chance::new(500);
    // What the database was when a dump was first seen.
    let mut shown: BTreeMap<String, String> = BTreeMap::new();
    let dump = || store.tool("fwb-dump").arg("-B").arg(&database.name);
    let begun = std::time::Instant::now();
    let first = dump().run().ok().json();
    let usual = begun.elapsed();
    shown.insert(sql_of(&first), database.content());
    let mut kills = 0;
    for round in 1..=rounds {
        database.sql(format!("INSERT INTO nights VALUES ({round}, RANDOM_BYTES(5000)); DELETE FROM nights WHERE id < {round} - 40;"));
        let content = database.content();
        for step in ["dump", "verify", "prune"] {
            let listed = bash("fwb-ls").env("FWB_STORE", store.path()).run();
            assert!(matches!(listed.code, Some(0)), "round {round}: {}", listed.stderr);
            for record in listed.records() {
                shown.entry(sql_of(&record)).or_insert_with(|| content.clone());
            }
            let names: Vec<String> = listed.records().iter().map(|record| name(record).to_owned()).collect();
            let tool = match step {
                "dump" => dump(),
                "verify" => store.tool("fwb-verify").args(names.iter().rev().take(2)),
                _ => store
                    .tool("fwb-prune")
                    .args(["--keep-days", "0", "--keep-last", "12", "--min-keep", "2"])
                    .args(&names),
            };
            let strikes = chance.fraction() < 0.4;
            let after = usual.mul_f64(chance.fraction() * 1.2);
            if !strikes {
                tool.run().ok();
            } else if killed(tool, after) {
                kills += 1;
            }
        }
        // What this round has made shows the database as it is now.
        for record in store.tool("fwb-ls").run().ok().records() {
            shown.entry(sql_of(&record)).or_insert_with(|| content.clone());
        }
    }
    let listed = store.tool("fwb-ls").run().ok();
    let proved = store.tool("fwb-verify").stdin(&listed.stdout).run().ok().records();
    assert!(proved.len() >= 2, "{}", listed.stdout_text());
    for record in &proved {
        let copy = Database::new("nights_copy");
        let sql = store.tool("fwb-restore").args([name(record), "--stdout"]).run().ok();
        let cnf = crate::support::Server::shared().defaults_file();
        mariadb(&cnf, &[&format!("--database={}", copy.name)]).stdin(&sql.stdout).run().ok();
        assert!(copy.content() == shown[&sql_of(record)], "{}", name(record));
    }
    store.tool("fwb-verify").args(["--level", "drill", name(&proved[0])]).run().ok();
    dump().run().ok();
    assert!(store.names().iter().all(|name| !name.starts_with('.')), "{:?}", store.names());
    let restored = u32::try_from(proved.len()).unwrap();
    count("load", "soak", &[("rounds", rounds), ("kills", kills), ("backups restored", restored)]);
}

/// The dump that a backup holds. Where many are made within a second their names run ahead of the clock, and one that was
/// pruned may be given again.
fn sql_of(manifest: &Value) -> String {
    manifest["raw_sha256"].as_str().unwrap().to_owned()
}

/// Runs a tool and kills it after a while; whether that came in time.
fn killed(tool: Tool, after: Duration) -> bool {
    let mut child = spawn(tool);
    std::thread::sleep(after);
    child.kill().unwrap();
    child.wait().unwrap().code().is_none()
}
