//! The corpus of hard databases: whatever is valid in the server must come back, also where the plain tools lose it.
//!
//! Each file of `tests/corpus` makes one database, named after the file, as the `mariadb` client reads it. The table
//! below says what becomes of it when the same options' `mariadb-dump | mariadb` is all that one has.

use std::borrow::Cow;
use std::ffi::OsString;
use std::fs;

use serde_json::Value;

use crate::support::{Before, Database, Output, Server, Store, Tool, digests, gunzip, mariadb, restore};

/// What `mariadb-dump … > dump; mariadb < dump` makes of a database.
#[derive(Debug, PartialEq, Eq)]
enum Plain {
    /// It comes back.
    Works,
    /// All programs succeed, and it is not what it was.
    Differs,
    /// The dump fails, with this error of the server.
    DumpFails(u32),
    /// The dump cannot be loaded, for this error of the server.
    LoadFails(u32),
}

use Plain::{Differs, DumpFails, LoadFails, Works};

/// The options of the backup strategy, as its scripts gave them to the plain program.
const PLAIN_OPTIONS: [&str; 14] = [
    "--single-transaction",
    "--routines",
    "--triggers",
    "--events",
    "--hex-blob",
    "--add-drop-database",
    "--add-drop-table",
    "--add-drop-trigger",
    "--comments",
    "--complete-insert",
    "--extended-insert",
    "--lock-tables=false",
    "--set-charset",
    "--default-character-set=utf8mb4",
];

/// How the client program loads a dump whole: large rows, and comments in programs.
const CLIENT_OPTIONS: [&str; 4] =
    ["--default-character-set=utf8mb4", "--max-allowed-packet=1G", "--binary-mode", "--comments"];

/// A test for each file: its name, what the plain programs make of it, and the warnings that its backup has.
macro_rules! corpus {
    ($($file:ident: $plain:expr, $warnings:expr;)*) => {
        $(#[test] fn $file() {
            let made = include_bytes!(concat!("corpus/", stringify!($file), ".sql"));
            comes_back(concat!("corpus_", stringify!($file)), made, &$plain, &$warnings);
        })*

        /// A file that no test reads would prove nothing.
        #[test]
        fn every_file_is_in_the_table() {
            let mut listed = [$(concat!(stringify!($file), ".sql")),*];
            listed.sort_unstable();
            let files = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus")).unwrap();
            let mut found: Vec<String> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
            found.sort();
            assert_eq!(found, listed);
        }
    };
}

corpus! {
    broken_views: DumpFails(1356), ["no_such_column", "no_such_function", "no_such_table", "over`it"];
    charsets: Works, [];
    collations: Works, [];
    columns: LoadFails(4025), [];
    emoji_in_definitions: Works, ["moods.d"];
    empty: Works, [];
    engines: LoadFails(1022), [];
    events: Works, [];
    floats: Works, [];
    foreign_keys: Works, [];
    geometry: Works, [];
    history: Differs, [];
    indexes: Works, [];
    large_rows: DumpFails(2013), [];
    looks_like_a_dump: Works, [];
    names: Works, [];
    oracle: Works, [];
    partitions: Works, [];
    periods: Differs, [];
    qualified_names: Works, [];
    sequences: LoadFails(1100), [];
    sql_modes: Works, [];
    transactions: Differs, ["by numbers of transactions, which no server takes: transactions"];
    triggers: Works, [];
    two_semicolons: Works, [];
    types: Differs, [];
    views: LoadFails(1368), [];
}

/// Files with the history of tables, which servers before MariaDB 10.11 take from no dump: a backup says so.
const HISTORIES: [&str; 3] = ["corpus_history", "corpus_periods", "corpus_transactions"];

/// Files that end a server of MariaDB 10.5 (10.5.23: `INSERT` with a default from a sequence of another table), without any
/// tool of ours.
const DEADLY: [&str; 1] = ["corpus_sequences"];

/// The name of a foreign key, which servers before MariaDB 10.11.19 print as it is, and then do not read.
const UNQUOTED: (&str, &str) = ("corpus_foreign_keys", "odd``name; -- x");

/// The file as this server can give it back. What it cannot is an error of the dump.
fn within<'a>(name: &str, made: &'a [u8]) -> Cow<'a, [u8]> {
    if name != UNQUOTED.0 {
        return made.into();
    }
    let database = Database::named(name);
    database.sql(made);
    let shown = database.query("SHOW CREATE TABLE a_child");
    if shown.contains(&format!("CONSTRAINT `{}", UNQUOTED.1)) {
        return made.into();
    }
    let dump = Store::new().tool("fwb-dump").args(["-B", name]).run();
    dump.fails(2, &["table a_child", "the server does not take the definition that it shows"]);
    String::from_utf8_lossy(made).replace(UNQUOTED.1, "odd name").into_bytes().into()
}

/// What can be had of a file on an older server; whether that was all.
fn is_beyond(name: &str, made: &[u8]) -> bool {
    if HISTORIES.contains(&name) && !Server::shared().is_mariadb((10, 11)) {
        let (database, store) = (Database::named(name), Store::new());
        database.sql(made);
        let dump = store.dump_verified(&database);
        let warnings = dump["warnings"].to_string();
        assert!(warnings.contains("servers before MariaDB 10.11 take none"), "{warnings}");
        database.drop_now();
        restore(&store, &dump).run().ok();
        return true;
    }
    if DEADLY.contains(&name) && !Server::shared().is_mariadb((10, 6)) {
        let server = Server::private(name, &[]);
        server.sql(format!("CREATE DATABASE {name} CHARACTER SET utf8mb4"));
        let died = mariadb(
            &server.defaults_file(),
            &["--default-character-set=utf8mb4", "--binary-mode", "--database", name],
        )
        .stdin(made)
        .run();
        assert!(
            died.stderr.contains("Lost connection to server"),
            "it does not end the server: {}",
            died.stderr
        );
        return true;
    }
    false
}

/// Makes a database, backs it up, loses it, restores it, and holds it against what it was. Then the same by the plain
/// programs.
fn comes_back(name: &str, made: &[u8], plain: &Plain, warnings: &[&str]) {
    if is_beyond(name, made) {
        return;
    }
    let made = &*within(name, made);
    let (database, store) = (Database::named(name), Store::new());
    database.sql(made);
    let plain_dump = Tool::program("mariadb-dump").arg(defaults()).args(PLAIN_OPTIONS).arg(name).run();
    let dump = store.dump_verified(&database);
    let said: Vec<&str> =
        dump["warnings"].as_array().unwrap().iter().map(|said| said.as_str().unwrap()).collect();
    let as_expected =
        said.len() == warnings.len() && said.iter().zip(warnings).all(|(said, word)| said.contains(word));
    assert!(as_expected, "warnings: {said:#?}");
    // No dump can bring back a broken view: what remains must be as it was.
    for view in dump["broken_views"].as_array().into_iter().flatten() {
        database.sql(format!("DROP VIEW `{}`", view["name"].as_str().unwrap().replace('`', "``")));
    }
    let before = Before::new(&database);
    assert_eq!(digests(&dump), digests(&before.dump));
    database.drop_now();
    restore(&store, &dump).run().ok();
    before.holds("after the restore");
    // And without us: the client program alone loads what we write.
    made_anew(&database, &dump);
    Tool::program("mariadb")
        .arg(defaults())
        .args(CLIENT_OPTIONS)
        .arg(name)
        .stdin(gunzip(&fs::read(store.artifact(&dump)).unwrap()))
        .run()
        .ok();
    before.holds("after gunzip | mariadb");
    assert_eq!(&plain_outcome(&database, plain_dump, &before), plain, "what the plain programs make of it");
}

/// What is done for every table, and slowly or all at once, shows where there are many. On a server of their own, which
/// does not wait for the disk after each.
#[test]
fn five_thousand_tables() {
    let options =
        ["--sync-frm=0", "--skip-log-bin", "--innodb-flush-method=nosync", "--innodb-file-per-table=0"];
    let (server, store) = (Server::private("many-tables", &options), Store::new());
    let tool = |name: &str| store.tool(name).env("FWB_DEFAULTS_FILE", server.defaults_file());
    let make = "CREATE DATABASE many CHARACTER SET utf8mb4; USE many;
        DELIMITER //
        BEGIN NOT ATOMIC FOR n IN 1..5000 DO
            EXECUTE IMMEDIATE CONCAT('CREATE TABLE `table ', n, '` (id INT PRIMARY KEY, v INT)');
            EXECUTE IMMEDIATE CONCAT('INSERT INTO `table ', n, '` VALUES (', n, ', -', n, ')');
        END FOR; END//\n";
    server.sql(make);
    let dump = tool("fwb-dump").args(["-B", "many"]).run().ok().json();
    tool("fwb-verify").stdin(dump.to_string()).run().ok();
    server.sql("DROP DATABASE many");
    let report = tool("fwb-restore").arg("--yes").stdin(dump.to_string()).run().ok().json();
    assert_eq!((report["tables"].as_u64(), report["rows"].as_u64()), (Some(5000), Some(5000)));
    // The restore has counted each table's rows; a second dump would say no more, and takes long.
    let one = "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = 'many'; SELECT id + v FROM many.`table 4321`";
    assert_eq!(server.query(one), "5000\n0");
}

/// An `ENUM` with an emoji comes back as nothing, whatever the program: whoever has one must hear of it.
#[test]
fn values_that_no_dump_holds_are_warned_of() {
    let (database, store) = (Database::new("emoji"), Store::new());
    database.sql("CREATE TABLE t (id INT PRIMARY KEY, e ENUM('😀','x'), s SET('😢','?'), unused ENUM('😀','?'), d VARCHAR(9) DEFAULT 'eh?');
        INSERT INTO t VALUES (1, 'x', '?', '?', '?'), (2, '😀', '?,😢', NULL, '😀')");
    let dump = store.dump(&database);
    let said = dump["warnings"][0].as_str().unwrap();
    assert!(said.contains(": t.e, t.s;"), "{said}");
}

/// An old application's connection is seldom UTF-8, and the server prints what it made as it came: names too.
#[test]
fn what_clients_of_other_character_sets_have_named_comes_back() {
    let (database, store) = (Database::new("latin1_client"), Store::new());
    let made = "SET NAMES latin1;\nCREATE TABLE t (id INT);\nCREATE PROCEDURE `p\u{e4}`() SELECT 'b\u{e4}';
        CREATE TRIGGER `tr\u{e4}` BEFORE INSERT ON t FOR EACH ROW SET @a = '\u{e4}';
        CREATE VIEW `v\u{e4}` AS SELECT id AS `c\u{e4}` FROM t;";
    database.sql(made.chars().map(|c| u8::try_from(c).unwrap()).collect::<Vec<u8>>());
    let (before, dump) = (Before::new(&database), store.dump_verified(&database));
    assert_eq!(database.query("SHOW TABLES LIKE 'v%'"), "v\u{e4}");
    database.drop_now();
    restore(&store, &dump).run().ok();
    before.holds("after the restore");
}

/// What can be had of tables whose history goes by transactions: the rows that they hold now.
#[test]
fn transactions_have_no_history_and_keep_their_rows() {
    let (database, store) = (Database::new("transactions"), Store::new());
    database.sql("CREATE TABLE t (id INT PRIMARY KEY, v INT, s BIGINT UNSIGNED GENERATED ALWAYS AS ROW START,
          e BIGINT UNSIGNED GENERATED ALWAYS AS ROW END, PERIOD FOR SYSTEM_TIME (s, e)) WITH SYSTEM VERSIONING;
        INSERT INTO t (id, v) VALUES (1, 1), (2, 2); UPDATE t SET v = 3 WHERE id = 1");
    let dump = store.dump_verified(&database);
    database.drop_now();
    restore(&store, &dump).run().ok();
    assert_eq!(database.query("SELECT id, v FROM t"), "1\t3\n2\t2");
    store.tool("fwb-dump").args(["--strict", "-B", &database.name]).run().fails(1, &["history"]);
}

fn plain_outcome(database: &Database, dump: Output, before: &Before) -> Plain {
    if dump.code != Some(0) {
        return DumpFails(error_number(&dump.stderr));
    }
    made_anew(database, &before.dump);
    let loaded = Tool::program("mariadb").arg(defaults()).arg(&database.name).stdin(dump.stdout).run();
    if loaded.code != Some(0) {
        return LoadFails(error_number(&loaded.stderr));
    }
    if before.is_again() { Works } else { Differs }
}

/// Makes a database anew, empty, as a manifest says that it was.
fn made_anew(database: &Database, manifest: &Value) {
    let word = |field: &str| manifest[field].as_str().unwrap();
    database.drop_now();
    let made = format!(
        "CREATE DATABASE {} CHARACTER SET {} COLLATE {}",
        database.quoted(),
        word("charset"),
        word("collation")
    );
    Server::shared().sql(made);
}

/// The number in `ERROR 1100 (HY000) at line 5: …`, `Couldn't execute '…': … (1356)` or `Got error: 1449: …`.
fn error_number(stderr: &str) -> u32 {
    let number = |text: &str| text.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok();
    let after = |mark: &str| stderr.split(mark).skip(1).find_map(number);
    let found = ["ERROR ", "Error ", "error: ", " ("].into_iter().find_map(after);
    found.unwrap_or_else(|| panic!("an error: {stderr}"))
}

fn defaults() -> OsString {
    let mut option = OsString::from("--defaults-file=");
    option.push(Server::shared().defaults_file());
    option
}
