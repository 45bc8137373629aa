//! What comes over stderr beside the program's own words: signs of life, and the proof.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::locked;
use super::proof::Proof;

/// What the script in the pod has said so far.
#[derive(Debug)]
pub(super) struct Said {
    nonce: String,
    since: Instant,
    /// Milliseconds from `since` to the last sign of life.
    last: AtomicU64,
    proof: Mutex<Option<Proof>>,
}

impl Said {
    pub(super) fn new(nonce: String) -> Self {
        Self { nonce, since: Instant::now(), last: AtomicU64::new(0), proof: Mutex::new(None) }
    }

    /// Takes a line. Whether it is the program's own.
    pub(super) fn hear(&self, line: &[u8]) -> bool {
        self.touch();
        let line = line.trim_ascii();
        let of_script = |word: &str| {
            let rest = line.strip_prefix(word.as_bytes())?.strip_prefix(self.nonce.as_bytes())?;
            Some(String::from_utf8_lossy(rest).into_owned())
        };
        if let Some(text) = of_script("fwb-proof ") {
            *locked(&self.proof) = Proof::read(&text);
            return false;
        }
        // An empty line goes before each of the script's; kubectl's own line repeats what the proof says.
        let is_other = line.is_empty() || line.starts_with(b"command terminated with exit code");
        !(is_other || of_script("fwb-alive ").is_some())
    }

    /// Something has arrived.
    pub(super) fn touch(&self) {
        let now = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(now, Ordering::SeqCst);
    }

    /// How long nothing has arrived.
    pub(super) fn since(&self) -> Duration {
        self.since.elapsed().saturating_sub(Duration::from_millis(self.last.load(Ordering::SeqCst)))
    }

    pub(super) fn proof(&self) -> Option<Proof> {
        locked(&self.proof).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lines_of_this_run_are_ours() {
        let said = Said::new("abc".into());
        assert!(said.hear(b"fwb-proof xyz 0 1 aa 2 bb\n"));
        assert!(said.hear(b"ERROR 1045 (28000): Access denied\n"));
        assert_eq!(said.proof(), None);
        for ours in [&b"fwb-alive abc\n"[..], b"\n", b"command terminated with exit code 1\n"] {
            assert!(!said.hear(ours));
        }
        assert!(!said.hear(b"fwb-proof abc 3 1 aa 2 bb\r\n"));
        assert_eq!(said.proof().unwrap().status, 3);
        // Half of a proof counts as none, whatever came before.
        assert!(!said.hear(b"fwb-proof abc 0 1 a"));
        assert_eq!(said.proof(), None);
    }
}
