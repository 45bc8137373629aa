//! Nobody changes or renames a table from the moment that a dump shows until the table is read; whoever tries waits.

use std::io::Read;
use std::process::{Child, ChildStdout};
use std::sync::mpsc;

use crate::faults::{code, sees};
use crate::support::{Server, Store, Tool, gunzip, mariadb};

/// `a` is more than any pipe holds, and is not to be compressed; `b` is read in ranges, and `c` last.
const TABLES: &str = "
CREATE DATABASE held;
USE held;
CREATE TABLE a (id INT PRIMARY KEY AUTO_INCREMENT, pad BLOB);
INSERT INTO a (pad) VALUES (NOISE);
SET @n = 0;
CREATE TABLE b (id INT PRIMARY KEY, pad BLOB);
CREATE TABLE c (id INT PRIMARY KEY, t TEXT);
INSERT INTO c VALUES (1, 'as it was');
";

struct Scene {
    server: Server,
    store: Store,
}

impl Scene {
    fn new(server: Server) -> Self {
        // A thousand bytes that do not compress, on any server: few have RANDOM_BYTES.
        let noise = format!("CONCAT({})", ["UNHEX(SHA2(RAND(), 512))"; 16].join(", "));
        server.sql(TABLES.replace("NOISE", &noise));
        for _ in 0..14 {
            server.sql(format!("INSERT INTO held.a (pad) SELECT {noise} FROM held.a"));
        }
        server
            .sql(format!("INSERT INTO held.b SELECT id, {noise} FROM held.a; ANALYZE TABLE held.a, held.b"));
        Self { server, store: Store::new() }
    }

    /// A dump that is in the middle of `a`: it waits for whoever reads what it writes.
    fn dump(&self, arguments: &[&str]) -> Paused {
        let dump = self.store.tool("fwb-dump").env("FWB_DEFAULTS_FILE", self.server.defaults_file());
        let mut dump = dump.args(["-B", "held", "-o", "-"]).args(arguments).spawn();
        let mut stdout = dump.stdout.take().unwrap();
        let mut begun = vec![0; 100_000];
        stdout.read_exact(&mut begun).unwrap();
        Paused { dump, stdout, begun }
    }

    /// What the server says to a change that may not wait.
    fn try_to(&self, change: &str) -> Result<(), String> {
        let sql = format!("SET lock_wait_timeout=1; {change}");
        let tried = mariadb(&self.server.defaults_file(), &["--database=held"]).stdin(sql).run();
        if tried.code == Some(0) { Ok(()) } else { Err(tried.stderr) }
    }

    /// A change that waits.
    fn waiting(&self, change: &str) -> Child {
        let client = mariadb(&self.server.defaults_file(), &["--database=held"]).stdin(change).spawn();
        sees(&self.server, "held", "state LIKE 'Waiting for table metadata lock'");
        client
    }
}

struct Paused {
    dump: Child,
    stdout: ChildStdout,
    begun: Vec<u8>,
}

impl Paused {
    /// Lets it go on. Returns how it ended, the SQL, and what it said.
    fn go_on(self) -> (Option<i32>, String, String) {
        let Self { mut dump, mut stdout, begun } = self;
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            let mut all = begun;
            stdout.read_to_end(&mut all).unwrap();
            sender.send(all).unwrap();
        });
        let ended = code(&mut dump);
        let mut said = String::new();
        dump.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        let artifact = receiver.recv().unwrap();
        let sql = if ended == Some(0) { gunzip(&artifact) } else { Vec::new() };
        (ended, String::from_utf8_lossy(&sql).into_owned(), said)
    }
}

const CHANGES: [&str; 5] = [
    "ALTER TABLE c ADD COLUMN more INT",
    "RENAME TABLE c TO d",
    "DROP TABLE c",
    "TRUNCATE TABLE c",
    "CREATE TRIGGER t BEFORE INSERT ON c FOR EACH ROW SET @a = 1",
];

fn holds(scene: &Scene, jobs: &str) {
    let paused = scene.dump(&["-j", jobs]);
    for change in CHANGES {
        let said = scene.try_to(change).unwrap_err();
        assert!(said.contains("1205"), "{change}: {said}");
    }
    scene.try_to("INSERT INTO c VALUES (2, 'later')").unwrap();
    // Whoever waits for a table that several connections read does not stop them.
    let mut of_b = scene.waiting("ALTER TABLE b ADD COLUMN more INT");
    let mut of_c = scene.waiting(CHANGES[0]);
    let (ended, sql, said) = paused.go_on();
    assert_eq!((ended, said.as_str()), (Some(0), ""));
    assert!(
        sql.contains("(1,'as it was');") && !sql.contains("later") && !sql.contains("more"),
        "{sql:.2000}"
    );
    assert_eq!(
        sql.lines().filter(|line| line.contains(",_binary 0x") || line.contains(",0x")).count(),
        32768
    );
    assert_eq!((code(&mut of_b), code(&mut of_c)), (Some(0), Some(0)), "they had their turn");
    scene.server.sql("ALTER TABLE held.b DROP COLUMN more; ALTER TABLE held.c DROP COLUMN more; DELETE FROM held.c WHERE id = 2");
}

#[test]
fn whoever_changes_a_table_waits_until_it_is_read() {
    let scene = Scene::new(Server::private("held", &[]));
    holds(&scene, "1");
    holds(&scene, "4");
    does_without(&scene);
}

#[test]
fn whoever_changes_a_table_of_mysql_waits_until_it_is_read() {
    let scene = Scene::new(Server::of("mysql-9.7", "held-mysql", &[]));
    holds(&scene, "1");
    holds(&scene, "4");
}

/// With `--no-hold-ddl` nobody waits, and the dump that would show two moments is none.
fn does_without(scene: &Scene) {
    let paused = scene.dump(&["-j", "1", "--no-hold-ddl"]);
    scene.try_to("ALTER TABLE c ADD COLUMN more INT, ALGORITHM=COPY").unwrap();
    let (ended, _, said) = paused.go_on();
    assert_eq!(ended, Some(1), "{said}");
    assert!(said.contains("hint: the schema changed during the dump; run again"), "{said}");
    let made = scene.store.tool("fwb-dump").env("FWB_DEFAULTS_FILE", scene.server.defaults_file());
    let made: Tool = made.args(["-B", "held", "--no-hold-ddl"]);
    made.run().ok();
}
