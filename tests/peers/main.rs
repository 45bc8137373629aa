//! MariaDB's own test cases, run against a server of ours by its own `mysqltest`. Whenever a case is about to drop what it
//! has made, it is held for a moment: all that there is is dumped, verified, restored into a second server and compared.
//!
//! `make peers` runs it; `scripts/bootstrap.sh peers` brings the cases. It is no part of `make test`.

#![allow(clippy::print_stdout, reason = "the table is for whoever runs it")]

mod case;
mod checkpoint;
mod databases;
mod relay;
#[allow(dead_code, unused_imports, reason = "made for the integration tests")]
#[path = "../support/mod.rs"]
mod support;

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use case::{Case, Ended};
use checkpoint::Verdict;

/// The suites whose cases make tables, views and programs; the others are about replication, or the server's own files.
const SUITES: [&str; 27] = [
    "main",
    "archive",
    "compat/oracle",
    "csv",
    "engines/funcs",
    "engines/iuds",
    "funcs_1",
    "gcol",
    "handler",
    "heap",
    "innodb",
    "innodb_fts",
    "innodb_gis",
    "innodb_zip",
    "jp",
    "json",
    "maria",
    "optimizer_unfixed_bugs",
    "parts",
    "period",
    "plugins",
    "roles",
    "sql_sequence",
    "stress",
    "sysschema",
    "vcol",
    "versioning",
];

/// What a case includes, or does, that needs what is not here: another server, a debug build, a restart, long hours.
const BEYOND: [&str; 22] = [
    "master-slave.inc",
    "have_debug",
    "big_test",
    "have_valgrind",
    "restart_mysqld",
    "shutdown_server",
    "kill_mysqld",
    "wait_until_disconnected",
    "wait_until_connected_again",
    "have_ssl",
    "have_binlog_format",
    "have_log_bin",
    "windows.inc",
    "have_perfschema",
    "MYSQL_UPGRADE",
    "MYSQL_SLAP",
    "MYSQL_CLIENT_TEST",
    "MYSQLD_CMD",
    "start_mysqld",
    "kill_and_restart",
    "have_rocksdb",
    "galera",
];

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let suites = suites(&root.join("target/tools"));
    let wanted: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let cases = cases(&suites, &wanted);
    assert!(!cases.is_empty(), "no case is called {wanted:?}");
    let out = root.join("target/peers");
    fs::remove_dir_all(&out).ok();
    fs::create_dir_all(&out).expect("target/peers");
    let (queue, results) = (Mutex::new(VecDeque::from(cases)), Mutex::new(Vec::new()));
    let workers = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for worker in 0..workers {
            let (queue, results, suites, out) = (&queue, &results, &suites, &out);
            scope.spawn(move || {
                let mut place = case::Place::new(worker, suites, out);
                loop {
                    let Some(case) = queue.lock().unwrap().pop_front() else { return };
                    let (ended, verdicts) = place.run(&case);
                    println!("{}", line(&case, &ended, &verdicts));
                    results.lock().unwrap().push((case, ended, verdicts));
                }
            });
        }
    });
    let wrong = report(&results.into_inner().unwrap());
    std::process::exit(i32::from(wrong > 0));
}

/// Where the cases are: of the version that runs.
fn suites(tools: &Path) -> PathBuf {
    let version =
        support::Tool::program("mariadbd").args(["--no-defaults", "--version"]).run().ok().stdout_text();
    let version = version.split_whitespace().nth(2).expect("a version");
    let suites = tools.join(format!("mysql-test-{version}"));
    assert!(suites.is_dir(), "{} is not there: run scripts/bootstrap.sh peers", suites.display());
    suites
}

/// The cases that can run here, or those of them that are asked for: by name, or by suite.
fn cases(suites: &Path, wanted: &[String]) -> Vec<Case> {
    let mut cases = Vec::new();
    for suite in SUITES {
        let base = suites.join("share/mysql/mysql-test");
        let dirs =
            [base.join(suite), base.join("suite").join(suite), base.join("suite").join(suite).join("t")];
        let files = dirs.iter().filter_map(|dir| fs::read_dir(dir).ok()).flatten();
        let mut files: Vec<PathBuf> = files.map(|file| file.expect("a file").path()).collect();
        files.sort();
        for file in files.into_iter().filter(|file| file.extension().is_some_and(|is| is == "test")) {
            let name = format!("{suite}/{}", file.file_stem().expect("a name").display());
            let asked = |wanted: &String| name == *wanted || name.starts_with(&format!("{wanted}/"));
            let text = fs::read(&file).unwrap_or_default();
            let text = String::from_utf8_lossy(&text);
            let beyond = BEYOND.iter().any(|word| text.contains(word));
            if (wanted.is_empty() || wanted.iter().any(asked)) && !beyond {
                cases.push(Case { name, file });
            }
        }
    }
    cases
}

fn line(case: &Case, ended: &Ended, verdicts: &[Verdict]) -> String {
    let mut counts = BTreeMap::<&str, u32>::new();
    for verdict in verdicts {
        *counts.entry(verdict.word()).or_default() += 1;
    }
    let counts: Vec<String> = counts.iter().map(|(word, count)| format!("{count} {word}")).collect();
    format!("{:44} {:9} {}", case.name, ended.word(), counts.join(", "))
}

/// Prints the table, and what was wrong; returns how many cases are.
fn report(results: &[(Case, Ended, Vec<Verdict>)]) -> usize {
    let (mut cases, mut checkpoints) = (BTreeMap::<&str, u32>::new(), BTreeMap::<&str, u32>::new());
    let mut reasons = BTreeMap::<&str, u32>::new();
    for (_, ended, verdicts) in results {
        let worst = verdicts.iter().max().map_or("nothing to look at", Verdict::word);
        *cases.entry(if *ended == Ended::Skipped { "skipped" } else { worst }).or_default() += 1;
        for verdict in verdicts {
            *checkpoints.entry(verdict.word()).or_default() += 1;
            if let Verdict::Refused(why) = verdict {
                *reasons.entry(why).or_default() += 1;
            }
        }
    }
    println!(
        "\n{} cases: {cases:?}\n{} checkpoints: {checkpoints:?}",
        results.len(),
        checkpoints.values().sum::<u32>()
    );
    for (why, times) in reasons {
        println!("refused at the dump, {times} times: {why}");
    }
    let wrong = results.iter().filter(|(_, _, verdicts)| verdicts.iter().any(Verdict::is_wrong));
    wrong
        .inspect(|(case, _, verdicts)| {
            for verdict in verdicts {
                if let Verdict::Wrong { what, place } = verdict {
                    println!("wrong: {}: {what}: {}", case.name, place.display());
                }
            }
        })
        .count()
}
