//! What stays of the live database as it is, because the backup leaves it out: tables that are not in it, and tables of which it
//! has no rows. A restore that replaced these would lose what no backup has.

use std::collections::{BTreeMap, BTreeSet};

use super::finding::{Finding, Gravity};
use super::ungrounded;
use crate::dump::uncounted;
use crate::error::Result;
use crate::load::{OpenBackup, parents};
use crate::progress::{Cancel, Context};
use crate::scan::{Head, QuoteMode, Reading, Tokens, Verb};
use crate::server::{Inventory, ServerClient, Sql, quote_name};

/// What is being done, for errors.
const LOOKING: &str = "looking at tables that stay";

/// What is found of it.
#[derive(Debug, Default)]
pub(super) struct Staying {
    /// What is there and stays, in order.
    pub(super) live: BTreeSet<String>,
    pub(super) findings: Vec<Finding>,
}

/// Finds what stays, and has the backup leave it alone. Views that need an excluded table that is not there are left out.
///
/// # Errors
/// The server cannot be asked, or the backup cannot be read.
pub(super) fn look(
    server: &ServerClient,
    input: &mut OpenBackup,
    database: &str,
    inventory: &Inventory,
    asked: &[String],
    context: &Context,
) -> Result<Staying> {
    let mut staying = Staying::default();
    let (tables, without_rows) = input.excluded();
    if tables.is_empty() && without_rows.is_empty() {
        return Ok(staying);
    }
    let cancel = &context.cancel;
    let wanted = input.names();
    let (live, new): (BTreeSet<String>, BTreeSet<String>) = without_rows
        .into_iter()
        .filter(|table| wanted.contains(table))
        .partition(|table| inventory.tables.contains_key(table));
    let definitions = Definitions::of(input, context)?;
    if input.is_partial() {
        staying.findings.extend(named_without_rows(&live));
    } else {
        staying.findings.extend(differing(server, input, database, &live, &definitions, cancel)?);
        let there = tables.iter().filter(|table| inventory.has_relation(table));
        staying.live = live.iter().chain(there).cloned().collect();
        // One that comes meanwhile stays too.
        input.let_stay(tables.iter().cloned().chain(live));
        staying.findings.extend(orphans(server, input, database, &staying.live, cancel)?);
    }
    let gone: BTreeSet<String> = tables.into_iter().filter(|table| !inventory.has_relation(table)).collect();
    let lacking = ungrounded::over_excluded(input, &gone);
    staying.findings.extend(without_views(&lacking, asked));
    staying.findings.extend(told(input, &staying.live, &new, &gone, &definitions));
    input.leave_out(lacking.into_keys());
    Ok(staying)
}

/// The definitions of the backup's tables.
#[derive(Default)]
struct Definitions(BTreeMap<String, (Vec<u8>, QuoteMode)>);

impl Definitions {
    fn of(input: &OpenBackup, context: &Context) -> Result<Self> {
        let mut definitions = Self::default();
        input.definitions(context, &mut |statement| {
            if let Head::Table(Verb::Create, target) = statement.head {
                let (name, quotes) = (input.spelled(&target.name), statement.mode.quotes());
                definitions.0.insert(name, (statement.text.to_vec(), quotes));
            }
            Ok(())
        })?;
        Ok(definitions)
    }

    /// The tables whose foreign keys refer to one of these, each with that.
    fn children_of(&self, input: &OpenBackup, gone: &BTreeSet<String>) -> Vec<(String, String)> {
        let of = |(child, (text, quotes)): (&String, &(Vec<u8>, QuoteMode))| {
            let found = parents(text, *quotes).into_iter().map(|(parent, _)| input.spelled(&parent));
            found
                .filter(|parent| gone.contains(parent))
                .map(|parent| (child.clone(), parent))
                .collect::<Vec<_>>()
        };
        self.0.iter().flat_map(of).collect()
    }
}

/// Whether two definitions of a table say the same, whatever their counters.
fn is_same((one, quotes): (&[u8], QuoteMode), other: &[u8]) -> bool {
    let words = |text: &[u8], quotes| -> Vec<Vec<u8>> {
        let uncounted = uncounted(text, quotes);
        let text = uncounted.as_deref().unwrap_or(text);
        let mut tokens = Tokens::new(text, Reading::Everything, quotes);
        std::iter::from_fn(|| tokens.spanned()).map(|(_, span)| text[span].to_vec()).collect()
    };
    words(one, quotes) == words(other, QuoteMode::default())
}

/// Live tables whose rows the backup does not have, and whose definitions are others than the backup's, or cannot be read.
fn differing(
    server: &ServerClient,
    input: &OpenBackup,
    database: &str,
    live: &BTreeSet<String>,
    definitions: &Definitions,
    cancel: &Cancel,
) -> Result<Option<Finding>> {
    let mut others = Vec::new();
    for table in live {
        let show = format!("SHOW CREATE TABLE {};\n", quote_name(table));
        let now = match server.bytes(Some(database), Sql::Read(&show), LOOKING, cancel) {
            Ok(rows) => rows.into_iter().next().and_then(|row| row.into_iter().nth(1)),
            Err(error) if error.refusal().is_some() && !error.is_lost() => None,
            Err(error) => return Err(error),
        };
        let is_as_it_was = now
            .zip(definitions.0.get(table))
            .is_some_and(|(now, (text, quotes))| is_same((text, *quotes), &now));
        if !is_as_it_was {
            others.push(table.as_str());
        }
    }
    Ok((!others.is_empty()).then(|| Finding {
        gravity: Gravity::Refusal,
        message: format!(
            "the backup {} has no rows of these tables, and the live ones are defined otherwise than in it: {}",
            input.manifest.name,
            others.join(", ")
        ),
        remedy: "give them the backup's definition (fwb-restore --stdout --tables NAME shows it), or rename or drop them: then \
                 they are made anew, without rows"
            .into(),
    }))
}

/// Tables that somebody has named, and of which the backup has no rows.
fn named_without_rows(live: &BTreeSet<String>) -> Option<Finding> {
    (!live.is_empty()).then(|| Finding {
        gravity: Gravity::Refusal,
        message: format!(
            "the backup has no rows of these tables, and the live ones would lose theirs: {}",
            listed(live)
        ),
        remedy: "name others alone; or rename or drop these first: then they are made anew, without rows"
            .into(),
    })
}

/// Tables that stay, and refer to tables that would go.
fn orphans(
    server: &ServerClient,
    input: &OpenBackup,
    database: &str,
    live: &BTreeSet<String>,
    cancel: &Cancel,
) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    let coming = input.tables();
    let keys = server.foreign_keys(database, cancel)?;
    let of_staying = || {
        keys.iter().filter(|key| {
            live.contains(&key.child.1) && key.parent.0 == *database && !live.contains(&key.parent.1)
        })
    };
    let names = |is_coming: bool| -> BTreeSet<String> {
        let keys = of_staying().filter(|key| coming.contains(&key.parent.1) == is_coming);
        keys.map(|key| format!("{} (to {})", key.child.1, key.parent.1)).collect()
    };
    let (lost, kept) = (names(false), names(true));
    if !lost.is_empty() {
        findings.push(Finding {
            gravity: Gravity::Refusal,
            message: format!(
                "tables that stay have foreign keys to tables that are not in the backup, and would lose them: {}",
                listed(&lost)
            ),
            remedy: "drop those foreign keys first".into(),
        });
    }
    if !kept.is_empty() {
        findings.push(Finding {
            gravity: Gravity::Warning,
            message: format!("tables that stay have foreign keys to restored ones: {}", listed(&kept)),
            remedy: "their rows are not checked; look for rows that point to nothing".into(),
        });
    }
    Ok(findings)
}

/// Views that cannot be made, because they need what the backup leaves out. One that was asked for by name is not left out in silence.
fn without_views(lacking: &BTreeMap<String, String>, asked: &[String]) -> Option<Finding> {
    let names: Vec<String> = lacking.iter().map(|(view, lacks)| format!("{view} (needs {lacks})")).collect();
    let is_asked = lacking.keys().any(|view| asked.contains(view));
    (!lacking.is_empty()).then(|| Finding {
        gravity: if is_asked { Gravity::Refusal } else { Gravity::Warning },
        message: format!(
            "these views need tables that the backup leaves out, and that are not there{}: {}",
            if is_asked { "" } else { "; they are left out" },
            names.join(", ")
        ),
        remedy: format!(
            "make those tables, then run it again with --tables {}",
            lacking.keys().map(String::as_str).collect::<Vec<_>>().join(",")
        ),
    })
}

/// What the operator should know.
fn told(
    input: &OpenBackup,
    live: &BTreeSet<String>,
    new: &BTreeSet<String>,
    gone: &BTreeSet<String>,
    definitions: &Definitions,
) -> Vec<Finding> {
    let warning =
        |message: String, remedy: &str| Finding { gravity: Gravity::Warning, message, remedy: remedy.into() };
    let mut findings = Vec::new();
    if !live.is_empty() {
        findings.push(warning(
            format!(
                "the backup leaves these out, or their rows, and they stay as they are: {}",
                listed(live)
            ),
            "they may not fit what is restored; look at them afterwards",
        ));
    }
    if !new.is_empty() {
        findings.push(warning(
            format!("the backup has no rows of these tables, and they come back empty: {}", listed(new)),
            "their rows are in no such backup; another one may have them",
        ));
    }
    if !gone.is_empty() && !input.is_partial() {
        findings.push(warning(
            format!("the backup leaves these out, and they are not there: {}", listed(gone)),
            "whoever needs them makes them anew, or restores them from another backup: --tables",
        ));
    }
    let children = definitions.children_of(input, gone);
    if !children.is_empty() {
        let names = children.iter().map(|(child, parent)| format!("{child} (to {parent})"));
        findings.push(warning(
            format!(
                "foreign keys refer to tables that the backup leaves out, and that are not there: {}",
                names.collect::<Vec<_>>().join(", ")
            ),
            "no row can be written there until those are made again",
        ));
    }
    findings
}

fn listed(names: &BTreeSet<String>) -> String {
    names.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_are_the_same_whatever_their_counters() {
        let of = |text: &str, other: &str| is_same((text.as_bytes(), QuoteMode::default()), other.as_bytes());
        let one = "CREATE TABLE `s` (\n  `id` int(11) NOT NULL AUTO_INCREMENT,\n  PRIMARY KEY (`id`)\n) ENGINE=InnoDB AUTO_INCREMENT=7 DEFAULT CHARSET=utf8mb4";
        assert!(of(one, one));
        assert!(of(one, &one.replace(" AUTO_INCREMENT=7", " AUTO_INCREMENT=99")));
        assert!(of(one, &one.replace(" AUTO_INCREMENT=7", "").replace('\n', " ")));
        assert!(!of(one, &one.replace("int(11)", "bigint(20)")));
        assert!(!of(one, &one.replace("`id` int", "`ID` int")));
    }
}
