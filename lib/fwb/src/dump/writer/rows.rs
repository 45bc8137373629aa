//! Rows as they arrive become `INSERT` statements.

use std::io::Read;

use super::form::Form;
use super::literal;
use super::number;
use super::sink::{MOST_AT_ONCE, Sink};
use crate::error::{Error, Result};
use crate::server::{Cells, Column as ResultColumn, Results, Row};

/// A statement is ended after this many bytes. Statements of this size stay in a core's cache while they are compressed.
const STATEMENT: usize = 128 << 10;
/// The number of the collation that binary data have.
const BINARY: u16 = 63;
/// The longest value that is no text and no bytes, in bytes: DECIMAL has 65 digits, DOUBLE 1.8e308 may be printed in full.
const LONGEST_NUMBER: usize = 1 << 10;

/// Takes the rows of one table and writes them.
pub(super) struct RowWriter<'a> {
    sink: &'a mut dyn Sink,
    forms: Vec<Form>,
    /// What stands before the rows: `INSERT INTO … VALUES `.
    prelude: Vec<u8>,
    /// How long the statement is that is being written, in bytes; 0 between two.
    statement: usize,
    rows: u64,
    /// The piece of a row that does not arrive whole, reused.
    piece: Vec<u8>,
}

impl<'a> RowWriter<'a> {
    pub(super) fn new(sink: &'a mut dyn Sink, prelude: Vec<u8>, forms: Vec<Form>) -> Self {
        Self { sink, forms, prelude, statement: 0, rows: 0, piece: Vec::new() }
    }

    /// Ends the last statement. Returns how many rows there were.
    ///
    /// # Errors
    /// The sink fails.
    pub(super) fn finish(mut self) -> Result<u64> {
        self.end_statement();
        self.sink.pass()?;
        Ok(self.rows)
    }

    fn begin_row(&mut self) {
        let sql = self.sink.sql();
        if self.statement == 0 {
            sql.extend_from_slice(&self.prelude);
            self.statement = self.prelude.len();
        } else {
            sql.extend_from_slice(b",\n");
        }
        sql.push(b'(');
    }

    /// Ends the row, and the statement where it is long enough; the row took so many bytes.
    fn end_row(&mut self, bytes: usize) -> Result<()> {
        self.sink.sql().push(b')');
        self.rows += 1;
        self.statement += bytes;
        if self.statement >= STATEMENT {
            self.end_statement();
        }
        self.sink.pass()
    }

    fn end_statement(&mut self) {
        if self.statement > 0 {
            self.sink.sql().extend_from_slice(b";\n");
            self.statement = 0;
        }
    }

    fn whole(&mut self, row: &[u8]) -> Result<()> {
        self.begin_row();
        let mut cells = Cells::new(row);
        let mut written = 0;
        for (index, form) in self.forms.iter().enumerate() {
            let Some(Ok(cell)) = cells.next() else { return Err(malformed()) };
            let sql = self.sink.sql();
            let before = sql.len();
            if index > 0 {
                sql.push(b',');
            }
            match (cell, form) {
                (None, _) => sql.extend_from_slice(b"NULL"),
                (Some(cell), Form::Bare) => sql.extend_from_slice(cell),
                (Some(cell), Form::Double) => number::double(sql, cell),
                (Some(cell), Form::Float) => number::float(sql, cell),
                (Some([]), Form::Geometry) => return Err(no_geometry()),
                (Some(cell), form) if cell.len() <= MOST_AT_ONCE => short(sql, cell, form),
                (Some(cell), form) => {
                    written += sql.len() - before;
                    written += long(self.sink, &mut &cell[..], cell.len() as u64, form, &mut self.piece)?;
                    continue;
                }
            }
            written += sql.len() - before;
        }
        if cells.next().is_some() && !self.forms.is_empty() {
            return Err(malformed());
        }
        self.end_row(written)
    }

    /// A row of any size, in little memory.
    fn in_pieces(&mut self, row: &mut dyn Read) -> Result<()> {
        self.begin_row();
        let mut written = 0;
        for (index, form) in self.forms.iter().enumerate() {
            let size = cell_size(row)?;
            let sql = self.sink.sql();
            if index > 0 {
                sql.push(b',');
            }
            let Some(size) = size else {
                sql.extend_from_slice(b"NULL");
                continue;
            };
            match form {
                Form::Geometry if size == 0 => return Err(no_geometry()),
                Form::Ascii if size <= MOST_AT_ONCE as u64 => {
                    self.piece.resize(usize::try_from(size).map_err(|_| malformed())?, 0);
                    row.read_exact(&mut self.piece).map_err(unread)?;
                    let before = sql.len();
                    short(sql, &self.piece, form);
                    written += sql.len() - before;
                }
                Form::Quoted | Form::Hex(_) | Form::Geometry | Form::Ascii | Form::Unknown => {
                    written += long(self.sink, row, size, form, &mut self.piece)?;
                }
                Form::Bare | Form::Double | Form::Float => {
                    let size = usize::try_from(size).ok().filter(|size| *size <= LONGEST_NUMBER);
                    self.piece.resize(size.ok_or_else(malformed)?, 0);
                    row.read_exact(&mut self.piece).map_err(unread)?;
                    match form {
                        Form::Double => number::double(sql, &self.piece),
                        Form::Float => number::float(sql, &self.piece),
                        _ => sql.extend_from_slice(&self.piece),
                    }
                    written += self.piece.len();
                }
            }
        }
        self.end_row(written)
    }
}

impl Results for RowWriter<'_> {
    fn begin(&mut self, columns: &[ResultColumn]) -> Result<()> {
        // Something must be asked for, even where the server computes every column.
        if columns.len() != self.forms.len() && !self.forms.is_empty() {
            return Err(malformed());
        }
        for (form, column) in self.forms.iter_mut().zip(columns) {
            if *form == Form::Unknown {
                *form = if column.collation == BINARY { Form::Hex(String::new()) } else { Form::Quoted };
            }
        }
        Ok(())
    }

    fn row(&mut self, row: Row<'_>) -> Result<()> {
        match row {
            Row::Whole(row) => self.whole(row),
            Row::Long(row) => self.in_pieces(row),
        }
    }
}

/// Writes a text or bytes.
#[inline]
fn short(sql: &mut Vec<u8>, cell: &[u8], form: &Form) {
    match form.introducer().filter(|_| *form != Form::Ascii || !cell.is_ascii()) {
        Some(introducer) => {
            sql.extend_from_slice(introducer.as_bytes());
            if cell.is_empty() {
                sql.extend_from_slice(b"''");
            } else {
                sql.extend_from_slice(b"0x");
                literal::digits(sql, cell);
            }
        }
        None => literal::quoted(sql, cell),
    }
}

/// `INSERT IGNORE` of NULL makes such a value in a column that is NOT NULL. Who reads the rows adds which table it is.
fn no_geometry() -> Error {
    let why = "a row has a GEOMETRY of no bytes, which no server takes (find it by LENGTH(…) = 0)".into();
    Error::Unrestorable { database: String::new(), object: String::new(), why }
}

/// Writes a text or bytes of any size, a piece at a time. Returns how many bytes it wrote.
fn long(
    sink: &mut dyn Sink,
    cell: &mut dyn Read,
    size: u64,
    form: &Form,
    piece: &mut Vec<u8>,
) -> Result<usize> {
    if size == 0 {
        let before = sink.sql().len();
        short(sink.sql(), b"", form);
        return Ok(sink.sql().len() - before);
    }
    let mut written = 0;
    let introducer = form.introducer();
    match introducer {
        Some(introducer) => sink.sql().extend_from_slice(&[introducer.as_bytes(), b"0x"].concat()),
        None => sink.sql().push(b'\''),
    }
    let mut left = size;
    while left > 0 {
        let take = usize::try_from(left).unwrap_or(usize::MAX).min(MOST_AT_ONCE / 2);
        piece.resize(take, 0);
        cell.read_exact(piece).map_err(unread)?;
        left -= take as u64;
        let sql = sink.sql();
        let before = sql.len();
        match introducer {
            Some(_) => literal::digits(sql, piece),
            None => literal::escaped(sql, piece),
        }
        written += sql.len() - before;
        sink.pass()?;
    }
    if introducer.is_none() {
        sink.sql().push(b'\'');
    }
    Ok(written)
}

/// The size of the next cell of a row, in bytes; none where it is NULL.
fn cell_size(row: &mut dyn Read) -> Result<Option<u64>> {
    let mut wide = [0; 8];
    row.read_exact(&mut wide[..1]).map_err(unread)?;
    let width = match wide[0] {
        size @ 0..=250 => return Ok(Some(u64::from(size))),
        0xFB => return Ok(None),
        0xFC => 2,
        0xFD => 3,
        0xFE => 8,
        0xFF => return Err(malformed()),
    };
    wide = [0; 8];
    row.read_exact(&mut wide[..width]).map_err(unread)?;
    Ok(Some(u64::from_le_bytes(wide)))
}

const READ_ROWS: &str = "read the rows";

fn unread(source: std::io::Error) -> Error {
    Error::Stream { action: READ_ROWS, source }
}

fn malformed() -> Error {
    unread(std::io::Error::other("the server sent a row that has other columns than were asked for"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A row in the protocol's form.
    fn row(cells: &[Option<&[u8]>]) -> Vec<u8> {
        let mut row = Vec::new();
        for cell in cells {
            let Some(cell) = cell else {
                row.push(0xFB);
                continue;
            };
            match cell.len() {
                size @ 0..=250 => row.push(u8::try_from(size).unwrap()),
                size => {
                    row.push(0xFE);
                    row.extend((size as u64).to_le_bytes());
                }
            }
            row.extend_from_slice(cell);
        }
        row
    }

    fn forms() -> Vec<Form> {
        vec![
            Form::Bare,
            Form::Quoted,
            Form::Hex(String::new()),
            Form::Hex("_sjis ".into()),
            Form::Double,
            Form::Float,
        ]
    }

    fn written(forms: &[Form], rows: &[Vec<u8>], whole: bool) -> String {
        let mut sql = Vec::new();
        let mut writer = RowWriter::new(&mut sql, b"INSERT INTO `t` VALUES ".to_vec(), forms.to_vec());
        for row in rows {
            let taken =
                if whole { writer.row(Row::Whole(row)) } else { writer.row(Row::Long(&mut &row[..])) };
            taken.unwrap();
        }
        assert_eq!(writer.finish().unwrap(), rows.len() as u64);
        String::from_utf8(sql).unwrap()
    }

    #[test]
    fn values_are_written_by_their_forms_however_a_row_arrives() {
        let rows = [
            row(&[
                Some(b"-1"),
                Some(b"it's"),
                Some(b"\x00\xFF"),
                Some(b"\x83\x5C"),
                Some(b"-0"),
                Some(b"0.5"),
            ]),
            row(&[None; 6]),
            row(&[Some(b"0"), Some(b""), Some(b""), Some(b""), Some(b"1e22"), Some(b"0")]),
        ];
        for whole in [true, false] {
            assert_eq!(
                written(&forms(), &rows, whole),
                "INSERT INTO `t` VALUES (-1,'it\\'s',0x00FF,_sjis 0x835C,-0e0,0.5),\n\
                 (NULL,NULL,NULL,NULL,NULL,NULL),\n(0,'','',_sjis '',1e22,0);\n"
            );
        }
    }

    #[test]
    fn values_of_any_size_are_the_same_in_pieces() {
        let long = b"a'b\\\0".repeat(MOST_AT_ONCE / 3);
        let rows = [row(&[Some(b"1"), Some(&long), Some(&long), Some(&long), Some(b"0"), None])];
        let whole = written(&forms(), &rows, true);
        assert_eq!(whole, written(&forms(), &rows, false));
        let mut text = Vec::new();
        literal::quoted(&mut text, &long);
        let digits = hex::encode_upper(&long);
        let expected = format!(
            "INSERT INTO `t` VALUES (1,{},0x{digits},_sjis 0x{digits},0,NULL);\n",
            String::from_utf8(text).unwrap()
        );
        assert_eq!(whole, expected);
    }

    #[test]
    fn statements_end_once_they_are_long_enough() {
        let rows = vec![row(&[Some(&[b'x'; 1000])]); 300];
        let sql = written(&[Form::Quoted], &rows, true);
        let statements: Vec<&str> = sql.split_inclusive(";\n").collect();
        assert_eq!(statements.len(), 3);
        assert!(statements.iter().all(|statement| statement.starts_with("INSERT INTO")));
        assert!(statements[..2].iter().all(|one| (STATEMENT..STATEMENT + 2000).contains(&one.len())));
    }

    #[test]
    fn a_table_whose_columns_are_all_computed_has_rows_too() {
        assert_eq!(written(&[], &[row(&[None]), row(&[None])], true), "INSERT INTO `t` VALUES (),\n();\n");
        assert_eq!(written(&[Form::Quoted], &[], true), "");
    }

    #[test]
    fn a_row_with_other_columns_is_an_error() {
        let mut sql = Vec::new();
        let mut writer = RowWriter::new(&mut sql, Vec::new(), vec![Form::Bare, Form::Bare]);
        for broken in [row(&[Some(b"1")]), row(&[None, None, None]), vec![9, b'x'], vec![0xFF]] {
            assert!(writer.row(Row::Whole(&broken)).is_err(), "{broken:?}");
        }
        for broken in [row(&[Some(b"1")]), vec![9, b'x'], vec![0xFF], vec![0xFE, 0, 0, 0, 0, 1, 0, 0, 0]] {
            assert!(writer.row(Row::Long(&mut &broken[..])).is_err(), "{broken:?}");
        }
        assert!(writer.begin(&[]).is_err());
    }

    #[test]
    fn what_the_server_calls_binary_is_written_as_its_bytes() {
        let column =
            |collation| ResultColumn { name: String::new(), kind: 254, collation, flags: 0, length: 0 };
        let mut sql = Vec::new();
        let mut writer = RowWriter::new(&mut sql, b"I ".to_vec(), vec![Form::Unknown, Form::Unknown]);
        writer.begin(&[column(BINARY), column(45)]).unwrap();
        writer.row(Row::Whole(&row(&[Some(b"a"), Some(b"b")]))).unwrap();
        writer.finish().unwrap();
        assert_eq!(sql, b"I (0x61,'b');\n");
    }
}
