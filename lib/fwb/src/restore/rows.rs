//! The rows, as they stand, over several connections at once. The scanner has seen the whole of what is sent.

mod stream;
mod tables;

use super::admission::Admission;
use super::input::Input;
use super::load::{Destination, is_not_sent, not_sent, start_session};
use super::script::{Script, inadmissible};
use super::session::LoadSession;
use crate::error::{Error, Result};
use crate::progress::Context;
use crate::scan::{Head, Statement};
use stream::as_they_come;
use tables::by_table;

/// How much SQL makes another connection worth its while, in bytes.
const WORTH_A_CONNECTION: u64 = 4 << 20;

/// Loads all rows of what is chosen of `input`.
///
/// # Errors
/// A statement fails, or the backup cannot be read.
pub(super) fn load_rows(
    input: &Input,
    script: &Script,
    to: Destination<'_>,
    context: &Context,
) -> Result<()> {
    let rows: u64 = input.sections().filter_map(|section| section.rows).fold(0, u64::saturating_add);
    if rows == 0 {
        return Ok(());
    }
    let most = usize::try_from(input.raw_size() / WORTH_A_CONNECTION + 1).unwrap_or(usize::MAX);
    let sessions = (0..context.jobs.clamp(1, most))
        .map(|_| start_session(to, script, &context.cancel))
        .collect::<Result<Vec<_>>>()?;
    if input.is_seekable()? {
        return by_table(input, script, sessions, to, context);
    }
    as_they_come(input, script, sessions, to, context)
}

/// What a connection is sent.
struct Rows {
    raw: Vec<u8>,
    /// Where it stands, for messages.
    place: String,
}

/// Hands on what was judged.
fn write(session: &mut LoadSession, judged: impl IntoIterator<Item = Rows>) -> Result<()> {
    judged.into_iter().try_for_each(|Rows { raw, place }| {
        session.mark(|| place);
        session.rows(&raw).map_err(not_sent)
    })
}

/// Judges what is said to be rows.
struct Judge<'a> {
    admission: Admission,
    /// The backup's name, for messages.
    name: &'a str,
}

impl<'a> Judge<'a> {
    fn new(input: &'a Input) -> Self {
        let admission = Admission::new(input.manifest.database.as_deref());
        Self { admission, name: &input.manifest.name }
    }

    fn statement(&mut self, statement: &Statement<'_>) -> Result<()> {
        let refused = |why| inadmissible(self.name, statement, why);
        if !matches!(statement.head, Head::Insert(_)) {
            return Err(refused("it does not stand where the file says that rows stand".into()));
        }
        self.admission.judge(statement).map(drop).map_err(refused)
    }
}

/// That a thread has panicked.
fn ended_early() -> Error {
    Error::Stream { action: "load rows", source: std::io::Error::other("a thread ended early") }
}

/// Of two errors the one that tells more: the first, unless it only says that a connection was cut off.
fn believed(why: Option<Error>, error: Option<Error>) -> Option<Error> {
    match (why, error) {
        (Some(known), error) if is_not_sent(&known) => error.or(Some(known)),
        (why, error) => why.or(error),
    }
}

/// What a connection is ended with that has done nothing wrong.
fn stopped() -> Error {
    Error::Stream { action: "load rows", source: std::io::Error::other("stopped") }
}
