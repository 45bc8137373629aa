//! `INSERT` statements as `LOAD DATA` reads them. The rows of a dump are nearly what it reads anyway, told that fields end with a
//! comma, are enclosed in single quotes and escaped by a backslash, and that lines begin with `(` and end with `)`. What is
//! otherwise is converted, and what cannot be, or does not look as a dump writes it, stays an `INSERT`.
//!
//! It is worth it: the server needs 0.53 to 0.75 of the CPU time (docs/MEASUREMENTS.md). Source of the form: MariaDB's manual,
//! "LOAD DATA INFILE".

use std::collections::BTreeMap;

/// How `LOAD DATA` is told to read what [`TableForm::add`] writes. Under `CHARACTER SET binary` bytes are taken as they are: those of
/// texts are utf8mb4, as in the dump, and so only columns of that character set and of parts of it are loaded so.
const FORM: &str = "CHARACTER SET binary FIELDS TERMINATED BY ',' ENCLOSED BY '\\'' ESCAPED BY '\\\\' \
                    LINES STARTING BY '(' TERMINATED BY ')'";

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
}

impl ValueForm {
    /// Of a column of this type and character set; none where a text would be read otherwise than a literal.
    pub(super) fn of(data_type: &str, charset: Option<&str>) -> Option<Self> {
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
            _ => None,
        }
    }
}

/// What the columns of a table look like, by their names.
#[derive(Debug)]
pub(super) struct TableForm(pub(super) BTreeMap<String, ValueForm>);

/// Rows in the form that `LOAD DATA` reads.
#[derive(Debug, Default)]
pub(super) struct Delimited {
    /// The statement that loads them.
    pub(super) statement: Vec<u8>,
    /// The rows.
    pub(super) text: Vec<u8>,
    /// How many there are.
    pub(super) rows: u64,
}

impl Delimited {
    /// Nothing is there any more; the memory stays.
    pub(super) fn clear(&mut self) {
        self.statement.clear();
        self.text.clear();
        self.rows = 0;
    }
}

impl TableForm {
    /// Adds the rows of an `INSERT` statement, which has no delimiter. False, and nothing is added, where it is not of the form, or
    /// not of the same table and columns as what is there.
    pub(super) fn add(&self, insert: &[u8], to: &mut Delimited) -> bool {
        let Some((target, columns, values)) = self.head(insert) else { return false };
        let mut statement = b"LOAD DATA LOCAL INFILE 'rows' INTO TABLE ".to_vec();
        statement.extend_from_slice(target.0);
        statement.extend_from_slice(format!(" {FORM} ").as_bytes());
        statement.extend_from_slice(target.1);
        if !to.statement.is_empty() && to.statement != statement {
            return false;
        }
        let before = to.text.len();
        match rows(values, &columns, &mut to.text) {
            Some(rows) => {
                to.rows += rows;
                to.statement = statement;
                true
            }
            None => {
                to.text.truncate(before);
                false
            }
        }
    }

    /// The table and its list of columns as they stand, the columns' forms, and what follows `VALUES`.
    #[expect(clippy::type_complexity, reason = "three parts of one text, taken apart at once")]
    fn head<'a>(&self, insert: &'a [u8]) -> Option<((&'a [u8], &'a [u8]), Vec<ValueForm>, &'a [u8])> {
        let rest = insert.strip_prefix(b"INSERT INTO ")?;
        let (table, rest) = rest.split_at(quoted_name(rest)?);
        let rest = rest.strip_prefix(b" ")?;
        let (mut at, mut forms) = (0, Vec::new());
        loop {
            // The list's beginning, or what separates two of it.
            let opening: &[&[u8]] = if at == 0 { &[b"("] } else { &[b", ", b","] };
            at += opening.iter().find(|opening| rest[at..].starts_with(opening))?.len();
            let name = &rest[at..at + quoted_name(&rest[at..])?];
            forms.push(*self.0.get(&unquoted(name)?)?);
            at += name.len();
            if rest.get(at) == Some(&b')') {
                break;
            }
        }
        let (list, rest) = rest.split_at(at + 1);
        let values = rest.strip_prefix(b" VALUES")?;
        let values = values.strip_prefix(b"\n").or_else(|| values.strip_prefix(b" ")).unwrap_or(values);
        Some(((table, list), forms, values))
    }
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

/// Writes rows, and returns how many; none where something is not of its form.
fn rows(mut rest: &[u8], columns: &[ValueForm], to: &mut Vec<u8>) -> Option<u64> {
    let mut rows = 0;
    to.reserve(rest.len());
    loop {
        let mut opening = b'(';
        for form in columns {
            rest = rest.strip_prefix(&[opening])?;
            to.push(opening);
            rest = value(rest, *form, to)?;
            opening = b',';
        }
        rest = rest.strip_prefix(b")")?;
        to.push(b')');
        rows += 1;
        let blanks =
            |text: &[u8]| text.iter().take_while(|byte| matches!(byte, b' ' | b'\n' | b'\r' | b'\t')).count();
        rest = &rest[blanks(rest)..];
        let Some(more) = rest.strip_prefix(b",") else {
            return rest.is_empty().then_some(rows);
        };
        rest = &more[blanks(more)..];
    }
}

/// Writes one value, and returns what follows it.
fn value<'a>(text: &'a [u8], form: ValueForm, to: &mut Vec<u8>) -> Option<&'a [u8]> {
    let first = *text.first()?;
    if first == b'N' {
        let rest = text.strip_prefix(b"NULL")?;
        to.extend_from_slice(b"NULL");
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
            to.extend_from_slice(number);
            ends(rest)
        }
        _ if first == b'\'' => {
            let size = quoted(text)?;
            to.extend_from_slice(&text[..size]);
            ends(&text[size..])
        }
        ValueForm::Bytes => {
            let digits = text.strip_prefix(b"0x")?;
            let size = digits.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
            bytes(&digits[..size], to)?;
            ends(&digits[size..])
        }
        ValueForm::Quoted => None,
    }
}

/// Nothing stands between a value and what ends it.
fn ends(rest: &[u8]) -> Option<&[u8]> {
    matches!(rest.first(), Some(b',' | b')')).then_some(rest)
}

/// How long the text in quotes is that `text` begins with. None where it has an escape that a literal and `LOAD DATA` read
/// otherwise: `\N`, `\%` and `\_` are those.
fn quoted(text: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        at += memchr::memchr2(b'\'', b'\\', &text[at..])?;
        if text[at] == b'\\' {
            if !matches!(text.get(at + 1)?, b'0' | b'b' | b'n' | b'r' | b't' | b'Z' | b'\'' | b'"' | b'\\') {
                return None;
            }
            at += 2;
        } else if text.get(at + 1) == Some(&b'\'') {
            at += 2;
        } else {
            return Some(at + 1);
        }
    }
}

/// Writes the bytes that hexadecimal digits mean, in quotes.
fn bytes(digits: &[u8], to: &mut Vec<u8>) -> Option<()> {
    let (pairs, []) = digits.as_chunks::<2>() else { return None };
    if pairs.is_empty() {
        return None;
    }
    let digit = |digit: u8| (digit & 0x0F) + if digit > b'9' { 9 } else { 0 };
    to.push(b'\'');
    for [high, low] in pairs {
        let byte = digit(*high) << 4 | digit(*low);
        if matches!(byte, b'\'' | b'\\') {
            to.push(b'\\');
        }
        to.push(byte);
    }
    to.push(b'\'');
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form() -> TableForm {
        let columns = [
            ("id", ValueForm::of("int", None)),
            ("na`me", ValueForm::of("varchar", Some("utf8mb4"))),
            ("data", ValueForm::of("blob", None)),
            ("since", ValueForm::of("year", None)),
            ("kind", ValueForm::of("enum", Some("utf8mb3"))),
        ];
        TableForm(columns.map(|(name, form)| (name.to_owned(), form.unwrap())).into())
    }

    fn converted(insert: &str) -> Option<(String, u64)> {
        let mut to = Delimited::default();
        form().add(insert.as_bytes(), &mut to).then(|| {
            assert_eq!(
                String::from_utf8_lossy(&to.statement),
                format!("LOAD DATA LOCAL INFILE 'rows' INTO TABLE `t``x` {FORM} (`id`, `na``me`, `data`, `since`, `kind`)")
            );
            (String::from_utf8_lossy(&to.text).into_owned(), to.rows)
        })
    }

    const HEAD: &str = "INSERT INTO `t``x` (`id`, `na``me`, `data`, `since`, `kind`) VALUES\n";

    #[test]
    fn rows_of_a_dump_are_converted() {
        let text = r#"(1,'it\'s \"),(\" \\','\0\Z',2024,'a'),
(-2,NULL,0x275C4162,1901,'b')"#;
        let wanted = r#"(1,'it\'s \"),(\" \\','\0\Z',2024,'a')(-2,NULL,'\'\\Ab',1901,'b')"#;
        assert_eq!(converted(&format!("{HEAD}{text}")), Some((wanted.into(), 2)));
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
            assert_eq!(converted(&format!("{HEAD}{row}")), None, "{row}");
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
            assert!(!form().add(head.as_bytes(), &mut Delimited::default()), "{head}");
        }
    }

    #[test]
    fn nothing_of_a_statement_stays_that_is_not_of_the_form() {
        let mut to = Delimited::default();
        assert!(form().add(b"INSERT INTO `t` (`id`) VALUES (1),(2)", &mut to));
        let before = to.text.clone();
        assert!(!form().add(b"INSERT INTO `t` (`id`) VALUES (3),('4')", &mut to));
        assert!(!form().add(b"INSERT INTO `u` (`id`) VALUES (3)", &mut to));
        assert_eq!((&to.text, to.rows), (&before, 2));
        assert!(form().add(b"INSERT INTO `t` (`id`) VALUES (3)", &mut to));
        assert_eq!((to.text.as_slice(), to.rows), (&b"(1)(2)(3)"[..], 3));
    }

    #[test]
    fn only_characters_of_utf8_are_taken_as_they_are() {
        assert_eq!(ValueForm::of("varchar", Some("latin1")), None);
        assert_eq!(ValueForm::of("enum", Some("sjis")), None);
        for other in ["json", "geometry", "point", "uuid", "inet6", "vector"] {
            assert_eq!(ValueForm::of(other, None), None);
        }
        assert_eq!(ValueForm::of("text", Some("utf8mb3")), Some(ValueForm::Bytes));
    }
}
