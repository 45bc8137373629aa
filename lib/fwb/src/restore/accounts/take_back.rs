//! Takes back what a restore of accounts has done: what it made is dropped, and what it changed is as it was.

use std::collections::BTreeMap;

use crate::blank::blank_quoted;
use crate::error::Result;
use crate::progress::Cancel;
use crate::server::accounts::{Account, Step, removal, steps};
use crate::server::{AccountName, Connection, Role, ServerClient};

/// What it is told that goes on.
const DOING: &str = "taking accounts back";

/// An account that is to be as it was.
#[derive(Clone, Copy)]
pub(super) struct Undoing<'a> {
    /// As it was to be.
    pub(super) wanted: &'a Account,
    /// As it was; none: it did not exist.
    pub(super) before: Option<&'a Account>,
}

/// Makes them as they were, over a connection of its own that no signal ends. Returns what could not be, in sentences.
pub(super) fn take_back(server: &ServerClient, all: &[Undoing<'_>]) -> Vec<String> {
    if all.is_empty() {
        return Vec::new();
    }
    let cancel = Cancel::default();
    let opened = server.connect(Role::Single, None, DOING, &cancel).and_then(|connection| {
        let now = server.all_accounts(&cancel)?.all;
        Ok((connection, now))
    });
    let (mut connection, now) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            let names: Vec<String> = all.iter().map(|one| one.wanted.name.to_string()).collect();
            let names = names.join(", ");
            return vec![format!(
                "what was done with these accounts could not be taken back ({error}): {names}"
            )];
        }
    };
    // The last one first: roles are granted to those before them.
    let left = all.iter().rev().filter_map(|one| one.take_back(&mut connection, &now).err());
    left.collect()
}

/// Whether an account that did not exist is the one that was made: where an answer of the server was lost, another one may be
/// there. Its password tells, and that of an account which is made in two steps may not have expired yet as it shall.
fn is_made_by_us(there: &Account, wanted: &Account) -> bool {
    match (&there.identity, &wanted.identity) {
        (Some(there), Some(wanted)) => there.methods == wanted.methods,
        (None, None) => true,
        _ => false,
    }
}

impl Undoing<'_> {
    fn take_back(
        self,
        connection: &mut Connection,
        now: &BTreeMap<AccountName, Account>,
    ) -> Result<(), String> {
        let name = &self.wanted.name;
        let Some(there) = now.get(name) else { return Ok(()) };
        let is_ours = is_made_by_us(there, self.wanted);
        if self.before.is_none() && !is_ours {
            return Err(format!("{name} is there, and is not as it was made: it is left alone"));
        }
        let mut run = |sql: &str, what: &str| {
            connection.execute(sql, DOING).map_err(|error| {
                format!("{name} is left half done: {what} failed ({})", blank_quoted(&error.to_string()))
            })
        };
        match self.before {
            None => match removal(there) {
                Some(sql) => run(&sql, &sql),
                // Of PUBLIC, what it was given.
                None => {
                    let nothing = Account::new(name.clone(), None);
                    steps(Some(there), &nothing).iter().try_for_each(|Step { sql, what, .. }| run(sql, what))
                }
            },
            Some(before) => {
                steps(Some(there), before).iter().try_for_each(|Step { sql, what, .. }| run(sql, what))
            }
        }
    }
}
