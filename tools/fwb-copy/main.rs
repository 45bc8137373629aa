//! `fwb-copy`: copies backups to another store.

#![forbid(unsafe_code)]

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, ValueHint};
use fwb::{Copied, Copier, CopyOptions, Error, ErrorClass, Identities, Location, Result, Store};
use fwb_age::Age;
use fwb_cli::{
    Answers, FormatArgs, IdentityArgs, LockArgs, Outcome, RecipientArgs, RetainArgs, Session, StoreArgs,
};
use fwb_stores::{ObjectStores, TargetStores};

/// Copy backups to another store
///
/// Reads manifests from standard input, or takes names and paths of artifacts; copies every one of them with its manifest, holds the
/// copy against its original, and prints the manifest of the copy. What is there and is the same is not copied again, so a
/// copy that was cut off is finished by the same command.
#[derive(Debug, Parser)]
#[command(name = "fwb-copy", version)]
#[command(after_long_help = AFTER_HELP)]
struct Args {
    /// Names in the store, paths or URLs of artifacts [default: manifests on standard input]
    #[arg(value_name = "BACKUP")]
    backups: Vec<PathBuf>,

    /// Where the copies go.
    #[arg(
        help = "Store to copy to: a directory, or s3://BUCKET/PREFIX, gs://BUCKET/PREFIX, az://CONTAINER/PREFIX"
    )]
    #[arg(long, value_name = "STORE", value_hint = ValueHint::DirPath)]
    to: OsString,

    /// Read each copy back whole, also one that was there before
    #[arg(long)]
    verify: bool,

    /// Write at most so many bytes a second: 500k, 10M, 1G
    #[arg(long, value_name = "RATE", env = "FWB_BANDWIDTH", value_parser = fwb_cli::parse_bandwidth)]
    bandwidth: Option<u64>,

    #[command(flatten)]
    format: FormatArgs,

    #[command(flatten)]
    recipients: RecipientArgs,

    #[command(flatten)]
    identity: IdentityArgs,

    #[command(flatten)]
    store: StoreArgs,

    #[command(flatten)]
    lock: LockArgs,

    #[command(flatten)]
    retain: RetainArgs,
}

/// What closes the help and the manual page.
const AFTER_HELP: &str = "A copy has the bytes of its original, and so its proof. Its bytes are held against the original's \
SHA-256 as they are read, and against what is stored afterwards: a directory is read back, an object store says the \
checksum of what it has, or is read back where it does not. Retention runs on each store alone: fwb-prune --store.

Examples:
  fwb-ls --latest | fwb-copy --to /mnt/other/backups
  fwb-dump -B shop | fwb-verify | fwb-copy --to s3://my-backups/shop
  fwb-ls | fwb-copy --to /mnt/other/backups --verify --bandwidth 10M";

fn main() -> ExitCode {
    fwb_cli::run(copy)
}

fn copy(args: Args, session: &Session) -> Result<Outcome> {
    let backups = if args.backups.is_empty() {
        // All of it is read and checked before anything is done: a stream that is cut short, or one bad name, copies nothing.
        let Some(manifests) = session.manifests()? else { return Ok(session.short_help()) };
        let of_record = |manifest: Result<fwb::Manifest>| {
            let manifest = manifest?;
            Ok((args.store.of_record(manifest.store.as_deref(), session)?, manifest.name))
        };
        manifests.map(of_record).collect::<Result<Vec<_>>>()?
    } else {
        let place = |backup: &PathBuf| fwb_cli::place(backup, &args.store);
        args.backups.iter().map(place).collect::<Result<Vec<_>>>()?
    };
    if backups.is_empty() {
        return Err(Error::NothingFound("no manifest came in: nothing was copied".into()));
    }
    let context = session.context();
    let to = Location::parse(&args.to)?;
    let options = CopyOptions {
        encryption: args.recipients.encryption(&Age)?,
        verify: args.verify,
        bandwidth: args.bandwidth,
        retention: args.retain.retention(&to, session)?,
        wait: args.lock.wait(),
    };
    let identities = args.identity.identities(&Age, session);
    let target = Store::create(&to, &TargetStores, &context.cancel)?;
    let target = target.with_identities(identities.clone());
    let copier = Copier::new(&target, &options, context)?;
    let out = session.answers(args.format)?;
    let mut run =
        Run { copier, session, identities, out, worst: None, copied: 0, were_there: 0, failed: 0, bytes: 0 };
    for (store, name) in &backups {
        run.one(store, name)?;
    }
    if backups.len() > 1 {
        let Run { copied, were_there, failed, bytes, .. } = run;
        run.out.sum_up(|page| fwb_cli::copied_in_all(copied, were_there, failed, bytes, page))?;
    }
    run.worst.map_or(Ok(Outcome::Done), Err)
}

/// One call: what it has seen so far.
struct Run<'a> {
    copier: Copier<'a>,
    session: &'a Session,
    identities: Option<Arc<dyn Identities>>,
    out: Answers,
    worst: Option<Error>,
    copied: u64,
    were_there: u64,
    failed: u64,
    /// Of what was copied.
    bytes: u64,
}

impl Run<'_> {
    /// Copies one backup. What fails is remembered, so that all of them are copied before the exit.
    fn one(&mut self, store: &Location, name: &str) -> Result<()> {
        let context = self.session.context();
        let source =
            Store::open(store, &ObjectStores, &context.cancel)?.with_identities(self.identities.clone());
        match self.copier.copy(&source, name, context) {
            Ok(copied) => {
                let Copied { manifest, was_there } = &copied;
                if *was_there {
                    self.were_there += 1;
                } else {
                    self.copied += 1;
                    self.bytes = self.bytes.saturating_add(manifest.size);
                }
                if !self.out.is_text() {
                    let place = manifest.store.as_deref().unwrap_or_default();
                    let done = if *was_there { "is" } else { "was copied" };
                    log::info!("{} {done} in {place}", manifest.name);
                }
                self.out.write(manifest, |page| fwb_cli::copied(&copied, page))
            }
            Err(error) if matches!(error.class(), ErrorClass::Interrupted(_)) => Err(error),
            // Nothing more can be copied there.
            Err(error @ Error::LockLost { .. }) => Err(error),
            Err(error) => {
                self.failed += 1;
                if self.worst.is_some() {
                    log::error!("{error}");
                }
                self.worst.get_or_insert(error);
                Ok(())
            }
        }
    }
}
