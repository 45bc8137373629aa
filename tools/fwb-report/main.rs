//! `fwb-report`: what backups and runs come to, and what needs a person.

#![forbid(unsafe_code)]

mod places;

use std::ffi::OsString;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use chrono::TimeDelta;
use clap::{Parser, ValueEnum, ValueHint};
use fwb::{
    Cancel, Error, ErrorClass, Fleet, Location, ReportDocument, ReportInput, Result, Scope, ServerName,
    Timestamp, TroubleOptions,
};
use fwb_cli::{LimitArgs, Outcome, OutputArg, Session, StoreArgs};
use fwb_report::Served;
use places::Places;

/// So far back runs and sizes are shown where nobody says otherwise, in days.
const SHOWN: i64 = 90;
/// So far back runs are read at least, in days: the longest window of success rates.
const LEAST_READ: i64 = 91;

/// Report on backups: how runs end, how old the newest proof is, how sizes go, what needs a person
///
/// Reads manifests and records of runs; nothing is locked or written but what -o names.
#[derive(Debug, Parser)]
#[command(name = "fwb-report", version)]
#[command(
    after_long_help = "What needs a person has a code, FWB-3..., and a section under 'Alerts' in docs/RUNBOOK.md. Trends are \
    medians of slopes with an interval of 95 %; where the interval leaves the direction open, there is no trend. What errors \
    quote is blanked.\n\n\
    Examples:\n  \
    fwb-report                                   # what needs a person, and how it goes\n  \
    fwb-report -o report.html                    # one page for a browser\n  \
    fwb-report --format prometheus -o /var/lib/node_exporter/fwb.prom\n  \
    fwb-report --fleet /etc/fwb/fleet            # of each server of a file"
)]
struct Args {
    /// Form of the output [default: by the ending of -o; else text on a terminal, json elsewhere]
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,

    /// Write to this file, which appears when it is complete, or - for standard output
    #[arg(short = 'o', long = "output", value_name = "FILE", default_value = "-", value_hint = ValueHint::FilePath)]
    output: OutputArg,

    /// Exit with 3 if something needs a person
    #[arg(long)]
    check: bool,

    /// Only this database
    #[arg(short = 'B', long, value_name = "NAME")]
    database: Option<String>,

    /// Only the server with this name or address
    #[arg(long, value_name = "NAME", value_parser = |text: &str| text.parse::<ServerName>())]
    server_id: Option<ServerName>,

    /// Show runs and sizes from this time on [default: 90d]
    #[arg(long, value_name = "WHEN", value_parser = |text: &str| fwb_cli::parse_since(text, fwb::now()))]
    since: Option<Timestamp>,

    /// Report on this store too; may be given several times
    ///
    /// Where it holds copies of the first store's backups, those that lack are told.
    #[arg(long, value_name = "STORE", value_hint = ValueHint::DirPath)]
    also: Vec<OsString>,

    /// Report on the servers of this file, a server a line: docs/FLEETS.md
    ///
    /// Their stores are read, and a server without any backup is told.
    #[arg(long, value_name = "FILE", env = "FWB_FLEET", value_hint = ValueHint::FilePath)]
    fleet: Option<PathBuf>,

    #[command(flatten)]
    limits: LimitArgs,

    /// A certificate to look at.
    #[arg(
        help = "Look at this certificate too (PEM); those of FWB_STORE_CA, FWB_TLS_CA and FWB_TLS_CERT are looked at anyway"
    )]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Limits")]
    certificate: Vec<PathBuf>,

    /// Serve the page at /, metrics at /metrics, JSON at /report.json, until a signal arrives; print the address
    #[arg(long, value_name = "ADDRESS", num_args = 0..=1, default_missing_value = "127.0.0.1:9394", help_heading = "Service")]
    #[arg(conflicts_with_all = ["format", "output", "check"])]
    listen: Option<SocketAddr>,

    /// A name by which the service may be asked, beside localhost and its address; may be given several times
    #[arg(long, value_name = "NAME", requires = "listen", help_heading = "Service")]
    host_name: Vec<String>,

    #[command(flatten)]
    store: StoreArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// One JSON object: docs/JSON.md
    Json,
    /// Metrics in Prometheus' text format
    Prometheus,
    /// One page without outside references
    Html,
}

fn main() -> ExitCode {
    fwb_cli::run(|args: Args, session| fwb_cli::tolerate_broken_pipe(report(args, session)))
}

fn report(args: Args, session: &Session) -> Result<Outcome> {
    let mut places = match &args.fleet {
        None => Places::of_store(args.store.location()?),
        Some(file) => {
            let fleet = Fleet::read(file)?;
            let fleet = match &args.server_id {
                Some(name) => fleet.only(name)?,
                None => fleet,
            };
            Places::of_fleet(&fleet, &args.store.location()?)
        }
    };
    for also in &args.also {
        places.add(Location::parse(also)?)?;
    }
    // A setting may name a file that this tool has no use for; whoever names one here wants it looked at.
    for file in &args.certificate {
        std::fs::File::open(file).map_err(|source| Error::Io {
            action: "open",
            path: file.clone(),
            source,
        })?;
    }
    let reader = Reader {
        places,
        options: args.limits.options(Scope {
            database: args.database.clone(),
            server: args.server_id.as_ref().map(ToString::to_string),
        }),
        since: args.since,
        certificates: fwb_report::certificate_files(&args.certificate),
        cancel: session.context().cancel.clone(),
    };
    if let Some(address) = args.listen {
        return listen(reader, address, args.host_name, session);
    }
    let (document, missed) = reader.read()?;
    print(&args, session, &document)?;
    missed.map_or(Ok(()), Err)?;
    // Where nothing is, nothing can be restored.
    let needs_a_person = !document.ok || document.databases.is_empty();
    Ok(if args.check && needs_a_person { Outcome::Failed(ErrorClass::Proof) } else { Outcome::Done })
}

/// What looks at stores.
struct Reader {
    places: Places,
    options: TroubleOptions,
    since: Option<Timestamp>,
    certificates: Vec<(&'static str, PathBuf)>,
    cancel: Cancel,
}

impl Reader {
    /// The report of the stores that answer, and the error of one that does not.
    fn read(&self) -> Result<(ReportDocument, Option<Error>)> {
        let now = fwb::now();
        let since = self.since.unwrap_or(now - TimeDelta::days(SHOWN));
        let runs_since = since.min(now - TimeDelta::days(LEAST_READ));
        let (stores, missed) = self.places.read(runs_since, &self.cancel)?;
        let certificates = fwb_report::certificates(&self.certificates);
        let input = ReportInput { stores, certificates, fleet: self.places.fleet.clone() };
        Ok((fwb::report(&input, &self.options, since, now), missed))
    }
}

fn print(args: &Args, session: &Session, document: &ReportDocument) -> Result<()> {
    let file = match &args.output {
        OutputArg::Standard => None,
        OutputArg::File(path) => Some(path),
    };
    let format = args.format.or_else(|| file.and_then(|file| by_ending(file)));
    let is_for_people = file.is_none() && session.stdout_is_terminal();
    let format = format.unwrap_or(if is_for_people { Format::Text } else { Format::Json });
    let text = match format {
        Format::Text => fwb_report::text(document),
        Format::Prometheus => fwb_report::metrics(Some(document), None),
        Format::Html => fwb_report::html(document, None),
        Format::Json => serde_json::to_string(document)? + "\n",
    };
    match file {
        Some(path) => fwb::write_file(path, text.as_bytes(), &session.context().cancel),
        None => session.records()?.write_text(&text),
    }
}

/// The form that a file's name asks for.
fn by_ending(file: &Path) -> Option<Format> {
    match file.extension()?.to_str()? {
        "txt" => Some(Format::Text),
        "prom" => Some(Format::Prometheus),
        "html" | "htm" => Some(Format::Html),
        "json" => Some(Format::Json),
        _ => None,
    }
}

fn listen(
    reader: Reader,
    address: SocketAddr,
    host_names: Vec<String>,
    session: &Session,
) -> Result<Outcome> {
    let listener = TcpListener::bind(address)
        .map_err(|source| Error::Stream { action: "listen for requests", source })?;
    let own = listener.local_addr().unwrap_or(address);
    session.context().progress.never_ends();
    session.records()?.write_text(&format!("http://{own}/\n"))?;
    let read = move || match reader.read()? {
        // What the others hold is to be seen all the same.
        (document, Some(missed)) => {
            log::warn!(code = missed.code().code; "{missed}");
            Ok(document)
        }
        (document, None) => Ok(document),
    };
    fwb_report::serve(Served { listener, host_names, read: Box::new(read) }, &session.context().cancel)?;
    Ok(Outcome::Done)
}
