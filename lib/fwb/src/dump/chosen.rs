//! What of a database is dumped: all of it, all but what is excluded, or chosen tables, sequences and views with their triggers.

use std::collections::BTreeSet;

use super::DumpOptions;
use super::excluded::Excluded;
use crate::error::{Error, Result};
use crate::manifest::ObjectKind;
use crate::progress::Cancel;
use crate::server::{NameCase, Named, ServerClient};

/// What of a database is dumped, by the names that the server has.
#[derive(Debug, Clone, Default)]
pub(super) struct Chosen {
    /// The tables, sequences and views that are dumped; none: the whole database.
    names: Option<BTreeSet<String>>,
    /// What of the whole database is left out.
    excluded: Excluded,
}

impl Chosen {
    /// Finds what was asked for in the database; none: the whole database was.
    ///
    /// # Errors
    /// A usage error where the database holds no such thing, nothing is named, or nothing would be left; the server cannot be
    /// asked.
    pub(super) fn find(server: &ServerClient, options: &DumpOptions, cancel: &Cancel) -> Result<Self> {
        let database = &options.database;
        let Some(wanted) = options.tables.as_deref() else {
            let excluded = Excluded::find(server, database, &options.exclude, cancel)?;
            return Ok(Self { names: None, excluded });
        };
        let case = server.name_case(cancel)?;
        let held = server.names(database, cancel)?.into_iter().filter_map(|named| match named {
            Named::Relation(name) => Some(name),
            Named::Object(_) => None,
        });
        let found = find(wanted, &held.collect(), case, database)?;
        Ok(Self { names: Some(found), excluded: Excluded::default() })
    }

    /// The names; none: the whole database.
    pub(super) fn names(&self) -> Option<&BTreeSet<String>> {
        self.names.as_ref()
    }

    /// What is left out of the whole database.
    pub(super) fn excluded(&self) -> &Excluded {
        &self.excluded
    }

    /// Whether a table, sequence or view is dumped.
    pub(super) fn has(&self, name: &str) -> bool {
        !self.excluded.tables.contains(name) && self.names.as_ref().is_none_or(|names| names.contains(name))
    }

    /// What the database holds of what is to be dumped: of chosen tables, themselves and their triggers. Tables that are excluded take
    /// their triggers with them.
    ///
    /// # Errors
    /// The server cannot be asked.
    pub(super) fn held(
        &self,
        server: &ServerClient,
        database: &str,
        cancel: &Cancel,
    ) -> Result<BTreeSet<Named>> {
        let mut held = server.names(database, cancel)?;
        let Some(names) = &self.names else {
            if !self.excluded.tables.is_empty() {
                let triggers = server.trigger_names(database, &self.excluded.tables, cancel)?;
                held.retain(|named| match named {
                    Named::Relation(name) => self.has(name),
                    Named::Object(object) => {
                        object.kind != ObjectKind::Trigger || !triggers.contains(&object.name)
                    }
                });
            }
            return Ok(held);
        };
        let triggers: BTreeSet<String> = server.trigger_names(database, names, cancel)?.into_iter().collect();
        held.retain(|named| match named {
            Named::Relation(name) => names.contains(name),
            Named::Object(object) => object.kind == ObjectKind::Trigger && triggers.contains(&object.name),
        });
        Ok(held)
    }
}

/// The names of `held` that are wanted. One that is written as the server has it comes before one that differs by case.
fn find(
    wanted: &[String],
    held: &BTreeSet<String>,
    case: NameCase,
    database: &str,
) -> Result<BTreeSet<String>> {
    let usage = |message: String, hint: &str| Error::Usage { message, hint: Some(hint.into()) };
    if wanted.is_empty() {
        return Err(usage(
            "no table is named".into(),
            "name tables, sequences or views, or dump the whole database",
        ));
    }
    let found = |name: &String| {
        let by_case = || held.iter().find(|held| case.same(held, name));
        held.get(name).or_else(by_case).cloned().ok_or_else(|| {
            usage(
                format!("{database} holds no table, sequence or view {name}"),
                "SHOW TABLES tells what it holds",
            )
        })
    };
    wanted.iter().map(found).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_found_as_the_server_takes_their_names() {
        let held: BTreeSet<String> = ["Files", "files", "users"].map(str::to_owned).into();
        let find = |wanted: &[&str], case| {
            let wanted: Vec<String> = wanted.iter().map(|name| (*name).to_owned()).collect();
            super::find(&wanted, &held, case, "shop").map(|found| found.into_iter().collect::<Vec<_>>())
        };
        assert_eq!(find(&["files", "users"], NameCase::Sensitive).unwrap(), ["files", "users"]);
        assert_eq!(find(&["Files", "Files"], NameCase::Insensitive).unwrap(), ["Files"]);
        assert_eq!(find(&["USERS"], NameCase::Insensitive).unwrap(), ["users"]);
        for wanted in [&["USERS"][..], &["files", "gone"], &[]] {
            assert!(matches!(find(wanted, NameCase::Sensitive), Err(Error::Usage { .. })), "{wanted:?}");
        }
    }
}
