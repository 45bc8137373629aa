//! Which settings of a session a dump may change.

use std::collections::BTreeSet;

use super::Admitted;
use crate::scan::Value;

/// Character sets in which quotes and backslashes are never part of another character, so that the session cannot
/// change where a string ends (MariaDB's manual, "Supported Character Sets and Collations").
const CHARSETS: [&str; 32] = [
    "utf8mb4", "utf8mb3", "utf8", "latin1", "binary", "ascii", "latin2", "latin5", "latin7", "cp1250",
    "cp1251", "cp1256", "cp1257", "cp850", "cp852", "cp866", "koi8r", "koi8u", "greek", "hebrew", "euckr",
    "ujis", "eucjpms", "gb2312", "tis620", "macroman", "macce", "keybcs2", "geostd8", "armscii8", "dec8",
    "hp8",
];
/// Character sets in which a quote or a backslash may be the second byte of another character. A statement under one of
/// these is admitted where it has no byte beyond ASCII: no other character begins then.
const LEADING_CHARSETS: [&str; 4] = ["gbk", "big5", "sjis", "cp932"];
/// Session variables that dumps set to a plain value.
const SESSION_VARIABLES: [&str; 9] = [
    "TIME_ZONE",
    "UNIQUE_CHECKS",
    "FOREIGN_KEY_CHECKS",
    "CHECK_CONSTRAINT_CHECKS",
    "SQL_NOTES",
    "COLLATION_CONNECTION",
    "SQL_QUOTE_SHOW_CREATE",
    "SYSTEM_VERSIONING_INSERT_HISTORY",
    "NOTE_VERBOSITY",
];
/// Session variables that dumps set to a character set.
const CHARSET_VARIABLES: [&str; 3] = ["NAMES", "CHARACTER_SET_CLIENT", "CHARACTER_SET_RESULTS"];
/// What dumps put aside and put back: user variables, and the session variable that each one holds.
pub(crate) const PUT_ASIDE: [(&str, &str); 18] = [
    ("@OLD_CHARACTER_SET_CLIENT", "CHARACTER_SET_CLIENT"),
    ("@OLD_CHARACTER_SET_RESULTS", "CHARACTER_SET_RESULTS"),
    ("@OLD_COLLATION_CONNECTION", "COLLATION_CONNECTION"),
    ("@OLD_TIME_ZONE", "TIME_ZONE"),
    ("@OLD_UNIQUE_CHECKS", "UNIQUE_CHECKS"),
    ("@OLD_FOREIGN_KEY_CHECKS", "FOREIGN_KEY_CHECKS"),
    ("@OLD_CHECK_CONSTRAINT_CHECKS", "CHECK_CONSTRAINT_CHECKS"),
    ("@OLD_SQL_MODE", "SQL_MODE"),
    ("@OLD_SQL_NOTES", "SQL_NOTES"),
    ("@OLD_NOTE_VERBOSITY", "NOTE_VERBOSITY"),
    ("@OLD_AUTOCOMMIT", "AUTOCOMMIT"),
    ("@saved_cs_client", "CHARACTER_SET_CLIENT"),
    ("@saved_cs_results", "CHARACTER_SET_RESULTS"),
    ("@saved_col_connection", "COLLATION_CONNECTION"),
    ("@saved_sql_mode", "SQL_MODE"),
    ("@save_time_zone", "TIME_ZONE"),
    ("@saved_time_zone", "TIME_ZONE"),
    ("@old_system_versioning_insert_history", "SYSTEM_VERSIONING_INSERT_HISTORY"),
];
/// What is said of these in a dump is left out: of variables of the server or its log, and of the session's transactions,
/// because a restore commits each statement, and leaves the dump's `COMMIT` out too.
const LEFT_OUT: [&str; 3] = ["SQL_LOG_BIN", "GTID_PURGED", "AUTOCOMMIT"];

/// Judges a `SET`; the error says why it is refused.
pub(super) fn set(assignments: &[(String, Value)]) -> Result<Admitted, String> {
    let left_out = assignments.iter().filter(|(what, to)| is_left_out(what, to)).count();
    for (what, to) in assignments.iter().filter(|(what, to)| !is_left_out(what, to)) {
        let name = session_name(what).to_ascii_uppercase();
        let fine = match to {
            Value::Variable(from) if what.starts_with('@') && !what.starts_with("@@") => {
                is_put_aside(what, from)
            }
            Value::Variable(from) => puts_back(&name, from),
            // The server reads escapes in it, and whoever follows the mode does not.
            Value::Text(modes) if name == "SQL_MODE" => modes.bytes().all(is_of_modes),
            Value::Text(text) | Value::Word(text) if CHARSET_VARIABLES.contains(&name.as_str()) => {
                let none = text.eq_ignore_ascii_case("NULL") && name == "CHARACTER_SET_RESULTS";
                none || CHARSETS
                    .iter()
                    .chain(&LEADING_CHARSETS)
                    .any(|charset| text.eq_ignore_ascii_case(charset))
            }
            Value::Text(_) | Value::Word(_) => SESSION_VARIABLES.contains(&name.as_str()),
            Value::Other => false,
        };
        if !fine {
            return Err(format!("SET {what} is not allowed in a restore: no dump contains it"));
        }
    }
    match left_out {
        0 => Ok(Admitted::Load),
        all if all == assignments.len() => Ok(Admitted::Skip),
        _ => Err("it sets what a restore leaves out, and more with it: divide it in two".into()),
    }
}

/// Whether an assignment is about what is left out, or puts that aside.
fn is_left_out(what: &str, to: &Value) -> bool {
    let name = session_name(what).to_ascii_uppercase();
    let is_one = |name: &str| {
        LEFT_OUT.iter().any(|variable| name == *variable || name == format!("@@GLOBAL.{variable}"))
    };
    let puts_aside = |from: &str| {
        what.starts_with('@')
            && !what.starts_with("@@")
            && from.strip_prefix("@@").is_some_and(|from| is_one(&session_name(from).to_ascii_uppercase()))
    };
    is_one(&name) || matches!(to, Value::Variable(from) if puts_aside(from))
}

/// What a list of modes is made of.
fn is_of_modes(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b',' | b' ')
}

/// Whether a `SET` decides where strings end in what follows: the mode, the character set of statements, or what holds one.
pub(super) fn decides_quotes(assignments: &[(String, Value)]) -> bool {
    const OF_QUOTES: [&str; 3] = ["SQL_MODE", "CHARACTER_SET_CLIENT", "NAMES"];
    assignments.iter().any(|(what, _)| {
        let name = session_name(what);
        let is_one = |name: &str| OF_QUOTES.iter().any(|of| name.eq_ignore_ascii_case(of));
        is_one(name) || PUT_ASIDE.iter().any(|(aside, of)| name.eq_ignore_ascii_case(aside) && is_one(of))
    })
}

/// Whether the session's statements come in a character set of [`LEADING_CHARSETS`], as far as a dump has told.
#[derive(Debug, Default)]
pub(super) struct ClientCharset {
    leads: bool,
    /// User variables that hold such a character set, in upper case.
    aside: BTreeSet<String>,
}

impl ClientCharset {
    /// Whether a byte beyond ASCII may hide what follows it.
    pub(super) fn leads(&self) -> bool {
        self.leads
    }

    /// Takes note of a `SET` that was admitted. One that not every server executes makes nothing safer.
    pub(super) fn note(&mut self, assignments: &[(String, Value)], everywhere: bool) {
        for (what, to) in assignments {
            let name = session_name(what).to_ascii_uppercase();
            let is_client = name == "CHARACTER_SET_CLIENT" || name == "NAMES";
            let leads = match to {
                Value::Text(text) | Value::Word(text) if is_client => {
                    LEADING_CHARSETS.iter().any(|charset| text.eq_ignore_ascii_case(charset))
                }
                Value::Variable(from) if is_client => self.aside.contains(&from.to_ascii_uppercase()),
                Value::Variable(_) if what.starts_with('@') && !what.starts_with("@@") => {
                    if self.leads {
                        self.aside.insert(what.to_ascii_uppercase());
                    } else if everywhere {
                        self.aside.remove(&what.to_ascii_uppercase());
                    }
                    continue;
                }
                _ => continue,
            };
            self.leads = leads || self.leads && !everywhere;
        }
    }
}

/// A session variable's name without its scope.
pub(super) fn session_name(what: &str) -> &str {
    let bare = what.strip_prefix("@@").unwrap_or(what);
    let scope = "session.";
    match bare.get(..scope.len()) {
        Some(start) if start.eq_ignore_ascii_case(scope) => &bare[scope.len()..],
        _ if bare.contains('.') => what,
        _ => bare,
    }
}

/// `@OLD_… = @@variable`.
fn is_put_aside(user: &str, from: &str) -> bool {
    let Some(system) = from.strip_prefix("@@") else { return false };
    let log = user.eq_ignore_ascii_case("@MYSQLDUMP_TEMP_LOG_BIN");
    log || puts_back(session_name(system), user)
}

/// `variable = @OLD_…`.
fn puts_back(system: &str, user: &str) -> bool {
    PUT_ASIDE.iter().any(|(aside, of)| user.eq_ignore_ascii_case(aside) && system.eq_ignore_ascii_case(of))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_set_that_hides_quotes_is_followed_through_variables() {
        let word = |text: &str| Value::Word(text.into());
        let from = |text: &str| Value::Variable(text.into());
        let mut charset = ClientCharset::default();
        let mut set = |what: &str, to: Value, everywhere: bool| {
            charset.note(&[(what.to_owned(), to)], everywhere);
            charset.leads()
        };
        assert!(!set("@saved_cs_client", from("@@character_set_client"), true));
        assert!(set("character_set_client", word("GBK"), true));
        assert!(!set("character_set_client", from("@saved_cs_client"), true), "as mariadb-dump puts it back");
        assert!(set("NAMES", word("sjis"), false));
        assert!(set("NAMES", word("utf8mb4"), false), "some server has not executed it");
        assert!(set("@saved_cs_client", from("@@character_set_client"), true));
        assert!(!set("NAMES", word("utf8mb4"), true));
        assert!(
            set("@@session.character_set_client", from("@SAVED_CS_CLIENT"), true),
            "put aside while it led"
        );
    }
}
