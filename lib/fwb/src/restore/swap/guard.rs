//! One restore of a database at a time: a lock of the server's (`GET_LOCK`), held by the connection that makes the
//! swap, and so for as long as the server is at it.

use std::time::Duration;

use crate::error::{Error, Result};
use crate::load::LoadSession;
use crate::progress::Cancel;
use crate::server::{LETTING_GO, ServerClient, Sql, restore_lock};

/// A connection that holds the lock of a database.
pub(in crate::restore) struct Guard {
    session: LoadSession,
}

impl Guard {
    /// Takes the lock.
    ///
    /// # Errors
    /// [`Error::Busy`], or the server cannot be reached.
    pub(in crate::restore) fn take(server: &ServerClient, database: &str, cancel: &Cancel) -> Result<Self> {
        Self::try_for(server, database, LETTING_GO, cancel)
    }

    /// Takes the lock when the connection that has it has come to its end.
    ///
    /// # Errors
    /// As [`Guard::take`].
    pub(super) fn wait(server: &ServerClient, database: &str, cancel: &Cancel) -> Result<Self> {
        Self::try_for(server, database, Duration::from_secs(600), cancel)
    }

    fn try_for(server: &ServerClient, database: &str, patience: Duration, cancel: &Cancel) -> Result<Self> {
        let lock = restore_lock(database);
        let mut session = LoadSession::start(server, None, cancel)?;
        if !session.take_lock(&lock, patience)? {
            tell_holder(server, &lock, cancel);
            return Err(Error::Busy { database: database.into() });
        }
        // A signal must not end it in the middle of a swap; it ends with this process.
        session.outlast_signals();
        Ok(Self { session })
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
    match server.query(None, Sql::Read(&sql), "looking who holds the lock", cancel) {
        Ok(rows) => {
            for row in rows {
                let [id, user, host, time] = &row[..] else { continue };
                log::warn!(code = crate::notice::WAITS.code;
                    "its lock is held by connection {id} of {user}@{host}, which was last heard of {time} s ago; if that is no restore: KILL {id};"
                );
            }
        }
        Err(error) => log::debug!("{error}"),
    }
}
