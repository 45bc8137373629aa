//! What a user of the live database may do to a restore: nothing that makes it execute, drop or refuse anything. State
//! that restores leave on the server is believed because of its seal, not because of its name.

use crate::support::{Before, Database, Server, Store, Tool, mariadb, restore};
use crate::swap::left;

/// A user with all rights on a database and, where `beside`, on the databases that restores make beside it.
struct Intruder {
    name: String,
}

impl Intruder {
    fn new(database: &Database, beside: bool) -> Self {
        let name = format!("dev_{}", database.name);
        let pattern = database.name.replace('_', "\\_");
        Server::shared().sql(format!(
            "CREATE OR REPLACE USER {name}@localhost; GRANT ALL ON `{pattern}`.* TO {name}@localhost"
        ));
        if beside {
            Server::shared().sql(format!("GRANT ALL ON `{pattern}\\_\\_%`.* TO {name}@localhost"));
        }
        Self { name }
    }

    /// Runs SQL as this user, and returns what the client says of it.
    fn tries(&self, sql: &str) -> String {
        let cnf = Server::shared().defaults_file();
        let run = mariadb(&cnf, &["--force", "-N", &format!("--user={}", self.name)]).stdin(sql).run();
        run.stderr
    }
}

impl Drop for Intruder {
    fn drop(&mut self) {
        Server::shared().sql(format!("DROP USER IF EXISTS {}@localhost", self.name));
    }
}

fn undo(database: &Database) -> Tool {
    Tool::new("fwb-restore").args(["--undo", "--yes", "--database", &database.name])
}

fn tidy(database: &Database, options: &[&str]) -> Tool {
    Tool::new("fwb-restore").args(options).args(["--yes", "--database", &database.name])
}

/// The only keeper of what was replaced.
fn keeper(database: &Database) -> String {
    let left = left(Server::shared(), &database.name);
    assert_eq!(left.len(), 1, "{left:?}");
    left.into_iter().next().unwrap()
}

fn journal(keeper: &str) -> String {
    Server::shared().query(format!(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = '{keeper}' AND table_name LIKE 'fwb_journal_%'"
    ))
}

fn seal(keeper: &str) -> String {
    Server::shared().query(format!(
        "SELECT table_name FROM information_schema.views WHERE table_schema = '{keeper}' AND table_name LIKE 'fwb_seal_%'"
    ))
}

/// What a planted statement would do.
const EVIL: &str = "CREATE DATABASE fwb_was_here";

fn nothing_ran() {
    assert_eq!(Server::shared().query("SHOW DATABASES LIKE 'fwb_was_here'"), "", "planted SQL was executed");
}

/// A journal as an intruder would write it.
fn planted(name: &str) -> String {
    format!(
        "CREATE TABLE {name} (id INT UNSIGNED AUTO_INCREMENT PRIMARY KEY, stage VARCHAR(10), kind VARCHAR(16), name TEXT, of_table TEXT, \
         sql_mode TEXT, charset VARCHAR(64), collation VARCHAR(64), database_collation VARCHAR(64), time_zone VARCHAR(64), text LONGBLOB) \
         COMMENT 'How fwb-restore made the swap that left this database, and what --undo needs';
         INSERT INTO {name} VALUES (NULL,'phase','','','nosuch','','','','','','prepared'),
         (NULL,'plan','VIEW','','','','utf8mb4','utf8mb4_general_ci','','SYSTEM','{{}}'),
         (NULL,'clear','VIEW','','','','utf8mb4','utf8mb4_general_ci','','SYSTEM','{EVIL}'),
         (NULL,'make','VIEW','','','','utf8mb4','utf8mb4_general_ci','','SYSTEM','{EVIL}');"
    )
}

/// Tables and views of the live database move into the one that keeps it. Those that look like our journal and seal were
/// believed there.
#[test]
fn a_journal_that_a_user_plants_is_a_table_like_any_other() {
    let (database, store) = (Database::new("planted"), Store::new());
    database.sql("CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (1)");
    let dump = store.dump(&database);
    let dev = Intruder::new(&database, false);
    let said = dev.tries(&format!(
        "USE {}; {} {} {} CREATE VIEW fwb_seal AS SELECT 'fwb1:7b7d' AS fwb; CREATE VIEW fwb_seal_0 AS SELECT 'fwb1:7b7d' AS fwb;",
        database.name,
        planted("fwb_journal"),
        planted("fwb_journal_1"),
        planted("fwb_journal_0123456789abcdef"),
    ));
    assert_eq!(said, "", "the intruder could do all that");
    let before = Before::new(&database);
    for _ in 0..2 {
        restore(&store, &dump).run().ok();
        assert_eq!(database.query("SHOW TABLES"), "t");
        nothing_ran();
        undo(&database).run().ok();
        before.holds("all that the intruder had made is kept, and comes back");
        nothing_ran();
    }
    restore(&store, &dump).run().ok();
    nothing_ran();
    tidy(&database, &["--drop-before"]).run().ok();
    assert_eq!(left(Server::shared(), &database.name), [""; 0]);
}

/// Who may write where the journal lies can spoil it. He cannot make it say something else.
#[test]
fn a_journal_that_was_changed_is_not_executed_and_what_it_keeps_stays() {
    let (database, store) = (Database::new("changed"), Store::new());
    database.sql("CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (1)");
    let dump = store.dump(&database);
    database.sql("UPDATE t SET id = 2");
    let dev = Intruder::new(&database, true);
    let changes: [fn(&str, &str, &str) -> String; 6] = [
        |keeper, journal, _| {
            format!(
                "UPDATE {keeper}.{journal} SET text = '{EVIL}' WHERE stage = 'definition' OR stage = 'relink' OR stage = 'keep'; \
                                      INSERT INTO {keeper}.{journal} VALUES (NULL,'keep','VIEW','','','','utf8mb4','utf8mb4_general_ci','','SYSTEM','{EVIL}')"
            )
        },
        |keeper, journal, _| format!("DROP TABLE {keeper}.{journal}"),
        |keeper, journal, _| format!("DELETE FROM {keeper}.{journal} WHERE stage = 'plan'"),
        |keeper, _, seal| format!("DROP VIEW {keeper}.{seal}"),
        |keeper, _, seal| format!("CREATE OR REPLACE VIEW {keeper}.{seal} AS SELECT 'fwb1:7b7d' AS fwb"),
        |keeper, _, seal| format!("RENAME TABLE {keeper}.{seal} TO {keeper}.fwb_seal_other"),
    ];
    for change in changes {
        let run = restore(&store, &dump).run().ok().json();
        let keeper = keeper(&database);
        assert_eq!(run["before"], keeper.as_str());
        let sql = change(&keeper, &journal(&keeper), &seal(&keeper));
        assert_eq!(dev.tries(&sql), "", "{sql}: the intruder could do that");
        let before = Before::new(&database);
        undo(&database).arg("--dry-run").run().fails(1, &[&keeper, "is not believed"]);
        undo(&database).run().fails(1, &[&keeper, "is not believed"]);
        before.holds(&sql);
        nothing_ran();
        // What is not proved to be ours is left alone, and keeps nobody from restoring, and from taking that back.
        let again = restore(&store, &dump).run().ok().json();
        undo(&database).run().ok();
        assert_ne!(again["before"], keeper.as_str());
        tidy(&database, &["--keep-before", "9"]).run().ok();
        assert_eq!(Server::shared().query(format!("SELECT id FROM {keeper}.t")), "2", "{sql}: what was kept");
        nothing_ran();
        Server::shared().sql(format!("DROP DATABASE {keeper}; UPDATE {}.t SET id = 2", database.name));
        tidy(&database, &["--drop-before"]).run();
    }
}

/// A seal that is altered shows, and one in another's name cannot be made: what all of this stands on.
#[test]
fn nobody_seals_in_our_name() {
    let (database, store) = (Database::new("seals"), Store::new());
    database.sql("CREATE TABLE t (id INT PRIMARY KEY)");
    let dump = store.dump(&database);
    restore(&store, &dump).run().ok();
    let dev = Intruder::new(&database, true);
    let (keeper, user) = (keeper(&database), Server::shared().query("SELECT CURRENT_USER()"));
    let (name, host) = user.split_once('@').unwrap();
    let view = format!("{keeper}.{}", seal(&keeper));
    for sql in [
        format!("ALTER VIEW {view} AS SELECT 1 AS fwb"),
        format!("CREATE OR REPLACE DEFINER=`{name}`@`{host}` VIEW {view} AS SELECT 1 AS fwb"),
        format!("CREATE DEFINER=`{name}`@`{host}` VIEW {keeper}.other AS SELECT 1 AS fwb"),
    ] {
        assert!(dev.tries(&sql).contains("ERROR 1227"), "{sql}");
    }
    undo(&database).run().ok();
}

/// Names and comments are anybody's. A database is not dropped, nor executed from, because it is called like ours.
#[test]
fn what_only_looks_like_ours_is_told_of_and_left_alone() {
    let (database, store) = (Database::new("looks"), Store::new());
    database.sql("CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (1)");
    let dump = store.dump(&database);
    let (dev, name) = (Intruder::new(&database, true), &database.name);
    let planted_in: Vec<String> = ["before_20990101_000000", "shadow_20990101_000000"]
        .iter()
        .map(|what| {
            let (role, _) = what.split_once('_').unwrap();
            let place = format!("{name}__{what}");
            let comment = format!(r#"{{"fwb-restore":"{role}","of":"{name}","at":"20990101_000000"}}"#);
            let said = dev.tries(&format!(
                "CREATE DATABASE {place} COMMENT '{comment}'; USE {place}; {} CREATE TABLE precious (id INT); \
                 CREATE VIEW fwb_seal_0123456789abcdef AS SELECT 'fwb1:7b7d' AS fwb;",
                planted("fwb_journal_0123456789abcdef")
            ));
            assert_eq!(said, "");
            place
        })
        .collect();
    // A live database that carries the comment of a shadow of this one.
    let other = Database::new("looks_other");
    other.sql("CREATE TABLE live (id INT PRIMARY KEY)");
    Server::shared().sql(format!(
        r#"ALTER DATABASE {} COMMENT '{{"fwb-restore":"shadow","of":"{name}","at":"20200101_000000"}}'"#,
        other.name
    ));
    let before = Before::new(&other);
    let plan = restore(&store, &dump).arg("--dry-run").run().ok();
    assert!(plan.stdout_text().contains("is not proved to be"), "{}", plan.stdout_text());
    let run = restore(&store, &dump).run().ok();
    let report = run.json();
    assert!(planted_in.iter().all(|place| run.stderr.contains(place.as_str())), "{}", run.stderr);
    undo(&database).run().ok();
    restore(&store, &dump).args(["--drop-before", "-f", dump["name"].as_str().unwrap()]).run().ok();
    tidy(&database, &["--drop-before"]).run().ok();
    for place in &planted_in {
        assert_eq!(Server::shared().query(format!("SHOW TABLES FROM {place} LIKE 'precious'")), "precious");
        Server::shared().sql(format!("DROP DATABASE {place}"));
    }
    let kept = report["before"].as_str().unwrap();
    assert_eq!(Server::shared().query(format!("SHOW DATABASES LIKE '{kept}'")), "");
    before.holds("a live database that carries our comment");
    Server::shared().sql(format!("ALTER DATABASE {} COMMENT ''", other.name));
    nothing_ran();
}

/// Anybody may take a lock of any name. Who keeps restores out is named, so that he can be put out.
#[test]
fn who_holds_the_lock_is_named() {
    let (database, store) = (Database::new("locked"), Store::new());
    database.sql("CREATE TABLE t (id INT PRIMARY KEY)");
    let dump = store.dump(&database);
    let dev = Intruder::new(&database, false);
    let lock = "SELECT CONCAT('fwb-restore-', LEFT(SHA2(DATABASE(), 256), 40))";
    let lock = Server::shared().query(format!("USE {}; {lock}", database.name));
    let cnf = Server::shared().defaults_file();
    let held = mariadb(&cnf, &[&format!("--user={}", dev.name)])
        .stdin(format!("DO GET_LOCK('{lock}', 0), SLEEP(1000)"))
        .spawn();
    let holder = format!("SELECT IFNULL(IS_USED_LOCK('{lock}'), '')");
    let mut id = String::new();
    for _ in 0..6000 {
        id = Server::shared().query(&holder);
        if !id.is_empty() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    restore(&store, &dump).run().fails(4, &[&format!("KILL {id}"), &dev.name]);
    Server::shared().sql(format!("KILL {id}"));
    let _ = held.wait_with_output();
    restore(&store, &dump).run().ok();
}
