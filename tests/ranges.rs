//! Large tables are read in ranges of their keys by several connections: no row is lost, none comes twice, whatever the
//! key is made of and whatever others do meanwhile.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::faults::sees;
use crate::support::{Server, Store, Tool, gunzip, mariadb, name};

const KEYS: &str = include_str!("ranges/keys.sql");

/// Of one flavor.
const HISTORY: &str = "
CREATE TABLE past (id INT PRIMARY KEY, pad VARCHAR(2000) CHARACTER SET latin1) WITH SYSTEM VERSIONING;
INSERT INTO past SELECT n, REPEAT(SHA2(n, 224), 35) FROM n;
DELETE FROM past WHERE id % 3 = 0;
CREATE TABLE ids (id UUID PRIMARY KEY, pad VARCHAR(2000) CHARACTER SET latin1);
INSERT INTO ids SELECT CONCAT(LEFT(MD5(n), 12), '4', SUBSTR(MD5(n), 14, 3), '8', RIGHT(MD5(n), 15)), REPEAT(SHA2(n, 224), 35) FROM n;
";

/// What is read in one go.
const WHOLE: [&str; 3] = ["floats", "keyless", "n"];
/// Where rows do not lie in the order of the key.
const OUT_OF_ORDER: [&str; 2] = ["parts", "downwards"];

fn tool(server: &Server, store: &Store, name: &str) -> Tool {
    store.tool(name).env("FWB_DEFAULTS_FILE", server.defaults_file())
}

/// A dump, and in how many ranges each table was read that was.
fn dump(server: &Server, store: &Store, database: &str, jobs: &str) -> (Value, BTreeMap<String, u32>) {
    let ran = tool(server, store, "fwb-dump").args(["-vv", "-j", jobs, "-B", database]).run().ok();
    let ranges = ran.stderr.lines().filter_map(|line| {
        let (table, ranges) = line.split_once("table ")?.1.split_once(" is read in ")?;
        Some((table.to_owned(), ranges.strip_suffix(" ranges")?.parse().unwrap()))
    });
    let ranges = ranges.collect();
    (ran.json(), ranges)
}

fn sections(manifest: &Value) -> BTreeMap<String, (u64, String)> {
    let sections = manifest["sections"].as_array().unwrap().iter();
    let tables = sections.filter(|section| section["kind"] == "table");
    let of = |section: &Value| (section["rows"].as_u64().unwrap(), section["rows_digest"].to_string());
    tables.map(|section| (section["name"].as_str().unwrap().to_owned(), of(section))).collect()
}

/// The rows of a dump's tables, each as it stands there.
fn rows(store: &Store, manifest: &Value) -> BTreeMap<String, Vec<String>> {
    let sql = gunzip(&std::fs::read(store.artifact(manifest)).unwrap());
    let mut rows: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut table = None;
    for line in String::from_utf8_lossy(&sql).lines() {
        let row = match line.strip_prefix("INSERT INTO `") {
            Some(begun) => {
                let (name, rest) = begun.split_once('`').unwrap();
                table = Some(name.to_owned());
                rest.split_once("VALUES").unwrap().1.trim_start()
            }
            None => line,
        };
        if let Some(table) = table.as_ref().filter(|_| row.starts_with('(')) {
            let row = row.trim_end_matches([',', ';']).to_owned();
            rows.entry(table.clone()).or_default().push(row);
        }
        if line.ends_with(';') {
            table = None;
        }
    }
    for rows in rows.values_mut() {
        rows.sort();
    }
    rows
}

/// The same rows over one connection and over several; and they come back.
fn every_row_comes_once(server: &Server, more: &str) {
    server.sql(format!("CREATE DATABASE ranges CHARACTER SET utf8mb4; USE ranges; {KEYS} {more}"));
    let tables =
        server.query("SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'ranges'");
    server.sql(format!("USE ranges; ANALYZE TABLE {};", tables.lines().collect::<Vec<_>>().join(", ")));
    let store = Store::new();
    let (one, none) = dump(server, &store, "ranges", "1");
    assert_eq!(none, BTreeMap::new());
    let (several, ranges) = dump(server, &store, "ranges", "6");
    assert_eq!(several["snapshot"]["connections"], 3);
    for table in tables.lines() {
        let ranges = ranges.get(table).copied();
        if WHOLE.contains(&table) {
            assert_eq!(ranges, None, "{table}");
        } else {
            assert!(ranges.is_some_and(|ranges| (2..64).contains(&ranges)), "{table}: {ranges:?}");
        }
    }
    let (of_one, of_several) = (sections(&one), sections(&several));
    for (table, section) in &of_one {
        let found = &of_several[table];
        assert_eq!(found.0, section.0, "rows of {table}");
        if !OUT_OF_ORDER.contains(&table.as_str()) {
            assert_eq!(found, section, "rows of {table}, in order");
        }
    }
    assert_eq!(of_one.len(), of_several.len());
    let (of_one, of_several) = (rows(&store, &one), rows(&store, &several));
    for (table, rows) in &of_one {
        assert!(rows.len() as u64 == sections(&one)[table].0, "{table}: all rows were found in the text");
        assert!(*rows == of_several[table], "{table}");
    }
    server.sql("DROP DATABASE ranges");
    // A restore counts and digests what came back.
    tool(server, &store, "fwb-restore").args(["--yes", "-j", "4", name(&several)]).run().ok();
    assert_eq!(server.query("SELECT COUNT(*) FROM ranges.composite"), "5000");
}

#[test]
fn every_row_comes_once_from_the_usual_server() {
    let server = Server::private("ranges", &["--skip-log-bin"]);
    every_row_comes_once(&server, if server.is_mariadb((10, 11)) { HISTORY } else { "" });
}

#[test]
fn every_row_comes_once_from_mysql() {
    every_row_comes_once(&Server::of("mysql-9.7", "ranges-mysql", &["--skip-log-bin"]), "");
}

/// Rows move from one table to the other, which is a row deleted and one inserted: each is in one of them.
#[test]
fn what_is_deleted_meanwhile_is_still_seen() {
    let server = Server::private("deletes", &[]);
    let values: Vec<String> = (1..=16000).map(|id| format!("({id},REPEAT(SHA2({id},256),40))")).collect();
    server.sql(format!(
        "CREATE DATABASE moves; USE moves;
         CREATE TABLE a (id INT PRIMARY KEY, pad VARCHAR(3000) CHARACTER SET latin1);
         CREATE TABLE b LIKE a;
         INSERT INTO a VALUES {};
         INSERT INTO b SELECT id + 20000, pad FROM a;
         ANALYZE TABLE a, b;
         DELIMITER //
         CREATE PROCEDURE move_about() LOOP
           START TRANSACTION;
           SET @from = FLOOR(RAND() * 15900);
           INSERT INTO b SELECT * FROM a WHERE id BETWEEN @from AND @from + 50 FOR UPDATE;
           DELETE FROM a WHERE id BETWEEN @from AND @from + 50;
           COMMIT;
           START TRANSACTION;
           INSERT INTO a SELECT * FROM b WHERE id BETWEEN @from AND @from + 50 FOR UPDATE;
           DELETE FROM b WHERE id BETWEEN @from AND @from + 50;
           COMMIT;
         END LOOP //
         DELIMITER ;",
        values.join(",")
    ));
    let client = mariadb(&server.defaults_file(), &["--database=moves"]);
    let mut mover = client.stdin("CALL move_about();").spawn();
    sees(&server, "moves", "info LIKE '%FOR UPDATE%' OR info LIKE 'DELETE%'");
    let store = Store::new();
    let mut moments = Vec::new();
    for _ in 0..3 {
        let (manifest, ranges) = dump(&server, &store, "moves", "4");
        // MySQL estimates the rows of a range otherwise while others write.
        let least = if server.is_mariadb((10, 3)) { 4 } else { 1 };
        assert!(ranges["a"] > least && ranges["b"] > least, "{ranges:?}");
        moments.push(manifest["binlog"]["position"].as_u64().unwrap());
        let mut ids: Vec<i32> = rows(&store, &manifest).values().flatten().map(|row| id(row)).collect();
        ids.sort_unstable();
        let all: Vec<i32> = (1..=16000).chain(20001..=36000).collect();
        assert!(ids == all, "{} rows", ids.len());
    }
    moments.dedup();
    assert_eq!(moments.len(), 3, "others went on writing");
    let running = sees(&server, "moves", "command <> 'Sleep'");
    server.sql(format!("KILL {running}"));
    mover.wait().unwrap();
}

fn id(row: &str) -> i32 {
    row.trim_start_matches('(').split(',').next().unwrap().parse().unwrap()
}
