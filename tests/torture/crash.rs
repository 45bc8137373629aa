//! The tool, or the machine, is gone from one moment to the next. What has been published must be there and whole,
//! what has not must not look as if it had, and the next run must find its way.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::disk::{Disk, Operation, operations};
use super::faults::{Losses, Scene, listed, lists_whole_ones};
use super::restores::{RestoringBySwap, RestoringInPlace};
use super::scenes::{Dumping, Pruning, SMALL, Verifying};
use super::shim::{COUNT_ALL, Ended, KILLED, Shim};
use super::{count, say, whole};
use crate::support::{Database, Numbers, Output, Store, Tool, name, sha256};

/// Numbers that are begun anew in each run, and told, so that a run can be had again: `FWB_TORTURE_SEED`.
fn numbers() -> Numbers {
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos().into();
    let given = std::env::var("FWB_TORTURE_SEED").ok().and_then(|text| text.parse().ok());
    let seed: u64 = given.unwrap_or_else(now);
    say(&format!("torture: crash: FWB_TORTURE_SEED={seed}"));
    Numbers::from(seed)
}

/// Kills a scene's tool at random moments of its run.
fn kill<S: Scene>(rounds: u32) {
    let (mut scene, shim, losses, mut numbers) = (S::new(), Shim::new(), Losses::default(), numbers());
    // The shortest of some runs: the machine may be busy with others.
    let mut usual = || {
        let tool = scene.tool();
        let begun = Instant::now();
        shim.run(tool, scene.store().path(), &COUNT_ALL, 0).output.ok();
        u64::try_from(begun.elapsed().as_micros()).unwrap()
    };
    let usual = usual().min(usual()).min(usual());
    let (mut killed, mut ended) = (0, 0);
    for round in 0..rounds {
        let settings = shim.settings(scene.store().path(), &COUNT_ALL, 0);
        let tool = settings.into_iter().fold(scene.tool(), |tool, (name, value)| tool.env(name, value));
        let moment = numbers.below(usual);
        let mut child = tool.spawn();
        std::thread::sleep(Duration::from_micros(moment));
        // It may have ended by itself.
        child.kill().unwrap();
        let done = child.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&done.stderr).into_owned();
        let output = Output { what: S::NAME.into(), code: done.status.code(), stdout: done.stdout, stderr };
        let case = format!("{}: round {round}, killed after {moment} us of {usual}", S::NAME);
        shim.all_gone();
        let whole = output.code == Some(0);
        *(if whole { &mut ended } else { &mut killed }) += 1;
        losses.unless(matches!(output.code, None | Some(0)), || format!("{case}: {output:?}"));
        scene.judge(&Ended { output, calls: Vec::new(), hit: None }, whole, &KILLED, &losses, &case);
    }
    count("crash", S::NAME, &[("kills", killed), ("ended before", ended), ("losses", losses.number())]);
    losses.none();
}

fn rounds(bounded: u32, all: u32) -> u32 {
    if whole() { all } else { bounded }
}

/// A pod that is evicted, a machine that runs out of memory: what a dump has published is whole all the same.
#[test]
fn a_killed_dump_publishes_all_or_nothing() {
    kill::<Dumping>(rounds(10, 200));
}

/// A proof that was cut off has proved nothing, and spoils nothing.
#[test]
fn a_killed_proof_spoils_nothing() {
    kill::<Verifying>(rounds(10, 200));
}

/// Half a deletion is a deletion or none.
#[test]
fn a_killed_prune_deletes_nothing_else() {
    kill::<Pruning>(rounds(10, 200));
}

/// Whoever kills a restore has the old database or the new one.
#[test]
fn a_killed_restore_leaves_one_of_two_databases() {
    kill::<RestoringBySwap>(rounds(4, 150));
}

/// Whoever kills a restore in place has what was there in the store, proved.
#[test]
fn a_killed_restore_in_place_leaves_the_way_back() {
    kill::<RestoringInPlace>(rounds(4, 100));
}

/// The operations of a night: a dump, its proof, and pruning of what is older; what the store held before them.
struct Night {
    before: BTreeMap<String, Vec<u8>>,
    operations: Vec<Operation>,
    /// The store's path while it was recorded.
    store: Store,
    old: String,
    fresh: String,
}

fn night() -> Night {
    let (store, database, shim) = (Store::new(), Database::new("power"), Shim::new());
    database.sql(SMALL);
    let old = name(&store.dump_verified(&database)).to_owned();
    let before =
        store.names().into_iter().map(|name| (name.clone(), fs::read(store.file(&name)).unwrap())).collect();
    let recording = tempfile::NamedTempFile::new().unwrap();
    let record = |tool: Tool| {
        let tool = tool.env("FAULT_RECORD", recording.path());
        shim.run(tool, store.path(), &COUNT_ALL, 0).output.ok()
    };
    let dump = record(store.tool("fwb-dump").args(["-j", "2", "-B"]).arg(&database.name)).json();
    let fresh = name(&dump).to_owned();
    record(Tool::new("fwb-verify").stdin(dump.to_string()));
    record(store.tool("fwb-prune").args(["--keep-days", "0"]).args([&old, &fresh]));
    let operations = operations(&fs::read(recording.path()).unwrap(), store.path());
    Night { before, operations, store, old, fresh }
}

/// What the tools have said by a moment.
#[derive(Default, Clone, Debug)]
struct Said {
    dumped: bool,
    proved: bool,
    deleted: bool,
}

fn said(operations: &[Operation], night: &Night) -> Said {
    let mut said = Said::default();
    for operation in operations {
        let Operation::Print(text) = operation else { continue };
        let record: Value = serde_json::from_slice(text).unwrap();
        let of_fresh = record["name"] == night.fresh.as_str();
        said.dumped |= of_fresh;
        said.proved |= of_fresh && record["verification"]["ok"] == true;
        said.deleted |= record["decision"]["action"] == "delete";
    }
    said
}

/// A power failure keeps what was synced, and of the rest whatever it likes.
#[test]
fn a_power_failure_leaves_a_store_that_lists_what_is_whole() {
    let (night, losses) = (night(), Losses::default());
    let (mut cuts, mut models) = (0, 0);
    let mut seen = BTreeMap::new();
    for cut in 0..=night.operations.len() {
        cuts += 1;
        let done = &night.operations[..cut];
        let said = said(done, &night);
        let mut disk = Disk::new(&night.before);
        for operation in done {
            disk.apply(operation);
        }
        for (model, files) in disk.survivors() {
            models += 1;
            // States that are the same are judged once for each thing that was promised.
            let print: String =
                files.iter().flat_map(|(name, bytes)| [name.clone(), sha256(bytes)]).collect();
            seen.entry(format!("{print}{said:?}")).or_insert((cut, model, files, said.clone()));
        }
    }
    let states = u32::try_from(seen.len()).unwrap();
    for (cut, model, files, said) in seen.into_values() {
        let last = cut.checked_sub(1).map(|last| format!("{:.80?}", night.operations[last]));
        judge(&night, &files, &said, &losses, &format!("power lost after {cut} ({last:?}), {model}"));
    }
    let counts =
        [("cuts", cuts), ("survivors", models), ("states judged", states), ("losses", losses.number())];
    count("crash", "power loss", &counts);
    losses.none();
}

fn judge(night: &Night, files: &BTreeMap<String, Vec<u8>>, said: &Said, losses: &Losses, case: &str) {
    let store = Store::new();
    for (name, bytes) in files {
        store.write(name, bytes);
    }
    let list = lists_whole_ones(&store, losses, case);
    let entry = |name: &str| list.iter().find(|entry| entry.name == name);
    let (old, fresh) = (entry(&night.old), entry(&night.fresh));
    losses.unless(!said.dumped || fresh.is_some(), || {
        format!("{case}: the backup that was reported is not there")
    });
    losses.unless(!said.proved || fresh.is_some_and(|e| e.proved), || {
        format!("{case}: the proof that was reported is lost")
    });
    losses.unless(!said.deleted || old.is_none(), || format!("{case}: what was deleted is back"));
    losses.unless(list.iter().any(|entry| entry.proved), || {
        format!("{case}: no proved backup is left: {list:?}")
    });
    let next = store.tool("fwb-prune").args(["--keep-days", "99", &night.fresh]).run();
    losses.unless(next.code == Some(0), || format!("{case}: the next run fails: {}", next.stderr));
    let left: Vec<String> = store.names().into_iter().filter(|name| name.starts_with('.')).collect();
    losses.unless(left.is_empty(), || format!("{case}: {left:?} stays"));
    losses
        .unless(listed(&store).as_ref() == Ok(&list), || format!("{case}: cleaning up has changed the list"));
}

/// A name that reaches the disk before its bytes do is a backup of nothing.
#[test]
fn bytes_are_synced_before_names_and_names_before_words() {
    let night = night();
    let (mut dirty, mut renamed, mut checked) = (BTreeSet::new(), 0, 0);
    for operation in &night.operations {
        match operation {
            Operation::Create(file) | Operation::Write(file, ..) | Operation::Truncate(file, _) => {
                dirty.insert(file.clone());
            }
            Operation::Sync(file) if file.is_empty() => renamed = 0,
            Operation::Sync(file) => _ = dirty.remove(file),
            Operation::Rename(from, to) => {
                assert!(!dirty.contains(from), "{from} is published before it is synced");
                assert!(from.starts_with('.') && !to.starts_with('.'), "{from} becomes {to}");
                (renamed, checked) = (renamed + 1, checked + 1);
            }
            Operation::Unlink(_) => (renamed, checked) = (renamed + 1, checked + 1),
            Operation::Print(_) => {
                assert_eq!(renamed, 0, "something is reported before the directory is synced");
                checked += 1;
            }
        }
    }
    assert!(night.store.path().is_dir());
    count(
        "crash",
        "order",
        &[("operations", u32::try_from(night.operations.len()).unwrap()), ("checked", checked)],
    );
}
