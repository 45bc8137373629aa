//! The name of an account or a role.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::server::quoting::quote_name;

/// MariaDB's role that everybody has (MariaDB's manual, "GRANT … TO PUBLIC").
const PUBLIC: &str = "PUBLIC";

/// Accounts that a server has for itself: it makes them anew, and needs them as they are.
const OF_THE_SERVER: [&str; 4] = ["mariadb.sys", "mysql.infoschema", "mysql.session", "mysql.sys"];

/// The name of an account or a role.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountName {
    /// The name before the at sign; empty: whoever has no account of his own.
    pub user: String,
    /// From where; none: a role of MariaDB.
    pub host: Option<String>,
}

impl AccountName {
    /// Of an account, or, of MySQL, a role.
    pub(crate) fn account(user: impl Into<String>, host: impl Into<String>) -> Self {
        Self { user: user.into(), host: Some(host.into()) }
    }

    /// Of a role of MariaDB.
    pub(crate) fn role(user: impl Into<String>) -> Self {
        Self { user: user.into(), host: None }
    }

    /// Whether it is MariaDB's `PUBLIC`.
    pub(crate) fn is_public(&self) -> bool {
        self.host.is_none() && self.user.eq_ignore_ascii_case(PUBLIC)
    }

    /// Whether the server has it for itself.
    pub(crate) fn is_of_the_server(&self) -> bool {
        self.host.as_deref() == Some("localhost") && OF_THE_SERVER.contains(&self.user.as_str())
    }

    /// Whether it is the account by which servers are put in order, and which no restore touches.
    pub(crate) fn is_root(&self) -> bool {
        self.user == "root" && self.host.as_deref() == Some("localhost")
    }

    /// As SQL has it.
    pub(crate) fn sql(&self) -> String {
        match &self.host {
            Some(host) => format!("{}@{}", quote_name(&self.user), quote_name(host)),
            None if self.is_public() => PUBLIC.into(),
            None => quote_name(&self.user),
        }
    }

    /// Whether this is what somebody means who writes `user`, `user@host` or the name of a role.
    pub(crate) fn is_meant_by(&self, written: &str) -> bool {
        let whole = match &self.host {
            Some(host) => format!("{}@{host}", self.user),
            None => self.user.clone(),
        };
        whole == written || self.user == written || self.to_string() == written
    }
}

impl fmt::Display for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = if self.user.is_empty() { "''" } else { &self.user };
        match &self.host {
            Some(host) => write!(f, "{user}@{host}"),
            None => f.write_str(user),
        }
    }
}

impl Serialize for AccountName {
    /// As it is shown.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_and_found() {
        let odd = AccountName::account("o'`x", "10.0.0.%");
        assert_eq!((odd.sql().as_str(), odd.to_string().as_str()), ("`o'``x`@`10.0.0.%`", "o'`x@10.0.0.%"));
        assert_eq!(AccountName::role("public").sql(), "PUBLIC");
        assert_eq!(AccountName::account("public", "%").sql(), "`public`@`%`");
        assert_eq!(AccountName::account("", "localhost").to_string(), "''@localhost");
        for (name, written, is_meant) in [
            (AccountName::account("app", "%"), "app", true),
            (AccountName::account("app", "%"), "app@%", true),
            (AccountName::account("app", "%"), "app@localhost", false),
            (AccountName::account("a@b", "%"), "a@b@%", true),
            (AccountName::role("readers"), "readers", true),
            (AccountName::role("readers"), "readers@%", false),
            (AccountName::account("", "localhost"), "''@localhost", true),
        ] {
            assert_eq!(name.is_meant_by(written), is_meant, "{name} {written}");
        }
        assert!(AccountName::account("mysql.sys", "localhost").is_of_the_server());
        assert!(!AccountName::account("mysql.sys", "%").is_of_the_server());
    }
}
