//! The lock that a restore holds on the server, for as long as it works on a database.

use std::time::Duration;

use sha2::{Digest, Sha256};

/// How long a lock that another connection has is waited for. A restore that has just ended has its lock until the server
/// notices that its connection is closed.
pub(crate) const LETTING_GO: Duration = Duration::from_secs(3);

/// The lock's name for `GET_LOCK`: a name has 64 characters at most there, as many as a database's may have. `database` is
/// the name as the server writes it.
pub(crate) fn restore_lock(database: &str) -> String {
    format!("fwb-restore-{}", &hex::encode(Sha256::digest(database.as_bytes()))[..40])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_database_has_a_lock_of_its_own_and_all_versions_the_same() {
        assert_eq!(restore_lock("shop"), "fwb-restore-8d9001d32c6a703d95921a77115050f33dd823d3");
        assert_ne!(restore_lock("shop"), restore_lock("Shop"));
        assert!(restore_lock(&"가".repeat(64)).len() <= 64);
    }
}
