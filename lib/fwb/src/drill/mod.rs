//! The restore drill: a backup is proved in full, then restored into a server that nobody needs, and what came of it
//! is held against the manifest. What can be restored is known only of what was restored.
//!
//! A drill is proved, failed, or not held. A backup that does not restore, or comes out different, has failed, and that
//! is recorded. Where no server is here that is like the backup's, the drill is not held: that is recorded beside the backup's
//! proof, and takes nothing away. A server that cannot be started, lacks space or goes away says nothing at all: that is an
//! error, and nothing is recorded. Only the first is a pass.

mod accounts;
mod beside;
mod furnished;
mod home;
mod likeness;
mod load;
mod not_held;
mod scratch;
mod servers;
mod throwaway;
mod time_zones;
mod tzif;
mod unpacked;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use crate::admission::Survey;
use crate::error::{Error, Result};
use crate::load::OpenBackup;
use crate::manifest::{Kind, Level, Manifest, Server, Verification};
use crate::progress::{Cancel, Context, seconds_since};
use crate::restore::{Gravity, beyond, compare, over_excluded, preflight, ungrounded};
use crate::server::{
    Connector, ServerClient, ServerFacts, ServerOptions, ServerVersion, Sql, charset_clause, quote_name,
};
use crate::store::Store;
use crate::verify::{self, Findings, Recording, Verified, conclude, prove};
pub(crate) use furnished::{Furnished, Workshop};
use not_held::{NotHeld, Verdict, Versions, judge};
use scratch::Scratch;
use servers::{Servers, is_fit};
use throwaway::Throwaway;
pub(crate) use throwaway::space;

/// Where drills are made.
#[derive(Debug, Clone, Default)]
pub struct DrillOptions {
    /// Where the data of a throwaway server go; by default the system's directory for temporary files.
    pub dir: Option<PathBuf>,
    /// Directories that hold servers. They come before the one that is installed.
    pub servers: Vec<PathBuf>,
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
    Own { servers: Servers, dir: PathBuf },
    /// A database of its own for each, on this server.
    Named(ServerClient),
}

/// Where one backup is restored; it is removed when this is dropped.
enum DrillServer {
    Own(Throwaway),
    Named(Scratch),
}

/// How a drill went.
#[derive(Default)]
struct Drilled {
    /// The server; none where no statement was tried.
    server: Option<Server>,
    problems: Vec<String>,
    notes: Vec<String>,
    restore_seconds: Option<f64>,
}

/// Whether a drill was held.
enum Held {
    Yes(Drilled),
    No(NotHeld),
}

impl From<NotHeld> for Held {
    fn from(not_held: NotHeld) -> Self {
        Self::No(not_held)
    }
}

impl Drill {
    /// Looks whether drills can be made, and removes what killed ones have left.
    ///
    /// # Errors
    /// No server is installed, or a directory named holds none; or the server named cannot be reached, is not fit for it, or
    /// is the live one.
    pub fn prepare(options: &DrillOptions, connector: Arc<dyn Connector>, context: &Context) -> Result<Self> {
        let ground = match &options.server {
            Some(file) => Ground::Named(scratch::server(file, &options.live, &*connector, &context.cancel)?),
            None => {
                let servers = Servers::find(&options.servers, &context.cancel)?;
                let dir = options.dir.clone().unwrap_or_else(std::env::temp_dir);
                throwaway::sweep(&dir);
                Ground::Own { servers, dir }
            }
        };
        Ok(Self { ground, connector })
    }

    /// Proves the backup `name` in full, restores it, compares, and records the outcome. A backup that does not pass
    /// the proof is not restored, and its outcome is one of [`Level::Full`]; so is that of a drill that is not held.
    ///
    /// # Errors
    /// There is no such backup, or it cannot be read or restored for reasons that say nothing about it. Nothing is
    /// recorded then.
    pub fn run(&self, store: &Store, name: &str, record: Recording, context: &Context) -> Result<Verified> {
        let begun = Instant::now();
        let entry = store.entry(name)?;
        if entry.manifest.kind == Kind::Accounts {
            log::info!("{name} holds accounts, of which no drill is held: it is proved in full");
            return verify::verify(store, name, Level::Full, record, context);
        }
        context.progress.begin(format!("verifying {name}"), entry.manifest.size);
        let artifact = store.artifact_if_there(name)?;
        let mut survey = Survey::new(name, entry.manifest.database.as_deref());
        let Findings { manifest, problems, .. } =
            prove(artifact.as_ref(), &entry, Level::Full, context, &mut |statement| {
                survey.observe_all(statement);
                Ok(())
            })?;
        context.cancel.check()?;
        let refused = survey.take_refusal(manifest.database.as_deref());
        let restorable = refused.is_some().then_some(false);
        let mut outcome = Verification::new(Level::Full, problems);
        let mut not_drilled = None;
        if outcome.ok {
            let held = match refused {
                Some(error) => {
                    Held::Yes(Drilled { problems: vec![verify::refusal(error)], ..Drilled::default() })
                }
                None => {
                    let mut input = OpenBackup::proved(store, manifest.clone(), survey)?;
                    self.restore(store, &mut input, context)?
                }
            };
            match held {
                Held::Yes(Drilled { server, problems, notes, restore_seconds }) => {
                    outcome = Verification {
                        restorable,
                        notes,
                        restore_seconds,
                        server,
                        ..Verification::new(Level::Drill, problems)
                    };
                }
                Held::No(not_held) => not_drilled = Some(not_held.record()),
            }
        }
        outcome.seconds = seconds_since(begun);
        conclude(store, &entry, manifest, (outcome, not_drilled), record, context)
    }

    fn restore(&self, store: &Store, input: &mut OpenBackup, context: &Context) -> Result<Held> {
        let cancel = &context.cancel;
        if let Err(error @ Error::Outside { .. }) = input.refuse_outside() {
            let remedy =
                "fwb-restore --allow-outside --database NAME tries it on a server that reaches the same";
            return Ok(NotHeld::new(error.to_string(), remedy).into());
        }
        let here = match self.server(input, context)? {
            Ok(here) => here,
            Err(not_held) => return Ok(not_held.into()),
        };
        let (facts, notes) = here.suit(input, cancel).map_err(|error| here.explain(error))?;
        let mut drilled = Drilled { notes, ..Drilled::default() };
        if let Some(not_held) = unlike(&facts, input) {
            return Ok(not_held.into());
        }
        input.suit(&facts);
        if let DrillServer::Own(throwaway) = &here {
            let made = beside::make(throwaway, store, input, context);
            drilled.notes.extend(made.map_err(|error| here.explain(error))?);
        }
        let beyond = beyond(input);
        drilled.notes.extend(beyond.iter().map(|(view, lacks)| {
            format!("view {view} was not tried: it needs {lacks}, and the backup holds chosen tables alone")
        }));
        input.leave_out(beyond.into_keys());
        let (excluded, _) = input.excluded();
        let over = over_excluded(input, &excluded);
        drilled.notes.extend(over.iter().map(|(view, lacks)| {
            format!("view {view} was not tried: it needs {lacks}, which the backup leaves out")
        }));
        input.leave_out(over.into_keys());
        let lacking = ungrounded(here.server(), input, cancel)?;
        drilled.notes.extend(lacking.iter().map(|(view, lacks)| {
            format!("view {view} was not tried: it needs {lacks}, which is of another database")
        }));
        input.leave_out(lacking.into_keys());
        match here.rehearse(input, &facts, &mut drilled, context) {
            Ok(None) => {}
            Ok(Some(not_held)) => return Ok(not_held.into()),
            // A table may need a sequence or a function that was not chosen: that is no fault of the backup.
            Err(error)
                if input.is_partial()
                    && error.number().is_some_and(|number| IS_NOT_THERE.contains(&number)) =>
            {
                cancel.check()?;
                let reason = format!("the backup holds chosen tables alone, and they need more: {error}");
                return Ok(NotHeld::new(
                    reason,
                    "choose that too (--tables), or drill a backup of the whole database",
                )
                .into());
            }
            Err(error) => {
                cancel.check()?;
                let (source, drill) = (input.manifest.source(), ServerVersion::parse(&facts.version));
                let versions = Versions { source: source.as_ref(), drill: &drill };
                match judge(error, versions).map_err(|error| here.explain(error))? {
                    Verdict::Failed(problem) => drilled.problems.push(problem),
                    Verdict::NotHeld(not_held) => return Ok(not_held.into()),
                }
            }
        }
        for note in &drilled.notes {
            log::warn!(code = crate::notice::DRILL.code; "{}: {note}", input.manifest.name);
        }
        drilled.server = Some(Server::of_version(facts.version));
        Ok(Held::Yes(drilled))
    }

    /// Where the backup is restored. The inner error: no server is here for it.
    fn server(&self, input: &OpenBackup, context: &Context) -> Result<Result<DrillServer, NotHeld>> {
        match &self.ground {
            Ground::Own { servers, dir } => {
                let installed = match servers.choose(&input.manifest) {
                    Ok(installed) => installed,
                    Err(not_held) => return Ok(Err(not_held)),
                };
                let (manifest, connector) = (&input.manifest, &*self.connector);
                Throwaway::start(installed, dir, manifest, &[], connector, context)
                    .map(DrillServer::Own)
                    .map(Ok)
            }
            Ground::Named(server) => {
                Scratch::make(server, input, &context.cancel).map(DrillServer::Named).map(Ok)
            }
        }
    }
}

/// What a server says where a table, a sequence or a function is not there (MariaDB's manual, "MariaDB Error Codes").
const IS_NOT_THERE: [u16; 4] = [1146, 1305, 1356, 4091];

/// Why a backup cannot be drilled on this server: it is not like the backup's own.
fn unlike(facts: &ServerFacts, input: &OpenBackup) -> Option<NotHeld> {
    let (source, version) = (input.manifest.source(), ServerVersion::parse(&facts.version));
    if let Some(source) = source.filter(|source| !is_fit(&version, Some(source))) {
        return Some(NotHeld::on_other_server(&source, &version));
    }
    let case = input.manifest.server.as_ref().and_then(|server| server.lower_case_table_names);
    if case.is_some_and(|case| (case == 1) != facts.keeps_lower_case) {
        let reason = "the server of the drill compares names of tables in another way than the backup's";
        return Some(NotHeld::new(reason, "name one with the same lower_case_table_names"));
    }
    let engines = &input.survey.engines;
    let lacking: Vec<&str> = engines.difference(&facts.engines).map(String::as_str).collect();
    (!lacking.is_empty() && !facts.engines.is_empty()).then(|| {
        let called = servers::called(&version);
        NotHeld::new(
            format!("the server of the drill, {called}, lacks the storage engine {}", lacking.join(", ")),
            "install the package that has its plugin, or name a server that has it: --drill-server-dir, --drill-server",
        )
    })
}

impl DrillServer {
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

    /// Makes a throwaway server like the backup's, as far as it can be. Returns what the server is then, and what it did not take.
    ///
    /// # Errors
    /// The server cannot be asked, or a signal arrived.
    fn suit(&self, input: &OpenBackup, cancel: &Cancel) -> Result<(ServerFacts, Vec<String>)> {
        match self {
            Self::Own(throwaway) => Self::suit_own(throwaway, input, cancel),
            Self::Named(scratch) => Ok((scratch.server.server_facts(&scratch.database, cancel)?, Vec::new())),
        }
    }

    fn suit_own(
        throwaway: &Throwaway,
        input: &OpenBackup,
        cancel: &Cancel,
    ) -> Result<(ServerFacts, Vec<String>)> {
        let mut facts = throwaway.server.server_facts(&throwaway.database, cancel)?;
        time_zones::load(&input.survey.time_zones, throwaway, cancel)?;
        let notes = likeness::settle(throwaway, &input.manifest, cancel)?;
        likeness::load_engines(throwaway, &input.survey.engines, &mut facts, cancel)?;
        Ok((facts, notes))
    }

    /// The restore, and the comparison of what came of it. Problems that do not end it are noted in `drilled`. Returns why it
    /// cannot be made on this server.
    ///
    /// # Errors
    /// What fails in it, of whatever kind.
    fn rehearse(
        &self,
        input: &OpenBackup,
        facts: &ServerFacts,
        drilled: &mut Drilled,
        context: &Context,
    ) -> Result<Option<NotHeld>> {
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
            match finding.gravity {
                Gravity::Warning => drilled.notes.push(finding.message),
                // It says something of the server, not of the backup.
                Gravity::Refusal => return Ok(Some(NotHeld::new(finding.message, finding.remedy))),
            }
        }
        let begun = Instant::now();
        self.create_database(&input.manifest, context)?;
        load::load(input, server, &facts.version, database, context)?;
        drilled.restore_seconds = Some(seconds_since(begun));
        let compared = compare(server, database, input, context)?;
        drilled.problems.extend(compared.problems);
        drilled.notes.extend(compared.notes);
        Ok(None)
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
