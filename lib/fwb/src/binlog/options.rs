//! How a log is followed.

use std::path::PathBuf;
use std::time::Duration;

use crate::encryption::EncryptTo;
use crate::identity::ServerIdentity;
use crate::server::NamePattern;

/// Where a new chain begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FollowFrom {
    /// With the file of the log in which the newest backup was made, so that this backup is a base; where there is none, or the
    /// server has that file no longer, with the present one.
    Base,
    /// With the present file.
    Now,
    /// With the oldest file that the server has.
    Oldest,
}

/// How a log is followed.
#[derive(Debug, Clone)]
pub struct FollowOptions {
    /// Which server is addressed.
    pub server: ServerIdentity,
    /// The most that may be in no segment yet, in time.
    pub every: Duration,
    /// The most bytes of the log in one segment.
    pub segment_size: u64,
    /// End at the present end of the log.
    pub once: bool,
    /// Where a new chain begins.
    pub from: FollowFrom,
    /// The databases of which alone changes are kept; all, where there are none.
    pub only: Vec<NamePattern>,
    /// Begin a new chain, whatever there is.
    pub begins_anew: bool,
    /// What the server knows us by among its replicas; none: one at random.
    pub server_id: Option<u32>,
    /// The directory of spools, which have what was acknowledged and is not in the store.
    pub spool: Option<PathBuf>,
    /// Answer the server as a semi-synchronous replica, when what it has sent is in the spool. What is left there by a
    /// follower that was killed is published whether this is asked for or not.
    pub semi_sync: bool,
    /// To whom segments are encrypted.
    pub encryption: Option<EncryptTo>,
}
