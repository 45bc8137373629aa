//! Reads a chain group by group, with the moment of each.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta};
use fwb_binlog::{Events, Group, Groups, GtidPosition, ReadError, Step};

use super::chain::Chain;
use super::extent::{Extent, ExtentReader};
use crate::error::{Error, Result};
use crate::manifest::Timestamp;
use crate::progress::Cancel;
use crate::store::Store;

/// A group of a chain.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    /// The group. Its place is in its file.
    pub(crate) group: Group,
    /// The file.
    pub(crate) file: String,
    /// When it was committed, as far as that can be told: no earlier than the group before it.
    pub(crate) at: Timestamp,
}

impl Found {
    /// Where it ends in its file.
    pub(crate) fn end(&self) -> u64 {
        self.group.start + self.group.size
    }
}

/// Whether to read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    /// Read on.
    On,
    /// Nobody asks for what follows.
    Enough,
}

/// Reads these extents of a chain, one after the other, and hands each group on. `position` is which groups are before the first:
/// each file says it too, and must say the same.
///
/// # Errors
/// The chain is damaged, cannot be read, or a signal arrived; whatever `see` returns.
pub(crate) fn scan(
    store: &Store,
    chain: &Arc<Chain>,
    extents: &[Extent],
    mut position: Option<GtidPosition>,
    cancel: &Cancel,
    see: &mut dyn FnMut(Found) -> Result<Flow>,
) -> Result<Option<GtidPosition>> {
    let mut moments = Moments::new(chain);
    let unfinished = chain.last().filter(|last| last.ends_within).map(|last| (last.file.clone(), last.end));
    for extent in extents {
        let may_be_cut =
            unfinished.as_ref().is_some_and(|(file, end)| *file == extent.file && *end == extent.to);
        let reader = ExtentReader::new(store, chain, extent);
        let preamble = reader.preamble()?;
        let damaged = |problem: String| Error::damaged(format!("{} ({})", chain.id, extent.file), problem);
        let format = Events::of_file(&preamble[..]).and_then(|mut events| {
            events.next()?;
            Ok(events.format().cloned())
        });
        let format =
            format.ok().flatten().ok_or_else(|| damaged("it does not say how its events are read".into()))?;
        let mut groups = Groups::new(format.clone(), position.clone().unwrap_or_default());
        let mut events = Events::within(reader, format, extent.from);
        loop {
            let event = match events.next() {
                Ok(Some(event)) => event,
                Ok(None) => break,
                // A chain may end in the middle of a long event, whose rest is still to come.
                Err(ReadError::CutOff) if may_be_cut => break,
                Err(error) => return Err(of_read(error, &damaged)),
            };
            let step = groups.take(&event.header, event.bytes, event.start);
            match step.map_err(|malformed| damaged(malformed.to_string()))? {
                Step::File(fwb_binlog::Event::Position(said)) if event.header.end != 0 => match &position {
                    Some(known) if *known != said => {
                        return Err(damaged(format!(
                            "it begins after {said}, and what is before it ends with {known}"
                        )));
                    }
                    Some(_) => {}
                    None => {
                        groups = Groups::new(groups.format().clone(), said.clone());
                        position = Some(said);
                    }
                },
                Step::Ends(group) => {
                    cancel.check()?;
                    let at = moments.of(&extent.file, &group);
                    if see(Found { group: *group, file: extent.file.clone(), at })? == Flow::Enough {
                        return Ok(Some(groups.position().clone()));
                    }
                }
                Step::File(_) | Step::Within => {}
            }
        }
        position = position.map(|_| groups.position().clone());
    }
    Ok(position)
}

/// An error of reading events.
fn of_read(error: ReadError, damaged: &dyn Fn(String) -> Error) -> Error {
    match error {
        ReadError::Io(error) => match error.downcast::<Error>() {
            Ok(ours) => ours,
            Err(error) => damaged(error.to_string()),
        },
        other => damaged(other.to_string()),
    }
}

/// When groups were committed. What a group says of itself counts only as far as it fits in between what the follower saw: it was
/// not there when all before it had been seen, and it was there when it arrived. Any session may forge the rest.
#[derive(Debug)]
struct Moments {
    /// For each part: the file, where it ends, when all before it had been seen, and when its last byte arrived.
    parts: Vec<(String, u64, Timestamp, Timestamp)>,
    next: usize,
    last: Option<Timestamp>,
}

impl Moments {
    fn new(chain: &Chain) -> Self {
        let mut parts = Vec::new();
        for segment in &chain.segments {
            let mut end = segment.start;
            for part in &segment.parts {
                end = end.saturating_add(part.raw_size);
                parts.push((segment.file.clone(), end, part.seen, part.until));
            }
        }
        Self { parts, next: 0, last: None }
    }

    /// When a group was committed; groups are asked for in their order.
    fn of(&mut self, file: &str, group: &Group) -> Timestamp {
        let end = group.start + group.size;
        let is_it = |(name, until, ..): &(String, u64, Timestamp, Timestamp)| name == file && *until >= end;
        if let Some(at) = self.parts[self.next..].iter().position(is_it) {
            self.next += at;
        }
        let (seen, until) = self.parts.get(self.next).map_or_else(
            || (crate::manifest::now(), crate::manifest::now()),
            |(_, _, seen, until)| (*seen, *until),
        );
        let said = said(group).map(|said| said.with_timezone(&until.timezone()));
        let at = within(said, seen, until);
        let at = self.last.map_or(at, |last| at.max(last));
        self.last = Some(at);
        at
    }
}

/// What a group says of when it was committed.
fn said(group: &Group) -> Option<DateTime<chrono::Utc>> {
    match group.committed {
        Some(micros) => DateTime::from_timestamp_micros(i64::try_from(micros).ok()?),
        None => DateTime::from_timestamp(i64::from(group.timestamp), 0),
    }
}

/// A moment, moved between two others. Seconds are whole in what a group says, so it may be said to be a second earlier than it
/// was; and two clocks differ by a little.
fn within(said: Option<DateTime<chrono::FixedOffset>>, seen: Timestamp, until: Timestamp) -> Timestamp {
    const SLACK: TimeDelta = TimeDelta::seconds(2);
    match said {
        Some(said) if said < seen - SLACK => seen,
        Some(said) if said > until => until,
        Some(said) => said,
        None => until,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forged_moment_is_moved_to_where_it_can_have_been() {
        let at = |seconds: i64| DateTime::from_timestamp(1_750_000_000 + seconds, 0).unwrap().fixed_offset();
        for (said, moved) in [(50, 50), (9, 9), (-86_400, 10), (86_400, 60), (60, 60)] {
            assert_eq!(within(Some(at(said)), at(10), at(60)), at(moved), "{said}");
        }
        assert_eq!(within(None, at(10), at(60)), at(60));
    }
}
