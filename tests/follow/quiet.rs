//! Rounds in which nothing is wrong: no alarm may come of them.

use std::fs;

use super::{chains, executed, once, segments, server, start_again, tool};
use crate::faults::stop;
use crate::support::{Server, Store};

/// How many rounds: `FWB_TORTURE=whole` makes 500 on each server.
fn rounds() -> usize {
    if crate::torture::whole() { 500 } else { 40 }
}

/// What happens in a round, by its number: writes of several kinds, nothing, a new file, a restart.
fn round(server: &Server, kind: &str, number: usize) {
    let sql = match number % 7 {
        0 => String::new(),
        1 => format!("INSERT INTO shop.t (a) VALUES ('round {number}');"),
        2 => "FLUSH BINARY LOGS;".to_owned(),
        3 => format!(
            "BEGIN; INSERT INTO shop.t (a) VALUES (REPEAT('{number}', 20000)); UPDATE shop.t SET a='x' WHERE id % 3 = 0; COMMIT;"
        ),
        4 => format!(
            "CREATE TABLE shop.r{number} (x INT); FLUSH BINARY LOGS; INSERT INTO shop.r{number} VALUES (1); DROP TABLE shop.r{number};"
        ),
        5 => format!(
            "XA START 'x{number}'; INSERT INTO shop.t (a) VALUES ('xa'); XA END 'x{number}'; XA PREPARE 'x{number}'; XA COMMIT 'x{number}'; FLUSH BINARY LOGS;"
        ),
        _ => "SET binlog_format=STATEMENT; UPDATE shop.t SET a=CONCAT(a, '!') WHERE id=1;".to_owned(),
    };
    if !sql.is_empty() {
        server.sql(sql);
    }
    if number % 50 == 49 {
        anew(server, kind);
    }
}

/// Ends the server in order, and starts it.
fn anew(server: &Server, kind: &str) {
    stop(server);
    start_again(server, kind);
}

#[test]
fn no_round_in_which_all_is_well_raises_an_alarm() {
    for kind in super::KINDS {
        let (server, store) = (server(kind, "quiet"), Store::new());
        for number in 0..rounds() {
            round(&server, kind, number);
            let report = once(&server, &store);
            assert!(number == 0 || report["begun_because"].is_null(), "{kind}, round {number}: {report}");
        }
        assert_eq!(chains(&store), 1, "{kind}");
        assert_eq!(once(&server, &store)["gtid"], executed(&server), "{kind}");
        tool("fwb-verify", &server, &store).arg("--log").run().ok();
        anew(&server, kind);
        assert!(once(&server, &store)["begun_because"].is_null(), "{kind}");
    }
}

/// Small segments become larger ones, and the chain stays what it is.
#[test]
fn a_chain_of_many_segments_is_put_together() {
    let (server, store) = (server("mariadb-10.11", "compaction"), Store::new());
    for number in 0..118 {
        server.sql(format!("INSERT INTO shop.t (a) VALUES ('{number}');"));
        once(&server, &store);
    }
    let before = segments(&store).len();
    // What a run that was killed has left between the writing and the removing is put in order too.
    let kept: Vec<_> =
        segments(&store).into_iter().take(20).map(|file| (fs::read(&file).unwrap(), file)).collect();
    for number in 0..3 {
        server.sql(format!("INSERT INTO shop.t (a) VALUES ('once more {number}');"));
        once(&server, &store);
    }
    let after = segments(&store).len();
    assert!(after < before - 40, "{before} segments became {after}");
    tool("fwb-verify", &server, &store).arg("--log").run().ok();
    for (bytes, file) in kept {
        fs::write(file, bytes).unwrap();
    }
    tool("fwb-verify", &server, &store).arg("--log").run().ok();
    assert!(once(&server, &store)["begun_because"].is_null());
    assert_eq!(segments(&store).len(), after);
    let all = tool("fwb-ls", &server, &store).arg("--transactions").run().ok().records().len();
    assert_eq!(all, 123, "each is there once");
}

/// Their names stand in the descriptions of segments, which may not be long.
#[test]
fn many_xa_transactions_are_followed() {
    let (server, store) = (server("mariadb-10.11", "xa"), Store::new());
    let name = |number: usize| format!("'{number:0>60}','{number:0>60}'");
    let one = |number: usize| {
        let name = name(number);
        format!(
            "XA START {name}; INSERT INTO shop.t (a) VALUES ('x'); XA END {name}; XA PREPARE {name}; XA COMMIT {name};"
        )
    };
    server.sql((0..150).map(one).collect::<Vec<_>>().concat());
    assert_eq!(once(&server, &store)["gtid"], executed(&server));
    for number in 0..3 {
        server.sql(one(1000 + number));
        assert!(once(&server, &store)["begun_because"].is_null());
    }
    tool("fwb-verify", &server, &store).arg("--log").run().ok();
}
