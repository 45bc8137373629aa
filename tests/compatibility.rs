//! Backups that earlier releases have made: a backup is older than the tool that restores it, always.

use std::fs;
use std::path::Path;

use crate::support::{Database, Store};

/// Made by 0.1.0, which had mariadb-dump write the SQL, of the tables in tests/matrix/sample.sql.
const OLD: &str = "shop_backup_20261130_030604.sql.gz";

#[test]
fn a_backup_of_0_1_0_is_proved_and_restored() {
    let (store, copy) = (Store::new(), Database::reserved("of_0_1_0"));
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/0.1.0");
    for name in [OLD.to_owned(), format!("{OLD}.json")] {
        fs::copy(fixtures.join(&name), store.file(&name)).unwrap();
    }
    let proved = store.tool("fwb-verify").arg(OLD).run().ok().json();
    assert_eq!(proved["verification"]["ok"], true);
    let restore = |strategy: &str| {
        let arguments = ["--yes", "--strategy", strategy, "--database", &copy.name, OLD];
        store.tool("fwb-restore").args(arguments).run().ok().json()
    };
    for strategy in ["swap", "in-place"] {
        restore(strategy);
        assert_eq!(
            copy.query("SELECT COUNT(*), SUM(LENGTH(content)), MAX(big) FROM files"),
            "4\t300006\t18446744073709551615"
        );
        assert_eq!(
            copy.query("SELECT HEX(name), seen FROM files WHERE id = 1").split('\t').next(),
            Some("ED959CEAB880F09F988020697427732022 5C".replace(' ', "").as_str())
        );
        assert_eq!(copy.query("SELECT COUNT(*) FROM downloads JOIN files ON files.id = file"), "3");
        assert_eq!(copy.query("SELECT seven()"), "7");
    }
    // Its digests are of rows as mariadb-dump wrote them, so a drill counts.
    let drilled = store.tool("fwb-verify").args(["--level", "drill", OLD]).run().ok();
    assert_eq!(drilled.json()["verification"]["ok"], true, "{}", drilled.stderr);
}

/// As `mariadb-dump` of MariaDB 11.4 and later writes a dump: it leaves notes out, and commits a table's rows at once.
const OF_11_8: &str = "/*M!999999\\- enable the sandbox mode */
-- MariaDB dump 10.19-11.8.3-MariaDB, for debian-linux-gnu (x86_64)
--
-- Host: localhost    Database: shop
-- ------------------------------------------------------
-- Server version\t11.8.3-MariaDB-log

/*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */;
/*!40101 SET NAMES utf8mb4 */;
/*!40014 SET @OLD_FOREIGN_KEY_CHECKS=@@FOREIGN_KEY_CHECKS, FOREIGN_KEY_CHECKS=0 */;
/*!40101 SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_AUTO_VALUE_ON_ZERO' */;
/*M!100616 SET @OLD_NOTE_VERBOSITY=@@NOTE_VERBOSITY, NOTE_VERBOSITY=0 */;

--
-- Table structure for table `t`
--

DROP TABLE IF EXISTS `t`;
CREATE TABLE `t` (
  `id` int(11) NOT NULL,
  PRIMARY KEY (`id`)
) ENGINE=InnoDB;

--
-- Dumping data for table `t`
--

SET @OLD_AUTOCOMMIT=@@AUTOCOMMIT, @@AUTOCOMMIT=0;
LOCK TABLES `t` WRITE;
/*!40000 ALTER TABLE `t` DISABLE KEYS */;
INSERT INTO `t` VALUES
(1),
(2);
/*!40000 ALTER TABLE `t` ENABLE KEYS */;
UNLOCK TABLES;
COMMIT;
SET AUTOCOMMIT=@OLD_AUTOCOMMIT;
/*!50003 SET @saved_sql_mode       = @@sql_mode */ ;
/*!50003 SET sql_mode              = 'STRICT_TRANS_TABLES' */ ;
DELIMITER ;;
/*!50003 CREATE*/ /*!50017 DEFINER=`root`@`localhost`*/ /*!50003 TRIGGER counts BEFORE INSERT ON t FOR EACH ROW SET @counted = 1 */;;
DELIMITER ;
/*!50003 SET sql_mode              = @saved_sql_mode */ ;
/*!40101 SET SQL_MODE=@OLD_SQL_MODE */;
/*!40014 SET FOREIGN_KEY_CHECKS=@OLD_FOREIGN_KEY_CHECKS */;
/*!40101 SET CHARACTER_SET_CLIENT=@OLD_CHARACTER_SET_CLIENT */;
/*M!100616 SET NOTE_VERBOSITY=@OLD_NOTE_VERBOSITY */;

-- Dump completed on 2025-01-01  1:00:00
";

#[test]
fn a_dump_of_newer_client_programs_is_whole_and_restored() {
    let (store, copy) = (Store::new(), Database::reserved("of_11_8"));
    store.write("new.sql", OF_11_8);
    let proved = store.tool("fwb-verify").args(["--adopt", "new.sql"]).run().ok().json();
    let objects: Vec<&str> = proved["sections"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|section| section["objects"][0]["name"].as_str())
        .collect();
    assert_eq!(objects, ["counts"]);
    for strategy in ["swap", "in-place"] {
        let restore =
            store.tool("fwb-restore").args(["--yes", "--database", &copy.name, "--strategy", strategy]);
        restore.arg("new.sql").run().ok();
        assert_eq!(copy.query("SELECT COUNT(*) FROM t"), "2", "{strategy}: committed");
        assert_eq!(copy.query("SHOW TRIGGERS").split('\t').next(), Some("counts"), "{strategy}");
    }
}
