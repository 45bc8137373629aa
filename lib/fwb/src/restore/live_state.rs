//! What a live database is, by the names, identities and definitions of what is in it: looked at before a restore and after
//! one that failed, so that "is as it was" is said only where it is.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{Error, Result};
use crate::progress::Cancel;
use crate::server::{Definition, DefinitionKind, ServerClient};

/// How many differences an error names.
const NAMED: usize = 5;

/// A look at a live database. Rows are not looked at: whoever uses the database may have changed them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct LiveState {
    /// Default character set and collation; none where the database does not exist.
    pub(super) charset: Option<(String, String)>,
    /// Tables and sequences, each with the storage engine's number for it where the account may see that.
    pub(super) tables: BTreeMap<String, Option<String>>,
    /// Views and stored programs.
    pub(super) definitions: Vec<Definition>,
    /// Tables whose triggers the server does not show.
    damaged: BTreeSet<String>,
}

impl LiveState {
    /// Looks at `database`; `damaged` names tables that the server cannot open.
    ///
    /// # Errors
    /// The server cannot be reached.
    pub(super) fn read(
        server: &ServerClient,
        database: &str,
        damaged: &BTreeSet<String>,
        cancel: &Cancel,
    ) -> Result<Self> {
        let charset = server.database_charset(database, cancel)?;
        let names = server.table_names(database, cancel)?;
        let identities = server.table_numbers(database, cancel)?.unwrap_or_default();
        let tables = names.into_iter().map(|name| {
            let identity = identities.get(&name).cloned();
            (name, identity)
        });
        let mut definitions = server.definitions(database, damaged, cancel)?;
        definitions
            .sort_by(|one, other| (one.kind.as_sql(), &one.name).cmp(&(other.kind.as_sql(), &other.name)));
        Ok(Self { charset, tables: tables.collect(), definitions, damaged: damaged.clone() })
    }

    /// Whether there is a table, sequence or view with one of these names.
    pub(super) fn has_any(&self, names: &BTreeSet<String>) -> bool {
        let is_view = |definition: &&Definition| definition.kind == DefinitionKind::View;
        let views = self.definitions.iter().filter(is_view).map(|view| &view.name);
        self.tables.keys().chain(views).any(|name| names.contains(name))
    }

    /// The same of tables that are made anew.
    pub(super) fn without_identities(&self) -> Self {
        let tables = self.tables.keys().map(|table| (table.clone(), None)).collect();
        Self { tables, ..self.clone() }
    }

    /// What differs now.
    pub(super) fn differences(&self, now: &Self) -> Vec<String> {
        let mut differences = Vec::new();
        if self.charset.is_some() != now.charset.is_some() {
            let verb = if now.charset.is_some() { "exists now" } else { "is gone" };
            differences.push(format!("the database {verb}"));
        } else if self.charset != now.charset {
            differences.push("its default character set is another one".into());
        }
        for (table, identity) in &self.tables {
            match now.tables.get(table) {
                None => differences.push(format!("table {table} is gone")),
                Some(other) if identity.is_some() && other.is_some() && identity != other => {
                    differences.push(format!("table {table} is another one"));
                }
                Some(_) => {}
            }
        }
        let new = now.tables.keys().filter(|table| !self.tables.contains_key(*table));
        differences.extend(new.map(|table| format!("table {table} is new")));
        let find = |state: &'_ Self, wanted: &Definition| {
            let same = |other: &&Definition| other.kind == wanted.kind && other.name == wanted.name;
            state.definitions.iter().find(same).cloned()
        };
        let say = |definition: &Definition, what: &str| {
            format!("{} {} {what}", definition.kind.as_sql().to_lowercase(), definition.name)
        };
        for old in &self.definitions {
            match find(now, old) {
                None => differences.push(say(old, "is gone")),
                Some(new) if !is_same(&new, old) => differences.push(say(old, "is another one")),
                Some(_) => {}
            }
        }
        let new = now.definitions.iter().filter(|new| find(self, new).is_none());
        differences.extend(new.map(|new| say(new, "is new")));
        differences
    }

    /// The error of a restore that failed for `cause` before it had changed anything, or after all was put back: it says
    /// that the database is as it was only where that is so.
    pub(super) fn after_failure(
        &self,
        cause: Error,
        server: &ServerClient,
        database: &str,
        cancel: &Cancel,
    ) -> Error {
        let (cause, database) = (Box::new(cause), database.to_owned());
        match Self::read(server, &database, &self.damaged, &cancel.with_grace()) {
            Ok(now) => {
                let differences = self.differences(&now);
                if differences.is_empty() {
                    return Error::Untouched { cause, database };
                }
                Error::NotAsItWas { cause, database, difference: named(&differences) }
            }
            Err(error) => Error::NotLooked { cause, database, error: error.to_string() },
        }
    }
}

/// Whether two definitions say the same. A server that renames a table, and renames it back, writes the table's name with
/// quotes into the texts of its triggers.
fn is_same(one: &Definition, other: &Definition) -> bool {
    let bare = |text: &[u8]| -> Vec<u8> {
        text.iter().filter(|byte| **byte != b'`' && !byte.is_ascii_whitespace()).copied().collect()
    };
    let without_text = |definition: &Definition| Definition { text: Vec::new(), ..definition.clone() };
    without_text(one) == without_text(other) && bare(&one.text) == bare(&other.text)
}

/// The first of several differences.
pub(super) fn named(differences: &[String]) -> String {
    let mut text = differences[..differences.len().min(NAMED)].join("; ");
    if differences.len() > NAMED {
        text += &format!("; and {} more", differences.len() - NAMED);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::ObjectKind;
    use crate::server::DefinitionKind;

    fn state() -> LiveState {
        let trigger = Definition {
            kind: DefinitionKind::Program(ObjectKind::Trigger),
            name: "tr".into(),
            table: Some("a".into()),
            sql_mode: String::new(),
            charset: "utf8mb4".into(),
            collation: "utf8mb4_general_ci".into(),
            database_collation: None,
            time_zone: "SYSTEM".into(),
            text: b"CREATE TRIGGER tr".to_vec(),
        };
        LiveState {
            charset: Some(("utf8mb4".into(), "utf8mb4_bin".into())),
            tables: [("a".into(), Some("17".into())), ("b".into(), None)].into(),
            definitions: vec![trigger],
            damaged: BTreeSet::new(),
        }
    }

    #[test]
    fn each_difference_is_told() {
        let changed = |change: fn(&mut LiveState)| {
            let mut now = state();
            change(&mut now);
            state().differences(&now)
        };
        assert_eq!(changed(|_| {}), [""; 0]);
        assert_eq!(changed(|now| drop(now.tables.remove("a"))), ["table a is gone"]);
        assert_eq!(changed(|now| now.tables.extend([("c".into(), None)])), ["table c is new"]);
        assert_eq!(
            changed(|now| now.tables.extend([("a".into(), Some("18".into()))])),
            ["table a is another one"]
        );
        // What nobody may see cannot differ.
        assert_eq!(
            changed(|now| now.tables.extend([("a".into(), None), ("b".into(), Some("3".into()))])),
            [""; 0]
        );
        assert_eq!(changed(|now| now.definitions[0].text = b"CREATE TRIGGER `tr`".to_vec()), [""; 0]);
        assert_eq!(changed(|now| now.definitions.clear()), ["trigger tr is gone"]);
        assert_eq!(changed(|now| now.definitions[0].table = Some("b".into())), ["trigger tr is another one"]);
        assert_eq!(
            changed(|now| now.definitions[0].name = "tx".into()),
            ["trigger tr is gone", "trigger tx is new"]
        );
        assert_eq!(changed(|now| now.charset = None), ["the database is gone"]);
        assert_eq!(
            changed(|now| now.charset = Some(("latin1".into(), "latin1_bin".into()))),
            ["its default character set is another one"]
        );
    }
}
