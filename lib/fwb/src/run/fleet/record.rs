//! What the runs of a fleet come to, as one JSON object. Each server's own run has its record in its store.

use serde::{Deserialize, Serialize};

use super::super::process::host_name;
use super::super::record::RunRecord;
use crate::manifest::Timestamp;

/// The schema that this version writes.
pub const FLEET_SCHEMA: &str = "fwb-fleet/1";

/// The runs of a fleet.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct FleetRecord {
    /// [`FLEET_SCHEMA`].
    pub schema: String,
    /// `backup`, `drill`, `copy`, `prune`, or the name of a chain of one's own.
    pub what: String,
    /// The fleet file.
    pub fleet: String,
    /// When the first run was begun.
    pub at: Timestamp,
    /// When the last one ended.
    pub finished_at: Timestamp,
    /// How long all of them took, in seconds.
    pub seconds: f64,
    /// The exit status: that of the first server of the file whose run failed, or of the signal that ended all.
    pub exit: i32,
    /// How many servers were meant.
    pub servers: u64,
    /// How many runs went well.
    pub ok: u64,
    /// How many backups were made.
    pub backups_made: u64,
    /// What these take, in bytes.
    pub size: u64,
    /// The servers whose runs failed, in the order of the file.
    pub failures: Vec<FleetFailure>,
    /// The servers whose runs were not begun: a signal came before.
    #[serde(default)]
    pub not_begun: Vec<String>,
    /// The host that ran them.
    #[serde(default)]
    pub host: Option<String>,
    /// The version of the tools.
    pub version: String,
}

/// A server whose run failed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FleetFailure {
    /// The server.
    pub server: String,
    /// Its run, as its store has it under `runs/`; null where there was none.
    #[serde(default)]
    pub run: Option<String>,
    /// The exit status.
    pub exit: i32,
    /// The stage that failed.
    #[serde(default)]
    pub stage: Option<String>,
    /// The code of the error, `FWB-…`.
    #[serde(default)]
    pub code: Option<String>,
    /// Why.
    #[serde(default)]
    pub reason: Option<String>,
    /// What to do.
    #[serde(default)]
    pub hint: Option<String>,
}

impl FleetRecord {
    /// Runs that begin on this host.
    pub fn begin(what: &str, fleet: &str, servers: usize, at: Timestamp) -> Self {
        Self {
            schema: FLEET_SCHEMA.into(),
            what: what.into(),
            fleet: fleet.into(),
            at,
            finished_at: at,
            servers: servers as u64,
            host: host_name(),
            version: env!("CARGO_PKG_VERSION").into(),
            ..Self::default()
        }
    }

    /// Takes a run that has ended well.
    pub fn take(&mut self, run: &RunRecord) {
        self.ok += 1;
        self.add(run);
    }

    /// Takes a run that failed; what it has backed up is backed up.
    pub fn take_failure(&mut self, failure: FleetFailure, run: Option<&RunRecord>) {
        self.failures.push(failure);
        if let Some(run) = run {
            self.add(run);
        }
    }

    fn add(&mut self, run: &RunRecord) {
        if run.what != "backup" {
            return;
        }
        let alone = run.name.iter().map(|_| run.size.unwrap_or_default());
        let sizes: Vec<u64> = run.backups_made.iter().map(|made| made.size).chain(alone).collect();
        self.backups_made += sizes.len() as u64;
        self.size += sizes.iter().sum::<u64>();
    }

    /// Whether every run was begun and went well.
    pub fn is_ok(&self) -> bool {
        self.failures.is_empty() && self.not_begun.is_empty()
    }
}

impl FleetFailure {
    /// Of what the run itself says.
    pub fn of_run(server: &str, exit: i32, run: &RunRecord) -> Self {
        Self {
            server: server.into(),
            run: run.id.clone(),
            exit,
            stage: run.stage.clone(),
            code: run.code.clone(),
            reason: run.reason.clone(),
            hint: run.hint.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::now;
    use crate::run::RunBackup;

    #[test]
    fn backups_are_counted_of_runs_that_went_well_and_of_those_that_failed_in_part() {
        let mut all = FleetRecord::begin("backup", "fleet", 3, now());
        let one = RunRecord {
            what: "backup".into(),
            name: Some("a".into()),
            size: Some(10),
            ..RunRecord::default()
        };
        let made = |size| RunBackup { database: None, name: "b".into(), size, raw_size: None, proved: true };
        let several =
            RunRecord { what: "backup".into(), backups_made: vec![made(1), made(2)], ..RunRecord::default() };
        let drill = RunRecord { what: "drill".into(), ..one.clone() };
        all.take(&one);
        all.take(&drill);
        assert!(all.is_ok());
        all.take_failure(FleetFailure::of_run("s", 1, &several), Some(&several));
        assert_eq!((all.ok, all.backups_made, all.size, all.is_ok()), (2, 3, 13, false));
    }
}
