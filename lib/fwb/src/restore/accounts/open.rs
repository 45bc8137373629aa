//! The artifact: proved, judged, and read into accounts.

use std::collections::BTreeMap;

use crate::admission::AccountsAdmission;
use crate::error::{Error, Result};
use crate::manifest::{Kind, Level, Manifest};
use crate::progress::Context;
use crate::server::AccountName;
use crate::server::accounts::Account;
use crate::store::Store;
use crate::verify::{self, Findings};

/// An artifact of accounts.
pub(super) struct OpenAccounts {
    pub(super) manifest: Manifest,
    pub(super) accounts: BTreeMap<AccountName, Account>,
}

impl OpenAccounts {
    /// Reads an artifact, all of it.
    ///
    /// # Errors
    /// It is missing, damaged or encrypted, holds something else than accounts, or a statement that no such artifact has.
    pub(super) fn open(store: &Store, name: &str, context: &Context) -> Result<Self> {
        let entry = store.entry(name)?;
        if entry.manifest.kind != Kind::Accounts {
            return Err(Error::Usage {
                message: format!("{name} holds no accounts: it is of kind {}", entry.manifest.kind.as_str()),
                hint: Some(
                    "fwb-ls --kind accounts lists those that do; fwb-dump --accounts makes one".into(),
                ),
            });
        }
        let artifact = store.artifact(name)?;
        if let Some(why) = artifact.locked() {
            return Err(Error::Encrypted { name: name.into(), why });
        }
        context.progress.begin(format!("verifying {name}"), entry.manifest.size);
        let mut admission = AccountsAdmission::new(name);
        let Findings { manifest, problems, .. } =
            verify::prove(Some(&artifact), &entry, Level::Full, context, &mut |statement| {
                admission.observe(statement)
            })?;
        match problems.into_iter().next() {
            Some(problem) => Err(Error::damaged(name, problem)),
            None => Ok(Self { manifest, accounts: admission.accounts }),
        }
    }
}
