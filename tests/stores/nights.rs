//! Night after night on a host with public keys alone: it can read none of its backups, and keeps, proves and prunes them all the
//! same, in a directory and in buckets.

use serde_json::Value;

use super::Place;
use crate::environment::Clock;
use crate::support::object_server::Kind;
use crate::support::{Database, Output, Tool, name, until};

const DAY: i64 = 24 * 60 * 60;
const NIGHTS: i64 = 30;
/// Nobody has the key to it.
const RECIPIENT: &str = "age1m8k8cw67mqxz4225uajwaqep2urr8gtcxllw28ld5fkqyejg6gds0w5d67";

/// Thirty nights, of which two in a row bring no backup, one a backup that changes where it lies, and one a backup that is lost
/// there. Each is told, and nothing else is.
fn thirty_nights(place: &Place) {
    let (database, clock) = (Database::sample("nights"), Clock::off_by(0));
    // What was deleted goes after seconds by the store's own clock, which these nights do not set.
    let tool = |name: &str| {
        let tool = place.tool(name).env("FWB_STORE_DELETE_AFTER", "1").env("FWB_STORE_LEASE", "10");
        tool.env("FWB_RECIPIENTS", RECIPIENT)
    };
    let run = |tool: Tool| clock.tool(tool).run();
    let is_fresh = || run(tool("fwb-ls").args(["--max-age", "26h"])).code;
    let prune = |listed: &Output| {
        run(tool("fwb-prune").args(["--keep-days", "7"]).stdin(listed.stdout.clone())).ok();
    };
    let (mut changed, mut lost) = (String::new(), String::new());
    for night in 0..NIGHTS {
        clock.set_off_by((night - NIGHTS) * DAY);
        if (10..12).contains(&night) {
            assert_eq!(is_fresh(), Some(if night == 10 { 0 } else { 3 }), "night {night}");
            continue;
        }
        let dump = run(tool("fwb-dump").args(["-B", &database.name])).ok();
        let made = dump.json();
        assert_eq!(made["verification"]["by"], "writer", "night {night}");
        match night {
            20 => {
                let mut bytes = place.read(name(&made)).unwrap();
                bytes[2000] ^= 1;
                place.write(name(&made), bytes);
                name(&made).clone_into(&mut changed);
            }
            25 => {
                place.remove(name(&made));
                name(&made).clone_into(&mut lost);
            }
            _ => {}
        }
        let verified = run(tool("fwb-verify").stdin(dump.stdout.clone()));
        let expected = if matches!(night, 20 | 25) { 3 } else { 0 };
        assert_eq!(verified.code, Some(expected), "night {night}: {}", verified.stderr);
        let listed = run(tool("fwb-ls"));
        // As long as they are there.
        let records = listed.records();
        for troubled in [&changed, &lost] {
            if let Some(backup) = records.iter().find(|backup| name(backup) == troubled) {
                assert_eq!(backup["verification"]["ok"], false, "night {night}: {backup}");
            }
        }
        // That an artifact is gone is seen by a look.
        assert_eq!(
            listed.code,
            Some(if lost.is_empty() { 0 } else { 3 }),
            "night {night}: {}",
            listed.stderr
        );
        assert!(listed.stderr.contains(&lost), "night {night}: {}", listed.stderr);
        prune(&listed);
        // Of what is changed, the proof of the night before still counts; what is lost is an alarm by itself.
        assert_eq!(is_fresh(), Some(if lost.is_empty() { 0 } else { 3 }), "night {night}");
    }
    let listed = || run(tool("fwb-ls"));
    let proved =
        |records: &[Value]| records.iter().filter(|backup| backup["verification"]["ok"] == true).count();
    let records = listed().records();
    assert!((6..=8).contains(&proved(&records)), "{records:?}");
    assert!(records.iter().all(|manifest| manifest["encryption"]["recipients"][0] == RECIPIENT));
    until("the end of what was deleted", || {
        prune(&listed());
        let sidecars = place.files().iter().filter(|file| file.strip_suffix(".json").is_some()).count();
        (sidecars == listed().records().len()).then_some(())
    });
}

#[test]
fn a_host_with_public_keys_alone_goes_through_thirty_nights() {
    thirty_nights(&Place::directory());
}

#[test]
fn it_does_so_on_s3() {
    thirty_nights(&Place::on(Kind::Moto));
}

#[test]
fn it_does_so_on_azure() {
    thirty_nights(&Place::on(Kind::Azurite));
}
