//! Proving a backup: that the artifact is, byte for byte and row for row, what its manifest says.

mod damage;
mod hashing;
mod member_starts;
mod section;
mod stored;
mod written;

use std::sync::Arc;
use std::time::Instant;

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::admission::Judge;
use crate::artifact::{Artifact, Codec, Decoder, Footer, SqlSource, is_packed};
use crate::encryption::NoKey;
use crate::error::{Error, Result};
use crate::manifest::{CODEC, Kind, Level, Manifest, NotDrilled, Section, Server, Verification};
use crate::progress::{Context, seconds_since};
use crate::scan::{Feed, Observer, Summary, unobserved};
use crate::store::{Entry, NO_FOOTER, Sidecar, Store, Wait, core_difference, differs_in, from_core};
use damage::Damage;
pub(crate) use damage::Index;
use hashing::{beside, reuse, sha256};
use member_starts::MemberStarts;
pub(crate) use section::prove_section;
pub(crate) use stored::stored;
pub(crate) use written::prove_written;

/// What to do with the outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recording {
    /// Write it into the sidecar of an artifact of ours, or of a foreign one that has been adopted.
    Known,
    /// Write it, and a manifest for a foreign file that has none.
    Adopt,
    /// Write nothing.
    Nothing,
}

/// A backup that was verified.
#[derive(Debug)]
pub struct Verified {
    /// Its manifest, with the outcome in `verification`.
    pub manifest: Manifest,
    /// Why the outcome could not be recorded.
    pub unrecorded: Option<Error>,
    /// That a drill was asked for and not held, and why: [`Error::NotDrilled`].
    pub not_drilled: Option<Error>,
}

/// Proves the backup `name` and records the outcome. What does not hold is no error but listed in the outcome, and so
/// the outcome is returned too where the store cannot be written.
///
/// # Errors
/// There is no such backup, or it cannot be read for reasons that say nothing about it.
pub fn verify(
    store: &Store,
    name: &str,
    level: Level,
    record: Recording,
    context: &Context,
) -> Result<Verified> {
    let begun = Instant::now();
    let entry = store.entry(name)?;
    context.progress.begin(format!("verifying {name}"), entry.manifest.size);
    let artifact = store.artifact_if_there(name)?;
    let no_key = artifact.as_ref().and_then(|artifact| artifact.locked());
    if no_key.is_some() || level == Level::Stored {
        let problems = stored(artifact.as_deref(), &entry, level)?;
        // That no key fits may be the damage.
        if let Some(why) = no_key.filter(|_| level >= Level::Full && problems.is_empty()) {
            let former = entry.manifest.verification.as_ref().or(entry.set_aside.as_ref());
            if why == NoKey::Fits || !former.is_some_and(Verification::proves) {
                return Err(Error::Encrypted { name: name.into(), why });
            }
            log::info!(
                "{name} is encrypted, and {why}: its bytes are what was written, and so its proof stays"
            );
        }
        let outcome = Verification {
            seconds: seconds_since(begun),
            ..Verification::new(level.min(Level::Stored), problems)
        };
        return conclude(store, &entry, entry.manifest.clone(), (outcome, None), record, context);
    }
    let mut judge = Judge::of(name, &entry.manifest);
    let Findings { manifest: proven, mut problems, is_no_dump } =
        prove(artifact.as_ref(), &entry, level, context, &mut |statement| {
            judge.observe_all(statement);
            Ok(())
        })?;
    let damage = match &artifact {
        Some(artifact) if level >= Level::Full && !problems.is_empty() => locate(artifact, &entry, context)?,
        _ => None,
    };
    let whole_tables = damage.map(|damage| {
        // A section's problem says where it is, too.
        problems.retain(|problem| !damage.problems.iter().any(|located| located.ends_with(problem.as_str())));
        problems.extend(damage.problems);
        damage.whole
    });
    context.cancel.check()?;
    // Damage may look like anything, a statement that nobody would dump included.
    let refused = judge.take_refusal(&proven).filter(|_| problems.is_empty());
    if level >= Level::Full && artifact.is_some() && refused.is_none() {
        problems.extend(judge.disagreement(&proven));
    }
    let restorable = (refused.is_some() || is_no_dump).then_some(false);
    problems.extend(refused.map(refusal));
    let seconds = seconds_since(begun);
    let outcome = Verification { seconds, whole_tables, restorable, ..Verification::new(level, problems) };
    conclude(store, &entry, proven, (outcome, None), record, context)
}

/// What a restore refuses, as a problem of the backup.
pub(crate) fn refusal(error: Error) -> String {
    match error {
        Error::Inadmissible { statement, offset, why, .. } => {
            format!("{statement} at byte {offset} of the SQL is refused: {why}")
        }
        other => other.to_string(),
    }
}

/// Where the damage of an artifact is, as far as its sections can be found.
fn locate(artifact: &Arc<Artifact>, entry: &Entry, context: &Context) -> Result<Option<Damage>> {
    match Index::of(entry, artifact)? {
        Some(index) => Damage::locate(artifact, &index, context),
        None => Ok(None),
    }
}

/// Records an outcome, and why a drill was not held, as far as `record` wants it.
///
/// # Errors
/// A signal arrived while the store's lock was waited for.
pub(crate) fn conclude(
    store: &Store,
    entry: &Entry,
    proven: Manifest,
    (outcome, not_drilled): (Verification, Option<NotDrilled>),
    record: Recording,
    context: &Context,
) -> Result<Verified> {
    let foreign = proven.kind == Kind::Foreign && entry.sidecar == Sidecar::Absent;
    let write = match record {
        Recording::Nothing => false,
        Recording::Known => !foreign,
        Recording::Adopt => true,
    };
    let recorded = if write {
        let lock = store.lock(Wait::Yes, &context.cancel);
        lock.and_then(|lock| store.record(&proven, &outcome, not_drilled.as_ref(), &lock))
    } else {
        Ok(proven.clone())
    };
    let (mut manifest, unrecorded) = match recorded {
        Ok(manifest) => (manifest, None),
        Err(error @ Error::Interrupted(_)) => return Err(error),
        Err(error) => (proven, Some(error)),
    };
    manifest.note_drill(outcome.level, not_drilled.as_ref());
    manifest.verification = Some(outcome);
    manifest.store = Some(store.place());
    let reason = not_drilled.map(|NotDrilled { reason, hint: remedy, .. }| Error::NotDrilled {
        name: manifest.name.clone(),
        reason,
        remedy,
    });
    Ok(Verified { manifest, unrecorded, not_drilled: reason })
}

/// What a look at a backup found.
pub(crate) struct Findings {
    /// The manifest: the sidecar's, completed where it lacked something.
    pub(crate) manifest: Manifest,
    /// What does not hold.
    pub(crate) problems: Vec<String>,
    /// Whether it is something else than a dump.
    pub(crate) is_no_dump: bool,
}

/// Proves an entry, whose artifact may be gone, without recording anything; `observer` sees every statement at
/// [`Level::Full`].
///
/// # Errors
/// The artifact cannot be read for reasons that say nothing about it, or what `observer` returns.
pub(crate) fn prove(
    artifact: Option<&Arc<Artifact>>,
    entry: &Entry,
    level: Level,
    context: &Context,
    observer: &mut Observer<'_>,
) -> Result<Findings> {
    let problems = entry.problems.clone();
    let mut findings = Findings { manifest: entry.manifest.clone(), problems, is_no_dump: false };
    let Some(artifact) = artifact else { return Ok(findings) };
    let footer = artifact.footer();
    let is_ours = matches!(footer, Ok(Some(_)));
    let checked = match footer {
        Ok(Some(footer)) => ours(artifact, &footer, entry, level, context, observer, &mut findings),
        Ok(None) if entry.manifest.kind != Kind::Foreign || artifact.is_ours()? => {
            Err(Error::damaged(artifact.name(), NO_FOOTER))
        }
        Ok(None) => foreign(artifact, entry, level, context, observer, &mut findings),
        Err(error) => Err(error),
    };
    match checked {
        Err(Error::Damaged { problem, .. }) => {
            if !findings.problems.contains(&problem) {
                findings.problems.push(problem);
            }
        }
        Err(Error::NotADump { what, remedy, .. }) => {
            findings.problems.push(format!("{what}; {remedy}"));
            findings.is_no_dump = true;
        }
        // Damage may look like anything, a statement that nobody would dump included. That the bytes are as they were
        // written comes first: a damaged artifact is not a refused one.
        Err(refusal @ Error::Inadmissible { .. }) if is_ours => {
            context.progress.begin(format!("verifying {}", entry.manifest.name), entry.manifest.size);
            let unjudged = prove(Some(artifact), entry, level, context, &mut unobserved)?;
            return if unjudged.problems.is_empty() { Err(refusal) } else { Ok(unjudged) };
        }
        Err(error) => return Err(error),
        Ok(()) => {}
    }
    Ok(findings)
}

fn ours(
    artifact: &Arc<Artifact>,
    footer: &Footer,
    entry: &Entry,
    level: Level,
    context: &Context,
    observer: &mut Observer<'_>,
    findings: &mut Findings,
) -> Result<()> {
    let damaged = |problem: String| Error::damaged(artifact.name(), problem);
    let said = from_core(footer.core.clone(), artifact.name(), artifact).map_err(damaged)?;
    findings.problems.extend(disagreement(entry, &said)?);
    let said_codec = said.extra.get(CODEC).map_or(Some(Codec::default().as_str()), Value::as_str);
    if let Some(codec) = artifact.codec()?.map(Codec::as_str).filter(|codec| Some(*codec) != said_codec) {
        findings.problems.push(format!("the artifact is of {codec}, which its manifest does not say"));
    }
    if entry.sidecar != Sidecar::Present {
        findings.manifest = said.clone();
    }
    if level < Level::Full {
        return Ok(());
    }
    let mut whole = Sha256::new();
    let summary =
        read_members(artifact, footer, &said, context, observer, &mut whole, &mut findings.problems)?;
    compare_summary(&said, &summary, &mut findings.problems);
    let rest = artifact
        .read_at(footer.offset, usize::try_from(artifact.size() - footer.offset).unwrap_or(usize::MAX))?;
    let pieces_size = usize::try_from(footer.end_offset - footer.offset).unwrap_or(usize::MAX);
    let (pieces, end) = rest.split_at(pieces_size.min(rest.len()));
    whole.update(pieces);
    if whole.clone().finalize()[..] != footer.sha256 {
        findings.problems.push("the artifact differs from the SHA-256 at its end".into());
    }
    whole.update(end);
    let sha256 = if artifact.is_encrypted() { artifact.stored_sha256()? } else { whole.finalize().into() };
    let sha256 = hex::encode(sha256);
    match &findings.manifest.sha256 {
        Some(recorded) if *recorded != sha256 => {
            findings.problems.push("the artifact differs from the SHA-256 in its sidecar".into());
        }
        Some(_) => {}
        None => findings.manifest.sha256 = Some(sha256),
    }
    Ok(())
}

/// Decompresses and scans all data members.
fn read_members(
    artifact: &Arc<Artifact>,
    footer: &Footer,
    said: &Manifest,
    context: &Context,
    observer: &mut Observer<'_>,
    whole: &mut Sha256,
    problems: &mut Vec<String>,
) -> Result<Summary> {
    let mut decoder = Decoder::new(artifact, vec![(0, footer.offset)], context.jobs)?;
    let mut feed = Feed::noting();
    let mut places = MemberStarts::new(&said.sections);
    let spare = decoder.spare();
    let raw_sha256 = beside(
        context.jobs,
        |sql| sha256(sql, &spare),
        |to_hash| {
            while let Some(decoded) = decoder.next()? {
                context.cancel.check()?;
                let raw = Arc::new(decoded.raw);
                // It ends only when it has all.
                to_hash.send(Arc::clone(&raw)).ok();
                feed.push(&raw, observer)?;
                reuse(raw, &spare);
                places.add(&decoded.member, decoded.crc32);
                places.judge(feed.take_segments());
                context.progress.advance(decoded.member.header.size);
            }
            Ok(())
        },
    )?;
    *whole = decoder.finish();
    places.end(footer.offset);
    for section in &said.sections {
        if !places.holds(section) {
            problems.push(format!("{} is not made of the members that the manifest says", title(section)));
        }
    }
    if said.raw_sha256.as_deref() != Some(&hex::encode(raw_sha256)) {
        problems.push("the SQL differs from its SHA-256".into());
    }
    feed.flush(observer)?;
    let (segments, _) = feed.take_segments();
    places.judge((segments, u64::MAX));
    if !places.tell_rows_from_definitions() {
        problems.push("a member does not hold what its flags say".into());
    }
    feed.finish(observer)
}

fn foreign(
    artifact: &Arc<Artifact>,
    entry: &Entry,
    level: Level,
    context: &Context,
    observer: &mut Observer<'_>,
    findings: &mut Findings,
) -> Result<()> {
    if level < Level::Full {
        return Ok(());
    }
    // What is read is counted as SQL, of which a packed file's own size says nothing.
    let plain = (!is_packed(artifact)?).then_some(artifact.size());
    let total = entry.manifest.raw_size.or(plain).unwrap_or_default();
    context.progress.begin(format!("verifying {}", entry.manifest.name), total);
    let mut source = SqlSource::foreign(artifact)?;
    let mut feed = Feed::new();
    let mut raw_sha256 = Sha256::new();
    while let Some(chunk) = source.next()? {
        context.cancel.check()?;
        raw_sha256.update(&chunk);
        feed.push(&chunk, observer)?;
        context.progress.advance(chunk.len() as u64);
    }
    let summary = feed.finish(observer)?;
    if !summary.origin.others.is_empty() {
        let names: Vec<&str> =
            summary.origin.database.iter().chain(&summary.origin.others).map(String::as_str).collect();
        findings.problems.push(format!(
            "it holds dumps of several databases, one after another, and a restore takes one: {}; cut it before each line \
             \"-- MariaDB dump\" or \"-- MySQL dump\"",
            names.join(", ")
        ));
        findings.is_no_dump = true;
    }
    let (sha256, raw_sha256) = (hex::encode(artifact.stored_sha256()?), hex::encode(raw_sha256.finalize()));
    if entry.sidecar == Sidecar::Present {
        compare_summary(&entry.manifest, &summary, &mut findings.problems);
        if entry.manifest.sha256.as_ref() != Some(&sha256)
            || entry.manifest.raw_sha256.as_ref() != Some(&raw_sha256)
        {
            findings.problems.push("the file differs from the SHA-256 in its sidecar".into());
        }
        return Ok(());
    }
    findings.problems.extend(summary.incomplete.map(|problem| format!("the dump is incomplete: {problem}")));
    let manifest = &mut findings.manifest;
    manifest.sha256 = Some(sha256);
    manifest.raw_sha256 = Some(raw_sha256);
    manifest.raw_size = Some(summary.raw_size);
    manifest.largest_statement = summary.largest_statement;
    manifest.sections = summary.sections;
    manifest.database = manifest.database.take().or(summary.origin.database);
    manifest.binlog = manifest.binlog.take().or(summary.origin.binlog);
    let version = summary.origin.server_version;
    manifest.server = version.map(Server::of_version);
    Ok(())
}

/// Compares what the scan found with what the manifest says.
fn compare_summary(said: &Manifest, found: &Summary, problems: &mut Vec<String>) {
    problems.extend(found.incomplete.map(|problem| format!("the dump is incomplete: {problem}")));
    if said.raw_size != Some(found.raw_size) || said.largest_statement != found.largest_statement {
        problems.push("the SQL is not of the size that the manifest says".into());
    }
    if said.sections.len() != found.sections.len() {
        let (found, said) = (found.sections.len(), said.sections.len());
        problems.push(format!("the SQL has {found} sections, the manifest says {said}"));
        return;
    }
    for (said, found) in said.sections.iter().zip(&found.sections) {
        let same = (said.kind, &said.name, said.raw_offset, said.raw_size)
            == (found.kind, &found.name, found.raw_offset, found.raw_size);
        if !same || said.objects != found.objects {
            problems.push(format!("{} is not the section that the manifest says", title(found)));
        } else if said.rows != found.rows {
            let rows = |section: &Section| section.rows.unwrap_or_default();
            problems.push(format!(
                "{} has {} rows, the manifest says {}",
                title(found),
                rows(found),
                rows(said)
            ));
        } else if said.rows_digest != found.rows_digest {
            problems.push(format!("the rows of {} differ from their digest", title(found)));
        }
    }
}

/// How a section is named in messages.
pub(crate) fn title(section: &Section) -> String {
    match &section.name {
        Some(name) => format!("{} {name}", section.kind.as_str()),
        None => format!("section {}", section.kind.as_str()),
    }
}

/// That the sidecar, where there is one, is not what the artifact says of itself.
pub(crate) fn disagreement(entry: &Entry, own: &Manifest) -> Result<Option<String>> {
    if entry.sidecar != Sidecar::Present {
        return Ok(None);
    }
    let difference = core_difference(&entry.manifest, own)?;
    Ok(difference.as_deref().map(differs_in))
}
