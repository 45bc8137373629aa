//! The backup that is restored: proved, open, and its SQL by pieces.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::admission::Survey;
use crate::artifact::{Artifact, Codec, Cutter, DataHeader, Decoder, Piece, SqlSource};
use crate::error::{Error, Result};
use crate::manifest::{Kind, Level, Manifest, Section, SectionKind};
use crate::progress::Context;
use crate::scan::{Feed, Observer, unobserved};
use crate::server::{LastTimestamp, NameCase, ServerFacts};
use crate::store::Store;
use crate::verify::{self, Findings, Index};

/// Which pieces of the chosen sections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// All of them.
    Whole,
    /// Those that hold no rows.
    Definitions,
    /// Those that hold rows and nothing else.
    Rows,
}

impl Part {
    fn has(self, flags: u16) -> bool {
        match self {
            Self::Whole => true,
            Self::Definitions => flags & DataHeader::DATA == 0,
            Self::Rows => flags & DataHeader::DATA != 0,
        }
    }
}

/// A backup that is open for restoring.
pub(crate) struct OpenBackup {
    artifact: Arc<Artifact>,
    /// Its manifest; a foreign file's is made while it is verified.
    pub(crate) manifest: Manifest,
    /// The sections to restore, by index, in ascending order; none: all.
    chosen: Option<Vec<usize>>,
    /// What its statements need.
    pub(crate) survey: Survey,
    /// Whether the server that it is restored to keeps the names of tables in lower case.
    pub(crate) lower_case: bool,
    /// How far TIMESTAMP reaches on the server that it is restored to.
    pub(crate) last_timestamp: LastTimestamp,
    /// Views that are not restored.
    left_out: BTreeSet<String>,
    /// Tables, sequences and views that stay as they are where the backup is restored, as the server has their names, because the
    /// backup leaves them, or their rows, out.
    stay: BTreeSet<String>,
    /// Whether tables that reach outside of their database are made as they were. Otherwise they are refused, or, where it
    /// is only by their files, made in the database's own directory.
    pub(crate) allows_outside: bool,
}

impl OpenBackup {
    /// Opens a backup and proves it: all of it, or the sections of the chosen tables.
    ///
    /// # Errors
    /// It is missing or damaged, holds what no dump holds, or lacks a chosen table.
    pub(crate) fn open(store: &Store, name: &str, tables: &[String], context: &Context) -> Result<Self> {
        let entry = store.entry(name)?;
        if entry.manifest.kind == Kind::Accounts {
            return Err(Error::Usage {
                message: format!("{name} holds the accounts of a server, and no database"),
                hint: Some("fwb-restore --accounts restores them".into()),
            });
        }
        let artifact = store.artifact(name)?;
        if let Some(why) = artifact.locked() {
            if !store.is_near() {
                // All of it would be fetched to be told of a key that was forgotten.
                return Err(Error::Encrypted { name: name.into(), why });
            }
            // That no key fits may be the damage.
            return match verify::stored(Some(&artifact), &entry, Level::Stored)?.into_iter().next() {
                Some(problem) => Err(Error::damaged(name, problem)),
                None => Err(Error::Encrypted { name: name.into(), why }),
            };
        }
        let mut survey = Survey::new(name, entry.manifest.database.as_deref());
        let index = if tables.is_empty() { None } else { Index::of(&entry, &artifact)? };
        if let Some(Index { manifest, problem }) = index {
            let known = entry.manifest.verification.as_ref().filter(|outcome| !outcome.ok);
            let known = known.and_then(|outcome| outcome.problems.first()).cloned();
            let disagreement = verify::disagreement(&entry, &manifest)?;
            let chosen = choose(&manifest, tables)?;
            if disagreement.is_some() {
                agree(&manifest, &entry.manifest, &chosen)?;
            }
            let problem = problem.or(entry.problems.into_iter().next()).or(disagreement).or(known);
            let input = Self::new(artifact, manifest, Some(chosen), survey).prove_chosen(context)?;
            if let Some(problem) = problem {
                log::warn!(code = crate::notice::VERIFICATION.code; "{name} is damaged, but not in the tables that are restored: {problem}");
            }
            return Ok(input);
        }
        context.progress.begin(format!("verifying {name}"), entry.manifest.size);
        let Findings { manifest, problems, is_no_dump } =
            verify::prove(Some(&artifact), &entry, Level::Full, context, &mut |statement| {
                survey.observe(statement)
            })?;
        if let Some(problem) = problems.into_iter().next() {
            let name = name.to_owned();
            return Err(if is_no_dump {
                Error::RefusedByRestore { name, problem }
            } else {
                Error::Damaged { name, problem }
            });
        }
        survey.confirm_database(manifest.database.as_deref())?;
        let chosen = if tables.is_empty() { None } else { Some(choose(&manifest, tables)?) };
        Ok(Self::new(artifact, manifest, chosen, survey))
    }

    /// Before it is known which server it is restored to. An artifact that holds chosen tables alone is restored as if these
    /// were named: by its own manifest, which its bytes were held against, and not by the sidecar's word.
    fn new(artifact: Arc<Artifact>, manifest: Manifest, chosen: Option<Vec<usize>>, survey: Survey) -> Self {
        let chosen = chosen.or_else(|| manifest.chosen.as_ref().map(|_| relations(&manifest)));
        Self {
            artifact,
            manifest,
            chosen,
            survey,
            lower_case: false,
            last_timestamp: LastTimestamp::default(),
            left_out: BTreeSet::new(),
            stay: BTreeSet::new(),
            allows_outside: false,
        }
    }

    /// Takes the ways of the server that it is restored to.
    pub(crate) fn suit(&mut self, facts: &ServerFacts) {
        self.lower_case = facts.keeps_lower_case;
        self.last_timestamp = facts.last_timestamp;
    }

    /// As [`OpenBackup::suit`], for the server that another backup is restored to.
    pub(crate) fn suit_as(&mut self, other: &Self) {
        self.lower_case = other.lower_case;
        self.last_timestamp = other.last_timestamp;
    }

    /// Whether it is encrypted.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.artifact.is_encrypted()
    }

    /// Leaves views out, as if the backup did not hold them.
    pub(crate) fn leave_out(&mut self, views: impl IntoIterator<Item = String>) {
        self.left_out.extend(views);
    }

    /// Leaves tables, sequences and views as they are where the backup is restored, whatever it holds of them.
    pub(crate) fn let_stay(&mut self, names: impl IntoIterator<Item = String>) {
        self.stay.extend(names);
    }

    /// What stays as it is, as the server has the names.
    pub(crate) fn stay(&self) -> &BTreeSet<String> {
        &self.stay
    }

    /// Whether some of what the live database holds is left alone: what was not chosen, or what stays.
    pub(crate) fn leaves_some(&self) -> bool {
        self.is_partial() || !self.stay.is_empty()
    }

    /// Whether a name of the backup's database means, once it is restored, what the restore has brought, or else what stays in the
    /// live database.
    /// `scope` are [`OpenBackup::names`].
    pub(crate) fn is_here(&self, name: &str, scope: &BTreeSet<String>) -> bool {
        let name = self.spelled(name);
        !self.stay.contains(&name) && (!self.is_partial() || scope.contains(&name))
    }

    /// Tables, sequences and views that the backup leaves out, and tables of which it has no rows, as the server has their names.
    pub(crate) fn excluded(&self) -> (BTreeSet<String>, BTreeSet<String>) {
        let spelled = |names: &[String]| names.iter().map(|name| self.spelled(name)).collect();
        let excluded = self.manifest.excluded.as_ref();
        excluded.map(|excluded| (spelled(&excluded.tables), spelled(&excluded.rows))).unwrap_or_default()
    }

    /// Makes tables that reach outside of their database as they were: where the operator says so, and where they were
    /// there a moment ago.
    pub(crate) fn allowing_outside(self, allows_outside: bool) -> Self {
        Self { allows_outside, ..self }
    }

    /// Tables of the backup that reach outside of their database: an error, unless they are made as they were, or, in a
    /// backup of ours, only lack a directory of their own then. In the file of another program nobody knows who has written
    /// the directory, and what for.
    ///
    /// # Errors
    /// [`Error::Outside`], or the backup cannot be read.
    pub(crate) fn refuse_outside(&self) -> Result<()> {
        if self.allows_outside {
            return Ok(());
        }
        let is_ours = self.artifact.is_ours()?;
        match self.survey.outside.iter().find(|(_, outside)| !(is_ours && outside.only_files)) {
            Some((table, outside)) => Err(Error::Outside {
                name: self.manifest.name.clone(),
                table: table.clone(),
                offset: outside.offset,
                why: outside.why.clone(),
            }),
            None => Ok(()),
        }
    }

    /// Opens a backup that was proved a moment ago, and surveyed meanwhile.
    ///
    /// # Errors
    /// It is gone, or cannot be opened.
    pub(crate) fn proved(store: &Store, manifest: Manifest, survey: Survey) -> Result<Self> {
        let artifact = store.artifact(&manifest.name)?;
        Ok(Self::new(artifact, manifest, None, survey))
    }

    /// Opens a backup of ours by its footer, and proves nothing: for whoever reads its definitions.
    ///
    /// # Errors
    /// It is missing, cannot be read, or has no footer.
    pub(super) fn unproved(store: &Store, name: &str) -> Result<Self> {
        let entry = store.entry(name)?;
        let artifact = store.artifact(name)?;
        if let Some(why) = artifact.locked() {
            return Err(Error::Encrypted { name: name.into(), why });
        }
        match Index::of(&entry, &artifact)? {
            Some(Index { manifest, .. }) => Ok(Self::new(artifact, manifest, None, Survey::default())),
            None => Err(Error::damaged(name, "it has no footer")),
        }
    }

    /// Proves the chosen sections alone. What puts back the session's settings after them may be lost.
    fn prove_chosen(mut self, context: &Context) -> Result<Self> {
        let size = self.sections().filter_map(|section| section.size).fold(0, u64::saturating_add);
        context.progress.begin("verifying the chosen tables", size);
        let Self { artifact, manifest, chosen, survey, .. } = &mut self;
        let mut lost = None;
        for index in chosen.iter().flatten() {
            let section = &manifest.sections[*index];
            let mut observer = |statement: &crate::scan::Statement<'_>| survey.observe(statement);
            match verify::prove_section(artifact, section, context, &mut observer) {
                Err(Error::Damaged { .. }) if section.kind == SectionKind::Trailer => lost = Some(*index),
                proved => proved?,
            }
        }
        if let Some(chosen) = chosen {
            chosen.retain(|index| Some(*index) != lost);
        }
        Ok(self)
    }

    /// The sections that are restored.
    pub(crate) fn sections(&self) -> impl Iterator<Item = &Section> {
        let sections = self.manifest.sections.iter().enumerate();
        sections.filter(|(index, _)| self.wants(*index)).map(|(_, section)| section)
    }

    /// The names of the tables and sequences that are restored, as the server has them.
    pub(crate) fn tables(&self) -> BTreeSet<String> {
        let is_table =
            |section: &&Section| matches!(section.kind, SectionKind::Table | SectionKind::Sequence);
        self.sections().filter(is_table).filter_map(|section| self.name_of(section)).collect()
    }

    /// The names of the tables, sequences and views that are restored, as the server has them.
    pub(crate) fn names(&self) -> BTreeSet<String> {
        self.sections().filter_map(|section| self.name_of(section)).collect()
    }

    fn name_of(&self, section: &Section) -> Option<String> {
        section.name.as_ref().map(|name| self.spelled(name))
    }

    /// A table's name as the server has it that the backup is restored to.
    pub(crate) fn spelled(&self, name: &str) -> String {
        if self.lower_case { NameCase::Insensitive.key(name) } else { name.to_owned() }
    }

    /// Whether only some tables are restored: others of the database are left alone.
    pub(crate) fn is_partial(&self) -> bool {
        self.chosen.is_some()
    }

    /// Bytes of SQL that are restored.
    pub(crate) fn raw_size(&self) -> u64 {
        self.sections().map(|section| section.raw_size).fold(0, u64::saturating_add)
    }

    /// Hands on the SQL of the sections, in order, each piece with its offset in the artifact where it has one.
    ///
    /// # Errors
    /// The backup cannot be read any more, or what `each` returns.
    pub(crate) fn for_each_piece(
        &self,
        part: Part,
        context: &Context,
        each: &mut dyn FnMut(Piece, Option<u64>) -> Result<()>,
    ) -> Result<()> {
        if self.is_seekable()? {
            return self.members(part, context, each);
        }
        let mut stream =
            SourceStream { source: SqlSource::foreign(&self.artifact)?, chunk: Vec::new(), at: 0 };
        let mut cutter = Cutter::new(Codec::default());
        let mut push = |piece: Piece| {
            let wanted = self.wants(piece.section) && part.has(piece.flags);
            if wanted { each(piece, None) } else { Ok(()) }
        };
        while cutter.read_from(&mut stream, &mut unobserved, &mut push)? > 0 {
            context.cancel.check()?;
        }
        cutter.finish(&mut unobserved, &mut push).map(|_| ())
    }

    /// Shows each statement of the sections that is not of rows.
    ///
    /// # Errors
    /// As [`OpenBackup::for_each_piece`], and what `observer` returns.
    pub(crate) fn definitions(&self, context: &Context, observer: &mut Observer<'_>) -> Result<()> {
        let mut feed = Feed::new();
        self.for_each_piece(Part::Definitions, context, &mut |piece, _| {
            if piece.flags & DataHeader::CONTINUES == 0 {
                feed.flush(observer)?;
            }
            feed.push(&piece.raw, observer)
        })?;
        feed.flush(observer)
    }

    /// Whether sections can be read for themselves.
    pub(crate) fn is_seekable(&self) -> Result<bool> {
        Ok(self.manifest.sections.iter().all(|section| section.offset.is_some())
            && self.artifact.is_ours()?)
    }

    /// The tables that have rows: their sections, by index, and where those lie (offset and end, in bytes).
    pub(crate) fn tables_with_rows(&self) -> Vec<(usize, &Section, (u64, u64))> {
        let sections = self.manifest.sections.iter().enumerate();
        sections
            .filter(|(index, section)| self.wants(*index) && section.rows.is_some_and(|rows| rows > 0))
            .filter_map(|(index, section)| Some((index, section, section.extent()?)))
            .collect()
    }

    /// Divides an extent into about so many parts of about one size, each beginning with a statement.
    ///
    /// # Errors
    /// The backup cannot be read.
    pub(crate) fn parts(&self, extent: (u64, u64), parts: u64) -> Result<Vec<(u64, u64)>> {
        let (from, end) = extent;
        let size = ((end - from) / parts.max(1)).max(1);
        let mut begins = vec![from];
        for member in self.artifact.members(from, end) {
            let member = member?;
            let due = begins.last().is_some_and(|last| member.offset - last >= size);
            if due && member.header.has(DataHeader::DATA) && !member.header.has(DataHeader::CONTINUES) {
                begins.push(member.offset);
            }
        }
        let ends = begins.iter().skip(1).copied().chain([end]);
        Ok(begins.iter().copied().zip(ends).collect())
    }

    /// Hands on the members in an extent that hold rows, each with its offset; the sections they are in are not told.
    ///
    /// # Errors
    /// As [`OpenBackup::for_each_piece`].
    pub(crate) fn rows(
        &self,
        extent: (u64, u64),
        context: &Context,
        each: &mut dyn FnMut(Piece, u64) -> Result<()>,
    ) -> Result<()> {
        let wanted = |header: &DataHeader| header.has(DataHeader::DATA);
        let mut decoder = Decoder::of(&self.artifact, vec![extent], wanted, 1)?;
        while let Some(decoded) = decoder.next()? {
            context.cancel.check()?;
            let (offset, header) = (decoded.member.offset, decoded.member.header);
            each(Piece { raw: decoded.raw, flags: header.flags, rows: header.rows, section: 0 }, offset)?;
        }
        Ok(())
    }

    fn wants(&self, section: usize) -> bool {
        let is_chosen = self.chosen.as_deref().is_none_or(|chosen| chosen.binary_search(&section).is_ok());
        is_chosen && !self.manifest.sections.get(section).is_some_and(|section| self.leaves_out(section))
    }

    fn leaves_out(&self, section: &Section) -> bool {
        if !self.stay.is_empty() && self.name_of(section).is_some_and(|name| self.stay.contains(&name)) {
            return true;
        }
        let is_view = matches!(section.kind, SectionKind::View | SectionKind::ViewPlaceholder);
        is_view && section.name.as_ref().is_some_and(|name| self.left_out.contains(name))
    }

    fn members(
        &self,
        part: Part,
        context: &Context,
        each: &mut dyn FnMut(Piece, Option<u64>) -> Result<()>,
    ) -> Result<()> {
        let places: Vec<(usize, (u64, u64))> = (0..self.manifest.sections.len())
            .filter(|index| self.wants(*index) && self.manifest.sections[*index].size != Some(0))
            .filter_map(|index| Some((index, self.manifest.sections[index].extent()?)))
            .collect();
        let extents = places.iter().map(|(_, extent)| *extent).collect();
        let wanted: fn(&DataHeader) -> bool = match part {
            Part::Whole => |_| true,
            Part::Definitions => |header| !header.has(DataHeader::DATA),
            Part::Rows => |header| header.has(DataHeader::DATA),
        };
        let mut decoder = Decoder::of(&self.artifact, extents, wanted, context.jobs)?;
        let mut places = places.into_iter().peekable();
        while let Some(decoded) = decoder.next()? {
            context.cancel.check()?;
            let (offset, header) = (decoded.member.offset, decoded.member.header);
            while places.next_if(|(_, (_, end))| *end <= offset).is_some() {}
            let section = places.peek().map_or(0, |(section, _)| *section);
            let piece = Piece { raw: decoded.raw, flags: header.flags, rows: header.rows, section };
            each(piece, Some(offset))?;
        }
        Ok(())
    }

    /// How a place in the artifact is named in messages: the section of this index, and the offset of the member where
    /// it is known, else of the section.
    pub(crate) fn place(&self, section: usize, offset: Option<u64>) -> String {
        let known = offset.or_else(|| self.manifest.sections.get(section)?.offset);
        let at = known.map_or_else(String::new, |offset| format!(" (at byte {offset} of the artifact)"));
        format!("{}{at}", self.title(section))
    }

    /// How the section of this index is named in messages.
    pub(crate) fn title(&self, section: usize) -> String {
        self.manifest.sections.get(section).map_or_else(|| "the dump".into(), verify::title)
    }
}

/// The sections of these tables, with the session settings before and after them.
fn choose(manifest: &Manifest, tables: &[String]) -> Result<Vec<usize>> {
    let is = |section: &Section, name: &String| {
        let data = matches!(section.kind, SectionKind::Table | SectionKind::Sequence | SectionKind::View);
        data && section.name.as_ref() == Some(name)
    };
    for table in tables {
        if !manifest.sections.iter().any(|section| is(section, table)) {
            return Err(Error::Usage {
                message: format!("the backup {} holds no table {table}", manifest.name),
                hint: Some("fwb-ls --tables shows what it holds".into()),
            });
        }
    }
    let wanted = |section: &Section| {
        matches!(section.kind, SectionKind::Header | SectionKind::Trailer)
            || tables.iter().any(|table| is(section, table))
    };
    Ok((0..manifest.sections.len()).filter(|index| wanted(&manifest.sections[*index])).collect())
}

/// The sections of all tables, sequences and views, with the session settings before and after them.
fn relations(manifest: &Manifest) -> Vec<usize> {
    let is_wanted = |section: &Section| match section.kind {
        SectionKind::Header
        | SectionKind::Trailer
        | SectionKind::Table
        | SectionKind::Sequence
        | SectionKind::View => true,
        SectionKind::ViewPlaceholder
        | SectionKind::Events
        | SectionKind::Routines
        | SectionKind::Accounts => false,
    };
    (0..manifest.sections.len()).filter(|index| is_wanted(&manifest.sections[*index])).collect()
}

/// That two manifests of one artifact say the same of these sections; where they do not, it cannot be told which to
/// believe.
fn agree(own: &Manifest, beside: &Manifest, sections: &[usize]) -> Result<()> {
    let differs = |index: &&usize| own.sections.get(**index) != beside.sections.get(**index);
    let Some(section) = sections.iter().find(differs).and_then(|index| own.sections.get(*index)) else {
        return Ok(());
    };
    let title = verify::title(section);
    let problem = format!(
        "its sidecar and its own manifest say different things of {title}; with the sidecar moved away its own counts"
    );
    Err(Error::damaged(&own.name, problem))
}

/// A source of chunks as a `Read`.
struct SourceStream {
    source: SqlSource,
    chunk: Vec<u8>,
    at: usize,
}

impl std::io::Read for SourceStream {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.at == self.chunk.len() {
            self.chunk = self.source.next().map_err(std::io::Error::other)?.unwrap_or_default();
            self.at = 0;
        }
        let size = buffer.len().min(self.chunk.len() - self.at);
        buffer[..size].copy_from_slice(&self.chunk[self.at..self.at + size]);
        self.at += size;
        Ok(size)
    }
}
