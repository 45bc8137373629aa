//! A server is lost, and its replica takes its place under the same name. Its log has the same transactions in other bytes, so no proof
//! leads from one to the other: a new chain begins and says why, and what was reached before still is.

use serde_json::Value;

use super::{chains, options};
use crate::faults::signal;
use crate::support::{Server, Store, Tool, free_port, name, unpacked, until};

/// What both are called.
const NAME: &str = "shop-db";

fn tool(name: &str, server: &Server, store: &Store) -> Tool {
    super::tool(name, server, store).env("FWB_SERVER_ID", NAME)
}

fn back_up(server: &Server, store: &Store) -> String {
    let dumped = tool("fwb-dump", server, store).args(["-B", "shop"]).run().ok().json();
    tool("fwb-verify", server, store).arg(name(&dumped)).run().ok();
    name(&dumped).to_owned()
}

/// The old server, and the new one, which has all of it.
fn pair(kind: &str) -> (Server, Server) {
    let port = free_port();
    let at = format!("--port={port}");
    let net: [&str; 3] = ["--skip-networking=0", "--bind-address=127.0.0.1", &at];
    let old = Server::of(kind, &format!("failover-old-{kind}"), &[&options(kind)[..], &net].concat());
    old.sql(
        "CREATE USER copier@'127.0.0.1' IDENTIFIED BY 'secret'; GRANT REPLICATION SLAVE ON *.* TO copier@'127.0.0.1';
         CREATE DATABASE shop; CREATE TABLE shop.t (id INT PRIMARY KEY AUTO_INCREMENT, a LONGTEXT)",
    );
    let more = ["--server-id=8", "--log-slave-updates", "--skip-slave-start"];
    let new = Server::of(kind, &format!("failover-new-{kind}"), &[&options(kind)[..], &more].concat());
    new.sql(if kind.starts_with("mysql") {
        format!(
            "CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1', SOURCE_PORT={port}, SOURCE_USER='copier', SOURCE_PASSWORD='secret', \
             SOURCE_AUTO_POSITION=1, GET_SOURCE_PUBLIC_KEY=1; START REPLICA"
        )
    } else {
        format!(
            "CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={port}, MASTER_USER='copier', MASTER_PASSWORD='secret', \
             MASTER_USE_GTID=slave_pos; START SLAVE"
        )
    });
    (old, new)
}

#[test]
fn a_failover_begins_a_new_chain_and_the_old_one_stays_of_use() {
    for kind in ["mariadb-10.11", "mysql-9.7"] {
        let (old, new) = pair(kind);
        let store = Store::new();
        let first = back_up(&old, &store);
        old.sql("INSERT INTO shop.t (a) VALUES ('before')");
        let followed = tool("fwb-follow", &old, &store).arg("--once").run().ok().json();
        let listed = tool("fwb-ls", &old, &store).arg("--transactions").run().ok().stdout_text();
        let shipped: Value = serde_json::from_str(listed.lines().last().unwrap()).unwrap();
        old.sql("INSERT INTO shop.t (a) VALUES ('last')");
        until("the replica", || (new.query("SELECT COUNT(*) FROM shop.t") == "2").then_some(()));
        let pid = std::fs::read_to_string(old.defaults_file().parent().unwrap().join("server.pid")).unwrap();
        signal(pid.trim().parse().unwrap(), "KILL");
        new.sql(if kind.starts_with("mysql") {
            "STOP REPLICA; RESET REPLICA ALL"
        } else {
            "STOP SLAVE; RESET SLAVE ALL"
        });
        new.sql("INSERT INTO shop.t (a) VALUES ('after')");
        let gone_on = tool("fwb-follow", &new, &store).arg("--once").run().ok();
        assert!(
            gone_on.stderr.contains("FWB-2401") || gone_on.stderr.contains("a new chain begins"),
            "{kind}: {}",
            gone_on.stderr
        );
        let report = gone_on.json();
        assert_ne!(report["chain"], followed["chain"], "{kind}");
        let why = report["begun_because"].as_str().unwrap_or_default();
        assert!(
            !why.is_empty() && (kind != "mysql-9.7" || why.contains("calls itself otherwise")),
            "{report}"
        );
        let second = back_up(&new, &store);
        new.sql("INSERT INTO shop.t (a) VALUES ('and on')");
        tool("fwb-follow", &new, &store).arg("--once").run().ok();
        let timeline = tool("fwb-ls", &new, &store).args(["--timeline", "-B", "shop"]).run().ok().json();
        let bases: Vec<&Value> = timeline["spans"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|span| span["bases"].as_array().unwrap())
            .collect();
        assert_eq!(bases, [&Value::from(first), &Value::from(second)], "{kind}: {timeline}");
        let restored = tool("fwb-restore", &new, &store)
            .env("FWB_DRILL_SERVER_DIR", unpacked(kind))
            .args(["-B", "shop", "--yes", "--strategy", "in-place", "--until"])
            .arg(shipped["gtid"].as_str().unwrap())
            .run();
        assert_eq!(restored.code, Some(0), "{kind}: {}", restored.stderr);
        assert_eq!(
            new.query("SELECT GROUP_CONCAT(a ORDER BY id) FROM shop.t"),
            "before",
            "{kind}: {}",
            restored.stdout_text()
        );
        assert_eq!(chains(&store), 2, "{kind}");
        drop(old);
    }
}
