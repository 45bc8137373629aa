//! A connection through a pod that the server ends soon when nobody is there any more, and that is kept from it as long as
//! we are.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, TryLockError, Weak};
use std::time::{Duration, Instant};

use fwb::{Loaded, Results, ServerVersion, Session, SessionError, Stopper, ValueKind};

use super::locked;
use crate::session::Connection;

/// So long a connection may be idle before it is used for a ping.
const PING_AFTER: Duration = Duration::from_secs(120);

/// The connection, in turns ours and its pinger's.
#[derive(Debug)]
pub(super) struct Kept {
    inner: Arc<Mutex<Used>>,
    id: u64,
    version: ServerVersion,
    stopper: NamedStopper,
    /// The pinger ends when it is dropped.
    _open: Sender<()>,
}

/// A stopper that has a name to print.
struct NamedStopper(Stopper);

impl std::fmt::Debug for NamedStopper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Stopper")
    }
}

#[derive(Debug)]
struct Used {
    connection: Connection,
    last: Instant,
}

impl Kept {
    /// Keeps a connection.
    ///
    /// # Errors
    /// The operating system refuses a thread.
    pub(super) fn new(connection: Connection) -> Result<Self, SessionError> {
        let (id, version) = (connection.id(), connection.version().clone());
        let stopper = NamedStopper(connection.stopper());
        let inner = Arc::new(Mutex::new(Used { connection, last: Instant::now() }));
        let (kept, dropped) = channel();
        let pinged = Arc::downgrade(&inner);
        let pings = move || {
            while dropped.recv_timeout(PING_AFTER / 4) == Err(RecvTimeoutError::Timeout) {
                ping(&pinged);
            }
        };
        std::thread::Builder::new().spawn(pings).map_err(SessionError::Lost)?;
        Ok(Self { inner, id, version, stopper, _open: kept })
    }

    fn with<T>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, SessionError>,
    ) -> Result<T, SessionError> {
        let mut used = locked(&self.inner);
        let done = work(&mut used.connection);
        used.last = Instant::now();
        done
    }
}

/// Pings a connection that has been idle for long.
fn ping(connection: &Weak<Mutex<Used>>) {
    let Some(connection) = connection.upgrade() else { return };
    let mut used = match connection.try_lock() {
        Ok(used) => used,
        Err(TryLockError::WouldBlock) => return,
        Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
    };
    if used.last.elapsed() < PING_AFTER || !used.connection.may_ping() {
        return;
    }
    used.last = Instant::now();
    if let Err(error) = used.connection.ping() {
        // Whoever uses it next learns of it.
        log::debug!("an idle connection has ended: {}", error.doing("keeping it"));
    }
}

impl Session for Kept {
    fn id(&self) -> u64 {
        self.id
    }

    fn version(&self) -> &ServerVersion {
        &self.version
    }

    fn query(&mut self, sql: &[u8], results: &mut dyn Results) -> Result<(), SessionError> {
        self.with(|connection| connection.query(sql, results))
    }

    fn send(&mut self, part: &[u8], last: bool) -> Result<(), SessionError> {
        self.with(|connection| connection.send(part, last))
    }

    fn settle(&mut self) -> Result<(), SessionError> {
        self.with(Session::settle)
    }

    fn load(&mut self, statement: &[u8], rows: &[u8]) -> Result<(), SessionError> {
        self.with(|connection| connection.load(statement, rows))
    }

    fn takes_bulk(&self) -> bool {
        locked(&self.inner).connection.takes_bulk()
    }

    fn bulk(&mut self, insert: &[u8], columns: &[ValueKind], rows: &[u8]) -> Result<(), SessionError> {
        self.with(|connection| connection.bulk(insert, columns, rows))
    }

    fn warned(&mut self) -> Vec<(u64, u16)> {
        locked(&self.inner).connection.warned()
    }

    fn loaded(&mut self) -> Result<Loaded, SessionError> {
        self.with(Session::loaded)
    }

    fn reset(&mut self, database: Option<&str>, settings: &str) -> Result<(), SessionError> {
        self.with(|connection| connection.reset(database, settings))
    }

    fn stopper(&self) -> Stopper {
        Arc::clone(&self.stopper.0)
    }
}
