//! `fwb-follow`: ships a server's binary log into a store, as it is written.

#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use chrono::TimeDelta;
use clap::builder::RangedU64ValueParser;
use clap::{Parser, ValueEnum};
use fwb::{Error, FollowFrom, FollowOptions, NamePattern, Result, ServerClient, Store};
use fwb_age::Age;
use fwb_cli::{FormatArgs, Outcome, RecipientArgs, ServerArgs, Session, StoreArgs};
use fwb_mysql::Protocol;
use fwb_stores::ObjectStores;

/// Ship a server's binary log into a store, as it is written
///
/// With a backup and the log since then, a database can be brought back to any moment: fwb-restore --until. The log is published
/// in segments, each of which proves that none before it is missing. A follower that was stopped goes on where the chain ends,
/// and asks the server for what comes last once more: where that is not the same, or gone, a new chain begins, which
/// needs a new backup, and a warning says so.
#[derive(Debug, Parser)]
#[command(name = "fwb-follow", version)]
#[command(after_long_help = AFTER_HELP)]
struct Args {
    /// End at the present end of the log, for a schedule
    #[arg(long)]
    once: bool,

    /// The most that may be in no segment yet, such as 5s or 1m
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = fwb_cli::parse_age)]
    every: TimeDelta,

    /// The most bytes of the log in one segment, such as 1M
    #[arg(long, value_name = "SIZE", default_value = "8M", value_parser = fwb_cli::parse_bandwidth)]
    segment_size: u64,

    /// Where a new chain begins
    #[arg(long, value_name = "PLACE", default_value = "base")]
    from: FromArg,

    /// Begin a new chain, whatever there is
    #[arg(long)]
    new_chain: bool,

    /// Keep changes of this database alone, or of those that a pattern means, such as `shop_*`; may be given several times
    #[arg(long, value_name = "DB")]
    only: Vec<String>,

    /// What the server knows the follower by among its replicas [default: a number at random]
    #[arg(long, value_name = "ID", value_parser = RangedU64ValueParser::<u32>::new().range(1..=4_294_967_295))]
    replica_id: Option<u32>,

    /// Have the server's commits wait until they are on this machine's disk, in the spool: answer it as a semi-synchronous
    /// replica does
    #[arg(long, conflicts_with = "once")]
    semi_sync: bool,

    /// Where spools are, which have what was answered for and is not in the store [default: spool in `$STATE_DIRECTORY`, or
    /// fwb/spool in `$XDG_STATE_HOME` or ~/.local/state]
    #[arg(long, value_name = "DIR", env = "FWB_SPOOL")]
    spool: Option<PathBuf>,

    #[command(flatten)]
    format: FormatArgs,

    #[command(flatten)]
    recipients: RecipientArgs,

    #[command(flatten)]
    store: StoreArgs,

    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum FromArg {
    /// With the file of the log in which the newest backup was made, so that this one is a base; else as now
    Base,
    /// With the present file of the log
    Now,
    /// With the oldest file that the server has
    Oldest,
}

/// What closes the help and the manual page.
const AFTER_HELP: &str = "The account needs REPLICATION SLAVE, and sees every database of the server: --only keeps what it stores to some of them. With BINLOG MONITOR (MariaDB) or \
REPLICATION CLIENT (MySQL) too, a first chain without a backup begins with the present file of the log, and not with the oldest.

Examples:
  fwb-follow                                   # until a signal ends it
  fwb-follow --once                            # up to now, for a schedule
  fwb-follow --store s3://my-backups/shop --every 1s
  fwb-follow --only shop                       # of other databases sizes and times alone are stored
  fwb-follow --semi-sync --spool /var/lib/fwb/spool   # no acknowledged commit is lost with the server
  fwb-follow --pod-selector app=mariadb -n prod --recipient age1…
  fwb-ls --timeline                            # what can be reached";

/// Where spools are where nobody says it; none without a home.
fn usual_spool() -> Option<PathBuf> {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    // A unit of systemd may have several, and the first is its own.
    if let Some(state) = set("STATE_DIRECTORY") {
        return Some(Path::new(state.split(':').next()?).join("spool"));
    }
    let state = set("XDG_STATE_HOME").map(PathBuf::from);
    let state = state.or_else(|| Some(Path::new(&set("HOME")?).join(".local/state")))?;
    Some(state.join("fwb/spool"))
}

fn main() -> ExitCode {
    fwb_cli::run(follow)
}

fn follow(args: Args, session: &Session) -> Result<Outcome> {
    let context = session.context();
    let addressed = args.server.to_domain()?;
    let server = ServerClient::new(&addressed, &Protocol)?;
    let options = FollowOptions {
        server: args.server.identity(&addressed, &Protocol, &context.cancel)?,
        every: args.every.to_std().unwrap_or_default().max(Duration::from_secs(1)),
        segment_size: args.segment_size.clamp(4096, 16 << 20),
        once: args.once,
        from: match args.from {
            FromArg::Base => FollowFrom::Base,
            FromArg::Now => FollowFrom::Now,
            FromArg::Oldest => FollowFrom::Oldest,
        },
        only: args.only.iter().map(NamePattern::new).collect(),
        begins_anew: args.new_chain,
        server_id: args.replica_id,
        spool: args.spool.or_else(usual_spool),
        semi_sync: args.semi_sync,
        encryption: args.recipients.encryption(&Age)?,
    };
    // What was gathered is published after a signal, for which the store has some seconds.
    let store = Store::create(&args.store.location()?, &ObjectStores, &context.cancel.with_grace())?;
    let mut out = session.answers(args.format)?;
    if options.semi_sync && options.spool.is_none() {
        return Err(Error::usage("--semi-sync needs a place for its spool: --spool DIR"));
    }
    let report = fwb::follow(&store, &server, &options, context)?;
    out.write(&report, |page| fwb_cli::followed(&report, page))?;
    Ok(Outcome::Done)
}
