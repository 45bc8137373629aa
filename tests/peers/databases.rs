//! The databases that cases have made.

use std::path::Path;

use crate::support::Tool;
use crate::support::content::ask;

/// Databases that no case has made.
const SYSTEM: &str = "'mysql', 'information_schema', 'performance_schema', 'sys', 'mtr'";

/// The databases that there are but for the server's own.
pub(crate) fn made(cnf: &Path) -> Vec<String> {
    let sql = format!(
        "SELECT schema_name FROM information_schema.schemata WHERE schema_name NOT IN ({SYSTEM}) ORDER BY 1"
    );
    ask(cnf, None, &sql).lines().map(ToOwned::to_owned).collect()
}

/// The definition and the rows of a table, in no order, as mariadb-dump has them.
pub(crate) fn rows(cnf: &Path, database: &str, what: &str) -> Vec<String> {
    let table = what.rsplit_once("table ").map_or(what, |(_, table)| table);
    let defaults = format!("--defaults-file={}", cnf.display());
    let done = Tool::program("mariadb-dump")
        .arg(defaults)
        .args([
            "--skip-extended-insert",
            "--hex-blob",
            "--skip-comments",
            "--force",
            "--compact",
            database,
            table,
        ])
        .run();
    let mut lines: Vec<String> = done.stdout_text().lines().map(ToOwned::to_owned).collect();
    lines.sort();
    lines
}
