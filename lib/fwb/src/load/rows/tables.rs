//! The rows of a file whose tables can be found: table by table.

use super::forms::TableForms;
use super::{Judge, believed, ended_early, stopped, write};
use crate::artifact::DataHeader;
use crate::error::Result;
use crate::load::destination::{Destination, end_session, not_sent, start_session};
use crate::load::open_backup::OpenBackup;
use crate::load::script::{LateKeys, Script};
use crate::load::session::LoadSession;
use crate::load::shares::{Share, Shares, Task};
use crate::progress::Context;
use crate::thread;

/// Each connection loads a table of its own while there are any, the largest first: two connections that load one table
/// hinder each other, and still are faster than one. Measured with two tables and two connections: 0.54 of one
/// connection's time, and 0.65 where both load each table together. So they do only where one would be left with it, and
/// its keys, at the end.
pub(super) fn by_table(
    input: &OpenBackup,
    script: &Script,
    forms: &TableForms,
    sessions: Vec<LoadSession>,
    to: Destination<'_>,
    context: &Context,
) -> Result<()> {
    let shares = Shares::new(input, script, sessions.len())?;
    let mut why = None;
    std::thread::scope(|scope| {
        let mut running = Vec::new();
        for session in sessions {
            let shares = &shares;
            let load = move || {
                let loaded = Worker::new(input, script, forms, session, to, context).run(shares);
                if loaded.is_err() {
                    shares.stop();
                }
                loaded
            };
            match thread::start_in(scope, load) {
                Ok(started) => running.push(started),
                Err(error) => {
                    shares.stop();
                    why = Some(error);
                }
            }
        }
        for worker in running {
            let loaded = worker.join().unwrap_or_else(|_| Err(ended_early()));
            why = believed(why.take(), loaded.err());
        }
    });
    why.map_or(Ok(()), Err)
}

/// Loads shares of the rows over one connection at a time.
struct Worker<'a> {
    input: &'a OpenBackup,
    script: &'a Script,
    /// The connection for rows; none before the next ones after keys.
    session: Option<LoadSession>,
    to: Destination<'a>,
    context: &'a Context,
    judge: Judge<'a>,
}

impl<'a> Worker<'a> {
    fn new(
        input: &'a OpenBackup,
        script: &'a Script,
        forms: &'a TableForms,
        session: LoadSession,
        to: Destination<'a>,
        context: &'a Context,
    ) -> Self {
        let judge = Judge::new(input, script.rows_mode, forms);
        Self { input, script, session: Some(session), to, context, judge }
    }

    /// Loads, and ends its connection: the program at its end dies with the thread that has started it.
    fn run(mut self, shares: &Shares) -> Result<()> {
        let loaded = self.load_all(shares);
        let Some(session) = self.session.take() else { return loaded };
        let cancel = &self.context.cancel;
        if loaded.is_ok() && shares.are_stopped() {
            // After a failure of another it is not worth waiting for.
            end_session(session, Err(stopped()), self.to, cancel).ok();
            return Ok(());
        }
        end_session(session, loaded, self.to, cancel)
    }

    fn load_all(&mut self, shares: &Shares) -> Result<()> {
        while let Some(task) = shares.take() {
            match task {
                Task::Rows(share) => {
                    self.context.progress.focus(format!("loading {}", self.input.title(share.section)));
                    self.load(&share)?;
                    shares.done(&share);
                }
                Task::Keys(section) => self.add_keys(section)?,
            }
        }
        Ok(())
    }

    /// Adds the keys that a table was not made with. What is written to a client program is not done yet: the rows are
    /// waited for, so that they are there before the keys; and the keys, so that whoever adds them takes nothing else
    /// meanwhile. Rows that another connection has been sent and not loaded yet may still come; they wait, or find the
    /// keys there.
    fn add_keys(&mut self, section: usize) -> Result<()> {
        let Some(LateKeys { before, adding, .. }) = self.script.keys(section) else { return Ok(()) };
        let cancel = &self.context.cancel;
        if let Some(rows) = self.session.take() {
            end_session(rows, Ok(()), self.to, cancel)?;
        }
        let title = self.input.title(section);
        self.context.progress.focus(format!("adding keys to {title}"));
        let mut session = start_session(self.to, self.script, cancel)?;
        session.mark(|| format!("the keys of {title}"));
        let added = before.iter().try_for_each(|line| session.statement(&line.text));
        let added = added.and_then(|()| session.statement(adding.as_bytes()));
        end_session(session, added.map_err(not_sent), self.to, cancel)
    }

    fn load(&mut self, share: &Share) -> Result<()> {
        let section = self.input.manifest.sections.get(share.section);
        self.judge.fill(section.and_then(|section| section.name.as_deref()));
        let Self { input, context, session, judge, .. } = self;
        let session = match session {
            Some(session) => session,
            None => session.insert(start_session(self.to, self.script, &context.cancel)?),
        };
        input.rows(share.extent, context, &mut |piece, offset| {
            context.progress.advance(piece.raw.len() as u64);
            if piece.flags & DataHeader::CONTINUES == 0 {
                write(session, judge.flush()?)?;
            }
            write(session, judge.push(piece.raw, input.place(share.section, Some(offset)))?)
        })?;
        write(session, judge.flush()?)?;
        session.end_rows().map_err(not_sent)
    }
}
