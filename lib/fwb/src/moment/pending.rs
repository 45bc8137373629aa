//! XA transactions that the log has prepared and not completed. Nobody knows how they would have ended: what they did is not there
//! until somebody commits it, so it is taken back.

use crate::drill::Furnished;
use crate::error::Result;
use crate::progress::Cancel;
use crate::server::{Flavor, Sql};

/// Takes them back; returns how many there were.
///
/// # Errors
/// The server refuses, or cannot be reached.
pub(super) fn roll_back(server: &Furnished, cancel: &Cancel) -> Result<u64> {
    let doing = "rolling prepared transactions back";
    let flavor = server.version().flavor;
    let list = match flavor {
        Flavor::MariaDb => "XA RECOVER FORMAT='SQL';\n",
        Flavor::MySql => "XA RECOVER CONVERT XID;\n",
    };
    let mut count = 0;
    for row in server.server().query(None, Sql::Read(list), doing, cancel)? {
        let Some(xid) = xid(flavor, &row) else { continue };
        server.server().query(None, Sql::Write(&format!("XA ROLLBACK {xid};\n")), doing, cancel)?;
        count += 1;
    }
    Ok(count)
}

/// A transaction's name as SQL has it, of a row: the format's number, the lengths of both parts in bytes, and the name.
fn xid(flavor: Flavor, row: &[String]) -> Option<String> {
    let [format, gtrid, _, name] = row else { return None };
    match flavor {
        Flavor::MariaDb => Some(name.clone()),
        Flavor::MySql => {
            // 0x…, both parts together.
            let digits = name.strip_prefix("0x")?;
            let (gtrid, bqual) = digits.split_at_checked(2 * gtrid.parse::<usize>().ok()?)?;
            let format: u64 = format.parse().ok()?;
            let is_name = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
            is_name.then(|| format!("X'{gtrid}',X'{bqual}',{format}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_as_sql() {
        let row = |cells: [&str; 4]| cells.map(ToOwned::to_owned);
        let named = |flavor, cells| xid(flavor, &row(cells));
        assert_eq!(named(Flavor::MariaDb, ["1", "1", "1", "'a','b',1"]).as_deref(), Some("'a','b',1"));
        assert_eq!(named(Flavor::MySql, ["1", "1", "2", "0x616263"]).as_deref(), Some("X'61',X'6263',1"));
        assert_eq!(named(Flavor::MySql, ["1", "9", "2", "0x616263"]), None);
        assert_eq!(named(Flavor::MySql, ["1", "1", "2", "0x61626'"]), None);
    }
}
