//! Which backups bring a whole server back: one of each of its databases, of one moment where there is such a set.

use std::collections::{BTreeMap, BTreeSet};

use super::{Listing, Selection, age_key};
use crate::error::{Error, Result};
use crate::identity::Owner;
use crate::manifest::{Kind, Timestamp};
use crate::server::NamePattern;
use crate::store::BackupSummary;

/// What a server is made of again.
#[derive(Debug, Default)]
pub struct WholeServer<'a> {
    /// The newest proved backup of its accounts, where all databases are meant.
    pub accounts: Option<&'a BackupSummary>,
    /// The backup of each database.
    pub backups: Vec<&'a BackupSummary>,
    /// Databases that have a newer proved backup than the one that is taken, because that one is of the moment of the others; with
    /// the newer one's name.
    pub passed_over: BTreeMap<String, String>,
    /// Databases that have backups, and none that is whole and proved.
    pub without: BTreeSet<String>,
}

impl Listing {
    /// The backups that bring back all databases of a server which `selection` means, or all that the store has, but for those that are
    /// excluded.
    ///
    /// Of each database it is the newest whole and proved one. Those of the newest run that dumped several come first, because they are
    /// of one moment; unless most of them have newer ones, so that the run is no custom any more.
    ///
    /// # Errors
    /// A usage error where the backups are of several servers; [`Error::NothingFound`].
    pub fn whole_server(&self, selection: &Selection, excluded: &[NamePattern]) -> Result<WholeServer<'_>> {
        let meant = Selection { kinds: vec![Kind::Full], verified: false, latest: true, ..selection.clone() };
        let is_meant = |entry: &&BackupSummary| {
            entry.database.is_some() && meant.admits(entry) && !Selection::is_of_any(excluded, entry)
        };
        let entries = || self.entries.iter().filter(is_meant);
        let owners: BTreeSet<&Owner> = entries().map(BackupSummary::owner).collect();
        if owners.len() > 1 {
            let names: Vec<String> = owners.iter().map(ToString::to_string).collect();
            return Err(Error::Usage {
                message: format!("the store has backups of {} servers", names.len()),
                hint: Some(format!("say which with --server-id: {}", names.join(", "))),
            });
        }
        let proved: Vec<&BackupSummary> =
            entries().filter(|entry| entry.is_proved() && !meant.is_too_late(entry)).collect();
        let backups = of_one_moment(&proved);
        let taken: BTreeMap<&str, &BackupSummary> = backups.iter().map(|one| (key(one), *one)).collect();
        let newer = newest_of(&proved).into_iter().filter_map(|(database, newest)| {
            let one = taken.get(database).filter(|one| one.name != newest.name)?;
            Some((one.database.clone()?, newest.name.clone()))
        });
        let without = entries().filter(|entry| !taken.contains_key(key(entry)));
        let of_accounts = Selection { kinds: vec![Kind::Accounts], verified: true, ..meant.clone() };
        let accounts =
            self.entries.iter().filter(|one| of_accounts.admits(one) && !of_accounts.is_too_late(one));
        let whole = WholeServer {
            accounts: accounts.max_by_key(|entry| age_key(entry)).filter(|_| selection.databases.is_empty()),
            passed_over: newer.collect(),
            without: without.filter_map(|entry| entry.database.clone()).collect(),
            backups,
        };
        if whole.backups.is_empty() {
            return Err(self.nothing(&Selection { verified: true, ..meant }));
        }
        Ok(whole)
    }
}

/// A database, by what all names of it have in common.
fn key(entry: &BackupSummary) -> &str {
    entry.belonging.database.as_deref().unwrap_or_default()
}

fn newest_of<'a>(entries: &[&'a BackupSummary]) -> BTreeMap<&'a str, &'a BackupSummary> {
    let mut newest: BTreeMap<&str, &BackupSummary> = BTreeMap::new();
    for entry in entries {
        let best = newest.entry(key(entry)).or_insert(entry);
        if age_key(entry) > age_key(best) {
            *best = entry;
        }
    }
    newest
}

/// One backup of each database: those of the newest run of several that still is the custom, then the same of what is left.
fn of_one_moment<'a>(proved: &[&'a BackupSummary]) -> Vec<&'a BackupSummary> {
    let mut left = newest_of(proved);
    let mut taken: Vec<&BackupSummary> = Vec::new();
    let mut runs: BTreeMap<&str, (Timestamp, BTreeMap<&str, &BackupSummary>)> = BTreeMap::new();
    for entry in proved {
        let Some(together) = &entry.together else { continue };
        let (began, run) = runs.entry(&together.run).or_insert((entry.started_at, BTreeMap::new()));
        *began = (*began).max(entry.started_at);
        run.insert(key(entry), entry);
    }
    let mut runs: Vec<_> = runs.into_values().collect();
    runs.sort_by(|(a, _), (b, _)| b.cmp(a));
    for (_, run) in runs {
        let of_left: Vec<(&str, &BackupSummary)> =
            run.into_iter().filter(|(database, _)| left.contains_key(database)).collect();
        let outdated = of_left.iter().filter(|(database, one)| left[database].name != one.name).count();
        if outdated * 2 > of_left.len() {
            continue;
        }
        for (database, one) in of_left {
            left.remove(database);
            taken.push(one);
        }
    }
    taken.extend(left.into_values());
    taken.sort_by_key(|one| key(one));
    taken
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Together;

    /// `DATABASE HOUR [RUN]`, each proved.
    fn entry(line: &str) -> BackupSummary {
        let words: Vec<&str> = line.split_whitespace().collect();
        let manifest = serde_json::json!({
            "schema": "fwb/1", "name": format!("{}_{}.sql.gz", words[0], words[1]), "kind": "full", "database": words[0],
            "started_at": format!("2025-07-25T{}:00:00Z", words[1]), "finished_at": "2025-07-26T00:00:00Z",
            "whole": true, "verification": {"level": "full", "ok": true, "at": "2025-07-26T00:00:00Z", "seconds": 1.0},
        });
        let mut summary = BackupSummary::from(crate::manifest::Manifest::from_value(manifest).unwrap());
        summary.belonging.database = summary.database.clone();
        summary.together = words.get(2).map(|run| Together { run: (*run).into(), moment: 1, databases: 3 });
        summary
    }

    #[test]
    fn backups_of_one_moment_come_first() {
        for (what, store, expected) in [
            ("the newest of each", &["a 01", "a 02", "b 01"][..], "a_02 b_01"),
            ("of one run", &["a 01 r", "b 01 r", "c 01 r", "a 02"], "a_01 b_01 c_01"),
            ("of the newer of two runs", &["a 01 r", "b 01 r", "a 02 s", "b 02 s"], "a_02 b_02"),
            ("a run of a part", &["a 01 r", "b 01 r", "c 01 r", "a 02 s"], "a_02 b_01 c_01"),
            ("a run that is the custom no more", &["a 01 r", "b 01 r", "a 02", "b 02"], "a_02 b_02"),
            ("a database that came later", &["a 01 r", "b 01 r", "c 02"], "a_01 b_01 c_02"),
        ] {
            let entries: Vec<BackupSummary> = store.iter().map(|line| entry(line)).collect();
            let taken = of_one_moment(&entries.iter().collect::<Vec<_>>());
            let names: Vec<&str> = taken.iter().map(|one| one.name.trim_end_matches(".sql.gz")).collect();
            assert_eq!(names.join(" "), expected, "{what}");
        }
    }
}
