//! What `fwb-ls` prints beside manifests: tables for people, and a record for each object inside a backup. Names
//! from elsewhere are made [`crate::printable()`] here.

use chrono::{Local, TimeDelta};
use fwb::{BackupSummary, Kind, Location, Manifest, Owner, Proof, Section, SectionKind, Space, Timestamp};
use serde::Serialize;

use crate::columns::{Cell, Column, Columns};
use crate::page::Page;
use crate::paint::Tone;
use crate::{counted, human_size, printable};

/// The longest reason that a line tells, in characters; the record and `fwb-verify` tell the rest.
const LONGEST_REASON: usize = 70;
/// What stands where nothing is known.
const UNKNOWN: &str = "-";

/// A table, sequence or view inside a backup, with what is needed to read it alone or to compare it with another
/// night's. Sizes and offsets are bytes of the artifact, `raw_size` bytes of SQL.
#[derive(Debug, Serialize)]
pub struct SectionRecord<'a> {
    /// The backup.
    backup: &'a str,
    /// Its store.
    #[serde(skip_serializing_if = "Option::is_none")]
    store: Option<&'a str>,
    /// `table`, `sequence` or `view`.
    kind: SectionKind,
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    /// Its rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<u64>,
    /// A hash of its rows that does not depend on their order.
    #[serde(skip_serializing_if = "Option::is_none")]
    rows_digest: Option<&'a str>,
    /// Its size in the artifact, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    /// The size of its SQL, in bytes.
    raw_size: u64,
    /// Where it begins in the artifact, in bytes.
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

/// The width that a state is cut to before a column is left out: `proved (drill, 27d ago)`.
const STATE: usize = 23;

/// The columns of a list of backups. What tells least in a narrow terminal leaves first.
fn backup_columns() -> [Column; 9] {
    [
        Column::new("NAME").cut_inside(),
        Column::new("KIND").leaves(5),
        // The name of a backup begins with it, as a rule.
        Column::new("DATABASE").leaves(6),
        Column::new("SERVER").leaves(3),
        // It stands in the name too.
        Column::new("STARTED").leaves(7),
        Column::new("SIZE").right().leaves(1),
        Column::new("ROWS").right().leaves(4),
        Column::new("STORE").leaves(2).cut_inside(),
        Column::new("STATE").shrinks_to(STATE),
    ]
}

/// Backups as a table, a line each, in the order given, each with the store that it is in. Times are local. Where they are of several
/// servers, or in several stores, each line names its own. Columns that the page has no room for are left out.
pub fn backup_table<'a>(
    entries: impl IntoIterator<Item = (&'a Location, &'a BackupSummary)>,
    now: Timestamp,
    page: &Page,
) -> String {
    let entries: Vec<_> = entries.into_iter().collect();
    let of_several_servers = entries.windows(2).any(|pair| pair[0].1.owner() != pair[1].1.owner());
    let in_several_stores = entries.windows(2).any(|pair| pair[0].0 != pair[1].0);
    let is_shown = |column: &Column| match column.title() {
        "SERVER" => of_several_servers,
        "STORE" => in_several_stores,
        _ => true,
    };
    let shown: Vec<Column> = backup_columns().into_iter().filter(is_shown).collect();
    let mut table = Columns::new(&shown);
    for (store, entry) in entries {
        table.add(shown.iter().map(|column| cell(column.title(), store, entry, now)));
    }
    table.lines(page)
}

/// What stands in a column.
fn cell(title: &str, store: &Location, entry: &BackupSummary, now: Timestamp) -> Cell {
    match title {
        "NAME" => printable(&entry.name).into(),
        "KIND" => entry.kind.as_str().into(),
        "DATABASE" if entry.kind == Kind::Accounts => "(accounts)".into(),
        "DATABASE" => entry.database.as_deref().map_or(UNKNOWN.into(), |name| printable(name).into()),
        "SERVER" => match entry.owner() {
            Owner::Unknown => UNKNOWN.into(),
            owner => printable(&owner.to_string()).into(),
        },
        "STARTED" => entry.started_at.with_timezone(&Local).format("%Y-%m-%d %H:%M:%S").to_string().into(),
        "SIZE" => human_size(entry.size).into(),
        "ROWS" => or_unknown(entry.rows).into(),
        "STORE" => printable(&store.to_string()).into(),
        _ => {
            let cell = Cell::from(state(entry, now));
            match entry.proof() {
                Proof::Failed => cell.toned(Tone::Bad),
                Proof::Proved => cell.toned(Tone::Good),
                Proof::Partial => cell.toned(Tone::Warn),
                Proof::Unproved => cell,
            }
        }
    }
}

/// What is inside a backup as a table, a line for each section, in the order of the dump.
pub fn section_table(manifest: &Manifest, page: &Page) -> String {
    let name = printable(&manifest.name);
    if manifest.sections.is_empty() {
        return format!("{name}: nothing is known of what is inside\n");
    }
    let columns = [
        Column::new("KIND").leaves(1),
        Column::new("NAME").cut_inside(),
        Column::new("ROWS").right(),
        Column::new("SIZE").right().leaves(2),
        Column::new("RAW SIZE").right().leaves(3),
    ];
    let mut table = Columns::new(&columns);
    let excluded = manifest.excluded.clone().unwrap_or_default();
    let is_emptied = |section: &Section| {
        section.kind == SectionKind::Table
            && section.name.as_ref().is_some_and(|name| excluded.rows.contains(name))
    };
    for section in &manifest.sections {
        table.add([
            section.kind.as_str().to_owned(),
            section.name.as_deref().map_or(UNKNOWN.into(), |name| printable(name).into_owned()),
            if is_emptied(section) { LEFT_OUT.into() } else { or_unknown(section.rows) },
            section.size.map_or(UNKNOWN.into(), human_size),
            human_size(section.raw_size),
        ]);
    }
    for excluded in &excluded.tables {
        let unknown = || UNKNOWN.to_owned();
        table.add([LEFT_OUT.into(), printable(excluded).into_owned(), unknown(), unknown(), unknown()]);
    }
    format!("{name}:\n{}", table.lines(page))
}

/// The last line below a table: how many backups, how large, how many proved, and the space that is left; of which store,
/// where there are several.
pub fn footer<'a>(
    entries: impl IntoIterator<Item = &'a BackupSummary>,
    space: Option<Space>,
    store: Option<&Location>,
    page: &Page,
) -> String {
    let (mut count, mut proved, mut size) = (0_u64, 0, 0_u64);
    for entry in entries {
        count += 1;
        proved += usize::from(entry.is_proved());
        size = size.saturating_add(entry.size);
    }
    let backups = match count {
        0 => "no backups".into(),
        _ => format!("{}, {}, {proved} proved", counted(count, "backup"), human_size(size)),
    };
    let store = store.map_or(String::new(), |store| format!("{store}: "));
    page.text(&match space {
        Some(Space { free, total }) => {
            format!("{store}{backups}; {} free of {}", human_size(free), human_size(total))
        }
        None => format!("{store}{backups}"),
    })
}

fn or_unknown(count: Option<u64>) -> String {
    count.map_or(UNKNOWN.into(), |count| count.to_string())
}

/// What stands for rows, and for tables, that a backup leaves out.
const LEFT_OUT: &str = "left out";

/// The state of a backup that holds some tables alone.
const CHOSEN: &str = "chosen tables";

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
                Proof::Partial if entry.is_chosen => CHOSEN,
                Proof::Partial => "partial",
                Proof::Unproved | Proof::Failed => "unproved",
            };
            let ago = ago(now.signed_duration_since(outcome.at));
            format!("{word} ({}, {ago}){}", outcome.level.as_str(), left_out(entry))
        }
        (Proof::Partial, None) if entry.is_chosen => CHOSEN.into(),
        (Proof::Partial, None) => "partial".into(),
        (_, None) => format!("unproved{}", left_out(entry)),
    }
}

/// What is added to the state of a backup that leaves tables out.
fn left_out(entry: &BackupSummary) -> &'static str {
    if entry.is_excluding { ", some left out" } else { "" }
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
        let table = backup_table([(&here(), &entry(&json!({})))], NOW.parse().unwrap(), &Page::default());
        let words: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(words[0], ["NAME", "KIND", "DATABASE", "STARTED", "SIZE", "ROWS", "STATE"]);
        assert_eq!(words[1][..3], ["shop_backup_20250725_100000.sql.gz", "full", "shop"]);
        assert_eq!(words[1][5..], ["2.0", "KiB", "7", "unproved"]);
        assert_eq!(words.len(), 2);
    }

    #[test]
    fn a_line_names_its_server_where_there_are_several() {
        let at = |id: &str| entry(&json!({"server": {"version": "10.11", "id": id}}));
        let one = backup_table(
            [(&here(), &at("eu")), (&here(), &at("eu"))],
            NOW.parse().unwrap(),
            &Page::default(),
        );
        assert!(!one.contains("SERVER"), "{one}");
    }

    #[test]
    fn a_line_names_its_store_where_there_are_several() {
        let (one, there) = (entry(&json!({})), Location::parse("s3://bucket/shop".as_ref()).unwrap());
        let both = backup_table([(&here(), &one), (&there, &one)], NOW.parse().unwrap(), &Page::default());
        assert!(
            both.contains("  STORE ") && both.contains("  /backup ") && both.contains("  s3://bucket/shop "),
            "{both}"
        );
        let alone = backup_table([(&there, &one)], NOW.parse().unwrap(), &Page::default());
        assert!(!alone.contains("STORE"), "{alone}");
    }

    fn here() -> Location {
        Location::parse("/backup".as_ref()).unwrap()
    }

    #[test]
    fn a_name_forges_no_line() {
        let names = json!({"name": "a\nb\u{1b}[2J", "database": "x\ny"});
        let evil = entry(&names);
        assert_eq!(
            backup_table([(&here(), &evil)], NOW.parse().unwrap(), &Page::default()).lines().count(),
            2
        );
        assert!(section_table(&manifest(&names), &Page::default()).starts_with("a\\nb\\u{1b}[2J:\n"));
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
            section_table(&manifest, &Page::default()),
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

    /// At three in the morning on a telephone: which backup, how large, and is it proved.
    #[test]
    fn a_narrow_terminal_shows_what_matters() {
        let at = "2025-07-25T10:00:00+09:00";
        let proved = json!({"verification": {"level": "full", "ok": true, "at": at, "seconds": 1.0}});
        let (one, long) = (entry(&proved), entry(&json!({"name": format!("{}.sql.gz", "x".repeat(90))})));
        let shown = |entry: &BackupSummary, width| {
            let page = Page::new(crate::Paint::NONE, Some(width));
            backup_table([(&here(), entry)], NOW.parse().unwrap(), &page)
        };
        let header = |width| {
            shown(&one, width).lines().next().unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(header(200), "NAME KIND DATABASE STARTED SIZE ROWS STATE");
        assert_eq!(header(80), "NAME KIND SIZE ROWS STATE");
        assert_eq!(header(70), "NAME SIZE STATE");
        assert_eq!(header(60), "NAME STATE");
        assert!(shown(&one, 60).contains("proved (full, 2h ago)"), "{}", shown(&one, 60));
        for width in [40, 60, 80, 100] {
            for entry in [&one, &long] {
                let shown = shown(entry, width);
                assert!(shown.lines().all(|line| line.chars().count() <= width.max(60)), "{width}: {shown}");
                assert!(shown.contains(".gz  "), "a name's end stays: {shown}");
            }
        }
    }

    #[test]
    fn the_footer_sums_up() {
        let space = Space { free: 1 << 30, total: 10 << 30 };
        let one = entry(&json!({}));
        let footer = |entries: &[&BackupSummary], space| {
            super::footer(entries.iter().copied(), space, None, &Page::default())
        };
        assert_eq!(footer(&[], Some(space)), "no backups; 1.0 GiB free of 10.0 GiB\n");
        assert_eq!(footer(&[&one], Some(space)), "1 backup, 2.0 KiB, 0 proved; 1.0 GiB free of 10.0 GiB\n");
        assert_eq!(
            footer(&[&one, &one], Some(space)),
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
