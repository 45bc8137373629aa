//! Several runs at one store, and runs that do not come to their end.

use super::{Ground, small};
use crate::environment::Clock;
use crate::faults::{code, held_dump, signal};
use crate::support::{Server, Tool, name};

/// Dumps of one second have names of their own, and nobody's is written over.
pub(super) fn names_are_taken_once(ground: &Ground) {
    let database = small("hurry");
    let clock = Clock::at(chrono::Utc::now().timestamp());
    let dump = || clock.tool(ground.tool("fwb-dump")).args(["-B", &database.name]).run().ok().json();
    let dumps = [dump(), dump(), dump()];
    let mut names: Vec<&str> = dumps.iter().map(name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!((names.len(), ground.place.files().len()), (3, 6));
    for dump in &dumps {
        ground.verify(&[name(dump)]).ok();
    }
    // A sidecar alone holds its name, and a foreign file of the name does.
    clock.stop_at(chrono::Utc::now().timestamp() + 100);
    let first = dump();
    let bytes = ground.place.read(name(&first)).unwrap();
    ground.place.remove(name(&first));
    let second = dump();
    assert_ne!(name(&second), name(&first));
    ground.place.write(name(&first), &bytes);
    ground.verify(&[name(&first)]).ok();
    let prefixed = ground.tool("fwb-dump").args(["-B", &database.name, "--prefix", "nightly/1"]).run().ok();
    assert!(name(&prefixed.json()).starts_with("nightly%2F1_backup_"), "{}", prefixed.stdout_text());
    ground.piped("fwb-verify", prefixed.stdout).run().ok();
}

/// While a run writes, others leave with 4, or wait; whoever reads is not kept from it.
pub(super) fn who_comes_second_waits_or_leaves(ground: &Ground) {
    let database = small("second");
    let before = ground.dump_verified(&database);
    let dump = || ground.tool("fwb-dump").args(["-B", &database.name]);
    let (held, mut first) = held_dump(Server::shared(), &database.name, "t", dump());
    dump().run().fails(4, &["is locked by another run", "hint: "]);
    let prune = |tool: Tool| tool.args(["--keep-days", "0", "--keep-last", "2", name(&before)]);
    prune(ground.tool("fwb-prune")).run().fails(4, &["is locked by another run"]);
    prune(ground.tool("fwb-prune")).arg("--dry-run").run().ok();
    ground.verify(&["--no-record", name(&before)]).ok();
    assert_eq!(ground.listed(), [name(&before)]);
    let mut waiting = prune(ground.tool("fwb-prune")).arg("--lock-wait").spawn();
    drop(held);
    assert_eq!((code(&mut first), code(&mut waiting)), (Some(0), Some(0)));
    assert_eq!(ground.listed().len(), 2);
}

/// A dump that is told to end, or is killed, publishes nothing, and the next one does.
pub(super) fn what_is_cut_off_leaves_nothing(ground: &Ground) {
    let database = small("cut_off");
    let dump = || ground.tool("fwb-dump").args(["-B", &database.name]).env("FWB_STORE_LEASE", "2");
    ground.tool("fwb-dump").args(["-B", "no_such_database"]).run().exits(1);
    for (kind, ended) in [("TERM", Some(143)), ("KILL", None)] {
        let (held, mut child) = held_dump(Server::shared(), &database.name, "t", dump());
        signal(child.id(), kind);
        assert_eq!(code(&mut child), ended, "{kind}");
        drop(held);
        assert_eq!(ground.listed(), [""; 0], "{kind}");
    }
    let next = dump().arg("--lock-wait").run().ok().json();
    assert_eq!(ground.place.files(), [name(&next).to_owned(), format!("{}.json", name(&next))]);
}
