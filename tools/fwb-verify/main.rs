//! `fwb-verify`: proves backups and records the outcome.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use fwb::{Error, ErrorClass, Level, Manifest, Record, Result, Store, Verified};
use fwb_cli::{Outcome, RecordWriter, Session, StoreArgs};

/// Prove that backups are what their manifests say
///
/// Reads manifests from standard input, or takes names and paths of artifacts; verifies every one of them, records
/// each outcome in the store and prints each manifest with its `verification`. Plain .sql and .sql.gz files that
/// mariadb-dump or mysqldump made are verified too.
#[derive(Debug, Parser)]
#[command(name = "fwb-verify", version)]
struct Args {
    /// Names in the store, or paths of artifacts [default: manifests on standard input]
    #[arg(value_name = "BACKUP")]
    backups: Vec<PathBuf>,

    /// How far to go: sizes and footer, or every byte, row and hash
    #[arg(long, value_name = "LEVEL", default_value = "full", env = "FWB_VERIFY_LEVEL")]
    level: LevelArg,

    /// Write a manifest for a file of another program, so that its outcome is recorded too
    #[arg(long)]
    adopt: bool,

    /// Record nothing: for a store that cannot be written
    #[arg(long, conflicts_with = "adopt")]
    no_record: bool,

    #[command(flatten)]
    store: StoreArgs,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LevelArg {
    Quick,
    Full,
}

fn main() -> ExitCode {
    fwb_cli::run(verify)
}

fn verify(args: Args, session: &Session) -> Result<Outcome> {
    let mut run = Run { args: &args, session, out: session.records()?, worst: None, count: 0 };
    if args.backups.is_empty() {
        let Some(manifests) = session.manifests()? else { return Ok(session.short_help()) };
        for manifest in manifests {
            let manifest = manifest?;
            let store = args.store.of_record(manifest.store.as_deref())?;
            run.one(&store, &manifest.name)?;
        }
    }
    for backup in &args.backups {
        let (store, name) = fwb_cli::place(backup, &args.store)?;
        run.one(&store, &name)?;
    }
    run.end()
}

/// One call: what it has seen so far.
struct Run<'a> {
    args: &'a Args,
    session: &'a Session,
    out: RecordWriter,
    worst: Option<Error>,
    count: usize,
}

impl Run<'_> {
    /// Verifies one backup. What fails is remembered, so that all of them are looked at before the exit.
    fn one(&mut self, store: &Path, name: &str) -> Result<()> {
        self.count += 1;
        match self.prove(store, name) {
            Ok(Verified { manifest, unrecorded }) => {
                self.out.write_json(&manifest)?;
                self.judge(&manifest);
                if let Some(error) = unrecorded {
                    self.remember(error);
                }
                Ok(())
            }
            Err(error) if matches!(error.class(), ErrorClass::Interrupted(_) | ErrorClass::Usage) => {
                Err(error)
            }
            Err(error) => {
                self.remember(error);
                Ok(())
            }
        }
    }

    fn prove(&self, store: &Path, name: &str) -> Result<Verified> {
        let level = match self.args.level {
            LevelArg::Quick => Level::Quick,
            LevelArg::Full => Level::Full,
        };
        let record = match (self.args.adopt, self.args.no_record) {
            (true, _) => Record::Adopt,
            (_, true) => Record::Nothing,
            _ => Record::Known,
        };
        fwb::verify(&Store::open(store)?, name, level, record, self.session.context())
    }

    /// The first error of all is told at the end, the others as they come.
    fn remember(&mut self, error: Error) {
        if self.worst.is_some() {
            log::error!("{error}");
        }
        self.worst.get_or_insert(error);
    }

    fn judge(&mut self, manifest: &Manifest) {
        let Some(outcome) = manifest.verification.as_ref().filter(|outcome| !outcome.ok) else { return };
        let mut problems = outcome.problems.iter();
        if self.worst.is_none() {
            // The first problem of all is what the error at the end tells.
            let problem = problems.next().cloned().unwrap_or_default();
            self.worst = Some(Error::damaged(&manifest.name, problem));
        }
        for problem in problems {
            log::warn!("{}: {problem}", manifest.name);
        }
    }

    fn end(self) -> Result<Outcome> {
        match self.worst {
            Some(error) => Err(error),
            None if self.count == 0 => {
                Err(Error::NothingFound("no manifest came in: nothing was proved".into()))
            }
            None => Ok(Outcome::Done),
        }
    }
}
