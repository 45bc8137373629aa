//! The metrics, as Prometheus reads them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::year::{Year, morning};
use crate::environment::Clock;
use crate::support::Tool;

/// Reads metrics by the rules of the text format 0.0.4, and returns each sample's name with its labels, and its value.
#[track_caller]
pub(super) fn holds(text: &str) -> BTreeMap<String, f64> {
    let (mut samples, mut known, mut last) = (BTreeMap::new(), BTreeSet::new(), String::new());
    assert!(text.ends_with('\n'), "the last line ends too");
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, help) = help.split_once(' ').unwrap();
            assert!(known.insert(name.to_owned()) && help.ends_with('.'), "{line}");
            name.clone_into(&mut last);
            continue;
        }
        if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            assert_eq!(kind, if name.ends_with("_total") { "counter" } else { "gauge" });
            assert_eq!(name, last);
            continue;
        }
        let (name, rest) = line.split_at(line.find(['{', ' ']).unwrap());
        assert_eq!(name, last, "samples stand with their name: {line}");
        let value = labels(rest).trim_start();
        let key = line.strip_suffix(value).unwrap().trim_end().to_owned();
        assert!(samples.insert(key, value.parse::<f64>().unwrap()).is_none(), "twice: {line}");
    }
    samples
}

/// What follows the labels, which are closed and escaped.
#[track_caller]
fn labels(text: &str) -> &str {
    let Some(mut rest) = text.strip_prefix('{') else { return text };
    loop {
        let (label, value) = rest.split_once("=\"").unwrap();
        assert!(
            label.trim_start_matches(',').bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'),
            "{label}"
        );
        let mut escaped = false;
        let end = value.find(|c| {
            let is_end = c == '"' && !escaped;
            assert!(!escaped || matches!(c, '"' | '\\' | 'n'), "{value}");
            escaped = c == '\\' && !escaped;
            is_end
        });
        rest = &value[end.unwrap() + 1..];
        if let Some(rest) = rest.strip_prefix('}') {
            return rest;
        }
    }
}

#[test]
fn metrics_are_what_prometheus_reads() {
    let mut year = Year::new();
    for of in 0..21 {
        year.pass(of);
    }
    let clock = Clock::at(morning(20).timestamp());
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("fwb.prom");
    fs::write(&file, "what was there before").unwrap();
    let before = fs::metadata(&file).unwrap().ino();
    let tool = |arguments: &[&str]| {
        clock.tool(Tool::alone("fwb-report").arg("--store").arg(year.store.path()).args(arguments)).run()
    };
    let out = tool(&["-o", file.to_str().unwrap()]).ok();
    assert!(out.stdout.is_empty(), "the form goes by the file's ending");
    assert_ne!(fs::metadata(&file).unwrap().ino(), before, "it is replaced whole");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing else is left");
    let metrics = holds(&fs::read_to_string(&file).unwrap());
    let of =
        format!("store=\"{}\",server=\"db.example:3306\",database=\"shop\"", year.store.path().display());
    let value = |name: &str, more: &str| metrics.get(&format!("{name}{{{of}{more}}}")).copied();
    let newest = super::year::night(19).timestamp() as f64;
    assert_eq!(value("fwb_backup_newest_proved_timestamp_seconds", ""), Some(newest));
    assert_eq!(value("fwb_run_last_outcome", ",what=\"backup\",outcome=\"failed\""), Some(1.0));
    assert_eq!(value("fwb_runs", ",what=\"backup\",outcome=\"ok\",window=\"7d\""), Some(6.0));
    assert_eq!(value("fwb_runs", ",what=\"backup\",outcome=\"failed\",window=\"7d\""), Some(1.0));
    assert!(value("fwb_table_rows", ",table=\"orders\"").is_some_and(|rows| rows > 100_000.0));
    assert!(value("fwb_drill_restore_seconds", "").is_some_and(|seconds| seconds > 100.0));
    assert_eq!(metrics["fwb_troubles"], 2.0);
    // As promtool holds them against Prometheus' conventions.
    let promtool = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/monitoring/promtool");
    let checked =
        Tool::program(promtool).args(["check", "metrics"]).stdin(fs::read(&file).unwrap()).run().ok();
    assert_eq!((checked.stdout_text().as_str(), checked.stderr.as_str()), ("", ""));

    // A link, a directory and another's file are left alone, and a failure leaves what was there.
    let link = dir.path().join("link.prom");
    std::os::unix::fs::symlink(&file, &link).unwrap();
    tool(&["-o", link.to_str().unwrap()]).fails(2, &["symbolic link"]);
    let whole = fs::read(&file).unwrap();
    let missing = Tool::alone("fwb-report").args(["-s", "/no/store", "-o"]).arg(&file).run();
    missing.fails(1, &["/no/store", "hint: "]);
    assert_eq!(fs::read(&file).unwrap(), whole);
}
