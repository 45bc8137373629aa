//! One section, proved for itself.

use std::sync::Arc;

use super::title;
use crate::artifact::{Artifact, Crc32, SqlSource};
use crate::error::{Error, Result};
use crate::manifest::Section;
use crate::progress::Context;
use crate::scan::{Feed, Observer, unobserved};

/// Proves a section of an artifact of ours alone: the checksum of each of its members and of them all, its size, its rows and their
/// digest. `observer` sees its statements.
///
/// # Errors
/// The section is damaged, and its title stands before the problem; or the artifact cannot be read, or what `observer`
/// returns.
pub(crate) fn prove_section(
    artifact: &Arc<Artifact>,
    section: &Section,
    context: &Context,
    observer: &mut Observer<'_>,
) -> Result<()> {
    let proved = match read_section(artifact, section, context, observer) {
        // What a statement that nobody would dump really is: damage, where the bytes are not as they were written.
        Err(refusal @ Error::Inadmissible { .. }) => {
            read_section(artifact, section, context, &mut unobserved).and(Err(refusal))
        }
        proved => proved,
    };
    proved.map_err(|error| match error {
        Error::Damaged { name, problem } => {
            Error::Damaged { name, problem: format!("{}: {problem}", title(section)) }
        }
        error => error,
    })
}

fn read_section(
    artifact: &Arc<Artifact>,
    section: &Section,
    context: &Context,
    observer: &mut Observer<'_>,
) -> Result<()> {
    let damaged = |problem: &str| Error::damaged(artifact.name(), problem);
    let extent = section.extent().ok_or_else(|| damaged("the manifest says no place for it"))?;
    if extent.1 > artifact.size() {
        return Err(damaged("the artifact ends before it does"));
    }
    let mut source = SqlSource::members(artifact, vec![extent], context.jobs)?;
    let (mut feed, mut raw_size, mut crc32) = (Feed::new(), 0, Crc32::default());
    while let Some(raw) = source.next()? {
        context.cancel.check()?;
        context.progress.advance(raw.len() as u64);
        raw_size += raw.len() as u64;
        crc32.update(&raw);
        feed.push(&raw, observer)?;
    }
    let found = feed.finish(observer)?;
    let same = found.sections.iter().rfind(|found| found.kind == section.kind && found.name == section.name);
    let holds =
        same.is_some_and(|found| found.rows == section.rows && found.rows_digest == section.rows_digest);
    if raw_size != section.raw_size || !section.is_of(crc32) || section.name.is_some() && !holds {
        return Err(damaged("it is not what the manifest says"));
    }
    Ok(())
}
