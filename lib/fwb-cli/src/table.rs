//! What `fwb-ls` prints beside manifests: tables for people, and a record for each object inside a backup. Names
//! from elsewhere are made [`printable`] here.

use chrono::{Local, TimeDelta};
use fwb::{BackupSummary, Location, Manifest, Owner, Proof, Section, SectionKind, Space, Timestamp};
use serde::Serialize;

use crate::columns::Columns;
use crate::{human_size, printable};

/// The longest reason that a line tells, in characters; the record and `fwb-verify` tell the rest.
const LONGEST_REASON: usize = 70;
/// What stands where nothing is known.
const UNKNOWN: &str = "-";

/// A table, sequence or view inside a backup, with what is needed to read it alone or to compare it with another
/// night's. Sizes and offsets are bytes of the artifact, `raw_size` bytes of SQL.
#[derive(Debug, Serialize)]
pub struct SectionRecord<'a> {
    backup: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    store: Option<&'a str>,
    kind: SectionKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rows_digest: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    raw_size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<u64>,
}

/// The tables, sequences and views of a backup, in its order. A view is told once, by its final definition.
pub fn section_records(manifest: &Manifest) -> impl Iterator<Item = SectionRecord<'_>> {
    let is_object = |section: &&Section| {
        matches!(section.kind, SectionKind::Table | SectionKind::Sequence | SectionKind::View)
    };
    manifest.sections.iter().filter(is_object).map(|section| SectionRecord {
        backup: &manifest.name,
        store: manifest.store.as_deref(),
        kind: section.kind,
        name: section.name.as_deref(),
        rows: section.rows,
        rows_digest: section.rows_digest.as_deref(),
        size: section.size,
        raw_size: section.raw_size,
        offset: section.offset,
    })
}

/// Backups as a table, a line each, in the order given, each with the store that it is in. Times are local. Where they are of several
/// servers, or in several stores, each line names its own.
pub fn backup_table<'a>(
    entries: impl IntoIterator<Item = (&'a Location, &'a BackupSummary)>,
    now: Timestamp,
) -> String {
    let entries: Vec<_> = entries.into_iter().collect();
    let of_several_servers = entries.windows(2).any(|pair| pair[0].1.owner() != pair[1].1.owner());
    let in_several_stores = entries.windows(2).any(|pair| pair[0].0 != pair[1].0);
    let is_shown = |title: &&str| match *title {
        "SERVER" => of_several_servers,
        "STORE" => in_several_stores,
        _ => true,
    };
    let titles = ["NAME", "KIND", "DATABASE", "SERVER", "STARTED", "SIZE", "ROWS", "STORE", "STATE"];
    let shown: Vec<&str> = titles.into_iter().filter(is_shown).collect();
    let mut table = Columns::new(&shown, &["SIZE", "ROWS"]);
    for (store, entry) in entries {
        table.add(shown.iter().map(|title| cell(title, store, entry, now)));
    }
    table.lines()
}

/// What stands in a column.
fn cell(title: &str, store: &Location, entry: &BackupSummary, now: Timestamp) -> String {
    match title {
        "NAME" => printable(&entry.name).into_owned(),
        "KIND" => entry.kind.as_str().to_owned(),
        "DATABASE" => entry.database.as_deref().map_or(UNKNOWN.into(), |name| printable(name).into_owned()),
        "SERVER" => match entry.owner() {
            Owner::Unknown => UNKNOWN.to_owned(),
            owner => printable(&owner.to_string()).into_owned(),
        },
        "STARTED" => entry.started_at.with_timezone(&Local).format("%Y-%m-%d %H:%M:%S").to_string(),
        "SIZE" => human_size(entry.size),
        "ROWS" => or_unknown(entry.rows),
        "STORE" => printable(&store.to_string()).into_owned(),
        _ => state(entry, now),
    }
}

/// What is inside a backup as a table, a line for each section, in the order of the dump.
pub fn section_table(manifest: &Manifest) -> String {
    let name = printable(&manifest.name);
    if manifest.sections.is_empty() {
        return format!("{name}: nothing is known of what is inside\n");
    }
    let mut table =
        Columns::new(&["KIND", "NAME", "ROWS", "SIZE", "RAW SIZE"], &["ROWS", "SIZE", "RAW SIZE"]);
    for section in &manifest.sections {
        table.add([
            section.kind.as_str().to_owned(),
            section.name.as_deref().map_or(UNKNOWN.into(), |name| printable(name).into_owned()),
            or_unknown(section.rows),
            section.size.map_or(UNKNOWN.into(), human_size),
            human_size(section.raw_size),
        ]);
    }
    format!("{name}:\n{}", table.lines())
}

/// The last line below a table: how many backups, how large, how many proved, and the space that is left.
pub fn footer<'a>(entries: impl IntoIterator<Item = &'a BackupSummary>, space: Option<Space>) -> String {
    let (mut count, mut proved, mut size) = (0, 0, 0_u64);
    for entry in entries {
        count += 1;
        proved += usize::from(entry.is_proved());
        size = size.saturating_add(entry.size);
    }
    let backups = match count {
        0 => "no backups".into(),
        1 => format!("1 backup, {}, {proved} proved", human_size(size)),
        _ => format!("{count} backups, {}, {proved} proved", human_size(size)),
    };
    match space {
        Some(Space { free, total }) => {
            format!("{backups}; {} free of {}\n", human_size(free), human_size(total))
        }
        None => format!("{backups}\n"),
    }
}

fn or_unknown(count: Option<u64>) -> String {
    count.map_or(UNKNOWN.into(), |count| count.to_string())
}

fn state(entry: &BackupSummary, now: Timestamp) -> String {
    let outcome = entry.verification.as_ref();
    match (entry.proof(), outcome) {
        (Proof::Failed, _) => {
            let problems = outcome.map_or(&[][..], |outcome| &outcome.problems);
            let reason = entry.problems.iter().chain(problems).next();
            format!("FAILED: {}", reason.map_or("see fwb-verify".into(), |reason| shortened(reason)))
        }
        (proof, Some(outcome)) => {
            let word = match proof {
                Proof::Proved => "proved",
                Proof::Partial => "partial",
                Proof::Unproved | Proof::Failed => "unproved",
            };
            let ago = ago(now.signed_duration_since(outcome.at));
            format!("{word} ({}, {ago})", outcome.level.as_str())
        }
        (Proof::Partial, None) => "partial".into(),
        (_, None) => "unproved".into(),
    }
}

fn shortened(reason: &str) -> String {
    let reason = printable(reason);
    match reason.char_indices().nth(LONGEST_REASON) {
        Some((end, _)) => format!("{}…", &reason[..end]),
        None => reason.into_owned(),
    }
}

/// A time span in its largest unit, down to minutes.
fn ago(span: TimeDelta) -> String {
    match (span.num_days(), span.num_hours(), span.num_minutes()) {
        (.., minutes) if minutes < 1 => "just now".into(),
        (0, 0, minutes) => format!("{minutes}m ago"),
        (0, hours, _) => format!("{hours}h ago"),
        (days, ..) => format!("{days}d ago"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const NOW: &str = "2025-07-25T12:00:00+09:00";

    fn manifest(more: &Value) -> Manifest {
        let mut manifest = json!({
            "schema": "fwb/1", "name": "shop_backup_20250725_100000.sql.gz", "kind": "full", "database": "shop",
            "started_at": "2025-07-25T10:00:00+09:00", "finished_at": "2025-07-25T10:00:09+09:00",
            "size": 2048, "store": "/backup", "sections": [
                {"kind": "header", "raw_offset": 0, "raw_size": 900, "offset": 0, "size": 300},
                {"kind": "table", "name": "files", "raw_offset": 900, "raw_size": 4096, "offset": 300,
                 "size": 1024, "rows": 7, "rows_digest": "ab"},
                {"kind": "view_placeholder", "name": "v", "raw_offset": 4996, "raw_size": 9},
                {"kind": "view", "name": "v", "raw_offset": 5005, "raw_size": 9},
            ],
        });
        for (field, value) in more.as_object().unwrap() {
            manifest[field] = value.clone();
        }
        Manifest::from_value(manifest).unwrap()
    }

    fn entry(more: &Value) -> BackupSummary {
        manifest(more).into()
    }

    fn state_of(verification: &Value) -> String {
        state(&entry(&json!({ "verification": verification })), NOW.parse().unwrap())
    }

    #[test]
    fn a_backup_is_a_line() {
        let table = backup_table([(&here(), &entry(&json!({})))], NOW.parse().unwrap());
        let words: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(words[0], ["NAME", "KIND", "DATABASE", "STARTED", "SIZE", "ROWS", "STATE"]);
        assert_eq!(words[1][..3], ["shop_backup_20250725_100000.sql.gz", "full", "shop"]);
        assert_eq!(words[1][5..], ["2.0", "KiB", "7", "unproved"]);
        assert_eq!(words.len(), 2);
    }

    #[test]
    fn a_line_names_its_server_where_there_are_several() {
        let at = |id: &str| entry(&json!({"server": {"version": "10.11", "id": id}}));
        let one = backup_table([(&here(), &at("eu")), (&here(), &at("eu"))], NOW.parse().unwrap());
        assert!(!one.contains("SERVER"), "{one}");
    }

    #[test]
    fn a_line_names_its_store_where_there_are_several() {
        let (one, there) = (entry(&json!({})), Location::parse("s3://bucket/shop".as_ref()).unwrap());
        let both = backup_table([(&here(), &one), (&there, &one)], NOW.parse().unwrap());
        assert!(
            both.contains("  STORE ") && both.contains("  /backup ") && both.contains("  s3://bucket/shop "),
            "{both}"
        );
        let alone = backup_table([(&there, &one)], NOW.parse().unwrap());
        assert!(!alone.contains("STORE"), "{alone}");
    }

    fn here() -> Location {
        Location::parse("/backup".as_ref()).unwrap()
    }

    #[test]
    fn a_name_forges_no_line() {
        let names = json!({"name": "a\nb\u{1b}[2J", "database": "x\ny"});
        let evil = entry(&names);
        assert_eq!(backup_table([(&here(), &evil)], NOW.parse().unwrap()).lines().count(), 2);
        assert!(section_table(&manifest(&names)).starts_with("a\\nb\\u{1b}[2J:\n"));
    }

    #[test]
    fn the_state_says_how_far_proof_goes() {
        let at = "2025-07-25T10:00:00+09:00";
        let proved = json!({"level": "full", "ok": true, "at": at, "seconds": 1.0});
        assert_eq!(state_of(&proved), "proved (full, 2h ago)");
        let quick = json!({"level": "quick", "ok": true, "at": "2025-07-25T02:30:00Z", "seconds": 1.0});
        assert_eq!(state_of(&quick), "unproved (quick, 30m ago)");
        let failed =
            json!({"level": "full", "ok": false, "at": at, "seconds": 1.0, "problems": ["x".repeat(99)]});
        assert_eq!(state_of(&failed), format!("FAILED: {}…", "x".repeat(70)));
        let mut lost = entry(&json!({ "verification": proved }));
        lost.problems.push("the artifact is missing".into());
        assert_eq!(state(&lost, NOW.parse().unwrap()), "FAILED: the artifact is missing");
    }

    #[test]
    fn what_is_inside_is_a_table_or_records() {
        let manifest = manifest(&json!({}));
        assert_eq!(
            section_table(&manifest),
            "shop_backup_20250725_100000.sql.gz:\n\
             KIND              NAME   ROWS     SIZE  RAW SIZE\n\
             header            -         -    300 B     900 B\n\
             table             files     7  1.0 KiB   4.0 KiB\n\
             view_placeholder  v         -        -       9 B\n\
             view              v         -        -       9 B\n"
        );
        let records: Vec<Value> =
            section_records(&manifest).map(|record| serde_json::to_value(record).unwrap()).collect();
        let files = json!({
            "backup": "shop_backup_20250725_100000.sql.gz", "store": "/backup", "kind": "table", "name": "files",
            "rows": 7, "rows_digest": "ab", "size": 1024, "raw_size": 4096, "offset": 300,
        });
        assert_eq!(records.len(), 2);
        assert_eq!(records[0], files);
    }

    #[test]
    fn the_footer_sums_up() {
        let space = Space { free: 1 << 30, total: 10 << 30 };
        let one = entry(&json!({}));
        assert_eq!(footer([], Some(space)), "no backups; 1.0 GiB free of 10.0 GiB\n");
        assert_eq!(footer([&one], Some(space)), "1 backup, 2.0 KiB, 0 proved; 1.0 GiB free of 10.0 GiB\n");
        assert_eq!(
            footer([&one, &one], Some(space)),
            "2 backups, 4.0 KiB, 0 proved; 1.0 GiB free of 10.0 GiB\n"
        );
    }

    #[test]
    fn spans_are_told_in_their_largest_unit() {
        let cases =
            [(-90, "just now"), (0, "just now"), (59, "59m ago"), (60, "1h ago"), (26 * 60, "1d ago")];
        for (minutes, expected) in cases {
            assert_eq!(ago(TimeDelta::minutes(minutes)), expected);
        }
    }
}
