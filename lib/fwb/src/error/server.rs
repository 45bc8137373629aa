//! What a server's error says, by its number: whether the account lacks a right, and what the operator can do. The
//! numbers are those of MariaDB's manual, "MariaDB Error Codes", and of MySQL's "Server Error Message Reference".

use super::Error;

/// The account may not do it, or not log in. Trying again gives the same answer until somebody changes a grant, a
/// password or a setting.
const LACKING_RIGHTS: &[u16] =
    &[1044, 1045, 1130, 1142, 1143, 1211, 1227, 1345, 1370, 1410, 1418, 1419, 1698, 1820, 1862, 3118, 4151];

/// What was there when a dump looked, and is not there any more, or not as it was: a table, a view's columns, a program.
const VANISHED: &[u16] = &[1146, 1356, 1305, 1360, 1539, 1347, 1412];

const HINTS: &[(&[u16], &str)] = &[
    (&[1040], "the server has no free connection; run again later, or with fewer --jobs"),
    (
        &[1045, 1130, 1698, 1820, 1862, 3118, 4151],
        "check --user and --password-file, or the [client] section of --defaults-file; an account that REQUIREs SSL wants \
         --tls required, over a socket too",
    ),
    (
        &[1184],
        "the server's init_connect fails for this account: correct it, or use one that it is not executed for (CONNECTION ADMIN; \
         MySQL: CONNECTION_ADMIN)",
    ),
    (
        &[1203, 1226],
        "the account has had its share (MAX_USER_CONNECTIONS and its like): give it more, or run with fewer --jobs",
    ),
    (&[2002, 2003, 2005], "is the server running, and are --host, --port or --socket right?"),
    (
        &[1044, 1142, 1143, 1211, 1227, 1345, 1370, 1410],
        "the account lacks a privilege that the message names",
    ),
    (&[1049], "check the name given to -B or --database"),
    (&[2013, 2006], "the server ended the connection; look at its error log, then run again"),
    (&[1153], "raise max_allowed_packet on the server"),
    (&[2026], "set the TLS options in the [client] section of --defaults-file"),
    (&[1418, 1419], "set log_bin_trust_function_creators=1 on the server, or use an account with SUPER"),
    (&[1114, 1021], "the server is out of space"),
    (
        &[1062, 1136, 1364, 1048],
        "the rows do not fit the table: look at the dump there, or use another backup",
    ),
    (
        &[1146, 1305, 1356],
        "what a view or program needs is not in the backup, or the account that it runs as may not use it: restore it \
         too, or GRANT it",
    ),
    (
        &[1449],
        "make the account that the message names (CREATE USER … ACCOUNT LOCK), and GRANT it what the view reads",
    ),
    (
        &[1286, 1273, 1115],
        "this server lacks what the dump was made with: install it, or use a server that has it",
    ),
    (
        &[3510],
        "make the tablespace that the message names first (CREATE TABLESPACE); a dump of tables has none",
    ),
    (&[3989], "ALTER DATABASE … READ ONLY=0 first: nothing is written into it otherwise"),
    (
        &[3750, 6125],
        "GRANT SESSION_VARIABLES_ADMIN ON *.* TO the account, so that it may set sql_require_primary_key and \
         restrict_fk_on_non_standard_key off for its own session",
    ),
    (&[1064], "this server does not know that SQL: is it older than the one that was dumped?"),
    (
        &[1690],
        "a value is out of range; of octet_length in a dump: a text of 1 GiB is sent in utf8mb4 alone, so convert its column to that",
    ),
    (
        &[1205],
        "a client holds a table: end its transaction (SHOW PROCESSLIST; XA RECOVER shows those that are prepared and belong to no client), then run again",
    ),
];

/// Whether an error of this number says that the account lacks a right.
pub(super) fn is_lacking_right(number: u16) -> bool {
    LACKING_RIGHTS.contains(&number)
}

/// Whether an error of this number says that something is gone, or has changed.
pub(super) fn is_vanished(number: u16) -> bool {
    VANISHED.contains(&number)
}

/// What the operator can do about an error of this number.
pub(super) fn hint_for(number: u16) -> Option<&'static str> {
    HINTS.iter().find(|(numbers, _)| numbers.contains(&number)).map(|(_, hint)| *hint)
}

/// The table that a dump was reading when the server ended the connection; none where something else is told.
pub(crate) fn deadly_table(error: &Error) -> Option<String> {
    let Error::Lost { doing, .. } = error else { return None };
    let (name, _) = doing.strip_prefix("dumping table ")?.rsplit_once(" of ")?;
    Some(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_hint_stands_in_the_documentation() {
        let documented = include_str!("../../../../docs/ERRORS.md");
        for (numbers, hint) in HINTS {
            let numbers: Vec<String> = numbers.iter().map(u16::to_string).collect();
            let line = format!("| {} | {hint} |", numbers.join(", "));
            assert!(documented.contains(&line), "docs/ERRORS.md lacks: {line}");
        }
    }

    #[test]
    fn a_lacking_right_is_told_from_everything_else() {
        assert!([1044, 1045, 1142, 1143, 1227, 1370, 1419].into_iter().all(is_lacking_right));
        assert!(![1062, 1146, 2013].into_iter().any(is_lacking_right));
    }

    #[test]
    fn every_lacking_right_has_a_hint() {
        for number in LACKING_RIGHTS {
            assert!(hint_for(*number).is_some(), "{number}");
        }
    }

    #[test]
    fn the_table_is_known_that_ended_the_server() {
        let lost = |doing: &str| Error::Lost {
            doing: doing.into(),
            source: std::io::ErrorKind::UnexpectedEof.into(),
        };
        assert_eq!(deadly_table(&lost("dumping table a of b of shop")).as_deref(), Some("a of b"));
        assert_eq!(deadly_table(&lost("dumping shop")), None);
    }
}
