//! Any moment of a log that several clients have written at a time. What a restore to a moment gives has to be what a replica of
//! that server shows which was stopped there: definitions, rows, counters that do not fall behind.

use serde_json::Value;

use super::{Scene, installed_options, on, steps, without_counter};
use crate::support::content::{Shown, content, differences};
use crate::support::{Server, Store, free_port, mariadb, name, unpacked, until};

/// Clients that write at the same time.
const WRITERS: u64 = 3;
/// How many statements each of them sends.
const STATEMENTS: u64 = 400;

/// Numbers that look like random ones, and are the same in each run: an xorshift of 64 bits (Marsaglia 2003).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit as u64).unwrap()
    }
}

/// What one of the writers sends. Some of it fails in the midst of the others, which is as it should be. No dump can be made while
/// tables come and go.
fn load(writer: u64, first: u64, is_mysql: bool, makes_tables: bool) -> String {
    let mut numbers = Numbers(0x5EED + writer + first);
    let mut sql = "USE shop_x; SET innodb_lock_wait_timeout=5;\n".to_owned();
    for n in first..first + STATEMENTS {
        let (id, other) = (numbers.below(1000), numbers.below(1000));
        let kind = numbers.below(if is_mysql { 15 } else { 16 });
        sql += &match if makes_tables { kind } else { kind % 10 } {
            0 => format!("INSERT INTO t (a) VALUES ('{writer} {n}'), ('ä 가 {n}')"),
            1 => format!("UPDATE t SET a=CONCAT('u', {n}) WHERE id BETWEEN {id} AND {id} + 5"),
            2 => format!("DELETE FROM t WHERE id={id} OR id={other}"),
            3 => format!(
                "SET binlog_format=STATEMENT; UPDATE t SET a=CONCAT(id, '{n}') WHERE id={id}; SET binlog_format=MIXED"
            ),
            4 => format!(
                "BEGIN; INSERT INTO t (a) VALUES ('b {n}'); SAVEPOINT s; DELETE FROM t WHERE id={id}; ROLLBACK TO s; UPDATE w{writer} SET a={n} WHERE id < 9; COMMIT"
            ),
            5 => format!("BEGIN; INSERT INTO t (a) VALUES ('never {n}'); ROLLBACK"),
            6 => format!("INSERT INTO p VALUES ({id}); INSERT INTO c (p) VALUES ({id}), ({id})"),
            7 => format!("DELETE FROM p WHERE id={id}"),
            8 => format!("UPDATE p SET id=id + 2000 WHERE id={id}"),
            9 => format!(
                "XA START '{writer}-{n}'; INSERT INTO w{writer} (a) VALUES ('xa {n}'); XA END '{writer}-{n}'; XA PREPARE '{writer}-{n}'; XA {} '{writer}-{n}'",
                if id % 3 == 0 { "ROLLBACK" } else { "COMMIT" }
            ),
            10 => {
                format!("ALTER TABLE w{writer} ADD COLUMN c{n} INT DEFAULT {n}; UPDATE w{writer} SET c{n}=id")
            }
            11 => format!(
                "CREATE TABLE x{writer}_{n} AS SELECT id, a FROM t WHERE id < {id} ORDER BY id LIMIT 5; INSERT INTO other.t VALUES ({writer}{n}, 'x')"
            ),
            12 => format!(
                "CREATE TEMPORARY TABLE tmp (a INT); INSERT INTO tmp VALUES ({n}); INSERT INTO w{writer} (a) SELECT a FROM tmp; DROP TEMPORARY TABLE tmp"
            ),
            13 => format!(
                "REPLACE INTO `odd ``name% 고객` VALUES ({id}, '{n}'); INSERT INTO w{writer} (a) SELECT a FROM t WHERE id BETWEEN {id} AND {id} + 3 ORDER BY id"
            ),
            14 => format!(
                "SET @v='{n}'; SET binlog_format=STATEMENT; SET time_zone='-03:00'; INSERT INTO w{writer} (a) VALUES (CONCAT(@v, NOW())); SET binlog_format=MIXED"
            ),
            _ => format!("SELECT NEXTVAL(numbers); INSERT INTO w{writer} (a) VALUES (NEXTVAL(numbers))"),
        };
        sql += ";\n";
    }
    sql
}

/// Which changes of the log were kept.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Followed {
    Whole,
    OfOne,
}

/// A server under load, its log followed to the end, and a backup that was made meanwhile.
struct Loaded {
    kind: &'static str,
    scene: Scene,
    port: u16,
}

impl Loaded {
    fn new(kind: &'static str, followed: Followed) -> Self {
        let is_mysql = kind.starts_with("mysql");
        let (port, log) = (free_port(), tempfile::tempdir().expect("a directory"));
        // The server, which may be another user's, writes files for LOAD DATA into it.
        let at = format!("--port={port}");
        let mut options = installed_options().to_vec();
        options.extend(["--log-bin=b", "--skip-networking=0", "--bind-address=127.0.0.1", &at]);
        options.extend(own_options(kind));
        let server = Server::of(kind, &format!("moment-load-{kind}"), &options);
        server.sql(if is_mysql { steps::MYSQL_BASE } else { steps::BASE });
        if !is_mysql {
            server.sql("CREATE SEQUENCE shop_x.numbers");
        }
        for writer in 0..WRITERS {
            server.sql(format!("CREATE TABLE shop_x.w{writer} (id INT PRIMARY KEY AUTO_INCREMENT, a TEXT)"));
        }
        server.sql("CREATE USER follower@'127.0.0.1' IDENTIFIED BY 'secret'; GRANT REPLICATION SLAVE ON *.* TO follower@'127.0.0.1';
            USE shop_x; CREATE EVENT tick ON SCHEDULE EVERY 1 SECOND DO INSERT INTO t (a) VALUES ('tick'); SET GLOBAL event_scheduler=ON");
        let write = |first, makes_tables| {
            (0..WRITERS)
                .map(|writer| {
                    let client = mariadb(&server.defaults_file(), &["--force"]);
                    let client = client.stdin(load(writer, first, is_mysql, makes_tables));
                    std::thread::spawn(move || client.run())
                })
                .collect::<Vec<_>>()
        };
        let writers = write(0, false);
        until("what the writers write", || {
            let rows: u64 = server.query("SELECT COUNT(*) FROM shop_x.t").parse().unwrap();
            (rows > 1020).then_some(())
        });
        let store = Store::new();
        let dumped = on(&server, store.tool("fwb-dump")).args(["-B", "shop_x"]).run().ok().json();
        on(&server, store.tool("fwb-verify")).arg(name(&dumped)).run().ok();
        for writer in writers {
            writer.join().unwrap();
        }
        let writers = write(STATEMENTS, true);
        for step in steps::of(is_mysql) {
            let step = step.replace("{dir}", &log.path().display().to_string());
            let done =
                mariadb(&server.defaults_file(), &["--force"]).stdin(format!("USE shop_x; {step}")).run();
            let mut errors = done.stderr.lines().filter(|line| line.starts_with("ERROR"));
            // Rows that a writer has, too, and deadlocks.
            let is_of_load =
                |error: &str| ["1062", "1205", "1213"].iter().any(|number| error[6..].starts_with(number));
            assert!(errors.all(is_of_load), "{kind}: {step}: {}", done.stderr);
        }
        for writer in writers {
            writer.join().unwrap();
        }
        server.sql("SET GLOBAL event_scheduler=OFF");
        let only: &[&str] = if followed == Followed::OfOne { &["--only", "shop_x"] } else { &[] };
        on(&server, store.tool("fwb-follow")).args(["--once", "--from", "oldest"]).args(only).run().ok();
        Self { kind, scene: Scene { server, store, log, base: dumped }, port }
    }

    /// The groups after the base, in their order.
    fn groups(&self) -> Vec<String> {
        let listed = on(&self.scene.server, self.scene.store.tool("fwb-ls")).arg("--transactions").run().ok();
        let base =
            number(self.scene.base["binlog"]["gtid"].as_str().expect("coordinates")).expect("a number");
        let lines = listed.stdout_text();
        let rows: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let gtids = rows.iter().filter_map(|row| row["gtid"].as_str());
        gtids.filter(|gtid| number(gtid) > Some(base)).map(ToOwned::to_owned).collect()
    }

    /// A replica that has nothing yet.
    fn replica(&self, groups: &[String]) -> Replica {
        let mut options = vec!["--server-id=8", "--skip-log-bin", "--skip-slave-start"];
        options.extend(own_options(self.kind));
        let server = Server::of(self.kind, &format!("moment-paused-{}", self.kind), &options);
        let is_mysql = self.kind.starts_with("mysql");
        server.sql(if is_mysql {
            format!(
                "CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1', SOURCE_PORT={}, SOURCE_USER='follower', SOURCE_PASSWORD='secret', \
                 SOURCE_AUTO_POSITION=1, GET_SOURCE_PUBLIC_KEY=1",
                self.port
            )
        } else {
            format!(
                "CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={}, MASTER_USER='follower', MASTER_PASSWORD='secret', \
                 MASTER_USE_GTID=slave_pos",
                self.port
            )
        });
        Replica { server, is_mysql, last: groups.last().and_then(|gtid| number(gtid)).expect("groups") }
    }

    fn holds(&self, moments: usize) {
        let groups = self.groups();
        assert!(groups.len() > 400, "{}: {} groups", self.kind, groups.len());
        let mut numbers = Numbers(0xF00D);
        let mut chosen: Vec<usize> = (0..moments).map(|_| numbers.below(groups.len())).collect();
        chosen.sort_unstable();
        let replica = self.replica(&groups);
        let mut wrong = Vec::new();
        for (done, gtid) in chosen.into_iter().map(|at| &groups[at]).enumerate() {
            let expected = replica.at(gtid);
            let restored = on(&self.scene.server, self.scene.store.tool("fwb-restore"))
                .env("FWB_DRILL_SERVER_DIR", unpacked(self.kind))
                .args([
                    "-B",
                    "shop_x",
                    "--yes",
                    "--no-safety-backup",
                    "--strategy",
                    "in-place",
                    "--until",
                    gtid,
                ])
                .run();
            if restored.code != Some(0) {
                wrong.push(format!("{} {done}: {gtid}: {}", self.kind, restored.stderr));
                continue;
            }
            let found = shown(&self.scene.server);
            let different: Vec<_> = differences(&uncounted(&expected), &uncounted(&found))
                .into_iter()
                .map(|(what, how)| format!("{what}: {how}"))
                .collect();
            if !different.is_empty() {
                wrong.push(format!("{} {done}: {gtid}: {}", self.kind, different.join("\n")));
            }
            wrong.extend(
                fallen(&expected, &found)
                    .map(|what| format!("{} {done}: {gtid}: the counter of {what} has fallen", self.kind)),
            );
        }
        assert!(wrong.is_empty(), "{} of {moments}:\n{}", wrong.len(), wrong.join("\n"));
    }
}

/// The number of a group among those of its server.
fn number(gtid: &str) -> Option<u64> {
    gtid.rsplit(['-', ':']).next()?.parse().ok()
}

fn own_options(kind: &str) -> &'static [&'static str] {
    if kind.starts_with("mysql") { &["--gtid-mode=ON", "--enforce-gtid-consistency=ON"] } else { &[] }
}

fn shown(server: &Server) -> Vec<Shown> {
    content(&server.defaults_file(), "shop_x")
}

/// Without what a replica does not know: where counters stand, and which events run, as it runs none.
fn uncounted(shown: &[Shown]) -> Vec<Shown> {
    let running = |text: String| {
        ["SLAVESIDE_DISABLED", "REPLICA_SIDE_DISABLED", "DISABLED"]
            .iter()
            .fold(text, |text, word| text.replace(word, "ENABLED"))
    };
    let text = |one: &Shown| running(without_counter(&one.text));
    shown.iter().map(|one| Shown { what: one.what.clone(), text: text(one) }).collect()
}

/// The number that a table gives out next.
fn counter(text: &str) -> Option<u64> {
    let digits = text.split_once(" AUTO_INCREMENT=")?.1;
    digits.split(|one: char| !one.is_ascii_digit()).next()?.parse().ok()
}

/// Tables that would give out a number anew which the replica has given out.
fn fallen<'a>(expected: &'a [Shown], found: &'a [Shown]) -> impl Iterator<Item = &'a str> {
    let of = |what: &str| found.iter().find(|one| one.what == what).and_then(|one| counter(&one.text));
    expected.iter().filter(move |one| counter(&one.text) > of(&one.what)).map(|one| one.what.as_str())
}

/// A replica that is let go on from one moment to the next.
struct Replica {
    server: Server,
    is_mysql: bool,
    /// The number of the last group that there is.
    last: u64,
}

impl Replica {
    /// What it shows after this group.
    fn at(&self, gtid: &str) -> Vec<Shown> {
        let until_there = if self.is_mysql {
            // With SQL_AFTER_GTIDS the coordinator may hand on what follows, before it sees that a worker has done the group.
            let (uuid, number) = gtid.split_once(':').unwrap();
            match number.parse::<u64>().unwrap() {
                number if number < self.last => {
                    format!("START REPLICA UNTIL SQL_BEFORE_GTIDS='{uuid}:{}'", number + 1)
                }
                _ => format!("START REPLICA UNTIL SQL_AFTER_GTIDS='{uuid}:1-{number}'"),
            }
        } else {
            format!("START SLAVE UNTIL master_gtid_pos='{gtid}'")
        };
        self.server.sql(until_there);
        let show = if self.is_mysql { "SHOW REPLICA STATUS" } else { "SHOW SLAVE STATUS" };
        until("the replica's stop", || {
            let status = mariadb(&self.server.defaults_file(), &["-E", "-e", show]).run().ok().stdout_text();
            let of = |name: &str| {
                let line =
                    status.lines().find_map(|line| line.trim_start().strip_prefix(&format!("{name}: ")));
                line.unwrap_or_default().to_owned()
            };
            assert_eq!(of("Last_SQL_Errno"), "0", "{}", of("Last_SQL_Error"));
            assert_eq!(of("Last_IO_Errno"), "0", "{}", of("Last_IO_Error"));
            let is_stopped =
                of(if self.is_mysql { "Replica_SQL_Running" } else { "Slave_SQL_Running" }) == "No";
            is_stopped.then_some(())
        });
        self.server.sql(if self.is_mysql { "STOP REPLICA" } else { "STOP SLAVE" });
        if let (true, Some((uuid, number))) = (self.is_mysql, gtid.split_once(':')) {
            let executed = self.server.query("SELECT @@gtid_executed");
            let there = [format!("{uuid}:1-{number}"), format!("{uuid}:{number}")];
            assert!(there.contains(&executed), "the replica is to be at {gtid}: {executed}");
        }
        shown(&self.server)
    }
}

fn moments() -> usize {
    if crate::torture::whole() { 100 } else { 3 }
}

/// By the whole log, and by one of the database alone: in most runs of the tests one of the two.
fn holds(kind: &'static str, usual: Followed) {
    for followed in [Followed::Whole, Followed::OfOne] {
        if followed == usual || crate::torture::whole() {
            Loaded::new(kind, followed).holds(moments());
        }
    }
}

#[test]
fn mariadb_10_11_is_as_a_replica_that_was_stopped() {
    holds("mariadb-10.11", Followed::Whole);
}

#[test]
fn mariadb_11_8_is_as_a_replica_that_was_stopped() {
    holds("mariadb-11.8", Followed::OfOne);
}

#[test]
fn mysql_9_7_is_as_a_replica_that_was_stopped() {
    holds("mysql-9.7", Followed::Whole);
}
