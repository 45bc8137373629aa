//! The plan of a restore, which `--dry-run` prints and a restore carries out.

use std::collections::BTreeSet;
use std::time::Instant;

use serde::Serialize;

use super::damage::{self, DamagedTable};
use super::in_place::{Before, InPlace};
use super::input::Input;
use super::live_state::LiveState;
use super::preflight::{self, Finding};
use super::scope;
use super::session::Quoting;
use super::shadow::{Beside, chosen};
use super::swap::{self, Guard};
use crate::artifact::CompressionLevel;
use crate::dump::{DumpOptions, dump_locked};
use crate::error::{Error, Result, deadly_table, is_lost};
use crate::identity::ServerIdentity;
use crate::manifest::{Kind, Level, SectionKind, Timestamp};
use crate::progress::{Context, seconds_since};
use crate::server::{Inventory, ServerClient, ServerFacts};
use crate::store::{Store, Wait};
use crate::verify::{Record, verify};

/// Databases that belong to the server.
const SYSTEM_DATABASES: [&str; 4] = ["mysql", "information_schema", "performance_schema", "sys"];

/// How the backup takes the live database's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// Loaded into a shadow database and proved there; then the tables change places, and what was there is kept.
    Swap,
    /// Loaded over what is there.
    InPlace,
}

/// What is held against the backup once it is loaded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RestoreProof {
    /// The objects, and the number of rows.
    #[default]
    Rows,
    /// The rows' contents too: what was restored is dumped once more, to nowhere.
    Digest,
}

/// What to restore, and where.
#[derive(Debug, Clone)]
pub struct RestoreOptions {
    /// The backup's name in its store.
    pub name: String,
    /// The database to restore into; by default the manifest's.
    pub database: Option<String>,
    /// Which server is addressed.
    pub server: ServerIdentity,
    /// These tables, sequences or views alone; none: everything.
    pub tables: Vec<String>,
    /// Count rows in these tables alone when checking; none: in all.
    pub prove_tables: Vec<String>,
    /// What is held against the backup.
    pub proof: RestoreProof,
    /// How; none: by swap, unless there is nothing to be hurt and swap is not to be had.
    pub strategy: Option<Strategy>,
    /// Live tables that are taken for damaged and never read: one that ends the server when it is.
    pub damaged: Vec<String>,
    /// Whether what is there is backed up first.
    pub safety_backup: bool,
    /// How many of the databases that swaps leave behind are kept afterwards, this one's included; none: all.
    pub keep_before: Option<usize>,
    /// How hard to compress the safety backup.
    pub level: CompressionLevel,
    /// Whether to wait for the store's lock, for the safety backup.
    pub wait: Wait,
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
    /// Live tables that are damaged. Those that are replaced are moved aside or dropped alone, after the others are safe.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub damaged: Vec<DamagedTable>,
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
    let mut input = Input::open(store, &options.name, &options.tables, context)?;
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
    let cancel = &context.cancel;
    let database = server.database_name(&database, cancel)?;
    let (facts, mut findings) = preflight::look(server, &input.manifest, &input.survey, &database, cancel)?;
    input.lower_case = facts.keeps_lower_case;
    let inventory = server.inventory(&database, cancel)?;
    let given: BTreeSet<String> = options.damaged.iter().cloned().collect();
    let damaged = match &facts.charset {
        Some(_) => damage::look(server, &database, facts.version.contains("MariaDB"), &given, cancel)?,
        None => Vec::new(),
    };
    if input.is_partial() {
        let referring = server.referring_tables(&database, &options.tables, cancel)?;
        findings.extend(preflight::referring(&referring));
        findings.extend(scope::triggers(server, &database, &input, cancel)?);
        findings.extend(scope::hidden_keys(server, &database, &input, &damaged, cancel)?);
    }
    let strategy = choose(&options, &facts, &inventory, &input, &mut findings);
    if strategy == Strategy::Swap {
        findings.extend(preflight::swap(server, &facts, &inventory, &input, &database, cancel)?);
    }
    let replaced = |table: &str| !input.is_partial() || chosen(&input).contains(table);
    findings.extend(scope::damaged(&damaged, replaced, strategy, options.safety_backup));
    if strategy == Strategy::Swap && facts.charset.is_some() {
        findings.extend(scope::immovable(&damage::immovable(server, &database, cancel)?, replaced));
    }
    let quoting = Quoting::of(&facts.version);
    let (unsettled, unproved) = swap::unsettled(server, &database, cancel)?;
    findings.extend(preflight::unsettled(&unsettled));
    findings.extend(preflight::unproved(&unproved));
    findings.extend(preflight::other_server(&input.manifest, &options.server));
    let before = Before {
        charset: facts.charset,
        empty: inventory.is_empty(),
        kept_views: inventory
            .broken_views
            .iter()
            .filter(|view| !chosen(&input).contains(*view))
            .cloned()
            .collect(),
    };
    let exists = before.charset.is_some();
    let plan = Plan {
        findings,
        ..plan(store, &options, strategy, &input, &Live { database, exists, inventory, damaged })
    };
    Ok(Prepared { store, server, options, input, plan, quoting, before })
}

/// Swap, unless something else was asked for. Where the database does not exist or holds nothing, there is nothing to
/// be hurt, and what stands against a swap is no reason to refuse.
fn choose(
    options: &RestoreOptions,
    facts: &ServerFacts,
    inventory: &Inventory,
    input: &Input,
    findings: &mut Vec<Finding>,
) -> Strategy {
    let obstacle = preflight::swap_obstacle(facts, inventory, input);
    match (options.strategy, obstacle) {
        (Some(strategy), _) => strategy,
        (None, Some(obstacle)) if inventory.is_empty() => {
            findings.push(preflight::in_place_instead(&obstacle));
            Strategy::InPlace
        }
        (None, _) => Strategy::Swap,
    }
}

/// The database that is restored into, as it is now.
struct Live {
    database: String,
    exists: bool,
    inventory: Inventory,
    damaged: Vec<DamagedTable>,
}

fn plan(store: &Store, options: &RestoreOptions, strategy: Strategy, input: &Input, live: &Live) -> Plan {
    let Live { database, exists, inventory, damaged } = live;
    let exists = *exists;
    let tables: Vec<_> = input.sections().filter(|section| section.kind == SectionKind::Table).collect();
    // A damaged table cannot be dumped, and reading it may end the server.
    let safety_backup = exists && !inventory.is_empty() && options.safety_backup && damaged.is_empty();
    let mut steps = Vec::new();
    if safety_backup {
        steps.push(format!("back up what {database} holds now"));
    }
    let replaced = if input.is_partial() { "the chosen tables" } else { "everything" };
    let size = input.raw_size();
    match strategy {
        Strategy::Swap => {
            steps.push(format!("load {size} bytes of SQL into a shadow database"));
            steps.push(
                "check objects and row counts there, and remove the shadow if any of this fails".into(),
            );
            steps.push(if exists && !inventory.is_empty() {
                format!("swap {replaced} of {database} with it, and keep what was there for --undo")
            } else {
                format!("move it all into {database}")
            });
            let names: Vec<&str> = damaged.iter().map(|damaged| damaged.table.as_str()).collect();
            if !names.is_empty() {
                steps.push(format!(
                    "then move aside, or drop, each damaged table that is replaced: {}",
                    names.join(", ")
                ));
            }
        }
        Strategy::InPlace => {
            if exists && !inventory.is_empty() {
                steps.push("make all definitions without rows in a shadow database, as a rehearsal".into());
            }
            steps.push(match (exists, input.is_partial()) {
                (false, _) => format!("create {database}"),
                (true, false) => format!("remove everything from {database}"),
                (true, true) => format!("replace the chosen tables of {database}"),
            });
            steps.push(format!("load {size} bytes of SQL"));
            steps.push("check objects and row counts".into());
            if safety_backup || !exists || inventory.is_empty() {
                steps.push("roll back if any of this fails".into());
            }
        }
    }
    Plan {
        backup: options.name.clone(),
        store: store.root().display().to_string(),
        started_at: input.manifest.started_at,
        database: database.clone(),
        exists,
        tables_now: inventory.tables.len(),
        strategy,
        tables: input.is_partial().then(|| options.tables.clone()),
        tables_restored: tables.len(),
        rows: tables.iter().filter_map(|section| section.rows).fold(0, u64::saturating_add),
        raw_size: input.raw_size(),
        safety_backup,
        damaged: damaged.clone(),
        findings: Vec::new(),
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
        let database = &self.plan.database;
        let guard = Guard::take(self.server, self.quoting, database, &context.cancel)?;
        let recovered = swap::recover(self.server, self.quoting, database, &context.cancel)?;
        let given: BTreeSet<String> = self.options.damaged.iter().cloned().collect();
        let damaged: BTreeSet<String> =
            self.plan.damaged.iter().map(|damaged| damaged.table.clone()).collect();
        let safety = if self.plan.safety_backup { self.back_up_if_possible(context)? } else { None };
        let state = LiveState::read(self.server, database, &damaged, &context.cancel)?;
        let empty = state.tables.is_empty() && state.definitions.is_empty();
        if state.charset.is_some() != self.plan.exists || self.before.empty && !empty {
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
            match Guard::take(self.server, self.quoting, database, &context.cancel) {
                Ok(_guard) => {
                    super::undo::keep_newest(self.server, database, keep, &context.cancel)?;
                }
                // What was asked for first is done.
                Err(error @ Error::Busy { .. }) => {
                    log::warn!("what swaps have kept is left as it is: {error}");
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
            tables: checked.tables,
            rows: checked.rows,
            safety_backup: safety,
            before: kept.filter(|_| self.options.keep_before != Some(0)),
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
            quoting: self.quoting,
            before: self.before.clone(),
            safety: safety.map(|name| (self.store, name)),
            prove_tables: &self.options.prove_tables,
            proof: self.options.proof,
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
            quoting: self.quoting,
            before,
            damaged,
            given,
            prove_tables: &self.options.prove_tables,
            proof: self.options.proof,
        }
    }

    /// What is there may be too damaged for a dump. A swap keeps it as it is; over it, nothing is loaded then.
    fn back_up_if_possible(&self, context: &Context) -> Result<Option<String>> {
        match self.back_up(context) {
            Err(Error::SafetyBackup { database, cause }) => {
                context.cancel.check()?;
                let Error::Child { reason, .. } = &*cause else {
                    // What says nothing of the database is no reason to go on.
                    return Err(Error::SafetyBackup { database, cause });
                };
                if let Some(table) = deadly_table(reason) {
                    return Err(Error::Look { table, cause });
                }
                if is_lost(reason) {
                    return Err(Error::SafetyBackup { database, cause });
                }
                if self.plan.strategy == Strategy::InPlace {
                    return Err(Error::Preflight {
                        finding: format!("what {database} holds now cannot be backed up: {cause}"),
                        remedy: "use --strategy swap, which keeps what is there; or --no-safety-backup, if it may be lost".into(),
                    });
                }
                log::warn!(
                    "what {database} holds now cannot be dumped: {cause}; the swap keeps it all the same"
                );
                Ok(None)
            }
            made => made.map(Some),
        }
    }

    /// Backs up what is there, and proves that backup: it is what a rollback stands on.
    fn back_up(&self, context: &Context) -> Result<String> {
        let options = DumpOptions {
            database: self.plan.database.clone(),
            server: self.options.server.clone(),
            kind: Kind::Safety,
            prefix: None,
            level: self.options.level,
            strict: false,
        };
        let lock = self.store.lock(self.options.wait, &context.cancel)?;
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
