//! `fwb-ls`: lists the backups of a store.

#![forbid(unsafe_code)]

mod timeline;

use std::ffi::OsString;
use std::process::ExitCode;

use chrono::TimeDelta;
use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use clap::{Parser, ValueEnum, ValueHint};
use fwb::{
    Error, ErrorClass, Found, Kind, Listing, Location, Manifest, NamePattern, Proof, Result, Selection,
    ServerName, Store, Timestamp,
};
use fwb_age::Age;
use fwb_cli::{IdentityArgs, Outcome, Session, StoreArgs};
use fwb_stores::{ObjectStores, TargetStores};

/// List the backups of a store
///
/// Prints a table on a terminal, and one manifest a line elsewhere. Filters add up. Nothing is locked or written.
#[derive(Debug, Parser)]
#[command(name = "fwb-ls", version)]
#[command(after_long_help = AFTER_HELP)]
struct Args {
    /// Only backups of these kinds [default: all; with --latest, --at and --max-age: full]
    #[arg(long = "kind", value_name = "KIND", value_delimiter = ',', value_parser =
        PossibleValuesParser::new(["full", "safety", "foreign", "moment", "accounts"]).try_map(|word| word.parse::<Kind>()))]
    kinds: Vec<Kind>,

    /// Only backups of this database, or of those that match this pattern with * and ?; may be given several times
    ///
    /// Where several databases are named, or a pattern is, --latest and --at mean the newest backup of each.
    #[arg(short = 'B', long, value_name = "NAME")]
    database: Vec<String>,

    /// Only backups of the server with this name or address
    #[arg(long, value_name = "NAME", value_parser = |text: &str| text.parse::<ServerName>())]
    server_id: Option<ServerName>,

    /// Only backups begun at or after this time
    #[arg(long, value_name = "WHEN", value_parser =
        |text: &str| fwb_cli::parse_since(text, fwb::now()))]
    since: Option<Timestamp>,

    /// The newest of those backups that began at or before this time, and exactly one, as --latest
    #[arg(long, value_name = "WHEN", value_parser =
        |text: &str| fwb_cli::parse_at(text, fwb::now()))]
    at: Option<Timestamp>,

    /// Only proved backups
    #[arg(long)]
    verified: bool,

    /// The newest of those backups, and exactly one: of several databases or servers one must be named
    ///
    /// What holds chosen tables alone (fwb-dump --tables) is passed over. Among safety backups it is not: the newest one holds
    /// what the last restore replaced.
    #[arg(long)]
    latest: bool,

    /// Exit with 3 unless every database of every server has a proved backup begun at most this long ago
    #[arg(long, value_name = "AGE", value_parser = fwb_cli::parse_age)]
    max_age: Option<TimeDelta>,

    /// Show what is inside: tables, sequences, views
    #[arg(long)]
    tables: bool,

    /// Show what backups of accounts tell of their server: settings, plugins, time zones
    #[arg(long, conflicts_with = "tables")]
    settings: bool,

    /// Show what can be reached by backups and the log, and where there are holes
    #[arg(long, conflicts_with_all = ["kinds", "server_id", "since", "at", "verified", "latest", "max_age", "tables", "settings", "also", "transactions"])]
    timeline: bool,

    /// List the transactions of the log, from --since to --at
    ///
    /// Each with its moment, its GTID, the rows that it changes and its statements: fwb-restore --before takes the GTID.
    #[arg(long, conflicts_with_all = ["kinds", "server_id", "verified", "latest", "max_age", "tables", "settings", "also"])]
    transactions: bool,

    /// With --transactions: those of five minutes before and after this moment
    #[arg(long, value_name = "WHEN", requires = "transactions", conflicts_with_all = ["since", "at"], value_parser =
        |text: &str| fwb_cli::parse_at(text, fwb::now()))]
    around: Option<Timestamp>,

    /// With --transactions: those with a statement that has this text in it
    #[arg(long, value_name = "TEXT", requires = "transactions")]
    statement: Option<String>,

    /// List this store too, such as that of the copies; may be given several times
    ///
    /// A backup that is in several stores is listed for each. With --latest and --at, the first store counts that has the
    /// newest one.
    #[arg(long, value_name = "STORE", conflicts_with = "max_age", value_hint = ValueHint::DirPath)]
    also: Vec<OsString>,

    /// Form of the output [default: table on a terminal, else jsonl]
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,

    #[command(flatten)]
    identity: IdentityArgs,

    #[command(flatten)]
    store: StoreArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    #[value(alias = "text")]
    Table,
    /// One JSON object a line
    Jsonl,
}

/// What closes the help and the manual page.
const AFTER_HELP: &str = "Times are 2025-07-25, '2025-07-25 17:00', 2025-07-25T17:00:05+09:00, or 26h for so \
long ago; without an offset the local time zone holds. A backup is proved when fwb-verify passed it at level \
full or above and its artifact is there with the size that its manifest says. Backups that are damaged or lost \
are named on standard error and make the exit status 3; with --latest and --at they are passed over, with a \
warning.

Examples:
  fwb-ls                                       # what there is
  fwb-ls -B shop --latest --verified           # the newest proved one
  fwb-ls -B 'shop_*' --latest | fwb-verify     # the newest one of each
  fwb-ls --at '2025-07-25 17:00' --tables      # what was inside then
  fwb-ls --max-age 26h > /dev/null             # exit 3: no fresh proved backup
  fwb-ls --settings --latest                   # what a rebuilt server needs
  fwb-ls --timeline                            # what can be reached by backups and the log
  fwb-ls --transactions --around '2025-07-25 14:03' -B shop
  fwb-ls | jq -r .name                         # a pipe gets JSON";

fn main() -> ExitCode {
    fwb_cli::run(|args: Args, session| fwb_cli::tolerate_broken_pipe(list(&args, session)))
}

fn list(args: &Args, session: &Session) -> Result<Outcome> {
    if args.timeline {
        return timeline::timeline(args, session);
    }
    if args.transactions {
        return timeline::transactions(args, session);
    }
    // The sidecars have all that a list shows; of many backups each would be decrypted.
    let identities =
        if args.tables || args.settings { args.identity.identities(&Age, session) } else { None };
    let cancel = &session.context().cancel;
    let mut places = vec![args.store.location()?];
    for also in &args.also {
        places.push(Location::parse(also)?);
    }
    let selection = Selection {
        kinds: if args.settings && args.kinds.is_empty() { vec![Kind::Accounts] } else { args.kinds.clone() },
        databases: args.database.iter().map(NamePattern::new).collect(),
        server: args.server_id.clone(),
        since: args.since,
        at: args.at,
        verified: args.verified,
        latest: args.latest,
        now: Some(fwb::now()),
    };
    let mut listings = Vec::new();
    let mut unreachable = None;
    for (number, place) in places.iter().enumerate() {
        // The others are where copies go.
        let service: &dyn fwb::ObjectStores = if number == 0 { &ObjectStores } else { &TargetStores };
        let store =
            Store::open(place, service, cancel).map(|store| store.with_identities(identities.clone()));
        match store.and_then(|store| Listing::read(&store, cancel)) {
            Ok(listing) => listings.push(listing),
            // What is asked for may be in a store that answers.
            Err(error) if places.len() > 1 && !matches!(error.class(), ErrorClass::Interrupted(_)) => {
                if selection.asks_for_one() || unreachable.is_some() {
                    log::warn!(code = error.code().code; "{error}");
                }
                unreachable.get_or_insert(error);
            }
            Err(error) => return Err(error),
        }
    }
    if listings.is_empty()
        && let Some(error) = unreachable.take()
    {
        return Err(error);
    }
    let freshness = match args.max_age {
        Some(max_age) => {
            listings.iter().try_for_each(|one| one.check_freshness(&selection, max_age, fwb::now()))
        }
        None => Ok(()),
    };
    for listing in &listings {
        listing.warn_of_damage(&selection);
    }
    let entries = match fwb::select_among(&listings, &selection) {
        // That nothing was found is the lesser half of "nothing is fresh".
        Err(error @ Error::NothingFound(_)) => return freshness.and(Err(error)),
        selected => selected?,
    };
    if selection.asks_for_one() {
        warn_of_failure(&entries);
    }
    match format(args, session) {
        Format::Jsonl => print_records(args, session, &entries)?,
        Format::Table => print_table(args, session, &listings, &entries)?,
    }
    freshness?;
    if !selection.asks_for_one() {
        if let Some(error) = unreachable {
            return Err(error);
        }
        listings.iter().try_for_each(|listing| listing.check_damage(&selection))?;
    }
    Ok(Outcome::Done)
}

fn format(args: &Args, session: &Session) -> Format {
    let usual = if session.stdout_is_terminal() { Format::Table } else { Format::Jsonl };
    args.format.unwrap_or(usual)
}

/// The one that is meant may be the one that failed: whoever goes on with it is to know.
fn warn_of_failure(entries: &[Found<'_>]) {
    for (_, entry) in entries.iter().filter(|(_, entry)| entry.proof() == Proof::Failed) {
        log::warn!(code = fwb::notice::VERIFICATION.code; "{} failed its latest verification; --verified asks for a proved one", entry.name);
    }
}

/// What is inside an encrypted backup often stands inside alone.
fn warn_of_locked(manifest: &Manifest) {
    if manifest.encryption.is_some() && manifest.sections.is_empty() {
        log::warn!(code = fwb::notice::LOCKED_CONTENT.code; "{} is encrypted, and what it holds is not told without an identity: --identity", manifest.name);
    }
}

fn print_records(args: &Args, session: &Session, entries: &[Found<'_>]) -> Result<()> {
    let mut out = session.records()?.collecting();
    for (listing, entry) in entries {
        if args.tables {
            let Some(manifest) = listing.record(entry)? else { continue };
            warn_of_locked(&manifest);
            fwb_cli::section_records(&manifest).try_for_each(|record| out.write_json(&record))?;
        } else if args.settings {
            let Some(manifest) = listing.record(entry)? else { continue };
            warn_of_locked(&manifest);
            if let Some(surroundings) = &manifest.surroundings {
                out.write_json(surroundings)?;
            }
        } else if let Some(record) = listing.record(entry)? {
            out.write_json(&record)?;
        }
    }
    out.finish()
}

fn print_table(args: &Args, session: &Session, listings: &[Listing], entries: &[Found<'_>]) -> Result<()> {
    let (mut out, page) = (session.records()?.collecting(), session.page());
    if args.tables {
        for (listing, entry) in entries {
            if let Some(manifest) = listing.record(entry)? {
                warn_of_locked(&manifest);
                out.write_text(&(fwb_cli::section_table(&manifest, &page) + "\n"))?;
            }
        }
    } else if args.settings {
        for (listing, entry) in entries {
            if let Some(manifest) = listing.record(entry)? {
                warn_of_locked(&manifest);
                out.write_text(&(fwb_cli::settings(&manifest, &page) + "\n"))?;
            }
        }
    } else if !entries.is_empty() {
        let lines = entries.iter().map(|(listing, entry)| (listing.store().location(), *entry));
        out.write_text(&(fwb_cli::backup_table(lines, fwb::now(), &page) + "\n"))?;
    }
    for listing in listings {
        let of_this = entries.iter().filter(|(other, _)| std::ptr::eq(*other, listing));
        let store = listing.store();
        let place = (listings.len() > 1).then(|| store.location());
        out.write_text(&fwb_cli::footer(of_this.map(|(_, entry)| *entry), store.space()?, place, &page))?;
    }
    out.finish()
}
