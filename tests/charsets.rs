//! Definitions made by clients in old character sets. The server keeps a text as the client sent it, and shows it with names and
//! a comment that are UTF-8, escaped with backslashes whatever the mode: read as it is shown, a restore or an undo makes another
//! one.

use crate::support::{Database, Store, name};
use crate::swap::can_swap;

/// All that the server keeps of views and programs, to the byte.
fn kept(database: &str) -> String {
    format!(
        "SELECT HEX(name), type, HEX(body), HEX(param_list), HEX(definer), HEX(comment), sql_mode, character_set_client,
           collation_connection, db_collation FROM mysql.proc WHERE db = '{database}' ORDER BY type, name;
         SELECT HEX(name), HEX(body), HEX(definer), HEX(comment), sql_mode, character_set_client, collation_connection,
           db_collation FROM mysql.event WHERE db = '{database}' ORDER BY name;
         SELECT HEX(trigger_name), HEX(action_statement), HEX(definer), character_set_client, collation_connection
           FROM information_schema.triggers WHERE trigger_schema = '{database}' ORDER BY trigger_name;
         SELECT HEX(table_name), HEX(REPLACE(view_definition, '`{database}`', '')), HEX(definer), character_set_client, collation_connection
           FROM information_schema.views WHERE table_schema = '{database}' AND table_name NOT LIKE 'fwb%' ORDER BY table_name;"
    )
}

/// Made by a client that speaks latin1: each `ä` and the like is one byte.
const LATIN1: &str = r"SET NAMES latin1;
    CREATE TABLE t (id INT); INSERT INTO t VALUES (1);
    CREATE PROCEDURE `pä`() COMMENT 'ä' SELECT 'ä';
    CREATE PROCEDURE `pë`(`ö` INT) SELECT 'ë', `ö`;
    CREATE PROCEDURE `introduced ä`() COMMENT 'ü' SELECT _latin1'ä', _binary'ä';
    CREATE FUNCTION `fä`() RETURNS INT DETERMINISTIC COMMENT 'no more' RETURN 1;
    CREATE EVENT `eä` ON SCHEDULE AT '2037-01-01 12:00:00' DISABLE COMMENT 'it''s ä' DO SET @a = 'ä';
    CREATE TRIGGER `trä` BEFORE INSERT ON t FOR EACH ROW SET @a = 'ä';
    CREATE TRIGGER `trë` BEFORE UPDATE ON t FOR EACH ROW SET @a = 'ë';
    CREATE VIEW `vä` AS SELECT id AS `cä`, _latin1'ä' AS i, _binary'ä' AS b FROM t;
    CREATE VIEW `vë` AS SELECT id, 'ë' AS e FROM t;
    SET sql_mode = 'NO_BACKSLASH_ESCAPES';
    CREATE PROCEDURE `raw ä`() COMMENT 'back\slash, it''s \' SELECT '\';
    CREATE PROCEDURE raw() COMMENT 'ä \n \\' SELECT 'ä\';
    CREATE EVENT `raw ë` ON SCHEDULE AT '2037-01-01 12:00:00' DISABLE COMMENT '\ä' DO SET @a = '\';
    SET sql_mode = '';";
/// A view over another one whose name is beyond ASCII comes after it, in whatever character set each is.
const UNDER: &str = "SET NAMES latin1; CREATE DEFINER=nobody@nowhere SQL SECURITY INVOKER VIEW `a over ä` AS SELECT * FROM `vä`;";

#[test]
fn a_restore_and_an_undo_make_what_the_server_keeps() {
    if !can_swap() {
        return;
    }
    let latin1 = |sql: &str| sql.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect::<Vec<u8>>();
    let (store, database) = (Store::new(), Database::new("charsets"));
    database.sql(latin1(LATIN1));
    // A character set that has quotes within characters; a definer that is not there, beyond ASCII.
    database.sql(
        b"SET NAMES sjis; CREATE PROCEDURE sjis() COMMENT '\x82\xa0' SELECT '\x82\xa0';
          SET NAMES cp1251; CREATE DEFINER=`\xfc\xbf`@`%` EVENT e ON SCHEDULE AT '2037-01-01 12:00:00' DISABLE DO SET @a = '\xfc';",
    );
    let all = || database.query(&kept(&database.name));
    let made = all();
    let backup = store.dump_verified(&database);
    assert!(backup["warnings"].as_array().is_none_or(Vec::is_empty), "{}", backup["warnings"]);
    let restored = |options: &[&str]| {
        let restore = store.tool("fwb-restore").arg("--yes").args(options);
        restore.arg(name(&backup)).run().ok().json()
    };
    // Where the text is told in UTF-8, the server keeps it so from here on; nothing else changes.
    let swapped = restored(&[]);
    let told = all();
    let differs = made.lines().zip(told.lines()).filter(|(made, told)| made != told);
    let differs: Vec<_> = differs.map(|(_, told)| told.split('\t').next().unwrap()).collect();
    assert_eq!(differs, ["736A6973"], "{made}\n{told}");
    let before = swapped["before"].as_str().unwrap();
    let keeps = database.query(&kept(before));
    assert_eq!(keeps, told, "{before}");
    store.tool("fwb-restore").args(["--undo", "--yes", "--database", &database.name]).run().ok();
    assert_eq!(all(), told);
    restored(&["--strategy", "in-place"]);
    assert_eq!(all(), told);
}

#[test]
fn a_view_over_one_that_is_named_beyond_ascii_comes_after_it() {
    let latin1 = |sql: &str| sql.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect::<Vec<u8>>();
    let (store, database) = (Store::new(), Database::new("charsets_views"));
    database.sql(latin1(LATIN1));
    database.sql(latin1(UNDER));
    let views = || {
        database.query(
            "SELECT HEX(TABLE_NAME), HEX(VIEW_DEFINITION), DEFINER FROM information_schema.VIEWS \
             WHERE TABLE_SCHEMA = DATABASE() ORDER BY 1; SELECT * FROM `a over ä`",
        )
    };
    let made = views();
    assert!(made.contains("nobody@nowhere"), "{made}");
    let backup = store.dump_verified(&database);
    for options in [&[][..], &["--strategy", "in-place"]] {
        if !options.is_empty() || can_swap() {
            store.tool("fwb-restore").arg("--yes").args(options).arg(name(&backup)).run().ok();
            assert_eq!(views(), made, "{options:?}");
        }
    }
}
