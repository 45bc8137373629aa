//! Restoring over the live database: what is there goes, the backup comes, and when that fails the safety backup.

use super::check::{Checked, check, check_events};
use super::input::{Input, Part};
use super::load::{Destination, load};
use super::session::Quoting;
use crate::error::{Error, Result};
use crate::manifest::{ObjectKind, SectionKind};
use crate::progress::{Cancel, Context};
use crate::server::{Inventory, ServerClient, quote_name};
use crate::store::Store;

/// A restore over a live database.
pub(super) struct InPlace<'a> {
    pub(super) server: &'a ServerClient,
    pub(super) database: &'a str,
    pub(super) quoting: Quoting,
    /// Whether the database was there before.
    pub(super) existed: bool,
    /// The safety backup, and the store that it is in.
    pub(super) safety: Option<(&'a Store, &'a str)>,
    /// Tables whose rows are counted; none: all.
    pub(super) prove_tables: &'a [String],
}

impl InPlace<'_> {
    /// Restores, checks, and rolls back when either fails.
    pub(super) fn run(&self, input: &Input, context: &Context) -> Result<Checked> {
        self.replace(input, context)
            .and_then(|()| {
                check(input, Part::BeforeEvents, self.server, self.database, self.prove_tables, context)
            })
            .and_then(|checked| self.add_events(input, context).map(|()| checked))
            .or_else(|cause| self.roll_back(cause, input, context))
    }

    /// The events come last: one that is due runs at once.
    fn add_events(&self, input: &Input, context: &Context) -> Result<()> {
        if !input.sections().any(|section| section.kind == SectionKind::Events && !section.objects.is_empty())
        {
            return Ok(());
        }
        self.load(input, Part::Events, context)?;
        check_events(input, self.server, self.database, context)
    }

    fn replace(&self, input: &Input, context: &Context) -> Result<()> {
        if !self.existed {
            self.create(input, &context.cancel)?;
        } else if !input.is_partial() {
            self.clear(&context.cancel)?;
            self.set_charset(input, &context.cancel)?;
        }
        self.load(input, Part::BeforeEvents, context)
    }

    fn load(&self, input: &Input, part: Part, context: &Context) -> Result<()> {
        let to = Destination { server: self.server, database: self.database, quoting: self.quoting };
        load(input, part, to, context)
    }

    fn create(&self, input: &Input, cancel: &Cancel) -> Result<()> {
        let sql = format!("CREATE DATABASE {}{};\n", quote_name(self.database), charset_clause(input));
        self.server.query(None, &sql, "creating the database", cancel).map(drop)
    }

    fn set_charset(&self, input: &Input, cancel: &Cancel) -> Result<()> {
        let clause = charset_clause(input);
        if clause.is_empty() {
            return Ok(());
        }
        let sql = format!("ALTER DATABASE {}{clause};\n", quote_name(self.database));
        self.server.query(None, &sql, "setting the database's character set", cancel).map(drop)
    }

    /// Removes everything from the database.
    fn clear(&self, cancel: &Cancel) -> Result<()> {
        let inventory = self.server.inventory(self.database, cancel)?;
        let sql = drop_all(&inventory);
        self.server.query(Some(self.database), &sql, "clearing the database", cancel).map(drop)
    }

    /// Puts back what was there. Signals that arrive now wait: half a rollback helps nobody.
    fn roll_back(&self, cause: Error, input: &Input, context: &Context) -> Result<Checked> {
        let context = &Context { cancel: Cancel::default(), ..context.clone() };
        log::warn!("{cause}; rolling back");
        match self.put_back(input, context) {
            Ok(()) => Err(Error::RolledBack { cause: Box::new(cause) }),
            Err(rollback) => Err(Error::RollbackFailed {
                cause: Box::new(cause),
                safety: self.safety.map_or_else(|| "no safety backup".into(), |(_, name)| name.to_owned()),
                rollback: rollback.to_string(),
            }),
        }
    }

    fn put_back(&self, failed: &Input, context: &Context) -> Result<()> {
        if !self.existed {
            // This run has made it.
            let sql = format!("DROP DATABASE IF EXISTS {};\n", quote_name(self.database));
            return self.server.query(None, &sql, "removing the database", &context.cancel).map(drop);
        }
        let Some((store, safety)) = self.safety else {
            return Err(Error::NothingFound("there is no safety backup".into()));
        };
        if failed.is_partial() {
            return self.put_tables_back(store, safety, failed, context);
        }
        let input = Input::open(store, safety, &[], context)?;
        self.clear(&context.cancel)?;
        self.set_charset(&input, &context.cancel)?;
        self.load(&input, Part::BeforeEvents, context)?;
        check(&input, Part::BeforeEvents, self.server, self.database, &[], context)?;
        self.add_events(&input, context)
    }

    /// Puts back the chosen tables alone: the others have not been touched.
    fn put_tables_back(&self, store: &Store, safety: &str, failed: &Input, context: &Context) -> Result<()> {
        let held = store.entry(safety)?.manifest;
        let names: Vec<&String> = failed.sections().filter_map(|section| section.name.as_ref()).collect();
        let (before, new): (Vec<&String>, Vec<&String>) = names
            .into_iter()
            .partition(|name| held.sections.iter().any(|section| section.name.as_ref() == Some(*name)));
        let inventory = self.server.inventory(self.database, &context.cancel)?;
        let made = Inventory {
            tables: inventory.tables.into_iter().filter(|(name, _)| new.contains(&name)).collect(),
            sequences: inventory.sequences.into_iter().filter(|name| new.contains(&name)).collect(),
            views: inventory.views.into_iter().filter(|name| new.contains(&name)).collect(),
            ..Inventory::default()
        };
        self.server.query(Some(self.database), &drop_all(&made), "removing what was new", &context.cancel)?;
        if before.is_empty() {
            return Ok(());
        }
        let tables: Vec<String> = before.into_iter().cloned().collect();
        let input = Input::open(store, safety, &tables, context)?;
        self.load(&input, Part::Whole, context)?;
        check(&input, Part::Whole, self.server, self.database, &[], context).map(drop)
    }
}

fn charset_clause(input: &Input) -> String {
    let word = |text: &&String| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let charset = input.manifest.charset.as_ref().filter(word);
    let collation = input.manifest.collation.as_ref().filter(word);
    let charset = charset.map(|charset| format!(" CHARACTER SET {charset}")).unwrap_or_default();
    collation.map_or(charset.clone(), |collation| format!("{charset} COLLATE {collation}"))
}

/// Statements that remove everything listed; events first, so that none fires meanwhile.
fn drop_all(inventory: &Inventory) -> String {
    let drop = |what: &str, name: &String| format!("DROP {what} IF EXISTS {};\n", quote_name(name));
    let objects = |wanted: &'static [ObjectKind]| {
        let chosen = inventory.objects.iter().filter(|object| wanted.contains(&object.kind));
        chosen.map(|object| drop(object.kind.as_sql(), &object.name))
    };
    // Triggers go with their tables, package bodies with their packages.
    let mut sql = String::from("SET foreign_key_checks=0;\n");
    sql.extend(objects(&[ObjectKind::Event]));
    sql.extend(inventory.views.iter().map(|view| drop("VIEW", view)));
    sql.extend(inventory.tables.keys().map(|table| drop("TABLE", table)));
    sql.extend(inventory.sequences.iter().map(|sequence| drop("SEQUENCE", sequence)));
    sql.extend(objects(&[ObjectKind::Procedure, ObjectKind::Function]));
    let packages: String = objects(&[ObjectKind::Package]).collect();
    if !packages.is_empty() {
        sql += &format!("SET sql_mode='ORACLE';\n{packages}");
    }
    sql
}
