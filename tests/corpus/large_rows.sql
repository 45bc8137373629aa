-- Rows that are longer than most servers' max_allowed_packet, and twice as long again in hexadecimal.
CREATE TABLE blobs (id INT PRIMARY KEY, data LONGBLOB, t LONGTEXT);
INSERT INTO blobs VALUES (1, REPEAT(UNHEX(SHA2(RAND(), 512)), 1048576), NULL), (2, NULL, REPEAT('한글 ''quoted''\n;\\', 300000)), (3, '', ''),
  (4, REPEAT(x'00', 5000000), REPEAT('''', 3000000)), (5, NULL, REPEAT('\n-- Dump completed\n', 100000));
CREATE TABLE many_columns (id INT PRIMARY KEY);
DELIMITER //
CREATE PROCEDURE widen()
BEGIN
  DECLARE columns LONGTEXT DEFAULT '';
  FOR n IN 1..1000 DO SET columns = CONCAT(columns, ', ADD COLUMN `column ', n, '` TINYINT DEFAULT ', n MOD 100); END FOR;
  EXECUTE IMMEDIATE CONCAT('ALTER TABLE many_columns ', SUBSTR(columns, 2));
END//
DELIMITER ;
CALL widen();
INSERT INTO many_columns (id) SELECT seq FROM seq_1_to_2000;
DELIMITER //
CREATE PROCEDURE long_body() SELECT 'begin'//
DELIMITER ;
