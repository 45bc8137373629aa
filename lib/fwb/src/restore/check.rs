//! Holding a restored database against the backup's manifest.

use std::collections::{BTreeMap, BTreeSet};

use super::input::{Input, Part};
use crate::error::{Error, Result};
use crate::manifest::{Object, ObjectKind, SectionKind};
use crate::progress::Context;
use crate::server::{Inventory, ServerClient};

/// How many differences an error names.
const NAMED: usize = 5;

/// What was found to be as it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Checked {
    /// Tables.
    pub(super) tables: usize,
    /// Rows of all of them.
    pub(super) rows: u64,
}

/// Checks that `database` holds the objects and rows of `input`: all of them, and, where the whole backup was
/// restored, nothing else. With `only`, rows are counted in these tables alone.
///
/// # Errors
/// [`Error::Differs`], or the server cannot be asked.
pub(super) fn check(
    input: &Input,
    part: Part,
    server: &ServerClient,
    database: &str,
    only: &[String],
    context: &Context,
) -> Result<Checked> {
    context.progress.begin(format!("checking {database}"), 0);
    let mut found = server.inventory(database, &context.cancel)?;
    let mut expected = expected(input);
    if part == Part::BeforeEvents {
        for inventory in [&mut found, &mut expected] {
            inventory.objects.retain(|object| object.kind != ObjectKind::Event);
        }
    }
    let mut differences = lacking(&expected, &found);
    if !input.is_partial() {
        differences
            .extend(lacking(&found, &expected).into_iter().map(|what| what.replace("lacks", "has besides")));
    }
    let rows: BTreeMap<&str, u64> = input
        .sections()
        .filter(|section| section.kind == SectionKind::Table)
        .filter_map(|section| Some((section.name.as_deref()?, section.rows?)))
        .filter(|(name, _)| only.is_empty() || only.iter().any(|wanted| wanted == name))
        .collect();
    let counted: BTreeMap<String, bool> =
        found.tables.into_iter().filter(|(name, _)| rows.contains_key(name.as_str())).collect();
    let counts = server.row_counts(database, &counted, &context.cancel)?;
    for (table, expected) in &rows {
        let found = counts.get(*table).copied().unwrap_or_default();
        if found != *expected {
            differences.push(format!("table {table} has {found} rows instead of {expected}"));
        }
    }
    if differences.is_empty() {
        return Ok(Checked { tables: rows.len(), rows: rows.values().sum() });
    }
    let more = differences.len().saturating_sub(NAMED);
    let mut difference = differences[..differences.len().min(NAMED)].join("; ");
    if more > 0 {
        difference += &format!("; and {more} more");
    }
    Err(Error::Differs { database: database.into(), difference })
}

/// Checks that the events of `input` are there, but for those that end by themselves once they have run: their time
/// may have come.
///
/// # Errors
/// As [`check`].
pub(super) fn check_events(
    input: &Input,
    server: &ServerClient,
    database: &str,
    context: &Context,
) -> Result<()> {
    let found = server.inventory(database, &context.cancel)?;
    let expected = expected(input).objects;
    let missing: Vec<&str> = expected
        .difference(&found.objects)
        .filter(|object| object.kind == ObjectKind::Event)
        .map(|object| object.name.as_str())
        .collect();
    let (gone, lost): (Vec<&str>, Vec<&str>) =
        missing.into_iter().partition(|name| input.survey.passing_events.contains(*name));
    if !gone.is_empty() {
        log::warn!("these events had their time and are gone: {}", gone.join(", "));
    }
    if lost.is_empty() {
        return Ok(());
    }
    Err(Error::Differs {
        database: database.into(),
        difference: format!("it lacks the events {}", lost.join(", ")),
    })
}

/// What the backup should have made.
fn expected(input: &Input) -> Inventory {
    let named = |kind: SectionKind| {
        input
            .sections()
            .filter(move |section| section.kind == kind)
            .filter_map(|section| section.name.clone())
    };
    Inventory {
        tables: named(SectionKind::Table).map(|name| (name, false)).collect(),
        sequences: named(SectionKind::Sequence).collect(),
        views: named(SectionKind::View).collect(),
        objects: input.sections().flat_map(|section| section.objects.iter().cloned()).collect(),
    }
}

/// What `one` has and `other` lacks.
fn lacking(one: &Inventory, other: &Inventory) -> Vec<String> {
    let names = |what: &str, one: &BTreeSet<&String>, other: &BTreeSet<&String>| -> Vec<String> {
        one.difference(other).map(|name| format!("it lacks {what} {name}")).collect()
    };
    let objects = |one: &BTreeSet<Object>, other: &BTreeSet<Object>| -> Vec<String> {
        let missing = one.difference(other);
        missing
            .map(|object| format!("it lacks {} {}", object.kind.as_sql().to_lowercase(), object.name))
            .collect()
    };
    let mut missing = names("table", &one.tables.keys().collect(), &other.tables.keys().collect());
    missing.extend(names("sequence", &one.sequences.iter().collect(), &other.sequences.iter().collect()));
    missing.extend(names("view", &one.views.iter().collect(), &other.views.iter().collect()));
    missing.extend(objects(&one.objects, &other.objects));
    missing
}
