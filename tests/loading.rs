//! Rows go into MariaDB by its bulk protocol and into MySQL by LOAD DATA where the table takes them as they are, and by INSERT elsewhere:
//! the outcome is the same, and what an INSERT refuses is refused.

use serde_json::Value;

use crate::support::{Server, Store, Tool, name};

/// Values that a literal and a line of a file could mean differently.
const VALUES: &str = r#"
CREATE TABLE numbers (id INT AUTO_INCREMENT PRIMARY KEY, t TINYINT, u BIGINT UNSIGNED, z INT(7) ZEROFILL, d DECIMAL(30,10), f FLOAT,
  g DOUBLE, b BIT(33), y YEAR, n INT);
INSERT INTO numbers VALUES (1,-128,18446744073709551615,42,-12345678901234567890.0123456789,1.17549e-38,1.7976931348623157e308,b'1',2155,NULL),
  (2,127,0,0,0.1,16777216,-5e-324,b'110000000000000000000000000000001',1901,0), (3,0,1,1,1e-10,0.1,0.1,0,0000,-1), (4,1,1,1,1,3.4e38,1,10,1999,1);
SET @mode = @@sql_mode; SET sql_mode = CONCAT(@@sql_mode, ',NO_AUTO_VALUE_ON_ZERO');
INSERT INTO numbers (id) VALUES (0); SET sql_mode = @mode;
CREATE TABLE texts (id INT PRIMARY KEY, v VARCHAR(300), c CHAR(20) CHARACTER SET utf8mb3, a VARCHAR(50) CHARACTER SET ascii, t LONGTEXT,
  e ENUM('NULL','','0','2','it''s',',)('), s SET('a','b','NULL'), `back``tick` TEXT);
INSERT INTO texts VALUES (1,'NULL','NULL','NULL','NULL','NULL','NULL','\\N'), (2,'','','','',NULL,'',NULL),
  (3,'\\',REPEAT(' ',3),'\'','\0\b\t\r\n\Z\'\""(),;','it''s','a,b','\\\''), (4,'),(','(',')',',',',)(','b','-- x'),
  (5,'한국어 😀','é','~',REPEAT('긴 글, (\'\\\n', 40000),'2','a,NULL','0x41'), (6,'\\N','\\%','%_','\%','0','a',UNHEX('E2808B'));
CREATE TABLE bytes (id INT PRIMARY KEY, b VARBINARY(300), f BINARY(4), l LONGBLOB);
INSERT INTO bytes VALUES (1,'',0x00,NULL), (2,0x275C00FF0A0D1A2C2829,0x5C5C2727,REPEAT(0x275C2C2928,50000)), (3,NULL,'ab','NULL'),
  (4,UNHEX(CONCAT('000102030405060708090A0B0C0D0E0F', '101112131415161718191A1B1C1D1E1F', '202122232425262728292A2B2C2D2E2F',
  '5B5C5D5E5F60', 'F0F1F2FDFEFF')),'\\N',UNHEX('FFFE00'));
CREATE TABLE moments (id INT PRIMARY KEY, d DATE, t TIME(6), m DATETIME(3), s TIMESTAMP(6) NULL);
INSERT INTO moments VALUES (1,'9999-12-31','-838:59:59','1000-01-01 00:00:00.001','2038-01-19 03:14:07.999999'), (2,NULL,'00:00:00.000001',NULL,NULL),
  (3,'2024-02-29','23:59:59','2024-02-29 12:00:00','1970-01-02 00:00:01');
CREATE TABLE foreign_texts (id INT PRIMARY KEY, l VARCHAR(20) CHARACTER SET latin1, j VARCHAR(20) CHARACTER SET sjis);
INSERT INTO foreign_texts VALUES (1,'é\\',UNHEX('835C')), (2,'''','a');
CREATE TABLE computed (id INT PRIMARY KEY, a INT, twice INT AS (a * 2) STORED, `when` TIMESTAMP DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP);
INSERT INTO computed (id, a, `when`) VALUES (1, 21, '2001-02-03 04:05:06'), (2, NULL, '2001-02-03 04:05:07');
CREATE TABLE parted (id INT PRIMARY KEY, v INT) PARTITION BY RANGE (id) (PARTITION a VALUES LESS THAN (5), PARTITION b VALUES LESS THAN MAXVALUE);
INSERT INTO parted VALUES (1,1),(9,9);
CREATE TABLE child (id INT PRIMARY KEY, parent INT, FOREIGN KEY (parent) REFERENCES child (id));
INSERT INTO child VALUES (2,NULL),(1,2);
CREATE TABLE aside (id INT PRIMARY KEY, v TEXT) ENGINE=MyISAM;
INSERT INTO aside VALUES (1,'x');
"#;

fn tool(server: &Server, store: &Store, tool: &str) -> Tool {
    store.tool(tool).env("FWB_DEFAULTS_FILE", server.defaults_file())
}

/// How many batches of rows the server did not take as they are.
fn taken_back(server: &Server) -> String {
    server.query("SHOW GLOBAL STATUS LIKE 'Com_rollback'")
}

/// How many batches of rows were sent by LOAD DATA and by the bulk protocol.
fn batches(server: &Server) -> u64 {
    let status = server.query(
        "SHOW GLOBAL STATUS WHERE Variable_name IN ('Com_load', 'Com_stmt_execute', 'Com_execute_sql', 'Com_execute_immediate')",
    );
    let count = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('\t'));
        line.map_or(0, |count| count.parse::<u64>().unwrap())
    };
    // Statements that were prepared in SQL count for statements of the protocol too.
    count("Com_load") + count("Com_stmt_execute") - count("Com_execute_sql") - count("Com_execute_immediate")
}

/// The rows of each table of a dump, as their digests.
fn digests(manifest: &Value) -> Vec<(String, String, String)> {
    let sections =
        manifest["sections"].as_array().unwrap().iter().filter(|section| section["kind"] == "table");
    let of = |section: &Value| {
        (section["name"].to_string(), section["rows"].to_string(), section["rows_digest"].to_string())
    };
    sections.map(of).collect()
}

/// Restores a backup, and returns the digests of what is there then, and in how many batches.
fn comes_back(
    server: &Server,
    store: &Store,
    manifest: &Value,
    jobs: &str,
) -> (Vec<(String, String, String)>, u64) {
    server.sql("DROP DATABASE IF EXISTS loading_back");
    let before = batches(server);
    tool(server, store, "fwb-restore")
        .args(["--yes", "-j", jobs, "--no-safety-backup", "--database", "loading_back", name(manifest)])
        .run()
        .ok();
    let count = batches(server) - before;
    let again = tool(server, store, "fwb-dump").args(["-B", "loading_back"]).run().ok().json();
    (digests(&again), count)
}

fn every_value_comes_back(server: &Server, more: &str) {
    server.sql(format!("CREATE DATABASE loading CHARACTER SET utf8mb4; USE loading; {VALUES} {more}"));
    let store = Store::new();
    let manifest = tool(server, &store, "fwb-dump").args(["-B", "loading"]).run().ok().json();
    let (wanted, before) = (digests(&manifest), taken_back(server));
    for jobs in ["1", "3"] {
        let (found, count) = comes_back(server, &store, &manifest, jobs);
        assert_eq!(found, wanted);
        // Rows of engines without transactions and of the year 0000 are inserted, and on MySQL texts in other character sets.
        assert!((5..wanted.len() as u64 - 1).contains(&count), "{count} of {} tables", wanted.len());
    }
    assert_eq!(taken_back(server), before);
    // MariaDB needs no such permission.
    server.sql("SET GLOBAL local_infile=0");
    let (found, count) = comes_back(server, &store, &manifest, "1");
    assert_eq!((found, count > 0), (wanted.clone(), server.is_mariadb((10, 5))));
    server.sql("SET GLOBAL local_infile=1");

    // A stream whose tables cannot be found ahead goes the same way.
    let plain = tool(server, &store, "fwb-restore").args(["--stdout", name(&manifest)]).run().ok().stdout;
    store.write("plain.sql", plain);
    let before = batches(server);
    server.sql("DROP DATABASE loading_back");
    tool(server, &store, "fwb-restore")
        .args(["--yes", "--no-safety-backup", "--database", "loading_back", "plain.sql"])
        .run()
        .ok();
    assert!(batches(server) > before);
    let again = tool(server, &store, "fwb-dump").args(["-B", "loading_back"]).run().ok().json();
    assert_eq!(digests(&again), wanted);
}

/// Values whose bytes alone do not say what they are: an address of sixteen characters is no address of sixteen bytes.
const MARIADB: &str = "
CREATE TABLE addresses (id INT PRIMARY KEY, a INET6, INDEX (a));
INSERT INTO addresses VALUES (1,'2001:db8:1234::5'), (2,'::'), (3,'::ffff:1.2.3.4'), (4,NULL);
CREATE TABLE places (id INT PRIMARY KEY, p POINT NOT NULL, g GEOMETRY, SPATIAL INDEX (p));
INSERT INTO places VALUES (1,POINT(1,2),ST_GeomFromText('POLYGON((0 0,0 1,1 1,0 0))')), (2,ST_GeomFromText('POINT(-0.1 1e300)',4326),NULL);
CREATE TABLE wide (id INT PRIMARY KEY, u VARCHAR(20) CHARACTER SET ucs2, w TEXT CHARACTER SET utf32, e ENUM('é','ß') CHARACTER SET latin1,
  s SET('a','é') CHARACTER SET latin1, k VARCHAR(20) CHARACTER SET euckr);
INSERT INTO wide VALUES (1,'한 é','😀\\\\','ß','a,é','한글'), (2,'','',NULL,'',NULL);
CREATE TABLE kept (id INT PRIMARY KEY, v INT) WITH SYSTEM VERSIONING;
INSERT INTO kept VALUES (1,1),(2,2); UPDATE kept SET v = 3 WHERE id = 1; DELETE FROM kept WHERE id = 2;
";

/// What came with 10.10.
const NEWER: &str = "
CREATE TABLE known (id INT PRIMARY KEY, a INET4, u UUID);
INSERT INTO known VALUES (1,'255.255.255.255','123e4567-e89b-12d3-a456-426655440000'), (2,'0.0.0.0',NULL), (3,NULL,'ffffffff-ffff-ffff-ffff-ffffffffffff');
";

#[test]
fn every_value_comes_back_by_either_way() {
    let server = Server::private("loading", &[]);
    every_value_comes_back(&server, &[MARIADB, NEWER].concat());
}

#[test]
fn every_value_comes_back_by_either_way_on_the_oldest() {
    every_value_comes_back(&Server::of("mariadb-10.5", "loading-oldest", &[]), MARIADB);
}

#[test]
fn every_value_comes_back_by_either_way_on_the_newest() {
    let vectors = "
        CREATE TABLE near (id INT PRIMARY KEY, v VECTOR(3) NOT NULL, VECTOR INDEX (v));
        INSERT INTO near VALUES (1,VEC_FromText('[1,-2.5,1e-30]')), (2,VEC_FromText('[0,0,0]'));";
    let server = Server::of("mariadb-11.8", "loading-newest", &[]);
    every_value_comes_back(&server, &[MARIADB, NEWER, vectors].concat());
}

/// A server ends the connection over a statement that is longer than it takes; all rows of this table are not as long as a batch.
#[test]
fn a_server_that_takes_little_at_once_gets_little() {
    let server = Server::private("little", &["--max-allowed-packet=256K"]);
    server
        .sql("CREATE DATABASE loading; USE loading; CREATE TABLE t (id INT PRIMARY KEY, v LONGBLOB, w TEXT)");
    for id in 0..40 {
        server.sql(format!(
            "INSERT INTO loading.t VALUES ({id}, REPEAT(UNHEX('0127FF5C'), {}), REPEAT('\\'', {}))",
            400 * id,
            1200 * id
        ));
    }
    let store = Store::new();
    let manifest = tool(&server, &store, "fwb-dump").args(["-B", "loading"]).run().ok().json();
    let (found, count) = comes_back(&server, &store, &manifest, "1");
    assert_eq!(found, digests(&manifest));
    assert!(count > 3, "{count}");
}

#[test]
fn every_value_comes_back_by_either_way_on_mysql() {
    let server = Server::of("mysql-9.7", "loading-mysql", &["--local-infile=1"]);
    every_value_comes_back(
        &server,
        "CREATE TABLE doc (id INT PRIMARY KEY, j JSON); INSERT INTO doc VALUES (1,'{\"a\": \"it''s\"}');",
    );
}

/// LOAD DATA LOCAL leaves out rows whose key is taken, and bends values, with mere warnings: an INSERT ends with an error there, and
/// so does the restore.
#[test]
fn what_an_insert_refuses_is_refused() {
    refused(&Server::private("refused", &[]));
}

#[test]
fn what_an_insert_refuses_is_refused_on_mysql() {
    refused(&Server::of("mysql-9.7", "refused-mysql", &["--local-infile=1"]));
}

fn refused(server: &Server) {
    let is_mysql = !server.is_mariadb((10, 5));
    server.sql("CREATE DATABASE refused; USE refused; CREATE TABLE before_it (id INT PRIMARY KEY); INSERT INTO before_it VALUES (7)");
    let store = Store::new();
    let head = "-- MariaDB dump 10.19  Distrib 10.11.6-MariaDB, for debian-linux-gnu (x86_64)\n--\n-- Host: localhost    Database: refused\n\
                -- ------------------------------------------------------\n-- Server version\t10.11.6-MariaDB\n\n\
                /*!40101 SET NAMES utf8mb4 */;\n/*!40101 SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO' */;\n";
    let foot = "-- Dump completed on 2026-01-01  0:00:00\n";
    for (rows, words) in [
        ("(1,'a'),(2,'b'),(1,'c')", "Duplicate entry '1' for key"),
        ("(1,'a'),(2147483648,'b')", "Out of range value for column 'id'"),
        ("(1,'a'),(2,'abcdefgh')", "Data too long for column 'v'"),
        ("(1,'a'),(NULL,'b')", "Column 'id' cannot be null"),
        ("(1,'a'),(2,'\u{1F600}')", "Incorrect string value"),
    ] {
        let table = "CREATE TABLE `t` (\n  `id` int NOT NULL,\n  `v` varchar(5) CHARACTER SET utf8mb3 DEFAULT NULL,\n  PRIMARY KEY (`id`)\n) ENGINE=InnoDB;\n";
        store.write(
            "by_hand.sql",
            format!("{head}{table}INSERT INTO `t` (`id`, `v`) VALUES\n{rows};\n{foot}"),
        );
        let before = batches(server);
        tool(server, &store, "fwb-restore")
            .args(["--yes", "--database", "refused", "by_hand.sql"])
            .args([if is_mysql { "--strategy=in-place" } else { "--no-safety-backup" }])
            .run()
            .fails(1, &["ERROR", words]);
        // A restore in place loads the safety backup too.
        let tried = batches(server) - before;
        assert!(tried == 1 || is_mysql && tried > 0, "they were tried as they are: {rows}");
        assert_eq!(server.query("SELECT * FROM refused.before_it"), "7");
        assert_eq!(server.query("SHOW TABLES FROM refused"), "before_it");
    }
}

/// A table that is made before its turn, for a foreign key, meets none of the settings of another one's trigger.
fn definitions_keep_their_settings(server: &Server) {
    let store = Store::new();
    server.sql(
        "CREATE DATABASE settled CHARACTER SET utf8mb4; USE settled; SET sql_mode = ''; \
         CREATE TABLE a (id INT PRIMARY KEY); CREATE TABLE b (id INT PRIMARY KEY); \
         CREATE TABLE c (id INT PRIMARY KEY, e DATETIME NOT NULL DEFAULT '0000-00-00 00:00:00', k ENUM('x','예') DEFAULT '예', \
           p VARCHAR(40) DEFAULT '\\\\d+\\\\n', s VARCHAR(20) DEFAULT 'it''s\\n' COMMENT 'back\\\\slash', FOREIGN KEY (id) REFERENCES b (id)); \
         INSERT INTO a VALUES (1); INSERT INTO b VALUES (1),(2); INSERT INTO c (id) VALUES (1); \
         SET sql_mode = 'STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,NO_BACKSLASH_ESCAPES'; SET NAMES latin1; \
         CREATE TRIGGER ta BEFORE INSERT ON a FOR EACH ROW SET @x = 1; CREATE TRIGGER tb AFTER INSERT ON b FOR EACH ROW SET @y = 'a\\b';",
    );
    let content = |database: &str| {
        let of = |what: &str| server.query(format!("SHOW CREATE {what}").as_str());
        let tables = ["a", "b", "c"].map(|table| of(&format!("TABLE {database}.{table}")));
        let triggers = ["ta", "tb"].map(|trigger| {
            let shown = of(&format!("TRIGGER {database}.{trigger}"));
            // Without the moment at which it was made. MySQL keeps what ended the statement.
            shown.rsplit_once('\t').map(|(shown, _)| shown.replace("1;", "1")).unwrap_or_default()
        });
        let rows = server.query(format!("SELECT id, e, k, HEX(p), HEX(s) FROM {database}.c").as_str());
        (tables, triggers, rows)
    };
    let before = content("settled");
    let manifest = tool(server, &store, "fwb-dump").args(["-B", "settled"]).run().ok().json();
    // As another program would have it: nothing says where the tables' own settings end.
    let plain =
        tool(server, &store, "fwb-restore").args(["--stdout", name(&manifest)]).run().ok().stdout_text();
    let bare: Vec<&str> = plain.lines().filter(|line| !line.starts_with("--")).collect();
    store.write("bare.sql", format!("{}\n-- Dump completed\n", bare.join("\n")));
    for backup in [name(&manifest), "bare.sql"] {
        // A plain file does not say which collation its database had.
        server
            .sql("DROP DATABASE IF EXISTS settled_back; CREATE DATABASE settled_back CHARACTER SET utf8mb4");
        tool(server, &store, "fwb-restore")
            .args(["--yes", "--no-safety-backup", "--database", "settled_back", backup])
            .run()
            .ok();
        assert_eq!(content("settled_back"), before, "{backup}");
    }
}

#[test]
fn definitions_keep_their_settings_whatever_is_made_before_them() {
    definitions_keep_their_settings(&Server::private("settled", &[]));
}

#[test]
fn definitions_keep_their_settings_on_mysql() {
    definitions_keep_their_settings(&Server::of("mysql-9.7", "settled-mysql", &[]));
}

/// What the server bends with a warning is counted like any other row: whoever restores it is told.
#[test]
fn rows_that_are_taken_with_warnings_are_told() {
    let (server, store) = (Server::private("bent", &[]), Store::new());
    let table = |name: &str| {
        format!(
            "CREATE TABLE `{name}` (\n  `id` int NOT NULL,\n  `v` varchar(5) DEFAULT NULL,\n  PRIMARY KEY (`id`)\n) ENGINE=InnoDB;\n"
        )
    };
    store.write(
        "by_hand.sql",
        format!(
            "-- MariaDB dump 10.19  Distrib 10.11.6-MariaDB, for debian-linux-gnu (x86_64)\n--\n-- Host: localhost    Database: bent\n\
             -- ------------------------------------------------------\n-- Server version\t10.11.6-MariaDB\n\n/*!40101 SET NAMES utf8mb4 */;\n\
             {}INSERT INTO `good` (`id`, `v`) VALUES\n(1,'abc');\n{}INSERT INTO `long` (`id`, `v`) VALUES\n(1,'abcdefgh');\n\
             {}INSERT INTO `other` (`id`, `v`) VALUES\n(1,'abc');\n-- Dump completed on 2026-01-01  0:00:00\n",
            table("good"),
            table("long"),
            table("other")
        ),
    );
    let out = tool(&server, &store, "fwb-restore")
        .args(["--yes", "--no-safety-backup", "--database", "bent", "by_hand.sql"])
        .run()
        .ok();
    let told: Vec<&str> = out.stderr.lines().filter(|line| line.contains("with 1 warning,")).collect();
    assert!(told.len() == 1 && told[0].contains("long"), "{}", out.stderr);
}

/// What a dump says of its character set holds: these bytes are two characters in one, and one in another.
#[test]
fn texts_in_another_character_set_are_inserted() {
    let server = Server::private("names", &[]);
    let store = Store::new();
    for (names, characters, loaded) in [("latin1", "2", 0), ("utf8mb4", "1", 1)] {
        store.write(
            "by_hand.sql",
            format!(
                "-- MariaDB dump 10.19  Distrib 10.11.6-MariaDB, for debian-linux-gnu (x86_64)\n--\n-- Host: localhost    Database: named\n\
                 -- ------------------------------------------------------\n-- Server version\t10.11.6-MariaDB\n\n/*!40101 SET NAMES {names} */;\n\
                 CREATE TABLE `t` (\n  `v` varchar(5) DEFAULT NULL\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;\n\
                 INSERT INTO `t` (`v`) VALUES\n('\u{e9}');\n-- Dump completed on 2026-01-01  0:00:00\n"
            ),
        );
        let before = batches(&server);
        tool(&server, &store, "fwb-restore")
            .args(["--yes", "--no-safety-backup", "--database", "named", "by_hand.sql"])
            .run()
            .ok();
        assert_eq!(server.query("SELECT CHAR_LENGTH(v) FROM named.t"), characters, "{names}");
        assert_eq!(batches(&server), before + loaded, "{names}");
    }
}

/// A log of statements would have the replicas read the rows from a file, or hold each by itself.
#[test]
fn a_log_of_statements_gets_inserts() {
    let server = Server::private("statements", &["--binlog-format=STATEMENT"]);
    server.sql("CREATE DATABASE loading; CREATE TABLE loading.t (id INT PRIMARY KEY, v TEXT); INSERT INTO loading.t VALUES (1,'x'),(2,'y')");
    let store = Store::new();
    let manifest = tool(&server, &store, "fwb-dump").args(["-B", "loading"]).run().ok().json();
    assert_eq!(comes_back(&server, &store, &manifest, "1"), (digests(&manifest), 0));
    server.sql("SET GLOBAL binlog_format=MIXED");
    let (found, count) = comes_back(&server, &store, &manifest, "1");
    assert_eq!((found, count), (digests(&manifest), 1));
    // Where it holds rows, it holds them as rows.
    let log = server.query("SHOW BINARY LOGS");
    let last = log.lines().last().unwrap().split('\t').next().unwrap().to_owned();
    let events = server.query(format!("SHOW BINLOG EVENTS IN '{last}'"));
    assert!(!events.contains("Begin_load_query") && events.contains("Write_rows"), "{events}");
}
