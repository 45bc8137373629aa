//! What a server's settings and an operator's option files say must not reach a restore: they are made for other programs,
//! and a swap that half of them got into leaves a database that is neither the old one nor the new one.

use std::fs;

use crate::support::{Server, Store, Tool, name};

const SHOP: &str = "CREATE DATABASE shop; USE shop;
CREATE TABLE goods (id INT PRIMARY KEY AUTO_INCREMENT, what VARCHAR(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin, KEY (what));
INSERT INTO goods VALUES (1, 'an apple'), (2, 'zwei Äpfel'), (3, '사과 \\\\ \" '' `');
CREATE TABLE log (id INT PRIMARY KEY AUTO_INCREMENT, what VARCHAR(80));
CREATE TRIGGER sold AFTER DELETE ON goods FOR EACH ROW INSERT INTO log (what) VALUES (CONCAT('sold ', OLD.what));
CREATE VIEW `many \"goods\"` AS SELECT id, CONCAT(what, ' \"!\"') AS what FROM goods;
CREATE PROCEDURE count_goods() SELECT COUNT(*) FROM goods;
CREATE EVENT tidy ON SCHEDULE EVERY 1 DAY STARTS '2037-01-01' DO DELETE FROM log WHERE id < 0;";

/// Everything that the database is, but for what a migration changes.
const CONTENT: &str = "SELECT * FROM shop.`many \"goods\"` ORDER BY id; SELECT what FROM shop.log ORDER BY id; \
SELECT event_name, sql_mode FROM information_schema.events WHERE event_schema = 'shop'; \
SELECT trigger_name, action_statement, sql_mode FROM information_schema.triggers WHERE trigger_schema = 'shop'; \
SELECT table_name, view_definition FROM information_schema.views WHERE table_schema = 'shop';";

fn on(server: &Server, tool: Tool) -> Tool {
    tool.env("FWB_DEFAULTS_FILE", server.defaults_file())
}

fn databases(server: &Server) -> String {
    server.query(
        "SELECT schema_name FROM information_schema.schemata WHERE schema_name LIKE 'shop%' ORDER BY 1",
    )
}

/// Each of these once stopped a swap half way, lost its journal, or made a later run revert a migration.
#[test]
fn settings_of_the_server_do_not_reach_a_swap() {
    let (server, store) = (Server::private("sessions", &[]), Store::new());
    server.sql(SHOP);
    let made = on(&server, store.tool("fwb-dump").args(["-B", "shop"])).run().ok().json();
    let content = server.query(CONTENT);
    let settings = [
        ("autocommit", "0"),
        ("completion_type", "'RELEASE'"),
        ("sql_mode", "'ANSI_QUOTES'"),
        ("sql_mode", "'ORACLE'"),
        ("sql_mode", "'EMPTY_STRING_IS_NULL,NO_BACKSLASH_ESCAPES,PAD_CHAR_TO_FULL_LENGTH'"),
        ("sql_select_limit", "1"),
        ("sql_safe_updates", "1"),
        ("sql_quote_show_create", "0"),
        ("max_statement_time", "0.01"),
        ("innodb_strict_mode", "1"),
    ];
    for (setting, value) in settings {
        let usual = server.query(format!("SELECT QUOTE(@@GLOBAL.{setting})"));
        let usual =
            if usual.trim_matches('\'').parse::<f64>().is_ok() { usual.replace('\'', "") } else { usual };
        server.sql("SET autocommit=1; DELETE FROM shop.goods WHERE id = 2");
        server.sql(format!("SET GLOBAL {setting}={value}"));
        let restored =
            on(&server, store.tool("fwb-restore").args(["--yes", "--no-safety-backup", name(&made)])).run();
        // The next run must find nothing to put in order: a migration came in between.
        let migrated = "SET autocommit=1, sql_mode='', sql_safe_updates=0; CREATE OR REPLACE PROCEDURE shop.count_goods() SELECT 'migrated';";
        server.sql(migrated);
        let next =
            on(&server, store.tool("fwb-restore").args(["--drop-before", "--database", "shop", "--yes"]))
                .run();
        server.sql(format!("SET GLOBAL {setting}={usual}"));
        let what = format!("{setting}={value}");
        let report = restored.ok().json();
        assert_eq!(report.get("recovered"), None, "{what}");
        next.ok();
        assert_eq!(server.query(CONTENT), content, "{what}");
        assert_eq!(databases(&server), "shop", "{what}");
        assert_eq!(server.query("CALL shop.count_goods()"), "migrated", "{what}");
    }
}

/// What an operator wants of client programs is theirs alone.
#[test]
fn sections_for_client_programs_do_not_reach_a_swap() {
    let (server, store) = (Server::private("sections", &[]), Store::new());
    server.sql(SHOP);
    let made = on(&server, store.tool("fwb-dump").args(["-B", "shop"])).run().ok().json();
    let content = server.query(CONTENT);
    let file = store.path().join(".my.cnf");
    let client = fs::read_to_string(server.defaults_file()).unwrap();
    let restore = |section: &str, option: &str| {
        fs::write(&file, format!("{client}\n[{section}]\n{option}\n")).unwrap();
        store.tool("fwb-restore").env("FWB_DEFAULTS_FILE", &file).args([
            "--yes",
            "--no-safety-backup",
            name(&made),
        ])
    };
    let harmless = [
        "force\nxml\nhtml\ntable\nvertical",
        "raw\ncolumn-type-info\nshow-warnings\nbinary-as-hex\ndebug-info\ncolumn-names",
        "safe-updates\nselect-limit=1\nignore-spaces\ndelimiter=//\nskip-line-numbers\nskip-comments",
        "init-command=\"SET autocommit=0, sql_mode='ANSI,NO_BACKSLASH_ESCAPES'\"\nquick\nunbuffered\nlocal-infile",
        "verbose\nexecute=\"SELECT 1\"\none-database",
    ];
    for (section, option) in
        harmless.into_iter().flat_map(|option| [("mysql", option), ("mariadb-client", option)])
    {
        server.sql("DELETE FROM shop.goods WHERE id = 2");
        restore(section, option).run().ok();
        assert_eq!(server.query(CONTENT), content, "{option}");
    }
}

/// What a server once took, it takes again: tables from before its upgrade are in most old databases.
#[test]
fn tables_from_before_strict_mode_come_back() {
    let (server, store) = (Server::private("strict", &[]), Store::new());
    let columns = (0..400).map(|n| format!(", c{n} VARCHAR(10)")).collect::<Vec<_>>().concat();
    server.sql(format!(
        "CREATE DATABASE shop CHARACTER SET utf8mb4; USE shop; SET innodb_strict_mode=0;
         CREATE TABLE wide (id INT PRIMARY KEY{columns});
         CREATE TABLE packed (id INT PRIMARY KEY) ROW_FORMAT=DYNAMIC KEY_BLOCK_SIZE=8;
         INSERT INTO wide (id, c7) VALUES (1, 'seven');"
    ));
    let made = on(&server, store.tool("fwb-dump").args(["-B", "shop"])).run().ok().json();
    for strategy in ["swap", "in-place"] {
        server.sql("DELETE FROM shop.wide");
        on(&server, store.tool("fwb-restore").args(["--yes", "--strategy", strategy, name(&made)]))
            .run()
            .ok();
        assert_eq!(server.query("SELECT id, c7 FROM shop.wide"), "1\tseven", "{strategy}");
    }
}
