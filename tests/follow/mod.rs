//! The log, followed: segments and their chain, what breaks one and what does not.

mod failover;
mod faults;
mod interruptions;
mod only;
mod quiet;
mod semi_sync;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::Duration;

use serde_json::Value;

use crate::faults::signal;
use crate::support::{Server, Store, Tool, until};

/// Servers whose logs are followed in every run of the tests.
const KINDS: [&str; 3] = ["mariadb-10.11", "mariadb-11.8", "mysql-9.7"];

/// Options of a server that writes a log.
fn options(kind: &str) -> Vec<&'static str> {
    let own: &[&str] = match kind {
        "mysql-9.7" => &["--gtid-mode=ON", "--enforce-gtid-consistency=ON"],
        // It keeps its log for replicas that are away.
        _ => &["--loose-slave-connections-needed-for-purge=0"],
    };
    [&["--log-bin=b", "--server-id=7"], own].concat()
}

/// A server that writes a log.
fn server(kind: &str, name: &str) -> Server {
    let server = Server::of(kind, &format!("follow-{name}-{kind}"), &options(kind));
    server.sql("CREATE DATABASE shop; CREATE TABLE shop.t (id INT PRIMARY KEY AUTO_INCREMENT, a LONGTEXT);");
    server
}

/// Starts a server that has ended or is ending.
fn start_again(server: &Server, kind: &str) {
    start_again_with(server, &options(kind));
}

fn start_again_with(server: &Server, options: &[&str]) {
    until("the server's end", || server.has_ended().then_some(()));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/sandbox.sh");
    let file = server.defaults_file();
    let start = Tool::program(script).args(["start", "--dir"]).arg(file.parent().unwrap()).arg("--");
    start.args(options).run().ok();
}

/// A tool that works on a store and a server.
fn tool(name: &str, server: &Server, store: &Store) -> Tool {
    store.tool(name).env("FWB_DEFAULTS_FILE", server.defaults_file())
}

/// Follows the log to its present end, from its beginning on where there is no chain; returns the report.
fn once(server: &Server, store: &Store) -> Value {
    tool("fwb-follow", server, store).args(["--once", "--from", "oldest"]).run().ok().json()
}

/// Starts a follower that goes on until it is ended.
fn start(server: &Server, store: &Store, more: &[&str]) -> Child {
    tool("fwb-follow", server, store).args(["--every", "1s", "--from", "oldest"]).args(more).spawn()
}

/// The files of the log, segments alone, in their order.
pub(crate) fn segments(store: &Store) -> Vec<PathBuf> {
    let log = store.path().join("log");
    let mut files: Vec<PathBuf> = fs::read_dir(log)
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "fwblog"))
        .collect();
    files.sort();
    files
}

/// A segment's description, and where its payload begins.
fn description(file: &Path) -> (Value, usize) {
    let bytes = fs::read(file).unwrap();
    let size = u32::from_le_bytes(bytes[4..8].try_into().unwrap()) as usize;
    // A hash of it follows the description.
    (serde_json::from_slice(&bytes[8..8 + size - 32]).unwrap(), 8 + size)
}

/// How many chains a store has.
fn chains(store: &Store) -> usize {
    let mut chains: Vec<String> = segments(store)
        .iter()
        .map(|file| description(file).0["chain"].as_str().unwrap().to_owned())
        .collect();
    chains.dedup();
    chains.len()
}

/// The GTIDs that a server has written.
fn executed(server: &Server) -> String {
    let sql = if server.is_mariadb((10, 0)) { "SELECT @@gtid_binlog_pos" } else { "SELECT @@gtid_executed" };
    server.query(sql).replace("\\n", "").replace('\n', "")
}

/// The log as the store has it, plain, as other programs read it.
fn plain(file: &Path) -> Vec<u8> {
    Tool::program("zstd").arg("-dcq").arg(file).run().ok().stdout
}

#[test]
fn a_log_is_followed_and_gone_on_with_on_every_server() {
    for kind in KINDS {
        let (server, store) = (server(kind, "goes-on"), Store::new());
        server.sql("INSERT INTO shop.t (a) VALUES ('one'), ('two');");
        let first = once(&server, &store);
        assert!(first["begun_because"].is_string(), "{kind}: {first}");
        assert_eq!(first["gtid"], executed(&server), "{kind}");
        server.sql("FLUSH BINARY LOGS; INSERT INTO shop.t (a) VALUES ('three'); FLUSH BINARY LOGS;");
        let second = once(&server, &store);
        assert_eq!(second["chain"], first["chain"], "{kind}");
        assert!(second["begun_because"].is_null(), "{kind}: {second}");
        assert_eq!(second["gtid"], executed(&server), "{kind}");
        // MariaDB notes a checkpoint in a new file when it comes to that.
        until("nothing new", || {
            let third = once(&server, &store);
            assert_eq!(third["groups"], 0, "{kind}: {third}");
            (third["segments"] == 0).then_some(())
        });
        let report = tool("fwb-verify", &server, &store).arg("--log").run().ok().json();
        assert_eq!(report["ok"], true, "{kind}: {report}");
        let listed = tool("fwb-ls", &server, &store).args(["--transactions", "--statement", "create table"]);
        let table = listed.run().ok().json();
        assert!(table["statements"][0].as_str().unwrap().contains("CREATE TABLE shop.t"), "{kind}: {table}");
    }
}

#[test]
fn a_segment_is_a_log_file_for_other_programs_and_all_of_them_are_the_servers() {
    let (server, store) = (server("mariadb-10.11", "plain"), Store::new());
    // One that is longer than a segment is cut within.
    server.sql(
        "SET binlog_format=ROW; INSERT INTO shop.t (a) VALUES (REPEAT('x', 3000000)); FLUSH BINARY LOGS;",
    );
    let follow = tool("fwb-follow", &server, &store);
    follow.args(["--once", "--from", "oldest", "--segment-size", "100k"]).run().ok();
    let mut whole = Vec::new();
    for (number, file) in segments(&store).iter().enumerate() {
        let (description, _) = description(file);
        if description["file"] != "b.000001" {
            continue;
        }
        let bytes = plain(file);
        assert!(bytes.starts_with(b"\xfebin"), "{number}");
        let preamble = description["parts"][0]["preamble"].as_u64().unwrap();
        if whole.is_empty() {
            whole.extend_from_slice(&bytes[..4]);
        }
        whole.extend_from_slice(&bytes[usize::try_from(preamble).unwrap()..]);
    }
    let theirs = fs::read(server.defaults_file().with_file_name("data").join("b.000001")).unwrap();
    assert_eq!(whole.len(), theirs.len());
    // The server clears a flag in its first event when it closes the file, which is no part of that event's checksum.
    let flags = 4 + 17;
    assert_eq!(whole[..flags], theirs[..flags]);
    assert!(whole[flags + 1..] == theirs[flags + 1..], "the same bytes");
}

#[test]
fn a_store_that_is_encrypted_has_an_encrypted_log() {
    let (server, store) = (server("mariadb-10.11", "encrypted"), Store::new());
    let keys = tempfile::Builder::new().prefix("fwb-keys-").tempdir().unwrap();
    let file = keys.path().join("one");
    Tool::program("age-keygen").arg("-o").arg(&file).run().ok();
    let shown = Tool::program("age-keygen").arg("-y").arg(&file).run().ok().stdout_text();
    let recipient = shown.trim();
    let follow = || {
        let follow = tool("fwb-follow", &server, &store).args(["--once", "--from", "oldest"]);
        follow.args(["--recipient", recipient]).run().ok().json()
    };
    server.sql("INSERT INTO shop.t (a) VALUES ('a secret word');");
    follow();
    server.sql("INSERT INTO shop.t (a) VALUES ('another secret word');");
    let second = follow();
    assert_eq!(second["segments"], 1, "no key is needed to go on");
    for file in segments(&store) {
        let bytes = fs::read(&file).unwrap();
        assert!(!bytes.windows(6).any(|bytes| bytes == b"secret"), "nothing of it is in clear");
        assert!(!bytes.windows(6).any(|bytes| bytes == b"shop.t"), "no name is in clear");
    }
    tool("fwb-verify", &server, &store).arg("--log").run().fails(2, &["is encrypted"]);
    let verify = || tool("fwb-verify", &server, &store).arg("--log").arg("--identity").arg(&file);
    verify().run().ok();
    let ls = tool("fwb-ls", &server, &store).args(["--transactions", "--statement", "another"]);
    ls.arg("--identity").arg(&file).run().ok();
}

#[test]
fn a_follower_publishes_in_time_and_ends_by_a_signal() {
    let (server, store) = (server("mariadb-10.11", "live"), Store::new());
    let mut child = start(&server, &store, &[]);
    until("the beginning of a chain", || (chains(&store) == 1).then_some(()));
    server.sql("INSERT INTO shop.t (a) VALUES ('now');");
    let wanted = executed(&server);
    let has = || segments(&store).last().is_some_and(|last| description(last).0["gtid_after"] == wanted);
    until("what was written just now", || has().then_some(()));
    server.sql("INSERT INTO shop.t (a) VALUES ('last');");
    std::thread::sleep(Duration::from_millis(200));
    signal(child.id(), "TERM");
    assert_eq!(child.wait().unwrap().code(), Some(143));
    let wanted = executed(&server);
    assert_eq!(once(&server, &store)["gtid"], wanted);
    assert_eq!(chains(&store), 1);
    tool("fwb-verify", &server, &store).arg("--log").run().ok();
}
