//! How little is asked of a store.

use std::fs;

use super::{PREFIX, Place, key, large};
use crate::support::faulty_proxy::{FaultyProxy, Request};
use crate::support::object_server::{Kind, ObjectServer};
use crate::support::{Database, Tool, name};

/// A listing reads each sidecar once, and from then on lists alone.
#[test]
fn a_listing_of_many_takes_a_handful_of_requests() {
    const COUNT: usize = 300;
    let database = Database::sample("many");
    let proxy = FaultyProxy::new(ObjectServer::shared(Kind::Ministack).address());
    let place = Place::on(Kind::Ministack);
    let dump = place.dump(&database);
    let key = |name: &str| format!("{PREFIX}/{name}");
    let artifact = place.bucket().get(&key(name(&dump))).unwrap();
    let sidecar: serde_json::Value =
        serde_json::from_slice(&place.bucket().get(&key(&format!("{}.json", name(&dump)))).unwrap()).unwrap();
    for at in 1..COUNT {
        let mut copy = sidecar.clone();
        let name = format!("x_backup_20260101_{at:06}.sql.gz");
        copy["name"] = name.clone().into();
        place.bucket().put(&key(&name), &artifact);
        place.bucket().put(&key(&format!("{name}.json")), copy.to_string());
    }
    let place = place.through(proxy.address());
    let ls = || {
        proxy.plan_nothing();
        assert_eq!(place.tool("fwb-ls").run().ok().records().len(), COUNT);
        proxy.log().len()
    };
    assert!(ls() <= COUNT + 5, "{}", proxy.log().len());
    assert!(ls() <= 5, "{:?}", proxy.log());
    // The cache may go, and there may be none.
    fs::remove_dir_all(place.file("cache")).unwrap();
    assert!(ls() > COUNT);
    assert!(ls() <= 5);
    fs::remove_dir_all(place.file("cache")).unwrap();
    fs::write(place.file("cache"), "no directory").unwrap();
    assert!(ls() > COUNT);
}

/// One table of a backup is its end and the table.
#[test]
fn one_table_is_read_alone() {
    let database = large("alone");
    let proxy = FaultyProxy::new(ObjectServer::shared(Kind::Ministack).address());
    let place = Place::on(Kind::Ministack);
    let dump = place.dump(&database);
    let size = dump["size"].as_u64().unwrap();
    assert!(size > 16 << 20);
    let place = place.through(proxy.address());
    proxy.plan_nothing();
    let sql = place.tool("fwb-restore").args(["--stdout", "--tables", "pair", name(&dump)]).run().ok();
    assert!(sql.stdout_text().contains("(2,'two')"));
    let log = proxy.log();
    assert!(log.len() <= 8, "{log:#?}");
    let (_, read) = proxy.bytes();
    assert!(read <= 1 << 20, "{read} bytes");
    // All of it is not much more than all of it.
    proxy.plan_nothing();
    place.tool("fwb-verify").args(["--no-record", name(&dump)]).run().ok();
    let (_, read) = proxy.bytes();
    assert!(read <= size + (1 << 20), "{read} bytes of {size}");
    assert!(proxy.log().len() <= 16, "{:#?}", proxy.log());
}

/// An artifact is hashed for its `ETag`, and once more for a signature where that is asked for. What is small is signed whole.
#[test]
fn an_artifact_is_signed_over_where_that_is_wanted() {
    let database = Database::sample("signed");
    let proxy = FaultyProxy::new(ObjectServer::shared(Kind::Ministack).address());
    let place = Place::on(Kind::Ministack).through(proxy.address());
    let unsigned = |tool: Tool| {
        proxy.plan_nothing();
        let dump = tool.args(["-B", &database.name]).run().ok().json();
        let puts = proxy.log().into_iter().filter(|request| request.method == "PUT");
        let is_unsigned =
            |request: &Request| request.head.field("x-amz-content-sha256") == Some("UNSIGNED-PAYLOAD");
        let targets: Vec<String> = puts.filter(is_unsigned).map(|request| request.target).collect();
        (name(&dump).to_owned(), targets)
    };
    let (artifact, targets) = unsigned(place.tool("fwb-dump"));
    assert!(targets.len() == 1 && targets[0].ends_with(&artifact), "{targets:?}");
    let (_, targets) = unsigned(place.tool("fwb-dump").env("AWS_UNSIGNED_PAYLOAD", "false"));
    assert_eq!(targets, [""; 0]);
}

/// A dump into a bucket makes no file on this host, encrypted or not: nothing of a row comes to lie on its disk.
#[test]
fn a_dump_leaves_nothing_on_this_host() {
    let database = large("nothing_here");
    let place = Place::on(Kind::Ministack);
    let (_, recipient) = key(&place);
    for arguments in [vec![], vec!["--recipient", &recipient]] {
        let trace = place.file("trace");
        let strace = [
            "-f",
            "-qq",
            "-o",
            trace.to_str().unwrap(),
            "-e",
            "trace=open,openat,creat,memfd_create,rename,link",
        ];
        let tool = place.tool("fwb-dump").args(["-B", &database.name]).args(&arguments);
        tool.under("strace", strace).run().ok();
        let calls = fs::read_to_string(&trace).unwrap();
        let cache = place.file("cache");
        let is_written = |line: &&str| {
            ["O_WRONLY", "O_RDWR", "O_CREAT", "memfd", "creat("].iter().any(|word| line.contains(word))
        };
        // Sidecars of the store are kept; those of encrypted backups name nothing of what is inside.
        let is_elsewhere = |line: &&str| !line.contains("/dev/") && !line.contains(cache.to_str().unwrap());
        let written: Vec<&str> = calls.lines().filter(is_written).filter(is_elsewhere).collect();
        assert_eq!(written, [""; 0]);
        assert!(calls.lines().count() > 10, "{calls}");
    }
}
