//! The SQL of a dump, written by us: read over the protocol, in the form of mariadb-dump and mysqldump, so that every
//! reader of such dumps takes it.
//!
//! `catalog` and `moment` ask the server, `database` says in which order; all else is pure: it writes what it is given.

mod ahead;
mod catalog;
mod database;
mod form;
mod frame;
mod key;
mod keys;
mod literal;
mod lookahead;
mod moment;
mod number;
mod otherwise;
mod program;
mod ranges;
mod rows;
mod settings;
mod sink;
mod table;
mod tables;
mod unsound;
mod view;
mod view_order;
mod written;

pub(crate) use ahead::Ahead;
pub(crate) use database::{Held, Look, Part, Past, Task, hold, write};
pub(crate) use frame::Header;
pub(crate) use moment::{LogPosition, begin, coordinates, log_position};
pub(crate) use settings::prepare;
pub(crate) use sink::Sink;
pub(crate) use table::{uncounted, without_counter};
pub(crate) use tables::Savepoint;
pub(crate) use unsound::{LeftOutProgram, unsound_views};
pub(crate) use view_order::{in_order_of_needs, is_kept, view_order};
pub(crate) use written::{Written, essence};

/// The name under which manifests know the writer.
pub(crate) const PROGRAM: &str = "fwb-dump";

/// The form in which rows are written, as manifests name it: digests of rows can be compared where it is the same. It
/// changes with whatever changes how a value is written.
pub(crate) const FORM_OF_ROWS: &str = "fwb/1";
