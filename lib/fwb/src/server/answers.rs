//! Short questions over a session: statements whose results fit into memory.

use std::io::Read;

use super::port::{Cells, Column, Results, Row, Session};
use crate::error::{Error, Result};

/// A row of a result; a cell is none where it is NULL.
pub(crate) type OwnedRow = Vec<Option<Vec<u8>>>;

/// The most that a row may take, in bytes: a definition is some megabytes at most. What is longer is an error.
const LONGEST: u64 = 64 << 20;

/// Asks, and returns all rows. `doing` says what for, as a participle clause.
///
/// # Errors
/// The server refuses, or the connection breaks.
pub(crate) fn ask(session: &mut dyn Session, sql: &str, doing: &str) -> Result<Vec<OwnedRow>> {
    let mut taken = Taken::default();
    session.query(sql.as_bytes(), &mut taken).map_err(|error| error.doing(doing))?;
    Ok(taken.0)
}

/// Does what returns no rows.
///
/// # Errors
/// As [`ask`].
pub(crate) fn tell(session: &mut dyn Session, sql: &str, doing: &str) -> Result<()> {
    ask(session, sql, doing).map(drop)
}

/// A cell as text; empty where it is NULL, or not there.
pub(crate) fn text(answer: &OwnedRow, index: usize) -> String {
    let cell = answer.get(index).and_then(Option::as_deref);
    String::from_utf8_lossy(cell.unwrap_or_default()).into_owned()
}

#[derive(Default)]
struct Taken(Vec<OwnedRow>);

impl Results for Taken {
    fn begin(&mut self, _columns: &[Column]) -> Result<()> {
        Ok(())
    }

    fn row(&mut self, row: Row<'_>) -> Result<()> {
        let unread = |source| Error::Stream { action: "read an answer of the server", source };
        let malformed = || unread(std::io::Error::other("it is too long, or no row"));
        let mut long = Vec::new();
        let whole = match row {
            Row::Whole(whole) => whole,
            Row::Long(reader) => {
                reader.take(LONGEST + 1).read_to_end(&mut long).map_err(unread)?;
                if long.len() as u64 > LONGEST {
                    return Err(malformed());
                }
                &long
            }
        };
        let cells = Cells::new(whole).map(|cell| cell.map(|cell| cell.map(<[u8]>::to_vec)));
        self.0.push(cells.collect::<Result<_, _>>().map_err(|_| malformed())?);
        Ok(())
    }
}
