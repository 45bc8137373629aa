//! Loading a backup's SQL into a database: rows as they stand, everything else statement by statement, judged once
//! more before it is sent.

use std::io;

use super::admission::{Admission, Admitted, name_of};
use super::input::{Input, Part};
use super::session::{LoadSession, Quoting};
use crate::artifact::{DataHeader, Piece};
use crate::error::{Error, Result};
use crate::progress::Context;
use crate::scan::{Feed, Head, Reading, Statement, Token, Tokens};
use crate::server::ServerClient;

/// Where SQL is loaded.
#[derive(Debug, Clone, Copy)]
pub(super) struct Destination<'a> {
    pub(super) server: &'a ServerClient,
    pub(super) database: &'a str,
    pub(super) quoting: Quoting,
}

/// Loads `part` of what is chosen of `input`, over one connection, in the dump's order.
///
/// # Errors
/// A statement fails, or the backup cannot be read.
pub(super) fn load(input: &Input, part: Part, to: Destination<'_>, context: &Context) -> Result<()> {
    context.progress.begin(format!("loading {}", to.database), input.raw_size());
    let session = LoadSession::start(&to.server.sql_client(Some(to.database)), to.quoting, &context.cancel)?;
    let mut loader = Loader { session, admission: Admission::default(), feed: Feed::new(), section: None };
    let read = input
        .for_each_piece(part, context, &mut |piece| loader.piece(&piece, input, context))
        .and_then(|()| loader.flush());
    let Loader { session, .. } = loader;
    let ended = match read {
        Ok(()) => session.finish(),
        // The client program has ended before its input: why, it says itself.
        Err(error @ Error::Stream { action: SEND, .. }) => Err(session.finish().err().unwrap_or(error)),
        Err(error) => {
            session.abandon();
            Err(error)
        }
    };
    ended.map_err(|error| context.cancel.explain(error))
}

/// How a failure to write to the client program is named.
const SEND: &str = "send SQL to the client program";

fn sent(result: io::Result<()>) -> Result<()> {
    result.map_err(|source| Error::Stream { action: SEND, source })
}

struct Loader {
    session: LoadSession,
    admission: Admission,
    feed: Feed,
    section: Option<usize>,
}

impl Loader {
    fn piece(&mut self, piece: &Piece, input: &Input, context: &Context) -> Result<()> {
        if piece.flags & DataHeader::CONTINUES == 0 {
            self.flush()?;
        }
        if self.section != Some(piece.section) {
            self.section = Some(piece.section);
            self.session.mark(|| input.title(piece.section));
            context.progress.focus(format!("loading {}", input.title(piece.section)));
        }
        context.progress.advance(piece.raw.len() as u64);
        if piece.flags & DataHeader::DATA != 0 {
            return sent(self.session.rows(&piece.raw));
        }
        let Self { session, admission, feed, .. } = self;
        feed.push(&piece.raw, &mut |statement| send(session, admission, statement))
    }

    /// Sends the statements that have waited for more.
    fn flush(&mut self) -> Result<()> {
        let Self { session, admission, feed, .. } = self;
        feed.flush(&mut |statement| send(session, admission, statement))
    }
}

fn send(session: &mut LoadSession, admission: &mut Admission, statement: &Statement<'_>) -> Result<()> {
    let verdict = admission.judge(statement).map_err(|why| Error::Inadmissible {
        name: "the backup".into(),
        statement: name_of(statement),
        offset: statement.offset,
        why,
    })?;
    // Where the server splits what it is sent, a semicolon may stand in the body of a stored program only.
    let program = matches!(statement.head, Head::Program(..));
    if session.quoting() == Quoting::Delimiter && !program && has_semicolon(statement) {
        return Err(Error::Inadmissible {
            name: "the backup".into(),
            statement: name_of(statement),
            offset: statement.offset,
            why: "it holds more than one statement".into(),
        });
    }
    match verdict {
        Admitted::Skip => Ok(()),
        Admitted::Load => sent(session.statement(statement.text)),
    }
}

fn has_semicolon(statement: &Statement<'_>) -> bool {
    let mut tokens = Tokens::new(statement.text, Reading::Everything, statement.mode.quotes());
    tokens.any(|token| token == Token::Symbol(b';'))
}
