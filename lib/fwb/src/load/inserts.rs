//! Reading the rows of `INSERT` statements, as dumps write them. What does not look so, or could mean something else than its bytes, is
//! not read: it stays an `INSERT`.

use std::collections::BTreeMap;

use super::batch::Way;
use crate::server::ValueKind;

/// What values of a column look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ValueForm {
    /// A number, without quotes.
    Number,
    /// Four digits, but for 0000: as a text that is the year 2000.
    Year,
    /// In quotes.
    Quoted,
    /// In quotes, or in hexadecimal digits.
    Bytes,
    /// In quotes, and in the connection's character set: what the column makes of it depends on that.
    Text,
}

impl ValueForm {
    /// Of a column of this type and character set, for rows that are sent so; none where they would be read otherwise than literals.
    pub(super) fn of(data_type: &str, charset: Option<&str>, way: Way) -> Option<Self> {
        let is_bulk = matches!(way, Way::Bulk { .. });
        let is_utf8 = matches!(charset, Some("utf8mb4" | "utf8mb3" | "utf8" | "ascii"));
        match data_type {
            "tinyint" | "smallint" | "mediumint" | "int" | "bigint" | "decimal" | "float" | "double" => {
                Some(Self::Number)
            }
            "year" => Some(Self::Year),
            "date" | "datetime" | "timestamp" | "time" => Some(Self::Quoted),
            "enum" | "set" if is_utf8 => Some(Self::Quoted),
            "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" if is_utf8 => {
                Some(Self::Bytes)
            }
            "bit" | "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" => {
                Some(Self::Bytes)
            }
            "geometry" | "point" | "linestring" | "polygon" | "multipoint" | "multilinestring"
            | "multipolygon" | "geometrycollection" | "vector"
                if is_bulk =>
            {
                Some(Self::Bytes)
            }
            // Sixteen bytes would be an address, not its text.
            "inet4" | "inet6" | "uuid" if is_bulk => Some(Self::Text),
            "enum" | "set" | "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext"
                if is_bulk =>
            {
                Some(Self::Text)
            }
            _ => None,
        }
    }

    /// How its values are sent in bulk.
    fn kind(self) -> ValueKind {
        match self {
            Self::Text => ValueKind::Text,
            _ => ValueKind::Bytes,
        }
    }
}

/// How rows of a table are loaded.
#[derive(Debug)]
pub(super) struct TableForm {
    /// How they are sent.
    pub(super) way: Way,
    /// What its columns look like, by their names.
    pub(super) columns: BTreeMap<String, ValueForm>,
}

/// Takes the values of rows.
pub(super) trait Values {
    /// Another value comes; `is_first` of its row.
    fn begin(&mut self, is_first: bool);

    /// It is NULL.
    fn null(&mut self);

    /// It is a number, in these digits.
    fn number(&mut self, digits: &[u8]);

    /// It is what stands between the quotes of a literal, in which so many bytes are escaped or doubled quotes, by one byte each.
    fn text(&mut self, inside: &[u8], escapes: usize);

    /// It is the bytes that pairs of hexadecimal digits mean.
    fn bytes(&mut self, digits: &[[u8; 2]]);

    /// The row has ended.
    fn end(&mut self);
}

/// An `INSERT` statement.
pub(super) struct Insert<'a> {
    /// The table, as it stands.
    pub(super) table: &'a [u8],
    /// The list of columns in its parentheses, as it stands.
    pub(super) list: &'a [u8],
    columns: Vec<ValueForm>,
    /// What follows `VALUES`.
    rows: &'a [u8],
}

impl<'a> Insert<'a> {
    /// Reads a statement, which has no delimiter, up to its rows. None where it is not of the form.
    pub(super) fn read(insert: &'a [u8], form: &TableForm) -> Option<Self> {
        let rest = insert.strip_prefix(b"INSERT INTO ")?;
        let (table, rest) = rest.split_at(quoted_name(rest)?);
        let rest = rest.strip_prefix(b" ")?;
        let (mut at, mut columns) = (0, Vec::new());
        loop {
            // The list's beginning, or what separates two of it.
            let opening: &[&[u8]] = if at == 0 { &[b"("] } else { &[b", ", b","] };
            at += opening.iter().find(|opening| rest[at..].starts_with(opening))?.len();
            let name = &rest[at..at + quoted_name(&rest[at..])?];
            columns.push(*form.columns.get(&unquoted(name)?)?);
            at += name.len();
            if rest.get(at) == Some(&b')') {
                break;
            }
        }
        let (list, rest) = rest.split_at(at + 1);
        let rows = rest.strip_prefix(b" VALUES")?;
        let rows = rows.strip_prefix(b"\n").or_else(|| rows.strip_prefix(b" ")).unwrap_or(rows);
        Some(Self { table, list, columns, rows })
    }

    /// How the values of its columns are sent in bulk.
    pub(super) fn kinds(&self) -> impl ExactSizeIterator<Item = ValueKind> {
        self.columns.iter().map(|form| form.kind())
    }

    /// How many bytes its rows have.
    pub(super) fn size(&self) -> usize {
        self.rows.len()
    }

    /// Hands the rows on, and returns how many; none, when some were handed on already, where something is not of its form.
    pub(super) fn rows(&self, to: &mut impl Values) -> Option<u64> {
        let (mut rest, mut rows) = (self.rows, 0);
        loop {
            let mut opening = b'(';
            for form in &self.columns {
                rest = rest.strip_prefix(&[opening])?;
                to.begin(opening == b'(');
                rest = value(rest, *form, to)?;
                opening = b',';
            }
            rest = rest.strip_prefix(b")")?;
            to.end();
            rows += 1;
            rest = &rest[blanks(rest)..];
            let Some(more) = rest.strip_prefix(b",") else {
                return rest.is_empty().then_some(rows);
            };
            rest = &more[blanks(more)..];
        }
    }
}

fn blanks(text: &[u8]) -> usize {
    text.iter().take_while(|byte| matches!(byte, b' ' | b'\n' | b'\r' | b'\t')).count()
}

/// How long the quoted name is that a text begins with.
fn quoted_name(text: &[u8]) -> Option<usize> {
    let mut at = text.strip_prefix(b"`").map(|_| 1)?;
    loop {
        at += memchr::memchr(b'`', &text[at..])? + 1;
        if text.get(at) != Some(&b'`') {
            return Some(at);
        }
        at += 1;
    }
}

fn unquoted(name: &[u8]) -> Option<String> {
    let inside = std::str::from_utf8(name.get(1..name.len() - 1)?).ok()?;
    Some(inside.replace("``", "`"))
}

/// Hands one value on, and returns what follows it.
fn value<'a>(text: &'a [u8], form: ValueForm, to: &mut impl Values) -> Option<&'a [u8]> {
    let first = *text.first()?;
    if first == b'N' {
        let rest = text.strip_prefix(b"NULL")?;
        to.null();
        return ends(rest);
    }
    match form {
        ValueForm::Number | ValueForm::Year => {
            let size = text
                .iter()
                .take_while(|byte| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'))
                .count();
            let (number, rest) = text.split_at(size);
            let is_year = || number.len() == 4 && number != b"0000" && number.iter().all(u8::is_ascii_digit);
            if number.is_empty() || form == ValueForm::Year && !is_year() {
                return None;
            }
            to.number(number);
            ends(rest)
        }
        _ if first == b'\'' => {
            let (size, escapes) = quoted(text)?;
            to.text(&text[1..size - 1], escapes);
            ends(&text[size..])
        }
        ValueForm::Bytes => {
            let digits = text.strip_prefix(b"0x")?;
            let size = digits.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
            let (pairs, []) = digits[..size].as_chunks::<2>() else { return None };
            if pairs.is_empty() {
                return None;
            }
            to.bytes(pairs);
            ends(&digits[size..])
        }
        ValueForm::Quoted | ValueForm::Text => None,
    }
}

/// The byte that a pair of hexadecimal digits means.
pub(super) fn byte([high, low]: [u8; 2]) -> u8 {
    let digit = |digit: u8| (digit & 0x0F) + if digit > b'9' { 9 } else { 0 };
    digit(high) << 4 | digit(low)
}

/// Nothing stands between a value and what ends it.
fn ends(rest: &[u8]) -> Option<&[u8]> {
    matches!(rest.first(), Some(b',' | b')')).then_some(rest)
}

/// How long the text in quotes is that `text` begins with, and how many bytes in it escape another one. None where it has an escape
/// that a literal and `LOAD DATA` read otherwise: `\N`, `\%` and `\_` are those.
fn quoted(text: &[u8]) -> Option<(usize, usize)> {
    let (mut at, mut escapes) = (1, 0);
    loop {
        at += memchr::memchr2(b'\'', b'\\', &text[at..])?;
        if text[at] == b'\\' {
            if !matches!(text.get(at + 1)?, b'0' | b'b' | b'n' | b'r' | b't' | b'Z' | b'\'' | b'"' | b'\\') {
                return None;
            }
        } else if text.get(at + 1) != Some(&b'\'') {
            return Some((at + 1, escapes));
        }
        (at, escapes) = (at + 2, escapes + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_bytes_alone_do_not_say_is_not_sent_as_bytes() {
        let (load, bulk) = (Way::LoadData, Way::Bulk { most: 1 << 20 });
        for (data_type, charset) in
            [("varchar", "latin1"), ("enum", "sjis"), ("uuid", "NULL"), ("inet6", "NULL")]
        {
            assert_eq!(ValueForm::of(data_type, Some(charset), load), None);
            assert_eq!(ValueForm::of(data_type, Some(charset), bulk), Some(ValueForm::Text));
        }
        for other in ["geometry", "point", "vector"] {
            assert_eq!(ValueForm::of(other, None, load), None);
            assert_eq!(ValueForm::of(other, None, bulk), Some(ValueForm::Bytes));
        }
        for way in [load, bulk] {
            assert_eq!(ValueForm::of("text", Some("utf8mb3"), way), Some(ValueForm::Bytes));
            assert_eq!(ValueForm::of("json", None, way), None);
            assert_eq!(ValueForm::of("xmltype", None, way), None);
        }
    }
}
