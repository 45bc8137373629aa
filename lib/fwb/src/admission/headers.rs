//! The settings in the headers of dumps, as far as rows depend on them. A file that several dumps were appended to has several;
//! a restore loads all rows under the first.

use crate::scan::Value;

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
