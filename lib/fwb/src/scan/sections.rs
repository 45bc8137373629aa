//! Groups a dump's statements into sections.
//!
//! mariadb-dump announces each section by a comment of three lines; a dump made with `--skip-comments` has none,
//! and then the statements alone tell. Where a comment and the statement after it disagree, the statement is right.

use super::digest::RowsDigest;
use super::head::{Head, Target, Value, Verb};
use super::tokens::{LONGEST_NAME, QuoteMode};
use crate::manifest::{Object, ObjectKind, Section, SectionKind};

/// What announces the accounts of a server.
pub(crate) const ACCOUNTS: &str = "Accounts of the server";

/// What a three-line comment says of the statements after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Announcement {
    pub(super) kind: SectionKind,
    pub(super) name: Option<String>,
    /// Whether only rows follow, so that the section may be open already.
    pub(super) data: bool,
    /// Where the comment begins, with the blank line before it.
    pub(super) at: u64,
}

impl Announcement {
    /// Reads the text between the lines `--`, in which a name is quoted as in statements under this mode.
    pub(super) fn parse(text: &str, at: u64, mode: QuoteMode) -> Option<Self> {
        const TITLES: [(&str, SectionKind); 9] = [
            ("Table structure for table ", SectionKind::Table),
            ("Dumping data for table ", SectionKind::Table),
            ("Sequence structure for ", SectionKind::Sequence),
            ("Temporary table structure for view ", SectionKind::ViewPlaceholder),
            ("Temporary view structure for view ", SectionKind::ViewPlaceholder),
            ("Final view structure for view ", SectionKind::View),
            ("Dumping events for database ", SectionKind::Events),
            ("Dumping routines for database ", SectionKind::Routines),
            (ACCOUNTS, SectionKind::Accounts),
        ];
        let (title, kind) = TITLES.iter().find(|(title, _)| text.starts_with(title))?;
        let named = !matches!(kind, SectionKind::Events | SectionKind::Routines | SectionKind::Accounts);
        let name = named.then(|| unquote(&text[title.len()..], mode));
        if name.as_ref().is_some_and(|name| name.len() > LONGEST_NAME) {
            return None;
        }
        Some(Self { kind: *kind, name, data: title.starts_with("Dumping data"), at })
    }
}

fn unquote(quoted: &str, mode: QuoteMode) -> String {
    let within = |quote: char| {
        let inner = quoted.strip_prefix(quote)?.strip_suffix(quote)?;
        Some(inner.replace(&format!("{quote}{quote}"), &quote.to_string()))
    };
    let ansi = || if mode.ansi { within('"') } else { None };
    within('`').or_else(ansi).unwrap_or_else(|| quoted.to_owned())
}

/// The most sections, and the most objects in them, that are kept: no dump has as many, and whoever reads a file must not
/// need memory for whatever it says.
const MOST: usize = 1_000_000;

/// The sections found so far.
#[derive(Debug)]
pub(super) struct Sections {
    all: Vec<Open>,
    /// How many objects there are in them.
    objects: usize,
    /// Whether there are more than are kept.
    too_many: bool,
    pending: Option<Announcement>,
    /// What was dropped last: a program's kind, or none for a view, and its name.
    dropped: Option<(Option<ObjectKind>, String)>,
}

#[derive(Debug)]
struct Open {
    kind: SectionKind,
    name: Option<String>,
    at: u64,
    rows: u64,
    digest: RowsDigest,
    objects: Vec<Object>,
    /// Whether the table or stand-in that it is about has been created.
    created: bool,
}

impl Sections {
    pub(super) fn new() -> Self {
        let mut sections =
            Self { all: Vec::new(), objects: 0, too_many: false, pending: None, dropped: None };
        sections.open(SectionKind::Header, None, 0);
        sections
    }

    /// The index of the section that statements belong to now.
    pub(super) fn index(&self) -> usize {
        self.all.len() - 1
    }

    /// The present section's kind and name.
    pub(super) fn current(&self) -> (SectionKind, Option<&str>) {
        self.all.last().map_or((SectionKind::Header, None), |open| (open.kind, open.name.as_deref()))
    }

    fn current_is(&self, kind: SectionKind, name: &str) -> bool {
        self.current() == (kind, Some(name))
    }

    /// Counts a row in the present section.
    pub(super) fn add_row(&mut self, add: impl FnOnce(&mut RowsDigest)) {
        if let Some(open) = self.all.last_mut() {
            open.rows += 1;
            add(&mut open.digest);
        }
    }

    /// Whether there are more than any dump has; those are not told apart.
    pub(super) fn are_too_many(&self) -> bool {
        self.too_many
    }

    /// No section that is still to be opened begins before this place.
    pub(super) fn settled(&self, boundary: u64) -> u64 {
        self.pending.as_ref().map_or(boundary, |pending| pending.at.min(boundary))
    }

    /// Opens a section and returns where it begins: never before the former one.
    fn open(&mut self, kind: SectionKind, name: Option<String>, at: u64) -> Option<u64> {
        if self.all.len() >= MOST {
            self.too_many = true;
            return None;
        }
        let at = self.all.last().map_or(at, |former| at.max(former.at));
        let digest = RowsDigest::default();
        self.all.push(Open { kind, name, at, rows: 0, digest, objects: Vec::new(), created: false });
        Some(at)
    }

    /// A comment announces a section. Returns where the former one begins that was announced and had no
    /// statement: it is open now.
    pub(super) fn announce(&mut self, announcement: Announcement) -> Option<u64> {
        let about = |name: &Option<String>| announcement.data && *name == announcement.name;
        if self.pending.as_ref().is_some_and(|pending| about(&pending.name)) {
            return None;
        }
        let (kind, name) = self.current();
        if self.pending.is_none() && kind == SectionKind::Table && about(&name.map(ToOwned::to_owned)) {
            return None;
        }
        let opened = self.open_pending();
        self.pending = Some(announcement);
        opened
    }

    /// Opens the section that was announced, as it was announced.
    fn open_pending(&mut self) -> Option<u64> {
        let Announcement { kind, name, at, .. } = self.pending.take()?;
        self.open(kind, name, at)
    }

    fn open_named(&mut self, kind: SectionKind, name: &str, boundary: u64) -> Option<u64> {
        let at = self.pending.take().map_or(boundary, |pending| pending.at);
        self.open(kind, Some(name.to_owned()), at)
    }

    /// A statement. Returns where the section begins that it opens. The name in `head` is in UTF-8 from here on.
    pub(super) fn statement(&mut self, head: &mut Head, boundary: u64) -> Option<u64> {
        match head {
            Head::View(Verb::Create, target) => self.make_known(None, target),
            Head::Program(Verb::Create, kind, target) => self.make_known(Some(*kind), target),
            _ => {}
        }
        let opened = self.opened_by(head, boundary);
        match head {
            Head::View(Verb::Drop, target) => self.dropped = Some((None, target.name.clone())),
            Head::Program(Verb::Drop, kind, target) => {
                self.dropped = Some((Some(*kind), target.name.clone()));
            }
            Head::Set(_) | Head::Empty => {}
            _ => self.dropped = None,
        }
        opened
    }

    /// Names an object that is created. Its author's client may have had another character set, and then the server prints its
    /// name in that one; the `DROP` before it is UTF-8.
    fn make_known(&self, kind: Option<ObjectKind>, target: &mut Target) {
        if let Some((dropped, name)) = &self.dropped
            && *dropped == kind
            && !name.is_ascii()
            && !target.name.is_ascii()
        {
            target.name.clone_from(name);
        }
    }

    fn opened_by(&mut self, head: &Head, boundary: u64) -> Option<u64> {
        match head {
            Head::Table(verb, target) => self.table(*verb, target, boundary),
            Head::View(verb, target) => self.view(*verb, target, boundary),
            Head::Sequence(_, target) | Head::SetVal(target) => {
                self.named(SectionKind::Sequence, target, boundary)
            }
            Head::Insert(target) | Head::AlterKeys(target) => {
                self.named(SectionKind::Table, target, boundary)
            }
            Head::Program(verb, kind, target) => self.program(*verb, *kind, target, boundary),
            Head::Set(assignments) => self.set(assignments, boundary),
            _ => self.open_pending(),
        }
    }

    fn named(&mut self, kind: SectionKind, target: &Target, boundary: u64) -> Option<u64> {
        if self.pending.is_none() && self.current_is(kind, &target.name) {
            return None;
        }
        self.open_named(kind, &target.name, boundary)
    }

    fn table(&mut self, verb: Verb, target: &Target, boundary: u64) -> Option<u64> {
        let pending = self.pending.as_ref().map(|pending| pending.kind);
        let opened = match pending {
            Some(kind @ (SectionKind::ViewPlaceholder | SectionKind::View)) => {
                self.open_named(kind, &target.name, boundary)
            }
            None if self.current_is(SectionKind::ViewPlaceholder, &target.name) => None,
            None if self.current_is(SectionKind::View, &target.name) => None,
            _ => self.named(SectionKind::Table, target, boundary),
        };
        self.created(verb);
        opened
    }

    fn view(&mut self, verb: Verb, target: &Target, boundary: u64) -> Option<u64> {
        let stand_in_is_done = self.all.last().is_some_and(|open| open.created);
        let opened = match self.pending.as_ref().map(|pending| pending.kind) {
            Some(SectionKind::ViewPlaceholder) => {
                self.open_named(SectionKind::ViewPlaceholder, &target.name, boundary)
            }
            Some(_) => self.open_named(SectionKind::View, &target.name, boundary),
            None if self.current_is(SectionKind::Table, &target.name) && !stand_in_is_done => {
                // Without comments, a stand-in begins with DROP TABLE and only now turns out to be one.
                if let Some(open) = self.all.last_mut() {
                    open.kind = SectionKind::ViewPlaceholder;
                }
                None
            }
            None if self.current_is(SectionKind::ViewPlaceholder, &target.name)
                && !(stand_in_is_done && verb == Verb::Drop) =>
            {
                None
            }
            None => self.named(SectionKind::View, target, boundary),
        };
        self.created(verb);
        opened
    }

    fn created(&mut self, verb: Verb) {
        if let Some(open) = self.all.last_mut() {
            open.created |= verb == Verb::Create;
        }
    }

    fn program(&mut self, verb: Verb, kind: ObjectKind, target: &Target, boundary: u64) -> Option<u64> {
        let home = match kind {
            ObjectKind::Trigger => None,
            ObjectKind::Event => Some(SectionKind::Events),
            _ => Some(SectionKind::Routines),
        };
        let mut opened = self.open_pending();
        if let Some(home) = home
            && self.current().0 != home
        {
            opened = self.open(home, None, boundary);
        }
        if let (Verb::Create, Some(open)) = (verb, self.all.last_mut()) {
            self.objects += 1;
            self.too_many |= self.objects > MOST;
            if self.objects <= MOST {
                open.objects.push(Object { kind, name: target.name.clone() });
            }
        }
        opened
    }

    fn set(&mut self, assignments: &[(String, Value)], boundary: u64) -> Option<u64> {
        let opened = self.open_pending();
        let restores = |(what, to): &(String, Value)| {
            // Newer client programs put this one back after each table.
            !what.starts_with('@')
                && !what.eq_ignore_ascii_case("AUTOCOMMIT")
                && matches!(to, Value::Variable(from) if from.starts_with("@OLD_"))
        };
        let events = |(what, _): &(String, Value)| what == "@save_time_zone";
        let begins = if assignments.iter().any(restores) {
            SectionKind::Trailer
        } else if assignments.iter().any(events) {
            SectionKind::Events
        } else {
            return opened;
        };
        if self.current().0 == begins {
            return opened;
        }
        self.open(begins, None, boundary)
    }

    /// Ends the last section at `end` and returns them all.
    pub(super) fn finish(mut self, end: u64) -> Vec<Section> {
        self.open_pending();
        let ends: Vec<u64> = self.all.iter().skip(1).map(|open| open.at).chain([end]).collect();
        self.all.into_iter().zip(ends).map(|(open, end)| open.into_section(end)).collect()
    }
}

impl Open {
    fn into_section(self, end: u64) -> Section {
        let table = self.kind == SectionKind::Table;
        Section {
            kind: self.kind,
            name: self.name,
            offset: None,
            size: None,
            raw_offset: self.at,
            raw_size: end - self.at,
            rows: table.then_some(self.rows),
            crc32: None,
            rows_digest: table.then(|| self.digest.to_hex()),
            objects: self.objects,
            extra: serde_json::Map::new(),
        }
    }
}
