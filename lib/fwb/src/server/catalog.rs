//! What a server says of itself and of one database.

use super::client::{ServerClient, quote_name};
use crate::error::Result;
use crate::progress::Cancel;

/// What a dump needs to know beforehand.
#[derive(Debug, Clone, Default)]
pub(crate) struct DatabaseFacts {
    /// `SELECT VERSION()`.
    pub(crate) version: String,
    /// The database's name as the server writes it.
    pub(crate) database: String,
    /// The database's default character set.
    pub(crate) charset: String,
    /// The database's default collation.
    pub(crate) collation: String,
    /// Columns of type FLOAT, as `table.column`.
    pub(crate) float_columns: Vec<String>,
    /// Views that cannot be used, and why.
    pub(crate) broken_views: Vec<BrokenView>,
}

/// A view whose table, column or function is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BrokenView {
    /// Its name.
    pub(crate) name: String,
    /// The server's words.
    pub(crate) error: String,
    /// `SHOW CREATE VIEW`, where the server gives it.
    pub(crate) definition: Option<String>,
}

/// The server puts a view's error into its comment (MariaDB's manual, "Information Schema TABLES Table"), but only
/// where the query needs a column for which it must open the view: `TABLE_ROWS`.
const FACTS: &str = "
SELECT 'schema', VERSION(), SCHEMA_NAME, DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME
  FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = DATABASE();
SELECT 'float', TABLE_NAME, COLUMN_NAME FROM information_schema.COLUMNS
  WHERE TABLE_SCHEMA = DATABASE() AND DATA_TYPE = 'float' ORDER BY TABLE_NAME, ORDINAL_POSITION;
SELECT 'broken', TABLE_NAME, TABLE_COMMENT FROM information_schema.TABLES
  WHERE TABLE_SCHEMA = DATABASE() AND TABLE_TYPE = 'VIEW' AND TABLE_COMMENT <> 'VIEW' AND TABLE_ROWS IS NULL
  ORDER BY TABLE_NAME;
";

impl ServerClient {
    /// Looks at a database before a dump.
    ///
    /// # Errors
    /// The server cannot be reached, or there is no such database.
    pub(crate) fn facts(&self, database: &str, cancel: &Cancel) -> Result<DatabaseFacts> {
        let mut facts = DatabaseFacts { database: database.to_owned(), ..DatabaseFacts::default() };
        for row in self.query(Some(database), FACTS, "looking at the database", cancel)? {
            match row.iter().map(String::as_str).collect::<Vec<_>>()[..] {
                ["schema", version, name, charset, collation] => {
                    version.clone_into(&mut facts.version);
                    name.clone_into(&mut facts.database);
                    charset.clone_into(&mut facts.charset);
                    collation.clone_into(&mut facts.collation);
                }
                ["float", table, column] => facts.float_columns.push(format!("{table}.{column}")),
                ["broken", name, error] => {
                    let definition = self.view_definition(database, name, cancel)?;
                    facts.broken_views.push(BrokenView {
                        name: name.into(),
                        error: error.into(),
                        definition,
                    });
                }
                _ => {}
            }
        }
        Ok(facts)
    }

    fn view_definition(&self, database: &str, view: &str, cancel: &Cancel) -> Result<Option<String>> {
        let sql = format!("SHOW CREATE VIEW {};", quote_name(view));
        match self.query(Some(database), &sql, "reading a view's definition", cancel) {
            Ok(rows) => Ok(rows.into_iter().next().and_then(|row| row.into_iter().nth(1))),
            Err(error) => {
                cancel.check()?;
                log::warn!("the definition of view {view} cannot be read: {error}");
                Ok(None)
            }
        }
    }
}
