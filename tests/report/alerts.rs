//! A year of mornings as Prometheus sees it: of the metrics of each, the rules make the alerts of that day, and no others.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;

use chrono::TimeDelta;

use super::expected;
use super::metrics::holds;
use super::year::{NIGHTS, Year, morning};
use crate::environment::Clock;
use crate::monitoring::{RULES, program};
use crate::support::Tool;
use crate::support::manifests::file;

/// What is not looked at here: the file system is the real one, and no certificate is named.
const ELSEWHERE: [&str; 2] = ["FWB-3007", "FWB-3012"];

/// The alert that tells a code; `thing` is the end of its key.
fn alert_of(code: &str, thing: &str) -> &'static str {
    match (code, thing) {
        ("FWB-3001", _) => "FwbBackupTooOld",
        ("FWB-3002", _) => "FwbBackupDamaged",
        ("FWB-3003", "/drill") => "FwbDrillFailed",
        ("FWB-3003", _) => "FwbLastRunFailed",
        ("FWB-3004", _) => "FwbLastRunLost",
        ("FWB-3005", _) => "FwbDrillTooOld",
        ("FWB-3006", _) => "FwbCopyMissing",
        ("FWB-3013" | "FWB-3015", _) => "FwbLogLags",
        ("FWB-3014", _) => "FwbLogHole",
        _ => "FwbTroubleFound",
    }
}

/// A case for promtool: what a report says at one moment stands for two hours; times are seconds after that moment.
fn case(night: i64, metrics: &str, now: i64) -> String {
    let mut case = format!("  - name: night {night}\n    interval: 15m\n    input_series:\n");
    let mut series = |name: &str, value: f64| {
        // A log that comes goes on coming.
        let is_fresh = name.starts_with("fwb_log_safe_until_") && value > -600.0;
        let step = if is_fresh { "+900" } else { "" };
        writeln!(case, "      - {{series: '{name}', values: '{value}{step}x8'}}").unwrap();
    };
    series(r#"fwb_report_up{job="fwb", instance="a"}"#, 1.0);
    for (name, value) in holds(metrics) {
        let is_time = name.split('{').next().unwrap().ends_with("_timestamp_seconds");
        let value = if is_time { value - now as f64 } else { value };
        // The room is that of the machine which runs this test.
        if !name.starts_with("fwb_store_") && !name.starts_with("fwb_report_up") {
            series(&name, value);
        }
    }
    let due = expected()
        .into_iter()
        .filter(|(code, _, nights)| nights.contains(&night) && !ELSEWHERE.contains(code));
    let due: BTreeSet<&str> = due.map(|(code, thing, _)| alert_of(code, thing)).collect();
    let samples: Vec<String> =
        due.iter().map(|alert| format!("{{labels: '{{alertname=\"{alert}\"}}', value: 1}}")).collect();
    let expression = r#"group by (alertname) (ALERTS{alertstate="firing"})"#;
    writeln!(
        case,
        "    promql_expr_test:\n      - {{expr: '{expression}', eval_time: 90m, exp_samples: [{}]}}",
        samples.join(", ")
    )
    .unwrap();
    case
}

#[test]
fn a_year_of_alerts() {
    let mut year = Year::new();
    let clock = Clock::at(morning(0).timestamp());
    let mut cases = String::from("rule_files: [fwb.rules.yaml]\nevaluation_interval: 15m\ntests:\n");
    for night in 0..NIGHTS {
        year.pass(night);
        let now = (morning(night) - TimeDelta::hours(1)).timestamp();
        clock.stop_at(now);
        let report = Tool::alone("fwb-report")
            .arg("--store")
            .arg(year.store.path())
            .arg("--also")
            .arg(year.copies.path());
        let metrics = clock.tool(report.args(["--format", "prometheus"])).run().ok().stdout_text();
        cases += &case(night, &metrics, now);
    }
    let dir = tempfile::tempdir().unwrap();
    fs::copy(file(RULES), dir.path().join("fwb.rules.yaml")).unwrap();
    let tests = dir.path().join("year.yaml");
    fs::write(&tests, cases).unwrap();
    let said = Tool::program(program("promtool")).args(["test", "rules"]).arg(&tests).run();
    assert!(said.code == Some(0), "{:.6000}\n{:.6000}", said.stdout_text(), said.stderr);
}
