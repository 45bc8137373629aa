//! The rules themselves: promtool's opinion, their tests, and what each alert says.

use std::collections::BTreeSet;
use std::fs;

use fwb::notice;

use super::{RULES, alerts, program, yaml};
use crate::support::Tool;
use crate::support::manifests::file;

#[test]
fn promtool_takes_the_rules() {
    Tool::program(program("promtool")).args(["check", "rules", "--lint-fatal"]).arg(file(RULES)).run().ok();
}

/// Each alert fires when it should, alone, and none does in a healthy month.
#[test]
fn the_rules_pass_their_tests() {
    let tests = file("k8s/monitoring/rules/fwb.rules.test.yaml");
    let said = Tool::program(program("promtool")).args(["test", "rules"]).arg(&tests).run();
    assert!(said.code == Some(0), "{}\n{}", said.stdout_text(), said.stderr);
    let tests = fs::read_to_string(tests).unwrap();
    for alert in alerts() {
        let name = alert["alert"].as_str().unwrap();
        let fires = format!("alertname=\"{name}\"");
        assert!(tests.contains(&fires), "{name} is tested");
    }
}

/// A rule that is wrong is found by its test: an alert that is never told is worse than none.
#[test]
fn a_wrong_limit_fails_the_tests() {
    let dir = tempfile::tempdir().unwrap();
    let rules = fs::read_to_string(file(RULES)).unwrap();
    let wrong = rules.replace("> 26 * 3600", "> 20 * 3600");
    assert_ne!(rules, wrong);
    fs::write(dir.path().join("fwb.rules.yaml"), wrong).unwrap();
    // One case is enough: the healthy month.
    let tests = fs::read_to_string(file("k8s/monitoring/rules/fwb.rules.test.yaml")).unwrap();
    let (healthy, _) = tests.split_once("\n  - name: nobody reports\n").unwrap();
    let tests = dir.path().join("tests.yaml");
    fs::write(&tests, healthy).unwrap();
    let said = Tool::program(program("promtool")).args(["test", "rules"]).arg(&tests).run().exits(1);
    assert!(
        said.stdout_text().contains("FwbBackupTooOld") || said.stderr.contains("FwbBackupTooOld"),
        "{said:?}"
    );
}

/// Whoever has the operator is told of the same.
#[test]
fn the_operator_gets_the_same_rules() {
    let rule = yaml("k8s/monitoring/operator/prometheusrule.yaml");
    assert_eq!(rule["spec"]["groups"], yaml(RULES)["groups"], "groups of {RULES}, indented by two");
    // Comments too: whoever reads the object in the cluster has no other.
    let text = |path: &str| fs::read_to_string(file(path)).unwrap();
    let indented = |line: &str| if line.is_empty() { String::new() } else { format!("  {line}") };
    let groups: Vec<String> =
        text(RULES).lines().skip_while(|line| *line != "groups:").map(indented).collect();
    let rule = text("k8s/monitoring/operator/prometheusrule.yaml");
    let found: Vec<&str> = rule.lines().skip_while(|line| *line != "  groups:").collect();
    assert_eq!(found, groups);
}

/// How GitHub names a heading in links.
fn anchor(title: &str) -> String {
    let kept = title.to_lowercase().replace(' ', "-");
    kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_')).collect()
}

#[test]
fn every_alert_says_how_bad_it_is_what_it_is_and_what_to_do() {
    let runbook = fs::read_to_string(file("docs/RUNBOOK.md")).unwrap();
    let anchors: BTreeSet<String> =
        runbook.lines().filter_map(|line| line.strip_prefix("### ")).map(anchor).collect();
    let mut names = BTreeSet::new();
    for alert in alerts() {
        let name = alert["alert"].as_str().unwrap();
        assert!(name.starts_with("Fwb") && names.insert(name.to_owned()), "{name}");
        assert!(["critical", "warning"].contains(&alert["labels"]["severity"].as_str().unwrap()), "{name}");
        let note =
            |what: &str| alert["annotations"][what].as_str().unwrap_or_else(|| panic!("{name}: {what}"));
        assert!(!note("summary").ends_with('.') && note("description").ends_with(['.', ')']), "{name}");
        let section = note("runbook").strip_prefix("docs/RUNBOOK.md#").unwrap_or_else(|| panic!("{name}"));
        assert!(section == "{{ $labels.section }}" || anchors.contains(section), "{name}: {section}");
        // The same section as the report names.
        if let Some(code) = alert["labels"]["code"].as_str() {
            let known = notice::ALL.iter().find(|known| known.code == code).unwrap();
            let is_of_a_run = name == "FwbDrillFailed";
            assert!(known.section() == Some(section) || is_of_a_run, "{name}: {section}");
        }
        assert!(runbook.contains(&format!("`{name}`")), "docs/RUNBOOK.md names {name}");
    }
    for code in notice::ALL.iter().filter_map(notice::Code::section) {
        assert!(anchors.contains(code), "{code}");
    }
}
