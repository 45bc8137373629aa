//! Alertmanager: an alert begins with a failure and ends with a recovery, and whoever it tells is told both.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;

use fwb::Cancel;
use fwb_notify::{Event, Facts, Message, Targets, Trouble};
use serde_json::Value;

use crate::child::Killed;
use crate::http_server::HttpServer;
use crate::{PATIENCE, facts, tool, wait_for};

struct Alertmanager {
    _process: Killed,
    _directory: tempfile::TempDir,
    url: String,
}

impl Alertmanager {
    /// Tells `receiver` at once.
    fn new(receiver: &HttpServer) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let config = directory.path().join("alertmanager.yml");
        let text = format!(
            "route: {{receiver: r, group_by: [alertname], group_wait: 0s, group_interval: 1s, repeat_interval: 1h}}\n\
             receivers: [{{name: r, webhook_configs: [{{url: 'http://127.0.0.1:{}/', send_resolved: true}}]}}]\n",
            receiver.port
        );
        fs::write(&config, text).unwrap();
        let mut command = Command::new(tool("monitoring/alertmanager"));
        command
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.path={}", directory.path().join("data").display()))
            .args(["--web.listen-address=127.0.0.1:0", "--cluster.listen-address=", "--web.route-prefix=/am"])
            .stderr(Stdio::piped());
        let mut process = Killed::spawn(&mut command);
        let said = BufReader::new(process.0.stderr.take().unwrap());
        let (tell, address) = channel();
        std::thread::spawn(move || {
            for line in said.lines().map_while(Result::ok) {
                if let Some((_, rest)) = line.split_once("msg=\"Listening on\" address=") {
                    let _ = tell.send(rest.split_whitespace().next().unwrap_or_default().to_owned());
                }
            }
        });
        let address = address.recv_timeout(PATIENCE).expect("Alertmanager says where it listens");
        let url = format!("http://{address}/am");
        let started = Self { _process: process, _directory: directory, url };
        wait_for("Alertmanager", || started.ask(&["alert", "query", "-o", "json"]));
        started
    }

    fn ask(&self, arguments: &[&str]) -> Option<String> {
        let amtool = tool("monitoring/amtool");
        let done =
            Command::new(amtool).arg("--alertmanager.url").arg(&self.url).args(arguments).output().unwrap();
        done.status.success().then(|| String::from_utf8(done.stdout).unwrap())
    }

    /// The alerts that hold, by their names.
    fn holding(&self) -> Vec<Value> {
        let alerts = self.ask(&["alert", "query", "-o", "json"]).unwrap();
        let mut alerts: Vec<Value> = serde_json::from_str(&alerts).unwrap();
        alerts.sort_by_key(|alert| alert["labels"]["alertname"].to_string());
        alerts
    }

    fn tell(&self, event: Event, facts: &Facts) {
        let targets = Targets::parse(&format!("alertmanager+{}", self.url)).unwrap();
        let failures = targets.send(&Message::of(event, facts), PATIENCE, &Cancel::default());
        assert_eq!(failures, []);
    }
}

/// What the receiver was told: the state of an alert, and its name.
fn told(receiver: &HttpServer) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let of = |notice: Value| {
        let alerts = notice["alerts"].as_array().cloned().unwrap_or_default();
        alerts.into_iter().map(move |alert| (text(&alert["status"]), text(&alert["labels"]["alertname"])))
    };
    receiver.got().iter().flat_map(|got| of(got.json())).collect()
}

#[test]
fn an_alert_holds_from_a_failure_to_the_recovery() {
    let receiver = HttpServer::ok();
    let alertmanager = Alertmanager::new(&receiver);
    let trouble = Trouble {
        code: "FWB-3001".into(),
        key: "table orders".into(),
        title: "The table orders shrank".into(),
        text: "by half".into(),
        runbook: Some("https://example.org/RUNBOOK.md#rows".into()),
    };
    let failed = Facts { troubles: vec![trouble.clone()], runbook: Some("RUNBOOK.md#x".into()), ..facts() };
    alertmanager.tell(Event::Failed, &failed);
    let holding = alertmanager.holding();
    assert_eq!(holding.len(), 2, "{holding:?}");
    assert_eq!(holding[0]["labels"]["alertname"], "FwbRunFailed");
    assert_eq!(holding[0]["labels"]["database"], "상점");
    assert_eq!(holding[0]["annotations"]["summary"], "Backup of 상점 failed (db1.example.org)");
    assert_eq!(holding[0]["annotations"]["runbook"], "RUNBOOK.md#x");
    assert_eq!(holding[1]["labels"]["code"], "FWB-3001");
    assert_eq!(holding[1]["annotations"]["runbook_url"], "https://example.org/RUNBOOK.md#rows");
    let is_told = |state: &str, name: &str| {
        let wanted = (state.to_owned(), name.to_owned());
        wait_for(&format!("{state} {name}"), || told(&receiver).contains(&wanted).then_some(()));
    };
    is_told("firing", "FwbRunFailed");
    is_told("firing", "FwbTrouble");

    // The next night fails too: the same alert.
    alertmanager.tell(Event::Failed, &Facts { reason: Some("something else".into()), ..failed.clone() });
    assert_eq!(alertmanager.holding().len(), 2);

    alertmanager
        .tell(Event::Recovered, &Facts { at: fwb::now(), standing: vec![trouble.clone()], ..facts() });
    let holding = wait_for("the end of the alert", || {
        let holding = alertmanager.holding();
        (holding.len() == 1).then_some(holding)
    });
    assert_eq!(holding[0]["labels"]["alertname"], "FwbTrouble");
    is_told("resolved", "FwbRunFailed");

    alertmanager.tell(Event::Succeeded, &Facts { at: fwb::now(), over: vec![trouble], ..facts() });
    wait_for("the end of the trouble", || alertmanager.holding().is_empty().then_some(()));
    is_told("resolved", "FwbTrouble");
}
