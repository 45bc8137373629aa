//! A message as alerts of Prometheus' Alertmanager
//! (<https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml>).
//!
//! Prometheus repeats an alert as long as it lasts; a run tells it once. So each alert says until when it holds, and a
//! recovery sends the same labels with an end that is now.

use chrono::{SecondsFormat, TimeDelta};
use fwb::Timestamp;
use serde_json::{Map, Value, json};

use crate::event::Event;
use crate::message::{Labels, Message, Trouble};
use crate::text::cut;

/// How long an alert holds where nothing more is heard: longer than a week, so that of a weekly drill holds until the next.
const HOLDS: TimeDelta = TimeDelta::days(8);
/// How long a test holds.
const TEST_HOLDS: TimeDelta = TimeDelta::minutes(5);
/// The longest annotation, in letters.
const LONGEST: usize = 4000;

/// Names of alerts.
const FAILED: &str = "FwbRunFailed";
const TROUBLE: &str = "FwbTrouble";
const TEST: &str = "FwbTest";

/// From when an alert holds, and until when.
type Holds = (Timestamp, Timestamp);

/// What to post: an array of alerts.
pub(crate) fn alerts(message: &Message) -> Value {
    let at = message.at;
    let begins = message.failing_since.unwrap_or(at).min(at);
    // Its beginning must not be its end.
    let over = (begins.min(at - TimeDelta::seconds(1)), at);
    let mut alerts = match message.event {
        Event::Failed => vec![of_run(message, &message.labels, FAILED, (begins, at + HOLDS))],
        Event::Recovered => {
            let mut ended = vec![&message.labels];
            for labels in &message.failed_as {
                if !ended.contains(&labels) {
                    ended.push(labels);
                }
            }
            ended.into_iter().map(|labels| of_run(message, labels, FAILED, over)).collect()
        }
        Event::Test => vec![of_run(message, &message.labels, TEST, (at, at + TEST_HOLDS))],
        Event::Started | Event::Succeeded | Event::Trouble => Vec::new(),
    };
    let of_trouble = |trouble: &Trouble, holds| of_trouble(message, trouble, holds);
    let hold = message.troubles.iter().chain(&message.standing);
    alerts.extend(hold.map(|trouble| of_trouble(trouble, (at, at + HOLDS))));
    alerts.extend(message.over.iter().map(|trouble| of_trouble(trouble, (at - TimeDelta::seconds(1), at))));
    Value::Array(alerts)
}

fn of_run(message: &Message, about: &Labels, name: &str, holds: Holds) -> Value {
    let severity = if name == FAILED { "critical" } else { "info" };
    let annotations = annotations(&message.title, &message.summary, message.runbook.as_deref());
    alert(labels(about, name, severity), annotations, holds)
}

fn of_trouble(message: &Message, trouble: &Trouble, holds: Holds) -> Value {
    // A drill may find that what a backup told of is over, and may know more or less than it: what they ran does not count.
    let about = Labels { store: message.labels.store.clone(), ..Labels::default() };
    let mut labels = labels(&about, TROUBLE, "warning");
    labels.insert("code".into(), trouble.code.clone().into());
    labels.insert("key".into(), trouble.key.clone().into());
    alert(labels, annotations(&trouble.title, &trouble.text, trouble.runbook.as_deref()), holds)
}

/// The same whenever the same thing is told: they are what an alert is known by.
fn labels(of: &Labels, name: &str, severity: &str) -> Map<String, Value> {
    let named = [
        ("alertname", Some(name)),
        ("severity", Some(severity)),
        ("job", Some("fwb")),
        ("what", Some(of.what.as_str())),
        ("database", of.database.as_deref()),
        ("server", of.server.as_deref()),
        ("store", of.store.as_deref()),
    ];
    let said = named.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    said.filter(|(_, value)| !value.is_empty()).map(|(name, value)| (name, value.into())).collect()
}

fn annotations(summary: &str, description: &str, runbook: Option<&str>) -> Value {
    let mut annotations = json!({"summary": cut(summary, LONGEST), "description": cut(description, LONGEST)});
    if let Some(runbook) = runbook {
        annotations["runbook"] = runbook.into();
        // The name by which dashboards know it.
        if runbook.contains("://") {
            annotations["runbook_url"] = runbook.into();
        }
    }
    annotations
}

fn alert(labels: Map<String, Value>, annotations: Value, (from, until): Holds) -> Value {
    let time = |at: Timestamp| at.to_utc().to_rfc3339_opts(SecondsFormat::Millis, true);
    json!({"labels": labels, "annotations": annotations, "startsAt": time(from), "endsAt": time(until)})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Facts;

    fn facts() -> Facts {
        let labels = Labels { what: "backup".into(), database: Some("shop".into()), ..Labels::default() };
        let at = "2026-12-01T02:05:09+01:00".parse().expect("a time");
        Facts { labels, at, ..Facts::default() }
    }

    #[test]
    fn a_recovery_ends_the_alert_of_the_failure() {
        let failed = alerts(&Message::failed(&Facts { reason: Some("no".into()), ..facts() }));
        let recovered = alerts(&Message::recovered(&facts()));
        assert_eq!(failed[0]["labels"], recovered[0]["labels"]);
        assert_eq!(
            failed[0]["labels"],
            json!({"alertname": "FwbRunFailed", "severity": "critical", "job": "fwb", "what": "backup", "database": "shop"})
        );
        assert_eq!(failed[0]["endsAt"], "2026-12-09T01:05:09.000Z");
        assert_eq!(recovered[0]["endsAt"], "2026-12-01T01:05:09.000Z");
        assert_eq!(recovered[0]["startsAt"], "2026-12-01T01:05:08.000Z");
    }

    #[test]
    fn a_recovery_ends_alerts_that_knew_less() {
        let knew_less = Labels { what: "backup".into(), ..Labels::default() };
        let failed_as = vec![knew_less.clone(), knew_less.clone(), facts().labels];
        let recovered = alerts(&Message::recovered(&Facts { failed_as, ..facts() }));
        assert_eq!(recovered.as_array().map(Vec::len), Some(2));
        let failed = alerts(&Message::failed(&Facts { labels: knew_less, ..facts() }));
        assert_eq!(recovered[1]["labels"], failed[0]["labels"]);
    }

    #[test]
    fn each_trouble_is_an_alert_of_its_own() {
        let trouble =
            Trouble { code: "FWB-3001".into(), key: "a".into(), title: "t".into(), ..Trouble::default() };
        let facts = Facts { troubles: vec![trouble.clone()], ..facts() };
        assert_eq!(alerts(&Message::trouble(&facts)).as_array().map(Vec::len), Some(1));
        let both = alerts(&Message::failed(&facts));
        assert_eq!(both[0]["labels"]["alertname"], "FwbRunFailed");
        assert_eq!(both[1]["labels"]["code"], "FWB-3001");
        let labels = Labels { what: "drill".into(), ..Labels::default() };
        let over = Facts { labels, troubles: vec![], over: vec![trouble], ..facts };
        let over = alerts(&Message::succeeded(&over));
        assert_eq!(over[0]["labels"], both[1]["labels"]);
    }
}
