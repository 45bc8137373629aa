//! What a backup leaves out of its database, because somebody wanted it so.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What a backup leaves out of its database, because somebody wanted it so. It is whole but for that: a restore leaves these
/// tables as they are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exclusion {
    /// Tables, sequences and views that are not in it at all, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<String>,
    /// Tables of which the definition and the triggers are in it, and no rows, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<String>,
    /// Why: the patterns that were given.
    #[serde(default, skip_serializing_if = "ExclusionPatterns::is_empty")]
    pub patterns: ExclusionPatterns,
    /// Fields of later versions.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// The patterns that tables were excluded by, as they were given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExclusionPatterns {
    /// Of tables that are not in the backup.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<String>,
    /// Of tables without rows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<String>,
}

impl ExclusionPatterns {
    fn is_empty(&self) -> bool {
        self.tables.is_empty() && self.rows.is_empty()
    }
}

impl Exclusion {
    /// The same in a sidecar that names nothing.
    pub(super) fn hide(&mut self) {
        *self = Self::default();
    }
}
