//! What a restore would do beyond what it was asked for, or cannot do: looked for before anything is written.

use std::collections::BTreeSet;

use super::damage::DamagedTable;
use super::input::Input;
use super::plan::Strategy;
use super::preflight::{Finding, Gravity};
use super::shadow::chosen;
use crate::error::Result;
use crate::manifest::ObjectKind;
use crate::progress::Cancel;
use crate::server::ServerClient;

/// Triggers of chosen tables whose names triggers of other tables have now: names are those of the whole database, so one
/// would take the place of the other.
///
/// # Errors
/// The server cannot be reached.
pub(super) fn triggers(
    server: &ServerClient,
    database: &str,
    input: &Input,
    cancel: &Cancel,
) -> Result<Option<Finding>> {
    let replaced = chosen(input);
    let stay: BTreeSet<String> =
        server.table_names(database, cancel)?.into_iter().filter(|table| !replaced.contains(table)).collect();
    let taken = server.trigger_names(database, &stay, cancel)?;
    let objects = input.sections().flat_map(|section| section.objects.iter());
    let coming =
        objects.filter(|object| object.kind == ObjectKind::Trigger).map(|object| object.name.as_str());
    Ok(taken_names(&taken, coming))
}

fn taken_names<'a>(taken: &[String], coming: impl Iterator<Item = &'a str>) -> Option<Finding> {
    let both: Vec<&str> = coming.filter(|name| taken.iter().any(|taken| taken == name)).collect();
    (!both.is_empty()).then(|| Finding {
        gravity: Gravity::Refusal,
        message: format!(
            "tables that are not restored have triggers of the same name as the backup's, which would go: {}",
            both.join(", ")
        ),
        remedy: "restore those tables too (--tables), or give one of the triggers another name".into(),
    })
}

/// What follows from damaged live tables.
pub(super) fn damaged(
    damaged: &[DamagedTable],
    is_replaced: impl Fn(&str) -> bool,
    strategy: Strategy,
    safety_backup: bool,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    if damaged.is_empty() {
        return findings;
    }
    let all: Vec<String> =
        damaged.iter().map(|DamagedTable { table, why }| format!("{table} ({why})")).collect();
    let all = all.join(", ");
    match (strategy, safety_backup) {
        (Strategy::InPlace, true) => findings.push(Finding {
            gravity: Gravity::Refusal,
            message: format!("damaged live tables cannot be backed up, and so nothing could be rolled back: {all}"),
            remedy: "use --strategy swap, which keeps what is there; or --no-safety-backup, if all of it may be lost".into(),
        }),
        (Strategy::InPlace, false) => findings.push(Finding {
            gravity: Gravity::Warning,
            message: format!("live tables are damaged: {all}"),
            remedy: "there is no safety backup: a failure leaves neither the old database nor the new one".into(),
        }),
        (Strategy::Swap, _) => {
            let (gone, stay): (Vec<&DamagedTable>, Vec<&DamagedTable>) =
                damaged.iter().partition(|damaged| is_replaced(&damaged.table));
            let names = |tables: &[&DamagedTable]| {
                tables.iter().map(|damaged| format!("{} ({})", damaged.table, damaged.why)).collect::<Vec<_>>().join(", ")
            };
            if !gone.is_empty() {
                findings.push(Finding {
                    gravity: Gravity::Warning,
                    message: format!("live tables are damaged: {}", names(&gone)),
                    remedy: "no safety backup is made of them; each is moved aside, or dropped where it cannot be moved, and --undo will not bring it back".into(),
                });
            }
            if !stay.is_empty() {
                findings.push(Finding {
                    gravity: Gravity::Warning,
                    message: format!("live tables that are not restored are damaged: {}", names(&stay)),
                    remedy: "they are left as they are, and no safety backup can be made; restore them too".into(),
                });
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trigger_of_another_table_is_not_taken_away() {
        let taken = ["tr".to_owned(), "other".to_owned()];
        assert_eq!(taken_names(&taken, ["tr2"].into_iter()), None);
        let finding = taken_names(&taken, ["tr2", "tr"].into_iter()).unwrap();
        assert_eq!(finding.gravity, Gravity::Refusal);
        assert!(finding.message.ends_with(": tr"), "{}", finding.message);
    }

    #[test]
    fn damage_refuses_what_could_not_be_rolled_back() {
        let table = |table: &str| DamagedTable { table: table.into(), why: "Tablespace is missing".into() };
        let tables = [table("a"), table("b")];
        let gravities = |strategy, safety| {
            let findings = damaged(&tables, |table| table == "a", strategy, safety);
            findings.into_iter().map(|finding| finding.gravity).collect::<Vec<_>>()
        };
        assert_eq!(gravities(Strategy::InPlace, true), [Gravity::Refusal]);
        assert_eq!(gravities(Strategy::InPlace, false), [Gravity::Warning]);
        assert_eq!(gravities(Strategy::Swap, true), [Gravity::Warning, Gravity::Warning]);
        assert_eq!(damaged(&[], |_| true, Strategy::InPlace, true), []);
    }
}
