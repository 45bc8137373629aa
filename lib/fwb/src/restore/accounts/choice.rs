//! Which accounts of an artifact are meant.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{Error, Result};
use crate::manifest::Manifest;
use crate::server::accounts::Account;
use crate::server::{AccountName, pattern_fits};

/// Which accounts are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccountChoice {
    /// All of them.
    All,
    /// Those of these names, `user@host`, `user` from wherever, or a role; and the roles that they have.
    Named(Vec<String>),
    /// These and no other.
    Exactly(BTreeSet<AccountName>),
    /// Those that a database needs: whom its views and programs run as, and who may do something in it.
    OfDatabase(String),
}

/// The accounts that are meant; where somebody chose them, with the roles that they have, and the roles of those.
///
/// # Errors
/// A name is of no account in the artifact.
pub(super) fn chosen(
    choice: &AccountChoice,
    manifest: &Manifest,
    accounts: &BTreeMap<AccountName, Account>,
) -> Result<BTreeSet<AccountName>> {
    let chosen: BTreeSet<AccountName> = match choice {
        AccountChoice::All => return Ok(accounts.keys().cloned().collect()),
        AccountChoice::Exactly(these) => {
            return Ok(accounts.keys().filter(|name| these.contains(name)).cloned().collect());
        }
        AccountChoice::Named(written) => {
            let unknown = |written: &&String| !accounts.keys().any(|name| name.is_meant_by(written));
            if let Some(unknown) = written.iter().find(unknown) {
                return Err(Error::Usage {
                    message: format!("the backup {} holds no account {unknown}", manifest.name),
                    hint: Some(format!("it holds {}", few(accounts.keys()))),
                });
            }
            let is_meant = |name: &&AccountName| written.iter().any(|written| name.is_meant_by(written));
            accounts.keys().filter(is_meant).cloned().collect()
        }
        AccountChoice::OfDatabase(database) => of_database(database, manifest, accounts),
    };
    Ok(closed(chosen, |chosen| {
        let chosen = chosen.iter().filter_map(|name| accounts.get(name));
        let roles = chosen.flat_map(|account| account.roles.keys());
        roles.filter(|role| accounts.contains_key(*role)).cloned().collect()
    }))
}

/// A set with what comes along with its members, and with what comes along with that.
fn closed(
    mut set: BTreeSet<AccountName>,
    along: impl Fn(&BTreeSet<AccountName>) -> BTreeSet<AccountName>,
) -> BTreeSet<AccountName> {
    loop {
        let before = set.len();
        set.extend(along(&set));
        if set.len() == before {
            return set;
        }
    }
}

fn of_database(
    database: &str,
    manifest: &Manifest,
    accounts: &BTreeMap<AccountName, Account>,
) -> BTreeSet<AccountName> {
    let folds =
        manifest.server.as_ref().and_then(|server| server.lower_case_table_names).unwrap_or_default() != 0;
    let fold = |name: &str| if folds { name.to_lowercase() } else { name.to_owned() };
    let database = fold(database);
    let defines = manifest
        .accounts
        .iter()
        .flatten()
        .filter(|entry| entry.definer_in.iter().any(|of| fold(of) == database));
    let run_as: BTreeSet<AccountName> =
        defines.map(|entry| AccountName { user: entry.user.clone(), host: entry.host.clone() }).collect();
    let has_rights = |account: &Account| {
        let mut patterns = account.held.keys().filter_map(|object| object.database());
        patterns.any(|pattern| pattern_fits(&fold(pattern), &database))
    };
    let wanted = |(name, account): (&AccountName, &Account)| {
        (run_as.contains(name) || has_rights(account)).then(|| name.clone())
    };
    // Root has every role that it has made, and is never touched.
    let others = || accounts.iter().filter(|(name, _)| !name.is_root());
    // Whoever has such a role may do something in it, too, and so may whoever has a role that has it.
    closed(others().filter_map(wanted).collect(), |needed| {
        let by_role = others().filter(|(_, account)| account.roles.keys().any(|role| needed.contains(role)));
        by_role.map(|(name, _)| name.clone()).collect()
    })
}

fn few<'a>(names: impl ExactSizeIterator<Item = &'a AccountName>) -> String {
    const FEW: usize = 8;
    let more = names.len().saturating_sub(FEW);
    let few: Vec<String> = names.take(FEW).map(ToString::to_string).collect();
    if more > 0 { format!("{} and {more} more", few.join(", ")) } else { few.join(", ") }
}
