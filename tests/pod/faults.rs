//! Streams that are cut, that lose and repeat what they carry, that stall: each is an error, and never a short result.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use super::{Account, each, is_empty, is_quiet, large};
use crate::support::{Database, Output, Pod, Server, Store, Tool, name};
use crate::swap::can_swap;
use crate::torture::whole;

/// What a dump says that it holds; the first and the last section tell the time.
fn digests(dump: &Value) -> Vec<(Value, Value, Value)> {
    let sections = dump["sections"].as_array().unwrap();
    let said = |section: &Value| {
        (section["kind"].clone(), section["rows_digest"].clone(), section["raw_size"].clone())
    };
    sections[1..sections.len() - 1].iter().map(said).collect()
}

/// Dumps through a pod that is as it should be, and keeps what every relay has written.
fn recorded(database: &Database) -> (Vec<Vec<u8>>, Value) {
    let (pod, store) = (Pod::new(), Store::new());
    pod.on_exec("[ $what != relay ] || { pod \"$@\" | tee $dir/said.$number; exit 0; }");
    let dump = pod.tool(&store, "fwb-dump").args(["-B", &database.name, "--jobs", "1"]).run().ok().json();
    let said = (1..).map_while(|number| fs::read(pod.file(&format!("said.{number}"))).ok()).collect();
    (said, dump)
}

/// Where the packets in a stream end.
fn packets(stream: &[u8]) -> Vec<usize> {
    let mut ends = Vec::new();
    let mut at = 0;
    while let Some(&[a, b, c, _]) = stream.get(at..at + 4) {
        at += 4 + (usize::from(a) | usize::from(b) << 8 | usize::from(c) << 16);
        ends.push(at);
    }
    assert_eq!(ends.last(), Some(&stream.len()), "no cut packet");
    ends
}

/// That a dump failed and nothing was published, or that it is the whole.
#[track_caller]
fn is_whole_or_nothing(out: &Output, whole: &Value, store: &Store, what: &str) -> bool {
    if out.code == Some(0) {
        assert_eq!(digests(&out.json()), digests(whole), "{what}");
        return true;
    }
    assert_eq!(out.code, Some(1), "{what}: {}", out.stderr);
    assert!(out.stdout.is_empty() && out.stderr.contains("error: "), "{what}: {}", out.stderr);
    is_empty(store, what);
    false
}

#[test]
fn a_dump_that_is_cut_anywhere_is_no_dump() {
    let database = large("pod_cut");
    let (said, whole) = recorded(&database);
    let longest = said.iter().map(Vec::len).max().unwrap();
    assert!(longest > 1_000_000, "{longest}");
    // Which relay it is, and where it is cut. Only the longest is as long as that.
    let mut cuts = Vec::new();
    for (relay, stream) in said.iter().enumerate() {
        let ends = packets(stream);
        let is_longest = stream.len() == longest;
        // Rows are many; what comes before and after them is not.
        let step = if is_longest { ends.len() / 20 + 1 } else { ends.len() / 2 + 1 };
        let last = if is_longest { 30 } else { 2 };
        let mut at: BTreeSet<usize> = ends.iter().copied().step_by(step).collect();
        at.extend(stream.len().saturating_sub(last)..stream.len());
        at.remove(&stream.len());
        let which =
            move |cut| if is_longest && cut > 200_000 { "$number".into() } else { (relay + 1).to_string() };
        cuts.extend(at.into_iter().map(|cut| (which(cut), cut, stream.len())));
    }
    assert!(cuts.len() > 40, "{}", cuts.len());
    each(cuts.len(), |number| {
        let (relay, cut, size) = &cuts[number];
        let (pod, store) = (Pod::new(), Store::new());
        // A kubectl that is gone, and one that is there and carries no more.
        let end = if number % 4 == 0 { "drain {cut}" } else { "cut {cut}; kill -KILL 0" };
        let end = end.replace("{cut}", &cut.to_string());
        pod.on_exec(&format!("[ $number != {relay} ] || pod \"$@\" | {{ $python $dir/carrier.py {end}; }}"));
        let tool = pod.tool(&store, "fwb-dump").args(["-B", &database.name, "--jobs", "1"]);
        let out = tool.env("FWB_POD_TIMEOUT", "1").run();
        let what = format!("relay {relay}, cut at {cut} of {size}");
        let went_well = is_whole_or_nothing(&out, &whole, &store, &what);
        // Nobody needs the answer to what comes after the last row; and what asks questions is lost between two of them.
        assert!(!went_well || cut + 200 > *size || *size < longest, "{what}");
        is_quiet(&pod, &what);
    });
}

#[test]
fn what_is_lost_or_repeated_on_its_way_is_noticed() {
    let database = large("pod_pieces");
    let (said, whole) = recorded(&database);
    let pieces = said.iter().map(Vec::len).max().unwrap() / 4096;
    let faults: Vec<(&str, usize)> = ["swallow", "repeat"]
        .into_iter()
        .flat_map(|fault| (1..4).chain((40..pieces - 1).step_by(pieces / 8)).map(move |at| (fault, at)))
        .collect();
    each(faults.len(), |number| {
        let (fault, at) = faults[number];
        let (pod, store) = (Pod::new(), Store::new());
        pod.on_exec(&format!(
            "[ $what != relay ] || {{ pod \"$@\" | $python $dir/carrier.py {fault} {at}; exit 0; }}"
        ));
        let tool = pod.tool(&store, "fwb-dump").args(["-B", &database.name, "--jobs", "1"]);
        let out = tool.env("FWB_POD_TIMEOUT", "2").run();
        let what = format!("{fault} {at}");
        let went_well = is_whole_or_nothing(&out, &whole, &store, &what);
        assert!(!went_well, "{what}");
        is_quiet(&pod, &what);
    });
    // What is only slow, and comes in odd parts, is whole.
    let (pod, store) = (Pod::new(), Store::new());
    pod.on_exec("[ $what != relay ] || { pod \"$@\" | $python $dir/carrier.py delay 0; exit 0; }");
    let out = pod.tool(&store, "fwb-dump").args(["-B", &database.name, "--jobs", "1"]).run().ok();
    assert_eq!(digests(&out.json()), digests(&whole));
    // What comes before over stderr does no harm, nor how much of it.
    pod.on_exec("{ yes noise | head -c 20000000; head -c 20000000 /dev/zero; } >&2");
    pod.tool(&store, "fwb-dump").args(["-B", &database.name]).run().ok();
}

/// Where streams of this size are cut: at every 64 KiB, and at each of the last 100 bytes, or at some of both.
fn cuts(size: usize) -> Vec<usize> {
    let (rows, last) = if whole() { (1, 1) } else { (2, 7) };
    (0..size)
        .step_by(rows * (64 << 10))
        .chain((size - 100..size - 8).step_by(last))
        .chain(size - 8..size)
        .collect()
}

/// A database, a backup of it, and what it has become since.
struct Changed {
    database: Database,
    store: Store,
    dump: Value,
    content: String,
}

impl Changed {
    fn new() -> Self {
        let (database, store) = (Database::new("pod_in"), Store::new());
        database.sql(
            "CREATE TABLE bulk (id INT PRIMARY KEY, v VARCHAR(2000));
             INSERT INTO bulk SELECT seq, REPEAT(MD5(seq), 20) FROM seq_1_to_1600;",
        );
        let dump = store.dump_verified(&database);
        database.sql("DELETE FROM bulk WHERE id > 5; CREATE TABLE other (id INT PRIMARY KEY);");
        let content = database.content();
        Self { database, store, dump, content }
    }

    fn restore(&self, pod: &Pod) -> Output {
        let tool = pod.tool(&self.store, "fwb-restore").args(["--yes", "--no-safety-backup", "--jobs", "1"]);
        tool.arg(name(&self.dump)).run()
    }

    /// Takes back a restore.
    fn undo(&self) {
        for action in ["--undo", "--drop-before"] {
            let tool = Tool::new("fwb-restore").args([action, "--yes", "--database", &self.database.name]);
            tool.run().ok();
        }
        assert_eq!(self.database.content(), self.content);
    }
}

#[test]
fn a_restore_whose_stdin_is_cut_anywhere_changes_nothing() {
    if !can_swap() {
        return;
    }
    let places = [Changed::new(), Changed::new()];
    // How long the longest stdin is: that of the rows.
    let pod = Pod::new();
    pod.on_exec("carrier=(tee \"$(mktemp \"$dir/size.XXXXXX\")\")");
    places[0].restore(&pod).ok();
    places[0].undo();
    let files = fs::read_dir(pod.file("")).unwrap().map(|entry| entry.unwrap());
    let sizes = files.filter(|entry| entry.file_name().to_string_lossy().starts_with("size."));
    let size = usize::try_from(sizes.map(|entry| entry.metadata().unwrap().len()).max().unwrap()).unwrap();
    assert!(size > 1_000_000, "{size}");

    let cuts: Vec<usize> = cuts(size).into_iter().filter(|cut| *cut >= 64 << 10).collect();
    assert!(cuts.len() > if whole() { 110 } else { 25 });
    let (half, rest) = cuts.split_at(cuts.len() / 2);
    std::thread::scope(|scope| {
        for (place, cuts) in places.iter().zip([half, rest]) {
            scope.spawn(move || cuts.iter().for_each(|cut| cut_at(place, *cut, size)));
        }
    });
    let others = "SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE LEFT(SCHEMA_NAME, CHAR_LENGTH(DATABASE()) + 2) \
                  = CONCAT(DATABASE(), '__')";
    for place in places {
        assert_eq!(place.database.query(others), "0", "nothing beside it is left");
    }
}

/// Restores over a connection whose stdin ends after so many bytes of about `size`.
fn cut_at(place: &Changed, cut: usize, size: usize) {
    let pod = Pod::new();
    // What comes is passed on at once, up to that byte.
    pod.on_exec(&format!("carrier=(stdbuf -o0 head -c {cut}); pod \"$@\"; exit 0"));
    let out = place.restore(&pod);
    let what = format!("cut at {cut} of {size}: {}", out.stderr);
    if out.code == Some(0) {
        // The names of locks may be a little shorter this time, and so the whole; and of a goodbye, nothing depends.
        assert!(cut + 16 >= size, "{what}");
        place.undo();
        return;
    }
    assert!(pod.file("stdin.ended").exists(), "{what}");
    assert!(out.fails(1, &["was cut while"]).stdout.is_empty(), "{what}");
    assert_eq!(place.database.content(), place.content, "{what}");
}

#[test]
fn what_kubectl_says_is_told() {
    let (store, database) = (Store::new(), Database::sample("pod_words"));
    let dump = |pod: &Pod| pod.tool(&store, "fwb-dump").args(["-B", &database.name]).run();
    for (script, words) in [
        (
            "[ $what != relay ] || { echo 'error: unable to upgrade connection: Forbidden' >&2; exit 1; }",
            "unable to upgrade connection: Forbidden",
        ),
        ("[ $what != relay ] || exit 0", "the server closed the connection"),
        ("[ $what != survey ] || exit 0", "before the pod had told how its server is reached"),
        ("[ $what != survey ] || { pod \"$@\" | head -c 100; exit 0; }", "before the pod had told"),
        ("[ $what != survey ] || { yes | head -c 1000000; exit 0; }", "says more than 65536 bytes"),
        ("[ $what != relay ] || { echo 'HTTP/1.1 400 Bad Request'; exit 0; }", "the server sent"),
    ] {
        let pod = Pod::new();
        pod.on_exec(script);
        dump(&pod).fails(1, &["pod mariadb-0", words]);
        is_empty(&store, script);
        is_quiet(&pod, script);
    }
    // The server's own words are no failures of the connection.
    let pod = Pod::new();
    let tool = pod.tool(&store, "fwb-dump").args(["-B", "fwb_no_such_database"]).env("FWB_RETRIES", "5");
    tool.run().fails(1, &["database fwb_no_such_database does not exist"]);
    // kubectl's exit code means nothing where the protocol came to its end.
    let pod = Pod::new();
    pod.on_exec("pod \"$@\"; exit 7");
    dump(&pod).ok();
}

#[test]
fn a_connection_that_hangs_is_given_up_and_its_session_ended() {
    let database = large("pod_hang");
    let (said, whole) = recorded(&database);
    let rows = said.iter().map(Vec::len).max().unwrap();
    // Before the greeting, in the middle of the rows, and at their end.
    for (cut, relay) in [(0, "1"), (0, "2"), (rows / 2, "$number"), (rows - 20_000, "$number")] {
        let (pod, store) = (Pod::new(), Store::new());
        let account = Account::new(&pod, "fwb_pod_hang");
        // It keeps the way in open too, so the relay and the server learn of nothing.
        pod.on_exec(&format!(
            "if [ $number = {relay} ]; then
                 carrier=(sh -c 'cat; exec setsid sleep 20')
                 pod \"$@\" | $python $dir/carrier.py hang {cut} $dir/hung
                 exit 0
             fi"
        ));
        let tool = pod.tool(&store, "fwb-dump").args(["-B", &database.name, "--jobs", "1"]);
        let tool = tool.env("FWB_POD_TIMEOUT", "2").env("FWB_RETRIES", "1");
        let out = tool.run().ok();
        let what = format!("relay {relay} hangs after {cut}");
        assert!(out.stderr.contains("trying again"), "{what}: {}", out.stderr);
        assert_eq!(digests(&out.json()), digests(&whole), "{what}");
        account.is_gone(&what);
    }
}

#[test]
fn a_statement_may_take_longer_than_the_connection_may_be_silent() {
    let (pod, store, database) = (Pod::new(), Store::new(), Database::sample("pod_long"));
    database.sql("CREATE TABLE held (id INT PRIMARY KEY) ENGINE=MyISAM");
    let holder = Tool::program("mariadb")
        .arg(format!("--defaults-file={}", Server::shared().defaults_file().display()))
        .args(["-e", &format!("LOCK TABLES `{}`.held WRITE; SELECT SLEEP(6)", database.name)])
        .spawn();
    crate::support::until("the lock", || {
        Server::shared()
            .query("SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO = 'SELECT SLEEP(6)'")
            .ne("0")
            .then_some(())
    });
    let begun = std::time::Instant::now();
    let tool = pod.tool(&store, "fwb-dump").args(["-B", &database.name]).env("FWB_POD_TIMEOUT", "1");
    tool.run().ok();
    assert!(begun.elapsed().as_secs() >= 3, "it has waited");
    holder.wait_with_output().unwrap();
}
