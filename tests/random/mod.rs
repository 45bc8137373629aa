//! Databases drawn by lot go there and back: 500 in `make torture`, a few in `make test`. Each has its own seed, which is
//! printed where it does not come back: `FWB_RANDOM_SEED` draws that one alone, and
//! `FWB_RANDOM_SQL` writes its statements into a file.

mod schema;

use crate::support::content::{content, differences};
use crate::support::{Numbers, Output, Server, Store, Tool, mariadb};
use crate::torture::{count, say, whole};

struct Scene {
    server: Server,
    store: Store,
}

impl Scene {
    fn tool(&self, name: &str) -> Tool {
        self.store.tool(name).env("FWB_DEFAULTS_FILE", self.server.defaults_file())
    }

    fn make(&self, seed: u64) {
        let sql = schema::schema(&mut Numbers::from(seed));
        let client = mariadb(&self.server.defaults_file(), &["--force", "--default-character-set=utf8mb4"]);
        if let Some(path) = std::env::var_os("FWB_RANDOM_SQL") {
            std::fs::write(path, &sql).unwrap();
        }
        let begin = "DROP DATABASE IF EXISTS d; CREATE DATABASE d CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci; USE d;";
        client.stdin(format!("{begin}\n{sql}")).run();
    }

    /// What is wrong; none where it came back, or the dump named what keeps it from being whole.
    fn wrong(&self, seed: u64) -> Result<bool, String> {
        self.make(seed);
        let before = content(&self.server.defaults_file(), "d");
        let failed =
            |what: &str, done: &Output| format!("{what} ended with {:?}: {}", done.code, done.stderr);
        let dumped = self.tool("fwb-dump").args(["-B", "d"]).run();
        match dumped.code {
            Some(0) => {}
            Some(2) => return Ok(false),
            _ => return Err(failed("fwb-dump", &dumped)),
        }
        let verified = self.tool("fwb-verify").stdin(&dumped.stdout).run();
        if verified.code != Some(0) {
            return Err(failed("fwb-verify", &verified));
        }
        let manifest = dumped.json();
        let named =
            format!("{}{}{}", manifest["warnings"], manifest["broken_views"], manifest["broken_programs"]);
        let strategy: &[&str] = if seed.is_multiple_of(2) { &["--strategy", "in-place"] } else { &[] };
        if seed.is_multiple_of(3) {
            self.server.sql("DROP DATABASE d");
        }
        let restore =
            self.tool("fwb-restore").args(["--yes", "--no-safety-backup", "--drop-before"]).args(strategy);
        let mut restored = restore.stdin(manifest.to_string()).run();
        if restored.code == Some(2) && restored.stderr.contains("--strategy in-place") {
            let restore =
                self.tool("fwb-restore").args(["--yes", "--no-safety-backup", "--strategy", "in-place"]);
            restored = restore.stdin(manifest.to_string()).run();
        }
        if restored.code != Some(0) {
            return Err(failed("fwb-restore", &restored));
        }
        let differs = differences(&before, &content(&self.server.defaults_file(), "d"));
        let unnamed = differs.into_iter().find(|(what, _)| {
            let name =
                what.split_once(' ').map_or(what.as_str(), |(_, name)| name.trim_start_matches("table "));
            !named.contains(name)
        });
        unnamed.map_or(Ok(true), |(what, text)| Err(format!("{what}: {text}")))
    }
}

#[test]
fn databases_drawn_by_lot_come_back() {
    if !Server::shared().is_mariadb((10, 10)) {
        return;
    }
    let scene = Scene { server: Server::private("random", &["--event-scheduler=OFF"]), store: Store::new() };
    let given = std::env::var("FWB_RANDOM_SEED").ok().and_then(|seed| seed.parse().ok());
    let rounds = if whole() { 500 } else { 30 };
    let seeds: Vec<u64> = given.map_or_else(|| (1..=rounds).collect(), |seed| vec![seed]);
    let (mut equal, mut refused, mut wrong) = (0, 0, Vec::new());
    for seed in seeds {
        match scene.wrong(seed) {
            Ok(true) => equal += 1,
            Ok(false) => refused += 1,
            Err(why) => {
                say(&format!("FWB_RANDOM_SEED={seed}: {why}"));
                wrong.push(seed);
            }
        }
    }
    count("random", "databases", &[("equal, or named", equal), ("refused at the dump", refused)]);
    assert!(wrong.is_empty(), "of these seeds: {wrong:?}");
}
