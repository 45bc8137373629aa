//! What a report is made of: what stores hold, as plain values of one moment.

use std::collections::BTreeMap;

use super::fleet::FleetFacts;
use super::log::ShippedLog;
use super::trend::median_of_sorted;
use crate::binlog::{Window, windows};
use crate::error::Result;
use crate::identity::Owner;
use crate::manifest::{ChainProof, Kind, Level, Manifest, SectionKind, Timestamp, Verification, now};
use crate::progress::Cancel;
use crate::retention::Proof;
use crate::run::{RunHistory, RunRecord};
use crate::select::Listing;
use crate::server::NameCase;
use crate::store::{BackupSummary, Space, Store};

/// Of how many of the newest backups of a database the tables are looked at.
const TABLES_OF: usize = 31;

/// What a report, and whoever looks for troubles, is handed.
#[derive(Debug, Clone, Default)]
pub struct ReportInput {
    /// The stores; the first is the one that the others may hold copies of. Of a fleet, each server's line says which.
    pub stores: Vec<StoreFacts>,
    /// Certificates that are used to reach servers and stores.
    pub certificates: Vec<CertificateFacts>,
    /// The servers that should have backups, where a fleet file names them.
    pub fleet: Option<FleetFacts>,
}

/// One store.
#[derive(Debug, Clone, Default)]
pub struct StoreFacts {
    /// Its directory or URL, as manifests name it.
    pub place: String,
    /// Its backups, oldest first.
    pub backups: Vec<BackupFacts>,
    /// How many backups cannot be read at all.
    pub unreadable: u64,
    /// The runs that it knows of, oldest first; those that were killed count as lost.
    pub runs: Vec<RunRecord>,
    /// How many records of runs cannot be read.
    pub unreadable_runs: u64,
    /// The logs of servers that it holds, one for each server.
    pub logs: Vec<ShippedLog>,
    /// Its file system's room; none where there is no limit.
    pub space: Option<Space>,
}

/// One backup.
#[derive(Debug, Clone)]
pub struct BackupFacts {
    /// The artifact's file name in its store.
    pub name: String,
    /// What it is for.
    pub kind: Kind,
    /// Whether it holds chosen tables alone.
    pub is_chosen: bool,
    /// Whether it leaves tables, or their rows, out of its database.
    pub is_excluding: bool,
    /// Tables that it leaves out; where its tables are known.
    pub excluded: Vec<String>,
    /// The database, as the manifest has it; none where a foreign file does not say.
    pub database: Option<String>,
    /// How its server compares names of databases.
    pub name_case: NameCase,
    /// The server that it counts for, by name or address; none where nobody knows.
    pub server: Option<String>,
    /// When the dump began.
    pub started_at: Timestamp,
    /// The artifact's size in bytes.
    pub size: u64,
    /// Rows of all tables, where any are counted.
    pub rows: Option<u64>,
    /// What is known of its worth.
    pub proof: Proof,
    /// The latest outcome of `fwb-verify`.
    pub verification: Option<Verification>,
    /// Whether the backup before it and the log between them make it.
    pub chain_proof: Option<ChainProof>,
    /// Whether it says where the server's binary log stood.
    pub has_place: bool,
    /// The newest chain of its server's log in the store.
    pub log: Option<String>,
    /// The moments that the log reaches from it; one for each chain that goes on from it.
    pub windows: Vec<Window>,
    /// Its tables; none where they were not looked at, or stand in an encrypted part.
    pub tables: Option<Vec<TableFacts>>,
}

/// One table of a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableFacts {
    /// Its name.
    pub name: String,
    /// Its rows, history included, where they are counted.
    pub rows: Option<u64>,
    /// The size of its SQL in bytes.
    pub raw_size: u64,
}

/// One certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFacts {
    /// The setting that names its file: `FWB_STORE_CA`, `FWB_TLS_CERT` …
    pub setting: String,
    /// The file.
    pub file: String,
    /// Until when it is valid: the first of the file's certificates to expire.
    pub not_after: Timestamp,
}

impl StoreFacts {
    /// Reads a store: its backups, its runs, its room.
    ///
    /// # Errors
    /// The store cannot be read, or a signal arrived.
    pub fn read(store: &Store, runs_since: Option<Timestamp>, cancel: &Cancel) -> Result<Self> {
        let listing = Listing::read(store, cancel)?;
        let runs = store.runs(runs_since, cancel)?;
        Self::of(&listing, runs, store.space()?, now(), cancel)
    }

    /// The same of what was read already. Of the newest backups of each database the manifests are read.
    ///
    /// # Errors
    /// A manifest cannot be read, or a signal arrived.
    pub fn of(
        listing: &Listing,
        runs: RunHistory,
        space: Option<Space>,
        now: Timestamp,
        cancel: &Cancel,
    ) -> Result<Self> {
        let runs = runs.settled(now);
        let chains = listing.store().chains(cancel)?;
        let logs = ShippedLog::of(&chains);
        let of_backup = |summary: &BackupSummary| BackupFacts {
            log: chains
                .newest(&summary.server)
                .filter(|chain| chain.covers(summary))
                .map(|chain| chain.id.clone()),
            windows: windows(std::iter::once(summary), &chains.chains),
            ..BackupFacts::of(summary)
        };
        let mut backups: Vec<BackupFacts> = listing.entries.iter().map(of_backup).collect();
        for at in newest_of_each(&backups) {
            cancel.check()?;
            // One that cannot be read any more is told by the next listing.
            let manifest = listing.record(&listing.entries[at]).ok().flatten();
            backups[at].tables = manifest.as_ref().and_then(tables_of);
            let excluded = manifest.and_then(|manifest| manifest.excluded);
            backups[at].excluded = excluded.map(|excluded| excluded.tables).unwrap_or_default();
        }
        Ok(Self {
            place: listing.store().place(),
            backups,
            unreadable: listing.unreadable.len() as u64,
            runs: runs.runs,
            unreadable_runs: runs.unreadable,
            logs,
            space,
        })
    }
}

impl BackupFacts {
    fn of(summary: &BackupSummary) -> Self {
        let server = match summary.owner() {
            Owner::Unknown => None,
            known => Some(known.to_string()),
        };
        Self {
            name: summary.name.clone(),
            kind: summary.kind,
            is_chosen: summary.is_chosen,
            is_excluding: summary.is_excluding,
            excluded: Vec::new(),
            database: summary.database.clone(),
            name_case: summary.belonging.name_case,
            server,
            started_at: summary.started_at,
            size: summary.size,
            rows: summary.rows,
            proof: summary.proof(),
            verification: summary.verification.clone(),
            chain_proof: summary.chain_proof.clone(),
            has_place: summary.binlog.is_some(),
            log: None,
            windows: Vec::new(),
            tables: None,
        }
    }

    /// Whether `fwb-dump` made it of a whole database: what holds chosen tables alone is no backup of that.
    pub(super) fn is_full(&self) -> bool {
        self.kind == Kind::Full && !self.is_chosen
    }

    /// The latest drill of a database, where its outcome is the latest one and held.
    pub(super) fn drill(&self) -> Option<&Verification> {
        let is_held = |outcome: &&Verification| outcome.ok && outcome.level == Level::Drill;
        self.verification.as_ref().filter(is_held).filter(|_| !self.is_chosen)
    }
}

/// The newest whole backups of each database and server, by their places in the list.
fn newest_of_each(backups: &[BackupFacts]) -> Vec<usize> {
    let mut each: BTreeMap<(String, Option<&str>), Vec<usize>> = BTreeMap::new();
    for (at, backup) in backups.iter().enumerate().filter(|(_, backup)| backup.is_full()) {
        let Some(database) = &backup.database else { continue };
        each.entry((backup.name_case.key(database), backup.server.as_deref())).or_default().push(at);
    }
    let newest = |places: &Vec<usize>| places[places.len().saturating_sub(TABLES_OF)..].to_vec();
    each.values().flat_map(newest).collect()
}

fn tables_of(manifest: &Manifest) -> Option<Vec<TableFacts>> {
    let tables = manifest.sections.iter().filter(|section| section.kind == SectionKind::Table);
    let without_rows =
        |name: &String| manifest.excluded.as_ref().is_some_and(|excluded| excluded.rows.contains(name));
    let tables: Vec<TableFacts> = tables
        .filter_map(|section| {
            let name = section.name.clone()?;
            // Rows that were left out are not known, and not none.
            let rows = section.rows.filter(|_| !without_rows(&name));
            Some(TableFacts { name, rows, raw_size: section.raw_size })
        })
        .collect();
    (!manifest.sections.is_empty()).then_some(tables)
}

/// Days since 1970, with their fractions.
#[allow(clippy::cast_precision_loss, reason = "seconds of a few thousand years are exact")]
pub(super) fn days(at: Timestamp) -> f64 {
    at.timestamp() as f64 / 86_400.0
}

/// The median of what is positive or none at all.
pub(super) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    median_of_sorted(&values)
}
