-- Names that a dump must quote, and that comments, options and file names must not stumble over: quotes, separators,
-- line breaks, comments, keywords, 64 characters, other scripts.
CREATE TABLE `back``tick` (`co``l` INT PRIMARY KEY, `a.b` INT, `c;d` INT, `e''f` INT, `g"h` INT, `i\j` INT, `k--l` INT, `/* m */` INT, `-- n` INT, `#o` INT, `new
line` INT, `한글` INT, ` leading` INT, `SELECT` INT, `%s` INT, `$p` INT, `@q` INT, `?` INT, `(` INT, `,` INT, KEY `in``dex;` (`a.b`), CONSTRAINT `chec``k` CHECK (`c;d` < 10));
INSERT INTO `back``tick` (`co``l`, `c;d`) VALUES (1, 2);
CREATE TABLE `it's` (id INT); INSERT INTO `it's` VALUES (1);
CREATE TABLE `dou"ble` (id INT); INSERT INTO `dou"ble` VALUES (1);
CREATE TABLE `semi;colon` (id INT); INSERT INTO `semi;colon` VALUES (1);
CREATE TABLE `two;;colons` (id INT); INSERT INTO `two;;colons` VALUES (1);
CREATE TABLE `dot.ted.` (id INT); INSERT INTO `dot.ted.` VALUES (1);
CREATE TABLE ` space before` (id INT); INSERT INTO ` space before` VALUES (1);
CREATE TABLE `new
line` (id INT); INSERT INTO `new
line` VALUES (1);
CREATE TABLE `new
--
-- Table structure for table ``victim``
--
line` (id INT); INSERT INTO `new
--
-- Table structure for table ``victim``
--
line` VALUES (1);
CREATE TABLE `new
-- Dump completed` (id INT); INSERT INTO `new
-- Dump completed` VALUES (1);
CREATE TABLE `back\slash` (id INT); INSERT INTO `back\slash` VALUES (1);
CREATE TABLE `back\nslash\` (id INT); INSERT INTO `back\nslash\` VALUES (1);
CREATE TABLE `-- dashes` (id INT); INSERT INTO `-- dashes` VALUES (1);
CREATE TABLE `--option` (id INT); INSERT INTO `--option` VALUES (1);
CREATE TABLE `/* open` (id INT); INSERT INTO `/* open` VALUES (1);
CREATE TABLE `close */` (id INT); INSERT INTO `close */` VALUES (1);
CREATE TABLE `/*!50000 DROP TABLE victim */` (id INT); INSERT INTO `/*!50000 DROP TABLE victim */` VALUES (1);
CREATE TABLE `#hash` (id INT); INSERT INTO `#hash` VALUES (1);
CREATE TABLE `a/b` (id INT); INSERT INTO `a/b` VALUES (1);
CREATE TABLE `..` (id INT); INSERT INTO `..` VALUES (1);
CREATE TABLE `tab	tab` (id INT); INSERT INTO `tab	tab` VALUES (1);
CREATE TABLE `%` (id INT); INSERT INTO `%` VALUES (1);
CREATE TABLE `%s` (id INT); INSERT INTO `%s` VALUES (1);
CREATE TABLE `_` (id INT); INSERT INTO `_` VALUES (1);
CREATE TABLE `12345678901234567890123456789012345678901234567890123456789표각 4` (id INT);
CREATE TABLE `1` (`2` INT); INSERT INTO `1` VALUES (1);
CREATE TABLE `1e5` (`0x10` INT); INSERT INTO `1e5` VALUES (1);
CREATE TABLE `TABLE` (`SELECT` INT, `VALUES` INT, `PERIOD` INT); INSERT INTO `TABLE` VALUES (1, 2, 3);
CREATE TABLE `VALUES` (`FROM` INT); INSERT INTO `VALUES` VALUES (1);
CREATE TABLE `INSERT INTO x VALUES (1)` (`) VALUES (` INT); INSERT INTO `INSERT INTO x VALUES (1)` VALUES (1);
CREATE TABLE victim (id INT); INSERT INTO victim VALUES (1);
CREATE TABLE Case_ (id INT); INSERT INTO Case_ VALUES (1);
CREATE TABLE case_ (id INT); INSERT INTO case_ VALUES (2);
CREATE TABLE `한글 표` (`이름` VARCHAR(10), `나이` INT, KEY `색인` (`이름`)); INSERT INTO `한글 표` VALUES ('홍길동', 30);
CREATE TABLE `가각` (id INT); INSERT INTO `가각` VALUES (1);
CREATE TABLE `éÉ` (id INT); INSERT INTO `éÉ` VALUES (1);
CREATE TABLE `1234567890123456789012345678901234567890123456789012345678901234` (
  `1234567890123456789012345678901234567890123456789012345678901234` INT,
  KEY `1234567890123456789012345678901234567890123456789012345678901234` (`1234567890123456789012345678901234567890123456789012345678901234`));
CREATE TABLE `````````````````````````````````````````````````````````````````````````````````` (id INT);
CREATE TABLE `DELIMITER ;;` (id INT); INSERT INTO `DELIMITER ;;` VALUES (1);
CREATE TABLE corpus_names (corpus_names INT); INSERT INTO corpus_names VALUES (1);
CREATE VIEW `vi``ew; -- x` AS SELECT `co``l` AS `a;``b`, `new
line` FROM `back``tick`;
CREATE VIEW `vi
ew` AS SELECT * FROM `new
line`;
CREATE VIEW `a\view'` AS SELECT `id` AS `i\d'` FROM `back\slash`;
CREATE SEQUENCE `se``q;uence`;
CREATE SEQUENCE `se
quence`;
CREATE DEFINER=`it's "me"; -- ``x```@`%` PROCEDURE `by odd account`() SQL SECURITY INVOKER SELECT 1;
DELIMITER //
CREATE TRIGGER `tri``gger; "'\` BEFORE INSERT ON `back``tick` FOR EACH ROW SET @a = NEW.`co``l`//
CREATE TRIGGER `tri
gger` AFTER INSERT ON `new
line` FOR EACH ROW SET @a = 1//
CREATE PROCEDURE `pro``ce dure;`(IN `a``;` INT, OUT `b "'` VARCHAR(10)) SELECT `a``;` INTO `b "'`//
CREATE PROCEDURE `pro
cedure`() SELECT 1//
CREATE PROCEDURE `TRIGGER`() SELECT 1//
CREATE FUNCTION `func.tion/*`() RETURNS INT DETERMINISTIC RETURN 1//
CREATE FUNCTION `함수`() RETURNS INT DETERMINISTIC RETURN 1//
CREATE PROCEDURE `함수`() SELECT `함수`()//
CREATE EVENT `ev``ent; --` ON SCHEDULE EVERY 1 DAY STARTS '2037-01-01' DO SELECT 1//
CREATE EVENT `ev
ent` ON SCHEDULE EVERY 1 DAY STARTS '2037-01-01' DO SELECT 1//
DELIMITER ;
