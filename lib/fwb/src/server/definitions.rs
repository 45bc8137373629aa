//! Views and stored programs as the server would make them anew, with the session that they were made in: what
//! `SHOW CREATE` says.

use std::collections::{BTreeMap, BTreeSet};

use super::client::{ServerClient, quote_name, quote_text, unescaped};
use crate::error::{Error, Result};
use crate::manifest::ObjectKind;
use crate::progress::Cancel;

/// A view or a stored program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DefinitionKind {
    /// A view.
    View,
    /// Anything else.
    Program(ObjectKind),
}

impl DefinitionKind {
    /// The words that SQL uses.
    pub(crate) fn as_sql(self) -> &'static str {
        match self {
            Self::View => "VIEW",
            Self::Program(kind) => kind.as_sql(),
        }
    }
}

/// The kind that these words of SQL mean.
pub(crate) fn definition_kind(words: &str) -> Option<DefinitionKind> {
    KINDS.into_iter().find(|kind| kind.as_sql() == words)
}

/// What makes a view or a stored program anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Definition {
    /// What it is.
    pub(crate) kind: DefinitionKind,
    /// Its name.
    pub(crate) name: String,
    /// The table of a trigger.
    pub(crate) table: Option<String>,
    /// The session's `sql_mode`.
    pub(crate) sql_mode: String,
    /// The session's `character_set_client`, which is what `text` is written in.
    pub(crate) charset: String,
    /// The session's `collation_connection`.
    pub(crate) collation: String,
    /// The database's default collation when it was made; none of a view.
    pub(crate) database_collation: Option<String>,
    /// The session's `time_zone`, which is an event's.
    pub(crate) time_zone: String,
    /// The `CREATE` statement.
    pub(crate) text: Vec<u8>,
}

impl Definition {
    /// Whether accounts can be granted it by itself (`mysql.procs_priv`).
    pub(crate) fn is_granted(&self) -> bool {
        let programs =
            [ObjectKind::Procedure, ObjectKind::Function, ObjectKind::Package, ObjectKind::PackageBody];
        programs.iter().any(|kind| self.kind == DefinitionKind::Program(*kind))
    }
}

/// Broken views are among the views: `SHOW CREATE` knows them too. Triggers of one table and moment come in the order in
/// which they run.
const NAMES: &str = "
SELECT 'VIEW', TABLE_NAME, CHARACTER_SET_CLIENT, '' FROM information_schema.VIEWS WHERE TABLE_SCHEMA = DATABASE();
SELECT 'TRIGGER', TRIGGER_NAME, 'binary', EVENT_OBJECT_TABLE FROM information_schema.TRIGGERS WHERE EVENT_OBJECT_SCHEMA = DATABASE()
  ORDER BY EVENT_OBJECT_TABLE, ACTION_TIMING, EVENT_MANIPULATION, ACTION_ORDER;
SELECT ROUTINE_TYPE, ROUTINE_NAME, 'binary', '' FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = DATABASE()
  ORDER BY ROUTINE_TYPE, ROUTINE_NAME;
SELECT 'EVENT', EVENT_NAME, 'binary', '' FROM information_schema.EVENTS WHERE EVENT_SCHEMA = DATABASE();
";

const KINDS: [DefinitionKind; 7] = [
    DefinitionKind::View,
    DefinitionKind::Program(ObjectKind::Trigger),
    DefinitionKind::Program(ObjectKind::Event),
    DefinitionKind::Program(ObjectKind::Procedure),
    DefinitionKind::Program(ObjectKind::Function),
    DefinitionKind::Program(ObjectKind::Package),
    DefinitionKind::Program(ObjectKind::PackageBody),
];

impl ServerClient {
    /// All views and stored programs of a database, but for triggers on the tables in `without`, which no server shows
    /// where it cannot open the table; none where the database does not exist.
    ///
    /// # Errors
    /// The server cannot be reached, or does not show a definition to our account.
    pub(crate) fn definitions(
        &self,
        database: &str,
        without: &BTreeSet<String>,
        cancel: &Cancel,
    ) -> Result<Vec<Definition>> {
        let names = match self.query(Some(database), NAMES, "listing views and stored programs", cancel) {
            Err(Error::NoDatabase { .. }) => return Ok(Vec::new()),
            names => names?,
        };
        let mut sql = String::new();
        let mut wanted = Vec::new();
        for name in names {
            let [kind, name, charset, table] = &name[..] else { continue };
            let Some(kind) = definition_kind(kind) else { continue };
            if without.contains(table) {
                continue;
            }
            // A program's text is kept in the charset of its maker, a view's in the server's own.
            sql += &format!(
                "SET character_set_results={charset};\nSHOW CREATE {} {};\n",
                kind.as_sql(),
                quote_name(name)
            );
            wanted.push((kind, name.clone(), Some(table.clone()).filter(|table| !table.is_empty())));
        }
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let shown = self.read(Some(database), &sql, "reading definitions", cancel)?;
        let lines = shown.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        wanted
            .into_iter()
            .zip(lines)
            .map(|((kind, name, table), line)| {
                let columns: Vec<Vec<u8>> = line.split(|byte| *byte == b'\t').map(unescaped).collect();
                read(kind, &name, table, &columns).ok_or_else(|| Error::Child {
                    program: "SHOW CREATE".into(),
                    doing: "reading definitions".into(),
                    reason: format!(
                        "the account may not see how {} {name} is defined",
                        kind.as_sql().to_lowercase()
                    ),
                })
            })
            .collect()
    }
}

/// The columns of `SHOW CREATE` (MariaDB's manual, one page for each kind).
fn read(kind: DefinitionKind, name: &str, table: Option<String>, columns: &[Vec<u8>]) -> Option<Definition> {
    let column = |index: usize| columns.get(index).map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    let (sql_mode, time_zone, text, charset) = match kind {
        DefinitionKind::View => (Some(String::new()), None, 1, 2),
        DefinitionKind::Program(ObjectKind::Event) => (column(1), column(2), 3, 4),
        DefinitionKind::Program(_) => (column(1), None, 2, 3),
    };
    let text = columns
        .get(text)
        .filter(|text| text.get(..6).is_some_and(|word| word.eq_ignore_ascii_case(b"CREATE")))?;
    Some(Definition {
        kind,
        name: name.to_owned(),
        table,
        sql_mode: sql_mode?,
        charset: column(charset)?,
        collation: column(charset + 1)?,
        database_collation: column(charset + 2).filter(|_| kind != DefinitionKind::View),
        time_zone: time_zone.unwrap_or_else(|| "SYSTEM".into()),
        text: text.clone(),
    })
}

/// The `GRANT` statement for a row of `mysql.procs_priv`.
fn grant(
    database: &str,
    user: &str,
    host: &str,
    name: String,
    kind: &str,
    rights: &str,
) -> Option<(ObjectKind, String, String)> {
    let kind = match definition_kind(kind)? {
        DefinitionKind::Program(kind) => kind,
        DefinitionKind::View => return None,
    };
    let (given, options): (Vec<&str>, Vec<&str>) =
        rights.split(',').filter(|right| !right.is_empty()).partition(|right| *right != "Grant");
    let given = if given.is_empty() { vec!["USAGE"] } else { given };
    let option = if options.is_empty() { "" } else { " WITH GRANT OPTION" };
    let text = |text: &str| format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"));
    // A role has no host.
    let account = if host.is_empty() { quote_name(user) } else { format!("{}@{}", text(user), text(host)) };
    let statement = format!(
        "GRANT {} ON {} {}.{} TO {account}{option}",
        given.join(", "),
        kind.as_sql(),
        quote_name(database),
        quote_name(&name),
    );
    Some((kind, name, statement))
}

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
    /// The names of the triggers on these tables. No table is opened.
    ///
    /// # Errors
    /// The server cannot be reached.
    pub(crate) fn trigger_names(
        &self,
        database: &str,
        tables: &BTreeSet<String>,
        cancel: &Cancel,
    ) -> Result<Vec<String>> {
        let sql = format!(
            "SELECT TRIGGER_NAME, EVENT_OBJECT_TABLE FROM information_schema.TRIGGERS WHERE EVENT_OBJECT_SCHEMA = {};\n",
            quote_text(database)
        );
        let rows = self.query(None, &sql, "listing triggers", cancel)?;
        let rows = rows.into_iter().filter_map(|row| <[String; 2]>::try_from(row).ok());
        Ok(rows.filter(|[_, table]| tables.contains(table)).map(|[trigger, _]| trigger).collect())
    }

    /// Who may execute which stored programs of a database, as the `GRANT` statements that say so again, each with the
    /// program's kind and name; an error where the account may not see it.
    ///
    /// # Errors
    /// The server cannot be reached, or does not show its grants to our account.
    pub(crate) fn program_grants(
        &self,
        database: &str,
        cancel: &Cancel,
    ) -> Result<Vec<(ObjectKind, String, String)>> {
        let sql = format!(
            "SELECT User, Host, Routine_name, Routine_type, Proc_priv FROM mysql.procs_priv WHERE Db = {};\n",
            quote_text(database)
        );
        let rows = self.query(None, &sql, "looking at the grants on stored programs", cancel)?;
        let rows = rows.into_iter().filter_map(|row| <[String; 5]>::try_from(row).ok());
        Ok(rows
            .filter_map(|[user, host, name, kind, rights]| {
                grant(database, &user, &host, name, &kind, &rights)
            })
            .collect())
    }

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
        for row in self.query(None, &sql, "looking at foreign keys", cancel)? {
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
        let rows = self.query(None, &sql, "looking at foreign keys", cancel)?;
        Ok(rows
            .into_iter()
            .filter_map(|row| Some((format!("{}.{}", row.first()?, row.get(1)?), row.get(2)?.clone())))
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grants_on_programs_are_said_again() {
        let said = |user: &str, host: &str, kind: &str, rights: &str| {
            grant("d", user, host, "p`q".into(), kind, rights).map(|(_, _, statement)| statement)
        };
        assert_eq!(
            said("app", "%", "PROCEDURE", "Execute,Alter Routine"),
            Some("GRANT Execute, Alter Routine ON PROCEDURE `d`.`p``q` TO 'app'@'%'".into())
        );
        assert_eq!(
            said("o'x", "h", "FUNCTION", "Grant"),
            Some("GRANT USAGE ON FUNCTION `d`.`p``q` TO 'o''x'@'h' WITH GRANT OPTION".into())
        );
        let package = said("readers", "", "PACKAGE BODY", "Execute").unwrap();
        assert!(package.contains("ON PACKAGE BODY") && package.ends_with("TO `readers`"), "{package}");
    }
}
