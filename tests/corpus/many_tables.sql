-- 5,000 tables, each with a row: what is done for every table, and slowly, shows here.
DELIMITER //
CREATE PROCEDURE make_tables()
BEGIN
  FOR n IN 1..5000 DO
    EXECUTE IMMEDIATE CONCAT('CREATE TABLE `table ', n, '` (id INT PRIMARY KEY, v INT) ENGINE=MyISAM');
    EXECUTE IMMEDIATE CONCAT('INSERT INTO `table ', n, '` VALUES (', n, ', ', n, ')');
  END FOR;
END//
DELIMITER ;
CALL make_tables();
