//! The one error type of the library. Each variant carries the path or program that failed and the source of
//! the failure, knows its [`ErrorClass`] and, where there is something to do about it, a hint. The mapping from
//! classes to exit codes is the command line's business.

mod server;

pub(crate) use server::deadly_table;

use std::io;
use std::path::{Path, PathBuf};

use fwb_binlog::ReadError;

use crate::encryption::NoKey;
use crate::notice::{self, Code};
use crate::server::ServerError;

/// The result of everything in this library that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of failure an error is; it decides the exit code and whether a retry makes sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorClass {
    /// Input or output, a child process, the database: worth a retry.
    Failure,
    /// The command line or the configuration is wrong, or the work is refused: for a finding of the preflight, for SQL
    /// that no dump contains, for a right that the account lacks. A retry gives the same.
    Usage,
    /// Something that was to be proved did not hold.
    Proof,
    /// Another run holds the store's lock.
    Locked,
    /// A signal of this number ended the work.
    Interrupted(i32),
}

/// What kind of refusal an object store gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The credentials are missing or wrong, or do not allow it.
    Denied,
    /// The clock of this machine is wrong: what it signs the store takes for old, or for not yet made.
    Clock,
    /// No credentials were named, and the machine has none.
    NoCredentials,
    /// The store's certificate is signed by nobody who is trusted, or is another host's.
    Certificate,
    /// There is no such bucket.
    NoBucket,
    /// It does not honour conditions, without which two writers could not be told apart.
    NoConditions,
    /// The store does not take the request as it is: a name, a class, something that the bucket has not.
    Invalid,
    /// Somebody else changed the object meanwhile.
    Changed,
    /// What it stores is not what was written.
    Differs,
    /// It does not answer, or answers with an error of its own.
    Failure,
}

/// Everything that can go wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused an operation on a path.
    #[error("cannot {action} {}: {source}", .path.display())]
    Io {
        /// What was attempted, as a verb: "open", "write".
        action: &'static str,
        /// The file or directory concerned.
        path: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
    /// Reading or writing a stream that has no path failed.
    #[error("cannot {action}: {source}")]
    Stream {
        /// What was attempted: "read standard input".
        action: &'static str,
        /// The operating system's answer.
        source: io::Error,
    },
    /// A program could not be started.
    #[error("cannot run {program}: {source}")]
    Spawn {
        /// The program's name.
        program: String,
        /// The operating system's answer.
        source: io::Error,
    },
    /// A program ended with a failure.
    #[error("{program} failed while {doing}: {reason}")]
    Child {
        /// The program's name.
        program: String,
        /// What it was doing, as a participle clause.
        doing: String,
        /// Its own error lines, or its exit status.
        reason: String,
    },
    /// The server refused a statement.
    #[error("the server refused it while {doing}: {error}")]
    Server {
        /// What was going on, as a participle clause.
        doing: String,
        /// The server's answer.
        error: ServerError,
    },
    /// The server does not answer.
    #[error("cannot connect to {place}: {source}")]
    Unreachable {
        /// Where it was looked for.
        place: String,
        /// Why.
        source: io::Error,
    },
    /// A connection cannot be made as it was asked for.
    #[error("{problem}")]
    NoConnection {
        /// Why.
        problem: String,
        /// What to do about it.
        remedy: String,
    },
    /// A connection to the server ended before its work did.
    #[error("the connection to the server was lost while {doing}: {source}")]
    Lost {
        /// What was going on, as a participle clause.
        doing: String,
        /// What was noticed.
        source: io::Error,
    },
    /// A dump that ended early although its program reported success.
    #[error("the dump of {database} is incomplete: {problem}")]
    IncompleteDump {
        /// The database.
        database: String,
        /// What is missing.
        problem: String,
    },
    /// Tables took the names of others, or went, while the database was dumped.
    #[error("tables of {database} changed while they were dumped: {}", named(.tables))]
    Changed {
        /// The database.
        database: String,
        /// The tables.
        tables: Vec<String>,
    },
    /// Some of several databases failed; the others are done.
    #[error("{} of {of} databases were not {done}: {}", .failed.len(), each_failed(.failed))]
    NotAll {
        /// What was not done with them: `dumped`, `restored`.
        done: &'static str,
        /// How many databases there were.
        of: usize,
        /// Those that failed, each with its error.
        failed: Vec<(String, Box<Error>)>,
    },
    /// No pod can be used.
    #[error("{problem}")]
    NoPod {
        /// What was found.
        problem: String,
        /// What to do about it.
        remedy: String,
    },
    /// The connection to a pod broke, or did not carry everything.
    #[error("the connection to {place} was cut while {doing}: {problem}")]
    Channel {
        /// The pod.
        place: String,
        /// What was going on, as a participle clause.
        doing: String,
        /// What is missing, or what kubectl says.
        problem: String,
    },
    /// What another attempt might have cured was not cured by several.
    #[error("{cause}; tried {attempts} times")]
    GaveUp {
        /// How often it was tried.
        attempts: u32,
        /// Why the last attempt failed.
        #[source]
        cause: Box<Error>,
    },
    /// The server holds no such database.
    #[error("database {database} does not exist on the server")]
    NoDatabase {
        /// The database.
        database: String,
    },
    /// The dump would have to leave something out, and `--strict` forbids it.
    #[error("{what}, and --strict does not allow to leave it out")]
    Strict {
        /// What would be left out, and why.
        what: String,
    },
    /// The account may not see all of the database.
    #[error("account {account} may not see all of database {database}: it lacks {}", .rights.join(", "))]
    Rights {
        /// The account, as `GRANT` writes it.
        account: String,
        /// The database.
        database: String,
        /// What it lacks.
        rights: Vec<String>,
        /// The statements that give it everything that a dump needs.
        grants: Vec<String>,
    },
    /// The account may not see all accounts.
    #[error("account {account} may not see all accounts of the server: it lacks {right}")]
    AccountRights {
        /// The account, as `GRANT` writes it.
        account: String,
        /// What it lacks.
        right: String,
        /// The statements that give it.
        grants: Vec<String>,
    },
    /// The accounts of a server cannot be read whole.
    #[error("the accounts cannot be read whole: {problem}")]
    AccountsUnread {
        /// Why.
        problem: String,
        /// What to do about it.
        remedy: String,
    },
    /// Accounts that were to be restored are not there as the backup has them.
    #[error("accounts could not be restored: {}", first(.problems))]
    AccountsNotRestored {
        /// Each with what became of it.
        problems: Vec<String>,
        /// What to do about it.
        remedy: String,
    },
    /// A backup could not be restored by us, for an object that it would hold.
    #[error("{object} of {database} could not be restored from a backup: {why}")]
    Unrestorable {
        /// The database.
        database: String,
        /// The object: its kind and name.
        object: String,
        /// Why a restore would refuse it.
        why: String,
    },
    /// A backup is intact, and a restore refuses it.
    #[error("{name} is intact, and a restore refuses it: {problem}")]
    RefusedByRestore {
        /// The artifact's name.
        name: String,
        /// Which statement is refused, and why.
        problem: String,
    },
    /// No such backup in the store.
    #[error("no backup {name} in {store}")]
    NoBackup {
        /// The name asked for.
        name: String,
        /// The store that was searched.
        store: String,
    },
    /// A backup is encrypted, and cannot be read.
    #[error("{name} is encrypted, and {why}")]
    Encrypted {
        /// The artifact's name.
        name: String,
        /// Why no key fits.
        why: NoKey,
    },
    /// An artifact or a manifest is not what it should be.
    #[error("{name} is damaged: {problem}")]
    Damaged {
        /// The artifact's name.
        name: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The input holds SQL that no dump contains, or that would reach outside of the target database.
    #[error("{name} is refused: {statement} at byte {offset} of the SQL: {why}")]
    Inadmissible {
        /// The artifact's name.
        name: String,
        /// The statement's first words.
        statement: String,
        /// Its offset in the uncompressed SQL, from 0.
        offset: u64,
        /// Why it is refused.
        why: String,
    },
    /// A file is something else than a dump.
    #[error("{name} is no dump: {what}")]
    NotADump {
        /// The file's name.
        name: String,
        /// What it is.
        what: &'static str,
        /// What to do with it.
        remedy: &'static str,
    },
    /// A table of the backup reaches outside of its database.
    #[error("{name} is refused: CREATE TABLE `{table}` at byte {offset} of the SQL: {why}")]
    Outside {
        /// The artifact's name.
        name: String,
        /// The table.
        table: String,
        /// Where its statement begins in the uncompressed SQL, from 0.
        offset: u64,
        /// How it does so.
        why: String,
    },
    /// What was restored differs from what the manifest says.
    #[error("the restored database {database} differs from the backup: {difference}")]
    Differs {
        /// The database.
        database: String,
        /// The first differences.
        difference: String,
    },
    /// A check made before anything is written found a reason to stop.
    #[error("refused before anything was written: {finding}")]
    Preflight {
        /// What was found.
        finding: String,
        /// What to do about it.
        remedy: String,
    },
    /// What a restore would make cannot be made: found out without rows, in a database of ours.
    #[error("refused before anything was removed: {what} cannot be made on this server: {cause}")]
    Rehearsal {
        /// The backup, or what stands for it.
        what: String,
        /// Why.
        #[source]
        cause: Box<Error>,
    },
    /// What is there cannot be backed up before a restore.
    #[error("what {database} holds now cannot be backed up, so nothing was restored: {cause}")]
    SafetyBackup {
        /// The database.
        database: String,
        /// Why.
        #[source]
        cause: Box<Error>,
    },
    /// A restore failed and was undone.
    #[error("{cause}; the database was rolled back to what it held before")]
    RolledBack {
        /// Why the restore failed.
        #[source]
        cause: Box<Error>,
    },
    /// A restore failed before the live database was touched, or its swap was taken back.
    #[error("{cause}; {database} is as it was")]
    Untouched {
        /// Why the restore failed.
        #[source]
        cause: Box<Error>,
        /// The database.
        database: String,
    },
    /// A restore failed, and the live database is not what it was before.
    #[error("{cause}; {database} is not as it was: {difference}")]
    NotAsItWas {
        /// Why the restore failed.
        #[source]
        cause: Box<Error>,
        /// The database.
        database: String,
        /// What differs.
        difference: String,
    },
    /// A restore failed before it had changed anything, as far as it knows, and the live database could not be looked at.
    #[error("{cause}; whether {database} is as it was could not be looked at: {error}")]
    NotLooked {
        /// Why the restore failed.
        #[source]
        cause: Box<Error>,
        /// The database.
        database: String,
        /// Why it could not be looked at.
        error: String,
    },
    /// The server ended the connection while it looked at a live table.
    #[error("the server ended the connection while the live table {table} was read: {cause}")]
    Look {
        /// The table.
        table: String,
        /// What the client program said.
        #[source]
        cause: Box<Error>,
    },
    /// The tables of a swap are neither all where they were nor all where they should be.
    #[error(
        "{cause}; the swap of {database} was carried out in part. These statements bring its tables back: {statements}"
    )]
    Torn {
        /// Why.
        #[source]
        cause: Box<Error>,
        /// The database.
        database: String,
        /// What brings each table back.
        statements: String,
    },
    /// A database that looks like one of ours, and is not proved to be one.
    #[error("{database} is not believed: {why}")]
    NotOurs {
        /// The database.
        database: String,
        /// Why.
        why: String,
    },
    /// Tables that should have moved in a swap, and have not.
    #[error("tables could not move: {tables}")]
    NotMoved {
        /// The tables, and where they are.
        tables: String,
    },
    /// A swap was cut off and is still to be settled.
    #[error("the swap that began at {at} was cut off, and {database} tells of it")]
    Unsettled {
        /// The database that keeps what there was.
        database: String,
        /// When it began, UTC.
        at: String,
    },
    /// A swap was cut off, and could neither be completed nor taken back now.
    #[error("{cause}; the swap of {database} was cut off, and what it left could not be put in order")]
    Unfinished {
        /// Why.
        #[source]
        cause: Box<Error>,
        /// The database.
        database: String,
    },
    /// A swap was made, and something could not be made in the live database afterwards.
    #[error("{database} was swapped, but {difference}")]
    Incomplete {
        /// The database.
        database: String,
        /// What could not be made, and why.
        difference: String,
    },
    /// A restore works on the database.
    #[error("a restore of {database} is under way")]
    Busy {
        /// The database.
        database: String,
    },
    /// A restore failed, and there was nothing to undo it with.
    #[error(
        "{cause}; there is no safety backup, so {database} is neither what it was nor what the backup holds"
    )]
    NotRolledBack {
        /// Why the restore failed.
        #[source]
        cause: Box<Error>,
        /// The database.
        database: String,
    },
    /// A restore failed, and so did undoing it.
    #[error("{cause}; and the rollback from {safety} failed: {rollback}")]
    RollbackFailed {
        /// Why the restore failed.
        #[source]
        cause: Box<Error>,
        /// The safety backup's name, or what stands for it.
        safety: String,
        /// Why the rollback failed.
        rollback: String,
    },
    /// A drill cannot be made, for reasons that say nothing of the backup.
    #[error("the drill cannot be made: {reason}")]
    NoDrill {
        /// What is missing.
        reason: String,
        /// What to do about it.
        remedy: String,
    },
    /// A backup is intact, and there is no server here that its drill could be held on.
    #[error("{name} was not drilled: {reason}")]
    NotDrilled {
        /// The artifact's name.
        name: String,
        /// What is missing.
        reason: String,
        /// What to do about it.
        remedy: String,
    },
    /// A log could not be replayed.
    #[error("the log cannot be replayed: {problem}")]
    Replay {
        /// What went wrong, and at which group.
        problem: String,
        /// What to do about it.
        remedy: String,
    },
    /// A backup is intact and did not restore as it should.
    #[error("{name} failed its drill: {problem}")]
    DrillFailed {
        /// The artifact's name.
        name: String,
        /// The first problem.
        problem: String,
    },
    /// A backup and the log after it do not make the next backup.
    #[error("{base} and the log after it do not make {name}: {problem}")]
    NotReproduced {
        /// The later artifact's name.
        name: String,
        /// The earlier one's.
        base: String,
        /// The first difference.
        problem: String,
    },
    /// The options or their combination make no sense.
    #[error("{message}")]
    Usage {
        /// What is wrong.
        message: String,
        /// What to do instead.
        hint: Option<String>,
    },
    /// The backup that the operator asked for is not to be had.
    #[error("{0}")]
    NothingFound(String),
    /// The operating system does not let backups be read; nothing is known of them.
    #[error("{0}")]
    Unreadable(String),
    /// Proof was asked for and did not hold.
    #[error("{0}")]
    NotProved(String),
    /// Another run holds the store's lock.
    #[error("{} is locked by another run{}", .store.display(), .by.as_ref().map_or_else(String::new, |by| format!(" ({by})")))]
    Locked {
        /// The store, or the file in it.
        store: PathBuf,
        /// What is known of that run.
        by: Option<String>,
    },
    /// An object store refused a request, or did not answer.
    #[error("cannot {action} {object}: {problem}")]
    ObjectStore {
        /// What was attempted, as a verb: "read", "write".
        action: &'static str,
        /// The URL of the object concerned, or of the store.
        object: String,
        /// What the store said.
        problem: String,
        /// What kind of refusal it is.
        refusal: Refusal,
    },
    /// The lease on an object store ran out before the work was done.
    #[error("the lock of {store} was lost: {why}")]
    LockLost {
        /// The store.
        store: String,
        /// How it is known.
        why: String,
    },
    /// The binary log of a server cannot be followed.
    #[error("{problem}")]
    NoLog {
        /// Why.
        problem: String,
        /// What to do.
        remedy: String,
    },
    /// Another follower writes the same chain.
    #[error("another follower has written {segment} in {store}")]
    Followed {
        /// The store.
        store: String,
        /// The segment that was to be written.
        segment: String,
    },
    /// A moment cannot be reached from any backup and the log.
    #[error("{moment} cannot be reached: {why}")]
    NoMoment {
        /// Which.
        moment: String,
        /// Why.
        why: String,
        /// What to do.
        remedy: String,
    },
    /// A signal arrived.
    #[error("interrupted by {}", signal_name(*.0))]
    Interrupted(i32),
    /// A manifest could not be written as JSON.
    #[error("cannot write a manifest as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

impl From<ReadError> for Error {
    /// Of a log that is replayed: what its feed said comes through readers as it was.
    fn from(error: ReadError) -> Self {
        let source = match error {
            ReadError::Io(source) => match source.downcast::<Self>() {
                Ok(inner) => return inner,
                Err(source) => source,
            },
            other => io::Error::new(io::ErrorKind::InvalidData, other.to_string()),
        };
        Self::Stream { action: "read the log for the replay", source }
    }
}

impl Error {
    /// An [`Error::Io`], for use with `map_err`.
    pub fn io(action: &'static str, path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> Self {
        // What an object store said comes through readers and writers as it was.
        move |source| match source.downcast::<Self>() {
            Ok(inner) => inner,
            Err(source) => Self::Io { action, path: path.as_ref().to_owned(), source },
        }
    }

    /// An [`Error::Usage`] without a hint.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::Usage { message: message.into(), hint: None }
    }

    /// An [`Error::Damaged`].
    pub fn damaged(name: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Damaged { name: name.into(), problem: problem.into() }
    }

    /// Its code, which stays the same from one version to the next.
    pub fn code(&self) -> Code {
        match self {
            Self::Io { .. } => notice::IO,
            Self::Stream { .. } => notice::STREAM,
            Self::Spawn { .. } => notice::SPAWN,
            Self::Child { .. } => notice::CHILD,
            Self::Json(_) => notice::JSON,
            Self::Usage { .. } => notice::USAGE,
            Self::Interrupted(_) => notice::INTERRUPTED,
            Self::Server { .. } => notice::SERVER,
            Self::Unreachable { .. } => notice::UNREACHABLE,
            Self::NoConnection { .. } => notice::NO_CONNECTION,
            Self::Lost { .. } => notice::LOST,
            Self::NoDatabase { .. } => notice::NO_DATABASE,
            Self::NoPod { .. } => notice::NO_POD,
            Self::Channel { .. } => notice::CHANNEL,
            Self::GaveUp { .. } => notice::GAVE_UP,
            Self::Busy { .. } => notice::BUSY,
            Self::IncompleteDump { .. } => notice::INCOMPLETE_DUMP,
            Self::Changed { .. } => notice::CHANGED,
            Self::NotAll { .. } => notice::NOT_ALL,
            Self::Strict { .. } => notice::STRICT,
            Self::Rights { .. } | Self::AccountRights { .. } => notice::RIGHTS,
            Self::AccountsUnread { .. } => notice::ACCOUNTS_UNREAD,
            Self::AccountsNotRestored { .. } => notice::ACCOUNTS_NOT_RESTORED,
            Self::Unrestorable { .. } => notice::UNRESTORABLE,
            Self::RefusedByRestore { .. } | Self::NotADump { .. } => notice::REFUSED_BY_RESTORE,
            Self::NoLog { .. } => notice::NO_LOG,
            Self::Followed { .. } => notice::FOLLOWED,
            Self::Locked { .. } => notice::LOCKED,
            Self::ObjectStore { .. } => notice::OBJECT_STORE,
            Self::LockLost { .. } => notice::LOCK_LOST,
            Self::NoBackup { .. } => notice::NO_BACKUP,
            Self::NothingFound(_) => notice::NOTHING_FOUND,
            Self::Unreadable(_) => notice::UNREADABLE,
            Self::Encrypted { .. } => notice::ENCRYPTED,
            Self::Damaged { .. } => notice::DAMAGED,
            Self::Inadmissible { .. } | Self::Outside { .. } => notice::INADMISSIBLE,
            Self::NotProved(_) => notice::NOT_PROVED,
            Self::NoDrill { .. } | Self::NotDrilled { .. } => notice::NO_DRILL,
            Self::DrillFailed { .. } => notice::DRILL_FAILED,
            Self::NotReproduced { .. } => notice::NOT_REPRODUCED,
            Self::Replay { .. } => notice::REPLAY,
            Self::NoMoment { .. } => notice::NO_MOMENT,
            Self::Preflight { .. } => notice::PREFLIGHT,
            Self::Rehearsal { .. } => notice::REHEARSAL,
            Self::SafetyBackup { .. } => notice::SAFETY_BACKUP,
            Self::Differs { .. } => notice::DIFFERS,
            Self::RolledBack { .. } => notice::ROLLED_BACK,
            Self::Untouched { .. } => notice::UNTOUCHED,
            Self::NotAsItWas { .. } => notice::NOT_AS_IT_WAS,
            Self::NotLooked { .. } => notice::NOT_LOOKED,
            Self::NotRolledBack { .. } => notice::NOT_ROLLED_BACK,
            Self::RollbackFailed { .. } => notice::ROLLBACK_FAILED,
            Self::Look { .. } => notice::LOOK,
            Self::Torn { .. } => notice::TORN,
            Self::NotOurs { .. } => notice::NOT_OURS,
            Self::NotMoved { .. } => notice::NOT_MOVED,
            Self::Unsettled { .. } => notice::UNSETTLED,
            Self::Unfinished { .. } => notice::UNFINISHED,
            Self::Incomplete { .. } => notice::INCOMPLETE,
        }
    }

    /// The error behind one that says what was done about it.
    pub fn cause(&self) -> Option<&Self> {
        match self {
            Self::GaveUp { cause, .. }
            | Self::Rehearsal { cause, .. }
            | Self::SafetyBackup { cause, .. }
            | Self::RolledBack { cause }
            | Self::Untouched { cause, .. }
            | Self::NotAsItWas { cause, .. }
            | Self::NotLooked { cause, .. }
            | Self::Look { cause, .. }
            | Self::Torn { cause, .. }
            | Self::Unfinished { cause, .. }
            | Self::NotRolledBack { cause, .. }
            | Self::RollbackFailed { cause, .. } => Some(cause),
            _ => None,
        }
    }

    /// What the server said, here or behind what was done about it.
    pub fn server_error(&self) -> Option<&ServerError> {
        match self {
            Self::Server { error, .. } => Some(error),
            other => other.cause().and_then(Self::server_error),
        }
    }

    /// What kind of failure this is.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Usage { .. }
            | Self::Preflight { .. }
            | Self::Rehearsal { .. }
            | Self::Inadmissible { .. }
            | Self::Outside { .. }
            | Self::Rights { .. }
            | Self::AccountRights { .. }
            | Self::Unrestorable { .. }
            | Self::Encrypted { .. }
            | Self::NoConnection { .. }
            | Self::NoLog { .. }
            | Self::ObjectStore {
                refusal:
                    Refusal::Denied
                    | Refusal::Clock
                    | Refusal::NoCredentials
                    | Refusal::NoBucket
                    | Refusal::NoConditions
                    | Refusal::Invalid
                    | Refusal::Certificate,
                ..
            } => ErrorClass::Usage,
            Self::Server { error, .. } if server::is_lacking_right(error.number) => ErrorClass::Usage,
            Self::Damaged { .. }
            | Self::NoBackup { .. }
            | Self::Differs { .. }
            | Self::Incomplete { .. }
            | Self::DrillFailed { .. }
            | Self::NotReproduced { .. }
            | Self::RefusedByRestore { .. }
            | Self::NotADump { .. }
            | Self::Replay { .. }
            | Self::NoMoment { .. }
            | Self::NotProved(_) => ErrorClass::Proof,
            Self::NotAll { failed, .. } => class_of_all(failed),
            Self::Locked { .. } | Self::Busy { .. } => ErrorClass::Locked,
            Self::Interrupted(signal) => ErrorClass::Interrupted(*signal),
            Self::GaveUp { cause, .. }
            | Self::RolledBack { cause }
            | Self::Untouched { cause, .. }
            | Self::NotAsItWas { cause, .. }
            | Self::NotLooked { cause, .. }
            | Self::Unfinished { cause, .. }
            | Self::NotRolledBack { cause, .. }
            | Self::SafetyBackup { cause, .. } => cause.class(),
            _ => ErrorClass::Failure,
        }
    }

    /// What a server said against what it was asked; none for any other failure.
    pub(crate) fn refusal(&self) -> Option<String> {
        match self {
            Self::Server { error, .. } => Some(error.to_string()),
            _ => None,
        }
    }

    /// The number of the server's error.
    pub(crate) fn number(&self) -> Option<u16> {
        match self {
            Self::Server { error, .. } => Some(error.number),
            _ => None,
        }
    }

    /// Whether the server ended the connection, or cannot be reached: that says nothing of what it was asked.
    pub(crate) fn is_lost(&self) -> bool {
        matches!(self, Self::Lost { .. } | Self::Unreachable { .. })
    }

    /// Whether the same thing may well succeed in a moment: a connection broke, or no pod is ready.
    pub(crate) fn is_transient(&self) -> bool {
        matches!(self, Self::Channel { .. } | Self::NoPod { .. })
    }

    /// Whether the database changed while it was dumped, so that another dump may see it whole.
    pub(crate) fn is_change(&self) -> bool {
        match self {
            Self::Changed { .. } => true,
            Self::Server { doing, error } => doing.starts_with(DUMPING) && server::is_vanished(error.number),
            _ => false,
        }
    }

    /// What the operator can do about it, as one line.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Io { source, path, .. } => io_hint(source, path),
            Self::ObjectStore { refusal, object, .. } => Some(refusal.hint(object)),
            Self::LockLost { .. } => {
                Some("what was done before stands; run it again, when this host and its network can keep up".into())
            }
            Self::Spawn { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                Some("install it, or put it on PATH".into())
            }
            Self::NotAll { failed, .. } => failed.iter().find_map(|(_, error)| error.hint()),
            Self::Changed { .. } => Some(
                "run again when no schema change is under way; with the right PROCESS, tables that were only emptied or altered meanwhile do no harm"
                    .into(),
            ),
            Self::Server { .. } if self.is_change() => {
                Some("the schema changed during the dump; run again".into())
            }
            Self::Server { error, .. } => server::hint_for(error.number).map(Into::into),
            Self::Unreachable { .. } => server::hint_for(2002).map(Into::into),
            Self::Lost { .. } => server::hint_for(2013).map(Into::into),
            Self::IncompleteDump { .. } => {
                Some("nothing was published; run it again, and look at the server's error log".into())
            }
            Self::NoDatabase { .. } => Some("check the name given to -B or FWB_DATABASE".into()),
            Self::Rights { grants, .. } => Some(format!(
                "have an administrator run: {}; or dump what the account sees with --allow-partial, which is never \
                 called proved",
                grants.join("; ")
            )),
            Self::AccountRights { grants, .. } => {
                Some(format!("have an administrator run: {}", grants.join("; ")))
            }
            Self::Unrestorable { .. } => Some("nothing was published: change or drop it; everything else is fine as far as it was read".into()),
            Self::NotADump { remedy, .. } => Some((*remedy).into()),
            Self::RefusedByRestore { .. } => Some(
                "look at the statement, and take it out; or load the file with the server's own client, which judges nothing".into(),
            ),
            Self::Strict { .. } => Some("fix or drop it, or run without --strict".into()),
            Self::NoBackup { .. } | Self::NothingFound(_) => Some("fwb-ls shows what the store holds".into()),
            Self::Encrypted { .. } => Some(
                "name the file of a key to it: --identity FILE (FWB_IDENTITY); without one, fwb-verify --level stored compares its bytes".into(),
            ),
            Self::Damaged { .. } => {
                Some("use another backup: fwb-ls --latest --verified names the newest proved one".into())
            }
            Self::Inadmissible { .. } => {
                Some("only what mariadb-dump and mysqldump write for one database is loaded".into())
            }
            Self::Outside { .. } => Some("if you trust this backup, add --allow-outside; or restore the other tables: --tables".into()),
            Self::NotReproduced { .. } => Some(
                "the log does not have everything: do not count on moments between the two; docs/ANY-MOMENT.md says what a log lacks".into(),
            ),
            Self::DrillFailed { .. } => Some(
                "the file is intact but its SQL fails to load: fix the cause and dump anew"
                    .into(),
            ),
            Self::Preflight { remedy, .. }
            | Self::NoDrill { remedy, .. }
            | Self::NotDrilled { remedy, .. }
            | Self::Replay { remedy, .. }
            | Self::NoConnection { remedy, .. }
            | Self::NoLog { remedy, .. }
            | Self::NoMoment { remedy, .. }
            | Self::AccountsUnread { remedy, .. }
            | Self::AccountsNotRestored { remedy, .. }
            | Self::NoPod { remedy, .. } => Some(remedy.clone()),
            Self::Followed { .. } => Some("let one follower write this chain; the other one can write into a store of its own".into()),
            Self::Channel { .. } => Some("nothing that came over it was taken for the whole; run it again".into()),
            Self::GaveUp { cause, .. }
            | Self::RolledBack { cause }
            | Self::Untouched { cause, .. }
            | Self::NotLooked { cause, .. } => cause.hint(),
            Self::Rehearsal { cause, .. } => cause.hint().or_else(|| {
                Some("give the account what it lacks, or restore into another database: --database".into())
            }),
            Self::Usage { hint, .. } => hint.clone(),
            Self::Unreadable(_) => Some("the warnings say why; nothing is known of what they hold".into()),
            Self::NotProved(_) => {
                Some("fwb-verify proves backups; fwb-dump | fwb-verify makes a proved one".into())
            }
            Self::Locked { by: Some(_), .. } => {
                Some("--lock-wait waits for it; should that process be gone, the lock ends by itself".into())
            }
            Self::Locked { .. } => Some("wait until it has ended; the lock ends with the process".into()),
            _ => self.hint_after_restore(),
        }
    }

    /// What the operator can do about a restore that did not end as it should.
    fn hint_after_restore(&self) -> Option<String> {
        match self {
            Self::NotAsItWas { .. } => Some(
                "the warnings say what this restore has done; somebody else may have changed the rest. Run fwb-restore again: it looks first".into(),
            ),
            Self::Look { table, .. } => Some(format!(
                "does the server's error log say that it died of it? Then add --damaged {table}: the table is not read, and replaced"
            )),
            Self::NotOurs { database, .. } => Some(format!(
                "nothing is done with it. Look at it; if nobody needs it: DROP DATABASE `{}`;",
                database.replace('`', "``")
            )),
            Self::Torn { .. } => Some(
                "what is in the way of one of them is damaged: run fwb-restore again with --damaged and its name".into(),
            ),
            Self::Unfinished { .. } => {
                Some("run fwb-restore again once the server is well: it finds what was left, and puts it in order first".into())
            }
            Self::Incomplete { .. } => Some("make it by hand, or take the swap back: fwb-restore --undo".into()),
            Self::Busy { .. } => Some("wait until it has ended; its lock ends with its connection".into()),
            Self::NotRolledBack { .. } => {
                Some("fix the cause and restore again, or restore another backup".into())
            }
            Self::SafetyBackup { cause, .. } => cause.hint().or_else(|| {
                Some("fix the cause; or, if what is there may be lost, use --no-safety-backup".into())
            }),
            Self::RollbackFailed { safety, .. } => {
                Some(format!("the former state is in {safety}: restore it once the cause is fixed"))
            }
            _ => None,
        }
    }
}

/// How it is told that a database is being dumped.
pub(crate) const DUMPING: &str = "dumping";

/// The class of what several failures come to: theirs, where it is one; else a retry helps some of them.
fn class_of_all(failed: &[(String, Box<Error>)]) -> ErrorClass {
    let mut classes = failed.iter().map(|(_, error)| error.class());
    let first = classes.next().unwrap_or(ErrorClass::Failure);
    if classes.all(|class| class == first) { first } else { ErrorClass::Failure }
}

/// How many failures are told with their reasons; of more, names alone.
const REASONS: usize = 5;

/// The databases that failed, and why.
fn each_failed(failed: &[(String, Box<Error>)]) -> String {
    let told = |(index, (database, error)): (usize, &(String, Box<Error>))| {
        if index < REASONS { format!("{database} ({error})") } else { database.clone() }
    };
    failed.iter().enumerate().map(told).collect::<Vec<_>>().join(", ")
}

/// The first of some names.
fn named(names: &[String]) -> String {
    const FEW: usize = 10;
    let more = names.len().saturating_sub(FEW);
    let few = names[..names.len() - more].join(", ");
    if more > 0 { format!("{few} and {more} more") } else { few }
}

/// The first of some sentences.
fn first(sentences: &[String]) -> String {
    const FEW: usize = 5;
    let more = sentences.len().saturating_sub(FEW);
    let few = sentences[..sentences.len() - more].join("; ");
    if more > 0 { format!("{few}; and {more} more") } else { few }
}

impl Refusal {
    /// What to do about a refusal of an object, whose URL tells the kind of its store.
    fn hint(self, object: &str) -> String {
        let (credentials, endpoint) = match object.split_once("://").map(|(scheme, _)| scheme) {
            Some("az") => {
                ("AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_ENDPOINT")
            }
            Some("gs") => ("GOOGLE_APPLICATION_CREDENTIALS", "the network"),
            _ => ("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE", "AWS_ENDPOINT_URL"),
        };
        match self {
            Self::Denied => {
                "look at the credentials and their rights: docs/STORES.md says what a writer needs, and what a reader can do".into()
            }
            Self::Clock => "set the clock of this machine: a store takes requests of the last minutes alone".into(),
            Self::NoCredentials => format!("name credentials: {credentials} (docs/STORES.md)"),
            Self::Certificate => {
                "name the certificate of the authority that has signed it: FWB_STORE_CA; or check the host in the endpoint".into()
            }
            Self::NoBucket => format!("make it first, or check its name and the endpoint ({endpoint})"),
            Self::NoConditions => {
                "two runs could overwrite each other's backups there: use a store that honours If-None-Match and If-Match".into()
            }
            Self::Invalid => "no retry helps: look at what the store says".into(),
            Self::Changed => "another run has changed it meanwhile; run it again".into(),
            Self::Differs => {
                "nothing was published; run it again, and look at what lies between this host and the store".into()
            }
            Self::Failure => format!("check the endpoint ({endpoint}), the region and the network; run it again"),
        }
    }
}

fn io_hint(source: &io::Error, path: &Path) -> Option<String> {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            Some("free some space there, or use another store; nothing was published".into())
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            Some(format!("let this user write and read {}", path.display()))
        }
        io::ErrorKind::NotFound => Some(format!("check the path {}", path.display())),
        io::ErrorKind::FileTooLarge => Some("raise the limit on file sizes (ulimit -f)".into()),
        _ => None,
    }
}

fn signal_name(signal: i32) -> String {
    match signal {
        1 => "SIGHUP".into(),
        2 => "SIGINT".into(),
        15 => "SIGTERM".into(),
        other => format!("signal {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(number: u16) -> Error {
        let error = ServerError { number, sqlstate: "HY000".into(), message: "no".into(), statement: None };
        Error::Server { doing: "loading".into(), error }
    }

    fn boxed(number: u16) -> Box<Error> {
        Box::new(server(number))
    }

    /// A job that is refused must not be tried again and again through the night: the exit code says that nothing will
    /// change, however the refusal is wrapped.
    #[test]
    fn a_refusal_keeps_its_class_whatever_it_is_wrapped_in() {
        let (refused, broken) = (1227, 1205);
        let inadmissible = || Error::Inadmissible {
            name: "x.sql".into(),
            statement: "GRANT".into(),
            offset: 0,
            why: "no dump contains it".into(),
        };
        let database = || String::from("d");
        let cases = [
            (server(refused), ErrorClass::Usage),
            (server(broken), ErrorClass::Failure),
            (inadmissible(), ErrorClass::Usage),
            (Error::Preflight { finding: "x".into(), remedy: "y".into() }, ErrorClass::Usage),
            (Error::Untouched { cause: boxed(refused), database: database() }, ErrorClass::Usage),
            (Error::Untouched { cause: boxed(broken), database: database() }, ErrorClass::Failure),
            (Error::Untouched { cause: Box::new(inadmissible()), database: database() }, ErrorClass::Usage),
            (Error::SafetyBackup { cause: boxed(refused), database: database() }, ErrorClass::Usage),
            (Error::RolledBack { cause: boxed(refused) }, ErrorClass::Usage),
            (Error::GaveUp { attempts: 2, cause: boxed(refused) }, ErrorClass::Usage),
            (Error::Unfinished { cause: boxed(refused), database: database() }, ErrorClass::Usage),
            (Error::NotRolledBack { cause: boxed(refused), database: database() }, ErrorClass::Usage),
        ];
        for (error, expected) in cases {
            assert_eq!(error.class(), expected, "{error}");
        }
    }
}
