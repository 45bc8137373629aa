//! Dump, prove, keep and restore one MariaDB or MySQL database: the domain of the fwb tools.
//!
//! Nothing here knows a command line: operations take domain types, `Read`, `Write` and a [`Context`], and return
//! values or an [`Error`] that knows its class. The contracts are in `docs/FORMAT.md` (artifact and manifest) and
//! `docs/ARCHITECTURE.md` (how data goes through it). As a library it is part of the tools, and changes with any version of them.
//!
//! # A store, its backups, and whether one is whole
//!
//! A store is opened, listed, and one of its backups proved: every byte and every row of it is read. No server is asked.
//!
//! ```
//! use fwb::{Cancel, Context, Level, Listing, Progress, Recording, Selection, Store, verify};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = tempfile::tempdir()?;
//! # let directory = directory.path();
//! # let made = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/0.1.0");
//! # for file in std::fs::read_dir(made)? {
//! #     let file = file?;
//! #     std::fs::copy(file.path(), directory.join(file.file_name()))?;
//! # }
//! let store = Store::open_directory(directory)?;
//! let cancel = Cancel::default();
//! let listing = Listing::read(&store, &cancel)?;
//! for backup in &listing.entries {
//!     println!("{} of {:?}, {} bytes", backup.name, backup.database, backup.size);
//! }
//! assert!(listing.unreadable.is_empty());
//! assert!(!listing.entries[0].is_proved(), "nobody has looked yet");
//!
//! // The newest backup of a database, as `fwb-ls --latest` finds it.
//! let latest = Selection { latest: true, ..Selection::default() };
//! let name = listing.select(&latest)?[0].name.clone();
//!
//! // Each byte, each row, and each statement as a restore judges it. The outcome is recorded beside the backup.
//! let context = Context { jobs: 2, progress: Progress::default(), cancel: cancel.clone() };
//! let proved = verify(&store, &name, Level::Full, Recording::Known, &context)?;
//! let outcome = proved.manifest.verification.ok_or("no outcome")?;
//! assert!(outcome.ok, "{:?}", outcome.problems);
//! assert!(Listing::read(&store, &cancel)?.entries[0].is_proved());
//!
//! // One bit is enough to take it back.
//! let artifact = directory.join(&name);
//! let mut bytes = std::fs::read(&artifact)?;
//! bytes[5000] ^= 1;
//! std::fs::write(&artifact, bytes)?;
//! let damaged = verify(&store, &name, Level::Full, Recording::Known, &context)?;
//! let outcome = damaged.manifest.verification.ok_or("no outcome")?;
//! assert!(!outcome.ok);
//! println!("{}", outcome.problems.join("\n"));
//! assert!(!Listing::read(&store, &cancel)?.entries[0].is_proved());
//! # Ok(())
//! # }
//! ```

mod admission;
mod artifact;
mod binlog;
mod blank;
mod copy;
mod drill;
mod dump;
mod encryption;
mod error;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod identity;
mod load;
mod manifest;
mod moment;
pub mod notice;
#[cfg(any(test, feature = "fuzzing"))]
mod oracle;
mod output;
mod process;
mod progress;
mod prune;
mod report;
mod restore;
mod retention;
mod run;
mod scan;
mod select;
mod server;
mod store;
mod thread;
mod verify;
mod words;

pub use artifact::{Codec, Compression};
pub use binlog::{
    Chain, ChainFault, ChainReport, Chains, ChangedTable, FollowFrom, FollowOptions, FollowReport,
    FollowState, FollowStatus, Hole, LOG_SCHEMA, LogSource, Moment, Overlap, Part, Reached, Segment, Span,
    Timeline, Touched, Transaction, TransactionFilter, Window, check_chain, follow, reach, timelines,
    transactions, windows,
};
pub use blank::{blank_quoted, blank_record};
pub use copy::{Copied, Copier, CopyOptions};
pub use drill::{Drill, DrillOptions};
pub use dump::{
    AccountsOptions, DumpOptions, EachDump, Exclude, TablePattern, dump_accounts_to_file,
    dump_accounts_to_store, dump_accounts_to_stream, dump_several, dump_to_file, dump_to_store,
    dump_to_stream, write_manifest,
};
pub use encryption::{
    AskPassphrase, Cipher, EncryptTo, Encrypted, Encrypting, Identities, NoKey, ReadAt, Recipients,
    Unreadable, is_of_the_file,
};
pub use error::{Error, ErrorClass, Refusal, Result};
pub use fwb_binlog::Gtid;
pub use identity::{Owner, ServerIdentity, ServerName};
pub use manifest::{
    AccountEntry, Action, Binlog, ChainProof, Client, Decision, Detail, Encryption, Exclusion, Kind, Level,
    Manifest, ManifestError, MomentProof, NotDrilled, Object, ObjectKind, Provenance, SCHEMA,
    SCHEMA_EXCLUDING, Section, SectionKind, Server, Surroundings, Timestamp, Together, Verification, now,
    now_to_the_millisecond,
};
pub use moment::{
    ChainProofOptions, ChainProved, Keeping, LogFiles, MomentOptions, MomentPlan, MomentProofOptions,
    MomentProved, PlannedMoment, Tally, TimeForecast, plan_moment, prove_chain, prove_moment,
};
pub use output::{check_output, open_stream, sync_stream, write_file};
pub use progress::{Cancel, Context, HowFar, Progress, StopsWith, seconds_since};
pub use prune::{Candidates, PruneOptions, Pruned, prune};
pub use report::{
    BackupFacts, BackupReport, CertificateFacts, CertificateReport, CopyReport, DatabaseReport, DayReport,
    DrillReport, FleetFacts, FleetReport, FleetServerFacts, FleetServerReport, FollowerReport, Forecast,
    FreeOnDay, HoleVerdict, KindReport, LogReport, REPORT_SCHEMA, ReachProofReport, ReachReport,
    ReportDocument, ReportInput, RunBrief, RunsReport, Scope, ShippedLog, SizePoint, SpanReport, StoreFacts,
    StoreReport, TableFacts, TablePoint, TableReport, Trend, Trouble, TroubleOptions, Verdict, WindowReport,
    report, troubles,
};
pub use restore::{
    AccountAction, AccountChoice, AccountOutcome, AccountPlan, AccountReport, AccountsPlan, AccountsReport,
    BeginRestore, DamagedTable, EachRestore, FailedRestore, Finding, Forgotten, Gravity, KeepBefore, Plan,
    PlannedDatabase, Prepared, PreparedAccounts, Report, RestoreAccounts, RestoreOptions, RestoreProof,
    SettingFinding, Strategy, Undo, Undone, WholePlan, extract, forget, plan_whole, prepare,
    prepare_accounts, prepare_undo, restore_whole,
};
pub use retention::{Backup, Policy, Proof, decide};
pub use run::{
    FLEET_SCHEMA, Fleet, FleetFailure, FleetNext, FleetQueue, FleetRecord, FleetServer, LostRun, RUN_SCHEMA,
    RunBackup, RunCopy, RunHistory, RunKeeper, RunOutcome, RunProcess, RunRecord, RunRetry, RunStep,
    RunTrouble, SIGN_OF_LIFE, host_name, is_worth_a_retry, run_id, wait_before_retry,
};
pub use select::{Found, Listing, Selection, WholeServer, select_among};
pub use server::{
    AccountName, Cells, ChosenDatabases, Column, Connector, DatabaseChoice, Feed, Flavor, Loaded, LogPlace,
    LogStart, LogStream, Malformed, NameCase, NamePattern, Password, PodChoice, PodOptions,
    ReplicationSource, Results, Role, Row, SentEvent, Server as DatabaseServer, ServerAddress, ServerClient,
    ServerError, ServerOptions, ServerVersion, Session, SessionError, Stopper, TlsMode, TlsOptions,
    ValueKind, Via, put_length,
};
pub use store::{
    Backend, BackupSummary, Expected, Folder, Freed, Held, Listed, Location, ObjectStores, Opened, Retention,
    RetentionMode, SidecarFile, Space, Store, StoreLock, StoreUrl, Upload, Wait, no_retention,
};
pub use verify::{Recording, Verified, verify};
