//! One restore of a database at a time: a lock of the server's (`GET_LOCK`), held by the connection that makes the
//! swap, and so for as long as the server is at it.

use crate::error::{Error, Result};
use crate::progress::Cancel;
use crate::restore::load::not_sent;
use crate::restore::session::{LoadSession, Quoting, lock_name};
use crate::server::{ServerClient, restore_lock};

/// A connection that holds the lock of a database.
pub(in crate::restore) struct Guard {
    session: LoadSession,
}

impl Guard {
    /// Takes the lock.
    ///
    /// # Errors
    /// [`Error::Busy`], or the server cannot be reached.
    pub(in crate::restore) fn take(
        server: &ServerClient,
        quoting: Quoting,
        database: &str,
        cancel: &Cancel,
    ) -> Result<Self> {
        Self::try_for(server, quoting, database, 0, cancel)
    }

    /// Takes the lock when the connection that has it has come to its end.
    ///
    /// # Errors
    /// As [`Guard::take`].
    pub(super) fn wait(
        server: &ServerClient,
        quoting: Quoting,
        database: &str,
        cancel: &Cancel,
    ) -> Result<Self> {
        Self::try_for(server, quoting, database, 600, cancel)
    }

    fn try_for(
        server: &ServerClient,
        quoting: Quoting,
        database: &str,
        seconds: u32,
        cancel: &Cancel,
    ) -> Result<Self> {
        let lock = restore_lock(database);
        let tried = lock_name();
        // A signal must not end it in the middle of a swap; it ends with this process.
        let mut session = LoadSession::start(&server.sql_client(None), quoting, &Cancel::default())?;
        let begun = session
            .compound(&format!("DO GET_LOCK('{lock}', {seconds})"))
            .and_then(|()| session.compound(&format!("DO GET_LOCK('{tried}', 0)")))
            .and_then(|()| session.flush());
        if let Err(error) = begun {
            session.finish()?;
            return Err(not_sent(error));
        }
        let sql = format!("SELECT IS_USED_LOCK('{tried}'), IS_USED_LOCK('{lock}');\n");
        loop {
            cancel.check()?;
            let rows = server.query(None, &sql, "waiting for a lock", cancel)?;
            match rows.first().map(Vec::as_slice) {
                Some([tried, _]) if tried == "NULL" => {
                    if session.has_ended() {
                        session.finish()?;
                        tell_holder(server, &lock, cancel);
                        return Err(Error::Busy { database: database.into() });
                    }
                    std::thread::sleep(std::time::Duration::from_millis(10));
                }
                Some([tried, holder]) if tried == holder => return Ok(Self { session }),
                _ => {
                    session.abandon();
                    tell_holder(server, &lock, cancel);
                    return Err(Error::Busy { database: database.into() });
                }
            }
        }
    }

    /// The connection, to make the swap over.
    pub(super) fn into_session(self) -> LoadSession {
        self.session
    }
}

/// Says which connection holds the lock: anybody may take one of this name, and must not keep restores out unseen.
fn tell_holder(server: &ServerClient, lock: &str, cancel: &Cancel) {
    let sql = format!(
        "SELECT ID, USER, HOST, TIME FROM information_schema.PROCESSLIST WHERE ID = IS_USED_LOCK('{lock}');\n"
    );
    match server.query(None, &sql, "looking who holds the lock", cancel) {
        Ok(rows) => {
            for row in rows {
                let [id, user, host, time] = &row[..] else { continue };
                log::warn!(
                    "its lock is held by connection {id} of {user}@{host}, which was last heard of {time} s ago; if that is no restore: KILL {id};"
                );
            }
        }
        Err(error) => log::debug!("{error}"),
    }
}
