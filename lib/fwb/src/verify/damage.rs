//! What of a damaged artifact is whole: each of its sections is proved for itself.

use std::sync::Arc;

use super::section::prove_section;
use crate::artifact::Artifact;
use crate::error::{Error, Result};
use crate::manifest::{Manifest, SectionKind};
use crate::progress::Context;
use crate::scan::unobserved;
use crate::store::{Entry, NO_FOOTER, Sidecar, from_core};

/// Where the damage is.
pub(super) struct Damage {
    /// What does not hold, a section each.
    pub(super) problems: Vec<String>,
    /// The tables and sequences that are whole, and so can be restored by their names.
    pub(super) whole: Vec<String>,
}

impl Damage {
    /// Looks for it, by what the manifest says of each section; none where every section holds, and the artifact's own
    /// manifest too. Then members have changed places, or there is more than was written, and which table is whole
    /// cannot be told.
    ///
    /// # Errors
    /// The artifact cannot be read for reasons that say nothing about it.
    pub(super) fn locate(artifact: &Arc<Artifact>, index: &Index, context: &Context) -> Result<Option<Self>> {
        let Index { manifest, problem } = index;
        let (mut problems, mut whole) = (Vec::new(), Vec::new());
        context.progress.begin("looking for what is whole", manifest.raw_size.unwrap_or_default());
        let mut has_settings = true;
        for section in &manifest.sections {
            context.cancel.check()?;
            match prove_section(artifact, section, context, &mut unobserved) {
                Ok(()) if matches!(section.kind, SectionKind::Table | SectionKind::Sequence) => {
                    whole.extend(section.name.clone());
                }
                Ok(()) => {}
                Err(Error::Damaged { problem, .. }) => {
                    problems.push(problem);
                    has_settings &= section.kind != SectionKind::Header;
                }
                Err(error) => return Err(error),
            }
        }
        if !has_settings {
            // No table can be loaded without the settings before it.
            whole.clear();
        }
        Ok((!problems.is_empty() || problem.is_some()).then_some(Self { problems, whole }))
    }
}

/// Where the sections of an artifact of ours lie.
pub(crate) struct Index {
    /// The artifact's own manifest, or where that is damaged, the one beside it.
    pub(crate) manifest: Manifest,
    /// What is wrong with its own.
    pub(crate) problem: Option<String>,
}

impl Index {
    /// Reads it; none where the file is not one of ours, or neither manifest can be had.
    ///
    /// # Errors
    /// The artifact cannot be read for reasons that say nothing about it.
    pub(crate) fn of(entry: &Entry, artifact: &Artifact) -> Result<Option<Self>> {
        match artifact.is_ours() {
            Ok(true) => {}
            // The beginning of an encrypted one may be damaged.
            Ok(false) | Err(Error::Damaged { .. }) => return Ok(None),
            Err(error) => return Err(error),
        }
        let problem = match artifact.footer() {
            Ok(Some(footer)) => match from_core(footer.core, artifact.name(), artifact) {
                Ok(manifest) => return Ok(Some(Self { manifest, problem: None })),
                Err(problem) => problem,
            },
            Ok(None) => NO_FOOTER.to_owned(),
            Err(Error::Damaged { problem, .. }) => problem,
            Err(error) => return Err(error),
        };
        let beside = (entry.sidecar == Sidecar::Present).then(|| entry.manifest.clone());
        Ok(beside.map(|manifest| Self { manifest, problem: Some(problem) }))
    }
}
