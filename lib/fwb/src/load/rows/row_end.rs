//! Rows of a system-versioned table that hold now, from a server that marks them otherwise: the end of a row that still holds
//! is the last moment of TIMESTAMP, and to a server where that is another one the row would be history, or no row at all.

use crate::admission::TimeColumns;
use crate::scan::Values;
use crate::server::LastTimestamp;

/// Converts the rows of one table as they pass.
pub(super) struct RowEnds {
    values: Values,
    column: String,
    from: &'static [u8],
    to: &'static [u8],
}

impl RowEnds {
    /// For a table with these columns, and a server with this last moment; none where there is nothing to convert.
    pub(super) fn new(columns: &TimeColumns, here: LastTimestamp) -> Option<Self> {
        let column = columns.row_end.clone().filter(|_| columns.has_ends)?;
        let values = Values::new(columns.all.clone());
        let literal = |moment: LastTimestamp| moment.end_of_current_rows().as_bytes();
        Some(Self { values, column, from: literal(here.other()), to: literal(here) })
    }

    /// Takes the next piece, and returns what is done with.
    pub(super) fn push(&mut self, piece: Vec<u8>) -> Vec<u8> {
        let Self { values, column, from, to } = self;
        values.push(piece, &mut |name, value| {
            if value == *from && name.eq_ignore_ascii_case(column) {
                value.copy_from_slice(to);
            }
        })
    }

    /// What still waits, at the end of a run of pieces.
    pub(super) fn flush(&mut self) -> Vec<u8> {
        self.values.flush()
    }
}
