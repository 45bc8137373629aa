//! The statements that an artifact of accounts consists of. Each has one text, so that whoever reads a text back knows whether
//! it is one of them: `admission::accounts` does.

use std::collections::BTreeSet;

use super::granted::{Held, Object, list};
use super::identity::{Identity, Lifetime};
use super::name::AccountName;
use crate::server::quoting::quote_name;

/// A statement about one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Statement {
    /// It is made.
    CreateUser(AccountName, Identity),
    /// A role of MariaDB is made.
    CreateRole(AccountName),
    /// How long a password holds that has expired: [`Statement::CreateUser`] cannot say both.
    PasswordLifetime {
        /// The account.
        of: AccountName,
        /// How long.
        lifetime: Lifetime,
    },
    /// It gets rights.
    Grant {
        /// The account.
        to: AccountName,
        /// On what.
        object: Object,
        /// Which.
        held: Held,
    },
    /// Its global rights do not hold on a database (MySQL, `partial_revokes`).
    Revoke {
        /// The account.
        from: AccountName,
        /// The database.
        database: String,
        /// Which of them.
        rights: BTreeSet<String>,
    },
    /// It may act as another one.
    GrantProxy {
        /// The account.
        to: AccountName,
        /// As whom.
        of: AccountName,
        /// Whether it may pass that on.
        grantable: bool,
    },
    /// It gets a role.
    GrantRole {
        /// The account.
        to: AccountName,
        /// The role.
        role: AccountName,
        /// Whether it may grant the role to others.
        admin: bool,
    },
    /// Roles are active when it logs in.
    DefaultRoles {
        /// The account.
        of: AccountName,
        /// The roles; of MariaDB one.
        roles: BTreeSet<AccountName>,
    },
}

impl Statement {
    /// The account that it is about.
    pub(crate) fn about(&self) -> &AccountName {
        match self {
            Self::CreateUser(name, _)
            | Self::CreateRole(name)
            | Self::Grant { to: name, .. }
            | Self::Revoke { from: name, .. }
            | Self::GrantProxy { to: name, .. }
            | Self::GrantRole { to: name, .. }
            | Self::PasswordLifetime { of: name, .. }
            | Self::DefaultRoles { of: name, .. } => name,
        }
    }

    /// When it comes: accounts and roles first, then rights, then roles, then those that are active.
    pub(crate) fn stage(&self) -> u8 {
        match self {
            Self::CreateUser(..) | Self::CreateRole(_) => 0,
            Self::PasswordLifetime { .. } => 1,
            Self::Grant { .. } => 2,
            Self::Revoke { .. } => 3,
            Self::GrantProxy { .. } => 4,
            Self::GrantRole { .. } => 5,
            Self::DefaultRoles { .. } => 6,
        }
    }

    /// Its text, without a delimiter. That of an account holds the hash of its password. Whoever loads an artifact with the
    /// server's own client gets on where an account exists, such as root.
    pub(crate) fn sql(&self) -> String {
        match self {
            Self::CreateUser(name, identity) => {
                format!("CREATE USER IF NOT EXISTS {}{}", name.sql(), identity.clauses())
            }
            Self::CreateRole(name) => format!("CREATE ROLE IF NOT EXISTS {}", name.sql()),
            Self::PasswordLifetime { of, lifetime } => {
                format!("ALTER USER {} PASSWORD EXPIRE{}", of.sql(), lifetime.sql())
            }
            Self::Grant { to, object, held } => grant(to, object, held),
            Self::Revoke { from, database, rights } => {
                let rights: Vec<&str> = rights.iter().map(String::as_str).collect();
                format!("REVOKE {} ON {}.* FROM {}", rights.join(", "), quote_name(database), from.sql())
            }
            Self::GrantProxy { to, of, grantable } => {
                let option = if *grantable { " WITH GRANT OPTION" } else { "" };
                format!("GRANT PROXY ON {} TO {}{option}", of.sql(), to.sql())
            }
            Self::GrantRole { to, role, admin } => {
                let option = if *admin { " WITH ADMIN OPTION" } else { "" };
                format!("GRANT {} TO {}{option}", role.sql(), to.sql())
            }
            Self::DefaultRoles { of, roles } => default_roles(of, roles),
        }
    }
}

/// The statement that gives rights.
pub(super) fn grant(to: &AccountName, object: &Object, held: &Held) -> String {
    let option = if held.grantable { " WITH GRANT OPTION" } else { "" };
    format!("GRANT {} ON {} TO {}{option}", list(&held.rights), object.sql(), to.sql())
}

/// The statement that says which roles are active; of MariaDB the role has no host.
pub(super) fn default_roles(of: &AccountName, roles: &BTreeSet<AccountName>) -> String {
    if let Some(role) = roles.iter().next().filter(|role| role.host.is_none()) {
        return format!("SET DEFAULT ROLE {} FOR {}", role.sql(), of.sql());
    }
    let roles: Vec<String> = roles.iter().map(AccountName::sql).collect();
    format!("ALTER USER {} DEFAULT ROLE {}", of.sql(), roles.join(", "))
}
