//! Groups a dump's statements into sections, given all of what stands before.

use xxhash_rust::xxh3::xxh3_128;

use super::Part;
use super::rows::rows_of;
use crate::manifest::{ObjectKind, SectionKind};
use crate::scan::head::{Head, Target, Value, Verb};
use crate::scan::sections::Announcement;

/// The statements in groups. A group's beginning is never before the former one's.
pub(super) struct Groups {
    all: Vec<Group>,
    announced: Option<Announcement>,
    /// The view that was dropped last, while only session settings follow.
    dropped: Option<String>,
}

struct Group {
    kind: SectionKind,
    name: Option<String>,
    at: u64,
    rows: u64,
    sum: u128,
    created: bool,
}

impl Default for Groups {
    fn default() -> Self {
        let mut groups = Self { all: Vec::new(), announced: None, dropped: None };
        groups.begin(SectionKind::Header, None, 0);
        groups
    }
}

impl Groups {
    fn begin(&mut self, kind: SectionKind, name: Option<&str>, at: u64) {
        let at = self.all.last().map_or(at, |last| last.at.max(at));
        let name = name.map(ToOwned::to_owned);
        self.all.push(Group { kind, name, at, rows: 0, sum: 0, created: false });
    }

    #[allow(clippy::expect_used, reason = "there is a header from the beginning")]
    fn last(&mut self) -> &mut Group {
        self.all.last_mut().expect("there is a header")
    }

    pub(super) fn announce(&mut self, announcement: Option<Announcement>) {
        let Some(new) = announcement else { return };
        let goes_on = match &self.announced {
            Some(former) => former.name == new.name,
            None => self.last().kind == SectionKind::Table && self.last().name == new.name,
        };
        if new.data && goes_on {
            return;
        }
        self.as_announced();
        self.announced = Some(new);
    }

    fn as_announced(&mut self) {
        if let Some(Announcement { kind, name, at, .. }) = self.announced.take() {
            self.begin(kind, name.as_deref(), at);
        }
    }

    /// The kind of group that a statement about the object `name` belongs to.
    fn kind_for(&mut self, head: &Head, name: &str) -> SectionKind {
        use SectionKind::{Table, View, ViewPlaceholder};
        let announced = self.announced.as_ref().map(|announced| announced.kind);
        let here =
            (announced.is_none() && self.last().name.as_deref() == Some(name)).then(|| self.last().kind);
        let created = self.last().created;
        match head {
            Head::Table(..) => match announced.or(here) {
                Some(kind @ (ViewPlaceholder | View)) => kind,
                _ => Table,
            },
            Head::View(verb, _) => match (announced, here) {
                (Some(ViewPlaceholder), _) => ViewPlaceholder,
                // Without comments a stand-in begins like a table and shows only now what it is.
                (None, Some(Table)) if !created => {
                    self.last().kind = ViewPlaceholder;
                    ViewPlaceholder
                }
                (None, Some(ViewPlaceholder)) if *verb == Verb::Create || !created => ViewPlaceholder,
                _ => View,
            },
            Head::Sequence(..) | Head::SetVal(_) => SectionKind::Sequence,
            _ => Table,
        }
    }

    /// A view's name as its `DROP` gave it just before, where neither is ASCII: the name in the `CREATE` may be written in
    /// another character set.
    fn name_of(&mut self, head: &Head, target: &Target) -> String {
        match (head, self.dropped.take()) {
            (Head::View(Verb::Create, _), Some(dropped))
                if !dropped.is_ascii() && !target.name.is_ascii() =>
            {
                dropped
            }
            (Head::View(Verb::Drop, _), _) => {
                self.dropped = Some(target.name.clone());
                target.name.clone()
            }
            _ => target.name.clone(),
        }
    }

    pub(super) fn statement(&mut self, head: &Head, boundary: u64) {
        match head {
            Head::Table(_, target)
            | Head::View(_, target)
            | Head::Sequence(_, target)
            | Head::SetVal(target)
            | Head::Insert(target)
            | Head::AlterKeys(target) => {
                let name = self.name_of(head, target);
                let kind = self.kind_for(head, &name);
                let at = self.announced.take().map(|announced| announced.at);
                let here = self.last().kind == kind && self.last().name.as_deref() == Some(&name);
                if at.is_some() || !here {
                    self.begin(kind, Some(&name), at.unwrap_or(boundary));
                }
            }
            _ => {
                if !matches!(head, Head::Set(_) | Head::Empty) {
                    self.dropped = None;
                }
                self.as_announced();
                let home = match head {
                    Head::Program(_, ObjectKind::Trigger, _) => None,
                    Head::Program(_, ObjectKind::Event, _) => Some(SectionKind::Events),
                    Head::Program(..) => Some(SectionKind::Routines),
                    Head::Set(assignments) => set_belongs_to(assignments),
                    _ => None,
                };
                if let Some(home) = home.filter(|home| self.last().kind != *home) {
                    self.begin(home, None, boundary);
                }
            }
        }
        if let Head::Table(Verb::Create, _) | Head::View(Verb::Create, _) = head {
            self.last().created = true;
        }
    }

    pub(super) fn rows(&mut self, text: &[u8], code: &[bool]) {
        for row in rows_of(text, code) {
            self.last().rows += 1;
            self.last().sum = self.last().sum.wrapping_add(xxh3_128(row));
        }
    }

    pub(super) fn finish(mut self, end: u64) -> Vec<Part> {
        self.as_announced();
        let mut parts: Vec<Part> = Vec::new();
        for group in self.all {
            if let Some(former) = parts.last_mut() {
                former.raw_size = group.at - former.raw_offset;
            }
            let rows =
                (group.kind == SectionKind::Table).then(|| (group.rows, format!("{:032x}", group.sum)));
            let (kind, name, raw_offset) = (group.kind, group.name, group.at);
            parts.push(Part { kind, name, raw_offset, raw_size: end - raw_offset, rows });
        }
        parts
    }
}

/// `SET x=@OLD_x` begins what ends a dump, `SET @save_time_zone=…` what comes before events.
fn set_belongs_to(assignments: &[(String, Value)]) -> Option<SectionKind> {
    let restores = |(what, to): &(String, Value)| {
        let Value::Variable(from) = to else { return false };
        from.starts_with("@OLD_") && !what.starts_with('@')
    };
    if assignments.iter().any(restores) {
        return Some(SectionKind::Trailer);
    }
    assignments.iter().any(|(what, _)| what == "@save_time_zone").then_some(SectionKind::Events)
}
