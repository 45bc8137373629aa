//! The policy as a table of cases, and what holds for any backups and any rules.

use proptest::prelude::*;

use super::*;

const NOW: &str = "2025-07-25T12:00:00Z";
const OFF: Policy = Policy {
    keep_days: 0,
    keep_last: 0,
    keep_daily: 0,
    keep_weekly: 0,
    keep_monthly: 0,
    keep_yearly: 0,
    keep_safety_days: 0,
    keep_window: None,
    min_keep: 0,
};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn backup(database: &str, started_at: &str, state: Proof) -> Backup {
    Backup {
        name: format!("{database}_backup_{started_at}.sql.gz"),
        database: Some(database.into()),
        name_case: None,
        server: ServerIdentity::default(),
        kind: Kind::Full,
        started_at: at(started_at),
        state,
    }
}

/// One backup a line, `TIME [!|?] = expected reasons, or "delete"`: `!` is failed, `?` unproved.
fn check(case: &str, policy: Policy, lines: &[&str]) {
    let parse = |line: &&str| {
        let (left, expected) = line.split_once(" = ").unwrap();
        let (time, state) = match left.trim().rsplit_once(' ') {
            Some((time, "!")) => (time, Proof::Failed),
            Some((time, "?")) => (time, Proof::Unproved),
            _ => (left, Proof::Proved),
        };
        (backup("shop", time.trim(), state), expected.to_string())
    };
    let (backups, expected): (Vec<Backup>, Vec<String>) = lines.iter().map(parse).unzip();
    let said: Vec<String> = decide(&backups, &policy, at(NOW))
        .into_iter()
        .map(|decision| match decision.action {
            Action::Keep => decision.reasons.join(", "),
            Action::Delete => "delete".into(),
        })
        .collect();
    assert_eq!(said, expected, "{case}");
}

#[test]
fn age_is_kept_to_the_second() {
    check(
        "the seventh day ends to the second",
        Policy { keep_days: 7, ..OFF },
        &[
            "2025-07-25T11:59:59Z = within 7 days, newest proved backup",
            "2025-07-18T12:00:01Z = within 7 days",
            "2025-07-18T12:00:00Z = within 7 days",
            "2025-07-18T11:59:59Z = delete",
        ],
    );
    check(
        "an offset is not part of an age",
        Policy { keep_days: 1, ..OFF },
        &[
            "2025-07-24T21:00:00+09:00 = within 1 day, newest proved backup",
            "2025-07-24T20:59:59+09:00 = delete",
        ],
    );
    check(
        "age counts failed and unproved backups alike",
        Policy { keep_days: 7, ..OFF },
        &[
            "2025-07-25T00:00:00Z ! = within 7 days",
            "2025-07-24T00:00:00Z ? = within 7 days",
            "2025-07-01T00:00:00Z = newest proved backup",
        ],
    );
    check(
        "0 days keep nothing",
        OFF,
        &["2025-07-25T12:00:00Z = newest proved backup", "2025-07-25T11:00:00Z = delete"],
    );
}

/// The state before a restore is of use for some days, and as large as a full backup.
#[test]
fn safety_backups_expire_by_a_rule_of_their_own() {
    let rule = Policy { keep_days: 30, keep_last: 9, keep_safety_days: 3, ..OFF };
    let safety = |day: &str| {
        let made = backup("shop", &format!("2025-07-{day}T12:00:00Z"), Proof::Proved);
        Backup { kind: Kind::Safety, name: format!("safety_{day}"), ..made }
    };
    let said = |backups: &[Backup], policy: &Policy| -> Vec<String> {
        let decided = decide(backups, policy, at(NOW)).into_iter().zip(backups);
        let safety = decided.filter(|(_, backup)| backup.kind == Kind::Safety);
        safety
            .map(|(decision, _)| format!("{:?}: {}", decision.action, decision.reasons.join(", ")))
            .collect()
    };
    let full = backup("shop", "2025-07-20T12:00:00Z", Proof::Proved);
    let all = [full.clone(), safety("10"), safety("22")];
    let expired = "Delete: older than 3 days, and no rule keeps it";
    assert_eq!(said(&all, &rule), [expired, "Keep: within 3 days"]);
    assert_eq!(said(&all[..2], &rule), [expired], "not even the newest one stays for ever");
    // Where nothing else is proved, it may be all that there is.
    let guarded = "Keep: newest proved backup";
    assert_eq!(said(&[safety("01"), safety("10")], &rule), [expired, guarded]);
    for state in [Proof::Unproved, Proof::Failed, Proof::Partial] {
        assert_eq!(said(&[Backup { state, ..full.clone() }, safety("10")], &rule), [guarded], "{state:?}");
    }
    assert_eq!(
        said(&[backup("cafe", "2025-07-20T12:00:00Z", Proof::Proved), safety("10")], &rule),
        [guarded]
    );
    let future = backup("shop", "2031-07-20T12:00:00Z", Proof::Proved);
    assert_eq!(said(&[future, safety("10")], &rule), [guarded], "a clock was wrong");
    // Without the rule they go by those of the others.
    let off = Policy { keep_safety_days: 0, ..rule };
    assert_eq!(said(&all[..2], &off), ["Keep: within 30 days, last 9, newest proved backup"]);
}

#[test]
fn future_dates_stay_and_push_nothing_out() {
    check(
        "by age",
        Policy { keep_days: 7, ..OFF },
        &["2031-01-01T00:00:00Z ? = dated in the future", "2025-07-01T00:00:00Z = newest proved backup"],
    );
    check(
        "without age",
        Policy { keep_last: 1, keep_daily: 1, ..OFF },
        &[
            "2031-01-02T00:00:00Z = dated in the future",
            "2031-01-01T00:00:00Z ! = dated in the future",
            "2025-07-25T00:00:00Z ? = last 1, daily 2025-07-25",
            "2025-07-24T00:00:00Z = newest proved backup",
            "2025-07-23T00:00:00Z = delete",
        ],
    );
    check(
        "clocks of two machines",
        Policy { keep_last: 1, ..OFF },
        &["2025-07-25T13:00:00Z = last 1, newest proved backup", "2025-07-25T12:00:00Z = delete"],
    );
}

#[test]
fn counting_rules_take_the_newest_of_each_period() {
    check(
        "last",
        Policy { keep_last: 2, ..OFF },
        &[
            "2025-07-23T00:00:00Z = delete",
            "2025-07-25T00:00:00Z = last 2, newest proved backup",
            "2025-07-24T00:00:00Z = last 2",
        ],
    );
    check(
        "daily",
        Policy { keep_daily: 2, ..OFF },
        &[
            "2025-07-25T09:00:00Z = daily 2025-07-25, newest proved backup",
            "2025-07-25T08:00:00Z = delete",
            "2025-07-23T23:59:59Z = daily 2025-07-23",
            "2025-07-23T00:00:00Z = delete",
            "2025-07-22T00:00:00Z = delete",
        ],
    );
    check(
        "ISO weeks cross the year",
        Policy { keep_weekly: 2, ..OFF },
        &[
            "2025-01-01T00:00:00Z = weekly 2025-W01, newest proved backup",
            "2024-12-30T00:00:00Z = delete",
            "2024-12-29T00:00:00Z = weekly 2024-W52",
            "2024-12-22T00:00:00Z = delete",
        ],
    );
    check(
        "monthly and yearly",
        Policy { keep_monthly: 2, keep_yearly: 2, ..OFF },
        &[
            "2025-07-25T00:00:00Z = monthly 2025-07, yearly 2025, newest proved backup",
            "2025-06-30T00:00:00Z = monthly 2025-06",
            "2025-05-31T00:00:00Z = delete",
            "2024-12-31T00:00:00Z = yearly 2024",
            "2023-12-31T00:00:00Z = delete",
        ],
    );
    check(
        "rules add up",
        Policy { keep_days: 1, keep_last: 1, keep_daily: 1, ..OFF },
        &[
            "2025-07-25T00:00:00Z = within 1 day, last 1, daily 2025-07-25, newest proved backup",
            "2025-07-24T13:00:00Z = within 1 day",
            "2025-07-24T11:00:00Z = delete",
        ],
    );
}

#[test]
fn failed_backups_take_no_place() {
    check(
        "last",
        Policy { keep_last: 1, ..OFF },
        &[
            "2025-07-25T00:00:00Z ! = delete",
            "2025-07-24T00:00:00Z ? = last 1",
            "2025-07-23T00:00:00Z = newest proved backup",
        ],
    );
    check(
        "daily",
        Policy { keep_daily: 1, ..OFF },
        &["2025-07-25T09:00:00Z ! = delete", "2025-07-25T08:00:00Z = daily 2025-07-25, newest proved backup"],
    );
}

#[test]
fn a_calendar_day_is_that_of_the_backups_own_offset() {
    check(
        "Tokyo's 25th begins in UTC's 24th",
        Policy { keep_daily: 2, ..OFF },
        &[
            "2025-07-25T08:00:00+09:00 = daily 2025-07-25, newest proved backup",
            "2025-07-25T00:30:00+09:00 = delete",
            "2025-07-24T23:30:00+09:00 = daily 2025-07-24",
        ],
    );
    check(
        "the hour that comes twice",
        Policy { keep_daily: 2, ..OFF },
        &[
            "2024-11-03T01:30:00-05:00 = daily 2024-11-03, newest proved backup",
            "2024-11-03T01:30:00-04:00 = delete",
            "2024-11-02T23:59:59-04:00 = daily 2024-11-02",
        ],
    );
    check(
        "a day that comes again after a move west counts once",
        Policy { keep_daily: 2, ..OFF },
        &[
            "2025-07-24T20:00:00-05:00 = daily 2025-07-24, newest proved backup",
            "2025-07-25T02:00:00+09:00 = daily 2025-07-25",
            "2025-07-24T23:00:00+09:00 = delete",
        ],
    );
}

#[test]
fn guards_keep_the_newest_proved() {
    check(
        "however old",
        Policy::default(),
        &[
            "2025-06-02T00:00:00Z ? = delete",
            "2025-06-01T00:00:00Z = newest proved backup",
            "2025-05-01T00:00:00Z = delete",
        ],
    );
    check(
        "as many as asked for",
        Policy { min_keep: 2, ..OFF },
        &[
            "2025-06-03T00:00:00Z ! = delete",
            "2025-06-02T00:00:00Z = newest proved backup",
            "2025-06-01T00:00:00Z = one of the 2 newest proved",
            "2025-05-01T00:00:00Z = delete",
        ],
    );
    check(
        "unproved ones make up the number",
        Policy { min_keep: 2, ..OFF },
        &[
            "2025-06-03T00:00:00Z ? = only 1 of 2 proved: the newest unproved stay",
            "2025-06-02T00:00:00Z ? = delete",
            "2025-06-01T00:00:00Z = newest proved backup",
        ],
    );
    check(
        "none proved",
        Policy { min_keep: 2, ..OFF },
        &[
            "2025-06-03T00:00:00Z ? = nothing proved: the 2 newest stay",
            "2025-06-02T00:00:00Z ? = nothing proved: the 2 newest stay",
            "2025-06-01T00:00:00Z ? = delete",
        ],
    );
    check(
        "more asked for than there are",
        Policy { min_keep: u32::MAX, ..OFF },
        &["2025-06-02T00:00:00Z = newest proved backup", "2025-06-01T00:00:00Z ! = delete"],
    );
}

#[test]
fn something_is_always_left() {
    check(
        "unproved, and no guard by number",
        OFF,
        &[
            "2025-06-03T00:00:00Z ! = delete",
            "2025-06-02T00:00:00Z ? = nothing proved: the newest stays",
            "2025-06-01T00:00:00Z ? = delete",
        ],
    );
    check(
        "all broken",
        Policy::default(),
        &[
            "2025-06-02T00:00:00Z ! = nothing better is left: the newest stays",
            "2025-06-01T00:00:00Z ! = delete",
        ],
    );
    check(
        "a young broken one is nothing to rely on",
        Policy { keep_days: 7, ..OFF },
        &[
            "2025-07-25T00:00:00Z ! = within 7 days",
            "2025-06-01T00:00:00Z ? = nothing proved: the newest stays",
        ],
    );
    check("an empty store", Policy::default(), &[]);
}

#[test]
fn equal_times_are_told_apart_by_name() {
    let mut twins = vec![backup("shop", NOW, Proof::Proved), backup("shop", NOW, Proof::Proved)];
    twins[0].name = "a".into();
    twins[1].name = "b".into();
    let actions = |backups: &[Backup]| -> Vec<Action> {
        decide(backups, &OFF, at(NOW)).into_iter().map(|decision| decision.action).collect()
    };
    assert_eq!(actions(&twins), [Action::Delete, Action::Keep]);
    twins.reverse();
    assert_eq!(actions(&twins), [Action::Keep, Action::Delete]);
}

#[test]
fn databases_and_kinds_do_not_count_for_each_other() {
    let mut backups = vec![
        backup("shop", "2025-06-02T00:00:00Z", Proof::Proved),
        backup("shop", "2025-06-01T00:00:00Z", Proof::Proved),
        backup("blog", "2025-05-01T00:00:00Z", Proof::Proved),
        backup("shop", "2025-05-01T00:00:00Z", Proof::Proved),
        backup("", "2025-05-01T00:00:00Z", Proof::Unproved),
    ];
    backups[3].kind = Kind::Safety;
    backups[4].database = None;
    let deleted: Vec<usize> = decide(&backups, &Policy::default(), at(NOW))
        .iter()
        .enumerate()
        .filter(|(_, decision)| decision.action == Action::Delete)
        .map(|(index, _)| index)
        .collect();
    assert_eq!(deleted, [1]);
}

/// A backup of `shop` of a server, as `ID`, `@ADDRESS` or nothing.
fn of_server(server: &str, started_at: &str) -> Backup {
    let (id, address) = server.split_once('@').unwrap_or((server, ""));
    let mut made = backup("shop", started_at, Proof::Proved);
    made.server = ServerIdentity { id: id.parse().ok(), address: address.parse().ok() };
    made.name = format!("{server} {started_at}");
    made
}

/// Each line is `SERVER DAY-OF-JULY`, `-` for a server that is not told; those that stay end with `+`.
fn check_servers(case: &str, policy: Policy, lines: &[&str]) {
    let parse = |line: &&str| {
        let words: Vec<&str> = line.split(' ').collect();
        let server = if words[0] == "-" { "" } else { words[0] };
        (of_server(server, &format!("2025-07-{}T02:00:00Z", words[1])), words.get(2) == Some(&"+"))
    };
    let (backups, expected): (Vec<Backup>, Vec<bool>) = lines.iter().map(parse).unzip();
    let said: Vec<bool> =
        decide(&backups, &policy, at(NOW)).iter().map(|made| made.action == Action::Keep).collect();
    let told: Vec<_> =
        lines.iter().zip(said).zip(expected).filter(|((_, said), expected)| said != expected).collect();
    assert!(told.is_empty(), "{case}: {told:?}");
}

#[test]
fn two_servers_do_not_prune_each_other() {
    let last = |count| Policy { keep_last: count, ..OFF };
    check_servers(
        "each has its own",
        last(2),
        &["a@x 21", "a@x 22 +", "a@x 23 +", "b@y 01", "b@y 02 +", "b@y 03 +", "@z 01 +", "@z 02 +"],
    );
    check_servers("by address", last(1), &["@x 21 +", "@y 22", "@y 23 +"]);
    check_servers("one name at two addresses is one server", last(1), &["a@x 21", "a@y 22 +"]);
    let guard = Policy { min_keep: 2, ..OFF };
    check_servers("the guards too", guard, &["a 01", "a 02 +", "a 03 +", "b 04", "b 05 +", "b 06 +"]);
}

/// A week of backups from before servers had names: none goes too early, and none stays for ever.
#[test]
fn old_backups_go_as_if_they_had_always_been_the_servers() {
    let last = |count| Policy { keep_last: count, ..OFF };
    let week = ["- 14", "- 15", "- 16", "- 17", "- 18 +", "- 19 +", "- 20 +"];
    let with = |more: &[&'static str]| [&week[..], more].concat();
    check_servers("the first night", last(4), &with(&["a@x 21 +"]));
    let later = ["- 18", "- 19", "- 20 +", "a@x 21 +", "a@x 22 +", "a@x 23 +"];
    check_servers("later", last(4), &later);
    check_servers("in the end", last(2), &["- 19", "- 20", "a@x 21", "a@x 22 +", "a@x 23 +"]);
    check_servers("a name comes after an address", last(3), &["- 19", "@x 20 +", "a@x 22 +", "a@x 23 +"]);
    check_servers("the guards go on", Policy { min_keep: 3, ..OFF }, &["- 18", "- 19 +", "- 20 +", "a 21 +"]);
    check_servers(
        "of two servers, for as long as one of them would keep it",
        last(2),
        &["- 18", "- 19", "- 20 +", "a 21", "a 22 +", "a 23 +", "b 24 +"],
    );
    check_servers("and not longer", last(2), &["- 20", "a 21 +", "a 22 +", "b 23 +", "b 24 +"]);
}

/// What tells no server may be of another one after all: it must not make a server's own newest backup needless.
#[test]
fn what_is_inherited_takes_no_place() {
    let old = of_server("", "2025-06-01T02:00:00Z");
    let mut new = of_server("a", "2025-06-02T02:00:00Z");
    new.state = Proof::Unproved;
    let decided = decide(&[old, new], &OFF, at(NOW));
    assert!(decided.iter().all(|made| made.action == Action::Keep), "{decided:?}");
}

/// The tools of another server may be older: what they write tells no server, and must not be taken for this one's.
#[test]
fn a_server_that_is_not_told_is_kept_apart_while_it_goes_on() {
    let last = Policy { keep_last: 1, ..OFF };
    check_servers("it goes on", last, &["- 18", "a@x 19", "a@x 20", "- 21 +", "a@x 22 +"]);
    check_servers("neither takes the other's place", last, &["a@x 20 +", "- 21", "- 22 +"]);
    check_servers("it has ended, and is older than all", last, &["- 21", "a@x 22 +"]);
    check_servers("an address that goes on beside its name", last, &["@x 19", "a@x 20 +", "@x 21 +"]);
}

#[test]
fn one_database_in_two_cases_is_one() {
    let mut backups = vec![
        backup("ShopDB", "2025-06-01T00:00:00Z", Proof::Proved),
        backup("shopdb", "2025-06-02T00:00:00Z", Proof::Proved),
        backup("ShopDB", "2025-06-03T00:00:00Z", Proof::Proved),
    ];
    let kept = |backups: &[Backup]| -> Vec<bool> {
        decide(backups, &Policy::default(), at(NOW)).iter().map(|made| made.action == Action::Keep).collect()
    };
    assert_eq!(kept(&backups), [false, true, true]);
    for made in &mut backups[1..] {
        made.name_case = Some(NameCase::Insensitive);
    }
    assert_eq!(kept(&backups), [false, false, true], "the oldest does not say how its name is compared");
}

#[test]
fn a_deletion_says_why() {
    let why = |policy: &Policy, state| {
        let old = [backup("shop", NOW, Proof::Proved), backup("shop", "2025-01-01T00:00:00Z", state)];
        decide(&old, policy, at(NOW)).remove(1).reasons.join(", ")
    };
    assert_eq!(why(&Policy::default(), Proof::Proved), "older than 7 days, and no rule keeps it");
    assert_eq!(why(&OFF, Proof::Proved), "no rule keeps it");
    assert_eq!(why(&OFF, Proof::Failed), "no rule keeps it: it has failed");
    assert_eq!(why(&OFF, Proof::Partial), "no rule keeps it: it may lack a part of its database");
}

/// What may lack a part of its database takes no place from what does not, and goes by its age.
#[test]
fn a_partial_backup_counts_for_nothing() {
    let policy = Policy { keep_last: 1, ..OFF };
    let kept = |states: &[Proof]| {
        let days = ["2025-06-01T00:00:00Z", "2025-05-31T00:00:00Z", "2025-05-30T00:00:00Z"];
        let all: Vec<_> = states.iter().zip(days).map(|(state, day)| backup("shop", day, *state)).collect();
        let decided = decide(&all, &policy, at(NOW));
        decided.iter().map(|decision| decision.action == Action::Keep).collect::<Vec<_>>()
    };
    assert_eq!(kept(&[Proof::Partial, Proof::Proved]), [false, true]);
    assert_eq!(kept(&[Proof::Partial, Proof::Unproved]), [false, true]);
    assert_eq!(kept(&[Proof::Failed, Proof::Partial, Proof::Failed]), [false, true, false]);
    assert_eq!(kept(&[Proof::Partial, Proof::Partial]), [true, false], "nothing better is left");
}

prop_compose! {
    fn any_backup()(
        database in prop::option::of("[ab]"),
        name_case in prop::option::of(prop::sample::select(vec![NameCase::Sensitive, NameCase::Insensitive])),
        id in prop::option::of("[mn]"),
        address in prop::option::of("[xy]"),
        kind in prop::sample::select(vec![Kind::Full, Kind::Safety]),
        hours in -40_i64..2_000,
        offset in prop::sample::select(vec![-5, 0, 9]),
        state in prop::sample::select(vec![Proof::Proved, Proof::Unproved, Proof::Partial, Proof::Failed]),
    ) -> Backup {
        let zone = chrono::FixedOffset::east_opt(offset * 3600).unwrap();
        let started_at = (at(NOW) - TimeDelta::hours(hours)).with_timezone(&zone);
        let name = |text: Option<String>| text.and_then(|text| text.parse().ok());
        let server = ServerIdentity { id: name(id), address: name(address) };
        Backup { name: String::new(), database, name_case, server, kind, started_at, state }
    }
}

fn any_store() -> impl Strategy<Value = Vec<Backup>> {
    prop::collection::vec(any_backup(), 0..24).prop_map(|mut backups| {
        for (index, backup) in backups.iter_mut().enumerate() {
            backup.name = format!("backup {index}");
        }
        backups
    })
}

fn any_policy() -> impl Strategy<Value = Policy> {
    prop::array::uniform8(0_u32..4).prop_map(
        |[keep_days, keep_last, keep_daily, keep_weekly, keep_monthly, keep_yearly, safety, min_keep]| {
            Policy {
                keep_days: keep_days * 9,
                keep_safety_days: safety * 9,
                keep_last,
                keep_daily,
                keep_weekly,
                keep_monthly,
                keep_yearly,
                keep_window: None,
                min_keep,
            }
        },
    )
}

fn sum(a: Policy, b: Policy) -> Policy {
    Policy {
        keep_days: a.keep_days + b.keep_days,
        keep_last: a.keep_last + b.keep_last,
        keep_daily: a.keep_daily + b.keep_daily,
        keep_weekly: a.keep_weekly + b.keep_weekly,
        keep_monthly: a.keep_monthly + b.keep_monthly,
        keep_yearly: a.keep_yearly + b.keep_yearly,
        // To switch it on is not to keep more.
        keep_safety_days: if a.keep_safety_days == 0 { 0 } else { a.keep_safety_days + b.keep_safety_days },
        keep_window: None,
        min_keep: a.min_keep + b.min_keep,
    }
}

fn kept(backups: &[Backup], policy: &Policy) -> BTreeSet<String> {
    let decisions = decide(backups, policy, at(NOW));
    assert_eq!(decisions.len(), backups.len());
    assert!(decisions.iter().all(|decision| !decision.reasons.is_empty()));
    backups
        .iter()
        .zip(decisions)
        .filter(|(_, decision)| decision.action == Action::Keep)
        .map(|(backup, _)| backup.name.clone())
        .collect()
}

proptest! {
    #[test]
    fn the_newest_proved_ones_stay(store in any_store(), policy in any_policy()) {
        let kept = kept(&store, &policy);
        for group in groups(&store, &policy, at(NOW)).into_iter().filter(|group| group.is_guarded).flat_map(|group| {
            let mut all = [&group.own[..], &group.inherited].concat();
            newest_first(&mut all);
            [group.own, all]
        }) {
            if group.is_empty() {
                continue;
            }
            let proved: Vec<_> = group.iter().filter(|(_, backup)| backup.state == Proof::Proved).collect();
            for (_, backup) in proved.iter().take(as_count(policy.min_keep.max(1))) {
                prop_assert!(kept.contains(&backup.name));
            }
            let left = |(_, backup): &&Member<'_>| kept.contains(&backup.name);
            let best = group.iter().map(|(_, backup)| backup.state.worth()).max();
            prop_assert_eq!(group.iter().filter(left).map(|(_, backup)| backup.state.worth()).max(), best);
        }
    }

    #[test]
    fn more_rules_never_delete_more(store in any_store(), policy in any_policy(), more in any_policy()) {
        prop_assert!(kept(&store, &policy).is_subset(&kept(&store, &sum(policy, more))));
    }

    #[test]
    fn the_order_of_the_input_does_not_matter(
        (store, shuffled) in any_store().prop_flat_map(|store| (Just(store.clone()), Just(store).prop_shuffle())),
        policy in any_policy(),
    ) {
        prop_assert_eq!(kept(&store, &policy), kept(&shuffled, &policy));
    }

    #[test]
    fn the_same_question_has_the_same_answer(store in any_store(), policy in any_policy()) {
        prop_assert_eq!(decide(&store, &policy, at(NOW)), decide(&store, &policy, at(NOW)));
    }
}
