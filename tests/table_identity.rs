//! A dump shows the tables that there were when it began, whole; or none of it is published. A table that takes another's
//! name meanwhile was there before, half loaded, and no server says so. (That nobody can do it once definitions are held,
//! `held` shows.)

use std::process::Child;

use serde_json::Value;

use crate::faults::{Holder, WAITS, code, sees, signal};
use crate::support::{Database, Server, Store, Tool, mariadb, name, sha256, until};

/// The dump reads the tables by name, and can be held at `bb`; it opens them the other way round.
const TABLES: &str = "CREATE TABLE aa (id INT PRIMARY KEY); INSERT INTO aa SELECT seq FROM seq_1_to_50;
CREATE TABLE bb (id INT PRIMARY KEY); INSERT INTO bb VALUES (1);
CREATE TABLE cc (id INT PRIMARY KEY) PARTITION BY HASH (id) PARTITIONS 2; INSERT INTO cc SELECT seq FROM seq_1_to_1000;
CREATE TABLE dd (id INT PRIMARY KEY); INSERT INTO dd SELECT seq FROM seq_1_to_1000;
CREATE TABLE `aa-다음 표` (id INT PRIMARY KEY); INSERT INTO `aa-다음 표` SELECT seq FROM seq_1_to_300;";

/// What an online schema change does last: the new table, which is full by now, takes the old one's name.
const TAKES_THE_NAME: &str =
    "INSERT INTO `aa-다음 표` SELECT seq FROM seq_301_to_1000; RENAME TABLE dd TO old, `aa-다음 표` TO dd;";

/// Runs a dump, held at `bb` the first time while `meanwhile` is done.
fn dump_while(
    dump: Tool,
    server: &Server,
    database: &str,
    meanwhile: impl FnOnce(),
) -> (Option<i32>, String, String) {
    let held = Holder::new(server, database, "LOCK TABLES bb WRITE");
    let mut running: Child = dump.spawn();
    sees(server, database, &format!("{WAITS} AND info LIKE 'SELECT%'"));
    meanwhile();
    drop(held);
    let ended = code(&mut running);
    let said = running.wait_with_output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (ended, text(&said.stdout), text(&said.stderr))
}

fn rows(manifest: &Value, table: &str) -> Option<u64> {
    let sections = manifest["sections"].as_array().unwrap();
    sections.iter().find(|section| section["kind"] == "table" && section["name"] == table)?["rows"].as_u64()
}

/// As a swap of our own does it: the table comes from another database.
#[test]
fn a_table_that_takes_anothers_name_is_not_dumped_in_part() {
    takes_the_name("dd", &["--no-hold-ddl"]);
}

#[test]
fn nor_is_one_that_took_it_before_it_was_held() {
    takes_the_name("aa", &[]);
}

fn takes_the_name(table: &str, options: &[&str]) {
    let (database, elsewhere, store) = (Database::new("identity"), Database::new("identity"), Store::new());
    let server = Server::shared();
    database.sql(TABLES);
    elsewhere.sql(format!(
        "CREATE TABLE {table} (id INT PRIMARY KEY); INSERT INTO {table} SELECT seq FROM seq_1_to_300;"
    ));
    let (here, there) = (database.quoted(), elsewhere.quoted());
    let swap = format!(
        "INSERT INTO {there}.{table} SELECT seq FROM seq_301_to_1000; \
         RENAME TABLE {here}.{table} TO {there}.old, {there}.{table} TO {here}.{table}"
    );
    let dump = store.tool("fwb-dump").args(["-j", "1", "-B", &database.name]).args(options);
    let (ended, made, said) = dump_while(dump, server, &database.name, || database.sql(swap));
    assert_eq!(ended, Some(0), "{said}");
    let words = format!("changed while they were dumped: {table}; the dump starts over");
    assert!(said.contains(&words), "{said}");
    let made: Value = serde_json::from_str(&made).unwrap();
    assert_eq!((rows(&made, table), rows(&made, "aa-다음 표")), (Some(1000), Some(300)));
    assert_eq!(made["tables_identified_by"], "table_id");
    store.tool("fwb-verify").arg(name(&made)).run().ok();
}

/// A database in which something is emptied every minute has its backup all the same. (With a binary log, a server makes
/// whoever empties a table wait for the end of the dump.)
#[test]
fn tables_that_are_emptied_or_made_after_they_were_read_do_no_harm() {
    let (server, store) = (Server::private("emptied", &["--skip-log-bin"]), Store::new());
    server.sql(format!("CREATE DATABASE d; USE d; {TABLES}"));
    let dump = store.tool("fwb-dump").env("FWB_DEFAULTS_FILE", server.defaults_file());
    let changes = "USE d; TRUNCATE TABLE aa; CREATE TABLE scratch (id INT PRIMARY KEY); DROP TABLE scratch; CREATE TABLE zz (id INT PRIMARY KEY);";
    let (ended, made, said) =
        dump_while(dump.args(["--no-hold-ddl", "-j", "1", "-B", "d"]), &server, "d", || {
            server.sql(changes);
        });
    assert_eq!((ended, said.as_str()), (Some(0), ""));
    let made: Value = serde_json::from_str(&made).unwrap();
    assert_eq!((rows(&made, "aa"), rows(&made, "cc"), rows(&made, "zz")), (Some(50), Some(1000), None));
}

/// Without the right PROCESS, the times of creation tell, in whole seconds.
#[test]
fn an_account_without_process_has_the_times_of_creation() {
    let (server, store) = (Server::private("identity", &["--skip-log-bin"]), Store::new());
    server.sql(format!("CREATE DATABASE d; USE d; {TABLES}"));
    server.sql("CREATE USER little IDENTIFIED BY 'secret'; GRANT SELECT, SHOW VIEW, TRIGGER, EVENT, EXECUTE ON d.* TO little;");
    let password = store.path().join(".password");
    std::fs::write(&password, "secret").unwrap();
    until("another second", || {
        let another =
            "SELECT MAX(create_time) < NOW() FROM information_schema.tables WHERE table_schema = 'd'";
        Some(()).filter(|()| server.query(another) == "1")
    });
    let dump = store.tool("fwb-dump").env("FWB_DEFAULTS_FILE", server.defaults_file());
    let dump = dump.args(["--no-hold-ddl", "-B", "d", "-u", "little", "--password-file"]).arg(&password);
    let (ended, made, said) =
        dump_while(dump, &server, "d", || server.sql(format!("USE d; {TAKES_THE_NAME}")));
    assert_eq!(ended, Some(0), "{said}");
    assert!(said.contains("changed while they were dumped: dd"), "{said}");
    let made: Value = serde_json::from_str(&made).unwrap();
    assert_eq!(rows(&made, "dd"), Some(1000));
    assert_eq!(made["tables_identified_by"], "create_time");
}

fn lock_of(database: &str) -> String {
    format!("fwb-restore-{}", &sha256(database.as_bytes())[..40])
}

/// Half of a database that is being restored is no backup of it.
#[test]
fn a_database_that_is_being_restored_is_not_dumped() {
    let (database, store, server) = (Database::new("restored"), Store::new(), Server::shared());
    database.sql("CREATE TABLE a (id INT PRIMARY KEY, d BLOB); INSERT INTO a SELECT seq, RANDOM_BYTES(1000) FROM seq_1_to_20000; CREATE TABLE bb (id INT PRIMARY KEY);");
    let made = store.dump(&database);
    let names = store.names();
    let mut restore =
        store.tool("fwb-restore").args(["--yes", "--strategy", "in-place", name(&made)]).spawn();
    let is_used = format!("SELECT IS_USED_LOCK('{}') IS NOT NULL", lock_of(&database.name));
    // Its safety backup is made by then.
    let is_past = || store.names().len() == names.len() + 2 && server.query(&is_used) == "1";
    until("the restore", || Some(()).filter(|()| is_past()));
    signal(restore.id(), "STOP");
    assert_eq!(server.query(&is_used), "1", "the restore is under way");
    let dump = || store.tool("fwb-dump").args(["-B", &database.name]);
    let words = ["a restore of", "is under way", "hint: wait until it has ended"];
    dump().run().fails(4, &words);
    let waiting = dump().args(["--lock-wait"]).spawn();
    signal(restore.id(), "CONT");
    assert_eq!(code(&mut restore), Some(0));
    assert_eq!(code(&mut { waiting }), Some(0));
    let all = store.names();
    assert!(names.iter().all(|name| all.contains(name)));
    let dumps = store.tool("fwb-ls").args(["--kind", "full"]).run().ok().records();
    assert_eq!(dumps.len(), 2, "the first, and the one that has waited");
    assert!(dumps.iter().all(|dump| rows(dump, "a") == Some(20000)));
}

/// The server has the lock of a restore a little longer than the restore is there.
#[test]
fn a_restore_that_has_just_ended_is_in_no_dumps_way() {
    let (database, store, server) = (Database::sample("ended"), Store::new(), Server::shared());
    let lock = lock_of(&database.name);
    let holder = mariadb(&server.defaults_file(), &[])
        .stdin(format!("SELECT GET_LOCK('{lock}', 0); SELECT SLEEP(1)"))
        .spawn();
    until("the lock", || {
        Some(()).filter(|()| server.query(format!("SELECT IS_USED_LOCK('{lock}') IS NOT NULL")) == "1")
    });
    store.dump(&database);
    assert_eq!(code(&mut { holder }), Some(0));
}

#[test]
fn a_restore_that_begins_during_a_dump_ends_it() {
    let (database, store, server) = (Database::new("restored"), Store::new(), Server::shared());
    database.sql(TABLES);
    let lock = format!("DO GET_LOCK('{}', 0)", lock_of(&database.name));
    let mut holder = None;
    let dump = store.tool("fwb-dump").args(["-j", "1", "-B", &database.name]);
    let (ended, _, said) = dump_while(dump, server, &database.name, || {
        holder = Some(Holder::new(server, "information_schema", &lock));
    });
    assert_eq!(ended, Some(4), "{said}");
    assert_eq!(store.names(), [""; 0]);
}
