//! Much of everything: backups in a store, tables in a database, bytes in a row. It takes its time, but memory stays what
//! it is with little.

use std::fs::{self, File};
use std::io::Read;
use std::process::Stdio;
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Database, Server, Store, Tool, name, peak_memory};

/// What no tool ever takes more than, in KiB.
const MOST: u64 = 96 << 10;

/// A server without a log of what is written, for much that is written.
fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::private("scale", &["--skip-log-bin", "--innodb-log-file-size=256M"]))
}

/// A tool that knows this server.
fn tool(name: &str, store: &Store) -> Tool {
    Tool::alone(name).env("FWB_DEFAULTS_FILE", server().defaults_file()).arg("--store").arg(store.path())
}

/// Runs a tool to its success. Returns what it printed and the most memory that it had, in KiB (proc(5), `VmHWM`): its
/// own, because the dump program holds the longest row in memory whoever runs it.
#[track_caller]
fn measured(tool: Tool) -> (Vec<u8>, u64) {
    let mut command = tool.command();
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let reader = std::thread::spawn(move || {
        let mut all = Vec::new();
        stdout.read_to_end(&mut all).map(|_| all).unwrap()
    });
    let mut most = 0;
    let ended = loop {
        most = most.max(peak_memory(&child).unwrap_or_default());
        if let Some(ended) = child.try_wait().unwrap() {
            break ended;
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    assert!(ended.success(), "{command:?}: {ended}");
    assert!(most > 0, "{command:?} was seen");
    (reader.join().unwrap(), most)
}

/// As [`measured`], with the promise about memory held; the one record that was printed.
#[track_caller]
fn frugal(tool: Tool) -> Value {
    let (stdout, most) = measured(tool);
    assert!(most < MOST, "{most} KiB");
    serde_json::from_slice(&stdout).unwrap()
}

/// A store with this many proved backups of 30 sections, an hour apart, oldest first; their names, and what is in their
/// sidecars. They are only to be listed: their artifacts are nothing but their size.
fn full_store(count: usize) -> (Store, Vec<(String, Value)>) {
    let (store, database) = (Store::new(), Database::sample("scale_ls"));
    let template = store.dump_verified(&database);
    let mut sidecar = store.read_sidecar(&template);
    for file in [store.artifact(&template), store.sidecar(&template)] {
        fs::remove_file(file).unwrap();
    }
    let table = sidecar["sections"].as_array().unwrap().iter().find(|section| section["kind"] == "table");
    let table = table.unwrap().clone();
    let sections = (0..30).map(|number| {
        let mut section = table.clone();
        section["name"] = json!(format!("파일_{number}"));
        section
    });
    sidecar["sections"] = sections.collect();
    // The newest is half an hour old.
    let hours = i64::try_from(count).unwrap();
    let first = chrono::Local::now() - chrono::TimeDelta::minutes(60 * hours - 30);
    let backups = (0..count).map(|number| {
        let at = first + chrono::TimeDelta::hours(i64::try_from(number).unwrap());
        let name = format!("scale_backup_{}.sql.gz", at.format("%Y%m%d_%H%M%S"));
        sidecar["name"] = json!(name);
        sidecar["started_at"] = json!(at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true));
        File::create(store.file(&name)).unwrap().set_len(sidecar["size"].as_u64().unwrap()).unwrap();
        store.write(&format!("{name}.json"), sidecar.to_string());
        (name, sidecar.clone())
    });
    let backups = backups.collect();
    (store, backups)
}

#[test]
fn thousands_of_backups_are_listed_whole_and_in_little_memory() {
    let (store, mut backups) = full_store(2000);
    // Written in another way, and by a later version: they are told like the others.
    store.write(&format!("{}.json", backups[7].0), serde_json::to_string_pretty(&backups[7].1).unwrap());
    backups[8].1["later"] = json!({"line": "\u{9b}2J"});
    store.write(&format!("{}.json", backups[8].0), backups[8].1.to_string());

    let list = |arguments: &[&str]| measured(store.tool("fwb-ls").args(arguments));
    let (stdout, most) = list(&[]);
    assert!(most < MOST / 3, "{most} KiB");
    assert!(!String::from_utf8_lossy(&stdout).contains('\u{9b}'), "nothing that drives a terminal");
    let records = stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let records: Vec<Value> = records.map(|line| serde_json::from_slice(line).unwrap()).collect();
    assert_eq!(records.len(), backups.len());
    for (mut record, (_, sidecar)) in records.into_iter().zip(&backups) {
        assert_eq!(record.as_object_mut().unwrap().remove("store").unwrap(), store.path().to_str().unwrap());
        assert_eq!(record, *sidecar);
    }

    let (stdout, most) = list(&["--format", "table"]);
    assert!(most < MOST / 3, "{most} KiB");
    let table = String::from_utf8(stdout).unwrap();
    let rows = 30 * backups[0].1["sections"][0]["rows"].as_u64().unwrap();
    assert_eq!(
        table.lines().filter(|line| line.contains(&format!("  {rows}  proved (full, "))).count(),
        2000
    );
    assert!(table.lines().last().unwrap().starts_with("2,000 backups, "), "{table:.200}");

    let candidates: Vec<u8> = list(&[]).0;
    let pruned = store.tool("fwb-prune").arg("--dry-run").stdin(candidates).run().ok().records();
    let names: Vec<&str> = pruned.iter().map(name).collect();
    assert_eq!(names, backups.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>());
    let deleted = pruned.iter().filter(|record| record["decision"]["action"] == "delete").count();
    assert_eq!(deleted, 2000 - 7 * 24, "all that are older than a week");
}

#[test]
fn a_thousand_tables_come_back() {
    let store = Store::new();
    let tables = |number: usize| {
        format!(
            "CREATE TABLE t{number:04} (id INT PRIMARY KEY, name VARCHAR(200) COMMENT '이름', KEY (name)) \
             COMMENT='{number}'; INSERT INTO t{number:04} SELECT seq, CONCAT('행 ', seq) FROM seq_1_to_5;\n"
        )
    };
    let sql: String = (0..1000).map(tables).collect();
    server().sql(format!("CREATE DATABASE many_tables; USE many_tables;\n{sql}"));
    let manifest = frugal(tool("fwb-dump", &store).args(["-B", "many_tables"]));
    let core = serde_json::to_vec(&manifest["sections"]).unwrap();
    assert!(core.len() > 2 * 60_000, "the footer takes several pieces");
    let backup = name(&manifest);
    frugal(tool("fwb-verify", &store).arg(backup));
    // Without its sidecar the artifact still knows all of them.
    fs::remove_file(store.sidecar(&manifest)).unwrap();
    let (stdout, most) = measured(tool("fwb-ls", &store).args(["--tables", "--format", "table"]));
    assert!(most < MOST, "{most} KiB");
    assert_eq!(
        String::from_utf8(stdout).unwrap().lines().filter(|line| line.starts_with("table ")).count(),
        1000
    );
    let restore = || tool("fwb-restore", &store).arg(backup).args(["--database", "many_again"]);
    frugal(restore().arg("--dry-run"));
    frugal(restore().arg("--yes"));
    let state = |database: &str| {
        let checksums =
            (0..1000).map(|number| format!("{database}.t{number:04}")).collect::<Vec<_>>().join(", ");
        server().query(format!("CHECKSUM TABLE {checksums}")).replace(database, "")
    };
    assert_eq!(state("many_tables"), state("many_again"));
}

#[test]
fn a_row_of_64_mib_comes_back_through_little_memory() {
    let store = Store::new();
    server().sql(
        "CREATE DATABASE large_rows; USE large_rows;
         CREATE TABLE blobs (id INT PRIMARY KEY, data LONGBLOB NOT NULL);
         INSERT INTO blobs SELECT 1, REPEAT((SELECT GROUP_CONCAT(UNHEX(SHA2(seq, 512)) SEPARATOR '') FROM seq_1_to_8192), 128);
         INSERT INTO blobs SELECT 2, REVERSE(data) FROM blobs;",
    );
    let state = |database: &str| {
        server().query(format!(
            "SELECT id, LENGTH(data) >> 20, SHA2(data, 256) FROM {database}.blobs ORDER BY id"
        ))
    };
    assert!(state("large_rows").starts_with("1\t64\t"), "{}", state("large_rows"));
    let manifest = frugal(tool("fwb-dump", &store).args(["-B", "large_rows"]));
    assert!(manifest["largest_statement"].as_u64().unwrap() > 128 << 20, "hexadecimal digits, two a byte");
    frugal(tool("fwb-verify", &store).arg(name(&manifest)));
    let restore = || tool("fwb-restore", &store).arg(name(&manifest));
    let (sql, most) = measured(restore().arg("--stdout"));
    assert!(most < MOST, "{most} KiB");
    assert_eq!(sql.len() as u64, manifest["raw_size"].as_u64().unwrap());
    frugal(restore().args(["--database", "large_again", "--yes"]));
    assert_eq!(state("large_rows"), state("large_again"));
}
