//! Views over tables, and with functions, of other databases that are not there: on an empty server, until those databases are restored too. No
//! server makes such a view, so the restore leaves it out and says so, instead of failing for it.

use std::collections::{BTreeMap, BTreeSet};

use super::finding::{Finding, Gravity};
use crate::admission::Relation;
use crate::error::Result;
use crate::load::Input;
use crate::progress::Cancel;
use crate::server::{ServerClient, Sql, quote_text};

/// The views of a backup that cannot be made on this server, each with what it lacks. Views over such views are among
/// them.
///
/// # Errors
/// The server cannot be reached.
pub(crate) fn ungrounded(
    server: &ServerClient,
    input: &Input,
    cancel: &Cancel,
) -> Result<BTreeMap<String, String>> {
    let own = input.manifest.database.as_deref().unwrap_or_default();
    let views = &input.survey.views;
    let elsewhere = |relation: &&Relation| relation.0.as_deref().is_some_and(|of| of != own);
    let needed: BTreeSet<&Relation> = views.values().flatten().filter(elsewhere).collect();
    if needed.is_empty() {
        return Ok(BTreeMap::new());
    }
    let needed: Vec<(&str, &str)> = needed
        .into_iter()
        .filter_map(|(database, name)| Some((database.as_deref()?, name.as_str())))
        .collect();
    let ask = |(index, (database, name)): (usize, &(&str, &str))| {
        let (database, name) = (quote_text(database), quote_text(name));
        format!(
            "SELECT {index} FROM information_schema.TABLES WHERE TABLE_SCHEMA = {database} AND TABLE_NAME = {name};\n\
             SELECT {index} FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = {database} AND ROUTINE_NAME = {name};\n"
        )
    };
    let sql: String = needed.iter().enumerate().map(ask).collect();
    let rows = server.query(None, Sql::Read(&sql), "looking for tables of other databases", cancel)?;
    let there: BTreeSet<usize> = rows.iter().flatten().filter_map(|index| index.parse().ok()).collect();
    let missing: BTreeSet<(&str, &str)> = needed
        .iter()
        .enumerate()
        .filter(|(index, _)| !there.contains(index))
        .map(|(_, relation)| *relation)
        .collect();
    Ok(without(views, own, &missing))
}

/// The views that need one of these relations, by themselves or through another view.
fn without(
    views: &BTreeMap<String, BTreeSet<Relation>>,
    own: &str,
    missing: &BTreeSet<(&str, &str)>,
) -> BTreeMap<String, String> {
    let mut lacking: BTreeMap<String, String> = BTreeMap::new();
    loop {
        let before = lacking.len();
        for (view, relations) in views {
            if lacking.contains_key(view) {
                continue;
            }
            let lacks = relations.iter().find_map(|(database, name)| match database.as_deref() {
                Some(database) if database != own => {
                    missing.contains(&(database, name.as_str())).then(|| format!("{database}.{name}"))
                }
                _ => lacking.contains_key(name).then(|| name.clone()),
            });
            lacking.extend(lacks.map(|lacks| (view.clone(), lacks)));
        }
        if lacking.len() == before {
            return lacking;
        }
    }
}

/// What the operator is told of them. A view that was asked for by name is not left out in silence: the restore is
/// refused.
pub(super) fn finding(lacking: &BTreeMap<String, String>, chosen: &[String]) -> Option<Finding> {
    if lacking.is_empty() {
        return None;
    }
    let names: Vec<String> = lacking.iter().map(|(view, lacks)| format!("{view} (needs {lacks})")).collect();
    let asked = lacking.keys().any(|view| chosen.contains(view));
    let views: Vec<&str> = lacking.keys().map(String::as_str).collect();
    Some(Finding {
        gravity: if asked { Gravity::Refusal } else { Gravity::Warning },
        message: format!(
            "these views need tables of other databases that are not on this server{}: {}",
            if asked { "" } else { ", and are left out" },
            names.join(", ")
        ),
        remedy: format!("restore those databases, then run it again with --tables {}", views.join(",")),
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
        let lacking = without(&views, "own", &BTreeSet::from([("other", "gone")]));
        let expected = [("a", "b"), ("b", "c"), ("c", "other.gone")];
        assert_eq!(lacking.iter().map(|(view, lacks)| (&**view, &**lacks)).collect::<Vec<_>>(), expected);
    }
}
