//! Loading a backup into a database: tables first, then the rows over several connections, then what rows must not
//! meet. Every statement is judged once more before it is sent.

use super::input::Input;
use super::rename::Renaming;
use super::rows::load_rows;
use super::script::{Script, Stage};
use super::session::{LoadSession, Quoting};
use crate::error::{Error, Result};
use crate::progress::{Cancel, Context};
use crate::server::ServerClient;

/// Where SQL is loaded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Destination<'a> {
    pub(crate) server: &'a ServerClient,
    pub(crate) database: &'a str,
    pub(crate) quoting: Quoting,
    /// Whether a rollback may follow, which nothing that was sent before may come after.
    pub(crate) is_live: bool,
}

/// A backup that is being loaded.
pub(super) struct Load<'a> {
    input: &'a Input,
    to: Destination<'a>,
    pub(super) script: Script,
    context: &'a Context,
}

impl<'a> Load<'a> {
    /// Reads the definitions; nothing is sent yet. With `disabled`, the events will not run.
    ///
    /// # Errors
    /// The backup cannot be read, or holds what no dump holds.
    pub(super) fn new(
        input: &'a Input,
        to: Destination<'a>,
        renaming: &Renaming<'_>,
        disabled: bool,
        context: &'a Context,
    ) -> Result<Self> {
        context.progress.begin(format!("loading {}", to.database), input.raw_size());
        let script = Script::read(input, renaming, disabled, context)?;
        Ok(Self { input, to, script, context })
    }

    /// Gives tables their keys after their rows, where that is faster and comes to the same. Only for a database of
    /// ours: elsewhere, foreign keys may refer to a table that lacks keys for a while.
    ///
    /// # Errors
    /// The backup cannot be read.
    pub(super) fn with_late_keys(mut self) -> Result<Self> {
        // Tried with servers that prepare every statement; older ones, and MySQL, are sent what the dump says.
        if self.to.quoting == Quoting::Immediate && self.input.is_seekable()? {
            self.script.put_off_keys(self.input);
        }
        Ok(self)
    }

    /// Loads everything but the events.
    ///
    /// # Errors
    /// A statement fails, or the backup cannot be read.
    pub(super) fn all_but_events(&self) -> Result<()> {
        self.stages(&[Stage::Structure])?;
        load_rows(self.input, &self.script, self.to, self.context)?;
        self.stages(&[Stage::References, Stage::Routines, Stage::Views, Stage::Triggers])
    }

    /// Makes everything, and loads no rows.
    ///
    /// # Errors
    /// A statement fails.
    pub(super) fn definitions(&self) -> Result<()> {
        self.stages(&[
            Stage::Structure,
            Stage::References,
            Stage::Routines,
            Stage::Views,
            Stage::Triggers,
            Stage::Events,
        ])
    }

    /// Makes the events. One that is due runs at once, unless they were read as disabled ones.
    ///
    /// # Errors
    /// As [`Load::all_but_events`].
    pub(super) fn events(&self) -> Result<()> {
        self.stages(&[Stage::Events])
    }

    fn stages(&self, stages: &[Stage]) -> Result<()> {
        let parts: Vec<_> = stages
            .iter()
            .flat_map(|stage| self.script.parts(*stage).into_iter().flatten().map(move |line| (*stage, line)))
            .filter(|(stage, line)| !(line.of_database && *stage == Stage::Structure))
            .map(|(_, line)| line)
            .collect();
        if parts.is_empty() {
            return Ok(());
        }
        let mut session = start_session(self.to, &self.script, &self.context.cancel)?;
        let mut section = None;
        let sent = parts.into_iter().try_for_each(|line| {
            if section != Some(line.section) {
                section = Some(line.section);
                session.mark(|| self.input.place(line.section, None));
                self.context.cancel.check()?;
            }
            session.statement(&line.text).map_err(not_sent)
        });
        end_session(session, sent, self.to, &self.context.cancel)
    }
}

/// Starts a session and sends it the settings of the dump's header.
pub(super) fn start_session(to: Destination<'_>, script: &Script, cancel: &Cancel) -> Result<LoadSession> {
    let mut session = LoadSession::start(&to.server.sql_client(Some(to.database)), to.quoting, cancel)?;
    session.mark(|| "the session settings".into());
    // A failure to write shows when the session ends.
    open_session(&mut session, script).ok();
    Ok(session)
}

/// Sends a session the settings that everything is loaded under.
fn open_session(session: &mut LoadSession, script: &Script) -> std::io::Result<()> {
    script.header.iter().try_for_each(|text| session.statement(text))?;
    session.settle()
}

/// Ends a session, or what is left of it after a failure; then the server executes nothing of it any more.
pub(super) fn end_session(
    session: LoadSession,
    sent: Result<()>,
    to: Destination<'_>,
    cancel: &Cancel,
) -> Result<()> {
    let lock = session.lock();
    let ended = match sent {
        Ok(()) => session.finish(),
        // The client program has ended before its input: why, it says itself.
        Err(error @ Error::Stream { action: SEND, .. }) => Err(session.finish().err().unwrap_or(error)),
        Err(error) => {
            session.abandon();
            Err(error)
        }
    };
    ended.map_err(|error| {
        // What is loaded beside the live database is thrown away now; no signal's sender need wait for a server that
        // hangs.
        let patience = if to.is_live { Cancel::default() } else { cancel.with_grace() };
        wait_until_released(&lock, to.server, &patience);
        cancel.explain(error)
    })
}

/// Waits until the server has ended a connection whose program is gone: a statement that it is still at must not come
/// after a rollback. It is asked again where the connection to a pod breaks. A server that does not answer has ended it
/// too.
fn wait_until_released(lock: &str, server: &ServerClient, cancel: &Cancel) {
    let sql = format!("SELECT GET_LOCK('{lock}', {PATIENCE});\n");
    let mut waited = false;
    loop {
        match server.query(None, &sql, "waiting for the connection to end", cancel) {
            Ok(rows) if rows.iter().flatten().any(|value| value == "1") => return,
            Ok(_) => {
                if !waited {
                    log::warn!("the server is still at a statement that it was sent; waiting for its end");
                }
                waited = true;
                // It may have refused at once.
                std::thread::sleep(std::time::Duration::from_secs(1));
            }
            Err(error @ (Error::Channel { .. } | Error::NoPod { .. } | Error::GaveUp { .. })) => {
                log::warn!("{error}; what the server is still at is not known");
                return;
            }
            Err(error) => {
                log::debug!("{error}");
                return;
            }
        }
    }
}

/// How long one question waits for the server to finish a statement, in seconds.
const PATIENCE: u32 = 60;

/// How a failure to write to the client program is named.
const SEND: &str = "send SQL to the client program";

/// That the client program has ended before its input.
pub(super) fn not_sent(source: std::io::Error) -> Error {
    Error::Stream { action: SEND, source }
}

/// Whether an error only says that a client program has ended.
pub(super) fn is_not_sent(error: &Error) -> bool {
    matches!(error, Error::Stream { action: SEND, .. })
}
