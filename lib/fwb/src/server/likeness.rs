//! The settings of a server that decide whether it takes what another one held: a dump records them, and the server of a
//! drill gets them. Definitions name their own character sets, so that the server's have no part in it.

/// Global settings, by their names, and the values that servers have unless somebody sets another one (MariaDB from 10.10 on,
/// MySQL from 8.4 on). Those are not recorded. Without the source's value,
/// - `character_set_collations` and `default_collation_for_utf8mb4` give another collation where a definition names a
///   character set alone;
/// - `explicit_defaults_for_timestamp` gives columns of TIMESTAMP other defaults;
/// - `innodb_default_row_format` and `innodb_page_size` limit rows and keys in another way;
/// - `innodb_strict_mode` and `restrict_fk_on_non_standard_key` refuse tables that the source has taken;
/// - `old_mode` and `sql_mode` change what definitions mean.
pub(crate) const LIKENESS: [(&str, &[&str]); 9] = [
    ("character_set_collations", &[]),
    ("default_collation_for_utf8mb4", &["utf8mb4_0900_ai_ci"]),
    ("explicit_defaults_for_timestamp", &["ON"]),
    ("innodb_default_row_format", &["dynamic"]),
    (PAGE_SIZE, &["16384"]),
    ("innodb_strict_mode", &["ON"]),
    ("old_mode", &["UTF8_IS_UTF8MB3"]),
    ("restrict_fk_on_non_standard_key", &["ON"]),
    (
        "sql_mode",
        &[
            "STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_AUTO_CREATE_USER,NO_ENGINE_SUBSTITUTION",
            "ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION",
        ],
    ),
];

/// The setting that a server has from the moment its data are made, in bytes.
pub(crate) const PAGE_SIZE: &str = "innodb_page_size";

/// Whether a setting of [`LIKENESS`] has a value that somebody has set.
pub(crate) fn is_set(name: &str, value: &str) -> bool {
    LIKENESS.iter().any(|(of, usual)| *of == name && !usual.contains(&value))
}
