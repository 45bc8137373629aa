//! What the fuzz targets in `fuzz/` call, and no part of the library. Each function takes any bytes, and panics where
//! a promise is broken.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::artifact::{Artifact, Cutter, Decoder, SqlSource, sealed};
use crate::manifest::Manifest;
use crate::scan::{assert_agreement, unobserved};

/// How many members or chunks are read of one input: a few bytes may decompress to gigabytes.
const MOST_READ: usize = 16;

/// Scans SQL: the scanner finds what the slow reference finds, however the input is cut, and nothing of it is lost
/// in the pieces that become members.
///
/// # Panics
/// Where that does not hold.
pub fn scan_all(sql: &[u8]) {
    assert_agreement(sql);
    let mut joined = Vec::new();
    let mut push = |piece: crate::artifact::Piece| {
        joined.extend_from_slice(&piece.raw);
        Ok(())
    };
    let mut cutter = Cutter::new();
    let mut stream = sql.chain(std::io::empty());
    while cutter.read_from(&mut stream, &mut unobserved, &mut push).is_ok_and(|read| read > 0) {}
    assert!(cutter.finish(&mut unobserved, &mut push).is_ok());
    assert_eq!(joined, sql);
}

/// Reads a file as an artifact: as it is, and as the core of an artifact whose hashes are right.
///
/// # Panics
/// Where a reader does, or where an artifact that was just made is not read again.
pub fn read_artifact(bytes: &[u8]) {
    read_file(bytes);
    let artifact = sealed(bytes);
    read_file(&artifact);
    let footer = open(&artifact).and_then(|artifact| artifact.footer().ok().flatten());
    let is_json = serde_json::from_slice::<serde_json::Value>(bytes).is_ok();
    assert_eq!(footer.is_some(), is_json, "what was sealed comes back");
}

fn open(bytes: &[u8]) -> Option<Artifact> {
    let file = rustix::fs::memfd_create("artifact", rustix::fs::MemfdFlags::CLOEXEC).ok()?;
    let mut file = File::from(file);
    file.write_all(bytes).ok()?;
    Artifact::new(file, Path::new("fuzz.sql.gz")).ok()
}

fn read_file(bytes: &[u8]) {
    let Some(artifact) = open(bytes).map(Arc::new) else { return };
    let footer = artifact.footer().ok().flatten();
    let end = footer.as_ref().map_or(artifact.size(), |footer| footer.offset);
    let manifest = footer.and_then(|footer| Manifest::from_value(footer.core).ok());
    let places = manifest.iter().flat_map(|manifest| &manifest.sections).filter_map(|section| section.offset);
    for offset in places.take(MOST_READ) {
        let found = artifact.members(offset, end).take(MOST_READ);
        assert!(found.count() <= MOST_READ);
    }
    let mut decoder = Decoder::new(&artifact, vec![(0, end)], 1);
    let mut members = std::iter::from_fn(|| decoder.next().ok().flatten()).take(MOST_READ);
    assert!(members.all(|decoded| decoded.raw.len() as u64 == decoded.member.header.raw_size));
    let Ok(mut source) = SqlSource::foreign(&artifact) else { return };
    let chunks = std::iter::from_fn(|| source.next().ok().flatten()).take(MOST_READ);
    assert!(chunks.map(|chunk| chunk.len()).all(|size| size > 0));
}

/// Reads a manifest: what is read can be written and read again, and its core holds nothing that changes.
///
/// # Panics
/// Where that does not hold.
pub fn read_manifest(json: &[u8]) {
    let Ok(manifest) = Manifest::from_slice(json) else { return };
    let Ok(written) = serde_json::to_vec(&manifest) else { return };
    let again = Manifest::from_slice(&written);
    assert_eq!(again.ok().as_ref(), Some(&manifest), "what is written is what was read");
    let core = manifest.core().unwrap_or_default();
    assert!(!core.contains_key("verification") && !core.contains_key("store"));
    let digest = |core: &serde_json::Map<_, _>| Sha256::digest(serde_json::to_vec(core).unwrap_or_default());
    let of_core = serde_json::to_value(&core).ok().and_then(|core| Manifest::from_value(core).ok());
    assert_eq!(of_core.and_then(|m| m.core().ok()).map(|core| digest(&core)), Some(digest(&core)));
}
