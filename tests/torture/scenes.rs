//! What the tools do while calls fail, and what is looked at afterwards.

use serde_json::Value;

use super::faults::{Files, Losses, Scene, files, lists_whole_ones};
use super::shim::{Ended, Mode};
use super::whole;
use crate::support::{Database, Store, Tool, name};

/// A database that is dumped in few calls.
pub(crate) const SMALL: &str = "CREATE TABLE a (id INT PRIMARY KEY, v VARCHAR(20)); CREATE TABLE b (id INT PRIMARY KEY, \
    a INT, CONSTRAINT b_a FOREIGN KEY (a) REFERENCES a (id)); INSERT INTO a VALUES (1, 'old'), (2, 'old'); \
    INSERT INTO b VALUES (1, 1); CREATE VIEW v AS SELECT id FROM a; \
    CREATE TRIGGER t BEFORE INSERT ON b FOR EACH ROW SET NEW.id = NEW.id + 1;";

/// The same later: rows, a table, a view and a trigger are others.
pub(crate) const CHANGED: &str = "CREATE TABLE a (id INT PRIMARY KEY, v VARCHAR(20)); CREATE TABLE b (id INT PRIMARY KEY, \
    a INT, CONSTRAINT b_a FOREIGN KEY (a) REFERENCES a (id)); CREATE TABLE c (id INT PRIMARY KEY); \
    INSERT INTO a VALUES (1, 'live'), (3, 'live'); INSERT INTO b VALUES (5, 3); INSERT INTO c VALUES (9); \
    CREATE VIEW v AS SELECT v FROM a; CREATE TRIGGER t2 BEFORE INSERT ON c FOR EACH ROW SET NEW.id = NEW.id + 2;";

/// Removes from a store what is not among these files, and puts back those that are gone or changed.
pub(super) fn reset(store: &Store, wanted: &Files) {
    for name in store.names() {
        if !wanted.contains_key(&store.file(&name)) {
            std::fs::remove_file(store.file(&name)).unwrap();
        }
    }
    for (path, (bytes, _)) in wanted {
        if std::fs::read(path).ok().as_ref() != Some(bytes) {
            std::fs::write(path, bytes).unwrap();
        }
    }
}

/// What a run that did not end well has left behind.
pub(super) fn left_behind(store: &Store) -> Vec<String> {
    store.names().into_iter().filter(|name| name.starts_with('.')).collect()
}

/// A dump beside an earlier one.
pub(crate) struct Dumping {
    store: Store,
    database: Database,
    earlier: String,
    before: Files,
}

impl Scene for Dumping {
    const NAME: &'static str = "dump";
    const STRIDE: usize = 8;

    fn new() -> Self {
        let (store, database) = (Store::new(), Database::new("fault_dump"));
        database.sql(SMALL);
        let earlier = name(&store.dump_verified(&database)).to_owned();
        let before = files(&store, &[&earlier]);
        Self { store, database, earlier, before }
    }

    fn store(&self) -> &Store {
        &self.store
    }

    fn tool(&mut self) -> Tool {
        reset(&self.store, &self.before);
        self.store.tool("fwb-dump").args(["-j", "2", "-B"]).arg(&self.database.name)
    }

    fn judge(&self, ended: &Ended, done: bool, _: &Mode, losses: &Losses, case: &str) {
        let Self { store, earlier, before, .. } = self;
        losses
            .unless(files(store, &[earlier]) == *before, || format!("{case}: the earlier backup is changed"));
        let list = lists_whole_ones(store, losses, case);
        let fresh: Vec<_> = list.iter().map(|entry| &entry.name).filter(|name| *name != earlier).collect();
        losses.unless(list.len() == fresh.len() + 1, || format!("{case}: the earlier one is not listed"));
        if done {
            let printed: Result<Value, _> = serde_json::from_slice(&ended.output.stdout);
            let same = printed.is_ok_and(|manifest| fresh == [name(&manifest)]);
            losses.unless(same, || {
                format!("{case}: {:?} is not what is there: {fresh:?}", ended.output.stdout_text())
            });
        }
        // Any run that locks the store cleans up; a whole dump is the slowest of them.
        let next = if whole() {
            store.tool("fwb-dump").arg("-B").arg(&self.database.name)
        } else {
            store.tool("fwb-prune").arg(earlier)
        };
        let next = next.run();
        losses.unless(next.code == Some(0), || format!("{case}: the next run fails: {}", next.stderr));
        losses.unless(left_behind(store).is_empty(), || format!("{case}: {:?} stays", left_behind(store)));
        losses
            .unless(files(store, &[earlier]) == *before, || format!("{case}: the next run changed a backup"));
    }
}

/// A proof of a backup beside another one.
pub(crate) struct Verifying {
    store: Store,
    earlier: String,
    fresh: String,
    before: Files,
    all: Files,
}

impl Scene for Verifying {
    const NAME: &'static str = "verify";
    const STRIDE: usize = 4;

    fn new() -> Self {
        let (store, database) = (Store::new(), Database::new("fault_verify"));
        database.sql(SMALL);
        let earlier = name(&store.dump_verified(&database)).to_owned();
        let fresh = name(&store.dump(&database)).to_owned();
        let (before, all) = (files(&store, &[&earlier]), files(&store, &[&earlier, &fresh]));
        Self { store, earlier, fresh, before, all }
    }

    fn store(&self) -> &Store {
        &self.store
    }

    fn tool(&mut self) -> Tool {
        reset(&self.store, &self.all);
        let record = serde_json::json!({ "store": self.store.path(), "name": self.fresh });
        let sidecar: Value =
            serde_json::from_slice(&self.all[&self.store.file(&format!("{}.json", self.fresh))].0).unwrap();
        let mut whole = sidecar;
        whole["store"] = record["store"].clone();
        Tool::new("fwb-verify").args(["-j", "2"]).stdin(whole.to_string())
    }

    fn judge(&self, ended: &Ended, done: bool, _: &Mode, losses: &Losses, case: &str) {
        let Self { store, earlier, fresh, before, all } = self;
        losses
            .unless(files(store, &[earlier]) == *before, || format!("{case}: the earlier backup is changed"));
        let artifact = store.file(fresh);
        losses.unless(std::fs::read(&artifact).ok().as_ref() == Some(&all[&artifact].0), || {
            format!("{case}: the artifact is changed")
        });
        let is_proved = || {
            let list = lists_whole_ones(store, losses, case);
            losses.unless(list.len() == 2, || format!("{case}: listed: {list:?}"));
            list.iter().any(|entry| entry.name == *fresh && entry.proved)
        };
        let proved = is_proved();
        if done {
            let printed: Result<Value, _> = serde_json::from_slice(&ended.output.stdout);
            let good = printed.is_ok_and(|manifest| manifest["verification"]["ok"] == true);
            losses.unless(good && proved, || {
                format!("{case}: it is not proved: {}", ended.output.stdout_text())
            });
        }
        let next = store.tool("fwb-verify").arg(fresh).run();
        losses.unless(next.code == Some(0) && is_proved(), || {
            format!("{case}: the next run fails: {}", next.stderr)
        });
        losses.unless(left_behind(store).is_empty(), || format!("{case}: {:?} stays", left_behind(store)));
    }
}

/// Pruning of two backups of three.
pub(crate) struct Pruning {
    store: Store,
    kept: String,
    old: [String; 2],
    before: Files,
    all: Files,
}

impl Scene for Pruning {
    const NAME: &'static str = "prune";
    const STRIDE: usize = 2;

    fn new() -> Self {
        let (store, database) = (Store::new(), Database::new("fault_prune"));
        database.sql(SMALL);
        let old = [name(&store.dump(&database)).to_owned(), name(&store.dump(&database)).to_owned()];
        let kept = name(&store.dump_verified(&database)).to_owned();
        let before = files(&store, &[&kept]);
        let all = files(&store, &[&kept, &old[0], &old[1]]);
        Self { store, kept, old, before, all }
    }

    fn store(&self) -> &Store {
        &self.store
    }

    fn tool(&mut self) -> Tool {
        reset(&self.store, &self.all);
        self.store.tool("fwb-prune").args(["--keep-days", "0"]).args(&self.old).arg(&self.kept)
    }

    fn judge(&self, ended: &Ended, done: bool, mode: &Mode, losses: &Losses, case: &str) {
        let Self { store, kept, old, before, .. } = self;
        losses.unless(files(store, &[kept]) == *before, || format!("{case}: the one that stays is changed"));
        let list = lists_whole_ones(store, losses, case);
        let there = |name: &str| list.iter().any(|entry| entry.name == name);
        losses.unless(there(kept), || format!("{case}: the one that stays is not listed"));
        if !mode.kills {
            let text = ended.output.stdout_text();
            let records = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            let deleted = records
                .filter(|record| record["decision"]["action"] == "delete")
                .map(|record| name(&record).to_owned());
            for gone in deleted {
                losses.unless(!there(&gone), || format!("{case}: {gone} is said to be deleted"));
            }
        }
        if done {
            losses.unless(list.len() == 1, || format!("{case}: listed: {list:?}"));
            losses.unless(ended.output.stdout_text().lines().count() == 3, || {
                format!("{case}: {:?}", ended.output.stdout_text())
            });
        }
        let next = store.tool("fwb-prune").args(["--keep-days", "0"]).args(old).arg(kept).run();
        let names = [kept.clone(), format!("{kept}.json")];
        let well = next.code == Some(0) && store.names() == names;
        losses.unless(well, || format!("{case}: after the next run: {:?}: {}", store.names(), next.stderr));
        losses.unless(files(store, &[kept]) == *before, || format!("{case}: the next run changed a backup"));
    }
}

/// A list of four backups, one without a sidecar.
pub(crate) struct Listing {
    store: Store,
    all: Files,
    expected: String,
}

impl Scene for Listing {
    const NAME: &'static str = "ls";
    const STRIDE: usize = 2;

    fn new() -> Self {
        let (store, database) = (Store::new(), Database::new("fault_ls"));
        database.sql(SMALL);
        let first = store.dump_verified(&database);
        let names =
            [name(&first).to_owned(), store.aged(&first, 30), name(&store.dump(&database)).to_owned()];
        std::fs::remove_file(store.file(&format!("{}.json", names[2]))).unwrap();
        let all = files(&store, &names.each_ref().map(String::as_str));
        let expected = store.tool("fwb-ls").args(["--format", "jsonl"]).run().ok().stdout_text();
        Self { store, all, expected }
    }

    fn store(&self) -> &Store {
        &self.store
    }

    fn tool(&mut self) -> Tool {
        self.store.tool("fwb-ls").args(["--format", "jsonl"])
    }

    fn judge(&self, ended: &Ended, done: bool, _: &Mode, losses: &Losses, case: &str) {
        let text = ended.output.stdout_text();
        losses.unless(!done || text == self.expected, || format!("{case}: listed: {text}"));
        let now: Files = files(
            &self.store,
            &self
                .all
                .keys()
                .filter_map(|path| path.file_name()?.to_str())
                .filter(|name| name.ends_with("gz"))
                .collect::<Vec<_>>(),
        );
        losses.unless(now == self.all, || format!("{case}: a list has changed the store"));
    }
}
