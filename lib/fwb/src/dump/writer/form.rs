//! How the values of a column are read and written, by its type: docs/TYPES.md has the table.

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
    /// As the result says: digits where it calls them binary, else between quotes.
    Unknown,
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

    /// How its values are written.
    pub(super) fn form(&self) -> Form {
        match self.data_type.as_str() {
            "tinyint" | "smallint" | "mediumint" | "int" | "bigint" | "decimal" | "year" => Form::Bare,
            "double" => Form::Double,
            "float" => Form::Float,
            "bit" | "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" | "vector"
            | "geometry" | "point" | "linestring" | "polygon" | "multipoint" | "multilinestring"
            | "multipolygon" | "geometrycollection" | "geomcollection" => Form::Hex(String::new()),
            "date" | "datetime" | "timestamp" | "time" | "json" | "uuid" | "inet4" | "inet6" => Form::Quoted,
            _ if self.charset.is_empty() => Form::Unknown,
            _ if self.is_in_unicode() => Form::Quoted,
            _ => Form::Hex(format!("_{} ", self.charset)),
        }
    }

    /// The expression that reads it.
    pub(super) fn read(&self) -> Vec<u8> {
        let mut sql = Vec::new();
        match self.form() {
            Form::Float => {
                literal::name(&mut sql, &self.name);
                // Times one, and not plus zero, because that would lose the sign of a negative zero.
                sql.extend_from_slice(b"*1e0");
            }
            // The server then sends its bytes, rather than what they are in utf8mb4.
            Form::Hex(introducer) if !introducer.is_empty() => {
                sql.extend_from_slice(b"CAST(");
                literal::name(&mut sql, &self.name);
                sql.extend_from_slice(b" AS BINARY)");
            }
            _ => literal::name(&mut sql, &self.name),
        }
        sql
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(data_type: &str, charset: &str) -> Column {
        let (data_type, charset) = (data_type.into(), charset.into());
        Column { name: "a`b".into(), data_type, charset, ..Column::default() }
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
            ("point", "", bytes(), "`a``b`"),
            ("geomcollection", "", bytes(), "`a``b`"),
            ("vector", "", bytes(), "`a``b`"),
            ("varchar", "utf8mb4", Form::Quoted, "`a``b`"),
            ("enum", "latin1", Form::Quoted, "`a``b`"),
            ("text", "utf16", Form::Quoted, "`a``b`"),
            ("json", "", Form::Quoted, "`a``b`"),
            ("uuid", "", Form::Quoted, "`a``b`"),
            ("inet6", "", Form::Quoted, "`a``b`"),
            ("timestamp", "", Form::Quoted, "`a``b`"),
            ("time", "", Form::Quoted, "`a``b`"),
            ("a plugin's", "", Form::Unknown, "`a``b`"),
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
}
