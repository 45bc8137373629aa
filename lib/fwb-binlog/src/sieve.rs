//! Which events a log keeps of which only the changes of some databases are meant. What belongs to one statement stays or goes
//! as one: a server executes it as one. Whatever cannot be told stays.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::event::Event;
use crate::fields::Malformed;
use crate::format::FormatDescription;
use crate::header::{EventHeader, EventKind, HEADER_SIZE};
use crate::omission::Omission;
use crate::query::Query;
use crate::rows::{RowsEvent, TableMap};

/// The most table maps and undecided events of a statement. One with more stays.
const MOST: usize = 10_000;

/// What is asked about.
#[derive(Debug, Clone, Copy)]
pub enum Change<'a> {
    /// Rows of a table of this database.
    Rows(&'a str),
    /// A statement that is executed.
    Statement(&'a Query),
}

/// What becomes of an event.
#[derive(Debug, Clone)]
pub enum Sifted {
    /// It stays.
    Kept,
    /// It belongs to a statement that is not known yet.
    Undecided,
    /// It is left out.
    LeftOut(Box<Omission>),
}

/// Judges events, one after the other.
#[derive(Debug, Clone, Default)]
pub struct Sieve {
    /// The tables of the statement at hand: whether they are meant, and once it is judged, whether they are left out.
    maps: BTreeMap<u64, Map>,
    /// Events of the statement at hand that are not judged yet: from where to where.
    undecided: Vec<Range<u64>>,
    /// Whether the statement at hand has more than is kept in mind of it.
    is_too_much: bool,
}

#[derive(Debug, Clone, Copy)]
struct Map {
    is_meant: bool,
    is_left_out: Option<bool>,
}

impl Sieve {
    /// Whether there are events that are not judged yet.
    pub fn is_undecided(&self) -> bool {
        !self.undecided.is_empty()
    }

    /// Takes the next event, which begins at `start`. `event` is all of it, or the beginning of one that is long. What begins before
    /// `fixed` can be left out no longer. Returns what becomes of the event, and which of those that were undecided are left out
    /// after all. Rows are judged alike whatever is fixed, so that whoever goes on in the middle of them goes on alike.
    ///
    /// # Errors
    /// It is no such event.
    pub fn take(
        &mut self,
        header: &EventHeader,
        event: &[u8],
        start: u64,
        fixed: u64,
        format: &FormatDescription,
        is_meant: &dyn Fn(Change<'_>) -> bool,
    ) -> Result<(Sifted, Vec<Range<u64>>), Malformed> {
        let is_whole = event.len() == header.size as usize;
        let out = |sieve: &mut Self| {
            let before = std::mem::take(&mut sieve.undecided);
            match Omission::of(header, event, format) {
                Some(omission) => (Sifted::LeftOut(Box::new(omission)), before),
                None => (Sifted::Kept, before),
            }
        };
        if header.kind.rows().is_some() {
            let body =
                if is_whole { format.body(event)? } else { event.get(HEADER_SIZE..).unwrap_or_default() };
            let rows = RowsEvent::parse(header.kind, body, format)?;
            let is_out = self.judge(rows.table);
            let sifted = if is_out { out(self) } else { self.stays() };
            if rows.ends_statement {
                *self = Self::default();
            }
            return Ok(sifted);
        }
        if header.kind == EventKind::TABLE_MAP {
            let map = TableMap::parse(format.body(event)?, format)?;
            let is_meant = is_meant(Change::Rows(&map.database));
            self.is_too_much |= self.maps.len() >= MOST;
            if !self.is_too_much {
                self.maps.insert(map.id, Map { is_meant, is_left_out: None });
            }
            return Ok(self.waits(start, header));
        }
        if header.kind.goes_before() && !header.kind.is_gtid() || header.kind == EventKind::APPEND_BLOCK {
            return Ok(self.waits(start, header));
        }
        if let Event::Query(query) = Event::parse(header, event, format)?
            && is_whole
            && !self.is_too_much
            && self.undecided.iter().all(|range| range.start >= fixed)
            && !query.is_of_transactions()
            && !is_meant(Change::Statement(&query))
        {
            return Ok(out(self));
        }
        *self = Self::default();
        Ok(self.stays())
    }

    /// Whether rows of this table are left out: with the first of a statement, all its tables are known.
    fn judge(&mut self, table: u64) -> bool {
        let is_known = !self.is_too_much && self.maps.contains_key(&table);
        let mut new: Vec<&mut Map> = self.maps.values_mut().filter(|map| map.is_left_out.is_none()).collect();
        let is_out = is_known && new.iter().all(|map| !map.is_meant);
        for map in &mut new {
            map.is_left_out = Some(is_out);
        }
        self.maps.get(&table).and_then(|map| map.is_left_out).unwrap_or(false)
    }

    /// The event stays, and what was undecided before it.
    fn stays(&mut self) -> (Sifted, Vec<Range<u64>>) {
        self.undecided.clear();
        (Sifted::Kept, Vec::new())
    }

    fn waits(&mut self, start: u64, header: &EventHeader) -> (Sifted, Vec<Range<u64>>) {
        if self.undecided.len() >= MOST {
            self.is_too_much = true;
        }
        if self.is_too_much {
            return self.stays();
        }
        self.undecided.push(start..start + u64::from(header.size));
        (Sifted::Undecided, Vec::new())
    }
}
