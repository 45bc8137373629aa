//! Any moment: a base backup and the log after it become the database as it was then. A throwaway server of the live one's
//! flavor and series restores the base, and replays the log as a replica whose source we are.

mod artifact;
mod base;
mod counters;
mod definitions;
mod events;
mod files;
mod needs;
mod passage;
mod pending;
mod plan;
mod proof;
mod random;
mod replica;
mod stop;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use crate::binlog::{Moment, Subject};
use crate::drill::{Furnished, Workshop};
use crate::error::{Error, Result};
use crate::load::OpenBackup;
use crate::manifest::Manifest;
use crate::progress::{Cancel, Context, seconds_since};
use crate::server::{Connector, Feed, Flavor, NameCase, ServerClient, ServerFacts, Sql};
use crate::store::Store;
pub use artifact::Keeping;
use counters::Counters;
use events::Events;
pub use files::LogFiles;
use fwb_binlog::{Gtid, GtidPosition};
use passage::{Passage, Rules};
pub use plan::{MomentOptions, MomentPlan, PlannedMoment, TimeForecast, plan_moment};
pub use proof::{ChainProofOptions, ChainProved, prove_chain};
pub use random::{MomentProofOptions, MomentProved, prove_moment};
use replica::Replica;
pub use stop::Tally;

/// What is replayed, and where.
#[derive(Debug, Clone)]
struct ReplayOptions {
    /// The base, by its name in the store.
    base: String,
    /// Where the replay stops.
    stop: Moment,
    /// Groups that are left out.
    skip: Vec<Gtid>,
    /// Directories that hold servers. They come before the one that is installed.
    servers: Vec<PathBuf>,
    /// Where the data of the throwaway server go; by default the system's directory for temporary files.
    dir: Option<PathBuf>,
    /// How many threads replay at a time.
    threads: u32,
    /// Bytes of disk that are needed there besides, for what is made of the outcome.
    beside: u64,
    /// Whether the log's groups have GTIDs of MySQL's.
    has_gtids: bool,
}

/// A database as it was at a moment, on a throwaway server that goes with this value.
struct Replayed {
    server: Arc<Furnished>,
    /// The base.
    base: Manifest,
    /// What was taken out of the log.
    tally: Tally,
    /// How long the base took to load, in seconds.
    base_seconds: f64,
    /// How long the log took to replay, in seconds.
    replay_seconds: f64,
}

impl Replayed {
    /// Access to the server, as root.
    fn server(&self) -> &ServerClient {
        self.server.server()
    }

    /// What that server is.
    fn facts(&self) -> &ServerFacts {
        self.server.facts()
    }

    /// Which of the groups that were handed on the server does not say that it has; none where it has all of them, and where groups
    /// have no names.
    fn lacks(&self, cancel: &Cancel) -> Result<Option<String>> {
        let wanted = &self.tally.position;
        let has = done(&self.server, cancel)?;
        Ok((!has.covers(wanted)).then(|| format!("all of {wanted}: it has {has}")))
    }

    /// The database's name there.
    fn database(&self) -> &str {
        self.server.database()
    }
}

/// Restores the base into a throwaway server, and replays the log up to the stop.
///
/// # Errors
/// The base is damaged or does not restore; there is no server like its own here, or too little room; the log cannot be read or
/// replayed, or does not have the stop.
fn replay(
    store: &Store,
    options: &ReplayOptions,
    log: Arc<dyn Feed>,
    connector: &Arc<dyn Connector>,
    context: &Context,
) -> Result<Replayed> {
    let mut input = OpenBackup::open(store, &options.base, &[], context)?;
    let database = input.manifest.database.clone().unwrap_or_default();
    let flavor = input.manifest.source().map_or(Flavor::MariaDb, |source| source.flavor);
    let workshop = Workshop {
        servers: options.servers.clone(),
        dir: options.dir.clone(),
        options: replica::options(flavor, &database, options.threads, options.has_gtids),
        more_space: room(log.size()).saturating_add(options.beside),
    };
    let server = Arc::new(Furnished::make(&workshop, connector, store, &mut input, context)?);
    if server.database() != database && !server.facts().keeps_lower_case {
        return Err(Error::Replay {
            problem: format!(
                "the throwaway server cannot have a database {database}, whose name the log has"
            ),
            remedy: "restore the backup alone".into(),
        });
    }
    let case = if server.facts().keeps_lower_case { NameCase::Insensitive } else { NameCase::Sensitive };
    let of_base = Events::of_base(&server, &context.cancel)?;
    let events = Events::default();
    let subject = Subject { database: server.database().to_owned(), case };
    let rules = Rules { subject: subject.clone(), stop: options.stop.clone(), skip: options.skip.clone() };
    let size = log.size();
    let tally = Arc::new(Mutex::new(None));
    let counters = Counters::default();
    let passage = Arc::new(Passage {
        log,
        rules: Arc::new(rules),
        tally,
        counters: counters.clone(),
        prepare: {
            let (events, subject) = (events.clone(), subject.clone());
            let provide = needs::provided_by(Arc::clone(&server), context.cancel.clone());
            Arc::new(move |query| {
                events.note(query, &subject);
                provide(query)
            })
        },
        begin: {
            let events = events.clone();
            Arc::new(move || events.begin_with(&of_base))
        },
    });
    context.progress.begin(format!("replaying the log after {}", input.manifest.name), size);
    let begun = Instant::now();
    let source = connector.source(Arc::clone(&passage) as Arc<dyn Feed>, &server.version())?;
    let replica = Replica::start(&server, &*source, context)?;
    replica.finish(context).map_err(|error| at_its_group(error, &server, &passage, &context.cancel))?;
    drop(source);
    let pending = pending::roll_back(&server, &context.cancel)?;
    events.settle(&server, &context.cancel)?;
    counters.settle(&server, &subject, &context.cancel)?;
    if pending > 0 {
        log::info!(
            "{pending} transactions were prepared and not completed at that moment; they are not in it"
        );
    }
    let tally = passage.tally().unwrap_or_default();
    if !tally.is_met
        && let Moment::After(gtid) | Moment::Before(gtid) = &options.stop
    {
        return Err(Error::NoMoment {
            moment: gtid.to_string(),
            why: "the log after the base does not have it".into(),
            remedy: "fwb-ls shows what can be reached".into(),
        });
    }
    let (base_seconds, replay_seconds) = (server.load_seconds, seconds_since(begun));
    Ok(Replayed { server, base: input.manifest, tally, base_seconds, replay_seconds })
}

/// Has an error of the replay name the group at which it stopped, which is what can be gone around.
fn at_its_group(error: Error, server: &Furnished, passage: &Passage, cancel: &Cancel) -> Error {
    let Error::Replay { problem, remedy } = error else { return error };
    match done(server, cancel).and_then(|done| passage.first_beyond(&done)) {
        Ok(Some(gtid)) => Error::Replay {
            problem: format!("at {gtid}: {problem}"),
            remedy: format!(
                "stop before it (--before {gtid}), go around it (--skip {gtid}), or choose a base that comes after it"
            ),
        },
        Ok(None) => Error::Replay { problem, remedy },
        Err(why) => {
            log::debug!("where the replay stopped is not known: {why}");
            Error::Replay { problem, remedy }
        }
    }
}

/// Which groups a server has replayed.
fn done(server: &Furnished, cancel: &Cancel) -> Result<GtidPosition> {
    let sql = match server.version().flavor {
        Flavor::MariaDb => "SELECT @@GLOBAL.gtid_slave_pos;\n",
        Flavor::MySql => "SELECT @@GLOBAL.gtid_executed;\n",
    };
    let rows = server.server().query(None, Sql::Read(sql), "asking how far the replay came", cancel)?;
    let done = rows.into_iter().flatten().next().unwrap_or_default().replace('\n', "");
    Ok(done.parse().unwrap_or_default())
}

/// Bytes of disk that replaying so many bytes of log may need, beside those for the base: rows with their indexes and the undo
/// log, and the relay log of a gibibyte at most.
fn room(log: u64) -> u64 {
    const RELAY_LOG: u64 = 1 << 30;
    log.saturating_mul(2).saturating_add(log.min(RELAY_LOG))
}
