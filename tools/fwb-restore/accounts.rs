//! A restore of accounts: those of an artifact that `fwb-dump --accounts` has made.

use std::collections::BTreeSet;

use fwb::{
    AccountChoice, AccountName, AccountOutcome, AccountsPlan, AccountsReport, Error, ErrorClass, Kind,
    Listing, Location, RestoreAccounts, Result, Selection, ServerClient, Store,
};
use fwb_age::Age;
use fwb_cli::{Answers, Outcome, Session};
use fwb_mysql::Protocol;
use fwb_stores::ObjectStores;

use super::{Args, OnRecord, manifests, meant, one_of};

/// What no restore of accounts takes.
const OF_DATABASES: [&str; 17] = [
    "database",
    "tables",
    "strategy",
    "undo",
    "drop_before",
    "keep_before",
    "older_than",
    "prove",
    "prove_tables",
    "damaged",
    "allow_outside",
    "no_safety_backup",
    "stdout",
    "until",
    "before",
    "skip",
    "log",
];

/// Which accounts are meant, and what is done with those that exist.
#[derive(Debug, clap::Args)]
pub(crate) struct AccountsArgs {
    /// Restore accounts instead of a database: those that do not exist, all or these
    ///
    /// BACKUP is one that fwb-dump --accounts has made; by default the newest in the store. NAMES are user@host, user or a role;
    /// the roles that they have come with them. An account that exists is left as it is; the account that restores and
    /// root@localhost always are.
    #[arg(long, value_name = "NAMES", num_args = 0..=1, require_equals = true, value_delimiter = ',')]
    #[arg(help_heading = "Accounts")]
    accounts: Option<Vec<String>>,

    /// As --accounts, those that this database needs: whom its programs run as, and who has rights in it
    #[arg(long, value_name = "DATABASE", conflicts_with = "accounts", help_heading = "Accounts")]
    accounts_of: Option<String>,

    /// Change accounts that exist and differ, so that they are as in the backup
    #[arg(long, help_heading = "Accounts")]
    replace_accounts: bool,

    /// Give accounts that exist what they lack, where they differ by nothing else
    ///
    /// Such as rights on tables and programs that were not there when the accounts were restored.
    #[arg(long, help_heading = "Accounts")]
    missing_grants: bool,
}

impl AccountsArgs {
    /// Which accounts are meant; none where a database is to be restored.
    pub(crate) fn choice(&self) -> Result<Option<AccountChoice>> {
        let named = |names: &Vec<String>| {
            if names.is_empty() { AccountChoice::All } else { AccountChoice::Named(names.clone()) }
        };
        let of = || self.accounts_of.clone().map(AccountChoice::OfDatabase);
        match self.accounts.as_ref().map(named).or_else(of) {
            None if self.replace_accounts || self.missing_grants => Err(Error::Usage {
                message: "--replace-accounts and --missing-grants are for accounts".into(),
                hint: Some("add --accounts".into()),
            }),
            choice => Ok(choice),
        }
    }
}

/// Restores accounts.
pub(crate) fn restore(args: &Args, choice: AccountChoice, session: &Session) -> Result<Outcome> {
    if let Some(option) = session.given(&OF_DATABASES).first() {
        return Err(Error::usage(format!("{option} is for databases, and --accounts restores accounts")));
    }
    let cancel = &session.context().cancel;
    let addressed = args.server.to_domain()?;
    let (location, name) = match named(args, session)? {
        Some((location, name)) => (location, Some(name)),
        None => (args.store.location()?, None),
    };
    let store = Store::open(&location, &ObjectStores, cancel)?
        .with_identities(args.identity.identities(&Age, session));
    let name = match name {
        Some(name) => name,
        None => {
            let server = args.server.identity(&addressed, &Protocol, cancel)?.id;
            let selection = Selection {
                kinds: vec![Kind::Accounts],
                server,
                latest: true,
                now: Some(fwb::now()),
                ..Selection::default()
            };
            let listing = Listing::read(&store, cancel)?;
            listing.select(&selection)?.first().map(|newest| newest.name.clone()).unwrap_or_default()
        }
    };
    let options = RestoreAccounts {
        name,
        choice,
        replace: args.accounts.replace_accounts,
        missing_grants: args.accounts.missing_grants,
    };
    let server = ServerClient::new(&addressed, &Protocol)?;
    let mut out = session.answers(args.format)?;
    let mut on_record = OnRecord::new("restore", store.location(), Some(&options.name), None)?;
    let prepared = fwb::prepare_accounts(&store, &server, &options, session.context());
    let prepared = match prepared {
        Ok(prepared) => prepared,
        Err(error) if args.dry_run => return Err(error),
        Err(error) => return on_record.end(Err(error)),
    };
    let plan = prepared.plan();
    if args.dry_run {
        out.write(plan, |page| fwb_cli::accounts_planned(plan, page))?;
        return Ok(Outcome::Done);
    }
    warn(plan);
    let what = fwb_cli::accounts_planned(plan, &session.page().unpainted());
    if plan.does_something() && !meant(args, &what, session)? {
        return Ok(Outcome::Failed(ErrorClass::Failure));
    }
    if plan.does_something() {
        on_record.begin();
    }
    let report = match prepared.run(session.context()) {
        Ok(report) => report,
        Err(error) => return on_record.end(Err(error)),
    };
    let checked = on_record.end(report.check());
    tell(&report);
    out.write(&report, |page| fwb_cli::accounts_restored(&report, page))?;
    checked.map(|()| Outcome::Done)
}

/// What is otherwise on the server than it was on the backup's.
fn warn(plan: &AccountsPlan) {
    for finding in &plan.findings {
        log::warn!(code = finding.code; "{} ({})", finding.message, finding.remedy);
    }
}

/// Restores accounts of a server that comes back as a whole: those that do not exist; or, of exactly those that are named, the
/// rights that had to wait. Puts those into `waiting` whose rights have to, because what they are on is not there yet: also
/// where others could not be restored.
pub(crate) fn of_server(
    store: &Store,
    server: &ServerClient,
    (name, choice): (&str, AccountChoice),
    waiting: &mut BTreeSet<AccountName>,
    (args, out, session): (&AccountsArgs, &mut Answers, &Session),
) -> Result<()> {
    let is_second = matches!(choice, AccountChoice::Exactly(_));
    let options = RestoreAccounts {
        name: name.to_owned(),
        choice,
        replace: args.replace_accounts && !is_second,
        missing_grants: args.missing_grants || is_second,
    };
    let mut on_record = OnRecord::new("restore", store.location(), Some(name), None)?;
    let prepared = fwb::prepare_accounts(store, server, &options, session.context());
    let prepared = match prepared.inspect_err(|_| tell_of_waiting(waiting)) {
        Ok(prepared) => prepared,
        Err(error) => return on_record.end(Err(error)),
    };
    if !is_second {
        warn(prepared.plan());
    }
    if prepared.plan().does_something() {
        on_record.begin();
    }
    let report = match prepared.run(session.context()).inspect_err(|_| tell_of_waiting(waiting)) {
        Ok(report) => report,
        Err(error) => return on_record.end(Err(error)),
    };
    *waiting = report.waiting();
    let checked = on_record.end(report.check());
    if is_second {
        tell(&report);
    } else {
        tell_of_others(&report);
    }
    out.write(&report, |page| fwb_cli::accounts_restored(&report, page))?;
    checked
}

/// That rights of these are put off still, where the restore of a server did not come so far as to give them.
pub(crate) fn tell_of_waiting(waiting: &BTreeSet<AccountName>) {
    if !waiting.is_empty() {
        let count = waiting.len();
        log::warn!(code = CODE; "rights of {count} accounts are put off, because what they are on was not there; once it is: fwb-restore --accounts --missing-grants");
    }
}

/// The backup that was named, or whose manifest came in.
fn named(args: &Args, session: &Session) -> Result<Option<(Location, String)>> {
    match args.backup.as_deref().or(args.file.as_deref()) {
        Some(backup) => fwb_cli::place(backup, &args.store).map(Some),
        None => one_of(&manifests(session)?.unwrap_or_default(), args, session),
    }
}

const CODE: &str = fwb::notice::ACCOUNTS_LEFT.code;

/// Which accounts were left as they are.
fn tell_of_others(report: &AccountsReport) {
    for account in report.accounts.iter().filter(|account| account.outcome == AccountOutcome::Differs) {
        log::warn!(code = CODE; "{} exists, differs and was left as it is: {}", account.account, account.reasons.join(", "));
    }
}

/// What an operator should know who does not read the report.
fn tell(report: &AccountsReport) {
    tell_of_others(report);
    let put_off: usize = report.accounts.iter().map(|account| account.put_off.len()).sum();
    if put_off > 0 {
        log::warn!(code = CODE; "{put_off} grants are put off, because what they are on is not there yet; once it is: fwb-restore --accounts --missing-grants");
    }
    for role in &report.administered {
        log::warn!(code = CODE; "the role {role} has no administrator but the account that has restored it");
    }
}
