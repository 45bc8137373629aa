//! The logs of servers in a store: how far back and up to when each moment of a database can be reached, and whether the log
//! still comes. Pure functions; how old something is depends on the time that is passed in.

use chrono::TimeDelta;

use super::facts::BackupFacts;
use super::model::{FollowerReport, HoleVerdict, LogReport, ReachProofReport, ReachReport, SpanReport};
use super::trouble::TroubleOptions;
use crate::binlog::{Chain, ChainFault, Chains, FollowState, FollowStatus, spans};
use crate::blank::blank_quoted;
use crate::manifest::{ChainProof, Timestamp, is_in_the_future};
use crate::retention::Proof;

/// Of how many spans a report tells at most: the newest.
const SPANS: usize = 20;
/// A follower that publishes more seldom, in seconds, is expected each week all the same.
const LONGEST_EVERY: i64 = 7 * 86_400;

/// The log of one server in a store, as its newest chain has it.
#[derive(Debug, Clone, PartialEq)]
pub struct ShippedLog {
    /// The server, by name or address; none where segments do not say.
    pub server: Option<String>,
    /// The newest chain.
    pub chain: String,
    /// How many chains of the server there are.
    pub chains: u64,
    /// Bytes of the files of all of them.
    pub size: u64,
    /// When the first byte arrived that the newest chain still has.
    pub since: Option<Timestamp>,
    /// All that was written to the server's log before this moment is in the store.
    pub safe_until: Option<Timestamp>,
    /// What breaks the newest chain first.
    pub fault: Option<ChainFault>,
    /// What its follower said last.
    pub status: Option<FollowStatus>,
}

impl ShippedLog {
    /// The logs of a store, one for each server: the newest chain that may be of it.
    pub(super) fn of(chains: &Chains) -> Vec<Self> {
        let mut logs = Vec::new();
        for (at, chain) in chains.chains.iter().enumerate() {
            // A chain of which nothing can be read may be any server's.
            let server = chain.last().map(|last| last.source.identity());
            let may_be_own = |other: &Chain| server.as_ref().is_none_or(|server| !other.differs(server));
            if chains.chains[at + 1..].iter().any(may_be_own) {
                continue;
            }
            let own = || chains.chains.iter().filter(|other| may_be_own(other));
            logs.push(Self {
                server: server.as_ref().and_then(|server| server.label()).map(ToString::to_string),
                chain: chain.id.clone(),
                chains: own().count() as u64,
                size: own().map(|chain| chain.size).sum(),
                since: chain.first().and_then(|first| first.parts.first()).map(|part| part.from),
                safe_until: chain.safe_until(),
                fault: chain.faults.first().cloned(),
                status: chain.status.clone(),
            });
        }
        logs
    }

    /// How messages name it.
    pub(super) fn label(&self) -> String {
        self.server.as_ref().map_or_else(|| "the log".into(), |server| format!("the log of {server}"))
    }

    /// How old the last moment may be that is safe. A follower that runs now and then is expected as often as backups are; so is
    /// one that has left no word. Of one that publishes seldom, two times are waited for.
    pub(super) fn limit(&self, options: &TroubleOptions) -> Option<TimeDelta> {
        match &self.status {
            Some(status) if !status.once => {
                let every = TimeDelta::seconds(
                    i64::try_from(status.every).unwrap_or(LONGEST_EVERY).min(LONGEST_EVERY),
                );
                options.max_lag.map(|limit| limit.max(every * 2))
            }
            _ => options.scheduled_lag,
        }
    }

    /// The last moment that is safe. A follower whose clock was ahead has moments of the future, until all of the log is
    /// newer; then the one counts at which it said so last.
    fn safe(&self, now: Timestamp) -> Option<Timestamp> {
        let until = self.safe_until?;
        let said = self.status.as_ref().map(|status| status.at);
        Some(said.filter(|said| is_in_the_future(until, now) && *said < until).unwrap_or(until))
    }

    /// How old the last moment is that is safe.
    pub(super) fn lag(&self, now: Timestamp) -> Option<TimeDelta> {
        self.safe(now).map(|until| (now - until).max(TimeDelta::zero()))
    }

    /// Whether the follower itself has said why nothing comes.
    pub(super) fn problem(&self) -> Option<String> {
        let status = self.status.as_ref().filter(|status| status.state != FollowState::Following)?;
        status.problem.as_deref().map(blank_quoted)
    }

    pub(super) fn report(&self, store: &str, options: &TroubleOptions, now: Timestamp) -> LogReport {
        LogReport {
            store: store.to_owned(),
            server: self.server.clone(),
            chain: self.chain.clone(),
            chains: self.chains,
            size: self.size,
            since: self.since,
            safe_until: self.safe(now),
            lag_seconds: self.lag(now).map(|lag| lag.num_seconds()),
            lag_limit_seconds: self.limit(options).map(|limit| limit.num_seconds()),
            broken: self.fault.as_ref().map(broken),
            follower: self.status.as_ref().map(|status| FollowerReport {
                state: status.state,
                at: status.at,
                host: status.host.clone(),
                every_seconds: status.every,
                once: status.once,
                problem: status.problem.as_deref().map(blank_quoted),
            }),
        }
    }
}

/// A chain's fault in words.
pub(super) fn broken(fault: &ChainFault) -> String {
    format!("{}: {}", fault.segment, fault.problem)
}

/// What a database's backups and the newest chain of its server's log come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Joined<'a> {
    /// The log goes on from a proved backup without a hole.
    Whole,
    /// The log has to come as far as this proved backup first.
    NotYet(&'a str),
    /// This backup is proved and newer than the chain's beginning, and the log does not go on from it.
    NoBase(&'a str),
    /// No backup is as new as the chain.
    NoBackup,
    /// It goes on from this backup alone, which is not proved.
    Unproved(&'a str),
    /// The chain is broken.
    Broken,
}

/// Judges whether the newest moments of a database can be reached. `full` are its backups, oldest first.
pub(super) fn joined<'a>(log: &ShippedLog, full: &[&'a BackupFacts]) -> Joined<'a> {
    if log.fault.is_some() {
        return Joined::Broken;
    }
    let goes_on = |backup: &&&BackupFacts| backup.windows.iter().any(|window| window.chain == log.chain);
    if full.iter().filter(goes_on).any(|backup| backup.proof == Proof::Proved) {
        return Joined::Whole;
    }
    if let Some(base) = full.iter().rev().find(goes_on) {
        return Joined::Unproved(&base.name);
    }
    let is_newer = |backup: &&&BackupFacts| {
        backup.proof == Proof::Proved && log.since.is_none_or(|since| backup.started_at >= since)
    };
    match full.iter().rev().find(is_newer) {
        None => Joined::NoBackup,
        Some(newest) if newest.has_place && log.safe_until.is_none_or(|until| newest.started_at > until) => {
            Joined::NotYet(&newest.name)
        }
        Some(newest) => Joined::NoBase(&newest.name),
    }
}

impl Joined<'_> {
    /// Why the newest moments cannot be reached; none where they can, or nobody knows.
    pub(super) fn hole(&self) -> Option<String> {
        match self {
            Self::Whole | Self::NotYet(_) | Self::Unproved(_) => None,
            Self::NoBackup => Some("no proved backup is as new as the log".into()),
            Self::NoBase(name) => {
                Some(format!("the log does not go on from the newest proved backup, {name}"))
            }
            Self::Broken => Some("the log is broken".into()),
        }
    }

    fn verdict(&self, log: &ShippedLog) -> HoleVerdict {
        match self {
            // Without the follower's word nobody knows whether segments are missing at the end.
            Self::Whole if log.status.is_some() => HoleVerdict::No,
            Self::Whole | Self::NotYet(_) | Self::Unproved(_) => HoleVerdict::Unknown,
            Self::NoBackup | Self::NoBase(_) | Self::Broken => HoleVerdict::Yes,
        }
    }
}

/// The newest backup that was held against the one before it and the log between them.
pub(super) fn newest_proof<'a>(full: &[&'a BackupFacts]) -> Option<(&'a BackupFacts, &'a ChainProof)> {
    full.iter().rev().find_map(|backup| Some((*backup, backup.chain_proof.as_ref()?)))
}

/// What can be reached of a database.
pub(super) fn reach(log: &ShippedLog, full: &[&BackupFacts]) -> ReachReport {
    let windows: Vec<_> = full.iter().flat_map(|backup| backup.windows.iter().cloned()).collect();
    let mut spans: Vec<SpanReport> =
        spans(&windows).into_iter().map(|span| SpanReport { from: span.from, until: span.until }).collect();
    let joined = joined(log, full);
    let newest = spans.last();
    let (from, until) = (newest.map(|span| span.from), newest.map(|span| span.until));
    let total = spans.len() as u64;
    spans.drain(..spans.len().saturating_sub(SPANS));
    ReachReport {
        chain: log.chain.clone(),
        from,
        until,
        hole: joined.verdict(log),
        why: joined.hole(),
        proof: newest_proof(full).map(|(backup, proof)| ReachProofReport {
            backup: backup.name.clone(),
            base: proof.base.clone(),
            at: proof.at,
            ok: proof.ok,
            seconds: proof.base_seconds + proof.replay_seconds,
        }),
        spans,
        spans_total: total,
    }
}

#[cfg(test)]
mod tests {
    use super::super::facts::{ReportInput, StoreFacts};
    use super::super::trouble::troubles;
    use super::*;
    use crate::binlog::Window;
    use crate::manifest::Kind;
    use crate::server::NameCase;

    /// So many minutes after the beginning of it all.
    fn at(minute: i64) -> Timestamp {
        chrono::DateTime::from_timestamp(1_750_000_000 + 60 * minute, 0).unwrap().fixed_offset()
    }

    /// A backup that began then, and the chains that go on from it until that minute.
    fn backup(name: &str, minute: i64, proof: Proof, chains: &[(&str, i64)]) -> BackupFacts {
        let window = |(chain, until): &(&str, i64)| Window {
            base: name.into(),
            chain: (*chain).into(),
            from: at(minute),
            until: at(*until),
        };
        BackupFacts {
            name: name.into(),
            kind: Kind::Full,
            is_chosen: false,
            is_excluding: false,
            excluded: Vec::new(),
            database: Some("shop".into()),
            name_case: NameCase::default(),
            server: Some("db1".into()),
            started_at: at(minute),
            size: 1,
            rows: None,
            proof,
            verification: None,
            chain_proof: None,
            has_place: true,
            log: Some("new".into()),
            windows: chains.iter().map(window).collect(),
            tables: None,
        }
    }

    fn status(state: FollowState, minute: i64, once: bool, problem: Option<&str>) -> FollowStatus {
        FollowStatus {
            schema: "fwb-log-status/1".into(),
            chain: "new".into(),
            at: at(minute),
            last: 1,
            hash: String::new(),
            safe_until: at(minute),
            state,
            problem: problem.map(Into::into),
            every: 5,
            once,
            semi_sync: false,
            host: "here".into(),
            pid: 1,
            extra: serde_json::Map::new(),
        }
    }

    /// A log whose chain begins and is safe so far.
    fn log(since: i64, safe_until: i64, status: Option<FollowStatus>) -> ShippedLog {
        ShippedLog {
            server: Some("db1".into()),
            chain: "new".into(),
            chains: 1,
            size: 1,
            since: Some(at(since)),
            safe_until: Some(at(safe_until)),
            fault: None,
            status,
        }
    }

    /// The codes, and the messages, of what a store with this log tells.
    fn told(log: &ShippedLog, backups: Vec<BackupFacts>, now: i64) -> Vec<(String, String)> {
        let store =
            StoreFacts { place: "/b".into(), backups, logs: vec![log.clone()], ..StoreFacts::default() };
        let input = ReportInput { stores: vec![store], ..ReportInput::default() };
        let found = troubles(&input, &TroubleOptions::default(), at(now));
        found.into_iter().map(|one| (one.code, format!("{}: {}", one.subject, one.message))).collect()
    }

    #[test]
    fn a_follower_is_told_of_when_it_should_have_said_more() {
        const HOUR: i64 = 60;
        let word = |state, minute, once, problem| Some(status(state, minute, once, problem));
        let (following, waiting, ended) = (FollowState::Following, FollowState::Waiting, FollowState::Ended);
        // The last safe minute, the follower's last word, and what is told on the second day.
        let now = 26 * HOUR;
        for (safe, said, due) in [
            // It lives, and nothing happens on the server.
            (now, word(following, now, false, None), None),
            (now - 9, word(following, now - 9, false, None), None),
            // It was killed, and nobody started it again.
            (
                now - 25,
                word(following, now - 25, false, None),
                Some(("FWB-3013", "here has said nothing for 25 minutes; the limit is 10 minutes")),
            ),
            // It lives and does not keep up.
            (now - 25, word(following, now, false, None), Some(("FWB-3013", "here is behind"))),
            // Somebody ended it, and it is away no longer than a restart takes.
            (now - 5, word(ended, now - 5, false, None), None),
            (now - 25, word(ended, now - 25, false, None), Some(("FWB-3013", "was ended 25 minutes ago"))),
            // A server that restarts is no trouble; one that stays away is.
            (now - 5, word(waiting, now, false, Some("server away")), None),
            (
                now - 25,
                word(waiting, now, false, Some("'s3cret' away")),
                Some(("FWB-3015", "waits: '…' away")),
            ),
            (
                now - 25,
                word(ended, now - 24, false, Some("denied")),
                Some(("FWB-3015", "has given up: denied")),
            ),
            // A schedule starts it each hour, or each night; it runs, or waits for the next time.
            (now - 55, word(ended, now - 55, true, None), None),
            (now - 25 * HOUR, word(ended, now - 25 * HOUR, true, None), None),
            (now - 25 * HOUR, word(following, now, true, None), None),
            (
                -HOUR,
                word(ended, -HOUR, true, None),
                Some(("FWB-3013", "--once was last heard of on here 27 hours ago")),
            ),
            (-HOUR, word(ended, -HOUR, true, Some("denied")), Some(("FWB-3015", "has given up: denied"))),
            // Who has left no word is a schedule that nobody knows.
            (now - 25, None, None),
            (-HOUR, None, Some(("FWB-3013", "no follower has left a word; the limit is 26 hours"))),
        ] {
            let log = log(0, safe, said);
            let base = backup("a", now - 5, Proof::Proved, &[("new", now)]);
            let told = told(&log, vec![base], now);
            let is_due = match due {
                None => told.is_empty(),
                Some((code, part)) => told.len() == 1 && told[0].0 == code && told[0].1.contains(part),
            };
            assert!(is_due, "{log:?}: {told:?}, not {due:?}");
        }
    }

    #[test]
    fn nobody_is_told_where_nobody_wants_to_be() {
        let log = log(0, 0, Some(status(FollowState::Following, 0, false, None)));
        let nobody = TroubleOptions { max_lag: None, ..TroubleOptions::default() };
        assert_eq!(log.limit(&nobody), None);
        assert_eq!(log.report("/b", &nobody, at(9)).lag_limit_seconds, None);
        assert_eq!(log.report("/b", &nobody, at(9)).lag_seconds, Some(540));
        // Two clocks differ by a little: that is no lag below zero.
        assert_eq!(log.lag(at(-5)), Some(TimeDelta::zero()));
    }

    #[test]
    fn a_clock_that_was_ahead_hides_no_lag() {
        let mut log = log(0, 10_000, Some(status(FollowState::Following, 100, false, None)));
        assert_eq!(log.lag(at(130)), Some(TimeDelta::minutes(30)));
        assert_eq!(log.report("/b", &TroubleOptions::default(), at(130)).safe_until, Some(at(100)));
        assert_eq!(told(&log, Vec::new(), 130)[0].0, "FWB-3013");
        log.status = None;
        assert_eq!(log.lag(at(130)), Some(TimeDelta::zero()));
    }

    #[test]
    fn a_follower_that_publishes_seldom_has_more_time() {
        let seldom = |every| FollowStatus { every, ..status(FollowState::Following, 0, false, None) };
        for (every, limit) in [(5, 10), (400, 13), (3600, 120), (u64::MAX, 2 * 7 * 1440)] {
            let log = log(0, 0, Some(seldom(every)));
            let minutes = log.limit(&TroubleOptions::default()).unwrap().num_minutes();
            assert_eq!(minutes, limit, "{every}");
        }
    }

    #[test]
    fn the_newest_moments_are_reached_from_a_proved_backup_alone() {
        use HoleVerdict::{No, Unknown, Yes};
        let old = || backup("old", 10, Proof::Proved, &[("old", 60)]);
        let of = |proof, chains: &[(&str, i64)]| vec![old(), backup("b", 200, proof, chains)];
        let nowhere =
            |minute| vec![old(), BackupFacts { has_place: false, ..backup("b", minute, Proof::Proved, &[]) }];
        let new: &[(&str, i64)] = &[("new", 300)];
        let reached = |from, until| Some((at(from), at(until)));
        for (backups, verdict, span, part) in [
            (of(Proof::Proved, new), No, reached(200, 300), None),
            (of(Proof::Unproved, new), Unknown, reached(200, 300), Some("from b alone, which is not proved")),
            (vec![old()], Yes, reached(10, 60), Some("no proved backup is as new as it")),
            (
                of(Proof::Proved, &[]),
                Yes,
                reached(10, 60),
                Some("does not go on from the newest proved backup, b"),
            ),
            (nowhere(200), Yes, reached(10, 60), Some("b")),
            // The log comes as far as the backup in a moment.
            (vec![old(), backup("b", 301, Proof::Proved, &[])], Unknown, reached(10, 60), None),
            (nowhere(301), Yes, reached(10, 60), Some("does not say where the binary log stood, b")),
        ] {
            let log = log(100, 300, Some(status(FollowState::Following, 300, false, None)));
            let full: Vec<&BackupFacts> = backups.iter().collect();
            let report = reach(&log, &full);
            assert_eq!((report.hole, report.from.zip(report.until)), (verdict, span), "{backups:?}");
            assert_eq!(report.why.is_some(), verdict == Yes);
            let told = told(&log, backups.clone(), 302);
            let holes: Vec<_> = told.iter().filter(|(code, _)| code == "FWB-3014").collect();
            assert_eq!(holes.len(), usize::from(part.is_some()), "{backups:?}: {told:?}");
            assert!(part.is_none_or(|part| holes[0].1.contains(part)), "{told:?}");
        }
        // Without the follower's word, what is lost at the end is not missed.
        let silent = log(100, 300, None);
        assert_eq!(reach(&silent, &[&backup("b", 200, Proof::Proved, new)]).hole, Unknown);
    }

    #[test]
    fn a_log_that_lacks_something_is_told_until_the_next_proof() {
        let proof = |ok: bool| {
            let problems: &[&str] =
                if ok { &[] } else { &["table t has 3 rows in the backup, and 2 by base and log"] };
            serde_json::from_value(serde_json::json!({
                "ok": ok, "at": at(201), "base": "a", "chain": "new", "groups": 7, "log_size": 70, "base_size": 1,
                "base_seconds": 1.5, "replay_seconds": 2.5, "seconds": 9.0, "problems": problems
            }))
            .unwrap()
        };
        let of = |name: &str, minute, proof| BackupFacts {
            chain_proof: proof,
            ..backup(name, minute, Proof::Proved, &[("new", 300)])
        };
        let log = log(100, 300, Some(status(FollowState::Following, 300, false, None)));
        let lacking = vec![of("b", 200, Some(proof(false))), of("c", 250, None)];
        let told_of = told(&log, lacking.clone(), 302);
        assert_eq!(told_of.len(), 1, "{told_of:?}");
        assert!(
            told_of[0].0 == "FWB-3016" && told_of[0].1.contains("a and the log after it do not make b"),
            "{told_of:?}"
        );
        let mended = vec![of("b", 200, Some(proof(false))), of("c", 250, Some(proof(true)))];
        assert!(told(&log, mended.clone(), 302).is_empty());
        let report =
            |backups: &[BackupFacts]| reach(&log, &backups.iter().collect::<Vec<_>>()).proof.unwrap();
        assert_eq!((report(&lacking).ok, report(&mended).ok), (false, true));
        assert!((report(&lacking).seconds - 4.0).abs() < 1e-9);
    }

    #[test]
    fn a_broken_chain_is_told_once_and_of_the_log() {
        let fault = ChainFault {
            segment: "x.fwblog".into(),
            problem: "segments 3 to 4 are missing before it".into(),
        };
        let log = ShippedLog { fault: Some(fault), ..log(0, 0, None) };
        let backups: Vec<BackupFacts> = ["shop", "bank"]
            .map(|name| BackupFacts {
                database: Some(name.into()),
                ..backup(name, 100, Proof::Proved, &[("new", 100)])
            })
            .into();
        let told = told(&log, backups, 120);
        let expected = "the log of db1: it is broken at x.fwblog: segments 3 to 4 are missing before it";
        assert_eq!(told, [("FWB-3014".to_owned(), expected.to_owned())]);
    }

    #[test]
    fn a_database_that_is_backed_up_no_more_is_told_as_that() {
        let log = log(3000, 9000, Some(status(FollowState::Following, 9000, false, None)));
        let told = told(&log, vec![backup("old", 10, Proof::Proved, &[])], 9000);
        assert_eq!(told.iter().map(|(code, _)| code.as_str()).collect::<Vec<_>>(), ["FWB-3001"]);
    }
}
