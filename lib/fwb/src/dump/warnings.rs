//! What the operator should know: what a backup leaves out or rounds.

use std::collections::BTreeMap;

use super::writer::LeftOutProgram;
use crate::admission::Outside;
use crate::server::{DatabaseFacts, Lacking};

/// One sentence for each.
pub(super) fn warnings(facts: &DatabaseFacts, lacking: Option<&Lacking>) -> Vec<String> {
    let mut warnings = Vec::new();
    if let Some(Lacking { account, rights, .. }) = lacking {
        warnings.push(format!(
            "this backup may lack a part of the database: account {account} lacks {}",
            rights.join(", ")
        ));
    }
    garbled(facts, &mut warnings);
    if !facts.by_transaction.is_empty() {
        warnings.push(format!(
            "the history of these tables is not in this backup, because it goes by numbers of transactions, which no \
             server takes: {}",
            facts.by_transaction.join(", ")
        ));
    }
    if !facts.versioned_tables.is_empty() && !facts.takes_history() {
        warnings.push(format!(
            "the history of these tables is not in this backup, because servers before MariaDB 10.11 take none: {}",
            facts.versioned_tables.join(", ")
        ));
    }
    if !facts.json_columns.is_empty() {
        warnings.push(format!(
            "MySQL's JSON may hold dates, decimal numbers and binary data, which are text and floating-point numbers after \
             a restore: {}",
            facts.json_columns.join(", ")
        ));
    }
    if !facts.without_default.is_empty() {
        warnings.push(format!(
            "these columns have no default, which no definition tells, and have DEFAULT NULL after a restore: {}",
            facts.without_default.join(", ")
        ));
    }
    if !facts.libraries.is_empty() {
        warnings.push(format!(
            "libraries of programs in JavaScript are not in this backup: {}",
            facts.libraries.join(", ")
        ));
    }
    broken(facts, &mut warnings);
    warnings
}

/// What was found while the database was read: one sentence for each program that is left out, one for tables that reach
/// outside, and those on what a restore makes otherwise.
pub(super) fn found(
    left_out: &[LeftOutProgram],
    tables: &BTreeMap<String, Outside>,
    otherwise: Vec<String>,
) -> Vec<String> {
    let programs = left_out.iter().map(|LeftOutProgram { kind, left_out }| {
        format!(
            "{} {} is left out (its definition is in the manifest): {}",
            kind.as_sql().to_lowercase(),
            left_out.name,
            left_out.error
        )
    });
    programs.chain(outside(tables)).chain(otherwise).collect()
}

/// One sentence for tables that read elsewhere, and one for those whose files lie elsewhere.
fn outside(outside: &BTreeMap<String, Outside>) -> Vec<String> {
    let told = |only_files: bool| {
        let tables = outside.iter().filter(move |(_, outside)| outside.only_files == only_files);
        let names: Vec<&str> = tables.map(|(table, _)| table.as_str()).collect();
        (!names.is_empty()).then(|| names.join(", "))
    };
    let elsewhere = told(false).map(|tables| {
        format!("the rows of these tables are elsewhere, and a restore takes them with --allow-outside only: {tables}")
    });
    let files = told(true).map(|tables| {
        format!(
            "the files of these tables are in other directories; a restore makes them in the database's own, unless it is \
             given --allow-outside: {tables}"
        )
    });
    elsewhere.into_iter().chain(files).collect()
}

fn garbled(facts: &DatabaseFacts, warnings: &mut Vec<String>) {
    if !facts.garbled_columns.is_empty() {
        warnings.push(format!(
            "the server prints characters such as emoji as ? in definitions, and values that are listed there are lost \
             from this backup: {}; use other characters",
            facts.garbled_columns.join(", ")
        ));
    }
}

fn broken(facts: &DatabaseFacts, warnings: &mut Vec<String>) {
    for view in &facts.broken_views {
        let kept = if view.definition.is_some() {
            "its definition is in the manifest"
        } else {
            "its definition cannot be read"
        };
        warnings.push(format!("view {} is broken and left out ({kept}): {}", view.name, view.error));
    }
}
