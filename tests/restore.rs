//! Bringing a database back: all that it held, into the same place or another, whole or table by table; and when
//! that fails, all that was there before.

use std::fs;

use serde_json::Value;

use crate::faults::{Holder, WAITS, code, sees};
use crate::hostile::foreign;
use crate::support::{
    Before, Database, Server, Store, Tool, bash, definitions, digests, gunzip, gzip, mariadb_dump, name,
    restore, slice,
};

/// A database with one of everything that dumps are known to lose or to choke on.
pub(crate) const EVERYTHING: &str = r#"
CREATE SEQUENCE seq START WITH 1000 INCREMENT BY 5 CACHE 10;
CREATE TABLE projects (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(100), `we``ird` INT DEFAULT 3, `q'uote"` TEXT,
  meta JSON, made TIMESTAMP DEFAULT CURRENT_TIMESTAMP) COMMENT='-- Dump completed; `x` ''q''';
SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO';
INSERT INTO projects (id, name, `q'uote"`, meta) VALUES (0, 'zero', NULL, NULL),
  (1, '한글 😀', 'it''s\n\\ \0 "q" ; -- Dump completed', '{"a":[1,2,";"]}'), (2, 'C:\\', '\\''', '[]');
SET sql_mode = '';
CREATE TABLE files (id BIGINT UNSIGNED PRIMARY KEY DEFAULT NEXTVAL(seq), project_id INT NOT NULL, data LONGBLOB,
  b BIT(10), g GEOMETRY, pt POINT NOT NULL, d DATE, dt DATETIME(6), t TIME(3), y YEAR, n DECIMAL(30,10), f DOUBLE,
  e ENUM('a','b''c'), s SET('x','y'), u /*M!100700 UUID, u2 */ CHAR(36), i6 INET6, SPATIAL INDEX (pt),
  CONSTRAINT fk1 FOREIGN KEY (project_id) REFERENCES projects (id) ON DELETE CASCADE) ENGINE=InnoDB;
INSERT INTO files (project_id, data, b, g, pt, d, dt, t, y, n, f, e, s, u, i6) VALUES
  (1, x'00ff27225c0a0d1a', b'1010101010', ST_GeomFromText('POLYGON((0 0,1 0,1 1,0 0))'), POINT(1,2), '0000-00-00',
   '2025-01-02 03:04:05.678901', '-12:34:56.789', 2024, 12345678901234567890.0123456789, 1.7976931348623157e308,
   'b''c', 'x,y', '123e4567-e89b-12d3-a456-426655440000', '::1'),
  (2, '', b'0', NULL, POINT(0,0), '2024-00-15', NULL, NULL, NULL, NULL, -0.1, 'a', '', NULL, NULL);
CREATE TABLE children (id INT PRIMARY KEY, file_id BIGINT UNSIGNED, FOREIGN KEY (file_id) REFERENCES files (id));
INSERT INTO children SELECT 1, MIN(id) FROM files;
CREATE TABLE no_key (a INT, b VARCHAR(10) CHARACTER SET latin1 COLLATE latin1_german1_ci, c VARBINARY(10), d BINARY(4));
INSERT INTO no_key VALUES (1, _utf8mb4'äö', x'00ff', x'41'), (1, _utf8mb4'äö', x'00ff', x'41'), (NULL, NULL, NULL, NULL);
CREATE TABLE computed (id INT PRIMARY KEY, a INT, v INT AS (a * 2) VIRTUAL, p VARCHAR(30) AS (CONCAT('x', a)) PERSISTENT,
  hidden INT INVISIBLE DEFAULT 7, KEY (p), CHECK (a < 1000));
INSERT INTO computed (id, a) VALUES (1, 2), (2, 3);
CREATE TABLE history (id INT PRIMARY KEY, v VARCHAR(10)) WITH SYSTEM VERSIONING;
INSERT INTO history VALUES (1, 'a'), (2, 'b'); UPDATE history SET v = 'c' WHERE id = 1; DELETE FROM history WHERE id = 2;
CREATE TABLE periods (id INT PRIMARY KEY, s DATE, e DATE, PERIOD FOR validity (s, e));
INSERT INTO periods VALUES (1, '2020-01-01', '2021-01-01');
CREATE TABLE parts (id INT PRIMARY KEY, v INT) PARTITION BY RANGE (id) (PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN MAXVALUE);
INSERT INTO parts VALUES (1, 1), (100, 2);
CREATE TABLE texts (id INT PRIMARY KEY, t TEXT, FULLTEXT (t)) ENGINE=MyISAM; INSERT INTO texts VALUES (1, 'hello world');
CREATE TABLE `odd``name
with newline 'q' "dq" ; -- x` (`c``ol
n` INT PRIMARY KEY); INSERT INTO `odd``name
with newline 'q' "dq" ; -- x` VALUES (1);
CREATE TABLE no_rows (id INT PRIMARY KEY);
CREATE TABLE ring_a (id INT PRIMARY KEY, o INT); CREATE TABLE ring_b (id INT PRIMARY KEY, o INT, FOREIGN KEY (o) REFERENCES ring_a (id));
ALTER TABLE ring_a ADD FOREIGN KEY (o) REFERENCES ring_b (id);
SET foreign_key_checks = 0; INSERT INTO ring_a VALUES (1, 1); INSERT INTO ring_b VALUES (1, 1); SET foreign_key_checks = 1;
CREATE TABLE log (id INT AUTO_INCREMENT PRIMARY KEY, what VARCHAR(100));
DELIMITER $$
CREATE TRIGGER t1 BEFORE INSERT ON projects FOR EACH ROW BEGIN SET NEW.name = CONCAT(NEW.name, ''); END$$
CREATE TRIGGER t2 BEFORE INSERT ON projects FOR EACH ROW FOLLOWS t1 SET @x = ';;'$$
CREATE TRIGGER t0 BEFORE INSERT ON projects FOR EACH ROW PRECEDES t1 SET @y = 1$$
CREATE TRIGGER t3 AFTER DELETE ON projects FOR EACH ROW BEGIN INSERT INTO log (what) VALUES ('$$;'); END$$
CREATE PROCEDURE p1(IN a INT, OUT b TEXT) COMMENT 'c;c''x' BEGIN
 -- a comment ; with ;; and it's
 /* a block ;; */ SELECT a; SELECT "x;;y" INTO b; END$$
SET sql_mode = 'ANSI_QUOTES,PIPES_AS_CONCAT'$$
CREATE FUNCTION f1(a INT) RETURNS VARCHAR(100) DETERMINISTIC BEGIN DECLARE "v;;" INT DEFAULT 1; RETURN 'x;;$$' || a || "v;;"; END$$
CREATE EVENT ev1 ON SCHEDULE EVERY 1 DAY STARTS '2037-01-01' COMMENT 'e;' DO BEGIN SELECT ';x'; END$$
CREATE EVENT ev2 ON SCHEDULE AT '2036-01-01' ON COMPLETION PRESERVE DISABLE DO SELECT 1$$
SET sql_mode = 'NO_BACKSLASH_ESCAPES'$$
CREATE PROCEDURE backslash() SELECT '\', 'x;'$$
SET sql_mode = 'ORACLE'$$
CREATE PACKAGE pk AS FUNCTION pf RETURN INT; END$$
CREATE PACKAGE BODY pk AS FUNCTION pf RETURN INT AS BEGIN RETURN 1; END; END$$
CREATE PROCEDURE oracle(a IN INT) AS BEGIN NULL; END$$
SET sql_mode = ''$$
DELIMITER ;
CREATE VIEW v2 AS SELECT 1 AS x;
CREATE VIEW v1 AS SELECT id, name, f1(id) AS f FROM projects;
CREATE OR REPLACE VIEW v2 AS SELECT x.id, x.f FROM v1 x;
CREATE ALGORITHM=MERGE SQL SECURITY INVOKER VIEW v3 AS SELECT id FROM projects WHERE id > 0 WITH CHECK OPTION;
CREATE VIEW `v``q` AS SELECT 'a;b' AS `c``1`, id FROM v2;
"#;

/// The whole point: a database that is lost comes back as it was, to the byte.
#[test]
fn a_lost_database_comes_back_as_it_was() {
    let (database, store) = (Database::new("everything"), Store::new());
    database.sql(EVERYTHING);
    let before = Before::new(&database);
    let dump = store.dump_verified(&database);
    database.drop_now();
    let report = restore(&store, &dump).run().ok().json();
    before.holds("after a restore");
    let rows: u64 =
        dump["sections"].as_array().unwrap().iter().filter_map(|section| section["rows"].as_u64()).sum();
    assert_eq!((report["rows"].as_u64(), &report["safety_backup"]), (Some(rows), &Value::Null));
    // Over what is there, and with what was not there when the backup was made.
    database.sql("DELETE FROM children; DROP VIEW v3; DROP PROCEDURE p1; CREATE TABLE newer (id INT); CREATE VIEW v9 AS SELECT 1;
        CREATE PROCEDURE p9() SELECT 1; CREATE EVENT ev9 ON SCHEDULE EVERY 1 DAY STARTS '2037-01-01' DO SELECT 1; CREATE SEQUENCE s9");
    let report = restore(&store, &dump).run().ok().json();
    before.holds("after a restore over a changed database");
    let safety = report["safety_backup"].as_str().unwrap();
    store.tool("fwb-restore").args(["--yes", "-f", safety]).run().ok();
    assert_eq!(database.query("SELECT COUNT(*) FROM children"), "0", "the safety backup undoes it");
}

/// A copy under another name must stand on its own: one that takes its numbers from the original breaks with it.
#[test]
fn another_database_gets_a_copy_of_its_own() {
    let (database, store) = (Database::new("original"), Store::new());
    database.sql(EVERYTHING);
    let (dump, copy) = (store.dump(&database), Database::reserved("copy"));
    let before = Before::new(&database);
    for _ in 0..2 {
        restore(&store, &dump).args(["--database", &copy.name]).run().ok();
        assert_eq!(definitions(&copy), definitions(&database));
        assert_eq!(digests(&store.dump(&copy)), digests(&dump));
        before.holds("the original");
        copy.sql("INSERT INTO files (project_id, pt) VALUES (1, POINT(3,4)); DROP TABLE log");
    }
}

/// Large tables get their keys after their rows. That must not show: not in an order, a comment, a foreign key.
const KEYED: &str = r"
CREATE TABLE parent (id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, code CHAR(8) NOT NULL, UNIQUE KEY code (code));
CREATE TABLE nasty (id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, up INT UNSIGNED, self INT UNSIGNED, `k,``) KEY (``x``` VARCHAR(40),
  이름 VARCHAR(40) COMMENT 'KEY `a` (`b`),', v INT AS (up + 1) VIRTUAL, n INT CHECK (n > 0),
  KEY `z)` (`k,``) KEY (``x```(7), up DESC) COMMENT 'it''s `a`, (b); -- c', UNIQUE KEY `이름, key` (이름), KEY a_up (up),
  UNIQUE KEY two (n, id) USING BTREE, KEY self (self), CONSTRAINT `f,(` FOREIGN KEY (up) REFERENCES parent (id) ON DELETE SET NULL ON UPDATE CASCADE,
  CONSTRAINT me FOREIGN KEY (self) REFERENCES nasty (id), CONSTRAINT positive CHECK (n < 90000)) COMMENT='), KEY x (y)';
CREATE TABLE mixed (id INT PRIMARY KEY, a INT, v INT AS (a + 1) VIRTUAL, t TEXT, p POINT NOT NULL, KEY first (a), KEY virt (v), KEY last (a, id), FULLTEXT KEY ft (t), SPATIAL KEY sp (p));
CREATE TABLE virt (id INT PRIMARY KEY, a INT, v INT AS (a + 1) VIRTUAL, KEY first (a), KEY virt (v), KEY last (a, id));
CREATE TABLE counted (a INT NOT NULL, n INT NOT NULL AUTO_INCREMENT, PRIMARY KEY (a, n), KEY n (n), KEY a (a));
CREATE TABLE by_code (id INT PRIMARY KEY, code CHAR(8) NOT NULL, KEY c (code), CONSTRAINT code FOREIGN KEY (code) REFERENCES parent (code));
CREATE TABLE dangling (id INT PRIMARY KEY, up BIGINT, KEY up (up)); SET foreign_key_checks = 0;
CREATE TABLE a_dangling (id INT PRIMARY KEY, up BIGINT, KEY up (up), CONSTRAINT d FOREIGN KEY (up) REFERENCES z_parent (id));
CREATE TABLE z_parent (id INT PRIMARY KEY, k INT, KEY k (k));
CREATE TABLE parted (id INT PRIMARY KEY, a INT, KEY a (a)) PARTITION BY HASH (id) PARTITIONS 2;
CREATE TABLE versioned (id INT PRIMARY KEY, a INT, KEY a (a)) WITH SYSTEM VERSIONING;
CREATE TABLE heap (a INT, KEY a (a)); CREATE TABLE isam (id INT PRIMARY KEY, a INT, KEY a (a)) ENGINE=MyISAM;
INSERT INTO parent SELECT seq, CONCAT('c', seq) FROM seq_1_to_20000;
INSERT INTO nasty (id, up, self, `k,``) KEY (``x```, 이름, n) SELECT seq, seq, seq, MD5(seq), SHA1(seq), seq FROM seq_1_to_20000;
INSERT INTO mixed (id, a, t, p) SELECT seq, seq, seq, POINT(seq, 1) FROM seq_1_to_20000;
INSERT INTO virt (id, a) SELECT seq, seq FROM seq_1_to_20000; INSERT INTO counted SELECT seq, 20001 - seq FROM seq_1_to_20000;
INSERT INTO by_code SELECT seq, CONCAT('c', seq) FROM seq_1_to_20000; INSERT INTO dangling SELECT seq, seq FROM seq_1_to_20000;
INSERT INTO a_dangling SELECT seq, seq FROM seq_1_to_20000; INSERT INTO z_parent SELECT seq, seq FROM seq_1_to_20000;
INSERT INTO parted SELECT seq, seq FROM seq_1_to_20000; INSERT INTO versioned SELECT seq, seq FROM seq_1_to_20000;
INSERT INTO heap SELECT seq FROM seq_1_to_20000; INSERT INTO isam SELECT seq, seq FROM seq_1_to_20000;
";

/// How the server says that each table is made.
fn tables_of(database: &Database) -> Vec<String> {
    let tables = database.query("SHOW FULL TABLES WHERE table_type <> 'SEQUENCE'");
    let names = tables.lines().filter_map(|line| line.split_once('\t'));
    names.map(|(name, _)| database.query(&format!("SHOW CREATE TABLE `{name}`"))).collect()
}

#[test]
fn keys_that_come_after_the_rows_come_to_the_same() {
    // Names are told to the server before its session has a character set.
    let (database, store) = (Database::new("열쇠"), Store::new());
    database.sql(KEYED);
    let (tables, dump) = (tables_of(&database), store.dump(&database));
    assert!(tables.len() > 10);
    let holds = |there: &Database, what: &str| {
        assert_eq!(tables_of(there), tables, "{what}");
        assert_eq!(definitions(there), definitions(&database), "{what}");
        assert_eq!(digests(&store.dump(there)), digests(&dump), "{what}");
    };
    let copy = Database::reserved("열쇠 copy");
    restore(&store, &dump).args(["-j", "2", "--database", &copy.name]).run().ok();
    holds(&copy, "under another name");
    copy.drop_now();
    restore(&store, &dump).args(["-j", "1"]).run().ok();
    holds(&database, "over one connection");
    restore(&store, &dump).args(["--strategy", "in-place"]).run().ok();
    holds(&database, "in place");
    for strategy in ["swap", "in-place"] {
        restore(&store, &dump).args(["--strategy", strategy, "--tables", "nasty,parent"]).run().ok();
        holds(&database, strategy);
    }
    let orphan = "INSERT IGNORE INTO nasty (id, up) VALUES (20001, 20001); SELECT COUNT(*) FROM nasty";
    assert_eq!(database.query(orphan), "20000", "the foreign key is at work");
}

/// Programs keep the collation that the database had when they were made, which a dump sets around each. The database's own
/// comes back after the last of them.
#[test]
fn a_database_has_its_collation_after_a_restore_in_place() {
    let (database, store) = (Database::new("collated"), Store::new());
    database.sql(include_str!("corpus/collations.sql"));
    let collation = || {
        let sql =
            "SELECT default_collation_name FROM information_schema.schemata WHERE schema_name = DATABASE()";
        database.query(sql).trim().to_owned()
    };
    let dump = store.dump_verified(&database);
    let in_place = || restore(&store, &dump).args(["--strategy", "in-place"]);
    assert_eq!(collation(), "latin1_german1_ci");
    in_place().run().ok();
    assert_eq!(collation(), "latin1_german1_ci", "over the live one");
    database.sql("ALTER DATABASE CHARACTER SET utf8mb4 COLLATE utf8mb4_bin");
    in_place().args(["--tables", "t"]).run().ok();
    assert_eq!(collation(), "utf8mb4_bin", "of chosen tables, the database is as it was");
    database.drop_now();
    in_place().run().ok();
    assert_eq!(collation(), "latin1_german1_ci", "where nothing was");
}

/// What is there is backed up first, and rows are loaded for hours: the connection that keeps other restores out does
/// nothing meanwhile.
#[test]
fn a_server_that_soon_cuts_idle_connections_takes_a_backup() {
    let (server, store) = (Server::private("hasty", &["--wait-timeout=3"]), Store::new());
    let hasty = |tool: Tool| tool.env("FWB_DEFAULTS_FILE", server.defaults_file());
    server.sql("CREATE DATABASE d; CREATE TABLE d.t (id INT PRIMARY KEY); INSERT INTO d.t VALUES (1)");
    let dump = hasty(store.tool("fwb-dump")).args(["-B", "d"]).run().ok().json();
    server.sql("DELETE FROM d.t");
    let held = Holder::new(&server, "d", "SET wait_timeout=600; LOCK TABLES t WRITE");
    let mut restore = hasty(store.tool("fwb-restore")).args(["--yes", "-f", name(&dump)]).spawn();
    // The safety backup reads its rows.
    sees(&server, "d", &format!("{WAITS} AND info LIKE 'SELECT%'"));
    std::thread::sleep(std::time::Duration::from_secs(6));
    drop(held);
    assert_eq!(code(&mut restore), Some(0));
    assert_eq!(server.query("SELECT id FROM d.t"), "1");
}

/// A trigger and a view have settings of their own, and a time of day means another moment in another time zone: none of
/// these must ever hold for rows.
#[test]
fn rows_that_follow_late_keys_are_loaded_as_those_before() {
    let (server, store) = (Server::private("settings", &["--default-time-zone=+05:00"]), Store::new());
    let tool = |name: &str| store.tool(name).env("FWB_DEFAULTS_FILE", server.defaults_file());
    let table = |name: &str, rows: u32| {
        format!(
            "CREATE TABLE {name} (id INT PRIMARY KEY, at TIMESTAMP NOT NULL, a INT, g INT AS (a + 1) STORED, d DATE, KEY at (at));
            SET sql_mode = ''; INSERT INTO {name} (id, at, a, d) SELECT seq, FROM_UNIXTIME(1700000000 + seq), seq, '0000-00-00' FROM seq_1_to_{rows};
            SET sql_mode = 'STRICT_ALL_TABLES,NO_ZERO_DATE'; CREATE TRIGGER {name}_t BEFORE INSERT ON {name} FOR EACH ROW SET @x = NEW.id;"
        )
    };
    server.sql(format!(
        "CREATE DATABASE d; USE d; {} {} {}",
        table("a", 40_000),
        table("b", 30_000),
        table("c", 10)
    ));
    let state = || {
        let sums = ["a", "b", "c"].map(|name| {
            format!("SELECT COUNT(*), SUM(UNIX_TIMESTAMP(at)), SUM(a), SUM(g), MAX(d) FROM d.{name}")
        });
        server.query(sums.join(" UNION ALL "))
    };
    let (before, dump) = (state(), tool("fwb-dump").args(["-B", "d"]).run().ok().json());
    for jobs in ["1", "2"] {
        server.sql("DELETE FROM d.a; DELETE FROM d.b; DELETE FROM d.c");
        tool("fwb-restore").args(["--yes", "-j", jobs, "-f", name(&dump)]).run().ok();
        assert_eq!(state(), before, "-j {jobs}");
    }
}

/// A server that has no room to sort keys still takes a backup that a plain client could load.
#[test]
fn keys_need_no_room_that_rows_do_not_need() {
    let (server, store) = (Server::private("cramped", &[]), Store::new());
    let tool = |name: &str| store.tool(name).env("FWB_DEFAULTS_FILE", server.defaults_file());
    server.sql(
        "CREATE DATABASE d; USE d; CREATE TABLE t (id INT PRIMARY KEY, a CHAR(64), KEY a (a));
        INSERT INTO t SELECT seq, MD5(seq) FROM seq_1_to_100000",
    );
    let table = server.query("SHOW CREATE TABLE d.t");
    let dump = tool("fwb-dump").args(["-B", "d"]).run().ok().json();
    // The server looks at the directory only when it is named.
    let gone = tempfile::tempdir().unwrap();
    server.sql(format!("SET GLOBAL innodb_tmpdir = '{}'", gone.path().display()));
    drop(gone);
    server.sql("DROP TABLE d.t");
    tool("fwb-restore").args(["--yes", "-f", name(&dump)]).run().ok();
    assert_eq!(server.query("SHOW CREATE TABLE d.t"), table);
    let sorted = "BEGIN NOT ATOMIC DECLARE EXIT HANDLER FOR 1 SELECT 'no room'; ALTER TABLE d.t ADD KEY b (a), ALGORITHM=INPLACE; END";
    assert_eq!(server.query(format!("DELIMITER $\n{sorted}$")), "no room");
}

/// One table is wanted back, not last week's state of everything else.
#[test]
fn single_tables_come_back_and_the_others_stay() {
    let (database, store) = (Database::new("single"), Store::new());
    database.sql(EVERYTHING);
    let before = Before::new(&database);
    let dump = store.dump(&database);
    database.sql("SET foreign_key_checks = 0; UPDATE projects SET name = 'wrong'; DROP TRIGGER t1; DELETE FROM files; DROP VIEW v1");
    let report = restore(&store, &dump).args(["--tables", "projects,files,v1"]).run().ok().json();
    assert_eq!((report["tables"].as_u64(), report["rows"].as_u64()), (Some(2), Some(5)));
    before.holds("after restoring what was changed");
    database.sql("INSERT INTO no_key VALUES (5, 'x', 'x', 'x')");
    let kept = database.query("SELECT * FROM no_key ORDER BY 1");
    restore(&store, &dump).args(["--tables", "history", "--tables", "seq"]).run().ok();
    assert_eq!(database.query("SELECT * FROM no_key ORDER BY 1"), kept);
    restore(&store, &dump).args(["--tables", "no_such_table"]).run().fails(2, &["no table no_such_table"]);
}

/// A view with CHECK OPTION over a view that sorts after it breaks `mariadb < dump` (error 1368), and a rollback too.
#[test]
fn views_come_back_whatever_they_stand_on() {
    let (database, store) = (Database::new("views"), Store::new());
    database.sql("CREATE TABLE t (id INT PRIMARY KEY, v INT); INSERT INTO t VALUES (1, 1); CREATE VIEW z AS SELECT id, v FROM t WHERE v > 0;
        CREATE VIEW m AS SELECT id, v FROM z WITH CASCADED CHECK OPTION; CREATE VIEW a AS SELECT id FROM m WITH LOCAL CHECK OPTION;");
    let (before, dump) = (Before::new(&database), store.dump(&database));
    restore(&store, &dump).run().ok();
    before.holds("over a live database");
    database.drop_now();
    restore(&store, &dump).run().ok();
    before.holds("after it was lost");
    assert_eq!(database.query("INSERT INTO a VALUES (3); SELECT COUNT(*) FROM t").trim(), "2");
}

/// A one-time event whose time has come since is no reason to refuse the backup that holds it.
#[test]
fn an_event_that_had_its_time_does_not_stop_a_restore() {
    let (database, store) = (Database::new("event"), Store::new());
    let due = "ON SCHEDULE AT '2036-01-01 00:00:00'";
    database.sql(format!("CREATE TABLE t (id INT PRIMARY KEY); CREATE EVENT once {due} DO SELECT 1"));
    let dump = store.dump(&database);
    let past = String::from_utf8(gunzip(&fs::read(store.artifact(&dump)).unwrap()))
        .unwrap()
        .replace("2036-", "2016-");
    store.write("past.sql", past);
    let told = store.tool("fwb-restore").args(["--yes", "past.sql"]).run().ok();
    assert!(told.stderr.contains("once"), "{}", told.stderr);
}

/// A restore that fails, wherever it does, must cost nothing.
#[test]
fn a_failed_restore_is_rolled_back_to_the_byte() {
    let (database, store) = (Database::new("rollback"), Store::new());
    database.sql(EVERYTHING);
    database.sql("CREATE TABLE gone (id INT); CREATE VIEW broken AS SELECT id FROM gone; DROP TABLE gone");
    let before = Before::new(&database);
    let rows = "DROP TABLE IF EXISTS `projects`;\nCREATE TABLE `projects` (id INT PRIMARY KEY, s TEXT);\nINSERT INTO `projects` VALUES (1,'a'),(2,'b');\n";
    let failures = [
        ("the first statement", "CREATE TABLE `projects` (id nosuchtype);".to_owned(), 1),
        ("a row", format!("{rows}INSERT INTO `projects` VALUES (2,'SECRET'),(3,'c');\nCREATE TABLE `z` (id INT);"), 1),
        ("a view", format!("{rows}CREATE VIEW `v5` AS SELECT nosuchfunction(id) FROM `projects`;"), 1),
        ("a routine", format!("{rows}DELIMITER ;;\nCREATE PROCEDURE p5() BEGIN no such syntax; END ;;\nDELIMITER ;"), 1),
        ("the check", "DROP TABLE IF EXISTS `projects`;\nCREATE TABLE `projects` (id INT PRIMARY KEY);\nINSERT IGNORE INTO `projects` VALUES (1),(1);".into(), 3),
    ];
    for (what, body, code) in failures {
        store.write("fails.sql", foreign(&database.name, &body));
        let run =
            |options: &[&str]| store.tool("fwb-restore").args(["--yes", "fails.sql"]).args(options).run();
        run(&[]).fails(code, &["is as it was"]);
        before.holds(what);
        let in_place = ["--strategy", "in-place"];
        // What a rehearsal without rows finds is found before anything is removed.
        if ["a row", "the check"].contains(&what) {
            run(&in_place).fails(code, &["rolled back to what it held before"]);
        } else {
            run(&in_place).fails(2, &["refused before anything was removed", "is as it was"]);
        }
        before.holds(&format!("{what}, in place"));
        if body.contains("`projects`") && !body.contains("v5") && !body.contains("p5") {
            run(&["--tables", "projects"]).fails(code, &["is as it was"]);
            before.holds(&format!("{what}, of chosen tables"));
            let in_place = run(&["--tables", "projects", "--strategy", "in-place"]);
            if what == "the first statement" {
                in_place.fails(2, &["refused before anything was removed", "is as it was"]);
            } else {
                in_place.fails(code, &["rolled back to what it held before"]);
            }
            before.holds(&format!("{what}, of chosen tables"));
        }
        let fresh = Database::reserved("fresh");
        run(&["--database", &fresh.name]).fails(code, &["is as it was"]);
        assert!(!fresh.exists(), "{what}: nothing was made");
        run(&["--database", &fresh.name, "--strategy", "in-place"]).fails(code, &["rolled back"]);
        assert!(!fresh.exists(), "{what}: what a failed restore has made goes again");
        let empty = Database::new("empty");
        run(&["--database", &empty.name]).fails(code, &["is as it was"]);
        run(&["--database", &empty.name, "--strategy", "in-place"]).fails(code, &["rolled back"]);
        assert_eq!(definitions(&empty).lines().count(), 1, "{what}: an empty database is empty again");
    }
}

/// Whoever only looks must be able to rely on it, and no script overwrites a database because nobody was asked.
#[test]
fn nothing_is_done_unless_it_is_meant() {
    let (database, store) = (Database::sample("meant"), Store::new());
    let dump = store.dump(&database);
    database.sql("DELETE FROM settings");
    let (before, names) = (Before::new(&database), store.names());
    let tool = || store.tool("fwb-restore").stdin(dump.to_string());
    let plan = tool().arg("--dry-run").run().ok().json();
    assert_eq!(plan["database"], database.name.as_str());
    assert!(plan["steps"].as_array().unwrap().len() > 2);
    let script = format!("setsid -w fwb-restore -s '{}' <<< '{dump}'", store.path().display());
    bash(&script).run().fails(2, &["no terminal", "--yes"]);
    Tool::new("fwb-restore").arg("--yes").run().fails(1, &["no manifest"]);
    Tool::new("fwb-restore").arg("--yes").stdin(format!("{dump}\n{dump}")).run().fails(2, &["more than one"]);
    let asked = |answer: &str| {
        let line = format!("fwb-restore -s '{}' -f '{}'", store.path().display(), name(&dump));
        let script =
            format!("{{ sleep 0.3; echo '{answer}'; sleep 0.3; }} | script -qec \"{line}\" /dev/null");
        bash(&script).run()
    };
    for answer in ["n", "", "no"] {
        let asked = asked(answer).exits(1).stdout_text();
        assert!(asked.contains(&database.name) && asked.contains("nothing was done"), "{asked}");
    }
    before.holds("what nobody confirmed");
    assert_eq!(store.names(), names);
    asked("y").ok();
    assert_eq!(database.query("SELECT COUNT(*) FROM settings"), "3");
}

/// One table from a terabyte must not mean reading a terabyte: nothing but its own members and the frame is read,
/// and a broken part elsewhere does not matter.
#[test]
fn the_sql_of_one_table_is_read_from_its_own_members() {
    let (database, store) = (Database::sample("extract"), Store::new());
    let dump = store.dump(&database);
    let path = store.artifact(&dump);
    let mut bytes = fs::read(&path).unwrap();
    let offline =
        |options: &[&str]| Tool::alone("fwb-restore").arg(&path).arg("--stdout").args(options).run();
    assert!(offline(&[]).ok().stdout == gunzip(&bytes), "all of the SQL, without a server");
    let sections = dump["sections"].as_array().unwrap();
    let part = |name: &str| sections.iter().find(|section| section["name"] == name).unwrap();
    let sql = |section: &Value| gunzip(slice(&bytes, &section["offset"], &section["size"]));
    let (head, tail) = (sql(&sections[0]), sql(sections.last().unwrap()));
    let expected = [head, sql(part("files")), sql(part("projects")), tail].concat();
    assert!(offline(&["--tables", "projects,files"]).ok().stdout == expected);
    let broken = usize::try_from(part("settings")["offset"].as_u64().unwrap()).unwrap() + 60;
    bytes[broken] ^= 1;
    fs::write(&path, &bytes).unwrap();
    assert!(offline(&["--tables", "projects,files"]).ok().stdout == expected);
    assert_eq!(offline(&["--tables", "settings"]).fails(3, &["damaged"]).stdout, b"");
    assert_eq!(offline(&[]).fails(3, &["damaged"]).stdout, b"");
    restore(&store, &dump).run().fails(3, &["damaged"]);
}

/// Old scripts' dumps are all that some people have.
#[test]
fn dumps_of_other_programs_are_restored() {
    let (database, store) = (Database::new("foreign"), Store::new());
    database.sql(EVERYTHING);
    let before = Before::new(&database);
    let all = ["--routines", "--triggers", "--events", "--hex-blob", "--dump-history", "--skip-add-locks"];
    let forms: [&[&str]; 4] =
        [&[], &["--skip-comments"], &["--add-drop-database"], &["--skip-extended-insert", "--skip-quick"]];
    for options in forms {
        let plain = mariadb_dump(&database, &[&all[..], options].concat());
        store.write("old.sql", &plain);
        store.write("old.sql.gz", gzip(&plain));
        for file in ["old.sql", "old.sql.gz"] {
            store.tool("fwb-restore").args(["--yes", "--database", &database.name, file]).run().ok();
            before.holds(&format!("{file} {options:?}"));
        }
    }
    let framed = bash(&format!(
        "mariadb-dump --defaults-file=\"$FWB_DEFAULTS_FILE\" {} --databases {}",
        all.join(" "),
        database.name
    ));
    store.write("databases.sql", framed.run().ok().stdout);
    store.tool("fwb-restore").args(["--yes", "databases.sql"]).run().ok();
    before.holds("--databases");
    let other = Database::new("foreign_other");
    store.tool("fwb-restore").args(["--yes", "--database", &other.name, "databases.sql"]).run().ok();
    before.holds("--databases, restored elsewhere");
    assert_eq!(definitions(&other), definitions(&database));
    assert_eq!(digests(&store.dump(&other)), digests(&before.dump));
    // Nothing says where such a dump ends: half of one looks the same.
    store.write("compact.sql", mariadb_dump(&database, &["--compact"]));
    store
        .tool("fwb-restore")
        .args(["--yes", "--database", &database.name, "compact.sql"])
        .run()
        .fails(3, &["incomplete"]);
    before.holds("a dump that may be half of one");
}

/// Such a header decides how the rows are read, which are loaded for themselves. Whoever reads them otherwise than the server
/// refuses the dump, after a restore in place has cleared the database.
#[test]
fn rows_are_read_under_the_mode_of_the_header() {
    let (database, store) = (Database::new("modes"), Store::new());
    database.sql(
        r#"CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(40), at TIMESTAMP NULL);
           INSERT INTO t VALUES (1, 'x''y', '2030-01-01'), (2, '"', NULL), (3, 'end\\', '2037-01-01'), (4, '),(5,;', NULL);
           CREATE TABLE `two words` (id INT PRIMARY KEY, v BLOB); INSERT INTO `two words` VALUES (1, '\\''');"#,
    );
    let rows =
        || database.query("SELECT id, HEX(v), at FROM t ORDER BY id; SELECT id, HEX(v) FROM `two words`");
    let before = rows();
    store.write("ansi.sql", mariadb_dump(&database, &["--compatible=ansi"]));
    // Without comments nothing says which server it is of, and all times are looked at.
    store.write("ansi-bare.sql", mariadb_dump(&database, &["--compatible=ansi", "--skip-comments"]));
    let plain = String::from_utf8(mariadb_dump(&database, &["--skip-comments"])).unwrap();
    let (set, mode) =
        ("SQL_MODE='NO_AUTO_VALUE_ON_ZERO'", "SQL_MODE='NO_AUTO_VALUE_ON_ZERO,NO_BACKSLASH_ESCAPES'");
    assert!(plain.contains(set), "{plain}");
    // As the server reads it then: a backslash is itself, and quotes are doubled.
    let plain = plain.replace(set, mode).replace(r"\\", "\u{1}").replace(r"\'", "''").replace(r#"\""#, "\"");
    let plain = plain.replace('\u{1}', r"\");
    store.write("no-backslash.sql", &plain);
    for file in ["ansi.sql", "ansi-bare.sql", "no-backslash.sql"] {
        for strategy in ["swap", "in-place"] {
            database.sql("DELETE FROM t; DELETE FROM `two words`");
            let restore = store.tool("fwb-restore").args(["--yes", "--strategy", strategy]);
            restore.args(["--database", &database.name, file]).run().ok();
            assert_eq!(rows(), before, "{file} {strategy}");
        }
    }
}

/// A job that may not do what it was made for must say so at once, and not try through the night: the exit code is that of
/// a wrong configuration, however far it came.
#[test]
fn an_account_that_lacks_a_right_is_a_matter_of_configuration() {
    let (database, store) = (Database::sample("poor"), Store::new());
    let dump = store.dump_verified(&database);
    let before = Before::new(&database);
    let server = Server::shared();
    server.sql(format!(
        "CREATE OR REPLACE USER fwb_poor; GRANT SELECT, SHOW VIEW, TRIGGER, EVENT ON {}.* TO fwb_poor",
        database.quoted()
    ));
    for strategy in ["swap", "in-place"] {
        let tool = store.tool("fwb-restore").args([name(&dump), "--yes", "--strategy", strategy]);
        let poor = tool.args(["--user", "fwb_poor"]).run();
        poor.fails(2, &["hint: "]);
        before.holds(strategy);
    }
    server.sql("DROP USER fwb_poor");
}
