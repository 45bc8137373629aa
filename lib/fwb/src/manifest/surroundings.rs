//! What a rebuilt server needs beside its databases and accounts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What a rebuilt server needs beside its databases and accounts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Surroundings {
    /// Global variables by their names: those that somebody has set, and those that decide what data mean or who may log in.
    pub variables: BTreeMap<String, String>,
    /// Variables that somebody has set, and whose values may hold a secret: names alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub withheld: Vec<String>,
    /// Plugins from libraries, by their names, with their types.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub plugins: BTreeMap<String, String>,
    /// Components (MySQL), by their URNs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub components: Vec<String>,
    /// Whether the tables of time zones are filled.
    pub time_zones: bool,
    /// Fields of later versions.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}
