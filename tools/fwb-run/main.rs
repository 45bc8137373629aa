//! `fwb-run`: runs a chain of the tools, tries again what passes by itself, and leaves a record however it ends.

#![forbid(unsafe_code)]

mod aftermath;
mod chain;
mod execution;
mod fleet;
mod outcome;
mod telling;
mod words;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use aftermath::Aftermath;
use chain::{Chain, Subject};
use chrono::TimeDelta;
use clap::{Parser, ValueHint};
use execution::{Execution, Failure, Patience};
use fleet::FleetArgs;
use fwb::{DatabaseChoice, Error, ErrorClass, Location, Result, RunKeeper, RunRecord, Scope};
use fwb_cli::{DatabasesArgs, ExcludeArgs, FormatArgs, LimitArgs, Outcome, Session, StoreArgs};
use fwb_stores::ObjectStores;
use telling::Telling;

/// Run a chain of the tools, and leave a record of it
///
/// For a timer, a cluster or a person: the stages one after the other, each reading what the one before has printed.
/// A failure that passes by itself is tried again until the deadline: the server is away, the store is locked, the network
/// fails. However the run ends, a record says how: on standard output, and in the store under runs/.
#[derive(Debug, Parser)]
#[command(name = "fwb-run", version)]
#[command(after_long_help = "Chains:\n  \
    backup       dump, prove, copy where --copy-to is given, and let retention delete\n  \
    drill        restore the newest backup into a throwaway server and compare\n  \
    copy         copy to --copy-to what that store lacks\n  \
    prune        retention alone\n  \
    notify-test  send a test to those who are told\n  \
    NAME LINE    commands of your own, such as 'fwb-dump -B shop | fwb-verify && fwb-ls | fwb-prune'\n\n\
    No shell is involved: a $ is a $. The tools read their settings from the environment: FWB_POD_SELECTOR, FWB_HOST, FWB_KEEP_DAYS and so on. --dry-run \
    prints the pipeline that a chain stands for. The exit status is that of the first stage that failed.\n\n\
    Examples:\n  \
    fwb-run backup --dry-run                     # the pipeline\n  \
    fwb-run backup --copy-to s3://my-backups/shop\n  \
    fwb-run drill\n  \
    fwb-run hourly 'fwb-dump -B shop | fwb-verify'\n  \
    fwb-run backup --fleet /etc/fwb/fleet        # each server of a file")]
struct Args {
    /// backup, drill, copy, prune or notify-test; or a name for a chain of your own
    #[arg(value_name = "CHAIN")]
    chain: String,

    /// The chain of your own: commands with | and && between them
    #[arg(value_name = "LINE")]
    line: Option<String>,

    /// Print the pipeline, run nothing
    #[arg(short = 'n', long)]
    dry_run: bool,

    #[command(flatten)]
    databases: DatabasesArgs,

    #[command(flatten)]
    exclude: ExcludeArgs,

    /// The server's name: the run looks at its backups alone, and deletes no others
    #[arg(long, value_name = "NAME", env = "FWB_SERVER_ID")]
    server_id: Option<String>,

    #[command(flatten)]
    format: FormatArgs,

    #[command(flatten)]
    store: StoreArgs,

    /// With drill: prove the log that fwb-follow ships too, by the backup before the newest
    #[arg(long, env = "FWB_PROVE_LOG", value_parser = clap::builder::FalseyValueParser::new())]
    prove_log: bool,

    /// With drill: restore to a moment of the last day too, at random, by a backup and the log
    #[arg(long, env = "FWB_ANY_MOMENT", value_parser = clap::builder::FalseyValueParser::new())]
    any_moment: bool,

    #[command(flatten)]
    copies: CopyArgs,

    #[command(flatten)]
    retry: RetryArgs,

    #[command(flatten)]
    fleet: FleetArgs,

    #[command(flatten)]
    limits: LimitArgs,

    /// File of those who are told, a URL a line, beside those of the variable `FWB_NOTIFY`: docs/NOTICES.md
    #[arg(long, value_name = "FILE", env = "FWB_NOTIFY_FILE", help_heading = "Notices", value_hint = ValueHint::FilePath)]
    notify_file: Option<PathBuf>,

    /// Where Kubernetes looks for the last words [default: /dev/termination-log, if it is there]
    #[arg(long, value_name = "FILE", env = "FWB_TERMINATION_LOG", help_heading = "Record")]
    termination_log: Option<PathBuf>,
}

/// The group of the second store.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Copies")]
struct CopyArgs {
    /// A second store, to which each backup is copied
    #[arg(long, value_name = "STORE", env = "FWB_COPY_TO")]
    copy_to: Option<OsString>,

    /// Days for which copies are kept [default: no copy is deleted]
    #[arg(long, value_name = "N", env = "FWB_COPY_KEEP_DAYS")]
    copy_keep_days: Option<u32>,
}

/// The group of retries.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Retries")]
struct RetryArgs {
    /// No try begins later than this after the beginning; 0s: none is repeated
    #[arg(long, value_name = "DURATION", env = "FWB_RUN_DEADLINE", default_value = "1h")]
    #[arg(value_parser = fwb_cli::parse_age)]
    deadline: TimeDelta,

    /// Wait before the first retry; it doubles with each, up to two minutes
    #[arg(long, value_name = "DURATION", env = "FWB_RETRY_WAIT", default_value = "15s")]
    #[arg(value_parser = fwb_cli::parse_age)]
    retry_wait: TimeDelta,
}

fn main() -> ExitCode {
    fwb_cli::run(run)
}

fn run(args: Args, session: &Session) -> Result<Outcome> {
    if args.chain == "notify-test" {
        return telling::test(args.notify_file.as_deref(), session);
    }
    check_name(&args)?;
    if let Some(file) = args.fleet.file(session)? {
        return run_fleet(&args, file, session);
    }
    let choice = args.databases.named(session)?;
    if args.dry_run {
        let chain = chain_of(&args, &choice)?;
        session.records()?.write_text(&(chain.to_shell() + "\n"))?;
        return Ok(Outcome::Done);
    }
    let (began, at) = (Instant::now(), fwb::now_to_the_millisecond());
    // What is not the name of any run is wrong usage, and leaves no record.
    let mut record = RunRecord::begin(fwb::run_id(&args.chain, at)?, &args.chain, at);
    record.database = choice.one().map(Into::into);
    record.server.clone_from(&args.server_id);

    let place = named("FWB_STORE", args.store.location());
    record.store = place.as_ref().ok().map(|place| place.resolved().to_string());
    let keeper = place.as_ref().ok().and_then(|place| keep(&record, place));
    let ready = place.and_then(|place| prepare(&args, &choice, place));
    let mut warnings = Vec::new();
    let telling = Telling::begin(&record, args.notify_file.as_deref(), &mut warnings);
    let execution = match &ready {
        Ok(ready) => Execution::of(&ready.chain, args.retry.patience(), &ready.environment(), session),
        Err(error) => {
            session.tell(error);
            Execution { failure: Some(Failure::of_error(error, None)), ..Execution::default() }
        }
    };
    outcome::fill(&mut record, &execution);
    record.finished_at = Some(fwb::now_to_the_millisecond().max(at));
    record.seconds = Some(fwb::seconds_since(began).max(0.001));
    record.warnings.append(&mut warnings);
    let aftermath = match &ready {
        // Whoever has sent a signal waits for the end of this process.
        Ok(ready) if session.context().cancel.check().is_ok() => {
            let limits = args.limits.options(Scope::default());
            Aftermath::of(&mut record, &choice, &ready.place, ready.second.clone(), &limits)
        }
        _ => Aftermath::default(),
    };
    telling.end(&mut record, &execution, aftermath, session);
    Ok(tell(&record, keeper, &args, session))
}

/// Runs the chain for the servers of a fleet file. Where no run could begin, none leaves a record or tells anybody, so this does:
/// the last words and a notice. The pods of a job share one file, so the first alone tells.
fn run_fleet(args: &Args, file: &Path, session: &Session) -> Result<Outcome> {
    let ran = args.fleet.read(file, session).and_then(|fleet| fleet::run(args, fleet, session));
    if let Err(error) = &ran
        && !args.dry_run
        && args.fleet.is_first_part()
    {
        let at = fwb::now_to_the_millisecond();
        let mut record = RunRecord::begin(fwb::run_id(&args.chain, at)?, &args.chain, at);
        let failure = Some(Failure::of_error(error, None));
        let execution = Execution { failure, ..Execution::default() };
        outcome::fill(&mut record, &execution);
        let mut warnings = Vec::new();
        let telling = Telling::begin(&record, args.notify_file.as_deref(), &mut warnings);
        record.warnings.append(&mut warnings);
        telling.end(&mut record, &execution, Aftermath::default(), session);
        words::leave(&record, args.termination_log.as_deref());
    }
    ran
}

/// Writes the record wherever it belongs. That it could not be written is a warning, and does not change how the run has ended.
fn tell(record: &RunRecord, keeper: Option<Result<RunKeeper>>, args: &Args, session: &Session) -> Outcome {
    if let Some(Err(error)) = keeper.map(|keeper| keeper.and_then(|keeper| keeper.finish(record.clone()))) {
        log::warn!(code = error.code().code; "the store has no record of this run: {error}");
    }
    words::leave(record, args.termination_log.as_deref());
    let printed =
        session.answers(args.format).and_then(|mut out| out.write(record, |page| fwb_cli::ran(record, page)));
    if let Err(error) = printed {
        log::debug!("the record is not printed: {error}");
    }
    let exit = record.exit.and_then(|exit| u8::try_from(exit).ok());
    exit.map_or(Outcome::Failed(ErrorClass::Failure), Outcome::Exit)
}

/// What a run needs, once it is known to be there.
struct Ready {
    chain: Chain,
    place: Location,
    second: Option<Location>,
}

impl Ready {
    /// What the stages find in their environment beside ours.
    fn environment(&self) -> Vec<(&'static str, OsString)> {
        vec![("FWB_LOG_FORMAT", "json".into()), ("FWB_STORE", self.place.to_os_string())]
    }
}

/// Looks at what every run needs. `fwb-dump` would make a store that is not there; here that is a volume which was not
/// mounted, and the backups would go with the container.
fn prepare(args: &Args, choice: &DatabaseChoice, place: Location) -> Result<Ready> {
    let chain = chain_of(args, choice)?;
    if let Location::Directory(root) = &place
        && !root.is_dir()
    {
        return Err(Error::Usage {
            message: format!("the store {place} is not there"),
            hint: Some(
                "mount its volume, or make the directory; FWB_STORE or --store names another one".into(),
            ),
        });
    }
    execution::check_programs(&chain)?;
    let second = args.copies.place()?;
    Ok(Ready { chain, place, second })
}

/// The chains that need no line.
const USUAL: [&str; 4] = ["backup", "drill", "copy", "prune"];
/// What else leaves records, by the tools themselves.
const TAKEN: [&str; 2] = ["restore", "undo"];

/// Whether the command line names a chain. A name that was mistyped is nobody's run, and leaves no record.
fn check_name(args: &Args) -> Result<()> {
    let name = args.chain.as_str();
    match (USUAL.contains(&name), &args.line) {
        (true, Some(_)) => {
            Err(Error::usage(format!("{name} is a chain of its own: give yours another name")))
        }
        (false, None) => Err(Error::Usage {
            message: format!("{name} is none of backup, drill, copy, prune and notify-test"),
            hint: Some(format!(
                "a chain of your own has its commands: fwb-run {name} 'fwb-dump -B shop | fwb-verify'"
            )),
        }),
        _ if TAKEN.contains(&name) => {
            Err(Error::usage(format!("{name} is what fwb-restore calls its runs: give yours another name")))
        }
        _ => Ok(()),
    }
}

/// The chain that the command line means.
fn chain_of(args: &Args, choice: &DatabaseChoice) -> Result<Chain> {
    let copy_to = args.copies.place()?;
    let subject = Subject {
        store: args.store.explicit()?.map(|place| place.to_os_string()),
        databases: choice.clone(),
        exclude: args.exclude.exclude(),
        server_id: args.server_id.clone(),
        copy_to: copy_to.as_ref().map(Location::to_os_string),
        copy_dir: copy_to.as_ref().and_then(|place| place.directory().map(Into::into)),
        copy_keep_days: args.copies.copy_keep_days,
        proves_log: args.prove_log,
        reaches_any_moment: args.any_moment,
    };
    let chain = match (args.chain.as_str(), &args.line) {
        ("backup", None) => subject.backup(),
        ("drill", None) => subject.drill(),
        ("copy", None) => subject.copy(),
        ("prune", None) => subject.prune(),
        (name, line) => return Chain::parse(name, line.as_deref().unwrap_or_default()),
    };
    if args.chain == "backup" && choice.wanted.is_empty() {
        return Err(Error::Usage {
            message: "no database is named".into(),
            hint: Some(
                "set FWB_DATABASE, or -B, to the database that is to be backed up; FWB_DATABASES names several"
                    .into(),
            ),
        });
    }
    if args.chain == "copy" && copy_to.is_none() {
        return Err(Error::Usage {
            message: "no second store is named".into(),
            hint: Some("set FWB_COPY_TO, or --copy-to, to the store of the copies".into()),
        });
    }
    Ok(chain)
}

/// An error about a place, with the variable that usually names it.
fn named<T>(variable: &str, parsed: Result<T>) -> Result<T> {
    parsed.map_err(|error| match error {
        Error::Usage { message, hint } => Error::Usage { message: format!("{variable}: {message}"), hint },
        other => other,
    })
}

/// Begins the record in the store, where there is a store.
fn keep(record: &RunRecord, place: &Location) -> Option<Result<RunKeeper>> {
    // A directory that is not there is no store, and the run has said so.
    if place.directory().is_some_and(|root| !root.is_dir()) {
        return None;
    }
    Some(RunKeeper::begin(record, place, &ObjectStores))
}

impl CopyArgs {
    /// The second store.
    fn place(&self) -> Result<Option<Location>> {
        named("FWB_COPY_TO", self.copy_to.as_deref().map(Location::parse).transpose())
    }
}

impl RetryArgs {
    fn patience(&self) -> Patience {
        let duration = |given: TimeDelta| given.to_std().unwrap_or_default();
        Patience { deadline: duration(self.deadline), first_wait: duration(self.retry_wait) }
    }
}
