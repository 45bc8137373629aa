//! The client programs run in a pod: what comes over the connection is proved, what is cut is an error, and nothing is
//! left running there. A stand-in takes the place of kubectl; the programs and the server are real.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::faults::until;
use crate::support::{Database, Pod, Store, Tool, name};

/// A database of more than a megabyte of SQL.
fn large(name: &str) -> Database {
    let database = Database::sample(name);
    database.sql(
        "CREATE TABLE bulk (id INT PRIMARY KEY, v VARCHAR(2000));
         INSERT INTO bulk SELECT seq, REPEAT(MD5(seq), 20) FROM seq_1_to_1600;",
    );
    database
}

/// Nothing was published: the store lists nothing.
#[track_caller]
fn is_empty(store: &Store, what: &str) {
    let names = fs::read_dir(store.path()).unwrap().map(|entry| entry.unwrap().file_name());
    let names: Vec<_> = names.filter(|name| name != ".lock").collect();
    assert!(names.is_empty(), "{what}: {names:?}");
}

/// Nothing runs in the pod any more.
#[track_caller]
fn is_quiet(pod: &Pod, what: &str) {
    until(&format!("{what}: the end of {:?}", pod.processes()), || pod.processes().is_empty().then_some(()));
}

/// Calls `work` with the numbers from 0 to `count`, on two threads.
fn each(count: usize, work: impl Fn(usize) + Sync) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(number) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|n| *n < count) {
                    work(number);
                }
            });
        }
    });
}

/// Where streams of this size are cut: at every 64 KiB, and at each of the last 100 bytes.
fn cuts(size: usize) -> Vec<usize> {
    (0..size).step_by(64 << 10).chain(size - 100..size).collect()
}

#[test]
fn a_database_goes_there_and_back() {
    let (pod, store, database) = (Pod::new(), Store::new(), large("pod_round"));
    let places = pod.file("tmp");
    fs::create_dir(&places).unwrap();
    pod.environment(&[("TMPDIR", &places.display().to_string())]);
    let before = database.content();
    let dumped = pod.tool(&store, "fwb-dump").args(["-B", &database.name]).run().ok();
    assert_eq!(dumped.stderr, "", "nothing to say of a dump that went well");
    let dump = dumped.json();
    assert_eq!(dump["client"]["program"], "mariadb-dump");
    // The same, byte for byte, but for the date, as when the programs run here.
    let here = Store::new();
    let local = here.dump(&database);
    assert_eq!(dump["sections"], local["sections"]);
    pod.tool(&store, "fwb-verify").arg(name(&dump)).run().ok();

    database.sql("DELETE FROM bulk WHERE id > 100; CREATE TABLE extra (id INT PRIMARY KEY);");
    let damaged = database.content();
    let restore = || pod.tool(&store, "fwb-restore").arg("--yes");
    let report = restore().arg(name(&dump)).run().ok().json();
    assert_eq!(report["strategy"], "swap");
    assert_eq!(database.content(), before);
    pod.set(Tool::alone("fwb-restore")).args(["--undo", "--yes", "--database", &database.name]).run().ok();
    assert_eq!(database.content(), damaged);
    restore().args([name(&dump), "--strategy", "in-place"]).run().ok();
    assert_eq!(database.content(), before);
    database.sql("DELETE FROM bulk");
    restore().args([name(&dump), "--tables", "bulk"]).run().ok();
    assert_eq!(database.content(), before);
    is_quiet(&pod, "after all that");
    assert_eq!(fs::read_dir(&places).unwrap().count(), 0, "nothing is left in the pod's file system");
    // The least that works is asked of the cluster.
    for call in pod.calls() {
        let call: Vec<&str> = call.iter().map(String::as_str).collect();
        match call[..] {
            ["get", "pods", "-n", "filewallball", "-l", "app=mariadb", "-o", "json"]
            | ["exec", "-i", "-n", "filewallball", "mariadb-0", "-c", "mariadb", "--", "sh", "-c", ..] => {}
            _ => panic!("{call:?}"),
        }
    }
}

#[test]
fn a_dump_that_is_cut_anywhere_is_no_dump() {
    let (pod, store, database) = (Pod::new(), Store::new(), large("pod_cut"));
    let size =
        pod.tool(&store, "fwb-dump").args(["-B", &database.name]).run().ok().json()["raw_size"].clone();
    let size = usize::try_from(size.as_u64().unwrap()).unwrap();
    let cuts = cuts(size);
    assert!(cuts.len() > 116, "{size}");
    each(cuts.len(), |number| {
        let (pod, store, cut) = (Pod::new(), Store::new(), cuts[number]);
        // With and without what comes over stderr, which has the proof.
        let errors = if number % 2 == 0 { "2>/dev/null" } else { "" };
        pod.on_exec(&format!(
            "if [ $what = dump ]; then {{ pod \"$@\" {errors}; }} | {{ head -c {cut}; cat >/dev/null; }}; exit 0; fi"
        ));
        let out = pod.tool(&store, "fwb-dump").args(["-B", &database.name]).run();
        let what = format!("cut at {cut} of {size}");
        let out = out.fails(1, &["was cut while dumping", "pod mariadb-0"]);
        assert!(out.stdout.is_empty(), "{what}");
        is_empty(&store, &what);
    });
    // A reader that is gone altogether, which the program in the pod notices.
    pod.on_exec("if [ $what = dump ]; then pod \"$@\" | head -c 100000; exit 0; fi");
    let empty = Store::new();
    pod.tool(&empty, "fwb-dump").args(["-B", &database.name]).run().fails(1, &["was cut while dumping"]);
    is_empty(&empty, "no reader");
    pod.on_exec("");
    pod.tool(&store, "fwb-dump").args(["-B", &database.name]).run().ok();
}

#[test]
fn a_restore_whose_stdin_is_cut_anywhere_changes_nothing() {
    let (pod, store, database) = (Pod::new(), Store::new(), Database::new("pod_in"));
    let rows = "INSERT INTO bulk SELECT seq, REPEAT(MD5(seq), 20) FROM seq_1_to_1600;";
    let table = "CREATE TABLE bulk (id INT PRIMARY KEY, v VARCHAR(2000));";
    database.sql(format!("{table}{rows}"));
    let dump = store.dump_verified(&database);
    database.sql("DELETE FROM bulk WHERE id > 5; CREATE TABLE other (id INT PRIMARY KEY);");
    let changed = database.content();
    // How long the longest stdin is: that of the rows.
    pod.on_exec("carrier=(tee \"$(mktemp \"$dir/size.XXXXXX\")\")");
    let restore = |pod: &Pod, store: &Store| {
        let tool = pod.tool(store, "fwb-restore").args(["--yes", "--no-safety-backup", "--jobs", "1"]);
        tool.arg(name(&dump)).run()
    };
    restore(&pod, &store).ok();
    let sizes = fs::read_dir(pod.file("")).unwrap().map(|entry| entry.unwrap());
    let sizes = sizes.filter(|entry| entry.file_name().to_string_lossy().starts_with("size."));
    let size = usize::try_from(sizes.map(|entry| entry.metadata().unwrap().len()).max().unwrap()).unwrap();
    assert!(size > 1_000_000, "{size}");
    let undo = || {
        for action in ["--undo", "--drop-before"] {
            let tool = Tool::new("fwb-restore");
            tool.args([action, "--yes", "--database", &database.name]).run().ok();
        }
        assert_eq!(database.content(), changed);
    };
    undo();

    let cuts: Vec<usize> = cuts(size).into_iter().filter(|cut| *cut >= 64 << 10).collect();
    assert!(cuts.len() > 110);
    for cut in cuts {
        let pod = Pod::new();
        pod.on_exec(&format!("carrier=(dd bs=64K count={cut} iflag=count_bytes); pod \"$@\"; exit 0"));
        let out = restore(&pod, &store);
        let what = format!("cut at {cut} of {size}: {}", out.stderr);
        if out.code == Some(0) {
            // The names of locks may be a little shorter this time, and so the whole.
            assert!(cut + 4 >= size, "{what}");
            undo();
            continue;
        }
        assert!(pod.file("stdin.ended").exists(), "{what}");
        assert!(out.fails(1, &["was cut while"]).stdout.is_empty(), "{what}");
        assert_eq!(database.content(), changed, "{what}");
    }
    let others = "SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE LEFT(SCHEMA_NAME, CHAR_LENGTH(DATABASE()) + 2) \
                  = CONCAT(DATABASE(), '__')";
    assert_eq!(database.query(others), "0", "nothing beside it is left");
}
