//! Whether a chain is what it says: every byte against its hash, every event against its checksum, every group and GTID.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use fwb_binlog::GroupKind;
use serde::Serialize;

use super::chain::{Chain, ChainFault};
use super::extent::extents;
use super::scan::{Flow, Found, scan};
use super::segment::Segment;
use crate::error::{Error, Result};
use crate::manifest::Timestamp;
use crate::progress::{Context, seconds_since};
use crate::store::Store;

/// What was found out about a chain.
#[derive(Debug, Clone, Serialize)]
pub struct ChainReport {
    /// The chain.
    pub chain: String,
    /// Its store.
    pub store: String,
    /// Whether all of it holds.
    pub ok: bool,
    /// What does not.
    pub problems: Vec<ChainFault>,
    /// Its segments.
    pub segments: u64,
    /// Groups that end in it.
    pub groups: u64,
    /// Bytes of the log in it.
    pub raw_size: u64,
    /// When its first byte arrived.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// All that was written to the server's log before this moment is in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// How long it took, in seconds.
    pub seconds: f64,
}

/// Reads a chain from its beginning to its end.
///
/// # Errors
/// The store cannot be read, no identity reads a segment, or a signal arrived. What does not hold stands in the report.
pub fn check_chain(store: &Store, chain: &Chain, context: &Context) -> Result<ChainReport> {
    let begun = Instant::now();
    let chain = Arc::new(chain.clone());
    let mut problems = chain.faults.clone();
    let mut groups = 0;
    if problems.is_empty() {
        let size = chain.segments.iter().map(|segment| segment.end - segment.start).sum();
        context.progress.begin(format!("reading the log {}", chain.id), size);
        let known = chain.first().map(|first| first.gtid_before.clone());
        let mut counted = Counted::default();
        let read = scan(store, &chain, &extents(&chain.segments), known, &context.cancel, &mut |found| {
            groups += 1;
            context.progress.advance(found.group.size);
            counted.take(&chain, &found);
            Ok(Flow::On)
        });
        let fault = |segment: &str, problem: String| ChainFault { segment: segment.into(), problem };
        match read {
            Ok(reached) => {
                if reached != chain.last().map(|last| last.gtid_after.clone()) {
                    problems
                        .push(fault(&chain.id, "its groups are not those that its descriptions say".into()));
                }
                for (at, segment) in chain.segments.iter().enumerate() {
                    let found = counted.of.get(&at).cloned().unwrap_or_default();
                    if let Some(problem) = found.differs(segment) {
                        problems.push(fault(&segment.name(), problem.into()));
                    }
                }
            }
            Err(Error::Damaged { name, problem }) => problems.push(fault(&name, problem)),
            Err(error) => return Err(error),
        }
    }
    Ok(ChainReport {
        chain: chain.id.clone(),
        store: store.place(),
        ok: problems.is_empty(),
        problems,
        segments: chain.segments.len() as u64,
        groups,
        raw_size: chain.segments.iter().map(|segment| segment.end - segment.start).sum(),
        from: chain.first().and_then(|first| first.parts.first()).map(|part| part.from),
        until: chain.safe_until(),
        seconds: seconds_since(begun),
    })
}

/// What was found in each segment.
#[derive(Default)]
struct Counted {
    /// The segment that the last group ended in.
    at: usize,
    of: BTreeMap<usize, Contents>,
}

/// What of a segment its description says too.
#[derive(Debug, Clone, Default)]
struct Contents {
    groups: u64,
    prepared: BTreeSet<String>,
    completed: BTreeSet<String>,
}

impl Counted {
    fn take(&mut self, chain: &Chain, found: &Found) {
        let ends_in = |segment: &Segment| segment.file == found.file && segment.end >= found.end();
        if let Some(more) = chain.segments[self.at..].iter().position(ends_in) {
            self.at += more;
        }
        let contents = self.of.entry(self.at).or_default();
        contents.groups += 1;
        match &found.group.kind {
            GroupKind::XaPrepared(name) => drop(contents.prepared.insert(hex::encode(name))),
            GroupKind::XaCompleted { name, .. } => drop(contents.completed.insert(hex::encode(name))),
            _ => {}
        }
    }
}

impl Contents {
    fn differs(&self, segment: &Segment) -> Option<&'static str> {
        let is = |found: &BTreeSet<String>, said: &[String]| {
            *found == said.iter().cloned().collect::<BTreeSet<_>>()
        };
        if self.groups != segment.groups {
            Some("it has another number of groups than its description says")
        } else if !is(&self.prepared, &segment.xa_prepared) || !is(&self.completed, &segment.xa_completed) {
            Some("it has other XA transactions than its description says")
        } else {
            None
        }
    }
}
