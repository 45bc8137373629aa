//! However the input arrives, the outcome is the same, and the work stays in proportion to the input.

use std::io::Read;

use proptest::prelude::*;

use super::plan::plan;
use super::soup;
use crate::artifact::{Cutter, DataHeader, Piece};
use crate::scan::reference::{Reference, Text, assert_agreement, read, scanned, told};
use crate::scan::{Scanner, Statement, unobserved};

/// A stream that hands out these many bytes at a time, again and again.
struct Trickle<'a> {
    rest: &'a [u8],
    sizes: std::iter::Cycle<std::slice::Iter<'a, usize>>,
}

impl<'a> Trickle<'a> {
    fn new(rest: &'a [u8], sizes: &'a [usize]) -> Self {
        Self { rest, sizes: sizes.iter().cycle() }
    }
}

impl Read for Trickle<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let size = self.sizes.next().map_or(1, |size| *size).min(buffer.len()).min(self.rest.len());
        buffer[..size].copy_from_slice(&self.rest[..size]);
        self.rest = &self.rest[size..];
        Ok(size)
    }
}

fn cut(sql: &[u8], sizes: &[usize]) -> (Vec<Piece>, Reference) {
    let (mut pieces, mut statements) = (Vec::new(), Vec::new());
    let mut observer = |statement: &Statement<'_>| {
        statements.push((statement.offset, Text(statement.text.to_vec())));
        Ok(())
    };
    let mut push = |piece| {
        pieces.push(piece);
        Ok(())
    };
    let mut cutter = Cutter::new(crate::artifact::Codec::Gzip);
    let mut stream = Trickle::new(sql, sizes);
    while cutter.read_from(&mut stream, &mut observer, &mut push).unwrap() > 0 {}
    let summary = cutter.finish(&mut observer, &mut push).unwrap();
    let found = told(summary, statements);
    (pieces, found)
}

/// What a reader of the artifact relies on.
fn assert_pieces_hold(sql: &[u8], pieces: &[Piece], found: &Reference) {
    let mut at = 0;
    let mut rows = vec![0; found.sections.len()];
    for piece in pieces {
        let has = |flag| piece.flags & flag != 0;
        assert!(!piece.raw.is_empty() && sql[at..].starts_with(&piece.raw), "the pieces are the stream");
        rows[piece.section] += piece.rows;
        let section = &found.sections[piece.section];
        let inside = section.raw_offset <= at as u64 && at as u64 <= section.raw_offset + section.raw_size;
        assert!(inside, "a piece lies in its section");
        assert_eq!(
            has(DataHeader::SECTION),
            section.raw_offset == at as u64,
            "each section begins with a member"
        );
        at += piece.raw.len();
    }
    assert_eq!(at, sql.len());
    let counted: Vec<u64> =
        found.sections.iter().map(|s| s.rows.as_ref().map_or(0, |(rows, _)| *rows)).collect();
    assert_eq!(rows, counted, "members and sections hold the same rows");
}

/// Whether a piece that is read on its own begins and ends between statements.
fn is_whole(raw: &[u8]) -> bool {
    let completed = [raw, b"\nSET SQL_NOTES=@OLD_SQL_NOTES;\n"].concat();
    read(&completed).complete
}

proptest! {
    #[test]
    fn a_dump_in_pieces_is_the_dump(plan in plan(), sizes in prop::collection::vec(1..2000_usize, 1..5)) {
        let dump = plan.build();
        prop_assert_eq!(&scanned(&dump.sql, &sizes), &dump.truth);
        let (pieces, found) = cut(&dump.sql, &sizes);
        prop_assert_eq!(&found, &dump.truth);
        assert_pieces_hold(&dump.sql, &pieces, &found);
        for piece in &pieces {
            prop_assert_eq!(piece.flags & DataHeader::CONTINUES, 0);
            prop_assert!(is_whole(&piece.raw), "{:?}", Text(piece.raw.clone()));
            let inserts = read(&piece.raw).statements;
            let inserts = inserts.iter().filter(|(_, text)| text.0.starts_with(b"INSERT")).count();
            let all = read(&piece.raw).statements.len();
            let expected = if piece.flags & DataHeader::DATA == 0 { 0 } else { all };
            prop_assert_eq!(inserts, expected, "rows lie apart from definitions");
        }
    }

    #[test]
    fn soup_in_pieces_is_the_soup(sql in soup(), sizes in prop::collection::vec(1..100_usize, 1..5)) {
        let (pieces, found) = cut(sql.as_bytes(), &sizes);
        prop_assert_eq!(&found, &read(sql.as_bytes()));
        prop_assert_eq!(pieces.concat_raw(), sql.as_bytes());
    }
}

trait ConcatRaw {
    fn concat_raw(&self) -> Vec<u8>;
}

impl ConcatRaw for Vec<Piece> {
    fn concat_raw(&self) -> Vec<u8> {
        self.iter().flat_map(|piece| piece.raw.iter().copied()).collect()
    }
}

/// Rows are handed to a client as they stand; a command to it must not be among them.
#[test]
fn a_delimiter_line_is_no_part_of_the_rows() {
    for line in ["DELIMITER ;\n", "\n-- x\nDELIMITER ;\n", "DELIMITER ;;\nDELIMITER ;\n"] {
        let insert = "INSERT INTO `t` VALUES (1);\n";
        let sql = format!("CREATE TABLE `t` (a int);\n{insert}{line}{insert}");
        let (pieces, _) = cut(sql.as_bytes(), &[usize::MAX]);
        let rows: Vec<Text> =
            pieces.into_iter().filter(|p| p.flags & DataHeader::DATA != 0).map(|p| Text(p.raw)).collect();
        assert_eq!(rows, [Text(insert.into()), Text(insert.into())], "{line}");
    }
}

/// Rows of all sizes, one of them larger than any member.
#[test]
fn a_large_table_is_cut_between_statements_and_inside_of_one_only_where_it_must() {
    let mut sql = b"SET NAMES utf8mb4;\nDROP TABLE IF EXISTS `t`;\nCREATE TABLE `t` (a int);\n".to_vec();
    for size in [10, 700_000, 1_500_000, 9_000_000, 30, 400_000, 900_000, 2_000_000, 1] {
        sql.extend_from_slice(b"INSERT INTO `t` VALUES (1,'");
        sql.extend(std::iter::repeat_n(b"x\\');(\n--\n".iter(), size / 10).flatten());
        sql.extend_from_slice(b"'),\n(2,'y');\n");
    }
    sql.extend_from_slice(b"/*!40000 ALTER TABLE `t` ENABLE KEYS */;\nSET SQL_NOTES=@OLD_SQL_NOTES;\n");
    let expected = read(&sql);
    for sizes in [&[usize::MAX][..], &[65_537], &[1000, 1, 300_000]] {
        let (pieces, found) = cut(&sql, sizes);
        assert!(found == expected, "read in sizes of {sizes:?}");
        assert_pieces_hold(&sql, &pieces, &found);
        assert!(pieces.iter().all(|piece| piece.raw.len() <= 5 << 20), "memory is bounded");
        let continues = |piece: &Piece| piece.flags & DataHeader::CONTINUES != 0;
        assert_eq!(pieces.iter().filter(|piece| continues(piece)).count(), 2, "one row of 9 MB");
        for pair in pieces.windows(2) {
            let inside = continues(&pair[0]) || continues(&pair[1]);
            assert!(inside || is_whole(&pair[0].raw));
            assert_eq!(pair[0].raw.starts_with(b"INSERT"), pair[0].flags == DataHeader::DATA);
        }
    }
}

/// Inputs that could make a reader look at the same bytes again and again.
fn pathological(size: usize) -> Vec<(&'static str, Vec<u8>)> {
    let insert = "INSERT INTO `t` VALUES (1,'";
    let cases: [(&str, &str, &str); 20] = [
        ("backslashes in a row's string", insert, "\\"),
        ("backslashes in a string", "SET x='", "\\"),
        ("quotes in a row", "INSERT INTO `t` VALUES (", "'"),
        ("strings without end", insert, "'',''x"),
        ("comment openings", "", "/*"),
        ("comment openings in a statement", "CREATE TABLE `t` ", "/*"),
        ("executable comments", "CREATE TABLE `t` ", "/*!"),
        ("executable comments in a comment", "/*", "/*!"),
        ("stars", "/*", "*"),
        ("parentheses", "INSERT INTO `t` VALUES ", "("),
        ("parentheses in a column list", "INSERT INTO `t` ", "("),
        ("backticks", "", "`"),
        ("comment lines", "", "--\n"),
        ("announcement lines", "--\n", "-- Table structure for table `x\n"),
        ("minus signs in a row", "INSERT INTO `t` VALUES (", "-"),
        ("an endless word", "", "x"),
        ("an endless word in an INSERT", "INSERT INTO ", "x"),
        ("an endless word in a row", "INSERT INTO `t` VALUES (", "_"),
        ("delimiters", "", "DELIMITER ;;\n;;"),
        ("line breaks", "", "\n"),
    ];
    let fill = |begin: &str, unit: &str| {
        let mut sql = begin.as_bytes().to_vec();
        sql.extend(unit.bytes().cycle().take(size));
        sql
    };
    cases.into_iter().map(|(name, begin, unit)| (name, fill(begin, unit))).collect()
}

/// Scans in windows of this size and returns how many bytes the scanner was shown.
fn shown(sql: &[u8], window: usize) -> usize {
    let mut scanner = Scanner::new();
    let (mut done, mut end, mut shown) = (0, 0, 0);
    while end < sql.len() {
        end = (end + window).min(sql.len());
        shown += end - done;
        done += scanner.scan(&sql[done..end], false, &mut unobserved).unwrap();
        assert!(end - done <= 64, "at most 64 bytes wait for what follows");
        scanner.take_events();
    }
    done += scanner.scan(&sql[done..], true, &mut unobserved).unwrap();
    assert_eq!(done, sql.len(), "nothing waits at the end");
    shown
}

#[test]
fn nothing_is_shown_to_the_scanner_again_but_a_few_bytes_a_window() {
    for (name, sql) in pathological(10 << 20) {
        for window in [1009, 256 << 10] {
            let most = sql.len() + 64 * sql.len().div_ceil(window);
            assert!(shown(&sql, window) <= most, "{name} in windows of {window}");
        }
    }
    for (name, sql) in pathological(100_000) {
        assert!(shown(&sql, 1) <= 65 * sql.len(), "{name} byte by byte");
    }
}

#[test]
fn pathological_input_is_read_as_the_reference_reads_it() {
    for (_, sql) in pathological(2000) {
        assert_agreement(&sql);
    }
}
