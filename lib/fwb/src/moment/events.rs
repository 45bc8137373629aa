//! Whether events run. A replica disables what its source creates or alters; what the statements said is noted as they pass, and is
//! what holds in the end.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use fwb_binlog::Query;

use crate::binlog::{Subject, qualified, tokens_of};
use crate::drill::Furnished;
use crate::error::Result;
use crate::progress::Cancel;
use crate::server::{Flavor, Role, Sql, account_name, quote_name, quote_text};

/// Whether an event runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    Enabled,
    Disabled,
    /// `DISABLE ON SLAVE`, `DISABLE ON REPLICA`: it ran on another server than the one that was dumped.
    OfReplica,
}

/// What the statements so far have said, by names in lower case: names of events are compared without case.
#[derive(Debug, Clone, Default)]
pub(super) struct Events(Arc<Mutex<BTreeMap<String, Status>>>);

/// What a statement does to an event.
#[derive(Debug, PartialEq, Eq)]
enum Change {
    Created { name: String, status: Status, unless_there: bool },
    Altered { name: String, status: Option<Status>, renamed: Option<String> },
    Dropped { name: String },
}

impl Events {
    /// Begins with the base's.
    ///
    /// # Errors
    /// The server cannot be asked.
    pub(super) fn of_base(server: &Furnished, cancel: &Cancel) -> Result<Self> {
        let statuses = read(server, cancel)?;
        Ok(Self(Arc::new(Mutex::new(
            statuses.into_iter().map(|(name, status)| (name.to_lowercase(), status)).collect(),
        ))))
    }

    /// Begins anew with what these begin with.
    pub(super) fn begin_with(&self, base: &Self) {
        let base = base.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = base;
    }

    /// Notes what a statement says.
    pub(super) fn note(&self, query: &Query, subject: &Subject) {
        let Some(change) = said(query, subject) else { return };
        let mut events = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match change {
            Change::Created { name, status, unless_there } => {
                if !unless_there || !events.contains_key(&name) {
                    events.insert(name, status);
                }
            }
            Change::Altered { name, status, renamed } => {
                let was = events.remove(&name);
                if let Some(status) = status.or(was) {
                    events.insert(renamed.unwrap_or(name), status);
                }
            }
            Change::Dropped { name } => {
                events.remove(&name);
            }
        }
    }

    /// Gives the server's events the statuses that the statements said.
    ///
    /// # Errors
    /// The server refuses, or cannot be reached.
    pub(super) fn settle(&self, server: &Furnished, cancel: &Cancel) -> Result<()> {
        let said = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for (name, status) in read(server, cancel)? {
            let wanted = said.get(&name.to_lowercase()).copied().unwrap_or(status);
            if wanted != status {
                change(server, &name, wanted, cancel)?;
            }
        }
        Ok(())
    }
}

/// What is being done, for errors.
const SETTLING: &str = "settling events";

/// Gives an event a status, and changes nothing else of it.
fn change(server: &Furnished, name: &str, status: Status, cancel: &Cancel) -> Result<()> {
    match server.version().flavor {
        Flavor::MariaDb => {
            let word = match status {
                Status::Enabled => "ENABLED",
                Status::Disabled => "DISABLED",
                Status::OfReplica => "SLAVESIDE_DISABLED",
            };
            let (database, name) = (quote_text(server.database()), quote_text(name));
            let sql = format!(
                "UPDATE mysql.event SET status = '{word}', modified = modified WHERE db = {database} AND name = {name};\n"
            );
            server.server().query(Some(server.database()), Sql::Write(&sql), SETTLING, cancel).map(drop)
        }
        Flavor::MySql => change_as_made(server, name, status, cancel),
    }
}

/// The same by `ALTER EVENT`, which writes the account, the settings and the database's collation into the event under which it is
/// executed: so it is executed under those that the event has.
fn change_as_made(server: &Furnished, name: &str, status: Status, cancel: &Cancel) -> Result<()> {
    let word = match status {
        Status::Enabled => "ENABLE",
        Status::Disabled => "DISABLE",
        Status::OfReplica => "DISABLE ON REPLICA",
    };
    let (client, database) = (server.server(), server.database());
    let sql = format!(
        "SELECT DEFINER, SQL_MODE, TIME_ZONE, CHARACTER_SET_CLIENT, COLLATION_CONNECTION, DATABASE_COLLATION \
         FROM information_schema.EVENTS WHERE EVENT_SCHEMA = {} AND EVENT_NAME = {};\n",
        quote_text(database),
        quote_text(name)
    );
    let rows = client.query(None, Sql::Read(&sql), SETTLING, cancel)?;
    let row: Option<[String; 6]> = rows.into_iter().next().and_then(|row| row.try_into().ok());
    let Some([definer, mode, zone, charset, collation, of_database]) = row else {
        return Ok(());
    };
    let now = client.database_charset(database, cancel)?.map(|(_, collation)| collation);
    let otherwise = now.filter(|now| *now != of_database);
    let mut connection = client.connect(Role::Single, Some(database), SETTLING, cancel)?;
    let mut execute = |sql: String| connection.execute(&sql, SETTLING);
    execute(format!(
        "SET sql_mode={}, time_zone={}, character_set_client={charset}, collation_connection={collation}",
        quote_text(&mode),
        quote_text(&zone)
    ))?;
    if otherwise.is_some() {
        execute(format!("ALTER DATABASE {} COLLATE {of_database}", quote_name(database)))?;
    }
    execute(format!("ALTER DEFINER={} EVENT {} {word}", account_name(&definer), quote_name(name)))?;
    match otherwise {
        Some(collation) => execute(format!("ALTER DATABASE {} COLLATE {collation}", quote_name(database))),
        None => Ok(()),
    }
}

/// The server's events, with their statuses.
fn read(server: &Furnished, cancel: &Cancel) -> Result<Vec<(String, Status)>> {
    let sql = format!(
        "SELECT EVENT_NAME, STATUS FROM information_schema.EVENTS WHERE EVENT_SCHEMA = {};\n",
        quote_text(server.database())
    );
    let rows = server.server().query(None, Sql::Read(&sql), "listing events", cancel)?;
    let status = |word: &str| match word {
        "ENABLED" => Status::Enabled,
        "DISABLED" => Status::Disabled,
        _ => Status::OfReplica,
    };
    Ok(rows
        .into_iter()
        .filter_map(|row| match &row[..] {
            [name, word] => Some((name.clone(), status(word))),
            _ => None,
        })
        .collect())
}

/// What a statement does to an event of the database.
fn said(query: &Query, subject: &Subject) -> Option<Change> {
    let mut tokens = tokens_of(&query.text).peekable();
    let verb = tokens.next()?.identifier()?.to_ascii_uppercase();
    if !matches!(verb.as_str(), "CREATE" | "ALTER" | "DROP") {
        return None;
    }
    // OR REPLACE, DEFINER = … may stand before; a table, a program or a view is something else.
    let others =
        ["TABLE", "PROCEDURE", "FUNCTION", "TRIGGER", "VIEW", "PACKAGE", "DATABASE", "INDEX", "SEQUENCE"];
    loop {
        let token = tokens.next()?;
        if token.is("EVENT") {
            break;
        }
        if others.iter().any(|other| token.is(other)) {
            return None;
        }
    }
    let mut unless_there = false;
    while tokens.peek().is_some_and(|token| ["IF", "NOT", "EXISTS"].iter().any(|word| token.is(word))) {
        unless_there = true;
        tokens.next();
    }
    let (database, name) = qualified(&mut tokens)?;
    let name = name.to_lowercase();
    let database = database.or_else(|| query.database.clone())?;
    if !subject.is(&database) {
        return None;
    }
    if verb == "DROP" {
        return Some(Change::Dropped { name });
    }
    let (mut status, mut renamed) = (None, None);
    while let Some(token) = tokens.next() {
        if token.is("DO") {
            break;
        }
        if token.is("ENABLE") {
            status = Some(Status::Enabled);
        } else if token.is("DISABLE") {
            let is_of_replica = tokens.peek().is_some_and(|next| next.is("ON"));
            status = Some(if is_of_replica { Status::OfReplica } else { Status::Disabled });
        } else if token.is("RENAME") {
            tokens.next();
            renamed = qualified(&mut tokens).map(|(_, name)| name.to_lowercase());
        }
    }
    Some(match verb.as_str() {
        "CREATE" => Change::Created { name, status: status.unwrap_or(Status::Enabled), unless_there },
        _ => Change::Altered { name, status, renamed },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::binlog::in_shop;
    use crate::server::NameCase;

    #[test]
    fn statements_say_whether_events_run() {
        let subject = Subject { database: "shop".into(), case: NameCase::Sensitive };
        let created = |name: &str, status, unless_there| {
            Some(Change::Created { name: name.into(), status, unless_there })
        };
        let altered = |name: &str, status, renamed: Option<&str>| {
            Some(Change::Altered { name: name.into(), status, renamed: renamed.map(Into::into) })
        };
        for (sql, expected) in [
            (
                "CREATE DEFINER=`a`@`b` EVENT `E` ON SCHEDULE EVERY 1 DAY DO SELECT 1",
                created("e", Status::Enabled, false),
            ),
            (
                "CREATE EVENT IF NOT EXISTS e ON SCHEDULE EVERY 1 DAY ON COMPLETION PRESERVE DISABLE DO SELECT 1",
                created("e", Status::Disabled, true),
            ),
            (
                "CREATE EVENT shop.e ON SCHEDULE EVERY 1 DAY DISABLE ON SLAVE COMMENT 'ENABLE' DO SELECT 1",
                created("e", Status::OfReplica, false),
            ),
            ("CREATE EVENT other.e ON SCHEDULE EVERY 1 DAY DO SELECT 1", None),
            ("ALTER EVENT e DISABLE", altered("e", Some(Status::Disabled), None)),
            ("ALTER DEFINER=x EVENT e RENAME TO shop.f", altered("e", None, Some("f"))),
            (
                "ALTER EVENT e ON SCHEDULE EVERY 2 DAY ENABLE DO SET @disable = 1",
                altered("e", Some(Status::Enabled), None),
            ),
            ("DROP EVENT IF EXISTS e", Some(Change::Dropped { name: "e".into() })),
            ("CREATE TABLE event (a INT)", None),
            ("CREATE PROCEDURE event() SELECT 1", None),
            ("INSERT INTO event VALUES (1)", None),
        ] {
            assert_eq!(said(&in_shop(sql), &subject), expected, "{sql}");
        }
    }
}
