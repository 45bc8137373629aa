//! In which order tables are written, and what of them other connections read meanwhile.

use std::collections::VecDeque;
use std::sync::Arc;

use super::ahead::{Ahead, Ordered, RANGE, Work};
use super::catalog::{Catalog, Entry, EntryKind};
use super::database::{Task, Writer};
use super::key::KeyColumn;
use super::keys::{ALONG_THE_KEY, TableKeys};
use super::ranges::{Keys as _, Range, Splitter};
use super::table::{History, Reading};
use super::tables::reading;
use crate::error::{Error, Result};
use crate::server::{Session, quote_name};

/// A table is read in ranges from this many bytes on.
const LARGE: u64 = 2 * RANGE;
/// What a small table counts for, in bytes: reading it takes its time too.
const LEAST: u64 = 64 << 10;

/// What is written next.
pub(super) enum Item<'a> {
    /// The stand-in of a view.
    View(&'a Entry),
    /// The table of this number, which another connection may have read.
    Table(usize, &'a Entry, Ordered),
    /// The beginning of a large table.
    Begin(&'a Entry, Arc<Reading>),
    /// Rows of it.
    Rows(Ordered),
    /// Its end; it has this number.
    End(usize, &'a Entry, Arc<Reading>),
}

/// Posts work for other connections, in the order in which it is written.
pub(super) struct Lookahead<'a> {
    ahead: &'a Ahead,
    entries: std::iter::Enumerate<std::slice::Iter<'a, Entry>>,
    /// The large table that is being cut.
    large: Option<Large<'a>>,
    /// What was posted, and how many bytes of tables it counts for.
    items: VecDeque<(Item<'a>, u64)>,
    reach: u64,
}

struct Large<'a> {
    number: usize,
    entry: &'a Entry,
    reading: Arc<Reading>,
    key: Vec<KeyColumn>,
    /// What is read: the table, with its past where the dump has it.
    from: String,
    splitter: Splitter,
    ranges: u64,
}

impl<'a> Lookahead<'a> {
    pub(super) fn new(ahead: &'a Ahead, entries: &'a [Entry]) -> Self {
        Self { ahead, entries: entries.iter().enumerate(), large: None, items: VecDeque::new(), reach: 0 }
    }

    /// What comes next; none at the end. More is posted first, over the connection that writes.
    ///
    /// # Errors
    /// The server refuses, or the connection breaks.
    pub(super) fn next(&mut self, writer: &mut Writer<'_>) -> Result<Option<Item<'a>>> {
        while self.reach < self.ahead.reach() && self.post(writer)? {}
        let Some((item, reach)) = self.items.pop_front() else { return Ok(None) };
        self.reach -= reach;
        Ok(Some(item))
    }

    fn push(&mut self, item: Item<'a>, reach: u64) {
        self.reach += reach;
        self.items.push_back((item, reach));
    }

    /// Posts the next piece of work. Returns whether there was one.
    fn post(&mut self, writer: &mut Writer<'_>) -> Result<bool> {
        if let Some(mut large) = self.large.take() {
            match large.next(writer.session, writer.task)? {
                Some(select) => {
                    let (table, reading) = (large.entry.name.clone(), Arc::clone(&large.reading));
                    let work = self.ahead.post(Work::Rows { table, reading, select });
                    self.push(Item::Rows(work), RANGE);
                    self.large = Some(large);
                }
                None => self.push(Item::End(large.number, large.entry, large.reading), 0),
            }
            return Ok(true);
        }
        let Some((number, entry)) = self.entries.next() else { return Ok(false) };
        let size = self.ahead.size(&entry.name);
        match &entry.kind {
            EntryKind::Sequence => {}
            EntryKind::View => self.push(Item::View(entry), LEAST),
            EntryKind::Table { .. } => {
                // The rows of other engines' tables are not of one moment: they are read in one go.
                let may_be_cut =
                    entry.has_rows() && entry.engine.eq_ignore_ascii_case("InnoDB") && size >= LARGE;
                if may_be_cut {
                    writer.take(entry)?;
                    if let Some(large) = Large::new(writer.session, writer.task, (number, entry), size)? {
                        self.push(Item::Begin(entry, Arc::clone(&large.reading)), 0);
                        self.large = Some(large);
                        return Ok(true);
                    }
                    writer.leave(entry)?;
                }
                let work = self.ahead.post(Work::Table(entry.clone()));
                self.push(Item::Table(number, entry, work), size.clamp(LEAST, RANGE));
            }
        }
        Ok(true)
    }
}

impl<'a> Large<'a> {
    /// A table of so many bytes; none where it has no key to cut it by.
    fn new(
        session: &mut dyn Session,
        task: &Task<'_>,
        (number, entry): (usize, &'a Entry),
        size: u64,
    ) -> Result<Option<Self>> {
        let (columns, reading) = reading(session, task, entry)?;
        let doing = task.doing(&entry.name);
        let key = Catalog::new(session, &doing).key(&entry.name, &columns)?;
        if key.is_empty() {
            return Ok(None);
        }
        let mut from = quote_name(&entry.name);
        if reading.history != History::None {
            from.push_str(" FOR SYSTEM_TIME ALL");
        }
        let rows = TableKeys { session, from: &from, key: &key, doing: &doing }.rows(&Range::default())?;
        let enough = u128::from(rows) * u128::from(RANGE) / u128::from(size);
        let splitter = Splitter::new(rows, u64::try_from(enough).unwrap_or(u64::MAX));
        Ok(Some(Self { number, entry, reading: Arc::new(reading), key, from, splitter, ranges: 0 }))
    }

    /// What reads the next range.
    fn next(&mut self, session: &mut dyn Session, task: &Task<'_>) -> Result<Option<Vec<u8>>> {
        let doing = task.doing(&self.entry.name);
        let mut keys = TableKeys { session, from: &self.from, key: &self.key, doing: &doing };
        let Some(range) = self.splitter.next(&mut keys)? else {
            log::debug!("table {} is read in {} ranges", self.entry.name, self.ranges);
            return Ok(None);
        };
        self.ranges += 1;
        let mut select = self.reading.select.clone();
        let condition = range.condition(&self.key).ok_or_else(|| Error::IncompleteDump {
            database: task.header.database.to_owned(),
            problem: format!("the key of table {} has a value that cannot be told", self.entry.name),
        })?;
        if !condition.is_empty() {
            select.extend_from_slice(format!("{ALONG_THE_KEY} WHERE {condition}").as_bytes());
        }
        Ok(Some(select))
    }
}
