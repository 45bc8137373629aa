//! The plan of a restore, which `--dry-run` prints and a restore carries out.

use std::time::Instant;

use serde::Serialize;

use super::in_place::{Before, InPlace};
use super::input::Input;
use super::preflight::{self, Finding};
use super::session::Quoting;
use crate::artifact::CompressionLevel;
use crate::dump::{DumpOptions, dump_locked};
use crate::error::{Error, Result};
use crate::manifest::{Kind, Level, SectionKind, Timestamp};
use crate::progress::{Context, seconds_since};
use crate::server::{Inventory, ServerClient};
use crate::store::{Store, Wait};
use crate::verify::{Record, verify};

/// Databases that belong to the server.
const SYSTEM_DATABASES: [&str; 4] = ["mysql", "information_schema", "performance_schema", "sys"];

/// How the backup takes the live database's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// Loaded over what is there.
    InPlace,
}

/// What to restore, and where.
#[derive(Debug, Clone)]
pub struct RestoreOptions {
    /// The backup's name in its store.
    pub name: String,
    /// The database to restore into; by default the manifest's.
    pub database: Option<String>,
    /// These tables, sequences or views alone; none: everything.
    pub tables: Vec<String>,
    /// Count rows in these tables alone when checking; none: in all.
    pub prove_tables: Vec<String>,
    /// How.
    pub strategy: Strategy,
    /// Whether what is there is backed up first.
    pub safety_backup: bool,
    /// How hard to compress the safety backup.
    pub level: CompressionLevel,
}

/// What a restore will do.
#[derive(Debug, Clone, Serialize)]
pub struct Plan {
    /// The backup.
    pub backup: String,
    /// Its store.
    pub store: String,
    /// The moment that it shows.
    pub started_at: Timestamp,
    /// The database that will be overwritten.
    pub database: String,
    /// Whether there is such a database now.
    pub exists: bool,
    /// Tables that it holds now.
    pub tables_now: usize,
    /// How.
    pub strategy: Strategy,
    /// The chosen tables; none: everything.
    pub tables: Option<Vec<String>>,
    /// Tables that will be restored.
    pub tables_restored: usize,
    /// Rows that will be restored.
    pub rows: u64,
    /// Bytes of SQL that will be loaded.
    pub raw_size: u64,
    /// Whether what is there is backed up first.
    pub safety_backup: bool,
    /// What was found beforehand.
    pub findings: Vec<Finding>,
    /// What will be done, in order.
    pub steps: Vec<String>,
}

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
    /// Tables whose rows were counted and are right.
    pub tables: usize,
    /// Rows in them.
    pub rows: u64,
    /// The backup of what was there before.
    pub safety_backup: Option<String>,
    /// What was found beforehand.
    pub findings: Vec<Finding>,
    /// How long it took, safety backup and check included, in seconds.
    pub seconds: f64,
}

/// A restore that is ready to run: the backup is proved, the server looked at, nothing written.
pub struct Prepared<'a> {
    store: &'a Store,
    server: &'a ServerClient,
    options: RestoreOptions,
    input: Input,
    plan: Plan,
    quoting: Quoting,
    before: Before,
}

/// Proves the backup and looks at the server.
///
/// # Errors
/// The backup is missing or damaged or holds what no dump holds; the server cannot be reached.
pub fn prepare<'a>(
    store: &'a Store,
    server: &'a ServerClient,
    options: RestoreOptions,
    context: &Context,
) -> Result<Prepared<'a>> {
    let input = Input::open(store, &options.name, &options.tables, context)?;
    let Some(database) = options.database.clone().or_else(|| input.manifest.database.clone()) else {
        return Err(Error::Usage {
            message: format!("{} does not say which database it is of", options.name),
            hint: Some("name the database to restore into with --database".into()),
        });
    };
    if SYSTEM_DATABASES.iter().any(|system| system.eq_ignore_ascii_case(&database)) {
        return Err(Error::Usage {
            message: format!("{database} is the server's own database and is not restored"),
            hint: Some("name another one with --database".into()),
        });
    }
    let (facts, mut findings) =
        preflight::look(server, &input.manifest, &input.survey, &database, &context.cancel)?;
    let inventory = server.inventory(&database, &context.cancel)?;
    if input.is_partial() {
        let referring = server.referring_tables(&database, &options.tables, &context.cancel)?;
        findings.extend(preflight::referring(&referring));
    }
    let before = Before {
        charset: facts.charset,
        empty: inventory.is_empty(),
        kept_views: inventory
            .broken_views
            .iter()
            .filter(|view| !input.sections().any(|section| section.name.as_ref() == Some(*view)))
            .cloned()
            .collect(),
    };
    let plan = plan(store, &options, &input, database, before.charset.is_some(), &inventory, findings);
    let quoting = Quoting::of(&facts.version);
    Ok(Prepared { store, server, options, input, plan, quoting, before })
}

fn plan(
    store: &Store,
    options: &RestoreOptions,
    input: &Input,
    database: String,
    exists: bool,
    inventory: &Inventory,
    findings: Vec<Finding>,
) -> Plan {
    let tables: Vec<_> = input.sections().filter(|section| section.kind == SectionKind::Table).collect();
    let safety_backup = exists && !inventory.is_empty() && options.safety_backup;
    let mut steps = Vec::new();
    if safety_backup {
        steps.push(format!("back up what {database} holds now"));
    }
    steps.push(match (exists, input.is_partial()) {
        (false, _) => format!("create {database}"),
        (true, false) => format!("remove everything from {database}"),
        (true, true) => format!("replace the chosen tables of {database}"),
    });
    steps.push(format!("load {} bytes of SQL", input.raw_size()));
    steps.push("check objects and row counts".into());
    if safety_backup || !exists {
        steps.push("roll back if any of this fails".into());
    }
    Plan {
        backup: options.name.clone(),
        store: store.root().display().to_string(),
        started_at: input.manifest.started_at,
        database,
        exists,
        tables_now: inventory.tables.len(),
        strategy: options.strategy,
        tables: input.is_partial().then(|| options.tables.clone()),
        tables_restored: tables.len(),
        rows: tables.iter().filter_map(|section| section.rows).fold(0, u64::saturating_add),
        raw_size: input.raw_size(),
        safety_backup,
        findings,
        steps,
    }
}

impl Prepared<'_> {
    /// What will be done.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Does it.
    ///
    /// # Errors
    /// A finding refuses it, the safety backup fails, or the restore does; in the last case the database is as it
    /// was, or the error says that it is not.
    pub fn run(self, context: &Context) -> Result<Report> {
        let begun = Instant::now();
        preflight::refuse(&self.plan.findings)?;
        let safety = if self.plan.safety_backup { Some(self.back_up(context)?) } else { None };
        let in_place = InPlace {
            server: self.server,
            database: &self.plan.database,
            quoting: self.quoting,
            before: self.before,
            safety: safety.as_deref().map(|name| (self.store, name)),
            prove_tables: &self.options.prove_tables,
        };
        let checked = in_place.run(&self.input, context)?;
        Ok(Report {
            backup: self.plan.backup,
            store: self.plan.store,
            database: self.plan.database,
            strategy: self.plan.strategy,
            tables: checked.tables,
            rows: checked.rows,
            safety_backup: safety,
            findings: self.plan.findings,
            seconds: seconds_since(begun),
        })
    }

    /// Backs up what is there, and proves that backup: it is what a rollback stands on.
    fn back_up(&self, context: &Context) -> Result<String> {
        let options = DumpOptions {
            database: self.plan.database.clone(),
            kind: Kind::Safety,
            prefix: None,
            level: self.options.level,
            strict: false,
        };
        let lock = self.store.lock(Wait::No, &context.cancel)?;
        self.store.sweep(&lock)?;
        let made = dump_locked(self.store, &lock, self.server, &options, context).map_err(|cause| {
            Error::SafetyBackup { database: options.database.clone(), cause: Box::new(cause) }
        })?;
        drop(lock);
        let proved = verify(self.store, &made.name, Level::Full, Record::Known, context)?;
        let problem = proved.manifest.verification.and_then(|outcome| outcome.problems.into_iter().next());
        problem.map_or(Ok(made.name.clone()), |problem| Err(Error::damaged(made.name, problem)))
    }
}
