//! What a database may hold: each of these has broken a backup or its reading somewhere. A row that is counted
//! wrongly, or an object that the other side lacks, would be found missing on the day of the restore.

use std::fs;

use crate::support::{Database, Store, bash, gunzip, name, slice};

/// Dumps a database, proves the backup, loads its SQL into another database with the plain client, and compares
/// what both answer to `queries`.
fn comes_back(db: &Database, queries: &[&str]) {
    let store = Store::new();
    let manifest = store.dump_verified(db);
    let other = Database::new("content_other");
    bash(r#"gunzip -c <"$A" | mariadb --defaults-file="$FWB_DEFAULTS_FILE" "$DB""#)
        .env("A", store.artifact(&manifest))
        .env("DB", &other.name)
        .run()
        .ok();
    for query in queries {
        let (was, is) = (db.query(query), other.query(query));
        assert!(!was.is_empty(), "{query}");
        assert_eq!(is, was, "{query}");
    }
    let artifact = fs::read(store.artifact(&manifest)).unwrap();
    for section in
        manifest["sections"].as_array().unwrap().iter().filter(|section| section["kind"] == "table")
    {
        let table = section["name"].as_str().unwrap().replace('`', "``");
        let versioned = "SELECT COUNT(*) FROM information_schema.tables WHERE table_type = 'SYSTEM VERSIONED' \
            AND table_schema = DATABASE() AND table_name = ";
        let versioned = db.query(&format!("{versioned}'{}'", table.replace('\'', "''"))) == "1";
        let all = if versioned { "FOR SYSTEM_TIME ALL" } else { "" };
        assert_eq!(
            section["rows"].to_string(),
            db.query(&format!("SELECT COUNT(*) FROM `{table}` {all}")),
            "{table}"
        );
        let alone = gunzip(slice(&artifact, &section["offset"], &section["size"]));
        assert!(String::from_utf8_lossy(&alone).contains(&format!("CREATE TABLE `{table}`")), "{table}");
    }
    store.tool("fwb-verify").arg(name(&manifest)).run().ok();
}

#[test]
fn tables_columns_and_views_of_any_name() {
    let db = Database::new("names");
    for table in [
        "a``b",
        "-- Dumping data for table",
        "semi;colon",
        "it's",
        "한글 표",
        "/*! x */",
        "a.b",
        "DELIMITER ;;",
        "%s",
        " x",
        "select",
    ] {
        db.sql(format!(
            "CREATE TABLE `{table}` (`--`  INT PRIMARY KEY, `c``;'\"` TEXT COMMENT '-- Table structure for table `x`');
             INSERT INTO `{table}` VALUES (1, 'a'), (2, '''');
             CREATE VIEW `view of {table}` AS SELECT * FROM `{table}`;"
        ));
    }
    comes_back(
        &db,
        &["SHOW TABLES", "SELECT * FROM `a``b`", "SELECT * FROM `view of -- Dumping data for table`"],
    );
}

#[test]
fn values_that_look_like_parts_of_a_dump() {
    let db = Database::new("values");
    db.sql(
        r"CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, v LONGTEXT) COMMENT='\n-- Dump completed on 2025-07-25\n';
        INSERT INTO t (v) VALUES ('),('), ('''),('''), ('\\'), ('\\\''), ('--'), ('/*'), ('*/'), ('#'), (';'), ('\n;\n'),
        ('\n-- Dump completed on 2025-07-25 17:02:15\n'), ('\nDELIMITER ;;\n'), ('\nINSERT INTO `t` VALUES (1);\n'),
        ('\n--\n-- Table structure for table `u`\n--\n'), ('\0'), ('\Z'), (''), (NULL), ('NULL'), (REPEAT('\\\'', 40000));",
    );
    comes_back(
        &db,
        &[
            "SELECT id, HEX(v) FROM t ORDER BY id",
            "SELECT table_comment FROM information_schema.tables WHERE table_schema = DATABASE()",
        ],
    );
}

#[test]
fn columns_of_every_type() {
    let db = Database::new("types");
    db.sql(
        "CREATE TABLE t (id INT PRIMARY KEY, b BIT(9), d DOUBLE, n DECIMAL(65,30), j JSON, e ENUM('a,b','(c)'), s SET('x','y'),
         u UUID, i6 INET6, p POINT, ts TIMESTAMP(6) NULL, y YEAR, tm TIME(3), vb VARBINARY(9), lb LONGBLOB,
         l CHAR(9) CHARACTER SET latin1, g INT AS (id * 2) VIRTUAL, st INT AS (id * 3) STORED, h INT INVISIBLE DEFAULT 5);
         INSERT INTO t (id, b, d, n, j, e, s, u, i6, p, ts, y, tm, vb, lb, l, h) VALUES
         (1, b'101010101', 1.7976931348623157e308, -0.000000000000000000000000000001, '{\"a\": [1]}', '(c)', 'x,y', UUID(), '::1',
          POINT(1.5, -2), '2025-07-25 17:02:06.123456', 2025, '-12:34:56.789', x'00FF27', x'0A5C2200', 'Grüße', 6);
         INSERT INTO t (id) VALUES (2);",
    );
    comes_back(
        &db,
        &[
            "SELECT t.*, h, HEX(p), HEX(vb), HEX(lb), HEX(b), HEX(l) FROM t ORDER BY id",
            "SHOW CREATE TABLE t",
        ],
    );
}

#[test]
fn sequences_history_partitions_and_engines() {
    let db = Database::new("kinds");
    db.sql(
        "CREATE SEQUENCE numbers START WITH 100 INCREMENT BY 7; SELECT NEXTVAL(numbers);
         CREATE TABLE numbered (id BIGINT PRIMARY KEY, v INT);
         CREATE TABLE kept (id INT PRIMARY KEY, v INT) WITH SYSTEM VERSIONING;
         INSERT INTO kept VALUES (1, 1), (2, 2); UPDATE kept SET v = 3; DELETE FROM kept WHERE id = 2;
         CREATE TABLE parted (id INT PRIMARY KEY) PARTITION BY RANGE (id) (PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN MAXVALUE);
         INSERT INTO parted VALUES (1), (11), (21);
         CREATE TABLE aria (id INT PRIMARY KEY) ENGINE=Aria; INSERT INTO aria VALUES (1);
         CREATE TABLE isam (id INT PRIMARY KEY, FULLTEXT KEY ft (v), v TEXT) ENGINE=MyISAM; INSERT INTO isam VALUES (1, 'x');
         CREATE TABLE parent (id INT PRIMARY KEY, child INT); CREATE TABLE child (id INT PRIMARY KEY, parent INT, FOREIGN KEY (parent) REFERENCES parent (id));
         ALTER TABLE parent ADD FOREIGN KEY (child) REFERENCES child (id);
         SET foreign_key_checks = 0; INSERT INTO parent VALUES (1, 1); INSERT INTO child VALUES (1, 1);",
    );
    comes_back(
        &db,
        &[
            "SELECT id, v FROM kept FOR SYSTEM_TIME ALL ORDER BY id, v",
            "SELECT next_not_cached_value, increment FROM numbers",
            "SELECT * FROM parted",
            "SELECT table_name, engine, table_type FROM information_schema.tables WHERE table_schema = DATABASE() ORDER BY 1",
            "SELECT * FROM parent JOIN child",
        ],
    );
}

#[test]
fn routines_triggers_and_events_written_in_any_sql_mode() {
    let db = Database::new("modes");
    db.sql(
        r#"CREATE TABLE t (id INT PRIMARY KEY, v TEXT);
        DELIMITER $$
        CREATE PROCEDURE plain() BEGIN SELECT 'it''s; \' $$ -- no comment'; /* ; */ END$$
        SET sql_mode = 'NO_BACKSLASH_ESCAPES'$$
        CREATE FUNCTION path() RETURNS TEXT DETERMINISTIC RETURN 'C:\'$$
        CREATE TRIGGER t_before BEFORE INSERT ON t FOR EACH ROW SET NEW.v = CONCAT(NEW.v, '\')$$
        SET sql_mode = 'ANSI_QUOTES'$$
        CREATE FUNCTION "ansi"() RETURNS TEXT DETERMINISTIC RETURN (SELECT MAX("v") FROM "t" WHERE 'a;"' <> "v")$$
        CREATE EVENT "later" ON SCHEDULE AT '2037-01-01 00:00:00' DO INSERT INTO "t" VALUES (9, '"')$$
        SET sql_mode = 'ORACLE'$$
        CREATE OR REPLACE PACKAGE pack AS FUNCTION one RETURN INT; PROCEDURE two(a INT); END$$
        CREATE OR REPLACE PACKAGE BODY pack AS
          FUNCTION one RETURN INT AS BEGIN RETURN 1; END;
          PROCEDURE two(a INT) AS BEGIN SELECT ';'; END;
        END$$
        SET sql_mode = DEFAULT$$
        INSERT INTO t VALUES (1, 'x')$$
        CREATE TRIGGER t_after AFTER UPDATE ON t FOR EACH ROW BEGIN SET @a = 1; SET @b = 'DELIMITER ;'; END$$"#,
    );
    comes_back(
        &db,
        &[
            "SELECT routine_type, routine_name, sql_mode, routine_definition FROM information_schema.routines WHERE routine_schema = DATABASE() ORDER BY 1, 2",
            "SELECT trigger_name, sql_mode, action_statement FROM information_schema.triggers WHERE trigger_schema = DATABASE() ORDER BY 1",
            "SELECT event_name, sql_mode, event_definition FROM information_schema.events WHERE event_schema = DATABASE()",
            "SELECT path(), ansi(), v FROM t",
        ],
    );
}
