//! Which databases of a server are meant.

use clap::builder::{BoolishValueParser, NonEmptyStringValueParser};
use fwb::{DatabaseChoice, Error, NamePattern, Result};

use crate::session::Session;

/// The options that name databases.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct DatabasesArgs {
    /// Database, or a pattern of names with * and ?; may be given several times
    ///
    /// A name without * and ? means itself. No pattern means the server's own databases, nor those that restores and drills keep for
    /// a while. Several databases are dumped at one moment, each into an artifact of its own. `FWB_DATABASES` names several, with spaces
    /// between, and comes before `FWB_DATABASE`.
    #[arg(short = 'B', long, value_name = "NAME", env = "FWB_DATABASE", value_parser = NonEmptyStringValueParser::new())]
    database: Vec<String>,

    /// All databases but the server's own, such as mysql and sys
    #[arg(long, env = "FWB_ALL_DATABASES", value_parser = BoolishValueParser::new())]
    all_databases: bool,

    /// Leave out this database, or those that match this pattern; may be given several times
    #[arg(long, value_name = "PATTERN", env = "FWB_EXCLUDE_DATABASE", value_parser = NonEmptyStringValueParser::new())]
    exclude_database: Vec<String>,

    /// Several names and patterns: the variable alone, because -B may be given several times.
    #[arg(long, value_name = "NAMES", env = "FWB_DATABASES", hide = true)]
    databases: Option<String>,
}

impl DatabasesArgs {
    /// As [`DatabasesArgs::named`], where at least one database must be.
    ///
    /// # Errors
    /// A usage error where nothing is named, or `--all-databases` stands beside a name.
    pub fn choice(&self, session: &Session) -> Result<DatabaseChoice> {
        let choice = self.named(session)?;
        if choice.wanted.is_empty() {
            return Err(Error::Usage {
                message: "no database is named".into(),
                hint: Some("name one with -B or FWB_DATABASE, or dump all: --all-databases".into()),
            });
        }
        Ok(choice)
    }

    /// The databases that are meant: what stands on the command line comes before what variables say.
    ///
    /// # Errors
    /// A usage error where `--all-databases` stands beside a name.
    pub fn named(&self, session: &Session) -> Result<DatabaseChoice> {
        let is_given = |id: &str| !session.given(&[id]).is_empty();
        let patterns = |names: &[String]| names.iter().map(NamePattern::new).collect::<Vec<_>>();
        let (all, named) = (is_given("all_databases"), is_given("database"));
        let listed: Vec<String> =
            self.databases.iter().flat_map(|names| names.split_whitespace()).map(str::to_owned).collect();
        let wanted = if all && named {
            return Err(Error::usage("--all-databases is all of them, and -B names some"));
        } else if named {
            patterns(&self.database)
        } else if self.all_databases {
            vec![NamePattern::new("*")]
        } else if listed.is_empty() {
            patterns(&self.database)
        } else {
            patterns(&listed)
        };
        Ok(DatabaseChoice { wanted, excluded: patterns(&self.exclude_database) })
    }
}
