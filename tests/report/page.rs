//! The page in a real browser: on a wide screen, in a dark room, on a telephone, printed, and by the keyboard alone.

use std::fs;
use std::path::Path;

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::year::{NIGHTS, Year, morning, night, plot, put};
use crate::environment::Clock;
use crate::support::{Store, Tool};

/// What a browser says of a page, which is wrong in nothing.
#[track_caller]
fn looked_at(url: &str) -> Value {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let pictures = tempfile::tempdir().unwrap();
    let said = Tool::program("node")
        .arg(root.join("tests/report/browser.mjs"))
        .arg(url)
        .arg(pictures.path())
        .env("BROWSER_MODULES", root.join("target/tools/browser"))
        .env("CHROMIUM", "/usr/bin/chromium")
        .env("HOME", pictures.path())
        .run()
        .ok()
        .json();
    assert_eq!((&said["console"], &said["requests"]), (&json!([]), &json!([])), "{url}");
    for (mode, width) in [("light", 1100), ("dark", 1100), ("phone", 380), ("phone-dark", 380), ("print", 0)]
    {
        let seen = &said["modes"][mode];
        assert_eq!(seen["wrong"], json!([]), "{url} in {mode}");
        let is_a_picture = seen["width"] == width
            && seen["height"].as_u64() > Some(600)
            && seen["bytes"].as_u64() > Some(20_000);
        assert!(width == 0 || is_a_picture, "{url} in {mode}: {seen}");
        for file in ["light.png", "print.pdf"] {
            assert!(fs::metadata(pictures.path().join(file)).unwrap().len() > 5000, "{file}");
        }
    }
    assert_eq!(said["keyboard"]["wrong"], json!([]), "{url}");
    assert!(said["keyboard"]["order"].as_array().unwrap().len() > 3, "{said}");
    said
}

/// The page of a store, by the clock of a moment.
fn page(store: &Store, options: &[&str], at: i64) -> String {
    let tool =
        Tool::alone("fwb-report").arg("--store").arg(store.path()).args(["--format", "html"]).args(options);
    Clock::at(at).tool(tool).run().ok().stdout_text()
}

#[track_caller]
fn looks_well(page: &str) -> Value {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("page.html");
    fs::write(&file, page).unwrap();
    looked_at(&format!("file://{}", file.display()))
}

#[test]
fn a_page_of_a_year_is_seen_by_everybody() {
    let mut year = Year::new();
    for of in 0..NIGHTS {
        year.pass(of);
        if of == plot::VANISHES || of == NIGHTS - 1 {
            let also = year.copies.path().to_str().unwrap();
            let page = page(&year.store, &["--also", also, "--since", "400d"], morning(of).timestamp());
            assert!(page.len() < 400_000, "{}", page.len());
            assert!(
                page.contains("Access denied for user &#39;…&#39; &lt;script&gt;"),
                "values are blanked, and nothing is markup"
            );
            assert!(!page.contains("a secret") && !page.contains("admin-"));
            let said = looks_well(&page);
            assert!((2..20).contains(&said["pages"].as_u64().unwrap()), "{}", said["pages"]);
        }
    }
}

/// Ten thousand runs are squares of weeks; the page is no larger than another.
#[test]
fn ten_thousand_runs_are_a_page_of_bounded_size() {
    const RUNS: i64 = 10_000;
    let store = Store::new();
    let lines: String = (0..RUNS)
        .map(|at| {
            let begun = night(at - RUNS);
            let outcome = if at % 97 == 0 { "failed" } else { "ok" };
            let record = json!({"schema": "fwb-run/1", "what": "backup", "at": begun.to_rfc3339(),
                "finished_at": (begun + TimeDelta::minutes(3)).to_rfc3339(), "seconds": 180 + at % 60, "outcome": outcome, "exit": 0,
                "database": "shop", "server": "db.example", "name": format!("b{at}"), "size": 1_000_000 + at * 500,
                "free_bytes": 50_000_000_000_i64, "reason": (outcome == "failed").then_some("it failed")});
            record.to_string() + "\n"
        })
        .collect();
    store.write("runs.jsonl", lines);
    let page = page(&store, &["--since", "1990-01-01"], morning(0).timestamp());
    assert!(page.len() < 500_000, "{}", page.len());
    assert!(page.contains("10000 in all, 104 of them failed or lost"));
    looks_well(&page);
}

/// A fleet is one page too: the databases with troubles in full, all of them in a table.
#[test]
fn a_fleet_is_one_page() {
    let store = Store::new();
    for server in 0..120 {
        for day in 0..3 {
            // The last one is late.
            let at = night(day) - TimeDelta::days(if server == 119 { 2 } else { 0 });
            let name = format!("shop{server}_backup_{}.sql.gz", at.format("%Y%m%d_%H%M%S"));
            let manifest = json!({"schema": "fwb/1", "name": name, "kind": "full", "database": "shop", "started_at": at.to_rfc3339(),
                "finished_at": at.to_rfc3339(), "size": 1000 + day, "server": {"version": "1", "id": format!("db{server}.example")},
                "verification": {"level": "full", "ok": true, "at": at.to_rfc3339(), "seconds": 1.0, "problems": []},
                "sections": [{"kind": "table", "name": "t", "raw_offset": 0, "raw_size": 9, "rows": 7}]});
            put(store.path(), &name, 1000 + u64::try_from(day).unwrap(), &manifest);
        }
    }
    let page = page(&store, &[], morning(2).timestamp());
    assert!(page.len() < 300_000, "{}", page.len());
    assert!(page.contains("One thing needs a person") && page.contains("FWB-3001"));
    assert_eq!(page.matches("<h2 id=\"database-").count(), 20);
    let first = page.split("<h2 id=\"database-0\"").nth(1).unwrap();
    assert!(first.starts_with(" tabindex=\"-1\">shop of db119.example<"), "what is in trouble comes first");
    looks_well(&page);
}

/// Names are anybody's, and are shown as what they are.
#[test]
fn hostile_names_are_only_names() {
    let store = Store::new();
    let at = night(0);
    let hostile = "</title></style><script>alert(1)</script><img src=x onerror=alert(2)>'\"&\u{202e}";
    for day in 0..9 {
        let at = at + TimeDelta::days(day);
        let name = format!("x_backup_{}.sql.gz", at.format("%Y%m%d_%H%M%S"));
        let rows = if day == 8 { 0 } else { 5000 };
        let manifest = json!({"schema": "fwb/1", "name": name, "kind": "full", "database": hostile, "started_at": at.to_rfc3339(),
            "finished_at": at.to_rfc3339(), "size": 1000, "server": {"version": "1", "id": "\"><svg/onload=alert(3)>"},
            "sections": [{"kind": "table", "name": hostile.repeat(2), "raw_offset": 0, "raw_size": 9, "rows": rows}]});
        put(store.path(), &name, 1000, &manifest);
    }
    let record = json!({"schema": "fwb-run/1", "what": hostile, "at": at.to_rfc3339(), "outcome": "failed", "database": hostile,
        "stage": hostile, "code": hostile, "reason": hostile, "hint": hostile, "warnings": [hostile], "seconds": -1e308});
    store.write("runs.jsonl", record.to_string());
    let page = page(&store, &[], (at + TimeDelta::days(8)).timestamp());
    assert!(!page.contains("<script") && !page.contains("<img") && !page.contains('\u{202e}'), "{page}");
    looks_well(&page);
    let report = |format| {
        let tool = Tool::alone("fwb-report").arg("--store").arg(store.path()).args(["--format", format]);
        Clock::at((at + TimeDelta::days(8)).timestamp()).tool(tool).run().ok().stdout_text()
    };
    assert!(!report("text").contains('\u{202e}'));
    super::metrics::holds(&report("prometheus"));
}
