//! Restoring a backup: verified first, looked into before anything is written, with a safety backup of what is
//! there, checked afterwards, and undone when that fails.

mod accounts;
mod check;
mod collations;
mod compare;
mod damage;
mod events;
mod extract;
mod finding;
mod in_place;
mod live_state;
mod options;
mod plan;
pub(crate) mod preflight;
mod rehearsal;
mod replication;
mod run;
mod safety;
mod scope;
mod settings;
mod shadow;
mod space;
mod stand_ins;
mod staying;
mod swap;
mod times;
mod undo;
mod ungrounded;
mod whole;

pub use accounts::{
    AccountAction, AccountChoice, AccountOutcome, AccountPlan, AccountReport, AccountsPlan, AccountsReport,
    PreparedAccounts, RestoreAccounts, prepare_accounts,
};
pub(crate) use check::Check;
pub(crate) use compare::compare;
pub use damage::DamagedTable;
pub use extract::extract;
pub use finding::{Finding, Gravity};
pub use options::{RestoreOptions, RestoreProof, Strategy};
pub use plan::{Plan, Prepared, prepare};
pub use run::Report;
pub use settings::SettingFinding;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use swap::journal_row;
pub use undo::{Forgotten, KeepBefore, Undo, Undone, forget, prepare_undo};
pub(crate) use ungrounded::{beyond, over_excluded, ungrounded};
pub use whole::{
    BeginRestore, EachRestore, FailedRestore, PlannedDatabase, WholePlan, plan_whole, restore_whole,
};
