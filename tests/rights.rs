//! A dump is of all of a database, or it says what the account lacks: a server tells nobody what it does not show.

use std::fs;
use std::path::Path;

use crate::support::{Server, Store, Tool, mariadb, name};

/// What a server shows by a right of its own each.
const SAMPLE: &str = "
CREATE DATABASE filewallball_db;
USE filewallball_db;
CREATE TABLE files (id INT PRIMARY KEY, size INT);
INSERT INTO files VALUES (1, 10), (2, 20);
CREATE VIEW large AS SELECT * FROM files WHERE size > 10;
CREATE TRIGGER counts BEFORE INSERT ON files FOR EACH ROW SET NEW.size = NEW.size + 1;
CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY DISABLE DO DELETE FROM files WHERE id < 0;
CREATE PROCEDURE total() SELECT SUM(size) FROM files;
";

/// The statements of README's recipe for a flavor.
pub(crate) fn recipe(flavor: &str) -> Vec<String> {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let (_, after) = readme.split_once(&format!("On {flavor}:\n")).expect("the recipe");
    let (block, _) = after.split_once("```sql\n").unwrap().1.split_once("```").unwrap();
    let lines = block.lines().map(|line| line.split(" -- ").next().unwrap().trim());
    lines.filter(|line| !line.is_empty()).map(ToOwned::to_owned).collect()
}

struct Scene {
    server: Server,
    store: Store,
    recipe: Vec<String>,
}

impl Scene {
    fn new(kind: &str, test: &str) -> Self {
        let server =
            Server::of(kind, &format!("rights-{test}-{kind}"), &["--log-bin-trust-function-creators=1"]);
        server.sql(SAMPLE);
        let flavor = if kind.starts_with("mysql") { "MySQL" } else { "MariaDB" };
        Self { server, store: Store::new(), recipe: recipe(flavor) }
    }

    fn tool(&self, tool: &str, user: &str) -> Tool {
        let password = self.store.path().join(".password");
        fs::write(&password, "the password\n").unwrap();
        let tool = self.store.tool(tool).env("FWB_DEFAULTS_FILE", self.server.defaults_file());
        tool.args(["-B", "filewallball_db", "--user", user, "--password-file"]).arg(password)
    }

    /// The accounts, made anew, without one statement of the recipe, or with all.
    fn accounts(&self, without: Option<usize>) {
        let statements = self.recipe.iter().enumerate().filter(|(number, _)| Some(*number) != without);
        let statements: Vec<&str> = statements.map(|(_, statement)| statement.as_str()).collect();
        self.server.sql(format!("DROP USER IF EXISTS backup@'%', restore@'%'; {}", statements.join("\n")));
    }
}

/// The accounts of README can do just what they are for, and one without any line of it is told so.
fn recipe_is_right(kind: &str) {
    let scene = Scene::new(kind, "recipe");
    let (server, store) = (&scene.server, &scene.store);
    scene.accounts(None);
    let dump = scene.tool("fwb-dump", "backup").run().ok().json();
    assert_eq!(dump["whole"], true);
    let objects =
        dump["sections"].as_array().unwrap().iter().filter_map(|section| section["objects"].as_array());
    assert_eq!(objects.flatten().count(), 3, "{dump}");
    // What the restoring account needs, it has: with nothing there, and over what is there.
    server.sql("DROP DATABASE filewallball_db");
    let swaps = !["mariadb-10.5", "mysql-9.7"].contains(&kind);
    for strategy in ["in-place", if swaps { "swap" } else { "in-place" }] {
        let restore = scene.tool("fwb-restore", "restore").args(["--yes", "--strategy", strategy]);
        restore.arg(name(&dump)).run().ok();
    }
    assert_eq!(scene.tool("fwb-dump", "restore").run().ok().json()["whole"], true);

    let before = store.names();
    let lines = scene.recipe.iter().enumerate();
    let of_backup: Vec<usize> = lines
        .filter(|(_, line)| line.starts_with("GRANT") && line.contains("backup@"))
        .map(|(at, _)| at)
        .collect();
    assert_eq!(of_backup.len(), 2);
    for line in of_backup {
        scene.accounts(Some(line));
        let refused = scene.tool("fwb-dump", "backup").run();
        assert_eq!(refused.code, Some(2), "{}", refused.stderr);
        assert_eq!(store.names(), before, "nothing is published");
        // Without any right on it, the database cannot be told from one that is not there.
        let Some((_, hint)) = refused.stderr.split_once("hint: have an administrator run: ") else {
            assert!(line == 1 && refused.stderr.contains("filewallball_db"), "{}", refused.stderr);
            continue;
        };
        assert!(
            refused.stderr.contains("may not see all of database filewallball_db: it lacks"),
            "{}",
            refused.stderr
        );
        server.sql(format!("{};", hint.split_once("; or dump").unwrap().0));
        scene.tool("fwb-dump", "backup").args(["-o", "/dev/null"]).run().ok();
    }
    // Each right for itself.
    for right in ["SELECT", "SHOW VIEW", "TRIGGER", "EVENT"] {
        scene.accounts(None);
        server.sql(format!("REVOKE {right} ON filewallball_db.* FROM backup@'%'"));
        let words = format!("it lacks {right}\n");
        scene.tool("fwb-dump", "backup").run().fails(2, &[&words]);
        assert_eq!(store.names(), before, "nothing is published");
    }
}

#[test]
fn the_recipe_is_right_on_mariadb_10_5() {
    recipe_is_right("mariadb-10.5");
}

#[test]
fn the_recipe_is_right_on_mariadb_10_11() {
    recipe_is_right("mariadb-10.11");
}

#[test]
fn the_recipe_is_right_on_mariadb_11_8() {
    recipe_is_right("mariadb-11.8");
}

#[test]
fn the_recipe_is_right_on_mysql_9_7() {
    recipe_is_right("mysql-9.7");
}

/// Where the rights come from, and what hides them, as the servers have it.
#[test]
fn rights_count_as_the_server_counts_them() {
    for kind in ["mariadb-10.11", "mysql-9.7"] {
        let scene = Scene::new(kind, "count");
        let (server, is_mysql) = (&scene.server, kind.starts_with("mysql"));
        let programs = if is_mysql { "SHOW_ROUTINE ON *.*" } else { "SELECT ON mysql.proc" };
        let make = "DROP USER IF EXISTS backup@'%'; DROP ROLE IF EXISTS readers; CREATE USER backup@'%' IDENTIFIED BY 'the password'";
        let cases = [
            // The more specific row hides the other one.
            (
                "GRANT SHOW VIEW, TRIGGER, EVENT ON `filewall%`.* TO backup@'%'; GRANT SELECT ON filewallball_db.* TO backup@'%'",
                "SHOW VIEW, TRIGGER, EVENT",
            ),
            ("GRANT SELECT, SHOW VIEW, TRIGGER, EVENT ON `filewall%`.* TO backup@'%'", ""),
            (
                "GRANT TRIGGER ON *.* TO backup@'%'; GRANT SELECT, SHOW VIEW, EVENT ON filewallball_db.* TO backup@'%'",
                "",
            ),
            // A part.
            (
                "GRANT SELECT, SHOW VIEW, TRIGGER ON filewallball_db.files TO backup@'%'; GRANT EVENT ON filewallball_db.* TO backup@'%'",
                "SELECT, SHOW VIEW, TRIGGER",
            ),
            (
                "GRANT SELECT (id) ON filewallball_db.files TO backup@'%'; GRANT EVENT, TRIGGER, SHOW VIEW ON filewallball_db.* TO backup@'%'",
                "SELECT",
            ),
            // A role counts once it is active.
            (
                "CREATE ROLE readers; GRANT SELECT, SHOW VIEW, TRIGGER, EVENT ON filewallball_db.* TO readers; GRANT readers TO backup@'%'; GRANT SELECT ON filewallball_db.* TO backup@'%'",
                "SHOW VIEW, TRIGGER, EVENT",
            ),
            (
                "CREATE ROLE readers; GRANT TRIGGER ON filewallball_db.* TO readers; GRANT readers TO backup@'%'; GRANT SELECT, SHOW VIEW, EVENT ON filewallball_db.* TO backup@'%'; SET DEFAULT ROLE readers {for}backup@'%'",
                "",
            ),
        ];
        for (grants, lacks) in cases {
            let grants = grants.replace("{for}", if is_mysql { "TO " } else { "FOR " });
            server.sql(format!("{make}; GRANT {programs} TO backup@'%'; {grants}"));
            let run = scene.tool("fwb-dump", "backup").args(["-o", "/dev/null"]).run();
            if lacks.is_empty() {
                assert_eq!(run.code, Some(0), "{kind}: {grants}: {}", run.stderr);
            } else {
                run.fails(2, &[&format!("it lacks {lacks}\n")]);
            }
        }
        if is_mysql {
            server.sql(format!("{make}; GRANT {programs} TO backup@'%'; SET GLOBAL partial_revokes=ON; GRANT SELECT, SHOW VIEW, TRIGGER, EVENT ON *.* TO backup@'%'; REVOKE TRIGGER ON filewallball_db.* FROM backup@'%'"));
            scene.tool("fwb-dump", "backup").run().fails(2, &["it lacks TRIGGER\n"]);
        } else {
            server.sql(format!("{make}; GRANT {programs} TO backup@'%'; GRANT EVENT ON filewallball_db.* TO PUBLIC; GRANT SELECT, SHOW VIEW, TRIGGER ON filewallball_db.* TO backup@'%'"));
            // Since 10.11 there is PUBLIC, and SHOW GRANTS tells of it.
            scene.tool("fwb-dump", "backup").run().ok();
        }
    }
}

/// An anonymous row that is more specific than the account's takes its rights away, and `SHOW GRANTS` does not say so.
#[test]
fn rights_that_an_anonymous_row_hides_are_missed() {
    const ON_PATTERN: &str = "GRANT SELECT, SHOW VIEW, TRIGGER, EVENT ON `filewall%`.* TO backup@'%'";
    const ANONYMOUS: &str = "ON filewallball_db.* TO ''@'%'";
    for kind in ["mariadb-10.11", "mysql-9.7"] {
        let scene = Scene::new(kind, "anonymous");
        let programs = if kind.starts_with("mysql") { "SHOW_ROUTINE ON *.*" } else { "SELECT ON mysql.proc" };
        scene.server.sql(format!(
            "CREATE USER backup@'%' IDENTIFIED BY 'the password'; CREATE USER ''@'%'; {ON_PATTERN};
             GRANT {programs} TO backup@'%'"
        ));
        let dump = || scene.tool("fwb-dump", "backup").args(["-o", "/dev/null"]).run();
        dump().ok();
        for (row, is_missed) in [
            ("SELECT, INSERT", true),
            ("SELECT, SHOW VIEW", true),
            ("EVENT", true),
            ("ALL PRIVILEGES", true),
            // What it gives is what the account would have.
            ("SELECT, SHOW VIEW, TRIGGER, EVENT", false),
        ] {
            scene.server.sql(format!("GRANT {row} {ANONYMOUS}"));
            if is_missed {
                let hint = "EVENT ON *.* TO `backup`@`%`";
                dump().fails(2, &["another row of mysql.db counts on this database", hint]);
            } else {
                assert_eq!(dump().code, Some(0), "{kind}: {row}");
            }
            scene.server.sql("REVOKE ALL PRIVILEGES ON filewallball_db.* FROM ''@'%'");
        }
        // What is granted on all databases holds.
        let relied_on =
            |manifest: serde_json::Value| manifest["whole_relied_on"].as_array().map_or(0, Vec::len);
        assert_eq!(relied_on(dump().ok().json()), 1, "a row that shows no difference could be there");
        let everywhere = ON_PATTERN.replace("`filewall%`", "*");
        scene.server.sql(format!("GRANT SELECT {ANONYMOUS}; {everywhere}"));
        assert_eq!(relied_on(dump().ok().json()), 0);
    }
}

/// Who may execute a program is told that it is there, and not how it is defined.
#[test]
fn a_program_that_is_hidden_is_a_matter_of_rights() {
    for kind in ["mariadb-10.11", "mariadb-11.8", "mysql-9.7"] {
        let scene = Scene::new(kind, "hidden");
        let (server, store) = (&scene.server, &scene.store);
        server.sql(
            "CREATE USER backup@'%' IDENTIFIED BY 'the password';
             GRANT SELECT, SHOW VIEW, TRIGGER, EVENT, EXECUTE ON filewallball_db.* TO backup@'%'",
        );
        let words =
            ["may not see all of database filewallball_db: it lacks", "how procedure total is defined"];
        let refused = scene.tool("fwb-dump", "backup").run().fails(2, &words);
        assert!(!refused.stderr.contains("run it again"), "{}", refused.stderr);
        assert!(!store.names().iter().any(|name| name.contains(".sql")), "nothing is published");
        let (_, hint) =
            refused.stderr.split_once("hint: have an administrator run: ").expect("the statements");
        server.sql(format!("{};", hint.split_once("; or dump").unwrap().0));
        scene.tool("fwb-dump", "backup").run().ok();
    }
}

/// MariaDB opens no view for whoever may not execute what it calls, and then calls it a broken one.
#[test]
fn a_view_that_may_not_be_opened_is_not_broken() {
    for kind in ["mariadb-10.11", "mariadb-11.8", "mysql-9.7"] {
        let scene = Scene::new(kind, "calls");
        scene.accounts(None);
        scene.server.sql(
            "CREATE DATABASE tax; CREATE FUNCTION tax.rate() RETURNS INT DETERMINISTIC RETURN 2; USE filewallball_db; \
             CREATE FUNCTION twice(n INT) RETURNS INT DETERMINISTIC RETURN 2 * n; \
             CREATE VIEW doubled AS SELECT twice(size) AS size FROM files; \
             CREATE VIEW taxed AS SELECT tax.rate() AS rate; \
             CREATE VIEW gone AS SELECT * FROM large; DROP VIEW large",
        );
        let dump = || scene.tool("fwb-dump", "backup");
        if kind.starts_with("mariadb") {
            let refused = dump().run().fails(2, &["EXECUTE", "views doubled, taxed"]);
            let part = dump().arg("--allow-partial").run().ok().json();
            assert_eq!(part["whole"], false, "{part}");
            let (_, hint) = refused.stderr.split_once("hint: have an administrator run: ").unwrap();
            scene.server.sql(format!("{};", hint.split_once("; or dump").unwrap().0));
        }
        let manifest = dump().run().ok().json();
        let broken = manifest["broken_views"].as_array().unwrap();
        assert_eq!((&manifest["whole"], broken.len()), (&serde_json::json!(true), 1), "{manifest}");
        assert_eq!(name(&broken[0]), "gone");
    }
}

/// What an account may not see is not gone: a view over it works, and a restore that cannot make it does not take it away.
#[test]
fn a_view_over_what_is_hidden_is_not_lost() {
    for kind in ["mariadb-10.11", "mysql-9.7"] {
        let scene = Scene::new(kind, "over");
        scene.accounts(None);
        scene.server.sql(
            "CREATE DATABASE tax; CREATE TABLE tax.rates (id INT PRIMARY KEY); INSERT INTO tax.rates VALUES (7); \
             CREATE VIEW filewallball_db.rates AS SELECT * FROM tax.rates",
        );
        let backup = scene.tool("fwb-dump", "backup").run().ok().json();
        let strategy = if kind.starts_with("mysql") { "in-place" } else { "swap" };
        let restore = || {
            let tool = scene.tool("fwb-restore", "restore").args(["--yes", "--strategy", strategy]);
            tool.arg(name(&backup))
        };
        restore().run().fails(2, &["would be gone", "rates (needs tax.rates)", "GRANT SELECT"]);
        assert_eq!(scene.server.query("SELECT * FROM filewallball_db.rates"), "7");
        scene.server.sql("GRANT SELECT ON tax.* TO restore@'%'");
        restore().run().ok();
        assert_eq!(scene.server.query("SELECT * FROM filewallball_db.rates"), "7");
        // Where there is no such view, nothing is lost: the rest comes back, and it is told.
        scene.server.sql("REVOKE SELECT ON tax.* FROM restore@'%'; DROP VIEW filewallball_db.rates");
        let told = restore().run().ok().stderr;
        assert!(told.contains("may not see, and are left out: rates (needs tax.rates)"), "{told}");
    }
}

/// A server that looks at no rights shows everything.
#[test]
fn without_grant_tables_everything_is_seen() {
    let (server, store) = (Server::private("no-rights", &["--skip-grant-tables"]), Store::new());
    mariadb(&server.defaults_file(), &[])
        .stdin("CREATE DATABASE d; CREATE TABLE d.t (id INT PRIMARY KEY)")
        .run()
        .ok();
    let dump = store.tool("fwb-dump").env("FWB_DEFAULTS_FILE", server.defaults_file());
    assert_eq!(dump.args(["-B", "d"]).run().ok().json()["whole"], true);
}

/// What an account sees is better than nothing, and is never called whole.
#[test]
fn a_part_is_never_called_the_database() {
    let scene = Scene::new("mariadb-10.11", "part");
    let store = &scene.store;
    scene.accounts(None);
    let whole = scene.tool("fwb-dump", "backup").run().ok().json();
    store.tool("fwb-verify").arg(name(&whole)).run().ok();
    scene.server.sql("REVOKE TRIGGER ON filewallball_db.* FROM backup@'%'");
    let part = scene.tool("fwb-dump", "backup").args(["--allow-partial"]).run().ok();
    assert!(part.stderr.contains("may lack a part of the database"), "{}", part.stderr);
    let part = part.json();
    assert_eq!((part["whole"].as_bool(), part["lacking_rights"][0].as_str()), (Some(false), Some("TRIGGER")));
    let verified = store.tool("fwb-verify").arg(name(&part)).run();
    assert_eq!(verified.code, Some(0), "{}", verified.stderr);
    assert!(verified.stderr.contains("not proved"), "{}", verified.stderr);
    let newest = store.tool("fwb-ls").args(["--latest", "--verified"]).run().ok().json();
    assert_eq!(name(&newest), name(&whole));
    let listed = store.tool("fwb-ls").args(["--format", "table"]).run().ok().stdout_text();
    assert!(
        listed.lines().any(|line| line.contains(name(&part)) && line.contains("  partial (full, ")),
        "{listed}"
    );
    // Retention keeps the whole one for it.
    let pruned = store.tool("fwb-prune").args(["--keep-last", "1", "--min-keep", "1"]).run().ok().records();
    let deleted: Vec<&str> =
        pruned.iter().filter(|one| one["decision"]["action"] == "delete").map(name).collect();
    assert!(!deleted.contains(&name(&whole)), "{pruned:?}");
    scene.tool("fwb-dump", "backup").args(["--allow-partial", "--strict"]).run().fails(2, &["--strict"]);
}
