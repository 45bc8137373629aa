//! What the stores say once the stages have ended: how many backups there are, which earlier runs were lost, what needs a person,
//! and what of all that is new.

use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use fwb::{
    Cancel, DatabaseChoice, Error, Listing, Location, LostRun, NamePattern, ReportInput, Result, RunHistory,
    RunOutcome, RunRecord, RunTrouble, Store, StoreFacts, Timestamp, Trouble, TroubleOptions,
};
use fwb_stores::{ObjectStores, TargetStores};

use crate::outcome::InStore;

/// How long the stores may take: one that does not answer must not hold the record up.
const GLANCE: Duration = Duration::from_secs(20);
/// How far back runs are looked at, in days: the longest window of a report's success rates, and some.
const HISTORY: i64 = 100;
/// The signal by which requests are told to end that nobody waits for any more.
const GIVEN_UP: i32 = 15;

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Aftermath {
    /// That this run has failed, as later runs see it.
    pub(crate) own: Vec<Trouble>,
    /// Troubles of which nobody has been told.
    pub(crate) new: Vec<Trouble>,
    /// Troubles of which somebody has been told, and that stand.
    pub(crate) standing: Vec<Trouble>,
    /// Troubles of which somebody has been told, and that are over.
    pub(crate) over: Vec<RunTrouble>,
    /// The runs of the same kind, database and server that failed in a row until this one, oldest first.
    pub(crate) failures: Vec<RunRecord>,
}

/// What is read of the first store.
struct Seen {
    store: Store,
    listing: Listing,
    history: RunHistory,
    facts: StoreFacts,
}

impl Aftermath {
    /// Looks at the stores, and fills in what the record has of them. Of a store that does not answer in time nothing is known,
    /// and a warning says so.
    pub(crate) fn of(
        record: &mut RunRecord,
        databases: &DatabaseChoice,
        place: &Location,
        second: Option<Location>,
        limits: &TroubleOptions,
    ) -> Self {
        let (began, now, cancel) = (Instant::now(), fwb::now(), Cancel::default());
        let first = {
            let (place, cancel) = (place.clone(), cancel.clone());
            beside(move || Seen::look(&place, now, &cancel))
        };
        let copies = second.map(|place| {
            let cancel = cancel.clone();
            beside(move || {
                let copies = Store::open(&place, &TargetStores, &cancel)?;
                StoreFacts::read(&copies, Some(now), &cancel)
            })
        });
        let left = || GLANCE.saturating_sub(began.elapsed());
        let mut warn = |which: &str, error: &Error| {
            let warning =
                format!("{which} store was not looked at, and what is wrong there is not told: {error}");
            log::warn!(code = fwb::notice::OTHER.code; "{warning}");
            record.warnings.push(warning);
        };
        let copies = copies.map(|copies| answer(&copies, left()));
        let copies = copies.and_then(|copies| copies.map_err(|error| warn("the second", &error)).ok());
        let seen = answer(&first, left());
        cancel.raise(GIVEN_UP);
        match seen {
            Ok(seen) => Self::of_seen(record, databases, seen, copies, limits, now),
            Err(error) => {
                warn("the", &error);
                Self::default()
            }
        }
    }

    fn of_seen(
        record: &mut RunRecord,
        databases: &DatabaseChoice,
        seen: Seen,
        copies: Option<StoreFacts>,
        limits: &TroubleOptions,
        now: Timestamp,
    ) -> Self {
        let named: Vec<_> = record.database.iter().map(NamePattern::new).collect();
        let databases = if databases.wanted.is_empty() { &named } else { &databases.wanted };
        if let Some(found) = InStore::of(&seen.listing, databases, record.server.as_deref()) {
            (record.backups, record.backups_size) = (Some(found.backups), Some(found.size));
            (record.proved, record.newest_proved_at) = (Some(found.proved), found.newest_proved);
        }
        let Seen { store, history, mut facts, .. } = seen;
        record.free_bytes = facts.space.map(|space| space.free);
        record.lost = report_lost(&history, &store, now);
        let has_ended = |run: &&RunRecord| run.id != record.id && run.outcome != RunOutcome::Running;
        let earlier: Vec<&RunRecord> = history.runs.iter().filter(has_ended).collect();
        // This run has ended too, as far as anybody is to be told.
        facts.runs.retain(|run| run.id != record.id);
        facts.runs.push(record.clone());
        let has_second = copies.is_some();
        let files = fwb_report::certificate_files(&[]);
        let input = ReportInput {
            stores: std::iter::once(facts).chain(copies).collect(),
            certificates: fwb_report::certificates(&files),
            fleet: None,
        };
        let mut troubles = fwb::troubles(&input, limits, now);
        let lost: Vec<Trouble> = record.lost.iter().filter_map(|lost| of_lost(lost, &troubles)).collect();
        troubles.extend(lost);
        let looked = earlier.iter().rev().find(|run| run.backups.is_some());
        let (known, told) = looked.map(|run| (run.troubles.clone(), run.told.clone())).unwrap_or_default();
        let is_there = |key: &str| troubles.iter().any(|trouble| trouble.key == key);
        // What this run could not judge stands as it did.
        let is_judged = |trouble: &RunTrouble| {
            let looked_at = |file: &std::path::Path| trouble.key.ends_with(&*file.to_string_lossy());
            (has_second || trouble.code != fwb::notice::COPY_MISSING.code)
                && (trouble.code != fwb::notice::CERTIFICATE.code
                    || files.iter().any(|(_, file)| looked_at(file)))
        };
        let gone = known.into_iter().filter(|one| !is_there(&one.key));
        let (gone, kept): (Vec<_>, Vec<_>) = gone.partition(is_judged);
        record.troubles = troubles.iter().map(RunTrouble::from).chain(kept).collect();
        record.told =
            told.iter().filter(|key| record.troubles.iter().any(|one| one.key == **key)).cloned().collect();
        let over = gone.into_iter().filter(|one| told.contains(&one.key)).collect();
        let own = format!("/{}", record.what);
        let is_own = |trouble: &Trouble| {
            record.exit != Some(0)
                && trouble.code == fwb::notice::RUN_FAILED.code
                && trouble.key.ends_with(&own)
        };
        let (own, others): (Vec<_>, Vec<_>) = troubles.into_iter().partition(is_own);
        let (standing, new) = others.into_iter().partition(|trouble| told.contains(&trouble.key));
        Self { own, new, standing, over, failures: failures_before(record, &earlier) }
    }

    /// The keys of what a message about this run tells.
    pub(crate) fn keys(&self) -> Vec<String> {
        self.own.iter().chain(&self.new).map(|trouble| trouble.key.clone()).collect()
    }
}

impl Seen {
    fn look(place: &Location, now: Timestamp, cancel: &Cancel) -> Result<Self> {
        let store = Store::open(place, &ObjectStores, cancel)?;
        let listing = Listing::read(&store, cancel)?;
        let history = store.runs(Some(now - TimeDelta::days(HISTORY)), cancel)?;
        let facts = StoreFacts::of(&listing, history.clone(), store.space()?, now, cancel)?;
        Ok(Self { store, listing, history, facts })
    }
}

/// Does something in a thread of its own, which may outlive whoever waits for it.
fn beside<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Receiver<Result<T>> {
    let (found, answer) = channel();
    // Without a thread nobody answers.
    let work = move || found.send(work()).unwrap_or_default();
    if let Err(error) = std::thread::Builder::new().spawn(work) {
        log::debug!("no thread: {error}");
    }
    answer
}

fn answer<T>(from: &Receiver<Result<T>>, within: Duration) -> Result<T> {
    let silent = || Error::Stream { action: "look at it", source: std::io::ErrorKind::TimedOut.into() };
    from.recv_timeout(within).unwrap_or_else(|_| Err(silent()))
}

/// Notes in the store which earlier runs have ended without a word.
fn report_lost(history: &RunHistory, store: &Store, now: Timestamp) -> Vec<LostRun> {
    let is_lost = |run: &&RunRecord| {
        // It may have written its last word since the history was read.
        let still = run.id.as_deref().and_then(|id| store.run(id).ok().flatten());
        still.is_some_and(|run| run.outcome == RunOutcome::Running)
    };
    let lost = history.lost(now).filter(is_lost).cloned().map(RunRecord::into_lost);
    lost.filter_map(|run| {
        let (what, at) = (run.what.clone(), run.at);
        log::warn!(code = fwb::notice::RUN_LOST.code;
            "the {what} run of {at} ended without a word: it was killed, or its machine was lost");
        if let Err(error) = store.write_run(&run) {
            log::debug!("the record of a lost run stays as it is: {error}");
        }
        Some(LostRun { id: run.id?, what, at })
    })
    .collect()
}

/// That a run was lost, where no trouble tells it: a later one of its kind has gone well.
fn of_lost(lost: &LostRun, troubles: &[Trouble]) -> Option<Trouble> {
    let code = fwb::notice::RUN_LOST;
    let is_told = |one: &Trouble| one.code == code.code && one.key.ends_with(&format!("/{}", lost.what));
    (!troubles.iter().any(is_told)).then(|| Trouble {
        code: code.code.into(),
        key: format!("{}:{}", code.code, lost.id),
        subject: lost.what.clone(),
        message: format!(
            "the {} run of {} ended without a word",
            lost.what,
            lost.at.format("%Y-%m-%d %H:%M")
        ),
        hint: code.remedy.into(),
        section: code.section().unwrap_or("alerts").into(),
    })
}

/// The runs of the same kind, database and server that have failed since one went well.
fn failures_before(record: &RunRecord, earlier: &[&RunRecord]) -> Vec<RunRecord> {
    // A run that has not reached its server may not know its name.
    let is_alike = |a: &Option<String>, b: &Option<String>| a.is_none() || b.is_none() || a == b;
    let alike = earlier.iter().rev().filter(|run| {
        run.what == record.what
            && is_alike(&run.database, &record.database)
            && is_alike(&run.server, &record.server)
    });
    let mut failures: Vec<RunRecord> =
        alike.take_while(|run| run.outcome != RunOutcome::Ok).map(|run| (*run).clone()).collect();
    failures.reverse();
    failures
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(number: u32, outcome: RunOutcome, server: Option<&str>) -> RunRecord {
        let at = fwb::now() + TimeDelta::seconds(number.into());
        let mut run = RunRecord::begin(format!("{number}"), "backup", at);
        (run.outcome, run.database, run.server) = (outcome, Some("shop".into()), server.map(Into::into));
        run
    }

    #[test]
    fn failures_in_a_row_end_with_a_run_that_went_well() {
        let runs = [
            run(1, RunOutcome::Failed, None),
            run(2, RunOutcome::Ok, Some("db")),
            run(3, RunOutcome::Failed, None),
            run(4, RunOutcome::Ok, Some("another")),
            run(5, RunOutcome::Lost, Some("db")),
        ];
        let earlier: Vec<&RunRecord> = runs.iter().collect();
        let found = failures_before(&run(6, RunOutcome::Ok, Some("db")), &earlier);
        assert_eq!(found.iter().map(|run| run.id.clone().unwrap()).collect::<Vec<_>>(), ["3", "5"]);
        let mut drill = run(6, RunOutcome::Ok, Some("db"));
        drill.what = "drill".into();
        assert!(failures_before(&drill, &earlier).is_empty());
    }
}
