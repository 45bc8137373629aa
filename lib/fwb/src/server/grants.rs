//! Who may execute stored programs: a program that is dropped takes that with it.

use super::client::{ServerClient, Sql};
use super::definitions::{DefinitionKind, definition_kind};
use super::quoting::{quote_name, quote_text};
use crate::error::Result;
use crate::manifest::ObjectKind;
use crate::progress::Cancel;

impl ServerClient {
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
        let rows = self.query(None, Sql::Read(&sql), "looking at the grants on stored programs", cancel)?;
        let rows = rows.into_iter().filter_map(|row| <[String; 5]>::try_from(row).ok());
        Ok(rows
            .filter_map(|[user, host, name, kind, rights]| {
                grant(database, &user, &host, name, &kind, &rights)
            })
            .collect())
    }
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
