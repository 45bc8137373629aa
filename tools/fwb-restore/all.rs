//! A whole server back by one command: each of its databases from the store, one after the other.

use std::collections::BTreeSet;

use clap::builder::NonEmptyStringValueParser;
use fwb::{
    AccountChoice, Error, FailedRestore, Listing, NamePattern, Report, Result, Selection, ServerClient,
    Store, Timestamp,
};
use fwb_age::Age;
use fwb_cli::{Outcome, Session};
use fwb_mysql::Protocol;
use fwb_stores::ObjectStores;

use super::{Args, OnRecord, accounts, meant, options_of};

/// Which databases come back, and as they were when.
#[derive(Debug, clap::Args)]
pub(crate) struct AllArgs {
    /// Restore every database of the server that the store has, in the order of their needs
    ///
    /// Of each it is the newest proved backup; those of the newest run of fwb-dump over several databases come first, because they
    /// are of one moment. -B with a name or a pattern takes these alone, and --server-id says whose they are where the store has
    /// backups of several servers. Accounts that do not exist come first, where fwb-dump --accounts has backed them up and no -B is
    /// given; rights on what was not there yet are given at the end. A database that fails does not keep the others from coming back, and is named at the end.
    #[arg(long, help_heading = "Whole server", conflicts_with_all = ["accounts", "accounts_of", "backup", "file", "tables", "undo", "drop_before", "keep_before", "older_than", "until", "before", "skip", "log", "prove_tables", "damaged", "stdout"])]
    pub(crate) all: bool,

    /// With --all: leave out this database, or those that match this pattern; may be given several times
    #[arg(long, value_name = "PATTERN", help_heading = "Whole server", requires = "all", value_parser = NonEmptyStringValueParser::new())]
    exclude_database: Vec<String>,

    /// With --all: as they were at this time
    #[arg(long, value_name = "WHEN", help_heading = "Whole server", requires = "all", value_parser = |text: &str| fwb_cli::parse_at(text, fwb::now()))]
    at: Option<Timestamp>,
}

/// Restores all.
pub(crate) fn restore(args: &Args, session: &Session) -> Result<Outcome> {
    let context = session.context();
    let store = Store::open(&args.store.location()?, &ObjectStores, &context.cancel)?
        .with_identities(args.identity.identities(&Age, session));
    let server = ServerClient::new(&args.server.to_domain()?, &Protocol)?;
    let listing = Listing::read(&store, &context.cancel)?;
    let selection = Selection {
        databases: args.database.iter().map(NamePattern::new).collect(),
        server: args.server.server_id.clone(),
        at: args.all.at,
        now: Some(fwb::now()),
        ..Selection::default()
    };
    let excluded: Vec<NamePattern> = args.all.exclude_database.iter().map(NamePattern::new).collect();
    let whole = listing.whole_server(&selection, &excluded)?;
    let mut failed: Vec<(String, Box<Error>)> = Vec::new();
    let mut unread = |database: &str, error: Error| {
        session.tell(&error);
        failed.push((database.to_owned(), Box::new(error)));
    };
    let plan = fwb::plan_whole(&store, &server, &whole, &mut unread, context)?;
    let mut out = session.answers(args.format)?;
    if args.dry_run {
        out.write(&plan, |page| fwb_cli::whole_planned(&plan, page))?;
        return end(plan.databases.len(), failed);
    }
    if !meant(args, &fwb_cli::whole_planned(&plan, &session.page().unpainted()), session)? {
        return Ok(Outcome::Failed(fwb::ErrorClass::Failure));
    }
    for database in &plan.without {
        let error = Error::NothingFound(format!("no backup of {database} is whole and proved"));
        session.tell(&error);
        failed.push((database.clone(), Box::new(error)));
    }
    for (database, error) in &failed {
        out.write(&FailedRestore::of(database, error), |_| String::new())?;
    }
    let of = plan.databases.len() + failed.len();
    let mut waiting = BTreeSet::new();
    if let Some(name) = &plan.accounts {
        let all = (name.as_str(), AccountChoice::All);
        let with = (&args.accounts, &mut out, session);
        if let Err(error) = accounts::of_server(&store, &server, all, &mut waiting, with) {
            context.cancel.check()?;
            session.tell(&error);
            failed.push(("accounts".to_owned(), Box::new(error)));
        }
    }
    let options = fwb::RestoreOptions { database: None, ..options_of(args, String::new(), session)? };
    let on_record = std::cell::RefCell::new(None::<OnRecord>);
    let mut begin = |database: &str, backup: &str| {
        let mut record = OnRecord::new("restore", store.location(), Some(backup), Some(database))?;
        record.begin();
        on_record.replace(Some(record));
        Ok(())
    };
    let mut each = |database: &str, restored: Result<Report>| {
        let record = match on_record.take() {
            Some(record) => record,
            None => OnRecord::new("restore", store.location(), None, Some(database))?,
        };
        match record.end(restored) {
            Ok(report) => out.write(&report, |page| fwb_cli::restored(&report, page)),
            Err(error) => {
                session.tell(&error);
                let told = FailedRestore::of(database, &error);
                failed.push((database.to_owned(), Box::new(error)));
                out.write(&told, |_| String::new())
            }
        }
    };
    fwb::restore_whole(&store, &server, &plan, &options, context, (&mut begin, &mut each))
        .inspect_err(|_| accounts::tell_of_waiting(&waiting))?;
    if let (Some(name), false) = (&plan.accounts, waiting.is_empty()) {
        let these = (name.as_str(), AccountChoice::Exactly(waiting.clone()));
        let with = (&args.accounts, &mut out, session);
        if let Err(error) = accounts::of_server(&store, &server, these, &mut waiting, with) {
            context.cancel.check()?;
            session.tell(&error);
            failed.push(("accounts".to_owned(), Box::new(error)));
        }
    }
    end(of, failed)
}

fn end(of: usize, failed: Vec<(String, Box<Error>)>) -> Result<Outcome> {
    if failed.is_empty() { Ok(Outcome::Done) } else { Err(Error::NotAll { done: "restored", of, failed }) }
}
