//! Every tool against every server, without any client program on `PATH`: a database goes there and back, byte for byte.
//! `make matrix` goes through the corpus too.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::hostile::foreign;
use crate::support::{Server, Store, Tool, mariadb, name, unpacked};

const SAMPLE: &str = include_str!("matrix/sample.sql");

/// A server, a store, and a `PATH` with everything but client programs.
struct Scene {
    kind: &'static str,
    server: Server,
    store: Store,
    path: TempDir,
}

/// Programs that speak to a server; those that make or run one stay.
fn is_client(name: &str) -> bool {
    let stays = ["mariadb-install-db", "mariadb-tzinfo-to-sql", "mariadbd", "mysqld", "mysql_install_db"];
    (name.starts_with("mariadb") || name.starts_with("mysql")) && !stays.contains(&name)
}

impl Scene {
    fn new(kind: &'static str) -> Self {
        let path = tempfile::tempdir().unwrap();
        for dir in ["/usr/bin", "/usr/sbin", "/bin", "/sbin"].map(Path::new) {
            for entry in fs::read_dir(dir).unwrap().flatten() {
                let program = entry.file_name().into_string().unwrap_or_default();
                if !is_client(&program) {
                    // Some lie in two places.
                    symlink(entry.path(), path.path().join(&program)).ok();
                }
            }
        }
        let server = Server::of(kind, &format!("matrix-{kind}"), &["--log-bin-trust-function-creators=1"]);
        Self { kind, server, store: Store::new(), path }
    }

    fn tool(&self, tool: &str) -> Tool {
        self.store
            .tool(tool)
            .env("FWB_DEFAULTS_FILE", self.server.defaults_file())
            .env("PATH", self.path.path())
            .env("FWB_DRILL_SERVER_DIR", unpacked(self.kind))
    }

    fn sql(&self, database: &str, sql: &str) {
        let client =
            mariadb(&self.server.defaults_file(), &["--default-character-set=utf8mb4", "-D", database]);
        client.stdin(sql).run().ok();
    }

    /// Every table's checksum, every column of every row as digits, and every definition.
    fn content(&self, database: &str) -> String {
        let ask = |sql: &str| {
            let options = ["-N", "-B", "--default-character-set=utf8mb4", "-D", database];
            mariadb(&self.server.defaults_file(), &options).stdin(sql).run().ok().stdout_text()
        };
        let quoted = |name: &str| format!("`{}`", name.replace('`', "``"));
        let mut content = String::new();
        let tables = ask(
            "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_TYPE = 'BASE TABLE' ORDER BY 1",
        );
        for table in tables.lines() {
            let columns = ask(&format!(
                "SELECT COLUMN_NAME, DATA_TYPE FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = '{}' ORDER BY ORDINAL_POSITION",
                table.replace('\'', "''")
            ));
            // A floating-point number's own bits are not to be had as digits; its sign and all of its digits are.
            let column = |line: &str| {
                let (column, kind) = line.split_once('\t').unwrap();
                let is_float = matches!(kind, "float" | "double");
                if is_float {
                    format!("{} * 1e0", quoted(column))
                } else {
                    format!("HEX({})", quoted(column))
                }
            };
            let digits: Vec<String> = columns.lines().map(column).collect();
            content += &ask(&format!(
                "SET SESSION sql_mode='', time_zone='+00:00'; CHECKSUM TABLE {0}; SHOW CREATE TABLE {0}; SELECT {1} FROM {0} ORDER BY 1;",
                quoted(table),
                digits.join(", ")
            ));
        }
        content += &ask("SELECT TABLE_NAME, VIEW_DEFINITION FROM information_schema.VIEWS WHERE TABLE_SCHEMA = DATABASE() ORDER BY 1;
            SELECT TRIGGER_NAME, ACTION_STATEMENT, SQL_MODE FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE() ORDER BY 1;
            SELECT ROUTINE_NAME, ROUTINE_DEFINITION, SQL_MODE FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = DATABASE() ORDER BY 1;
            SELECT EVENT_NAME, EVENT_DEFINITION, STATUS, STARTS, EVENT_COMMENT FROM information_schema.EVENTS WHERE EVENT_SCHEMA = DATABASE() ORDER BY 1;");
        content
    }

    /// Whether a swap is to be had.
    fn swaps(&self) -> bool {
        matches!(self.kind, "mariadb-10.11" | "mariadb-11.8")
    }

    fn restore(&self, dump: &Value, arguments: &[&str]) -> Value {
        self.tool("fwb-restore").arg("--yes").args(arguments).arg(name(dump)).run().ok().json()
    }
}

/// All that the tools do, on one server.
fn goes_there_and_back(kind: &'static str) {
    let scene = Scene::new(kind);
    scene.server.sql("CREATE DATABASE shop CHARACTER SET utf8mb4");
    scene.sql("shop", SAMPLE);
    if kind == "mysql-9.7" {
        scene
            .sql("shop", "CREATE LIBRARY helpers LANGUAGE JAVASCRIPT AS 'export function f() { return 1; }'");
    }
    let before = scene.content("shop");
    let dump = scene.tool("fwb-dump").args(["-B", "shop"]).run().ok().json();
    assert_eq!(dump["client"]["program"], "fwb-dump");
    let warnings: Vec<&str> =
        dump["warnings"].as_array().unwrap().iter().map(|said| said.as_str().unwrap()).collect();
    match kind {
        // Its text says less than it holds.
        "mysql-9.7" => {
            assert!(warnings.len() == 2 && warnings[0].contains("files.about"), "{warnings:?}");
            assert!(warnings[1].contains("helpers"), "{warnings:?}");
        }
        _ => assert!(warnings.is_empty(), "{warnings:?}"),
    }
    scene.tool("fwb-verify").arg(name(&dump)).run().ok();
    let drilled = scene.tool("fwb-verify").args(["--level", "drill"]).arg(name(&dump)).run();
    assert_eq!(drilled.code, Some(0), "{}", drilled.stderr);

    scene.server.sql("DROP DATABASE shop");
    let report = scene.restore(&dump, &[]);
    assert_eq!(report["strategy"], if scene.swaps() { "swap" } else { "in-place" }, "{kind}");
    assert_eq!(scene.content("shop"), before, "{kind}: restored");

    let over = if scene.swaps() { "swap" } else { "in-place" };
    scene.sql("shop", "DELETE FROM downloads; DROP TABLE latin; CREATE TABLE more (id INT PRIMARY KEY)");
    let damaged = scene.content("shop");
    scene.restore(&dump, &["--strategy", over]);
    assert_eq!(scene.content("shop"), before, "{kind}: restored over what was there");
    if scene.swaps() {
        scene.tool("fwb-restore").args(["--undo", "--yes", "--database", "shop"]).run().ok();
        assert_eq!(scene.content("shop"), damaged, "{kind}: undone");
        scene.restore(&dump, &["--strategy", "in-place"]);
        assert_eq!(scene.content("shop"), before, "{kind}: restored in place");
    }
    scene.sql("shop", "DELETE FROM downloads");
    let chosen = if scene.swaps() { "swap" } else { "in-place" };
    let report = scene.restore(&dump, &["--tables", "downloads", "--strategy", chosen]);
    assert_eq!(scene.content("shop"), before, "{kind}: one table");
    assert_eq!(
        scene.store.read_sidecar(&json!({"name": report["safety_backup"]}))["chosen"],
        json!(["downloads"]),
        "{kind}: its safety backup"
    );
    scene.restore(&json!({"name": report["safety_backup"]}), &["--strategy", chosen]);
    let emptied = scene.content("shop");
    assert_ne!(emptied, before, "{kind}: the table alone is as it was");
    // A failure in the middle, which no rehearsal finds.
    let body = "DROP TABLE IF EXISTS `downloads`;\nCREATE TABLE `downloads` (id INT PRIMARY KEY);\n\
                INSERT INTO `downloads` VALUES (1),(2);\nINSERT INTO `downloads` VALUES (2);";
    scene.store.write("fails.sql", foreign("shop", body));
    let fails = scene.tool("fwb-restore").args(["--yes", "--strategy", "in-place", "--tables", "downloads"]);
    fails.arg(scene.store.file("fails.sql")).run().fails(1, &["rolled back to what it held before"]);
    assert_eq!(scene.content("shop"), emptied, "{kind}: rolled back");
    fs::remove_file(scene.store.file("fails.sql")).unwrap();
    scene.restore(&dump, &["--tables", "downloads", "--strategy", chosen]);
    let tables = scene.tool("fwb-dump").args(["-B", "shop", "--tables", "downloads"]).run().ok().json();
    scene.tool("fwb-verify").args(["--level", "drill"]).arg(name(&tables)).run().ok();
    let listed = scene.tool("fwb-ls").run().ok().stdout_text();
    assert!(listed.contains(name(&dump)), "{listed}");
    scene.tool("fwb-prune").args(["--keep-last", "1"]).run().ok();
}

#[test]
fn mariadb_10_5() {
    goes_there_and_back("mariadb-10.5");
}

#[test]
fn mariadb_10_11() {
    goes_there_and_back("mariadb-10.11");
}

#[test]
fn mariadb_11_8() {
    goes_there_and_back("mariadb-11.8");
}

#[test]
fn mysql_9_7() {
    goes_there_and_back("mysql-9.7");
}
