//! What holds in every session of the SQL client, whatever option files and the server's own settings say: the operator's
//! files say how to connect, and nothing else.

/// The options by which the client prints rows as [`super::client::rows`] reads them, and ends at the first error. Those
/// with `skip` undo what a `[mysql]` or `[mariadb-client]` section may hold:
/// - `force` goes on after an error, and a swap that failed would be reported as done;
/// - `xml`, `html`, `table`, `vertical`, `raw`, `column-type-info`, `show-warnings`, `binary-as-hex` and `debug-info` print
///   something else than rows;
/// - `safe-updates` limits what a `SELECT` returns and refuses updates without a key;
/// - `ignore-spaces` changes the session's `sql_mode`; `delimiter` and `skip-line-numbers` where statements end, and where
///   errors are.
///
/// `verbose`, `execute` and `one-database` cannot be undone: see [`unmarked`].
pub(super) const OPTIONS: &[&str] = &[
    "--batch",
    "--skip-column-names",
    "--binary-mode",
    "--local-infile=0",
    "--skip-reconnect",
    "--default-character-set=utf8mb4",
    "--max-allowed-packet=1G",
    "--comments",
    "--skip-force",
    "--skip-xml",
    "--skip-html",
    "--skip-table",
    "--skip-vertical",
    "--skip-raw",
    "--skip-column-type-info",
    "--skip-show-warnings",
    "--skip-debug-info",
    "--skip-safe-updates",
    "--skip-ignore-spaces",
    "--delimiter=;",
    "--line-numbers",
    // Some clients do not know it.
    "--loose-skip-binary-as-hex",
];

/// What a session begins with; every account may set all of it. Given as the client's init-command, it comes after the
/// server's `init_connect`, and in the place of an option file's. Without it,
/// - names would be sent in another character set, where the server has `skip-character-set-client-handshake`;
/// - `autocommit=0` would lose what was written, such as the note that a swap is done;
/// - a `sql_mode` such as ANSI or ORACLE would change what our SQL means, and how definitions are printed;
/// - `sql_select_limit` and `sql_big_selects` would leave out rows, or refuse to read them;
/// - `sql_safe_updates` would refuse updates without a key;
/// - `sql_quote_show_create=0` would print names without quotes;
/// - `completion_type` would end the connection after a `COMMIT`;
/// - `max_statement_time`, and `max_execution_time` on MySQL, would cut long statements off.
pub(super) const SETTINGS: &str = "SET NAMES utf8mb4, SESSION autocommit=1, \
    SESSION sql_mode='STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION', \
    SESSION sql_select_limit=18446744073709551615, SESSION sql_big_selects=1, SESSION sql_safe_updates=0, \
    SESSION sql_quote_show_create=1, SESSION completion_type=0\
    /*M!100101 , SESSION max_statement_time=0 */\
    /*!50708 , SESSION max_execution_time=0 */";

/// What the client prints before the first statement and after the last.
const BEGUN: &[u8] = b"fwb\tbegun\n";
const DONE: &[u8] = b"fwb\tdone\n";

/// Statements, with marks around what they print. The first mark is on their first line: errors name lines.
pub(super) fn marked(sql: &str) -> String {
    format!("SELECT 'fwb', 'begun'; {sql}\nSELECT 'fwb', 'done';\n")
}

/// What was printed between the marks; none where they are not there: the client has printed something else too
/// (`verbose`), or has not read its stdin (`execute`), or not executed it (`one-database`).
pub(super) fn unmarked(printed: &[u8]) -> Option<&[u8]> {
    printed.strip_prefix(BEGUN)?.strip_suffix(DONE)
}

/// Whether the client has printed what it was told to, as far as it came: its connection may have been ended.
pub(super) fn is_cut(printed: &[u8]) -> bool {
    printed.is_empty() || printed.starts_with(BEGUN)
}

/// What a client that prints names of columns prints beside a result.
#[cfg(test)]
pub(super) fn marked_by_name(result: &str) -> String {
    format!("fwb\tbegun\nfwb\tbegun\n{result}fwb\tdone\nfwb\tdone\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_client_was_not_told_to_print_is_noticed() {
        for (printed, between, cut) in [
            ("fwb\tbegun\nfwb\tdone\n", Some(""), true),
            ("fwb\tbegun\na\tb\nfwb\tdone\n", Some("a\tb\n"), true),
            ("", None, true),
            ("fwb\tbegun\na\tb\n", None, true),
            ("--------------\nSELECT 'fwb', 'begun'\n--------------\n\nfwb\tbegun\nfwb\tdone\n", None, false),
            ("7\n", None, false),
        ] {
            assert_eq!(unmarked(printed.as_bytes()), between.map(str::as_bytes), "{printed:?}");
            assert_eq!(is_cut(printed.as_bytes()), cut, "{printed:?}");
        }
    }

    #[test]
    fn marks_do_not_move_lines() {
        assert_eq!(marked("SELECT 1;\nfoo;\n").lines().position(|line| line == "foo;"), Some(1));
    }
}
