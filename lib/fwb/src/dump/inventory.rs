//! Whether a dump holds all of its database: whatever was there before it and is there after it must be in it, or be named as
//! left out. What came or went meanwhile may be in it or not.

use std::collections::BTreeSet;

use crate::error::{Error, Result};
use crate::manifest::{Section, SectionKind};
use crate::server::Named;

/// What a dump holds.
pub(super) fn held(sections: &[Section]) -> BTreeSet<Named> {
    let relation = |section: &Section| {
        let is_relation =
            matches!(section.kind, SectionKind::Table | SectionKind::Sequence | SectionKind::View);
        section.name.clone().filter(|_| is_relation).map(Named::Relation)
    };
    let objects = sections.iter().flat_map(|section| section.objects.iter().cloned().map(Named::Object));
    sections.iter().filter_map(relation).chain(objects).collect()
}

/// Holds a dump against what its database held before and after it. Returns what the operator should know: the server's list of
/// names is not of one moment, so what was renamed meanwhile may be in the dump under neither name.
///
/// # Errors
/// [`Error::IncompleteDump`]: something is not in it that was there all the time.
pub(super) fn check(
    database: &str,
    before: &BTreeSet<Named>,
    after: &BTreeSet<Named>,
    told: &BTreeSet<Named>,
) -> Result<Option<String>> {
    if let Some(lacking) = before.intersection(after).find(|there| !told.contains(there)) {
        return Err(Error::IncompleteDump {
            database: database.to_owned(),
            problem: format!("{lacking} is in the database and not in the dump"),
        });
    }
    let lacks = |one: &BTreeSet<Named>, other: &BTreeSet<Named>| {
        let names = one.difference(other).filter(|named| !told.contains(named)).map(ToString::to_string);
        names.collect::<Vec<_>>().join(", ")
    };
    let (gone, come) = (lacks(before, after), lacks(after, before));
    Ok((!gone.is_empty() && !come.is_empty()).then(|| {
        format!(
            "while it was made, these went and are not in this backup: {gone}; and these came and are not in it either, unless they \
             are the same under another name: {come}"
        )
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_there_all_the_time_must_be_told_of() {
        let set = |names: &[&str]| -> BTreeSet<Named> {
            names.iter().map(|name| Named::Relation((*name).to_owned())).collect()
        };
        let (before, after) = (set(&["a", "b", "gone"]), set(&["a", "b", "new"]));
        assert_eq!(check("d", &before, &after, &set(&["a", "b", "gone"])).unwrap(), None);
        assert_eq!(check("d", &before, &after, &set(&["a", "b", "new"])).unwrap(), None);
        let renamed = check("d", &before, &after, &set(&["a", "b"])).unwrap().unwrap();
        assert!(renamed.contains("gone") && renamed.contains("new"), "{renamed}");
        let error = check("d", &before, &after, &set(&["a", "new"])).unwrap_err().to_string();
        assert!(error.contains("table or view b is in the database and not in the dump"), "{error}");
    }
}
