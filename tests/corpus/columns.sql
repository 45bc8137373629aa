-- Columns that are computed, hidden, compressed or checked, and defaults that are expressions.
CREATE TABLE computed (id INT PRIMARY KEY, a INT NOT NULL, v INT AS (a * 2) VIRTUAL COMMENT 'it''s; twice',
  p VARCHAR(60) AS (CONCAT('x;', a, '''', '\\', "q", '한글')) PERSISTENT, vv INT GENERATED ALWAYS AS (v + 1) VIRTUAL,
  j VARCHAR(20) AS (JSON_VALUE(doc, '$.name')) VIRTUAL, doc JSON, KEY (v), KEY (p), UNIQUE KEY (j));
INSERT INTO computed (id, a, doc) VALUES (1, 2, '{"name":"n1"}'), (2, 3, NULL), (3, -4, '{"name":"it''s;"}');
CREATE TABLE hidden (a INT INVISIBLE DEFAULT 7, id INT PRIMARY KEY, b INT INVISIBLE, c VARCHAR(10) INVISIBLE NOT NULL DEFAULT 'c', d INT);
INSERT INTO hidden (id, a, b, d) VALUES (1, 1, 2, 3);
INSERT INTO hidden VALUES (2, 4);
CREATE TABLE hidden_key (id INT AUTO_INCREMENT INVISIBLE PRIMARY KEY, v INT);
INSERT INTO hidden_key (v) VALUES (5), (6);
CREATE TABLE hidden_computed (v INT, w INT AS (v + 1) VIRTUAL INVISIBLE, x INT AS (v + 2) PERSISTENT INVISIBLE);
INSERT INTO hidden_computed (v) VALUES (5), (6);
CREATE TABLE checked (id INT PRIMARY KEY CHECK (id <> 0), a INT, s VARCHAR(40),
  CONSTRAINT `ch``eck; -- ` CHECK (a < 1000 AND s NOT LIKE '%;''\\%'), CHECK (s REGEXP '^[a-z`"]*$'), j JSON);
INSERT INTO checked VALUES (1, 2, 'abc', '{}');
SET check_constraint_checks = 0;
INSERT INTO checked VALUES (2, 5000, 'does not hold 123', '{"a":1}');
SET check_constraint_checks = 1;
CREATE TABLE defaults (id INT PRIMARY KEY, a INT DEFAULT (1 + 2), b VARCHAR(80) DEFAULT CONCAT('a;b''', "c", '\\'),
  c CHAR(36) DEFAULT UUID(), d DATETIME(6) DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6),
  e TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP, f TIMESTAMP NULL DEFAULT NULL ON UPDATE CURRENT_TIMESTAMP,
  g INT DEFAULT (id * 10), h DATE DEFAULT (CURRENT_DATE + INTERVAL 1 DAY), i TEXT DEFAULT 'te;xt', j BLOB DEFAULT X'00FF27', k JSON DEFAULT '{"a":"b;"}',
  l VARCHAR(10) DEFAULT '', m VARCHAR(10) DEFAULT 'NULL', n ENUM('x','y') DEFAULT 'y', o BIT(4) DEFAULT b'1010', p DOUBLE DEFAULT -1.5e300,
  q POINT DEFAULT ST_GeomFromText('POINT(1 2)'), r VARCHAR(64) DEFAULT USER(), s INT UNSIGNED ZEROFILL DEFAULT 5, t VARCHAR(20) DEFAULT '줄\n바꿈');
INSERT INTO defaults (id, c, d, e, h, r) VALUES (1, 'c', '2020-01-01 00:00:00.000001', '2020-01-01', '2020-01-01', 'me');
CREATE TABLE compressed (id INT PRIMARY KEY, t TEXT COMPRESSED, b LONGBLOB COMPRESSED=zlib, v VARCHAR(1000) COMPRESSED COMMENT 'c');
INSERT INTO compressed VALUES (1, REPEAT('compress me; ', 1000), REPEAT(x'00ff27', 1000), '');
CREATE TABLE commented (id INT PRIMARY KEY COMMENT 'quotes '' " ` and \\ and
a newline; -- Dump completed on 2025-01-01',
  `한글 열` INT COMMENT '설명 😀 /* */ ;;') COMMENT='table
comment ''quoted'' `x` -- Table structure for table `y`;\t\\';
INSERT INTO commented VALUES (1, 2);
