//! SQL on its way into an artifact: scanned, judged as a restore will judge it, cut, handed on.

use std::collections::BTreeMap;

use super::estimate::Estimate;
use super::writer::Sink;
use crate::admission::{Outside, Survey, object_of};
use crate::artifact::{Cutter, Piece, PieceSender};
use crate::error::{Error, Result};
use crate::progress::Context;
use crate::scan::{Statement, Summary};

/// How much is taken in at once, in bytes.
const CHUNK: usize = 256 << 10;

/// One stream of SQL.
pub(super) struct PieceStream<'a> {
    cutter: Cutter,
    /// What was cut and not yet handed on.
    cut: Vec<Piece>,
    judge: Judge,
    estimate: Estimate,
    sender: PieceSender,
    context: &'a Context,
}

impl<'a> PieceStream<'a> {
    /// Of a database whose tables have these sizes, in bytes.
    pub(super) fn new(
        database: &str,
        tables: &[(String, u64)],
        sender: PieceSender,
        context: &'a Context,
    ) -> Self {
        let (cutter, estimate) = (Cutter::new(sender.codec()), Estimate::new(tables));
        Self { cutter, cut: Vec::new(), judge: Judge::new(database), estimate, sender, context }
    }

    /// Takes what was written to its end. Returns what it was, and which tables reach outside of the database.
    ///
    /// # Errors
    /// The artifact cannot be written, a restore would refuse a statement, or a signal arrived.
    pub(super) fn finish(mut self) -> Result<(Summary, BTreeMap<String, Outside>)> {
        self.take_in(true)?;
        self.end()
    }

    fn take_in(&mut self, eof: bool) -> Result<()> {
        let came = self.cutter.waiting();
        let Self { cutter, cut, judge, .. } = self;
        cutter.take_in(eof, &mut |statement| judge.observe(statement), &mut keep(cut))?;
        self.hand_on(came - self.cutter.waiting())
    }

    fn hand_on(&mut self, bytes: usize) -> Result<()> {
        self.context.cancel.check()?;
        let Self { cutter, cut, sender, context, estimate, .. } = self;
        cut.drain(..).try_for_each(|piece| sender.push(piece))?;
        context.progress.advance(bytes as u64);
        let (kind, name) = cutter.reading();
        context.progress.estimate(estimate.advance(bytes as u64, kind, name));
        context.progress.focus(format!("dumping {} {}", kind.as_str(), name.unwrap_or_default()));
        Ok(())
    }

    fn end(self) -> Result<(Summary, BTreeMap<String, Outside>)> {
        let Self { cutter, mut judge, sender, .. } = self;
        let summary =
            cutter.finish(&mut |statement| judge.observe(statement), &mut |piece| sender.push(piece))?;
        Ok((summary, judge.survey.outside))
    }
}

/// Judges what is dumped as a restore judges it.
struct Judge {
    database: String,
    survey: Survey,
}

impl Judge {
    fn new(database: &str) -> Self {
        Self { database: database.to_owned(), survey: Survey::new(database, Some(database)) }
    }

    fn observe(&mut self, statement: &Statement<'_>) -> Result<()> {
        self.survey.observe(statement).map_err(|error| match error {
            Error::Inadmissible { why, .. } => {
                Error::Unrestorable { database: self.database.clone(), object: object_of(statement), why }
            }
            other => other,
        })
    }
}

impl Sink for PieceStream<'_> {
    fn sql(&mut self) -> &mut Vec<u8> {
        self.cutter.sql()
    }

    fn pass(&mut self) -> Result<()> {
        if self.cutter.waiting() < CHUNK { Ok(()) } else { self.take_in(false) }
    }
}

fn keep(cut: &mut Vec<Piece>) -> impl FnMut(Piece) -> Result<()> {
    |piece| {
        cut.push(piece);
        Ok(())
    }
}
