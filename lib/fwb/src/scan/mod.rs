//! Reading a dump's SQL as it passes: statements, sections, rows.

mod comments;
mod digest;
mod head;
mod scanner;
mod sections;
mod sql_mode;
mod tokens;

pub use digest::RowsDigest;
pub(crate) use head::{Head, Target, Value, Verb, first_words, parse as parse_head};
pub(crate) use scanner::{Event, Observer, Scanner, Statement, Summary, unobserved};
pub(crate) use sql_mode::SqlMode;
pub(crate) use tokens::{Mark, QuoteMode, Reading, Token, Tokens};
