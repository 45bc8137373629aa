//! `fwb-verify`: proves backups and records the outcome.

#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, ValueEnum, ValueHint};
use fwb::{
    ChainProofOptions, ChainProved, Connector, Drill, DrillOptions, Error, ErrorClass, Identities, Level,
    Location, Manifest, Moment, MomentProofOptions, MomentProved, Recording, Result, ServerOptions, Store,
    Verified,
};
use fwb_age::Age;
use fwb_cli::{Answers, FormatArgs, IdentityArgs, Outcome, ServerArgs, Session, StoreArgs};
use fwb_mysql::Protocol;
use fwb_stores::ObjectStores;

/// Prove that backups are what their manifests say
///
/// Reads manifests from standard input, or takes names and paths of artifacts; verifies every one of them, records
/// each outcome in the store and prints each manifest with its `verification`. Plain .sql, .sql.gz and .sql.zst files that
/// mariadb-dump or mysqldump made are verified too.
///
/// A drill that cannot be held, because no server is here like the backup's, ends with 1 and takes no proof away:
/// `not_drilled` in the manifest says why.
///
/// The level chain proves the log that fwb-follow ships: the backup before this one is restored into a throwaway server, the log
/// between the two is replayed there, and every row and definition is held against this backup. `chain_proof` in the manifest
/// has the outcome. Of the first backup of a database there is nothing to prove yet: a warning says so, and it is no failure.
///
/// The level moment restores the backup's database to one moment of the last day, at random, by the newest backup before it and the log,
/// into a throwaway server. What comes of it is proved and not kept. `moment_proof` in the manifest names the moment, and --until
/// takes the same once more.
#[derive(Debug, Parser)]
#[command(name = "fwb-verify", version)]
#[command(after_long_help = AFTER_HELP)]
struct Args {
    /// Names in the store, or paths of artifacts [default: manifests on standard input]
    #[arg(value_name = "BACKUP")]
    backups: Vec<PathBuf>,

    /// How far to go
    #[arg(long, value_name = "LEVEL", default_value = "full", env = "FWB_VERIFY_LEVEL")]
    level: LevelArg,

    /// With the level moment: this moment [default: one of the last day, at random]
    #[arg(long, value_name = "WHEN|GTID", value_parser = fwb_cli::parse_moment)]
    until: Option<Moment>,

    /// Prove the store's log instead: every byte of every chain, and that nothing is missing
    #[arg(long, conflicts_with_all = ["backups", "level", "until", "adopt", "no_record", "drill_dir", "drill_server_dir", "drill_server"])]
    log: bool,

    /// Write a manifest for a file of another program, so that its outcome is recorded too
    #[arg(long)]
    adopt: bool,

    /// Record nothing: for a store that cannot be written
    #[arg(long, conflicts_with = "adopt")]
    no_record: bool,

    #[command(flatten)]
    format: FormatArgs,

    /// Where the throwaway server keeps its data [default: the directory for temporary files]
    #[arg(long, value_name = "DIR", env = "FWB_DRILL_DIR", value_hint = ValueHint::DirPath)]
    #[arg(help_heading = "Drill")]
    drill_dir: Option<PathBuf>,

    /// Directory of a server for the throwaway one; may be given several times, or with : between
    ///
    /// It holds an installed or unpacked server: bin/mariadbd, sbin/mysqld, usr/sbin/mariadbd and the like. A backup is
    /// drilled on a server of its own flavor, and of its own series or the nearest later one; the installed one counts
    /// where none of these fits.
    #[arg(long, value_name = "DIR", env = "FWB_DRILL_SERVER_DIR", value_hint = ValueHint::DirPath)]
    #[arg(value_delimiter = ':', help_heading = "Drill")]
    drill_server_dir: Vec<PathBuf>,

    /// Option file of a server to restore on instead, never the live one
    ///
    /// Its [client] section says how to reach it. The backup is restored into a database of its own there, which is
    /// dropped afterwards. The server that `FWB_DEFAULTS_FILE`, `FWB_HOST` and so on lead to is refused.
    #[arg(long, value_name = "FILE", env = "FWB_DRILL_SERVER", value_hint = ValueHint::FilePath)]
    #[arg(help_heading = "Drill")]
    drill_server: Option<PathBuf>,

    #[command(flatten)]
    identity: IdentityArgs,

    #[command(flatten)]
    store: StoreArgs,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LevelArg {
    /// Sizes and footer
    Quick,
    /// The stored bytes, by their hash: all that can be told of an encrypted backup without an identity
    Stored,
    /// Every byte, row and hash
    Full,
    /// A restore into a throwaway server besides
    Drill,
    /// That the backup before it and the log between the two make it
    Chain,
    /// That one moment of its database can be reached
    Moment,
}

/// What closes the help and the manual page.
const AFTER_HELP: &str = "\
Examples:
  fwb-ls --latest | fwb-verify                 # the newest backup
  fwb-verify shop_backup_20250725_170206.sql.gz
  fwb-verify --adopt ./old.sql.gz              # a dump of another program
  fwb-ls --latest --verified | fwb-verify --level drill
  fwb-ls --latest --verified | fwb-verify --level chain
  fwb-ls --latest | fwb-verify --level moment  # any moment of the last day
  fwb-verify --log                             # the log that fwb-follow ships, every byte of it";

fn main() -> ExitCode {
    fwb_cli::run(verify)
}

fn verify(args: Args, session: &Session) -> Result<Outcome> {
    if args.log {
        return verify_log(&args, session);
    }
    check_drill_options(&args, session)?;
    let out = session.answers(args.format)?;
    let identities = args.identity.identities(&Age, session);
    let mut run = Run {
        args: &args,
        session,
        out,
        identities,
        drill: None,
        worst: None,
        not_drilled: None,
        count: 0,
        failed: 0,
    };
    if args.backups.is_empty() {
        let Some(manifests) = session.manifests()? else { return Ok(session.short_help()) };
        for manifest in manifests {
            let manifest = manifest?;
            let store = args.store.of_record(manifest.store.as_deref(), session)?;
            run.one(&store, &manifest.name)?;
        }
    }
    for backup in &args.backups {
        let (store, name) = fwb_cli::place(backup, &args.store)?;
        run.one(&store, &name)?;
    }
    run.end()
}

/// Proves the chains of a store's log.
fn verify_log(args: &Args, session: &Session) -> Result<Outcome> {
    let context = session.context();
    let mut out = session.answers(args.format)?;
    let store = Store::open(&args.store.location()?, &ObjectStores, &context.cancel)?
        .with_identities(args.identity.identities(&Age, session));
    let chains = store.chains(&context.cancel)?.chains;
    if chains.is_empty() {
        return Err(Error::NothingFound("the store has no log: fwb-follow ships one".into()));
    }
    let mut worst = None;
    for chain in &chains {
        let report = fwb::check_chain(&store, chain, context)?;
        out.write(&report, |page| fwb_cli::checked_chain(&report, page))?;
        for fault in report.problems {
            log::warn!(code = fwb::notice::VERIFICATION.code; "{}: {}", fault.segment, fault.problem);
            worst.get_or_insert_with(|| Error::damaged(fault.segment, fault.problem));
        }
    }
    worst.map_or(Ok(Outcome::Done), Err)
}

/// No option of a drill is to be ignored: whoever gives one believes that there is a drill, and of that kind.
fn check_drill_options(args: &Args, session: &Session) -> Result<()> {
    let refused = |message: String, hint: &str| Err(Error::Usage { message, hint: Some(hint.into()) });
    let is_drill = match args.level {
        LevelArg::Drill => true,
        LevelArg::Chain | LevelArg::Moment => session.given(&["drill_server"]).is_empty(),
        LevelArg::Quick | LevelArg::Stored | LevelArg::Full => false,
    };
    if args.until.is_some() && !matches!(args.level, LevelArg::Moment) {
        return refused("--until is for the level moment".into(), "add --level moment");
    }
    match session.given(&["drill_dir", "drill_server_dir", "drill_server"]).first() {
        Some(option) if !is_drill => {
            refused(format!("{option} is for a drill, and no drill was asked for"), "add --level drill")
        }
        Some(option) if option != "--drill-server" && args.drill_server.is_some() => refused(
            format!("{option} is for a throwaway server, and the drill is on another one"),
            &format!("leave out {option}, or --drill-server and FWB_DRILL_SERVER"),
        ),
        _ => Ok(()),
    }
}

/// One call: what it has seen so far.
struct Run<'a> {
    args: &'a Args,
    session: &'a Session,
    out: Answers,
    identities: Option<Arc<dyn Identities>>,
    drill: Option<Drill>,
    worst: Option<Error>,
    /// The first drill that was not held: told at the end where nothing else failed.
    not_drilled: Option<Error>,
    /// Backups looked at.
    count: u64,
    /// Those of them that did not hold, or could not be read.
    failed: u64,
}

impl Run<'_> {
    /// Verifies one backup. What fails is remembered, so that all of them are looked at before the exit.
    fn one(&mut self, store: &Location, name: &str) -> Result<()> {
        self.count += 1;
        let level = match self.args.level {
            LevelArg::Quick => Level::Quick,
            LevelArg::Stored => Level::Stored,
            LevelArg::Full => Level::Full,
            LevelArg::Drill => Level::Drill,
            LevelArg::Chain => return self.one_by_chain(store, name),
            LevelArg::Moment => return self.one_at_moment(store, name),
        };
        match self.prove(store, name, level) {
            Ok(Verified { manifest, unrecorded, not_drilled }) => {
                self.out.write(&manifest, |page| fwb_cli::verified(&manifest, page))?;
                let holds = manifest.verification.as_ref().is_some_and(|outcome| outcome.ok);
                self.failed += u64::from(!holds);
                self.judge(&manifest);
                if let Some(error) = not_drilled {
                    // Only the last one that is told may have its hint.
                    if self.not_drilled.is_some() {
                        log::error!("{error}");
                    }
                    self.not_drilled.get_or_insert(error);
                }
                if let Some(error) = unrecorded {
                    self.remember(error);
                }
                Ok(())
            }
            Err(error) => self.fail(error),
        }
    }

    /// Takes an error of one backup. What says nothing of the others does not end the run.
    fn fail(&mut self, error: Error) -> Result<()> {
        let ends = matches!(error.class(), ErrorClass::Interrupted(_) | ErrorClass::Usage);
        if ends && !matches!(error, Error::Encrypted { .. }) {
            return Err(error);
        }
        self.failed += 1;
        self.remember(error);
        Ok(())
    }

    /// Holds one backup against the one before it and the log between them.
    fn one_by_chain(&mut self, store: &Location, name: &str) -> Result<()> {
        let context = self.session.context();
        let store =
            Store::open(store, &ObjectStores, &context.cancel)?.with_identities(self.identities.clone());
        let options = ChainProofOptions {
            servers: self.args.drill_server_dir.clone(),
            dir: self.args.drill_dir.clone(),
            records: !self.args.no_record,
        };
        let connector: Arc<dyn Connector> = Arc::new(Protocol);
        let (manifest, unrecorded) = match fwb::prove_chain(&store, name, &options, &connector, context) {
            Ok(ChainProved { manifest, unrecorded, is_first }) => {
                if is_first {
                    log::warn!(code = fwb::notice::NOTHING_YET.code;
                        "{name} is the first backup of its database: there is nothing to prove of the log yet"
                    );
                }
                (manifest, unrecorded)
            }
            Err(error) => return self.fail(error),
        };
        self.out.write(&manifest, |page| fwb_cli::verified_by_chain(&manifest, page))?;
        if let Some(proof) = manifest.chain_proof.as_ref().filter(|proof| !proof.ok) {
            self.failed += 1;
            for problem in &proof.problems {
                log::warn!(code = fwb::notice::VERIFICATION.code; "{name}: {problem}");
            }
            let problem = proof.problems.first().cloned().unwrap_or_default();
            self.remember(Error::NotReproduced { name: name.to_owned(), base: proof.base.clone(), problem });
        }
        if let Some(error) = unrecorded {
            self.remember(error);
        }
        Ok(())
    }

    /// Brings the database of one backup to a moment.
    fn one_at_moment(&mut self, store: &Location, name: &str) -> Result<()> {
        let context = self.session.context();
        let store =
            Store::open(store, &ObjectStores, &context.cancel)?.with_identities(self.identities.clone());
        let options = MomentProofOptions {
            until: self.args.until.clone(),
            chance: fwb_cli::chance(),
            servers: self.args.drill_server_dir.clone(),
            dir: self.args.drill_dir.clone(),
        };
        let connector: Arc<dyn Connector> = Arc::new(Protocol);
        let (manifest, failed) = match fwb::prove_moment(&store, name, &options, &connector, context) {
            Ok(MomentProved { manifest, failed }) => (manifest, failed),
            Err(error) => return self.fail(error),
        };
        self.out.write(&manifest, |page| fwb_cli::verified_at_moment(&manifest, page))?;
        failed.map_or(Ok(()), |error| self.fail(error))
    }

    fn prove(&mut self, store: &Location, name: &str, level: Level) -> Result<Verified> {
        let record = match (self.args.adopt, self.args.no_record) {
            (true, _) => Recording::Adopt,
            (_, true) => Recording::Nothing,
            _ => Recording::Known,
        };
        let store = Store::open(store, &ObjectStores, &self.session.context().cancel)?
            .with_identities(self.identities.clone());
        let context = self.session.context();
        match level {
            Level::Drill => self.drill()?.run(&store, name, record, context),
            _ => fwb::verify(&store, name, level, record, context),
        }
    }

    fn drill(&mut self) -> Result<&Drill> {
        let drill = match self.drill.take() {
            Some(drill) => drill,
            None => {
                let Args { drill_dir: dir, drill_server_dir: servers, drill_server: server, .. } = self.args;
                let live = match server {
                    Some(_) => ServerArgs::of_environment()?.to_domain()?,
                    None => ServerOptions::default(),
                };
                let options =
                    DrillOptions { dir: dir.clone(), servers: servers.clone(), server: server.clone(), live };
                Drill::prepare(&options, Arc::new(Protocol), self.session.context())?
            }
        };
        Ok(self.drill.insert(drill))
    }

    /// The first error of all is told at the end, the others as they come.
    fn remember(&mut self, error: Error) {
        if self.worst.is_some() {
            log::error!("{error}");
        }
        self.worst.get_or_insert(error);
    }

    fn judge(&mut self, manifest: &Manifest) {
        let Some(outcome) = manifest.verification.as_ref().filter(|outcome| !outcome.ok) else {
            if manifest.chosen.is_some() {
                log::info!(
                    "{} is intact, and holds chosen tables alone: it never counts as a backup of the database",
                    manifest.name
                );
            } else if manifest.whole == Some(false) {
                log::warn!(code = fwb::notice::BACKUP.code;
                    "{} is intact and not proved: it may lack a part of the database", manifest.name
                );
            }
            return;
        };
        let mut problems = outcome.problems.iter();
        if self.worst.is_none() {
            // The first problem of all is what the error at the end tells.
            let problem = problems.next().cloned().unwrap_or_default();
            self.worst = Some(match outcome.level {
                Level::Drill => Error::DrillFailed { name: manifest.name.clone(), problem },
                _ if outcome.restorable == Some(false) => {
                    Error::RefusedByRestore { name: manifest.name.clone(), problem }
                }
                _ => Error::damaged(&manifest.name, problem),
            });
        }
        for problem in problems {
            log::warn!(code = fwb::notice::VERIFICATION.code; "{}: {problem}", manifest.name);
        }
        match outcome.whole_tables.as_deref() {
            None => {}
            Some([]) => {
                log::warn!(code = fwb::notice::VERIFICATION.code; "{}: no table is whole", manifest.name);
            }
            Some(whole) => log::warn!(code = fwb::notice::VERIFICATION.code;
                "{}: fwb-restore --tables can bring back what is whole: {}",
                manifest.name,
                whole.join(", ")
            ),
        }
    }

    fn end(mut self) -> Result<Outcome> {
        if self.count > 1 {
            let (held, failed) = (self.count - self.failed, self.failed);
            self.out.sum_up(|page| fwb_cli::verified_in_all(held, failed, page))?;
        }
        match (self.worst, self.not_drilled) {
            (Some(error), Some(not_drilled)) => {
                log::error!("{not_drilled}");
                Err(error)
            }
            (Some(error), None) | (None, Some(error)) => Err(error),
            (None, None) if self.count == 0 => {
                Err(Error::NothingFound("no manifest came in: nothing was proved".into()))
            }
            (None, None) => Ok(Outcome::Done),
        }
    }
}
