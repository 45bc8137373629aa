//! The servers of a fleet, held against what their stores hold: which of them have no backup, and how old the newest proof of each
//! is. A store alone cannot tell: of a server that was never backed up it knows nothing.

use std::collections::BTreeSet;

use super::facts::{BackupFacts, ReportInput, StoreFacts};
use super::model::{FleetReport, FleetServerReport};
use super::subject::Subject;
use super::trouble::{Trouble, TroubleOptions, tell};
use crate::manifest::{Timestamp, is_in_the_future};
use crate::notice;
use crate::retention::Proof;

/// The servers that a fleet file names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FleetFacts {
    /// The file.
    pub file: String,
    /// Its servers, in its order.
    pub servers: Vec<FleetServerFacts>,
}

/// One server of a fleet, as its line has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FleetServerFacts {
    /// Its name.
    pub name: String,
    /// Its store, as [`StoreFacts::place`] names it.
    pub store: String,
    /// Its second store.
    pub copy_to: Option<String>,
    /// The databases that the line names, and not by a pattern.
    pub databases: Vec<String>,
}

/// Of which second stores a subject's backups should have copies: those that its line names, for certain, and those that nobody
/// else's line does, perhaps.
pub(super) fn second_stores<'a>(
    fleet: &FleetFacts,
    stores: &'a [StoreFacts],
    (store, server): (&str, Option<&str>),
) -> Vec<(&'a StoreFacts, bool)> {
    let own: BTreeSet<&str> = fleet
        .servers
        .iter()
        .filter(|one| one.store == store && Some(one.name.as_str()) == server)
        .filter_map(|one| one.copy_to.as_deref())
        .collect();
    let of_others: BTreeSet<&str> = fleet
        .servers
        .iter()
        .flat_map(|one| std::iter::once(one.store.as_str()).chain(one.copy_to.as_deref()))
        .collect();
    if !of_others.contains(store) {
        return Vec::new();
    }
    let second = |other: &'a StoreFacts| {
        let is_named = own.contains(other.place.as_str());
        (is_named || !of_others.contains(other.place.as_str())).then_some((other, is_named))
    };
    stores.iter().filter_map(second).collect()
}

/// Servers without a backup, and databases that a line names and no backup holds.
pub(super) fn missing(
    input: &ReportInput,
    subjects: &[Subject<'_>],
    options: &TroubleOptions,
    found: &mut Vec<Trouble>,
) {
    for server in servers(input, options) {
        let Some(held) = Held::of(server, input, subjects) else { continue };
        let about = format!("{}/{}", server.store, server.name);
        if held.backups == 0 {
            let message = format!("there is no backup of it in {}", server.store);
            found.push(Trouble {
                subject: server.name.clone(),
                ..tell(notice::SERVER_MISSING, &about, None, message)
            });
            continue;
        }
        for database in server.databases.iter().filter(|database| !held.has(database)) {
            let message = format!("there is no backup of its database {database} in {}", server.store);
            found.push(Trouble {
                subject: server.name.clone(),
                ..tell(notice::SERVER_MISSING, &about, Some(database), message)
            });
        }
    }
}

/// What the fleet comes to.
pub(super) fn of_fleet(
    input: &ReportInput,
    subjects: &[Subject<'_>],
    options: &TroubleOptions,
    now: Timestamp,
) -> Option<FleetReport> {
    let fleet = input.fleet.as_ref()?;
    let of_server = |server: &FleetServerFacts| {
        let held = Held::of(server, input, subjects);
        let newest_proved_at = held.as_ref().and_then(|held| held.oldest_of_newest_proved(now));
        let has_all = held.as_ref().is_some_and(|held| server.databases.iter().all(|one| held.has(one)));
        FleetServerReport {
            server: server.name.clone(),
            store: server.store.clone(),
            databases: held.as_ref().map(|held| held.subjects.len() as u64),
            backups: held.as_ref().map(|held| held.backups),
            newest_proved_at,
            fresh: has_all && newest_proved_at.is_some_and(|at| now - at <= options.max_age),
        }
    };
    Some(FleetReport { file: fleet.file.clone(), servers: servers(input, options).map(of_server).collect() })
}

/// The servers that are asked for.
fn servers<'a>(
    input: &'a ReportInput,
    options: &'a TroubleOptions,
) -> impl Iterator<Item = &'a FleetServerFacts> {
    let scope = &options.scope;
    let all = input.fleet.iter().flat_map(|fleet| &fleet.servers);
    all.filter(|server| scope.server.as_ref().is_none_or(|wanted| *wanted == server.name))
        // Of one database it is not known which servers should have it.
        .filter(|_| scope.database.is_none())
}

/// What a server's store holds of it.
struct Held<'a> {
    subjects: Vec<&'a Subject<'a>>,
    backups: u64,
}

impl<'a> Held<'a> {
    /// None where the store could not be read.
    fn of(server: &FleetServerFacts, input: &ReportInput, subjects: &'a [Subject<'a>]) -> Option<Self> {
        input.stores.iter().find(|store| store.place == server.store)?;
        let is_of = |subject: &&Subject<'_>| {
            subject.store.place == server.store && subject.server == Some(server.name.as_str())
        };
        let has_backups = |subject: &&Subject<'_>| subject.backups.iter().any(|backup| backup.is_full());
        let subjects: Vec<&Subject<'_>> = subjects.iter().filter(is_of).filter(has_backups).collect();
        let backups = subjects.iter().flat_map(|subject| &subject.backups).filter(|backup| backup.is_full());
        Some(Self { backups: backups.count() as u64, subjects })
    }

    fn has(&self, database: &str) -> bool {
        self.subjects.iter().any(|subject| subject.is_of(Some(database)))
    }

    /// Of the newest proved backups of its databases the oldest; none where one database has none.
    fn oldest_of_newest_proved(&self, now: Timestamp) -> Option<Timestamp> {
        let counts = |backup: &&&BackupFacts| {
            backup.is_full() && backup.proof == Proof::Proved && !is_in_the_future(backup.started_at, now)
        };
        let newest = |subject: &&Subject<'_>| {
            subject.backups.iter().filter(counts).map(|backup| backup.started_at).max()
        };
        let each: Option<Vec<Timestamp>> = self.subjects.iter().map(newest).collect();
        each?.into_iter().min()
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::super::compute::report;
    use super::*;
    use crate::manifest::{Kind, now};
    use crate::server::NameCase;

    fn backup(server: &str, database: &str, at: Timestamp, proof: Proof) -> BackupFacts {
        BackupFacts {
            name: format!("{database}_backup_{}.sql.gz", at.format("%Y%m%d_%H%M%S")),
            kind: Kind::Full,
            is_chosen: false,
            is_excluding: false,
            excluded: Vec::new(),
            database: Some(database.into()),
            name_case: NameCase::default(),
            server: Some(server.into()),
            started_at: at,
            size: 10,
            rows: None,
            proof,
            verification: None,
            chain_proof: None,
            has_place: false,
            log: None,
            windows: Vec::new(),
            tables: None,
        }
    }

    fn store(place: &str, backups: Vec<BackupFacts>) -> StoreFacts {
        StoreFacts { place: place.into(), backups, ..StoreFacts::default() }
    }

    fn server(name: &str, store: &str, copy_to: Option<&str>, databases: &[&str]) -> FleetServerFacts {
        FleetServerFacts {
            name: name.into(),
            store: store.into(),
            copy_to: copy_to.map(Into::into),
            databases: databases.iter().map(|database| (*database).to_owned()).collect(),
        }
    }

    #[test]
    fn a_server_without_a_backup_is_a_trouble_and_one_whose_store_is_away_is_not() {
        let now = now();
        let ago = |hours| now - TimeDelta::hours(hours);
        let fleet = FleetFacts {
            file: "fleet".into(),
            servers: vec![
                server("good", "/b", None, &["shop"]),
                server("never", "/b", None, &[]),
                server("part", "/b", None, &["shop", "crm"]),
                server("old", "/c", None, &[]),
                server("away", "/away", None, &[]),
            ],
        };
        let input = ReportInput {
            stores: vec![
                store(
                    "/b",
                    vec![
                        backup("good", "shop", ago(1), Proof::Proved),
                        backup("part", "shop", ago(1), Proof::Proved),
                        backup("foreign", "shop", ago(1), Proof::Proved),
                    ],
                ),
                store("/c", vec![backup("old", "shop", ago(50), Proof::Proved)]),
            ],
            fleet: Some(fleet),
            ..ReportInput::default()
        };
        let options = TroubleOptions { drill_age: None, ..TroubleOptions::default() };
        let document = report(&input, &options, ago(100), now);
        let told: Vec<(&str, &str)> =
            document.troubles.iter().map(|one| (one.code.as_str(), one.subject.as_str())).collect();
        let missing = notice::SERVER_MISSING.code;
        assert_eq!(
            told,
            [(notice::PROVED_TOO_OLD.code, "shop of old"), (missing, "never"), (missing, "part")]
        );
        assert!(document.troubles[2].message.contains("database crm"));
        let servers = document.fleet.unwrap().servers;
        let fresh: Vec<(&str, bool, Option<u64>)> =
            servers.iter().map(|one| (one.server.as_str(), one.fresh, one.backups)).collect();
        assert_eq!(
            fresh,
            [
                ("good", true, Some(1)),
                ("never", false, Some(0)),
                ("part", false, Some(1)),
                ("old", false, Some(1)),
                ("away", false, None)
            ]
        );
    }

    #[test]
    fn each_server_has_its_own_second_store() {
        let now = now();
        // Younger than the limit, a backup's copy may still be under way.
        let at = now - TimeDelta::hours(30);
        let fleet = FleetFacts {
            file: "fleet".into(),
            servers: vec![
                server("a", "/a", Some("/copies/a"), &[]),
                server("b", "/b", Some("/copies/b"), &[]),
                server("c", "/c", None, &[]),
            ],
        };
        let of = |name: &str| backup(name, "shop", at, Proof::Proved);
        let input = ReportInput {
            stores: vec![
                store("/a", vec![of("a")]),
                store("/b", vec![of("b")]),
                // An empty store of another server is no second store of anybody.
                store("/c", Vec::new()),
                store("/copies/a", vec![of("a")]),
                store("/copies/b", Vec::new()),
            ],
            fleet: Some(fleet),
            ..ReportInput::default()
        };
        let options = TroubleOptions { drill_age: None, ..TroubleOptions::default() };
        let document = report(&input, &options, at, now);
        let copies: Vec<(&str, Vec<&str>, bool)> = document
            .databases
            .iter()
            .map(|one| {
                let copies = one.copies.iter().map(|copies| copies.store.as_str()).collect();
                (one.store.as_str(), copies, one.is_copy)
            })
            .collect();
        assert_eq!(
            copies,
            [("/a", vec!["/copies/a"], false), ("/b", vec!["/copies/b"], false), ("/copies/a", vec![], true)]
        );
        let missing = &document.databases[1].copies[0].missing;
        assert_eq!(missing.len(), 1, "b's copy is missing");
    }
}
