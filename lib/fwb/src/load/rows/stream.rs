//! The rows of a stream, as they come: each member goes to a connection that has room.

use crossbeam_channel::{Receiver, Select, Sender, bounded};

use super::forms::TableForms;
use super::{Judge, believed, ended_early, stopped, write};
use crate::artifact::{DataHeader, Piece};
use crate::error::Result;
use crate::load::destination::{Destination, end_session, not_sent};
use crate::load::open_backup::{OpenBackup, Part};
use crate::load::script::Script;
use crate::load::session::{LoadSession, Rows};
use crate::manifest::SectionKind;
use crate::progress::{Cancel, Context};
use crate::thread;

/// Members that wait for one connection.
const WAITING: usize = 2;

/// Loads the rows.
pub(super) fn as_they_come(
    input: &OpenBackup,
    script: &Script,
    forms: &TableForms,
    sessions: Vec<LoadSession>,
    to: Destination<'_>,
    context: &Context,
) -> Result<()> {
    std::thread::scope(|scope| {
        let (mut queues, mut connections) = (Vec::new(), Vec::new());
        let mut started = Ok(());
        for session in sessions {
            let (queue, loads) = bounded(WAITING);
            match thread::start_in(scope, move || drain(session, &loads)) {
                Ok(connection) => connections.push(connection),
                Err(error) => started = Err(error),
            }
            queues.push(queue);
        }
        let mut hand_out = HandOut {
            input,
            script,
            judge: Judge::new(input, script.rows_mode, forms),
            queues,
            connection: 0,
            section: None,
        };
        let read = started
            .and_then(|()| {
                input.for_each_piece(Part::Rows, context, &mut |piece, offset| {
                    context.progress.advance(piece.raw.len() as u64);
                    hand_out.piece(piece, offset, context)
                })
            })
            .and_then(|()| hand_out.flush());
        // The queues end here, and with them the connections.
        drop(hand_out);
        let connections: Vec<_> = connections.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
        end_all(connections, read, to, &context.cancel)
    })
}

/// Writes to one client program until nothing more comes.
fn drain(mut session: LoadSession, loads: &Receiver<Rows>) -> (LoadSession, Result<()>) {
    let sent = write(&mut session, loads).and_then(|()| session.end_rows().map_err(not_sent));
    (session, sent)
}

/// Ends all connections. The first that says why it failed is believed; one that was only cut off says nothing.
fn end_all(
    connections: Vec<std::thread::Result<(LoadSession, Result<()>)>>,
    read: Result<()>,
    to: Destination<'_>,
    cancel: &Cancel,
) -> Result<()> {
    let mut why = read.err();
    let mut later = Vec::new();
    for connection in connections {
        match connection {
            Err(_) => why = why.or_else(|| Some(ended_early())),
            Ok((session, Ok(()))) => later.push(session),
            Ok((session, sent)) => why = believed(why, end_session(session, sent, to, cancel).err()),
        }
    }
    for session in later {
        // After a failure the others are not worth waiting for.
        let stopping = why.is_some();
        let sent = if stopping { Err(stopped()) } else { Ok(()) };
        let error = end_session(session, sent, to, cancel).err().filter(|_| !stopping);
        why = why.or(error);
    }
    why.map_or(Ok(()), Err)
}

/// Reads pieces in their order, judges them, and hands them to the connections.
struct HandOut<'a> {
    input: &'a OpenBackup,
    script: &'a Script,
    judge: Judge<'a>,
    queues: Vec<Sender<Rows>>,
    /// The connection that the present statement goes to.
    connection: usize,
    section: Option<usize>,
}

impl HandOut<'_> {
    fn piece(&mut self, piece: Piece, offset: Option<u64>, context: &Context) -> Result<()> {
        if piece.flags & DataHeader::CONTINUES == 0 {
            self.flush()?;
            self.connection = usize::MAX;
        }
        if self.section != Some(piece.section) {
            self.section = Some(piece.section);
            let section = self.input.manifest.sections.get(piece.section);
            let table = section.filter(|section| section.kind == SectionKind::Table);
            self.judge.fill(table.and_then(|section| section.name.as_deref()));
            context.progress.focus(format!("loading {}", self.input.title(piece.section)));
        }
        let place = self.input.place(piece.section, offset);
        let judged = self.judge.push(piece.raw, place)?;
        self.send(judged)
    }

    /// Judges and sends what has waited for more.
    fn flush(&mut self) -> Result<()> {
        let judged = self.judge.flush()?;
        self.send(judged)
    }

    fn send(&mut self, judged: Vec<Rows>) -> Result<()> {
        for rows in judged {
            if self.connection == usize::MAX {
                self.connection = match self.section {
                    Some(section) if self.script.keeps_order(section) => section % self.queues.len(),
                    _ => self.first_free(),
                };
            }
            let gone = |_| not_sent(std::io::Error::other("the connection has ended"));
            self.queues[self.connection].send(rows).map_err(gone)?;
        }
        Ok(())
    }

    /// A connection that has room, or that has ended.
    fn first_free(&self) -> usize {
        if let Some(idle) = self.queues.iter().position(Sender::is_empty) {
            return idle;
        }
        let mut select = Select::new();
        for queue in &self.queues {
            select.send(queue);
        }
        select.ready()
    }
}
