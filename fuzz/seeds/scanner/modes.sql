SET @saved_sql_mode=@@sql_mode, sql_mode='NO_BACKSLASH_ESCAPES,ANSI_QUOTES';
DELIMITER ;;
CREATE PROCEDURE "p"() begin select '\'; -- don't
end ;;
DELIMITER ;
SET sql_mode=@saved_sql_mode;
/* x */ /*!50003 SELECT 1 */;
