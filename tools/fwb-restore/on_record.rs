//! The record of a restore or an undo, in the store that it is about: docs/JSON.md. Whoever asks later when and why a database
//! was replaced finds it beside the runs of the backups.

use std::path::Path;
use std::time::Instant;

use fwb::{Error, Location, Result, RunKeeper, RunOutcome, RunRecord, RunStep};
use fwb_stores::ObjectStores;

/// A restore or an undo, and its record.
#[derive(Debug)]
pub(crate) struct OnRecord {
    record: RunRecord,
    place: Location,
    keeper: Option<RunKeeper>,
    /// Whether anything was done.
    is_begun: bool,
    began: Instant,
}

impl OnRecord {
    /// Of a restore or an undo that may come to be; until it fails or [`OnRecord::begin`] is called, nothing is written.
    ///
    /// # Errors
    /// `what` is no name of a run.
    pub(crate) fn new(
        what: &str,
        place: &Location,
        name: Option<&str>,
        database: Option<&str>,
    ) -> Result<Self> {
        let at = fwb::now_to_the_millisecond();
        let mut record = RunRecord::begin(fwb::run_id(what, at)?, what, at);
        record.name = name.map(Into::into);
        record.database = database.map(Into::into);
        record.store = Some(place.resolved().to_string());
        Ok(Self { record, place: place.clone(), keeper: None, is_begun: false, began: Instant::now() })
    }

    /// The database that it is about, once that is known.
    pub(crate) fn of_database(&mut self, database: &str) {
        self.record.database = Some(database.into());
    }

    /// It begins: from now on it is on record, also if this process is killed.
    pub(crate) fn begin(&mut self) {
        self.is_begun = true;
        self.keep();
    }

    /// It has ended. One that was never begun is on record only if it failed.
    pub(crate) fn end<T>(mut self, result: Result<T>) -> Result<T> {
        match &result {
            Ok(_) if !self.is_begun => return result,
            Ok(_) => (self.record.outcome, self.record.exit) = (RunOutcome::Ok, Some(0)),
            Err(error) => self.fail(error),
        }
        let seconds = fwb::seconds_since(self.began).max(0.001);
        self.record.finished_at = Some(fwb::now_to_the_millisecond().max(self.record.at));
        self.record.seconds = Some(seconds);
        let exit = self.record.exit.unwrap_or_default();
        let stage = self.record.what.clone();
        self.record.stages.insert(stage.clone(), seconds);
        self.record.steps.push(RunStep { stage, exit, seconds, tries: 1, retried: Vec::new() });
        if self.keeper.is_none() {
            self.keep();
        }
        // Whoever may only read the store restores from it all the same.
        if let Some(Err(error)) = self.keeper.map(|keeper| keeper.finish(self.record)) {
            log::info!("the store has no record of this run: {error}");
        }
        result
    }

    /// Records lie in stores alone: the directory of a file that somebody names may be anybody's.
    fn keep(&mut self) {
        let is_store = |root: &Path| root.join(".lock").symlink_metadata().is_ok_and(|found| found.is_file());
        if self.place.directory().is_some_and(|root| !is_store(root)) {
            return;
        }
        match RunKeeper::begin(&self.record, &self.place, &ObjectStores) {
            Ok(keeper) => self.keeper = Some(keeper),
            Err(error) => log::info!("the store has no record of this run: {error}"),
        }
    }

    fn fail(&mut self, error: &Error) {
        let record = &mut self.record;
        record.outcome = RunOutcome::Failed;
        record.exit = Some(fwb_cli::exit_code(error.class()).into());
        record.stage = Some(record.what.clone());
        record.code = Some(error.code().code.into());
        record.reason = Some(error.to_string());
        record.hint = error.hint();
    }
}
