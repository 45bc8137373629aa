//! Other connections read ahead of the one that writes: whole tables, or ranges of large ones, which it then writes in the
//! order of the dump.
//!
//! What is to be read is posted in that order. Each piece of work is done by whoever takes it first: another connection,
//! which hands the SQL over in chunks, or the writer itself once it gets there. So the writer never waits for work that
//! nobody does. What is read and not written yet is bounded: a connection begins no work while much of it waits, and goes
//! no further in one than a channel is long.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::catalog::Entry;
use super::database::Task;
use super::sink::Sink;
use super::table::Reading;
use super::tables::{Savepoint, open, write_rows, write_table};
use super::written::Written;
use crate::error::{Error, Result};
use crate::server::{Session, tell};

/// How large a range of a table is to be, in bytes of the table: as much as a channel holds of SQL.
pub(super) const RANGE: u64 = 4 << 20;
/// How much SQL is handed over at once, in bytes.
const CHUNK: usize = 128 << 10;
/// How many chunks of one piece of work may wait.
const CHUNKS: usize = 32;
/// How much may wait for each connection that reads ahead before another piece of work is begun, in bytes.
const WAITING: usize = 4 << 20;

/// Work that is posted and not done, and how much of what is done waits.
#[derive(Debug)]
pub(crate) struct Ahead {
    posted: Mutex<Posted>,
    changed: Condvar,
    /// SQL that waits to be written, in bytes.
    waiting: AtomicUsize,
    /// How many connections read ahead.
    readers: usize,
    /// How large tables are, in bytes.
    sizes: BTreeMap<String, u64>,
}

#[derive(Debug, Default)]
struct Posted {
    jobs: VecDeque<Arc<Job>>,
    /// Nothing more comes.
    is_over: bool,
}

/// A piece of work.
#[derive(Debug)]
struct Job {
    work: Work,
    /// Taken by whoever does it.
    sender: Mutex<Option<Sender<Message>>>,
}

/// A piece of work in the hands of the writer.
#[derive(Debug)]
pub(super) struct Ordered {
    job: Arc<Job>,
    receiver: Receiver<Message>,
}

/// What is to be read.
#[derive(Debug)]
pub(super) enum Work {
    /// A table: its definition, rows and triggers.
    Table(Entry),
    /// Rows of one.
    Rows { table: String, reading: Arc<Reading>, select: Vec<u8> },
}

/// What a piece of work came to.
#[derive(Debug)]
pub(super) enum Done {
    /// A table.
    Table(Box<Written>),
    /// So many rows.
    Rows(u64),
}

#[derive(Debug)]
enum Message {
    /// SQL, in order.
    Sql(Vec<u8>),
    /// All of it came; none where the table could not be opened without waiting, and nothing came.
    Ended(Result<Option<Done>>),
}

impl Ahead {
    /// For so many connections that read ahead, of tables of these sizes in bytes.
    pub(crate) fn new(readers: usize, sizes: &[(String, u64)]) -> Self {
        Self {
            posted: Mutex::default(),
            changed: Condvar::new(),
            waiting: AtomicUsize::new(0),
            readers,
            sizes: sizes.iter().cloned().collect(),
        }
    }

    /// How large a table is, in bytes.
    pub(super) fn size(&self, table: &str) -> u64 {
        self.sizes.get(table).copied().unwrap_or_default()
    }

    /// How much is to be posted ahead of what is being written, in bytes of tables.
    pub(super) fn reach(&self) -> u64 {
        RANGE * (2 * self.readers as u64 + 1)
    }

    fn posted(&self) -> MutexGuard<'_, Posted> {
        self.posted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Posts work.
    pub(super) fn post(&self, work: Work) -> Ordered {
        let (sender, receiver) = bounded(CHUNKS);
        let job = Arc::new(Job { work, sender: Mutex::new(Some(sender)) });
        self.posted().jobs.push_back(Arc::clone(&job));
        self.changed.notify_one();
        Ordered { job, receiver }
    }

    /// Lets the connections that read ahead go.
    pub(crate) fn close(&self) {
        self.posted().is_over = true;
        self.changed.notify_all();
    }

    /// The next work that nobody has taken.
    fn take(&self) -> Option<(Arc<Job>, Sender<Message>)> {
        let mut posted = self.posted();
        loop {
            if posted.is_over {
                return None;
            }
            if self.waiting.load(Ordering::Relaxed) < self.readers * WAITING {
                while let Some(job) = posted.jobs.pop_front() {
                    if let Some(sender) = job.claim() {
                        return Some((job, sender));
                    }
                }
            }
            posted = self.changed.wait(posted).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Reads what is posted, over one connection, until [`Ahead::close`] or a failure; whoever writes is told of it.
    pub(crate) fn read(&self, session: &mut dyn Session, task: &Task<'_>) {
        let mut prepared = tell(session, NO_WAIT, "preparing a connection");
        while let Some((job, sender)) = self.take() {
            let ended = std::mem::replace(&mut prepared, Ok(())).and_then(|()| {
                let mut chunks = Chunks { sql: Vec::new(), sender: &sender, ahead: self };
                let done = job.work.perform(session, &mut chunks, task)?;
                chunks.flush().map(|()| done)
            });
            let failed = ended.is_err();
            if sender.send(Message::Ended(ended)).is_err() || failed {
                return;
            }
        }
    }
}

/// Whoever writes holds the definition of the table, or soon will. Where somebody else waits to change it, a connection
/// that waited behind would be waited for by the writer, and the change waits for the writer's transaction.
const NO_WAIT: &str = "SET SESSION lock_wait_timeout=1";
/// "Lock wait timeout exceeded".
const WAITED: u16 = 1205;

impl Work {
    fn table(&self) -> &str {
        match self {
            Self::Table(entry) => &entry.name,
            Self::Rows { table, .. } => table,
        }
    }

    /// Writes into `sink`; nothing at all where the table cannot be opened without waiting.
    fn perform(
        &self,
        session: &mut dyn Session,
        sink: &mut dyn Sink,
        task: &Task<'_>,
    ) -> Result<Option<Done>> {
        let doing = task.doing(self.table());
        Savepoint::Reading.set(session, &doing)?;
        match open(session, self.table(), &doing) {
            Err(Error::Server { error, .. }) if error.number == WAITED => {
                log::debug!("table {} is left to the connection that writes: {error}", self.table());
                return Ok(None);
            }
            opened => opened?,
        }
        let done = match self {
            Self::Table(entry) => Done::Table(Box::new(write_table(session, sink, task, entry)?)),
            Self::Rows { reading, select, .. } => {
                Done::Rows(write_rows(session, sink, reading, select, &doing)?)
            }
        };
        Savepoint::Reading.roll_back(session, &doing)?;
        Ok(Some(done))
    }
}

impl Job {
    fn claim(&self) -> Option<Sender<Message>> {
        self.sender.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Ordered {
    /// Writes into `sink` what another connection reads. None where that is left to the writer.
    ///
    /// # Errors
    /// The other connection failed, or the sink.
    pub(super) fn write(&self, ahead: &Ahead, sink: &mut dyn Sink) -> Result<Option<Done>> {
        if self.job.claim().is_some() {
            return Ok(None);
        }
        loop {
            match self.receiver.recv() {
                Ok(Message::Sql(chunk)) => {
                    ahead.waiting.fetch_sub(chunk.len(), Ordering::Relaxed);
                    ahead.changed.notify_one();
                    sink.sql().extend_from_slice(&chunk);
                    sink.pass()?;
                }
                Ok(Message::Ended(done)) => return done,
                Err(_) => {
                    let source = std::io::Error::other("a connection that read ahead is gone");
                    return Err(Error::Stream { action: "read the rows", source });
                }
            }
        }
    }

    /// What it is about.
    pub(super) fn work(&self) -> &Work {
        &self.job.work
    }
}

/// Hands SQL over in chunks.
struct Chunks<'a> {
    sql: Vec<u8>,
    sender: &'a Sender<Message>,
    ahead: &'a Ahead,
}

impl Chunks<'_> {
    fn flush(&mut self) -> Result<()> {
        if self.sql.is_empty() {
            return Ok(());
        }
        let chunk = std::mem::replace(&mut self.sql, Vec::with_capacity(CHUNK + CHUNK / 4));
        self.ahead.waiting.fetch_add(chunk.len(), Ordering::Relaxed);
        self.sender.send(Message::Sql(chunk)).map_err(|_| {
            let source = std::io::ErrorKind::BrokenPipe.into();
            Error::Stream { action: "hand rows over", source }
        })
    }
}

impl Sink for Chunks<'_> {
    fn sql(&mut self) -> &mut Vec<u8> {
        &mut self.sql
    }

    fn pass(&mut self) -> Result<()> {
        if self.sql.len() < CHUNK { Ok(()) } else { self.flush() }
    }
}
