//! What holds after a restore over a damaged table, asked of the server and of the tools' own reports.

use serde_json::{Value, json};

use super::kinds::HURT;
use super::scene::{Case, HEALTHY, Keys, Scene, without_keys};
use crate::support::{Output, Tool};

/// A promise that was broken, in words.
pub(super) type Held<T> = Result<T, String>;

pub(super) fn hold(holds: bool, what: impl FnOnce() -> String) -> Held<()> {
    if holds { Ok(()) } else { Err(what()) }
}

/// What is restored.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    Everything,
    /// The damaged table alone.
    Hurt,
}

impl Scene {
    /// The restore that the runbook says, with further options.
    pub(super) fn restore(&self, case: &Case, options: &[&str]) -> Tool {
        self.tool("fwb-restore").args(options).stdin(self.latest(case).to_string())
    }

    /// The plan names the table, and nothing else; looking changes nothing, and the server survives it.
    pub(super) fn plan(&self, case: &Case, options: &[&str]) -> Held<()> {
        let run = self.restore(case, &[&["--dry-run"], options].concat()).run();
        hold(run.code == Some(0), || format!("the plan failed: {}", run.stderr))?;
        let damaged = &run.json()["damaged"];
        let named: Vec<&str> =
            damaged.as_array().into_iter().flatten().filter_map(|one| one["table"].as_str()).collect();
        let has_reasons = damaged
            .as_array()
            .into_iter()
            .flatten()
            .all(|one| one["why"].as_str().is_some_and(|why| !why.is_empty()));
        let expected: &[&str] = if case.kind.shows { &[HURT] } else { &[] };
        // What looking does not show may be found in another way.
        let is_right = named == expected || !case.kind.shows && named == [HURT];
        hold(is_right && has_reasons, || format!("the plan names {damaged}"))?;
        self.untouched(case, "a plan")
    }

    /// The live database is what it was, the damaged table with it.
    pub(super) fn untouched(&self, case: &Case, after: &str) -> Held<()> {
        self.healthy_as_before(case, after)?;
        let listed = self.listed(&case.database);
        hold(listed == case.listed, || format!("after {after}: {listed}\ninstead of: {}", case.listed))
    }

    pub(super) fn healthy_as_before(&self, case: &Case, after: &str) -> Held<()> {
        let now = self.tables(&case.database, &HEALTHY);
        hold(now == case.old, || {
            format!("healthy tables after {after}: {now:#?}\ninstead of: {:#?}", case.old)
        })
    }

    /// A restore that failed has cost nothing, and has told the truth.
    pub(super) fn failed(&self, case: &Case, run: &Output) -> Held<()> {
        self.healthy_as_before(case, &run.stderr)?;
        if run.stderr.contains("as it was") {
            return self.untouched(case, &run.stderr);
        }
        hold(run.stderr.contains(HURT), || format!("the table is not named: {}", run.stderr))
    }

    /// A restore that succeeded: the backup is there, what was there is kept, and no key leads astray. Returns whether
    /// the damaged table is kept too.
    pub(super) fn succeeded(&self, case: &Case, scope: Scope, report: &Value) -> Held<bool> {
        let live = &case.database;
        let kept = report["before"].as_str();
        match scope {
            Scope::Everything => {
                let kept = kept.ok_or_else(|| format!("nothing is kept: {report}"))?;
                let now = self.everything(live);
                hold(now == case.backup, || format!("restored: {now}\ninstead of: {}", case.backup))?;
                let there = self.tables(kept, &HEALTHY);
                for (name, [rows, definition]) in &case.old {
                    let same = there.get(name).is_some_and(|[kept_rows, kept_definition]| {
                        kept_rows == rows && without_keys(kept_definition) == without_keys(definition)
                    });
                    hold(same, || format!("{name} is not kept in {kept}: {:#?}", there.get(name)))?;
                }
            }
            Scope::Hurt => {
                self.healthy_as_before(case, "the restore of the damaged table alone")?;
                let now = self.tables(live, &[HURT]);
                hold(now == case.backup_hurt, || format!("restored: {now:#?}"))?;
            }
        }
        self.keys_hold(case, scope)?;
        Ok(kept.is_some_and(|kept| self.has(kept, HURT)))
    }

    /// Foreign keys guard the live tables, and no key of a kept one does.
    pub(super) fn keys_hold(&self, case: &Case, scope: Scope) -> Held<()> {
        let live = &case.database;
        let refused = |sql: &str, number: u32| {
            let error = self.error(&format!("USE {live}; {sql}"));
            hold(error == Some(number), || format!("{sql}: {error:?} instead of {number}"))
        };
        match case.keys {
            Keys::None => Ok(()),
            Keys::To => {
                refused("INSERT INTO linked VALUES (5000, 5000, '')", 1452)?;
                refused("DELETE FROM hurt WHERE id = 5", 1451)?;
                // Of a row that no live row refers to; a kept one does where all of it was restored.
                let id = if scope == Scope::Everything { 900 } else { 901 };
                let sql =
                    format!("USE {live}; START TRANSACTION; DELETE FROM hurt WHERE id = {id}; ROLLBACK");
                let error = self.ask(&sql).stderr;
                hold(error.is_empty(), || format!("a kept table guards a live one: {error}"))
            }
            Keys::From => {
                refused("INSERT INTO hurt VALUES (5000, 1, 5000, '')", 1452)?;
                refused("DELETE FROM linked WHERE id = 5", 1451)
            }
        }
    }

    /// An undo brings the healthy tables back, and says of the damaged one what is true.
    pub(super) fn undo(&self, case: &Case, is_kept: bool) -> Held<()> {
        let run = self.tool("fwb-restore").args(["--undo", "--yes", "--database", &case.database]).run();
        hold(run.code == Some(0), || format!("the undo failed: {}", run.stderr))?;
        let report = run.json();
        let missing = report.get("not_brought_back").cloned().unwrap_or(json!([]));
        let is_told = missing == json!([HURT]);
        hold(is_told || is_kept && missing == json!([]), || format!("not brought back: {missing}"))?;
        let reading = self.reading(&case.database);
        let is_back = reading.map_or(case.kind.errors.is_empty(), |error| case.kind.errors.contains(&error));
        hold(is_told || is_back, || format!("the damaged table after the undo: {reading:?}"))?;
        let now = self.tables(&case.database, &HEALTHY);
        for (name, [rows, definition]) in &case.old {
            // A key to a table that does not come back may go with it.
            let has_keys = !is_told || case.keys != Keys::To;
            let form = |definition: &str| {
                if has_keys { definition.to_owned() } else { without_keys(definition) }
            };
            let same = now.get(name).is_some_and(|[now_rows, now_definition]| {
                now_rows == rows && form(now_definition) == form(definition)
            });
            hold(same, || format!("{name} after the undo: {:#?}\ninstead of: {definition}", now.get(name)))?;
        }
        Ok(())
    }
}
