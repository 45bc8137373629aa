//! Holding a restored database against the backup's manifest.

use std::collections::{BTreeMap, BTreeSet};

use super::compare::compare;
use super::live_state::named;
use super::options::RestoreProof;
use crate::error::{Error, Result};
use crate::load::OpenBackup;
use crate::manifest::{Object, ObjectKind, SectionKind};
use crate::progress::Context;
use crate::server::{Inventory, ServerClient};
use crate::thread;

/// What was found to be as it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Checked {
    /// Tables.
    pub(crate) tables: usize,
    /// Rows of all of them.
    pub(crate) rows: u64,
}

/// A check of what was restored.
pub(crate) struct Check<'a> {
    pub(crate) input: &'a OpenBackup,
    pub(crate) server: &'a ServerClient,
    pub(crate) database: &'a str,
    /// Rows are counted in these tables alone; none: in all.
    pub(crate) only: &'a [String],
    /// Views that were there before and were left alone.
    pub(crate) kept_views: &'a BTreeSet<String>,
    /// Whether contents are compared too.
    pub(crate) proof: RestoreProof,
}

impl Check<'_> {
    /// Checks the objects but for the events, and all rows. Where the whole backup was restored, there must be nothing
    /// else.
    ///
    /// # Errors
    /// [`Error::Differs`], or the server cannot be asked.
    pub(crate) fn all_but_events(&self, context: &Context) -> Result<Checked> {
        context.progress.begin(format!("checking {}", self.database), 0);
        let mut found = self.server.inventory(self.database, &context.cancel)?;
        let mut expected = expected(self.input);
        // One whose account is gone, or may not read, is there: it can be used when that is mended.
        let unusable: Vec<String> = found.broken_views.intersection(&expected.views).cloned().collect();
        found.views.extend(unusable);
        found.views.retain(|view| !self.kept_views.contains(view));
        self.without_what_stays(&mut found, context)?;
        for inventory in [&mut found, &mut expected] {
            inventory.objects.retain(|object| object.kind != ObjectKind::Event);
        }
        let mut differences = lacking("lacks", &expected, &found);
        if !self.input.is_partial() {
            differences.extend(lacking("has besides", &found, &expected));
        }
        let rows = self.rows();
        let counted: BTreeMap<String, bool> =
            found.tables.into_iter().filter(|(name, _)| rows.contains_key(name)).collect();
        let counts = self.count(&counted, context)?;
        for (table, expected) in &rows {
            let found = counts.get(table).copied().unwrap_or_default();
            if found != *expected {
                differences.push(format!("table {table} has {found} rows instead of {expected}"));
            }
        }
        self.differ(&differences)?;
        if self.proof == RestoreProof::Digest {
            let compared = compare(self.server, self.database, self.input, context)?;
            compared.notes.iter().for_each(|note| log::warn!(code = crate::notice::OTHER.code; "{note}"));
            self.differ(&compared.problems)?;
        }
        Ok(Checked { tables: rows.len(), rows: rows.values().sum() })
    }

    /// Leaves out what stays in the database as it was, which is none of the backup's.
    fn without_what_stays(&self, found: &mut Inventory, context: &Context) -> Result<()> {
        let stay = self.input.stay();
        if stay.is_empty() {
            return Ok(());
        }
        let triggers = self.server.trigger_names(self.database, stay, &context.cancel)?;
        found.tables.retain(|table, _| !stay.contains(table));
        found.sequences.retain(|sequence| !stay.contains(sequence));
        found.views.retain(|view| !stay.contains(view));
        found.objects.retain(|object| object.kind != ObjectKind::Trigger || !triggers.contains(&object.name));
        Ok(())
    }

    /// Counts rows over several connections, the largest tables first.
    fn count(&self, tables: &BTreeMap<String, bool>, context: &Context) -> Result<BTreeMap<String, u64>> {
        let mut shares = vec![(0, BTreeMap::new()); context.jobs.clamp(1, tables.len().max(1))];
        let mut sizes: Vec<(u64, &String, bool)> = self
            .input
            .sections()
            .filter_map(|section| {
                let (name, versioned) = tables.get_key_value(&self.input.spelled(section.name.as_ref()?))?;
                (section.kind == SectionKind::Table).then_some((section.raw_size, name, *versioned))
            })
            .collect();
        sizes.sort_unstable_by(|one, other| other.cmp(one));
        for (size, name, versioned) in sizes {
            if let Some((sum, share)) = shares.iter_mut().min_by_key(|(sum, _)| *sum) {
                *sum += size + 1;
                share.insert(name.clone(), versioned);
            }
        }
        std::thread::scope(|scope| {
            let counting: Vec<_> = shares
                .iter()
                .map(|(_, share)| {
                    thread::start_in(scope, || self.server.row_counts(self.database, share, &context.cancel))
                })
                .collect::<Result<_>>()?;
            let mut counts = BTreeMap::new();
            for counted in counting {
                let died = |_| Error::Stream {
                    action: "count rows",
                    source: std::io::Error::other("a thread ended early"),
                };
                counts.append(&mut counted.join().map_err(died)??);
            }
            Ok(counts)
        })
    }

    /// Checks that the events are there, but for those that end by themselves once they have run: their time may
    /// have come.
    ///
    /// # Errors
    /// As [`Check::all_but_events`].
    pub(crate) fn events(&self, context: &Context) -> Result<()> {
        let found = self.server.inventory(self.database, &context.cancel)?;
        let expected = expected(self.input).objects;
        let missing = expected.difference(&found.objects).filter(|object| object.kind == ObjectKind::Event);
        let passing = &self.input.survey.passing_events;
        let (gone, lost): (Vec<&str>, Vec<&str>) =
            missing.map(|object| object.name.as_str()).partition(|name| passing.contains(*name));
        if !gone.is_empty() {
            log::warn!(code = crate::notice::EXPECT.code; "these events had their time and are gone: {}", gone.join(", "));
        }
        self.differ(&lost.into_iter().map(|name| format!("it lacks event {name}")).collect::<Vec<_>>())
    }

    /// The rows that each table should have.
    fn rows(&self) -> BTreeMap<String, u64> {
        let tables = self.input.sections().filter(|section| section.kind == SectionKind::Table);
        tables
            .filter_map(|section| Some((section.name.as_ref()?, section.rows?)))
            .filter(|(name, _)| self.only.is_empty() || self.only.contains(name))
            .map(|(name, rows)| (self.input.spelled(name), rows))
            .collect()
    }

    fn differ(&self, differences: &[String]) -> Result<()> {
        if differences.is_empty() {
            return Ok(());
        }
        Err(Error::Differs { database: self.database.into(), difference: named(differences) })
    }
}

/// What the backup should have made.
fn expected(input: &OpenBackup) -> Inventory {
    let named = |kind: SectionKind| {
        input
            .sections()
            .filter(move |section| section.kind == kind)
            .filter_map(|section| section.name.as_ref().map(|name| input.spelled(name)))
    };
    Inventory {
        tables: named(SectionKind::Table).map(|name| (name, false)).collect(),
        sequences: named(SectionKind::Sequence).collect(),
        views: named(SectionKind::View).collect(),
        broken_views: BTreeSet::new(),
        aria: BTreeSet::new(),
        objects: input.sections().flat_map(|section| section.objects.iter().cloned()).collect(),
    }
}

/// What `one` has and `other` has not.
fn lacking(verb: &str, one: &Inventory, other: &Inventory) -> Vec<String> {
    let names = |what: &str, one: &BTreeSet<&String>, other: &BTreeSet<&String>| -> Vec<String> {
        one.difference(other).map(|name| format!("it {verb} {what} {name}")).collect()
    };
    let objects = |one: &BTreeSet<Object>, other: &BTreeSet<Object>| -> Vec<String> {
        let missing = one.difference(other);
        missing
            .map(|object| format!("it {verb} {} {}", object.kind.as_sql().to_lowercase(), object.name))
            .collect()
    };
    let mut missing = names("table", &one.tables.keys().collect(), &other.tables.keys().collect());
    missing.extend(names("sequence", &one.sequences.iter().collect(), &other.sequences.iter().collect()));
    missing.extend(names("view", &one.views.iter().collect(), &other.views.iter().collect()));
    missing.extend(objects(&one.objects, &other.objects));
    missing
}
