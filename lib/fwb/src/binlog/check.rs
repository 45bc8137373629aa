//! Whether a chain is what it says: every byte against its hash, every event against its checksum, every group and GTID.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use fwb_binlog::GroupKind;
use serde::Serialize;

use super::chain::{Chain, ChainFault};
use super::scan::{Flow, scan};
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
        let mut prepared: BTreeSet<Vec<u8>> = BTreeSet::new();
        let read = scan(store, &chain, &chain.extents(), known, &context.cancel, &mut |found| {
            groups += 1;
            context.progress.advance(found.group.size);
            match &found.group.kind {
                GroupKind::XaPrepared(name) => drop(prepared.insert(name.clone())),
                GroupKind::XaCompleted { name, .. } => drop(prepared.remove(name)),
                _ => {}
            }
            Ok(Flow::On)
        });
        let fault = |problem: String| ChainFault { segment: chain.id.clone(), problem };
        match read {
            Ok(reached) => {
                let said = chain.last().map(|last| last.gtid_after.clone());
                if reached != said {
                    problems.push(fault("its groups are not those that its descriptions say".into()));
                }
                let counted: u64 = chain.segments.iter().map(|segment| segment.groups).sum();
                if counted != groups {
                    problems
                        .push(fault(format!("it has {groups} groups, and its descriptions say {counted}")));
                }
            }
            Err(Error::Damaged { name, problem }) => problems.push(ChainFault { segment: name, problem }),
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
