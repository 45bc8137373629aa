//! The record of one run: a chain of tools, a restore or an undo, as one JSON object. `docs/JSON.md` describes every field;
//! fields that this version does not know are kept.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::process::{RunProcess, host_name};
use crate::manifest::{Exclusion, MomentProof, Timestamp, Verification};

/// The schema that this version reads and writes.
pub const RUN_SCHEMA: &str = "fwb-run/1";

/// One run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// [`RUN_SCHEMA`].
    pub schema: String,
    /// What tells it from every other run, and names its object in the store; absent in lines of `runs.jsonl`, which earlier
    /// versions wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// `backup`, `drill`, `copy`, `prune`, `restore`, `undo`, or the name of a chain of one's own.
    pub what: String,
    /// When it began.
    pub at: Timestamp,
    /// When it ended; null while it is under way.
    #[serde(default)]
    pub finished_at: Option<Timestamp>,
    /// How long it took, in seconds; null while it is under way.
    #[serde(default)]
    pub seconds: Option<f64>,
    /// How it ended.
    pub outcome: RunOutcome,
    /// The exit status; null while it is under way, and of a run that was lost.
    #[serde(default)]
    pub exit: Option<i32>,
    /// The stage that failed.
    #[serde(default)]
    pub stage: Option<String>,
    /// The code of the error, `FWB-…`, where the stage gave one.
    #[serde(default)]
    pub code: Option<String>,
    /// Why it failed.
    #[serde(default)]
    pub reason: Option<String>,
    /// What to do.
    #[serde(default)]
    pub hint: Option<String>,
    /// What the stages have warned of, and errors that were not the reason; each once, at most 20.
    #[serde(default)]
    pub warnings: Vec<String>,

    /// The database.
    #[serde(default)]
    pub database: Option<String>,
    /// The server's name or address.
    #[serde(default)]
    pub server: Option<String>,
    /// The store, as manifests name it; absent in records of earlier versions.
    #[serde(default)]
    pub store: Option<String>,
    /// The backup that was made, drilled or restored; null where it did not come to that.
    #[serde(default)]
    pub name: Option<String>,
    /// Its size in bytes.
    #[serde(default)]
    pub size: Option<u64>,
    /// The size of its SQL in bytes.
    #[serde(default)]
    pub raw_size: Option<u64>,
    /// The backups that were made or drilled, where several databases were; absent of one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub backups_made: Vec<RunBackup>,
    /// The tables, sequences and views that it holds alone; absent where it is of the whole database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chosen: Option<Vec<String>>,
    /// What it leaves out of the database; absent where nothing is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excluded: Option<Exclusion>,
    /// What was proved of it; a drill that was not held has the reason in `not_drilled`.
    #[serde(default)]
    pub verification: Option<Verification>,
    /// The moments to which a drill has restored, at random, or has not; absent where it was to reach none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub moments: Vec<MomentProof>,
    /// The copy in the second store; null where none was made.
    #[serde(default)]
    pub copy: Option<RunCopy>,

    /// How long each stage took that was begun, in seconds, all its tries together.
    #[serde(default)]
    pub stages: BTreeMap<String, f64>,
    /// The stages in the order in which they ran; absent in records of earlier versions.
    #[serde(default)]
    pub steps: Vec<RunStep>,

    /// The backups that retention has deleted in this store.
    #[serde(default)]
    pub deleted: Vec<String>,
    /// What these took, in bytes.
    #[serde(default)]
    pub freed: u64,
    /// How many backups retention has kept; null where it had none to decide on.
    #[serde(default)]
    pub kept: Option<u64>,

    /// How many backups were in the store at the end, of this database and server where they are named; null where nobody
    /// could look.
    #[serde(default)]
    pub backups: Option<u64>,
    /// What these take, in bytes.
    #[serde(default)]
    pub backups_size: Option<u64>,
    /// How many of them are proved.
    #[serde(default)]
    pub proved: Option<u64>,
    /// When the newest proved one began.
    #[serde(default)]
    pub newest_proved_at: Option<Timestamp>,
    /// What is free on the store's file system, in bytes; null where there is no limit.
    #[serde(default)]
    pub free_bytes: Option<u64>,

    /// What is no failure and needs a person.
    #[serde(default)]
    pub troubles: Vec<RunTrouble>,
    /// The keys of those troubles of which somebody has been told, by this run or an earlier one.
    #[serde(default)]
    pub told: Vec<String>,
    /// Earlier runs that this one has found to have ended without a word.
    #[serde(default)]
    pub lost: Vec<LostRun>,

    /// The host it ran on.
    #[serde(default)]
    pub host: Option<String>,
    /// The version of the tools.
    #[serde(default)]
    pub version: Option<String>,
    /// While the run is under way: what tells whether it still lives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<RunProcess>,
    /// Fields of later versions.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunOutcome {
    /// It is under way.
    #[default]
    Running,
    /// Every stage ended well.
    Ok,
    /// A stage failed.
    Failed,
    /// It ended without a word: killed, or its machine was lost.
    Lost,
}

/// One backup of a run of several databases.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunBackup {
    /// Its database.
    #[serde(default)]
    pub database: Option<String>,
    /// Its name.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// The size of its SQL in bytes.
    #[serde(default)]
    pub raw_size: Option<u64>,
    /// Whether it is proved.
    pub proved: bool,
}

/// A copy in a second store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunCopy {
    /// The second store.
    pub store: Option<String>,
    /// The copy's name.
    pub name: Option<String>,
    /// Whether it counts as proved there.
    pub proved: bool,
}

/// One stage of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunStep {
    /// Its name: `dump`, `verify`, `copy`, `ls`, `prune` …
    pub stage: String,
    /// The exit status of its last try.
    pub exit: i32,
    /// How long it took, in seconds, all tries and the waits between them together.
    pub seconds: f64,
    /// How often it was tried.
    pub tries: u32,
    /// Why it was tried again: what each failed try but the last has said, oldest first, at most 20.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retried: Vec<RunRetry>,
}

/// A try that failed and was worth another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRetry {
    /// When it failed.
    pub at: Timestamp,
    /// The code of its error, `FWB-…`.
    #[serde(default)]
    pub code: Option<String>,
    /// What it said.
    pub reason: String,
}

/// What is no failure and needs a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunTrouble {
    /// Its code, `FWB-3…`.
    pub code: String,
    /// The same from run to run for the same trouble, so that it is told once.
    pub key: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    #[serde(default)]
    pub hint: Option<String>,
}

/// A run that ended without a word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LostRun {
    /// Its id.
    pub id: String,
    /// What it was.
    pub what: String,
    /// When it began.
    pub at: Timestamp,
}

impl RunRecord {
    /// A run that begins on this host.
    pub fn begin(id: String, what: &str, at: Timestamp) -> Self {
        Self {
            schema: RUN_SCHEMA.into(),
            id: Some(id),
            what: what.into(),
            at,
            host: host_name(),
            version: Some(env!("CARGO_PKG_VERSION").into()),
            ..Self::default()
        }
    }

    /// What was proved of a backup of a whole database: what holds chosen tables alone proves nothing of that.
    pub(crate) fn of_whole(&self) -> Option<&Verification> {
        self.verification.as_ref().filter(|_| self.chosen.is_none())
    }

    /// Reads a record from one JSON object; none where it is none of this schema.
    pub fn from_slice(json: &[u8]) -> Option<Self> {
        let record: Self = serde_json::from_slice(json).ok()?;
        (record.schema == RUN_SCHEMA).then_some(record)
    }

    /// The record as one line of JSON.
    ///
    /// # Errors
    /// It cannot be written as JSON.
    pub fn to_line(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut json = serde_json::to_vec(self)?;
        json.push(b'\n');
        Ok(json)
    }

    /// Whether it is under way by its record, and was killed: it gives no sign of life any more.
    pub(super) fn is_lost(&self, now: Timestamp) -> bool {
        self.outcome == RunOutcome::Running
            && self.process.as_ref().is_none_or(|process| process.has_ended(now))
    }

    /// The same run as one that ended without a word: its last sign of life is its end.
    #[must_use]
    pub fn into_lost(self) -> Self {
        let seen = self.process.as_ref().map(|process| process.seen_at);
        let reason = "the run ended without a word: it was killed, or its machine was lost";
        Self {
            outcome: RunOutcome::Lost,
            finished_at: seen,
            seconds: seen.and_then(|seen| (seen - self.at).to_std().ok()).map(|passed| passed.as_secs_f64()),
            reason: Some(reason.into()),
            hint: Some("look at the log and the memory limit of the host or pod it ran on; what it left is put in order by the next run".into()),
            process: None,
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_an_earlier_version_is_read() {
        let line = br#"{"schema":"fwb-run/1","what":"backup","at":"2026-07-01T02:00:00+09:00",
            "finished_at":"2026-07-01T02:00:09+09:00","seconds":9.1,"outcome":"failed","exit":1,"stage":"dump","reason":"r",
            "hint":null,"warnings":[],"database":"shop","server":"db.example","name":null,"size":null,"raw_size":null,
            "verification":null,"copy":null,"stages":{"dump":8.9},"deleted":[],"freed":0,"kept":null,"backups":3,
            "backups_size":30,"proved":3,"newest_proved_at":"2026-06-30T02:00:00+09:00","free_bytes":1000,"host":"h",
            "version":"0.1.0","later":true}"#;
        let record = RunRecord::from_slice(line).unwrap();
        assert_eq!((record.outcome, record.exit, record.stages["dump"]), (RunOutcome::Failed, Some(1), 8.9));
        assert_eq!((record.id.as_ref(), record.extra["later"].as_bool()), (None, Some(true)));
    }

    #[test]
    fn what_is_none_is_not_read() {
        for text in [
            "",
            "{}",
            "[]",
            r#"{"schema":"fwb-run/2","what":"x","at":"2026-07-01T02:00:00Z","outcome":"ok"}"#,
        ] {
            assert_eq!(RunRecord::from_slice(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_record_comes_back_as_it_was_written() {
        let at = Timestamp::parse_from_rfc3339("2026-07-01T02:00:00+09:00").unwrap();
        let record = RunRecord::begin("20260630T170000Z-backup-1a2b3c4d".into(), "backup", at);
        assert_eq!(RunRecord::from_slice(&record.to_line().unwrap()).unwrap(), record);
    }
}
