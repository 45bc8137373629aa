//! Restoring beside the live database: the backup is loaded into a shadow and proved there, and only then takes its
//! place.

use std::collections::BTreeSet;

use super::check::{Check, Checked};
use super::input::Input;
use super::load::{Destination, Load};
use super::plan::RestoreProof;
use super::rename::Renaming;
use super::script::Origin;
use super::session::Quoting;
use super::swap::{Guard, Marked, Swap, Swapped};
use crate::error::{Error, Result};
use crate::manifest::{ObjectKind, SectionKind};
use crate::progress::Context;
use crate::server::{Definition, DefinitionKind, ServerClient, quote_name};

/// A restore beside a live database.
pub(super) struct Beside<'a> {
    pub(super) server: &'a ServerClient,
    pub(super) database: &'a str,
    pub(super) quoting: Quoting,
    /// The live database's default character set and collation; none where it does not exist.
    pub(super) charset: Option<(String, String)>,
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
    pub(super) fn run(&self, guard: Guard, input: &Input, context: &Context) -> Result<(Checked, Swapped)> {
        let swap = Swap {
            server: self.server,
            quoting: self.quoting,
            live: self.database,
            scope: input.is_partial().then(|| chosen(input)),
            charset: self.charset.clone(),
            cancel: &context.cancel,
        };
        let manifest = &input.manifest;
        let charset = manifest.charset.clone().zip(manifest.collation.clone());
        let untouched = |cause: Error| match cause {
            told @ (Error::Untouched { .. } | Error::Unfinished { .. } | Error::Incomplete { .. }) => told,
            cause => Error::Untouched { cause: Box::new(cause), database: self.database.into() },
        };
        let shadow = swap.shadow(charset.as_ref().or(self.charset.as_ref())).map_err(untouched)?;
        let restored = self.load(&shadow, input, context).and_then(|(checked, origin)| {
            context.progress.begin(format!("swapping {}", self.database), 0);
            swap.run(guard, &shadow, charset, &origin).map(|swapped| (checked, swapped))
        });
        restored.map_err(|cause| {
            // A swap that was cut off needs its shadow.
            if !matches!(cause, Error::Unfinished { .. }) {
                swap.remove(&shadow);
            }
            untouched(cause)
        })
    }

    fn load(&self, shadow: &Marked, input: &Input, context: &Context) -> Result<(Checked, Origin)> {
        let to = Destination {
            server: self.server,
            database: &shadow.database,
            quoting: self.quoting,
            is_live: false,
        };
        let scope = chosen(input);
        let here = |name: &str| !input.is_partial() || scope.contains(name);
        let from = input.manifest.database.as_deref().unwrap_or_default();
        // A foreign key may refer to a table that never was; it must not mean one of the shadow.
        let loaded = |name: &str| scope.contains(name);
        let renaming = Renaming { from: Some(from), here: &here, loaded: &loaded, elsewhere: self.database };
        let stand_ins = self.stand_ins(&shadow.database, &scope, input, context)?;
        let load = Load::new(input, to, &renaming, true, context)?.with_late_keys()?;
        load.all_but_events()?;
        load.events()?;
        let check = Check {
            input,
            server: self.server,
            database: &shadow.database,
            only: self.prove_tables,
            kept_views: &stand_ins,
            proof: self.proof,
        };
        let checked = check.all_but_events(context)?;
        check.events(context)?;
        let dropped: Vec<String> =
            stand_ins.iter().map(|view| format!("DROP VIEW IF EXISTS {};\n", quote_name(view))).collect();
        self.server.query(
            Some(&shadow.database),
            &dropped.concat(),
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

    /// A view that is restored alone needs what it selects from and calls: views of the live database's tables stand in
    /// for them while it is made, and copies of its functions.
    fn stand_ins(
        &self,
        shadow: &str,
        scope: &BTreeSet<String>,
        input: &Input,
        context: &Context,
    ) -> Result<BTreeSet<String>> {
        let views = input.sections().any(|section| section.kind == SectionKind::View);
        if !input.is_partial() || !views {
            return Ok(BTreeSet::new());
        }
        let live = self.server.inventory(self.database, &context.cancel)?;
        let names = live.tables.into_keys().chain(live.views).filter(|name| !scope.contains(name));
        let stand_ins: BTreeSet<String> = names.collect();
        let views = stand_ins.iter().map(|name| {
            let (name, live) = (quote_name(name), quote_name(self.database));
            format!("CREATE VIEW {name} AS SELECT * FROM {live}.{name};\n")
        });
        let functions = self.server.definitions(self.database, &context.cancel)?.into_iter();
        let functions = functions
            .filter(|definition| definition.kind == DefinitionKind::Program(ObjectKind::Function))
            .map(|function| {
                let Definition { sql_mode, charset, collation, text, .. } = function;
                let session = format!(
                    "SET SESSION sql_mode='{sql_mode}', SESSION character_set_client={charset}, SESSION collation_connection={collation};\n"
                );
                session + &format!("EXECUTE IMMEDIATE 0x{};\n", hex::encode(text))
            });
        let sql: String = views.chain(functions).collect();
        self.server.query(Some(shadow), &sql, "making stand-ins", &context.cancel)?;
        Ok(stand_ins)
    }
}

/// The tables, sequences and views that are restored.
fn chosen(input: &Input) -> BTreeSet<String> {
    input.sections().filter_map(|section| section.name.clone()).collect()
}
