//! The plan of a restore, which `--dry-run` prints and a restore carries out.

use std::collections::BTreeSet;

use serde::Serialize;

use super::damage::{self, DamagedTable, Looked};
use super::events;
use super::finding::Finding;
use super::in_place::Before;
use super::options::{RestoreOptions, RestoreProof, Strategy};
use super::preflight;
use super::safety;
use super::scope;
use super::settings;
use super::space;
use super::staying;
use super::swap;
use super::times;
use super::ungrounded;
use crate::encryption::EncryptTo;
use crate::error::{Error, Result};
use crate::load::OpenBackup;
use crate::manifest::{SectionKind, Timestamp};
use crate::progress::{Cancel, Context};
use crate::server::{Inventory, ServerClient, ServerFacts, is_system};
use crate::store::Store;
use crate::words::bytes;

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
    /// Of the chosen tables, sequences and views, those that are there now: they are replaced, and nothing else of the
    /// database is touched; none: everything is replaced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replaced: Option<Vec<String>>,
    /// Tables, sequences and views that are there and stay as they are, because the backup leaves them, or their rows, out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stay: Vec<String>,
    /// Whether what is replaced is backed up first.
    pub safety_backup: bool,
    /// To whom that backup is encrypted; none: to nobody.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub safety_recipients: Vec<String>,
    /// Live tables that are damaged. Those that are replaced are moved aside or dropped alone, after the others are safe.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub damaged: Vec<DamagedTable>,
    /// What was found beforehand.
    pub findings: Vec<Finding>,
    /// What will be done, in order.
    pub steps: Vec<String>,
}

/// A restore that is ready to run: the backup is proved, the server looked at, nothing written.
pub struct Prepared<'a> {
    pub(super) store: &'a Store,
    pub(super) server: &'a ServerClient,
    pub(super) options: RestoreOptions,
    pub(super) input: OpenBackup,
    pub(super) plan: Plan,
    pub(super) before: Before,
    pub(super) proof: RestoreProof,
    /// Views that are left out, because what they need is not on the server.
    pub(super) views_left_out: BTreeSet<String>,
    /// To whom the safety backup is encrypted.
    pub(super) safety_encryption: Option<EncryptTo>,
}

/// Logs in, proves the backup and looks at the server.
///
/// # Errors
/// The backup is missing or damaged or holds what no dump holds; the server cannot be reached.
pub fn prepare<'a>(
    store: &'a Store,
    server: &'a ServerClient,
    mut options: RestoreOptions,
    context: &Context,
) -> Result<Prepared<'a>> {
    // To prove a backup takes long, and these take none: is it there at all, and does the server let us in?
    store.entry(&options.name)?;
    if let Some(database) = &options.database {
        refuse_system(database)?;
    }
    server.log_in(&context.cancel)?;
    let mut input = OpenBackup::open(store, &options.name, &options.tables, context)?
        .allowing_outside(options.allow_outside);
    input.refuse_outside()?;
    let Some(database) = options.database.clone().or_else(|| input.manifest.database.clone()) else {
        return Err(Error::Usage {
            message: format!("{} does not say which database it is of", options.name),
            hint: Some("name the database to restore into with --database".into()),
        });
    };
    refuse_system(&database)?;
    let cancel = &context.cancel;
    let database = server.database_name(&database, cancel)?;
    let (facts, mut findings) = preflight::look(server, &input.manifest, &input.survey, &database, cancel)?;
    input.suit(&facts);
    let proof = options.proof.unwrap_or(if preflight::crosses(&facts, &input.manifest) {
        RestoreProof::Digest
    } else {
        RestoreProof::Rows
    });
    findings.extend(settings::beside(store, &input.manifest, server, &facts.version, cancel)?);
    findings.extend(times::too_late(&facts, &input, context)?);
    findings.extend(events::scheduler(&facts, &input.survey));
    findings.extend(space::free(server, &input, cancel)?);
    let inventory = server.inventory(&database, cancel)?;
    let lacking = ungrounded::ungrounded(server, &input, cancel)?;
    if !options.views_may_wait {
        findings.extend(ungrounded::finding(&lacking, &options.tables, &inventory.views));
    }
    let views_left_out: BTreeSet<String> = lacking.into_keys().collect();
    input.leave_out(views_left_out.iter().cloned());
    if input.is_partial() && options.tables.is_empty() {
        findings.push(scope::chosen_by_backup(&input, &database));
        options.tables = input.names().into_iter().collect();
    }
    let staying = staying::look(server, &mut input, &database, &inventory, &options.tables, context)?;
    findings.extend(staying.findings);
    let given: BTreeSet<String> = options.damaged.iter().cloned().collect();
    let Looked { damaged, elsewhere } = match &facts.charset {
        Some(_) => damage::look(server, &database, facts.version.contains("MariaDB"), &given, cancel)?,
        None => Looked::default(),
    };
    let scope = input.is_partial().then(|| input.names());
    let stay = input.stay().clone();
    let replaced =
        |table: &str| !stay.contains(table) && scope.as_ref().is_none_or(|names| names.contains(table));
    let elsewhere: Vec<String> = elsewhere.into_iter().filter(|table| replaced(table)).collect();
    findings.extend(beside_what_is_left(server, &database, &input, (&options.tables, &damaged), cancel)?);
    let (obstacle, gives_way) =
        stands_against(server, &facts, &inventory, &elsewhere, (&input, &database), cancel)?;
    let strategy = choose(&options, obstacle.as_deref(), gives_way, &mut findings);
    if strategy == Strategy::Swap {
        findings.extend(preflight::swap(server, &facts, obstacle, &input, &database, cancel)?);
    }
    findings.extend(scope::damaged(&damaged, replaced, strategy, options.safety_backup));
    if strategy == Strategy::Swap && facts.charset.is_some() {
        findings.extend(scope::immovable(&damage::immovable(server, &database, cancel)?, replaced));
    }
    let (unsettled, unproved) = swap::unsettled(server, &database, cancel)?;
    findings.extend(preflight::unsettled(&unsettled));
    findings.extend(preflight::unproved(&unproved));
    findings.extend(preflight::outside(&input));
    findings.extend(preflight::other_server(&input.manifest, &options.server));
    let before = Before {
        charset: facts.charset,
        empty: inventory.is_empty(),
        kept_views: inventory
            .broken_views
            .iter()
            .filter(|view| !input.names().contains(*view))
            .cloned()
            .collect(),
        replaced: scope.iter().flatten().filter(|name| inventory.has_relation(name)).cloned().collect(),
    };
    let exists = before.charset.is_some();
    let mut plan = Plan {
        findings,
        ..plan(
            store,
            &options,
            (strategy, proof),
            &input,
            &Live {
                database,
                exists,
                inventory,
                damaged,
                replaced: scope.as_ref().map(|_| &before.replaced),
                stay: staying.live,
            },
        )
    };
    let safety_encryption = plan.safety_encryption(&input, &options)?;
    Ok(Prepared { store, server, options, input, plan, before, proof, views_left_out, safety_encryption })
}

impl Plan {
    /// To whom the safety backup is encrypted; says so in the first step, which makes it.
    fn safety_encryption(
        &mut self,
        input: &OpenBackup,
        options: &RestoreOptions,
    ) -> Result<Option<EncryptTo>> {
        let encryption = if self.safety_backup { safety::encryption(input, options)? } else { None };
        if let Some(encryption) = &encryption {
            self.safety_recipients = encryption.recipients.names().to_vec();
            if let Some(step) = self.steps.first_mut() {
                *step = format!("{step}, encrypted to {}", self.safety_recipients.join(" and "));
            }
        }
        Ok(encryption)
    }
}

/// A database of the server's own is none that a backup is restored into.
fn refuse_system(database: &str) -> Result<()> {
    if is_system(database) {
        return Err(Error::Usage {
            message: format!("{database} is the server's own database and is not restored"),
            hint: Some("name another one with --database".into()),
        });
    }
    Ok(())
}

/// What a restore would do to tables of the live database that it leaves alone: foreign keys and triggers of theirs.
fn beside_what_is_left(
    server: &ServerClient,
    database: &str,
    input: &OpenBackup,
    (chosen, damaged): (&[String], &[DamagedTable]),
    cancel: &Cancel,
) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    if input.is_partial() {
        let referring = server.referring_tables(database, chosen, cancel)?;
        findings.extend(preflight::referring(&referring));
    }
    if input.leaves_some() {
        findings.extend(scope::triggers(server, database, input, cancel)?);
        findings.extend(scope::hidden_keys(server, database, input, damaged, cancel)?);
    }
    Ok(findings)
}

/// What stands against a swap, and whether anything that is there would give way.
fn stands_against(
    server: &ServerClient,
    facts: &ServerFacts,
    inventory: &Inventory,
    elsewhere: &[String],
    (input, database): (&OpenBackup, &str),
    cancel: &Cancel,
) -> Result<(Option<String>, bool)> {
    let gives_way = if input.is_partial() {
        input.names().iter().any(|name| inventory.has_relation(name))
    } else {
        !inventory.is_empty()
    };
    let obstacle = preflight::swap_obstacle(facts, inventory, elsewhere, input);
    match obstacle {
        // Where something gives way, it is a refusal of its own.
        None if !gives_way => Ok((preflight::foreign_children(server, input, database, cancel)?, gives_way)),
        obstacle => Ok((obstacle, gives_way)),
    }
}

/// Swap, unless something else was asked for. Where nothing is replaced, there is nothing to be hurt, and what stands against a swap is
/// no reason to refuse.
fn choose(
    options: &RestoreOptions,
    obstacle: Option<&str>,
    gives_way: bool,
    findings: &mut Vec<Finding>,
) -> Strategy {
    match (options.strategy, obstacle) {
        (Some(strategy), _) => strategy,
        (None, Some(obstacle)) if !gives_way => {
            findings.push(preflight::in_place_instead(obstacle));
            Strategy::InPlace
        }
        (None, _) => Strategy::Swap,
    }
}

/// The database that is restored into, as it is now.
struct Live<'a> {
    database: String,
    exists: bool,
    inventory: Inventory,
    damaged: Vec<DamagedTable>,
    /// Of the chosen tables, those that are there; none: everything is restored.
    replaced: Option<&'a BTreeSet<String>>,
    /// What of it stays as it is, because the backup leaves it out.
    stay: BTreeSet<String>,
}

impl Live<'_> {
    /// Whether anything of it is replaced.
    fn gives_way(&self) -> bool {
        self.exists && !self.inventory.is_empty() && self.replaced.is_none_or(|replaced| !replaced.is_empty())
    }

    /// The damaged tables that are replaced.
    fn damaged_and_replaced(&self) -> Vec<&str> {
        let names = self.damaged.iter().map(|damaged| damaged.table.as_str());
        let is_replaced = |table: &str| {
            !self.stay.contains(table) && self.replaced.is_none_or(|replaced| replaced.contains(table))
        };
        names.filter(|table| is_replaced(table)).collect()
    }

    /// Whether a safety backup would have to read a damaged table.
    fn cannot_be_read(&self) -> bool {
        !self.damaged_and_replaced().is_empty()
            || self.replaced.is_none()
                && self.damaged.iter().any(|damaged| self.stay.contains(&damaged.table))
    }
}

fn plan(
    store: &Store,
    options: &RestoreOptions,
    (strategy, proof): (Strategy, RestoreProof),
    input: &OpenBackup,
    live: &Live<'_>,
) -> Plan {
    let Live { database, exists, inventory, damaged, replaced, stay } = live;
    let exists = *exists;
    let tables: Vec<_> = input.sections().filter(|section| section.kind == SectionKind::Table).collect();
    // A damaged table cannot be dumped, and reading it may end the server.
    let names = live.damaged_and_replaced();
    let safety_backup = live.gives_way() && options.safety_backup && !live.cannot_be_read();
    let replaced = replaced.map(|replaced| replaced.iter().cloned().collect::<Vec<_>>());
    let mut steps = Vec::new();
    match &replaced {
        Some(replaced) if safety_backup => steps.push(format!(
            "back up what is replaced of {database}, and nothing else, into {}: {}",
            store.location(),
            replaced.join(", ")
        )),
        None if safety_backup => {
            steps.push(format!("back up what {database} holds now, into {}", store.location()));
        }
        Some(replaced) if replaced.is_empty() && exists && options.safety_backup => {
            steps.push(format!("make no safety backup: {database} holds none of what is restored"));
        }
        _ => {}
    }
    let listed = stay.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    let but = if stay.is_empty() { String::new() } else { format!(" but {listed}, which stay as they are,") };
    let what = if input.is_partial() { "the chosen tables".to_owned() } else { format!("everything{but}") };
    let size = bytes(input.raw_size());
    let checked = match proof {
        RestoreProof::Rows => "objects and row counts",
        RestoreProof::Digest => "objects, row counts and rows",
    };
    match strategy {
        Strategy::Swap => {
            steps.push(format!("load {size} of SQL into a shadow database"));
            steps.push(format!("check {checked} there, and remove the shadow if any of this fails"));
            steps.push(if exists && !inventory.is_empty() {
                format!("swap {what} of {database} with it, and keep what was there for --undo")
            } else {
                format!("move it all into {database}")
            });
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
                (true, false) => format!("remove {what} from {database}"),
                (true, true) => format!("replace the chosen tables of {database}"),
            });
            steps.push(format!("load {size} of SQL"));
            steps.push(format!("check {checked}"));
            if safety_backup || !live.gives_way() {
                steps.push("roll back if any of this fails".into());
            }
        }
    }
    Plan {
        backup: options.name.clone(),
        store: store.place(),
        started_at: input.manifest.started_at,
        database: database.clone(),
        exists,
        tables_now: inventory.tables.len(),
        strategy,
        tables: input.is_partial().then(|| options.tables.clone()),
        tables_restored: tables.len(),
        rows: tables.iter().filter_map(|section| section.rows).fold(0, u64::saturating_add),
        raw_size: input.raw_size(),
        replaced,
        stay: stay.iter().cloned().collect(),
        safety_backup,
        safety_recipients: Vec::new(),
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
}
