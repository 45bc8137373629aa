//! Retention of the log: every moment of a window of time stays reachable, and nothing that a reachable moment needs goes.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;

use super::chain::{Chain, Chains};
use super::reach::{joint, may_be_base, whole_groups_from, windows};
use crate::error::Result;
use crate::manifest::Timestamp;
use crate::progress::Cancel;
use crate::store::{BackupSummary, Folder, Store};

/// The backups from which moments of the last `window` are reached, with the reason: for each stretch of log, the newest backup that
/// is older than the window, or the oldest one in it.
pub(crate) fn needed_bases(
    backups: &[BackupSummary],
    chains: &[Chain],
    window: TimeDelta,
    now: Timestamp,
) -> BTreeMap<String, String> {
    let begin = now - window;
    let mut needed = BTreeMap::new();
    for (_, backups) in by_database(backups) {
        let mut stretches: BTreeMap<(String, Timestamp), Vec<(Timestamp, String)>> = BTreeMap::new();
        for window in windows(backups.into_iter(), chains) {
            if window.until >= begin {
                stretches.entry((window.chain, window.until)).or_default().push((window.from, window.base));
            }
        }
        for ((chain, _), mut bases) in stretches {
            bases.sort();
            let older = bases.iter().rev().find(|(from, _)| *from <= begin).or(bases.first());
            if let Some((from, base)) = older {
                let since = begin.max(*from).format("%Y-%m-%d %H:%M:%S%:z");
                needed.insert(
                    base.clone(),
                    format!("moments since {since} are reached from it and the log {chain}"),
                );
            }
        }
    }
    needed
}

fn by_database(backups: &[BackupSummary]) -> BTreeMap<(Option<&str>, String), Vec<&BackupSummary>> {
    let mut groups: BTreeMap<(Option<&str>, String), Vec<&BackupSummary>> = BTreeMap::new();
    for backup in backups.iter().filter(|backup| may_be_base(backup)) {
        let server = backup.server.label().map(ToString::to_string).unwrap_or_default();
        groups.entry((backup.database.as_deref(), server)).or_default().push(backup);
    }
    groups
}

/// What of a log is needed by nobody.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Surplus {
    /// Files of it.
    pub(crate) files: Vec<String>,
    /// Their bytes.
    pub(crate) bytes: u64,
}

/// The segments that no moment needs which is to stay reachable. `bases` are the backups that stay for it; what is newer than
/// `now` less `window` stays in any case, and so does the end of each newest chain.
pub(crate) fn surplus(
    chains: &Chains,
    backups: &[BackupSummary],
    bases: &BTreeSet<String>,
    window: TimeDelta,
    now: Timestamp,
) -> Surplus {
    let begin = now - window;
    let mut surplus = Surplus::default();
    for (number, chain) in chains.chains.iter().enumerate() {
        let is_newest = !chains.chains[number + 1..]
            .iter()
            .any(|other| other.last().is_some_and(|last| !chain.differs(&last.source.identity())));
        let joints = backups.iter().filter(|backup| bases.contains(&backup.name)).filter_map(|backup| {
            if chain.differs(&backup.server) { None } else { joint(chain, backup.binlog.as_ref()?) }
        });
        // What is newer than the window may be gone on from by a backup that is still to be proved.
        let young = chain
            .segments
            .iter()
            .position(|segment| segment.arrived().is_none_or(|until| until >= begin))
            .unwrap_or(chain.segments.len());
        let first = joints.fold(young, usize::min);
        let first = if is_newest { first.min(chain.segments.len().saturating_sub(1)) } else { first };
        let first = pending_from(chain, first);
        for segment in &chain.segments[..first] {
            surplus.files.push(segment.name());
            surplus.bytes += segment.size;
        }
        if first == chain.segments.len() && chain.status.is_some() {
            surplus.files.push(format!("{}{}", chain.id, super::status::SUFFIX));
        }
    }
    surplus
}

/// The segment from which on a chain is needed, where it is needed from `first` on: groups and XA transactions that go on there
/// may begin earlier.
fn pending_from(chain: &Chain, first: usize) -> usize {
    if first >= chain.segments.len() {
        return first;
    }
    let mut pending: BTreeMap<&str, usize> = BTreeMap::new();
    for (at, segment) in chain.segments[..=first].iter().enumerate() {
        for name in &segment.xa_completed {
            pending.remove(name.as_str());
        }
        // A name may be completed and prepared anew in one segment.
        pending.extend(segment.xa_prepared.iter().map(|name| (name.as_str(), at)));
    }
    let first = pending.into_values().fold(first, usize::min);
    whole_groups_from(chain, first)
}

/// Removes what nobody needs.
///
/// # Errors
/// A file cannot be removed, or a signal arrived.
pub(crate) fn remove(store: &Store, surplus: &Surplus, cancel: &Cancel) -> Result<()> {
    for name in &surplus.files {
        cancel.check()?;
        store.backend().remove_in(Folder::Log, name)?;
    }
    Ok(())
}
