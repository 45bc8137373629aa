//! Damage of every kind, at every place: it is found, what is called whole is whole, and the rest cannot be restored.

use std::collections::{BTreeMap, HashMap};
use std::fs;

use serde_json::{Value, json};

use crate::support::{Database, Output, Store, name};
use crate::torture::{count, whole};

/// The backup that is damaged, and what is known of it.
struct Sound {
    store: Store,
    manifest: Value,
    artifact: Vec<u8>,
    sidecar: String,
    /// Where a member's header says its size, in bytes.
    size_at: usize,
    /// What `--tables --stdout` says of these tables.
    sql: HashMap<String, Vec<u8>>,
}

/// A file as somebody might find it.
struct Damaged {
    what: String,
    artifact: Vec<u8>,
    sidecar: Option<String>,
}

impl Sound {
    /// A backup of a few kilobytes. The database's name has five letters, for which a number is put.
    fn new(database: &str, note: &str) -> Self {
        Self::commented(database, note, '-')
    }

    /// The same, of zstd.
    fn of_zstd(database: &str, note: &str) -> Self {
        Self::made(database, note, '-', "zstd")
    }

    /// The same, with a comment on a column.
    fn commented(database: &str, note: &str, comment: char) -> Self {
        Self::made(database, note, comment, "gzip")
    }

    fn made(database: &str, note: &str, comment: char, codec: &str) -> Self {
        let (database, store) = (Database::named(database), Store::new());
        database.sql(format!(
            "CREATE TABLE one (id INT PRIMARY KEY, note VARCHAR(40)); INSERT INTO one VALUES (1, '{note}'), (2, NULL);
             CREATE TABLE two (id INT PRIMARY KEY, data BLOB COMMENT '{comment}'); INSERT INTO two VALUES (1, REPEAT('한글', 40)), (2, x'00ff');
             CREATE TABLE zero (id INT PRIMARY KEY); CREATE VIEW seen AS SELECT note FROM one;
             CREATE TRIGGER told BEFORE INSERT ON two FOR EACH ROW SET @told = 1;
             CREATE PROCEDURE nothing() SELECT 1;"
        ));
        let dump = store.tool("fwb-dump").args(["-B", &database.name, "--codec", codec]).run().ok().json();
        let manifest = store.tool("fwb-verify").arg(name(&dump)).run().ok().json();
        let size_at = if codec == "zstd" { 14 } else { 20 };
        let artifact = fs::read(store.artifact(&manifest)).unwrap();
        let sidecar = fs::read_to_string(store.sidecar(&manifest)).unwrap();
        Self { store, manifest, artifact, sidecar, size_at, sql: HashMap::new() }
    }

    fn sections(&self) -> &Vec<Value> {
        self.manifest["sections"].as_array().unwrap()
    }

    /// Where the data members lie, by the sizes that their headers say (docs/FORMAT.md).
    fn members(&self) -> Vec<std::ops::Range<usize>> {
        let last = self.sections().last().unwrap();
        let end = number(&last["offset"]) + number(&last["size"]);
        let mut members = vec![];
        let mut at = 0;
        while at < end {
            let field = at + self.size_at;
            let size = u64::from_le_bytes(self.artifact[field..field + 8].try_into().unwrap());
            members.push(at..at + usize::try_from(size).unwrap());
            at = members.last().unwrap().end;
        }
        members
    }

    /// Where the second table lies, and the digest of its rows.
    fn table_two(&self) -> (std::ops::Range<usize>, Value) {
        let two = self.sections().iter().find(|section| section["name"] == "two").unwrap();
        let from = number(&two["offset"]);
        (from..from + number(&two["size"]), two["rows_digest"].clone())
    }

    fn damaged(&self, what: String, artifact: Vec<u8>) -> Damaged {
        Damaged { what, artifact, sidecar: Some(self.sidecar.clone()) }
    }

    fn sql(&mut self, tables: &str) -> &[u8] {
        let Self { store, manifest, sql, .. } = self;
        sql.entry(tables.to_owned()).or_insert_with(|| {
            let restore = store.tool("fwb-restore").args(["--stdout", "--tables", tables, name(manifest)]);
            restore.run().ok().stdout
        })
    }

    /// Whether these tables came out as they were. What puts the settings back after them may be lost.
    fn is_begun_by(&mut self, out: &Output, tables: &str) -> bool {
        let expected = self.sql(tables);
        expected.starts_with(&out.stdout) && expected.len() - out.stdout.len() < 700
    }

    /// Verifies all of these, and holds what is said of them against what can be had of them.
    fn judge(&mut self, part: &str, cases: Vec<Damaged>) {
        let store = Store::new();
        let mut told = BTreeMap::new();
        let tables = ["one", "two", "zero"];
        for (at, case) in cases.iter().enumerate() {
            let file = format!("{at:05}{}", &name(&self.manifest)[5..]);
            store.write(&file, &case.artifact);
            if let Some(sidecar) = &case.sidecar {
                store.write(&format!("{file}.json"), sidecar.replace(name(&self.manifest), &file));
            }
            told.insert(file, &case.what);
        }
        let verified = store.tool("fwb-verify").arg("--no-record").args(told.keys()).run().exits(3);
        let records = verified.records();
        assert_eq!(records.len(), cases.len(), "each is looked at");
        let (mut located, mut rescued, mut missed) = (0, 0, vec![]);
        for record in &records {
            let what = told[name(record)];
            let outcome = &record["verification"];
            if outcome["ok"] != false || outcome["problems"].as_array().is_none_or(Vec::is_empty) {
                missed.push(what);
                continue;
            }
            let whole = outcome["whole_tables"].as_array();
            let sound: Vec<&str> = whole.into_iter().flatten().map(|table| table.as_str().unwrap()).collect();
            located += u32::from(whole.is_some());
            rescued += u32::from(!sound.is_empty());
            let restore = |tables: &str| {
                store.tool("fwb-restore").args(["--stdout", "--tables", tables, name(record)]).run()
            };
            if !sound.is_empty() {
                let tables = sound.join(",");
                assert!(self.is_begun_by(&restore(&tables).ok(), &tables), "{what}");
            }
            for table in tables.iter().filter(|table| !sound.contains(table)) {
                let out = restore(table);
                if whole.is_none() && out.code == Some(0) {
                    assert!(self.is_begun_by(&out, table), "{what}: {table}: {out:?}");
                    continue;
                }
                let refused = out.exits(3);
                let words = ["is damaged: ", "is refused: "];
                assert!(words.iter().any(|word| refused.stderr.contains(word)), "{what}: {}", refused.stderr);
            }
        }
        // Nothing of it is restored as a whole, what is found is recorded, and it is listed all the same.
        let some = || records.iter().step_by(records.len().div_ceil(40));
        for record in some() {
            let out = store.tool("fwb-restore").args(["--stdout", name(record)]).run();
            if out.code != Some(3) {
                missed.push(told[name(record)]);
            }
        }
        store.tool("fwb-verify").args(some().map(name)).run().exits(3);
        for record in some() {
            // A foreign file gets no sidecar unless it is adopted, and one that cannot be read is left as it is.
            let Ok(sidecar) = fs::read_to_string(store.sidecar(record)) else { continue };
            let sidecar: Value = serde_json::from_str(&sidecar).unwrap();
            if record["verification"]["problems"].to_string().contains("sidecar cannot be used") {
                continue;
            }
            let found = |manifest: &Value| {
                let outcome = &manifest["verification"];
                (outcome["ok"].clone(), outcome["problems"].clone(), outcome["whole_tables"].clone())
            };
            assert_eq!(found(&sidecar), found(record), "{}", told[name(record)]);
        }
        let listed = store.tool("fwb-ls").run();
        assert!(matches!(listed.code, Some(0 | 3)), "{listed:?}");
        assert_eq!(listed.records().len(), cases.len());
        let of = |number: usize| u32::try_from(number).unwrap();
        let counts = [
            (part, of(cases.len())),
            ("located", located),
            ("with tables rescued", rescued),
            ("missed", of(missed.len())),
        ];
        count("corruption", part, &counts);
        assert!(missed.is_empty(), "{missed:?}");
    }
}

fn number(value: &Value) -> usize {
    usize::try_from(value.as_u64().unwrap()).unwrap()
}

/// Every byte, or of a bounded run every 11th and all of the last 300, which the index and the end are in.
fn places(size: usize) -> impl Iterator<Item = usize> {
    (0..size).filter(move |at| whole() || at % 11 == 0 || at + 300 > size)
}

#[test]
fn a_flipped_byte_is_found_and_other_tables_can_be_had() {
    flip_bytes(Sound::new("bytes", "a note"), if whole() { &[0x01, 0x80, 0xff] } else { &[0x04] });
}

#[test]
fn a_flipped_byte_of_zstd_is_found_and_other_tables_can_be_had() {
    flip_bytes(Sound::of_zstd("zbyte", "a note"), if whole() { &[0x01, 0x80, 0xff] } else { &[0x04] });
}

fn flip_bytes(mut sound: Sound, masks: &[u8]) {
    for mask in masks {
        let flip = |at: usize| {
            let mut bytes = sound.artifact.clone();
            bytes[at] ^= mask;
            sound.damaged(format!("byte {at} with {mask:#x}"), bytes)
        };
        let cases = places(sound.artifact.len()).map(flip).collect();
        sound.judge("flips", cases);
    }
}

#[test]
fn a_file_cut_short_is_found_and_tables_before_the_cut_can_be_had() {
    cut_short(Sound::new("tails", "a note"));
    cut_short(Sound::of_zstd("ztail", "a note"));
}

fn cut_short(mut sound: Sound) {
    let cut = |size| sound.damaged(format!("{size} bytes"), sound.artifact[..size].to_vec());
    let cases = places(sound.artifact.len()).map(cut).collect();
    sound.judge("cuts", cases);
}

#[test]
fn members_that_changed_their_places_are_found() {
    move_members(Sound::new("mover", "a note"), &Sound::new("other", "o note"));
    move_members(Sound::of_zstd("zmove", "a note"), &Sound::of_zstd("zothe", "o note"));
}

fn move_members(mut sound: Sound, other: &Sound) {
    let (members, others) = (sound.members(), other.members());
    assert!(members.len() > 8 && members.len() == others.len());
    let join = |order: &[&[u8]]| {
        [order.concat().as_slice(), &sound.artifact[members.last().unwrap().end..]].concat()
    };
    let plain: Vec<&[u8]> = members.iter().map(|member| &sound.artifact[member.clone()]).collect();
    let mut cases = vec![];
    for one in 0..plain.len() {
        let mut dropped = plain.clone();
        dropped.remove(one);
        cases.push(sound.damaged(format!("member {one} dropped"), join(&dropped)));
        let mut repeated = plain.clone();
        repeated.insert(one, plain[one]);
        cases.push(sound.damaged(format!("member {one} twice"), join(&repeated)));
        let mut mixed = plain.clone();
        mixed[one] = &other.artifact[others[one].clone()];
        if mixed[one] != plain[one] {
            cases.push(sound.damaged(format!("member {one} of another backup"), join(&mixed)));
        }
        for two in one + 1..plain.len() {
            let mut swapped = plain.clone();
            swapped.swap(one, two);
            cases.push(sound.damaged(format!("members {one} and {two} swapped"), join(&swapped)));
        }
    }
    sound.judge("members moved", cases);
}

#[test]
fn what_belongs_to_another_backup_is_found() {
    let (mut sound, other) = (Sound::new("their", "a note"), Sound::new("thine", "o note"));
    let (end, other_end) = (sound.members().last().unwrap().end, other.members().last().unwrap().end);
    let renamed = other.sidecar.replace(name(&other.manifest), name(&sound.manifest));
    let with = |artifact: Vec<u8>, sidecar: &str, what: &str| Damaged {
        what: what.into(),
        artifact,
        sidecar: Some(sidecar.into()),
    };
    let foot = [&sound.artifact[..end], &other.artifact[other_end..]].concat();
    let data = [&other.artifact[..other_end], &sound.artifact[end..]].concat();
    let mut cases = vec![
        with(sound.artifact.clone(), &renamed, "another's sidecar"),
        with(other.artifact.clone(), &sound.sidecar, "another's artifact"),
        with(foot.clone(), &sound.sidecar, "another's footer"),
        with(foot.clone(), &renamed, "another's footer and sidecar"),
        with(data, &sound.sidecar, "another's data"),
        Damaged { what: "another's footer alone".into(), artifact: foot, sidecar: None },
        sound.damaged("both, one after the other".into(), [&sound.artifact[..], &other.artifact].concat()),
        sound.damaged("no footer".into(), sound.artifact[..end].to_vec()),
        Damaged { what: "no footer, alone".into(), artifact: sound.artifact[..end].to_vec(), sidecar: None },
        sound.damaged("the footer alone".into(), sound.artifact[end..].to_vec()),
        sound.damaged("the footer twice".into(), [&sound.artifact[..], &sound.artifact[end..]].concat()),
        sound.damaged("a byte more".into(), [&sound.artifact[..], b"\0"].concat()),
        sound.damaged(
            "another dump, packed by gzip".into(),
            crate::support::gzip(b"CREATE TABLE t (a INT);\n"),
        ),
    ];
    let of_gzip = {
        let sql =
            std::process::Command::new("zcat").arg(other.store.artifact(&other.manifest)).output().unwrap();
        crate::support::gzip(&sql.stdout)
    };
    cases.push(sound.damaged("a whole dump of another database, packed by gzip".into(), of_gzip));
    sound.judge("mixed up", cases);
}

/// A table's member comes from an older backup of the same database: it has the same rows, and it begins and ends where
/// the other does, but the table was defined otherwise.
#[test]
fn a_member_of_the_same_size_and_rows_is_found() {
    let mut sound = Sound::new("drift", "a note");
    let (here, rows) = sound.table_two();
    let cases = ('a'..='z').filter_map(|comment| {
        let older = Sound::commented("drift", "a note", comment);
        let (there, same_rows) = older.table_two();
        assert_eq!(same_rows, rows);
        let (before, after) = (&sound.artifact[..here.start], &sound.artifact[here.end..]);
        let mixed = || [before, &older.artifact[there.clone()], after].concat();
        (there.len() == here.len()).then(|| sound.damaged(format!("two with the comment {comment}"), mixed()))
    });
    let cases: Vec<Damaged> = cases.collect();
    sound.judge("older definitions", cases);
}

/// What the manifest says is held against the artifact, each field of it.
#[test]
fn a_sidecar_that_was_edited_is_found() {
    fn paths(value: &Value, path: &str, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                fields.iter().for_each(|(key, value)| paths(value, &format!("{path}/{key}"), found));
            }
            Value::Array(list) if !list.is_empty() => {
                list.iter().enumerate().for_each(|(at, value)| paths(value, &format!("{path}/{at}"), found));
            }
            _ => found.push(path.to_owned()),
        }
    }
    let mut sound = Sound::new("edits", "a note");
    let manifest: Value = serde_json::from_str(&sound.sidecar).unwrap();
    let mut found = Vec::new();
    paths(&manifest, "", &mut found);
    // What fwb-verify wrote itself it writes again; the name is replaced for this test.
    found.retain(|path| !path.starts_with("/verification") && path != "/name");
    assert!(found.len() > 60, "{}", found.len());
    let mut cases = Vec::new();
    for path in &found {
        let mut edited = manifest.clone();
        let field = edited.pointer_mut(path).unwrap();
        *field = match field {
            Value::Number(_) => json!(field.as_u64().unwrap() + 1),
            Value::String(text) => json!(format!("{text}x")),
            Value::Bool(yes) => json!(!*yes),
            Value::Array(_) => json!(["x"]),
            _ => json!("x"),
        };
        let sidecar = Some(format!("{edited}\n"));
        cases.push(Damaged { what: path.clone(), artifact: sound.artifact.clone(), sidecar });
    }
    sound.judge("fields edited", cases);
}
