//! What a server says of the keys of a table, for whoever cuts it into ranges.

use super::key::KeyColumn;
use super::ranges::{Keys, Range, Value};
use crate::error::{Error, Result};
use crate::server::{Flavor, OwnedRow, Session, ask, quote_name, text};

/// Asks about one table.
pub(super) struct TableKeys<'a> {
    pub(super) session: &'a mut dyn Session,
    /// What is read: the table, with its past where the dump has it.
    pub(super) from: &'a str,
    /// The columns that ranges are cut by.
    pub(super) key: &'a [KeyColumn],
    /// What is being done, for errors.
    pub(super) doing: &'a str,
}

/// Says that a table is read along its primary key.
pub(super) const ALONG_THE_KEY: &str = " FORCE INDEX (PRIMARY)";

impl TableKeys<'_> {
    /// Where the server refuses, the table is cut no further: what there is of ranges is whole all the same.
    fn ask(&mut self, sql: &str) -> Result<Vec<OwnedRow>> {
        match ask(self.session, sql, self.doing) {
            Err(Error::Server { error, doing }) => {
                log::debug!("{error}, {doing}: {sql}");
                Ok(Vec::new())
            }
            answer => answer,
        }
    }

    /// The rows of a range, with more conditions on its column.
    fn rows_of(&self, range: &Range, more: &[(&str, &Value)]) -> Option<String> {
        let column = self.key.get(range.prefix.len())?;
        let condition = range.condition(self.key)?;
        let mut terms: Vec<String> = Some(condition).filter(|text| !text.is_empty()).into_iter().collect();
        for (operator, value) in more {
            terms.push(format!("{} {operator} {}", quote_name(&column.name), column.literal(value)?));
        }
        let filter = if terms.is_empty() { String::new() } else { format!(" WHERE {}", terms.join(" AND ")) };
        Some(format!("{}{ALONG_THE_KEY}{filter}", self.from))
    }

    /// The first of a range's values in an order; none where it cannot be told to the server again.
    fn one(&mut self, range: &Range, more: &[(&str, &Value)], order: &str) -> Result<Option<Value>> {
        let Some((column, rows)) = self.key.get(range.prefix.len()).zip(self.rows_of(range, more)) else {
            return Ok(None);
        };
        let name = quote_name(&column.name);
        let sql =
            format!("SELECT /*M!100000 SQL_NO_CACHE */ {name} FROM {rows} ORDER BY {name} {order} LIMIT 1");
        let value = self.ask(&sql)?.into_iter().next().and_then(|row| row.into_iter().next().flatten());
        Ok(value.filter(|value| column.literal(value).is_some()))
    }
}

impl Keys for TableKeys<'_> {
    fn columns(&self) -> usize {
        self.key.len()
    }

    fn rows(&mut self, range: &Range) -> Result<u64> {
        // MariaDB prints a table and nothing else, unless it is asked; MySQL prints what a variable says.
        let (format, at) = match self.session.version().flavor {
            Flavor::MariaDb => ("", 8),
            Flavor::MySql => ("FORMAT=TRADITIONAL ", 9),
        };
        let Some(rows) = self.rows_of(range, &[]) else { return Ok(0) };
        let plan = self.ask(&format!("EXPLAIN {format}SELECT 1 FROM {rows}"))?;
        Ok(plan.first().and_then(|row| text(row, at).parse().ok()).unwrap_or_default())
    }

    fn first(&mut self, range: &Range, after: Option<(&Value, &Value)>) -> Result<Option<Value>> {
        let more = after.map(|(after, from)| [(">", after), (">=", from)]);
        self.one(range, more.as_ref().map_or(&[], |more| &more[..]), "ASC")
    }

    fn last(&mut self, range: &Range, after: &Value) -> Result<Option<Value>> {
        self.one(range, &[(">", after)], "DESC")
    }

    fn middle(&self, column: usize, low: &Value, high: &Value) -> Option<Value> {
        self.key.get(column)?.middle(low, high)
    }
}
