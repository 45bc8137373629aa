//! How a backup of a moment came to be: of a base, and of the log after it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Timestamp;

/// What a backup of kind `moment` was made of.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// The base, by its name.
    pub base: String,
    /// The base's SHA-256, where its manifest has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_sha256: Option<String>,
    /// The chain of segments that the log is of; absent where it came from a server's own files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain: Option<String>,
    /// The time that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// The group after which the replay was to stop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// The group before which it was to stop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// Groups that were to be left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<String>,
    /// The last group of the log that is in it, by its GTID; absent where there is none after the base.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<String>,
    /// When that was committed, by the server's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_at: Option<Timestamp>,
    /// How many groups of the log were handed on to the server that replayed them, those of other databases included.
    pub groups: u64,
    /// Bytes of the log that were read.
    pub log_size: u64,
    /// How long the base took to load, in seconds.
    pub base_seconds: f64,
    /// How long the log took to replay, in seconds.
    pub replay_seconds: f64,
    /// Fields of later versions.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}
