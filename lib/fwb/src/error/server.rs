//! What a server's error says, by its number: whether the account lacks a right, and what the operator can do. The
//! numbers are those of MariaDB's manual, "MariaDB Error Codes", and of MySQL's "Server Error Message Reference".

/// The account may not do it, or not log in. Trying again gives the same answer until somebody changes a grant, a
/// password or a setting.
const LACKING_RIGHTS: &[u16] =
    &[1044, 1045, 1130, 1142, 1143, 1211, 1227, 1345, 1370, 1410, 1418, 1419, 1698, 1820, 1862, 3118, 4151];

/// What dump programs say about a right without any number.
const WORDS_FOR_RIGHTS: &[&str] = &["insufficent privileges", "Access denied; you need"];

/// What was there when a dump looked, and is not there any more, or not as it was: a table, a view's columns, a program.
const VANISHED: &[u16] = &[1146, 1356, 1305, 1360, 1539, 1347, 1412];

const HINTS: &[(&[u16], &str)] = &[
    (&[1040], "the server has no free connection; run again later, or with fewer --jobs"),
    (
        &[1045, 1130, 1698, 1820, 1862, 3118, 4151],
        "check --user and --password-file, or the [client] section of --defaults-file",
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
        "what a view or program needs is not in the backup; restore it too, or fix the dump",
    ),
    (
        &[1286, 1273, 1115],
        "this server lacks what the dump was made with: install it, or use a server that has it",
    ),
    (&[1064], "this server does not know that SQL: is it older than the one that was dumped?"),
    (&[1205], "a client holds a table: end its transaction (SHOW PROCESSLIST), then run again"),
];

/// Whether a program failed because the account lacks a right.
pub(super) fn lacks_rights(reason: &str) -> bool {
    numbers(reason).any(|number| LACKING_RIGHTS.contains(&number))
        || WORDS_FOR_RIGHTS.iter().any(|words| reason.contains(words))
}

/// Whether something that was to be dumped is gone, or has changed.
pub(super) fn has_vanished(reason: &str) -> bool {
    numbers(reason).any(|number| VANISHED.contains(&number))
}

/// What the operator can do about the first error that there is a hint for.
pub(super) fn hint(reason: &str) -> Option<&'static str> {
    numbers(reason)
        .find_map(|number| HINTS.iter().find(|(numbers, _)| numbers.contains(&number)).map(|(_, hint)| *hint))
}

/// Whether the server ended the connection, or cannot be reached: that says nothing of what it was asked.
pub(crate) fn is_lost(reason: &str) -> bool {
    numbers(reason).any(|number| [2002, 2003, 2006, 2013].contains(&number))
}

/// The table that the dump program was reading when the server ended the connection; none where something else is told.
pub(crate) fn deadly_table(reason: &str) -> Option<String> {
    if !numbers(reason).any(|number| [2006, 2013].contains(&number)) {
        return None;
    }
    let (_, after) = reason.split_once("dumping table `")?;
    let (table, _) = after.split_once('`')?;
    Some(table.to_owned())
}

/// The error numbers in a program's own error lines, one a line at most: a line also quotes names, rows and line
/// numbers, which may be any numbers.
fn numbers(reason: &str) -> impl Iterator<Item = u16> {
    reason.split([';', '\n']).filter_map(|line| leading_number(line).or_else(|| trailing_number(line)))
}

/// The number in `ERROR 1045 (28000): …`, `mariadb-dump: Got error: 1044: …` and `mysqldump: Error 2013: …`.
fn leading_number(line: &str) -> Option<u16> {
    let line = line.trim();
    let after_name = line.split_once(": ").filter(|(name, _)| !name.contains(' ')).map(|(_, rest)| rest);
    let starts = ["ERROR ", "Got error: ", "Error "];
    let after = [Some(line), after_name]
        .into_iter()
        .flatten()
        .find_map(|text| starts.iter().find_map(|start| text.strip_prefix(start)))?;
    let end = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
    after[..end].parse().ok()
}

/// The number in `mariadb-dump: Couldn't execute 'SHOW …': … (1227)`.
fn trailing_number(line: &str) -> Option<u16> {
    line.trim().strip_suffix(')')?.rsplit_once('(')?.1.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_found_where_programs_put_it_and_nowhere_else() {
        let cases: &[(&str, &[u16])] = &[
            ("ERROR 1045 (28000): Access denied for user 'x'@'localhost'", &[1045]),
            ("ERROR 1062 (23000) at line 1045: Duplicate entry '2013' for key 'PRIMARY'", &[1062]),
            ("mariadb-dump: Got error: 1044: \"Access denied\" when using LOCK TABLES", &[1044]),
            ("mysqldump: Error 2013: Lost connection to server during query", &[2013]),
            (
                "mariadb-dump: Couldn't execute 'FLUSH': Access denied; you need (one of) RELOAD (1227)",
                &[1227],
            ),
            ("ERROR 2026 (HY000): TLS/SSL error: 2002; ERROR 1049 (42000): Unknown database", &[2026, 1049]),
            ("it exited with 1045 and gave no reason", &[]),
            ("it was killed by signal 9", &[]),
            ("the clock says 2026", &[]),
            ("ERROR 99999999 (HY000): not a number of any server", &[]),
        ];
        for (reason, expected) in cases {
            assert_eq!(&numbers(reason).collect::<Vec<_>>(), expected, "{reason}");
        }
    }

    #[test]
    fn a_lacking_right_is_told_from_everything_else() {
        for number in [1044, 1045, 1142, 1143, 1227, 1370, 1419] {
            assert!(lacks_rights(&format!("ERROR {number} (42000) at line 3: no")), "{number}");
        }
        for reason in [
            "mariadb-dump: backup has insufficent privileges to SHOW CREATE FUNCTION `f`!",
            "mysqldump: Error: 'Access denied; you need (at least one of) the PROCESS privilege(s)'",
        ] {
            assert!(lacks_rights(reason), "{reason}");
        }
        for reason in ["ERROR 2002 (HY000): no", "ERROR 1062 (23000) at line 1142: Duplicate", ""] {
            assert!(!lacks_rights(reason), "{reason}");
        }
    }

    #[test]
    fn every_lacking_right_has_a_hint() {
        for number in LACKING_RIGHTS {
            assert!(hint(&format!("ERROR {number} (HY000): x")).is_some(), "{number}");
        }
    }
}
