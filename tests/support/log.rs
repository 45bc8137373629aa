//! A log in a store as a follower would have left it, written without a server: descriptions and their chain, with no bytes behind
//! them. The hash of the chain is computed here anew, as docs/FORMAT.md has it.

use std::fs;
use std::path::{Path, PathBuf};

use chrono::{DateTime, TimeZone};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::sha256;

/// Bytes of the log in each segment.
pub(crate) const STEP: u64 = 1000;

/// A chain of one file of the server's log, of which each segment has [`STEP`] bytes.
pub(crate) struct Log {
    folder: PathBuf,
    server: String,
    chain: String,
    /// Its segments so far.
    pub(crate) segments: u64,
    hash: Option<String>,
    at: String,
}

impl Log {
    /// A chain without a segment yet.
    pub(crate) fn new(store: &Path, server: &str, chain: &str) -> Self {
        let folder = store.join("log");
        fs::create_dir_all(&folder).unwrap();
        let (server, chain) = (server.into(), chain.into());
        Self { folder, server, chain, segments: 0, hash: None, at: String::new() }
    }

    fn file(&self) -> String {
        format!("{}.000001", self.chain)
    }

    /// Where the server's log stands in the middle of the next segment, as the manifest of a backup says it.
    pub(crate) fn place(&self) -> Value {
        json!({"file": self.file(), "position": 4 + self.segments * STEP + STEP / 2})
    }

    /// The file of a segment, by its number from 1.
    pub(crate) fn segment(&self, number: u64) -> PathBuf {
        self.folder.join(format!("{}-{number:010}-{number:010}.fwblog", self.chain))
    }

    /// Adds a segment that arrived at this moment, up to which all is safe.
    pub(crate) fn goes_on<Z: TimeZone>(&mut self, at: &DateTime<Z>) {
        let (start, raw) = (4 + self.segments * STEP, "0".repeat(64));
        self.segments += 1;
        let (number, chain, file) = (self.segments, &self.chain, self.file());
        let previous = self.hash.clone();
        let moment = at.timestamp_millis();
        let line = format!(
            "{} {chain} {number} {file} {start} {STEP} {raw} {moment} {moment} {moment} {moment}\n",
            previous.as_deref().unwrap_or("-")
        );
        let hash = sha256(line.as_bytes());
        self.at = at.to_utc().to_rfc3339();
        let at = &self.at;
        let mut description = json!({
            "schema": "fwb-log/1", "chain": chain, "first": number, "last": number, "hash": hash,
            "source": {"version": "10.11.6-MariaDB-log", "server_id": 7, "address": self.server},
            "file": file, "start": start, "end": start + STEP, "gtid_before": "", "gtid_after": "", "groups": 1,
            "overlap": {"from": start, "sha256": raw},
            "parts": [{"raw_size": STEP, "raw_sha256": raw, "size": 0, "seen": at, "from": at, "until": at, "safe": at}],
            "size": 0, "sha256": raw,
        });
        if let Some(previous) = previous {
            description["previous"] = previous.into();
        }
        let text = description.to_string();
        let sum = Sha256::digest(text.as_bytes());
        let size = u32::try_from(text.len() + sum.len()).unwrap();
        let bytes = [&0x184D_2A5F_u32.to_le_bytes()[..], &size.to_le_bytes(), text.as_bytes(), &sum].concat();
        fs::write(self.segment(number), bytes).unwrap();
        self.hash = Some(hash);
    }

    /// What the follower says at a moment. Where it follows, all is safe up to then.
    pub(crate) fn says<Z: TimeZone>(&self, at: &DateTime<Z>, state: &str, more: &Value) {
        let at = at.to_utc().to_rfc3339();
        let safe_until = if state == "following" { &at } else { &self.at };
        let mut status = json!({
            "schema": "fwb-log-status/1", "chain": self.chain, "at": at, "last": self.segments, "hash": self.hash,
            "safe_until": safe_until, "state": state, "every": 5, "host": "follower", "pid": 7,
        });
        for (field, value) in more.as_object().unwrap() {
            status[field] = value.clone();
        }
        fs::write(self.folder.join(format!("{}.status.json", self.chain)), status.to_string()).unwrap();
    }

    /// Removes all segments but the newest.
    pub(crate) fn keep(&self, newest: u64) {
        for number in 1..=self.segments.saturating_sub(newest) {
            let _ = fs::remove_file(self.segment(number));
        }
    }
}
