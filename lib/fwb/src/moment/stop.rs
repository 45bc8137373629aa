//! Where a replay stops, and what it took out of the log.

use serde::Serialize;

use fwb_binlog::{Group, Gtid, GtidPosition};

use crate::binlog::Moment;

/// What a replay took out of a log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Groups that were handed on to the server that replays them. It passes over what is of other databases alone.
    pub groups: u64,
    /// Groups that were left out because somebody asked for it.
    pub skipped: u64,
    /// Groups that are of the server or of other databases alone, and were left out.
    pub others: u64,
    /// Bytes of the log that were read.
    pub bytes: u64,
    /// The last group that was handed on.
    pub last: Option<String>,
    /// When it was committed, in seconds since 1970, by the server's clock.
    pub last_at: Option<u32>,
    /// Whether the stop was met, rather than the end of the log.
    pub is_met: bool,
    /// All groups that were handed on, as a server says which ones it has.
    #[serde(skip)]
    pub position: GtidPosition,
}

/// Whether the log ends before a group that begins so, by the server's clock in whole seconds.
pub(super) fn is_before(stop: &Moment, gtid: Option<Gtid>, timestamp: u32) -> bool {
    match stop {
        // A log that goes on up to a backup's place was cut there.
        Moment::Newest | Moment::After(_) | Moment::OfBackup(..) => false,
        Moment::Before(before) => gtid == Some(*before),
        Moment::At(at) => i64::from(timestamp) >= at.timestamp(),
    }
}

/// Whether the log ends after this group.
pub(super) fn is_after(stop: &Moment, group: &Group) -> bool {
    matches!(stop, Moment::After(after) if group.gtid == Some(*after))
}
