//! Files that were made, or changed, to do harm. A restore runs with the rights of an administrator; whatever such
//! a file gets past it happens to every database of the server.

mod links;
mod paths;
mod statements;

use std::fs;
use std::path::Path;

use serde_json::Value;
use sha2::{Digest, Sha256};

use self::statements::{DISGUISED, FILES_AND_COMMANDS, FOREIGN_STATEMENTS};
use crate::support::{Database, Output, Server, Store, Tool, gzip};

/// A dump of another program, of one database, as mariadb-dump frames it.
pub(crate) fn foreign(database: &str, body: &str) -> String {
    format!(
        "-- MariaDB dump 10.19  Distrib 10.11.6-MariaDB, for debian-linux-gnu (x86_64)\n--\n\
         -- Host: localhost    Database: {database}\n\
         -- ------------------------------------------------------\n-- Server version\t10.11.6-MariaDB\n\n\
         /*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */;\n/*!40101 SET NAMES utf8mb4 */;\n\
         /*!40111 SET @OLD_SQL_NOTES=@@SQL_NOTES, SQL_NOTES=0 */;\n\n{body}\n\n\
         /*!40111 SET SQL_NOTES=@OLD_SQL_NOTES */;\n\n-- Dump completed on 2025-07-25 17:02:15\n"
    )
}

/// The restored database, one beside it that is none of the file's business, and one that only an attack makes.
struct Scene {
    store: Store,
    target: Database,
    victim: Database,
    marker: Database,
    witness: String,
}

impl Scene {
    fn new(name: &str) -> Self {
        let victim = Database::new(&format!("{name}_victim"));
        victim.sql("CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(20)); INSERT INTO t VALUES (1, 'a'), (2, 'b'); CREATE SEQUENCE s;");
        let target = Database::new(&format!("{name}_target"));
        target.sql("CREATE TABLE before_it (id INT PRIMARY KEY); INSERT INTO before_it VALUES (7);");
        let marker = Database::reserved(&format!("{name}_marker"));
        let store = Store::new();
        let scene = Self { store, target, victim, marker, witness: String::new() };
        Self { witness: scene.outside(), ..scene }
    }

    /// What lies outside of the target: the victim, the marker, the server's accounts and settings.
    fn outside(&self) -> String {
        let server = "SELECT User, Host FROM mysql.user ORDER BY 1, 2; SELECT @@general_log, @@general_log_file, \
                      @@read_only; SELECT COUNT(*) FROM mysql.proc WHERE db = 'mysql';";
        let content = self.victim.content();
        let sequence = self.victim.query("SELECT next_not_cached_value FROM s");
        format!("{content}{sequence}\n{}{}", self.marker.exists(), Server::shared().query(server))
    }

    /// Restores a file of this body over the target. `{victim}` and `{marker}` in it are the databases' names.
    fn restore(&self, body: &[u8]) -> Output {
        let frame = foreign(&self.target.name, "{body}");
        let (before, after) = frame.split_once("{body}").unwrap();
        let mut sql = before.as_bytes().to_vec();
        sql.extend(replaced(&replaced(body, "{victim}", &self.victim.name), "{marker}", &self.marker.name));
        sql.extend(after.bytes());
        self.store.write("attack.sql", sql);
        self.store.tool("fwb-restore").args(["attack.sql", "--yes"]).run()
    }

    /// Nothing happened outside, and inside everything is as it was.
    #[track_caller]
    fn is_unharmed(&self, what: &str) {
        assert_eq!(self.outside(), self.witness, "{what} reached outside of the database");
        assert_eq!(self.target.content(), "before_it:\n7\n", "{what} changed the database");
    }
}

fn replaced(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    let Some(at) = bytes.windows(from.len()).position(|window| window == from.as_bytes()) else {
        return bytes.to_vec();
    };
    let mut out = bytes[..at].to_vec();
    out.extend(to.bytes());
    out.extend(replaced(&bytes[at + from.len()..], from, to));
    out
}

#[track_caller]
fn all_are_refused(name: &str, bodies: &[&str]) {
    let scene = Scene::new(name);
    for body in bodies {
        let refused = scene.restore(body.as_bytes());
        assert_eq!(refused.code, Some(2), "{body}\n{}", refused.stderr);
        refused.fails(2, &["attack.sql is refused"]);
    }
    scene.is_unharmed("a refused file");
    assert_eq!(scene.store.names(), ["attack.sql"], "a refusal comes before anything is done");
}

/// Whoever can make us find a string's end elsewhere than the server does has his expressions executed among the rows.
#[test]
fn where_a_string_ends_is_the_same_to_all() {
    const TABLE: &str = "CREATE TABLE `t` (`id` int PRIMARY KEY, `v` text);\nINSERT INTO `t` VALUES \
                         (1,'x\\',(SELECT User FROM mysql.global_priv LIMIT 1)) -- ','y');";
    let settings = [
        "/*M!100000 SET SQL_MODE='NO_BACKSLASH_ESCAPES' */;\n/*!80000 SET SQL_MODE='' */;",
        "/*!80000 SET SQL_MODE='NO_BACKSLASH_ESCAPES' */;\n/*M!100000 SET SQL_MODE='' */;",
        "SET SQL_MODE='NO_\\BACKSLASH_ESCAPES';",
        "SET SQL_MODE='NO_BACKSLASH_ESCAPES' /*!80000 , SQL_MODE='' */;",
        "SET SQL_MODE='' /*M!100000 , SQL_MODE='NO_BACKSLASH_ESCAPES' */;",
        "SET @saved_sql_mode=@@sql_mode /*M!100000 , SQL_MODE='NO_BACKSLASH_ESCAPES' */;",
        "SET NAMES gbk /*!80000 , NAMES utf8mb4 */;",
        "/*M!100000 SET NAMES gbk */;\n/*!80000 SET NAMES utf8mb4 */;",
        "SET AUTOCOMMIT=0, SQL_MODE='NO_BACKSLASH_ESCAPES';",
    ];
    let bodies = settings.map(|setting| format!("{setting}\n{TABLE}"));
    all_are_refused("quotes", &bodies.each_ref().map(String::as_str));
}

/// Rows are loaded under the header's settings: others would be other times and other letters.
#[test]
fn rows_under_other_settings_than_the_header_s_are_refused() {
    const TABLES: [&str; 2] = [
        "CREATE TABLE `a` (`id` int PRIMARY KEY);\nINSERT INTO `a` VALUES (1);",
        "CREATE TABLE `b` (`at` timestamp NULL, `v` text);\nINSERT INTO `b` VALUES ('2024-01-01 00:00:00','\u{e9}');",
    ];
    let settings = ["SET TIME_ZONE='+09:00';", "SET NAMES latin1;", "SET SQL_MODE='NO_BACKSLASH_ESCAPES';"];
    let bodies = settings.map(|setting| format!("{}\n{setting}\n{}", TABLES[0], TABLES[1]));
    all_are_refused("settings", &bodies.each_ref().map(String::as_str));
    let beside = format!("SET AUTOCOMMIT=0, TIME_ZONE='+09:00';\n{}", TABLES[1]);
    all_are_refused("beside", &[&beside]);
    // What is put back before the rows is none of theirs.
    let scene = Scene::new("around");
    let around = format!(
        "SET @saved_cs_client = @@character_set_client;\nSET character_set_client = latin1;\n{};\n\
         SET character_set_client = @saved_cs_client;\n{}",
        TABLES[1].split(';').next().unwrap(),
        TABLES[1].split(";\n").nth(1).unwrap()
    );
    scene.restore(around.as_bytes()).ok();
    assert_eq!(scene.target.query("SELECT v, CHAR_LENGTH(v) FROM b"), "\u{e9}\t1");
}

/// A `USE` in a file is how a restore into a test database overwrote production (Dokploy#3436).
#[test]
fn statements_that_no_dump_contains_are_refused() {
    all_are_refused("statements", FOREIGN_STATEMENTS);
}

/// A dump from elsewhere could run programs as whoever restores it, or carry their files away.
#[test]
fn commands_and_files_are_refused() {
    all_are_refused("commands", FILES_AND_COMMANDS);
    let touched = ["/tmp", env!("CARGO_TARGET_TMPDIR")].map(|dir| fs::read_dir(dir).unwrap());
    let made = touched.into_iter().flatten().flatten().map(|entry| entry.file_name());
    assert_eq!(made.filter(|name| name.to_string_lossy().starts_with("commands_victim")).count(), 0);
}

/// What looks like a table and its rows could empty another application's tables while it is loaded.
#[test]
fn statements_in_disguise_are_refused() {
    all_are_refused("disguised", DISGUISED);
}

/// The server splits what a client sends at semicolons; what we take for one statement could be two, and the second
/// one anything.
#[test]
fn a_second_statement_hidden_in_the_first_is_not_executed() {
    let bodies: [&[u8]; 13] = [
        b"DELIMITER ;;\nCREATE TABLE `a` (x INT); CREATE DATABASE `{marker}`;;\nDELIMITER ;",
        b"DELIMITER ;;\nCREATE PROCEDURE p() SELECT 1; CREATE DATABASE `{marker}`;;\nDELIMITER ;",
        b"DELIMITER ;;\nCREATE VIEW v AS SELECT 1; CREATE DATABASE `{marker}`;;\nDELIMITER ;",
        b"CREATE TABLE `a` (x INT);\n/* c */\nDELIMITER //\nCREATE TABLE `b` (x INT); CREATE DATABASE `{marker}`//\nDELIMITER ;",
        b"CREATE TABLE `a` (x INT) /* /*! */ ; CREATE DATABASE `{marker}`; -- */ ;\nCREATE TABLE `b` (x INT);",
        b"CREATE TABLE `a` (x INT);\nINSERT INTO `a` VALUES (1);\n/* x /*! y */ CREATE DATABASE `{marker}`; */\nINSERT INTO `a` VALUES (2);",
        // In GBK, 0xbf5c is one character, and the quote after it ends the string.
        b"CREATE TABLE `a` (x TEXT);\nSET NAMES gbk;\nINSERT INTO `a` VALUES ('\xbf\\'); CREATE DATABASE `{marker}`; -- x');",
        b"CREATE TABLE `a` (x TEXT);\nSET character_set_client=28;\nINSERT INTO `a` VALUES ('\xbf\\'); CREATE DATABASE `{marker}`; -- x');",
        // Second bytes of other charsets may be backslashes too.
        b"CREATE TABLE `a` (x TEXT);\nSET NAMES sjis;\nINSERT INTO `a` VALUES ('\x83\\'); CREATE DATABASE `{marker}`; -- x');",
        b"CREATE TABLE `a` (x TEXT);\nSET NAMES cp932;\nINSERT INTO `a` VALUES ('\x83\\'); CREATE DATABASE `{marker}`; -- x');",
        b"CREATE TABLE `a` (x TEXT);\n/*!40101 SET NAMES big5 */;\nINSERT INTO `a` VALUES ('\xa5\\'); CREATE DATABASE `{marker}`; -- x');",
        b"CREATE TABLE `a` (x TEXT);\n/*!50003 SET character_set_client = big5 */;\nINSERT INTO `a` VALUES ('\xa5\\'); CREATE DATABASE `{marker}`; -- x');",
        b"CREATE TABLE `a` (x TEXT);\nSET @s=@@sql_mode, sql_mode=CONCAT(@@sql_mode,',NO_BACKSLASH_ESCAPES');\nINSERT INTO `a` VALUES ('\\'); CREATE DATABASE `{marker}`; -- x');",
    ];
    let scene = Scene::new("hidden");
    for body in bodies {
        let ended = scene.restore(body);
        assert!(matches!(ended.code, Some(1 | 2)), "{:?}: {}", ended.code, ended.stderr);
        scene.is_unharmed(&String::from_utf8_lossy(body));
    }
}

/// A database of charset GBK reads the client's bytes in another way than we do.
#[test]
fn a_character_set_from_the_database_does_not_hide_a_statement() {
    let scene = Scene::new("charset");
    let name = &scene.target.quoted();
    Server::shared().sql(format!("ALTER DATABASE {name} CHARACTER SET gbk"));
    let ended = scene.restore(b"CREATE TABLE `a` (x TEXT);\nSET @c=@@character_set_database;\nSET character_set_client=@c;\nINSERT INTO `a` VALUES ('\xbf\\'); CREATE DATABASE `{marker}`; -- x');");
    assert!(matches!(ended.code, Some(1 | 2)), "{:?}: {}", ended.code, ended.stderr);
    scene.is_unharmed("a character set");
}

/// A file decides by a comment which database it is of; that must not be the one that holds all accounts.
#[test]
fn the_servers_own_databases_are_never_restored_into() {
    let scene = Scene::new("system");
    for system in ["mysql", "MySQL", "information_schema", "performance_schema", "sys"] {
        scene.store.write("attack.sql", foreign(system, "CREATE TABLE `a` (x INT);"));
        scene.store.tool("fwb-restore").args(["attack.sql", "--yes"]).run().fails(2, &[]);
        scene
            .store
            .tool("fwb-restore")
            .args(["attack.sql", "--yes", "--database", system])
            .run()
            .fails(2, &[]);
    }
    scene.is_unharmed("a system database");
}

/// An artifact says of its members how they are to be loaded; one that lies would have its statements sent as rows,
/// which nobody looks at.
#[test]
fn an_artifact_that_lies_about_its_members_harms_nobody() {
    /// RFC 1952's header, the subfield's, version and kind: the flags of a data member (docs/FORMAT.md).
    const FLAGS: usize = 18;
    /// The last member, and where in it the hash of all before it lies.
    const END: usize = 110;
    let scene = Scene::new("members");
    // Made by 0.1.0 from what a dump program that lies has written: it makes, fills and uses another database.
    let made = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/hostile/another_database.sql.gz");
    let artifact = scene.store.file("members.sql.gz");
    fs::copy(made, &artifact).unwrap();
    let mut bytes = fs::read(&artifact).unwrap();
    bytes[FLAGS] |= 2;
    let end = bytes.len() - END;
    let hash = Sha256::digest(&bytes[..end]);
    bytes[end + 68..end + 100].copy_from_slice(&hash);
    fs::write(&artifact, bytes).unwrap();
    let restore = Tool::new("fwb-restore").arg(&artifact).args(["--database", &scene.target.name]);
    let ended = restore.args(["--yes", "--no-safety-backup"]).run();
    let marker = "SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = 'fwb_hostile_marker'";
    assert_eq!(Server::shared().query(marker), "0", "{}", ended.stderr);
    assert_eq!(scene.outside(), scene.witness);
}

/// A manifest on standard input is input, not an order: it must not choose which database is overwritten.
#[test]
fn a_forged_manifest_on_standard_input_does_not_choose_the_database() {
    let scene = Scene::new("forged");
    let dump = scene.store.dump(&scene.target);
    let mut forged: Value = dump.clone();
    forged["database"] = scene.victim.name.clone().into();
    Tool::new("fwb-restore").arg("--yes").stdin(forged.to_string()).run();
    scene.is_unharmed("a forged manifest");
    for name in ["../x.sql.gz", "/etc/passwd", ".lock", "", "x\n.sql.gz"] {
        forged["name"] = name.into();
        Tool::new("fwb-restore").arg("--yes").stdin(forged.to_string()).run().fails(2, &[]);
    }
    scene.is_unharmed("a forged name");
}

/// Text from a file must not drive the operator's terminal or forge lines in a log.
#[test]
fn what_a_file_says_is_shown_and_not_obeyed() {
    let scene = Scene::new("escapes");
    let ended = scene.restore(b"CREATE TABLE `\x1b]0;owned\x07\nfwb-restore: done` (x nosuchtype);");
    let failed = ended.fails(1, &["Unknown data type"]);
    assert!(
        !failed.stderr.contains('\x1b') && !failed.stderr.contains("\nfwb-restore: done"),
        "{}",
        failed.stderr
    );
    scene.is_unharmed("a name with escapes");
    scene.store.write("attack.sql.gz", gzip(b"\x1b]0;owned\x07; DROP DATABASE x;"));
    let refused = scene
        .store
        .tool("fwb-restore")
        .args(["attack.sql.gz", "--yes", "--database"])
        .arg(&scene.target.name);
    let refused = refused.run().fails(2, &[]);
    assert!(!refused.stderr.contains('\x1b'), "{}", refused.stderr);
}
