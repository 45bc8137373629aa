//! Several connections, one moment: a dump that reads with more than one connection shows the database as it was at one
//! time, is one whole file, and is nothing at all when one of them fails.

use std::io::Write;
use std::process::Stdio;

use serde_json::Value;

use crate::faults::{WAITS, code, held_dump, sees};
use crate::support::{Database, Server, Store, Tool, bash, gunzip, mariadb};

/// Accounts in two tables, large enough for two connections. What one table loses the other gains.
const ACCOUNTS: &str = "
CREATE TABLE a (id INT PRIMARY KEY, n INT NOT NULL, pad TEXT NOT NULL);
CREATE TABLE b LIKE a;
CREATE TABLE small (id INT PRIMARY KEY AUTO_INCREMENT, t TIMESTAMP);
CREATE VIEW both_of_them AS SELECT a.id, a.n + b.n AS n FROM a JOIN b USING (id);
INSERT INTO a SELECT seq, 100, CONCAT(REPEAT(MD5(seq), 4), SHA2(seq, 512), REPEAT(SHA2(-seq, 512), 12)) FROM seq_1_to_10000;
INSERT INTO b SELECT id, n, CONCAT(SHA2(id + .5, 512), pad) FROM a;
ANALYZE TABLE a, b;
DELIMITER //
CREATE PROCEDURE move_about() BEGIN
  LOOP
    START TRANSACTION;
    SET @id = 1 + FLOOR(RAND() * 10000), @n = 1 + FLOOR(RAND() * 5);
    UPDATE a SET n = n - @n WHERE id = @id;
    UPDATE b SET n = n + @n WHERE id = @id;
    COMMIT;
  END LOOP;
END //
DELIMITER ;
";

fn accounts(name: &str) -> Database {
    let database = Database::new(name);
    database.sql(ACCOUNTS);
    database
}

/// The sums of the second column, over both tables' rows in a dump.
fn sums(sql: &[u8]) -> (i64, i64) {
    let text = String::from_utf8_lossy(sql);
    let mut sums = (0, 0);
    let mut table = "";
    for line in text.lines() {
        let begun = ["a", "b"].iter().find(|table| line.starts_with(&format!("INSERT INTO `{table}` ")));
        table = begun.copied().unwrap_or(if line.starts_with('(') { table } else { "" });
        let rows = line.split_once("VALUES").map_or(line, |(_, rows)| rows);
        // (17,103,'…': what stands before the pad
        let numbers = rows.split(['(', '\'']).filter_map(|part| part.strip_suffix(',')?.split_once(','));
        let sum: i64 = numbers.filter_map(|(_, n)| n.parse::<i64>().ok()).sum();
        match table {
            "a" => sums.0 += sum,
            "b" => sums.1 += sum,
            _ => {}
        }
    }
    sums
}

fn dump(store: &Store, database: &Database, jobs: &str) -> Value {
    store.tool("fwb-dump").args(["-j", jobs, "-B", &database.name]).run().ok().json()
}

fn sql(store: &Store, manifest: &Value) -> Vec<u8> {
    gunzip(&std::fs::read(store.artifact(manifest)).unwrap())
}

/// On a server of its own: a definition that another test changes, and that waits, holds up whoever wants no more of them.
#[test]
fn every_backup_under_load_shows_one_moment() {
    let server = Server::private("load", &[]);
    server.sql(format!("CREATE DATABASE accounts; USE accounts; {ACCOUNTS}"));
    let writers: Vec<_> = (0..3)
        .map(|_| {
            let client = mariadb(&server.defaults_file(), &["--database=accounts"]);
            let mut client = client.command();
            let mut client = client.stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
            client.stdin.take().unwrap().write_all(b"CALL move_about();\n").unwrap();
            client
        })
        .collect();
    let store = Store::new();
    let mut moments = Vec::new();
    for _ in 0..8 {
        let dump = store.tool("fwb-dump").env("FWB_DEFAULTS_FILE", server.defaults_file());
        let manifest = dump.args(["-j", "4", "-B", "accounts"]).run().ok().json();
        assert_eq!(manifest["snapshot"]["connections"], 2, "{manifest}");
        assert_eq!(manifest["snapshot"]["held_by"], "BACKUP STAGE BLOCK_COMMIT");
        moments.push(manifest["binlog"]["position"].as_u64().unwrap());
        let (a, b) = sums(&sql(&store, &manifest));
        assert_eq!(a + b, 2_000_000, "{a} and {b}");
    }
    let list = "SELECT id FROM information_schema.processlist WHERE db = 'accounts'";
    for id in server.query(list).lines() {
        server.sql(format!("KILL {id}"));
    }
    for mut writer in writers {
        writer.wait().unwrap();
    }
    moments.dedup();
    assert!(moments.len() > 4, "others went on writing: {moments:?}");
    bash("fwb-ls -s \"$S\" | fwb-verify -q").env("S", store.path()).run().ok();
}

#[test]
fn it_is_the_same_dump_as_over_one_connection() {
    let database = accounts("same");
    let store = Store::new();
    let (one, several) = (dump(&store, &database, "1"), dump(&store, &database, "4"));
    assert_eq!(one.get("snapshot"), None);
    assert_eq!(several["snapshot"]["connections"], 2);
    let sections = |manifest: &Value| {
        // The coordinates are in the header and in the trailer.
        let keys = ["kind", "name", "rows", "rows_digest", "objects"];
        let sections = manifest["sections"].as_array().unwrap().iter();
        let mut sections: Vec<_> =
            sections.map(|section| keys.map(|key| section[key].to_string()).join(" ")).collect();
        sections.sort();
        sections
    };
    assert_eq!(sections(&one), sections(&several));
    let kinds: Vec<_> = several["sections"]
        .as_array()
        .unwrap()
        .iter()
        .map(|section| section["kind"].as_str().unwrap())
        .collect();
    assert_eq!((kinds[0], kinds[kinds.len() - 1]), ("header", "trailer"), "{kinds:?}");
    bash("fwb-ls -s \"$S\" | fwb-verify -q").env("S", store.path()).run().ok();
    let other = Database::new("same_other");
    mariadb(
        &Server::shared().defaults_file(),
        &["--max-allowed-packet=1G", &format!("--database={}", other.name)],
    )
    .stdin(sql(&store, &several))
    .run()
    .ok();
    assert_eq!(other.content(), database.content());
    assert_eq!(other.query("SELECT COUNT(*) FROM both_of_them"), "10000");
}

#[test]
fn when_one_connection_fails_nothing_is_published() {
    let (database, server) = (accounts("one_fails"), Server::shared());
    for table in ["a", "b"] {
        let store = Store::new();
        let dump = store.tool("fwb-dump").args(["-j", "4", "-B", &database.name]);
        let (held, mut dump) = held_dump(server, &database.name, table, dump);
        let waits = sees(server, &database.name, &format!("{WAITS} AND info LIKE 'SELECT%'"));
        server.sql(format!("KILL {waits}"));
        assert_eq!(code(&mut dump), Some(1));
        drop(held);
        let said = String::from_utf8(dump.wait_with_output().unwrap().stderr).unwrap();
        assert!(said.contains(&format!("while dumping table {table} of")), "{said}");
        assert_eq!(store.names(), [""; 0]);
    }
}

/// Without the right to hold commits, the coordinates in the binary log tell; without them, there is one connection.
#[test]
fn what_an_account_may_not_do_it_does_without() {
    let server = Server::private("rights", &[]);
    server.sql(format!("CREATE DATABASE accounts; USE accounts; {ACCOUNTS}"));
    server.sql(
        "CREATE USER little IDENTIFIED BY 'secret', more IDENTIFIED BY 'secret';
         GRANT SELECT, SHOW VIEW, TRIGGER, EVENT ON *.* TO little, more;
         GRANT BINLOG MONITOR ON *.* TO more;",
    );
    let store = Store::new();
    let password = store.path().join(".password");
    std::fs::write(&password, "secret").unwrap();
    let dump = |user: &str| {
        let dump = Tool::new("fwb-dump").env("FWB_DEFAULTS_FILE", server.defaults_file());
        let dump = dump.args(["-j", "4", "-B", "accounts", "-u", user, "-s"]).arg(store.path());
        let dump = if user == "root" { dump } else { dump.arg("--password-file").arg(&password) };
        dump.run().ok().json()
    };
    assert_eq!(dump("little").get("snapshot"), None);
    let snapshot = dump("more")["snapshot"].clone();
    assert_eq!((&snapshot["connections"], snapshot.get("held_by")), (&2.into(), None));
    assert_eq!(snapshot["relied_on"][1], "no session with sql_log_bin=0 wrote meanwhile");
    assert_eq!(dump("root")["snapshot"]["held_by"], "BACKUP STAGE BLOCK_COMMIT");
}
