//! Backups that earlier releases have made: a backup is older than the tool that restores it, always.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::support::{Database, Pod, Server, Store, Tool, name, sha256};

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

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

/// What the backups of releases are of.
const SHOP: &str = "CREATE DATABASE shop CHARACTER SET utf8mb4; USE shop;
CREATE TABLE orders (id INT PRIMARY KEY, customer VARCHAR(40), paid DECIMAL(8,2), at TIMESTAMP(3) NULL, packed BLOB);
INSERT INTO orders VALUES (1, '\u{c774}\u{c9c4}\u{c544}', 10.50, '2026-11-30 12:00:00.125', X'00FF'), (2, 'O''Neil \\\\', NULL, NULL, '');
CREATE TABLE empty (id INT PRIMARY KEY);
CREATE SEQUENCE numbers;
CREATE VIEW paid AS SELECT id, customer FROM orders WHERE paid IS NOT NULL;
CREATE FUNCTION seven() RETURNS INT DETERMINISTIC RETURN 7;
CREATE TRIGGER stamps BEFORE INSERT ON orders FOR EACH ROW SET NEW.at = COALESCE(NEW.at, NOW(3));
CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY STARTS '2037-01-01' DISABLE DO DELETE FROM empty;
CREATE USER clerk@'10.%' IDENTIFIED BY 'not a secret'; GRANT SELECT ON shop.* TO clerk@'10.%';";

/// Makes what this version writes, of each kind, through a pod: its address tells of no machine.
fn make_fixtures(place: &Path) {
    let server =
        Server::private("fixtures", &["--log-bin=b", "--server-id=7", "--log-bin-trust-function-creators=1"]);
    server.sql(SHOP);
    let (pod, store) = (Pod::new(), Store::new());
    pod.server(&server);
    let key = store.file("identity");
    Tool::program("age-keygen").arg("-o").arg(&key).run().ok();
    let public = Tool::program("age-keygen").arg("-y").arg(&key).run().ok().stdout_text();
    fs::write(
        &key,
        fs::read_to_string(&key).unwrap() + "# Made for this fixture, and used for nothing else.\n",
    )
    .unwrap();
    let tool =
        |name: &str| pod.tool(&store, name).env("FWB_DATABASE", "shop").env("FWB_SERVER_ID", "fixture");
    for options in [
        &[][..],
        &["--codec", "zstd"],
        &["--recipient", public.trim()],
        &["--codec", "zstd", "--recipient", public.trim(), "--sidecar", "full"],
        &["--tables", "orders"],
    ] {
        // Each in a second of its own: names are made of the time.
        let made = tool("fwb-dump").args(options).run().ok().json();
        let verify = tool("fwb-verify").arg(name(&made)).arg("--identity").arg(&key);
        verify.run().ok();
    }
    pod.tool(&store, "fwb-dump").args(["--accounts", "--server-id", "fixture"]).run().ok();
    server.sql(
        "USE shop; INSERT INTO orders (id, customer) VALUES (3, 'later'); DELETE FROM orders WHERE id = 1;",
    );
    tool("fwb-follow").arg("--once").run().ok();
    tool("fwb-run").arg("backup").run().ok();
    fs::create_dir_all(place).unwrap();
    let blank = |path: &Path| {
        let mut record: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        record["host"] = "fixture".into();
        if record["store"].is_string() {
            record["store"] = "backups".into();
        }
        fs::write(path, record.to_string() + "\n").unwrap();
    };
    let records = ["runs", "log"].map(|folder| fs::read_dir(store.file(folder)).unwrap());
    let records = records.into_iter().flatten().map(|entry| entry.unwrap().path());
    records.filter(|path| path.extension().is_some_and(|end| end == "json")).for_each(|path| blank(&path));
    fs::remove_file(store.file(".lock")).unwrap();
    let is_of_accounts = |name: &String| name.starts_with("accounts_") && name.ends_with(".sql.gz");
    let of_accounts = store.names().into_iter().find(is_of_accounts).expect("a backup of accounts");
    place_nowhere(&store, &of_accounts);
    Tool::program("cp").arg("-R").arg(store.path().join(".")).arg(place).run().ok();
}

/// Names no directory of this machine in a backup of accounts, which has the settings of its server: in its place stands one of the
/// same length, and the footer's hashes are made anew (docs/FORMAT.md).
fn place_nowhere(store: &Store, name: &str) {
    let (sidecar, here) = (format!("{name}.json"), env!("CARGO_MANIFEST_DIR"));
    let nowhere = format!("/{}", "x".repeat(here.len() - 1));
    let mut bytes = fs::read(store.file(name)).unwrap();
    let places: Vec<usize> = bytes
        .windows(here.len())
        .enumerate()
        .filter(|(_, word)| *word == here.as_bytes())
        .map(|(at, _)| at)
        .collect();
    for at in places {
        bytes[at..at + here.len()].copy_from_slice(nowhere.as_bytes());
    }
    let end = bytes.len() - 110;
    let number =
        |at: usize| usize::try_from(u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())).unwrap();
    let (core, size) = (number(end + 20) + 20, number(end + 28));
    for (from, to, at) in [(core, core + size, end + 36), (0, end, end + 68)] {
        let hash = Sha256::digest(&bytes[from..to]);
        bytes[at..at + 32].copy_from_slice(&hash);
    }
    let text = fs::read_to_string(store.file(&sidecar)).unwrap().replace(here, &nowhere);
    let mut record: Value = serde_json::from_str(&text).unwrap();
    record["sha256"] = sha256(&bytes).into();
    store.write(&sidecar, record.to_string() + "\n");
    store.write(name, bytes);
}

/// All that a release has written: listed, proved, given back as SQL, counted by reports, and its log read to its end.
#[test]
fn what_every_release_has_written_is_read() {
    let ours = fixtures().join(env!("CARGO_PKG_VERSION"));
    if std::env::var_os("FIXTURES").is_some_and(|word| word == "overwrite") && !ours.exists() {
        make_fixtures(&ours);
    }
    assert!(ours.exists(), "FIXTURES=overwrite makes those of this version");
    let is_release = |name: &String| name.starts_with(|letter: char| letter.is_ascii_digit());
    let names =
        fs::read_dir(fixtures()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut kinds = 0;
    for release in names.filter(is_release) {
        let store = Store::new();
        Tool::program("cp").arg("-R").arg(fixtures().join(&release).join(".")).arg(store.path()).run().ok();
        let key = store.file("identity");
        let tool = |name: &str| {
            let tool = Tool::alone(name).arg("--store").arg(store.path());
            if key.exists() { tool.arg("--identity").arg(&key) } else { tool }
        };
        let listed = tool("fwb-ls").run().ok().records();
        let is_artifact = |name: &&String| {
            name.contains(".sql.") && Path::new(name).extension().is_some_and(|end| end != "json")
        };
        let there = fs::read_dir(store.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap());
        assert_eq!(listed.len(), there.collect::<Vec<_>>().iter().filter(is_artifact).count(), "{release}");
        for backup in &listed {
            let what = format!("{release}: {}", name(backup));
            let proved = tool("fwb-verify").arg(name(backup)).run().ok().json();
            assert_eq!(proved["verification"]["ok"], true, "{what}: {proved}");
            assert_eq!(proved["verification"]["level"], "full", "{what}");
            if backup["kind"] != "accounts" {
                let sql = tool("fwb-restore").arg("--stdout").arg(name(backup)).run().ok();
                assert_eq!(proved["raw_sha256"], sha256(&sql.stdout), "{what}");
            }
            kinds += 1;
        }
        // Without a key, what was said of an encrypted backup still counts.
        let proved = Tool::alone("fwb-ls").arg("--store").arg(store.path()).arg("--verified").run().ok();
        assert!(!proved.records().is_empty() || release == "0.1.0", "{release}");
        if store.file("log").exists() {
            Tool::alone("fwb-verify").arg("--store").arg(store.path()).arg("--log").run().ok();
            let spans =
                Tool::alone("fwb-ls").arg("--store").arg(store.path()).args(["--timeline", "-B", "shop"]);
            assert!(!spans.run().ok().records().is_empty(), "{release}");
        }
        if store.file("runs").exists() {
            let report = Tool::alone("fwb-report").arg("--store").arg(store.path()).run().ok().json();
            let runs = report["databases"][0]["runs"].as_array().map_or(0, Vec::len);
            assert!(runs > 0, "{release}: {report}");
        }
    }
    assert!(kinds >= 8, "{kinds}");
}

#[test]
fn a_backup_of_1_0_0_is_restored() {
    let place = fixtures().join("1.0.0-rc.1");
    let (store, copy) = (Store::new(), Database::reserved("of_1_0_0"));
    Tool::program("cp").arg("-R").arg(place.join(".")).arg(store.path()).run().ok();
    let full = store.tool("fwb-ls").args(["--kind", "full", "-B", "shop"]).run().ok().records();
    let plain = full.iter().filter(|backup| backup["encryption"].is_null() && backup["chosen"].is_null());
    let plain: Vec<&str> = plain.map(name).take(2).collect();
    assert!(plain[0].ends_with(".sql.gz") && plain[1].ends_with(".sql.zst"), "{plain:?}");
    for (backup, strategy) in plain.into_iter().zip(["swap", "in-place"]) {
        let restore =
            store.tool("fwb-restore").args(["--yes", "--strategy", strategy, "--database", &copy.name]);
        restore.arg(backup).run().ok();
        assert_eq!(
            copy.query("SELECT id, HEX(customer), paid, HEX(packed) FROM orders ORDER BY id"),
            "1\tEC9DB4ECA784EC9584\t10.50\t00FF\n2\t4F274E65696C205C\tNULL\t",
            "{strategy}"
        );
        assert_eq!(copy.query("SELECT seven(), (SELECT COUNT(*) FROM paid)"), "7\t1", "{strategy}");
    }
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
