//! A manifest at a glance: what a listing shows of it, read without keeping the rest. A store may hold ten thousand of
//! them with hundreds of sections each, and whoever lists it wants neither the time nor the memory that all of them take.
//! The rest is read too, as far as it must be to tell a manifest from something else.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};

use crate::identity::{ServerIdentity, ServerName};
use crate::manifest::{
    Kind, Manifest, ManifestError, ObjectKind, SCHEMA, SectionKind, Timestamp, Verification,
};
use crate::server::NameCase;

/// What a listing shows of a manifest.
#[derive(Debug, Deserialize)]
pub(crate) struct Brief<'a> {
    #[serde(borrow)]
    schema: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) name: Cow<'a, str>,
    #[serde(default)]
    pub(crate) store: Option<String>,
    pub(crate) kind: Kind,
    #[serde(default)]
    pub(crate) database: Option<String>,
    pub(crate) started_at: Timestamp,
    #[serde(default)]
    server: Option<Server>,
    #[serde(default)]
    pub(crate) size: u64,
    #[serde(default)]
    sections: Rows,
    #[serde(default)]
    pub(crate) verification: Option<Verification>,
    #[serde(default)]
    decision: Option<IgnoredAny>,

    // What follows is not kept, only held to its shape.
    #[serde(rename = "charset", default)]
    _charset: Option<Text>,
    #[serde(rename = "collation", default)]
    _collation: Option<Text>,
    #[serde(rename = "finished_at")]
    _finished_at: Timestamp,
    #[serde(rename = "client", default)]
    _client: Option<Client>,
    #[serde(rename = "binlog", default)]
    _binlog: Option<Binlog>,
    #[serde(rename = "raw_size", default)]
    _raw_size: Option<u64>,
    #[serde(rename = "sha256", default)]
    _sha256: Option<Text>,
    #[serde(rename = "raw_sha256", default)]
    _raw_sha256: Option<Text>,
    #[serde(rename = "largest_statement", default)]
    _largest_statement: u64,
    #[serde(rename = "warnings", default)]
    _warnings: Ignored<Text>,
}

impl<'a> Brief<'a> {
    /// Reads it. None where the text is not a manifest, or one that is written in an unusual way: [`Manifest::from_slice`]
    /// tells these apart.
    pub(crate) fn of(json: &'a str) -> Option<Self> {
        serde_json::from_str::<Self>(json).ok().filter(|brief| brief.schema == SCHEMA)
    }

    /// Rows of all tables, where any are counted.
    pub(crate) fn rows(&self) -> Option<u64> {
        self.sections.0
    }

    /// What is known of which server it is of.
    pub(crate) fn server(&self) -> ServerIdentity {
        let server = self.server.as_ref();
        let known = server.map(|server| (server.id.clone(), server.address.clone()));
        let (id, address) = known.unwrap_or_default();
        ServerIdentity { id, address }
    }

    /// How that server compares names, where it is known.
    pub(crate) fn name_case(&self) -> Option<NameCase> {
        self.server.as_ref()?.lower_case_table_names.map(NameCase::of_setting)
    }

    /// Whether it has fields that a sidecar does not have.
    pub(crate) fn is_of_a_stream(&self) -> bool {
        self.store.is_some() || self.decision.is_some()
    }
}

/// What one tool tells the next of a backup: where it is. The rest of the record is not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The artifact's file name in its store.
    pub name: String,
    /// The store's directory.
    pub store: Option<String>,
}

impl Named {
    /// Reads it from the JSON text of a manifest.
    ///
    /// # Errors
    /// The text is not a manifest.
    pub fn from_slice(json: &[u8]) -> Result<Self, ManifestError> {
        if let Some(brief) = std::str::from_utf8(json).ok().and_then(Brief::of) {
            return Ok(Self { name: brief.name.into_owned(), store: brief.store });
        }
        Manifest::from_slice(json).map(Self::from)
    }
}

impl From<Manifest> for Named {
    fn from(manifest: Manifest) -> Self {
        Self { name: manifest.name, store: manifest.store }
    }
}

/// The rows of all sections.
#[derive(Debug, Default)]
struct Rows(Option<u64>);

impl<'de> Deserialize<'de> for Rows {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Rows(None))
    }
}

impl<'de> Visitor<'de> for Rows {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sections")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut sections: A) -> Result<Self, A::Error> {
        while let Some(section) = sections.next_element::<Section>()? {
            self.0 = match (self.0, section.rows) {
                (Some(sum), Some(rows)) => Some(sum.saturating_add(rows)),
                (sum, rows) => sum.or(rows),
            };
        }
        Ok(self)
    }
}

#[derive(Deserialize)]
struct Section {
    #[serde(default)]
    rows: Option<u64>,
    #[serde(rename = "kind")]
    _kind: SectionKind,
    #[serde(rename = "name", default)]
    _name: Option<Text>,
    #[serde(rename = "offset", default)]
    _offset: Option<u64>,
    #[serde(rename = "size", default)]
    _size: Option<u64>,
    #[serde(rename = "raw_offset")]
    _raw_offset: u64,
    #[serde(rename = "raw_size")]
    _raw_size: u64,
    #[serde(rename = "crc32", default)]
    _crc32: Option<Text>,
    #[serde(rename = "rows_digest", default)]
    _rows_digest: Option<Text>,
    #[serde(rename = "objects", default)]
    _objects: Ignored<Object>,
}

#[derive(Deserialize)]
struct Object {
    #[serde(rename = "kind")]
    _kind: ObjectKind,
    #[serde(rename = "name")]
    _name: Text,
}

#[derive(Debug, Deserialize)]
struct Server {
    #[serde(rename = "version")]
    _version: Text,
    #[serde(default)]
    id: Option<ServerName>,
    #[serde(default)]
    address: Option<ServerName>,
    #[serde(default)]
    lower_case_table_names: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct Client {
    #[serde(rename = "program")]
    _program: Text,
    #[serde(rename = "version")]
    _version: Text,
    #[serde(rename = "options")]
    _options: Ignored<Text>,
}

#[derive(Debug, Deserialize)]
struct Binlog {
    #[serde(rename = "file")]
    _file: Text,
    #[serde(rename = "position")]
    _position: u64,
    #[serde(rename = "gtid", default)]
    _gtid: Option<Text>,
}

/// A string that is not kept.
#[derive(Debug)]
struct Text;

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text)
    }
}

impl Visitor<'_> for Text {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }
}

/// A list that is not kept.
#[derive(Debug)]
struct Ignored<T>(std::marker::PhantomData<T>);

impl<T> Default for Ignored<T> {
    fn default() -> Self {
        Self(std::marker::PhantomData)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Ignored<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Self::default())
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for Ignored<T> {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self, A::Error> {
        while list.next_element::<T>()?.is_some() {}
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn manifest() -> Value {
        json!({
            "schema": "fwb/1", "name": "가_backup_20250725_100000.sql.gz", "kind": "full", "database": "가 \"\n",
            "charset": "utf8mb4", "started_at": "2025-07-25T10:00:00+09:00", "finished_at": "2025-07-25T10:00:09+09:00",
            "server": {"version": "10.11", "id": "가", "address": "db:3306", "lower_case_table_names": 1, "later": 1},
            "client": {"program": "mariadb-dump", "version": "x", "options": ["--events"]},
            "binlog": {"file": "b.000001", "position": 4}, "size": 2048, "raw_size": 9, "sha256": "ab",
            "raw_sha256": "cd", "largest_statement": 7, "warnings": ["한글\u{1}"],
            "sections": [
                {"kind": "header", "raw_offset": 0, "raw_size": 9},
                {"kind": "table", "name": "a\tb", "raw_offset": 9, "raw_size": 9, "rows": 7, "rows_digest": "ab",
                 "objects": [{"kind": "trigger", "name": "t"}], "later": {}},
                {"kind": "table", "name": "c", "raw_offset": 18, "raw_size": 9, "offset": 1, "size": 1, "rows": 5},
            ],
            "verification": {"level": "full", "ok": true, "at": "2025-07-25T10:00:09+09:00", "seconds": 1.0},
            "later": [1],
        })
    }

    #[test]
    fn a_glance_shows_what_a_reading_does() {
        let text = manifest().to_string();
        let (brief, whole) = (Brief::of(&text).unwrap(), Manifest::from_value(manifest()).unwrap());
        assert_eq!((brief.name.as_ref(), &brief.database), (whole.name.as_str(), &whole.database));
        assert_eq!((brief.kind, brief.started_at, brief.size), (whole.kind, whole.started_at, whole.size));
        let server = whole.server.unwrap();
        assert_eq!((brief.server(), brief.name_case()), (server.identity(), server.name_case()));
        assert!(brief.server().id.is_some() && brief.server().address.is_some());
        assert_eq!(brief.verification, whole.verification);
        assert_eq!(brief.rows(), Some(12));
        assert!(!brief.is_of_a_stream());
    }

    /// What is no manifest must not pass for one because it was only glanced at.
    #[test]
    fn what_a_reading_refuses_no_glance_admits() {
        fn each(value: &Value, see: &mut dyn FnMut(&Value)) {
            let inside: Vec<&Value> = match value {
                Value::Object(fields) => fields.values().collect(),
                Value::Array(list) => list.iter().collect(),
                _ => return,
            };
            for part in inside {
                each(part, see);
                see(part);
            }
        }
        let text = manifest().to_string();
        let mut refused = 0;
        each(&manifest(), &mut |part| {
            for other in ["[[]]", "{\"x\":0}", "-1.5", "\"x\"", "null", "true"] {
                let bad = text.replacen(&format!(":{part}"), &format!(":{other}"), 1);
                if Manifest::from_slice(bad.as_bytes()).is_err() {
                    refused += 1;
                    assert!(Brief::of(&bad).is_none(), "{bad}");
                }
            }
        });
        assert!(refused > 100, "{refused}");
        for cut in 1..text.len() {
            assert!(text.get(..cut).and_then(Brief::of).is_none());
        }
    }
}
