//! A whole server back: every database of it by one restore of its own, one after the other.
//!
//! A foreign key to another database needs that one first. Views over databases that are not there yet are left out at first, and made
//! when those are there. A database that fails keeps none from coming back but those whose foreign keys refer to it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::options::RestoreOptions;
use super::plan::{Prepared, prepare};
use super::run::Report;
use crate::dump::{in_order_of_needs, is_kept};
use crate::error::{Error, Result};
use crate::load::Neighbours;
use crate::manifest::{Timestamp, Together};
use crate::progress::Context;
use crate::select::WholeServer;
use crate::server::ServerClient;
use crate::store::Store;

/// What a restore of a whole server will do.
#[derive(Debug, Clone, Serialize)]
pub struct WholePlan {
    /// The store.
    pub store: String,
    /// The backup of the accounts, which are restored first; absent where the store has none, or some databases alone are meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accounts: Option<String>,
    /// The databases, in the order in which they are restored.
    pub databases: Vec<PlannedDatabase>,
    /// Whether all of them are of one moment.
    pub of_one_moment: bool,
    /// Databases that have backups in the store, and none that is whole and proved: they do not come back.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub without: Vec<String>,
    /// Databases whose backups cannot be read: they do not come back either.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unreadable: Vec<String>,
}

/// One database of it.
#[derive(Debug, Clone, Serialize)]
pub struct PlannedDatabase {
    /// The database.
    pub database: String,
    /// The backup.
    pub backup: String,
    /// The moment that it shows.
    pub started_at: Timestamp,
    /// The run that it was dumped in with others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub together: Option<Together>,
    /// A newer backup of it that is passed over, because this one is of the moment of the others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub newer: Option<String>,
    /// Databases that its foreign keys refer to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub refers_to: Vec<String>,
    /// Databases that its views select from, or whose functions they call.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub views: Vec<String>,
    /// Whether there is such a database now.
    pub exists: bool,
}

/// A database that did not come back, as it is told in the place of a [`Report`].
#[derive(Debug, Clone, Serialize)]
pub struct FailedRestore {
    /// The database.
    pub database: String,
    /// The code of the error.
    pub code: &'static str,
    /// Why.
    pub reason: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl FailedRestore {
    /// That a database did not come back because of this error.
    pub fn of(database: &str, error: &Error) -> Self {
        Self {
            database: database.to_owned(),
            code: error.code().code,
            reason: error.to_string(),
            hint: error.hint(),
        }
    }
}

/// What is told of each restore: of which database, and what became of it. An error that is returned ends the run.
pub type EachRestore<'a> = &'a mut dyn FnMut(&str, Result<Report>) -> Result<()>;

/// A restore that has begun, if a database's can.
pub type BeginRestore<'a> = &'a mut dyn FnMut(&str, &str) -> Result<()>;

/// Puts backups in the order in which they can be restored. A backup that cannot be read is told by `failed`, with its database.
///
/// # Errors
/// The server cannot be reached, or a signal arrived.
pub fn plan_whole(
    store: &Store,
    server: &ServerClient,
    whole: &WholeServer<'_>,
    failed: &mut dyn FnMut(&str, Error),
    context: &Context,
) -> Result<WholePlan> {
    let there = server.databases(&context.cancel)?;
    let case = server.name_case(&context.cancel)?;
    context.progress.begin("reading the definitions of the backups", 0);
    let (mut planned, mut unreadable) = (Vec::new(), Vec::new());
    for backup in &whole.backups {
        context.cancel.check()?;
        let Some(database) = backup.database.clone() else { continue };
        match Neighbours::of(store, &backup.name, context) {
            Ok(Neighbours { referred_to, viewed }) => planned.push(PlannedDatabase {
                backup: backup.name.clone(),
                started_at: backup.started_at,
                together: backup.together.clone(),
                newer: whole.passed_over.get(&database).cloned(),
                refers_to: referred_to.into_iter().collect(),
                views: viewed.into_iter().collect(),
                exists: there.iter().any(|name| case.same(name, &database)),
                database,
            }),
            Err(error) => {
                context.cancel.check()?;
                failed(&database, error);
                unreadable.push(database);
            }
        }
    }
    let databases = in_order(planned);
    let first = databases.first().and_then(|one| one.together.as_ref());
    let is_of_first = |one: &PlannedDatabase| {
        first.zip(one.together.as_ref()).is_some_and(|(first, other)| first.is_of_one_moment(other))
    };
    let of_one_moment = databases.len() == 1 || databases.iter().all(is_of_first);
    let accounts = whole.accounts.map(|accounts| accounts.name.clone());
    Ok(WholePlan {
        accounts,
        store: store.place(),
        databases,
        of_one_moment,
        without: whole.without.iter().cloned().collect(),
        unreadable,
    })
}

/// Each database after those that its foreign keys refer to, and, as far as that goes, those that its views need.
fn in_order(planned: Vec<PlannedDatabase>) -> Vec<PlannedDatabase> {
    let by_name: BTreeMap<&str, usize> =
        planned.iter().enumerate().map(|(index, one)| (one.database.as_str(), index)).collect();
    let of = |names: &[String], own: usize| -> BTreeSet<usize> {
        names
            .iter()
            .filter_map(|name| by_name.get(name.as_str()).copied())
            .filter(|other| *other != own)
            .collect()
    };
    let keys: Vec<BTreeSet<usize>> =
        planned.iter().enumerate().map(|(own, one)| of(&one.refers_to, own)).collect();
    let all: Vec<BTreeSet<usize>> =
        planned.iter().enumerate().map(|(own, one)| &keys[own] | &of(&one.views, own)).collect();
    let order = in_order_of_needs(&all);
    // Views can wait, in a circle too.
    let order = if is_kept(&order, &keys) { order } else { in_order_of_needs(&keys) };
    let mut planned: Vec<Option<PlannedDatabase>> = planned.into_iter().map(Some).collect();
    order.into_iter().filter_map(|index| planned.get_mut(index)?.take()).collect()
}

/// Restores what was planned; `options` are those of each, whatever backup they name. `begin` is told of a database and its backup
/// before it is touched, `each` what became of it; of a database whose views had to wait it is told twice.
///
/// # Errors
/// What keeps all that are left from coming back: a signal, or `each`.
pub fn restore_whole(
    store: &Store,
    server: &ServerClient,
    plan: &WholePlan,
    options: &RestoreOptions,
    context: &Context,
    (begin, each): (BeginRestore<'_>, EachRestore<'_>),
) -> Result<()> {
    let (there, case) = (server.databases(&context.cancel)?, server.name_case(&context.cancel)?);
    let is_there = |database: &str| there.iter().any(|name| case.same(name, database));
    let gone = plan.without.iter().chain(&plan.unreadable).map(String::as_str);
    let mut lacking: BTreeSet<&str> = gone.filter(|database| !is_there(database)).collect();
    let mut waiting: Vec<(&PlannedDatabase, BTreeSet<String>)> = Vec::new();
    for planned in &plan.databases {
        context.cancel.check()?;
        let database = planned.database.as_str();
        if let Some(parent) = planned.refers_to.iter().find(|parent| lacking.contains(parent.as_str())) {
            lacking.insert(database);
            each(database, Err(without_parent(database, parent)))?;
            continue;
        }
        let one = One { store, server, options, planned, context };
        match one.restore(&[], begin) {
            Ok((report, views)) => {
                each(database, Ok(report))?;
                if !views.is_empty() {
                    waiting.push((planned, views));
                }
            }
            Err(error) => {
                context.cancel.check()?;
                lacking.insert(database);
                each(database, Err(error))?;
            }
        }
    }
    while !waiting.is_empty() {
        let before = waiting.iter().map(|(_, views)| views.len()).sum::<usize>();
        let mut left = Vec::new();
        for (planned, views) in waiting {
            context.cancel.check()?;
            let one = One { store, server, options, planned, context };
            match one.views(&views, begin) {
                Ok((report, still)) => {
                    if let Some(report) = report {
                        each(&planned.database, Ok(report))?;
                    }
                    if !still.is_empty() {
                        left.push((planned, still));
                    }
                }
                Err(error) => {
                    context.cancel.check()?;
                    each(&planned.database, Err(error))?;
                }
            }
        }
        waiting = left;
        if waiting.iter().map(|(_, views)| views.len()).sum::<usize>() == before {
            break;
        }
    }
    for (planned, views) in waiting {
        each(&planned.database, Err(without_views(planned, &views)))?;
    }
    let there = server.databases(&context.cancel)?;
    let case = server.name_case(&context.cancel)?;
    for planned in plan.databases.iter().filter(|planned| !lacking.contains(planned.database.as_str())) {
        if !there.iter().any(|name| case.same(name, &planned.database)) {
            let difference = "it is not on the server any more".into();
            each(&planned.database, Err(Error::Differs { database: planned.database.clone(), difference }))?;
        }
    }
    Ok(())
}

/// One database.
struct One<'a> {
    store: &'a Store,
    server: &'a ServerClient,
    options: &'a RestoreOptions,
    planned: &'a PlannedDatabase,
    context: &'a Context,
}

impl One<'_> {
    fn prepare(&self, tables: &[String]) -> Result<Prepared<'_>> {
        let options = RestoreOptions {
            name: self.planned.backup.clone(),
            tables: tables.to_vec(),
            views_may_wait: true,
            ..self.options.clone()
        };
        prepare(self.store, self.server, options, self.context)
    }

    /// Restores the database, or some of its views. Returns the views that are left out, because what they need is not there.
    fn restore(&self, tables: &[String], begin: BeginRestore<'_>) -> Result<(Report, BTreeSet<String>)> {
        let prepared = self.prepare(tables)?;
        let views = prepared.views_left_out.clone();
        begin(&prepared.plan().database, &self.planned.backup)?;
        Ok((prepared.run(self.context)?, views))
    }

    /// Makes those views that can be made by now. Returns those that still cannot.
    fn views(
        &self,
        views: &BTreeSet<String>,
        begin: BeginRestore<'_>,
    ) -> Result<(Option<Report>, BTreeSet<String>)> {
        let all: Vec<String> = views.iter().cloned().collect();
        let still = self.prepare(&all)?.views_left_out.clone();
        let ready: Vec<String> = views.difference(&still).cloned().collect();
        if ready.is_empty() {
            return Ok((None, still));
        }
        let (report, _) = self.restore(&ready, begin)?;
        Ok((Some(report), still))
    }
}

fn without_parent(database: &str, parent: &str) -> Error {
    Error::Preflight {
        finding: format!("foreign keys of {database} refer to {parent}, which could not be restored"),
        remedy: format!("bring {parent} back first, then {database}; or restore {database} for itself"),
    }
}

fn without_views(planned: &PlannedDatabase, views: &BTreeSet<String>) -> Error {
    let names = views.iter().map(String::as_str).collect::<Vec<_>>().join(",");
    Error::Preflight {
        finding: format!(
            "{} is restored but for views that need what is not on this server: {}",
            planned.database,
            names.replace(',', ", ")
        ),
        remedy: format!("once it is there: fwb-restore {} --tables {names}", planned.backup),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `DATABASE > those that its foreign keys refer to / those that its views need`.
    fn planned(line: &str) -> PlannedDatabase {
        let (database, needs) = line.split_once('>').unwrap_or((line, ""));
        let (keys, views) = needs.split_once('/').unwrap_or((needs, ""));
        let names = |text: &str| text.split_whitespace().map(str::to_owned).collect();
        PlannedDatabase {
            database: database.trim().into(),
            backup: String::new(),
            started_at: crate::manifest::now(),
            together: None,
            newer: None,
            refers_to: names(keys),
            views: names(views),
            exists: false,
        }
    }

    #[test]
    fn what_is_needed_comes_first() {
        for (what, databases, expected) in [
            ("nothing is needed", &["a", "b"][..], "a b"),
            ("a foreign key", &["a > b", "b"], "b a"),
            ("a view", &["a >/ c", "b", "c"], "c a b"),
            ("a chain", &["a > b", "b >/ c", "c"], "c b a"),
            ("a view against a foreign key", &["a > b", "b >/ a"], "b a"),
            ("a circle of views", &["a >/ b", "b >/ a"], "b a"),
            ("a circle of foreign keys", &["a > b", "b > a", "c"], "b a c"),
            ("what is not in the store", &["a > x / y", "b"], "a b"),
        ] {
            let order = in_order(databases.iter().map(|line| planned(line)).collect());
            let names: Vec<&str> = order.iter().map(|one| one.database.as_str()).collect();
            assert_eq!(names.join(" "), expected, "{what}");
        }
    }
}
