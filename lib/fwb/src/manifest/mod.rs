//! The manifest: what one backup is, as one JSON object. It is the contract between the tools, the sidecar
//! beside an artifact and, less what only the finished file or the store can know, the artifact's footer.
//! `docs/FORMAT.md` describes every field; fields that this version does not know are kept.

mod accounts;
mod chain_proof;
mod encryption;
mod exclusion;
mod moment_proof;
mod provenance;
mod surroundings;
mod together;

use std::collections::BTreeMap;

use chrono::{DateTime, FixedOffset, SubsecRound, TimeDelta};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use accounts::AccountEntry;
pub use chain_proof::ChainProof;
pub use encryption::{Detail, Encryption};
pub use exclusion::{Exclusion, ExclusionPatterns};
pub use moment_proof::MomentProof;
pub use provenance::Provenance;
pub use surroundings::Surroundings;
pub use together::Together;

use crate::artifact::Crc32;
use crate::identity::{ServerIdentity, ServerName};
use crate::server::{NameCase, ServerVersion};

/// The schema that this version reads and writes.
pub const SCHEMA: &str = "fwb/1";
/// The same of a backup that leaves tables out, or their rows: a tool that does not know of that must not restore it, because it
/// would take the live tables away that the backup does not have.
pub const SCHEMA_EXCLUDING: &str = "fwb/1.1";

/// The field that says how an artifact is compressed, where that is not gzip.
pub(crate) const CODEC: &str = "codec";

/// A timestamp with the offset of the zone it was taken in.
pub type Timestamp = DateTime<FixedOffset>;

/// The present second in the local time zone. Names have no finer moment, so manifests have none either: a backup
/// begun at 17:02:06 is found by `--at 17:02:06`.
pub fn now() -> Timestamp {
    chrono::Local::now().fixed_offset().trunc_subsecs(0)
}

/// The present millisecond in the local time zone: what orders runs that follow one another quickly.
pub fn now_to_the_millisecond() -> Timestamp {
    chrono::Local::now().fixed_offset().trunc_subsecs(3)
}

/// Whether a date lies so far in the future that a clock was wrong when it was taken, or is now. Two machines differ by
/// less.
pub(crate) fn is_in_the_future(date: Timestamp, now: Timestamp) -> bool {
    date.signed_duration_since(now) > TimeDelta::hours(1)
}

/// What a backup is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Made by `fwb-dump`.
    Full,
    /// Made by `fwb-restore` of what was there before it.
    Safety,
    /// A `.sql`, `.sql.gz` or `.sql.zst` that another program made.
    Foreign,
    /// Made by `fwb-restore` of a base and the log after it: the database as it was at a moment.
    Moment,
    /// Made by `fwb-dump --accounts`: the accounts of a server, and of no database.
    Accounts,
}

impl Kind {
    /// The word that stands in manifests and options.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Safety => "safety",
            Self::Foreign => "foreign",
            Self::Moment => "moment",
            Self::Accounts => "accounts",
        }
    }

    /// All of them.
    pub const ALL: [Self; 5] = [Self::Full, Self::Safety, Self::Foreign, Self::Moment, Self::Accounts];

    /// Whether a restore has made it, beside what it was to do. Such a backup is no fresh one of its database.
    pub fn is_of_restore(self) -> bool {
        matches!(self, Self::Safety | Self::Moment)
    }
}

/// One backup.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`SCHEMA`], or [`SCHEMA_EXCLUDING`]; anything else is refused by [`Manifest::from_value`].
    pub schema: String,
    /// The artifact's file name in its store.
    pub name: String,
    /// The store's directory: added on output, never stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<String>,
    /// What the backup is for.
    pub kind: Kind,
    /// The database dumped; absent where a foreign file does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// The database's default character set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charset: Option<String>,
    /// The database's default collation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collation: Option<String>,
    /// When the dump began: the moment that the backup shows.
    pub started_at: Timestamp,
    /// When the last byte of SQL had arrived.
    pub finished_at: Timestamp,
    /// The server dumped from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<Server>,
    /// The program that wrote the SQL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<Client>,
    /// The binary log's coordinates of the snapshot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binlog: Option<Binlog>,
    /// What it was made of, where it is of kind [`Kind::Moment`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moment: Option<Provenance>,
    /// The artifact's size in bytes.
    #[serde(default)]
    pub size: u64,
    /// The SQL's size in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw_size: Option<u64>,
    /// SHA-256 of the artifact file, as `sha256sum` prints it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// SHA-256 of the SQL, as `gunzip -c | sha256sum` or `zstd -dc | sha256sum` prints it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw_sha256: Option<String>,
    /// The longest statement, in bytes: what `max_allowed_packet` must exceed.
    #[serde(default)]
    pub largest_statement: u64,
    /// What the operator should know about this backup.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// How the artifact is encrypted; absent where it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption: Option<Encryption>,
    /// Whether the backup is of the whole database: the account could see all of it, and no tables were chosen. Absent where
    /// nobody looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub whole: Option<bool>,
    /// The tables, sequences and views that were chosen: the backup holds these alone, with their triggers, and nothing
    /// else of the database. Absent where none were chosen; empty in a sidecar that names nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chosen: Option<Vec<String>>,
    /// What it leaves out of the database, because somebody wanted it so: the backup is whole but for that. Absent where nothing is
    /// left out; without names in a sidecar that names nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excluded: Option<Exclusion>,
    /// The accounts, where it is of kind [`Kind::Accounts`]; absent in a sidecar that names nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accounts: Option<Vec<AccountEntry>>,
    /// What a rebuilt server needs beside them; absent where [`Manifest::accounts`] is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub surroundings: Option<Surroundings>,
    /// Which run it was dumped in with other databases; absent where it was dumped alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub together: Option<Together>,
    /// What the SQL holds, in order and without gaps.
    #[serde(default)]
    pub sections: Vec<Section>,
    /// The latest outcome of `fwb-verify`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verification: Option<Verification>,
    /// Why the latest drill was not held; absent once one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_drilled: Option<NotDrilled>,
    /// Whether the backup before it and the log between them make this one: the latest outcome of `fwb-verify --level chain`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain_proof: Option<ChainProof>,
    /// Whether one moment of its database was reached, of `fwb-verify --level moment`: on output only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moment_proof: Option<MomentProof>,
    /// Until when the store keeps the artifact from being deleted, where it was asked to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retained_until: Option<Timestamp>,
    /// What `fwb-prune` decided: on output only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
    /// Fields of later versions, kept as they are.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// The server dumped from, or that of a drill.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Server {
    /// `SELECT VERSION()`.
    pub version: String,
    /// The operator's name for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<ServerName>,
    /// How it was addressed, in a form that lasts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<ServerName>,
    /// What it called itself: `server_uuid`, or MariaDB's `server_uid`, which changes with its address. A log that another one
    /// wrote does not go on from the backup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// `SELECT @@lower_case_table_names`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lower_case_table_names: Option<u64>,
    /// Those of its global settings that decide what it takes and are not what servers usually have, by their names; a drill's
    /// server gets them too.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, String>,
    /// Fields of later versions.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Server {
    /// A server of which the version alone is known.
    pub(crate) fn of_version(version: String) -> Self {
        Self { version, ..Self::default() }
    }

    /// What is known of which server it is.
    pub fn identity(&self) -> ServerIdentity {
        ServerIdentity { id: self.id.clone(), address: self.address.clone() }
    }

    /// How it compares names, where that is known.
    pub fn name_case(&self) -> Option<NameCase> {
        self.lower_case_table_names.map(NameCase::of_setting)
    }
}

/// The program that wrote the SQL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    /// `mariadb-dump` or `mysqldump`.
    pub program: String,
    /// The first line of its `--version`.
    pub version: String,
    /// The options it was given, without those that say how to connect.
    pub options: Vec<String>,
    /// Fields of later versions.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// A position in the binary log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binlog {
    /// The log file's name.
    pub file: String,
    /// The offset in it, in bytes.
    pub position: u64,
    /// The GTID position, where the server has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gtid: Option<String>,
}

impl Binlog {
    /// What orders positions of one server's log.
    pub fn place_in_log(&self) -> (usize, &str, u64) {
        place_in_log(&self.file, self.position)
    }
}

/// What orders positions of one server's log: the numbers in names of files grow, and become longer.
pub fn place_in_log(file: &str, position: u64) -> (usize, &str, u64) {
    (file.len(), file, position)
}

/// What a section of a dump holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SectionKind {
    /// The session settings at the beginning.
    Header,
    /// A table: its definition, rows and triggers.
    Table,
    /// A sequence.
    Sequence,
    /// A view's stand-in, until what it needs is there.
    ViewPlaceholder,
    /// The events.
    Events,
    /// The procedures, functions and packages.
    Routines,
    /// A view's final definition.
    View,
    /// The accounts of a server.
    Accounts,
    /// The session settings at the end.
    Trailer,
}

impl SectionKind {
    /// The word that stands in manifests.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Header => "header",
            Self::Table => "table",
            Self::Sequence => "sequence",
            Self::ViewPlaceholder => "view_placeholder",
            Self::Events => "events",
            Self::Routines => "routines",
            Self::View => "view",
            Self::Accounts => "accounts",
            Self::Trailer => "trailer",
        }
    }
}

/// A part of the dump that can be read alone. Offsets count from 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Section {
    /// What it holds.
    pub kind: SectionKind,
    /// The name of the table, sequence or view.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Offset of its first member in the artifact, in bytes; absent in a file without members.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// Size of its members in the artifact, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Offset in the SQL, in bytes.
    pub raw_offset: u64,
    /// Size of its SQL, in bytes.
    pub raw_size: u64,
    /// CRC-32 of its SQL (that of gzip, RFC 1952), 8 hexadecimal digits; absent in a file without members.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crc32: Option<String>,
    /// Rows of a table, history included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// A hash of a table's rows that does not depend on their order, 32 hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows_digest: Option<String>,
    /// Triggers, events and routines that the section creates.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub objects: Vec<Object>,
    /// Fields of later versions.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Section {
    /// Where its members lie in the artifact: the first byte, and the one after the last. None in a file without members.
    pub(crate) fn extent(&self) -> Option<(u64, u64)> {
        let (offset, size) = (self.offset?, self.size?);
        Some((offset, offset.checked_add(size)?))
    }

    /// Whether its SQL is what has this checksum, as far as the manifest says: earlier versions wrote none.
    pub(crate) fn is_of(&self, crc32: Crc32) -> bool {
        self.crc32.as_ref().is_none_or(|said| *said == crc32.to_hex())
    }
}

/// A stored program.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Object {
    /// What it is.
    pub kind: ObjectKind,
    /// Its name.
    pub name: String,
}

/// The kinds of stored programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ObjectKind {
    /// A trigger.
    Trigger,
    /// An event.
    Event,
    /// A stored procedure.
    Procedure,
    /// A stored function.
    Function,
    /// A package specification (`sql_mode=ORACLE`).
    Package,
    /// A package body.
    PackageBody,
}

impl ObjectKind {
    /// The words that SQL uses.
    pub fn as_sql(self) -> &'static str {
        match self {
            Self::Trigger => "TRIGGER",
            Self::Event => "EVENT",
            Self::Procedure => "PROCEDURE",
            Self::Function => "FUNCTION",
            Self::Package => "PACKAGE",
            Self::PackageBody => "PACKAGE BODY",
        }
    }
}

/// How far a verification goes; a later level includes the former ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Sizes, footer and sidecar.
    Quick,
    /// The stored bytes, by their hash: all that can be told of an encrypted backup without an identity.
    Stored,
    /// Every byte, row and hash.
    Full,
    /// Restored into a throwaway server and compared.
    Drill,
}

impl Level {
    /// The word that stands in manifests and options.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Quick => "quick",
            Self::Stored => "stored",
            Self::Full => "full",
            Self::Drill => "drill",
        }
    }
}

/// The outcome of a verification.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verification {
    /// How far it went.
    pub level: Level,
    /// Whether everything held.
    pub ok: bool,
    /// When it ended.
    pub at: Timestamp,
    /// `writer` where whoever has written the artifact has read it back; absent otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// What did not hold.
    #[serde(default)]
    pub problems: Vec<String>,
    /// The tables and sequences of a damaged artifact that are whole, and so can be restored by `--tables`. Absent where
    /// nothing is damaged, or where it cannot be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub whole_tables: Option<Vec<String>>,
    /// Whether a restore admits every statement; absent where it does, and where that was not looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restorable: Option<bool>,
    /// What should be known of a drill and is no problem.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// How long the drill took to load the backup and to check it, in seconds: what a restore takes, without the
    /// proof before it. Absent where it did not come to an end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restore_seconds: Option<f64>,
    /// The server of the drill.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<Server>,
    /// Fields of later versions.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Verification {
    /// An outcome of now.
    pub(crate) fn new(level: Level, problems: Vec<String>) -> Self {
        Self {
            level,
            ok: problems.is_empty(),
            at: now(),
            by: None,
            seconds: 0.0,
            problems,
            whole_tables: None,
            restorable: None,
            notes: Vec::new(),
            restore_seconds: None,
            server: None,
            extra: Map::new(),
        }
    }

    /// Whether this outcome is proof: everything held at `full` or above.
    pub fn proves(&self) -> bool {
        self.ok && self.level >= Level::Full
    }

    /// What to record when `self` arrives after `former`: a weaker pass never replaces a stronger outcome, any failure
    /// does.
    pub fn replaces(&self, former: Option<&Self>) -> bool {
        !self.ok || former.is_none_or(|former| former.level <= self.level)
    }
}

/// Why a drill was not held: the server that it needs is not here. It says nothing of the backup, so it stands beside the
/// backup's [`Verification`] and changes nothing in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotDrilled {
    /// When it was tried.
    pub at: Timestamp,
    /// What is missing.
    pub reason: String,
    /// What to do about it.
    pub hint: String,
    /// Fields of later versions.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// What retention does with a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Keep or delete.
    pub action: Action,
    /// The rules and guards that led to it.
    pub reasons: Vec<String>,
}

/// Keep or delete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// The backup stays.
    Keep,
    /// The backup goes.
    Delete,
}

/// Why a JSON value is not a manifest that this version can use.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// A schema of another version.
    #[error("schema {0} is unknown to this version, which reads {SCHEMA} and {SCHEMA_EXCLUDING}")]
    Schema(String),
    /// Not a manifest at all.
    #[error("not a manifest: {0}")]
    Shape(#[from] serde_json::Error),
}

/// Fields that are not part of the immutable core in the footer: `store`, `verification`, `not_drilled`, `chain_proof`,
/// `moment_proof`, `retained_until` and `decision` change, `size` and `sha256` are facts of the finished file and are held against the file itself.
const OUTSIDE_CORE: [&str; 9] = [
    "store",
    "verification",
    "not_drilled",
    "chain_proof",
    "moment_proof",
    "retained_until",
    "decision",
    "size",
    "sha256",
];

impl Manifest {
    /// The server on which the backup was made; none where nobody knows.
    pub fn source(&self) -> Option<ServerVersion> {
        let version = ServerVersion::parse(&self.server.as_ref()?.version);
        (version.number != (0, 0, 0)).then_some(version)
    }

    /// What it tells of which server it was made on.
    pub fn server_identity(&self) -> ServerIdentity {
        self.server.as_ref().map(Server::identity).unwrap_or_default()
    }

    /// Tables whose rows are not of the snapshot's moment, but of that at which they were read.
    pub(crate) fn without_snapshot(&self) -> Vec<String> {
        let list = self.extra.get("without_snapshot").cloned();
        list.and_then(|list| serde_json::from_value(list).ok()).unwrap_or_default()
    }

    /// Takes note of why no drill was held after a verification at `level`, or that one was.
    pub(crate) fn note_drill(&mut self, level: Level, not_drilled: Option<&NotDrilled>) {
        if not_drilled.is_some() || level == Level::Drill {
            self.not_drilled = not_drilled.cloned();
        }
    }

    /// Reads a manifest from a JSON value.
    pub fn from_value(value: Value) -> Result<Self, ManifestError> {
        match value.get("schema").and_then(Value::as_str) {
            Some(SCHEMA | SCHEMA_EXCLUDING) | None => Ok(serde_json::from_value(value)?),
            Some(other) => Err(ManifestError::Schema(other.escape_default().to_string())),
        }
    }

    /// Reads a manifest from JSON text.
    pub fn from_slice(json: &[u8]) -> Result<Self, ManifestError> {
        // Text that is known to be UTF-8 as a whole is not looked at string by string.
        match std::str::from_utf8(json).map(serde_json::from_str::<Self>) {
            Ok(Ok(manifest)) if [SCHEMA, SCHEMA_EXCLUDING].contains(&&*manifest.schema) => Ok(manifest),
            // A manifest of another schema may have another shape, and that is told first.
            _ => Self::from_value(serde_json::from_slice(json)?),
        }
    }

    /// The manifest as one line of JSON.
    pub(crate) fn to_line(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut json = serde_json::to_vec(self)?;
        json.push(b'\n');
        Ok(json)
    }

    /// The immutable core: what the footer holds.
    pub fn core(&self) -> Result<Map<String, Value>, serde_json::Error> {
        let mut core = match serde_json::to_value(self)? {
            Value::Object(map) => map,
            _ => Map::new(),
        };
        for field in OUTSIDE_CORE {
            core.remove(field);
        }
        Ok(core)
    }
}
