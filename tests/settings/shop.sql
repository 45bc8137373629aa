CREATE TABLE kinds (
    id INT PRIMARY KEY AUTO_INCREMENT, small FLOAT, exact DOUBLE, price DECIMAL(65, 30), fixed CHAR(10), bytes BINARY(4), bits BIT(9),
    made DATETIME(6), seen TIMESTAMP NULL, day DATE, spent TIME(3), since YEAR, state ENUM('new', '', 'old'), flags SET('a', 'b'),
    about JSON, place POINT, number UUID, address INET6, twice BIGINT AS (since * 2) PERSISTENT, later BIGINT AS (since + 1) VIRTUAL,
    hidden INT INVISIBLE DEFAULT 7, KEY (fixed), CHECK (price > -2)
) CHARACTER SET utf8mb4;
INSERT INTO kinds (id, small, exact, price, fixed, bytes, bits, made, seen, day, spent, since, state, flags, about, place, number, address) VALUES
    (0, 1.1, 1e-300, 1234567890.123456789012345678901234567890, 'a', x'01', b'101010101', '2024-01-01 01:02:03.123456', '2024-10-27 00:30:00',
     '9999-12-31', '-838:59:59', 2155, 'old', 'a,b', '{"a": [1.5]}', POINT(1, 2), '123e4567-e89b-12d3-a456-426655440000', '::1'),
    (2147483647, -0.0, 1.7976931348623157e308, -1, '한글😀\\''"', '', b'0', '0000-00-00', '2024-10-27 01:30:00', '0000-00-00', '00:00:00.001', 1901, 2, '', '[]', NULL, NULL, NULL),
    (5, 16777217, 0.1, 0, '', 'abcd', NULL, '2024-02-30', NULL, '2024-00-01', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
CREATE TABLE children (id INT PRIMARY KEY, kind INT, day DATE DEFAULT CURRENT_DATE, CONSTRAINT of_kind FOREIGN KEY (kind) REFERENCES kinds (id) ON DELETE CASCADE);
INSERT INTO children (id, kind, day) VALUES (1, 5, '2024-01-01'), (2, NULL, NULL);
CREATE TABLE words (id INT PRIMARY KEY, word VARCHAR(50), more TEXT, FULLTEXT (more)) CHARACTER SET latin1 ROW_FORMAT=COMPRESSED;
INSERT INTO words VALUES (1, 'Müßiggang', 'viele Wörter'), (2, NULL, REPEAT('x', 20000));
CREATE TABLE isam (word VARCHAR(50), KEY (word)) ENGINE=MyISAM CHARACTER SET sjis;
INSERT INTO isam VALUES (_sjis 0x835C8140), (_sjis 0xFC4B);
CREATE TABLE past (id INT PRIMARY KEY, v INT) WITH SYSTEM VERSIONING;
SET timestamp = 1700000000;
INSERT INTO past VALUES (1, 1), (2, 1);
SET timestamp = 1700000100;
UPDATE past SET v = 2;
DELETE FROM past WHERE id = 2;
SET timestamp = DEFAULT;
CREATE TABLE parts (id INT PRIMARY KEY) PARTITION BY RANGE (id) (PARTITION low VALUES LESS THAN (10), PARTITION rest VALUES LESS THAN MAXVALUE);
INSERT INTO parts VALUES (1), (100);
CREATE TABLE aux (id INT PRIMARY KEY, con INT, CONSTRAINT of_con FOREIGN KEY (con) REFERENCES kinds (id));
INSERT INTO aux VALUES (1, 5);
CREATE TABLE `Odd ``name` (`key` INT, `a "b"` INT);
INSERT INTO `Odd ``name` VALUES (1, 2);
CREATE SEQUENCE s START WITH 5 CACHE 10;
DO NEXTVAL(s);
CREATE VIEW names AS SELECT id, CONCAT(fixed, ' "!"') AS fixed FROM kinds WHERE fixed IS NOT NULL;
CREATE VIEW first_names AS SELECT fixed FROM names ORDER BY id LIMIT 1;
DELIMITER //
CREATE TRIGGER checked BEFORE INSERT ON children FOR EACH ROW BEGIN
    /* a comment; -- and 'quotes' */
    SET NEW.id = NEW.id + 0;
END//
CREATE PROCEDURE count_kinds(OUT found INT) BEGIN SELECT COUNT(*) INTO found FROM kinds WHERE fixed <> "a"; END//
CREATE FUNCTION seven() RETURNS INT DETERMINISTIC RETURN 7//
CREATE EVENT tidy ON SCHEDULE EVERY 1 YEAR STARTS '2037-01-01 00:00:00' COMMENT 'rests' DO DELETE FROM children WHERE id < 0//
DELIMITER ;
