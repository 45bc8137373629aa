//! Restoring over the live database: what is there goes, the backup comes, and when that fails the safety backup.

use std::collections::BTreeSet;

use super::check::{Check, Checked};
use super::live_state::{LiveState, named};
use super::options::RestoreProof;
use super::rehearsal::{self, Depth};
use crate::error::{Error, Result};
use crate::load::{Destination, Load, LoadSession, OpenBackup, Renaming, end_session, not_sent};
use crate::manifest::{Manifest, ObjectKind};
use crate::progress::{Cancel, Context};
use crate::server::{Definition, Flavor, Inventory, ServerClient, Sql, charset_clause, quote_name};
use crate::store::Store;

/// A restore over a live database.
pub(super) struct InPlace<'a> {
    pub(super) server: &'a ServerClient,
    pub(super) database: &'a str,
    pub(super) before: Before,
    /// The safety backup, and the store that it is in.
    pub(super) safety: Option<(&'a Store, &'a str)>,
    /// Tables whose rows are counted; none: all.
    pub(super) prove_tables: &'a [String],
    /// What is held against the backup.
    pub(super) proof: RestoreProof,
    /// What the live database was before anything was done.
    pub(super) state: &'a LiveState,
    /// Damaged tables of the live database. There is no safety backup where there are any.
    pub(super) damaged: &'a BTreeSet<String>,
}

/// How long a statement that removes something waits for a client that uses it, in seconds; then the restore fails, and is
/// rolled back.
const LOCK_WAIT: u32 = 60;

/// What there was before.
#[derive(Debug, Clone)]
pub(super) struct Before {
    /// Default character set and collation; none: the database did not exist.
    pub(super) charset: Option<(String, String)>,
    /// Whether it held nothing.
    pub(super) empty: bool,
    /// Broken views whose names the backup does not use. They stay: no dump can bring them back.
    pub(super) kept_views: BTreeSet<String>,
    /// Where chosen tables are restored: those tables, sequences and views that were there and are replaced. A safety backup
    /// holds these alone, because nothing else is touched: neither tables that a foreign key links to them, nor stored programs
    /// and events.
    pub(super) replaced: BTreeSet<String>,
}

impl InPlace<'_> {
    /// Rehearses, restores, checks, and rolls back when one of the last two fails.
    pub(super) fn run(&self, input: &OpenBackup, context: &Context) -> Result<Checked> {
        let untouched =
            |cause: Error| self.state.after_failure(cause, self.server, self.database, &context.cancel);
        let load = self.load(input, context).map_err(untouched)?;
        self.rehearse(input, context).map_err(untouched)?;
        let grants = self.grants(&context.cancel).map_err(untouched)?;
        self.nothing_new(input, &context.cancel).map_err(untouched)?;
        if self.before.charset.is_none() {
            // One that somebody else has made meanwhile is not ours to remove.
            self.create(input, &context.cancel).map_err(untouched)?;
        }
        let restored = self
            .replace(input, &load, context)
            .and_then(|()| self.check(input, self.prove_tables).all_but_events(context))
            .and_then(|checked| self.add_events(input, &load, context).map(|()| checked))
            .or_else(|cause| self.roll_back(cause, input, context));
        if let (false, Err(error)) = (grants.is_empty(), self.grant(&grants)) {
            log::warn!(code = crate::notice::NOT_KEPT.code; "who may execute the stored programs could not be granted again: {error}");
        }
        restored
    }

    /// Makes what the backup and the safety backup define in a database of ours, without rows: what cannot be made would
    /// be lost, and could not be put back.
    fn rehearse(&self, input: &OpenBackup, context: &Context) -> Result<()> {
        if self.before.charset.is_none() || self.before.empty {
            return Ok(());
        }
        let rehearse = |input: &OpenBackup, what: &str, depth| {
            let live = rehearsal::Live { database: self.database, damaged: self.damaged };
            match rehearsal::rehearse(self.server, &live, input, (what, depth), context) {
                // It need not be so in the database itself, and there is a way back.
                Err(Error::Rehearsal { cause, .. })
                    if self.safety.is_some() && cause.number() == Some(rehearsal::PATH_TOO_LONG) =>
                {
                    log::warn!(code = crate::notice::EXPECT.code; "{what} is not rehearsed: the name of a file is too long in a database of ours: {cause}");
                    Ok(())
                }
                rehearsed => rehearsed,
            }
        };
        rehearse(input, "what the backup holds", Depth::Definitions)?;
        let Some((store, name)) = self.safety else { return Ok(()) };
        // Opening it judges all of its statements, rows too.
        let all = open_safety(store, name, &[], input, context)?;
        let held = all.names();
        let scope = input.names();
        let is_touched =
            |table: &String| !input.stay().contains(table) && (!input.is_partial() || scope.contains(table));
        let mut live = self.state.tables.keys();
        if let Some(table) = live.find(|table| is_touched(table) && !held.contains(*table)) {
            return Err(Error::Preflight {
                finding: format!(
                    "the safety backup does not hold table {table}, which has come since it was made"
                ),
                remedy: "run it again when nobody changes the database".into(),
            });
        }
        let what = format!("what {} holds now, and a rollback would need,", self.database);
        let held = rehearsal::held(&all, input);
        if input.is_partial() && held.is_empty() {
            return Ok(());
        }
        let open = |tables: &[String]| open_safety(store, name, tables, input, context);
        if input.is_partial() {
            rehearse(&open(&held.iter().cloned().collect::<Vec<_>>())?, &what, Depth::Definitions)?;
        } else {
            rehearse(&all, &what, Depth::Definitions)?;
        }
        // Their rows may not come back under the settings of the session that loads them.
        let is_replaced = |table: &&String| !input.is_partial() || held.contains(&all.spelled(table));
        // On MariaDB the session checks none of them.
        let is_mysql = all.manifest.source().is_some_and(|source| source.flavor == Flavor::MySql);
        let computed = all.survey.computed.iter();
        let computed: Vec<String> = computed
            .filter(|(_, computed)| computed.generated || computed.checked && is_mysql)
            .map(|(table, _)| table)
            .filter(is_replaced)
            .cloned()
            .collect();
        if computed.is_empty() {
            return Ok(());
        }
        rehearse(&open(&computed)?, &format!("{what} with its rows"), Depth::Rows)
    }

    /// Who may execute the stored programs that are made anew, which takes that away. Granting it must be possible: it is
    /// tried now, when it changes nothing.
    fn grants(&self, cancel: &Cancel) -> Result<Vec<(ObjectKind, String, String)>> {
        let programs = self.state.definitions.iter().any(Definition::is_granted);
        if !programs || self.before.charset.is_none() {
            return Ok(Vec::new());
        }
        let grants = match self.server.program_grants(self.database, cancel) {
            Err(error) if error.refusal().is_some() => {
                cancel.check()?;
                log::warn!(code = crate::notice::NOT_KEPT.code;
                    "who may execute the stored programs cannot be seen, and is lost in place: {error}"
                );
                return Ok(Vec::new());
            }
            grants => grants?,
        };
        let sql = statements(grants.iter());
        if let Err(cause) =
            self.server.query(None, Sql::Write(&sql), "trying to grant what is granted", cancel)
        {
            cancel.check()?;
            return Err(Error::Preflight {
                finding: format!(
                    "grants on stored programs of {} could not be given back: {cause}",
                    self.database
                ),
                remedy:
                    "use an account with GRANT OPTION, or the default strategy, which leaves grants alone"
                        .into(),
            });
        }
        Ok(grants)
    }

    /// Refuses to remove a table that came after the look at the live database, and that no safety backup holds.
    fn nothing_new(&self, input: &OpenBackup, cancel: &Cancel) -> Result<()> {
        let mut now = self.server.table_names(self.database, cancel)?;
        now.retain(|table| !input.stay().contains(table));
        if input.is_partial() {
            let scope = input.names();
            now.retain(|table| scope.contains(table));
        }
        match now.iter().find(|table| !self.state.tables.contains_key(*table)) {
            None => Ok(()),
            Some(table) => Err(Error::Preflight {
                finding: format!("table {table} has been made since {} was looked at", self.database),
                remedy: "run it again when nobody changes the database".into(),
            }),
        }
    }

    /// Grants again what programs have lost that are there now.
    fn grant(&self, grants: &[(ObjectKind, String, String)]) -> Result<()> {
        let cancel = &Cancel::never();
        let now = self.server.inventory(self.database, cancel)?.objects;
        let is_there = |kind: ObjectKind, name: &String| {
            now.iter().any(|object| object.kind == kind && object.name == *name)
        };
        let grants = grants.iter().filter(|(kind, name, _)| is_there(*kind, name));
        let sql = statements(grants);
        self.server.query(None, Sql::Write(&sql), "granting what was granted", cancel).map(drop)
    }

    fn check<'a>(&'a self, input: &'a OpenBackup, only: &'a [String]) -> Check<'a> {
        Check {
            input,
            server: self.server,
            database: self.database,
            only,
            kept_views: &self.before.kept_views,
            proof: self.proof,
        }
    }

    /// The events come last: one that is due runs at once.
    fn add_events(&self, input: &OpenBackup, load: &Load<'_>, context: &Context) -> Result<()> {
        load.events()?;
        self.give_charset(input, context)?;
        self.check(input, &[]).events(context)
    }

    /// Gives the database its character set once more, at the end of a load: statements around stored programs set others,
    /// which are those that the programs were made under. With chosen tables, it keeps the one that it had.
    fn give_charset(&self, input: &OpenBackup, context: &Context) -> Result<()> {
        let of_backup = input.manifest.charset.as_ref().zip(input.manifest.collation.as_ref());
        let before = self.before.charset.as_ref().map(|(charset, collation)| (charset, collation));
        let wanted = if input.is_partial() { before.or(of_backup) } else { of_backup.or(before) };
        let Some((charset, collation)) = wanted else { return Ok(()) };
        let has = self.server.database_charset(self.database, &context.cancel)?;
        if has.is_some_and(|(_, has)| has == *collation) {
            return Ok(());
        }
        self.alter(&charset_clause(Some(charset), Some(collation)), &context.cancel)
    }

    fn replace(&self, input: &OpenBackup, load: &Load<'_>, context: &Context) -> Result<()> {
        if self.before.charset.is_none() {
            // It has just been made.
        } else if !input.is_partial() {
            self.clear(Some(input), input.stay(), &context.cancel)?;
            self.alter(&clause_of(&input.manifest), &context.cancel)?;
        } else {
            let replaced = input.names().intersection(self.damaged).cloned().collect();
            self.remove_damaged(&replaced, &context.cancel)?;
        }
        load.all_but_events()
    }

    fn load<'a>(&'a self, input: &'a OpenBackup, context: &'a Context) -> Result<Load<'a>> {
        let to = self.destination();
        let original = input.manifest.database.as_deref();
        let from = original.filter(|original| *original != self.database);
        let renaming = Renaming { from, here: &|_| true, loaded: &|_| true, elsewhere: self.database };
        Load::new(input, to, &renaming, false, context)
    }

    fn create(&self, input: &OpenBackup, cancel: &Cancel) -> Result<()> {
        let sql = format!("CREATE DATABASE {}{};\n", quote_name(self.database), clause_of(&input.manifest));
        self.server.query(None, Sql::Write(&sql), "creating the database", cancel).map(drop)
    }

    fn alter(&self, clause: &str, cancel: &Cancel) -> Result<()> {
        if clause.is_empty() {
            return Ok(());
        }
        let sql = format!("ALTER DATABASE {}{clause};\n", quote_name(self.database));
        self.server.query(None, Sql::Write(&sql), "setting the database's character set", cancel).map(drop)
    }

    /// Removes everything from the database but what stays as it is, and broken views, unless `coming` needs their names.
    fn clear(&self, coming: Option<&OpenBackup>, stay: &BTreeSet<String>, cancel: &Cancel) -> Result<()> {
        let mut inventory = self.server.inventory(self.database, cancel)?;
        inventory.tables.retain(|table, _| !stay.contains(table));
        inventory.sequences.retain(|sequence| !stay.contains(sequence));
        inventory.views.retain(|view| !stay.contains(view));
        let names = coming.map(OpenBackup::names).unwrap_or_default();
        let taken = inventory.broken_views.iter().filter(|view| names.contains(*view));
        inventory.views.extend(taken.cloned());
        // First: the engine keeps tables to which a damaged one refers.
        self.remove_damaged(&self.damaged.difference(stay).cloned().collect(), cancel)?;
        self.execute(&inventory.removal(self.damaged), "clearing the database", cancel)
    }

    /// Executes statements on a connection whose end is waited for: one that still waits for a table, although its client is
    /// gone, must not remove what a rollback has put back.
    fn execute(&self, statements: &[String], what: &str, cancel: &Cancel) -> Result<()> {
        let to = self.destination();
        let mut session = LoadSession::start(self.server, Some(self.database), cancel)?;
        session.mark(|| what.to_owned());
        let settings = format!("SET SESSION foreign_key_checks=0, SESSION lock_wait_timeout={LOCK_WAIT}");
        let sent = std::iter::once(&settings)
            .chain(statements)
            .try_for_each(|statement| session.statement(statement.as_bytes()).map_err(not_sent));
        end_session(session, sent, to, cancel)
    }

    /// Removes damaged tables, each whatever becomes of the others. Some go in two steps: first their definition, then what
    /// the engine has; some are gone although the server answers with an error.
    fn remove_damaged(&self, damaged: &BTreeSet<String>, cancel: &Cancel) -> Result<()> {
        for table in damaged {
            let sql =
                format!("SET SESSION foreign_key_checks=0;\nDROP TABLE IF EXISTS {};\n", quote_name(table));
            for _ in 0..2 {
                if let Err(error) = self.server.query(
                    Some(self.database),
                    Sql::Write(&sql),
                    "removing a damaged table",
                    cancel,
                ) {
                    cancel.check()?;
                    log::info!("{error}");
                }
            }
        }
        Ok(())
    }

    fn destination(&self) -> Destination<'_> {
        Destination { server: self.server, database: self.database, is_live: true }
    }

    /// Puts back what was there. Signals that arrive now wait: half a rollback helps nobody.
    fn roll_back(&self, cause: Error, input: &OpenBackup, context: &Context) -> Result<Checked> {
        let context = &Context { cancel: Cancel::never(), ..context.clone() };
        log::warn!(code = crate::notice::ROLLS_BACK.code; "{cause}; rolling back");
        let cause = Box::new(cause);
        let put_back = match (&self.before, self.safety) {
            (Before { charset: None, .. }, _) => self.remove(context),
            (Before { empty: true, charset: Some((charset, collation)), .. }, _) => self
                .clear(None, input.stay(), &context.cancel)
                .and_then(|()| self.alter(&charset_clause(Some(charset), Some(collation)), &context.cancel)),
            (_, safety) if input.is_partial() && (safety.is_some() || self.before.replaced.is_empty()) => {
                self.put_tables_back(safety, input, context)
            }
            (_, None) => return Err(Error::NotRolledBack { cause, database: self.database.into() }),
            (_, Some((store, safety))) => self.put_all_back(store, safety, input, context),
        };
        match put_back.and_then(|()| self.looks_as_before(input, context)) {
            Ok(()) => Err(Error::RolledBack { cause }),
            Err(rollback) => {
                let safety = self.safety.map_or_else(|| "nothing".into(), |(_, name)| name.to_owned());
                Err(Error::RollbackFailed { cause, safety, rollback: rollback.to_string() })
            }
        }
    }

    /// Looks whether what was rolled back has the names and definitions that it had.
    fn looks_as_before(&self, input: &OpenBackup, context: &Context) -> Result<()> {
        // Damaged tables that were not replaced are there as before.
        let stay = if input.is_partial() {
            self.damaged.difference(&input.names()).cloned().collect()
        } else {
            self.damaged.intersection(input.stay()).cloned().collect()
        };
        let now = LiveState::read(self.server, self.database, &stay, &context.cancel)?;
        // Every table was made anew.
        let differences = self.state.without_identities().differences(&now);
        let passing = |difference: &String| {
            let gone = |event: &String| *difference == format!("event {event} is gone");
            input.survey.passing_events.iter().any(gone)
        };
        let differences: Vec<String> = differences.into_iter().filter(|one| !passing(one)).collect();
        if differences.is_empty() {
            return Ok(());
        }
        Err(Error::Differs { database: self.database.into(), difference: named(&differences) })
    }

    /// Removes the database, which this run has made.
    fn remove(&self, context: &Context) -> Result<()> {
        let sql = format!("DROP DATABASE IF EXISTS {};\n", quote_name(self.database));
        self.server.query(None, Sql::Write(&sql), "removing the database", &context.cancel).map(drop)
    }

    fn put_all_back(
        &self,
        store: &Store,
        safety: &str,
        failed: &OpenBackup,
        context: &Context,
    ) -> Result<()> {
        let input = open_safety(store, safety, &[], failed, context)?;
        self.clear(Some(&input), input.stay(), &context.cancel)?;
        self.alter(&clause_of(&input.manifest), &context.cancel)?;
        let load = self.load(&input, context)?;
        load.all_but_events()?;
        self.check(&input, &[]).all_but_events(context)?;
        self.add_events(&input, &load, context)
    }

    /// Puts back the chosen tables alone: the others have not been touched. Where none was there, there is no safety backup.
    fn put_tables_back(
        &self,
        safety: Option<(&Store, &str)>,
        failed: &OpenBackup,
        context: &Context,
    ) -> Result<()> {
        let sections = match safety {
            Some((store, name)) => store.entry(name)?.manifest.sections,
            None => Vec::new(),
        };
        let names = failed.names();
        let (before, new): (Vec<&String>, Vec<&String>) = names
            .iter()
            .partition(|name| sections.iter().any(|section| section.name.as_ref() == Some(*name)));
        let inventory = self.server.inventory(self.database, &context.cancel)?;
        let made = Inventory {
            tables: inventory.tables.into_iter().filter(|(name, _)| new.contains(&name)).collect(),
            sequences: inventory.sequences.into_iter().filter(|name| new.contains(&name)).collect(),
            views: inventory.views.into_iter().filter(|name| new.contains(&name)).collect(),
            ..Inventory::default()
        };
        self.execute(&made.removal(&BTreeSet::new()), "removing what was new", &context.cancel)?;
        let Some((store, safety)) = safety.filter(|_| !before.is_empty()) else {
            return self.give_charset(failed, context);
        };
        let tables: Vec<String> = before.into_iter().cloned().collect();
        let input = open_safety(store, safety, &tables, failed, context)?;
        self.load(&input, context)?.all_but_events()?;
        self.give_charset(&input, context)?;
        self.check(&input, &[]).all_but_events(context).map(drop)
    }
}

/// Opens the safety backup, or some tables of it. What it holds was there a moment ago, and comes back as it was: on the
/// server that `failed` was for.
fn open_safety(
    store: &Store,
    name: &str,
    tables: &[String],
    failed: &OpenBackup,
    context: &Context,
) -> Result<OpenBackup> {
    let mut safety = OpenBackup::open(store, name, tables, context)?.allowing_outside(true);
    safety.suit_as(failed);
    // What has not been touched is not put back either: it may have changed since.
    safety.let_stay(failed.stay().iter().cloned());
    Ok(safety)
}

/// `GRANT` statements, one after the other.
fn statements<'a>(grants: impl Iterator<Item = &'a (ObjectKind, String, String)>) -> String {
    grants.flat_map(|(_, _, grant)| [grant.as_str(), ";\n"]).collect()
}

fn clause_of(manifest: &Manifest) -> String {
    charset_clause(manifest.charset.as_deref(), manifest.collation.as_deref())
}
