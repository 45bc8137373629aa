//! Gathers the log's bytes, and makes segments of them.

use std::collections::BTreeSet;
use std::io::Write;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use fwb_binlog::{EventHeader, FormatDescription, Group, GroupKind, GtidPosition, Omission};
use serde_json::Map;
use sha2::{Digest, Sha256};

use super::only::Only;
use super::overlap::Overlap;
use super::segment::{LogSource, MOST_XA, Part, Segment, Touched, schema};
use crate::encryption::EncryptTo;
use crate::error::{Error, Result};
use crate::manifest::{Detail, Encryption, Timestamp};

/// How hard segments are compressed: they are small, and come while the server works.
const LEVEL: i32 = 3;
/// The most names of tables that are gathered.
const MOST_TABLES: usize = 2000;

/// Makes the segments of a chain.
#[derive(Debug, Clone)]
pub(super) struct SegmentWriter {
    chain: String,
    source: LogSource,
    only: Only,
    encryption: Option<EncryptTo>,
    /// The number of the next segment, and the chain's hash before it.
    next: u64,
    previous: Option<String>,
    begun_because: Option<String>,
    file: String,
    start: u64,
    /// What other programs need before the bytes.
    preamble: Vec<u8>,
    raw: Vec<u8>,
    gtid_before: GtidPosition,
    begins_within: bool,
    groups: u64,
    tables: BTreeSet<String>,
    touched: Touched,
    xa_prepared: BTreeSet<String>,
    xa_completed: BTreeSet<String>,
    seen: Timestamp,
    /// The same of what follows what is gathered.
    seen_after: Option<Timestamp>,
    from: Option<Timestamp>,
    until: Timestamp,
}

/// Where a chain stands: what its next segment follows.
#[derive(Debug, Clone)]
pub(super) struct ChainEnd {
    pub(super) chain: String,
    pub(super) next: u64,
    pub(super) previous: Option<String>,
    pub(super) file: String,
    pub(super) position: u64,
    pub(super) gtid: GtidPosition,
    pub(super) within: bool,
    /// When the server had no more than that.
    pub(super) seen: Timestamp,
    /// When the last byte arrived.
    pub(super) until: Timestamp,
}

/// What only whoever reads the log knows when a segment is made.
#[derive(Debug, Clone)]
pub(super) struct Cut {
    pub(super) overlap: Overlap,
    pub(super) gtid: GtidPosition,
    pub(super) within: bool,
    pub(super) safe_until: Timestamp,
}

impl SegmentWriter {
    /// Goes on where a chain ends.
    pub(super) fn new(
        end: ChainEnd,
        begun_because: Option<String>,
        source: LogSource,
        only: Only,
        encryption: Option<EncryptTo>,
    ) -> Self {
        Self {
            chain: end.chain,
            source,
            only,
            encryption,
            next: end.next,
            previous: end.previous,
            begun_because,
            file: end.file,
            start: end.position,
            preamble: Vec::new(),
            raw: Vec::new(),
            gtid_before: end.gtid,
            begins_within: end.within,
            groups: 0,
            tables: BTreeSet::new(),
            touched: Touched::default(),
            xa_prepared: BTreeSet::new(),
            xa_completed: BTreeSet::new(),
            seen: end.seen,
            seen_after: None,
            from: None,
            until: end.until,
        }
    }

    /// Bytes gathered.
    pub(super) fn size(&self) -> usize {
        self.raw.len()
    }

    /// Whether a description of more would be too long.
    pub(super) fn is_crowded(&self) -> bool {
        self.xa_prepared.len() + self.xa_completed.len() >= MOST_XA
    }

    /// When the first of them arrived; none where there are none.
    pub(super) fn since(&self) -> Option<Timestamp> {
        self.from
    }

    /// Of which databases changes are kept.
    pub(super) fn only(&self) -> &Only {
        &self.only
    }

    /// Where the first bytes are in their file that can still be changed.
    pub(super) fn start(&self) -> u64 {
        self.start
    }

    /// Leaves out an event that was taken.
    pub(super) fn leave_out(&mut self, event: &Range<u64>, format: &FormatDescription) {
        let place = |at: u64| usize::try_from(at.checked_sub(self.start)?).ok();
        let (Some(from), Some(to)) = (place(event.start), place(event.end)) else { return };
        let Some(bytes) = self.raw.get_mut(from..to) else { return };
        let header = EventHeader::parse(bytes);
        if let Some(mut omission) = header.ok().and_then(|header| Omission::of(&header, bytes, format)) {
            omission.pass(bytes);
        }
    }

    /// Where the next bytes are in their file.
    pub(super) fn position(&self) -> u64 {
        self.start + self.raw.len() as u64
    }

    /// What programs need before bytes from the middle of a file: its beginning, and how events are read.
    pub(super) fn set_preamble(&mut self, format: Option<&[u8]>) {
        self.preamble = fwb_binlog::MAGIC.to_vec();
        if self.start > self.preamble.len() as u64 {
            self.preamble.extend_from_slice(format.unwrap_or_default());
        }
    }

    /// The bytes that follow are those of another file, from this position on. All before must have become a segment.
    pub(super) fn begin_file(&mut self, file: &str, position: u64) {
        debug_assert!(self.raw.is_empty());
        file.clone_into(&mut self.file);
        self.start = position;
    }

    /// The groups before the next bytes, where the file says it and nothing was known.
    pub(super) fn begin_after(&mut self, gtid: &GtidPosition) {
        self.gtid_before = gtid.clone();
    }

    /// The server has no more at this moment than what has come.
    pub(super) fn no_more_at(&mut self, at: Timestamp) {
        if self.raw.is_empty() {
            self.seen = at;
        } else {
            self.seen_after = Some(at);
        }
    }

    /// Takes the next bytes, which arrive now.
    pub(super) fn take(&mut self, bytes: &[u8], now: Timestamp) {
        self.from.get_or_insert(now);
        self.until = now;
        self.raw.extend_from_slice(bytes);
    }

    /// Notes a group that has ended in what was taken.
    pub(super) fn note(&mut self, group: &Group) {
        self.groups += 1;
        let touched = &mut self.touched;
        for (database, table) in self.only.tables(group) {
            if self.tables.len() < MOST_TABLES {
                self.tables.insert(format!("{database}.{table}"));
            } else {
                touched.statements = true;
            }
            note_database(&mut touched.databases, database);
        }
        for statement in group.statements.iter().filter(|statement| statement.is_executed) {
            touched.statements = true;
            if let Some(database) = statement.database.as_ref().filter(|database| self.only.is(database)) {
                note_database(&mut touched.databases, database);
            }
        }
        touched.statements |= group.is_opaque || group.statement_count > group.statements.len() as u64;
        touched.ddl |= group.is_ddl || group.kind == GroupKind::Standalone;
        touched.incident |= group.has_incident;
        match &group.kind {
            GroupKind::XaPrepared(name) => drop(self.xa_prepared.insert(hex::encode(name))),
            GroupKind::XaCompleted { name, .. } => drop(self.xa_completed.insert(hex::encode(name))),
            _ => {}
        }
    }

    /// Makes a segment of what was gathered, and goes on behind it. Returns its description and its file.
    ///
    /// # Errors
    /// It cannot be compressed or encrypted.
    pub(super) fn cut(&mut self, cut: Cut) -> Result<(Segment, Vec<u8>)> {
        let raw = std::mem::take(&mut self.raw);
        let failed = |source| Error::Stream { action: "compress a segment of the log", source };
        let mut plain = zstd::bulk::compress(&self.preamble, LEVEL).map_err(failed)?;
        plain.extend(zstd::bulk::compress(&raw, LEVEL).map_err(failed)?);
        let (payload, encryption) = match &self.encryption {
            Some(to) => {
                let recipients = to.recipients.names();
                (encrypted(&plain, to)?, Some(Encryption::age(recipients, to.sidecar)))
            }
            None => (plain, None),
        };
        let part = Part {
            raw_size: raw.len() as u64,
            raw_sha256: hex::encode(Sha256::digest(&raw)),
            size: payload.len() as u64,
            preamble: self.preamble.len() as u64,
            seen: self.seen,
            from: self.from.unwrap_or(self.until),
            until: self.until,
            safe: cut.safe_until,
        };
        let tables: Vec<String> = std::mem::take(&mut self.tables).into_iter().collect();
        let touched = Touched { tables: Some(tables), ..std::mem::take(&mut self.touched) };
        let is_minimal = encryption.as_ref().is_some_and(|encryption| encryption.sidecar == Detail::Minimal);
        let only = self.only.names();
        let hash =
            part.chained(self.previous.as_deref(), &self.chain, self.next, (&self.file, self.start), &only);
        let end = self.start + raw.len() as u64;
        let mut segment = Segment {
            schema: schema(&only).into(),
            chain: self.chain.clone(),
            first: self.next,
            last: self.next,
            previous: self.previous.replace(hash.clone()),
            hash,
            begun_because: self.begun_because.take(),
            source: self.source.clone(),
            only,
            file: self.file.clone(),
            start: self.start,
            end,
            gtid_before: std::mem::replace(&mut self.gtid_before, cut.gtid.clone()),
            gtid_after: cut.gtid,
            begins_within: std::mem::replace(&mut self.begins_within, cut.within),
            ends_within: cut.within,
            groups: std::mem::take(&mut self.groups),
            touched: Some(touched).filter(|_| !is_minimal),
            xa_prepared: std::mem::take(&mut self.xa_prepared).into_iter().collect(),
            xa_completed: std::mem::take(&mut self.xa_completed).into_iter().collect(),
            overlap: cut.overlap,
            parts: vec![part],
            size: payload.len() as u64,
            sha256: hex::encode(Sha256::digest(&payload)),
            encryption,
            extra: Map::new(),
        };
        self.next += 1;
        self.start = end;
        self.from = None;
        self.seen = self.seen_after.take().unwrap_or(self.seen);
        let file = segment.encode(&payload)?;
        Ok((segment, file))
    }
}

fn note_database(databases: &mut Vec<String>, database: &str) {
    if let Err(at) = databases.binary_search_by(|known| known.as_str().cmp(database)) {
        databases.insert(at, database.into());
    }
}

/// Bytes, encrypted.
fn encrypted(plain: &[u8], to: &EncryptTo) -> Result<Vec<u8>> {
    let failed = |source| Error::Stream { action: "encrypt a segment of the log", source };
    let gathered = Gathered::default();
    let mut stream = to.recipients.encrypt(Box::new(gathered.clone())).map_err(failed)?.stream;
    stream.write_all(plain).map_err(failed)?;
    stream.finish().map_err(failed)?;
    let mut bytes = gathered.0.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(std::mem::take(&mut *bytes))
}

/// Bytes that somebody else writes.
#[derive(Debug, Clone, Default)]
struct Gathered(Arc<Mutex<Vec<u8>>>);

impl Write for Gathered {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
