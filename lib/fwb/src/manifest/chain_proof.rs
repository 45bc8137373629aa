//! What a look across two backups found: that the earlier one and the log after it make the later one.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Timestamp;

/// How a backup was held against the one before it and the log between them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChainProof {
    /// Whether base and log make this backup.
    pub ok: bool,
    /// When it was looked at.
    pub at: Timestamp,
    /// The earlier backup, by its name.
    pub base: String,
    /// The chain of segments that the log is of.
    pub chain: String,
    /// The last group of the log before this backup, by its GTID; absent where there is none after the base.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<String>,
    /// How many groups of the log were replayed, those of other databases included.
    pub groups: u64,
    /// Bytes of the log that were read.
    pub log_size: u64,
    /// Bytes of SQL that the base has.
    pub base_size: u64,
    /// How long the base took to load, in seconds.
    pub base_seconds: f64,
    /// How long the log took to replay, in seconds.
    pub replay_seconds: f64,
    /// How long all of it took, in seconds.
    pub seconds: f64,
    /// What differs.
    #[serde(default)]
    pub problems: Vec<String>,
    /// What could not be compared.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Fields of later versions.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}
