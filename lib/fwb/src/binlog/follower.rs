//! Follows a server's log: what the server writes becomes segments, and each time it is gone on with, it is proved that nothing
//! is missing in between.

use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::Map;

use super::chain::Chain;
use super::clock::Clock;
use super::delivery::{Pauses, create, create_in_the_end, is_no_such_place, is_passing, say, tidy};
use super::facts::LogFacts;
use super::leftover::publish_left;
use super::only::Only;
use super::options::{FollowFrom, FollowOptions};
use super::outbox::{Job, Outbox};
use super::reading::{Passed, Reading};
use super::segment::{MOST_HELD, Segment};
use super::spool::Spool;
use super::status::{FollowState, FollowStatus, STATUS_SCHEMA, SUFFIX};
use super::writer::{ChainEnd, SegmentWriter};
use crate::error::{Error, ErrorClass, Result};
use crate::manifest::{Kind, Timestamp, now};
use crate::progress::{Context, seconds_since};
use crate::run::{host_name, run_id};
use crate::server::{LogPlace, LogStart, LogStream, ServerClient};
use crate::store::Store;

/// What following is called in errors.
pub(super) const FOLLOWING: &str = "following the binary log";
/// The bounds of the server's signs of life.
const QUICKEST: Duration = Duration::from_millis(500);
const SLOWEST: Duration = Duration::from_secs(30);
/// The longest time for which nothing is read: it is added to what may be lost.
const LONGEST_STRIDE: Duration = Duration::from_secs(1);
/// How often the follower says at least that it lives.
const WORD_EVERY: Duration = Duration::from_secs(15);
/// After how many segments small ones are put together.
const COMPACT_AFTER: u64 = 120;
/// The most bytes of the log that are taken before whoever waits for them is answered.
const MOST_UNANSWERED: usize = 1 << 20;

/// What was followed.
#[derive(Debug, Clone, Serialize)]
pub struct FollowReport {
    /// The store.
    pub store: String,
    /// The chain that was written last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chain: Option<String>,
    /// Why it was begun; absent where it was gone on with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub begun_because: Option<String>,
    /// The databases of which alone it has changes; absent where it has all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub only: Vec<String>,
    /// Segments published.
    pub segments: u64,
    /// Groups in them that ended.
    pub groups: u64,
    /// Bytes of the log in them.
    pub raw_size: u64,
    /// Bytes that they take.
    pub size: u64,
    /// The file of the server's log, and where in it the chain ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Where in that file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<u64>,
    /// The groups before that place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gtid: Option<String>,
    /// All that was written to the server's log before this moment is in the store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub safe_until: Option<Timestamp>,
    /// How long it took, in seconds.
    pub seconds: f64,
}

/// Follows the log of a server into a store, until its present end or until a signal arrives. What was gathered by then is
/// published in either case.
///
/// # Errors
/// The server has no log that can be followed, or refuses; the store cannot be used. Where the log is to be followed for ever,
/// a server or a store that is away is waited for.
pub fn follow(
    store: &Store,
    server: &ServerClient,
    options: &FollowOptions,
    context: &Context,
) -> Result<FollowReport> {
    let begun = Instant::now();
    let spool = match &options.spool {
        Some(root) => Spool::open(root, &store.place(), &options.server, options.semi_sync)?,
        None => None,
    };
    std::thread::scope(|scope| {
        // Without commits that wait, what a spool has left is published, and nothing comes into it.
        let outbox = spool
            .as_ref()
            .filter(|_| options.semi_sync)
            .map(|spool| Outbox::start(scope, store, spool.finished().clone(), &context.cancel));
        let mut follower = Follower {
            store,
            server,
            options,
            context,
            clock: Clock::new(None),
            anew: options.begins_anew.then(|| "it was asked for".to_owned()),
            ran_into_gap: false,
            said: None,
            last: (0, String::new()),
            uncompacted: 0,
            spool,
            outbox,
            is_waited_for: false,
            report: FollowReport {
                store: store.place(),
                chain: None,
                begun_because: None,
                only: options.only.iter().map(|name| name.as_str().to_owned()).collect(),
                segments: 0,
                groups: 0,
                raw_size: 0,
                size: 0,
                file: None,
                position: None,
                gtid: None,
                safe_until: None,
                seconds: 0.0,
            },
        };
        let done = follower.run();
        let ended = follower.report.chain.is_some() && !matches!(done, Err(Error::Followed { .. }));
        if ended {
            // Whoever sends a signal wants it to end.
            let failed =
                done.as_ref().err().filter(|error| !matches!(error.class(), ErrorClass::Interrupted(_)));
            follower.say(FollowState::Ended, failed.map(ToString::to_string));
        }
        let delivered = follower.outbox.take().map_or(Ok(()), Outbox::end);
        follower.tell_left();
        follower.report.seconds = seconds_since(begun);
        done.and(delivered).map(|()| follower.report)
    })
}

/// Follows.
struct Follower<'a, 'scope> {
    store: &'a Store,
    server: &'a ServerClient,
    options: &'a FollowOptions,
    context: &'a Context,
    clock: Clock,
    /// Why the next chain is a new one.
    anew: Option<String>,
    /// Whether the chain that was begun last ended in a gap: the next one begins behind it.
    ran_into_gap: bool,
    /// When the follower said last that it lives.
    said: Option<Instant>,
    /// The number of the chain's last segment, and the hash with it.
    last: (u64, String),
    /// Segments published since small ones were put together last.
    uncompacted: u64,
    /// What has what the store does not have yet, and who publishes it.
    spool: Option<Spool>,
    outbox: Option<Outbox<'scope>>,
    /// Whether the server has commits wait for us.
    is_waited_for: bool,
    report: FollowReport,
}

/// Why a connection's log was read no further.
enum End {
    /// It was at its end.
    Reached,
    /// What the server has is not what the chain goes on with.
    Gap(String),
}

impl Follower<'_, '_> {
    fn run(&mut self) -> Result<()> {
        let mut pauses = Pauses::default();
        loop {
            let published = self.report.segments;
            let error = match self.connection() {
                Ok(End::Reached) if self.options.once => return Ok(()),
                // A server that is shut down in order ends its log as if that had been asked for.
                Ok(End::Reached) => {
                    let ended =
                        std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "the server has ended it");
                    Error::Lost { doing: FOLLOWING.into(), source: ended }
                }
                Ok(End::Gap(why)) => {
                    log::warn!(code = crate::notice::CHAIN_BEGUN.code; "a new chain begins, and needs a new base: make a backup. {why}");
                    self.anew = Some(why);
                    if self.ran_into_gap {
                        pauses.wait(&self.context.cancel)?;
                    }
                    continue;
                }
                Err(error) => self.context.cancel.explain(error),
            };
            if self.options.once || !is_passing(&error) {
                return Err(error);
            }
            if self.report.segments > published {
                pauses = Pauses::default();
            }
            pauses.tell(&error);
            self.say(FollowState::Waiting, Some(error.to_string()));
            pauses.wait(&self.context.cancel)?;
        }
    }

    /// The store gets what waits in the spool: only then is it known where the chain ends. It is there whether the server is
    /// or not.
    fn empty_spool(&mut self) -> Result<()> {
        let cancel = &self.context.cancel;
        if let Some(outbox) = &self.outbox {
            outbox.wait(cancel)?;
        }
        let Some(spool) = &mut self.spool else { return Ok(()) };
        let published = publish_left(self.store, spool, cancel)?;
        if published > 0 {
            log::info!(code = crate::notice::SPOOL.code;
                "{published} segments that an earlier follower had left in {} are published", spool.finished().path().display()
            );
        }
        Ok(())
    }

    /// Says what stays in the spool.
    fn tell_left(&self) {
        let Some(spool) = &self.spool else { return };
        let waiting = spool.finished().names().map_or(0, |names| names.len());
        if waiting > 0 {
            log::warn!(code = crate::notice::SPOOL.code;
                "{waiting} segments wait in {}: the next start publishes them", spool.finished().path().display()
            );
        }
    }

    /// Goes on with the chain, or begins one, over one connection.
    fn connection(&mut self) -> Result<End> {
        self.empty_spool()?;
        let cancel = &self.context.cancel;
        let facts = LogFacts::ask(self.server, cancel)?;
        if self.options.semi_sync {
            facts.tell_semi_sync();
        }
        let source = facts.source(&self.options.server);
        let only = Only::new(&self.options.only, facts.name_case);
        let chains = self.store.chains(cancel)?;
        let newest = chains.newest(&self.options.server);
        if let Some(chain) = newest {
            // Whatever has become of this host's clock: neither a segment nor a chain comes before the last one.
            let arrived = chain.last().and_then(Segment::arrived);
            self.clock = Clock::new(chain.safe_until().max(arrived));
        }
        if let (None, Some(chain)) = (&self.anew, newest) {
            match refusal(chain, &facts, &only) {
                None => return self.go_on(chain, &facts, only),
                Some(why) => return Ok(End::Gap(why)),
            }
        }
        let why = self.anew.clone().unwrap_or_else(|| "it is the first of this server".into());
        let mut places = Vec::new();
        // What lies between the newest backup and a gap leads into the gap again.
        let from = if self.ran_into_gap { FollowFrom::Now } else { self.options.from };
        match from {
            FollowFrom::Oldest => places.push(LogPlace::Oldest),
            FollowFrom::Base | FollowFrom::Now => {
                let base = if from == FollowFrom::Base { self.newest_base(&only)? } else { None };
                places.extend(base.map(|file| LogPlace::At { file, position: FIRST }));
                places.push(match facts.file(self.server, cancel)? {
                    Some(file) => LogPlace::At { file, position: FIRST },
                    None => LogPlace::Oldest,
                });
            }
        }
        let chain = run_id("log", self.clock.now())?;
        let at = self.clock.now();
        let never = chrono::DateTime::UNIX_EPOCH.fixed_offset();
        for (number, place) in places.iter().enumerate() {
            let end = ChainEnd {
                chain: chain.clone(),
                next: 1,
                previous: None,
                file: String::new(),
                position: FIRST,
                gtid: fwb_binlog::GtidPosition::default(),
                within: false,
                seen: never,
                until: at,
            };
            let encryption = self.options.encryption.clone();
            let writer = SegmentWriter::new(end, Some(why.clone()), source.clone(), only.clone(), encryption);
            let reading = Reading::of_new_chain(writer, never);
            let published = self.report.segments;
            let done = match self.read(place.clone(), reading) {
                Err(error) if is_no_such_place(&error) && self.report.segments > published => {
                    Ok(End::Gap(format!("the server's log breaks off: {error}")))
                }
                Err(error) if is_no_such_place(&error) && number + 1 < places.len() => {
                    log::debug!("the server has the log of the newest backup no longer: {error}");
                    continue;
                }
                done => done,
            };
            self.ran_into_gap |= matches!(done, Ok(End::Gap(_)));
            return done;
        }
        Ok(End::Reached)
    }

    /// The file of the log in which the newest backup was made.
    fn newest_base(&self, only: &Only) -> Result<Option<String>> {
        let (backups, _) = self.store.list(&self.context.cancel)?;
        let base = backups.into_iter().rev().find(|backup| {
            backup.kind == Kind::Full
                && backup.binlog.is_some()
                && backup.database.as_deref().is_none_or(|database| only.is(database))
                && !backup.server.differs(&self.options.server)
        });
        Ok(base.and_then(|backup| backup.binlog).map(|binlog| binlog.file))
    }

    fn go_on(&mut self, chain: &Chain, facts: &LogFacts, only: Only) -> Result<End> {
        let Some(last) = chain.last() else { return Ok(End::Gap("the chain is empty".into())) };
        self.ran_into_gap = false;
        let until = chain.safe_until().unwrap_or_else(now);
        let end = ChainEnd {
            chain: chain.id.clone(),
            next: last.last + 1,
            previous: Some(last.hash.clone()),
            file: last.file.clone(),
            position: last.end,
            gtid: last.gtid_after.clone(),
            within: last.ends_within,
            seen: last
                .parts
                .last()
                .map_or(until, |part| part.seen)
                .max(chain.status.as_ref().map_or(last.safe_until(), |status| status.safe_until)),
            until: last.arrived().unwrap_or(until),
        };
        self.report.chain = Some(chain.id.clone());
        self.last = (last.last, last.hash.clone());
        if chain.segments.len() as u64 >= COMPACT_AFTER || !chain.covered.is_empty() {
            self.tidy(&chain.id);
        }
        let source = facts.source(&self.options.server);
        let writer = SegmentWriter::new(end, None, source, only, self.options.encryption.clone());
        let place = LogPlace::At { file: last.file.clone(), position: last.overlap.from };
        let reading = Reading::of_chain(writer, last);
        match self.read(place, reading) {
            Err(error) if is_no_such_place(&error) => Ok(End::Gap(format!(
                "the server has its log no longer from where the chain {} ends, {}:{}: {error}",
                chain.id, last.file, last.end
            ))),
            done => done,
        }
    }

    /// Reads the log from a place on.
    fn read(&mut self, place: LogPlace, mut reading: Reading) -> Result<End> {
        let heartbeat = (self.options.every / 2).clamp(QUICKEST, SLOWEST);
        let start = LogStart {
            place,
            server_id: self.options.server_id.unwrap_or_else(random_server_id),
            heartbeat,
            stride: if self.options.once || self.options.semi_sync {
                Duration::ZERO
            } else {
                (self.options.every / 5).min(LONGEST_STRIDE)
            },
            semi_sync: self.options.semi_sync,
            ends: self.options.once,
        };
        let cancel = self.context.cancel.clone();
        let mut is_asked = false;
        if self.outbox.is_some() {
            reading.spool();
        }
        let mut stream = self.server.follow(&start, &cancel)?;
        let outcome = loop {
            let sent = match stream.next() {
                Ok(Some(sent)) => sent,
                Ok(None) => match reading.at_end() {
                    Some(why) => break Ok(End::Gap(why)),
                    None => {
                        reading.no_more_at(self.clock.now());
                        break Ok(End::Reached);
                    }
                },
                Err(error) => break Err(cancel.explain(error.doing(FOLLOWING))),
            };
            let now = self.clock.now();
            let (wants_word, was_within) = (sent.wants_word, reading.is_within());
            is_asked |= wants_word;
            let passed = reading.take(sent, now, &mut |reading| self.publish(reading));
            match passed {
                Ok(Passed::On) => {}
                Ok(Passed::Gap(why)) => {
                    // What came before it is the chain's.
                    self.publish(&mut reading)?;
                    return Ok(End::Gap(why));
                }
                Err(error) => break Err(error),
            }
            if self.is_due(&reading) {
                self.publish(&mut reading)?;
            }
            if is_asked && (stream.has_taken_all() || reading.unspooled() >= MOST_UNANSWERED) {
                match self.answer(&mut *stream, &mut reading) {
                    Ok(()) => is_asked = false,
                    Err(error) => break Err(cancel.explain(error)),
                }
            }
            if was_within && !reading.is_within() {
                self.is_waited_for = wants_word;
            }
            if reading.is_past_overlap() {
                self.seen(&reading)?;
            }
        };
        // What has come is whole and in order, whatever came after it.
        match outcome {
            Ok(End::Gap(_)) => outcome,
            Ok(End::Reached) => {
                self.publish(&mut reading)?;
                self.seen(&reading)?;
                outcome
            }
            Err(error) => {
                self.publish(&mut reading)?;
                Err(error)
            }
        }
    }

    /// Whether what was gathered is to become a segment now: in the middle of a group a little later.
    fn is_due(&mut self, reading: &Reading) -> bool {
        let Some(since) = reading.writer.since() else { return false };
        let most = if reading.is_undecided() { MOST_HELD as u64 } else { self.options.segment_size };
        if reading.writer.size() as u64 >= most || reading.writer.is_crowded() {
            return true;
        }
        // What belongs to a statement is left out with it, as long as it is here.
        if reading.is_undecided() {
            return false;
        }
        let waited = (self.clock.now() - since).to_std().unwrap_or_default();
        waited >= if reading.is_within() { self.options.every } else { self.options.every / 2 }
    }

    /// Makes a segment of what was gathered, and publishes it.
    fn publish(&mut self, reading: &mut Reading) -> Result<()> {
        if reading.writer.size() == 0 || !reading.is_past_overlap() {
            return Ok(());
        }
        let (segment, file) = reading.cut()?;
        match (&mut self.spool, &self.outbox) {
            (Some(spool), Some(outbox)) => {
                spool.finish(&segment.name(), &file)?;
                outbox.check()?;
                outbox.add(Job::Segment(segment.name()));
            }
            _ if self.options.once => create(self.store, &segment.name(), &file)?,
            _ => create_in_the_end(self.store, &segment.name(), &file, &self.context.cancel)?,
        }
        log::debug!(
            "published {}: {} bytes of {}",
            segment.name(),
            segment.end - segment.start,
            segment.file
        );
        let report = &mut self.report;
        report.chain = Some(segment.chain.clone());
        if segment.begun_because.is_some() {
            report.begun_because.clone_from(&segment.begun_because);
            self.anew = None;
        }
        report.segments += 1;
        self.last = (segment.last, segment.hash);
        self.uncompacted += 1;
        report.groups += segment.groups;
        report.raw_size += segment.end - segment.start;
        report.size += file.len() as u64;
        self.context.progress.advance(segment.end - segment.start);
        if self.uncompacted >= COMPACT_AFTER {
            self.tidy(&segment.chain);
        }
        Ok(())
    }

    /// Puts all that has come on the disk, and says so to those who wait for that.
    fn answer(&mut self, stream: &mut dyn LogStream, reading: &mut Reading) -> Result<()> {
        if let Some(spool) = &mut self.spool
            && let Some(segment) = reading.cut_for_spool()?
        {
            spool.append(&segment)?;
        }
        stream.acknowledge(reading.file(), reading.position()).map_err(|error| error.doing(FOLLOWING))
    }

    /// Puts small segments together.
    fn tidy(&mut self, chain: &str) {
        self.uncompacted = 0;
        match &self.outbox {
            Some(outbox) => outbox.add(Job::Tidy(chain.into())),
            None => tidy(self.store, chain, &self.context.cancel),
        }
    }

    /// Notes how far all is safe, and says from time to time that the follower lives.
    ///
    /// # Errors
    /// What was to be published meanwhile has failed for good.
    fn seen(&mut self, reading: &Reading) -> Result<()> {
        let report = &mut self.report;
        report.file = Some(reading.file().to_owned());
        report.position = Some(reading.writer.position() - reading.writer.size() as u64);
        report.gtid = reading.gtid().map(ToString::to_string).filter(|gtid| !gtid.is_empty());
        // Whatever is gathered and not published is not safe.
        let known = reading.known_until();
        report.safe_until = Some(reading.writer.since().map_or(known, |since| since.min(known)));
        let every = self.options.every.max(WORD_EVERY);
        if report.chain.is_some() && self.said.is_none_or(|said| said.elapsed() >= every) {
            self.outbox.as_ref().map_or(Ok(()), Outbox::check)?;
            self.say(FollowState::Following, None);
        }
        Ok(())
    }

    /// Says what the follower does. That it cannot be said is told by the next word or segment.
    fn say(&mut self, state: FollowState, problem: Option<String>) {
        let (Some(chain), Some(safe_until)) = (self.report.chain.clone(), self.report.safe_until) else {
            return;
        };
        self.said = Some(Instant::now());
        let status = FollowStatus {
            schema: STATUS_SCHEMA.into(),
            at: now(),
            safe_until,
            state,
            problem,
            last: self.last.0,
            hash: self.last.1.clone(),
            every: self.options.every.as_secs().max(1),
            once: self.options.once,
            semi_sync: self.is_waited_for,
            host: host_name().unwrap_or_default(),
            pid: std::process::id(),
            extra: Map::new(),
            chain: chain.clone(),
        };
        let Ok(word) = serde_json::to_vec(&status) else { return };
        let name = format!("{chain}{SUFFIX}");
        match &self.outbox {
            // It comes after the segments that it speaks of.
            Some(outbox) => outbox.add(Job::Word(name, word)),
            None => say(self.store, &name, &word),
        }
    }
}

/// Where the first event of a file begins.
const FIRST: u64 = fwb_binlog::MAGIC.len() as u64;

/// Why a chain is not gone on with.
fn refusal(chain: &Chain, facts: &LogFacts, only: &Only) -> Option<String> {
    if let Some(fault) = chain.faults.first() {
        return Some(format!("the chain {} is broken at {}: {}", chain.id, fault.segment, fault.problem));
    }
    let last = chain.last()?;
    let (theirs, ours) = (&last.source.uid, &facts.uid);
    // What MariaDB calls itself changes with its address: there the last transaction has to be the same, and that is all.
    let is_lasting = !facts.is_mariadb();
    if is_lasting && theirs.is_some() && ours.is_some() && theirs != ours {
        return Some(format!("the chain {} is of a server that calls itself otherwise", chain.id));
    }
    let names = only.names();
    if last.only != names {
        let said = |names: &[String]| match names {
            [] => "all databases".to_owned(),
            some => some.join(", "),
        };
        return Some(format!(
            "the chain {} has changes of {}, not of {}",
            chain.id,
            said(&last.only),
            said(&names)
        ));
    }
    None
}

/// A number among the server's replicas that nobody else is likely to have.
fn random_server_id() -> u32 {
    use std::hash::{BuildHasher, RandomState};
    // The hasher's key is drawn from the operating system's random numbers.
    let random = RandomState::new().hash_one(std::process::id());
    0x8000_0000 | u32::try_from(random >> 33).unwrap_or(1)
}
