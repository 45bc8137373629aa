//! Which backups are meant, over fabricated stores.

use serde_json::json;

use super::*;
use crate::error::ErrorClass;
use crate::manifest::Manifest;
use crate::store::{Entry, Sidecar, Store};

const NOW: &str = "2025-07-25T12:00:00+09:00";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// One backup a line, `DATABASE KIND DAY [proved|failed|lost] [server=NAME|address=NAME|case=1]…`, named by its place.
fn listing(lines: &[&str]) -> Listing {
    let entry = |(index, line): (usize, &&str)| {
        let words: Vec<&str> = line.split(' ').collect();
        let started = format!("2025-07-{}T02:00:00+09:00", words[2]);
        let mut manifest = json!({
            "schema": "fwb/1", "name": index.to_string(), "kind": words[1],
            "started_at": started, "finished_at": started,
        });
        if words[0] != "-" {
            manifest["database"] = json!(words[0]);
        }
        for (field, value) in words.iter().filter_map(|word| word.split_once('=')) {
            manifest["server"]["version"] = json!("10.11");
            match field {
                "server" => manifest["server"]["id"] = json!(value),
                "address" => manifest["server"]["address"] = json!(value),
                _ => manifest["server"]["lower_case_table_names"] = json!(value.parse::<u64>().unwrap()),
            }
        }
        if let Some(&("proved" | "failed" | "lost")) = words.get(3) {
            manifest["verification"] =
                json!({"level": "full", "ok": words[3] != "failed", "at": started, "seconds": 1.0});
        }
        let problems = if words.get(3) == Some(&"lost") { vec!["lost".into()] } else { Vec::new() };
        let manifest = Manifest::from_value(manifest).unwrap();
        let recorded_name = manifest.name.clone();
        BackupSummary::of(Entry {
            manifest,
            recorded_name,
            sidecar: Sidecar::Present,
            set_aside: None,
            problems,
        })
    };
    let mut entries: Vec<BackupSummary> = lines.iter().enumerate().map(entry).collect();
    settle(&mut entries, at(NOW));
    Listing { store: Store::named("/store"), entries, unreadable: Vec::new() }
}

fn names<'a>(entries: impl IntoIterator<Item = &'a BackupSummary>) -> String {
    entries.into_iter().map(|entry| entry.name.as_str()).collect()
}

fn selected(listing: &Listing, selection: &Selection) -> String {
    names(listing.select(selection).unwrap())
}

#[test]
fn filters_add_up() {
    let store = listing(&[
        "shop full 20 proved",
        "shop safety 21",
        "blog full 22 failed",
        "- foreign 23",
        "shop full 24 lost",
        "shop full 25",
    ]);
    let all = Selection::default();
    let kinds = |kinds: &[Kind]| Selection { kinds: kinds.to_vec(), ..all.clone() };
    let shop = Selection { databases: vec![NamePattern::new("shop")], ..all.clone() };
    let cases = [
        (all.clone(), "012345"),
        (kinds(&[Kind::Full]), "0245"),
        (kinds(&[Kind::Safety, Kind::Foreign]), "13"),
        (shop.clone(), "0145"),
        (Selection { since: Some(at("2025-07-24T02:00:00+09:00")), ..all.clone() }, "45"),
        (Selection { since: Some(at("2025-07-24T02:00:01+09:00")), ..shop.clone() }, "5"),
        (Selection { verified: true, ..all.clone() }, "0"),
        (Selection { databases: vec![NamePattern::new("none")], ..all.clone() }, ""),
    ];
    for (selection, expected) in cases {
        assert_eq!(selected(&store, &selection), expected, "{selection:?}");
    }
}

#[test]
fn the_latest_is_a_full_one_that_is_there() {
    let latest = Selection { latest: true, ..Selection::default() };
    let store = listing(&[
        "shop full 20 proved",
        "shop full 22",
        "shop full 21 proved",
        "shop full 24 lost",
        "shop safety 25",
        "- full 25 lost",
    ]);
    assert_eq!(selected(&store, &latest), "1");
    assert_eq!(selected(&store, &Selection { verified: true, ..latest.clone() }), "2");
    assert_eq!(selected(&store, &Selection { kinds: vec![Kind::Safety], ..latest.clone() }), "4");
    let before = Selection { at: Some(at("2025-07-21T01:59:59+09:00")), ..latest };
    assert_eq!(selected(&store, &before), "0");
}

#[test]
fn the_latest_of_several_databases_is_nobodys() {
    let store = listing(&["shop full 20", "blog full 21", "- foreign 22"]);
    let latest = Selection { latest: true, ..Selection::default() };
    let error = store.select(&latest).unwrap_err();
    assert_eq!(error.class(), ErrorClass::Usage);
    assert_eq!(error.hint().unwrap(), "say which with --database: blog, shop");
    let shop = Selection { databases: vec![NamePattern::new("shop")], ..latest };
    assert_eq!(selected(&store, &shop), "0");
    let many: Vec<String> = (0..12).map(|number| format!("db{number:02} full 20")).collect();
    let many = listing(&many.iter().map(String::as_str).collect::<Vec<_>>());
    let hint = many.select(&Selection { latest: true, ..Selection::default() }).unwrap_err().hint();
    assert!(hint.unwrap().ends_with("db06, db07 and 4 more"));
}

/// Whoever restores the newest backup must not get that of another server.
#[test]
fn the_latest_of_several_servers_is_nobodys() {
    let store = listing(&[
        "shop full 20 proved server=a",
        "shop full 21 proved server=b",
        "shop full 22 proved address=db:3306",
        "blog full 23 server=b",
    ]);
    let shop = Selection { latest: true, databases: vec![NamePattern::new("shop")], ..Selection::default() };
    let error = store.select(&shop).unwrap_err();
    assert_eq!(error.class(), ErrorClass::Usage);
    assert_eq!(error.to_string(), "the newest backup could be of any of 3 servers");
    assert_eq!(error.hint().unwrap(), "say which with --server-id: db:3306, a, b");
    let of = |server: &str| Selection { server: server.parse().ok(), ..shop.clone() };
    assert_eq!(selected(&store, &of("a")), "0");
    assert_eq!(selected(&store, &of("db:3306")), "2");
    assert_eq!(store.select(&of("c")).unwrap_err().class(), ErrorClass::Failure);
    let moment = Selection { at: Some(at(NOW)), latest: false, ..shop.clone() };
    assert_eq!(store.select(&moment).unwrap_err().class(), ErrorClass::Usage);
    let any = Selection { server: "b".parse().ok(), ..Selection::default() };
    assert_eq!(selected(&store, &any), "13", "a filter of a whole listing");
    let databases = store.select(&Selection { latest: true, ..any }).unwrap_err();
    assert_eq!(databases.hint().unwrap(), "say which with --database: blog, shop");
}

#[test]
fn backups_that_tell_no_server_are_those_of_the_only_one() {
    let shop = Selection { latest: true, ..Selection::default() };
    let of = |server: &str| Selection { server: server.parse().ok(), ..shop.clone() };
    let old = listing(&["shop full 20 proved", "shop full 21 proved"]);
    assert_eq!(selected(&old, &shop), "1");
    assert_eq!(selected(&old, &of("a")), "1", "before its first backup there is only one server");
    let one = listing(&["shop full 20 proved", "shop full 21 server=a"]);
    let proved = Selection { verified: true, ..of("a") };
    assert_eq!(selected(&one, &proved), "0");
    assert!(one.select(&of("b")).is_err());
    let two = listing(&["shop full 20 proved", "shop full 21 server=a", "shop full 22 server=b"]);
    assert!(two.select(&Selection { verified: true, ..of("a") }).is_err(), "it may be the other's");
    assert_eq!(selected(&two, &of("a")), "1");
    let listed = |server: &str| Selection { server: server.parse().ok(), ..Selection::default() };
    assert_eq!(
        selected(&two, &listed("a")),
        "01",
        "and is listed with both, or no retention would ever see it"
    );
    assert_eq!(selected(&two, &listed("b")), "02");
    let beside = listing(&["shop full 20 server=a", "shop full 21"]);
    let error = beside.select(&shop).unwrap_err();
    assert_eq!(error.hint().unwrap(), "say which with --server-id: (unknown), a");
    assert_eq!(selected(&beside, &of("a")), "0");
}

/// A host name that becomes an address would leave two groups, without a word.
#[test]
fn a_server_that_comes_into_a_store_is_noticed() {
    let others = |lines: &[&str]| listing(lines).others_before(&(lines.len() - 1).to_string()).join(" ");
    assert_eq!(others(&["shop full 20 address=db:3306", "shop full 21 address=10.0.0.5:3306"]), "db:3306");
    assert_eq!(others(&["shop full 20 server=a", "shop full 20 server=b", "shop full 21 server=b"]), "");
    assert_eq!(others(&["shop full 20 address=db:3306", "blog full 21 server=b"]), "");
    assert_eq!(
        others(&["shop full 20", "shop full 21 server=a"]),
        "",
        "it is the same server, as far as is known"
    );
    assert_eq!(others(&["shop full 20 server=a"]), "");
}

#[test]
fn a_database_has_the_names_that_its_server_takes_for_it() {
    let store = listing(&["shopdb full 20 proved case=1", "Blog full 21 case=0", "ShopDB full 19"]);
    let named = |name: &str| Selection { databases: vec![NamePattern::new(name)], ..Selection::default() };
    assert_eq!(selected(&store, &named("SHOPdb")), "02");
    assert_eq!(selected(&store, &named("Blog")), "1");
    assert_eq!(selected(&store, &named("blog")), "");
    let latest = Selection { latest: true, ..named("ShopDB") };
    assert_eq!(selected(&store, &latest), "0");
    assert_eq!(selected(&listing(&["ShopDB full 19"]), &named("shopdb")), "", "nobody says that it folds");
    store.check_freshness(&latest, TimeDelta::days(7), at(NOW)).unwrap();
}

#[test]
fn each_server_is_to_have_a_fresh_backup() {
    let all = Selection::default();
    let stale = |lines: &[&str], selection: &Selection| -> Option<String> {
        let error = listing(lines).check_freshness(selection, TimeDelta::hours(10), at(NOW)).err()?;
        error.to_string().split_once("/store").map(|(_, rest)| rest.to_owned())
    };
    let two = ["shop full 25 proved server=a", "shop full 24 proved server=b"];
    let said = stale(&two, &all).unwrap();
    assert_eq!(said, " of shop of server b (the newest began 2025-07-24T02:00:00+09:00)");
    let of = |server: &str| Selection { server: server.parse().ok(), ..all.clone() };
    assert_eq!(stale(&two, &of("a")), None);
    assert!(stale(&two, &of("b")).is_some());
    assert_eq!(stale(&two, &of("c")).unwrap(), ": there is none");
    let old = ["shop full 20 proved", "shop full 25 proved server=a"];
    assert_eq!(stale(&old, &all), None, "what went before it is not a server of its own");
    assert!(stale(&["shop full 20 server=a", "shop full 25 proved"], &of("a")).is_some());
}

#[test]
fn a_moment_selects_the_newest_backup_that_had_begun() {
    let store = listing(&[
        "shop full 20 proved",
        "shop full 22",
        "shop safety 22",
        "shop full 23 lost",
        "shop full 24 proved",
        "shop full 25",
    ]);
    let moment = |text: &str| Selection { at: Some(at(text)), ..Selection::default() };
    let verified = |text: &str| Selection { verified: true, ..moment(text) };
    let cases = [
        (moment("2025-07-22T02:00:00+09:00"), "1", "what began in this very second counts"),
        (moment("2025-07-22T01:59:59+09:00"), "0", "a second earlier"),
        (moment("2025-07-21T17:00:00Z"), "1", "the same moment in another zone"),
        (moment("2025-07-23T12:00:00+09:00"), "1", "one that is lost is passed over"),
        (verified("2025-07-23T12:00:00+09:00"), "0", "the newest proved one by then"),
        (verified(NOW), "4", "a newer one is not proved"),
        (Selection { kinds: vec![Kind::Safety], ..moment(NOW) }, "2", "of the kinds asked for"),
        (Selection { latest: true, ..moment("2025-07-24T12:00:00+09:00") }, "4", "--latest adds nothing"),
        (
            Selection { since: Some(at("2025-07-21T00:00:00Z")), ..moment("2025-07-22T12:00:00Z") },
            "1",
            "a period",
        ),
    ];
    for (selection, expected, why) in cases {
        assert_eq!(selected(&store, &selection), expected, "{why}");
    }
}

#[test]
fn a_moment_of_several_databases_is_nobodys() {
    let store = listing(&["shop full 20", "blog full 21", "shop full 22"]);
    let moment = |text: &str| Selection { at: Some(at(text)), ..Selection::default() };
    let error = store.select(&moment("2025-07-22T02:00:00+09:00")).unwrap_err();
    assert_eq!(error.class(), ErrorClass::Usage);
    assert_eq!(error.hint().unwrap(), "say which with --database: blog, shop");
    assert_eq!(selected(&store, &moment("2025-07-20T16:59:59Z")), "0", "the other one has none by then");
    let shop = Selection { databases: vec![NamePattern::new("shop")], ..moment(NOW) };
    assert_eq!(selected(&store, &shop), "2");
    let error = store.select(&moment("2025-07-01T00:00:00Z")).unwrap_err();
    assert_eq!(error.class(), ErrorClass::Failure);
    let told = "no backup in /store that was asked for began by 2025-07-01T00:00:00+00:00: the first began 2025-07-20T02:00:00+09:00";
    assert_eq!(error.to_string(), told);
}

#[test]
fn nothing_found_says_why() {
    let latest = Selection { latest: true, verified: true, ..Selection::default() };
    let cases: [(&[&str], &str); 4] = [
        (&[], "/store holds no backup"),
        (&["shop safety 20"], "no backup in /store is what was asked for, of 1 in all"),
        (&["shop full 20 lost"], "every backup in /store that was asked for is damaged or lost, 1 in all"),
        (
            &["shop full 20", "shop full 21 failed"],
            "no backup in /store that was asked for is proved, of 2 in all: fwb-verify proves them",
        ),
    ];
    for (lines, expected) in cases {
        let error = listing(lines).select(&latest).unwrap_err();
        assert_eq!((error.class(), error.to_string().as_str()), (ErrorClass::Failure, expected));
    }
}

#[test]
fn a_truncated_backup_does_not_pass_for_proved() {
    let dir = tempfile::tempdir().unwrap();
    let manifest = json!({
        "schema": "fwb/1", "name": "a.sql.gz", "kind": "full", "size": 9, "started_at": NOW,
        "finished_at": NOW, "verification": {"level": "full", "ok": true, "at": NOW, "seconds": 1.0},
    });
    std::fs::write(dir.path().join("a.sql.gz.json"), manifest.to_string()).unwrap();
    std::fs::write(dir.path().join("a.sql.gz"), "x").unwrap();
    let listing = Listing::read(&Store::open_directory(dir.path()).unwrap(), &Cancel::default()).unwrap();
    let outcome = listing.entries[0].verification.as_ref().unwrap();
    assert_eq!((outcome.ok, outcome.problems.len()), (false, 1));
}

#[test]
fn damage_within_the_selection_is_told() {
    let store = listing(&["shop full 20 lost", "blog full 21 lost", "- full 22 lost", "shop safety 23"]);
    let all = Selection::default();
    assert_eq!(names(store.damaged(&all)), "012");
    assert_eq!(names(store.damaged(&Selection { verified: true, ..all.clone() })), "012");
    assert_eq!(
        names(store.damaged(&Selection { databases: vec![NamePattern::new("shop")], ..all.clone() })),
        "02"
    );
    let safety = Selection { kinds: vec![Kind::Safety], ..all.clone() };
    store.check_damage(&safety).unwrap();
    let error = store.check_damage(&all).unwrap_err();
    assert_eq!(error.class(), ErrorClass::Proof);
    assert_eq!(error.to_string(), "3 backups in /store are damaged, lost or unreadable: 0, 1, 2");
}

/// A disk that does not answer must not send anyone to delete backups as damaged.
#[test]
fn what_cannot_be_read_is_not_called_damaged() {
    let refused = || Error::io("read", std::path::Path::new("/store/x"))(std::io::ErrorKind::Other.into());
    let all = Selection::default();
    let mut store = Listing { unreadable: vec![refused()], ..listing(&["shop full 20"]) };
    let error = store.check_damage(&all).unwrap_err();
    assert_eq!(
        (error.class(), error.to_string().as_str()),
        (ErrorClass::Failure, "1 backup in /store cannot be read")
    );
    store = Listing { unreadable: vec![refused()], ..listing(&["shop full 20 lost"]) };
    assert_eq!(store.check_damage(&all).unwrap_err().class(), ErrorClass::Proof);
}

#[test]
fn every_database_is_to_have_a_fresh_proved_backup() {
    let all = Selection::default();
    let shop = Selection { databases: vec![NamePattern::new("shop")], ..all.clone() };
    let stale = |lines: &[&str], selection: &Selection| -> Option<String> {
        let error = listing(lines).check_freshness(selection, TimeDelta::hours(10), at(NOW)).err()?;
        assert_eq!(error.class(), ErrorClass::Proof);
        error.to_string().split_once("/store").map(|(_, rest)| rest.to_owned())
    };
    let none = |rest: &str| Some(rest.to_owned());
    assert_eq!(stale(&["shop full 24 proved", "shop full 25 proved"], &all), None);
    assert_eq!(stale(&[], &all), none(": there is none"));
    assert_eq!(stale(&["shop safety 25 proved"], &all), none(": there is none"));
    assert_eq!(stale(&["shop full 25 failed"], &all), none(" of shop (none is proved)"));
    let old = " of shop (the newest began 2025-07-24T02:00:00+09:00)";
    assert_eq!(stale(&["shop full 24 proved", "shop full 25"], &all), none(old));
    assert_eq!(stale(&["shop full 24 proved", "shop full 25 lost"], &shop), none(old));
    assert_eq!(stale(&["shop full 25 proved", "blog full 20"], &shop), None);
    assert_eq!(stale(&["shop full 25 proved", "blog full 20"], &all), none(" of blog (none is proved)"));
    let since = Selection { since: Some(at("2025-07-25T00:00:00+09:00")), ..all.clone() };
    assert_eq!(
        stale(&["shop full 25 proved", "blog full 20 proved"], &since),
        none(" of blog (none is proved)"),
        "a filter hides no database"
    );
    assert!(stale(&["shop full 26 proved"], &all).is_some(), "a date in the future is not fresh");
}

#[test]
fn a_kind_is_read_by_its_word() {
    for kind in [Kind::Full, Kind::Safety, Kind::Foreign] {
        assert_eq!(kind.as_str().parse::<Kind>().unwrap(), kind);
    }
    assert!("Full".parse::<Kind>().is_err());
}
