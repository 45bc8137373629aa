//! Carries out what was planned, and looks whether it holds.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use serde::Serialize;

use super::plan::{AccountAction, PreparedAccounts, Task};
use super::take_back::{Undoing, take_back};
use crate::blank::blank_quoted;
use crate::error::{Error, Result};
use crate::progress::{Context, seconds_since};
use crate::server::accounts::{Account, Object, Step, differences, is_about_identity, steps, surrender};
use crate::server::{AccountName, Connection, LETTING_GO, Role, restore_lock};

/// What it is told that goes on.
const DOING: &str = "restoring accounts";
/// What the lock of a restore is on, where it is of accounts.
const LOCKED: &str = "the accounts";

/// What a server says where a right is on something that is not there: a table, a program, a column, a database.
const NOT_THERE: [u16; 4] = [1146, 1305, 1054, 1049];
/// What a server says where a plugin is not there.
const NO_PLUGIN: u16 = 1524;
/// What MariaDB says to a hash where passwords have rules (`strict_password_validation`).
const STRICT: u16 = 1290;
/// What a server says to a password that does not please, such as none.
const WEAK: u16 = 1819;

/// What became of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AccountOutcome {
    /// It was made.
    Created,
    /// It existed and is the same.
    Same,
    /// It exists and differs, and was left as it is.
    Differs,
    /// It existed and differed, and is as it was.
    Replaced,
    /// It existed, and has got what it lacked.
    Completed,
    /// It is never touched: the account that restores, root@localhost.
    Left,
    /// It could not be restored, and is as it was before.
    Failed,
}

/// An account, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AccountReport {
    /// The account, `user@host`, or the role.
    pub account: AccountName,
    /// What became of it.
    pub outcome: AccountOutcome,
    /// How it differs from the backup's, where it was left; or why it could not be restored.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
    /// Statements that it still needs: what they are about is not there yet.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub put_off: Vec<String>,
}

/// A restore of accounts that was made.
#[derive(Debug, Clone, Serialize)]
pub struct AccountsReport {
    /// The backup.
    pub backup: String,
    /// The accounts that were meant.
    pub accounts: Vec<AccountReport>,
    /// Roles whose administrator is the account that has restored, because nobody else is.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub administered: Vec<String>,
    /// How long it took, in seconds.
    pub seconds: f64,
}

impl AccountsReport {
    /// Those of which rights are put off, because what they are on is not there yet.
    pub fn waiting(&self) -> BTreeSet<AccountName> {
        let waiting = self.accounts.iter().filter(|account| !account.put_off.is_empty());
        waiting.map(|account| account.account.clone()).collect()
    }

    /// That some could not be restored, where it is so.
    ///
    /// # Errors
    /// [`Error::AccountsNotRestored`].
    pub fn check(&self) -> Result<()> {
        let failed = self.accounts.iter().filter(|account| account.outcome == AccountOutcome::Failed);
        let problems: Vec<String> =
            failed.map(|account| format!("{}: {}", account.account, account.reasons.join(", "))).collect();
        if problems.is_empty() { Ok(()) } else { Err(not_restored(problems)) }
    }
}

pub(super) fn not_restored(problems: Vec<String>) -> Error {
    Error::AccountsNotRestored {
        problems,
        remedy: "remove the cause and run it again: accounts that are there as the backup has them are left"
            .into(),
    }
}

/// One account on its way.
pub(super) struct Progressing {
    pub(super) task: Task,
    /// Whether a statement about it was sent.
    pub(super) is_begun: bool,
    /// What it shall be in the end, without what was put off.
    intended: Account,
    put_off: Vec<String>,
    /// Why it failed.
    failure: Option<String>,
}

impl PreparedAccounts<'_> {
    /// Carries it out. An account that the server refuses does not keep the others back: it is taken back, and the report
    /// says why; [`AccountsReport::check`] makes an error of it.
    ///
    /// # Errors
    /// The connection breaks, or a signal arrives: what was made is taken back, and what could not be is named.
    pub fn run(self, context: &Context) -> Result<AccountsReport> {
        let begun = Instant::now();
        let Self { server, us, us_in_backup, tasks, plan, .. } = self;
        let mut all: Vec<Progressing> = tasks
            .into_iter()
            .map(|task| Progressing {
                intended: task.wanted.clone(),
                task,
                is_begun: false,
                put_off: Vec::new(),
                failure: None,
            })
            .collect();
        let mut connection = server.connect(Role::Single, None, DOING, &context.cancel)?;
        // Each statement is short, and what is begun is to be taken back in order.
        connection.outlast_signals();
        lock(&mut connection)?;
        let carried_out = carry_out(&mut connection, &mut all, context).and_then(|()| {
            let now = server.all_accounts(&context.cancel)?.all;
            compare(&mut all, &now);
            Ok(now)
        });
        let now = match carried_out {
            Ok(now) => now,
            Err(cause) => {
                let undoing: Vec<Undoing<'_>> =
                    all.iter().filter(|one| one.is_begun).map(Progressing::undoing).collect();
                let left = take_back(server, &undoing);
                return Err(if left.is_empty() {
                    cause
                } else {
                    not_restored([vec![cause.to_string()], left].concat())
                });
            }
        };
        let failed: Vec<Undoing<'_>> = all
            .iter()
            .filter(|one| one.is_begun && one.failure.is_some())
            .map(Progressing::undoing)
            .collect();
        let left = take_back(server, &failed);
        let administered = give_back(&mut connection, &all, &now, &us, us_in_backup.as_ref());
        let accounts = all.into_iter().map(Progressing::report).collect();
        let report =
            AccountsReport { backup: plan.backup, accounts, administered, seconds: seconds_since(begun) };
        if !left.is_empty() {
            let failed = report.accounts.iter().filter(|one| one.outcome == AccountOutcome::Failed);
            let failed = failed.map(|one| format!("{}: {}", one.account, one.reasons.join(", "))).collect();
            return Err(not_restored([failed, left].concat()));
        }
        Ok(report)
    }
}

/// Two restores of accounts at once would count each other's for their own.
fn lock(connection: &mut Connection) -> Result<()> {
    let sql = format!("SELECT GET_LOCK('{}', {})", restore_lock(LOCKED), LETTING_GO.as_secs());
    let rows = connection.rows(&sql, DOING)?;
    match rows.first().and_then(|row| row.first()).map(String::as_str) {
        Some("1") => Ok(()),
        _ => Err(Error::Busy { database: LOCKED.into() }),
    }
}

/// Sends the statements of all accounts, stage by stage.
fn carry_out(connection: &mut Connection, all: &mut [Progressing], context: &Context) -> Result<()> {
    let mut steps: Vec<(usize, Step)> = Vec::new();
    for (index, one) in all.iter().enumerate() {
        let acts = matches!(
            one.task.action,
            AccountAction::Create | AccountAction::Replace | AccountAction::Complete
        );
        if acts {
            steps.extend(
                self::steps(one.task.before.as_ref(), &one.task.wanted).into_iter().map(|step| (index, step)),
            );
        }
    }
    steps.sort_by_key(|(_, step)| step.stage);
    context.progress.begin(DOING, steps.len() as u64);
    let mut lost: BTreeSet<AccountName> = BTreeSet::new();
    for (index, step) in steps {
        context.cancel.check()?;
        context.progress.advance(1);
        let one = &mut all[index];
        if one.failure.is_some() {
            continue;
        }
        if let Some(role) = step.needs.as_ref().filter(|role| lost.contains(role)) {
            one.failure = Some(format!("it needs {role}, which could not be restored"));
            lost.insert(one.task.wanted.name.clone());
            continue;
        }
        one.is_begun = true;
        let Err(error) = connection.execute(&step.sql, DOING) else { continue };
        let Some(number) = error.number() else { return Err(error) };
        let is_there = !step.object.as_ref().is_some_and(Object::must_exist) || !NOT_THERE.contains(&number);
        if is_there {
            // What the server did not make is not ours to take back: somebody else may have made it meanwhile.
            one.is_begun &= one.task.action != AccountAction::Create || !is_about_identity(&step);
            one.failure = Some(reason(&error, number, &step));
            lost.insert(one.task.wanted.name.clone());
        } else {
            one.put_off(step);
        }
    }
    Ok(())
}

/// Why a statement was refused. What a server quotes of one may be a secret.
fn reason(error: &Error, number: u16, step: &Step) -> String {
    let said = error.refusal().unwrap_or_default();
    let what = &step.what;
    let remedy = match number {
        NO_PLUGIN => " (install the plugin, then run it again)",
        1698 if step.needs.is_some() => {
            " (only who has ADMIN OPTION on a role may grant it: log in as one who has)"
        }
        STRICT if is_about_identity(step) => {
            " (SET GLOBAL strict_password_validation=OFF while accounts are restored: a hash cannot be held against the rules for passwords)"
        }
        WEAK => {
            " (its password, or that it has none, is against the rules here: uninstall the plugin that has them while accounts are restored)"
        }
        _ => "",
    };
    format!("{what} was refused: {}{remedy}", blank_quoted(&said))
}

/// Holds what is there now against what it shall be.
fn compare(all: &mut [Progressing], now: &BTreeMap<AccountName, Account>) {
    for one in all.iter_mut().filter(|one| one.is_begun && one.failure.is_none()) {
        let name = &one.intended.name;
        let nothing = Account::new(name.clone(), None);
        let is_gone = !name.is_public() && !now.contains_key(name);
        let differs = differences(now.get(name).unwrap_or(&nothing), &one.intended);
        if is_gone {
            one.failure = Some("it is not there afterwards".into());
        } else if !differs.is_empty() {
            one.failure = Some(format!("it is not as the backup has it: {}", differs.join(", ")));
        }
    }
    // What has a role that goes again is not as the backup has it either.
    loop {
        let failed = all.iter().filter(|one| one.failure.is_some());
        let failed: BTreeSet<AccountName> = failed.map(|one| one.intended.name.clone()).collect();
        let needs = |one: &Progressing| one.intended.roles.keys().find(|role| failed.contains(role)).cloned();
        let next = all.iter_mut().find_map(|one| {
            let role = needs(one).filter(|_| one.is_begun && one.failure.is_none())?;
            Some((one, role))
        });
        let Some((one, role)) = next else { return };
        one.failure = Some(format!("it needs {role}, which could not be restored"));
    }
}

/// Gives roles back that our account got because it made them, where somebody else administers them.
fn give_back(
    connection: &mut Connection,
    all: &[Progressing],
    now: &BTreeMap<AccountName, Account>,
    us: &AccountName,
    us_in_backup: Option<&Account>,
) -> Vec<String> {
    let mut kept = Vec::new();
    for one in all.iter().filter(|one| one.task.action == AccountAction::Create && one.failure.is_none()) {
        let role = &one.intended.name;
        let is_ours = now.get(us).is_some_and(|us| us.roles.contains_key(role));
        if one.intended.identity.is_some() || !is_ours {
            continue;
        }
        if us_in_backup.is_some_and(|us| us.roles.get(role) == Some(&true)) {
            continue;
        }
        let mut others = now.iter().filter(|(name, _)| *name != us);
        if others.any(|(_, account)| account.roles.get(role) == Some(&true)) {
            if let Err(error) = connection.execute(&surrender(role, us), DOING) {
                log::warn!(code = crate::notice::LEFT_BEHIND.code; "{us} keeps the role {role}, which it has made: {error}");
            }
        } else {
            kept.push(role.to_string());
        }
    }
    kept
}

impl Progressing {
    /// Leaves a right out until what it is on is there.
    fn put_off(&mut self, step: Step) {
        let Some(object) = &step.object else { return };
        match self.task.before.as_ref().and_then(|before| before.held.get(object)) {
            Some(before) => self.intended.held.insert(object.clone(), before.clone()),
            None => self.intended.held.remove(object),
        };
        self.put_off.push(step.sql);
    }

    fn undoing(&self) -> Undoing<'_> {
        Undoing { wanted: &self.task.wanted, before: self.task.before.as_ref() }
    }

    fn report(self) -> AccountReport {
        let Self { task, put_off, failure, .. } = self;
        let outcome = match (&failure, task.action) {
            (Some(_), _) => AccountOutcome::Failed,
            (None, AccountAction::Create) => AccountOutcome::Created,
            (None, AccountAction::Same) => AccountOutcome::Same,
            (None, AccountAction::Differs) => AccountOutcome::Differs,
            (None, AccountAction::Replace) => AccountOutcome::Replaced,
            (None, AccountAction::Complete) => AccountOutcome::Completed,
            (None, AccountAction::Left) => AccountOutcome::Left,
        };
        let differs =
            || task.before.as_ref().map(|before| differences(before, &task.wanted)).unwrap_or_default();
        let reasons = match outcome {
            AccountOutcome::Failed => failure.into_iter().collect(),
            AccountOutcome::Differs => differs(),
            _ => Vec::new(),
        };
        let put_off = if outcome == AccountOutcome::Failed { Vec::new() } else { put_off };
        AccountReport { account: task.wanted.name, outcome, reasons, put_off }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::progress::{Cancel, Progress};
    use crate::restore::accounts::plan::AccountsPlan;
    use crate::server::accounts::{Statement, parse_account_statement};
    use crate::server::{Answer, Fake, ServerClient};

    /// What the server has in its table of accounts: one, with this hash.
    fn there(hash: &str) -> Answer {
        let said = format!(r#"{{"plugin":"x","authentication_string":"{hash}"}}"#);
        Answer::rows(&[&["u", "%", &said]])
    }

    /// Restores an account that is not there. Returns the outcome, and which statements drop something.
    fn run<const N: usize>(script: [(&str, &[Answer]); N]) -> (Result<AccountsReport>, Vec<String>) {
        let fake: Arc<Fake> = Fake::new(script);
        let server: ServerClient = fake.client(0);
        let read = |text: &str| parse_account_statement(text.as_bytes()).unwrap();
        let Statement::CreateUser(name, identity) =
            read("CREATE USER IF NOT EXISTS `u`@`%` IDENTIFIED VIA x USING 'hash'")
        else {
            panic!("an account")
        };
        let mut wanted = Account::new(name, Some(identity));
        assert!(wanted.add(read("GRANT SELECT ON `d`.`t` TO `u`@`%`")));
        assert!(wanted.add(read("GRANT INSERT ON `d`.* TO `u`@`%`")));
        let task = Task { action: AccountAction::Create, before: None, wanted };
        let plan = AccountsPlan {
            backup: "accounts.sql.gz".into(),
            store: "/store".into(),
            started_at: crate::manifest::now(),
            accounts: Vec::new(),
            findings: Vec::new(),
        };
        let us = AccountName::account("root", "localhost");
        let prepared = PreparedAccounts { server: &server, us, tasks: vec![task], us_in_backup: None, plan };
        let context = Context { jobs: 1, progress: Progress::default(), cancel: Cancel::default() };
        (prepared.run(&context), fake.sent("DROP"))
    }

    const LOCK: (&str, &[Answer]) = ("GET_LOCK", &[]);

    fn lock() -> [Answer; 1] {
        [Answer::rows(&[&["1"]])]
    }

    #[test]
    fn one_that_came_meanwhile_is_not_taken_for_ours() {
        let (lock, there) = (lock(), [there("of somebody else")]);
        let script: [(&str, &[Answer]); 3] =
            [("GET_LOCK", &lock), ("CREATE USER", &[Answer::Refused(1396)]), ("global_priv", &there)];
        let (report, dropped) = run(script);
        assert_eq!(report.unwrap().accounts[0].outcome, AccountOutcome::Failed);
        assert!(dropped.is_empty(), "{dropped:?}");
        // Where the answer was lost, the hash tells.
        let script: [(&str, &[Answer]); 3] =
            [("GET_LOCK", &lock), ("CREATE USER", &[Answer::Cut]), ("global_priv", &there)];
        let (report, dropped) = run(script);
        assert!(report.unwrap_err().to_string().contains("u@% is there, and is not as it was made"));
        assert!(dropped.is_empty(), "{dropped:?}");
    }

    #[test]
    fn one_that_fails_is_taken_back() {
        let (lock, there) = (lock(), [there("hash")]);
        for (refused, fails) in [(Answer::Refused(1142), false), (Answer::Cut, true)] {
            let script: [(&str, &[Answer]); 3] =
                [("GET_LOCK", &lock), ("GRANT INSERT", &[refused]), ("global_priv", &there)];
            let (report, dropped) = run(script);
            assert_eq!(report.is_err(), fails);
            assert_eq!(dropped, ["DROP USER `u`@`%`"]);
        }
    }

    #[test]
    fn what_is_not_there_yet_is_put_off() {
        let (lock, there) = (lock(), [there("hash")]);
        let grants = [Answer::rows(&[&["GRANT INSERT ON `d`.* TO `u`@`%`"]])];
        let script: [(&str, &[Answer]); 4] = [
            ("GET_LOCK", &lock),
            ("GRANT SELECT", &[Answer::Refused(1146)]),
            ("global_priv", &there),
            ("SHOW GRANTS", &grants),
        ];
        let (report, dropped) = run(script);
        let account = report.unwrap().accounts.remove(0);
        assert_eq!(account.outcome, AccountOutcome::Created, "{account:?}");
        assert_eq!(account.put_off, ["GRANT SELECT ON `d`.`t` TO `u`@`%`"]);
        assert!(dropped.is_empty(), "{dropped:?}");
    }

    #[test]
    fn two_at_once_are_one_too_many() {
        let (report, _) = run([LOCK]);
        assert!(matches!(report, Err(Error::Busy { .. })));
    }
}
