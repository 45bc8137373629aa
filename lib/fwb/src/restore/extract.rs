//! The SQL of a backup, or of some of its tables, as a stream: no server is needed.

use std::io::Write;

use crate::error::{Error, Result};
use crate::load::{OpenBackup, Part};
use crate::progress::Context;
use crate::store::Store;

/// Writes the SQL of the chosen tables, or of all, to `out`. It is proved before the first byte is written; of
/// chosen tables in an artifact of ours, nothing but their members and the session settings are read.
///
/// # Errors
/// The backup is missing or damaged, lacks a chosen table, or `out` cannot be written: that failure is named
/// `write`, as the caller names it.
pub fn extract(
    store: &Store,
    name: &str,
    tables: &[String],
    out: &mut impl Write,
    write: &'static str,
    context: &Context,
) -> Result<()> {
    let input = OpenBackup::open(store, name, tables, context)?;
    context.progress.begin(format!("writing {name}"), input.raw_size());
    let failed = |source| Error::Stream { action: write, source };
    input.for_each_piece(Part::Whole, context, &mut |piece, _| {
        context.progress.advance(piece.raw.len() as u64);
        out.write_all(&piece.raw).map_err(failed)
    })?;
    out.flush().map_err(failed)
}
