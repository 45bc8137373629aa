//! A server that was lost comes back by one command: every database, with what hangs between them.

use std::fmt::Write as _;

use serde_json::Value;

use crate::accounts::logs_in;
use crate::faults::signal;
use crate::support::{Server, Store, Tool, digests, until};

/// How many databases there are.
const DATABASES: usize = 20;
/// And how many accounts.
const ACCOUNTS: usize = 50;

fn tool(store: &Store, server: &Server, name: &str) -> Tool {
    store.tool(name).env("FWB_DEFAULTS_FILE", server.defaults_file())
}

/// Databases of which each has foreign keys to the one before it, and views over it with its functions; the first one has views over
/// the last one, and two refer to each other.
fn furnished(kind: &str, name: &str) -> Server {
    let server = Server::of(kind, name, &["--log-bin-trust-function-creators=1"]);
    let mut sql = String::new();
    for number in 1..=DATABASES {
        let (own, before) = (format!("shop_{number:02}"), format!("shop_{:02}", number - 1));
        write!(
            sql,
            "CREATE DATABASE {own}; USE {own};
             CREATE TABLE t (id INT PRIMARY KEY, n INT NOT NULL, pad VARCHAR(100)) ENGINE=InnoDB;
             INSERT INTO t VALUES (1, {number}, 'a'), (2, 2, 'b'), (3, 3, '가');
             CREATE VIEW v AS SELECT id, n FROM t;
             CREATE FUNCTION f(x INT) RETURNS INT DETERMINISTIC RETURN x + {number};
             CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW SET NEW.n = f(NEW.n);
             CREATE PROCEDURE p() INSERT INTO t VALUES (9, 9, 'p');
             CREATE EVENT e ON SCHEDULE EVERY 1 DAY STARTS '2037-01-01' DO INSERT INTO t VALUES (8, 8, 'e');\n"
        )
        .unwrap();
        if number > 1 {
            writeln!(
                sql,
                "CREATE TABLE child (id INT PRIMARY KEY, up INT, CONSTRAINT up_{number} FOREIGN KEY (up) REFERENCES {before}.t (id));
                 INSERT INTO child VALUES (1, 1), (2, 2);
                 CREATE VIEW beyond AS SELECT a.id, {before}.f(b.n) AS m FROM t a JOIN {before}.t b ON a.id = b.id;"
            )
            .unwrap();
        }
    }
    writeln!(
        sql,
        "USE shop_01; CREATE VIEW back AS SELECT id, n FROM shop_{DATABASES:02}.v; CREATE VIEW back_again AS SELECT id FROM back;
         CREATE TABLE shop_03.ring (id INT PRIMARY KEY, up INT); CREATE TABLE shop_04.ring (id INT PRIMARY KEY, up INT);
         ALTER TABLE shop_03.ring ADD CONSTRAINT r3 FOREIGN KEY (up) REFERENCES shop_04.ring (id);
         ALTER TABLE shop_04.ring ADD CONSTRAINT r4 FOREIGN KEY (up) REFERENCES shop_03.ring (id);
         INSERT INTO shop_03.ring VALUES (1, NULL); INSERT INTO shop_04.ring VALUES (1, 1); UPDATE shop_03.ring SET up = 1;"
    )
    .unwrap();
    for number in 1..=ACCOUNTS {
        let database = database_of(number);
        writeln!(
            sql,
            "CREATE USER app_{number:02} IDENTIFIED BY 'secret {number}';
             GRANT SELECT, INSERT ON {database}.t TO app_{number:02}; GRANT SELECT (id) ON {database}.v TO app_{number:02};
             GRANT EXECUTE ON FUNCTION {database}.f TO app_{number:02};"
        )
        .unwrap();
    }
    server.sql(sql);
    server
}

/// The database in which an account has rights.
fn database_of(account: usize) -> String {
    format!("shop_{:02}", account % DATABASES + 1)
}

/// All backups of one run, proved.
fn backed_up(store: &Store, server: &Server) -> Vec<Value> {
    let dumped = tool(store, server, "fwb-dump").args(["--all-databases", "--server-id", "s"]).run().ok();
    tool(store, server, "fwb-verify").stdin(&dumped.stdout).run().ok().records()
}

fn restore_all(store: &Store, server: &Server, options: &[&str]) -> Tool {
    tool(store, server, "fwb-restore").args(["--all", "--server-id", "s"]).args(options)
}

fn drop_all(server: &Server) {
    let drops = (1..=DATABASES).map(|number| format!("DROP DATABASE IF EXISTS shop_{number:02};\n"));
    let accounts = (1..=ACCOUNTS).map(|number| format!("DROP USER IF EXISTS app_{number:02};\n"));
    let all: Vec<String> = drops.chain(accounts).collect();
    server.sql(format!("SET foreign_key_checks=0;\n{}", all.concat()));
}

/// That every database is what its backup holds, and that what hangs between them is at work.
fn holds(server: &Server, before: &[Value]) {
    let store = Store::new();
    let after = tool(&store, server, "fwb-dump").arg("--all-databases").run().ok().records();
    assert_eq!(before.len(), after.len());
    for (one, other) in before.iter().zip(&after) {
        assert_eq!(one["database"], other["database"]);
        let (mut one, mut other) = (digests(one), digests(other));
        one.sort_by_key(|section| section.map(ToString::to_string));
        other.sort_by_key(|section| section.map(ToString::to_string));
        assert_eq!(one, other);
    }
    assert_eq!(server.query("SELECT n FROM shop_01.back WHERE id = 1"), DATABASES.to_string());
    assert_eq!(server.query("SELECT COUNT(*) FROM shop_01.back_again"), "3");
    assert_eq!(server.query("SELECT m FROM shop_02.beyond WHERE id = 2"), "3");
    let keys = "SELECT COUNT(*) FROM information_schema.REFERENTIAL_CONSTRAINTS WHERE CONSTRAINT_SCHEMA LIKE 'shop%'";
    assert_eq!(server.query(keys), (DATABASES + 1).to_string());
    let refused = crate::support::mariadb(&server.defaults_file(), &[])
        .stdin("INSERT INTO shop_07.child VALUES (3, 4711)")
        .run();
    assert!(refused.stderr.contains("1452"), "the foreign key is at work: {}", refused.stderr);
    for number in 1..=ACCOUNTS {
        assert!(logs_in(server, &format!("app_{number:02}"), &format!("secret {number}")), "{number}");
    }
    assert!(!logs_in(server, "app_07", "secret 8"));
    let rights = "SELECT COUNT(*) FROM mysql.tables_priv WHERE User LIKE 'app%'; SELECT COUNT(*) FROM mysql.procs_priv WHERE User LIKE 'app%'";
    assert_eq!(server.query(rights), format!("{}\n{ACCOUNTS}", 2 * ACCOUNTS));
}

fn is_rebuilt(kind: &str) {
    let server = furnished(kind, &format!("whole-{kind}"));
    let store = Store::new();
    let before = backed_up(&store, &server);
    assert_eq!(before.len(), DATABASES);
    let accounts = tool(&store, &server, "fwb-dump").args(["--accounts", "--server-id", "s"]).run().ok();
    tool(&store, &server, "fwb-verify").stdin(&accounts.stdout).run().ok();
    let newer = tool(&store, &server, "fwb-dump").args(["-B", "shop_09", "--server-id", "s"]).run().ok();
    let newer = tool(&store, &server, "fwb-verify").stdin(&newer.stdout).run().ok().json();
    drop_all(&server);
    let plan = restore_all(&store, &server, &["--dry-run"]).run().ok().json();
    let planned = plan["databases"].as_array().unwrap();
    assert_eq!((planned.len(), &plan["of_one_moment"]), (DATABASES, &true.into()), "{plan}");
    assert_eq!(planned.iter().filter(|one| one["newer"] == newer["name"]).count(), 1, "{plan}");
    assert_eq!(server.query("SHOW DATABASES LIKE 'shop%'"), "", "a plan does nothing");

    // A kill in the middle, and the same once more.
    let mut killed = restore_all(&store, &server, &["--yes"]).spawn();
    until("some databases", || {
        Some(()).filter(|()| !server.query("SHOW DATABASES LIKE 'shop_05'").is_empty())
    });
    signal(killed.id(), "KILL");
    killed.wait().unwrap();
    // Foreign keys of other databases, and MySQL, stand against a swap with what is there by now.
    let options = ["--yes", "--missing-grants", "--strategy", "in-place"];
    restore_all(&store, &server, &options).run().ok();
    holds(&server, &before);

    drop_all(&server);
    let restored = restore_all(&store, &server, &["--yes"]).run().ok().records();
    holds(&server, &before);
    let of_views: Vec<&Value> = restored.iter().filter(|one| one.get("chosen").is_some()).collect();
    let back =
        of_views.iter().find(|one| one["database"] == "shop_01").expect("views in a circle come later");
    assert_eq!(back["chosen"], serde_json::json!(["back", "back_again"]));
    let accounts = restored.iter().filter(|one| one["accounts"].is_array()).count();
    assert_eq!(accounts, 2, "accounts come first, and get the rest of their rights at the end");
    assert_eq!(restored.len(), DATABASES + accounts + of_views.len());

    // One that is damaged keeps those from coming back that refer to it, and no other.
    drop_all(&server);
    let damaged = before.iter().find(|one| one["database"] == "shop_18").unwrap();
    let path = store.artifact(damaged);
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 3;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let restored = restore_all(&store, &server, &["--yes"]).run();
    // The first database has views over the last one.
    let told = "4 of 20 databases were not restored: shop_18 (";
    assert!(restored.code != Some(0) && restored.stderr.contains(told), "{}", restored.stderr);
    let records = restored.records();
    let failed = records.iter().filter(|one| one.get("code").is_some());
    let failed: Vec<&str> = failed.map(|one| one["database"].as_str().unwrap()).collect();
    assert_eq!(failed, ["shop_18", "shop_19", "shop_20", "shop_01"], "{}", restored.stderr);
    assert_eq!(server.query("SELECT COUNT(*) FROM shop_17.child"), "2");
}

#[test]
fn a_lost_server_of_mariadb_comes_back_by_one_command() {
    is_rebuilt("mariadb-10.11");
}

#[test]
fn a_lost_server_of_mysql_comes_back_by_one_command() {
    is_rebuilt("mysql-9.7");
}

/// One account that the server refuses keeps no rights from the others, and a role that was there is left as it is, also where
/// those who have it get the rights that had to wait.
#[test]
fn a_refused_account_keeps_no_rights_from_others() {
    let (server, store) = (Server::of("mariadb-11.8", "whole-refused", &[]), Store::new());
    server.sql(
        "CREATE DATABASE shop; CREATE TABLE shop.t (id INT PRIMARY KEY); INSTALL SONAME 'auth_ed25519';
         CREATE ROLE app; GRANT SELECT ON shop.* TO app; CREATE USER modern@'%' IDENTIFIED VIA ed25519 USING PASSWORD('x');
         CREATE USER app@'%' IDENTIFIED BY 'x'; GRANT app TO app@'%'; GRANT INSERT ON shop.t TO app@'%'",
    );
    backed_up(&store, &server);
    let accounts = tool(&store, &server, "fwb-dump").args(["--accounts", "--server-id", "s"]).run().ok();
    tool(&store, &server, "fwb-verify").stdin(&accounts.stdout).run().ok();
    server.sql(
        "DROP DATABASE shop; DROP USER modern@'%', app@'%'; UNINSTALL SONAME 'auth_ed25519';
         REVOKE SELECT ON shop.* FROM app",
    );
    let restored = restore_all(&store, &server, &["--yes"]).run();
    assert_ne!(restored.code, Some(0));
    let told = "modern@%: CREATE USER was refused";
    assert!(restored.stderr.contains(told), "{}", restored.stderr);
    let grants = server.query("SHOW GRANTS FOR app@'%'");
    assert!(grants.contains("GRANT INSERT ON `shop`.`t` TO `app`@`%`"), "{grants}");
    assert_eq!(server.query("SHOW GRANTS FOR app"), "GRANT USAGE ON *.* TO `app`");
    let last = restored.records().pop().unwrap();
    let completed = serde_json::json!([{"account": "app@%", "outcome": "completed"}]);
    assert_eq!(last["accounts"], completed, "{last}");
}

/// What is there gives way as in any other restore: it is backed up, and an undo brings it back.
#[test]
fn databases_that_are_there_are_kept_for_an_undo() {
    let (server, store) = (Server::private("whole_undo", &[]), Store::new());
    for database in ["a", "b", "c"] {
        server.sql(format!("CREATE DATABASE {database}; CREATE TABLE {database}.t (id INT PRIMARY KEY)"));
    }
    server.sql("INSERT INTO a.t VALUES (1)");
    backed_up(&store, &server);
    server.sql("INSERT INTO a.t VALUES (2); CREATE TABLE b.new (id INT); DROP DATABASE c");
    let options = ["--yes", "--exclude-database", "b"];
    let restored = restore_all(&store, &server, &options).run().ok().records();
    let names: Vec<&str> = restored.iter().map(|one| one["database"].as_str().unwrap()).collect();
    assert_eq!(names, ["a", "c"]);
    assert!(
        restored[0]["safety_backup"].is_string() && restored[1]["safety_backup"].is_null(),
        "{restored:?}"
    );
    assert_eq!(server.query("SELECT COUNT(*) FROM a.t; SHOW TABLES IN b; SHOW TABLES IN c"), "1\nnew\nt\nt");
    tool(&store, &server, "fwb-restore").args(["--undo", "-B", "a", "--yes"]).run().ok();
    assert_eq!(server.query("SELECT COUNT(*) FROM a.t"), "2");
    let kept = std::fs::read_dir(store.path().join("runs")).unwrap().count();
    assert_eq!(kept, 3, "each restore and the undo is on record");

    // Whose databases are meant must be clear, and that none is meant too.
    tool(&store, &server, "fwb-dump").args(["-B", "b", "--server-id", "other"]).run().ok();
    let all = tool(&store, &server, "fwb-restore").args(["--all", "--dry-run"]);
    all.run().fails(2, &["backups of 2 servers", "--server-id"]);
    let other = tool(&store, &server, "fwb-restore").args(["--all", "--yes", "--server-id", "other"]).run();
    assert_ne!(other.code, Some(0), "its only backup is not proved");
    let none = tool(&store, &server, "fwb-restore").args(["--all", "--yes", "--server-id", "nobody"]).run();
    assert_ne!(none.code, Some(0));
    let wrong = tool(&store, &server, "fwb-restore").args(["--all", "--tables", "t"]).run();
    assert_eq!(wrong.code, Some(2), "{}", wrong.stderr);
}
