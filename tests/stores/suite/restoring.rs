//! What comes back, and what is told where it cannot.

use super::Ground;
use crate::support::{Database, Tool, name};

pub(super) fn chosen_tables_come_back_and_can_be_undone(ground: &Ground) {
    let database = Database::sample("chosen");
    let content = database.content();
    // Of the other codec, too.
    let zstd = ground.tool("fwb-dump").args(["-B", &database.name, "--codec", "zstd"]).run().ok().json();
    for dump in [ground.dump(&database), zstd] {
        database.sql("UPDATE settings SET value = 'wrong'; DELETE FROM shares; DELETE FROM file_views");
        let wrong = database.content();
        let restore = |arguments: &[&str]| ground.tool("fwb-restore").args(arguments).arg(name(&dump)).run();
        let sql = restore(&["--stdout", "--tables", "settings"]).ok().stdout_text();
        assert!(sql.contains("CREATE TABLE `settings`") && !sql.contains("CREATE TABLE `shares`"), "{sql}");
        let plan = restore(&["--dry-run", "--tables", "settings"]).ok();
        assert_eq!(database.content(), wrong, "{}", plan.stdout_text());
        let report = restore(&["--yes", "--tables", "settings,file_views"]).ok().json();
        assert_eq!(report["tables"], 2);
        let counts = "SELECT COUNT(*) FROM file_views; SELECT COUNT(*) FROM shares; SELECT value = 'wrong' FROM settings LIMIT 1";
        assert_eq!(database.query(counts), "120\n0\n0");
        let undo = || {
            let undo = Tool::new("fwb-restore").args(["--undo", "--yes", "--database", &database.name]);
            undo.run().ok();
        };
        undo();
        assert_eq!(database.content(), wrong);
        restore(&["--yes", "--prove", "digest"]).ok();
        assert_eq!(database.content(), content);
        // What was there is in the store, proved, as any backup.
        let in_place = restore(&["--yes", "--strategy", "in-place"]).ok().json();
        let safety = in_place["safety_backup"].as_str().unwrap();
        assert!(ground.listed().contains(&safety.to_owned()));
        ground.verify(&[safety]).ok();
        assert_eq!(database.content(), content);
        Tool::new("fwb-restore").args(["--drop-before", "--yes", "--database", &database.name]).run().ok();
    }
}

pub(super) fn what_cannot_be_restored_says_so_by_its_exit_code(ground: &Ground) {
    let database = Database::sample("exits");
    let content = database.content();
    let restore = |arguments: &[&str]| ground.tool("fwb-restore").args(arguments).run();
    let dump = ground.dump(&database);
    restore(&["--yes", "none_backup_20250101_000000.sql.gz"]).fails(3, &["no backup none_", "hint: "]);
    restore(&["--yes", "--tables", "no_such_table", name(&dump)]).fails(2, &["no table no_such_table"]);
    restore(&[name(&dump)]).exits(2); // nobody is there to be asked
    ground.piped("fwb-restore", &dump.to_string()[..100]).arg("--yes").run().exits(1);
    ground.piped("fwb-restore", "no JSON").arg("--yes").run().exits(2);
    ground.piped("fwb-verify", "").run().fails(1, &["nothing was proved"]);
    let elsewhere = ground.another();
    elsewhere.place.begin();
    elsewhere.tool("fwb-restore").args(["--yes"]).stdin(dump.to_string()).run().fails(2, &["is of store"]);
    if ground.keys.is_some() {
        let without_a_key = || ground.place.tool("fwb-restore");
        without_a_key().args(["--yes", name(&dump)]).run().fails(2, &["is encrypted"]);
        let tables = ground.place.tool("fwb-ls").args(["--tables", "--latest"]).run().ok();
        assert!(tables.stdout.is_empty() && tables.stderr.contains("--identity"), "{tables:?}");
        let stored = ground.place.tool("fwb-verify").arg(name(&dump)).run().ok().json();
        assert_eq!(stored["verification"]["level"], "stored");
    }
    assert_eq!(database.content(), content);
}
