//! The database server, reached through the MariaDB client programs.

mod catalog;
mod client;
mod definitions;
mod facts;
mod foreign_keys;
mod grants;
mod identity;
mod name_case;
mod options;
mod program;
mod replication;
mod restore_lock;
mod session;

pub(crate) use catalog::DatabaseFacts;
pub use client::ServerClient;
pub(crate) use client::{charset_clause, quote_name, quote_text, unescape};
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use client::{client_section, rows};
pub(crate) use definitions::{Definition, DefinitionKind, definition_kind};
pub(crate) use facts::{Inventory, ServerFacts, version_numbers};
pub(crate) use foreign_keys::ForeignKey;
pub(crate) use identity::{Identified, Identities, changed};
pub use name_case::NameCase;
pub use options::{Password, ServerOptions};
pub(crate) use program::{ClientProgram, Input, Output, Running};
#[cfg(test)]
pub(crate) use replication::Filter;
pub(crate) use replication::{Asked, Replica, Replication};
pub(crate) use restore_lock::restore_lock;
