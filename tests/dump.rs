//! `fwb-dump`: what it publishes is whole, readable with standard tools, and exactly what its manifest says; what
//! it cannot dump, it says, and publishes nothing.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::{Before, Database, Server, Store, Tool, bash, gunzip, name, sha256, slice};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// `2025…` for digits: `20250725_170206` becomes `dddddddd_dddddd`.
fn shape(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_digit() { 'd' } else { c }).collect()
}

fn tables(manifest: &Value) -> impl Iterator<Item = &Value> {
    manifest["sections"].as_array().unwrap().iter().filter(|section| section["kind"] == "table")
}

/// What a table's section says, by the table's name.
fn table<'a>(manifest: &'a Value, name: &str) -> &'a Value {
    tables(manifest).find(|section| section["name"] == name).expect("the table")
}

#[test]
fn a_backup_is_named_as_the_strategy_says_and_only_its_owner_reads_it() {
    let db = Database::named("wallball_db");
    let store = Store::new();
    let root = store.path().join("made/by us");
    let manifest = Tool::new("fwb-dump").args(["-B", "wallball_db", "-s"]).arg(&root).run().ok().json();
    let name = manifest["name"].as_str().unwrap();
    assert_eq!(shape(name), "wallball_backup_dddddddd_dddddd.sql.gz");
    assert_eq!(manifest["store"], root.to_str().unwrap());
    assert_eq!(manifest["database"], db.name.as_str());
    let sidecar = root.join(format!("{name}.json"));
    assert_eq!((mode(&root), mode(&root.join(name)), mode(&sidecar)), (0o700, 0o600, 0o600));
    let mut files: Vec<_> = fs::read_dir(&root).unwrap().map(|file| file.unwrap().file_name()).collect();
    files.sort();
    assert_eq!(files, [".lock".into(), name.into(), sidecar.file_name().unwrap().to_owned()]);
}

#[test]
fn a_store_that_is_shared_with_a_group_has_files_that_it_may_read() {
    let database = Database::sample("dump_shared");
    for (directory, files) in [(0o2750, 0o640), (0o2770, 0o640), (0o755, 0o600), (0o2700, 0o600)] {
        let store = Store::new();
        fs::set_permissions(store.path(), fs::Permissions::from_mode(directory)).unwrap();
        let tools = format!(
            "umask 077; fwb-dump -s '{}' -B '{}' | fwb-verify",
            store.path().display(),
            database.name
        );
        let manifest = bash(&tools).run().ok().json();
        let (artifact, sidecar) =
            (store.artifact(&manifest), store.file(&format!("{}.json", name(&manifest))));
        assert_eq!((mode(&artifact), mode(&sidecar)), (files, files), "{directory:o}");
        assert_eq!(mode(store.path()), directory & 0o777);
    }
}

#[test]
fn standard_tools_read_a_backup_and_another_database_takes_it() {
    let db = Database::sample("standard");
    let other = Database::new("standard_other");
    let store = Store::new();
    let manifest = store.dump(&db);
    bash(r#"gunzip -t <"$A" && gunzip -c <"$A" | mariadb --defaults-file="$FWB_DEFAULTS_FILE" "$DB""#)
        .env("A", store.artifact(&manifest))
        .env("DB", &other.name)
        .run()
        .ok();
    assert_eq!(other.content(), db.content());
    for objects in [
        "SELECT routine_type, routine_name, routine_definition FROM information_schema.routines WHERE routine_schema = DATABASE() ORDER BY 2",
        "SELECT trigger_name, event_object_table, action_statement FROM information_schema.triggers WHERE trigger_schema = DATABASE()",
        "SELECT event_name, event_definition, event_comment, status FROM information_schema.events WHERE event_schema = DATABASE()",
        "SELECT table_name FROM information_schema.views WHERE table_schema = DATABASE() ORDER BY 1",
        "SELECT * FROM big_names",
        "SELECT human_size(3000000)",
        "SELECT table_comment FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = 'projects'",
    ] {
        let (was, is) = (db.query(objects), other.query(objects));
        assert!(!was.is_empty(), "{objects}");
        assert_eq!(is, was, "{objects}");
    }
}

#[test]
fn every_section_is_found_by_its_offset_and_size() {
    let db = Database::sample("sections");
    // Over a megabyte of rows, so that a section has several members.
    db.sql("CREATE TABLE many (id INT PRIMARY KEY, text VARCHAR(200)); INSERT INTO many SELECT seq, SHA2(seq, 512) FROM seq_1_to_20000;");
    let store = Store::new();
    let manifest = store.dump(&db);
    let artifact = fs::read(store.artifact(&manifest)).unwrap();
    let sql = gunzip(&artifact);
    let (mut end, mut raw_end) = (0, 0);
    for section in manifest["sections"].as_array().unwrap() {
        assert_eq!(section["offset"], end, "sections follow each other");
        assert_eq!(section["raw_offset"], raw_end, "sections follow each other");
        let alone = gunzip(slice(&artifact, &section["offset"], &section["size"]));
        assert!(alone == slice(&sql, &section["raw_offset"], &section["raw_size"]), "{section}");
        if section["kind"] == "table" {
            let text = String::from_utf8_lossy(&alone);
            let name = section["name"].as_str().unwrap();
            assert!(text.contains(&format!("CREATE TABLE `{name}`")), "{section}");
            assert_eq!(text.matches("CREATE TABLE `").count(), 1, "{section}");
        }
        end += section["size"].as_u64().unwrap();
        raw_end += section["raw_size"].as_u64().unwrap();
    }
    assert_eq!(raw_end, sql.len() as u64, "no SQL is outside of the sections");
    assert!(table(&manifest, "many")["raw_size"].as_u64().unwrap() > 2 << 20);

    // And as a user does it.
    bash(r#"set +o pipefail # head is done before tail is
        jq -r '.sections[] | select(.name == "files") | "\(.offset) \(.size)"' "$A.json" | {
        read -r offset size; tail -c +$((offset + 1)) "$A" | head -c "$size" | gunzip; } | grep -c 'CREATE TABLE `files`'"#)
        .env("A", store.artifact(&manifest))
        .run()
        .ok();
}

#[test]
fn the_manifest_says_what_is_there() {
    let db = Database::sample("manifest");
    let store = Store::new();
    let manifest = store.dump(&db);
    let artifact = fs::read(store.artifact(&manifest)).unwrap();
    let sql = gunzip(&artifact);
    assert_eq!(manifest["schema"], "fwb/1");
    assert_eq!(manifest["kind"], "full");
    assert_eq!(manifest["size"], artifact.len());
    assert_eq!(manifest["raw_size"], sql.len());
    assert_eq!(manifest["sha256"], sha256(&artifact));
    assert_eq!(manifest["raw_sha256"], sha256(&sql));
    assert_eq!(manifest["warnings"], json!([]));
    assert_eq!(manifest["server"]["version"], Server::shared().query("SELECT VERSION()"));
    let defaults = "SELECT default_character_set_name, default_collation_name FROM information_schema.schemata WHERE schema_name = DATABASE()";
    let charset =
        format!("{}\t{}", manifest["charset"].as_str().unwrap(), manifest["collation"].as_str().unwrap());
    assert_eq!(charset, db.query(defaults));
    let counted: Vec<String> =
        tables(&manifest).map(|section| section["name"].as_str().unwrap().into()).collect();
    assert_eq!(counted, ["file_views", "files", "projects", "settings", "shares"]);
    for section in tables(&manifest) {
        let count = db.query(&format!("SELECT COUNT(*) FROM {}", section["name"].as_str().unwrap()));
        assert_eq!(section["rows"].to_string(), count, "{section}");
        assert_eq!(section["rows_digest"].as_str().unwrap().len(), 32, "{section}");
    }
    let mut sidecar = store.read_sidecar(&manifest);
    sidecar["store"] = manifest["store"].clone();
    assert_eq!(sidecar, manifest, "the sidecar says the same, but where it is");
}

#[test]
fn triggers_routines_events_and_views_are_named_in_the_manifest() {
    let db = Database::sample("objects");
    let manifest = Store::new().dump(&db);
    assert_eq!(
        table(&manifest, "file_views")["objects"],
        json!([{"kind": "trigger", "name": "file_views_count"}])
    );
    let section = |kind: &str| {
        let all: Vec<&Value> = manifest["sections"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|section| section["kind"] == kind)
            .collect();
        (all.len(), all[0]["objects"].clone())
    };
    assert_eq!(section("events").1, json!([{"kind": "event", "name": "forget_daily"}]));
    let routines =
        json!([{"kind": "function", "name": "human_size"}, {"kind": "procedure", "name": "forget_views"}]);
    assert_eq!(section("routines").1, routines);
    assert_eq!((section("view").0, section("view_placeholder").0), (2, 2));
    assert_eq!((section("header").0, section("trailer").0), (1, 1));
}

#[test]
fn the_digest_of_rows_knows_what_changed_and_not_their_order() {
    let (one, other) = (Database::new("digest"), Database::new("digest"));
    one.sql(
        "CREATE TABLE same (a INT, b TEXT); INSERT INTO same VALUES (1, 'x'), (2, '한글'), (2, '한글');
             CREATE TABLE changed (a INT); INSERT INTO changed VALUES (1), (2);",
    );
    other.sql(
        "CREATE TABLE same (a INT, b TEXT); INSERT INTO same VALUES (2, '한글'), (1, 'x'), (2, '한글');
               CREATE TABLE changed (a INT); INSERT INTO changed VALUES (1), (3);",
    );
    let store = Store::new();
    let (one, other) = (store.dump(&one), store.dump(&other));
    let digest = |manifest, name| table(manifest, name)["rows_digest"].clone();
    assert_eq!(digest(&one, "same"), digest(&other, "same"));
    assert_ne!(digest(&one, "changed"), digest(&other, "changed"));
}

#[test]
fn a_file_or_a_pipe_takes_the_same_artifact() {
    let db = Database::sample("output");
    let dir = tempfile::tempdir().unwrap();
    let dump = || Tool::new("fwb-dump").args(["-B", &db.name]).dir(dir.path());

    let manifest = dump().args(["-o", "my.sql.gz", "--manifest", "my.json"]).run().ok().json();
    let file = fs::read(dir.path().join("my.sql.gz")).unwrap();
    assert_eq!((&manifest["name"], &manifest["sha256"]), (&json!("my.sql.gz"), &json!(sha256(&file))));
    let written: Value = serde_json::from_slice(&fs::read(dir.path().join("my.json")).unwrap()).unwrap();
    assert_eq!(written, manifest);
    assert_eq!(mode(&dir.path().join("my.sql.gz")), 0o600);

    let piped = dump().args(["-o", "-", "--manifest", "piped.json"]).run().ok().stdout;
    let manifest: Value = serde_json::from_slice(&fs::read(dir.path().join("piped.json")).unwrap()).unwrap();
    assert_eq!(manifest["sha256"], sha256(&piped));
    assert!(manifest.get("store").is_none(), "a pipe is in no store");
    fs::write(dir.path().join("piped.sql.gz"), &piped).unwrap();
    Tool::new("fwb-verify").args(["./my.sql.gz", "./piped.sql.gz"]).dir(dir.path()).run().ok();
    assert!(!dir.path().join("backups").exists(), "no store is made where none is used");
}

#[test]
fn backups_of_one_second_do_not_overwrite_each_other() {
    let db = Database::new("hurry");
    let store = Store::new();
    let mut names: Vec<Value> = (0..4).map(|_| store.dump(&db)["name"].clone()).collect();
    names.dedup();
    assert_eq!((names.len(), store.names().len()), (4, 8));
}

#[test]
fn a_prefix_replaces_the_databases_name() {
    let db = Database::new("prefix");
    let store = Store::new();
    let manifest = store.tool("fwb-dump").args(["-B", &db.name, "--prefix", "nightly/1"]).run().ok().json();
    assert_eq!(shape(manifest["name"].as_str().unwrap()), "nightly%dFd_backup_dddddddd_dddddd.sql.gz");
    assert_eq!(manifest["database"], db.name.as_str());
}

#[test]
fn a_database_may_have_any_name() {
    let store = Store::new();
    for name in [
        "-dash",
        "--all-databases",
        ".dot",
        "a.b",
        "sl/ash",
        "back\\slash",
        "per%cent",
        "한글 이름",
        "it's \"x\" `y`",
        "semi;colon",
        "$(id)",
    ] {
        let db = Database::named(name);
        db.sql("CREATE TABLE t (a INT); INSERT INTO t VALUES (1), (2);");
        let manifest = store.tool("fwb-dump").arg(format!("--database={name}")).run().ok().json();
        assert_eq!(manifest["database"], name);
        assert_eq!(table(&manifest, "t")["rows"], 2, "{name}");
        let file = manifest["name"].as_str().unwrap();
        assert!(!file.starts_with(['.', '-']) && !file.contains('/'), "{file}");
        let verified = store.tool("fwb-verify").stdin(manifest.to_string()).run().ok().json();
        assert_eq!(verified["verification"]["ok"], true, "{name}");
    }
}

#[test]
fn a_long_korean_name_fits_into_a_file_name() {
    let db = Database::named(&"회사의모든파일을담는데이터베이스".repeat(2)); // 32 characters, of the 64 that a name may have
    let store = Store::new();
    let manifest = store.dump(&db);
    assert_eq!(manifest["database"], db.name.as_str());
}

/// In the text protocol a server prints six digits, and so do the dump programs: a price of 16777217 becomes 16777200.
#[test]
fn floats_come_back_bit_for_bit() {
    let db = Database::new("floats");
    let store = Store::new();
    db.sql(
        "CREATE TABLE measured (id INT PRIMARY KEY, ratio FLOAT, scaled FLOAT(9,3), exact DOUBLE, fixed DOUBLE(20,6));
         INSERT INTO measured SELECT seq, RAND(seq) * POW(10, CAST(seq AS SIGNED) % 76 - 38), RAND(seq + 5000) * 99999, RAND(seq + 1) * POW(10, CAST(seq AS SIGNED) % 600 - 300), RAND(seq + 2) * 1e12 FROM seq_1_to_5000;
         INSERT INTO measured VALUES (10001, 16777217, 0.001, 5e-324, 0), (10002, 1.4e-45, 999999.999, 1.7976931348623157e308, -1), (10003, -3.4028234e38, -1, -0e0, 1e13);",
    );
    // Enough digits to tell each from its neighbours.
    let bits = "SELECT id, ratio * 1e0, scaled * 1e0, exact * 1e0, fixed * 1e0 FROM measured ORDER BY id";
    let before = db.query(bits);
    let out = store.tool("fwb-dump").args(["-B", &db.name]).run().ok();
    assert_eq!((&out.json()["warnings"], out.stderr.as_str()), (&json!([]), ""));
    let sql = String::from_utf8(gunzip(&fs::read(store.artifact(&out.json())).unwrap())).unwrap();
    assert!(sql.contains("(10001,16777216,0.001,5e-324,"), "as few digits as they need");
    db.sql("DELETE FROM measured");
    store.tool("fwb-restore").arg("--yes").stdin(out.json().to_string()).run().ok();
    assert!(db.query(bits) == before);
}

/// Text of these character sets holds what Unicode lacks: through UTF-8 it would come back as question marks, or as
/// another character.
#[test]
fn characters_that_are_not_in_unicode_come_back() {
    let db = Database::new("unmapped");
    let store = Store::new();
    let charsets = ["sjis", "cp932", "big5", "ujis", "eucjpms", "euckr", "gbk", "gb2312", "ucs2"];
    let singles = [
        "cp1250", "cp1251", "cp1256", "cp1257", "greek", "hebrew", "tis620", "geostd8", "armscii8", "dec8",
        "hp8", "swe7", "latin1", "latin2", "latin5", "latin7", "cp850", "cp852", "cp866", "koi8r", "koi8u",
        "macroman", "macce", "keybcs2", "utf16",
    ];
    for charset in charsets.iter().chain(&singles) {
        let (digits, last) =
            if singles[..singles.len() - 1].contains(charset) { (2, 255) } else { (4, 65535) };
        db.sql(format!(
            "CREATE TABLE {charset} (id INT PRIMARY KEY, c CHAR(2) CHARACTER SET {charset}, t TEXT CHARACTER SET {charset});
             INSERT IGNORE INTO {charset} SELECT seq, UNHEX(LPAD(HEX(seq), {digits}, '0')), UNHEX(LPAD(HEX(seq), {digits}, '0')) FROM seq_0_to_{last};"
        ));
    }
    db.sql(
        "CREATE TABLE choices (id INT PRIMARY KEY, e ENUM('\u{30bd}','\u{8868}') CHARACTER SET sjis, s SET('\u{30bd}','\u{8868}') CHARACTER SET ucs2);
         INSERT INTO choices VALUES (1, 1, 3), (2, 2, 0), (3, NULL, 1)",
    );
    let content = || {
        let all = charsets.iter().chain(&singles);
        let each = all.map(|charset| {
            format!("SELECT '{charset}', COUNT(*), BIT_XOR(CRC32(CONCAT(id, HEX(c), '-', HEX(t)))), SUM(CRC32(CONCAT(id, HEX(c)))) FROM {charset};")
        });
        db.query(&format!("{}SELECT id, e + 0, s + 0 FROM choices", each.collect::<String>()))
    };
    let before = content();
    let manifest = store.dump_verified(&db);
    for charset in charsets.iter().chain(&singles) {
        db.sql(format!("TRUNCATE {charset}"));
    }
    store.tool("fwb-restore").arg("--yes").stdin(manifest.to_string()).run().ok();
    assert_eq!(content(), before);
}

/// What mariadb-dump puts into executable comments ends at the first comment in it, and what it divides by `;;` at the
/// first of those.
#[test]
fn bodies_may_hold_what_ends_statements_and_comments() {
    let (db, store) = (Database::new("bodies"), Store::new());
    let client = |sql: Vec<u8>| {
        let database = format!("--database={}", db.name);
        let arguments = ["--comments", "--binary-mode", "--default-character-set=utf8mb4", &database];
        crate::support::mariadb(&Server::shared().defaults_file(), &arguments).stdin(sql).run().ok();
    };
    client(
        "CREATE TABLE t (a VARCHAR(50));\nDELIMITER $$
         CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW BEGIN /* c */ SET NEW.a = '/* y */'; END$$
         CREATE EVENT `e*/` ON SCHEDULE EVERY 1 DAY STARTS '2037-01-01' COMMENT ';;' DO BEGIN /* ;; */ SELECT '*/', ';;'; END$$
         CREATE PROCEDURE p() BEGIN SELECT '//', ';;', '@@'; /* $ $ */ END$$
         CREATE VIEW `v/*` AS SELECT '/* no comment' AS `*/`, a FROM t$$
         SET sql_mode='NO_BACKSLASH_ESCAPES,ANSI_QUOTES'$$
         CREATE PROCEDURE q() SELECT '\\', \"a\" FROM t$$"
            .into(),
    );
    let before = Before::new(&db);
    let manifest = store.dump_verified(&db);
    assert_eq!(manifest["warnings"], json!([]));
    let sql = gunzip(&fs::read(store.artifact(&manifest)).unwrap());
    db.drop_now();
    let made = format!("CREATE DATABASE {} COLLATE {}", db.quoted(), manifest["collation"].as_str().unwrap());
    Server::shared().sql(made);
    client(sql);
    before.holds("after gunzip | mariadb");
    store.tool("fwb-restore").arg("--yes").stdin(manifest.to_string()).run().ok();
    before.holds("after a restore");
}

#[test]
fn a_broken_view_does_not_cost_the_night_its_backup() {
    let db = Database::sample("broken");
    db.sql("CREATE TABLE doomed (a INT); CREATE VIEW orphan AS SELECT a AS orphaned FROM doomed; DROP TABLE doomed;");
    let store = Store::new();
    let out = store.tool("fwb-dump").args(["-B", &db.name]).run().ok();
    let manifest = out.json();
    let broken = &manifest["broken_views"];
    assert_eq!((broken.as_array().unwrap().len(), &broken[0]["name"]), (1, &json!("orphan")));
    assert!(broken[0]["definition"].as_str().unwrap().contains("orphaned"), "{broken}");
    assert!(out.stderr.contains(": warning: ") && out.stderr.contains("orphan"), "{}", out.stderr);
    assert!(manifest["warnings"][0].as_str().unwrap().contains("orphan"));
    assert!(
        !gunzip(&fs::read(store.artifact(&manifest)).unwrap()).windows(8).any(|text| text == b"orphaned")
    );
    assert_eq!(table(&manifest, "files")["rows"], 40, "the rest is all there");
    assert!(manifest["sections"].as_array().unwrap().iter().any(|section| section["name"] == "big_names"));
    store.tool("fwb-verify").stdin(manifest.to_string()).run().ok();

    let strict = Store::new();
    strict
        .tool("fwb-dump")
        .args(["-B", &db.name, "--strict"])
        .run()
        .fails(1, &["orphan", "--strict", "hint: "]);
    assert!(strict.names().is_empty());
}

#[test]
fn an_empty_database_is_a_backup_too() {
    let db = Database::new("empty");
    let store = Store::new();
    let manifest = store.dump_verified(&db);
    assert_eq!(manifest["verification"]["ok"], true);
    assert_eq!(tables(&manifest).count(), 0);
}

#[test]
fn a_row_larger_than_any_buffer_is_backed_up() {
    let db = Database::new("blob");
    db.sql(
        "CREATE TABLE blobs (id INT PRIMARY KEY, data LONGBLOB);
            INSERT INTO blobs VALUES (1, REPEAT(UNHEX(SHA2('x', 512)), 20 * 16384)), (2, 'small');",
    );
    let store = Store::new();
    let manifest = store.dump_verified(&db);
    assert!(manifest["largest_statement"].as_u64().unwrap() > 40 << 20);
    assert_eq!(table(&manifest, "blobs")["rows"], 2);
    let artifact = fs::read(store.artifact(&manifest)).unwrap();
    assert_eq!(sha256(&gunzip(&artifact)), manifest["raw_sha256"].as_str().unwrap());
}

#[test]
fn what_cannot_be_reached_is_an_error_with_a_hint_and_no_backup() {
    let server = Server::shared();
    let db = Database::sample("reach");
    server.sql("CREATE OR REPLACE USER fwb_reader@localhost IDENTIFIED BY 'right'");
    let dir = tempfile::tempdir().unwrap();
    let wrong = dir.path().join("password");
    fs::write(&wrong, "wrong\n").unwrap();
    let store = Store::new();
    let dump = |name: &str| store.tool("fwb-dump").arg("-B").arg(name);

    dump("no_such_database").run().fails(1, &["database no_such_database does not exist", "hint: "]);
    dump(&db.name)
        .args(["--socket", "/nowhere/mysqld.sock"])
        .run()
        .fails(1, &["/nowhere/mysqld.sock", "hint: "]);
    dump(&db.name)
        .args(["--user", "fwb_reader", "--password-file"])
        .arg(&wrong)
        .run()
        .fails(2, &["Access denied for user 'fwb_reader'", "hint: check --user and --password-file"]);
    assert!(store.names().is_empty(), "{:?}", store.names());

    fs::write(&wrong, "right\n").unwrap();
    let out = dump(&db.name).args(["--user", "fwb_reader", "--password-file"]).arg(&wrong).run();
    assert_eq!(out.code, Some(2), "an account without privileges sees no database: {}", out.stderr);
    assert!(store.names().is_empty(), "{:?}", store.names());
    server.sql("DROP USER fwb_reader@localhost");
}

#[test]
fn a_store_that_cannot_be_made_is_an_error() {
    let db = Database::new("unwritable");
    Tool::new("fwb-dump")
        .args(["-B", &db.name, "-s", "/dev/null/store"])
        .run()
        .fails(1, &["/dev/null/store"]);
}

#[test]
fn the_server_is_found_by_options_or_by_variables() {
    let db = Database::new("found");
    let (store, socket) = (Store::new(), Server::shared().socket());
    // A home without a .my.cnf: nothing else says where the server is.
    let dump = || {
        Tool::alone("fwb-dump").env("HOME", store.path()).arg("-s").arg(store.path()).args(["-B", &db.name])
    };
    dump().args(["--socket", &socket, "--user", "root"]).run().ok();
    dump().env("FWB_SOCKET", &socket).env("FWB_USER", "root").run().ok();
    let cnf = Server::shared().defaults_file();
    dump().arg("--defaults-file").arg(&cnf).env("FWB_DEFAULTS_FILE", "/nonexistent/my.cnf").run().ok();
}
