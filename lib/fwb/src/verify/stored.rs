//! The stored bytes alone: all that can be told of an encrypted backup without a key.

use crate::artifact::Artifact;
use crate::error::{Error, Result};
use crate::manifest::Level;
use crate::store::{Entry, Sidecar};

/// What does not hold of the bytes that are stored, in an artifact that may be gone.
///
/// # Errors
/// [`Error::Encrypted`] where there is no sidecar that says something of an artifact that cannot be read.
pub(crate) fn stored(artifact: Option<&Artifact>, entry: &Entry, level: Level) -> Result<Vec<String>> {
    let mut problems = entry.problems.clone();
    let Some(artifact) = artifact else { return Ok(problems) };
    let name = &entry.manifest.name;
    if let (Some(why), Sidecar::Absent) = (artifact.locked(), entry.sidecar) {
        return Err(Error::Encrypted { name: name.clone(), why });
    }
    if level < Level::Stored || !problems.is_empty() {
        return Ok(problems);
    }
    let Some(said) = entry.manifest.sha256.as_ref().filter(|_| entry.sidecar == Sidecar::Present) else {
        return Err(Error::Usage {
            message: format!(
                "there is nothing to compare the bytes of {name} with: no sidecar has their SHA-256"
            ),
            hint: Some("fwb-verify at level full reads it whole, and writes the sidecar anew".into()),
        });
    };
    if *said != hex::encode(artifact.stored_sha256()?) {
        problems.push("the artifact differs from the SHA-256 in its sidecar".into());
    }
    Ok(problems)
}
