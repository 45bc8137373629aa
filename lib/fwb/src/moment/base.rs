//! Which backup a replay starts from.

use std::collections::BTreeSet;

use crate::binlog::{Moment, may_be_base};
use crate::error::{Error, Result};
use crate::identity::ServerIdentity;
use crate::manifest::Kind;
use crate::store::BackupSummary;
use fwb_binlog::GtidPosition;

/// The bases from which `stop` may be reached, newest first: whole backups of the database that are older, with coordinates.
///
/// # Errors
/// [`Error::NoMoment`] where there is none, and a usage error where it could be of several databases.
pub(super) fn candidates<'a>(
    backups: &'a [BackupSummary],
    database: Option<&str>,
    server: &ServerIdentity,
    stop: &Moment,
) -> Result<Vec<&'a BackupSummary>> {
    let is_of = |backup: &BackupSummary| {
        let name = backup.database.as_deref();
        let is_named = database.is_none_or(|wanted| {
            name.is_some_and(|name| backup.name_case.unwrap_or_default().same(wanted, name))
        });
        is_named && !backup.server.differs(server)
    };
    let is_base = |backup: &&BackupSummary| may_be_base(backup) && is_of(backup);
    let mut bases: Vec<&BackupSummary> =
        backups.iter().filter(is_base).filter(|backup| is_before(backup, stop)).collect();
    if database.is_none() {
        only_of(bases.iter().copied())?;
    }
    if bases.is_empty() {
        let is_there = backups.iter().any(|backup| backup.kind == Kind::Full && is_of(backup));
        let leaves_out =
            |backup: &&BackupSummary| backup.is_excluding && is_of(backup) && is_before(backup, stop);
        let why = if let Some(backup) = backups.iter().find(leaves_out) {
            &format!(
                "no log goes on from {}, which leaves tables out (--exclude-table, --exclude-data)",
                backup.name
            )
        } else if is_there {
            "no whole backup with coordinates of the binary log is older"
        } else {
            "the store has no backup of the database"
        };
        return Err(Error::NoMoment {
            moment: stop.to_string(),
            why: why.into(),
            remedy:
                "fwb-ls shows what there is; a backup has coordinates where the server writes a binary log"
                    .into(),
        });
    }
    bases.sort_by_key(|backup| std::cmp::Reverse(backup.started_at));
    Ok(bases)
}

/// The database of which the store has backups that a log may go on from.
///
/// # Errors
/// A usage error where there are several, and where there is none.
pub(super) fn only_database(backups: &[BackupSummary], server: &ServerIdentity) -> Result<String> {
    let bases = backups.iter().filter(|backup| may_be_base(backup) && !backup.server.differs(server));
    only_of(bases)?.ok_or_else(|| Error::Usage {
        message: "the store has no backup that a log may go on from".into(),
        hint: Some("say which database is meant: -B NAME".into()),
    })
}

/// The one database that these are of; none where there are none.
fn only_of<'a>(backups: impl Iterator<Item = &'a BackupSummary>) -> Result<Option<String>> {
    let databases: BTreeSet<&str> = backups.filter_map(|backup| backup.database.as_deref()).collect();
    if databases.len() > 1 {
        let names: Vec<&str> = databases.into_iter().collect();
        return Err(Error::Usage {
            message: format!("the store has backups of several databases: {}", names.join(", ")),
            hint: Some("say which one is meant: -B NAME, or name the base".into()),
        });
    }
    Ok(databases.first().map(|name| (*name).to_owned()))
}

/// Whether what a backup shows comes before the stop.
fn is_before(backup: &BackupSummary, stop: &Moment) -> bool {
    match stop {
        Moment::Newest | Moment::OfBackup(..) => true,
        Moment::At(at) => backup.started_at <= *at,
        Moment::After(gtid) | Moment::Before(gtid) => {
            let position = backup.binlog.as_ref().and_then(|binlog| binlog.gtid.as_deref());
            let position = position.and_then(|position| position.parse::<GtidPosition>().ok());
            position.is_some_and(|position| !position.contains(*gtid))
        }
    }
}
