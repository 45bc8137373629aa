//! Where the members of an artifact lie, held against what its manifest and its members' headers say.

use std::collections::HashMap;

use crate::artifact::DataHeader;
use crate::manifest::Section;

/// Where members begin, by their offset in the SQL: their offset in the artifact, and the rows before them.
#[derive(Default)]
pub(super) struct Places {
    offsets: HashMap<u64, (u64, u64)>,
    raw: u64,
    rows: u64,
    /// Of each member that does not begin inside a statement: its offset in the SQL, and whether it says that it
    /// holds rows.
    data: Vec<(u64, bool)>,
}

impl Places {
    pub(super) fn add(&mut self, offset: u64, header: &DataHeader) {
        self.offsets.insert(self.raw, (offset, self.rows));
        if !header.has(DataHeader::CONTINUES) {
            self.data.push((self.raw, header.has(DataHeader::DATA)));
        }
        self.raw += header.raw_size;
        self.rows += header.rows;
    }

    pub(super) fn end(&mut self, offset: u64) {
        self.offsets.entry(self.raw).or_insert((offset, self.rows));
    }

    /// Whether members say that they hold rows where the scanner has found rows, and only there.
    pub(super) fn tell_rows_from_definitions(&self, segments: &[(u64, bool)]) -> bool {
        let mut ahead = segments.iter().peekable();
        let mut data = false;
        self.data.iter().all(|(at, says)| {
            while let Some((_, follows)) = ahead.next_if(|(from, _)| from <= at) {
                data = *follows;
            }
            data == *says
        })
    }

    /// Whether a section's members lie where the manifest says and have its rows.
    pub(super) fn holds(&self, section: &Section) -> bool {
        let at = |raw| self.offsets.get(&raw).copied();
        let Some(((from, rows_from), (to, rows_to))) =
            at(section.raw_offset).zip(at(section.raw_offset.saturating_add(section.raw_size)))
        else {
            return false;
        };
        let same_place = section.offset == Some(from) && section.size == to.checked_sub(from);
        same_place && rows_to.checked_sub(rows_from) == Some(section.rows.unwrap_or_default())
    }
}
