//! `fwb-verify`: what it calls proved can be restored, and no damage gets past it, wherever it is.

use std::fs;

use serde_json::{Value, json};

use crate::support::{Database, Output, Server, Store, Tool, bash, gzip, mariadb_dump, name};

/// A database whose backup takes a few kilobytes, so that every byte of it can be damaged in turn. Its name has
/// five letters, for which [`numbered`] puts a number.
fn tiny(name: &str) -> Database {
    let db = Database::named(name);
    db.sql(
        "CREATE TABLE t (id INT PRIMARY KEY, name VARCHAR(9)); INSERT INTO t VALUES (1, '한글'), (2, NULL);",
    );
    db
}

fn numbered(artifact: &str, number: usize) -> String {
    format!("{number:05}{}", &artifact[5..])
}

/// Verifies all that is in a store, records nothing, and returns the records by name.
fn verify_all(store: &Store) -> Vec<Value> {
    let names: Vec<String> =
        store.names().into_iter().filter(|name| name.strip_suffix(".json").is_none()).collect();
    let out = store.tool("fwb-verify").arg("--no-record").args(&names).run().exits(3);
    let records = out.records();
    assert_eq!(records.len(), names.len(), "every backup is looked at before the exit");
    records
}

fn problems(verified: &Output) -> String {
    let record = verified.json();
    assert_eq!(record["verification"]["ok"], false);
    record["verification"]["problems"].to_string()
}

#[test]
fn a_sound_backup_is_proved_and_the_store_remembers() {
    let db = Database::sample("proved");
    let store = Store::new();
    let manifest = store.dump(&db);
    for level in ["quick", "full"] {
        let out = store.tool("fwb-verify").args(["--level", level]).stdin(manifest.to_string()).run().ok();
        let shown = out.json();
        let outcome = &shown["verification"];
        assert_eq!(
            (&outcome["level"], &outcome["ok"], &outcome["problems"]),
            (&json!(level), &json!(true), &json!([]))
        );
        assert!(outcome["seconds"].is_f64() && outcome["at"].is_string(), "{outcome}");
        assert_eq!(&store.read_sidecar(&manifest)["verification"], outcome);
        assert!(out.stderr.is_empty(), "nothing to say: {}", out.stderr);
        let mut rest = shown.clone();
        rest.as_object_mut().unwrap().remove("verification");
        assert_eq!(rest, manifest, "the rest of the manifest passes as it came");
    }
}

#[test]
fn a_weaker_pass_does_not_replace_a_stronger_one_and_a_failure_does() {
    let db = Database::new("stronger");
    let store = Store::new();
    let manifest = store.dump_verified(&db);
    let quick = store.tool("fwb-verify").args(["--level", "quick", name(&manifest)]).run().ok().json();
    assert_eq!(quick["verification"]["level"], "quick", "what is shown is what was done");
    assert_eq!(store.read_sidecar(&manifest)["verification"]["level"], "full");

    let whole = fs::read(store.artifact(&manifest)).unwrap();
    store.write(name(&manifest), &whole[..whole.len() - 1]);
    store.tool("fwb-verify").args(["--level", "quick", name(&manifest)]).run().exits(3);
    assert_eq!(store.read_sidecar(&manifest)["verification"]["ok"], false);
    store.write(name(&manifest), &whole);
    store.tool("fwb-verify").args(["--level", "quick", name(&manifest)]).run().ok();
    assert_eq!(store.read_sidecar(&manifest)["verification"]["ok"], true);
}

#[test]
fn a_quick_look_does_not_clear_what_a_full_one_has_found() {
    let db = Database::sample("cleared");
    let store = Store::new();
    let manifest = store.dump(&db);
    let mut bytes = fs::read(store.artifact(&manifest)).unwrap();
    bytes[100] ^= 1;
    store.write(name(&manifest), bytes);
    store.tool("fwb-verify").arg(name(&manifest)).run().exits(3);
    // Sizes and footer still fit; the rows are as damaged as before.
    store.tool("fwb-verify").args(["--level", "quick", name(&manifest)]).run();
    assert_eq!(store.read_sidecar(&manifest)["verification"]["ok"], false);
}

#[test]
fn a_flipped_bit_in_any_byte_of_an_artifact_is_found() {
    let db = tiny("flips");
    let source = Store::new();
    let manifest = source.dump(&db);
    let whole = fs::read(source.artifact(&manifest)).unwrap();
    let damaged = Store::new();
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        damaged.write(&numbered(name(&manifest), at), &bytes);
    }
    for (at, record) in verify_all(&damaged).iter().enumerate() {
        assert_eq!(record["verification"]["ok"], false, "byte {at} of {}", whole.len());
    }
    // With its sidecar beside it, the first and the last bytes too, where an artifact says what it is.
    for at in (0..60).chain((60..whole.len() - 120).step_by(29)).chain(whole.len() - 120..whole.len()) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x80;
        source.write(name(&manifest), &bytes);
        source
            .tool("fwb-verify")
            .args(["--no-record", name(&manifest)])
            .run()
            .fails(3, &["is damaged", "hint: "]);
    }
}

#[test]
fn an_artifact_cut_short_anywhere_is_found() {
    let db = tiny("short");
    let source = Store::new();
    let manifest = source.dump(&db);
    let whole = fs::read(source.artifact(&manifest)).unwrap();
    let damaged = Store::new();
    for length in 0..whole.len() {
        damaged.write(&numbered(name(&manifest), length), &whole[..length]);
    }
    for (length, record) in verify_all(&damaged).iter().enumerate() {
        assert_eq!(record["verification"]["ok"], false, "{length} bytes of {}", whole.len());
    }
    for longer in [&b"\0"[..], b"\n", &whole] {
        source.write(name(&manifest), [&whole, longer].concat());
        source.tool("fwb-verify").args(["--no-record", name(&manifest)]).run().fails(3, &["is damaged"]);
        source.tool("fwb-verify").args(["--no-record", "--level=quick", name(&manifest)]).run().exits(3);
    }
}

#[test]
fn a_flipped_bit_in_any_byte_of_a_sidecar_is_found() {
    let db = tiny("sides");
    let source = Store::new();
    let manifest = source.dump(&db);
    let artifact = fs::read(source.artifact(&manifest)).unwrap();
    let sidecar = fs::read_to_string(source.sidecar(&manifest)).unwrap();
    let damaged = Store::new();
    for at in 0..sidecar.trim_end().len() {
        let name = numbered(name(&manifest), at);
        let mut bytes = sidecar.replace(crate::support::name(&manifest), &name).into_bytes();
        bytes[at] ^= 1;
        damaged.write(&name, &artifact);
        damaged.write(&format!("{name}.json"), &bytes);
    }
    for (at, record) in verify_all(&damaged).iter().enumerate() {
        let near = &sidecar[at.saturating_sub(20)..(at + 20).min(sidecar.len())];
        assert_eq!(record["verification"]["ok"], false, "byte {at}, the middle of {near}");
    }
}

#[test]
fn a_lost_sidecar_is_rebuilt() {
    let db = Database::sample("rebuilt");
    let store = Store::new();
    let manifest = store.dump(&db);
    let former = store.read_sidecar(&manifest);
    fs::remove_file(store.sidecar(&manifest)).unwrap();
    store.tool("fwb-verify").arg(name(&manifest)).run().ok();
    let mut rebuilt = store.read_sidecar(&manifest);
    assert_eq!(rebuilt.as_object_mut().unwrap().remove("verification").unwrap()["ok"], true);
    assert_eq!(rebuilt, former);
}

#[test]
fn an_artifact_alone_is_a_whole_backup() {
    let db = Database::sample("alone");
    let store = Store::new();
    let manifest = store.dump(&db);
    let content = db.content();
    let other = Store::new();
    other.take(&store.artifact(&manifest));

    let listed = other.tool("fwb-ls").run().ok().json();
    assert_eq!(
        (&listed["sections"], &listed["started_at"]),
        (&manifest["sections"], &manifest["started_at"])
    );
    assert_eq!(listed["store"], other.path().to_str().unwrap());
    other.tool("fwb-verify").stdin(listed.to_string()).run().ok();
    assert_eq!(other.names().len(), 2, "the sidecar is rebuilt");
    db.drop_now();
    let newest = other.tool("fwb-ls").args(["--latest", "--verified"]).run().ok().stdout;
    other.tool("fwb-restore").arg("--yes").stdin(newest).run().ok();
    assert_eq!(db.content(), content);
}

#[test]
fn all_inputs_are_verified_before_the_exit() {
    let db = Database::new("several");
    let store = Store::new();
    let manifests = [store.dump(&db), store.dump(&db), store.dump(&db)];
    fs::remove_file(store.artifact(&manifests[0])).unwrap();
    let mut bytes = fs::read(store.artifact(&manifests[1])).unwrap();
    bytes[50] ^= 1;
    store.write(name(&manifests[1]), bytes);
    let stream = manifests.each_ref().map(ToString::to_string).join("\n");
    let out = Tool::new("fwb-verify").stdin(&stream).run().exits(3);
    let oks: Vec<Value> = out.records().iter().map(|record| record["verification"]["ok"].clone()).collect();
    assert_eq!(oks, [false, false, true]);
    let recorded: Vec<Value> =
        manifests.iter().map(|manifest| store.read_sidecar(manifest)["verification"]["ok"].clone()).collect();
    assert_eq!(recorded, [false, false, true]);
}

#[test]
fn proving_nothing_is_a_failure() {
    let nothing = Tool::new("fwb-verify").run().fails(1, &["nothing was proved"]);
    assert!(nothing.stdout.is_empty());
    let store = Store::new();
    store
        .tool("fwb-verify")
        .arg("none_backup_20250101_000000.sql.gz")
        .run()
        .fails(3, &["no backup none_", "hint: "]);
    // A person who forgot to name a backup gets help instead of a wait for input.
    let typed = bash("script -qec fwb-verify /dev/null").run();
    assert_eq!(typed.code, Some(2));
    assert!(typed.stdout_text().contains("Usage: fwb-verify"), "{typed:?}");
}

#[test]
fn manifests_that_cannot_be_meant_are_refused() {
    let db = Database::new("refused");
    let (store, other) = (Store::new(), Store::new());
    let manifest = store.dump(&db);
    other.tool("fwb-verify").stdin(manifest.to_string()).run().fails(2, &["is of store", "hint: "]);
    let with = |field: &str, value: Value| {
        let mut manifest = manifest.clone();
        manifest[field] = value;
        Tool::new("fwb-verify").stdin(manifest.to_string()).run()
    };
    with("schema", json!("fwb/9")).fails(2, &["fwb/9"]);
    with("name", json!("../x.sql.gz")).fails(2, &["is not the name of a backup"]);
    with("name", json!("/etc/passwd")).fails(2, &["is not the name of a backup"]);
    Tool::new("fwb-verify").stdin("no JSON").run().fails(2, &["record 1"]);
    let cut = &manifest.to_string()[..100];
    Tool::new("fwb-verify").stdin(cut).run().fails(1, &["cut short in record 1"]);
}

#[test]
fn a_sidecar_of_another_backup_proves_nothing() {
    let (one, other) = (tiny("swapA"), tiny("swapB"));
    other.sql("INSERT INTO t VALUES (3, 'more')");
    let store = Store::new();
    let (one, other) = (store.dump(&one), store.dump(&other));
    fs::copy(store.sidecar(&other), store.sidecar(&one)).unwrap();
    let verify = || store.tool("fwb-verify").args(["--no-record", name(&one)]).run().exits(3);
    assert!(problems(&verify()).contains("its sidecar is of another backup"));
    // Not even when someone has put the name right.
    let mut forged = store.read_sidecar(&other);
    forged["name"] = one["name"].clone();
    store.write(&format!("{}.json", name(&one)), forged.to_string());
    assert!(
        problems(&verify()).contains("differs from the artifact's own manifest"),
        "{}",
        problems(&verify())
    );
}

#[test]
fn dumps_of_other_programs_are_proved_and_adopted() {
    let db = Database::sample("foreign");
    let sql = mariadb_dump(&db, &["--routines", "--events"]);
    let store = Store::new();
    store.write("old.sql", &sql);
    store.write("old.sql.gz", gzip(&sql));
    for file in ["old.sql", "old.sql.gz"] {
        let seen = store.tool("fwb-verify").arg(file).run().ok().json();
        assert_eq!((&seen["kind"], &seen["verification"]["ok"]), (&json!("foreign"), &json!(true)));
        assert_eq!(seen["database"], db.name.as_str());
        assert!(!store.file(&format!("{file}.json")).exists(), "nothing is written without --adopt");

        let adopted = store.tool("fwb-verify").args(["--adopt", file]).run().ok().json();
        let recorded = store.read_sidecar(&adopted);
        assert_eq!(recorded["verification"], adopted["verification"]);
        let files =
            recorded["sections"].as_array().unwrap().iter().find(|section| section["name"] == "files");
        assert_eq!(files.unwrap()["rows"], 40);
        assert_eq!(recorded["raw_size"], sql.len());
        assert_eq!(recorded["server"]["version"], Server::shared().query("SELECT VERSION()"));
    }
    // From now on it is held against what was adopted.
    let mut changed = sql;
    let at = changed.windows(13).position(|text| text == "보고서 4.p".as_bytes()).expect("a row");
    changed[at + 10] = b'5';
    store.write("old.sql", changed);
    let found = problems(&store.tool("fwb-verify").arg("old.sql").run().exits(3));
    assert!(found.contains("the rows of table files differ from their digest"), "{found}");
}

#[test]
fn half_a_dump_of_another_program_is_none() {
    let db = Database::sample("half");
    let sql = mariadb_dump(&db, &[]);
    let packed = gzip(&sql);
    let store = Store::new();
    for part in [0, 1, 10, packed.len() / 2, packed.len() - 9, packed.len() - 1] {
        store.write("cut.sql.gz", &packed[..part]);
        store.tool("fwb-verify").arg("cut.sql.gz").run().fails(3, &["is damaged"]);
    }
    for part in [0, 1, 100, sql.len() / 2, sql.len() - 40] {
        // gzip -t has nothing against half a dump: the old scripts published it.
        store.write("half.sql.gz", gzip(&sql[..part]));
        store.tool("fwb-verify").arg("half.sql.gz").run().fails(3, &["incomplete"]);
        store.write("half.sql", &sql[..part]);
        store.tool("fwb-verify").arg("half.sql").run().fails(3, &["incomplete"]);
    }
    assert!(!store.file("half.sql.json").exists());
}

/// One night after another, or several databases: a restore could only take them together, as nobody has meant it.
#[test]
fn several_dumps_in_one_file_are_told_apart() {
    let (one, two) = (Database::sample("several"), Database::new("several"));
    two.sql("CREATE TABLE another (id INT PRIMARY KEY)");
    let (first, second) = (mariadb_dump(&one, &[]), mariadb_dump(&two, &[]));
    let structure = mariadb_dump(&one, &["--no-data"]);
    let rows = mariadb_dump(&one, &["--no-create-info", "--skip-triggers"]);
    let together = ["--databases", &one.name, &two.name].join(" ");
    let together =
        bash(&format!("mariadb-dump --defaults-file=\"$FWB_DEFAULTS_FILE\" {together}")).run().ok().stdout;
    let both = [one.name.as_str(), two.name.as_str()];
    let store = Store::new();
    let cases: [(&str, Vec<u8>, &[&str]); 4] = [
        ("databases.sql", [&first[..], &second].concat(), &[both[0], both[1], "one after another"]),
        ("nights.sql", [&first[..], &first].concat(), &["made for the second time", "keep one of them"]),
        ("nights.sql.gz", [gzip(&first), gzip(&first)].concat(), &["made for the second time"]),
        ("together.sql", together, &["several databases", "--one-database"]),
    ];
    for (file, bytes, told) in cases {
        store.write(file, bytes);
        let refused = store.tool("fwb-verify").arg(file).run().exits(3);
        assert_eq!(refused.json()["verification"]["restorable"], false, "{file}");
        for words in told {
            assert!(refused.stderr.contains(words), "{file}: {}", refused.stderr);
        }
        let restore = store.tool("fwb-restore").args(["--yes", "--database", "never_made", file]);
        let refused = restore.run();
        assert!(
            matches!(refused.code, Some(2 | 3)) && refused.stderr.contains(told[0]),
            "{file}: {}",
            refused.stderr
        );
    }
    // Rows would be read in the character set of the first header.
    let latin = mariadb_dump(&two, &["--default-character-set=latin1"]);
    let renamed = String::from_utf8(latin).unwrap().replace(&two.name, &one.name);
    store.write("headers.sql", [&first[..], renamed.as_bytes()].concat());
    store
        .tool("fwb-verify")
        .arg("headers.sql")
        .run()
        .fails(3, &["another character set, time zone or sql_mode"]);
    store.write("parts.sql", [structure, rows].concat());
    store.tool("fwb-verify").arg("parts.sql").run().fails(3, &["structure and rows were made apart"]);
}

/// A backup that somebody wants to keep gets another name, with its sidecar. It is what it was: it verifies, restores, and
/// is not the first to be pruned.
#[test]
fn a_backup_that_is_renamed_with_its_sidecar_is_what_it_was() {
    let (db, store) = (Database::sample("renamed"), Store::new());
    let dump = store.dump_verified(&db);
    let content = db.content();
    let kept = "keep-me.sql.gz";
    let rename = |from: &str, to: &str| {
        fs::rename(store.file(from), store.file(to)).unwrap();
        fs::rename(store.file(&format!("{from}.json")), store.file(&format!("{to}.json"))).unwrap();
    };
    rename(name(&dump), kept);
    let listed = store.tool("fwb-ls").args(["--latest", "--verified"]).run().ok().json();
    assert_eq!((&listed["name"], &listed["sha256"]), (&json!(kept), &dump["sha256"]));
    assert_eq!(listed["verification"], dump["verification"], "it stays proved");
    let newer = store.dump(&db);
    let all = store.tool("fwb-ls").run().ok().stdout;
    let prune = || store.tool("fwb-prune").stdin(&all).args(["--keep-days=0", "--keep-last=1"]);
    let decided = prune().run().ok().records();
    let decision =
        |name: &str| decided.iter().find(|record| record["name"] == name).unwrap()["decision"].clone();
    assert_eq!(decision(kept)["action"], "keep", "the newest proved one stays: {decided:?}");
    assert!(store.holds(kept) && store.holds(name(&newer)));
    for level in ["quick", "full"] {
        let proved = store.tool("fwb-verify").args(["--level", level, kept]).run().ok().json();
        assert_eq!((&proved["name"], &proved["verification"]["ok"]), (&json!(kept), &json!(true)));
    }
    db.sql("DELETE FROM settings");
    store.tool("fwb-restore").args([kept, "--yes"]).run().ok();
    assert_eq!(db.content(), content);
    // Another name, and what was recorded under the last one still counts.
    let again = "and-again.sql.gz";
    rename(kept, again);
    let listed = store.tool("fwb-ls").run().ok().records();
    assert_eq!(listed[0]["name"], again);
    assert_eq!(listed[0]["verification"]["ok"], true, "{}", listed[0]);
    rename(again, kept);
    // Its damage is found as any other's.
    let mut bytes = fs::read(store.file(kept)).unwrap();
    bytes[100] ^= 1;
    store.write(kept, bytes);
    store.tool("fwb-verify").arg(kept).run().fails(3, &["is damaged"]);
}

/// The name is no proof, and its absence no licence: a sidecar of another backup, proved and of the same size, must not
/// make one proved that never was.
#[test]
fn a_sidecar_that_names_another_backup_is_held_against_the_bytes() {
    let (db, store) = (Database::sample("foreign_sidecar"), Store::new());
    let proved = store.dump_verified(&db);
    let other = store.dump(&db);
    // As large as the one that is proved, to the byte.
    let mut sidecar = store.read_sidecar(&proved);
    sidecar["size"] = other["size"].clone();
    store.write(&format!("{}.json", name(&other)), sidecar.to_string());
    let listed = store.tool("fwb-ls").run().exits(3);
    let listed = listed.records().into_iter().find(|record| record["name"] == other["name"]).unwrap();
    assert_eq!(listed["verification"]["ok"], false, "{listed}");
    store.tool("fwb-verify").args(["--level", "quick", name(&other)]).run().fails(3, &["of another backup"]);

    // Nothing in another program's file says what it is: it counts as proved when its bytes have been looked at.
    let sql = mariadb_dump(&db, &[]);
    store.write("old.sql", &sql);
    store.tool("fwb-verify").args(["--adopt", "old.sql"]).run().ok();
    fs::rename(store.file("old.sql"), store.file("older.sql")).unwrap();
    fs::rename(store.file("old.sql.json"), store.file("older.sql.json")).unwrap();
    let listed = || {
        let all = store.tool("fwb-ls").args(["--kind", "foreign"]).run();
        all.records().into_iter().find(|record| record["name"] == "older.sql").unwrap()
    };
    assert!(listed()["verification"].is_null(), "{}", listed());
    store.tool("fwb-verify").arg("older.sql").run().ok();
    assert_eq!(listed()["verification"]["ok"], true);
    let changed = sql.iter().map(|byte| if *byte == b'7' { b'8' } else { *byte }).collect::<Vec<u8>>();
    fs::rename(store.file("older.sql.json"), store.file("oldest.sql.json")).unwrap();
    store.write("oldest.sql", changed);
    store.tool("fwb-verify").arg("oldest.sql").run().fails(3, &["is damaged"]);
}
