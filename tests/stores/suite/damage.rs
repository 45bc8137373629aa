//! What is not as it was written is found, and what is merely elsewhere, or without its sidecar, is what it was.

use serde_json::json;

use super::{Ground, small};
use crate::support::{Database, gzip, mariadb_dump, name};

pub(super) fn damage_is_found_wherever_it_is(ground: &Ground) {
    let database = Database::sample("damaged");
    let dump = ground.dump_verified(&database);
    let whole = ground.place.read(name(&dump)).unwrap();
    let flipped = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x40;
        bytes
    };
    let middle = whole.len() / 2;
    let mut damaged: Vec<Vec<u8>> =
        [0, 30, middle, whole.len() - 60, whole.len() - 1].into_iter().map(flipped).collect();
    damaged.extend([whole[..middle].to_vec(), whole[..whole.len() - 1].to_vec(), Vec::new()]);
    damaged.push([&whole[..], b"\0"].concat());
    for (case, bytes) in damaged.iter().enumerate() {
        ground.place.write(name(&dump), bytes);
        let found = ground.verify(&["--no-record", name(&dump)]).fails(3, &[name(&dump)]);
        assert_eq!(found.json()["verification"]["ok"], false, "case {case}");
    }
    ground.place.write(name(&dump), &damaged[2]);
    let rows = database.content();
    ground.tool("fwb-restore").args(["--yes", name(&dump)]).run().exits(3);
    assert_eq!(database.content(), rows, "the live database is what it was");
    // What was found is remembered, and a quick look does not clear it.
    ground.verify(&[name(&dump)]).exits(3);
    assert_eq!(ground.place.sidecar(name(&dump))["verification"]["ok"], false);
    ground.verify(&["--level", "quick", name(&dump)]);
    assert_eq!(ground.place.sidecar(name(&dump))["verification"]["ok"], false);
    ground.tool("fwb-ls").args(["--latest", "--verified"]).run().exits(1);
    ground.place.write(name(&dump), &whole);
    ground.verify(&[name(&dump)]).ok();
    ground.tool("fwb-ls").args(["--latest", "--verified"]).run().ok();
}

pub(super) fn what_is_damaged_or_lost_is_named_and_never_the_latest(ground: &Ground) {
    let database = small("lost");
    let newest = ground.dump_verified(&database);
    let names = [50, 40, 30, 20].map(|hours| ground.aged(&newest, hours));
    ground.forget(name(&newest));
    let sidecar = ground.place.read(&format!("{}.json", names[1])).unwrap();
    ground.place.write(&format!("{}.json", names[1]), "{");
    ground.place.write(&names[2], "cut short");
    ground.place.remove(&names[3]);
    let out = ground.tool("fwb-ls").run().fails(3, &[&names[1], &names[2], &names[3], ": warning: "]);
    let mut is_ok: Vec<(String, bool)> = out
        .records()
        .iter()
        .map(|record| (name(record).to_owned(), record["verification"]["ok"] == true))
        .collect();
    is_ok.sort();
    let expected = names.iter().enumerate().map(|(at, name)| (name.clone(), at == 0));
    assert_eq!(is_ok, expected.collect::<Vec<_>>());
    let latest = ground.tool("fwb-ls").arg("--latest").run().ok();
    assert_eq!(latest.json()["name"], names[0].as_str());
    assert!(latest.stderr.contains(&names[2]), "that a newer one is damaged is said: {}", latest.stderr);
    // All of several are looked at, and each is told.
    let verified = ground.verify(&[&names[3], &names[2], &names[1]]).exits(3);
    assert_eq!(verified.records().len(), 3);
    // The sidecar of another one proves nothing.
    let other = ground.dump(&small("lost_other"));
    ground.place.write(&format!("{}.json", name(&other)), sidecar);
    ground.verify(&["--no-record", name(&other)]).fails(3, &["its sidecar is of another backup"]);
}

pub(super) fn an_artifact_alone_is_a_whole_backup(ground: &Ground) {
    let database = Database::sample("alone");
    let dump = ground.dump(&database);
    let content = database.content();
    let sidecar_name = format!("{}.json", name(&dump));
    let mut former = ground.place.sidecar(name(&dump));
    former.as_object_mut().unwrap().remove("verification");
    // Its sidecar is written anew.
    ground.place.remove(&sidecar_name);
    ground.verify(&[name(&dump)]).ok();
    let mut rebuilt = ground.place.sidecar(name(&dump));
    assert_eq!(rebuilt.as_object_mut().unwrap().remove("verification").unwrap()["ok"], true);
    assert_eq!(rebuilt, former);
    // In another store it says itself what it is.
    let other = ground.another();
    other.place.begin();
    other.place.write(name(&dump), ground.place.read(name(&dump)).unwrap());
    let listed = other.tool("fwb-ls").run().ok().json();
    assert_eq!((&listed["name"], &listed["store"]), (&dump["name"], &json!(other.place.url())));
    assert_eq!(other.place.files().len(), 1, "a listing writes nothing");
    other.piped("fwb-verify", listed.to_string()).run().ok();
    assert_eq!(other.place.files(), [name(&dump), &sidecar_name]);
    database.drop_now();
    let newest = other.tool("fwb-ls").args(["--latest", "--verified"]).run().ok().stdout;
    other.piped("fwb-restore", newest).arg("--yes").run().ok();
    assert_eq!(database.content(), content);
}

pub(super) fn a_backup_that_is_renamed_with_its_sidecar_is_what_it_was(ground: &Ground) {
    let database = Database::sample("renamed");
    let dump = ground.dump_verified(&database);
    let content = database.content();
    let kept = format!("keep-me{}", ground.suffix());
    ground.rename(name(&dump), &kept);
    if ground.keys.is_some() {
        // Whether the outcome is about these bytes nobody can tell by a look, until they have been compared.
        ground.tool("fwb-ls").args(["--latest", "--verified"]).run().exits(1);
        ground.verify(&[&kept]).ok();
    }
    let listed = ground.tool("fwb-ls").args(["--latest", "--verified"]).run().ok().json();
    assert_eq!((&listed["name"], &listed["sha256"]), (&json!(kept), &dump["sha256"]));
    assert_eq!(listed["verification"]["level"], dump["verification"]["level"], "it stays proved");
    if ground.keys.is_some() {
        let without_a_key = ground.place.tool("fwb-ls").args(["--latest", "--verified"]).run().ok().json();
        assert_eq!(without_a_key["name"], kept);
    }
    let newer = ground.dump(&database);
    ground.edit(name(&newer), "verification", serde_json::Value::Null);
    let all = ground.tool("fwb-ls").run().ok().stdout;
    ground.piped("fwb-prune", all).args(["--keep-days=0", "--keep-last=1"]).run().ok();
    assert_eq!(ground.listed(), [kept.clone(), name(&newer).to_owned()], "the newest proved one stays");
    for level in ["quick", "full"] {
        let proved = ground.verify(&["--level", level, &kept]).ok().json();
        assert_eq!((&proved["name"], &proved["verification"]["ok"]), (&json!(kept), &json!(true)));
    }
    database.sql("DELETE FROM settings");
    ground.tool("fwb-restore").args([&kept, "--yes"]).run().ok();
    assert_eq!(database.content(), content);
    // Once more.
    let again = format!("and-again{}", ground.suffix());
    ground.rename(&kept, &again);
    ground.verify(&[&again]).ok();
    let listed = ground.place.tool("fwb-ls").args(["--latest", "--verified"]).run().ok().json();
    assert_eq!(listed["name"], again);
}

/// A dump of another program may lie in any store, and in an encrypted one in clear.
pub(super) fn a_backup_of_another_program_is_proved_and_adopted(ground: &Ground) {
    let database = Database::sample("foreign");
    let content = database.content();
    let sql = mariadb_dump(&database, &["--routines", "--events"]);
    ground.place.begin();
    ground.place.write("old.sql", &sql);
    ground.place.write("old.sql.gz", gzip(&sql));
    for file in ["old.sql", "old.sql.gz"] {
        let seen = ground.verify(&[file]).ok().json();
        assert_eq!((&seen["kind"], &seen["database"]), (&json!("foreign"), &json!(database.name)));
        assert_eq!(ground.place.read(&format!("{file}.json")), None, "nothing is written without --adopt");
        let adopted = ground.verify(&["--adopt", file]).ok().json();
        assert_eq!(ground.place.sidecar(file)["verification"], adopted["verification"]);
    }
    // From now on it is held against what was adopted; half of one is none.
    let mut changed = sql.clone();
    let at = changed.windows(13).position(|text| text == "보고서 4.p".as_bytes()).expect("a row");
    changed[at + 10] = b'5';
    ground.place.write("old.sql", changed);
    ground.verify(&["old.sql"]).fails(3, &["the rows of table files differ from their digest"]);
    ground.place.write("half.sql.gz", gzip(&sql[..sql.len() / 2]));
    ground.verify(&["half.sql.gz"]).fails(3, &["incomplete"]);
    database.sql("DELETE FROM settings");
    let restore = ground.tool("fwb-restore").args(["--yes", "old.sql.gz"]);
    let restore = match &ground.keys {
        Some((_, recipient)) => restore.env("FWB_RECIPIENTS", recipient),
        None => restore,
    };
    let restored = restore.run().ok().json();
    assert_eq!(database.content(), content);
    let safety = restored["safety_backup"].as_str().unwrap();
    assert!(safety.ends_with(ground.suffix()), "{safety}");
    ground.verify(&[safety]).ok();
}
