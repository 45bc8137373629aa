//! The database server: the port through which it is spoken to, and what it tells.

pub(crate) mod accounts;
mod answers;
mod attempts;
mod catalog;
mod client;
mod connection;
mod databases;
mod definition_text;
mod definitions;
mod facts;
#[cfg(test)]
mod fake;
mod foreign_keys;
mod grants;
mod identity;
mod inventory;
mod last_timestamp;
mod likeness;
mod name_case;
mod options;
mod port;
mod quoting;
mod replication;
mod restore_lock;
mod rights;
mod settings;
mod surroundings;
mod version;

pub use accounts::AccountName;
pub(crate) use answers::{OwnedRow, ask, tell, text};
pub(crate) use attempts::retrying;
pub(crate) use catalog::{DatabaseFacts, LeftOut};
pub use client::ServerClient;
pub(crate) use client::Sql;
pub(crate) use connection::Connection;
pub use databases::{ChosenDatabases, DatabaseChoice, NamePattern};
pub(crate) use databases::{OF_DRILLS, base_of_restore, is_system};
pub(crate) use definition_text::{DefinitionTexts, Shown};
pub(crate) use definitions::{Definition, DefinitionKind, definition_kind};
pub(crate) use facts::{ServerFacts, version_numbers};
#[cfg(test)]
pub(crate) use fake::{Answer, Fake};
pub(crate) use foreign_keys::ForeignKey;
pub(crate) use identity::{Identities, changed};
pub(crate) use inventory::{ENGINES_WITHOUT_ROWS, Inventory, Named, RelationKind};
pub(crate) use last_timestamp::LastTimestamp;
pub(crate) use likeness::{LIKENESS, PAGE_SIZE};
pub use name_case::NameCase;
pub use options::{Password, PodChoice, PodOptions, ServerOptions, TlsMode, TlsOptions, Via};
pub use port::{
    Cells, Column, Connector, Feed, Loaded, LogPlace, LogStart, LogStream, Malformed, ReplicationSource,
    Results, Role, Row, SentEvent, Server, ServerAddress, ServerError, Session, SessionError, Stopper,
    ValueKind, put_length,
};
pub(crate) use quoting::{charset_clause, quote_name, quote_text, quote_texts};
#[cfg(test)]
pub(crate) use replication::Filter;
pub(crate) use replication::{Asked, Replica, Replication};
pub(crate) use restore_lock::{LETTING_GO, restore_lock};
pub(crate) use rights::{HIDES, Lacking, Sight, account_name, fits as pattern_fits};
pub(crate) use surroundings::what_it_decides;
pub use version::{Flavor, ServerVersion};
