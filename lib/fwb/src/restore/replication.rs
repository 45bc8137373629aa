//! What replication does to a restore, and a restore to replication: findings from facts.

use super::finding::{Finding, Gravity};
use crate::server::{Asked, Replica, Replication};

/// What stands against a restore of `database`, however it is made.
pub(super) fn findings(facts: &Replication, log_bin: bool, database: &str, exists: bool) -> Vec<Finding> {
    let mut findings: Vec<Finding> = read_only(facts).into_iter().collect();
    findings.extend(unknown(facts));
    if let Asked::Answer(sources) = &facts.replica_of {
        findings.extend(sources.iter().map(|source| replica(facts, log_bin, source, database, exists)));
    }
    findings
}

/// A sequence's value cannot be logged as a statement (error 1665). In place, that stops the restore half way, and its
/// rollback too, which loads what the live database has.
pub(super) fn sequences(facts: &Replication, log_bin: bool, in_backup: bool) -> Option<Finding> {
    let refused = log_bin && facts.format == "STATEMENT" && (in_backup || facts.has_sequences);
    refused.then(|| {
        refusal(
            "the server's binlog_format is STATEMENT, and it takes no value of a sequence then (error 1665)"
                .into(),
            "SET GLOBAL binlog_format=MIXED;",
        )
    })
}

/// Why a swap would stop replicas. A swap loads into a database of another name (`…__shadow_…`) and keeps what there was
/// in a third (`…__before_…`); the `RENAME TABLE` that exchanges the tables is logged as a statement of the live one.
/// Where the log has only one side of this, a replica is told to rename tables that it does not have, or to make views
/// over them. Names in a filter are whole names, and those of the shadows hold the time: they cannot be added to it.
///
/// In place, every statement is made in the live database and every row is of it: whatever the format of the log
/// (STATEMENT goes by the session's database, ROW by the table's, MIXED by one or the other), all of it is logged or
/// nothing is.
pub(super) fn swap_obstacle(facts: &Replication, database: &str) -> Option<String> {
    let Some(Asked::Answer(filter)) = &facts.binlog else { return None };
    let shadow = format!("{database}__shadow_");
    let logs = |name: &str| filter.passes(name, facts.ignores_case);
    match (logs(database), logs(&shadow)) {
        (true, false) => Some(
            "the server's binlog_do_db keeps the shadow database out of the binary log, and the swap is in it: every replica would stop"
                .into(),
        ),
        (false, true) => Some(format!(
            "the server's binlog_ignore_db keeps {database} out of the binary log, and what is made beside it is in it: replicas may stop"
        )),
        _ => None,
    }
}

/// That replicas may have filters of their own, which nobody can see from here.
pub(super) fn replicas_filters(facts: &Replication, database: &str) -> Option<Finding> {
    (facts.readers > 0).then(|| {
        warning(
            format!(
                "{} read this server's binary log; a replica that filters what it applies (replicate_do_db and its like) may stop at the swap",
                clients(facts.readers)
            ),
            format!(
                "nothing is to be done where replicas filter nothing; else let them apply {database}\\_\\_% too (replicate_wild_do_table), or use --strategy in-place"
            ),
        )
    })
}

fn clients(number: usize) -> String {
    if number == 1 {
        "a replica or another client".into()
    } else {
        format!("{number} replicas or other clients")
    }
}

fn read_only(facts: &Replication) -> Option<Finding> {
    if facts.super_read_only {
        return Some(refusal(
            "the server is read-only for everybody (super_read_only)".into(),
            "restore on its source; or, if this server is one itself, SET GLOBAL super_read_only=0;",
        ));
    }
    if !facts.read_only {
        return None;
    }
    let remedy = "restore on its source; or, if this server is one itself, SET GLOBAL read_only=0; or GRANT READ_ONLY ADMIN";
    match facts.writes_read_only {
        Some(true) => None,
        Some(false) => Some(refusal(
            "the server is read-only (read_only), and the account may not write there".into(),
            remedy,
        )),
        None => Some(warning(
            "the server is read-only (read_only), and whether a role lets the account write is not known"
                .into(),
            remedy,
        )),
    }
}

/// What the account may not ask.
fn unknown(facts: &Replication) -> Option<Finding> {
    let log = facts.binlog == Some(Asked::Refused);
    let sources = facts.replica_of == Asked::Refused;
    let (what, right) = match (log, sources) {
        (true, true) => (
            "what the binary log leaves out, nor whose replica the server is",
            "BINLOG MONITOR, REPLICA MONITOR",
        ),
        (true, false) => ("what the binary log leaves out", "BINLOG MONITOR"),
        (false, true) => ("whose replica the server is", "REPLICA MONITOR"),
        (false, false) => return None,
    };
    Some(warning(
        format!("the account may not see {what}: that a restore does no harm to replication is not known"),
        format!(
            "GRANT {right} ON *.* (on MySQL: REPLICATION CLIENT); nothing is to be done where there are no replicas"
        ),
    ))
}

/// What is written on a replica is written there alone, and what its source writes goes on arriving.
fn replica(facts: &Replication, log_bin: bool, to: &Replica, database: &str, exists: bool) -> Finding {
    let source = &to.source;
    let remedy = format!(
        "restore on the source {source}, from where it replicates; or STOP SLAVE first, and know that both will differ"
    );
    if !to.applies {
        return warning(
            format!(
                "this server is a replica of {source} whose replication is stopped: what is restored here is not there, and changes from there may fail on it"
            ),
            format!("restore on the source {source}, unless this server is to be a source itself"),
        );
    }
    // In strict mode, a statement of our own takes the sequence number of the next one from the source (error 1950).
    if facts.gtid_strict && log_bin && facts.logs_updates {
        return refusal(
            format!(
                "this server is a replica of {source} in gtid_strict_mode: what a restore writes to its binary log would stop the replication"
            ),
            remedy,
        );
    }
    if exists && to.databases.passes(database, facts.ignores_case) && !to.filters_tables {
        return refusal(
            format!(
                "this server is a replica of {source}, which changes {database} here: the restore would be on this server alone, and changes from there would go on in it"
            ),
            remedy,
        );
    }
    let downstream = if log_bin && !facts.logs_updates {
        "; replicas of this server receive what is restored and, without log_slave_updates, nothing from there"
    } else {
        ""
    };
    warning(
        format!("this server is a replica of {source}: what is restored is on this server alone{downstream}"),
        format!("nothing is to be done, if {database} is not one of the source's"),
    )
}

fn refusal(message: String, remedy: impl Into<String>) -> Finding {
    Finding { gravity: Gravity::Refusal, message, remedy: remedy.into() }
}

fn warning(message: String, remedy: impl Into<String>) -> Finding {
    Finding { gravity: Gravity::Warning, message, remedy: remedy.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::Filter;

    fn log(only: &str, ignored: &str) -> Asked<Filter> {
        Asked::Answer(Filter::new(only, ignored))
    }

    /// A replica that stops at a swap has lost its source until somebody makes it anew.
    #[test]
    fn a_swap_needs_the_live_database_and_its_shadow_in_the_log() {
        for (binlog, ignores_case, obstacle) in [
            (None, false, None),
            (Some(Asked::Refused), false, None),
            (Some(log("", "")), false, None),
            (Some(log("shop", "")), false, Some("binlog_do_db keeps the shadow database out")),
            (Some(log("other", "")), false, None),
            (Some(log("SHOP", "")), false, None),
            (Some(log("SHOP", "")), true, Some("binlog_do_db keeps the shadow database out")),
            (Some(log("", "shop")), false, Some("binlog_ignore_db keeps shop out")),
            (Some(log("", "other")), false, None),
        ] {
            let facts = Replication { binlog: binlog.clone(), ignores_case, ..Replication::default() };
            let found = swap_obstacle(&facts, "shop");
            let as_expected = match (&found, obstacle) {
                (Some(found), Some(words)) => found.contains(words),
                (None, None) => true,
                _ => false,
            };
            assert!(as_expected, "{binlog:?}: {found:?}");
        }
    }

    fn told(findings: &[Finding]) -> Vec<(Gravity, &str)> {
        findings.iter().map(|finding| (finding.gravity, finding.message.as_str())).collect()
    }

    #[track_caller]
    fn holds(what: &str, facts: &Replication, log_bin: bool, exists: bool, expected: &[(Gravity, &str)]) {
        let found = findings(facts, log_bin, "shop", exists);
        let found = told(&found);
        let as_expected = found.len() == expected.len()
            && found
                .iter()
                .zip(expected)
                .all(|(found, expected)| found.0 == expected.0 && found.1.contains(expected.1));
        assert!(as_expected, "{what}: {found:?}");
    }

    #[test]
    fn a_server_that_takes_no_writes_is_refused_at_once() {
        use Gravity::{Refusal, Warning};
        for (what, read_only, super_read_only, writes, expected) in [
            ("writable", false, false, Some(false), vec![]),
            ("read-only, with the right", true, false, Some(true), vec![]),
            ("read-only, without", true, false, Some(false), vec![(Refusal, "may not write there")]),
            ("read-only, with a role", true, false, None, vec![(Warning, "is not known")]),
            ("for everybody", true, true, Some(true), vec![(Refusal, "super_read_only")]),
        ] {
            let facts = Replication {
                read_only,
                super_read_only,
                writes_read_only: writes,
                ..Replication::default()
            };
            holds(what, &facts, false, true, &expected);
        }
    }

    #[test]
    fn a_replica_is_refused_where_its_source_would_write_over_the_restore() {
        use Gravity::{Refusal, Warning};
        let running = Replica { source: "db1:3306".into(), applies: true, ..Replica::default() };
        let of = |replica: &Replica| Replication {
            replica_of: Asked::Answer(vec![replica.clone()]),
            ..Replication::default()
        };
        let changes = "replica of db1:3306, which changes shop here";
        let alone = "on this server alone";
        let strict = Replication { gtid_strict: true, logs_updates: true, ..of(&running) };
        let elsewhere = Replica { databases: Filter::new("other", ""), ..running.clone() };
        let by_table = Replica { filters_tables: true, ..running.clone() };
        let stopped = Replica { applies: false, ..running.clone() };
        for (what, facts, log_bin, exists, expected) in [
            ("no replica", Replication::default(), true, true, vec![]),
            ("of this database", of(&running), false, true, vec![(Refusal, changes)]),
            ("into a database of its own", of(&running), false, false, vec![(Warning, alone)]),
            ("of other databases", of(&elsewhere), false, true, vec![(Warning, alone)]),
            ("of some tables", of(&by_table), false, true, vec![(Warning, alone)]),
            (
                "whose own replicas miss the source's",
                of(&elsewhere),
                true,
                true,
                vec![(Warning, "log_slave_updates")],
            ),
            ("stopped", of(&stopped), true, true, vec![(Warning, "is stopped")]),
            ("in strict mode", strict.clone(), true, false, vec![(Refusal, "gtid_strict_mode")]),
            ("in strict mode, without a log", strict.clone(), false, false, vec![(Warning, alone)]),
            (
                "in strict mode, and what comes from the source is not logged",
                Replication { logs_updates: false, ..strict },
                true,
                false,
                vec![(Warning, "log_slave_updates")],
            ),
        ] {
            holds(what, &facts, log_bin, exists, &expected);
        }
    }

    #[test]
    fn what_may_not_be_asked_is_told_and_refuses_nothing() {
        use Gravity::Warning;
        let log = "may not see what the binary log leaves out";
        for (binlog, replica_of, expected) in [
            (None, Asked::Answer(vec![]), vec![]),
            (Some(Asked::Refused), Asked::Answer(vec![]), vec![(Warning, log)]),
            (None, Asked::Refused, vec![(Warning, "whose replica the server is")]),
            (Some(Asked::Refused), Asked::Refused, vec![(Warning, "nor whose replica")]),
        ] {
            let facts = Replication { binlog, replica_of, ..Replication::default() };
            holds("rights", &facts, true, true, &expected);
        }
    }

    /// In place, such a restore once failed and could not be rolled back.
    #[test]
    fn sequences_need_a_log_that_takes_rows() {
        for (format, log_bin, in_backup, has_sequences, refused) in [
            ("STATEMENT", true, true, false, true),
            ("STATEMENT", true, false, true, true),
            ("STATEMENT", true, false, false, false),
            ("STATEMENT", false, true, true, false),
            ("MIXED", true, true, true, false),
            ("ROW", true, true, true, false),
        ] {
            let facts = Replication { format: format.into(), has_sequences, ..Replication::default() };
            let found = sequences(&facts, log_bin, in_backup);
            assert_eq!(found.is_some(), refused, "{format} {log_bin} {in_backup} {has_sequences}");
        }
    }

    #[test]
    fn filters_of_replicas_cannot_be_seen_and_are_told() {
        let facts = |readers| Replication { readers, ..Replication::default() };
        assert_eq!(replicas_filters(&facts(0), "shop"), None);
        assert!(
            replicas_filters(&facts(1), "shop")
                .is_some_and(|found| found.message.starts_with("a replica or"))
        );
        assert!(
            replicas_filters(&facts(3), "shop").is_some_and(|found| found.message.starts_with("3 replicas"))
        );
    }
}
