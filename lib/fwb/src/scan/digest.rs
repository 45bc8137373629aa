//! A digest of a table's rows that does not depend on their order.

use xxhash_rust::xxh3::{Xxh3Default, xxh3_128};

/// The sum, modulo 2^128, of the XXH3-128 hashes of the rows as the dump writes them, from `(` to `)`.
///
/// A sum rather than an exclusive or, so that a row that stands twice counts twice. The digest tells whether two
/// dumps by one program hold the same rows; it is no defence against someone who makes collisions on purpose,
/// which is what SHA-256 is there for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RowsDigest(u128);

impl RowsDigest {
    /// Adds one row.
    pub fn add(&mut self, row: &[u8]) {
        self.add_hash(xxh3_128(row));
    }

    fn add_hash(&mut self, hash: u128) {
        self.0 = self.0.wrapping_add(hash);
    }

    /// 32 hexadecimal digits.
    pub fn to_hex(self) -> String {
        format!("{:032x}", self.0)
    }
}

/// A row that arrives in pieces.
#[derive(Debug)]
pub(super) struct RowHasher(Box<Opaque>);

struct Opaque(Xxh3Default);

impl std::fmt::Debug for Opaque {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Xxh3Default")
    }
}

impl RowHasher {
    pub(super) fn new() -> Self {
        Self(Box::new(Opaque(Xxh3Default::new())))
    }

    pub(super) fn update(&mut self, piece: &[u8]) {
        self.0.0.update(piece);
    }

    pub(super) fn finish_into(self, digest: &mut RowsDigest) {
        digest.add_hash(self.0.0.digest128());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_does_not_matter_but_number_does() {
        let digest = |rows: &[&str]| {
            let mut digest = RowsDigest::default();
            for row in rows {
                digest.add(row.as_bytes());
            }
            digest
        };
        assert_eq!(digest(&["(1)", "(2)", "(3)"]), digest(&["(3)", "(1)", "(2)"]));
        assert_ne!(digest(&["(1)", "(2)"]), digest(&["(1)", "(2)", "(2)"]));
        assert_ne!(digest(&["(1)", "(1)"]), digest(&[]));
        assert_eq!(digest(&[]).to_hex(), "0".repeat(32));
    }

    #[test]
    fn a_row_in_pieces_counts_as_the_whole_row() {
        let row = b"(1,'a long enough row to be cut anywhere')";
        for cut in 0..row.len() {
            let mut hasher = RowHasher::new();
            hasher.update(&row[..cut]);
            hasher.update(&row[cut..]);
            let (mut whole, mut pieces) = (RowsDigest::default(), RowsDigest::default());
            whole.add(row);
            hasher.finish_into(&mut pieces);
            assert_eq!(whole, pieces);
        }
    }
}
