//! What a scan tells: events as it goes, statements as they end, and what the whole stream was.

use super::comments::Origin;
use super::head::Head;
use super::sql_mode::SqlMode;
use crate::error::Result;
use crate::manifest::Section;

/// Something that whoever cuts the stream acts on. Offsets are absolute, in bytes of SQL, and never decrease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// Between two statements, something else begins: another section, or rows after definitions, or definitions
    /// after rows.
    Segment {
        /// Where.
        at: u64,
        /// The section's index.
        section: usize,
        /// Whether `INSERT` statements follow.
        data: bool,
        /// Rows that ended before.
        rows: u64,
    },
    /// A statement has ended.
    StatementEnd {
        /// The offset after it and its line break.
        at: u64,
        /// Rows that ended before.
        rows: u64,
    },
}

/// A statement that has ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Statement<'a> {
    /// Its text; the first [`TEXT_KEPT`](super::scanner::TEXT_KEPT) bytes where it is longer. Of an `INSERT`, what
    /// stands before the rows.
    pub(crate) text: &'a [u8],
    /// Whether `text` lacks something, an `INSERT`'s rows not counted.
    pub(crate) truncated: bool,
    /// Where it begins in the SQL, in bytes.
    pub(crate) offset: u64,
    /// Where its delimiter stands.
    pub(crate) end: u64,
    /// What follows its delimiter begins here; the line break after it is left out.
    pub(crate) next: u64,
    /// What it does, with all executable comments opened.
    pub(crate) head: &'a Head,
    /// The `sql_mode` it was read under, as it bears on quotes.
    pub(crate) mode: SqlMode,
    /// Something that no dump contains, found while splitting.
    pub(crate) irregular: Option<&'static str>,
}

impl<'a> Statement<'a> {
    /// The same statement in other words.
    pub(crate) fn with_text<'b>(&self, text: &'b [u8]) -> Statement<'b>
    where
        'a: 'b,
    {
        Statement { text, ..*self }
    }
}

/// Told of every statement once it has ended.
pub(crate) type Observer<'o> = dyn FnMut(&Statement<'_>) -> Result<()> + 'o;

/// An observer for those who only count.
#[allow(clippy::unnecessary_wraps, reason = "an observer may fail")]
pub(crate) fn unobserved(_: &Statement<'_>) -> Result<()> {
    Ok(())
}

/// What the whole stream was.
#[derive(Debug)]
pub(crate) struct Summary {
    /// The sections, in order and without gaps.
    pub(crate) sections: Vec<Section>,
    /// Bytes in all.
    pub(crate) raw_size: u64,
    /// The longest statement, in bytes.
    pub(crate) largest_statement: u64,
    /// Why the dump cannot be complete; none where it is.
    pub(crate) incomplete: Option<&'static str>,
    /// Whether its last line is `-- Dump completed`, rather than the statement before it, which is all that a dump made
    /// with `--skip-comments` has.
    pub(crate) says_completed: bool,
    /// What the header's comments say.
    pub(crate) origin: Origin,
}
