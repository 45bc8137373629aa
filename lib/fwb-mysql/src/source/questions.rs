//! What a replica asks before it asks for the log. What is not known here is an unknown variable: replicas go on without
//! it, as they do with older sources.

use std::io;
use std::time::SystemTime;

use fwb::Flavor;

use crate::packet::Packets;
use crate::wire::put_lenenc;

/// The packet that says that all is well.
pub(super) const OK: [u8; 7] = [0, 0, 0, 2, 0, 0, 0];
/// The packet that ends the columns, and the rows, of a result.
const END: [u8; 5] = [0xFE, 0, 0, 2, 0];
/// The type of a column of text (`MYSQL_TYPE_VAR_STRING`).
const TEXT: u8 = 253;

/// What we say of ourselves.
#[derive(Debug)]
pub(super) struct Says {
    /// The flavor that we speak as.
    pub(super) flavor: Flavor,
    /// Our `server_id`.
    pub(super) server_id: u32,
    /// Whether events have checksums.
    pub(super) has_checksums: bool,
    /// Whether the log's groups have GTIDs of MySQL's.
    pub(super) has_gtids: bool,
}

impl Says {
    /// The answer to a statement, as the name of a column and its one value; none where nothing is to be said but that all is
    /// well. The error: it is not known here.
    fn answer(&self, sql: &str) -> Result<Option<(&'static str, String)>, ()> {
        let sql = sql.to_ascii_lowercase();
        if sql.starts_with("set ") {
            return Ok(None);
        }
        let has = |word: &str| sql.contains(word);
        let on = |is_on: bool| if is_on { "ON" } else { "OFF" }.to_owned();
        Ok(Some(match () {
            () if has("unix_timestamp()") => {
                let now = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs());
                ("UNIX_TIMESTAMP()", now.to_string())
            }
            () if has("server_id") => ("server_id", self.server_id.to_string()),
            () if has("binlog_checksum") => {
                ("binlog_checksum", if self.has_checksums { "CRC32" } else { "NONE" }.into())
            }
            () if has("gtid_domain_id") && self.flavor == Flavor::MariaDb => ("gtid_domain_id", "0".into()),
            () if has("gtid_mode") && self.flavor == Flavor::MySql => ("gtid_mode", on(self.has_gtids)),
            () if has("server_uuid") && self.flavor == Flavor::MySql => {
                ("server_uuid", format!("66776200-0000-4000-8000-0000{:08x}", self.server_id))
            }
            () => return Err(()),
        }))
    }
}

/// Answers a statement.
///
/// # Errors
/// The connection breaks.
pub(super) fn answer(packets: &mut Packets, sql: &str, says: &Says) -> io::Result<()> {
    match says.answer(sql) {
        Ok(None) => packets.write(&OK)?,
        Ok(Some((name, value))) => {
            // SHOW VARIABLES has the name before the value.
            let shows = sql.get(..4).is_some_and(|word| word.eq_ignore_ascii_case("show"));
            let columns = if shows { vec!["Variable_name", "Value"] } else { vec![name] };
            packets.write(&[u8::try_from(columns.len()).unwrap_or(1)])?;
            for column in columns {
                packets.write(&definition(column))?;
            }
            packets.write(&END)?;
            let mut row = Vec::new();
            if shows {
                put_lenenc(&mut row, name.as_bytes());
            }
            put_lenenc(&mut row, value.as_bytes());
            packets.write(&row)?;
            packets.write(&END)?;
        }
        Err(()) => packets.write(b"\xFF\xA9\x04#HY000Unknown system variable")?,
    }
    packets.flush()
}

/// The definition of a column of text (MariaDB's manual, "Column Definition Packet").
fn definition(name: &str) -> Vec<u8> {
    let mut packet = Vec::new();
    for text in ["def", "", "", "", name, name] {
        put_lenenc(&mut packet, text.as_bytes());
    }
    packet.extend_from_slice(&[0x0C, 45, 0]);
    packet.extend_from_slice(&256_u32.to_le_bytes());
    packet.extend_from_slice(&[TEXT, 0, 0, 0, 0, 0]);
    packet
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What real replicas were seen to ask.
    #[test]
    fn replicas_are_answered() {
        for (flavor, sql, expected) in [
            (Flavor::MariaDb, "SHOW VARIABLES LIKE 'SERVER_ID'", Ok(Some("7"))),
            (Flavor::MariaDb, "SET @master_heartbeat_period= 0", Ok(None)),
            (Flavor::MariaDb, "SET @master_binlog_checksum= @@global.binlog_checksum", Ok(None)),
            (Flavor::MariaDb, "SELECT @master_binlog_checksum", Ok(Some("CRC32"))),
            (Flavor::MariaDb, "SET @mariadb_slave_capability=4", Ok(None)),
            (Flavor::MariaDb, "SELECT @@GLOBAL.gtid_domain_id", Ok(Some("0"))),
            (Flavor::MariaDb, "SELECT @@GLOBAL.GTID_MODE", Err(())),
            (Flavor::MySql, "SELECT @@GLOBAL.SERVER_ID", Ok(Some("7"))),
            (Flavor::MySql, "SELECT @source_binlog_checksum", Ok(Some("CRC32"))),
            (Flavor::MySql, "SELECT @@GLOBAL.GTID_MODE", Ok(Some("ON"))),
            (Flavor::MySql, "SELECT @@GLOBAL.SERVER_UUID", Ok(Some("66776200-0000-4000-8000-000000000007"))),
            (Flavor::MySql, "SELECT @@global.rpl_semi_sync_source_enabled", Err(())),
        ] {
            let says = Says { flavor, server_id: 7, has_checksums: true, has_gtids: true };
            let answer = says.answer(sql).map(|answer| answer.map(|(_, value)| value));
            assert_eq!(answer, expected.map(|value| value.map(ToOwned::to_owned)), "{sql}");
        }
    }
}
