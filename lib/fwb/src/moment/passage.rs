//! The part of a log that is replayed: up to the stop, without what is skipped, and without what is of the server or of other
//! databases alone. A feed out of a feed.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};

use fwb_binlog::{
    Event, EventHeader, EventKind, Events, Group, GroupKind, Groups, Gtid, GtidPosition, MAGIC, Query,
    ReadError, Step,
};

use super::counters::Counters;
use super::stop::{Tally, is_after, is_before};
use crate::binlog::{Concern, Moment, Subject};
use crate::error::{Error, Result};
use crate::server::Feed;

/// About how many bytes are made ready at a time.
const CHUNK: usize = 64 << 10;

/// What sees to it that the server that replays a statement has what it needs.
pub(super) type Prepare = Arc<dyn Fn(&Query) -> Result<()> + Send + Sync>;

/// The part of a log that is replayed.
pub(super) struct Passage {
    pub(super) log: Arc<dyn Feed>,
    pub(super) rules: Arc<Rules>,
    /// What was taken out of it, once it was read to its end.
    pub(super) tally: Arc<Mutex<Option<Tally>>>,
    pub(super) prepare: Prepare,
    /// The numbers that it hands out.
    pub(super) counters: Counters,
    /// Called each time that the log is read from its beginning.
    pub(super) begin: Arc<dyn Fn() + Send + Sync>,
}

/// What is taken out of a log.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) subject: Subject,
    pub(super) stop: Moment,
    /// Groups that are left out.
    pub(super) skip: Vec<Gtid>,
}

impl std::fmt::Debug for Passage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Passage").field("log", &self.log).field("rules", &self.rules).finish_non_exhaustive()
    }
}

impl Passage {
    /// What was taken out, once all of it was read.
    pub(super) fn tally(&self) -> Option<Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The first group that is handed on and that is not in `done`: where a replica stopped that has done those. None where
    /// groups have no names.
    pub(super) fn first_beyond(&self, done: &GtidPosition) -> Result<Option<Gtid>> {
        let mut passing = self.passing(Arc::new(|_| Ok(())), Counters::default(), Arc::default())?;
        let mut groups = 0;
        while passing.state != State::Ended || passing.rest.is_some() {
            passing.ready.clear();
            match passing.rest {
                Some(_) => passing.next_part(false)?,
                None => passing.next_event()?,
            }
            if passing.tally.groups > groups {
                groups = passing.tally.groups;
                let gtid: Option<Gtid> = passing.tally.last.as_ref().and_then(|gtid| gtid.parse().ok());
                match gtid {
                    Some(gtid) if done.contains(gtid) => {}
                    beyond => return Ok(beyond),
                }
            }
        }
        Ok(None)
    }

    fn passing(
        &self,
        prepare: Prepare,
        counters: Counters,
        told: Arc<Mutex<Option<Tally>>>,
    ) -> Result<Passing> {
        Ok(Passing {
            events: Events::of_file(self.log.open()?)?,
            groups: None,
            rules: Arc::clone(&self.rules),
            prepare,
            counters,
            insert_id: None,
            ready: MAGIC.to_vec(),
            at: 0,
            head: None,
            is_emptied: false,
            emptied_xa: BTreeSet::new(),
            state: State::Between,
            rest: None,
            tally: Tally::default(),
            told,
        })
    }
}

impl Feed for Passage {
    fn open(&self) -> Result<Box<dyn Read + Send>> {
        (self.begin)();
        self.counters.begin();
        let (prepare, counters) = (Arc::clone(&self.prepare), self.counters.clone());
        Ok(Box::new(self.passing(prepare, counters, Arc::clone(&self.tally))?))
    }

    fn size(&self) -> u64 {
        self.log.size()
    }
}

/// What becomes of the group at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// There is none.
    Between,
    /// It has begun, and is not judged yet.
    Begun,
    /// It is handed on.
    Passes,
    /// It is left out, because somebody asked for it.
    Skipped,
    /// It is left out, because it is of others.
    OfOthers,
    /// Nothing more is handed on.
    Ended,
}

/// Whether a group has nothing that is handed on, with the event that ends it, where it had nothing before: everything was left out of
/// it when it was shipped, or it completes a transaction of which that is true.
fn is_without(last: &Event, group: &Group, is_emptied: bool, emptied_xa: &mut BTreeSet<Vec<u8>>) -> bool {
    let says_nothing = match last {
        Event::Omitted { .. } | Event::Xid | Event::XaPrepare { .. } => true,
        Event::Query(query) => query.is_of_transactions(),
        _ => false,
    };
    match &group.kind {
        GroupKind::XaCompleted { name, .. } if emptied_xa.remove(name) => return true,
        GroupKind::XaPrepared(name) if is_emptied && says_nothing => drop(emptied_xa.insert(name.clone())),
        _ => {}
    }
    is_emptied && says_nothing
}

/// A log that is being read.
struct Passing {
    events: Events<Box<dyn Read + Send>>,
    groups: Option<Groups>,
    rules: Arc<Rules>,
    prepare: Prepare,
    counters: Counters,
    /// The number that the next statement gives a row.
    insert_id: Option<u64>,
    /// Bytes that are handed on, from `at` on.
    ready: Vec<u8>,
    at: usize,
    /// The event that begins the group, and one that begins a transaction, while the group is not judged.
    head: Option<Vec<u8>>,
    /// Whether something was left out of the group when it was shipped, and nothing else has come of it so far.
    is_emptied: bool,
    /// XA transactions that were prepared by groups out of which everything was left.
    emptied_xa: BTreeSet<Vec<u8>>,
    state: State,
    /// Whether what is left of a long event is handed on; none where nothing is left.
    rest: Option<bool>,
    tally: Tally,
    told: Arc<Mutex<Option<Tally>>>,
}

impl Read for Passing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.ready.len() && !(self.state == State::Ended && self.rest.is_none()) {
            self.ready.clear();
            self.at = 0;
            self.make_ready().map_err(io::Error::other)?;
        }
        let size = buffer.len().min(self.ready.len() - self.at);
        buffer[..size].copy_from_slice(&self.ready[self.at..self.at + size]);
        self.at += size;
        Ok(size)
    }
}

impl Passing {
    /// Reads until there is something to hand on, or the end.
    fn make_ready(&mut self) -> Result<()> {
        while self.ready.len() < CHUNK {
            match self.rest {
                Some(passes) => self.next_part(passes)?,
                None if self.state == State::Ended => return Ok(()),
                None => self.next_event()?,
            }
        }
        Ok(())
    }

    /// Takes the next part of a long event.
    fn next_part(&mut self, passes: bool) -> Result<()> {
        let before = self.ready.len();
        self.ready.resize(before + CHUNK, 0);
        let size = self.events.part(&mut self.ready[before..])?;
        self.ready.truncate(if passes { before + size } else { before });
        if size == 0 {
            self.rest = None;
        }
        Ok(())
    }

    fn next_event(&mut self) -> Result<()> {
        let Some(event) = self.events.next()? else {
            self.end();
            return Ok(());
        };
        let (header, bytes, start) = (event.header, event.bytes.to_vec(), event.start);
        self.tally.bytes = start + u64::from(header.size);
        let numbers = self.groups.as_ref().filter(|_| self.state == State::Skipped);
        let numbers = numbers.and_then(|groups| groups.numbers(&header, &bytes));
        let step = self.step(&header, &bytes, start)?;
        if let Step::File(_) = step {
            if header.kind == EventKind::FORMAT_DESCRIPTION {
                // A server that was killed may have left a group without its end in the file before.
                (self.head, self.state, self.is_emptied) = (None, State::Between, false);
                self.ready.extend_from_slice(&bytes);
            }
            return Ok(());
        }
        let ended = match &step {
            Step::Ends(group) => Some(&**group),
            Step::File(_) | Step::Within => None,
        };
        self.judge(&header, &bytes, ended)?;
        if let Some((table, numbers)) = numbers {
            self.counters.left_out(table, numbers, &self.rules.subject);
        }
        self.count(&header, &bytes)?;
        if self.state == State::Ended {
            self.end();
            return Ok(());
        }
        // What stands in the place of another event says nothing.
        let passes = self.state == State::Passes && !self.is_omitted(&header, &bytes);
        if passes {
            if let Some(head) = self.head.take() {
                self.ready.extend_from_slice(&head);
            }
            self.ready.extend_from_slice(&bytes);
        }
        if bytes.len() < header.size as usize {
            self.rest = Some(passes);
        }
        if let Step::Ends(group) = step {
            self.close(&group);
        }
        Ok(())
    }

    fn step(&mut self, header: &EventHeader, bytes: &[u8], start: u64) -> Result<Step> {
        let malformed = |error| Error::from(ReadError::Malformed(error));
        if self.groups.is_none() {
            let format = self.events.format().cloned().ok_or_else(|| Error::from(ReadError::CutOff))?;
            self.groups = Some(Groups::new(format, GtidPosition::default()));
        }
        let Some(groups) = &mut self.groups else { return Err(Error::from(ReadError::CutOff)) };
        groups.take(header, bytes, start).map_err(malformed)
    }

    /// Whether an event stands in the place of one that was left out.
    fn is_omitted(&self, header: &EventHeader, bytes: &[u8]) -> bool {
        header.kind == EventKind::IGNORABLE
            && self.events.format().is_some_and(|format| {
                matches!(Event::parse(header, bytes, format), Ok(Event::Omitted { .. }))
            })
    }

    /// Decides on the group that an event belongs to, and that it may have ended.
    fn judge(&mut self, header: &EventHeader, bytes: &[u8], ended: Option<&Group>) -> Result<()> {
        let Some(format) = self.events.format() else { return Ok(()) };
        let event =
            || Event::parse(header, bytes, format).map_err(|error| Error::from(ReadError::Malformed(error)));
        match self.state {
            State::Between => {
                let gtid = match event()? {
                    Event::Gtid(head) => head.gtid,
                    _ => None,
                };
                self.state = if is_before(&self.rules.stop, gtid, header.timestamp) {
                    self.tally.is_met = true;
                    State::Ended
                } else if gtid.is_some_and(|gtid| self.rules.skip.contains(&gtid)) {
                    State::Skipped
                } else {
                    self.head = Some(bytes.to_vec());
                    State::Begun
                };
                // The head waits until the group is judged.
                return Ok(());
            }
            State::Begun => {
                let event = event()?;
                self.is_emptied |= matches!(event, Event::Omitted { .. });
                self.state = match (event, ended) {
                    (event, Some(group))
                        if is_without(&event, group, self.is_emptied, &mut self.emptied_xa) =>
                    {
                        State::OfOthers
                    }
                    (Event::Omitted { .. }, None) => State::Begun,
                    // Whether anything follows that is handed on is still to be seen.
                    (Event::Query(query), None)
                        if query.is_of_transactions()
                            && self.head.as_ref().is_some_and(|head| head.len() < CHUNK) =>
                    {
                        if let Some(head) = &mut self.head {
                            head.extend_from_slice(bytes);
                        }
                        State::Begun
                    }
                    (Event::Query(query), _) => {
                        let default = query.database.as_deref();
                        match self.rules.subject.concern(default, &query.text) {
                            Concern::Others => State::OfOthers,
                            Concern::Tables | Concern::Ours => State::Passes,
                        }
                    }
                    _ => State::Passes,
                };
            }
            _ => {}
        }
        if self.state == State::Passes
            && matches!(header.kind, EventKind::QUERY | EventKind::QUERY_COMPRESSED)
            && let Event::Query(query) = event()?
        {
            (self.prepare)(&query)?;
        }
        Ok(())
    }

    /// Notes what a statement does to counters of tables.
    fn count(&mut self, header: &EventHeader, bytes: &[u8]) -> Result<()> {
        let is_of_interest = matches!(
            header.kind,
            EventKind::INTVAR
                | EventKind::QUERY
                | EventKind::QUERY_COMPRESSED
                | EventKind::EXECUTE_LOAD_QUERY
        );
        let is_ours = matches!(self.state, State::Begun | State::Passes | State::Skipped);
        let Some(format) = self.events.format().filter(|_| is_of_interest && is_ours) else { return Ok(()) };
        match Event::parse(header, bytes, format).map_err(ReadError::Malformed)? {
            Event::InsertId(number) => self.insert_id = Some(number),
            Event::Query(query) => {
                if self.state == State::Passes {
                    self.counters.note(&query, &self.rules.subject);
                }
                if let Some(number) = self.insert_id.take() {
                    self.counters.given(&query, number, &self.rules.subject);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn close(&mut self, group: &Group) {
        match self.state {
            State::Passes => {
                self.tally.groups += 1;
                if let Some(gtid) = group.gtid {
                    self.tally.position.take(gtid);
                }
                self.tally.last = group.gtid.map(|gtid| gtid.to_string());
                self.tally.last_at = Some(group.timestamp);
            }
            State::Skipped => self.tally.skipped += 1,
            State::OfOthers => self.tally.others += 1,
            State::Between | State::Begun | State::Ended => {}
        }
        (self.head, self.insert_id, self.is_emptied) = (None, None, false);
        self.state = State::Between;
        if is_after(&self.rules.stop, group) {
            self.tally.is_met = true;
            self.end();
        }
    }

    fn end(&mut self) {
        self.state = State::Ended;
        *self.told.lock().unwrap_or_else(PoisonError::into_inner) = Some(self.tally.clone());
    }
}
