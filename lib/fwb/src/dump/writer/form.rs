//! How the values of a column are read and written, by its type: docs/TYPES.md has the table.

use std::collections::BTreeSet;

use super::literal;

/// A column, as `information_schema.COLUMNS` tells of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Column {
    /// Its name.
    pub(super) name: String,
    /// `DATA_TYPE`: the type's name, in lower case.
    pub(super) data_type: String,
    /// `CHARACTER_SET_NAME`; empty where it has none.
    pub(super) charset: String,
    /// `COLLATION_NAME`; empty where it has none.
    pub(super) collation: String,
    /// `EXTRA`.
    pub(super) extra: String,
    /// `GENERATION_EXPRESSION`; empty where it has none.
    pub(super) generated_as: String,
    /// `COLUMN_TYPE` of ENUM and SET: their members, quoted; `year(2)`; else empty.
    pub(super) members: String,
}

/// Whether, and why, a column's values are in the dump.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// They are.
    Stored,
    /// The server computes them.
    Generated,
    /// The server sets them, unless history is inserted: when a row began or ceased to hold.
    Period,
}

/// How values become literals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Form {
    /// As the server prints them: whole numbers, DECIMAL.
    Bare,
    /// DOUBLE.
    Double,
    /// FLOAT, read as DOUBLE.
    Float,
    /// Between quotes.
    Quoted,
    /// Hexadecimal digits, after the introducer of a character set where they are text: `_sjis `.
    Hex(String),
    /// As bytes; no server takes one of none.
    Geometry,
    /// Text in ASCII between quotes; as bytes where it is none, or long. A column in ASCII keeps whatever bytes it was given as
    /// such.
    Ascii,
    /// As the result says: digits where it calls them binary, else between quotes.
    Unknown,
}

impl Form {
    /// What stands before the hexadecimal digits of a value; none where it is not written in digits.
    pub(super) fn introducer(&self) -> Option<&str> {
        match self {
            Self::Hex(introducer) => Some(introducer),
            Self::Geometry | Self::Ascii => Some(""),
            Self::Bare | Self::Double | Self::Float | Self::Quoted | Self::Unknown => None,
        }
    }
}

/// Character sets that come back whole from utf8mb4: of each, every character that a column can hold has a place of its
/// own in Unicode (tried on MariaDB 10.11 with every byte, or pair of bytes). A text in any other one is read and written
/// as its bytes. UCS2 is not among them: half a surrogate pair is a character there, and no UTF-8.
const IN_UNICODE: [&str; 19] = [
    "utf8mb4", "utf8mb3", "utf8", "ascii", "latin1", "latin2", "latin5", "latin7", "cp850", "cp852", "cp866",
    "koi8r", "koi8u", "macroman", "macce", "keybcs2", "utf16", "utf16le", "utf32",
];

impl Column {
    /// Whether its text comes back whole from utf8mb4.
    pub(super) fn is_in_unicode(&self) -> bool {
        IN_UNICODE.contains(&self.charset.as_str())
    }

    /// Where its values come from.
    pub(super) fn origin(&self) -> Origin {
        let generated = self.generated_as.as_str();
        if generated == "ROW START" || generated == "ROW END" {
            return Origin::Period;
        }
        // `DEFAULT_GENERATED` is MySQL's word for a default that is an expression.
        let words = self.extra.to_ascii_uppercase();
        let is_generated = words.contains("VIRTUAL GENERATED")
            || words.contains("STORED GENERATED")
            || words.contains("PERSISTENT");
        if is_generated || !generated.is_empty() { Origin::Generated } else { Origin::Stored }
    }

    /// Whether it says when a row has ceased to hold, as a time.
    pub(super) fn is_row_end(&self) -> bool {
        self.generated_as == "ROW END" && self.data_type == "timestamp"
    }

    /// Whether a value of ENUM or SET is read as its number: the text of some member may mean another one, or none.
    ///
    /// A server takes the first member that is equal in the column's collation; an ENUM's empty text is also its number 0,
    /// which stands for what was no member, and a SET's is also the one without members.
    fn is_by_number(&self) -> bool {
        let members = members(&self.members);
        let is_sure = |char: char| match char {
            // A character that the server does not show.
            '?' => self.is_in_unicode(),
            // The syllables of Hangul, and the characters of Chinese, are each equal to themselves alone in all collations.
            '\0'..='\x7f' | '\u{4e00}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}' => true,
            _ => self.collation.ends_with("_bin"),
        };
        let folded: BTreeSet<String> =
            members.iter().map(|member| member.trim_end_matches(' ').to_ascii_lowercase()).collect();
        folded.len() < members.len()
            || folded.contains("")
            || !members.iter().flat_map(|text| text.chars()).all(is_sure)
    }

    /// Whether it shows two digits of a year and keeps four: 1901 and 2001 look the same.
    pub(super) fn is_short_year(&self) -> bool {
        self.data_type == "year" && !self.members.is_empty()
    }

    /// How its values are written.
    pub(super) fn form(&self) -> Form {
        match self.data_type.as_str() {
            "year" if self.is_short_year() => Form::Quoted,
            "tinyint" | "smallint" | "mediumint" | "int" | "bigint" | "decimal" | "year" => Form::Bare,
            "double" => Form::Double,
            "float" => Form::Float,
            "bit" | "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" | "vector" => {
                Form::Hex(String::new())
            }
            "geometry" | "point" | "linestring" | "polygon" | "multipoint" | "multilinestring"
            | "multipolygon" | "geometrycollection" | "geomcollection" => Form::Geometry,
            "enum" | "set" if self.is_by_number() => Form::Bare,
            "date" | "datetime" | "timestamp" | "time" | "json" | "uuid" | "inet4" | "inet6" => Form::Quoted,
            _ if self.charset.is_empty() => Form::Unknown,
            "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext"
                if self.charset == "ascii" =>
            {
                Form::Ascii
            }
            _ if self.is_in_unicode() => Form::Quoted,
            _ => Form::Hex(format!("_{} ", self.charset)),
        }
    }

    /// Whether a value of 1 GiB, the longest that there is, would come as an empty one: MariaDB counts the bytes that a text
    /// may have in utf8mb4, four for each, with 32 bits (`String::copy`; tried on 10.11).
    fn may_overflow(&self) -> bool {
        self.data_type == "longtext" && self.charset != "utf8mb4"
    }

    /// The expression that reads it.
    pub(super) fn read(&self) -> Vec<u8> {
        let (before, after): (&[u8], &[u8]) = match self.form() {
            // A function is told all of the year. Its year zero is 1900, which a server takes as 0000 alone.
            Form::Quoted if self.is_short_year() => (b"REPLACE(YEAR(", b"), '1900', '0000')"),
            // Times one, and not plus zero, because that would lose the sign of a negative zero.
            Form::Float => (b"", b"*1e0"),
            Form::Bare if !self.members.is_empty() => (b"CAST(", b" AS UNSIGNED)"),
            Form::Ascii => (b"CAST(", b" AS BINARY)"),
            // The server then sends its bytes, rather than what they are in utf8mb4.
            Form::Hex(introducer) if !introducer.is_empty() => (b"CAST(", b" AS BINARY)"),
            _ => (b"", b""),
        };
        let mut sql = before.to_vec();
        literal::name(&mut sql, &self.name);
        sql.extend_from_slice(after);
        if self.form() == Form::Quoted && self.may_overflow() {
            // Out of range is an error, which names the column.
            let name = String::from_utf8_lossy(&sql).into_owned();
            return format!("IF(LENGTH({name}) < 1 << 30, {name}, ~0 + LENGTH({name}))").into_bytes();
        }
        sql
    }
}

/// The members of `enum('a','it''s')`.
fn members(column_type: &str) -> Vec<String> {
    let Some((_, list)) = column_type.split_once('(') else { return Vec::new() };
    let (mut members, mut member) = (Vec::new(), None::<String>);
    let mut chars = list.chars().peekable();
    while let Some(char) = chars.next() {
        match (char, &mut member) {
            ('\'', None) => member = Some(String::new()),
            ('\'', Some(text)) if chars.next_if_eq(&'\'').is_some() => text.push('\''),
            ('\'', Some(_)) => members.extend(member.take()),
            (_, Some(text)) => text.push(char),
            (_, None) => {}
        }
    }
    members
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(data_type: &str, charset: &str) -> Column {
        let (data_type, charset) = (data_type.into(), charset.into());
        Column { name: "a`b".into(), data_type, charset, ..Column::default() }
    }

    #[test]
    fn a_year_of_two_digits_is_read_with_four() {
        let year = Column { members: "year(2)".into(), ..column("year", "") };
        assert_eq!(year.form(), Form::Quoted);
        assert_eq!(String::from_utf8(year.read()).unwrap(), "REPLACE(YEAR(`a``b`), '1900', '0000')");
    }

    #[test]
    fn every_type_has_its_form() {
        let bytes = || Form::Hex(String::new());
        for (data_type, charset, form, read) in [
            ("int", "", Form::Bare, "`a``b`"),
            ("decimal", "", Form::Bare, "`a``b`"),
            ("year", "", Form::Bare, "`a``b`"),
            ("double", "", Form::Double, "`a``b`"),
            ("float", "", Form::Float, "`a``b`*1e0"),
            ("bit", "", bytes(), "`a``b`"),
            ("varbinary", "", bytes(), "`a``b`"),
            ("longblob", "", bytes(), "`a``b`"),
            ("point", "", Form::Geometry, "`a``b`"),
            ("geomcollection", "", Form::Geometry, "`a``b`"),
            ("vector", "", bytes(), "`a``b`"),
            ("varchar", "utf8mb4", Form::Quoted, "`a``b`"),
            ("enum", "latin1", Form::Quoted, "`a``b`"),
            ("text", "utf16", Form::Quoted, "`a``b`"),
            ("longtext", "utf8mb4", Form::Quoted, "`a``b`"),
            ("json", "", Form::Quoted, "`a``b`"),
            ("uuid", "", Form::Quoted, "`a``b`"),
            ("inet6", "", Form::Quoted, "`a``b`"),
            ("timestamp", "", Form::Quoted, "`a``b`"),
            ("time", "", Form::Quoted, "`a``b`"),
            ("a plugin's", "", Form::Unknown, "`a``b`"),
            ("char", "ascii", Form::Ascii, "CAST(`a``b` AS BINARY)"),
            ("enum", "ascii", Form::Quoted, "`a``b`"),
            ("char", "sjis", Form::Hex("_sjis ".into()), "CAST(`a``b` AS BINARY)"),
            ("enum", "ucs2", Form::Hex("_ucs2 ".into()), "CAST(`a``b` AS BINARY)"),
            ("text", "gb18030", Form::Hex("_gb18030 ".into()), "CAST(`a``b` AS BINARY)"),
            ("varchar", "swe7", Form::Hex("_swe7 ".into()), "CAST(`a``b` AS BINARY)"),
        ] {
            let column = column(data_type, charset);
            assert_eq!(column.form(), form, "{data_type} {charset}");
            assert_eq!(column.read(), read.as_bytes(), "{data_type} {charset}");
        }
    }

    #[test]
    fn a_text_that_the_server_cannot_send_is_an_error_of_the_server() {
        let read = String::from_utf8(column("longtext", "latin1").read()).unwrap();
        assert_eq!(read, "IF(LENGTH(`a``b`) < 1 << 30, `a``b`, ~0 + LENGTH(`a``b`))");
        assert_eq!(column("longtext", "ascii").read(), b"CAST(`a``b` AS BINARY)");
    }

    #[test]
    fn what_the_server_computes_is_told_from_what_it_has_for_a_default() {
        for (extra, generated_as, origin) in [
            ("", "", Origin::Stored),
            ("auto_increment", "", Origin::Stored),
            ("DEFAULT_GENERATED on update CURRENT_TIMESTAMP", "", Origin::Stored),
            ("INVISIBLE", "", Origin::Stored),
            ("auto_increment INVISIBLE", "", Origin::Stored),
            ("VIRTUAL GENERATED", "`a` + 1", Origin::Generated),
            ("STORED GENERATED", "`a` + 1", Origin::Generated),
            ("STORED GENERATED, INVISIBLE", "(`a` + 1)", Origin::Generated),
            ("STORED GENERATED", "ROW START", Origin::Period),
            ("STORED GENERATED, INVISIBLE", "ROW END", Origin::Period),
        ] {
            let column =
                Column { extra: extra.into(), generated_as: generated_as.into(), ..Column::default() };
            assert_eq!(column.origin(), origin, "{extra} {generated_as}");
        }
    }

    #[test]
    fn members_that_are_not_told_apart_by_their_text_are_told_by_number() {
        for (column_type, collation, by_number) in [
            ("enum('a','b')", "latin1_swedish_ci", false),
            ("enum('it''s','a,b','x)')", "utf8mb4_bin", false),
            ("enum('예','아니오')", "utf8mb4_general_ci", false),
            ("enum('?','!')", "utf8mb4_general_ci", false),
            ("enum('a','A')", "latin1_swedish_ci", true),
            ("enum('a','a ')", "utf8mb4_nopad_bin", true),
            ("enum('','a')", "latin1_swedish_ci", true),
            ("set('','a')", "latin1_swedish_ci", true),
            ("set('a','ä')", "latin1_swedish_ci", true),
            ("set('a','ä')", "latin1_bin", false),
            ("set('а','б')", "utf8mb4_general_ci", true),
        ] {
            let data_type = column_type.split('(').next().unwrap().into();
            let charset = collation.split('_').next().unwrap().into();
            let (members, collation) = (column_type.into(), collation.into());
            let column =
                Column { name: "a".into(), data_type, charset, collation, members, ..Column::default() };
            let expected =
                if by_number { (Form::Bare, "CAST(`a` AS UNSIGNED)") } else { (Form::Quoted, "`a`") };
            assert_eq!(
                (column.form(), String::from_utf8(column.read()).unwrap().as_str()),
                expected,
                "{column_type}"
            );
        }
        assert_eq!(members("enum('it''s','a,b','x)')"), ["it's", "a,b", "x)"]);
    }
}
