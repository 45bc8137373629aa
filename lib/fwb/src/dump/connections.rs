//! Connections that read a database: how many, and what each must be.

use super::writer::prepare;
use crate::error::Result;
use crate::progress::Cancel;
use crate::server::{Connection, Role, ServerClient};

/// How much data makes another connection worth its while, in bytes.
const WORTH_A_CONNECTION: u64 = 16 << 20;
/// How many jobs keep one connection busy: the server and whoever writes take about as much of a processor as compressing
/// what they give.
const JOBS_PER_CONNECTION: usize = 2;
/// No more connections than these: a server has other clients.
const MOST_CONNECTIONS: usize = 8;

/// How many connections pay for tables of so many bytes, with so many jobs.
pub(super) fn worthwhile(tables: impl Iterator<Item = u64>, jobs: usize) -> usize {
    let total: u64 = tables.fold(0, u64::saturating_add);
    let worth = usize::try_from(total / WORTH_A_CONNECTION).unwrap_or(usize::MAX);
    jobs.div_ceil(JOBS_PER_CONNECTION).min(worth).clamp(1, MOST_CONNECTIONS)
}

/// A connection to a database that reads it exactly, whatever the server's own settings say.
///
/// # Errors
/// The server refuses, or does not answer.
pub(super) fn connect(
    server: &ServerClient,
    role: Role,
    database: &str,
    doing: &str,
    cancel: &Cancel,
) -> Result<Connection> {
    let mut connection = server.connect(role, Some(database), doing, cancel)?;
    prepare(connection.session())?;
    Ok(connection)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_small_has_one_connection() {
        let of = |sizes: &[u64], jobs| worthwhile(sizes.iter().map(|size| size << 20), jobs);
        assert_eq!(of(&[], 8), 1);
        assert_eq!(of(&[5, 10, 16], 8), 1);
        assert_eq!(of(&[500], 2), 1);
        assert_eq!(of(&[500], 4), 2, "one table is read in ranges");
        assert_eq!(of(&[16, 16, 16], 64), 3);
        assert_eq!(of(&[500, 500], 64), MOST_CONNECTIONS);
        assert_eq!(worthwhile([u64::MAX, u64::MAX].into_iter(), 4), 2);
    }
}
