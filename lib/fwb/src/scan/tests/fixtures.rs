//! Dumps of real programs: `mariadb-dump` 10.11 in three forms of one database, and the form of MySQL 8.0.

use crate::manifest::SectionKind::{
    self, Events, Header, Routines, Sequence, Table, Trailer, View, ViewPlaceholder,
};
use crate::scan::reference::{assert_agreement, read, scanned};
use crate::scan::{Feed, unobserved};

type Found = (SectionKind, Option<String>, Option<u64>);

/// Kind, name and rows of each section; whether the dump is complete.
fn sections(sql: &[u8]) -> (Vec<Found>, bool) {
    assert_agreement(sql);
    let found = read(sql);
    let sections = found.sections.into_iter().map(|s| (s.kind, s.name, s.rows.map(|(rows, _)| rows)));
    (sections.collect(), found.complete)
}

fn expect(sql: &[u8], expected: &[(SectionKind, &str, u64)], complete: bool) {
    let expected = expected.iter().map(|(kind, name, rows)| {
        let name = (!name.is_empty()).then(|| (*name).to_owned());
        (*kind, name, (*kind == Table).then_some(*rows))
    });
    assert_eq!(sections(sql), (expected.collect(), complete));
}

#[test]
fn mariadb_dump() {
    expect(
        include_bytes!("../testdata/mariadb-10.11.sql"),
        &[
            (Header, "", 0),
            (Sequence, "s1", 0),
            (Table, "a", 4),
            (Table, "ds", 2),
            (Table, "sv", 1),
            (ViewPlaceholder, "v1", 0),
            (ViewPlaceholder, "v2", 0),
            (Table, "we`ird\nname", 1),
            (Events, "", 0),
            (Routines, "", 0),
            (View, "v1", 0),
            (View, "v2", 0),
            (Trailer, "", 0),
        ],
        true,
    );
}

#[test]
fn mariadb_dump_skip_comments() {
    let with_comments = sections(include_bytes!("../testdata/mariadb-10.11.sql"));
    let without = sections(include_bytes!("../testdata/mariadb-10.11-skip-comments.sql"));
    assert_eq!(without, with_comments, "the same sections and rows");
}

/// Nothing tells that a compact dump is complete, nor a stand-in from its view.
#[test]
fn mariadb_dump_compact() {
    expect(
        include_bytes!("../testdata/mariadb-10.11-compact.sql"),
        &[
            (Header, "", 0),
            (Sequence, "s1", 0),
            (Table, "a", 4),
            (Table, "ds", 2),
            (Table, "sv", 1),
            (View, "v1", 0),
            (View, "v2", 0),
            (Table, "we`ird\nname", 1),
            (Events, "", 0),
            (Routines, "", 0),
            (View, "v1", 0),
            (View, "v2", 0),
        ],
        false,
    );
}

/// Written after MySQL's manual: `mysqldump --databases --routines --events --set-gtid-purged=ON`.
#[test]
fn mysqldump() {
    expect(
        include_bytes!("../testdata/mysql-8.0.sql"),
        &[
            (Header, "", 0),
            (Table, "blobs", 3),
            (ViewPlaceholder, "latest", 0),
            (Events, "", 0),
            (Routines, "", 0),
            (View, "latest", 0),
            (Trailer, "", 0),
        ],
        true,
    );
}

/// A dump that was asked for comments must end in one; the statement before it is not enough then.
#[test]
fn only_the_last_line_says_completed() {
    let says_completed = |sql: &[u8]| {
        let mut feed = Feed::new();
        feed.push(sql, &mut unobserved).unwrap();
        let summary = feed.finish(&mut unobserved).unwrap();
        assert_eq!(summary.incomplete, None);
        summary.says_completed
    };
    let whole = include_bytes!("../testdata/mariadb-10.11.sql");
    assert!(says_completed(whole));
    assert!(!says_completed(&whole[..whole.len() - "-- Dump completed on 2026-01-01  0:00:00\n".len()]));
    assert!(!says_completed(include_bytes!("../testdata/mariadb-10.11-skip-comments.sql")));
}

/// However a real dump is cut short, it does not pass for complete.
#[test]
fn a_real_dump_cut_short_is_not_complete() {
    for sql in [
        &include_bytes!("../testdata/mariadb-10.11.sql")[..],
        include_bytes!("../testdata/mariadb-10.11-skip-comments.sql"),
        include_bytes!("../testdata/mysql-8.0.sql"),
    ] {
        let last = sql.windows(13).rposition(|text| text == b"SET SQL_NOTES").unwrap();
        let end = last + sql[last..].iter().position(|byte| *byte == b';').unwrap();
        for cut in (0..end).step_by(7).chain([end]) {
            assert!(!read(&sql[..cut]).complete, "{cut}");
            assert!(!scanned(&sql[..cut], &[4096]).complete, "{cut}");
        }
    }
}
