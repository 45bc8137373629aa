//! `k8s/monitoring`: what alerts, and what is shown. A real Prometheus scrapes a real report and tells a real Alertmanager; an
//! alert that never fires, or fires each night, is worse than none.

mod alerts;
mod dashboard;
mod programs;
mod rules;
mod watched;

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::Value;

use crate::support::manifests::{file, python};

/// A program of Prometheus, as `scripts/bootstrap.sh` has unpacked it.
pub(crate) fn program(name: &str) -> PathBuf {
    let program = file("target/tools/monitoring").join(name);
    assert!(program.exists(), "run scripts/bootstrap.sh test");
    program
}

/// A file of YAML with one document.
fn yaml(path: &str) -> Value {
    python("json", &[]).stdin(std::fs::read(file(path)).unwrap()).run().ok().json()
}

/// The rules, as Prometheus without an operator reads them.
pub(crate) const RULES: &str = "k8s/monitoring/rules/fwb.rules.yaml";

/// The alerts of all groups.
fn alerts() -> Vec<Value> {
    let of_group = |group: &Value| group["rules"].as_array().unwrap().clone();
    yaml(RULES)["groups"].as_array().unwrap().iter().flat_map(of_group).collect()
}

/// Our metrics that an expression names.
fn metrics_in(expression: &str) -> BTreeSet<String> {
    let is_of_a_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let words = expression.split(|c| !is_of_a_name(c));
    words.filter(|word| word.starts_with("fwb_")).map(ToOwned::to_owned).collect()
}
