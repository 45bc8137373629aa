//! What the tools do while calls fail, and what is looked at afterwards.

use serde_json::Value;

use super::faults::{Files, Losses, Scene, files, lists_whole_ones};
use super::shim::{Ended, Mode};
use super::whole;
use crate::support::{Database, Server, Store, Tool, mariadb, name};

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
fn reset(store: &Store, wanted: &Files) {
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
fn left_behind(store: &Store) -> Vec<String> {
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

/// A restore over a database that has changed since.
struct Restoring {
    store: Store,
    database: Database,
    backup: String,
    all: Files,
    old: Content,
    live: Content,
    strategy: &'static str,
}

/// What a database is: its rows; and its definitions.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Content {
    rows: String,
    definitions: String,
}

impl Restoring {
    fn new(strategy: &'static str) -> Self {
        let (store, database) = (Store::new(), Database::new("fault_restore"));
        database.sql(SMALL);
        let backup = name(&store.dump_verified(&database)).to_owned();
        let all = files(&store, &[&backup]);
        let old = content(&database);
        let mut scene = Self { store, database, backup, all, live: old.clone(), old, strategy };
        scene.tool();
        scene.live = content(&scene.database);
        assert!(scene.live.rows != scene.old.rows && scene.live.definitions != scene.old.definitions);
        scene
    }

    fn others(&self) -> Vec<String> {
        let name = &self.database.name;
        let sql = format!(
            "SELECT schema_name FROM information_schema.schemata WHERE LEFT(schema_name, {}) = '{name}__'",
            name.len() + 2
        );
        Server::shared().query(sql).lines().map(str::to_owned).collect()
    }

    fn tool(&mut self) -> Tool {
        reset(&self.store, &self.all);
        let name = &self.database.name;
        let mut sql = String::new();
        for other in self.others() {
            sql.push_str(&format!("DROP DATABASE `{other}`;"));
        }
        sql.push_str(&format!("DROP DATABASE IF EXISTS `{name}`; CREATE DATABASE `{name}` CHARACTER SET utf8mb4; USE `{name}`; {CHANGED}"));
        Server::shared().sql(sql);
        self.restore(&self.backup)
    }

    fn restore(&self, backup: &str) -> Tool {
        self.store.tool("fwb-restore").args(["-j", "2", "--yes", "--strategy", self.strategy, "-f", backup])
    }

    /// Waits until the server has done with whoever is gone.
    fn settle(&self) {
        let name = &self.database.name;
        let sql = format!(
            "SELECT COUNT(*) FROM information_schema.processlist WHERE db LIKE '{name}%' OR info LIKE '%{name}%' AND id <> CONNECTION_ID()"
        );
        crate::faults::until("the end of all connections", || {
            (Server::shared().query(&sql) == "0").then_some(())
        });
    }

    fn judge(&self, ended: &Ended, done: bool, mode: &Mode, losses: &Losses, case: &str) {
        let Self { store, backup, all, .. } = self;
        self.settle();
        let now = content(&self.database);
        losses.unless(files(store, &[backup]) == *all, || format!("{case}: the backup is changed"));
        let list = lists_whole_ones(store, losses, case);
        losses.unless(list.iter().any(|entry| entry.name == *backup), || {
            format!("{case}: the backup is not listed")
        });
        let safety = list.iter().find(|entry| entry.proved && entry.name != *backup);
        let (is_old, is_live) = (now == self.old, now == self.live);
        losses.unless(!done || is_old, || format!("{case}: it is said to be restored: {now:?}"));
        if !is_old && !is_live {
            // Views and triggers change places after the tables do; the server, or the next run, completes it.
            let moved = mode.kills
                && self.strategy == "swap"
                && (now.rows == self.old.rows || now.rows == self.live.rows);
            let told = mode.kills || ended.output.stderr.contains("safety");
            let recovers = self.strategy == "in-place" && told && safety.is_some();
            losses.unless(moved || recovers, || {
                format!("{case}: neither old nor new: {now:?}\n{}", ended.output.stderr)
            });
            if let Some(safety) = safety.filter(|_| recovers) {
                self.healthy(&safety.name, &self.live, losses, case);
            }
        }
        self.healthy(backup, &self.old, losses, case);
    }

    /// Restores without faults.
    fn healthy(&self, backup: &str, expected: &Content, losses: &Losses, case: &str) {
        let next = self.restore(backup).run();
        losses.unless(next.code == Some(0), || {
            format!("{case}: the next run fails: {:?} {}", next.code, next.stderr)
        });
        let now = content(&self.database);
        losses.unless(now == *expected, || format!("{case}: the next run restores {now:?}"));
        losses.unless(left_behind(&self.store).is_empty(), || {
            format!("{case}: {:?} stays", left_behind(&self.store))
        });
        let shadows: Vec<String> =
            self.others().into_iter().filter(|name| name.contains("__shadow")).collect();
        losses.unless(shadows.is_empty(), || format!("{case}: {shadows:?} stays"));
    }
}

/// All that a user would lose, by few questions.
fn content(database: &Database) -> Content {
    let ask = |sql: &str| {
        let cnf = Server::shared().defaults_file();
        mariadb(&cnf, &["-N", "-B", "--force", &format!("--database={}", database.name)])
            .stdin(sql)
            .run()
            .stdout_text()
    };
    let name = &database.name;
    let rows = ask(
        "SELECT 'a'; SELECT * FROM a ORDER BY 1; SELECT 'b'; SELECT * FROM b ORDER BY 1; SELECT 'c'; SELECT * FROM c ORDER BY 1;",
    );
    let definitions = ask(&format!(
        "SELECT 'v'; SELECT * FROM v ORDER BY 1; SHOW CREATE VIEW v; SHOW FULL TABLES;
        SELECT trigger_name, event_object_table, action_statement FROM information_schema.triggers WHERE trigger_schema = '{name}' ORDER BY 1;
        SELECT table_name, constraint_name, referenced_table_name FROM information_schema.referential_constraints WHERE constraint_schema = '{name}' ORDER BY 1"
    ));
    Content { rows, definitions }
}

/// A restore by one of the two strategies.
pub(crate) struct RestoringBy<const IN_PLACE: bool>(Restoring);

/// A restore that loads beside the live database and swaps.
pub(crate) type RestoringBySwap = RestoringBy<false>;

/// A restore that loads over the live database.
pub(crate) type RestoringInPlace = RestoringBy<true>;

impl<const IN_PLACE: bool> Scene for RestoringBy<IN_PLACE> {
    const NAME: &'static str = if IN_PLACE { "restore in place" } else { "restore by swap" };
    const STRIDE: usize = 24;

    fn new() -> Self {
        Self(Restoring::new(if IN_PLACE { "in-place" } else { "swap" }))
    }

    fn store(&self) -> &Store {
        &self.0.store
    }

    fn tool(&mut self) -> Tool {
        self.0.tool()
    }

    fn judge(&self, ended: &Ended, done: bool, mode: &Mode, losses: &Losses, case: &str) {
        self.0.judge(ended, done, mode, losses, case);
    }
}
