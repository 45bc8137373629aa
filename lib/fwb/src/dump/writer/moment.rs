//! The moment that a connection shows: its transaction, and where the binary log stands in it.

use crate::error::{Error, Result};
use crate::manifest::Binlog;
use crate::server::{Flavor, Session, ask, tell, text};

/// Begins a transaction that shows the data as they are now, until it ends.
///
/// # Errors
/// The server refuses, or the connection breaks.
pub(crate) fn begin(session: &mut dyn Session, doing: &str) -> Result<()> {
    tell(session, "START TRANSACTION WITH CONSISTENT SNAPSHOT", doing)
}

/// Where the binary log stands in the transaction: what is before is in the data that it shows, what is after is not. Only
/// MariaDB tells, and asks for no right.
///
/// # Errors
/// As [`begin`].
pub(crate) fn coordinates(session: &mut dyn Session, doing: &str) -> Result<Option<Binlog>> {
    if session.version().flavor != Flavor::MariaDb {
        return Ok(None);
    }
    let rows = ask(session, "SHOW STATUS LIKE 'binlog\\_snapshot\\_%'", doing)?;
    let said = |name: &str| {
        let row = rows.iter().find(|row| text(row, 0).eq_ignore_ascii_case(name));
        row.map(|row| text(row, 1)).filter(|said| !said.is_empty())
    };
    let Some((file, position)) = said("binlog_snapshot_file").zip(said("binlog_snapshot_position")) else {
        return Ok(None);
    };
    let gtid = gtid(session, &file, &position, doing)?;
    Ok(position.parse().ok().map(|position| Binlog { file, position, gtid }))
}

/// The GTID state at a place in the binary log.
fn gtid(session: &mut dyn Session, file: &str, position: &str, doing: &str) -> Result<Option<String>> {
    let digits: String = position.chars().filter(char::is_ascii_digit).collect();
    let sql = format!("SELECT BINLOG_GTID_POS({}, {digits})", crate::server::quote_text(file));
    match ask(session, &sql, doing) {
        Ok(rows) => Ok(rows.first().map(|row| text(row, 0)).filter(|gtid| !gtid.is_empty())),
        Err(Error::Server { error, .. }) => {
            log::debug!("the GTID of the snapshot is not known: {error}");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Where the binary log stands now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LogPosition {
    /// Where.
    pub(crate) binlog: Binlog,
    /// Whether every database is written to it.
    pub(crate) is_unfiltered: bool,
}

/// Where the binary log stands now; none where there is none.
///
/// # Errors
/// As [`begin`]; the account may lack the right.
pub(crate) fn log_position(session: &mut dyn Session, doing: &str) -> Result<Option<LogPosition>> {
    let version = session.version();
    let sql = if version.is_mysql(8, 2) { "SHOW BINARY LOG STATUS" } else { "SHOW MASTER STATUS" };
    let rows = ask(session, sql, doing)?;
    Ok(rows.first().and_then(|row| {
        let position = text(row, 1).parse().ok()?;
        // MySQL has the executed GTIDs there.
        let gtid = Some(text(row, 4).replace('\n', "")).filter(|gtid| !gtid.is_empty());
        let binlog = Binlog { file: text(row, 0), position, gtid };
        Some(LogPosition { binlog, is_unfiltered: text(row, 2).is_empty() && text(row, 3).is_empty() })
    }))
}
