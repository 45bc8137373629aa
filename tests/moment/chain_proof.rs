//! The daily proof: the backup of yesterday and the log since make the backup of today. What no log has is found by it.

use serde_json::Value;

use super::{Scene, installed_options, on, steps};
use crate::support::{Server, Store, Tool, name, unpacked};

/// A server whose log is followed, and a backup from before all that comes.
pub(super) fn scene(kind: &str, name: &str) -> Scene {
    let base = if kind.starts_with("mysql") { steps::MYSQL_BASE } else { steps::BASE };
    scene_of(kind, name, base)
}

/// The same with a database of one's own.
pub(super) fn scene_of(kind: &str, name: &str, base: &str) -> Scene {
    let has_gtids: &[&str] = &["--gtid-mode=ON", "--enforce-gtid-consistency=ON"];
    scene_with(kind, name, base, if kind.starts_with("mysql") { has_gtids } else { &[] })
}

/// The same with options of one's own.
fn scene_with(kind: &str, name: &str, base: &str, own: &[&str]) -> Scene {
    let options = [&["--log-bin=b"], &installed_options()[..], own].concat();
    let log = tempfile::tempdir().expect("a directory");
    let server = Server::of(kind, &format!("chain-{name}-{kind}"), &options);
    server.sql(base);
    let store = Store::new();
    let base = dump(&server, &store);
    Scene { server, store, log, base }
}

fn dump(server: &Server, store: &Store) -> Value {
    let dumped = on(server, store.tool("fwb-dump")).args(["-B", "shop_x"]).run().ok().json();
    on(server, store.tool("fwb-verify")).arg(self::name(&dumped)).run().ok();
    dumped
}

impl Scene {
    /// The log, followed to its end, and a backup held against it.
    fn prove(&self, kind: &str, backup: &Value) -> Tool {
        on(&self.server, self.store.tool("fwb-follow")).args(["--once", "--from", "oldest"]).run().ok();
        let verify = self.store.tool("fwb-verify").env("FWB_DRILL_SERVER_DIR", unpacked(kind));
        verify.args(["--level", "chain"]).arg(name(backup))
    }
}

#[test]
fn base_and_log_make_the_next_backup() {
    for kind in ["mariadb-10.11", "mariadb-11.8", "mysql-9.7"] {
        let scene = scene(kind, "whole");
        for step in steps::of(kind.starts_with("mysql")) {
            let step = step.replace("{dir}", &scene.log.path().display().to_string());
            scene.server.sql(format!("USE shop_x; {step}"));
        }
        let next = dump(&scene.server, &scene.store);
        scene.server.sql("USE shop_x; INSERT INTO t (a) VALUES ('later')");
        let proved = scene.prove(kind, &next).run();
        assert_eq!(proved.code, Some(0), "{kind}: {}", proved.stderr);
        let manifest = proved.json();
        let proof = &manifest["chain_proof"];
        assert_eq!((&proof["ok"], &proof["base"]), (&true.into(), &scene.base["name"]), "{kind}: {proof}");
        assert!(proof["groups"].as_u64() > Some(50), "{kind}: {proof}");
        assert_eq!(scene.store.read_sidecar(&next)["chain_proof"], *proof, "{kind}");
        let night = scene.store.tool("fwb-run").env("FWB_DRILL_SERVER_DIR", unpacked(kind));
        let night = night.args(["drill", "--prove-log", "-B", "shop_x"]).run();
        assert_eq!(night.code, Some(0), "{kind}: {}", night.stderr);
        let steps = night.json()["steps"].as_array().unwrap().len();
        assert_eq!(steps, 3, "{kind}: the list, the drill and the log: {}", night.stdout_text());
        // There is nothing before the first.
        let first = scene.prove(kind, &scene.base).run();
        assert_eq!(first.code, Some(0), "{kind}: {}", first.stderr);
        assert!(first.stderr.contains("nothing to prove"), "{kind}: {}", first.stderr);
        assert!(first.json()["chain_proof"].is_null(), "{kind}: {}", first.stdout_text());
        assert!(scene.store.read_sidecar(&scene.base)["chain_proof"].is_null());
    }
}

/// Nothing was written between two backups: of one place in the log, perhaps of one second.
#[test]
fn an_idle_night_is_proved_too() {
    let kind = "mariadb-10.11";
    let scene = scene(kind, "idle");
    let next = dump(&scene.server, &scene.store);
    assert_eq!(next["binlog"], scene.base["binlog"]);
    let proved = scene.prove(kind, &next).run().ok().json();
    let proof = &proved["chain_proof"];
    assert_eq!((&proof["ok"], &proof["base"]), (&true.into(), &scene.base["name"]), "{proof}");
    assert_eq!(proof["groups"], 0, "{proof}");
    let first = scene.prove(kind, &scene.base).run().ok();
    assert!(first.stderr.contains("nothing to prove"), "{}", first.stderr);
}

/// A server of MySQL's replays a log with GTIDs or one without, by what it is told, whatever it does by default.
#[test]
fn a_log_without_gtids_is_replayed_too() {
    let kind = "mysql-9.7";
    let own = ["--gtid-mode=OFF", "--enforce-gtid-consistency=OFF"];
    let scene = scene_with(kind, "anonymous", steps::MYSQL_BASE, &own);
    scene.server.sql("USE shop_x; INSERT INTO t (a) VALUES ('x'); CREATE TABLE n AS SELECT * FROM p");
    let next = dump(&scene.server, &scene.store);
    let proved = scene.prove(kind, &next).run();
    assert_eq!(proved.code, Some(0), "{}", proved.stderr);
    assert!(proved.json()["chain_proof"]["groups"].as_u64() > Some(0), "{}", proved.stdout_text());
}

/// What is written under `sql_log_bin=0` is in no log, and the chain is whole without it.
#[test]
fn what_no_log_has_is_found() {
    for kind in ["mariadb-10.11", "mysql-9.7"] {
        let scene = scene(kind, "hidden");
        let hidden = [
            ("UPDATE t SET a='hidden' WHERE id=7", "table t"),
            ("INSERT INTO p VALUES (4711)", "table p"),
            ("DELETE FROM c WHERE id=3", "table c"),
            ("CREATE TABLE nobody_knows (a INT)", "table nobody_knows"),
            ("ALTER TABLE p COMMENT 'hidden'", "table p"),
            ("CREATE VIEW v AS SELECT 1 AS one", "view v"),
            ("DROP EVENT e1", "event e1"),
            ("CREATE PROCEDURE pr() SELECT 1", "procedure pr"),
            ("CREATE TRIGGER tr BEFORE INSERT ON p FOR EACH ROW SET NEW.id=NEW.id", "trigger tr"),
        ];
        // MySQL's throwaway servers take their time.
        let every = if kind.starts_with("mysql") { 4 } else { 1 };
        for (sql, expected) in hidden.into_iter().step_by(every) {
            scene
                .server
                .sql(format!("USE shop_x; INSERT INTO t (a) VALUES ('logged'); SET sql_log_bin=0; {sql}"));
            let next = dump(&scene.server, &scene.store);
            let proved = scene.prove(kind, &next).run();
            assert_eq!(proved.code, Some(3), "{kind}: {sql}: {}", proved.stderr);
            assert!(proved.stderr.contains(expected), "{kind}: {sql}: {}", proved.stderr);
            let proof = proved.json()["chain_proof"].clone();
            assert_eq!(proof["problems"].as_array().map(Vec::len), Some(1), "{kind}: {sql}: {proof}");
            // The backup is as good as it was.
            assert_eq!(scene.store.read_sidecar(&next)["verification"]["ok"], true);
        }
        let shown = scene.store.tool("fwb-ls").args(["--timeline", "-B", "shop_x"]).run().ok().json();
        assert!(shown["spans"].as_array().is_some_and(|spans| !spans.is_empty()), "{shown}");
    }
}
