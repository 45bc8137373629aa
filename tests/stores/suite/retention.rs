//! What is deleted, and what is not.

use serde_json::{Value, json};

use super::super::gone_soon;
use super::{Ground, Place, small};
use crate::support::{name, until};

/// Two databases, each with proved backups of these ages in days, oldest first; the names by database.
fn two_databases(ground: &Ground, days: &[i64]) -> [Vec<String>; 2] {
    ["prune_a", "prune_b"].map(|prefix| {
        let newest = ground.dump_verified(&small(prefix));
        let names = days.iter().map(|day| ground.aged(&newest, day * 24 + 1)).collect();
        ground.forget(name(&newest));
        names
    })
}

/// `fwb-ls | fwb-prune` with these options, as the nightly chain has it.
fn prune(ground: &Ground, options: &str) -> Vec<Value> {
    let listed = ground.tool("fwb-ls").run().stdout;
    let decided = ground.piped("fwb-prune", &listed).args(options.split_whitespace()).run().ok().records();
    let candidates = listed.split(|byte| *byte == b'\n').count() - 1;
    assert_eq!(decided.len(), candidates, "a decision on every candidate");
    decided
}

/// Which of the backups are there for whoever looks, as `+` and `-`.
fn left(ground: &Ground, names: &[String]) -> String {
    let listed = ground.listed();
    names.iter().map(|name| if listed.contains(name) { '+' } else { '-' }).collect()
}

fn action<'a>(decided: &'a [Value], name: &str) -> &'a Value {
    &decided.iter().find(|record| record["name"] == name).expect("a decision")["decision"]["action"]
}

pub(super) fn what_is_older_goes_and_nothing_else(ground: &Ground) {
    let [a, b] = two_databases(ground, &[30, 8, 6, 0]);
    ground.place.write("notes.txt", "mine");
    ground.place.write("old.sql", "-- MariaDB dump\n");
    let said = prune(ground, "--keep-days 7 --dry-run");
    assert_eq!((left(ground, &a), left(ground, &b)), ("++++".into(), "++++".into()));
    let decided = prune(ground, "--keep-days 7");
    assert_eq!(said, decided, "a dry run says the same");
    assert_eq!((left(ground, &a), left(ground, &b)), ("--++".into(), "--++".into()));
    for (name, expected) in [(&a[0], "delete"), (&a[2], "keep"), (&b[1], "delete")] {
        assert_eq!(action(&decided, name), expected);
    }
    assert!(decided.iter().all(|record| record["decision"]["reasons"][0].is_string()));
    let again = prune(ground, "--keep-days 7");
    assert!(again.iter().all(|record| record["decision"]["action"] == "keep"), "nothing is left to do");
    // What was deleted is found by no tool, and its bytes go: at once, or by a later run.
    let elsewhere = Place::directory();
    for tool in ["fwb-verify", "fwb-restore", "fwb-copy"] {
        let tool = match tool {
            "fwb-restore" => ground.tool(tool).arg("--yes"),
            "fwb-copy" => ground.tool(tool).args(["--to", elsewhere.url()]),
            _ => ground.tool(tool),
        };
        tool.arg(&a[0]).run().fails(3, &["no backup"]);
    }
    until("the end of what was deleted", || {
        let prune = gone_soon(ground.tool("fwb-prune"));
        prune.args(["--keep-days", "7", &a[3]]).run().ok();
        let files = ground.place.files();
        let is_gone = |name: &String| !files.contains(name) && !files.contains(&format!("{name}.json"));
        (is_gone(&a[0]) && is_gone(&b[1])).then_some(())
    });
    let files = ground.place.files();
    let expected = [&a[2], &a[3], &b[2], &b[3]].map(String::as_str);
    for name in expected.iter().chain(&["notes.txt", "old.sql"]) {
        assert!(files.iter().any(|file| file == name), "{name} in {files:?}");
    }
    assert_eq!(files.len(), 10, "{files:?}");
}

pub(super) fn any_rule_keeps_and_the_guard_holds_against_all(ground: &Ground) {
    let [a, b] = two_databases(ground, &[400, 40, 20, 9]);
    let said = |decided: &[Value], names: &[String]| -> String {
        names.iter().map(|name| if action(decided, name) == "keep" { '+' } else { '-' }).collect()
    };
    for (options, expected) in [
        ("--keep-days 0 --keep-last 3 --dry-run", "-+++"),
        ("--keep-days 0 --keep-yearly 1 --min-keep 2 --dry-run", "--++"),
        ("--keep-days 0 --min-keep 0 --dry-run", "---+"),
        ("--keep-days 50 --dry-run", "-+++"),
    ] {
        let decided = prune(ground, options);
        assert_eq!((said(&decided, &a), said(&decided, &b)), (expected.into(), expected.into()), "{options}");
    }
    // Of one the newest is broken, of the other it was never verified, and the one before has lost its artifact: what is
    // proved stays, however old.
    let broken = json!({"level": "full", "ok": false, "at": "2025-01-01T00:00:00Z", "seconds": 1.0});
    ground.edit(&a[3], "verification", broken);
    ground.edit(&b[3], "verification", Value::Null);
    ground.place.remove(&b[2]);
    prune(ground, "--keep-days 7");
    assert_eq!((left(ground, &a), left(ground, &b)), ("--+-".into(), "-+--".into()));
    // Other kinds go when they are asked for, and safety backups by a rule of their own.
    let [c, d] = two_databases(ground, &[30, 20, 10]);
    for name in &c {
        ground.edit(name, "kind", json!("safety"));
    }
    ground.edit(&d[0], "kind", json!("foreign"));
    prune(ground, "--keep-days 7");
    assert_eq!((left(ground, &c), left(ground, &d)), ("+++".into(), "+-+".into()));
    prune(ground, "--keep-days 7 --kind safety");
    assert_eq!((left(ground, &c), left(ground, &d)), ("--+".into(), "+-+".into()));
}

pub(super) fn nothing_goes_that_was_not_meant(ground: &Ground) {
    let [a, b] = two_databases(ground, &[30, 20]);
    let listed = ground.tool("fwb-ls").run().ok();
    let newest = listed.records().into_iter().find(|record| record["name"] == a[1].as_str()).unwrap();
    // What a record says of a backup counts for nothing beside what the store says.
    for (field, value) in [
        ("verification", Value::Null),
        ("started_at", json!("1999-01-01T00:00:00Z")),
        ("kind", json!("foreign")),
        ("decision", json!({"action": "delete", "reasons": ["I say so"]})),
    ] {
        let mut forged = newest.clone();
        forged[field] = value;
        let decided = ground.piped("fwb-prune", forged.to_string()).args(["--keep-days", "1"]).run().ok();
        assert_eq!(decided.json()["decision"]["action"], "keep", "{field}");
    }
    let all = listed.stdout_text();
    let prune = |stream: &str| ground.piped("fwb-prune", stream).args(["--keep-days", "1"]).run();
    for bad in ["../x.sql.gz", "/etc/passwd", "", ".fwb/lock", "runs/x", "a/b.sql.gz", "x\n.sql.gz"] {
        let mut forged = newest.clone();
        forged["name"] = json!(bad);
        // The good ones before it are not deleted either.
        prune(&format!("{all}{forged}\n")).fails(2, &["is not the name of a backup"]);
    }
    prune(&all[..all.len() - 10]).fails(1, &["cut short"]);
    let other = ground.another();
    other.place.begin();
    other.tool("fwb-prune").args(["--keep-days", "1"]).stdin(&all).run().fails(2, &["is of store"]);
    assert_eq!((left(ground, &a), left(ground, &b)), ("++".into(), "++".into()));
    // And what was meant goes.
    ground.tool("fwb-prune").args(["--keep-days", "7", &a[0]]).run().ok();
    assert_eq!((left(ground, &a), left(ground, &b)), ("-+".into(), "++".into()));
}
