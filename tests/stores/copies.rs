//! `fwb-copy`: the same backup elsewhere, proved on both sides.

use std::fs;

use serde_json::Value;

use super::{Place, key, large};
use crate::faults::{code, signal};
use crate::support::object_server::{Kind, ObjectServer};
use crate::support::{Database, Tool, name, until};

/// The manifests that a tool is to read.
fn lines(manifests: &[&Value]) -> String {
    manifests.iter().flat_map(|manifest| [manifest.to_string(), "\n".into()]).collect()
}

/// A copy has the bytes and the proof of its original, wherever it goes, and is not made twice.
#[test]
fn a_copy_goes_from_any_store_to_any_other() {
    let database = large("copied");
    let places = [
        Place::directory(),
        Place::on(Kind::Ministack),
        Place::on(Kind::Azurite),
        Place::on(Kind::Moto),
        Place::directory(),
    ];
    let dump = places[0].dump(&database);
    let mut last = places[0].tool("fwb-verify").arg(name(&dump)).run().ok().json();
    for (from, to) in places.iter().zip(&places[1..]) {
        let copy = || {
            let tool = to.known_to(from.known_to(Tool::new("fwb-copy")));
            tool.args(["--to", &to.url, "-v"]).stdin(lines(&[&last])).run().ok()
        };
        let copied = copy();
        assert!(copied.stderr.contains("was copied"), "{}", copied.stderr);
        let manifest = copied.json();
        assert_eq!(manifest["store"], to.url);
        for field in ["name", "size", "sha256", "sections", "verification", "started_at"] {
            assert_eq!(manifest[field], last[field], "{field}");
        }
        let again = copy();
        assert!(again.stderr.contains(" is in "), "{}", again.stderr);
        assert_eq!(again.json(), manifest);
        assert_eq!(to.tool("fwb-ls").args(["--latest", "--verified"]).run().ok().json(), manifest);
        last = manifest;
    }
    let (first, end) = (places[0].url.clone(), places[4].url.clone());
    let read = |store: &str| fs::read(format!("{store}/{}", name(&dump))).unwrap();
    assert!(read(&first) == read(&end));
}

/// What is to be copied is damaged, or the name is another's: nothing is written.
#[test]
fn what_is_no_copy_is_told() {
    let database = Database::sample("no_copy");
    let (from, to) = (Place::directory(), Place::on(Kind::Ministack));
    let copy =
        |arguments: &[&str]| to.known_to(from.tool("fwb-copy")).args(["--to", &to.url]).args(arguments).run();
    let dump = from.dump(&database);
    let artifact = format!("{}/{}", from.url, name(&dump));
    let whole = fs::read(&artifact).unwrap();
    let mut damaged = whole.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    fs::write(&artifact, &damaged).unwrap();
    copy(&[name(&dump)]).fails(3, &["SHA-256"]);
    fs::write(&artifact, &whole[..middle]).unwrap();
    copy(&[name(&dump)]).fails(3, &["bytes"]);
    assert_eq!(to.files(), [""; 0]);
    fs::write(&artifact, &whole).unwrap();
    copy(&[name(&dump)]).ok();
    // Another one of the name.
    fs::remove_file(&artifact).unwrap();
    fs::remove_file(format!("{artifact}.json")).unwrap();
    database.sql("DELETE FROM file_views");
    let other = from.tool("fwb-dump").args(["-B", &database.name]).run().ok().json();
    let renamed = |suffix: &str| {
        fs::rename(format!("{}/{}{suffix}", from.url, name(&other)), format!("{artifact}{suffix}")).unwrap();
    };
    renamed("");
    renamed(".json");
    copy(&[name(&dump)]).fails(2, &["another backup of the name"]);
    let there = to.tool("fwb-verify").arg(name(&dump)).run().ok().json();
    assert_eq!(there["sha256"], dump["sha256"]);
    from.tool("fwb-copy").args(["--to", &from.url, name(&dump)]).run().fails(2, &["already"]);
}

/// `--verify` reads what is there; a copy that has rotted is found.
#[test]
fn a_copy_that_was_changed_is_found() {
    let database = Database::sample("rotten");
    let (from, to) = (Place::directory(), Place::on(Kind::Ministack));
    let dump = from.dump(&database);
    let copy = |arguments: &[&str]| {
        to.known_to(from.tool("fwb-copy")).args(["--to", &to.url, name(&dump)]).args(arguments).run()
    };
    copy(&["--verify"]).ok();
    let key = format!("{}/{}", super::PREFIX, name(&dump));
    let mut bytes = to.bucket().get(&key).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    to.bucket().put(&key, bytes);
    copy(&[]).ok();
    copy(&["--verify"]).fails(3, &["SHA-256", "is not whole"]);
}

/// A copy whose sidecar alone is left is made again, and one that is not whole is told, not taken for the copy.
#[test]
fn a_copy_that_was_lost_is_made_again() {
    let database = Database::sample("lost_copy");
    let (from, to) = (Place::directory(), Place::on(Kind::Ministack));
    let (_, recipient) = key(&from);
    let dump = from.dump(&database);
    let verified = from.tool("fwb-verify").arg(name(&dump)).run().ok().json();
    for arguments in [vec![], vec!["--recipient", &recipient]] {
        let copy = || {
            let tool = to.known_to(from.tool("fwb-copy")).args(["--to", &to.url]).args(&arguments);
            tool.stdin(lines(&[&verified])).run()
        };
        let copied = copy().ok().json();
        let artifact = format!("{}/{}", super::PREFIX, name(&copied));
        to.bucket().delete(&artifact);
        // What was recorded of the lost one is not what the copy says.
        let sidecar = format!("{artifact}.json");
        let mut changed: Value = serde_json::from_slice(&to.bucket().get(&sidecar).unwrap()).unwrap();
        changed["verification"] = Value::Null;
        to.bucket().put(&sidecar, changed.to_string());
        let again = copy().ok().json();
        assert_eq!(again["verification"]["ok"], true);
        assert_eq!(
            to.tool("fwb-ls").args(["--latest", "--verified"]).run().ok().json()["name"],
            copied["name"]
        );
        let whole = to.bucket().get(&artifact).unwrap();
        to.bucket().put(&artifact, &whole[..whole.len() / 2]);
        copy().fails(3, &["is not whole"]);
        to.bucket().delete(&artifact);
        to.bucket().delete(&sidecar);
    }
}

/// Encrypted on the way, or anew to others: the copy says to whom, is proved by who writes it, and the old key opens it no more.
#[test]
fn a_copy_is_encrypted_to_others() {
    let database = large("for_others");
    let (from, to) = (Place::directory(), Place::on(Kind::Ministack));
    let (identity, recipient) = key(&from);
    let (old_identity, old_recipient) = key(&to);
    let before = database.content();
    let plain = from.dump(&database);
    let locked =
        from.tool("fwb-dump").args(["-B", &database.name, "--recipient", &old_recipient]).run().ok().json();
    for dump in [&plain, &locked] {
        let copy = |tool: Tool| {
            to.known_to(tool).args(["--to", &to.url, "--recipient", &recipient]).stdin(lines(&[dump])).run()
        };
        if dump["encryption"].is_object() {
            copy(from.tool("fwb-copy")).fails(2, &["is encrypted"]);
        }
        let copied = copy(from.tool("fwb-copy").arg("--identity").arg(&old_identity)).ok().json();
        assert_eq!(copied["encryption"]["recipients"], serde_json::json!([recipient]));
        assert_eq!(copied["verification"]["by"], "writer");
        let again = copy(from.tool("fwb-copy").arg("--identity").arg(&old_identity).arg("-v")).ok();
        assert!(again.stderr.contains(" is in "), "{}", again.stderr);
        let verify =
            |identity| to.tool("fwb-verify").arg("--identity").arg(identity).arg(name(&copied)).run();
        let verified = verify(&identity).ok().json();
        assert_eq!(verified["verification"]["level"], "full");
        verify(&old_identity).fails(2, &["is encrypted"]);
        database.sql("DELETE FROM noise");
        let restored = to.tool("fwb-restore").arg("--identity").arg(&identity);
        restored.args(["--yes", "--file", name(&copied)]).run().ok();
        assert!(database.content() == before);
    }
}

/// Slow on purpose, and at once when it is told to end.
#[test]
fn a_copy_takes_the_bandwidth_that_it_is_given() {
    let database = large("slowly");
    let (from, to) = (Place::directory(), Place::directory());
    let dump = from.dump(&database);
    let mut copying =
        from.tool("fwb-copy").args(["--to", &to.url, "--bandwidth", "100k", name(&dump)]).spawn();
    until("the copy", || fs::metadata(format!("{}/.{}.partial", to.url, name(&dump))).ok());
    assert!(copying.try_wait().unwrap().is_none());
    signal(copying.id(), "TERM");
    assert_eq!(code(&mut copying), Some(143));
    assert_eq!(to.files(), [""; 0]);
    assert!(!fs::exists(format!("{}/.{}.partial", to.url, name(&dump))).unwrap());
}

/// From one S3 service to another, each with keys that the other does not know, in one call; also where both have a bucket of one
/// name.
#[test]
fn a_copy_goes_from_one_service_to_another() {
    let database = large("services");
    let from = Place::on(Kind::Ministack);
    let other: &'static ObjectServer = Box::leak(Box::new(ObjectServer::private(Kind::Ministack)));
    let to = Place::in_bucket(other.bucket_named(from.bucket().name()), Kind::Ministack, other.address());
    assert_eq!(from.url, to.url);
    let dump = from.dump(&database);
    let copy = |environment: &[(&'static str, String)]| {
        let tool = from.known_to(Tool::new("fwb-copy")).args(["--to", &to.url]).stdin(lines(&[&dump]));
        environment.iter().fold(tool, |tool, (name, value)| tool.env(&format!("FWB_TO_{name}"), value)).run()
    };
    copy(&[]).fails(2, &["already"]);
    let denied = copy(&from.bucket().environment(other.address())).exits(2);
    assert!(denied.stderr.contains("hint: look at the credentials"), "{}", denied.stderr);
    assert_eq!(to.files(), [""; 0]);
    let copied = copy(&to.environment).ok().json();
    assert_eq!((&copied["name"], &copied["sha256"]), (&dump["name"], &dump["sha256"]));
    assert!(to.read(name(&dump)) == from.read(name(&dump)));
    to.tool("fwb-verify").arg(name(&dump)).run().ok();
    // Both are looked at in one call.
    let both = |tool: &str, arguments: &[&str]| {
        let tool = from.known_to(Tool::new(tool)).args(["-s", &from.url]).args(arguments);
        to.environment
            .iter()
            .fold(tool, |tool, (name, value)| tool.env(&format!("FWB_TO_{name}"), value))
            .run()
    };
    let listed = both("fwb-ls", &["--also", &to.url]).ok().records();
    assert_eq!(listed.iter().map(|one| &one["name"]).collect::<Vec<_>>(), [&dump["name"]; 2]);
    assert_ne!(listed[0]["verification"], listed[1]["verification"], "each has its own proof");
}
