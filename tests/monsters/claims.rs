//! Artifacts and sidecars that claim sizes which nobody has.

use std::fs;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Run, in_proportion, on};
use crate::support::{Database, Store, Tool, gzip, sha256};
use crate::torture::count;

/// A small artifact to be changed, and its store.
fn sample(database: &str) -> (Store, Value) {
    let store = Store::new();
    let database = Database::sample(database);
    let manifest = store.dump(&database);
    (store, manifest)
}

/// What a manifest says of sizes is held against the file before anything is made of that size.
#[test]
fn a_sidecar_that_claims_2_to_the_60_is_found_out() {
    let (store, manifest) = sample("monsters_sidecar");
    let huge = json!(1_u64 << 60);
    let fields = ["size", "raw_size", "largest_statement"];
    let sections = ["offset", "size", "raw_offset", "raw_size", "rows"];
    let sidecar = store.read_sidecar(&manifest);
    let mut claims: Vec<Value> = Vec::new();
    for number in [huge, json!(u64::MAX)] {
        for field in fields {
            claims.push(sidecar.clone());
            claims.last_mut().unwrap()[field] = number.clone();
        }
        for field in sections {
            claims.push(sidecar.clone());
            for section in claims.last_mut().unwrap()["sections"].as_array_mut().unwrap() {
                section[field] = number.clone();
            }
        }
    }
    for claim in &claims {
        fs::write(store.sidecar(&manifest), claim.to_string()).unwrap();
        let artifact = store.artifact(&manifest);
        let run = Run::of(on("fwb-verify", &artifact)).exits(&[3]);
        run.is_frugal();
        Run::of(Tool::alone("fwb-ls").arg("--store").arg(store.path())).exits(&[0, 3]).is_frugal();
        Run::of(on("fwb-restore", &artifact).arg("--stdout")).exits(&[1, 2, 3]).is_frugal();
        Run::of(on("fwb-restore", &artifact).args(["--stdout", "--tables", "files"]))
            .exits(&[0, 1, 2, 3])
            .is_frugal();
    }
    let sidecars = u32::try_from(claims.len()).unwrap();
    count("monsters", "claims of 2^60", &[("sidecars", sidecars), ("believed", 0)]);
}

/// RFC 1952's header with our extra field, as docs/FORMAT.md has it.
fn member(kind: u8, flags: u16, payload: &[u8], stream: &[u8], crc: u32, size: u32) -> Vec<u8> {
    let length = u16::try_from(4 + payload.len()).unwrap();
    let mut bytes = vec![0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 0xff];
    bytes.extend((length + 4).to_le_bytes());
    bytes.extend(b"FW");
    bytes.extend(length.to_le_bytes());
    bytes.extend([1, kind]);
    bytes.extend(flags.to_le_bytes());
    bytes.extend(payload);
    bytes.extend(stream);
    bytes.extend(crc.to_le_bytes());
    bytes.extend(size.to_le_bytes());
    bytes
}

/// A data member.
pub(crate) fn data(flags: u16, sizes: [u64; 3], stream: &[u8], crc: u32, size: u32) -> Vec<u8> {
    let payload: Vec<u8> = sizes.iter().flat_map(|number| number.to_le_bytes()).collect();
    member(0, flags, &payload, stream, crc, size)
}

const EMPTY: [u8; 2] = [3, 0];

/// Data members with the footer of this core after them.
pub(crate) fn artifact(members: &[u8], core: &Value) -> Vec<u8> {
    let core = core.to_string().into_bytes();
    let mut bytes = members.to_vec();
    for (number, piece) in core.chunks(60_000).enumerate() {
        bytes.extend(member(1, u16::try_from(number % 65_536).unwrap(), piece, &EMPTY, 0, 0));
    }
    end(bytes, members.len() as u64, core.len() as u64, &Sha256::digest(&core))
}

fn end(mut bytes: Vec<u8>, offset: u64, size: u64, core: &[u8]) -> Vec<u8> {
    let whole = Sha256::digest(&bytes);
    let payload = [&offset.to_le_bytes()[..], &size.to_le_bytes(), core, &whole].concat();
    bytes.extend(member(2, 0, &payload, &EMPTY, 0, 0));
    bytes
}

fn core(sections: Value) -> Value {
    json!({"schema": "fwb/1", "name": "monster.sql.gz", "kind": "full", "database": "monster",
           "started_at": "2025-07-25T17:02:06+09:00", "finished_at": "2025-07-25T17:02:06+09:00",
           "raw_size": 0, "raw_sha256": sha256(b""), "largest_statement": 0, "warnings": [], "sections": sections})
}

/// All tools that read an artifact, on this one.
fn all_tools(store: &Store, bytes: &[u8]) -> Vec<Run> {
    store.write("monster.sql.gz", bytes);
    let file = store.file("monster.sql.gz");
    vec![
        Run::of(on("fwb-verify", &file)).exits(&[3]),
        Run::of(on("fwb-restore", &file).arg("--stdout")).exits(&[1, 2, 3]),
        Run::of(Tool::alone("fwb-ls").args(["--tables", "--store"]).arg(store.path())).exits(&[0, 1, 3]),
    ]
}

/// A footer that says it is larger than the file, and one that is not where it says.
#[test]
fn a_footer_that_claims_2_to_the_60_is_found_out() {
    let store = Store::new();
    let huge = 1_u64 << 60;
    let body = data(1, [54, 0, 0], &EMPTY, 0, 0);
    let claims = [
        end(body.clone(), huge, huge, &[0; 32]),
        end(body.clone(), 0, huge, &[0; 32]),
        end(body.clone(), 0, u64::MAX, &[0; 32]),
        end(body.clone(), u64::MAX, 1, &[0; 32]),
        end(body.clone(), u64::MAX - 200, u64::MAX - 200, &[0; 32]),
        artifact(
            &body,
            &core(json!([{"kind": "header", "offset": 0, "size": huge, "raw_offset": 0, "raw_size": huge}])),
        ),
        artifact(
            &body,
            &core(json!([{"kind": "table", "name": "t", "offset": huge, "size": huge, "raw_offset": huge,
                                      "raw_size": u64::MAX, "rows": u64::MAX}])),
        ),
        // A member that says that 4 GiB come out of it, and one that takes as much.
        artifact(&data(1, [54, 4 << 30, 0], &EMPTY, 0, 0), &core(json!([]))),
        artifact(&data(1, [4 << 30, 0, 0], &EMPTY, 0, 0), &core(json!([]))),
        artifact(&data(1, [54, huge, huge], &EMPTY, 0, 0), &core(json!([]))),
        // One within what is allowed, of which nothing comes.
        artifact(&data(1, [54, 8 << 20, u64::MAX], &EMPTY, 0, 0), &core(json!([]))),
    ];
    for claim in &claims {
        all_tools(&store, claim).iter().for_each(Run::is_frugal);
    }
    let footers = u32::try_from(claims.len()).unwrap();
    count("monsters", "claims of 2^60", &[("footers and members", footers), ("believed", 0)]);
}

/// A member that becomes more than it says, as a gzip bomb does.
#[test]
fn a_member_gives_no_more_than_it_says() {
    let store = Store::new();
    let plain = vec![b'0'; 64 << 20];
    let packed = gzip(&plain);
    let (stream, trailer) = packed[10..].split_at(packed.len() - 18);
    let crc = u32::from_le_bytes(trailer[..4].try_into().unwrap());
    for says in [1, 8 << 20] {
        let size = 44 + stream.len() as u64 + 8;
        let bomb = artifact(&data(1, [size, says, 0], stream, crc, 64 << 20), &core(json!([])));
        all_tools(&store, &bomb).iter().for_each(Run::is_frugal);
    }
}

/// Members of nothing: a file of many is read in little memory and no more time than its size asks for.
#[test]
fn empty_members_do_not_pile_up() {
    let store = Store::new();
    let one = data(0, [54, 0, 0], &EMPTY, 0, 0);
    let runs = |count| all_tools(&store, &artifact(&one.repeat(count), &core(json!([]))));
    let measure = || runs(20_000).into_iter().zip(runs(80_000)).collect();
    for (one, four) in in_proportion("empty members", measure) {
        four.is_frugal();
        assert!(four.memory < one.memory + (8 << 10), "{} KiB, then {}", one.memory, four.memory);
    }
}
