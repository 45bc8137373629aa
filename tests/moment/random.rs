//! A drill to a moment at random: that any moment can be reached is known because it is tried each day, and not on the day on which
//! somebody needs it.

use serde_json::Value;

use super::chain_proof::scene;
use super::{Scene, on, steps};
use crate::support::{Tool, name, unpacked};

impl Scene {
    /// The base's database, brought to a moment of what was followed.
    fn reach(&self, kind: &str, more: &[&str]) -> Tool {
        let verify = self.store.tool("fwb-verify").env("FWB_DRILL_SERVER_DIR", unpacked(kind));
        verify.args(["--level", "moment"]).args(more.iter().copied()).arg(name(&self.base))
    }

    fn follow(&self) {
        on(&self.server, self.store.tool("fwb-follow")).args(["--once", "--from", "oldest"]).run().ok();
    }
}

#[test]
fn a_drill_reaches_a_moment_and_says_which() {
    for kind in ["mariadb-10.11", "mysql-9.7"] {
        let scene = scene(kind, "random");
        for step in steps::of(kind.starts_with("mysql")).iter().take(25) {
            scene.server.sql(format!("USE shop_x; {}", step.replace("{dir}", "/nowhere")));
        }
        // What the server passes over is a group too.
        scene.server.sql("CREATE TABLE other.last (a INT)");
        scene.follow();
        let night = scene.store.tool("fwb-run").env("FWB_DRILL_SERVER_DIR", unpacked(kind));
        let night = night.args(["drill", "--prove-log", "--any-moment", "-B", "shop_x"]).run();
        assert_eq!(night.code, Some(0), "{kind}: {}", night.stderr);
        let record = night.json();
        let moments = record["moments"].as_array().unwrap();
        assert_eq!(moments.len(), 1, "{kind}: {record}");
        let first = &moments[0];
        assert_eq!((&first["ok"], &first["base"]), (&true.into(), &scene.base["name"]), "{kind}: {first}");
        // There is one backup, so there is nothing to prove of the log: that is no failure, and is said.
        let said = record["warnings"].to_string();
        assert!(said.contains("nothing to prove"), "{kind}: {said}");
        let again = scene.reach(kind, &["--until", first["until"].as_str().unwrap()]).run();
        assert_eq!(again.code, Some(0), "{kind}: {}", again.stderr);
        let again = again.json()["moment_proof"].clone();
        for field in ["ok", "until", "base", "chain", "last", "groups", "log_size", "rows"] {
            assert_eq!(again[field], first[field], "{kind}: {field}");
        }
        let end = scene.reach(kind, &["--until", "0s"]).run();
        assert!(end.code == Some(0) || end.stderr.contains("without that moment"), "{kind}: {}", end.stderr);
        // What was proved is not kept, and no backup looks otherwise than before.
        let listed = scene.store.tool("fwb-ls").run().ok().stdout_text();
        assert!(listed.lines().count() == 1 && !listed.contains("moment"), "{kind}: {listed}");
    }
}

/// All of the log, to the last group, which is of another database.
#[test]
fn the_end_of_the_log_is_a_moment_too() {
    let scene = scene("mariadb-10.11", "end");
    scene.server.sql("USE shop_x; INSERT INTO t (a) VALUES ('x'); CREATE TABLE other.last (a INT)");
    scene.follow();
    let last = scene.gtid();
    let reached = scene.reach("mariadb-10.11", &["--until", &last]).run().ok().json();
    let proof = &reached["moment_proof"];
    assert_eq!((&proof["last"], &proof["until"]), (&Value::from(&*last), &Value::from(&*last)), "{proof}");
    let rows = scene.server.query(
        "SELECT (SELECT COUNT(*) FROM shop_x.t) + (SELECT COUNT(*) FROM shop_x.p) + (SELECT COUNT(*) FROM shop_x.c) + 1",
    );
    assert_eq!(proof["rows"].to_string(), rows, "{proof}");
}

/// A moment that is not reached is named, so that somebody can look at it.
#[test]
fn a_moment_that_is_not_reached_is_named() {
    let kind = "mariadb-10.11";
    let scene = scene(kind, "unreached");
    let none = scene.reach(kind, &[]).run();
    none.fails(3, &["reach into the last day", "fwb-ls --timeline"]);
    scene.server.sql("USE shop_x; SET sql_log_bin=0; CREATE TABLE hidden (id INT PRIMARY KEY)");
    scene.server.sql("USE shop_x; INSERT INTO hidden VALUES (1)");
    scene.follow();
    let group = scene.gtid();
    let failed = scene.reach(kind, &["--until", &group]);
    let failed = failed.run().fails(3, &[&format!("at {group}: "), "hidden"]);
    let proof = failed.json()["moment_proof"].clone();
    assert_eq!((&proof["ok"], &proof["until"]), (&false.into(), &Value::from(&*group)), "{proof}");
    assert!(proof["problems"][0].as_str().is_some_and(|problem| problem.contains("hidden")), "{proof}");
    let wrong = scene.store.tool("fwb-verify").args(["--until", "1d"]).arg(name(&scene.base)).run();
    wrong.fails(2, &["--level moment"]);
}
