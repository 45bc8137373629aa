//! Which backups are listed, and which of them is the one that was asked for.

use serde_json::{Value, json};

use super::{Ground, small};
use crate::support::{Output, name};

/// Four backups: two of a first database, 50 and 2 hours old, the older one proved; two of a second one, 30 and 1 hours old. Their
/// names, and those of the databases.
fn four(ground: &Ground) -> ([String; 4], [String; 2]) {
    let (a, b) = (small("ls_a"), small("ls_b"));
    let proved = ground.dump_verified(&a);
    let first = ground.aged(&proved, 50);
    let plain = ground.dump(&b);
    ground.edit(name(&plain), "verification", Value::Null);
    let (second, fourth) = (ground.aged(&plain, 30), ground.aged(&plain, 1));
    let third = ground.aged(&proved, 2);
    ground.edit(
        &third,
        "verification",
        json!({"level": "quick", "ok": true, "at": "2025-01-01T00:00:00Z", "seconds": 0.1, "problems": []}),
    );
    ground.forget(name(&proved));
    ground.forget(name(&plain));
    ([first, second, third, fourth], [a.name.clone(), b.name.clone()])
}

/// Which of the backups are listed, by their number, in the order of the list.
fn listed(out: &Output, names: &[String]) -> String {
    let number =
        |record: &Value| names.iter().position(|name| record["name"] == name.as_str()).expect("a known name");
    out.records().iter().map(|record| (number(record) + 1).to_string()).collect()
}

pub(super) fn each_backup_is_listed_as_its_sidecar_says(ground: &Ground) {
    let (names, _) = four(ground);
    ground.place.write(".shop_backup_20250101_000000.sql.gz.partial", "half");
    ground.place.write("notes.txt", "mine");
    let before = ground.place.files();
    let out = ground.tool("fwb-ls").run().ok();
    assert_eq!(listed(&out, &names), "1234", "oldest first");
    for record in out.records() {
        assert_eq!(record["store"], ground.place.url());
        let mut stored = ground.place.sidecar(name(&record));
        stored.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        stored["store"] = record["store"].clone();
        assert_eq!(record, stored, "what is printed is the manifest");
    }
    assert_eq!(ground.place.files(), before, "nothing is written");
    let table = ground.tool("fwb-ls").args(["--format", "table"]).run().ok().stdout_text();
    let last = table.lines().rfind(|line| !line.is_empty()).unwrap();
    assert!(last.starts_with("4 backups, ") && last.contains(", 1 proved"), "{table}");
    // A name that is out for the terminal does not reach it.
    ground.edit(&names[0], "database", json!("evil\u{1b}[2J\ngood"));
    for format in ["table", "jsonl"] {
        let shown = ground.tool("fwb-ls").args(["--format", format]).run().ok().stdout_text();
        assert!(!shown.contains('\u{1b}'), "{shown:?}");
    }
}

pub(super) fn what_is_asked_for_is_what_is_listed(ground: &Ground) {
    let (names, [a, b]) = four(ground);
    ground.edit(&names[3], "kind", json!("safety"));
    let ls = |options: &[&str]| ground.tool("fwb-ls").args(options).run();
    for (options, expected) in [
        (&["--database", &a][..], "13"),
        (&["-B", "no_such"], ""),
        (&["--kind", "safety"], "4"),
        (&["--verified"], "1"),
        (&["--since", "40h"], "234"),
        (&["--at", "40h"], "1"),
        (&["--latest", "-B", &b], "2"),
        (&["--latest", "-B", &b, "--kind", "safety"], "4"),
        (&["--latest", "--verified"], "1"),
        (&["--latest", "-B", &a, "--at", "40h"], "1"),
    ] {
        assert_eq!(listed(&ls(options).ok(), &names), expected, "{options:?}");
    }
    let began = |number: usize| {
        let sidecar = ground.place.sidecar(&names[number - 1]);
        chrono::DateTime::parse_from_rfc3339(sidecar["started_at"].as_str().unwrap()).unwrap()
    };
    for (seconds, expected) in [(0, "3"), (-1, "1")] {
        let moment = (began(3) + chrono::TimeDelta::seconds(seconds)).to_rfc3339();
        assert_eq!(listed(&ls(&["--at", &moment, "-B", &a]).ok(), &names), expected);
    }
    // Exactly one, or an error.
    let refused = [
        ls(&["--latest"]).fails(2, &[&a, &b, "--database"]),
        ls(&["--at", "3h"]).fails(2, &[&a, &b, "--database"]),
        ls(&["--latest", "--verified", "-B", &b]).fails(1, &["fwb-verify"]),
        ls(&["--at", "99h"]).fails(1, &["began by", "the first began"]),
        ground.another().tool("fwb-ls").arg("--latest").run().exits(1),
    ];
    assert!(refused.iter().all(|out| out.stdout.is_empty()), "{refused:?}");
}

pub(super) fn an_alarm_goes_off_when_no_proved_backup_is_fresh(ground: &Ground) {
    let (names, [a, b]) = four(ground);
    let age = |options: &[&str]| ground.tool("fwb-ls").arg("--max-age").args(options).run();
    age(&["51h", "-B", &a]).ok();
    age(&["49h", "-B", &a]).fails(3, &[&a]);
    age(&["51h"]).fails(3, &[&b, "none is proved"]);
    age(&["51h", "-B", "no_such"]).fails(3, &["there is none"]);
    // Proof that does not fit the file any more is none.
    ground.place.write(&names[0], "cut short");
    age(&["51h", "-B", &a]).fails(3, &[&a]);
}
