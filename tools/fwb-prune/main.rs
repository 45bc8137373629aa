//! `fwb-prune`: applies retention to backups.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use chrono::TimeDelta;
use clap::Parser;
use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use fwb::{Candidates, Kind, Manifest, Policy, PruneOptions, Pruned, Result};
use fwb_cli::{FormatArgs, LockArgs, Outcome, Retained, Session, StoreArgs, human_size};
use fwb_stores::ObjectStores;

/// Delete the backups that no retention rule keeps
///
/// Reads manifests from standard input, or takes names of backups: the candidates. Each is kept when any rule keeps
/// it, and printed with its `decision`; a deleted one as soon as it is gone. Dates and proof come from the store,
/// never from standard input. The newest proved backup of each server's database always stays.
#[derive(Debug, Parser)]
#[command(name = "fwb-prune", version, allow_negative_numbers = true)]
#[command(after_long_help = AFTER_HELP)]
struct Args {
    /// Names in the store [default: manifests on standard input]
    #[arg(value_name = "BACKUP")]
    backups: Vec<String>,

    /// Decide and print, delete nothing
    #[arg(short = 'n', long)]
    dry_run: bool,

    /// Kinds that may be deleted
    #[arg(long = "kind", value_name = "KIND", value_delimiter = ',', default_value = "full,accounts", value_parser =
        PossibleValuesParser::new(["full", "safety", "foreign", "moment", "accounts"]).try_map(|word| word.parse::<Kind>()))]
    kinds: Vec<Kind>,

    #[command(flatten)]
    format: FormatArgs,

    #[command(flatten)]
    retention: RetentionArgs,

    #[command(flatten)]
    store: StoreArgs,

    #[command(flatten)]
    lock: LockArgs,
}

/// The retention group.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Retention")]
struct RetentionArgs {
    /// Keep backups of the last N days
    #[arg(long, value_name = "N", default_value = "7", env = "FWB_KEEP_DAYS")]
    keep_days: u32,

    /// Keep the newest N backups
    #[arg(long, value_name = "N", default_value = "0", env = "FWB_KEEP_LAST")]
    keep_last: u32,

    /// Keep the newest backup of each of N days
    #[arg(long, value_name = "N", default_value = "0", env = "FWB_KEEP_DAILY")]
    keep_daily: u32,

    /// Keep the newest backup of each of N weeks
    #[arg(long, value_name = "N", default_value = "0", env = "FWB_KEEP_WEEKLY")]
    keep_weekly: u32,

    /// Keep the newest backup of each of N months
    #[arg(long, value_name = "N", default_value = "0", env = "FWB_KEEP_MONTHLY")]
    keep_monthly: u32,

    /// Keep the newest backup of each of N years
    #[arg(long, value_name = "N", default_value = "0", env = "FWB_KEEP_YEARLY")]
    keep_yearly: u32,

    /// Keep safety backups of the last N days, and delete older ones too: a rule of their own
    ///
    /// They go by their age alone then, as long as their database has a proved full backup. With 0, safety backups are
    /// left alone unless --kind names them, and the other rules hold for them.
    #[arg(long, value_name = "N", default_value = "0", env = "FWB_KEEP_SAFETY_DAYS")]
    keep_safety_days: u32,

    /// Keep every moment of this time reachable by a backup and the log [default: of as many days as --keep-days says]
    ///
    /// Backups that it takes stay, whatever the other rules say; what of the log no such moment needs goes.
    #[arg(long, value_name = "AGE", env = "FWB_KEEP_WINDOW", value_parser = fwb_cli::parse_age)]
    keep_window: Option<TimeDelta>,

    /// Never leave fewer proved backups of a server's database than this
    #[arg(long, value_name = "N", default_value = "1", env = "FWB_MIN_KEEP")]
    min_keep: u32,
}

impl RetentionArgs {
    fn policy(&self) -> Policy {
        Policy {
            keep_days: self.keep_days,
            keep_last: self.keep_last,
            keep_daily: self.keep_daily,
            keep_weekly: self.keep_weekly,
            keep_monthly: self.keep_monthly,
            keep_yearly: self.keep_yearly,
            keep_safety_days: self.keep_safety_days,
            keep_window: self.keep_window,
            min_keep: self.min_keep,
        }
    }
}

/// What closes the help and the manual page.
const AFTER_HELP: &str = "A rule with 0 is off. All backups of a store take part in the decision, but only \
candidates are deleted: 'fwb-ls | fwb-prune' makes every backup one.

Examples:
  fwb-ls | fwb-prune --dry-run                 # what would go, and why
  fwb-ls | fwb-prune --keep-days 7 --keep-weekly 4 --keep-monthly 12
  fwb-ls | fwb-prune --keep-window 3d          # every moment of three days stays reachable
  fwb-ls | fwb-prune --keep-safety-days 3      # safety backups too, by a rule of their own";

fn main() -> ExitCode {
    fwb_cli::run(prune)
}

fn prune(args: Args, session: &Session) -> Result<Outcome> {
    let Some(candidates) = candidates(&args, session)? else { return Ok(session.short_help()) };
    let mut out = session.answers(args.format)?;
    if args.dry_run {
        out = out.collecting();
    }
    let mut kinds = args.kinds;
    // Whoever names the kinds means these and no more.
    let is_named = !session.given(&["kinds"]).is_empty();
    if args.retention.keep_safety_days > 0 && !is_named {
        let of_restores = Kind::ALL.into_iter().filter(|kind| kind.is_of_restore());
        kinds.extend(of_restores.filter(|kind| !kinds.contains(kind)).collect::<Vec<_>>());
    }
    let options = PruneOptions {
        policy: args.retention.policy(),
        kinds,
        dry_run: args.dry_run,
        wait: args.lock.wait(),
    };
    let retained = if args.dry_run { Retained::Planned } else { Retained::Done };
    let report = |record: Manifest| out.write(&record, |page| fwb_cli::decided(&record, retained, page));
    let pruned = fwb::prune(&candidates, &ObjectStores, &options, fwb::now(), session.context(), report)?;
    out.sum_up(|page| fwb_cli::pruned_in_all(&pruned, retained, page))?;
    let is_told = out.is_text();
    out.finish()?;
    if !is_told {
        log_sum(&pruned, retained);
    }
    Ok(Outcome::Done)
}

/// The sum for a log.
fn log_sum(pruned: &Pruned, retained: Retained) {
    let (done, freed) = match retained {
        Retained::Planned => ("would delete", "would be"),
        Retained::Done => ("deleted", "are"),
    };
    let (count, bytes) = (pruned.deleted, human_size(pruned.freed));
    log::info!("{done} {count} of {} backups; {bytes} {freed} free again", count + pruned.kept);
    if pruned.freed_later > 0 {
        log::info!(
            "{} more are freed by a later run, when some hours have passed: who reads these backups may go on",
            human_size(pruned.freed_later)
        );
    }
}

/// The operands, else what standard input names; nothing where a person sits there. All of it is read and checked
/// before anything is done: a stream that is cut short, or one bad name, deletes nothing.
fn candidates(args: &Args, session: &Session) -> Result<Option<Candidates>> {
    let mut candidates = Candidates::default();
    for name in &args.backups {
        candidates.add(&args.store.location()?, name)?;
    }
    if args.backups.is_empty() {
        let Some(manifests) = session.manifests()? else { return Ok(None) };
        for manifest in manifests {
            let Manifest { name, store, .. } = manifest?;
            candidates.add(&args.store.of_record(store.as_deref(), session)?, &name)?;
        }
    }
    Ok(Some(candidates))
}
