//! Twenty databases on four servers of four versions, and three servers that fail, each in its own way.

use std::fs;

use serde_json::Value;

use super::{Place, failed, summary};
use crate::support::Server;

/// What would be lost if one bad server kept the others from their backups, or if nobody told of the one that has none.
#[test]
fn twenty_databases_on_several_servers() {
    let servers = [
        ("maria-1011", Server::private("fleet-1011", &[])),
        ("maria-118", Server::of("mariadb-11.8", "fleet-118", &[])),
        ("maria-105", Server::of("mariadb-10.5", "fleet-105", &[])),
        ("mysql-97", Server::of("mysql-9.7", "fleet-97", &[])),
    ];
    for (name, server) in &servers {
        let sql: Vec<String> = (0..5)
            .map(|at| {
                format!("CREATE DATABASE db{at}; CREATE TABLE db{at}.t (id INT PRIMARY KEY, s TEXT); INSERT INTO db{at}.t VALUES (1, '{name} {at}'), (2, NULL);\n")
            })
            .collect();
        server.sql(sql.concat());
    }
    let at = |at: usize| {
        (servers[at].0, servers[at].1.defaults_file().display().to_string(), servers[at].1.socket())
    };
    let line = |(name, defaults, _): (&str, String, String)| format!("{name} defaults-file={defaults}\n");
    let place = Place::new(&format!(
        "# Four good ones, and three that fail.\n\
         * all-databases=true keep-days=7 store=HERE/stores/{{name}}\n\
         {}down socket=/nowhere/mysqld.sock databases=db0\n{}\
         stranger socket={} user=stranger password-file=HERE/secret databases=db0\n{}\
         half defaults-file={} databases='db1 not_there'\n{}",
        line(at(0)),
        line(at(1)),
        at(2).2,
        line(at(2)),
        at(1).1,
        line(at(3)),
    ));
    place.write("secret", "hunter2\n");

    let out = place.run(&["backup"]).exits(1);
    let all = summary(&out);
    assert_eq!(failed(&all), ["down", "stranger", "half"]);
    assert_eq!((&all["servers"], &all["ok"]), (&7.into(), &4.into()));
    assert_eq!(all["backups_made"], 21, "twenty, and the one of half that is there");
    let failure = |at: usize| {
        let failure = &all["failures"][at];
        (failure["stage"].as_str().unwrap(), failure["code"].as_str().unwrap())
    };
    assert_eq!(failure(0), ("dump", "FWB-1102"));
    assert_eq!(failure(1).0, "dump");
    assert!(all["failures"][1]["reason"].as_str().unwrap().contains("stranger"), "{all}");
    assert!(all["failures"][2]["reason"].as_str().unwrap().contains("not_there"), "{all}");
    assert!(!format!("{}{}", out.stdout_text(), out.stderr).contains("hunter2"));
    for (name, _) in &servers {
        let [record] = &place.records(name)[..] else { panic!("one record") };
        assert_eq!((&record["outcome"], &record["server"]), (&"ok".into(), &(*name).into()));
        let made = record["backups_made"].as_array().unwrap();
        assert!(made.len() == 5 && made.iter().all(|backup| backup["proved"] == true), "{record}");
    }
    assert_eq!(place.records("down")[0]["outcome"], "failed");

    one_report(&place);

    // One server of the file, by hand, once its cause is gone; the others are left alone.
    servers[1].1.sql("CREATE DATABASE not_there");
    let again = summary(&place.run(&["backup", "--server-id=half"]).ok());
    assert_eq!((&again["servers"], &again["backups_made"]), (&1.into(), &2.into()));
    assert_eq!(place.records("maria-1011").len(), 1);
    // And other chains.
    let pruned = summary(&place.run(&["prune", "--server-id=mysql-97"]).ok());
    assert_eq!((&pruned["what"], &pruned["backups_made"]), (&"prune".into(), &0.into()));
}

/// One report over all stores: what needs a person is told of each server by its name.
fn one_report(place: &Place) {
    let out = place.tool("fwb-report").args(["--check", "--drill-age=none"]).run().exits(3);
    let report = out.json();
    let told = |code: &str| -> Vec<&str> {
        let troubles = report["troubles"].as_array().unwrap().iter();
        troubles.filter(|one| one["code"] == code).map(|one| one["subject"].as_str().unwrap()).collect()
    };
    assert_eq!(told("FWB-3017"), ["down", "half", "stranger"]);
    let half = report["troubles"].as_array().unwrap().iter().find(|one| one["subject"] == "half").unwrap();
    assert!(half["message"].as_str().unwrap().contains("not_there"), "{half}");
    assert!(told("FWB-3003").iter().any(|subject| subject.contains("down")), "{report}");
    let servers = report["fleet"]["servers"].as_array().unwrap();
    let fresh: Vec<(&str, bool)> = servers
        .iter()
        .map(|one| (one["server"].as_str().unwrap(), one["fresh"].as_bool().unwrap()))
        .collect();
    assert_eq!(
        fresh,
        [
            ("maria-1011", true),
            ("down", false),
            ("maria-118", true),
            ("stranger", false),
            ("maria-105", true),
            ("half", false),
            ("mysql-97", true)
        ]
    );
    assert_eq!(
        (&servers[0]["databases"], &servers[0]["backups"], &servers[1]["backups"]),
        (&5.into(), &5.into(), &0.into())
    );
    let form = |format: &str| {
        place.tool("fwb-report").args(["--drill-age=none", "--format", format]).run().ok().stdout_text()
    };
    let metrics = form("prometheus");
    let store = place.file("stores/down").display().to_string();
    assert!(
        metrics.contains(&format!("fwb_fleet_server_backups{{store=\"{store}\",server=\"down\"}} 0\n")),
        "{metrics}"
    );
    assert!(metrics.contains(",server=\"maria-105\"} 1\n"), "{metrics}");
    let text = form("text");
    assert!(text.contains("4 of 7 servers have fresh proved backups"), "{text}");
    assert!(
        text.contains("FWB-3017  down: there is no backup of it") && !text.contains("db0 of maria-1011"),
        "{text}"
    );
    let html = form("html");
    assert!(html.contains("4 of 7 servers") && html.contains("maria-118"));
    // Only one of them.
    let one =
        place.tool("fwb-report").args(["--server-id=maria-118", "--drill-age=none", "--check"]).run().ok();
    assert_eq!(one.json()["fleet"]["servers"].as_array().map(Vec::len), Some(1));
    // A store that is away is told, and what the others hold is seen all the same.
    let away = place.file("stores/maria-118");
    fs::rename(&away, place.file("away")).unwrap();
    fs::write(&away, "no directory").unwrap();
    let report: Value = place.tool("fwb-report").run().fails(2, &["is not a directory"]).json();
    assert_eq!(
        (&report["fleet"]["servers"][2]["backups"], &report["fleet"]["servers"][0]["fresh"]),
        (&Value::Null, &true.into())
    );
    fs::remove_file(&away).unwrap();
    fs::rename(place.file("away"), &away).unwrap();
}
