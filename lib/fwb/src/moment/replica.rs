//! The throwaway server as a replica: how it begins, how far it is, why it stops.

use std::time::{Duration, Instant};

use crate::blank::blank_quoted;
use crate::drill::Furnished;
use crate::error::{Error, Result};
use crate::progress::Context;
use crate::server::{Flavor, ReplicationSource, Sql};

/// Between two looks how far it is.
const PAUSE: Duration = Duration::from_millis(100);
/// How long it may try in vain to reach its source, which is this process.
const PATIENCE: Duration = Duration::from_secs(60);

/// Options of the server for a log of this database, with so many threads that replay at a time.
pub(super) fn options(flavor: Flavor, database: &str, threads: u32, has_gtids: bool) -> Vec<String> {
    let mut options: Vec<String> = [
        "--relay-log=relay",
        "--max-relay-log-size=256M",
        // What the replica has not done yet waits in a gibibyte at most; the rest is not read yet.
        "--relay-log-space-limit=1G",
        "--replicate-same-server-id=1",
        // Nobody talks for a while where there is nothing more to say.
        "--loose-slave-net-timeout=31536000",
        "--loose-replica-net-timeout=31536000",
        "--loose-slave-max-allowed-packet=1G",
        "--loose-replica-max-allowed-packet=1G",
        "--loose-sync-master-info=0",
        "--loose-sync-relay-log=0",
        "--loose-sync-relay-log-info=0",
        "--loose-slave-type-conversions=ALL_NON_LOSSY",
        "--loose-replica-type-conversions=ALL_NON_LOSSY",
    ]
    .map(ToOwned::to_owned)
    .into();
    // Any but those in the log would do, and even those do: events of one's own are replayed too.
    options.push(format!("--server-id={}", u32::MAX));
    options.push(format!("--replicate-wild-do-table={}.%", pattern(database)));
    options.push(format!("--replicate-wild-do-table={}%.%", pattern(&crate::binlog::beside(database))));
    match flavor {
        Flavor::MariaDb => {
            options.push(format!("--slave-parallel-threads={}", if threads > 1 { threads } else { 0 }));
            options.push("--slave-parallel-mode=optimistic".into());
        }
        Flavor::MySql => {
            options.push(format!("--replica-parallel-workers={threads}"));
            // Servers have either by default, and take no log of the other kind.
            let mode = if has_gtids { "ON" } else { "OFF" };
            options.push(format!("--gtid-mode={mode}"));
            options.push(format!("--enforce-gtid-consistency={mode}"));
        }
    }
    options
}

/// A database's name as a filter reads it: `_` and `%` stand for any letters there.
fn pattern(database: &str) -> String {
    database.replace('\\', "\\\\").replace('_', "\\_").replace('%', "\\%")
}

/// A server that replays.
pub(super) struct Replica<'a> {
    server: &'a Furnished,
    source: &'a dyn ReplicationSource,
    flavor: Flavor,
}

/// How far a replica is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct State {
    reads: String,
    applies: String,
    read_error: (u32, String),
    apply_error: (u32, String),
    file: String,
    position: u64,
}

impl<'a> Replica<'a> {
    /// Lets the server read from the source, and replay.
    ///
    /// # Errors
    /// The server refuses.
    pub(super) fn start(
        server: &'a Furnished,
        source: &'a dyn ReplicationSource,
        context: &Context,
    ) -> Result<Self> {
        let flavor = server.version().flavor;
        // These statements take literals alone; names of our own making need no escapes.
        let quoted = |word: &str| format!("'{}'", word.replace(['\'', '\\'], ""));
        let (port, file) = (source.port(), quoted(&source.first_file()));
        let (user, password) = (quoted(source.user()), quoted(source.password()));
        let sql = match flavor {
            Flavor::MariaDb => format!(
                "CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={port}, MASTER_USER={user}, \
                 MASTER_PASSWORD={password}, MASTER_LOG_FILE={file}, MASTER_LOG_POS=4, MASTER_USE_GTID=no, \
                 MASTER_SSL=0, MASTER_SSL_VERIFY_SERVER_CERT=0, MASTER_HEARTBEAT_PERIOD=0, MASTER_CONNECT_RETRY=1;\n\
                 START SLAVE;\n"
            ),
            Flavor::MySql => format!(
                "CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1', SOURCE_PORT={port}, SOURCE_USER={user}, \
                 SOURCE_PASSWORD={password}, SOURCE_LOG_FILE={file}, SOURCE_LOG_POS=4, SOURCE_AUTO_POSITION=0, \
                 SOURCE_SSL=0, SOURCE_HEARTBEAT_PERIOD=0, SOURCE_CONNECT_RETRY=1;\n\
                 START REPLICA;\n"
            ),
        };
        server.server().query(None, Sql::Write(&sql), "beginning the replay", &context.cancel)?;
        Ok(Self { server, source, flavor })
    }

    /// Waits until everything is replayed, and stops.
    ///
    /// # Errors
    /// [`Error::Replay`], the feed cannot be read, the server has ended, or a signal arrived.
    pub(super) fn finish(&self, context: &Context) -> Result<()> {
        let (mut told, mut reads_since) = (0, Instant::now());
        loop {
            context.cancel.check()?;
            if let Some(failure) = self.source.failure() {
                return Err(failure);
            }
            let state = self.state(context).map_err(|error| self.server.death().unwrap_or(error))?;
            self.check(&state)?;
            if state.reads == "Yes" {
                reads_since = Instant::now();
            } else if reads_since.elapsed() > PATIENCE {
                return Err(self.stopped(&state.read_error.1, "it does not reach its source"));
            }
            if let Some(done) = self.source.done(&state.file, state.position) {
                context.progress.advance(done.saturating_sub(told));
                told = told.max(done);
            }
            if self.source.last_file().is_some_and(|last| last == state.file) {
                break;
            }
            std::thread::sleep(PAUSE);
        }
        let stop = match self.flavor {
            Flavor::MariaDb => "STOP SLAVE;\n",
            Flavor::MySql => "STOP REPLICA;\n",
        };
        self.server.server().query(None, Sql::Write(stop), "ending the replay", &context.cancel)?;
        let state = self.state(context)?;
        self.check(&State { applies: "Yes".into(), reads: "Yes".into(), ..state })
    }

    fn state(&self, context: &Context) -> Result<State> {
        let (sql, names): (_, [&[&str]; 4]) = match self.flavor {
            Flavor::MariaDb => (
                "SHOW SLAVE STATUS",
                [
                    &["slave_io_running"],
                    &["slave_sql_running"],
                    &["relay_master_log_file"],
                    &["exec_master_log_pos"],
                ],
            ),
            Flavor::MySql => (
                "SHOW REPLICA STATUS",
                [
                    &["replica_io_running"],
                    &["replica_sql_running"],
                    &["relay_source_log_file"],
                    &["exec_source_log_pos"],
                ],
            ),
        };
        let rows = self.server.server().show(sql, "asking how far the replay is", &context.cancel)?;
        let row = rows.into_iter().next().unwrap_or_default();
        let text = |names: &[&str]| names.iter().find_map(|name| row.get(*name)).cloned().unwrap_or_default();
        let error = |of: &str| {
            let number = text(&[&format!("last_{of}_errno")]).parse().unwrap_or(0);
            (number, text(&[&format!("last_{of}_error")]))
        };
        Ok(State {
            reads: text(names[0]),
            applies: text(names[1]),
            read_error: error("io"),
            apply_error: error("sql"),
            file: text(names[2]),
            position: text(names[3]).parse().unwrap_or(0),
        })
    }

    /// Refuses a replica that has stopped.
    fn check(&self, state: &State) -> Result<()> {
        let (number, message) = &state.apply_error;
        if *number != 0 || state.applies != "Yes" {
            return Err(self.stopped(message, "it has stopped, and does not say why"));
        }
        if state.reads == "No" {
            return Err(self.stopped(&state.read_error.1, "it reads no more, and does not say why"));
        }
        Ok(())
    }

    fn stopped(&self, message: &str, otherwise: &str) -> Error {
        if let Some(death) = self.server.death() {
            return death;
        }
        let problem = if message.is_empty() { otherwise.to_owned() } else { told(message) };
        Error::Replay {
            problem,
            remedy: "stop before it (--before), go around it (--skip), or choose a base that comes after it"
                .into(),
        }
    }
}

/// A replica's error without the statement, whose values are nobody's business, and with its quoted values blanked.
fn told(message: &str) -> String {
    // Error '…' on query. Default database: '…'. Query: '…'
    let of_query = |message: &str| {
        let (said, rest) = message.split_once("Error '")?.1.rsplit_once("' on query")?;
        let database = rest.split_once("Default database: '").and_then(|(_, rest)| rest.split_once('\''));
        let default = database.map(|(name, _)| format!(" (default database `{name}`)")).unwrap_or_default();
        Some(format!("{}{default}", blank_quoted(said)))
    };
    let end = message.find("Query: '").unwrap_or(message.len());
    of_query(&message[..end]).unwrap_or_else(|| blank_quoted(message[..end].trim_end_matches([' ', '.'])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_no_patterns() {
        assert_eq!(pattern("filewallball_db"), "filewallball\\_db");
        assert_eq!(pattern("a%b"), "a\\%b");
    }

    #[test]
    fn an_error_tells_no_values() {
        for (message, expected) in [
            (
                "Error 'Duplicate entry '7' for key 'PRIMARY'' on query. Default database: 'shop'. Query: 'INSERT INTO t VALUES (7, 'secret')'",
                "secret",
            ),
            (
                "Could not execute Write_rows_v1 event on table shop.t; Duplicate entry 'secret' for key 'PRIMARY', Error_code: 1062; handler error HA_ERR_FOUND_DUPP_KEY; the event's master log replay.000001, end_log_pos 700",
                "secret",
            ),
        ] {
            let told = told(message);
            assert!(!told.contains(expected), "{told}");
            assert!(told.contains("Duplicate entry") && told.contains("PRIMARY"), "{told}");
        }
    }
}
