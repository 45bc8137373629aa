//! Choosing among the backups of a store: which ones an operator means, which of them are damaged, and whether
//! the proved ones are fresh. All of it is a function of a [`Listing`] that was read once, so that what is shown,
//! what is warned about and what is judged are the same moment.

mod whole;

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use chrono::{SecondsFormat, TimeDelta};

use crate::error::{Error, ErrorClass, Result};
use crate::identity::{Facts, Owner, ServerName, belongings};
use crate::manifest::{Kind, Manifest, Timestamp, is_in_the_future};
use crate::progress::Cancel;
use crate::server::NamePattern;
use crate::store::{BackupSummary, Store};

pub use whole::WholeServer;

/// How many names a message tells before it says how many more there are.
const NAMES_TOLD: usize = 8;

/// What a store holds.
#[derive(Debug)]
pub struct Listing {
    store: Store,
    /// Its backups, oldest first.
    pub entries: Vec<BackupSummary>,
    /// Why others cannot be read at all.
    pub unreadable: Vec<Error>,
}

/// Which backups are meant.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Of these kinds; where none is named, of all kinds, or `full` where one backup is asked for.
    pub kinds: Vec<Kind>,
    /// Of these databases, by any name that their server takes for the same; none: of all. Where one backup is asked for, and several
    /// databases are named or a pattern is, it is one of each.
    pub databases: Vec<NamePattern>,
    /// Of the server with this name or address.
    pub server: Option<ServerName>,
    /// Begun at or after this moment.
    pub since: Option<Timestamp>,
    /// Begun at or before this moment; the newest such, and exactly one.
    pub at: Option<Timestamp>,
    /// Proved.
    pub verified: bool,
    /// The newest of all that the rest admits, and exactly one.
    pub latest: bool,
    /// The present moment, where it is known: a backup that is dated after it is the newest only if there is no other.
    pub now: Option<Timestamp>,
}

impl Listing {
    /// Reads a store. Nothing is locked: backups that come and go meanwhile are in it or not.
    ///
    /// # Errors
    /// The directory cannot be read, or a signal arrived.
    pub fn read(store: &Store, cancel: &Cancel) -> Result<Self> {
        let (mut entries, unreadable) = store.list(cancel)?;
        settle(&mut entries, crate::manifest::now());
        Ok(Self { store: store.clone(), entries, unreadable })
    }

    /// The store that was read.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// A backup's manifest as it is handed on; none where it has been deleted meanwhile.
    ///
    /// # Errors
    /// It cannot be read any more.
    pub fn record(&self, summary: &BackupSummary) -> Result<Option<Manifest>> {
        self.store.manifest_of(summary, None)
    }

    /// The other servers with backups of the same database, where this backup is the first of its own: a server that is
    /// addressed in another way than before looks so too.
    pub fn others_before(&self, name: &str) -> Vec<String> {
        let Some(first) = self.entries.iter().find(|entry| entry.name == name) else { return Vec::new() };
        let same = |entry: &&BackupSummary| entry.belonging.database == first.belonging.database;
        let owners = || self.entries.iter().filter(same).map(BackupSummary::owner);
        if owners().filter(|owner| *owner == first.owner()).count() > 1 {
            return Vec::new();
        }
        let others: BTreeSet<&Owner> = owners().filter(|owner| *owner != first.owner()).collect();
        others.into_iter().filter(|owner| **owner != Owner::Unknown).map(Owner::to_string).collect()
    }

    /// The backups that `selection` means, in the order of the listing.
    ///
    /// Where one backup is asked for (`latest`, `at`), those that are not there whole are passed over.
    ///
    /// # Errors
    /// [`Error::NothingFound`] when one backup is asked for and there is none; a usage error when it could be of
    /// several databases or servers.
    pub fn select(&self, selection: &Selection) -> Result<Vec<&BackupSummary>> {
        let admitted = self.entries.iter().filter(|entry| selection.admits(entry));
        if !selection.asks_for_one() {
            return Ok(admitted.collect());
        }
        let whole = || admitted.clone().filter(|entry| entry.problems.is_empty());
        let (future, present): (Vec<_>, Vec<_>) = whole().partition(|entry| selection.is_too_late(entry));
        let mut newest = newest_of_each(present.into_iter());
        for entry in &future {
            let (name, date) = (&entry.name, entry.started_at.to_rfc3339());
            log::warn!(code = crate::notice::DATED_AHEAD.code; "{name} is dated in the future, {date}: a clock was wrong then, or is now");
        }
        for (place, entry) in newest_of_each(future.into_iter()) {
            newest.entry(place).or_insert(entry);
        }
        if newest.is_empty() {
            return Err(self.nothing(selection));
        }
        selection.check_whether_clear(&newest)?;
        if let Some(name) = selection.without_any(&newest).next() {
            let only = Selection { databases: vec![name.clone()], ..selection.clone() };
            return Err(self.nothing(&only));
        }
        Ok(newest.into_values().collect())
    }

    /// Logs a warning for each backup that is damaged, lost or unreadable, as far as the selection concerns it.
    pub fn warn_of_damage(&self, selection: &Selection) {
        for entry in self.damaged(selection) {
            log::warn!(code = crate::notice::OTHER.code; "{}: {}", entry.name, entry.problems.join("; "));
        }
        for error in &self.unreadable {
            log::warn!(code = crate::notice::OTHER.code; "{error}");
        }
    }

    /// The backups within the selection's kinds, database and times that are damaged or lost. One whose database
    /// is not known any more may be of any.
    fn damaged<'a>(&'a self, selection: &'a Selection) -> impl Iterator<Item = &'a BackupSummary> {
        let concerns = |entry: &&BackupSummary| {
            !entry.problems.is_empty()
                && selection.covers(entry)
                && (entry.database.is_none() || selection.is_of_database(entry))
                && (*entry.owner() == Owner::Unknown || selection.is_of_server(entry))
        };
        self.entries.iter().filter(concerns)
    }

    /// Checks that every database of every server with a backup of the selected kinds (`full` where none is named) has a
    /// proved one among those selected that began at most `max_age` before `now`. One that is dated so far into the
    /// future is not fresh either: it would hide for years that no other is made.
    ///
    /// # Errors
    /// [`Error::NotProved`], naming the databases without one.
    pub fn check_freshness(&self, selection: &Selection, max_age: TimeDelta, now: Timestamp) -> Result<()> {
        let mut proved: BTreeMap<(&str, &Owner), Vec<Timestamp>> = BTreeMap::new();
        for entry in self.entries.iter().filter(|entry| selection.counts_for_freshness(entry)) {
            let known = proved.entry(place_of(entry)).or_default();
            if entry.is_proved() && selection.admits(entry) {
                known.push(entry.started_at);
            }
        }
        let is_fresh = |moment: &Timestamp| now.signed_duration_since(moment).abs() <= max_age;
        let is_stale = |moments: &Vec<Timestamp>| !moments.iter().any(is_fresh);
        let store = self.store.location();
        if proved.is_empty() {
            return Err(Error::NotProved(format!(
                "no proved backup is fresh enough in {store}: there is none"
            )));
        }
        let mut stale: Vec<String> = proved
            .iter()
            .filter(|(_, moments)| is_stale(moments))
            .map(|((database, owner), moments)| {
                let is_alone = proved.keys().filter(|(other, _)| other == database).count() == 1;
                let what =
                    if is_alone { (*database).to_owned() } else { format!("{database} of server {owner}") };
                match moments.iter().max() {
                    Some(newest) => format!("{what} (the newest began {})", newest.to_rfc3339()),
                    None => format!("{what} (none is proved)"),
                }
            })
            .collect();
        for name in selection.databases.iter().filter(|name| !name.is_pattern()) {
            let is_known = self.entries.iter().any(|entry| {
                selection.counts_for_freshness(entry)
                    && Selection::is_of_any(std::slice::from_ref(name), entry)
            });
            if !is_known {
                stale.push(format!("{} (there is none)", name.as_str()));
            }
        }
        if stale.is_empty() {
            return Ok(());
        }
        Err(Error::NotProved(format!("no proved backup is fresh enough in {store} of {}", stale.join(", "))))
    }

    /// The error that stands for damaged or unreadable backups, where there are any.
    ///
    /// # Errors
    /// [`Error::NotProved`], naming the first of them; [`Error::Unreadable`] where nothing is known to be damaged: a disk
    /// or a network that fails says nothing of the backups, and may answer in a moment.
    pub fn check_damage(&self, selection: &Selection) -> Result<()> {
        let names: Vec<&str> = self.damaged(selection).map(|entry| entry.name.as_str()).collect();
        let count = names.len() + self.unreadable.len();
        if count == 0 {
            return Ok(());
        }
        let (word, verb) = if count == 1 { ("backup", "is") } else { ("backups", "are") };
        let told = if names.is_empty() { String::new() } else { format!(": {}", enumerate(&names)) };
        let store = self.store.location();
        if names.is_empty() && self.unreadable.iter().all(|error| error.class() == ErrorClass::Failure) {
            return Err(Error::Unreadable(format!("{count} {word} in {store} cannot be read")));
        }
        Err(Error::NotProved(format!("{count} {word} in {store} {verb} damaged, lost or unreadable{told}")))
    }

    fn nothing(&self, selection: &Selection) -> Error {
        let store = self.store.location();
        let unproved = Selection { verified: false, ..selection.clone() };
        let matching = || self.entries.iter().filter(|entry| unproved.admits(entry));
        let (all, whole) = (matching().count(), matching().filter(|entry| entry.problems.is_empty()).count());
        let any_time = Selection { at: None, latest: true, ..unproved.clone() };
        let later =
            self.entries.iter().filter(|entry| any_time.admits(entry)).min_by_key(|entry| age_key(entry));
        let too_early = selection.at.zip(later).filter(|_| all == 0);
        if let Some((at, later)) = too_early {
            let [at, first] =
                [at, later.started_at].map(|time| time.to_rfc3339_opts(SecondsFormat::Secs, false));
            return Error::NothingFound(format!(
                "no backup in {store} that was asked for began by {at}: the first began {first}"
            ));
        }
        let parts = self.entries.iter().filter(|entry| entry.is_chosen && unproved.describes(entry)).count();
        if all == 0 && parts > 0 {
            return Error::NothingFound(format!(
                "no backup of a whole database in {store} is what was asked for: {parts} of {} hold chosen tables alone",
                self.entries.len()
            ));
        }
        Error::NothingFound(match (self.entries.len(), all, whole) {
            (0, ..) => format!("{store} holds no backup"),
            (held, 0, _) => format!("no backup in {store} is what was asked for, of {held} in all"),
            (_, all, 0) => {
                format!("every backup in {store} that was asked for is damaged or lost, {all} in all")
            }
            (_, _, whole) => format!(
                "no backup in {store} that was asked for is proved, of {whole} in all: fwb-verify proves them"
            ),
        })
    }
}

impl Selection {
    /// Whether exactly one backup is asked for.
    pub fn asks_for_one(&self) -> bool {
        self.latest || self.at.is_some()
    }

    /// Whether the newest backup is asked for, and this one only says that it is.
    fn is_too_late(&self, entry: &BackupSummary) -> bool {
        self.at.is_none() && self.now.is_some_and(|now| is_in_the_future(entry.started_at, now))
    }

    /// Whoever asks for one backup of a database does not mean some of its tables. Whoever asks for the newest safety backup
    /// means what the last restore replaced, whatever that was.
    fn admits(&self, entry: &BackupSummary) -> bool {
        let passes_for_whole = self.asks_for_one() && entry.is_chosen && entry.kind != Kind::Safety;
        !passes_for_whole && self.describes(entry)
    }

    fn describes(&self, entry: &BackupSummary) -> bool {
        self.covers(entry)
            && self.is_of_database(entry)
            && self.is_of_server(entry)
            && (!self.verified || entry.is_proved())
    }

    /// By kind and time.
    fn covers(&self, entry: &BackupSummary) -> bool {
        let started = entry.started_at;
        let kind = entry.kind;
        let is_of_kind = if self.kinds.is_empty() {
            !self.asks_for_one() || kind == Kind::Full
        } else {
            self.kinds.contains(&kind)
        };
        is_of_kind
            && self.since.is_none_or(|since| started >= since)
            && self.at.is_none_or(|at| started <= at)
    }

    fn is_of_database(&self, entry: &BackupSummary) -> bool {
        self.databases.is_empty() || Self::is_of_any(&self.databases, entry)
    }

    fn is_of_any(wanted: &[NamePattern], entry: &BackupSummary) -> bool {
        let Some(name) = entry.database.as_deref() else { return false };
        wanted.iter().any(|wanted| wanted.is(name, entry.belonging.name_case))
    }

    /// Whether several databases are meant, so that one of each is asked for.
    fn names_several(&self) -> bool {
        self.databases.len() > 1 || self.databases.iter().any(NamePattern::is_pattern)
    }

    /// Whether it is clear which backup is meant of which database.
    fn check_whether_clear(&self, newest: &Newest<'_>) -> Result<()> {
        let databases: BTreeSet<_> = newest.keys().map(|(database, _)| database).collect();
        let is_clear = newest.len() <= 1 || self.names_several() && databases.len() == newest.len();
        if is_clear { Ok(()) } else { Err(ambiguous(newest)) }
    }

    /// The databases that are named and have no backup among these.
    fn without_any<'s>(&'s self, newest: &'s Newest<'_>) -> impl Iterator<Item = &'s NamePattern> {
        let has = |name: &NamePattern| {
            newest.values().any(|entry| Self::is_of_any(std::slice::from_ref(name), entry))
        };
        self.databases.iter().filter(move |name| !name.is_pattern() && !has(name))
    }

    fn is_of_server(&self, entry: &BackupSummary) -> bool {
        // A list may show too much, and retention weighs what is in it; the one that is to be restored must be right.
        self.server.as_ref().is_none_or(|server| {
            if self.asks_for_one() {
                entry.belonging.is_of(server)
            } else {
                entry.belonging.may_be_of(server)
            }
        })
    }

    /// Whether an entry's database is to have a fresh backup. Times do not matter here: a database whose backups
    /// all lie outside of them is the very one to name. A backup that does not tell its server says nothing of a server
    /// beside those that are told.
    fn counts_for_freshness(&self, entry: &BackupSummary) -> bool {
        let kinds: &[Kind] = if self.kinds.is_empty() { &[Kind::Full] } else { &self.kinds };
        kinds.contains(&entry.kind)
            && (entry.database.is_some() || entry.kind == Kind::Accounts)
            && self.is_of_database(entry)
            && self.is_of_server(entry)
            && (entry.belonging.untold || *entry.owner() != Owner::Unknown)
    }
}

impl FromStr for Kind {
    type Err = Error;

    /// Reads the word that stands in manifests.
    fn from_str(word: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == word)
            .ok_or_else(|| Error::usage("a kind is full, safety, foreign, moment or accounts"))
    }
}

fn age_key(entry: &BackupSummary) -> (Timestamp, &str) {
    (entry.started_at, &entry.name)
}

/// Settles where each backup belongs, which the others of its store decide.
fn settle(entries: &mut [BackupSummary], now: Timestamp) {
    let facts: Vec<Facts<'_>> = entries
        .iter()
        .map(|entry| Facts {
            database: entry.database.as_deref(),
            name_case: entry.name_case,
            server: &entry.server,
            kind: entry.kind,
            started_at: entry.started_at,
        })
        .collect();
    let found = belongings(&facts, now);
    for (entry, belonging) in entries.iter_mut().zip(found) {
        entry.belonging = belonging;
    }
}

/// The database and the server that a backup counts for.
type Slot<'a, D> = (D, &'a Owner);

fn place_of(entry: &BackupSummary) -> Slot<'_, &str> {
    (entry.belonging.database.as_deref().unwrap_or_else(|| no_database(entry)), entry.owner())
}

/// What is told in the place of a database, of a backup that is of none.
fn no_database(entry: &BackupSummary) -> &'static str {
    if entry.kind == Kind::Accounts { "(accounts)" } else { "(unknown)" }
}

/// The newest backup of each database of each server.
type Newest<'a> = BTreeMap<Slot<'a, Option<&'a str>>, &'a BackupSummary>;

fn newest_of_each<'a>(entries: impl Iterator<Item = &'a BackupSummary>) -> Newest<'a> {
    let mut newest = Newest::new();
    for entry in entries {
        let place = (entry.belonging.database.as_deref(), entry.owner());
        let best = newest.entry(place).or_insert(entry);
        if age_key(entry) > age_key(best) {
            *best = entry;
        }
    }
    newest
}

/// A backup, and the listing of the store that it is in.
pub type Found<'a> = (&'a Listing, &'a BackupSummary);

/// The backups of several stores that `selection` means, oldest first. Where one
/// is asked for, it is the newest of all, and of the first store that has one as new.
///
/// # Errors
/// As [`Listing::select`].
pub fn select_among<'a>(listings: &'a [Listing], selection: &Selection) -> Result<Vec<Found<'a>>> {
    let mut found: Vec<Found<'_>> = Vec::new();
    let mut nothing = None;
    for listing in listings {
        match listing.select(selection) {
            Ok(entries) => found.extend(entries.into_iter().map(|entry| (listing, entry))),
            Err(error @ Error::NothingFound(_)) => {
                nothing.get_or_insert(error);
            }
            Err(error) => return Err(error),
        }
    }
    if !selection.asks_for_one() {
        found.sort_by(|(_, a), (_, b)| age_key(a).cmp(&age_key(b)));
        return Ok(found);
    }
    let newest = newest_of_each(found.iter().map(|(_, entry)| *entry));
    selection.check_whether_clear(&newest)?;
    let mut first_of_each: Vec<Found<'_>> = Vec::new();
    for (place, best) in &newest {
        let is_best = |(_, entry): &&Found<'_>| {
            (entry.belonging.database.as_deref(), entry.owner()) == *place
                && entry.started_at == best.started_at
        };
        first_of_each.extend(found.iter().find(is_best));
    }
    match (first_of_each.is_empty(), nothing) {
        (true, Some(error)) => Err(error),
        _ => Ok(first_of_each),
    }
}

/// Why none of these is taken: they are of several databases, or of one database of several servers.
fn ambiguous(newest: &Newest<'_>) -> Error {
    let databases: BTreeSet<&str> = newest
        .values()
        .map(|entry| entry.database.as_deref().unwrap_or_else(|| no_database(entry)))
        .collect();
    let keys: BTreeSet<Option<&str>> = newest.keys().map(|(database, _)| *database).collect();
    let (what, option, names): (_, _, Vec<String>) = if keys.len() > 1 {
        ("databases", "--database", databases.into_iter().map(str::to_owned).collect())
    } else {
        ("servers", "--server-id", newest.keys().map(|(_, owner)| owner.to_string()).collect())
    };
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    Error::Usage {
        message: format!("the newest backup could be of any of {} {what}", names.len()),
        hint: Some(format!("say which with {option}: {}", enumerate(&names))),
    }
}

fn enumerate(names: &[&str]) -> String {
    match names.get(NAMES_TOLD..) {
        Some(rest) if !rest.is_empty() => {
            format!("{} and {} more", names[..NAMES_TOLD].join(", "), rest.len())
        }
        _ => names.join(", "),
    }
}

#[cfg(test)]
mod tests;
