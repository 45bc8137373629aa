//! The world going wrong around a backup or a restore: programs that die, signals, full disks, a lost server. What is
//! published must be whole, what was there must be there still, and nothing may be left running.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::support::{Database, Fault, Proxy, Server, Store, Tool, bash, mariadb, name, peak_memory, until};
use serde_json::Value;

pub(crate) fn signal(pid: u32, name: &str) {
    let sent = Command::new("kill").args(["-s", name, &pid.to_string()]).status().unwrap();
    assert!(sent.success());
}

/// Whether a process is there and no zombie.
pub(crate) fn runs(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

pub(crate) fn is_gone(pid: u32) {
    until("the end of the child", || (!runs(pid)).then_some(()));
}

/// A child's exit code, its end awaited for a bounded time.
pub(crate) fn code(child: &mut Child) -> Option<i32> {
    until("the tool's end", || child.try_wait().unwrap()).code()
}

fn stderr(child: Child) -> String {
    String::from_utf8_lossy(&child.wait_with_output().unwrap().stderr).into_owned()
}

/// A session that keeps what its SQL has locked until it is dropped.
pub(crate) struct Holder<'a> {
    server: &'a Server,
    client: Child,
    id: String,
}

impl<'a> Holder<'a> {
    pub(crate) fn new(server: &'a Server, database: &str, sql: &str) -> Self {
        let client = mariadb(&server.defaults_file(), &["--database", database]);
        let mut client = client.stdin(format!("{sql}; SELECT SLEEP(600)")).spawn();
        let asleep = connection(database, "info LIKE 'SELECT SLEEP%'");
        let id = until("the session that holds", || {
            let ended = client.try_wait().unwrap();
            assert!(ended.is_none(), "{sql}: {ended:?}");
            Some(server.query(&asleep)).filter(|id| !id.is_empty())
        });
        Self { server, client, id }
    }
}

impl Drop for Holder<'_> {
    fn drop(&mut self) {
        let _ = mariadb(&self.server.defaults_file(), &[]).stdin(format!("KILL {}", self.id)).run();
        let _ = self.client.kill();
        let _ = self.client.wait();
    }
}

/// The connection to `database` of which `condition` holds, as soon as there is one.
pub(crate) fn sees(server: &Server, database: &str, condition: &str) -> String {
    let sql = connection(database, condition);
    until(condition, || Some(server.query(&sql)).filter(|id| !id.is_empty()))
}

fn connection(database: &str, condition: &str) -> String {
    format!("SELECT id FROM information_schema.processlist WHERE db = '{database}' AND {condition} LIMIT 1")
}

pub(crate) const WAITS: &str = "state LIKE 'Waiting for table metadata lock'";

/// Begins a dump of a database, which waits for this table until the first value is dropped.
pub(crate) fn held_dump<'a>(
    server: &'a Server,
    database: &str,
    table: &str,
    dump: Tool,
) -> (Holder<'a>, Child) {
    let held = Holder::new(server, database, &format!("LOCK TABLES `{table}` WRITE"));
    let dump = dump.spawn();
    sees(server, database, &format!("{WAITS} AND info LIKE 'SELECT%'"));
    (held, dump)
}

/// No connection waits for a table any more.
fn nobody_waits(server: &Server, database: &str) {
    let sql =
        format!("SELECT COUNT(*) FROM information_schema.processlist WHERE db = '{database}' AND {WAITS}");
    until("the end of the connection", || Some(()).filter(|()| server.query(&sql) == "0"));
}

/// A dump that ends early once was a backup of 20 bytes, found when it was needed.
#[test]
fn half_a_dump_is_never_published() {
    let (database, server) = (Database::sample("half"), Server::shared());
    let dump = |proxy: &Proxy, store: &Store| {
        store.tool("fwb-dump").arg("-B").arg(&database.name).arg("--socket").arg(proxy.socket()).run()
    };
    let (whole, store) = (Proxy::new(server, Fault::Cut(usize::MAX)), Store::new());
    dump(&whole, &store).ok();
    let all = whole.passed();
    assert!(all > 20_000, "{all}");
    for twentieth in 0..20 {
        let (proxy, store) = (Proxy::new(server, Fault::Cut(all * twentieth / 20)), Store::new());
        let ended = dump(&proxy, &store);
        ended.fails(1, &["hint: "]);
        assert_eq!(store.names(), [""; 0], "{twentieth}");
    }
}

/// A pod is ended by SIGTERM: a dump that goes on holds its snapshot open on the server, one that leaves its lock
/// ends all nights after it.
#[test]
fn a_signal_ends_the_dump_and_leaves_nothing() {
    let (database, server) = (Database::sample("signal"), Server::shared());
    for (number, expected) in [("TERM", 143), ("INT", 130), ("HUP", 129)] {
        let store = Store::new();
        let dump = store.tool("fwb-dump").arg("-B").arg(&database.name);
        let (held, mut dump) = held_dump(server, &database.name, "settings", dump);
        signal(dump.id(), number);
        assert_eq!(code(&mut dump), Some(expected), "{number}");
        nobody_waits(server, &database.name);
        drop(held);
        assert_eq!(store.names(), [""; 0], "{number}");
        store.dump(&database);
    }
}

/// After a crash nobody is there to clean up: the next night does it, and has its backup.
#[test]
fn after_a_sigkill_the_next_run_cleans_up() {
    let (database, server, store) = (Database::sample("sigkill"), Server::shared(), Store::new());
    let dump = store.tool("fwb-dump").arg("-B").arg(&database.name);
    let (held, mut dump) = held_dump(server, &database.name, "settings", dump);
    signal(dump.id(), "KILL");
    assert_eq!(code(&mut dump), None);
    nobody_waits(server, &database.name);
    drop(held);
    let listed = store.tool("fwb-ls").run().ok();
    assert_eq!(listed.stdout_text(), "", "half a backup is none");
    let manifest = store.dump(&database);
    assert_eq!(store.names(), [name(&manifest).to_owned(), format!("{}.json", name(&manifest))]);
}

/// Two runs in one store would sweep each other's files and prune what the other counts on.
#[test]
fn a_second_run_finds_the_store_locked() {
    let (database, server, store) = (Database::sample("locked"), Server::shared(), Store::new());
    let manifest = store.dump_verified(&database);
    let dump = || store.tool("fwb-dump").arg("-B").arg(&database.name);
    let (held, mut first) = held_dump(server, &database.name, "settings", dump());
    let locked = |tool: Tool| tool.run().fails(4, &["locked by another run", "hint: "]);
    locked(dump());
    locked(store.tool("fwb-prune").stdin(manifest.to_string()));
    locked(store.tool("fwb-restore").arg("--yes").stdin(manifest.to_string()));
    store.tool("fwb-ls").run().ok();
    signal(first.id(), "TERM");
    assert_eq!(code(&mut first), Some(143));
    drop(held);
    store.dump(&database);
}

/// Two jobs that write one file must not both write into it: what would come out is neither's backup.
#[test]
fn two_dumps_into_one_file_do_not_mix() {
    let (small, large) = (Database::sample("mix_small"), Database::new("mix_large"));
    large.sql(
        "CREATE TABLE a (id INT PRIMARY KEY, d BLOB); CREATE TABLE b (id INT PRIMARY KEY);
        INSERT INTO a SELECT seq, RANDOM_BYTES(1000) FROM seq_1_to_3000; INSERT INTO b VALUES (1);",
    );
    let store = Store::new();
    let into = |database: &Database| {
        let dump = store.tool("fwb-dump").arg("-B").arg(&database.name);
        dump.arg("-o").arg(store.file("x.sql.gz"))
    };
    let (held, mut first) = held_dump(Server::shared(), &large.name, "b", into(&large));
    let second = into(&small).run();
    let proves = || store.tool("fwb-verify").arg("x.sql.gz").run().ok();
    if second.code == Some(0) {
        proves();
    }
    drop(held);
    let first_ended = code(&mut first);
    if first_ended == Some(0) {
        proves();
    }
    assert!(first_ended == Some(0) || second.code == Some(0), "one of them has its backup");
}

/// A dump to a path takes no lock on the store that the path may lie in: what it is writing is not what a dead run left.
#[test]
fn tidying_up_leaves_a_dump_at_work_alone() {
    let (database, other) = (Database::sample("at_work"), Database::sample("at_work_too"));
    let store = Store::new();
    let dump = store.tool("fwb-dump").arg("-B").arg(&database.name);
    let dump = dump.arg("-o").arg(store.file("x.sql.gz"));
    let (held, mut dump) = held_dump(Server::shared(), &database.name, "settings", dump);
    store.write(".dead.sql.gz.partial", "half");
    store.dump(&other);
    drop(held);
    assert_eq!(code(&mut dump), Some(0));
    store.tool("fwb-verify").arg("x.sql.gz").run().ok();
    assert!(!store.file(".dead.sql.gz.partial").exists());
}

/// A full disk must not leave half a backup that looks like one, nor cost the one before.
#[test]
fn a_full_disk_costs_no_backup() {
    let database = Database::new("full");
    database.sql("CREATE TABLE a (id INT PRIMARY KEY, d BLOB); INSERT INTO a SELECT seq, RANDOM_BYTES(1000) FROM seq_1_to_900;");
    let store = Store::new();
    let manifest = store.dump_verified(&database);
    let names = store.names();
    // A limit on a file's size is a full disk that needs no root: writing fails in the same place.
    let limited = |line: &str| {
        let script = format!("trap '' XFSZ; ulimit -f 100; {line}");
        bash(&script).env("STORE", store.path()).env("DB", &database.name).run().fails(1, &["File too large"])
    };
    limited(r#"fwb-dump -s "$STORE" -B "$DB""#);
    limited(r#"fwb-dump -B "$DB" -o "$STORE/other.sql.gz""#);
    database.sql("INSERT INTO a VALUES (0, 'new')");
    let before = database.content();
    limited(&format!(r#"fwb-restore -s "$STORE" -f '{}' --yes"#, name(&manifest)));
    assert!(database.content() == before, "a restore without a safety backup does not begin");
    bash(r#"fwb-dump -B "$DB" -o - > /dev/full"#)
        .env("DB", &database.name)
        .run()
        .fails(1, &["No space left"]);
    assert_eq!(store.names(), names);
}

/// A connection that an administrator or a timeout ends leaves a dump that stops in the middle of a table.
#[test]
fn a_dump_whose_connection_is_killed_is_not_published() {
    let (database, store) = (Database::sample("cut"), Store::new());
    let server = Server::shared();
    let _held = Holder::new(server, &database.name, "LOCK TABLES settings WRITE");
    let mut dump = store.tool("fwb-dump").arg("-B").arg(&database.name).spawn();
    server.sql(format!("KILL {}", sees(server, &database.name, &format!("{WAITS} AND info LIKE 'SELECT%'"))));
    assert_eq!(code(&mut dump), Some(1));
    let said = stderr(dump);
    assert!(said.contains("while dumping table settings of") && said.contains("hint: "), "{said}");
    assert_eq!(store.names(), [""; 0]);
}

/// Begins a restore that waits in the middle of removing what is there; returns it with what it has started.
fn begin_restore(store: &Store, server: &Server, manifest: &Value, options: &[&str]) -> (Child, Vec<u32>) {
    let database = manifest["database"].as_str().unwrap();
    let tool = store.tool("fwb-restore").env("FWB_DEFAULTS_FILE", server.defaults_file());
    let restore =
        tool.args(["--yes", "--strategy", "in-place"]).args(options).stdin(manifest.to_string()).spawn();
    sees(server, database, &format!("{WAITS} AND (info LIKE 'DROP%' OR info LIKE 'EXECUTE IMM%')"));
    let found = Command::new("pgrep").args(["-P", &restore.id().to_string()]).output().unwrap().stdout;
    let children = String::from_utf8(found).unwrap().lines().map(|pid| pid.parse().unwrap()).collect();
    (restore, children)
}

const TWO_TABLES: &str =
    "CREATE TABLE aa (id INT PRIMARY KEY, v VARCHAR(20)); INSERT INTO aa VALUES (1, 'old');
    CREATE TABLE zz (id INT PRIMARY KEY); INSERT INTO zz VALUES (1);";
const CHANGES: &str =
    "UPDATE aa SET v = 'live'; INSERT INTO zz VALUES (2); CREATE TABLE mm (id INT PRIMARY KEY);
    INSERT INTO mm VALUES (5); CREATE VIEW vv AS SELECT v FROM aa;
    CREATE TRIGGER tr BEFORE INSERT ON mm FOR EACH ROW SET NEW.id = NEW.id + 1;";

/// What a dump says of everything but the moment at which it was made, which is in its first and last lines.
fn definitions(dump: &Value) -> Vec<[Value; 4]> {
    let sections = dump["sections"].as_array().unwrap().iter();
    let lasting = sections.filter(|section| section["kind"] != "header" && section["kind"] != "trailer");
    lasting
        .map(|section| ["kind", "name", "crc32", "rows_digest"].map(|field| section[field].clone()))
        .collect()
}

/// Whoever interrupts a restore gets back what was there: half a database is what a backup is to prevent.
#[test]
fn an_interrupted_restore_is_rolled_back() {
    for (number, expected, options) in [("TERM", 143, &[][..]), ("INT", 130, &["--tables", "aa,zz"])] {
        let (database, store, server) = (Database::new("interrupted"), Store::new(), Server::shared());
        database.sql(TWO_TABLES);
        let manifest = store.dump(&database);
        database.sql(CHANGES);
        let (before, dump) = (database.content(), store.dump(&database));
        let held = Holder::new(server, &database.name, "START TRANSACTION; SELECT * FROM zz");
        let (mut restore, children) = begin_restore(&store, server, &manifest, options);
        signal(restore.id(), number);
        // The first one is the guard, which keeps other restores away until the end.
        children.into_iter().skip(1).for_each(is_gone);
        drop(held);
        assert_eq!(code(&mut restore), Some(expected));
        let said = stderr(restore);
        assert!(said.contains("rolled back to what it held before"), "{said}");
        assert_eq!(database.content(), before, "{number}");
        assert_eq!(definitions(&store.dump(&database)), definitions(&dump), "the same objects");
    }
}

/// A restore that is killed cannot roll back; what was there must be in the store, proved, under a name that a tired
/// operator finds.
#[test]
fn a_killed_restore_leaves_a_proved_safety_backup() {
    let (database, store, server) = (Database::new("crashed"), Store::new(), Server::shared());
    database.sql(TWO_TABLES);
    let manifest = store.dump(&database);
    database.sql(CHANGES);
    let before = database.content();
    let held = Holder::new(server, &database.name, "START TRANSACTION; SELECT * FROM zz");
    let (mut restore, children) = begin_restore(&store, server, &manifest, &[]);
    signal(restore.id(), "KILL");
    assert_eq!(code(&mut restore), None);
    children.into_iter().for_each(is_gone);
    drop(held);
    let safety = store.tool("fwb-ls").args(["--kind", "safety", "--verified"]).run().ok().json();
    store.tool("fwb-restore").arg("--yes").stdin(safety.to_string()).run().ok();
    assert_eq!(database.content(), before);
}

/// Ends a server in order. Clients still know where it was.
pub(crate) fn stop(server: &Server) {
    server.sql("SHUTDOWN");
    until("the server's end", || server.has_ended().then_some(()));
}

pub(crate) fn restart(server: &Server) {
    // One that lives on is left as it is.
    for _ in 0..3000 {
        if server.has_ended() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/sandbox.sh");
    let dir = server.defaults_file();
    Tool::program(script).args(["start", "--dir"]).arg(dir.parent().unwrap()).run().ok();
}

/// A server that dies takes the dump or the restore with it, and never the data: not a backup that is none, and the
/// way back in the error message.
#[test]
fn a_server_that_dies_costs_neither_backup_nor_data() {
    let (server, store) = (Server::private("dies", &[]), Store::new());
    let dump = || store.tool("fwb-dump").env("FWB_DEFAULTS_FILE", server.defaults_file()).args(["-B", "d"]);
    server.sql(format!("CREATE DATABASE d; USE d; {TWO_TABLES}"));
    let held = Holder::new(&server, "d", "LOCK TABLES zz WRITE");
    let mut running = dump().spawn();
    sees(&server, "d", &format!("{WAITS} AND info LIKE 'SELECT%'"));
    signal(server.pid(), "KILL");
    drop(held);
    assert_eq!(code(&mut running), Some(1));
    assert_eq!(store.names(), [""; 0]);
    restart(&server);

    let manifest = dump().run().ok().json();
    server.sql(format!("USE d; {CHANGES}"));
    let content = || {
        server.query(
            "SELECT * FROM d.aa; SELECT * FROM d.mm; SELECT * FROM d.vv; SELECT * FROM d.zz ORDER BY 1",
        )
    };
    let before = content();
    let held = Holder::new(&server, "d", "START TRANSACTION; SELECT * FROM zz");
    let (mut restore, _) = begin_restore(&store, &server, &manifest, &[]);
    signal(server.pid(), "KILL");
    drop(held);
    assert_eq!(code(&mut restore), Some(1));
    let said = stderr(restore);
    let safety = store.names().into_iter().find(|name| name.contains("_safety_")).unwrap();
    assert!(said.contains(&safety) && said.contains("hint: "), "the error says where the data is: {said}");
    restart(&server);
    let back = store.tool("fwb-restore").env("FWB_DEFAULTS_FILE", server.defaults_file());
    back.args(["--yes", "-f", &safety]).run().ok();
    assert_eq!(content(), before);
}

/// The most memory that a process takes, in KiB, while it runs to a good end.
pub(crate) fn peak(tool: Tool) -> u64 {
    let mut child = tool.command().stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    let mut peak = 0;
    loop {
        peak = peak.max(peak_memory(&child).unwrap_or_default());
        if let Some(ended) = child.try_wait().unwrap() {
            assert!(ended.success());
            return peak;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A tool whose memory grows with the largest row is killed on the night when somebody has stored a video.
#[test]
fn a_row_of_64_mib_fits_into_128_mib_of_memory() {
    let (database, store) = (Database::new("memory"), Store::new());
    database.sql("CREATE TABLE t (id INT PRIMARY KEY, d LONGBLOB NOT NULL); INSERT INTO t VALUES (1, REPEAT(x'00ff2741', 16 << 20)), (2, 'x');");
    let copy = Database::reserved("memory_copy");
    let dump = store.tool("fwb-dump").arg("-B").arg(&database.name);
    let mut peaks = vec![("fwb-dump", peak(dump))];
    let backup = store.names().into_iter().find(|name| !name.contains(".json")).unwrap();
    peaks.push(("fwb-verify", peak(store.tool("fwb-verify").arg(&backup))));
    peaks.push(("fwb-restore --stdout", peak(store.tool("fwb-restore").args([&backup, "--stdout"]))));
    let restore = store.tool("fwb-restore").args([&backup, "--yes", "--database", &copy.name]);
    peaks.push(("fwb-restore", peak(restore)));
    assert_eq!(copy.query("SELECT id, MD5(d) FROM t"), database.query("SELECT id, MD5(d) FROM t"));
    assert!(peaks.iter().all(|(_, peak)| *peak > 0 && *peak < 128 << 10), "KiB: {peaks:?}");
}
