//! Loading a backup's SQL into a database: rows as they stand, everything else statement by statement, judged once
//! more before it is sent.

use std::io;

use super::admission::{Admission, Admitted, name_of};
use super::amends::{Amends, TAKE_ALL_ROWS};
use super::input::{Input, Part};
use super::rename::unqualified;
use super::session::{LoadSession, Quoting};
use super::views::Views;
use crate::artifact::{DataHeader, Piece};
use crate::error::{Error, Result};
use crate::manifest::{ObjectKind, SectionKind};
use crate::progress::{Cancel, Context};
use crate::scan::{Feed, Head, Statement};
use crate::server::ServerClient;

/// Where SQL is loaded.
#[derive(Debug, Clone, Copy)]
pub(super) struct Destination<'a> {
    pub(super) server: &'a ServerClient,
    pub(super) database: &'a str,
    pub(super) quoting: Quoting,
}

/// Loads `part` of what is chosen of `input`, over one connection, in the dump's order but for the views, which come
/// after those that they name.
///
/// # Errors
/// A statement fails, or the backup cannot be read.
pub(super) fn load(input: &Input, part: Part, to: Destination<'_>, context: &Context) -> Result<()> {
    context.progress.begin(format!("loading {}", to.database), input.raw_size());
    let mut session =
        LoadSession::start(&to.server.sql_client(Some(to.database)), to.quoting, &context.cancel)?;
    // A failure to write shows when the session ends.
    session.statement(TAKE_ALL_ROWS.as_bytes()).ok();
    let lock = session.lock();
    let original = input.manifest.database.as_deref().filter(|original| *original != to.database);
    let name = &input.manifest.name;
    let sender = Sender {
        session,
        admission: Admission::new(input.manifest.database.as_deref()),
        amends: Amends::default(),
        rows: false,
        part,
        original,
        name,
    };
    let mut loader =
        Loader { sender, feed: Feed::new(), section: None, views: Views::default(), held: Vec::new() };
    let read = input
        .for_each_piece(part, context, &mut |piece| loader.piece(piece, input, context))
        .and_then(|()| loader.views(input))
        .and_then(|()| loader.flush());
    let session = loader.sender.session;
    let ended = match read {
        Ok(()) => session.finish(),
        // The client program has ended before its input: why, it says itself.
        Err(error @ Error::Stream { action: SEND, .. }) => Err(session.finish().err().unwrap_or(error)),
        Err(error) => {
            session.abandon();
            Err(error)
        }
    };
    ended.map_err(|error| {
        wait_until_released(&lock, to.server);
        context.cancel.explain(error)
    })
}

/// Waits until the server has ended a connection whose program is gone: a statement that it is still at must not come
/// after a rollback. A server that does not answer has ended it too.
fn wait_until_released(lock: &str, server: &ServerClient) {
    let sql = format!("DO GET_LOCK('{lock}', {PATIENCE});\n");
    if let Err(error) = server.query(None, &sql, "waiting for the connection to end", &Cancel::default()) {
        log::debug!("{error}");
    }
}

/// How long the server may take to finish one statement, in seconds.
const PATIENCE: u32 = 3600;

/// How a failure to write to the client program is named.
const SEND: &str = "send SQL to the client program";

fn sent(result: io::Result<()>) -> Result<()> {
    result.map_err(|source| Error::Stream { action: SEND, source })
}

/// Reads pieces, in their order.
struct Loader<'a> {
    sender: Sender<'a>,
    feed: Feed,
    section: Option<usize>,
    views: Views,
    /// Rows that were judged as far as they can be without what follows.
    held: Vec<u8>,
}

impl Loader<'_> {
    fn piece(&mut self, piece: Piece, input: &Input, context: &Context) -> Result<()> {
        context.progress.advance(piece.raw.len() as u64);
        let section = input.manifest.sections.get(piece.section);
        match section.map(|section| (section.kind, section.name.as_deref())) {
            Some((SectionKind::View, name)) => {
                self.views.add(piece.section, name.unwrap_or_default(), &piece.raw);
                return Ok(());
            }
            Some((SectionKind::Trailer, _)) => self.views(input)?,
            _ => {}
        }
        if piece.flags & DataHeader::CONTINUES == 0 {
            self.flush()?;
        }
        if self.section != Some(piece.section) {
            self.section = Some(piece.section);
            self.sender.session.mark(|| input.title(piece.section));
            context.progress.focus(format!("loading {}", input.title(piece.section)));
        }
        if piece.flags & DataHeader::DATA == 0 {
            return self.statements(&piece.raw);
        }
        self.rows(piece.raw)
    }

    /// Hands on rows as they stand. That they are rows is what the file says; what it holds is judged first, and goes
    /// on its way only when the scanner has seen the whole of it.
    fn rows(&mut self, mut raw: Vec<u8>) -> Result<()> {
        self.sender.rows = true;
        self.push(&raw)?;
        if self.feed.waiting() <= raw.len() {
            self.send_rows()?;
            self.held = raw;
        } else {
            self.held.append(&mut raw);
        }
        Ok(())
    }

    fn send_rows(&mut self) -> Result<()> {
        let sent = sent(self.sender.session.rows(&self.held));
        self.held.clear();
        sent
    }

    /// Loads the views that have waited for each other.
    fn views(&mut self, input: &Input) -> Result<()> {
        for (section, sql) in self.views.take_in_order() {
            self.flush()?;
            self.sender.session.mark(|| input.title(section));
            self.statements(&sql)?;
        }
        Ok(())
    }

    fn statements(&mut self, sql: &[u8]) -> Result<()> {
        self.sender.rows = false;
        self.push(sql)
    }

    fn push(&mut self, sql: &[u8]) -> Result<()> {
        let Self { sender, feed, .. } = self;
        feed.push(sql, &mut |statement| sender.send(statement))
    }

    /// Sends what has waited for more.
    fn flush(&mut self) -> Result<()> {
        let Self { sender, feed, .. } = self;
        feed.flush(&mut |statement| sender.send(statement))?;
        self.send_rows()
    }
}

/// Judges statements and sends those that are no rows.
struct Sender<'a> {
    session: LoadSession,
    admission: Admission,
    amends: Amends,
    /// Whether rows are being read.
    rows: bool,
    part: Part,
    /// The database that was dumped, where it is restored under another name.
    original: Option<&'a str>,
    /// The backup's name, for messages.
    name: &'a str,
}

impl Sender<'_> {
    fn send(&mut self, statement: &Statement<'_>) -> Result<()> {
        let verdict = self.admission.judge(statement).map_err(|why| self.refused(statement, why))?;
        if self.rows != matches!(statement.head, Head::Insert(_)) {
            let why = "it does not stand where the file says that rows stand".into();
            return Err(self.refused(statement, why));
        }
        let event = matches!(statement.head, Head::Program(_, ObjectKind::Event, _));
        if self.rows || verdict == Admitted::Skip || event && self.part == Part::BeforeEvents {
            return Ok(());
        }
        let mode = statement.mode.quotes();
        let amended = self.amends.amend(statement.head, statement.text, mode);
        if let Some(before) = amended.before {
            sent(self.session.statement(before.as_bytes()))?;
        }
        let text = amended.instead.as_deref().unwrap_or(statement.text);
        let renamed = self.original.and_then(|from| unqualified(statement.head, text, mode, from));
        sent(self.session.statement(renamed.as_deref().unwrap_or(text)))
    }

    fn refused(&self, statement: &Statement<'_>, why: String) -> Error {
        Error::Inadmissible {
            name: self.name.into(),
            statement: name_of(statement),
            offset: statement.offset,
            why,
        }
    }
}
