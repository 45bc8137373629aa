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

pub(crate) use head::{Head, Target, Value, Verb, first_words, parse as parse_head};
pub(crate) use scanner::Statement;
pub(crate) use scanner::{Event, Observer, Scanner, Summary, unobserved};
pub(crate) use tokens::{Mark, QuoteMode, Reading, Token, Tokens};
