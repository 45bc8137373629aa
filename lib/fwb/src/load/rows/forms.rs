//! Which tables take their rows as they are, by the bulk protocol or by `LOAD DATA`: the server says so.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::Result;
use crate::load::batch::Way;
use crate::load::destination::Destination;
use crate::load::inserts::{TableForm, ValueForm};
use crate::load::session::LoadSession;
use crate::progress::Cancel;
use crate::scan::SqlMode;
use crate::server::{Sql, quote_text};

/// What tables of the destination look like, by their names; those that are not there take `INSERT`.
pub(super) struct TableForms(BTreeMap<String, Arc<TableForm>>);

const LOOKING: &str = "asking how rows are loaded";

impl TableForms {
    /// All tables take `INSERT`.
    pub(super) fn none() -> Self {
        Self(BTreeMap::new())
    }

    /// Asks the server, and a session, which is as all that load. No table takes its rows as they are where the session does not read
    /// UTF-8 or reads a backslash as any character, and where the binary log holds statements: it would hold a `LOAD DATA`, which a replica
    /// would execute in a place without the rows' own proof, or each row of the bulk protocol by itself. Without that protocol, none
    /// takes them so where the server is told to take no local rows.
    pub(super) fn of(
        to: Destination<'_>,
        mode: SqlMode,
        session: &mut LoadSession,
        cancel: &Cancel,
    ) -> Result<Self> {
        let mut forms = Self::none();
        if !mode.quotes().escapes(b'\'') || !session.reads_utf8()? {
            return Ok(forms);
        }
        let takes_bulk = session.takes_bulk();
        let settings = "SHOW GLOBAL VARIABLES WHERE Variable_name IN \
                        ('local_infile', 'log_bin', 'binlog_format', 'max_allowed_packet')";
        let settings = to.server.query(None, Sql::Read(settings), LOOKING, cancel)?;
        let value = |name: &str| {
            let found = settings.iter().find_map(|row| match &row[..] {
                [of, value] if of == name => Some(value.as_str()),
                _ => None,
            });
            found.unwrap_or_default()
        };
        let is = |name: &str, wanted: &str| value(name).eq_ignore_ascii_case(wanted);
        let way = if takes_bulk {
            Way::Bulk { most: value("max_allowed_packet").parse().unwrap_or(0) }
        } else {
            Way::LoadData
        };
        if !takes_bulk && !is("local_infile", "ON") || is("log_bin", "ON") && is("binlog_format", "STATEMENT")
        {
            return Ok(forms);
        }
        // A load that the server does not take as it is must be taken back, which InnoDB alone can.
        let columns = format!(
            "SELECT t.TABLE_NAME, c.COLUMN_NAME, c.DATA_TYPE, c.CHARACTER_SET_NAME FROM information_schema.TABLES t \
             JOIN information_schema.COLUMNS c ON c.TABLE_SCHEMA = t.TABLE_SCHEMA AND c.TABLE_NAME = t.TABLE_NAME \
             WHERE t.TABLE_SCHEMA = {} AND t.TABLE_TYPE = 'BASE TABLE' AND t.ENGINE = 'InnoDB'",
            quote_text(to.database)
        );
        let mut tables: BTreeMap<String, Option<BTreeMap<String, ValueForm>>> = BTreeMap::new();
        for row in to.server.query(None, Sql::Read(&columns), LOOKING, cancel)? {
            let [table, column, data_type, charset] = &row[..] else { continue };
            let form = ValueForm::of(data_type, Some(charset.as_str()), way);
            let columns = tables.entry(table.clone()).or_insert_with(|| Some(BTreeMap::new()));
            match (columns.as_mut(), form) {
                (Some(known), Some(form)) => drop(known.insert(column.clone(), form)),
                _ => *columns = None,
            }
        }
        forms.0 = tables
            .into_iter()
            .filter_map(|(table, columns)| Some((table, Arc::new(TableForm { way, columns: columns? }))))
            .collect();
        Ok(forms)
    }

    /// What this table looks like.
    pub(super) fn get(&self, table: &str) -> Option<Arc<TableForm>> {
        self.0.get(table).cloned()
    }
}
