//! The session's `sql_mode` as a dump sets it, for it decides how quotes are read.

use super::head::{Head, Value};
use super::tokens::QuoteMode;

/// The mode in force, and the one that a dump has put aside in `@saved_sql_mode`.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SqlMode {
    now: QuoteMode,
    saved: QuoteMode,
}

impl SqlMode {
    /// How quotes are read now.
    pub(crate) fn quotes(self) -> QuoteMode {
        self.now
    }

    /// Takes account of a statement that has ended.
    pub(super) fn apply(&mut self, head: &Head) {
        let Head::Set(assignments) = head else { return };
        for (what, to) in assignments {
            let what = what.trim_start_matches("@@").trim_start_matches("session.");
            match to {
                Value::Text(modes) if what.eq_ignore_ascii_case("sql_mode") => self.now = quotes_under(modes),
                Value::Variable(from)
                    if what.eq_ignore_ascii_case("@saved_sql_mode")
                        && from.to_ascii_lowercase().ends_with("sql_mode") =>
                {
                    self.saved = self.now;
                }
                Value::Variable(from) if what.eq_ignore_ascii_case("sql_mode") => {
                    let ours = from.eq_ignore_ascii_case("@saved_sql_mode");
                    self.now = if ours { self.saved } else { QuoteMode::default() };
                }
                _ => {}
            }
        }
    }
}

/// MariaDB's manual on SQL modes: the combined modes include `ANSI_QUOTES` and the server lists what they expand to.
fn quotes_under(modes: &str) -> QuoteMode {
    const ANSI: [&str; 7] = ["ANSI_QUOTES", "ANSI", "DB2", "MAXDB", "MSSQL", "ORACLE", "POSTGRESQL"];
    let has = |names: &[&str]| {
        modes.split(',').any(|mode| names.iter().any(|n| n.eq_ignore_ascii_case(mode.trim())))
    };
    QuoteMode { no_backslash: has(&["NO_BACKSLASH_ESCAPES"]), ansi: has(&ANSI) }
}
