//! Reading a dump's SQL as it passes: statements, sections, rows.

mod comments;
mod digest;
mod feed;
mod head;
mod scanner;
mod sections;
mod sql_mode;
mod tokens;

pub(crate) use feed::Feed;

pub(crate) use scanner::{Event, Observer, Scanner, Summary, unobserved};
