//! What breaks a chain, and is found: damage to segments, and servers that are not what they were.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::Digest as _;

use super::{chains, description, once, segments, server, tool};
use crate::support::{Server, Store, until};

/// A store with a chain of several segments, over two files of the log.
fn chain(name: &str) -> (Server, Store) {
    let (server, store) = (server("mariadb-10.11", name), Store::new());
    for number in 0..12 {
        if number == 6 {
            server.sql("FLUSH BINARY LOGS;");
        }
        server.sql(format!("INSERT INTO shop.t (a) VALUES (REPEAT('{number}', 200));"));
        if number == 4 {
            server.sql("XA START 'x'; INSERT INTO shop.t (a) VALUES ('xa'); XA END 'x'; XA PREPARE 'x'; XA COMMIT 'x';");
        }
        once(&server, &store);
    }
    (server, store)
}

/// What is done to the log of a store.
enum Fault {
    Lost(usize),
    Cut(usize, usize),
    Flipped(usize, usize),
    Swapped(usize, usize),
    Repeated(usize),
    /// A field of the description, and what it becomes.
    Edited(usize, &'static str, Value),
    /// A field of the description of a part.
    Part(usize, &'static str, Value),
    OfAnother(usize),
}

fn copy(from: &Store) -> Store {
    let to = Store::new();
    fs::create_dir(to.path().join("log")).unwrap();
    for file in fs::read_dir(from.path().join("log")).unwrap() {
        let file = file.unwrap().path();
        fs::copy(&file, to.path().join("log").join(file.file_name().unwrap())).unwrap();
    }
    to
}

/// Changes a description as somebody would who knows how it is made.
fn edit(file: &Path, change: impl FnOnce(&mut Value)) {
    let (mut json, at) = description(file);
    let payload = fs::read(file).unwrap()[at..].to_vec();
    change(&mut json);
    let mut json = serde_json::to_vec(&json).unwrap();
    let sum = sha2::Sha256::digest(&json);
    json.extend(&sum[..]);
    let mut bytes = fs::read(file).unwrap()[..4].to_vec();
    bytes.extend(u32::try_from(json.len()).unwrap().to_le_bytes());
    bytes.extend(json);
    bytes.extend(payload);
    fs::write(file, bytes).unwrap();
}

impl Fault {
    fn make(&self, files: &[PathBuf], other: &[PathBuf]) {
        match self {
            Self::Lost(at) => fs::remove_file(&files[*at]).unwrap(),
            Self::Cut(at, to) => {
                let bytes = fs::read(&files[*at]).unwrap();
                fs::write(&files[*at], &bytes[..bytes.len() * to / 10]).unwrap();
            }
            Self::Flipped(at, place) => {
                let mut bytes = fs::read(&files[*at]).unwrap();
                let place = bytes.len() * place / 24 + 3;
                bytes[place] ^= 0x10;
                fs::write(&files[*at], bytes).unwrap();
            }
            Self::Swapped(one, another) => {
                let bytes = fs::read(&files[*one]).unwrap();
                fs::copy(&files[*another], &files[*one]).unwrap();
                fs::write(&files[*another], bytes).unwrap();
            }
            Self::Repeated(at) => drop(fs::copy(&files[*at], &files[*at + 1]).unwrap()),
            Self::Edited(at, field, value) => edit(&files[*at], |json| json[field] = value.clone()),
            Self::Part(at, field, value) => edit(&files[*at], |json| json["parts"][0][field] = value.clone()),
            Self::OfAnother(at) => {
                let bytes = fs::read(&other[*at]).unwrap();
                fs::write(&files[*at], bytes).unwrap();
                let (id, name) = (description(&files[0]).0["chain"].clone(), files[*at].clone());
                if *at > 0 {
                    edit(&name, |json| json["chain"] = id);
                }
            }
        }
    }
}

fn faults(count: usize) -> Vec<(String, Fault)> {
    let mut faults = Vec::new();
    let mut add = |name: String, fault| faults.push((name, fault));
    for at in 0..count {
        // Retention removes the first ones too: what cannot be reached then, the timeline says.
        if at > 0 {
            add(format!("segment {at} is lost"), Fault::Lost(at));
            add(format!("segment {at} is of another chain"), Fault::OfAnother(at));
        }
        for to in [0, 1, 3, 5, 8, 9] {
            add(format!("segment {at} is cut at {to}/10"), Fault::Cut(at, to));
        }
        for place in 0..8 {
            add(format!("segment {at} has a flipped bit at {}/24", place * 3), Fault::Flipped(at, place * 3));
        }
        if at + 1 < count {
            add(format!("segments {at} and {} are swapped", at + 1), Fault::Swapped(at, at + 1));
            add(format!("segment {at} is there twice"), Fault::Repeated(at));
        }
        let past = Value::from("2001-01-01T00:00:00Z");
        for field in ["from", "until", "seen", "safe"] {
            add(format!("part of {at}: {field} is forged"), Fault::Part(at, field, past.clone()));
        }
        add(format!("segment {at}: groups"), Fault::Edited(at, "groups", 77.into()));
        add(format!("segment {at}: gtid_after"), Fault::Edited(at, "gtid_after", "0-7-1000".into()));
        add(format!("segment {at}: file"), Fault::Edited(at, "file", "b.000009".into()));
        add(
            format!("segment {at}: xa_prepared"),
            Fault::Edited(at, "xa_prepared", serde_json::json!(["aa"])),
        );
    }
    faults
}

/// At least 200 of them, and each is named.
#[test]
fn damage_to_a_chain_is_found() {
    let (server, store) = chain("damage");
    let (_other_server, other) = chain("damage-other");
    tool("fwb-verify", &server, &store).arg("--log").run().ok();
    let count = segments(&store).len();
    let other = segments(&other);
    let faults = faults(count);
    assert!(faults.len() >= 200, "{} faults", faults.len());
    let mut missed = Vec::new();
    for (name, fault) in faults {
        let broken = copy(&store);
        fault.make(&segments(&broken), &other);
        let found = tool("fwb-verify", &server, &broken).arg("--log").run();
        if found.code != Some(3) {
            missed.push(format!("{name}: {:?}: {}", found.code, found.stderr));
        }
    }
    assert!(missed.is_empty(), "{} missed:\n{}", missed.len(), missed.join("\n"));
}

/// A chain that is broken is not gone on with: a new one begins, and whoever runs the follower is told.
#[test]
fn a_broken_chain_is_not_gone_on_with() {
    let (server, store) = chain("broken");
    fs::remove_file(&segments(&store)[5]).unwrap();
    let follow = tool("fwb-follow", &server, &store).args(["--once", "--from", "oldest"]).run().ok();
    assert!(follow.stderr.contains("a new chain begins"), "{}", follow.stderr);
    assert!(follow.json()["begun_because"].as_str().unwrap().contains("is broken"));
    assert_eq!(chains(&store), 2);
}

/// A log that breaks off behind the newest backup: what leads up to that place is shipped once, and what comes after it.
#[test]
fn a_log_with_a_hole_is_followed_behind_it() {
    let (server, store) = (server("mariadb-10.11", "hole"), Store::new());
    tool("fwb-dump", &server, &store).args(["-B", "shop"]).run().ok();
    for row in ["one", "two", "three"] {
        server.sql(format!("INSERT INTO shop.t (a) VALUES ('{row}'); FLUSH BINARY LOGS;"));
    }
    let cut = server.defaults_file().parent().unwrap().join("data/b.000002");
    let cut = fs::OpenOptions::new().write(true).open(cut).unwrap();
    cut.set_len(cut.metadata().unwrap().len() - 3).unwrap();
    let follow = || tool("fwb-follow", &server, &store).arg("--once").run().ok();
    let first = follow();
    assert!(first.stderr.contains("a new chain begins"), "{}", first.stderr);
    assert_eq!((&first.json()["file"], chains(&store)), (&"b.000004".into(), 2), "{}", first.stderr);
    assert!(follow().json()["begun_because"].is_null());
    assert_eq!(chains(&store), 2);
}

/// Each of these servers answers as if nothing had happened.
#[test]
fn a_server_that_is_not_what_it_was_is_noticed() {
    let begins = |name: &str, change: &dyn Fn(&Server), words: &str| {
        let (server, store) = (server("mariadb-10.11", name), Store::new());
        server
            .sql("INSERT INTO shop.t (a) VALUES ('aaaa'), ('bbbb'); INSERT INTO shop.t (a) VALUES ('cccc');");
        once(&server, &store);
        change(&server);
        let follow = tool("fwb-follow", &server, &store).args(["--once", "--from", "oldest"]).run().ok();
        let report = follow.json();
        let why = report["begun_because"].as_str().unwrap_or_default().to_owned();
        assert!(why.contains(words), "{name}: {report}");
        assert!(follow.stderr.contains("a new chain begins"), "{name}");
        // The new one is gone on with.
        assert!(once(&server, &store)["begun_because"].is_null(), "{name}");
        assert_eq!(chains(&store), 2, "{name}");
        tool("fwb-verify", &server, &store).arg("--log").run().ok();
    };
    let anew = "CREATE DATABASE IF NOT EXISTS shop; CREATE TABLE IF NOT EXISTS shop.t (id INT PRIMARY KEY AUTO_INCREMENT, a LONGTEXT);";
    begins("reset", &|server| server.sql("RESET MASTER;"), "");
    begins(
        "reset-equal",
        // The same places and the same GTIDs stand for other rows.
        &|server| {
            server.sql(format!(
                "DROP DATABASE shop; RESET MASTER; {}\nINSERT INTO shop.t (a) VALUES ('xxxx'), ('yyyy'); INSERT INTO shop.t (a) VALUES ('zzzz');",
                anew.replace(" IF NOT EXISTS", "")
            ));
        },
        "is not what the chain has there",
    );
    begins(
        "purged",
        &|server| {
            server.sql("FLUSH BINARY LOGS; INSERT INTO shop.t (a) VALUES ('d'); FLUSH BINARY LOGS;");
            // A file stays as long as the last follower's connection is there.
            until("the purge", || {
                server.sql("PURGE BINARY LOGS TO 'b.000003';");
                server.query("SHOW BINARY LOGS").starts_with("b.000003").then_some(())
            });
        },
        "has its log no longer",
    );
}
