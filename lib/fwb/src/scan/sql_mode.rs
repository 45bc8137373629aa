//! The session's `sql_mode` as a dump sets it, for it decides how quotes are read.

use super::head::{Head, Value};
use super::tokens::QuoteMode;

/// The mode in force, and those that a dump has put aside.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SqlMode {
    now: QuoteMode,
    /// `@saved_sql_mode`, around each program.
    saved: QuoteMode,
    /// `@OLD_SQL_MODE`, around the whole dump.
    old: QuoteMode,
}

impl SqlMode {
    /// How quotes are read now.
    pub(crate) fn quotes(self) -> QuoteMode {
        self.now
    }

    /// Takes account of a statement that has ended. The server reads all right sides before it changes anything.
    pub(crate) fn apply(&mut self, head: &Head) {
        let Head::Set(assignments) = head else { return };
        let before = *self;
        for (what, to) in assignments {
            let what = what.to_ascii_lowercase();
            let mode = match to {
                Value::Text(modes) => QuoteMode::under(modes),
                Value::Variable(from) => before.held_by(&from.to_ascii_lowercase()),
                Value::Word(_) | Value::Other => continue,
            };
            match system(&what) {
                "sql_mode" => self.now = mode,
                "@saved_sql_mode" => self.saved = mode,
                "@old_sql_mode" => self.old = mode,
                _ => {}
            }
        }
    }

    fn held_by(self, variable: &str) -> QuoteMode {
        match system(variable) {
            "sql_mode" => self.now,
            "@saved_sql_mode" => self.saved,
            "@old_sql_mode" => self.old,
            _ => QuoteMode::default(),
        }
    }
}

/// A system variable's name without what says that it is the session's; other names as they are.
fn system(name: &str) -> &str {
    name.strip_prefix("@@").map_or(name, |bare| bare.strip_prefix("session.").unwrap_or(bare))
}

impl QuoteMode {
    /// How quotes work under these modes. MariaDB's manual on SQL modes: the combined modes include `ANSI_QUOTES` and the
    /// server lists what they expand to.
    pub(crate) fn under(modes: &str) -> Self {
        const ANSI: [&str; 7] = ["ANSI_QUOTES", "ANSI", "DB2", "MAXDB", "MSSQL", "ORACLE", "POSTGRESQL"];
        let has = |names: &[&str]| {
            modes.split(',').any(|mode| names.iter().any(|n| n.eq_ignore_ascii_case(mode.trim())))
        };
        QuoteMode { no_backslash: has(&["NO_BACKSLASH_ESCAPES"]), ansi: has(&ANSI) }
    }
}
