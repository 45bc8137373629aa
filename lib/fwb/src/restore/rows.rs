//! The rows, as they stand, over several connections at once. The scanner has seen the whole of what is sent.

use crossbeam_channel::{Receiver, Select, Sender, bounded};

use super::admission::Admission;
use super::input::{Input, Part};
use super::load::{Destination, end_session, is_not_sent, not_sent, start_session};
use super::script::{LateKeys, Script, inadmissible};
use super::session::LoadSession;
use super::shares::{Share, Shares, Task};
use crate::artifact::{DataHeader, Piece};
use crate::error::{Error, Result};
use crate::manifest::SectionKind;
use crate::progress::{Cancel, Context};
use crate::scan::{Feed, Head, Statement};
use crate::thread;

/// How much SQL makes another connection worth its while, in bytes.
const WORTH_A_CONNECTION: u64 = 4 << 20;
/// Members that wait for one connection.
const WAITING: usize = 2;

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

/// Each connection loads a table of its own while there are any, the largest first: two connections that load one table
/// hinder each other, and still are faster than one. Measured with two tables and two connections: 0.54 of one
/// connection's time, and 0.65 where both load each table together.
fn by_table(
    input: &Input,
    script: &Script,
    sessions: Vec<LoadSession>,
    to: Destination<'_>,
    context: &Context,
) -> Result<()> {
    let shares = Shares::new(input, script, sessions.len())?;
    let mut refused = Ok(());
    let connections = std::thread::scope(|scope| {
        let mut running = Vec::new();
        for mut session in sessions {
            let shares = &shares;
            let load = move || {
                let mut worker = Worker::new(input, &mut session, to);
                let loaded = worker.load_all(shares, script, context);
                if loaded.is_err() {
                    shares.stop();
                }
                (session, loaded)
            };
            match thread::start_in(scope, load) {
                Ok(started) => running.push(started),
                Err(error) => {
                    shares.stop();
                    refused = Err(error);
                }
            }
        }
        running.into_iter().map(std::thread::ScopedJoinHandle::join).collect::<Vec<_>>()
    });
    end_all(connections, refused, to, &context.cancel)
}

/// Loads shares of the rows over one connection.
struct Worker<'a> {
    input: &'a Input,
    session: &'a mut LoadSession,
    to: Destination<'a>,
    judge: Judge<'a>,
}

impl<'a> Worker<'a> {
    fn new(input: &'a Input, session: &'a mut LoadSession, to: Destination<'a>) -> Self {
        let admission = Admission::new(input.manifest.database.as_deref());
        Self { input, session, to, judge: Judge { admission, name: &input.manifest.name } }
    }

    fn load_all(&mut self, shares: &Shares, script: &Script, context: &Context) -> Result<()> {
        while let Some(task) = shares.take() {
            match task {
                Task::Rows(share) => {
                    context.progress.focus(format!("loading {}", self.input.title(share.section)));
                    self.load(&share, context)?;
                    shares.done(&share);
                }
                Task::Keys(section) => self.add_keys(section, script, context)?,
            }
        }
        Ok(())
    }

    /// Adds the keys that a table was not made with, over a connection of their own: what is written to a client program
    /// is not done yet, and whoever adds keys must not take anything else meanwhile. Rows that were sent and are not
    /// loaded yet may still come; they wait, or find the keys there.
    fn add_keys(&self, section: usize, script: &Script, context: &Context) -> Result<()> {
        let Some(LateKeys { before, adding, .. }) = script.keys(section) else { return Ok(()) };
        let title = self.input.title(section);
        context.progress.focus(format!("adding keys to {title}"));
        let mut session = start_session(self.to, script, &context.cancel)?;
        session.mark(|| format!("the keys of {title}"));
        let added = before.iter().try_for_each(|line| session.statement(&line.text));
        let added = added.and_then(|()| session.compound(adding));
        end_session(session, added.map_err(not_sent), self.to, &context.cancel)
    }

    fn load(&mut self, share: &Share, context: &Context) -> Result<()> {
        let section = self.input.manifest.sections.get(share.section);
        self.judge.admission.fill(section.and_then(|section| section.name.as_deref()));
        let mut feed = Feed::new();
        let mut held: Vec<Rows> = Vec::new();
        let Self { input, session, judge, .. } = self;
        input.rows(share.extent, context, &mut |piece, offset| {
            context.progress.advance(piece.raw.len() as u64);
            if piece.flags & DataHeader::CONTINUES == 0 {
                feed.flush(&mut |statement| judge.statement(statement))?;
                write(session, held.drain(..))?;
            }
            feed.push(&piece.raw, &mut |statement| judge.statement(statement))?;
            // What the scanner has not seen the end of may lie before this piece.
            if feed.waiting() <= piece.raw.len() {
                write(session, held.drain(..))?;
            }
            held.push(Rows { raw: piece.raw, place: input.place(share.section, Some(offset)) });
            Ok(())
        })?;
        feed.flush(&mut |statement| judge.statement(statement))?;
        write(session, held)
    }
}

/// Hands on what was judged.
fn write(session: &mut LoadSession, judged: impl IntoIterator<Item = Rows>) -> Result<()> {
    judged.into_iter().try_for_each(|Rows { raw, place }| {
        session.mark(|| place);
        session.rows(&raw).map_err(not_sent)
    })
}

/// Loads the rows of a stream: each member goes to a connection that has room.
fn as_they_come(
    input: &Input,
    script: &Script,
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
        let admission = Admission::new(input.manifest.database.as_deref());
        let mut hand_out = HandOut {
            input,
            script,
            feed: Feed::new(),
            judge: Judge { admission, name: &input.manifest.name },
            queues,
            connection: 0,
            section: None,
            held: Vec::new(),
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

/// What a connection is sent.
struct Rows {
    raw: Vec<u8>,
    /// Where it stands, for messages.
    place: String,
}

/// Writes to one client program until nothing more comes.
fn drain(mut session: LoadSession, loads: &Receiver<Rows>) -> (LoadSession, Result<()>) {
    let sent = write(&mut session, loads);
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
        let Ok((session, sent)) = connection else {
            let source = std::io::Error::other("a thread ended early");
            why = why.or(Some(Error::Stream { action: "load rows", source }));
            continue;
        };
        match sent {
            Err(_) => {
                let error = end_session(session, sent, to, cancel).err();
                why = match (why, error) {
                    (Some(known), error) if is_not_sent(&known) => error.or(Some(known)),
                    (why, error) => why.or(error),
                };
            }
            Ok(()) => later.push(session),
        }
    }
    for session in later {
        // After a failure the others are not worth waiting for.
        let stopped = Error::Stream { action: "load rows", source: std::io::Error::other("stopped") };
        let sent = if why.is_some() { Err(stopped) } else { Ok(()) };
        let stopping = why.is_some();
        let error = end_session(session, sent, to, cancel).err().filter(|_| !stopping);
        why = why.or(error);
    }
    why.map_or(Ok(()), Err)
}

/// Reads pieces in their order, judges them, and hands them to the connections.
struct HandOut<'a> {
    input: &'a Input,
    script: &'a Script,
    feed: Feed,
    judge: Judge<'a>,
    queues: Vec<Sender<Rows>>,
    /// The connection that the present statement goes to.
    connection: usize,
    section: Option<usize>,
    /// Rows that were judged as far as they can be without what follows.
    held: Vec<Rows>,
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
            self.judge.admission.fill(table.and_then(|section| section.name.as_deref()));
            context.progress.focus(format!("loading {}", self.input.title(piece.section)));
        }
        let Self { feed, judge, .. } = self;
        feed.push(&piece.raw, &mut |statement| judge.statement(statement))?;
        let place = self.input.place(piece.section, offset);
        // What the scanner has not seen the end of may lie before this piece.
        let whole = self.feed.waiting() <= piece.raw.len();
        if whole {
            self.send()?;
        }
        self.held.push(Rows { raw: piece.raw, place });
        Ok(())
    }

    /// Judges and sends what has waited for more.
    fn flush(&mut self) -> Result<()> {
        let Self { feed, judge, .. } = self;
        feed.flush(&mut |statement| judge.statement(statement))?;
        self.send()
    }

    fn send(&mut self) -> Result<()> {
        for rows in std::mem::take(&mut self.held) {
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

/// Judges what is said to be rows.
struct Judge<'a> {
    admission: Admission,
    /// The backup's name, for messages.
    name: &'a str,
}

impl Judge<'_> {
    fn statement(&mut self, statement: &Statement<'_>) -> Result<()> {
        let refused = |why| inadmissible(self.name, statement, why);
        if !matches!(statement.head, Head::Insert(_)) {
            return Err(refused("it does not stand where the file says that rows stand".into()));
        }
        self.admission.judge(statement).map(drop).map_err(refused)
    }
}
