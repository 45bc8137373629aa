//! The stores that are looked at: one, several, or those of a fleet.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::Builder;

use fwb::{
    Cancel, Error, ErrorClass, Fleet, FleetFacts, FleetServer, FleetServerFacts, Location, Result, Store,
    StoreFacts, Timestamp,
};
use fwb_stores::{ObjectStores, TargetStores};

/// So many stores are read at once: what takes time is to wait for their answers.
const AT_ONCE: usize = 16;

/// Stores, in the order in which the report has them.
#[derive(Debug)]
pub(crate) struct Places {
    places: Vec<Place>,
    /// The servers that should have backups there.
    pub(crate) fleet: Option<FleetFacts>,
}

#[derive(Debug)]
struct Place {
    location: Location,
    /// Whether it is a server's own, which its first run makes: one that is not there is empty.
    is_made_later: bool,
    /// Whether copies go there.
    has_copies: bool,
}

impl Places {
    /// One store.
    pub(crate) fn of_store(location: Location) -> Self {
        Self { places: vec![Place { location, is_made_later: false, has_copies: false }], fleet: None }
    }

    /// The stores of a fleet's servers, and their second stores; `usual` is the store of a server whose line names none.
    pub(crate) fn of_fleet(fleet: &Fleet, usual: &Location) -> Self {
        let (mut places, mut known) = (Vec::new(), BTreeMap::new());
        let mut place = |location: Location, is_made_later: bool, has_copies: bool| -> String {
            let name = location.to_string();
            let resolved = location.resolved();
            known
                .entry(resolved)
                .or_insert_with(|| {
                    places.push(Place { location, is_made_later, has_copies });
                    name
                })
                .clone()
        };
        let mut of = |server: &FleetServer| FleetServerFacts {
            name: server.name.to_string(),
            store: place(server.store().unwrap_or_else(|| usual.clone()), server.has_own_store(), false),
            copy_to: server.copy_to().map(|copies| place(copies, true, true)),
            databases: server.databases().into_iter().map(ToOwned::to_owned).collect(),
        };
        let servers = fleet.servers().iter().map(&mut of).collect();
        let file = fleet.file().display().to_string();
        Self { places, fleet: Some(FleetFacts { file, servers }) }
    }

    /// One more.
    ///
    /// # Errors
    /// A usage error where it is among them already.
    pub(crate) fn add(&mut self, location: Location) -> Result<()> {
        if self.places.iter().any(|other| other.location.resolved() == location.resolved()) {
            return Err(Error::usage(format!(
                "{location} is named twice: a store is no second store of itself"
            )));
        }
        self.places.push(Place { location, is_made_later: false, has_copies: true });
        Ok(())
    }

    /// Reads the stores that answer; with the error of one that does not.
    ///
    /// # Errors
    /// The first store does not answer, or none of a fleet does; or a signal arrived.
    pub(crate) fn read(
        &self,
        runs_since: Timestamp,
        cancel: &Cancel,
    ) -> Result<(Vec<StoreFacts>, Option<Error>)> {
        let (next, read) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
        let look = || {
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let Some(place) = self.places.get(at) else { return };
                let facts = place.read(runs_since, cancel);
                read.lock().unwrap_or_else(PoisonError::into_inner).insert(at, facts);
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..self.places.len().min(AT_ONCE) {
                // With fewer threads it takes longer.
                if let Err(error) = Builder::new().spawn_scoped(scope, look) {
                    log::debug!("no thread: {error}");
                }
            }
            look();
        });
        cancel.check()?;
        let (mut stores, mut missed) = (Vec::new(), None);
        for (at, facts) in read.into_inner().unwrap_or_else(PoisonError::into_inner) {
            match facts {
                Ok(facts) => stores.push(facts),
                // Of which store the others hold copies would not be known without the first.
                Err(error) if at > 0 || self.fleet.is_some() => {
                    if let Some(earlier) = missed.replace(error) {
                        log::warn!(code = earlier.code().code; "{earlier}");
                    }
                }
                Err(error) => return Err(error),
            }
        }
        match missed {
            Some(error) if stores.is_empty() || matches!(error.class(), ErrorClass::Interrupted(_)) => {
                Err(error)
            }
            missed => Ok((stores, missed)),
        }
    }
}

impl Place {
    fn read(&self, runs_since: Timestamp, cancel: &Cancel) -> Result<StoreFacts> {
        let is_missing =
            |root: &std::path::Path| !root.exists() && root.parent().is_some_and(std::path::Path::is_dir);
        if self.is_made_later && self.location.directory().is_some_and(is_missing) {
            return Ok(StoreFacts { place: self.location.to_string(), ..StoreFacts::default() });
        }
        let service: &dyn fwb::ObjectStores = if self.has_copies { &TargetStores } else { &ObjectStores };
        let store = Store::open(&self.location, service, cancel)?;
        StoreFacts::read(&store, Some(runs_since), cancel)
    }
}
