//! Rows that a table takes as they are, and the `INSERT` statements that they were. Their memory is used again: each batch has a few MiB,
//! and a connection that took fresh memory for each would hold twice as much.

use super::bulk::{self, BulkRows};
use super::delimited::{self, Lines};
use super::inserts::{Insert, TableForm};
use crate::server::ValueKind;

/// How many bytes of rows a batch has at least, but for a table's last: the server waits for us once for each.
const BATCH: usize = 1 << 20;

/// How rows are sent that a table takes as they are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Way {
    /// By `LOAD DATA LOCAL`.
    #[default]
    LoadData,
    /// By MariaDB's bulk protocol.
    Bulk {
        /// How many bytes the server takes at once: its `max_allowed_packet`.
        most: usize,
    },
}

/// Rows that wait for more of their table.
#[derive(Default)]
pub(super) struct Batch {
    /// How they are sent.
    pub(super) way: Way,
    /// The statement that takes them.
    pub(super) statement: Vec<u8>,
    /// How the values of its columns are sent, in bulk.
    pub(super) kinds: Vec<ValueKind>,
    /// The rows, as it takes them.
    pub(super) rows: Vec<u8>,
    /// How many there are.
    pub(super) count: u64,
    /// As they were.
    pub(super) inserts: Inserts,
    /// Where they stand in the dump, for messages.
    pub(super) place: String,
}

impl Batch {
    /// Adds an `INSERT` statement, which has no delimiter and stands at `place`. False, and nothing is added, where it is not of the form, not of the same
    /// table and columns as what is there, or more than the server takes at once.
    pub(super) fn add(&mut self, form: &TableForm, insert: &[u8], place: &str) -> bool {
        let Some(read) = Insert::read(insert, form) else { return false };
        let statement = match form.way {
            Way::LoadData => delimited::statement(&read),
            Way::Bulk { .. } => bulk::statement(&read),
        };
        if self.count > 0 && self.statement != statement {
            return false;
        }
        let before = self.rows.len();
        self.rows.reserve(read.size());
        let (count, fits) = match form.way {
            Way::LoadData => (read.rows(&mut Lines(&mut self.rows)), true),
            Way::Bulk { most } => {
                let count = read.rows(&mut BulkRows(&mut self.rows));
                (count, self.rows.len() + bulk::head(read.kinds().len()) <= most)
            }
        };
        let Some(count) = count.filter(|_| fits) else {
            self.rows.truncate(before);
            return false;
        };
        if self.count == 0 {
            place.clone_into(&mut self.place);
        }
        self.count += count;
        (self.way, self.statement) = (form.way, statement);
        self.kinds.clear();
        self.kinds.extend(read.kinds());
        self.inserts.add(insert);
        true
    }

    /// Whether they are worth a statement.
    pub(super) fn is_full(&self) -> bool {
        self.rows.len() >= BATCH
    }

    /// Hands the statements on, and forgets the rows; the memory stays, and `spare` is used for the statements that come.
    pub(super) fn taken(&mut self, spare: Inserts) -> Sent {
        let inserts = std::mem::replace(&mut self.inserts, spare);
        let sent = Sent { rows: self.count, inserts, place: std::mem::take(&mut self.place) };
        self.rows.clear();
        self.count = 0;
        sent
    }
}

/// Statements, one behind the other.
#[derive(Default)]
pub(super) struct Inserts {
    text: Vec<u8>,
    /// Where each ends.
    ends: Vec<usize>,
}

impl Inserts {
    fn add(&mut self, insert: &[u8]) {
        self.text.extend_from_slice(insert);
        self.ends.push(self.text.len());
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let begins = std::iter::once(0).chain(self.ends.iter().copied());
        begins.zip(&self.ends).map(|(begin, end)| &self.text[begin..*end])
    }

    /// The same memory without statements.
    pub(super) fn emptied(mut self) -> Self {
        self.text.clear();
        self.ends.clear();
        self
    }
}

/// Rows that were sent, and of which the server has not said yet that it has taken them.
pub(super) struct Sent {
    /// How many there are.
    pub(super) rows: u64,
    /// What is sent instead where the server does not take them as they are.
    pub(super) inserts: Inserts,
    /// Where they stand in the dump, for messages.
    pub(super) place: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::inserts::ValueForm;

    fn form(way: Way) -> TableForm {
        let columns = [
            ("id", ValueForm::of("int", None, way)),
            ("na`me", ValueForm::of("varchar", Some("utf8mb4"), way)),
            ("data", ValueForm::of("blob", None, way)),
            ("since", ValueForm::of("year", None, way)),
            ("kind", ValueForm::of("enum", Some("utf8mb3"), way)),
        ];
        TableForm { way, columns: columns.map(|(name, form)| (name.to_owned(), form.unwrap())).into() }
    }

    /// The rows of a statement, and how many there are.
    fn converted(way: Way, insert: &str) -> Option<(Vec<u8>, u64)> {
        let mut batch = Batch::default();
        batch.add(&form(way), insert.as_bytes(), "").then(|| {
            let columns = "(`id`, `na``me`, `data`, `since`, `kind`)";
            let statement = String::from_utf8_lossy(&batch.statement);
            match way {
                Way::LoadData => {
                    let start = "LOAD DATA LOCAL INFILE 'rows' INTO TABLE `t``x` CHARACTER SET binary ";
                    assert!(statement.starts_with(start), "{statement}");
                    assert!(statement.ends_with(&format!("TERMINATED BY ')' {columns}")), "{statement}");
                }
                Way::Bulk { .. } => {
                    assert_eq!(statement, format!("INSERT INTO `t``x` {columns} VALUES (?,?,?,?,?)"));
                    assert_eq!(batch.kinds, [ValueKind::Bytes; 5]);
                }
            }
            (batch.rows, batch.count)
        })
    }

    const BULK: Way = Way::Bulk { most: 1 << 20 };

    const HEAD: &str = "INSERT INTO `t``x` (`id`, `na``me`, `data`, `since`, `kind`) VALUES\n";

    #[test]
    fn rows_of_a_dump_are_converted() {
        let text = r#"(1,'it\'s \"),(\" \\','\0\Z',2024,'a'),
(-2,NULL,0x275C4162,1901,'b')"#;
        let wanted = r#"(1,'it\'s \"),(\" \\','\0\Z',2024,'a')(-2,NULL,'\'\\Ab',1901,'b')"#;
        assert_eq!(converted(Way::LoadData, &format!("{HEAD}{text}")), Some((wanted.into(), 2)));
        let wanted = b"\0\x011\0\x0cit's \"),(\" \\\0\x02\0\x1a\0\x042024\0\x01a\0\x02-2\x01\0\x04'\\Ab\0\x041901\0\x01b";
        let (found, count) = converted(BULK, &format!("{HEAD}{text}")).unwrap();
        assert_eq!((found.escape_ascii().to_string(), count), (wanted.escape_ascii().to_string(), 2));
    }

    #[test]
    fn every_escape_is_read() {
        let text = r#"(1,'\0\b\n\r\t\Z\'\"\\''','',2024,'')"#;
        let wanted = b"\0\x011\0\x0a\x00\x08\n\r\t\x1a'\"\\'\0\0\0\x042024\0\0";
        let (found, _) = converted(BULK, &format!("{HEAD}{text}")).unwrap();
        assert_eq!(found.escape_ascii().to_string(), wanted.escape_ascii().to_string());
    }

    #[test]
    fn values_have_their_lengths_before_them() {
        for (size, head) in [
            (250, &[0, 250][..]),
            (251, &[0, 0xFC, 251, 0]),
            (0xFFFF, &[0, 0xFC, 0xFF, 0xFF]),
            (0x1_0000, &[0, 0xFD, 0, 0, 1]),
            (0x100_0000, &[0, 0xFE, 0, 0, 0, 1, 0, 0, 0, 0]),
        ] {
            let insert = format!("INSERT INTO `t` (`data`) VALUES ('{}'),(NULL)", "x".repeat(size));
            let mut batch = Batch::default();
            assert!(batch.add(&form(Way::Bulk { most: 1 << 30 }), insert.as_bytes(), ""));
            assert_eq!(batch.rows[..head.len()], *head);
            assert_eq!(batch.rows.len(), head.len() + size + 1);
            assert_eq!((batch.rows.last(), batch.count), (Some(&1), 2));
        }
    }

    /// A server ends the connection over a statement that is longer than it takes.
    #[test]
    fn no_more_is_sent_at_once_than_the_server_takes() {
        let insert = b"INSERT INTO `t` (`id`) VALUES (1),(2)";
        // Seven bytes, two for the column, and three for each row.
        for (most, fits) in [(14, 0), (15, 1), (20, 1), (21, 2)] {
            let mut batch = Batch::default();
            let form = form(Way::Bulk { most });
            let added = (0..3).filter(|_| batch.add(&form, insert, "")).count();
            assert_eq!((added, batch.count, batch.rows.len()), (fits, 2 * fits as u64, 6 * fits), "{most}");
        }
    }

    /// A form that is not known stays an INSERT: what LOAD DATA takes otherwise, it takes without a warning.
    #[test]
    fn what_looks_otherwise_is_not_converted() {
        for row in [
            "(1, 'a','b',2024,'a')",
            "(1,'a','b',2024,'a') ,(",
            "(1,'a','b',2024)",
            "(1,'a','b',2024,'a','b')",
            "(1,'a','b',0000,'a')",
            "(1,'a','b',24,'a')",
            "(1,'a','b',2024,2)",
            "(1,'a','b',2024,0x61)",
            "(1,'\\N','b',2024,'a')",
            "(1,'50\\%','b',2024,'a')",
            "(1,_latin1 'a','b',2024,'a')",
            "(1,'a',_binary 'b',2024,'a')",
            "(1,'a',0x1,2024,'a')",
            "(1,'a',0x,2024,'a')",
            "(0x31,'a','b',2024,'a')",
            "('1','a','b',2024,'a')",
            "(1,null,'b',2024,'a')",
            "(1,NULLS,'b',2024,'a')",
            "(1,'a','b',2024,'a');",
            "(1,'a','b',2024,'a'",
            "(1,'a','b',2024,'a",
            "(1,'a' 'b','b',2024,'a')",
            "(1,DEFAULT,'b',2024,'a')",
            "",
        ] {
            for way in [Way::LoadData, BULK] {
                assert_eq!(converted(way, &format!("{HEAD}{row}")), None, "{row}");
            }
        }
        for head in [
            "INSERT IGNORE INTO `t` (`id`) VALUES (1)",
            "INSERT INTO t (`id`) VALUES (1)",
            "INSERT INTO `t` VALUES (1)",
            "INSERT INTO `t` (`unknown`) VALUES (1)",
            "INSERT INTO `d`.`t` (`id`) VALUES (1)",
            "INSERT INTO `t` (`id`) /*!1 */ VALUES (1)",
            "REPLACE INTO `t` (`id`) VALUES (1)",
        ] {
            assert!(!Batch::default().add(&form(BULK), head.as_bytes(), ""), "{head}");
        }
    }

    #[test]
    fn nothing_of_a_statement_stays_that_is_not_of_the_form() {
        let (form, mut batch) = (form(Way::LoadData), Batch::default());
        assert!(batch.add(&form, b"INSERT INTO `t` (`id`) VALUES (1),(2)", ""));
        let before = batch.rows.clone();
        assert!(!batch.add(&form, b"INSERT INTO `t` (`id`) VALUES (3),('4')", ""));
        assert!(!batch.add(&form, b"INSERT INTO `u` (`id`) VALUES (3)", ""));
        assert_eq!((&batch.rows, batch.count), (&before, 2));
        assert!(batch.add(&form, b"INSERT INTO `t` (`id`) VALUES (3)", ""));
        assert_eq!((batch.rows.as_slice(), batch.count), (&b"(1)(2)(3)"[..], 3));
        let sent = batch.taken(Inserts::default());
        assert_eq!((sent.rows, sent.inserts.iter().count()), (3, 2));
        assert!(batch.add(&form, b"INSERT INTO `u` (`id`) VALUES (4)", ""));
        assert_eq!((batch.rows.as_slice(), batch.count), (&b"(4)"[..], 1));
    }

    #[test]
    fn statements_come_back_as_they_were() {
        let mut inserts = Inserts::default();
        let of = |inserts: &Inserts| inserts.iter().map(<[u8]>::to_vec).collect::<Vec<_>>();
        assert_eq!(of(&inserts), Vec::<Vec<u8>>::new());
        inserts.add(b"one");
        inserts.add(b"");
        inserts.add(b"three");
        assert_eq!(of(&inserts), [&b"one"[..], b"", b"three"]);
        let mut inserts = inserts.emptied();
        inserts.add(b"four");
        assert_eq!(of(&inserts), [b"four"]);
    }
}
