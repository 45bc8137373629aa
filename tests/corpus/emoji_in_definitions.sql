-- Definitions go through utf8mb3, and an emoji in one is printed as a question mark: a list of values or a default that
-- holds one cannot be known from outside. The backup warns of it.
CREATE TABLE moods (id INT PRIMARY KEY, e ENUM('good','😀') NOT NULL, s SET('a','😢'), d VARCHAR(10) DEFAULT '😀', fine VARCHAR(20) DEFAULT 'what?', asked ENUM('yes','no?'));
INSERT INTO moods VALUES (1, 'good', '', 'x', 'x', 'no?'), (2, 'good', 'a', '😀', '😀', 'yes');
-- Everywhere else they are kept.
CREATE TABLE kept (id INT PRIMARY KEY, v VARCHAR(20) AS (CONCAT('😀', id)) PERSISTENT, CHECK (v <> '😢'));
INSERT INTO kept (id) VALUES (1);
CREATE TABLE parted (s VARCHAR(5)) PARTITION BY LIST COLUMNS (s) (PARTITION p VALUES IN ('😀', 'x'));
INSERT INTO parted VALUES ('😀');
CREATE VIEW v AS SELECT '😀' AS c;
CREATE FUNCTION f() RETURNS VARCHAR(10) CHARSET utf8mb4 DETERMINISTIC RETURN '😀';
CREATE TRIGGER t BEFORE INSERT ON parted FOR EACH ROW SET @a = '😀';
CREATE EVENT e ON SCHEDULE EVERY 1 DAY STARTS '2037-01-01' DO SELECT '😀';
