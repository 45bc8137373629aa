//! Loading a backup into a database: tables first, then the rows over several connections, then what rows must not
//! meet. Every statement is judged once more before it is sent. Whether the database is a shadow, a live one or a drill's
//! is nothing to a load.

mod amends;
mod batch;
mod bulk;
mod definer;
mod delimited;
mod destination;
mod event;
mod inserts;
mod keys;
mod neighbours;
mod open_backup;
mod parents;
mod rename;
mod rows;
mod script;
mod session;
mod shape;
mod shares;
mod stages;

pub(crate) use definer::{as_ourselves, or_replace, under_others};
pub(crate) use destination::{Destination, end_session, not_sent};
pub(crate) use event::{Status, with_status};
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use keys::{Candidate, divide};
pub(crate) use neighbours::Neighbours;
pub(crate) use open_backup::{OpenBackup, Part};
pub(crate) use parents::parents;
pub(crate) use rename::{Renaming, in_database};
pub(crate) use script::{IN_TURN, NEXT, Origin};
pub(crate) use session::LoadSession;
pub(crate) use stages::Load;
