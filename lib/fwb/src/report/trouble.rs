//! What is no failure of a run and needs a person. A pure function of what stores hold, the limits and the time, which
//! `fwb-report` and the end of each run share.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::change::{Change, change};
use super::facts::{BackupFacts, ReportInput, StoreFacts};
use super::fleet;
use super::forecast::{Forecast, Verdict, forecast};
use super::log::{Joined, ShippedLog, broken, joined, newest_proof};
use super::subject::{Copies, Scope, Subject, subjects};
use super::tables::{changed_tables, held, vanished_tables};
use crate::binlog::FollowState;
use crate::blank::blank_quoted;
use crate::manifest::{Kind, Timestamp, is_in_the_future};
use crate::notice::{self, Code};
use crate::retention::Proof;
use crate::run::{RunOutcome, RunRecord, RunTrouble};
use crate::words::{bytes, count, span};

/// By how many bytes a backup's size must change.
const LEAST_BYTES: u64 = 1 << 20;
/// So many tables have a trouble each; more have one together.
const TABLES_TOLD: usize = 5;
/// A copy is missed for so many days back: what is older may have gone by the second store's own retention.
const COPIES_OF: TimeDelta = TimeDelta::days(7);
/// The last run of a kind that ended badly is told for so long: after it, nobody runs it any more.
const RUN_TOLD_FOR: TimeDelta = TimeDelta::days(30);
/// So many unproved backups are told, where they are more than the proved ones.
const LEAST_UNPROVED: usize = 5;
/// A follower that has said nothing for so long is silent: it says every 15 seconds that it lives, or as often as it publishes.
const SILENT_AFTER: TimeDelta = TimeDelta::minutes(5);
/// Without any retention for so long, and with so many backups, nobody seems to delete.
const NO_RETENTION: (TimeDelta, usize) = (TimeDelta::days(35), 35);

/// What needs a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// Its code, `FWB-3…`: docs/ERRORS.md.
    pub code: String,
    /// The same from run to run for the same trouble, so that it is told once.
    pub key: String,
    /// What it is about: a database, a store, a file.
    pub subject: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: String,
    /// Where docs/RUNBOOK.md says more: the anchor of a section.
    pub section: String,
}

/// From when on something is a trouble.
#[derive(Debug, Clone)]
pub struct TroubleOptions {
    /// The newest proved backup may be so old.
    pub max_age: TimeDelta,
    /// The newest drill that held may be so old; none where nobody is to drill.
    pub drill_age: Option<TimeDelta>,
    /// The last moment of a log that is safe may be so old, where a follower is to follow all the time; none where nobody is told.
    pub max_lag: Option<TimeDelta>,
    /// The same where a schedule starts the follower.
    pub scheduled_lag: Option<TimeDelta>,
    /// A store that is full in fewer days is told.
    pub full_within: TimeDelta,
    /// A certificate that expires in fewer days is told.
    pub expires_within: TimeDelta,
    /// Which databases are looked at. A part leaves out what concerns whole stores.
    pub scope: Scope,
}

impl Default for TroubleOptions {
    fn default() -> Self {
        Self {
            max_age: TimeDelta::hours(26),
            drill_age: Some(TimeDelta::days(8)),
            max_lag: Some(TimeDelta::minutes(10)),
            scheduled_lag: Some(TimeDelta::hours(26)),
            full_within: TimeDelta::days(14),
            expires_within: TimeDelta::days(30),
            scope: Scope::default(),
        }
    }
}

impl From<&Trouble> for RunTrouble {
    fn from(trouble: &Trouble) -> Self {
        Self {
            code: trouble.code.clone(),
            key: trouble.key.clone(),
            message: format!("{}: {}", trouble.subject, trouble.message),
            hint: Some(trouble.hint.clone()),
        }
    }
}

/// All troubles, the gravest first.
pub fn troubles(input: &ReportInput, options: &TroubleOptions, now: Timestamp) -> Vec<Trouble> {
    let mut found = Vec::new();
    let subjects = subjects(input, &options.scope);
    for subject in &subjects {
        of_subject(subject, options, now, &mut found);
    }
    for (store, log) in logs(input, &subjects, options) {
        found.extend(broken_log(store, log).or_else(|| lagging(store, log, options, now)));
    }
    fleet::missing(input, &subjects, options, &mut found);
    if options.scope.is_all() {
        for store in &input.stores {
            found.extend(unreadable(store));
            found.extend(full(store, &forecast(store, now), options));
        }
    }
    found.extend(input.certificates.iter().filter_map(|certificate| {
        let left = certificate.not_after - now;
        let (setting, file) = (&certificate.setting, &certificate.file);
        let date = certificate.not_after.format("%Y-%m-%d");
        let message = if left < TimeDelta::zero() {
            format!("a certificate in {file} ({setting}) has expired on {date}")
        } else {
            format!("a certificate in {file} ({setting}) expires in {}, on {date}", span(left))
        };
        (left < options.expires_within).then(|| tell(notice::CERTIFICATE, file, None, message))
    }));
    found.sort_by(|a, b| (&a.code, &a.subject, &a.key).cmp(&(&b.code, &b.subject, &b.key)));
    found.dedup_by(|a, b| a.key == b.key);
    found
}

fn of_subject(subject: &Subject<'_>, options: &TroubleOptions, now: Timestamp, found: &mut Vec<Trouble>) {
    let all: Vec<&BackupFacts> = subject
        .backups
        .iter()
        .copied()
        .filter(|backup| backup.kind == Kind::Full && !is_in_the_future(backup.started_at, now))
        .collect();
    found.extend(damaged(subject, &all));
    let full: Vec<&BackupFacts> = all.into_iter().filter(|backup| backup.is_full()).collect();
    let old = too_old(subject, &full, options, now);
    if !subject.is_copy {
        // Of a database that is backed up no more, that is told.
        found.extend(if old.is_none() { unjoined(subject, &full) } else { None });
        found.extend(old);
        found.extend(undrilled(subject, &full, options, now));
        found.extend(unproved(subject, &full, options, now));
        found.extend(undeleted(subject, &full, now));
        found.extend(
            subject.copies.iter().filter_map(|copies| uncopied(subject, &full, copies, options, now)),
        );
        found.extend(lacking(subject, &full));
        found.extend(resized(subject, &full));
        tables(subject, &full, found);
    }
    for what in subject.kinds_of_runs() {
        found.extend(ended_badly(subject, what, now));
    }
}

/// A trouble of a subject, or of a thing of it.
fn of(subject: &Subject<'_>, code: Code, thing: Option<&str>, message: String) -> Trouble {
    let label = subject.label();
    let about = format!("{}/{label}", subject.store.place);
    Trouble { subject: label, ..tell(code, &about, thing, message) }
}

pub(super) fn tell(code: Code, subject: &str, thing: Option<&str>, message: String) -> Trouble {
    let thing = thing.map(|thing| format!("/{thing}")).unwrap_or_default();
    Trouble {
        code: code.code.into(),
        key: format!("{}:{subject}{thing}", code.code),
        subject: subject.to_owned(),
        message,
        hint: code.remedy.into(),
        section: code.section().unwrap_or("alerts").into(),
    }
}

/// When the subject was first heard of: by a backup, or by a run that was to make one.
fn first_known(subject: &Subject<'_>, full: &[&BackupFacts]) -> Option<Timestamp> {
    let backup = full.first().map(|backup| backup.started_at);
    let run = subject.runs.iter().find(|run| run.what == "backup").map(|run| run.at);
    backup.into_iter().chain(run).min()
}

fn too_old(
    subject: &Subject<'_>,
    full: &[&BackupFacts],
    options: &TroubleOptions,
    now: Timestamp,
) -> Option<Trouble> {
    let first = first_known(subject, full)?;
    let newest =
        full.iter().filter(|backup| backup.proof == Proof::Proved).map(|backup| backup.started_at).max();
    let limit = span(options.max_age);
    let message = match newest {
        Some(newest) if now - newest > options.max_age => {
            format!(
                "the newest proved backup is {} old, from {}; the limit is {limit}",
                span(now - newest),
                moment(newest)
            )
        }
        None if now - first > options.max_age => {
            format!(
                "there is no proved backup, of {} in all; the limit is {limit}",
                count(full.len(), "backup")
            )
        }
        _ => return None,
    };
    Some(of(subject, notice::PROVED_TOO_OLD, None, message))
}

fn damaged(subject: &Subject<'_>, full: &[&BackupFacts]) -> Option<Trouble> {
    let damaged: Vec<&str> = full
        .iter()
        .filter(|backup| backup.proof == Proof::Failed)
        .map(|backup| backup.name.as_str())
        .collect();
    let newest = damaged.last()?;
    let message = match damaged.len() {
        1 => format!("backup {newest} is damaged, or failed its last verification"),
        more => {
            format!("{more} backups are damaged, or failed their last verification; the newest is {newest}")
        }
    };
    Some(of(subject, notice::BACKUP_DAMAGED, Some(newest), message))
}

fn unreadable(store: &StoreFacts) -> Option<Trouble> {
    let unreadable = usize::try_from(store.unreadable).unwrap_or(usize::MAX);
    let message = format!("{} cannot be read", count(unreadable, "backup"));
    let thing = format!("unreadable/{unreadable}");
    (unreadable > 0).then(|| tell(notice::BACKUP_DAMAGED, &store.place, Some(&thing), message))
}

/// The logs that are looked at: all, or those of what is asked for.
pub(super) fn logs<'a>(
    input: &'a ReportInput,
    subjects: &[Subject<'a>],
    options: &TroubleOptions,
) -> Vec<(&'a StoreFacts, &'a ShippedLog)> {
    let is_asked_for = |store: &StoreFacts, log: &ShippedLog| {
        let is_of = |subject: &Subject<'_>| {
            std::ptr::eq(subject.store, store) && subject.log().is_some_and(|own| own.chain == log.chain)
        };
        options.scope.is_all() || subjects.iter().any(is_of)
    };
    let of_store = |store: &'a StoreFacts| store.logs.iter().map(move |log| (store, log));
    input.stores.iter().flat_map(of_store).filter(|(store, log)| is_asked_for(store, log)).collect()
}

/// A trouble of a log.
fn of_log(store: &StoreFacts, log: &ShippedLog, code: Code, message: String) -> Trouble {
    let about = format!("{}/{}", store.place, log.server.as_deref().unwrap_or_default());
    Trouble { subject: log.label(), ..tell(code, &about, Some("log"), message) }
}

fn broken_log(store: &StoreFacts, log: &ShippedLog) -> Option<Trouble> {
    let message = format!("it is broken at {}", broken(log.fault.as_ref()?));
    Some(of_log(store, log, notice::LOG_HOLE, message))
}

/// What base and log make is not what the later backup holds.
fn lacking(subject: &Subject<'_>, full: &[&BackupFacts]) -> Option<Trouble> {
    let (backup, proof) = newest_proof(full).filter(|(_, proof)| !proof.ok)?;
    let first =
        proof.problems.first().map(|problem| format!(": {}", blank_quoted(problem))).unwrap_or_default();
    let message = format!("{} and the log after it do not make {}{first}", proof.base, backup.name);
    Some(of(subject, notice::LOG_LACKS, Some(&backup.name), message))
}

/// Nothing more has become safe for too long; with the reason, where the follower says one.
fn lagging(
    store: &StoreFacts,
    log: &ShippedLog,
    options: &TroubleOptions,
    now: Timestamp,
) -> Option<Trouble> {
    let (limit, lag) = (log.limit(options)?, log.lag(now)?);
    if lag <= limit {
        return None;
    }
    let safe = format!("what is younger than {} is not safe", span(lag));
    let limit = span(limit);
    let Some(status) = &log.status else {
        let message = format!("{safe}, and no follower has left a word; the limit is {limit}");
        return Some(of_log(store, log, notice::LOG_LAGS, message));
    };
    let (host, ago) = (&status.host, span(now - status.at));
    if let Some(problem) = log.problem() {
        let does = if status.state == FollowState::Waiting { "waits" } else { "has given up" };
        let message = format!("{safe}: the follower on {host} {does}: {problem}; the limit is {limit}");
        return Some(of_log(store, log, notice::LOG_WAITS, message));
    }
    let is_fresh = now - status.at <= SILENT_AFTER;
    let why = match status.state {
        _ if status.once => format!("fwb-follow --once was last heard of on {host} {ago} ago"),
        FollowState::Ended => format!("the follower on {host} was ended {ago} ago"),
        _ if is_fresh => format!("the follower on {host} is behind"),
        _ => format!("the follower on {host} has said nothing for {ago}"),
    };
    Some(of_log(store, log, notice::LOG_LAGS, format!("{safe}: {why}; the limit is {limit}")))
}

/// The log does not go on from any proved backup: its newest moments cannot be reached.
fn unjoined(subject: &Subject<'_>, full: &[&BackupFacts]) -> Option<Trouble> {
    let log = subject.log()?;
    let since = log.since.map(|since| format!(" of {}", moment(since))).unwrap_or_default();
    let message = match joined(log, full) {
        // That is told of the log itself.
        Joined::Broken | Joined::Whole | Joined::NotYet(_) => return None,
        Joined::NoBackup => {
            format!("moments since the log{since} cannot be reached: no proved backup is as new as it")
        }
        Joined::NoBase(name) => {
            let newest = full.iter().find(|backup| backup.name == name);
            let why = if newest.is_some_and(|backup| backup.has_place) {
                "the log does not go on from the newest proved backup"
            } else {
                "the newest proved backup does not say where the binary log stood"
            };
            format!("moments since the log{since} cannot be reached: {why}, {name}")
        }
        Joined::Unproved(name) => {
            format!("moments since the log{since} are reached from {name} alone, which is not proved")
        }
    };
    Some(of(subject, notice::LOG_HOLE, Some("log"), message))
}

/// The last run of a kind, where it failed or was lost. Restores have somebody who waits for them.
fn ended_badly(subject: &Subject<'_>, what: &str, now: Timestamp) -> Option<Trouble> {
    let last = subject.ended(what).next_back().filter(|run| now - run.at < RUN_TOLD_FOR)?;
    if matches!(what, "restore" | "undo") {
        return None;
    }
    let at = moment(last.at);
    match last.outcome {
        RunOutcome::Failed => {
            let message = format!("the last {what} run, of {at}, failed{}", last_words(last));
            let trouble = of(subject, notice::RUN_FAILED, Some(what), message);
            let hint = last.hint.as_deref().map_or_else(|| trouble.hint.clone(), blank_quoted);
            Some(Trouble { hint, ..trouble })
        }
        RunOutcome::Lost => {
            let message = format!("the last {what} run, of {at}, ended without a word");
            Some(of(subject, notice::RUN_LOST, Some(what), message))
        }
        RunOutcome::Ok | RunOutcome::Running => None,
    }
}

/// Where and why it failed, without what it may quote.
fn last_words(run: &RunRecord) -> String {
    let stage = run.stage.as_deref().map(|stage| format!(" in {stage}")).unwrap_or_default();
    let reason =
        run.reason.as_deref().map(|reason| format!(": {}", blank_quoted(reason))).unwrap_or_default();
    stage + &reason
}

fn undrilled(
    subject: &Subject<'_>,
    full: &[&BackupFacts],
    options: &TroubleOptions,
    now: Timestamp,
) -> Option<Trouble> {
    let age = options.drill_age?;
    let first = first_known(subject, full)?;
    let limit = span(age);
    let message = match newest_drill(subject) {
        Some(newest) if now - newest > age => {
            format!(
                "the newest drill that held is {} old, from {}; the limit is {limit}",
                span(now - newest),
                moment(newest)
            )
        }
        None if now - first > age => {
            format!("no drill has held, in the {} that are known; the limit is {limit}", span(now - first))
        }
        _ => return None,
    };
    Some(of(subject, notice::DRILL_TOO_OLD, None, message))
}

/// When the newest drill that held has ended.
pub(super) fn newest_drill(subject: &Subject<'_>) -> Option<Timestamp> {
    let copies = subject.copies.iter().flat_map(|copies| copies.backups.iter());
    let backups =
        subject.backups.iter().chain(copies).filter_map(|backup| backup.drill()).map(|drill| drill.at);
    let of_run = |run: &&RunRecord| {
        let drill = run.of_whole()?;
        (drill.ok && drill.level == crate::manifest::Level::Drill).then_some(drill.at)
    };
    backups.chain(subject.runs.iter().filter_map(of_run)).max()
}

fn unproved(
    subject: &Subject<'_>,
    full: &[&BackupFacts],
    options: &TroubleOptions,
    now: Timestamp,
) -> Option<Trouble> {
    let old: Vec<_> = full.iter().filter(|backup| now - backup.started_at > options.max_age).collect();
    let unproved =
        old.iter().filter(|backup| matches!(backup.proof, Proof::Unproved | Proof::Partial)).count();
    let message = format!("{unproved} of {} are not proved", count(old.len(), "backup"));
    let is_much = unproved >= LEAST_UNPROVED && unproved * 2 > old.len();
    is_much.then(|| of(subject, notice::PILE, Some("unproved"), message))
}

/// Runs that have gone on for long, of which none has decided on what to delete.
fn undeleted(subject: &Subject<'_>, full: &[&BackupFacts], now: Timestamp) -> Option<Trouble> {
    let first = subject.ended("backup").next()?;
    let decided = subject.store.runs.iter().any(|run| run.kept.is_some() || !run.deleted.is_empty());
    let is_long = now - first.at > NO_RETENTION.0 && full.len() > NO_RETENTION.1;
    let message = format!(
        "no run has deleted an old backup in {}; {} are kept",
        span(now - first.at),
        count(full.len(), "backup")
    );
    (is_long && !decided).then(|| of(subject, notice::PILE, Some("retention"), message))
}

fn uncopied(
    subject: &Subject<'_>,
    full: &[&BackupFacts],
    copies: &Copies<'_>,
    options: &TroubleOptions,
    now: Timestamp,
) -> Option<Trouble> {
    let missing = without_copy(full, copies, options.max_age, now);
    let (newest, place) = (missing.last()?, copies.place);
    let message = match missing.len() {
        1 => format!("backup {newest} has no copy in {place}"),
        more => {
            format!("{more} backups of the last seven days have no copy in {place}; the newest is {newest}")
        }
    };
    Some(of(subject, notice::COPY_MISSING, Some(place), message))
}

/// The proved backups of the last days that a second store lacks, oldest first. A fresh one is given the time to be copied.
pub(super) fn without_copy<'a>(
    full: &[&'a BackupFacts],
    copies: &Copies<'_>,
    grace: TimeDelta,
    now: Timestamp,
) -> Vec<&'a str> {
    let held: BTreeSet<&str> = copies.backups.iter().map(|copy| copy.name.as_str()).collect();
    let is_due = |backup: &&&BackupFacts| {
        let age = now - backup.started_at;
        backup.proof == Proof::Proved
            && age > grace
            && age < COPIES_OF
            && !held.contains(backup.name.as_str())
    };
    full.iter().filter(is_due).map(|backup| backup.name.as_str()).collect()
}

fn full(store: &StoreFacts, forecast: &Forecast, options: &TroubleOptions) -> Option<Trouble> {
    let days = forecast.days.filter(|_| forecast.verdict == Verdict::Fills)?;
    let free = bytes(store.space?.free);
    let within = |days: f64| days * 24.0 < hours(options.full_within);
    let next = bytes(forecast.next_backup_bytes);
    let message = if days <= 0.0 {
        format!("{free} are free, and the next backup takes {next}")
    } else {
        let from = forecast.earliest_days.unwrap_or(days);
        let to = forecast.latest_days.map_or("more than 3650".to_owned(), |days| format!("{days:.0}"));
        let unbounded =
            if forecast.retention_deletes { "" } else { "; retention has deleted nothing so far" };
        let told = format!("{days:.0}");
        let range = format!("{from:.0} to {to}");
        let range = if range == format!("{told} to {told}") { String::new() } else { format!(" ({range})") };
        format!("the store is full in {told} days{range}, with {free} free now{unbounded}")
    };
    within(days).then(|| tell(notice::STORE_FULL, &store.place, None, message))
}

#[allow(clippy::cast_precision_loss)]
fn hours(span: TimeDelta) -> f64 {
    span.num_hours() as f64
}

/// The sizes of a subject's whole backups, oldest first: those that are there, and those that runs tell of.
pub(super) fn sizes(subject: &Subject<'_>, full: &[&BackupFacts]) -> Vec<(Timestamp, u64)> {
    let there: BTreeSet<&str> = full.iter().map(|backup| backup.name.as_str()).collect();
    let made = subject.ended("backup").filter(|run| run.outcome == RunOutcome::Ok && run.chosen.is_none());
    let gone = made.filter(|run| run.name.as_deref().is_some_and(|name| !there.contains(name)));
    let usable = full.iter().filter(|backup| matches!(backup.proof, Proof::Proved | Proof::Unproved));
    let mut sizes: Vec<(Timestamp, u64)> = gone
        .filter_map(|run| Some((run.at, run.size?)))
        .chain(usable.map(|backup| (backup.started_at, backup.size)))
        .collect();
    sizes.sort_unstable();
    sizes
}

fn resized(subject: &Subject<'_>, full: &[&BackupFacts]) -> Option<Trouble> {
    let Change { at, before, now } = change(&sizes(subject, full), LEAST_BYTES)?;
    let verb = if now > before { "has jumped" } else { "has fallen" };
    let message =
        format!("the backups' size {verb} from {} to {}, first on {}", bytes(before), bytes(now), moment(at));
    Some(of(subject, notice::SIZE_CHANGED, None, message))
}

fn tables(subject: &Subject<'_>, full: &[&BackupFacts], found: &mut Vec<Trouble>) {
    let held = held(full);
    let gone = vanished_tables(&held).into_iter().map(|(name, at)| {
        (name, format!("table {name} is in no backup since that of {}, and was in all before", moment(at)))
    });
    found.extend(told(subject, notice::TABLE_VANISHED, "tables have vanished", gone.collect()));
    let changed = changed_tables(&held).into_iter().map(|(name, Change { at, before, now })| {
        let verb = if now > before { "jumped" } else { "fell" };
        let at = moment(at);
        (name, format!("table {name} {verb} from {before} to {now} rows, first in the backup of {at}"))
    });
    found.extend(told(subject, notice::ROWS_CHANGED, "tables' rows jumped or fell", changed.collect()));
}

/// A trouble for each table, or one for many.
fn told(subject: &Subject<'_>, code: Code, what: &str, tables: Vec<(&str, String)>) -> Vec<Trouble> {
    if tables.len() <= TABLES_TOLD {
        return tables.into_iter().map(|(name, message)| of(subject, code, Some(name), message)).collect();
    }
    let names: Vec<&str> = tables.iter().take(TABLES_TOLD).map(|(name, _)| *name).collect();
    let message = format!("{} {what}: {}, …", tables.len(), names.join(", "));
    vec![of(subject, code, Some("*"), message)]
}

/// A moment in the time zone that its backup or run was in.
fn moment(at: Timestamp) -> String {
    at.format("%Y-%m-%d %H:%M").to_string()
}
