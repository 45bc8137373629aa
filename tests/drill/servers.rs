//! The server that a backup is drilled on is like its own, or the drill is not held, and says so. That takes no proof away.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::{Ground, outcome, stopped};
use crate::faults::{code, signal};
use crate::hostile::foreign;
use crate::support::{Output, Server, Store, Tool, gzip, mariadb, name, unpacked};

/// A server with a database `shop` that is made of `sql`, and its backup, proved.
fn proved(server: &Server, store: &Store, sql: &str) -> Value {
    mariadb(&server.defaults_file(), &[]).stdin(format!("CREATE DATABASE shop; USE shop; {sql}")).run().ok();
    prove(server, store, "shop")
}

fn prove(server: &Server, store: &Store, database: &str) -> Value {
    let dump = store.tool("fwb-dump").env("FWB_DEFAULTS_FILE", server.defaults_file());
    let dump = dump.args(["--server-id", "source", "-B", database]).run().ok().json();
    store.tool("fwb-verify").arg(name(&dump)).run().ok();
    dump
}

/// A drill of these backups where these servers are named.
fn drill(ground: &Ground, store: &Store, servers: &[&str], backups: &[&Value]) -> Tool {
    let tool = ground.drill(store.tool("fwb-verify")).env("FWB_DRILL_SERVER_DIR", "");
    let tool = servers.iter().fold(tool, |tool, kind| tool.arg("--drill-server-dir").arg(unpacked(kind)));
    tool.args(backups.iter().map(|backup| name(backup)))
}

#[track_caller]
fn held_on(out: &Output, version: &str) {
    let outcome = outcome(out);
    assert_eq!((&outcome["level"], &outcome["ok"]), (&json!("drill"), &json!(true)), "{}", out.stderr);
    let on = outcome["server"]["version"].as_str().unwrap();
    assert!(on.starts_with(version), "drilled on {on}");
}

/// Of several servers the nearest is taken; where none is near enough, the backup stays proved, and nothing says that its
/// drill went well.
#[test]
fn a_backup_is_drilled_on_the_nearest_server_or_on_none() {
    let (store, ground) = (Store::new(), Ground::new());
    let (early, late) =
        (Server::of("mariadb-10.11", "near-early", &[]), Server::of("mariadb-11.8", "near-late", &[]));
    let old = proved(&early, &store, "CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (1), (2)");
    let both = ["mariadb-11.8", "mariadb-10.11"];
    held_on(&drill(&ground, &store, &both, &[&old]).run().ok(), "10.11.");
    held_on(&drill(&ground, &store, &both[..1], &[&old]).run().ok(), "11.8.");
    // The variable takes several too.
    let dirs = std::env::join_paths(both.map(unpacked)).unwrap();
    let by_variable = drill(&ground, &store, &[], &[&old]).env("FWB_DRILL_SERVER_DIR", dirs);
    held_on(&by_variable.run().ok(), "10.11.");

    let (other, ground) = (Store::new(), Ground::new());
    let new = proved(&late, &other, "CREATE TABLE t (id INT PRIMARY KEY, v VECTOR(2) NOT NULL)");
    let before = other.read_sidecar(&new);
    let fails = |code: i32| {
        let out = drill(&ground, &other, &["mariadb-10.11"], &[&new]).run();
        let out = out.fails(code, &["was not drilled", "needs MariaDB 11.8 or later", "10.11.", "hint: "]);
        assert_eq!(outcome(&out)["level"], "full", "what was proved of it");
        assert!(out.json()["not_drilled"]["reason"].as_str().unwrap().contains("11.8 or later"));
        let after = other.read_sidecar(&new);
        assert_eq!(after["not_drilled"], out.json()["not_drilled"]);
        after["verification"].clone()
    };
    assert_eq!(fails(1), before["verification"], "the proof is what it was");
    let latest = other.tool("fwb-ls").args(["--latest", "--verified"]).run().ok().json();
    assert_eq!((&latest["name"], &latest["verification"]), (&new["name"], &before["verification"]));
    other.tool("fwb-verify").arg(name(&new)).run().ok();

    let out = drill(&ground, &other, &both, &[&new]).run().ok();
    held_on(&out, "11.8.");
    let after = other.read_sidecar(&new);
    assert_eq!((&after["verification"], &after["not_drilled"]), (&outcome(&out), &Value::Null));
    assert_eq!(fails(1), outcome(&out), "a drill that went well is not forgotten");
    ground.is_empty();
}

/// Whoever drills all backups of a store is told of each.
#[test]
fn one_drill_that_is_not_held_ends_no_other() {
    let (store, ground) = (Store::new(), Ground::new());
    let table = "CREATE TABLE `t` (`id` int NOT NULL, PRIMARY KEY (`id`))";
    let engine = format!("{table} ENGINE=ROCKSDB;\nINSERT INTO `t` VALUES (1);");
    let collation = format!("{table};\nCREATE TABLE `u` (`id` int) COLLATE=utf8mb4_nowhere_ci;");
    let good = format!("{table};\nINSERT INTO `t` VALUES (1),(2);");
    let bad = format!("{table};\nINSERT INTO `t` VALUES (1),(1);");
    let other_flavor = foreign("shop", &good).replace("10.11.6-MariaDB", "8.0.36");
    let later = foreign("shop", &good).replace("10.11.6-MariaDB", "99.1.2-MariaDB");
    let files = [
        ("engine.sql.gz", foreign("shop", &engine), "ROCKSDB"),
        ("collation.sql.gz", foreign("shop", &collation), "lacks collations"),
        ("flavor.sql.gz", other_flavor, "needs MySQL 8.0 or later"),
        ("later.sql.gz", later, "needs MariaDB 99.1 or later"),
        ("good.sql.gz", foreign("shop", &good), ""),
    ];
    for (file, sql, _) in &files {
        store.write(file, gzip(sql.as_bytes()));
    }
    let all = |more: &[&str]| {
        let tool = ground.drill(store.tool("fwb-verify")).arg("--adopt");
        tool.args(files.iter().map(|(file, ..)| *file)).args(more).run()
    };
    let out = all(&[]).fails(1, &["engine.sql.gz was not drilled", "hint: "]);
    let records = out.records();
    assert_eq!(records.len(), files.len());
    for ((file, _, why), record) in files.iter().zip(&records) {
        let is_held = record["verification"]["level"] == "drill";
        assert_eq!((&record["verification"]["ok"], is_held), (&json!(true), why.is_empty()), "{file}");
        let reason = record["not_drilled"]["reason"].as_str().unwrap_or_default();
        assert!(reason.contains(why) && reason.is_empty() == is_held, "{file}: {reason}");
        let told =
            out.stderr.lines().filter(|line| line.contains(&format!("{file} was not drilled"))).count();
        assert_eq!(told, usize::from(!is_held), "{}", out.stderr);
        assert_eq!(store.read_sidecar(record)["not_drilled"], record["not_drilled"]);
    }
    // A backup that is no good is the worse news.
    store.write("bad.sql.gz", gzip(foreign("shop", &bad).as_bytes()));
    all(&["bad.sql.gz"]).fails(3, &["engine.sql.gz was not drilled", "bad.sql.gz failed its drill"]);
    ground.is_empty();
}

/// Without such a server, MySQL's backups had no drill at all.
#[test]
fn mysql_is_drilled_on_mysql() {
    let (store, ground) = (Store::new(), Ground::new());
    let loose = "--restrict-fk-on-non-standard-key=OFF";
    let server = Server::of("mysql-9.7", "drilled-mysql", &[loose, "--innodb-page-size=32768"]);
    let zone: Vec<u8> = {
        let rows = "INSERT INTO time_zone (Use_leap_seconds) VALUES ('N'); SET @zone = LAST_INSERT_ID();
            INSERT INTO time_zone_name VALUES ('Asia/Seoul', @zone);
            INSERT INTO time_zone_transition_type VALUES (@zone, 0, 32400, 0, 'KST');";
        format!("USE mysql; {rows}").into_bytes()
    };
    server.sql(zone);
    let wide = (0..40).map(|number| format!("c{number} CHAR(250) NOT NULL DEFAULT 'x'")).collect::<Vec<_>>();
    let dump = proved(
        &server,
        &store,
        &format!(
            "CREATE TABLE t (id INT PRIMARY KEY, v INT, j JSON, KEY (v)); INSERT INTO t VALUES (1, 7, '{{}}'), (2, 7, NULL);
             CREATE TABLE child (id INT PRIMARY KEY, v INT, FOREIGN KEY (v) REFERENCES t (v));
             INSERT INTO child VALUES (1, 7);
             CREATE TABLE wide ({}) CHARACTER SET latin1; INSERT INTO wide VALUES ();
             CREATE TABLE old (id INT) ENGINE=ARCHIVE; INSERT INTO old VALUES (1), (2);
             CREATE VIEW view_of_t AS SELECT id FROM t;
             SET time_zone = 'Asia/Seoul';
             CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY STARTS '2037-01-01 03:00:00' DO DELETE FROM t;",
            wide.join(", ")
        ),
    );
    let settings = json!({ "innodb_page_size": "32768", "restrict_fk_on_non_standard_key": "OFF" });
    assert_eq!(dump["server"]["settings"], settings);
    let before = store.read_sidecar(&dump);
    let out = drill(&ground, &store, &["mariadb-11.8"], &[&dump]).run();
    out.fails(1, &["was not drilled", "needs MySQL 9.7 or later", "hint: install mysql-server"]);
    assert_eq!(store.read_sidecar(&dump)["verification"], before["verification"]);

    let mut child = stopped(drill(&ground, &store, &["mysql-9.7"], &[&dump]), || {
        ground.servers() == 1 && ground.listens()
    });
    signal(child.id(), "TERM");
    signal(child.id(), "CONT");
    assert_eq!(code(&mut child), Some(143));
    ground.is_empty();

    let out = drill(&ground, &store, &["mariadb-11.8", "mysql-9.7"], &[&dump]).run().ok();
    held_on(&out, "9.7.");
    assert_eq!(outcome(&out)["notes"], Value::Null);
    ground.is_empty();
}

/// What the source's own settings have let in, no other server takes; and the engine of a table may be a plugin.
#[test]
fn the_server_of_a_drill_is_like_the_source() {
    let (store, ground) = (Store::new(), Ground::new());
    let options = ["--lower-case-table-names=1", "--innodb-page-size=65536"];
    let server = Server::of("mariadb-10.11", "likeness", &options);
    let wide = (0..60).map(|number| format!("c{number} CHAR(250) NOT NULL DEFAULT 'x'")).collect::<Vec<_>>();
    let dump = proved(
        &server,
        &store,
        &format!(
            "CREATE TABLE Notes (id INT PRIMARY KEY, v INT); INSERT INTO NOTES VALUES (1, 1);
             CREATE TRIGGER counted BEFORE INSERT ON NOTES FOR EACH ROW SET NEW.v = 1;
             CREATE TABLE wide ({}) CHARACTER SET latin1; INSERT INTO wide () VALUES ();
             CREATE TABLE old (id INT) ENGINE=ARCHIVE; INSERT INTO old VALUES (1), (2);",
            wide.join(", ")
        ),
    );
    assert_eq!(
        dump["server"]["settings"],
        json!({ "innodb_page_size": "65536" }),
        "and nothing that is usual"
    );
    let out = drill(&ground, &store, &["mariadb-10.11"], &[&dump]).run().ok();
    held_on(&out, "10.11.");
    assert_eq!(outcome(&out)["notes"], Value::Null);
    ground.is_empty();
}

/// A view restores at home, so its drill must not fail for what the backup alone does not bring.
#[test]
fn views_over_other_databases_of_the_store_are_tried() {
    let (store, ground) = (Store::new(), Ground::new());
    let server = Server::of("mariadb-10.11", "views", &[]);
    server.sql(
        "CREATE USER gone@localhost; GRANT SELECT ON *.* TO gone@localhost;
         CREATE DATABASE third; CREATE TABLE third.t (id INT PRIMARY KEY);
         CREATE DATABASE other; CREATE TABLE other.t (id INT PRIMARY KEY); INSERT INTO other.t VALUES (1);
         CREATE DEFINER=gone@localhost VIEW other.v AS SELECT id FROM third.t;
         CREATE FUNCTION other.f(a INT) RETURNS INT DETERMINISTIC RETURN a + 1;",
    );
    let views = "CREATE TABLE own (id INT PRIMARY KEY); CREATE VIEW a AS SELECT id FROM other.t;
        CREATE VIEW b AS SELECT own.id FROM own JOIN other.v; CREATE VIEW c AS SELECT other.f(id) AS x FROM own;";
    let shop = proved(&server, &store, views);
    let notes =
        || outcome(&drill(&ground, &store, &["mariadb-10.11"], &[&shop]).run().ok())["notes"].to_string();
    for view in ["a", "b", "c"] {
        assert!(notes().contains(&format!("view {view} was not tried")), "{}", notes());
    }
    // What is not proved is not relied on.
    let dump = store.tool("fwb-dump").env("FWB_DEFAULTS_FILE", server.defaults_file());
    let other = dump.args(["--server-id", "source", "-B", "other"]).run().ok().json();
    assert!(notes().contains("view a was not tried") && !notes().contains(name(&other)));
    store.tool("fwb-verify").arg(name(&other)).run().ok();
    let found = notes();
    let tried = ["a", "c"].iter().all(|view| !found.contains(&format!("view {view} was not tried")));
    assert!(tried && found.contains("view b was not tried") && found.contains(name(&other)), "{found}");
    // It needs a third one itself.
    prove(&server, &store, "third");
    assert!(!notes().contains("was not tried") && notes().contains("database third"), "{}", notes());
    ground.is_empty();
}

/// A directory without a server is a mistake of the caller's, which no drill on another server hides.
#[test]
fn a_directory_without_a_server_is_refused() {
    let (store, ground, empty) = (Store::new(), Ground::new(), tempfile::tempdir().unwrap());
    let server: PathBuf = empty.path().join("sbin/mariadbd");
    let table = "CREATE TABLE `t` (`id` int NOT NULL);";
    store.write("old.sql.gz", gzip(foreign("shop", table).as_bytes()));
    let refused = |words: &[&str]| {
        let tool = ground.drill(store.tool("fwb-verify")).arg("--drill-server-dir").arg(empty.path());
        tool.args(["--adopt", "old.sql.gz"]).run().fails(2, words);
    };
    refused(&["holds no server", "hint: ", "bin/mariadbd"]);
    std::fs::create_dir(empty.path().join("sbin")).unwrap();
    for (script, why) in [("exit 1", "does not start"), ("echo it runs", "does not say its version")] {
        crate::support::executable(&server, format!("#!/bin/sh\n{script}\n"));
        refused(&[why]);
    }
    let says = "echo mariadbd  Ver 10.11.6-MariaDB for Linux";
    crate::support::executable(&server, format!("#!/bin/sh\n{says}\n"));
    refused(&["lacks the SQL"]);
}
