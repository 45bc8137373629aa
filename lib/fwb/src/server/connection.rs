//! A connection in the hands of the domain: its settings are ours, its results are text, and a signal closes it.

use std::sync::Arc;

use super::port::{Cells, Column, Malformed, Results, Role, Row, Server, Session, SessionError};
use super::quoting::quote_name;
use super::settings::{settings, unwanted};
use crate::error::{Error, Result};
use crate::progress::{Cancel, StopsWith};

/// A row of a result as text; NULL is the word.
pub(crate) type TextRow = Vec<String>;

/// The most that results of our own questions may take of memory, in bytes; what has more is read as a stream.
const MOST_TEXT: usize = 256 << 20;
/// What holding a cell takes beside its text, in bytes, and what holding a row does. Without them, rows of empty cells would
/// take no room however many there are.
const CELL: usize = 32;
const ROW: usize = 24;

/// An open connection.
#[derive(Debug)]
pub(crate) struct Connection {
    session: Box<dyn Session>,
    /// None once a signal does not end it any more.
    stops: Option<StopsWith>,
    cancel: Cancel,
}

impl Connection {
    /// Connects, and gives the session the settings that all of ours have.
    ///
    /// # Errors
    /// [`Error::NoDatabase`], or the server refuses or does not answer.
    pub(crate) fn open(
        server: &Arc<dyn Server>,
        role: Role,
        database: Option<&str>,
        doing: &str,
        cancel: &Cancel,
    ) -> Result<Self> {
        let session = server
            .connect(role, database, cancel)
            .map_err(|error| refused(error, database, doing, cancel))?;
        let stops = Some(cancel.stops(session.stopper()));
        let mut connection = Self { session, stops, cancel: cancel.clone() };
        let settings = settings(connection.session.version());
        connection.execute(&settings, doing)?;
        connection.set_off_unwanted(doing)?;
        if let Some(database) = database {
            // The server's `init_connect` may have chosen another one after the login.
            let chosen = connection
                .session
                .query(format!("USE {}", quote_name(database)).as_bytes(), &mut Held::default());
            chosen.map_err(|error| refused(error, Some(database), doing, cancel))?;
        }
        Ok(connection)
    }

    /// Uses a connection once more, as if it were a new one.
    ///
    /// # Errors
    /// As [`Connection::open`]; the connection may have ended meanwhile.
    pub(crate) fn again(
        mut session: Box<dyn Session>,
        database: Option<&str>,
        doing: &str,
        cancel: &Cancel,
    ) -> Result<Self> {
        let stops = Some(cancel.stops(session.stopper()));
        let settings = settings(session.version());
        session.reset(database, &settings).map_err(|error| refused(error, database, doing, cancel))?;
        let mut connection = Self { session, stops, cancel: cancel.clone() };
        connection.set_off_unwanted(doing)?;
        Ok(connection)
    }

    /// Sets off what a server should not do with tables that we make, where the account may.
    fn set_off_unwanted(&mut self, doing: &str) -> Result<()> {
        let names = unwanted(self.session.version());
        if names.is_empty() {
            return Ok(());
        }
        let set = self.rows(&format!("SELECT @@{}", names.join(", @@")), doing)?;
        let values = set.into_iter().flatten();
        for (name, _) in names.into_iter().zip(values).filter(|(_, value)| value != "0") {
            match self.execute(&format!("SET SESSION {name}=0"), doing) {
                Err(error) if error.number() == Some(NOT_ALLOWED) => {
                    log::debug!("{name} stays as it is: {error}");
                }
                done => done?,
            }
        }
        Ok(())
    }

    /// The session, for [`Connection::again`].
    pub(crate) fn into_session(self) -> Box<dyn Session> {
        self.session
    }

    /// From here on a signal does not end it.
    pub(crate) fn outlast_signals(&mut self) {
        self.stops = None;
    }

    /// The connection itself.
    pub(crate) fn session(&mut self) -> &mut dyn Session {
        &mut *self.session
    }

    /// Executes statements and throws their results away.
    ///
    /// # Errors
    /// As [`Connection::rows`].
    pub(crate) fn execute(&mut self, sql: &str, doing: &str) -> Result<()> {
        self.rows(sql, doing).map(drop)
    }

    /// All rows of all results.
    ///
    /// # Errors
    /// A statement fails, the connection breaks, or a signal arrived.
    pub(crate) fn rows(&mut self, sql: &str, doing: &str) -> Result<Vec<TextRow>> {
        Ok(self.named_rows(sql, doing)?.1)
    }

    /// As [`Connection::rows`]; rows that come before a failure are there too.
    ///
    /// # Errors
    /// As [`Connection::rows`].
    pub(crate) fn rows_into(&mut self, sql: &str, doing: &str, rows: &mut Vec<TextRow>) -> Result<()> {
        let mut held = Held::default();
        let ended = self.ask(sql, doing, &mut held);
        rows.extend(held.rows.into_iter().map(text));
        ended
    }

    /// All rows of all results, as bytes; NULL is the word.
    ///
    /// # Errors
    /// As [`Connection::rows`].
    pub(crate) fn bytes(&mut self, sql: &str, doing: &str) -> Result<Vec<Vec<Vec<u8>>>> {
        let mut held = Held::default();
        self.ask(sql, doing, &mut held)?;
        Ok(held.rows)
    }

    /// All rows of all results, and the names of the last result's columns.
    ///
    /// # Errors
    /// As [`Connection::rows`].
    pub(crate) fn named_rows(&mut self, sql: &str, doing: &str) -> Result<(Vec<String>, Vec<TextRow>)> {
        let mut held = Held::default();
        self.ask(sql, doing, &mut held)?;
        Ok((held.names, held.rows.into_iter().map(text).collect()))
    }

    fn ask(&mut self, sql: &str, doing: &str, results: &mut dyn Results) -> Result<()> {
        // A delimiter at the end would be an empty statement, which servers refuse.
        let sql = sql.trim_end_matches(|c: char| c.is_whitespace() || c == ';');
        if sql.is_empty() {
            return Ok(());
        }
        self.session.query(sql.as_bytes(), results).map_err(|error| self.explained(error, doing))
    }

    /// What a failure means here: an interruption, where one was asked for.
    pub(crate) fn explained(&self, error: SessionError, doing: &str) -> Error {
        let error = error.doing(doing);
        if self.stops.is_some() { self.cancel.explain(error) } else { error }
    }
}

fn text(row: Vec<Vec<u8>>) -> TextRow {
    row.into_iter().map(|cell| String::from_utf8_lossy(&cell).into_owned()).collect()
}

/// What it means that a connection cannot be had.
fn refused(error: SessionError, database: Option<&str>, doing: &str, cancel: &Cancel) -> Error {
    match error {
        SessionError::Server(error) if error.number == NO_DATABASE => {
            Error::NoDatabase { database: database.unwrap_or_default().to_owned() }
        }
        other => cancel.explain(other.doing(doing)),
    }
}

/// "Access denied; you need …".
const NOT_ALLOWED: u16 = 1227;
/// "Unknown database".
const NO_DATABASE: u16 = 1049;

/// Keeps results.
#[derive(Default)]
struct Held {
    names: Vec<String>,
    rows: Vec<Vec<Vec<u8>>>,
    size: usize,
}

impl Results for Held {
    fn begin(&mut self, columns: &[Column]) -> Result<()> {
        self.names = columns.iter().map(|column| column.name.clone()).collect();
        Ok(())
    }

    fn row(&mut self, row: Row<'_>) -> Result<()> {
        let failed = |source| Error::Stream { action: "read a result", source };
        let mut held = Vec::new();
        let row = match row {
            Row::Whole(row) => row,
            Row::Long(row) => {
                let room = (MOST_TEXT - self.size.min(MOST_TEXT)) as u64;
                std::io::Read::read_to_end(&mut std::io::Read::take(row, room), &mut held).map_err(failed)?;
                &held
            }
        };
        self.size += row.len() + ROW + CELL * self.names.len();
        if self.size >= MOST_TEXT {
            return Err(failed(std::io::Error::other("it is larger than any that was asked for")));
        }
        let cells = Cells::new(row).map(|cell| cell.map(|cell| cell.unwrap_or(b"NULL").to_vec()));
        // A row that has more cells than its result has columns is not read to its end.
        let row: Result<Vec<_>, Malformed> = cells.take(self.names.len() + 1).collect();
        let row = row.ok().filter(|row| row.len() == self.names.len());
        self.rows.push(row.ok_or_else(|| failed(std::io::Error::other("a row that is none")))?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begun(columns: usize) -> Held {
        let column = Column { name: "a".into(), kind: 253, collation: 45, flags: 0, length: 1 };
        let mut held = Held::default();
        held.begin(&vec![column; columns]).unwrap();
        held
    }

    #[test]
    fn a_row_has_as_many_cells_as_its_result_has_columns() {
        for (row, is_one) in [
            (&b"\x01x\xFB"[..], true),
            (b"\x01x", false),
            (b"", false),
            (b"\x01x\xFB\xFB", false),
            (b"\x01x\x05y", false),
            (b"\x01x\xFF", false),
        ] {
            assert_eq!(begun(2).row(Row::Whole(row)).is_ok(), is_one, "{row:?}");
        }
    }

    /// A server may send rows for ever. What holding them takes is counted, not only their text.
    #[test]
    fn rows_without_end_take_bounded_memory() {
        let mut held = begun(1000);
        let row = [0; 1000];
        let error = (0..).find_map(|_| held.row(Row::Whole(&row)).err()).unwrap();
        assert!(format!("{error}").contains("read a result"), "{error}");
        assert!(held.rows.len() < 10_000, "{} rows", held.rows.len());
        let error = begun(1).row(Row::Long(&mut std::io::repeat(1))).unwrap_err();
        assert!(format!("{error}").contains("read a result"), "{error}");
    }
}
