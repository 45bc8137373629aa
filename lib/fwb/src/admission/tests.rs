//! What dumps contain, and what an attacker would like to be taken for it.

use super::*;
use crate::scan::Feed;

fn judge(sql: &str) -> Result<Vec<Admitted>, String> {
    let mut admission = Admission::new(Some("own"));
    let mut verdicts = Vec::new();
    let mut refused = None;
    let mut feed = Feed::new();
    let mut observer = |statement: &Statement<'_>| {
        match admission.judge(statement) {
            Ok(verdict) => verdicts.push(verdict),
            Err(why) => refused = refused.take().or(Some(why)),
        }
        Ok(())
    };
    feed.push(sql.as_bytes(), &mut observer).unwrap();
    feed.finish(&mut observer).unwrap();
    refused.map_or(Ok(verdicts), Err)
}

#[test]
fn what_dumps_contain_is_admitted() {
    use Admitted::{Load, Skip};
    let cases = [
        ("/*!40101 SET NAMES utf8mb4 */;", vec![Load]),
        ("/*!40014 SET @OLD_UNIQUE_CHECKS=@@UNIQUE_CHECKS, UNIQUE_CHECKS=0 */;", vec![Load]),
        ("/*!50003 SET sql_mode = @saved_sql_mode */ ;", vec![Load]),
        (
            "/*M!101100 SET @old_system_versioning_insert_history=@@session.system_versioning_insert_history, @@session.system_versioning_insert_history=1 */;",
            vec![Load],
        ),
        ("CREATE TABLE `a` (`select` int, `b` text DEFAULT 'UNION');", vec![Load]),
        ("CREATE TABLE `a` (`b` text /*!100301 COMPRESSED*/ /*M!100301COMPRESSED*/);", vec![Load]),
        (
            "CREATE TABLE `a` (x int);\nINSERT INTO `a` (`b`) VALUES (1,-2,NULL,0xff,'x\\'(y)'),(_binary 'z',1,1.5e-3,b'1',x'ff');",
            vec![Load, Load],
        ),
        ("CREATE TABLE `a` (x int);\nINSERT  IGNORE INTO `a` VALUES (1);", vec![Load, Load]),
        ("LOCK TABLES `a` WRITE;\nUNLOCK TABLES;", vec![Skip, Skip]),
        (
            "CREATE TABLE `a` (`x` text /*!100301 COMPRESSED*/, `y` text /*M!100301 COMPRESSED*/) /*!50100 PARTITION BY HASH (1) */;\nINSERT INTO `a` VALUES (1);",
            vec![Load, Load],
        ),
        (
            "CREATE DATABASE /*!32312 IF NOT EXISTS*/ `d`;\nUSE `d`;\nDROP TABLE IF EXISTS `a`;",
            vec![Skip, Skip, Load],
        ),
        ("SET @@GLOBAL.GTID_PURGED=/*!80000 '+'*/ 'a:1';", vec![Skip]),
        ("DO SETVAL(`s`, 1, 0);", vec![Load]),
        (
            "DELIMITER ;;\n/*!50003 CREATE*/ /*!50017 DEFINER=`r`@`%`*/ /*!50003 TRIGGER t BEFORE INSERT ON a FOR EACH ROW BEGIN SET @x=1; END */;;\nDELIMITER ;\n",
            vec![Load],
        ),
        (
            "/*!50003 CREATE*/ /*!50017 DEFINER=`r`@`%`*/ /*!50003 TRIGGER `own`.`t` BEFORE INSERT ON `own`.`a` FOR EACH ROW SET @x=1 */;",
            vec![Load],
        ),
        ("CREATE TABLE `a` (x int) ENGINE=MRG_MyISAM INSERT_METHOD=LAST UNION=(`b`,`c`);", vec![Load]),
        (
            "/*!50001 SET character_set_client = gbk */;\nCREATE VIEW `v` AS select 1 AS `x`;",
            vec![Load, Load],
        ),
    ];
    for (sql, expected) in cases {
        assert_eq!(judge(sql), Ok(expected), "{sql}");
    }
}

#[test]
fn everything_else_is_refused() {
    let cases = [
        "USE mysql;",
        "DROP TABLE `a`; USE `d`;",
        "CREATE DATABASE `d`; USE `mysql`;",
        "CREATE DATABASE `d`; USE `d`; USE `e`;",
        "DROP DATABASE filewallball_db;",
        "/*!50000 DROP DATABASE x */;",
        "/*!999999 CREATE TABLE a ( */ DROP DATABASE x /*!999999 ) */;",
        "DROP TABLE IF.R;",
        "DO SETVAL(`s`, 1, 0) INTO OUTFILE;",
        "SELECT SETVAL(`s`, 1, 0) FROM t;",
        "DO SETVAL(`s`, x);",
        "DROP TABLE IF @@GLOBAL.x EXISTS a;",
        "/*!80000 CREATE TABLE `a` (x int) */ /*M!100000 DROP DATABASE x */;",
        "INSERT INTO `mysql`.`user` VALUES (1);",
        "INSERT INTO a SELECT * FROM mysql.user;",
        "INSERT INTO a VALUES (LOAD_FILE('/etc/passwd'));",
        "INSERT INTO a VALUES ((SELECT 1));",
        "INSERT INTO a VALUES (1) ON DUPLICATE KEY UPDATE x=1;",
        "INSERT INTO a VALUES (1 /*!50000 +1 */);",
        "CREATE TABLE a AS SELECT * FROM mysql.user;",
        "CREATE TABLE `a` LIKE `mysql`.`user`;",
        "CREATE TABLE `a` (x int) DATA DIRECTORY='/tmp';",
        "CREATE TABLE `a` (x int) ENGINE=FEDERATED;",
        "LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE a;",
        "SELECT 1 INTO OUTFILE '/tmp/x';",
        "PREPARE s FROM 'DROP DATABASE x';",
        "SET GLOBAL general_log=1;",
        "SET @@global.general_log=1;",
        "SET @saved_sql_mode='NO_BACKSLASH_ESCAPES';",
        "SET @saved_sql_mode=@@version;",
        "SET sql_mode=@x;",
        "SET NAMES ucs2;",
        "SET character_set_client='utf16';",
        "SET NAMES gbk;\nCREATE VIEW `v` AS select '\u{e9}' AS `x`;",
        "/*!40101 SET NAMES sjis */;\n/*!99999 SET NAMES utf8mb4 */;\nCREATE VIEW `v` AS select '\u{e9}' AS `x`;",
        "SET @x=(SELECT 1);",
        "SET PASSWORD='x';",
        "GRANT ALL ON *.* TO x;",
        "CALL p();",
        "\\! id\n;",
        "system id;",
        "source /etc/passwd;",
        "DROP TABLE `a`, `mysql`.`user`;",
        "INSERT INTO a VALUES (1",
        "ALTER TABLE `a` RENAME `mysql`.`x`;",
        "CREATE TABLE `a` (x int) /*!50000 /* */ ; DROP DATABASE x */;",
        "RENAME TABLE a TO b;",
        "DELIMITER ;;\nCREATE TABLE a (x int); CREATE DATABASE marker;;\n",
        "DELIMITER ;;\nCREATE VIEW v AS SELECT 1; CREATE DATABASE marker;;\n",
        "CREATE FUNCTION f RETURNS STRING SONAME 'lib_mysqludf_sys.so';",
        "SET character_set_client=28;",
        "SET @c=@@character_set_database;",
        "SET character_set_client=@OLD_SQL_MODE;",
        "CREATE TABLE `a` (x int) ENGINE='FEDERATED';",
        "CREATE TABLE `a` (x int) ENGINE `CONNECT`;",
        "CREATE TABLE IF NOT EXISTS `a` (x int);",
        "CREATE TABLE a (x int) /* /*! */ ; CREATE DATABASE marker; -- */ ;",
        "/* x /*! y */ CREATE DATABASE marker; */",
        "CREATE TRIGGER `other`.`t` BEFORE INSERT ON `a` FOR EACH ROW SET @x=1;",
        "CREATE TRIGGER /*!99999 own.t BEFORE INSERT ON own.a FOR EACH ROW SET @x= */ own.t BEFORE INSERT ON a FOR EACH ROW SET @x=1;",
        "CREATE TRIGGER /*!99999 t BEFORE INSERT ON a FOR EACH ROW SET @x= */ own.t BEFORE INSERT ON a FOR EACH ROW SET @x=1;",
        "DROP TRIGGER own.t;",
        "CREATE PROCEDURE own.p() SELECT 1;",
        "CREATE TABLE `a` (x int) ENGINE=MRG_MyISAM UNION=(`mysql`.`user`);",
        "CREATE TABLE `a` (x int) ENGINE=MRG_MyISAM UNION=(`b`,mysql.user);",
        "CREATE TABLE `a` (x int) UNION SELECT 1;",
        "CREATE TABLE /*!500031a */ (x int);",
        "/*!500031SET NAMES utf8mb4 */;",
        "/*M!100100 -- /* */ DROP DATABASE x -- \n DROP TABLE `a` */;",
    ];
    let rows = [
        "INSERT INTO `a` SELECT f() UNION VALUES (1);",
        "INSERT INTO `a` VALUES (NEXT VALUE FOR victim.s);",
        "INSERT INTO `a` VALUES (@@version);",
        "INSERT INTO `a` VALUES (LOAD_FILE('/etc/passwd'));",
        "INSERT INTO `a` VALUES ((SELECT 1));",
        "INSERT INTO `a` VALUES (1) ON DUPLICATE KEY UPDATE x=1;",
        "INSERT INTO `a` VALUES (1 /*!50000 +1 */);",
        "INSERT INTO `a` /*!50000 SELECT * FROM mysql.user -- */ VALUES (1);",
        "INSERT INTO `a` SELECT * FROM mysql.user;",
        "INSERT INTO `b` VALUES (1);",
        "SET NAMES gbk;\nINSERT INTO `a` VALUES (1);",
        "CREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW SET @x=1;\nINSERT INTO `a` VALUES (1);",
        "CREATE VIEW `a` AS SELECT 1;\nINSERT INTO `a` VALUES (1);",
        "/* x /*! y */ INSERT INTO `a` VALUES (1); */",
    ];
    for sql in cases {
        assert!(judge(sql).is_err(), "{sql}");
    }
    for sql in rows {
        assert!(judge(&format!("CREATE TABLE `a` (x int);\n{sql}")).is_err(), "{sql}");
    }
    let many = "@OLD_SQL_NOTES=@@SQL_NOTES, SQL_NOTES=0, ".repeat(20);
    assert!(judge(&format!("SET {many} SQL_NOTES=0;")).is_ok());
    assert!(judge(&format!("SET {many} GLOBAL general_log=1;")).is_err());
}

/// A blank to a server whose session is in latin1, and a letter to whoever does not know that.
#[test]
fn blanks_beyond_ascii_hide_nothing() {
    let cases = [
        "CREATE TABLE `a` (x int) ENGINE=\u{a0}SELECT\u{a0}* FROM `mysql`.`user`;",
        "CREATE TABLE `a` (x int) DATA\u{a0}DIRECTORY='/tmp';",
        "CREATE TABLE `a` (x int) --\u{a0}'\nSELECT * FROM `mysql`.`user` -- ';",
        "CREATE VIEW v AS SELECT 1 --\u{a0}'\n; CREATE DATABASE marker; -- ';",
        "DROP TABLE `a`--\u{a0}';",
        "SET SQL_NOTES=0 /*!50001 \u{a0} */;",
    ];
    for sql in cases {
        assert!(judge(sql).is_err(), "{sql}");
    }
    assert!(judge("CREATE TABLE `표` (`열\u{a0}` int COMMENT '한글 \u{a0}') /* 말 */; -- 말\n").is_ok());
    assert!(judge("CREATE PROCEDURE p() SELECT 1 AS 값;").is_ok(), "a body is its own");
}

/// One statement to one server and another to the next: a judge who reads as one of them reads lets the other one pass.
#[test]
fn what_servers_read_in_different_ways_is_refused() {
    let cases = [
        "CREATE DATABASE `d`; /*!999999 CREATE TABLE a ( */ USE `d`;",
        "/*!999999 CREATE TABLE a ( */ CREATE DATABASE `d`;",
        "/*!999999 CREATE TABLE a ( */ SET sql_log_bin=0;",
        "/*!999999 CREATE TABLE a ( */ UNLOCK TABLES;",
        "/*!999999 CREATE TABLE a ( */ CREATE TABLE b (x int);",
        "SET SQL_NOTES=0 /*!999999 , SQL_LOG_BIN=0 */;",
        "CREATE /*!999999 TABLE a (x int) COMMENT='*/ VIEW v AS SELECT 1 -- ';",
        "/*!999999 CREATE TABLE a (x int) */; INSERT INTO a VALUES (1);",
        "CREATE TABLE a (x int) COMMENT /*!50606 '*/ /*!499999; DROP TABLE b */ '*/;",
        "CREATE TABLE``/*!50606`*//*!499999;`;",
        "CREATE VIEW v AS SELECT 1; /*!999999 DROP VIEW v */; CREATE TABLE v (x int);",
    ];
    for sql in cases {
        assert!(judge(sql).is_err(), "{sql}");
    }
}
