//! Views over tables, and with functions, of other databases that are not there: on an empty server, until those databases
//! are restored too. No server makes such a view, so the restore leaves it out and says so, instead of failing for it.

use std::collections::{BTreeMap, BTreeSet};

use super::finding::{Finding, Gravity};
use crate::admission::Relation;
use crate::error::Result;
use crate::load::OpenBackup;
use crate::progress::Cancel;
use crate::server::{ServerClient, Sql, quote_text};

/// What a view needs of another database: a table or view, or a function; the database, and the name.
type Needed<'a> = (&'static str, &'a str, &'a str);

/// The beginnings of the names of `information_schema`'s columns.
const TABLE: &str = "TABLE";
const FUNCTION: &str = "ROUTINE";

/// The views of a backup that cannot be made on this server, each with what it lacks. Views over such views are among
/// them.
///
/// # Errors
/// The server cannot be reached.
pub(crate) fn ungrounded(
    server: &ServerClient,
    input: &OpenBackup,
    cancel: &Cancel,
) -> Result<BTreeMap<String, String>> {
    let own = input.manifest.database.as_deref().unwrap_or_default();
    let views = &input.survey.views;
    let elsewhere = |relation: &&Relation| relation.0.as_deref().is_some_and(|of| of != own);
    let calls = &input.survey.calls;
    let of = |named: &'static str, (database, name)| Some((named, database?, name));
    let tables = views.values().flatten().filter(elsewhere);
    let functions = calls.values().flatten().filter(elsewhere);
    let needed: BTreeSet<Needed<'_>> = tables
        .filter_map(|(database, name)| of(TABLE, (database.as_deref(), name.as_str())))
        .chain(functions.filter_map(|(database, name)| of(FUNCTION, (database.as_deref(), name.as_str()))))
        .collect();
    if needed.is_empty() {
        return Ok(BTreeMap::new());
    }
    let needed: Vec<Needed<'_>> = needed.into_iter().collect();
    let ask = |(index, (kind, database, name)): (usize, &Needed<'_>)| {
        let (database, name) = (quote_text(database), quote_text(name));
        format!(
            "SELECT {index} FROM information_schema.{kind}S WHERE {kind}_SCHEMA = {database} AND {kind}_NAME = {name};\n"
        )
    };
    let sql: String = needed.iter().enumerate().map(ask).collect();
    let rows = server.query(None, Sql::Read(&sql), "looking for tables of other databases", cancel)?;
    let there: BTreeSet<usize> = rows.iter().flatten().filter_map(|index| index.parse().ok()).collect();
    let missing: BTreeSet<Needed<'_>> = needed
        .iter()
        .enumerate()
        .filter(|(index, _)| !there.contains(index))
        .map(|(_, needed)| *needed)
        .collect();
    Ok(without(views, calls, own, &missing))
}

/// The views that need one of these relations, by themselves or through another view.
fn without(
    views: &BTreeMap<String, BTreeSet<Relation>>,
    calls: &BTreeMap<String, BTreeSet<Relation>>,
    own: &str,
    missing: &BTreeSet<Needed<'_>>,
) -> BTreeMap<String, String> {
    let mut lacking: BTreeMap<String, String> = BTreeMap::new();
    loop {
        let before = lacking.len();
        for (view, relations) in views {
            if lacking.contains_key(view) {
                continue;
            }
            let is_missing = |kind, (database, name): &Relation| {
                let database = database.as_deref().filter(|database| *database != own)?;
                missing.contains(&(kind, database, name.as_str())).then(|| format!("{database}.{name}"))
            };
            let is_own = |database: &Option<String>| database.as_deref().is_none_or(|of| of == own);
            let called = calls.get(view).into_iter().flatten();
            let lacks = relations
                .iter()
                .find_map(|relation| is_missing(TABLE, relation))
                .or_else(|| called.into_iter().find_map(|function| is_missing(FUNCTION, function)))
                .or_else(|| {
                    let views = relations.iter().filter(|(database, _)| is_own(database));
                    views.map(|(_, name)| name).find(|name| lacking.contains_key(*name)).cloned()
                });
            lacking.extend(lacks.map(|lacks| (view.clone(), lacks)));
        }
        if lacking.len() == before {
            return lacking;
        }
    }
}

/// The views of a backup of chosen tables that need what it does not hold of its own database, each with what that is; in a
/// database of their own nobody makes them. Functions are in no such backup.
pub(crate) fn beyond(input: &OpenBackup) -> BTreeMap<String, String> {
    if !input.is_partial() {
        return BTreeMap::new();
    }
    let own = input.manifest.database.as_deref().unwrap_or_default();
    beyond_of(&input.survey.views, &input.survey.calls, own, &input.names())
}

fn beyond_of(
    views: &BTreeMap<String, BTreeSet<Relation>>,
    calls: &BTreeMap<String, BTreeSet<Relation>>,
    own: &str,
    held: &BTreeSet<String>,
) -> BTreeMap<String, String> {
    let is_own = |(database, _): &&Relation| database.as_deref().is_none_or(|of| of == own);
    let mut beyond: BTreeMap<String, String> = BTreeMap::new();
    loop {
        let before = beyond.len();
        for (view, relations) in views {
            let mut called = calls.get(view).into_iter().flatten().filter(is_own);
            let mut tables = relations.iter().filter(is_own).map(|(_, name)| name);
            let lacks = tables.find(|name| !held.contains(*name) || beyond.contains_key(*name));
            let lacks = lacks.or_else(|| called.next().map(|(_, name)| name));
            if let (Some(lacks), false) = (lacks.cloned(), beyond.contains_key(view)) {
                beyond.insert(view.clone(), lacks);
            }
        }
        if beyond.len() == before {
            return beyond;
        }
    }
}

/// The views of a backup that need one of these tables of its own database, by themselves or through another view, each with that:
/// the backup leaves those tables out, and they are not where it is restored.
pub(crate) fn over_excluded(input: &OpenBackup, gone: &BTreeSet<String>) -> BTreeMap<String, String> {
    let own = input.manifest.database.as_deref().unwrap_or_default();
    let held = input.names();
    let mut lacking = over(&input.survey.views, own, &|name| gone.contains(&input.spelled(name)));
    lacking.retain(|view, _| held.contains(&input.spelled(view)));
    lacking
}

fn over(
    views: &BTreeMap<String, BTreeSet<Relation>>,
    own: &str,
    is_gone: &dyn Fn(&str) -> bool,
) -> BTreeMap<String, String> {
    let is_own = |(database, _): &&Relation| database.as_deref().is_none_or(|of| of == own);
    let mut lacking: BTreeMap<String, String> = BTreeMap::new();
    loop {
        let before = lacking.len();
        for (view, relations) in views {
            let mut names = relations.iter().filter(is_own).map(|(_, name)| name);
            let lacks = names.find(|name| is_gone(name) || lacking.contains_key(*name)).cloned();
            if let (Some(lacks), false) = (lacks, lacking.contains_key(view)) {
                lacking.insert(view.clone(), lacks);
            }
        }
        if lacking.len() == before {
            return lacking;
        }
    }
}

/// What the operator is told of them. A view that was asked for by name is not left out in silence, and one that works
/// in the live database is not taken away: the restore is refused.
pub(super) fn finding(
    lacking: &BTreeMap<String, String>,
    chosen: &[String],
    working: &BTreeSet<String>,
) -> Option<Finding> {
    if lacking.is_empty() {
        return None;
    }
    if let Some(lost) = lost(lacking, working) {
        return Some(lost);
    }
    let names: Vec<String> = lacking.iter().map(|(view, lacks)| format!("{view} (needs {lacks})")).collect();
    let asked = lacking.keys().any(|view| chosen.contains(view));
    let views: Vec<&str> = lacking.keys().map(String::as_str).collect();
    Some(Finding {
        gravity: if asked { Gravity::Refusal } else { Gravity::Warning },
        message: format!(
            "these views need what is not on this server, of other databases, or what this account may not see{}: {}",
            if asked { "" } else { ", and are left out" },
            names.join(", ")
        ),
        remedy: format!(
            "restore those databases, or GRANT SELECT on them, then run it again with --tables {}",
            views.join(",")
        ),
    })
}

/// Views that a restore would leave out, and whose live namesakes work: they would be gone. What these need is there, and
/// hidden from our account; or they were defined otherwise since.
fn lost(lacking: &BTreeMap<String, String>, working: &BTreeSet<String>) -> Option<Finding> {
    let lost: Vec<String> = lacking
        .iter()
        .filter(|(view, _)| working.contains(*view))
        .map(|(view, lacks)| format!("{view} (needs {lacks})"))
        .collect();
    (!lost.is_empty()).then(|| Finding {
        gravity: Gravity::Refusal,
        message: format!(
            "these views of the live database would be gone, because this account does not see what the backup's need: {}",
            lost.join(", ")
        ),
        remedy: "GRANT SELECT, and EXECUTE for functions, on what they need to this account; or drop the live views first, if they may go"
            .into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_over_views_that_are_left_out_are_left_out() {
        let view = |name: &str, relations: &[(Option<&str>, &str)]| {
            let relations = relations
                .iter()
                .map(|(database, name)| (database.map(ToOwned::to_owned), (*name).to_owned()))
                .collect();
            (name.to_owned(), relations)
        };
        let views = BTreeMap::from([
            view("a", &[(None, "b")]),
            view("b", &[(Some("own"), "c")]),
            view("c", &[(None, "t"), (Some("other"), "gone")]),
            view("d", &[(Some("other"), "there"), (None, "t")]),
        ]);
        let calls = BTreeMap::from([
            view("d", &[(Some("other"), "gone"), (Some("own"), "a")]),
            view("e", &[(Some("other"), "gone_too")]),
        ]);
        let views = views.into_iter().chain([view("e", &[])]).collect();
        let missing = BTreeSet::from([(TABLE, "other", "gone"), (FUNCTION, "other", "gone_too")]);
        let lacking = without(&views, &calls, "own", &missing);
        let expected = [("a", "b"), ("b", "c"), ("c", "other.gone"), ("e", "other.gone_too")];
        assert_eq!(lacking.iter().map(|(view, lacks)| (&**view, &**lacks)).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn views_over_excluded_tables_are_found() {
        let of = |view: &str, database: Option<&str>, name: &str| {
            (view.to_owned(), BTreeSet::from([(database.map(str::to_owned), name.to_owned())]))
        };
        let views = BTreeMap::from([
            of("a", None, "b"),
            of("b", Some("own"), "gone"),
            of("c", Some("other"), "gone"),
            of("d", None, "t"),
        ]);
        let lacking = over(&views, "own", &|name| name == "gone");
        let lacking: Vec<_> = lacking.iter().map(|(view, lacks)| (&**view, &**lacks)).collect();
        assert_eq!(lacking, [("a", "b"), ("b", "gone")]);
    }

    #[test]
    fn views_need_what_was_chosen() {
        let relations = |names: &[&str]| -> BTreeSet<Relation> {
            names.iter().map(|name| (None, (*name).to_owned())).collect()
        };
        let views = BTreeMap::from([
            ("a".to_owned(), relations(&["b"])),
            ("b".to_owned(), relations(&["t", "gone"])),
            ("c".to_owned(), relations(&["t"])),
            ("d".to_owned(), relations(&["t"])),
            ("e".to_owned(), BTreeSet::from([(Some("other".to_owned()), "gone".to_owned())])),
        ]);
        let calls = BTreeMap::from([("d".to_owned(), relations(&["f"]))]);
        let held = ["a", "b", "c", "d", "e", "t"].map(str::to_owned).into();
        let beyond = beyond_of(&views, &calls, "own", &held);
        let beyond: Vec<_> = beyond.iter().map(|(view, lacks)| (&**view, &**lacks)).collect();
        assert_eq!(beyond, [("a", "b"), ("b", "gone"), ("d", "f")]);
    }
}
