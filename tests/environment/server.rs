//! Servers that hang, restart, refuse connections, end them, change under a dump, or have no room.

use std::fs;
use std::process::Child;

use serde_json::Value;

use super::signals::Chance;
use crate::faults::{Holder, WAITS, code, held_dump, is_gone, restart, runs, sees, signal};
use crate::support::{Database, Server, Store, Tool, mariadb, name, until};
use crate::torture;

fn on(server: &Server, tool: Tool) -> Tool {
    tool.env("FWB_DEFAULTS_FILE", server.defaults_file())
}

fn dump(store: &Store, server: &Server, database: &str) -> Tool {
    on(server, store.tool("fwb-dump").args(["-B", database]))
}

/// How many sockets a tool has open: two by which it hears of signals, and its connections.
fn sockets(child: &Child) -> usize {
    let open = fs::read_dir(format!("/proc/{}/fd", child.id())).into_iter().flatten().flatten();
    let links = open.filter_map(|entry| fs::read_link(entry.path()).ok());
    links.filter(|link| link.to_string_lossy().starts_with("socket:")).count()
}

/// Ends a tool that waits for a server, and asserts that it ends.
#[track_caller]
fn ends_at_once(mut child: Child, (sent, expected): (&str, i32)) {
    until("a connection", || (sockets(&child) > 2).then_some(()));
    signal(child.id(), sent);
    assert_eq!(code(&mut child), Some(expected), "{sent}");
}

const SIGNALS: [(&str, i32); 3] = [("TERM", 143), ("INT", 130), ("HUP", 129)];

/// A server that hangs answers nobody for ever: whoever gives up must be able to, with nothing left behind.
#[test]
fn a_signal_ends_what_waits_for_a_server_that_hangs() {
    let (server, store) = (Server::private("hangs", &[]), Store::new());
    server.sql("CREATE DATABASE d; USE d; CREATE TABLE aa (id INT PRIMARY KEY); CREATE TABLE zz (id INT PRIMARY KEY); INSERT INTO zz VALUES (1);");
    let made = dump(&store, &server, "d").run().ok().json();
    let names = store.names();
    for sent in SIGNALS {
        // Before it is asked anything.
        signal(server.pid(), "STOP");
        ends_at_once(dump(&store, &server, "d").spawn(), sent);
        ends_at_once(on(&server, store.tool("fwb-restore").args(["--yes", name(&made)])).spawn(), sent);
        let drill = store.tool("fwb-verify").args(["--level", "drill", name(&made)]);
        ends_at_once(drill.arg("--drill-server").arg(server.defaults_file()).spawn(), sent);
        signal(server.pid(), "CONT");
        // In the middle of a dump.
        let held = Holder::new(&server, "d", "LOCK TABLES zz WRITE");
        let running = dump(&store, &server, "d").spawn();
        sees(&server, "d", &format!("{WAITS} AND info LIKE 'SELECT%'"));
        signal(server.pid(), "STOP");
        ends_at_once(running, sent);
        signal(server.pid(), "CONT");
        drop(held);
        assert_eq!(store.names(), names, "{sent:?}");
    }
    assert!(runs(server.pid()));
    dump(&store, &server, "d").run().ok();
}

/// A restore that cannot put things in order, because nobody answers, leaves that to the next one, and ends.
#[test]
fn a_signal_ends_a_restore_whose_server_hangs() {
    let (server, store) = (Server::private("restore_hangs", &[]), Store::new());
    server.sql("CREATE DATABASE d; USE d; CREATE TABLE t (id INT PRIMARY KEY, d BLOB); INSERT INTO t SELECT seq, RANDOM_BYTES(1000) FROM seq_1_to_20000;");
    let made = dump(&store, &server, "d").run().ok().json();
    server.sql("USE d; DELETE FROM t WHERE id = 7");
    let restore = || on(&server, store.tool("fwb-restore").args(["--yes", name(&made)]));
    let shadows =
        "SELECT CONCAT(id) FROM information_schema.processlist WHERE db LIKE 'd\\_\\_shadow%' LIMIT 1";
    // Each takes the ten seconds for which order is kept.
    for sent in if torture::whole() { &SIGNALS[..] } else { &SIGNALS[..1] } {
        let running = restore().spawn();
        until("the load", || Some(server.query(shadows)).filter(|id| !id.is_empty()));
        signal(server.pid(), "STOP");
        ends_at_once(running, *sent);
        signal(server.pid(), "CONT");
        assert_eq!(server.query("SELECT COUNT(*) FROM d.t"), "19999", "{sent:?}");
    }
    restore().run().ok();
    assert_eq!(server.query("SELECT COUNT(*) FROM d.t"), "20000");
    let left = server
        .query("SELECT schema_name FROM information_schema.schemata WHERE schema_name LIKE 'd\\_\\_shadow%'");
    assert_eq!(left, "");
}

/// A server that is restarted for an update takes the dump with it, not the backup before it.
#[test]
fn a_server_that_restarts_ends_the_dump_clearly() {
    let (server, store) = (Server::private("restarts", &[]), Store::new());
    server.sql("CREATE DATABASE d; USE d; CREATE TABLE aa (id INT PRIMARY KEY); CREATE TABLE zz (id INT PRIMARY KEY); INSERT INTO zz VALUES (1);");
    dump(&store, &server, "d").run().ok();
    let names = store.names();
    let held = Holder::new(&server, "d", "LOCK TABLES zz WRITE");
    let mut running = dump(&store, &server, "d").spawn();
    sees(&server, "d", &format!("{WAITS} AND info LIKE 'SELECT%'"));
    let pid = server.pid();
    mariadb(&server.defaults_file(), &["-e", "SHUTDOWN"]).run().ok();
    assert_eq!(code(&mut running), Some(1));
    drop(held);
    is_gone(pid);
    let said = String::from_utf8_lossy(&running.wait_with_output().unwrap().stderr).into_owned();
    assert!(said.contains("error: ") && said.contains("hint: "), "{said}");
    assert_eq!(store.names(), names);
    dump(&store, &server, "d").run().fails(1, &["hint: is the server running"]);
    restart(&server);
    dump(&store, &server, "d").run().ok();
}

/// Clients that take all connections: a backup over those that are left, or a clear failure.
#[test]
fn a_server_without_connections_is_told_clearly() {
    let (server, store) = (Server::private("connections", &["--max-connections=10"]), Store::new());
    server.sql("CREATE DATABASE d; CREATE USER backup@localhost; GRANT SELECT, RELOAD, LOCK TABLES, SHOW VIEW, TRIGGER, EVENT, PROCESS, BINLOG MONITOR ON *.* TO backup@localhost;");
    for table in 1..=3 {
        server.sql(format!("USE d; CREATE TABLE t{table} (id INT PRIMARY KEY, d BLOB); INSERT INTO t{table} SELECT seq, RANDOM_BYTES(1000) FROM seq_1_to_20000; ANALYZE TABLE t{table};"));
    }
    let cnf = store.path().join("backup.cnf");
    std::fs::write(&cnf, format!("[client]\nsocket={}\nuser=backup\n", server.socket())).unwrap();
    let asleep = || {
        server.query("SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP%'")
    };
    let mut holders: Vec<Child> = Vec::new();
    let (mut failed, mut made) = (0, 0);
    for free in (0..=6).rev() {
        while holders.len() < 10 - free {
            let hold = || mariadb(&cnf, &[]).stdin("SELECT SLEEP(100000)").spawn();
            let (mut holder, wanted) = (hold(), (holders.len() + 1).to_string());
            until("a connection", || {
                // The one that asks takes a connection too, for a moment.
                if holder.try_wait().unwrap().is_some() {
                    holder = hold();
                }
                (asleep() == wanted).then_some(())
            });
            holders.push(holder);
        }
        let store = Store::new();
        let dump = store.tool("fwb-dump").args(["-B", "d", "--jobs", "6"]).env("FWB_DEFAULTS_FILE", &cnf);
        let ended = dump.run();
        if ended.code == Some(0) {
            made += 1;
            store.tool("fwb-verify").arg(name(&ended.json())).run().ok();
        } else {
            failed += 1;
            ended.fails(1, &["Too many connections", "hint: the server has no free connection"]);
            assert_eq!(store.names(), [""; 0], "{free} free");
        }
    }
    assert!(made > 0 && failed > 0, "{made} made, {failed} failed");
    for mut holder in holders {
        holder.kill().unwrap();
        holder.wait().unwrap();
    }
}

/// The tables of a backup, their rows and digests; in which order they lie, only their readers know.
fn tables(dump: &Value) -> Vec<String> {
    let sections = dump["sections"].as_array().unwrap().iter();
    let mut tables: Vec<String> = sections
        .filter(|section| section["kind"] == "table")
        .map(|table| format!("{} {} {}", table["name"], table["rows"], table["rows_digest"]))
        .collect();
    tables.sort();
    tables
}

/// An administrator, or a timeout, ends connections at any moment of a dump, whichever it has.
#[test]
fn connections_that_are_killed_at_any_time_leave_no_half_backup() {
    let (database, store) = (Database::new("killed"), Store::new());
    for table in 1..=2 {
        database.sql(format!("CREATE TABLE t{table} (id INT PRIMARY KEY, d BLOB); INSERT INTO t{table} SELECT seq, RANDOM_BYTES(1000) FROM seq_1_to_20000; ANALYZE TABLE t{table};"));
    }
    let server = Server::shared();
    let kill = format!(
        "BEGIN NOT ATOMIC DECLARE victim BIGINT DEFAULT (SELECT id FROM information_schema.processlist WHERE db = '{}' ORDER BY RAND() LIMIT 1); DECLARE CONTINUE HANDLER FOR 1094 BEGIN END; IF victim IS NOT NULL THEN KILL victim; SELECT victim; END IF; END",
        database.name
    );
    let begun = std::time::Instant::now();
    let usual = store.tool("fwb-dump").arg("-B").arg(&database.name).args(["--jobs", "4"]).run().ok().json();
    let whole = begun.elapsed();
    let mut chance = Chance::new(1412);
    let (mut killed, mut failures) = (0, 0);
    for round in 0..if torture::whole() { 80 } else { 10 } {
        let names = store.names();
        let dump = store.tool("fwb-dump").arg("-B").arg(&database.name).args(["--jobs", "4"]);
        let mut running = if round == 0 {
            // However busy the machine is, one connection is killed while it reads a table.
            let (held, dump) = held_dump(server, &database.name, "t2", dump);
            let reads = sees(server, &database.name, &format!("{WAITS} AND info LIKE 'SELECT%'"));
            server.sql(format!("KILL {reads}"));
            killed += 1;
            drop(held);
            dump
        } else {
            let dump = dump.spawn();
            std::thread::sleep(whole.mul_f64(chance.fraction()));
            let statement = format!("DELIMITER //\n{kill}//\n");
            killed += u32::from(!server.query(statement).is_empty());
            dump
        };
        let ended = code(&mut running);
        let said = running.wait_with_output().unwrap();
        if ended == Some(0) {
            let made: Value = serde_json::from_slice(&said.stdout).unwrap();
            let proved = store.tool("fwb-verify").arg(name(&made)).run().ok().json();
            assert_eq!(tables(&proved), tables(&usual));
            std::fs::remove_file(store.artifact(&made)).unwrap();
            std::fs::remove_file(store.sidecar(&made)).unwrap();
        } else {
            failures += 1;
            let stderr = String::from_utf8_lossy(&said.stderr);
            assert!(ended == Some(1) && stderr.contains("error: "), "{ended:?}: {stderr}");
        }
        assert_eq!(store.names(), names);
    }
    torture::count("server", "connections", &[("killed", killed), ("dumps failed", failures)]);
}

/// A deployment that changes tables while the backup runs: the backup shows the moment when it began, or there is a
/// dump that starts over. An empty table in the place of a full one would be found when it is needed.
#[test]
fn a_schema_that_changes_during_a_dump_is_told_or_does_not_show() {
    let starts_over = CHANGES.into_iter().filter(|change| changed_during_a_dump(change, &["--no-hold-ddl"]));
    assert!(starts_over.count() > 0);
}

/// The same, where nobody can change a table before it is read.
#[test]
fn a_schema_that_is_held_during_a_dump_changes_afterwards() {
    for change in CHANGES {
        let starts_over = changed_during_a_dump(change, &[]);
        // Nobody can hold a view.
        assert!(!starts_over || change.contains("VIEW"), "{change}: nothing has changed for the dump");
    }
}

const CHANGES: [&str; 18] = [
    "ALTER TABLE cc ADD COLUMN extra INT NOT NULL DEFAULT 7",
    "ALTER TABLE cc ADD COLUMN extra INT FIRST, ALGORITHM=COPY",
    "ALTER TABLE cc DROP COLUMN v",
    "ALTER TABLE cc MODIFY v VARCHAR(300)",
    "ALTER TABLE cc ADD INDEX (v)",
    "ALTER TABLE cc ENGINE=InnoDB",
    "ALTER TABLE cc ENGINE=MyISAM",
    "TRUNCATE TABLE cc",
    "OPTIMIZE TABLE cc",
    "RENAME TABLE cc TO ccc",
    "DROP TABLE cc",
    "DROP TABLE cc; CREATE TABLE cc (id INT PRIMARY KEY, v VARCHAR(20))",
    "CREATE TABLE new LIKE cc; INSERT INTO new SELECT * FROM cc; RENAME TABLE cc TO old, new TO cc",
    "CREATE TABLE new LIKE cc; RENAME TABLE cc TO old, new TO cc",
    "CREATE TABLE zz (id INT PRIMARY KEY)",
    "CREATE OR REPLACE VIEW vv AS SELECT id FROM cc",
    "DROP VIEW vv",
    "UPDATE cc SET v = 'later'; INSERT INTO cc VALUES (9, 'later'); DELETE FROM cc WHERE id = 1",
];

/// Whether a dump with these options starts over for this change.
fn changed_during_a_dump(change: &str, options: &[&str]) -> bool {
    let (database, store, server) = (Database::new("changes"), Store::new(), Server::shared());
    database.sql("CREATE TABLE aa (id INT PRIMARY KEY); CREATE TABLE bb (id INT PRIMARY KEY); INSERT INTO bb VALUES (1); CREATE TABLE cc (id INT PRIMARY KEY, v VARCHAR(20)); INSERT INTO cc VALUES (1, 'a'), (2, 'b'), (3, 'c'); CREATE VIEW vv AS SELECT v FROM cc;");
    let held = Holder::new(server, &database.name, "LOCK TABLES bb WRITE");
    let mut running = store.tool("fwb-dump").args(options).arg("-B").arg(&database.name).spawn();
    sees(server, &database.name, &format!("{WAITS} AND info LIKE 'SELECT%'"));
    let client = mariadb(&server.defaults_file(), &["--database", &database.name]);
    let mut changing = client.stdin(change).spawn();
    // It is made, or it waits until the dump has read the table.
    let waits = format!(
        "SELECT COUNT(*) FROM information_schema.processlist WHERE db = '{}' AND {WAITS} AND info NOT LIKE 'SELECT%'",
        database.name
    );
    until("the change", || {
        (changing.try_wait().unwrap().is_some() || server.query(&waits) != "0").then_some(())
    });
    drop(held);
    let ended = code(&mut running);
    assert_eq!(code(&mut changing), Some(0), "{change}");
    let said = running.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&said.stderr);
    assert_eq!(ended, Some(0), "{change}: {stderr}");
    let began_anew = stderr.contains("the dump starts over");
    let made: Value = serde_json::from_slice(&said.stdout).unwrap();
    store.tool("fwb-verify").arg(name(&made)).run().ok();
    let copy = Database::reserved("changes_copy");
    store.tool("fwb-restore").args(["--yes", "--database", &copy.name, name(&made)]).run().ok();
    if began_anew {
        // What the change has made, whole.
        assert_eq!(copy.content(), database.content(), "{change}");
    } else {
        let rows = copy.query("SELECT id, v FROM cc ORDER BY id");
        assert_eq!(rows, "1\ta\n2\tb\n3\tc", "{change}");
    }
    began_anew
}

/// A server that runs out of room in the middle of a restore still has the database that it had.
#[test]
fn a_server_without_room_keeps_what_it_had() {
    let options = ["--innodb-file-per-table=0", "--innodb-data-file-path=ibdata1:12M:autoextend:max:96M"];
    let (server, store) = (Server::private("room", &options), Store::new());
    server.sql("CREATE DATABASE d; USE d; CREATE TABLE t (id INT PRIMARY KEY, d BLOB); INSERT INTO t SELECT seq, RANDOM_BYTES(1000) FROM seq_1_to_50000;");
    let made = dump(&store, &server, "d").run().ok().json();
    let sum = "SELECT COUNT(*), SUM(CRC32(d)) FROM d.t";
    let before = server.query(sum);
    let restore = on(&server, store.tool("fwb-restore").args(["--yes", name(&made)]));
    restore.run().fails(1, &["is full", "d is as it was", "hint: the server is out of space"]);
    assert_eq!(server.query(sum), before);
    let left =
        server.query("SELECT schema_name FROM information_schema.schemata WHERE schema_name LIKE 'd\\_\\_%'");
    assert_eq!(left, "");
}
