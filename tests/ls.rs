//! `fwb-ls`: it names what can be restored, and does not hide what cannot.

use std::fs::{self, File};

use serde_json::{Value, json};

use crate::support::{Database, Output, Store, Tool, bash, name};

/// Four backups: two of `ls_a`, 50 and 2 hours old, the older one proved; two of `ls_b`, 30 and 1 hours old.
fn four() -> (Store, [String; 4], [String; 2]) {
    let store = Store::new();
    let (a, b) = (Database::new("ls_a"), Database::new("ls_b"));
    let proved = store.dump_verified(&a);
    let first = store.aged(&proved, 50);
    let plain = store.dump(&b);
    let (second, fourth) = (store.aged(&plain, 30), store.aged(&plain, 1));
    let third = store.aged(&proved, 2);
    store.edit(
        &third,
        "verification",
        json!({"level": "quick", "ok": true, "at": "2025-01-01T00:00:00Z", "seconds": 0.1, "problems": []}),
    );
    for made in [proved, plain] {
        fs::remove_file(store.artifact(&made)).unwrap();
        fs::remove_file(store.sidecar(&made)).unwrap();
    }
    (store, [first, second, third, fourth], [a.name.clone(), b.name.clone()])
}

/// Which of the backups are listed, by their number, in the order of the list.
fn listed(out: &Output, names: &[String]) -> String {
    let number =
        |record: &Value| names.iter().position(|name| record["name"] == name.as_str()).expect("a known name");
    out.records().iter().map(|record| (number(record) + 1).to_string()).collect()
}

#[test]
fn every_backup_is_listed_oldest_first_with_its_store() {
    let (store, names, _) = four();
    store.write(".shop_backup_20250101_000000.sql.gz.partial", "half");
    store.write("notes.txt", "mine");
    let before = store.names();
    let out = store.tool("fwb-ls").run().ok();
    assert_eq!(listed(&out, &names), "1234");
    for record in out.records() {
        assert_eq!(record["store"], store.path().to_str().unwrap());
        let mut stored = store.read_sidecar(&record);
        stored["store"] = record["store"].clone();
        assert_eq!(record, stored, "what is printed is the manifest");
    }
    assert_eq!(store.names(), before, "nothing is written");
    let relative = Tool::new("fwb-ls").args(["-s", "."]).dir(store.path()).run().ok();
    assert!(
        relative.records()[0]["store"].as_str().unwrap().starts_with('/'),
        "the next tool may be elsewhere"
    );
    let setting = Tool::new("fwb-ls").env("FWB_STORE", store.path()).run().ok();
    assert_eq!(listed(&setting, &names), "1234");
}

#[test]
fn filters_add_up() {
    let (store, names, [a, b]) = four();
    store.edit(&names[3], "kind", json!("safety"));
    for (options, expected) in [
        (vec!["--database", &a], "13"),
        (vec!["-B", &b], "24"),
        (vec!["-B", "no_such"], ""),
        (vec!["--kind", "safety"], "4"),
        (vec!["--kind", "full,foreign"], "123"),
        (vec!["--verified"], "1"),
        (vec!["--since", "40h"], "234"),
        (vec!["--since", "3h", "-B", &a], "3"),
        (vec!["--at", "40h"], "1"),
        (vec!["--latest", "-B", &a], "3"),
        (vec!["--latest", "-B", &b], "2"),
        (vec!["--latest", "-B", &b, "--kind", "safety"], "4"),
        (vec!["--latest", "--verified"], "1"),
        (vec!["--latest", "-B", &a, "--at", "40h"], "1"),
    ] {
        let out = store.tool("fwb-ls").args(&options).run().ok();
        assert_eq!(listed(&out, &names), expected, "{options:?}");
    }
}

#[test]
fn the_latest_is_exactly_one_or_an_error() {
    let (store, _, [a, b]) = four();
    let several = store.tool("fwb-ls").arg("--latest").run().fails(2, &[&a, &b, "--database", "hint: "]);
    assert!(several.stdout.is_empty());
    let none =
        store.tool("fwb-ls").args(["--latest", "--verified", "-B", &b]).run().fails(1, &["fwb-verify"]);
    assert!(none.stdout.is_empty());
    Store::new().tool("fwb-ls").arg("--latest").run().fails(1, &["holds no backup"]);
    assert!(Store::new().tool("fwb-ls").run().ok().stdout.is_empty());
    Tool::new("fwb-ls").args(["-s", "/no/store"]).run().fails(1, &["/no/store", "hint: "]);
}

/// "What was there before yesterday's mistake?" must not be answered by a backup of after it, nor of another database.
#[test]
fn a_moment_is_answered_by_one_backup_or_an_error() {
    let (store, names, [a, b]) = four();
    let began = |number: usize| {
        let sidecar = fs::read_to_string(store.file(&format!("{}.json", names[number - 1]))).unwrap();
        let sidecar: Value = serde_json::from_str(&sidecar).unwrap();
        let text = sidecar["started_at"].as_str().unwrap();
        chrono::DateTime::parse_from_rfc3339(text).unwrap().with_timezone(&chrono::Local)
    };
    let at = |options: &[&str]| store.tool("fwb-ls").arg("--at").args(options).run();
    let second = chrono::TimeDelta::seconds(1);
    // In the local zone, as --since has it, and with an offset.
    let (local, offset) = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S%:z");
    for format in [local, offset] {
        let moment = |time: chrono::DateTime<chrono::Local>| time.format(format).to_string();
        assert_eq!(listed(&at(&[&moment(began(3)), "-B", &a]).ok(), &names), "3", "begun in that second");
        assert_eq!(listed(&at(&[&moment(began(3) - second), "-B", &a]).ok(), &names), "1");
    }
    let seoul = began(3).naive_utc() + chrono::TimeDelta::hours(9);
    let seoul = [seoul.format(local).to_string(), (seoul - second).format(local).to_string()];
    for (moment, expected) in seoul.iter().zip(["3", "1"]) {
        let zoned = store.tool("fwb-ls").env("TZ", "KST-9").args(["--at", moment, "-B", &a]).run().ok();
        assert_eq!(listed(&zoned, &names), expected, "{moment} in Seoul");
    }
    assert_eq!(
        listed(&at(&["1h", "-B", &a, "--verified"]).ok(), &names),
        "1",
        "the newest proved one by then"
    );
    assert_eq!(listed(&at(&["3h", "-B", &b]).ok(), &names), "2");

    let several = at(&["3h"]).fails(2, &[&a, &b, "--database", "hint: "]);
    let none = at(&["99h"]).fails(1, &["began by", "the first began"]);
    let unproved = at(&["3h", "-B", &b, "--verified"]).fails(1, &["fwb-verify"]);
    let nonsense = at(&["yesterday"]).fails(2, &["not a time", "hint: "]);
    for out in [several, none, unproved, nonsense] {
        assert!(out.stdout.is_empty(), "{out:?}");
    }
}

#[test]
fn an_alarm_goes_off_when_no_proved_backup_is_fresh() {
    let (store, names, [a, b]) = four();
    let age = |options: &[&str]| store.tool("fwb-ls").args(options).run();
    age(&["--max-age", "51h", "-B", &a]).ok();
    age(&["--max-age", "49h", "-B", &a]).fails(3, &[&a]);
    age(&["--max-age", "51h"]).fails(3, &[&b, "none is proved"]);
    age(&["--max-age", "51h", "-B", "no_such"]).fails(3, &["there is none"]);
    Store::new().tool("fwb-ls").args(["--max-age", "26h"]).run().fails(3, &["there is none"]);
    // Proof that does not fit the file any more is none.
    fs::write(store.file(&names[0]), "cut short").unwrap();
    age(&["--max-age", "51h", "-B", &a]).fails(3, &[&a]);
}

#[test]
fn what_is_damaged_or_lost_is_named_and_never_the_latest() {
    let (store, names, [a, _]) = four();
    fs::write(store.file(&names[2]), "cut short").unwrap();
    fs::remove_file(store.file(&names[3])).unwrap();
    store.write(&format!("{}.json", names[1]), "{");
    let out = store.tool("fwb-ls").run().fails(3, &[&names[1], &names[2], &names[3], ": warning: "]);
    let oks: Vec<(Value, Value)> = out
        .records()
        .iter()
        .map(|record| (record["name"].clone(), record["verification"]["ok"].clone()))
        .collect();
    assert_eq!(oks.len(), 4, "they are listed: {oks:?}");
    for damaged in &names[1..] {
        assert!(oks.contains(&(json!(damaged), json!(false))), "{oks:?}");
    }
    let latest = store.tool("fwb-ls").args(["--latest", "-B", &a]).run().ok();
    assert_eq!(latest.json()["name"], names[0].as_str());
    assert!(latest.stderr.contains(&names[2]), "that a newer one is damaged is said: {}", latest.stderr);
    // The pipeline that asks for what is not proved finds them.
    let unproved =
        bash(r#"fwb-ls -s "$S" 2>/dev/null | jq -r 'select(.verification.ok | not) | .name' || true"#)
            .env("S", store.path())
            .run()
            .ok();
    assert_eq!(unproved.stdout_text().lines().count(), 3);
}

#[test]
fn people_get_a_table_with_a_footer() {
    let (store, names, _) = four();
    let out = store.tool("fwb-ls").args(["--format", "table"]).run().ok().stdout_text();
    let lines: Vec<&str> = out.lines().filter(|line| !line.is_empty()).collect();
    assert!(lines[0].starts_with("NAME") && lines[0].ends_with("STATE"), "{out}");
    for (line, name) in lines[1..].iter().zip(&names) {
        assert!(line.starts_with(name.as_str()), "{out}");
    }
    assert!(lines[1].contains("  proved (full, ") && lines[2].ends_with("unproved"), "{out}");
    assert!(
        lines[5].starts_with("4 backups, ")
            && lines[5].contains(", 1 proved; ")
            && lines[5].contains(" free of "),
        "{out}"
    );
    let typed = bash(r#"script -qec "fwb-ls -s '$S'" /dev/null </dev/null"#)
        .env("S", store.path())
        .env("NO_COLOR", "1")
        .run()
        .ok();
    // What others write on the disk meanwhile changes how much of it is free.
    let without_space = |text: &str| {
        let (before, of_disk) = text.rsplit_once("; ").expect("a footer");
        (before.to_owned(), of_disk.split_once(" free of ").expect("space").1.to_owned())
    };
    assert_eq!(
        without_space(&typed.stdout_text().replace("\r\n", "\n")),
        without_space(&out),
        "a terminal gets the same without asking"
    );
}

#[test]
fn what_is_inside_is_shown_without_unpacking_it() {
    let db = Database::sample("inside");
    let store = Store::new();
    let manifest = store.dump(&db);
    let records = store.tool("fwb-ls").args(["--tables", "--latest"]).run().ok().records();
    let files = records.iter().find(|record| record["name"] == "files").unwrap();
    let section =
        manifest["sections"].as_array().unwrap().iter().find(|section| section["name"] == "files").unwrap();
    for field in ["rows", "rows_digest", "offset", "size", "raw_size", "kind"] {
        assert_eq!(files[field], section[field], "{field}");
    }
    assert_eq!(files["backup"], manifest["name"]);
    assert_eq!(records.iter().filter(|record| record["kind"] == "view").count(), 2);
    let table = store.tool("fwb-ls").args(["--tables", "--format=table"]).run().ok().stdout_text();
    assert!(
        table.contains(name(&manifest))
            && table.lines().any(|line| line.starts_with("table ") && line.contains(" files "))
    );
}

#[test]
fn a_store_in_use_can_be_listed() {
    let (store, names, _) = four();
    let lock = File::options().write(true).open(store.file(".lock")).unwrap();
    lock.lock().unwrap();
    assert_eq!(listed(&store.tool("fwb-ls").run().ok(), &names), "1234");
}

#[test]
fn a_hostile_name_does_not_reach_the_terminal() {
    let (store, names, _) = four();
    store.edit(&names[0], "database", json!("evil\u{1b}[2J\ngood"));
    let table = store.tool("fwb-ls").args(["--format", "table"]).run().ok().stdout_text();
    assert!(!table.contains('\u{1b}'), "{table:?}");
    let lines = store.tool("fwb-ls").run().ok().stdout_text();
    assert_eq!(lines.lines().count(), 4, "a line a record");
    assert!(!lines.contains('\u{1b}'));
}
