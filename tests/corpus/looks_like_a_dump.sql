-- Rows, comments, names and bodies that look like the dump's own text.
CREATE TABLE texts (id INT AUTO_INCREMENT PRIMARY KEY, t TEXT) COMMENT='
--
-- Table structure for table `texts`
--

DROP TABLE IF EXISTS `texts`;
-- Dump completed on 2025-01-01  1:02:03';
INSERT INTO texts (t) VALUES ('\n--\n-- Table structure for table `texts`\n--\nDROP TABLE `texts`;\n'), ('-- Dump completed on 2025-01-01'),
  ('
-- Dump completed on 2025-01-01
'), ('DELIMITER ;;
DROP TABLE texts ;;
DELIMITER ;'), ('/*!50003 DROP TABLE texts */;'), (');\nINSERT INTO `texts` VALUES (99,\'x\');'), ('),(98,''x''),('), ('\\'), ('\\''; DROP TABLE texts; -- '),
  ('/*!40000 ALTER TABLE `texts` ENABLE KEYS */;'), ('/*M!999999\\- enable the sandbox mode */'), ('SET @OLD_SQL_MODE=@@SQL_MODE;'), ('\\! rm -rf x\n\\. file\nsource file\n'), ('`'), ('''"`'), ('"'), ('/*'), ('*/'), ('#'), ('-- ');
CREATE TABLE columns_ (`-- Dump completed` INT COMMENT '-- Dump completed', `
--
-- Dumping data for table ``texts``
--` INT, `) VALUES (1),(2` TEXT DEFAULT '/*!40101 SET character_set_client = @saved_cs_client */;');
INSERT INTO columns_ VALUES (1, 2, 'x'), (3, 4, '');
DELIMITER $$
CREATE PROCEDURE body() COMMENT '
-- Dump completed'
BEGIN
--
-- Table structure for table `texts`
--
SELECT '
-- Dump completed on 2025-01-01
'; /*!50003 SELECT 1; */
/*!50003 SET sql_mode              = @saved_sql_mode */ ;
-- DELIMITER ;
SELECT 'DELIMITER ;
';
--
-- Dumping routines for database 'x'
--
-- Dump completed on 2025-01-01
END$$
CREATE TRIGGER trigger_body BEFORE INSERT ON texts FOR EACH ROW BEGIN
/*!50003 SET sql_mode = @saved_sql_mode */ ;
--
-- Final view structure for view `texts`
--
SET @a = '
DROP TABLE texts;
-- Dump completed';
END$$
CREATE EVENT event_body ON SCHEDULE EVERY 1 DAY STARTS '2037-01-01' COMMENT '-- Dump completed' DO BEGIN
--
-- Dumping events for database 'x'
--
/*!50106 SET TIME_ZONE= @save_time_zone */ ;
SELECT '
-- Dump completed';
END$$
DELIMITER ;
CREATE VIEW seen AS SELECT '
--
-- Final view structure for view `seen`
--
' AS `
-- Dump completed`, '/*!50001 DROP VIEW IF EXISTS `seen`*/;' AS b;
