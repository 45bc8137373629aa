//! The database server, reached through the MariaDB client programs.

mod options;

pub use options::{Password, ServerOptions};
