//! Restoring a backup: verified first, looked into before anything is written, with a safety backup of what is
//! there, checked afterwards, and undone when that fails.

mod admission;
mod amends;
mod check;
mod compare;
mod damage;
mod drill;
mod event;
mod extract;
mod in_place;
mod input;
mod keys;
mod live_state;
mod load;
mod plan;
mod preflight;
mod rehearsal;
mod rename;
mod replication;
mod rows;
mod scope;
mod script;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod second_reading;
mod session;
mod shadow;
mod shares;
mod survey;
mod swap;
mod undo;
mod views;

pub(crate) use compare::compare;
pub use damage::DamagedTable;
pub(crate) use drill::{drill_preflight, drill_restore};
pub use extract::extract;
pub(crate) use input::Input;
pub use plan::{Plan, Prepared, Report, RestoreOptions, RestoreProof, Strategy, prepare};
pub use preflight::{Finding, Gravity};
pub(crate) use survey::Survey;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use swap::journal_row;
pub use undo::{Forgotten, Undo, Undone, forget, prepare_undo};
