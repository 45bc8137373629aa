//! What the fuzz targets in `fuzz/` call, and no part of the library. Each function takes any bytes, and panics where
//! a promise is broken.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::artifact::{
    Artifact, ArtifactWriter, Codec, Compression, Cutter, DataHeader, Decoder, Piece, SqlSource,
};
use crate::encryption::Keys;
use crate::manifest::{Kind, Manifest};
use crate::oracle;
use crate::restore::journal_row;
use crate::scan::{QuoteMode, Reading, Token, Tokens, assert_agreement, unobserved};
use crate::server::quote_name;
use crate::store::{Form, Opened, artifact_name};

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
    let mut cutter = Cutter::new(Codec::Gzip);
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
    for codec in Codec::ALL {
        come_back(bytes, &core, codec);
    }
}

fn come_back(bytes: &[u8], core: &Map<String, Value>, codec: Codec) {
    let Some(made) = make(bytes, core, codec) else { return };
    read_file(&made);
    let Some(artifact) = open(&made).map(Arc::new) else { return };
    let Ok(Some(footer)) = artifact.footer() else { unreachable!("an artifact has a footer") };
    assert_eq!(footer.core, Value::Object(core.clone()));
    let Ok(mut decoder) = Decoder::new(&artifact, vec![(0, footer.offset)], 1) else { return };
    let members = std::iter::from_fn(|| decoder.next().ok().flatten());
    let sql: Vec<u8> = members.flat_map(|decoded| decoded.raw).collect();
    assert_eq!(sql, bytes);
}

fn make(sql: &[u8], core: &Map<String, Value>, codec: Codec) -> Option<Vec<u8>> {
    let (writer, sender) = ArtifactWriter::new(Vec::new(), Compression::new(codec, None)?, 1).ok()?;
    if !sql.is_empty() {
        let piece = Piece { raw: sql.to_vec(), flags: DataHeader::SECTION, rows: 0, section: 0 };
        sender.push(piece).ok()?;
    }
    drop(sender);
    let (members, _) = writer.finish().ok()?;
    members.finish(core).ok().map(|(artifact, _)| artifact)
}

fn open(bytes: &[u8]) -> Option<Artifact> {
    let opened = Opened { bytes: Arc::new(bytes.to_vec()), modified: std::time::SystemTime::UNIX_EPOCH };
    Artifact::new(opened, Path::new("fuzz.sql.gz"), &Keys::default()).ok()
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

/// Judges the statements of any SQL as a restore does.
///
/// # Panics
/// Where one is admitted that some server would take for more than a dump contains.
pub fn admit(sql: &[u8]) {
    oracle::admit(sql);
}

/// Divides the tables of any SQL as a restore does that puts keys off.
///
/// # Panics
/// Where the parts are not the whole.
pub fn divide_tables(sql: &[u8]) {
    oracle::divide_tables(sql);
}

/// Puts any text where names stand: into a file's name, an identifier, a row of a swap's journal. It stays what it was, and
/// alone.
///
/// # Panics
/// Where that does not hold.
pub fn write_names(bytes: &[u8]) {
    let text = &*String::from_utf8_lossy(bytes);
    let prefix = crate::store::name_prefix(Some(text), "");
    let form = Form { codec: Codec::Zstd, is_encrypted: true };
    if let Ok(name) = artifact_name(&prefix, Kind::Full, crate::manifest::now(), form) {
        assert!(crate::store::check_name(&name).is_ok(), "{name:?}");
    }
    assert_eq!(from_percent(&prefix).as_deref(), Some(text.as_bytes()));

    let quoted = quote_name(text);
    let mut tokens = Tokens::new(quoted.as_bytes(), Reading::Everything, QuoteMode::default());
    let token = tokens.next();
    assert!(
        matches!(&token, Some(Token::Name(name)) if **name == *text.as_bytes()) && tokens.next().is_none()
    );

    let texts: Vec<String> =
        bytes.chunks(5).map(|column| String::from_utf8_lossy(column).into_owned()).collect();
    let mut row = vec!["TRIGGER".to_owned(), hex::encode(text), hex::encode(bytes)];
    row.extend(texts.iter().cycle().take(5).cloned());
    row.push(hex::encode(bytes));
    let complete = row.len() == 9;
    let read = journal_row(&row);
    assert_eq!(read.is_some(), complete);
    assert!(read.is_none_or(|read| read.name == text && read.text == bytes));
    journal_row(&texts);
}

/// Percent-encoding undone (RFC 3986, section 2.1).
fn from_percent(text: &str) -> Option<Vec<u8>> {
    let mut parts = text.split('%');
    let mut plain = parts.next()?.as_bytes().to_vec();
    for part in parts {
        plain.extend(hex::decode(part.get(..2)?).ok()?);
        plain.extend_from_slice(&part.as_bytes()[2..]);
    }
    Some(plain)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::noise;

    type Target = (&'static str, fn(&[u8]), u64);

    /// The targets, and how many inputs of each are tried here: `make fuzz` tries more, guided by what they reach.
    const TARGETS: [Target; 6] = [
        ("scanner", scan_all, 3000),
        ("artifact", read_artifact, 1000),
        ("manifest", read_manifest, 10_000),
        ("admission", admit, 3000),
        ("keys", divide_tables, 3000),
        ("names", write_names, 20_000),
    ];

    fn files(dir: &str) -> Vec<Vec<u8>> {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz").join(dir);
        let mut paths: Vec<_> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
    }

    /// Draws numbers, the same ones in each run.
    struct Dice(u64);

    impl Dice {
        fn below(&mut self, most: usize) -> usize {
            self.0 += 1;
            let drawn = u64::from_le_bytes(noise(self.0, 8).try_into().unwrap());
            usize::try_from(drawn % most.max(1) as u64).unwrap()
        }
    }

    /// A seed with something of itself, of another seed or of the dictionary in the wrong place.
    fn changed(seeds: &[Vec<u8>], words: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
        let mut input = seeds[dice.below(seeds.len())].clone();
        input.truncate(4096);
        for _ in 0..=dice.below(6) {
            let at = dice.below(input.len() + 1);
            let end = (at + dice.below(40)).min(input.len());
            let piece = match dice.below(7) {
                0 => vec![dice.below(256).to_le_bytes()[0]],
                1 => words[dice.below(words.len())].clone(),
                2 => Vec::new(),
                3 => {
                    let other = &seeds[dice.below(seeds.len())];
                    let from = dice.below(other.len() + 1);
                    other[from..(from + dice.below(80)).min(other.len())].to_vec()
                }
                4 => input[at..end].repeat(2),
                5 => noise(dice.0, end - at),
                _ => input[at..end].iter().rev().copied().collect(),
            };
            input.splice(at..end, piece);
        }
        input
    }

    /// What no test has thought of must not stop a backup in the night, or get past a restore by day.
    #[test]
    fn a_bounded_run_of_every_target() {
        let words: Vec<Vec<u8>> = include_str!("../../../fuzz/dump.dict")
            .lines()
            .filter_map(|line| line.strip_prefix('"')?.strip_suffix('"'))
            .map(|word| word.replace("\\x0a", "\n").replace("\\\"", "\"").replace("\\\\", "\\").into_bytes())
            .collect();
        let mut dice = Dice(1);
        let mut all = 0;
        for (name, target, runs) in TARGETS {
            let seeds = files(&format!("seeds/{name}"));
            assert!(!seeds.is_empty(), "{name}");
            for seed in &seeds {
                target(seed);
            }
            for _ in 0..runs {
                let input = changed(&seeds, &words, &mut dice);
                let ended = std::panic::catch_unwind(|| target(&input));
                assert!(ended.is_ok(), "{name}: {}", input.escape_ascii());
            }
            all += runs + seeds.len() as u64;
        }
        eprintln!("torture: fuzz: {all} executions of {} targets, 0 failures", TARGETS.len());
    }
}
