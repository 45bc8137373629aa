//! Records of runs: what each has done and how it ended, kept in the store beside the backups.
//!
//! A run writes its record when it begins, gives signs of life in it, and writes it for good when it ends. A record that
//! says "running" and gives no sign of life any more is of a run that was killed.

mod fleet;
mod history;
mod keeper;
mod process;
mod record;
mod retry;

pub use fleet::{FLEET_SCHEMA, Fleet, FleetFailure, FleetNext, FleetQueue, FleetRecord, FleetServer};
pub use history::{RunHistory, run_id};
pub use keeper::RunKeeper;
pub use process::{RunProcess, SIGN_OF_LIFE, host_name};
pub use record::{
    LostRun, RUN_SCHEMA, RunBackup, RunCopy, RunOutcome, RunRecord, RunRetry, RunStep, RunTrouble,
};
pub use retry::{is_worth_a_retry, wait_before_retry};
