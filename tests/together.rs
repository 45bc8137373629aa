//! Several databases in one run: all of one moment, each an artifact of its own, and none lost because another one failed.

use std::io::Write;
use std::process::Stdio;

use serde_json::Value;

use crate::faults::{WAITS, code, held_dump, sees};
use crate::support::{Server, Store, Tool, bash, gunzip, mariadb};

/// A tool that is told of a server of the test's own.
fn tool(store: &Store, server: &Server, name: &str) -> Tool {
    store.tool(name).env("FWB_DEFAULTS_FILE", server.defaults_file())
}

/// The values of a field, one for each manifest, and how many different ones there are.
fn fields<'a>(manifests: &'a [Value], field: &str) -> (Vec<&'a Value>, usize) {
    let values: Vec<&Value> = manifests.iter().map(|manifest| &manifest[field]).collect();
    let different: std::collections::BTreeSet<String> = values.iter().map(ToString::to_string).collect();
    (values, different.len())
}

fn databases(manifests: &[Value]) -> Vec<&str> {
    manifests.iter().map(|manifest| manifest["database"].as_str().unwrap()).collect()
}

/// What one database loses the other gains: the sum of both is the same at every moment, and at no two.
const ACCOUNTS: &str = "
CREATE TABLE t (id INT PRIMARY KEY, n INT NOT NULL, pad TEXT NOT NULL);
INSERT INTO t SELECT seq, 100, CONCAT(REPEAT(MD5(seq), 4), SHA2(seq, 512), REPEAT(SHA2(-seq, 512), 12)) FROM seq_1_to_10000;
ANALYZE TABLE t;
CREATE VIEW v AS SELECT id, n FROM t;
";

fn sum(store: &Store, manifest: &Value) -> i64 {
    let sql = gunzip(&std::fs::read(store.artifact(manifest)).unwrap());
    let text = String::from_utf8_lossy(&sql);
    let rows = text.lines().map(|line| line.split_once("VALUES").map_or(line, |(_, rows)| rows));
    let numbers = rows.flat_map(|rows| rows.split(['(', '\'']));
    numbers.filter_map(|part| part.strip_suffix(',')?.split_once(',')?.1.parse::<i64>().ok()).sum()
}

#[test]
fn several_databases_show_one_moment_over_one_connection_and_over_two() {
    let server = Server::private("together", &[]);
    for database in ["left_bank", "right_bank"] {
        server.sql(format!("CREATE DATABASE {database}; USE {database}; {ACCOUNTS}"));
    }
    server.sql(
        "CREATE DATABASE mover; USE mover;\nDELIMITER //
         CREATE PROCEDURE move_about() BEGIN LOOP
           START TRANSACTION;
           SET @id = 1 + FLOOR(RAND() * 10000), @n = 1 + FLOOR(RAND() * 5);
           UPDATE left_bank.t SET n = n - @n WHERE id = @id;
           UPDATE right_bank.t SET n = n + @n WHERE id = @id;
           COMMIT;
         END LOOP; END //\n",
    );
    let client = mariadb(&server.defaults_file(), &["--database=mover"]);
    let mut writer =
        client.command().stdin(Stdio::piped()).stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    writer.stdin.take().unwrap().write_all(b"CALL move_about();\n").unwrap();
    let store = Store::new();
    let mut moments = std::collections::BTreeSet::new();
    for jobs in ["1", "4", "1", "4"] {
        let dumped = tool(&store, &server, "fwb-dump").args(["-j", jobs, "-B", "*_bank"]).run().ok();
        let made = dumped.records();
        assert_eq!(databases(&made), ["left_bank", "right_bank"]);
        for field in ["together", "binlog", "started_at", "snapshot"] {
            assert_eq!(fields(&made, field).1, 1, "{field}: {made:?}");
        }
        assert_eq!(made[0]["together"]["databases"], 2);
        assert_eq!(made[0]["snapshot"]["connections"].is_number(), jobs == "4");
        assert_eq!(sum(&store, &made[0]) + sum(&store, &made[1]), 2_000_000);
        moments.insert(made[0]["binlog"].to_string());
        tool(&store, &server, "fwb-verify").stdin(&dumped.stdout).run().ok();
    }
    server.sql(format!("KILL {}", sees(&server, "mover", "command <> 'Sleep'")));
    writer.wait().unwrap();
    assert!(moments.len() > 1, "the writer was at work: {moments:?}");
}

/// A pipe in which both want the store's lock must not stand still, however much is in it.
#[test]
fn twenty_databases_are_dumped_and_proved_in_one_pipe() {
    let (server, store) = (Server::private("twenty", &[]), Store::new());
    let all: Vec<String> = (1..=20)
        .map(|number| {
            let table = |t: i32| format!("CREATE TABLE t{t} (id INT PRIMARY KEY, a INT, b INT);\n");
            let tables = (0..60).map(table).collect::<Vec<_>>().concat();
            format!("CREATE DATABASE d{number:02}; USE d{number:02};\n{tables}CREATE VIEW v AS SELECT * FROM t1;\n")
        })
        .collect();
    server.sql(all.concat());
    let script = "fwb-dump --all-databases --exclude-database 'd1?' -s \"$S\" | fwb-verify -s \"$S\" -q; \
                  fwb-ls -s \"$S\" -B 'd*' --latest --verified";
    let pipe = bash(script).env("S", store.path()).env("FWB_DEFAULTS_FILE", server.defaults_file());
    let listed = pipe.run().ok();
    let last: Vec<Value> = listed.records().into_iter().rev().take(10).collect();
    let mut names = databases(&last);
    names.sort_unstable();
    let expected: Vec<String> =
        (1..=20).filter(|number| !(10..20).contains(number)).map(|n| format!("d{n:02}")).collect();
    let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    assert_eq!(names, expected);
    for one in &last {
        assert_eq!(one["verification"]["ok"], true);
    }
}

#[test]
fn names_are_names_and_patterns_patterns() {
    let (server, store) = (Server::private("patterns", &[]), Store::new());
    for database in ["a", "shop_eu", "shop_us", "shop_test", "x", "shop_eu__before_20250101_000000"] {
        server.sql(format!("CREATE DATABASE {database}; CREATE TABLE {database}.t (id INT PRIMARY KEY)"));
    }
    let dump = |options: &[&str]| {
        let dumped = tool(&store, &server, "fwb-dump").args(options).run();
        let names: Vec<String> = databases(&dumped.records()).iter().map(ToString::to_string).collect();
        (names.join(" "), dumped)
    };
    for (options, names) in [
        (&["-B", "shop_*", "--exclude-database", "*_test"][..], "shop_eu shop_us"),
        (&["-B", "?", "-B", "shop_us"], "a shop_us x"),
        (&["--all-databases"], "a shop_eu shop_test shop_us x"),
        (&["-B", "x", "-B", "x"], "x"),
        (&["-B", "shop_eu__before_20250101_000000", "-B", "a"], "a shop_eu__before_20250101_000000"),
    ] {
        let (dumped, done) = dump(options);
        done.ok();
        assert_eq!(dumped, names, "{options:?}");
    }
    // What is not there does not keep the others from being dumped.
    for (options, names, failing, exit) in [
        (&["-B", "a", "-B", "gone"][..], "a", "gone", 1),
        (&["-B", "a", "-B", "gone_*"], "a", "gone_*", 2),
        (&["-B", "gone_*"], "", "gone_*", 2),
    ] {
        let (dumped, done) = dump(options);
        let done = done.exits(exit);
        assert_eq!(dumped, names, "{options:?}");
        assert!(done.stderr.contains(failing), "{}", done.stderr);
    }
    for options in [
        &["-B", "a", "-B", "x", "-o", "-"][..],
        &["--all-databases", "-B", "x"],
        &["-B", "shop_*", "--tables", "t"],
        &["-B", "shop_*", "--prefix", "p"],
        &["-B", "a", "--exclude-database", "?"],
        &[],
    ] {
        assert_eq!(dump(options).1.code, Some(2), "{options:?}");
    }
    let variables = tool(&store, &server, "fwb-dump").env("FWB_DATABASES", " x  shop_e?\n");
    let made = variables.env("FWB_DATABASE", "a").run().ok();
    assert_eq!(databases(&made.records()), ["shop_eu", "x"]);
    let one = tool(&store, &server, "fwb-dump").env("FWB_DATABASE", "a").run().ok().json();
    assert_eq!(one.get("together"), None, "one database is dumped as ever");

    let newest = |options: &[&str]| tool(&store, &server, "fwb-ls").args(options).arg("--latest").run();
    assert_eq!(databases(&newest(&["-B", "shop_*", "-B", "a"]).ok().records()).len(), 5);
    assert_eq!(newest(&["-B", "a", "-B", "gone"]).code, Some(1));
    assert_eq!(newest(&[]).code, Some(2), "one backup is asked for");
    let fresh = tool(&store, &server, "fwb-ls").args(["-B", "a", "-B", "gone", "--max-age", "1d"]).run();
    assert!(fresh.exits(3).stderr.contains("gone (there is none)"));
}

/// A night with one broken database is a night without one backup, and not without all.
#[test]
fn one_database_that_fails_is_named_and_the_others_are_there() {
    let (server, store) = (Server::private("one_fails", &[]), Store::new());
    for database in ["a", "b", "c"] {
        server.sql(format!(
            "CREATE DATABASE {database}; USE {database}; CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (1);"
        ));
    }
    server.sql(
        "CREATE USER little IDENTIFIED BY 'secret';
         GRANT SELECT, SHOW VIEW, TRIGGER, EVENT ON a.* TO little; GRANT SELECT ON b.* TO little;
         GRANT SELECT, SHOW VIEW, TRIGGER, EVENT ON c.* TO little; GRANT SELECT ON mysql.proc TO little",
    );
    let password = store.path().join(".password");
    std::fs::write(&password, "secret").unwrap();
    let dump = tool(&store, &server, "fwb-dump").args(["-B", "*", "-u", "little", "--password-file"]);
    let dumped = dump.arg(&password).run().exits(2);
    let made = dumped.records();
    assert_eq!(databases(&made), ["a", "c"], "{}", dumped.stderr);
    assert_eq!(fields(&made, "together").1, 1, "what fails before the moment leaves it whole");
    assert!(dumped.stderr.contains("1 of 3 databases were not dumped: b ("), "{}", dumped.stderr);

    // The connection is ended while the second one is read: the first is there, the last one of another moment.
    let slow = "INSERT INTO t SELECT seq + 1 FROM seq_1_to_50000";
    server.sql(format!("USE b; {slow}"));
    let (held, mut dump) =
        held_dump(&server, "b", "t", tool(&store, &server, "fwb-dump").args(["-B", "?", "--no-hold-ddl"]));
    server.sql(format!("KILL {}", sees(&server, "b", &format!("{WAITS} AND info LIKE 'SELECT%'"))));
    assert_eq!(code(&mut dump), Some(1));
    drop(held);
    let ended = dump.wait_with_output().unwrap();
    let said = String::from_utf8(ended.stderr).unwrap();
    let made: Vec<Value> = ended
        .stdout
        .split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice(line).ok())
        .collect();
    assert_eq!(databases(&made), ["a", "c"], "{said}");
    assert!(said.contains("1 of 3 databases were not dumped: b ("), "{said}");
    assert_eq!(made[0]["together"]["run"], made[1]["together"]["run"]);
    assert_eq!((&made[0]["together"]["moment"], &made[1]["together"]["moment"]), (&1.into(), &2.into()));
    assert!(made[1]["warnings"].to_string().contains("of another moment"), "{}", made[1]["warnings"]);
    assert_eq!(made[0]["warnings"], serde_json::json!([]));
    bash("fwb-ls -s \"$S\" | fwb-verify -q").env("S", store.path()).run().ok();
}

/// From the moment on nobody changes a table of any of the databases until that one is read; a change before it is noticed.
#[test]
fn definitions_are_held_until_the_last_database_is_read() {
    let (server, store) = (Server::private("held_together", &[]), Store::new());
    for database in ["a", "z"] {
        server.sql(format!(
            "CREATE DATABASE {database}; USE {database}; CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (1);"
        ));
    }
    // Aria is not held: the dump waits for it, while the table of the other database is.
    server.sql("CREATE TABLE a.slow (id INT PRIMARY KEY) ENGINE=Aria");
    let (held, mut dump) =
        held_dump(&server, "a", "slow", tool(&store, &server, "fwb-dump").args(["-B", "?"]));
    let alter = mariadb(&server.defaults_file(), &["--database=z"]).stdin("ALTER TABLE t ADD COLUMN b INT");
    let mut alter = alter.spawn();
    sees(&server, "z", &format!("{WAITS} AND info LIKE 'ALTER%'"));
    drop(held);
    assert_eq!(code(&mut dump), Some(0));
    assert_eq!(code(&mut alter), Some(0));
    let made = dump.wait_with_output().unwrap().stdout;
    let made: Vec<Value> =
        made.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect();
    assert_eq!((databases(&made), fields(&made, "together").1), (vec!["a", "z"], 1));
}

/// The chain of the night takes several, and its record says what became of each.
#[test]
fn a_night_of_several_databases_is_one_run() {
    let (server, store) = (Server::private("night", &[]), Store::new());
    for database in ["blog", "shop_eu", "shop_us"] {
        server.sql(format!("CREATE DATABASE {database}; CREATE TABLE {database}.t (id INT PRIMARY KEY)"));
    }
    let run = |chain: &str| {
        tool(&store, &server, "fwb-run")
            .arg(chain)
            .env("FWB_DATABASES", "shop_* blog")
            .env("FWB_SERVER_ID", "s")
    };
    let record = run("backup").run().ok().json();
    let made = record["backups_made"].as_array().unwrap();
    assert_eq!(databases(made), ["blog", "shop_eu", "shop_us"], "{record}");
    assert!(made.iter().all(|made| made["proved"] == true), "{record}");
    assert_eq!(
        (&record["database"], &record["name"], &record["server"]),
        (&Value::Null, &Value::Null, &"s".into())
    );
    assert_eq!((&record["backups"], &record["proved"], &record["kept"]), (&3.into(), &3.into(), &3.into()));
    server.sql("DROP DATABASE blog");
    let record = run("backup").args(["--deadline", "0s"]).run().exits(1).json();
    assert!(
        record["reason"].as_str().unwrap().contains("1 of 3 databases were not dumped: blog"),
        "{record}"
    );
    assert_eq!(store.names().iter().filter(|name| name.ends_with(".sql.gz")).count(), 5);
    let made = record["backups_made"].as_array().unwrap();
    assert_eq!(databases(made), ["shop_eu", "shop_us"], "{record}");
    assert!(made.iter().all(|made| made["proved"] == true), "those that were dumped are proved: {record}");
    let stages: Vec<&str> =
        record["steps"].as_array().unwrap().iter().map(|step| step["stage"].as_str().unwrap()).collect();
    assert_eq!(stages, ["dump", "verify"], "and nothing is deleted");
}
