//! What a restore to one moment found, for the proof alone: that it can be reached.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Timestamp;

/// How a database was brought to one of its moments on a throwaway server.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct MomentProof {
    /// Whether it is as it was then, as far as backup and log tell.
    pub ok: bool,
    /// When it was looked at.
    pub at: Timestamp,
    /// The database.
    pub database: String,
    /// The moment, as `--until` takes it: the same once more is `fwb-verify --level moment --until` with this.
    pub until: String,
    /// The backup that was gone on from; absent where it did not come to that, and so for what follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    /// The chain of segments that the log is of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain: Option<String>,
    /// The last group of the log before the moment, by its GTID; absent where there is none after the base.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<String>,
    /// How many groups of the log were replayed, those of other databases included.
    #[serde(default)]
    pub groups: u64,
    /// Bytes of the log that were read.
    #[serde(default)]
    pub log_size: u64,
    /// Rows that the database has at that moment.
    #[serde(default)]
    pub rows: u64,
    /// How long the base took to load, in seconds.
    #[serde(default)]
    pub base_seconds: f64,
    /// How long the log took to replay, in seconds.
    #[serde(default)]
    pub replay_seconds: f64,
    /// How long all of it took, in seconds.
    pub seconds: f64,
    /// Why it is not.
    #[serde(default)]
    pub problems: Vec<String>,
    /// Fields of later versions.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}
