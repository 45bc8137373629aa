//! What is watched: one database of one server in one store, with its backups and its runs.

use std::collections::BTreeSet;

use super::facts::{BackupFacts, ReportInput, StoreFacts};
use super::fleet::second_stores;
use super::log::ShippedLog;
use crate::run::{RunOutcome, RunRecord};
use crate::server::NameCase;

/// One database of one server in one store. Runs that name no database have a subject of their own.
#[derive(Debug, Clone)]
pub(super) struct Subject<'a> {
    /// The store.
    pub(super) store: &'a StoreFacts,
    /// The server, by name or address; none where nobody knows.
    pub(super) server: Option<&'a str>,
    /// The database, as its newest backup has it; none of runs that name none.
    pub(super) database: Option<&'a str>,
    /// How the server compares names of databases.
    name_case: NameCase,
    /// Its backups, oldest first.
    pub(super) backups: Vec<&'a BackupFacts>,
    /// Its runs, oldest first.
    pub(super) runs: Vec<&'a RunRecord>,
    /// The stores that hold copies of its backups, or should.
    pub(super) copies: Vec<Copies<'a>>,
    /// Whether its backups are themselves copies of another subject's.
    pub(super) is_copy: bool,
}

/// A second store of a subject.
#[derive(Debug, Clone)]
pub(super) struct Copies<'a> {
    /// The store.
    pub(super) place: &'a str,
    /// What it holds of the subject.
    pub(super) backups: Vec<&'a BackupFacts>,
}

/// What of the stores is asked for.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    /// This database alone.
    pub database: Option<String>,
    /// The server with this name or address alone.
    pub server: Option<String>,
}

impl Subject<'_> {
    /// How messages name it: `shop`, or `shop of db.example`.
    pub(super) fn label(&self) -> String {
        match (self.database, self.server) {
            (Some(database), Some(server)) => format!("{database} of {server}"),
            (Some(database), None) => database.to_owned(),
            (None, Some(server)) => format!("all of {server}"),
            (None, None) => self.store.place.clone(),
        }
    }

    /// The log of its server that the store holds.
    pub(super) fn log(&self) -> Option<&ShippedLog> {
        let chain = self.backups.last()?.log.as_deref()?;
        self.store.logs.iter().find(|log| log.chain == chain)
    }

    /// Runs of this kind that have ended, oldest first.
    pub(super) fn ended(&self, what: &str) -> impl DoubleEndedIterator<Item = &RunRecord> {
        let is_asked_for = move |run: &&&RunRecord| run.what == what && run.outcome != RunOutcome::Running;
        self.runs.iter().filter(is_asked_for).copied()
    }

    /// The kinds of its runs, in the order of the alphabet.
    pub(super) fn kinds_of_runs(&self) -> Vec<&str> {
        let mut kinds: Vec<&str> = self.runs.iter().map(|run| run.what.as_str()).collect();
        kinds.sort_unstable();
        kinds.dedup();
        kinds
    }

    pub(super) fn is_of(&self, database: Option<&str>) -> bool {
        match (self.database, database) {
            (Some(own), Some(other)) => self.name_case.same(own, other),
            (own, other) => own == other,
        }
    }
}

/// The subjects of all stores: by store, database and server.
pub(super) fn subjects<'a>(input: &'a ReportInput, scope: &Scope) -> Vec<Subject<'a>> {
    let mut all = Vec::new();
    for store in &input.stores {
        let mut of_store: Vec<Subject<'a>> = Vec::new();
        for backup in store.backups.iter().filter(|backup| backup.database.is_some()) {
            let (database, server) = (backup.database.as_deref(), backup.server.as_deref());
            let known = of_store.iter_mut().find(|one| one.server == server && one.is_of(database));
            match known {
                Some(subject) => {
                    subject.database = database;
                    subject.backups.push(backup);
                }
                None => of_store.push(Subject {
                    backups: vec![backup],
                    ..empty(store, database, server, backup.name_case)
                }),
            }
        }
        for run in &store.runs {
            take_run(&mut of_store, store, run);
        }
        of_store.sort_by(|a, b| (a.database, a.server).cmp(&(b.database, b.server)));
        all.extend(of_store);
    }
    relate(&mut all, input);
    all.retain(|subject| scope.admits(subject));
    all
}

impl Scope {
    fn admits(&self, subject: &Subject<'_>) -> bool {
        let of_database = self.database.as_deref().is_none_or(|wanted| subject.is_of(Some(wanted)));
        of_database && self.server.as_deref().is_none_or(|wanted| subject.server == Some(wanted))
    }

    /// Whether everything is asked for, and not a part.
    pub(super) fn is_all(&self) -> bool {
        self.database.is_none() && self.server.is_none()
    }
}

fn empty<'a>(
    store: &'a StoreFacts,
    database: Option<&'a str>,
    server: Option<&'a str>,
    name_case: NameCase,
) -> Subject<'a> {
    Subject {
        store,
        server,
        database,
        name_case,
        backups: Vec::new(),
        runs: Vec::new(),
        copies: Vec::new(),
        is_copy: false,
    }
}

/// Gives a run to the subject that it is of. A run names its server by the name or by the address; where the store knows one
/// server of the database, it is that one.
fn take_run<'a>(subjects: &mut Vec<Subject<'a>>, store: &'a StoreFacts, run: &'a RunRecord) {
    let (database, server) = (run.database.as_deref(), run.server.as_deref());
    let of_database: Vec<usize> = (0..subjects.len()).filter(|at| subjects[*at].is_of(database)).collect();
    let exact = of_database.iter().copied().find(|at| subjects[*at].server == server);
    let only = match of_database[..] {
        [only]
            if server.is_none() || subjects[only].server.is_none() || !subjects[only].backups.is_empty() =>
        {
            Some(only)
        }
        _ => None,
    };
    match exact.or(only) {
        Some(at) => subjects[at].runs.push(run),
        None => {
            subjects.push(Subject { runs: vec![run], ..empty(store, database, server, NameCase::default()) });
        }
    }
}

/// The stores that may hold copies of a subject's backups, and whether they are meant to for certain: those after the first; of a
/// fleet, those that the server's line names.
fn may_hold_copies<'a>(input: &'a ReportInput, of: &Subject<'a>) -> Vec<(&'a StoreFacts, bool)> {
    if let Some(fleet) = &input.fleet {
        return second_stores(fleet, &input.stores, (&of.store.place, of.server));
    }
    match input.stores.split_first() {
        Some((first, later)) if std::ptr::eq(of.store, first) => {
            later.iter().map(|second| (second, false)).collect()
        }
        _ => Vec::new(),
    }
}

/// Finds what is a copy of what: in a later store, backups of the same names, or a store that runs of the first name as that of
/// their copies. A later store that holds nothing at all was meant for copies too.
fn relate<'a>(all: &mut [Subject<'a>], input: &'a ReportInput) {
    for at in 0..all.len() {
        if all[at].database.is_none() {
            continue;
        }
        for (second, is_meant) in may_hold_copies(input, &all[at]) {
            let twin = (0..all.len()).find(|other| {
                let other = &all[*other];
                std::ptr::eq(other.store, second)
                    && other.server == all[at].server
                    && other.is_of(all[at].database)
            });
            let backups = twin.map(|twin| all[twin].backups.clone()).unwrap_or_default();
            let is_told = |run: &&RunRecord| {
                run.copy.as_ref().is_some_and(|copy| copy.store.as_deref() == Some(second.place.as_str()))
            };
            let names: BTreeSet<&str> = backups.iter().map(|copy| copy.name.as_str()).collect();
            let shares = all[at].backups.iter().any(|own| names.contains(own.name.as_str()));
            let is_second =
                is_meant || shares || second.backups.is_empty() || all[at].runs.iter().any(is_told);
            if !is_second {
                continue;
            }
            if let Some(twin) = twin {
                all[twin].is_copy = true;
            }
            all[at].copies.push(Copies { place: &second.place, backups });
        }
    }
}
