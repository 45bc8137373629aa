//! No number is handed out twice: whoever has the receipt of order 4711 must never find another order of that number.

use std::collections::BTreeMap;

use super::chain_proof::scene_of;
use super::{Scene, on};
use crate::support::{Tool, unpacked};

const KINDS: [&str; 3] = ["mariadb-10.11", "mariadb-11.8", "mysql-9.7"];

/// Tables with ten rows, of which the last two were deleted before the backup.
fn base() -> String {
    let tables = [
        ("kept", "InnoDB"),
        ("tops", "InnoDB"),
        ("tops_my", "MyISAM"),
        ("stated", "InnoDB"),
        ("updated", "InnoDB"),
        ("replaced", "InnoDB"),
        ("doubled", "InnoDB"),
        ("emptied", "InnoDB"),
        ("counted", "InnoDB"),
        ("rebuilt", "InnoDB"),
        ("moved", "InnoDB"),
        ("orders", "InnoDB"),
        ("invoices", "InnoDB"),
    ];
    let made = tables.iter().map(|(name, engine)| {
        let values: Vec<String> = (1..=10).map(|a| format!("({a})")).collect();
        format!(
            "CREATE TABLE {name} (id INT PRIMARY KEY AUTO_INCREMENT, a INT UNIQUE) ENGINE={engine}; \
             INSERT INTO {name} (a) VALUES {}; DELETE FROM {name} WHERE id > 8; ",
            values.join(", ")
        )
    });
    let wide = "CREATE TABLE wide (id BIGINT UNSIGNED PRIMARY KEY AUTO_INCREMENT, a INT); ";
    format!("CREATE DATABASE shop_x; USE shop_x; {}{wide}", made.collect::<String>())
}

const TOPS: &str = "INSERT INTO {} (a) VALUES (101); INSERT INTO {} (a) VALUES (102); INSERT INTO {} (a) VALUES (103); \
     DELETE FROM {} WHERE id > 8";

/// What takes numbers after the backup, and leaves none of them in a row.
const TAKEN: &[(&str, &str)] = &[
    ("tops", TOPS),
    ("tops_my", TOPS),
    ("stated", "SET binlog_format=STATEMENT; INSERT INTO {} (a) VALUES (101); DELETE FROM {} WHERE a > 100"),
    ("updated", "UPDATE {} SET id=50 WHERE id=8; DELETE FROM {} WHERE id=50"),
    ("replaced", "REPLACE INTO {} (a) VALUES (8); DELETE FROM {} WHERE a=8"),
    ("doubled", "SET binlog_format=STATEMENT; INSERT INTO {} (a) VALUES (7) ON DUPLICATE KEY UPDATE a=70"),
    ("emptied", "INSERT INTO {} (a) VALUES (101); TRUNCATE TABLE {}; INSERT INTO {} (a) VALUES (1)"),
    ("counted", "ALTER TABLE {} AUTO_INCREMENT=500"),
    (
        "rebuilt",
        "INSERT INTO {} (a) VALUES (101); DELETE FROM {} WHERE id > 8; ALTER TABLE {} ADD x INT, ALGORITHM=COPY",
    ),
    ("moved", "INSERT INTO {} (a) VALUES (101); DELETE FROM {} WHERE id > 8; RENAME TABLE {} TO moved_on"),
    ("wide", "INSERT INTO {} VALUES (9223372036854775900, 1); DELETE FROM {}"),
];

impl Scene {
    fn step(&self, sql: &str) {
        self.server.sql(format!("USE shop_x; {sql}"));
    }

    /// The number that each table gives its next row.
    fn counters(&self) -> BTreeMap<String, String> {
        let tables =
            self.server.query("SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA='shop_x'");
        let counter = |table: &str| {
            let create = self.server.query(format!("SHOW CREATE TABLE shop_x.{table}"));
            let after = create.split_once(" AUTO_INCREMENT=").map_or("1", |(_, after)| after);
            after.split(' ').next().unwrap_or_default().to_owned()
        };
        tables.lines().map(|table| (table.to_owned(), counter(table))).collect()
    }

    /// A restore to what was followed.
    fn followed(&self, kind: &str) -> Tool {
        on(&self.server, self.store.tool("fwb-follow")).args(["--once", "--from", "oldest"]).run().ok();
        let tool =
            on(&self.server, self.store.tool("fwb-restore")).env("FWB_DRILL_SERVER_DIR", unpacked(kind));
        // Tables without transactions are in it, which no swap takes.
        tool.args(["-B", "shop_x", "--yes", "--strategy", "in-place"])
    }

    /// The name of the last group of the log.
    fn last(&self, kind: &str) -> String {
        if !kind.starts_with("mysql") {
            return self.gtid();
        }
        let all = self.server.query("SELECT REPLACE(@@GLOBAL.gtid_executed, '\n', '')");
        let (source, numbers) = all.split_once(':').expect("GTIDs of one server");
        format!("{source}:{}", numbers.rsplit('-').next().unwrap())
    }
}

#[test]
fn counters_stand_where_they_stood() {
    for kind in KINDS {
        let scene = scene_of(kind, "counters", &base());
        for (table, sql) in TAKEN {
            scene.step(&sql.replace("{}", table));
        }
        let (stood, last) = (scene.counters(), scene.last(kind));
        assert_eq!((&*stood["kept"], &*stood["tops"], &*stood["emptied"]), ("11", "14", "2"), "{kind}");
        // What comes after the moment takes numbers too.
        scene.step("INSERT INTO kept (a) VALUES (200), (201); INSERT INTO tops (a) VALUES (200), (201)");
        let restored = scene.followed(kind).args(["--until", &last]).run();
        assert_eq!(restored.code, Some(0), "{kind}: {}", restored.stderr);
        assert_eq!(scene.counters(), stood, "{kind}");
    }
}

/// A transaction is gone around, and its numbers are on paper.
#[test]
fn numbers_of_skipped_transactions_are_not_handed_out_again() {
    for kind in KINDS {
        let scene = scene_of(kind, "skipped", &base());
        let mut skipped = Vec::new();
        for sql in [
            "SET binlog_format=ROW; INSERT INTO orders (a) VALUES (101), (102)",
            "SET binlog_format=STATEMENT; INSERT INTO invoices (a) VALUES (101)",
            "SET binlog_format=ROW; INSERT INTO emptied (a) VALUES (101)",
            "SET binlog_format=ROW; INSERT INTO moved (a) VALUES (101)",
            "SET binlog_format=ROW; INSERT INTO wide VALUES (9223372036854775900, 1)",
            "SET binlog_format=ROW; UPDATE updated SET id=60 WHERE id=8",
        ] {
            scene.step(sql);
            skipped.push(scene.last(kind));
        }
        scene.step("TRUNCATE TABLE emptied; RENAME TABLE moved TO moved_on");
        let restored = scene.followed(kind).args(["--skip", &skipped.join(",")]).run();
        assert_eq!(restored.code, Some(0), "{kind}: {}", restored.stderr);
        let counters = scene.counters();
        for (table, next) in [
            ("orders", "13"),
            ("invoices", "12"),
            ("emptied", "1"),
            ("moved_on", "12"),
            ("wide", "9223372036854775901"),
            ("updated", "61"),
            ("kept", "11"),
        ] {
            assert_eq!(counters[table], next, "{kind}: {table}");
        }
        assert_eq!(scene.server.query("SELECT MAX(id) FROM shop_x.orders"), "8", "{kind}");
    }
}
