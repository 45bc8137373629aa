//! Restores of both kinds while calls fail, and what is looked at afterwards.

use super::faults::{Files, Losses, Scene, files, lists_whole_ones};
use super::scenes::{CHANGED, SMALL, left_behind, reset};
use super::shim::{Ended, Mode};
use crate::support::{Database, Server, Store, Tool, mariadb, name};

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
        crate::support::until("the end of all connections", || {
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
