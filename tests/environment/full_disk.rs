//! Disks that are full at every point of a run, and those without another inode.

use serde_json::Value;

use super::Disk;
use crate::support::{Before, Database, Output, Tool, name};
use crate::torture;

/// What a full disk says, or a limit that stands for one.
const FULL: [&str; 3] = ["No space left", "File too large", "Permission denied"];

fn random(name: &str, tables: u32, kib: u32) -> Database {
    let database = Database::new(name);
    for table in 1..=tables {
        database.sql(format!(
            "CREATE TABLE t{table} (id INT PRIMARY KEY, d BLOB); INSERT INTO t{table} SELECT seq, RANDOM_BYTES(1000) FROM seq_1_to_{kib}; ANALYZE TABLE t{table};"
        ));
    }
    database
}

/// It failed for lack of room, and says where.
#[track_caller]
fn names_the_disk(ended: Output, disk: &Disk) {
    let failed = ended.fails(1, &[&disk.store().display().to_string()]);
    assert!(FULL.iter().any(|words| failed.stderr.contains(words)), "{}", failed.stderr);
}

/// The rooms to try, in bytes, until one is enough: each a little larger than the one before.
fn rooms(fine: u64, coarse: u64) -> impl Iterator<Item = u64> {
    let step = if torture::whole() { fine } else { coarse };
    (0..).map(move |count| count * step)
}

/// Gives a run more and more room until it succeeds. Whatever fails says why, and leaves the disk as it was.
fn walk(disk: &mut Disk, (fine, coarse): (u64, u64), mut run: impl FnMut(&Disk) -> Tool) -> (Output, u32) {
    let before = disk.content();
    for (failures, room) in (0..).zip(rooms(fine, coarse)) {
        disk.leave(room);
        let ended = run(disk).run();
        if ended.code == Some(0) {
            disk.relieve();
            let after = disk.content();
            let kept = before
                .iter()
                .filter(|(name, _)| !ended.stdout_text().contains(name.trim_end_matches(".json")));
            assert!(kept.into_iter().all(|old| after.contains(old)), "room for {room}: the old backups");
            return (ended, failures);
        }
        names_the_disk(ended, disk);
        assert!(disk.content() == before, "room for {room}: {:?}", disk.names());
    }
    unreachable!("there is always a larger room")
}

fn dumps_whole_or_not(database: &Database, options: &[&str], steps: (u64, u64)) {
    let mut disk = Disk::new();
    disk.dump(database).run().ok();
    let (done, failures) = walk(&mut disk, steps, |disk| disk.dump(database).args(options));
    assert!(failures > 3, "{failures} full disks");
    let dump = done.json();
    disk.tool("fwb-verify").arg(name(&dump)).run().ok();
    assert_eq!(disk.names().len(), 4);
    torture::count("full disk", &format!("dump {}", options.join(" ")), &[("full", failures)]);
}

/// A full disk is the most common reason for a night without a backup: it must cost that night's alone, and say so.
#[test]
fn a_dump_that_meets_a_full_disk_leaves_nothing() {
    dumps_whole_or_not(&random("disk_small", 1, 900), &[], (8 << 10, 96 << 10));
}

/// What several connections put aside lies on the same disk, in a file that nobody sees.
#[test]
fn a_dump_over_several_connections_that_meets_a_full_disk_leaves_nothing() {
    let database = random("disk_large", 2, 20_000);
    dumps_whole_or_not(&database, &["--jobs", "4"], (1 << 20, 7 << 20));
}

/// A disk with room and without inodes is full too.
#[test]
fn a_dump_without_an_inode_leaves_nothing() {
    let (database, mut disk) = (random("inodes", 1, 20), Disk::new());
    disk.dump(&database).run().ok();
    let before = disk.content();
    for count in 0.. {
        disk.leave_inodes(count);
        let ended = disk.dump(&database).run();
        if ended.code == Some(0) {
            assert!(count > 0);
            break;
        }
        names_the_disk(ended, &disk);
        assert!(disk.content() == before, "{count} inodes: {:?}", disk.names());
    }
    disk.relieve();
    assert_eq!(disk.names().len(), 4);
}

/// Proof that could not be recorded is not lost on whoever waits for it, and costs no manifest.
#[test]
fn an_outcome_that_meets_a_full_disk_is_told_and_costs_no_manifest() {
    let (database, mut disk) = (random("disk_verify", 1, 60), Disk::new());
    let dump = disk.dump(&database).run().ok().json();
    let before = disk.content();
    disk.leave(0);
    let ended = disk.tool("fwb-verify").arg(name(&dump)).run();
    assert_eq!(ended.json()["verification"]["ok"], true, "the pipeline has the outcome");
    names_the_disk(ended, &disk);
    assert!(disk.content() == before, "{:?}", disk.names());
    walk(&mut disk, (1 << 10, 1 << 10), |disk| disk.tool("fwb-verify").arg(name(&dump)));
    disk.tool("fwb-ls").args(["--latest", "--verified"]).run().ok();
}

/// Pruning is what makes room: it must work where there is none.
#[test]
fn pruning_works_on_a_full_disk() {
    let (database, mut disk) = (random("disk_prune", 1, 60), Disk::new());
    let dumps: Vec<Value> = (0..3).map(|_| disk.dump(&database).run().ok().json()).collect();
    disk.tool("fwb-verify").args(dumps.iter().map(name)).run().ok();
    disk.fill();
    let listed = disk.tool("fwb-ls").run().ok();
    disk.tool("fwb-prune").args(["--keep-days", "0", "--keep-last", "1"]).stdin(&listed.stdout).run().ok();
    disk.relieve();
    assert_eq!(disk.names(), [name(&dumps[2]).to_owned(), format!("{}.json", name(&dumps[2]))]);
}

/// What is there is backed up first; where there is no room for that, it must not be touched.
#[test]
fn a_restore_whose_safety_backup_meets_a_full_disk_touches_nothing() {
    for options in [&["--strategy", "swap"][..], &["--strategy", "in-place"]] {
        let (database, mut disk) = (random("disk_restore", 1, 400), Disk::new());
        let dump = disk.dump(&database).run().ok().json();
        database.sql("INSERT INTO t1 VALUES (0, 'new')");
        let before = Before::new(&database);
        walk(&mut disk, (8 << 10, 80 << 10), |disk| {
            assert!(before.is_again(), "{options:?}: after a full disk");
            disk.tool("fwb-restore").arg("--yes").args(options).stdin(dump.to_string())
        });
        assert_eq!(database.query("SELECT COUNT(*) FROM t1"), "400");
        assert!(disk.names().iter().any(|name| name.contains("_safety_")));
    }
}
