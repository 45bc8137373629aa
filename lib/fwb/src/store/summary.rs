//! One backup as a listing holds it: what is shown and judged, and no more, so that thousands of backups take little memory.
//! The whole manifest is read again when it is handed to the next tool.

use super::Store;
use super::entry::Entry;
use crate::error::{Error, Result};
use crate::identity::{Belonging, Owner, ServerIdentity};
use crate::manifest::{
    Binlog, ChainProof, Decision, Kind, Level, Manifest, Server, Timestamp, Together, Verification,
};
use crate::retention::Proof;
use crate::server::NameCase;

/// What is known of a backup, in short.
#[derive(Debug, Clone)]
pub struct BackupSummary {
    /// The artifact's file name in its store.
    pub name: String,
    /// What the backup is for.
    pub kind: Kind,
    /// The database dumped; absent where a foreign file does not say.
    pub database: Option<String>,
    /// How its server compares names, where the manifest says so.
    pub name_case: Option<NameCase>,
    /// The server dumped from, as the manifest says.
    pub server: ServerIdentity,
    /// What the server called itself in its log.
    pub uid: Option<String>,
    /// Where it belongs among the other backups of its store; a listing settles that.
    pub(crate) belonging: Belonging,
    /// When the dump began.
    pub started_at: Timestamp,
    /// Where the binary log stood at the moment that it shows.
    pub binlog: Option<Binlog>,
    /// Which run it was dumped in with other databases.
    pub together: Option<Together>,
    /// The artifact's size in bytes, as the manifest says it.
    pub size: u64,
    /// Rows of all tables, where any are counted.
    pub rows: Option<u64>,
    /// Whether it is of the whole database, where that was looked at.
    pub whole: Option<bool>,
    /// Whether it holds chosen tables alone.
    pub is_chosen: bool,
    /// Whether it leaves tables, or their rows, out of its database.
    pub is_excluding: bool,
    /// The latest outcome of `fwb-verify`. Where a look at the sizes finds a problem it is that one, as if `quick` had
    /// run: whatever was recorded before does not hold any more.
    pub verification: Option<Verification>,
    /// Whether the backup before it and the log between them make it.
    pub chain_proof: Option<ChainProof>,
    /// Until when the store keeps the artifact from being deleted.
    pub retained_until: Option<Timestamp>,
    /// What is wrong, as far as a look at sizes and names shows.
    pub problems: Vec<String>,
    /// The sidecar, where it was read from far away and says all that is known.
    pub(super) sidecar: Option<Vec<u8>>,
}

impl BackupSummary {
    /// What is to be known of an entry.
    pub(crate) fn of(entry: Entry) -> Self {
        let Entry { manifest, problems, .. } = entry;
        let summary = Self::from(manifest);
        if problems.is_empty() {
            return summary;
        }
        let failed = Verification { ok: false, ..Verification::new(Level::Quick, problems.clone()) };
        Self { verification: Some(failed), problems, ..summary }
    }

    /// The server that it counts for, among the backups of its store.
    pub fn owner(&self) -> &Owner {
        self.belonging.owner()
    }

    /// What retention may count on.
    pub fn proof(&self) -> Proof {
        Proof::of(self.whole, self.verification.as_ref(), &self.problems)
    }

    /// Whether the backup is proved: the latest outcome is ok at `full` or above, and the artifact is there with
    /// the size that the manifest says.
    pub fn is_proved(&self) -> bool {
        self.proof() == Proof::Proved
    }

    /// The backup's manifest as the next tool gets it: read now, with the outcome by which the backup was judged. None
    /// where the backup has been deleted meanwhile.
    pub(super) fn manifest(&self, store: &Store, decision: Option<Decision>) -> Result<Option<Manifest>> {
        let known = self.sidecar.as_deref().and_then(|sidecar| Manifest::from_slice(sidecar).ok());
        // What is inside a backup that is encrypted stands there alone; a key may open it.
        let known = known.filter(|manifest| !manifest.is_minimal() || !store.keys.are_given());
        let manifest = match known {
            Some(manifest) => manifest,
            None => match store.entry(&self.name) {
                Ok(entry) => entry.manifest,
                Err(Error::NoBackup { .. }) => return Ok(None),
                Err(error) => return Err(error),
            },
        };
        let (store, verification) = (Some(store.place()), self.verification.clone());
        Ok(Some(Manifest { store, verification, decision, ..manifest }))
    }
}

impl From<Manifest> for BackupSummary {
    /// Of a backup of which nothing is wrong.
    fn from(manifest: Manifest) -> Self {
        let rows = manifest.sections.iter().filter_map(|section| section.rows).reduce(u64::saturating_add);
        Self {
            name: manifest.name,
            kind: manifest.kind,
            database: manifest.database,
            name_case: manifest.server.as_ref().and_then(Server::name_case),
            server: manifest.server.as_ref().map(Server::identity).unwrap_or_default(),
            uid: manifest.server.and_then(|server| server.uid),
            belonging: Belonging::default(),
            started_at: manifest.started_at,
            binlog: manifest.binlog,
            together: manifest.together,
            size: manifest.size,
            rows,
            // What holds chosen tables alone is not whole, whatever else is said of it.
            whole: if manifest.chosen.is_some() { Some(false) } else { manifest.whole },
            is_chosen: manifest.chosen.is_some(),
            is_excluding: manifest.excluded.is_some(),
            verification: manifest.verification,
            chain_proof: manifest.chain_proof,
            retained_until: manifest.retained_until,
            problems: Vec::new(),
            sidecar: None,
        }
    }
}
