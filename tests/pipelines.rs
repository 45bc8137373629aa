//! The tools put together by a shell, as the README, the nightly job and the two scripts do it.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::stores::Place;
use crate::support::object_server::Kind;
use crate::support::{Database, Server, Store, Tool, bash, name};

const README: &str = include_str!("../README.md");

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A home directory in which `mariadb` without options reaches the shared server, as it does for a user.
fn home() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    fs::copy(Server::shared().defaults_file(), home.path().join(".my.cnf")).unwrap();
    home
}

#[test]
fn a_dump_is_proved_in_the_pipe() {
    let db = Database::named("filewallball_db");
    db.sql(crate::support::sample());
    let store = Store::new();
    let out = bash(r#"fwb-dump -B filewallball_db -s "$DIR" | fwb-verify | jq .verification.ok"#)
        .env("DIR", store.path())
        .run()
        .ok();
    assert_eq!(out.stdout_text(), "true\n");
}

#[test]
fn the_nightly_chain_leaves_the_last_week_and_the_new_backup() {
    let db = Database::sample("nightly");
    let store = Store::new();
    let first = store.dump_verified(&db);
    let (old, young) = (store.aged(&first, 24 * 9), store.aged(&first, 24 * 6));
    let night = || {
        bash("fwb-dump | fwb-verify && fwb-ls | fwb-prune --keep-days 7")
            .env("FWB_STORE", store.path())
            .env("FWB_DATABASE", &db.name)
            .run()
    };
    let said = night().ok().records();
    assert_eq!(said.len(), 1 + 4, "the new backup's proof, and a decision on each");
    assert_eq!(said[0]["verification"]["ok"], true);
    assert!(
        !store.holds(&old) && store.holds(&young) && store.holds(name(&first)) && store.holds(name(&said[0]))
    );

    // A night that fails prunes nothing and says so by its exit code, even without pipefail.
    let old = store.aged(&first, 24 * 10);
    db.drop_now();
    night().exits(1);
    let last = bash("set +o pipefail; fwb-dump | fwb-verify && fwb-ls | fwb-prune --keep-days 7")
        .env("FWB_STORE", store.path())
        .env("FWB_DATABASE", &db.name)
        .run()
        .exits(1);
    assert!(last.stdout.is_empty() && last.stderr.contains("nothing was proved"), "{}", last.stderr);
    assert!(store.holds(&old));
}

#[test]
fn the_newest_proved_backup_comes_back() {
    let db = Database::sample("lost");
    let store = Store::new();
    store.dump_verified(&db);
    let content = db.content();
    db.sql("DELETE FROM file_views; INSERT INTO shares VALUES (1, 'after the backup')");
    store.dump(&db); // newer, and not proved
    db.drop_now();
    bash("fwb-ls --latest --verified | fwb-restore --yes").env("FWB_STORE", store.path()).run().ok();
    assert_eq!(db.content(), content);
}

#[test]
fn one_table_goes_to_another_database() {
    let (db, other) = (Database::sample("table"), Database::new("table_other"));
    let store = Store::new();
    store.dump(&db);
    let home = home();
    bash(r#"fwb-ls --latest | fwb-restore --tables files --stdout | mariadb "$OTHER""#)
        .env("FWB_STORE", store.path())
        .env("OTHER", &other.name)
        .env("HOME", home.path())
        .run()
        .ok();
    assert_eq!(other.query("SHOW TABLES"), "files");
    let rows = "SELECT * FROM files ORDER BY id";
    assert_eq!(other.query(rows), db.query(rows));
}

#[test]
fn two_nights_tell_which_tables_changed() {
    let db = Database::sample("nights");
    let store = Store::new();
    store.dump(&db);
    db.sql("UPDATE settings SET value = 'new' WHERE name = 'binary'; DROP TABLE shares; CREATE TABLE added (a INT);");
    store.dump(&db);
    let changed = bash(
        r#"fwb-ls --kind full | tail -n 2 | jq -s -r '
            map([.sections[] | select(.kind == "table") | {key: .name, value: .rows_digest}] | from_entries)
            | .[0] as $before | .[1] as $after
            | ($before + $after | keys[]) | select($before[.] != $after[.])'"#,
    )
    .env("FWB_STORE", store.path())
    .run()
    .ok();
    assert_eq!(changed.stdout_text(), "added\nsettings\nshares\n");
}

#[test]
fn what_is_not_proved_is_found_with_jq() {
    let db = Database::new("unproved");
    let store = Store::new();
    let (_, failed, never) = (store.dump_verified(&db), store.dump(&db), store.dump(&db));
    store.edit(
        name(&failed),
        "verification",
        json!({"level": "full", "ok": false, "at": "2025-01-01T00:00:00Z", "seconds": 1.0, "problems": []}),
    );
    let names = bash("fwb-ls | jq -r 'select(.verification.ok|not) | .name'")
        .env("FWB_STORE", store.path())
        .run()
        .ok();
    assert_eq!(names.stdout_text(), format!("{}\n{}\n", name(&failed), name(&never)));
}

#[test]
fn a_reader_that_has_seen_enough_is_a_failure_only_where_work_is_lost() {
    let db = Database::sample("broken_pipe");
    let store = Store::new();
    let manifest = store.dump_verified(&db);
    // More than a pipe holds.
    for hours in 1..60 {
        store.aged(&manifest, hours);
    }
    let out = bash("fwb-ls | head -n 1").env("FWB_STORE", store.path()).run().ok();
    assert_eq!(out.stdout_text().lines().count(), 1);
    assert!(out.stderr.is_empty(), "{}", out.stderr);

    // Nobody reads at all.
    let deaf = |tool: Tool| {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        tool.command().stdout(writer).stderr(std::process::Stdio::null()).status().unwrap().code()
    };
    assert_eq!(deaf(store.tool("fwb-ls")), Some(0));
    assert_eq!(deaf(store.tool("fwb-verify").arg(name(&manifest))), Some(1));
    assert_eq!(deaf(store.tool("fwb-prune").arg("-n").arg(name(&manifest))), Some(1));
    assert_eq!(deaf(store.tool("fwb-restore").arg("--stdout").arg(name(&manifest))), Some(1));
    assert_eq!(deaf(Tool::new("fwb-dump").args(["-B", &db.name, "-o", "-"])), Some(1));
    let before = store.names().len();
    assert_eq!(deaf(store.tool("fwb-dump").args(["-B", &db.name])), Some(1));
    assert_eq!(store.names().len(), before + 2, "the backup itself is made and stays");
}

#[test]
fn the_readmes_pipelines_run_as_they_stand() {
    let chapter = README.split("\n## Pipelines").nth(1).expect("the README's pipelines");
    let block = chapter.split("```sh\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a block");
    let db = Database::named("readme_db");
    db.sql(crate::support::sample());
    let (_other, scratch) = (Database::named("other_db"), Database::named("scratch"));
    let (store, home) = (Store::new(), home());
    store.dump_verified(&db);
    // An old script's dump lies where its reader is, and not in the store.
    let old = crate::support::gzip(&crate::support::mariadb_dump(&db, &["--routines"]));
    std::fs::write(home.path().join("old.sql.gz"), old).unwrap();
    // A person is asked before a restore; here nobody is there to answer.
    let block = block.replace("fwb-restore -f", "fwb-restore --yes -f");
    let elsewhere = Place::on(Kind::Ministack);
    let block = block.replace("s3://my-backups/shop", elsewhere.url());
    elsewhere
        .known_to(bash(&block))
        .env("FWB_STORE", store.path())
        .env("FWB_DATABASE", &db.name)
        .env("HOME", home.path())
        .dir(home.path())
        .run()
        .ok();
    assert_eq!(scratch.content(), db.content());
}

/// One of our two scripts, called from somewhere else.
fn script(name: &str, store: &Store, home: &Path) -> Tool {
    bash(r#"exec "$SCRIPT" "$@""#)
        .arg("script")
        .env("SCRIPT", repository().join("scripts").join(name))
        .env("FWB_STORE", store.path())
        .dir(home)
}

#[test]
fn the_two_scripts_back_up_list_and_restore() {
    let db = Database::sample("scripts");
    let (store, home) = (Store::new(), home());
    let made = script("backup-database.sh", &store, home.path()).args(["-B", &db.name]).run().ok().json();
    assert_eq!(made["verification"]["ok"], true);
    let list = script("restore-database.sh", &store, home.path()).arg("--list").run().ok().stdout_text();
    assert!(list.contains(name(&made)) && list.contains("1 backup, "), "{list}");

    let content = db.content();
    for which in [vec!["-f", name(&made)], vec!["--latest"]] {
        db.sql("DELETE FROM file_views");
        script("restore-database.sh", &store, home.path()).args(&which).arg("--yes").run().ok();
        assert_eq!(db.content(), content, "{which:?}");
    }
    let which = |action: &str| {
        script("restore-database.sh", &store, home.path()).args([action, "-B", &db.name, "--yes"]).run().ok()
    };
    which("--undo");
    assert_eq!(db.query("SELECT COUNT(*) FROM file_views"), "0", "what the last restore has replaced");
    let in_place = ["--latest", "--strategy", "in-place", "--no-safety-backup", "--yes"];
    script("restore-database.sh", &store, home.path()).args(in_place).run().ok();
    assert_eq!(db.content(), content);
    assert!(which("--drop-before").json()["removed"].as_array().is_some_and(|removed| !removed.is_empty()));
    // Nobody is there to say yes.
    let unasked = bash(r#"exec setsid "$SCRIPT" --latest"#)
        .env("SCRIPT", repository().join("scripts/restore-database.sh"))
        .env("FWB_STORE", store.path())
        .run();
    assert_eq!(unasked.code, Some(2), "{}", unasked.stderr);

    let failed =
        script("backup-database.sh", &store, home.path()).args(["-B", "no_such_database"]).run().exits(1);
    assert!(failed.stderr.contains("database no_such_database does not exist"), "{}", failed.stderr);
    script("backup-database.sh", &store, home.path())
        .arg("--wrong")
        .run()
        .fails(2, &["unknown argument: --wrong", "hint: "]);
    script("restore-database.sh", &store, home.path()).run().fails(2, &["hint: "]);
    script("restore-database.sh", &store, home.path())
        .args(["--list", "--latest"])
        .run()
        .fails(2, &["hint: "]);
    for name in ["backup-database.sh", "restore-database.sh"] {
        assert!(
            script(name, &store, home.path()).arg("-h").run().ok().stdout_text().contains("Exit status:")
        );
    }
}
