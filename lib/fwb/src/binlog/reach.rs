//! Which moments of a database can be reached, and by which backup and which part of a log.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read};
use std::sync::Arc;

use fwb_binlog::{Group, GroupKind, Gtid, GtidPosition};
use serde::Serialize;

use super::chain::Chain;
use super::extent::{Extent, ExtentReader, extents};
use super::scan::{Flow, Found, scan};
use super::segment::Segment;
use crate::error::{Error, Result};
use crate::identity::ServerIdentity;
use crate::manifest::{Binlog, Kind, Manifest, Timestamp, place_in_log};
use crate::progress::Context;
use crate::select::Listing;
use crate::server::Feed;
use crate::store::{BackupSummary, Store};

/// A moment of a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Moment {
    /// The end of the log.
    Newest,
    /// What was committed before it, by the clocks of server and follower.
    At(Timestamp),
    /// After this group.
    After(Gtid),
    /// Before this group.
    Before(Gtid),
    /// The moment of a backup, by its name and the place of the log that it shows.
    OfBackup(String, Binlog),
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Newest => f.write_str("the end of the log"),
            Self::At(at) => write!(f, "{}", at.format("%Y-%m-%d %H:%M:%S%.f%:z")),
            Self::After(gtid) => write!(f, "the moment after {gtid}"),
            Self::Before(gtid) => write!(f, "the moment before {gtid}"),
            Self::OfBackup(name, _) => write!(f, "the moment of {name}"),
        }
    }
}

/// A span of time of which every moment can be reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Window {
    /// The backup that it begins with.
    pub base: String,
    /// The chain of the log.
    pub chain: String,
    /// The moment of the backup.
    pub from: Timestamp,
    /// The last moment.
    pub until: Timestamp,
}

/// How a moment is reached.
#[derive(Debug, Clone)]
pub struct Reached {
    /// The backup that is gone on from.
    pub base: Manifest,
    /// The chain of the log.
    pub chain: String,
    /// Bytes of the log that are read.
    pub raw_size: u64,
    store: Store,
    log: Arc<Chain>,
    extents: Vec<Extent>,
}

/// Each window of a database: from every backup that a log goes on from, as far as that is whole. The oldest backup comes first.
pub fn windows<'a>(backups: impl Iterator<Item = &'a BackupSummary>, chains: &[Chain]) -> Vec<Window> {
    let mut windows = Vec::new();
    for backup in backups.filter(|backup| may_be_base(backup)) {
        for chain in chains {
            let Some(joint) = joint(chain, backup) else { continue };
            let last = whole_from(chain, joint);
            let until = until(chain, last);
            windows.push(Window {
                base: backup.name.clone(),
                chain: chain.id.clone(),
                from: backup.started_at,
                until: until.max(backup.started_at),
            });
        }
    }
    windows
}

/// Until when all is known of a log that is whole up to its `last`th segment.
fn until(chain: &Chain, last: usize) -> Timestamp {
    let until = chain.segments[last].safe_until();
    let said = chain.status.as_ref().map(|status| status.safe_until);
    said.filter(|_| is_at_end(chain, last)).map_or(until, |said| said.max(until))
}

/// Whether a log that is whole up to its `last`th segment is so up to its end. Nobody knows how much a chain has lost behind
/// its last segment.
fn is_at_end(chain: &Chain, last: usize) -> bool {
    last + 1 == chain.segments.len() && !is_broken(chain, last)
}

fn is_broken(chain: &Chain, at: usize) -> bool {
    let name = chain.segments[at].name();
    chain.faults.iter().any(|fault| fault.segment == name)
}

/// Whether a log may go on from a backup, as far as it shows in a listing.
pub(crate) fn may_be_base(backup: &BackupSummary) -> bool {
    is_of_all_it_names(backup) && !backup.is_excluding
}

fn is_of_all_it_names(backup: &BackupSummary) -> bool {
    backup.kind == Kind::Full
        && backup.binlog.is_some()
        && backup.problems.is_empty()
        && backup.whole != Some(false)
}

/// Whether it is for what it leaves out that no log goes on from a backup: nobody could tell which rows a change finds.
fn is_excluded(backup: &BackupSummary) -> bool {
    backup.is_excluding && is_of_all_it_names(backup)
}

/// The segment in which the place of the server's log is that a backup shows; the one before, where it is at a border. None where
/// the chain does not go on from there. Names of files and places are the same on many servers.
pub(super) fn joint(chain: &Chain, backup: &BackupSummary) -> Option<usize> {
    let at = backup.binlog.as_ref().filter(|_| chain.goes_with(backup))?;
    let is_other =
        |segment: &Segment| segment.source.uid.as_ref().zip(backup.uid.as_ref()).is_some_and(|(a, b)| a != b);
    let has = |segment: &Segment| {
        segment.file == at.file
            && segment.start <= at.position
            && at.position <= segment.end
            && !is_other(segment)
    };
    chain.segments.iter().position(has)
}

/// The last segment up to which a chain is whole from this one on.
fn whole_from(chain: &Chain, from: usize) -> usize {
    let broken = (from + 1..chain.segments.len()).find(|at| is_broken(chain, *at));
    broken.map_or(chain.segments.len() - 1, |at| at - 1)
}

/// Finds how a moment of a database is reached: from the newest backup before it that a log goes on from without a gap. `base`
/// names the backup, where it is not to be chosen.
///
/// # Errors
/// [`Error::NoMoment`] with the reason; the store cannot be read, no identity reads a segment, or a signal arrived.
pub fn reach(
    store: &Store,
    database: &str,
    server: &ServerIdentity,
    base: Option<&str>,
    moment: &Moment,
    context: &Context,
) -> Result<Reached> {
    let listing = Listing::read(store, &context.cancel)?;
    let chains = store.chains(&context.cancel)?;
    let (mut why, mut damaged) = (Vec::new(), None);
    let of_database = |backup: &&BackupSummary| {
        backup.database.as_deref() == Some(database)
            && !backup.server.differs(server)
            && base.is_none_or(|base| backup.name == base)
    };
    let candidates: Vec<&BackupSummary> = listing.entries.iter().filter(of_database).collect();
    for backup in candidates.iter().rev() {
        if !may_be_base(backup) {
            if is_excluded(backup) {
                why.push(format!(
                    "no log goes on from {}, which leaves tables out (--exclude-table, --exclude-data)",
                    backup.name
                ));
            }
            continue;
        }
        if matches!(moment, Moment::At(at) if *at < backup.started_at) {
            continue;
        }
        let Some(binlog) = &backup.binlog else { continue };
        if matches!(moment, Moment::OfBackup(name, place) if !may_lead_to(&listing.entries, backup, binlog, name, place))
        {
            continue;
        }
        for chain in chains.chains.iter().rev() {
            let Some(joint) = joint(chain, backup) else { continue };
            let attempt = Attempt { store, backup, chain, joint, database, moment, context };
            match attempt.reach(binlog) {
                Ok(Ok(reached)) => return Ok(reached),
                Ok(Err(no)) => why.push(format!("{}: {no}", backup.name)),
                // Another chain may be whole.
                Err(error @ Error::Damaged { .. }) => {
                    log::warn!(code = crate::notice::VERIFICATION.code; "{error}");
                    damaged.get_or_insert(error);
                }
                Err(error) => return Err(error),
            }
        }
        if !chains.chains.iter().any(|chain| self::joint(chain, backup).is_some()) {
            let log = chains.newest(&backup.server).filter(|chain| !chain.covers(backup));
            why.push(match log {
                Some(chain) => format!("{}: {}", backup.name, chain.keeps_others()),
                None => format!("{}: no log goes on from it", backup.name),
            });
        }
    }
    if let Some(error) = damaged {
        return Err(error);
    }
    if why.is_empty() {
        why.push(if candidates.is_empty() {
            format!("the store has no backup of {database} from this server")
        } else {
            "no backup is older, whole, and says where the binary log stood".into()
        });
    }
    why.truncate(5);
    Err(Error::NoMoment {
        moment: format!("{moment} of {database}"),
        why: why.join("; "),
        remedy: "fwb-ls --timeline shows what can be reached".into(),
    })
}

/// One backup and one chain.
struct Attempt<'a> {
    store: &'a Store,
    backup: &'a BackupSummary,
    chain: &'a Chain,
    joint: usize,
    database: &'a str,
    moment: &'a Moment,
    context: &'a Context,
}

/// What was seen of the log after a backup.
#[derive(Default)]
struct Seen {
    /// Where the replay ends: the file, and where in it.
    end: Option<(String, u64)>,
    is_met: bool,
    /// XA transactions that were prepared before the backup's moment and completed after it.
    carried: Vec<Vec<u8>>,
}

impl Attempt<'_> {
    /// The inner error: why not.
    fn reach(&self, binlog: &Binlog) -> Result<Result<Reached, String>> {
        let Some(manifest) = self.store.manifest_of(self.backup, None)? else {
            return Ok(Err("it was deleted meanwhile".into()));
        };
        let log = Arc::new(self.chain.clone());
        let last_whole = whole_from(&log, self.joint);
        let mut wanted = Vec::new();
        for extent in extents(&log.segments[self.joint..=last_whole]) {
            if extent.file == binlog.file && extent.to < binlog.position {
                continue;
            }
            let from = if extent.file == binlog.file { binlog.position } else { extent.from };
            wanted.push(Extent { from, ..extent });
        }
        let known = match self.position_at(&log, binlog)? {
            Ok(known) => known,
            Err(why) => return Ok(Err(why)),
        };
        if let (Some(known), Some(Ok(said))) =
            (&known, binlog.gtid.as_ref().map(|gtid| gtid.parse::<GtidPosition>()))
            && (matches!(self.moment, Moment::After(gtid) | Moment::Before(gtid) if said.contains(*gtid) && known.contains(*gtid)))
        {
            return Ok(Err("it is of a later moment".into()));
        }
        let prepared = self.prepared_before(&log, binlog)?;
        let making = MakingOf::of(&manifest);
        let mut seen = Seen::default();
        let mut unfit = None;
        scan(self.store, &log, &wanted, known, &self.context.cancel, &mut |found| {
            if unfit.is_none() {
                unfit = making.breaks(&found, self.database, manifest.finished_at);
            }
            Ok(self.take(&mut seen, &prepared, found))
        })?;
        if let Some(unfit) = unfit {
            return Ok(Err(unfit));
        }
        let known_until = until(&log, last_whole).max(self.backup.started_at);
        if !seen.is_met {
            let is_reached = match self.moment {
                Moment::Newest => is_at_end(&log, last_whole),
                Moment::At(at) => *at <= known_until,
                Moment::After(_) | Moment::Before(_) => false,
                Moment::OfBackup(_, place) => {
                    wanted.last().is_some_and(|extent| !is_before(&extent.file, extent.to, place))
                }
            };
            if !is_reached {
                let how = if is_at_end(&log, last_whole) { "ends at" } else { "is whole up to" };
                let what = if matches!(self.moment, Moment::Newest) { "its end" } else { "that moment" };
                return Ok(Err(format!("the log after it {how} {known_until}, without {what}")));
            }
        }
        if let (true, Some((file, to))) = (seen.is_met, &seen.end) {
            let at = wanted.iter().position(|extent| extent.file == *file).map_or(wanted.len(), |at| at + 1);
            wanted.truncate(at);
            if let Some(last) = wanted.last_mut() {
                last.to = *to;
            }
        }
        let mut all = Vec::new();
        for name in &seen.carried {
            all.extend(prepared.get(name).cloned());
        }
        all.extend(wanted);
        // Where nothing is replayed, the log is its description alone.
        let has_any = all.iter().any(|extent| extent.from < extent.to);
        if has_any {
            all.retain(|extent| extent.from < extent.to);
        } else {
            all.truncate(1);
        }
        Ok(Ok(Reached {
            base: manifest,
            chain: log.id.clone(),
            raw_size: all.iter().map(|extent| extent.to - extent.from).sum(),
            store: self.store.clone(),
            log,
            extents: all,
        }))
    }

    /// The groups before the backup's moment, by the log; the inner error: they are not those that the backup says.
    fn position_at(&self, log: &Arc<Chain>, binlog: &Binlog) -> Result<Result<Option<GtidPosition>, String>> {
        let segment = &log.segments[self.joint];
        let begin = whole_groups_from(log, self.joint);
        let known = log.segments[begin].gtid_before.clone();
        let extent =
            Extent { file: segment.file.clone(), from: log.segments[begin].start, to: binlog.position };
        let reached = if extent.from < extent.to {
            scan(self.store, log, &[extent], Some(known), &self.context.cancel, &mut |_| Ok(Flow::On))?
        } else {
            Some(known)
        };
        let said = binlog.gtid.as_ref().and_then(|gtid| gtid.parse::<GtidPosition>().ok());
        if let (Some(reached), Some(said)) = (&reached, &said)
            && reached != said
            && !(reached.covers(said) && said.covers(reached))
        {
            return Ok(Err(format!(
                "it is of another history: the log has {reached} where the backup says {said}"
            )));
        }
        Ok(Ok(reached))
    }

    /// XA transactions that are prepared and not completed at the backup's moment: neither its rows nor the log behind it have
    /// what they did.
    fn prepared_before(&self, log: &Arc<Chain>, binlog: &Binlog) -> Result<BTreeMap<Vec<u8>, Extent>> {
        let mut prepared: BTreeMap<Vec<u8>, Extent> = BTreeMap::new();
        for at in 0..=self.joint {
            let segment = &log.segments[at];
            if segment.xa_prepared.is_empty() && segment.xa_completed.is_empty() {
                continue;
            }
            let begin = whole_groups_from(log, at);
            let is_joint = segment.file == binlog.file;
            let to = if is_joint { segment.end.min(binlog.position) } else { segment.end };
            let extent = Extent { file: segment.file.clone(), from: log.segments[begin].start, to };
            if extent.from >= extent.to {
                continue;
            }
            let known = log.segments[begin].gtid_before.clone();
            scan(self.store, log, &[extent], Some(known), &self.context.cancel, &mut |found| {
                match &found.group.kind {
                    GroupKind::XaPrepared(name) => {
                        let (from, to) = (found.group.start, found.end());
                        prepared.insert(name.clone(), Extent { file: found.file.clone(), from, to });
                    }
                    GroupKind::XaCompleted { name, .. } => drop(prepared.remove(name)),
                    _ => {}
                }
                Ok(Flow::On)
            })?;
        }
        Ok(prepared)
    }

    /// Takes a group after the backup's moment: is it before the one that is asked for?
    fn take(&self, seen: &mut Seen, prepared: &BTreeMap<Vec<u8>, Extent>, found: Found) -> Flow {
        let gtid = found.group.gtid;
        let is_beyond = match self.moment {
            Moment::Newest | Moment::After(_) => false,
            Moment::At(at) => found.at >= *at,
            Moment::Before(before) => gtid == Some(*before),
            Moment::OfBackup(_, place) => !is_before(&found.file, found.group.start, place),
        };
        if is_beyond {
            seen.is_met = true;
            seen.end = Some((found.file, found.group.start));
            return Flow::Enough;
        }
        if seen.is_met {
            // The group behind it was judged too: rows that no snapshot covers may show it.
            return Flow::Enough;
        }
        if let GroupKind::XaCompleted { name, .. } = &found.group.kind
            && prepared.contains_key(name)
            && !seen.carried.contains(name)
        {
            seen.carried.push(name.clone());
        }
        if matches!(self.moment, Moment::After(after) if gtid == Some(*after)) {
            seen.is_met = true;
            seen.end = Some((found.file.clone(), found.end()));
        }
        Flow::On
    }
}

/// Whether a log may lead from a backup to another one's place: it stood before that place, or at it and is the older one. Two
/// backups are at one place where nothing was written between them.
fn may_lead_to(all: &[BackupSummary], from: &BackupSummary, at: &Binlog, name: &str, place: &Binlog) -> bool {
    if at.place_in_log() == place.place_in_log() {
        let index = |name: &str| all.iter().position(|backup| backup.name == name);
        return index(&from.name) < index(name);
    }
    is_before(&at.file, at.position, place)
}

/// Whether a place of a server's log is before another one.
fn is_before(file: &str, position: u64, other: &Binlog) -> bool {
    place_in_log(file, position) < other.place_in_log()
}

/// The first segment at or before this one, in the same file, that begins between two groups.
pub(super) fn whole_groups_from(chain: &Chain, at: usize) -> usize {
    let file = &chain.segments[at].file;
    let mut begin = at;
    while begin > 0 && chain.segments[begin].begins_within && chain.segments[begin - 1].file == *file {
        begin -= 1;
    }
    begin
}

/// The time in which a backup was made, and its tables whose rows are not of its moment but of some time in it.
struct MakingOf {
    without_snapshot: Vec<String>,
    end: Option<Binlog>,
}

impl MakingOf {
    fn of(manifest: &Manifest) -> Self {
        let end = manifest.extra.get("binlog_end").cloned();
        Self {
            without_snapshot: manifest.without_snapshot(),
            end: end.and_then(|end| serde_json::from_value(end).ok()),
        }
    }

    /// Why a group makes the backup no base: it changed, while the backup was made, a table that no snapshot covers.
    fn breaks(&self, found: &Found, database: &str, finished: Timestamp) -> Option<String> {
        if self.without_snapshot.is_empty() {
            return None;
        }
        let is_within = match &self.end {
            Some(end) if end.file == found.file => found.group.start < end.position,
            // Names of files grow by numbers of one width.
            Some(end) => found.file < end.file,
            None => found.at <= finished + chrono::TimeDelta::seconds(2),
        };
        if !is_within {
            return None;
        }
        let table = self.without_snapshot.iter().find(|table| changes(&found.group, database, table))?;
        Some(format!("{table} was written to while the backup was made, and no snapshot covers its engine"))
    }
}

/// Whether a group may change a table.
fn changes(group: &Group, database: &str, table: &str) -> bool {
    let by_rows = group.tables.contains_key(&(database.to_owned(), table.to_owned()));
    let by_statement = group.statements.iter().any(|statement| {
        statement.is_executed
            && (statement.database.as_deref() == Some(database)
                || String::from_utf8_lossy(&statement.text).contains(database))
    });
    by_rows || by_statement || group.is_opaque
}

impl Feed for Reached {
    fn open(&self) -> Result<Box<dyn Read + Send>> {
        Self::open(self)
    }

    fn size(&self) -> u64 {
        self.raw_size
    }
}

impl Reached {
    /// How many segments have the log between the backup and the moment.
    pub fn segments(&self) -> u64 {
        let is_in = |segment: &&Segment| {
            self.extents.iter().any(|extent| {
                segment.file == extent.file && segment.start < extent.to && extent.from < segment.end
            })
        };
        self.log.segments.iter().filter(is_in).count() as u64
    }

    /// The log between the backup and the moment, as one file: its beginning, and the groups. Where another of the server's files
    /// begins, its format description is in between.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn open(&self) -> Result<Box<dyn Read + Send>> {
        let mut readers: Vec<Box<dyn Read + Send>> = Vec::new();
        for (number, extent) in self.extents.iter().enumerate() {
            let reader = ExtentReader::new(&self.store, &self.log, extent);
            let mut preamble = reader.preamble()?;
            if number > 0 {
                preamble.drain(..fwb_binlog::MAGIC.len());
            }
            readers.push(Box::new(io::Cursor::new(preamble).chain(reader)));
        }
        Ok(Box::new(Joined { readers: readers.into_iter(), present: None }))
    }
}

/// Several streams, one after the other.
struct Joined {
    readers: std::vec::IntoIter<Box<dyn Read + Send>>,
    present: Option<Box<dyn Read + Send>>,
}

impl Read for Joined {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let Some(reader) = &mut self.present else {
                match self.readers.next() {
                    Some(next) => self.present = Some(next),
                    None => return Ok(0),
                }
                continue;
            };
            match reader.read(buffer)? {
                0 if !buffer.is_empty() => self.present = None,
                read => return Ok(read),
            }
        }
    }
}
