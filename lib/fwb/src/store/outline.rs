//! One backup as a listing holds it: what is shown and judged, and no more. The record that is handed to the next tool is
//! read when it is its turn; where the sidecar is still the one that was judged, its text is that record.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::BorrowedFd;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, openat, statat};
use xxhash_rust::xxh3::xxh3_128;

use super::Store;
use super::entry::{Entry, LARGEST_SIDECAR};
use super::name::SIDECAR;
use crate::brief::Brief;
use crate::error::{Error, Result};
use crate::identity::{Belonging, Owner, ServerIdentity};
use crate::manifest::{Decision, Kind, Level, Manifest, Server, Timestamp, Verification};
use crate::retention::Proof;
use crate::server::NameCase;

/// Most sidecars are smaller, in bytes.
const USUAL_SIDECAR: usize = 64 << 10;

/// What is known of a backup, in short.
#[derive(Debug, Clone)]
pub struct Outline {
    /// The artifact's file name in its store.
    pub name: String,
    /// What the backup is for.
    pub kind: Kind,
    /// The database dumped; absent where a foreign file does not say.
    pub database: Option<String>,
    /// How its server compares names, where the manifest says so.
    pub name_case: Option<NameCase>,
    /// The server dumped from, as the manifest says.
    pub server: ServerIdentity,
    /// Where it belongs among the other backups of its store; a listing settles that.
    pub(crate) belonging: Belonging,
    /// When the dump began.
    pub started_at: Timestamp,
    /// The artifact's size in bytes, as the manifest says it.
    pub size: u64,
    /// Rows of all tables, where any are counted.
    pub rows: Option<u64>,
    /// The latest outcome of `fwb-verify`. Where a look at the sizes finds a problem it is that one, as if `quick` had
    /// run: whatever was recorded before does not hold any more.
    pub verification: Option<Verification>,
    /// What is wrong, as far as a look at sizes and names shows.
    pub problems: Vec<String>,
    /// The sidecar's text, where that may be handed on as it stands.
    text: Option<Text>,
}

/// A sidecar's text in short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Text {
    /// Its size in bytes.
    size: usize,
    /// The hash of it.
    hash: u128,
    /// Where in it `store` would stand.
    place: usize,
}

/// A backup's manifest on its way to the next tool.
#[derive(Debug)]
pub struct Record {
    store: String,
    body: Body,
    /// What `fwb-prune` decided.
    decision: Option<Decision>,
}

#[derive(Debug)]
enum Body {
    Text { text: String, place: usize },
    Manifest(Box<Manifest>),
}

impl Outline {
    /// What is to be known of an entry.
    pub(crate) fn of(entry: Entry) -> Self {
        let Entry { manifest, problems, .. } = entry;
        let outline = Self::from(manifest);
        if problems.is_empty() {
            return outline;
        }
        let failed = Verification { ok: false, ..Verification::new(Level::Quick, problems.clone()) };
        Self { verification: Some(failed), problems, ..outline }
    }

    /// The server that it counts for, among the backups of its store.
    pub fn owner(&self) -> &Owner {
        self.belonging.owner()
    }

    /// What retention may count on.
    pub fn proof(&self) -> Proof {
        Proof::of(self.verification.as_ref(), &self.problems)
    }

    /// Whether the backup is proved: the latest outcome is ok at `full` or above, and the artifact is there with
    /// the size that the manifest says.
    pub fn is_proved(&self) -> bool {
        self.proof() == Proof::Proved
    }

    /// Reads the backup `name` in `store`, whose directory is open as `dir`.
    pub(super) fn load(store: &Store, dir: BorrowedFd<'_>, name: &str, buffer: &mut Vec<u8>) -> Result<Self> {
        match Self::glance(dir, name, buffer) {
            Some(outline) => Ok(outline),
            None => Entry::load(store.root(), name).map(Self::of),
        }
    }

    /// A backup of which nothing is wrong, with a sidecar that is written as ours are. Whatever else there may be is
    /// [`Entry::load`]'s to find out.
    fn glance(dir: BorrowedFd<'_>, name: &str, buffer: &mut Vec<u8>) -> Option<Self> {
        let artifact = statat(dir, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        let json = read_sidecar(dir, name, buffer).ok()?;
        let brief = Brief::of(json).filter(|brief| brief.name == name)?;
        let is_file = FileType::from_raw_mode(artifact.st_mode) == FileType::RegularFile;
        if !is_file || u64::try_from(artifact.st_size) != Ok(brief.size) {
            return None;
        }
        let place = (!brief.is_of_a_stream()).then(|| place_of_store(json, name)).flatten();
        Some(Self {
            kind: brief.kind,
            name_case: brief.name_case(),
            server: brief.server(),
            belonging: Belonging::default(),
            started_at: brief.started_at,
            size: brief.size,
            rows: brief.rows(),
            problems: Vec::new(),
            text: place.map(|place| Text { size: json.len(), hash: xxh3_128(json.as_bytes()), place }),
            verification: brief.verification,
            database: brief.database,
            name: brief.name.into_owned(),
        })
    }

    /// The backup's record; none where it has been deleted meanwhile.
    pub(super) fn fetch(&self, store: &Store, decision: Option<Decision>) -> Result<Option<Record>> {
        let body = match self.text_body(store) {
            Some(body) => body,
            None => match Entry::load(store.root(), &self.name) {
                // It is told as it was judged.
                Ok(entry) => Body::Manifest(Box::new(Manifest {
                    verification: self.verification.clone(),
                    ..entry.manifest
                })),
                Err(Error::NoBackup { .. }) => return Ok(None),
                Err(error) => return Err(error),
            },
        };
        Ok(Some(Record { store: store.root().display().to_string(), body, decision }))
    }

    fn text_body(&self, store: &Store) -> Option<Body> {
        let Text { size, hash, place } = self.text?;
        let path = super::sidecar_path(&store.root().join(&self.name));
        let mut text = vec![0; size];
        super::entry::open(&path).ok()?.read_exact(&mut text).ok()?;
        let same = xxh3_128(&text) == hash;
        String::from_utf8(text).ok().filter(|_| same).map(|text| Body::Text { text, place })
    }
}

impl From<Manifest> for Outline {
    /// Of a backup of which nothing is wrong.
    fn from(manifest: Manifest) -> Self {
        let rows = manifest.sections.iter().filter_map(|section| section.rows).reduce(u64::saturating_add);
        Self {
            name: manifest.name,
            kind: manifest.kind,
            database: manifest.database,
            name_case: manifest.server.as_ref().and_then(Server::name_case),
            server: manifest.server.as_ref().map(Server::identity).unwrap_or_default(),
            belonging: Belonging::default(),
            started_at: manifest.started_at,
            size: manifest.size,
            rows,
            verification: manifest.verification,
            problems: Vec::new(),
            text: None,
        }
    }
}

impl Record {
    /// The sidecar's text before and after the place of `store`, where it is the manifest as it stands, and what is to
    /// stand there.
    pub fn text(&self) -> Option<(&str, &str, &str)> {
        match &self.body {
            Body::Text { text, place } => {
                text.split_at_checked(*place).map(|(a, b)| (a, self.store.as_str(), b))
            }
            Body::Manifest(_) => None,
        }
    }

    /// What `fwb-prune` decided.
    pub fn decision(&self) -> Option<&Decision> {
        self.decision.as_ref()
    }

    /// The whole manifest, with its store and what was decided.
    ///
    /// # Errors
    /// The text is no manifest after all.
    pub fn into_manifest(self) -> Result<Manifest> {
        let manifest = match self.body {
            Body::Text { text, .. } => serde_json::from_str(&text)?,
            Body::Manifest(manifest) => *manifest,
        };
        Ok(Manifest { store: Some(self.store), decision: self.decision, ..manifest })
    }
}

/// Reads a sidecar into the buffer.
fn read_sidecar<'a>(dir: BorrowedFd<'_>, name: &str, buffer: &'a mut Vec<u8>) -> io::Result<&'a str> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let mut file = File::from(openat(dir, [name, SIDECAR].concat(), flags, Mode::empty())?);
    buffer.resize(buffer.len().max(USUAL_SIDECAR), 0);
    // What does not fill the buffer is all of it. If ever it is not, it is no JSON.
    let mut length = file.read(buffer)?;
    if length == buffer.len() {
        length += file.take(LARGEST_SIDECAR).read_to_end(buffer)?;
    }
    std::str::from_utf8(&buffer[..length]).map_err(io::Error::other)
}

/// Where in a sidecar of ours `store` would stand: after the name, where everything is in one line.
fn place_of_store(json: &str, name: &str) -> Option<usize> {
    let name = serde_json::to_string(name).ok()?;
    let rest = json.strip_prefix("{\"schema\":\"")?.strip_prefix(crate::manifest::SCHEMA)?;
    let rest = rest.strip_prefix("\",\"name\":")?.strip_prefix(name.as_str())?.strip_prefix(',')?;
    let line = rest.strip_suffix('\n').unwrap_or(rest);
    let is_one_line = memchr::memchr(b'\n', line.as_bytes()).is_none() && line.ends_with('}');
    is_one_line.then_some(json.len() - rest.len())
}

impl Proof {
    /// By the latest outcome and what a look shows.
    pub(super) fn of(verification: Option<&Verification>, problems: &[String]) -> Self {
        if !problems.is_empty() || verification.is_some_and(|outcome| !outcome.ok) {
            return Self::Failed;
        }
        if verification.is_some_and(Verification::proves) { Self::Proved } else { Self::Unproved }
    }
}
