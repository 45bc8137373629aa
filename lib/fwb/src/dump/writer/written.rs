//! What was written, so that whoever reads the SQL back knows what must be there.

use super::unsound::LeftOutProgram;
use crate::manifest::{Object, Section, SectionKind};

/// A section as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Written {
    kind: SectionKind,
    name: Option<String>,
    /// A table's rows.
    pub(super) rows: Option<u64>,
    /// Stored programs.
    pub(super) objects: Vec<Object>,
    /// Stored programs that belong here, and are left out.
    pub(crate) left_out: Vec<LeftOutProgram>,
    /// What a restore makes otherwise than it was: sentences.
    pub(crate) otherwise: Vec<String>,
    /// A table's definition, as [`essence`] has it; none where it was held.
    pub(super) definition: Option<u128>,
}

impl Written {
    /// A section of which nothing is written yet.
    pub(super) fn new(kind: SectionKind, name: Option<&str>) -> Self {
        Self {
            kind,
            name: name.map(ToOwned::to_owned),
            rows: None,
            objects: Vec::new(),
            left_out: Vec::new(),
            otherwise: Vec::new(),
            definition: None,
        }
    }

    /// A table that was not held, and its definition when it was read.
    pub(crate) fn table(&self) -> Option<(&str, u128)> {
        self.name.as_deref().zip(self.definition)
    }

    /// Whether a section that was found in the SQL is this one.
    pub(crate) fn is(&self, found: &Section) -> bool {
        self.kind == found.kind
            && self.name == found.name
            && self.rows == found.rows
            && self.objects == found.objects
    }
}

/// A definition without its counter, which every insert changes: equal definitions have equal numbers (XXH3, 128 bits).
pub(crate) fn essence(create: &[u8]) -> u128 {
    const COUNTER: &[u8] = b" AUTO_INCREMENT=";
    let mut text = Vec::with_capacity(create.len());
    let mut rest = create;
    while let Some(at) = memchr::memmem::find(rest, COUNTER) {
        text.extend_from_slice(&rest[..at]);
        rest = &rest[at + COUNTER.len()..];
        rest = &rest[rest.iter().take_while(|byte| byte.is_ascii_digit()).count()..];
    }
    text.extend_from_slice(rest);
    xxhash_rust::xxh3::xxh3_128(&text)
}
