//! What reaching a moment takes: the base, the log after it, time and room.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use fwb_binlog::{Gtid, ReadError};
use serde::Serialize;

use super::artifact::Keeping;
use super::base::{candidates, only_database};
use super::counters::Counters;
use super::files::LogFiles;
use super::passage::{Passage, Rules};
use super::stop::Tally;
use super::{ReplayOptions, Replayed, replay, room};
use crate::binlog::{Moment, Subject, reach};
use crate::error::{Error, Result};
use crate::identity::ServerIdentity;
use crate::manifest::{Kind, Manifest, Provenance, Timestamp};
use crate::progress::Context;
use crate::server::{Connector, Feed};
use crate::store::Store;

/// The log after a base.
struct LogAfter {
    /// Its events, from the first that the base does not show.
    feed: Arc<dyn Feed>,
    /// Where it stops; one that was cut already has nothing after the stop.
    stop: Moment,
    /// The chain that it is of; none where it is of a server's own files.
    chain: Option<String>,
    /// How many segments, or files, it has.
    pieces: u64,
}

/// Which moment is meant.
#[derive(Debug, Clone)]
pub struct MomentOptions {
    /// The base, where the operator names it; otherwise the newest from which the moment can be reached.
    pub base: Option<String>,
    /// The database, where no base is named.
    pub database: Option<String>,
    /// Which server is addressed.
    pub server: ServerIdentity,
    /// Where the replay stops.
    pub stop: Moment,
    /// Groups that are left out.
    pub skip: Vec<Gtid>,
    /// The directory of the server's own log files; none: the log is what `fwb-follow` has kept in the store.
    pub log: Option<PathBuf>,
    /// Directories that hold servers. They come before the one that is installed.
    pub servers: Vec<PathBuf>,
    /// Where the data of the throwaway server go.
    pub dir: Option<PathBuf>,
    /// How many threads replay at a time.
    pub threads: u32,
}

impl MomentOptions {
    /// A moment of a backup's database, for a proof: nothing is left out, and the log is the store's.
    pub(super) fn for_proof(
        backup: &Manifest,
        stop: Moment,
        servers: &[PathBuf],
        dir: Option<&PathBuf>,
    ) -> Self {
        Self {
            base: None,
            database: backup.database.clone(),
            server: backup.server_identity(),
            stop,
            skip: Vec::new(),
            log: None,
            servers: servers.to_vec(),
            dir: dir.cloned(),
            threads: 1,
        }
    }
}

/// What will be done to reach a moment.
#[derive(Debug, Clone, Serialize)]
pub struct MomentPlan {
    /// The moment, as it was asked for.
    pub moment: String,
    /// The base.
    pub base: String,
    /// When it was made.
    pub base_started_at: Timestamp,
    /// Its store.
    pub store: String,
    /// The database.
    pub database: String,
    /// The chain that the log is of; none where it is of a server's own files.
    pub chain: Option<String>,
    /// How many segments, or files, of the log there are after the base.
    pub pieces: u64,
    /// What is taken out of it.
    pub log: Tally,
    /// Bytes of SQL that the base has.
    pub raw_size: u64,
    /// Bytes of disk that the throwaway server may need.
    pub room: u64,
    /// How long it takes, in seconds, as far as former drills and replays tell.
    pub seconds: Option<TimeForecast>,
    /// What nobody can know.
    pub unknown: Vec<String>,
    /// What will be done, in order.
    pub steps: Vec<String>,
}

/// A time that is expected, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct TimeForecast {
    /// What is expected.
    pub expected: f64,
    /// As little as that, by the fastest that was measured.
    pub least: f64,
    /// As much as that, by the slowest.
    pub most: f64,
}

/// A moment that can be reached: the base is chosen, the log read and intact, nothing else done.
pub struct PlannedMoment<'a> {
    store: &'a Store,
    options: MomentOptions,
    base: Manifest,
    log: LogAfter,
    plan: MomentPlan,
}

/// Chooses the base, and reads the log from there to the stop.
///
/// # Errors
/// [`Error::NoMoment`], the log cannot be read, or what is named is not there.
pub fn plan_moment<'a>(
    store: &'a Store,
    options: MomentOptions,
    context: &Context,
) -> Result<PlannedMoment<'a>> {
    let (base, log) = match &options.log {
        Some(dir) => in_files(store, dir, &options, context)?,
        None => in_chain(store, &options, context)?,
    };
    let database = base.database.clone().unwrap_or_default();
    let tally = read(&base, &log, &options, context)?;
    let stop = &options.stop;
    let no_moment =
        |why: String| Error::NoMoment { moment: format!("{stop} of {database}"), why, remedy: REMEDY.into() };
    if matches!(log.stop, Moment::After(_) | Moment::Before(_)) && !tally.is_met {
        return Err(no_moment(format!("the log after {} does not have that group", base.name)));
    }
    let missing = (options.skip.len() as u64).saturating_sub(tally.skipped);
    if missing > 0 {
        return Err(no_moment(format!(
            "{missing} of the groups to skip are not in the log between {} and that moment",
            base.name
        )));
    }
    let mut unknown = vec![
        "what was written with sql_log_bin=0, and what the server's filters keep out of its log, is in no log".to_owned(),
    ];
    if matches!(log.stop, Moment::At(_)) && !tally.is_met {
        unknown.push("the log ends before that time: whether more was written then, it does not say".into());
    }
    let plan = MomentPlan {
        moment: stop.to_string(),
        base: base.name.clone(),
        base_started_at: base.started_at,
        store: store.place(),
        database: database.clone(),
        chain: log.chain.clone(),
        pieces: log.pieces,
        raw_size: base.raw_size.unwrap_or_default(),
        room: crate::drill::space(&base, room(tally.bytes)),
        seconds: forecast(store, &base, tally.bytes, context)?,
        unknown,
        steps: vec![
            format!("restore {} into a throwaway server", base.name),
            format!("replay {} groups of the log there", tally.groups),
            format!("back {database} up from there, as a backup of kind moment, and prove it"),
            "restore that backup".into(),
        ],
        log: tally,
    };
    Ok(PlannedMoment { store, options, base, log, plan })
}

/// What to do about a moment that cannot be reached.
const REMEDY: &str = "fwb-ls --timeline shows what can be reached";

/// The base and the log after it, of what `fwb-follow` has kept.
fn in_chain(store: &Store, options: &MomentOptions, context: &Context) -> Result<(Manifest, LogAfter)> {
    let database = match (&options.base, &options.database) {
        (Some(base), _) => store.entry(base)?.manifest.database.unwrap_or_default(),
        (None, Some(database)) => database.clone(),
        (None, None) => only_database(&store.list(&context.cancel)?.0, &options.server)?,
    };
    let reached = reach(store, &database, &options.server, options.base.as_deref(), &options.stop, context)?;
    let log = LogAfter {
        stop: Moment::Newest,
        chain: Some(reached.chain.clone()),
        pieces: reached.segments(),
        feed: Arc::new(reached.clone()),
    };
    Ok((reached.base, log))
}

/// The base and the log after it, of the server's own files.
fn in_files(
    store: &Store,
    dir: &Path,
    options: &MomentOptions,
    context: &Context,
) -> Result<(Manifest, LogAfter)> {
    let after = |base: &Manifest| -> Result<Option<LogAfter>> {
        let Some(binlog) = &base.binlog else { return Ok(None) };
        // A manifest may come from anywhere: a name, and no path, is looked for.
        let is_name = Path::new(&binlog.file).file_name().is_some_and(|name| name == binlog.file.as_str());
        if !is_name || !dir.join(&binlog.file).is_file() {
            return Ok(None);
        }
        let files = LogFiles::of_directory(dir, &binlog.file, binlog.position)?;
        let pieces = files.count();
        Ok(Some(LogAfter { feed: Arc::new(files), stop: options.stop.clone(), chain: None, pieces }))
    };
    let none = |why: String| {
        Error::NoMoment {
        moment: options.stop.to_string(),
        why,
        remedy: "name the directory in which the server keeps its log; or leave --log out, where fwb-follow keeps it".into(),
    }
    };
    if let Some(name) = &options.base {
        let base = store.entry(name)?.manifest;
        let log =
            after(&base)?.ok_or_else(|| none(format!("no log in {} goes on from {name}", dir.display())))?;
        return Ok((base, log));
    }
    let (backups, _) = store.list(&context.cancel)?;
    for candidate in candidates(&backups, options.database.as_deref(), &options.server, &options.stop)? {
        context.cancel.check()?;
        let base = store.entry(&candidate.name)?.manifest;
        // The moment that it shows is a little later than its beginning.
        if matches!(&options.stop, Moment::At(at) if base.finished_at > *at) {
            continue;
        }
        if let Some(log) = after(&base)? {
            return Ok((base, log));
        }
        log::info!("no log in {} goes on from {}", dir.display(), base.name);
    }
    Err(none(format!("no log in {} goes on from a backup before it", dir.display())))
}

/// Reads the log up to the stop.
fn read(base: &Manifest, log: &LogAfter, options: &MomentOptions, context: &Context) -> Result<Tally> {
    let case = base.server.as_ref().and_then(crate::manifest::Server::name_case).unwrap_or_default();
    let subject = Subject { database: base.database.clone().unwrap_or_default(), case };
    let rules = Rules { subject, stop: log.stop.clone(), skip: options.skip.clone() };
    let passage = Passage {
        log: Arc::clone(&log.feed),
        rules: Arc::new(rules),
        tally: Arc::new(Mutex::new(None)),
        prepare: Arc::new(|_| Ok(())),
        counters: Counters::default(),
        begin: Arc::new(|| ()),
    };
    context.progress.begin("reading the log", log.feed.size());
    let mut reading = passage.open()?;
    let mut chunk = vec![0; 256 << 10];
    loop {
        context.cancel.check()?;
        let size = reading.read(&mut chunk).map_err(|error| Error::from(ReadError::from(error)))?;
        if size == 0 {
            return Ok(passage.tally().unwrap_or_default());
        }
        context.progress.advance(size as u64);
    }
}

/// How long it takes, by what drills of the base and former replays in the store took.
fn forecast(store: &Store, base: &Manifest, log: u64, context: &Context) -> Result<Option<TimeForecast>> {
    let (backups, _) = store.list(&context.cancel)?;
    let of_database = backups.iter().rev().filter(|backup| backup.database == base.database);
    let mut loads: Vec<f64> = Vec::new();
    let mut replays: Vec<f64> = Vec::new();
    #[expect(clippy::cast_precision_loss, reason = "bytes a second need no more than 52 bits")]
    let rate = |bytes: u64, seconds: f64| (bytes > 0 && seconds > 0.0).then(|| bytes as f64 / seconds);
    let is_told = |backup: &&crate::store::BackupSummary| {
        backup.kind == Kind::Moment
            || backup.verification.as_ref().is_some_and(|outcome| outcome.restore_seconds.is_some())
    };
    for backup in of_database.filter(is_told).take(FORMER) {
        let Ok(entry) = store.entry(&backup.name) else { continue };
        let manifest = entry.manifest;
        let raw_size = manifest.raw_size.unwrap_or_default();
        if let Some(Provenance { base_seconds, replay_seconds, log_size, .. }) = manifest.moment {
            loads.extend(rate(raw_size, base_seconds));
            replays.extend(rate(log_size, replay_seconds));
        }
        let drilled = manifest.verification.and_then(|outcome| outcome.restore_seconds);
        loads.extend(drilled.and_then(|seconds| rate(raw_size, seconds)));
    }
    Ok(expected(&loads, base.raw_size.unwrap_or_default(), &replays, log))
}

/// The most backups that tell of former times.
const FORMER: usize = 10;

/// By rates in bytes a second.
#[expect(clippy::cast_precision_loss, reason = "bytes need no more than 52 bits here")]
fn expected(loads: &[f64], base: u64, replays: &[f64], log: u64) -> Option<TimeForecast> {
    let of = |rates: &[f64], size: u64| {
        let mut seconds: Vec<f64> = rates.iter().map(|rate| size as f64 / rate).collect();
        seconds.sort_by(f64::total_cmp);
        let (least, most) = (*seconds.first()?, *seconds.last()?);
        Some(TimeForecast { expected: seconds[seconds.len() / 2], least, most })
    };
    let nothing = TimeForecast { expected: 0.0, least: 0.0, most: 0.0 };
    let load = of(loads, base)?;
    let replay = if log == 0 { nothing } else { of(replays, log)? };
    Some(TimeForecast {
        expected: load.expected + replay.expected,
        least: load.least + replay.least,
        most: load.most + replay.most,
    })
}

impl PlannedMoment<'_> {
    /// What will be done.
    pub fn plan(&self) -> &MomentPlan {
        &self.plan
    }

    /// Bytes of the base, as it is stored.
    pub(super) fn base_size(&self) -> u64 {
        self.base.size
    }

    /// Reaches the moment, and keeps it as a backup of kind `moment` in the store of the base, proved.
    ///
    /// # Errors
    /// As a replay; or the backup cannot be made or proved.
    pub fn make(
        self,
        keeping: &Keeping,
        connector: &Arc<dyn Connector>,
        context: &Context,
    ) -> Result<Manifest> {
        let kept = keeping.of(&self.base)?;
        let replayed = self.replay(0, connector, context)?;
        super::artifact::keep(self.store, &replayed, &self.options, self.log.chain, kept, context)
    }

    /// Reaches the moment on a throwaway server, beside which so many bytes are needed for what is made of it.
    ///
    /// # Errors
    /// As [`replay`].
    pub(super) fn replay(
        &self,
        beside: u64,
        connector: &Arc<dyn Connector>,
        context: &Context,
    ) -> Result<Replayed> {
        let options = ReplayOptions {
            base: self.base.name.clone(),
            stop: self.log.stop.clone(),
            skip: self.options.skip.clone(),
            servers: self.options.servers.clone(),
            dir: self.options.dir.clone(),
            threads: self.options.threads,
            beside,
            has_gtids: self.plan.log.last.as_deref().is_some_and(|last| last.contains(':')),
        };
        replay(self.store, &options, Arc::clone(&self.log.feed), connector, context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_expected_by_what_was_measured() {
        assert_eq!(expected(&[], 100, &[10.0], 10), None);
        assert_eq!(expected(&[10.0], 100, &[], 10), None);
        let forecast = expected(&[10.0, 20.0, 50.0], 100, &[1.0, 2.0], 10).unwrap();
        assert_eq!(forecast, TimeForecast { expected: 5.0 + 10.0, least: 2.0 + 5.0, most: 10.0 + 10.0 });
        assert!(expected(&[10.0], 100, &[], 0).is_some_and(|forecast| (forecast.most - 10.0).abs() < 1e-9));
    }
}
