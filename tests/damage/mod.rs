//! A restore over damaged tables, which is what a restore is for: one page, a header, a file, a definition. Each kind of
//! damage, with and without foreign keys, under each strategy, on real servers with files that really are damaged. What
//! is promised: no healthy table is ever lost; the backup is there afterwards, or what was there is, and the tools say
//! which.

mod deadly;
mod kinds;
mod outcomes;
mod pages;
mod promises;
mod rights;
mod runbook;
mod scene;

use std::collections::BTreeSet;

use kinds::{HURT, KINDS, Kind, OTHERS};
use outcomes::{Column, told, try_each};
use promises::{Scope, hold};
use scene::{Keys, Scene};

/// The kinds of these names.
fn these(names: &[&'static str]) -> impl Iterator<Item = &'static Kind> {
    names.iter().map(|name| KINDS.iter().find(|kind| kind.name == *name).expect("a kind"))
}

/// The tests below are worth nothing where the table can be read after all.
#[test]
fn damage_is_damage() {
    let scene = Scene::new("damage-is-damage", KINDS.iter().chain(&OTHERS), &[Keys::None]);
    for case in &scene.cases {
        let errors: Vec<String> = case.kind.errors.iter().map(ToString::to_string).collect();
        let said = if errors.is_empty() { "all rows".to_owned() } else { errors.join(" or ") };
        assert_eq!(told(case.kind.name, Column::Read), Some(said), "docs/RELIABILITY.md, {}", case.name());
        let error = scene.reading(&case.database);
        let expected = error.map_or(case.kind.errors.is_empty(), |error| case.kind.errors.contains(&error));
        assert!(expected, "{}: {error:?}", case.name());
        assert_eq!(scene.tables(&case.database, &scene::HEALTHY), case.old, "{}", case.name());
        let open = format!("SELECT 1 FROM {}.{HURT} LIMIT 0", case.database);
        let ends = ["", " DESC"]
            .map(|order| format!("SELECT id FROM {}.{HURT} ORDER BY id{order} LIMIT 1", case.database));
        let shows = std::iter::once(&open).chain(&ends).any(|sql| scene.error(sql).is_some());
        assert_eq!(shows, case.kind.shows, "{}: whether looking shows it", case.name());
    }
}

/// The runbook's first page. Who restores over one bad page must not lose the tables that were well.
#[test]
fn a_swap_over_a_damaged_table_loses_no_healthy_one() {
    swap("damage-swap", &KINDS, &Keys::ALL);
}

/// The same for files that InnoDB has not.
#[test]
fn a_swap_over_damaged_triggers_or_an_older_table_loses_no_healthy_one() {
    swap("damage-others", &OTHERS, &[Keys::None]);
}

fn swap(name: &str, kinds: &'static [Kind], keys: &[Keys]) {
    let scene = Scene::new(name, kinds, keys);
    try_each(&scene, kinds, Column::Swap, |case| {
        scene.plan(case, &[])?;
        let run = scene.restore(case, &["--yes"]).run();
        if run.code != Some(0) {
            scene.failed(case, &run)?;
            return Ok("refused");
        }
        let is_kept = scene.succeeded(case, Scope::Everything, &run.json())?;
        scene.undo(case, is_kept)?;
        Ok(if is_kept { "restored, and kept" } else { "restored, and gone" })
    });
}

/// A table and the one that it refers to are damaged together, as by a bad sector of a directory: each stands in the
/// other's way.
#[test]
fn a_swap_over_two_damaged_tables_that_are_linked_loses_no_healthy_one() {
    let kinds = KINDS
        .iter()
        .filter(|kind| ["the header", "`.frm` missing", "`.frm` overwritten"].contains(&kind.name));
    let scene = Scene::damaging("damage-two", kinds, &[Keys::To, Keys::From], &[HURT, "linked"]);
    let healthy = ["people", "letters", "newer"];
    for case in &scene.cases {
        let old = scene.tables(&case.database, &healthy);
        assert_eq!(old.len(), healthy.len(), "{}", case.name());
        let plan = scene.restore(case, &["--dry-run"]).run().ok().json();
        let named = plan["damaged"].as_array().into_iter().flatten().filter_map(|one| one["table"].as_str());
        assert_eq!(named.collect::<BTreeSet<_>>(), BTreeSet::from([HURT, "linked"]), "{}", case.name());
        let report = scene.restore(case, &["--yes"]).run().ok().json();
        assert_eq!(scene.everything(&case.database), case.backup, "{}", case.name());
        assert_eq!(scene.keys_hold(case, Scope::Everything), Ok(()), "{}", case.name());
        assert_eq!(scene.tables(report["before"].as_str().unwrap(), &healthy), old, "{}", case.name());
        scene.tool("fwb-restore").args(["--undo", "--yes", "--database", &case.database]).run().ok();
        assert_eq!(scene.tables(&case.database, &healthy), old, "{}: after the undo", case.name());
    }
}

/// The table is named by `--damaged`, so nothing has looked at it. Then the server moves the tables that it refers to, finds
/// that it cannot move the table itself, and cannot move the others back: half of a healthy table is in each database.
#[test]
fn a_table_that_nobody_has_looked_at_costs_no_healthy_one() {
    let names = [
        "one page",
        "the root of the table",
        "`.ibd` missing",
        "`.frm` missing",
        "`.frm` overwritten",
        "`.ibd` and `.frm` missing",
        "tablespace discarded",
    ];
    let scene = Scene::damaging("damage-unseen", these(&names), &[Keys::From], &[HURT]);
    let mut failures = Vec::new();
    for case in &scene.cases {
        scene.forget();
        let run = scene.restore(case, &["--yes", "--damaged", HURT]).run();
        let held = if run.code == Some(0) {
            scene
                .succeeded(case, Scope::Everything, &run.json())
                .and_then(|is_kept| scene.undo(case, is_kept))
        } else {
            scene.healthy_as_before(case, &run.stderr).and(Err(format!("it failed: {}", run.stderr)))
        };
        failures.extend(held.err().map(|why| format!("{}: {why}", case.name())));
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

/// In place there is no way back without a safety backup, and a damaged table has none. Who is not told loses all that
/// was written since the backup.
#[test]
fn a_restore_in_place_over_a_damaged_table_is_refused_unless_its_way_back_is_given_up() {
    let scene = Scene::new("damage-in-place", &KINDS, &Keys::ALL);
    try_each(&scene, &KINDS, Column::InPlace, |case| {
        scene.plan(case, &["--strategy", "in-place"])?;
        let run = scene.restore(case, &["--yes", "--strategy", "in-place"]).run();
        if run.code == Some(0) {
            hold(case.kind.errors.is_empty(), || "a table that cannot be read has no safety backup".into())?;
            let now = scene.everything(&case.database);
            hold(now == case.backup, || format!("restored: {now}\ninstead of: {}", case.backup))?;
            return Ok("restored");
        }
        hold(run.code == Some(2) || !case.kind.shows, || {
            format!("exit code {:?}: {}", run.code, run.stderr)
        })?;
        let named = [HURT, "--strategy swap"].iter().all(|word| run.stderr.contains(word));
        hold(named, || format!("the table and the swap are named: {}", run.stderr))?;
        scene.untouched(case, &run.stderr)?;
        let run = scene.restore(case, &["--yes", "--strategy", "in-place", "--no-safety-backup"]).run();
        hold(run.code == Some(0), || format!("without a safety backup: {}", run.stderr))?;
        let now = scene.everything(&case.database);
        hold(now == case.backup, || format!("restored: {now}\ninstead of: {}", case.backup))?;
        scene.keys_hold(case, Scope::Everything)?;
        Ok("refused; `--no-safety-backup`: restored")
    });
}

/// The damaged table alone comes back: what was written to the others since the backup stays.
#[test]
fn the_damaged_table_alone_comes_back() {
    let scene = Scene::new("damage-chosen", &KINDS, &Keys::ALL);
    try_each(&scene, &KINDS, Column::Chosen, |case| {
        scene.plan(case, &["--tables", HURT])?;
        let run = scene.restore(case, &["--yes", "--tables", HURT]).run();
        if run.code != Some(0) {
            scene.failed(case, &run)?;
            return Ok("refused");
        }
        let report = run.json();
        let is_kept = scene.succeeded(case, Scope::Hurt, &report)?;
        scene.undo(case, is_kept)?;
        Ok(if is_kept { "restored, and kept" } else { "restored, and gone" })
    });
}

/// A damaged table hinders no restore of a healthy one that it has nothing to do with: neither its safety backup nor its way
/// back. Whoever deals with two troubles in a night deals with one after the other.
#[test]
fn a_damaged_table_elsewhere_hinders_no_restore_of_a_healthy_one() {
    let scene = Scene::new("damage-elsewhere", &KINDS, &[Keys::None]);
    let mut failures = Vec::new();
    for case in scene.cases.iter().filter(|case| case.kind.shows) {
        for strategy in ["in-place", "swap"] {
            let held = elsewhere(&scene, case, strategy);
            failures.extend(held.err().map(|why| format!("{}, {strategy}: {why}", case.name())));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

fn elsewhere(scene: &Scene, case: &scene::Case, strategy: &str) -> promises::Held<()> {
    let database = &case.database;
    scene.ask(&format!("UPDATE {database}.people SET v = 'since'"));
    let fails = scene.store.file("fails.sql");
    let body = "DROP TABLE IF EXISTS `people`;\nCREATE TABLE `people` (id INT PRIMARY KEY, v VARCHAR(50));\n\
                INSERT INTO `people` VALUES (1,'a'),(2,'b');\nINSERT INTO `people` VALUES (2,'again');";
    std::fs::write(&fails, crate::hostile::foreign(database, body)).unwrap();
    let options = ["--yes", "--tables", "people", "--strategy", strategy];
    let old = scene.tables(database, &scene::HEALTHY);
    let run = scene.tool("fwb-restore").args(options).arg(&fails).run();
    std::fs::remove_file(&fails).unwrap();
    let expected = if strategy == "swap" { "is as it was" } else { "rolled back to what it held before" };
    hold(run.code == Some(1) && run.stderr.contains(expected), || format!("a failure: {}", run.stderr))?;
    let now = scene.tables(database, &scene::HEALTHY);
    hold(now == old, || format!("rolled back: {now:#?}\ninstead of {old:#?}"))?;
    let run = scene.restore(case, &options).run();
    hold(run.code == Some(0), || format!("restored: {}", run.stderr))?;
    hold(run.json()["safety_backup"].is_string(), || "a safety backup is made of the healthy table".into())?;
    let rows = scene.ask(&format!("SELECT COUNT(*), MAX(v) FROM {database}.people")).stdout_text();
    hold(rows == "20\tbackup\n", || format!("people: {rows}"))?;
    let others = ["letters", "linked", "newer"];
    let now = scene.tables(database, &others);
    hold(now.len() == 3 && now.iter().all(|(name, table)| old[name] == *table), || format!("{now:#?}"))
}

/// A healthy table is restored while a damaged one that it is linked to stays. The server moves such a table only
/// sometimes, and the key must not end up at a table that nobody sees.
#[test]
fn a_healthy_table_linked_to_a_damaged_one_comes_back_or_is_refused() {
    let names = [
        "one page",
        "the header",
        "`.frm` missing",
        "`.frm` cut in half",
        "`.ibd` and `.frm` missing",
        "tablespace discarded",
    ];
    let scene = Scene::new("damage-linked", these(&names), &[Keys::To, Keys::From]);
    let mut failures = Vec::new();
    for case in &scene.cases {
        let run = scene.restore(case, &["--yes", "--tables", "linked"]).run();
        let now = scene.tables(&case.database, &["people", "letters", "newer"]);
        let others = now.iter().all(|(name, table)| case.old[name] == *table) && now.len() == 3;
        let held = hold(others, || format!("{now:#?}")).and_then(|()| {
            if run.code != Some(0) {
                return scene.failed(case, &run);
            }
            let sql = format!("SELECT COUNT(*), MAX(v) FROM {}.linked", case.database);
            let rows = scene.ask(&sql).stdout_text();
            hold(rows == "20\tbackup\n", || format!("linked: {rows}"))?;
            let sql = format!(
                "SELECT for_name, ref_name FROM information_schema.innodb_sys_foreign WHERE for_name = '{0}/{HURT}' AND ref_name <> '{0}/linked'",
                case.database
            );
            let astray = scene.ask(&sql).stdout_text();
            hold(astray.is_empty(), || format!("a key of the damaged table leads astray: {astray}"))
        });
        failures.extend(held.err().map(|why| format!("{}: {why}", case.name())));
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}
