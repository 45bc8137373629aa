//! What stays between versions (docs/PROMISES.md): the words that scripts, dashboards and programs build on. A word that goes,
//! or an option that loses one of its values, breaks somebody, and only a new major version may do that.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::support::{Store, TOOLS, Tool, sha256};

/// What former versions have promised. `PROMISES=overwrite` adds what is new and removes nothing.
const PROMISED: &str = "tests/fixtures/promised.txt";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All files below a folder, with their texts.
fn texts(folder: &str, extension: &str) -> Vec<String> {
    let (mut left, mut texts) = (vec![root().join(folder)], Vec::new());
    while let Some(path) = left.pop() {
        if path.is_dir() {
            left.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|found| found == extension) {
            texts.push(fs::read_to_string(&path).unwrap());
        }
    }
    assert!(!texts.is_empty(), "{folder}");
    texts
}

/// The words in a text that begin with this and go on with such letters.
fn words<'a>(text: &'a str, beginning: &str, is_part: impl Fn(char) -> bool) -> BTreeSet<&'a str> {
    let found = text.match_indices(beginning).map(|(at, _)| {
        let rest = &text[at..];
        let end = rest.find(|letter| !is_part(letter)).unwrap_or(rest.len());
        &rest[..end]
    });
    found.filter(|word| word.len() > beginning.len()).collect()
}

/// Options of a tool as its help has them, each with its letter, and one line for each word that it takes.
fn options(tool: &str) -> Vec<String> {
    let help = Tool::alone(tool).arg("-h").run().ok().stdout_text();
    let mut blocks: Vec<String> = Vec::new();
    let mut is_open = false;
    for line in help.lines() {
        let bare = line.trim_start();
        let indent = line.len() - bare.len();
        if bare.starts_with('-') && indent <= 6 {
            blocks.push(bare.to_owned());
            is_open = true;
        } else if is_open && indent > 6 {
            let block = blocks.last_mut().unwrap();
            block.push(' ');
            block.push_str(bare);
        } else {
            is_open = false;
        }
    }
    assert!(blocks.len() > 5, "{help}");
    let mut lines = Vec::new();
    for block in &blocks {
        let names = block.split("  ").next().unwrap().split([' ', '=', '[']);
        let names: Vec<&str> =
            names.map(|name| name.trim_end_matches(',')).filter(|name| name.starts_with('-')).collect();
        lines.extend(names.iter().map(|name| format!("option {tool} {name}")));
        let values = block.split("[possible values: ").nth(1).map(|rest| rest.split(']').next().unwrap());
        let longest = names.last().expect("a name");
        lines.extend(
            values
                .into_iter()
                .flat_map(|values| values.split(", "))
                .map(|value| format!("value {tool} {longest} {value}")),
        );
    }
    lines
}

/// Fields and words of the JSON that docs/JSON.md describes.
fn json() -> Vec<String> {
    let document = fs::read_to_string(root().join("docs/JSON.md")).unwrap();
    let mut lines = Vec::new();
    for part in document.split("<!-- ").skip(1) {
        let (mark, rest) = part.split_once(" -->").unwrap();
        let name = mark.rsplit(' ').next().unwrap();
        let rows = rest.trim_start().lines().take_while(|line| line.starts_with('|')).skip(2);
        for row in rows {
            let cells: Vec<&str> = row.split(" | ").collect();
            let field = cells[0].trim_start_matches("| ").trim_matches('`');
            let kind =
                if mark.starts_with("fields") { cells[1].replace(", or absent", "") } else { String::new() };
            lines.push(format!("json {name} {field} {kind}").trim_end().to_owned());
        }
    }
    lines
}

fn surface() -> BTreeSet<String> {
    let mut all: BTreeSet<String> = TOOLS.iter().flat_map(|tool| options(tool)).collect();
    all.extend(json());
    let sources: String = ["lib", "tools"].iter().flat_map(|folder| texts(folder, "rs")).collect();
    let is_capital = |letter: char| letter.is_ascii_uppercase() || letter == '_';
    let variables = words(&sources, "\"FWB_", |letter| letter == '"' || is_capital(letter));
    let variables = variables.into_iter().filter_map(|word| word.strip_prefix('"')?.strip_suffix('"'));
    all.extend(variables.filter(|word| !word.contains("TEST")).map(|word| format!("variable {word}")));
    let is_small = |letter: char| letter.is_ascii_lowercase() || letter == '_';
    let metrics: String = texts("lib/fwb-report/src", "rs").concat();
    let metrics = words(&metrics, "\"fwb_", |letter| letter == '"' || is_small(letter));
    all.extend(metrics.iter().map(|word| format!("metric {}", word.trim_matches('"'))));
    let codes = fs::read_to_string(root().join("docs/ERRORS.md")).unwrap();
    let is_code = |letter: char| "FWB-".contains(letter) || letter.is_ascii_digit();
    let rows = codes.lines().filter(|line| line.starts_with("| `FWB-"));
    all.extend(rows.flat_map(|row| words(&row[..12], "FWB-", is_code)).map(|code| format!("code {code}")));
    let manifests: String = texts("k8s", "yaml").concat();
    let is_name = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
    all.extend(words(&manifests, "filewallball-", is_name).iter().map(|name| format!("kubernetes {name}")));
    let alerts =
        words(&manifests, "alert: ", |letter| letter.is_ascii_alphanumeric() || ": ".contains(letter));
    all.extend(alerts.iter().map(|alert| alert.replace(": ", " ")));
    let units = fs::read_dir(root().join("scripts/systemd")).unwrap();
    all.extend(units.map(|unit| format!("unit {}", unit.unwrap().file_name().to_string_lossy())));
    all
}

#[test]
fn what_was_promised_is_there() {
    let found = surface();
    let path = root().join(PROMISED);
    let promised = fs::read_to_string(&path).unwrap_or_default();
    let promised: BTreeSet<String> = promised.lines().map(ToOwned::to_owned).collect();
    let list = |lines: Vec<&String>| lines.into_iter().map(String::as_str).collect::<Vec<_>>().join("\n");
    let gone = list(promised.difference(&found).collect());
    assert!(gone.is_empty(), "was promised, and is not there (docs/PROMISES.md):\n{gone}");
    if std::env::var_os("PROMISES").is_some_and(|word| word == "overwrite") {
        fs::write(&path, list(found.iter().collect()) + "\n").unwrap();
        return;
    }
    let new = list(found.difference(&promised).collect());
    assert!(new.is_empty(), "is new, and promised from now on if PROMISES=overwrite says so:\n{new}");
}

/// The changelog has what comes next first, then this version, then former ones.
#[test]
fn the_changelog_has_this_version() {
    let text = fs::read_to_string(root().join("CHANGELOG.md")).unwrap();
    let headings: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    assert_eq!(headings[0], "Unreleased");
    let (version, date) = headings[1].split_once(" - ").expect("a version and its date");
    assert_eq!(version, env!("CARGO_PKG_VERSION"));
    assert!(chrono::NaiveDate::parse_from_str(date, "%Y-%m-%d").is_ok(), "{date}");
    assert_eq!(headings[2].split(' ').next(), Some("0.1.0"));
}

#[test]
fn each_tool_says_its_version() {
    for tool in TOOLS {
        let said = Tool::alone(tool).arg("--version").run().ok().stdout_text();
        assert_eq!(said, format!("{tool} {}\n", env!("CARGO_PKG_VERSION")));
    }
}

/// A backup of 0.1.0, changed in its footer and its sidecar, so that it says something that this version does not know. The words
/// are of one length.
fn of_a_later_version(store: &Store, said: &str, later: &str) -> String {
    let name = "shop_backup_20261130_030604.sql.gz";
    let made = root().join("tests/fixtures/0.1.0").join(name);
    let mut bytes = fs::read(&made).unwrap();
    // docs/FORMAT.md: the end is 110 bytes, and says where the footer is and how long its core is.
    let end = bytes.len() - 110;
    let number =
        |at: usize| usize::try_from(u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())).unwrap();
    let (core, size) = (number(end + 20) + 20, number(end + 28));
    let at = core + String::from_utf8_lossy(&bytes[core..core + size]).find(said).expect("what it says");
    assert_eq!(said.len(), later.len());
    bytes[at..at + said.len()].copy_from_slice(later.as_bytes());
    let hash = Sha256::digest(&bytes[core..core + size]);
    bytes[end + 36..end + 68].copy_from_slice(&hash);
    let hash = Sha256::digest(&bytes[..end]);
    bytes[end + 68..end + 100].copy_from_slice(&hash);
    let sidecar = fs::read_to_string(made.with_extension("gz.json")).unwrap().replacen(said, later, 1);
    let mut sidecar: Value = serde_json::from_str(&sidecar).unwrap();
    sidecar["sha256"] = sha256(&bytes).into();
    store.write(&format!("{name}.json"), sidecar.to_string());
    store.write(name, bytes);
    name.to_owned()
}

/// It is called damaged, because nothing else is known of it; and it is there for the version that knows it.
#[test]
fn what_a_later_version_has_written_is_refused_by_name_and_kept() {
    for (said, later, word) in [
        ("\"schema\":\"fwb/1\"", "\"schema\":\"fwb/2\"", "schema fwb/2 is unknown to this version"),
        ("\"kind\":\"full\"", "\"kind\":\"next\"", "unknown variant `next`"),
    ] {
        let store = Store::new();
        let name = of_a_later_version(&store, said, later);
        let files =
            || [name.clone(), format!("{name}.json")].map(|name| fs::read(store.file(&name)).unwrap());
        let before = files();
        let tool = |tool: &str| Tool::alone(tool).arg("--store").arg(store.path());
        for reads in [
            tool("fwb-ls"),
            tool("fwb-verify").arg(&name),
            tool("fwb-restore").arg("--stdout").arg(&name),
            tool("fwb-copy").arg("--to").arg(store.file("copies")).arg(&name),
        ] {
            let refused = reads.run();
            assert!(![Some(0), Some(2)].contains(&refused.code), "{refused:?}");
            assert!(refused.stderr.contains(word), "{refused:?}");
        }
        tool("fwb-prune").args(["--keep-last", "1", "--min-keep", "0"]).run();
        assert!(files() == before, "{later}: neither deleted nor changed");
    }
}
