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
        let bases = backups.iter().filter(|backup| bases.contains(&backup.name));
        let joints = bases.filter_map(|backup| joint(chain, backup));
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::binlog::Segment;
    use crate::manifest::Manifest;

    const NOW: i64 = 100;

    fn at(hour: i64) -> Timestamp {
        chrono::DateTime::from_timestamp(1_750_000_000 + 3600 * hour, 0).unwrap().fixed_offset()
    }

    /// A segment of a thousand bytes an hour: the `number`th, of one file.
    fn segment(chain: &str, number: u64) -> Segment {
        let hour = i64::try_from(number).unwrap();
        let part = json!({
            "raw_size": 1000, "raw_sha256": "", "size": 10, "seen": at(hour - 1), "from": at(hour), "until": at(hour),
            "safe": at(hour),
        });
        serde_json::from_value(json!({
            "schema": "fwb-log/1", "chain": chain, "first": number, "last": number, "hash": "", "file": "b.000001",
            "source": {"version": "10.11", "server_id": 1}, "start": 1000 * number, "end": 1000 * number + 1000,
            "gtid_before": "", "gtid_after": "", "groups": 1, "overlap": {"from": 0, "sha256": ""}, "parts": [part],
            "size": 10, "sha256": "",
        }))
        .unwrap()
    }

    fn chain(id: &str, numbers: std::ops::Range<u64>) -> Chain {
        let segments = numbers.map(|number| segment(id, number)).collect();
        Chain { id: id.into(), segments, status: None, faults: Vec::new(), size: 0, covered: Vec::new() }
    }

    /// A backup of this hour.
    fn backup(name: &str, hour: i64) -> BackupSummary {
        let manifest = json!({
            "schema": "fwb/1", "name": name, "kind": "full", "database": "shop", "started_at": at(hour),
            "finished_at": at(hour), "binlog": {"file": "b.000001", "position": 1000 * hour + 500},
        });
        Manifest::from_value(manifest).unwrap().into()
    }

    /// Which backups are needed, and which segments go, with a window of so many hours.
    fn judged(chain: Chain, hours: &[i64], window: i64) -> (Vec<String>, Vec<u64>) {
        let backups: Vec<BackupSummary> =
            hours.iter().map(|hour| backup(&format!("b{hour}"), *hour)).collect();
        let chains = Chains { chains: vec![chain] };
        let window = TimeDelta::hours(window);
        let needed: BTreeSet<String> =
            needed_bases(&backups, &chains.chains, window, at(NOW)).into_keys().collect();
        let surplus = surplus(&chains, &backups, &needed, window, at(NOW));
        let numbers = surplus.files.iter().filter_map(|name| super::super::segment::parse_name(name));
        let numbers = numbers.map(|(_, first, _)| first).collect();
        (needed.into_iter().collect(), numbers)
    }

    #[test]
    fn every_moment_of_the_window_stays_reachable() {
        for (name, hours, window, needed, gone) in [
            ("the newest that is older than the window", &[70, 80, 95][..], 15, &["b80"][..], 70..80),
            ("the oldest in it, where none is older", &[90, 95], 15, &["b90"], 70..85),
            ("one that is just as old as the window", &[85, 95], 15, &["b85"], 70..85),
            ("none: what is young may get a base", &[], 15, &[], 70..85),
            ("all of it", &[70], 1000, &["b70"], 70..70),
        ] {
            let (found, surplus) = judged(chain("x", 70..101), hours, window);
            assert_eq!(found, needed, "{name}");
            assert_eq!(surplus, gone.collect::<Vec<_>>(), "{name}");
        }
    }

    #[test]
    fn what_is_pending_keeps_what_began_it() {
        let mut log = chain("x", 70..101);
        log.segments[3].xa_prepared = vec!["aa".into()];
        log.segments[4].xa_prepared = vec!["bb".into()];
        log.segments[5].xa_completed = vec!["bb".into()];
        let (_, surplus) = judged(log.clone(), &[80, 95], 15);
        assert_eq!(surplus, [70, 71, 72], "what the third has prepared is completed later");
        log.segments[9].begins_within = true;
        log.segments[6].xa_completed = vec!["aa".into()];
        log.segments[10].begins_within = true;
        let (_, surplus) = judged(log, &[80, 95], 15);
        assert_eq!(surplus, (70..78).collect::<Vec<_>>(), "a group that goes on begins earlier");
    }

    #[test]
    fn the_end_of_the_newest_chain_stays() {
        let (needed, surplus) = judged(chain("x", 3..6), &[3], 1);
        assert!(needed.is_empty());
        assert_eq!(surplus, [3, 4]);
    }
}
