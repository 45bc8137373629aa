//! Restoring accounts: what an artifact of kind `accounts` holds is held against what the server has, account by account. What
//! is missing is made. What is there is left, unless it is asked for otherwise, and then it is changed where it differs, and never
//! dropped. Afterwards it is looked whether all is as the artifact says; where an account is not, it is taken back.

mod choice;
mod open;
mod plan;
mod run;
mod take_back;

pub use choice::AccountChoice;
pub use plan::{
    AccountAction, AccountPlan, AccountsPlan, PreparedAccounts, RestoreAccounts, prepare_accounts,
};
pub use run::{AccountOutcome, AccountReport, AccountsReport};
