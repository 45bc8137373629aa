//! Whether a server has room for a backup, in a preflight: where it tells.

use super::finding::{Finding, Gravity};
use crate::error::Result;
use crate::load::OpenBackup;
use crate::progress::Cancel;
use crate::server::{ServerClient, Sql};

/// What is free where the server keeps its databases, in KiB (MariaDB's plugin DISKS; the account needs FILE).
const FREE: &str = "SELECT Available FROM information_schema.DISKS WHERE LEFT(@@datadir, CHAR_LENGTH(Path)) = Path \
                    ORDER BY CHAR_LENGTH(Path) DESC LIMIT 1;\n";

/// That the server's disk has less room than the backup has bytes of SQL. Rows may take less room than their SQL or more, so it
/// is only a warning.
///
/// # Errors
/// The server cannot be reached.
pub(super) fn free(server: &ServerClient, input: &OpenBackup, cancel: &Cancel) -> Result<Option<Finding>> {
    let rows = match server.query(None, Sql::Read(FREE), "asking for free space", cancel) {
        // It has no such plugin.
        Err(error) if error.refusal().is_some() => return Ok(None),
        rows => rows?,
    };
    let free = rows.into_iter().flatten().next().and_then(|free| free.parse::<u64>().ok());
    Ok(free.and_then(|kib| finding(kib.saturating_mul(1024), input.raw_size())))
}

/// Both in bytes.
fn finding(free: u64, needed: u64) -> Option<Finding> {
    const MIB: u64 = 1 << 20;
    (free < needed).then(|| Finding {
        gravity: Gravity::Warning,
        message: format!(
            "the backup has {} MiB of SQL, and {} MiB are free where the server keeps its data",
            needed.div_ceil(MIB),
            free / MIB
        ),
        remedy: "make room; a restore that runs out of it fails, and a swap has changed nothing then".into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_little_room_is_told_in_whole_mebibytes() {
        assert_eq!(finding(5 << 20, 5 << 20), None);
        let message = finding((5 << 20) - 1, 5 << 20).unwrap().message;
        assert!(message.contains("5 MiB of SQL, and 4 MiB are free"), "{message}");
    }
}
