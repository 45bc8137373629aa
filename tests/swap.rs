//! A restore beside the live database: whoever uses it sees what was there or what has come, and whatever kills the
//! restore leaves one of the two.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::faults::{restart, signal};
use crate::restore::EVERYTHING;
use crate::support::{Before, Database, Fault, Proxy, Server, Store, Tool, mariadb, restore};

/// Databases that restores of `database` have left on the server.
pub(crate) fn left(server: &Server, database: &str) -> Vec<String> {
    let names = format!(
        "SELECT schema_name FROM information_schema.schemata WHERE schema_comment LIKE '%\"of\":\"{database}\"%' ORDER BY 1"
    );
    server.query(names).lines().map(ToOwned::to_owned).collect()
}

fn undo(database: &Database) -> Tool {
    Tool::new("fwb-restore").args(["--undo", "--yes", "--database", &database.name])
}

/// Whether the server can swap tables. One that cannot is asked to, refuses in words and changes nothing: that is all there
/// is to a swap on it.
pub(crate) fn can_swap() -> bool {
    if Server::shared().is_mariadb((10, 6)) {
        return true;
    }
    let (database, store) = (Database::sample("no_swap"), Store::new());
    let (before, dump) = (Before::new(&database), store.dump(&database));
    let refused = restore(&store, &dump).args(["--strategy", "swap"]).run();
    refused.fails(2, &["a swap needs a MariaDB server of version 10.6 or later"]);
    before.holds("a swap that was refused");
    assert_eq!(left(Server::shared(), &database.name), [""; 0]);
    false
}

/// The whole promise of a swap: what came in is the backup, and what was there can be had back, and then the backup
/// again.
#[test]
fn an_undo_brings_everything_back() {
    if !can_swap() {
        return;
    }
    let (database, store) = (Database::new("undone"), Store::new());
    database.sql(EVERYTHING);
    let old = Before::new(&database);
    let dump = store.dump(&database);
    database.sql(
        "DELETE FROM children; DROP VIEW v3; DROP PROCEDURE p1; DROP TRIGGER t1; DROP TABLE log; CREATE TABLE newer (id INT PRIMARY KEY);
        CREATE VIEW v9 AS SELECT 1 AS one; CREATE TRIGGER t9 BEFORE INSERT ON newer FOR EACH ROW SET NEW.id = 9;
        CREATE EVENT ev9 ON SCHEDULE EVERY 1 DAY STARTS '2037-01-01' DO SELECT 1; CREATE SEQUENCE s9; ALTER EVENT ev1 DISABLE",
    );
    Server::shared().sql(format!("ALTER DATABASE {} CHARACTER SET latin1", database.name));
    let new = Before::new(&database);
    let report = restore(&store, &dump).run().ok().json();
    old.holds("after the restore");
    assert_eq!(left(Server::shared(), &database.name), [report["before"].as_str().unwrap()]);
    undo(&database).arg("--dry-run").run().ok();
    old.holds("after a dry run");
    let undone = undo(&database).run().ok().json();
    assert_eq!(undone["undone"], report["before"]);
    new.holds("after the undo");
    undo(&database).run().ok();
    old.holds("after undoing the undo");
    let rows = "SELECT COUNT(*) FROM newer";
    database.sql("CREATE TABLE newer (id INT)");
    restore(&store, &dump).run().ok();
    undo(&database).run().ok();
    assert_eq!(database.query(rows), "0");
    assert!(left(Server::shared(), &database.name).len() > 1);
    let keep = Tool::new("fwb-restore")
        .args(["--keep-before", "1", "--yes", "--database", &database.name])
        .run()
        .ok()
        .json();
    assert_eq!(left(Server::shared(), &database.name).len(), 1, "{keep}");
    Tool::new("fwb-restore").args(["--drop-before", "--yes", "--database", &database.name]).run().ok();
    assert_eq!(left(Server::shared(), &database.name), [""; 0]);
    undo(&database).run().fails(1, &["no restore of", "put back"]);
    let report = restore(&store, &dump)
        .args(["--drop-before", "-f"])
        .arg(dump["name"].as_str().unwrap())
        .run()
        .ok()
        .json();
    assert_eq!((&report["before"], left(Server::shared(), &database.name).len()), (&Value::Null, 0));
}

/// A table that had been dropped replaces nothing, and whoever brought it back by mistake can still take that back.
#[test]
fn an_undo_takes_away_what_was_not_there() {
    if !can_swap() {
        return;
    }
    let (database, store) = (Database::new("undone_new"), Store::new());
    database.sql(EVERYTHING);
    let dump = store.dump(&database);
    database.sql("DROP TRIGGER t1; DROP TABLE log");
    let new = Before::new(&database);
    let report = restore(&store, &dump).args(["--tables", "log"]).run().ok().json();
    let kept = report["before"].as_str().expect("an empty place is kept").to_owned();
    assert_eq!(left(Server::shared(), &database.name), [kept]);
    undo(&database).run().ok();
    new.holds("after the undo");
    undo(&database).run().ok();
    database.sql("SELECT * FROM log");
    undo(&database).run().ok();
    new.holds("after the third");
    assert_eq!(left(Server::shared(), &database.name).len(), 1);
    // Into nothing at all there is nothing to go back to.
    database.drop_now();
    Tool::new("fwb-restore").args(["--drop-before", "--yes", "--database", &database.name]).run().ok();
    assert_eq!(restore(&store, &dump).run().ok().json()["before"], Value::Null);
}

/// What swaps keep is as large as the database, and of use for some days: a nightly job removes it by its age.
#[test]
fn what_swaps_keep_expires_by_its_age() {
    if !can_swap() {
        return;
    }
    let (database, store) = (Database::new("expires"), Store::new());
    database.sql("CREATE TABLE t (id INT PRIMARY KEY)");
    let dump = store.dump(&database);
    let kept = || left(Server::shared(), &database.name).len();
    let tidy = |options: &[&str]| {
        let tool = Tool::new("fwb-restore").args(["--yes", "--database", &database.name]).args(options);
        tool.run()
    };
    restore(&store, &dump).run().ok();
    restore(&store, &dump).args(["--keep-before", "0", "--older-than", "1h"]).run().ok();
    assert_eq!(kept(), 2, "nothing is an hour old");
    tidy(&["--drop-before", "--older-than", "1h"]).ok();
    assert_eq!(kept(), 2);
    // Times are of whole seconds.
    crate::support::until("some age", || {
        tidy(&["--keep-before", "1", "--older-than", "1s"]).ok();
        (kept() == 1).then_some(())
    });
    tidy(&["--older-than", "1s"]).fails(2, &["--older-than", "--drop-before"]);
    assert_eq!(kept(), 1, "the newest is kept whatever its age");
    crate::support::until("some age", || {
        tidy(&["--drop-before", "--older-than", "1s"]).ok();
        (kept() == 0).then_some(())
    });
}

/// A row count says nothing of what is in the rows: a server that takes 300 for 127 says nothing.
#[test]
fn contents_are_proved_where_that_is_asked_for() {
    if !can_swap() {
        return;
    }
    let (database, store) = (Database::new("contents"), Store::new());
    database.sql(EVERYTHING);
    let dump = store.dump(&database);
    restore(&store, &dump).args(["--prove", "digest"]).run().ok();
    restore(&store, &dump).args(["--prove", "digest", "--tables", "projects,v1"]).run().ok();
    database.sql(
        "CREATE TABLE clamped (id INT PRIMARY KEY, v TINYINT); INSERT INTO clamped VALUES (1, 5), (2, 100);",
    );
    let proxy = Proxy::new(Server::shared(), Fault::Change(b"\x012\x03100", b"\x012\x03300"));
    let dump = store.tool("fwb-dump").arg("-B").arg(&database.name).arg("--socket").arg(proxy.socket());
    let wrong = dump.run().ok().json();
    let before = Before::new(&database);
    restore(&store, &wrong).args(["--prove", "digest"]).run().fails(3, &["clamped", "is as it was"]);
    before.holds("a restore whose contents differ");
    restore(&store, &wrong).run().ok();
}

/// One table comes back into a database that goes on living: its rows, its trigger, and the foreign keys to and from
/// it.
#[test]
fn a_table_comes_back_with_its_foreign_keys() {
    if !can_swap() {
        return;
    }
    let (database, store) = (Database::new("keys"), Store::new());
    database.sql(
        "CREATE TABLE projects (id INT PRIMARY KEY, name TEXT); INSERT INTO projects VALUES (1, 'a'), (2, 'b');
        CREATE TABLE files (id INT PRIMARY KEY, project INT, parent INT, KEY (project),
          CONSTRAINT up FOREIGN KEY (project) REFERENCES projects (id), CONSTRAINT own FOREIGN KEY (parent) REFERENCES files (id) ON DELETE CASCADE);
        INSERT INTO files VALUES (1, 1, NULL), (2, 2, 1);
        CREATE TABLE notes (id INT PRIMARY KEY, file INT, CONSTRAINT down FOREIGN KEY (file) REFERENCES files (id) ON DELETE CASCADE ON UPDATE SET NULL);
        INSERT INTO notes VALUES (1, 2); CREATE TRIGGER tr BEFORE INSERT ON files FOR EACH ROW SET NEW.project = 1;",
    );
    let old = Before::new(&database);
    let dump = store.dump(&database);
    database.sql(
        "SET foreign_key_checks = 0; DELETE FROM files WHERE id = 2; INSERT INTO projects VALUES (3, 'c')",
    );
    restore(&store, &dump).args(["--tables", "files"]).run().ok();
    database.sql("DELETE FROM projects WHERE id = 3");
    old.holds("the table, and the foreign keys to and from it");
    let refused = |sql: &str| {
        let cnf = Server::shared().defaults_file();
        let run = mariadb(&cnf, &[&format!("--database={}", database.name)]).stdin(sql).run();
        assert!(run.stderr.contains("foreign key constraint fails"), "{sql}: {}", run.stderr);
    };
    refused("INSERT INTO notes VALUES (2, 77)");
    refused("DELETE FROM projects WHERE id = 2");
    refused("UPDATE files SET project = 9");
    // What was replaced guards nothing any more: the live rows alone count.
    database.sql("DELETE FROM files WHERE id = 2; DELETE FROM projects WHERE id = 2");
    assert_eq!(database.query("SELECT COUNT(*) FROM notes"), "0", "ON DELETE CASCADE works");
    undo(&database).run().ok();
    assert_eq!(database.query("SELECT id FROM files"), "1");
    refused("INSERT INTO notes VALUES (2, 77)");
    refused("UPDATE files SET project = 9");
    let other = Database::new("keys_other");
    other.sql(format!(
        "CREATE TABLE far (id INT PRIMARY KEY, f INT, FOREIGN KEY (f) REFERENCES {}.projects (id))",
        database.name
    ));
    let before = Before::new(&database);
    restore(&store, &dump).run().fails(2, &["foreign keys", &other.name, "--strategy in-place"]);
    before.holds("a restore that is refused");
    drop(other);
    database.sql("CREATE TABLE crashes (id INT) ENGINE=Aria");
    let before = Before::new(&database);
    restore(&store, &dump).run().fails(2, &["Aria", "crashes", "--strategy in-place"]);
    before.holds("a restore that is refused for Aria");
    restore(&store, &dump).args(["--strategy", "in-place"]).run().ok();
}

/// Names of triggers are those of the whole database: one that comes back must not take another table's away.
#[test]
fn an_undo_takes_no_trigger_of_another_table() {
    if !can_swap() {
        return;
    }
    let (database, store) = (Database::new("triggers"), Store::new());
    database.sql("CREATE TABLE a (id INT PRIMARY KEY); CREATE TABLE b (id INT PRIMARY KEY)");
    let dump = store.dump(&database);
    database.sql("CREATE TRIGGER tr BEFORE INSERT ON a FOR EACH ROW SET @a = 1");
    restore(&store, &dump).args(["--tables", "a"]).run().ok();
    database.sql("CREATE TRIGGER tr BEFORE INSERT ON b FOR EACH ROW SET @b = 1");
    let before = Before::new(&database);
    undo(&database).run().fails(2, &["trigger tr", "is as it was"]);
    before.holds("an undo that is refused");
    database.sql("DROP TRIGGER tr");
    undo(&database).run().ok();
    assert_eq!(
        database.query(
            "SELECT event_object_table FROM information_schema.triggers WHERE trigger_schema = DATABASE()"
        ),
        "a"
    );
    restore(&store, &dump).args(["--tables", "b"]).run().ok();
}

/// Clients that read and write while it happens are the reason for the swap.
#[test]
fn clients_see_the_old_tables_or_the_new_and_never_none() {
    if !can_swap() {
        return;
    }
    let (database, store) = (Database::sample("busy"), Store::new());
    let dump = store.dump(&database);
    let stop = AtomicBool::new(false);
    let work = [
        "SELECT COUNT(*) FROM files; SELECT COUNT(*) FROM projects, settings;",
        "SELECT * FROM files JOIN projects LIMIT 3; SELECT COUNT(*) FROM settings;",
        "INSERT INTO settings SELECT UUID(), 'x'; UPDATE projects SET name = CONCAT(name, '');",
        "START TRANSACTION; UPDATE files SET views = views + 1; UPDATE settings SET value = 'y'; COMMIT;",
    ];
    std::thread::scope(|scope| {
        let clients: Vec<_> = work
            .iter()
            .map(|sql| {
                let (database, stop) = (&database, &stop);
                scope.spawn(move || use_until(database, stop, &format!("{sql}\n")))
            })
            .collect();
        for _ in 0..4 {
            let report = restore(&store, &dump).run().ok().json();
            assert!(report["trigger_gap_seconds"].is_number(), "the gap is measured: {report}");
        }
        undo(&database).run().ok();
        stop.store(true, Ordering::Relaxed);
        for client in clients {
            let (rounds, said) = client.join().unwrap();
            let errors: BTreeSet<&str> =
                said.lines().filter_map(|line| line.strip_prefix("ERROR ")?.split(' ').next()).collect();
            assert!(rounds > 20, "it was at work: {rounds}");
            // A deadlock or a table that changed under a transaction is what clients know to try again.
            assert!(
                errors.iter().all(|number| ["1213", "1205", "1412"].contains(number)),
                "{errors:?}: {said:.2000}"
            );
        }
    });
}

/// Runs SQL over and over in one client, and returns how often, and what it said.
fn use_until(database: &Database, stop: &AtomicBool, sql: &str) -> (u32, String) {
    let cnf = Server::shared().defaults_file();
    let client = mariadb(&cnf, &["--force", &format!("--database={}", database.name)])
        .command()
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn();
    let mut client = client.unwrap();
    let mut rounds = 0;
    let mut input = client.stdin.take().unwrap();
    while !stop.load(Ordering::Relaxed) && input.write_all(sql.as_bytes()).is_ok() {
        rounds += 1;
        std::thread::sleep(Duration::from_millis(3));
    }
    drop(input);
    (rounds, String::from_utf8_lossy(&client.wait_with_output().unwrap().stderr).into_owned())
}

/// Two restores of one database would spoil each other.
#[test]
fn one_restore_at_a_time() {
    if !can_swap() {
        return;
    }
    let (database, store) = (Database::sample("alone"), Store::new());
    let dump = store.dump(&database);
    let server = Server::shared();
    let held = hold(server, &database.name, "START TRANSACTION; SELECT * FROM files; DO SLEEP(1000)");
    let first = restore(&store, &dump).spawn();
    waits(server, "RENAME TABLE");
    restore(&store, &dump).run().fails(4, &["a restore of", &database.name]);
    release(held);
    assert!(first.wait_with_output().unwrap().status.success());
}

/// A client that holds what it has touched.
pub(crate) fn hold(server: &Server, database: &str, sql: &str) -> Child {
    let mut client = mariadb(&server.defaults_file(), &[&format!("--database={database}")])
        .command()
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    client.stdin.as_mut().unwrap().write_all(format!("{sql};\n").as_bytes()).unwrap();
    client.stdin.as_mut().unwrap().flush().unwrap();
    let asleep = "SELECT COUNT(*) FROM information_schema.processlist WHERE state = 'User sleep'";
    until(|| server.query(asleep) != "0");
    client
}

pub(crate) fn release(mut client: Child) {
    client.kill().unwrap();
    client.wait().unwrap();
}

/// Waits until a connection waits for a table in a statement that begins like this.
pub(crate) fn waits(server: &Server, sql: &str) {
    let waiting = format!(
        "SELECT COUNT(*) FROM information_schema.processlist WHERE state LIKE 'Waiting for table metadata%' AND info LIKE '{sql}%'"
    );
    until(|| server.query(&waiting) != "0");
}

fn until(mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < Duration::from_secs(120), "it did not come to that");
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub(crate) const BEFORE: &str = "
CREATE TABLE files (id INT PRIMARY KEY, v VARCHAR(50)); INSERT INTO files SELECT seq, 'old' FROM seq_1_to_5000;
CREATE TABLE notes (id INT PRIMARY KEY, f INT, FOREIGN KEY (f) REFERENCES files (id)); INSERT INTO notes SELECT seq, seq FROM seq_1_to_1000;
CREATE TABLE log (id INT AUTO_INCREMENT PRIMARY KEY, t TEXT); CREATE SEQUENCE s;
CREATE TRIGGER t1 BEFORE INSERT ON files FOR EACH ROW SET NEW.v = 'old trigger';
CREATE TRIGGER t2 BEFORE INSERT ON files FOR EACH ROW SET @a = 1;
CREATE VIEW v1 AS SELECT id, v, 'old' AS k FROM files; CREATE PROCEDURE p() SELECT 'old';";
pub(crate) const AFTER: &str = "
DROP TRIGGER t1; UPDATE files SET v = 'new'; CREATE TABLE more (id INT PRIMARY KEY); INSERT INTO more VALUES (1);
CREATE TRIGGER t1 BEFORE INSERT ON files FOR EACH ROW SET NEW.v = 'new trigger';
CREATE OR REPLACE VIEW v1 AS SELECT id, v, 'new' AS k FROM files; CREATE OR REPLACE PROCEDURE p() SELECT 'new'; CREATE VIEW v2 AS SELECT * FROM more;";

/// All of a database that a half-done restore would get wrong.
pub(crate) fn state(server: &Server) -> String {
    server.query(
        "SELECT table_name, table_type FROM information_schema.tables WHERE table_schema = 'd' ORDER BY 1;
        SELECT trigger_name, action_statement, action_order FROM information_schema.triggers WHERE trigger_schema = 'd' ORDER BY 1;
        SELECT routine_definition FROM information_schema.routines WHERE routine_schema = 'd';
        SELECT table_name, view_definition FROM information_schema.views WHERE table_schema = 'd' ORDER BY 1;
        SELECT constraint_name, referenced_table_name, unique_constraint_schema FROM information_schema.referential_constraints WHERE constraint_schema = 'd';
        CHECKSUM TABLE d.files, d.notes; SELECT COUNT(*), MAX(k) FROM d.v1",
    )
}

/// How many kills are spread over a restore.
const KILLS: u32 = 36;

/// Whoever is killed, and whenever: the live database is what it was or what was restored, and the next run says what
/// it found and puts it in order.
#[test]
fn a_kill_at_any_time_leaves_one_of_two_databases() {
    if !can_swap() {
        return;
    }
    let (server, store) = (Server::private("kills", &[]), Store::new());
    let tool = |name: &str| store.tool(name).env("FWB_DEFAULTS_FILE", server.defaults_file());
    let run =
        |dump: &Value| tool("fwb-restore").args(["--yes", "--no-safety-backup"]).stdin(dump.to_string());
    let tidy = || tool("fwb-restore").args(["--drop-before", "--yes", "--database", "d"]).run();
    server.sql(format!("CREATE DATABASE d; USE d; {BEFORE}"));
    let old = (tool("fwb-dump").args(["-B", "d"]).run().ok().json(), state(&server));
    server.sql(format!("USE d; {AFTER}"));
    let new = (tool("fwb-dump").args(["-B", "d"]).run().ok().json(), state(&server));
    let begun = Instant::now();
    run(&old.0).run().ok();
    let whole = begun.elapsed();
    assert_eq!(state(&server), old.1);
    // What a restore brings, and what is there when it begins.
    let (mut comes, mut is) = (&new, &old);
    let mut seen = [0; 2];
    // On a busy machine a round may end before the swaps began: then another one, with later kills.
    let enough = |seen: &[i32; 2]| seen.iter().all(|count| *count > 2);
    for number in 0..KILLS * 4 {
        if number >= KILLS && enough(&seen) {
            break;
        }
        let victim = ["tool", "connections", "server"][usize::try_from(number % 3).unwrap()];
        let mut child = run(&comes.0).spawn();
        let round = f64::from(number / KILLS + 1);
        std::thread::sleep(whole.mul_f64(round * (f64::from(number % KILLS) + 0.5) / f64::from(KILLS)));
        match victim {
            "tool" => signal(child.id(), "KILL"),
            "connections" => {
                let ids = "SELECT id FROM information_schema.processlist \
                           WHERE id <> CONNECTION_ID() AND user NOT IN ('event_scheduler', 'system user')";
                for id in server.query(ids).lines() {
                    // It may have ended by itself.
                    mariadb(&server.defaults_file(), &["-e", &format!("KILL {id}")]).run();
                }
            }
            _ => signal(server.pid(), "KILL"),
        }
        child.wait().unwrap();
        let what = format!("kill {number} of the {victim}");
        if victim == "server" {
            restart(&server);
            // What was cut off in the few milliseconds of the swap itself is put in order by the next run.
            tidy();
        } else {
            quiet(&server);
        }
        let now = state(&server);
        assert!(now == is.1 || now == comes.1, "{what}: neither what it was nor what was restored:\n{now}");
        let left = left(&server, "d");
        let told = tidy();
        assert!(told.code == Some(0) || left.is_empty(), "{what}: {left:?} {}", told.stderr);
        assert_eq!(state(&server), now, "{what}: tidying up changes nothing");
        assert_eq!(self::left(&server, "d"), [""; 0], "{what}");
        seen[usize::from(now == comes.1)] += 1;
        if now == comes.1 {
            std::mem::swap(&mut comes, &mut is);
        }
    }
    assert!(enough(&seen), "kills before and after the swap: {seen:?}");
}

/// Waits until the server works on nothing.
pub(crate) fn quiet(server: &Server) {
    until(|| {
        server.query("SELECT COUNT(*) FROM information_schema.processlist WHERE user = 'root' AND id <> CONNECTION_ID()") == "0"
    });
}

/// The swap itself is short. Here it is held up where it hurts most: triggers gone, tables not yet moved.
#[test]
fn a_swap_that_is_cut_off_is_carried_out_or_taken_back() {
    if !can_swap() {
        return;
    }
    let (server, store) = (Server::private("cutoff", &[]), Store::new());
    let tool = |name: &str| store.tool(name).env("FWB_DEFAULTS_FILE", server.defaults_file());
    let tidy = || tool("fwb-restore").args(["--drop-before", "--yes", "--database", "d"]).run();
    server.sql(format!("CREATE DATABASE d; USE d; {BEFORE}"));
    let old = (tool("fwb-dump").args(["-B", "d"]).run().ok().json(), state(&server));
    server.sql(format!("USE d; {AFTER}"));
    let new = state(&server);
    for victim in ["TERM", "KILL", "server"] {
        let held = hold(&server, "d", "START TRANSACTION; SELECT * FROM more; DO SLEEP(1000)");
        let mut child =
            tool("fwb-restore").args(["--yes", "--no-safety-backup"]).stdin(old.0.to_string()).spawn();
        waits(&server, "RENAME TABLE");
        if victim == "server" {
            signal(server.pid(), "KILL");
            child.wait().unwrap();
            release(held);
            restart(&server);
            let told = tidy();
            assert!(told.stderr.contains("cut off"), "the next run says what it found: {}", told.stderr);
        } else {
            signal(child.id(), victim);
            if victim == "KILL" {
                child.wait().unwrap();
            }
            release(held);
            let ended = child.wait_with_output().unwrap();
            let said = String::from_utf8_lossy(&ended.stderr).into_owned();
            let given_up = ended.status.code() == Some(143) && said.contains("d is as it was");
            assert!(victim == "KILL" || given_up, "a signal ends the wait: {said}");
            quiet(&server);
        }
        let now = state(&server);
        // A server that notices that its client is gone gives up, and puts back what it has cleared.
        let expected = match victim {
            "KILL" => now == old.1 || now == new,
            _ => now == new,
        };
        assert!(expected, "{victim}: {now}");
        tidy();
        assert_eq!(state(&server), now, "{victim}, tidied up");
        assert_eq!(left(&server, "d"), [""; 0], "{victim}");
        if victim != "server" {
            server.sql(format!("DROP DATABASE d; CREATE DATABASE d; USE d; {BEFORE} {AFTER}"));
        }
    }
}
