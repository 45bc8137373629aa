//! Where the members of an artifact lie, held against what its manifest and its members' headers say.
//!
//! What is kept depends on the sections that the manifest has, and not on how many members a file is made of.

use std::collections::VecDeque;

use crate::artifact::{Crc32, DataHeader, Member};
use crate::manifest::Section;

/// Where a member begins.
#[derive(Clone, Copy)]
struct MemberStart {
    /// In the artifact, in bytes.
    offset: u64,
    /// Rows before it.
    rows: u64,
    /// Of the SQL before it.
    crc32: Crc32,
}

/// Where members begin that sections begin or end with.
pub(super) struct MemberStarts {
    /// Where sections begin and end, in bytes of SQL, in ascending order; of each, the offset of the member there in the
    /// artifact, and what comes before it.
    boundaries: Vec<(u64, Option<MemberStart>)>,
    /// How many boundaries lie before the next member.
    passed: usize,
    /// Where the next member begins in the SQL, in bytes.
    raw: u64,
    rows: u64,
    crc32: Crc32,
    /// Of each member that does not begin inside a statement and was not judged yet: its offset in the SQL, and whether
    /// it says that it holds rows.
    members: VecDeque<(u64, bool)>,
    /// Where rows and definitions begin, as far as no member was judged by it yet.
    segments: VecDeque<(u64, bool)>,
    /// Whether rows are what the scanner has found at the member that was judged last.
    data: bool,
    /// Whether a member said something else.
    mistold: bool,
}

impl MemberStarts {
    pub(super) fn new(sections: &[Section]) -> Self {
        let ends =
            |section: &Section| [section.raw_offset, section.raw_offset.saturating_add(section.raw_size)];
        let mut boundaries: Vec<_> = sections.iter().flat_map(ends).collect();
        boundaries.sort_unstable();
        boundaries.dedup();
        Self {
            boundaries: boundaries.into_iter().map(|at| (at, None)).collect(),
            passed: 0,
            raw: 0,
            rows: 0,
            crc32: Crc32::default(),
            members: VecDeque::new(),
            segments: VecDeque::new(),
            data: false,
            mistold: false,
        }
    }

    pub(super) fn add(&mut self, member: &Member, crc32: Crc32) {
        let Member { offset, header } = member;
        self.begin(*offset);
        if !header.has(DataHeader::CONTINUES) {
            self.members.push_back((self.raw, header.has(DataHeader::DATA)));
        }
        self.raw += header.raw_size;
        self.rows += header.rows;
        self.crc32.append(crc32);
    }

    pub(super) fn end(&mut self, offset: u64) {
        let begun =
            self.boundaries.get(self.passed).is_some_and(|(at, place)| *at == self.raw && place.is_some());
        if !begun {
            self.begin(offset);
        }
    }

    /// A member begins here, or the footer.
    fn begin(&mut self, offset: u64) {
        let Self { raw, rows, crc32, .. } = *self;
        self.passed += self.boundaries[self.passed..].partition_point(|(at, _)| *at < raw);
        if let Some((_, place)) = self.boundaries.get_mut(self.passed).filter(|(at, _)| *at == raw) {
            *place = Some(MemberStart { offset, rows, crc32 });
        }
    }

    /// Takes what the scanner has found, of which no more will begin before `settled`.
    pub(super) fn judge(&mut self, (segments, settled): (Vec<(u64, bool)>, u64)) {
        self.segments.extend(segments);
        while let Some(&(at, says)) = self.members.front().filter(|(at, _)| *at < settled) {
            while let Some(&(_, follows)) = self.segments.front().filter(|(from, _)| *from <= at) {
                self.data = follows;
                self.segments.pop_front();
            }
            self.mistold |= self.data != says;
            self.members.pop_front();
        }
        // Of the segments that begin before the next member, only the latest counts.
        let next = self.members.front().map_or(settled, |(at, _)| *at);
        while self.segments.get(1).is_some_and(|(from, _)| *from <= next) {
            self.segments.pop_front();
        }
    }

    /// Whether members say that they hold rows where the scanner has found rows, and only there.
    pub(super) fn tell_rows_from_definitions(&self) -> bool {
        !self.mistold && self.members.is_empty()
    }

    /// Whether a section's members lie where the manifest says, have its rows and hold its SQL.
    pub(super) fn holds(&self, section: &Section) -> bool {
        let at = |raw| {
            let found = self.boundaries.binary_search_by_key(&raw, |(at, _)| *at).ok()?;
            self.boundaries.get(found)?.1
        };
        let Some((from, to)) =
            at(section.raw_offset).zip(at(section.raw_offset.saturating_add(section.raw_size)))
        else {
            return false;
        };
        let same_place =
            section.offset == Some(from.offset) && section.size == to.offset.checked_sub(from.offset);
        let same_rows = to.rows.checked_sub(from.rows) == Some(section.rows.unwrap_or_default());
        same_place && same_rows && section.is_of(to.crc32.after(from.crc32))
    }
}
