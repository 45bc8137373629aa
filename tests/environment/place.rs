//! Stores in unusual places: read-only, gone in the middle of a run, or of a path that few expect.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;

use super::Disk;
use crate::faults::{code, held_dump};
use crate::support::{Before, Database, Server, Store, Tool, bash, gunzip, name, until};

fn small(name: &str) -> Database {
    let database = Database::new(name);
    database.sql("CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (1);");
    database
}

/// A disk that the kernel has remounted read-only, or an archive: what is in it can be used, and nobody is told that
/// something was written.
#[test]
fn a_read_only_store_can_be_read_and_nothing_is_said_to_be_written() {
    let (database, mut disk) = (small("read_only"), Disk::new());
    let dumps: Vec<_> = (0..2).map(|_| disk.dump(&database).run().ok().json()).collect();
    let before = disk.content();
    let live = Before::new(&database);
    disk.protect(true);
    let is_refused = |tool: Tool| {
        let refused = tool.run().fails(1, &[&disk.store().display().to_string(), "hint: "]);
        let said = ["Read-only file system", "Permission denied"];
        assert!(said.iter().any(|words| refused.stderr.contains(words)), "{}", refused.stderr);
        refused
    };
    is_refused(disk.dump(&database));
    let told = is_refused(disk.tool("fwb-verify").arg(name(&dumps[0])));
    assert_eq!(told.json()["verification"]["ok"], true);
    is_refused(disk.tool("fwb-prune").args(["--keep-days", "0", name(&dumps[0])]));
    is_refused(disk.tool("fwb-restore").arg("--yes").arg(name(&dumps[0])));
    live.holds("a restore without a safety backup");
    assert_eq!(disk.tool("fwb-ls").run().ok().records().len(), 2);
    disk.tool("fwb-verify").args(["--no-record", name(&dumps[0])]).run().ok();
    disk.tool("fwb-verify").args(["--no-record", "--level", "drill", name(&dumps[0])]).run().ok();
    disk.tool("fwb-prune").args(["--dry-run", "--keep-days", "0", name(&dumps[0])]).run().ok();
    disk.tool("fwb-restore").args(["--stdout", name(&dumps[0])]).run().ok();
    disk.tool("fwb-restore").args(["--yes", "--no-safety-backup", name(&dumps[0])]).run().ok();
    disk.relieve();
    assert!(disk.content() == before);
}

/// A volume that is taken away during a run takes its backups with it; the run must not say that it made one.
#[test]
fn a_store_that_vanishes_during_a_dump_is_a_failure() {
    let database = small("vanish");
    let scripts = [
        r#"rm -rf "$STORE""#,
        r#"mv "$STORE" "$STORE.away""#,
        r#"mv "$STORE" "$STORE.away"; mkdir "$STORE""#,
        r#"rm -f "$STORE"/.*.partial"#,
    ];
    for script in scripts {
        let store = Store::new();
        let dump = || store.tool("fwb-dump").arg("-B").arg(&database.name);
        let (held, mut vanishing) = held_dump(Server::shared(), &database.name, "t", dump());
        bash(script).env("STORE", store.path()).run().ok();
        drop(held);
        assert_eq!(code(&mut vanishing), Some(1), "{script}");
        let said = String::from_utf8(vanishing.wait_with_output().unwrap().stderr).unwrap();
        assert!(said.contains(&store.path().display().to_string()), "{script}: {said}");
        let store_dir = store.path();
        let there = fs::read_dir(store_dir).into_iter().flatten().flatten();
        let left: Vec<_> = there.map(|file| file.file_name()).filter(|name| name != ".lock").collect();
        assert!(left.is_empty(), "{script}: {left:?}");
        // A volume that comes back is as good as before.
        let away = store_dir.with_extension("away");
        if away.exists() {
            fs::remove_dir_all(store_dir).ok();
            fs::rename(away, store_dir).unwrap();
        }
        let made = dump().run().ok().json();
        let listed = store.tool("fwb-ls").run().ok();
        assert_eq!(listed.json()["name"], made["name"], "{script}");
    }
}

/// A sidecar of a backup that is gone when its outcome is recorded must not come back alone.
#[test]
fn a_backup_that_vanishes_while_it_is_proved_does_not_come_back() {
    let (database, store) = (small("proved"), Store::new());
    let dump = store.dump(&database);
    // The drill has a server of its own; that is the moment.
    let ground = tempfile::tempdir().unwrap();
    let drill = store.tool("fwb-verify").arg("--drill-dir").arg(ground.path());
    let mut drill = drill.args(["--level", "drill", name(&dump)]).spawn();
    until("the drill's server", || fs::read_dir(ground.path()).unwrap().flatten().next());
    bash(r#"rm -f "$STORE"/*.sql.gz "$STORE"/*.json"#).env("STORE", store.path()).run().ok();
    assert_ne!(code(&mut drill), Some(0));
    assert_eq!(store.names(), [""; 0]);
}

/// Directories have the names that people give them.
#[test]
fn a_store_may_have_any_name_in_utf_8() {
    let database = small("names");
    for dir in ["with space", "line\nbreak", "quote'\"`", "-dash", "$HOME;*?", "한국어 🗂", "tab\tand\\n"]
    {
        let place = tempfile::tempdir().unwrap();
        let store = place.path().join(dir);
        let made = Tool::new("fwb-dump").arg("-B").arg(&database.name).arg("-s").arg(&store).run().ok();
        assert_eq!(made.json()["store"], store.to_str().unwrap());
        // The record says where the backup is.
        let proved = Tool::new("fwb-verify").stdin(&made.stdout).run().ok();
        Tool::new("fwb-restore").args(["--yes", "--dry-run"]).stdin(&proved.stdout).run().ok();
        let listed = Tool::new("fwb-ls").env("FWB_STORE", &store).arg("--verified").run().ok();
        let pruned = Tool::new("fwb-prune").env("FWB_STORE", &store).args(["-n", "--keep-days", "0"]);
        assert_eq!(pruned.stdin(&listed.stdout).run().ok().json()["name"], made.json()["name"]);
        let missing = Tool::new("fwb-restore").args(["--yes", "x.sql.gz"]).arg("-s").arg(&store);
        missing.run().fails(3, &["no backup x.sql.gz"]);
    }
}

/// JSON has no place for a name that is not UTF-8: a record that says another one would lead the next tool elsewhere.
#[test]
fn a_store_whose_name_no_record_can_hold_is_refused() {
    let database = small("bytes");
    let place = tempfile::tempdir().unwrap();
    let dir = place.path().join(OsStr::from_bytes(b"back\xffup"));
    fs::create_dir(&dir).unwrap();
    let tool = |name: &str| Tool::new(name).arg("-s").arg(&dir);
    tool("fwb-dump").arg("-B").arg(&database.name).run().fails(2, &["UTF-8", "hint: "]);
    tool("fwb-ls").run().fails(2, &["UTF-8", "hint: "]);
    let file = Tool::new("fwb-dump").arg("-B").arg(&database.name).arg("-o").arg(dir.join("x.sql.gz"));
    file.run().fails(2, &["UTF-8", "hint: "]);
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 0);
    // By another name it is a store like any other.
    let link = place.path().join("link");
    std::os::unix::fs::symlink(&dir, &link).unwrap();
    let made = Tool::new("fwb-dump").arg("-B").arg(&database.name).arg("-s").arg(&link).run().ok();
    Tool::new("fwb-verify").stdin(&made.stdout).run().ok();
    let bytes = fs::read(link.join(name(&made.json()))).unwrap();
    assert!(gunzip(&bytes).ends_with(b"\n"));
    // What fails for other reasons does not fail for its name.
    Tool::new("fwb-verify").arg(dir.join("nothing.sql.gz")).run().fails(2, &["UTF-8"]);
}
