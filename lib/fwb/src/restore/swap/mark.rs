//! The databases that we make: each carries a `COMMENT` that says so, and only such are ever dropped by us.

use serde::{Deserialize, Serialize};

use super::steps::clause_of;
use crate::error::{Error, Result};
use crate::progress::Cancel;
use crate::server::{ServerClient, quote_name, quote_text};

/// How long a database's name may be, in characters (MariaDB's manual, "Identifier Names").
const LONGEST_NAME: usize = 64;

/// What a database of ours is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    /// A backup is loaded into it, to be proved before it takes the live database's place.
    Shadow,
    /// It keeps what a swap has taken away, so that it can be undone.
    Before,
}

/// What the comment says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mark {
    /// What the database is for.
    #[serde(rename = "fwb-restore")]
    pub(crate) role: Role,
    /// The database that it belongs to.
    pub(crate) of: String,
    /// When it was made, as in its name.
    pub(crate) at: String,
}

/// A database of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Marked {
    /// Its name.
    pub(crate) database: String,
    /// What its comment says.
    pub(crate) mark: Mark,
}

/// Makes a database of ours, with this charset and collation where they are known.
///
/// # Errors
/// The server does not let us.
pub(super) fn create(
    server: &ServerClient,
    role: Role,
    of: &str,
    charset: Option<&(String, String)>,
    cancel: &Cancel,
) -> Result<Marked> {
    loop {
        let at = chrono::Local::now().format("%Y%m%d_%H%M%S").to_string();
        let word = if role == Role::Shadow { "shadow" } else { "before" };
        let suffix = format!("__{word}_{at}");
        let base: String = of.chars().take(LONGEST_NAME - suffix.len()).collect();
        let database = base + &suffix;
        let mark = Mark { role, of: of.to_owned(), at };
        let comment = serde_json::to_string(&mark)?;
        let sql = format!(
            "CREATE DATABASE {}{} COMMENT {};\n",
            quote_name(&database),
            clause_of(charset),
            literal(&comment),
        );
        match server.query(None, &sql, "making a database", cancel) {
            // Another one has its name from this second.
            Err(Error::Child { reason, .. }) if reason.starts_with("ERROR 1007") => {
                cancel.check()?;
                std::thread::sleep(std::time::Duration::from_millis(100));
            }
            made => return made.map(|_| Marked { database, mark }),
        }
    }
}

/// A string literal under every `sql_mode`, for where the server takes no hexadecimal one.
fn literal(text: &str) -> String {
    // JSON escapes control characters, and a backslash means the same doubled or, before these letters, alone.
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

/// The databases of ours, oldest first; those that belong to `of`, where it is given.
///
/// # Errors
/// The server cannot be reached.
pub(super) fn list(server: &ServerClient, of: Option<&str>, cancel: &Cancel) -> Result<Vec<Marked>> {
    let sql = "SELECT SCHEMA_NAME, SCHEMA_COMMENT FROM information_schema.SCHEMATA WHERE SCHEMA_COMMENT LIKE '{%';\n";
    let rows = match server.query(None, sql, "looking for databases that a restore has left", cancel) {
        // A server whose databases have no comments has none of ours.
        Err(Error::Child { reason, .. }) if reason.starts_with("ERROR 1054") => return Ok(Vec::new()),
        rows => rows?,
    };
    let mut found: Vec<Marked> = rows
        .into_iter()
        .filter_map(|row| {
            let mark: Mark = serde_json::from_str(row.get(1)?).ok()?;
            Some(Marked { database: row.first()?.clone(), mark })
        })
        .filter(|marked| of.is_none_or(|of| marked.mark.of == of))
        .collect();
    found
        .sort_unstable_by(|one, other| (&one.mark.at, &one.database).cmp(&(&other.mark.at, &other.database)));
    Ok(found)
}

/// Drops a database of ours: it must still say that it is one.
///
/// # Errors
/// The server does not let us.
pub(super) fn remove(server: &ServerClient, database: &str, cancel: &Cancel) -> Result<()> {
    let sql = format!(
        "SELECT SCHEMA_COMMENT FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = {};\n",
        quote_text(database)
    );
    let rows = server.query(None, &sql, "looking at a database", cancel)?;
    let Some(comment) = rows.into_iter().next().and_then(|row| row.into_iter().next()) else { return Ok(()) };
    if serde_json::from_str::<Mark>(&comment).is_err() {
        log::warn!("{database} does not say that it is a restore's: it is left alone");
        return Ok(());
    }
    let sql = format!("SET foreign_key_checks=0;\nDROP DATABASE IF EXISTS {};\n", quote_name(database));
    server.query(None, &sql, "removing a database", cancel).map(drop)
}
