//! `fwb-prune`: it deletes what retention lets go and nothing else, whatever the backups' state and whatever
//! comes in on standard input. A mistake here is the only one that loses backups for good.

use std::fs::{self, File};

use serde_json::{Value, json};

use crate::support::{Database, Store, Tool, bash, name};

/// Two databases, each with proved backups of these ages in days, oldest first; the names by database.
fn two_databases(days: &[i64]) -> (Store, [Vec<String>; 2]) {
    let store = Store::new();
    let names = ["prune_a", "prune_b"].map(|prefix| {
        let db = Database::new(prefix);
        let newest = store.dump_verified(&db);
        let names = days.iter().map(|day| store.aged(&newest, day * 24 + 1)).collect();
        fs::remove_file(store.artifact(&newest)).unwrap();
        fs::remove_file(store.sidecar(&newest)).unwrap();
        names
    });
    (store, names)
}

/// `fwb-ls | fwb-prune` with these options, as the nightly chain has it.
fn prune(store: &Store, options: &str) -> Vec<Value> {
    let listed = store.tool("fwb-ls").run().stdout;
    let decided = Tool::new("fwb-prune").args(options.split_whitespace()).stdin(&listed).run().ok().records();
    assert_eq!(
        decided.len(),
        listed.split(|byte| *byte == b'\n').count() - 1,
        "a decision on every candidate"
    );
    decided
}

/// Which of the backups are there, as `+` and `-`.
fn left(store: &Store, names: &[String]) -> String {
    names.iter().map(|name| if store.holds(name) { '+' } else { '-' }).collect()
}

fn action<'a>(decided: &'a [Value], name: &str) -> &'a Value {
    &decided.iter().find(|record| record["name"] == name).expect("a decision")["decision"]["action"]
}

#[test]
fn what_is_older_goes_and_nothing_else() {
    let (store, [a, b]) = two_databases(&[30, 8, 7, 6, 0]);
    store.write("notes.txt", "mine");
    store.write("old.sql", "-- MariaDB dump\n");
    // An hour over seven days is over seven days.
    let decided = prune(&store, "--keep-days 7");
    assert_eq!((left(&store, &a), left(&store, &b)), ("---++".into(), "---++".into()));
    assert!(store.file("notes.txt").exists() && store.file("old.sql").exists());
    for (name, expected) in [(&a[0], "delete"), (&a[4], "keep"), (&b[2], "delete")] {
        assert_eq!(action(&decided, name), expected);
    }
    assert!(decided.iter().all(|record| record["decision"]["reasons"][0].is_string()));
    let again = prune(&store, "--keep-days 7");
    assert!(again.iter().all(|record| record["decision"]["action"] == "keep"), "nothing is left to do");
}

#[test]
fn the_newest_proved_backup_stays_when_newer_ones_are_broken_or_lost() {
    let (store, [a, b]) = two_databases(&[40, 30, 20, 10, 9]);
    store.edit(
        &a[4],
        "verification",
        json!({"level": "full", "ok": false, "at": "2025-01-01T00:00:00Z", "seconds": 1.0}),
    );
    fs::write(store.file(&a[3]), "cut short").unwrap();
    // The newest of b was never verified, the one before it lost its artifact, and the sidecar of another is gone.
    let mut sidecar: Value =
        serde_json::from_slice(&fs::read(store.file(&format!("{}.json", b[4]))).unwrap()).unwrap();
    sidecar.as_object_mut().unwrap().remove("verification");
    fs::write(store.file(&format!("{}.json", b[4])), sidecar.to_string()).unwrap();
    fs::remove_file(store.file(&b[3])).unwrap();
    prune(&store, "--keep-days 7");
    assert_eq!(left(&store, &a), "--+--");
    assert_eq!(left(&store, &b), "--+--");
}

#[test]
fn no_record_on_standard_input_makes_a_kept_backup_go() {
    let (store, [a, _]) = two_databases(&[30, 20]);
    let listed = store.tool("fwb-ls").run().ok().records();
    let newest = listed.iter().find(|record| record["name"] == a[1].as_str()).unwrap();
    let lies = [
        ("verification", json!({"level": "full", "ok": false, "at": "2025-01-01T00:00:00Z", "seconds": 1.0})),
        ("verification", Value::Null),
        ("started_at", json!("1999-01-01T00:00:00Z")),
        ("database", json!("another")),
        ("kind", json!("foreign")),
        ("size", json!(0)),
        ("decision", json!({"action": "delete", "reasons": ["I say so"]})),
    ];
    for (field, value) in lies {
        let mut forged = newest.clone();
        forged[field] = value;
        let decided =
            Tool::new("fwb-prune").args(["--keep-days", "1"]).stdin(forged.to_string()).run().ok().json();
        assert_eq!(decided["decision"]["action"], "keep", "{field}");
        assert!(store.holds(&a[1]), "{field}");
    }
    // A record that says that another backup is proved and newer does not make this one superfluous.
    let mut proved = newest.clone();
    proved["name"] = json!(a[0]);
    proved["started_at"] = json!("2100-01-01T00:00:00Z");
    let both = format!("{newest}\n{proved}\n");
    Tool::new("fwb-prune").args(["--keep-days", "1"]).stdin(both).run().ok();
    assert_eq!(left(&store, &a), "-+", "dates and proof come from the store");
}

#[test]
fn names_that_leave_the_store_are_refused_and_nothing_is_deleted() {
    let (store, [a, b]) = two_databases(&[30, 20]);
    let outside = tempfile::tempdir().unwrap();
    let victim = outside.path().join("victim.sql.gz");
    fs::write(&victim, "precious").unwrap();
    std::os::unix::fs::symlink(&victim, store.file("link.sql.gz")).unwrap();
    let listed = store.tool("fwb-ls").run().ok().stdout_text();
    let one: Value = serde_json::from_str(listed.lines().next().unwrap()).unwrap();
    let relative = format!("../{}/victim.sql.gz", outside.path().file_name().unwrap().to_str().unwrap());
    let names = [
        "../x",
        "../x.sql.gz",
        &relative,
        victim.to_str().unwrap(),
        "/etc/passwd",
        "",
        ".",
        "..",
        ".lock",
        "a/b.sql.gz",
        "a\0.sql.gz",
        "x\n.sql.gz",
    ];
    for bad in names {
        let mut forged = one.clone();
        forged["name"] = json!(bad);
        // The good ones before it are not deleted either.
        let stream = format!("{listed}{forged}\n");
        Tool::new("fwb-prune")
            .args(["--keep-days", "1"])
            .stdin(stream)
            .run()
            .fails(2, &["is not the name of a backup", "hint: "]);
        assert_eq!((left(&store, &a), left(&store, &b)), ("++".into(), "++".into()), "{bad:?}");
    }
    store.tool("fwb-prune").args(["--keep-days=0", "link.sql.gz"]).run();
    store.tool("fwb-prune").arg(&relative).run().exits(2);
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
    assert!(store.file("link.sql.gz").is_symlink(), "what is no backup of ours is not touched");
}

#[test]
fn a_stream_that_is_cut_short_or_of_another_store_deletes_nothing() {
    let (store, [a, _]) = two_databases(&[30, 20]);
    let listed = store.tool("fwb-ls").run().ok().stdout_text();
    Tool::new("fwb-prune")
        .arg("--keep-days=1")
        .stdin(&listed[..listed.len() - 10])
        .run()
        .fails(1, &["cut short"]);
    let other = Store::new();
    other.tool("fwb-prune").arg("--keep-days=1").stdin(&listed).run().fails(2, &["is of store", "hint: "]);
    assert_eq!(left(&store, &a), "++");
    // No candidates, nothing to do: the first night of a new store is no failure.
    assert!(Tool::new("fwb-prune").run().ok().stdout.is_empty());
}

#[test]
fn a_dry_run_says_the_same_and_deletes_nothing() {
    let (store, [a, _]) = two_databases(&[30, 20, 1]);
    let before = store.names();
    let said = prune(&store, "--keep-days 7 --dry-run");
    assert_eq!(store.names(), before);
    assert_eq!(said, prune(&store, "--keep-days 7 -n"));
    assert_eq!(said, prune(&store, "--keep-days 7"));
    assert_eq!(left(&store, &a), "--+");
}

#[test]
fn other_kinds_go_only_when_asked_for() {
    let (store, [a, b]) = two_databases(&[30, 20, 10]);
    for name in &a {
        store.edit(name, "kind", json!("safety"));
    }
    for name in &b {
        store.edit(name, "kind", json!("foreign"));
    }
    prune(&store, "--keep-days 7");
    assert_eq!((left(&store, &a), left(&store, &b)), ("+++".into(), "+++".into()));
    prune(&store, "--keep-days 7 --kind safety");
    assert_eq!((left(&store, &a), left(&store, &b)), ("--+".into(), "+++".into()));
    prune(&store, "--keep-days 7 --kind full,foreign");
    assert_eq!(left(&store, &b), "--+");
}

#[test]
fn any_rule_keeps_and_the_guard_holds_against_all() {
    let (store, [a, b]) = two_databases(&[400, 100, 40, 20, 10, 9]);
    for (options, expected) in [
        ("--keep-days 0 --keep-last 4 --dry-run", "--++++"),
        ("--keep-days 9 --keep-last 1 --dry-run", "-----+"),
        ("--keep-days 0 --keep-daily 2 --dry-run", "----++"),
        ("--keep-days 0 --keep-yearly 1 --min-keep 3 --dry-run", "---+++"),
        ("--keep-days 0 --min-keep 0 --dry-run", "-----+"),
        ("--keep-days 50 --dry-run", "--++++"),
    ] {
        let decided = prune(&store, options);
        for names in [&a, &b] {
            let said: String =
                names.iter().map(|name| if action(&decided, name) == "keep" { '+' } else { '-' }).collect();
            assert_eq!(said, expected, "{options}");
        }
    }
    // A CronJob says it with variables.
    let listed = store.tool("fwb-ls").run().ok().stdout;
    Tool::new("fwb-prune").env("FWB_KEEP_DAYS", "0").env("FWB_KEEP_LAST", "2").stdin(listed).run().ok();
    assert_eq!((left(&store, &a), left(&store, &b)), ("----++".into(), "----++".into()));
}

#[test]
fn only_what_was_named_goes_and_all_backups_are_weighed() {
    let (store, [a, b]) = two_databases(&[30, 20, 10]);
    store.tool("fwb-prune").args(["--keep-days", "7", &a[1]]).run().ok();
    assert_eq!((left(&store, &a), left(&store, &b)), ("+-+".into(), "+++".into()));
    store.tool("fwb-prune").args(["--keep-days", "7", &a[2]]).run().ok();
    assert_eq!(left(&store, &a), "+-+", "an older proved one is no reason to let the newest go");
}

#[test]
fn a_store_in_use_is_left_alone() {
    let (store, [a, _]) = two_databases(&[30, 20]);
    let listed = store.tool("fwb-ls").run().ok().stdout;
    let lock = File::options().write(true).open(store.file(".lock")).unwrap();
    lock.lock().unwrap();
    Tool::new("fwb-prune")
        .arg("--keep-days=1")
        .stdin(&listed)
        .run()
        .fails(4, &["is locked by another run", "hint: "]);
    assert_eq!(left(&store, &a), "++");
    Tool::new("fwb-prune").args(["-n", "--keep-days=1"]).stdin(&listed).run().ok();
    drop(lock);
    Tool::new("fwb-prune").arg("--keep-days=1").stdin(&listed).run().ok();
    assert_eq!(left(&store, &a), "-+");
}

#[test]
fn a_person_at_a_terminal_gets_help() {
    let typed = bash("script -qec fwb-prune /dev/null").run();
    assert_eq!(typed.code, Some(2));
    assert!(typed.stdout_text().contains("Usage: fwb-prune"), "{typed:?}");
}

#[test]
fn a_lost_sidecar_does_not_lose_the_last_proof_of_another_database() {
    let db = Database::new("prune_c");
    let store = Store::new();
    let manifest = store.dump_verified(&db);
    let old = store.aged(&manifest, 24 * 30);
    // Without its sidecar nothing is known of its proof: the older proved one stays.
    fs::remove_file(store.sidecar(&manifest)).unwrap();
    prune(&store, "--keep-days 1");
    assert!(store.holds(&old) && store.file(name(&manifest)).exists());
}

/// What a restore has backed up is of use for some days, and takes as much room as a full backup.
#[test]
fn safety_backups_expire_with_the_others_by_a_rule_of_their_own() {
    let (store, [a, b]) = two_databases(&[30, 8, 4, 1]);
    for name in [&a[0], &a[2], &b[0], &b[1], &b[2], &b[3]] {
        store.edit(name, "kind", json!("safety"));
    }
    prune(&store, "--keep-days 7");
    assert_eq!((left(&store, &a), left(&store, &b)), ("+-++".into(), "++++".into()), "left alone by default");
    prune(&store, "--keep-days 7 --keep-safety-days 3 --dry-run");
    prune(&store, "--keep-days 7 --keep-safety-days 3 --kind full");
    assert_eq!((left(&store, &a), left(&store, &b)), ("+-++".into(), "++++".into()), "named kinds alone");
    let setting = store.tool("fwb-ls").run().stdout;
    let nightly = Tool::new("fwb-prune").env("FWB_KEEP_SAFETY_DAYS", "3").stdin(&setting).run().ok();
    let decided = nightly.records();
    // Of the second database nothing else is left.
    assert_eq!((left(&store, &a), left(&store, &b)), ("---+".into(), "---+".into()));
    let reasons =
        &decided.iter().find(|record| record["name"] == a[2].as_str()).unwrap()["decision"]["reasons"];
    assert_eq!(reasons[0], "older than 3 days, and no rule keeps it");
}
