//! Followers, servers and stores that are killed, cut off or away.

use std::io::Read as _;
use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::{
    chains, description, executed, once, segments, server, start, start_again, start_again_with, tool,
};
use crate::faults::{signal, stop};
use crate::support::{Server, Store, until};

/// Writes until it is told to end; returns how many rows.
fn writes<'a>(server: &'a Server, scope: &'a std::thread::Scope<'a, '_>, ends: &'a AtomicBool) {
    scope.spawn(move || {
        let mut number = 0;
        while !ends.load(Ordering::SeqCst) {
            number += 1;
            let sql = format!("INSERT INTO shop.t (a) VALUES (REPEAT('{number}', 2000));");
            // The server may be away.
            let _ = crate::support::mariadb(&server.defaults_file(), &[]).stdin(sql).run();
            if number % 40 == 0 {
                let _ =
                    crate::support::mariadb(&server.defaults_file(), &[]).stdin("FLUSH BINARY LOGS;").run();
            }
        }
    });
}

#[test]
fn a_follower_that_is_killed_loses_nothing_and_doubles_nothing() {
    for kind in ["mariadb-10.11", "mysql-9.7"] {
        let (server, store) = (server(kind, "killed"), Store::new());
        let ends = AtomicBool::new(false);
        std::thread::scope(|scope| {
            writes(&server, scope, &ends);
            for round in 0..8 {
                let mut child = start(&server, &store, &["--segment-size", "4k"]);
                let before = segments(&store).len();
                until("segments", || (segments(&store).len() > before + round).then_some(()));
                child.kill().unwrap();
                child.wait().unwrap();
            }
            ends.store(true, Ordering::SeqCst);
        });
        let report = once(&server, &store);
        assert_eq!(report["gtid"], executed(&server), "{kind}");
        assert_eq!(chains(&store), 1, "{kind}");
        tool("fwb-verify", &server, &store).arg("--log").run().ok();
        let listed = tool("fwb-ls", &server, &store).args(["--transactions", "-B", "shop"]).run().ok();
        let rows: u64 = listed
            .records()
            .iter()
            .flat_map(|line| line["tables"].as_array().unwrap().clone())
            .map(|table| table["inserted"].as_u64().unwrap())
            .sum();
        if kind.starts_with("mysql") {
            assert_eq!(rows.to_string(), server.query("SELECT COUNT(*) FROM shop.t"), "{kind}");
        }
    }
}

#[test]
fn a_server_that_is_killed_is_followed_on() {
    let (server, store) = (server("mariadb-10.11", "server-killed"), Store::new());
    let ends = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let mut child = start(&server, &store, &[]);
        writes(&server, scope, &ends);
        for _ in 0..3 {
            let before = segments(&store).len();
            until("segments", || (segments(&store).len() > before + 2).then_some(()));
            signal(server.pid(), "KILL");
            start_again(&server, "mariadb-10.11");
        }
        ends.store(true, Ordering::SeqCst);
        let before = segments(&store).len();
        server.sql("INSERT INTO shop.t (a) VALUES ('after all');");
        until("what was written after the last start", || (segments(&store).len() > before).then_some(()));
        child.kill().unwrap();
        child.wait().unwrap();
    });
    assert_eq!(once(&server, &store)["gtid"], executed(&server));
    assert_eq!(chains(&store), 1);
    tool("fwb-verify", &server, &store).arg("--log").run().ok();
}

/// Forwards to a server's socket until it is told to be silent.
fn silent_proxy(server: &Server, silent: &Arc<AtomicBool>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (socket, silent) = (server.socket(), Arc::clone(silent));
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let Ok(client) = client else { return };
            let Ok(server) = std::os::unix::net::UnixStream::connect(&socket) else { continue };
            let (up, down) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            std::thread::spawn(move || {
                let (mut up, mut down) = (up, down);
                std::io::copy(&mut up, &mut down)
            });
            let silent = Arc::clone(&silent);
            std::thread::spawn(move || forward(server, client, &silent));
        }
    });
    port
}

/// What comes while it is silent is thrown away, and nobody is told.
fn forward(mut from: std::os::unix::net::UnixStream, mut to: TcpStream, silent: &AtomicBool) {
    let mut buffer = vec![0; 64 << 10];
    let mut has_been_silent = false;
    while let Ok(read) = from.read(&mut buffer) {
        has_been_silent |= silent.load(Ordering::SeqCst);
        if read == 0 || !has_been_silent && to.write_all(&buffer[..read]).is_err() {
            return;
        }
    }
}

#[test]
fn a_network_that_goes_silent_is_noticed() {
    let (server, store) = (server("mariadb-10.11", "silent"), Store::new());
    server.sql("CREATE USER f@localhost IDENTIFIED BY 'p'; GRANT REPLICATION SLAVE ON *.* TO f@localhost;");
    let silent = Arc::new(AtomicBool::new(false));
    let port = silent_proxy(&server, &silent);
    let follow = crate::support::Tool::alone("fwb-follow").arg("--store").arg(store.path());
    let follow = follow.args([
        "--every",
        "1s",
        "--from",
        "oldest",
        "--host",
        "127.0.0.1",
        "--port",
        &port.to_string(),
    ]);
    let mut child = follow.args(["--user", "f"]).env("MYSQL_PWD", "p").spawn();
    until("the beginning of a chain", || (chains(&store) == 1).then_some(()));
    silent.store(true, Ordering::SeqCst);
    server.sql("INSERT INTO shop.t (a) VALUES ('nobody hears it');");
    let wanted = executed(&server);
    // New connections are heard again, and the one that is silent must be given up for that.
    std::thread::sleep(Duration::from_secs(1));
    silent.store(false, Ordering::SeqCst);
    let has = || segments(&store).last().is_some_and(|last| description(last).0["gtid_after"] == wanted);
    until("what was written meanwhile", || has().then_some(()));
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(chains(&store), 1);
}

#[test]
fn a_store_that_is_away_is_waited_for() {
    let (server, store) = (server("mariadb-10.11", "store-away"), Store::new());
    let mut child = start(&server, &store, &[]);
    until("the beginning of a chain", || (chains(&store) == 1).then_some(()));
    let (here, away) = (store.path().join("log"), store.path().join("away"));
    std::fs::rename(&here, &away).unwrap();
    // Something of its name that is no folder: nothing can be written there.
    std::fs::write(&here, "").unwrap();
    server.sql("INSERT INTO shop.t (a) VALUES ('while the store is away');");
    std::thread::sleep(Duration::from_secs(3));
    assert!(child.try_wait().unwrap().is_none(), "it goes on trying");
    std::fs::remove_file(&here).unwrap();
    std::fs::rename(&away, &here).unwrap();
    let wanted = executed(&server);
    let has = || segments(&store).last().is_some_and(|last| description(last).0["gtid_after"] == wanted);
    until("what was written meanwhile", || has().then_some(()));
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(chains(&store), 1);
    tool("fwb-verify", &server, &store).arg("--log").run().ok();
}

#[test]
fn two_followers_of_one_chain_do_not_mix() {
    let (server, store) = (server("mariadb-10.11", "two"), Store::new());
    once(&server, &store);
    let (mut one, mut two) = (start(&server, &store, &[]), start(&server, &store, &[]));
    for number in 0..10 {
        server.sql(format!("INSERT INTO shop.t (a) VALUES ('{number}');"));
        std::thread::sleep(Duration::from_millis(300));
    }
    until("the end of one of them", || {
        (one.try_wait().unwrap().is_some() || two.try_wait().unwrap().is_some()).then_some(())
    });
    for child in [&mut one, &mut two] {
        let _ = child.kill();
        child.wait().unwrap();
    }
    assert_eq!(once(&server, &store)["gtid"], executed(&server));
    assert_eq!(chains(&store), 1);
    tool("fwb-verify", &server, &store).arg("--log").run().ok();
}

/// A server that is shut down ends its log in order, as one that was asked to end at the end.
/// MariaDB makes what it calls itself out of its port and its network card: a pod that was moved has another name, and the same log.
#[test]
fn a_server_that_has_moved_is_followed_on() {
    let (server, store) = (server("mariadb-11.8", "moved"), Store::new());
    let called = || server.query("SELECT @@server_uid");
    let (first, before) = (once(&server, &store), called());
    stop(&server);
    let port = format!("--port={}", crate::support::free_port());
    start_again_with(
        &server,
        &[&super::options("mariadb-11.8")[..], &["--skip-networking=0", "--bind-address=127.0.0.1", &port]]
            .concat(),
    );
    assert_ne!(called(), before);
    server.sql("INSERT INTO shop.t (a) VALUES ('x')");
    let second = once(&server, &store);
    assert_eq!(second["chain"], first["chain"], "{second}");
}

#[test]
fn a_server_that_is_shut_down_in_order_is_followed_on() {
    let (server, store) = (server("mariadb-10.11", "shut-down"), Store::new());
    let mut child = start(&server, &store, &[]);
    until("the beginning of a chain", || (chains(&store) == 1).then_some(()));
    stop(&server);
    start_again(&server, "mariadb-10.11");
    server.sql("INSERT INTO shop.t (a) VALUES ('after the start');");
    let wanted = executed(&server);
    let has = || segments(&store).last().is_some_and(|last| description(last).0["gtid_after"] == wanted);
    until("what was written after the start", || has().then_some(()));
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(chains(&store), 1);
}
