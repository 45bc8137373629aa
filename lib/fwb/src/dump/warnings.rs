//! What the operator should know: what a backup leaves out or rounds.

use super::program::DumpProgram;
use crate::server::DatabaseFacts;

/// One sentence for each.
pub(super) fn warnings(facts: &DatabaseFacts, program: &DumpProgram) -> Vec<String> {
    let mut warnings = Vec::new();
    for option in program.unknown() {
        warnings.push(format!("{} does not know {option}; it was left out", program.name()));
    }
    if !facts.float_columns.is_empty() {
        let columns = facts.float_columns.join(", ");
        warnings.push(format!(
            "{} prints FLOAT columns with six digits; rounded in this backup: {columns}",
            program.name()
        ));
    }
    if !facts.garbled_columns.is_empty() {
        warnings.push(format!(
            "the server prints characters such as emoji as ? in definitions, and values that are listed there are lost \
             from this backup: {}; use other characters",
            facts.garbled_columns.join(", ")
        ));
    }
    if !facts.versioned_tables.is_empty() && !program.has("--dump-history") {
        let why = if facts.by_transaction.is_empty() {
            format!("{} cannot dump it", program.name())
        } else {
            format!("{} cannot dump that of {}", program.name(), facts.by_transaction.join(", "))
        };
        let tables = facts.versioned_tables.join(", ");
        warnings.push(format!("the history of these tables is not in this backup, for {why}: {tables}"));
    }
    for event in &facts.undumpable_events {
        warnings.push(format!(
            "event {} holds ;; and {} cannot dump it: all events are left out of this backup, and the definition of \
             this one is in the manifest; break up its ;; with ALTER EVENT",
            event.name,
            program.name()
        ));
    }
    for program_cut in &facts.cut_programs {
        warnings.push(format!(
            "{program_cut} holds ;; and outside of quotes and comments {} takes that for its end: break it up, or a \
             restore fails",
            program.name()
        ));
    }
    for view in &facts.broken_views {
        let kept = if view.definition.is_some() {
            "its definition is in the manifest"
        } else {
            "its definition cannot be read"
        };
        warnings.push(format!("view {} is broken and left out ({kept}): {}", view.name, view.error));
    }
    warnings
}
