//! Table maps, how many rows an event changes, and which numbers it gives them.

use std::collections::BTreeMap;
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
    walk(kind, body, format, map, &mut |_, _, _| ()).ok()
}

/// The largest of the whole numbers that rows of a table are given, by the place of their column, from 0.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Numbers {
    /// How many columns the table has.
    pub columns: usize,
    /// The largest of each column of whole numbers.
    pub largest: BTreeMap<usize, Largest>,
}

/// The largest of the numbers of a column. Only the table's definition says which of the two it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Largest {
    /// Bytes of each.
    pub width: usize,
    /// Where they have a sign.
    pub signed: i64,
    /// Where they have none.
    pub unsigned: u64,
}

impl Largest {
    /// One number, of its bytes.
    fn of(bytes: &[u8]) -> Option<Self> {
        let unsigned = Fields::new(bytes).number(bytes.len()).ok()?;
        let unused =
            64_u32.checked_sub(8 * u32::try_from(bytes.len()).ok()?).filter(|unused| *unused < 64)?;
        let signed = (unsigned << unused).cast_signed() >> unused;
        Some(Self { width: bytes.len(), signed, unsigned })
    }

    /// The larger ones of both.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self {
            width: other.width,
            signed: self.signed.max(other.signed),
            unsigned: self.unsigned.max(other.unsigned),
        }
    }
}

/// The numbers that an event gives rows which it inserts or updates. Of an event whose beginning alone is there, those of the
/// beginning.
pub(crate) fn numbers(kind: EventKind, body: &[u8], format: &FormatDescription, map: &TableMap) -> Numbers {
    let mut numbers = Numbers { columns: map.columns.len(), ..Numbers::default() };
    // What cannot be read ends it.
    let _ended: Result<u64, Malformed> = walk(kind, body, format, map, &mut |is_new, place, value| {
        let is_number = matches!(map.columns[place], Column::Number(_));
        if let Some(one) = Largest::of(value).filter(|_| is_new && is_number) {
            numbers.largest.entry(place).and_modify(|largest| *largest = largest.max(one)).or_insert(one);
        }
    });
    numbers
}

/// Takes each value of an event's rows: whether it is one that the row has from then on, the place of its column, and its bytes.
type See<'a> = &'a mut dyn FnMut(bool, usize, &[u8]);

/// Goes through an event's rows; says how many there are.
fn walk(
    kind: EventKind,
    body: &[u8],
    format: &FormatDescription,
    map: &TableMap,
    see: See<'_>,
) -> Result<u64, Malformed> {
    // What of a value is changed has no size of its own here.
    if kind == EventKind::PARTIAL_UPDATE_ROWS {
        return Err(Malformed("rows that are written in part"));
    }
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
    let is_new: &[bool] = match rows {
        RowsKind::Insert => &[true],
        RowsKind::Update => &[false, true],
        RowsKind::Delete => &[false],
    };
    let present: Vec<Image<'_>> = is_new
        .iter()
        .map(|is_new| {
            let bits = fields.bytes(width.div_ceil(8))?;
            let columns = map.columns.iter().enumerate();
            let columns = columns.filter(|(at, _)| bits[at / 8] >> (at % 8) & 1 == 1).collect();
            Ok(Image { is_new: *is_new, columns })
        })
        .collect::<Result<_, Malformed>>()?;
    if is_compressed {
        let mut plain = Vec::new();
        let read = inflated(fields.rest())?.take(MOST_PLAIN + 1).read_to_end(&mut plain);
        if read.is_err() || plain.len() as u64 > MOST_PLAIN {
            return Err(Malformed("compressed rows that are too long"));
        }
        return images_of(Fields::new(&plain), &present, see);
    }
    images_of(fields, &present, see)
}

/// One of a row's images: before the change, or after it.
struct Image<'a> {
    is_new: bool,
    /// The columns that it has, with their places.
    columns: Vec<(usize, &'a Column)>,
}

fn images_of(mut fields: Fields<'_>, present: &[Image<'_>], see: See<'_>) -> Result<u64, Malformed> {
    let mut count = 0;
    while !fields.is_empty() {
        let before = fields.rest().len();
        for Image { is_new, columns } in present {
            let nulls = fields.bytes(columns.len().div_ceil(8))?;
            for (at, (place, column)) in columns.iter().enumerate() {
                if nulls[at / 8] >> (at % 8) & 1 == 0 {
                    see(*is_new, *place, column.value(&mut fields)?);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_with_and_without_a_sign() {
        let of = |bytes: &[u8]| Largest::of(bytes).map(|one| (one.signed, one.unsigned));
        assert_eq!(of(&[0xFF]), Some((-1, 255)));
        assert_eq!(of(&[0x00, 0x00, 0x80]), Some((-0x80_0000, 0x80_0000)));
        assert_eq!(of(&7_u64.to_le_bytes()), Some((7, 7)));
        assert_eq!(of(&u64::MAX.to_le_bytes()), Some((-1, u64::MAX)));
        assert_eq!(of(&[]), None);
    }
}
