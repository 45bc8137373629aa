//! The chain for each server of a fleet file. Each run is a process of its own, this very program with what the file says of the
//! server in its environment: it leaves its record, tells who is to be told, and its failure is its own. Here is who runs when, and
//! what all of them come to.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::Builder;
use std::time::{Duration, Instant};

use clap::ValueHint;
use fwb::{
    Cancel, Error, ErrorClass, Fleet, FleetFailure, FleetNext, FleetQueue, FleetRecord, FleetServer,
    Location, Result, RunOutcome, RunRecord, ServerName, Store,
};
use fwb_cli::{Answers, Outcome, Said, Session};
use fwb_process::{Program, Worked};
use fwb_stores::ObjectStores;

use crate::Args;
use crate::execution::cut;

/// How long a run may take to end once it was asked to: it ends its stage, tells somebody, and writes its record.
const PATIENCE: Duration = Duration::from_secs(50);
/// The index of a pod of an Indexed Job (Kubernetes' "Jobs", "Completion mode").
const COMPLETION_INDEX: &str = "JOB_COMPLETION_INDEX";
/// Variables that name a fleet: one run of it is a run of one server.
const OF_FLEETS: [&str; 6] = [
    "FWB_FLEET",
    "FWB_FLEET_JOBS",
    "FWB_FLEET_PER_HOST",
    "FWB_FLEET_INDEX",
    "FWB_FLEET_PARTS",
    COMPLETION_INDEX,
];
/// Options that would be those of one server. In a fleet, its file says it, or a variable says it of all.
const OF_ONE_SERVER: [&str; 19] = [
    "database",
    "all_databases",
    "exclude_database",
    "exclude_table",
    "exclude_data",
    "databases",
    "store",
    "copy_to",
    "copy_keep_days",
    "deadline",
    "retry_wait",
    "max_age",
    "drill_age",
    "max_lag",
    "full_within",
    "expires_within",
    "notify_file",
    "prove_log",
    "any_moment",
];

/// The group of fleets.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Fleet")]
pub(crate) struct FleetArgs {
    /// Run the chain for each server of this file, a server a line: docs/FLEETS.md
    ///
    /// Each run has a record, notices and an end of its own; one that fails stops no other. --server-id takes one server of the file.
    #[arg(long, value_name = "FILE", env = "FWB_FLEET", value_hint = ValueHint::FilePath)]
    fleet: Option<PathBuf>,

    /// How many runs at once; of the servers of one store, one at a time
    #[arg(long, value_name = "N", env = "FWB_FLEET_JOBS", default_value_t = 4)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=1024))]
    fleet_jobs: u16,

    /// How many of them at one host [default: as many]
    #[arg(long, value_name = "N", env = "FWB_FLEET_PER_HOST")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=1024))]
    fleet_per_host: Option<u16>,

    /// Only this part of the file, from 0; in an Indexed Job, its index is taken by itself [default: all of it]
    #[arg(long, value_name = "N", env = "FWB_FLEET_INDEX")]
    fleet_index: Option<usize>,

    /// Into how many parts the file is divided [default: one for each server]
    #[arg(long, value_name = "N", env = "FWB_FLEET_PARTS")]
    fleet_parts: Option<usize>,
}

/// How the run of a server ended.
struct Ended {
    exit: i32,
    record: Option<RunRecord>,
    /// The last error that it has told.
    error: Option<Said>,
}

/// What the threads share that run servers.
struct Shared<'a> {
    servers: &'a [FleetServer],
    queue: Mutex<FleetQueue>,
    has_ended: Condvar,
    ended: Mutex<Vec<Option<Ended>>>,
    answers: Mutex<Answers>,
    caller: Caller<'a>,
}

/// The run of one server: when it ends, in whatever way, others may have their turn.
struct Turn<'a> {
    shared: &'a Shared<'a>,
    at: usize,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        held(&self.shared.queue).ended(self.at);
        self.shared.has_ended.notify_all();
    }
}

/// How a run is called.
struct Caller<'a> {
    program: String,
    args: Vec<OsString>,
    jobs: OsString,
    session: &'a Session,
}

impl FleetArgs {
    /// The file that is named.
    ///
    /// # Errors
    /// A usage error: options are about a fleet, and none is named.
    pub(crate) fn file(&self, session: &Session) -> Result<Option<&Path>> {
        let alone = session.given(&["fleet_jobs", "fleet_per_host", "fleet_index", "fleet_parts"]);
        match (&self.fleet, alone.first()) {
            (None, Some(option)) => {
                Err(Error::usage(format!("{option} is about a fleet, and no --fleet is named")))
            }
            (file, _) => Ok(file.as_deref()),
        }
    }

    /// Whether this is the whole of the file, or its first part.
    pub(crate) fn is_first_part(&self) -> bool {
        matches!(self.index(), Ok(None | Some(0)))
    }

    /// The servers of the file that are meant.
    ///
    /// # Errors
    /// A usage error: the file is none, has no such part or server, or options stand beside it that are of one server.
    pub(crate) fn read(&self, file: &Path, session: &Session) -> Result<Fleet> {
        if let Some(option) = session.given(&OF_ONE_SERVER).first() {
            return Err(Error::Usage {
                message: format!("{option} is about one server, and --fleet names many"),
                hint: Some(
                    "let the fleet file say it, in a line or after * for all below; or set its variable"
                        .into(),
                ),
            });
        }
        let fleet = Fleet::read(file)?;
        match self.index()? {
            Some(index) => fleet.part(index, self.fleet_parts),
            None => Ok(fleet),
        }
    }

    /// The part that is asked for. A pod of an Indexed Job has its index in its environment.
    fn index(&self) -> Result<Option<usize>> {
        let of_job = std::env::var(COMPLETION_INDEX).ok().filter(|index| !index.is_empty());
        match (self.fleet_index, of_job) {
            (None, Some(index)) => {
                let index =
                    index.parse().map_err(|_| Error::usage(format!("{COMPLETION_INDEX} is no number")))?;
                Ok(Some(index))
            }
            (None, None) if self.fleet_parts.is_some() => Err(Error::Usage {
                message: "--fleet-parts divides the file, and nothing says which part is meant".into(),
                hint: Some("add --fleet-index, or run it in an Indexed Job".into()),
            }),
            (index, _) => Ok(index),
        }
    }
}

/// Runs the chain for each server.
///
/// # Errors
/// A usage error where the fleet has no server of the name that is asked for; standard output cannot be used.
pub(crate) fn run(args: &Args, fleet: Fleet, session: &Session) -> Result<Outcome> {
    let fleet = match only(args, session)? {
        Some(name) => fleet.only(&name)?,
        None => fleet,
    };
    // A name that no run can have is wrong usage of each server's.
    fwb::run_id(&args.chain, fwb::now())?;
    let at_once = usize::from(args.fleet.fleet_jobs).min(fleet.servers().len()).max(1);
    let caller = Caller::new(args, at_once, session);
    if args.dry_run {
        return caller.show(fleet.servers());
    }
    let usual_store = args.store.location()?.resolved().to_string();
    let per_host = args.fleet.fleet_per_host.map_or(at_once, usize::from);
    let file = fleet.file().display().to_string();
    let mut all =
        FleetRecord::begin(&args.chain, &file, fleet.servers().len(), fwb::now_to_the_millisecond());
    let began = Instant::now();
    let shared = Shared {
        servers: fleet.servers(),
        queue: Mutex::new(FleetQueue::new(fleet.servers(), &usual_store, per_host)),
        has_ended: Condvar::new(),
        ended: Mutex::new(fleet.servers().iter().map(|_| None).collect()),
        answers: Mutex::new(session.answers(args.format)?),
        caller,
    };
    shared.tell_progress();
    std::thread::scope(|scope| {
        for _ in 1..at_once {
            // With fewer threads it takes longer.
            if let Err(error) = Builder::new().spawn_scoped(scope, || shared.work()) {
                log::debug!("no thread: {error}");
            }
        }
        shared.work();
    });
    let Shared { ended, answers, .. } = shared;
    sum_up(&mut all, fleet.servers(), ended.into_inner().unwrap_or_else(PoisonError::into_inner));
    all.finished_at = fwb::now_to_the_millisecond().max(all.at);
    all.seconds = fwb::seconds_since(began).max(0.001);
    all.exit = exit_of(&all, &session.context().cancel);
    crate::words::leave(&all, args.termination_log.as_deref());
    let mut answers = answers.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Err(error) = answers.write(&all, |page| fwb_cli::fleet_ran(&all, page)) {
        log::debug!("the record is not printed: {error}");
    }
    Ok(u8::try_from(all.exit).map_or(Outcome::Failed(ErrorClass::Failure), Outcome::Exit))
}

/// The one server that the command line asks for. A variable is not asked: it is the name of one server, and this is about many.
fn only(args: &Args, session: &Session) -> Result<Option<ServerName>> {
    let is_given = !session.given(&["server_id"]).is_empty();
    args.server_id.as_deref().filter(|_| is_given).map(str::parse).transpose()
}

/// What became of each server, in the order of the file.
fn sum_up(all: &mut FleetRecord, servers: &[FleetServer], ended: Vec<Option<Ended>>) {
    for (server, ended) in servers.iter().zip(ended) {
        let name = server.name.to_string();
        match ended {
            None => all.not_begun.push(name),
            Some(Ended { exit: 0, record: Some(run), .. }) if run.outcome == RunOutcome::Ok => all.take(&run),
            Some(ended) => all.take_failure(ended.failure(&name), ended.record.as_ref()),
        }
    }
}

fn exit_of(all: &FleetRecord, cancel: &Cancel) -> i32 {
    match (cancel.check(), all.failures.first()) {
        (Err(Error::Interrupted(signal)), _) if !all.is_ok() => 128 + signal,
        (_, Some(failure)) => failure.exit,
        (_, None) if all.is_ok() => 0,
        (_, None) => 1,
    }
}

impl Ended {
    /// Why it failed: by its record, else by what it has said last.
    fn failure(&self, server: &str) -> FleetFailure {
        // A run that says that it went well and does not end well, or says nothing of itself, has not gone well.
        let exit = if self.exit == 0 { 1 } else { self.exit };
        if let Some(run) = self.record.as_ref().filter(|run| run.reason.is_some()) {
            return FleetFailure::of_run(server, exit, run);
        }
        let silence = match exit {
            killed if killed > 128 => format!("fwb-run was killed by signal {}", killed - 128),
            _ => format!("fwb-run ended with exit code {} and left no record", self.exit),
        };
        let error = self.error.as_ref();
        FleetFailure {
            server: server.into(),
            exit,
            reason: Some(cut(&error.map_or(silence, |error| error.message.clone()))),
            hint: error.and_then(|error| error.hint.as_deref()).map(cut),
            code: error.and_then(|error| error.code.clone()),
            ..FleetFailure::default()
        }
    }

    /// A run that could not be started.
    fn of_error(error: &Error) -> Self {
        let exit = fwb_cli::exit_code(error.class()).into();
        Self { exit, record: None, error: Some(Said::of_error(error)) }
    }
}

/// A lock, whatever has become of a thread that held it.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared<'_> {
    /// Runs one server after the other, until none waits.
    fn work(&self) {
        while let Some(at) = self.next() {
            let _turn = Turn { shared: self, at };
            let server = &self.servers[at];
            let ended = self.caller.run(server);
            self.tell(server, &ended);
            held(&self.ended)[at] = Some(ended);
            self.tell_progress();
        }
    }

    /// The next server, when its turn comes; none once all were begun, or a signal came.
    fn next(&self) -> Option<usize> {
        let mut queue = held(&self.queue);
        loop {
            if self.caller.session.context().cancel.check().is_err() {
                queue.stop();
            }
            match queue.begin() {
                FleetNext::Begin(server) => return Some(server),
                FleetNext::Done => return None,
                // Whoever is at work ends with the signal too, and then this goes on.
                FleetNext::Wait => {
                    queue = self.has_ended.wait(queue).unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }

    /// Hands a server's record on, or says why there is none.
    fn tell(&self, server: &FleetServer, ended: &Ended) {
        let mut answers = held(&self.answers);
        let written = match &ended.record {
            Some(run) => {
                let name = server.name.to_string();
                answers.write(run, |page| fwb_cli::fleet_server_ran(&name, run, page))
            }
            None => answers.sum_up(|page| {
                let failure = ended.failure(&server.name.to_string());
                fwb_cli::fleet_server_failed(&failure, page)
            }),
        };
        if let Err(error) = written {
            log::debug!("a record is not printed: {error}");
        }
    }

    fn tell_progress(&self) {
        let done = held(&self.ended).iter().filter(|ended| ended.is_some()).count();
        let progress = &self.caller.session.context().progress;
        progress.begin(format!("{done} of {} servers done", self.servers.len()), 0);
    }
}

impl<'a> Caller<'a> {
    fn new(args: &Args, at_once: usize, session: &'a Session) -> Self {
        let this = std::env::current_exe().map(|this| this.to_string_lossy().into_owned());
        let mut chain = vec![OsString::from(&args.chain)];
        chain.extend(args.line.iter().map(OsString::from));
        // What this process may take, those who run at once share.
        let jobs = (session.context().jobs / at_once).max(1);
        Self {
            program: this.unwrap_or_else(|_| "fwb-run".into()),
            args: chain,
            jobs: jobs.to_string().into(),
            session,
        }
    }

    /// Runs the chain of one server to its end.
    fn run(&self, server: &FleetServer) -> Ended {
        if let Err(error) = make_store(server, &self.session.context().cancel) {
            self.session.tell(&error);
            return Ended::of_error(&error);
        }
        let program = self.program(server).arg("--format=jsonl").args(verbosity());
        let (worked, error) = self.work(server, &program);
        match worked {
            Ok(worked) => {
                let lines = worked.output.split(|byte| *byte == b'\n');
                let record = lines.filter_map(RunRecord::from_slice).next_back();
                Ended { exit: worked.exit(), record, error }
            }
            Err(error) => {
                self.session.tell(&error);
                Ended::of_error(&error)
            }
        }
    }

    /// Runs a program for a server, and says again what it says. Returns how it ended, and the last error that it has told.
    fn work(&self, server: &FleetServer, program: &Program) -> (Result<Worked>, Option<Said>) {
        let said = Arc::new(Mutex::new(None));
        let (pass_on, heard, name) = (self.session.pass_on(), Arc::clone(&said), server.name.to_string());
        let each_line = move |line: &[u8]| {
            let Some(message) = Said::read(line) else { return };
            let message = Said { server: Some(name.clone()), ..message };
            pass_on("fwb-run", &message);
            if message.level == Some(log::Level::Error) {
                *held(&heard) = Some(message);
            }
        };
        let cancel = &self.session.context().cancel;
        let worked = program.work(Vec::new(), &self.environment(server), cancel, PATIENCE, each_line);
        let error = held(&said).take();
        (worked.map_err(Error::from), error)
    }

    /// Prints the pipeline of each server. What is wrong with one is told, and the others are printed.
    fn show(&self, servers: &[FleetServer]) -> Result<Outcome> {
        let (mut out, mut exit) = (self.session.records()?, 0);
        for server in servers {
            self.session.context().cancel.check()?;
            let worked = self.work(server, &self.program(server).arg("--dry-run")).0?;
            if worked.exit() != 0 {
                exit = if exit == 0 { worked.exit() } else { exit };
                continue;
            }
            out.write_text(&pipeline(server, &String::from_utf8_lossy(&worked.output)))?;
        }
        Ok(u8::try_from(exit).map_or(Outcome::Failed(ErrorClass::Failure), Outcome::Exit))
    }

    fn program(&self, server: &FleetServer) -> Program {
        let names: Vec<&str> = unset(server).collect();
        Program::new(&self.program).args(&self.args).without_variables(&names)
    }

    fn environment(&self, server: &FleetServer) -> Vec<(&'static str, OsString)> {
        let mut environment = vec![
            ("FWB_LOG_FORMAT", "json".into()),
            ("FWB_PROGRESS", "never".into()),
            // The last words are those of all.
            ("FWB_TERMINATION_LOG", "/dev/null".into()),
            ("FWB_JOBS", self.jobs.clone()),
        ];
        environment.extend(server.environment());
        environment
    }
}

/// How much the runs are to say.
fn verbosity() -> &'static [&'static str] {
    match log::max_level() {
        log::LevelFilter::Off | log::LevelFilter::Error => &["--quiet"],
        log::LevelFilter::Warn => &[],
        log::LevelFilter::Info => &["--verbose"],
        _ => &["--verbose", "--verbose"],
    }
}

/// The variables of our own environment that a server's run does not get.
fn unset(server: &FleetServer) -> impl Iterator<Item = &'static str> {
    let is_said: Vec<&str> = server.environment().map(|(name, _)| name).collect();
    let of_file = FleetServer::without().iter().filter(move |name| !is_said.contains(name));
    of_file.copied().chain(OF_FLEETS)
}

/// A server's pipeline with what it finds in its environment, as a shell takes it.
fn pipeline(server: &FleetServer, stages: &str) -> String {
    let quoted = |value: OsString| {
        let value = value.to_string_lossy().into_owned();
        shlex::try_quote(&value).map_or_else(|_| format!("{value:?}"), std::borrow::Cow::into_owned)
    };
    let set: Vec<String> =
        server.environment().map(|(name, value)| format!("{name}={}", quoted(value))).collect();
    let is_here = |name: &&str| std::env::var_os(name).is_some();
    let unset: Vec<&str> = unset(server).filter(is_here).collect();
    let unset = if unset.is_empty() { String::new() } else { format!("unset {}\n", unset.join(" ")) };
    format!(
        "# {}, line {}\n(\n{unset}export {}\n{}\n)\n",
        server.name,
        server.line,
        set.join(" "),
        stages.trim_end()
    )
}

/// Makes the directory of a server that has one of its own, in a directory that is there: a volume that was not mounted is not made.
fn make_store(server: &FleetServer, cancel: &Cancel) -> Result<()> {
    let Some(location @ Location::Directory(_)) = server.store().filter(|_| server.has_own_store()) else {
        return Ok(());
    };
    let parent = location.directory().and_then(Path::parent);
    if parent.is_some_and(|parent| parent.as_os_str().is_empty() || parent.is_dir()) {
        Store::create(&location, &ObjectStores, cancel)?;
    }
    Ok(())
}
