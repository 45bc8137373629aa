//! A report as one JSON object, `fwb-report/1`: docs/JSON.md describes every field. Its size is bounded, however many backups and
//! runs there are.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::forecast::Forecast;
use super::trend::Trend;
use super::trouble::Trouble;
use crate::binlog::FollowState;
use crate::manifest::{Kind, Timestamp};
use crate::run::RunOutcome;

/// The schema that this version writes.
pub const REPORT_SCHEMA: &str = "fwb-report/1";

/// What the stores come to at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReportDocument {
    /// [`REPORT_SCHEMA`].
    pub schema: String,
    /// The moment.
    pub at: Timestamp,
    /// From when on runs and sizes are shown.
    pub since: Timestamp,
    /// The version of the tools.
    pub version: String,
    /// Whether there is no trouble.
    pub ok: bool,
    /// The state in one sentence.
    pub state: String,
    /// What needs a person, the gravest first.
    pub troubles: Vec<Trouble>,
    /// The servers that should have backups, where a fleet file names them; else null.
    #[serde(default)]
    pub fleet: Option<FleetReport>,
    /// The stores, in the order in which they were named.
    pub stores: Vec<StoreReport>,
    /// Each database of each server in each store.
    pub databases: Vec<DatabaseReport>,
    /// The logs of servers that the stores hold.
    pub logs: Vec<LogReport>,
    /// The certificates that were looked at.
    pub certificates: Vec<CertificateReport>,
}

/// The servers of a fleet file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FleetReport {
    /// The file.
    pub file: String,
    /// Each of its servers, in its order.
    pub servers: Vec<FleetServerReport>,
}

/// One server of a fleet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FleetServerReport {
    /// Its name.
    pub server: String,
    /// Its store.
    pub store: String,
    /// How many of its databases have backups there; null where the store could not be read.
    pub databases: Option<u64>,
    /// How many backups made by `fwb-dump` of whole databases there are; null where the store could not be read.
    pub backups: Option<u64>,
    /// When the newest proved backup began, of the database for which that is longest ago; null where a database has none.
    pub newest_proved_at: Option<Timestamp>,
    /// Whether that is as new as it must be, and each database that the file names has backups.
    pub fresh: bool,
}

/// One store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoreReport {
    /// Its directory or URL.
    pub store: String,
    /// How many backups it holds.
    pub backups: u64,
    /// What they take, in bytes.
    pub used_bytes: u64,
    /// The same by kind.
    pub kinds: Vec<KindReport>,
    /// How many of its backups cannot be read.
    pub unreadable: u64,
    /// How many records of runs cannot be read.
    pub unreadable_runs: u64,
    /// Free bytes of its file system; null where there is no limit.
    pub free_bytes: Option<u64>,
    /// All bytes of its file system; null where there is no limit.
    pub total_bytes: Option<u64>,
    /// When it is full.
    pub forecast: Forecast,
}

/// The backups of one kind in a store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KindReport {
    /// The kind.
    pub kind: Kind,
    /// How many there are.
    pub backups: u64,
    /// What they take, in bytes.
    pub bytes: u64,
    /// How many of them are not proved.
    pub unproved: u64,
    /// What these take, in bytes.
    pub unproved_bytes: u64,
}

/// One database of one server in one store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DatabaseReport {
    /// The store.
    pub store: String,
    /// The server, by name or address; null where nobody knows.
    pub server: Option<String>,
    /// The database; null of runs that name none.
    pub database: Option<String>,
    /// Whether its backups are copies of those in the first store.
    pub is_copy: bool,
    /// How many backups made by `fwb-dump` there are.
    pub backups: u64,
    /// How many of them are proved.
    pub proved: u64,
    /// The newest.
    pub newest: Option<BackupReport>,
    /// The newest that is proved.
    pub newest_proved: Option<BackupReport>,
    /// What would be lost now, in seconds: the age of the newest proved backup.
    pub rpo_seconds: Option<i64>,
    /// The longest time between two proved backups since `since`, to the present: in seconds.
    pub worst_rpo_seconds: Option<i64>,
    /// The newest drill that held.
    pub newest_drill: Option<DrillReport>,
    /// What a restore takes, in seconds, as the newest drill has measured it.
    pub rto_seconds: Option<f64>,
    /// The longest that a drill has taken since `since`, in seconds.
    pub worst_rto_seconds: Option<f64>,
    /// The drills that are known, oldest first.
    pub drills: Vec<DrillReport>,
    /// The backups' sizes, oldest first; of each day the last.
    pub sizes: Vec<SizePoint>,
    /// How the size changes, in bytes a day; null where too little is known.
    pub size_trend: Option<Trend>,
    /// How many tables the newest backup has; null where that is not known.
    pub tables_total: Option<u64>,
    /// The tables that changed or vanished, then the largest of the newest backup: 50 at most.
    pub tables: Vec<TableReport>,
    /// The runs, by what they are.
    pub runs: Vec<RunsReport>,
    /// The latest 50 runs, newest first.
    pub latest_runs: Vec<RunBrief>,
    /// The latest 50 runs that failed or were lost, newest first.
    pub latest_failures: Vec<RunBrief>,
    /// The second stores.
    pub copies: Vec<CopyReport>,
    /// Which moments can be reached by its backups and the log; null where the store holds no log of its server.
    pub reachable: Option<ReachReport>,
}

/// One backup, in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupReport {
    /// Its name.
    pub name: String,
    /// When it began.
    pub at: Timestamp,
    /// Its size in bytes.
    pub size: u64,
    /// Rows of all tables.
    pub rows: Option<u64>,
    /// Whether it is proved.
    pub proved: bool,
    /// Whether it leaves tables, or their rows, out.
    #[serde(default)]
    pub leaves_out: bool,
}

/// One drill that held.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DrillReport {
    /// The backup.
    pub name: Option<String>,
    /// When the drill ended.
    pub at: Timestamp,
    /// How long the restore took, in seconds.
    pub restore_seconds: Option<f64>,
    /// The version of the server that it was made on.
    pub server_version: Option<String>,
}

/// The size of one backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SizePoint {
    /// When it began.
    pub at: Timestamp,
    /// In bytes.
    pub bytes: u64,
}

/// One table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableReport {
    /// Its name.
    pub name: String,
    /// Its rows in the newest backup that has it; null where they are not counted.
    pub rows: Option<u64>,
    /// The size of its SQL there, in bytes.
    pub bytes: u64,
    /// Since when it has vanished, or its rows are not what they were; null where nothing is told of it.
    pub changed_at: Option<Timestamp>,
    /// What happened: `vanished`, `jumped`, `fell`.
    pub change: Option<String>,
    /// Its rows before; null where nothing is told of it.
    pub rows_before: Option<u64>,
    /// Its rows in the newest backups, oldest first.
    pub points: Vec<TablePoint>,
}

/// The rows of a table in one backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TablePoint {
    /// When the backup began.
    pub at: Timestamp,
    /// Its rows; null where they are not counted, or the table is not in it.
    pub rows: Option<u64>,
    /// The size of its SQL in bytes.
    pub bytes: u64,
}

/// The runs of one kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunsReport {
    /// `backup`, `drill`, `copy` …
    pub what: String,
    /// How they ended in the last 7, 30 and 90 days.
    pub windows: Vec<WindowReport>,
    /// The last that has ended.
    pub last: Option<RunBrief>,
    /// When the last one ended that ended well.
    pub last_ok_at: Option<Timestamp>,
    /// Each day with a run since `since`, oldest first: a week each, where there are more than 400 days.
    pub days: Vec<DayReport>,
    /// Whether each entry of `days` is a week, by its Monday.
    pub by_week: bool,
}

/// How runs ended in so many days.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct WindowReport {
    /// How many days.
    pub days: u32,
    /// How many ended well.
    pub ok: u64,
    /// How many failed.
    pub failed: u64,
    /// How many ended without a word.
    pub lost: u64,
    /// The share that ended well, from 0 to 1; null where there was none.
    pub rate: Option<f64>,
}

/// The runs of a day or a week.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct DayReport {
    /// The day, by the runs' own time zone; of a week the Monday.
    pub date: NaiveDate,
    /// How many ended well.
    pub ok: u64,
    /// How many failed.
    pub failed: u64,
    /// How many ended without a word.
    pub lost: u64,
    /// The median of how long those took that ended well, in seconds.
    pub seconds: Option<f64>,
}

/// One run, in short. What its words quote is blanked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunBrief {
    /// Its id; absent in records of earlier versions.
    pub id: Option<String>,
    /// `backup`, `drill`, `copy` …
    pub what: String,
    /// When it began.
    pub at: Timestamp,
    /// How long it took, in seconds.
    pub seconds: Option<f64>,
    /// How it ended.
    pub outcome: RunOutcome,
    /// The stage that failed.
    pub stage: Option<String>,
    /// The code of the error.
    pub code: Option<String>,
    /// Why it failed.
    pub reason: Option<String>,
    /// What to do.
    pub hint: Option<String>,
    /// What it has warned of.
    pub warnings: Vec<String>,
    /// How often a stage was tried again.
    pub retries: u64,
    /// The backup.
    pub name: Option<String>,
}

/// A second store of a database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyReport {
    /// The store.
    pub store: String,
    /// How many backups of the database it holds.
    pub backups: u64,
    /// When the newest proved one of them began.
    pub newest_proved_at: Option<Timestamp>,
    /// The proved backups of the last seven days that it lacks.
    pub missing: Vec<String>,
}

/// Which moments of a database can be reached by its backups and the log of its server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReachReport {
    /// The newest chain of the log.
    pub chain: String,
    /// From when on each moment can be reached; null where none can.
    pub from: Option<Timestamp>,
    /// Up to when.
    pub until: Option<Timestamp>,
    /// Whether the newest moments lack.
    pub hole: HoleVerdict,
    /// Why they do.
    pub why: Option<String>,
    /// The newest look whether a backup and the log make the next backup; null where there was none.
    pub proof: Option<ReachProofReport>,
    /// The spans of time that can be reached, oldest first: the newest 20. Between two is a hole.
    pub spans: Vec<SpanReport>,
    /// How many there are in all.
    pub spans_total: u64,
}

/// Whether a backup and the log after it made the next backup: `fwb-verify --level chain`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReachProofReport {
    /// The later backup.
    pub backup: String,
    /// The earlier one.
    pub base: String,
    /// When it was looked at.
    pub at: Timestamp,
    /// Whether they did.
    pub ok: bool,
    /// How long it took to load the base and to replay the log, in seconds: what it takes to reach a moment.
    pub seconds: f64,
}

/// A span of time of which each moment can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpanReport {
    /// Its first moment.
    pub from: Timestamp,
    /// Its last.
    pub until: Timestamp,
}

/// Whether the newest moments of a database lack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HoleVerdict {
    /// A proved backup and the log reach them.
    No,
    /// The log is broken, or goes on from no backup.
    Yes,
    /// The backup is not proved yet, the log has not come as far as it, or the follower has left no word.
    Unknown,
}

/// The log of one server in one store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogReport {
    /// The store.
    pub store: String,
    /// The server, by name or address; null where segments do not say.
    pub server: Option<String>,
    /// The newest chain.
    pub chain: String,
    /// How many chains of the server there are.
    pub chains: u64,
    /// What all of them take, in bytes.
    pub size: u64,
    /// When the first byte arrived that the newest chain still has.
    pub since: Option<Timestamp>,
    /// All that was written to the server's log before this moment is in the store.
    pub safe_until: Option<Timestamp>,
    /// How long before `at` of the report that is, in seconds.
    pub lag_seconds: Option<i64>,
    /// From how many seconds on that needs a person; null where it never does.
    pub lag_limit_seconds: Option<i64>,
    /// What breaks the newest chain; null where nothing does.
    pub broken: Option<String>,
    /// What its follower said last; null where it has left no word.
    pub follower: Option<FollowerReport>,
}

/// What a follower said last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FollowerReport {
    /// What it does: `following`, `waiting`, `ended`.
    pub state: FollowState,
    /// When it said so.
    pub at: Timestamp,
    /// Its host.
    pub host: String,
    /// How often it publishes at least, while something happens, in seconds.
    pub every_seconds: u64,
    /// Whether a schedule starts it: `fwb-follow --once`.
    pub once: bool,
    /// Why it waits, or has ended before it should. What it quotes is blanked.
    pub problem: Option<String>,
}

/// A certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateReport {
    /// The setting that names its file.
    pub setting: String,
    /// The file.
    pub file: String,
    /// Until when it is valid.
    pub not_after: Timestamp,
}
