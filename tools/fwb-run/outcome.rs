//! Makes the record of a run: of what the stages have printed and said, and of what the store holds now.

use std::collections::{BTreeMap, BTreeSet};

use fwb::{
    Action, Level, Listing, Manifest, NamePattern, Proof, RunBackup, RunCopy, RunOutcome, RunRecord,
    Selection, ServerName, Verification,
};
use serde_json::Value;

use crate::execution::{Execution, Failure, cut};

/// Warnings and problems that a record tells of.
const TOLD: usize = 20;

/// What is in the store at the end.
#[derive(Debug, Default)]
pub(crate) struct InStore {
    pub(crate) backups: u64,
    pub(crate) size: u64,
    pub(crate) proved: u64,
    pub(crate) newest_proved: Option<fwb::Timestamp>,
}

impl InStore {
    /// Of a listing, the backups of these databases and this server, where they are named.
    pub(crate) fn of(listing: &Listing, databases: &[NamePattern], server: Option<&str>) -> Option<Self> {
        let server = server.map(str::parse::<ServerName>).transpose().ok()?;
        let selection = Selection { databases: databases.to_vec(), server, ..Selection::default() };
        let found = match listing.select(&selection) {
            Ok(found) => found,
            Err(fwb::Error::NothingFound(_)) => Vec::new(),
            Err(error) => {
                log::debug!("the store's backups are not counted: {error}");
                return None;
            }
        };
        let proved = found.iter().filter(|backup| backup.proof() == Proof::Proved);
        Some(Self {
            backups: found.len() as u64,
            size: found.iter().map(|backup| backup.size).sum(),
            proved: proved.clone().count() as u64,
            newest_proved: proved.map(|backup| backup.started_at).max(),
        })
    }
}

/// Fills in what the stages have done.
pub(crate) fn fill(record: &mut RunRecord, execution: &Execution) {
    record.steps = execution.done.iter().map(|done| done.step.clone()).collect();
    record.stages = record.steps.iter().map(|step| (step.stage.clone(), step.seconds)).collect();
    judge(record, execution.failure.as_ref());
    let reason = record.reason.clone();
    record.warnings = warnings(execution, reason.as_deref());

    let printed =
        |stage: &str| execution.of_stage(stage).map(|done| manifests(&done.output)).unwrap_or_default();
    let (dumped, mut verified) = (printed("dump"), printed("verify"));
    let is_drill = record.what == "drill";
    let not_drilled =
        verified.first().filter(|first| is_drill && first.verification.as_ref().is_some_and(|it| it.ok));
    let not_drilled = not_drilled.and_then(|first| first.not_drilled.clone());
    // Which backup: as the stage knows it that was the last to see it.
    let listed = if is_drill { printed("ls") } else { Vec::new() };
    verified.extend(dumped);
    verified.extend(listed);
    // Of several backups each is told in short.
    let mut seen = BTreeSet::new();
    let each: Vec<&Manifest> = verified.iter().filter(|backup| seen.insert(backup.name.clone())).collect();
    if each.len() > 1 || each.iter().any(|backup| backup.together.is_some()) {
        record.backups_made = each.iter().map(|backup| made(backup)).collect();
        record.server = record.server.take().or_else(|| server_of(each.first()?));
    } else if let Some(backup) = verified.into_iter().next() {
        record.server = record.server.take().or_else(|| server_of(&backup));
        record.database = record.database.take().or(backup.database);
        record.name = Some(backup.name);
        record.size = Some(backup.size);
        record.raw_size = backup.raw_size;
        record.chosen = backup.chosen;
        record.excluded = backup.excluded;
        record.verification = backup.verification.map(|outcome| shortened(outcome, not_drilled.as_ref()));
    }
    record.moments = printed("any-moment").into_iter().filter_map(|backup| backup.moment_proof).collect();
    record.copy = printed("copy").into_iter().next().map(copy);

    let pruning = execution.of_stage("prune");
    let all: Vec<u8> = pruning.map(|done| [&done.earlier[..], &done.output].concat()).unwrap_or_default();
    let decided = manifests(&all).into_iter().filter_map(|it| Some((it.name, (it.size, it.decision?))));
    // Of a backup that several tries have decided on, the last one counts.
    let decided: BTreeMap<String, _> = decided.collect();
    let deleted: Vec<_> =
        decided.iter().filter(|(_, (_, decision))| decision.action == Action::Delete).collect();
    record.deleted = deleted.iter().map(|(name, _)| (*name).clone()).collect();
    record.freed = deleted.iter().map(|(_, (size, _))| *size).sum();
    record.kept = (!decided.is_empty()).then(|| (decided.len() - deleted.len()) as u64);
}

/// Says how the run has ended.
pub(crate) fn judge(record: &mut RunRecord, failure: Option<&Failure>) {
    let Some(failure) = failure else {
        (record.outcome, record.exit) = (RunOutcome::Ok, Some(0));
        return;
    };
    (record.outcome, record.exit) = (RunOutcome::Failed, Some(failure.exit));
    (record.stage, record.code) = (failure.stage.clone(), failure.code.clone());
    (record.reason, record.hint) = (Some(failure.reason.clone()), failure.hint.clone());
}

/// Manifests among the lines that a stage has printed.
fn manifests(output: &[u8]) -> Vec<Manifest> {
    output.split(|byte| *byte == b'\n').filter_map(|line| Manifest::from_slice(line).ok()).collect()
}

fn warnings(execution: &Execution, reason: Option<&str>) -> Vec<String> {
    let said = execution.done.iter().flat_map(|done| &done.said);
    let told = said.filter(|said| matches!(said.level, Some(log::Level::Warn | log::Level::Error)));
    let (mut seen, mut warnings) = (BTreeSet::new(), Vec::new());
    for message in told.map(|said| cut(&said.message)).filter(|message| Some(message.as_str()) != reason) {
        if warnings.len() < TOLD && seen.insert(message.clone()) {
            warnings.push(message);
        }
    }
    warnings
}

/// An outcome without its longest lists, and why the drill was not held.
fn shortened(mut outcome: Verification, not_drilled: Option<&fwb::NotDrilled>) -> Verification {
    for list in [&mut outcome.problems, &mut outcome.notes] {
        list.truncate(TOLD);
        for text in list {
            *text = cut(text);
        }
    }
    if let Some(why) = not_drilled {
        let why = serde_json::to_value(why).unwrap_or(Value::Null);
        outcome.extra.insert("not_drilled".into(), why);
    }
    outcome
}

/// The server that a backup is of, by its name or its address.
fn server_of(backup: &Manifest) -> Option<String> {
    let server = backup.server.as_ref()?;
    server.id.as_ref().or(server.address.as_ref()).map(ToString::to_string)
}

/// One backup of several.
fn made(backup: &Manifest) -> RunBackup {
    let proves = backup.verification.as_ref().is_some_and(fwb::Verification::proves);
    RunBackup {
        database: backup.database.clone(),
        name: backup.name.clone(),
        size: backup.size,
        raw_size: backup.raw_size,
        proved: backup.whole != Some(false) && backup.chosen.is_none() && proves,
    }
}

fn copy(copy: Manifest) -> RunCopy {
    let proves = copy.verification.as_ref().is_some_and(|outcome| outcome.ok && outcome.level >= Level::Full);
    RunCopy {
        store: copy.store,
        name: Some(copy.name),
        proved: copy.whole != Some(false) && copy.chosen.is_none() && proves,
    }
}
