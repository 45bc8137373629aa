//! Rights that `SHOW GRANTS` tells and the server does not go by: on a database it takes the most specific row of `mysql.db`
//! that fits, also one of an anonymous account (`User = ''`), and then forgets the account's own row (tried on MariaDB 10.11
//! and MySQL 9.7: `''@'%'` on the database itself, and `backup@'%'` on a pattern).
//!
//! What the server goes by shows in two places: the privileges beside each column, and whether `SHOW EVENTS` is denied.

use std::collections::BTreeSet;

use super::{Grant, Names, Object, Rights, ServerClient};
use crate::error::Result;
use crate::progress::Cancel;
use crate::server::{Sql, quote_name, quote_text};

/// "Access denied for user to database".
const NO_ACCESS: u16 = 1044;
/// "SELECT command denied to user for table".
const DENIED: u16 = 1142;
/// The name of a table that nobody has.
const NO_TABLE: &str = "fwb: is SELECT granted?";
/// Tables and views of which one has to show its columns: a broken one does not.
const LOOKED_AT: usize = 20;
/// Rights that a server names beside a column.
const OF_COLUMNS: [&str; 4] = ["SELECT", "INSERT", "UPDATE", "REFERENCES"];
/// The place of `Privileges` in a row of `SHOW FULL COLUMNS`.
const PRIVILEGES: usize = 7;

impl ServerClient {
    /// Whether the server goes by other rights on a database than those of the account, as far as it shows them.
    ///
    /// # Errors
    /// The server cannot be reached.
    pub(super) fn hides(
        &self,
        database: &str,
        rights: &Rights,
        grants: &[Grant],
        names: Names,
        cancel: &Cancel,
    ) -> Result<bool> {
        const DOING: &str = "looking at the rights that count";
        if rights.is_by_itself() {
            return Ok(false);
        }
        let ask = |sql: &str| self.query(None, Sql::Read(sql), DOING, cancel);
        match ask(&format!("SHOW EVENTS FROM {} LIKE ''", quote_name(database))) {
            Err(error) if error.number() == Some(NO_ACCESS) => return Ok(true),
            Err(error) if error.number().is_none() => return Err(error),
            _ => {}
        }
        let tables = ask(&format!(
            "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = {} LIMIT {LOOKED_AT}",
            quote_text(database)
        ))?;
        for table in tables.into_iter().flatten() {
            match ask(&format!("SHOW FULL COLUMNS FROM {}.{}", quote_name(database), quote_name(&table))) {
                Ok(columns) => {
                    let shown = columns.first().and_then(|column| column.get(PRIVILEGES));
                    return Ok(shown.is_some_and(|shown| !agree(shown, rights, grants, database, names)));
                }
                Err(error) if error.number().is_none() => return Err(error),
                Err(_) => {}
            }
        }
        // Whoever may read nothing is told of no table either. Who may is told that this one is not there.
        match ask(&format!("SELECT 1 FROM {}.{}", quote_name(database), quote_name(NO_TABLE))) {
            Err(error) if error.number().is_none() => Err(error),
            answer => Ok(answer.is_err_and(|error| error.number() == Some(DENIED))),
        }
    }
}

/// Whether what a server names beside a column comes from what the account was given. Grants on tables and columns add to
/// it, and of two rows that are as specific nobody knows which one counts: then it may be more, and never less.
fn agree(shown: &str, rights: &Rights, grants: &[Grant], database: &str, names: Names) -> bool {
    let shown: BTreeSet<String> = shown.split(',').map(|right| right.trim().to_uppercase()).collect();
    let given: BTreeSet<String> =
        OF_COLUMNS.iter().filter(|right| rights.has(right)).map(|right| (*right).to_owned()).collect();
    let rows = grants.iter().filter(|grant| grant.object.is_database(database, names)).count();
    let is_part =
        |object: &Object| matches!(object, Object::Part(of, _) if of.eq_ignore_ascii_case(database));
    let of_parts = grants.iter().any(|grant| is_part(&grant.object));
    let may_be_more = of_parts || rows > 1;
    given.is_subset(&shown) && (may_be_more || shown.is_subset(&given))
}
