//! Foreign keys of a database's tables, and the statements that make them anew.

use std::collections::BTreeMap;

use super::client::{ServerClient, Sql};
use super::quoting::{quote_name, quote_text};
use crate::error::Result;
use crate::progress::Cancel;

/// A foreign key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ForeignKey {
    /// The database and table that have it.
    pub(crate) child: (String, String),
    /// Its name.
    pub(crate) name: String,
    /// The database and table that it refers to.
    pub(crate) parent: (String, String),
    /// What follows the referenced table's name, and what precedes it, in `ADD CONSTRAINT`.
    columns: Vec<(String, String)>,
    on_update: String,
    on_delete: String,
    /// The index that its columns begin.
    index: Option<String>,
}

impl ForeignKey {
    /// A foreign key of one column, for tables of cases.
    #[cfg(test)]
    pub(crate) fn example(name: &str, child: (&str, &str), parent: (&str, &str)) -> Self {
        let place = |(database, table): (&str, &str)| (database.to_owned(), table.to_owned());
        Self {
            child: place(child),
            name: name.to_owned(),
            parent: place(parent),
            columns: vec![("up".into(), "id".into())],
            on_update: "RESTRICT".into(),
            on_delete: "CASCADE".into(),
            index: Some(name.to_owned()),
        }
    }

    /// Statements that make it anew, referring to the parent in `database`: on the child in database `child`, under its
    /// own name, and with its index.
    pub(crate) fn again(&self, child: &str, database: &str) -> Vec<String> {
        let table = format!("ALTER TABLE {}.{}", quote_name(child), quote_name(&self.child.1));
        let name = quote_name(&self.name);
        let mut again = vec![
            format!("{table} DROP FOREIGN KEY IF EXISTS {name}"),
            format!("{table} {}", self.constraint(database)),
        ];
        // The server gives an index that it has made for a foreign key the name of the new one.
        if let Some(index) = self.index.as_ref().filter(|index| **index != self.name) {
            again.push(format!("{table} RENAME INDEX IF EXISTS {name} TO {}", quote_name(index)));
        }
        again
    }

    /// Statements that give it another name: on the child in database `child`, referring to the parent in `parent`. It is at
    /// work all the time. What it is called now, or was called before a first try, is `from`.
    pub(crate) fn renamed(&self, child: &str, parent: &str, from: &str, to: &str) -> Vec<String> {
        let table = format!("ALTER TABLE {}.{}", quote_name(child), quote_name(&self.child.1));
        let (old, new) = (quote_name(from), quote_name(to));
        let constraint = Self { name: to.to_owned(), ..self.clone() }.constraint(parent);
        let mut statements = vec![
            format!("{table} DROP FOREIGN KEY IF EXISTS {new}"),
            format!("{table} DROP FOREIGN KEY IF EXISTS {old}, {constraint}"),
        ];
        // As in `again`.
        if let Some(index) = self.index.as_ref().filter(|index| *index != to) {
            statements.push(format!("{table} RENAME INDEX IF EXISTS {new} TO {}", quote_name(index)));
        }
        statements
    }

    /// Whether the server gave it its name, by its table's: such a name changes with the table's.
    pub(crate) fn is_named_by_table(&self) -> bool {
        self.name.strip_prefix(&self.child.1).is_some_and(|rest| rest.starts_with("_ibfk_"))
    }

    /// `ADD CONSTRAINT …`, referring to the parent in `database`.
    pub(crate) fn constraint(&self, database: &str) -> String {
        let list = |names: Vec<&String>| {
            names.into_iter().map(|name| quote_name(name)).collect::<Vec<_>>().join(", ")
        };
        let own = list(self.columns.iter().map(|(own, _)| own).collect());
        let theirs = list(self.columns.iter().map(|(_, theirs)| theirs).collect());
        // What the server calls RESTRICT was given no rule.
        let rule = |when: &str, rule: &str| {
            if rule == "RESTRICT" { String::new() } else { format!(" ON {when} {rule}") }
        };
        format!(
            "ADD CONSTRAINT {} FOREIGN KEY ({own}) REFERENCES {}.{} ({theirs}){}{}",
            quote_name(&self.name),
            quote_name(database),
            quote_name(&self.parent.1),
            rule("DELETE", &self.on_delete),
            rule("UPDATE", &self.on_update),
        )
    }
}

impl ServerClient {
    /// The foreign keys of a database's tables.
    ///
    /// # Errors
    /// The server cannot be reached.
    pub(crate) fn foreign_keys(&self, database: &str, cancel: &Cancel) -> Result<Vec<ForeignKey>> {
        let name = quote_text(database);
        // A join of the two would open every table for every other.
        let sql = format!(
            "SELECT 'rule', TABLE_NAME, CONSTRAINT_NAME, UPDATE_RULE, DELETE_RULE FROM information_schema.REFERENTIAL_CONSTRAINTS \
             WHERE CONSTRAINT_SCHEMA = {name};\n\
             SELECT 'column', TABLE_NAME, CONSTRAINT_NAME, REFERENCED_TABLE_SCHEMA, REFERENCED_TABLE_NAME, COLUMN_NAME, \
             REFERENCED_COLUMN_NAME FROM information_schema.KEY_COLUMN_USAGE WHERE TABLE_SCHEMA = {name} \
             AND REFERENCED_TABLE_NAME IS NOT NULL ORDER BY TABLE_NAME, CONSTRAINT_NAME, ORDINAL_POSITION;\n\
             SELECT TABLE_NAME, INDEX_NAME, COLUMN_NAME FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = {name} \
             ORDER BY TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX;\n"
        );
        let mut indexes: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
        let mut rules: BTreeMap<(String, String), (String, String)> = BTreeMap::new();
        let mut keys: Vec<ForeignKey> = Vec::new();
        for row in self.query(None, Sql::Read(&sql), "looking at foreign keys", cancel)? {
            match &row[..] {
                [table, index, column] => {
                    indexes.entry((table.clone(), index.clone())).or_default().push(column.clone());
                }
                [_, table, constraint, on_update, on_delete] => {
                    let rule = (on_update.clone(), on_delete.clone());
                    rules.insert((table.clone(), constraint.clone()), rule);
                }
                [_, table, constraint, parent_database, parent, column, referenced] => {
                    let child = (database.to_owned(), table.clone());
                    let columns = (column.clone(), referenced.clone());
                    match keys.last_mut() {
                        Some(last) if last.child == child && last.name == *constraint => {
                            last.columns.push(columns);
                        }
                        _ => keys.push(ForeignKey {
                            child,
                            name: constraint.clone(),
                            parent: (parent_database.clone(), parent.clone()),
                            columns: vec![columns],
                            on_update: "RESTRICT".into(),
                            on_delete: "RESTRICT".into(),
                            index: None,
                        }),
                    }
                }
                _ => {}
            }
        }
        for key in &mut keys {
            if let Some((on_update, on_delete)) = rules.remove(&(key.child.1.clone(), key.name.clone())) {
                key.on_update = on_update;
                key.on_delete = on_delete;
            }
            let own = |columns: &Vec<String>| {
                let begin = columns.iter().zip(&key.columns).filter(|(column, (own, _))| *column == own);
                begin.count() == key.columns.len()
            };
            let mut found =
                indexes.iter().filter(|((table, _), columns)| *table == key.child.1 && own(columns));
            key.index = found.next().map(|((_, index), _)| index.clone());
        }
        Ok(keys)
    }

    /// Tables of other databases with foreign keys to this one's, as (database and table, the table referred to).
    ///
    /// # Errors
    /// The server cannot be reached.
    pub(crate) fn foreign_children(&self, database: &str, cancel: &Cancel) -> Result<Vec<(String, String)>> {
        let name = quote_text(database);
        let sql = format!(
            "SELECT CONSTRAINT_SCHEMA, TABLE_NAME, REFERENCED_TABLE_NAME FROM information_schema.REFERENTIAL_CONSTRAINTS \
             WHERE UNIQUE_CONSTRAINT_SCHEMA = {name} AND CONSTRAINT_SCHEMA <> {name};\n"
        );
        let rows = self.query(None, Sql::Read(&sql), "looking at foreign keys", cancel)?;
        Ok(rows
            .into_iter()
            .filter_map(|row| Some((format!("{}.{}", row.first()?, row.get(1)?), row.get(2)?.clone())))
            .collect())
    }
}
