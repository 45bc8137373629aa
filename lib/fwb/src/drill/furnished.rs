//! A throwaway server with a backup in it, for whoever goes on from there: a replay.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::accounts::{self, Accounts};
use super::servers::Servers;
use super::throwaway::{self, Throwaway};
use super::{DrillServer, load, time_zones, unlike};
use crate::error::{Error, Result};
use crate::load::OpenBackup;
use crate::progress::{Cancel, Context, seconds_since};
use crate::server::{Connector, ServerClient, ServerFacts, ServerVersion, Sql, charset_clause, quote_name};
use crate::store::Store;

/// Where a throwaway server is made, and of what.
#[derive(Debug)]
pub(crate) struct Workshop {
    /// Directories that hold servers. They come before the one that is installed.
    pub(crate) servers: Vec<PathBuf>,
    /// Where its data go; by default the system's directory for temporary files.
    pub(crate) dir: Option<PathBuf>,
    /// Options of the server beside those that all have.
    pub(crate) options: Vec<String>,
    /// Bytes of disk that it may need beside those for the backup.
    pub(crate) more_space: u64,
}

/// A throwaway server with a backup in it, under the name that its database has.
pub(crate) struct Furnished {
    throwaway: Throwaway,
    facts: ServerFacts,
    /// The accounts that were made.
    lent: Mutex<Accounts>,
    /// How long the load took, in seconds.
    pub(crate) load_seconds: f64,
}

impl Furnished {
    /// Starts a server like the backup's, and loads the backup, which is proved.
    ///
    /// # Errors
    /// [`Error::NoDrill`] where there is no such server or too little room; or the backup does not restore.
    pub(crate) fn make(
        workshop: &Workshop,
        connector: &Arc<dyn Connector>,
        store: &Store,
        input: &mut OpenBackup,
        context: &Context,
    ) -> Result<Self> {
        let cancel = &context.cancel;
        input.refuse_outside()?;
        let servers = Servers::find(&workshop.servers, cancel)?;
        let dir = workshop.dir.clone().unwrap_or_else(std::env::temp_dir);
        throwaway::sweep(&dir);
        let installed = servers.choose(&input.manifest).map_err(Error::from)?;
        throwaway::check_space(&dir, &input.manifest, workshop.more_space)?;
        let mut throwaway =
            Throwaway::start(installed, &dir, &input.manifest, &workshop.options, &**connector, context)?;
        let explain = |throwaway: &Throwaway, error| throwaway.death().unwrap_or(error);
        let made = Self::load(&mut throwaway, store, input, context);
        let (facts, load_seconds) = made.map_err(|error| explain(&throwaway, error))?;
        let lent = Mutex::new(input.survey.definers.clone());
        Ok(Self { throwaway, facts, lent, load_seconds })
    }

    fn load(
        throwaway: &mut Throwaway,
        store: &Store,
        input: &mut OpenBackup,
        context: &Context,
    ) -> Result<(ServerFacts, f64)> {
        let cancel = &context.cancel;
        let (facts, notes) = DrillServer::suit_own(throwaway, input, cancel)?;
        for note in notes {
            log::warn!(code = crate::notice::DRILL.code; "{}: {note}", input.manifest.name);
        }
        if let Some(not_held) = unlike(&facts, input) {
            return Err(not_held.into());
        }
        input.suit(&facts);
        super::beside::make(throwaway, store, input, context)?;
        let lacking = crate::restore::ungrounded(&throwaway.server, input, cancel)?;
        for (view, lacks) in &lacking {
            log::warn!(code = crate::notice::DRILL.code; "view {view} is left out: it needs {lacks}, which is of another database");
        }
        input.leave_out(lacking.into_keys());
        accounts::make_all(throwaway, &input.survey.definers, &facts, cancel)?;
        let begun = Instant::now();
        let (manifest, database) = (&input.manifest, &throwaway.database);
        let clause = charset_clause(manifest.charset.as_deref(), manifest.collation.as_deref());
        let sql = format!("CREATE DATABASE {}{clause};\n", quote_name(database));
        throwaway.server.query(None, Sql::Write(&sql), "creating the database", cancel)?;
        load::load(input, &throwaway.server, &facts.version, database, context)?;
        Ok((facts, seconds_since(begun)))
    }

    /// Access to it, as root.
    pub(crate) fn server(&self) -> &ServerClient {
        &self.throwaway.server
    }

    /// Its version.
    pub(crate) fn version(&self) -> ServerVersion {
        ServerVersion::parse(&self.facts.version)
    }

    /// What the server is.
    pub(crate) fn facts(&self) -> &ServerFacts {
        &self.facts
    }

    /// The database's name.
    pub(crate) fn database(&self) -> &str {
        &self.throwaway.database
    }

    /// A new directory beside its data, for this user alone; it goes with the server.
    ///
    /// # Errors
    /// It cannot be made.
    pub(crate) fn scratch(&self, name: &str) -> Result<PathBuf> {
        let dir = self.throwaway.home().join(name);
        std::fs::create_dir(&dir).map_err(Error::io("create", &dir))?;
        Ok(dir)
    }

    /// Why the server has ended; none while it runs.
    pub(crate) fn death(&self) -> Option<Error> {
        self.throwaway.death()
    }

    /// Makes accounts that it lacks, as a drill does.
    ///
    /// # Errors
    /// The server cannot be reached.
    pub(crate) fn lend_accounts(&self, accounts: &Accounts, cancel: &Cancel) -> Result<()> {
        let mut lent = self.lent.lock().unwrap_or_else(PoisonError::into_inner);
        let new: Accounts = accounts.difference(&lent).cloned().collect();
        accounts::make_all(&self.throwaway, &new, &self.facts, cancel)?;
        lent.extend(new);
        Ok(())
    }

    /// Loads a time zone, where the system has it.
    ///
    /// # Errors
    /// The server cannot be reached.
    pub(crate) fn load_time_zone(&self, zone: &str, cancel: &Cancel) -> Result<()> {
        time_zones::load(&[zone.to_owned()].into(), &self.throwaway, cancel)
    }
}
