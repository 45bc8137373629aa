//! What a follower asks the server for once more when it goes on: the last group that it has, and all behind it. Only a server
//! that sends the same bytes again is the one that the chain is of: after `RESET MASTER`, or on a copy of the data, GTIDs and
//! positions may be the same and what they stand for another.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A range of the log that ends where a chain ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overlap {
    /// Where in the file it begins.
    pub from: u64,
    /// SHA-256 of it.
    pub sha256: String,
}

/// Hashes the log as it passes, so that the overlap is known at any moment.
#[derive(Debug, Clone)]
pub(super) struct Overlapping {
    from: u64,
    hash: Sha256,
    /// The group that has begun: where, and its bytes so far.
    open: Option<(u64, Sha256)>,
}

impl Overlapping {
    /// Begins at a place in a file.
    pub(super) fn new(from: u64) -> Self {
        Self { from, hash: Sha256::new(), open: None }
    }

    /// A group begins at this place.
    pub(super) fn group_begins(&mut self, at: u64) {
        self.open = Some((at, Sha256::new()));
    }

    /// Takes the next bytes.
    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
        if let Some((_, hash)) = &mut self.open {
            hash.update(bytes);
        }
    }

    /// The group has ended: it is the last one from here on.
    pub(super) fn group_ends(&mut self) {
        if let Some((from, hash)) = self.open.take() {
            (self.from, self.hash) = (from, hash);
        }
    }

    /// What is asked for once more, if the chain ends here.
    pub(super) fn now(&self) -> Overlap {
        Overlap { from: self.from, sha256: hex::encode(self.hash.clone().finalize()) }
    }
}
