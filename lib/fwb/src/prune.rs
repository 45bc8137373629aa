//! Pruning: candidates meet what their stores hold, and what retention lets go is deleted.
//!
//! A candidate is a name, nothing more. Kind, date, proof and the guards' arithmetic come from the store itself,
//! read again under its lock, so that no record on a pipe, stale or forged, deletes what the store's own records
//! would keep.

use std::collections::{BTreeMap, BTreeSet};

use crate::binlog::{self, Chains};
use crate::error::{Error, Result};
use crate::manifest::{Action, Decision, Kind, Manifest, Timestamp};
use crate::progress::Context;
use crate::retention::{Backup, Policy, decide};
use crate::select::Listing;
use crate::store::{BackupSummary, Freed, Location, ObjectStores, Store, Wait, check_name};

/// The backups that may go, if retention lets them.
#[derive(Debug, Default)]
pub struct Candidates {
    /// By the directory without links, so that a store with two names is one store.
    stores: BTreeMap<Location, Batch>,
}

/// The candidates of one store.
#[derive(Debug)]
struct Batch {
    /// The store as it was first named.
    store: Location,
    names: BTreeSet<String>,
}

/// How to prune.
#[derive(Debug, Clone)]
pub struct PruneOptions {
    /// What to keep.
    pub policy: Policy,
    /// The kinds that may be deleted; others are left alone.
    pub kinds: Vec<Kind>,
    /// Decide only: delete nothing, take no lock.
    pub dry_run: bool,
    /// Whether to wait for a store's lock.
    pub wait: Wait,
}

/// What was done, or with `dry_run` would be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Candidates that stay.
    pub kept: usize,
    /// Candidates that are gone.
    pub deleted: usize,
    /// Bytes that their artifacts took, which are free now.
    pub freed: u64,
    /// Bytes that a later run frees, when whoever reads the backups has ended.
    pub freed_later: u64,
}

impl Candidates {
    /// Adds a backup. Naming one twice is naming it once.
    ///
    /// # Errors
    /// A usage error when `name` is not a plain file name of a store.
    pub fn add(&mut self, store: &Location, name: &str) -> Result<()> {
        check_name(name)?;
        let batch = self
            .stores
            .entry(store.resolved())
            .or_insert_with(|| Batch { store: store.clone(), names: BTreeSet::new() });
        batch.names.insert(name.to_owned());
        Ok(())
    }
}

/// Decides about every candidate at the time `now`, and deletes. `report` is handed each candidate's record with
/// its decision, oldest first, a deleted one's as soon as it is gone: what was reported holds even when the rest
/// comes to nothing. Candidates that are not in their store any more are left out, with a warning; those that cannot be
/// read stay, which is a failure.
///
/// # Errors
/// A store does not exist or another run holds its lock; nothing is deleted in that store. A backup that cannot be
/// deleted does not stop the others; the first such error is returned at the end. Errors of `report` and
/// interruptions end everything.
pub fn prune(
    candidates: &Candidates,
    object_stores: &dyn ObjectStores,
    options: &PruneOptions,
    now: Timestamp,
    context: &Context,
    mut report: impl FnMut(Manifest) -> Result<()>,
) -> Result<Pruned> {
    let mut stores = Vec::new();
    for batch in candidates.stores.values() {
        stores.push((Store::open(&batch.store, object_stores, &context.cancel)?, &batch.names));
    }
    let mut run =
        Run { options, now, context, report: &mut report, pruned: Pruned::default(), failure: None };
    for (store, names) in stores {
        run.store(&store, names)?;
    }
    run.failure.map_or(Ok(run.pruned), Err)
}

/// One call: what it has done so far.
struct Run<'a> {
    options: &'a PruneOptions,
    now: Timestamp,
    context: &'a Context,
    report: &'a mut dyn FnMut(Manifest) -> Result<()>,
    pruned: Pruned,
    failure: Option<Error>,
}

impl Run<'_> {
    fn store(&mut self, store: &Store, names: &BTreeSet<String>) -> Result<()> {
        let lock = if self.options.dry_run {
            None
        } else {
            Some(store.lock(self.options.wait, &self.context.cancel)?)
        };
        if let Some(lock) = &lock {
            store.sweep(lock)?;
        }
        let Listing { entries, unreadable, .. } = Listing::read(store, &self.context.cancel)?;
        let chains = store.chains(&self.context.cancel)?;
        let window = self.options.policy.window();
        let needed = binlog::needed_bases(&entries, &chains.chains, window, self.now);
        let plan = plan(entries.clone(), names, &needed, self.options, self.now);
        self.tell_of_absent(store, names, &plan, !unreadable.is_empty());
        for (summary, decision) in plan {
            self.context.cancel.check()?;
            let name = &summary.name;
            self.context.progress.focus(format!("pruning {name}"));
            let action = decision.action;
            // Before it is gone; it may be gone already, by somebody else's hand.
            let Some(record) = store.manifest_of(&summary, Some(decision))? else { continue };
            if action == Action::Delete {
                match lock.as_ref().map(|lock| store.delete(name, lock)) {
                    Some(Err(error @ Error::LockLost { .. })) => return Err(error),
                    Some(Err(error)) => {
                        self.remember(error);
                        continue;
                    }
                    Some(Ok(Freed { bytes, at_once: true })) => self.pruned.freed += bytes,
                    Some(Ok(Freed { bytes, .. })) => self.pruned.freed_later += bytes,
                    None if summary.problems.is_empty() => self.pruned.freed += summary.size,
                    // A lost artifact frees nothing, whatever its manifest says.
                    None => {
                        let artifact = store.artifact_if_there(name)?;
                        self.pruned.freed += artifact.map_or(0, |artifact| artifact.stored_size());
                    }
                }
                self.pruned.deleted += 1;
            } else {
                self.pruned.kept += 1;
            }
            (self.report)(record)?;
        }
        self.log(store, &chains, &entries, &needed.into_keys().collect())
    }

    /// Removes what of the log no reachable moment needs.
    fn log(
        &mut self,
        store: &Store,
        chains: &Chains,
        entries: &[BackupSummary],
        needed: &BTreeSet<String>,
    ) -> Result<()> {
        let surplus = binlog::surplus(chains, entries, needed, self.options.policy.window(), self.now);
        if surplus.files.is_empty() {
            return Ok(());
        }
        let (count, bytes) = (surplus.files.len(), surplus.bytes);
        if self.options.dry_run {
            log::info!(
                "{count} files of the log ({bytes} bytes) would go: no moment needs them that is to stay reachable"
            );
        } else {
            if let Err(error) = binlog::remove(store, &surplus, &self.context.cancel) {
                self.context.cancel.check()?;
                self.remember(error);
                return Ok(());
            }
            log::info!(
                "{count} files of the log ({bytes} bytes) are gone: no moment needed them that is to stay reachable"
            );
        }
        self.pruned.freed += bytes;
        Ok(())
    }

    /// Of candidates about which nothing was decided: because they are gone, or because they cannot be read, which is a
    /// failure.
    fn tell_of_absent(
        &mut self,
        store: &Store,
        names: &BTreeSet<String>,
        plan: &[(BackupSummary, Decision)],
        some_unreadable: bool,
    ) {
        let planned: BTreeSet<&str> = plan.iter().map(|(summary, _)| summary.name.as_str()).collect();
        for name in names.iter().filter(|name| !planned.contains(name.as_str())) {
            match store.entry(name) {
                Ok(_) if some_unreadable => {
                    self.remember(Error::Unreadable(format!("{name} is left alone: it could not be read")));
                }
                Ok(_) | Err(Error::NoBackup { .. }) => {
                    log::warn!(code = crate::notice::OTHER.code; "{name} is not in {} any more: nothing to decide", store.location());
                }
                Err(error) => {
                    log::warn!(code = crate::notice::LEFT_ALONE.code; "{name} is left alone");
                    self.remember(error);
                }
            }
        }
    }

    fn remember(&mut self, error: Error) {
        if self.failure.is_some() {
            log::error!("{error}");
        }
        self.failure.get_or_insert(error);
    }
}

/// What becomes of each candidate, oldest first. All of the store's backups take part in the decision.
fn plan(
    entries: Vec<BackupSummary>,
    names: &BTreeSet<String>,
    needed: &BTreeMap<String, String>,
    options: &PruneOptions,
    now: Timestamp,
) -> Vec<(BackupSummary, Decision)> {
    let backups: Vec<Backup> = entries.iter().map(backup).collect();
    let decisions = decide(&backups, &options.policy, now);
    let decided = entries.into_iter().zip(decisions);
    decided
        .filter(|(summary, _)| names.contains(&summary.name))
        .map(|(summary, decision)| {
            if let (Action::Delete, Some(until)) =
                (decision.action, summary.retained_until.filter(|until| *until > now))
            {
                let reasons =
                    vec![format!("its store keeps it from being deleted until {}", until.to_rfc3339())];
                return (summary, Decision { action: Action::Keep, reasons });
            }
            if let (Action::Delete, Some(reason)) = (decision.action, needed.get(&summary.name)) {
                return (summary, Decision { action: Action::Keep, reasons: vec![reason.clone()] });
            }
            if options.kinds.contains(&summary.kind) {
                return (summary, decision);
            }
            let reasons = vec![format!("{} backups are left alone", summary.kind.as_str())];
            (summary, Decision { action: Action::Keep, reasons })
        })
        .collect()
}

fn backup(summary: &BackupSummary) -> Backup {
    let BackupSummary { name, database, name_case, server, kind, started_at, .. } = summary;
    Backup {
        name: name.clone(),
        database: database.clone(),
        name_case: *name_case,
        server: server.clone(),
        kind: *kind,
        started_at: *started_at,
        state: summary.proof(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tempfile::TempDir;

    use std::path::Path;

    use super::*;
    use crate::error::ErrorClass;
    use crate::progress::{Cancel, Progress};
    use crate::store::NoObjectStores;

    const NOW: &str = "2025-07-25T12:00:00+09:00";

    /// A store with a backup a line, `NAME KIND DAY [proved|failed|short|lost]`.
    fn store(lines: &[&str]) -> TempDir {
        let dir = tempfile::tempdir().unwrap();
        for line in lines {
            let words: Vec<&str> = line.split(' ').collect();
            let (name, state) = (format!("{}.sql.gz", words[0]), words.get(3).copied());
            let started = format!("2025-07-{}T02:00:00+09:00", words[2]);
            let mut manifest = json!({
                "schema": "fwb/1", "name": name, "kind": words[1], "database": "shop", "size": 100,
                "started_at": started, "finished_at": started, "later": true,
            });
            if state.is_some() {
                manifest["verification"] =
                    json!({"level": "full", "ok": state != Some("failed"), "at": started, "seconds": 1.0});
            }
            std::fs::write(dir.path().join(format!("{name}.json")), manifest.to_string()).unwrap();
            let size = if state == Some("short") { 99 } else { 100 };
            if state != Some("lost") {
                std::fs::write(dir.path().join(name), vec![b'x'; size]).unwrap();
            }
        }
        dir
    }

    fn options(kinds: &[Kind], dry_run: bool) -> PruneOptions {
        PruneOptions { policy: Policy::default(), kinds: kinds.to_vec(), dry_run, wait: Wait::No }
    }

    fn context() -> Context {
        Context { jobs: 1, progress: Progress::default(), cancel: Cancel::default() }
    }

    fn candidates(dir: &Path, names: &str) -> Candidates {
        let mut candidates = Candidates::default();
        for name in names.split(' ') {
            candidates.add(&Location::from(dir), &format!("{name}.sql.gz")).unwrap();
        }
        candidates
    }

    /// What was decided, as `NAME+` (kept) and `NAME-` (deleted), and the sum.
    fn run(dir: &Path, names: &str, options: &PruneOptions) -> Result<(String, Pruned)> {
        let mut said = Vec::new();
        let pruned = prune(
            &candidates(dir, names),
            &NoObjectStores,
            options,
            NOW.parse().unwrap(),
            &context(),
            |manifest| {
                let stem = manifest.name.trim_end_matches(".sql.gz");
                let decision = manifest.decision.as_ref().unwrap();
                assert!(!decision.reasons.is_empty());
                assert_eq!(manifest.store.as_deref(), dir.to_str());
                assert!(manifest.extra.contains_key("later"), "unknown fields pass through");
                said.push(match decision.action {
                    Action::Keep => format!("{stem}+"),
                    Action::Delete => {
                        assert_eq!(dir.join(&manifest.name).exists(), options.dry_run);
                        format!("{stem}-")
                    }
                });
                Ok(())
            },
        )?;
        Ok((said.join(" "), pruned))
    }

    fn left(dir: &Path) -> String {
        let names =
            std::fs::read_dir(dir).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.filter(|name| name != ".lock").collect();
        names.sort();
        names.join(" ").replace(".sql.gz", "")
    }

    #[test]
    fn what_no_rule_keeps_goes_with_its_sidecar() {
        let dir = store(&["c full 25", "a full 01 proved", "b full 02 proved"]);
        let (said, pruned) = run(dir.path(), "a b c", &options(&[Kind::Full], false)).unwrap();
        assert_eq!(said, "a- b+ c+");
        assert_eq!(pruned, Pruned { kept: 2, deleted: 1, freed: 100, ..Pruned::default() });
        assert_eq!(left(dir.path()), "b b.json c c.json");
    }

    #[test]
    fn a_dry_run_says_the_same_and_does_nothing() {
        let dir = store(&["a full 01 proved", "b full 02 proved", "c full 25", "d full 03 short"]);
        std::fs::write(dir.path().join(".x.sql.gz.partial"), "").unwrap();
        let before = left(dir.path());
        let dry = run(dir.path(), "a b c d", &options(&[Kind::Full], true)).unwrap();
        assert_eq!(left(dir.path()), before);
        assert!(!dir.path().join(".lock").exists(), "a dry run takes no lock");
        assert_eq!(run(dir.path(), "a b c d", &options(&[Kind::Full], false)).unwrap(), dry);
        assert_eq!(left(dir.path()), "b b.json c c.json");
    }

    #[test]
    fn only_candidates_go_and_all_backups_are_weighed() {
        let dir = store(&["a full 01 proved", "b full 02 proved", "c full 03 proved"]);
        assert_eq!(run(dir.path(), "b", &options(&[Kind::Full], false)).unwrap().0, "b-");
        assert_eq!(run(dir.path(), "c", &options(&[Kind::Full], false)).unwrap().0, "c+", "newest proved");
        assert_eq!(left(dir.path()), "a a.json c c.json");
    }

    #[test]
    fn the_newest_proved_outlives_broken_and_missing_ones() {
        let dir = store(&[
            "a full 01 proved",
            "b full 02 proved",
            "c full 03 failed",
            "d full 04 short",
            "e full 05 lost",
        ]);
        let (said, pruned) = run(dir.path(), "a b c d e", &options(&[Kind::Full], false)).unwrap();
        assert_eq!(said, "a- b+ c- d- e-");
        assert_eq!(pruned.freed, 100 + 100 + 99, "a lost artifact frees nothing");
        assert_eq!(left(dir.path()), "b b.json");
    }

    #[test]
    fn other_kinds_are_left_alone_unless_asked_for() {
        let lines = ["a safety 01", "b safety 02", "c foreign 01", "d foreign 02"];
        let dir = store(&lines);
        assert_eq!(run(dir.path(), "a b c d", &options(&[Kind::Full], false)).unwrap().0, "a+ c+ b+ d+");
        let (said, _) = run(dir.path(), "a b c d", &options(&[Kind::Safety], false)).unwrap();
        assert_eq!(said, "a- c+ b+ d+");
    }

    #[test]
    fn names_that_leave_the_store_are_refused() {
        let mut candidates = Candidates::default();
        for name in ["../x.sql.gz", "/etc/x.sql", "a/b.sql.gz", ".lock", "x", "", "a.sql.gz.json"] {
            let error = candidates.add(&Location::from(Path::new("/store")), name).unwrap_err();
            assert_eq!(error.class(), ErrorClass::Usage, "{name}");
        }
        assert!(candidates.stores.is_empty());
    }

    #[test]
    fn a_store_with_two_names_is_pruned_once() {
        let dir = store(&["a full 01 proved", "b full 02 proved"]);
        let mut candidates = candidates(dir.path(), "a");
        candidates.add(&Location::from(&*dir.path().join(".")), "a.sql.gz").unwrap();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(dir.path(), &link).unwrap();
        candidates.add(&Location::from(&*link), "a.sql.gz").unwrap();
        let mut count = 0;
        let counted = |_: Manifest| -> Result<()> {
            count += 1;
            Ok(())
        };
        prune(
            &candidates,
            &NoObjectStores,
            &options(&[Kind::Full], false),
            NOW.parse().unwrap(),
            &context(),
            counted,
        )
        .unwrap();
        assert_eq!(count, 1);
    }

    #[test]
    fn absent_candidates_are_left_out_and_unreadable_ones_are_a_failure() {
        let dir = store(&["a full 01 proved", "b full 02 proved"]);
        // A sidecar that cannot be opened makes the entry an error: nothing is known of it, so it stays.
        std::fs::write(dir.path().join("c.sql.gz"), "x").unwrap();
        std::os::unix::fs::symlink("/nowhere", dir.path().join("c.sql.gz.json")).unwrap();
        let error = run(dir.path(), "a c gone", &options(&[Kind::Full], false)).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Failure);
        assert_eq!(left(dir.path()), "b b.json c c.json");
    }

    #[test]
    fn a_missing_store_stops_everything_before_the_first_deletion() {
        let dir = store(&["a full 01 proved", "b full 02 proved"]);
        let mut candidates = candidates(dir.path(), "a b");
        candidates.add(&Location::from(&*dir.path().join("nowhere")), "z.sql.gz").unwrap();
        let ignored = |_: Manifest| Ok(());
        let error = prune(
            &candidates,
            &NoObjectStores,
            &options(&[Kind::Full], false),
            NOW.parse().unwrap(),
            &context(),
            ignored,
        );
        assert_eq!(error.unwrap_err().class(), ErrorClass::Failure);
        assert_eq!(left(dir.path()), "a a.json b b.json");
    }

    #[test]
    fn a_locked_store_is_left_alone() {
        let dir = store(&["a full 01 proved", "b full 02 proved"]);
        let _held = Store::open_directory(dir.path()).unwrap().lock(Wait::No, &Cancel::default()).unwrap();
        let error = run(dir.path(), "a", &options(&[Kind::Full], false)).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Locked);
        run(dir.path(), "a", &options(&[Kind::Full], true)).unwrap();
        assert_eq!(left(dir.path()), "a a.json b b.json");
    }

    #[test]
    fn an_interruption_ends_between_two_deletions() {
        let dir = store(&["a full 01 proved", "b full 02 proved", "c full 03 proved"]);
        let context = context();
        let interrupt = |_: Manifest| -> Result<()> {
            context.cancel.raise(15);
            Ok(())
        };
        let all = candidates(dir.path(), "a b c");
        let error = prune(
            &all,
            &NoObjectStores,
            &options(&[Kind::Full], false),
            NOW.parse().unwrap(),
            &context,
            interrupt,
        );
        assert_eq!(error.unwrap_err().class(), ErrorClass::Interrupted(15));
        assert_eq!(left(dir.path()), "b b.json c c.json");
    }
}
