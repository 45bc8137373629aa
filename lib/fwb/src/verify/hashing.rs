//! The hash of the SQL, taken beside the scan.

use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, bounded};
use sha2::{Digest, Sha256};

use crate::artifact::Spare;
use crate::error::{Error, Result};
use crate::thread;

/// Runs `work` and, on a thread of its own, what takes the SQL that it hands over: two hashes one after the other would
/// be what everything waits for. Returns what that thread does.
pub(super) fn beside<T: Send>(
    jobs: usize,
    taker: impl FnOnce(Receiver<Arc<Vec<u8>>>) -> T + Send,
    work: impl FnOnce(&Sender<Arc<Vec<u8>>>) -> Result<()>,
) -> Result<T> {
    std::thread::scope(|scope| {
        let (sender, receiver) = bounded(jobs.max(1));
        let taker = thread::start_in(scope, move || taker(receiver))?;
        let worked = work(&sender);
        drop(sender);
        let panicked =
            |_| Error::Stream { action: "hash the SQL", source: std::io::Error::other("a thread panicked") };
        let result = taker.join().map_err(panicked);
        worked.and(result)
    })
}

/// SHA-256 of the SQL.
pub(super) fn sha256(sql: Receiver<Arc<Vec<u8>>>, spare: &Spare) -> [u8; 32] {
    let mut sha256 = Sha256::new();
    for raw in sql {
        sha256.update(&*raw);
        reuse(raw, spare);
    }
    sha256.finalize().into()
}

/// Gives a buffer back, if nobody else has it.
pub(super) fn reuse(raw: Arc<Vec<u8>>, spare: &Spare) {
    if let Some(buffer) = Arc::into_inner(raw) {
        spare.give(buffer);
    }
}
