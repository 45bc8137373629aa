//! From what stores hold to the report.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Datelike, NaiveDate, TimeDelta};

use super::change::Change;
use super::facts::{BackupFacts, ReportInput, StoreFacts, TableFacts, days, median};
use super::fleet::of_fleet;
use super::forecast::forecast;
use super::log::reach;
use super::model::{
    BackupReport, CertificateReport, CopyReport, DatabaseReport, DayReport, DrillReport, KindReport,
    REPORT_SCHEMA, ReportDocument, RunBrief, RunsReport, SizePoint, StoreReport, TablePoint, TableReport,
    WindowReport,
};
use super::subject::{Subject, subjects};
use super::tables::{Held, changed_tables, held, vanished_tables};
use super::trend::Trend;
use super::trouble::{Trouble, TroubleOptions, logs, sizes, troubles, without_copy};
use crate::blank::blank_quoted;
use crate::manifest::{Kind, Level, Timestamp, Verification, is_in_the_future};
use crate::retention::Proof;
use crate::run::{RunOutcome, RunRecord};
use crate::words::{count, span};

/// The windows of success rates, in days.
const WINDOWS: [u32; 3] = [7, 30, 90];
/// How many runs, failures and tables a report names at most.
const LISTED: usize = 50;
/// How many days are shown one by one; of more, weeks are.
const DAYS: i64 = 400;
/// How many points of sizes are shown.
const POINTS: usize = 400;
/// A trend of sizes needs so many.
const LEAST_SIZES: usize = 7;

/// The report of these stores. `since` bounds what is shown; what needs a person does not depend on it.
pub fn report(
    input: &ReportInput,
    options: &TroubleOptions,
    since: Timestamp,
    now: Timestamp,
) -> ReportDocument {
    let troubles = troubles(input, options, now);
    let subjects = subjects(input, &options.scope);
    ReportDocument {
        schema: REPORT_SCHEMA.into(),
        at: now,
        since,
        version: env!("CARGO_PKG_VERSION").into(),
        ok: troubles.is_empty(),
        state: state(&troubles, &subjects, now),
        fleet: of_fleet(input, &subjects, options, now),
        stores: input.stores.iter().map(|store| of_store(store, now)).collect(),
        databases: subjects.iter().map(|subject| of_subject(subject, options, since, now)).collect(),
        logs: logs(input, &subjects, options)
            .into_iter()
            .map(|(store, log)| log.report(&store.place, options, now))
            .collect(),
        certificates: input
            .certificates
            .iter()
            .map(|one| CertificateReport {
                setting: one.setting.clone(),
                file: one.file.clone(),
                not_after: one.not_after,
            })
            .collect(),
        troubles,
    }
}

/// The state in one sentence.
fn state(troubles: &[Trouble], subjects: &[Subject<'_>], now: Timestamp) -> String {
    let [first, rest @ ..] = troubles else {
        let proved =
            |subject: &Subject<'_>| newest_proved(&full(subject, now)).map(|backup| now - backup.started_at);
        let oldest = subjects.iter().filter(|subject| !subject.is_copy).filter_map(proved).max();
        return match (oldest, subjects.len()) {
            (Some(age), 1) => format!("All is well: the newest proved backup is {} old", span(age)),
            (Some(age), _) => format!("All is well: each newest proved backup is at most {} old", span(age)),
            (None, 0) => "There are no backups and no runs".into(),
            (None, _) => "Nothing is wrong, and there is no proved backup yet".into(),
        };
    };
    let more = if rest.is_empty() { String::new() } else { format!(" (and {} more)", rest.len()) };
    format!("{}: {}: {}{more}", count(troubles.len(), "trouble"), first.subject, first.message)
}

fn of_store(store: &StoreFacts, now: Timestamp) -> StoreReport {
    let of_kind = |kind: Kind| {
        let all = || store.backups.iter().filter(move |backup| backup.kind == kind);
        let unproved = || all().filter(|backup| backup.proof != Proof::Proved);
        KindReport {
            kind,
            backups: all().count() as u64,
            bytes: all().map(|backup| backup.size).sum(),
            unproved: unproved().count() as u64,
            unproved_bytes: unproved().map(|backup| backup.size).sum(),
        }
    };
    StoreReport {
        store: store.place.clone(),
        backups: store.backups.len() as u64,
        used_bytes: store.backups.iter().map(|backup| backup.size).sum(),
        kinds: Kind::ALL.map(of_kind).into(),
        unreadable: store.unreadable,
        unreadable_runs: store.unreadable_runs,
        free_bytes: store.space.map(|space| space.free),
        total_bytes: store.space.map(|space| space.total),
        forecast: forecast(store, now),
    }
}

/// The subject's backups that `fwb-dump` made of all of it, but for those that a wrong clock has dated ahead.
fn full<'a>(subject: &Subject<'a>, now: Timestamp) -> Vec<&'a BackupFacts> {
    let counts = |backup: &&BackupFacts| backup.is_full() && !is_in_the_future(backup.started_at, now);
    subject.backups.iter().copied().filter(counts).collect()
}

fn newest_proved<'a>(full: &[&'a BackupFacts]) -> Option<&'a BackupFacts> {
    full.iter().rev().find(|backup| backup.proof == Proof::Proved).copied()
}

fn of_subject(
    subject: &Subject<'_>,
    options: &TroubleOptions,
    since: Timestamp,
    now: Timestamp,
) -> DatabaseReport {
    let full = full(subject, now);
    let newest_proved = newest_proved(&full);
    let drills = drills(subject, since);
    let sizes = sizes(subject, &full);
    let held = held(&full);
    DatabaseReport {
        store: subject.store.place.clone(),
        server: subject.server.map(ToOwned::to_owned),
        database: subject.database.map(ToOwned::to_owned),
        is_copy: subject.is_copy,
        backups: full.len() as u64,
        proved: full.iter().filter(|backup| backup.proof == Proof::Proved).count() as u64,
        newest: full.last().map(|backup| brief_of_backup(backup)),
        newest_proved: newest_proved.map(brief_of_backup),
        rpo_seconds: newest_proved.map(|backup| (now - backup.started_at).num_seconds()),
        worst_rpo_seconds: worst_gap(subject, &full, since, now),
        rto_seconds: drills.iter().rev().find_map(|drill| drill.restore_seconds),
        worst_rto_seconds: drills.iter().filter_map(|drill| drill.restore_seconds).max_by(f64::total_cmp),
        newest_drill: drills.last().cloned(),
        drills,
        size_trend: size_trend(&sizes, since),
        sizes: size_points(&sizes, since),
        tables_total: held.last().map(|newest| newest.tables.len() as u64),
        tables: tables(&held),
        runs: subject.kinds_of_runs().iter().map(|what| of_runs(subject, what, since, now)).collect(),
        latest_runs: subject.runs.iter().rev().take(LISTED).map(|run| brief_of_run(run)).collect(),
        latest_failures: latest_failures(subject),
        copies: subject
            .copies
            .iter()
            .map(|copies| {
                let full: Vec<&BackupFacts> =
                    copies.backups.iter().copied().filter(|backup| backup.is_full()).collect();
                CopyReport {
                    store: copies.place.to_owned(),
                    backups: full.len() as u64,
                    newest_proved_at: self::newest_proved(&full).map(|backup| backup.started_at),
                    missing: without_copy(&self::full(subject, now), copies, options.max_age, now)
                        .into_iter()
                        .map(ToOwned::to_owned)
                        .collect(),
                }
            })
            .collect(),
        reachable: subject.log().map(|log| reach(log, &self::full(subject, now))),
    }
}

fn brief_of_backup(backup: &BackupFacts) -> BackupReport {
    BackupReport {
        name: backup.name.clone(),
        at: backup.started_at,
        size: backup.size,
        rows: backup.rows,
        proved: backup.proof == Proof::Proved,
        leaves_out: backup.is_excluding,
    }
}

/// The longest time without a proved backup: between two, and from the newest to now.
fn worst_gap(subject: &Subject<'_>, full: &[&BackupFacts], since: Timestamp, now: Timestamp) -> Option<i64> {
    let proved = full.iter().filter(|backup| backup.proof == Proof::Proved).map(|backup| backup.started_at);
    let told = subject.ended("backup").filter(|run| run.outcome == RunOutcome::Ok);
    let told = told.filter(|run| run.of_whole().is_some_and(Verification::proves)).map(|run| run.at);
    let mut moments: Vec<Timestamp> = proved.chain(told).filter(|at| *at >= since && *at <= now).collect();
    moments.sort_unstable();
    moments.last()?;
    moments.push(now);
    moments.windows(2).map(|pair| (pair[1] - pair[0]).num_seconds()).max()
}

/// The drills that held: of the backups that are there, and of the runs.
fn drills(subject: &Subject<'_>, since: Timestamp) -> Vec<DrillReport> {
    let of = |name: Option<&String>, outcome: &Verification| DrillReport {
        name: name.cloned(),
        at: outcome.at,
        restore_seconds: outcome.restore_seconds,
        server_version: outcome.server.as_ref().map(|server| server.version.clone()),
    };
    let of_backups =
        subject.backups.iter().filter_map(|backup| Some(of(Some(&backup.name), backup.drill()?)));
    let held =
        |run: &&&RunRecord| run.of_whole().is_some_and(|outcome| outcome.ok && outcome.level == Level::Drill);
    let of_runs = subject
        .runs
        .iter()
        .filter(held)
        .filter_map(|run| Some(of(run.name.as_ref(), run.verification.as_ref()?)));
    let mut drills: Vec<DrillReport> = of_backups.chain(of_runs).collect();
    drills.sort_by(|a, b| (a.at, &a.name).cmp(&(b.at, &b.name)));
    drills.dedup_by(|a, b| a.at == b.at && a.name == b.name);
    let surplus = drills.len().saturating_sub(LISTED);
    let newest = drills.len().saturating_sub(1);
    let mut at = 0..;
    drills.retain(|drill| {
        let at = at.next().unwrap_or_default();
        at == newest || at >= surplus && drill.at >= since
    });
    drills
}

#[allow(clippy::cast_precision_loss)]
fn size_trend(sizes: &[(Timestamp, u64)], since: Timestamp) -> Option<Trend> {
    let points: Vec<(f64, f64)> =
        sizes.iter().filter(|(at, _)| *at >= since).map(|(at, size)| (days(*at), *size as f64)).collect();
    Trend::of(&points, LEAST_SIZES)
}

/// Of each day the last; of too many days every second, and so on, the newest always.
fn size_points(sizes: &[(Timestamp, u64)], since: Timestamp) -> Vec<SizePoint> {
    let mut daily: BTreeMap<NaiveDate, SizePoint> = BTreeMap::new();
    for (at, bytes) in sizes.iter().copied().filter(|(at, _)| *at >= since) {
        daily.insert(at.date_naive(), SizePoint { at, bytes });
    }
    let step = daily.len().div_ceil(POINTS).max(1);
    let skipped = daily.len().saturating_sub(1) % step;
    daily.into_values().skip(skipped).step_by(step).collect()
}

fn tables(held: &[Held<'_>]) -> Vec<TableReport> {
    let Some(newest) = held.last() else { return Vec::new() };
    let gone = vanished_tables(held).into_iter().map(|(name, at)| {
        let gone = table(held, name);
        TableReport { changed_at: Some(at), change: Some("vanished".into()), rows_before: gone.rows, ..gone }
    });
    let changed = changed_tables(held);
    let told = changed.iter().map(|(name, Change { at, before, now })| TableReport {
        changed_at: Some(*at),
        change: Some(if now > before { "jumped" } else { "fell" }.into()),
        rows_before: Some(*before),
        ..table(held, name)
    });
    let mut tables: Vec<TableReport> = gone.chain(told).take(LISTED).collect();
    let names: BTreeSet<&str> = changed.iter().map(|(name, _)| *name).collect();
    let mut others: Vec<&TableFacts> =
        newest.tables.values().copied().filter(|one| !names.contains(one.name.as_str())).collect();
    others.sort_by(|a, b| (b.raw_size, &a.name).cmp(&(a.raw_size, &b.name)));
    let room = LISTED - tables.len();
    tables.extend(others.into_iter().take(room).map(|one| table(held, &one.name)));
    tables
}

/// A table, as the backups that are known have it.
fn table(held: &[Held<'_>], name: &str) -> TableReport {
    let points: Vec<TablePoint> = held
        .iter()
        .map(|one| {
            let table = one.tables.get(name);
            TablePoint {
                at: one.at,
                rows: table.and_then(|table| table.rows),
                bytes: table.map_or(0, |table| table.raw_size),
            }
        })
        .collect();
    let last = held.iter().rev().find_map(|one| one.tables.get(name));
    TableReport {
        name: name.to_owned(),
        rows: last.and_then(|table| table.rows),
        bytes: last.map_or(0, |table| table.raw_size),
        changed_at: None,
        change: None,
        rows_before: None,
        points,
    }
}

fn of_runs(subject: &Subject<'_>, what: &str, since: Timestamp, now: Timestamp) -> RunsReport {
    let window = |days: u32| {
        let from = now - TimeDelta::days(i64::from(days));
        let mut window = WindowReport { days, ok: 0, failed: 0, lost: 0, rate: None };
        for run in subject.ended(what).filter(|run| run.at > from && run.at <= now) {
            match run.outcome {
                RunOutcome::Ok => window.ok += 1,
                RunOutcome::Failed => window.failed += 1,
                RunOutcome::Lost => window.lost += 1,
                RunOutcome::Running => {}
            }
        }
        WindowReport { rate: rate(window.ok, window.ok + window.failed + window.lost), ..window }
    };
    let by_week = (now - since).num_days() > DAYS;
    RunsReport {
        what: what.to_owned(),
        windows: WINDOWS.map(window).into(),
        last: subject.ended(what).next_back().map(brief_of_run),
        last_ok_at: subject
            .ended(what)
            .rev()
            .find(|run| run.outcome == RunOutcome::Ok)
            .map(|run| run.finished_at.unwrap_or(run.at)),
        days: by_day(subject.ended(what).filter(|run| run.at >= since && run.at <= now), by_week),
        by_week,
    }
}

#[allow(clippy::cast_precision_loss)]
fn rate(ok: u64, all: u64) -> Option<f64> {
    (all > 0).then(|| ok as f64 / all as f64)
}

fn by_day<'a>(runs: impl Iterator<Item = &'a RunRecord>, by_week: bool) -> Vec<DayReport> {
    let mut days: BTreeMap<NaiveDate, (DayReport, Vec<f64>)> = BTreeMap::new();
    for run in runs {
        let day = run.at.date_naive();
        let since_monday = i64::from(day.weekday().num_days_from_monday());
        let date = if by_week { day - TimeDelta::days(since_monday) } else { day };
        let empty = DayReport { date, ok: 0, failed: 0, lost: 0, seconds: None };
        let (day, seconds) = days.entry(date).or_insert_with(|| (empty, Vec::new()));
        match run.outcome {
            RunOutcome::Ok => {
                day.ok += 1;
                seconds.extend(run.seconds);
            }
            RunOutcome::Failed => day.failed += 1,
            RunOutcome::Lost => day.lost += 1,
            RunOutcome::Running => {}
        }
    }
    days.into_values().map(|(day, seconds)| DayReport { seconds: median(seconds), ..day }).collect()
}

fn latest_failures(subject: &Subject<'_>) -> Vec<RunBrief> {
    let failed = |run: &&&RunRecord| matches!(run.outcome, RunOutcome::Failed | RunOutcome::Lost);
    subject.runs.iter().rev().filter(failed).take(LISTED).map(|run| brief_of_run(run)).collect()
}

fn brief_of_run(run: &RunRecord) -> RunBrief {
    let blanked = |text: &Option<String>| text.as_deref().map(blank_quoted);
    RunBrief {
        id: run.id.clone(),
        what: run.what.clone(),
        at: run.at,
        seconds: run.seconds,
        outcome: run.outcome,
        stage: run.stage.clone(),
        code: run.code.clone(),
        reason: blanked(&run.reason),
        hint: blanked(&run.hint),
        warnings: run.warnings.iter().take(5).map(|warning| blank_quoted(warning)).collect(),
        retries: run.steps.iter().map(|step| u64::from(step.tries.saturating_sub(1))).sum(),
        name: run.name.clone(),
    }
}
