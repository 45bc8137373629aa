//! `fwb-restore`: restores a backup, or prints its SQL.

#![forbid(unsafe_code)]

mod accounts;
mod all;
mod moment;
mod on_record;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use accounts::AccountsArgs;
use all::AllArgs;
use chrono::TimeDelta;
use clap::builder::NonEmptyStringValueParser;
use clap::{Parser, ValueEnum};
use fwb::{
    Compression, Error, ErrorClass, KeepBefore, Location, Manifest, Report, RestoreOptions, RestoreProof,
    Result, ServerClient, Store, Strategy,
};
use fwb_age::Age;
use fwb_cli::{
    Answers, FormatArgs, IdentityArgs, LockArgs, Outcome, RecipientArgs, ServerArgs, Session, StoreArgs,
};
use fwb_mysql::Protocol;
use fwb_stores::ObjectStores;
use moment::MomentArgs;
use on_record::OnRecord;

/// Restore a backup
///
/// Takes one backup: by name or path, or as exactly one manifest on standard input. It is verified first, what is
/// there is backed up, and the backup is loaded beside it and checked. Then the two change places, and what was there
/// is kept for --undo. When anything fails the database is as it was. Plain .sql, .sql.gz and .sql.zst files that mariadb-dump or
/// mysqldump made are restored too.
#[derive(Debug, Parser)]
#[command(name = "fwb-restore", version)]
#[command(after_long_help = AFTER_HELP)]
struct Args {
    /// Name in the store, or path of an artifact [default: a manifest on standard input]
    #[arg(value_name = "BACKUP", conflicts_with = "file")]
    backup: Option<PathBuf>,

    /// The same as BACKUP
    #[arg(short, long, value_name = "BACKUP")]
    file: Option<PathBuf>,

    /// Restore into this database instead of the one that was dumped
    #[arg(short = 'B', long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    database: Option<String>,

    /// Restore these tables, sequences or views alone
    ///
    /// Everything else in the database stays as it is, and the safety backup holds what they replace alone. A backup that
    /// holds chosen tables alone is always restored so.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    tables: Vec<String>,

    #[command(flatten)]
    moment: MomentArgs,

    #[command(flatten)]
    accounts: AccountsArgs,

    #[command(flatten)]
    all: AllArgs,

    /// How the backup takes the place of what is there [default: swap]
    #[arg(long, value_name = "STRATEGY")]
    strategy: Option<StrategyArg>,

    /// Take the last restore back: what it replaced, and a swap has kept, comes back
    #[arg(long, conflicts_with_all = ["backup", "file", "tables", "strategy", "prove", "prove_tables", "no_safety_backup", "stdout", "drop_before", "keep_before", "older_than", "until", "before", "skip"])]
    undo: bool,

    /// Remove the databases that swaps have kept; after the restore, where there is a backup to restore
    ///
    /// A backup is named, or its manifest comes on standard input. A standard input that is a pipe or a file is read, and
    /// where nothing comes in, nothing is removed. To remove and restore nothing in a script, give it </dev/null.
    #[arg(long, conflicts_with_all = ["stdout", "keep_before"])]
    drop_before: bool,

    /// As --drop-before, but for the newest N
    #[arg(long, value_name = "N", conflicts_with = "stdout")]
    keep_before: Option<usize>,

    /// With --drop-before or --keep-before: only what was kept longer ago than this, such as 7d
    #[arg(long, value_name = "AGE", value_parser = fwb_cli::parse_age, conflicts_with_all = ["undo", "stdout"])]
    older_than: Option<TimeDelta>,

    /// What is held against the backup once it is loaded [default: rows, or digest on a server of another flavor than the backup's, or an older one]
    #[arg(long, value_name = "WHAT")]
    prove: Option<ProofArg>,

    /// When checking, count the rows of these tables alone
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    prove_tables: Vec<String>,

    /// Live tables that are damaged and end the server when they are read: they are not read, and replaced
    #[arg(long, value_name = "NAMES", value_delimiter = ',', conflicts_with_all = ["undo", "stdout"])]
    damaged: Vec<String>,

    /// Make tables as they were that reach outside of their database
    ///
    /// A table of engine FEDERATED, CONNECT, SPIDER or S3, or one that merges tables of another database, is refused
    /// without it: a dump that somebody has made up could read and write with such a table whatever the account may.
    /// A table with DATA DIRECTORY or INDEX DIRECTORY is made in the directory of its database without it.
    #[arg(long, conflicts_with_all = ["undo", "stdout"])]
    allow_outside: bool,

    /// Make no backup of what is there: in place, a failure cannot be rolled back then
    #[arg(long)]
    no_safety_backup: bool,

    /// Print the SQL on standard output; no server is touched
    #[arg(long, conflicts_with_all = ["dry_run", "yes", "prove", "prove_tables", "strategy", "no_safety_backup"])]
    stdout: bool,

    /// Print the plan and what was found, and do nothing
    #[arg(long)]
    dry_run: bool,

    /// Do not ask
    #[arg(short, long)]
    yes: bool,

    #[command(flatten)]
    format: FormatArgs,

    #[command(flatten)]
    identity: IdentityArgs,

    #[command(flatten)]
    recipients: RecipientArgs,

    #[command(flatten)]
    store: StoreArgs,

    #[command(flatten)]
    lock: LockArgs,

    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum StrategyArg {
    /// Load into a shadow database, prove it, and swap the tables; what was there is kept for --undo
    Swap,
    /// Load over the live database; the safety backup is restored on failure
    InPlace,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ProofArg {
    /// The objects, and the number of rows in each table
    Rows,
    /// The contents of all rows too: what was restored is dumped once more, to nowhere
    Digest,
}

impl Args {
    /// Which of the databases are kept that swaps leave behind; none: all of them.
    fn keep_before(&self) -> Result<Option<KeepBefore>> {
        let newest = if self.drop_before { Some(0) } else { self.keep_before };
        if newest.is_none() && self.older_than.is_some() {
            return Err(Error::Usage {
                message: "--older-than says which of the kept databases go, and nothing says that any does"
                    .into(),
                hint: Some("add --drop-before, or --keep-before N".into()),
            });
        }
        Ok(newest.map(|newest| KeepBefore { newest, until_older_than: self.older_than }))
    }
}

/// What closes the help and the manual page.
const AFTER_HELP: &str = "\
Examples:
  fwb-ls -B shop --latest --verified | fwb-restore
  fwb-restore shop_backup_20250725_170206.sql.gz --dry-run
  fwb-restore ./old.sql.gz -B scratch --yes    # into another database
  fwb-ls --latest | fwb-restore --tables files,users
  fwb-ls --latest | fwb-restore --tables files --stdout | mariadb other
  fwb-restore --until '2025-07-25 14:02' -B shop --tables orders
  fwb-restore --accounts --dry-run             # what of the server's accounts is missing
  fwb-restore --accounts=app@%,readers --yes
  fwb-restore --all                            # every database of the server
  fwb-restore --undo -B shop                   # put back what was there
  fwb-restore --drop-before --older-than 7d -B shop --yes < /dev/null";

fn main() -> ExitCode {
    fwb_cli::run(restore)
}

fn restore(args: Args, session: &Session) -> Result<Outcome> {
    if args.all.all {
        return all::restore(&args, session);
    }
    if let Some(choice) = args.accounts.choice()? {
        return accounts::restore(&args, choice, session);
    }
    if args.undo {
        return undo(&args, session);
    }
    if let Some(stop) = args.moment.stop() {
        return moment::restore(&args, stop, session);
    }
    if args.stdout && args.database.is_some() {
        return Err(Error::usage("--stdout touches no server, so it takes no --database"));
    }
    let keep_before = args.keep_before()?;
    let is_named = args.backup.is_some() || args.file.is_some();
    if let (Some(keep), false, false) = (keep_before, is_named, session.stdin_may_bring()) {
        return forget(&args, keep, session);
    }
    let Some((store, name)) = which(&args, keep_before.is_some(), session)? else {
        return Ok(session.short_help());
    };
    let store = Store::open(&store, &ObjectStores, &session.context().cancel)?
        .with_identities(args.identity.identities(&Age, session));
    if args.stdout {
        let mut out = session.stdout()?;
        fwb::extract(&store, &name, &args.tables, &mut out, fwb_cli::WRITE_STDOUT, session.context())?;
        return Ok(Outcome::Done);
    }
    let mut out = session.answers(args.format)?;
    let mut on_record = OnRecord::new("restore", store.location(), Some(&name), args.database.as_deref())?;
    let done = carry_out(&args, &store, name, (&mut on_record, &mut out), session);
    if args.dry_run {
        return done.map(|_| Outcome::Done);
    }
    // What was restored is on record before it is told: whoever reads may have gone.
    tell(on_record.end(done)?, &mut out)
}

/// Tells what was restored.
fn tell(report: Option<Report>, out: &mut Answers) -> Result<Outcome> {
    match report {
        Some(report) => out.write(&report, |page| fwb_cli::restored(&report, page)).map(|()| Outcome::Done),
        None => Ok(Outcome::Failed(ErrorClass::Failure)),
    }
}

/// Restores a backup, once it is known which; none where that was not meant, or only the plan is asked for.
fn carry_out(
    args: &Args,
    store: &Store,
    name: String,
    (on_record, out): (&mut OnRecord, &mut Answers),
    session: &Session,
) -> Result<Option<Report>> {
    let server = ServerClient::new(&args.server.to_domain()?, &Protocol)?;
    let options = options_of(args, name, session)?;
    let prepared = fwb::prepare(store, &server, options, session.context())?;
    if args.dry_run {
        out.write(prepared.plan(), |page| fwb_cli::planned(prepared.plan(), page))?;
        return Ok(None);
    }
    on_record.of_database(&prepared.plan().database);
    if !meant(args, &fwb_cli::planned(prepared.plan(), &session.page().unpainted()), session)? {
        return Ok(None);
    }
    on_record.begin();
    prepared.run(session.context()).map(Some)
}

/// What the command line says of a restore of this backup.
fn options_of(args: &Args, name: String, session: &Session) -> Result<RestoreOptions> {
    let addressed = args.server.to_domain()?;
    Ok(RestoreOptions {
        name,
        server: args.server.identity(&addressed, &Protocol, &session.context().cancel)?,
        database: args.database.clone(),
        tables: args.tables.clone(),
        prove_tables: args.prove_tables.clone(),
        proof: match args.prove {
            None => None,
            Some(ProofArg::Rows) => Some(RestoreProof::Rows),
            Some(ProofArg::Digest) => Some(RestoreProof::Digest),
        },
        strategy: args.strategy.map(|strategy| match strategy {
            StrategyArg::Swap => Strategy::Swap,
            StrategyArg::InPlace => Strategy::InPlace,
        }),
        keep_before: args.keep_before()?,
        damaged: args.damaged.clone(),
        allow_outside: args.allow_outside,
        safety_backup: !args.no_safety_backup,
        encryption: args.recipients.encryption(&Age)?,
        cipher: Arc::new(Age),
        compression: Compression::default(),
        wait: args.lock.wait(),
        views_may_wait: false,
    })
}

/// Whether it shall be done.
fn meant(args: &Args, what: &str, session: &Session) -> Result<bool> {
    let meant = args.yes || session.confirm(what, "Do it?", "--yes")?;
    if !meant {
        log::error!("not confirmed: nothing was done");
    }
    Ok(meant)
}

/// Takes the last restore back.
fn undo(args: &Args, session: &Session) -> Result<Outcome> {
    let server = ServerClient::new(&args.server.to_domain()?, &Protocol)?;
    let undo = fwb::prepare_undo(&server, args.database.as_deref(), &session.context().cancel)?;
    let plan = undo.plan();
    let mut out = session.answers(args.format)?;
    if args.dry_run {
        out.write(&plan, |page| fwb_cli::undo_planned(&plan, page))?;
        return Ok(Outcome::Done);
    }
    let what = fwb_cli::undo_planned(&plan, &session.page().unpainted());
    if !meant(args, &what, session)? {
        return Ok(Outcome::Failed(ErrorClass::Failure));
    }
    // An undo needs no store; where one is named, it has the record.
    let place = args.store.explicit()?.filter(|place| place.directory().is_none_or(Path::is_dir));
    let undone = match place {
        Some(place) => {
            let mut on_record = OnRecord::new("undo", &place, None, Some(&plan.database))?;
            on_record.begin();
            on_record.end(undo.run(session.context()))?
        }
        None => undo.run(session.context())?,
    };
    out.write(&undone, |page| fwb_cli::undone(&undone, page))?;
    Ok(Outcome::Done)
}

/// Removes what swaps have kept.
fn forget(args: &Args, keep: KeepBefore, session: &Session) -> Result<Outcome> {
    let idle =
        session.given(&["tables", "strategy", "prove", "prove_tables", "allow_outside", "no_safety_backup"]);
    if let Some(option) = idle.first() {
        return Err(Error::Usage {
            message: format!("{option} is for a restore, and no backup was given: nothing was removed"),
            hint: Some(format!("name the backup, or leave out {option}")),
        });
    }
    let server = ServerClient::new(&args.server.to_domain()?, &Protocol)?;
    let now = fwb::now();
    let forget = |dry_run| {
        fwb::forget(&server, args.database.as_deref(), keep, now, dry_run, &session.context().cancel)
    };
    let mut out = session.answers(args.format)?;
    let plan = forget(true)?;
    if args.dry_run {
        out.write(&plan, |page| fwb_cli::forgotten(&plan, false, page))?;
        return Ok(Outcome::Done);
    }
    let what = fwb_cli::forgotten(&plan, false, &session.page().unpainted());
    if !plan.removed.is_empty() && !meant(args, &what, session)? {
        return Ok(Outcome::Failed(ErrorClass::Failure));
    }
    let forgotten = forget(false)?;
    out.write(&forgotten, |page| fwb_cli::forgotten(&forgotten, true, page))?;
    Ok(Outcome::Done)
}

/// The store and name of the one backup to restore; none: nobody said.
fn which(args: &Args, removes: bool, session: &Session) -> Result<Option<(Location, String)>> {
    if let Some(backup) = args.backup.as_deref().or(args.file.as_deref()) {
        return fwb_cli::place(backup, &args.store).map(Some);
    }
    let Some(manifests) = manifests(session)? else { return Ok(None) };
    match one_of(&manifests, args, session)? {
        Some(one) => Ok(Some(one)),
        // What was to be restored first is not known: what restores have kept may still be needed.
        None if removes => Err(Error::Usage {
            message: "no manifest came in on standard input: nothing was restored, and nothing removed".into(),
            hint: Some("to remove what restores have kept, and restore nothing: fwb-restore --drop-before </dev/null".into()),
        }),
        None => Err(Error::NothingFound("no manifest came in: there is nothing to restore".into())),
    }
}

/// The first two manifests on standard input; none where nothing comes in.
fn manifests(session: &Session) -> Result<Option<Vec<Manifest>>> {
    let Some(manifests) = session.manifests()? else { return Ok(None) };
    session.context().progress.begin("waiting for a manifest on standard input", 0);
    manifests.take(2).collect::<Result<Vec<_>>>().map(Some)
}

/// The store and name of the one backup whose manifest came in; none: none did.
fn one_of(manifests: &[Manifest], args: &Args, session: &Session) -> Result<Option<(Location, String)>> {
    match manifests {
        [manifest] => {
            Ok(Some((args.store.of_record(manifest.store.as_deref(), session)?, manifest.name.clone())))
        }
        [] => Ok(None),
        _ => Err(Error::Usage {
            message: "more than one manifest came in, and one backup is restored at a time".into(),
            hint: Some("choose one: fwb-ls --latest --verified | fwb-restore".into()),
        }),
    }
}
