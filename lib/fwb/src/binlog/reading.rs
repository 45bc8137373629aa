//! Reads what a server sends: which bytes are its log's, where they belong, whether they are what the chain goes on with.

use std::borrow::Cow;
use std::io::Read;

use fwb_binlog::{
    Change, Event, EventHeader, EventKind, EventSum, FormatDescription, Groups, GtidPosition, Omission,
    Sieve, Sifted, Step,
};

use super::follower::FOLLOWING;
use super::overlap::{Overlap, Overlapping};
use super::segment::Segment;
use super::writer::{Cut, SegmentWriter};
use crate::error::{Error, Result};
use crate::manifest::Timestamp;
use crate::server::SentEvent;

/// How much of a long event is taken at once, in bytes.
const CHUNK: usize = 256 << 10;

/// The log of one connection.
pub(super) struct Reading {
    pub(super) writer: SegmentWriter,
    /// The same bytes in segments that are made whenever somebody waits for them, for a spool; where there is one.
    spooling: Option<SegmentWriter>,
    file: String,
    /// Where the next event begins, counted.
    position: u64,
    /// The present file's format description, as it was sent.
    format: Option<Vec<u8>>,
    groups: Option<Groups>,
    /// The groups before the first event; none where the file says it.
    gtid: Option<GtidPosition>,
    overlapping: Overlapping,
    /// What tells changes that are kept from others.
    sieve: Sieve,
    /// Where the chain ends, and what must be before that.
    resumes: Option<(u64, Overlap)>,
    /// All that the server wrote before this moment has come, as far as that is known.
    known_until: Timestamp,
}

/// What became of an event.
pub(super) enum Passed {
    /// It was taken.
    On,
    /// It is not what the chain goes on with.
    Gap(String),
}

impl Reading {
    /// Reads what a new chain begins with: the beginning of a file.
    pub(super) fn of_new_chain(writer: SegmentWriter, known_until: Timestamp) -> Self {
        let position = writer.position();
        Self {
            writer,
            spooling: None,
            file: String::new(),
            position,
            format: None,
            groups: None,
            gtid: None,
            overlapping: Overlapping::new(position),
            sieve: Sieve::default(),
            resumes: None,
            known_until,
        }
    }

    /// Reads on where a chain ends, and before that once more what it has last.
    pub(super) fn of_chain(writer: SegmentWriter, last: &Segment) -> Self {
        Self {
            writer,
            spooling: None,
            file: last.file.clone(),
            position: last.overlap.from,
            format: None,
            groups: None,
            gtid: Some(last.gtid_after.clone()),
            overlapping: Overlapping::new(last.overlap.from),
            sieve: Sieve::default(),
            resumes: Some((last.end, last.overlap.clone())),
            known_until: last.safe_until(),
        }
    }

    /// From here on, what came last can be had as a segment of its own at any moment.
    pub(super) fn spool(&mut self) {
        self.spooling = Some(self.writer.clone());
    }

    /// Both that make segments.
    fn writers(&mut self) -> impl Iterator<Item = &mut SegmentWriter> {
        std::iter::once(&mut self.writer).chain(&mut self.spooling)
    }

    /// The file.
    pub(super) fn file(&self) -> &str {
        &self.file
    }

    /// The groups that have ended.
    pub(super) fn gtid(&self) -> Option<&GtidPosition> {
        self.groups.as_ref().map(Groups::position).or(self.gtid.as_ref())
    }

    /// Whether the server has sent again what the chain ends with, and it was the same.
    pub(super) fn is_past_overlap(&self) -> bool {
        self.resumes.is_none()
    }

    /// The server has no more at this moment than what has come.
    pub(super) fn no_more_at(&mut self, now: Timestamp) {
        self.writers().for_each(|writer| writer.no_more_at(now));
        self.known_until = self.known_until.max(now);
    }

    /// All that the server wrote before this moment has come, as far as that is known.
    pub(super) fn known_until(&self) -> Timestamp {
        self.known_until
    }

    /// Whether a group has begun and not ended.
    pub(super) fn is_within(&self) -> bool {
        self.groups.as_ref().is_some_and(Groups::is_within)
    }

    /// Whether it is not known yet of some of what was gathered if it is kept.
    pub(super) fn is_undecided(&self) -> bool {
        self.sieve.is_undecided()
    }

    /// What is wrong if the log ends here.
    pub(super) fn at_end(&self) -> Option<String> {
        let (end, _) = self.resumes.as_ref()?;
        Some(self.too_short(*end))
    }

    fn too_short(&self, end: u64) -> String {
        format!("the server's {} ends at {}, and the chain has it up to {end}", self.file, self.position)
    }

    /// Makes a segment of what was gathered.
    pub(super) fn cut(&mut self) -> Result<(Segment, Vec<u8>)> {
        let cut = self.state();
        self.writer.set_preamble(self.format.as_deref());
        let made = self.writer.cut(cut)?;
        // What comes next for the spool follows this one.
        if self.spooling.is_some() {
            self.spool();
        }
        Ok(made)
    }

    /// Makes a segment of what has come since the last one, for the spool; none where nothing has. What is gathered stays.
    pub(super) fn cut_for_spool(&mut self) -> Result<Option<Vec<u8>>> {
        let cut = self.state();
        let Some(spooling) = self.spooling.as_mut().filter(|spooling| spooling.size() > 0) else {
            return Ok(None);
        };
        spooling.set_preamble(self.format.as_deref());
        Ok(Some(spooling.cut(cut)?.1))
    }

    /// Bytes that have come since the last segment for the spool.
    pub(super) fn unspooled(&self) -> usize {
        self.spooling.as_ref().map_or(0, SegmentWriter::size)
    }

    /// What a segment that ends here says of its end.
    fn state(&self) -> Cut {
        let gtid = self.gtid().cloned().unwrap_or_default();
        let (within, safe_until) = (self.is_within(), self.known_until);
        Cut { overlap: self.overlapping.now(), gtid, within, safe_until }
    }

    /// Where the next event begins.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// Takes an event, which arrives now. `publish` is called where what was gathered belongs to another segment than what
    /// follows.
    pub(super) fn take(
        &mut self,
        sent: SentEvent<'_>,
        now: Timestamp,
        publish: &mut dyn FnMut(&mut Self) -> Result<()>,
    ) -> Result<Passed> {
        let SentEvent { bytes, rest, .. } = sent;
        let header = EventHeader::parse(bytes).map_err(malformed)?;
        let is_whole = rest.is_none();
        if is_whole && bytes.len() != header.size as usize {
            return Err(broken("an event of another size than it says"));
        }
        if header.kind.is_heartbeat() {
            return Ok(self.heartbeat(&header, now));
        }
        // What stands in no file says that it ends nowhere; within transactions, newer servers say so of what does.
        if header.is_artificial() || header.end == 0 && header.kind.is_of_file() {
            return self.artificial(&header, bytes, publish);
        }
        let end = self.position + u64::from(header.size);
        if header.end != 0 && u64::from(header.end) != end & 0xFFFF_FFFF {
            return Ok(Passed::Gap(format!(
                "the server sent an event of {} that ends at {}, where {end} was expected",
                self.file, header.end
            )));
        }
        if header.kind == EventKind::FORMAT_DESCRIPTION {
            self.format = Some(bytes.to_vec());
            self.begin_groups(bytes)?;
        }
        let Some(groups) = &mut self.groups else { return Err(broken("an event before its format")) };
        if is_whole && !groups.format().is_intact(bytes) {
            return Err(broken("an event whose checksum is not that of its bytes"));
        }
        let checks = groups.format().checksum == fwb_binlog::Checksum::Crc32;
        let step = groups.take(&header, bytes, self.position).map_err(malformed)?;
        if let Step::File(Event::Position(said)) = &step
            && let Some(why) = self.file_begins_after(said)
        {
            return Ok(Passed::Gap(why));
        }
        if header.kind.is_gtid() {
            self.overlapping.group_begins(self.position);
        }
        let mut omission = self.sift(&header, bytes)?;
        if let Some(why) = self.pass(bytes, omission.as_deref_mut(), now) {
            return Ok(Passed::Gap(why));
        }
        if let Some(mut rest) = rest {
            let mut sum = EventSum::default();
            sum.update(bytes);
            let mut left = u64::from(header.size).saturating_sub(bytes.len() as u64);
            let mut chunk = vec![0; CHUNK];
            while left > 0 {
                let size = rest.read(&mut chunk).map_err(lost)?;
                if size == 0 || size as u64 > left {
                    return Err(broken("an event of another size than it says"));
                }
                left -= size as u64;
                sum.update(&chunk[..size]);
                // A piece of a long event may be a segment by itself: memory is bounded.
                if self.writer.size() >= super::segment::MOST_HELD {
                    publish(self)?;
                }
                if let Some(why) = self.pass(&chunk[..size], omission.as_deref_mut(), now) {
                    return Ok(Passed::Gap(why));
                }
            }
            if checks && !sum.fits() {
                return Err(broken("an event whose checksum is not that of its bytes"));
            }
        }
        if let Step::Ends(group) = step {
            // What comes is in order, so all that is older has come; a time that is forged is not later than now.
            let said = chrono::DateTime::from_timestamp(group.timestamp.into(), 0);
            let said = said.map(|said| said.with_timezone(&now.timezone()).min(now));
            self.known_until = said.map_or(self.known_until, |said| self.known_until.max(said));
            self.overlapping.group_ends();
            // What the chain has already was noted then.
            if self.resumes.is_none() && self.writer.size() > 0 {
                self.writers().for_each(|writer| writer.note(&group));
            }
        }
        Ok(Passed::On)
    }

    /// The server lives, and has sent all that it has.
    fn heartbeat(&mut self, header: &EventHeader, now: Timestamp) -> Passed {
        if let Some((end, _)) = &self.resumes {
            return Passed::Gap(self.too_short(*end));
        }
        if header.end != 0 && u64::from(header.end) != self.position & 0xFFFF_FFFF {
            return Passed::Gap(format!(
                "the server says that it is at {} of {}, where {} was expected",
                header.end, self.file, self.position
            ));
        }
        self.no_more_at(now);
        Passed::On
    }

    /// What the server says beside its log: of which file the events are that follow, and how they are read.
    fn artificial(
        &mut self,
        header: &EventHeader,
        bytes: &[u8],
        publish: &mut dyn FnMut(&mut Self) -> Result<()>,
    ) -> Result<Passed> {
        if header.kind == EventKind::FORMAT_DESCRIPTION {
            self.format = Some(bytes.to_vec());
            self.begin_groups(bytes)?;
            return Ok(Passed::On);
        }
        if header.kind != EventKind::ROTATE {
            return Ok(Passed::On);
        }
        // It comes before any format, and its checksum is there or not: the name is what is before it.
        let with_sum = match &self.groups {
            Some(groups) => groups.format().checksum == fwb_binlog::Checksum::Crc32,
            None => {
                let mut sum = EventSum::default();
                sum.update(bytes);
                sum.fits()
            }
        };
        let end = bytes.len().saturating_sub(if with_sum { 4 } else { 0 });
        let body = bytes.get(fwb_binlog::HEADER_SIZE..end).unwrap_or_default();
        let (position, file) =
            body.split_first_chunk::<8>().ok_or_else(|| broken("a rotation that is cut off"))?;
        let position = u64::from_le_bytes(*position);
        let file = std::str::from_utf8(file).map_err(|_| broken("a file whose name is none"))?;
        if file == self.file {
            if position != self.position {
                return Ok(Passed::Gap(format!(
                    "the server goes on at {position} of {file}, where {} was expected",
                    self.position
                )));
            }
            return Ok(Passed::On);
        }
        if let Some((end, _)) = &self.resumes {
            return Ok(Passed::Gap(self.too_short(*end)));
        }
        publish(self)?;
        if !self.file.is_empty() && position != fwb_binlog::MAGIC.len() as u64 {
            return Ok(Passed::Gap(format!(
                "the server goes on in {file} at {position}, not at its beginning"
            )));
        }
        file.clone_into(&mut self.file);
        self.position = position;
        self.writers().for_each(|writer| writer.begin_file(file, position));
        self.overlapping = Overlapping::new(position);
        Ok(Passed::On)
    }

    /// A format holds from here on.
    fn begin_groups(&mut self, event: &[u8]) -> Result<()> {
        let format = FormatDescription::parse(event).map_err(malformed)?;
        if self.groups.is_none() {
            self.groups = Some(Groups::new(format, self.gtid.clone().unwrap_or_default()));
        }
        Ok(())
    }

    /// The file says after which groups it begins. Returns why that is not where the chain is.
    fn file_begins_after(&mut self, said: &GtidPosition) -> Option<String> {
        let groups = self.groups.as_mut()?;
        if self.gtid.is_none() {
            *groups = Groups::new(groups.format().clone(), said.clone());
            self.writers().for_each(|writer| writer.begin_after(said));
            self.gtid = Some(said.clone());
            return None;
        }
        // What is sent once more begins before where the chain is.
        if self.resumes.is_some() || groups.position() == said {
            return None;
        }
        Some(format!(
            "the server's {} begins after {said}, and the chain has {}",
            self.file,
            groups.position()
        ))
    }

    /// What is to stand in the place of the next event, where its changes are not kept. Those before it that belong to it are left out
    /// too.
    fn sift(&mut self, header: &EventHeader, event: &[u8]) -> Result<Option<Box<Omission>>> {
        if self.writer.only().is_all() {
            return Ok(None);
        }
        let Some(groups) = &self.groups else { return Ok(None) };
        let starts = std::iter::once(&self.writer).chain(&self.spooling).map(SegmentWriter::start);
        let fixed = starts.max().unwrap_or_default();
        let only = self.writer.only();
        let meant = |change: Change<'_>| only.keeps(change);
        let (sifted, before) = self
            .sieve
            .take(header, event, self.position, fixed, groups.format(), &meant)
            .map_err(malformed)?;
        let format = groups.format().clone();
        for event in &before {
            self.writers().for_each(|writer| writer.leave_out(event, &format));
        }
        Ok(match sifted {
            Sifted::LeftOut(omission) => Some(omission),
            Sifted::Kept | Sifted::Undecided => None,
        })
    }

    /// Takes bytes of the log. `omission` is what makes of them what is kept. Returns why they are not what the chain has.
    fn pass(&mut self, bytes: &[u8], omission: Option<&mut Omission>, now: Timestamp) -> Option<String> {
        let mut kept = Cow::Borrowed(bytes);
        if let Some(omission) = omission {
            omission.pass(kept.to_mut());
        }
        let mut new = bytes;
        if let Some((end, expected)) = &self.resumes {
            let known =
                usize::try_from(end.saturating_sub(self.position)).unwrap_or(usize::MAX).min(bytes.len());
            let (known, rest) = bytes.split_at(known);
            self.overlapping.update(known);
            self.position += known.len() as u64;
            new = rest;
            if self.position == *end {
                if self.overlapping.now() != *expected {
                    return Some(format!(
                        "what the server has in {} from {} to {end} is not what the chain has there",
                        self.file, expected.from
                    ));
                }
                self.resumes = None;
            }
        }
        if !new.is_empty() {
            self.overlapping.update(new);
            let kept = &kept[kept.len() - new.len()..];
            self.writers().for_each(|writer| writer.take(kept, now));
            self.position += new.len() as u64;
        }
        None
    }
}

fn lost(source: std::io::Error) -> Error {
    Error::Lost { doing: FOLLOWING.into(), source }
}

/// What came over the connection is not what the server has.
fn broken(what: &str) -> Error {
    lost(std::io::Error::new(std::io::ErrorKind::InvalidData, what))
}

fn malformed(malformed: fwb_binlog::Malformed) -> Error {
    Error::NoLog { problem: malformed.to_string(), remedy: "report it, with the server's version".into() }
}
