//! File names in a store.

use chrono::{Local, NaiveDateTime, TimeZone};

use crate::artifact::Codec;
use crate::encryption;
use crate::error::{Error, Result};
use crate::manifest::{Kind, Timestamp};

/// What an unpacked foreign dump's name ends with.
const PLAIN: &str = ".sql";
/// What a sidecar's name adds to its artifact's.
pub(super) const SIDECAR: &str = ".json";
/// What the name of an unfinished file ends with; it also begins with a dot.
pub(super) const PARTIAL: &str = ".partial";
/// The longest file name of the usual file systems, in bytes, less what a partial sidecar adds.
const LONGEST: usize = 255 - ".".len() - SIDECAR.len() - PARTIAL.len();

/// The part of a name before `_backup_`: the prefix given, or the database's name less a trailing `_db`, with what
/// a file name must not hold percent-encoded.
pub(crate) fn prefix(given: Option<&str>, database: &str) -> String {
    let plain = given
        .unwrap_or_else(|| database.strip_suffix("_db").filter(|rest| !rest.is_empty()).unwrap_or(database));
    let mut encoded = String::new();
    for (index, character) in plain.chars().enumerate() {
        let hidden = index == 0 && matches!(character, '.' | '-');
        if hidden || character.is_control() || matches!(character, '/' | '\\' | '%') {
            let mut bytes = [0; 4];
            let bytes = character.encode_utf8(&mut bytes).bytes();
            encoded.extend(bytes.map(|byte| format!("%{byte:02X}")));
        } else {
            encoded.push(character);
        }
    }
    encoded
}

/// What an artifact's name ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Form {
    /// How it is compressed.
    pub(crate) codec: Codec,
    /// Whether it is encrypted.
    pub(crate) is_encrypted: bool,
}

impl Form {
    /// All of them.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        let forms = |codec| [false, true].into_iter().map(move |is_encrypted| Self { codec, is_encrypted });
        Codec::ALL.into_iter().flat_map(forms)
    }

    fn suffix(self) -> String {
        let encrypted = if self.is_encrypted { encryption::SUFFIX } else { "" };
        format!("{}{encrypted}", self.codec.suffix())
    }
}

/// The name of a backup begun at `at`, in the zone of `at`: `{prefix}_backup_{YYYYMMDD_HHMMSS}`, and what names of its form end
/// with.
///
/// # Errors
/// The name would be too long for a file.
pub(crate) fn artifact_name(prefix: &str, kind: Kind, at: Timestamp, form: Form) -> Result<String> {
    ending(&stem_of(prefix, kind, at), form)
}

/// The same without what it ends with.
pub(super) fn stem_of(prefix: &str, kind: Kind, at: Timestamp) -> String {
    let word = match kind {
        Kind::Safety => "safety",
        Kind::Moment => "moment",
        Kind::Full | Kind::Foreign | Kind::Accounts => "backup",
    };
    format!("{prefix}_{word}_{}", at.format("%Y%m%d_%H%M%S"))
}

/// A name of this form.
///
/// # Errors
/// The name would be too long for a file.
pub(super) fn ending(stem: &str, form: Form) -> Result<String> {
    let name = format!("{stem}{}", form.suffix());
    if name.len() > LONGEST {
        let message = format!("the name {name} is too long for a file");
        return Err(Error::Usage { message, hint: Some("give a shorter one with --prefix".into()) });
    }
    Ok(name)
}

/// The name of the sidecar of an artifact.
pub(super) fn sidecar(artifact: &str) -> String {
    format!("{artifact}{SIDECAR}")
}

/// Whether a file of this name is a backup: `*.sql.gz`, `*.sql.zst`, or a plain `*.sql`; each with `.age` where it is encrypted.
pub(super) fn is_artifact(name: &str) -> bool {
    !name.starts_with('.') && stem(name).is_some()
}

/// A backup's name without its ending; none where the name has another.
pub(super) fn stem(name: &str) -> Option<&str> {
    let name = name.strip_suffix(encryption::SUFFIX).unwrap_or(name);
    let packed = Codec::ALL.into_iter().find_map(|codec| name.strip_suffix(codec.suffix()));
    packed.or_else(|| name.strip_suffix(PLAIN))
}

/// Checks that a name is a plain file name of a backup: no path, nothing hidden, no control characters.
///
/// # Errors
/// A usage error that names what is wrong.
pub(crate) fn check(name: &str) -> Result<()> {
    let plain = !name.contains('/') && !name.chars().any(char::is_control) && name.len() <= LONGEST;
    if plain && is_artifact(name) {
        return Ok(());
    }
    Err(Error::Usage {
        message: format!("{name:?} is not the name of a backup"),
        hint: Some("a backup is named by its file name in the store, as fwb-ls prints it".into()),
    })
}

/// The moment in a name: `…_20250725_170206.sql.gz`, in local time.
pub(super) fn timestamp(name: &str) -> Option<Timestamp> {
    let stem = stem(name)?;
    let digits = stem.get(stem.len().checked_sub(15)?..)?;
    let naive = NaiveDateTime::parse_from_str(digits, "%Y%m%d_%H%M%S").ok()?;
    let found = Local.from_local_datetime(&naive);
    // Of an hour that comes twice the later one; chrono's order is not always that of time.
    found.earliest().max(found.latest()).map(|moment| moment.fixed_offset())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_strategy() {
        let at = Timestamp::parse_from_rfc3339("2025-07-25T17:02:06+09:00").unwrap();
        let form = |codec, is_encrypted| Form { codec, is_encrypted };
        let named = |form| artifact_name(&prefix(None, "filewallball_db"), Kind::Full, at, form).unwrap();
        assert_eq!(named(form(Codec::Gzip, false)), "filewallball_backup_20250725_170206.sql.gz");
        assert_eq!(named(form(Codec::Zstd, true)), "filewallball_backup_20250725_170206.sql.zst.age");
        assert_eq!(timestamp(&named(form(Codec::Gzip, true))), timestamp(&named(form(Codec::Gzip, false))));
        for (database, expected) in [
            ("_db", "_db"),
            ("a/b", "a%2Fb"),
            (".x", "%2Ex"),
            ("-x", "%2Dx"),
            ("한글", "한글"),
            ("a\u{85}b", "a%C2%85b"),
            ("a%b", "a%25b"),
        ] {
            assert_eq!(prefix(None, database), expected);
            for form in Form::all() {
                check(&artifact_name(&prefix(None, database), Kind::Safety, at, form).unwrap()).unwrap();
            }
        }
        assert!(artifact_name(&"x".repeat(300), Kind::Full, at, form(Codec::Zstd, false)).is_err());
    }

    #[test]
    fn what_is_not_a_plain_name_is_refused() {
        for name in [
            "",
            "x",
            "../x.sql.gz",
            "/x.sql.gz",
            ".x.sql.gz",
            "a/b.sql.gz",
            "a\n.sql.gz",
            "x.json",
            "x.zst",
            "x.sql.zst.partial",
            "..",
            "\0.sql",
        ] {
            assert!(check(name).is_err(), "{name:?}");
        }
    }
}
