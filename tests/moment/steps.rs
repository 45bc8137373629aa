//! What clients do to a database, each as one step: every kind of change that a log can have.

/// The database before its backup.
pub(super) const BASE: &str = "CREATE DATABASE shop_x CHARACTER SET utf8mb4; CREATE DATABASE other; CREATE DATABASE shopzx; USE shop_x;
CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, a VARCHAR(100), b TIMESTAMP(6) DEFAULT NOW(6));
INSERT INTO t (a) SELECT seq FROM seq_1_to_1000;
CREATE TABLE p (id INT PRIMARY KEY);
CREATE TABLE c (id INT PRIMARY KEY AUTO_INCREMENT, p INT, FOREIGN KEY (p) REFERENCES p (id) ON DELETE CASCADE ON UPDATE CASCADE);
INSERT INTO p VALUES (1), (2), (3); INSERT INTO c (p) SELECT 1 + seq % 3 FROM seq_1_to_30;
CREATE TABLE `odd ``name% 고객` (`k_%` INT PRIMARY KEY, v TEXT); INSERT INTO `odd ``name% 고객` VALUES (1, '가');
CREATE EVENT e1 ON SCHEDULE EVERY 1 DAY STARTS '2037-01-01' DO DELETE FROM t WHERE id < 0;
CREATE EVENT e3 ON SCHEDULE EVERY 1 DAY STARTS '2037-01-01' DISABLE DO DELETE FROM t WHERE id < 0;
CREATE TABLE shopzx.t (id INT PRIMARY KEY, a TEXT); CREATE TABLE other.t (id INT PRIMARY KEY, a TEXT);";

/// The steps; each is executed in the database.
pub(super) const STEPS: &[&str] = &[
    "INSERT INTO t (a) VALUES ('one'), ('two')",
    "SET binlog_format=STATEMENT; INSERT INTO t (a) VALUES (RAND()), (NOW(6))",
    "SET binlog_format=STATEMENT; SET @v='x\\'y'; INSERT INTO t (a) VALUES (@v)",
    "SET binlog_format=STATEMENT; SET time_zone='+09:00'; INSERT INTO t (a) VALUES (NOW())",
    "SET binlog_format=STATEMENT; CREATE TEMPORARY TABLE tmp1 (a INT); INSERT INTO tmp1 VALUES (1), (2); INSERT INTO t (a) SELECT a FROM tmp1 ORDER BY a; DROP TEMPORARY TABLE tmp1",
    "SET binlog_format=ROW; DELETE FROM p WHERE id=2",
    "SET binlog_format=STATEMENT; UPDATE p SET id=7 WHERE id=3",
    "BEGIN; INSERT INTO t (a) VALUES ('sp1'); SAVEPOINT s; INSERT INTO t (a) VALUES ('gone'); ROLLBACK TO s; INSERT INTO t (a) VALUES ('sp2'); COMMIT",
    "CREATE TABLE n1 AS SELECT * FROM t LIMIT 10",
    "CREATE OR REPLACE TABLE n1 AS SELECT * FROM t LIMIT 20",
    "ALTER TABLE n1 ADD COLUMN z INT DEFAULT 7, ALGORITHM=COPY",
    "RENAME TABLE n1 TO n2",
    "TRUNCATE n2; INSERT INTO n2 (id, a) VALUES (1, 'q')",
    "CREATE PROCEDURE pr() INSERT INTO t (a) VALUES ('pr'); CALL pr()",
    "CREATE PROCEDURE other.pr() SELECT 1; CREATE FUNCTION other.f() RETURNS INT RETURN 1; DROP PROCEDURE other.pr; DROP FUNCTION other.f",
    "CREATE DEFINER=nobody@localhost TRIGGER tr AFTER INSERT ON n2 FOR EACH ROW INSERT INTO t (a) VALUES (CONCAT('tr', NEW.id))",
    "CREATE USER nobody@localhost; GRANT ALL ON shop_x.* TO nobody@localhost",
    "SET binlog_format=STATEMENT; INSERT INTO n2 (id, a) VALUES (2, 'q')",
    "SET binlog_format=ROW; INSERT INTO n2 (id, a) VALUES (3, 'q')",
    "CREATE SEQUENCE sq; INSERT INTO t (a) VALUES (NEXTVAL(sq)); SELECT NEXTVAL(sq); SELECT SETVAL(sq, 2000)",
    "XA START 'x1'; INSERT INTO t (a) VALUES ('xa1'); XA END 'x1'; XA PREPARE 'x1'; XA COMMIT 'x1'",
    "XA START 'x3'; INSERT INTO t (a) VALUES ('xa3'); XA END 'x3'; XA PREPARE 'x3'; XA ROLLBACK 'x3'",
    "INSERT INTO shopzx.t VALUES (1, 'a'); INSERT INTO other.t VALUES (1, 'b'); UPDATE other.t, shopzx.t SET other.t.a='c' WHERE other.t.id=shopzx.t.id",
    "USE other; INSERT INTO shop_x.t (a) VALUES ('from other')",
    "SET binlog_format=STATEMENT; USE other; INSERT INTO shop_x.t (a) VALUES ('from other, as a statement')",
    "CREATE EVENT e2 ON SCHEDULE EVERY 1 DAY STARTS '2037-01-01' DO DELETE FROM t WHERE id < 0",
    "ALTER EVENT e1 DISABLE; ALTER EVENT e3 ENABLE",
    "ALTER EVENT e2 RENAME TO e4; CREATE EVENT IF NOT EXISTS e4 ON SCHEDULE EVERY 1 DAY DISABLE DO SELECT 1",
    "CREATE TABLE m (a INT, b TEXT) ENGINE=MyISAM; INSERT INTO m VALUES (1, 'x'), (2, 'y')",
    "CREATE TABLE ar (a INT PRIMARY KEY, b TEXT) ENGINE=Aria; INSERT INTO ar VALUES (1, 'x'), (2, 'y')",
    "CREATE TABLE pt (a INT PRIMARY KEY) PARTITION BY RANGE (a) (PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN MAXVALUE); INSERT INTO pt VALUES (1), (100)",
    "ALTER TABLE pt DROP PARTITION p0",
    "CREATE TABLE sv (a INT PRIMARY KEY, b INT) WITH SYSTEM VERSIONING; INSERT INTO sv VALUES (1, 1); UPDATE sv SET b=2; DELETE FROM sv",
    "CREATE TABLE gc (a INT PRIMARY KEY, b INT AS (a * 2) STORED, c INT AS (a * 3) VIRTUAL, KEY (c)); INSERT INTO gc (a) VALUES (1), (2)",
    "CREATE TABLE js (a INT PRIMARY KEY, b JSON, d TEXT COMPRESSED); INSERT INTO js VALUES (1, '{\"a\": [1, 2]}', REPEAT('x', 1000)); SET binlog_format=ROW; INSERT INTO js VALUES (2, '[]', REPEAT('y', 2000))",
    "CREATE VIEW v1 AS SELECT id, a FROM t; ALTER VIEW v1 AS SELECT id FROM t; CREATE OR REPLACE VIEW v2 AS SELECT * FROM v1",
    "INSERT IGNORE INTO p VALUES (1), (50); REPLACE INTO p VALUES (50); INSERT INTO p VALUES (50) ON DUPLICATE KEY UPDATE id=51",
    "UPDATE t, p SET t.a='joined' WHERE t.id = p.id; DELETE t FROM t JOIN c ON c.id = t.id WHERE c.id < 5",
    "INSERT INTO `odd ``name% 고객` VALUES (2, '𝄞'), (3, NULL); ALTER TABLE `odd ``name% 고객` CHANGE v `w'\"` LONGTEXT",
    "SET NAMES latin1; SET sql_mode='ANSI_QUOTES,PIPES_AS_CONCAT'; SET binlog_format=STATEMENT; INSERT INTO t (a) VALUES ('a' || 'b')",
    "SET binlog_format=ROW; CREATE TABLE big (a INT PRIMARY KEY, b LONGBLOB); INSERT INTO big VALUES (1, REPEAT('z', 20 << 20))",
    "CREATE FUNCTION fn(n INT) RETURNS INT DETERMINISTIC RETURN n * 2; CREATE OR REPLACE FUNCTION fn(n INT) RETURNS INT DETERMINISTIC RETURN n * 3",
    "ALTER TABLE t ADD COLUMN x INT FIRST, ADD INDEX (a), ALGORITHM=INPLACE; UPDATE t SET x=id",
    "CREATE INDEX i ON c (id, p); DROP INDEX i ON c; OPTIMIZE TABLE c; ANALYZE TABLE c",
    "ALTER DATABASE shop_x CHARACTER SET latin1 COLLATE latin1_swedish_ci",
    "CREATE TABLE gone (a INT); DROP TABLE gone, n2",
    "RENAME TABLE m TO other.m2",
    "DROP PROCEDURE pr; DROP EVENT e4; DROP VIEW v2; DROP SEQUENCE sq",
    "FLUSH LOGS; INSERT INTO t (a) VALUES ('in the next file')",
    "BEGIN; INSERT INTO t (a) VALUES ('never'); ROLLBACK; INSERT INTO t (a) VALUES ('last')",
    "SELECT id, CONCAT(id, ' loaded') INTO OUTFILE '{dir}/rows' FROM p; SET binlog_format=STATEMENT; LOAD DATA INFILE '{dir}/rows' REPLACE INTO TABLE `odd ``name% 고객`",
    "SELECT id INTO OUTFILE '{dir}/more' FROM c; SET binlog_format=ROW; LOAD DATA INFILE '{dir}/more' INTO TABLE t (a)",
    "SET GLOBAL log_bin_compress=1, GLOBAL log_bin_compress_min_len=10; INSERT INTO t (a) VALUES (REPEAT('c', 90)); SET binlog_format=STATEMENT; UPDATE t SET a=CONCAT(a, REPEAT('d', 9)) WHERE id < 20; SET GLOBAL log_bin_compress=0",
    "SET binlog_row_image=MINIMAL, binlog_format=ROW; UPDATE t SET a='minimal' WHERE id=30; DELETE FROM t WHERE id=31; SET binlog_row_image=NOBLOB; UPDATE t SET a='noblob' WHERE id=32",
    "SET foreign_key_checks=0, unique_checks=0, check_constraint_checks=0, binlog_format=STATEMENT; INSERT INTO c (p) VALUES (4711)",
    "CREATE TABLE u (a VARCHAR(20) UNIQUE, b INT DEFAULT (1 + 2), CHECK (b > 0)) CHARACTER SET latin1 COLLATE latin1_german2_ci; INSERT INTO u (a) VALUES ('ä'), ('ß'), ('ö')",
    "BEGIN; INSERT INTO p VALUES (60); SAVEPOINT `a``b`; UPDATE p SET id=61 WHERE id=60; RELEASE SAVEPOINT `a``b`; COMMIT; INSERT INTO p VALUES (62) RETURNING id",
    "SET STATEMENT lock_wait_timeout=50 FOR ALTER TABLE u ADD COLUMN d INT DEFAULT 4; SET STATEMENT max_statement_time=50 FOR CREATE EVENT e5 ON SCHEDULE EVERY 1 DAY STARTS '2037-01-01' DISABLE DO DELETE FROM t WHERE id < 0; INSERT INTO u (a, d) VALUES ('x', 5)",
];

/// The same for MySQL, which does not have all of it, and has other things.
pub(super) const MYSQL_BASE: &str = "CREATE DATABASE shop_x CHARACTER SET utf8mb4; CREATE DATABASE other; CREATE DATABASE shopzx; USE shop_x;
CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, a VARCHAR(100), b TIMESTAMP(6) DEFAULT NOW(6));
INSERT INTO t (a) WITH RECURSIVE s AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM s WHERE n < 1000) SELECT n FROM s;
CREATE TABLE p (id INT PRIMARY KEY);
CREATE TABLE c (id INT PRIMARY KEY AUTO_INCREMENT, p INT, FOREIGN KEY (p) REFERENCES p (id) ON DELETE CASCADE ON UPDATE CASCADE);
INSERT INTO p VALUES (1), (2), (3); INSERT INTO c (p) SELECT 1 + id % 3 FROM t WHERE id <= 30;
CREATE TABLE `odd ``name% 고객` (`k_%` INT PRIMARY KEY, v TEXT); INSERT INTO `odd ``name% 고객` VALUES (1, '가');
CREATE EVENT e1 ON SCHEDULE EVERY 1 DAY STARTS '2037-01-01' DO DELETE FROM t WHERE id < 0;
CREATE EVENT e3 ON SCHEDULE EVERY 1 DAY STARTS '2037-01-01' DISABLE DO DELETE FROM t WHERE id < 0;
CREATE TABLE shopzx.t (id INT PRIMARY KEY, a TEXT); CREATE TABLE other.t (id INT PRIMARY KEY, a TEXT);";

/// The steps that MySQL has and MariaDB does not, or writes otherwise, each with words of the step before which it comes.
const OF_MYSQL: [(&str, &str); 9] = [
    (
        "RENAME TABLE n1",
        "SET binlog_format=ROW; CREATE TABLE js (a INT PRIMARY KEY, b JSON); INSERT INTO js VALUES (1, '{\"a\": [1, 2], \"b\": \"xxxxxxxxxxxxxxxxxxxx\"}'); SET binlog_row_value_options=PARTIAL_JSON; UPDATE js SET b=JSON_SET(b, '$.a', 7)",
    ),
    (
        "XA START 'x1'",
        "SET binlog_format=ROW, binlog_transaction_compression=1; INSERT INTO t (a) VALUES ('packed'), (REPEAT('p', 90)); BEGIN; UPDATE t SET a='packed twice' WHERE id < 9; DELETE FROM c WHERE id=2; COMMIT",
    ),
    (
        "CREATE TABLE gone",
        "ALTER TABLE n2 RENAME COLUMN a TO `a b`, ADD COLUMN w INT INVISIBLE DEFAULT 3, ADD INDEX ((LENGTH(`a b`)))",
    ),
    (
        "CREATE VIEW v1",
        "CREATE TABLE gd (id INT PRIMARY KEY, place POINT NOT NULL SRID 4326, SPATIAL KEY (place)); INSERT INTO gd VALUES (1, ST_GeomFromText('POINT(1 2)', 4326))",
    ),
    (
        "CREATE VIEW v1",
        "SET sql_generate_invisible_primary_key=1; CREATE TABLE nopk (a INT); INSERT INTO nopk VALUES (1), (1)",
    ),
    (
        "RENAME TABLE m",
        "CREATE TABLE atomic1 (a INT); CREATE TABLE atomic2 (a INT); DROP TABLE atomic1, atomic2",
    ),
    (
        "RENAME TABLE m",
        "CREATE FUNCTION fn(n INT) RETURNS INT DETERMINISTIC RETURN n * 2; DROP FUNCTION fn; CREATE FUNCTION fn(n INT) RETURNS INT DETERMINISTIC RETURN n * 3",
    ),
    (
        "RENAME TABLE m",
        "CREATE ROLE staff; GRANT SELECT ON shop_x.* TO staff; SET PERSIST max_connections=150; RESET PERSIST",
    ),
    ("FLUSH LOGS", "INSERT INTO p VALUES (70), (71) AS new ON DUPLICATE KEY UPDATE id=new.id + 100"),
];

/// What MySQL does not have.
const NOT_OF_MYSQL: [&str; 10] = [
    "SEQUENCE",
    "OR REPLACE TABLE",
    "ENGINE=Aria",
    "SYSTEM VERSIONING",
    "COMPRESSED",
    "OR REPLACE FUNCTION",
    "log_bin_compress",
    "check_constraint_checks",
    "RETURNING",
    "SET STATEMENT",
];

/// The steps that are to be had on a server, in their order.
pub(super) fn of(is_mysql: bool) -> Vec<&'static str> {
    if !is_mysql {
        return STEPS.to_vec();
    }
    let has = |step: &&&str| !NOT_OF_MYSQL.iter().any(|word| step.contains(word));
    let mut steps: Vec<&str> = STEPS.iter().filter(has).copied().collect();
    for (before, own) in OF_MYSQL {
        let at = steps.iter().position(|step| step.contains(before)).expect("a step");
        steps.insert(at, own);
    }
    steps
}
