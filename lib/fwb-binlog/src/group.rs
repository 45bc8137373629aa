//! Groups: the events that a server commits as one. Where one ends is what the servers' own readers say
//! (`Log_event::is_part_of_group`, and what ends a transaction).

use std::collections::BTreeMap;

use crate::event::{Event, GtidEvent, XaStep, name_of_xa};
use crate::fields::Malformed;
use crate::format::FormatDescription;
use crate::gtid::{Gtid, GtidPosition};
use crate::header::{EventHeader, EventKind, RowsKind};

use crate::rows::{Numbers, RowsEvent, TableMap, count, numbers};

/// The most tables, statements and bytes of each statement that are kept of a group, so that a group of gigabytes takes little.
const MOST_TABLES: usize = 1000;
const MOST_STATEMENTS: usize = 20;
const LONGEST_STATEMENT: usize = 4096;
/// The most table maps that hold at a time.
const MOST_MAPS: usize = 10_000;

/// What a group is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum GroupKind {
    /// A transaction, or a statement that ended by itself.
    #[default]
    Transaction,
    /// A statement that commits by itself: one that changes definitions, or accounts.
    Standalone,
    /// An XA transaction of this name was prepared: another group completes it.
    XaPrepared(Vec<u8>),
    /// One of this name was completed.
    XaCompleted {
        /// Its name.
        name: Vec<u8>,
        /// Whether it was committed.
        is_committed: bool,
    },
}

/// How many rows of a table were changed, as far as they could be counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RowCounts {
    /// Rows inserted.
    pub inserted: u64,
    /// Rows updated.
    pub updated: u64,
    /// Rows deleted.
    pub deleted: u64,
    /// Whether there may be more: events whose rows could not be counted.
    pub at_least: bool,
}

/// A statement in a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// The default database; none for one that stands beside its rows, or where the session had none.
    pub database: Option<String>,
    /// The first 4096 bytes of its text.
    pub text: Vec<u8>,
    /// Whether it is there to be executed; else its rows are, and it is said beside.
    pub is_executed: bool,
}

/// One group.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Group {
    /// Its GTID, where it has one.
    pub gtid: Option<Gtid>,
    /// The `server_id` of the server that made it.
    pub server_id: u32,
    /// Its header's time, in seconds since 1970.
    pub timestamp: u32,
    /// When it was committed, in microseconds since 1970, where the server says it.
    pub committed: Option<u64>,
    /// Where its first event begins.
    pub start: u64,
    /// Its bytes.
    pub size: u64,
    /// How many events it has.
    pub events: u64,
    /// What it is.
    pub kind: GroupKind,
    /// Whether the server says that it changes definitions. MySQL does not say it.
    pub is_ddl: bool,
    /// The tables whose rows it changes, by database and name.
    pub tables: BTreeMap<(String, String), RowCounts>,
    /// The first 20 of its statements.
    pub statements: Vec<Statement>,
    /// How many statements it has.
    pub statement_count: u64,
    /// Whether it may change more than `tables` say: it has more tables than are kept, or is compressed as a whole.
    pub is_opaque: bool,
    /// Whether the server says in it that something is missing.
    pub has_incident: bool,
}

/// What an event does to the groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// It is about the file.
    File(Event),
    /// The group goes on after it.
    Within,
    /// It ends a group.
    Ends(Box<Group>),
}

/// Puts groups together from events.
#[derive(Debug, Clone)]
pub struct Groups {
    format: FormatDescription,
    open: Option<Box<Open>>,
    /// All groups so far.
    position: GtidPosition,
}

/// A group that has not ended yet.
#[derive(Debug, Clone, Default)]
struct Open {
    group: Group,
    head: GtidEvent,
    maps: BTreeMap<u64, TableMap>,
    in_transaction: bool,
}

impl Groups {
    /// Begins after `position`.
    pub fn new(format: FormatDescription, position: GtidPosition) -> Self {
        Self { format, open: None, position }
    }

    /// Which groups have been, up to the last that has ended.
    pub fn position(&self) -> &GtidPosition {
        &self.position
    }

    /// How events are read.
    pub fn format(&self) -> &FormatDescription {
        &self.format
    }

    /// Whether a group has begun and not ended.
    pub fn is_within(&self) -> bool {
        self.open.is_some()
    }

    /// The numbers that the next event gives rows, and the database and table of these: asked before the event is taken. None where it
    /// is no event of rows, or where it is not known of which table.
    pub fn numbers(&self, header: &EventHeader, event: &[u8]) -> Option<((String, String), Numbers)> {
        header.kind.rows()?;
        let is_whole = event.len() == header.size as usize;
        let body = if is_whole { self.format.body(event).ok()? } else { event.get(crate::HEADER_SIZE..)? };
        let rows = RowsEvent::parse(header.kind, body, &self.format).ok()?;
        let map = self.open.as_ref()?.maps.get(&rows.table)?;
        Some(((map.database.clone(), map.table.clone()), numbers(header.kind, body, &self.format, map)))
    }

    /// Takes the next event, which begins at `start` of its file. `event` is all of it, or the beginning of one that is long.
    ///
    /// # Errors
    /// It is no such event, or cannot come here.
    pub fn take(&mut self, header: &EventHeader, event: &[u8], start: u64) -> Result<Step, Malformed> {
        if header.kind == EventKind::FORMAT_DESCRIPTION {
            self.format = FormatDescription::parse(event)?;
            // A server that was killed may have left a group without its end in the file before.
            self.open = None;
            return Ok(Step::File(Event::Other));
        }
        let parsed = Event::parse(header, event, &self.format)?;
        if header.kind.is_of_file() {
            // What ends the file ends a group that has no end.
            if matches!(header.kind, EventKind::ROTATE | EventKind::STOP) && !header.is_artificial() {
                self.open = None;
            }
            return Ok(Step::File(parsed));
        }
        if let Event::Gtid(head) = parsed {
            if self.open.is_some() {
                return Err(Malformed("a group that begins within another"));
            }
            let group = Group {
                gtid: head.gtid,
                server_id: header.server_id,
                timestamp: header.timestamp,
                committed: head.committed,
                start,
                size: header.size.into(),
                events: 1,
                is_ddl: head.is_ddl,
                ..Group::default()
            };
            self.open = Some(Box::new(Open { group, head, ..Open::default() }));
            return Ok(Step::Within);
        }
        let Some(open) = &mut self.open else {
            // Servers of old, and what is left over of a file that was cut.
            return Err(Malformed("a change that is in no group"));
        };
        open.group.size += u64::from(header.size);
        open.group.events += 1;
        open.note(header, event, &parsed, &self.format)?;
        if !open.ends(header, event, &parsed, &self.format)? {
            return Ok(Step::Within);
        }
        let Some(open) = self.open.take() else { return Ok(Step::Within) };
        let group = open.closed(&parsed);
        if let Some(gtid) = group.gtid {
            self.position.take(gtid);
        }
        Ok(Step::Ends(Box::new(group)))
    }
}

impl Open {
    fn note(
        &mut self,
        header: &EventHeader,
        event: &[u8],
        parsed: &Event,
        format: &FormatDescription,
    ) -> Result<(), Malformed> {
        let is_whole = event.len() == header.size as usize;
        match parsed {
            Event::Query(query) => {
                if query.begins_transaction() {
                    self.in_transaction = true;
                } else if !query.ends_transaction() {
                    self.statement(query.database.clone(), &query.text, true);
                }
            }
            Event::Annotation(text) => self.statement(None, text, false),
            Event::Incident => self.group.has_incident = true,
            _ if header.kind == EventKind::TABLE_MAP => {
                let map = TableMap::parse(format.body(event)?, format)?;
                if self.group.tables.len() < MOST_TABLES {
                    self.group.tables.entry((map.database.clone(), map.table.clone())).or_default();
                } else {
                    self.group.is_opaque = true;
                }
                if self.maps.len() < MOST_MAPS {
                    self.maps.insert(map.id, map);
                }
            }
            _ if header.kind == EventKind::TRANSACTION_PAYLOAD => self.group.is_opaque = true,
            _ if header.kind.rows().is_some() => {
                let body = if is_whole { format.body(event)? } else { &event[crate::HEADER_SIZE..] };
                let rows = RowsEvent::parse(header.kind, body, format)?;
                let map = self.maps.get(&rows.table);
                let counted = map.filter(|_| is_whole).and_then(|map| count(header.kind, body, format, map));
                let counts =
                    map.and_then(|map| self.group.tables.get_mut(&(map.database.clone(), map.table.clone())));
                if let Some(counts) = counts {
                    let kept = match rows.kind {
                        RowsKind::Insert => &mut counts.inserted,
                        RowsKind::Update => &mut counts.updated,
                        RowsKind::Delete => &mut counts.deleted,
                    };
                    *kept += counted.unwrap_or(1);
                    counts.at_least |= counted.is_none();
                }
                if rows.ends_statement {
                    self.maps.clear();
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn statement(&mut self, database: Option<String>, text: &[u8], is_executed: bool) {
        self.group.statement_count += 1;
        if self.group.statements.len() < MOST_STATEMENTS {
            let text = text[..text.len().min(LONGEST_STATEMENT)].to_vec();
            self.group.statements.push(Statement { database, text, is_executed });
        }
    }

    /// Whether the event ends the group.
    fn ends(
        &self,
        header: &EventHeader,
        event: &[u8],
        parsed: &Event,
        format: &FormatDescription,
    ) -> Result<bool, Malformed> {
        if let Some(size) = self.head.group_size {
            if self.group.size > size {
                return Err(Malformed("a group that is longer than it says"));
            }
            return Ok(self.group.size == size);
        }
        let is_mysql = !format.is_mariadb();
        Ok(match parsed {
            Event::Xid | Event::XaPrepare { .. } => true,
            Event::Query(query) if query.ends_transaction() => true,
            // A statement by itself.
            _ if self.head.is_standalone || is_mysql && !self.in_transaction => {
                let goes_on =
                    match header.kind.rows() {
                        None if let Event::Omitted { kind, ends_statement } = parsed => {
                            if kind.rows().is_some() { !ends_statement } else { kind.goes_before() }
                        }
                        Some(_) => {
                            !RowsEvent::parse(
                                header.kind,
                                event.get(crate::HEADER_SIZE..).unwrap_or_default(),
                                format,
                            )?
                            .ends_statement
                        }
                        None => header.kind.goes_before(),
                    };
                !goes_on && !matches!(parsed, Event::Query(query) if query.begins_transaction())
            }
            _ => false,
        })
    }

    fn closed(self, last: &Event) -> Group {
        let mut group = self.group;
        let completed = group.statements.first().and_then(|statement| completed_xa(&statement.text));
        let prepared = match (&self.head.xa, last) {
            (Some((XaStep::Prepared, name)), _) | (None, Event::XaPrepare { name, one_phase: false }) => {
                Some(name)
            }
            _ => None,
        };
        let completed = completed.or_else(|| match &self.head.xa {
            // Whether it was committed is not known then; nobody who follows the log asks.
            Some((XaStep::Completed, name)) => Some((name.clone(), false)),
            _ => None,
        });
        group.kind = if let Some(name) = prepared {
            GroupKind::XaPrepared(name.clone())
        } else if let Some((name, is_committed)) = completed {
            GroupKind::XaCompleted { name, is_committed }
        } else if self.head.is_standalone || !self.in_transaction && self.head.group_size.is_some() {
            GroupKind::Standalone
        } else {
            GroupKind::Transaction
        };
        group
    }
}

/// The name of the XA transaction that a statement completes, as the servers write it: `XA COMMIT X'6162',X'',1`. And whether it
/// commits.
fn completed_xa(text: &[u8]) -> Option<(Vec<u8>, bool)> {
    let text = std::str::from_utf8(text).ok()?;
    let (rest, is_committed) = match (text.strip_prefix("XA COMMIT "), text.strip_prefix("XA ROLLBACK ")) {
        (Some(rest), _) => (rest, true),
        (_, Some(rest)) => (rest, false),
        _ => return None,
    };
    let mut parts = rest.trim().split(',').map(str::trim);
    let mut hexadecimal = || -> Option<Vec<u8>> {
        let digits = parts.next()?.strip_prefix("X'").or(None)?.strip_suffix('\'')?;
        (0..digits.len() / 2).map(|at| u8::from_str_radix(digits.get(2 * at..2 * at + 2)?, 16).ok()).collect()
    };
    let (gtrid, bqual) = (hexadecimal()?, hexadecimal()?);
    let format = parts.next()?.split_whitespace().next()?.parse().ok()?;
    Some((name_of_xa(format, gtrid.len(), &[gtrid.clone(), bqual].concat()), is_committed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xa_transactions_are_completed_by_name() {
        let name = name_of_xa(1, 2, b"abc");
        assert_eq!(completed_xa(b"XA COMMIT X'6162',X'63',1"), Some((name.clone(), true)));
        assert_eq!(completed_xa(b"XA ROLLBACK X'6162',X'63',1"), Some((name, false)));
        for other in ["XA COMMIT", "COMMIT", "XA COMMIT X'61", "XA COMMIT 'a','',1"] {
            assert_eq!(completed_xa(other.as_bytes()), None, "{other}");
        }
    }
}
