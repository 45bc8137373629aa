//! What goes wrong between a tool and its store, at each request: nothing is half published, nothing lost, no lock is held for
//! ever, and the exit code is honest. `FWB_TORTURE=whole` goes through all of it, else through a part.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Place, large};
use crate::support::faulty_proxy::{FaultyProxy, Misfortune};
use crate::support::object_server::{Kind, ObjectServer};
use crate::support::{Database, Output, Tool, name};
use crate::torture::{count, whole};

/// What may become of a request.
const MISFORTUNES: [Misfortune; 11] = [
    Misfortune::CutBefore,
    Misfortune::CutAfter,
    Misfortune::CutRequest(0),
    Misfortune::CutRequest(40),
    Misfortune::CutAnswer(0),
    Misfortune::CutAnswer(20),
    Misfortune::Answer(500),
    Misfortune::Answer(503),
    Misfortune::Answer(403),
    Misfortune::Answer(412),
    Misfortune::AnswerAfter(500),
];

/// Of how many cases one is tried where not all are.
const PART: usize = 13;

/// A proxy, and places behind it.
struct Scene {
    kind: Kind,
    proxy: FaultyProxy,
    counts: BTreeMap<String, u32>,
}

impl Scene {
    fn new(kind: Kind) -> Self {
        let proxy = FaultyProxy::new(ObjectServer::shared(kind).address());
        Self { kind, proxy, counts: BTreeMap::new() }
    }

    fn place(&self) -> Place {
        Place::on(self.kind)
    }

    /// A tool that finds the store through the proxy, and does not try for long.
    fn faulty(&self, place: &Place, tool: &str) -> Tool {
        let environment = place.bucket().environment(self.proxy.address());
        let is_copy = tool == "fwb-copy";
        let tool = if is_copy { place.known_to(Tool::new(tool)) } else { place.tool(tool) };
        let tool = tool.env("FWB_STORE_RETRIES", "2");
        let tool = environment.iter().fold(tool, |tool, (name, value)| tool.env(name, value));
        soon(tool)
    }

    /// Goes through the requests of what `act` does in a place that `prepare` has made, once without a fault, then with each
    /// fault at each request, and has `judge` look at what is left.
    fn sweep<T>(
        &mut self,
        what: &str,
        prepare: impl Fn(&Place) -> T,
        act: impl Fn(&Self, &Place, &T) -> Output,
        judge: impl Fn(&Place, &T, &Output, &str),
    ) {
        let place = self.place();
        let made = prepare(&place);
        self.proxy.plan_nothing();
        judge(&place, &made, &act(self, &place, &made).ok(), "nothing");
        let requests = self.proxy.log().len();
        let cases = (1..=requests).flat_map(|number| MISFORTUNES.map(|misfortune| (number, misfortune)));
        for (at, (number, misfortune)) in cases.enumerate() {
            if !whole() && at % PART != number % PART {
                continue;
            }
            let place = self.place();
            let made = prepare(&place);
            self.proxy.plan_at(number, misfortune);
            let out = act(self, &place, &made);
            let case = format!("{misfortune:?} at request {number} of {requests}: {out:?}");
            assert!(matches!(out.code, Some(0..=2 | 4)), "{case}");
            *self.counts.entry(format!("exit {}", out.code.unwrap())).or_default() += 1;
            judge(&place, &made, &out, &case);
        }
        let counts: Vec<(&str, u32)> =
            self.counts.iter().map(|(exit, count)| (exit.as_str(), *count)).collect();
        count("stores", &format!("{what} on {:?}, {requests} requests", self.kind), &counts);
    }
}

/// A tool that holds a lock for as long as it must, and no longer.
fn soon(tool: Tool) -> Tool {
    tool.env("FWB_STORE_LEASE", "3")
}

/// Holds that what is there are whole backups, each with its sidecar, and that nobody is kept from making another one.
fn is_in_order(place: &Place, database: &Database, what: &str) -> Vec<Value> {
    let deleted = place.deleted();
    let is_deleted = |name: &str| deleted.iter().any(|deleted| name.starts_with(deleted.as_str()));
    let files = place.files().into_iter().filter(|name| !is_deleted(name));
    let (sidecars, artifacts): (Vec<String>, Vec<String>) =
        files.partition(|name| name.strip_suffix(".json").is_some());
    let without: Vec<&str> = sidecars.iter().filter_map(|name| name.strip_suffix(".json")).collect();
    assert_eq!(artifacts, without, "{what}");
    let next = soon(place.tool("fwb-dump")).args(["-B", &database.name, "--lock-wait"]).run();
    assert_eq!(next.code, Some(0), "{what}\nthen {next:?}");
    assert_eq!(place.bucket().uploads(), [""; 0], "{what}");
    let listed = place.listed();
    assert_eq!(listed.len(), artifacts.len() + 1, "{what}");
    listed
}

fn dumps(kind: Kind, database: &Database) {
    let mut scene = Scene::new(kind);
    scene.sweep(
        "a dump",
        |_| (),
        |scene, place, ()| scene.faulty(place, "fwb-dump").args(["-B", &database.name]).run(),
        |place, (), out, what| {
            let listed = is_in_order(place, database, what);
            assert_eq!(listed.len(), if out.code == Some(0) { 2 } else { 1 }, "{what}");
            for backup in &listed {
                let verified = place.tool("fwb-verify").arg("--no-record").arg(name(backup)).run();
                assert_eq!(verified.code, Some(0), "{what}\nthen {verified:?}");
            }
        },
    );
}

#[test]
fn a_dump_in_parts_is_published_whole_or_not_at_all() {
    let database = large("parts");
    dumps(Kind::Ministack, &database);
}

#[test]
fn a_small_dump_is_published_whole_or_not_at_all() {
    let database = Database::sample("whole");
    dumps(Kind::Ministack, &database);
    dumps(Kind::Azurite, &database);
}

#[test]
fn a_copy_is_made_whole_or_not_at_all() {
    let database = Database::sample("copy_faults");
    let from = Place::directory();
    let dump = from.dump(&database);
    let manifest = format!("{dump}\n");
    let mut scene = Scene::new(Kind::Ministack);
    scene.sweep(
        "a copy",
        |_| (),
        |scene, place, ()| scene.faulty(place, "fwb-copy").args(["--to", &place.url]).stdin(&manifest).run(),
        |place, (), _, what| {
            let listed = is_in_order(place, &database, what);
            let there = listed.iter().filter(|backup| name(backup) == name(&dump)).count();
            // The same command finishes it.
            let again = soon(place.known_to(Tool::new("fwb-copy")));
            let again = again.args(["--to", &place.url, "--lock-wait"]);
            let again = again.stdin(&manifest).run();
            assert_eq!(again.code, Some(0), "{there} there, {what}\nthen {again:?}");
            let verified = place.tool("fwb-verify").args(["--no-record", name(&dump)]).run();
            assert_eq!(verified.code, Some(0), "{what}\nthen {verified:?}");
        },
    );
}

#[test]
fn pruning_loses_nothing_that_is_kept() {
    let database = Database::sample("prune_faults");
    let mut scene = Scene::new(Kind::Ministack);
    scene.sweep(
        "pruning",
        |place| {
            let dumps: Vec<Value> = (0..3).map(|_| place.dump(&database)).collect();
            place.tool("fwb-verify").arg(name(&dumps[2])).run().ok();
            dumps
        },
        |scene, place, dumps| {
            let names: Vec<&str> = dumps.iter().map(name).collect();
            scene.faulty(place, "fwb-prune").args(["--keep-days", "0", "--keep-last", "1"]).args(names).run()
        },
        |place, dumps, out, what| {
            let listed = is_in_order(place, &database, what);
            let names: Vec<&str> = listed.iter().map(name).collect();
            assert!(names.contains(&name(&dumps[2])), "{what}");
            let gone = out.records().into_iter().filter(|record| record["decision"]["action"] == "delete");
            for record in gone {
                assert!(!names.contains(&name(&record)), "{what}");
            }
            if out.code == Some(0) {
                assert_eq!(names.len(), 2, "{what}");
            }
        },
    );
}

/// Who cannot reach the store any more says so, and the next run finds everything in order.
#[test]
fn a_store_that_goes_away_is_an_error() {
    let database = large("goes_away");
    let scene = Scene::new(Kind::Ministack);
    let place = scene.place();
    scene.proxy.plan_nothing();
    scene.faulty(&place, "fwb-dump").args(["-B", &database.name]).run().ok();
    let requests = scene.proxy.log().len();
    for from in [1, requests / 3, requests / 2, requests * 2 / 3] {
        let place = scene.place();
        scene.proxy.plan(move |request| (request.number >= from).then_some(Misfortune::CutBefore));
        let out = scene.faulty(&place, "fwb-dump").args(["-B", &database.name]).run();
        assert_eq!(out.code, Some(1), "{from}: {out:?}");
        // Nobody could remove what was stored, so it may be there, and is whole then.
        for artifact in place.files().iter().filter(|file| file.strip_suffix(".json").is_none()) {
            place.tool("fwb-verify").args(["--no-record", artifact]).run().ok();
        }
        soon(place.tool("fwb-dump")).args(["-B", &database.name, "--lock-wait"]).run().ok();
        assert_eq!(place.bucket().uploads(), [""; 0]);
    }
}
