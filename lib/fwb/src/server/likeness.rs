//! The settings of a server that decide whether it takes what another one held: a dump records them, and the server of a
//! drill gets them.

/// Global settings, by their names. Without the source's value,
/// - `character_set_collations` and `default_collation_for_utf8mb4` give another collation where a definition names a
///   character set alone, and so do `character_set_server` and `collation_server` where it names neither;
/// - `explicit_defaults_for_timestamp` gives columns of TIMESTAMP other defaults;
/// - `innodb_default_row_format` and `innodb_page_size` limit rows and keys in another way;
/// - `innodb_strict_mode` and `restrict_fk_on_non_standard_key` refuse tables that the source has taken;
/// - `old_mode` and `sql_mode` change what definitions mean.
pub(crate) const LIKENESS: [&str; 11] = [
    "character_set_collations",
    "character_set_server",
    "collation_server",
    "default_collation_for_utf8mb4",
    "explicit_defaults_for_timestamp",
    "innodb_default_row_format",
    PAGE_SIZE,
    "innodb_strict_mode",
    "old_mode",
    "restrict_fk_on_non_standard_key",
    "sql_mode",
];

/// The setting that a server has from the moment its data are made, in bytes.
pub(crate) const PAGE_SIZE: &str = "innodb_page_size";
