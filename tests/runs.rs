//! Chains of tools, and the record that a run leaves however it ends.

use std::fs;
use std::io::BufRead as _;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::{Child, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::faults::{Holder, WAITS, code, is_gone, restart, sees, signal, stop};
use crate::support::{Database, Pod, Programs, Server, Store, Tool, bash, name, script, until};

/// Every record has these, whatever has become of the run.
const FIELDS: [&str; 35] = [
    "at",
    "backups",
    "backups_size",
    "code",
    "copy",
    "database",
    "deleted",
    "exit",
    "finished_at",
    "free_bytes",
    "freed",
    "hint",
    "host",
    "id",
    "kept",
    "lost",
    "name",
    "newest_proved_at",
    "outcome",
    "proved",
    "raw_size",
    "reason",
    "schema",
    "seconds",
    "server",
    "size",
    "stage",
    "stages",
    "steps",
    "store",
    "told",
    "troubles",
    "verification",
    "version",
    "warnings",
];

/// What a `CronJob` runs, and where Kubernetes would look for its last words.
struct Job {
    words: TempDir,
    tool: Tool,
}

impl Job {
    fn new(what: &str, store: &Store, database: &str) -> Self {
        Self::with(what, store, database, &[])
    }

    fn with(what: &str, store: &Store, database: &str, first: &[&Path]) -> Self {
        let words = tempfile::tempdir().unwrap();
        let tool = fwb_run(first)
            .arg(what)
            .env("FWB_STORE", store.path())
            .env("FWB_RUN_DEADLINE", "0s")
            .env("FWB_DATABASE", database)
            .env("FWB_TERMINATION_LOG", words.path().join("log"));
        Self { words, tool }
    }

    fn env(mut self, name: &str, value: &str) -> Self {
        self.tool = self.tool.env(name, value);
        self
    }

    /// Runs it; its record, which must be the only thing on standard output, the last one in the store, and the last words.
    #[track_caller]
    fn ends(self, code: i32, store: &Store) -> Value {
        let out = self.tool.run().exits(code);
        let record = check(&out.json(), code);
        assert_eq!(kept(store).last(), Some(&record));
        assert_eq!(last_words(&self.words), record);
        record
    }

    /// Starts it.
    fn begin(self) -> (Child, TempDir) {
        let child =
            self.tool.command().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        (child.unwrap(), self.words)
    }
}

/// Holds a record against the exit code and its own promises.
#[track_caller]
fn check(record: &Value, code: i32) -> Value {
    let fields: Vec<&str> =
        record.as_object().unwrap().keys().map(String::as_str).filter(|key| *key != "what").collect();
    let mut expected = FIELDS.to_vec();
    expected.sort_unstable();
    let mut sorted = fields;
    sorted.sort_unstable();
    assert_eq!(sorted, expected);
    assert_eq!(record["schema"], "fwb-run/1");
    assert_eq!(record["exit"], code);
    assert_eq!(record["outcome"], if code == 0 { "ok" } else { "failed" });
    assert_eq!(record["reason"].is_string(), code != 0, "{record}");
    let time = |field: &str| chrono::DateTime::parse_from_rfc3339(record[field].as_str().unwrap()).unwrap();
    assert!(time("at") <= time("finished_at") && record["seconds"].as_f64().unwrap() > 0.0);
    record.clone()
}

/// The tool; `first` are directories that come before all others in `PATH`.
pub(crate) fn fwb_run(first: &[&Path]) -> Tool {
    let tools = Tool::path("fwb-run").parent().unwrap().to_owned();
    let path = std::env::var("PATH").unwrap();
    let first = first.iter().copied().chain([tools.as_path()]);
    let first: Vec<String> = first.map(|dir| dir.display().to_string()).collect();
    Tool::new("fwb-run").env("PATH", format!("{}:{path}", first.join(":")))
}

/// All records in a store, in the order in which they ended.
#[track_caller]
fn kept(store: &Store) -> Vec<Value> {
    let mut all: Vec<_> = fs::read_dir(store.file("runs"))
        .unwrap()
        .map(|file| {
            let file = file.unwrap();
            let text = fs::read_to_string(file.path()).unwrap();
            assert!(text.ends_with('\n') && text.lines().count() == 1);
            let record: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
            let named = format!("{}.json", record["id"].as_str().unwrap());
            assert_eq!(file.file_name().to_str().unwrap(), named);
            (file.metadata().unwrap().modified().unwrap(), record)
        })
        .collect();
    all.sort_by_key(|(modified, _)| *modified);
    all.into_iter().map(|(_, record)| record).filter(|record| record["outcome"] != "running").collect()
}

fn last_words(dir: &TempDir) -> Value {
    let text = fs::read(dir.path().join("log")).unwrap();
    assert!(text.len() <= 4096, "{} bytes", text.len());
    serde_json::from_slice(&text).unwrap()
}

fn reason(record: &Value) -> &str {
    record["reason"].as_str().unwrap()
}

/// Whoever looks after many databases looks at these lines, and at nothing else.
#[test]
fn a_good_night_is_on_record() {
    let (db, other) = (Database::sample("night"), Database::sample("night_other"));
    let store = Store::new();
    store.dump_verified(&other);
    let first = store.dump_verified(&db);
    let (old, young) = (store.aged(&first, 24 * 9), store.aged(&first, 24 * 6));
    let record = Job::new("backup", &store, &db.name).ends(0, &store);
    let made = record["name"].as_str().unwrap();
    assert!(store.holds(made) && !store.holds(&old) && store.holds(&young));
    let manifest = store.read_sidecar(&json!({"name": made}));
    for field in ["size", "raw_size", "database", "verification"] {
        assert_eq!(record[field], manifest[field], "{field}");
    }
    assert_eq!(record["verification"]["level"], "full");
    assert_eq!(record["verification"]["ok"], true);
    assert_eq!(record["newest_proved_at"], manifest["started_at"]);
    assert_eq!(
        [&record["what"], &record["stage"], &record["hint"]],
        [&json!("backup"), &Value::Null, &Value::Null]
    );
    assert_eq!(record["deleted"], json!([old]));
    assert_eq!([&record["kept"], &record["backups"], &record["proved"]], [3, 3, 3], "of this database alone");
    assert_eq!(record["freed"], first["size"]);
    assert!(record["free_bytes"].as_u64().unwrap() > 0);
    let stages: Vec<&String> = record["stages"].as_object().unwrap().keys().collect();
    assert_eq!(stages, ["dump", "ls", "prune", "verify"]);
    assert_eq!(record["copy"], Value::Null);

    // The records are no backup: nothing lists, sweeps or deletes them.
    let listed = store.tool("fwb-ls").run().ok();
    assert!(!listed.stdout_text().contains("runs") && listed.stderr.is_empty());
    store.tool("fwb-prune").arg("runs").run().exits(2);
    Job::new("backup", &store, &db.name).ends(0, &store);
    assert_eq!(kept(&store).len(), 2);
    let rights = |path: &Path| fs::metadata(path).unwrap().mode() & 0o7777;
    let runs = store.file("runs");
    assert_eq!(rights(&runs), 0o700);
    assert!(fs::read_dir(runs).unwrap().all(|file| rights(&file.unwrap().path()) == 0o600));
}

/// The first stage that failed is the cause; a later one that had nothing to read is none.
#[test]
fn the_first_stage_that_fails_is_the_one_on_record() {
    let db = Database::sample("stages");
    let store = Store::new();
    let first = store.dump_verified(&db);
    let old = store.aged(&first, 24 * 9);

    let record = Job::new("backup", &store, "no_such_database").ends(1, &store);
    assert_eq!(
        [&record["stage"], &record["name"], &record["size"]],
        [&json!("dump"), &Value::Null, &Value::Null]
    );
    assert!(reason(&record).contains("database no_such_database does not exist"), "{record}");
    assert!(record["stages"]["verify"].is_null());
    let as_json =
        Job::new("backup", &store, "no_such_database").env("FWB_LOG_FORMAT", "json").ends(1, &store);
    assert_eq!([&as_json["reason"], &as_json["hint"]], [&record["reason"], &record["hint"]]);

    // A disk that does not keep what it was given.
    let rot = r#""$REAL" "$@" > "$HERE/made" || exit; cat "$HERE/made"
        printf XXXX | dd conv=notrunc bs=1 seek=900 status=none of="$FWB_STORE/$(jq -r .name "$HERE/made")""#;
    let programs = Programs::new(&[("fwb-dump", rot)]);
    let record = Job::with("backup", &store, &db.name, &[programs.path()]).ends(3, &store);
    assert_eq!([&record["stage"], &record["verification"]["ok"]], [&json!("verify"), &json!(false)]);
    let rotten = record["name"].as_str().unwrap();
    assert!(store.holds(rotten) && reason(&record).contains(rotten), "{record}");
    assert!(store.holds(&old), "a night without a proof deletes nothing");
    assert_eq!([&record["backups"], &record["proved"]], [3, 2]);

    // One that rotted in the store is told every night, and the nights go on.
    fs::write(store.file(rotten), "short").unwrap();
    let record = Job::new("backup", &store, &db.name).ends(3, &store);
    assert_eq!([&record["stage"], &record["verification"]["ok"]], [&json!("ls"), &json!(true)]);
    assert_eq!(record["deleted"], json!([old]));
    assert_ne!(record["name"], rotten);
    store.tool("fwb-prune").args(["--keep-days", "0", rotten]).run().ok();

    let failing =
        "echo 'fwb-prune: error: no more' >&2; echo 'hint: do something' >&2; cat > /dev/null; exit 1";
    let programs = Programs::new(&[("fwb-prune", failing)]);
    let record = Job::with("backup", &store, &db.name, &[programs.path()]).ends(1, &store);
    assert_eq!([&record["stage"], &record["reason"], &record["hint"]], ["prune", "no more", "do something"]);
    assert_eq!(record["verification"]["ok"], true);
    assert!(store.holds(record["name"].as_str().unwrap()) && record["size"].as_u64().unwrap() > 0);
    assert!(record["kept"].is_null());

    for (body, why) in [
        ("exit 7", "fwb-ls ended with exit code 7"),
        ("echo lost my way >&2; exit 7", "lost my way"),
        ("kill -9 $$", "killed by signal 9"),
        ("echo '{\"name\": broken'; echo '\u{1b}[31m' >&2; exit 7", "[31m"),
    ] {
        let programs = Programs::new(&[(
            "fwb-ls",
            &format!("case $* in *--version*|*--verified*) exit 1;; esac; {body}"),
        )]);
        let code = if body.starts_with("kill") { 137 } else { 7 };
        let record = Job::with("backup", &store, &db.name, &[programs.path()]).ends(code, &store);
        assert!(record["stage"] == "ls" && reason(&record).contains(why), "{record}");
    }
}

#[test]
fn a_drill_is_on_record() {
    let (db, other) = (Database::sample("drilled"), Database::new("drilled_other"));
    let store = Store::new();
    let none = Job::new("drill", &store, &db.name).ends(1, &store);
    assert_eq!([&none["stage"], &none["database"]], [&json!("ls"), &json!(db.name)]);

    let made = store.dump(&db);
    let record = Job::new("drill", &store, "").ends(0, &store);
    assert_eq!(
        [&record["what"], &record["name"], &record["database"]],
        [&json!("drill"), &made["name"], &json!(db.name)]
    );
    assert_eq!([&record["size"], &record["verification"]["level"]], [&made["size"], &json!("drill")]);
    assert!(record["verification"]["restore_seconds"].is_number() && record["kept"].is_null());

    store.dump(&other);
    let record = Job::new("drill", &store, "").ends(2, &store);
    assert!(
        record["stage"] == "ls" && record["hint"].is_string(),
        "of two databases one is to be named: {record}"
    );

    let mut bytes = fs::read(store.artifact(&made)).unwrap();
    bytes[900] ^= 1;
    fs::write(store.artifact(&made), bytes).unwrap();
    let record = Job::new("drill", &store, &db.name).ends(3, &store);
    assert_eq!([&record["stage"], &record["name"]], [&json!("verify"), &made["name"]]);
    assert_eq!(record["verification"]["ok"], false);
}

/// The drill of a week in which the image has no server for it must look neither like a good one nor like a damaged backup.
#[test]
fn a_drill_that_is_not_held_is_on_record_as_such() {
    let (store, server) = (Store::new(), Server::of("mysql-9.7", "not-held", &[]));
    server.sql("CREATE DATABASE shop; CREATE TABLE shop.t (id INT PRIMARY KEY)");
    let dump = store.tool("fwb-dump").env("FWB_DEFAULTS_FILE", server.defaults_file()).args(["-B", "shop"]);
    let dump = dump.run().ok().json();
    store.tool("fwb-verify").arg(name(&dump)).run().ok();
    let before = store.read_sidecar(&dump);
    let record = Job::new("drill", &store, "shop").ends(1, &store);
    assert_eq!([&record["outcome"], &record["stage"], &record["name"]], ["failed", "verify", name(&dump)]);
    let why = "needs MySQL 9.7 or later";
    assert!(reason(&record).contains(why) && record["hint"].is_string(), "{record}");
    assert!(record["verification"]["not_drilled"]["reason"].as_str().unwrap().contains(why), "{record}");
    assert_eq!((&record["proved"], &record["verification"]["level"]), (&json!(1), &json!("full")));
    assert_eq!(store.read_sidecar(&dump)["verification"], before["verification"]);

    // The store still has that reason in a week in which the drill fails for another one.
    assert!(store.read_sidecar(&dump)["not_drilled"].is_object());
    let failing = "echo 'fwb-verify: error: no space left' >&2; cat > /dev/null; exit 1";
    let programs = Programs::new(&[("fwb-verify", failing)]);
    let record = Job::with("drill", &store, "shop", &[programs.path()]).ends(1, &store);
    assert_eq!([&record["stage"], &record["reason"]], ["verify", "no space left"]);
    assert_eq!([&record["name"], &record["size"]], [&dump["name"], &dump["size"]]);
    assert!(record["verification"].is_object(), "{record}");
    assert!(record["verification"]["not_drilled"].is_null(), "{record}");

    // And in one in which the file has become damaged, where no drill was tried.
    let mut bytes = fs::read(store.artifact(&dump)).unwrap();
    bytes[900] ^= 1;
    fs::write(store.artifact(&dump), bytes).unwrap();
    let record = Job::new("drill", &store, "shop").ends(3, &store);
    assert_eq!([&record["stage"], &record["verification"]["ok"]], [&json!("verify"), &json!(false)]);
    assert!(record["verification"]["not_drilled"].is_null(), "{record}");
}

/// A setting that is missing must not look like a quiet night, nor make a store inside the container.
#[test]
fn what_is_not_set_is_said() {
    let db = Database::sample("unset");
    let store = Store::new();
    let record = Job::new("backup", &store, "").ends(2, &store);
    assert_eq!(
        [&record["stage"], &record["database"], &record["reason"]],
        [&Value::Null, &Value::Null, &json!("no database is named")]
    );

    let missing = store.file("not mounted");
    for dir in [Path::new(""), &missing] {
        let mut job = Job::new("backup", &store, &db.name);
        job.tool = job.tool.env("FWB_STORE", dir).dir(job.words.path());
        let record = check(&job.tool.run().fails(2, &["fwb-run: error: ", "hint: "]).json(), 2);
        assert_eq!(last_words(&job.words), record);
    }
    assert!(!missing.exists());
    script("cronjob.sh", &[]).run().fails(2, &["backup or drill?", "hint: "]);
    script("cronjob.sh", &[]).arg("dump").run().fails(2, &["unknown argument: dump"]);
    script("cronjob.sh", &[]).args(["drill", "-n"]).run().fails(2, &["unknown argument: -n"]);
    assert!(script("cronjob.sh", &[]).arg("--help").run().ok().stdout_text().contains("fwb-run"));
    assert_eq!((store.names().len(), kept(&store).len()), (0, 1));
    for wrong in ["Backup", "a/b", "", "../x"] {
        fwb_run(&[])
            .args([wrong, "true"])
            .env("FWB_STORE", store.path())
            .run()
            .fails(2, &["cannot be the name of a run"]);
    }
    assert_eq!(kept(&store).len(), 1, "what has no name leaves no record");
}

/// A second store is there for the night in which the first one is lost.
#[test]
fn the_night_is_copied_to_a_second_store() {
    let db = Database::sample("copied");
    let (store, copies) = (Store::new(), Store::new());
    let to = |job: Job, place: &str| job.env("FWB_COPY_TO", place);
    let place = copies.path().to_str().unwrap();
    let record = to(Job::new("backup", &store, &db.name), place).ends(0, &store);
    let made = name(&record);
    assert_eq!(record["copy"], json!({"store": place, "name": made, "proved": true}));
    assert_eq!(
        copies.names(),
        [made.to_owned(), format!("{made}.json")],
        "the records stay in the first one"
    );
    let stages: Vec<&String> = record["stages"].as_object().unwrap().keys().collect();
    assert_eq!(stages, ["copy", "dump", "ls", "prune", "verify"]);

    // Each store has retention of its own, and without a policy the copies have none.
    let night = json!({ "name": made });
    let (old, earlier) = (store.aged(&night, 24 * 9), [9, 40].map(|days| copies.aged(&night, 24 * days)));
    let url = format!("file://{place}");
    let record = to(Job::new("backup", &store, &db.name), &url).ends(0, &store);
    assert_eq!([&record["deleted"], &record["kept"]], [&json!([old]), &json!(2)]);
    assert!(earlier.iter().all(|copy| copies.holds(copy)));
    let old = store.aged(&night, 24 * 9);
    let job = to(Job::new("backup", &store, &db.name), &url).env("FWB_COPY_KEEP_DAYS", "30");
    let record = job.ends(0, &store);
    assert_eq!([&record["deleted"], &record["kept"]], [&json!([old]), &json!(3)], "of the first store alone");
    assert_eq!(earlier.map(|copy| copies.holds(&copy)), [true, false]);
    let stages: Vec<&String> = record["stages"].as_object().unwrap().keys().collect();
    assert_eq!(stages, ["copy", "copy-ls", "copy-prune", "dump", "ls", "prune", "verify"]);

    // A drill is of the first store.
    let drilled = to(Job::new("drill", &store, &db.name), "/nowhere").ends(0, &store);
    assert_eq!(drilled["copy"], Value::Null);
}

/// A copy that fails must not let the first disk run full, and must not be paid for by the copies that are there.
#[test]
fn a_copy_that_fails_is_told_and_the_night_goes_on() {
    let db = Database::sample("uncopied");
    let (store, copies) = (Store::new(), Store::new());
    let first = store.dump_verified(&db);
    let place = copies.path().to_str().unwrap();
    store.tool("fwb-copy").args(["--to", place, name(&first)]).run().ok();
    let old_copy = copies.aged(&first, 24 * 40);
    let night = |programs: &[(&str, &str)], to: &str, code: i32| {
        let old = store.aged(&first, 24 * 9);
        let programs = Programs::new(programs);
        let job = Job::with("backup", &store, &db.name, &[programs.path()]);
        let record = job.env("FWB_COPY_TO", to).env("FWB_COPY_KEEP_DAYS", "30").ends(code, &store);
        let told = record["deleted"].as_array().unwrap().contains(&json!(old));
        assert_eq!(store.holds(&old), !told);
        assert_eq!(record["verification"]["ok"], true);
        record
    };

    let failing =
        "echo 'fwb-copy: error: no more' >&2; echo 'hint: do something' >&2; cat > /dev/null; exit 1";
    let record = night(&[("fwb-copy", failing)], place, 1);
    assert_eq!([&record["stage"], &record["reason"], &record["hint"]], ["copy", "no more", "do something"]);
    assert_eq!([&record["copy"], &record["freed"]], [&Value::Null, &first["size"]]);
    assert!(copies.holds(&old_copy) && record["stages"]["copy-ls"].is_null(), "{record}");

    // A volume that was not mounted.
    let missing = store.file("missing");
    let record = night(&[], missing.to_str().unwrap(), 2);
    assert!(record["stage"] == "copy" && reason(&record).contains("is not there"), "{record}");
    assert!(record["hint"].is_string() && record["freed"] == first["size"] && !missing.exists());

    // Nobody answers.
    let old = store.aged(&first, 24 * 9);
    let job = in_a_bucket(Job::new("backup", &store, &db.name)).env("FWB_COPY_TO", "s3://bucket/prefix");
    let record = job.ends(1, &store);
    assert_eq!([&record["stage"], &record["deleted"]], [&json!("copy"), &json!([old])]);

    // What fails in one store keeps nothing from the other.
    let here = r#"case $* in *--store*) exec "$REAL" "$@" ;; esac; cat > /dev/null; exit 7"#;
    let record = night(&[("fwb-prune", here)], place, 7);
    assert_eq!([&record["stage"], &record["copy"]["proved"]], [&json!("prune"), &json!(true)]);
    assert!(!copies.holds(&old_copy));
    let there = r#"case $* in *--store*) cat > /dev/null; exit 7 ;; esac; exec "$REAL" "$@""#;
    let old_copy = copies.aged(&first, 24 * 40);
    let record = night(&[("fwb-prune", there)], place, 7);
    assert_eq!(record["reason"], "fwb-prune ended with exit code 7 and said nothing");
    assert_eq!([&record["stage"], &record["copy"]["proved"]], [&json!("copy-prune"), &json!(true)]);
    fs::write(copies.file(name(&first)), "short").unwrap();
    let record = night(&[], place, 3);
    assert_eq!([&record["stage"], &record["freed"]], [&json!("copy-ls"), &first["size"]]);
    assert!(!copies.holds(&old_copy));
}

/// A job that knows of an object store which does not answer, and of no other.
fn in_a_bucket(mut job: Job) -> Job {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for name in ["AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN"] {
        job = job.env(name, "");
    }
    job.env("AWS_ENDPOINT_URL", &format!("http://127.0.0.1:{port}"))
        .env("AWS_REGION", "here")
        .env("AWS_ACCESS_KEY_ID", "somebody")
        .env("AWS_SECRET_ACCESS_KEY", "s3cr3t-w0rd")
}

/// A bucket is not mounted, not measured, and holds no records; and of a directory `s3:` nobody knows.
#[test]
fn a_store_in_a_bucket_is_no_directory() {
    let outer = Store::new();
    for what in ["backup", "drill"] {
        let job = in_a_bucket(Job::new(what, &outer, "none")).env("FWB_STORE", "s3://bucket/prefix");
        let job = Job { tool: job.tool.dir(outer.path()), words: job.words };
        let out = job.tool.run().exits(1);
        let record = check(&out.json(), 1);
        assert_eq!(last_words(&job.words), record);
        assert_eq!(record["stage"], if what == "backup" { "dump" } else { "ls" });
        assert!(reason(&record).contains("s3://bucket/prefix") && record["hint"].is_string(), "{record}");
        assert!(record["free_bytes"].is_null() && record["backups"].is_null(), "{record}");
        assert!(out.stderr.contains("the store has no record of this run"), "{}", out.stderr);
        assert!(!out.stderr.contains("s3cr3t") && !record.to_string().contains("s3cr3t"));
        assert_eq!(outer.names(), [""; 0]);
    }

    // A URL may be of any kind that the tools know, and what is wrong with it they say; but for what may be a password.
    let run = |variable: &str, url: &str| {
        let job = Job::new("backup", &outer, "none").env(variable, url);
        let out = job.tool.run().exits(2);
        assert!(!out.stderr.contains("s3cr3t"), "{}", out.stderr);
        check(&out.json(), 2)
    };
    let record = run("FWB_STORE", "ftp://host/place");
    assert!(reason(&record).contains("no kind of store"), "{record}");
    for url in ["s3://key:s3cr3t@bucket/x", "az://container/x?sig=s3cr3t", "https://user:s3cr3t@host/x"] {
        for variable in ["FWB_STORE", "FWB_COPY_TO"] {
            let record = run(variable, url);
            assert!(reason(&record).contains(variable) && record["hint"].is_string(), "{record}");
            assert!(!record.to_string().contains("s3cr3t"), "{record}");
        }
    }
    assert_eq!(outer.names(), [""; 0]);
}

/// A pod is ended at its deadline or with its node, and process 1 is the shell: what runs must end, and be told of.
#[test]
fn a_signal_ends_the_run_and_is_on_record() {
    let db = Database::sample("ended");
    for (number, expected) in [("TERM", 143), ("INT", 130), ("HUP", 129)] {
        let store = Store::new();
        let held = Holder::new(Server::shared(), &db.name, "LOCK TABLES settings WRITE");
        let (mut job, words) = Job::new("backup", &store, &db.name).begin();
        sees(Server::shared(), &db.name, &format!("{WAITS} AND info LIKE 'SELECT%'"));
        signal(job.id(), number);
        assert_eq!(code(&mut job), Some(expected));
        let out = job.wait_with_output().unwrap();
        let record = check(&serde_json::from_slice(&out.stdout).unwrap(), expected);
        assert_eq!([&record["stage"], &record["reason"]], ["dump", &format!("interrupted by SIG{number}")]);
        assert_eq!(kept(&store), std::slice::from_ref(&record));
        assert_eq!(last_words(&words), record);
        drop(held);
        assert_eq!(store.names(), [""; 0], "{number}: nothing of a backup is left");
        Job::new("backup", &store, &db.name).ends(0, &store);
    }

    // The backup was made, and its proof was cut off: both are told. What the stage leaves running delays nothing.
    let store = Store::new();
    let programs = Programs::new(&[("fwb-verify", r#"sleep 60 & echo $$ > "$HERE/pid"; exec sleep 60"#)]);
    let (mut job, _words) = Job::with("backup", &store, &db.name, &[programs.path()]).begin();
    programs.started();
    signal(job.id(), "TERM");
    assert_eq!(code(&mut job), Some(143));
    let record = &kept(&store)[0];
    assert_eq!([&record["stage"], &record["reason"]], ["verify", "interrupted by SIGTERM"]);
    assert!(store.holds(record["name"].as_str().unwrap()) && record["verification"].is_null());

    // A signal between publishing and the end of fwb-dump: the next stage is not begun.
    let store = Store::new();
    let slow = r#""$REAL" "$@"; trap 'exit 0' TERM; echo $$ > "$HERE/pid"; while :; do sleep 0.05; done"#;
    let programs = Programs::new(&[("fwb-dump", slow)]);
    let (mut job, _words) = Job::with("backup", &store, &db.name, &[programs.path()]).begin();
    programs.started();
    signal(job.id(), "TERM");
    assert_eq!(code(&mut job), Some(143));
    let record = &kept(&store)[0];
    assert_eq!([&record["stage"], &record["exit"]], [&json!("verify"), &json!(143)]);
    assert!(store.holds(record["name"].as_str().unwrap()));
}

/// Two jobs in one store: the second steps back, and both are on record.
#[test]
fn a_second_run_steps_back() {
    let db = Database::sample("twice");
    let store = Store::new();
    let held = Holder::new(Server::shared(), &db.name, "LOCK TABLES settings WRITE");
    let (mut first, _words) = Job::new("backup", &store, &db.name).begin();
    sees(Server::shared(), &db.name, &format!("{WAITS} AND info LIKE 'SELECT%'"));
    let second = Job::new("backup", &store, &db.name).ends(4, &store);
    assert!(second["stage"] == "dump" && reason(&second).contains("locked by another run"), "{second}");
    drop(held);
    assert_eq!(code(&mut first), Some(0));
    let exits: Vec<Value> = kept(&store).iter().map(|record| record["exit"].clone()).collect();
    assert_eq!(exits, [4, 0]);
}

/// A server that is restarted at two in the night, or a node that comes up slowly, costs no backup.
#[test]
fn a_server_that_is_away_is_waited_for() {
    let server = Server::private("run-away", &[]);
    server
        .sql("CREATE DATABASE shop; CREATE TABLE shop.t (id INT PRIMARY KEY); INSERT INTO shop.t VALUES (1)");
    stop(&server);
    let store = Store::new();
    let job = || {
        Job::new("backup", &store, "shop")
            .env("FWB_DEFAULTS_FILE", &server.defaults_file().to_string_lossy())
            .env("FWB_RETRY_WAIT", "20ms")
    };
    let record = job().ends(1, &store);
    assert_eq!(
        [&record["stage"], &record["code"], &record["steps"][0]["tries"]],
        [&json!("dump"), &json!("FWB-1102"), &json!(1)]
    );

    let (mut run, _words) = job().env("FWB_RUN_DEADLINE", "1h").begin();
    let mut said = std::io::BufReader::new(run.stderr.take().unwrap()).lines();
    let mut tries =
        said.by_ref().map(Result::unwrap).filter(|line| line.contains("fwb-dump failed; trying again"));
    assert!(tries.nth(2).is_some());
    restart(&server);
    // Whatever else it says is to find a reader.
    let rest = std::thread::spawn(move || said.map_while(Result::ok).count());
    assert_eq!(code(&mut run), Some(0));
    rest.join().unwrap();
    let record = kept(&store).pop().unwrap();
    let dump = &record["steps"][0];
    assert!(dump["tries"].as_u64().unwrap() >= 4 && dump["exit"] == 0, "{record}");
    let first = &dump["retried"][0];
    assert_eq!(first["code"], "FWB-1102");
    assert!(first["reason"].as_str().unwrap().contains("connect") && first["at"].is_string(), "{record}");
    assert_eq!([&record["outcome"], &record["verification"]["ok"]], [&json!("ok"), &json!(true)]);

    // A server that ends in the middle of the dump.
    let held = Holder::new(&server, "shop", "LOCK TABLES t WRITE");
    let (mut run, _words) = job().env("FWB_RUN_DEADLINE", "1h").begin();
    sees(&server, "shop", WAITS);
    signal(server.pid(), "KILL");
    drop(held);
    until("the server's end", || server.has_ended().then_some(()));
    restart(&server);
    assert_eq!(code(&mut run), Some(0));
    let record = kept(&store).pop().unwrap();
    assert!(record["steps"][0]["tries"].as_u64().unwrap() >= 2, "{record}");

    // A signal ends the waiting at once.
    stop(&server);
    let (mut run, _words) =
        job().env("FWB_RUN_DEADLINE", "1h").env("FWB_RETRY_WAIT", "1h").env("FWB_RUN_DEADLINE", "9h").begin();
    let mut said = std::io::BufReader::new(run.stderr.take().unwrap()).lines();
    assert!(said.any(|line| line.unwrap().contains("fwb-dump failed; trying again")));
    signal(run.id(), "TERM");
    assert_eq!(code(&mut run), Some(143));
    let record = kept(&store).pop().unwrap();
    assert!(reason(&record).starts_with("interrupted by SIGTERM; before that: "), "{record}");
}

/// A second job, begun by hand while the night's is at work, comes after it.
#[test]
fn a_store_that_is_locked_is_waited_for() {
    let db = Database::sample("waits_its_turn");
    let store = Store::new();
    let held = Holder::new(Server::shared(), &db.name, "LOCK TABLES settings WRITE");
    // Between two stages of one, the other may take the lock.
    let job =
        || Job::new("backup", &store, &db.name).env("FWB_RUN_DEADLINE", "1h").env("FWB_RETRY_WAIT", "20ms");
    let (mut first, _words) = job().begin();
    sees(Server::shared(), &db.name, &format!("{WAITS} AND info LIKE 'SELECT%'"));
    let (mut second, _words) = job().begin();
    let mut said = std::io::BufReader::new(second.stderr.take().unwrap()).lines();
    let mut tries =
        said.by_ref().map(Result::unwrap).filter(|line| line.contains("fwb-dump failed; trying again"));
    assert!(tries.nth(1).is_some());
    drop(held);
    let rest = std::thread::spawn(move || said.map_while(Result::ok).count());
    assert_eq!([code(&mut first), code(&mut second)], [Some(0), Some(0)]);
    rest.join().unwrap();
    let records = kept(&store);
    let waited = |record: &&Value| record["steps"][0]["retried"][0]["code"] == "FWB-1301";
    assert_eq!(records.iter().filter(waited).count(), 1, "{records:?}");
    assert_eq!(records[1]["backups"], 2);
}

/// Killed at any moment, a run leaves no process behind, and the next one says that it was lost.
#[test]
fn a_run_that_is_killed_is_reported_by_the_next() {
    let db = Database::sample("killed");
    for stage in ["fwb-dump", "fwb-verify", "fwb-ls", "fwb-prune"] {
        let store = Store::new();
        let slow = r#"echo $$ > "$HERE/pid"; cat > /dev/null; exec sleep 600"#;
        let programs = Programs::new(&[(stage, slow)]);
        let (mut job, _words) = Job::with("backup", &store, &db.name, &[programs.path()]).begin();
        let child = programs.started();
        signal(job.id(), "KILL");
        job.wait().unwrap();
        is_gone(child);
        let running: Value = {
            let file = fs::read_dir(store.file("runs")).unwrap().next().unwrap().unwrap();
            serde_json::from_slice(&fs::read(file.path()).unwrap()).unwrap()
        };
        assert_eq!([&running["outcome"], &running["exit"]], [&json!("running"), &Value::Null]);

        let out = Job::new("backup", &store, &db.name).tool.run().ok();
        assert!(out.stderr.contains("ended without a word"), "{}", out.stderr);
        let next = out.json();
        assert_eq!(
            next["lost"],
            json!([{"id": running["id"], "what": "backup", "at": running["at"]}]),
            "{stage}"
        );
        let records = kept(&store);
        let lost = records.iter().find(|record| record["id"] == running["id"]).unwrap();
        assert_eq!([&lost["outcome"], &lost["exit"]], [&json!("lost"), &Value::Null]);
        assert!(reason(lost).contains("killed") && lost["hint"].is_string() && lost["process"].is_null());
        // It is told once.
        assert_eq!(Job::new("backup", &store, &db.name).ends(0, &store)["lost"], json!([]));
    }
}

/// A run that is under way is not lost, however long it takes.
#[test]
fn a_run_that_is_at_work_is_not_lost() {
    let db = Database::sample("at_work");
    let store = Store::new();
    let slow = r#"echo $$ > "$HERE/pid"; exec sleep 600"#;
    let programs = Programs::new(&[("fwb-dump", slow)]);
    let (mut job, _words) = Job::with("backup", &store, &db.name, &[programs.path()]).begin();
    programs.started();
    assert_eq!(Job::new("backup", &store, &db.name).ends(0, &store)["lost"], json!([]));
    signal(job.id(), "TERM");
    assert_eq!(code(&mut job), Some(143));
}

/// What a night could not copy, a later one makes up for; retention can run by itself.
#[test]
fn copies_and_retention_are_chains_too() {
    let db = Database::sample("made_up_for");
    let (store, copies) = (Store::new(), Store::new());
    let made = [store.dump_verified(&db), store.dump_verified(&db)];
    let place = copies.path().to_str().unwrap();
    store.tool("fwb-copy").args(["--to", place, name(&made[1])]).run().ok();
    let old = copies.aged(&made[1], 24 * 40);
    let job = Job::new("copy", &store, "").env("FWB_COPY_TO", place).env("FWB_COPY_KEEP_DAYS", "30");
    let record = job.ends(0, &store);
    assert!(made.iter().all(|made| copies.holds(name(made))) && !copies.holds(&old), "{record}");
    let stages: Vec<&Value> = record["steps"].as_array().unwrap().iter().map(|step| &step["stage"]).collect();
    assert_eq!(stages, ["ls", "copy", "copy-ls", "copy-prune"]);

    let old = store.aged(&made[0], 24 * 9);
    let record = Job::new("prune", &store, "").ends(0, &store);
    assert_eq!((&record["deleted"], store.holds(&old)), (&json!([old]), false));
    let record = Job::new("copy", &store, "").ends(2, &store);
    assert!(reason(&record).contains("no second store is named") && record["hint"].is_string(), "{record}");
}

/// A chain of one's own is run as it is printed, and is on record under its own name.
#[test]
fn a_chain_of_ones_own_is_on_record() {
    let db = Database::sample("own_chain");
    let store = Store::new();
    let line =
        format!("fwb-dump -B {} --codec zstd | fwb-verify && fwb-ls | fwb-prune --keep-last 3", db.name);
    let mut job = Job::new("nightly-zstd", &store, "");
    job.tool = job.tool.arg(&line);
    let record = job.ends(0, &store);
    assert_eq!(
        [&record["what"], &record["verification"]["ok"], &record["kept"]],
        [&json!("nightly-zstd"), &json!(true), &json!(1)]
    );
    assert!(name(&record).ends_with(".sql.zst") && record["database"] == json!(db.name), "{record}");

    let printed = fwb_run(&[]).args(["--dry-run", "nightly-zstd", &line]).run().ok().stdout_text();
    let again = bash(&printed).env("FWB_STORE", store.path()).run().ok();
    assert_eq!(again.records().len(), 1 + 2, "what was proved, and what retention has decided");
    let usual =
        fwb_run(&[]).args(["-n", "backup", "-B", &db.name, "-s"]).arg(store.path()).run().ok().stdout_text();
    assert_eq!(bash(&usual).run().ok().records().len(), 1 + 3);

    for (line, why) in
        [("fwb-dump |", "a command is missing"), ("no-such-program", "no-such-program is not installed")]
    {
        let mut job = Job::new("wrong", &store, "");
        job.tool = job.tool.arg(line);
        let record = job.ends(2, &store);
        assert!(reason(&record).contains(why) && record["hint"].is_string(), "{record}");
    }
    let before = kept(&store).len();
    for (arguments, why) in [
        (vec!["backup", "fwb-ls"], "give yours another name"),
        (vec!["restore", "fwb-ls"], "give yours another name"),
        (vec!["bakcup"], "none of backup, drill, copy, prune and notify-test"),
    ] {
        fwb_run(&[]).args(arguments).env("FWB_STORE", store.path()).run().fails(2, &[why, "hint: "]);
    }
    assert_eq!(kept(&store).len(), before, "what was mistyped is nobody's run");
}

/// Whoever asks later when and why a database was replaced finds it in the store.
#[test]
fn a_restore_and_its_undo_are_on_record() {
    let db = Database::sample("restored_run");
    let store = Store::new();
    let made = store.dump_verified(&db);
    let restore = || store.tool("fwb-restore");
    restore().args(["--dry-run", name(&made)]).run().ok();
    assert!(!store.file("runs").exists(), "a plan is no restore");
    restore().args(["--yes", name(&made)]).run().ok();
    restore().args(["--undo", "--yes", "-B", &db.name]).run().ok();
    restore().args(["--yes", "--tables", "no_such_table", name(&made)]).run().exits(2);
    let records = kept(&store);
    for (record, what, exit) in
        [(&records[0], "restore", 0), (&records[1], "undo", 0), (&records[2], "restore", 2)]
    {
        check(record, exit);
        assert_eq!(record["what"], what);
    }
    assert!(records[..2].iter().all(|record| record["database"] == json!(db.name)));
    assert_eq!([&records[0]["name"], &records[1]["name"]], [&made["name"], &Value::Null]);
    assert!(
        reason(&records[2]).contains("no_such_table") && records[2]["code"].is_string(),
        "{}",
        records[2]
    );

    // One that is killed is reported by the next run.
    let held = Holder::new(Server::shared(), &db.name, "START TRANSACTION; SELECT * FROM settings");
    let mut killed = restore().args(["--yes", name(&made)]).spawn();
    sees(
        Server::shared(),
        &db.name,
        "info LIKE 'LOCK TABLES%' OR state LIKE 'Waiting for table metadata lock%'",
    );
    signal(killed.id(), "KILL");
    killed.wait().unwrap();
    drop(held);
    let next = Job::new("prune", &store, &db.name).ends(0, &store);
    assert_eq!(next["lost"][0]["what"], "restore", "{next}");
}

/// The jobs that were made for the script go on working, and a signal reaches what it has become.
#[test]
fn the_script_is_the_tool() {
    let db = Database::sample("shim");
    let store = Store::new();
    let job = |what: &str| {
        let set =
            script("cronjob.sh", &[]).arg(what).env("FWB_STORE", store.path()).env("FWB_DATABASE", &db.name);
        set.env("FWB_DEFAULTS_FILE", Server::shared().defaults_file()).env("FWB_TERMINATION_LOG", "")
    };
    assert_eq!(check(&job("backup").run().ok().json(), 0)["what"], "backup");
    let held = Holder::new(Server::shared(), &db.name, "LOCK TABLES settings WRITE");
    let mut run = job("backup").spawn();
    sees(Server::shared(), &db.name, &format!("{WAITS} AND info LIKE 'SELECT%'"));
    signal(run.id(), "TERM");
    assert_eq!(code(&mut run), Some(143));
    drop(held);
    assert_eq!(kept(&store).len(), 2);
}

/// Many at once: every record is whole and none is lost; and of very many the oldest go.
#[test]
fn records_do_not_mix_and_stay_bounded() {
    let store = Store::new();
    fs::create_dir(store.file("runs")).unwrap();
    for number in 0..9997 {
        fs::write(store.file(&format!("runs/20000101T000000Z-old-{number:08}.json")), "{}\n").unwrap();
    }
    store.write("runs/note.txt", "a person's own");
    std::thread::scope(|scope| {
        for number in 0..8 {
            let job = Job::new("drill", &store, &format!("none_{number}"));
            scope.spawn(move || job.tool.run().exits(1));
        }
    });
    Job::new("drill", &store, "none_8").tool.run().exits(1);
    let names: Vec<String> = fs::read_dir(store.file("runs"))
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .filter(|name| Path::new(name).extension().is_some_and(|it| it == "json"))
        .collect();
    assert_eq!(names.len(), 10_000);
    let is_old = |name: &&String| name.starts_with("20000101T000000Z-old-");
    assert_eq!(names.iter().filter(is_old).count(), 9991);
    assert!(!names.contains(&"20000101T000000Z-old-00000000.json".to_owned()));
    let young = names.iter().filter(|name| !is_old(name));
    let mut databases: Vec<String> = young
        .map(|name| fs::read(store.file("runs").join(name)).unwrap())
        .map(|text| serde_json::from_slice::<Value>(&text).unwrap()["database"].as_str().unwrap().to_owned())
        .collect();
    databases.sort();
    assert_eq!(databases, (0..9).map(|number| format!("none_{number}")).collect::<Vec<_>>());
    assert!(store.file("runs/note.txt").exists());
}

/// Where a record cannot be written, the run still ends as it ended, and the record is still in the other places.
#[test]
fn a_record_that_cannot_be_written_changes_nothing() {
    let db = Database::sample("unwritable");
    let elsewhere = tempfile::tempdir().unwrap();
    let spoilers: [&dyn Fn(&Path); 3] =
        [&|runs| fs::write(runs, "").unwrap(), &|runs| symlink(elsewhere.path(), runs).unwrap(), &|runs| {
            drop(Tool::program("mkfifo").arg(runs).run().ok());
        }];
    for spoil in spoilers {
        let store = Store::new();
        spoil(&store.file("runs"));
        let job = Job::new("backup", &store, &db.name);
        let out = job.tool.run().ok();
        assert!(
            out.stderr.contains("fwb-run: warning: the store has no record of this run: "),
            "{}",
            out.stderr
        );
        assert_eq!(last_words(&job.words), check(&out.json(), 0));
    }
    assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0, "a link leads nowhere");

    // A store that nobody can write.
    let job = Job::new("backup", &Store::new(), &db.name).env("FWB_STORE", "/proc/sys");
    let out = job.tool.run().exits(1);
    assert!(
        out.stderr.contains("the store has no record of this run: cannot create /proc/sys/runs"),
        "{}",
        out.stderr
    );
    assert_eq!(check(&out.json(), 1)["stage"], "dump");

    // A disk that is full.
    let store = Store::new();
    let full = r#"trap '' XFSZ; ulimit -f 0; exec "$TOOL" drill"#;
    let mut job = Job::new("drill", &store, "none");
    job.tool = bash(full).env("TOOL", Tool::path("fwb-run")).env("FWB_STORE", store.path());
    let out = job.tool.run().exits(1);
    assert!(out.stderr.contains("the store has no record of this run: "), "{}", out.stderr);
    assert_eq!(fs::read_dir(store.file("runs")).unwrap().count(), 0, "not half a record");

    // No last words, and nobody who reads.
    let store = Store::new();
    for file in ["/dev/full", "/nowhere/log"] {
        let out = Job::new("backup", &store, &db.name).env("FWB_TERMINATION_LOG", file).tool.run().ok();
        assert!(out.stderr.contains(&format!("no last words in {file}: ")), "{}", out.stderr);
        assert_eq!(kept(&store).last(), Some(&check(&out.json(), 0)));
    }
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let status =
        Job::new("backup", &store, &db.name).tool.command().stdout(writer).stderr(Stdio::null()).status();
    assert_eq!(status.unwrap().code(), Some(0));
    assert_eq!(kept(&store).len(), 3);
}

/// Kubernetes cuts a termination message at 4096 bytes; half a JSON object tells nobody anything.
#[test]
fn last_words_are_short_and_whole() {
    let db = Database::sample("chatty");
    let store = Store::new();
    let flood = r#"for i in {1..3000}; do printf 'fwb-verify: warning: %s %0500d "경고 \\ %s"\n' $i 7 "$(printf '한%.0s' {1..200})"; done >&2
        echo "fwb-verify: error: $(printf '"\\한%.0s' {1..3000})" >&2; cat; exit 3"#;
    let programs = Programs::new(&[("fwb-verify", flood)]);
    let job = Job::with("backup", &store, &db.name, &[programs.path()]);
    let record = check(&job.tool.run().exits(3).json(), 3);
    assert_eq!(record["warnings"].as_array().unwrap().len(), 20);
    assert!(record.to_string().len() < 100_000);
    assert_eq!(kept(&store), std::slice::from_ref(&record));
    let words = last_words(&job.words);
    assert_eq!(words["shortened"], true);
    for field in ["schema", "outcome", "exit", "stage", "name", "size"] {
        assert_eq!(words[field], record[field], "{field}");
    }
    assert!(reason(&words).starts_with(r#""\한"\한"#));
}

/// Calls of the job's shell reach the tools, those of the tools the pod: at its end nothing runs there any more.
#[test]
fn a_job_works_through_the_pod() {
    let db = Database::sample("podded");
    let (store, pod) = (Store::new(), Pod::new());
    let job = || {
        let job = Job::new("backup", &store, &db.name).env("FWB_DEFAULTS_FILE", "");
        Job { tool: pod.set(job.tool), words: job.words }
    };
    let record = job().ends(0, &store);
    assert_eq!(record["verification"]["ok"], true);
    assert!(!pod.calls().is_empty());

    let held = Holder::new(Server::shared(), &db.name, "LOCK TABLES files WRITE");
    let (mut run, _words) = job().begin();
    sees(Server::shared(), &db.name, WAITS);
    signal(run.id(), "TERM");
    assert_eq!(code(&mut run), Some(143));
    let ended = kept(&store).pop().unwrap();
    assert_eq!([&ended["stage"], &ended["exit"]], [&json!("dump"), &json!(143)]);
    until("the end of what ran in the pod", || pod.processes().is_empty().then_some(()));
    drop(held);

    pod.pods(&[]);
    let record = job().ends(1, &store);
    assert!(reason(&record).contains("there is no pod with the labels app=mariadb"), "{record}");
    pod.pods(&[Pod::ready("a-0"), Pod::ready("b-0")]);
    let record = job().ends(2, &store);
    assert!(reason(&record).contains("a-0, b-0") && record["hint"].is_string(), "{record}");
}

/// A name is a name: it is never a command, and the record says it as it is.
#[test]
fn odd_names_are_only_names() {
    let names = [
        "it's \"odd\"; touch pwned",
        "$(touch pwned)`touch pwned`",
        "two\nlines \\n & 한글",
        "--help",
        "{\"a\": 1}, %s",
    ];
    for odd in names {
        let db = Database::named(odd);
        db.sql("CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (1);");
        let outer = Store::new();
        let store = Store::new();
        let here = |job: Job| Job { tool: job.tool.dir(outer.path()), words: job.words };
        let record = here(Job::new("backup", &store, odd)).ends(0, &store);
        assert_eq!(record["database"], odd);
        assert_eq!([&record["kept"], &record["proved"]], [1, 1]);
        assert!(store.holds(record["name"].as_str().unwrap()));
        let drilled = here(Job::new("drill", &store, odd)).ends(0, &store);
        assert_eq!([&drilled["database"], &drilled["name"]], [odd, name(&record)]);
        assert_eq!(outer.names(), [""; 0], "nothing is made elsewhere");
        assert_eq!(store.names().len(), 2);

        // A directory may have such a name too.
        fs::create_dir(outer.file(odd)).unwrap();
        let job = here(Job::new("backup", &store, odd)).env("FWB_STORE", odd);
        check(&job.tool.run().ok().json(), 0);
        assert_eq!(outer.names(), [odd]);
        assert!(outer.file(odd).join("runs").exists());
    }
}

/// Another server's backups in the same store may have to stay for longer than this job's own policy says.
#[test]
fn a_run_with_a_server_keeps_to_its_backups() {
    let db = Database::new("run_of_server");
    let store = Store::new();
    let dump = store.tool("fwb-dump").args(["-B", &db.name, "--server-id", "shop-us"]);
    let theirs = dump.run().ok().json();
    store.tool("fwb-verify").arg(name(&theirs)).run().ok();
    let old: Vec<String> = [240, 264].map(|hours| store.aged(&theirs, hours)).into();
    let run = |what: &str| Job::new(what, &store, &db.name).env("FWB_SERVER_ID", "shop-eu").ends(0, &store);
    let record = run("backup");
    assert_eq!(record["server"], "shop-eu");
    assert_eq!([&record["kept"], &record["backups"], &record["proved"]], [1, 1, 1], "{record}");
    assert!(old.iter().all(|old| store.holds(old)));
    let drilled = run("drill");
    assert_eq!([&drilled["server"], &drilled["name"]], [&json!("shop-eu"), &record["name"]]);

    // Whose backup is to be drilled must not be left to chance.
    let record = Job::new("drill", &store, &db.name).ends(2, &store);
    assert!(record["hint"].as_str().unwrap().contains("--server-id: shop-eu, shop-us"), "{record}");
}

/// Records are shown on dashboards and in tickets.
#[test]
fn no_secret_is_on_record() {
    let db = Database::sample("secret");
    let store = Store::new();
    let file = store.file("password");
    fs::write(&file, "s3cr3t-w0rd\n").unwrap();
    let job = Job::new("backup", &store, &db.name)
        .env("FWB_USER", "nobody_of_that_name")
        .env("FWB_PASSWORD_FILE", &file.to_string_lossy());
    let record = job.ends(2, &store);
    assert!(reason(&record).contains("Access denied"), "{record}");
    assert!(!record.to_string().contains("s3cr3t"));
}

/// The group of the operators, who may read the backups, may read how they were made.
#[test]
fn who_may_read_the_backups_may_read_the_records() {
    let store = Store::new();
    fs::set_permissions(store.path(), fs::Permissions::from_mode(0o2750)).unwrap();
    Job::new("drill", &store, "none").ends(1, &store);
    let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o7777;
    let runs = store.file("runs");
    assert_eq!(mode(&runs), 0o2750);
    assert!(fs::read_dir(runs).unwrap().all(|file| mode(&file.unwrap().path()) == 0o640));
}
