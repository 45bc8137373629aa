//! One backup in a store, as its artifact, its sidecar and its footer together say.

use serde_json::{Map, Value};

use super::{Listed, Store, name};
use crate::artifact::Artifact;
use crate::error::{Error, Result};
use crate::manifest::{Detail, Encryption, Kind, Manifest, SCHEMA, Timestamp, Verification};

/// The largest sidecar that is read, in bytes.
pub(in crate::store) const LARGEST_SIDECAR: u64 = 512 << 20;

/// What is said of an artifact of ours that does not end as one.
pub(crate) const NO_FOOTER: &str = "it is truncated: it has no footer";

/// A backup.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The manifest: the sidecar's, else the footer's, else what the file's name and date tell. It goes by the name that
    /// the artifact has now.
    pub manifest: Manifest,
    /// The name in the sidecar: of an artifact that was renamed with it, the one under which it was dumped. It stays, or
    /// it could not be told from a damaged one after another renaming.
    pub recorded_name: String,
    /// Whether a sidecar stands beside the artifact.
    pub sidecar: Sidecar,
    /// The outcome in a sidecar that was renamed with a file of which nothing but the size can be told: it counts once
    /// `fwb-verify` has compared the bytes.
    pub(crate) set_aside: Option<Verification>,
    /// What is wrong, as far as a look at sizes and names shows.
    pub problems: Vec<String>,
}

/// The state of a sidecar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sidecar {
    /// There, and a manifest.
    Present,
    /// Not there.
    Absent,
    /// There, and not a manifest of this backup.
    Damaged,
}

impl Entry {
    /// Reads the backup `name` in a store.
    pub(super) fn load(store: &Store, name: &str) -> Result<Self> {
        let file = Listed { name: name::sidecar(name), size: None, version: None };
        let read = store.backend.read(std::slice::from_ref(&file), LARGEST_SIDECAR)?;
        let sidecar = read.into_iter().next().unwrap_or(Ok(None))?;
        Self::of_sidecar(store, name, sidecar.as_deref())
    }

    /// The same by a listing and the sidecar alone; none where they tell too little.
    pub(super) fn glance(name: &str, artifact: Option<&Listed>, sidecar: Option<&[u8]>) -> Option<Self> {
        let (manifest, size) = (Manifest::from_slice(sidecar?).ok()?, artifact?.size?);
        let is_encrypted = name.ends_with(crate::encryption::SUFFIX);
        if manifest.name != name || manifest.encryption.is_some() != is_encrypted {
            return None;
        }
        let problems = if manifest.size == size { Vec::new() } else { vec![wrong_size(size, manifest.size)] };
        let recorded_name = name.to_owned();
        Some(Self { manifest, recorded_name, sidecar: Sidecar::Present, set_aside: None, problems })
    }

    /// The backup `name` in a store, with this sidecar.
    pub(super) fn of_sidecar(store: &Store, name: &str, sidecar: Option<&[u8]>) -> Result<Self> {
        let (sidecar, mut problems) = found(sidecar);
        let artifact = match store.artifact_if_there(name)? {
            Some(artifact) => artifact,
            None if matches!(sidecar, Found::Absent) || store.backend.was_deleted(name)? => {
                return Err(store.no_backup(name));
            }
            None => return Ok(lost(name, sidecar)),
        };
        let (mut recorded_name, mut set_aside) = (name.to_owned(), None);
        let sidecar = match sidecar {
            Found::Manifest(manifest) if manifest.name != name => {
                // Hosts without a key know an encrypted one by the name under which it was compared last.
                if manifest.kind != Kind::Foreign && !artifact.is_encrypted() {
                    recorded_name.clone_from(&manifest.name);
                }
                renamed(manifest, &artifact, name, &mut set_aside, &mut problems)?
            }
            other => other,
        };
        let state = sidecar.state();
        let mut manifest = match sidecar {
            Found::Manifest(manifest) => completed(*manifest, &artifact, &mut problems)?,
            _ => from_artifact(&artifact, name, &mut problems)?,
        };
        let (said, size) = (manifest.size, artifact.stored_size());
        if said != size {
            problems.push(wrong_size(size, said));
        }
        match (&manifest.encryption, artifact.is_encrypted()) {
            (Some(_), false) => {
                problems.push("its sidecar says that it is encrypted, and it is not".into());
                manifest.encryption = None;
            }
            (None, true) => {
                problems.push("it is encrypted, and its sidecar does not say so".into());
                manifest.encryption = Some(Encryption::age(&[], Detail::Full));
            }
            _ => {}
        }
        Ok(Self { manifest, recorded_name, sidecar: state, set_aside, problems })
    }
}

enum Found {
    Manifest(Box<Manifest>),
    Absent,
    Damaged,
}

impl Found {
    fn state(&self) -> Sidecar {
        match self {
            Self::Manifest(_) => Sidecar::Present,
            Self::Absent => Sidecar::Absent,
            Self::Damaged => Sidecar::Damaged,
        }
    }
}

fn wrong_size(size: u64, said: u64) -> String {
    format!("the artifact has {size} bytes, its manifest says {said}")
}

fn found(sidecar: Option<&[u8]>) -> (Found, Vec<String>) {
    match sidecar.map(Manifest::from_slice) {
        None => (Found::Absent, Vec::new()),
        Some(Ok(manifest)) => (Found::Manifest(Box::new(manifest)), Vec::new()),
        Some(Err(error)) => (Found::Damaged, vec![format!("its sidecar cannot be used: {error}")]),
    }
}

/// A sidecar that names another backup than the artifact beside it. A backup is what its bytes are, and its name is where
/// they lie: where both have been renamed, the artifact's own manifest says the same as the sidecar, the former name
/// included, and the sidecar is this backup's. Where it says something else, the sidecar belongs to another artifact, or
/// is damaged.
///
/// A file of another program has no manifest of its own. Its sidecar is taken where the size fits, but not the outcome
/// in it: only `fwb-verify` can tell whether it is about these bytes.
fn renamed(
    sidecar: Box<Manifest>,
    artifact: &Artifact,
    name: &str,
    set_aside: &mut Option<Verification>,
    problems: &mut Vec<String>,
) -> Result<Found> {
    let (own, is_of_this_name) = match artifact.footer() {
        Ok(Some(footer)) => {
            let is_of_this_name = footer.core.get("name").and_then(Value::as_str) == Some(&sidecar.name);
            (from_core(footer.core, &sidecar.name, artifact).ok(), is_of_this_name)
        }
        Ok(None) | Err(Error::Damaged { .. } | Error::Encrypted { .. }) => (None, false),
        Err(error) => return Err(error),
    };
    // The sidecar of an encrypted one, renamed for the second time, has its first new name.
    let own = own.filter(|_| is_of_this_name || artifact.is_encrypted());
    // Of what has no manifest of its own, and of what no key opens, the size alone can be held against the sidecar.
    let is_untold = artifact.locked().is_some()
        || own.is_some() && !is_of_this_name
        || own.is_none() && sidecar.kind == Kind::Foreign && !artifact.is_ours()?;
    let is_of_this = match own {
        Some(own) => core_difference(&sidecar, &own.beside())?.is_none(),
        None => is_untold && sidecar.size == artifact.stored_size(),
    };
    if !is_of_this {
        problems.push(format!("its sidecar is of another backup, {:?}", sidecar.name));
        return Ok(Found::Damaged);
    }
    let mut manifest = Manifest { name: name.into(), ..*sidecar };
    if is_untold {
        *set_aside = manifest.verification.take();
    }
    Ok(Found::Manifest(Box::new(manifest)))
}

/// The manifest of a minimal sidecar with what the artifact alone knows, where it can be read.
fn completed(sidecar: Manifest, artifact: &Artifact, problems: &mut Vec<String>) -> Result<Manifest> {
    if !sidecar.is_minimal() || artifact.locked().is_some() {
        return Ok(sidecar);
    }
    let footer = match artifact.footer() {
        Ok(footer) => footer,
        Err(Error::Damaged { problem, .. }) => {
            problems.push(problem);
            return Ok(sidecar);
        }
        Err(error) => return Err(error),
    };
    let own = match footer {
        Some(footer) => from_core(footer.core, &sidecar.name, artifact),
        None => Err(NO_FOOTER.into()),
    };
    let problem = match own {
        Ok(own) => match core_difference(&sidecar, &own.beside())? {
            None => return Ok(sidecar.completed(own)),
            Some(field) => differs_in(&field),
        },
        Err(problem) => problem,
    };
    problems.push(problem);
    Ok(sidecar)
}

/// What is said of a sidecar that differs from the artifact's own manifest.
pub(crate) fn differs_in(field: &str) -> String {
    format!("the sidecar differs from the artifact's own manifest in {field}")
}

/// The first field in which two manifests' immutable cores differ. The name is none of the content: a backup that was
/// renamed is still the same one.
pub(crate) fn core_difference(one: &Manifest, other: &Manifest) -> Result<Option<String>> {
    let (mut one, mut other) = (one.core()?, other.core()?);
    one.remove("name");
    other.remove("name");
    let fields = one.keys().chain(other.keys());
    Ok(fields.into_iter().find(|field| one.get(*field) != other.get(*field)).cloned())
}

/// A backup whose artifact is gone and whose sidecar is not.
fn lost(name: &str, sidecar: Found) -> Entry {
    let sidecar = match sidecar {
        // Whether it was this one's, nothing can tell any more.
        Found::Manifest(manifest) if manifest.name != name => Found::Damaged,
        other => other,
    };
    let state = sidecar.state();
    let manifest = match sidecar {
        Found::Manifest(manifest) => *manifest,
        _ => bare(name, Kind::Full, crate::manifest::now(), 0),
    };
    let recorded_name = name.to_owned();
    let problems = vec!["the artifact is missing".into()];
    Entry { manifest, recorded_name, sidecar: state, set_aside: None, problems }
}

/// The manifest that an artifact carries itself, or what can be told of a foreign file.
fn from_artifact(artifact: &Artifact, name: &str, problems: &mut Vec<String>) -> Result<Manifest> {
    let at = match name::timestamp(name) {
        Some(moment) => moment,
        None => artifact.modified(),
    };
    // Nothing is left out of the sidecar of a file that has no manifest inside.
    let encryption = artifact.is_encrypted().then(|| Encryption::age(&[], Detail::Full));
    match artifact.footer() {
        Ok(Some(footer)) => match from_core(footer.core, name, artifact) {
            Ok(manifest) => return Ok(manifest),
            Err(problem) => problems.push(problem),
        },
        // That it cannot be read here is no fault of it.
        Err(Error::Encrypted { .. }) => {}
        Ok(None) if artifact.is_ours()? => problems.push(NO_FOOTER.into()),
        Ok(None) => {
            return Ok(Manifest { encryption, ..bare(name, Kind::Foreign, at, artifact.stored_size()) });
        }
        Err(Error::Damaged { problem, .. }) => problems.push(problem),
        Err(error) => return Err(error),
    }
    Ok(Manifest { encryption, ..bare(name, Kind::Full, at, artifact.stored_size()) })
}

/// Makes a manifest of a footer's core, which goes by this name. Whether the artifact is encrypted is told by the file: somebody
/// may have decrypted one of ours, or encrypted a plain one.
pub(crate) fn from_core(core: Value, name: &str, artifact: &Artifact) -> Result<Manifest, String> {
    let mut manifest =
        Manifest::from_value(core).map_err(|error| format!("its footer cannot be used: {error}"))?;
    name.clone_into(&mut manifest.name);
    manifest.size = artifact.stored_size();
    manifest.encryption = match manifest.encryption {
        _ if !artifact.is_encrypted() => None,
        None => Some(Encryption::age(&[], Detail::default())),
        told => told,
    };
    Ok(manifest)
}

fn bare(name: &str, kind: Kind, at: Timestamp, size: u64) -> Manifest {
    Manifest {
        schema: SCHEMA.into(),
        name: name.into(),
        store: None,
        kind,
        database: None,
        charset: None,
        collation: None,
        started_at: at,
        finished_at: at,
        server: None,
        client: None,
        binlog: None,
        size,
        raw_size: None,
        sha256: None,
        raw_sha256: None,
        largest_statement: 0,
        warnings: Vec::new(),
        sections: Vec::new(),
        encryption: None,
        whole: None,
        chosen: None,
        excluded: None,
        accounts: None,
        surroundings: None,
        verification: None,
        moment: None,
        not_drilled: None,
        chain_proof: None,
        moment_proof: None,
        together: None,
        retained_until: None,
        decision: None,
        extra: Map::new(),
    }
}
