//! The binary log in a store: segments of its bytes, one behind the other, in a chain that proves that none is missing.

mod bytes;
mod chain;
mod check;
mod clock;
mod compaction;
mod delivery;
mod extent;
mod facts;
mod follower;
mod leftover;
mod only;
mod options;
mod outbox;
mod overlap;
mod reach;
mod reading;
mod scan;
mod segment;
mod spool;
mod statement;
mod status;
mod timeline;
mod window;
mod writer;

pub use chain::{Chain, ChainFault, Chains};
pub use check::{ChainReport, check_chain};
pub use follower::{FollowReport, follow};
pub use options::{FollowFrom, FollowOptions};
pub use overlap::Overlap;
pub(crate) use reach::may_be_base;
pub use reach::{Moment, Reached, Window, reach, windows};
pub use segment::{LOG_SCHEMA, LogSource, Part, Segment, Touched};
#[cfg(test)]
pub(crate) use statement::in_shop;
pub(crate) use statement::{Concern, Subject, beside, qualified, tokens_of};
pub use status::{FollowState, FollowStatus};
pub(crate) use timeline::spans;
pub use timeline::{
    ChangedTable, Hole, Span, Timeline, Transaction, TransactionFilter, timelines, transactions,
};
pub(crate) use window::{needed_bases, remove, surplus};
