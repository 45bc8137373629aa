//! Views and stored programs as the server would make them anew, with the session that they were made in: what
//! `SHOW CREATE` says, read as a dump reads it.

use std::collections::BTreeSet;

use super::client::{ServerClient, Sql};
use super::definition_text::{DefinitionTexts, Shown, is_changed};
use super::quoting::{quote_name, quote_text};
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
SELECT 'VIEW', TABLE_NAME, '' FROM information_schema.VIEWS WHERE TABLE_SCHEMA = DATABASE();
SELECT 'TRIGGER', TRIGGER_NAME, EVENT_OBJECT_TABLE FROM information_schema.TRIGGERS WHERE EVENT_OBJECT_SCHEMA = DATABASE()
  ORDER BY EVENT_OBJECT_TABLE, ACTION_TIMING, EVENT_MANIPULATION, ACTION_ORDER;
SELECT ROUTINE_TYPE, ROUTINE_NAME, '' FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = DATABASE()
  ORDER BY ROUTINE_TYPE, ROUTINE_NAME;
SELECT 'EVENT', EVENT_NAME, '' FROM information_schema.EVENTS WHERE EVENT_SCHEMA = DATABASE();
";

/// What makes the server show a definition in the character set in which it keeps it.
const AS_KEPT: &str = "SET character_set_results=binary;\n";

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
        let names =
            match self.query(Some(database), Sql::Read(NAMES), "listing views and stored programs", cancel) {
                Err(Error::NoDatabase { .. }) => return Ok(Vec::new()),
                names => names?,
            };
        let mut wanted = Vec::new();
        for name in names {
            let [kind, name, table] = &name[..] else { continue };
            let Some(kind) = definition_kind(kind) else { continue };
            if without.contains(table) {
                continue;
            }
            let show = format!("SHOW CREATE {} {};\n", kind.as_sql(), quote_name(name));
            wanted.push((kind, name.clone(), Some(table.clone()).filter(|table| !table.is_empty()), show));
        }
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let statements = wanted.iter().map(|(.., show)| show.as_str());
        let all: String = [AS_KEPT].into_iter().chain(statements).collect();
        let lines = match self.bytes(Some(database), Sql::Read(&all), "reading definitions", cancel) {
            Ok(shown) => shown,
            Err(error) if error.refusal().is_some() => {
                cancel.check()?;
                log::debug!("definitions are read one by one: {error}");
                let each = self.each_definition(database, wanted, cancel)?;
                return self.in_one_charset(database, each, cancel);
            }
            Err(error) => return Err(error),
        };
        let shown = if lines.len() == wanted.len() {
            let shown = wanted.into_iter().zip(lines);
            shown
                .map(|((kind, name, table, _), line)| parsed(kind, &name, table, &line))
                .collect::<Result<_>>()?
        } else {
            self.each_definition(database, wanted, cancel)?
        };
        self.in_one_charset(database, shown, cancel)
    }

    /// Definitions as a dump has them: each in one character set, and read as its own `sql_mode` reads it.
    fn in_one_charset(
        &self,
        database: &str,
        shown: Vec<Definition>,
        cancel: &Cancel,
    ) -> Result<Vec<Definition>> {
        let is_asked_for =
            |Definition { text, charset, sql_mode, .. }: &Definition| is_changed(text, charset, sql_mode);
        if !shown.iter().any(is_asked_for) {
            return Ok(shown);
        }
        let doing = "reading definitions";
        self.ask(Some(database), Sql::Read(""), doing, cancel, |connection, _| {
            let mut texts = DefinitionTexts::new(connection.session(), doing);
            let one = |definition: &Definition| {
                let Definition { kind, name, sql_mode, charset, text, .. } = definition.clone();
                let shown = Shown { text, charset };
                let Shown { text, charset } = match kind {
                    DefinitionKind::View => texts.of_view(shown, &name)?,
                    DefinitionKind::Program(kind) => texts.of_program(shown, kind, &name, &sql_mode)?,
                };
                Ok(Definition { charset, text, ..definition.clone() })
            };
            let read: Result<Vec<Definition>> = shown.iter().map(one).collect();
            read.map_err(|error| cancel.explain(error))
        })
    }

    /// Definitions, each asked for alone. A view that cannot be shown, because a table under it is damaged, is read as the
    /// server keeps it; one that is not shown so either is left out, and told of.
    fn each_definition(
        &self,
        database: &str,
        wanted: Vec<(DefinitionKind, String, Option<String>, String)>,
        cancel: &Cancel,
    ) -> Result<Vec<Definition>> {
        let mut definitions = Vec::new();
        for (kind, name, table, show) in wanted {
            let show = format!("{AS_KEPT}{show}");
            match self.bytes(Some(database), Sql::Read(&show), "reading a definition", cancel) {
                Ok(shown) => {
                    let line = shown.first().map(Vec::as_slice).unwrap_or_default();
                    definitions.push(parsed(kind, &name, table, line)?);
                }
                Err(reason) if kind == DefinitionKind::View && reason.refusal().is_some() => {
                    cancel.check()?;
                    match self.kept_view(database, &name, cancel)? {
                        Some(view) => definitions.push(view),
                        None => {
                            log::warn!(code = crate::notice::NOT_KEPT.code; "view {name} cannot be shown, and is not kept for an undo: {reason}");
                        }
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(definitions)
    }

    /// A view as the server keeps it, without a look at what it selects from.
    fn kept_view(&self, database: &str, name: &str, cancel: &Cancel) -> Result<Option<Definition>> {
        let sql = format!(
            "SELECT DEFINER, SECURITY_TYPE, ALGORITHM, CHECK_OPTION, CHARACTER_SET_CLIENT, COLLATION_CONNECTION, VIEW_DEFINITION \
             FROM information_schema.VIEWS WHERE TABLE_SCHEMA = {} AND TABLE_NAME = {};\n",
            quote_text(database),
            quote_text(name)
        );
        let Ok(rows) = self.query(None, Sql::Read(&sql), "reading a view", cancel) else {
            cancel.check()?;
            return Ok(None);
        };
        let row = rows.into_iter().next().and_then(|row| <[String; 7]>::try_from(row).ok());
        let Some([definer, security, algorithm, check, charset, collation, select]) = row else {
            return Ok(None);
        };
        let Some((user, host)) = definer.rsplit_once('@').filter(|_| !select.is_empty()) else {
            return Ok(None);
        };
        let check = if check == "NONE" { String::new() } else { format!(" WITH {check} CHECK OPTION") };
        let text = format!(
            "CREATE ALGORITHM={algorithm} DEFINER={}@{} SQL SECURITY {security} VIEW {} AS {select}{check}",
            quote_name(user),
            quote_name(host),
            quote_name(name)
        );
        let charset = if text.is_ascii() { charset } else { "utf8mb4".into() };
        Ok(Some(Definition {
            kind: DefinitionKind::View,
            name: name.to_owned(),
            table: None,
            sql_mode: String::new(),
            charset,
            collation,
            database_collation: None,
            time_zone: "SYSTEM".into(),
            text: text.into_bytes(),
        }))
    }

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
        let rows = self.query(None, Sql::Read(&sql), "listing triggers", cancel)?;
        let rows = rows.into_iter().filter_map(|row| <[String; 2]>::try_from(row).ok());
        Ok(rows.filter(|[_, table]| tables.contains(table)).map(|[trigger, _]| trigger).collect())
    }
}

/// A row of what `SHOW CREATE` answers.
fn parsed(
    kind: DefinitionKind,
    name: &str,
    table: Option<String>,
    columns: &[Vec<u8>],
) -> Result<Definition> {
    read(kind, name, table, columns).ok_or_else(|| Error::Child {
        program: "SHOW CREATE".into(),
        doing: "reading definitions".into(),
        reason: format!("the account may not see how {} {name} is defined", kind.as_sql().to_lowercase()),
    })
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
