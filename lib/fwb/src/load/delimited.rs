//! Rows as `LOAD DATA` reads them. Those of a dump are nearly that anyway, told that fields end with a comma, are enclosed in single quotes
//! and escaped by a backslash, and that lines begin with `(` and end with `)`; hexadecimal digits alone are written anew. Source of the
//! form: MariaDB's manual, "LOAD DATA INFILE".
//!
//! It is worth it: the server needs 0.53 to 0.75 of the CPU time of `INSERT` (docs/MEASUREMENTS.md).

use super::inserts::{Insert, Values, byte};

/// How `LOAD DATA` is told to read what [`Lines`] writes. Under `CHARACTER SET binary` bytes are taken as they are: those of
/// texts are utf8mb4, as in the dump, and so only columns of that character set and of parts of it are loaded so.
const FORM: &str = "CHARACTER SET binary FIELDS TERMINATED BY ',' ENCLOSED BY '\\'' ESCAPED BY '\\\\' \
                    LINES STARTING BY '(' TERMINATED BY ')'";

/// The statement that loads rows which are written so.
pub(super) fn statement(insert: &Insert<'_>) -> Vec<u8> {
    let start = b"LOAD DATA LOCAL INFILE 'rows' INTO TABLE ";
    [start, insert.table, b" ", FORM.as_bytes(), b" ", insert.list].concat()
}

/// Writes rows.
pub(super) struct Lines<'a>(pub(super) &'a mut Vec<u8>);

impl Values for Lines<'_> {
    fn begin(&mut self, is_first: bool) {
        self.0.push(if is_first { b'(' } else { b',' });
    }

    fn null(&mut self) {
        self.0.extend_from_slice(b"NULL");
    }

    fn number(&mut self, digits: &[u8]) {
        self.0.extend_from_slice(digits);
    }

    fn text(&mut self, inside: &[u8], _escapes: usize) {
        self.0.push(b'\'');
        self.0.extend_from_slice(inside);
        self.0.push(b'\'');
    }

    fn bytes(&mut self, digits: &[[u8; 2]]) {
        self.0.push(b'\'');
        for pair in digits {
            let byte = byte(*pair);
            if matches!(byte, b'\'' | b'\\') {
                self.0.push(b'\\');
            }
            self.0.push(byte);
        }
        self.0.push(b'\'');
    }

    fn end(&mut self) {
        self.0.push(b')');
    }
}
