//! A restore, carried out as its plan says.

use std::collections::BTreeSet;
use std::time::Instant;

use serde::Serialize;

use super::finding::Finding;
use super::in_place::InPlace;
use super::live_state::LiveState;
use super::options::Strategy;
use super::plan::Prepared;
use super::preflight;
use super::shadow::Beside;
use super::swap::{self, Guard};
use super::undo::{KeepBefore, remove_surplus};
use crate::error::{Error, Result};
use crate::progress::{Context, seconds_since};

/// What a restore has done.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The backup.
    pub backup: String,
    /// Its store.
    pub store: String,
    /// The database restored into.
    pub database: String,
    /// How.
    pub strategy: Strategy,
    /// The tables, sequences and views that were restored; none: everything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chosen: Option<Vec<String>>,
    /// What was there and stayed as it was, because the backup leaves it, or its rows, out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stayed: Vec<String>,
    /// Tables whose rows were counted and are right.
    pub tables: usize,
    /// Rows in them.
    pub rows: u64,
    /// The backup of what was there before.
    pub safety_backup: Option<String>,
    /// The database that keeps what was there before, for `--undo`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// How long the live database had no triggers while they changed places, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trigger_gap_seconds: Option<f64>,
    /// What had been left by restores that were cut off, and what was done about it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub recovered: Vec<String>,
    /// What was found beforehand.
    pub findings: Vec<Finding>,
    /// How long it took, safety backup and check included, in seconds.
    pub seconds: f64,
}

impl Prepared<'_> {
    /// Does it.
    ///
    /// # Errors
    /// A finding refuses it, the safety backup fails, or the restore does; in the last case the database is as it
    /// was, or the error says that it is not.
    pub fn run(self, context: &Context) -> Result<Report> {
        let begun = Instant::now();
        preflight::refuse(&self.plan.findings)?;
        let database = &self.plan.database;
        let guard = Guard::take(self.server, database, &context.cancel)?;
        let recovered = swap::recover(self.server, database, &context.cancel)?;
        let given: BTreeSet<String> = self.options.damaged.iter().cloned().collect();
        let damaged: BTreeSet<String> =
            self.plan.damaged.iter().map(|damaged| damaged.table.clone()).collect();
        let safety = if self.plan.safety_backup { self.back_up_if_possible(context)? } else { None };
        let state = LiveState::read(self.server, database, &damaged, &context.cancel)?;
        let empty = state.tables.is_empty() && state.definitions.is_empty();
        if state.charset.is_some() != self.plan.exists
            || self.before.empty && !empty
            || self.plan.replaced.as_ref().is_some_and(Vec::is_empty) && state.has_any(&self.input.names())
        {
            return Err(Error::Preflight {
                finding: format!("{database} is not what it was when the plan was made"),
                remedy: "run it again, and look at the new plan".into(),
            });
        }
        let (checked, swapped) = match self.plan.strategy {
            Strategy::InPlace => {
                // The guard is held to the end.
                let checked = self.in_place(safety.as_deref(), &state, &damaged).run(&self.input, context)?;
                drop(guard);
                (checked, None)
            }
            Strategy::Swap => {
                let (checked, swapped) =
                    self.beside(&state, &damaged, &given).run(guard, &self.input, context)?;
                (checked, Some(swapped))
            }
        };
        if let Some(keep) = self.options.keep_before {
            match Guard::take(self.server, database, &context.cancel) {
                Ok(_guard) => {
                    remove_surplus(self.server, database, keep, crate::manifest::now(), &context.cancel)?;
                }
                // What was asked for first is done.
                Err(error @ Error::Busy { .. }) => {
                    log::warn!(code = crate::notice::LEFT_BEHIND.code; "what swaps have kept is left as it is: {error}");
                }
                Err(error) => return Err(error),
            }
        }
        let kept = swapped.as_ref().and_then(|swapped| swapped.kept.clone());
        Ok(Report {
            backup: self.plan.backup,
            store: self.plan.store,
            database: self.plan.database,
            strategy: self.plan.strategy,
            chosen: self.plan.tables,
            stayed: self.plan.stay,
            tables: checked.tables,
            rows: checked.rows,
            safety_backup: safety,
            before: kept.filter(|_| !self.options.keep_before.is_some_and(KeepBefore::keeps_nothing)),
            trigger_gap_seconds: swapped.map(|swapped| swapped.gap),
            recovered,
            findings: self.plan.findings,
            seconds: seconds_since(begun),
        })
    }

    fn in_place<'s>(
        &'s self,
        safety: Option<&'s str>,
        state: &'s LiveState,
        damaged: &'s BTreeSet<String>,
    ) -> InPlace<'s> {
        InPlace {
            server: self.server,
            database: &self.plan.database,
            before: self.before.clone(),
            safety: safety.map(|name| (self.store, name)),
            prove_tables: &self.options.prove_tables,
            proof: self.proof,
            state,
            damaged,
        }
    }

    fn beside<'s>(
        &'s self,
        before: &'s LiveState,
        damaged: &'s BTreeSet<String>,
        given: &'s BTreeSet<String>,
    ) -> Beside<'s> {
        Beside {
            server: self.server,
            database: &self.plan.database,
            before,
            damaged,
            given,
            prove_tables: &self.options.prove_tables,
            proof: self.proof,
        }
    }
}
