//! Reading a dump's SQL as it passes: statements, sections, rows.

mod comments;
mod digest;
mod feed;
mod gap;
mod head;
mod outcome;
#[cfg(any(test, feature = "fuzzing"))]
mod reference;
mod scanner;
mod sections;
mod sql_mode;
mod statement;
#[cfg(test)]
mod tests;
mod tokens;
mod values;

pub(crate) use feed::Feed;

pub(crate) use head::{AlterDatabase, Head, Target, Value, Verb, first_words, parse as parse_head};
pub(crate) use outcome::{Event, Observer, Statement, Summary, unobserved};
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use reference::assert_agreement;
pub(crate) use scanner::Scanner;
pub(crate) use sections::ACCOUNTS as ACCOUNTS_TITLE;
pub(crate) use sql_mode::SqlMode;
pub(crate) use tokens::{Family, QuoteMode, Reading, Token, Tokens, VersionComment};
pub(crate) use values::Values;
