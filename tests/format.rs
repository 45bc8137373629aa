//! `docs/FORMAT.md` is the promise that a backup can be read without these tools. Its commands are run here as they
//! stand there, and the manifest's fields are held against what it lists.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use crate::support::{Database, Output, Pod, Store, Tool, mariadb_dump, name};

const DOCUMENT: &str = include_str!("../docs/FORMAT.md");

/// The marks of the document's blocks for artifacts of each codec.
const MARKS: [(&str, &str); 2] = [("gzip", "```sh test\n"), ("zstd", "```sh test zstd\n")];

/// The document's blocks with this mark, one after another.
fn commands(mark: &str) -> String {
    let blocks: Vec<&str> = DOCUMENT
        .split(mark)
        .skip(1)
        .map(|rest| rest.split("```").next().expect("the end of a block"))
        .collect();
    assert!(!blocks.is_empty(), "docs/FORMAT.md has no block that is marked {mark:?}");
    blocks.join("\n")
}

/// Runs the commands beside an artifact. No `pipefail`: `head` ends a pipe early, and that is no failure.
fn run_commands(mark: &str, artifact: &std::path::Path) -> Output {
    let dir = tempfile::tempdir().unwrap();
    Tool::program("bash").args(["-euc", &commands(mark)]).dir(dir.path()).env("ARTIFACT", artifact).run()
}

#[test]
fn the_documents_commands_read_an_artifact() {
    let db = Database::sample("format");
    // Several members in a section, and a statement over several members.
    db.sql("CREATE TABLE many (id INT PRIMARY KEY, text VARCHAR(200)); INSERT INTO many SELECT seq, SHA2(seq, 512) FROM seq_1_to_20000;
            INSERT INTO settings VALUES ('large', REPEAT(UNHEX(SHA2('x', 512)), 65536));");
    let store = Store::new();
    for (codec, mark) in MARKS {
        let manifest = store.tool("fwb-dump").args(["-B", &db.name, "--codec", codec]).run().ok().json();
        let said = run_commands(mark, &store.artifact(&manifest)).ok().stdout_text();
        let rows: u64 = said
            .lines()
            .filter_map(|line| {
                let rows = line.strip_prefix("member at ")?.rsplit_once(", ")?.1.strip_suffix(" rows")?;
                rows.parse::<u64>().ok()
            })
            .sum();
        assert_eq!(rows, 40 + 120 + 3 + 4 + 20000, "the members' rows are the database's");
        assert!(said.contains("footer at "), "{said}");
    }
}

#[test]
fn the_documents_commands_prove_something() {
    let db = Database::sample("format");
    let store = Store::new();
    for (codec, mark) in MARKS {
        let manifest = store.tool("fwb-dump").args(["-B", &db.name, "--codec", codec]).run().ok().json();
        let whole = fs::read(store.artifact(&manifest)).unwrap();
        for at in [30, whole.len() / 3, whole.len() - 500, whole.len() - 80, whole.len() - 40] {
            let mut bytes = whole.clone();
            bytes[at] ^= 4;
            store.write(name(&manifest), &bytes);
            let out = run_commands(mark, &store.artifact(&manifest));
            assert_ne!(out.code, Some(0), "byte {at} of {} of {codec} is damaged: {out:?}", whole.len());
        }
    }
}

/// Every place in a manifest where a value is, with the value's type: `sections[].rows number`.
fn fields(value: &Value, path: &str, found: &mut BTreeSet<String>) {
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(text) if chrono::DateTime::parse_from_rfc3339(text).is_ok() => "time",
        Value::String(_) => "string",
        Value::Array(items) => {
            for item in items {
                fields(item, &format!("{path}[]"), found);
            }
            return;
        }
        Value::Object(map) => {
            let separator = if path.is_empty() { "" } else { "." };
            map.iter().for_each(|(key, value)| fields(value, &format!("{path}{separator}{key}"), found));
            return;
        }
    };
    found.insert(format!("{path} {kind}"));
}

/// Names in the first column of the document's tables of fields.
fn documented() -> BTreeSet<String> {
    let manifest = DOCUMENT.split("## The manifest").nth(1).expect("the manifest's part");
    let rows = manifest.split("\n## ").next().unwrap().lines().filter(|line| line.starts_with("| `"));
    let cells = rows.filter_map(|row| row.split('|').nth(1));
    cells
        .flat_map(|cell| {
            cell.split('`').skip(1).step_by(2).map(|name| name.split('.').next().unwrap().to_owned())
        })
        .collect()
}

/// What programs that read manifests build on: a field that goes or changes its type breaks them.
const CONTRACT: &str = "
binlog.file string
binlog.gtid string
binlog.position number
broken_views[].definition string
broken_views[].error string
broken_views[].name string
charset string
chosen[] string
client.program string
client.rows string
client.version string
codec string
collation string
database string
decision.action string
decision.reasons[] string
encryption.format string
encryption.recipients[] string
encryption.sidecar string
excluded.patterns.rows[] string
excluded.patterns.tables[] string
excluded.rows[] string
excluded.tables[] string
finished_at time
kind string
largest_statement number
name string
raw_sha256 string
raw_size number
schema string
sections[].crc32 string
sections[].kind string
sections[].name string
sections[].objects[].kind string
sections[].objects[].name string
sections[].offset number
sections[].raw_offset number
sections[].raw_size number
sections[].rows number
sections[].rows_digest string
sections[].size number
server.address string
server.id string
server.lower_case_table_names number
server.uid string
server.version string
sha256 string
size number
started_at time
store string
tables_identified_by string
verification.at time
verification.by string
verification.level string
verification.ok boolean
verification.problems[] string
verification.seconds number
warnings[] string
whole boolean
";

/// The public key to a key that nobody has kept.
const RECIPIENT: &str = "age1m8k8cw67mqxz4225uajwaqep2urr8gtcxllw28ld5fkqyejg6gds0w5d67";

#[test]
fn the_manifest_has_the_documented_fields_with_their_types() {
    let db = Database::sample("contract");
    db.sql("CREATE TABLE doomed (a INT); CREATE VIEW orphan AS SELECT * FROM doomed; DROP TABLE doomed; CREATE SEQUENCE numbers;");
    let store = Store::new();
    let whole = store.dump_verified(&db);
    store.write(
        "old.sql",
        mariadb_dump(&db, &["--routines", "--ignore-table", &format!("{}.orphan", db.name)]),
    );
    let adopted = store.tool("fwb-verify").args(["--adopt", "old.sql"]).run().ok().json();
    let pruned = store.tool("fwb-prune").arg("--dry-run").arg(name(&whole)).run().ok().json();
    // Of a pod the address is known, wherever the tests run.
    let of_pod =
        Pod::new().tool(&store, "fwb-dump").args(["-B", &db.name, "--server-id", "x"]).run().ok().json();
    let mut damaged = fs::read(store.artifact(&whole)).unwrap();
    damaged[60] ^= 1;
    store.write(name(&whole), damaged);
    let failed = store.tool("fwb-verify").arg(name(&whole)).run().exits(3).json();

    let mut found = BTreeSet::new();
    let of_zstd = store.tool("fwb-dump").args(["-B", &db.name, "--codec", "zstd"]).run().ok().json();
    let of_age = store.tool("fwb-dump").args(["-B", &db.name, "--recipient", RECIPIENT]).run().ok().json();
    let of_tables = store.tool("fwb-dump").args(["-B", &db.name, "--tables", "settings"]).run().ok().json();
    let excluding = ["-B", &db.name, "--exclude-table", "settings", "--exclude-data", "shares"];
    let excluding = store.tool("fwb-dump").args(excluding).run().ok().json();
    for manifest in [whole, adopted, pruned, failed, of_pod, of_zstd, of_age, of_tables, excluding] {
        fields(&manifest, "", &mut found);
    }
    let found: Vec<String> = found.into_iter().collect();
    assert_eq!(found.join("\n"), CONTRACT.trim());

    let names: BTreeSet<String> = found
        .iter()
        .map(|field| field.split(' ').next().unwrap())
        .flat_map(|path| path.strip_prefix("sections[].").into_iter().chain([path]))
        .map(|path| path.split(['.', '[']).next().unwrap().to_owned())
        .collect();
    assert_eq!(names, documented(), "docs/FORMAT.md lists the fields that there are");
}
