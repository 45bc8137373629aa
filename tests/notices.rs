//! Who is told of runs, and of what: by `fwb-run`, to real counterparts. Each kind of target alone is tried in
//! lib/fwb-notify/tests.

#[allow(dead_code, reason = "not everything that its own crate's tests need is needed here")]
#[path = "../lib/fwb-notify/tests/counterparts/http_server.rs"]
pub(crate) mod http_server;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::runs::fwb_run;
use crate::support::{Database, Output, Programs, Store, Tool};
use http_server::{Answer, HttpServer};

/// A token in a URL, which whoever has it can write with.
const SECRET: &str = "t0ken-of-a-hook";

/// A job whose runs are told to a webhook and a ping service.
struct Watched {
    database: Database,
    store: Store,
    hook: HttpServer,
    pings: HttpServer,
}

impl Watched {
    fn new(name: &str) -> Self {
        let (database, store) = (Database::sample(name), Store::new());
        Self { database, store, hook: HttpServer::ok(), pings: HttpServer::ok() }
    }

    fn run(&self, what: &str, programs: &[(&str, &str)]) -> Tool {
        let programs = Programs::new(programs);
        let tool = fwb_run(&[programs.path()]).arg(what).env("FWB_STORE", self.store.path());
        // Programs of a test's own stay until the run has ended.
        std::mem::forget(programs);
        let (hook, pings) = (self.hook.port, self.pings.port);
        tool.env("FWB_DATABASE", &self.database.name).env("FWB_RUN_DEADLINE", "0s").env(
            "FWB_NOTIFY",
            format!("webhook+http://127.0.0.1:{hook}/{SECRET} ping+http://127.0.0.1:{pings}/{SECRET}"),
        )
    }

    /// What the webhook was told since `seen`.
    fn told(&self, seen: usize) -> Vec<Value> {
        self.hook.got()[seen..].iter().map(http_server::Got::json).collect()
    }

    /// The paths of the pings.
    fn pinged(&self) -> Vec<String> {
        let mut pinged = self.pings.got();
        pinged.iter_mut().map(|ping| ping.path().replace(SECRET, "*")).collect()
    }
}

#[track_caller]
fn keeps_the_secret(out: &Output) {
    assert!(!out.stderr.contains(SECRET) && !out.stdout_text().contains(SECRET), "{out:?}");
}

/// Whoever is on call hears of a failure and of its end, and of nothing that goes well.
#[test]
fn a_failure_and_its_end_are_told_and_good_nights_are_not() {
    let watched = Watched::new("told");
    watched.run("backup", &[]).run().ok();
    assert_eq!((watched.told(0).len(), watched.pinged()), (0, vec!["/*/start".into(), "/*".into()]));

    let refusing = r#"echo "fwb-verify: error: Duplicate entry 'bob@example.org' for key 'email'" >&2
        echo 'hint: look at the disk' >&2; cat > /dev/null; exit 3"#;
    for _ in 0..2 {
        let out = watched.run("backup", &[("fwb-verify", refusing)]).run().exits(3);
        keeps_the_secret(&out);
        let record = out.json();
        assert!(
            record["reason"].as_str().unwrap().contains("bob@example.org"),
            "the store's own record is whole"
        );
    }
    let told = watched.told(0);
    assert_eq!(told.len(), 2, "each time");
    let last = &told[1];
    assert_eq!(
        [&last["event"], &last["schema"], &last["labels"]["what"]],
        ["failed", "fwb-notice/1", "backup"]
    );
    let text = last["text"].as_str().unwrap();
    for part in ["verify", "Duplicate entry '…' for key 'email'", "look at the disk", "RUNBOOK.md", "proved"]
    {
        assert!(text.contains(part), "{part} in: {text}");
    }
    assert!(!watched.hook.got()[1].body.contains("bob@"), "{last}");
    assert_eq!(last["record"]["exit"], 3);
    assert_eq!(watched.pinged()[2..], ["/*/start", "/*/fail", "/*/start", "/*/fail"]);

    watched.run("backup", &[]).run().ok();
    watched.run("backup", &[]).run().ok();
    let told = watched.told(2);
    assert_eq!(told.iter().map(|one| one["event"].clone()).collect::<Vec<_>>(), ["recovered"]);
    assert!(told[0]["text"].as_str().unwrap().contains('2'), "{}", told[0]["text"]);
}

/// What is no failure and needs a person is told once, and its end is seen.
#[test]
fn trouble_is_told_once() {
    let watched = Watched::new("troubled");
    let copies = Store::new();
    let first = watched.run("backup", &[]).run().ok().json();
    watched.store.aged(&first, 48);
    let with_copies = |what: &str| {
        let run = watched.run(what, &[]).env("FWB_COPY_TO", copies.path());
        run.run().ok().json()
    };
    let codes = |record: &Value| -> Vec<String> {
        let troubles = record["troubles"].as_array().unwrap();
        troubles.iter().map(|one| one["code"].as_str().unwrap().to_owned()).collect()
    };
    for _ in 0..2 {
        assert_eq!(codes(&with_copies("backup")), ["FWB-3006"], "a night that is past has no copy");
    }
    let told = watched.told(0);
    assert_eq!(told.len(), 1);
    assert_eq!([&told[0]["event"], &told[0]["troubles"][0]["code"]], ["trouble", "FWB-3006"]);
    assert!(
        told[0]["troubles"][0]["runbook"].as_str().unwrap().ends_with("#a-copy-is-missing"),
        "{}",
        told[0]
    );
    assert_eq!(codes(&with_copies("copy")), [""; 0], "made up for");

    // A run that was killed is told by the next one.
    let slow = r#"echo $$ > "$HERE/pid"; exec sleep 600"#;
    let programs = Programs::new(&[("fwb-dump", slow)]);
    let path = format!("{}:{}", programs.path().display(), std::env::var("PATH").unwrap());
    let mut killed = watched.run("backup", &[]).env("PATH", path).spawn();
    programs.started();
    crate::faults::signal(killed.id(), "KILL");
    killed.wait().unwrap();
    let before = watched.told(0).len();
    with_copies("backup");
    let told = watched.told(before);
    assert_eq!(told.iter().map(|one| &one["troubles"][0]["code"]).collect::<Vec<_>>(), ["FWB-3004"]);
}

/// Nothing that goes wrong with a notice costs a backup.
#[test]
fn a_notice_cannot_hurt_a_run() {
    let watched = Watched::new("unheard");
    let silent = HttpServer::new(vec![Answer::Never]);
    let notify = format!(
        "webhook+http://127.0.0.1:{}/{SECRET} ping+http://127.0.0.1:{}/{SECRET} ping+http://127.0.0.1:1/{SECRET}",
        silent.port, silent.port
    );
    let out = watched.run("backup", &[]).env("FWB_NOTIFY", notify).run().ok();
    keeps_the_secret(&out);
    let record = out.json();
    assert_eq!([&record["outcome"], &record["verification"]["ok"]], [&json!("ok"), &json!(true)]);
    let warnings = record["warnings"].to_string();
    assert!(warnings.contains("a notice was not taken: ping at 127.0.0.1"), "{warnings}");
    assert!(out.stderr.contains("fwb-run: warning: a notice was not taken"), "{}", out.stderr);

    for wrong in [format!("gopher://host/{SECRET}"), format!("webhook+http://[{SECRET}")] {
        let out = watched.run("backup", &[]).env("FWB_NOTIFY", wrong).run().ok();
        keeps_the_secret(&out);
        assert!(
            out.json()["warnings"][0].as_str().unwrap().contains("somebody is not told of this run"),
            "{out:?}"
        );
    }
}

/// Whoever has such a URL can write in the name of the backups: the tools that a run starts have no use for it.
#[test]
fn the_stages_do_not_see_who_is_told() {
    let watched = Watched::new("unseen");
    let looks = r#"env > "$FWB_STORE/seen"; exec "$REAL" "$@""#;
    watched.run("backup", &[("fwb-dump", looks)]).run().ok();
    let seen = fs::read_to_string(watched.store.file("seen")).unwrap();
    assert!(seen.contains("FWB_STORE=") && !seen.contains(SECRET) && !seen.contains("FWB_NOTIFY"), "{seen}");
    let kept = fs::read_dir(watched.store.file("runs")).unwrap();
    assert!(
        kept.map(|file| fs::read_to_string(file.unwrap().path()).unwrap()).all(|text| !text.contains(SECRET))
    );
}

#[test]
fn all_who_are_named_can_be_tried() {
    let (hook, refusing) = (HttpServer::ok(), HttpServer::new(vec![Answer::status(404)]));
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("notify");
    let write = |text: String, mode: u32| {
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
    };
    let test = || fwb_run(&[]).arg("notify-test").arg("--notify-file").arg(&file);
    write(format!("# on call\nwebhook+http://127.0.0.1:{}/{SECRET}\n", hook.port), 0o600);
    let out = test().run().ok();
    assert_eq!(
        (out.stdout_text().as_str(), hook.only().json()["event"].as_str()),
        ("1 of 1 took a test\n", Some("test"))
    );
    let both = format!(
        "webhook+http://127.0.0.1:{}/x\nntfy+http://127.0.0.1:{}/{SECRET}\n",
        hook.port, refusing.port
    );
    write(both, 0o600);
    let out = test().run().exits(1);
    assert_eq!(out.stdout_text(), "1 of 2 took a test\n");
    assert!(out.stderr.contains("ntfy at 127.0.0.1") && out.stderr.contains("404"), "{}", out.stderr);
    keeps_the_secret(&out);
    write(String::new(), 0o644);
    test().run().fails(2, &["hint: "]);
    write(String::new(), 0o600);
    test().run().fails(2, &["nobody is named", "hint: "]);
}
