//! Retention: which backups stay and which go, and why. A pure function of what the store holds, the policy and
//! the time, so that a table of cases can hold it to its promises; listing and deleting are the store's business.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Datelike, NaiveDate, TimeDelta};

use crate::identity::{Facts, Owner, ServerIdentity, belongings};
use crate::manifest::{Action, Decision, Kind, Timestamp, Verification, is_in_the_future};
use crate::server::NameCase;

/// What to keep. A backup stays when any rule keeps it; the guards then see to it that something is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Keep what is at most this many times 24 hours old; 0 switches the rule off.
    pub keep_days: u32,
    /// Keep this many of the newest backups; 0 switches the rule off.
    pub keep_last: u32,
    /// Keep the newest backup of each of this many days; 0 switches the rule off.
    pub keep_daily: u32,
    /// Keep the newest backup of each of this many ISO 8601 weeks; 0 switches the rule off.
    pub keep_weekly: u32,
    /// Keep the newest backup of each of this many months; 0 switches the rule off.
    pub keep_monthly: u32,
    /// Keep the newest backup of each of this many years; 0 switches the rule off.
    pub keep_yearly: u32,
    /// Keep safety backups that are at most this many times 24 hours old, and none by another rule; 0: the rules of the
    /// other backups hold for them too.
    pub keep_safety_days: u32,
    /// Keep every moment of this time reachable, where a log makes it so; none: of as many days as `keep_days` says, or of 7 where that rule is off.
    pub keep_window: Option<TimeDelta>,
    /// Guard: never leave fewer proved backups of a server's database than this, where there are as many.
    pub min_keep: u32,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            keep_days: 7,
            keep_last: 0,
            keep_daily: 0,
            keep_weekly: 0,
            keep_monthly: 0,
            keep_yearly: 0,
            keep_safety_days: 0,
            keep_window: None,
            min_keep: 1,
        }
    }
}

impl Policy {
    /// The time of which every moment stays reachable.
    pub(crate) fn window(&self) -> TimeDelta {
        let days = if self.keep_days == 0 { Self::default().keep_days } else { self.keep_days };
        self.keep_window.unwrap_or_else(|| TimeDelta::days(days.into()))
    }

    /// Whether safety backups, and those of moments, expire by a rule of their own.
    fn has_safety_rule(&self) -> bool {
        self.keep_safety_days > 0
    }

    /// The rules for backups of a kind.
    fn of(&self, kind: Kind) -> Self {
        if !kind.is_of_restore() || !self.has_safety_rule() {
            return *self;
        }
        Self {
            keep_days: self.keep_safety_days,
            keep_last: 0,
            keep_daily: 0,
            keep_weekly: 0,
            keep_monthly: 0,
            keep_yearly: 0,
            ..*self
        }
    }
}

/// What is known of a backup's worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Proof {
    /// The latest verification passed at `full` or above, and the artifact is there with the manifest's size.
    Proved,
    /// Nothing is known for or against it.
    Unproved,
    /// It lacks a part of its database, or may: tables were chosen, or the account that dumped it could not see everything.
    Partial,
    /// The latest verification failed, or the artifact is damaged or of another size.
    Failed,
}

impl Proof {
    /// Whether the backup counts for rules that keep a number of backups.
    fn counts(self) -> bool {
        self.worth() == Self::Proved.worth()
    }

    /// What is better as the last that is left has more of it; whether a backup is proved does not matter for that.
    fn worth(self) -> u8 {
        match self {
            Self::Proved | Self::Unproved => 2,
            Self::Partial => 1,
            Self::Failed => 0,
        }
    }

    /// By whether the manifest calls the backup whole, the latest outcome, and what a look at the files shows.
    pub(crate) fn of(whole: Option<bool>, verification: Option<&Verification>, problems: &[String]) -> Self {
        if !problems.is_empty() || verification.is_some_and(|outcome| !outcome.ok) {
            return Self::Failed;
        }
        if whole == Some(false) {
            return Self::Partial;
        }
        if verification.is_some_and(Verification::proves) { Self::Proved } else { Self::Unproved }
    }
}

/// What retention needs to know of a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
    /// The artifact's file name, unique in its store.
    pub name: String,
    /// The database dumped, where it is known.
    pub database: Option<String>,
    /// How its server compares names, where that is known.
    pub name_case: Option<NameCase>,
    /// The server dumped from, as far as it is known.
    pub server: ServerIdentity,
    /// What the backup is for.
    pub kind: Kind,
    /// When the dump began. Calendar rules use the day, week, month and year of its own UTC offset.
    pub started_at: Timestamp,
    /// What is known of its worth.
    pub state: Proof,
}

/// Decides about every backup, in the order of `backups`.
///
/// Each database of each server is a group of its own, and each kind in it: two servers with a database of one name do
/// not count for each other. A backup that does not say its server counts beside those of the server that came after it,
/// and for nothing among them: it takes no place from a backup that says more. Where several servers came after it, it
/// stays for as long as any of them would keep it. Within a group:
/// - What is dated in the future stays and takes part in nothing: a clock was wrong then, and its backups must not push
///   out those of today.
/// - `keep_days` keeps by age at `now`, exactly that many days included.
/// - The counting rules keep the newest of each calendar period. A failed backup takes no place there.
/// - Guards: the newest `min_keep` proved backups stay, and always the newest one; where fewer are proved, the
///   newest unproved ones make up the number; where only failed ones would be left, the newest backup that has
///   not failed stays, and where there is none, the newest.
/// - Safety backups that have a rule of their own ([`Policy::keep_safety_days`]) go by their age alone, without guards, where
///   their database has a proved full backup; a guard keeps the newest one of those.
pub fn decide(backups: &[Backup], policy: &Policy, now: Timestamp) -> Vec<Decision> {
    let mut reasons = vec![Vec::new(); backups.len()];
    for Group { own, inherited, is_guarded } in groups(backups, policy, now) {
        let kind = own.first().or(inherited.first()).map_or(Kind::Full, |(_, backup)| backup.kind);
        let rules = Rules { policy: policy.of(kind), is_guarded, now };
        judge(&own, &rules, &mut reasons);
        if inherited.is_empty() {
            continue;
        }
        let mut beside = vec![Vec::new(); backups.len()];
        let mut all = [&own[..], &inherited].concat();
        newest_first(&mut all);
        judge(&all, &rules, &mut beside);
        for (index, _) in inherited {
            for reason in std::mem::take(&mut beside[index]) {
                if !reasons[index].contains(&reason) {
                    reasons[index].push(reason);
                }
            }
        }
    }
    let decision = |(backup, reasons): (&Backup, Vec<String>)| {
        if reasons.is_empty() {
            return Decision {
                action: Action::Delete,
                reasons: vec![why_delete(backup, &policy.of(backup.kind))],
            };
        }
        Decision { action: Action::Keep, reasons }
    };
    backups.iter().zip(reasons).map(decision).collect()
}

/// A backup and its place in the caller's list.
type Member<'a> = (usize, &'a Backup);

/// Names the calendar period that a day lies in.
type Period = fn(NaiveDate) -> String;

/// Backups that count for each other, newest first.
#[derive(Debug, Default)]
struct Group<'a> {
    /// Those of one database of one server.
    own: Vec<Member<'a>>,
    /// Older ones that may be of it too.
    inherited: Vec<Member<'a>>,
    /// Whether its last backups are kept whatever the rules say.
    is_guarded: bool,
}

/// What decides about a group.
#[derive(Debug)]
struct Rules {
    policy: Policy,
    is_guarded: bool,
    now: Timestamp,
}

/// The backups of each kind of each database of each server.
fn groups<'a>(backups: &'a [Backup], policy: &Policy, now: Timestamp) -> Vec<Group<'a>> {
    let facts: Vec<Facts<'_>> = backups
        .iter()
        .map(|backup| Facts {
            database: backup.database.as_deref(),
            name_case: backup.name_case,
            server: &backup.server,
            kind: backup.kind,
            started_at: backup.started_at,
        })
        .collect();
    let mut groups: BTreeMap<(Option<String>, Kind, Owner), Group<'_>> = BTreeMap::new();
    for (member, belonging) in backups.iter().enumerate().zip(belongings(&facts, now)) {
        let (database, kind) = (belonging.database, member.1.kind);
        if belonging.heirs.is_empty() {
            groups.entry((database, kind, belonging.own)).or_default().own.push(member);
            continue;
        }
        for heir in belonging.heirs {
            groups.entry((database.clone(), kind, heir)).or_default().inherited.push(member);
        }
    }
    // What is dated in the future is not trusted to be the last that is needed.
    let holds =
        |(_, backup): &Member<'_>| backup.state == Proof::Proved && !is_in_the_future(backup.started_at, now);
    let proved: BTreeSet<_> = groups
        .iter()
        .filter(|((_, kind, _), group)| *kind == Kind::Full && group.own.iter().any(holds))
        .map(|((database, _, owner), _)| (database.clone(), owner.clone()))
        .collect();
    let group = |((database, kind, owner), mut group): (_, Group<'a>)| {
        newest_first(&mut group.own);
        newest_first(&mut group.inherited);
        let is_free =
            Kind::is_of_restore(kind) && policy.has_safety_rule() && proved.contains(&(database, owner));
        Group { is_guarded: !is_free, ..group }
    };
    groups.into_iter().map(group).collect()
}

fn newest_first(members: &mut [Member<'_>]) {
    members.sort_by(|(_, a), (_, b)| (b.started_at, &b.name).cmp(&(a.started_at, &a.name)));
}

/// Adds the reasons for which backups of one group stay.
fn judge(group: &[Member<'_>], rules: &Rules, reasons: &mut [Vec<String>]) {
    let Rules { policy, is_guarded, now } = rules;
    let now = *now;
    let is_future = |(_, backup): &Member<'_>| is_in_the_future(backup.started_at, now);
    let (future, group): (Vec<_>, Vec<_>) = group.iter().partition(|member| is_future(member));
    for (index, _) in future {
        reasons[index].push("dated in the future".into());
    }
    keep_by_age(&group, policy, now, reasons);
    keep_by_count(&group, policy, reasons);
    if *is_guarded {
        guard_proved(&group, policy, reasons);
        guard_last(&group, reasons);
    }
}

fn keep_by_age(group: &[Member<'_>], policy: &Policy, now: Timestamp, reasons: &mut [Vec<String>]) {
    if policy.keep_days == 0 {
        return;
    }
    let limit = TimeDelta::days(policy.keep_days.into());
    for &(index, backup) in group {
        if now.signed_duration_since(backup.started_at) <= limit {
            reasons[index].push(format!("within {}", days(policy.keep_days)));
        }
    }
}

fn keep_by_count(group: &[Member<'_>], policy: &Policy, reasons: &mut [Vec<String>]) {
    let countable = || group.iter().filter(|(_, backup)| backup.state.counts());
    for &(index, _) in countable().take(as_count(policy.keep_last)) {
        reasons[index].push(format!("last {}", policy.keep_last));
    }
    let rules: [(u32, Period); 4] = [
        (policy.keep_daily, |day| format!("daily {day}")),
        (policy.keep_weekly, |day| day.format("weekly %G-W%V").to_string()),
        (policy.keep_monthly, |day| day.format("monthly %Y-%m").to_string()),
        (policy.keep_yearly, |day| format!("yearly {}", day.year())),
    ];
    for (count, period) in rules {
        let mut seen = BTreeSet::new();
        for &(index, backup) in countable() {
            if seen.len() == as_count(count) {
                break;
            }
            let period = period(backup.started_at.date_naive());
            if seen.insert(period.clone()) {
                reasons[index].push(period);
            }
        }
    }
}

fn guard_proved(group: &[Member<'_>], policy: &Policy, reasons: &mut [Vec<String>]) {
    let newest = |state: Proof| group.iter().filter(move |(_, backup)| backup.state == state);
    let wanted = as_count(policy.min_keep);
    let proved = newest(Proof::Proved).count();
    for (rank, &(index, _)) in newest(Proof::Proved).take(wanted.max(1)).enumerate() {
        reasons[index].push(match rank {
            0 => "newest proved backup".into(),
            _ => format!("one of the {wanted} newest proved"),
        });
    }
    let missing = wanted.saturating_sub(proved);
    for &(index, _) in newest(Proof::Unproved).take(missing) {
        reasons[index].push(match (proved, missing) {
            (0, 1) => "nothing proved: the newest stays".into(),
            (0, _) => format!("nothing proved: the {missing} newest stay"),
            _ => format!("only {proved} of {wanted} proved: the newest unproved stay"),
        });
    }
}

fn guard_last(group: &[Member<'_>], reasons: &mut [Vec<String>]) {
    // The newest of the best.
    let best = group.iter().rev().max_by_key(|(_, backup)| backup.state.worth());
    let Some(&(last, backup)) = best else { return };
    let stays = |&(index, other): &Member<'_>| {
        !reasons[index].is_empty() && other.state.worth() >= backup.state.worth()
    };
    if group.iter().any(stays) {
        return;
    }
    reasons[last].push(match backup.state {
        Proof::Failed | Proof::Partial => "nothing better is left: the newest stays".into(),
        Proof::Proved | Proof::Unproved => "nothing proved: the newest stays".into(),
    });
}

fn why_delete(backup: &Backup, policy: &Policy) -> String {
    let rules = match backup.state {
        Proof::Failed => "no rule keeps it: it has failed",
        Proof::Partial => "no rule keeps it: it may lack a part of its database",
        Proof::Proved | Proof::Unproved => "no rule keeps it",
    };
    match policy.keep_days {
        0 => rules.into(),
        limit => format!("older than {}, and {rules}", days(limit)),
    }
}

fn days(count: u32) -> String {
    match count {
        1 => "1 day".into(),
        _ => format!("{count} days"),
    }
}

fn as_count(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
