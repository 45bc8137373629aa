//! Something found before a restore, which refuses it or warns.

use serde::Serialize;

/// How grave a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Gravity {
    /// The restore would fail or do harm.
    Refusal,
    /// The restore works, and something about its result should be known.
    Warning,
}

/// Something found before the restore.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Whether it stops the restore.
    pub gravity: Gravity,
    /// What was found.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
}
