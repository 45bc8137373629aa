//! A backup that is called proved comes back: what a restore would refuse, or the server would not take again, is told by
//! name when the dump is made, not when it is needed.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::faults::{Holder, WAITS, code, sees};
use crate::support::{Database, Server, Store, mariadb, name};

/// The manifest of a dump that was proved.
fn proved(store: &Store, database: &Database) -> Value {
    let dumped = store.tool("fwb-dump").args(["-B", &database.name]).run().ok();
    store.tool("fwb-verify").stdin(&dumped.stdout).run().ok().json()
}

fn words(value: &Value) -> String {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>().join("\n")
}

#[test]
fn tables_that_reach_outside_are_named_and_made_as_they_were_only_when_told() {
    let (store, database, other) = (Store::new(), Database::new("outside"), Database::new("outside_other"));
    let files = store.path().join("files");
    fs::create_dir(&files).unwrap();
    for open in [store.path(), files.as_path()] {
        fs::set_permissions(open, fs::Permissions::from_mode(0o777)).unwrap();
    }
    let dir = files.display().to_string();
    other.sql("CREATE TABLE part (id INT) ENGINE=MyISAM; INSERT INTO part VALUES (1)");
    let merge = format!("CREATE TABLE merged (id INT) ENGINE=MERGE UNION=({}.part)", other.quoted());
    database.sql(format!(
        "CREATE TABLE plain (id INT PRIMARY KEY) CONNECTION='kept, and nothing is done with it';
         INSERT INTO plain VALUES (1);
         CREATE TABLE away (id INT PRIMARY KEY) DATA DIRECTORY='{dir}'; INSERT INTO away VALUES (1), (2);
         CREATE TABLE parts (id INT PRIMARY KEY) PARTITION BY HASH (id)
           (PARTITION p0 DATA DIRECTORY='{dir}', PARTITION p1); INSERT INTO parts VALUES (1), (2);
         {merge}"
    ));
    let backup = proved(&store, &database);
    let told = words(&backup["warnings"]);
    assert!(told.contains("--allow-outside only: merged"), "{told}");
    assert!(told.contains("unless it is given --allow-outside: away, parts"), "{told}");
    let strict = store.tool("fwb-dump").args(["-B", &database.name, "--strict"]).run();
    assert_ne!(strict.code, Some(0), "{}", strict.stderr);

    let restore =
        |options: &[&str]| store.tool("fwb-restore").args(["--yes"]).args(options).arg(name(&backup)).run();
    // A rename leaves the files of such a live table behind, and a crash loses it.
    let swap = restore(&["--allow-outside"]);
    assert_eq!(swap.code, Some(2), "{}", swap.stderr);
    assert!(swap.stderr.contains("away") && swap.stderr.contains("--strategy in-place"), "{}", swap.stderr);
    let refused = restore(&["--strategy", "in-place"]);
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    assert!(
        refused.stderr.contains("merged") && refused.stderr.contains("--allow-outside"),
        "{}",
        refused.stderr
    );
    assert_eq!(database.query("SELECT COUNT(*) FROM merged"), "1");

    restore(&["--strategy", "in-place", "--allow-outside"]).ok();
    assert_eq!(database.query("SELECT (SELECT COUNT(*) FROM away), (SELECT id FROM merged)"), "2\t1");
    assert!(database.query("SHOW CREATE TABLE away").contains(&dir));

    // Without, and without the one table that has its rows elsewhere: in the database's own directory.
    database.sql("DROP TABLE away, parts");
    restore(&["--tables", "away,parts"]).ok();
    restore(&["--tables", "away,parts"]).ok();
    for table in ["away", "parts"] {
        let create = database.query(&format!("SHOW CREATE TABLE {table}"));
        assert!(!create.contains("DIRECTORY"), "{create}");
        assert_eq!(database.query(&format!("SELECT COUNT(*) FROM {table}")), "2");
    }
    // Somebody has made one since the swap: no undo takes it along.
    database.sql(format!("DROP TABLE away; CREATE TABLE away (id INT PRIMARY KEY) DATA DIRECTORY='{dir}'"));
    let undo = store.tool("fwb-restore").args(["--undo", "--yes", "--database", &database.name]).run();
    assert_eq!(undo.code, Some(2), "{}", undo.stderr);
    assert!(undo.stderr.contains("away has DATA DIRECTORY"), "{}", undo.stderr);
    database.drop_now();
}

#[test]
fn a_view_whose_names_the_server_does_not_quote_comes_back() {
    let (store, database) = (Store::new(), Database::new("unquoted"));
    database.sql(
        "CREATE TABLE t (id INT PRIMARY KEY, `값` INT); INSERT INTO t VALUES (1, 2);
         CREATE VIEW v AS WITH `한글` AS (SELECT id, `값` FROM t) SELECT `값` AS `é` FROM `한글` WHERE id = 1",
    );
    let backup = proved(&store, &database);
    assert_eq!(backup["broken_views"], Value::Null);
    store.tool("fwb-restore").arg("--yes").arg(name(&backup)).run().ok();
    assert_eq!(database.query("SELECT `é` FROM v"), "2");
}

/// The server prints `with my cte as`, which it does not read again.
#[test]
fn what_the_server_does_not_take_again_is_left_out_by_name() {
    let (store, database) = (Store::new(), Database::new("not_again"));
    database.sql(
        "CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (1);
         CREATE VIEW bad AS WITH `my cte` AS (SELECT id FROM t) SELECT * FROM `my cte`;
         CREATE VIEW good AS SELECT * FROM t",
    );
    let backup = proved(&store, &database);
    assert_eq!(backup["broken_views"].as_array().map(Vec::len), Some(1), "{}", backup["broken_views"]);
    assert_eq!(backup["broken_views"][0]["name"], "bad");
    assert!(words(&backup["warnings"]).contains("view bad is broken and left out"), "{}", backup["warnings"]);
    store.tool("fwb-restore").arg("--yes").arg(name(&backup)).run().ok();
    assert_eq!(database.query("SELECT * FROM good"), "1");
}

/// A server keeps options that it does not know, and shows them in comments, which no server reads again.
#[test]
fn options_that_the_server_does_not_know_are_named() {
    let (store, database) = (Store::new(), Database::new("inert"));
    database.sql(
        "SET sql_mode='IGNORE_BAD_TABLE_OPTIONS'; CREATE TABLE t (id INT `foo`='bar', KEY k (id) `of`=1) `baz`=1; \
         CREATE TABLE u (id INT COMMENT '/* `no`=1 */')",
    );
    let backup = proved(&store, &database);
    let told = words(&backup["warnings"]);
    assert!(told.ends_with("options of table t, and a restore loses them: baz, foo, of"), "{told}");
    assert!(!told.contains("table u"), "{told}");
}

/// `CREATE TABLE … SELECT` makes columns of some sources that may be NULL, and have no default.
#[test]
fn columns_without_a_default_are_named() {
    let (store, database) = (Store::new(), Database::new("bare"));
    database.sql(
        "CREATE TABLE t SELECT table_schema, partition_name FROM information_schema.partitions LIMIT 0; CREATE VIEW v AS SELECT * FROM t;
         CREATE TABLE u (id INT PRIMARY KEY, b TEXT, c INT AS (id) VIRTUAL, d TIMESTAMP NULL, e ENUM('?') CHARACTER SET utf8mb4)",
    );
    let told = words(&proved(&store, &database)["warnings"]);
    assert!(told.ends_with("DEFAULT NULL after a restore: t.partition_name"), "{told}");
}

/// A server keeps what it does not take: a GEOMETRY of no bytes, which `INSERT IGNORE` makes of NULL. And it shows a comment in
/// UTF-8 within a text in another character set, and with backslashes that the program's own `sql_mode` does not know.
#[test]
fn what_a_server_does_not_take_as_it_shows_it_is_named_or_mended() {
    let (store, database) = (Store::new(), Database::new("shown"));
    database.sql(
        "CREATE TABLE a (id INT PRIMARY KEY, t TEXT) CHARACTER SET ascii;
         INSERT INTO a VALUES (1, x'00ff'), (2, 'it''s'), (3, ''), (4, x'e9')",
    );
    let rows = || database.query("SELECT id, HEX(t) FROM a ORDER BY id");
    let (before, backup) = (rows(), proved(&store, &database));
    store.tool("fwb-restore").arg("--yes").arg(name(&backup)).run().ok();
    assert_eq!(rows(), before);
    database.sql(
        "CREATE TABLE t (id INT PRIMARY KEY);
         SET NAMES utf8mb4, character_set_client=latin1, collation_connection=latin1_bin;
         CREATE EVENT e ON SCHEDULE EVERY 3 DAY STARTS '2037-01-01' COMMENT 'é' DO SELECT 'é';
         CREATE PROCEDURE p() COMMENT 'é' SELECT 'é';
         SET NAMES utf8mb4, character_set_client=cp1251, collation_connection=cp1251_bin;
         CREATE PROCEDURE `not cp1251`() COMMENT '한글 😀' SELECT '한글 😀';
         SET NAMES utf8mb4, sql_mode='NO_BACKSLASH_ESCAPES';
         CREATE EVENT plain_event ON SCHEDULE EVERY 3 DAY STARTS '2037-01-01' COMMENT 'back\\slash, it''s' DO SELECT 'back\\slash';
         CREATE PROCEDURE plain() COMMENT 'back\\slash, it''s' SELECT 'back\\slash'",
    );
    let show = || {
        database.query(
            "SELECT event_name, HEX(event_comment), HEX(event_definition), sql_mode FROM information_schema.events WHERE event_schema = DATABASE() ORDER BY 1;
             SELECT routine_name, HEX(routine_comment), HEX(routine_definition), sql_mode FROM information_schema.routines WHERE routine_schema = DATABASE() ORDER BY 1",
        )
    };
    let before = show();
    let backup = proved(&store, &database);
    for strategy in ["in-place", "swap", "swap"] {
        let restore = store.tool("fwb-restore").args(["--yes", "--strategy", strategy]).arg(name(&backup));
        restore.run().ok();
        assert_eq!(show(), before, "{strategy}");
    }
    database
        .sql("CREATE TABLE g (id INT PRIMARY KEY, p POINT NOT NULL); INSERT IGNORE INTO g VALUES (1, NULL)");
    let dumped = store.tool("fwb-dump").args(["-B", &database.name]).run();
    dumped.fails(2, &["table g of", "a GEOMETRY of no bytes"]);
}

/// With `foreign_key_checks=0`, a table may be altered under those that refer to it: to another character set, for one, as
/// migrations do table by table. A server makes no such child once the parent is there.
#[test]
fn foreign_keys_that_no_longer_fit_come_back() {
    let (store, database) = (Store::new(), Database::new("misfits"));
    database.sql(
        "SET foreign_key_checks=0;
         CREATE TABLE kinds (code VARCHAR(20) CHARACTER SET latin1 PRIMARY KEY, above VARCHAR(20) CHARACTER SET latin1,
           CONSTRAINT of_above FOREIGN KEY (above) REFERENCES kinds (code));
         CREATE TABLE a_child (id INT PRIMARY KEY, code VARCHAR(20) CHARACTER SET utf8mb4, CONSTRAINT of_kind FOREIGN KEY (code) REFERENCES parents (code));
         CREATE TABLE z_child (id INT PRIMARY KEY, code VARCHAR(20) CHARACTER SET utf8mb4, CONSTRAINT of_parent FOREIGN KEY (code) REFERENCES parents (code));
         CREATE TABLE parents (code VARCHAR(20) CHARACTER SET latin1 PRIMARY KEY);
         INSERT INTO kinds VALUES ('x', 'x'); INSERT INTO parents VALUES ('y'); INSERT INTO z_child VALUES (1, 'y'); INSERT INTO a_child VALUES (1, 'y')",
    );
    let tables = ["kinds", "a_child", "z_child", "parents"];
    let show = || {
        database.query(
            &tables.map(|table| format!("SHOW CREATE TABLE {table}; CHECKSUM TABLE {table};")).concat(),
        )
    };
    let before = show();
    let backup = proved(&store, &database);
    for strategy in ["swap", "in-place"] {
        let restore = store.tool("fwb-restore").args(["--yes", "--strategy", strategy]).arg(name(&backup));
        restore.run().ok();
        assert_eq!(show(), before, "{strategy}");
    }
    store.tool("fwb-verify").args(["--level", "drill"]).arg(name(&backup)).run().ok();
}

/// Accounts that views run as may be gone, as on a server that was rebuilt, or may read the live database alone: a copy
/// has another name, and so has what a swap loads into. Views over such views come back all the same, and each with its
/// own account.
#[test]
fn views_over_views_of_accounts_that_may_not_read_come_back() {
    let (store, database, copy) = (Store::new(), Database::new("orphans"), Database::new("orphans_copy"));
    let user = format!("gone_{}@localhost", database.name);
    let quoted = database.quoted();
    Server::shared().sql(format!("CREATE USER {user}; GRANT SELECT ON {quoted}.* TO {user}"));
    database.sql(format!(
        "CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (1);
         CREATE DEFINER={user} VIEW low AS SELECT * FROM t; CREATE DEFINER={user} VIEW middle AS SELECT * FROM low;
         CREATE VIEW high AS SELECT id FROM middle WHERE id > 0 WITH CHECK OPTION;
         CREATE DEFINER={user} SQL SECURITY INVOKER VIEW other AS SELECT * FROM t"
    ));
    let definitions = |database: &Database| {
        let show = ["low", "middle", "high", "other"].map(|view| format!("SHOW CREATE VIEW {view};"));
        database.query(&show.concat())
    };
    let before = definitions(&database);
    let backup = proved(&store, &database);
    let restore = |options: &[&str]| {
        let done = store.tool("fwb-restore").args(["--yes"]).args(options).arg(name(&backup)).run();
        done.ok();
    };
    for strategy in ["swap", "in-place"] {
        restore(&["--strategy", strategy]);
        assert_eq!(definitions(&database), before, "{strategy}");
        assert_eq!(database.query("SELECT * FROM high"), "1", "{strategy}");
    }
    restore(&[]);
    store.tool("fwb-restore").args(["--undo", "--yes", "--database", &database.name]).run().ok();
    assert_eq!(definitions(&database), before, "undone");

    let definers = |database: &Database| {
        let sql = "SELECT table_name, definer, security_type FROM information_schema.views WHERE table_schema = DATABASE() ORDER BY 1";
        database.query(sql)
    };
    let of_views = definers(&database);
    for gone in [false, true] {
        for strategy in ["swap", "in-place"] {
            restore(&["--strategy", strategy, "--database", &copy.name]);
            assert_eq!(definers(&copy), of_views, "{strategy}, {gone}");
            assert_eq!(copy.query("SELECT COUNT(*) FROM t"), "1");
        }
        Server::shared().sql(format!("DROP USER IF EXISTS {user}"));
    }
    database.sql("DROP VIEW low, middle, high, other");
    restore(&[]);
    Server::shared().sql(format!("CREATE USER {user}; GRANT SELECT ON {quoted}.* TO {user}"));
    assert_eq!(definitions(&database), before, "the account was gone");
    Server::shared().sql(format!("DROP USER {user}"));
}

/// So it is on every server. MySQL says of such a view that it cannot be used until its account is there.
#[test]
fn views_over_views_of_accounts_that_are_gone_come_back_on_every_server() {
    for kind in ["mariadb-10.5", "mariadb-11.8", "mysql-9.7"] {
        let (server, store) = (Server::of(kind, &format!("orphans-{kind}"), &[]), Store::new());
        let tool = |name: &str| store.tool(name).env("FWB_DEFAULTS_FILE", server.defaults_file());
        let account = "CREATE USER gone@localhost IDENTIFIED BY 'a-Long-pass-1'; GRANT SELECT ON d.* TO gone@localhost;";
        server.sql(format!(
            "CREATE DATABASE d; USE d; CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (1); {account}
             CREATE DEFINER=gone@localhost VIEW low AS SELECT * FROM t; CREATE VIEW high AS SELECT id FROM low WHERE id > 0 WITH CHECK OPTION"
        ));
        let dumped = tool("fwb-dump").args(["-B", "d"]).run().ok();
        server.sql("DROP DATABASE d; DROP USER gone@localhost");
        let restore =
            tool("fwb-restore").args(["--yes", "--strategy", "in-place"]).stdin(&dumped.stdout).run();
        assert!(restore.stderr.contains("gone@localhost"), "{kind}: {}", restore.stderr);
        restore.ok();
        server.sql(account);
        assert_eq!(server.query("SELECT * FROM d.high"), "1", "{kind}");
        let definers =
            "SELECT table_name, definer FROM information_schema.views WHERE table_schema = 'd' ORDER BY 1";
        assert_eq!(server.query(definers), "high\troot@localhost\nlow\tgone@localhost", "{kind}");
    }
}

/// Nobody examines a statement of more than a megabyte.
#[test]
fn a_program_that_a_restore_would_refuse_is_left_out_by_name() {
    let (store, database) = (Store::new(), Database::new("endless"));
    database.sql(format!("CREATE PROCEDURE endless() SELECT '{}'", "x".repeat(1_100_000)));
    database.sql("CREATE PROCEDURE short() SELECT 1; CREATE TABLE t (id INT PRIMARY KEY)");
    let backup = proved(&store, &database);
    let broken = &backup["broken_programs"];
    assert_eq!(
        (broken[0]["kind"].as_str(), broken[0]["name"].as_str()),
        (Some("procedure"), Some("endless"))
    );
    assert_eq!(broken.as_array().map(Vec::len), Some(1));
    assert!(words(&backup["warnings"]).contains("procedure endless is left out"), "{}", backup["warnings"]);
    let strict = store.tool("fwb-dump").args(["-B", &database.name, "--strict"]).run();
    assert_ne!(strict.code, Some(0), "{}", strict.stderr);
    let restored = store.tool("fwb-restore").arg("--yes").arg(name(&backup)).run().ok();
    assert!(restored.stderr.contains("endless"), "{}", restored.stderr);
    assert_eq!(database.query("CALL short()"), "1");
}

/// Rows of MyISAM may come from after the snapshot. Who asks for it has them from before.
#[test]
fn tables_that_no_snapshot_covers_are_named_and_held_when_asked() {
    let (store, database, server) = (Store::new(), Database::new("uncovered"), Server::shared());
    database.sql(
        "CREATE TABLE held (id INT PRIMARY KEY);
         CREATE TABLE mine (id INT PRIMARY KEY) ENGINE=MyISAM; INSERT INTO mine VALUES (1)",
    );
    let rows = |manifest: &Value| {
        let sections = manifest["sections"].as_array().unwrap();
        sections.iter().find(|section| section["name"] == "mine").unwrap()["rows"].as_u64()
    };
    for (options, field, rows_of_mine) in
        [(&[][..], "without_snapshot", 2), (&["--lock-tables"][..], "locked_tables", 2)]
    {
        let held = Holder::new(server, &database.name, "LOCK TABLES held WRITE");
        let mut running = store.tool("fwb-dump").args(options).arg("-B").arg(&database.name).spawn();
        sees(server, &database.name, &format!("{WAITS} AND info LIKE 'SELECT%'"));
        let client = mariadb(&server.defaults_file(), &["--database", &database.name]);
        let mut writes = client.stdin("INSERT INTO mine SELECT MAX(id) + 1 FROM mine").spawn();
        if options.is_empty() {
            assert_eq!(code(&mut writes), Some(0));
        } else {
            sees(server, &database.name, "state LIKE 'Waiting for table%' AND info LIKE 'INSERT%'");
        }
        drop(held);
        assert_eq!((code(&mut running), code(&mut writes)), (Some(0), Some(0)));
        let manifest: Value = serde_json::from_slice(&running.wait_with_output().unwrap().stdout).unwrap();
        assert_eq!(manifest[field], serde_json::json!(["mine"]));
        assert_eq!(rows(&manifest), Some(rows_of_mine), "{options:?}");
        store.tool("fwb-verify").arg(name(&manifest)).run().ok();
    }
    assert_eq!(database.query("SELECT COUNT(*) FROM mine"), "3");
}

/// The server keeps their names in UTF-8, and their text as the client sent it.
#[test]
fn events_named_by_a_client_in_another_character_set_keep_their_names() {
    let (store, database) = (Store::new(), Database::new("two_charsets"));
    database.sql(
        b"SET NAMES latin1; CREATE EVENT `caf\xe9` ON SCHEDULE AT '2037-01-01 12:00:00' DO SET @a = 'caf\xe9';
          SET NAMES cp1251; CREATE DEFINER=`\xfc\xbf`@`%` EVENT e ON SCHEDULE AT '2037-01-01 12:00:00' DO SET @a = 1;",
    );
    let events = || {
        database.query(
            "SELECT HEX(EVENT_NAME), HEX(DEFINER), STATUS, HEX(EVENT_DEFINITION) FROM information_schema.EVENTS \
             WHERE EVENT_SCHEMA = DATABASE() ORDER BY 1",
        )
    };
    let before = events();
    assert!(before.starts_with("636166C3A9\t"), "{before}");
    let backup = proved(&store, &database);
    for options in [&[][..], &["--strategy", "in-place"]] {
        store.tool("fwb-restore").arg("--yes").args(options).arg(name(&backup)).run().ok();
        assert_eq!(events(), before, "{options:?}");
    }
}

#[test]
fn verify_refuses_what_a_restore_would_refuse() {
    let store = Store::new();
    let dump = |statements: &str| {
        format!(
            "-- MariaDB dump 10.19  Distrib 10.11.6-MariaDB\n--\n-- Host: localhost    Database: shop\n\
             -- Server version\t10.11.6-MariaDB\n\n/*!40101 SET NAMES utf8mb4 */;\n\
             DROP TABLE IF EXISTS `t`;\nCREATE TABLE `t` (`id` int(11) NOT NULL, PRIMARY KEY (`id`)) ENGINE=InnoDB;\n\
             INSERT INTO `t` VALUES (1),(2);\n{statements}\n-- Dump completed on 2025-01-01  1:00:00\n"
        )
    };
    for (number, (statements, fine)) in [
        ("", true),
        ("DROP DATABASE shop;", false),
        ("CHANGE MASTER TO MASTER_LOG_FILE='bin.000001', MASTER_LOG_POS=4;", true),
        ("CHANGE MASTER TO MASTER_HOST='192.0.2.1', MASTER_LOG_POS=4;", false),
        ("GRANT ALL ON *.* TO x;", false),
        ("CREATE TRIGGER `other`.`x` BEFORE INSERT ON `t` FOR EACH ROW SET @a=1;", false),
    ]
    .into_iter()
    .enumerate()
    {
        let file = format!("x{number}.sql");
        fs::write(store.path().join(&file), dump(statements)).unwrap();
        let verified = store.tool("fwb-verify").args(["--adopt", &file]).run();
        assert_eq!(verified.code, Some(if fine { 0 } else { 3 }), "{statements}: {}", verified.stderr);
        let outcome = &verified.json()["verification"];
        assert_eq!(outcome["ok"], fine);
        assert_eq!(outcome["restorable"], if fine { Value::Null } else { false.into() }, "{statements}");
        let proved = store.tool("fwb-ls").args(["--verified"]).run();
        assert_eq!(proved.stdout_text().contains(&file), fine, "{statements}");
    }
}

#[test]
fn a_dump_with_line_ends_of_windows_is_restored() {
    let (store, database, copy) =
        (Store::new(), Database::sample("windows"), Database::reserved("windows_copy"));
    let dumped = store.tool("fwb-dump").args(["-B", &database.name]).run().ok().json();
    let sql = store.tool("fwb-restore").args(["--stdout"]).arg(name(&dumped)).run().ok().stdout_text();
    fs::write(store.path().join("win.sql"), sql.replace('\n', "\r\n")).unwrap();
    let verified = store.tool("fwb-verify").arg("win.sql").run().ok().json();
    let names = |manifest: &Value| -> Vec<String> {
        let sections = manifest["sections"].as_array().into_iter().flatten();
        sections
            .map(|section| format!("{} {} {}", section["kind"], section["name"], section["rows"]))
            .collect()
    };
    assert_eq!(names(&verified), names(&dumped));
    store.tool("fwb-restore").args(["--yes", "--database", &copy.name, "win.sql"]).run().ok();
    assert_eq!(copy.content(), database.content());
}

/// Two databases with views over each other, brought to a server that has neither.
#[test]
fn views_over_databases_that_are_not_there_come_when_those_have_come() {
    let store = Store::new();
    let (one, two) = (Database::new("over_one"), Database::new("over_two"));
    for database in [&one, &two] {
        database.sql("CREATE TABLE t (id INT PRIMARY KEY, d DATE); INSERT INTO t VALUES (1, '2024-02-29')");
    }
    for (database, other) in [(&one, &two), (&two, &one)] {
        database.sql(format!(
            "CREATE VIEW own AS SELECT EXTRACT(YEAR FROM t.d) AS year FROM t;
             CREATE VIEW across AS SELECT o.id FROM {}.t AS o JOIN t ON t.id = o.id;
             CREATE VIEW beyond AS SELECT * FROM across",
            other.quoted()
        ));
    }
    let first = proved(&store, &one);
    let notes = || {
        let drilled = store.tool("fwb-verify").args(["--level", "drill"]).arg(name(&first)).run().ok().json();
        words(&drilled["verification"]["notes"])
    };
    assert!(notes().contains("view across was not tried") && notes().contains("view beyond"), "{}", notes());
    let second = proved(&store, &two);
    assert!(!notes().contains("was not tried") && notes().contains(name(&second)), "{}", notes());

    one.drop_now();
    two.drop_now();
    let restore = |options: &[&str], backup: &Value| {
        store.tool("fwb-restore").arg("--yes").args(options).arg(name(backup)).run()
    };
    let came = restore(&[], &first).ok();
    assert!(came.stderr.contains("across (needs"), "{}", came.stderr);
    assert_eq!(one.query("SELECT year FROM own"), "2024");
    let asked = restore(&["--tables", "across"], &first);
    assert_eq!(asked.code, Some(2), "{}", asked.stderr);
    restore(&["--strategy", "in-place"], &second).ok();
    assert_eq!(two.query("SELECT id FROM beyond"), "1");
    restore(&["--tables", "across,beyond"], &first).ok();
    assert_eq!(one.query("SELECT id FROM beyond"), "1");
}

/// What is broken in one database is no matter of a view over another one's table of that name.
#[test]
fn a_view_over_another_databases_table_is_not_taken_for_one_over_a_broken_view() {
    let (database, other, store) = (Database::new("names"), Database::new("names_other"), Store::new());
    other.sql("CREATE TABLE report (a INT); CREATE FUNCTION total() RETURNS INT DETERMINISTIC RETURN 1;");
    database.sql(format!(
        "CREATE TABLE doomed (a INT); CREATE VIEW report AS SELECT * FROM doomed; CREATE VIEW total AS SELECT * FROM doomed;
         CREATE VIEW sound AS SELECT a, {0}.total() AS b FROM {0}.report; DROP TABLE doomed;",
        other.quoted()
    ));
    let dump = store.dump(&database);
    let broken: Vec<&str> =
        dump["broken_views"].as_array().unwrap().iter().map(|view| view["name"].as_str().unwrap()).collect();
    assert_eq!(broken, ["report", "total"]);
    database.drop_now();
    store.tool("fwb-restore").args(["--yes", name(&dump)]).run().ok();
    assert_eq!(database.query("SELECT COUNT(*) FROM sound"), "0");
}

/// What a generated column was made of may not make it again: rows are loaded in UTC. In place, nothing is cleared then whose
/// rows a rollback could not put back.
#[test]
fn nothing_is_cleared_whose_rows_could_not_be_put_back() {
    let server = Server::private("computed", &["--default-time-zone=+09:00"]);
    let store = Store::new();
    let tool = |tool: &str| store.tool(tool).env("FWB_DEFAULTS_FILE", server.defaults_file());
    server.sql(
        "CREATE DATABASE visits CHARACTER SET utf8mb4; USE visits; CREATE TABLE other (id INT PRIMARY KEY, about JSON);
         INSERT INTO other VALUES (1, '{}');
         CREATE TABLE v (usr INT, at TIMESTAMP NULL, day DATE AS (CAST(at AS DATE)) STORED, UNIQUE KEY (usr, day));
         INSERT INTO v (usr, at) VALUES (1, '2026-01-01 08:00:00'), (1, '2026-01-02 08:00:00');",
    );
    let dump = tool("fwb-dump").args(["-B", "visits"]).run().ok().json();
    let content = || server.query("USE visits; SELECT * FROM v ORDER BY at; SELECT * FROM other");
    // Nine o'clock in Seoul is midnight in UTC: two visits of two days there are of one day in UTC.
    server.sql("USE visits; DELETE FROM v; INSERT INTO v (usr, at) VALUES (1, '2026-01-01 23:00:00'), (1, '2026-01-02 01:00:00')");
    let live = content();
    let refused = tool("fwb-restore").args(["--yes", "--strategy", "in-place", name(&dump)]).run();
    refused.fails(2, &["with its rows", "hint: "]);
    assert_eq!(content(), live, "nothing was touched");
    let swapped = tool("fwb-restore").args(["--yes", name(&dump)]).run().ok();
    assert!(swapped.stderr.contains("v.day"), "{}", swapped.stderr);
}
