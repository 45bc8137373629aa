//! What holds in every session of ours, whatever the server's own settings say.

use super::{Flavor, ServerVersion};

/// What a session begins with; every account may set all of it. It comes after the server's
/// `init_connect`, which a connection that is used again does not meet once more. Without it,
/// - names would be sent in another character set, where the server has `skip-character-set-client-handshake`;
/// - `init_connect` could have one connection show times otherwise than the next (`time_zone`);
/// - `autocommit=0` would lose what was written, such as the note that a swap is done;
/// - a `sql_mode` such as ANSI or ORACLE would change what our SQL means, and how definitions are printed;
/// - `sql_select_limit` and `sql_big_selects` would leave out rows, or refuse to read them;
/// - `sql_safe_updates` would refuse updates without a key;
/// - `sql_quote_show_create=0` would print names without quotes;
/// - `completion_type` would end the connection after a `COMMIT`;
/// - `innodb_compression_default` would compress tables that are made, whatever their definition says;
/// - `system_versioning_asof` would show tables as they were once;
/// - `max_statement_time`, and `max_execution_time` on MySQL, would cut long statements off;
/// - `show_create_table_verbosity=1` on MySQL would fix a table's row format, which was the server's default;
/// - `show_gipk_in_create_table_and_information_schema=0` on MySQL would hide keys that tables have.
const SETTINGS: &str = "SET NAMES utf8mb4, SESSION time_zone=DEFAULT, SESSION autocommit=1, \
    SESSION sql_mode='STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION', \
    SESSION sql_select_limit=18446744073709551615, SESSION sql_big_selects=1, SESSION sql_safe_updates=0, \
    SESSION sql_quote_show_create=1, SESSION completion_type=0\
    /*M!100101 , SESSION max_statement_time=0 */\
    /*M!100103 , SESSION innodb_compression_default=0 */\
    /*M!100304 , SESSION system_versioning_asof=DEFAULT */\
    /*!50708 , SESSION max_execution_time=0 */\
    /*!80011 , SESSION show_create_table_verbosity=0 */\
    /*!80030 , SESSION show_gipk_in_create_table_and_information_schema=1 */";

/// What no session of MySQL's should have, from which version on, where its account may set that (error 1227 otherwise):
/// - `sql_require_primary_key` refuses tables without one;
/// - `sql_generate_invisible_primary_key` gives them one, which is a column more;
/// - `restrict_fk_on_non_standard_key` refuses foreign keys that older servers have taken.
const UNWANTED: [(&str, (u32, u32, u32)); 3] = [
    ("sql_require_primary_key", (8, 0, 13)),
    ("sql_generate_invisible_primary_key", (8, 0, 30)),
    ("restrict_fk_on_non_standard_key", (8, 4, 0)),
];

/// [`SETTINGS`], and what has another name in other servers: `tx_read_only` would let nothing be written.
pub(super) fn settings(version: &ServerVersion) -> String {
    let is_older = version.flavor == Flavor::MariaDb && !version.is_mariadb(11, 2);
    let read_only = if is_older { "tx_read_only" } else { "transaction_read_only" };
    format!("{SETTINGS}, SESSION {read_only}=0")
}

/// The names of [`UNWANTED`] that a server knows.
pub(super) fn unwanted(version: &ServerVersion) -> Vec<&'static str> {
    let is_known = |since: &(u32, u32, u32)| version.flavor == Flavor::MySql && version.number >= *since;
    UNWANTED.iter().filter(|(_, since)| is_known(since)).map(|(name, _)| *name).collect()
}
