//! Time zones, with hours that come twice or never, and languages.

use serde_json::Value;

use super::clock::Clock;
use crate::support::{Database, Store, Tool, digests, name};

/// 2026-03-29 01:00 UTC, when Berlin's clocks skip an hour.
const BERLIN_SPRING: i64 = 1_774_746_000;
/// 2026-10-25 01:00 UTC, when an hour comes again there.
const BERLIN_AUTUMN: i64 = 1_792_890_000;
/// 2026-03-08 07:00 UTC and 2026-11-01 06:00 UTC.
const NEW_YORK: [i64; 2] = [1_772_953_200, 1_793_512_800];

fn small(name: &str) -> Database {
    let database = Database::new(name);
    database.sql("CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (1);");
    database
}

/// A moment as the system's own date(1) shows it in a zone.
fn shown(zone: &str, at: i64, format: &str) -> String {
    let date = Tool::program("date").env("TZ", zone).args(["-d", &format!("@{at}"), format]);
    date.run().ok().stdout_text().trim().to_owned()
}

fn dump(store: &Store, zone: &str, at: i64, database: &Database) -> Value {
    let tool = store.tool("fwb-dump").arg("-B").arg(&database.name).env("TZ", zone);
    Clock::at(at).tool(tool).run().ok().json()
}

/// A name and a date that are an hour off lead to the wrong backup on the day when one is needed.
#[test]
fn names_and_dates_are_right_around_every_switch() {
    let database = small("zones");
    let zones: [(&str, &[i64]); 6] = [
        ("Europe/Berlin", &[BERLIN_SPRING, BERLIN_AUTUMN]),
        ("America/New_York", &NEW_YORK),
        ("Asia/Seoul", &[BERLIN_SPRING]),
        ("CET-1CEST,M3.5.0,M10.5.0/3", &[BERLIN_SPRING, BERLIN_AUTUMN]),
        ("Australia/Lord_Howe", &[1_775_314_800]),
        ("UTC", &[BERLIN_AUTUMN]),
    ];
    for (zone, switches) in zones {
        for at in switches.iter().flat_map(|switch| [switch - 1, *switch, switch + 1800]) {
            let store = Store::new();
            let made = dump(&store, zone, at, &database);
            let moment = shown(zone, at, "+%Y%m%d_%H%M%S");
            assert!(name(&made).ends_with(&format!("_backup_{moment}.sql.gz")), "{zone}: {made}");
            let dated = shown(zone, at, "+%Y-%m-%dT%H:%M:%S%:z").replace("+00:00", "Z");
            assert_eq!(made["started_at"], dated, "{zone}");
        }
    }
}

/// A container's image may lack the zone that its settings name: the backup is made, and knows its moment.
#[test]
fn an_unknown_zone_costs_no_backup() {
    let database = small("bogus");
    for zone in ["Nowhere/Atlantis", "", ":", "\u{1}", "/etc/passwd", "../../etc/passwd", "A", "99"] {
        let store = Store::new();
        let made = dump(&store, zone, BERLIN_AUTUMN, &database);
        let at = chrono::DateTime::parse_from_rfc3339(made["started_at"].as_str().unwrap()).unwrap();
        assert_eq!(at.timestamp(), BERLIN_AUTUMN, "{zone:?}");
    }
}

/// In the hour that comes twice no backup may take another's place, and each must be found.
#[test]
fn an_hour_that_comes_twice_has_its_backups_in_order() {
    let (database, store) = (small("twice"), Store::new());
    let half = |hours: i64| BERLIN_AUTUMN - 1800 + hours * 3600;
    // 01:30, 02:30 in summer, 02:30 in winter, 03:30.
    let made: Vec<Value> =
        (-1..3).map(|hours| dump(&store, "Europe/Berlin", half(hours), &database)).collect();
    let now = Clock::at(BERLIN_AUTUMN + 24 * 3600);
    let ls = |arguments: &[&str]| {
        let tool = store.tool("fwb-ls").args(arguments).env("TZ", "Europe/Berlin");
        let listed = now.tool(tool).run().ok().records();
        listed.iter().map(|record| name(record).to_owned()).collect::<Vec<_>>()
    };
    let names: Vec<String> = made.iter().map(|dump| name(dump).to_owned()).collect();
    assert_eq!(ls(&[]), names, "in the order of time, not of names");
    assert_eq!(ls(&["--latest"]), names[3..]);
    assert_eq!(ls(&["--at", "2026-10-25 02:40"]), names[2..3], "the later hour: nothing is missed");
    assert_eq!(ls(&["--since", "2026-10-25 02:10"]), names[1..], "the earlier hour: nothing is missed");
    assert_eq!(ls(&["--since", "2026-10-25"]), names);
    assert_eq!(ls(&["--at", "2026-10-25"]), names[3..]);
    assert_eq!(ls(&["--at", "2026-10-25 02:40+02:00"]), names[1..2]);
    assert_eq!(ls(&["--since", "23h"]), names[3..], "hours are hours");
}

/// `--keep-daily` goes by days as people there know them; a day of 23 or 25 hours is one day.
#[test]
fn days_of_23_and_25_hours_are_days() {
    for switch in [BERLIN_SPRING, BERLIN_AUTUMN] {
        let (database, store) = (small("days"), Store::new());
        let at = |text: &str| {
            let date = Tool::program("date").env("TZ", "Europe/Berlin").args(["-d", text, "+%s"]);
            date.run().ok().stdout_text().trim().parse::<i64>().unwrap()
        };
        let day = |offset: i64| shown("Europe/Berlin", switch + offset * 86_400, "+%Y-%m-%d");
        let mut ends = Vec::new();
        for offset in [-1, 0, 1] {
            for time in ["00:00:00", "12:00:00", "23:59:59"] {
                let made = dump(&store, "Europe/Berlin", at(&format!("{} {time}", day(offset))), &database);
                ends.push((time, name(&made).to_owned()));
            }
        }
        let now = Clock::at(switch + 3 * 86_400);
        let in_zone = |tool: Tool| now.tool(tool.env("TZ", "Europe/Berlin"));
        let listed = in_zone(store.tool("fwb-ls")).run().ok();
        let prune = store.tool("fwb-prune").args(["--keep-days", "0", "--keep-daily", "3"]);
        in_zone(prune.stdin(&listed.stdout)).run().ok();
        for (time, name) in ends {
            assert_eq!(store.holds(&name), time == "23:59:59", "{name}");
        }
    }
}

/// What the tools read from each other and from the client programs must not depend on the operator's language.
#[test]
fn the_language_changes_nothing() {
    let (database, store) = (Database::sample("언어"), Store::new());
    let usual = store.dump_verified(&database);
    for language in ["C", "POSIX", "ko_KR.UTF-8", "ko_KR.EUC-KR", "tr_TR.UTF-8", "xx_YY.nonsense", ""] {
        let copy = Database::reserved("copy");
        let speaks = |tool: &str| {
            let tool = store.tool(tool).env("LC_ALL", language).env("LANG", language);
            tool.env("LANGUAGE", language)
        };
        let made = speaks("fwb-dump").arg("-B").arg(&database.name).run().ok().json();
        let proved = speaks("fwb-verify").stdin(made.to_string()).run().ok();
        assert_eq!(digests(&made), digests(&usual), "{language}");
        let listed = speaks("fwb-ls").args(["--format", "table"]).run().ok();
        assert!(listed.stdout_text().contains(&database.name), "{language}");
        speaks("fwb-restore").args(["--yes", "--database", &copy.name]).stdin(&proved.stdout).run().ok();
        assert!(copy.content() == database.content(), "{language}");
        let error = speaks("fwb-dump").args(["-B", "nowhere"]).run().fails(1, &["does not exist", "hint: "]);
        assert!(error.stderr.is_ascii());
    }
}
