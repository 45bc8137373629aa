//! A restore whose connection is cut at each command that it sends: before the server gets it, or before its answer comes.

use std::time::Duration;

use serde_json::Value;

use super::{count, whole};
use crate::faults::{restart, signal};
use crate::support::{At, Fault, Proxy, Server, Store, Tool};
use crate::swap::{AFTER, BEFORE, can_swap, left, quiet, state};

/// A server with a database, two backups of it, and what it is like when each of them is restored.
struct Scene {
    server: Server,
    store: Store,
    old: (Value, String),
    new: (Value, String),
}

impl Scene {
    fn new(name: &str) -> Self {
        let (server, store) = (Server::private(name, &[]), Store::new());
        server.sql(format!("CREATE DATABASE d; USE d; {BEFORE}"));
        let dump = || {
            let tool = store.tool("fwb-dump").env("FWB_DEFAULTS_FILE", server.defaults_file());
            (tool.args(["-B", "d"]).run().ok().json(), state(&server))
        };
        let old = dump();
        server.sql(format!("USE d; {AFTER}"));
        let new = dump();
        Self { server, store, old, new }
    }

    fn restore(&self) -> Tool {
        self.store.tool("fwb-restore").env("FWB_DEFAULTS_FILE", self.server.defaults_file())
    }

    /// Restores over a connection with this fault; what has to go that earlier ones have kept goes too.
    fn through(&self, proxy: &Proxy, dump: &Value) -> Tool {
        let tool = self.restore().arg("--socket").arg(proxy.socket());
        tool.args(["-j", "2", "--yes", "--no-safety-backup", "--keep-before", "1"]).stdin(dump.to_string())
    }

    /// How many commands a restore has. The old database is there afterwards.
    fn commands(&self) -> usize {
        let usual = Proxy::new(&self.server, Fault::Command(usize::MAX, At::Before));
        self.through(&usual, &self.old.0).run().ok();
        assert_eq!(self.judge(&self.old.1, &self.new.1, "not cut"), self.old.1);
        assert!(usual.commands() > 50, "{}", usual.commands());
        usual.commands()
    }

    /// Whatever was cut off: it is one of the two databases, the next run puts everything in order, and changes none of it.
    fn judge(&self, comes: &str, is: &str, case: &str) -> String {
        let now = state(&self.server);
        assert!(now == is || now == comes, "{case}: neither what it was nor what was restored:\n{now}");
        let told = self.restore().args(["--drop-before", "--yes", "--database", "d"]).run();
        let left = left(&self.server, "d");
        assert_eq!(left, [""; 0], "{case}: {}", told.stderr);
        assert_eq!(state(&self.server), now, "{case}: tidying up changes nothing");
        now
    }
}

/// Where `make torture` cuts at every command, `make test` does at every so manieth.
const STRIDE: usize = 19;

#[test]
fn a_restore_that_is_cut_at_any_command_leaves_one_of_two_databases() {
    if !can_swap() {
        return;
    }
    let scene = Scene::new("cut_commands");
    let (all, step) = (scene.commands(), if whole() { 1 } else { STRIDE });
    let (mut comes, mut is) = (&scene.new, &scene.old);
    let (mut swapped, mut stayed) = (0, 0);
    for (turn, how) in [At::Before, At::After, At::AndAll].into_iter().enumerate() {
        for at in (1 + turn * step / 3..=all).step_by(step) {
            let proxy = Proxy::new(&scene.server, Fault::Command(at, how));
            let ended = scene.through(&proxy, &comes.0).run();
            quiet(&scene.server);
            let case = format!("command {at} of {all}, {how:?}: {:?} {}", ended.code, ended.stderr);
            let now = scene.judge(&comes.1, &is.1, &case);
            assert!(now == comes.1 || ended.code != Some(0), "{case}: it is said to be restored");
            let untouched = ended.stderr.contains("; d is as it was");
            assert!(now == is.1 || !untouched, "{case}: it is not as it was");
            if now == comes.1 {
                std::mem::swap(&mut comes, &mut is);
                swapped += 1;
            } else {
                stayed += 1;
            }
        }
    }
    count("commands", "connections cut", &[("before the swap", stayed), ("after it", swapped)]);
    assert!(stayed > 3 && swapped > 3, "{stayed} {swapped}");
}

/// The server ends at a command, and what it wrote last is what it finds.
#[test]
fn a_server_that_ends_at_any_command_has_one_of_two_databases() {
    if !can_swap() {
        return;
    }
    let scene = Scene::new("last_commands");
    let all = scene.commands();
    let (mut comes, mut is) = (&scene.new, &scene.old);
    let mut ends = 0;
    for at in (1..=all).step_by(if whole() { 1 } else { 3 * STRIDE }) {
        let proxy = Proxy::new(&scene.server, Fault::Command(at, At::AndAll));
        let mut child = scene.through(&proxy, &comes.0).spawn();
        while proxy.commands() < at && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        signal(scene.server.pid(), "KILL");
        child.wait().unwrap();
        restart(&scene.server);
        // What was cut off in the few milliseconds of the swap itself is put in order by the next run.
        scene.restore().args(["--drop-before", "--yes", "--database", "d"]).run();
        let now = scene.judge(&comes.1, &is.1, &format!("command {at} of {all}"));
        if now == comes.1 {
            std::mem::swap(&mut comes, &mut is);
        }
        ends += 1;
    }
    count("commands", "servers killed", &[("", ends)]);
}
