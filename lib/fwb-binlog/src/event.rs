//! The contents of events.

use crate::fields::{Fields, Malformed};
use crate::format::FormatDescription;
use crate::gtid::{Gtid, GtidPosition};
use crate::header::{EventHeader, EventKind, HEADER_SIZE};
use crate::omission::omitted;
use crate::query::Query;

/// What an event says, as far as somebody asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A group begins.
    Gtid(GtidEvent),
    /// Where the server was when the file began.
    Position(GtidPosition),
    /// The file ends, or the events that follow are of this one.
    Rotate(Rotation),
    /// A statement.
    Query(Query),
    /// The number that the statement which follows gives the first row that takes one (`INSERT_ID`).
    InsertId(u64),
    /// The statement whose rows follow.
    Annotation(Vec<u8>),
    /// A transaction ends.
    Xid,
    /// A transaction that others may end ends.
    XaPrepare {
        /// Its name.
        name: Vec<u8>,
        /// Whether it is committed with it.
        one_phase: bool,
    },
    /// The server has lost something.
    Incident,
    /// What stands in the place of an event that was left out ([`crate::Omission`]).
    Omitted {
        /// The kind of what was there.
        kind: EventKind,
        /// Whether that ended a statement, where it was one of rows.
        ends_statement: bool,
    },
    /// Anything else.
    Other,
}

/// The event that begins a group.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GtidEvent {
    /// Its GTID; none where MySQL gives none (`gtid_mode=OFF`).
    pub gtid: Option<Gtid>,
    /// Whether the group is one statement that no end of a transaction follows. MySQL does not say it.
    pub is_standalone: bool,
    /// Whether it changes definitions. MySQL does not say it.
    pub is_ddl: bool,
    /// Which step of an XA transaction it is, and of which. MySQL does not say it.
    pub xa: Option<(XaStep, Vec<u8>)>,
    /// Bytes of the whole group, this event included; MySQL alone says it.
    pub group_size: Option<u64>,
    /// When it was committed, in microseconds since 1970; MySQL alone says it.
    pub committed: Option<u64>,
}

/// A step of an XA transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum XaStep {
    /// It was prepared.
    Prepared,
    /// It was committed or rolled back.
    Completed,
}

/// The next file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotation {
    /// Its name.
    pub file: String,
    /// Where in it the next event begins.
    pub position: u64,
}

// Flags of MariaDB's GTID event.
const STANDALONE: u8 = 1;
const GROUP_COMMIT_ID: u8 = 2;
const DDL: u8 = 32;
const PREPARED_XA: u8 = 64;
const COMPLETED_XA: u8 = 128;

impl Event {
    /// Reads an event. `event` holds the whole event, or no more than the beginning of one that is long: statements end with it
    /// then.
    ///
    /// # Errors
    /// What is there is no such event.
    pub fn parse(header: &EventHeader, event: &[u8], format: &FormatDescription) -> Result<Self, Malformed> {
        let is_whole = event.len() == header.size as usize;
        let body = if is_whole { format.body(event)? } else { event.get(HEADER_SIZE..).unwrap_or_default() };
        Ok(match header.kind {
            EventKind::GTID => Self::Gtid(of_mariadb(header, body)?),
            EventKind::GTID_OF_MYSQL | EventKind::ANONYMOUS_GTID => Self::Gtid(of_mysql(header.kind, body)?),
            EventKind::TAGGED_GTID => return Err(Malformed("GTIDs with tags, which are not supported")),
            EventKind::GTID_LIST => Self::Position(GtidPosition::of_list(body)?),
            EventKind::PREVIOUS_GTIDS => Self::Position(GtidPosition::of_previous(body)?),
            EventKind::ROTATE => {
                let mut fields = Fields::new(body);
                let position = fields.u64()?;
                let file = String::from_utf8(fields.rest().to_vec())
                    .map_err(|_| Malformed("the name of a file that is none"))?;
                Self::Rotate(Rotation { file, position })
            }
            EventKind::QUERY => Self::Query(Query::parse(body, false)?),
            EventKind::QUERY_COMPRESSED => Self::Query(Query::parse(body, true)?),
            EventKind::EXECUTE_LOAD_QUERY => Self::Query(Query::of_load(body)?),
            EventKind::INTVAR => {
                // The other kind is what LAST_INSERT_ID() gives.
                const INSERT_ID: u8 = 2;
                let mut fields = Fields::new(body);
                if fields.u8()? == INSERT_ID { Self::InsertId(fields.u64()?) } else { Self::Other }
            }
            EventKind::ANNOTATE_ROWS => Self::Annotation(body.to_vec()),
            // A length of one byte, which does not say more than that.
            EventKind::ROWS_QUERY => Self::Annotation(body.get(1..).unwrap_or_default().to_vec()),
            EventKind::XID => Self::Xid,
            EventKind::XA_PREPARE => {
                let mut fields = Fields::new(body);
                let one_phase = fields.u8()? != 0;
                let format = fields.u32()?;
                let (gtrid, bqual) = (fields.u32()?, fields.u32()?);
                let name = xa_name(&mut fields, format, gtrid, bqual)?;
                Self::XaPrepare { name, one_phase }
            }
            EventKind::INCIDENT => Self::Incident,
            EventKind::IGNORABLE => match omitted(header, body) {
                Some((kind, ends_statement)) => Self::Omitted { kind, ends_statement },
                None => Self::Other,
            },
            _ => Self::Other,
        })
    }
}

fn of_mariadb(header: &EventHeader, body: &[u8]) -> Result<GtidEvent, Malformed> {
    let mut fields = Fields::new(body);
    let (sequence, domain, flags) = (fields.u64()?, fields.u32()?, fields.u8()?);
    if flags & GROUP_COMMIT_ID != 0 {
        fields.u64()?;
    }
    let step = match flags {
        flags if flags & PREPARED_XA != 0 => Some(XaStep::Prepared),
        flags if flags & COMPLETED_XA != 0 => Some(XaStep::Completed),
        _ => None,
    };
    let xa = match step {
        Some(step) => {
            let format = fields.u32()?;
            let (gtrid, bqual) = (fields.u8()?, fields.u8()?);
            Some((step, xa_name(&mut fields, format, gtrid.into(), bqual.into())?))
        }
        None => None,
    };
    Ok(GtidEvent {
        gtid: Some(Gtid::MariaDb { domain, server: header.server_id, sequence }),
        is_standalone: flags & STANDALONE != 0,
        is_ddl: flags & DDL != 0,
        xa,
        ..GtidEvent::default()
    })
}

/// The name of an XA transaction: its format, the length of its first part, and both parts. The servers allow 64 bytes each.
fn xa_name(fields: &mut Fields<'_>, format: u32, gtrid: u32, bqual: u32) -> Result<Vec<u8>, Malformed> {
    if gtrid > 64 || bqual > 64 {
        return Err(Malformed("an XA transaction whose name is too long"));
    }
    let parts = fields.bytes(gtrid as usize + bqual as usize)?;
    Ok(name_of_xa(format, gtrid as usize, parts))
}

/// The name of an XA transaction, from its parts.
pub(crate) fn name_of_xa(format: u32, gtrid: usize, parts: &[u8]) -> Vec<u8> {
    let mut name = format.to_le_bytes().to_vec();
    name.push(u8::try_from(gtrid).unwrap_or(u8::MAX));
    name.extend_from_slice(parts);
    name
}

/// Set in the time of a commit where that on the first server follows.
const MORE: u64 = 1 << 55;

fn of_mysql(kind: EventKind, body: &[u8]) -> Result<GtidEvent, Malformed> {
    let mut fields = Fields::new(body);
    fields.u8()?;
    let (source, number) = (fields.array()?, fields.u64()?);
    let mut event = GtidEvent {
        gtid: (kind == EventKind::GTID_OF_MYSQL).then_some(Gtid::MySql { source, number }),
        ..GtidEvent::default()
    };
    // Logical clock, of kind 2; what follows came with MySQL 8.0.
    if fields.is_empty() || fields.u8()? != 2 {
        return Ok(event);
    }
    fields.bytes(16)?;
    if fields.is_empty() {
        return Ok(event);
    }
    let committed = fields.number(7)?;
    if committed & MORE != 0 {
        fields.number(7)?;
    }
    event.committed = Some(committed & !MORE);
    event.group_size = Some(fields.lenenc()?).filter(|size| *size > 0);
    Ok(event)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_of_mariadb_says_what_it_is() {
        let header =
            EventHeader { timestamp: 0, kind: EventKind::GTID, server_id: 7, size: 0, end: 0, flags: 0 };
        let mut body = 42_u64.to_le_bytes().to_vec();
        body.extend(3_u32.to_le_bytes());
        body.push(STANDALONE | GROUP_COMMIT_ID | COMPLETED_XA);
        body.extend(9_u64.to_le_bytes());
        body.extend(1_u32.to_le_bytes());
        body.extend([2, 1, b'a', b'b', b'c']);
        let event = of_mariadb(&header, &body).unwrap();
        assert_eq!(event.gtid.map(|gtid| gtid.to_string()).as_deref(), Some("3-7-42"));
        assert!(event.is_standalone && !event.is_ddl);
        assert_eq!(event.xa, Some((XaStep::Completed, vec![1, 0, 0, 0, 2, b'a', b'b', b'c'])));
        assert!(of_mariadb(&header, &body[..body.len() - 1]).is_err());
    }
}
