//! The port to a server: what the domain asks of whoever speaks the protocol. lib/fwb-mysql implements it.

use std::fmt;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use fwb_binlog::GtidPosition;

use super::{ServerOptions, ServerVersion};
use crate::error::{Error, Result};
use crate::progress::Cancel;

/// Finds servers.
pub trait Connector: fmt::Debug + Send + Sync {
    /// Prepares access to a server; it is not contacted yet.
    ///
    /// # Errors
    /// An option file cannot be read, or options contradict one another.
    fn server(&self, options: &ServerOptions) -> Result<Arc<dyn Server>>;

    /// Where a server is that is reached from here, by the options and whatever completes them. It is not contacted.
    ///
    /// # Errors
    /// As [`Connector::server`].
    fn address(&self, options: &ServerOptions) -> Result<ServerAddress>;

    /// Listens on this machine alone as a source that a throwaway replica of this version reads a binary log from.
    ///
    /// # Errors
    /// The log cannot be read, or the operating system refuses.
    fn source(&self, feed: Arc<dyn Feed>, replica: &ServerVersion) -> Result<Box<dyn ReplicationSource>>;
}

/// A binary log that a replica is fed with: the magic number, a format description, and events. A further format description
/// says how the events after it are read, as at the beginning of each of a server's files. Which positions the events say that they
/// have does not matter. Events that are about a file alone are passed over.
pub trait Feed: fmt::Debug + Send + Sync {
    /// Reads it from its beginning; the same each time.
    ///
    /// # Errors
    /// It cannot be read.
    fn open(&self) -> Result<Box<dyn Read + Send>>;

    /// How many bytes it has at most.
    fn size(&self) -> u64;
}

/// What a replica connects to. It ends with this value.
pub trait ReplicationSource: fmt::Debug + Send + Sync {
    /// The port on 127.0.0.1.
    fn port(&self) -> u16;

    /// The account of its one replica.
    fn user(&self) -> &str;

    /// The account's password.
    fn password(&self) -> &str;

    /// The name of the file that the replica begins with, at position 4.
    fn first_file(&self) -> String;

    /// The name of the file that comes after all events, once it is known: where the replica is in it, it has done everything.
    fn last_file(&self) -> Option<String>;

    /// How many bytes of the feed the replica has done that is at this position of this file; none where there is no such file.
    fn done(&self, file: &str, position: u64) -> Option<u64>;

    /// Why the feed could not be read to its end; each is told once.
    fn failure(&self) -> Option<Error>;
}

/// Where a server listens.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerAddress {
    /// Host name or address; none for a socket.
    pub host: Option<String>,
    /// TCP port.
    pub port: Option<u16>,
    /// Unix socket.
    pub socket: Option<PathBuf>,
}

/// A server that connections can be opened to.
pub trait Server: fmt::Debug + Send + Sync {
    /// Opens a connection, logs in, and makes `database` its default. A signal ends the attempt at once.
    ///
    /// # Errors
    /// [`SessionError::Server`] where the server refuses, [`SessionError::Unreachable`] where it does not answer.
    fn connect(
        &self,
        role: Role,
        database: Option<&str>,
        cancel: &Cancel,
    ) -> Result<Box<dyn Session>, SessionError>;

    /// Has the server send its binary log from a place on, as it sends it to a replica. A signal ends every wait.
    ///
    /// # Errors
    /// As [`Server::connect`]; the server refuses the place with the first event.
    fn follow(&self, start: &LogStart, cancel: &Cancel) -> Result<Box<dyn LogStream>, SessionError>;
}

/// From where on, and how, a server is to send its binary log.
#[derive(Debug, Clone)]
pub struct LogStart {
    /// The first event.
    pub place: LogPlace,
    /// What the server knows us by among its replicas: no other may have the same.
    pub server_id: u32,
    /// How long the server may have nothing to send before it says that it lives. After three times as long, and ten seconds,
    /// without a word the connection counts as lost.
    pub heartbeat: Duration,
    /// How long is waited, where all was read that had come, before more is read. A server wakes up for each commit to send it;
    /// where what it sends is not taken, it sends several at once.
    pub stride: Duration,
    /// Whether the server is to wait for our word before it answers who commits.
    pub semi_sync: bool,
    /// Whether the server is to end at the present end of its log.
    pub ends: bool,
}

/// A place in a server's binary log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogPlace {
    /// The beginning of the oldest file that the server has.
    Oldest,
    /// A place in a file.
    At {
        /// The file's name on the server.
        file: String,
        /// Where in it an event begins: 4 is the first.
        position: u64,
    },
    /// What comes after these groups.
    After(GtidPosition),
}

/// A binary log on its way from a server.
pub trait LogStream: fmt::Debug + Send {
    /// The next event; none where the server was to end at the end.
    ///
    /// # Errors
    /// The server refuses, which ends it; or the connection breaks, or is silent for too long.
    fn next(&mut self) -> Result<Option<SentEvent<'_>>, SessionError>;

    /// Whether all that has come was taken: the next event will have to be waited for.
    fn has_taken_all(&self) -> bool;

    /// Says that all up to the end of the event which asked for it is safe here.
    ///
    /// # Errors
    /// The connection breaks.
    fn acknowledge(&mut self, file: &str, position: u64) -> Result<(), SessionError>;
}

/// An event that a server has sent.
pub struct SentEvent<'a> {
    /// Its bytes, or the first of them.
    pub bytes: &'a [u8],
    /// What follows them of a long event; it must be read to its end.
    pub rest: Option<Box<dyn Read + 'a>>,
    /// Whether somebody waits until this is safe here.
    pub wants_word: bool,
}

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Statements of our own: a text may hold several, and the server takes it apart.
    Control,
    /// Statements that come from a backup, and reading rows: a text holds exactly one statement, whatever is in it. The
    /// server takes a second one for an error (`CLIENT_MULTI_STATEMENTS` is off).
    Single,
    /// As [`Role::Single`], and rows are loaded: by [`Session::bulk`] where the server takes it, and else by [`Session::load`], for which
    /// it is told that it may ask for rows (`CLIENT_LOCAL_FILES`).
    Load,
}

/// One connection, logged in. Its statements are executed one after the other. It may be idle for as long as it is held:
/// how long the server waits (`wait_timeout`, `net_read_timeout`, `net_write_timeout`) is not for the caller to set.
/// Dropping it closes the connection.
pub trait Session: fmt::Debug + Send {
    /// The server's number for it: what `KILL` takes.
    fn id(&self) -> u64;

    /// The server's version.
    fn version(&self) -> &ServerVersion;

    /// Sends a text, and hands the results of its statements on in their order. Answers to what was sent before
    /// are read first.
    ///
    /// # Errors
    /// A statement fails, the connection breaks, or `results` fails. After the last two the connection is of no use.
    fn query(&mut self, sql: &[u8], results: &mut dyn Results) -> Result<(), SessionError>;

    /// Sends a part of a statement, and does not wait for the answer. With `last` the statement is whole. A statement is
    /// sent in parts of any size; what it returns is thrown away.
    ///
    /// # Errors
    /// The connection breaks, or an earlier statement has failed: [`ServerError::statement`] says which.
    fn send(&mut self, part: &[u8], last: bool) -> Result<(), SessionError>;

    /// Reads the answers to all that was sent.
    ///
    /// # Errors
    /// As [`Session::send`].
    fn settle(&mut self) -> Result<(), SessionError>;

    /// Sends a `LOAD DATA LOCAL` statement, and these rows when the server asks for them; whatever file it names, nothing else is ever
    /// sent. It does not wait until they are loaded: [`Session::loaded`] does, and must be called next. Answers to what was sent
    /// before are read first.
    ///
    /// # Errors
    /// As [`Session::send`], or the server refuses the statement. After an error about an earlier statement the connection is of no
    /// use.
    fn load(&mut self, statement: &[u8], rows: &[u8]) -> Result<(), SessionError>;

    /// Whether [`Session::bulk`] may be called: MariaDB offers it, to a connection for [`Role::Load`].
    fn takes_bulk(&self) -> bool;

    /// Sends rows for an `INSERT` that has a placeholder for each of its columns. Each value is a byte, 1 for NULL and 0 for anything
    /// else, behind which it stands as a length-encoded string of bytes (MariaDB's manual, "`COM_STMT_BULK_EXECUTE`"). All rows together
    /// are one statement, of at most the server's `max_allowed_packet`. It does not wait until they are loaded: [`Session::loaded`]
    /// does, and must be called next.
    ///
    /// # Errors
    /// As [`Session::load`].
    fn bulk(&mut self, insert: &[u8], columns: &[ValueKind], rows: &[u8]) -> Result<(), SessionError>;

    /// Waits until the rows of [`Session::load`] or [`Session::bulk`] are loaded.
    ///
    /// # Errors
    /// As [`Session::send`].
    fn loaded(&mut self) -> Result<Loaded, SessionError>;

    /// Which of the statements of [`Session::send`] the server has taken with warnings, counted from 0, and how many; of those whose
    /// answer was read since this was asked, the first thousand.
    fn warned(&mut self) -> Vec<(u64, u16)>;

    /// Makes the session what it was when it began: settings, locks and temporary tables of before are gone
    /// (`COM_RESET_CONNECTION`; MariaDB 10.2, MySQL 5.7). Then it executes `settings`, one statement without rows, for which
    /// nobody waits alone, and makes `database` the default one. Without it, the default database is whatever it was.
    ///
    /// # Errors
    /// The connection has ended, the server refuses, or there is no such database.
    fn reset(&mut self, database: Option<&str>, settings: &str) -> Result<(), SessionError>;

    /// Closes the connection at once from another thread: whoever waits for an answer gets an error.
    fn stopper(&self) -> Stopper;
}

/// How the values of a column are sent by [`Session::bulk`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueKind {
    /// As bytes, in no character set.
    Bytes,
    /// As a text in the connection's character set.
    Text,
}

/// What a server says of rows that it has loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loaded {
    /// How many rows are in the table that were not there.
    pub rows: u64,
    /// How many warnings there are, 65,535 at most.
    pub warnings: u16,
}

/// What closes a connection at once.
pub type Stopper = Arc<dyn Fn() + Send + Sync>;

/// Takes the results of statements.
pub trait Results {
    /// A result with these columns begins.
    ///
    /// # Errors
    /// Whatever the taker makes of it; nothing more is read then.
    fn begin(&mut self, columns: &[Column]) -> Result<()>;

    /// A row of it.
    ///
    /// # Errors
    /// As [`Results::begin`].
    fn row(&mut self, row: Row<'_>) -> Result<()>;
}

/// A column of a result (MariaDB's manual, "Result Set Packets: Column Definition Packet").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name, or alias.
    pub name: String,
    /// Its type's number.
    pub kind: u8,
    /// The number of its collation; 63 is that of binary data.
    pub collation: u16,
    /// Its flags.
    pub flags: u16,
    /// The most bytes that a value takes.
    pub length: u32,
}

/// A row in the protocol's text form: for each column `0xFB` (NULL), or a length-encoded string (MariaDB's manual,
/// "Protocol Data Types").
pub enum Row<'a> {
    /// The whole row.
    Whole(&'a [u8]),
    /// A row that is too long to be held in memory. What is left of it is skipped.
    Long(&'a mut dyn Read),
}

/// The cells of a row that is whole; each is a value, or none where it is NULL.
#[derive(Debug, Clone)]
pub struct Cells<'a>(&'a [u8]);

impl<'a> Cells<'a> {
    /// Reads a row.
    pub fn new(row: &'a [u8]) -> Self {
        Self(row)
    }
}

impl<'a> Iterator for Cells<'a> {
    type Item = Result<Option<&'a [u8]>, Malformed>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let (first, rest) = self.0.split_first()?;
        let (size, rest) = match *first {
            size @ 0..=250 => (u64::from(size), rest),
            0xFB => {
                self.0 = rest;
                return Some(Ok(None));
            }
            0xFF => return Some(Err(self.malformed())),
            long => {
                let width = match long {
                    0xFC => 2,
                    0xFD => 3,
                    _ => 8,
                };
                let Some((bytes, rest)) = rest.split_at_checked(width) else {
                    return Some(Err(self.malformed()));
                };
                let mut wide = [0; 8];
                wide[..width].copy_from_slice(bytes);
                (u64::from_le_bytes(wide), rest)
            }
        };
        let cut = usize::try_from(size).ok().and_then(|size| rest.split_at_checked(size));
        let Some((cell, rest)) = cut else { return Some(Err(self.malformed())) };
        self.0 = rest;
        Some(Ok(Some(cell)))
    }
}

/// Appends the length of a length-encoded string, in bytes, as [`Cells`] reads it.
#[inline]
pub fn put_length(to: &mut Vec<u8>, size: usize) {
    let wide = (size as u64).to_le_bytes();
    match size {
        0..=250 => to.push(wide[0]),
        251..=0xFFFF => to.extend_from_slice(&[0xFC, wide[0], wide[1]]),
        0x1_0000..=0xFF_FFFF => to.extend_from_slice(&[0xFD, wide[0], wide[1], wide[2]]),
        _ => {
            to.push(0xFE);
            to.extend_from_slice(&wide);
        }
    }
}

impl Cells<'_> {
    #[cold]
    fn malformed(&mut self) -> Malformed {
        self.0 = &[];
        Malformed
    }
}

/// A row that is no row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

/// What a server says against a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerError {
    /// Its number (MariaDB's manual, "MariaDB Error Codes"; MySQL's, "Server Error Message Reference").
    pub number: u16,
    /// The SQLSTATE, five characters.
    pub sqlstate: String,
    /// Its words.
    pub message: String,
    /// Which of the statements that were sent by [`Session::send`] it is about, counted from 0 over the whole
    /// connection; none for one of [`Session::query`].
    pub statement: Option<u64>,
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ERROR {} ({}): {}", self.number, self.sqlstate, self.message)
    }
}

/// Why a connection did not do what it was asked.
#[derive(Debug)]
#[non_exhaustive]
pub enum SessionError {
    /// The server refused; the connection goes on, where there was one.
    Server(ServerError),
    /// The server cannot be reached, or does not answer.
    Unreachable {
        /// Where it was looked for.
        place: String,
        /// Why.
        source: io::Error,
    },
    /// The connection has ended, or what came over it is not the protocol.
    Lost(io::Error),
    /// What carries the connection to a pod has ended, or carries nothing any more.
    Cut {
        /// The pod.
        place: String,
        /// What was noticed, or what kubectl says.
        problem: String,
    },
    /// The connection cannot be made as it was asked for: TLS, an authentication method.
    Refused {
        /// Why.
        problem: String,
        /// What to do about it.
        remedy: String,
    },
    /// Whoever took the results failed.
    Taker(Box<Error>),
}

impl SessionError {
    /// As an error of the library: `doing` says, as a participle clause, what for.
    pub fn doing(self, doing: &str) -> Error {
        let doing = doing.to_owned();
        match self {
            Self::Server(error) => Error::Server { doing, error },
            Self::Unreachable { place, source } => Error::Unreachable { place, source },
            Self::Lost(source) => Error::Lost { doing, source },
            Self::Cut { place, problem } => Error::Channel { place, doing, problem },
            Self::Refused { problem, remedy } => Error::NoConnection { problem, remedy },
            Self::Taker(error) => *error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_read_in_every_width() {
        let long = vec![b'x'; 70_000];
        let mut row = vec![1, b'a', 0xFB, 0];
        row.extend([0xFC, 3, 0, b'b', b'c', b'd', 0xFD]);
        row.extend(&70_000_u32.to_le_bytes()[..3]);
        row.extend(&long);
        row.extend([0xFE, 1, 0, 0, 0, 0, 0, 0, 0, b'e']);
        let cells: Result<Vec<_>, _> = Cells::new(&row).collect();
        assert_eq!(
            cells.unwrap(),
            [Some(&b"a"[..]), None, Some(b""), Some(b"bcd"), Some(&long[..]), Some(b"e")]
        );
    }

    #[test]
    fn a_row_that_ends_early_is_none() {
        for row in [&[3, b'a'][..], &[0xFC, 1], &[0xFF], &[0xFE, 255, 255, 255, 255, 255, 255, 255, 255]] {
            let last = Cells::new(row).last();
            assert_eq!(last, Some(Err(Malformed)), "{row:?}");
        }
    }
}
