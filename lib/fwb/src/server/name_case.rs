//! When a server takes two names of databases or tables for one: its `lower_case_table_names` (MariaDB's manual, "Server
//! System Variables"). The setting is asked of the server, never guessed from names.

use super::client::{ServerClient, Sql};
use crate::error::Result;
use crate::progress::Cancel;

/// How a server compares names of databases and tables.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum NameCase {
    /// `lower_case_table_names` is 0: `Shop` and `shop` are two.
    #[default]
    Sensitive,
    /// It is 1 (names are kept in lower case) or 2 (names are kept as they were written): `Shop` and `shop` are one.
    Insensitive,
}

/// The code points between which a server finds a lower case as [`char::to_lowercase`] does. Servers before MariaDB 11.5
/// and all of MySQL know the pairs of Unicode 3.0 alone (`utf8mb3_general_ci`). What only later servers fold is left out:
/// two names that a server tells apart must not become one.
const FOLDED: [(char, char); 19] = [
    ('A', '\u{12e}'),
    ('\u{132}', '\u{21e}'),
    ('\u{222}', '\u{232}'),
    ('\u{386}', '\u{3ab}'),
    ('\u{3da}', '\u{3ee}'),
    ('\u{400}', '\u{480}'),
    ('\u{48c}', '\u{4be}'),
    ('\u{4c1}', '\u{4c3}'),
    ('\u{4c7}', '\u{4c7}'),
    ('\u{4cb}', '\u{4cb}'),
    ('\u{4d0}', '\u{4f4}'),
    ('\u{4f8}', '\u{4f8}'),
    ('\u{531}', '\u{556}'),
    ('\u{1e00}', '\u{1e94}'),
    ('\u{1ea0}', '\u{1ef8}'),
    ('\u{1f08}', '\u{212b}'),
    ('\u{2160}', '\u{216f}'),
    ('\u{24b6}', '\u{24cf}'),
    ('\u{ff21}', '\u{ff3a}'),
];

impl NameCase {
    /// By the number that `SELECT @@lower_case_table_names` gives. A number that no server has yet counts as 0, because
    /// two names taken for one would mix two databases.
    pub fn of_setting(lower_case_table_names: u64) -> Self {
        match lower_case_table_names {
            1 | 2 => Self::Insensitive,
            _ => Self::Sensitive,
        }
    }

    /// Whether the server takes two names for one.
    pub fn same(self, a: &str, b: &str) -> bool {
        match self {
            Self::Sensitive => a == b,
            Self::Insensitive => a == b || a.chars().map(lower).eq(b.chars().map(lower)),
        }
    }

    /// What all names have in common that the server takes for one: to group or to look up by. It is not a name to show.
    pub fn key(self, name: &str) -> String {
        match self {
            Self::Sensitive => name.to_owned(),
            Self::Insensitive => name.chars().map(lower).collect(),
        }
    }
}

/// A character's lower case, which for the server is always one character.
fn lower(character: char) -> char {
    if character == '\u{130}' {
        return 'i';
    }
    if !FOLDED.iter().any(|(first, last)| (*first..=*last).contains(&character)) {
        return character;
    }
    let mut lower = character.to_lowercase();
    match (lower.next(), lower.next()) {
        (Some(lower), None) => lower,
        _ => character,
    }
}

impl ServerClient {
    /// How the server compares names of databases and tables.
    ///
    /// # Errors
    /// The server cannot be reached.
    pub fn name_case(&self, cancel: &Cancel) -> Result<NameCase> {
        let rows = self.query(
            None,
            Sql::Read("SELECT @@lower_case_table_names;\n"),
            "asking how the server compares names",
            cancel,
        )?;
        let setting = rows.first().and_then(|row| row.first()).and_then(|setting| setting.parse().ok());
        Ok(NameCase::of_setting(setting.unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_name_in_two_cases() {
        let cases = [
            ("shop", "shop", true),
            ("Shop", "sHOP", true),
            ("SHOP_2", "shop_2", true),
            ("ÄÖÉ", "äöé", true),
            ("ДБ", "дб", true),
            ("ΣΊΣΥΦΟΣ", "σίσυφοσ", true),
            ("Σ", "ς", false),
            ("İ", "i", true),
            ("ß", "ss", false),
            ("ẞ", "ß", false),
            ("ꙀȺ", "ꙁⱥ", false),
            ("é", "e", false),
            ("가게", "가게", true),
            ("shop", "shop ", false),
            ("", "", true),
        ];
        for (a, b, one) in cases {
            assert_eq!(NameCase::Insensitive.same(a, b), one, "{a} {b}");
            assert_eq!(NameCase::Insensitive.key(a) == NameCase::Insensitive.key(b), one, "{a} {b}");
            assert_eq!(NameCase::Sensitive.same(a, b), a == b, "{a} {b}");
            assert_eq!(NameCase::Sensitive.key(a), a);
        }
    }

    #[test]
    fn a_setting_of_tomorrow_mixes_nothing() {
        let read: Vec<NameCase> = [0, 1, 2, 3].map(NameCase::of_setting).into();
        let (two, one) = (NameCase::Sensitive, NameCase::Insensitive);
        assert_eq!(read, [two, one, one, two]);
    }
}
