//! The binary log in a store: segments of its bytes, one behind the other, in a chain that proves that none is missing.

mod chain;
mod clock;
mod facts;
mod follower;
mod options;
mod overlap;
mod reading;
mod segment;
mod status;
mod writer;

pub use chain::{Chain, ChainFault, Chains};
pub use follower::{FollowReport, follow};
pub use options::{FollowFrom, FollowOptions};
pub use overlap::Overlap;
pub use segment::{LOG_SCHEMA, LogSource, Part, Segment, Touched};
pub use status::{FollowState, FollowStatus};
