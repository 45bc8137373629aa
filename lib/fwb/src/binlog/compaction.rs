//! Small segments become larger ones: a follower publishes one every few seconds, and a week has 120,000 of them. What is put
//! together has the parts as they were, so that the chain's hashes stay what they are, and no key is needed.

use std::collections::BTreeSet;
use std::ops::Range;

use sha2::{Digest, Sha256};

use super::bytes::LARGEST;
use super::chain::Chain;
use super::segment::{MOST_PARTS, MOST_RAW, MOST_XA, Segment, Touched, WithPayload};
use crate::error::{Error, Result};
use crate::progress::Cancel;
use crate::store::{Folder, Listed, Store};

/// The newest segments stay as they are: others may be reading them by their names.
const NEWEST: usize = 60;
/// Fewer than so many are not worth it.
const FEWEST: usize = 10;

/// Puts small segments of a chain together, and removes those that others have in them. Returns how many files are fewer.
///
/// # Errors
/// The store cannot be read or written, or a signal arrived. The chain is whole whenever it ends.
pub(super) fn compact(store: &Store, chain: &Chain, cancel: &Cancel) -> Result<usize> {
    let backend = store.backend();
    // Whoever put them together was killed before it had removed them.
    for name in &chain.covered {
        cancel.check()?;
        backend.remove_in(Folder::Log, name)?;
    }
    let mut fewer = chain.covered.len();
    if !chain.faults.is_empty() {
        return Ok(fewer);
    }
    let older = chain.segments.len().saturating_sub(NEWEST);
    for run in runs(&chain.segments[..older]).into_iter().filter(|run| run.len() >= FEWEST) {
        cancel.check()?;
        let segments = &chain.segments[run];
        let (mut merged, payload) =
            put_together(segments, |segment| Ok(store.segment(segment)?.into_payload()))?;
        let name = merged.name();
        let file = merged.encode(&payload)?;
        if !backend.create_in(Folder::Log, &name, &file)? {
            return Err(Error::Followed { store: store.place(), segment: name });
        }
        // Nothing goes before what has taken its place is there.
        let listed = Listed { name: name.clone(), size: None, version: None };
        let there = backend.read_in(Folder::Log, &[listed], LARGEST + 1)?.into_iter().next();
        if there.transpose()?.flatten().is_none_or(|there| there != file) {
            return Err(Error::damaged(name, "what was written is not there"));
        }
        for segment in segments {
            backend.remove_in(Folder::Log, &segment.name())?;
        }
        fewer += segments.len() - 1;
    }
    Ok(fewer)
}

/// As few segments as can be, of segments that follow one another, each with its payload.
///
/// # Errors
/// One of them is not what it says.
pub(super) fn joined(segments: Vec<WithPayload>) -> Result<Vec<WithPayload>> {
    let (segments, payloads): (Vec<Segment>, Vec<Vec<u8>>) = segments.into_iter().unzip();
    let mut payloads = payloads.into_iter();
    let mut next = || payloads.next().unwrap_or_default();
    // Runs have all segments, in order.
    let join = |run: Range<usize>| match &segments[run] {
        [segment] => Ok((segment.clone(), next())),
        several => put_together(several, |_| Ok(next())),
    };
    runs(&segments).into_iter().map(join).collect()
}

/// Which segments can become one: all of them, in order.
fn runs(segments: &[Segment]) -> Vec<Range<usize>> {
    let mut runs = Vec::new();
    let mut begin = 0;
    while begin < segments.len() {
        let (mut last, mut parts, mut raw) = (begin, segments[begin].parts.len(), size(&segments[begin]));
        let mut xa = xa_names(&segments[begin]);
        while last + 1 < segments.len() && goes_with(&segments[last], &segments[last + 1]) {
            let next = &segments[last + 1];
            let is_crowded = xa + xa_names(next) > MOST_XA;
            if parts + next.parts.len() > MOST_PARTS || raw + size(next) > MOST_RAW || is_crowded {
                break;
            }
            xa += xa_names(next);
            last += 1;
            parts += next.parts.len();
            raw += size(next);
        }
        runs.push(begin..last + 1);
        begin = last + 1;
    }
    runs
}

fn size(segment: &Segment) -> u64 {
    segment.end - segment.start
}

fn xa_names(segment: &Segment) -> usize {
    segment.xa_prepared.len() + segment.xa_completed.len()
}

fn goes_with(one: &Segment, next: &Segment) -> bool {
    let recipients = |segment: &Segment| segment.encryption.clone();
    one.file == next.file
        && one.source == next.source
        && one.only == next.only
        && recipients(one) == recipients(next)
}

/// One segment of several, and its payload.
fn put_together(
    segments: &[Segment],
    mut payload_of: impl FnMut(&Segment) -> Result<Vec<u8>>,
) -> Result<WithPayload> {
    let [first, .., last] = segments else { return Err(Error::damaged("a chain", "it has no two segments")) };
    let (mut payload, mut parts) = (Vec::new(), Vec::new());
    let mut touched = Some(Touched { tables: Some(Vec::new()), ..Touched::default() });
    let (mut prepared, mut completed) = (BTreeSet::new(), BTreeSet::new());
    for (number, segment) in segments.iter().enumerate() {
        let mut at = 0_usize;
        let stored = payload_of(segment)?;
        for part in &segment.parts {
            let mut part = part.clone();
            let size = usize::try_from(part.size).unwrap_or(usize::MAX);
            let mut bytes = stored.get(at..at.saturating_add(size)).unwrap_or_default();
            at = at.saturating_add(size);
            // In the middle of what other programs read there is no beginning of a file.
            if (number > 0 || !parts.is_empty()) && part.preamble > 0 && segment.encryption.is_none() {
                let frame = zstd::zstd_safe::find_frame_compressed_size(bytes)
                    .map_err(|_| Error::damaged(segment.name(), "a part of it cannot be read"))?;
                bytes = bytes.get(frame..).unwrap_or_default();
                part.preamble = 0;
                part.size = bytes.len() as u64;
            }
            payload.extend_from_slice(bytes);
            parts.push(part);
        }
        touched = touched.zip(segment.touched.as_ref()).map(|(touched, more)| both(touched, more));
        prepared.extend(segment.xa_prepared.iter().cloned());
        completed.extend(segment.xa_completed.iter().cloned());
    }
    let merged = Segment {
        first: first.first,
        previous: first.previous.clone(),
        begun_because: first.begun_because.clone(),
        start: first.start,
        gtid_before: first.gtid_before.clone(),
        begins_within: first.begins_within,
        groups: segments.iter().map(|segment| segment.groups).sum(),
        touched,
        xa_prepared: prepared.into_iter().collect(),
        xa_completed: completed.into_iter().collect(),
        parts,
        size: payload.len() as u64,
        sha256: hex::encode(Sha256::digest(&payload)),
        ..last.clone()
    };
    Ok((merged, payload))
}

/// What two segments touch.
fn both(one: Touched, other: &Touched) -> Touched {
    let union = |one: Vec<String>, other: &[String]| -> Vec<String> {
        one.into_iter().chain(other.iter().cloned()).collect::<BTreeSet<_>>().into_iter().collect()
    };
    Touched {
        tables: one.tables.zip(other.tables.as_ref()).map(|(one, other)| union(one, other)),
        databases: union(one.databases, &other.databases),
        statements: one.statements || other.statements,
        ddl: one.ddl || other.ddl,
        incident: one.incident || other.incident,
    }
}
