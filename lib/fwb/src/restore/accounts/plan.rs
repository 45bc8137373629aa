//! What a restore of accounts will do.

use serde::Serialize;

use super::choice::{AccountChoice, chosen};
use super::open::OpenAccounts;
use crate::error::{Error, Result};
use crate::manifest::{Manifest, Timestamp};
use crate::progress::Context;
use crate::restore::settings::{self, SettingFinding};
use crate::server::accounts::{Account, Accounts, differences, only_gives};
use crate::server::{AccountName, Flavor, ServerClient, ServerVersion, Sql};
use crate::store::Store;

/// What to restore, and how.
#[derive(Debug, Clone)]
pub struct RestoreAccounts {
    /// The artifact's name in its store.
    pub name: String,
    /// Which of its accounts.
    pub choice: AccountChoice,
    /// Make accounts that exist and differ as they are in the artifact.
    pub replace: bool,
    /// Give accounts that exist what they lack, where they differ by nothing else.
    pub missing_grants: bool,
}

/// What is done with an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AccountAction {
    /// It is made.
    Create,
    /// It exists and is the same.
    Same,
    /// It exists and differs, and is left as it is.
    Differs,
    /// It exists and differs, and is made as it was.
    Replace,
    /// It exists, and gets what it lacks.
    Complete,
    /// It is never touched: the account that restores, root@localhost.
    Left,
}

/// What will be done with an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AccountPlan {
    /// The account, `user@host`, or the role.
    pub account: String,
    /// Whether nobody can log in as it, because it is a role of MariaDB.
    pub role: bool,
    /// What is done.
    pub action: AccountAction,
    /// How it differs from the backup's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<String>,
}

/// What a restore of accounts will do.
#[derive(Debug, Clone, Serialize)]
pub struct AccountsPlan {
    /// The backup.
    pub backup: String,
    /// Its store.
    pub store: String,
    /// The moment that it shows.
    pub started_at: Timestamp,
    /// The accounts that are meant, by their names.
    pub accounts: Vec<AccountPlan>,
    /// What is otherwise on this server than it was on the backup's.
    pub findings: Vec<SettingFinding>,
}

impl AccountsPlan {
    /// Whether anything will be done.
    pub fn does_something(&self) -> bool {
        use AccountAction::{Complete, Create, Replace};
        self.accounts.iter().any(|account| matches!(account.action, Create | Replace | Complete))
    }
}

/// An account, and what will be done with it.
pub(super) struct Task {
    pub(super) action: AccountAction,
    /// As the server has it; none: it does not exist.
    pub(super) before: Option<Account>,
    /// As the backup has it.
    pub(super) wanted: Account,
}

/// A restore of accounts that is ready to run.
pub struct PreparedAccounts<'a> {
    pub(super) server: &'a ServerClient,
    pub(super) us: AccountName,
    pub(super) tasks: Vec<Task>,
    /// As the backup has the account that restores.
    pub(super) us_in_backup: Option<Account>,
    pub(super) plan: AccountsPlan,
}

/// Proves the backup and looks at the server's accounts. Nothing is written.
///
/// # Errors
/// The backup is missing or damaged, or holds what no artifact of accounts has; the server is of another flavor, cannot be
/// reached, or does not show its accounts.
pub fn prepare_accounts<'a>(
    store: &'a Store,
    server: &'a ServerClient,
    options: &RestoreAccounts,
    context: &Context,
) -> Result<PreparedAccounts<'a>> {
    store.entry(&options.name)?;
    let cancel = &context.cancel;
    server.log_in(cancel)?;
    let OpenAccounts { manifest, accounts } = OpenAccounts::open(store, &options.name, context)?;
    let sql = Sql::Read("SELECT VERSION(), @@lower_case_table_names");
    let said =
        server.query(None, sql, "looking at the server", cancel)?.into_iter().next().unwrap_or_default();
    let version = said.first().map(String::as_str).unwrap_or_default();
    refuse_other_flavor(&manifest, version)?;
    let findings = settings::findings(manifest.surroundings.as_ref(), server, version, cancel)?;
    let lower_case = said.get(1).is_some_and(|setting| setting == "1");
    let meant = chosen(&options.choice, &manifest, &accounts)?;
    let us = server.our_account(cancel)?;
    let Accounts { all: mut now, .. } = server.all_accounts(cancel)?;
    let us_in_backup = accounts.get(&us).cloned();
    let mut tasks = Vec::new();
    let mut plans = Vec::new();
    for (name, wanted) in accounts.into_iter().filter(|(name, _)| meant.contains(name)) {
        let wanted = if lower_case { wanted.in_lower_case() } else { wanted };
        let before = now.remove(&name);
        let differences = before.as_ref().map(|before| differences(before, &wanted)).unwrap_or_default();
        let action = action(&name, &us, before.as_ref(), &wanted, options);
        plans.push(AccountPlan {
            account: name.to_string(),
            role: wanted.identity.is_none(),
            action,
            differences: if action == AccountAction::Left { Vec::new() } else { differences },
        });
        tasks.push(Task { action, before, wanted });
    }
    let plan = AccountsPlan {
        backup: manifest.name,
        store: store.place(),
        started_at: manifest.started_at,
        accounts: plans,
        findings,
    };
    Ok(PreparedAccounts { server, us, tasks, us_in_backup, plan })
}

fn action(
    name: &AccountName,
    us: &AccountName,
    before: Option<&Account>,
    wanted: &Account,
    options: &RestoreAccounts,
) -> AccountAction {
    match before {
        _ if name == us || name.is_root() => AccountAction::Left,
        None => AccountAction::Create,
        Some(before) if before == wanted => AccountAction::Same,
        Some(_) if options.replace => AccountAction::Replace,
        Some(before) if options.missing_grants && only_gives(before, wanted) => AccountAction::Complete,
        Some(_) => AccountAction::Differs,
    }
}

fn refuse_other_flavor(manifest: &Manifest, version: &str) -> Result<()> {
    let Some(source) = manifest.source() else { return Ok(()) };
    let target = ServerVersion::parse(version);
    if source.flavor == target.flavor {
        return Ok(());
    }
    let name = |flavor| match flavor {
        Flavor::MariaDb => "MariaDB",
        Flavor::MySql => "MySQL",
    };
    Err(Error::Preflight {
        finding: format!(
            "the accounts are of {} ({source}), and this is {} ({target}): neither takes the other's statements or hashes",
            name(source.flavor),
            name(target.flavor)
        ),
        remedy: "make them anew there, with new passwords".into(),
    })
}

impl PreparedAccounts<'_> {
    /// What will be done.
    pub fn plan(&self) -> &AccountsPlan {
        &self.plan
    }
}
