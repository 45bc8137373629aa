//! For how long an object store keeps a backup from being deleted.

use chrono::TimeDelta;
use clap::ValueEnum;
use fwb::{Error, Location, Result, Retention, RetentionMode, Timestamp, now};

use crate::session::Session;
use crate::when::parse_at;

/// The retention lock group, of tools that publish artifacts.
#[derive(Debug, Clone, Default, clap::Args)]
#[allow(clippy::struct_field_names, reason = "they are the names of the options")]
pub struct RetainArgs {
    /// Have the object store keep the artifact from being deleted for N days (S3 Object Lock)
    ///
    /// The bucket must have Object Lock. fwb-prune leaves such a backup alone until then, and says so.
    #[arg(long, value_name = "N", env = "FWB_RETAIN_DAYS", conflicts_with = "retain_until")]
    #[arg(help_heading = "Store")]
    retain_days: Option<u32>,

    /// The same, until this time
    #[arg(long, value_name = "WHEN", help_heading = "Store", value_parser =
        |text: &str| parse_at(text, now()))]
    retain_until: Option<Timestamp>,

    /// Who may delete it all the same
    #[arg(long, value_name = "MODE", env = "FWB_RETAIN_MODE", value_enum, default_value_t)]
    #[arg(help_heading = "Store")]
    retain_mode: ModeArg,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum ModeArg {
    /// Who has the right to
    #[default]
    Governance,
    /// Nobody
    Compliance,
}

impl RetainArgs {
    /// Until when, and against whom, in this store; none: nothing is kept. A variable is for the stores that can do it, an option for
    /// the one that is meant.
    ///
    /// # Errors
    /// A usage error where the time is past, or later than there is any.
    pub fn retention(&self, store: &Location, session: &Session) -> Result<Option<Retention>> {
        let is_option = !session.given(&["retain_days", "retain_until"]).is_empty();
        if matches!(store, Location::Directory(_)) && !is_option {
            return Ok(None);
        }
        let until = match (self.retain_days, self.retain_until) {
            (None, None) | (Some(0), _) => return Ok(None),
            (_, Some(until)) => until,
            (Some(days), None) => now()
                .checked_add_signed(TimeDelta::days(days.into()))
                .ok_or_else(|| Error::usage(format!("{days} days end later than there is any time")))?,
        };
        if until <= now() {
            return Err(Error::usage(format!("{} is past: nothing is kept until then", until.to_rfc3339())));
        }
        let mode = match self.retain_mode {
            ModeArg::Governance => RetentionMode::Governance,
            ModeArg::Compliance => RetentionMode::Compliance,
        };
        Ok(Some(Retention { until, mode }))
    }
}
