//! How the tools tell somebody: that a run failed, that it works again, that something needs a person.
//!
//! Whom they tell is a list of URLs. Such a URL is a secret: whoever has it can write in the place of the tools, or read what
//! they wrote. So no URL is in any message, error, log or `Debug`; a target is named by its kind and its host.
//!
//! What leaves this host has its quoted values blanked ([`fwb::blank_quoted`]), because servers quote rows in their errors.
//!
//! A notice that fails is a value, [`Failure`], and no error: a backup does not fail because nobody could be told of it.
//!
//! | file | what it holds |
//! |---|---|
//! | `event` | what is told, and which kind of target hears of it: a pure function |
//! | `message`, `text` | a message, and its words |
//! | `target`, `targets`, `settings` | who is told, as text, file and environment say |
//! | `forms`, `alerts`, `mail` | a message in the form of each kind |
//! | `http`, `delivery` | how it gets there, within a time |
//! | `failure` | why it did not, without secrets |

#![forbid(unsafe_code)]

mod alerts;
mod delivery;
mod event;
mod failure;
mod forms;
mod http;
mod mail;
mod message;
mod settings;
mod target;
mod targets;
mod text;

pub use event::{Event, Kind};
pub use failure::Failure;
pub use message::{Facts, Labels, Message, NewestProved, Trouble};
pub use settings::Settings;
pub use targets::{Sending, Targets, WITHIN};
