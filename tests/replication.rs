//! Replication: a restore on a source reaches its replicas whole, or is refused; and none is made on a replica by mistake.
//! Whoever loses a replica finds out when the source is gone.

use crate::support::{Server, Store, Tool, free_port, mariadb, name, until};

const SHOP: &str = "CREATE DATABASE shop CHARACTER SET utf8mb4; USE shop;
CREATE TABLE customers (id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(40));
CREATE TABLE orders (id INT PRIMARY KEY AUTO_INCREMENT, customer INT NOT NULL, at TIMESTAMP NOT NULL, what VARCHAR(40) DEFAULT 'nothing',
  KEY (what), FOREIGN KEY (customer) REFERENCES customers (id));
CREATE TABLE log (at DATETIME(6), what TEXT);
CREATE SEQUENCE numbers START WITH 7;
INSERT INTO customers SELECT seq, CONCAT('Kunde ', seq, ' 고객') FROM seq_1_to_500;
INSERT INTO orders (customer, at, what) SELECT 1 + seq % 500, '2025-07-25 17:02:06', MD5(seq) FROM seq_1_to_3000;
CREATE TRIGGER ordered AFTER INSERT ON orders FOR EACH ROW INSERT INTO log VALUES (SYSDATE(6), NEW.what);
CREATE VIEW totals AS SELECT name, COUNT(*) AS orders FROM customers JOIN orders ON orders.customer = customers.id GROUP BY name;
CREATE FUNCTION taxed(n INT) RETURNS INT DETERMINISTIC RETURN n * 119 / 100;
CREATE PROCEDURE list() SELECT * FROM totals;
CREATE EVENT tidy ON SCHEDULE EVERY 1 DAY STARTS '2037-01-01' DO DELETE FROM log WHERE at < NOW() - INTERVAL 1 YEAR;";

/// A source and its replica, both real, in strict mode: a hole in the order of what is logged stops the replica.
struct Pair {
    source: Server,
    replica: Server,
    port: u16,
}

fn on(server: &Server, tool: Tool) -> Tool {
    tool.env("FWB_DEFAULTS_FILE", server.defaults_file())
}

fn column(row: &str, name: &str) -> String {
    let line = row.lines().find_map(|line| line.trim_start().strip_prefix(&format!("{name}: ")));
    line.unwrap_or_default().to_owned()
}

impl Pair {
    fn new(name: &str, options: &[&str]) -> Self {
        // A port that was free a moment ago.
        let port = free_port();
        let (strict, at) = ("--gtid-strict-mode=1", format!("--port={port}"));
        let networked = ["--skip-networking=0", "--bind-address=127.0.0.1", &at, strict];
        let source = Server::private(&format!("{name}_source"), &[&networked, options].concat());
        let replica = Server::private(
            &format!("{name}_replica"),
            &["--server-id=2", strict, "--log-slave-updates", "--binlog-format=MIXED"],
        );
        source.sql("CREATE USER follower@'127.0.0.1' IDENTIFIED BY 'secret'; GRANT REPLICATION SLAVE ON *.* TO follower@'127.0.0.1'");
        replica.sql(format!(
            "CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={port}, MASTER_USER='follower', \
             MASTER_PASSWORD='secret', MASTER_USE_GTID=slave_pos; START SLAVE;"
        ));
        Self { source, replica, port }
    }

    /// Waits until the replica has everything; it must not have stopped.
    #[track_caller]
    fn catch_up(&self, what: &str) {
        let position = self.source.query("SELECT @@GLOBAL.gtid_binlog_pos");
        until("the replica", || {
            let out = mariadb(&self.replica.defaults_file(), &["-E", "-e", "SHOW SLAVE STATUS"]).run();
            let status = out.ok().stdout_text();
            assert_eq!(
                column(&status, "Slave_SQL_Running"),
                "Yes",
                "{what}: {}",
                column(&status, "Last_SQL_Error")
            );
            let waited = self.replica.query(format!("SELECT MASTER_GTID_WAIT('{position}', 1)"));
            Some(()).filter(|()| waited == "0")
        });
    }

    /// Asserts that both hold the same, to the last definition and row, and returns it.
    #[track_caller]
    fn same(&self, what: &str) -> String {
        self.catch_up(what);
        let [source, replica] = [&self.source, &self.replica].map(content);
        // A replica runs no events.
        let replica = replica.replace(" DISABLE ON SLAVE DO ", " ENABLE DO ");
        let first = source.lines().zip(replica.lines()).find(|(source, replica)| source != replica);
        assert!(source == replica, "{what}: the source and its replica differ: {first:?}");
        let databases = "SELECT schema_name FROM information_schema.schemata ORDER BY 1";
        assert_eq!(self.source.query(databases), self.replica.query(databases), "{what}");
        source
    }
}

fn content(server: &Server) -> String {
    let defaults = format!("--defaults-file={}", server.defaults_file().display());
    let options =
        ["--routines", "--events", "--skip-comments", "--skip-dump-date", "--order-by-primary", "shop"];
    uncounted(&Tool::program("mariadb-dump").arg(defaults).args(options).run().ok().stdout_text())
}

/// Without the counters of `AUTO_INCREMENT`, of which `INSERT … SELECT` reserves more than it uses.
fn uncounted(sql: &str) -> String {
    let mut parts = sql.split(" AUTO_INCREMENT=");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.trim_start_matches(|c: char| c.is_ascii_digit()))
}

/// A swap, and its undoing, reach the replica in every format of the log, and nothing stops there.
#[test]
fn a_swap_on_a_source_reaches_its_replica_whole() {
    let (pair, store) = (Pair::new("swap", &[]), Store::new());
    pair.source.sql(SHOP);
    for format in ["ROW", "MIXED", "STATEMENT"] {
        set_format(&pair.source, format);
        let restored = pair.same("at first");
        let made = on(&pair.source, store.tool("fwb-dump").args(["-B", "shop"])).run().ok().json();
        pair.source.sql(
            "USE shop; DELETE FROM orders WHERE id > 100; DROP VIEW totals; DROP TRIGGER ordered; ALTER TABLE customers ADD extra INT; \
             CREATE OR REPLACE FUNCTION taxed(n INT) RETURNS INT DETERMINISTIC RETURN n; CREATE TABLE IF NOT EXISTS later (id INT PRIMARY KEY);",
        );
        let changed = pair.same("a change");
        let restore = || on(&pair.source, store.tool("fwb-restore").arg("--yes"));
        restore().args(["--no-safety-backup", name(&made)]).run().ok();
        assert_eq!(pair.same(&format!("a swap, {format}")), restored);
        restore().args(["--undo", "--database", "shop"]).run().ok();
        assert_eq!(pair.same(&format!("its undoing, {format}")), changed);
        restore().args(["--undo", "--database", "shop"]).run().ok();
        assert_eq!(pair.same(&format!("the undoing's undoing, {format}")), restored);
        on(&pair.source, store.tool("fwb-restore").args(["--yes", "--drop-before", "--database", "shop"]))
            .run()
            .ok();
        pair.same(&format!("what was kept is removed, {format}"));
    }
}

/// A log of statements takes no value of a sequence.
fn set_format(source: &Server, format: &str) {
    source.sql(format!("SET GLOBAL binlog_format={format}"));
    if format == "STATEMENT" {
        source.sql("USE shop; DROP SEQUENCE IF EXISTS numbers");
    }
}

/// What a filter keeps out of the log must not be renamed in it.
#[test]
fn a_filtered_log_refuses_a_swap_and_takes_a_restore_in_place() {
    let (pair, store) = (Pair::new("filter", &["--binlog-do-db=shop"]), Store::new());
    pair.source.sql("CREATE DATABASE shop CHARACTER SET utf8mb4");
    pair.source.sql(SHOP.split_once(';').unwrap().1);
    for format in ["ROW", "MIXED", "STATEMENT"] {
        set_format(&pair.source, format);
        let restored = pair.same("at first");
        let made = on(&pair.source, store.tool("fwb-dump").args(["-B", "shop"])).run().ok().json();
        pair.source.sql("USE shop; DELETE FROM orders WHERE id > 100; DROP VIEW totals;");
        let changed = pair.same("a change");
        let restore = || on(&pair.source, store.tool("fwb-restore").args(["--yes", name(&made)]));
        let words =
            ["binlog_do_db keeps the shadow database out of the binary log", "hint: use --strategy in-place"];
        restore().run().fails(2, &words);
        assert_eq!(pair.same("a refusal"), changed);
        // At this level of isolation a log of statements takes no row.
        pair.source.sql("SET GLOBAL tx_isolation='READ-COMMITTED'");
        restore().args(["--strategy", "in-place"]).run().ok();
        pair.source.sql("SET GLOBAL tx_isolation='REPEATABLE-READ'");
        assert_eq!(pair.same(&format!("in place, {format}")), restored);
    }
}

/// In place, the restore failed at the first sequence, and so did its rollback.
#[test]
fn a_log_of_statements_refuses_sequences_beforehand() {
    let (server, store) = (Server::private("statements", &[]), Store::new());
    server.sql(SHOP);
    let made = on(&server, store.tool("fwb-dump").args(["-B", "shop"])).run().ok().json();
    server.sql("SET GLOBAL binlog_format=STATEMENT");
    let before = content(&server);
    for strategy in ["swap", "in-place"] {
        let restore =
            on(&server, store.tool("fwb-restore").args(["--yes", "--strategy", strategy, name(&made)]));
        restore.run().fails(2, &["binlog_format is STATEMENT", "hint: SET GLOBAL binlog_format=MIXED;"]);
        assert_eq!(content(&server), before, "{strategy}");
    }
}

/// What is restored on a replica is overwritten by its source, or stops it.
#[test]
fn a_replica_is_no_target() {
    let (pair, store) = (Pair::new("target", &[]), Store::new());
    pair.source.sql(SHOP);
    let restored = pair.same("at first");
    let made = on(&pair.source, store.tool("fwb-dump").args(["-B", "shop"])).run().ok().json();
    let restore = || on(&pair.replica, store.tool("fwb-restore").args(["--yes", name(&made)]));
    let source = format!("127.0.0.1:{}", pair.port);
    let hint = format!("hint: restore on the source {source}");
    let both = [vec![], vec!["--strategy", "in-place"]];
    for arguments in &both {
        restore().args(arguments).run().fails(2, &[&source, "gtid_strict_mode", &hint]);
    }
    pair.replica.sql("STOP SLAVE; SET GLOBAL gtid_strict_mode=0; START SLAVE");
    for arguments in &both {
        restore().args(arguments).run().fails(2, &[&source, "which changes shop here", &hint]);
    }
    assert_eq!(pair.same("refusals"), restored);
    // A database that the source does not have does it no harm.
    let out = restore().args(["--database", "scratch"]).run().ok();
    assert!(out.stderr.contains("on this server alone"), "{}", out.stderr);
    // Whoever makes a source of it stops it first.
    pair.replica.sql("STOP SLAVE; DELETE FROM shop.log");
    let out = restore().run().ok();
    assert!(out.stderr.contains("whose replication is stopped"), "{}", out.stderr);
}

/// An account without rights is told at once, and not by an error in the middle; what it may not ask is told too.
#[test]
fn what_an_account_may_not_do_is_told_beforehand() {
    let (server, store) = (Server::private("read_only", &[]), Store::new());
    server.sql(SHOP);
    server.sql(
        "CREATE USER little IDENTIFIED BY 'secret'; GRANT ALL ON shop.* TO little; GRANT ALL ON `shop\\_\\_%`.* TO little;
         GRANT SET USER ON *.* TO little; GRANT SELECT ON mysql.proc TO little; SET GLOBAL log_bin_trust_function_creators=1;",
    );
    let made = on(&server, store.tool("fwb-dump").args(["-B", "shop"])).run().ok().json();
    let password = store.path().join(".password");
    std::fs::write(&password, "secret").unwrap();
    let restore = || {
        let restore =
            on(&server, store.tool("fwb-restore").args(["--yes", "--no-safety-backup", "-u", "little"]));
        restore.arg("--password-file").arg(&password).arg(name(&made))
    };
    server.sql("SET GLOBAL read_only=1");
    restore().run().fails(2, &["the server is read-only", "hint: restore on its source"]);
    server.sql("SET GLOBAL read_only=0");
    let out = restore().run().ok();
    for word in [
        "may not see what the binary log leaves out, nor whose replica",
        "GRANT BINLOG MONITOR, REPLICA MONITOR",
    ] {
        assert!(out.stderr.contains(word), "{word}: {}", out.stderr);
    }
    server.sql(
        "GRANT BINLOG MONITOR, REPLICA MONITOR, READ_ONLY ADMIN ON *.* TO little; SET GLOBAL read_only=1",
    );
    assert_eq!(restore().run().ok().stderr, "");
}
