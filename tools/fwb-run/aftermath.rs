//! What the stores say once the stages have ended: how many backups there are, which earlier runs were lost, what needs a person,
//! and what of all that is new.

use std::sync::mpsc::channel;
use std::time::Duration;

use chrono::TimeDelta;
use fwb::{
    Cancel, Listing, Location, LostRun, ReportInput, Result, RunHistory, RunOutcome, RunRecord, RunTrouble,
    Store, StoreFacts, Timestamp, Trouble, TroubleOptions,
};
use fwb_stores::ObjectStores;

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
    /// Earlier runs that have ended without a word.
    pub(crate) lost: Vec<LostRun>,
    /// Troubles that no earlier run has told.
    pub(crate) new: Vec<Trouble>,
    /// Troubles that one has told, and that stand.
    pub(crate) standing: Vec<Trouble>,
    /// Troubles that the last run has told, and that are over.
    pub(crate) over: Vec<RunTrouble>,
    /// The runs of the same kind, database and server that failed in a row until this one, oldest first.
    pub(crate) failures: Vec<RunRecord>,
}

/// What is read of the stores.
struct Seen {
    store: Store,
    listing: Listing,
    history: RunHistory,
    input: ReportInput,
}

impl Aftermath {
    /// Looks at the stores, and fills in what the record has of them. Nothing is known of a store that does not answer in time.
    pub(crate) fn of(
        record: &mut RunRecord,
        place: &Location,
        second: Option<Location>,
        limits: &TroubleOptions,
    ) -> Self {
        let (place, cancel) = (place.clone(), Cancel::default());
        let (found, looked) = channel();
        let (asked, now) = (cancel.clone(), fwb::now());
        let glance = move || found.send(Seen::look(&place, second.as_ref(), now, &asked)).unwrap_or_default();
        if std::thread::Builder::new().spawn(glance).is_err() {
            return Self::default();
        }
        let aftermath = match looked.recv_timeout(GLANCE) {
            Ok(Ok(mut seen)) => {
                seen.input.certificates = fwb_report::certificates(&fwb_report::certificate_files(&[]));
                Self::of_seen(record, seen, limits, now)
            }
            Ok(Err(error)) => {
                log::debug!("the store is not looked at for the record: {error}");
                Self::default()
            }
            Err(_) => {
                log::debug!("the store does not answer in time to be looked at for the record");
                Self::default()
            }
        };
        cancel.raise(GIVEN_UP);
        aftermath
    }

    fn of_seen(record: &mut RunRecord, mut seen: Seen, limits: &TroubleOptions, now: Timestamp) -> Self {
        if let Some(found) = InStore::of(&seen.listing, record.database.as_deref(), record.server.as_deref())
        {
            (record.backups, record.backups_size) = (Some(found.backups), Some(found.size));
            (record.proved, record.newest_proved_at) = (Some(found.proved), found.newest_proved);
        }
        let first = seen.input.stores.first_mut();
        record.free_bytes = first.as_ref().and_then(|store| store.space).map(|space| space.free);
        record.lost = report_lost(&seen.history, &seen.store, now);
        let earlier: Vec<&RunRecord> = seen
            .history
            .runs
            .iter()
            .filter(|run| run.id != record.id && run.outcome != RunOutcome::Running)
            .collect();
        if let Some(store) = first {
            // This run has ended too, as far as anybody is to be told.
            store.runs.retain(|run| run.id != record.id);
            store.runs.push(record.clone());
        }
        let mut troubles = fwb::troubles(&seen.input, limits, now);
        // A run that fails is told by itself.
        troubles.retain(|trouble| trouble.code != fwb::notice::RUN_FAILED.code);
        record.troubles = troubles.iter().map(RunTrouble::from).collect();
        let told = earlier.iter().rev().find(|run| run.backups.is_some()).map(|run| run.troubles.clone());
        let told = told.unwrap_or_default();
        let is_told = |key: &str| told.iter().any(|one| one.key == key);
        let over = told
            .iter()
            .filter(|one| troubles.iter().all(|trouble| trouble.key != one.key))
            .cloned()
            .collect();
        let (standing, new) = troubles.into_iter().partition(|trouble| is_told(&trouble.key));
        let failures = failures_before(record, &earlier);
        Self { lost: record.lost.clone(), new, standing, over, failures }
    }
}

impl Seen {
    fn look(place: &Location, second: Option<&Location>, now: Timestamp, cancel: &Cancel) -> Result<Self> {
        let store = Store::open(place, &ObjectStores, cancel)?;
        let listing = Listing::read(&store, cancel)?;
        let since = now - TimeDelta::days(HISTORY);
        let history = store.runs(Some(since), cancel).unwrap_or_else(|error| {
            log::debug!("earlier runs are not looked at: {error}");
            RunHistory::default()
        });
        let facts = StoreFacts::of(&listing, history.clone(), store.space()?, now, cancel)?;
        let copies = second.map(|second| {
            let copies = Store::open(second, &ObjectStores, cancel)?;
            StoreFacts::read(&copies, Some(now), cancel)
        });
        let mut stores = vec![facts];
        match copies {
            Some(Ok(copies)) => stores.push(copies),
            Some(Err(error)) => log::debug!("the second store is not looked at: {error}"),
            None => {}
        }
        Ok(Self { store, listing, history, input: ReportInput { stores, certificates: Vec::new() } })
    }
}

/// Notes in the store which earlier runs have ended without a word.
fn report_lost(history: &RunHistory, store: &Store, now: Timestamp) -> Vec<LostRun> {
    let lost = history.lost(now).cloned().map(RunRecord::into_lost);
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
