//! `docs/JSON.md` has every field of what the tools print, as the types in the code have them, with their meaning from there.
//! After a change on purpose, `JSON_MD=overwrite cargo test --test integration json::` writes the tables anew; read them before
//! committing.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::report::year::{Year, morning};
use crate::support::Tool;

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path))
        .unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// One field of a struct, or one word of an enum.
struct Member {
    name: String,
    kind: String,
    meaning: String,
    attributes: String,
}

/// The attributes and the members of a struct or an enum, as they stand in the source.
fn members(path: &str, name: &str) -> (String, Vec<Member>) {
    let source = read(path);
    let lines: Vec<&str> = source.lines().collect();
    let is_begin = |line: &&str| {
        ["struct", "enum"].iter().any(|kind| {
            let after = line.strip_prefix("pub ").unwrap_or(line).strip_prefix(&format!("{kind} {name}"));
            after.is_some_and(|rest| !rest.starts_with(char::is_alphanumeric) && rest.ends_with('{'))
        })
    };
    let begin = lines.iter().position(is_begin).unwrap_or_else(|| panic!("{path} has no {name}"));
    let own: String =
        lines[..begin].iter().rev().take_while(|line| line.starts_with("#[")).copied().collect();
    let (mut members, mut meaning, mut attributes) = (Vec::new(), String::new(), String::new());
    for line in lines[begin + 1..].iter().take_while(|line| **line != "}").map(|line| line.trim()) {
        if let Some(text) = line.strip_prefix("///") {
            meaning += text;
        } else if line.starts_with("#[") {
            attributes += line;
        } else if !line.is_empty() && !line.starts_with("//") {
            let line = line.strip_prefix("pub(crate) ").unwrap_or(line);
            let line = line.trim_start_matches("pub ").trim_end_matches(',');
            let (name, kind) = line.split_once(": ").unwrap_or((line, ""));
            let (name, kind) = (name.to_owned(), kind.to_owned());
            members.push(Member {
                name,
                kind,
                meaning: std::mem::take(&mut meaning).trim().to_owned(),
                attributes: std::mem::take(&mut attributes),
            });
        }
    }
    (own, members)
}

/// A type as JSON has it.
fn kind(rust: &str) -> String {
    let inside = |outer: &str| rust.strip_prefix(outer).and_then(|rest| rest.strip_suffix('>'));
    if let Some(inner) = inside("Option<") {
        return format!("{} or null", kind(inner));
    }
    if let Some(inner) = inside("Vec<") {
        return format!("array of {}", kind(inner));
    }
    if let Some(inner) = inside("BTreeMap<String, ") {
        return format!("object of {} by name", kind(inner));
    }
    match rust {
        "bool" => "boolean".into(),
        "u32" | "u64" | "i32" | "i64" | "usize" | "f64" => "number".into(),
        "String" | "&'a str" | "&'static str" | "GtidPosition" | "ServerName" | "AccountName" => {
            "string".into()
        }
        "Timestamp" => "time".into(),
        "NaiveDate" => "date".into(),
        "Kind" | "RunOutcome" | "Strategy" | "Gravity" | "Verdict" | "SectionKind" | "FollowState"
        | "HoleVerdict" | "AccountAction" | "AccountOutcome" => "word".into(),
        own => format!("`{own}`"),
    }
}

/// A word of an enum, by its `rename_all`.
fn word(name: &str, attributes: &str) -> String {
    let separator = if attributes.contains("snake_case") {
        "_"
    } else if attributes.contains("kebab-case") {
        "-"
    } else {
        ""
    };
    let mut word = String::new();
    for (at, character) in name.char_indices() {
        if character.is_uppercase() && at > 0 {
            word += separator;
        }
        word.extend(character.to_lowercase());
    }
    word
}

/// A sentence without what links to code.
fn plain(meaning: &str) -> String {
    let meaning = meaning.replace("RUN_SCHEMA", fwb::RUN_SCHEMA).replace("REPORT_SCHEMA", fwb::REPORT_SCHEMA);
    let meaning = meaning.replace("LOG_SCHEMA", fwb::LOG_SCHEMA).replace("FLEET_SCHEMA", fwb::FLEET_SCHEMA);
    meaning.replace("[`", "`").replace("`]", "`").replace('|', "\\|").trim_end_matches('.').to_owned()
}

fn table(mark: &str) -> String {
    let (of, place) = mark.trim().split_once(": ").unwrap();
    let (path, name) = place.split_once(' ').unwrap();
    let (own, members) = members(path, name);
    if of == "words" {
        let rows =
            members.iter().map(|one| format!("| `{}` | {} |\n", word(&one.name, &own), plain(&one.meaning)));
        return "| Word | Meaning |\n|---|---|\n".to_owned() + &rows.collect::<String>();
    }
    let mut table = "| Field | Type | Meaning |\n|---|---|---|\n".to_owned();
    for one in members.iter().filter(|one| !one.attributes.contains("flatten")) {
        let is_left_out = one.attributes.contains("skip_serializing_if");
        let kind = kind(&one.kind);
        let kind =
            if is_left_out { kind.trim_end_matches(" or null").to_owned() + ", or absent" } else { kind };
        assert!(!one.meaning.is_empty(), "{name}.{} says nothing of itself", one.name);
        writeln!(table, "| `{}` | {kind} | {} |", one.name, plain(&one.meaning)).unwrap();
    }
    table
}

#[test]
fn every_field_is_documented() {
    let document = read("docs/JSON.md");
    let mut written = String::new();
    let mut parts = document.split("<!-- ");
    written += parts.next().unwrap();
    for part in parts {
        let (mark, rest) = part.split_once(" -->\n").unwrap();
        let rest = rest.trim_start_matches('\n');
        let after =
            rest.lines().take_while(|line| line.starts_with('|')).map(|line| line.len() + 1).sum::<usize>();
        let rest = rest.get(after..).unwrap_or_default().trim_start_matches('\n');
        write!(written, "<!-- {mark} -->\n\n{}", table(mark)).unwrap();
        if !rest.is_empty() {
            written += "\n";
            written += rest;
        }
    }
    if std::env::var_os("JSON_MD").is_some_and(|value| value == "overwrite") {
        fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/JSON.md"), &written).unwrap();
        return;
    }
    assert!(document == written, "docs/JSON.md is not what the types are; see tests/json.rs");
    for path in [
        "lib/fwb/src/run/record.rs",
        "lib/fwb/src/report/model.rs",
        "lib/fwb/src/binlog/segment.rs",
        "lib/fwb/src/binlog/status.rs",
    ] {
        for name in read(path).lines().filter_map(|line| line.strip_prefix("pub struct ")) {
            let name = name.trim_end_matches(" {");
            assert!(document.contains(&format!("{path} {name} -->")), "docs/JSON.md lacks {name} of {path}");
        }
    }
}

/// What is printed has the fields that are documented, each with a type that is.
#[test]
fn a_report_is_as_documented() {
    let mut year = Year::new();
    for of in 0..12 {
        year.pass(of);
    }
    let tool =
        Tool::alone("fwb-report").arg("--store").arg(year.store.path()).arg("--also").arg(year.copies.path());
    let report = crate::environment::Clock::at(morning(11).timestamp()).tool(tool).run().ok().json();
    let holds = |value: &Value, path: &str, name: &str| {
        let documented: Vec<String> = members(path, name).1.into_iter().map(|one| one.name).collect();
        let found: Vec<String> =
            value.as_object().unwrap_or_else(|| panic!("{name}: {value}")).keys().cloned().collect();
        let mut sorted = documented.clone();
        sorted.sort();
        assert_eq!(found, sorted, "{name}");
    };
    let model = "lib/fwb/src/report/model.rs";
    holds(&report, model, "ReportDocument");
    holds(&report["stores"][0], model, "StoreReport");
    holds(&report["stores"][0]["forecast"], "lib/fwb/src/report/forecast.rs", "Forecast");
    let database = &report["databases"][0];
    holds(database, model, "DatabaseReport");
    holds(&database["newest_proved"], model, "BackupReport");
    holds(&database["tables"][0], model, "TableReport");
    holds(&database["runs"][0], model, "RunsReport");
    holds(&database["latest_runs"][0], model, "RunBrief");
    holds(&database["drills"][0], model, "DrillReport");
    holds(&database["copies"][0], model, "CopyReport");
    holds(&database["reachable"], model, "ReachReport");
    holds(&database["reachable"]["spans"][0], model, "SpanReport");
    holds(&report["logs"][0], model, "LogReport");
    holds(&report["logs"][0]["follower"], model, "FollowerReport");
}
