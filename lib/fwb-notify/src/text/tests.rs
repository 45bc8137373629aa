//! Tests of [`super`]: what a person reads.

use super::*;
use crate::message::{Labels, Message};
use serde_json::json;

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn facts() -> Facts {
    Facts {
        labels: Labels {
            what: "backup".into(),
            database: Some("shop".into()),
            server: Some("db1.example.org".into()),
            store: Some("/var/backups/shop".into()),
        },
        host: Some("backup1".into()),
        run: Some("20261201T010500Z-1".into()),
        at: at("2026-12-01T02:05:09+01:00"),
        stage: Some("dump".into()),
        exit: Some(1),
        code: Some("FWB-1101".into()),
        reason: Some("the server refused it: Duplicate entry 'bob' for key 'email'".into()),
        hint: Some("look at the server's error log".into()),
        failing_since: Some(at("2026-11-29T02:05:00+01:00")),
        failures: 3,
        newest_proved: NewestProved::At(at("2026-11-28T02:04:00+01:00")),
        runbook: Some("https://example.org/RUNBOOK.md#is-last-nights-backup-there".into()),
        troubles: vec![Trouble {
            code: "FWB-3004".into(),
            key: "store".into(),
            title: "The store is full in 6 days".into(),
            text: "It grows by 2 GB a day.".into(),
            runbook: Some("https://example.org/RUNBOOK.md#the-disk-is-full".into()),
        }],
        log: vec![
            "fwb-dump: connected".into(),
            "fwb-dump: Duplicate entry 'bob\nin two lines' for key 'email'".into(),
        ],
        record: json!({"reason": "Duplicate entry 'bob' for key 'email'"}),
        ..Facts::default()
    }
}

#[test]
fn a_failure_says_what_where_why_since_when_and_what_to_do() {
    let message = Message::failed(&facts());
    assert_eq!(message.title(), "Backup of shop failed (db1.example.org)");
    assert_eq!(
        message.text(),
        "The backup of shop failed at 2026-12-01 02:05 +01:00, in the stage dump (FWB-1101, exit code 1).

Why: the server refused it: Duplicate entry '…' for key 'email'
What helps: look at the server's error log
What to do, step by step: https://example.org/RUNBOOK.md#is-last-nights-backup-there

It fails since 2026-11-29 02:05 +01:00, 2 days ago: 3 runs in a row.
The newest proved backup is of 2026-11-28 02:04 +01:00, 3 days ago.

Database: shop
Server: db1.example.org
Store: /var/backups/shop
Host: backup1
Run: 20261201T010500Z-1

Something else needs a person:
- The store is full in 6 days (FWB-3004)
  It grows by 2 GB a day.
  What to do, step by step: https://example.org/RUNBOOK.md#the-disk-is-full

Last words of the log:
  fwb-dump: connected
  fwb-dump: Duplicate entry '…' for key 'email'"
    );
    assert_eq!(message.record()["reason"], "Duplicate entry '…' for key 'email'");
    assert!(!format!("{message:?}").contains("bob"));
}

#[test]
fn what_is_not_known_stays_out() {
    let message = Message::failed(&Facts { at: at("2026-12-01T02:05:09Z"), ..Facts::default() });
    assert_eq!(message.title(), "Run failed");
    assert_eq!(message.text(), "The run failed at 2026-12-01 02:05 UTC.");
}

#[test]
fn a_recovery_says_how_long_it_took() {
    let message = Message::recovered(&Facts {
        troubles: Vec::new(),
        log: Vec::new(),
        backup: Some("shop_1.sql.gz".into()),
        size: Some(12_345_678),
        newest_proved: NewestProved::Missing,
        ..facts()
    });
    assert_eq!(message.title(), "Backup of shop works again (db1.example.org)");
    let text = message.text();
    assert!(
        text.starts_with(
            "The backup of shop succeeded at 2026-12-01 02:05 +01:00, after it had failed.\n\n\
             It had failed since 2026-11-29 02:05 +01:00, 2 days ago: 3 runs.\n\
             There is no proved backup.\nBackup: shop_1.sql.gz, 11.8 MiB\n\nDatabase: shop\n"
        ),
        "{text}"
    );
    assert!(!text.contains("Why"), "{text}");
}

#[test]
fn troubles_are_told_by_the_first() {
    let mut facts = facts();
    assert_eq!(Message::trouble(&facts).title(), "The store is full in 6 days (db1.example.org)");
    facts.troubles.push(Trouble { title: "b".into(), ..Trouble::default() });
    facts.over.push(Trouble { title: "No drill".into(), ..Trouble::default() });
    let message = Message::trouble(&facts);
    assert_eq!(message.title(), "The store is full in 6 days, and 1 more (db1.example.org)");
    assert!(message.text().contains("\n- b\n\nNo trouble any more:\n- No drill\n"), "{}", message.text());
}

#[test]
fn a_title_is_one_line() {
    let mut facts = facts();
    facts.labels.database = Some("a\r\nBcc: x".into());
    assert_eq!(Message::failed(&facts).title(), "Backup of a Bcc: x failed (db1.example.org)");
    assert!(Message::test(&facts).title().starts_with("A test"));
}

#[test]
fn spans_and_sizes_are_told_as_people_read_them() {
    for (minutes, told) in [
        (-5, "less than a minute"),
        (1, "one minute"),
        (119, "119 minutes"),
        (120, "2 hours"),
        (2880, "2 days"),
    ] {
        assert_eq!(span(TimeDelta::minutes(minutes)), told);
    }
    for (bytes, told) in [(7, "7 bytes"), (1023, "1023 bytes"), (1536, "1.5 KiB"), (2 << 40, "2.0 TiB")] {
        assert_eq!(size(bytes), told);
    }
    assert_eq!(cut_bytes("밥밥", 4), "밥");
    assert_eq!(cut("밥밥", 1), "밥…");
}
