//! The account of the README, which is not the server's: it does not see what InnoDB lists. A table whose definition is
//! gone is then in no list at all, and only stands in the way.

use super::kinds::HURT;
use super::promises::{Scope, hold};
use super::runbook::named;
use super::scene::{Case, Keys, Scene};

/// The rights that the README gives to the account that restores.
fn account(case: &Case) -> String {
    let live = &case.database;
    let beside = live.replace('_', "\\_");
    format!(
        "CREATE USER IF NOT EXISTS restore@localhost; GRANT ALL ON `{beside}`.* TO restore@localhost;
        GRANT ALL ON `{beside}\\_\\_%`.* TO restore@localhost; GRANT SELECT ON mysql.proc TO restore@localhost;
        GRANT SET USER ON *.* TO restore@localhost; SET GLOBAL log_bin_trust_function_creators = 1;"
    )
}

#[test]
fn an_account_that_sees_less_loses_no_healthy_table_either() {
    let scene = Scene::new("damage-rights", named(), &Keys::ALL);
    let mut failures = Vec::new();
    for case in &scene.cases {
        scene.server.sql(account(case));
        let run = scene.restore(case, &["--yes"]).env("FWB_USER", "restore").run();
        let held = if run.code == Some(0) {
            scene.succeeded(case, Scope::Everything, &run.json()).map(|_| ())
        } else {
            scene.failed(case, &run).and_then(|()| {
                hold(run.stderr.contains(HURT), || format!("the table is not named: {}", run.stderr))
            })
        };
        failures.extend(held.err().map(|why| format!("{}: {why}", case.name())));
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}
