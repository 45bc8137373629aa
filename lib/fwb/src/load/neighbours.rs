//! The other databases that a backup's tables and views need, as its definitions tell.

use std::collections::BTreeSet;

use super::open_backup::OpenBackup;
use crate::admission::Survey;
use crate::error::Result;
use crate::progress::Context;
use crate::store::Store;

/// Other databases.
#[derive(Debug, Default)]
pub(crate) struct Neighbours {
    /// Those that foreign keys refer to.
    pub(crate) referred_to: BTreeSet<String>,
    /// Those that views select from, or whose functions they call.
    pub(crate) viewed: BTreeSet<String>,
}

impl Neighbours {
    /// Of a backup. Its definitions are read and nothing is proved: whoever loads it proves it.
    ///
    /// # Errors
    /// The backup cannot be read, or holds what no dump holds.
    pub(crate) fn of(store: &Store, name: &str, context: &Context) -> Result<Self> {
        let input = OpenBackup::unproved(store, name)?;
        let own = input.manifest.database.clone().unwrap_or_default();
        let mut survey = Survey::new(name, Some(&own));
        input.definitions(context, &mut |statement| survey.observe(statement))?;
        let views = survey.views.values().chain(survey.calls.values()).flatten();
        let viewed = views.filter_map(|(database, _)| database.clone()).filter(|of| *of != own).collect();
        let referred_to = survey.refers_to.iter().filter(|of| **of != own).cloned().collect();
        Ok(Self { referred_to, viewed })
    }
}
