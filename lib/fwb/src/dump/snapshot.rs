//! One moment for all connections.
//!
//! Each connection reads inside a transaction of its own, and all must begin at the same state of the data. So nobody may
//! commit while they begin: `BACKUP STAGE BLOCK_COMMIT` (MariaDB 10.4; its manual, "BACKUP STAGE") or `FLUSH TABLES WITH
//! READ LOCK`, held by one more connection from before the first transaction begins until the last has, some thousandths
//! of a second. An account that may not take it has the binary log's coordinates as MariaDB shows them inside of a
//! transaction: equal ones mean the same moment, if all that is written is logged.

use std::time::Instant;

use serde::Serialize;

use super::connections::connect;
use super::writer::{LogPosition, Savepoint, begin, coordinates, log_position};
use crate::error::{Error, Result};
use crate::manifest::Binlog;
use crate::progress::Cancel;
use crate::server::{Connection, Flavor, Role, ServerClient, ServerVersion, quote_name};

/// How long the lock is waited for, in seconds.
const LONGEST_WAIT: u64 = 5;
/// How often transactions are begun for the same coordinates, where commits go on meanwhile.
const TRIES: u32 = 3;
/// How it is named that several connections cannot be had.
const MOMENT: &str = "see one moment over several connections";

/// How several connections came to show one moment: as the manifest says it.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Snapshot {
    connections: usize,
    /// The lock under which they began.
    #[serde(skip_serializing_if = "Option::is_none")]
    held_by: Option<&'static str>,
    /// What had to hold, where they began without a lock and found the same coordinates.
    #[serde(skip_serializing_if = "Option::is_none")]
    relied_on: Option<[&'static str; 2]>,
}

/// What is to be shown.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scene<'a> {
    /// The database that the connections begin with. Their transactions show all of the server's.
    pub(super) database: &'a str,
    /// Whether the server writes a binary log.
    pub(super) log_bin: bool,
    /// Whose the server is.
    pub(super) flavor: Flavor,
    /// What is being done, for errors.
    pub(super) doing: &'a str,
}

/// Connections that show one moment.
pub(super) struct Begun {
    /// At least one.
    pub(super) connections: Vec<Connection>,
    /// Where the binary log stood at that moment.
    pub(super) binlog: Option<Binlog>,
    /// How it came to be one moment; none where there is one connection.
    pub(super) snapshot: Option<Snapshot>,
    /// The default database of the connections; none: they differ.
    shows: Option<String>,
}

impl Begun {
    /// Makes a database the default one of all connections. What they show stays as it is.
    ///
    /// # Errors
    /// The server refuses, or a connection breaks.
    pub(super) fn show(&mut self, database: &str) -> Result<()> {
        if self.shows.as_deref() == Some(database) {
            return Ok(());
        }
        self.shows = None;
        for connection in &mut self.connections {
            choose(connection, database)?;
        }
        self.shows = Some(database.to_owned());
        Ok(())
    }

    /// The connection that writes, with this default database.
    ///
    /// # Errors
    /// As [`Begun::show`].
    pub(super) fn writer(&mut self, database: &str) -> Result<Option<&mut Connection>> {
        self.shows = None;
        let Some(writer) = self.connections.first_mut() else { return Ok(None) };
        choose(writer, database).map(|()| Some(writer))
    }

    /// Whether the moment is still shown after the database of this number could not be dumped: by the connection that writes. The
    /// others were ended.
    pub(super) fn goes_on(&mut self, number: usize) -> bool {
        self.connections.truncate(1);
        let Some(writer) = self.connections.first_mut() else { return false };
        // What was held of that database is let go of; where nothing was, there is no such savepoint.
        let rolled_back = Savepoint::BeforeDatabase(number).roll_back(writer.session(), GOING_ON);
        match rolled_back {
            Ok(()) => true,
            Err(error) => error.number() == Some(NO_SAVEPOINT),
        }
    }
}

/// What a connection is asked that may go on.
const GOING_ON: &str = "going on with the next database";
/// "SAVEPOINT does not exist".
const NO_SAVEPOINT: u16 = 1305;

fn choose(connection: &mut Connection, database: &str) -> Result<()> {
    connection.execute(&format!("USE {}", quote_name(database)), "choosing a database")
}

/// Begins with so many connections, or with one alone, where one moment for several cannot be had.
///
/// # Errors
/// The server refuses, or does not answer.
pub(super) fn start(server: &ServerClient, scene: Scene<'_>, count: usize, cancel: &Cancel) -> Result<Begun> {
    let starter = Starter { server, scene, cancel };
    // MySQL tells a transaction nothing of its place in the log; whoever holds the commits can ask for it.
    let needs_lock_for_place = scene.log_bin && scene.flavor == Flavor::MySql;
    if count > 1 || needs_lock_for_place {
        let together = starter.under_a_lock(count).or_else(|error| {
            cancel.check()?;
            log::debug!("{error}");
            if count == 1 {
                return Err(error);
            }
            starter.by_coordinates(count).map_err(|why| {
                log::debug!("{why}");
                error
            })
        });
        match together {
            Ok(begun) => return Ok(begun),
            Err(error) => {
                cancel.check()?;
                if count > 1 {
                    log::info!("dumping over one connection: {error}");
                } else {
                    log::info!("dumping without a place in the binary log: {error}");
                }
            }
        }
    }
    let mut connection = starter.connect()?;
    let binlog = starter.begin(&mut connection)?;
    Ok(starter.begun(vec![connection], binlog, None))
}

/// Where the binary log stands now; none where the server does not tell.
///
/// # Errors
/// The server cannot be reached.
pub(super) fn log_end(server: &ServerClient, scene: Scene<'_>, cancel: &Cancel) -> Result<Option<Binlog>> {
    let starter = Starter { server, scene, cancel };
    let mut connection = starter.connect()?;
    if let Some(at) = starter.begin(&mut connection)? {
        return Ok(Some(at));
    }
    match log_position(connection.session(), scene.doing) {
        Ok(position) => Ok(position.map(|position| position.binlog)),
        Err(error) if error.refusal().is_some() => Ok(None),
        Err(error) => Err(error),
    }
}

struct Starter<'a> {
    server: &'a ServerClient,
    scene: Scene<'a>,
    cancel: &'a Cancel,
}

impl Starter<'_> {
    fn connect(&self) -> Result<Connection> {
        connect(self.server, Role::Single, self.scene.database, self.scene.doing, self.cancel)
    }

    fn begun(
        &self,
        connections: Vec<Connection>,
        binlog: Option<Binlog>,
        snapshot: Option<Snapshot>,
    ) -> Begun {
        Begun { connections, binlog, snapshot, shows: Some(self.scene.database.to_owned()) }
    }

    fn several(&self, count: usize) -> Result<Vec<Connection>> {
        (0..count).map(|_| self.connect()).collect()
    }

    /// Begins a transaction. Returns where the binary log stands in it, where the server tells.
    fn begin(&self, connection: &mut Connection) -> Result<Option<Binlog>> {
        let Scene { log_bin, doing, .. } = self.scene;
        begin(connection.session(), doing)?;
        if log_bin { coordinates(connection.session(), doing) } else { Ok(None) }
    }

    fn under_a_lock(&self, count: usize) -> Result<Begun> {
        let mut hold = self.connect()?;
        let lock = Lock::of(hold.session().version());
        hold.execute(&format!("SET SESSION lock_wait_timeout={LONGEST_WAIT}"), HOLD)?;
        lock.prepare.iter().try_for_each(|sql| hold.execute(sql, HOLD))?;
        let mut connections = self.several(count)?;
        hold.execute(lock.name, HOLD)?;
        let since = Instant::now();
        let begun: Result<Vec<_>> = connections.iter_mut().map(|connection| self.begin(connection)).collect();
        let status = if self.scene.log_bin && hold.session().version().flavor == Flavor::MySql {
            // Nobody commits, so it is where the log stands in every one of the transactions.
            log_position(hold.session(), HOLD)
        } else {
            Ok(None)
        };
        // If releasing the lock succeeds, the connection never lost it.
        hold.execute(lock.release, HOLD)?;
        log::debug!("commits waited for {} ms", since.elapsed().as_millis());
        let found = begun?;
        let one = agreed(&found).ok_or_else(|| lacking("the transactions did not begin at one moment"))?;
        let binlog = one.clone().or(status.ok().flatten().map(|status: LogPosition| status.binlog));
        let snapshot =
            (count > 1).then_some(Snapshot { connections: count, held_by: Some(lock.name), relied_on: None });
        Ok(self.begun(connections, binlog, snapshot))
    }

    fn by_coordinates(&self, count: usize) -> Result<Begun> {
        let mut connections = self.several(count)?;
        if !self.scene.log_bin || !self.is_complete(&mut connections[0])? {
            return Err(lacking("the binary log does not have everything that is written"));
        }
        for _ in 0..TRIES {
            let found: Vec<_> =
                connections.iter_mut().map(|connection| self.begin(connection)).collect::<Result<_>>()?;
            if let Some(Some(binlog)) = agreed(&found) {
                let relied_on = Some([
                    "equal coordinates in the binary log",
                    "no session with sql_log_bin=0 wrote meanwhile",
                ]);
                let snapshot = Some(Snapshot { connections: connections.len(), held_by: None, relied_on });
                let binlog = Some(binlog.clone());
                return Ok(self.begun(connections, binlog, snapshot));
            }
        }
        Err(lacking("others commit too often for a snapshot without a lock"))
    }

    /// Whether every write to the server's tables is in its binary log, but for those that a session hides: no database is
    /// left out, and a replica logs what it receives.
    fn is_complete(&self, connection: &mut Connection) -> Result<bool> {
        let log_updates = connection.rows("SELECT @@log_slave_updates", self.scene.doing)?;
        let replicas = connection.rows("SHOW GLOBAL STATUS LIKE 'Slaves_running'", self.scene.doing)?;
        let is = |rows: &[Vec<String>], value: &str| {
            rows.first().and_then(|row| row.last()).is_some_and(|found| found == value)
        };
        let status = log_position(connection.session(), self.scene.doing)?;
        let is_unfiltered = status.is_some_and(|status| status.is_unfiltered);
        Ok((is(&log_updates, "1") || is(&replicas, "0")) && is_unfiltered)
    }
}

/// What all found, where it is the same.
fn agreed(found: &[Option<Binlog>]) -> Option<&Option<Binlog>> {
    let first = found.first()?;
    found.iter().all(|other| other == first).then_some(first)
}

fn lacking(why: &'static str) -> Error {
    Error::Stream { action: MOMENT, source: std::io::Error::other(why) }
}

/// What keeps others from committing.
#[derive(Debug, PartialEq, Eq)]
struct Lock {
    /// Keeps definitions as they are, where that can be had alone.
    prepare: &'static [&'static str],
    /// The statement that takes it.
    name: &'static str,
    release: &'static str,
}

const HOLD: &str = "holding the server's commits";
const BACKUP_STAGE: Lock = Lock {
    prepare: &["BACKUP STAGE START", "BACKUP STAGE BLOCK_DDL"],
    name: "BACKUP STAGE BLOCK_COMMIT",
    release: "BACKUP STAGE END",
};
const READ_LOCK: Lock = Lock { prepare: &[], name: "FLUSH TABLES WITH READ LOCK", release: "UNLOCK TABLES" };

impl Lock {
    fn of(version: &ServerVersion) -> &'static Self {
        if version.is_mariadb(10, 4) { &BACKUP_STAGE } else { &READ_LOCK }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_held_by_what_it_knows() {
        for (version, lock) in
            [("10.11.6-MariaDB-log", &BACKUP_STAGE), ("10.3.39-MariaDB", &READ_LOCK), ("8.0.36", &READ_LOCK)]
        {
            assert_eq!(Lock::of(&ServerVersion::parse(version)), lock);
        }
    }

    #[test]
    fn all_must_find_the_same() {
        let at = |position| Some(Binlog { file: "b.1".into(), position, gtid: None });
        assert_eq!(agreed(&[at(1), at(1)]), Some(&at(1)));
        assert_eq!(agreed(&[None, None]), Some(&None));
        assert_eq!(agreed(&[at(1), at(2)]), None);
        assert_eq!(agreed(&[at(1), None]), None);
    }
}
