//! Table maps, and how many rows an event changes.

use std::io::Read;

use crate::columns::{Column, columns};
use crate::fields::{Fields, Malformed};
use crate::format::FormatDescription;
use crate::header::{EventKind, RowsKind};
use crate::query::inflated;

/// The most columns of a table.
const MOST_COLUMNS: usize = 1 << 16;
/// The most bytes of compressed rows that are made plain to be counted.
const MOST_PLAIN: u64 = 64 << 20;

/// Which table a number stands for, until the statement ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TableMap {
    pub(crate) id: u64,
    pub(crate) database: String,
    pub(crate) table: String,
    columns: Vec<Column>,
}

impl TableMap {
    /// Reads one; `body` is the event's.
    pub(crate) fn parse(body: &[u8], format: &FormatDescription) -> Result<Self, Malformed> {
        let mut fields = Fields::new(body);
        let id = table_id(&mut fields, format.table_map)?;
        fields.u16()?;
        let name = |fields: &mut Fields<'_>| -> Result<String, Malformed> {
            let size = fields.size()?;
            let name = String::from_utf8_lossy(fields.bytes(size)?).into_owned();
            fields.u8()?;
            Ok(name)
        };
        let (database, table) = (name(&mut fields)?, name(&mut fields)?);
        let count = fields.size()?;
        if count > MOST_COLUMNS {
            return Err(Malformed("a table of too many columns"));
        }
        let types = fields.bytes(count)?;
        let metadata = fields.size()?;
        let columns = columns(types, fields.bytes(metadata)?)?;
        Ok(Self { id, database, table, columns })
    }
}

fn table_id(fields: &mut Fields<'_>, fixed: usize) -> Result<u64, Malformed> {
    fields.number(if fixed == 6 { 4 } else { 6 })
}

/// What a row event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RowsEvent {
    pub(crate) table: u64,
    pub(crate) kind: RowsKind,
    /// Whether it ends its statement.
    pub(crate) ends_statement: bool,
}

/// Set in the last row event of a statement.
const STATEMENT_END: u16 = 0x1;

impl RowsEvent {
    /// Reads its beginning; `body` is the event's, or its beginning.
    pub(crate) fn parse(kind: EventKind, body: &[u8], format: &FormatDescription) -> Result<Self, Malformed> {
        let (rows, is_second, _) = kind.rows().ok_or(Malformed("no rows where rows must be"))?;
        let mut fields = Fields::new(body);
        let table = table_id(&mut fields, if is_second { 8 } else { format.rows })?;
        Ok(Self { table, kind: rows, ends_statement: fields.u16()? & STATEMENT_END != 0 })
    }
}

/// How many rows a whole event changes; none where that cannot be told.
pub(crate) fn count(kind: EventKind, body: &[u8], format: &FormatDescription, map: &TableMap) -> Option<u64> {
    // What of a value is changed has no size of its own here.
    if kind == EventKind::PARTIAL_UPDATE_ROWS {
        return None;
    }
    counted(kind, body, format, map).ok()
}

fn counted(
    kind: EventKind,
    body: &[u8],
    format: &FormatDescription,
    map: &TableMap,
) -> Result<u64, Malformed> {
    let (rows, is_second, is_compressed) = kind.rows().ok_or(Malformed("no rows"))?;
    let mut fields = Fields::new(body);
    table_id(&mut fields, if is_second { 8 } else { format.rows })?;
    fields.u16()?;
    if is_second {
        // The length of what is said beside counts itself.
        let more = usize::from(fields.u16()?).checked_sub(2).ok_or(Malformed("a length that is none"))?;
        fields.bytes(more)?;
    }
    let width = fields.size()?;
    if width != map.columns.len() {
        return Err(Malformed("rows of another number of columns than their table"));
    }
    let images = if rows == RowsKind::Update { 2 } else { 1 };
    let present: Vec<Vec<&Column>> = (0..images)
        .map(|_| {
            let bits = fields.bytes(width.div_ceil(8))?;
            let columns = map.columns.iter().enumerate();
            Ok(columns
                .filter(|(at, _)| bits[at / 8] >> (at % 8) & 1 == 1)
                .map(|(_, column)| column)
                .collect())
        })
        .collect::<Result<_, Malformed>>()?;
    if is_compressed {
        let mut plain = Vec::new();
        let read = inflated(fields.rest())?.take(MOST_PLAIN + 1).read_to_end(&mut plain);
        if read.is_err() || plain.len() as u64 > MOST_PLAIN {
            return Err(Malformed("compressed rows that are too long"));
        }
        return images_of(Fields::new(&plain), &present);
    }
    images_of(fields, &present)
}

fn images_of(mut fields: Fields<'_>, present: &[Vec<&Column>]) -> Result<u64, Malformed> {
    let mut count = 0;
    while !fields.is_empty() {
        let before = fields.rest().len();
        for columns in present {
            let nulls = fields.bytes(columns.len().div_ceil(8))?;
            for (at, column) in columns.iter().enumerate() {
                if nulls[at / 8] >> (at % 8) & 1 == 0 {
                    column.skip(&mut fields)?;
                }
            }
        }
        // A table without columns in the image would go on for ever.
        if fields.rest().len() == before {
            return Err(Malformed("rows without bytes"));
        }
        count += 1;
    }
    Ok(count)
}
