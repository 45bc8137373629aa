//! Who runs when, and how it ends: for scripts in the place of dumps, so that the order of things is theirs to tell.

use std::fs;

use super::{Place, exists, failed, summary};
use crate::faults::{code, is_gone, signal};
use crate::support::until;

/// Servers, each with a store of its own, for whose runs a script stands.
fn scripted(servers: usize, script: &str) -> Place {
    let lines = (0..servers)
        .map(|at| format!("s{at} socket=/nowhere/{{name}} databases=x store=HERE/stores/{{name}}\n"));
    let place = Place::new(&lines.collect::<String>());
    place.write("script", script);
    place
}

fn chain(place: &Place) -> String {
    format!("bash {}", place.file("script").display())
}

/// A fleet whose servers waited for one another would never be done.
#[test]
fn servers_run_at_once_and_those_of_one_store_do_not() {
    // Each waits for the other.
    let place = scripted(
        2,
        "touch HERE/$FWB_SERVER_ID; while ! [[ -e HERE/s0 && -e HERE/s1 ]]; do sleep 0.05; done\n",
    );
    let all = summary(&place.run(&["chain", &chain(&place)]).ok());
    assert_eq!((&all["ok"], &all["what"]), (&2.into(), &"chain".into()));
    assert_eq!((place.records("s0").len(), place.records("s1").len()), (1, 1));
    // With one store, a directory that two cannot make at once.
    let place = scripted(0, "mkdir HERE/alone && sleep 0.1 && rmdir HERE/alone\n");
    let lines = (0..4).map(|at| {
        format!("s{at} socket=/nowhere/{{name}} databases=x store=HERE/stores/.{}\n", ["", "/"][at % 2])
    });
    place.write("fleet", &lines.collect::<String>());
    assert_eq!(summary(&place.run(&["chain", &chain(&place)]).ok())["ok"], 4);
    // Nor more at one host than somebody has said.
    let lines = (0..4).map(|at| format!("s{at} host=h databases=x{at} store=HERE/stores/{{name}}\n"));
    place.write("fleet", &lines.collect::<String>());
    let alone = place.run(&["chain", &chain(&place), "--fleet-per-host=1"]).ok();
    assert_eq!(summary(&alone)["ok"], 4);
}

/// The exit status is that of the first server of the file that failed, whichever was first to fail.
#[test]
fn a_failure_stops_no_other() {
    let script = "case $FWB_SERVER_ID in\n\
                  s1) while ! [[ -e HERE/late ]]; do sleep 0.05; done; echo 'fwb-x: error: lost' >&2; exit 3;;\n\
                  s2) echo secret words; exit 4;;\n\
                  s3) touch HERE/late; kill -9 $$;;\nesac\n";
    let place = scripted(5, script);
    let out = place.run(&["chain", &chain(&place)]).exits(3);
    let all = summary(&out);
    assert_eq!((failed(&all), &all["ok"], &all["exit"]), (vec!["s1", "s2", "s3"], &2.into(), &3.into()));
    assert_eq!(
        (&all["failures"][0]["reason"], &all["failures"][0]["stage"]),
        (&"lost".into(), &"bash".into())
    );
    assert_eq!((&all["failures"][1]["exit"], &all["failures"][2]["exit"]), (&4.into(), &137.into()));
    assert!(out.stderr.contains("s1: fwb-x: error: lost"), "{}", out.stderr);
    assert_eq!(out.records().len(), 6, "a record for each, and the sum");
    let run = all["failures"][0]["run"].as_str().unwrap();
    assert!(exists(&place.file(&format!("stores/s1/runs/{run}.json"))), "{run}");
    // For people: what failed, and no JSON.
    let text = place.run(&["chain", &chain(&place), "--format=text"]).exits(3).stdout_text();
    assert!(text.contains("FAILED s1, in bash\n  lost") && text.ends_with("failed: s1, s2, s3\n"), "{text}");
    // Logs for machines say whose they are.
    let json = place.run(&["chain", &chain(&place), "--log-format=json"]).exits(3).stderr;
    let said: Vec<serde_json::Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(said.iter().any(|line| line["server"] == "s1" && line["tool"] == "fwb-x"), "{json}");
}

/// A drained node, a deadline, Ctrl-C: each run that is under way leaves its record, and the others are named.
#[test]
fn a_signal_ends_all_in_order() {
    let place =
        scripted(3, "echo $$ > HERE/$FWB_SERVER_ID.new; mv HERE/$FWB_SERVER_ID{.new,}; exec sleep 600\n");
    let words = place.file("words");
    let tool = place.tool("fwb-run").args(["chain", &chain(&place), "--fleet-jobs=2"]);
    let mut fleet = tool.env("FWB_TERMINATION_LOG", &words).spawn();
    let pid = |server: &str| {
        until("the script", || fs::read_to_string(place.file(server)).ok()?.trim().parse::<u32>().ok())
    };
    let pids = [pid("s0"), pid("s1")];
    signal(fleet.id(), "TERM");
    assert_eq!(code(&mut fleet), Some(143));
    pids.into_iter().for_each(is_gone);
    let said: serde_json::Value = serde_json::from_slice(&fs::read(&words).unwrap()).unwrap();
    assert_eq!((failed(&said), &said["not_begun"]), (vec!["s0", "s1"], &serde_json::json!(["s2"])));
    assert_eq!((&said["exit"], &said["failures"][0]["exit"]), (&143.into(), &143.into()));
    for server in ["s0", "s1"] {
        let [record] = &place.records(server)[..] else { panic!("one record") };
        assert_eq!((&record["outcome"], &record["exit"]), (&"failed".into(), &143.into()), "{record}");
    }
    assert!(!exists(&place.file("stores/s2")), "what was not begun leaves nothing");
}

/// Nothing is left running that nobody waits for, and the next night goes on.
#[test]
fn a_fleet_that_is_killed_leaves_nothing_running() {
    let place = scripted(
        2,
        "[[ -e HERE/again ]] && exit; echo $$ > HERE/$FWB_SERVER_ID.new; mv HERE/$FWB_SERVER_ID{.new,}; exec sleep 600\n",
    );
    let mut fleet = place.tool("fwb-run").args(["chain", &chain(&place)]).spawn();
    let pid = |server: &str| {
        until("the script", || fs::read_to_string(place.file(server)).ok()?.trim().parse::<u32>().ok())
    };
    let pids = [pid("s0"), pid("s1")];
    // The record of each is there by then: it is written when a run begins.
    until("the records", || {
        let is_running =
            |server: &str| place.records(server).first().is_some_and(|run| run["outcome"] == "running");
        ["s0", "s1"].into_iter().all(is_running).then_some(())
    });
    signal(fleet.id(), "KILL");
    assert_eq!(code(&mut fleet), None);
    pids.into_iter().for_each(is_gone);
    fs::write(place.file("again"), "").unwrap();
    let out = place.run(&["chain", &chain(&place)]).ok();
    let lost = out.records()[0]["lost"].as_array().unwrap().len();
    assert_eq!((lost, &summary(&out)["ok"]), (1, &2.into()), "the next run tells of the lost one");
}

/// A volume that was not mounted is not made; a server's own directory in one that is there is.
#[test]
fn only_the_last_part_of_a_store_is_made() {
    let place = scripted(1, "true\n");
    fs::remove_dir(place.file("stores")).unwrap();
    let out = place.run(&["chain", &chain(&place)]).exits(2);
    let all = summary(&out);
    assert!(all["failures"][0]["reason"].as_str().unwrap().contains("is not there"), "{all}");
    assert!(!exists(&place.file("stores")));
    place.write("fleet", "s0 socket=/nowhere databases=x store=HERE/one\n");
    place.run(&["chain", &chain(&place)]).exits(2);
    assert!(!exists(&place.file("one")), "a store that is named as it is may be a volume");
}
