//! Tables that end the server when they are read. Nothing that a tool does by itself may read them once it is told, by
//! `--damaged`; and before it is told, nothing may be lost.

use super::kinds::{DEADLY, HURT};
use super::promises::{Scope, hold};
use super::scene::{Case, HEALTHY, Keys, Scene, Tables};
use crate::faults::restart;
use crate::support::Tool;

/// How a server that has ended is noticed: it does not answer.
fn revive(scene: &Scene) -> bool {
    let pid = scene.server.pid();
    let is_gone = !std::path::Path::new("/proc").join(pid.to_string()).exists();
    let answers = scene.ask("SELECT 1").stdout_text() == "1\n";
    if is_gone || !answers {
        restart(&scene.server);
    }
    is_gone || !answers
}

#[test]
fn damage_is_deadly() {
    let scene = Scene::damaging("damage-deadly-is", &DEADLY, &[Keys::None], &[HURT]);
    for case in &scene.cases {
        assert!(!revive(&scene), "{}: it lives", case.name());
        scene.reading(&case.database);
        assert!(revive(&scene), "{}: reading it ends the server", case.name());
    }
}

/// Who does not know yet which table it is: the server may end, by the safety backup or by a look, but the live database
/// is what it was, and the message says what to do.
#[test]
fn a_table_that_ends_the_server_costs_no_healthy_one() {
    let scene = Scene::damaging("damage-deadly", &DEADLY, &Keys::ALL, &[HURT]);
    let mut failures = Vec::new();
    for case in &scene.cases {
        let held = before_it_is_known(&scene, case).and_then(|()| once_it_is_known(&scene, case));
        failures.extend(held.err().map(|why| format!("{}: {why}", case.name())));
        revive(&scene);
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

fn before_it_is_known(scene: &Scene, case: &Case) -> Result<(), String> {
    let run = scene.restore(case, &["--yes"]).run();
    let has_ended = revive(scene);
    hold(run.code != Some(0), || format!("a server that ends is a failure: {}", run.stderr))?;
    hold(run.stderr.contains("--damaged"), || format!("the way on is named: {}", run.stderr))?;
    // Nobody can have looked.
    hold(!has_ended || !run.stderr.contains("as it was"), || {
        format!("said without looking: {}", run.stderr)
    })?;
    let now = scene.tables(&case.database, &HEALTHY);
    hold(now == case.old, || format!("healthy tables: {now:#?}"))
}

/// With `--damaged`, plan, restore and undo leave the table unread.
fn once_it_is_known(scene: &Scene, case: &Case) -> Result<(), String> {
    let pid = scene.server.pid();
    let told = |tool: Tool| tool.args(["--damaged", HURT]).run();
    let plan = told(scene.restore(case, &["--dry-run"]));
    hold(plan.code == Some(0) && plan.json()["damaged"][0]["table"] == HURT, || {
        format!("the plan: {} {}", plan.stdout_text(), plan.stderr)
    })?;
    let run = told(scene.restore(case, &["--yes"]));
    hold(run.code == Some(0), || format!("the restore: {}", run.stderr))?;
    let is_kept = scene.succeeded(case, Scope::Everything, &run.json())?;
    hold(scene.server.pid() == pid && !revive(scene), || "the server has ended".to_owned())?;
    let undone = scene.tool("fwb-restore").args(["--undo", "--yes", "--database", &case.database]).run();
    hold(undone.code == Some(0), || format!("the undo: {}", undone.stderr))?;
    hold(!revive(scene), || "the undo has ended the server".to_owned())?;
    let now = scene.tables(&case.database, &HEALTHY);
    let rows = |tables: &Tables| -> Vec<String> { tables.values().map(|[rows, _]| rows.clone()).collect() };
    hold(rows(&now) == rows(&case.old), || format!("after the undo: {now:#?}"))?;
    hold(is_kept == scene.has(&case.database, HURT), || "the damaged table is where the undo says".to_owned())
}
