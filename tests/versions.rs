//! A backup of one server, restored into another of a later version, an earlier one, another flavor: it comes out the same, or
//! is refused before anything is written, or is found to be different. docs/SERVERS.md has the table.

use serde_json::Value;

use crate::hostile::foreign;
use crate::support::{Database, Output, Server, Store, mariadb_dump, mariadb_dump_of, name};

const HISTORY: &str = "SET time_zone = '+00:00';
CREATE TABLE implied (id INT PRIMARY KEY, v VARCHAR(40)) WITH SYSTEM VERSIONING;
INSERT INTO implied VALUES (1, 'a'), (2, '2038-01-19 03:14:07.999999'), (3, '\\',\\'2106-02-07 06:28:15.999999\\')');
UPDATE implied SET v = 'A' WHERE id = 1;
DELETE FROM implied WHERE id = 2;
CREATE TABLE declared (id INT PRIMARY KEY, `from``;` TIMESTAMP(6) GENERATED ALWAYS AS ROW START, upto TIMESTAMP(6) GENERATED ALWAYS AS ROW END,
    also TIMESTAMP(6) NULL, PERIOD FOR SYSTEM_TIME (`from``;`, upto)) WITH SYSTEM VERSIONING;
INSERT INTO declared (id, also) VALUES (1, '2038-01-19 03:14:07.999999'), (2, NULL);
UPDATE declared SET also = NULL WHERE id = 2;
UPDATE declared SET id = 3 WHERE id = 2;
CREATE TABLE long_rows (id INT PRIMARY KEY, v LONGTEXT) WITH SYSTEM VERSIONING;
INSERT INTO long_rows VALUES (1, REPEAT('x\\'y', 2000000)), (2, NULL);
UPDATE long_rows SET v = CONCAT(v, 'z') WHERE id = 1;
CREATE TABLE none_yet (id INT PRIMARY KEY) WITH SYSTEM VERSIONING;";

/// Which rows hold, and all that ever did.
const LOOK: &str = "SET time_zone = '+00:00';
SELECT id, v FROM implied ORDER BY id; SELECT id, v FROM implied FOR SYSTEM_TIME ALL ORDER BY id, row_start, row_end;
SELECT id, also FROM declared ORDER BY id; SELECT id, also FROM declared FOR SYSTEM_TIME ALL ORDER BY id, `from``;`, upto;
SELECT id, MD5(v) FROM long_rows ORDER BY id; SELECT id, MD5(v) FROM long_rows FOR SYSTEM_TIME ALL ORDER BY id, row_start, row_end;";

/// Some servers, and a store.
struct Scene {
    store: Store,
    servers: Vec<(&'static str, Server)>,
}

impl Scene {
    fn new(test: &str, kinds: &[&'static str]) -> Self {
        let start = |kind: &&'static str| {
            let server = Server::of(
                kind,
                &format!("versions-{test}-{kind}"),
                &["--log-bin-trust-function-creators=1"],
            );
            (*kind, server)
        };
        Self { store: Store::new(), servers: kinds.iter().map(start).collect() }
    }

    fn server(&self, kind: &str) -> &Server {
        &self.servers.iter().find(|(known, _)| *known == kind).unwrap().1
    }

    fn look(&self, kind: &str, database: &str) -> String {
        self.server(kind).query(format!("USE {database}; {LOOK}"))
    }

    /// Makes a database, and a backup of it.
    fn dump(&self, kind: &str, database: &str, sql: &str) -> Value {
        let server = self.server(kind);
        server.sql(format!("CREATE DATABASE {database} COLLATE utf8mb4_general_ci; USE {database}; {sql}"));
        let dump = self.store.tool("fwb-dump").env("FWB_DEFAULTS_FILE", server.defaults_file());
        dump.args(["-B", database]).run().ok().json()
    }

    fn restore(&self, kind: &str, backup: &str, options: &[&str]) -> Output {
        let restore =
            self.store.tool("fwb-restore").env("FWB_DEFAULTS_FILE", self.server(kind).defaults_file());
        restore.args(["--yes"]).args(options).arg(backup).run()
    }

    /// What is on a server beside its own databases.
    fn databases(&self, kind: &str) -> String {
        self.server(kind).query("SHOW DATABASES")
    }

    /// A restore that is refused before anything is written; what it says.
    fn refused(&self, kind: &str, backup: &str, options: &[&str]) -> String {
        let before = self.databases(kind);
        let refused = self.restore(kind, backup, options);
        assert_eq!(refused.code, Some(2), "{}", refused.stderr);
        assert_eq!(self.databases(kind), before);
        refused.stderr
    }
}

#[test]
fn history_holds_on_servers_that_end_it_at_another_time() {
    let scene = Scene::new("history", &["mariadb-10.5", "mariadb-10.11", "mariadb-11.8"]);
    for (from, to) in [("mariadb-10.11", "mariadb-11.8"), ("mariadb-11.8", "mariadb-10.11")] {
        let database = &format!("of_{}", from.len());
        let dump = scene.dump(from, database, HISTORY);
        let expected = scene.look(from, database);
        assert!(expected.contains("1\tA\n"), "{expected}");
        for options in [
            &["--prove", "digest"][..],
            &["--strategy", "in-place"],
            &["-j", "1", "--tables", "implied,declared,long_rows"],
        ] {
            let restored = scene.restore(to, name(&dump), options).ok();
            assert_eq!(scene.look(to, database), expected, "{from} to {to}, {options:?}");
            assert!(restored.stderr.contains("the rows are converted"), "{}", restored.stderr);
        }
        // The counters of the rows go on: what holds can be changed, and what does not cannot.
        scene.server(to).sql(format!("USE {database}; UPDATE implied SET v = 'again'; DELETE FROM declared"));
        let rows =
            "SELECT (SELECT COUNT(*) FROM implied FOR SYSTEM_TIME ALL), (SELECT COUNT(*) FROM declared)";
        assert_eq!(scene.server(to).query(format!("USE {database}; {rows}")), "6\t0");
        let refused = scene.refused("mariadb-10.5", name(&dump), &[]);
        assert!(refused.contains("implied") && refused.contains("from 10.11 on"), "{refused}");
    }
    // Dumps of 10.5 hold what holds alone, and say so.
    let old = scene.dump("mariadb-10.5", "old", HISTORY);
    let restored = scene.restore("mariadb-11.8", name(&old), &["--prove", "digest"]).ok();
    assert!(!restored.stderr.contains("converted"), "{}", restored.stderr);
    let rows = |kind: &str| scene.server(kind).query("SELECT id, v FROM old.implied ORDER BY id");
    assert_eq!(rows("mariadb-11.8"), rows("mariadb-10.5"));
}

#[test]
fn history_in_a_dump_of_another_program_holds_too() {
    let scene = Scene::new("foreign", &["mariadb-10.11", "mariadb-11.8"]);
    let source = scene.server("mariadb-10.11");
    source.sql(format!("CREATE DATABASE dumped COLLATE utf8mb4_general_ci; USE dumped; {HISTORY}"));
    let sql = mariadb_dump_of(source, "dumped", &["--dump-history"]);
    scene.store.write("foreign.sql", sql);
    let restored = scene.restore("mariadb-11.8", "foreign.sql", &["--database", "from_foreign"]).ok();
    assert!(restored.stderr.contains("the rows are converted"), "{}", restored.stderr);
    assert_eq!(scene.look("mariadb-11.8", "from_foreign"), scene.look("mariadb-10.11", "dumped"));
}

#[test]
fn times_beyond_2038_are_refused_where_they_would_be_lost() {
    let scene = Scene::new("times", &["mariadb-10.11", "mariadb-11.8", "mysql-9.7"]);
    let late = "SET time_zone = '+00:00'; CREATE TABLE late (id INT PRIMARY KEY, `due, soon` TIMESTAMP NULL, noted VARCHAR(40), made DATETIME);
        INSERT INTO late VALUES (1, '2038-01-19 03:14:07', '2040-01-01 00:00:00', '2040-01-01 00:00:00')";
    let within = scene.dump("mariadb-11.8", "within", late);
    let beyond = scene.dump(
        "mariadb-11.8",
        "beyond",
        &format!("{late}, (2, '2038-01-19 03:14:08', NULL, NULL); CREATE TABLE other (id INT PRIMARY KEY)"),
    );
    for to in ["mariadb-10.11", "mysql-9.7"] {
        let refused = scene.refused(to, name(&beyond), &["--database", "anew"]);
        assert!(refused.contains("2038-01-19 03:14:08") && refused.contains("due, soon"), "{refused}");
    }
    scene.restore("mariadb-10.11", name(&within), &[]).ok();
    scene.restore("mariadb-10.11", name(&beyond), &["--tables", "other"]).ok();
    scene.restore("mariadb-11.8", name(&beyond), &["--database", "again"]).ok();
}

#[test]
fn a_collation_that_a_server_lacks_is_named_beforehand() {
    let scene = Scene::new("collations", &["mariadb-10.5", "mariadb-11.8", "mysql-9.7"]);
    let table = "CREATE TABLE t (id INT PRIMARY KEY, word VARCHAR(9) COLLATE";
    let of_mysql = scene.dump("mysql-9.7", "of_mysql", &format!("{table} utf8mb4_0900_as_cs)"));
    let refused = scene.refused("mariadb-10.5", name(&of_mysql), &[]);
    assert!(refused.contains("utf8mb4_0900_as_cs"), "{refused}");
    // MariaDB 11.8 takes them for its own.
    scene.restore("mariadb-11.8", name(&of_mysql), &[]).ok();
    let newer = scene.dump("mariadb-11.8", "newer", &format!("{table} utf8mb4_uca1400_swedish_as_cs)"));
    for to in ["mariadb-10.5", "mysql-9.7"] {
        let refused = scene.refused(to, name(&newer), &[]);
        assert!(refused.contains("utf8mb4_uca1400_swedish_as_cs"), "{refused}");
    }
}

/// A dump of a server that printed no collations means those that it had.
#[test]
fn character_sets_without_a_collation_mean_what_they_meant() {
    let scene = Scene::new("defaults", &["mariadb-11.8"]);
    let database = Database::new("defaults");
    database.sql(
        "CREATE TABLE t (id INT PRIMARY KEY, word VARCHAR(9), UNIQUE KEY (word)) COLLATE utf8mb4_general_ci",
    );
    let sql = String::from_utf8(mariadb_dump(&database, &[])).unwrap();
    let plain = sql.replace(" COLLATE=utf8mb4_general_ci", "");
    assert_ne!(plain, sql);
    scene.store.write("plain.sql", plain);
    scene.server("mariadb-11.8").sql("CREATE DATABASE plain CHARACTER SET utf8mb4");
    scene.restore("mariadb-11.8", "plain.sql", &["--database", "plain"]).ok();
    let collation = "SELECT TABLE_COLLATION FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'plain'";
    assert_eq!(scene.server("mariadb-11.8").query(collation), "utf8mb4_general_ci");
}

#[test]
fn what_events_need_is_looked_for_beforehand() {
    let (database, store) = (Database::new("needs"), Store::new());
    database.sql(
        "CREATE TABLE t (id INT PRIMARY KEY); CREATE EVENT daily ON SCHEDULE EVERY 1 DAY DO DELETE FROM t;",
    );
    let sql = String::from_utf8(mariadb_dump(&database, &["--events"])).unwrap();
    store.write("here.sql", &sql);
    let zoned =
        sql.replace("SET time_zone             = 'SYSTEM'", "SET time_zone             = 'Asia/Nowhere'");
    assert_ne!(zoned, sql);
    store.write("zoned.sql", zoned);
    let idle = Server::private("versions-events", &["--event-scheduler=OFF"]);
    let restore = |file: &str| {
        let restore = store.tool("fwb-restore").env("FWB_DEFAULTS_FILE", idle.defaults_file());
        restore.args(["--yes", "--database", "needed", file]).run()
    };
    let refused = restore("zoned.sql");
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    assert!(
        refused.stderr.contains("Asia/Nowhere") && refused.stderr.contains("tzinfo"),
        "{}",
        refused.stderr
    );
    let restored = restore("here.sql").ok();
    assert!(restored.stderr.contains("event_scheduler=ON"), "{}", restored.stderr);
}

#[test]
fn rows_are_compared_where_the_flavor_is_another_one() {
    let scene = Scene::new("flavors", &["mariadb-10.5", "mysql-9.7"]);
    let same = "CREATE TABLE t (id INT PRIMARY KEY, word VARCHAR(90), at DATETIME(3), n DECIMAL(9,3), f DOUBLE, b BLOB) COLLATE utf8mb4_general_ci;
        INSERT INTO t VALUES (1, '한글', '2024-02-03 04:05:06.789', 1.5, 1e-300, x'00FF'), (2, NULL, NULL, NULL, NULL, NULL);";
    let dump = scene.dump("mariadb-10.5", "same", same);
    scene.restore("mysql-9.7", name(&dump), &[]).ok();
    // MySQL rounds what MariaDB keeps.
    let other = "CREATE TABLE t (id INT PRIMARY KEY, spent TIME(6)) COLLATE utf8mb4_general_ci; INSERT INTO t VALUES (1, '838:59:59.999999')";
    let dump = scene.dump("mariadb-10.5", "other", other);
    let before = scene.databases("mysql-9.7");
    let restored = scene.restore("mysql-9.7", name(&dump), &[]);
    assert_eq!(restored.code, Some(3), "{}", restored.stderr);
    assert!(restored.stderr.contains("the rows of table t are not the same"), "{}", restored.stderr);
    assert_eq!(scene.databases("mysql-9.7"), before);
    // Whoever wants them counted alone is obeyed.
    let counted = scene.restore("mysql-9.7", name(&dump), &["--prove", "rows"]).ok();
    assert!(counted.stderr.contains("--prove rows"), "{}", counted.stderr);
}

/// Where the last moment of TIMESTAMP is another one than before MariaDB 11.5, a safety backup is one of this server.
#[test]
fn a_rollback_leaves_current_rows_current() {
    let (server, store) = (Server::of("mariadb-11.8", "rolls-back", &[]), Store::new());
    server.sql("CREATE DATABASE d; USE d; CREATE TABLE t (id INT PRIMARY KEY) WITH SYSTEM VERSIONING; INSERT INTO t VALUES (1)");
    let body = "CREATE TABLE `x` (`id` int PRIMARY KEY);\nINSERT INTO `x` VALUES (1),(1);";
    store.write("bad.sql", foreign("d", body));
    let restore = store.tool("fwb-restore").env("FWB_DEFAULTS_FILE", server.defaults_file());
    let restored = restore.args(["--yes", "--strategy", "in-place", "--database", "d", "bad.sql"]).run();
    restored.fails(1, &["rolled back"]);
    assert_eq!(server.query("SELECT COUNT(*) FROM d.t"), "1");
}
