//! The database that is loaded into: how a connection to it begins, and how it ends, so that the server executes nothing
//! of it any more.

use super::script::Script;
use super::session::LoadSession;
use crate::error::{Error, Result};
use crate::progress::Cancel;
use crate::server::{ServerClient, Sql};

/// Where SQL is loaded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Destination<'a> {
    pub(crate) server: &'a ServerClient,
    pub(crate) database: &'a str,
    /// Whether this is the live database. A load that fails is then followed by a rollback, and the load waits first until
    /// the server has ended every statement that was sent, so that none runs after the rollback.
    pub(crate) is_live: bool,
}

/// Starts a session and sends it the settings of the dump's header.
pub(super) fn start_session(to: Destination<'_>, script: &Script, cancel: &Cancel) -> Result<LoadSession> {
    let mut session = LoadSession::start(to.server, Some(to.database), cancel)?;
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
pub(crate) fn end_session(
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
        let patience = if to.is_live { Cancel::never() } else { cancel.with_grace() };
        wait_until_released(&lock, to.server, &patience);
        cancel.explain(error)
    })
}

/// Waits until the server has ended a connection whose program is gone: a statement that it is still at must not come
/// after a rollback. It is asked again where the connection to a pod breaks. A server that does not answer has ended it
/// too.
fn wait_until_released(lock: &str, server: &ServerClient, cancel: &Cancel) {
    let sql = format!("SELECT GET_LOCK('{lock}', {PATIENCE});\nDO RELEASE_LOCK('{lock}');\n");
    let mut waited = false;
    loop {
        match server.query(None, Sql::Read(&sql), "waiting for the connection to end", cancel) {
            Ok(rows) if rows.iter().flatten().any(|value| value == "1") => return,
            Ok(_) => {
                if !waited {
                    log::warn!(code = crate::notice::WAITS.code; "the server is still at a statement that it was sent; waiting for its end");
                }
                waited = true;
                // It may have refused at once.
                std::thread::sleep(std::time::Duration::from_secs(1));
            }
            Err(error @ (Error::Channel { .. } | Error::NoPod { .. } | Error::GaveUp { .. })) => {
                log::warn!(code = crate::notice::WAITS.code; "{error}; cannot tell whether the last statement is still running");
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
pub(crate) fn not_sent(source: std::io::Error) -> Error {
    Error::Stream { action: SEND, source }
}

/// Whether an error only says that a client program has ended.
pub(super) fn is_not_sent(error: &Error) -> bool {
    matches!(error, Error::Stream { action: SEND, .. })
}
