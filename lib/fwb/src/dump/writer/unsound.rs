//! Definitions that the server shows and does not take again, or that a restore would refuse: found while they are dumped,
//! not on the day of the restore. Nothing is executed for it: the server only prepares a statement.

use std::collections::BTreeSet;

use super::catalog::{Catalog, EntryKind, is_verdict};
use super::program::{Program, program};
use super::view::{self, View};
use crate::admission::{refused, relations};
use crate::error::{Error, Result};
use crate::manifest::ObjectKind;
use crate::scan::{QuoteMode, Reading, Tokens};
use crate::server::{LeftOut, Session};

/// A stored program that is left out.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub(crate) struct LeftOutProgram {
    /// What it is.
    pub(crate) kind: ObjectKind,
    /// Its name, why, and its definition.
    #[serde(flatten)]
    pub(crate) left_out: LeftOut,
}

/// Views that cannot be restored, but for those that are known to be broken; and the views that select from one of either. None
/// but the chosen ones are looked at.
///
/// # Errors
/// The server refuses, or the connection breaks.
pub(crate) fn unsound_views(
    session: &mut dyn Session,
    database: &str,
    is_chosen: &dyn Fn(&str) -> bool,
    broken: &BTreeSet<String>,
    doing: &str,
) -> Result<Vec<LeftOut>> {
    let mut catalog = Catalog::new(session, doing);
    let mut views = Vec::new();
    let mut unsound = Vec::new();
    for entry in catalog.entries()? {
        if entry.kind != EntryKind::View || broken.contains(&entry.name) || !is_chosen(&entry.name) {
            continue;
        }
        let view = match catalog.view(&entry.name) {
            // The server does not even show what it cannot read itself.
            Err(Error::Server { error, .. }) if is_verdict(&error, false) => {
                unsound.push(LeftOut { name: entry.name, error: error.to_string(), definition: None });
                continue;
            }
            shown => shown?,
        };
        match why_unsound(&mut catalog, database, &view)? {
            Some(error) => unsound.push(left_out(&view, error)),
            None => views.push(view),
        }
    }
    let mut gone: BTreeSet<String> = broken.clone();
    gone.extend(unsound.iter().map(|view| view.name.clone()));
    while let Some(at) = views.iter().position(|view| named(view, database, &gone).is_some()) {
        let view = views.swap_remove(at);
        let needed = named(&view, database, &gone).unwrap_or_default();
        unsound.push(left_out(&view, format!("it names view {needed}, which is left out")));
        gone.insert(view.name);
    }
    Ok(unsound)
}

fn why_unsound(catalog: &mut Catalog<'_>, database: &str, view: &View) -> Result<Option<String>> {
    if let Some(why) = catalog.why_no_view(view)? {
        return Ok(Some(why));
    }
    let mut sql = Vec::new();
    view::definition(&mut sql, view);
    Ok(refused(&sql, database).map(|why| format!("a restore refuses it: {why}")))
}

fn left_out(view: &View, error: String) -> LeftOut {
    let definition = Some(String::from_utf8_lossy(&view.text).into_owned());
    LeftOut { name: view.name.clone(), error, definition }
}

/// The first of these views of its own database that a view selects from.
fn named(view: &View, database: &str, names: &BTreeSet<String>) -> Option<String> {
    if names.is_empty() {
        return None;
    }
    let found = relations(Tokens::new(&view.text, Reading::Everything, QuoteMode::default()));
    let is_own = |of: &Option<String>| of.as_deref().is_none_or(|of| of == database);
    found.into_iter().filter(|(of, _)| is_own(of)).map(|(_, name)| name).find(|name| names.contains(name))
}

/// Why a trigger, an event or a routine cannot be restored; none where it can.
///
/// # Errors
/// As [`unsound_views`].
pub(super) fn unsound_program(
    catalog: &mut Catalog<'_>,
    database: &str,
    collation: &str,
    shown: &Program,
) -> Result<Option<LeftOutProgram>> {
    let why = match catalog.why_no_program(shown)? {
        Some(why) => Some(why),
        None => {
            let mut sql = Vec::new();
            program(&mut sql, shown, collation);
            refused(&sql, database).map(|why| format!("a restore refuses it: {why}"))
        }
    };
    Ok(why.map(|error| LeftOutProgram {
        kind: shown.kind,
        left_out: LeftOut {
            name: shown.name.clone(),
            error,
            definition: Some(String::from_utf8_lossy(&shown.text).into_owned()),
        },
    }))
}
