//! A dump program that is started before it is known how it should be called. Looking at the database and asking the
//! program for its options take as long as the whole dump of a small database, so all three begin at once: the program
//! with the options that a new mariadb-dump knows, for a database in which nothing has to be left out. Where that turns
//! out to be the right call, its output is the dump; else it is ended and nothing of it is used.

use std::time::Duration;

use crate::dump_program::DumpProgram;
use crate::error::{Error, Result};
use crate::progress::Cancel;
use crate::server::{ClientProgram, DatabaseFacts, Output, Running, ServerClient};

/// How the server says that it takes no further connection, of anyone or of this account (MariaDB's manual, "MariaDB
/// Error Codes": `ER_CON_COUNT_ERROR`, `ER_TOO_MANY_USER_CONNECTIONS`, `ER_USER_LIMIT_REACHED`).
const LIMITS: [&str; 3] = ["ERROR 1040", "ERROR 1203", "ERROR 1226"];
/// How often, and how long apart, an account of one connection is tried until the server has seen that it is free.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(50);

/// Looks at a database and asks the dump program for its options, while the dump has perhaps begun.
///
/// # Errors
/// The server cannot be reached, there is no such database, or there is no dump program.
pub(crate) fn look(
    server: &ServerClient,
    database: &str,
    cancel: &Cancel,
) -> Result<(DatabaseFacts, DumpProgram, Option<HeadStart>)> {
    let head_start = HeadStart::begin(server, database, cancel);
    let (facts, program) = std::thread::scope(|scope| {
        let program = scope.spawn(|| DumpProgram::find(server, cancel));
        (server.facts(database, cancel), program.join())
    });
    let panicked = |_| Error::Stream {
        action: "ask the dump program for its options",
        source: std::io::Error::other("a thread panicked"),
    };
    let (facts, head_start) = match facts {
        Err(error) if head_start.is_some() && is_limit(&error) => {
            drop(head_start);
            (facts_alone(server, database, cancel)?, None)
        }
        facts => (facts?, head_start),
    };
    Ok((facts, program.map_err(panicked)??, head_start))
}

/// The facts, asked for where no other connection of ours is in the way.
fn facts_alone(server: &ServerClient, database: &str, cancel: &Cancel) -> Result<DatabaseFacts> {
    for _ in 1..TRIES {
        std::thread::sleep(PAUSE);
        match server.facts(database, cancel) {
            Err(error) if is_limit(&error) => log::debug!("{error}"),
            facts => return facts,
        }
    }
    server.facts(database, cancel)
}

fn is_limit(error: &Error) -> bool {
    matches!(error, Error::Child { reason, .. } if LIMITS.iter().any(|limit| reason.starts_with(limit)))
}

/// A dump that may turn out to be the right one.
pub(crate) struct HeadStart {
    command: ClientProgram,
    output: Output,
    running: Running,
}

impl HeadStart {
    /// Starts the dump program as it is most likely to be called. None where that costs more than it may save, in a
    /// pod, and where the program cannot be started, which shows again when it must be.
    pub(crate) fn begin(server: &ServerClient, database: &str, cancel: &Cancel) -> Option<Self> {
        if !server.is_here() {
            return None;
        }
        let command = DumpProgram::expected(server).command(database, &[]);
        let (output, running) = command.reader(cancel).ok()?;
        Some(Self { command, output, running })
    }

    /// The running program, if `command` is how it was called. One that has failed meanwhile is none: what it met may
    /// be the very query beside it, such as a limit on connections.
    pub(crate) fn take(self, command: &ClientProgram) -> Option<(Output, Running)> {
        let fits = self.command.is(command) && !self.running.has_failed();
        fits.then_some((self.output, self.running))
    }
}
