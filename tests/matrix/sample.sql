CREATE TABLE files (
    id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(100), small FLOAT, exact DOUBLE, price DECIMAL(65, 30), big BIGINT UNSIGNED,
    content LONGBLOB, fixed BINARY(4), bits BIT(9), about JSON, made DATETIME(6), seen TIMESTAMP NULL, day DATE, spent TIME(3),
    since YEAR, state ENUM('new', 'old'), flags SET('a', 'b'), place GEOMETRY, twice BIGINT AS (CHAR_LENGTH(name) * 2), KEY (name)
) CHARACTER SET utf8mb4;
INSERT INTO files (name, small, exact, price, big, content, fixed, bits, about, made, seen, day, spent, since, state, flags, place) VALUES
    ('한글😀 it''s "\\', 1.1, 1e-300, 12345678901234567890.123456789012345678901234567890, 18446744073709551615, x'00ff275c0a', x'01', b'101010101',
     '{"a": [1.5, "\\n"]}', '2024-01-01 01:02:03.123456', '2024-06-30 23:59:59', '9999-12-31', '-838:59:59', 2155, 'old', 'a,b', ST_GeomFromText('POINT(1 2)')),
    ('', -0.0, -0.0, 0, 0, '', '', b'0', '[]', '1000-01-01 00:00:00', '1970-01-01 00:00:01', '1000-01-01', '00:00:00.001', 1901, 'new', '', NULL),
    (NULL, 3.402823466e38, 1.7976931348623157e308, -0.000000000000000000000000000001, 1, REPEAT('x', 300000), NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
    (REPEAT('é', 100), 16777217, 0.1, 1, 2, 'a', 'abcd', b'1', '"text"', '2024-02-29 12:00:00.000001', NULL, '2024-02-29', '838:59:59', 2000, NULL, 'b', NULL);
CREATE TABLE downloads (
    day DATE, number INT, file INT, PRIMARY KEY (day, number), KEY (file),
    CONSTRAINT of_file FOREIGN KEY (file) REFERENCES files (id) ON DELETE CASCADE, CHECK (number > 0)
);
INSERT INTO downloads VALUES ('2024-01-01', 1, 1), ('2024-01-01', 2, 2), ('2024-01-02', 1, 1);
CREATE TABLE latin (word VARCHAR(50)) CHARACTER SET latin1;
INSERT INTO latin VALUES ('Müßiggang'), (NULL);
CREATE TABLE japanese (word VARCHAR(50)) CHARACTER SET sjis;
INSERT INTO japanese VALUES (_sjis 0x835C8140), (_sjis 0xFC4B);
CREATE TABLE `odd ``name` (`key` INT, `a b` INT);
INSERT INTO `odd ``name` VALUES (1, 2);
CREATE TABLE parts (id INT PRIMARY KEY) PARTITION BY RANGE (id) (PARTITION low VALUES LESS THAN (10), PARTITION rest VALUES LESS THAN MAXVALUE);
INSERT INTO parts VALUES (1), (100);
SET sql_mode = '';
CREATE TABLE twins (id INT PRIMARY KEY, one ENUM('a', 'A', 'a ', '', 'é', 'e'), more SET('x', 'X', ''), most SET('aa','ab','ac','ad','ae','af','ag','ah','ai','aj','ak','al','am','an','ao','ap','aq','ar','as','at','au','av','aw','ax','ay','az','ba','bb','bc','bd','be','bf','bg','bh','bi','bj','bk','bl','bm','bn','bo','bp','bq','br','bs','bt','bu','bv','bw','bx','by','bz','ca','cb','cc','cd','ce','cf','cg','ch','ci','cj','ck', '')) CHARACTER SET latin1;
INSERT INTO twins VALUES (1, 1, 1, 1), (2, 2, 2, 18446744073709551615), (3, 3, 4, 9223372036854775808), (4, 4, 7, 9007199254740993), (5, 5, 0, 0),
    (6, 6, NULL, 18446744073709551614), (7, 0, 6, NULL), (8, NULL, 3, 9223372036854775807);
CREATE VIEW names AS SELECT id, name FROM files WHERE name IS NOT NULL;
CREATE VIEW first_names AS SELECT name FROM names ORDER BY id LIMIT 1;
DELIMITER //
CREATE TRIGGER checked BEFORE INSERT ON downloads FOR EACH ROW BEGIN
    /* a comment; -- and 'quotes' */
    SET NEW.number = NEW.number;
END//
CREATE PROCEDURE count_files(OUT found INT) BEGIN SELECT COUNT(*) INTO found FROM files; END//
CREATE FUNCTION seven() RETURNS INT DETERMINISTIC RETURN 7//
CREATE EVENT tidy ON SCHEDULE EVERY 1 YEAR STARTS '2030-01-01 00:00:00' DISABLE COMMENT 'rests' DO DELETE FROM downloads WHERE number < 0//
DELIMITER ;
