//! Which tables are left out of a dump.

use clap::builder::NonEmptyStringValueParser;
use fwb::{Exclude, TablePattern};

/// The options that leave tables out of a dump.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ExcludeArgs {
    /// Leave out this table, or those that match this pattern, with triggers and rows; may be given several times
    ///
    /// A pattern is a name with * and ?, and means tables in all databases that are dumped; shop.log_* means those of shop alone. Views
    /// and sequences are meant by their whole names alone. A pattern that means nothing is an error. The backup counts as one of the
    /// database, and its manifest names in "excluded" what it lacks. A restore leaves such tables as they are. No log goes on from
    /// such a backup. The variable takes several patterns, with spaces between.
    #[arg(long, value_name = "PATTERN", env = "FWB_EXCLUDE_TABLE", value_parser = NonEmptyStringValueParser::new())]
    exclude_table: Vec<String>,

    /// Dump the definition and triggers of this table, or of those that match this pattern, and no rows; may be given several times
    ///
    /// As --exclude-table. A restore makes such a table where there is none; one that is there stays as it is, with its rows, if it
    /// is defined as in the backup.
    #[arg(long, value_name = "PATTERN", env = "FWB_EXCLUDE_DATA", value_parser = NonEmptyStringValueParser::new())]
    exclude_data: Vec<String>,
}

impl ExcludeArgs {
    /// What is left out.
    pub fn exclude(&self) -> Exclude {
        let patterns = |texts: &[String]| {
            texts.iter().flat_map(|text| text.split_whitespace()).map(TablePattern::new).collect()
        };
        Exclude { tables: patterns(&self.exclude_table), rows: patterns(&self.exclude_data) }
    }
}
