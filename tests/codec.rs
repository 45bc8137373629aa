//! Artifacts of zstd: `zstd -d` gives the SQL and nothing else, and every tool treats them as it does those of gzip, in the
//! same store.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::{
    Database, Store, Tool, bash, definitions, gunzip, mariadb_dump, name, restore, sha256, slice,
};

/// What the zstd program makes of a file's bytes.
fn zstd(arguments: &[&str], bytes: impl AsRef<[u8]>) -> Vec<u8> {
    Tool::program("zstd").args(arguments).stdin(bytes).run().ok().stdout
}

fn unzstd(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    zstd(&["-dcq"], bytes)
}

fn dump(store: &Store, database: &Database, codec: &str) -> Value {
    store.tool("fwb-dump").args(["-B", &database.name, "--codec", codec]).run().ok().json()
}

/// The sample, with a table of several members and a row of several.
fn large(name: &str) -> Database {
    let database = Database::sample(name);
    database.sql(
        "CREATE TABLE many (id INT PRIMARY KEY, text VARCHAR(200)); INSERT INTO many SELECT seq, SHA2(seq, 512) FROM seq_1_to_20000;
         CREATE TABLE wide (id INT PRIMARY KEY, data LONGBLOB); INSERT INTO wide VALUES (1, REPEAT(UNHEX(SHA2('x', 512)), 100000));",
    );
    database
}

#[test]
fn zstd_gives_the_sql_of_all_and_of_each_section() {
    let (db, other, store) = (large("zstd"), Database::new("zstd_other"), Store::new());
    let manifest = dump(&store, &db, "zstd");
    assert!(name(&manifest).ends_with(".sql.zst"), "{manifest}");
    assert_eq!(manifest["codec"], "zstd");
    let artifact = fs::read(store.artifact(&manifest)).unwrap();
    assert_eq!(manifest["sha256"], sha256(&artifact));
    let sql = unzstd(&artifact);
    assert_eq!(manifest["raw_sha256"], sha256(&sql));
    for section in manifest["sections"].as_array().unwrap() {
        let alone = unzstd(slice(&artifact, &section["offset"], &section["size"]));
        assert!(alone == slice(&sql, &section["raw_offset"], &section["raw_size"]), "{section}");
    }
    bash(r#"zstd -tq "$A" && zstd -dcq "$A" | mariadb --defaults-file="$FWB_DEFAULTS_FILE" "$DB""#)
        .env("A", store.artifact(&manifest))
        .env("DB", &other.name)
        .run()
        .ok();
    assert_eq!(other.content(), db.content());
    // The same SQL as of gzip, but for the moment: that of the last line, and where the binary log stood.
    let of_gzip = dump(&store, &db, "gzip");
    assert_eq!(of_gzip.get("codec"), None);
    let lines = |sql: Vec<u8>| String::from_utf8_lossy(&sql).lines().map(str::to_owned).collect::<Vec<_>>();
    let (one, two) = (lines(sql), lines(gunzip(&fs::read(store.artifact(&of_gzip)).unwrap())));
    assert_eq!(one.len(), two.len());
    let mut differ = one.iter().zip(&two).filter(|(one, two)| one != two);
    assert!(differ.all(|(one, two)| one.starts_with("-- ") && two.starts_with("-- ")));
}

#[test]
fn all_tools_take_both_codecs_out_of_one_store() {
    let (db, store) = (large("codecs"), Store::new());
    let (content, defined) = (db.content(), definitions(&db));
    let dumps = ["gzip", "zstd", "gzip", "zstd"].map(|codec| dump(&store, &db, codec));
    // What one codec's name tells is not said twice.
    let stem = |dump: &Value| name(dump).rsplit_once(".sql.").unwrap().0.to_owned();
    let stems: std::collections::BTreeSet<String> = dumps.iter().map(stem).collect();
    assert_eq!(stems.len(), 4, "{stems:?}");
    let names = |records: &[Value]| records.iter().map(|record| name(record).to_owned()).collect::<Vec<_>>();

    let listed = store.tool("fwb-ls").run().ok();
    assert_eq!(names(&listed.records()), dumps.each_ref().map(|dump| name(dump).to_owned()));
    let verified = store.tool("fwb-verify").stdin(&listed.stdout).run().ok().records();
    assert!(verified.iter().all(|record| record["verification"]["ok"] == true), "{verified:?}");
    let latest = store.tool("fwb-ls").args(["--latest", "--verified"]).run().ok().json();
    assert_eq!(name(&latest), name(&dumps[3]));

    for (backup, strategy) in [(&dumps[3], "swap"), (&dumps[3], "in-place"), (&dumps[2], "swap")] {
        db.sql("DELETE FROM many; DROP TABLE wide");
        let restored = restore(&store, backup).args(["--no-safety-backup", "--strategy", strategy]);
        restored.args(["--prove", "digest"]).run().ok();
        assert!(db.content() == content && definitions(&db) == defined, "{strategy} of {}", name(backup));
    }
    db.sql("UPDATE many SET text = 'lost'");
    restore(&store, &dumps[1]).args(["--no-safety-backup", "--tables", "many"]).run().ok();
    assert!(db.content() == content);
    let streamed = store.tool("fwb-restore").args(["--stdout", name(&dumps[1])]).run().ok().stdout;
    assert!(streamed == unzstd(fs::read(store.artifact(&dumps[1])).unwrap()));

    // A sidecar that is lost is made anew from the artifact's own manifest.
    fs::remove_file(store.sidecar(&dumps[3])).unwrap();
    let again = store.tool("fwb-verify").arg(name(&dumps[3])).run().ok().json();
    assert_eq!((&again["sha256"], &again["codec"]), (&dumps[3]["sha256"], &json!("zstd")));

    let pruned = store.tool("fwb-prune").args(["--keep-days=0", "--keep-last=2", "--min-keep=1"]);
    pruned.stdin(store.tool("fwb-ls").run().ok().stdout).run().ok();
    assert_eq!(
        dumps.each_ref().map(|dump| store.holds(name(dump))),
        [false, false, true, true],
        "each goes with its sidecar"
    );
}

#[test]
fn a_run_that_was_killed_leaves_nothing_of_zstd() {
    let (db, store) = (Database::sample("zstd_left"), Store::new());
    store.write(".shop_backup_20250101_000000.sql.zst.partial", "half");
    store.write(".shop_backup_20250101_000000.sql.zst.json.partial", "half");
    let made = dump(&store, &db, "zstd");
    assert_eq!(store.names(), [name(&made).to_owned(), format!("{}.json", name(&made))]);
}

#[test]
fn files_that_zstd_packed_are_told_from_ours() {
    let db = Database::sample("zstd_foreign");
    let sql = mariadb_dump(&db, &["--routines", "--events"]);
    let store = Store::new();
    let packed = zstd(&["-cq"], &sql);
    store.write("old.sql.zst", &packed);
    // As pzstd begins its frames.
    let skippable = [0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4];
    store.write("pzstd.sql.zst", [&skippable, &packed[..], &skippable].concat());
    for file in ["old.sql.zst", "pzstd.sql.zst"] {
        let adopted = store.tool("fwb-verify").args(["--adopt", file]).run().ok().json();
        assert_eq!((&adopted["kind"], &adopted["codec"]), (&json!("foreign"), &Value::Null), "{adopted}");
        assert_eq!(adopted["raw_sha256"], sha256(&sql));
        let out = store.tool("fwb-restore").args(["--stdout", file]).run().ok();
        assert!(out.stdout == sql);
    }
    let listed = store.tool("fwb-ls").run().ok().records();
    assert_eq!(listed.len(), 2);
    for part in [0, 3, 10, packed.len() / 2, packed.len() - 1] {
        store.write("cut.sql.zst", &packed[..part]);
        store.tool("fwb-verify").arg("cut.sql.zst").run().fails(3, &["is damaged"]);
    }
    // What a store calls a file is no matter.
    let ours = fs::read(store.artifact(&dump(&store, &db, "zstd"))).unwrap();
    store.write("named.sql.gz", &ours);
    let found = store.tool("fwb-verify").arg("named.sql.gz").run().ok().json();
    assert_eq!((&found["kind"], &found["codec"]), (&json!("full"), &json!("zstd")));
    // Ours without its end is ours, and damaged.
    for part in [60, ours.len() / 2, ours.len() - 94, ours.len() - 1] {
        store.write("short.sql.zst", &ours[..part]);
        store.tool("fwb-verify").arg("short.sql.zst").run().fails(3, &["truncated"]);
    }
}

/// Replaces the footer of an artifact of zstd by one that holds this core, as `docs/FORMAT.md` describes it.
fn with_core(artifact: &[u8], core: &str) -> Vec<u8> {
    let number =
        |at: usize| usize::try_from(u64::from_le_bytes(artifact[at..at + 8].try_into().unwrap())).unwrap();
    let footer = number(artifact.len() - 94 + 14);
    let frame = |kind: u8, payload: &[u8]| {
        let size = u32::try_from(payload.len() + 6).unwrap().to_le_bytes();
        [&[0x5f, 0x2a, 0x4d, 0x18], &size[..], b"FW", &[1, kind, 0, 0], payload].concat()
    };
    let hash = |bytes: &[u8]| -> Vec<u8> {
        let digits = sha256(bytes);
        (0..32).map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).unwrap()).collect()
    };
    let before = [&artifact[..footer], &frame(1, core.as_bytes())].concat();
    let places = [(footer as u64).to_le_bytes(), (core.len() as u64).to_le_bytes()].concat();
    let end = frame(2, &[places, hash(core.as_bytes()), hash(&before)].concat());
    [before, end].concat()
}

#[test]
fn what_a_manifest_says_of_the_codec_is_held_against_the_artifact() {
    let (db, store) = (Database::sample("zstd_said"), Store::new());
    let made = dump(&store, &db, "zstd");
    let ours = fs::read(store.artifact(&made)).unwrap();
    let mut core = made.clone();
    let fields = core.as_object_mut().unwrap();
    fields.retain(|field, _| {
        !["store", "verification", "decision", "size", "sha256"].contains(&field.as_str())
    });
    store.write("same.sql.zst", with_core(&ours, &core.to_string()));
    store.tool("fwb-verify").arg("same.sql.zst").run().ok();
    for said in [json!("gzip"), json!("lz4"), json!(1), Value::Null] {
        core["codec"] = said;
        store.write("other.sql.zst", with_core(&ours, &core.to_string()));
        store.tool("fwb-verify").args(["--no-record", "other.sql.zst"]).run().fails(3, &["is of zstd"]);
    }
    // Members of the one and the footer of the other are no artifact: neither gunzip nor zstd would read all of it.
    let of_gzip = fs::read(store.artifact(&dump(&store, &db, "gzip"))).unwrap();
    let end = |manifest: &Value| {
        let last = manifest["sections"].as_array().unwrap().last().unwrap().clone();
        usize::try_from(last["offset"].as_u64().unwrap() + last["size"].as_u64().unwrap()).unwrap()
    };
    let mixed = [&of_gzip[..], &ours[end(&made)..]].concat();
    store.write("mixed.sql.zst", mixed);
    store.tool("fwb-verify").arg("mixed.sql.zst").run().fails(3, &["different codecs"]);
    store.tool("fwb-restore").args(["--stdout", "mixed.sql.zst"]).run().exits(3);
}

#[test]
fn each_codec_has_its_levels_and_its_names() {
    let (db, store) = (Database::sample("zstd_levels"), Store::new());
    let dump = |arguments: &[&str]| store.tool("fwb-dump").args(["-B", &db.name]).args(arguments);
    let sizes = ["1", "6", "19"].map(|level| {
        let made = dump(&["--codec", "zstd", "--level", level]).run().ok().json();
        store.tool("fwb-verify").arg(name(&made)).run().ok();
        made["size"].as_u64().unwrap()
    });
    assert!(sizes[2] < sizes[0], "{sizes:?}");
    for arguments in [
        &["--level", "13"][..],
        &["--level", "0"],
        &["--codec", "zstd", "--level", "20"],
        &["--codec", "lz4"],
    ] {
        dump(arguments).run().fails(2, &["invalid value"]);
    }
    let made = dump(&[]).env("FWB_CODEC", "zstd").env("FWB_LEVEL", "15").run().ok().json();
    assert!(name(&made).ends_with(".sql.zst"));

    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let to = |file: &Path, codec: &str| dump(&["--codec", codec, "-o"]).arg(file).run();
    to(&path("x.sql.zst"), "zstd").ok();
    assert!(unzstd(fs::read(path("x.sql.zst")).unwrap()).ends_with(b"\n"));
    Tool::new("fwb-verify").arg(path("x.sql.zst")).run().ok();
    to(&path("y.sql.gz"), "zstd").fails(2, &["y.sql.gz", "--codec gzip"]);
    to(&path("y.sql.zst"), "gzip").fails(2, &["y.sql.zst", "--codec zstd"]);
    assert!(!path("y.sql.gz").exists() && !path("y.sql.zst").exists());
    let piped = dump(&["--codec", "zstd", "-o", "-"]).run().ok().stdout;
    assert!(unzstd(&piped).ends_with(b"\n"));
    fs::write(path("piped.sql.zst"), &piped).unwrap();
    Tool::new("fwb-verify").arg(path("piped.sql.zst")).run().ok();
}
