//! The rows, as they stand, over several connections at once. The scanner has seen the whole of what is sent.

mod forms;
mod row_end;
mod stream;
mod tables;

use std::collections::VecDeque;
use std::sync::Arc;

use super::destination::{Destination, is_not_sent, not_sent, start_session};
use super::inserts::TableForm;
use super::open_backup::OpenBackup;
use super::script::{Script, inadmissible};
use super::session::{LoadSession, Rows};
use crate::admission::Admission;
use crate::error::{Error, Result};
use crate::progress::Context;
use crate::scan::{Feed, Head, SqlMode, Statement};
use forms::TableForms;
use row_end::RowEnds;
use stream::as_they_come;
use tables::by_table;

/// How much SQL makes another connection worth its while, in bytes.
const WORTH_A_CONNECTION: u64 = 4 << 20;

/// Loads all rows of what is chosen of `input`.
///
/// # Errors
/// A statement fails, or the backup cannot be read.
pub(super) fn load_rows(
    input: &OpenBackup,
    script: &Script,
    to: Destination<'_>,
    context: &Context,
) -> Result<()> {
    let rows: u64 = input.sections().filter_map(|section| section.rows).fold(0, u64::saturating_add);
    if rows == 0 {
        return Ok(());
    }
    let most = usize::try_from(input.raw_size() / WORTH_A_CONNECTION + 1).unwrap_or(usize::MAX);
    let mut sessions = (0..context.jobs.clamp(1, most))
        .map(|_| start_session(to, script, &context.cancel))
        .collect::<Result<Vec<_>>>()?;
    let forms = match sessions.first_mut() {
        Some(session) => TableForms::of(to, script.rows_mode, session, &context.cancel)?,
        None => TableForms::none(),
    };
    if input.is_seekable()? {
        return by_table(input, script, &forms, sessions, to, context);
    }
    as_they_come(input, script, &forms, sessions, to, context)
}

/// Hands on what was judged.
fn write(session: &mut LoadSession, judged: impl IntoIterator<Item = Rows>) -> Result<()> {
    judged.into_iter().try_for_each(|rows| {
        session.mark(|| rows.place.clone());
        session.rows(&rows).map_err(not_sent)
    })
}

/// Reads pieces of rows, and judges the statements in them. A piece is held until all of it was seen: a few bytes wait for
/// what follows.
struct Judge<'a> {
    admission: Admission,
    input: &'a OpenBackup,
    /// How the session that loads the rows reads them.
    mode: SqlMode,
    /// What the tables look like that take their rows as they are.
    forms: &'a TableForms,
    /// What the present one looks like.
    form: Option<Arc<TableForm>>,
    /// Converts the rows of the present table, where they need it.
    row_ends: Option<RowEnds>,
    /// Where the last piece stands, for messages.
    place: String,
    feed: Feed,
    /// Bytes that were read so far.
    read: u64,
    /// Where each piece begins that is held.
    held: VecDeque<(u64, Rows)>,
}

impl<'a> Judge<'a> {
    fn new(input: &'a OpenBackup, mode: SqlMode, forms: &'a TableForms) -> Self {
        let admission = Admission::new(input.manifest.database.as_deref());
        let (row_ends, place, feed) = (None, String::new(), Feed::under(mode));
        let (form, held) = (None, VecDeque::new());
        Self { admission, input, mode, forms, form, row_ends, place, feed, read: 0, held }
    }

    /// From here on, rows of this table come.
    fn fill(&mut self, table: Option<&str>) {
        self.admission.fill(table);
        self.form = table.and_then(|table| self.forms.get(table));
        let columns = table.and_then(|table| self.input.survey.times.get(table));
        self.row_ends =
            columns.and_then(|columns| RowEnds::new(columns, self.mode.quotes(), self.input.last_timestamp));
    }

    /// Reads the next piece. Returns what was judged as far as it can be without what follows.
    fn push(&mut self, raw: Vec<u8>, place: String) -> Result<Vec<Rows>> {
        let raw = match &mut self.row_ends {
            Some(row_ends) => {
                self.place.clone_from(&place);
                let Some(raw) = row_ends.push(raw) else {
                    let problem = format!("the values in the rows of {place} cannot be told apart");
                    return Err(Error::damaged(&self.input.manifest.name, problem));
                };
                raw
            }
            None => raw,
        };
        self.judge(raw, place)
    }

    fn judge(&mut self, raw: Vec<u8>, place: String) -> Result<Vec<Rows>> {
        let size = raw.len() as u64;
        self.held.push_back((self.read, Rows { raw, ends: Vec::new(), place, form: self.form.clone() }));
        self.read += size;
        let Self { admission, input, feed, held, .. } = self;
        let name = &input.manifest.name;
        let mut ends = Vec::new();
        let piece = held.back().map(|(_, rows)| rows.raw.as_slice()).unwrap_or_default();
        feed.push(piece, &mut |statement| judged(admission, name, &mut ends, statement))?;
        self.note(&ends);
        let seen = self.read - self.feed.waiting() as u64;
        let whole = self.held.iter().take_while(|(at, rows)| at + rows.raw.len() as u64 <= seen).count();
        Ok(self.held.drain(..whole).map(|(_, rows)| rows).collect())
    }

    /// Ends a run of pieces: the next one does not go on with it. Returns what is left.
    fn flush(&mut self) -> Result<Vec<Rows>> {
        let waiting = self.row_ends.as_mut().map(RowEnds::flush).filter(|waiting| !waiting.is_empty());
        let mut judged_before = match waiting {
            Some(waiting) => self.judge(waiting, self.place.clone())?,
            None => Vec::new(),
        };
        let Self { admission, input, feed, .. } = self;
        let name = &input.manifest.name;
        let mut ends = Vec::new();
        feed.flush(&mut |statement| judged(admission, name, &mut ends, statement))?;
        self.note(&ends);
        judged_before.extend(self.held.drain(..).map(|(_, rows)| rows));
        Ok(judged_before)
    }

    /// Writes ends of statements down in the pieces in which they lie.
    fn note(&mut self, ends: &[(u64, u64)]) {
        for (end, next) in ends {
            let holds = |(at, rows): &&mut (u64, Rows)| *end < at + rows.raw.len() as u64;
            let Some((at, rows)) = self.held.iter_mut().find(holds) else { continue };
            let within = |offset: u64| {
                usize::try_from(offset.saturating_sub(*at)).unwrap_or(usize::MAX).min(rows.raw.len())
            };
            rows.ends.push((within(*end), within(*next)));
        }
    }
}

/// Judges a statement, and notes where it ends.
fn judged(
    admission: &mut Admission,
    name: &str,
    ends: &mut Vec<(u64, u64)>,
    statement: &Statement<'_>,
) -> Result<()> {
    ends.push((statement.end, statement.next));
    let refused = |why| inadmissible(name, statement, why);
    if !matches!(statement.head, Head::Insert(_)) {
        return Err(refused("it does not stand where the file says that rows stand".into()));
    }
    admission.judge(statement).map(drop).map_err(refused)
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
