//! What the fuzz targets in `fuzz/` call, and no part of the library. Each function takes any bytes, and panics where
//! a promise is broken.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::artifact::{
    Artifact, ArtifactWriter, CompressionLevel, Cutter, DataHeader, Decoder, HexEncoder, Piece, SqlSource,
};
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
    let mut push = |piece: Piece| {
        joined.extend_from_slice(&piece.raw);
        Ok(())
    };
    let mut cutter = Cutter::new();
    let mut stream = sql.chain(std::io::empty());
    while cutter.read_from(&mut stream, &mut unobserved, &mut push).is_ok_and(|read| read > 0) {}
    assert!(cutter.finish(&mut unobserved, &mut push).is_ok());
    assert_eq!(joined, sql);
}

/// Reads a file as an artifact, and then the artifact that is made of the same bytes: as its SQL and, where they are
/// a JSON object, as its core.
///
/// # Panics
/// Where a reader does, or where the artifact does not give back what it was made of.
pub fn read_artifact(bytes: &[u8]) {
    read_file(bytes);
    let core: Map<String, Value> = serde_json::from_slice(bytes).unwrap_or_default();
    let Some(made) = make(bytes, &core) else { return };
    read_file(&made);
    let Some(artifact) = open(&made).map(Arc::new) else { return };
    let Ok(Some(footer)) = artifact.footer() else { unreachable!("an artifact has a footer") };
    assert_eq!(footer.core, Value::Object(core));
    let Ok(mut decoder) = Decoder::new(&artifact, vec![(0, footer.offset)], 1) else { return };
    let members = std::iter::from_fn(|| decoder.next().ok().flatten());
    let sql: Vec<u8> = members.flat_map(|decoded| decoded.raw).collect();
    assert_eq!(sql, bytes);
}

fn make(sql: &[u8], core: &Map<String, Value>) -> Option<Vec<u8>> {
    let spill = Box::new(tempfile::tempfile);
    let (writer, senders) = ArtifactWriter::new(Vec::new(), CompressionLevel::default(), 1, 1, spill).ok()?;
    if let (Some(sender), false) = (senders.first(), sql.is_empty()) {
        let piece = Piece { raw: sql.to_vec(), flags: DataHeader::SECTION, rows: 0, section: 0 };
        sender.push(piece, false).ok()?;
    }
    drop(senders);
    let (members, _) = writer.finish().ok()?;
    members.finish(core).ok().map(|(artifact, _)| artifact)
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
    let Ok(mut decoder) = Decoder::new(&artifact, vec![(0, end)], 1) else { return };
    let mut members = std::iter::from_fn(|| decoder.next().ok().flatten()).take(MOST_READ);
    assert!(members.all(|decoded| decoded.raw.len() as u64 == decoded.member.header.raw_size));
    let Ok(mut source) = SqlSource::foreign(&artifact) else { return };
    let chunks = std::iter::from_fn(|| source.next().ok().flatten()).take(MOST_READ);
    assert!(chunks.map(|chunk| chunk.len()).all(|size| size > 0));
}

/// Compresses what a member may hold as mostly binary values: what is taken comes back. Each line is one of them, but
/// for every third, which is text.
///
/// # Panics
/// Where it does not come back.
pub fn compress_binary(bytes: &[u8]) {
    let lines = bytes.split(|&byte| byte == b'\n').enumerate();
    let digits = |line: &[u8]| hex::encode_upper(line).into_bytes();
    let raw = lines.map(|(at, line)| if at % 3 == 2 { line.to_vec() } else { digits(line) });
    let raw = raw.collect::<Vec<_>>().concat();
    let mut out = vec![0; 2 * raw.len() + 1000];
    let mut back = vec![0; raw.len()];
    for raw in [&raw[..], bytes] {
        let Some(size) = HexEncoder::new().compress(raw, &mut out) else { continue };
        let back = &mut back[..raw.len()];
        let read = libdeflater::Decompressor::new().deflate_decompress(&out[..size], back);
        assert!(read == Ok(raw.len()) && back == raw);
    }
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
    let again =
        Manifest::from_value(Value::Object(core.clone())).ok().and_then(|manifest| manifest.core().ok());
    assert_eq!(again, Some(core), "a core is a manifest, and its own core");
}
