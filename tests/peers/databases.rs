//! The databases that cases have made.

use std::path::Path;

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
