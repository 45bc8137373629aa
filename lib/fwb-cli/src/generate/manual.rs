//! Manual pages: one for each tool, from the same definitions as `--help`, and the overview fwb(7), so that `man fwb`
//! leads to all of them.

use std::io::{self, Write as _};

use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};
use fwb::{Error, Result};

/// Every tool, for SEE ALSO.
const TOOLS: [&str; 9] = [
    "fwb-copy",
    "fwb-dump",
    "fwb-follow",
    "fwb-ls",
    "fwb-prune",
    "fwb-report",
    "fwb-restore",
    "fwb-run",
    "fwb-verify",
];
/// The overview, as it stands in its file.
const OVERVIEW: &str = include_str!("fwb.7");

/// A tool's page.
///
/// # Errors
/// None is known: it is written into memory.
pub(super) fn manual(command: &Command) -> Result<Vec<u8>> {
    let mut page = Vec::new();
    render(command, &mut page).map_err(|source| Error::Stream { action: "make the manual page", source })?;
    Ok(in_ascii(&String::from_utf8_lossy(&page)).into_bytes())
}

/// What is beyond ASCII as roff names it: which characters it takes as they are depends on who reads it, and on the locale.
fn in_ascii(page: &str) -> String {
    let named = |character: char| match character {
        _ if character.is_ascii() => character.to_string(),
        _ => format!("\\[u{:04X}]", u32::from(character)),
    };
    page.chars().map(named).collect()
}

/// The overview of a version.
pub(super) fn overview(version: &str) -> Vec<u8> {
    OVERVIEW.replace("@VERSION@", version).into_bytes()
}

/// The sections in the order of man-pages(7).
fn render(command: &Command, page: &mut Vec<u8>) -> io::Result<()> {
    let man = Man::new(command.clone());
    // There is no date: a page of one version is the same whenever it is made.
    let (name, version) = (command.get_name(), command.get_version().unwrap_or_default());
    writeln!(page, ".TH {name} 1 \"\" \"{name} {version}\" \"fwb tools\"")?;
    man.render_name_section(page)?;
    man.render_synopsis_section(page)?;
    man.render_description_section(page)?;
    man.render_options_section(page)?;
    let text = command.get_after_long_help().map(ToString::to_string).unwrap_or_default();
    let mut closing = Roff::new();
    let (exit_status, others): (Vec<_>, Vec<_>) =
        sections(&text).into_iter().partition(|section| section.title == EXIT_STATUS);
    for section in exit_status {
        section.write(&mut closing);
    }
    environment(command, &mut closing);
    for section in others {
        section.write(&mut closing);
    }
    see_also(command.get_name(), &mut closing);
    closing.to_writer(page)
}

/// The section that stands at the end of every long help, and before the others in a page.
const EXIT_STATUS: &str = "EXIT STATUS";

fn environment(command: &Command, page: &mut Roff) {
    page.control("SH", ["ENVIRONMENT"]);
    page.text([roman("A variable sets what its option does not. An empty one counts as unset.")]);
    for arg in command.get_arguments() {
        let (Some(variable), Some(option)) = (arg.get_env(), arg.get_long()) else { continue };
        page.control("TP", []);
        page.text([bold(variable.to_string_lossy())]);
        page.text([roman(format!("--{option}"))]);
    }
}

fn see_also(own: &str, page: &mut Roff) {
    page.control("SH", ["SEE ALSO"]);
    let others = TOOLS.iter().filter(|tool| **tool != own);
    let mut words = Vec::new();
    for tool in others {
        words.extend([bold(*tool), roman("(1), ")]);
    }
    words.extend([bold("fwb"), roman("(7)")]);
    page.text(words);
}

/// A part of what stands below the options in the long help.
#[derive(Debug, PartialEq, Eq)]
struct Section<'a> {
    title: String,
    /// Its paragraphs or, where they are indented in the help, its lines as they are.
    lines: Vec<&'a str>,
    is_literal: bool,
}

/// A line without indentation that ends in a colon is a heading; text before the first one is NOTES.
fn sections(text: &str) -> Vec<Section<'_>> {
    let mut sections: Vec<Section<'_>> = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let is_literal = line.starts_with(' ');
        let title = line.strip_suffix(':').filter(|_| !is_literal);
        if let Some(title) = title {
            sections.push(Section { title: title.to_uppercase(), lines: Vec::new(), is_literal: true });
            continue;
        }
        match sections.last_mut().filter(|last| last.is_literal == is_literal) {
            Some(last) => last.lines.push(line),
            None => sections.push(Section { title: "NOTES".into(), lines: vec![line], is_literal }),
        }
    }
    sections
}

impl Section<'_> {
    fn write(&self, page: &mut Roff) {
        page.control("SH", [self.title.as_str()]);
        if self.is_literal {
            page.control("nf", []);
        }
        for (number, line) in self.lines.iter().enumerate() {
            if !self.is_literal && number > 0 {
                page.control("PP", []);
            }
            page.text([roman(line.strip_prefix("  ").unwrap_or(line))]);
        }
        if self.is_literal {
            page.control("fi", []);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_are_no_headings() {
        let text =
            "A rule with 0 is off.\n\nExamples:\n  fwb-ls\n    indented\n\nExit status:\n  0  success\n";
        let found = sections(text);
        let titles: Vec<(&str, bool)> =
            found.iter().map(|section| (section.title.as_str(), section.is_literal)).collect();
        assert_eq!(titles, [("NOTES", false), ("EXAMPLES", true), (EXIT_STATUS, true)]);
        assert_eq!(found[1].lines, ["  fwb-ls", "    indented"]);
    }

    #[test]
    fn a_page_is_ascii() {
        assert_eq!(in_ascii("age1… 한"), "age1\\[u2026] \\[uD55C]");
    }

    #[test]
    fn the_overview_leads_to_every_tool() {
        let page = String::from_utf8(overview("1.2.3")).unwrap();
        assert!(page.contains("1.2.3") && !page.contains('@'), "{page}");
        for tool in TOOLS {
            assert!(page.contains(&tool.replace('-', "\\-")), "fwb.7 lacks {tool}");
        }
    }
}
