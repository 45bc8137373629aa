//! What of a database is left out of its dump because somebody wants it so: tables, or their rows, by patterns of names.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{Error, Result};
use crate::manifest::{Exclusion, ExclusionPatterns};
use crate::progress::Cancel;
use crate::server::{NameCase, NamePattern, RelationKind, ServerClient};

/// A pattern of the names of tables, in all databases or in those that match a pattern too: `sessions`, `log_*`, `shop.log_*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TablePattern {
    text: String,
    database: Option<NamePattern>,
    table: NamePattern,
}

impl TablePattern {
    /// A pattern; the first point in it stands between database and table.
    pub fn new(text: &str) -> Self {
        let (database, table) = match text.split_once('.') {
            Some((database, table)) => (Some(NamePattern::new(database)), table),
            None => (None, text),
        };
        Self { text: text.to_owned(), database, table: NamePattern::new(table) }
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it means something of this kind and name. Views and sequences are meant by their whole names alone: patterns are
    /// for tables, which have the rows.
    fn is(&self, database: &str, name: &str, kind: RelationKind, case: NameCase) -> bool {
        (kind == RelationKind::Table || !self.table.is_pattern())
            && self.database.as_ref().is_none_or(|of| of.is(database, case))
            && self.table.is(name, case)
    }
}

/// What is to be left out of dumps.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exclude {
    /// Tables that are not to be in it: neither definition nor triggers nor rows.
    pub tables: Vec<TablePattern>,
    /// Tables whose rows are not to be in it.
    pub rows: Vec<TablePattern>,
}

impl Exclude {
    /// Whether nothing is.
    pub fn is_empty(&self) -> bool {
        self.tables.is_empty() && self.rows.is_empty()
    }

    fn all(&self) -> impl Iterator<Item = &TablePattern> {
        self.tables.iter().chain(&self.rows)
    }

    /// What of a database is left out that holds these.
    ///
    /// # Errors
    /// A usage error where no table is left whole.
    fn of(&self, database: &str, held: &BTreeMap<String, RelationKind>, case: NameCase) -> Result<Excluded> {
        let mut matched = BTreeSet::new();
        let mut found = |patterns: &[TablePattern], from: usize, tables_alone: bool| {
            let mut names = BTreeSet::new();
            for (index, pattern) in patterns.iter().enumerate() {
                let is_meant = |(name, kind): &(&String, &RelationKind)| {
                    (!tables_alone || **kind == RelationKind::Table)
                        && pattern.is(database, name, **kind, case)
                };
                for (name, _) in held.iter().filter(is_meant) {
                    matched.insert(from + index);
                    names.insert(name.clone());
                }
            }
            names
        };
        let tables = found(&self.tables, 0, false);
        let mut rows = found(&self.rows, self.tables.len(), true);
        rows.retain(|name| !tables.contains(name));
        let is_left = |name: &String| !tables.contains(name) && !rows.contains(name);
        let mut of_tables =
            held.iter().filter(|(_, kind)| **kind == RelationKind::Table).map(|(name, _)| name).peekable();
        if (!tables.is_empty() || !rows.is_empty()) && of_tables.peek().is_some() && !of_tables.any(is_left) {
            return Err(Error::Usage {
                message: format!("nothing of {database} would be left: all of its tables are excluded"),
                hint: Some(
                    "look at --exclude-table and --exclude-data; --exclude-database leaves a database out"
                        .into(),
                ),
            });
        }
        Ok(Excluded { tables, rows, matched })
    }

    /// The patterns that have matched nothing in any of these databases, as an error.
    ///
    /// # Errors
    /// A usage error that names them.
    pub(super) fn refuse_idle<'a>(&self, found: impl IntoIterator<Item = &'a Excluded>) -> Result<()> {
        let matched: BTreeSet<usize> =
            found.into_iter().flat_map(|excluded| excluded.matched.iter().copied()).collect();
        let idle = self.all().enumerate().filter(|(index, _)| !matched.contains(index));
        let idle: Vec<String> = idle.map(|(_, pattern)| format!("{:?}", pattern.as_str())).collect();
        if idle.is_empty() {
            return Ok(());
        }
        Err(Error::Usage {
            message: format!("no table that is dumped matches {}", idle.join(", ")),
            hint: Some(
                "SHOW TABLES tells what there is; views and sequences are excluded by their whole names alone".into(),
            ),
        })
    }
}

/// What of one database is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Excluded {
    /// Tables, sequences and views.
    pub(crate) tables: BTreeSet<String>,
    /// Tables whose rows are left out.
    pub(crate) rows: BTreeSet<String>,
    /// The patterns that have matched, by their places: those of tables first.
    matched: BTreeSet<usize>,
}

impl Excluded {
    /// Finds what is to be left out in a database.
    ///
    /// # Errors
    /// A usage error where no table is left whole; the server cannot be asked.
    pub(super) fn find(
        server: &ServerClient,
        database: &str,
        exclude: &Exclude,
        cancel: &Cancel,
    ) -> Result<Self> {
        if exclude.is_empty() {
            return Ok(Self::default());
        }
        exclude.of(database, &server.relations(database, cancel)?, server.name_case(cancel)?)
    }

    /// What the manifest says of it; none where nothing is left out.
    pub(super) fn told(&self, exclude: &Exclude) -> Option<Exclusion> {
        if self.tables.is_empty() && self.rows.is_empty() {
            return None;
        }
        let texts = |patterns: &[TablePattern], from: usize| {
            let matched =
                patterns.iter().enumerate().filter(|(index, _)| self.matched.contains(&(from + index)));
            matched.map(|(_, pattern)| pattern.text.clone()).collect()
        };
        Some(Exclusion {
            tables: self.tables.iter().cloned().collect(),
            rows: self.rows.iter().cloned().collect(),
            patterns: ExclusionPatterns {
                tables: texts(&exclude.tables, 0),
                rows: texts(&exclude.rows, exclude.tables.len()),
            },
            extra: serde_json::Map::new(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exclude(tables: &[&str], rows: &[&str]) -> Exclude {
        let patterns = |texts: &[&str]| texts.iter().map(|text| TablePattern::new(text)).collect();
        Exclude { tables: patterns(tables), rows: patterns(rows) }
    }

    fn held() -> BTreeMap<String, RelationKind> {
        let table =
            ["files", "log_2025", "log_2026", "sessions"].map(|name| (name.to_owned(), RelationKind::Table));
        let others = [("log_all", RelationKind::View), ("log_numbers", RelationKind::Sequence)];
        table.into_iter().chain(others.map(|(name, kind)| (name.to_owned(), kind))).collect()
    }

    #[test]
    fn patterns_mean_tables_and_whole_names_mean_anything() {
        for (tables, rows, left_out, emptied, case) in [
            (&["log_*"][..], &["sessions"][..], "log_2025 log_2026", "sessions", NameCase::Sensitive),
            (&["shop.log_????"], &["other.*", "sess*"], "log_2025 log_2026", "sessions", NameCase::Sensitive),
            (
                &["log_all", "log_numbers"],
                &["log_all", "log_2*"],
                "log_all log_numbers",
                "log_2025 log_2026",
                NameCase::Sensitive,
            ),
            (&["LOG_2025"], &["Sessions"], "", "", NameCase::Sensitive),
            (&["LOG_2025"], &["Sessions"], "log_2025", "sessions", NameCase::Insensitive),
            (&["sessions"], &["*s"], "sessions", "files", NameCase::Sensitive),
            (&["sh*.sessions"], &[], "sessions", "", NameCase::Sensitive),
        ] {
            let found = exclude(tables, rows).of("shop", &held(), case).unwrap();
            let text = |names: &BTreeSet<String>| names.iter().cloned().collect::<Vec<_>>().join(" ");
            assert_eq!(
                (text(&found.tables), text(&found.rows)),
                (left_out.into(), emptied.into()),
                "{tables:?}"
            );
        }
    }

    #[test]
    fn a_pattern_that_means_nothing_is_told_and_so_is_a_dump_of_nothing() {
        let idle = |exclude: &Exclude, databases: &[&str]| {
            let found: Vec<Excluded> =
                databases.iter().map(|of| exclude.of(of, &held(), NameCase::Sensitive).unwrap()).collect();
            exclude.refuse_idle(&found).err().map(|error| error.to_string())
        };
        assert_eq!(idle(&exclude(&["a.log_*"], &["b.sessions"]), &["a", "b"]), None);
        let told = idle(&exclude(&["a.log_*"], &["b.sessions", "gone"]), &["a"]).unwrap();
        assert!(told.contains("\"b.sessions\", \"gone\""), "{told}");
        for (tables, rows) in [(&["*"][..], &[][..]), (&[], &["*"]), (&["log*", "files"], &["sessions"])] {
            let error = exclude(tables, rows).of("shop", &held(), NameCase::Sensitive).unwrap_err();
            assert!(error.to_string().contains("nothing of shop would be left"), "{error}");
        }
        assert!(exclude(&[], &[]).of("empty", &BTreeMap::new(), NameCase::Sensitive).is_ok());
        let none = exclude(&["log_*"], &[]);
        assert_eq!(none.of("shop", &BTreeMap::new(), NameCase::Sensitive).unwrap().told(&none), None);
    }

    #[test]
    fn a_manifest_names_the_patterns_that_have_matched() {
        let exclude = exclude(&["log_*", "other.*"], &["sessions"]);
        let told = exclude.of("shop", &held(), NameCase::Sensitive).unwrap().told(&exclude).unwrap();
        assert_eq!(
            (told.patterns.tables, told.patterns.rows),
            (vec!["log_*".into()], vec!["sessions".into()])
        );
    }
}
