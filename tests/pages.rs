//! The pages that lead through the repository: each link of each page leads somewhere, the map names all that is there, and
//! the decisions are numbered and listed.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::translation::{Kind, anchors, blocks, code, links, page};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The names in a directory.
fn names(directory: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(root().join(directory)).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn is_page(name: &String) -> bool {
    Path::new(name).extension().is_some_and(|end| end == "md")
}

/// All pages of the repository, by their paths in it.
fn pages() -> Vec<String> {
    let mut pages = Vec::new();
    for directory in ["", "docs", "docs/ko", "docs/decisions", "k8s", "fuzz"] {
        let found = names(directory).into_iter().filter(is_page);
        pages.extend(found.map(|name| match directory {
            "" => name,
            _ => format!("{directory}/{name}"),
        }));
    }
    assert!(pages.len() > 60, "{pages:?}");
    pages
}

#[test]
fn every_link_leads_somewhere() {
    let mut wrong = Vec::new();
    for from in pages() {
        let text = page(&from);
        for block in blocks(&text).iter().filter(|block| block.kind != Kind::Code) {
            // A cell's bar is written `\|`, also in code.
            let (_, prose) = code(&block.text);
            for link in links(&prose).0.iter().filter(|link| !link.contains("://")) {
                let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
                let target = match file {
                    "" => PathBuf::from(&from),
                    file => Path::new(&from).parent().unwrap().join(file),
                };
                let is_there = root().join(&target).exists();
                let has_heading =
                    || anchors(&page(target.to_str().unwrap())).iter().any(|found| found == anchor);
                if !is_there || !(anchor.is_empty() || has_heading()) {
                    wrong.push(format!("{from}:{}: {link}", block.line));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "lead to nothing:\n{}", wrong.join("\n"));
}

#[test]
fn the_map_names_every_folder_and_every_page() {
    let map = page("docs/ARCHITECTURE.md");
    for name in names("lib") {
        assert!(map.contains(&format!("    lib/{name}/")), "lib/{name}");
    }
    for name in names(".") {
        let is_ours = root().join(&name).is_dir() && !name.starts_with('.') && name != "target";
        assert!(!is_ours || map.contains(&format!("    {name}/")), "{name}");
    }
    for name in names("docs").into_iter().filter(|name| is_page(name) && name != "ARCHITECTURE.md") {
        assert!(map.contains(&format!("]({name})")), "{name}");
    }
    assert!(map.lines().count() <= 120, "the map is one page");
}

/// A module is a file or a folder beside or below those under which the page has it.
#[test]
fn the_modules_that_are_listed_are_there() {
    let text = page("docs/MODULES.md");
    let mut listed = 0;
    for part in text.split("\n## Inside ").skip(1) {
        let (root_of, part) = part.split_once('\n').unwrap();
        // Indents and folders of the lines that the present one stands under.
        let mut above: Vec<(usize, String)> = vec![(0, format!("{root_of}/src"))];
        for line in part.lines().filter(|line| line.starts_with("    ")) {
            let indent = line.len() - line.trim_start().len();
            let cell = line.trim_start().split("  ").next().unwrap();
            let cell = cell
                .split_once(' ')
                .map_or(cell, |(first, _)| if first.ends_with(',') { cell } else { first });
            above.retain(|(of, _)| *of < indent);
            let mut folder = String::new();
            for name in cell.split(", ").map(|name| name.trim_end_matches(',').trim_end_matches('/')) {
                let name = name.split(' ').next().unwrap();
                let found =
                    above.iter().rev().map(|(_, folder)| format!("{folder}/{name}")).find(|path| {
                        root().join(path).is_dir() || root().join(format!("{path}.rs")).is_file()
                    });
                folder = found.unwrap_or_else(|| panic!("{root_of} has no module {name}: {line}"));
                listed += 1;
            }
            above.push((indent, folder));
        }
    }
    assert!(listed > 200, "{listed}");
}

#[test]
fn decisions_are_numbered_and_listed() {
    let list = page("docs/decisions/README.md");
    let files: Vec<String> =
        names("docs/decisions").into_iter().filter(|name| name.as_str() != "README.md").collect();
    for (number, file) in (1..).zip(&files) {
        let text = page(&format!("docs/decisions/{file}"));
        let (date, rest) = file.split_at(10);
        assert!(chrono::NaiveDate::parse_from_str(date, "%Y-%m-%d").is_ok(), "{file}");
        assert!(rest.starts_with(&format!("-{number:04}-")), "{file} is decision {number}");
        let title = text.lines().next().unwrap().strip_prefix(&format!("# {number}. ")).expect("its title");
        let row = format!("| {number} | [{title}]({file}) | {date} |");
        assert!(list.contains(&row), "{row}");
        assert!(text.contains(&format!("*{date}")), "{file}: since when");
        for part in ["**Context.** ", "**Decision.** ", "**Consequences.**"] {
            assert_eq!(text.matches(part).count(), 1, "{file}: {part}");
        }
    }
    assert_eq!(list.matches("](2").count(), files.len());
}
