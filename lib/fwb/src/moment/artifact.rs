//! A moment that was reached, kept as a backup: a dump of the throwaway server like any other, which says what it was made of.

use std::sync::Arc;

use super::Replayed;
use super::plan::MomentOptions;
use crate::artifact::Compression;
use crate::binlog::Moment;
use crate::dump::{DumpOptions, Exclude, dump_to_store};
use crate::encryption::{Cipher, EncryptTo};
use crate::error::{Error, Result};
use crate::manifest::{Kind, Level, Manifest, Provenance, Timestamp, Verification};
use crate::progress::Context;
use crate::store::{Store, Wait};
use crate::verify::{Recording, verify};

/// How a moment is kept.
#[derive(Debug, Clone)]
pub struct Keeping {
    /// To whom it is encrypted; none: to those to whom the base is.
    pub encryption: Option<EncryptTo>,
    /// The format in which it is encrypted to those.
    pub cipher: Arc<dyn Cipher>,
    /// How it is compressed.
    pub compression: Compression,
    /// Whether to wait for the store's lock.
    pub wait: Wait,
}

/// How a moment is written.
pub(super) struct Kept {
    pub(super) encryption: Option<EncryptTo>,
    pub(super) compression: Compression,
    pub(super) wait: Wait,
}

impl Keeping {
    /// How a moment of this base is written.
    pub(super) fn of(&self, base: &Manifest) -> Result<Kept> {
        Ok(Kept { encryption: encryption(base, self)?, compression: self.compression, wait: self.wait })
    }
}

/// Dumps the database from the throwaway server into the store, and proves the backup.
pub(super) fn keep(
    store: &Store,
    replayed: &Replayed,
    options: &MomentOptions,
    chain: Option<String>,
    kept: Kept,
    context: &Context,
) -> Result<Manifest> {
    let (base, tally) = (&replayed.base, &replayed.tally);
    let text = |gtid: &fwb_binlog::Gtid| gtid.to_string();
    let moment = Provenance {
        base: base.name.clone(),
        base_sha256: base.sha256.clone(),
        chain,
        until: match &options.stop {
            Moment::At(at) => Some(*at),
            _ => None,
        },
        after: match &options.stop {
            Moment::After(gtid) => Some(text(gtid)),
            _ => None,
        },
        before: match &options.stop {
            Moment::Before(gtid) => Some(text(gtid)),
            _ => None,
        },
        skipped: options.skip.iter().map(text).collect(),
        last: tally.last.clone(),
        last_at: tally.last_at.and_then(at_seconds),
        groups: tally.groups,
        log_size: tally.bytes,
        base_seconds: replayed.base_seconds,
        replay_seconds: replayed.replay_seconds,
        extra: serde_json::Map::new(),
    };
    let dump = DumpOptions {
        database: replayed.database().to_owned(),
        server: base.server_identity(),
        kind: Kind::Moment,
        moment: Some(moment),
        tables: None,
        exclude: Exclude::default(),
        prefix: None,
        compression: kept.compression,
        encryption: kept.encryption,
        strict: false,
        allow_partial: false,
        lock_tables: false,
        hold_definitions: true,
        retention: None,
        together: None,
    };
    let made = dump_to_store(store, replayed.server(), &dump, kept.wait, context)?;
    if made.verification.as_ref().is_some_and(Verification::proves) {
        return Ok(made);
    }
    let proved = verify(store, &made.name, Level::Full, Recording::Known, context)?;
    let problem = proved.manifest.verification.as_ref().and_then(|outcome| outcome.problems.first().cloned());
    problem.map_or(Ok(proved.manifest), |problem| Err(Error::damaged(made.name, problem)))
}

/// To whom it is encrypted: where the base is, what is made of it is not written in clear.
fn encryption(base: &Manifest, keeping: &Keeping) -> Result<Option<EncryptTo>> {
    if keeping.encryption.is_some() {
        return Ok(keeping.encryption.clone());
    }
    let Some(of_base) = &base.encryption else { return Ok(None) };
    if of_base.recipients.is_empty() {
        return Err(Error::Usage {
            message: format!(
                "the base {} is encrypted, and does not say to whom: the moment would be in clear",
                base.name
            ),
            hint: Some("say to whom with --recipient".into()),
        });
    }
    let recipients = keeping.cipher.recipients(&of_base.recipients)?;
    Ok(Some(EncryptTo { recipients, sidecar: of_base.sidecar }))
}

/// A time in seconds since 1970, in the local time zone.
fn at_seconds(seconds: u32) -> Option<Timestamp> {
    let utc = chrono::DateTime::from_timestamp(seconds.into(), 0)?;
    Some(utc.with_timezone(&chrono::Local).fixed_offset())
}
