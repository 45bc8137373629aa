//! Rows that `LOAD DATA` loads, and the `INSERT` statements that they were. Their memory is used again: each batch has a few MiB,
//! and a connection that took fresh memory for each would hold twice as much.

use super::delimited::{Delimited, TableForm};

/// How many bytes of rows a LOAD DATA has at least, but for a table's last: the server waits for us once for each.
const BATCH: usize = 1 << 20;

/// Rows that wait for more of their table.
#[derive(Default)]
pub(super) struct Batch {
    /// As `LOAD DATA` reads them.
    pub(super) rows: Delimited,
    /// As they were.
    pub(super) inserts: Inserts,
}

impl Batch {
    /// Adds an `INSERT` statement; false, and nothing is added, where it stays one ([`TableForm::add`]).
    pub(super) fn add(&mut self, form: &TableForm, insert: &[u8]) -> bool {
        let is_added = form.add(insert, &mut self.rows);
        if is_added {
            self.inserts.add(insert);
        }
        is_added
    }

    /// Whether it is worth a statement.
    pub(super) fn is_full(&self) -> bool {
        self.rows.text.len() >= BATCH
    }
}

/// Statements, one behind the other.
#[derive(Default)]
pub(super) struct Inserts {
    text: Vec<u8>,
    /// Where each ends.
    ends: Vec<usize>,
}

impl Inserts {
    fn add(&mut self, insert: &[u8]) {
        self.text.extend_from_slice(insert);
        self.ends.push(self.text.len());
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let begins = std::iter::once(0).chain(self.ends.iter().copied());
        begins.zip(&self.ends).map(|(begin, end)| &self.text[begin..*end])
    }

    /// The same memory without statements.
    pub(super) fn emptied(mut self) -> Self {
        self.text.clear();
        self.ends.clear();
        self
    }
}

/// Rows that were sent, and of which the server has not said yet that it has taken them.
pub(super) struct Sent {
    /// How many there are.
    pub(super) rows: u64,
    /// What is sent instead where the server does not take them as they are.
    pub(super) inserts: Inserts,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_come_back_as_they_were() {
        let mut inserts = Inserts::default();
        let of = |inserts: &Inserts| inserts.iter().map(<[u8]>::to_vec).collect::<Vec<_>>();
        assert_eq!(of(&inserts), Vec::<Vec<u8>>::new());
        inserts.add(b"one");
        inserts.add(b"");
        inserts.add(b"three");
        assert_eq!(of(&inserts), [&b"one"[..], b"", b"three"]);
        let mut inserts = inserts.emptied();
        inserts.add(b"four");
        assert_eq!(of(&inserts), [b"four"]);
    }
}
