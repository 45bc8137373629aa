//! What the fwb tools share at the edge: options, the standard streams, manifests and records on them, exit
//! codes, errors, logs, progress and signals. A tool's `main` is [`run()`] with its one function; the domain is in
//! `fwb`, which knows nothing of a command line. Nothing else touches stdin, stdout or stderr.

#![forbid(unsafe_code)]

mod bandwidth;
mod candidates;
mod chance;
mod columns;
mod confirm;
mod console;
mod count;
mod duration;
mod exit;
mod generate;
mod json;
mod logging;
mod manifests;
mod options;
mod page;
mod paint;
mod printable;
mod progress;
mod rate;
mod records;
mod run;
mod said;
mod session;
mod signals;
mod size;
mod standard;
mod table;
mod terminal;
mod told;
mod usage;
mod when;

pub use bandwidth::parse_bandwidth;
pub use chance::chance;
pub use columns::{Cell, Column, Columns};
pub use count::{counted, grouped};
pub use duration::{human_duration, human_seconds, parse_age};
pub use exit::{Outcome, exit_code, tolerate_broken_pipe};
pub use manifests::Manifests;
pub use options::{
    DatabasesArgs, ExcludeArgs, FormatArgs, IdentityArgs, LimitArgs, LockArgs, LogFormat, PodArgs,
    ProgressMode, RecipientArgs, RetainArgs, ServerArgs, StoreArgs, WorkArgs, command, place,
};
pub use page::Page;
pub use paint::{Paint, Tone};
pub use printable::printable;
pub use records::{Answers, RecordWriter};
pub use run::run;
pub use said::Said;
pub use session::Session;
pub use size::human_size;
pub use standard::{OutputArg, Stdin, Stdout, WRITE_STDOUT};
pub use table::{SectionRecord, backup_table, footer, section_records, section_table};
pub use told::{
    Retained, accounts_planned, accounts_restored, checked_chain, copied, copied_in_all, decided, dumped,
    fleet_ran, fleet_server_failed, fleet_server_ran, followed, forgotten, moment_planned, planned,
    pruned_in_all, ran, restored, settings, timeline, transaction, undo_planned, undone, verified,
    verified_at_moment, verified_by_chain, verified_in_all, whole_planned,
};
pub use when::{parse_at, parse_moment, parse_since};
