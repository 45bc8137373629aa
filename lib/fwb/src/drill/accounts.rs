//! The accounts that views and stored programs run as. Where one is missing, a view that is as good as it ever was
//! cannot be opened (error 1449); so a throwaway server gets them, locked and without a password.

use std::collections::BTreeSet;

use super::account;
use super::throwaway::Throwaway;
use crate::error::Result;
use crate::progress::Cancel;
use crate::server::{ServerFacts, version_numbers};

/// Accounts, as user and host.
pub(super) type Accounts = BTreeSet<(String, String)>;

/// Those that the server lacks. Where it does not say which it has, nothing is missed.
pub(super) fn missing<'a>(definers: &'a Accounts, facts: &ServerFacts) -> Vec<&'a (String, String)> {
    let Some(there) = &facts.accounts else { return Vec::new() };
    definers.iter().filter(|definer| !there.contains(*definer)).collect()
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
    let locks = version_numbers(&facts.version).is_some_and(|number| number >= (10, 5));
    let lock = if locks { " ACCOUNT LOCK" } else { "" };
    let make = |definer: &(String, String)| {
        let name = account(definer);
        format!("CREATE USER {name}{lock};\nGRANT ALL ON *.* TO {name};\n")
    };
    let sql: String = missing(definers, facts).into_iter().map(make).collect();
    if sql.is_empty() {
        return Ok(());
    }
    throwaway.server.query(None, &sql, "making the accounts that views and programs run as", cancel).map(drop)
}
