//! The accounts that views and stored programs run as. Where one is missing, a view that is as good as it ever was
//! cannot be opened (error 1449); so a throwaway server gets them, locked and without a password.

use std::collections::BTreeSet;

use super::throwaway::Throwaway;
use crate::error::Result;
use crate::progress::Cancel;
use crate::server::{ServerFacts, ServerVersion, Sql, quote_name};

/// Accounts, as user and host.
pub(super) type Accounts = BTreeSet<(String, String)>;

/// Those that the server lacks. Where it does not say which it has, nothing is missed.
pub(super) fn missing<'a>(definers: &'a Accounts, facts: &ServerFacts) -> Vec<&'a (String, String)> {
    let Some(there) = &facts.accounts else { return Vec::new() };
    definers.iter().filter(|definer| !there.contains(*definer)).collect()
}

/// An account as SQL writes it. A role is one without a host.
pub(super) fn name_of((user, host): &(String, String)) -> String {
    if host.is_empty() { quote_name(user) } else { format!("{}@{}", quote_name(user), quote_name(host)) }
}

/// The statement that makes one, as which nobody can log in.
pub(super) fn creation(definer: &(String, String), facts: &ServerFacts) -> String {
    let name = name_of(definer);
    if definer.1.is_empty() {
        return format!("CREATE ROLE {name};\n");
    }
    let version = ServerVersion::parse(&facts.version);
    let can_lock = version.is_mariadb(10, 4) || version.is_mysql(5, 7);
    format!("CREATE USER {name}{};\n", if can_lock { " ACCOUNT LOCK" } else { "" })
}

/// The statement that removes one.
pub(super) fn removal(definer: &(String, String)) -> String {
    let what = if definer.1.is_empty() { "ROLE" } else { "USER" };
    format!("DROP {what} IF EXISTS {};\n", name_of(definer))
}

/// Makes those that a throwaway server lacks. They may do everything there: which rights they have on the live
/// server is not in the backup, and nobody can log in as them.
///
/// # Errors
/// The server does not take one.
pub(super) fn make_all(
    throwaway: &Throwaway,
    definers: &Accounts,
    facts: &ServerFacts,
    cancel: &Cancel,
) -> Result<()> {
    let make = |definer: &(String, String)| {
        format!("{}GRANT ALL ON *.* TO {};\n", creation(definer, facts), name_of(definer))
    };
    let sql: String = missing(definers, facts).into_iter().map(make).collect();
    if sql.is_empty() {
        return Ok(());
    }
    throwaway
        .server
        .query(None, Sql::Write(&sql), "making the accounts that views and programs run as", cancel)
        .map(drop)
}
