//! Commits that wait for the follower: whoever was told that one is done finds it in the store, whatever is killed and in
//! whatever order, as long as the follower's disk lives.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{chains, tool};
use crate::faults::signal;
use crate::support::{Server, Store, Tool, mariadb, until};

/// Options of a server that waits: for so long that no test sees it give up.
fn options(kind: &str) -> Vec<&'static str> {
    let own: &[&str] = match kind {
        "mysql-9.7" => &[
            "--gtid-mode=ON",
            "--enforce-gtid-consistency=ON",
            "--plugin-load-add=semisync_source.so",
            "--rpl-semi-sync-source-enabled=ON",
            "--rpl-semi-sync-source-timeout=3600000",
        ],
        _ => &["--rpl-semi-sync-master-enabled=ON", "--rpl-semi-sync-master-timeout=3600000"],
    };
    [&["--log-bin=b", "--server-id=7", "--binlog-format=ROW"], own].concat()
}

fn server(kind: &str, name: &str) -> Server {
    let server = Server::of(kind, &format!("semi-sync-{name}-{kind}"), &options(kind));
    // Nobody is there yet who could answer.
    let variable = if kind == "mysql-9.7" { "source" } else { "master" };
    server.sql(format!(
        "SET GLOBAL rpl_semi_sync_{variable}_enabled=OFF; CREATE DATABASE shop; CREATE TABLE shop.t (id INT PRIMARY KEY, a TEXT); \
         SET GLOBAL rpl_semi_sync_{variable}_enabled=ON"
    ));
    server
}

/// Starts a follower that publishes nothing by itself for an hour, and waits until the server knows it.
fn follow(server: &Server, store: &Store, spool: &Path, more: &[&str]) -> Child {
    let follow = tool("fwb-follow", server, store).args(["--semi-sync", "--every", "1h", "--from", "oldest"]);
    let child = follow.arg("--spool").arg(spool).args(more).spawn();
    let clients = "SHOW GLOBAL STATUS WHERE Variable_name IN ('Rpl_semi_sync_master_clients', 'Rpl_semi_sync_source_clients')";
    until("a server that knows the follower", || server.query(clients).ends_with("\t1").then_some(()));
    child
}

/// A client that inserts rows one after the other, and how many the server has told it are done.
fn client(server: &Server) -> (Child, Arc<AtomicU64>) {
    let rows: String = (1..=3000).fold(String::new(), |sql, row| {
        sql + &format!("INSERT INTO shop.t VALUES ({row}, 'row {row}'); SELECT {row};\n")
    });
    let client = mariadb(&server.defaults_file(), &["-N", "-B", "--unbuffered"]).stdin(rows);
    let mut client = client.spawn();
    let told = Arc::new(AtomicU64::new(0));
    let (theirs, out) = (Arc::clone(&told), client.stdout.take().unwrap());
    std::thread::spawn(move || {
        for line in BufReader::new(out).lines().map_while(Result::ok) {
            theirs.store(line.parse().unwrap(), Ordering::SeqCst);
        }
    });
    (client, told)
}

/// The rows that the store's log has.
fn rows(server: &Server, store: &Store) -> u64 {
    let listed = tool("fwb-ls", server, store).args(["--transactions", "-B", "shop"]).run().ok();
    let tables =
        listed.records().into_iter().flat_map(|line| line["tables"].as_array().cloned().unwrap_or_default());
    tables.map(|table| table["inserted"].as_u64().unwrap_or(0)).sum()
}

/// Follows to the end; the server may be away.
fn go_on(server: &Server, store: &Store, spool: &Path) -> crate::support::Output {
    tool("fwb-follow", server, store).args(["--once", "--spool"]).arg(spool).run()
}

fn end(mut child: Child) {
    let _ = child.kill();
    child.wait().unwrap();
}

/// The directory of the one spool.
fn only_spool(spool: &Path) -> PathBuf {
    fs::read_dir(spool).unwrap().next().unwrap().unwrap().path()
}

#[test]
fn what_was_acknowledged_outlives_follower_and_server() {
    for kind in ["mariadb-10.11", "mariadb-11.8", "mysql-9.7"] {
        let (server, store, dir) = (server(kind, "killed"), Store::new(), tempfile::tempdir().unwrap());
        let mut follower = follow(&server, &store, dir.path(), &[]);
        let (client, told) = client(&server);
        let reached = |count: u64| until("commits", || (told.load(Ordering::SeqCst) >= count).then_some(()));
        // Killed and gone on with, while the client waits for nobody in particular.
        for round in 1..=3 {
            reached(round * 40);
            end(follower);
            // The last one publishes nothing of its own before it is killed too.
            let small: &[&str] = if round < 3 { &["--segment-size", "8k"] } else { &[] };
            follower = follow(&server, &store, dir.path(), small);
        }
        reached(200);
        end(follower);
        // The server is lost with its machine.
        signal(server.pid(), "KILL");
        end(client);
        until("the server's end", || server.has_ended().then_some(()));
        let told = told.load(Ordering::SeqCst);
        let before = rows(&server, &store);
        assert!(before < told, "{kind}: the spool has what the store does not");
        let ended = go_on(&server, &store, dir.path());
        assert_ne!(ended.code, Some(0), "{kind}: the server is away");
        let after = rows(&server, &store);
        assert!(after >= told, "{kind}: {told} rows were acknowledged, and the store has {after}");
        assert_eq!(chains(&store), 1, "{kind}");
        tool("fwb-verify", &server, &store).arg("--log").run().ok();
        let left: Vec<_> =
            fs::read_dir(only_spool(dir.path())).unwrap().map(|file| file.unwrap().file_name()).collect();
        assert_eq!(left.len(), 2, "{kind}: an empty tail, and the lock: {left:?}");
    }
}

/// A disk may have half of what was being written when its machine stopped; nobody was told that this is safe.
#[test]
fn what_was_being_written_is_left_out_and_told() {
    let kind = "mariadb-10.11";
    let (server, store, dir) = (server(kind, "torn"), Store::new(), tempfile::tempdir().unwrap());
    let follower = follow(&server, &store, dir.path(), &[]);
    server.sql("INSERT INTO shop.t VALUES (1, 'a'); INSERT INTO shop.t VALUES (2, 'b')");
    end(follower);
    let tail = only_spool(dir.path()).join("tail");
    let size = fs::metadata(&tail).unwrap().len();
    fs::OpenOptions::new().write(true).open(&tail).unwrap().set_len(size - 10).unwrap();
    let published = go_on(&server, &store, dir.path()).ok();
    assert!(published.stderr.contains("no whole segment"), "{}", published.stderr);
    assert_eq!(rows(&server, &store), 2, "the server is there, and has sent it once more");
    assert_eq!(chains(&store), 1);
    tool("fwb-verify", &server, &store).arg("--log").run().ok();
}

/// Whoever commits does not wait for the store, which may be far away, or away.
#[test]
fn commits_go_on_while_the_store_is_away() {
    let kind = "mariadb-10.11";
    let (server, store, dir) = (server(kind, "away"), Store::new(), tempfile::tempdir().unwrap());
    let mut follower = follow(&server, &store, dir.path(), &["--segment-size", "4k"]);
    server.sql("INSERT INTO shop.t VALUES (0, REPEAT('x', 9000))");
    until("the beginning of a chain", || (chains(&store) == 1).then_some(()));
    let (here, away) = (store.path().join("log"), store.path().join("away"));
    fs::rename(&here, &away).unwrap();
    fs::write(&here, "").unwrap();
    for row in 1..40 {
        server.sql(format!("INSERT INTO shop.t VALUES ({row}, REPEAT('x', 2000))"));
    }
    assert!(follower.try_wait().unwrap().is_none());
    fs::remove_file(&here).unwrap();
    fs::rename(&away, &here).unwrap();
    signal(follower.id(), "TERM");
    until("the follower's end", || follower.try_wait().unwrap());
    go_on(&server, &store, dir.path()).ok();
    assert_eq!(rows(&server, &store), 40);
    assert_eq!(chains(&store), 1);
    tool("fwb-verify", &server, &store).arg("--log").run().ok();
}

/// Another follower, with a spool of its own or without one, has gone on with the chain: what waits in the first one's spool is in it,
/// and a chain is never given what does not follow.
#[test]
fn what_another_follower_has_shipped_is_not_shipped_twice() {
    let kind = "mariadb-10.11";
    let (server, store, dir) = (server(kind, "another"), Store::new(), tempfile::tempdir().unwrap());
    let follower = follow(&server, &store, dir.path(), &["--segment-size", "4k"]);
    server.sql("INSERT INTO shop.t VALUES (1, REPEAT('a', 5000))");
    until("the beginning of a chain", || (chains(&store) == 1).then_some(()));
    server.sql("INSERT INTO shop.t VALUES (2, 'b')");
    end(follower);
    let tail = only_spool(dir.path()).join("tail");
    let waiting = fs::read(&tail).unwrap();
    // The other one has it from the server.
    tool("fwb-follow", &server, &store).args(["--once"]).env("HOME", dir.path().join("none")).run().ok();
    assert_eq!(rows(&server, &store), 2);
    go_on(&server, &store, dir.path()).ok();
    assert_eq!((rows(&server, &store), chains(&store)), (2, 1));
    // A store that has lost its end since: the same bytes follow nothing there.
    fs::remove_dir_all(store.path().join("log")).unwrap();
    fs::write(&tail, &waiting).unwrap();
    let unfit = go_on(&server, &store, dir.path()).ok();
    assert!(unfit.stderr.contains(".unfit"), "{}", unfit.stderr);
    assert_eq!(chains(&store), 1, "a new one, from the server");
    tool("fwb-verify", &server, &store).arg("--log").run().ok();
}

/// What is not on the disk is not acknowledged; what came before goes into the store, and makes room.
#[test]
fn a_spool_that_cannot_grow_is_emptied() {
    let kind = "mariadb-10.11";
    let (server, store, dir) = (server(kind, "full"), Store::new(), tempfile::tempdir().unwrap());
    let follow =
        tool("fwb-follow", &server, &store).args(["--semi-sync", "--every", "1h", "--from", "oldest"]);
    let follow = follow.args(["--segment-size", "64k", "--spool"]).arg(dir.path());
    // No file may be longer than so many KiB: each commit takes more than one in the tail.
    let mut follower = follow.under("bash", ["-c", "ulimit -f 60; exec \"$@\"", "limited"]).spawn();
    let (client, told) = client(&server);
    until("commits", || (told.load(Ordering::SeqCst) >= 150).then_some(()));
    end(client);
    assert!(follower.try_wait().unwrap().is_none(), "it goes on");
    signal(follower.id(), "TERM");
    until("the follower's end", || follower.try_wait().unwrap());
    let mut said = String::new();
    std::io::Read::read_to_string(&mut follower.stderr.take().unwrap(), &mut said).unwrap();
    assert!(said.contains("tail: File too large"), "{said}");
    go_on(&server, &store, dir.path()).ok();
    assert!(rows(&server, &store) >= told.load(Ordering::SeqCst));
    assert_eq!(chains(&store), 1);
    tool("fwb-verify", &server, &store).arg("--log").run().ok();
}

/// A server that does not wait must not be believed to.
#[test]
fn a_server_that_does_not_wait_is_told() {
    let server = Server::of("mariadb-10.11", "semi-sync-off", &["--log-bin=b", "--server-id=7"]);
    let (store, dir) = (Store::new(), tempfile::tempdir().unwrap());
    let follow =
        tool("fwb-follow", &server, &store).args(["--semi-sync", "--every", "1s", "--spool"]).arg(dir.path());
    let child = follow.command().stderr(Stdio::piped()).spawn().unwrap();
    until("the beginning of a chain", || (chains(&store) == 1).then_some(()));
    signal(child.id(), "TERM");
    let said = String::from_utf8_lossy(&child.wait_with_output().unwrap().stderr).into_owned();
    assert!(said.contains("semi-synchronous replication is off"), "{said}");
    Tool::new("fwb-follow").args(["--semi-sync", "--once"]).run().fails(2, &["--once"]);
}
