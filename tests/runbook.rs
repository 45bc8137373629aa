//! `docs/RUNBOOK.md` is read when something is broken, and by somebody who has no time to find out that it is wrong.
//! Its commands are run here as they stand there, each section against what it is about: a database that is damaged
//! before and must be whole afterwards.

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};

use crate::faults::{restart, signal};
use crate::support::{Before, Database, Output, Pod, Server, Store, Tool, bash, name, until};
use crate::swap::{self, hold, quiet, release, waits};

const DOCUMENT: &str = include_str!("../docs/RUNBOOK.md");

/// What is said of the cluster beside it.
const CLUSTER: &str = include_str!("../docs/KUBERNETES.md");

/// The heading of a section, and its ```` ```sh test ```` blocks.
fn sections() -> impl Iterator<Item = (&'static str, Vec<&'static str>)> {
    DOCUMENT.split("\n## ").skip(1).map(|section| {
        let blocks = section.split("```sh test\n").skip(1);
        let blocks = blocks.map(|rest| rest.split("\n```\n").next().expect("the end of a block"));
        (section.lines().next().expect("a heading"), blocks.collect())
    })
}

/// A section that is being followed: its commands in their order, with what an operator has exported.
pub(crate) struct Section {
    heading: &'static str,
    /// What every reader has typed before.
    shorthand: &'static str,
    /// The same for those whose server is a pod.
    shorthand_in_pod: &'static str,
    blocks: std::vec::IntoIter<&'static str>,
    exported: Vec<(&'static str, String)>,
    dir: tempfile::TempDir,
}

impl Section {
    pub(crate) fn new(heading: &'static str, store: &Store, database: &str) -> Self {
        let blocks = |heading: &str| sections().find(|(found, _)| *found == heading).expect("a section").1;
        let [shorthand, shorthand_in_pod] = blocks("Before you start")[..] else {
            panic!("two blocks before all others: with and without a pod")
        };
        let exported = vec![
            ("FWB_STORE", store.path().to_str().unwrap().to_owned()),
            ("FWB_DATABASE", database.to_owned()),
        ];
        Self {
            heading,
            shorthand,
            shorthand_in_pod,
            blocks: blocks(heading).into_iter(),
            exported,
            dir: tempfile::tempdir().unwrap(),
        }
    }

    /// The same section for those whose server is a pod: nothing else is known of the server.
    fn in_pod(mut self, pod: &Pod) -> Self {
        self.shorthand = self.shorthand_in_pod;
        self.export("FWB_NAMESPACE", "filewallball");
        self.export("FWB_POD_SELECTOR", "app=mariadb");
        self.export("FWB_KUBECTL", pod.file("kubectl").to_str().unwrap());
        assert!(DOCUMENT.contains("unset FWB_DEFAULTS_FILE"));
        self.exported.push(("FWB_DEFAULTS_FILE", String::new()));
        self
    }

    /// Another variable that the section says to export.
    pub(crate) fn export(&mut self, name: &'static str, value: impl Into<String>) {
        assert!(DOCUMENT.contains(&format!("{name}=")), "the runbook says what {name} is");
        self.exported.push((name, value.into()));
    }

    /// Runs the next blocks in one shell, which stops at the first failure.
    #[track_caller]
    pub(crate) fn follow(&mut self, count: usize) -> Output {
        let blocks: Vec<&str> = self.blocks.by_ref().take(count).collect();
        assert_eq!(blocks.len(), count, "the section has so many blocks more");
        // No stage of a pipeline fails, but where backups are broken, which is said by an exit code.
        let pipefail = if self.heading == "The backup is broken" { '+' } else { '-' };
        let script = format!("set {pipefail}o pipefail\n{}\n{}", self.shorthand, blocks.join("\n"));
        let mut shell = bash(&script).dir(self.dir.path());
        for (name, value) in &self.exported {
            shell = shell.env(name, value);
        }
        shell.run().ok()
    }

    /// Passes over the next blocks, which another test follows.
    pub(crate) fn skip(&mut self, count: usize) {
        assert_eq!(self.blocks.by_ref().take(count).count(), count);
    }

    /// That nothing of the section was left out.
    #[track_caller]
    pub(crate) fn end(mut self) {
        assert_eq!(self.blocks.next(), None, "every block of the section is run");
    }
}

/// A database and a store with one proved backup of it.
fn backed_up(name: &str) -> (Database, Store, Value) {
    let (database, store) = (Database::sample(name), Store::new());
    let manifest = store.dump_verified(&database);
    (database, store, manifest)
}

/// The chain that the cluster runs every night.
fn nightly(store: &Store) -> Tool {
    bash("exec fwb-run backup").env("FWB_STORE", store.path()).env("FWB_RUN_DEADLINE", "0s")
}

/// The reports and other objects that a block printed.
pub(crate) fn objects(out: &Output) -> Vec<Value> {
    let text = out.stdout_text();
    let begin = text.find("\n{").expect("an object") + 1;
    serde_json::Deserializer::from_str(&text[begin..]).into_iter().map_while(Result::ok).collect()
}

#[test]
fn every_section_with_commands_is_followed_here() {
    let with_commands: Vec<&str> =
        sections().filter(|(_, blocks)| !blocks.is_empty()).map(|(heading, _)| heading).collect();
    let followed = include_str!("runbook.rs");
    for heading in with_commands.iter().skip(1) {
        assert!(followed.contains(&format!("\"{heading}\", &store")), "{heading} is tested");
    }
    assert_eq!(with_commands.len(), 1 + 12);
}

#[test]
fn every_link_leads_to_a_section() {
    let anchor = |heading: &str| {
        let kept = heading.to_lowercase().replace(' ', "-");
        kept.replace(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-', "")
    };
    let anchors: BTreeSet<String> = sections().map(|(heading, _)| anchor(heading)).collect();
    let links: BTreeSet<&str> =
        DOCUMENT.split("](#").skip(1).map(|rest| rest.split(')').next().unwrap()).collect();
    for link in &links {
        assert!(anchors.contains(*link), "{link} among {anchors:?}");
    }
    assert_eq!(links.len(), anchors.len() - 1, "each symptom is in the list at the top");
}

#[test]
fn the_sections_are_the_same_for_a_pod() {
    let (database, store, _) = backed_up("rb_in_pod");
    let whole = Before::new(&database);
    let pod = Pod::new();
    let section = |heading: &'static str| Section::new(heading, &store, &database.name).in_pod(&pod);
    database.sql("SET foreign_key_checks = 0; DROP TABLE files; DELETE FROM settings");
    let mut damaged = section("The database is damaged");
    damaged.export("DAMAGED", "files");
    damaged.follow(2);
    whole.holds("after the restore");
    database.sql("DELETE FROM file_views; UPDATE files SET size = 0");
    damaged.follow(2);
    whole.holds("after the restore of a table that nothing may read");
    damaged.follow(1);
    damaged.end();

    database.sql("SET foreign_key_checks = 0; DROP TABLE files");
    let mut dropped = section("One table was dropped by mistake");
    dropped.export("TABLE", "files");
    let out = dropped.follow(3).stdout_text();
    assert!(out.contains("\"rows\":40") && out.contains("|       40 |"), "{out}");
    assert!(out.contains("| 여행 사진 📷 2.pdf "), "{out}");
    dropped.follow(1);
    whole.holds("after the table came back");
    dropped.end();

    let night = pod.set(nightly(&store)).env("FWB_DATABASE", &database.name).env("FWB_DEFAULTS_FILE", "");
    night.run().ok();
    let out = section("Is last night's backup there?").follow(3);
    assert!(out.stdout_text().contains("yes\n"), "{}", out.stdout_text());
    assert_eq!(objects(&out)[0]["outcome"], "ok");
    until("the end of what ran in the pod", || pod.processes().is_empty().then_some(()));
}

#[test]
fn a_damaged_database() {
    let (database, store, _) = backed_up("rb_damaged");
    let whole = Before::new(&database);
    database.sql("SET foreign_key_checks = 0; DROP TABLE files; UPDATE projects SET name = id; DROP PROCEDURE forget_views; DROP EVENT forget_daily");
    assert!(!whole.is_again());
    let mut section = Section::new("The database is damaged", &store, &database.name);
    section.export("DAMAGED", "files");
    let out = section.follow(2);
    whole.holds("after the restore");
    let report = objects(&out).pop().unwrap();
    let kept = swap::left(Server::shared(), &database.name);
    assert_eq!(report["before"].as_str(), kept.first().map(String::as_str), "{report}");
    assert!(store.holds(report["safety_backup"].as_str().unwrap()));
    let names = Server::shared().query(format!("SELECT COUNT(*) FROM {}.projects WHERE name = id", kept[0]));
    assert_eq!(names, "3", "what was replaced is kept as it was");
    // The way back that the section promises, to the damaged database with its broken views, and forth again.
    for is_whole in [false, true] {
        store.tool("fwb-restore").args(["--undo", "--yes", "--database", &database.name]).run().ok();
        let files = database.query("SHOW TABLES LIKE 'files'");
        assert_eq!((files.is_empty(), whole.is_again()), (!is_whole, is_whole));
    }

    // One table is damaged: what was written to another since the backup stays.
    database.sql(
        "SET foreign_key_checks = 0; DELETE FROM files; INSERT INTO shares VALUES (1, 'since the backup')",
    );
    section.follow(1);
    assert_eq!(database.query("SELECT COUNT(*), (SELECT COUNT(*) FROM shares) FROM files"), "40\t1");
    section.follow(1);
    whole.holds("after the restore of a table that nothing may read");

    let out = section.follow(1);
    assert!(out.stdout_text().contains("file_views"), "{}", out.stdout_text());
    assert!(swap::left(Server::shared(), &database.name).is_empty());
    whole.holds("after what was kept is gone");
    section.end();
}

#[test]
fn a_table_that_was_dropped() {
    let (database, store, _) = backed_up("rb_dropped");
    database.sql("INSERT INTO shares VALUES (1, 'since the backup'); UPDATE projects SET settings = '{}'");
    let whole = Before::new(&database);
    database.sql("SET foreign_key_checks = 0; DROP TABLE files");
    let damaged = database.content();
    let mut section = Section::new("One table was dropped by mistake", &store, &database.name);
    section.export("TABLE", "files");
    let out = section.follow(1).stdout_text();
    assert!(out.contains("\"rows\":40"), "{out}");
    for what in ["restored into another database", "piped into another database"] {
        let out = section.follow(1).stdout_text();
        assert!(out.contains("40"), "{what}: {out}");
        assert_eq!(database.content(), damaged, "{what}: the live database is left alone");
    }
    assert!(!whole.is_again());
    section.follow(1);
    whole.holds("after the table came back");
    section.end();
}

#[test]
fn rows_that_were_deleted_some_time_ago() {
    let (database, store, _) = backed_up("rb_rows");
    let whole = Before::new(&database);
    let second = std::time::Duration::from_millis(1100);
    std::thread::sleep(second);
    let moment = chrono::Local::now().format("%Y-%m-%d %H:%M:%S").to_string();
    std::thread::sleep(second);
    database.sql(
        "DELETE FROM settings WHERE name = 'binary'; UPDATE settings SET value = 'wrong' WHERE name = 'looks_done';
        INSERT INTO settings VALUES ('since', 'then')",
    );
    store.dump_verified(&database);
    let names = || database.query("SELECT name FROM settings WHERE value <> 'wrong' ORDER BY name");
    assert_eq!(names(), "looks_table\nsince");
    let mut section =
        Section::new("Rows were deleted or changed by mistake some time ago", &store, &database.name);
    section.export("MOMENT", moment);
    section.export("TABLE", "settings");
    section.follow(1);
    let shown = section.follow(1).stdout_text();
    for row in ["| binary ", "| looks_done ", "| since "] {
        assert!(shown.contains(row), "{row}: {shown}");
    }
    assert_eq!(names(), "looks_table\nsince", "looking changes nothing");
    section.follow(1);
    assert_eq!(names(), "binary\nlooks_table\nsince", "what was gone is back, and all else as it was");
    section.follow(2);
    whole.holds("after the whole table came back");
    section.end();
}

/// What a mistake does to one table of ten goes by one command, and comes back by another.
fn while_the_log_is_followed(place: &str, mistake: &str) {
    let options = ["--log-bin=b", "--server-id=7"];
    let (server, store) = (Server::private(place, &options), Store::new());
    let tool = |name: &str| store.tool(name).env("FWB_DEFAULTS_FILE", server.defaults_file());
    let table =
        |n| format!("CREATE TABLE t{n} (id INT PRIMARY KEY, a TEXT); INSERT INTO t{n} VALUES (1, 'x');");
    let tables: Vec<String> = (0..9).map(table).collect();
    let files = "CREATE TABLE files (id INT PRIMARY KEY, a TEXT)";
    server.sql(format!("CREATE DATABASE d; USE d; {files}; {}", tables.concat()));
    let base = tool("fwb-dump").args(["-B", "d"]).run().ok().json();
    tool("fwb-verify").arg(name(&base)).run().ok();
    server.sql("USE d; INSERT INTO files VALUES (1, 'one'), (2, 'two'); UPDATE files SET a='x' WHERE id=2;");
    let tables = || server.query("SHOW TABLES FROM d LIKE 'files'");
    let rows = || {
        if tables().is_empty() { "gone".into() } else { server.query("SELECT * FROM d.files ORDER BY id") }
    };
    let before = rows();
    let moment = chrono::Local::now().format("%Y-%m-%d %H:%M:%S").to_string();
    server.sql(format!("USE d; {mistake}; INSERT INTO t0 VALUES (2, 'after the mistake');"));
    let after = rows();
    tool("fwb-follow").arg("--once").run().ok();
    let mut section =
        Section::new("Something was dropped or changed at 14:03, and the log is followed", &store, "d");
    section.exported.push(("FWB_DEFAULTS_FILE", server.defaults_file().to_str().unwrap().to_owned()));
    section.export("MOMENT", moment);
    section.export("TABLE", "files");
    let out = section.follow(1).stdout_text();
    let shown = mistake.replace("TABLE files", "TABLE `files`");
    let line = out.lines().position(|line| line.contains(mistake) || line.contains(&shown));
    let line = line.unwrap_or_else(|| panic!("the mistake is not in {out}"));
    let gtid = out.lines().nth(line - 1).unwrap().split_whitespace().nth(2).unwrap().to_owned();
    assert!(out.contains("reachable"), "{out}");
    section.export("GTID", gtid);
    let report = objects(&section.follow(1)).pop().unwrap();
    assert_eq!(report["tables"], 1, "{report}");
    assert_eq!(rows(), before);
    assert_eq!(
        server.query("SELECT COUNT(*) FROM d.t0"),
        "2",
        "what came after the mistake stays in the other tables"
    );
    section.follow(1);
    assert_eq!(rows(), after, "and it is taken back");
    section.end();
}

#[test]
fn rows_that_were_deleted_while_the_log_is_followed() {
    while_the_log_is_followed("runbook-moment", "DELETE FROM files");
}

#[test]
fn a_table_that_was_dropped_while_the_log_is_followed() {
    while_the_log_is_followed("runbook-dropped", "DROP TABLE files");
}

/// Damages the part of an artifact that holds a table.
fn break_table(store: &Store, manifest: &Value, table: &str) {
    let sections = manifest["sections"].as_array().unwrap();
    let section = sections.iter().find(|section| section["name"] == table).unwrap();
    let middle = section["offset"].as_u64().unwrap() + section["size"].as_u64().unwrap() / 2;
    let mut bytes = fs::read(store.artifact(manifest)).unwrap();
    bytes[usize::try_from(middle).unwrap()] ^= 0x55;
    store.write(name(manifest), bytes);
}

#[test]
fn a_broken_backup() {
    let (database, store, older) = backed_up("rb_broken");
    let whole = Before::new(&database);
    let newest = store.dump_verified(&database);
    break_table(&store, &newest, "settings");
    let damage = || {
        database.sql("SET foreign_key_checks = 0; DELETE FROM settings; DELETE FROM projects; DROP TABLE files; TRUNCATE file_views");
        assert!(!whole.is_again());
    };
    damage();
    let mut section = Section::new("The backup is broken", &store, &database.name);
    let out = section.follow(1).stdout_text();
    assert!(out.contains(&format!("{}\tfalse\t", name(&newest))), "{out}");
    assert!(out.contains(&format!("{}\ttrue\t", name(&older))), "{out}");
    let listed = out.lines().filter(|line| line.contains(" proved (")).count();
    assert_eq!(listed, 1, "the whole one is listed: {out}");
    section.follow(1);
    whole.holds("after the restore of the whole one");

    damage();
    section.export("BACKUP", name(&newest));
    let out = section.follow(2).stdout_text();
    assert!(out.contains("whole: file_views files projects shares\n"), "{out}");
    store.tool("fwb-restore").args(["--yes", "--tables", "settings", name(&older)]).run().ok();
    whole.holds("after the whole tables, and one of the older backup");

    let sections = newest["sections"].as_array().unwrap();
    let settings = sections.iter().find(|section| section["name"] == "settings").unwrap();
    let cut = usize::try_from(settings["offset"].as_u64().unwrap() + 100).unwrap();
    store.write(name(&newest), &fs::read(store.artifact(&newest)).unwrap()[..cut]);
    damage();
    section = Section::new("The backup is broken", &store, &database.name);
    section.export("BACKUP", name(&newest));
    section.skip(2);
    let out = section.follow(2).stdout_text();
    assert!(out.contains("it is truncated") && out.contains("whole: file_views files projects\n"), "{out}");
    store.tool("fwb-restore").args(["--yes", "--tables", "settings,shares", name(&older)]).run().ok();
    whole.holds("after those of the file that was cut short");
    section.end();
}

#[test]
fn a_full_disk() {
    let (database, store, made) = backed_up("rb_full");
    let whole = Before::new(&database);
    let old: Vec<String> = [24 * 9, 24 * 5].into_iter().map(|hours| store.aged(&made, hours)).collect();
    let young = store.aged(&made, 24);
    let restored = store.aged(&made, 24 * 2);
    let kept = store.aged(&made, 2);
    for safety in [&restored, &kept] {
        store.edit(safety, "kind", json!("safety"));
    }
    let mut section = Section::new("The disk is full", &store, &database.name);
    let out = section.follow(1).stdout_text();
    assert!(old.iter().all(|name| out.contains(&format!(" {name}\n"))), "{out}");
    assert!(old.iter().all(|name| !store.holds(name)), "the old ones are gone");
    assert!([name(&made), &young, &restored, &kept].into_iter().all(|name| store.holds(name)));
    section.follow(1);
    assert!(!store.holds(&restored) && store.holds(&kept) && store.holds(name(&made)));
    let out = section.follow(1).stdout_text();
    assert!(out.contains("\"ok\":true"), "{out}");

    // The server's disk: two restores have kept what they replaced.
    for _ in 0..2 {
        store.tool("fwb-restore").args(["--yes", "--no-safety-backup", name(&made)]).run().ok();
    }
    assert_eq!(swap::left(Server::shared(), &database.name).len(), 2);
    database.sql("SET foreign_key_checks = 0; DELETE FROM files; DROP TABLE settings");
    let out = section.follow(1).stdout_text();
    assert!(out.contains(&format!("{}__before_", database.name)), "{out}");
    assert!(swap::left(Server::shared(), &database.name).is_empty());
    assert!(!whole.is_again());
    section.follow(1);
    whole.holds("after the restore in place");
    assert!(swap::left(Server::shared(), &database.name).is_empty(), "it takes no room for a second copy");
    section.end();
}

#[test]
fn a_restore_that_was_cut_off() {
    let (server, store) = (Server::private("runbook", &[]), Store::new());
    let tool = |name: &str| store.tool(name).env("FWB_DEFAULTS_FILE", server.defaults_file());
    server.sql(format!("CREATE DATABASE d; USE d; {}", swap::BEFORE));
    let dump = tool("fwb-dump").args(["-B", "d"]).run().ok().json();
    tool("fwb-verify").arg(name(&dump)).run().ok();
    let whole = swap::state(&server);
    let cut_off = |victim: &str| {
        server.sql(format!("USE d; {}", swap::AFTER));
        assert_ne!(swap::state(&server), whole);
        let held = hold(&server, "d", "START TRANSACTION; SELECT * FROM more; DO SLEEP(1000)");
        let mut child = tool("fwb-restore").args(["--yes", "--no-safety-backup", name(&dump)]).spawn();
        waits(&server, "RENAME TABLE");
        let pid = if victim == "server" { server.pid() } else { child.id() };
        signal(pid, "KILL");
        child.wait().unwrap();
        release(held);
        if victim == "server" {
            restart(&server);
        } else {
            quiet(&server);
        }
        assert!(!swap::left(&server, "d").is_empty(), "something was left");
    };
    for victim in ["tool", "server"] {
        let mut section = Section::new("The restore was cut off", &store, "d");
        section.exported.push(("FWB_DEFAULTS_FILE", server.defaults_file().to_str().unwrap().to_owned()));
        cut_off(victim);
        let out = section.follow(1).stdout_text();
        assert!(out.contains("fwb-restore") && out.contains("d__shadow_"), "{victim}: {out}");
        let report = objects(&section.follow(1)).pop().unwrap();
        assert!(report["recovered"].as_array().is_some_and(|told| !told.is_empty()), "{victim}: {report}");
        assert_eq!(swap::state(&server), whole, "{victim}");
        cut_off(victim);
        section.follow(1);
        let left = swap::left(&server, "d");
        assert!(left.iter().all(|name| name.starts_with("d__before_")), "{victim}: in order again: {left:?}");
        section.end();
        server.sql(format!("DROP DATABASE d; CREATE DATABASE d; USE d; {}", swap::BEFORE));
    }
}

#[test]
fn a_restore_that_went_wrong_afterwards() {
    let (database, store, old) = backed_up("rb_wrong");
    database.sql(
        "INSERT INTO shares VALUES (1, 'since the backup'); ALTER TABLE projects ADD owner INT; DROP PROCEDURE forget_views;
        CREATE VIEW share_count AS SELECT COUNT(*) AS n FROM shares",
    );
    let whole = Before::new(&database);
    let restore = |options: &[&str]| {
        store.tool("fwb-restore").arg("--yes").args(options).arg(name(&old)).run().ok();
        assert!(!whole.is_again());
    };
    restore(&[]);
    let mut section = Section::new("A restore went wrong afterwards", &store, &database.name);
    section.follow(1);
    whole.holds("after the undo");
    restore(&["--strategy", "in-place", "--drop-before"]);
    section.follow(1);
    whole.holds("after the restore of the safety backup");
    section.end();
}

#[test]
fn a_pod_that_was_restarted() {
    let (database, store, manifest) = backed_up("rb_pod");
    let whole = Before::new(&database);
    let pod = Pod::new();
    let section = || Section::new("The pod was restarted", &store, &database.name).in_pod(&pod);
    let restore = || pod.tool(&store, "fwb-restore").args(["--yes", name(&manifest)]);

    // It had its volume: the tables are there, with their rows.
    let mut here = section();
    let out = here.follow(1).stdout_text();
    assert!(out.contains("| files ") && out.contains("|        40 |  40 |"), "{out}");

    // It was replaced in the middle of a restore: kubectl fails from some moment on.
    for calls in [3, 6, 9] {
        database.sql("DELETE FROM files; UPDATE projects SET name = id");
        let damaged = database.content();
        fs::remove_file(pod.file("count")).ok();
        pod.on_exec(&format!(
            r#"echo >>"$dir/count"
            if [ "$(wc -l <"$dir/count")" -gt {calls} ]; then echo "error: unable to upgrade connection" >&2; exit 1; fi"#
        ));
        let failed = restore().run().fails(1, &["mariadb-0"]);
        assert_eq!(database.content(), damaged, "after {calls} calls: {}", failed.stderr);
        pod.on_exec("");
        pod.pods(&[Pod::ready("mariadb-1")]);
        let mut again = section();
        again.follow(2);
        whole.holds("after the restore was run again");
        again.end();
        pod.pods(&[Pod::ready("mariadb-0")]);
    }

    // It had none: the server is empty.
    database.drop_now();
    let mut lost = section();
    lost.blocks.next();
    lost.follow(1);
    whole.holds("after the restore");
    lost.end();

    // What the section says of the messages.
    pod.on_get("echo 'Unable to connect to the server: dial tcp: connection refused' >&2; exit 1");
    restore().run().fails(1, &["kubectl get pods failed", "Unable to connect"]);
    pod.on_get("");
    let mut ending = Pod::ready("mariadb-0");
    ending["metadata"]["deletionTimestamp"] = json!("2025-07-25T17:02:06Z");
    pod.pods(&[ending]);
    restore().run().fails(1, &["no pod is ready"]);
    pod.pods(&[Pod::ready("mariadb-0"), Pod::ready("mariadb-1")]);
    restore().run().fails(2, &["2 pods are ready"]);
}

#[test]
fn a_node_that_was_lost() {
    let (database, store, _) = backed_up("rb_node");
    let mut section = Section::new("A node was lost", &store, &database.name);
    let out = section.follow(1).stdout_text();
    assert!(out.ends_with("the copy is whole and fresh\n"), "{out}");
    section.end();
}

#[test]
fn a_cluster_that_was_rebuilt() {
    let (database, store, manifest) = backed_up("rb_rebuilt");
    let whole = Before::new(&database);
    let pod = Pod::new();
    for is_pod in [false, true] {
        database.drop_now();
        fs::remove_file(store.sidecar(&manifest)).unwrap();
        let mut section = Section::new("The cluster was rebuilt", &store, &database.name);
        if is_pod {
            section = section.in_pod(&pod);
        }
        section.follow(1);
        whole.holds("after the restore from the store alone");
        assert!(store.holds(name(&manifest)), "the sidecar is back");
        database.drop_now();
        let out = section.follow(1).stdout_text();
        let told = out.lines().filter(|line| line.starts_with('[')).count();
        assert_eq!(told, 2, "a line of the plan and one of the restore: {out}");
        whole.holds("after the restore of the whole server");
        section.end();
    }
}

#[test]
fn last_nights_backup() {
    let (database, store, manifest) = backed_up("rb_night");
    store.aged(&manifest, 30);
    fs::remove_file(store.artifact(&manifest)).unwrap();
    fs::remove_file(store.sidecar(&manifest)).unwrap();
    let mut section = Section::new("Is last night's backup there?", &store, &database.name);
    let out = section.follow(1);
    assert!(out.stdout_text().ends_with("no: exit 3\n"), "{}", out.stdout_text());
    assert!(out.stderr.contains(&database.name), "{}", out.stderr);
    // The night's run has told why.
    nightly(&store).env("FWB_DATABASE", "no_such_database").run().exits(1);
    let told = objects(&section.follow(1)).pop().unwrap();
    assert_eq!([&told["outcome"], &told["stage"]], ["failed", "dump"], "{told}");
    assert!(told["reason"].as_str().is_some_and(|reason| reason.contains("no_such_database")), "{told}");
    section.follow(1);
    section.end();
    let mut again = Section::new("Is last night's backup there?", &store, &database.name);
    assert!(again.follow(1).stdout_text().ends_with("yes\n"));
}

#[test]
fn the_records_of_the_runs_are_read_as_the_page_about_the_cluster_says() {
    let (database, store) = (Database::sample("rb_runs"), Store::new());
    let run = |what: &str, database: &str| {
        let run = bash(r#"exec fwb-run "$WHAT""#).env("WHAT", what).env("FWB_RUN_DEADLINE", "0s");
        run.env("FWB_STORE", store.path()).env("FWB_DATABASE", database).run()
    };
    let read = || {
        let blocks = CLUSTER.split("```sh test\n").skip(1).map(|rest| rest.split("\n```\n").next().unwrap());
        let script = blocks.collect::<Vec<_>>().join("\n");
        let script = bash(&script).env("FWB_STORE", store.path()).env("FWB_DATABASE", &database.name);
        script.run().ok().stdout_text()
    };
    run("backup", &database.name).ok();
    run("backup", "no_such_database").exits(1);
    run("drill", &database.name).ok();
    let out = read();
    for part in [
        "last night's backup is there, and proved\n",
        r#"{"what":"backup","month":{"days":30,"ok":1,"failed":0,"#,
        "\"stage\":\"dump\"",
        "\"restore_seconds\":",
        "\"free_bytes\":",
        // The run of the database that nobody has.
        "FWB-3003",
        "somebody is needed\n",
    ] {
        assert!(out.contains(part), "{part} in: {out}");
    }
}

#[test]
fn what_no_test_can_run_is_at_least_bash() {
    let pages = [DOCUMENT, CLUSTER, include_str!("../README.md")].concat();
    let blocks = pages.split("\n```sh\n").skip(1).map(|rest| rest.split("\n```\n").next().unwrap());
    let blocks: Vec<&str> = blocks.collect();
    assert!(blocks.len() > 20, "{}", blocks.len());
    for block in blocks {
        let out = Tool::program("bash").args(["-n", "-c", block]).run().ok();
        assert_eq!(out.stderr, "", "{block}");
    }
}

#[test]
fn the_pages_name_what_is_there() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut manifests = String::new();
    let mut left = vec![root.join("k8s")];
    while let Some(path) = left.pop() {
        if path.is_dir() {
            left.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            manifests += &fs::read_to_string(&path).unwrap();
        }
    }
    let pages = [DOCUMENT, CLUSTER, include_str!("../README.md")].concat();
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || "-_./".contains(letter);
    for word in pages.split(|letter: char| !is_part(letter)) {
        let word = word.trim_end_matches('.');
        if word.starts_with("k8s/") || word.starts_with("scripts/") {
            assert!(root.join(word).exists(), "{word} is in the repository");
        }
        if word.starts_with("filewallball-") || word.starts_with("FWB_STORE_") {
            assert!(manifests.contains(word), "{word} is in the manifests");
        }
    }
    let version = format!("filewallball/fwb-tools:{}", env!("CARGO_PKG_VERSION"));
    assert!(manifests.contains(&version), "{version}");
    for text in [&manifests, &pages] {
        assert_eq!(text.matches("filewallball/fwb-tools:").count(), text.matches(&version).count());
    }
    let path = manifests.split("path: /home/").nth(1).expect("the directory of the backups");
    let path = path.lines().next().unwrap();
    assert!(DOCUMENT.contains(path) && CLUSTER.contains(path), "{path}");
}
