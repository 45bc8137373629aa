//! The writer's proof: whoever has written an encrypted artifact reads it back, by the key that it has until it ends.

use std::sync::Arc;
use std::time::Instant;

use super::prove;
use crate::admission::Judge;
use crate::artifact::Artifact;
use crate::error::{Error, Result};
use crate::manifest::{Level, Manifest, Verification};
use crate::progress::{Context, seconds_since};
use crate::store::{Entry, Sidecar};

/// Proves an artifact of ours that was written a moment ago, by the key that its writer has.
///
/// # Errors
/// [`Error::Damaged`] where it is not what was written, or it cannot be read.
pub(crate) fn prove_written(
    artifact: &Arc<Artifact>,
    manifest: &Manifest,
    context: &Context,
) -> Result<Verification> {
    let begun = Instant::now();
    context.progress.begin(format!("reading back {}", manifest.name), artifact.size());
    let entry = Entry {
        manifest: manifest.clone(),
        recorded_name: manifest.name.clone(),
        sidecar: Sidecar::Present,
        set_aside: None,
        problems: Vec::new(),
    };
    if artifact.locked().is_some() {
        return Err(Error::damaged(&manifest.name, "read back, it cannot be decrypted"));
    }
    let mut judge = Judge::of(&manifest.name, manifest);
    let findings = prove(Some(artifact), &entry, Level::Full, context, &mut |statement| {
        judge.observe_all(statement);
        Ok(())
    })?;
    if let Some(refused) = judge.take_refusal(manifest) {
        return Err(refused);
    }
    match findings.problems.into_iter().next() {
        Some(problem) => Err(Error::damaged(&manifest.name, format!("read back, {problem}"))),
        None => Ok(Verification {
            by: Some("writer".into()),
            seconds: seconds_since(begun),
            ..Verification::new(Level::Full, Vec::new())
        }),
    }
}
