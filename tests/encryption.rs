//! Encrypted backups: nobody reads one without a key, the host that dumps included, which proves its backups all the same;
//! and whoever has a key reads it without us.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::hostile::foreign;
use crate::support::{
    Database, Server, Store, Tool, bash, executable, gunzip, mariadb_dump, name, sha256, slice,
};

/// A word that stands in a row, and in no name of anything else.
const SECRET: &str = "persimmon-jelly";

/// Keys, made by the programs that people make them with.
struct Keys(TempDir);

impl Keys {
    fn new() -> Self {
        let keys = Self(tempfile::Builder::new().prefix("fwb-keys-").tempdir().unwrap());
        for key in ["one", "other"] {
            Tool::program("age-keygen").arg("-o").arg(keys.file(key)).run().ok();
        }
        for (kind, key, passphrase) in
            [("ed25519", "ssh", ""), ("rsa", "rsa", ""), ("ed25519", "asked", "the passphrase")]
        {
            let make =
                Tool::program("ssh-keygen").args(["-q", "-t", kind, "-N", passphrase, "-C", "no one", "-f"]);
            make.arg(keys.file(key)).run().ok();
        }
        keys
    }

    fn file(&self, key: &str) -> PathBuf {
        self.0.path().join(key)
    }

    /// The public key to one of age's.
    fn recipient(&self, key: &str) -> String {
        let shown = Tool::program("age-keygen").arg("-y").arg(self.file(key)).run().ok();
        shown.stdout_text().trim().to_owned()
    }

    fn ssh_recipient(&self, key: &str) -> String {
        fs::read_to_string(self.file(key).with_extension("pub")).unwrap().trim().to_owned()
    }

    /// What age itself makes of an artifact.
    fn age(&self, key: &str, artifact: &Path) -> Vec<u8> {
        Tool::program("age").args(["-d", "-i"]).arg(self.file(key)).arg(artifact).run().ok().stdout
    }
}

struct Scene {
    keys: Keys,
    store: Store,
    database: Database,
}

impl Scene {
    /// A database of several members, and a store.
    fn new(name: &str) -> Self {
        let database = Database::sample(name);
        database.sql(format!(
            "CREATE TABLE orchard (id INT PRIMARY KEY, what VARCHAR(200));
             INSERT INTO orchard SELECT seq, CONCAT('{SECRET} ', SHA2(seq, 512)) FROM seq_1_to_5000;"
        ));
        Self { keys: Keys::new(), store: Store::new(), database }
    }

    fn dump(&self, arguments: &[&str]) -> Value {
        let tool = self.store.tool("fwb-dump").args(["-B", &self.database.name]);
        tool.args(["--recipient", &self.keys.recipient("one")]).args(arguments).run().ok().json()
    }

    /// A tool with a key.
    fn tool(&self, tool: &str, key: &str) -> Tool {
        self.store.tool(tool).arg("--identity").arg(self.keys.file(key))
    }

    /// Holds that the live database is what it was.
    fn refuses_to_restore(&self, dump: &Value, code: i32, words: &[&str]) {
        let before = self.database.content();
        self.tool("fwb-restore", "one").args(["--yes", name(dump)]).run().fails(code, words);
        assert_eq!(self.database.content(), before);
    }
}

fn outcome(manifest: &Value) -> (&str, bool, &str) {
    let outcome = &manifest["verification"];
    let text = |field: &str| outcome[field].as_str().unwrap_or_default();
    (text("level"), outcome["ok"].as_bool().unwrap(), text("by"))
}

#[test]
fn age_reads_what_we_write_and_each_recipient_can() {
    let scene = Scene::new("encrypted");
    let Scene { keys, store, database } = &scene;
    let file = keys.file("recipients");
    fs::write(
        &file,
        format!("# Who may read.\n\n{}\n{}\n", keys.ssh_recipient("ssh"), keys.ssh_recipient("rsa")),
    )
    .unwrap();
    for (codec, suffix) in [("gzip", ".sql.gz.age"), ("zstd", ".sql.zst.age")] {
        let manifest =
            scene.dump(&["--codec", codec, "--recipients-file", file.to_str().unwrap(), "--sidecar", "full"]);
        assert!(name(&manifest).ends_with(suffix), "{manifest}");
        let named = manifest["encryption"]["recipients"].as_array().unwrap();
        assert_eq!((named.len(), &named[0]), (3, &json!(keys.recipient("one"))));
        // Comments are for people.
        assert!(!manifest["encryption"].to_string().contains("no one"), "{manifest}");
        let stored = fs::read(store.artifact(&manifest)).unwrap();
        assert_eq!(
            (manifest["sha256"].as_str(), manifest["size"].as_u64()),
            (Some(&*sha256(&stored)), Some(stored.len() as u64))
        );
        for key in ["one", "ssh", "rsa"] {
            let artifact = keys.age(key, &store.artifact(&manifest));
            let unpack = |bytes: &[u8]| match codec {
                "gzip" => gunzip(bytes),
                _ => Tool::program("zstd").args(["-dcq"]).stdin(bytes).run().ok().stdout,
            };
            let sql = unpack(&artifact);
            assert_eq!(manifest["raw_sha256"], sha256(&sql), "{codec}, {key}");
            for section in manifest["sections"].as_array().unwrap() {
                let alone = unpack(slice(&artifact, &section["offset"], &section["size"]));
                assert!(alone == slice(&sql, &section["raw_offset"], &section["raw_size"]), "{section}");
            }
            let ours = scene.tool("fwb-restore", key).args(["--stdout", name(&manifest)]).run().ok();
            assert!(ours.stdout == sql, "{codec}, {key}");
            assert_eq!(
                outcome(&scene.tool("fwb-verify", key).arg(name(&manifest)).run().ok().json()),
                ("full", true, "")
            );
        }
    }
    // Into a file and a stream, too; the file is read back. A file is not to be taken for what it is not.
    for (path, arguments) in
        [("x.sql.gz", &["--recipient", &*keys.recipient("one")][..]), ("x.sql.gz.age", &[])]
    {
        let path = store.file(path);
        let dump = store.tool("fwb-dump").args(["-B", &database.name, "-o"]).arg(&path).args(arguments);
        dump.run().fails(2, &["is the name of"]);
        assert!(!path.exists());
    }
    let path = store.file("given.sql.gz.age");
    assert_eq!(outcome(&scene.dump(&["-o", path.to_str().unwrap()])), ("full", true, "writer"));
    let streamed =
        bash(r#"fwb-dump -B "$DB" --recipient "$R" -o - 2>/dev/null | age -d -i "$I" | gunzip -t"#);
    let streamed =
        streamed.env("DB", &database.name).env("R", keys.recipient("one")).env("I", keys.file("one"));
    streamed.run().ok();
    assert!(gunzip(&keys.age("one", &path)).ends_with(b"\n"));
    assert_eq!(outcome(&scene.tool("fwb-verify", "one").arg(&path).run().ok().json()), ("full", true, ""));
}

/// What can be had of an encrypted store without a key: enough for retention and alarms, and nothing of what is inside.
#[test]
fn a_host_without_a_key_proves_keeps_and_tells_nothing() {
    let scene = Scene::new("keyless");
    let Scene { store, database, .. } = &scene;
    let dump = scene.dump(&[]);
    assert_eq!(outcome(&dump), ("full", true, "writer"));
    let told = [dump.to_string(), store.read_sidecar(&dump).to_string()];
    for (what, bytes) in told
        .iter()
        .map(|text| (text.as_str(), text.clone().into_bytes()))
        .chain(store.names().iter().map(|name| ("a file", fs::read(store.file(name)).unwrap())))
    {
        for word in ["orchard", SECRET, "projects"] {
            assert!(!contains(&bytes, word.as_bytes()), "{word} in {what}");
        }
    }
    // Level full is what every night asks for.
    let verified = store.tool("fwb-verify").arg("-v").arg(name(&dump)).run().ok();
    assert!(verified.stderr.contains("its proof stays"), "{}", verified.stderr);
    assert_eq!(outcome(&verified.json()), ("stored", true, ""));
    assert_eq!(outcome(&store.read_sidecar(&dump)), ("full", true, "writer"));
    let newest = store.tool("fwb-ls").args(["--latest", "--verified", "--max-age", "1h"]).run().ok().json();
    assert_eq!(name(&newest), name(&dump));
    let inside = store.tool("fwb-ls").arg("--tables").run().ok();
    assert!(
        inside.stdout.is_empty() && inside.stderr.contains("FWB-2106")
            || inside.stderr.contains("--identity")
    );
    store.tool("fwb-prune").args(["--keep-days", "1"]).run().ok();
    assert!(store.holds(name(&dump)));

    // What takes a key is refused, and nothing happens.
    let before = database.content();
    let words = ["is encrypted, and no identity was given", "--identity FILE"];
    for arguments in [&["--yes"][..], &["--stdout"], &["--yes", "--tables", "files"], &["--dry-run"]] {
        store.tool("fwb-restore").args(arguments).arg(name(&dump)).run().fails(2, &words);
    }
    store.tool("fwb-verify").args(["--level", "drill", name(&dump)]).run().fails(2, &words);
    scene
        .tool("fwb-restore", "other")
        .args(["--yes", name(&dump)])
        .run()
        .fails(2, &["none of the identities"]);
    scene.tool("fwb-verify", "other").arg(name(&dump)).run().fails(2, &["none of the identities"]);
    assert_eq!(database.content(), before);

    // With one, everything is told, and the sidecar stays as it is.
    let verified = scene.tool("fwb-verify", "one").arg(name(&dump)).run().ok();
    assert!(verified.json().to_string().contains("orchard"));
    assert!(!store.read_sidecar(&dump).to_string().contains("orchard"));
    assert_eq!(outcome(&store.read_sidecar(&dump)), ("full", true, ""));
    let inside = scene.tool("fwb-ls", "one").arg("--tables").run().ok();
    assert!(inside.stdout_text().contains("orchard"));

    // Bytes that changed take the proof away, key or none.
    flip(&store.artifact(&dump), 3000);
    store.tool("fwb-verify").arg(name(&dump)).run().fails(3, &["differs from the SHA-256 in its sidecar"]);
    store.tool("fwb-ls").args(["--latest", "--verified"]).run().fails(1, &["is proved, of 1 in all"]);
    assert_eq!(outcome(&store.read_sidecar(&dump)), ("stored", false, ""));
}

/// Everything that a dump writes anywhere is in its trace: no row is among it, and no member of the artifact in clear.
#[test]
fn nothing_plain_is_ever_written() {
    let scene = Scene::new("encrypted_trace");
    let Scene { keys, store, database } = &scene;
    let trace = keys.file("trace");
    let dump = Tool::program("strace").args(["-f", "-qq", "-xx", "-s", "10000000"]);
    let dump =
        dump.args(["-e", "trace=write,writev,pwrite64,pwritev,sendfile,copy_file_range", "-o"]).arg(&trace);
    let dump = dump.arg(Tool::path("fwb-dump")).arg("--store").arg(store.path()).args(["-B", &database.name]);
    let dump = dump.args(["--recipient", &keys.recipient("one")]);
    let dump = dump.env("FWB_DEFAULTS_FILE", Server::shared().defaults_file()).run().ok().json();
    let written = fs::read_to_string(trace).unwrap();
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("\\x{byte:02x}")).collect::<Vec<_>>().concat();
    let plain = keys.age("one", &store.artifact(&dump));
    // How each member begins, and what it says of itself first.
    let member = hex(&plain[..12]);
    let stored = fs::read(store.artifact(&dump)).unwrap();
    assert!(
        written.contains(&hex(&stored[..12])) && written.len() > stored.len() * 4,
        "the trace has what was written"
    );
    assert!(!written.contains(&hex(SECRET.as_bytes())) && !written.contains(&member));
}

#[test]
fn what_is_restored_is_what_was_dumped_and_its_safety_backup_is_encrypted_too() {
    let scene = Scene::new("encrypted_back");
    let Scene { keys, store, database } = &scene;
    let dump = scene.dump(&[]);
    let content = database.content();
    database.sql("DELETE FROM orchard WHERE id > 7; DROP TABLE settings");
    let changed = database.content();
    let report = scene.tool("fwb-restore", "one").args(["--yes", name(&dump)]).run().ok().json();
    assert_eq!(database.content(), content);
    let safety = report["safety_backup"].as_str().unwrap();
    assert!(safety.ends_with(".sql.gz.age"), "{safety}");
    assert!(keys.age("one", &store.file(safety)).starts_with(&[0x1f, 0x8b]));
    store.tool("fwb-restore").args(["--undo", "--yes", "-B", &database.name]).run().ok();
    assert_eq!(database.content(), changed);

    // A failure in place is rolled back, for which nobody needs a key to what was made a moment ago.
    let before = database.content();
    let row = "CREATE TABLE `orchard` (id INT PRIMARY KEY);\nINSERT INTO `orchard` VALUES (1),(1);";
    store.write("fails.sql", foreign(&database.name, row));
    let fails =
        store.tool("fwb-restore").args(["--yes", "--strategy", "in-place", "fails.sql", "--recipient"]);
    fails.arg(keys.recipient("other")).run().fails(1, &["rolled back to what it held before"]);
    assert_eq!(database.content(), before);
    let safety: Vec<String> = store.names().into_iter().filter(|name| name.contains("_safety_")).collect();
    assert!(safety.iter().all(|name| name.contains(".sql.gz.age")), "{safety:?}");

    // In place, of chosen tables.
    scene
        .tool("fwb-restore", "one")
        .args(["--yes", "--strategy", "in-place", "--tables", "orchard", name(&dump)])
        .run()
        .ok();
    assert_eq!(database.query("SELECT COUNT(*) FROM orchard"), "5000");
    let scene_store = Store::new();
    let to_other =
        scene_store.tool("fwb-dump").args(["-B", &database.name, "--recipient", &keys.recipient("one")]);
    let of_both = to_other.run().ok().json();
    database.sql("CREATE TABLE later (id INT PRIMARY KEY); CREATE VIEW seen AS SELECT id FROM later");
    let before = database.content();
    let restore = scene_store.tool("fwb-restore").arg("--identity").arg(keys.file("one"));
    let restore = restore.args(["--recipient", &keys.recipient("other"), "--yes", "--strategy", "in-place"]);
    restore.arg(name(&of_both)).run().ok();
    let safety =
        scene_store.names().into_iter().find(|name| name.contains("_safety_") && name.ends_with(".gz.age"));
    let safety = safety.expect("a safety backup");
    // It is for whom the restore says.
    scene_store
        .tool("fwb-restore")
        .arg("--identity")
        .arg(keys.file("one"))
        .args(["--stdout", &safety])
        .run()
        .fails(2, &["none of the identities"]);
    scene_store
        .tool("fwb-restore")
        .arg("--identity")
        .arg(keys.file("other"))
        .args(["--yes", &safety])
        .run()
        .ok();
    assert_eq!(database.content(), before);
}

#[test]
fn a_drill_restores_what_is_encrypted() {
    let scene = Scene::new("encrypted_drill");
    let dump = scene.dump(&[]);
    let drilled = scene.tool("fwb-verify", "one").args(["--level", "drill", name(&dump)]).run().ok().json();
    assert_eq!(outcome(&drilled), ("drill", true, ""));
    assert_eq!(outcome(&scene.store.read_sidecar(&dump)), ("drill", true, ""));
}

/// Damage anywhere is found with a key and without one, and nothing of such a backup is restored.
#[test]
fn damage_is_found_wherever_it_is() {
    let scene = Scene::new("encrypted_damage");
    let store = &scene.store;
    let dump = scene.dump(&[]);
    let (artifact, sidecar) = (store.artifact(&dump), fs::read(store.sidecar(&dump)).unwrap());
    let whole = fs::read(&artifact).unwrap();
    assert!(whole.len() > 3 * (64 << 10), "several chunks");
    let header = whole.windows(5).position(|window| window == b"\n--- ").unwrap();
    let places = [
        0,
        10,
        30,
        header - 3,
        header + 10,
        header + 55,
        header + 70,
        70_000,
        140_000,
        whole.len() - 20_000,
        whole.len() - 1,
    ];
    let mut damaged: Vec<(String, Vec<u8>)> = Vec::new();
    for place in places {
        let mut bytes = whole.clone();
        bytes[place] ^= 0x10;
        damaged.push((format!("a flipped bit at {place}"), bytes));
    }
    for length in
        [0, 5, 30, header, header + 60, (64 << 10) + 300, whole.len() / 2, whole.len() - 17, whole.len() - 1]
    {
        damaged.push((format!("cut to {length}"), whole[..length].to_vec()));
    }
    damaged.push(("a byte more".into(), [&whole[..], b"x"].concat()));
    for (what, bytes) in damaged {
        for key in [Some("one"), None] {
            fs::write(&artifact, &bytes).unwrap();
            fs::write(store.sidecar(&dump), &sidecar).unwrap();
            let verify = match key {
                Some(key) => scene.tool("fwb-verify", key),
                None => store.tool("fwb-verify"),
            };
            let run = verify.arg(name(&dump)).run();
            assert_eq!(run.code, Some(3), "{what}, {key:?}: {}", run.stderr);
            assert!(!outcome(&store.read_sidecar(&dump)).1, "{what}, {key:?}");
        }
        let run = scene.tool("fwb-restore", "one").args(["--yes", name(&dump)]).run();
        assert!(matches!(run.code, Some(2 | 3)), "{what}: {:?} {}", run.code, run.stderr);
    }
    scene.refuses_to_restore(&dump, 3, &["is damaged"]);

    // Tables that are whole come back, where the sidecar says where they lie.
    fs::write(&artifact, &whole).unwrap();
    let full = scene.dump(&["--sidecar", "full"]);
    let artifact = store.artifact(&full);
    let end = fs::metadata(&artifact).unwrap().len();
    flip(&artifact, usize::try_from(end).unwrap() - 10);
    scene.tool("fwb-restore", "one").args(["--stdout", "--tables", "files", name(&full)]).run().ok();
}

#[test]
fn what_is_mixed_up_renamed_or_lost_is_told() {
    let scene = Scene::new("encrypted_mixed");
    let Scene { keys, store, database } = &scene;
    let first = scene.dump(&[]);
    database.sql("UPDATE orchard SET what = 'another'");
    let second = scene.dump(&[]);
    let (one, two) = (store.artifact(&first), store.artifact(&second));
    let swap = store.file("swap");
    let change_places = || {
        for (from, to) in [(&one, &swap), (&two, &one), (&swap, &two)] {
            fs::rename(from, to).unwrap();
        }
    };
    change_places();
    store.tool("fwb-verify").args([name(&first), name(&second)]).run().fails(3, &[]);
    scene.refuses_to_restore(&first, 3, &["is damaged"]);
    change_places();
    scene.tool("fwb-verify", "one").args([name(&first), name(&second)]).run().ok();

    // Renamed with its sidecar.
    let renamed = "kept_backup_20260101_000000.sql.gz.age";
    fs::rename(&one, store.file(renamed)).unwrap();
    fs::rename(store.sidecar(&first), store.file(&format!("{renamed}.json"))).unwrap();
    // Without a key nobody can tell whether the outcome is about these bytes, until they have been compared.
    let newest = |arguments: &[&str]| {
        store.tool("fwb-ls").args(["--kind", "full"]).args(arguments).run().ok().records()
    };
    let proved = || newest(&["--verified"]).iter().any(|manifest| manifest["name"] == renamed);
    assert!(!proved());
    store.tool("fwb-verify").args(["--level", "quick", renamed]).run().ok();
    assert!(!proved());
    store.tool("fwb-verify").arg(renamed).run().ok();
    assert!(proved());
    fs::rename(store.file(renamed), &one).unwrap();
    fs::rename(store.file(&format!("{renamed}.json")), store.sidecar(&first)).unwrap();
    assert_eq!(
        outcome(&scene.tool("fwb-verify", "one").arg(name(&first)).run().ok().json()),
        ("full", true, "")
    );
    // Who has a key has compared them too, for all.
    fs::rename(&one, store.file(renamed)).unwrap();
    fs::rename(store.sidecar(&first), store.file(&format!("{renamed}.json"))).unwrap();
    assert!(!proved());
    assert_eq!(outcome(&scene.tool("fwb-verify", "one").arg(renamed).run().ok().json()), ("full", true, ""));
    assert!(proved());
    fs::rename(store.file(renamed), &one).unwrap();
    fs::rename(store.file(&format!("{renamed}.json")), store.sidecar(&first)).unwrap();
    flip(&one, 3000);
    store.tool("fwb-verify").arg(name(&first)).run().fails(3, &["SHA-256"]);

    // A lost sidecar comes back with a key.
    fs::remove_file(store.sidecar(&second)).unwrap();
    for level in ["quick", "stored", "full"] {
        store.tool("fwb-verify").args(["--level", level, name(&second)]).run().fails(2, &["is encrypted"]);
        assert!(!store.sidecar(&second).exists(), "{level}");
    }
    // It is not damaged, and retention counts it as any that is not proved.
    let listed = store.tool("fwb-ls").run().records();
    let unread = listed.iter().find(|manifest| manifest["name"] == name(&second)).unwrap();
    assert_eq!(unread["verification"], Value::Null);
    // The others are looked at all the same.
    let both = store.tool("fwb-verify").args([name(&second), name(&first)]).run();
    assert_eq!((both.code, both.stdout_text().lines().count()), (Some(2), 1), "{}", both.stderr);
    scene.tool("fwb-verify", "one").arg(name(&second)).run().ok();
    let again = store.read_sidecar(&second);
    assert_eq!(outcome(&again), ("full", true, ""));
    assert!(!again.to_string().contains("orchard"), "{again}");
    // The artifact says to whom it is encrypted.
    assert_eq!(again["encryption"]["recipients"], json!([keys.recipient("one")]));
    let plan = scene.tool("fwb-restore", "one").args(["--dry-run", name(&second)]).run().ok().json();
    assert_eq!(plan["safety_recipients"], json!([keys.recipient("one")]));
    assert!(plan["steps"][0].as_str().unwrap().contains("encrypted to age1"), "{plan}");
}

/// Whoever may write a sidecar does not choose who reads what a restore saves, nor what is read as encrypted.
#[test]
fn a_sidecar_that_lies_about_encryption_is_found_out() {
    let scene = Scene::new("encrypted_lies");
    let Scene { keys, store, database } = &scene;
    for detail in ["minimal", "full"] {
        let dump = scene.dump(&["--sidecar", detail]);
        let sidecar = store.read_sidecar(&dump);
        let mut to_other = sidecar["encryption"].clone();
        to_other["recipients"] = json!([keys.recipient("other")]);
        for (lie, said) in [(to_other, "encryption"), (Value::Null, "encrypted")] {
            store.edit(name(&dump), "encryption", lie);
            scene.tool("fwb-verify", "one").args(["--no-record", name(&dump)]).run().fails(3, &[said]);
            scene.refuses_to_restore(&dump, 3, &[said]);
            store.write(&format!("{}.json", name(&dump)), sidecar.to_string());
        }
    }
    let plain = store.dump_verified(database);
    let before = store.read_sidecar(&plain);
    store.edit(name(&plain), "encryption", json!({"format": "age", "recipients": [], "sidecar": "minimal"}));
    store.tool("fwb-verify").arg(name(&plain)).run().fails(3, &["encrypted"]);
    assert_eq!(store.read_sidecar(&plain)["sections"], before["sections"], "nothing of it is lost");

    // Nor does a hostile header keep anybody waiting.
    let long = format!("age-encryption.org/v1\n-> X {}\n", "a".repeat(500_000));
    store.write("long.sql.gz.age", long);
    scene.tool("fwb-verify", "one").arg("long.sql.gz.age").run().fails(3, &["header"]);
    let many = vec![keys.recipient("one"); 65].join(",");
    let dump = store.tool("fwb-dump").args(["-B", &database.name, "--recipient", &many]);
    dump.run().fails(2, &["at most 64 recipients"]);
}

#[test]
fn the_dump_of_another_program_may_be_encrypted() {
    let scene = Scene::new("encrypted_foreign");
    let Scene { keys, store, database } = &scene;
    let sql = mariadb_dump(database, &["--routines", "--events", "--triggers"]);
    let encrypt = |bytes: &[u8]| {
        Tool::program("age").args(["-r", &keys.recipient("one")]).stdin(bytes).run().ok().stdout
    };
    store.write("plain.sql.age", encrypt(&sql));
    let packed = Tool::program("gzip").stdin(&sql).run().ok().stdout;
    store.write("packed.sql.gz.age", encrypt(&packed));
    let content = database.content();
    for file in ["plain.sql.age", "packed.sql.gz.age"] {
        let adopted = scene.tool("fwb-verify", "one").args(["--adopt", file]).run().ok().json();
        assert_eq!((&adopted["kind"], &adopted["raw_sha256"]), (&json!("foreign"), &json!(sha256(&sql))));
        database.sql("DELETE FROM orchard");
        let restore = scene.tool("fwb-restore", "one").args(["--recipient", &keys.recipient("one"), "--yes"]);
        restore.args(["-B", &database.name, file]).run().ok();
        assert_eq!(database.content(), content, "{file}");
    }
}

/// A mistake with a key is told, and never shows one.
#[test]
fn keys_that_are_none_are_refused() {
    let scene = Scene::new("encrypted_keys");
    let Scene { keys, store, database } = &scene;
    let dump =
        |recipient: &str| store.tool("fwb-dump").args(["-B", &database.name, "--recipient", recipient]).run();
    dump("age1nothing").fails(2, &["\"age1nothing\" is not a recipient", "a recipient is a public key"]);
    let private = fs::read_to_string(keys.file("one")).unwrap();
    let private = private.lines().last().unwrap();
    assert!(private.starts_with("AGE-SECRET-KEY-"));
    let refused = dump(private).fails(2, &["a secret key is not a recipient"]);
    assert!(!refused.stderr.contains(private));
    store.write("empty", "# nobody\n");
    let file = store.file("empty");
    store
        .tool("fwb-dump")
        .args(["-B", &database.name, "--recipients-file"])
        .arg(&file)
        .run()
        .fails(2, &["names no recipient"]);
    assert_eq!(store.names(), ["empty"]);
    for variable in ["FWB_RECIPIENTS", "FWB_RECIPIENTS_FILE"] {
        let dump = store.tool("fwb-dump").args(["-B", &database.name]).env(variable, "");
        dump.run().fails(2, &["is set, and empty", "would not be encrypted"]);
    }
    let dump =
        store.tool("fwb-dump").args(["-B", &database.name, "--recipients-file"]).arg(keys.file("nowhere"));
    dump.run().fails(2, &["names no recipients"]);
    assert_eq!(store.names(), ["empty"]);

    let made = scene.dump(&[]);
    let verify = |file: &Path| store.tool("fwb-verify").arg("--identity").arg(file).arg(name(&made)).run();
    verify(&file).fails(2, &["is no identity"]);
    store.write("garbage", format!("{private}x\n"));
    let refused = verify(&store.file("garbage")).fails(2, &["is no identity"]);
    assert!(!refused.stderr.contains("AGE-SECRET"), "{}", refused.stderr);
    verify(&keys.file("nowhere")).fails(2, &["it cannot be opened"]);
    // A list needs no key, and so none is looked at.
    let listed = store.tool("fwb-ls").arg("--identity").arg(keys.file("nowhere"));
    listed.args(["--latest", "--verified", "--max-age", "1h"]).run().ok();
    // Where nothing is encrypted, nobody looks at the file.
    let plain = Store::new();
    let in_clear = plain.dump(database);
    plain.tool("fwb-verify").arg("--identity").arg(keys.file("nowhere")).arg(name(&in_clear)).run().ok();
    // Several, by the variable; one of them fits.
    let both = format!("{}:{}", keys.file("other").display(), keys.file("one").display());
    store.tool("fwb-verify").env("FWB_IDENTITY", both).arg(name(&made)).run().ok();
}

/// A plugin of age (C2SP's age-plugin), as those have it that keep keys in a token: here with a key that everybody knows. With
/// `PIN` in its name it asks for one.
const PLUGIN: &str = r#"#!/usr/bin/env python3
import base64, hashlib, os, sys

def encode(bytes):
    text = base64.b64encode(bytes).decode().rstrip("=")
    lines = [text[at:at + 64] for at in range(0, len(text), 64)]
    return "".join(line + "\n" for line in lines + ([""] if not lines or len(lines[-1]) == 64 else []))

def send(command, body=b""):
    sys.stdout.write(f"-> {command}\n{encode(body)}")
    sys.stdout.flush()

def take():
    head = sys.stdin.readline().rstrip("\n").split(" ")[1:]
    body = ""
    while True:
        line = sys.stdin.readline().rstrip("\n")
        body += line
        if len(line) < 64:
            return head, base64.b64decode(body + "=" * (-len(body) % 4))

def masked(key, salt):
    return bytes(a ^ b for a, b in zip(key, hashlib.sha256(b"known" + salt).digest()))

machine, keys, stanzas = sys.argv[1].removeprefix("--age-plugin="), [], []
if os.environ.get("PLUGIN_FAILS"):
    sys.exit(1)
while True:
    head, body = take()
    if head[0] == "wrap-file-key":
        keys.append(body)
    elif head[0] == "recipient-stanza" and head[2] == "fwbtest":
        stanzas.append((head[1], base64.b64decode(head[3] + "=" * (-len(head[3]) % 4)), body))
    elif head[0] == "done":
        break
if machine == "recipient-v1":
    for at, key in enumerate(keys):
        salt = os.urandom(16)
        argument = base64.b64encode(salt).decode().rstrip("=")
        send(f"recipient-stanza {at} fwbtest {argument}", masked(key, salt))
        assert take()[0] == ["ok"]
else:
    pin = os.environ.get("PLUGIN_PIN")
    if pin:
        send("request-secret", b"The passphrase of the token")
        assert take() == (["ok"], pin.encode())
    for at, salt, body in stanzas:
        send(f"file-key {at}", masked(body, salt))
        assert take()[0] == ["ok"]
send("done")
"#;

/// The keys of the plugin, as Bech32.
const OF_PLUGIN: (&str, &str) = ("age1fwbtest1wp6kymrfvvx5n7r3", "AGE-PLUGIN-FWBTEST-1WDJKXUN9WS89AEL2");

#[test]
fn a_plugin_keeps_the_key() {
    let scene = Scene::new("encrypted_plugin");
    let Scene { keys, store, database } = &scene;
    let (recipient, identity) = OF_PLUGIN;
    fs::write(keys.file("of-plugin"), format!("# In a token.\n{identity}\n")).unwrap();
    let programs = tempfile::tempdir().unwrap();
    executable(&programs.path().join("age-plugin-fwbtest"), PLUGIN);
    let path = format!("{}:{}", programs.path().display(), std::env::var("PATH").unwrap());
    let dump = || store.tool("fwb-dump").args(["-B", &database.name, "--recipient", recipient]);
    dump().run().fails(2, &["needs age-plugin-fwbtest", "PATH"]);
    dump().env("PATH", &path).env("PLUGIN_FAILS", "1").run().fails(2, &["plugin"]);
    assert!(store.names().is_empty(), "{:?}", store.names());
    let made = dump().env("PATH", &path).run().ok().json();
    assert_eq!(made["encryption"]["recipients"], json!([recipient]));
    assert_eq!(outcome(&made), ("full", true, "writer"));
    let tool = |tool: &str| scene.tool(tool, "of-plugin").env("PATH", &path);
    let verified = tool("fwb-verify").arg(name(&made)).run().ok().json();
    assert_eq!(outcome(&verified), ("full", true, ""));
    let chosen = tool("fwb-restore").args(["--stdout", "--tables", "orchard", name(&made)]).run().ok();
    assert!(contains(&chosen.stdout, SECRET.as_bytes()));
    // Without the plugin it is no identity; with another key it is not for us.
    scene.tool("fwb-verify", "of-plugin").arg(name(&made)).run().fails(2, &["age-plugin-fwbtest"]);
    scene.tool("fwb-verify", "one").arg(name(&made)).run().fails(2, &["none of the identities"]);
    // age reads it by the same plugin.
    let by_age = Tool::program("age").args(["-d", "-i"]).arg(keys.file("of-plugin"));
    let by_age = by_age.arg(store.artifact(&made)).env("PATH", &path).run().ok().stdout;
    let ours = tool("fwb-restore").args(["--stdout", name(&made)]).run().ok().stdout;
    assert!(gunzip(&by_age) == ours);
    // A PIN is asked for on the terminal, and where there is none, nothing is read.
    tool("fwb-verify")
        .env("PLUGIN_PIN", "passphrase 17")
        .arg(name(&made))
        .run()
        .fails(2, &["an identity of a plugin cannot be used: 'age-plugin-fwbtest' unexpectedly died"]);
    let asked =
        Tool::program("python3").args(["-c", ANSWERING, "passphrase 17"]).arg(Tool::path("fwb-verify"));
    let asked =
        asked.arg("--store").arg(store.path()).arg("--identity").arg(keys.file("of-plugin")).arg(name(&made));
    let asked = asked.env("PATH", &path).env("PLUGIN_PIN", "passphrase 17").run().ok();
    assert!(asked.stdout_text().contains("The passphrase of the token"), "{}", asked.stdout_text());
    assert!(!asked.stdout_text().contains("passphrase 17"), "{}", asked.stdout_text());
}

/// Runs a program on a terminal, answers all that it asks with one word, and prints what was shown.
const ANSWERING: &str = r#"
import os, pty, select, signal, sys
answer, argv = sys.argv[1], sys.argv[2:]
signal.alarm(300)
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(argv[0], argv)
shown, asked = b"", 0
while True:
    try:
        chunk = os.read(terminal, 65536)
    except OSError:
        chunk = b""
    if not chunk:
        break
    shown += chunk
    while shown.lower().count(b"passphrase") > asked and (shown.rstrip(b" ").endswith(b":")):
        asked = shown.lower().count(b"passphrase")
        os.write(terminal, answer.encode() + b"\n")
sys.stdout.buffer.write(shown)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"#;

#[test]
fn a_passphrase_is_asked_for_and_not_shown() {
    let scene = Scene::new("encrypted_asked");
    let Scene { keys, store, database } = &scene;
    let dump =
        store.tool("fwb-dump").args(["-B", &database.name, "--recipient", &keys.ssh_recipient("asked")]);
    let dump = dump.args(["--recipient", &keys.recipient("one")]).run().ok().json();
    // age encrypts its own keys with a passphrase that is typed twice.
    let protected = keys.file("protected");
    let protect = Tool::program("python3").args(["-c", ANSWERING, "the passphrase", "age", "-p", "-o"]);
    protect.arg(&protected).arg(keys.file("one")).run().ok();
    let verify = |answer: &str, key: &Path| {
        let tool = Tool::program("python3").args(["-c", ANSWERING, answer]).arg(Tool::path("fwb-verify"));
        let tool = tool.arg("--store").arg(store.path()).arg("--identity").arg(key).arg(name(&dump));
        let tool = tool.args(["--format", "jsonl"]);
        tool.env("FWB_DEFAULTS_FILE", Server::shared().defaults_file()).run()
    };
    for key in [keys.file("asked"), protected] {
        let shown = verify("the passphrase", &key).ok();
        let text = shown.stdout_text();
        assert_eq!(text.matches("Passphrase of ").count(), 1, "{text}");
        assert!(text.contains("\"level\":\"full\"") && !text.contains("the passphrase"), "{text}");
        let refused = verify("a wrong one", &key);
        assert_eq!(refused.code, Some(2), "{}", refused.stdout_text());
    }
    // A wrong one does not stand in the way of another key, nor is it asked for where no stanza is of ssh.
    let both = format!("{}:{}", keys.file("asked").display(), keys.file("one").display());
    let shown = verify("a wrong one", Path::new(&both)).ok();
    assert!(shown.stdout_text().contains("\"level\":\"full\""), "{}", shown.stdout_text());
    // Where nobody can be asked, nothing waits.
    let alone = bash(r#"exec setsid -w fwb-verify --store "$S" --identity "$I" "$N" </dev/null"#);
    alone
        .env("S", store.path())
        .env("I", keys.file("asked"))
        .env("N", name(&dump))
        .run()
        .fails(2, &["passphrase"]);
}

/// `docs/ENCRYPTION.md`, word for word.
#[test]
fn the_documents_commands_work() {
    let (database, store, dir) =
        (Database::sample("encrypted_document"), Store::new(), tempfile::tempdir().unwrap());
    let document = include_str!("../docs/ENCRYPTION.md");
    let blocks = document
        .split("```sh test\n")
        .skip(1)
        .map(|rest| rest.split("```").next().expect("the end of a block"));
    let content = database.content();
    let run = bash(&blocks.collect::<String>()).dir(dir.path()).env("FWB_DATABASE", &database.name);
    let said = run.env("FWB_STORE", store.path()).run().ok().stdout_text();
    assert_eq!(database.content(), content);
    for words in [
        "\"by\":\"writer\"",
        "-- Dump completed on",
        "\"safety_backup\": \"encrypted_document",
        ".sql.gz.age\",",
    ] {
        assert!(said.contains(words), "{words} in {said}");
    }
    assert!(said.lines().any(|line| line == "true"), "{said}");
}

fn flip(file: &Path, at: usize) {
    let mut bytes = fs::read(file).unwrap();
    bytes[at] ^= 1;
    fs::write(file, bytes).unwrap();
}

fn contains(bytes: &[u8], word: &[u8]) -> bool {
    bytes.windows(word.len()).any(|window| window == word)
}
