//! Notices as their receivers meet them: servers of HTTP that behave and misbehave, a mail server with TLS and passwords,
//! and Prometheus' Alertmanager. Nothing is skipped: where a counterpart is missing, the tests fail, and
//! `scripts/bootstrap.sh test` brings it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod alertmanager;
mod certificates;
mod child;
mod http;
mod http_server;
mod log;
mod mail;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fwb_notify::{Facts, Labels, NewestProved};
use serde_json::json;

/// Longer than anything takes that is not stuck.
const PATIENCE: Duration = Duration::from_secs(60);

/// A file of the tools that `scripts/bootstrap.sh` brings.
fn tool(path: &str) -> PathBuf {
    let tool = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools").join(path);
    assert!(tool.exists(), "{} is missing: run scripts/bootstrap.sh test", tool.display());
    tool
}

/// What `look` finds, once it finds something.
fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let since = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(since.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A run that failed.
fn facts() -> Facts {
    Facts {
        labels: Labels {
            what: "backup".into(),
            database: Some("상점".into()),
            server: Some("db1.example.org".into()),
            store: Some("/var/backups/shop".into()),
        },
        at: fwb::now(),
        reason: Some("Duplicate entry 'bob@example.org' for key 'email'".into()),
        hint: Some("look at the log".into()),
        failures: 1,
        newest_proved: NewestProved::Missing,
        log: vec!["fwb-dump: Duplicate entry 'bob@example.org' for key 'email'".into()],
        record: json!({"schema": "fwb-run/1", "reason": "Duplicate entry 'bob@example.org' for key 'email'"}),
        ..Facts::default()
    }
}
