//! A report as metrics in Prometheus' text format, version 0.0.4. Names and units follow Prometheus' conventions: base units, all of
//! them gauges, since runs of the past are counted anew each time. How many there are is bounded: 50 tables a database, 200
//! troubles.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use fwb::{DatabaseReport, FollowState, HoleVerdict, LogReport, ReportDocument, RunOutcome, Timestamp};

/// The most tables of a database whose rows are told.
const TABLES: usize = 50;
/// The most troubles that are told one by one.
const TROUBLES: usize = 200;

/// How the service itself does, where a service tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Service {
    /// Whether the latest look at the stores succeeded.
    pub is_up: bool,
    /// How many looks have failed since the service began.
    pub errors: u64,
}

/// The metrics of one name.
struct Family {
    help: &'static str,
    is_counter: bool,
    samples: Vec<(Vec<(&'static str, String)>, f64)>,
}

/// Metrics by their names, in the order of the alphabet.
#[derive(Default)]
struct Metrics(BTreeMap<&'static str, Family>);

impl Metrics {
    fn add(
        &mut self,
        name: &'static str,
        help: &'static str,
        labels: Vec<(&'static str, String)>,
        value: f64,
    ) {
        let family = self.0.entry(name).or_insert(Family {
            help,
            is_counter: name.ends_with("_total"),
            samples: Vec::new(),
        });
        family.samples.push((labels, value));
    }

    fn text(&self) -> String {
        let mut out = String::new();
        for (name, family) in &self.0 {
            let kind = if family.is_counter { "counter" } else { "gauge" };
            let _ = writeln!(out, "# HELP {name} {}\n# TYPE {name} {kind}", family.help);
            for (labels, value) in &family.samples {
                let labels: Vec<String> =
                    labels.iter().map(|(label, value)| format!("{label}=\"{}\"", escaped(value))).collect();
                let labels =
                    if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
                let _ = writeln!(out, "{name}{labels} {value}");
            }
        }
        out
    }
}

/// A label's value: a backslash, a quote and a line break are escaped, and nothing else.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// The report's metrics, and those of the service that tells them.
pub fn metrics(report: Option<&ReportDocument>, service: Option<Service>) -> String {
    let mut all = Metrics::default();
    if let Some(service) = service {
        all.add(
            "fwb_report_up",
            "Whether the latest look at the stores succeeded.",
            Vec::new(),
            truth(service.is_up),
        );
        all.add(
            "fwb_report_errors_total",
            "Looks at the stores that failed.",
            Vec::new(),
            number(service.errors),
        );
    }
    let Some(report) = report else { return all.text() };
    all.add("fwb_report_timestamp_seconds", "When the stores were looked at.", Vec::new(), at(report.at));
    all.add("fwb_report_info", "The version of the tools.", vec![("version", report.version.clone())], 1.0);
    of_stores(report, &mut all);
    of_fleet(report, &mut all);
    for database in &report.databases {
        of_backups(database, &mut all);
        of_runs(database, &mut all);
        of_tables(database, &mut all);
        of_moments(database, &mut all);
    }
    for log in &report.logs {
        of_log(log, &mut all);
    }
    for one in &report.certificates {
        let labels = vec![("setting", one.setting.clone()), ("file", one.file.clone())];
        all.add(
            "fwb_certificate_expiry_timestamp_seconds",
            "Until when a certificate is valid.",
            labels,
            at(one.not_after),
        );
    }
    all.add(
        "fwb_troubles",
        "How many things need a person.",
        Vec::new(),
        number(report.troubles.len() as u64),
    );
    for trouble in report.troubles.iter().take(TROUBLES) {
        let labels = vec![
            ("code", trouble.code.clone()),
            ("key", trouble.key.clone()),
            ("subject", trouble.subject.clone()),
            ("section", trouble.section.clone()),
        ];
        all.add(
            "fwb_trouble",
            "What is no failure and needs a person: docs/ERRORS.md has the codes.",
            labels,
            1.0,
        );
    }
    all.text()
}

#[allow(clippy::cast_precision_loss, reason = "a metric is a double")]
fn number(value: u64) -> f64 {
    value as f64
}

#[allow(clippy::cast_precision_loss)]
fn at(moment: Timestamp) -> f64 {
    moment.timestamp() as f64
}

fn truth(is_so: bool) -> f64 {
    if is_so { 1.0 } else { 0.0 }
}

fn of_stores(report: &ReportDocument, all: &mut Metrics) {
    for store in &report.stores {
        let place = || vec![("store", store.store.clone())];
        for kind in &store.kinds {
            let labels = || [place(), vec![("kind", kind.kind.as_str().to_owned())]].concat();
            all.add("fwb_store_backups", "Backups in a store, by kind.", labels(), number(kind.backups));
            all.add(
                "fwb_store_used_bytes",
                "What backups take in a store, by kind.",
                labels(),
                number(kind.bytes),
            );
            all.add(
                "fwb_store_unproved_backups",
                "Backups that are not proved, by kind.",
                labels(),
                number(kind.unproved),
            );
            all.add("fwb_store_unproved_bytes", "What these take.", labels(), number(kind.unproved_bytes));
        }
        all.add(
            "fwb_store_unreadable_backups",
            "Backups that cannot be read.",
            place(),
            number(store.unreadable),
        );
        if let Some(free) = store.free_bytes {
            all.add("fwb_store_free_bytes", "Free bytes of a store's file system.", place(), number(free));
        }
        if let Some(total) = store.total_bytes {
            all.add("fwb_store_size_bytes", "All bytes of a store's file system.", place(), number(total));
        }
        let forecast = &store.forecast;
        let bounds = [
            ("estimate", forecast.days),
            ("earliest", forecast.earliest_days),
            ("latest", forecast.latest_days),
        ];
        for (bound, days) in bounds {
            let Some(days) = days else { continue };
            let labels = [place(), vec![("bound", bound.to_owned())]].concat();
            all.add(
                "fwb_store_full_seconds",
                "In how long the next backup does not fit; absent without a trend.",
                labels,
                days * 86_400.0,
            );
        }
    }
}

/// The servers that should have backups: of one that has none, nothing else tells.
fn of_fleet(report: &ReportDocument, all: &mut Metrics) {
    for one in report.fleet.iter().flat_map(|fleet| &fleet.servers) {
        let labels = || vec![("store", one.store.clone()), ("server", one.server.clone())];
        if let Some(backups) = one.backups {
            all.add(
                "fwb_fleet_server_backups",
                "Backups of a server that the fleet file names; absent where its store could not be read.",
                labels(),
                number(backups),
            );
        }
        all.add(
            "fwb_fleet_server_fresh",
            "Whether each database of a server of the fleet has a proved backup that is as new as it must be.",
            labels(),
            truth(one.fresh),
        );
    }
}

fn of(one: &DatabaseReport) -> Vec<(&'static str, String)> {
    vec![
        ("store", one.store.clone()),
        ("server", one.server.clone().unwrap_or_default()),
        ("database", one.database.clone().unwrap_or_default()),
    ]
}

fn with(one: &DatabaseReport, label: &'static str, value: &str) -> Vec<(&'static str, String)> {
    [of(one), vec![(label, value.to_owned())]].concat()
}

fn of_backups(one: &DatabaseReport, all: &mut Metrics) {
    if one.database.is_some() {
        let help = "Backups of a database, proved or not.";
        all.add("fwb_backups", help, with(one, "state", "proved"), number(one.proved));
        all.add(
            "fwb_backups",
            help,
            with(one, "state", "unproved"),
            number(one.backups - one.proved.min(one.backups)),
        );
        all.add(
            "fwb_backup_is_copy",
            "Whether the backups are copies of another store's.",
            of(one),
            truth(one.is_copy),
        );
    }
    if let Some(newest) = &one.newest {
        all.add(
            "fwb_backup_newest_timestamp_seconds",
            "When the newest backup began.",
            of(one),
            at(newest.at),
        );
        all.add("fwb_backup_size_bytes", "The newest backup's size.", of(one), number(newest.size));
        if let Some(rows) = newest.rows {
            all.add("fwb_backup_rows", "The newest backup's rows.", of(one), number(rows));
        }
    }
    if let Some(proved) = &one.newest_proved {
        all.add(
            "fwb_backup_newest_proved_timestamp_seconds",
            "When the newest proved backup began.",
            of(one),
            at(proved.at),
        );
    }
    if let Some(drill) = &one.newest_drill {
        all.add(
            "fwb_drill_newest_timestamp_seconds",
            "When the newest drill that held has ended.",
            of(one),
            at(drill.at),
        );
    }
    if let Some(seconds) = one.rto_seconds {
        all.add("fwb_drill_restore_seconds", "What a restore took in the newest drill.", of(one), seconds);
    }
    for copies in &one.copies {
        let labels = || with(one, "copies", &copies.store);
        let missing = copies.missing.len() as u64;
        all.add(
            "fwb_copies_missing",
            "Proved backups of the last seven days without a copy in a second store.",
            labels(),
            number(missing),
        );
        if let Some(newest) = copies.newest_proved_at {
            all.add(
                "fwb_copy_newest_proved_timestamp_seconds",
                "When the newest proved copy in a second store began.",
                labels(),
                at(newest),
            );
        }
    }
}

/// Which moments can be reached. Moments are told and no ages: whoever reads a metric reckons from the present.
fn of_moments(one: &DatabaseReport, all: &mut Metrics) {
    let Some(reachable) = &one.reachable else { return };
    if let Some(from) = reachable.from {
        all.add(
            "fwb_log_reachable_from_timestamp_seconds",
            "From when on each moment of a database can be reached by a backup and the log.",
            of(one),
            at(from),
        );
    }
    if let Some(until) = reachable.until {
        all.add(
            "fwb_log_reachable_until_timestamp_seconds",
            "Up to when each moment of a database can be reached by a backup and the log.",
            of(one),
            at(until),
        );
    }
    if reachable.hole != HoleVerdict::Unknown {
        all.add(
            "fwb_log_hole",
            "Whether the newest moments of a database cannot be reached; absent where that is not known.",
            of(one),
            truth(reachable.hole == HoleVerdict::Yes),
        );
    }
    if let Some(proof) = &reachable.proof {
        all.add(
            "fwb_log_proof_timestamp_seconds",
            "When it was last looked whether a backup and the log after it make the next backup.",
            of(one),
            at(proof.at),
        );
        all.add("fwb_log_proof_ok", "Whether they did.", of(one), truth(proof.ok));
        all.add(
            "fwb_log_replay_seconds",
            "How long it took then to load the backup and to replay the log.",
            of(one),
            proof.seconds,
        );
    }
}

fn of_log(one: &LogReport, all: &mut Metrics) {
    let labels = || vec![("store", one.store.clone()), ("server", one.server.clone().unwrap_or_default())];
    all.add("fwb_log_size_bytes", "What the log of a server takes in a store.", labels(), number(one.size));
    all.add("fwb_log_chains", "Chains of a server's log in a store.", labels(), number(one.chains));
    all.add("fwb_log_broken", "Whether the newest chain is broken.", labels(), truth(one.broken.is_some()));
    if let Some(until) = one.safe_until {
        all.add(
            "fwb_log_safe_until_timestamp_seconds",
            "All that was written to a server's log before this moment is in the store.",
            labels(),
            at(until),
        );
    }
    if let Some(limit) = one.lag_limit_seconds {
        all.add(
            "fwb_log_lag_limit_seconds",
            "How old that moment may be, by the report's limits.",
            labels(),
            number(u64::try_from(limit).unwrap_or_default()),
        );
    }
    let Some(word) = &one.follower else { return };
    all.add(
        "fwb_log_follower_timestamp_seconds",
        "When the follower of a server's log said last that it lives.",
        labels(),
        at(word.at),
    );
    for state in [FollowState::Following, FollowState::Waiting, FollowState::Ended] {
        let labels = [labels(), vec![("state", crate::text::follows(state).to_owned())]].concat();
        all.add(
            "fwb_log_follower_state",
            "What the follower of a server's log said last: 1 for that state.",
            labels,
            truth(word.state == state),
        );
    }
}

fn of_runs(one: &DatabaseReport, all: &mut Metrics) {
    for runs in &one.runs {
        let what = || with(one, "what", &runs.what);
        if let Some(last) = &runs.last {
            all.add("fwb_run_last_timestamp_seconds", "When the last run began.", what(), at(last.at));
            if let Some(seconds) = last.seconds {
                all.add("fwb_run_last_duration_seconds", "How long the last run took.", what(), seconds);
            }
            for outcome in [RunOutcome::Ok, RunOutcome::Failed, RunOutcome::Lost] {
                let labels = [what(), vec![("outcome", crate::text::outcome(outcome).to_owned())]].concat();
                all.add(
                    "fwb_run_last_outcome",
                    "How the last run ended: 1 for that outcome.",
                    labels,
                    truth(last.outcome == outcome),
                );
            }
        }
        if let Some(ended) = runs.last_ok_at {
            all.add(
                "fwb_run_last_success_timestamp_seconds",
                "When the last run ended that ended well.",
                what(),
                at(ended),
            );
        }
        for window in &runs.windows {
            for (outcome, count) in [("ok", window.ok), ("failed", window.failed), ("lost", window.lost)] {
                let labels =
                    [what(), vec![("outcome", outcome.to_owned()), ("window", format!("{}d", window.days))]]
                        .concat();
                all.add("fwb_runs", "How many runs of the last days ended so.", labels, number(count));
            }
        }
    }
}

fn of_tables(one: &DatabaseReport, all: &mut Metrics) {
    for table in one.tables.iter().take(TABLES).filter(|table| table.change.as_deref() != Some("vanished")) {
        if let Some(rows) = table.rows {
            all.add(
                "fwb_table_rows",
                "Rows of a table in the newest backup; of the 50 largest and those that changed.",
                with(one, "table", &table.name),
                number(rows),
            );
        }
        all.add(
            "fwb_table_dump_bytes",
            "The size of a table's SQL in the newest backup.",
            with(one, "table", &table.name),
            number(table.bytes),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped_and_names_sorted() {
        let mut all = Metrics::default();
        all.add("b_seconds", "B.", vec![("x", "a\"b\\c\nd".into())], 1.5);
        all.add("a_total", "A.", Vec::new(), 1e12);
        let expected = "# HELP a_total A.\n# TYPE a_total counter\na_total 1000000000000\n\
            # HELP b_seconds B.\n# TYPE b_seconds gauge\nb_seconds{x=\"a\\\"b\\\\c\\nd\"} 1.5\n";
        assert_eq!(all.text(), expected);
    }

    #[test]
    fn a_service_without_a_report_says_so() {
        let text = metrics(None, Some(Service { is_up: false, errors: 3 }));
        assert!(
            text.contains("\nfwb_report_up 0\n") && text.contains("\nfwb_report_errors_total 3\n"),
            "{text}"
        );
    }
}
