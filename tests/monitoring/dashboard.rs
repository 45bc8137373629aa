//! The dashboard: each panel asks for what there is, in words that Prometheus knows.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use super::metrics_in;
use super::programs::{Alertmanager, Prometheus};
use super::watched::Watched;
use crate::support::http::ask;
use crate::support::manifests::{file, objects};

fn dashboard() -> Value {
    serde_json::from_slice(&fs::read(file("k8s/monitoring/dashboards/fwb.json")).unwrap()).unwrap()
}

/// The expressions of a panel, with the variables at "all".
fn expressions(panel: &Value) -> Vec<String> {
    let targets = panel["targets"].as_array().into_iter().flatten();
    targets
        .map(|target| target["expr"].as_str().unwrap().replace("$store", ".*").replace("$database", ".*"))
        .collect()
}

#[test]
fn the_dashboard_is_one_that_grafana_reads() {
    let dashboard = dashboard();
    assert_eq!((&dashboard["uid"], &dashboard["title"]), (&"fwb-backups".into(), &"Backups".into()));
    assert!(dashboard.get("id").is_none(), "Grafana gives it one");
    let variables: BTreeSet<&str> = dashboard["templating"]["list"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["name"].as_str().unwrap())
        .collect();
    assert_eq!(variables, BTreeSet::from(["datasource", "store", "database"]));
    let (mut ids, mut places) = (BTreeSet::new(), BTreeSet::new());
    for panel in dashboard["panels"].as_array().unwrap() {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{panel}");
        let place = |what: &str| panel["gridPos"][what].as_u64().unwrap();
        assert!(place("x") + place("w") <= 24, "{panel}");
        for x in place("x")..place("x") + place("w") {
            for y in place("y")..place("y") + place("h") {
                assert!(places.insert((x, y)), "panels lie on each other: {}", panel["title"]);
            }
        }
        if panel["type"] != "row" {
            assert_eq!(panel["datasource"]["uid"], "${datasource}", "{panel}");
            assert!(!expressions(panel).is_empty(), "{panel}");
        }
        for expression in expressions(panel) {
            assert!(!expression.contains('$'), "{expression}: a variable that there is not");
        }
    }
    // What the cluster gets is the file.
    let objects = objects("monitoring");
    let given = objects.iter().find(|object| object.kind() == "ConfigMap").unwrap();
    let given: Value = serde_json::from_str(given.0["data"]["fwb.json"].as_str().unwrap()).unwrap();
    assert_eq!(given, dashboard);
}

/// A panel that stays empty is one that nobody misses when it is needed.
#[test]
fn every_panel_shows_something() {
    let watched = Watched::new(72);
    let (served, alertmanager) = (watched.served(), Alertmanager::new());
    let prometheus = Prometheus::new(&served.address, "groups: []\n", &alertmanager.running.address);
    prometheus.has("fwb_backups");
    let text = ask(served.address.parse().unwrap(), "GET", "/metrics", &[], b"").unwrap();
    let text = String::from_utf8(text.body).unwrap();
    let dashboard = dashboard();
    for panel in dashboard["panels"].as_array().unwrap() {
        for expression in expressions(panel) {
            let found = prometheus.ask(&expression).unwrap_or_else(|error| panic!("{expression}: {error}"));
            // All runs have ended well.
            let may_be_empty = panel["title"] == "Last runs that did not end well";
            assert!(!found.is_empty() || may_be_empty, "{}: {expression}", panel["title"]);
            for metric in metrics_in(&expression) {
                assert!(text.contains(&format!("\n# TYPE {metric} ")), "{metric} is told");
            }
        }
    }
}
