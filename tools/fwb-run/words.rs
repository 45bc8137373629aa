//! The last words of a container: where Kubernetes looks for them, and short enough to be shown whole.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use serde::Serialize;
use serde_json::{Value, json};

use crate::execution::cut_to;

/// Bytes of a termination message that Kubernetes shows.
const LONGEST: usize = 4096;
/// Where Kubernetes looks unless it is told otherwise.
const USUAL: &str = "/dev/termination-log";
/// A pipe that nobody reads would be waited for.
const NONBLOCK: i32 = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();

/// Leaves the record where Kubernetes looks for it: in the file that is named, else in the usual one, if it is there.
pub(crate) fn leave(record: &impl Serialize, named: Option<&Path>) {
    let file = named.unwrap_or(Path::new(USUAL));
    if named.is_none() && !file.exists() {
        return;
    }
    if let Err(error) = write(file, &shortened(record)) {
        log::warn!(code = fwb::notice::OTHER.code; "no last words in {}: {error}", file.display());
    }
}

fn write(file: &Path, words: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).custom_flags(NONBLOCK);
    options.open(file)?.write_all(words.as_bytes())
}

/// A record as JSON of at most 4096 bytes: of lists the first entries, of texts the beginning.
fn shortened(record: &impl Serialize) -> String {
    let Ok(whole) = serde_json::to_value(record) else { return String::new() };
    let whole_text = whole.to_string();
    if whole_text.len() <= LONGEST {
        return whole_text;
    }
    let steps = [(10, 300), (3, 300), (1, 200), (0, 100), (0, 30)];
    let mut less = steps.into_iter().map(|(entries, letters)| {
        let mut less = cut(&whole, entries, letters);
        less["shortened"] = json!(true);
        less.to_string()
    });
    less.find(|text| text.len() <= LONGEST).unwrap_or_default()
}

fn cut(value: &Value, entries: usize, letters: usize) -> Value {
    match value {
        Value::String(text) => json!(cut_to(text, letters)),
        Value::Array(items) => items.iter().take(entries).map(|item| cut(item, entries, letters)).collect(),
        Value::Object(fields) => {
            fields.iter().map(|(name, field)| (name.clone(), cut(field, entries, letters))).collect()
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use fwb::RunRecord;

    use super::*;

    #[test]
    fn last_words_are_whole_json_of_a_bounded_size() {
        let at = fwb::now();
        let mut record = RunRecord::begin("20260701T020000Z-backup-00000000".into(), "backup", at);
        assert!(!shortened(&record).contains("shortened"));
        record.warnings = (0..20).map(|number| format!("{number} {}", "\\\"한".repeat(150))).collect();
        record.deleted = vec!["x".repeat(200); 500];
        record.reason = Some("\u{1}".repeat(500));
        let text = shortened(&record);
        assert!(text.len() <= LONGEST, "{}", text.len());
        let words: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&words["shortened"], &words["what"]), (&json!(true), &json!("backup")));
    }
}
