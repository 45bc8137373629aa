//! A restore to any moment is the database as it was then. Whoever deleted rows by mistake at 14:03 wants all that was there at
//! 14:02, and nothing of what came after.

mod chain_proof;
mod counters;
mod random;
mod steps;
mod under_load;

use std::fs;

use serde_json::Value;

use crate::support::content::{Shown, content, differences};
use crate::support::{Server, Store, Tool, name, unpacked};

/// A server with a log, and a backup of its database from before the log's end.
pub(crate) struct Scene {
    server: Server,
    store: Store,
    log: tempfile::TempDir,
    base: Value,
}

/// The database as it was after a group.
struct Moment {
    step: usize,
    gtid: String,
    content: Vec<Shown>,
}

impl Scene {
    fn new(server: impl FnOnce(&str) -> Server) -> Self {
        let log = tempfile::tempdir().expect("a directory");
        let server = server(&format!("--log-bin={}", log.path().join("binlog").display()));
        server.sql(steps::BASE);
        let store = Store::new();
        let dumped = on(&server, store.tool("fwb-dump")).args(["-B", "shop_x"]).run().ok().json();
        on(&server, store.tool("fwb-verify")).arg(name(&dumped)).run().ok();
        Self { server, store, log, base: dumped }
    }

    fn gtid(&self) -> String {
        self.server.query("SELECT @@GLOBAL.gtid_binlog_pos")
    }

    fn content(&self) -> Vec<Shown> {
        let mut shown = content(&self.server.defaults_file(), "shop_x");
        for one in &mut shown {
            one.text = without_counter(&one.text);
        }
        shown
    }

    /// A restore to a moment of the scene's log.
    fn restore(&self) -> Tool {
        let tool = on(&self.server, self.store.tool("fwb-restore"));
        tool.arg("--log").arg(self.log.path()).args(["-B", "shop_x", "--yes"])
    }

    /// Takes the steps, and looks at the database after each.
    fn take(&self, steps: &[&str]) -> Vec<Moment> {
        let mut moments = Vec::new();
        for (step, sql) in steps.iter().enumerate() {
            let sql = sql.replace("{dir}", &self.log.path().display().to_string());
            self.server.sql(format!("USE shop_x; {sql}"));
            moments.push(Moment { step, gtid: self.gtid(), content: self.content() });
        }
        moments
    }
}

/// A table's definition without where its counter stands. A server gives out numbers ahead of rows, and what a transaction took that
/// was rolled back is in no log.
fn without_counter(text: &str) -> String {
    let Some((before, after)) = text.split_once(" AUTO_INCREMENT=") else { return text.to_owned() };
    format!("{before}{}", after.trim_start_matches(|digit: char| digit.is_ascii_digit()))
}

fn on(server: &Server, tool: Tool) -> Tool {
    tool.env("FWB_DEFAULTS_FILE", server.defaults_file())
}

fn installed_options() -> [&'static str; 3] {
    ["--server-id=7", "--binlog-format=MIXED", "--log-bin-trust-function-creators=1"]
}

fn installed(name: &'static str) -> impl FnOnce(&str) -> Server {
    move |log| Server::private(name, &[&[log], &installed_options()[..]].concat())
}

#[test]
fn a_database_is_as_it_was_at_any_moment() {
    let scene = Scene::new(installed("moment_any"));
    let moments = scene.take(steps::STEPS);
    let whole = crate::torture::whole();
    let chosen = moments
        .iter()
        .filter(|moment| whole || moment.step % 7 == 5 || moment.step + 1 == steps::STEPS.len());
    for moment in chosen {
        let what = format!("step {}, {}: {}", moment.step, moment.gtid, steps::STEPS[moment.step]);
        // Aria's tables are in it, which no swap takes.
        let restored = scene.restore().args(["--until", &moment.gtid, "--strategy", "in-place"]).run();
        assert_eq!(restored.code, Some(0), "{what}: {}", restored.stderr);
        let different = differences(&moment.content, &scene.content());
        assert!(different.is_empty(), "{what}: {different:#?}");
    }
}

/// "Just before the DROP": the group that did the harm is named, and what came after it is not wanted, or is.
#[test]
fn a_mistake_is_gone_around() {
    let scene = Scene::new(installed("moment_mistake"));
    scene.server.sql("USE shop_x; INSERT INTO t (a) VALUES ('before')");
    let before = scene.content();
    scene.server.sql("USE shop_x; DELETE FROM t WHERE id <= 500");
    let mistake = scene.gtid();
    scene.server.sql("USE shop_x; INSERT INTO p VALUES (99)");
    let after = scene.gtid();
    let restored = scene.restore().args(["--before", &mistake]).run().ok().json();
    let made = restored["backup"].as_str().unwrap().to_owned();
    assert!(made.contains("_moment_"), "{made}");
    assert!(differences(&before, &scene.content()).is_empty());
    let skipped = scene.restore().args(["--skip", &mistake, "--until", &after, "--tables", "t,p"]).run();
    assert_eq!(skipped.code, Some(0), "{}", skipped.stderr);
    let counts =
        scene.server.query("SELECT (SELECT COUNT(*) FROM shop_x.t), (SELECT COUNT(*) FROM shop_x.p)");
    assert_eq!(counts, "1001\t4");
    let manifest = scene.store.read_sidecar(&serde_json::json!({ "name": made }));
    assert_eq!(manifest["kind"], "moment");
    assert_eq!(manifest["moment"]["base"], scene.base["name"]);
    assert_eq!(manifest["moment"]["before"], *mistake);
    // It is no fresh backup of the database.
    let latest = scene.store.tool("fwb-ls").args(["--latest"]).run().ok().json();
    assert_eq!(latest["name"], scene.base["name"]);
}

/// A table that no log has made: what writes to it cannot be replayed, and whoever asks is told what to go around.
#[test]
fn a_replay_that_fails_names_its_group() {
    let scene = Scene::new(installed("moment_fails"));
    scene.server.sql("USE shop_x; SET sql_log_bin=0; CREATE TABLE hidden (id INT PRIMARY KEY)");
    scene.server.sql("USE shop_x; INSERT INTO t (a) VALUES ('before')");
    scene.server.sql("USE shop_x; INSERT INTO hidden VALUES (1)");
    let group = scene.gtid();
    scene.server.sql("USE shop_x; INSERT INTO t (a) VALUES ('after')");
    let end = scene.gtid();
    let rows = || scene.server.query("SELECT COUNT(*) FROM shop_x.t");
    let before = rows();
    let failed = scene.restore().args(["--until", &end]).run();
    failed.fails(3, &[&format!("at {group}: "), "hidden", &format!("--skip {group}")]);
    scene.server.sql("USE shop_x; DELETE FROM t WHERE id > 10");
    scene.restore().args(["--until", &end, "--skip", &group, "--strategy", "in-place"]).run().ok();
    assert_eq!(rows(), before);
}

/// What fwb-follow has kept is the log, wherever the server's own files are.
#[test]
fn the_log_that_was_followed_is_replayed() {
    let scene = Scene::new(installed("moment_followed"));
    scene
        .server
        .sql("USE shop_x; INSERT INTO t (a) VALUES ('before'); FLUSH LOGS; UPDATE t SET a='x' WHERE id<9");
    let (before, gtid) = (scene.content(), scene.gtid());
    scene.server.sql("USE shop_x; DROP TABLE c, p");
    on(&scene.server, scene.store.tool("fwb-follow")).arg("--once").run().ok();
    let tool = || {
        on(&scene.server, scene.store.tool("fwb-restore")).args(["-B", "shop_x", "--yes", "--until", &gtid])
    };
    let plan = tool().arg("--dry-run").run().ok().json();
    assert!(plan["chain"].is_string() && plan["pieces"].as_u64() > Some(0), "{plan}");
    assert_eq!(plan["log"]["last"], *gtid);
    let restored = tool().run().ok().json();
    assert!(differences(&before, &scene.content()).is_empty(), "{restored}");
}

/// Nothing was written between the backup and the moment: the moment is the backup. Whoever takes the time that stands in its name,
/// or goes before the first transaction after it, gets just that.
#[test]
fn a_moment_with_nothing_to_replay_is_the_base() {
    for kind in ["mariadb-10.11", "mysql-9.7"] {
        let scene = chain_proof::scene(kind, "nothing");
        let before = scene.content();
        scene.server.sql("USE shop_x; INSERT INTO p VALUES (99)");
        let first = kind.starts_with("mariadb").then(|| scene.gtid());
        scene.server.sql("USE shop_x; FLUSH LOGS; INSERT INTO p VALUES (100)");
        on(&scene.server, scene.store.tool("fwb-follow")).args(["--once", "--from", "oldest"]).run().ok();
        let tool = |moment: [&str; 2]| {
            let tool = on(&scene.server, scene.store.tool("fwb-restore"));
            // MySQL has no swap.
            let tool = tool.args(["-B", "shop_x", "--yes", "--strategy", "in-place"]).args(moment);
            tool.env("FWB_DRILL_SERVER_DIR", unpacked(kind))
        };
        let began = scene.base["started_at"].as_str().unwrap();
        let restored = tool(["--until", began]).run();
        assert_eq!(restored.code, Some(0), "{kind}: {}", restored.stderr);
        let different = differences(&before, &scene.content());
        assert!(different.is_empty(), "{kind}: {different:#?}");
        let made = restored.json()["backup"].as_str().unwrap().to_owned();
        let moment = scene.store.read_sidecar(&serde_json::json!({ "name": made }))["moment"].clone();
        assert_eq!(
            (&moment["base"], &moment["groups"]),
            (&scene.base["name"], &0.into()),
            "{kind}: {moment}"
        );
        if let Some(first) = first {
            let planned = tool(["--before", &first]).arg("--dry-run").run().ok();
            assert_eq!(planned.json()["log"]["groups"], 0, "{}", planned.stdout_text());
        }
    }
}

/// What is left of a chain that has lost segments is no end of the log, however far its follower has come.
#[test]
fn a_log_that_has_lost_its_end_reaches_no_further_than_what_is_left() {
    let scene = Scene::new(installed("moment_lost_end"));
    let insert = |value: &str| {
        scene.server.sql(format!("USE shop_x; INSERT INTO t (a) VALUES ('{value}')"));
        let follow = on(&scene.server, scene.store.tool("fwb-follow")).arg("--once").run().ok().json();
        (scene.gtid(), follow["safe_until"].as_str().unwrap().to_owned())
    };
    let (kept, before) = (insert("kept").0, scene.content());
    let [_, (skipped, until)] = ["lost", "lost too"].map(insert);
    let segments = super::follow::segments(&scene.store);
    let lost = |count: usize| {
        for segment in &segments[segments.len() - count..] {
            fs::remove_file(segment).ok();
        }
    };
    let restore = |arguments: &[&str]| {
        let tool = on(&scene.server, scene.store.tool("fwb-restore"));
        tool.args(["-B", "shop_x", "--yes"]).args(arguments).run()
    };
    for count in [1, segments.len() - 1] {
        lost(count);
        for arguments in [["--skip", &kept], ["--until", &until], ["--skip", &skipped]] {
            let refused = restore(&arguments);
            assert_eq!(refused.code, Some(3), "{count} {arguments:?}: {}", refused.stderr);
        }
    }
    assert!(restore(&["--skip", &kept]).stderr.contains("is whole up to"));
    restore(&["--until", &kept]).ok();
    assert!(differences(&before, &scene.content()).is_empty());
}

/// What cannot be reached is said before anything is loaded.
#[test]
fn a_moment_that_is_not_in_the_log_is_refused() {
    let scene = Scene::new(installed("moment_refused"));
    let refused = scene.restore().args(["--until", "0-7-4711"]).run();
    assert_eq!(refused.code, Some(3), "{}", refused.stderr);
    assert!(
        refused.stderr.contains("0-7-4711") && refused.stderr.contains("does not have that group"),
        "{}",
        refused.stderr
    );
    let early = scene.restore().args(["--until", "2025-07-25 17:02"]).run();
    assert_eq!(early.code, Some(3), "{}", early.stderr);
    let plan = scene.restore().args(["--until", "now", "--dry-run", "--format", "text"]).run();
    assert!(plan.code == Some(0) || plan.stderr.contains("time"), "{}", plan.stderr);
}
