//! The settings of dumps, as far as rows depend on them. A restore loads all rows under those of the first header: a file that
//! several dumps were appended to has several, and some programs change them between two tables.

use std::collections::BTreeMap;

use super::settings::session_name;
use crate::scan::Value;

/// Settings that rows depend on, as they are now; none: as they were before the dump.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct InForce {
    charset: Option<String>,
    time_zone: Option<String>,
    sql_mode: Option<String>,
}

/// Follows the settings that are in force from the header to each row.
#[derive(Debug, Default)]
pub(super) struct RowSettings {
    now: InForce,
    /// What user variables hold, by their names in upper case.
    held: BTreeMap<String, Option<String>>,
    /// What the header has left.
    of_header: Option<InForce>,
}

/// User variables that are followed: more than any dump has.
const MOST_HELD: usize = 64;

impl InForce {
    /// The setting that a session's variable stands for.
    fn of(&mut self, variable: &str) -> Option<&mut Option<String>> {
        let name = session_name(variable).to_ascii_uppercase();
        match name.as_str() {
            "NAMES" | "CHARACTER_SET_CLIENT" => Some(&mut self.charset),
            "TIME_ZONE" => Some(&mut self.time_zone),
            "SQL_MODE" => Some(&mut self.sql_mode),
            _ => None,
        }
    }

    /// The variable's name where it is none of a session's but a user's, in upper case.
    fn user_variable(name: &str) -> Option<String> {
        (name.starts_with('@') && !name.starts_with("@@")).then(|| name.to_ascii_uppercase())
    }
}

impl RowSettings {
    /// Takes note of a `SET`. The server reads all right sides before it changes anything.
    pub(super) fn observe(&mut self, assignments: &[(String, Value)]) {
        let mut before = self.now.clone();
        let held = self.held.clone();
        for (what, to) in assignments {
            let value = match to {
                Value::Text(text) | Value::Word(text) => Some(normal(text)),
                Value::Variable(from) => match InForce::user_variable(from) {
                    Some(user) => held.get(&user).cloned().flatten(),
                    None => before.of(from).cloned().flatten(),
                },
                Value::Other => continue,
            };
            if let Some(user) = InForce::user_variable(what) {
                if self.held.len() < MOST_HELD {
                    self.held.insert(user, value);
                }
            } else if let Some(setting) = self.now.of(what) {
                *setting = value;
            }
        }
    }

    /// Takes note of a statement that is no setting: the header has ended. What was put aside for this statement alone
    /// (`@saved_…`) is not of the header.
    pub(super) fn end_header(&mut self) {
        if self.of_header.is_some() {
            return;
        }
        let mut header = self.now.clone();
        for (aside, variable) in
            [("@SAVED_CS_CLIENT", "NAMES"), ("@SAVED_SQL_MODE", "SQL_MODE"), ("@SAVE_TIME_ZONE", "TIME_ZONE")]
        {
            if let (Some(held), Some(setting)) = (self.held.get(aside), header.of(variable)) {
                setting.clone_from(held);
            }
        }
        self.of_header = Some(header);
    }

    /// What rows would have that the header has not: the setting's name, in SQL.
    pub(super) fn differ(&self) -> Option<&'static str> {
        let header = self.of_header.as_ref()?;
        if header.charset != self.now.charset {
            return Some("NAMES");
        }
        if header.time_zone != self.now.time_zone {
            return Some("TIME_ZONE");
        }
        (header.sql_mode != self.now.sql_mode).then_some("SQL_MODE")
    }
}

/// A value in one form. `utf8` has two names.
fn normal(value: &str) -> String {
    let lower = value.trim().to_ascii_lowercase();
    if lower == "utf8" { "utf8mb3".into() } else { lower }
}

/// What one header sets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Header {
    names: Option<String>,
    time_zone: Option<String>,
    sql_mode: Option<String>,
}

/// The headers that have come.
#[derive(Debug, Default)]
pub(super) struct Headers {
    begun: bool,
    first: Option<Header>,
    last: Header,
}

impl Headers {
    /// Takes note of a `SET`.
    pub(super) fn observe(&mut self, assignments: &[(String, Value)]) {
        let is = |what: &str, name: &str| what.eq_ignore_ascii_case(name);
        if assignments.iter().any(|(what, _)| is(what, "@OLD_CHARACTER_SET_CLIENT")) {
            // A header begins, and the one before it is known.
            let before = std::mem::take(&mut self.last);
            if std::mem::replace(&mut self.begun, true) {
                self.first.get_or_insert(before);
            }
        }
        let keeps = |kept: &str| assignments.iter().any(|(what, _)| is(what, kept));
        for (what, to) in assignments {
            let (Value::Word(to) | Value::Text(to)) = to else { continue };
            if is(what, "NAMES") {
                self.last.names = Some(to.to_ascii_lowercase());
            } else if is(what, "TIME_ZONE") && what.starts_with('T') {
                self.last.time_zone = Some(to.clone());
            } else if is(what, "SQL_MODE") && keeps("@OLD_SQL_MODE") {
                self.last.sql_mode = Some(to.clone());
            }
        }
    }

    /// Whether all headers that have come set the same, where rows follow.
    pub(super) fn agree(&self) -> bool {
        self.first.as_ref().is_none_or(|first| *first == self.last)
    }

    /// Whether the times of rows are in UTC, as far as the header says.
    pub(super) fn is_utc(&self) -> bool {
        self.last.time_zone.as_deref() == Some("+00:00")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A restore under the header would change those rows, and count them right.
    #[test]
    fn rows_under_other_settings_than_the_header_s_are_told() {
        let text = |what: &str, to: &str| (what.to_owned(), Value::Text(to.to_owned()));
        let from = |what: &str, from: &str| (what.to_owned(), Value::Variable(from.to_owned()));
        let header = [
            vec![from("@OLD_CHARACTER_SET_CLIENT", "@@CHARACTER_SET_CLIENT")],
            vec![text("NAMES", "utf8")],
            vec![from("@OLD_SQL_MODE", "@@SQL_MODE"), text("SQL_MODE", "NO_AUTO_VALUE_ON_ZERO")],
        ];
        let around = |inside: &str| {
            [
                vec![from("@saved_cs_client", "@@character_set_client")],
                vec![text("character_set_client", inside)],
            ]
        };
        let back = vec![from("character_set_client", "@saved_cs_client")];
        let begun = || {
            let mut settings = RowSettings::default();
            header.iter().chain(&around("latin1")).for_each(|set| settings.observe(set));
            settings.end_header();
            settings
        };
        let mut settings = begun();
        assert_eq!(settings.differ(), Some("NAMES"), "not put back");
        settings.observe(&back);
        settings.observe(&[text("names", "UTF8MB3")]);
        assert_eq!(settings.differ(), None);
        settings.observe(&[text("time_zone", "+09:00")]);
        assert_eq!(settings.differ(), Some("TIME_ZONE"));
        let mut settings = begun();
        settings.observe(&back);
        settings.observe(&[from("@saved_sql_mode", "@@sql_mode"), text("@@session.sql_mode", "ANSI")]);
        assert_eq!(settings.differ(), Some("SQL_MODE"));
        settings.observe(&[from("sql_mode", "@SAVED_SQL_MODE")]);
        assert_eq!(settings.differ(), None);
    }

    #[test]
    fn headers_that_differ_are_told_from_those_that_do_not() {
        let text = |what: &str, to: &str| vec![(what.to_owned(), Value::Text(to.to_owned()))];
        let begin =
            vec![("@OLD_CHARACTER_SET_CLIENT".to_owned(), Value::Variable("@@CHARACTER_SET_CLIENT".into()))];
        let mut headers = Headers::default();
        for (names, zone, agree) in [
            ("utf8mb4", "+00:00", true),
            ("UTF8MB4", "+00:00", true),
            ("latin1", "+00:00", false),
            ("utf8mb4", "", false),
        ] {
            headers.observe(&begin);
            headers.observe(&text("NAMES", names));
            if !zone.is_empty() {
                headers.observe(&text("TIME_ZONE", zone));
            }
            headers.observe(&text("time_zone", "SYSTEM"));
            headers.observe(&text("sql_mode", "ANSI"));
            assert_eq!((headers.agree(), headers.is_utc()), (agree, !zone.is_empty()), "{names} {zone}");
        }
    }
}
