//! Whose run is next. A store has one lock, so of the servers of one store one runs at a time; and of those of one host, as many as
//! somebody has said.

use std::collections::{BTreeMap, VecDeque};

use super::file::FleetServer;

/// The servers that wait for their runs, in the order of the file.
#[derive(Debug)]
pub struct FleetQueue {
    waiting: VecDeque<usize>,
    /// Of each server the store and the host.
    places: Vec<(String, String)>,
    /// How many runs work at a store, and at a host.
    at_stores: BTreeMap<String, usize>,
    at_hosts: BTreeMap<String, usize>,
    per_host: usize,
}

/// What whoever could begin a run does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FleetNext {
    /// Begins that of this server, by its number.
    Begin(usize),
    /// Waits until another run has ended.
    Wait,
    /// Goes: no server waits.
    Done,
}

impl FleetQueue {
    /// All servers wait. `usual_store` is that of servers of which the file names none; at most `per_host` runs are to be at one host.
    pub fn new(servers: &[FleetServer], usual_store: &str, per_host: usize) -> Self {
        let place = |server: &FleetServer| {
            let store = server.store().map(|store| store.resolved().to_string());
            (store.unwrap_or_else(|| usual_store.to_owned()), server.host().to_owned())
        };
        Self {
            waiting: (0..servers.len()).collect(),
            places: servers.iter().map(place).collect(),
            at_stores: BTreeMap::new(),
            at_hosts: BTreeMap::new(),
            per_host: per_host.max(1),
        }
    }

    /// The first server that waits and whose store and host are free.
    pub fn begin(&mut self) -> FleetNext {
        if self.waiting.is_empty() {
            return FleetNext::Done;
        }
        let at_work = |places: &BTreeMap<String, usize>, place: &str| places.get(place).copied().unwrap_or(0);
        let is_free = |server: &usize| {
            let (store, host) = &self.places[*server];
            at_work(&self.at_stores, store) == 0 && at_work(&self.at_hosts, host) < self.per_host
        };
        let Some(at) = self.waiting.iter().position(is_free) else { return FleetNext::Wait };
        let Some(server) = self.waiting.remove(at) else { return FleetNext::Done };
        let (store, host) = self.places[server].clone();
        *self.at_stores.entry(store).or_default() += 1;
        *self.at_hosts.entry(host).or_default() += 1;
        FleetNext::Begin(server)
    }

    /// The run of this server has ended.
    pub fn ended(&mut self, server: usize) {
        let (store, host) = &self.places[server];
        for (places, place) in [(&mut self.at_stores, store), (&mut self.at_hosts, host)] {
            if let Some(at_work) = places.get_mut(place) {
                *at_work = at_work.saturating_sub(1);
            }
        }
    }

    /// No more are begun: those that still wait, in their order.
    pub fn stop(&mut self) -> Vec<usize> {
        std::mem::take(&mut self.waiting).into()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::file::Fleet;
    use super::*;

    #[test]
    fn a_store_has_one_run_at_a_time_and_a_host_as_many_as_were_said() {
        let text = "* databases=x\n\
                    a host=h store=s3://b/1\nb host=h port=1 store=s3://b/1/\nc host=h port=2 store=s3://b/2\nd host=h port=3 store=s3://b/3\n\
                    e host=i\nf host=j\n";
        let fleet = Fleet::parse(text, Path::new("fleet")).unwrap();
        let mut queue = FleetQueue::new(fleet.servers(), "./backups", 2);
        let first: Vec<FleetNext> = (0..4).map(|_| queue.begin()).collect();
        let begin = FleetNext::Begin;
        assert_eq!(
            first,
            [begin(0), begin(2), begin(4), FleetNext::Wait],
            "b waits for a's store, d for the host"
        );
        queue.ended(2);
        assert_eq!((queue.begin(), queue.begin()), (begin(3), FleetNext::Wait));
        queue.ended(0);
        assert_eq!((queue.begin(), queue.begin()), (begin(1), FleetNext::Wait));
        queue.ended(4);
        assert_eq!((queue.begin(), queue.begin()), (begin(5), FleetNext::Done));
    }

    #[test]
    fn what_waits_at_the_end_is_told() {
        let fleet = Fleet::parse("a host=h databases=x\nb host=i databases=x", Path::new("fleet")).unwrap();
        let mut queue = FleetQueue::new(fleet.servers(), "s", 1);
        assert_eq!(queue.begin(), FleetNext::Begin(0));
        assert_eq!((queue.stop(), queue.begin()), (vec![1], FleetNext::Done));
    }
}
