//! That any moment can be reached: one of the last day, at random, is reached on a throwaway server, as a restore reaches it. What
//! comes of it is a backup, proved as every other, and goes with the server.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use chrono::{SecondsFormat, TimeDelta};

use super::artifact::{Kept, keep};
use super::plan::{MomentOptions, plan_moment};
use crate::artifact::Compression;
use crate::binlog::{Moment, Span, spans, windows};
use crate::error::{Error, Result};
use crate::manifest::{Manifest, MomentProof, Timestamp, now};
use crate::progress::{Context, seconds_since};
use crate::select::Listing;
use crate::server::Connector;
use crate::store::{Store, Wait};

/// Of how much time before now the moment is one, in hours.
const HOURS: i64 = 24;

/// Which moment is reached, and where.
#[derive(Debug, Clone, Default)]
pub struct MomentProofOptions {
    /// The moment; none: one of the last day, at random.
    pub until: Option<Moment>,
    /// A random number from 0 to 1, which chooses it.
    pub chance: f64,
    /// Directories that hold servers. They come before the one that is installed.
    pub servers: Vec<PathBuf>,
    /// Where the data of the throwaway server go.
    pub dir: Option<PathBuf>,
}

/// A moment that was reached, or was not.
#[derive(Debug)]
pub struct MomentProved {
    /// The manifest of the backup whose database it was, with the outcome in `moment_proof`.
    pub manifest: Manifest,
    /// Why it was not reached.
    pub failed: Option<Error>,
}

/// Proves that one moment of a backup's database can be reached: a base and the log after it are replayed without an error, all
/// groups up to the moment are in what comes of it, and that is a backup that is proved. It is not kept.
///
/// # Errors
/// No moment can be chosen, because none of the last day can be reached; the store cannot be read, or a signal arrived. What fails
/// once the moment is chosen stands in the outcome.
pub fn prove_moment(
    store: &Store,
    name: &str,
    options: &MomentProofOptions,
    connector: &Arc<dyn Connector>,
    context: &Context,
) -> Result<MomentProved> {
    let begun = Instant::now();
    let manifest = store.entry(name)?.manifest;
    let moment = match &options.until {
        Some(moment) => moment.clone(),
        None => Moment::At(choose(store, &manifest, options.chance, context)?),
    };
    let mut proof = MomentProof {
        database: manifest.database.clone().unwrap_or_default(),
        until: match &moment {
            Moment::At(at) => at.to_rfc3339_opts(SecondsFormat::Millis, false),
            Moment::After(gtid) => gtid.to_string(),
            other => other.to_string(),
        },
        ..MomentProof::default()
    };
    log::info!("{} is restored as of {}", proof.database, proof.until);
    let failed = match reach(store, &manifest, moment, options, &mut proof, connector, context) {
        Ok(()) => None,
        Err(error @ Error::Interrupted(_)) => return Err(error),
        Err(error) => Some(error),
    };
    (proof.ok, proof.at, proof.seconds) = (failed.is_none(), now(), seconds_since(begun));
    proof.problems.extend(failed.as_ref().map(ToString::to_string));
    let manifest = Manifest { store: Some(store.place()), moment_proof: Some(proof), ..manifest.printed() };
    Ok(MomentProved { manifest, failed })
}

/// Reaches the moment, and tells of it as far as it comes.
fn reach(
    store: &Store,
    backup: &Manifest,
    stop: Moment,
    options: &MomentProofOptions,
    proof: &mut MomentProof,
    connector: &Arc<dyn Connector>,
    context: &Context,
) -> Result<()> {
    let options = MomentOptions::for_proof(backup, stop, &options.servers, options.dir.as_ref());
    let planned = plan_moment(store, options.clone(), context)?;
    let plan = planned.plan();
    (proof.base, proof.chain) = (Some(plan.base.clone()), plan.chain.clone());
    for step in plan.steps.iter().take(2) {
        log::info!("{step}");
    }
    // The outcome is about as large as its base, and as what was changed since.
    let beside = planned.base_size().saturating_add(plan.log.bytes);
    let replayed = planned.replay(beside, connector, context)?;
    proof.last.clone_from(&replayed.tally.last);
    (proof.groups, proof.log_size) = (replayed.tally.groups, replayed.tally.bytes);
    (proof.base_seconds, proof.replay_seconds) = (replayed.base_seconds, replayed.replay_seconds);
    if let Some(lacks) = replayed.lacks(&context.cancel)? {
        return Err(Error::Replay {
            problem: format!("the server says that it has replayed all, and does not have {lacks}"),
            remedy: "a restore to this moment would lack it too: choose another base".into(),
        });
    }
    // It lies where the throwaway server has the same rows in clear, and goes with it.
    let beside = Store::open_directory(&replayed.server.scratch("moment")?)?;
    let kept = Kept { encryption: None, compression: Compression::default(), wait: Wait::No };
    let made = keep(&beside, &replayed, &options, proof.chain.clone(), kept, context)?;
    proof.rows = made.sections.iter().filter_map(|section| section.rows).sum();
    Ok(())
}

/// A moment of the last day that can be reached.
fn choose(store: &Store, backup: &Manifest, chance: f64, context: &Context) -> Result<Timestamp> {
    let listing = Listing::read(store, &context.cancel)?;
    let chains = store.chains(&context.cancel)?.chains;
    let server = backup.server_identity();
    let is_of =
        |one: &&crate::store::BackupSummary| one.database == backup.database && !one.server.differs(&server);
    let spans = spans(&windows(listing.entries.iter().filter(is_of), &chains));
    let until = now();
    at_random(&spans, until - TimeDelta::hours(HOURS), until, chance).ok_or_else(|| Error::NoMoment {
        moment: format!("a moment of the last day of {}", backup.database.as_deref().unwrap_or_default()),
        why: "no backup and the log after it reach into the last day".into(),
        remedy: "fwb-ls --timeline shows what can be reached; let fwb-follow run".into(),
    })
}

/// One moment of those that are in the spans and between two times; none where none is.
fn at_random(spans: &[Span], since: Timestamp, until: Timestamp, chance: f64) -> Option<Timestamp> {
    let parts = spans.iter().map(|span| (span.from.max(since), span.until.min(until)));
    let parts: Vec<(Timestamp, Timestamp)> = parts.filter(|(from, until)| from <= until).collect();
    let length = |(from, until): &(Timestamp, Timestamp)| (*until - *from).num_milliseconds();
    let all: i64 = parts.iter().map(length).sum();
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "a day has 27 bits of milliseconds"
    )]
    let mut at = (all as f64 * chance.clamp(0.0, 1.0)) as i64;
    for part in &parts {
        if at <= length(part) {
            return Some(part.0 + TimeDelta::milliseconds(at));
        }
        at -= length(part);
    }
    parts.last().map(|(_, until)| *until)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64) -> Timestamp {
        chrono::DateTime::from_timestamp(1_750_000_000 + 60 * minute, 0).unwrap().fixed_offset()
    }

    fn span(from: i64, until: i64) -> Span {
        Span { from: at(from), until: at(until), bases: Vec::new(), chains: Vec::new() }
    }

    #[test]
    fn a_moment_is_one_that_can_be_reached() {
        let spans = [span(0, 10), span(20, 40), span(50, 50)];
        for (since, until, chance, expected) in [
            (0, 60, 0.0, Some(0)),
            (0, 60, 0.5, Some(25)),
            (0, 60, 1.0, Some(40)),
            (5, 60, 0.0, Some(5)),
            (5, 30, 1.0, Some(30)),
            (12, 18, 0.5, None),
            (45, 60, 0.7, Some(50)),
            (0, 60, f64::NAN, Some(0)),
        ] {
            let found = at_random(&spans, at(since), at(until), chance);
            assert_eq!(found, expected.map(at), "{since} to {until}, {chance}");
        }
        assert_eq!(at_random(&[], at(0), at(60), 0.5), None);
    }
}
