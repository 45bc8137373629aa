//! The scanner's findings in the reference's words.

use super::{Part, Reference, Text, read};
use crate::scan::{Feed, Statement, Summary};

/// Scans `sql` in chunks of these sizes, again and again.
#[allow(clippy::expect_used, reason = "the observer does not fail")]
pub(crate) fn scanned(sql: &[u8], sizes: &[usize]) -> Reference {
    let mut statements = Vec::new();
    let mut observer = |statement: &Statement<'_>| {
        statements.push((statement.offset, Text(statement.text.to_vec())));
        Ok(())
    };
    let mut feed = Feed::new();
    let mut rest = sql;
    let mut sizes = sizes.iter().cycle();
    while !rest.is_empty() {
        let size = sizes.next().map_or(rest.len(), |size| *size).clamp(1, rest.len());
        feed.push(&rest[..size], &mut observer).expect("scanning does not fail");
        rest = &rest[size..];
    }
    let summary = feed.finish(&mut observer).expect("scanning does not fail");
    assert_eq!(summary.raw_size, sql.len() as u64);
    told(summary, statements)
}

/// A scan's summary, and the statements that its observer was told of.
pub(crate) fn told(summary: Summary, statements: Vec<(u64, Text)>) -> Reference {
    let sections = summary.sections.into_iter().map(|section| Part {
        kind: section.kind,
        name: section.name,
        raw_offset: section.raw_offset,
        raw_size: section.raw_size,
        rows: section.rows.zip(section.rows_digest),
    });
    Reference { sections: sections.collect(), statements, complete: summary.incomplete.is_none() }
}

/// Asserts that the scanner finds what the reference finds, however the input is cut.
pub(crate) fn assert_agreement(sql: &[u8]) {
    let expected = read(sql);
    for sizes in [&[usize::MAX][..], &[1], &[7, 1, 64, 3], &[65]] {
        let found = scanned(sql, sizes);
        assert_eq!(found, expected, "in chunks of {sizes:?}: {:?}", Text(sql.to_vec()));
    }
}
