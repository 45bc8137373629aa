//! A real Prometheus scrapes a real report, evaluates the rules and tells a real Alertmanager.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use super::programs::{Alertmanager, Prometheus, report};
use super::watched::Watched;
use super::{RULES, alerts, metrics_in, program};
use crate::support::http::ask;
use crate::support::manifests::{file, objects};
use crate::support::{Tool, until};

/// The rules without the time that an alert waits for.
fn at_once() -> String {
    let rules = fs::read_to_string(file(RULES)).unwrap();
    let lines = rules
        .lines()
        .map(|line| if line.trim_start().starts_with("for: ") { "        for: 0s" } else { line });
    lines.collect::<Vec<_>>().join("\n") + "\n"
}

fn names(alerts: &[Value]) -> BTreeSet<&str> {
    alerts.iter().map(|alert| alert["labels"]["alertname"].as_str().unwrap()).collect()
}

/// A stale backup is told, its end as well, and that nobody reports any more.
#[test]
fn a_stale_backup_reaches_alertmanager() {
    let watched = Watched::new(72);
    let (served, alertmanager) = (watched.served(), Alertmanager::new());
    let prometheus = Prometheus::new(&served.address, &at_once(), &alertmanager.running.address);
    let holding = |wanted: &str| {
        until(wanted, || Some(alertmanager.holding()).filter(|held| names(held).contains(wanted)))
    };
    let held = holding("FwbBackupTooOld");
    let alert = held.iter().find(|alert| alert["labels"]["alertname"] == "FwbBackupTooOld").unwrap();
    let store = watched.store.path().display().to_string();
    for (label, value) in
        [("database", "shop"), ("server", "db.example:3306"), ("store", &*store), ("severity", "critical")]
    {
        assert_eq!(alert["labels"][label], value);
    }
    assert_eq!(alert["annotations"]["runbook"], "docs/RUNBOOK.md#no-fresh-backup-is-proved");
    assert!(alert["annotations"]["description"].as_str().unwrap().contains("began 3d 0h"), "{alert}");
    // What else this store has to say, and no more: newer backups are not copied, the disk fills, the certificate ends.
    let all =
        BTreeSet::from(["FwbBackupTooOld", "FwbCopyMissing", "FwbStoreFullSoon", "FwbCertificateExpires"]);
    until("all alerts", || (names(&alertmanager.holding()) == all).then_some(()));

    watched.back_up_now();
    until("the end of the alert", || {
        (!names(&alertmanager.holding()).contains("FwbBackupTooOld")).then_some(())
    });
    prometheus.has("count(fwb_report_up == 1)");
    drop(served);
    let alert = holding("FwbReportAbsent");
    assert!(!names(&alert).contains("FwbReportDown"), "{alert:?}");
}

/// A store that is away does not take the alert on its age along.
#[test]
fn a_store_that_is_away_is_told_and_its_backups_still_grow_old() {
    let watched = Watched::new(72);
    let (served, alertmanager) = (watched.served(), Alertmanager::new());
    let prometheus = Prometheus::new(&served.address, &at_once(), &alertmanager.running.address);
    prometheus.has("fwb_report_up == 1");
    let away = watched.store.path().with_extension("away");
    fs::rename(watched.store.path(), &away).unwrap();
    let both = ["FwbReportDown", "FwbBackupTooOld"];
    until("both alerts", || {
        let held = alertmanager.holding();
        both.iter().all(|name| names(&held).contains(name)).then_some(())
    });
    assert!(!names(&alertmanager.holding()).contains("FwbBackupsGone"));
    fs::rename(&away, watched.store.path()).unwrap();
}

/// What promtool says of the metrics, and whether there is each one that a rule names.
#[test]
fn the_metrics_are_those_that_the_rules_name() {
    let watched = Watched::new(72);
    let served = watched.served();
    let answer = ask(served.address.parse().unwrap(), "GET", "/metrics", &[], b"").unwrap();
    assert_eq!(answer.status, 200);
    let told = Tool::program(program("promtool")).args(["check", "metrics"]).stdin(&answer.body).run();
    assert!(told.code == Some(0) && told.stderr.is_empty(), "{told:?}");
    let text = String::from_utf8(answer.body).unwrap();
    for alert in alerts() {
        for metric in metrics_in(alert["expr"].as_str().unwrap()) {
            assert!(text.contains(&format!("\n# TYPE {metric} ")), "{}: {metric} is told", alert["alert"]);
        }
    }
}

/// The Deployment's own command line, on a volume that may only be read.
#[test]
fn the_pod_reads_a_volume_that_it_may_not_write_to() {
    let watched = Watched::new(20);
    let objects = objects("monitoring");
    let report_of = objects.iter().find(|object| object.kind() == "Deployment").unwrap();
    let [container] = report_of.containers()[..] else { panic!("one container") };
    let command: Vec<&str> =
        container["command"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
    assert_eq!(command[..2], ["fwb-report", "--listen=0.0.0.0:9394"]);
    let read_only = "mount --bind \"$0\" \"$0\" && mount -o remount,bind,ro \"$0\" && ! touch \"$0/x\" 2> /dev/null && exec \"$@\"";
    let tool = Tool::alone("fwb-report").arg("--listen=127.0.0.1:0").args(&command[2..]);
    let tool = tool.env("FWB_STORE", watched.store.path()).under(
        "unshare",
        ["--map-root-user", "--mount", "sh", "-c", read_only, watched.store.path().to_str().unwrap()],
    );
    let served = report(tool);
    let answer = ask(served.address.parse().unwrap(), "GET", "/metrics", &[], b"").unwrap();
    let text = String::from_utf8(answer.body).unwrap();
    assert!(text.contains("\nfwb_report_up 1\n") && text.contains("database=\"shop\""), "{text}");
}
