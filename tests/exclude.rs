//! Backups that leave tables out, or their rows: they count as backups of the database, they say what they lack, and a restore of
//! one takes nothing away that it does not bring back.

use std::fs;

use serde_json::{Value, json};

use crate::support::{
    Before, Database, Server, Store, Tool, gunzip, mariadb, name, over_a_live_one, unpacked,
};

/// Users and orders; sessions, whose rows nobody needs; logs, which are large; and what refers across.
fn shop(name: &str) -> Database {
    let database = Database::new(name);
    database.sql(
        "CREATE TABLE users (id INT PRIMARY KEY, v TEXT); INSERT INTO users VALUES (1, 'backup'), (2, 'backup');
        CREATE TABLE sessions (id INT AUTO_INCREMENT PRIMARY KEY, user INT, token TEXT, FOREIGN KEY (user) REFERENCES users (id));
        INSERT INTO sessions VALUES (1, 1, 'backup-secret');
        CREATE TABLE log_2025 (id INT AUTO_INCREMENT PRIMARY KEY, v TEXT); INSERT INTO log_2025 (v) VALUES ('backup-line');
        CREATE TABLE log_2026 (id INT PRIMARY KEY, user INT, FOREIGN KEY (user) REFERENCES users (id)); INSERT INTO log_2026 VALUES (1, 1);
        CREATE TABLE notes (id INT PRIMARY KEY, log INT, FOREIGN KEY (log) REFERENCES log_2025 (id)); INSERT INTO notes VALUES (1, 1);
        CREATE TRIGGER session_in BEFORE INSERT ON sessions FOR EACH ROW SET NEW.token = CONCAT(NEW.token, '!');
        CREATE TRIGGER log_in BEFORE INSERT ON log_2025 FOR EACH ROW SET NEW.v = CONCAT(NEW.v, '!');
        CREATE VIEW people AS SELECT id, v FROM users; CREATE VIEW readings AS SELECT l.v, u.v AS who FROM log_2025 l JOIN users u ON u.id = l.id;
        CREATE VIEW over_readings AS SELECT v FROM readings; CREATE VIEW log_view AS SELECT 1 AS one;
        CREATE FUNCTION seven() RETURNS INT DETERMINISTIC RETURN 7;
        CREATE PROCEDURE look() SELECT COUNT(*) FROM log_2025; CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY STARTS '2037-01-01' DO SELECT 1;",
    );
    database
}

const EXCLUDING: [&str; 4] = ["--exclude-table", "log_*", "--exclude-data", "sessions"];

fn dump_of(store: &Store, database: &Database) -> Value {
    store.tool("fwb-dump").args(["-B", &database.name]).args(EXCLUDING).run().ok().json()
}

/// What has gone on since the backup: everywhere.
fn goes_on(database: &Database) {
    database.sql(
        "INSERT INTO users VALUES (3, 'since'); UPDATE users SET v = 'since' WHERE id = 2;
        INSERT INTO sessions (user, token) VALUES (1, 'since'); INSERT INTO log_2025 (v) VALUES ('since');
        INSERT INTO log_2026 VALUES (2, 2); DELETE FROM notes; CREATE TABLE new (id INT); CREATE OR REPLACE VIEW people AS SELECT 1 AS id;
        DROP PROCEDURE look;",
    );
}

/// The rows that stay, after [`goes_on`] and a restore, and those that come back.
const STAYS: &str = "SELECT GROUP_CONCAT(token ORDER BY id) FROM sessions; SELECT GROUP_CONCAT(v ORDER BY id) FROM log_2025; SELECT COUNT(*) FROM log_2026";
const STAYED: &str = "backup-secret,since!\nbackup-line,since!\n2";
const BACK: &str = "SELECT GROUP_CONCAT(v ORDER BY id) FROM users; SELECT COUNT(*) FROM notes; SELECT COUNT(*) FROM people; \
                    SELECT COUNT(*) FROM over_readings; SELECT COUNT(*) FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = DATABASE(); \
                    SELECT COUNT(*) FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE(); \
                    SELECT COUNT(*) FROM information_schema.EVENTS WHERE EVENT_SCHEMA = DATABASE()";
const CAME_BACK: &str = "backup,backup\n1\n2\n2\n2\n2\n1";

/// A row without its parent.
fn is_refused(database: &Database, sql: &str) {
    let out = mariadb(&Server::shared().defaults_file(), &["-D", &database.name]).stdin(sql).run();
    assert!(out.code == Some(1) && out.stderr.contains("1452"), "{sql}: {}", out.stderr);
}

fn restore(store: &Store, dump: &Value, options: &[&str]) -> Tool {
    store.tool("fwb-restore").args(options).stdin(dump.to_string())
}

#[test]
fn a_dump_says_what_it_leaves_out_and_counts_all_the_same() {
    let (database, store) = (shop("says"), Store::new());
    let dump = dump_of(&store, &database);
    assert_eq!(
        (&dump["schema"], &dump["whole"], &dump["kind"]),
        (&json!("fwb/1.1"), &json!(true), &json!("full"))
    );
    let excluded = json!({
        "tables": ["log_2025", "log_2026"], "rows": ["sessions"],
        "patterns": {"tables": ["log_*"], "rows": ["sessions"]},
    });
    assert_eq!(dump["excluded"], excluded);
    let sql = String::from_utf8(gunzip(&fs::read(store.artifact(&dump)).unwrap())).unwrap();
    assert!(
        !sql.contains("backup-secret") && !sql.contains("backup-line") && !sql.contains("TABLE `log_"),
        "{sql}"
    );
    assert!(
        sql.contains("CREATE TABLE `sessions`") && sql.contains("session_in") && !sql.contains("log_in"),
        "{sql}"
    );
    assert!(sql.contains("VIEW `log_view`"), "no pattern means a view: {sql}");
    let told = store.tool("fwb-verify").args(["--format", "text", name(&dump)]).run().ok().stdout_text();
    assert!(
        told.contains("proved") && told.contains("leaves out: log_2025, log_2026; the rows of sessions"),
        "{told}"
    );
    // It is a backup of the database, and everybody sees that it lacks something.
    for options in [&["--latest", "--verified"][..], &["--max-age", "1d"]] {
        assert_eq!(store.tool("fwb-ls").args(options).run().ok().json()["name"], dump["name"]);
    }
    let listed = store.tool("fwb-ls").args(["--format", "text"]).run().ok().stdout_text();
    assert!(listed.contains("proved (full, just now), some left out"), "{listed}");
    let inside = store.tool("fwb-ls").args(["--tables", "--format", "text"]).run().ok().stdout_text();
    assert!(inside.lines().any(|line| line.starts_with("left out") && line.contains("log_2025")), "{inside}");
    let all = store.tool("fwb-ls").run().ok().stdout;
    let prune = store.tool("fwb-prune").args(["--keep-last", "1", "--dry-run"]).stdin(all).run().ok().json();
    assert_eq!(prune["decision"]["action"], "keep");
    assert_eq!(prune["excluded"], excluded);
    // The footer tells where no sidecar does, and a sidecar that says something else is damage.
    let sidecar = store.sidecar(&dump);
    let text = fs::read_to_string(&sidecar).unwrap();
    for forged in [text.replace("fwb/1.1", "fwb/1"), text.replace("\"log_2026\"", "\"log_2027\"")] {
        fs::write(&sidecar, forged).unwrap();
        store
            .tool("fwb-restore")
            .args(["--yes", name(&dump)])
            .run()
            .fails(3, &["differs from the artifact's own manifest"]);
    }
    fs::remove_file(&sidecar).unwrap();
    assert_eq!(store.tool("fwb-ls").run().ok().json()["excluded"], excluded);
    store.tool("fwb-verify").arg(name(&dump)).run().ok();
    // A copy is what its original is; so says the record of a run.
    let copies = Store::new();
    let copy = store.tool("fwb-copy").arg("--to").arg(copies.path()).arg(name(&dump)).run().ok().json();
    assert_eq!((&copy["schema"], &copy["excluded"]), (&dump["schema"], &excluded));
    let run = store.tool("fwb-run").args(["backup", "-B", &database.name]).args(EXCLUDING).run().ok().json();
    assert_eq!((&run["outcome"], &run["excluded"]), (&json!("ok"), &excluded), "{run}");
}

/// A typing error would be a backup of what was to be left out, or the other way round.
#[test]
fn a_pattern_that_means_nothing_is_an_error_before_anything_is_written() {
    let (database, store) = (shop("idle"), Store::new());
    let dump = |options: &[&str]| store.tool("fwb-dump").args(["-B", &database.name]).args(options).run();
    for (options, words) in [
        (&["--exclude-table", "lgo_*"][..], "no table that is dumped matches \"lgo_*\""),
        (&["--exclude-data", "other.sessions"], "other.sessions"),
        (&["--exclude-data", "people"], "people"),
        (&["--exclude-table", "*"], "nothing of"),
        (&["--exclude-data", "*"], "nothing of"),
        (&["--tables", "users", "--exclude-table", "log_*"], "--exclude-table"),
    ] {
        dump(options).fails(2, &[words]);
        assert_eq!(store.names(), [""; 0], "{options:?}");
    }
    let accounts = store.tool("fwb-dump").args(["--accounts", "--exclude-table", "x"]).run();
    accounts.fails(2, &["--exclude-table"]);
    // The variable takes several, and has no part in a dump of chosen tables.
    let by_variable = || store.tool("fwb-dump").env("FWB_EXCLUDE_TABLE", "log_* readings\nover_readings");
    let made = by_variable().args(["-B", &database.name, "--strict"]).run().ok().json();
    assert_eq!(made["excluded"]["tables"], json!(["log_2025", "log_2026", "over_readings", "readings"]));
    let chosen = by_variable().args(["-B", &database.name, "--tables", "log_2025"]).run().ok().json();
    assert_eq!((&chosen["excluded"], &chosen["schema"]), (&Value::Null, &json!("fwb/1")));
}

#[test]
fn several_databases_are_dumped_without_some_of_their_tables() {
    let (one, other) = (shop("several_a"), Database::new("several_b"));
    other.sql("CREATE TABLE kept (id INT); CREATE TABLE log_2025 (id INT); INSERT INTO log_2025 VALUES (1)");
    let store = Store::new();
    let dump = |options: &[&str]| {
        store.tool("fwb-dump").args(["-B", &one.name, "-B", &other.name]).args(options).run()
    };
    let of_one = format!("{}.log_*", one.name);
    let made = dump(&["--exclude-table", &of_one, "--exclude-data", "sessions"]).ok().records();
    let excluded: Vec<&Value> = made.iter().map(|made| &made["excluded"]["tables"]).collect();
    assert_eq!(excluded, [&json!(["log_2025", "log_2026"]), &Value::Null]);
    assert_eq!(made[1]["schema"], "fwb/1", "what leaves nothing out is as ever");
    let names = store.names();
    dump(&["--exclude-table", "log_*", "--exclude-data", "gone"]).fails(2, &["\"gone\""]);
    assert_eq!(store.names(), names);
}

/// The way of every night to come: the database goes back, and nobody is logged out, no line of a log is lost.
#[test]
fn what_was_left_out_stays_as_it_is() {
    let strategies: &[&str] =
        if over_a_live_one().is_empty() { &["swap", "in-place"] } else { &["in-place"] };
    for strategy in strategies {
        let (database, store) = (shop(&format!("stays_{}", strategy.replace('-', "_"))), Store::new());
        let dump = dump_of(&store, &database);
        goes_on(&database);
        let changed = database.content();
        let options = ["--strategy", strategy];
        let plan = restore(&store, &dump, &options).arg("--dry-run").run().ok().json();
        assert_eq!(plan["stay"], json!(["log_2025", "log_2026", "sessions"]));
        let steps = plan["steps"].to_string();
        assert!(
            steps.contains("everything but log_2025, log_2026, sessions, which stay as they are"),
            "{steps}"
        );
        let findings = plan["findings"].to_string();
        assert!(findings.contains("log_2026 (to users), sessions (to users)"), "{findings}");
        let report = restore(&store, &dump, &options).arg("--yes").run().ok();
        let report = report.json();
        assert_eq!(report["stayed"], plan["stay"]);
        assert_eq!(database.query(STAYS), STAYED, "{strategy}");
        assert_eq!(database.query(BACK), CAME_BACK, "{strategy}");
        assert_eq!(database.query("SHOW TABLES LIKE 'new'"), "", "{strategy}");
        // Keys across still hold, and triggers are at work.
        is_refused(&database, "INSERT INTO sessions (user, token) VALUES (99, 'x')");
        is_refused(&database, "INSERT INTO notes VALUES (9, 99)");
        // The safety backup is of everything.
        let safety = store.read_sidecar(&json!({"name": report["safety_backup"]}));
        assert_eq!((&safety["excluded"], &safety["whole"]), (&Value::Null, &json!(true)));
        assert!(safety["sections"].to_string().contains("log_2026"));
        if *strategy == "swap" {
            database.sql("INSERT INTO sessions (user, token) VALUES (2, 'later')");
            store.tool("fwb-restore").args(["--undo", "--yes", "-B", &database.name]).run().ok();
            assert_eq!(
                database.query("SELECT COUNT(*) FROM sessions; SELECT COUNT(*) FROM log_2025"),
                "3\n2"
            );
            database.sql("DELETE FROM sessions WHERE token = 'later!'");
            assert_eq!(database.content(), changed, "undone");
            // And what was undone comes once more.
            store.tool("fwb-restore").args(["--undo", "--yes", "-B", &database.name]).run().ok();
            assert_eq!(database.query(STAYS), STAYED);
            assert_eq!(database.query(BACK), CAME_BACK);
        }
    }
}

/// The way back is whole, whatever the backup lacks.
#[test]
fn a_safety_backup_is_of_everything() {
    let (database, store) = (shop("safety"), Store::new());
    let dump = dump_of(&store, &database);
    goes_on(&database);
    let before = Before::new(&database);
    let report = restore(&store, &dump, &["--strategy", "in-place", "--yes"]).run().ok().json();
    assert_eq!(database.query(STAYS), STAYED);
    // The safety backup brings all of it back, rows that stayed among it.
    let safety = json!({"name": report["safety_backup"]});
    store.tool("fwb-restore").args(["--strategy", "in-place", "--yes", name(&safety)]).run().ok();
    before.holds("put back from the safety backup");
}

/// An empty server: what is in the backup comes, what is not is told.
#[test]
fn a_dropped_database_comes_back_without_what_was_left_out() {
    let (database, store) = (shop("dropped"), Store::new());
    let dump = dump_of(&store, &database);
    database.drop_now();
    let restored = restore(&store, &dump, &["--yes"]).run().ok();
    for words in [
        "they come back empty: sessions",
        "and they are not there: log_2025, log_2026",
        "over_readings (needs readings), readings (needs log_2025)",
        "notes (to log_2025)",
    ] {
        assert!(restored.stderr.contains(words), "{words}: {}", restored.stderr);
    }
    assert_eq!(restored.json()["stayed"], Value::Null);
    assert_eq!(database.query("SELECT COUNT(*) FROM users; SELECT COUNT(*) FROM sessions; SELECT COUNT(*) FROM notes; SELECT COUNT(*) FROM people; SELECT seven()"), "2\n0\n1\n2\n7");
    assert_eq!(database.query("SHOW TABLES LIKE 'l%'"), "log_view");
    database.sql("INSERT INTO sessions (user, token) VALUES (1, 'new')");
    assert_eq!(database.query("SELECT token FROM sessions"), "new!", "its trigger is there");
    // Once the table is there again, so is the key to it, and its views can be made.
    database.sql("SET foreign_key_checks = 0; CREATE TABLE log_2025 (id INT AUTO_INCREMENT PRIMARY KEY, v TEXT); INSERT INTO log_2025 VALUES (1, 'again')");
    restore(&store, &dump, &["--yes", "--tables", "readings,over_readings"])
        .args(over_a_live_one())
        .run()
        .ok();
    assert_eq!(database.query("SELECT COUNT(*) FROM over_readings"), "1");
    is_refused(&database, "INSERT INTO notes VALUES (9, 99)");
    // As the database of another name, on an empty server too.
    let other = Database::reserved("dropped_other");
    restore(&store, &dump, &["--yes", "-B", &other.name]).run().ok();
    assert_eq!(other.query("SELECT COUNT(*) FROM notes"), "1");
    // All databases of a store: what waits for nothing that comes is told, and is no failure.
    database.drop_now();
    store.tool("fwb-verify").arg(name(&dump)).run().ok();
    store.tool("fwb-restore").args(["--all", "--yes"]).run().ok();
    assert_eq!(database.query("SELECT COUNT(*) FROM notes"), "1");
}

/// What no backup has is never taken away: rather nothing is done.
#[test]
fn a_restore_that_would_lose_rows_is_refused() {
    let (database, store) = (shop("refused"), Store::new());
    let dump = dump_of(&store, &database);
    let refused = |options: &[&str], words: &[&str]| {
        let before = Before::new(&database);
        let names = store.names();
        restore(&store, &dump, &["--yes"]).args(over_a_live_one()).args(options).run().fails(2, words);
        before.holds("nothing was written");
        assert_eq!(store.names(), names);
    };
    refused(&["--tables", "users,sessions"], &["no rows of these tables", "sessions"]);
    refused(&["--tables", "log_2025"], &["holds no table log_2025"]);
    database.sql("ALTER TABLE sessions ADD COLUMN more INT");
    refused(&[], &["defined otherwise", "sessions", "rename or drop them"]);
    database.sql("ALTER TABLE sessions DROP COLUMN more; ALTER TABLE sessions AUTO_INCREMENT = 500");
    database.sql("CREATE TABLE parent (id INT PRIMARY KEY); ALTER TABLE log_2026 ADD up INT, ADD FOREIGN KEY (up) REFERENCES parent (id)");
    refused(&[], &["not in the backup, and would lose them: log_2026 (to parent)"]);
    database.sql("DROP TABLE log_2026; DROP TABLE parent");
    database.sql("CREATE TRIGGER stamps BEFORE INSERT ON users FOR EACH ROW SET NEW.id = NEW.id");
    let with_trigger = dump_with_trigger(&store, &database);
    database.sql("DROP TRIGGER stamps; CREATE TRIGGER stamps BEFORE INSERT ON log_2025 FOR EACH ROW SET NEW.id = NEW.id");
    let before = Before::new(&database);
    let clash = restore(&store, &with_trigger, &["--yes"]).args(over_a_live_one()).run();
    clash.fails(2, &["triggers of the same name", "stamps"]);
    before.holds("nothing was written");
    database.sql("DROP TRIGGER stamps");
    restore(&store, &dump, &["--yes"]).args(over_a_live_one()).run().ok();
    restore(&store, &dump, &["--yes", "--tables", "users"]).args(over_a_live_one()).run().ok();
}

fn dump_with_trigger(store: &Store, database: &Database) -> Value {
    store.tool("fwb-dump").args(["-B", &database.name, "--exclude-table", "log_*"]).run().ok().json()
}

/// A drill restores what the backup has and compares that.
#[test]
fn a_backup_that_leaves_tables_out_is_drilled() {
    let (database, store) = (shop("drilled"), Store::new());
    let dump = dump_of(&store, &database);
    let drilled = store.tool("fwb-verify").args(["--level", "drill", name(&dump)]).run().ok().json();
    let verification = &drilled["verification"];
    assert_eq!(
        (&verification["level"], &verification["ok"]),
        (&json!("drill"), &json!(true)),
        "{verification}"
    );
    let notes = verification["notes"].to_string();
    assert!(
        notes.contains("view readings was not tried") && notes.contains("over_readings was not tried"),
        "{notes}"
    );
    let report = store.tool("fwb-report").args(["--format", "json"]).run().ok().json();
    assert!(report["databases"][0]["newest_drill"].is_object(), "{report}");
}

/// Nobody is woken by a table that was left out, nor by rows that were.
#[test]
fn a_report_misses_nothing_that_was_left_out() {
    let (database, store) = (shop("reported"), Store::new());
    database.sql("INSERT INTO sessions (user, token) SELECT 1, seq FROM seq_1_to_3000");
    for hours in [72, 48, 24] {
        let dump = store.dump_verified(&database);
        store.aged(&dump, hours);
        for name in [name(&dump).to_owned(), format!("{}.json", name(&dump))] {
            fs::remove_file(store.file(&name)).unwrap();
        }
    }
    let dump = dump_of(&store, &database);
    store.tool("fwb-verify").arg(name(&dump)).run().ok();
    let report = store.tool("fwb-report").args(["--format", "json"]).run().ok().json();
    let newest = &report["databases"][0]["newest"];
    assert_eq!((&newest["name"], &newest["leaves_out"]), (&dump["name"], &json!(true)));
    let told = store.tool("fwb-report").args(["--format", "text"]).run();
    assert!(told.stdout_text().contains("some tables left out"), "{}", told.stdout_text());
    let troubles = report["troubles"].to_string();
    assert!(!troubles.contains("vanished") && !troubles.contains("sessions"), "{troubles}");
}

/// A minimal sidecar names nothing; that something is left out it says. Whoever has the key is told what.
#[test]
fn an_encrypted_backup_names_nothing_that_it_leaves_out() {
    let (database, store) = (shop("hidden"), Store::new());
    let keys = tempfile::tempdir().unwrap();
    let key = keys.path().join("key");
    Tool::program("age-keygen").arg("-o").arg(&key).run().ok();
    let recipient = Tool::program("age-keygen").arg("-y").arg(&key).run().ok().stdout_text();
    for sidecar in ["minimal", "full"] {
        let dump = store.tool("fwb-dump").args(["-B", &database.name, "--recipient", recipient.trim()]);
        let dump = dump.args(["--sidecar", sidecar]).args(EXCLUDING).run().ok().json();
        let text = fs::read_to_string(store.sidecar(&dump)).unwrap();
        assert_eq!(text.contains("sessions"), sidecar == "full", "{text}");
        assert_eq!(dump["excluded"] == json!({}), sidecar == "minimal");
        let copies = Store::new();
        let copy = store.tool("fwb-copy").arg("--to").arg(copies.path()).arg(name(&dump)).run().ok().json();
        assert_eq!((&copy["excluded"], &copy["schema"]), (&dump["excluded"], &json!("fwb/1.1")));
        goes_on(&database);
        let report = copies.tool("fwb-restore").args(["--yes", "--identity"]).arg(&key).arg(name(&dump));
        let report = report.args(over_a_live_one()).run().ok().json();
        assert_eq!(report["stayed"], json!(["log_2025", "log_2026", "sessions"]));
        assert_eq!(
            database.query("SELECT COUNT(*) FROM users; SELECT MAX(token) FROM sessions"),
            "2\nsince!"
        );
        database.sql("DELETE FROM sessions WHERE id > 1; DELETE FROM log_2026 WHERE id > 1; DELETE FROM log_2025 WHERE id > 1");
    }
}

/// No log goes on from what lacks a part, and whoever asks is told why.
#[test]
fn no_log_goes_on_from_it() {
    let (database, store) = (shop("no_base"), Store::new());
    let dump = dump_of(&store, &database);
    assert!(dump["binlog"].is_object(), "{dump}");
    let until = ["--until", "0-1-999999999", "-B", &database.name, "--dry-run"];
    store.tool("fwb-restore").args(until).run().fails(3, &["leaves tables out"]);
}

/// On servers that know no swap, and where names and definitions are MySQL's.
#[test]
fn mysql_leaves_tables_out_too() {
    let server = Server::of("mysql-9.7", "exclude-mysql", &[]);
    let store = Store::new();
    let tool = |tool: &str| {
        let tool = store.tool(tool).env("FWB_DEFAULTS_FILE", server.defaults_file());
        tool.env("FWB_DRILL_SERVER_DIR", unpacked("mysql-9.7"))
    };
    let sql = |sql: &str| {
        mariadb(&server.defaults_file(), &["-N", "-B"]).stdin(sql).run().ok().stdout_text().trim().to_owned()
    };
    sql("CREATE DATABASE d; USE d; CREATE TABLE users (id INT PRIMARY KEY, v TEXT); INSERT INTO users VALUES (1, 'backup');
        CREATE TABLE sessions (id INT AUTO_INCREMENT PRIMARY KEY, user INT, FOREIGN KEY (user) REFERENCES users (id)); INSERT INTO sessions VALUES (1, 1);
        CREATE TABLE log (id INT PRIMARY KEY); INSERT INTO log VALUES (1); CREATE TABLE notes (id INT PRIMARY KEY, log INT, FOREIGN KEY (log) REFERENCES log (id));
        INSERT INTO notes VALUES (1, 1); CREATE VIEW lines_seen AS SELECT id FROM log");
    let dump = tool("fwb-dump")
        .args(["-B", "d", "--exclude-table", "l?g", "--exclude-data", "sess*"])
        .run()
        .ok()
        .json();
    tool("fwb-verify").args(["--level", "drill", name(&dump)]).run().ok();
    sql(
        "USE d; UPDATE users SET v = 'since'; INSERT INTO sessions VALUES (2, 1); INSERT INTO log VALUES (2); DELETE FROM notes",
    );
    let in_place = ["--yes", "--strategy", "in-place", name(&dump)];
    let report = tool("fwb-restore").args(in_place).run().ok().json();
    assert_eq!(report["stayed"], json!(["log", "sessions"]));
    let counts = "USE d; SELECT COUNT(*) FROM sessions; SELECT COUNT(*) FROM log; SELECT COUNT(*) FROM notes; SELECT COUNT(*) FROM lines_seen; SELECT v FROM users";
    assert_eq!(sql(counts), "2\n2\n1\n2\nbackup");
    sql("DROP DATABASE d");
    let restored = tool("fwb-restore").args(["--yes", name(&dump)]).run().ok();
    assert!(restored.stderr.contains("lines_seen (needs log)"), "{}", restored.stderr);
    assert_eq!(
        sql("USE d; SELECT COUNT(*) FROM sessions; SELECT COUNT(*) FROM notes; SHOW TABLES"),
        "0\n1\nnotes\nsessions\nusers"
    );
    // Half way: a row that the server does not take any more. What has not been touched is not put back either.
    sql("USE d; CREATE TABLE log (id INT PRIMARY KEY); INSERT INTO log VALUES (7);
        CREATE TABLE parts (id INT PRIMARY KEY) PARTITION BY RANGE (id) (PARTITION p VALUES LESS THAN (10)); CREATE TABLE beyond (id INT PRIMARY KEY);
        INSERT INTO beyond VALUES (100); ALTER TABLE parts EXCHANGE PARTITION p WITH TABLE beyond WITHOUT VALIDATION; DROP TABLE beyond;
        INSERT INTO sessions VALUES (5, 1)");
    let dump = tool("fwb-dump")
        .args(["-B", "d", "--exclude-table", "log", "--exclude-data", "sessions"])
        .run()
        .ok()
        .json();
    sql("USE d; TRUNCATE parts; INSERT INTO sessions VALUES (6, 1); INSERT INTO log VALUES (8)");
    let fails = tool("fwb-restore").args(["--yes", "--strategy", "in-place", name(&dump)]).run();
    fails.fails(1, &["rolled back to what it held before"]);
    assert_eq!(
        sql(
            "USE d; SELECT COUNT(*) FROM sessions; SELECT COUNT(*) FROM log; SELECT COUNT(*) FROM users; SELECT COUNT(*) FROM parts"
        ),
        "2\n2\n1\n0"
    );
}
