//! The stages of a load: tables first, then the rows over several connections, then what rows must not meet.

use super::destination::{Destination, end_session, not_sent, start_session};
use super::open_backup::OpenBackup;
use super::rename::Renaming;
use super::rows::load_rows;
use super::script::{LoadStage, Script};
use crate::error::Result;
use crate::progress::Context;

/// A backup that is being loaded.
pub(crate) struct Load<'a> {
    input: &'a OpenBackup,
    to: Destination<'a>,
    pub(crate) script: Script,
    context: &'a Context,
}

impl<'a> Load<'a> {
    /// Reads the definitions; nothing is sent yet. With `disabled`, the events will not run.
    ///
    /// # Errors
    /// The backup cannot be read, or holds what no dump holds.
    pub(crate) fn new(
        input: &'a OpenBackup,
        to: Destination<'a>,
        renaming: &Renaming<'_>,
        disabled: bool,
        context: &'a Context,
    ) -> Result<Self> {
        context.progress.begin(format!("loading {}", to.database), input.raw_size());
        let script = Script::read(input, renaming, disabled, context)?;
        Ok(Self { input, to, script, context })
    }

    /// Gives tables their keys after their rows, where that is faster and comes to the same. Only for a database of
    /// ours: elsewhere, foreign keys may refer to a table that lacks keys for a while.
    ///
    /// # Errors
    /// The backup cannot be read.
    pub(crate) fn with_late_keys(mut self) -> Result<Self> {
        if self.input.is_seekable()? {
            self.script.put_off_keys(self.input);
        }
        Ok(self)
    }

    /// Leaves views under others as our own account's; [`Origin`](super::script::Origin) has how they were written.
    pub(crate) fn leaving_views_ours(mut self) -> Self {
        self.script.leave_views_ours();
        self
    }

    /// Loads everything but the events.
    ///
    /// # Errors
    /// A statement fails, or the backup cannot be read.
    pub(crate) fn all_but_events(&self) -> Result<()> {
        self.stages(&[LoadStage::Structure])?;
        load_rows(self.input, &self.script, self.to, self.context)?;
        self.stages(&[LoadStage::References, LoadStage::Routines, LoadStage::Views, LoadStage::Triggers])
    }

    /// Makes everything, and loads no rows.
    ///
    /// # Errors
    /// A statement fails.
    pub(crate) fn definitions(&self) -> Result<()> {
        self.stages(&[
            LoadStage::Structure,
            LoadStage::References,
            LoadStage::Routines,
            LoadStage::Views,
            LoadStage::Triggers,
            LoadStage::Events,
        ])
    }

    /// Makes the events. One that is due runs at once, unless they were read as disabled ones.
    ///
    /// # Errors
    /// As [`Load::all_but_events`].
    pub(crate) fn events(&self) -> Result<()> {
        self.stages(&[LoadStage::Events])
    }

    fn stages(&self, stages: &[LoadStage]) -> Result<()> {
        let parts: Vec<_> = stages
            .iter()
            .flat_map(|stage| {
                let finals = self.script.finals().filter(|_| *stage == LoadStage::Views);
                let parts = self.script.parts(*stage).into_iter().chain(finals);
                parts.flatten().map(move |line| (*stage, line))
            })
            .filter(|(stage, line)| !(line.of_database && *stage == LoadStage::Structure))
            .map(|(_, line)| line)
            .collect();
        if parts.is_empty() {
            return Ok(());
        }
        let mut session = start_session(self.to, &self.script, &self.context.cancel)?;
        let (mut section, mut in_force) = (None, self.script.rows_mode);
        let sent = parts.into_iter().try_for_each(|line| {
            line.follow(&mut in_force, &self.input.manifest.name)?;
            if section != Some(line.section) {
                section = Some(line.section);
                session.mark(|| self.input.place(line.section, None));
                self.context.cancel.check()?;
            }
            session.statement(&line.text).map_err(not_sent)?;
            line.ours.iter().try_for_each(|ours| session.statement(ours).map_err(not_sent))
        });
        end_session(session, sent, self.to, &self.context.cancel)
    }
}
