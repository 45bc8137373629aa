//! What stands around the sections of a dump: the header, the announcement of each section, the trailer. As mariadb-dump
//! and mysqldump write it, so that their readers know it.

use crate::manifest::{Binlog, SectionKind};
use crate::server::{Flavor, ServerVersion};

/// What the header tells.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Header<'a> {
    /// The server.
    pub(crate) version: &'a ServerVersion,
    /// How the server is addressed.
    pub(crate) host: &'a str,
    /// The database.
    pub(crate) database: &'a str,
    /// Where the binary log stands.
    pub(crate) binlog: Option<&'a Binlog>,
    /// Whether tables have checks.
    pub(crate) has_checks: bool,
}

/// The first line of a dump of MariaDB: whoever reads it with MariaDB's client is safe from what a server may have put into
/// it (CVE-2024-21096). A comment to every other client.
const SANDBOX: &str = "/*M!999999\\- enable the sandbox mode */ \n";

/// Rows that a check came too late for are kept as they are. Neither mariadb-dump nor the first version of these tools knows
/// these settings, so a dump without checks has none of them.
const WITHOUT_CHECKS: &str =
    "/*M!100201 SET @OLD_CHECK_CONSTRAINT_CHECKS=@@CHECK_CONSTRAINT_CHECKS, CHECK_CONSTRAINT_CHECKS=0 */;\n";
const WITH_CHECKS: &str = "/*M!100201 SET CHECK_CONSTRAINT_CHECKS=@OLD_CHECK_CONSTRAINT_CHECKS */;\n";

/// Dates such as 2024-02-31 are kept as they are; 0 is no request for a number.
const BEGIN: &str = "
/*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */;
/*!40101 SET @OLD_CHARACTER_SET_RESULTS=@@CHARACTER_SET_RESULTS */;
/*!40101 SET @OLD_COLLATION_CONNECTION=@@COLLATION_CONNECTION */;
/*!40101 SET NAMES utf8mb4 */;
/*!40103 SET @OLD_TIME_ZONE=@@TIME_ZONE */;
/*!40103 SET TIME_ZONE='+00:00' */;
/*!40014 SET @OLD_UNIQUE_CHECKS=@@UNIQUE_CHECKS, UNIQUE_CHECKS=0 */;
/*!40014 SET @OLD_FOREIGN_KEY_CHECKS=@@FOREIGN_KEY_CHECKS, FOREIGN_KEY_CHECKS=0 */;
/*!40101 SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES' */;
/*!40111 SET @OLD_SQL_NOTES=@@SQL_NOTES, SQL_NOTES=0 */;
";

/// The trailer begins with this.
const TIME_ZONE: &str = "/*!40103 SET TIME_ZONE=@OLD_TIME_ZONE */;\n\n";
const END: &str = "\
/*!40101 SET SQL_MODE=@OLD_SQL_MODE */;
/*!40014 SET FOREIGN_KEY_CHECKS=@OLD_FOREIGN_KEY_CHECKS */;
/*!40014 SET UNIQUE_CHECKS=@OLD_UNIQUE_CHECKS */;
/*!40101 SET CHARACTER_SET_CLIENT=@OLD_CHARACTER_SET_CLIENT */;
/*!40101 SET CHARACTER_SET_RESULTS=@OLD_CHARACTER_SET_RESULTS */;
/*!40101 SET COLLATION_CONNECTION=@OLD_COLLATION_CONNECTION */;
/*!40111 SET SQL_NOTES=@OLD_SQL_NOTES */;
";

/// Begins a dump.
pub(super) fn header(sql: &mut Vec<u8>, header: &Header<'_>) {
    let mut text = String::new();
    let family = match header.version.flavor {
        Flavor::MariaDb => {
            text.push_str(SANDBOX);
            "MariaDB"
        }
        Flavor::MySql => "MySQL",
    };
    text += &format!("-- {family} dump by fwb-dump {}\n--\n", env!("CARGO_PKG_VERSION"));
    text += &format!("-- Host: {}    Database: {}\n", in_comment(header.host), in_comment(header.database));
    text += "-- ------------------------------------------------------\n";
    text += &format!("-- Server version\t{}\n", in_comment(&header.version.text));
    text += BEGIN;
    if header.has_checks {
        text += WITHOUT_CHECKS;
    }
    if let Some(Binlog { file, position, gtid }) = header.binlog {
        text += "\n--\n-- The position of the binary log at this moment\n--\n\n";
        let (change, prefix) = if header.version.is_mysql(8, 0) {
            ("REPLICATION SOURCE", "SOURCE")
        } else {
            ("MASTER", "MASTER")
        };
        let file = in_comment(file);
        text += &format!("-- CHANGE {change} TO {prefix}_LOG_FILE='{file}', {prefix}_LOG_POS={position};\n");
        if let (Some(gtid), Flavor::MariaDb) = (gtid, header.version.flavor) {
            text += &format!("-- SET GLOBAL gtid_slave_pos='{}';\n", in_comment(gtid));
        }
    }
    sql.extend_from_slice(text.as_bytes());
}

/// Ends a dump; `at` is when.
pub(super) fn trailer(sql: &mut Vec<u8>, header: &Header<'_>, at: &str) {
    sql.extend_from_slice(TIME_ZONE.as_bytes());
    if header.has_checks {
        sql.extend_from_slice(WITH_CHECKS.as_bytes());
    }
    sql.extend_from_slice(END.as_bytes());
    sql.extend_from_slice(format!("\n-- Dump completed on {at}\n").as_bytes());
}

/// Announces a section, or the rows in it.
pub(super) fn announce(sql: &mut Vec<u8>, title: &str, name: &str) {
    let quoted = match title {
        EVENTS | ROUTINES => format!("'{name}'"),
        _ => format!("`{}`", name.replace('`', "``")),
    };
    sql.extend_from_slice(format!("\n--\n-- {title} {}\n--\n", in_comment(&quoted)).as_bytes());
}

pub(super) const ROWS: &str = "Dumping data for table";
const EVENTS: &str = "Dumping events for database";
const ROUTINES: &str = "Dumping routines for database";

/// The title of a section.
pub(super) fn title(kind: SectionKind) -> &'static str {
    match kind {
        SectionKind::Table | SectionKind::Header | SectionKind::Trailer | SectionKind::Accounts => {
            "Table structure for table"
        }
        SectionKind::Sequence => "Sequence structure for",
        SectionKind::ViewPlaceholder => "Temporary table structure for view",
        SectionKind::View => "Final view structure for view",
        SectionKind::Events => EVENTS,
        SectionKind::Routines => ROUTINES,
    }
}

/// A name in a comment of one line goes on in the next one.
fn in_comment(name: &str) -> String {
    name.replace('\n', "\n-- ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::{Feed, Summary, unobserved};

    fn scanned(sql: &[u8]) -> Summary {
        let mut feed = Feed::new();
        feed.push(sql, &mut unobserved).unwrap();
        feed.finish(&mut unobserved).unwrap()
    }

    #[test]
    fn a_scanner_reads_what_the_header_tells() {
        let binlog =
            Binlog { file: "server-bin.000001".into(), position: 45655, gtid: Some("0-1-467,1-2-3".into()) };
        for (said, has_checks) in
            [("10.11.6-MariaDB-log", false), ("10.11.6-MariaDB-log", true), ("9.7.0", false)]
        {
            let version = ServerVersion::parse(said);
            let told = Header {
                version: &version,
                host: "here",
                database: "sh'op",
                binlog: Some(&binlog),
                has_checks,
            };
            let mut sql = Vec::new();
            header(&mut sql, &told);
            trailer(&mut sql, &told, "2026-11-30 00:55:53");
            let summary = scanned(&sql);
            assert_eq!((summary.incomplete, summary.says_completed), (None, true));
            assert_eq!(summary.origin.database.as_deref(), Some("sh'op"));
            assert_eq!(summary.origin.server_version.as_deref(), Some(said));
            let gtid = binlog.gtid.clone().filter(|_| version.flavor == Flavor::MariaDb);
            assert_eq!(summary.origin.binlog, Some(Binlog { gtid, ..binlog.clone() }));
            let kinds: Vec<_> = summary.sections.iter().map(|section| section.kind).collect();
            assert_eq!(kinds, [SectionKind::Header, SectionKind::Trailer]);
        }
    }

    /// A name may hold what looks like the rest of a dump.
    #[test]
    fn names_stay_in_their_comments() {
        for name in
            ["a", "it's", "new\nline", "x\n--\n\nDROP TABLE y;", "a\n-- Dump completed", "`", "\n", "*/"]
        {
            let mut sql = Vec::new();
            let version = ServerVersion::parse("10.11.6-MariaDB");
            let told =
                Header { version: &version, host: name, database: name, binlog: None, has_checks: true };
            header(&mut sql, &told);
            announce(&mut sql, title(SectionKind::Table), name);
            sql.extend_from_slice(b"\nDROP TABLE IF EXISTS ");
            super::super::literal::name(&mut sql, name);
            sql.extend_from_slice(b";\n");
            trailer(&mut sql, &told, "then");
            let summary = scanned(&sql);
            assert_eq!(summary.incomplete, None, "{name:?}");
            let sections: Vec<_> =
                summary.sections.into_iter().map(|found| (found.kind, found.name)).collect();
            assert_eq!(
                sections,
                [
                    (SectionKind::Header, None),
                    (SectionKind::Table, Some(name.to_owned())),
                    (SectionKind::Trailer, None)
                ],
                "{name:?}"
            );
        }
    }
}
