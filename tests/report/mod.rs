//! `fwb-report`: it says the right thing on the right day, and nothing on the others; its page, its metrics and its service are
//! what they promise.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::float_cmp,
    reason = "sizes that are made up need no last digit, and metrics are compared with what was written"
)]

mod alerts;
mod metrics;
mod page;
mod service;
mod told;
pub(crate) mod year;

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::path::Path;

use chrono::TimeDelta;
use fwb::{Cancel, CertificateFacts, ReportInput, Space, StoreFacts, TroubleOptions};

use crate::environment::Clock;
use crate::support::{Tool, bash, self_signed};
use year::{GIB, NIGHTS, Year, morning, night, plot};

/// What each morning is to tell: a code, the end of its key, and the nights after which it is told.
fn expected() -> Vec<(&'static str, &'static str, RangeInclusive<i64>)> {
    let mut all = vec![
        // Nights without a backup: the run, and what there is to restore.
        ("FWB-3004", "/backup", plot::LOST..=plot::LOST),
        ("FWB-3001", "", plot::LOST..=plot::LOST),
        // Three mornings, as the runbook says.
        ("FWB-3008", "/vouchers", plot::VANISHES..=plot::VANISHES + 2),
        ("FWB-3009", "/orders", plot::ROWS_FALL..=plot::ROWS_FALL + 2),
        ("FWB-3010", "", plot::JUMPS..=plot::JUMPS + 2),
        // The drill of a Sunday fails: until the next Sunday, as long as the backup is there, and from the day after it is
        // eight days since the last that held.
        ("FWB-3003", "/drill", plot::DRILL_FAILS..=plot::DRILL_FAILS + 6),
        ("FWB-3002", "", plot::DRILL_FAILS..=plot::DRILL_FAILS + 6),
        ("FWB-3001", "", plot::DRILL_FAILS..=plot::DRILL_FAILS),
        ("FWB-3005", "", plot::DRILL_FAILS + 1..=plot::DRILL_FAILS + 6),
        // A copy has 26 hours to come, and is missed for seven days.
        ("FWB-3006", "", plot::UNCOPIED + 1..=plot::UNCOPIED + 6),
        // Nobody proves seven backups, but a drill in the middle does.
        ("FWB-3001", "", 330..=332),
        ("FWB-3001", "", 334..=336),
        ("FWB-3011", "/unproved", 336..=337),
        // The log: it comes no more, the server refuses, a segment is lost, and a new chain begins after the night's backup.
        ("FWB-3013", "/log", plot::SILENT),
        ("FWB-3015", "/log", plot::REFUSED),
        ("FWB-3014", ":3306/log", plot::LOST_SEGMENT..=plot::LOST_SEGMENT),
        ("FWB-3014", "shop of db.example:3306/log", plot::RESET..=plot::RESET),
        // Renewed then.
        ("FWB-3012", "", 334..=350),
    ];
    for failed in plot::FAILS {
        all.push(("FWB-3003", "/backup", failed..=failed));
        all.push(("FWB-3001", "", failed..=failed));
    }
    all
}

/// The certificate that is used after a night.
fn certificate(of: i64) -> CertificateFacts {
    let days = if of <= 350 { 364 } else { 720 };
    CertificateFacts {
        setting: "FWB_STORE_CA".into(),
        file: "/etc/ca.pem".into(),
        not_after: night(0) + TimeDelta::days(days) - TimeDelta::hours(1),
    }
}

/// Each row of a strategy for monitoring is one command, and each command gives an answer.
#[test]
fn the_rows_of_a_strategy_are_commands() {
    let page = include_str!("../../docs/MONITORING.md");
    let rows = page.lines().filter(|line| line.starts_with("| ") && line.contains("`fwb-report \\| jq"));
    let mut commands: Vec<String> =
        rows.map(|row| row.split('`').nth(1).unwrap().replace("\\|", "|")).collect();
    assert_eq!(commands.len(), 5);
    let readme = include_str!("../../README.md").split("\n## Watching\n").nth(1).unwrap();
    let block = readme.split("```sh\n").nth(1).unwrap().split("```").next().unwrap();
    let report = block.lines().filter(|line| line.starts_with("fwb-report"));
    commands.extend(report.map(str::to_owned));
    assert_eq!(commands.len(), 5 + 8);
    let mut year = Year::new();
    (0..=plot::FAILS[0]).for_each(|night| year.pass(night));
    let clock = Clock::at(morning(plot::FAILS[0]).timestamp());
    for command in commands {
        let out = clock.tool(bash(&command).env("FWB_STORE", year.store.path())).run().ok();
        assert!(!out.stdout.is_empty(), "{command}");
    }
}

/// Every morning of a year tells what it is to tell, and nothing else.
#[test]
fn a_year_of_mornings() {
    let (mut year, cancel) = (Year::new(), Cancel::default());
    let (first, second) = (
        fwb::Store::open_directory(year.store.path()).unwrap(),
        fwb::Store::open_directory(year.copies.path()).unwrap(),
    );
    let (mut wrong, mut filled) = (Vec::new(), BTreeSet::new());
    for of in 0..NIGHTS {
        year.pass(of);
        let now = morning(of);
        let read = |store: &fwb::Store, free: Option<u64>| {
            let listing = fwb::Listing::read(store, &cancel).unwrap();
            let space = free.map(|free| Space { free, total: (500.0 * GIB) as u64 });
            let runs = store.runs(Some(now - TimeDelta::days(91)), &cancel).unwrap();
            StoreFacts::of(&listing, runs, space, now, &cancel).unwrap()
        };
        let stores = vec![read(&first, Some(year.free)), read(&second, None)];
        let input = ReportInput { stores, certificates: vec![certificate(of)], fleet: None };
        let mut told: Vec<(String, String)> = fwb::troubles(&input, &TroubleOptions::default(), now)
            .into_iter()
            .map(|trouble| (trouble.code, trouble.key))
            .collect();
        // From which day on a trend is certain, noise decides; that is looked at below.
        if told.iter().any(|(code, _)| code == "FWB-3007") {
            filled.insert(of);
            told.retain(|(code, _)| code != "FWB-3007");
        }
        let due: Vec<_> = expected().into_iter().filter(|(_, _, nights)| nights.contains(&of)).collect();
        let is_due = |(code, key): &(String, String)| {
            due.iter().any(|(due, end, _)| code == due && key.ends_with(end))
        };
        let is_told = |(due, end, _): &&(&str, &str, _)| {
            told.iter().any(|(code, key)| code == due && key.ends_with(end))
        };
        wrong.extend(told.iter().filter(|one| !is_due(one)).map(|one| format!("night {of} tells {one:?}")));
        wrong.extend(due.iter().filter(|one| !is_told(one)).map(|one| format!("night {of} lacks {one:?}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // With 5 GiB a day, 14 days are left of 70 GiB: after 32 nights. It is told without a gap until room is made.
    let (begin, end) = (*filled.first().unwrap(), *filled.last().unwrap());
    let since = begin - plot::FILLS.start();
    assert!((30..=34).contains(&since) && end == *plot::FILLS.end(), "{filled:?}");
    assert!((begin..=end).all(|of| filled.contains(&of)), "{filled:?}");
}

/// The tool says the same, by the clock of that morning, in every form.
#[test]
fn the_tool_tells_what_the_morning_tells() {
    let mut year = Year::new();
    let mut of = 0;
    for (until, ok, codes) in [
        (60, true, vec![]),
        (plot::VANISHES, false, vec!["FWB-3008"]),
        (plot::LOST, false, vec!["FWB-3001", "FWB-3004"]),
        (plot::LOST + 2, true, vec![]),
    ] {
        while of <= until {
            year.pass(of);
            of += 1;
        }
        let clock = Clock::at(morning(until).timestamp());
        let tool = |options: &[&str]| {
            let tool = Tool::alone("fwb-report").arg("--store").arg(year.store.path());
            clock.tool(tool.arg("--also").arg(year.copies.path()).args(options)).run()
        };
        let report = tool(&[]).ok().json();
        let told: Vec<&str> =
            report["troubles"].as_array().unwrap().iter().map(|one| one["code"].as_str().unwrap()).collect();
        // The file system is the real one, whose room is another.
        let told: Vec<&str> = told.into_iter().filter(|code| *code != "FWB-3007").collect();
        assert_eq!(told, codes, "after night {until}: {report}");
        assert_eq!(report["schema"], "fwb-report/1");
        let text = tool(&["--format", "text", "--check"]);
        assert_eq!(text.code, Some(if ok { 0 } else { 3 }), "{text:?}");
        assert!(text.stdout_text().contains(if ok { "All is well: " } else { codes[0] }), "{text:?}");
        let metrics = tool(&["--format", "prometheus"]).ok().stdout_text();
        for code in &codes {
            assert!(metrics.contains(&format!("fwb_trouble{{code=\"{code}\"")), "{metrics}");
        }
        let page = tool(&["--format", "html"]).ok().stdout_text();
        assert!(codes.iter().all(|code| page.contains(code)), "{page}");
    }
}

/// Certificates are found by the settings that name them; files that are none, and bundles of the world's, are left out.
#[test]
fn a_certificate_that_expires_soon_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str| dir.path().join(name);
    for (name, days) in [("soon.pem", "10"), ("late.pem", "400")] {
        self_signed("x", days, Path::new("/dev/null"), &file(name));
    }
    std::fs::write(file("none.pem"), "nothing").unwrap();
    let soon = std::fs::read_to_string(file("soon.pem")).unwrap();
    std::fs::write(
        file("chain.pem"),
        format!("{}{soon}", std::fs::read_to_string(file("late.pem")).unwrap()),
    )
    .unwrap();
    std::fs::write(file("world.pem"), soon.repeat(50)).unwrap();
    let store = crate::support::Store::new();
    let told = |settings: &[(&str, &str)], options: &[&str]| {
        let mut tool = Tool::alone("fwb-report").arg("--store").arg(store.path());
        for (setting, name) in settings {
            tool = tool.env(setting, file(name));
        }
        let report = tool.args(options).run().ok().json();
        let keys =
            report["troubles"].as_array().unwrap().iter().map(|one| one["key"].as_str().unwrap().to_owned());
        let keys: Vec<String> = keys.collect();
        keys.iter().map(|key| key.rsplit('/').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(told(&[("FWB_TLS_CERT", "soon.pem"), ("FWB_STORE_CA", "late.pem")], &[]), ["soon.pem"]);
    assert_eq!(told(&[("FWB_TLS_CA", "chain.pem")], &[]), ["chain.pem"]);
    assert!(
        told(&[("FWB_TLS_CA", "none.pem"), ("FWB_STORE_CA", "world.pem"), ("FWB_TLS_CERT", "missing")], &[])
            .is_empty()
    );
    assert!(told(&[("FWB_TLS_CERT", "soon.pem")], &["--expires-within", "5d"]).is_empty());
    let late = file("late.pem");
    assert_eq!(
        told(&[], &["--certificate", late.to_str().unwrap(), "--expires-within", "500d"]),
        ["late.pem"]
    );
}
