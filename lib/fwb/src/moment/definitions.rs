//! The definitions of a database, from whichever dump, so that two can be held against each other.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::dump::uncounted;
use crate::scan::{Head, Statement, Verb};

/// Settings of the session that become part of what a statement makes.
const KEPT_BY_PROGRAMS: [&str; 5] =
    ["sql_mode", "character_set_client", "character_set_results", "collation_connection", "time_zone"];

/// What stands for the database's own collation among them.
const DATABASE: &str = "collation_database";

/// What a dump makes, each by what it is, with a hash of its text and of the settings that it keeps. Where counters of tables
/// stand is left out: a server gives numbers out ahead of rows, and those that were taken back are in no log.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Definitions {
    made: BTreeMap<String, [u8; 32]>,
    settings: BTreeMap<String, String>,
}

impl Definitions {
    /// Of a database with this default collation, as far as a program was not made under another one.
    pub(super) fn under(collation: &str) -> Self {
        let settings = [(DATABASE.to_owned(), collation.to_owned())].into();
        Self { made: BTreeMap::new(), settings }
    }

    /// Takes a statement of the dump.
    pub(super) fn observe(&mut self, statement: &Statement<'_>) {
        match statement.head {
            Head::Set(assignments) => {
                for (name, value) in assignments {
                    let name = name.rsplit(['.', '@']).next().unwrap_or(name).to_ascii_lowercase();
                    if KEPT_BY_PROGRAMS.contains(&name.as_str()) {
                        self.settings.insert(name, format!("{value:?}"));
                    }
                }
            }
            Head::AlterDatabase(database) => {
                self.settings.insert(DATABASE.into(), database.collation.clone());
            }
            Head::Table(Verb::Create, target) => {
                let text = uncounted(statement.text, statement.mode.quotes());
                let text = text.as_deref().unwrap_or(statement.text);
                self.note(format!("table {}", target.name), text, false);
            }
            // A stand-in comes before the view, and has its name.
            Head::View(Verb::Create, target) => {
                self.note(format!("view {}", target.name), statement.text, true);
            }
            Head::Sequence(Verb::Create, target) => {
                self.note(format!("sequence {}", target.name), statement.text, false);
            }
            Head::SetVal(target) => {
                self.note(format!("the state of sequence {}", target.name), statement.text, false);
            }
            Head::Program(Verb::Create, kind, target) => {
                let what = format!("{} {}", kind.as_sql().to_lowercase(), target.name);
                self.note(what, without_end(statement.text), true);
            }
            _ => {}
        }
    }

    fn note(&mut self, what: String, text: &[u8], keeps_settings: bool) {
        let mut hash = Sha256::new();
        if keeps_settings {
            for (name, value) in &self.settings {
                hash.update(format!("{name}={value}\n"));
            }
        }
        hash.update(text);
        self.made.insert(what, hash.finalize().into());
    }

    /// What differs of `made` from these, which are those of the backup.
    pub(super) fn differences(&self, made: &Self) -> Vec<String> {
        let mut differences = Vec::new();
        for (what, hash) in &self.made {
            match made.made.get(what) {
                None => differences.push(format!("{what} is in the backup, and base and log do not make it")),
                Some(other) if other != hash => {
                    differences
                        .push(format!("{what} is defined otherwise in the backup than base and log make it"));
                }
                Some(_) => {}
            }
        }
        let besides = made.made.keys().filter(|what| !self.made.contains_key(*what));
        differences
            .extend(besides.map(|what| format!("{what} is not in the backup, and base and log make it")));
        differences
    }

    /// Forgets what is not compared.
    pub(super) fn leave_out(&mut self, what: &str) {
        self.made.remove(what);
    }
}

/// A statement without the semicolons that end it. `MySQL` keeps one as the last byte of an event's body where a client sent several
/// statements at once, and leaves it out where the log or a restore brings the statement alone.
fn without_end(mut text: &[u8]) -> &[u8] {
    while let [rest @ .., b';' | b' ' | b'\t' | b'\r' | b'\n'] = text {
        text = rest;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::Feed;

    fn of(sql: &str) -> Definitions {
        let mut definitions = Definitions::default();
        let mut observer = |statement: &Statement<'_>| {
            definitions.observe(statement);
            Ok(())
        };
        let mut feed = Feed::new();
        feed.push(sql.as_bytes(), &mut observer).unwrap();
        feed.finish(&mut observer).unwrap();
        definitions
    }

    #[test]
    fn what_differs_is_named() {
        let table = "CREATE TABLE `t` (`a` int AUTO_INCREMENT) ENGINE=InnoDB AUTO_INCREMENT=7 COMMENT='AUTO_INCREMENT=8';\n";
        let view = "/*!50001 CREATE VIEW `v` AS SELECT 1 */;\n";
        assert!(of(table).differences(&of(&table.replace("=7", "=4711"))).is_empty());
        assert_eq!(of(table).differences(&of(&table.replace("=8", "=9"))).len(), 1);
        assert_eq!(
            of(&format!("{table}{view}")).differences(&of(table)),
            ["view v is in the backup, and base and log do not make it"]
        );
        assert_eq!(
            of(table).differences(&of(&format!("{table}{view}"))),
            ["view v is not in the backup, and base and log make it"]
        );
    }

    #[test]
    fn the_end_of_a_statement_is_no_part_of_a_program() {
        let event = |end: &str| {
            of(&format!(
                "DELIMITER ;;\nCREATE EVENT `e` ON SCHEDULE EVERY 1 DAY DO DELETE FROM t{end}\n;;\nDELIMITER ;\n"
            ))
        };
        assert!(event("").differences(&event(";")).is_empty());
        assert_eq!(event("").differences(&event("2;")).len(), 1);
    }

    #[test]
    fn the_session_is_part_of_a_program() {
        let of_mode = |mode: &str| {
            of(&format!(
                "/*!50003 SET sql_mode = '{mode}' */ ;\nDELIMITER ;;\nCREATE PROCEDURE `p`() SELECT 1 ;;\nDELIMITER ;\n"
            ))
        };
        assert!(of_mode("ANSI").differences(&of_mode("ANSI")).is_empty());
        assert_eq!(
            of_mode("ANSI").differences(&of_mode("")),
            ["procedure p is defined otherwise in the backup than base and log make it"]
        );
    }
}
