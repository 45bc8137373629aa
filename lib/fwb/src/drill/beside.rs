//! Other databases of the store, made beside the one that is drilled: a view may select from their tables, and no server makes
//! it without. Their definitions are enough for that, so no rows are loaded.

use std::collections::{BTreeMap, BTreeSet};

use super::accounts;
use super::likeness;
use super::throwaway::Throwaway;
use crate::error::{Error, Result};
use crate::load::{Destination, Load, OpenBackup, Renaming};
use crate::manifest::{Kind, Manifest};
use crate::progress::Context;
use crate::restore::ungrounded;
use crate::select::Listing;
use crate::server::{ServerFacts, Sql, charset_clause, quote_name};
use crate::store::{BackupSummary, Store};

/// The most databases that are made for one drill, because each costs the reading of a whole backup. Views over further ones
/// are not tried.
const MOST: usize = 16;

/// The databases beside one that is drilled.
pub(super) struct Beside<'a> {
    throwaway: &'a Throwaway,
    store: &'a Store,
    listing: Listing,
    /// The backup that is drilled, as the listing has it.
    drilled: BackupSummary,
    context: &'a Context,
    /// Databases that are there, or were looked for.
    known: BTreeSet<String>,
    /// How many may still be made.
    left: usize,
    notes: Vec<String>,
}

/// Makes the databases that the backup's views name, as far as the store has proved backups of them; returns what was made,
/// and what could not be, as notes.
///
/// # Errors
/// The store or the server cannot be read, or a signal arrived.
pub(super) fn make(
    throwaway: &Throwaway,
    store: &Store,
    input: &OpenBackup,
    context: &Context,
) -> Result<Vec<String>> {
    if named_by(input).is_empty() {
        return Ok(Vec::new());
    }
    let listing = Listing::read(store, &context.cancel)?;
    let name = &input.manifest.name;
    let Some(drilled) = listing.entries.iter().find(|entry| entry.name == *name).cloned() else {
        return Ok(Vec::new());
    };
    let known = throwaway.server.databases(&context.cancel)?;
    let mut known: BTreeSet<String> = known.into_iter().collect();
    known.insert(throwaway.database.clone());
    let mut beside =
        Beside { throwaway, store, listing, drilled, context, known, left: MOST, notes: Vec::new() };
    beside.make_all(input)?;
    Ok(beside.notes)
}

/// The other databases that a backup's views name, each with those views.
fn named_by(input: &OpenBackup) -> BTreeMap<&str, Vec<&str>> {
    let own = input.manifest.database.as_deref().unwrap_or_default();
    let mut named: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let views = input.survey.views.iter().chain(&input.survey.calls);
    for (view, relations) in views {
        for database in relations.iter().filter_map(|(database, _)| database.as_deref()) {
            let views = named.entry(database).or_default();
            if !views.contains(&view.as_str()) {
                views.push(view);
            }
        }
    }
    named.remove(own);
    named
}

impl Beside<'_> {
    /// Makes the databases that a backup's views name; what those need is made before them.
    fn make_all(&mut self, input: &OpenBackup) -> Result<()> {
        for (database, views) in named_by(input) {
            if self.left == 0 || !self.known.insert(database.to_owned()) {
                continue;
            }
            let Some(name) = self.nearest(database) else { continue };
            self.left -= 1;
            let made = self.make_one(database, &name);
            let views = views.join(", ");
            match made {
                Ok(()) => self.notes.push(format!(
                    "database {database} was made beside it as in {name}, its definitions without rows, for views that need \
                     it: {views}"
                )),
                Err(error @ (Error::Interrupted(_) | Error::Lost { .. })) => return Err(error),
                Err(error) => {
                    self.context.cancel.check()?;
                    self.notes.push(format!("database {database} could not be made beside it as in {name}: {error}"));
                }
            }
        }
        Ok(())
    }

    /// The proved backup of a database of the same server that shows the moment of the drilled one: the newest that is not
    /// later, or else the first that is.
    fn nearest(&self, database: &str) -> Option<String> {
        let is_of = |entry: &&BackupSummary| {
            let same = |name: &str| entry.belonging.name_case.same(name, database);
            entry.kind == Kind::Full
                && entry.is_proved()
                && entry.owner() == self.drilled.owner()
                && entry.database.as_deref().is_some_and(same)
        };
        let (earlier, later): (Vec<_>, Vec<_>) = self
            .listing
            .entries
            .iter()
            .filter(is_of)
            .partition(|entry| entry.started_at <= self.drilled.started_at);
        let newest = earlier.into_iter().max_by_key(|entry| entry.started_at);
        let nearest = newest.or_else(|| later.into_iter().min_by_key(|entry| entry.started_at));
        nearest.map(|entry| entry.name.clone())
    }

    fn make_one(&mut self, database: &str, name: &str) -> Result<()> {
        let (throwaway, context, cancel) = (self.throwaway, self.context, &self.context.cancel);
        let mut input = OpenBackup::open(self.store, name, &[], context)?;
        input.refuse_outside()?;
        self.make_all(&input)?;
        let mut facts = throwaway.server.server_facts(database, cancel)?;
        input.suit(&facts);
        likeness::load_engines(throwaway, &input.survey.engines, &mut facts, cancel)?;
        create(throwaway, database, &input.manifest, context)?;
        let made = fill(throwaway, database, &mut input, &facts, context);
        if made.is_err() && cancel.check().is_ok() {
            let sql = format!("DROP DATABASE {};\n", quote_name(database));
            throwaway.server.query(None, Sql::Write(&sql), "removing a database", cancel)?;
        }
        made
    }
}

fn create(throwaway: &Throwaway, database: &str, manifest: &Manifest, context: &Context) -> Result<()> {
    let clause = charset_clause(manifest.charset.as_deref(), manifest.collation.as_deref());
    let sql = format!("CREATE DATABASE {}{clause};\n", quote_name(database));
    throwaway.server.query(None, Sql::Write(&sql), "creating a database", &context.cancel).map(drop)
}

fn fill(
    throwaway: &Throwaway,
    database: &str,
    input: &mut OpenBackup,
    facts: &ServerFacts,
    context: &Context,
) -> Result<()> {
    accounts::make_all(throwaway, &input.survey.definers, facts, &context.cancel)?;
    let lacking = ungrounded(&throwaway.server, input, &context.cancel)?;
    input.leave_out(lacking.into_keys());
    let to = Destination { server: &throwaway.server, database, is_live: false };
    let original = input.manifest.database.as_deref();
    let from = original.filter(|original| *original != database);
    let renaming = Renaming { from, here: &|_| true, loaded: &|_| true, elsewhere: database };
    Load::new(input, to, &renaming, true, context)?.definitions()
}
