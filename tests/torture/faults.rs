//! Every call that matters fails, stops short or is the last one, in its turn: whole runs of the tools, with the n-th
//! call going wrong for each n. Whatever happens, a failure must not look like a success, and nothing that was there
//! may be lost.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::SystemTime;

use serde_json::Value;

use super::shim::{COUNT_ALL, Ended, IN_HEALTH, MODES, Mode, Shim, chosen, strace};
use super::{count, say, whole};
use crate::support::{Store, Tool, name};

/// A file: what it holds, and when that was written.
pub(crate) type Files = BTreeMap<PathBuf, (Vec<u8>, SystemTime)>;

/// What the files of these names are now.
pub(crate) fn files(store: &Store, backups: &[&str]) -> Files {
    let names = backups.iter().flat_map(|name| [(*name).to_owned(), format!("{name}.json")]);
    let read = |name: String| {
        let path = store.file(&name);
        let modified = fs::metadata(&path).ok()?.modified().ok()?;
        Some((path.clone(), (fs::read(&path).ok()?, modified)))
    };
    names.filter_map(read).collect()
}

/// What a walk found: losses, told one by one, so that one run shows them all.
#[derive(Default)]
pub(crate) struct Losses(Mutex<Vec<String>>);

impl Losses {
    pub(crate) fn unless(&self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            // At once, because a whole walk takes its time.
            let what = what();
            say(&format!("torture: lost: {what}"));
            self.0.lock().unwrap().push(what);
        }
    }

    pub(crate) fn number(&self) -> u32 {
        u32::try_from(self.0.lock().unwrap().len()).unwrap()
    }

    #[track_caller]
    pub(crate) fn none(self) {
        let losses = self.0.into_inner().unwrap();
        assert!(losses.is_empty(), "{} losses:\n{}", losses.len(), losses.join("\n"));
    }
}

/// What `fwb-ls` lists: the names, and of each whether it is called proved, and good.
pub(crate) fn listed(store: &Store) -> Result<Vec<Listed>, String> {
    let out = store.tool("fwb-ls").args(["--format", "jsonl"]).run();
    if out.code != Some(0) {
        return Err(format!("fwb-ls exits with {:?}: {}", out.code, out.stderr));
    }
    let listed = |record: &Value| {
        let outcome = &record["verification"];
        let proved = outcome["ok"] == true && (outcome["level"] == "full" || outcome["level"] == "drill");
        Listed { name: name(record).into(), proved, failed: outcome["ok"] == false }
    };
    Ok(out.records().iter().map(listed).collect())
}

/// A line of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) name: String,
    pub(crate) proved: bool,
    /// Its latest outcome is a failure.
    pub(crate) failed: bool,
}

/// What must hold of a store at any time: all that it lists is whole.
pub(crate) fn lists_whole_ones(store: &Store, losses: &Losses, case: &str) -> Vec<Listed> {
    let list = match listed(store) {
        Ok(list) => list,
        Err(error) => {
            losses.unless(false, || format!("{case}: {error}"));
            return Vec::new();
        }
    };
    for Listed { name, failed, .. } in &list {
        let proof = store.tool("fwb-verify").args(["--no-record", name]).run();
        losses.unless(proof.code == Some(0), || format!("{case}: {name} is listed: {}", proof.stderr));
        losses.unless(!failed, || format!("{case}: {name} is called bad"));
    }
    list
}

/// What must hold of how a tool ended: whether it claims to have done its work.
pub(crate) fn ended_well(ended: &Ended, mode: &Mode, losses: &Losses, case: &str) -> bool {
    let out = &ended.output;
    losses.unless(!out.stderr.contains("panicked"), || format!("{case}: it panicked: {}", out.stderr));
    if mode.kills {
        // The fault may have found no call: then it has ended as always.
        losses.unless(matches!(out.code, None | Some(0)), || format!("{case}: {out:?}"));
    } else {
        losses.unless(matches!(out.code, Some(0 | 1)), || {
            format!("{case}: exit {:?}: {}", out.code, out.stderr)
        });
        let said = out.code == Some(0) || out.stderr.contains(": error: ");
        losses.unless(said, || format!("{case}: it says nothing: {:?}", out.stderr));
    }
    if mode.harmless {
        losses.unless(out.code == Some(0), || format!("{case}: it gave up: {}", out.stderr));
    }
    out.code == Some(0)
}

/// A place where a tool runs over and over, and what is looked at after each run.
pub(crate) trait Scene: Send {
    /// Its name in the line of counts.
    const NAME: &'static str;
    /// How often a bounded walk takes a call: every n-th of those chosen.
    const STRIDE: usize;

    fn new() -> Self;
    fn store(&self) -> &Store;
    /// Makes all as it was, and returns the tool.
    fn tool(&mut self) -> Tool;
    /// Looks at what is there after a run that claimed to be `done` or not; then runs the tool again, in health.
    fn judge(&self, ended: &Ended, done: bool, mode: &Mode, losses: &Losses, case: &str);
}

/// Walks through all calls of a scene's tool in every mode.
fn walk<S: Scene>() {
    let losses = Losses::default();
    let mut jobs = Vec::new();
    let (mut first, shim) = (S::new(), Shim::new());
    for mode in MODES {
        let tool = first.tool();
        let healthy = shim.run(tool, first.store().path(), mode, 0);
        ended_well(&healthy, &IN_HEALTH, &losses, "in health");
        // A refused thread has once made a restore in place pass by its rollback, at few of many calls: all count.
        let (numbers, stride) = match mode.is_of_threads() {
            _ if whole() => (chosen(&healthy.calls, true), 1),
            true => (chosen(&healthy.calls, true), S::STRIDE.div_ceil(4)),
            false => (chosen(&healthy.calls, false), S::STRIDE),
        };
        // Each mode begins at another place, so that together they take more of the calls.
        let begin = jobs.len() % stride.min(numbers.len().max(1));
        jobs.extend(numbers.into_iter().skip(begin).step_by(stride).map(|at| (mode, at)));
    }
    let all = jobs.len();
    if whole() {
        say(&format!("torture: faults: {}: {all} to make", S::NAME));
    }
    jobs.reverse();
    let jobs = Mutex::new(jobs);
    let injected = Mutex::new((0, BTreeMap::<&str, u32>::new()));
    let work = |mut scene: S| {
        let shim = Shim::new();
        loop {
            let (next, left) = {
                let mut jobs = jobs.lock().unwrap();
                (jobs.pop(), jobs.len())
            };
            let Some((mode, at)) = next else { return };
            if whole() && left % 500 == 0 {
                say(&format!("torture: faults: {}: {left} of {all} are left", S::NAME));
            }
            let tool = scene.tool();
            let ended = shim.run(tool, scene.store().path(), mode, at);
            let Some(hit) = &ended.hit else { continue };
            let case = format!("{}: {} at {at}, {hit}", S::NAME, mode.name);
            let mut counts = injected.lock().unwrap();
            counts.0 += 1;
            *counts.1.entry(mode.name).or_default() += 1;
            drop(counts);
            shim.all_gone();
            let done = ended_well(&ended, mode, &losses, &case);
            scene.judge(&ended, done, mode, &losses, &case);
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| work(S::new()));
        work(first);
    });
    let (all, modes) = injected.into_inner().unwrap();
    let mut counts = vec![("injected", all), ("losses", losses.number())];
    counts.extend(modes);
    count("faults", S::NAME, &counts);
    losses.none();
}

use super::restores::{RestoringBySwap, RestoringInPlace};
use super::scenes::{Dumping, Listing, Pruning, Verifying};

/// A dump that meets any fault publishes a whole backup or none, and says which.
#[test]
fn a_dump_survives_every_fault() {
    walk::<Dumping>();
}

/// A disk that fails while a backup is read must not have it called proved, nor bad.
#[test]
fn a_proof_survives_every_fault() {
    walk::<Verifying>();
}

/// Pruning deletes what it was to delete; a fault must not make it delete anything else, or half of something.
#[test]
fn pruning_survives_every_fault() {
    walk::<Pruning>();
}

/// A list that leaves out a backup, or shows one that is none, is what a restore is begun with.
#[test]
fn a_list_survives_every_fault() {
    walk::<Listing>();
}

/// The live database is the old one or the new one, whatever call fails on the way.
#[test]
fn a_restore_by_swap_survives_every_fault() {
    walk::<RestoringBySwap>();
}

/// A restore in place that fails brings back what was there; one that dies leaves it proved in the store.
#[test]
fn a_restore_in_place_survives_every_fault() {
    walk::<RestoringInPlace>();
}

/// A fault that is never made proves nothing: what the library counts is what the kernel sees.
#[test]
fn no_call_on_the_store_goes_past_the_library() {
    const CALLS: &str = "openat,open,write,writev,pwrite64,pwritev,fsync,fdatasync,rename,renameat,renameat2,unlink,\
        unlinkat,ftruncate,flock,mkdir,copy_file_range,sendfile,splice,sync_file_range,read,pread64,readv";
    fn compare<S: Scene>() -> u32 {
        let (mut scene, shim) = (S::new(), Shim::new());
        let tool = scene.tool();
        let settings = shim.settings(scene.store().path(), &COUNT_ALL, 0).into_iter();
        let settings: Vec<String> =
            settings.flat_map(|(name, value)| ["-E".into(), format!("{name}={value}")]).collect();
        let (ended, seen) = strace(tool, CALLS, &settings);
        ended.ok();
        let store = format!("{}/", scene.store().path().display());
        let calls = shim.calls();
        let ours = |kinds: &str| {
            calls.iter().filter(|call| kinds.contains(&call[..1]) && call[4..].starts_with(&store)).count()
        };
        let kernel = |wanted: &[&str]| {
            let is_wanted = |line: &&str| {
                let call = line.split_once(' ').map_or("", |(_, call)| call.trim_start());
                call.contains(&store)
                    && wanted.iter().any(|name| call.starts_with(&format!("{name}(")))
                    && (wanted != ["openat"] || call.contains("O_CREAT"))
            };
            seen.lines().filter(is_wanted).count()
        };
        let pairs: [(&str, &[&str]); 8] = [
            ("s", &["fsync", "fdatasync"]),
            ("n", &["rename", "renameat", "renameat2"]),
            ("w", &["write", "writev", "pwrite64", "pwritev", "copy_file_range", "sendfile", "splice"]),
            ("u", &["unlink", "unlinkat"]),
            ("t", &["ftruncate"]),
            ("l", &["flock"]),
            ("r", &["read", "pread64", "readv"]),
            ("c", &["openat"]),
        ];
        let mut compared = 0;
        for (kinds, wanted) in pairs {
            assert_eq!(ours(kinds), kernel(wanted), "{}: {wanted:?}\n{seen}\n{calls:#?}", S::NAME);
            compared += u32::try_from(ours(kinds)).unwrap();
        }
        compared
    }
    let compared = compare::<Dumping>() + compare::<Verifying>() + compare::<Pruning>();
    count("faults", "strace", &[("calls compared", compared)]);
}

/// Lists are read by system calls of our own, which the library does not see. Where one of them fails, strace is what
/// makes it fail: a backup that cannot be looked at must not be left out without a word.
#[test]
fn a_call_that_goes_past_libc_may_fail_too() {
    let losses = Losses::default();
    let all = fail_directly::<Listing>(&losses) + fail_directly::<Pruning>(&losses);
    count("faults", "strace", &[("injected", all), ("losses", losses.number())]);
    losses.none();
}

fn fail_directly<S: Scene>(losses: &Losses) -> u32 {
    let mut scene = S::new();
    let store = scene.store().path().display().to_string();
    let mut injected = 0;
    for call in ["getdents64", "newfstatat", "openat", "statx"] {
        let tool = scene.tool();
        let (ended, seen) = strace(tool, call, &[]);
        ended.ok();
        // Calls are counted for each thread; it is the first one that looks at the store.
        let (first, _) = seen.split_once(' ').unwrap_or_default();
        let ours = seen
            .lines()
            .filter(|line| line.starts_with(&format!("{first} ")) && line.contains(&format!("{call}(")));
        let numbers = (1..).zip(ours).filter(|(_, line)| line.contains(&store)).map(|(number, _)| number);
        for number in numbers.collect::<Vec<u32>>() {
            let fault = format!("inject={call}:error=EIO:when={number}");
            let tool = scene.tool();
            let (output, seen) = strace(tool, call, &["-e".into(), fault]);
            let Some(hit) = seen.lines().find(|line| line.contains("(INJECTED)") && line.contains(&store))
            else {
                continue;
            };
            injected += 1;
            let case = format!("{}: {hit}", S::NAME);
            let ended = Ended { output, calls: Vec::new(), hit: None };
            let done = ended_well(&ended, &COUNT_ALL, losses, &case);
            scene.judge(&ended, done, &COUNT_ALL, losses, &case);
        }
    }
    injected
}
