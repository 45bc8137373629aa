//! Restoring beside the live database: the backup is loaded into a shadow and proved there, and only then takes its
//! place.

use std::collections::BTreeSet;

use super::check::{Check, Checked};
use super::live_state::LiveState;
use super::options::RestoreProof;
use super::preflight;
use super::rehearsal;
use super::stand_ins::stand_ins;
use super::swap::{self, Guard, Marked, Swap, Swapped};
use crate::error::{Error, Result};
use crate::load::{Destination, Load, OpenBackup, Origin, Renaming};
use crate::progress::Context;
use crate::server::{ServerClient, Sql, quote_name};

/// A restore beside a live database.
pub(super) struct Beside<'a> {
    pub(super) server: &'a ServerClient,
    pub(super) database: &'a str,
    /// What the live database was before anything was done.
    pub(super) before: &'a LiveState,
    /// Damaged tables of the live database.
    pub(super) damaged: &'a BTreeSet<String>,
    /// Those among them that the operator has named: they are never read.
    pub(super) given: &'a BTreeSet<String>,
    /// Tables whose rows are counted; none: all.
    pub(super) prove_tables: &'a [String],
    /// What is held against the backup.
    pub(super) proof: RestoreProof,
}

impl Beside<'_> {
    /// Loads, proves, and swaps.
    ///
    /// # Errors
    /// [`Error::Untouched`] and, if the swap was cut off, [`Error::Unfinished`].
    pub(super) fn run(
        &self,
        guard: Guard,
        input: &OpenBackup,
        context: &Context,
    ) -> Result<(Checked, Swapped)> {
        let swap = Swap {
            server: self.server,
            live: self.database,
            scope: input.is_partial().then(|| input.names()),
            stay: input.stay().clone(),
            spared: input.stay().clone(),
            charset: self.before.charset.clone(),
            damaged: self.given,
            before: self.before,
            cancel: &context.cancel,
        };
        let manifest = &input.manifest;
        let charset = manifest.charset.clone().zip(manifest.collation.clone());
        let untouched =
            |cause: Error| self.before.after_failure(cause, self.server, self.database, &context.cancel);
        let link = rehearsal::link_name();
        let copies = input.tables().into_iter().chain([link.clone()]);
        let made_as = charset.as_ref().or(self.before.charset.as_ref());
        let shadow =
            swap::shadow(self.server, self.database, copies, made_as, &context.cancel).map_err(untouched)?;
        let loaded = self.load(&shadow, input, context).and_then(|loaded| {
            let live = rehearsal::Live { database: self.database, damaged: self.damaged };
            rehearsal::links(self.server, &live, &shadow.database, &link, input, &context.cancel)?;
            Ok(loaded)
        });
        let restored = match loaded {
            Ok((checked, origin)) => {
                context.progress.begin(format!("swapping {}", self.database), 0);
                swap.run(guard, &shadow, charset, &origin).map(|swapped| (checked, swapped))
            }
            Err(cause) => Err(untouched(cause)),
        };
        restored.map_err(|cause| {
            // A swap that is still to be settled needs its shadow.
            let told = match cause {
                told @ (Error::Unfinished { .. } | Error::Torn { .. } | Error::Incomplete { .. }) => {
                    return told;
                }
                told @ (Error::Untouched { .. } | Error::NotAsItWas { .. } | Error::NotLooked { .. }) => told,
                cause => untouched(cause),
            };
            if let Some(why) = swap::remove_shadow(self.server, &shadow, &context.cancel) {
                log::warn!(code = crate::notice::LEFT_BEHIND.code; "{} is left behind: {why}", shadow.database);
            }
            told
        })
    }

    fn load(&self, shadow: &Marked, input: &OpenBackup, context: &Context) -> Result<(Checked, Origin)> {
        let to = Destination { server: self.server, database: &shadow.database, is_live: false };
        let scope = input.names();
        let here = |name: &str| input.is_here(name, &scope);
        let from = input.manifest.database.as_deref().unwrap_or_default();
        // A foreign key may refer to a table that never was; it must not mean one of the shadow.
        let loaded = |name: &str| scope.contains(&input.spelled(name));
        let renaming = Renaming { from: Some(from), here: &here, loaded: &loaded, elsewhere: self.database };
        let stand_ins =
            stand_ins(self.server, self.database, &shadow.database, self.damaged, input, &context.cancel)?;
        let own: BTreeSet<String> =
            stand_ins.iter().cloned().chain([shadow.seal_view().to_owned()]).collect();
        let load = Load::new(input, to, &renaming, true, context)?.with_late_keys()?.leaving_views_ours();
        load.all_but_events().map_err(too_long)?;
        load.events()?;
        let check = Check {
            input,
            server: self.server,
            database: &shadow.database,
            only: self.prove_tables,
            kept_views: &own,
            proof: self.proof,
        };
        let checked = check.all_but_events(context)?;
        check.events(context)?;
        let dropped: Vec<String> =
            stand_ins.iter().map(|view| format!("DROP VIEW IF EXISTS {};\n", quote_name(view))).collect();
        self.server.query(
            Some(&shadow.database),
            Sql::Write(&dropped.concat()),
            "removing stand-ins",
            &context.cancel,
        )?;
        let mut origin = load.script.origin;
        if self.database != from {
            // The names in them mean another database there.
            origin.texts.clear();
        }
        Ok((checked, origin))
    }
}

/// What it means that the path of a table's file is too long beside: it need not be in the database itself.
fn too_long(error: Error) -> Error {
    if error.number() != Some(rehearsal::PATH_TOO_LONG) {
        return error;
    }
    Error::Preflight {
        finding: format!("a swap cannot be, because the database beside has a longer name: {error}"),
        remedy: preflight::USE_IN_PLACE.into(),
    }
}
