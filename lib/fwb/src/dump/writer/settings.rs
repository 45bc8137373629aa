//! What a session must be for what it reads to be exact, whatever the server's own settings say.

use crate::error::Result;
use crate::server::{Session, tell};

/// One statement each; every account may set all of it. Without them,
/// - text would come in another character set than utf8mb4;
/// - a `sql_mode` such as ANSI would change how definitions are printed, and `PAD_CHAR_TO_FULL_LENGTH` values;
/// - TIMESTAMP would be told in local time, which is ambiguous twice a year;
/// - `sql_quote_show_create=0` would print names without quotes;
/// - `sql_select_limit`, `sql_big_selects` and `sql_safe_updates` would leave out rows, or refuse to read them;
/// - `max_statement_time`, and `max_execution_time` on MySQL, would cut long reads off;
/// - `system_versioning_asof` would show tables as they were once;
/// - MySQL would not show the primary keys that it has made itself;
/// - rows would be read outside of the snapshot.
const SETTINGS: [&str; 3] = [
    "SET NAMES utf8mb4",
    "SET SESSION sql_mode='', time_zone='+00:00', sql_quote_show_create=1, sql_select_limit=18446744073709551615, \
     sql_big_selects=1, sql_safe_updates=0, autocommit=1, completion_type=0\
     /*M!100101 , max_statement_time=0 */\
     /*M!100304 , system_versioning_asof=DEFAULT */\
     /*!50708 , max_execution_time=0 */\
     /*!80030 , show_gipk_in_create_table_and_information_schema=1 */",
    "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
];

/// Prepares a session for reading a database.
///
/// # Errors
/// The server refuses, or the connection breaks.
pub(crate) fn prepare(session: &mut dyn Session) -> Result<()> {
    SETTINGS.iter().try_for_each(|sql| tell(session, sql, "preparing a connection"))
}
