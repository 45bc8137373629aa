//! From when on something is a trouble.

use chrono::TimeDelta;
use fwb::{Result, Scope, TroubleOptions};

use crate::duration::parse_age;

/// The limits group.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Limits")]
pub struct LimitArgs {
    /// How old the newest proved backup may be
    #[arg(long, value_name = "AGE", env = "FWB_MAX_AGE", default_value = "26h", value_parser = parse_age)]
    max_age: TimeDelta,

    /// How old the newest drill that held may be, or none where nobody is to drill
    #[arg(long, value_name = "AGE", env = "FWB_DRILL_AGE", default_value = "8d", value_parser = parse_age_or_none)]
    drill_age: AgeOrNone,

    /// How old the last moment of a followed log may be that is safe, or none [default: 10m; of a schedule's, as --max-age]
    #[arg(long, value_name = "AGE", env = "FWB_MAX_LAG", value_parser = parse_age_or_none)]
    max_lag: Option<AgeOrNone>,

    /// How soon a store may be full by its trend
    #[arg(long, value_name = "AGE", env = "FWB_FULL_WITHIN", default_value = "14d", value_parser = parse_age)]
    full_within: TimeDelta,

    /// How soon a certificate may expire
    #[arg(long, value_name = "AGE", env = "FWB_EXPIRES_WITHIN", default_value = "30d", value_parser = parse_age)]
    expires_within: TimeDelta,
}

/// How long a log that is followed all the time may lag, in minutes.
const USUAL_LAG: i64 = 10;

/// How old something may be; none where nobody is to be told.
#[derive(Debug, Clone, Copy)]
struct AgeOrNone(Option<TimeDelta>);

fn parse_age_or_none(text: &str) -> Result<AgeOrNone> {
    if text == "none" { Ok(AgeOrNone(None)) } else { parse_age(text).map(|age| AgeOrNone(Some(age))) }
}

impl LimitArgs {
    /// The limits, for what this scope holds.
    pub fn options(&self, scope: Scope) -> TroubleOptions {
        TroubleOptions {
            max_age: self.max_age,
            drill_age: self.drill_age.0,
            max_lag: self.max_lag.map_or(Some(TimeDelta::minutes(USUAL_LAG)), |lag| lag.0),
            scheduled_lag: self.max_lag.map_or(Some(self.max_age), |lag| lag.0),
            full_within: self.full_within,
            expires_within: self.expires_within,
            scope,
        }
    }
}
