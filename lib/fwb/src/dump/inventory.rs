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

/// Holds a dump against what its database held before and after it.
///
/// # Errors
/// [`Error::IncompleteDump`]: something is not in it that was there all the time.
pub(super) fn check(
    database: &str,
    before: &BTreeSet<Named>,
    after: &BTreeSet<Named>,
    told: &BTreeSet<Named>,
) -> Result<()> {
    match before.intersection(after).find(|there| !told.contains(there)) {
        Some(lacking) => Err(Error::IncompleteDump {
            database: database.to_owned(),
            problem: format!("{lacking} is in the database and not in the dump"),
        }),
        None => Ok(()),
    }
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
        assert!(check("d", &before, &after, &set(&["a", "b"])).is_ok());
        assert!(check("d", &before, &after, &set(&["a", "b", "gone", "new"])).is_ok());
        let error = check("d", &before, &after, &set(&["a", "new"])).unwrap_err().to_string();
        assert!(error.contains("table or view b is in the database and not in the dump"), "{error}");
    }
}
