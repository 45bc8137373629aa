//! Access to a server, in the hands of the domain: connections whose settings are ours, and short questions.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::connection::{Connection, TextRow};
use super::port::{Connector, LogStart, LogStream, Role, Server, Session};
use super::{ServerOptions, retrying};
use crate::error::Result;
use crate::progress::Cancel;

/// Access to a server.
#[derive(Debug, Clone)]
pub struct ServerClient {
    server: Arc<dyn Server>,
    /// How often a broken connection is worth another attempt.
    retries: u32,
    /// The connection of the last question, for the next one: a new one costs a login, and through a pod two programs.
    idle: Idle,
    /// Whether writes go over it too. Where somebody kills connections, a write would end with it, and may not be repeated.
    keeps_for_writes: bool,
}

/// Statements, and whether they may be sent again where the connection broke before their answer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sql<'a> {
    /// They may: whatever they were the first time, they change nothing but the session, which has ended.
    Read(&'a str),
    /// They may not: the server may have done them already.
    Write(&'a str),
}

impl<'a> Sql<'a> {
    fn text(self) -> &'a str {
        match self {
            Self::Read(text) | Self::Write(text) => text,
        }
    }
}

/// A place for one connection that nobody uses.
type Idle = Arc<Mutex<Option<Box<dyn Session>>>>;

impl ServerClient {
    /// Prepares access; nothing is contacted yet.
    ///
    /// # Errors
    /// An option file cannot be read, or options contradict one another.
    pub fn new(options: &ServerOptions, connector: &dyn Connector) -> Result<Self> {
        let retries = options.pod.as_ref().map_or(0, |pod| pod.retries);
        let keeps_for_writes = options.pod.is_some();
        Ok(Self { server: connector.server(options)?, retries, idle: Idle::default(), keeps_for_writes })
    }

    /// Access to a server of a test's.
    #[cfg(test)]
    pub(super) fn of_fake(server: Arc<dyn Server>, retries: u32) -> Self {
        Self { server, retries, idle: Idle::default(), keeps_for_writes: false }
    }

    /// How often a broken connection is worth another attempt.
    pub(crate) fn retries(&self) -> u32 {
        self.retries
    }

    /// Opens a connection.
    ///
    /// # Errors
    /// [`Error::NoDatabase`](crate::Error::NoDatabase), or the server refuses or does not answer.
    pub(crate) fn connect(
        &self,
        role: Role,
        database: Option<&str>,
        doing: &str,
        cancel: &Cancel,
    ) -> Result<Connection> {
        Connection::open(&self.server, role, database, doing, cancel)
    }

    /// Asks over a connection that nobody else uses. Where a connection to a pod breaks, it is made again; the question is
    /// asked again only where it may be.
    pub(super) fn ask<T>(
        &self,
        database: Option<&str>,
        sql: Sql<'_>,
        doing: &str,
        cancel: &Cancel,
        question: impl Fn(&mut Connection, &str) -> Result<T>,
    ) -> Result<T> {
        let ask = |mut connection: Connection| {
            let answer = question(&mut connection, sql.text())?;
            self.keep(connection);
            Ok(answer)
        };
        match sql {
            Sql::Read(_) => {
                retrying(self.retries, cancel, || ask(self.kept_or_new(database, doing, cancel)?))
            }
            Sql::Write(_) if self.keeps_for_writes => {
                ask(retrying(self.retries, cancel, || self.kept_or_new(database, doing, cancel))?)
            }
            Sql::Write(_) => {
                // An account may have one connection and no more.
                drop(self.idle());
                ask(retrying(self.retries, cancel, || self.new_connection(database, doing, cancel))?)
            }
        }
    }

    /// The connection that the last question has left, as good as new, or a new one: whatever a kept one says against being
    /// used again, a new one says for certain.
    fn kept_or_new(&self, database: Option<&str>, doing: &str, cancel: &Cancel) -> Result<Connection> {
        if let Some(session) = self.idle() {
            match Connection::again(session, database, doing, cancel) {
                Ok(again) => return Ok(again),
                Err(error) => {
                    cancel.check()?;
                    log::debug!("a connection is not used again: {error}");
                }
            }
        }
        self.new_connection(database, doing, cancel)
    }

    fn new_connection(&self, database: Option<&str>, doing: &str, cancel: &Cancel) -> Result<Connection> {
        self.connect(Role::Control, database, doing, cancel)
    }

    /// The connection that the last question has left; nobody else gets it then.
    fn idle(&self) -> Option<Box<dyn Session>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn keep(&self, connection: Connection) {
        *self.idle.lock().unwrap_or_else(PoisonError::into_inner) = Some(connection.into_session());
    }

    /// Has the server send its binary log.
    ///
    /// # Errors
    /// The server cannot be reached, or refuses.
    pub(crate) fn follow(&self, start: &LogStart, cancel: &Cancel) -> Result<Box<dyn LogStream>> {
        let followed = self.server.follow(start, cancel);
        followed.map_err(|error| cancel.explain(error.doing("following the binary log")))
    }

    /// Logs in, and no more: what takes long is not begun for a server that refuses us, such as for a wrong password.
    ///
    /// # Errors
    /// The server cannot be reached, or refuses.
    pub(crate) fn log_in(&self, cancel: &Cancel) -> Result<()> {
        self.query(None, Sql::Read("SELECT 1;\n"), "logging in", cancel).map(drop)
    }

    /// Runs statements and returns all rows of all results.
    ///
    /// # Errors
    /// The server cannot be reached, the database does not exist, or a statement fails.
    pub(crate) fn query(
        &self,
        database: Option<&str>,
        sql: Sql<'_>,
        doing: &str,
        cancel: &Cancel,
    ) -> Result<Vec<TextRow>> {
        self.ask(database, sql, doing, cancel, |asked, sql| asked.rows(sql, doing))
    }

    /// As [`ServerClient::query`], for what is in other character sets: rows as bytes.
    ///
    /// # Errors
    /// As [`ServerClient::query`].
    pub(crate) fn bytes(
        &self,
        database: Option<&str>,
        sql: Sql<'_>,
        doing: &str,
        cancel: &Cancel,
    ) -> Result<Vec<Vec<Vec<u8>>>> {
        self.ask(database, sql, doing, cancel, |asked, sql| asked.bytes(sql, doing))
    }

    /// Runs one `SHOW` and returns each of its rows by the names of its columns, in lower case: which columns there are
    /// depends on the server's version.
    ///
    /// # Errors
    /// As [`ServerClient::query`].
    pub(crate) fn show(
        &self,
        sql: &str,
        doing: &str,
        cancel: &Cancel,
    ) -> Result<Vec<BTreeMap<String, String>>> {
        let (names, rows) =
            self.ask(None, Sql::Read(sql), doing, cancel, |asked, sql| asked.named_rows(sql, doing))?;
        let names = names.iter().map(|name| name.to_ascii_lowercase());
        Ok(rows.into_iter().map(|row| names.clone().zip(row).collect()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::{Answer, Fake};

    /// A write that is sent twice may be done twice: the server may have done it before the connection broke.
    #[test]
    fn only_reads_are_sent_again_where_the_connection_breaks() {
        for (sql, retries, sent, is_answered) in [
            (Sql::Read("SET a=1;\nSELECT 1;\n"), 1, 2, true),
            (Sql::Read("SELECT 1;\n"), 0, 1, false),
            (Sql::Write("SELECT 1;\n"), 1, 1, false),
            (Sql::Write("DROP DATABASE SELECT 1;\n"), 1, 1, false),
        ] {
            let fake = Fake::new([("SELECT 1", &[Answer::Cut, Answer::rows(&[&["1"]])])]);
            let answer = fake.client(retries).query(None, sql, "asking", &Cancel::default());
            assert_eq!(fake.sent("SELECT 1").len(), sent, "{sql:?}, {retries} retries");
            assert_eq!(answer.is_ok(), is_answered, "{sql:?}, {retries} retries");
        }
    }

    #[test]
    fn what_the_server_refuses_is_not_asked_again() {
        let fake = Fake::new([("SELECT 1", &[Answer::Refused(1142)])]);
        let answer = fake.client(3).query(None, Sql::Read("SELECT 1"), "asking", &Cancel::default());
        assert_eq!(answer.unwrap_err().number(), Some(1142));
        assert_eq!(fake.sent("SELECT 1").len(), 1);
    }
}
