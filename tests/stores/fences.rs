//! Several writers at one store: one at a time, and no name twice, whoever is stopped for however long.

use std::process::Child;
use std::time::Duration;

use super::{PREFIX, Place, gone_soon, large};
use crate::environment::Clock;
use crate::faults::{code, signal};
use crate::support::faulty_proxy::{FaultyProxy, Request};
use crate::support::object_server::{Kind, ObjectServer};
use crate::support::{Database, Tool, name, until};

/// A lease that is over soon.
fn soon(tool: Tool) -> Tool {
    tool.env("FWB_STORE_LEASE", "2")
}

/// Starts a dump, and returns when a part of its artifact has been stored.
fn begun(place: &Place, proxy: &FaultyProxy, tool: Tool) -> Child {
    let environment = place.bucket().environment(proxy.address());
    proxy.plan_nothing();
    let child = environment.iter().fold(soon(tool), |tool, (name, value)| tool.env(name, value)).spawn();
    let is_part = |target: &str| target.contains("partNumber=") || target.contains("comp=block&");
    until("a part", || {
        let stored = |request: &Request| is_part(&request.target) && request.status.is_some();
        proxy.log().iter().any(stored).then_some(())
    });
    child
}

/// Whoever is stopped for longer than the lease has lost it: what it was about to publish never comes, though its clock, and so
/// the name that it chose, is that of whoever came after.
fn stopped(kind: Kind) {
    let database = slow("stopped");
    let clock = Clock::at(chrono::Utc::now().timestamp());
    let place = Place::on(kind);
    let proxy = FaultyProxy::new(ObjectServer::shared(kind).address());
    let dump = || clock.tool(place.tool("fwb-dump")).args(["-B", &database.name]);
    let mut first = begun(&place, &proxy, dump());
    signal(first.id(), "STOP");
    let second = soon(dump()).arg("--lock-wait").run().ok().json();
    signal(first.id(), "CONT");
    let ended = code(&mut first);
    let said = first.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    assert_eq!(ended, Some(1), "{said}");
    assert!(said.contains("the lock of ") || said.contains("has ended the upload"), "{said}");
    let listed = place.listed();
    assert_eq!(listed.iter().map(name).collect::<Vec<_>>(), [name(&second)]);
    place.tool("fwb-verify").arg(name(&second)).run().ok();
    assert_eq!(place.files().len(), 2);
    if !kind.is_azure() {
        assert_eq!(place.bucket().uploads(), [""; 0]);
    }
}

/// A database whose dump takes a while after its first part.
fn slow(name: &str) -> Database {
    let database = large(name);
    database.sql("INSERT INTO noise SELECT seq, RANDOM_BYTES(1000) FROM seq_20001_to_60000");
    database
}

#[test]
fn a_writer_that_was_stopped_publishes_nothing() {
    stopped(Kind::Ministack);
    stopped(Kind::Azurite);
}

/// A writer that was killed leaves nothing but a lock, which is over when its lease is.
#[test]
fn a_writer_that_was_killed_is_put_in_order() {
    let database = slow("killed");
    let place = Place::on(Kind::Ministack);
    let proxy = FaultyProxy::new(ObjectServer::shared(Kind::Ministack).address());
    let mut first = begun(&place, &proxy, place.tool("fwb-dump").args(["-B", &database.name]));
    let dump = || soon(place.tool("fwb-dump")).args(["-B", &database.name]);
    let held = dump().run().fails(4, &["is locked by another run (process "]);
    assert!(held.stderr.contains("unless it is renewed"), "{}", held.stderr);
    first.kill().unwrap();
    first.wait().unwrap();
    assert_eq!(place.bucket().uploads().len(), 1);
    let second = dump().arg("--lock-wait").run().ok();
    assert!(second.stderr.contains("ended the upload"), "{}", second.stderr);
    assert_eq!(place.bucket().uploads(), [""; 0]);
    assert_eq!(place.files().len(), 2);
}

/// A signal ends a dump at once, and leaves neither an upload nor a lock.
#[test]
fn a_writer_that_was_told_to_end_leaves_nothing() {
    let database = slow("told");
    let place = Place::on(Kind::Ministack);
    let proxy = FaultyProxy::new(ObjectServer::shared(Kind::Ministack).address());
    let mut first = begun(&place, &proxy, place.tool("fwb-dump").args(["-B", &database.name]));
    signal(first.id(), "TERM");
    assert_eq!(code(&mut first), Some(143));
    assert_eq!((place.bucket().uploads(), place.files()), (Vec::new(), Vec::new()));
    place.dump(&database);
}

/// Several at once, each of which waits: each has a backup of its own in the end.
#[test]
fn writers_that_wait_come_one_after_the_other() {
    let database = Database::sample("together");
    let place = Place::on(Kind::Ministack);
    let dump = || place.tool("fwb-dump").args(["-B", &database.name, "--lock-wait"]).spawn();
    let children: Vec<Child> = (0..4).map(|_| dump()).collect();
    for child in children {
        let out = child.wait_with_output().unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    }
    let mut names: Vec<String> = place.listed().iter().map(|backup| name(backup).to_owned()).collect();
    names.dedup();
    assert_eq!(names.len(), 4);
}

/// What was deleted is found no more, and can be read for a while by whoever reads it. Then it goes, and its name is nobody's for
/// a day.
#[test]
fn what_was_deleted_goes_later() {
    let database = Database::sample("later");
    let place = Place::on(Kind::Ministack);
    let now = chrono::Utc::now().timestamp();
    let clock = Clock::at(now);
    let dump = || clock.tool(place.tool("fwb-dump")).args(["-B", &database.name]);
    let first = dump().run().ok().json();
    clock.stop_at(now + 100);
    let second = dump().run().ok().json();
    place.tool("fwb-verify").arg(name(&second)).run().ok();
    let prune = |tool: Tool, backup: &str| {
        tool.args(["-v", "--keep-days", "0", "--keep-last", "1", backup]).run().ok()
    };
    let pruned = prune(place.tool("fwb-prune"), name(&first));
    assert!(pruned.stderr.contains("are freed by a later run"), "{}", pruned.stderr);
    assert_eq!(place.listed().len(), 1);
    assert_eq!(place.files().len(), 4, "both objects of both");
    // Not yet.
    place.tool("fwb-verify").arg(name(&second)).run().ok();
    let early = prune(place.tool("fwb-prune"), name(&second));
    assert_eq!((early.records().len(), place.files().len()), (1, 4));
    // The name that the first one had is taken as long as it is there, and after it.
    clock.stop_at(now);
    assert_ne!(name(&dump().run().ok().json()), name(&first));
    until("the end of what was deleted", || {
        std::thread::sleep(Duration::from_millis(500));
        prune(gone_soon(place.tool("fwb-prune")), name(&second));
        (!place.files().contains(&name(&first).to_owned())).then_some(())
    });
    assert!(!place.files().contains(&format!("{}.json", name(&first))));
    let stem = name(&first).strip_suffix(".sql.gz").unwrap();
    assert!(place.bucket().keys().contains(&format!("{PREFIX}/.fwb/names/{stem}")));
    assert_ne!(name(&dump().run().ok().json()), name(&first));
}
