//! What a manifest tells of the accounts in an artifact of kind [`Kind::Accounts`](super::Kind::Accounts): names, and never
//! a hash.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// An account or a role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountEntry {
    /// The name before the at sign; empty: whoever has no account of his own.
    pub user: String,
    /// From where; absent for a role of MariaDB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Whether it is a role. MySQL's roles are accounts that are granted to others.
    #[serde(default)]
    pub role: bool,
    /// The plugins by which it logs in; on MariaDB one of them is enough, on MySQL all are asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub plugins: Vec<String>,
    /// The databases in which views and stored programs ran as it, as far as the account that made the backup saw them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub definer_in: Vec<String>,
    /// Fields of later versions.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}
