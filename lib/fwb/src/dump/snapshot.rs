//! One moment for several connections.
//!
//! Each dump program reads inside a transaction of its own, and all must begin at the same state of the data. So nobody
//! may commit while they begin: `BACKUP STAGE BLOCK_COMMIT` (MariaDB 10.4; its manual, "BACKUP STAGE") or `FLUSH TABLES
//! WITH READ LOCK`, held by a connection of our own from before the first program starts until all have said that their
//! transaction runs, some hundredths of a second. An account that may not take it has the binary log's coordinates, which
//! the programs read inside their transactions: equal ones mean the same moment, if all that is written is logged.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::streams::DumpStream;
use crate::error::{Error, Result};
use crate::progress::Cancel;
use crate::server::{
    ClientProgram, DatabaseFacts, Input, Output, Running, ServerClient, unescape, version_numbers,
};

/// How long commits may be held up at most, in all.
const LONGEST_HOLD: Duration = Duration::from_secs(5);
/// How often programs are started for the same coordinates, where commits go on meanwhile.
const TRIES: u32 = 3;
/// How it is named that several connections cannot be had.
const MOMENT: &str = "see one moment over several connections";

/// How several connections came to show one moment: as the manifest says it.
#[derive(Debug, Serialize)]
pub(super) struct Snapshot {
    connections: usize,
    /// The lock under which they began.
    #[serde(skip_serializing_if = "Option::is_none")]
    held_by: Option<&'static str>,
    /// What had to hold, where they began without a lock and found the same coordinates.
    #[serde(skip_serializing_if = "Option::is_none")]
    relied_on: Option<[&'static str; 2]>,
}

/// The commands for these shares of the tables; the first is for all that is in none.
pub(super) type Commands<'a> = dyn Fn(&[Vec<String>]) -> Vec<ClientProgram> + 'a;

/// Starts the programs so that all show one moment.
///
/// # Errors
/// That cannot be had, or not be shown. Nothing is running then.
pub(super) fn start(
    server: &ServerClient,
    facts: &DatabaseFacts,
    shares: &[Vec<String>],
    commands: &Commands<'_>,
    cancel: &Cancel,
) -> Result<(Vec<DumpStream>, Snapshot)> {
    under_a_lock(server, facts, shares, commands, cancel).or_else(|error| {
        cancel.check()?;
        log::debug!("{error}");
        by_coordinates(server, facts, &commands(shares), cancel).map_err(|why| {
            log::debug!("{why}");
            error
        })
    })
}

fn under_a_lock(
    server: &ServerClient,
    facts: &DatabaseFacts,
    shares: &[Vec<String>],
    commands: &Commands<'_>,
    cancel: &Cancel,
) -> Result<(Vec<DumpStream>, Snapshot)> {
    let lock = Lock::of(&facts.version);
    let (hold, present) = Hold::begin(server, facts, lock, cancel)?;
    // Tables that are gone meanwhile would end a program; whatever is new falls to the first.
    let mut shares = shares.to_vec();
    for share in &mut shares {
        share.retain(|table| present.contains(table));
    }
    shares.retain(|share| !share.is_empty());
    let commands = commands(&shares);
    let (hold, _) = hold.step(&format!("{};\n", lock.name))?;
    let since = Instant::now();
    let started = start_all(&commands, cancel);
    let begun = started.and_then(|(streams, begins)| all_begin(&begins, since).map(|()| streams));
    let waited = since.elapsed();
    // What was held to its end was held all the time.
    hold.end(lock.release)?;
    let mut streams = begun?;
    log::debug!("commits waited for {} ms", waited.as_millis());
    if !agree(&mut streams)? {
        return Err(lacking("the dump programs did not begin at one moment"));
    }
    let snapshot = Snapshot { connections: streams.len(), held_by: Some(lock.name), relied_on: None };
    Ok((streams, snapshot))
}

fn by_coordinates(
    server: &ServerClient,
    facts: &DatabaseFacts,
    commands: &[ClientProgram],
    cancel: &Cancel,
) -> Result<(Vec<DumpStream>, Snapshot)> {
    if !facts.log_bin || !is_complete(server, cancel)? {
        return Err(lacking("the binary log does not have everything that is written"));
    }
    for _ in 0..TRIES {
        let (mut streams, _) = start_all(commands, cancel)?;
        if agree(&mut streams)? {
            let relied_on = Some([
                "equal coordinates in the binary log",
                "no session with sql_log_bin=0 wrote meanwhile",
            ]);
            return Ok((streams, Snapshot { connections: commands.len(), held_by: None, relied_on }));
        }
    }
    Err(lacking("others commit too often for a snapshot without a lock"))
}

fn lacking(why: &'static str) -> Error {
    Error::Stream { action: MOMENT, source: std::io::Error::other(why) }
}

/// Whether all headers are the same, byte for byte. The coordinates are in them.
fn agree(streams: &mut [DumpStream]) -> Result<bool> {
    let mut first: Option<Vec<u8>> = None;
    for stream in streams {
        let Some(header) = stream.header()? else { return Ok(false) };
        match &first {
            Some(first) if first != header => return Ok(false),
            Some(_) => {}
            None => first = Some(header.to_vec()),
        }
    }
    Ok(true)
}

/// Whether every write to the server's tables is in its binary log, but for those that a session hides: no database is
/// left out, and a replica logs what it receives.
fn is_complete(server: &ServerClient, cancel: &Cancel) -> Result<bool> {
    let sql = "SELECT 'log_slave_updates', @@log_slave_updates;\n\
               SHOW GLOBAL STATUS LIKE 'Slaves_running';\n\
               SHOW MASTER STATUS;\n";
    let (mut has_all, mut is_unfiltered) = (false, false);
    for row in server.query(None, sql, "looking at the binary log's settings", cancel)? {
        match row.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["log_slave_updates", logs] => has_all |= logs == "1",
            ["Slaves_running", running] => has_all |= running == "0",
            [_file, _position, do_db, ignore_db] => is_unfiltered = do_db.is_empty() && ignore_db.is_empty(),
            _ => {}
        }
    }
    Ok(has_all && is_unfiltered)
}

/// Starts the programs, which with `--verbose` say on stderr what they do next. Each says on its channel when its
/// transaction runs.
fn start_all(commands: &[ClientProgram], cancel: &Cancel) -> Result<(Vec<DumpStream>, Vec<Receiver<()>>)> {
    let start = |command: &ClientProgram| {
        let (says, begins) = channel();
        let mut says = Some(says);
        let (output, running) = command.watched_reader(cancel, move |line| {
            if has_begun(line)
                && let Some(says) = says.take()
            {
                // Nobody listens where the moment is known by the coordinates.
                says.send(()).ok();
            }
            !is_chatter(line)
        })?;
        Ok((DumpStream::new(output, running), begins))
    };
    commands.iter().map(start).collect::<Result<Vec<_>>>().map(|started| started.into_iter().unzip())
}

/// What `--verbose` writes to stderr beside the warnings.
fn is_chatter(line: &[u8]) -> bool {
    line.starts_with(b"-- ") && !line.starts_with(b"-- Warning")
}

/// Whether a line says that the transaction runs: that the program is at something that comes after it.
fn has_begun(line: &[u8]) -> bool {
    const AFTER: [&[u8]; 3] = [b"-- Setting savepoint", b"-- Retrieving ", b"-- Sending SELECT"];
    AFTER.iter().any(|after| line.starts_with(after))
}

fn all_begin(begins: &[Receiver<()>], since: Instant) -> Result<()> {
    begins.iter().try_for_each(|begins| {
        begins.recv_timeout(LONGEST_HOLD.saturating_sub(since.elapsed())).map_err(|error| {
            lacking(match error {
                RecvTimeoutError::Timeout => "the dump programs took too long to begin",
                RecvTimeoutError::Disconnected => "a dump program ended before it began",
            })
        })
    })
}

/// What keeps others from committing.
#[derive(Debug, PartialEq, Eq)]
struct Lock {
    /// Keeps definitions as they are, where that can be had alone.
    prepare: &'static str,
    /// The statement that takes it.
    name: &'static str,
    release: &'static str,
}

const BACKUP_STAGE: Lock = Lock {
    prepare: "BACKUP STAGE START;\nBACKUP STAGE BLOCK_DDL;\n",
    name: "BACKUP STAGE BLOCK_COMMIT",
    release: "BACKUP STAGE END;\n",
};
const READ_LOCK: Lock =
    Lock { prepare: "", name: "FLUSH TABLES WITH READ LOCK", release: "UNLOCK TABLES;\n" };

impl Lock {
    fn of(version: &str) -> &'static Self {
        let has_stages =
            version.contains("MariaDB") && version_numbers(version).is_some_and(|number| number >= (10, 4));
        if has_stages { &BACKUP_STAGE } else { &READ_LOCK }
    }
}

/// A connection that holds a lock; the server lets go of it when the connection ends, however that comes about.
struct Hold {
    input: Input,
    output: BufReader<Output>,
    running: Running,
}

/// What the client prints after each step: two columns, which no name of a table is.
const STEP: &str = "SELECT 'fwb', 'done';\n";
const HOLD: &str = "holding the server's commits";
const DONE: &str = "fwb\tdone\n";

impl Hold {
    /// Connects, and returns which tables there are.
    fn begin(
        server: &ServerClient,
        facts: &DatabaseFacts,
        lock: &Lock,
        cancel: &Cancel,
    ) -> Result<(Self, BTreeSet<String>)> {
        let client = server.sql_client(Some(&facts.database)).arg("--unbuffered");
        let (input, output, running) = client.duplex(cancel)?;
        let hold = Self { input, output: BufReader::new(output), running };
        let wait = format!("SET SESSION lock_wait_timeout={};\n", LONGEST_HOLD.as_secs());
        let (hold, lines) = hold.step(&format!("{wait}{}SHOW TABLES;\n", lock.prepare))?;
        let tables = lines.lines().map(|line| unescape(line.as_bytes())).collect();
        Ok((hold, tables))
    }

    /// Runs statements and returns what they print.
    fn step(mut self, sql: &str) -> Result<(Self, String)> {
        let broken = |source| Error::Stream { action: HOLD, source };
        // That the client is gone shows in what it prints.
        self.input.write_all(format!("{sql}{STEP}").as_bytes()).and_then(|()| self.input.flush()).ok();
        let mut lines = String::new();
        let mut line = Vec::new();
        loop {
            line.clear();
            if self.output.read_until(b'\n', &mut line).map_err(broken)? == 0 {
                let ended = std::io::Error::other("the client program has ended");
                self.running.wait()?.success(HOLD)?;
                return Err(broken(ended));
            }
            if line == DONE.as_bytes() {
                return Ok((self, lines));
            }
            lines.push_str(&String::from_utf8_lossy(&line));
        }
    }

    fn end(self, sql: &str) -> Result<()> {
        let (Self { input, running, .. }, _) = self.step(sql)?;
        // It has nothing left to say.
        input.finish().ok();
        running.wait()?.success(HOLD)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_held_by_what_it_knows() {
        assert_eq!(Lock::of("10.11.6-MariaDB-log"), &BACKUP_STAGE);
        assert_eq!(Lock::of("10.3.39-MariaDB"), &READ_LOCK);
        assert_eq!(Lock::of("8.0.36"), &READ_LOCK);
    }

    #[test]
    fn a_program_has_begun_when_it_is_at_what_comes_after() {
        let early: [&[u8]; 2] = [b"-- Connecting to localhost...\n", b"-- Starting transaction...\n"];
        assert!(early.iter().all(|line| is_chatter(line) && !has_begun(line)));
        let later: [&[u8]; 2] =
            [b"-- Setting savepoint...\n", b"-- Retrieving table structure for table a...\n"];
        assert!(later.iter().all(|line| is_chatter(line) && has_begun(line)));
        let said: [&[u8]; 2] = [b"-- Warning: Skipping the data of table a\n", b"mariadb-dump: Error 2013\n"];
        assert!(said.iter().all(|line| !is_chatter(line) && !has_begun(line)));
    }
}
