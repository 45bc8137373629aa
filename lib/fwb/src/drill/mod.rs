//! The restore drill: a backup is proved in full, then restored into a server that nobody needs, and what came of it
//! is held against the manifest. What can be restored is known only of what was restored.
//!
//! What fails is told apart with care. A backup that does not restore, or comes out different, has failed, and that
//! is recorded. A server that cannot be started, lacks space or goes away says nothing of the backup: that is an
//! error, and nothing is recorded; it is never a pass.

mod accounts;
mod home;
mod load;
mod scratch;
mod throwaway;
mod time_zones;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use crate::admission::Survey;
use crate::error::{Error, Result};
use crate::load::Input;
use crate::manifest::{Level, Manifest, Server, Verification};
use crate::progress::{Context, seconds_since};
use crate::restore::{Gravity, compare, preflight, ungrounded};
use crate::server::{Connector, ServerClient, ServerFacts, ServerOptions, Sql, charset_clause, quote_name};
use crate::store::Store;
use crate::verify::{self, Findings, Record, Verified, conclude, prove};
use scratch::Scratch;
use throwaway::{Programs, Throwaway};
use time_zones::TimeZones;

/// Where drills are made.
#[derive(Debug, Clone, Default)]
pub struct DrillOptions {
    /// Where the data of a throwaway server go; by default the system's directory for temporary files.
    pub dir: Option<PathBuf>,
    /// An option file with a `[client]` section: the server to drill on, instead of a throwaway one.
    pub server: Option<PathBuf>,
    /// How the live server is reached, on which no drill is made.
    pub live: ServerOptions,
}

/// Makes drills.
#[derive(Debug)]
pub struct Drill {
    ground: Ground,
    connector: Arc<dyn Connector>,
}

/// What drills are made on.
#[derive(Debug)]
enum Ground {
    /// A server of its own for each.
    Own { programs: Programs, dir: PathBuf },
    /// A database of its own for each, on this server.
    Named(ServerClient),
}

/// Where one backup is restored; it is removed when this is dropped.
enum Place {
    Own(Throwaway),
    Named(Scratch),
}

/// How a drill went.
#[derive(Default)]
struct Drilled {
    problems: Vec<String>,
    notes: Vec<String>,
    restore_seconds: Option<f64>,
}

impl Drill {
    /// Looks whether drills can be made, and removes what killed ones have left.
    ///
    /// # Errors
    /// The server's programs are not installed; or the server named cannot be reached, is not fit for it, or is the
    /// live one.
    pub fn prepare(options: &DrillOptions, connector: Arc<dyn Connector>, context: &Context) -> Result<Self> {
        let ground = match &options.server {
            Some(file) => Ground::Named(scratch::server(file, &options.live, &*connector, &context.cancel)?),
            None => {
                let programs = Programs::find(&context.cancel)?;
                let dir = options.dir.clone().unwrap_or_else(std::env::temp_dir);
                throwaway::sweep(&dir);
                Ground::Own { programs, dir }
            }
        };
        Ok(Self { ground, connector })
    }

    /// Proves the backup `name` in full, restores it, compares, and records the outcome. A backup that does not pass
    /// the proof is not restored, and its outcome is one of [`Level::Full`].
    ///
    /// # Errors
    /// There is no such backup, or it cannot be read or restored for reasons that say nothing about it. Nothing is
    /// recorded then.
    pub fn run(&self, store: &Store, name: &str, record: Record, context: &Context) -> Result<Verified> {
        let begun = Instant::now();
        let entry = store.entry(name)?;
        context.progress.begin(format!("verifying {name}"), entry.manifest.size);
        let mut survey = Survey::new(name, entry.manifest.database.as_deref());
        let mut zones = TimeZones::default();
        let Findings { manifest, problems, .. } =
            prove(store, &entry, Level::Full, context, &mut |statement| {
                zones.observe(statement);
                survey.observe_all(statement);
                Ok(())
            })?;
        context.cancel.check()?;
        let refused = survey.take_refusal(manifest.database.as_deref());
        let restorable = refused.is_some().then_some(false);
        let mut outcome = Verification::new(Level::Full, problems);
        if outcome.ok {
            let mut input = Input::proved(store, manifest.clone(), survey)?;
            let (server, drilled) = match refused {
                Some(error) => (None, Drilled { problems: vec![problem(error)?], ..Drilled::default() }),
                None => self.restore(&mut input, &zones, context)?,
            };
            outcome = Verification {
                restorable,
                notes: drilled.notes,
                restore_seconds: drilled.restore_seconds,
                server,
                ..Verification::new(Level::Drill, drilled.problems)
            };
        }
        outcome.seconds = seconds_since(begun);
        conclude(store, &entry, manifest, outcome, record, context)
    }

    fn restore(
        &self,
        input: &mut Input,
        zones: &TimeZones,
        context: &Context,
    ) -> Result<(Option<Server>, Drilled)> {
        if let Err(error @ Error::Outside { .. }) = input.refuse_outside() {
            return Err(Error::NoDrill {
                reason: error.to_string(),
                remedy:
                    "fwb-restore --allow-outside --database NAME tries it on a server that reaches the same"
                        .into(),
            });
        }
        let place = self.place(input, context)?;
        zones.load(&place, &context.cancel)?;
        let facts = place.server().server_facts(place.database(), &context.cancel)?;
        input.last_timestamp = facts.last_timestamp;
        let mut drilled = Drilled::default();
        let lacking = ungrounded(place.server(), input, &context.cancel)?;
        drilled.notes.extend(lacking.iter().map(|(view, lacks)| {
            format!("view {view} was not tried: it needs {lacks}, which is of another database")
        }));
        input.leave_out(lacking.into_keys());
        match place.rehearse(input, &facts, &mut drilled, context) {
            Ok(()) => {}
            Err(error) => {
                context.cancel.check()?;
                drilled.problems.push(problem(error).map_err(|error| place.explain(error))?);
            }
        }
        for note in &drilled.notes {
            log::warn!(code = crate::notice::DRILL.code; "{}: {note}", input.manifest.name);
        }
        let version = facts.version;
        Ok((Some(Server::of_version(version)), drilled))
    }

    fn place(&self, input: &Input, context: &Context) -> Result<Place> {
        match &self.ground {
            Ground::Own { programs, dir } => {
                Throwaway::start(programs, dir, &input.manifest, &*self.connector, context).map(Place::Own)
            }
            Ground::Named(server) => Scratch::make(server, input, &context.cancel).map(Place::Named),
        }
    }
}

impl Place {
    fn server(&self) -> &ServerClient {
        match self {
            Self::Own(throwaway) => &throwaway.server,
            Self::Named(scratch) => &scratch.server,
        }
    }

    fn database(&self) -> &str {
        match self {
            Self::Own(throwaway) => &throwaway.database,
            Self::Named(scratch) => &scratch.database,
        }
    }

    /// The restore, and the comparison of what came of it. Problems that do not end it are noted in `drilled`.
    ///
    /// # Errors
    /// What fails in it, of whatever kind.
    fn rehearse(
        &self,
        input: &Input,
        facts: &ServerFacts,
        drilled: &mut Drilled,
        context: &Context,
    ) -> Result<()> {
        let (server, database) = (self.server(), self.database());
        match self {
            Self::Own(throwaway) => {
                accounts::make_all(throwaway, &input.survey.definers, facts, &context.cancel)?;
            }
            Self::Named(scratch) => {
                scratch.lend_accounts(&input.survey.definers, facts, &context.cancel)?;
            }
        }
        let (manifest, survey) = (&input.manifest, &input.survey);
        let (_, findings) = preflight::look(server, manifest, survey, database, &context.cancel)?;
        for finding in findings {
            match (finding.gravity, self) {
                (Gravity::Warning, _) => drilled.notes.push(finding.message),
                (Gravity::Refusal, Self::Own(_)) => drilled.problems.push(finding.message),
                (Gravity::Refusal, Self::Named(_)) => {
                    return Err(Error::NoDrill { reason: finding.message, remedy: finding.remedy });
                }
            }
        }
        if !drilled.problems.is_empty() {
            return Ok(());
        }
        let begun = Instant::now();
        self.create_database(&input.manifest, context)?;
        load::load(input, server, &facts.version, database, context)?;
        drilled.restore_seconds = Some(seconds_since(begun));
        let compared = compare(server, database, input, context)?;
        drilled.problems.extend(compared.problems);
        drilled.notes.extend(compared.notes);
        Ok(())
    }

    fn create_database(&self, manifest: &Manifest, context: &Context) -> Result<()> {
        let clause = charset_clause(manifest.charset.as_deref(), manifest.collation.as_deref());
        let mut sql = format!("CREATE DATABASE {}{clause}", quote_name(self.database()));
        if let Self::Named(_) = self {
            sql += &format!(" COMMENT '{}'", scratch::COMMENT);
        }
        self.server()
            .query(None, Sql::Write(&format!("{sql};\n")), "creating the database", &context.cancel)
            .map(drop)
    }

    /// What an error really is: the throwaway server's own, where that has ended.
    fn explain(&self, error: Error) -> Error {
        match self {
            Self::Own(throwaway) => throwaway.death().unwrap_or(error),
            Self::Named(_) => error,
        }
    }
}

/// The problem of the backup that an error shows.
///
/// # Errors
/// The error, where it says nothing of the backup.
fn problem(error: Error) -> Result<String> {
    match error {
        // How InnoDB tells of a duplicate while it fills an empty table in bulk (tried on MariaDB 10.11).
        Error::Server { doing, error } if error.message.contains(IN_BULK) => {
            Ok(format!("{doing} failed: {error} (rows with the same key, most likely)"))
        }
        Error::Server { doing, error } if is_verdict(error.number) => Ok(format!("{doing} failed: {error}")),
        refused @ Error::Inadmissible { .. } => Ok(verify::refusal(refused)),
        Error::Differs { difference, .. } => Ok(format!("the restored database differs: {difference}")),
        Error::Damaged { problem, .. } => Ok(problem),
        other => Err(other),
    }
}

/// Error 1180 at the end of a transaction, which names no row.
const IN_BULK: &str = "Got error 1 \"Operation not permitted\" during COMMIT";

/// Whether the server has judged a statement. These numbers (MariaDB's manual, "MariaDB Error Codes") tell of the server:
/// connections, privileges, space and memory, locks, a shutdown, settings.
fn is_verdict(number: u16) -> bool {
    const OF_THE_SERVER: [u16; 34] = [
        1021, 1030, 1037, 1038, 1040, 1041, 1044, 1045, 1053, 1114, 1129, 1130, 1135, 1142, 1180, 1203, 1205,
        1206, 1213, 1226, 1227, 1290, 1317, 1370, 1396, 1410, 1418, 1419, 1698, 1836, 1927, 1969, 3024, 4151,
    ];
    !OF_THE_SERVER.contains(&number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_says_nothing_of_the_backup_is_no_verdict() {
        assert!([1062, 4025, 1136, 1356].into_iter().all(is_verdict));
        assert!(![1021, 1114, 1205, 1227].into_iter().any(is_verdict));
    }
}
