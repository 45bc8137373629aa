//! Converts the end of current rows of system-versioned tables. A current row ends with the last moment of TIMESTAMP, which is in
//! 2038 on servers before MariaDB 11.5 and in 2106 after; elsewhere it would be history, or no row at all.

use crate::admission::TimeColumns;
use crate::scan::{QuoteMode, Values};
use crate::server::LastTimestamp;

/// Converts the rows of one table as they pass.
pub(super) struct RowEnds {
    values: Values,
    column: String,
    from: &'static [u8],
    to: &'static [u8],
}

impl RowEnds {
    /// For a table with these columns, rows under this mode, and a server with this last moment; none where there is nothing to
    /// convert.
    pub(super) fn new(columns: &TimeColumns, mode: QuoteMode, here: LastTimestamp) -> Option<Self> {
        let column = columns.row_end.clone().filter(|_| columns.has_ends)?;
        let values = Values::new(columns.all.clone(), mode);
        let literal = |moment: LastTimestamp| moment.end_of_current_rows().as_bytes();
        Some(Self { values, column, from: literal(here.other()), to: literal(here) })
    }

    /// Takes the next piece, and returns what is done with; none where the rows cannot be told apart.
    pub(super) fn push(&mut self, piece: Vec<u8>) -> Option<Vec<u8>> {
        let Self { values, column, from, to } = self;
        let done = values.push(piece, &mut |name, value| {
            if value == *from && name.eq_ignore_ascii_case(column) {
                value.copy_from_slice(to);
            }
        });
        (!values.is_lost()).then_some(done)
    }

    /// What still waits, at the end of a run of pieces.
    pub(super) fn flush(&mut self) -> Vec<u8> {
        self.values.flush()
    }
}
