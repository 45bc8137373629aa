//! A report for whoever reads a terminal: what is wrong first, then each database, then each store.

use std::fmt::Write as _;

use fwb::{
    DatabaseReport, FleetReport, FollowState, Forecast, HoleVerdict, LogReport, ReachReport, ReportDocument,
    RunBrief, RunOutcome, RunsReport, StoreReport, Timestamp, Verdict,
};
use fwb_cli::{grouped, human_size, printable};

use crate::words::{age, label, lag_told, log_label, moment, percent, seconds, signed_size};

/// The longest reason that a line tells, in characters.
const LONGEST_REASON: usize = 200;

/// The report as lines of text. Names from elsewhere are made [`printable`].
pub fn text(report: &ReportDocument) -> String {
    let mut out = String::new();
    if report.ok {
        line(&mut out, &report.state);
    }
    for trouble in &report.troubles {
        line(&mut out, &format!("{}  {}: {}", trouble.code, trouble.subject, trouble.message));
        line(&mut out, &format!("          hint: {}", trouble.hint));
        line(&mut out, &format!("          docs/RUNBOOK.md#{}", trouble.section));
    }
    if let Some(fleet) = &report.fleet {
        out.push('\n');
        of_fleet(&mut out, fleet, report.at);
    }
    for database in report.databases.iter().filter(|one| is_told(one, report)) {
        out.push('\n');
        of_database(&mut out, database, report.at);
    }
    // Of a fleet, a line for each store would hide what is wrong.
    let stores = if report.fleet.is_some() { &[][..] } else { &report.stores[..] };
    if !stores.is_empty() {
        out.push('\n');
    }
    for store in stores {
        line(&mut out, &of_store(store));
    }
    for log in &report.logs {
        line(&mut out, &of_log(log, report.at));
    }
    out
}

fn line(out: &mut String, text: &str) {
    *out += &printable(text);
    out.push('\n');
}

/// Whether a database has lines of its own: of a fleet, those about which something is wrong.
fn is_told(one: &DatabaseReport, report: &ReportDocument) -> bool {
    report.fleet.is_none() || report.troubles.iter().any(|trouble| trouble.subject == label(one))
}

/// A line for each server, and first for those that are not as they should be.
fn of_fleet(out: &mut String, fleet: &FleetReport, now: Timestamp) {
    let (fresh, others): (Vec<_>, Vec<_>) = fleet.servers.iter().partition(|one| one.fresh);
    let told = format!(
        "{} of {} have fresh proved backups",
        fresh.len(),
        plural(fleet.servers.len() as u64, "server")
    );
    line(out, &format!("{}: {told}", fleet.file));
    let longest = fleet.servers.iter().map(|one| one.server.chars().count()).max().unwrap_or_default();
    for one in others.into_iter().chain(fresh) {
        let newest = match (one.newest_proved_at, one.backups) {
            (Some(at), _) => format!("newest proved {}", age(at, now)),
            (None, None) => "its store could not be read".into(),
            (None, Some(0)) => "no backup".into(),
            (None, Some(_)) => "a database without a proved backup".into(),
        };
        let held = match (one.databases, one.backups) {
            (Some(databases), Some(backups)) if backups > 0 => {
                format!("; {} of {}", plural(backups, "backup"), plural(databases, "database"))
            }
            _ => String::new(),
        };
        line(out, &format!("  {:<longest$}  {newest}{held}, in {}", one.server, one.store));
    }
}

fn of_database(out: &mut String, one: &DatabaseReport, now: Timestamp) {
    let copy = if one.is_copy { " (copies)" } else { "" };
    line(out, &format!("{}, in {}{copy}", label(one), one.store));
    let mut row = |title: &str, text: String| line(out, &format!("  {title:<14}{text}"));
    if let Some(newest) = &one.newest_proved {
        let rows = newest.rows.map(|rows| format!(", {} rows", grouped(rows))).unwrap_or_default();
        row(
            "newest proved",
            format!(
                "{} ({}), {}{rows}{}",
                age(newest.at, now),
                moment(newest.at),
                human_size(newest.size),
                if newest.leaves_out { ", some tables left out" } else { "" }
            ),
        );
    } else if one.backups > 0 {
        row("newest proved", "none".into());
    }
    if one.backups > 0 {
        row("backups", format!("{}, {} of them proved", one.backups, one.proved));
    }
    if let Some(drill) = &one.newest_drill {
        let took =
            drill.restore_seconds.map(|took| format!(", restored in {}", seconds(took))).unwrap_or_default();
        row("drill", format!("held {} ({}){took}", age(drill.at, now), moment(drill.at)));
    }
    if let Some(trend) = &one.size_trend {
        let said = if trend.is_certain() {
            format!(
                "{} a day ({} to {})",
                signed_size(trend.slope),
                signed_size(trend.low),
                signed_size(trend.high)
            )
        } else {
            "no trend".into()
        };
        row("size", said);
    }
    for table in one.tables.iter().filter(|table| table.change.is_some()) {
        let change = table.change.as_deref().unwrap_or_default();
        let rows = |rows: Option<u64>| rows.map_or("?".into(), grouped);
        let from_to = if change == "vanished" {
            format!("had {} rows", rows(table.rows_before))
        } else {
            format!("from {} to {} rows", rows(table.rows_before), rows(table.rows))
        };
        row("table", format!("{} {change}: {from_to}", table.name));
    }
    if let Some(reachable) = &one.reachable {
        row("any moment", of_reach(reachable));
        if let Some(proof) = &reachable.proof {
            let made = if proof.ok { "made" } else { "did not make" };
            row(
                "log proof",
                format!(
                    "{}: {} and the log {made} it, in {}",
                    age(proof.at, now),
                    proof.base,
                    seconds(proof.seconds)
                ),
            );
        }
    }
    for copies in &one.copies {
        let newest = copies
            .newest_proved_at
            .map_or("none proved".into(), |at| format!("newest proved {}", age(at, now)));
        let missing = if copies.missing.is_empty() {
            String::new()
        } else {
            format!(", {} missing", copies.missing.len())
        };
        row("copies", format!("{} in {}, {newest}{missing}", copies.backups, copies.store));
    }
    for runs in &one.runs {
        row(&format!("{} runs", runs.what), of_runs(runs, now));
    }
    if let Some(failure) = one.latest_failures.first() {
        row("last failure", of_failure(failure));
    }
}

/// From when until when, and whether the newest moments lack.
pub(crate) fn of_reach(one: &ReachReport) -> String {
    let span = match (one.from, one.until) {
        (Some(from), Some(until)) => format!("{} to {}", moment(from), moment(until)),
        _ => "none can be reached".into(),
    };
    let holes = match one.spans_total {
        0 | 1 => String::new(),
        more => format!("; {} before that", plural(more - 1, "span")),
    };
    let newest = match one.hole {
        HoleVerdict::No => String::new(),
        HoleVerdict::Yes => format!("; a hole since: {}", one.why.as_deref().unwrap_or("of unknown cause")),
        HoleVerdict::Unknown => "; not known whether something lacks since".into(),
    };
    format!("{span}{holes}{newest}")
}

fn of_log(one: &LogReport, now: Timestamp) -> String {
    let follower = one.follower.as_ref().map_or("no follower has left a word".into(), |word| {
        let by_schedule = if word.once { " (--once)" } else { "" };
        let problem = word.problem.as_ref().map(|problem| format!(": {problem}")).unwrap_or_default();
        format!("{} on {}{by_schedule}, said {}{problem}", follows(word.state), word.host, age(word.at, now))
    });
    let safe = match (one.safe_until, one.lag_seconds) {
        (Some(until), Some(lag)) => format!("safe until {}, {} ago", moment(until), lag_told(lag)),
        _ => "nothing is safe".into(),
    };
    let broken = one.broken.as_ref().map(|broken| format!("; broken at {broken}")).unwrap_or_default();
    format!(
        "{}, in {}: {safe}; {follower}; {} in {}{broken}",
        log_label(one),
        one.store,
        human_size(one.size),
        plural(one.chains, "chain")
    )
}

/// What a follower does, in a word.
pub(crate) fn follows(state: FollowState) -> &'static str {
    match state {
        FollowState::Following => "following",
        FollowState::Waiting => "waiting",
        FollowState::Ended => "ended",
    }
}

fn of_runs(runs: &RunsReport, now: Timestamp) -> String {
    let mut said = match &runs.last {
        Some(last) => {
            let took = last.seconds.map(|took| format!(" in {}", seconds(took))).unwrap_or_default();
            format!("last {} {}{took}", outcome(last.outcome), age(last.at, now))
        }
        None => "under way".into(),
    };
    for window in &runs.windows {
        let all = window.ok + window.failed + window.lost;
        if let Some(rate) = window.rate {
            let _ = write!(said, "; {} d: {}/{all} {}", window.days, window.ok, percent(rate));
        }
    }
    said
}

fn of_failure(run: &RunBrief) -> String {
    let stage = run.stage.as_deref().map(|stage| format!(" in {stage}")).unwrap_or_default();
    let mut reason = run.reason.clone().unwrap_or_default();
    if let Some((end, _)) = reason.char_indices().nth(LONGEST_REASON) {
        reason.truncate(end);
        reason.push('…');
    }
    format!("{} {} {}{stage}: {reason}", moment(run.at), run.what, outcome(run.outcome))
}

/// How a run ended, in a word.
pub(crate) fn outcome(outcome: RunOutcome) -> &'static str {
    match outcome {
        RunOutcome::Running => "running",
        RunOutcome::Ok => "ok",
        RunOutcome::Failed => "failed",
        RunOutcome::Lost => "lost",
    }
}

fn of_store(store: &StoreReport) -> String {
    let used =
        format!("{}: {} take {}", store.store, plural(store.backups, "backup"), human_size(store.used_bytes));
    let kinds: Vec<String> = store
        .kinds
        .iter()
        .filter(|kind| kind.backups > 0 && kind.kind.as_str() != "full")
        .map(|kind| format!("{} {}", kind.backups, kind.kind.as_str()))
        .collect();
    let kinds = if kinds.is_empty() { String::new() } else { format!(" ({})", kinds.join(", ")) };
    let free = match (store.free_bytes, store.total_bytes) {
        (Some(free), Some(total)) => format!("; {} of {} free", human_size(free), human_size(total)),
        _ => String::new(),
    };
    format!(
        "{used}{kinds}{free}{}",
        forecast(&store.forecast).map(|said| format!("; {said}")).unwrap_or_default()
    )
}

fn plural(number: u64, of: &str) -> String {
    format!("{number} {of}{}", if number == 1 { "" } else { "s" })
}

/// When a store is full, in words; nothing of one without a limit.
pub(crate) fn forecast(forecast: &Forecast) -> Option<String> {
    Some(match (forecast.verdict, forecast.days) {
        (Verdict::NoLimit, _) => return None,
        (Verdict::TooLittleData, _) => "too few days are known for a forecast".into(),
        (Verdict::NoTrend, _) => "no trend: it neither fills nor empties".into(),
        (Verdict::Eases, _) => "its room grows".into(),
        (Verdict::Fills, None) => "it fills, and not within ten years".into(),
        (Verdict::Fills, Some(days)) if days <= 0.0 => "the next backup does not fit".into(),
        (Verdict::Fills, Some(days)) => {
            let earliest = forecast.earliest_days.unwrap_or(days);
            let latest = forecast.latest_days.map_or("3650+".into(), |days| format!("{days:.0}"));
            let bounded = if forecast.retention_deletes { "" } else { ", while nothing is deleted" };
            let range = format!("{earliest:.0} to {latest}");
            let range = if range == format!("{days:.0} to {days:.0}") {
                String::new()
            } else {
                format!(" ({range})")
            };
            format!("full in {days:.0} days{range}{bounded}")
        }
    })
}
