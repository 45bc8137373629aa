//! The file, and what stands beside it on the command line: what is wrong is told before anything is run.

use super::{Place, exists, summary};
use crate::notices::http_server::{Got, HttpServer};
use crate::support::{Tool, bash};

/// Whoever has a typing mistake in line 800 is told so, and no server is dumped by half a file.
#[test]
fn a_file_with_a_mistake_runs_nothing() {
    let good = "* databases=x store=HERE/stores/{name}\nfirst socket=/nowhere\n";
    for (line, words) in [
        ("second socket=/nowhere passwrod=hunter2", "line 3"),
        ("second socket=/nowhere password=hunter2", "holds none"),
        ("first socket=/elsewhere", "line 2"),
        ("second databases=y", "where the server second is"),
        ("second socket=/nowhere store=ftp://hunter2", "line 3"),
        ("second socket=/nowhere 'hunter2", "a quote is not closed"),
        ("second socket=/nowhere hunter2", "word 3"),
        ("../second socket=/elsewhere", "no / in it"),
        ("second socket=/else\u{1b}[2Jwhere", "control character"),
        ("\u{202e}second socket=/elsewhere", "line 3"),
    ] {
        let place = Place::new(&format!("{good}{line}\n"));
        let out = place.run(&["backup"]).fails(2, &[words, "hint: "]);
        assert!(!out.stderr.contains("hunter2"), "{}", out.stderr);
        assert_eq!(out.stdout_text(), "");
        assert!(!exists(&place.file("stores/first")), "{line}");
        let report = place.tool("fwb-report").run().fails(2, &[words]);
        assert!(!report.stderr.contains("hunter2"), "{}", report.stderr);
    }
    let place = Place::new(good);
    std::fs::write(place.file("fleet"), b"first socket=/nowhere databases=\xff\n").unwrap();
    place.run(&["backup"]).fails(2, &["line 1 is not UTF-8"]);
    std::fs::write(place.file("fleet"), "").unwrap();
    place.run(&["backup"]).fails(2, &["names no server"]);
    std::fs::remove_file(place.file("fleet")).unwrap();
    place.run(&["backup"]).fails(2, &["cannot use the fleet file"]);
}

/// A night on which no server was backed up, because somebody had edited the file: that is told as a run that failed. Of the pods
/// of a job, one tells.
#[test]
fn a_file_that_cannot_be_used_is_told() {
    let (place, hook) = (Place::new("first socket=/nowhere passwrod=x\n"), HttpServer::ok());
    let run = |arguments: &[&str]| {
        let run = place.tool("fwb-run").args(arguments).env("FWB_TERMINATION_LOG", place.file("words"));
        run.env("FWB_NOTIFY", format!("webhook+http://127.0.0.1:{}/", hook.port))
    };
    run(&["backup"]).run().fails(2, &["line 1"]);
    run(&["backup"]).env("JOB_COMPLETION_INDEX", "0").run().fails(2, &["line 1"]);
    run(&["backup"]).env("JOB_COMPLETION_INDEX", "1").run().fails(2, &["line 1"]);
    run(&["backup", "--dry-run"]).run().fails(2, &["line 1"]);
    run(&["backup", "--store=/tmp/x"]).run().fails(2, &["is about one server"]);
    let told: Vec<serde_json::Value> = hook.got().iter().map(Got::json).collect();
    assert_eq!(told.len(), 3, "{told:?}");
    for (message, words) in told.iter().zip(["line 1", "line 1", "is about one server"]) {
        assert_eq!(message["event"], "failed", "{message}");
        assert!(message["record"]["reason"].as_str().unwrap().contains(words), "{message}");
    }
    let words: serde_json::Value =
        serde_json::from_slice(&std::fs::read(place.file("words")).unwrap()).unwrap();
    assert_eq!((&words["what"], &words["exit"]), (&"backup".into(), &2.into()));
}

/// An option that is about one server would make a thousand of it.
#[test]
fn what_is_about_one_server_is_said_in_the_file() {
    let place = Place::new("a socket=/nowhere databases=x store=HERE/stores/{name}\n");
    for option in
        ["--store=/tmp/x", "-Bshop", "--all-databases", "--copy-to=/x", "--deadline=1h", "--max-age=1d"]
    {
        place.run(&["backup", option]).fails(2, &["is about one server"]);
    }
    place.run(&["backup", "--server-id=b"]).fails(2, &["names no server b"]);
    place.run(&["restore"]).fails(2, &["restore is none of"]);
    for option in ["--fleet-jobs=2", "--fleet-index=0", "--fleet-parts=2"] {
        Tool::alone("fwb-run").args(["backup", option]).run().fails(2, &["no --fleet is named"]);
    }
}

/// What is printed is what would be run: a shell takes it.
#[test]
fn a_dry_run_prints_each_pipeline() {
    let place = Place::new(
        "* databases='shop crm_*' store=HERE/stores/{name} password-file=HERE/secret\n\
         a host=a.example port=3307\n\
         b socket=\"/run/it's here.sock\" copy-to=HERE/copies\n",
    );
    place.write("secret", "hunter2\n");
    let dry = |arguments: &[&str]| {
        let tool = place.tool("fwb-run").args(["backup", "--dry-run"]).args(arguments);
        // What stands in the environment is not what the file says.
        tool.env("FWB_HOST", "elsewhere").env("FWB_DATABASE", "other").run().ok()
    };
    let text = dry(&[]).stdout_text();
    assert!(!text.contains("hunter2") && !text.contains("elsewhere") && !text.contains("other"), "{text}");
    assert_eq!(text.matches("fwb-dump").count(), 2, "{text}");
    for words in [
        "# a, line 2\n",
        "FWB_SERVER_ID=a",
        "FWB_HOST=a.example",
        "FWB_PORT=3307",
        "'--database=crm_*'",
        "--server-id=b",
        "fwb-copy",
        "unset FWB_HOST FWB_DATABASE",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    bash(&format!("set -n\n{text}")).run().ok();
    // Its environment, as the shell has read it.
    let says = "fwb-dump() { echo \"$FWB_SERVER_ID:${FWB_SOCKET-}:${FWB_HOST-}\" >&2; }";
    let others =
        ["fwb-verify", "fwb-copy", "fwb-ls", "fwb-prune"].map(|tool| format!("{tool}() {{ :; }}\n")).concat();
    let out = bash(&format!("{says}\n{others}{text}")).env("FWB_HOST", "elsewhere").run().ok();
    assert_eq!(out.stderr, "a::a.example\nb:/run/it's here.sock:\n");
    assert!(!exists(&place.file("stores/a")), "nothing is made");
    let one = dry(&["--server-id=b"]).stdout_text();
    assert!(one.contains("# b, line 3") && !one.contains("# a"), "{one}");
    // What is wrong with one server is told, and the others are shown.
    place.write("fleet", "a socket=/s databases=x deadline=never\nb socket=/s databases=y\n");
    let out = place.tool("fwb-run").args(["backup", "--dry-run"]).run().fails(2, &["a: fwb-run: error"]);
    assert!(out.stdout_text().contains("# b, line 2"), "{out:?}");
}

/// The pods of an Indexed Job: each server is in one of them, none in two.
#[test]
fn an_index_takes_its_part() {
    let lines: Vec<String> = (0..5)
        .map(|at| format!("s{at} socket=/nowhere/{{name}} databases=x store=HERE/stores/{{name}}\n"))
        .collect();
    let place = Place::new(&lines.concat());
    let names = |tool: Tool| -> Vec<String> {
        let text = tool.args(["backup", "--dry-run"]).run().ok().stdout_text();
        let names = text.lines().filter_map(|line| line.strip_prefix("# ")?.split(',').next());
        names.map(ToOwned::to_owned).collect()
    };
    let tool = || place.tool("fwb-run");
    assert_eq!(names(tool().env("JOB_COMPLETION_INDEX", "3")), ["s3"]);
    assert_eq!(names(tool().arg("--fleet-index=1").env("JOB_COMPLETION_INDEX", "3")), ["s1"]);
    let part = |index: &str| names(tool().env("FWB_FLEET_PARTS", "3").env("JOB_COMPLETION_INDEX", index));
    assert_eq!([part("0"), part("1"), part("2")].concat(), ["s0", "s3", "s1", "s4", "s2"]);
    let beyond = |parts: &str, index: &str| {
        let tool = tool().arg("backup").env("JOB_COMPLETION_INDEX", index);
        if parts.is_empty() { tool.run() } else { tool.env("FWB_FLEET_PARTS", parts).run() }
    };
    beyond("", "5").fails(2, &["it has 5 servers"]);
    beyond("3", "3").fails(2, &["divided into 3 parts"]);
    beyond("", "x").fails(2, &["is no number"]);
    tool().args(["backup", "--fleet-parts=3"]).run().fails(2, &["which part"]);
    // A job with more pods than the fleet has servers has some with nothing to do.
    let idle = beyond("9", "7").ok();
    assert_eq!(summary(&idle)["servers"], 0);
}
