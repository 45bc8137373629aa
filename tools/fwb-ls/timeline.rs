//! What can be reached by backups and the log, and the log's transactions.

use chrono::TimeDelta;
use fwb::{Error, Listing, Location, NamePattern, Result, Store, TransactionFilter};
use fwb_age::Age;
use fwb_cli::{Outcome, Session};
use fwb_stores::ObjectStores;

use crate::{Args, Format, format};

/// How much before and after a moment is shown.
const AROUND: TimeDelta = TimeDelta::minutes(5);

/// Prints what can be reached of each database.
pub(crate) fn timeline(args: &Args, session: &Session) -> Result<Outcome> {
    let cancel = &session.context().cancel;
    let listing = Listing::read(&open(args, &args.store.location()?, session)?, cancel)?;
    let timelines = fwb::timelines(&listing, one(args)?, cancel)?;
    if timelines.is_empty() {
        return Err(Error::NothingFound("the store has no backup of that database".into()));
    }
    let (mut out, page) = (session.records()?.collecting(), session.page());
    for timeline in &timelines {
        match format(args, session) {
            Format::Jsonl => out.write_json(timeline)?,
            Format::Table => out.write_text(&fwb_cli::timeline(timeline, fwb::now(), &page))?,
        }
    }
    out.finish()?;
    Ok(Outcome::Done)
}

/// Prints transactions of the log.
pub(crate) fn transactions(args: &Args, session: &Session) -> Result<Outcome> {
    let store = open(args, &args.store.location()?, session)?;
    let filter = TransactionFilter {
        database: one(args)?.map(str::to_owned),
        from: args.around.map(|at| at - AROUND).or(args.since),
        until: args.around.map(|at| at + AROUND).or(args.at),
        statement: args.statement.clone(),
    };
    let (mut out, page) = (session.records()?, session.page());
    let form = format(args, session);
    let mut found = false;
    fwb::transactions(&store, &filter, &session.context().cancel, &mut |transaction| {
        found = true;
        match form {
            Format::Jsonl => out.write_json(&transaction),
            Format::Table => out.write_text(&fwb_cli::transaction(&transaction, &page)),
        }
    })?;
    if !found {
        return Err(Error::NothingFound("the log has no such transaction".into()));
    }
    Ok(Outcome::Done)
}

/// The one database that is named; none: all are meant.
fn one(args: &Args) -> Result<Option<&str>> {
    match &args.database[..] {
        [] => Ok(None),
        [one] if !NamePattern::new(one).is_pattern() => Ok(Some(one)),
        _ => Err(Error::usage("one database at a time: -B takes one name here, and no pattern")),
    }
}

fn open(args: &Args, place: &Location, session: &Session) -> Result<Store> {
    let store = Store::open(place, &ObjectStores, &session.context().cancel)?;
    Ok(store.with_identities(args.identity.identities(&Age, session)))
}
