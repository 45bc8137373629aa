//! How a backup is encrypted, and what of its manifest stands beside it in clear then.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{CODEC, Exclusion, Manifest};

/// How an artifact is encrypted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Encryption {
    /// The format: `age` (age-encryption.org/v1).
    pub format: String,
    /// The public keys to which it is encrypted.
    pub recipients: Vec<String>,
    /// How much stands in the sidecar.
    pub sidecar: Detail,
    /// Fields of later versions.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Encryption {
    /// Encryption to these recipients, in the format of age.
    pub(crate) fn age(recipients: &[String], sidecar: Detail) -> Self {
        Self { format: "age".into(), recipients: recipients.to_vec(), sidecar, extra: Map::new() }
    }
}

/// How much of the manifest of an encrypted backup stands beside it in clear.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Detail {
    /// What a listing needs: no name but the database's, no hash of anything inside.
    #[default]
    Minimal,
    /// All of it.
    Full,
}

/// What a minimal sidecar says in the place of what names something of the database.
const HIDDEN_PROBLEM: &str = "something does not hold: fwb-verify with an identity says what";
const HIDDEN_REASON: &str = "fwb-verify --level drill with an identity says why";

impl Manifest {
    /// Whether it is that of a minimal sidecar, or is to become one.
    pub(crate) fn is_minimal(&self) -> bool {
        self.encryption.as_ref().is_some_and(|encryption| encryption.sidecar == Detail::Minimal)
    }

    /// The manifest as it stands in the sidecar: a minimal one lacks what names something in the database, and hashes of it.
    pub(crate) fn beside(&self) -> Self {
        let mut beside = Self { store: None, decision: None, ..self.clone() };
        if !self.is_minimal() {
            return beside;
        }
        beside.raw_sha256 = None;
        beside.largest_statement = 0;
        beside.warnings.clear();
        beside.sections.clear();
        beside.chosen.iter_mut().for_each(Vec::clear);
        beside.excluded.iter_mut().for_each(Exclusion::hide);
        beside.accounts = None;
        beside.surroundings = None;
        beside.client = None;
        beside.extra.retain(|field, _| field == CODEC);
        if let Some(outcome) = &mut beside.verification {
            if !outcome.problems.is_empty() {
                outcome.problems = vec![HIDDEN_PROBLEM.into()];
            }
            outcome.whole_tables = None;
            outcome.notes.clear();
            outcome.extra.clear();
        }
        if let Some(not_drilled) = &mut beside.not_drilled {
            HIDDEN_REASON.clone_into(&mut not_drilled.reason);
        }
        if let Some(proof) = &mut beside.chain_proof {
            if !proof.problems.is_empty() {
                proof.problems = vec![HIDDEN_PROBLEM.into()];
            }
            proof.notes.clear();
        }
        beside
    }

    /// The manifest as it is printed: what the sidecar has, and where that is.
    pub(crate) fn printed(self) -> Self {
        if self.is_minimal() { Self { store: self.store.clone(), ..self.beside() } } else { self }
    }

    /// The artifact's own manifest, with what the sidecar alone knows.
    pub(crate) fn completed(self, own: Self) -> Self {
        let Self { name, size, sha256, verification, not_drilled, chain_proof, retained_until, .. } = self;
        Self { name, size, sha256, verification, not_drilled, chain_proof, retained_until, ..own }
    }
}
