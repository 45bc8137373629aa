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
    #[arg(long, value_name = "AGE", env = "FWB_DRILL_AGE", default_value = "8d", value_parser = parse_drill_age)]
    drill_age: DrillAge,

    /// How soon a store may be full by its trend
    #[arg(long, value_name = "AGE", env = "FWB_FULL_WITHIN", default_value = "14d", value_parser = parse_age)]
    full_within: TimeDelta,

    /// How soon a certificate may expire
    #[arg(long, value_name = "AGE", env = "FWB_EXPIRES_WITHIN", default_value = "30d", value_parser = parse_age)]
    expires_within: TimeDelta,
}

/// How old a drill may be; none where nobody is to drill.
#[derive(Debug, Clone, Copy)]
struct DrillAge(Option<TimeDelta>);

fn parse_drill_age(text: &str) -> Result<DrillAge> {
    if text == "none" { Ok(DrillAge(None)) } else { parse_age(text).map(|age| DrillAge(Some(age))) }
}

impl LimitArgs {
    /// The limits, for what this scope holds.
    pub fn options(&self, scope: Scope) -> TroubleOptions {
        TroubleOptions {
            max_age: self.max_age,
            drill_age: self.drill_age.0,
            full_within: self.full_within,
            expires_within: self.expires_within,
            scope,
        }
    }
}
