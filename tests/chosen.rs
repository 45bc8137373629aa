//! Backups of chosen tables: those that `fwb-dump --tables` makes, and the safety backups of a restore of chosen tables. They
//! read nothing but those tables, a failure is rolled back from them, and they never pass for a backup of the database.

use std::fs;

use serde_json::{Value, json};

use crate::hostile::foreign;
use crate::support::{Before, Database, Store, Tool, bash, digests, gunzip, name, over_a_live_one};

/// A large table, and small ones around one that is restored: its parent, its child, a view, a trigger, and programs.
fn shop(name: &str) -> Database {
    let database = Database::new(name);
    database.sql(
        "CREATE TABLE big (id INT PRIMARY KEY, v VARCHAR(2000)); INSERT INTO big SELECT seq, REPEAT(MD5(seq), 50) FROM seq_1_to_5000;
        CREATE TABLE parents (id INT PRIMARY KEY); INSERT INTO parents VALUES (1), (2);
        CREATE TABLE small (id INT PRIMARY KEY, parent INT, v TEXT, FOREIGN KEY (parent) REFERENCES parents (id));
        INSERT INTO small VALUES (1, 1, 'backup'), (2, 2, 'backup');
        CREATE TABLE children (id INT PRIMARY KEY, small INT, FOREIGN KEY (small) REFERENCES small (id) ON DELETE CASCADE);
        INSERT INTO children VALUES (1, 1), (2, 2);
        CREATE TABLE other (id INT PRIMARY KEY); INSERT INTO other VALUES (7);
        CREATE TRIGGER small_in BEFORE INSERT ON small FOR EACH ROW SET NEW.v = CONCAT(NEW.v, '');
        CREATE TRIGGER other_in BEFORE INSERT ON other FOR EACH ROW SET NEW.id = NEW.id + 1;
        CREATE VIEW seen AS SELECT id, v FROM small; CREATE VIEW large AS SELECT id FROM big;
        CREATE PROCEDURE look() SELECT COUNT(*) FROM small; CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY STARTS '2037-01-01' DO SELECT 1;",
    );
    database
}

fn dump_of(store: &Store, database: &Database, tables: &str) -> Value {
    store.tool("fwb-dump").args(["-B", &database.name, "--tables", tables]).run().ok().json()
}

/// The sidecar of a restore's safety backup.
fn safety(store: &Store, report: &Value) -> Value {
    store.read_sidecar(&json!({"name": report["safety_backup"]}))
}

/// Names of what a backup holds, in its order.
fn held(manifest: &Value) -> Vec<&str> {
    manifest["sections"].as_array().unwrap().iter().filter_map(|section| section["name"].as_str()).collect()
}

fn listed(store: &Store, arguments: &[&str]) -> Vec<Value> {
    store.tool("fwb-ls").args(arguments).run().ok().records()
}

/// At three in the morning, one table of a large database comes back without a copy of all the others first.
#[test]
fn a_restore_of_one_table_backs_up_that_table_alone() {
    let (database, store) = (shop("alone"), Store::new());
    let dump = store.dump_verified(&database);
    for strategy in ["swap", "in-place"] {
        if strategy == "swap" && !over_a_live_one().is_empty() {
            continue;
        }
        database.sql("SET foreign_key_checks = 0; UPDATE small SET v = 'since'; REPLACE INTO small VALUES (3, 1, 'since'); UPDATE other SET id = 8");
        let run = |options: &[&str]| {
            let tool = store.tool("fwb-restore").args(["--tables", "small", "--strategy", strategy]);
            tool.args(options).stdin(dump.to_string()).run().ok()
        };
        let plan = run(&["--dry-run"]).json();
        assert_eq!((&plan["replaced"], &plan["safety_backup"]), (&json!(["small"]), &json!(true)));
        let step = plan["steps"][0].as_str().unwrap();
        assert!(step.contains("nothing else") && step.ends_with(": small"), "{step}");
        let report = run(&["--yes"]).json();
        assert_eq!(report["chosen"], json!(["small"]));
        assert_eq!(database.query("SELECT GROUP_CONCAT(v) FROM small"), "backup,backup", "{strategy}");
        assert_eq!(database.query("SELECT id FROM other"), "8", "{strategy}: it stays as it was");
        let safety = safety(&store, &report);
        assert_eq!((&safety["chosen"], &safety["whole"]), (&json!(["small"]), &json!(false)));
        assert_eq!(held(&safety), ["small"], "the large table was not read");
        assert!(safety["raw_size"].as_u64().unwrap() < 20_000, "{safety}");
        let of_table =
            safety["sections"].as_array().unwrap().iter().find(|section| section["kind"] == "table");
        assert_eq!(of_table.unwrap()["rows"], 3);
        assert_eq!(of_table.unwrap()["objects"], json!([{"kind": "trigger", "name": "small_in"}]));
        // Whoever looks sees what it is.
        let shown =
            store.tool("fwb-ls").args(["--kind", "safety", "--format", "text"]).run().ok().stdout_text();
        assert!(shown.contains("chosen tables (full"), "{shown}");
        let newest = listed(&store, &["--kind", "safety", "--latest", "-B", &database.name]);
        assert_eq!(newest[0]["name"], safety["name"], "what the last restore replaced");
        // As it was before the restore: that table, and nothing else.
        database.sql("UPDATE other SET id = 9");
        let back =
            store.tool("fwb-restore").args(["--yes", name(&safety)]).args(over_a_live_one()).run().ok();
        assert!(back.stderr.contains("chosen tables alone"), "{}", back.stderr);
        assert_eq!(database.query("SELECT GROUP_CONCAT(v) FROM small"), "since,since,since");
        assert_eq!(database.query("SELECT id FROM other; SELECT COUNT(*) FROM big"), "9\n5000");
    }
}

/// What is not there needs no backup, and goes again when the restore fails.
#[test]
fn where_nothing_is_replaced_there_is_nothing_to_save() {
    let (database, store) = (shop("new"), Store::new());
    let dump = store.dump_verified(&database);
    database.sql("DROP TABLE children; DROP VIEW seen; DROP TABLE small");
    let before = Before::new(&database);
    let body = "CREATE TABLE `small` (id INT PRIMARY KEY);\nINSERT INTO `small` VALUES (1),(2);\nINSERT INTO `small` VALUES (2);";
    store.write("fails.sql", foreign(&database.name, body));
    let fails =
        store.tool("fwb-restore").args(["--yes", "--strategy", "in-place", "--tables", "small", "fails.sql"]);
    fails.run().fails(1, &["rolled back to what it held before"]);
    before.holds("what a failed restore has made goes again");
    let names = store.names();
    let run = |option| {
        let tool =
            store.tool("fwb-restore").args(["--strategy", "in-place", "--tables", "small,seen", option]);
        tool.stdin(dump.to_string()).run().ok().json()
    };
    let plan = run("--dry-run");
    assert_eq!((&plan["replaced"], &plan["safety_backup"]), (&json!([]), &json!(false)));
    assert!(plan["steps"][0].as_str().unwrap().contains("none of what is restored"), "{plan}");
    assert_eq!(run("--yes")["safety_backup"], Value::Null);
    assert_eq!(store.names(), names);
    assert_eq!(database.query("SELECT COUNT(*) FROM seen"), "2");
}

/// The way back is as short as the way there, and leads to where it began.
#[test]
fn a_failure_in_the_middle_is_rolled_back_from_the_chosen_tables() {
    let (database, store) = (shop("middle"), Store::new());
    let before = Before::new(&database);
    let body = "DROP TABLE IF EXISTS `other`;\nCREATE TABLE `other` (id INT);\nINSERT INTO `other` VALUES (1);\n\
                DROP TABLE IF EXISTS `small`;\nCREATE TABLE `small` (id INT PRIMARY KEY, parent INT, v TEXT);\n\
                INSERT INTO `small` VALUES (1,1,'a'),(2,2,'b');\nINSERT INTO `small` VALUES (2,2,'again');\n\
                CREATE TABLE `come` (id INT);";
    store.write("fails.sql", foreign(&database.name, body));
    let fails =
        store.tool("fwb-restore").args(["--yes", "--strategy", "in-place", "--tables", "other,small,come"]);
    fails.arg("fails.sql").run().fails(1, &["rolled back to what it held before"]);
    before.holds("rolled back");
    let safety = listed(&store, &["--kind", "safety"]).pop().expect("a safety backup");
    assert_eq!(safety["chosen"], json!(["other", "small"]));
    assert_eq!(digests(&safety).len(), 4, "the session's settings and the two tables");
    // Without one, a failure is what was given up.
    let lost = store.tool("fwb-restore").args([
        "--yes",
        "--strategy",
        "in-place",
        "--no-safety-backup",
        "--tables",
        "other,small",
    ]);
    lost.arg("fails.sql").run().fails(1, &["no safety backup"]);
}

/// An operator who wants some tables gets them: as SQL that any client takes, and never as a backup of the database.
#[test]
fn chosen_tables_are_dumped() {
    let (database, store) = (shop("dumped"), Store::new());
    let dump = dump_of(&store, &database, "small,parents,seen");
    assert_eq!((&dump["chosen"], &dump["whole"]), (&json!(["parents", "seen", "small"]), &json!(false)));
    assert_eq!(held(&dump), ["parents", "seen", "small", "seen"]);
    let kinds: Vec<&Value> =
        dump["sections"].as_array().unwrap().iter().map(|section| &section["kind"]).collect();
    assert!(!kinds.contains(&&json!("events")) && !kinds.contains(&&json!("routines")), "{kinds:?}");
    let sql = gunzip(&fs::read(store.artifact(&dump)).unwrap());
    let copy = Database::new("copy");
    copy.sql(sql);
    assert_eq!(copy.query("SELECT COUNT(*) FROM seen"), "2");
    // The whole database's dump has the same rows of them.
    let whole = store.dump(&database);
    let rows = |dump: &Value, table: &str| {
        let sections = dump["sections"].as_array().unwrap();
        let section = sections.iter().find(|section| section["name"] == table && section["kind"] == "table");
        section.unwrap()["rows_digest"].clone()
    };
    assert_eq!(rows(&dump, "small"), rows(&whole, "small"));
    for (tables, words) in
        [("gone", "no table, sequence or view gone"), ("small,gone", "gone"), ("SMALL", "SMALL")]
    {
        let refused = store.tool("fwb-dump").args(["-B", &database.name, "--tables", tables]).run();
        refused.fails(2, &[words]);
    }
    store.tool("fwb-dump").args(["-B", &database.name, "--tables", ""]).run().fails(2, &["--tables"]);
    // Others may change meanwhile as they like, and what is broken elsewhere is no reason to fail.
    database.sql("CREATE TABLE gone (id INT); CREATE VIEW broken AS SELECT id FROM gone; DROP TABLE gone");
    let strict = store
        .tool("fwb-dump")
        .args(["-B", &database.name, "--tables", "small", "--strict"])
        .run()
        .ok()
        .json();
    assert_eq!(strict["warnings"], json!([]));
    store
        .tool("fwb-dump")
        .args(["-B", &database.name, "--tables", "small,broken", "--strict"])
        .run()
        .fails(1, &["broken"]);
}

/// The night that nobody noticed: one table was dumped by hand, and passed for the backup.
#[test]
fn chosen_tables_never_pass_for_a_backup_of_the_database() {
    let (database, store) = (shop("pass"), Store::new());
    let latest = |options: &[&str]| store.tool("fwb-ls").args(["--latest"]).args(options).run();
    let first = dump_of(&store, &database, "small");
    store.tool("fwb-verify").arg(name(&first)).run().ok();
    latest(&[]).fails(1, &["chosen tables alone"]);
    store.tool("fwb-ls").args(["--max-age", "1d"]).run().fails(3, &["no proved backup is fresh enough"]);
    let whole = store.dump_verified(&database);
    let old = store.aged(&whole, 48);
    for name in [name(&whole).to_owned(), format!("{}.json", name(&whole))] {
        fs::remove_file(store.file(&name)).unwrap();
    }
    let verified = dump_of(&store, &database, "small,seen");
    let verified =
        store.tool("fwb-verify").args(["--format", "text", name(&verified)]).run().ok().stdout_text();
    assert!(
        verified.contains("intact") && verified.contains("chosen tables alone: seen, small"),
        "{verified}"
    );
    assert_eq!(latest(&[]).ok().json()["name"], json!(old));
    assert_eq!(latest(&["--verified"]).ok().json()["name"], json!(old));
    assert!(listed(&store, &["--verified"]).iter().all(|one| one["name"] == json!(old)));
    store.tool("fwb-ls").args(["--max-age", "1d"]).run().fails(3, &["no proved backup is fresh enough"]);
    store.tool("fwb-ls").args(["--max-age", "3d"]).run().ok();
    // Retention keeps what is whole, however many tables were dumped since.
    let all = store.tool("fwb-ls").run().ok().stdout;
    let prune =
        store.tool("fwb-prune").args(["--keep-last", "1", "--keep-days", "0", "--dry-run"]).stdin(all);
    let decided = prune.run().ok().records();
    let kept: Vec<&Value> =
        decided.iter().filter(|one| one["decision"]["action"] == "keep").map(|one| &one["name"]).collect();
    assert_eq!(kept, [&json!(old)], "{decided:?}");
    // The report's newest is the whole one, and no table has vanished.
    let report = store.tool("fwb-report").args(["--format", "json"]).run().ok().json();
    let of_database = &report["databases"][0];
    assert_eq!(
        (&of_database["newest"]["name"], &of_database["backups"]),
        (&json!(old), &json!(1)),
        "{of_database}"
    );
    assert_eq!(of_database["newest_drill"], Value::Null);
    assert!(!report["troubles"].to_string().contains("vanished"), "{}", report["troubles"]);
    // A copy is what its original is.
    let copies = Store::new();
    let copy = store.tool("fwb-copy").arg("--to").arg(copies.path()).arg(name(&first)).run().ok().json();
    assert_eq!(copy["chosen"], json!(["small"]));
    copies.tool("fwb-ls").arg("--latest").run().fails(1, &["chosen tables alone"]);
    // So says the record of a run.
    let chain = format!("fwb-dump -B {} --tables small | fwb-verify", database.name);
    let record = store.tool("fwb-run").args(["by-hand", &chain]).run().ok().json();
    assert_eq!((&record["outcome"], &record["chosen"]), (&json!("ok"), &json!(["small"])), "{record}");
}

/// A drill tells whether the tables come back. It proves nothing of the database.
#[test]
fn chosen_tables_are_drilled() {
    let (database, store) = (shop("drilled"), Store::new());
    let drill = |tables: &str| {
        let dump = dump_of(&store, &database, tables);
        store.tool("fwb-verify").args(["--level", "drill", name(&dump)]).run()
    };
    let drilled = drill("small,seen,large").ok().json();
    assert_eq!(
        (&drilled["verification"]["level"], &drilled["verification"]["ok"]),
        (&json!("drill"), &json!(true))
    );
    let notes = drilled["verification"]["notes"].to_string();
    assert!(notes.contains("large was not tried") && !notes.contains("seen"), "{notes}");
    let report = store.tool("fwb-report").args(["--format", "json"]).run().ok().json();
    assert_eq!(report["databases"][0]["newest_drill"], Value::Null);
    database.sql(
        "CREATE SEQUENCE numbers; CREATE TABLE numbered (id BIGINT PRIMARY KEY DEFAULT NEXTVAL(numbers))",
    );
    let not_held = drill("numbered");
    if not_held.code != Some(0) {
        assert!(not_held.stderr.contains("need more"), "{}", not_held.stderr);
    }
    drill("numbered,numbers").ok();
}

/// A restore of it is one of chosen tables, although nobody has named them: nothing else of the database goes.
#[test]
fn a_backup_of_chosen_tables_replaces_those_alone() {
    let (database, store) = (shop("replaces"), Store::new());
    let dump = dump_of(&store, &database, "small,seen");
    let strategies: &[&str] =
        if over_a_live_one().is_empty() { &["swap", "in-place"] } else { &["in-place"] };
    for strategy in strategies {
        database.sql("SET foreign_key_checks = 0; DELETE FROM small; INSERT INTO other VALUES (70); CREATE OR REPLACE VIEW seen AS SELECT 1");
        let changed = database.content();
        let report = store
            .tool("fwb-restore")
            .args(["--yes", "--strategy", strategy])
            .stdin(dump.to_string())
            .run()
            .ok();
        assert!(
            report.stderr.contains("chosen tables alone, and they alone are restored: seen, small"),
            "{}",
            report.stderr
        );
        assert_eq!(report.json()["chosen"], json!(["seen", "small"]));
        assert_eq!(safety(&store, &report.json())["chosen"], json!(["seen", "small"]));
        let tables = "SELECT COUNT(*) FROM small; SELECT COUNT(*) FROM seen; SELECT COUNT(*) FROM big; SELECT COUNT(*) FROM children";
        assert_eq!(database.query(tables), "2\n2\n5000\n2", "{strategy}");
        assert!(database.query("SELECT id FROM other").contains("71"), "{strategy}");
        let programs = "SELECT COUNT(*) FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = DATABASE(); SELECT COUNT(*) FROM information_schema.EVENTS WHERE EVENT_SCHEMA = DATABASE()";
        assert_eq!(database.query(programs), "1\n1", "{strategy}");
        if *strategy == "swap" {
            store.tool("fwb-restore").args(["--undo", "--yes", "-B", &database.name]).run().ok();
            assert_eq!(database.content(), changed, "undone");
        }
        database.sql("DELETE FROM other WHERE id > 60");
    }
    // One of its tables, and what it does not hold.
    let restore =
        |arguments: &[&str]| store.tool("fwb-restore").args(["--yes", name(&dump)]).args(arguments).run();
    restore(&["--tables", "big"]).fails(2, &["holds no table big"]);
    restore(&["--tables", "small"]).ok();
    let fresh = Database::reserved("fresh");
    restore(&["-B", &fresh.name, "--tables", "small"]).ok();
    assert_eq!(fresh.query("SHOW TABLES"), "small");
    let sql = store.tool("fwb-restore").args(["--stdout", name(&dump)]).run().ok().stdout_text();
    assert!(sql.contains("INSERT INTO `small`") && sql.contains("VIEW `seen`"), "{sql}");
}

/// A sidecar is a file beside the backup that anybody who can write there may have edited. What the artifact itself says
/// counts, or a restore would drop the whole database for one table.
#[test]
fn no_sidecar_makes_a_database_of_chosen_tables() {
    let (database, store) = (shop("forged"), Store::new());
    let dump = dump_of(&store, &database, "small");
    let before = Before::new(&database);
    let path = store.sidecar(&dump);
    let original = fs::read(&path).unwrap();
    let forge = |change: &dyn Fn(&mut serde_json::Map<String, Value>)| {
        let mut sidecar: Value = serde_json::from_slice(&original).unwrap();
        change(sidecar.as_object_mut().unwrap());
        fs::write(&path, sidecar.to_string()).unwrap();
    };
    let in_place = ["--strategy", "in-place", "--yes"];
    for strategy in [&["--yes"][..], &in_place] {
        forge(&|sidecar| {
            sidecar.remove("chosen");
            sidecar.insert("whole".into(), json!(true));
        });
        store
            .tool("fwb-restore")
            .args(strategy)
            .arg(name(&dump))
            .run()
            .fails(3, &["differs from the artifact's own manifest"]);
        before.holds("refused");
    }
    store.tool("fwb-verify").arg(name(&dump)).run().fails(3, &["differs from the artifact's own manifest"]);
    // Either word makes it a part.
    forge(&|sidecar| _ = sidecar.insert("whole".into(), json!(true)));
    store.tool("fwb-ls").arg("--latest").run().fails(1, &["chosen tables alone"]);
    // Without a sidecar, and with one that cannot be read, the artifact tells.
    for sidecar in [None, Some("{")] {
        fs::remove_file(&path).unwrap();
        if let Some(text) = sidecar {
            fs::write(&path, text).unwrap();
        }
        store.tool("fwb-ls").arg("--latest").run().fails(1, &["chosen tables alone"]);
        fs::write(&path, "").unwrap();
    }
    fs::remove_file(&path).unwrap();
    let restored = store.tool("fwb-restore").args(in_place).arg(name(&dump)).run().ok();
    assert!(restored.stderr.contains("chosen tables alone"), "{}", restored.stderr);
    before.holds("restored of itself");
}

/// A minimal sidecar names nothing; that it is not the whole database it says.
#[test]
fn an_encrypted_backup_of_chosen_tables_names_none_of_them() {
    let (database, store) = (shop("sealed"), Store::new());
    let keys = tempfile::tempdir().unwrap();
    let key = keys.path().join("key");
    Tool::program("age-keygen").arg("-o").arg(&key).run().ok();
    let recipient = Tool::program("age-keygen").arg("-y").arg(&key).run().ok().stdout_text();
    let dump = store.tool("fwb-dump").args([
        "-B",
        &database.name,
        "--tables",
        "small,seen",
        "--recipient",
        recipient.trim(),
    ]);
    let dump = dump.run().ok().json();
    // A public key is random letters, which can spell anything.
    let sidecar = fs::read_to_string(store.sidecar(&dump)).unwrap().replace(recipient.trim(), "");
    assert!(!sidecar.contains("small") && !sidecar.contains("seen"), "{sidecar}");
    assert_eq!((&dump["chosen"], &dump["whole"]), (&json!([]), &json!(false)));
    store.tool("fwb-ls").arg("--latest").run().fails(1, &["chosen tables alone"]);
    store.tool("fwb-verify").arg(name(&dump)).arg("--identity").arg(&key).run().ok();
    let changed = "SET foreign_key_checks = 0; DELETE FROM small; UPDATE other SET id = 8";
    for options in [&[][..], &["--tables", "small"]] {
        database.sql(changed);
        let report = store.tool("fwb-restore").args(["--yes", "--identity"]).arg(&key).args(options);
        let report = report.args(over_a_live_one()).arg(name(&dump)).run().ok().json();
        assert_eq!(database.query("SELECT COUNT(*) FROM small; SELECT id FROM other"), "2\n8");
        let safety = safety(&store, &report);
        assert_eq!((&safety["chosen"], &safety["sections"]), (&json!([]), &json!([])), "{safety}");
        // Whoever has the key sees what is inside.
        let plan = store.tool("fwb-restore").args(["--dry-run", "--identity"]).arg(&key).arg(name(&safety));
        let plan = plan.args(over_a_live_one()).run().ok().json();
        let expected = if options.is_empty() { json!(["seen", "small"]) } else { json!(["small"]) };
        assert_eq!(plan["tables"], expected);
    }
    let before = Before::new(&database);
    let body = "DROP TABLE IF EXISTS `small`;\nCREATE TABLE `small` (id INT PRIMARY KEY);\nINSERT INTO `small` VALUES (1),(2);\nINSERT INTO `small` VALUES (2);";
    store.write("fails.sql", foreign(&database.name, body));
    let fails = store.tool("fwb-restore").args([
        "--yes",
        "--strategy",
        "in-place",
        "--tables",
        "small",
        "fails.sql",
        "--recipient",
        recipient.trim(),
    ]);
    fails.run().fails(1, &["rolled back to what it held before"]);
    before.holds("rolled back from what is encrypted");
}

/// The pipe that people type.
#[test]
fn a_dump_of_chosen_tables_goes_through_pipes() {
    let (database, store) = (shop("piped"), Store::new());
    let script = format!(
        "export FWB_STORE='{}' FWB_DEFAULTS_FILE='{}'; fwb-dump -B {} --tables small --tables other | fwb-verify | fwb-restore --dry-run",
        store.path().display(),
        crate::support::Server::shared().defaults_file().display(),
        database.name
    );
    let plan = bash(&script).run().ok().json();
    assert_eq!(plan["tables"], json!(["other", "small"]));
}
