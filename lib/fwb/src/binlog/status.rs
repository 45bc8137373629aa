//! What a follower says of itself while nothing changes: that it lives, and how far all is safe. One small object for each chain,
//! written anew again and again.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::manifest::Timestamp;

/// The schema of a follower's word.
pub(super) const STATUS_SCHEMA: &str = "fwb-log-status/1";
/// What its name ends with.
pub(super) const SUFFIX: &str = ".status.json";
/// The largest that is read, in bytes.
pub(super) const LARGEST: u64 = 64 << 10;

/// What a follower does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FollowState {
    /// It follows.
    Following,
    /// The server does not answer, or the store: it tries again.
    Waiting,
    /// It has ended.
    Ended,
}

/// What a follower says of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FollowStatus {
    /// `fwb-log-status/1`.
    pub schema: String,
    /// The chain that it writes.
    pub chain: String,
    /// When it said so.
    pub at: Timestamp,
    /// The number of the last segment, and the chain's hash with it: segments that are lost at the end are missed.
    pub last: u64,
    /// That hash.
    pub hash: String,
    /// All that was written to the server's log before this moment is in the store.
    pub safe_until: Timestamp,
    /// What it does.
    pub state: FollowState,
    /// Why it waits, or has ended before it should.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// How much may be lost with the database's machine, in seconds: what `--every` says.
    pub every: u64,
    /// Whether it ends at the log's present end: a schedule starts it anew.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub once: bool,
    /// Whether commits wait until they are safe on the follower's machine.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub semi_sync: bool,
    /// The follower's host.
    pub host: String,
    /// Its process.
    pub pid: u32,
    /// Fields of later versions.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}
