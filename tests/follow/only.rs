//! Segments that have the changes of chosen databases alone: nothing of the others is in them, and what is chosen comes back as from
//! a whole log.

use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use super::{chains, plain, segments, server, start, tool};
use crate::faults::signal;
use crate::support::content::{Shown, content, differences};
use crate::support::{Server, Store, Tool, name, unpacked, until};

/// Changes of another database, in all forms that a log has them. Each says SECRET, and a statement with a number, or blocks of a
/// file, comes before it.
const OF_OTHERS: &str = "USE other;
SET SESSION binlog_format=ROW; INSERT INTO t (a) VALUES ('SECRET row'); UPDATE t SET a='SECRET update'; DELETE FROM t WHERE a='SECRET update';
BEGIN; INSERT INTO t (a) VALUES ('SECRET one'); SAVEPOINT s; INSERT INTO t (a) VALUES ('SECRET two'); ROLLBACK TO s; COMMIT;
INSERT INTO t (a) VALUES (CONCAT('SECRET', REPEAT('x', 3 << 20), 'SECRET'));
SET SESSION binlog_format=STATEMENT; INSERT INTO t (a) VALUES ('SECRET statement'); SET @v='SECRET variable'; INSERT INTO t (a) VALUES (@v);
INSERT INTO other.t (a) VALUES (CONCAT('SECRET', RAND()));
CREATE TABLE SECRET_table (a INT) COMMENT 'SECRET'; CREATE PROCEDURE SECRET_p() SELECT 'SECRET'; DROP PROCEDURE SECRET_p; DROP TABLE SECRET_table;
LOAD DATA INFILE '{dir}/SECRET' INTO TABLE t (a);
SET SESSION binlog_format=ROW; XA START 'x'; INSERT INTO t (a) VALUES ('SECRET xa'); XA END 'x'; XA PREPARE 'x'; XA COMMIT 'x';
CREATE USER SECRET_user@localhost IDENTIFIED BY 'SECRET password'; DROP USER SECRET_user@localhost;
";

/// Changes of the chosen one, of both at once, and from the other one.
const OF_BOTH: &str = "SET SESSION binlog_format=ROW; USE shop;
INSERT INTO t (a) VALUES ('kept'); BEGIN; INSERT INTO other.t (a) VALUES ('SECRET mixed'); INSERT INTO t (a) VALUES ('kept too');
INSERT INTO other.t (a) VALUES ('SECRET again'); COMMIT;
USE other; INSERT INTO shop.t (a) VALUES ('from elsewhere'); SET SESSION binlog_format=STATEMENT; INSERT INTO shop.t (a) VALUES ('a statement');
ALTER TABLE shop.t ADD COLUMN b INT; CREATE TABLE shop.u (id INT PRIMARY KEY AUTO_INCREMENT, a INT);
USE shop; INSERT INTO u (a) VALUES (1), (2); SET @v=3; INSERT INTO u (a) VALUES (@v);
";

struct Scene {
    kind: &'static str,
    server: Server,
    store: Store,
    files: tempfile::TempDir,
}

impl Scene {
    fn new(kind: &'static str, name: &str) -> Self {
        let (server, store) = (server(kind, name), Store::new());
        let files = tempfile::tempdir().expect("a directory");
        std::fs::write(files.path().join("SECRET"), "SECRET line\nSECRET line two\n").unwrap();
        std::fs::set_permissions(files.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        server.sql(
            "CREATE DATABASE other; CREATE TABLE other.t (id INT PRIMARY KEY AUTO_INCREMENT, a LONGTEXT);",
        );
        Self { kind, server, store, files }
    }

    fn tool(&self, name: &str) -> Tool {
        tool(name, &self.server, &self.store)
    }

    /// A tool that starts a throwaway server.
    fn replaying(&self, name: &str) -> Tool {
        self.tool(name).env("FWB_DRILL_SERVER_DIR", unpacked(self.kind))
    }

    fn back_up(&self, database: &str) -> String {
        let dumped = self.tool("fwb-dump").args(["-B", database]).run().ok().json();
        self.tool("fwb-verify").arg(name(&dumped)).run().ok();
        name(&dumped).to_owned()
    }

    fn once(&self) -> Value {
        self.tool("fwb-follow").args(["--once", "--only", "shop"]).run().ok().json()
    }

    fn write(&self, sql: &str) {
        self.server.sql(sql.replace("{dir}", &self.files.path().display().to_string()));
    }

    fn shown(&self) -> Vec<Shown> {
        content(&self.server.defaults_file(), "shop")
    }

    /// Nothing of the other database is in the segments, with their descriptions.
    fn holds_no_secret(&self) {
        for file in segments(&self.store) {
            let found = [std::fs::read(&file).unwrap(), plain(&file)]
                .iter()
                .any(|bytes| bytes.windows(6).any(|part| part == b"SECRET"));
            assert!(!found, "{}: {}", self.kind, file.display());
        }
    }

    /// The log leads from the backup to what is there.
    fn comes_back(&self) {
        let before = self.shown();
        self.write("DELETE FROM shop.t");
        let end = self.tool("fwb-ls").args(["--transactions"]).run().ok().stdout_text();
        let end: Value = serde_json::from_str(end.lines().last().expect("a group")).unwrap();
        let restore = self.replaying("fwb-restore").args(["-B", "shop", "--yes", "--strategy", "in-place"]);
        let restored = restore.args(["--until", end["gtid"].as_str().unwrap()]).run();
        assert_eq!(restored.code, Some(0), "{}: {}", self.kind, restored.stderr);
        let different = differences(&before, &self.shown());
        assert!(different.is_empty(), "{}: {different:#?}", self.kind);
    }
}

#[test]
fn nothing_of_other_databases_is_stored_and_the_chosen_one_comes_back() {
    for kind in ["mariadb-10.11", "mariadb-11.8", "mysql-9.7"] {
        let scene = Scene::new(kind, "only");
        scene.back_up("shop");
        scene.write(&format!("{OF_OTHERS}{OF_BOTH}{OF_OTHERS}"));
        let first = scene.once();
        assert_eq!(first["only"], serde_json::json!(["shop"]), "{kind}: {first}");
        scene.write(&format!("{OF_OTHERS}FLUSH LOGS; USE shop; INSERT INTO u (a) VALUES (9);"));
        let second = scene.once();
        assert_eq!(second["chain"], first["chain"], "{kind}: {second}");
        assert!(second["begun_because"].is_null(), "{kind}: {second}");
        scene.holds_no_secret();
        let report = scene.tool("fwb-verify").arg("--log").run().ok().json();
        assert_eq!(report["ok"], true, "{kind}: {report}");
        scene.comes_back();
    }
}

/// What programs of the servers read is a log, with nothing in the place of what is left out.
#[test]
fn other_programs_read_what_is_left() {
    let scene = Scene::new("mariadb-10.11", "only-read");
    scene.write(&format!("{OF_OTHERS}{OF_BOTH}"));
    scene.tool("fwb-follow").args(["--once", "--from", "oldest", "--only", "shop"]).run().ok();
    let file = &segments(&scene.store)[0];
    let read =
        Tool::program("mariadb-binlog").args(["--no-defaults", "-v", "-"]).stdin(plain(file)).run().ok();
    let text = read.stdout_text();
    assert!(text.contains("a statement") && !text.contains("SECRET"), "{text}");
    assert!(text.contains("gnorable"), "{text}");
}

/// A database that is not chosen is not reached, and says why; nobody mistakes the log for a whole one.
#[test]
fn other_databases_are_not_reached() {
    let scene = Scene::new("mariadb-10.11", "only-others");
    scene.back_up("other");
    scene.back_up("shop");
    scene.write(OF_BOTH);
    scene.once();
    let lines = scene.tool("fwb-ls").arg("--timeline").run().ok().stdout_text();
    let timelines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |database: &str| timelines.iter().find(|one| one["database"] == database).unwrap();
    assert_eq!(of("shop")["spans"].as_array().unwrap().len(), 1, "{lines}");
    assert!(of("other")["spans"].as_array().unwrap().is_empty(), "{lines}");
    assert!(of("other")["holes"][0]["why"].as_str().unwrap().contains("--only"), "{lines}");
    let until = chrono::Local::now().to_rfc3339();
    let refused = scene.tool("fwb-restore").args(["-B", "other", "--yes", "--until", &until]).run();
    refused.fails(3, &["changes of shop alone", "--only"]);
    // The chain is proved by the next backup of what it has.
    let shop = scene.back_up("shop");
    let proved = scene.replaying("fwb-verify").args(["--level", "chain", &shop]).run().ok().json();
    assert_eq!(proved["chain_proof"]["ok"], true, "{proved}");
}

/// Whoever wants other databases than before gets a new chain: no log is whole that changes its mind.
#[test]
fn another_choice_begins_a_new_chain() {
    let scene = Scene::new("mariadb-10.11", "only-choice");
    scene.back_up("shop");
    let first = scene.once();
    let all = scene.tool("fwb-follow").arg("--once").run().ok();
    assert!(all.stderr.contains("has changes of shop, not of all databases"), "{}", all.stderr);
    assert_ne!(all.json()["chain"], first["chain"]);
    let patterns = scene.tool("fwb-follow").args(["--once", "--only", "s*", "--only", "x"]).run().ok();
    assert!(patterns.json()["begun_because"].is_string());
    assert_eq!(chains(&scene.store), 3);
}

/// A follower that is ended anywhere, in the midst of a long event too, goes on as it would have.
#[test]
fn whoever_goes_on_leaves_out_the_same() {
    let scene = Scene::new("mariadb-10.11", "only-on");
    scene.back_up("shop");
    let long =
        "SET SESSION binlog_format=ROW; USE other; INSERT INTO t (a) VALUES (REPEAT('SECRET', 2 << 20)); ";
    for round in 0..4 {
        scene.write(&format!("{long}{long}USE shop; INSERT INTO t (a) VALUES ('{round}');"));
        let mut follower = start(&scene.server, &scene.store, &["--only", "shop", "--segment-size", "100k"]);
        until("a segment", || (segments(&scene.store).len() > round).then_some(()));
        signal(follower.id(), "KILL");
        follower.wait().unwrap();
    }
    scene.once();
    scene.holds_no_secret();
    let report = scene.tool("fwb-verify").arg("--log").run().ok().json();
    assert_eq!(report["ok"], true, "{report}");
    assert_eq!(chains(&scene.store), 1);
    scene.comes_back();
}
