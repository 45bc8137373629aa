//! Rows as MariaDB's bulk protocol has them ([`Session::bulk`](crate::server::Session::bulk)): each value as its bytes. The server reads
//! neither SQL nor quotes then, and needs 0.6 to 0.7 of the CPU time of `INSERT` (docs/MEASUREMENTS.md).

use super::inserts::{Insert, Values, byte};
use crate::server::put_length;

/// What stands before a value, and what stands for NULL.
const VALUE: u8 = 0;
const NULL: u8 = 1;

/// The statement that takes rows which are written so.
pub(super) fn statement(insert: &Insert<'_>) -> Vec<u8> {
    let placeholders = vec!["?"; insert.kinds().len()].join(",");
    [b"INSERT INTO ", insert.table, b" ", insert.list, b" VALUES (", placeholders.as_bytes(), b")"].concat()
}

/// How many bytes come before the rows of so many columns, at most.
pub(super) fn head(columns: usize) -> usize {
    // The command, the statement's number, flags, and what each column is.
    1 + 4 + 2 + 2 * columns
}

/// Writes rows.
pub(super) struct BulkRows<'a>(pub(super) &'a mut Vec<u8>);

impl BulkRows<'_> {
    /// Begins a value of so many bytes.
    fn value(&mut self, size: usize) {
        self.0.push(VALUE);
        put_length(self.0, size);
    }
}

impl Values for BulkRows<'_> {
    fn begin(&mut self, _is_first: bool) {}

    fn null(&mut self) {
        self.0.push(NULL);
    }

    fn number(&mut self, digits: &[u8]) {
        self.value(digits.len());
        self.0.extend_from_slice(digits);
    }

    fn text(&mut self, inside: &[u8], escapes: usize) {
        self.value(inside.len() - escapes);
        let mut rest = inside;
        for _ in 0..escapes {
            let Some(at) = memchr::memchr2(b'\'', b'\\', rest) else { break };
            self.0.extend_from_slice(&rest[..at]);
            self.0.push(match rest[at..] {
                [b'\\', b'0', ..] => 0,
                [b'\\', b'b', ..] => 8,
                [b'\\', b't', ..] => b'\t',
                [b'\\', b'n', ..] => b'\n',
                [b'\\', b'r', ..] => b'\r',
                [b'\\', b'Z', ..] => 0x1A,
                // A quote, twice or behind a backslash, or a backslash behind another one.
                [_, character, ..] => character,
                _ => break,
            });
            rest = &rest[at + 2..];
        }
        self.0.extend_from_slice(rest);
    }

    fn bytes(&mut self, digits: &[[u8; 2]]) {
        self.value(digits.len());
        self.0.extend(digits.iter().map(|pair| byte(*pair)));
    }

    fn end(&mut self) {}
}
