//! The judge of an artifact, of whichever kind it is.

use std::collections::BTreeSet;

use super::{AccountsAdmission, Survey};
use crate::error::Error;
use crate::manifest::{Kind, Manifest};
use crate::scan::Statement;
use crate::server::AccountName;

/// Judges what is read, whatever comes.
#[derive(Debug)]
pub(crate) enum Judge {
    /// Of a database.
    Database(Box<Survey>),
    /// Of accounts.
    Accounts(Box<AccountsAdmission>),
}

impl Judge {
    /// For the artifact of this manifest, which goes by this name.
    pub(crate) fn of(name: &str, manifest: &Manifest) -> Self {
        match manifest.kind {
            Kind::Accounts => Self::Accounts(Box::new(AccountsAdmission::new(name))),
            _ => Self::Database(Box::new(Survey::new(name, manifest.database.as_deref()))),
        }
    }

    /// Takes note of a statement; nothing is noted after the first refusal.
    pub(crate) fn observe_all(&mut self, statement: &Statement<'_>) {
        match self {
            Self::Database(survey) => survey.observe_all(statement),
            Self::Accounts(accounts) => accounts.observe_all(statement),
        }
    }

    /// What was refused first, now that it is known what was dumped; none where a restore takes all.
    pub(crate) fn take_refusal(&mut self, proven: &Manifest) -> Option<Error> {
        match self {
            Self::Database(survey) => survey.take_refusal(proven.database.as_deref()),
            Self::Accounts(accounts) => accounts.take_refusal(),
        }
    }

    /// That the manifest names other accounts than the artifact makes.
    pub(crate) fn disagreement(&self, proven: &Manifest) -> Option<String> {
        let (Self::Accounts(read), Some(named)) = (self, &proven.accounts) else { return None };
        let named: BTreeSet<AccountName> = named
            .iter()
            .map(|entry| AccountName { user: entry.user.clone(), host: entry.host.clone() })
            .collect();
        (!named.iter().eq(read.accounts.keys()))
            .then(|| "the manifest names other accounts than the artifact makes".into())
    }
}
