//! The runs of a store: one small object each under `runs/`, and what earlier versions have written into `runs.jsonl`.

use std::hash::{BuildHasher, RandomState};

use super::record::RunRecord;
use crate::error::{Error, Result};
use crate::manifest::Timestamp;
use crate::progress::Cancel;
use crate::store::{Folder, Listed, Store};

/// The file in which earlier versions kept them, one a line.
const LINES: &str = "runs.jsonl";
/// What a record's name ends with.
const SUFFIX: &str = ".json";
/// The largest record that is read, in bytes; what is beyond it is counted as unreadable.
const LARGEST: u64 = 4 << 20;
/// The largest `runs.jsonl` that is read, in bytes: some 10,000 records take 15 MB.
const LARGEST_LINES: u64 = 256 << 20;
/// How an id gives its moment, in UTC: the order of names is that of time.
const MOMENT: &str = "%Y%m%dT%H%M%S%3fZ";
/// The longest name of a chain, in bytes.
const LONGEST: usize = 40;

/// The runs of a store.
#[derive(Debug, Clone, Default)]
pub struct RunHistory {
    /// Their records, oldest first.
    pub runs: Vec<RunRecord>,
    /// How many records cannot be read.
    pub unreadable: u64,
}

/// The id of a run: its moment in UTC, what it is, and eight random digits.
///
/// # Errors
/// A usage error where `what` is no name of a chain: small letters, digits and hyphens, at most 40.
pub fn run_id(what: &str, at: Timestamp) -> Result<String> {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if what.is_empty() || what.len() > LONGEST || !what.bytes().all(fits) {
        let message = format!("{what:?} cannot be the name of a run");
        let hint = format!("use small letters, digits and hyphens, at most {LONGEST}");
        return Err(Error::Usage { message, hint: Some(hint) });
    }
    // The hasher's key is drawn from the operating system's random numbers.
    let random = RandomState::new().hash_one(std::process::id()) >> 32;
    Ok(format!("{}-{what}-{random:08x}", at.to_utc().format(MOMENT)))
}

impl Store {
    /// Writes a run's record, in the place of what it was before.
    ///
    /// # Errors
    /// It has no id, or cannot be written.
    pub fn write_run(&self, record: &RunRecord) -> Result<()> {
        let id = record.id.as_deref().unwrap_or_default();
        check(id)?;
        self.backend().write_in(Folder::Runs, &format!("{id}{SUFFIX}"), &record.to_line()?)
    }

    /// The records of the runs that began at or after `since`.
    ///
    /// # Errors
    /// The store cannot be listed, or a signal arrived. A record that cannot be read is counted.
    pub fn runs(&self, since: Option<Timestamp>, cancel: &Cancel) -> Result<RunHistory> {
        let mut history = RunHistory::default();
        let earliest = since.map(|since| since.to_utc().format(MOMENT).to_string());
        let is_asked_for = |file: &Listed| {
            let id = file.name.strip_suffix(SUFFIX).unwrap_or_default();
            check(id).is_ok() && earliest.as_deref().is_none_or(|earliest| id >= earliest)
        };
        let mut files = self.backend().list_in(Folder::Runs)?;
        files.retain(is_asked_for);
        cancel.check()?;
        for read in self.backend().read_in(Folder::Runs, &files, LARGEST)? {
            match read {
                Ok(Some(json)) => history.take(&json),
                // It was removed meanwhile.
                Ok(None) => {}
                Err(error) => {
                    log::debug!("{error}");
                    history.unreadable += 1;
                }
            }
        }
        if self.is_near() {
            let lines = Listed { name: LINES.into(), size: None, version: None };
            for read in self.backend().read(&[lines], LARGEST_LINES)?.into_iter().flatten().flatten() {
                read.split(|byte| *byte == b'\n')
                    .filter(|line| !line.is_empty())
                    .for_each(|line| history.take(line));
            }
        }
        history.runs.retain(|run| since.is_none_or(|since| run.at >= since));
        history.runs.sort_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)));
        Ok(history)
    }

    /// The record of one run, as it is now; none where it is gone or cannot be read.
    ///
    /// # Errors
    /// `id` names no run, the store cannot be read, or a signal arrived.
    pub fn run(&self, id: &str) -> Result<Option<RunRecord>> {
        check(id)?;
        let file = Listed { name: format!("{id}{SUFFIX}"), size: None, version: None };
        let read = self.backend().read_in(Folder::Runs, &[file], LARGEST)?.into_iter().next();
        Ok(read.transpose()?.flatten().and_then(|json| RunRecord::from_slice(&json)))
    }

    /// Removes the oldest records, so that `keep` of them stay. Those of `runs.jsonl` stay.
    ///
    /// # Errors
    /// The store cannot be listed, or one cannot be removed.
    pub fn prune_runs(&self, keep: usize) -> Result<()> {
        let files = self.backend().list_in(Folder::Runs)?;
        let mut names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
        names.retain(|name| name.strip_suffix(SUFFIX).is_some_and(|id| check(id).is_ok()));
        names.sort_unstable();
        let surplus = names.len().saturating_sub(keep);
        names[..surplus].iter().try_for_each(|name| self.backend().remove_in(Folder::Runs, name))
    }
}

impl RunHistory {
    fn take(&mut self, json: &[u8]) {
        match RunRecord::from_slice(json) {
            Some(record) => self.runs.push(record),
            None => self.unreadable += 1,
        }
    }

    /// Those that are under way by their records, and have given no sign of life for so long that they were killed.
    pub fn lost(&self, now: Timestamp) -> impl Iterator<Item = &RunRecord> {
        self.runs.iter().filter(move |run| run.is_lost(now))
    }

    /// The same history as it is for whoever reads it now: what was killed counts as lost.
    #[must_use]
    pub fn settled(mut self, now: Timestamp) -> Self {
        for run in &mut self.runs {
            if run.is_lost(now) {
                *run = run.clone().into_lost();
            }
        }
        self
    }
}

/// Checks that an id names a plain file.
fn check(id: &str) -> Result<()> {
    let (plain, moment) = (
        id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'),
        id.as_bytes().first().is_some_and(u8::is_ascii_digit),
    );
    if plain && moment && id.len() <= 19 + 1 + LONGEST + 1 + 8 {
        return Ok(());
    }
    Err(Error::usage(format!("{id:?} is not the id of a run")))
}
