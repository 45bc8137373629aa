//! Several databases in one run, all of one moment.
//!
//! A transaction of one connection shows all databases of a server as they were when it began. So the connections of the run
//! begin once, under one lock where there are several, and read one database after the other. What is dumped last is held
//! first: nobody changes a table between the moment and the reading of it.
//!
//! A database that cannot be dumped does not keep the others from it. Where its failure ends the connections, those that are
//! left are of another moment, and their manifests say so.

use std::collections::BTreeMap;

use super::beside::{Restores, STARTS_OVER, wait_for_restores};
use super::run::{Dump, naming};
use super::snapshot::Begun;
use super::{DumpOptions, publish_made};
use crate::error::{Error, Result};
use crate::manifest::{self, Manifest, Together};
use crate::progress::Context;
use crate::server::{ServerClient, retrying};
use crate::store::{Store, StoreLock, Wait, name_prefix};

/// What is told of each database: what became of it. An error that is returned ends the run.
pub type EachDump<'a> = &'a mut dyn FnMut(&str, Result<Manifest>) -> Result<()>;

/// Dumps several databases into a store, under one lock on it. `options` are those of each, whatever database they name; `each` is
/// told of each as soon as its dump is made, or has failed.
///
/// # Errors
/// What keeps all that are left from being dumped: the store is locked or its lock was lost, the server does not answer, a signal
/// arrived. What was published before stays.
pub fn dump_several(
    store: &Store,
    server: &ServerClient,
    databases: &[String],
    options: &DumpOptions,
    wait: Wait,
    context: &Context,
    each: EachDump<'_>,
) -> Result<()> {
    for database in databases {
        wait_for_restores(server, database, wait, &context.cancel)?;
    }
    let lock = store.lock(wait, &context.cancel)?;
    store.tidy(&lock)?;
    let at = manifest::now_to_the_millisecond();
    let run = Together { run: crate::run::run_id("dump", at)?, moment: 0, databases: databases.len() };
    let mut several =
        Several { store, lock: &lock, server, options, context, run, tries: BTreeMap::new(), because: None };
    let mut left = databases.to_vec();
    while !left.is_empty() {
        several.run.moment += 1;
        left = several.of_one_moment(left, each)?;
    }
    Ok(())
}

struct Several<'a> {
    store: &'a Store,
    lock: &'a StoreLock,
    server: &'a ServerClient,
    options: &'a DumpOptions,
    context: &'a Context,
    run: Together,
    /// How often a database was begun in vain.
    tries: BTreeMap<String, u32>,
    /// Why what is left is of another moment than what was dumped before.
    because: Option<String>,
}

impl Several<'_> {
    /// Dumps databases of one moment. Returns those that are left: they are to be of another one.
    fn of_one_moment(&mut self, databases: Vec<String>, each: EachDump<'_>) -> Result<Vec<String>> {
        let started_at = manifest::now();
        let of_each = |database: String| DumpOptions {
            database,
            prefix: None,
            together: Some(self.run.clone()),
            ..self.options.clone()
        };
        let options: Vec<DumpOptions> = databases.into_iter().map(of_each).collect();
        let mut left = Vec::new();
        let mut dumps = self.begin_each(&options, started_at, each)?;
        // Where a database could not be looked at, nobody knows what a pattern means there.
        if self.run.moment == 1 && dumps.len() == options.len() {
            self.options.exclude.refuse_idle(dumps.iter().map(Dump::excluded))?;
        }
        let Some(mut begun) = self.begin_moment(&mut dumps)? else { return Ok(left) };
        // The one that is read last is held first.
        let mut held = Vec::new();
        let mut queue = dumps.into_iter().enumerate().rev();
        while let Some((number, mut dump)) = queue.next() {
            self.context.progress.begin(format!("opening the tables of {}", dump.database()), 0);
            match dump.hold(&mut begun, number, &self.context.cancel) {
                Ok(()) => held.push((number, dump)),
                Err(error) if error.is_change() || !begun.goes_on(number) => {
                    // Nothing has been written yet, so all of them begin once more.
                    let others = held.into_iter().chain(queue).map(|(_, dump)| dump.database().to_owned());
                    left.extend(others);
                    self.once_more_or(dump.database(), error, &mut left, each)?;
                    left.sort();
                    return Ok(left);
                }
                Err(error) => self.failed(dump.database(), error, each)?,
            }
        }
        while let Some((number, mut dump)) = held.pop() {
            let database = dump.database().to_owned();
            if let Some(why) = &self.because {
                dump.warn(vec![format!(
                    "it is of another moment than the databases that were dumped before it in the same run: {why}"
                )]);
            }
            match self.dump_one(dump, started_at, &mut begun) {
                Ok(manifest) => each(&database, Ok(manifest))?,
                Err(error) => {
                    let goes_on = begun.goes_on(number);
                    let why = error.to_string();
                    self.once_more_or(&database, error, &mut left, each)?;
                    if !goes_on {
                        left.extend(held.iter().rev().map(|(_, dump)| dump.database().to_owned()));
                        self.because = Some(format!("{database} could not be read to its end ({why})"));
                        return Ok(left);
                    }
                    if left.contains(&database) {
                        self.because = Some(format!("{database} had to be read once more ({why})"));
                    }
                }
            }
        }
        Ok(left)
    }

    /// Looks at each database. Those that can be dumped are returned.
    fn begin_each<'o>(
        &self,
        options: &'o [DumpOptions],
        started_at: manifest::Timestamp,
        each: EachDump<'_>,
    ) -> Result<Vec<Dump<'o>>>
    where
        Self: 'o,
    {
        let cancel = &self.context.cancel;
        let mut dumps = Vec::new();
        for options in options {
            self.context.progress.begin(format!("looking at {}", options.database), 0);
            let begun = retrying(self.server.retries(), cancel, || {
                let name = String::new();
                let mut dump =
                    Dump::begin(self.server, options, Restores::Respected, started_at, name, cancel)?;
                dump.lock_tables(cancel)?;
                Ok(dump)
            });
            match begun {
                Ok(dump) => dumps.push(dump),
                Err(error) => self.failed(&options.database, error, each)?,
            }
        }
        Ok(dumps)
    }

    fn begin_moment(&self, dumps: &mut [Dump<'_>]) -> Result<Option<Begun>> {
        retrying(self.server.retries(), &self.context.cancel, || Dump::begin_moment(dumps, self.context))
    }

    fn dump_one(
        &self,
        mut dump: Dump<'_>,
        started_at: manifest::Timestamp,
        begun: &mut Begun,
    ) -> Result<Manifest> {
        self.lock.check()?;
        let (store, options) = (self.store, dump.options());
        let prefix = name_prefix(None, &options.database);
        let taken = store.take_name(&prefix, options.kind, started_at, options.form(), self.lock)?;
        dump.name.clone_from(&taken.name);
        let mut upload = store.begin(&taken, self.lock)?;
        if let Some(retention) = options.retention {
            upload.retain(retention)?;
        }
        let made = dump.write(upload.writer()?, begun, self.context).map_err(naming(&upload.path()))?;
        publish_made(store, upload, made, options.retention, self.lock, self.context)
    }

    /// Puts a database among those that are left where another try may see it whole; else it has failed.
    fn once_more_or(
        &mut self,
        database: &str,
        error: Error,
        left: &mut Vec<String>,
        each: EachDump<'_>,
    ) -> Result<()> {
        let tries = self.tries.entry(database.to_owned()).or_default();
        *tries += 1;
        let passes = error.is_change() || error.is_transient() && self.server.retries() > 0;
        if !passes || *tries > STARTS_OVER {
            return self.failed(database, error, each);
        }
        self.context.cancel.check()?;
        log::warn!(code = crate::notice::TRIES_AGAIN.code; "{error}; {database} is dumped once more");
        left.push(database.to_owned());
        Ok(())
    }

    /// Tells of a database that is not dumped, unless no other can be either.
    fn failed(&self, database: &str, error: Error, each: EachDump<'_>) -> Result<()> {
        self.context.cancel.check()?;
        if matches!(error, Error::LockLost { .. } | Error::Interrupted(_)) {
            return Err(error);
        }
        each(database, Err(error))
    }
}
