//! Which database of which server each backup of a store is of. A pure function of all of them, because backups that do
//! not say their server (the first ones of version 0.1.0) belong to the server that came after them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::{ServerIdentity, ServerName};
use crate::manifest::{Kind, Timestamp, is_in_the_future};
use crate::server::NameCase;

/// What is known of where a backup is from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts<'a> {
    /// The database's name, as the manifest has it.
    pub(crate) database: Option<&'a str>,
    /// How its server compares names, where the manifest says so.
    pub(crate) name_case: Option<NameCase>,
    /// Its server, as the manifest says.
    pub(crate) server: &'a ServerIdentity,
    /// What the backup is for.
    pub(crate) kind: Kind,
    /// When the dump began.
    pub(crate) started_at: Timestamp,
}

/// A server, as far as it is known.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Owner {
    /// It is not known.
    #[default]
    Unknown,
    /// It is known by its address.
    Addressed(ServerName),
    /// It has a name that an operator gave it.
    Named(ServerName),
}

/// Which database of which server a backup is of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Belonging {
    /// The database, in the form by which all names that its server takes for one are equal.
    pub(crate) database: Option<String>,
    /// How its server compares names.
    pub(crate) name_case: NameCase,
    /// The server that the manifest itself tells.
    pub(crate) own: Owner,
    /// Whether no backup of the database tells its server.
    pub(crate) untold: bool,
    /// The servers that it may be of instead, because it is older than all that they have: none where it can only be of
    /// its own.
    pub(crate) heirs: Vec<Owner>,
}

impl Belonging {
    /// The server that the backup counts for: the heir, where there is one.
    pub(crate) fn owner(&self) -> &Owner {
        match &self.heirs[..] {
            [heir] => heir,
            _ => &self.own,
        }
    }

    /// Whether the backup may be of the server of this name or address, and nothing says that it is of another.
    pub(crate) fn may_be_of(&self, server: &ServerName) -> bool {
        self.is_of(server) || self.heirs.iter().any(|heir| heir.is(server))
    }

    /// Whether the backup counts for the server of this name or address. What nobody tells is of whichever server is
    /// named: there is only one, as far as is known.
    pub(crate) fn is_of(&self, server: &ServerName) -> bool {
        match self.owner() {
            Owner::Unknown => self.untold,
            known => known.is(server),
        }
    }
}

impl Owner {
    /// Whether it has this name or address.
    fn is(&self, server: &ServerName) -> bool {
        match self {
            Self::Unknown => false,
            Self::Addressed(own) | Self::Named(own) => own == server,
        }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("(unknown)"),
            Self::Addressed(name) | Self::Named(name) => name.fmt(f),
        }
    }
}

/// Where each backup belongs, in the order of `backups`.
///
/// - A backup with a name is of the server of that name.
/// - Backups with only an address, or with neither, are inherited by those that know more: all of one database, kind and
///   server together, and only while every one of them is older than the first backup of each heir. So a store that was
///   filled before servers had names goes on as one, and a second server whose backups say less, because its tools are
///   older, is not taken for the first. What is dated after `now` by a wrong clock does not count there.
/// - The heir of an address is the only name that was ever used with it. The heir of nothing is the only name that there
///   is, else the only address; where there are several, each of them may be it.
/// - Names of databases are compared as their server does. A manifest that does not say how is of a name that is written
///   exactly so, or else of the one that a server takes for the same.
pub(crate) fn belongings(backups: &[Facts<'_>], now: Timestamp) -> Vec<Belonging> {
    let keys = DatabaseKeys::of(backups);
    let mut found: Vec<Belonging> = backups.iter().map(|facts| keys.belonging(facts)).collect();
    let names = names_at_addresses(backups, &found);
    inherit(backups, &mut found, now, |belonging| match &belonging.own {
        Owner::Addressed(address) => {
            let names = names.get(&(belonging.database.clone(), address.clone()));
            names.filter(|names| names.len() == 1).into_iter().flatten().cloned().collect()
        }
        _ => Vec::new(),
    });
    // After addresses have found their names, so that nothing is left to what is a name by now.
    let owners = owners(&found);
    inherit(backups, &mut found, now, |belonging| match belonging.own {
        Owner::Unknown => owners.get(&belonging.database).map(likely).unwrap_or_default(),
        _ => Vec::new(),
    });
    for belonging in &mut found {
        belonging.untold = !owners.contains_key(&belonging.database);
    }
    found
}

/// Of several servers the only one that has a name, else all of them.
fn likely(owners: &BTreeSet<Owner>) -> Vec<Owner> {
    let named: Vec<&Owner> = owners.iter().filter(|owner| matches!(owner, Owner::Named(_))).collect();
    match named[..] {
        [only] => vec![only.clone()],
        _ => owners.iter().cloned().collect(),
    }
}

/// Gives each set of backups of one database, kind and server its heirs, where all of them are older than what the heirs
/// have.
fn inherit(
    backups: &[Facts<'_>],
    found: &mut [Belonging],
    now: Timestamp,
    heirs_of: impl Fn(&Belonging) -> Vec<Owner>,
) {
    let mut first: BTreeMap<(Option<String>, Owner), Timestamp> = BTreeMap::new();
    let mut last: BTreeMap<(Option<String>, Kind, Owner), Timestamp> = BTreeMap::new();
    for (facts, belonging) in backups.iter().zip(&*found) {
        // What another program made, or a restore, says nothing of when a server came into the store.
        if !matches!(facts.kind, Kind::Foreign | Kind::Moment) && !is_in_the_future(facts.started_at, now) {
            let owner = belonging.owner().clone();
            let first = first.entry((belonging.database.clone(), owner)).or_insert(facts.started_at);
            *first = facts.started_at.min(*first);
            let set = (belonging.database.clone(), facts.kind, belonging.own.clone());
            let last = last.entry(set).or_insert(facts.started_at);
            *last = facts.started_at.max(*last);
        }
    }
    for (facts, belonging) in backups.iter().zip(found) {
        let heirs = heirs_of(belonging);
        let last = last.get(&(belonging.database.clone(), facts.kind, belonging.own.clone()));
        let is_older = |heir: &Owner| {
            let first = first.get(&(belonging.database.clone(), heir.clone()));
            first.zip(last).is_none_or(|(first, last)| last < first)
        };
        if !heirs.is_empty() && heirs.iter().all(is_older) {
            belonging.heirs = heirs;
        }
    }
}

/// The names that were used with each address, for each database.
fn names_at_addresses(
    backups: &[Facts<'_>],
    found: &[Belonging],
) -> BTreeMap<(Option<String>, ServerName), BTreeSet<Owner>> {
    let mut names: BTreeMap<(Option<String>, ServerName), BTreeSet<Owner>> = BTreeMap::new();
    for (facts, belonging) in backups.iter().zip(found) {
        if let (Owner::Named(_), Some(address)) = (&belonging.own, &facts.server.address) {
            let place = (belonging.database.clone(), address.clone());
            names.entry(place).or_default().insert(belonging.own.clone());
        }
    }
    names
}

/// The servers that the backups of each database count for.
fn owners(found: &[Belonging]) -> BTreeMap<Option<String>, BTreeSet<Owner>> {
    let mut owners: BTreeMap<Option<String>, BTreeSet<Owner>> = BTreeMap::new();
    for belonging in found.iter().filter(|belonging| *belonging.owner() != Owner::Unknown) {
        owners.entry(belonging.database.clone()).or_default().insert(belonging.owner().clone());
    }
    owners
}

/// The names of databases that manifests write and say how to compare.
struct DatabaseKeys<'a> {
    /// Where the case counts.
    exact: BTreeSet<&'a str>,
    /// Where it does not, in the form that is compared.
    folded: BTreeSet<String>,
}

impl<'a> DatabaseKeys<'a> {
    fn of(backups: &[Facts<'a>]) -> Self {
        let mut keys = Self { exact: BTreeSet::new(), folded: BTreeSet::new() };
        for facts in backups {
            match (facts.database, facts.name_case) {
                (Some(name), Some(NameCase::Sensitive)) => {
                    keys.exact.insert(name);
                }
                (Some(name), Some(case)) => {
                    keys.folded.insert(case.key(name));
                }
                (None, _) | (_, None) => {}
            }
        }
        keys
    }

    fn belonging(&self, facts: &Facts<'_>) -> Belonging {
        let own = match (&facts.server.id, &facts.server.address) {
            (Some(name), _) => Owner::Named(name.clone()),
            (None, Some(address)) => Owner::Addressed(address.clone()),
            (None, None) => Owner::Unknown,
        };
        let name_case = facts.name_case.unwrap_or_else(|| {
            let folds = facts.database.is_some_and(|name| {
                !self.exact.contains(name) && self.folded.contains(&NameCase::Insensitive.key(name))
            });
            if folds { NameCase::Insensitive } else { NameCase::Sensitive }
        });
        let database = facts.database.map(|name| name_case.key(name));
        Belonging { database, name_case, own, untold: false, heirs: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One backup a line, `DATABASE[/0|/1] KIND DAY [ID][@ADDRESS] = the servers that it counts for`.
    fn check(case: &str, lines: &[&str]) {
        let parse = |line: &&str| {
            let (left, expected) = line.split_once(" = ").unwrap();
            let words: Vec<&str> = left.split_whitespace().collect();
            let (database, setting) = words[0].split_once('/').unwrap_or((words[0], ""));
            let (id, address) =
                words.get(3).map_or(("", ""), |word| word.split_once('@').unwrap_or((word, "")));
            let server = ServerIdentity { id: id.parse().ok(), address: address.parse().ok() };
            let name_case = setting.parse().ok().map(NameCase::of_setting);
            let at: Timestamp = format!("2025-07-{}T02:00:00Z", words[2]).parse().unwrap();
            (
                database.to_owned(),
                name_case,
                words[1].parse::<Kind>().unwrap(),
                at,
                server,
                expected.to_owned(),
            )
        };
        let parsed: Vec<_> = lines.iter().map(parse).collect();
        let facts: Vec<Facts<'_>> = parsed
            .iter()
            .map(|(database, name_case, kind, started_at, server, _)| Facts {
                database: Some(database),
                name_case: *name_case,
                server,
                kind: *kind,
                started_at: *started_at,
            })
            .collect();
        let said: Vec<String> = belongings(&facts, "2025-07-25T12:00:00Z".parse().unwrap())
            .into_iter()
            .map(|belonging| {
                let heirs: Vec<String> = belonging.heirs.iter().map(Owner::to_string).collect();
                let owners = if heirs.is_empty() { belonging.own.to_string() } else { heirs.join(" ") };
                format!("{}: {owners}", belonging.database.unwrap_or_default())
            })
            .collect();
        let expected: Vec<String> = parsed.into_iter().map(|parsed| parsed.5).collect();
        assert_eq!(said, expected, "{case}");
    }

    #[test]
    fn a_store_of_old_backups_is_one() {
        check("nothing is said", &["shop full 01 = shop: (unknown)", "shop safety 02 = shop: (unknown)"]);
        check(
            "the first named one inherits",
            &["shop full 01 = shop: a", "shop full 02 = shop: a", "shop full 03 a@x = shop: a"],
        );
        check("so does an address", &["shop full 01 = shop: x", "shop full 03 @x = shop: x"]);
        check(
            "each kind for itself, of whatever kind the first one is",
            &["shop full 01 = shop: a", "shop safety 02 = shop: a", "shop full 03 a@x = shop: a"],
        );
        check(
            "another database says nothing",
            &["shop full 01 = shop: (unknown)", "blog full 03 a@x = blog: a"],
        );
    }

    #[test]
    fn an_address_becomes_a_name() {
        check(
            "the operator gives one",
            &["shop full 01 = shop: a", "shop full 02 @x = shop: a", "shop full 03 a@x = shop: a"],
        );
        check(
            "a name with another address is another server",
            &["shop full 02 @x = shop: x", "shop full 03 a@y = shop: a"],
        );
        check(
            "two names at one address: nobody knows whose it was",
            &["shop full 02 @x = shop: x", "shop full 03 a@x = shop: a", "shop full 04 b@x = shop: b"],
        );
        check(
            "a rebuilt server keeps its name, wherever it is",
            &["shop full 02 a@x = shop: a", "shop full 03 a@y = shop: a"],
        );
        check(
            "an address that changes is two servers",
            &["shop full 02 @x = shop: x", "shop full 03 @y = shop: y"],
        );
    }

    #[test]
    fn what_goes_on_beside_a_named_server_is_another_one() {
        check(
            "an old tool that goes on",
            &[
                "shop full 01 = shop: (unknown)",
                "shop full 02 a@x = shop: a",
                "shop full 03 = shop: (unknown)",
            ],
        );
        check(
            "an address that goes on",
            &["shop full 01 @x = shop: x", "shop full 02 a@x = shop: a", "shop full 03 @x = shop: x"],
        );
        check("in the same second", &["shop full 02 = shop: (unknown)", "shop full 02 a@x = shop: a"]);
        check(
            "what another program made is of no time",
            &["shop full 02 a@x = shop: a", "shop foreign 03 = shop: a"],
        );
    }

    #[test]
    fn a_wrong_clock_keeps_nothing_apart() {
        check(
            "a day that has not come",
            &["shop full 01 = shop: a", "shop full 02 a@x = shop: a", "shop full 30 = shop: a"],
        );
    }

    #[test]
    fn several_servers_may_inherit() {
        check(
            "it may be of each",
            &["shop full 01 = shop: x y", "shop full 02 @x = shop: x", "shop full 03 @y = shop: y"],
        );
        check(
            "the only name is the likely one",
            &["shop full 01 = shop: b", "shop full 02 @x = shop: x", "shop full 03 b@y = shop: b"],
        );
        check(
            "of two names, each",
            &["shop full 01 = shop: a b", "shop full 02 a@x = shop: a", "shop full 03 b@y = shop: b"],
        );
    }

    #[test]
    fn databases_are_the_servers_own() {
        check(
            "one name in two cases",
            &[
                "ShopDB/2 full 01 a = shopdb: a",
                "shopdb/1 full 02 a = shopdb: a",
                "SHOPDB full 01 = shopdb: (unknown)",
            ],
        );
        check(
            "two names",
            &["Shop/0 full 01 a = Shop: a", "shop/0 full 02 a = shop: a", "SHOP full 01 = SHOP: (unknown)"],
        );
        check(
            "an old one is of the name that is written exactly so",
            &["Shop full 01 = Shop: b", "Shop/0 full 02 b = Shop: b", "Shop/1 full 02 a = shop: a"],
        );
        check(
            "an old one of a server that folds",
            &["ShopDB full 01 = shopdb: a", "ShopDB/2 full 02 a = shopdb: a"],
        );
    }
}
