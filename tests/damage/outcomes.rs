//! What came of it, as the table of docs/RELIABILITY.md has it.

use super::kinds::Kind;
use super::promises::Held;
use super::scene::{Case, Scene};
use crate::torture::say;

const DOCUMENT: &str = include_str!("../../docs/RELIABILITY.md");

/// The columns of the table, after that of the kind.
#[derive(Clone, Copy)]
pub(super) enum Column {
    /// The error that reading the table ends with.
    Read,
    Swap,
    InPlace,
    Chosen,
}

/// Tries each case of a scene, and holds what comes of it against the column of the page. Failures of one case do not
/// keep the others from being tried.
pub(super) fn try_each(
    scene: &Scene,
    kinds: &[Kind],
    column: Column,
    attempt: impl Fn(&Case) -> Held<&'static str>,
) {
    let mut failures = Vec::new();
    for kind in kinds {
        let mut outcomes = Vec::new();
        for case in scene.cases.iter().filter(|case| std::ptr::eq(case.kind, kind)) {
            match attempt(case) {
                Ok(outcome) => outcomes.push((case.keys.name(), outcome)),
                Err(why) => failures.push(format!("{}: {why}", case.name())),
            }
        }
        let Some((_, first)) = outcomes.first() else { continue };
        let cell = if outcomes.iter().all(|(_, outcome)| outcome == first) {
            (*first).to_owned()
        } else {
            outcomes.iter().map(|(keys, outcome)| format!("{keys}: {outcome}")).collect::<Vec<_>>().join("; ")
        };
        say(&format!("| {} | {cell} |", kind.name));
        let told = told(kind.name, column);
        if told.as_deref() != Some(&cell) {
            failures.push(format!("docs/RELIABILITY.md says {told:?} of {}, which is: {cell}", kind.name));
        }
    }
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n\n"));
}

/// What the page says of a kind.
pub(super) fn told(kind: &str, column: Column) -> Option<String> {
    let row = DOCUMENT.lines().find_map(|line| line.strip_prefix(&format!("| {kind} | ")))?;
    let cell = row.trim_end_matches(" |").split(" | ").nth(column as usize)?;
    Some(cell.to_owned())
}
