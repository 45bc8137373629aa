//! Chains of segments, as a store has them, and whether anything is missing in one.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::Serialize;

use super::only::covers;
use super::segment::{HEAD, Segment, parse_name};
use super::status::{self, FollowStatus};
use crate::error::{Error, Result};
use crate::identity::ServerIdentity;
use crate::manifest::Timestamp;
use crate::progress::Cancel;
use crate::store::{BackupSummary, Folder, Listed, Store};

/// The chains of a store.
#[derive(Debug, Clone, Default)]
pub struct Chains {
    /// Oldest first.
    pub chains: Vec<Chain>,
}

/// One chain: what one follower, or several one after the other, have written without a gap.
#[derive(Debug, Clone)]
pub struct Chain {
    /// Its name.
    pub id: String,
    /// Its segments, in order. Those that a larger one has in it are left out.
    pub segments: Vec<Segment>,
    /// What its follower said last.
    pub status: Option<FollowStatus>,
    /// What is wrong with it.
    pub faults: Vec<ChainFault>,
    /// Bytes of its files.
    pub size: u64,
    /// Files that others have in them, and that are to go.
    pub covered: Vec<String>,
}

/// Something that breaks a chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChainFault {
    /// The segment before which it is, or in it.
    pub segment: String,
    /// What.
    pub problem: String,
}

impl Chain {
    /// Its first segment that is there.
    pub fn first(&self) -> Option<&Segment> {
        self.segments.first()
    }

    /// Its last.
    pub fn last(&self) -> Option<&Segment> {
        self.segments.last()
    }

    /// Until when all that was written to the server's log is known to be in it.
    pub fn safe_until(&self) -> Option<Timestamp> {
        let until = self.last().map(Segment::safe_until);
        // What a follower says of a chain that has lost its end is not believed.
        let said = self.status.as_ref().map(|status| status.safe_until);
        until.max(said.filter(|_| self.faults.is_empty() && until.is_some()))
    }

    /// The databases of which alone it has changes; all, where there are none.
    pub fn only(&self) -> &[String] {
        self.last().map(|last| &last.only[..]).unwrap_or_default()
    }

    /// Whether it may go on from a backup: it is of the same server, and has the changes of that database.
    pub fn goes_with(&self, backup: &BackupSummary) -> bool {
        !self.differs(&backup.server) && self.covers(backup)
    }

    /// Whether it has the changes of the database that a backup is of.
    pub fn covers(&self, backup: &BackupSummary) -> bool {
        covers(self.only(), backup.database.as_deref(), backup.name_case.unwrap_or_default())
    }

    /// Why nothing is reached of a database that it does not cover.
    pub(crate) fn keeps_others(&self) -> String {
        format!("the log {} has changes of {} alone (fwb-follow --only)", self.id, self.only().join(", "))
    }

    /// Whether it is certainly of another server.
    pub fn differs(&self, server: &ServerIdentity) -> bool {
        self.last().is_some_and(|last| last.source.identity().differs(server))
    }
}

impl Chains {
    /// The newest chain that may be of this server.
    pub fn newest(&self, server: &ServerIdentity) -> Option<&Chain> {
        self.chains.iter().rev().find(|chain| !chain.differs(server))
    }
}

impl Store {
    /// The chains of the log that it has.
    ///
    /// # Errors
    /// It cannot be listed, or a signal arrived. A segment that cannot be read is a fault of its chain.
    pub fn chains(&self, cancel: &Cancel) -> Result<Chains> {
        let backend = self.backend();
        let mut statuses = backend.list_in(Folder::Log)?;
        statuses.retain(|file| file.name.ends_with(status::SUFFIX));
        let mut told: BTreeMap<String, FollowStatus> = BTreeMap::new();
        for read in backend.read_in(Folder::Log, &statuses, status::LARGEST)? {
            let status =
                read.ok().flatten().and_then(|json| serde_json::from_slice::<FollowStatus>(&json).ok());
            told.extend(status.map(|status| (status.chain.clone(), status)));
        }
        // Segments are looked for after what followers say of them: what they have said is there then.
        let mut by_chain: BTreeMap<String, Vec<(u64, u64, Listed)>> = BTreeMap::new();
        for file in backend.list_in(Folder::Log)? {
            if let Some((chain, first, last)) = parse_name(&file.name) {
                by_chain.entry(chain.into()).or_default().push((first, last, file.clone()));
            }
        }
        cancel.check()?;
        let mut chains = Vec::new();
        for (id, files) in by_chain {
            let (kept, covered) = uncovered(files);
            let heads = backend.heads_in(Folder::Log, &kept, HEAD as u64)?;
            let (mut segments, mut faults) = (Vec::new(), Vec::new());
            for (file, head) in kept.iter().zip(heads) {
                let decoded = head.and_then(|head| match head {
                    Some(head) => Segment::decode(&file.name, &head).map(|(segment, _)| Some(segment)),
                    None => Ok(None),
                });
                match decoded {
                    Ok(segment) => segments.extend(segment),
                    Err(error @ (Error::Damaged { .. } | Error::Io { .. } | Error::ObjectStore { .. })) => {
                        faults.push(ChainFault { segment: file.name.clone(), problem: error.to_string() });
                    }
                    Err(error) => return Err(error),
                }
            }
            faults.extend(breaks(&segments));
            let size = kept.iter().filter_map(|file| file.size).sum::<u64>();
            let size = if size > 0 { size } else { segments.iter().map(|segment| segment.size).sum() };
            let status = told.remove(&id);
            faults.extend(lost_end(&segments, status.as_ref()));
            chains.push(Chain { id, segments, status, faults, size, covered });
        }
        Ok(Chains { chains })
    }
}

/// The files that no other has in it, in order; and the others, once what has them is known to be there.
fn uncovered(mut files: Vec<(u64, u64, Listed)>) -> (Vec<Listed>, Vec<String>) {
    files.sort_by_key(|(first, last, _)| (*first, Reverse(*last)));
    let (mut kept, mut covered, mut reached) = (Vec::new(), Vec::new(), 0);
    for (_, last, file) in files {
        if last <= reached {
            covered.push(file.name);
            continue;
        }
        reached = last;
        kept.push(file);
    }
    (kept, covered)
}

/// Where segments, in order, do not follow one another.
pub(super) fn breaks(segments: &[Segment]) -> Vec<ChainFault> {
    let mut faults = Vec::new();
    let mut fault = |segment: &Segment, problem: String| {
        faults.push(ChainFault { segment: segment.name(), problem });
    };
    for segment in segments {
        if segment.rehashed() != segment.hash {
            fault(segment, "its description was changed: its hash is not that of its parts".into());
        }
    }
    for pair in segments.windows(2) {
        let [before, after] = pair else { continue };
        if let Some(problem) = gap(before, after) {
            fault(after, problem);
        }
    }
    faults
}

/// What is missing at the end, by what the follower said last.
fn lost_end(segments: &[Segment], status: Option<&FollowStatus>) -> Option<ChainFault> {
    let (last, status) = (segments.last()?, status?);
    let fault = |problem: String| ChainFault { segment: last.name(), problem };
    if status.last > last.last {
        return Some(fault(format!("segments {} to {} are missing after it", last.last + 1, status.last)));
    }
    let is_it = status.last == last.last && status.hash != last.hash;
    is_it.then(|| fault("it is not the segment that the follower has written last".into()))
}

/// Why a segment does not follow another.
fn gap(before: &Segment, after: &Segment) -> Option<String> {
    if after.first != before.last + 1 {
        let (from, to) = (before.last + 1, after.first.saturating_sub(1));
        return Some(if to >= from {
            format!("segments {from} to {to} are missing before it")
        } else {
            "it overlaps with the one before it".into()
        });
    }
    if after.previous.as_deref() != Some(before.hash.as_str()) {
        return Some("it does not follow the segment before it: that one's hash is another".into());
    }
    let goes_on = after.file == before.file && after.start == before.end;
    let is_next_file = after.file != before.file && after.start == fwb_binlog::MAGIC.len() as u64;
    if !goes_on && !is_next_file {
        return Some(format!(
            "it begins at {}:{}, and the one before it ends at {}:{}",
            after.file, after.start, before.file, before.end
        ));
    }
    if after.only != before.only {
        return Some("it has changes of other databases than the one before it".into());
    }
    if after.gtid_before != before.gtid_after {
        return Some("the groups before it are not those that the one before it ends with".into());
    }
    let (ended, begins) =
        (before.parts.last().map(|part| part.until), after.parts.first().map(|part| part.from));
    if begins < ended {
        return Some("it arrived before the one before it".into());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(name: &str) -> Listed {
        Listed { name: name.into(), size: None, version: None }
    }

    #[test]
    fn what_a_larger_segment_has_in_it_is_left_out() {
        let files =
            [(4, 4, "d"), (1, 3, "abc"), (2, 2, "b"), (1, 1, "a"), (3, 3, "c"), (5, 9, "e"), (9, 9, "f")];
        let files = files.map(|(first, last, name)| (first, last, listed(name)));
        let (kept, covered) = uncovered(files.into());
        let names: Vec<&str> = kept.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(names, ["abc", "d", "e"]);
        assert_eq!(covered, ["a", "b", "c", "f"]);
    }
}
