//! What a dump is as a whole: its sections, with their places in the artifact.

use crate::artifact::{Extent, Placed};
use crate::manifest::{Binlog, Section};
use crate::scan::Summary;

/// A whole dump.
pub(super) struct Whole {
    pub(super) sections: Vec<Section>,
    pub(super) raw_size: u64,
    pub(super) largest_statement: u64,
    pub(super) binlog: Option<Binlog>,
}

impl Whole {
    /// Tells of each section where its members lie.
    pub(super) fn new(summary: Summary, placed: &[Placed]) -> Self {
        let mut placed = placed.iter().peekable();
        let (mut raw_size, mut end) = (0, 0);
        let mut sections = Vec::new();
        for (index, section) in summary.sections.into_iter().enumerate() {
            let members = placed.next_if(|placed| placed.section == index).map(|placed| placed.extent);
            // A section without a byte lies where the next one begins.
            let extent = members.unwrap_or(Extent { offset: end, ..Extent::default() });
            end = extent.offset + extent.size;
            sections.push(Section {
                offset: Some(extent.offset),
                size: Some(extent.size),
                raw_offset: raw_size,
                crc32: Some(extent.crc32.to_hex()),
                ..section
            });
            raw_size += sections.last().map_or(0, |section| section.raw_size);
        }
        let largest_statement = summary.largest_statement;
        Self { sections, raw_size, largest_statement, binlog: summary.origin.binlog }
    }
}
