-- Character sets: a database that is not utf8mb4, columns of every width, bytes that are no text, texts that differ
-- by their collation alone.
ALTER DATABASE CHARACTER SET latin1 COLLATE latin1_german1_ci;
CREATE TABLE by_default (id INT PRIMARY KEY, v VARCHAR(20), e ENUM('ä','ß')) COMMENT='Größe 한글';
INSERT INTO by_default VALUES (1, 'äöüß', 'ä'), (2, '€', 'ß');
CREATE TABLE mixed (id INT PRIMARY KEY, l1 VARCHAR(20) CHARACTER SET latin1 COLLATE latin1_bin, kr VARCHAR(20) CHARACTER SET euckr, kr949 TEXT CHARACTER SET euckr COLLATE euckr_bin,
  u2 VARCHAR(20) CHARACTER SET ucs2, u16 VARCHAR(20) CHARACTER SET utf16, u16le TEXT CHARACTER SET utf16le, u32 VARCHAR(20) CHARACTER SET utf32, u3 VARCHAR(20) CHARACTER SET utf8mb3,
  u4 VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci, sj VARCHAR(20) CHARACTER SET sjis, gb VARCHAR(20) CHARACTER SET gbk, big VARCHAR(20) CHARACTER SET big5,
  ko VARCHAR(20) CHARACTER SET koi8r, a VARCHAR(20) CHARACTER SET ascii, b VARCHAR(20) CHARACTER SET binary, uc VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_danish_ci,
  e ENUM('한','글') CHARACTER SET euckr, s SET('ä','ö') CHARACTER SET ucs2 DEFAULT 'ö', d VARCHAR(20) CHARACTER SET utf16 DEFAULT '한글;''') DEFAULT CHARSET=euckr;
INSERT INTO mixed VALUES (1, 'äé', '한글 가', '뷁', '한é', '😀', '😀𝒳', '😀', '한', '😀é', '表ソ能', '誠\\', '功許', 'привет', 'ascii', x'00ff27', '각', '한', 'ä', 'd');
INSERT INTO mixed (id, sj, gb, big) VALUES (2, 'ソ''ソ', '縗''縗', '許''蓋');
CREATE TABLE unicode_words (w VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PRIMARY KEY, x VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_turkish_ci UNIQUE);
INSERT INTO unicode_words VALUES ('a', 'i'), ('A', 'ı'), ('ä', 'x'), ('á', 'y');
CREATE TABLE `größe` (`straße` INT PRIMARY KEY, `열` INT) CHARACTER SET ucs2;
INSERT INTO `größe` VALUES (1, 2);
-- Bytes that no character set would take, put there by those who knew better.
CREATE TABLE mojibake (id INT PRIMARY KEY, v VARCHAR(50) CHARACTER SET latin1, raw BLOB);
INSERT INTO mojibake VALUES (1, CONVERT(CAST(CONVERT('한글' USING utf8mb4) AS BINARY) USING latin1), x'ed95'), (2, x'818d8f909d', x'80'), (3, x'00010203', NULL);
SET NAMES latin1;
CREATE VIEW by_latin1 AS SELECT 'äö' AS v, id FROM by_default;
CREATE TABLE made_by_latin1 (id INT DEFAULT 1 COMMENT 'ä', v VARCHAR(10) DEFAULT 'ä');
INSERT INTO made_by_latin1 VALUES (1, 'ä');
DELIMITER //
CREATE PROCEDURE latin1_body() SELECT 'äß' AS s//
CREATE TRIGGER latin1_trigger BEFORE INSERT ON by_default FOR EACH ROW SET @s = 'ä'//
CREATE EVENT latin1_event ON SCHEDULE EVERY 1 DAY STARTS '2037-01-01' COMMENT 'a' DO SELECT 'ä'//
SET NAMES euckr//
CREATE PROCEDURE euckr_body() SELECT _binary'x' AS s, 'plain' AS p//
SET NAMES utf8mb4 COLLATE utf8mb4_bin//
CREATE FUNCTION 함수(a VARCHAR(10) CHARACTER SET euckr) RETURNS VARCHAR(20) CHARACTER SET utf16 DETERMINISTIC RETURN CONCAT(a, '한글 😀')//
DELIMITER ;
