//! The moment at which an upload in parts becomes an artifact: nothing that has its name by then is replaced, and who comes too late
//! publishes nothing.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};

use super::{PREFIX, Place, large};
use crate::faults::code;
use crate::support::faulty_proxy::{FaultyProxy, Misfortune, Request};
use crate::support::object_server::{Kind, ObjectServer};
use crate::support::{Tool, name};

/// Whether a request completes an upload in parts.
fn is_completion(request: &Request) -> bool {
    match request.method.as_str() {
        "POST" => request.target.contains("uploadId="),
        "PUT" => request.target.contains("comp=blocklist"),
        _ => false,
    }
}

/// The key of what a completion puts together.
fn key_of(request: &Request) -> String {
    let path = request.target.split('?').next().expect("a path");
    path[path.find(PREFIX).expect("the prefix")..].to_owned()
}

/// What somebody else puts there, between our look and the completion, stays, and is not taken for ours.
#[test]
fn what_came_between_stays() {
    let database = large("between");
    for kind in [Kind::Ministack, Kind::Moto, Kind::Azurite] {
        let place = Arc::new(Place::on(kind));
        let proxy = FaultyProxy::new(ObjectServer::shared(kind).address());
        let theirs = Arc::clone(&place);
        proxy.plan(move |request| {
            if is_completion(request) {
                theirs.bucket().put(&key_of(request), "somebody else's");
            }
            None
        });
        let environment = place.bucket().environment(proxy.address());
        let dump = place.tool("fwb-dump").args(["-B", &database.name]);
        let dump = environment.iter().fold(dump, |tool, (name, value)| tool.env(name, value));
        let said = dump.run().exits(1);
        assert!(said.stderr.contains("was written by another run"), "{kind:?}: {}", said.stderr);
        let completion = proxy.log().into_iter().find(is_completion).expect("a completion");
        assert_eq!(completion.head.field("If-None-Match"), Some("*"), "{kind:?}");
        let files = place.files();
        assert_eq!(files.len(), 1, "{kind:?}: {files:?}");
        assert_eq!(place.read(&files[0]).as_deref(), Some(&b"somebody else's"[..]), "{kind:?}");
    }
}

/// A completion that is held up for longer than the lease comes to nothing, though another run has made the same copy meanwhile.
#[test]
fn a_completion_that_comes_too_late_replaces_nothing() {
    let database = large("too_late");
    let from = Place::directory();
    let dump = from.dump(&database);
    for kind in [Kind::Ministack, Kind::Azurite] {
        let place = Place::on(kind);
        let proxy = FaultyProxy::new(ObjectServer::shared(kind).address());
        let (reached, comes) = mpsc::channel::<()>();
        let (go_on, goes) = mpsc::channel::<()>();
        // While the plan waits, nothing else gets through either: the lock is not renewed.
        let held = AtomicBool::new(false);
        proxy.plan(move |request| {
            if is_completion(request) && !held.swap(true, Ordering::SeqCst) {
                reached.send(()).expect("the test");
                let _the_test_has_ended = goes.recv();
            }
            None
        });
        let copy = |tool: Tool| {
            tool.env("FWB_STORE_LEASE", "2").env("FWB_STORE_RETRIES", "0").args([
                "--to",
                place.url(),
                name(&dump),
            ])
        };
        let environment = place.bucket().environment(proxy.address());
        let late = copy(place.known_to(from.tool("fwb-copy")));
        let late = environment.iter().fold(late, |tool, (name, value)| tool.env(name, value));
        let mut late = late.spawn();
        comes.recv().expect("a completion");
        let made = copy(place.known_to(from.tool("fwb-copy"))).arg("--lock-wait").run().ok().json();
        go_on.send(()).expect("the proxy");
        let ended = code(&mut late);
        let said = late.wait_with_output().unwrap();
        assert_eq!(ended, Some(1), "{kind:?}: {}", String::from_utf8_lossy(&said.stderr));
        assert_eq!(place.files().len(), 2, "{kind:?}");
        place.tool("fwb-verify").arg(name(&made)).run().ok();
    }
}

/// A store that knows no such condition is asked without it, and one that ignores it does what it did before.
#[test]
fn a_store_without_the_condition_is_asked_without_it() {
    let database = large("unconditional");
    for (kind, misfortune) in [
        (Kind::Moto, Misfortune::Answer(501)),
        (Kind::Azurite, Misfortune::Answer(400)),
        (Kind::Ministack, Misfortune::Without("If-None-Match")),
    ] {
        let place = Place::on(kind);
        let proxy = FaultyProxy::new(ObjectServer::shared(kind).address());
        proxy.plan(move |request| {
            (is_completion(request) && request.head.field("If-None-Match").is_some()).then_some(misfortune)
        });
        let environment = place.bucket().environment(proxy.address());
        let dump = place.tool("fwb-dump").args(["-B", &database.name]);
        let dump = environment.iter().fold(dump, |tool, (name, value)| tool.env(name, value));
        let made = dump.run().ok().json();
        place.tool("fwb-verify").arg(name(&made)).run().ok();
    }
}

/// Where a store wants parts of one size, all but the last have it.
#[test]
fn parts_have_the_size_that_is_named() {
    let database = large("part_size");
    let place = Place::on(Kind::Ministack);
    let proxy = FaultyProxy::new(ObjectServer::shared(Kind::Ministack).address());
    proxy.plan_nothing();
    let environment = place.bucket().environment(proxy.address());
    let dump = || {
        let tool = place.tool("fwb-dump").args(["-B", &database.name]);
        environment.iter().fold(tool, |tool, (name, value)| tool.env(name, value))
    };
    let made = dump().env("FWB_STORE_PART_SIZE", "5").run().ok().json();
    let log = proxy.log();
    let mut parts: Vec<u64> = log
        .iter()
        .filter(|request| request.target.contains("partNumber="))
        .map(|request| request.sent)
        .collect();
    parts.sort_unstable();
    assert!(parts.len() > 3 && parts[1..].iter().all(|size| *size == 5 << 20), "{parts:?}");
    place.tool("fwb-verify").arg(name(&made)).run().ok();
    dump().env("FWB_STORE_PART_SIZE", "4").run().fails(2, &["FWB_STORE_PART_SIZE", "from 5 to"]);
}
