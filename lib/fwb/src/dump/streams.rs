//! What the dump programs write: each stream is scanned and cut, and all of them become one dump.

use std::sync::mpsc;

use crate::artifact::{Cutter, Extent, Piece, PieceSender, Placed};
use crate::error::Result;
use crate::manifest::{Binlog, Section, SectionKind};
use crate::progress::Context;
use crate::scan::{Summary, unobserved};
use crate::server::{Output, Running};
use crate::thread;

/// A running dump program.
pub(super) struct DumpStream {
    sql: SqlStream,
    running: Running,
}

impl DumpStream {
    pub(super) fn new(output: Output, running: Running) -> Self {
        let sql = SqlStream { output, cutter: Cutter::new(), cut: Vec::new(), ended: false };
        Self { sql, running }
    }

    /// Reads until the header is there, and returns it: none where there is only that, or less.
    ///
    /// # Errors
    /// The stream cannot be read.
    pub(super) fn header(&mut self) -> Result<Option<&[u8]>> {
        while self.sql.cut.is_empty() && !self.sql.ended {
            self.sql.advance()?;
        }
        Ok(self.sql.cut.first().map(|piece| piece.raw.as_slice()))
    }
}

/// What a dump program writes.
struct SqlStream {
    output: Output,
    cutter: Cutter,
    /// What was cut and not yet handed on.
    cut: Vec<Piece>,
    ended: bool,
}

impl SqlStream {
    /// Reads and cuts the next part. Returns how many bytes it read.
    fn advance(&mut self) -> Result<usize> {
        let cut = &mut self.cut;
        let mut push = |piece| {
            cut.push(piece);
            Ok(())
        };
        let read = self.cutter.read_from(&mut self.output, &mut unobserved, &mut push)?;
        self.ended = read == 0;
        Ok(read)
    }
}

/// Reads all streams to their ends, side by side. Returned beside what they were: the programs, and first among them the
/// one that failed first.
pub(super) fn read_all(
    streams: Vec<DumpStream>,
    senders: Vec<PieceSender>,
    context: &Context,
) -> (Result<Vec<Summary>>, Vec<Running>) {
    let mut running = Vec::new();
    let mut summaries = Vec::new();
    let mut why = None;
    let mut error = None;
    std::thread::scope(|scope| {
        let (done, outcomes) = mpsc::channel();
        for (number, (DumpStream { sql, running: child }, sender)) in
            streams.into_iter().zip(senders).enumerate()
        {
            running.push(child);
            let reader = Reader { number, sql, sender };
            let done = done.clone();
            let started = thread::start_in(scope, move || {
                // The channel is read to its end.
                done.send((number, reader.read(context))).ok();
            });
            error = error.take().or(started.err());
        }
        drop(done);
        if error.is_some() {
            running.iter().for_each(Running::kill);
        }
        for (number, outcome) in outcomes {
            let failed = outcome.as_ref().map_or(true, |summary| summary.incomplete.is_some());
            if failed && why.is_none() {
                why = Some(number);
                // One that came to its end by itself says why when it is waited for.
                let others =
                    running.iter().enumerate().filter(|(other, _)| *other != number || outcome.is_err());
                others.for_each(|(_, child)| child.kill());
            }
            match outcome {
                Ok(summary) => summaries.push((number, summary)),
                Err(failure) => error = error.take().or(Some(failure)),
            }
        }
    });
    if let Some(first) = why {
        running[..=first].rotate_right(1);
    }
    summaries.sort_by_key(|(number, _)| *number);
    let summaries = summaries.into_iter().map(|(_, summary)| summary).collect();
    (error.map_or(Ok(summaries), Err), running)
}

/// What reads one stream.
struct Reader {
    number: usize,
    sql: SqlStream,
    sender: PieceSender,
}

impl Reader {
    fn read(mut self, context: &Context) -> Result<Summary> {
        self.hand_on()?;
        while !self.sql.ended {
            context.cancel.check()?;
            let read = self.sql.advance()?;
            self.hand_on()?;
            context.progress.advance(read as u64);
            let (kind, name) = self.sql.cutter.reading();
            context.progress.focus(format!("dumping {} {}", kind.as_str(), name.unwrap_or_default()));
        }
        let Self { number, sql: SqlStream { cutter, .. }, sender } = self;
        let kinds = cutter.kinds();
        cutter.finish(&mut unobserved, &mut |piece| {
            let kind = kinds.get(piece.section).copied().unwrap_or(SectionKind::Header);
            push(&sender, number, piece, kind)
        })
    }

    fn hand_on(&mut self) -> Result<()> {
        let Self { number, sql: SqlStream { cutter, cut, .. }, sender } = self;
        cut.drain(..).try_for_each(|piece| {
            let kind = cutter.kind_of(piece.section);
            push(sender, *number, piece, kind)
        })
    }
}

fn push(sender: &PieceSender, number: usize, piece: Piece, kind: SectionKind) -> Result<()> {
    if is_left_out(number, kind) {
        return Ok(());
    }
    sender.push(piece, is_tail(kind))
}

/// Whether a section comes after all tables.
fn is_tail(kind: SectionKind) -> bool {
    use SectionKind::{Events, Routines, Trailer, View};
    matches!(kind, Events | Routines | View | Trailer)
}

/// Whether a section is the first stream's alone.
fn is_left_out(number: usize, kind: SectionKind) -> bool {
    number > 0 && matches!(kind, SectionKind::Header | SectionKind::Trailer)
}

/// What all streams were together.
pub(super) struct Whole {
    pub(super) sections: Vec<Section>,
    pub(super) raw_size: u64,
    pub(super) largest_statement: u64,
    /// Why the dump cannot be complete; none where it is.
    pub(super) incomplete: Option<&'static str>,
    pub(super) binlog: Option<Binlog>,
}

impl Whole {
    /// Puts the sections of all streams into the order in which they were written.
    pub(super) fn new(summaries: Vec<Summary>, placed: &[Placed]) -> Self {
        let cut = |summary: &Summary| {
            let silent = (!summary.says_completed).then_some("its last line is not \"-- Dump completed\"");
            summary.incomplete.or(silent)
        };
        let mut whole = Self {
            sections: Vec::new(),
            raw_size: 0,
            largest_statement: summaries.iter().map(|summary| summary.largest_statement).max().unwrap_or(0),
            incomplete: summaries.iter().find_map(cut),
            binlog: None,
        };
        let mut streams: Vec<_> = summaries
            .into_iter()
            .map(|summary| {
                whole.binlog = whole.binlog.take().or(summary.origin.binlog);
                summary.sections.into_iter().enumerate().peekable()
            })
            .collect();
        let mut end = 0;
        for Placed { stream, section, extent } in placed {
            let Some(sections) = streams.get_mut(*stream) else { continue };
            // A section without a byte lies where the next one begins.
            while let Some((index, next)) = sections.next_if(|(index, _)| index <= section) {
                let empty = Extent { offset: extent.offset, ..Extent::default() };
                whole.add(*stream, next, if index == *section { *extent } else { empty });
            }
            end = extent.offset + extent.size;
        }
        let empty = Extent { offset: end, ..Extent::default() };
        for (stream, sections) in streams.into_iter().enumerate() {
            sections.for_each(|(_, section)| whole.add(stream, section, empty));
        }
        whole
    }

    fn add(&mut self, stream: usize, section: Section, extent: Extent) {
        if is_left_out(stream, section.kind) {
            return;
        }
        let raw_offset = self.raw_size;
        self.raw_size += section.raw_size;
        let (offset, size) = (Some(extent.offset), Some(extent.size));
        let crc32 = Some(extent.crc32.to_hex());
        self.sections.push(Section { offset, size, raw_offset, crc32, ..section });
    }
}
