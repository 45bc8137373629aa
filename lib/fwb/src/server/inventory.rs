//! What a database holds, by kind and name.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::client::{ServerClient, Sql};
use super::quoting::{quote_name, quote_text};
use crate::error::{Error, Result};
use crate::manifest::{Object, ObjectKind};
use crate::progress::Cancel;

/// What a database holds, by kind and name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Inventory {
    /// Tables, and whether each keeps its history.
    pub(crate) tables: BTreeMap<String, bool>,
    /// Sequences.
    pub(crate) sequences: BTreeSet<String>,
    /// Views.
    pub(crate) views: BTreeSet<String>,
    /// Views that cannot be used, because what they need is gone. They are not among [`Inventory::views`].
    pub(crate) broken_views: BTreeSet<String>,
    /// Those of the tables whose engine is Aria.
    pub(crate) aria: BTreeSet<String>,
    /// Triggers, events and routines.
    pub(crate) objects: BTreeSet<Object>,
}

/// One of the things that a database holds, by its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Named {
    /// A table, a sequence or a view: no two have one name.
    Relation(String),
    /// A trigger, an event, a routine.
    Object(Object),
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Relation(name) => write!(f, "table or view {name}"),
            Self::Object(Object { kind, name }) => write!(f, "{} {name}", kind.as_sql().to_lowercase()),
        }
    }
}

/// What a table, sequence or view is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RelationKind {
    /// A table.
    Table,
    /// A sequence.
    Sequence,
    /// A view.
    View,
}

/// What is being done, for errors.
const LISTING: &str = "listing what the database holds";
/// The names of all of it. No column that makes the server open a table: a damaged one may answer with an error, or worse.
const NAMES: &str = "
SELECT 'table', IFNULL(TABLE_TYPE, 'BASE TABLE'), TABLE_NAME, IFNULL(ENGINE = 'Aria', 0)
  FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE();
SELECT 'object', ROUTINE_TYPE, ROUTINE_NAME FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = DATABASE();
SELECT 'object', 'TRIGGER', TRIGGER_NAME FROM information_schema.TRIGGERS WHERE EVENT_OBJECT_SCHEMA = DATABASE();
SELECT 'object', 'EVENT', EVENT_NAME FROM information_schema.EVENTS WHERE EVENT_SCHEMA = DATABASE();
";

/// Engines whose tables have no rows of their own.
pub(crate) const ENGINES_WITHOUT_ROWS: [&str; 7] =
    ["MRG_MyISAM", "MRG_MYISAM", "MRG_ISAM", "FEDERATED", "CONNECT", "SPIDER", "SPHINX"];

impl Inventory {
    /// Whether there is nothing at all.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether there is a table, sequence or view of this name, one that cannot be used among them.
    pub(crate) fn has_relation(&self, name: &str) -> bool {
        self.tables.contains_key(name)
            || [&self.sequences, &self.views, &self.broken_views].iter().any(|names| names.contains(name))
    }

    /// Statements that remove everything listed but for damaged tables; events first, so that none fires meanwhile.
    pub(crate) fn removal(&self, damaged: &BTreeSet<String>) -> Vec<String> {
        let drop = |what: &str, name: &String| format!("DROP {what} IF EXISTS {}", quote_name(name));
        let objects = |wanted: &'static [ObjectKind]| {
            let chosen = self.objects.iter().filter(|object| wanted.contains(&object.kind));
            chosen.map(|object| drop(object.kind.as_sql(), &object.name))
        };
        // Triggers go with their tables, package bodies with their packages.
        let mut statements: Vec<String> = objects(&[ObjectKind::Event]).collect();
        statements.extend(self.views.iter().map(|view| drop("VIEW", view)));
        let tables = self.tables.keys().filter(|table| !damaged.contains(*table));
        statements.extend(tables.map(|table| drop("TABLE", table)));
        statements.extend(self.sequences.iter().map(|sequence| drop("SEQUENCE", sequence)));
        statements.extend(objects(&[ObjectKind::Procedure, ObjectKind::Function]));
        let packages: Vec<String> = objects(&[ObjectKind::Package]).collect();
        if !packages.is_empty() {
            statements.push("SET SESSION sql_mode='ORACLE'".into());
            statements.extend(packages);
        }
        statements
    }
}

impl ServerClient {
    /// What a database holds; nothing where it does not exist.
    ///
    /// # Errors
    /// The server cannot be reached.
    pub(crate) fn inventory(&self, database: &str, cancel: &Cancel) -> Result<Inventory> {
        let mut inventory = Inventory::default();
        let rows = match self.query(Some(database), Sql::Read(NAMES), LISTING, cancel) {
            Err(Error::NoDatabase { .. }) => return Ok(inventory),
            rows => rows?,
        };
        let views = rows.iter().filter(|row| row.get(1).is_some_and(|kind| kind == "VIEW"));
        let views: Vec<&str> = views.filter_map(|row| row.get(2).map(String::as_str)).collect();
        let broken = self.broken_views(database, &views, cancel)?;
        for row in rows {
            let [what, kind, name, rest @ ..] = &row[..] else { continue };
            if rest.first().is_some_and(|is_aria| is_aria == "1") {
                inventory.aria.insert(name.clone());
            }
            match (what.as_str(), kind.as_str()) {
                ("table", "VIEW") if broken.contains(name) => {
                    inventory.broken_views.insert(name.clone());
                }
                ("table", "VIEW") => {
                    inventory.views.insert(name.clone());
                }
                ("table", "SEQUENCE") => {
                    inventory.sequences.insert(name.clone());
                }
                ("table", kind) => {
                    inventory.tables.insert(name.clone(), kind == "SYSTEM VERSIONED");
                }
                (_, kind) => {
                    inventory
                        .objects
                        .extend(object_kind(kind).map(|kind| Object { kind, name: name.clone() }));
                }
            }
        }
        Ok(inventory)
    }

    /// The names of all that a database holds.
    ///
    /// # Errors
    /// The server cannot be reached, or there is no such database.
    pub(crate) fn names(&self, database: &str, cancel: &Cancel) -> Result<BTreeSet<Named>> {
        let rows = self.query(Some(database), Sql::Read(NAMES), LISTING, cancel)?;
        let named = |row: Vec<String>| match &row[..] {
            [what, _, name, ..] if what == "table" => Some(Named::Relation(name.clone())),
            [_, kind, name, ..] => {
                object_kind(kind).map(|kind| Named::Object(Object { kind, name: name.clone() }))
            }
            _ => None,
        };
        Ok(rows.into_iter().filter_map(named).collect())
    }

    /// The tables, sequences and views of a database. None of them is opened.
    ///
    /// # Errors
    /// The server cannot be reached, or there is no such database.
    pub(crate) fn relations(
        &self,
        database: &str,
        cancel: &Cancel,
    ) -> Result<BTreeMap<String, RelationKind>> {
        let sql = "SELECT TABLE_NAME, IFNULL(TABLE_TYPE, 'BASE TABLE') FROM information_schema.TABLES \
                   WHERE TABLE_SCHEMA = DATABASE();\n";
        let rows = self.query(Some(database), Sql::Read(sql), LISTING, cancel)?;
        let relation = |row: Vec<String>| {
            let [name, kind] = <[String; 2]>::try_from(row).ok()?;
            let kind = match kind.as_str() {
                "VIEW" => RelationKind::View,
                "SEQUENCE" => RelationKind::Sequence,
                _ => RelationKind::Table,
            };
            Some((name, kind))
        };
        Ok(rows.into_iter().filter_map(relation).collect())
    }

    /// Those of these views that cannot be used. The server puts a view's error into its comment, but only where the
    /// question needs a column for which it must open the view: `TABLE_ROWS`. It opens what it is asked for by name alone.
    fn broken_views(&self, database: &str, views: &[&str], cancel: &Cancel) -> Result<BTreeSet<String>> {
        if views.is_empty() {
            return Ok(BTreeSet::new());
        }
        let schema = quote_text(database);
        let ask = |view: &&str| {
            format!(
                "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = {schema} AND TABLE_NAME = {} \
                 AND TABLE_COMMENT <> 'VIEW' AND TABLE_ROWS IS NULL;\n",
                quote_text(view)
            )
        };
        let sql: String = views.iter().map(ask).collect();
        let rows = self.query(None, Sql::Read(&sql), "looking at views", cancel)?;
        Ok(rows.into_iter().flatten().collect())
    }

    /// The names of a database's tables and sequences, damaged ones too; none where it does not exist. No table is opened.
    ///
    /// # Errors
    /// The server cannot be reached.
    pub(crate) fn table_names(&self, database: &str, cancel: &Cancel) -> Result<BTreeSet<String>> {
        let sql = format!(
            "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = {} AND IFNULL(TABLE_TYPE, '') <> 'VIEW';\n",
            quote_text(database)
        );
        let rows = self.query(None, Sql::Read(&sql), "listing tables", cancel)?;
        Ok(rows.into_iter().flatten().collect())
    }
}

/// `ROUTINE_TYPE` and the like.
fn object_kind(words: &str) -> Option<ObjectKind> {
    [
        ObjectKind::Trigger,
        ObjectKind::Event,
        ObjectKind::Procedure,
        ObjectKind::Function,
        ObjectKind::Package,
        ObjectKind::PackageBody,
    ]
    .into_iter()
    .find(|kind| kind.as_sql() == words)
}
