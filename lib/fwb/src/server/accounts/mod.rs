//! Accounts and roles: what a server keeps of each, the statements that make it again, and what lies between two of them.
//!
//! What `SHOW CREATE USER` prints is no source: MariaDB before 10.11 and MySQL 9.7 print texts in it without escapes. So
//! who an account is comes from the server's tables, and what it may do from `SHOW GRANTS` and the tables beside.

mod granted;
mod identity;
mod name;
mod parse;
mod read;
mod statement;
mod steps;
mod words;

use std::collections::{BTreeMap, BTreeSet};

pub(crate) use granted::{Held, Object, Right, RoutineKind};
pub(crate) use identity::{
    History, Identity, Lifetime, Limit, LockTime, Method, Require, Secret, TlsDemands,
};
pub use name::AccountName;
pub(crate) use parse::{NONE_OF_OURS, parse_account_statement};
pub(crate) use read::Accounts;
pub(crate) use statement::Statement;
pub(crate) use steps::{Step, is_about_identity, only_gives, removal, steps, surrender};
pub(crate) use words::differences;

/// An account, or a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    /// Its name.
    pub(crate) name: AccountName,
    /// Who it is; none: a role of MariaDB, which nobody logs in as.
    pub(crate) identity: Option<Identity>,
    /// Its rights, by what they are on.
    pub(crate) held: BTreeMap<Object, Held>,
    /// What is taken from its global rights, by database (MySQL, `partial_revokes`).
    pub(crate) revoked: BTreeMap<String, BTreeSet<String>>,
    /// Accounts that it may act as, and whether it may pass that on.
    pub(crate) proxies: BTreeMap<AccountName, bool>,
    /// Its roles, and whether it may grant each to others.
    pub(crate) roles: BTreeMap<AccountName, bool>,
    /// The roles that are active when it logs in.
    pub(crate) default_roles: BTreeSet<AccountName>,
}

impl Account {
    /// One without any right.
    pub(crate) fn new(name: AccountName, identity: Option<Identity>) -> Self {
        Self {
            name,
            identity,
            held: BTreeMap::new(),
            revoked: BTreeMap::new(),
            proxies: BTreeMap::new(),
            roles: BTreeMap::new(),
            default_roles: BTreeSet::new(),
        }
    }

    /// Whether it may do nothing at all.
    pub(crate) fn has_nothing(&self) -> bool {
        self.held.is_empty() && self.proxies.is_empty() && self.roles.is_empty()
    }

    /// Whether it has a right on everything, whatever is taken from that by database.
    pub(crate) fn holds_globally(&self, right: &str) -> bool {
        let held = self.held.get(&Object::Global);
        held.is_some_and(|held| held.has_all() || held.rights.iter().any(|one| one.name == right))
    }

    /// The statements that make it, where it does not exist.
    pub(crate) fn statements(&self) -> Vec<Statement> {
        let to = || self.name.clone();
        let mut made = Vec::new();
        match &self.identity {
            Some(identity) => {
                made.push(Statement::CreateUser(to(), identity.clone()));
                if identity.has_more_to_say() {
                    made.push(Statement::PasswordLifetime { of: to(), lifetime: identity.lifetime });
                }
            }
            None if self.name.is_public() => {}
            None => made.push(Statement::CreateRole(to())),
        }
        for (object, held) in &self.held {
            made.push(Statement::Grant { to: to(), object: object.clone(), held: held.clone() });
        }
        for (database, rights) in &self.revoked {
            let (database, rights) = (database.clone(), rights.clone());
            made.push(Statement::Revoke { from: to(), database, rights });
        }
        for (of, grantable) in &self.proxies {
            made.push(Statement::GrantProxy { to: to(), of: of.clone(), grantable: *grantable });
        }
        for (role, admin) in &self.roles {
            made.push(Statement::GrantRole { to: to(), role: role.clone(), admin: *admin });
        }
        if !self.default_roles.is_empty() {
            made.push(Statement::DefaultRoles { of: to(), roles: self.default_roles.clone() });
        }
        made
    }

    /// Takes in what a statement says of it; false where it says something twice, or of another one.
    pub(crate) fn add(&mut self, statement: Statement) -> bool {
        match statement {
            Statement::CreateUser(..) | Statement::CreateRole(_) => false,
            Statement::PasswordLifetime { lifetime, .. } => match &mut self.identity {
                Some(identity) if identity.expired => {
                    std::mem::replace(&mut identity.lifetime, lifetime) == Lifetime::Default
                }
                _ => false,
            },
            Statement::Grant { object, held, .. } => self.held.insert(object, held).is_none(),
            Statement::Revoke { database, rights, .. } => self.revoked.insert(database, rights).is_none(),
            Statement::GrantProxy { of, grantable, .. } => self.proxies.insert(of, grantable).is_none(),
            Statement::GrantRole { role, admin, .. } => self.roles.insert(role, admin).is_none(),
            Statement::DefaultRoles { roles, .. } => {
                std::mem::replace(&mut self.default_roles, roles).is_empty()
            }
        }
    }

    /// With the names of databases and tables as a server keeps them that knows lower case alone.
    #[must_use]
    pub(crate) fn in_lower_case(self) -> Self {
        let mut held: BTreeMap<Object, Held> = BTreeMap::new();
        for (object, rights) in self.held {
            held.entry(object.in_lower_case()).or_default().merge(rights);
        }
        let revoked = self.revoked.into_iter().map(|(name, rights)| (name.to_lowercase(), rights)).collect();
        Self { held, revoked, ..self }
    }
}
