//! A database for one drill on a server that somebody named: never the live one. What is made there carries a comment
//! that says so and is dropped afterwards; what a killed drill has left is dropped by the next.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use super::accounts::{Accounts, creation, missing, name_of, removal};
use crate::error::{Error, Result};
use crate::load::OpenBackup;
use crate::manifest::{ObjectKind, now};
use crate::progress::Cancel;
use crate::server::{
    Connection, Connector, OF_DRILLS, Role, ServerClient, ServerFacts, ServerOptions, Sql, quote_name,
    quote_text, version_numbers,
};

/// The comment of every database that a drill makes. Only what carries it is ever dropped.
pub(super) const COMMENT: &str = "made by fwb-verify for a restore drill; the next drill drops it";
/// What the names of these databases begin with.
const PREFIX: &str = OF_DRILLS;
/// What the name of the database ends with that lists the accounts that a drill has made.
const LEDGER: &str = "_accounts";
/// What tells servers from each other. `server_uid` (MariaDB 10.6) is made of the port and the network card alone.
const IDENTITY: &str = "SHOW GLOBAL VARIABLES WHERE Variable_name IN \
                        ('hostname', 'port', 'datadir', 'pid_file', 'socket', 'server_uid');\n\
                        SHOW GLOBAL STATUS WHERE Variable_name = 'wsrep_cluster_state_uuid' AND Value <> '';\n";

/// Access to the server that `file` names.
///
/// # Errors
/// It cannot be reached, is too old, or is the one that `live` names too.
pub(super) fn server(
    file: &Path,
    live: &ServerOptions,
    connector: &dyn Connector,
    cancel: &Cancel,
) -> Result<ServerClient> {
    File::open(file).map_err(|error| Error::Usage {
        message: format!("the option file {} cannot be read: {error}", file.display()),
        hint: Some("check --drill-server or FWB_DRILL_SERVER".into()),
    })?;
    let options = ServerOptions { defaults_file: Some(file.to_owned()), ..ServerOptions::default() };
    let server = ServerClient::new(&options, connector)?;
    // Without settings, the live server is what the client programs find by themselves, or none.
    let is_set = live.defaults_file.is_some()
        || live.host.is_some()
        || live.port.is_some()
        || live.socket.is_some()
        || live.pod.is_some();
    let live = ServerClient::new(live, connector)?;
    let version = server.query(
        None,
        Sql::Read("SELECT VERSION();"),
        "asking for the drill server's version",
        cancel,
    )?;
    let version = version.into_iter().flatten().next().unwrap_or_default();
    let has_comments = version_numbers(&version).is_some_and(|number| number >= (10, 5));
    if !version.contains("MariaDB") || !has_comments {
        return Err(Error::Usage {
            message: format!("the drill server is {version}, and a drill needs MariaDB 10.5"),
            hint: Some("without --drill-server, a drill starts a server of its own".into()),
        });
    }
    match is_same(&server, &live, cancel)? {
        Ok(false) => {}
        Ok(true) => {
            return Err(Error::Usage {
                message: format!("{} names the live server, on which no drill is made", file.display()),
                hint: Some(
                    "name another one; without --drill-server, a drill starts a server of its own".into(),
                ),
            });
        }
        Err(error) => {
            let level = if is_set { log::Level::Warn } else { log::Level::Info };
            log::log!(level, "the live server cannot be asked whether it is the drill server: {error}");
        }
    }
    Ok(server)
}

/// Whether both are one server. A lock that is taken on the one and seen on the other proves it; their settings tell
/// where a proxy in between sends us elsewhere, and nodes of one cluster hold the same data. The inner error: the live
/// server cannot be asked.
fn is_same(server: &ServerClient, live: &ServerClient, cancel: &Cancel) -> Result<Result<bool>> {
    let lock = Lock::take(server, &format!("{PREFIX}{}", unique()), cancel)?;
    let ask = |sql: &str| live.query(None, Sql::Read(sql), "looking at the live server", cancel);
    let asked = ask(&is_used(&lock.name)).and_then(|seen| Ok((seen, ask(IDENTITY)?)));
    cancel.check()?;
    let (seen, theirs) = match asked {
        Ok(found) => found,
        Err(error) => return Ok(Err(error)),
    };
    let ours = server.query(None, Sql::Read(IDENTITY), "looking at the drill server", cancel)?;
    let settings = |rows: Vec<Vec<String>>| -> BTreeMap<String, String> {
        rows.into_iter().filter_map(|row| Some((row.first()?.clone(), row.get(1)?.clone()))).collect()
    };
    let (ours, theirs) = (settings(ours), settings(theirs));
    let cluster = "wsrep_cluster_state_uuid";
    let same_cluster = ours.get(cluster).is_some_and(|uuid| theirs.get(cluster) == Some(uuid));
    Ok(Ok(is_yes(&seen) || ours == theirs || same_cluster))
}

/// A database for one drill; dropped with this value.
pub(super) struct Scratch {
    /// The server, as the drill's account.
    pub(super) server: ServerClient,
    /// The database's name. It does not exist yet.
    pub(super) database: String,
    cancel: Cancel,
    _lock: Lock,
}

impl Scratch {
    /// Removes what killed drills have left, and takes a name.
    ///
    /// # Errors
    /// The server cannot be asked; or it runs events, and the backup has some.
    pub(super) fn make(server: &ServerClient, input: &OpenBackup, cancel: &Cancel) -> Result<Self> {
        sweep(server, cancel)?;
        let has_events = input
            .sections()
            .flat_map(|section| &section.objects)
            .any(|object| object.kind == ObjectKind::Event);
        let scheduler = "SELECT @@event_scheduler = 'ON';";
        if has_events
            && is_yes(&server.query(None, Sql::Read(scheduler), "looking at the drill server", cancel)?)
        {
            return Err(Error::NoDrill {
                reason: "the drill server runs events, and those of the backup would run there".into(),
                remedy: "SET GLOBAL event_scheduler=OFF; on it, or let the drill start a server of its own"
                    .into(),
            });
        }
        let database = format!("{PREFIX}{}", unique());
        let lock = Lock::take(server, &database, cancel)?;
        Ok(Self { server: server.clone(), database, cancel: cancel.clone(), _lock: lock })
    }

    /// Sees to it that views and programs can run as who they say: makes the accounts that are missing, locked, and
    /// gives all of them rights on this database alone.
    ///
    /// # Errors
    /// The drill's account may not do that.
    pub(super) fn lend_accounts(
        &self,
        definers: &Accounts,
        facts: &ServerFacts,
        cancel: &Cancel,
    ) -> Result<()> {
        if facts.accounts.is_none() || definers.is_empty() {
            return Ok(());
        }
        let missing = missing(definers, facts);
        // Made first, so that all that follows is found after a kill: its rows name the accounts that are made.
        let ledger = quote_name(&format!("{}{LEDGER}", self.database));
        let mut sql = format!(
            "CREATE DATABASE {ledger} COMMENT '{COMMENT}';\n\
             CREATE TABLE {ledger}.accounts (user VARCHAR(255) NOT NULL, host VARCHAR(255) NOT NULL) \
             CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;\n"
        );
        for (user, host) in &missing {
            let (user, host) = (quote_text(user), quote_text(host));
            sql += &format!("INSERT INTO {ledger}.accounts VALUES ({user}, {host});\n");
        }
        sql.extend(missing.iter().map(|definer| creation(definer, facts)));
        let rights = quote_name(&pattern(&self.database));
        sql.extend(
            definers.iter().map(|definer| format!("GRANT ALL ON {rights}.* TO {};\n", name_of(definer))),
        );
        let doing = "lending accounts to views and programs";
        self.server.query(None, Sql::Write(&sql), doing, cancel).map(drop)
    }
}

impl Drop for Scratch {
    /// A signal does not stop this at once: it is what the signal's sender expects.
    fn drop(&mut self) {
        if let Err(error) = remove(&self.server, &self.database, &self.cancel.with_grace()) {
            log::warn!(code = crate::notice::LEFT_BEHIND.code; "{} is left on the drill server, the next drill tries again: {error}", self.database);
        }
    }
}

/// Removes what killed drills have left.
fn sweep(server: &ServerClient, cancel: &Cancel) -> Result<()> {
    let sql = format!(
        "SELECT SCHEMA_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_COMMENT = {} AND SCHEMA_NAME LIKE '{}%';\n",
        quote_text(COMMENT),
        pattern(PREFIX)
    );
    let mut left: Vec<String> = server
        .query(None, Sql::Read(&sql), "looking for what killed drills have left", cancel)?
        .into_iter()
        .flatten()
        .map(|name| name.strip_suffix(LEDGER).map(ToOwned::to_owned).unwrap_or(name))
        .collect();
    left.sort();
    left.dedup();
    for database in left {
        if is_yes(&server.query(None, Sql::Read(&is_used(&database)), "looking for a drill", cancel)?) {
            continue;
        }
        log::warn!(code = crate::notice::REMOVED_LEFTOVER.code; "dropping {database} on the drill server, which a drill left behind that was killed");
        remove(server, &database, cancel)?;
    }
    Ok(())
}

/// Removes a drill's database and accounts, and takes back the rights that it gave.
fn remove(server: &ServerClient, database: &str, cancel: &Cancel) -> Result<()> {
    let ledger = format!("{database}{LEDGER}");
    let doing = "removing what the drill has made";
    let ours = |name: &str| {
        format!(
            "SELECT 1 FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = {} AND SCHEMA_COMMENT = {};\n",
            quote_text(name),
            quote_text(COMMENT)
        )
    };
    let mut sql = "SET SESSION lock_wait_timeout=60;\n".to_owned();
    if is_yes(&server.query(None, Sql::Read(&ours(&ledger)), doing, cancel)?) {
        // An account that has been unlocked meanwhile is somebody's.
        let made = format!(
            "SELECT made.user, made.host FROM {}.accounts made JOIN mysql.global_priv account \
             ON account.User = made.user AND account.Host = made.host \
             WHERE made.host = '' OR JSON_VALUE(account.Priv, '$.account_locked') = 1;\n",
            quote_name(&ledger)
        );
        let made =
            accounts(server.query(None, Sql::Read(&made), doing, cancel).or_else(|error| match &error {
                // It was killed before it had written anything down.
                error if error.number() == Some(NO_SUCH_TABLE) => Ok(Vec::new()),
                _ => Err(error),
            })?);
        sql.extend(made.iter().map(removal));
        sql += "FLUSH PRIVILEGES;\n";
        server.query(None, Sql::Write(&sql), doing, cancel)?;
        sql.clear();
    }
    let lent = format!("SELECT User, Host FROM mysql.db WHERE Db = {};\n", quote_text(&pattern(database)));
    let lent = match server.query(None, Sql::Read(&lent), doing, cancel) {
        Ok(rows) => accounts(rows),
        // An account that may not look there has lent nothing.
        Err(error) if error.refusal().is_some() => Vec::new(),
        Err(error) => return Err(error),
    };
    let rights = quote_name(&pattern(database));
    sql.extend(
        lent.iter().map(|lent| format!("REVOKE ALL PRIVILEGES ON {rights}.* FROM {};\n", name_of(lent))),
    );
    for name in [database, &ledger] {
        if is_yes(&server.query(None, Sql::Read(&ours(name)), doing, cancel)?) {
            sql += &format!("DROP DATABASE IF EXISTS {};\n", quote_name(name));
        }
    }
    server.query(None, Sql::Write(&sql), doing, cancel).map(drop)
}

/// "Table doesn't exist".
const NO_SUCH_TABLE: u16 = 1146;

/// A lock of the server's that lasts as long as this process: it tells a drill that lives from one that was killed.
struct Lock {
    name: String,
    _connection: Connection,
}

impl Lock {
    fn take(server: &ServerClient, name: &str, cancel: &Cancel) -> Result<Self> {
        let doing = "taking a lock";
        let mut connection = server.connect(Role::Control, None, doing, cancel)?;
        connection.execute(&format!("DO GET_LOCK('{name}', 0)"), doing)?;
        // A signal ends the drill, and what it has made is removed under its lock.
        connection.outlast_signals();
        if is_yes(&server.query(None, Sql::Read(&is_used(name)), "looking for a lock", cancel)?) {
            return Ok(Self { name: name.into(), _connection: connection });
        }
        Err(Error::NoDrill {
            reason: "the drill server does not keep a lock".into(),
            remedy: "connect to it directly, not through a proxy".into(),
        })
    }
}

fn is_used(lock: &str) -> String {
    format!("SELECT IS_USED_LOCK('{lock}') IS NOT NULL;\n")
}

/// Whether the answer is 1.
fn is_yes(rows: &[Vec<String>]) -> bool {
    rows.iter().flatten().next().is_some_and(|answer| answer == "1")
}

fn accounts(rows: Vec<Vec<String>>) -> Vec<(String, String)> {
    rows.into_iter().filter_map(|row| Some((row.first()?.clone(), row.get(1)?.clone()))).collect()
}

/// A part of a name that no other drill has.
fn unique() -> String {
    format!("{}_{}", now().format("%Y%m%d_%H%M%S"), std::process::id())
}

/// A name as `GRANT` and `LIKE` read it: an underscore would stand for any character.
fn pattern(name: &str) -> String {
    name.replace('_', "\\_")
}
