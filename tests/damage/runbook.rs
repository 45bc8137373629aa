//! The runbook's first page, typed word for word over tables whose files really are damaged. Whoever stands before them
//! at night has nothing but that page.

use super::kinds::{DEADLY, HURT, Kind};
use super::scene::{Case, HEALTHY, Keys, Scene};
use super::these;
use crate::runbook::{Section, objects};

fn section(scene: &Scene, case: &Case) -> Section {
    let store = &scene.store;
    let mut section = Section::new("The database is damaged", store, &case.database);
    section.export("FWB_DEFAULTS_FILE", scene.server.defaults_file().to_str().unwrap());
    section.export("DAMAGED", HURT);
    section
}

/// One of each that the page's table names.
pub(super) fn named() -> impl Iterator<Item = &'static Kind> {
    these(&[
        "one page",
        "the header",
        "`.ibd` missing",
        "`.frm` missing",
        "`.frm` overwritten",
        "tablespace discarded",
    ])
}

#[test]
fn the_first_page_leads_through_damaged_files() {
    let scene = Scene::new("damage-runbook", named(), &Keys::ALL);
    for case in &scene.cases {
        let what = case.name();
        let mut followed = section(&scene, case);
        let plan = objects(&followed.follow(1)).pop().unwrap();
        assert!(!case.kind.shows || plan["damaged"][0]["table"] == HURT, "{what}: {plan}");
        let report = objects(&followed.follow(1)).pop().unwrap();
        assert_eq!(scene.everything(&case.database), case.backup, "{what}");
        let kept = scene.tables(report["before"].as_str().unwrap(), &HEALTHY);
        assert_eq!(kept.len(), HEALTHY.len(), "{what}: what was healthy is kept");
        // Look, and remove what was kept.
        followed.skip(2);
        let out = followed.follow(1).stdout_text();
        assert!(out.contains(HURT), "{what}: {out}");
        assert_eq!(scene.everything(&case.database), case.backup, "{what}: after what was kept is gone");
        followed.end();
    }
}

#[test]
fn the_first_page_brings_one_table_back() {
    let scene = Scene::new("damage-runbook-one", named(), &[Keys::To]);
    for case in &scene.cases {
        let mut followed = section(&scene, case);
        followed.skip(2);
        followed.follow(1);
        assert_eq!(scene.tables(&case.database, &[HURT]), case.backup_hurt, "{}", case.name());
        assert_eq!(scene.tables(&case.database, &HEALTHY), case.old, "{}", case.name());
    }
}

#[test]
fn the_first_page_leads_around_a_table_that_ends_the_server() {
    let scene = Scene::damaging("damage-runbook-deadly", &DEADLY, &Keys::ALL, &[HURT]);
    let pid = scene.server.pid();
    for case in &scene.cases {
        let mut followed = section(&scene, case);
        followed.skip(3);
        followed.follow(1);
        assert_eq!(scene.everything(&case.database), case.backup, "{}", case.name());
        assert_eq!(scene.server.pid(), pid, "{}: the server lives", case.name());
    }
}
