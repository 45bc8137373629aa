//! `fwb-verify --level drill`: a backup that passes can be restored, one that cannot be restored does not pass, and
//! whatever happens nothing is left of the server that it was tried on.

use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::faults::{code, signal};
use crate::hostile::foreign;
use crate::support::{
    Database, Fault, Output, Proxy, Server, Store, Tool, executable, gzip, name, sample, until,
    usual_unpacked,
};

mod servers;

/// Where throwaway servers keep their data in a test, so that it sees what is left.
struct Ground(TempDir);

impl Ground {
    fn new() -> Self {
        Self(tempfile::Builder::new().prefix("ground-").tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// A drill, about to run.
    fn drill(&self, tool: Tool) -> Tool {
        let tool = tool.args(["--level", "drill", "--drill-dir"]).arg(self.path());
        match usual_unpacked() {
            Some(dir) => tool.env("FWB_DRILL_SERVER_DIR", dir),
            None => tool,
        }
    }

    /// Asserts that neither files nor processes are left.
    #[track_caller]
    fn is_empty(&self) {
        assert_eq!(self.servers(), 0, "servers that run in {}", self.path().display());
        assert_eq!(fs::read_dir(self.path()).unwrap().count(), 0, "directories in {}", self.path().display());
    }

    /// Whether a server has come so far that it listens.
    fn listens(&self) -> bool {
        let entries = |dir: &Path| fs::read_dir(dir).into_iter().flatten().flatten().collect::<Vec<_>>();
        let mut all = entries(self.path());
        while let Some(entry) = all.pop() {
            let Ok(kind) = entry.file_type() else { continue };
            if kind.is_socket() {
                return true;
            }
            if kind.is_dir() {
                all.extend(entries(&entry.path()));
            }
        }
        false
    }

    /// Processes that were told of it.
    fn servers(&self) -> usize {
        let told = self.path().to_str().unwrap();
        let ids = fs::read_dir("/proc").unwrap().flatten().filter(|entry| {
            let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).into_owned();
            (line.contains("mariadbd") || line.contains("mysqld")) && line.contains(told)
        });
        ids.count()
    }
}

/// The outcome in a record.
fn outcome(out: &Output) -> Value {
    out.json()["verification"].clone()
}

/// Objects that need more than an empty server: accounts that it lacks, a time zone by name, a default from a sequence.
const DEMANDING: &str = r"
CREATE SEQUENCE numbers START WITH 100;
CREATE TABLE tickets (id INT NOT NULL DEFAULT NEXTVAL(numbers) PRIMARY KEY, price FLOAT, note TEXT);
INSERT INTO tickets (price, note) VALUES (16777216, 'a'), (0.1, NULL), (3.3333333, '한글');
CREATE TABLE told (id INT PRIMARY KEY, v INT) WITH SYSTEM VERSIONING;
INSERT INTO told VALUES (1, 1); UPDATE told SET v = 2; DELETE FROM told;
CREATE DEFINER=`drill_ghost`@`10.0.0.%` SQL SECURITY DEFINER VIEW dear AS SELECT id FROM tickets WHERE price > 1;
CREATE DEFINER=`drill_ghost`@`10.0.0.%` FUNCTION price_of(wanted INT) RETURNS FLOAT READS SQL DATA
  RETURN (SELECT price FROM tickets WHERE id = wanted);
CREATE DEFINER=`drill_o'brien`@`localhost` VIEW dearest AS SELECT id, price_of(id) AS price FROM dear;
CREATE DEFINER=there@localhost VIEW seen AS SELECT id FROM files;
CREATE DEFINER=drill_role VIEW dear_too AS SELECT id FROM tickets;
SET time_zone = 'Asia/Seoul';
CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY STARTS '2037-01-01 03:00:00' DO DELETE FROM tickets;
";

/// A server of its own with the sample, [`DEMANDING`] and what that needs in its database `demanding`.
fn demanding(name: &str) -> Server {
    let server = Server::private(name, &[]);
    server.sql(
        "CREATE USER drill_ghost@'10.0.0.%'; CREATE USER `drill_o'brien`@localhost; CREATE ROLE drill_role;
         CREATE USER there@localhost; GRANT ALL ON *.* TO drill_ghost@'10.0.0.%'; GRANT ALL ON *.* TO drill_role;
         GRANT ALL ON *.* TO `drill_o'brien`@localhost; GRANT ALL ON *.* TO there@localhost;",
    );
    learn_zone(&server);
    server.sql(format!(
        "CREATE DATABASE demanding CHARACTER SET utf8mb4; USE demanding; {}{DEMANDING}",
        sample()
    ));
    server
}

/// Teaches a server the time zone that an event in [`DEMANDING`] was made in.
fn learn_zone(server: &Server) {
    let zone = Tool::program("mariadb-tzinfo-to-sql").args(["/usr/share/zoneinfo/Asia/Seoul", "Asia/Seoul"]);
    server.sql(format!("USE mysql; {}", zone.run().ok().stdout_text()));
}

#[test]
fn a_good_backup_passes_and_the_time_that_a_restore_takes_is_known() {
    let live = demanding("drilled");
    let (store, ground) = (Store::new(), Ground::new());
    let dump =
        store.tool("fwb-dump").env("FWB_DEFAULTS_FILE", live.defaults_file()).args(["-B", "demanding"]);
    let manifest = dump.run().ok().json();
    let out = ground.drill(store.tool("fwb-verify")).stdin(manifest.to_string()).run().ok();
    let passed = outcome(&out);
    assert_eq!(
        (&passed["level"], &passed["ok"], &passed["problems"], &passed["notes"]),
        (&json!("drill"), &json!(true), &json!([]), &Value::Null),
        "{}",
        out.stderr
    );
    let (restore, all) = (passed["restore_seconds"].as_f64().unwrap(), passed["seconds"].as_f64().unwrap());
    assert!(restore > 0.0 && restore < all, "{passed}");
    // The throwaway server is of the live one's own series.
    let series =
        |version: &Value| version.as_str().unwrap().splitn(3, '.').take(2).collect::<Vec<_>>().join(".");
    assert_eq!(series(&passed["server"]["version"]), series(&manifest["server"]["version"]));
    assert_eq!(store.read_sidecar(&manifest)["verification"], passed);
    ground.is_empty();

    // Where the data lie too deep for a socket, that goes elsewhere.
    let deep = ground.path().join("d".repeat(100));
    fs::create_dir(&deep).unwrap();
    store
        .tool("fwb-verify")
        .args(["--level", "drill", "--no-record", name(&manifest)])
        .env("FWB_DRILL_DIR", &deep)
        .env("FWB_DRILL_SERVER_DIR", usual_unpacked().unwrap_or_default())
        .run()
        .ok();
    fs::remove_dir(&deep).unwrap();
    ground.is_empty();

    // It counts as proof, and tonight's weaker pass does not replace it.
    store.tool("fwb-verify").arg(name(&manifest)).run().ok();
    let newest = store.tool("fwb-ls").args(["--latest", "--verified"]).run().ok();
    assert_eq!(outcome(&newest), passed);
}

#[test]
fn what_is_intact_and_cannot_be_restored_is_found() {
    let table = "CREATE TABLE `t` (`id` int NOT NULL, `v` int DEFAULT NULL, PRIMARY KEY (`id`))";
    // The client program says why only after it has echoed the whole statement.
    let many = (1..20_000).map(|id| format!("({id},1)")).collect::<Vec<_>>().join(",\n");
    let cases = [
        (format!("{table};\nINSERT INTO `t` VALUES {many},(7,1);"), "Duplicate entry"),
        (format!("{table};\nINSERT INTO `t` VALUES (1,5),(1,6);"), "Duplicate entry"),
        (format!("{table};\nINSERT INTO `t` VALUES (1,5),(2);"), "Column count doesn't match"),
        (format!("{table};\nCREATE VIEW `v` AS select `gone`.`id` from `gone`;"), "gone' doesn't exist"),
    ];
    let (store, ground) = (Store::new(), Ground::new());
    for (number, (body, why)) in cases.iter().enumerate() {
        let file = format!("old{number}.sql.gz");
        store.write(&file, gzip(foreign("drill_foreign", body).as_bytes()));
        let full = store.tool("fwb-verify").args(["--adopt", &file]).run().ok();
        assert_eq!(outcome(&full)["ok"], true, "{body}");

        let drilled = ground.drill(store.tool("fwb-verify")).arg(&file).run();
        let drilled = drilled.fails(3, &["failed its drill", why, "hint: "]);
        let failed = outcome(&drilled);
        assert_eq!((&failed["level"], &failed["ok"]), (&json!("drill"), &json!(false)), "{body}");
        assert!(failed["problems"].to_string().contains(why), "{failed}");
        assert_eq!(store.read_sidecar(&drilled.json())["verification"], failed);
        ground.is_empty();

        // That it is intact does not make it restorable again.
        store.tool("fwb-verify").arg(&file).run().ok();
        assert_eq!(store.read_sidecar(&drilled.json())["verification"], failed);
    }
    // No server is needed to see what a restore refuses.
    let refused = format!("{table};\nCREATE TABLE `u` LIKE `t`;");
    store.write("refused.sql.gz", gzip(foreign("drill_foreign", &refused).as_bytes()));
    for drilled in [false, true] {
        let tool = store.tool("fwb-verify");
        let tool = if drilled { ground.drill(tool) } else { tool };
        let words = if drilled { "failed its drill" } else { "is intact, and a restore refuses it" };
        let failed = tool.arg("refused.sql.gz").run().fails(3, &[words, "is refused", "hint: "]);
        assert_eq!(outcome(&failed)["restorable"], false);
    }
}

#[test]
fn a_damaged_backup_is_not_even_tried() {
    let db = Database::new("untried");
    let (store, ground) = (Store::new(), Ground::new());
    let manifest = store.dump(&db);
    let mut bytes = fs::read(store.artifact(&manifest)).unwrap();
    bytes[100] ^= 1;
    store.write(name(&manifest), bytes);
    let out = ground.drill(store.tool("fwb-verify")).arg(name(&manifest)).run().fails(3, &["is damaged"]);
    assert_eq!((&outcome(&out)["level"], &outcome(&out)["ok"]), (&json!("full"), &json!(false)));
}

#[test]
fn rows_that_come_out_different_are_found() {
    let db = Database::new("different");
    db.sql("CREATE TABLE t (id INT PRIMARY KEY, v TINYINT); INSERT INTO t VALUES (1, 5), (2, 100);");
    let (store, ground) = (Store::new(), Ground::new());
    // A restore takes 300 for 127 and says nothing: the number of rows is right.
    let proxy = Proxy::new(Server::shared(), Fault::Change(b"\x012\x03100", b"\x012\x03300"));
    let dump = store.tool("fwb-dump").arg("-B").arg(&db.name).arg("--socket").arg(proxy.socket());
    let manifest = dump.run().ok().json();
    store.tool("fwb-verify").arg(name(&manifest)).run().ok();
    let drill = || ground.drill(store.tool("fwb-verify")).arg(name(&manifest)).run();
    drill().fails(3, &["the rows of table t are not the same"]);

    // Of a file that another program wrote, only the number of rows can be held against it.
    let sql =
        String::from_utf8(crate::support::gunzip(&fs::read(store.artifact(&manifest)).unwrap())).unwrap();
    store.write("old.sql", sql.replace("(2,300)", "(2,0x64)"));
    let out = ground.drill(store.tool("fwb-verify")).args(["--adopt", "old.sql"]).run().ok();
    let notes = outcome(&out)["notes"].to_string();
    assert!(notes.contains("compared by their number only: t"), "{notes}");
    assert!(out.stderr.contains("compared by their number only"), "{}", out.stderr);
    ground.is_empty();
}

#[test]
fn a_drill_that_cannot_be_made_is_a_failure_and_says_nothing_of_the_backup() {
    let (store, ground, bin) = (Store::new(), Ground::new(), tempfile::tempdir().unwrap());
    store.write("old.sql.gz", gzip(foreign("impossible", "CREATE TABLE `t` (`id` int);").as_bytes()));
    let manifest = store.tool("fwb-verify").args(["--adopt", "old.sql.gz"]).run().ok().json();
    let before = store.read_sidecar(&manifest);
    let drill =
        || ground.drill(store.tool("fwb-verify")).env("FWB_DRILL_SERVER_DIR", "").arg(name(&manifest));
    let unrecorded = |out: Output| {
        assert!(out.stdout.is_empty(), "no record: {}", out.stdout_text());
        assert_eq!(store.read_sidecar(&manifest), before);
        ground.is_empty();
    };
    for program in ["mariadb", "mariadb-dump"] {
        std::os::unix::fs::symlink(format!("/usr/bin/{program}"), bin.path().join(program)).unwrap();
    }
    let out = drill().env("PATH", bin.path()).run();
    unrecorded(out.fails(1, &["mariadb-install-db is not installed", "hint: install mariadb-server"]));

    let script = bin.path().join("mariadb-install-db");
    executable(&script, "#!/bin/sh\necho 'ERROR: no room' >&2\nexit 7\n");
    let path = format!("{}:/usr/bin:/bin", bin.path().display());
    let out = drill().env("PATH", &path).run();
    unrecorded(out.fails(1, &["the throwaway server does not run", "no room", "hint: "]));

    fs::remove_file(&script).unwrap();
    let server = bin.path().join("mariadbd");
    executable(&server, "#!/bin/sh\nexit 1\n");
    let out = drill().env("PATH", &path).run();
    unrecorded(out.fails(1, &["it has ended and its log does not say why"]));

    let nowhere =
        store.tool("fwb-verify").args(["--level=drill", "--drill-dir=/no/dir", name(&manifest)]).run();
    unrecorded(nowhere.fails(1, &["/no/dir", "hint: "]));
}

/// A drill that does not go on from where `is_there` holds.
fn stopped(drill: Tool, is_there: impl Fn() -> bool) -> std::process::Child {
    let child = drill.spawn();
    until("the drill's middle", || is_there().then_some(()));
    signal(child.id(), "STOP");
    child
}

#[test]
fn signals_leave_nothing_or_the_next_drill_cleans_up() {
    let db = Database::sample("signalled");
    let (store, ground) = (Store::new(), Ground::new());
    let manifest = store.dump_verified(&db);
    let before = store.read_sidecar(&manifest);
    let drill = || ground.drill(store.tool("fwb-verify")).arg(name(&manifest));
    let stopped = || stopped(drill(), || ground.servers() == 1 && ground.listens());
    for (sent, expected) in [("TERM", 143), ("INT", 130)] {
        let mut child = stopped();
        assert_eq!(ground.servers(), 1);
        signal(child.id(), sent);
        signal(child.id(), "CONT");
        assert_eq!(code(&mut child), Some(expected));
        ground.is_empty();
    }
    let mut child = stopped();
    signal(child.id(), "KILL");
    assert_eq!(code(&mut child), None);
    until("the server's end", || (ground.servers() == 0).then_some(()));
    assert_eq!(fs::read_dir(ground.path()).unwrap().count(), 1);
    assert_eq!(store.read_sidecar(&manifest), before, "nothing was recorded");

    // One that lives is spared.
    let mut living = stopped();
    let out = ground.drill(store.tool("fwb-verify")).arg(name(&manifest)).run().ok();
    assert!(out.stderr.is_empty(), "the first of the two has cleaned up: {}", out.stderr);
    assert_eq!((ground.servers(), fs::read_dir(ground.path()).unwrap().count()), (1, 1));
    signal(living.id(), "TERM");
    signal(living.id(), "CONT");
    assert_eq!(code(&mut living), Some(143));
    ground.is_empty();
}

/// What a drill could leave on a server.
fn traces(server: &Server) -> String {
    server.query(
        "SELECT SCHEMA_NAME FROM information_schema.SCHEMATA ORDER BY 1; SELECT User, Host FROM mysql.user ORDER BY 1, 2;
         SELECT User, Host, Db FROM mysql.db ORDER BY 1, 2, 3; SHOW GRANTS FOR there@localhost;",
    )
}

#[test]
fn a_server_that_is_named_is_left_as_it_was() {
    let live = demanding("guest");
    let store = Store::new();
    let dump =
        store.tool("fwb-dump").env("FWB_DEFAULTS_FILE", live.defaults_file()).args(["-B", "demanding"]);
    let manifest = dump.run().ok().json();
    let server = Server::private("drill", &["--event-scheduler=ON"]);
    // One account of the backup is there, and has no rights on what a drill makes.
    server.sql("CREATE USER there@localhost; CREATE DATABASE fwb_drill_mine; CREATE DATABASE fwb_drillx COMMENT 'x';");
    let before = traces(&server);
    let drill = |tool: Tool| {
        let tool =
            tool.args(["--level", "drill", name(&manifest)]).env("FWB_DEFAULTS_FILE", live.defaults_file());
        tool.arg("--drill-server").arg(server.defaults_file())
    };
    let unrecorded = || assert!(store.read_sidecar(&manifest)["verification"].is_null());

    drill(store.tool("fwb-verify")).run().fails(1, &["runs events", "hint: SET GLOBAL event_scheduler=OFF"]);
    assert_eq!(traces(&server), before);
    unrecorded();
    server.sql("SET GLOBAL event_scheduler=OFF");
    learn_zone(&server);

    // Killed, it leaves what it has made; the next one removes that.
    let drills = |number| {
        let during = traces(&server);
        during.matches("_accounts").count() == number && during.contains("drill_o'brien\tlocalhost")
    };
    let mut child = stopped(drill(store.tool("fwb-verify")), || drills(1));
    let mut living = stopped(drill(store.tool("fwb-verify")), || drills(2));
    signal(child.id(), "KILL");
    assert_eq!(code(&mut child), None);
    std::thread::sleep(Duration::from_millis(200));
    signal(living.id(), "TERM");
    signal(living.id(), "CONT");
    assert_eq!(code(&mut living), Some(143));
    assert_ne!(traces(&server), before);
    unrecorded();

    let out = drill(store.tool("fwb-verify")).run().ok();
    assert!(out.stderr.contains("a drill left behind that was killed"), "{}", out.stderr);
    let passed = outcome(&out);
    assert_eq!((&passed["level"], &passed["ok"]), (&json!("drill"), &json!(true)));
    assert_eq!(traces(&server), before);

    // A backup that fails leaves as little.
    let body = "CREATE TABLE `t` (`id` int PRIMARY KEY);\nINSERT INTO `t` VALUES (1),(1);\n\
                CREATE DEFINER=`nobody_here`@`%` VIEW `v` AS select 1;";
    // As if this server had made it: a drill is held on none that is older.
    let version = server.query("SELECT SUBSTRING_INDEX(VERSION(), '-', 1)");
    store.write("bad.sql", foreign("drill_bad", body).replace("10.11.6", version.trim()));
    let bad = store
        .tool("fwb-verify")
        .args(["--level", "drill", "bad.sql"])
        .env("FWB_DRILL_SERVER", server.defaults_file());
    bad.run().fails(3, &["failed its drill", "Duplicate entry"]);
    assert_eq!(traces(&server), before);
}

#[test]
fn the_live_server_is_no_ground_for_drills() {
    let db = Database::sample("live");
    let (store, other) = (Store::new(), tempfile::tempdir().unwrap());
    let manifest = store.dump(&db);
    let before = Server::shared().query("SHOW DATABASES LIKE 'fwb%'");
    // However it is named: by the same file, or by another that leads to the same server.
    let alias = other.path().join("other.cnf");
    fs::write(&alias, format!("[client]\nsocket={}\nuser=root\n", Server::shared().socket())).unwrap();
    for file in [&Server::shared().defaults_file(), &alias] {
        let drill = || {
            store.tool("fwb-verify").args(["--level", "drill", name(&manifest), "--drill-server"]).arg(file)
        };
        let refused = drill().run().fails(2, &["names the live server", "hint: "]);
        assert!(refused.stdout.is_empty());
        let refused = drill()
            .env("FWB_DEFAULTS_FILE", "")
            .env("FWB_SOCKET", Server::shared().socket())
            .env("FWB_USER", "root");
        refused.run().fails(2, &["names the live server"]);
    }
    assert_eq!(Server::shared().query("SHOW DATABASES LIKE 'fwb%'"), before);
    assert!(store.read_sidecar(&manifest)["verification"].is_null());
}
