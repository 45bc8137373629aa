//! That the log has everything: the backup before a backup, and the log between the two, make the later one, row for row and
//! definition for definition. Whatever no log has, such as what was written under `sql_log_bin=0`, is found by this and by nothing
//! else.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Replayed;
use super::definitions::Definitions;
use super::plan::{MomentOptions, PlannedMoment, plan_moment};
use crate::binlog::{FollowState, Moment};
use crate::dump::{dump_to_observer, is_our_form};
use crate::error::{Error, Result};
use crate::load::OpenBackup;
use crate::manifest::{Binlog, ChainProof, Kind, Manifest, Section, SectionKind, now};
use crate::progress::{Context, seconds_since};
use crate::restore::ungrounded;
use crate::scan::Statement;
use crate::server::{Connector, Inventory};
use crate::store::{BackupSummary, Store, Wait};

/// Where base and log are put together.
#[derive(Debug, Clone, Default)]
pub struct ChainProofOptions {
    /// Directories that hold servers. They come before the one that is installed.
    pub servers: Vec<PathBuf>,
    /// Where the data of the throwaway server go.
    pub dir: Option<PathBuf>,
    /// Whether the outcome stands in the sidecar from then on.
    pub records: bool,
}

/// A backup that was held against the one before it and the log between them.
#[derive(Debug)]
pub struct ChainProved {
    /// Its manifest, with the outcome in `chain_proof`.
    pub manifest: Manifest,
    /// Why the outcome could not be recorded.
    pub unrecorded: Option<Error>,
    /// Whether it is the first of its database, so that there is nothing to prove yet.
    pub is_first: bool,
}

/// Proves that the backup before `name`, and the log between the two, make `name`. The backup itself is proved on the way. What
/// differs is no error, but listed in the outcome.
///
/// # Errors
/// [`Error::NoMoment`] where there is no backup before it from which a whole log leads there; the backup is damaged, or has no place
/// in a log; there is no server like its own here; the log cannot be read or replayed, or a signal arrived.
pub fn prove_chain(
    store: &Store,
    name: &str,
    options: &ChainProofOptions,
    connector: &Arc<dyn Connector>,
    context: &Context,
) -> Result<ChainProved> {
    let begun = Instant::now();
    let mut input = OpenBackup::open(store, name, &[], context)?;
    let place = place_of(&input)?;
    if is_first(store, &input.manifest, &place, context)? {
        let manifest = Manifest { store: Some(store.place()), ..input.manifest };
        return Ok(ChainProved { manifest, unrecorded: None, is_first: true });
    }
    let stop = Moment::OfBackup(name.to_owned(), place);
    let moment = MomentOptions::for_proof(&input.manifest, stop, &options.servers, options.dir.as_ref());
    let planned = plan_when_shipped(store, &input.manifest, moment, context)?;
    for step in planned.plan().steps.iter().take(2) {
        log::info!("{step}");
    }
    let (chain, base_size) = (planned.plan().chain.clone().unwrap_or_default(), planned.plan().raw_size);
    let replayed = planned.replay(0, connector, context)?;
    let compared = compare(&replayed, &mut input, context)?;
    let proof = ChainProof {
        ok: compared.problems.is_empty(),
        at: now(),
        base: replayed.base.name.clone(),
        chain,
        last: replayed.tally.last.clone(),
        groups: replayed.tally.groups,
        log_size: replayed.tally.bytes,
        base_size,
        base_seconds: replayed.base_seconds,
        replay_seconds: replayed.replay_seconds,
        seconds: seconds_since(begun),
        problems: compared.problems,
        notes: compared.notes,
        extra: serde_json::Map::new(),
    };
    let recorded = if options.records {
        let lock = store.lock(Wait::Yes, &context.cancel);
        lock.and_then(|lock| store.record_chain_proof(name, &proof, &lock))
    } else {
        Ok(())
    };
    let unrecorded = match recorded {
        Ok(()) => None,
        Err(error @ Error::Interrupted(_)) => return Err(error),
        Err(error) => Some(error),
    };
    let manifest = Manifest { store: Some(store.place()), chain_proof: Some(proof), ..input.manifest };
    Ok(ChainProved { manifest, unrecorded, is_first: false })
}

/// Whether the store has no whole backup of the database that is older, be it of use or not. Of two of one second, the one is older
/// that comes first in the log, or in the list.
fn is_first(store: &Store, backup: &Manifest, place: &Binlog, context: &Context) -> Result<bool> {
    let server = backup.server_identity();
    let is_older = |other: &BackupSummary| {
        let in_log = other
            .binlog
            .as_ref()
            .map_or(Ordering::Equal, |other| other.place_in_log().cmp(&place.place_in_log()));
        let order = other.started_at.cmp(&backup.started_at).then(in_log).then(other.name.cmp(&backup.name));
        order.is_lt()
    };
    let is_before = |other: &BackupSummary| {
        other.kind == Kind::Full
            && other.database == backup.database
            && is_older(other)
            && !other.server.differs(&server)
    };
    Ok(!store.list(&context.cancel)?.0.iter().any(is_before))
}

/// Between two looks whether the log has come as far as the backup, and how often is looked at most: a minute.
const PAUSE: Duration = Duration::from_secs(1);
const LOOKS: u32 = 60;

/// Plans what leads to a backup. A follower at work ships the log some seconds later than the backup was made: it is waited for.
fn plan_when_shipped<'a>(
    store: &'a Store,
    backup: &Manifest,
    moment: MomentOptions,
    context: &Context,
) -> Result<PlannedMoment<'a>> {
    let mut looks = 0;
    loop {
        let planned = plan_moment(store, moment.clone(), context);
        let is_missing = matches!(planned, Err(Error::NoMoment { .. }));
        if !is_missing || looks == LOOKS || !is_coming(store, backup, context)? {
            return planned;
        }
        looks += 1;
        context.cancel.sleep(PAUSE)?;
    }
}

/// Whether a follower is at work that has not shipped yet what was logged until the backup was made.
fn is_coming(store: &Store, backup: &Manifest, context: &Context) -> Result<bool> {
    let server = backup.server_identity();
    let chains = store.chains(&context.cancel)?.chains;
    let newest = chains.iter().rev().find(|chain| !chain.differs(&server));
    Ok(newest.and_then(|chain| chain.status.as_ref()).is_some_and(|status| {
        status.state == FollowState::Following && !status.once && status.safe_until < backup.finished_at
    }))
}

/// The place of the log that a backup shows, where base and log can be held against it.
fn place_of(input: &OpenBackup) -> Result<Binlog> {
    let manifest = &input.manifest;
    let no_moment = |why: &str| Error::NoMoment {
        moment: format!("the moment of {}", manifest.name),
        why: why.into(),
        remedy: "fwb-verify --level drill proves the backup by itself".into(),
    };
    if manifest.kind != Kind::Full || !is_our_form(manifest) {
        return Err(no_moment(
            "its rows cannot be compared: fwb-dump, in a version that writes as this one does, has not made it",
        ));
    }
    if manifest.chosen.is_some() || manifest.whole == Some(false) {
        return Err(no_moment("it is not of the whole database"));
    }
    if manifest.excluded.is_some() {
        return Err(no_moment("it leaves tables out (--exclude-table, --exclude-data)"));
    }
    manifest.binlog.clone().ok_or_else(|| no_moment("it does not say where the binary log stood"))
}

/// What a comparison found.
#[derive(Debug, Default)]
struct Compared {
    problems: Vec<String>,
    notes: Vec<String>,
}

/// Holds what base and log have made against the backup.
fn compare(replayed: &Replayed, input: &mut OpenBackup, context: &Context) -> Result<Compared> {
    let (server, database) = (replayed.server(), replayed.database());
    let mut compared = Compared::default();
    context.progress.begin(format!("comparing {}", input.manifest.name), input.raw_size());
    input.suit(replayed.facts());
    let beyond = ungrounded(server, input, &context.cancel)?;
    let (charset, collation) = server.database_charset(database, &context.cancel)?.unwrap_or_default();
    let said = (input.manifest.charset.as_deref(), input.manifest.collation.as_deref());
    if said != (Some(charset.as_str()), Some(collation.as_str())) {
        compared.problems.push("the database has another default character set or collation".into());
    }
    let mut made = Definitions::under(&collation);
    let summary = dump_to_observer(
        server,
        database,
        &collation,
        &mut |statement: &Statement<'_>| {
            made.observe(statement);
            Ok(())
        },
        context,
    )?;
    let mut said = Definitions::under(input.manifest.collation.as_deref().unwrap_or_default());
    input.definitions(context, &mut |statement| {
        said.observe(statement);
        Ok(())
    })?;
    for (view, lacks) in &beyond {
        compared
            .notes
            .push(format!("view {view} was not compared: it needs {lacks}, which is of another database"));
        said.leave_out(&format!("view {view}"));
        made.leave_out(&format!("view {view}"));
    }
    let is_of_this_version = input
        .manifest
        .client
        .as_ref()
        .is_some_and(|client| client.version.contains(env!("CARGO_PKG_VERSION")));
    let differing = said.differences(&made);
    if is_of_this_version {
        compared.problems.extend(differing);
    } else {
        compared.notes.extend(differing);
    }
    let inventory = server.inventory(database, &context.cancel)?;
    compare_rows(&input.manifest, &summary.sections, &inventory, &mut compared);
    Ok(compared)
}

/// Holds the rows of all tables against those of the manifest.
fn compare_rows(said: &Manifest, found: &[Section], inventory: &Inventory, compared: &mut Compared) {
    let of = |sections: &'_ [Section]| -> BTreeMap<String, (u64, Option<String>)> {
        let tables = sections.iter().filter(|section| section.kind == SectionKind::Table);
        let rows = |section: &Section| (section.rows.unwrap_or_default(), section.rows_digest.clone());
        tables.filter_map(|section| Some((section.name.clone()?, rows(section)))).collect()
    };
    let (said_rows, found_rows) = (of(&said.sections), of(found));
    let without_snapshot = said.without_snapshot();
    for (table, (rows, digest)) in &said_rows {
        // That it is not there at all is told with the definitions.
        let Some((found, found_digest)) = found_rows.get(table) else { continue };
        let problem = if rows != found {
            format!("table {table} has {rows} rows in the backup, and {found} by base and log")
        } else if digest.is_some() && digest != found_digest {
            format!("the {rows} rows of table {table} are others in the backup than by base and log")
        } else {
            continue;
        };
        if without_snapshot.contains(table) {
            compared.notes.push(format!(
                "{problem}; no snapshot covers its engine, so it may have been written to meanwhile"
            ));
        } else if inventory.tables.get(table) == Some(&true) {
            compared.notes.push(format!(
                "{problem}; it is versioned, and a replay writes the times of its history anew"
            ));
        } else {
            compared.problems.push(problem);
        }
    }
}
